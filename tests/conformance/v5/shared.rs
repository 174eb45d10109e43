//! 5.0, section 4.8.2: shared subscriptions.

use super::wire::{client, join, lasting, message, read_message, resume, subscribed, subscriber};
use crate::conformance::cases;
use crate::harness::v5::{ack, pubcomp, publish, pubrec, pubrel, subscribe};
use crate::harness::{Raw, topic};

cases! { V5;
    share_name: "MQTT-4.8.2-1" "$share/ is followed by a share name";
    filter_behind_name: "MQTT-4.8.2-2" "a share name has no / + #, and a filter follows it";
    granted_qos: "MQTT-4.8.2-3" "each subscriber gets at most the QoS it was granted";
    completed_on_return: "MQTT-4.8.2-4" "a QoS 2 delivery is completed with its subscriber";
    not_to_another: "MQTT-4.8.2-5" "or with none, when that session ends first";
    rejected_is_discarded: "MQTT-4.8.2-6" "a message that its subscriber rejects is discarded";
}

fn shared(topic: &str) -> String {
    format!("$share/g/{topic}")
}

/// The filter must not be granted: a failure in the SUBACK, or the end of the connection.
fn denied(filter: &str) {
    let answer = client("a").send(subscribe(1, &[(filter, 0)])).packet();
    let code = match answer.first() {
        0x90 => answer.body()[3],
        0xe0 => answer.body()[0],
        _ => panic!("unexpected {answer:?}"),
    };
    assert!([0x81, 0x82, 0x8f].contains(&code), "{filter}: {answer:?}");
}

fn share_name() {
    ["$share/", "$share//a", "$share//", "$share//#"].into_iter().for_each(denied);
    let topic = topic("a");
    let mut raw = client("a");
    for name in ["g", "a b", "$share", "\u{e9}"] {
        let mut raw = client("b");
        join(&mut raw, &format!("$share/{name}/{topic}"), 0);
        raw.send(publish(&topic, name)).expect(publish(&topic, name)).ping();
    }
    join(&mut raw, "$SHARE/g", 0); // another filter altogether
}

fn filter_behind_name() {
    let wrong = ["$share/g", "$share/g/", "$share/+/a", "$share/#", "$share/#/a", "$share/g+/a"];
    wrong.into_iter().for_each(denied);
    ["$share/a#b/c", "$share/g/a#", "$share/g/#/a", "$share/g/a+"].into_iter().for_each(denied);
    let topic = topic("/finance");
    let mut raw = client("a");
    join(&mut raw, &shared(&topic), 0);
    raw.send(publish(&topic, "x")).expect(publish(&topic, "x"));
    client("b").send(publish(shared(&topic), "x").qos(1, 1)).packet(); // no message for it
    raw.ping();
}

fn granted_qos() {
    let topic = topic("a");
    let mut all: Vec<(u8, Raw)> = ["a", "b", "c"]
        .into_iter()
        .zip(0..=2)
        .map(|(who, qos)| (qos, subscriber(who, &shared(&topic), qos)))
        .collect();
    let mut from = client("d");
    for n in 1..=18 {
        from.deliver(publish(&topic, n.to_string()).qos(2, n));
    }
    let mut count = 0;
    for (granted, raw) in &mut all {
        for packet in raw.until_ping() {
            assert_eq!(packet.first(), 0x30 | *granted << 1, "granted {granted}: {packet:?}");
            count += 1;
        }
    }
    assert_eq!(count, 18, "each goes to exactly one");
}

/// Two lasting sessions of a group; "x" of `qos` goes to the first that is returned.
fn begun(qos: u8) -> (&'static str, Raw, u16, Raw) {
    let topic = topic("a");
    let mut a = subscribed(lasting("a"), &shared(&topic), qos);
    let mut b = subscribed(lasting("b"), &shared(&topic), qos);
    client("c").deliver(publish(&topic, "x").qos(qos, 1));
    let (to_a, to_b) = (a.until_ping(), b.until_ping());
    assert_eq!(to_a.len() + to_b.len(), 1, "one of the group gets it");
    match to_a.first() {
        Some(packet) => ("a", a, read_message(packet).id, b),
        None => ("b", b, read_message(&to_b[0]).id, a),
    }
}

fn completed_on_return() {
    let (name, chosen, id, mut other) = begun(2);
    chosen.drop_link();
    other.ping();
    let (mut chosen, present) = resume(lasting(name));
    assert!(present);
    chosen.expect(publish(topic("a"), "x").qos(2, id).dup());
    chosen.send(pubrec(id)).expect(pubrel(id));
    chosen.drop_link();
    let mut chosen = resume(lasting(name)).0;
    chosen.expect(pubrel(id)).send(pubcomp(id)).ping();
    other.ping();
}

fn not_to_another() {
    let (name, chosen, _, mut other) = begun(2);
    chosen.drop_link();
    Raw::online(lasting(name)).ping(); // clean start: the old session ends
    other.ping();
}

fn rejected_is_discarded() {
    for qos in [1, 2] {
        let (name, mut chosen, id, mut other) = begun(qos);
        chosen.send(ack(if qos == 1 { 0x40 } else { 0x50 }, id, 0x83)).ping();
        other.ping();
        chosen.drop_link();
        other.ping();
        resume(lasting(name)).0.ping();
        other.ping();
    }
    // The group goes on.
    let mut raw = subscriber("d", &shared(&topic("b")), 1);
    client("e").deliver(publish(topic("b"), "y").qos(1, 1));
    assert_eq!(message(&mut raw).payload, "y");
}
