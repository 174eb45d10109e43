//! 5.0, sections 3.1.2.5 to 3.1.2.7 and 3.1.3.2: the will message.

use super::wire::{
    ILL_FORMED, MALFORMED, content_type, correlation_data, ends, lasting, message, message_expiry,
    payload_format, refused, response_topic, resume, session_expiry, subscriber, user_property,
    wait, will_delay,
};
use crate::conformance::cases;
use crate::harness::v5::{connect, disconnect, disconnect_with, publish};
use crate::harness::{Raw, id, topic};

cases! { V5;
    will_is_stored: "MQTT-3.1.2-7" "a will is stored with the session";
    will_is_published: "MQTT-3.1.2-8" "a will is published when link and delay or session end";
    will_fields: "MQTT-3.1.2-9" "will flag 1 has properties, topic and payload";
    will_is_removed: "MQTT-3.1.2-10" "a will is published once, and not after a normal end";
    no_will_no_qos: "MQTT-3.1.2-11" "will flag 0 has will QoS 0";
    will_qos: "MQTT-3.1.2-12" "will QoS is 0, 1 or 2";
    no_will_no_retain: "MQTT-3.1.2-13" "will flag 0 has will retain 0";
    will_passes: "MQTT-3.1.2-14" "will retain 0 publishes a message that is not retained";
    will_stays: "MQTT-3.1.2-15" "will retain 1 publishes a retained message";
    return_before_delay: "MQTT-3.1.3-9" "a new connection within the delay stops the will";
    order_of_user_properties: "MQTT-3.1.3-10" "a will's user properties keep their order";
    will_topic_is_utf8: "MQTT-3.1.3-11" "a will topic is a string";
    disconnect_discards: "MQTT-3.14.4-3" "DISCONNECT 0x00 discards the will";
}

fn will_is_stored() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let raw = Raw::online(connect(id("a")).will(0, false, &topic, "gone"));
    ear.ping();
    raw.drop_link();
    ear.expect(publish(&topic, "gone")).ping();
}

fn will_is_published() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let dying = |expiry, delay| {
        let connect = connect(id("a")).properties(session_expiry(expiry));
        Raw::online(connect.will_with(&will_delay(delay), 0, false, &topic, "gone"))
    };
    // The connection is lost.
    dying(0, 0).drop_link();
    assert_eq!(message(&mut ear).payload, "gone");
    dying(60, 0).drop_link();
    assert_eq!(message(&mut ear).payload, "gone");
    // The session ends before the delay is over.
    dying(0, 60).drop_link();
    assert_eq!(message(&mut ear).payload, "gone");
    dying(1, 60).drop_link();
    ear.ping();
    assert_eq!(message(&mut ear).payload, "gone");
    // The delay is over first.
    dying(60, 1).drop_link();
    ear.ping();
    assert_eq!(message(&mut ear).payload, "gone");
    // The client breaks the protocol, or asks for its will.
    ends(dying(60, 0).send(MALFORMED), &[0x81]);
    assert_eq!(message(&mut ear).payload, "gone");
    dying(60, 0).send(disconnect(0x04)).expect_closed();
    assert_eq!(message(&mut ear).payload, "gone");
    // Its DISCONNECT is none: there is no session to prolong.
    ends(dying(0, 0).send(disconnect_with(0, &session_expiry(9))), &[0x82]);
    assert_eq!(message(&mut ear).payload, "gone");
    // Another connection takes the session over and does not continue it.
    let _old = dying(60, 60);
    let _new = Raw::online(connect(id("a")));
    assert_eq!(message(&mut ear).payload, "gone");
    ear.ping();
}

fn will_fields() {
    let flagged = connect(id("a")).flags(0x06);
    let some = |fields: &[u8]| {
        let mut connect = flagged.clone();
        connect.fields = fields.to_vec();
        connect
    };
    refused(flagged.clone(), &[0x81, 0x82]);
    refused(some(&[0]), &[0x81, 0x82]); // properties alone
    refused(some(&[0, 0, 1, b't']), &[0x81, 0x82]); // no payload
    refused(some(&[0, 0, 1, b't', 0, 2, b'x']), &[0x81, 0x82]); // half a payload
}

