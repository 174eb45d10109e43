//! TLS with bytes damaged on their way, in the middle of handshakes and behind them, alone and with
//! WebSocket inside.
//!
//! Whatever is damaged and however it is cut, neither end panics or keeps more than it must, and
//! nothing comes out that was not put in: what arrives is the beginning of what was sent.

use std::io::Write;
use std::sync::Arc;

use mqtt_broker::rng::Rng;
use mqtt_broker::transport::{
    Acceptor, Connector, Exit, File, Gateway, Scratch, Stream, TlsClient, TlsServer, TlsVersions,
    WebAcceptor, WebConnector, WebRequest, WebRules,
};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::mutation::mutate;
use super::{pick, rounds};

/// Connections of a round.
const CONNECTIONS: usize = 300;

/// Bytes an end may hold on to beyond what has just come.
const KEPT_MAX: usize = 96 << 10;

/// What both ends need, in both versions, with certificates of clients and without.
struct Office {
    ways: Vec<(Acceptor, Connector)>,
}

impl Office {
    fn new() -> Self {
        let file = |pem: String| File { path: "test".into(), bytes: pem.into_bytes() };
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        let issue = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new([name.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &ca).unwrap();
            (file(certificate.pem()), file(key.serialize_pem()))
        };
        let mut ways = Vec::new();
        for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
            for requires_certificate in [false, true] {
                let (certificate, key) = issue("broker");
                let authorities = vec![file(ca.pem())];
                let server = TlsServer {
                    certificate,
                    key,
                    authorities: authorities.clone(),
                    requires_certificate,
                    versions,
                    ..TlsServer::default()
                };
                let identity = requires_certificate.then(|| issue("lamp"));
                let client = TlsClient { authorities, identity, ..TlsClient::default() };
                let acceptor = Acceptor::new(&server, || 1_800_000_000).unwrap();
                let connector = Connector::new(&client, "broker", || 1_800_000_000).unwrap();
                ways.push((acceptor, connector));
            }
        }
        Self { ways }
    }

    /// A client and a server.
    fn ends(&self, rng: &mut Rng) -> [End; 2] {
        let (acceptor, connector) = pick(rng, &self.ways).clone();
        let is_web = rng.chance(1, 2);
        let request = WebRequest { authority: "broker".into(), path: "/mqtt".into() };
        let exit =
            Exit { tls: Some(connector), web: is_web.then(|| WebConnector::new(request).unwrap()) };
        let gateway = Arc::new(Gateway {
            tls: Some(acceptor),
            web: is_web.then(|| WebAcceptor::new(WebRules::default()).unwrap()),
            ..Gateway::default()
        });
        let client = exit.stream(rng.next_u64()).unwrap().expect("there is something");
        let server = gateway.stream(None).expect("there is something");
        [End::new(client), End::new(server)]
    }
}

/// One end of a connection.
struct End {
    stream: Box<Stream>,
    scratch: Scratch,
    /// What it was given to send, and what has come.
    sent: Vec<u8>,
    got: Vec<u8>,
    is_over: bool,
}

impl End {
    fn new(stream: Box<Stream>) -> Self {
        let (sent, got) = (Vec::new(), Vec::new());
        Self { stream, scratch: Scratch::default(), sent, got, is_over: false }
    }

    /// What it has to say by itself, and `plain` if it can be said already.
    fn say(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        let is_established = self.stream.is_established() && !self.is_over;
        let mut sealing = self.stream.sealing(&mut wire, &mut self.scratch);
        sealing.drain().expect("a vector takes everything");
        if is_established {
            sealing.write_all(plain).expect("a vector takes everything");
            self.sent.extend_from_slice(plain);
        }
        wire
    }

    /// Takes `wire` in pieces.
    fn hear(&mut self, wire: &[u8], rng: &mut Rng) {
        let mut rest = wire;
        while !rest.is_empty() && !self.is_over {
            let most = if rng.chance(1, 2) { rest.len() } else { rest.len().min(40) };
            let (piece, later) = rest.split_at(rng.index(most) + 1);
            rest = later;
            let mut piece = piece.to_vec();
            let opened = self.stream.open(&mut piece, &mut self.scratch);
            self.got.extend_from_slice(opened.plain);
            if let Some(fault) = &opened.fault {
                assert!(!fault.is_empty() && !fault.contains('\n'), "{fault:?}");
            }
            self.is_over = opened.is_closed || opened.fault.is_some();
            let held = self.stream.waiting();
            assert!(held <= KEPT_MAX + 2 * wire.len(), "{held} bytes are held");
        }
    }
}

#[test]
fn damage_is_found_wherever_it_is() {
    let office = Office::new();
    let (mut whole, mut damaged, mut refused) = (0, 0, 0);
    rounds(|rng| {
        for _ in 0..CONNECTIONS {
            let is_damaged = rng.chance(3, 4);
            let is_refused = talk(&office, rng, is_damaged);
            assert!(is_damaged || !is_refused, "nothing was wrong");
            let count = if is_damaged { &mut damaged } else { &mut whole };
            *count += 1;
            refused += u32::from(is_refused);
        }
    });
    println!("TLS: {whole} whole connections, {damaged} damaged, {refused} of those refused");
    assert!(whole > 20 && refused > damaged / 2, "{whole}, {damaged}, {refused}");
}

/// A connection on which something may be damaged once; says whether an end refused it.
fn talk(office: &Office, rng: &mut Rng, is_damaged: bool) -> bool {
    let mut ends = office.ends(rng);
    let mut damage_at = is_damaged.then(|| rng.index(8));
    for step in 0..16 {
        let (from, to) = (step % 2, (step + 1) % 2);
        let plain = vec![u8::try_from(step).unwrap(); rng.index(600)];
        let mut wire = ends[from].say(&plain);
        if damage_at == Some(step) && !wire.is_empty() {
            mutate(rng, &mut wire);
            damage_at = None;
        }
        ends[to].hear(&wire, rng);
        let [client, server] = &ends;
        for (sender, receiver) in [(client, server), (server, client)] {
            assert!(sender.sent.starts_with(&receiver.got), "what was not sent has come");
        }
    }
    let [client, server] = &ends;
    if !is_damaged {
        assert!(!server.got.is_empty() && server.got == client.sent, "all of it comes");
    }
    client.is_over || server.is_over
}
