//! Connections whose packets come inside of something else: every combination of PROXY header, TLS
//! and WebSocket, with the client's machines at the other end.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::super::*;
use super::world::{Client, World, bytes_of, publish, subscribe};
use crate::codec::{Connect, Packet, QoS, Version};
use crate::metrics::Kind;
use crate::session::{Access, Admission, Credentials, Identity, Peer};
use crate::transport::{
    Acceptor, BATCH, Connector, Exit, File, Gateway, ProxyRules, ProxyVersion, Stream, TlsClient,
    TlsServer, WebAcceptor, WebConnector, WebRequest, WebRules,
};

/// A client with machines of its own.
struct Far {
    near: Client,
    stream: Option<Box<Stream>>,
    machines: Scratch,
    /// Bytes carried at once.
    gulp: usize,
    is_closed: bool,
    fault: Option<String>,
}

/// What a combination consists of.
#[derive(Clone, Copy, Debug)]
struct Mix {
    proxy: bool,
    tls: bool,
    web: bool,
}

const MIXES: [Mix; 8] = {
    let mut all = [Mix { proxy: false, tls: false, web: false }; 8];
    let mut at = 0;
    while at < 8 {
        all[at] = Mix { proxy: at & 1 != 0, tls: at & 2 != 0, web: at & 4 != 0 };
        at += 1;
    }
    all
};

const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 8883\r\n";

/// Certificates of a broker and of one client.
struct Keys {
    acceptor: Acceptor,
    connector: Connector,
}

fn wall() -> u64 {
    1_800_000_000
}

/// A client of `version` from this address, through the gateway.
fn open_by(world: &mut World, gateway: &Arc<Gateway>, address: &str, version: Version) -> Client {
    let peer = Peer { address: Some(address.parse().unwrap()), listener: 0 };
    world.open_by(peer, gateway.stream(peer.address), version)
}

impl Keys {
    fn new() -> Self {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        let file = |pem: String| File { path: "test".into(), bytes: pem.into_bytes() };
        let owner = |name: &str| {
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &ca).unwrap();
            (file(certificate.pem()), file(key.serialize_pem()))
        };
        let (certificate, key) = owner("broker");
        let server = TlsServer {
            certificate,
            key,
            authorities: vec![file(ca.pem())],
            requires_certificate: true,
            ..TlsServer::default()
        };
        let client = TlsClient {
            authorities: vec![file(ca.pem())],
            identity: Some(owner("lamp")),
            ..TlsClient::default()
        };
        Self {
            acceptor: Acceptor::new(&server, wall).unwrap(),
            connector: Connector::new(&client, "broker", wall).unwrap(),
        }
    }

    fn gateway(&self, mix: Mix) -> Arc<Gateway> {
        Arc::new(Gateway {
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            proxy: mix
                .proxy
                .then_some(ProxyRules { version: ProxyVersion::V1, requires_tls: false }),
            tls: mix.tls.then(|| self.acceptor.clone()),
            web: mix.web.then(|| WebAcceptor::new(WebRules::default()).unwrap()),
        })
    }

    fn far(&self, world: &mut World, mix: Mix, gulp: usize) -> Far {
        let near = open_by(world, &self.gateway(mix), "10.0.0.1:9", Version::V5);
        let request = WebRequest { authority: "broker".into(), path: "/mqtt".into() };
        let exit = Exit {
            tls: mix.tls.then(|| self.connector.clone()),
            web: mix.web.then(|| WebConnector::new(request).unwrap()),
        };
        if mix.proxy {
            near.send_bytes(world, HEADER);
        }
        let stream = exit.stream(5).unwrap();
        Far { near, stream, machines: Scratch::default(), gulp, is_closed: false, fault: None }
    }
}

impl Far {
    fn is_established(&self) -> bool {
        self.stream.as_ref().is_none_or(|stream| stream.is_established())
    }

