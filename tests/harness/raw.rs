//! A client that sends bytes and compares bytes.
//!
//! Every read is bounded by [`PATIENCE`]. Both directions are kept; when a test fails, each of its
//! clients prints what passed, then what the broker logged of it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::trace::{Trace, dump};
use super::{Broker, Connect, Publish, v3};

/// How long anything may take before the test fails: long, for a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a broker.
pub(crate) struct Raw {
    stream: TcpStream,
    trace: Trace,
    broker: Arc<Broker>,
}

/// One whole packet as it came.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    /// All of it.
    pub(crate) bytes: Vec<u8>,
    /// Where the body begins.
    pub(crate) head: usize,
}

impl Packet {
    /// Packet type and flags.
    pub(crate) fn first(&self) -> u8 {
        self.bytes[0]
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[self.head..]
    }

    /// The two bytes at `at` of the body: a packet identifier, most often.
    pub(crate) fn u16_at(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.body()[at], self.body()[at + 1]])
    }

    /// The packet identifier of a PUBLISH with QoS above 0.
    pub(crate) fn publish_id(&self) -> Option<u16> {
        let numbered = self.first() & 0xf0 == 0x30 && self.first() & 0x06 != 0;
        numbered.then(|| self.u16_at(2 + usize::from(self.u16_at(0))))
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&dump(&self.bytes))
    }
}

impl Raw {
    /// A connection to the shared broker; nothing is sent yet.
    pub(crate) fn connect() -> Self {
        Self::to(&Broker::shared())
    }

    /// A connection to a given broker; nothing is sent yet.
    pub(crate) fn to(broker: &Arc<Broker>) -> Self {
        let stream = TcpStream::connect(broker.address()).expect("the broker accepts connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("nodelay can be set");
        Self { stream, trace: Trace::default(), broker: Arc::clone(broker) }
    }

    /// A connection to the shared broker on which `connect` was accepted.
    pub(crate) fn online(connect: Connect) -> Self {
        Self::online_at(&Broker::shared(), connect)
    }

    /// A connection to `broker` on which `connect` was accepted.
    pub(crate) fn online_at(broker: &Arc<Broker>, connect: Connect) -> Self {
        let mut raw = Self::to(broker);
        let answer = raw.send(connect).packet();
        assert!(answer.first() == 0x20 && answer.body()[1] == 0, "not accepted: {answer:?}");
        raw
    }

    /// Sends these bytes. A connection that is closed meanwhile is left for the next read to find.
    pub(crate) fn send(&mut self, bytes: impl Into<Vec<u8>>) -> &mut Self {
        let bytes = bytes.into();
        self.note("->", &bytes);
        match self.stream.write_all(&bytes) {
            Ok(()) => {}
            Err(e) if is_closed(&e) => self.trace.push(format!("-> not taken: {e}")),
            Err(e) => panic!("cannot send: {e}"),
        }
        self
    }

    /// The next packets must be these, to the byte.
    pub(crate) fn expect(&mut self, packets: impl Into<Vec<u8>>) -> &mut Self {
        let packets = packets.into();
        let mut rest = &packets[..];
        while !rest.is_empty() {
            let wanted = take(&mut rest).expect("the test expects whole packets");
            let got = self.packet();
            assert!(got.bytes == wanted, "expected {}\n     got {got:?}", dump(&wanted));
        }
        self
    }

    /// The next packet must be this PUBLISH under whatever packet identifier, which is returned
    /// (0 at QoS 0). Nothing is acknowledged.
    pub(crate) fn expect_publish(&mut self, wanted: Publish) -> u16 {
        let got = self.packet();
        let id = got.publish_id().unwrap_or(0);
        let wanted = Vec::from(wanted.numbered(id));
        assert!(got.bytes == wanted, "expected {}\n     got {got:?}", dump(&wanted));
        id
    }

    /// As `expect_publish`, then acknowledged to the end of its QoS.
    pub(crate) fn accept(&mut self, wanted: Publish) -> &mut Self {
        self.accept_all([wanted])
    }

    /// All of these in this order, acknowledged when the last has come.
    pub(crate) fn accept_all(&mut self, wanted: impl IntoIterator<Item = Publish>) -> &mut Self {
        let got: Vec<(u8, u16)> = wanted
            .into_iter()
            .map(|wanted| (wanted.quality(), self.expect_publish(wanted)))
            .collect();
        for (quality, id) in got {
            if quality == 1 {
                self.send(v3::puback(id));
            } else if quality == 2 {
                self.send(v3::pubrec(id)).expect(v3::pubrel(id)).send(v3::pubcomp(id));
            }
        }
        self
    }

    /// Publishes and waits until the broker has taken the message in, with all steps of its QoS.
    /// Any reason code that is not an error will do (5.0).
    pub(crate) fn deliver(&mut self, publish: Publish) -> &mut Self {
        let (quality, id) = (publish.quality(), publish.packet_id());
        self.send(publish);
        match quality {
            0 => self.ping(),
            1 => self.expect_ack(0x40, id),
            _ => self.expect_ack(0x50, id).send(v3::pubrel(id)).expect_ack(0x70, id),
        }
    }

    /// The next packet must be this acknowledgement, in whatever form, and no error.
    pub(crate) fn expect_ack(&mut self, first: u8, packet_id: u16) -> &mut Self {
        let got = self.packet();
        let good = got.first() == first
            && got.u16_at(0) == packet_id
            && got.body().get(2).is_none_or(|reason| *reason < 0x80);
        assert!(good, "expected {first:02x} for {packet_id}, got {got:?}");
        self
    }

    /// The next packet, whatever it is.
    pub(crate) fn packet(&mut self) -> Packet {
        match self.try_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => panic!("the broker closed the connection where a packet was expected"),
            Err(e) => panic!("no packet came: {e}"),
        }
    }

