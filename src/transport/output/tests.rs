//! The two lanes, their gate, room and aliases, against a socket in memory.

use bytes::BytesMut;

use super::*;
use crate::codec::{
    Ack, AckKind, Auth, ConnAck, ConnAckProperties, Disconnect, PacketId, ReasonCode, decode_packet,
};
use crate::message::Parts;

/// A socket that takes `space` bytes before it is full.
struct Sink {
    space: usize,
    taken: BytesMut,
    writes: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        if self.space == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(self.space);
        self.space -= count;
        self.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.write(&bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output with what surrounds it.
struct Desk {
    output: Output,
    pool: Pool,
    gauge: Rc<Gauge>,
    sink: Sink,
    durable: Seq,
    version: Version,
}

const NOW: Seq = Seq(0);

impl Desk {
    /// Accepted and with nothing waiting.
    fn open(version: Version, aliases: u16) -> Self {
        let mut desk = Self::closed(version);
        desk.output.accepted(version, aliases, 10_000);
        desk.send(connack(), NOW);
        assert_eq!(desk.received(), ["CONNACK"]);
        desk
    }

    fn closed(version: Version) -> Self {
        let mut output = Output::new();
        output.set_version(version);
        Self {
            output,
            pool: Pool::new(),
            gauge: Rc::new(Gauge::default()),
            sink: Sink { space: usize::MAX, taken: BytesMut::new(), writes: 0 },
            durable: Seq(0),
            version,
        }
    }

    fn send(&mut self, frame: Frame, after: Seq) {
        self.output.send(&mut self.pool, frame, after, self.durable);
    }

    fn publish(&mut self, topic: &str, payload: &[u8], id: u16, after: Seq) -> usize {
        let parts = Parts::plain(topic, payload);
        let packet_id = PacketId::new(id);
        let charge = head(&parts, packet_id).packet_len(self.version);
        let content = Content { parts, message: None, is_shared: false };
        let label = Label {
            dup: false,
            qos: if packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce },
            retain: false,
            packet_id,
            expiry: None,
            identifiers: &[],
            charge: u32::try_from(charge).unwrap(),
            skip: 0,
        };
        let seqs = (after, self.durable);
        self.output.deliver(&mut self.pool, &content, &label, seqs, &self.gauge);
        charge
    }

    fn durable(&mut self, seq: u64) {
        self.durable = Seq(seq);
        self.output.release(&mut self.pool, self.durable);
    }

    fn flush(&mut self, budget: usize) -> Flushed {
        self.output.flush(&mut self.pool, &mut self.sink, budget)
    }

    fn packets(&mut self) -> Vec<Packet> {
        self.flush(usize::MAX);
        let mut packets = Vec::new();
        while let Some(packet) = decode_packet(&mut self.sink.taken, self.version, 1 << 20).unwrap()
        {
            packets.push(packet);
        }
        packets
    }

    /// The names of the packets that have left, with the payload of a PUBLISH.
    fn received(&mut self) -> Vec<String> {
        self.packets().iter().map(name).collect()
    }
}

fn name(packet: &Packet) -> String {
    if let Packet::Publish(publish) = packet {
        return String::from_utf8(publish.payload.to_vec()).unwrap();
    }
    packet.name().into()
}

fn head<'a>(parts: &Parts<'a>, packet_id: Option<PacketId>) -> PublishHead<'a> {
    PublishHead {
        dup: false,
        qos: if packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce },
        retain: false,
        topic: parts.topic,
        packet_id,
        topic_alias: None,
        message_expiry_interval: None,
        subscription_identifiers: &[],
        properties: &[],
        payload_len: parts.payload.len(),
    }
}

fn connack() -> Frame {
    Frame::Packet(Box::new(Packet::ConnAck(ConnAck {
        session_present: false,
        reason: ReasonCode::SUCCESS,
        properties: ConnAckProperties::default(),
    })))
}

fn puback(id: u16) -> Frame {
    Frame::Ack(AckKind::PubAck, Ack::new(PacketId::new(id).unwrap(), ReasonCode::SUCCESS))
}

fn disconnect() -> Frame {
    Frame::Packet(Box::new(Packet::Disconnect(Disconnect::default())))
}

#[test]
fn an_idle_output_is_small() {
    assert_eq!(size_of::<Output>(), 32);
}

