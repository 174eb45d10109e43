//! Whole packets: the codec for those who need it alone.
//!
//! Owns: encoding and decoding of the owned [`Packet`]. A packet is written by one description,
//! run twice: once to measure it and find its faults, once to append it.
//!
//! Never keeps anything between two calls.

use bytes::{Buf, BytesMut};

use super::incoming::{self, Sender};
use super::kind::PacketType;
use super::wire::{VARINT_MAX, Writer, varint, varint_len};
use super::{
    AckKind, EncodeError, Error, Incoming, Packet, Version, ack, connack, connect, control,
    encode_ack, encoded_ack_len, publish, subscribe,
};

/// The largest packet that can be: one byte, a remaining length of four, and what that allows.
pub const PACKET_MAX: usize = 5 + VARINT_MAX as usize;

/// Appends `packet`. A CONNECT is written in the version it names, whatever `version` says.
///
/// An acknowledgement or a DISCONNECT takes its shortest form.
///
/// # Errors
/// If it holds something that has no place on the wire; then nothing is appended.
pub fn encode(packet: &Packet, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
    if let Some((kind, ack)) = packet.ack() {
        return encode_ack(kind, ack, version, out);
    }
    let mut first = packet.packet_type().first_byte();
    if let Packet::Publish(publish) = packet {
        let flags = u8::from(publish.dup) << 3 | publish.qos.bits() << 1 | u8::from(publish.retain);
        first |= flags;
    }
    append(out, first, |writer| write(packet, version, writer))
}

/// Appends `packet` in the version a CONNECT names, and 3.1.1 otherwise.
///
/// ```
/// use bytes::{Bytes, BytesMut};
/// use mqtt_broker::codec::{Connect, Packet, Publish, Version, decode_packet, encode_packet};
///
/// let mut buf = BytesMut::new();
/// let connect = Connect::new("id").clean_session(true).keep_alive(60);
/// encode_packet(&Packet::Connect(connect), &mut buf)?;
/// assert_eq!(&buf[..], b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id");
///
/// buf.clear();
/// let publish = Publish::new("sensor/temp", Bytes::from("25.5")).retain(true);
/// encode_packet(&Packet::Publish(publish.clone()), &mut buf)?;
/// let decoded = decode_packet(&mut buf, Version::V311, 1024)?;
/// assert_eq!(decoded, Some(Packet::Publish(publish)));
/// assert!(buf.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As of [`encode`].
pub fn encode_packet(packet: &Packet, out: &mut BytesMut) -> Result<(), EncodeError> {
    encode(packet, Version::V311, out)
}

/// Takes one whole packet, of either side, of at most `max` bytes, from the front of `input`;
/// `None` if it is not all there yet.
///
/// ```
/// use bytes::BytesMut;
/// use mqtt_broker::codec::{Packet, Version, decode_packet};
///
/// let mut input = BytesMut::from(&b"\xc0\x00\xe0"[..]);
/// assert_eq!(decode_packet(&mut input, Version::V5, 100)?, Some(Packet::PingReq));
/// assert_eq!(decode_packet(&mut input, Version::V5, 100)?, None);
/// input.extend_from_slice(b"\x01\x8b");
/// let Some(Packet::Disconnect(disconnect)) = decode_packet(&mut input, Version::V5, 100)? else {
///     panic!("a DISCONNECT is there");
/// };
/// assert_eq!(disconnect.reason.name(), "Server shutting down");
/// # Ok::<(), mqtt_broker::codec::Error>(())
/// ```
///
/// # Errors
/// If there is no packet there; `input` is then as it was.
pub fn decode_packet(
    input: &mut BytesMut,
    version: Version,
    max: usize,
) -> Result<Option<Packet>, Error> {
    let Some((&first, rest)) = input.split_first() else { return Ok(None) };
    let kind = PacketType::of(first)?;
    kind.check(first, Some(version))?;
    let Some((len, taken)) = varint(rest)? else { return Ok(None) };
    let end = 1 + taken + len as usize;
    if end > max {
        return Err(Error::TooLarge { size: end, max });
    }
    let Some(body) = input.get(1 + taken..end) else { return Ok(None) };
    let incoming = incoming::decode(first, kind, body, version, Sender::Either)?;
    let packet = incoming.map(Incoming::into_packet);
    input.advance(end);
    Ok(packet)
}

/// How many bytes [`encode`] appends.
#[must_use]
pub fn encoded_len(packet: &Packet, version: Version) -> usize {
    match packet.ack() {
        Some((_, ack)) => encoded_ack_len(ack, version),
        None => measure(|writer| write(packet, version, writer)),
    }
}

/// The length of a packet with the body that `write` writes.
pub(super) fn measure(write: impl Fn(&mut Writer<'_>)) -> usize {
    let mut count = Writer::counting();
    write(&mut count);
    1 + varint_len(count.len()) + count.len()
}

/// Appends a packet with the body that `write` writes, if that meets no fault.
pub(super) fn append(
    out: &mut BytesMut,
    first: u8,
    write: impl Fn(&mut Writer<'_>),
) -> Result<(), EncodeError> {
    let mut count = Writer::counting();
    write(&mut count);
    if let Some(fault) = count.fault() {
        return Err(fault);
    }
    let len = count.len();
    if len > VARINT_MAX as usize {
        return Err(EncodeError::TooLarge { size: 1 + varint_len(len) + len });
    }
    out.reserve(1 + varint_len(len) + len);
    let mut writer = Writer::new(out);
    writer.u8(first);
    writer.varint(len);
    write(&mut writer);
    Ok(())
}

/// The body.
fn write(packet: &Packet, version: Version, writer: &mut Writer<'_>) {
    match packet {
        Packet::Connect(connect) => connect::write(connect, writer),
        Packet::ConnAck(connack) => connack::write(connack, version, writer),
        Packet::Publish(publish) => publish::write(publish, version, writer),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            ack::write(ack, writer)
        }
        Packet::Subscribe(subscribe) => {
            subscribe::write_subscribe(subscribe, version, writer);
        }
        Packet::SubAck(suback) => subscribe::write_suback(suback, version, writer),
        Packet::Unsubscribe(unsubscribe) => {
            subscribe::write_unsubscribe(unsubscribe, version, writer);
        }
        Packet::UnsubAck(unsuback) => subscribe::write_unsuback(unsuback, version, writer),
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(disconnect) => {
            control::write_disconnect(disconnect, version, writer);
        }
        Packet::Auth(auth) if version == Version::V5 => control::write_auth(auth, writer),
        Packet::Auth(_) => writer.refuse(EncodeError::NotInVersion(packet.name(), version)),
    }
}

impl Packet {
    /// As in the specification.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.packet_type().name()
    }

    /// The number of its type in the standard.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.packet_type() as u8
    }

    pub(crate) const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// If it is one of the four acknowledgements.
    const fn ack(&self) -> Option<(AckKind, &super::Ack)> {
        match self {
            Self::PubAck(ack) => Some((AckKind::PubAck, ack)),
            Self::PubRec(ack) => Some((AckKind::PubRec, ack)),
            Self::PubRel(ack) => Some((AckKind::PubRel, ack)),
            Self::PubComp(ack) => Some((AckKind::PubComp, ack)),
            Self::Connect(_)
            | Self::ConnAck(_)
            | Self::Publish(_)
            | Self::Subscribe(_)
            | Self::SubAck(_)
            | Self::Unsubscribe(_)
            | Self::UnsubAck(_)
            | Self::PingReq
            | Self::PingResp
            | Self::Disconnect(_)
            | Self::Auth(_) => None,
        }
    }
}
