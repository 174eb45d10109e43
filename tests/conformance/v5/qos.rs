//! 5.0, section 4.3: the delivery protocols of QoS 0, 1 and 2, with the server at either end.

use super::wire::{client, lasting, message, message_expiry, resume, subscribed, subscriber, wait};
use crate::conformance::cases;
use crate::harness::v5::{ack, puback, pubcomp, publish, pubrec, pubrel};
use crate::harness::{Raw, topic};

cases! { V5;
    sends_qos_0: "MQTT-4.3.1-1" "QoS 0 is sent with DUP 0";
    fresh_id_for_qos_1: "MQTT-4.3.2-1" "QoS 1: each new message has an unused identifier";
    sends_qos_1: "MQTT-4.3.2-2" "QoS 1: it is sent with DUP 0";
    qos_1_until_puback: "MQTT-4.3.2-3" "QoS 1: it is unacknowledged until the PUBACK";
    answers_qos_1: "MQTT-4.3.2-4" "QoS 1: the receiver answers with a PUBACK of the same id";
    qos_1_anew: "MQTT-4.3.2-5" "QoS 1: after the PUBACK the same id is a new message";
    fresh_id_for_qos_2: "MQTT-4.3.3-1" "QoS 2: each new message has an unused identifier";
    sends_qos_2: "MQTT-4.3.3-2" "QoS 2: it is sent with DUP 0";
    qos_2_until_pubrec: "MQTT-4.3.3-3" "QoS 2: it is unacknowledged until the PUBREC";
    pubrec_brings_pubrel: "MQTT-4.3.3-4" "QoS 2: a PUBREC below 0x80 is answered by PUBREL";
    pubrel_until_pubcomp: "MQTT-4.3.3-5" "QoS 2: a PUBREL is unacknowledged until the PUBCOMP";
    not_sent_after_pubrel: "MQTT-4.3.3-6" "QoS 2: after the PUBREL the PUBLISH is not sent again";
    no_expiry_once_sent: "MQTT-4.3.3-7" "QoS 2: what was sent does not expire";
    answers_qos_2: "MQTT-4.3.3-8" "QoS 2: the receiver answers with a PUBREC of the same id";
    qos_2_anew_after_error: "MQTT-4.3.3-9" "QoS 2: after a PUBREC with an error the id is new";
    qos_2_once: "MQTT-4.3.3-10" "QoS 2: until the PUBREL the same id is the same message";
    answers_pubrel: "MQTT-4.3.3-11" "QoS 2: a PUBREL is answered with a PUBCOMP of the same id";
    qos_2_anew: "MQTT-4.3.3-12" "QoS 2: after the PUBCOMP the same id is a new message";
    expiry_or_not: "MQTT-4.3.3-13" "QoS 2: the exchange goes on though the message expired";
}

fn sends_qos_0() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 2);
    client("b").send(publish(&topic, "x")).ping();
    raw.expect(publish(&topic, "x")).ping();
}

/// Messages of `qos` to a client that acknowledges none, then all.
fn fresh(qos: u8) {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, qos);
    let mut from = client("b");
    let mut ids = Vec::new();
    for n in 1..=15 {
        from.deliver(publish(&topic, "x").qos(qos, n));
        let message = message(&mut raw);
        assert_eq!((message.qos, message.dup), (qos, false));
        assert!(message.id != 0 && !ids.contains(&message.id), "{} after {ids:?}", message.id);
        ids.push(message.id);
    }
    for id in ids {
        if qos == 1 {
            raw.send(puback(id));
        } else {
            raw.send(pubrec(id)).expect(pubrel(id)).send(pubcomp(id));
        }
    }
    raw.ping();
}

fn fresh_id_for_qos_1() {
    fresh(1);
}

fn fresh_id_for_qos_2() {
    fresh(2);
}

/// The first and the next message of `qos` come with DUP 0 and nothing more.
fn sent(qos: u8) {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, qos);
    for dup in [false, true] {
        let packet = publish(&topic, "x").qos(qos, 9);
        client("b").deliver(if dup { packet.dup() } else { packet });
        let id = message(&mut raw).id;
        let other = publish(&topic, "y").qos(qos, id);
        client("c").deliver(publish(&topic, "y").qos(qos, 1));
        let next = message(&mut raw);
        assert_eq!((next.qos, next.dup, next.payload.as_str()), (qos, false, "y"));
        assert!(next.id != id, "{:?} is in use", Vec::from(other));
        raw.ping();
    }
}

fn sends_qos_1() {
    sent(1);
}

fn sends_qos_2() {
    sent(2);
}

/// A lasting session to which "x" of `qos` was sent, and the packet identifier it has there.
fn begun(qos: u8) -> (Raw, u16) {
    let topic = topic("a");
    let mut raw = subscribed(lasting("a"), &topic, qos);
    client("b").deliver(publish(&topic, "x").qos(qos, 1));
    let id = message(&mut raw).id;
    (raw, id)
}

/// Loses the connection and returns to the session.
fn again(raw: Raw) -> Raw {
    raw.drop_link();
    let (raw, present) = resume(lasting("a"));
    assert!(present, "the session is gone");
    raw
}

fn qos_1_until_puback() {
    let (mut raw, id) = begun(1);
    for _ in 0..2 {
        raw = again(raw);
        raw.expect(publish(topic("a"), "x").qos(1, id).dup()).ping();
    }
    raw.send(puback(id)).ping();
    again(raw).ping();
}

