//! 5.0, sections 4.9, 4.12 and 4.13: flow control, enhanced authentication, errors.

use super::wire::{
    MALFORMED, authentication_data, authentication_method, client, ends, faulty, message,
    read_connack, read_properties, receive_maximum, refused, subscribed, subscriber,
};
use crate::auth::scram;
use crate::conformance::cases;
use crate::harness::v5::{
    auth, connect, pubcomp, publish, pubrec, pubrel, suback, subscribe, unsuback, unsubscribe,
};
use crate::harness::{Packet, Raw, id, packet, topic};

cases! { V5;
    initial_quota: "MQTT-4.9.0-1" "the initial send quota is within Receive Maximum, not 0";
    quota_used_up: "MQTT-4.9.0-2" "with no quota left no PUBLISH above QoS 0 is sent";
    others_with_quota_0: "MQTT-4.9.0-3" "other packets are processed with no quota left";
    unknown_method: "MQTT-4.12.0-1" "an unknown authentication method closes the connection";
    server_continues: "MQTT-4.12.0-2" "the server asks for more with AUTH 0x18";
    rejected: "MQTT-4.12.0-4" "a rejected authentication closes the connection";
    method_comes_back: "MQTT-4.12.0-5" "AUTH and a CONNACK of success name the client's method";
    no_unasked_auth: "MQTT-4.12.0-6" "without a method neither AUTH nor a method is sent";
    auth_without_method: "MQTT-4.12.0-7" "without a method the client sends no AUTH";
    reauthentication_without_method: "MQTT-4.12.1-1" "re-authentication keeps to the method";
    failed_reauthentication: "MQTT-4.12.1-2" "a failed re-authentication closes the connection";
    malformed_closes: "MQTT-4.13.1-1" "a malformed packet or protocol error closes the connection";
    errors_close: "MQTT-4.13.2-1" "CONNACK or DISCONNECT of 0x80 or more means the end";
}

fn initial_quota() {
    let topic = topic("a");
    for maximum in [1, 3] {
        let few = connect(id("a")).properties(receive_maximum(maximum));
        let mut raw = subscribed(few, &topic, 2);
        let mut from = client("b");
        for n in 1..=8 {
            from.deliver(publish(&topic, "x").qos(2, n));
        }
        for n in 0..maximum {
            assert!(message(&mut raw).id != 0, "message {n}");
        }
        raw.ping();
    }
}

fn quota_used_up() {
    let topic = topic("a");
    let one = connect(id("a")).properties(receive_maximum(1));
    let mut raw = subscribed(one, &topic, 2);
    let mut from = client("b");
    for n in 1..=4 {
        from.deliver(publish(&topic, n.to_string()).qos(2, n));
    }
    for n in 1..=4 {
        let next = message(&mut raw);
        assert_eq!(next.payload, n.to_string());
        raw.ping();
        raw.send(pubrec(next.id)).expect(pubrel(next.id)).ping();
        raw.send(pubcomp(next.id)).send(pubcomp(next.id)); // the second gives no more quota
    }
    raw.ping();
}

fn others_with_quota_0() {
    // The server has none to send: the client has not answered.
    let (topic, other) = (topic("a"), topic("b"));
    let one = connect(id("a")).properties(receive_maximum(1));
    let mut raw = subscribed(one, &topic, 1);
    let mut from = client("b");
    for n in 1..=2 {
        from.deliver(publish(&topic, "x").qos(1, n));
    }
    message(&mut raw);
    raw.ping().send(unsubscribe(1, &["u"])).expect(unsuback(1, &[0x11]));
    // The client has none to send: all it may have open is open.
    for n in 1..=20 {
        from.send(publish(&topic, "x").qos(2, n)).expect(pubrec(n));
    }
    from.ping().send(subscribe(30, &[(&other, 0)])).expect(suback(30, &[0]));
    for n in 1..=20 {
        from.send(pubrel(n)).expect(pubcomp(n));
    }
}

fn unknown_method() {
    for method in ["no such method", "", "SCRAM-SHA-1"] {
        let method = authentication_method(method);
        refused(connect(id("a")).properties(&method), &[0x8c, 0x87]);
        let data = [method, authentication_data("first")].concat();
        refused(connect(id("a")).properties(data), &[0x8c, 0x87]);
    }
}

/// What the server sends in an authentication that gives no data: AUTHs and the CONNACK.
fn authentication(method: &str) -> Vec<Packet> {
    let mut raw = Raw::connect();
    raw.send(connect(id("a")).properties(authentication_method(method)));
    let mut all = Vec::new();
    while let Some(packet) = raw.next() {
        assert!([0x20, 0xf0].contains(&packet.first()), "got {packet:?}");
        all.push(packet);
        match all.last().map(Packet::first) {
            Some(0xf0) => _ = raw.send(auth(0x18, &authentication_method(method))),
            _ => break,
        }
    }
    all
}

