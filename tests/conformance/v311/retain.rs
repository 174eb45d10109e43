//! 3.1.1, section 3.3.1.3: RETAIN.

use super::{say, subscribed, subscriber};
use crate::conformance::cases;
use crate::harness::topic;
use crate::harness::v3::publish;

cases! { V311;
    retained_message_is_stored_with_its_qos:
        "MQTT-3.3.1-5" "a retained message and its QoS are stored for future subscribers";
    each_matching_topic_sends_its_last:
        "MQTT-3.3.1-6" "a new subscription gets the last retained message of each matching topic",
        "MQTT-3.3.1-8" "RETAIN is 1 on what a new subscription gets";
    qos_0_replaces_what_was_retained:
        "MQTT-3.3.1-7" "a retained message of QoS 0 discards the former one";
    established_subscriptions_see_retain_0:
        "MQTT-3.3.1-9" "RETAIN is 0 on what an established subscription gets";
    empty_payload_clears:
        "MQTT-3.3.1-10" "an empty retained message is sent on, and removes the stored one",
        "MQTT-3.3.1-11" "an empty message is never stored";
    retain_0_leaves_the_store_alone:
        "MQTT-3.3.1-12" "RETAIN 0 stores, removes and replaces nothing";
}

fn retained_message_is_stored_with_its_qos() {
    for qos in 0..=2 {
        let topic = topic(&qos.to_string());
        say(publish(&topic, "kept").retain().at(qos, 1));
        for granted in 0..=2 {
            let mut raw = subscriber("a", &[(&topic, granted)]);
            raw.accept(publish(&topic, "kept").retain().at(qos.min(granted), 0)).ping();
            raw.disconnect();
        }
    }
}

fn each_matching_topic_sends_its_last() {
    let topics = ["a", "a/b", "a/c", "a/c/d", "b/c"].map(topic);
    for (n, topic) in topics.iter().enumerate() {
        say(publish(topic, "former").retain().qos(2, 1));
        say(publish(topic, format!("last {n}")).retain().qos(1, 1));
    }
    for (filter, wanted) in [
        ("a", &[0][..]),
        ("a/+", &[1, 2]),
        ("a/#", &[0, 1, 2, 3]),
        ("+/c", &[2, 4]),
        ("#", &[0, 1, 2, 3, 4]),
        ("none", &[]),
    ] {
        let mut raw = subscriber("a", &[(&topic(filter), 0)]);
        let last = |n: &usize| publish(&topics[*n], format!("last {n}")).retain();
        raw.expect_in_any_order(wanted.iter().map(last));
        raw.disconnect();
    }
}

fn qos_0_replaces_what_was_retained() {
    let topic = topic("t");
    say(publish(&topic, "former").retain().qos(2, 1));
    say(publish(&topic, "latter").retain());
    subscriber("a", &[(&topic, 2)]).expect(publish(&topic, "latter").retain()).ping();
}

fn established_subscriptions_see_retain_0() {
    let topic = topic("t");
    let mut raw = subscriber("a", &[(&topic, 2)]);
    for qos in 0..=2 {
        say(publish(&topic, "news").retain().at(qos, 1));
        raw.accept(publish(&topic, "news").at(qos, 0)).ping();
    }
    // A subscription made again is a new one; its old self was established.
    subscribed(&mut raw, &[(&topic, 1)]);
    raw.accept(publish(&topic, "news").retain().qos(1, 0)).ping();
}

fn empty_payload_clears() {
    let topic = topic("t");
    let mut raw = subscriber("a", &[(&topic, 2)]);
    for qos in 0..=2 {
        say(publish(&topic, "kept").retain().at(1, 1));
        raw.accept(publish(&topic, "kept").qos(1, 0)).ping();
        say(publish(&topic, "").retain().at(qos, 1));
        raw.accept(publish(&topic, "").at(qos, 0)).ping();
        subscriber("late", &[(&topic, 2)]).ping();
        // Nothing to remove, and still not stored.
        say(publish(&topic, "").retain().at(qos, 1));
        raw.accept(publish(&topic, "").at(qos, 0)).ping();
        subscriber("late", &[(&topic, 2)]).ping();
    }
}

fn retain_0_leaves_the_store_alone() {
    let topic = topic("t");
    for qos in 0..=2 {
        say(publish(&topic, "passing").at(qos, 1));
        subscriber("a", &[(&topic, 2)]).ping();
    }
    say(publish(&topic, "kept").retain().qos(1, 1));
    for qos in 0..=2 {
        say(publish(&topic, "passing").at(qos, 1));
        say(publish(&topic, "").at(qos, 1));
        subscriber("a", &[(&topic, 2)]).accept(publish(&topic, "kept").retain().qos(1, 0)).ping();
    }
}
