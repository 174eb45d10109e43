//! Packets of MQTT 3.1.1 and 3.1 as bytes.

use super::bytes::{Connect, Publish, filters, identified, text};

pub(crate) const PINGREQ: [u8; 2] = [0xc0, 0x00];
pub(crate) const PINGRESP: [u8; 2] = [0xd0, 0x00];
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0x00];

/// A CONNECT of 3.1.1, with a clean session.
pub(crate) fn connect(id: impl AsRef<[u8]>) -> Connect {
    Connect::new("MQTT", 4, id, None)
}

/// A CONNECT of 3.1, with a clean session.
pub(crate) fn connect31(id: impl AsRef<[u8]>) -> Connect {
    Connect::new("MQIsdp", 3, id, None)
}

pub(crate) fn connack(session_present: bool, return_code: u8) -> Vec<u8> {
    vec![0x20, 0x02, u8::from(session_present), return_code]
}

/// A PUBLISH of QoS 0; `.qos(1, id)` for more.
pub(crate) fn publish(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Publish {
    Publish::new(topic, payload, None)
}

pub(crate) fn puback(packet_id: u16) -> Vec<u8> {
    identified(0x40, packet_id, [])
}

pub(crate) fn pubrec(packet_id: u16) -> Vec<u8> {
    identified(0x50, packet_id, [])
}

pub(crate) fn pubrel(packet_id: u16) -> Vec<u8> {
    identified(0x62, packet_id, [])
}

pub(crate) fn pubcomp(packet_id: u16) -> Vec<u8> {
    identified(0x70, packet_id, [])
}

/// Filters with the QoS asked for.
pub(crate) fn subscribe<F: AsRef<[u8]>>(packet_id: u16, wanted: &[(F, u8)]) -> Vec<u8> {
    identified(0x82, packet_id, filters(wanted))
}

pub(crate) fn suback(packet_id: u16, return_codes: &[u8]) -> Vec<u8> {
    identified(0x90, packet_id, return_codes)
}

pub(crate) fn unsubscribe<F: AsRef<[u8]>>(packet_id: u16, unwanted: &[F]) -> Vec<u8> {
    identified(0xa2, packet_id, unwanted.iter().flat_map(text).collect::<Vec<u8>>())
}

pub(crate) fn unsuback(packet_id: u16) -> Vec<u8> {
    identified(0xb0, packet_id, [])
}