fn server_continues() {
    for packet in authentication("SCRAM-SHA-256").iter().filter(|packet| packet.first() == 0xf0) {
        assert_eq!(packet.body().first(), Some(&0x18), "{packet:?}");
    }
    scram::it_proves_itself_anew();
}

fn method_comes_back() {
    for method in ["SCRAM-SHA-256", "no such method"] {
        let named = authentication_method(method);
        for packet in authentication(method) {
            let at = if packet.first() == 0xf0 { 1 } else { 2 };
            let properties = read_properties(&mut &packet.body()[at..]);
            let found = properties.iter().find(|(identifier, _)| *identifier == 0x15);
            let refusal = packet.first() == 0x20 && packet.body()[1] >= 0x80;
            assert!(refusal || found.is_some_and(|(_, value)| *value == named[1..]), "{packet:?}");
        }
    }
    scram::a_proof_lets_in_and_gives_the_rights_of_its_user();
}

fn rejected() {
    let connect = connect(id("a")).properties(authentication_method("no such method"));
    let mut raw = Raw::connect();
    raw.send(connect);
    while let Some(packet) = raw.next() {
        match packet.first() {
            0xf0 => _ = raw.send(auth(0x18, &authentication_method("another"))),
            _ => assert!(read_connack(&packet).1 >= 0x80, "{packet:?}"),
        }
    }
    scram::a_wrong_proof_is_refused_like_an_unknown_name();
}

fn no_unasked_auth() {
    for connect in [connect(id("a")), connect(id("a")).user("u").password("p")] {
        let mut raw = Raw::connect();
        let (_, _, properties) = read_connack(&raw.send(connect).packet());
        assert!(properties.iter().all(|(identifier, _)| ![0x15, 0x16].contains(identifier)));
        raw.ping();
    }
}

fn auth_without_method() {
    for code in [0x00, 0x18, 0x19] {
        faulty(auth(code, &authentication_method("m")), &[0x82]);
    }
    faulty(packet(0xf0, []), &[0x82]);
}

fn reauthentication_without_method() {
    let with_data = [authentication_method("m"), authentication_data("first")].concat();
    faulty(auth(0x19, &with_data), &[0x82]);
    faulty(auth(0x19, &[]), &[0x82]);
    scram::who_does_not_keep_to_the_conversation_is_disconnected();
}

fn failed_reauthentication() {
    let topic = topic("will");
    let mut ear = subscriber("ear", &topic, 0);
    let mut raw = Raw::online(connect(id("a")).will(0, false, &topic, "gone"));
    ends(raw.send(auth(0x19, &authentication_method("m"))), &[0x82, 0x87, 0x8c]);
    assert_eq!(message(&mut ear).payload, "gone");
    scram::nobody_becomes_somebody_else();
}

fn malformed_closes() {
    let others: [&[u8]; 12] = [
        &[0x00, 0x00],                   // reserved packet type
        &[0x20, 0x03, 0x00, 0x00, 0x00], // packets that only a server sends
        &[0x90, 0x04, 0x00, 0x01, 0x00, 0x00],
        &[0xb0, 0x04, 0x00, 0x01, 0x00, 0x00],
        &[0xd0, 0x00],
        &[0x40, 0x00], // no packet identifier
        &[0x40, 0x01, 0x00],
        &[0x40, 0x03, 0x00, 0x01, 0x05], // no such reason code
        &[0x62, 0x05, 0x00, 0x01, 0x00, 0x01, 0x26], // half a property
        &[0x82, 0x05, 0x00, 0x01, 0x00, 0x00, 0x05], // half a filter
        &[0x30, 0x05, 0x00, 0x01, b't', 0x05, 0x01], // properties beyond the packet
        &[0xe0, 0x02, 0x01, 0x00],       // no such reason to disconnect
    ];
    for bytes in others {
        faulty(bytes, &[0x81, 0x82]);
    }
    let mut bystander = client("b");
    faulty(MALFORMED, &[0x81]);
    bystander.ping(); // no consequences for other sessions
}

fn errors_close() {
    let mut raw = Raw::connect();
    let answer = raw.send(connect("a\0")).packet();
    assert!(read_connack(&answer).1 >= 0x80);
    raw.expect_closed();
    let mut raw = client("a");
    ends(raw.send(publish("", "x")), &[0x82]);
    client("b").ping(); // below 0x80 it stays
}