    /// Carries bytes both ways until nothing more comes.
    fn exchange(&mut self, world: &mut World) {
        loop {
            self.push(world, &[]);
            world.settle();
            let mut bytes = std::mem::take(&mut self.near.wire.borrow_mut().from_server);
            if bytes.is_empty() {
                return;
            }
            let Some(stream) = &mut self.stream else {
                self.near.inbox.extend_from_slice(&bytes);
                continue;
            };
            for piece in bytes.chunks_mut(self.gulp) {
                let opened = stream.open(piece, &mut self.machines);
                self.near.inbox.extend_from_slice(opened.plain);
                self.is_closed |= opened.is_closed;
                self.fault = self.fault.take().or(opened.fault);
            }
        }
    }

    /// Sends plain bytes the way they have to go.
    fn push(&mut self, world: &mut World, bytes: &[u8]) {
        let mut wire = Vec::new();
        match &mut self.stream {
            None => wire.extend_from_slice(bytes),
            Some(stream) => {
                let mut sealing = stream.sealing(&mut wire, &mut self.machines);
                io::Write::flush(&mut sealing).unwrap();
                if !bytes.is_empty() {
                    io::Write::write_all(&mut sealing, bytes).unwrap();
                }
            }
        }
        for piece in wire.chunks(self.gulp) {
            self.near.send_bytes(world, piece);
            if piece.len() == self.gulp {
                world.settle();
            }
        }
    }

    fn send(&mut self, world: &mut World, packet: &Packet) {
        self.push(world, &bytes_of(packet, Version::V5));
    }

    fn connect(&mut self, world: &mut World) {
        self.exchange(world);
        assert!(self.is_established(), "{:?}", self.fault);
        let connect = Connect::new("lamp").keep_alive(0).version(Version::V5);
        self.send(world, &Packet::Connect(connect));
        self.exchange(world);
        assert_eq!(self.near.received(), ["CONNACK"]);
    }
}

/// Lets everybody in and remembers who it was.
#[derive(Clone, Debug, Default)]
struct Doorman(Rc<RefCell<Vec<Identity>>>);

impl Authority for Doorman {
    fn admit(&self, credentials: &Credentials) -> Admission {
        self.0.borrow_mut().push(credentials.identity.clone());
        Admission::Granted
    }

    fn may(&self, _: &Identity, _: Access, _: &str) -> bool {
        true
    }
}

#[test]
fn every_combination_carries_packets_and_says_who_it_is() {
    let keys = Keys::new();
    for mix in MIXES {
        for (gulp, len) in [(7, 3000), (1460, 100_000), (usize::MAX, 500_000)] {
            let doorman = Doorman::default();
            let mut world = World::with(Options::default(), Box::new(doorman.clone()));
            let mut far = keys.far(&mut world, mix, gulp);
            far.connect(&mut world);
            let large = "x".repeat(len);
            far.send(&mut world, &subscribe("t", QoS::AtMostOnce));
            far.send(&mut world, &publish("t", &large));
            far.send(&mut world, &Packet::PingReq);
            far.exchange(&mut world);
            assert_eq!(far.near.received(), ["SUBACK", &large, "PINGRESP"], "{mix:?}");
            assert_eq!(world.hub.broker().gauge().of(Kind::Output), 0, "it idles without a buffer");
            let admitted = doorman.0.borrow();
            let address = if mix.proxy { "192.0.2.7:4711" } else { "10.0.0.1:9" };
            let peer = Peer { address: Some(address.parse().unwrap()), listener: 0 };
            assert_eq!(admitted[0].peer, peer, "{mix:?}");
            let name = admitted[0].certificate.as_ref().and_then(|c| c.common_name.clone());
            assert_eq!(name.as_deref(), mix.tls.then_some("lamp"));
            drop(admitted);
            world.hub.stop(world.now);
            far.exchange(&mut world);
            assert_eq!(far.near.received(), ["DISCONNECT"]);
            assert_eq!(far.is_closed, mix.tls || mix.web, "{mix:?}: a goodbye comes last");
            assert!(far.near.is_shut() && far.fault.is_none());
            far.near.end(&mut world);
            world.finish();
        }
    }
}