fn will_is_removed() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let will = lasting("a").will(0, false, &topic, "gone");
    Raw::online(will.clone()).drop_link();
    assert_eq!(message(&mut ear).payload, "gone");
    resume(lasting("a")).0.drop_link(); // this connection has no will
    ear.ping();
    Raw::online(will).disconnect();
    resume(lasting("a")).0.drop_link();
    ear.ping();
}

fn no_will_no_qos() {
    for qos in 1..=3 {
        refused(connect(id("a")).flags(0x02 | qos << 3), &[0x81]);
    }
}

fn will_qos() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 2);
    for qos in 0..=2 {
        Raw::online(connect(id("a")).will(qos, false, &topic, "gone")).drop_link();
        assert_eq!(message(&mut ear).qos, qos);
    }
    refused(connect(id("a")).will(3, false, &topic, "gone"), &[0x81]);
}

fn no_will_no_retain() {
    refused(connect(id("a")).flags(0x22), &[0x81]);
}

fn will_passes() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0x08); // retain as published
    Raw::online(connect(id("a")).will(0, false, &topic, "gone")).drop_link();
    ear.expect(publish(&topic, "gone"));
    subscriber("late", &topic, 0).ping();
}

fn will_stays() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0x08);
    Raw::online(connect(id("a")).will(0, true, &topic, "gone")).drop_link();
    ear.expect(publish(&topic, "gone").retain());
    subscriber("late", &topic, 0).expect(publish(&topic, "gone").retain());
    ear.send(publish(&topic, "").retain()).expect(publish(&topic, "").retain()); // leave none
}

fn return_before_delay() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let will = lasting("a").will_with(&will_delay(1), 0, false, &topic, "gone");
    Raw::online(will).drop_link();
    let (mut raw, present) = resume(lasting("a"));
    assert!(present);
    wait(2);
    raw.ping();
    ear.ping();
    raw.drop_link(); // that connection has no will
    wait(2);
    ear.ping();
}

fn order_of_user_properties() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let order = [("b", "1"), ("a", "2"), ("b", "1"), ("", ""), ("a", "0")];
    let users: Vec<u8> =
        order.iter().flat_map(|(name, value)| user_property(name, value)).collect();
    Raw::online(connect(id("a")).will_with(&users, 0, false, &topic, "gone")).drop_link();
    ear.expect(publish(&topic, "gone").properties(&users));
    // The other properties of a will are those of its message too.
    let others = [
        payload_format(1),
        message_expiry(60),
        content_type("text/plain"),
        response_topic("answer"),
        correlation_data([0, 0xff]),
    ];
    let all = [&will_delay(0)[..], &others.concat()].concat();
    Raw::online(connect(id("a")).will_with(&all, 0, false, &topic, "gone")).drop_link();
    let message = message(&mut ear);
    for property in others {
        let (identifier, value) = property.split_first().expect("a property");
        if *identifier != 0x02 {
            assert_eq!(message.one(*identifier), Some(value));
        }
    }
    assert!((59..=60).contains(&message.expiry().expect("an expiry")));
    assert_eq!(message.one(0x18), None, "the delay is not the message's");
}

fn will_topic_is_utf8() {
    for &text in ILL_FORMED.iter().chain(&[&b"a\0"[..]]) {
        let mut connect = connect(id("a")).flags(0x06);
        connect.fields.push(0);
        refused(connect.field(text).field("gone"), &[0x81]);
    }
}

fn disconnect_discards() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let will = lasting("a").will(0, false, &topic, "gone");
    for normal in [disconnect(0), vec![0xe0, 1, 0], disconnect_with(0, &session_expiry(0))] {
        Raw::online(will.clone()).send(normal).expect_closed();
        ear.ping();
    }
    subscriber("late", &topic, 0).ping();
}
