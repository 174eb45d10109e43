//! 5.0, sections 3.14 and 3.15: DISCONNECT and AUTH.

use super::wire::{
    MALFORMED, authentication_method, client, faulty, publish_aliased, read_properties,
    session_expiry, subscriber, tight,
};
use crate::conformance::cases;
use crate::harness::v3::PINGREQ;
use crate::harness::v5::{auth, connect, disconnect, publish, pubrec, subscribe, unsubscribe};
use crate::harness::{Connect, Packet, Raw, id, packet, topic};

cases! { V5;
    not_before_connack: "MQTT-3.14.0-1" "no DISCONNECT before a CONNACK of success";
    reserved_bits: "MQTT-3.14.1-1" "reserved bits other than 0 are a 0x81";
    known_codes: "MQTT-3.14.2-1" "a DISCONNECT has one of its reason codes";
    no_session_expiry: "MQTT-3.14.2-2" "a server's DISCONNECT has no Session Expiry Interval";
    small_disconnect:
        "MQTT-3.14.2-3" "no reason string too large for the receiver of a DISCONNECT",
        "MQTT-3.14.2-4" "no user property too large for the receiver of a DISCONNECT";
    last_packet: "MQTT-3.14.4-1" "nothing is sent behind a DISCONNECT";
    then_closes: "MQTT-3.14.4-2" "a DISCONNECT is followed by the end of the connection";
    auth_flags: "MQTT-3.15.1-1" "an AUTH has the flags 0000";
    auth_codes: "MQTT-3.15.2-1" "an AUTH has one of its reason codes";
}

/// A server's DISCONNECT for each reason that a client can give it; the end follows each.
fn partings(connect: &Connect) -> Vec<Packet> {
    let wrongs: [Vec<u8>; 9] = [
        MALFORMED.to_vec(),
        vec![0x30, 0xff, 0xff, 0xff, 0x7f],
        publish("a/+", "x").into(),
        publish("", "x").into(),
        publish_aliased("t", 11, "x").into(),
        subscribe::<&str>(1, &[]),
        unsubscribe::<&str>(1, &[]),
        auth(0x19, &authentication_method("m")),
        connect.clone().into(),
    ];
    let mut partings = Vec::new();
    let mut take = |raw: &mut Raw| {
        let parting = raw.packet();
        assert!(parting.first() == 0xe0, "expected a DISCONNECT, got {parting:?}");
        raw.expect_closed();
        partings.push(parting);
    };
    for wrong in wrongs {
        take(Raw::online(connect.clone()).send(wrong));
    }
    let mut full = Raw::online(connect.clone());
    for n in 1..=20 {
        full.send(publish(topic("a"), "x").qos(2, n)).packet();
    }
    take(full.send(publish(topic("a"), "x").qos(2, 21)));
    let mut old = Raw::online(connect.clone());
    let _new = Raw::online(connect.clone());
    take(&mut old);
    let mut silent = Raw::online(connect.clone().keep_alive(1));
    take(&mut silent);
    partings
}

fn not_before_connack() {
    let early: [Vec<u8>; 6] = [
        PINGREQ.to_vec(),
        disconnect(0),
        vec![0xf1, 0x00],
        pubrec(1),
        connect("a\0b").into(),
        connect(id("a")).properties(authentication_method("no such method")).into(),
    ];
    for bytes in early {
        let mut raw = Raw::connect();
        raw.send(bytes);
        while let Some(packet) = raw.next() {
            assert!(packet.first() == 0x20 && packet.body()[1] >= 0x80, "got {packet:?}");
        }
    }
}

fn reserved_bits() {
    for flags in 1..16 {
        faulty([0xe0 | flags, 0x00], &[0x81]);
        faulty([0xe0 | flags, 0x01, 0x00], &[0x81]);
    }
}

fn known_codes() {
    const CODES: [u8; 28] = [
        0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95,
        0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
    ];
    for parting in partings(&connect(id("a"))) {
        let code = parting.body().first().copied().unwrap_or(0);
        assert!(CODES.contains(&code), "{parting:?}");
    }
}

fn no_session_expiry() {
    for parting in partings(&connect(id("a")).properties(session_expiry(60))) {
        let mut rest = parting.body().get(1..).unwrap_or(&[]);
        if !rest.is_empty() {
            let properties = read_properties(&mut rest);
            assert!(properties.iter().all(|(identifier, _)| *identifier != 0x11), "{parting:?}");
            assert!(rest.is_empty(), "bytes behind the properties: {parting:?}");
        }
    }
}

fn small_disconnect() {
    for parting in partings(&connect(id("a")).properties(tight())) {
        assert!(parting.bytes.len() <= 20, "{parting:?}");
    }
}

fn last_packet() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 0);
    let behind = [publish(&topic, "x").into(), subscribe(1, &[("t", 0)]), PINGREQ.to_vec()];
    raw.send([MALFORMED.to_vec(), behind.concat()].concat());
    client("b").send(publish(&topic, "x")).ping();
    let mut last = 0x30;
    while let Some(packet) = raw.next() {
        assert!(last != 0xe0, "{packet:?} came behind the DISCONNECT");
        last = packet.first();
    }
    assert_eq!(last, 0xe0, "no DISCONNECT");
}

fn then_closes() {
    partings(&connect(id("a")));
}

fn auth_flags() {
    let body = Vec::from(&auth(0x19, &authentication_method("m"))[2..]);
    for flags in 1..16 {
        faulty(packet(0xf0 | flags, &body), &[0x81]);
    }
}

fn auth_codes() {
    for code in [0x01, 0x17, 0x1a, 0x80, 0xff] {
        faulty(auth(code, &authentication_method("m")), &[0x81, 0x82]);
    }
}
