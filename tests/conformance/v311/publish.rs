//! 3.1.1, section 3.3: PUBLISH.

use super::{client, fatal, say, session, subscribed, subscribed_session, subscriber};
use crate::conformance::cases;
use crate::harness::v3::{puback, pubcomp, publish, pubrec, pubrel, suback, subscribe};
use crate::harness::{packet, topic};

cases! { V311;
    dup_marks_a_second_delivery:
        "MQTT-3.3.1-1" "DUP is 1 when a PUBLISH is delivered again";
    dup_is_0_at_qos_0:
        "MQTT-3.3.1-2" "DUP is 0 at QoS 0";
    dup_is_not_passed_on:
        "MQTT-3.3.1-3" "DUP of an incoming PUBLISH is not passed on";
    qos_3_closes:
        "MQTT-3.3.1-4" "a PUBLISH with both QoS bits closes the connection";
    topic_must_be_there:
        "MQTT-3.3.2-1" "the topic name is the first field, and UTF-8";
    wildcards_in_a_topic_close:
        "MQTT-3.3.2-2" "a topic name has no wildcards",
        "MQTT-4.7.1-1" "wildcards are for filters only";
    answers_by_qos:
        "MQTT-3.3.4-1" "QoS 0, 1, 2 are answered with nothing, PUBACK, PUBREC";
    overlap_delivers_at_the_highest_qos:
        "MQTT-3.3.5-1" "overlapping subscriptions deliver at the highest QoS among them";
    denied_publish_is_acknowledged:
        "MQTT-3.3.5-2" "a PUBLISH that is not authorized is acknowledged all the same";
}

fn dup_marks_a_second_delivery() {
    let topic = topic("t");
    for qos in 1..=2 {
        let name = qos.to_string();
        let message = publish(&topic, &name).qos(qos, 0);
        let mut raw = subscribed_session(&name, &[(&topic, 2)]);
        say(message.clone().numbered(1));
        let id = raw.expect_publish(message.clone());
        raw.drop_link();
        let mut raw = session(&name, true);
        assert_eq!(raw.expect_publish(message.clone().dup()), id);
        raw.drop_link();
        session(&name, true).accept(message.dup()).ping();
    }
}

fn dup_is_0_at_qos_0() {
    let topic = topic("t");
    fatal(publish(&topic, "x").dup());
    let mut raw = subscriber("a", &[(&topic, 0)]);
    for qos in 1..=2 {
        say(publish(&topic, "x").dup().qos(qos, 1));
        raw.expect(publish(&topic, "x")).ping();
    }
}

fn dup_is_not_passed_on() {
    let topic = topic("t");
    let mut raw = subscriber("a", &[(&topic, 2)]);
    for qos in 1..=2 {
        say(publish(&topic, "x").dup().qos(qos, 1));
        raw.accept(publish(&topic, "x").qos(qos, 0)).ping();
    }
}

fn qos_3_closes() {
    let topic = topic("t");
    fatal(publish(&topic, "x").qos(3, 1));
    fatal(publish(&topic, "x").qos(3, 1).dup().retain());
}

fn topic_must_be_there() {
    for body in [&[][..], &[0], &[0, 1], &[0, 9, b't', b'o', b'o'], &[0xff, 0xff, b'a']] {
        fatal(packet(0x30, body));
    }
    // A topic, but no room for the identifier.
    fatal(packet(0x32, [0, 1, b't']));
    fatal(packet(0x32, [0, 1, b't', 0]));
    fatal(publish(b"\xff", "x"));
}

fn wildcards_in_a_topic_close() {
    for wild in ["#", "+", "a/+", "a/#", "+/a", "a/+/b", "a+", "a#b"] {
        fatal(publish(topic(wild), "x"));
        fatal(publish(wild, "x").qos(1, 1));
    }
}

fn answers_by_qos() {
    let topic = topic("t");
    let mut raw = client("a");
    for payload in ["", "x"] {
        raw.send(publish(&topic, payload)).ping();
        raw.send(publish(&topic, payload).qos(1, 1)).expect(puback(1)).ping();
        raw.send(publish(&topic, payload).qos(2, 2)).expect(pubrec(2)).ping();
        raw.send(pubrel(2)).expect(pubcomp(2)).ping();
    }
}

fn overlap_delivers_at_the_highest_qos() {
    let (exact, plus, hash) = (topic("a/b"), topic("a/+"), topic("a/#"));
    for (name, qos) in
        [("012", [0, 1, 2]), ("120", [1, 2, 0]), ("201", [2, 0, 1]), ("010", [0, 1, 0])]
    {
        let mut raw = subscriber(name, &[(&exact, qos[0]), (&plus, qos[1]), (&hash, qos[2])]);
        let highest = qos.into_iter().max().unwrap();
        for sent in 0..=2 {
            say(publish(&exact, name).at(sent, 1));
            raw.accept(publish(&exact, name).at(sent.min(highest), 0)).ping();
        }
        raw.disconnect();
    }
}

fn denied_publish_is_acknowledged() {
    let topic = topic("t");
    for denied in [format!("$SYS/{topic}"), "$SYS/broker/version".to_owned()] {
        let mut watcher = client("watch");
        watcher.send(subscribe(1, &[(&denied, 2)])).expect(suback(1, &[2])).until_ping();
        let mut raw = client("a");
        for qos in 0..=2 {
            raw.deliver(publish(&denied, "denied").retain().at(qos, 1));
        }
        let got = watcher.until_ping();
        assert!(got.iter().all(|packet| !packet.body().ends_with(b"denied")), "{got:?}");
    }
    // Nobody can subscribe to this name itself: the filter means `topic`, shared.
    let share = format!("$share/group/{topic}");
    let mut watcher = client("watch");
    subscribed(&mut watcher, &[(&share, 2), (&topic, 2)]);
    let mut raw = client("a");
    for qos in 0..=2 {
        raw.deliver(publish(&share, "denied").at(qos, 1));
    }
    watcher.ping();
}