    /// The next packet; `None` when the broker has closed the connection.
    pub(crate) fn next(&mut self) -> Option<Packet> {
        self.try_packet().unwrap_or_else(|e| panic!("neither a packet nor the end came: {e}"))
    }

    /// The broker must close the connection and send nothing more.
    pub(crate) fn expect_closed(&mut self) {
        if let Some(packet) = self.next() {
            panic!("expected the end of the connection, got {packet:?}");
        }
    }

    /// A barrier: all that was sent before has been dealt with, and nothing was sent in answer
    /// that has not been read.
    pub(crate) fn ping(&mut self) -> &mut Self {
        self.send(v3::PINGREQ).expect(v3::PINGRESP)
    }

    /// The next packet with this first byte; those before it are passed over.
    pub(crate) fn until(&mut self, first: u8) -> Packet {
        loop {
            let packet = self.packet();
            if packet.first() == first {
                return packet;
            }
        }
    }

    /// All packets up to the answer to a PINGREQ sent now.
    pub(crate) fn until_ping(&mut self) -> Vec<Packet> {
        self.send(v3::PINGREQ);
        let mut packets = Vec::new();
        loop {
            let packet = self.packet();
            if packet.bytes == v3::PINGRESP {
                return packets;
            }
            packets.push(packet);
        }
    }

    /// These packets, in any order, must be all that has come when a PINGREQ sent now is answered.
    pub(crate) fn expect_in_any_order(&mut self, wanted: impl IntoIterator<Item: Into<Vec<u8>>>) {
        let mut wanted: Vec<Vec<u8>> = wanted.into_iter().map(Into::into).collect();
        let mut got: Vec<Vec<u8>> = self.until_ping().into_iter().map(|got| got.bytes).collect();
        wanted.sort();
        got.sort();
        let lines = |packets: &[Vec<u8>]| packets.iter().map(|b| dump(b)).collect::<Vec<_>>();
        assert!(got == wanted, "expected {:#?}\n     got {:#?}", lines(&wanted), lines(&got));
    }

    /// Ends the connection without DISCONNECT, and waits until the broker has ended it too.
    pub(crate) fn drop_link(mut self) {
        self.trace.push("-> end".to_owned());
        let _ = self.stream.shutdown(Shutdown::Write); // the broker may have been first
        while self.next().is_some() {}
    }

    /// Sends DISCONNECT (of 3.x, normal in 5.0) and waits until the broker has closed.
    pub(crate) fn disconnect(mut self) {
        self.send(v3::DISCONNECT);
        while self.next().is_some() {}
    }

    /// Nothing may come for so long. Only where time itself is what a test is about.
    pub(crate) fn expect_silence(&mut self, time: Duration) -> &mut Self {
        self.patience(time);
        match self.try_packet() {
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(e) => panic!("expected silence, got {e}"),
            Ok(None) => panic!("expected silence, the broker closed the connection"),
            Ok(Some(packet)) => panic!("expected silence, got {packet:?}"),
        }
        self.patience(PATIENCE)
    }

    /// The socket itself, where bytes are many; what passes is not traced.
    pub(crate) const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Another bound for every read: where time itself is what a test is about.
    pub(crate) fn patience(&mut self, patience: Duration) -> &mut Self {
        self.stream.set_read_timeout(Some(patience)).expect("a timeout can be set");
        self
    }

    fn try_packet(&mut self) -> io::Result<Option<Packet>> {
        let mut bytes = Vec::new();
        let packet = self.read_packet(&mut bytes);
        match &packet {
            Ok(Some(_)) => self.note("<-", &bytes),
            Ok(None) => self.trace.push(format!("<- end {}", dump(&bytes))),
            Err(e) => self.trace.push(format!("<- {e} {}", dump(&bytes))),
        }
        packet
    }

    /// Reads no byte behind the packet, so that none needs keeping.
    fn read_packet(&mut self, bytes: &mut Vec<u8>) -> io::Result<Option<Packet>> {
        loop {
            if let Some(head) = head(bytes) {
                let start = bytes.len();
                bytes.resize(head.whole, 0);
                if let Err(e) = self.stream.read_exact(&mut bytes[start..]) {
                    return if is_closed(&e) { Ok(None) } else { Err(e) };
                }
                return Ok(Some(Packet { bytes: bytes.clone(), head: head.len }));
            }
            assert!(bytes.len() < 5, "not a packet: {}", dump(bytes));
            let mut byte = [0];
            match self.stream.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => bytes.push(byte[0]),
                Err(e) if is_closed(&e) => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn note(&mut self, direction: &str, bytes: &[u8]) {
        self.trace.push(format!("{direction} {}", dump(bytes)));
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if thread::panicking() {
            let port = self.stream.local_addr().map_or(0, |address| address.port());
            eprintln!("client on port {port}:\n{}", self.trace);
            eprintln!("broker:\n{}", self.broker.log_of(port));
        }
    }
}

/// A fixed header: its own length and that of the whole packet.
struct Head {
    len: usize,
    whole: usize,
}

fn head(bytes: &[u8]) -> Option<Head> {
    let mut body = 0;
    for (at, byte) in bytes.iter().enumerate().skip(1).take(4) {
        body |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            return Some(Head { len: at + 1, whole: at + 1 + body });
        }
    }
    None
}

/// Takes one packet from the front.
fn take(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let (packet, rest) = bytes.split_at_checked(head(bytes)?.whole)?;
    *bytes = rest;
    Some(packet.to_vec())
}

/// The ways in which a peer's end of the connection shows.
fn is_closed(e: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&e.kind())
}
