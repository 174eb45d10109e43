//! What 3.1.1 leaves open and this broker promises: shared subscriptions, windows, names and
//! levels that do not go together.

use super::{client, say, session, subscribed_session, subscriber};
use crate::harness::v3::{puback, pubcomp, publish, pubrec, pubrel};
use crate::harness::{Connect, Raw, id, topic};

/// How many messages these tests leave half-way: the usual window is 20.
const MANY: u16 = 500;
/// How many messages are published at once where very many are.
const BATCH: u16 = 100;

#[test]
fn shared_subscription_takes_turns() {
    let topic = topic("t");
    let share = format!("$share/group/{topic}");
    let mut members = ["a", "b", "c"].map(|name| subscriber(name, &[(&share, 1)]));
    let mut outsider = subscriber("d", &[(&topic, 0)]);
    let mut other_group = subscriber("e", &[(&format!("$share/other/{topic}"), 0)]);
    let mut publisher = client("p");
    for n in 0..30 {
        publisher.deliver(publish(&topic, n.to_string()).qos(1, 1));
        outsider.expect(publish(&topic, n.to_string()));
        other_group.expect(publish(&topic, n.to_string()));
    }
    let got = members.each_mut().map(|member| member.until_ping().len());
    assert_eq!(got.iter().sum::<usize>(), 30, "{got:?}");
    assert!(got.iter().all(|count| *count > 0), "{got:?}");
}

#[test]
fn shared_subscription_sends_nothing_retained() {
    let topic = topic("t");
    say(publish(&topic, "kept").retain().qos(1, 1));
    subscriber("a", &[(&format!("$share/group/{topic}"), 1)]).ping();
}

#[test]
fn client_may_leave_many_qos_2_messages_half_way() {
    let topic = topic("t");
    let mut watcher = subscriber("w", &[(&topic, 0)]);
    let mut raw = client("a");
    for id in 1..=MANY {
        raw.send(publish(&topic, id.to_string()).qos(2, id)).expect(pubrec(id));
    }
    for id in 1..=MANY {
        raw.send(pubrel(id)).expect(pubcomp(id));
    }
    raw.ping();
    for id in 1..=MANY {
        watcher.expect(publish(&topic, id.to_string()));
    }
    watcher.ping();
}

#[test]
fn many_messages_wait_for_a_kept_session() {
    let topic = topic("t");
    subscribed_session("s", &[(&topic, 1)]).disconnect();
    let mut publisher = client("p");
    for n in 1..=MANY {
        publisher.deliver(publish(&topic, n.to_string()).qos(1, 1));
    }
    let mut raw = session("s", true);
    for n in 1..=MANY {
        raw.accept(publish(&topic, n.to_string()).qos(1, 0));
    }
    raw.ping();
}

#[test]
fn identifiers_go_round() {
    // More messages than there are identifiers, a few of which are never given back.
    let topic = topic("t");
    let mut raw = subscriber("a", &[(&topic, 1)]);
    let message = publish(&topic, "x").qos(1, 1);
    say(message.clone());
    let held = raw.expect_publish(message.clone());
    let mut publisher = client("p");
    let batch: Vec<u8> =
        (1..=BATCH).flat_map(|id| Vec::from(message.clone().numbered(id))).collect();
    let answers: Vec<u8> = (1..=BATCH).flat_map(puback).collect();
    for _ in 0..=u16::MAX / BATCH {
        publisher.send(&batch[..]).expect(&answers[..]);
        for _ in 0..BATCH {
            let id = raw.expect_publish(message.clone());
            assert!(id != held && id != 0, "identifier {id} is in use");
            raw.send(puback(id));
        }
    }
    raw.ping();
}

#[test]
fn level_of_3_1_does_not_go_with_the_name_of_3_1_1() {
    for (name, level) in [("MQTT", 3), ("MQIsdp", 4), ("MQIsdp", 5)] {
        let mut raw = Raw::connect();
        raw.send(Connect::new(name, level, id("a"), None));
        assert!(raw.next().is_none_or(|answer| answer.bytes == [0x20, 0x02, 0x00, 0x01]));
        assert!(raw.next().is_none());
    }
}
