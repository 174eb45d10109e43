//! 5.0, sections 3.1.3 and 3.1.4: the payload of a CONNECT and what follows from one.

use super::wire::{
    ILL_FORMED, accepted, authentication_method, client, ends, lasting, message, read_connack,
    refused, resume, session_expiry, subscribed, subscriber, unwelcome, user_property,
};
use crate::conformance::cases;
use crate::harness::v3::PINGREQ;
use crate::harness::v5::{connect, publish, subscribe};
use crate::harness::{Raw, id, topic};

cases! { V5;
    order_of_fields: "MQTT-3.1.3-1" "identifier, will, user name, password come in this order";
    identifier_is_the_session: "MQTT-3.1.3-2" "the client identifier identifies the session";
    identifier_is_there: "MQTT-3.1.3-3" "the client identifier is the payload's first field";
    identifier_is_utf8:
        "MQTT-3.1.3-4" "the client identifier is a string",
        "MQTT-3.1.3-8" "a client identifier that is rejected closes the connection";
    plain_identifiers: "MQTT-3.1.3-5" "1 to 23 letters and digits are a client identifier";
    empty_identifier: "MQTT-3.1.3-6" "an empty client identifier is replaced by a unique one";
    assigned_identifier: "MQTT-3.1.3-7" "an assigned identifier is told, and works like another";
    user_name_is_utf8: "MQTT-3.1.3-12" "the user name is a string";
    format_is_checked: "MQTT-3.1.4-1" "a CONNECT of another format closes the connection";
    further_checks: "MQTT-3.1.4-2" "a CONNECT that fails further checks closes the connection";
    take_over: "MQTT-3.1.4-3" "the same identifier again ends the connection that has it";
    clean_start_at_take_over: "MQTT-3.1.4-4" "clean start is obeyed at a take-over too";
    success: "MQTT-3.1.4-5" "a good CONNECT is answered with CONNACK 0x00";
    nothing_after_refusal: "MQTT-3.1.4-6" "what follows a refused CONNECT is not processed";
}

fn order_of_fields() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let will = user_property("which", "will");
    let all = connect(id("a")).will_with(&will, 0, false, &topic, "gone").user("u").password("p");
    Raw::online(all).drop_link();
    ear.expect(publish(&topic, "gone").properties(will));
    unwelcome(connect(id("a")).user("u").password("p").will(0, false, &topic, "gone"));
}

fn identifier_is_the_session() {
    let (one, other) = (topic("one"), topic("other"));
    subscribed(lasting("a"), &one, 0).disconnect();
    subscribed(lasting("A"), &other, 0).disconnect();
    assert!(!resume(lasting("b")).1, "a session of another name");
    let (mut a, present) = resume(lasting("a"));
    assert!(present);
    let (mut upper, present) = resume(lasting("A"));
    assert!(present);
    client("c").send(publish(&one, "1")).send(publish(&other, "2")).ping();
    assert_eq!(message(&mut a).payload, "1");
    assert_eq!(message(&mut upper).payload, "2");
    a.ping();
    upper.ping();
}

fn identifier_is_there() {
    let mut without: Vec<u8> = connect("").into();
    without.truncate(without.len() - 2);
    without[1] -= 2;
    refused(without, &[0x81, 0x82]);
    let mut short: Vec<u8> = connect("abc").into();
    short.pop();
    short[1] -= 1;
    refused(short, &[0x81, 0x82]);
}

fn identifier_is_utf8() {
    for &text in ILL_FORMED.iter().chain(&[&b"a\0"[..]]) {
        refused(connect(text), &[0x81, 0x85]);
    }
}

fn plain_identifiers() {
    let names = ["0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ", "Z"];
    for name in names {
        Raw::online(connect(name)).ping();
    }
}

/// The identifier that an empty one is replaced by.
fn assigned(raw: &mut Raw) -> String {
    let answer = raw.packet();
    let (_, code, properties) = read_connack(&answer);
    assert_eq!(code, 0, "{answer:?}");
    let assigned = properties.into_iter().find(|(identifier, _)| *identifier == 0x12);
    let value = assigned.expect("an assigned client identifier").1;
    String::from_utf8(value[2..].to_vec()).expect("UTF-8")
}

