//! Damage: what happens to bytes on their way through a bad program.

use mqtt_broker::rng::Rng;

use super::pick;
use crate::harness::bytes::packet;

/// Does one to three small things to some bytes, which may end up empty or as they were.
pub(super) fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=rng.index(3) {
        if bytes.is_empty() {
            bytes.push(byte(rng));
            continue;
        }
        let at = rng.index(bytes.len());
        let end = at + rng.index(bytes.len() - at + 1);
        match rng.index(9) {
            0 => bytes[at] ^= 1 << rng.index(8),
            1 => bytes[at] = byte(rng),
            2 => bytes.insert(at, byte(rng)),
            3 => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(at..end)),
            6 => bytes.extend_from_within(at..end.min(at + 64)),
            7 => {
                let other = rng.index(bytes.len());
                bytes.swap(at, other);
            }
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
}

/// The same to a packet, of which the header may be put right again, so that the damage gets to
/// where the body is read.
pub(super) fn mutate_packet(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let body = bytes.iter().skip(1).position(|byte| byte & 0x80 == 0).map(|last| last + 2);
    match body {
        Some(body) if rng.chance(2, 3) => {
            let mut damaged = bytes[body..].to_vec();
            mutate(rng, &mut damaged);
            *bytes = packet(bytes[0], damaged);
        }
        Some(_) | None => mutate(rng, bytes),
    }
}

/// Cuts a stream into pieces of any length, the empty one included.
pub(super) fn pieces<'t>(rng: &mut Rng, mut stream: &'t [u8]) -> Vec<&'t [u8]> {
    let mut pieces = Vec::new();
    let most = *pick(rng, &[1, 3, 20, 1000]);
    while !stream.is_empty() {
        let (piece, rest) = stream.split_at(rng.index(most + 1).min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

/// Any byte; those that mean something more often.
fn byte(rng: &mut Rng) -> u8 {
    let any = rng.next_u64().to_le_bytes()[0];
    if rng.chance(1, 2) {
        any
    } else {
        *pick(rng, &[0x00, 0x01, 0x7f, 0x80, 0xff, 0x23, 0x2b, 0x2f])
    }
}