#[test]
fn a_slow_reader_holds_a_bounded_number_of_sealed_bytes() {
    let keys = Keys::new();
    for mix in MIXES {
        let mut world = World::new();
        let mut far = keys.far(&mut world, mix, usize::MAX);
        far.connect(&mut world);
        far.send(&mut world, &subscribe("t", QoS::AtMostOnce));
        far.exchange(&mut world);
        far.near.received();
        let publisher = world.clean("p", Version::V5);
        far.near.wire.borrow_mut().space = 0;
        for number in 0..200 {
            publisher.send(&mut world, &publish("t", &format!("{number:03}{}", "x".repeat(9000))));
        }
        world.settle();
        // Let it through in small pieces: nothing is lost, doubled or out of order.
        let mut received = Vec::new();
        for _ in 0..5000 {
            let held = world.hub.broker().gauge().of(Kind::Output);
            let room = Options::default().room as usize;
            assert!(held <= room + 2 * BATCH, "{mix:?}: {held}");
            if world.hub.connections[far.near.slot()].is_drained() {
                break;
            }
            far.near.give_space(&mut world, 3000);
            far.exchange(&mut world);
            received.extend(far.near.received());
        }
        assert!(world.hub.connections[far.near.slot()].is_drained(), "{mix:?}");
        assert!(received.len() > 10, "{mix:?}: {}", received.len());
        assert!(received.is_sorted_by(|a, b| a[..3] < b[..3]), "{mix:?}");
        assert_eq!(world.hub.broker().gauge().of(Kind::Output), 0);
        // All of its room is free again.
        far.near.give_space(&mut world, usize::MAX);
        publisher.send(&mut world, &publish("t", "the last one"));
        world.settle();
        far.exchange(&mut world);
        assert_eq!(far.near.received(), ["the last one"]);
        publisher.end(&mut world);
        far.near.end(&mut world);
        world.finish();
    }
}

#[test]
fn goodbyes_of_clients_are_heard_and_answered() {
    let keys = Keys::new();
    for mix in MIXES.into_iter().filter(|mix| mix.tls || mix.web) {
        let mut world = World::new();
        let mut far = keys.far(&mut world, mix, usize::MAX);
        far.connect(&mut world);
        far.stream.as_mut().unwrap().close();
        far.push(&mut world, &[]);
        world.settle();
        assert!(!far.near.wire.borrow().from_server.is_empty(), "{mix:?}: a goodbye comes back");
        assert!(far.near.is_dropped(), "{mix:?}");
        world.finish();
    }
}

#[test]
fn who_does_not_keep_to_the_rules_is_closed() {
    let keys = Keys::new();
    let connect = bytes_of(&Packet::Connect(Connect::new("a")), Version::V311);
    for mix in MIXES {
        for first in [&b"\x16\x03\x01\x00\x05hello"[..], b"POST / HTTP/1.1\r\n\r\n", &[9; 300]] {
            let mut world = World::new();
            let near = open_by(&mut world, &keys.gateway(mix), "10.0.0.1:9", Version::V5);
            near.send_bytes(&mut world, first);
            near.send_bytes(&mut world, &connect);
            world.settle();
            near.end(&mut world);
            world.settle();
            assert!(near.is_dropped(), "{mix:?} {first:?}");
            world.finish();
        }
    }
    // In the middle of things.
    let web = Mix { proxy: false, tls: false, web: true };
    let mut world = World::new();
    let mut far = keys.far(&mut world, web, usize::MAX);
    far.connect(&mut world);
    far.near.send_bytes(&mut world, &[0x81, 0x80, 0, 0, 0, 0]);
    far.exchange(&mut world);
    assert!(far.is_closed, "1003, [MQTT-6.0.0-1]");
    assert!(far.near.is_shut());
    far.near.end(&mut world);
    world.finish();
}

#[test]
fn handshakes_do_not_hold_up_those_who_are_there() {
    let keys = Keys::new();
    let tls = Mix { proxy: false, tls: true, web: false };
    let mut world = World::new();
    let mut client = world.clean("a", Version::V5);
    let mut crowd: Vec<Far> = (0..10).map(|_| keys.far(&mut world, tls, usize::MAX)).collect();
    world.settle();
    for far in &mut crowd {
        far.push(&mut world, &[]);
    }
    client.send(&mut world, &Packet::PingReq);
    let answered = |crowd: &[Far]| {
        crowd.iter().filter(|far| !far.near.wire.borrow().from_server.is_empty()).count()
    };
    assert_eq!(world.hub.turn(world.now), Some(Duration::ZERO), "more are to be done");
    assert_eq!((answered(&crowd), client.received().len()), (HANDSHAKE_BUDGET, 1));
    world.settle();
    assert_eq!(answered(&crowd), crowd.len());
    for far in &mut crowd {
        far.exchange(&mut world);
        assert!(far.is_established());
        far.near.end(&mut world);
    }
    client.end(&mut world);
    world.finish();
}

