//! What comes before packets: PROXY headers, requests for a WebSocket, its frames.
//!
//! Whatever the bytes and however they are cut, the machines take them or find a fault, make no
//! more of them than they are, and keep no more than they must.

use std::cell::Cell;
use std::sync::Arc;

use mqtt_broker::network::Network;
use mqtt_broker::rng::Rng;
use mqtt_broker::transport::{Gateway, ProxyRules, ProxyVersion, Scratch, WebAcceptor, WebRules};

use super::mutation::mutate;
use super::{pick, rounds};

const INPUTS: usize = 20_000;

/// Bytes a connection may hold on to before its first packet, beyond what has just come.
const KEPT_MAX: usize = 8192 * 2;

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 1883\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x1c\xc0\0\x02\x01\xc0\0\x02\x02\x12\x67\x07\x5b\
                    \x20\x00\x0d\x07\0\0\0\0\x22\x00\x05lamps";
const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n";

#[test]
fn what_comes_before_packets_is_taken_or_refused() {
    let (taken, refused) = (Cell::new(0), Cell::new(0));
    rounds(|rng| {
        for _ in 0..INPUTS {
            let count = if is_taken(rng) { &taken } else { &refused };
            count.set(count.get() + 1);
        }
    });
    let (taken, refused) = (taken.get(), refused.get());
    println!("before packets: {} inputs, {taken} taken, {refused} refused", taken + refused);
    assert!(taken > INPUTS / 20 && refused > INPUTS / 20, "{taken} taken, {refused} refused");
}

fn is_taken(rng: &mut Rng) -> bool {
    let version = *pick(rng, &[None, Some(ProxyVersion::V1), Some(ProxyVersion::V2)]);
    let is_web = version.is_none() || rng.chance(1, 2);
    let any: Network = "0.0.0.0/0".parse().unwrap();
    let gateway = Arc::new(Gateway {
        trusted: if rng.chance(1, 2) { vec![any] } else { vec![] },
        proxy: version.map(|version| ProxyRules { version, requires_tls: rng.chance(1, 8) }),
        tls: None,
        web: is_web.then(|| WebAcceptor::new(WebRules::default()).unwrap()),
    });
    let address = "10.0.0.1:1".parse().unwrap();
    let mut stream = gateway.stream(Some(address)).expect("there is something");
    let mut bytes = match version {
        None => Vec::new(),
        Some(ProxyVersion::V1) => V1.to_vec(),
        Some(ProxyVersion::V2) => V2.to_vec(),
    };
    if is_web {
        bytes.extend_from_slice(REQUEST);
        frames(rng, &mut bytes);
    }
    if rng.chance(3, 4) {
        mutate(rng, &mut bytes);
    }
    let mut scratch = Scratch::default();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(rng.index(rest.len()) + 1);
        rest = later;
        let mut piece = piece.to_vec();
        let len = piece.len();
        let opened = stream.open(&mut piece, &mut scratch);
        assert!(opened.plain.len() <= len, "more came out than went in");
        let is_over = opened.is_closed || opened.fault.is_some();
        if let Some(fault) = &opened.fault {
            assert!(!fault.is_empty() && !fault.contains('\n'), "{fault:?}");
        }
        let is_refused = opened.fault.is_some();
        assert!(stream.waiting() <= KEPT_MAX + bytes.len() * 2, "{} bytes", stream.waiting());
        if is_over {
            return !is_refused;
        }
    }
    true
}

/// Some frames, most of them good.
fn frames(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.index(6) {
        let len = rng.index(126);
        let first = *pick(rng, &[0x82, 0x82, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88, 0x81]);
        bytes.push(first);
        bytes.push(0x80 | u8::try_from(len).unwrap());
        for _ in 0..len + 4 {
            bytes.push(rng.next_u64().to_le_bytes()[0]);
        }
    }
}
