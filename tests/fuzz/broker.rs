//! The running program and clients that talk nonsense.
//!
//! Several at a time connect, send packets of which some are damaged, in pieces, and leave without
//! a word. What they are sent in return must be MQTT whatever they did, and within the limits they
//! set. Meanwhile a client that behaves is served as if it were alone, afterwards a new one is, and
//! the memory of the process stays where it was.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use bytes::BytesMut;
use mqtt_broker::codec::{Connect, Decoder, Incoming, Limits, Packet, Version, encode};
use mqtt_broker::rng::Rng;

use super::mutation::{mutate_packet, pieces};
use super::{packets, pick, rounds};
use crate::harness::raw::PATIENCE;
use crate::harness::{Broker, Raw, id, topic, v3, v5};

/// Clients of a round, and how many are there at once.
const CLIENTS: usize = 480;
const AT_ONCE: usize = 6;

/// What the process may take when all is over, in bytes: sessions and retained messages of the few
/// names there are, with room to spare.
const MEMORY_MAX: usize = 32 << 20;

#[test]
fn nonsense_harms_nobody_else() {
    let broker = Broker::start(&[]);
    let mut calm = Pair::new(&broker, "calm");
    rounds(|rng| {
        for _ in 0..CLIENTS / AT_ONCE {
            let mut talkers: Vec<_> = (0..AT_ONCE).map(|_| Talker::new(rng, &broker)).collect();
            while let Some(talker) = some_unfinished(rng, &mut talkers) {
                talker.send();
            }
            for talker in talkers {
                talker.finish(rng);
            }
            calm.exchange();
        }
        Pair::new(&broker, "new").exchange();
        if let Some(bytes) = broker.resident_bytes() {
            println!("{} KiB resident", bytes / 1024);
            assert!(bytes < MEMORY_MAX, "{bytes} bytes resident");
        }
    });
}

fn some_unfinished<'t>(rng: &mut Rng, talkers: &'t mut [Talker]) -> Option<&'t mut Talker> {
    let mut unfinished: Vec<_> = talkers.iter_mut().filter(|t| !t.unsent.is_empty()).collect();
    if unfinished.is_empty() {
        None
    } else {
        Some(unfinished.swap_remove(rng.index(unfinished.len())))
    }
}

/// Two clients that behave: one publishes with 5.0 what the other gets with 3.1.1.
struct Pair {
    topic: String,
    source: Raw,
    sink: Raw,
}

impl Pair {
    fn new(broker: &Arc<Broker>, name: &str) -> Self {
        let topic = topic(name);
        let source = Raw::online_at(broker, v5::connect(id(&format!("{name}1"))));
        let mut sink = Raw::online_at(broker, v3::connect(id(&format!("{name}2"))));
        sink.send(v3::subscribe(1, &[(&topic, 2)])).expect(v3::suback(1, &[2]));
        Self { topic, source, sink }
    }

    fn exchange(&mut self) {
        for qos in 0..=2 {
            self.source.deliver(v5::publish(&self.topic, "text").at(qos, 7));
            self.sink.accept(v3::publish(&self.topic, "text").at(qos, 0));
        }
        self.sink.ping();
    }
}

/// A client that talks nonsense.
struct Talker {
    socket: TcpStream,
    /// The CONNECT, if it was not damaged.
    connect: Option<Connect>,
    /// Pieces to be sent, the last one first.
    unsent: Vec<Vec<u8>>,
    sent: Vec<u8>,
}

impl Talker {
    fn new(rng: &mut Rng, broker: &Broker) -> Self {
        let version = *pick(rng, &packets::VERSIONS);
        let Packet::Connect(mut connect) = packets::connect(rng, version) else {
            unreachable!("a CONNECT was asked for")
        };
        if connect.client_id.is_empty() {
            // Otherwise every one of them would leave a session behind.
            connect.client_id = "d".into();
        }
        let mut stream = encoded(&Packet::Connect(connect.clone()), version);
        let intact = stream.clone();
        if rng.chance(1, 10) {
            mutate_packet(rng, &mut stream);
        }
        let connect = (stream == intact).then_some(connect);
        for _ in 0..rng.index(20) {
            let mut bytes = encoded(&packets::from_client(rng, version), version);
            if rng.chance(1, 10) {
                mutate_packet(rng, &mut bytes);
            }
            stream.extend(bytes);
        }
        let mut unsent: Vec<_> = pieces(rng, &stream).into_iter().map(<[u8]>::to_vec).collect();
        unsent.reverse();
        let socket = TcpStream::connect(broker.address()).expect("the broker accepts connections");
        socket.set_nodelay(true).expect("nodelay can be set");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Self { socket, connect, unsent, sent: Vec::new() }
    }

    /// Sends a piece. A connection that is closed meanwhile takes no more.
    fn send(&mut self) {
        let Some(piece) = self.unsent.pop() else { return };
        self.sent.extend(&piece);
        if let Err(e) = self.socket.write_all(&piece) {
            assert!(!is_patience(e.kind()), "the broker does not read: {e}");
            self.unsent.clear();
        }
    }

    /// Leaves: at once, or when the broker has said all it has to say, which must be MQTT.
    fn finish(mut self, rng: &mut Rng) {
        if rng.chance(1, 5) {
            return;
        }
        let _ = self.socket.shutdown(Shutdown::Write); // the broker may have been first
        let mut answer = Vec::new();
        if let Err(e) = self.socket.read_to_end(&mut answer) {
            assert!(!is_patience(e.kind()), "the broker does not close: {e}");
        }
        if let Some(connect) = &self.connect
            && let Err(e) = check(connect, &answer)
        {
            panic!("{e}\nsent {:02x?}\ngot {answer:02x?}", self.sent);
        }
    }
}

/// Whether what a client got is what its CONNECT allows. The end may be missing.
fn check(connect: &Connect, mut answer: &[u8]) -> Result<(), String> {
    let packet = connect.properties.maximum_packet_size.unwrap_or(u32::MAX) as usize;
    let limits = Limits { packet, ..Limits::default() };
    let aliases = connect.properties.topic_alias_maximum.unwrap_or(0);
    let mut decoder = Decoder::client(connect.version);
    let mut is_first = true;
    while let Some(incoming) = decoder.next(&mut answer, &limits).map_err(|e| e.to_string())? {
        if is_first != (incoming.name() == "CONNACK") {
            return Err(format!("a {} where it does not belong", incoming.name()));
        }
        is_first = false;
        if let Incoming::Publish(publish) = incoming
            && publish.properties.topic_alias.is_some_and(|alias| alias > aliases)
        {
            return Err("a topic alias above the maximum".into());
        }
    }
    Ok(())
}

fn encoded(packet: &Packet, version: Version) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode(packet, version, &mut bytes).expect("only valid packets are made");
    bytes.to_vec()
}

/// The ways in which a timeout of a socket shows.
const fn is_patience(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