#[test]
fn proxies_are_believed_only_from_where_they_are() {
    let keys = Keys::new();
    let web = Mix { proxy: false, tls: false, web: true };
    let seen = |mix: Mix, from: &str, forwarded: &str| {
        let doorman = Doorman::default();
        let mut world = World::with(Options::default(), Box::new(doorman.clone()));
        let near = open_by(&mut world, &keys.gateway(mix), from, Version::V311);
        let mut request = Vec::new();
        if mix.proxy && from.starts_with("10.") {
            request.extend_from_slice(HEADER);
        }
        if mix.web {
            request.extend_from_slice(
                format!(
                    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Forwarded-For: \
                     {forwarded}\r\n\r\n"
                )
                .as_bytes(),
            );
        }
        let connect = bytes_of(&Packet::Connect(Connect::new("a")), Version::V311);
        if mix.web {
            request.extend_from_slice(&[
                0x82,
                0x80 | u8::try_from(connect.len()).unwrap(),
                0,
                0,
                0,
                0,
            ]);
        }
        request.extend_from_slice(&connect);
        near.send_bytes(&mut world, &request);
        world.settle();
        let admitted = doorman.0.borrow();
        admitted[0].peer.address.unwrap().to_string()
    };
    assert_eq!(seen(web, "10.0.0.1:9", "192.0.2.9"), "192.0.2.9:0");
    assert_eq!(seen(web, "10.0.0.1:9", "6.6.6.6, 192.0.2.9:55, 10.9.9.9"), "192.0.2.9:55");
    assert_eq!(seen(web, "10.0.0.1:9", "[2001:db8::1], 10.1.1.1"), "[2001:db8::1]:0");
    assert_eq!(seen(web, "10.0.0.1:9", "10.1.1.1"), "10.1.1.1:0", "all of them are ours");
    assert_eq!(seen(web, "10.0.0.1:9", "unknown"), "10.0.0.1:9");
    assert_eq!(seen(web, "172.16.0.1:9", "192.0.2.9"), "172.16.0.1:9", "who is that?");
    let proxy = Mix { proxy: true, ..web };
    assert_eq!(seen(proxy, "172.16.0.1:9", "1.1.1.1"), "172.16.0.1:9", "not by a proxy");
    assert_eq!(seen(proxy, "10.0.0.1:9", "1.1.1.1"), "192.0.2.7:4711", "the header says enough");
}

#[test]
fn clients_behind_a_proxy_are_counted_by_their_own_addresses() {
    let keys = Keys::new();
    let proxy = Mix { proxy: true, tls: false, web: false };
    let mut world = World::new();
    world.hub.limit_addresses(2);
    let gateway = keys.gateway(proxy);
    let come = |world: &mut World, client: &str, id: &str| {
        let near = open_by(world, &gateway, "10.0.0.1:9", Version::V311);
        let header = format!("PROXY TCP4 {client} 10.0.0.1 4711 8883\r\n");
        let connect = bytes_of(&Packet::Connect(Connect::new(id)), Version::V311);
        near.send_bytes(world, &[header.as_bytes(), &connect].concat());
        world.settle();
        near
    };
    let mut all: Vec<Client> = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"]
        .iter()
        .enumerate()
        .map(|(number, client)| come(&mut world, client, &number.to_string()))
        .collect();
    let answers: Vec<usize> = all.iter_mut().map(|near| near.received().len()).collect();
    assert_eq!(answers, [1, 1, 1, 0], "the last is one too many");
    let from = |world: &World, ip: &str| world.hub.len_from(ip.parse().unwrap());
    assert_eq!((from(&world, "192.0.2.2"), from(&world, "10.0.0.1")), (1, 0));
    all.iter().for_each(|near| near.end(&mut world));
    world.settle();
    assert_eq!(from(&world, "192.0.2.1"), 0);
    world.finish();
}