#[test]
fn nothing_waits_when_everything_is_durable() {
    let mut desk = Desk::open(Version::V311, 0);
    desk.durable(3);
    desk.send(puback(1), Seq(3));
    desk.publish("t", b"a", 0, NOW);
    desk.publish("t", b"b", 7, Seq(2));
    assert!(!desk.output.is_gated() && desk.output.is_ready());
    assert_eq!(desk.received(), ["PUBACK", "a", "b"]);
    assert_eq!(desk.sink.writes, 2, "one for the CONNACK, one for the rest");
    assert!(desk.output.is_empty());
}

#[test]
fn what_promises_waits_and_what_does_not_overtakes() {
    let mut desk = Desk::open(Version::V5, 0);
    desk.send(puback(1), Seq(1));
    desk.publish("t", b"qos 1", 7, NOW);
    desk.publish("t", b"qos 0", 0, NOW);
    desk.send(Frame::PingResp, NOW);
    let auth = Auth {
        reason: ReasonCode::CONTINUE_AUTHENTICATION,
        authentication_method: Some("m".into()),
        ..Auth::default()
    };
    desk.send(Frame::Packet(Box::new(Packet::Auth(auth))), NOW);
    desk.send(puback(2), Seq(2));
    assert_eq!(desk.received(), ["qos 0", "PINGRESP", "AUTH"]);
    assert!(desk.output.is_gated() && !desk.output.is_empty() && !desk.output.is_ready());
    desk.durable(1);
    assert_eq!(desk.received(), ["PUBACK", "qos 1"]);
    desk.durable(2);
    assert_eq!(desk.received(), ["PUBACK"]);
    assert!(desk.output.is_empty());
}

#[test]
fn nothing_overtakes_the_connack() {
    let mut desk = Desk::closed(Version::V5);
    desk.output.accepted(Version::V5, 0, 10_000);
    desk.send(connack(), Seq(1));
    desk.publish("t", b"1 a", 7, Seq(2));
    desk.publish("t", b"0 a", 0, NOW);
    desk.send(Frame::PingResp, NOW);
    assert!(desk.received().is_empty());
    desk.durable(1);
    desk.publish("t", b"0 b", 0, NOW);
    assert_eq!(desk.received(), ["CONNACK", "0 a", "PINGRESP", "0 b"], "QoS 0 keeps its order");
    desk.durable(2);
    assert_eq!(desk.received(), ["1 a"]);
}

#[test]
fn disconnect_discards_what_waits_for_storage() {
    let mut desk = Desk::open(Version::V5, 0);
    desk.publish("t", b"a", 0, NOW);
    desk.send(puback(1), Seq(1));
    desk.publish("t", b"b", 7, Seq(1));
    desk.send(disconnect(), NOW);
    desk.durable(1);
    assert_eq!(desk.received(), ["a", "DISCONNECT"]);
    assert!(desk.output.is_empty());
}

#[test]
fn a_connection_that_was_not_accepted_gets_no_disconnect() {
    let mut desk = Desk::closed(Version::V5);
    desk.send(connack(), Seq(1));
    desk.send(disconnect(), NOW);
    desk.durable(1);
    assert!(desk.received().is_empty());
    assert!(desk.output.is_empty());
}

#[test]
fn room_comes_back_to_the_last_byte() {
    let mut desk = Desk::open(Version::V5, 10);
    let mut charged = 0;
    let mut credit = 0;
    for n in 0..100 {
        charged += desk.publish("a/long/topic/name", b"payload", n % 3, Seq(0));
        desk.send(puback(1), NOW);
        desk.sink.space = usize::from(n % 7) * 9;
        let done = desk.flush(50);
        assert!(done.bytes <= 50 && done.credit <= charged - credit);
        credit += done.credit;
        assert_eq!(desk.output.charged(), charged - credit);
    }
    desk.sink.space = usize::MAX;
    credit += desk.flush(usize::MAX).credit;
    assert_eq!((credit, desk.output.charged()), (charged, 0));
    assert!(desk.output.is_empty());
}

#[test]
fn room_is_held_by_what_waits_for_storage() {
    let mut desk = Desk::open(Version::V311, 0);
    let gated = desk.publish("t", b"later", 7, Seq(1));
    let free = desk.publish("t", b"now", 0, NOW);
    assert_eq!(desk.output.charged(), gated + free);
    assert_eq!(desk.flush(usize::MAX).credit, free);
    desk.durable(1);
    assert_eq!(desk.flush(usize::MAX).credit, gated);
}

