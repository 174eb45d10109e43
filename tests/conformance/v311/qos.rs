//! 3.1.1, sections 4.3 to 4.5: the exchanges of QoS 1 and 2, on one connection and over two.

use super::{client, say, session, subscribed_session, subscriber};
use crate::conformance::cases;
use crate::harness::topic;
use crate::harness::v3::{puback, pubcomp, publish, pubrec, pubrel};

cases! { V311;
    qos_1_is_kept_until_puback:
        "MQTT-4.3.2-1" "QoS 1 sender: an unused identifier, DUP 0, unacknowledged until PUBACK";
    qos_1_after_puback_is_new:
        "MQTT-4.3.2-2" "QoS 1 receiver: PUBACK; after it the same identifier is a new message";
    qos_2_is_kept_until_pubcomp:
        "MQTT-4.3.3-1" "QoS 2 sender: PUBLISH until PUBREC, PUBREL until PUBCOMP";
    qos_2_is_taken_once:
        "MQTT-4.3.3-2" "QoS 2 receiver: PUBREC for each copy, one message, PUBCOMP, then anew";
    resumption_resends_everything:
        "MQTT-4.4.0-1" "a resumed session re-sends PUBLISH and PUBREL under their identifiers";
    every_matching_client_gets_the_message:
        "MQTT-4.5.0-1" "a message goes to every client with a matching subscription";
}

fn qos_1_is_kept_until_puback() {
    let topic = topic("t");
    let (one, two) = (publish(&topic, "one").qos(1, 1), publish(&topic, "two").qos(1, 1));
    let mut raw = subscribed_session("s", &[(&topic, 1)]);
    say(one.clone());
    let first = raw.expect_publish(one.clone());
    say(two.clone());
    let second = raw.expect_publish(two);
    assert!(first != 0 && second != 0 && first != second, "identifiers {first} and {second}");
    // Nothing is sent again while the connection lasts, whatever else is acknowledged.
    raw.send(puback(second)).ping().send(puback(second)).ping();
    raw.drop_link();
    let mut raw = session("s", true);
    assert_eq!(raw.expect_publish(one.dup()), first);
    raw.send(puback(first)).ping();
    raw.drop_link();
    session("s", true).ping();
}

fn qos_1_after_puback_is_new() {
    let topic = topic("t");
    let mut watcher = subscriber("w", &[(&topic, 0)]);
    let mut raw = client("a");
    for message in [
        publish(&topic, "first"),
        publish(&topic, "other"),
        publish(&topic, "other"),
        publish(&topic, "other").dup(),
    ] {
        raw.send(message.qos(1, 5)).expect(puback(5)).ping();
    }
    for payload in ["first", "other", "other", "other"] {
        watcher.expect(publish(&topic, payload));
    }
    watcher.ping();
}

fn qos_2_is_kept_until_pubcomp() {
    let topic = topic("t");
    let (one, two) = (publish(&topic, "one").qos(2, 1), publish(&topic, "two").qos(2, 1));
    let mut raw = subscribed_session("s", &[(&topic, 2)]);
    say(one.clone());
    say(two.clone());
    let first = raw.expect_publish(one.clone());
    let second = raw.expect_publish(two);
    assert!(first != 0 && second != 0 && first != second, "identifiers {first} and {second}");
    raw.send(pubrec(second)).expect(pubrel(second)).send(pubcomp(second)).ping();
    raw.drop_link();
    // No PUBREC yet: PUBLISH again.
    let mut raw = session("s", true);
    assert_eq!(raw.expect_publish(one.dup()), first);
    raw.ping().send(pubrec(first)).expect(pubrel(first)).ping();
    raw.drop_link();
    // PUBREC, but no PUBCOMP yet: PUBREL again, PUBLISH never.
    for _ in 0..2 {
        let mut raw = session("s", true);
        raw.expect(pubrel(first)).ping();
        raw.drop_link();
    }
    let mut raw = session("s", true);
    raw.expect(pubrel(first)).send(pubcomp(first)).ping();
    raw.drop_link();
    session("s", true).ping();
}

