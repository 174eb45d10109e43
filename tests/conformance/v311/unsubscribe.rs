//! 3.1.1, sections 3.10 and 3.11: UNSUBSCRIBE and UNSUBACK.

use super::{client, fatal, say, session, subscribed_session, subscriber};
use crate::conformance::cases;
use crate::harness::v3::{pubcomp, publish, pubrec, pubrel, unsuback, unsubscribe};
use crate::harness::{Raw, packet, topic};

cases! { V311;
    empty_unsubscribe_closes:
        "MQTT-3.10.3-2" "an UNSUBSCRIBE has at least one filter";
    filters_are_compared_character_by_character:
        "MQTT-3.10.4-1" "only the equal filter is unsubscribed";
    nothing_more_is_added:
        "MQTT-3.10.4-2" "what comes after is not delivered";
    what_was_begun_is_completed:
        "MQTT-3.10.4-3" "deliveries of QoS 1 and 2 that were begun are completed";
    unsubscribe_is_acknowledged:
        "MQTT-3.10.4-4" "UNSUBSCRIBE is answered with UNSUBACK of the same identifier",
        "MQTT-3.10.4-5" "and so it is if there was no such subscription";
    many_filters_have_one_unsuback:
        "MQTT-3.10.4-6" "many filters are as many cancellations with one UNSUBACK";
}

fn unsubscribed(raw: &mut Raw, filters: &[&str]) {
    raw.send(unsubscribe(2, filters)).expect(unsuback(2));
}

fn empty_unsubscribe_closes() {
    fatal(packet(0xa2, [0, 1]));
    fatal(packet(0xa2, [0]));
    fatal(packet(0xa2, []));
    fatal(packet(0xa2, [0, 1, 0]));
    fatal(packet(0xa2, [0, 1, 0, 9, b'a']));
}

fn filters_are_compared_character_by_character() {
    let own = ["a/b", "a/+", "a/#", "+/b"].map(topic);
    for kept in &own {
        let mut raw = subscriber("a", &[(kept, 0)]);
        let others: Vec<String> = own.iter().filter(|filter| *filter != kept).cloned().collect();
        let near = ["A/b", "a/b/", "/a/b", "a//b", "a", "a/b/#", "+/+", "#", "a/B"].map(topic);
        for filter in others.iter().chain(&near) {
            unsubscribed(&mut raw, &[filter]);
        }
        say(publish(&own[0], "still"));
        raw.expect(publish(&own[0], "still")).ping();
        unsubscribed(&mut raw, &[kept]);
        say(publish(&own[0], "not any more"));
        raw.ping();
    }
}

fn nothing_more_is_added() {
    let topic = topic("t");
    let mut raw = subscriber("a", &[(&topic, 2)]);
    let mut publisher = client("p");
    publisher.deliver(publish(&topic, "before"));
    raw.expect(publish(&topic, "before"));
    unsubscribed(&mut raw, &[&topic]);
    for qos in 0..=2 {
        publisher.deliver(publish(&topic, "after").at(qos, 1));
    }
    raw.ping();
    // Nor while the client is away.
    subscribed_session("s", &[(&topic, 2)]).disconnect();
    let mut raw = session("s", true);
    unsubscribed(&mut raw, &[&topic]);
    raw.disconnect();
    publisher.deliver(publish(&topic, "away").qos(1, 1));
    session("s", true).ping();
}

fn what_was_begun_is_completed() {
    let topic = topic("t");
    let (one, two, three) = (
        publish(&topic, "one").qos(1, 1),
        publish(&topic, "two").qos(2, 1),
        publish(&topic, "three").qos(2, 1),
    );
    let mut raw = subscribed_session("s", &[(&topic, 2)]);
    [&one, &two, &three].into_iter().cloned().for_each(say);
    raw.expect_publish(one.clone());
    let second = raw.expect_publish(two);
    let third = raw.expect_publish(three.clone());
    raw.send(pubrec(second)).expect(pubrel(second));
    unsubscribed(&mut raw, &[&topic]);
    raw.send(pubcomp(second)).ping();
    raw.drop_link();
    let mut raw = session("s", true);
    raw.accept(one.dup());
    assert_eq!(raw.expect_publish(three.dup()), third);
    raw.send(pubrec(third)).expect(pubrel(third)).send(pubcomp(third)).ping();
    raw.drop_link();
    session("s", true).ping();
}

fn unsubscribe_is_acknowledged() {
    let mut raw = subscriber("a", &[(&topic("t"), 0)]);
    for packet_id in [1, 0x0203, 0xffff, 1] {
        raw.send(unsubscribe(packet_id, &[topic("t")])).expect(unsuback(packet_id)).ping();
    }
}

fn many_filters_have_one_unsuback() {
    let [one, two, three] = ["one", "two", "three"].map(topic);
    let mut raw = subscriber("a", &[(&one, 0), (&two, 0), (&three, 0)]);
    unsubscribed(&mut raw, &[&one, &topic("none"), &three, &three]);
    raw.ping();
    for topic in [&one, &two, &three] {
        say(publish(topic, "x"));
    }
    raw.expect(publish(&two, "x")).ping();
}
