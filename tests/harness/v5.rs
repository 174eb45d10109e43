//! Packets of MQTT 5.0 as bytes. Properties are given as raw bytes, identifier first, without the
//! length in front.

use super::bytes::{Connect, Publish, filters, identified, packet, properties, text};

/// A CONNECT with clean start and no properties.
pub(crate) fn connect(id: impl AsRef<[u8]>) -> Connect {
    Connect::new("MQTT", 5, id, Some(Vec::new()))
}

/// A PUBLISH of QoS 0 without properties; `.qos(1, id)` and `.properties(..)` for more.
pub(crate) fn publish(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Publish {
    Publish::new(topic, payload, Some(Vec::new()))
}

/// PUBACK (0x40), PUBREC (0x50), PUBREL (0x62) or PUBCOMP (0x70) in its shortest form.
pub(crate) fn ack(first: u8, packet_id: u16, reason: u8) -> Vec<u8> {
    identified(first, packet_id, if reason == 0 { vec![] } else { vec![reason] })
}

pub(crate) fn puback(packet_id: u16) -> Vec<u8> {
    ack(0x40, packet_id, 0)
}

pub(crate) fn pubrec(packet_id: u16) -> Vec<u8> {
    ack(0x50, packet_id, 0)
}

pub(crate) fn pubrel(packet_id: u16) -> Vec<u8> {
    ack(0x62, packet_id, 0)
}

pub(crate) fn pubcomp(packet_id: u16) -> Vec<u8> {
    ack(0x70, packet_id, 0)
}

/// Filters with their subscription options; no properties.
pub(crate) fn subscribe<F: AsRef<[u8]>>(packet_id: u16, wanted: &[(F, u8)]) -> Vec<u8> {
    subscribe_with(packet_id, &[], wanted)
}

pub(crate) fn subscribe_with<F: AsRef<[u8]>>(
    packet_id: u16,
    with: &[u8],
    wanted: &[(F, u8)],
) -> Vec<u8> {
    identified(0x82, packet_id, [properties(with), filters(wanted)].concat())
}

pub(crate) fn suback(packet_id: u16, reasons: &[u8]) -> Vec<u8> {
    identified(0x90, packet_id, [&[0], reasons].concat())
}

pub(crate) fn unsubscribe<F: AsRef<[u8]>>(packet_id: u16, unwanted: &[F]) -> Vec<u8> {
    let filters: Vec<u8> = unwanted.iter().flat_map(text).collect();
    identified(0xa2, packet_id, [vec![0], filters].concat())
}

pub(crate) fn unsuback(packet_id: u16, reasons: &[u8]) -> Vec<u8> {
    identified(0xb0, packet_id, [&[0], reasons].concat())
}

/// A DISCONNECT in its shortest form.
pub(crate) fn disconnect(reason: u8) -> Vec<u8> {
    packet(0xe0, if reason == 0 { vec![] } else { vec![reason] })
}

/// A DISCONNECT with properties.
pub(crate) fn disconnect_with(reason: u8, with: &[u8]) -> Vec<u8> {
    packet(0xe0, [vec![reason], properties(with)].concat())
}

/// An AUTH with properties.
pub(crate) fn auth(reason: u8, with: &[u8]) -> Vec<u8> {
    packet(0xf0, [vec![reason], properties(with)].concat())
}
