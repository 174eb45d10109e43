//! 5.0, section 3.3.4: who gets a PUBLISH, in how many copies, and how many at once.

use super::wire::{
    client, ends, faulty, join, message, read_message, receive_maximum, subscribed, subscriber,
    subscription_identifier,
};
use crate::conformance::cases;
use crate::harness::v5::{
    ack, connect, puback, pubcomp, publish, pubrec, pubrel, suback, subscribe, subscribe_with,
    unsuback, unsubscribe,
};
use crate::harness::{Raw, id, topic};

cases! { V5;
    response_by_qos: "MQTT-3.3.4-1" "QoS 0, 1, 2 are answered with nothing, PUBACK, PUBREC";
    highest_qos: "MQTT-3.3.4-2" "overlapping subscriptions deliver at the highest of their QoS";
    identifiers_come_along: "MQTT-3.3.4-3" "a message carries its subscriptions' identifiers";
    identifiers_of_one_copy: "MQTT-3.3.4-4" "a single copy carries the identifiers of all";
    identifiers_of_copies: "MQTT-3.3.4-5" "each of several copies carries its own identifier";
    no_identifier_from_clients: "MQTT-3.3.4-6" "a client's PUBLISH has no subscription identifier";
    receive_maximum_is_kept: "MQTT-3.3.4-7" "more than Receive Maximum messages are a 0x93";
    window_is_kept: "MQTT-3.3.4-9" "no more than the client's Receive Maximum are in flight";
    others_are_not_delayed: "MQTT-3.3.4-10" "a full window delays nothing but PUBLISH";
}

fn response_by_qos() {
    let topic = topic("a");
    let _ear = subscriber("ear", &topic, 0);
    let mut raw = client("a");
    raw.send(publish(&topic, "x")).ping();
    raw.send(publish(&topic, "x").qos(1, 5)).expect(puback(5)).ping();
    raw.send(publish(&topic, "x").qos(2, 6)).expect(pubrec(6)).ping();
}

fn highest_qos() {
    let (exact, single, multi) = (topic("a/b"), topic("a/+"), topic("a/#"));
    for options in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 0, 1]] {
        let mut raw = client("a");
        let filters = [&exact, &single, &multi];
        let filters: Vec<(&String, u8)> = filters.into_iter().zip(options).collect();
        raw.send(subscribe(1, &filters)).expect(suback(1, &options));
        client("b").deliver(publish(&exact, "x").qos(2, 1));
        let highest = options.into_iter().max().expect("three");
        assert_eq!(message(&mut raw).qos, highest);
        raw.ping();
    }
}

/// Subscribes with an identifier.
fn join_as(raw: &mut Raw, filter: &str, identifier: usize) {
    raw.send(subscribe_with(8, &subscription_identifier(identifier), &[(filter, 0)]));
    raw.expect(suback(8, &[0]));
}

fn identifiers_come_along() {
    let topic = topic("a");
    for identifier in [1, 127, 128, 16_384, 268_435_455] {
        let mut raw = client("a");
        join_as(&mut raw, &topic, identifier);
        raw.send(publish(&topic, "x"));
        assert_eq!(message(&mut raw).subscriptions(), [identifier]);
        join_as(&mut raw, &topic, 7); // replaces it
        raw.send(publish(&topic, "x").retain());
        assert_eq!(message(&mut raw).subscriptions(), [7]);
        join(&mut raw, &topic, 0); // removes it
        assert!(message(&mut raw).subscriptions().is_empty(), "from a retained message");
        raw.send(publish(&topic, "").retain());
        assert!(message(&mut raw).subscriptions().is_empty());
        join_as(&mut raw, &topic, 3);
        client("b").send(publish(&topic, "x").retain()).ping();
        assert_eq!(message(&mut raw).subscriptions(), [3]);
        let mut late = client("late");
        join_as(&mut late, &topic, 4);
        assert_eq!(message(&mut late).subscriptions(), [4], "with a retained message");
        client("b").send(publish(&topic, "").retain()).ping();
    }
}

