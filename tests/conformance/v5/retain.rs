//! 5.0, section 3.3.1: DUP, QoS and RETAIN of a PUBLISH.

use super::wire::{
    AS_PUBLISHED, RETAINED_IF_NEW, RETAINED_NEVER, client, faulty, join, lasting, message, resume,
    subscribed, subscriber,
};
use crate::conformance::cases;
use crate::harness::topic;
use crate::harness::v5::{publish, unsuback, unsubscribe};

cases! { V5;
    dup_when_sent_again: "MQTT-3.3.1-1" "DUP is 1 when a PUBLISH is sent again";
    qos_0_is_never_dup: "MQTT-3.3.1-2" "DUP is 0 with QoS 0";
    dup_is_not_passed_on: "MQTT-3.3.1-3" "an incoming DUP says nothing about the outgoing one";
    no_qos_3: "MQTT-3.3.1-4" "not both QoS bits are 1";
    retained_is_replaced: "MQTT-3.3.1-5" "RETAIN 1 replaces the topic's retained message";
    empty_removes: "MQTT-3.3.1-6" "RETAIN 1 without payload removes it, and is delivered";
    empty_is_not_stored: "MQTT-3.3.1-7" "a message without payload is not retained";
    retain_0_leaves_it: "MQTT-3.3.1-8" "RETAIN 0 stores, replaces and removes nothing";
    handling_0: "MQTT-3.3.1-9" "retain handling 0 sends the retained messages";
    handling_1: "MQTT-3.3.1-10" "retain handling 1 sends them to a new subscription only";
    handling_2: "MQTT-3.3.1-11" "retain handling 2 sends none";
    retain_is_cleared: "MQTT-3.3.1-12" "retain as published 0 forwards RETAIN 0";
    retain_is_kept: "MQTT-3.3.1-13" "retain as published 1 forwards RETAIN as it came";
}

/// Retains `payload` for `topic`; without payload, retains nothing any more.
fn retain(topic: &str, payload: &str) {
    client("r").send(publish(topic, payload).retain()).ping();
}

fn dup_when_sent_again() {
    let topic = topic("a");
    let mut raw = subscribed(lasting("a"), &topic, 2);
    let mut from = client("b");
    from.deliver(publish(&topic, "1").qos(1, 1));
    from.deliver(publish(&topic, "2").qos(2, 2));
    let first = [message(&mut raw), message(&mut raw)];
    assert!(first.iter().all(|message| !message.dup));
    raw.drop_link();
    let mut raw = resume(lasting("a")).0;
    for sent in first {
        let again = message(&mut raw);
        assert!(again.dup && again.payload == sent.payload && again.id == sent.id, "{again:?}");
    }
}

fn qos_0_is_never_dup() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 0);
    client("b").deliver(publish(&topic, "x").qos(1, 1).dup());
    raw.expect(publish(&topic, "x"));
    faulty(publish(&topic, "x").dup(), &[0x81, 0x82]);
}

fn dup_is_not_passed_on() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 2);
    for qos in [1, 2] {
        client("b").deliver(publish(&topic, "x").qos(qos, 1).dup());
        let message = message(&mut raw);
        assert!(!message.dup && message.qos == qos, "{message:?}");
    }
}

fn no_qos_3() {
    faulty(publish("t", "x").qos(3, 1), &[0x81]);
    faulty(publish("t", "x").qos(3, 1).dup().retain(), &[0x81]);
}

fn retained_is_replaced() {
    let topic = topic("a");
    for qos in 0..=2 {
        client("b").deliver(publish(&topic, qos.to_string()).at(qos, 1).retain());
        let mut raw = subscriber("a", &topic, 0);
        raw.expect(publish(&topic, qos.to_string()).retain()).ping();
    }
    retain(&topic, "");
}

fn empty_removes() {
    let topic = topic("a");
    retain(&topic, "x");
    let mut ear = subscriber("ear", &topic, AS_PUBLISHED);
    ear.expect(publish(&topic, "x").retain());
    retain(&topic, "");
    ear.expect(publish(&topic, "").retain()); // processed normally
    subscriber("late", &topic, 0).ping();
}

fn empty_is_not_stored() {
    let topic = topic("a");
    retain(&topic, "");
    subscriber("late", &topic, 0).ping();
    client("b").deliver(publish(&topic, "").retain().qos(2, 1));
    subscriber("late", &topic, 0).ping();
}

fn retain_0_leaves_it() {
    let topic = topic("a");
    let mut from = client("b");
    from.send(publish(&topic, "new")).ping();
    subscriber("late", &topic, 0).ping();
    retain(&topic, "old");
    from.send(publish(&topic, "new")).send(publish(&topic, "")).ping();
    subscriber("late", &topic, 0).expect(publish(&topic, "old").retain()).ping();
    retain(&topic, "");
}

fn handling_0() {
    let all = ["a", "b", "b/c"].map(topic);
    all.iter().for_each(|topic| retain(topic, "x"));
    let mut raw = client("a");
    for _ in 0..2 {
        join(&mut raw, &topic("#"), 0);
        let mut got: Vec<String> = (0..3).map(|_| message(&mut raw).topic).collect();
        got.sort_unstable();
        assert_eq!(got, all);
        raw.ping();
    }
    all.iter().for_each(|topic| retain(topic, ""));
}

fn handling_1() {
    let topic = topic("a");
    retain(&topic, "x");
    let mut raw = client("a");
    for _ in 0..2 {
        join(&mut raw, &topic, RETAINED_IF_NEW);
        raw.expect(publish(&topic, "x").retain());
        join(&mut raw, &topic, RETAINED_IF_NEW);
        raw.ping();
        raw.send(unsubscribe(1, &[&topic])).expect(unsuback(1, &[0]));
    }
    subscribed(lasting("b"), &topic, RETAINED_IF_NEW).disconnect();
    let mut raw = resume(lasting("b")).0;
    raw.until_ping(); // what may still have been queued
    join(&mut raw, &topic, RETAINED_IF_NEW);
    raw.ping();
    retain(&topic, "");
}

fn handling_2() {
    let topic = topic("a");
    retain(&topic, "x");
    let mut raw = client("a");
    for _ in 0..2 {
        join(&mut raw, &topic, RETAINED_NEVER);
        raw.ping();
    }
    retain(&topic, "y");
    raw.expect(publish(&topic, "y")).ping(); // later messages come
    retain(&topic, "");
}

fn retain_is_cleared() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 0);
    for payload in ["x", ""] {
        retain(&topic, payload);
        raw.expect(publish(&topic, payload)).ping();
    }
}

fn retain_is_kept() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, AS_PUBLISHED);
    let mut cleared = subscriber("b", &topic, 0);
    let mut from = client("from");
    for packet in [publish(&topic, "x").retain(), publish(&topic, "y")] {
        from.send(packet.clone()).ping();
        raw.expect(packet);
        assert!(!message(&mut cleared).retain);
    }
    retain(&topic, "");
}