fn answers_qos_1() {
    let mut raw = client("a");
    for n in [1, 300, 0xffff] {
        let answer = raw.send(publish(topic("a"), "x").qos(1, n)).packet();
        assert_eq!((answer.first(), answer.u16_at(0)), (0x40, n));
    }
    raw.ping();
}

fn qos_1_anew() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let mut raw = client("a");
    for packet in [publish(&topic, "1"), publish(&topic, "2").dup(), publish(&topic, "3")] {
        raw.send(packet.qos(1, 1)).expect(puback(1));
    }
    let three = [(); 3].map(|()| message(&mut ear).payload);
    assert_eq!(three, ["1", "2", "3"]);
}

fn qos_2_until_pubrec() {
    let (mut raw, id) = begun(2);
    for _ in 0..2 {
        raw = again(raw);
        raw.expect(publish(topic("a"), "x").qos(2, id).dup()).ping();
    }
    raw.send(pubrec(id)).expect(pubrel(id)).send(pubcomp(id)).ping();
    again(raw).ping();
}

fn pubrec_brings_pubrel() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 2);
    let mut from = client("b");
    for (n, code) in [(1, 0x00), (2, 0x10)] {
        from.deliver(publish(&topic, "x").qos(2, n));
        let id = message(&mut raw).id;
        raw.send(ack(0x50, id, code)).expect(pubrel(id)).send(pubcomp(id)).ping();
    }
    from.deliver(publish(&topic, "x").qos(2, 3));
    let id = message(&mut raw).id;
    raw.send(ack(0x50, id, 0x80)).ping(); // no PUBREL
}

fn pubrel_until_pubcomp() {
    let (mut raw, id) = begun(2);
    raw.send(pubrec(id)).expect(pubrel(id));
    for _ in 0..2 {
        raw = again(raw);
        raw.expect(pubrel(id)).ping();
    }
    raw.send(pubcomp(id)).ping();
    again(raw).ping();
}

fn not_sent_after_pubrel() {
    let (mut raw, id) = begun(2);
    raw.send(pubrec(id)).expect(pubrel(id)).ping();
    for packet in again(raw).until_ping() {
        assert!(packet.first() >> 4 != 3, "{packet:?} was released");
    }
}

fn no_expiry_once_sent() {
    let topic = topic("a");
    let mut raw = subscribed(lasting("a"), &topic, 2);
    let brief = publish(&topic, "x").properties(message_expiry(1)).qos(2, 1);
    client("b").deliver(brief);
    let id = message(&mut raw).id;
    wait(3);
    raw = again(raw);
    let sent = message(&mut raw);
    assert_eq!((sent.id, sent.dup, sent.payload.as_str()), (id, true, "x"));
    raw.send(pubrec(id)).expect(pubrel(id)).send(pubcomp(id)).ping();
}

fn answers_qos_2() {
    let mut raw = client("a");
    for n in [1, 300, 0xffff] {
        let answer = raw.send(publish(topic("a"), "x").qos(2, n)).packet();
        assert_eq!((answer.first(), answer.u16_at(0)), (0x50, n));
    }
    raw.ping();
}

fn qos_2_anew_after_error() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let mut raw = client("a");
    raw.send(publish("$SYS/x", "x").qos(2, 1)).expect(ack(0x50, 1, 0x87));
    raw.deliver(publish(&topic, "new").qos(2, 1).dup()).ping();
    ear.expect(publish(&topic, "new")).ping();
}

fn qos_2_once() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let mut raw = Raw::online(lasting("a"));
    let x = publish(&topic, "x").qos(2, 1);
    raw.send(x.clone()).expect(pubrec(1));
    ear.expect(publish(&topic, "x")); // routed at the first PUBLISH
    raw.send(x.clone().dup()).expect(pubrec(1)).send(x.clone()).expect(pubrec(1)).ping();
    let mut raw = again(raw);
    raw.send(x.dup()).expect(pubrec(1));
    raw.send(pubrel(1)).expect(pubcomp(1)).ping();
    ear.ping();
}

fn answers_pubrel() {
    let topic = topic("a");
    let _ear = subscriber("ear", &topic, 0);
    let mut raw = Raw::online(lasting("a"));
    for n in [1, 300, 0xffff] {
        raw.send(publish(&topic, "x").qos(2, n)).expect(pubrec(n));
        raw.send(pubrel(n)).expect(pubcomp(n));
    }
    raw.send(publish(&topic, "x").qos(2, 5)).expect(pubrec(5));
    let mut raw = again(raw);
    raw.send(pubrel(5)).expect(pubcomp(5)).ping();
}

fn qos_2_anew() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let mut raw = client("a");
    for payload in ["1", "2"] {
        raw.send(publish(&topic, payload).qos(2, 1)).expect(pubrec(1));
        raw.send(pubrel(1)).expect(pubcomp(1));
        ear.expect(publish(&topic, payload));
    }
    raw.deliver(publish(&topic, "3").qos(2, 1).dup());
    ear.expect(publish(&topic, "3")).ping();
}

fn expiry_or_not() {
    let topic = topic("a");
    subscribed(lasting("b"), &topic, 2).disconnect();
    let mut raw = client("a");
    let brief = publish(&topic, "x").properties(message_expiry(1)).qos(2, 1);
    raw.send(brief.clone()).expect(pubrec(1));
    wait(3);
    raw.send(brief.dup()).expect(pubrec(1));
    raw.send(pubrel(1)).expect(pubcomp(1)).ping();
    resume(lasting("b")).0.ping(); // it had expired
}
