//! MQTT 3.1 (MQIsdp, level 3): where it differs from 3.1.1.
//!
//! The specification has no numbered statements; each test says what it is about.

use super::v311::{client, rejected, say, subscribed, subscriber};
use crate::harness::v3::{
    DISCONNECT, connack, connect31, puback, pubcomp, publish, pubrec, pubrel, suback, subscribe,
    unsuback, unsubscribe,
};
use crate::harness::{Connect, Raw, id, topic};

/// A client of 3.1 with a clean session.
fn client31(name: &str) -> Raw {
    let mut raw = Raw::connect();
    raw.send(connect31(id(name))).expect(connack(false, 0));
    raw
}

/// The same packet with DUP, which 3.1 allows on PUBREL, SUBSCRIBE and UNSUBSCRIBE.
fn again(mut packet: Vec<u8>) -> Vec<u8> {
    packet[0] |= 0x08;
    packet
}

#[test]
fn messages_pass_at_every_qos() {
    let topic = topic("t");
    let mut reader = client31("r");
    subscribed(&mut reader, &[(&topic, 2)]);
    let mut writer = client31("w");
    for qos in 0..=2 {
        writer.deliver(publish(&topic, "x").at(qos, 5));
        reader.accept(publish(&topic, "x").at(qos, 0)).ping();
    }
    reader.send(unsubscribe(3, &[&topic])).expect(unsuback(3));
    reader.send(DISCONNECT).expect_closed();
}

#[test]
fn messages_pass_between_the_versions() {
    let topic = topic("t");
    let mut old = client31("o");
    subscribed(&mut old, &[(&topic, 1)]);
    let mut new = subscriber("n", &[(&topic, 1)]);
    say(publish(&topic, "new").qos(1, 1));
    client31("w").deliver(publish(&topic, "old").qos(1, 1));
    for raw in [&mut old, &mut new] {
        raw.accept(publish(&topic, "new").qos(1, 0)).accept(publish(&topic, "old").qos(1, 0));
        raw.ping();
    }
}

#[test]
fn repeated_requests_may_say_so() {
    let topic = topic("t");
    let mut raw = client31("a");
    raw.send(again(subscribe(4, &[(&topic, 1)]))).expect(suback(4, &[1]));
    raw.send(again(unsubscribe(5, &[&topic]))).expect(unsuback(5));
    raw.send(publish(&topic, "x").qos(2, 6)).expect(pubrec(6));
    raw.send(pubrel(6)).expect(pubcomp(6));
    raw.send(again(pubrel(6))).expect(pubcomp(6)).ping();
}

#[test]
fn connack_has_no_session_present() {
    let resume = || connect31(id("a")).resume();
    for _ in 0..2 {
        let mut raw = Raw::connect();
        raw.send(resume()).expect(connack(false, 0)).send(DISCONNECT).expect_closed();
    }
}

#[test]
fn session_is_kept() {
    let topic = topic("t");
    let resume = || Raw::online(connect31(id("a")).resume());
    let mut raw = resume();
    subscribed(&mut raw, &[(&topic, 1)]);
    raw.disconnect();
    say(publish(&topic, "x").qos(1, 1));
    let mut raw = resume();
    let number = raw.expect_publish(publish(&topic, "x").qos(1, 0));
    raw.ping();
    raw.drop_link();
    let mut raw = resume();
    assert_eq!(raw.expect_publish(publish(&topic, "x").qos(1, 0).dup()), number);
    raw.send(puback(number)).ping();
}

#[test]
fn other_levels_are_unacceptable() {
    for level in [0, 1, 2, 6] {
        rejected(Connect::new("MQIsdp", level, id("a"), None), 1);
    }
}

#[test]
fn empty_identifier_is_rejected() {
    rejected(connect31(""), 2);
    rejected(connect31("").resume(), 2);
}

#[test]
fn credentials_may_be_missing_behind_their_flags() {
    // "The Remaining Length field takes precedence over the User Name flag": so for passwords.
    for flags in [0x82, 0xc2] {
        let mut raw = Raw::connect();
        raw.send(connect31(id("a")).flags(flags)).expect(connack(false, 0)).ping();
    }
    let mut raw = Raw::connect();
    raw.send(connect31(id("a")).flags(0xc2).field("user")).expect(connack(false, 0)).ping();
}

#[test]
fn will_is_published() {
    let topic = topic("t");
    let mut watcher = subscriber("w", &[(&topic, 2)]);
    Raw::online(connect31(id("a")).will(2, true, &topic, "gone")).drop_link();
    watcher.accept(publish(&topic, "gone").qos(2, 0)).ping();
    Raw::online(connect31(id("a")).will(2, true, &topic, "not gone")).disconnect();
    watcher.ping();
}

#[test]
fn reserved_options_and_qos_3_close() {
    let (topic, wild) = (topic("t"), topic("+"));
    for options in [0x03, 0x04, 0x80] {
        client31("a").send(subscribe(1, &[(&topic, options)])).expect_closed();
    }
    client31("a").send(publish(&topic, "x").qos(3, 1)).expect_closed();
    client31("a").send(publish(wild, "x")).expect_closed();
}

#[test]
fn versions_take_over_from_each_other() {
    let mut old = client31("a");
    let mut new = client("a");
    old.expect_closed();
    let mut old = client31("a");
    new.expect_closed();
    old.ping();
}