fn empty_identifier() {
    let mut ids = Vec::new();
    let mut links = Vec::new();
    for _ in 0..5 {
        let mut raw = Raw::connect();
        let name = assigned(raw.send(connect("")));
        assert!(!name.is_empty() && !ids.contains(&name), "{name} after {ids:?}");
        ids.push(name);
        links.push(raw);
    }
    for raw in &mut links {
        raw.ping();
    }
    let mut resumed = Raw::connect();
    let name = assigned(resumed.send(connect("").resume()));
    assert!(!name.is_empty() && !ids.contains(&name), "clean start 0 too");
}

fn assigned_identifier() {
    let mut raw = Raw::connect();
    let name = assigned(raw.send(connect("").properties(session_expiry(60))));
    let topic = topic("a");
    raw.send(subscribe(1, &[(&topic, 0)])).packet();
    raw.disconnect();
    let (mut raw, present) = resume(connect(&name).properties(session_expiry(60)));
    assert!(present, "no session is named {name}");
    raw.send(publish(&topic, "x")).expect(publish(&topic, "x"));
    let _new = Raw::online(connect(&name));
    ends(&mut raw, &[0x8e]);
}

fn user_name_is_utf8() {
    for &text in ILL_FORMED.iter().chain(&[&b"a\0"[..]]) {
        refused(connect(id("a")).user(text), &[0x81]);
    }
    Raw::online(connect(id("a")).user("\u{e9}").password(b"\xff\x00\x80")).ping();
}

fn format_is_checked() {
    let whole = Vec::from(connect(id("a")).will(1, true, "t", "gone").user("u").password("p"));
    for end in 13..whole.len() {
        let mut cut = whole[..end].to_vec();
        cut[1] = u8::try_from(end - 2).expect("a short packet");
        refused(cut, &[0x81, 0x82]);
    }
    let mut long = whole;
    long.push(0);
    long[1] += 1;
    refused(long, &[0x81, 0x82]);
}

fn further_checks() {
    refused(connect(id("a")).will(0, false, "$SYS/broker/uptime", "0"), &[0x87]);
    refused(connect(id("a")).will(0, false, "$share/group/t", "0"), &[0x87, 0x90]);
    refused(connect(id("a")).will(0, false, "a/+", "0"), &[0x81, 0x82, 0x90]);
}

fn take_over() {
    let mut old = client("a");
    let mut new = client("a");
    ends(&mut old, &[0x8e]);
    new.ping();
    let mut newest = resume(lasting("a")).0;
    ends(&mut new, &[0x8e]);
    newest.ping();
}

fn clean_start_at_take_over() {
    let topic = topic("a");
    let mut one = subscribed(lasting("a"), &topic, 0);
    let (mut two, present) = resume(lasting("a"));
    assert!(present, "the session goes over");
    ends(&mut one, &[0x8e]);
    two.send(publish(&topic, "x")).expect(publish(&topic, "x"));
    let mut three = Raw::connect();
    assert_eq!(read_connack(&three.send(lasting("a")).packet()).0, 0, "session present");
    ends(&mut two, &[0x8e]);
    three.send(publish(&topic, "x")).ping();
    let _brief = client("b");
    assert!(!resume(connect(id("b"))).1, "a session without expiry ends with its connection");
}

fn success() {
    for connect in [connect(id("a")), connect(id("a")).resume(), connect(id("a")).user("u")] {
        Raw::connect().send(connect).expect(accepted(false, &[])).ping();
    }
}

fn nothing_after_refusal() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let refusals = [
        connect(id("a")).properties(authentication_method("no such method")),
        connect(id("a")).will(0, false, "$SYS/x", "0"),
        connect("\0"),
    ];
    for refusal in refusals {
        let mut raw = Raw::connect();
        let more = publish(&topic, "x").retain();
        raw.send([refusal.into(), more.into(), PINGREQ.to_vec()].concat());
        assert!(read_connack(&raw.packet()).1 >= 0x80);
        raw.expect_closed();
        ear.ping();
    }
    subscriber("late", &topic, 0).ping();
}