fn qos_2_is_taken_once() {
    let topic = topic("t");
    let mut watcher = subscriber("w", &[(&topic, 0)]);
    let mut raw = client("a");
    let message = publish(&topic, "once").qos(2, 5);
    raw.send(message.clone()).expect(pubrec(5));
    raw.send(message.clone().dup()).expect(pubrec(5));
    raw.send(message.clone()).expect(pubrec(5));
    raw.send(pubrel(5)).expect(pubcomp(5)).ping();
    watcher.expect(publish(&topic, "once")).ping();
    raw.send(pubrel(5)).expect(pubcomp(5)).ping(); // a PUBREL is always answered
    // After PUBCOMP the identifier is free, whatever DUP says.
    raw.send(message.clone().dup()).expect(pubrec(5)).send(pubrel(5)).expect(pubcomp(5)).ping();
    watcher.expect(publish(&topic, "once")).ping();
    // The exchange of another client under the same identifier is another one.
    let mut other = client("b");
    raw.send(message.clone()).expect(pubrec(5));
    other.send(message).expect(pubrec(5)).send(pubrel(5)).expect(pubcomp(5)).ping();
    raw.send(pubrel(5)).expect(pubcomp(5)).ping();
    watcher.expect(publish(&topic, "once")).expect(publish(&topic, "once")).ping();
}

fn resumption_resends_everything() {
    let (inward, outward) = (topic("in"), topic("out"));
    let mut watcher = subscriber("w", &[(&inward, 0)]);
    let mut raw = subscribed_session("s", &[(&outward, 2)]);
    let message = |n: u8| publish(&outward, [b'0' + n]).qos(1 + n % 2, 1);
    (0..6).map(message).for_each(say);
    let ids: Vec<u16> = (0..6).map(|n| raw.expect_publish(message(n))).collect();
    raw.send(puback(ids[2]));
    for n in [1, 5] {
        raw.send(pubrec(ids[n])).expect(pubrel(ids[n]));
    }
    raw.send(pubcomp(ids[5]));
    raw.send(publish(&inward, "given").qos(2, 9)).expect(pubrec(9)).ping();
    raw.drop_link();
    let mut raw = session("s", true);
    let again = |n: u8| Vec::from(message(n).numbered(ids[usize::from(n)]).dup());
    raw.expect_in_any_order([again(0), pubrel(ids[1]), again(3), again(4)]);
    // The other way round: what the client re-sends is known to the server.
    raw.send(publish(&inward, "given").dup().qos(2, 9)).expect(pubrec(9));
    raw.send(pubrel(9)).expect(pubcomp(9)).ping();
    watcher.expect(publish(&inward, "given")).ping();
}

fn every_matching_client_gets_the_message() {
    let (own, other) = (topic("a/b"), topic("a/c"));
    let filters = ["a/b", "a/+", "a/#", "+/b", "#"].map(topic);
    let on = |n: usize| format!("on{n}");
    let off = |n: usize| format!("off{n}");
    let mut online = Vec::new();
    for (n, filter) in filters.iter().enumerate() {
        online.push(subscriber(&on(n), &[(filter, 2)]));
        subscribed_session(&off(n), &[(filter, 1)]).disconnect();
    }
    let mut bystander = subscriber("other", &[(&other, 2)]);
    for qos in 0..=2 {
        say(publish(&own, "x").at(qos, 1));
        for raw in &mut online {
            raw.accept(publish(&own, "x").at(qos, 0)).ping();
        }
    }
    bystander.ping();
    for n in 0..filters.len() {
        let mut raw = session(&off(n), true);
        let mut got = raw.until_ping();
        // Storing QoS 0 for the absent is the server's choice.
        got.retain(|packet| packet.publish_id().is_some());
        assert_eq!(got.len(), 2, "{got:?}");
    }
    // The publisher is a client like others.
    let mut raw = subscriber("self", &[(&own, 0)]);
    raw.send(publish(&own, "to myself")).expect(publish(&own, "to myself")).ping();
}