fn identifiers_of_one_copy() {
    let mut raw = client("a");
    for (filter, identifier) in [("a/b", 3), ("a/+", 1), ("a/#", 2), ("+/b", 1), ("c", 4)] {
        join_as(&mut raw, &topic(filter), identifier);
    }
    join(&mut raw, &topic("#"), 0); // one without
    raw.send(publish(topic("a/b"), "x"));
    assert_eq!(message(&mut raw).subscriptions(), [1, 1, 2, 3]);
    raw.ping();
    raw.send(publish(topic("d"), "x"));
    assert!(message(&mut raw).subscriptions().is_empty());
}

fn identifiers_of_copies() {
    // A shared subscription has a copy of its own.
    let topic = topic("a");
    let mut raw = client("a");
    join_as(&mut raw, &topic, 1);
    join_as(&mut raw, &format!("$share/g/{topic}"), 2);
    raw.send(publish(&topic, "x"));
    let mut got = [message(&mut raw).subscriptions(), message(&mut raw).subscriptions()];
    got.sort_unstable();
    assert_eq!(got, [[1], [2]]);
    raw.ping();
}

fn no_identifier_from_clients() {
    let with = publish("t", "x").properties(subscription_identifier(1));
    faulty(with.clone(), &[0x81, 0x82]);
    faulty(with.qos(1, 1), &[0x81, 0x82]);
}

fn receive_maximum_is_kept() {
    let topic = topic("a");
    let _ear = subscriber("ear", &topic, 0);
    let mut raw = client("a");
    for n in 1..=20 {
        raw.send(publish(&topic, "x").qos(2, n)).expect(pubrec(n));
    }
    raw.send(pubrel(3)).expect(pubcomp(3));
    raw.send(publish(&topic, "x").qos(2, 21)).expect(pubrec(21));
    raw.send(publish(&topic, "x").qos(2, 21).dup()).expect(pubrec(21)); // none more
    raw.send(publish(&topic, "x")).ping();
    ends(raw.send(publish(&topic, "x").qos(2, 22)), &[0x93]);
}

fn window_is_kept() {
    let topic = topic("a");
    let two = connect(id("a")).properties(receive_maximum(2));
    let mut raw = subscribed(two, &topic, 2);
    let mut from = client("b");
    for n in 1..=6 {
        let qos = if n % 2 == 0 { 2 } else { 1 };
        from.deliver(publish(&topic, n.to_string()).qos(qos, n));
    }
    let (one, two) = (message(&mut raw), message(&mut raw));
    raw.ping();
    raw.send(puback(one.id)); // PUBACK makes room
    let three = message(&mut raw);
    raw.ping();
    raw.send(pubrec(two.id)).expect(pubrel(two.id)).ping(); // PUBREC makes none
    raw.send(pubcomp(two.id)); // PUBCOMP does
    let four = message(&mut raw);
    raw.ping();
    raw.send(ack(0x40, three.id, 0x80)); // and so does a PUBACK
    let five = message(&mut raw);
    raw.ping();
    raw.send(ack(0x50, four.id, 0x80)); // or PUBREC with an error
    let six = message(&mut raw);
    let payloads = [one, two, three, four, five, six].map(|message| message.payload);
    assert_eq!(payloads, ["1", "2", "3", "4", "5", "6"]);
}

fn others_are_not_delayed() {
    let (topic, other) = (topic("a"), topic("b"));
    let one = connect(id("a")).properties(receive_maximum(1));
    let mut raw = subscribed(one, &topic, 1);
    let mut from = client("b");
    for n in 1..=3 {
        from.deliver(publish(&topic, "x").qos(1, n));
    }
    let first = message(&mut raw);
    raw.ping();
    raw.send(subscribe(1, &[(&other, 0)])).expect(suback(1, &[0]));
    raw.send(unsubscribe(2, &[&other])).expect(unsuback(2, &[0]));
    raw.send(publish(&topic, "own").qos(2, 1)).expect(pubrec(1));
    raw.send(pubrel(1)).expect(pubcomp(1));
    raw.send(puback(first.id));
    let next = read_message(&raw.packet());
    assert_eq!((next.payload.as_str(), next.dup), ("x", false));
    raw.ping();
}