#[test]
fn packets_are_counted_until_all_have_left() {
    let mut desk = Desk::open(Version::V5, 0);
    desk.send(Frame::PingResp, NOW);
    desk.publish("t", b"0123456789", 0, NOW);
    desk.send(puback(1), Seq(1));
    desk.publish("t", b"later", 7, Seq(1));
    desk.sink.space = 4;
    desk.flush(usize::MAX);
    assert_eq!(desk.output.packets(), 4, "the first has left, but who knows");
    desk.sink.space = usize::MAX;
    desk.flush(usize::MAX);
    assert_eq!(desk.output.packets(), 2, "those that wait for storage are left");
    desk.send(disconnect(), NOW);
    assert_eq!(desk.output.packets(), 1, "what waits for storage will never leave");
    desk.flush(usize::MAX);
    assert_eq!(desk.output.packets(), 0);
    desk.send(Frame::PingResp, NOW);
    desk.output.discard(&mut desk.pool);
    assert_eq!(desk.output.packets(), 0);
}

#[test]
fn a_full_socket_is_not_asked_again() {
    let mut desk = Desk::open(Version::V311, 0);
    desk.publish("t", b"0123456789", 0, NOW);
    desk.sink.space = 4;
    desk.sink.writes = 0;
    let done = desk.flush(usize::MAX);
    assert!(done.is_blocked && done.error.is_none());
    assert_eq!((done.bytes, desk.sink.writes), (4, 1));
    assert!(desk.flush(usize::MAX).is_blocked);
}

#[test]
fn buffers_go_back_to_the_pool() {
    let mut desk = Desk::open(Version::V311, 0);
    assert!(desk.pool.bytes() > 0);
    desk.publish("t", b"x", 0, NOW);
    assert_eq!(desk.pool.bytes(), 0);
    desk.output.discard(&mut desk.pool);
    assert!(desk.pool.bytes() > 0);
    assert_eq!(desk.output.charged(), 0);
}

fn aliased(packets: &[Packet]) -> Vec<(&str, Option<u16>)> {
    fn topic(packet: &Packet) -> (&str, Option<u16>) {
        let Packet::Publish(publish) = packet else { panic!("only PUBLISH was sent") };
        (&*publish.topic, publish.properties.topic_alias)
    }
    packets.iter().map(topic).collect()
}

#[test]
fn a_topic_is_sent_once() {
    let mut desk = Desk::open(Version::V5, 2);
    for topic in ["first/topic", "first/topic", "other/topic", "third/topic", "other/topic", "t"] {
        desk.publish(topic, b"x", 0, NOW);
    }
    let packets = desk.packets();
    let expected = [
        ("first/topic", Some(1)),
        ("", Some(1)),
        ("other/topic", Some(2)),
        ("third/topic", None),
        ("", Some(2)),
        ("t", None),
    ];
    assert_eq!(aliased(&packets), expected);
}

#[test]
fn an_alias_is_assigned_when_the_packet_leaves() {
    let mut desk = Desk::open(Version::V5, 2);
    desk.publish("a/topic", b"gated", 7, Seq(1));
    desk.publish("a/topic", b"free", 0, NOW);
    assert_eq!(aliased(&desk.packets()), [("a/topic", Some(1))]);
    desk.durable(1);
    assert_eq!(aliased(&desk.packets()), [("", Some(1))]);
}

#[test]
fn an_alias_never_makes_a_packet_too_large() {
    let mut desk = Desk::open(Version::V5, 2);
    let empty = head(&Parts::plain("a/topic", &[]), None).packet_len(Version::V5);
    // Three bytes of length instead of two come on top.
    let payload = vec![b'x'; 10_000 - empty - 1];
    assert_eq!(desk.publish("a/topic", &payload, 0, NOW), 10_000);
    desk.publish("a/topic", &payload[..payload.len() - 3], 0, NOW);
    desk.publish("a/topic", &payload, 0, NOW);
    let packets = desk.packets();
    assert_eq!(aliased(&packets), [("a/topic", None), ("a/topic", Some(1)), ("", Some(1))]);
}

#[test]
fn a_large_payload_is_shared() {
    let mut desk = Desk::open(Version::V311, 0);
    let payload = vec![b'x'; SHARED_FROM];
    let message = Message::new(0, &Parts::plain("t", &payload), None, &desk.gauge);
    let label = Label {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        packet_id: None,
        expiry: None,
        identifiers: &[],
        charge: 0,
        skip: 0,
    };
    let content = Content { parts: message.parts(), message: Some(&message), is_shared: true };
    desk.output.deliver(&mut desk.pool, &content, &label, (NOW, NOW), &desk.gauge);
    assert_eq!(Rc::strong_count(&message), 2);
    assert_eq!(desk.received(), [String::from_utf8(payload).unwrap()]);
    assert_eq!(Rc::strong_count(&message), 1);
}
