//! Mount points: what stands before the names of a listener's clients, who never see it.

use mqtt_broker::broker::Seq;
use mqtt_broker::codec::{Packet, Publish, SubscribeOptions, Version};
use mqtt_broker::metrics::DropReason;

use super::World;
use super::listeners::{connect_at, second};
use super::words::{at, expiring, id, message, plain, qos, v3, v5, v5_kept, with_will};

const NOTHING: [&str; 0] = [];

/// `m` and `n` are below `house/`, `out` is not, all of 5.0.
pub(super) fn house() -> World {
    let mut world = second(|listener| listener.mount_point = "house/".into());
    connect_at(&mut world, 1, v5_kept("m", 600));
    connect_at(&mut world, 1, v5("n"));
    connect_at(&mut world, 0, v5("out"));
    world
}

#[test]
fn clients_of_a_mount_point_see_their_own_names() {
    let mut world = house();
    for (name, filter) in [("m", "t/+"), ("n", "#"), ("out", "#")] {
        world.subscribe(name, filter, 1);
    }
    world.publish("m", "t/1", "a", 1);
    assert_eq!(world.heard("m"), ["t/1=a q1 #1"]);
    assert_eq!(world.heard("n"), ["t/1=a q1 #1"]);
    assert_eq!(world.heard("out"), ["house/t/1=a q1 #1"]);
    world.publish("out", "t/1", "b", 1);
    assert_eq!(world.heard("m"), NOTHING, "that is another topic");
    assert_eq!(world.heard("out"), ["t/1=b q1 #2"]);
    world.publish("out", "house/t/2", "c", 0);
    assert_eq!(world.heard("m"), ["t/2=c"]);
    assert_eq!(world.heard("n"), ["t/2=c"]);
    // `#` matches the level it stands behind too, but there is no name left to show.
    world.publish("out", "house", "d", 0);
    assert_eq!(world.heard("n"), NOTHING);
    assert_eq!(world.dropped(DropReason::OutsideMount), 1);
    world.end();
}

#[test]
fn a_topic_is_the_same_with_and_without_an_alias() {
    let mut world = house();
    world.subscribe("out", "#", 0);
    for (topic, alias) in [("t", Some(1)), ("", Some(1)), ("u", None), ("", Some(1)), ("t", None)] {
        let mut publish = message(topic, "x");
        publish.properties.topic_alias = alias;
        publish.properties.content_type = Some("c".into());
        world.send("m", &Packet::Publish(publish));
    }
    let topics = ["house/t=x", "house/t=x", "house/u=x", "house/t=x", "house/t=x"];
    assert_eq!(world.heard("out"), topics);
    world.end();
}

#[test]
fn unsubscribe_and_subscribe_again_mean_the_mounted_filter() {
    let mut world = house();
    world.subscribe("m", "t", 1);
    world.subscribe("m", "t", 0);
    assert_eq!(world.machine.broker.subscriptions(), 1);
    world.publish("n", "t", "1", 1);
    assert_eq!(world.heard("m"), ["t=1"]);
    world.unsubscribe("m", "house/t");
    world.publish("n", "t", "2", 1);
    assert_eq!(world.heard("m"), ["t=2"], "another filter");
    world.unsubscribe("m", "t");
    world.publish("n", "t", "3", 1);
    assert_eq!(world.heard("m"), NOTHING);
    world.end();
}

#[test]
fn retained_messages_are_found_below_the_mount_point() {
    let mut world = house();
    world.publish_retained("m", "t/1", "in", 1);
    world.publish_retained("out", "t/2", "outside", 1);
    world.publish_retained("out", "house/t/3", "in too", 1);
    for filter in ["t/+", "#", "t/1"] {
        world.subscribe("n", filter, 0);
        let heard = world.heard("n");
        assert_eq!(heard[0], "t/1=in retained", "{filter}");
        assert_eq!(heard.len(), if filter == "t/1" { 1 } else { 2 }, "{filter}: {heard:?}");
    }
    world.publish_retained("n", "t/1", "", 0);
    assert_eq!(world.machine.broker.retained(), 2);
    world.end();
}

#[test]
fn what_waited_and_what_was_not_acknowledged_is_shown_without() {
    let mut world = house();
    world.silence("m");
    world.subscribe("m", "t", 2);
    world.publish("out", "house/t", "1", 1);
    world.publish("out", "house/t", "2", 2);
    assert_eq!(world.heard("m"), ["t=1 q1 #1", "t=2 q2 #2"]);
    world.cut("m");
    world.publish_with("out", expiring("house/t", "3", 100), 1);
    world.answer("m");
    connect_at(&mut world, 1, v5_kept("m", 600));
    let heard = world.heard("m");
    assert_eq!(heard[..2], ["t=1 q1 #1 dup", "t=2 q2 #2 dup"]);
    assert!(heard.contains(&"t=3 q1 #3 expires 100".into()), "{heard:?}");
    world.end();
}

/// Whatever the size of a packet, it is charged for what it takes: the machine asserts it. What
/// fits without the mount point fits.
#[test]
fn a_packet_is_as_large_as_its_client_sees_it() {
    let mut world = second(|listener| listener.mount_point = "m".repeat(200) + "/");
    let mut connect = v5("a");
    // One of two bytes of header, two of topic's length, one topic, no properties, payload.
    connect.properties.maximum_packet_size = Some(2 + 2 + 1 + 1 + 20);
    connect_at(&mut world, 1, connect);
    world.subscribe("a", "t", 0);
    connect_at(&mut world, 1, v3("b"));
    world.publish("b", "t", &"x".repeat(20), 0);
    world.publish("b", "t", &"x".repeat(21), 0);
    assert_eq!(world.heard("a"), [format!("t={}", "x".repeat(20))]);
    assert_eq!(world.dropped(DropReason::TooLarge), 1);
    world.end();
}

#[test]
fn shared_subscriptions_are_shared_below_the_mount_point() {
    let mut world = house();
    connect_at(&mut world, 1, v5("o"));
    for name in ["m", "n"] {
        assert_eq!(world.subscribe(name, "$share/g/t/#", 1), 1);
    }
    world.subscribe("o", "$share/g/house/t/#", 1);
    for payload in ["1", "2", "3", "4"] {
        world.publish("o", "t/x", payload, 1);
    }
    assert_eq!(world.heard("m"), ["t/x=1 q1 #1", "t/x=3 q1 #2"]);
    assert_eq!(world.heard("n"), ["t/x=2 q1 #1", "t/x=4 q1 #2"]);
    assert_eq!(world.heard("o"), NOTHING, "its filter is below house/house/");
    // Somebody outside who names the whole filter is in the same group, and sees whole names.
    world.subscribe("out", "$share/g/house/t/#", 1);
    world.unsubscribe("m", "$share/g/t/#");
    world.publish("o", "t/x", "5", 1);
    world.publish("o", "t/x", "6", 1);
    assert_eq!(world.heard("m"), NOTHING);
    let mut heard = [world.heard("n"), world.heard("out")].concat();
    heard.sort_unstable();
    assert_eq!(heard.len(), 2);
    assert!(heard[0].starts_with("house/t/x=") && heard[1].starts_with("t/x="), "{heard:?}");
    world.end();
}

#[test]
fn what_waits_for_a_group_is_shown_without() {
    let mut world = house();
    world.subscribe("m", "$share/g/t", 1);
    world.cut("m");
    world.publish("n", "t", "1", 1);
    connect_at(&mut world, 1, v5_kept("m", 600));
    assert_eq!(world.heard("m"), ["t=1 q1 #1"]);
    world.end();
}

#[test]
fn a_will_is_mounted_where_it_was_left() {
    let mut world = house();
    world.subscribe("out", "#", 0);
    connect_at(&mut world, 1, with_will(v5("w"), "dead", 0));
    world.cut("w");
    assert_eq!(world.heard("out"), ["house/dead=gone"]);
    world.end();
}

/// [MQTT-4.7.2-1], with the eyes of the client: no wildcard at the front matches a `$`.
#[test]
fn wildcards_at_the_front_do_not_match_what_begins_with_a_dollar() {
    let mut world = house();
    world.publish_retained("n", "$x/kept", "0", 0);
    for filter in ["#", "+/1", "$share/g/#"] {
        world.subscribe("m", filter, 0);
    }
    assert_eq!(world.heard("m"), NOTHING);
    world.publish("n", "$x/1", "1", 1);
    assert_eq!(world.heard("m"), NOTHING);
    // Who names it gets it, at the QoS and with the identifiers of that filter alone.
    world.subscribe_with("m", "#", at(1), Some(1));
    world.subscribe_with("m", "$x/1", plain(), Some(2));
    world.publish("n", "$x/1", "2", 1);
    assert_eq!(world.heard("m"), ["$x/1=2 ids 2"]);
    // Seen from outside it is a level like any other.
    world.subscribe("out", "house/#", 0);
    world.subscribe("out", "$share/g/house/#", 0);
    assert_eq!(world.heard("out"), ["house/$x/kept=0 retained"]);
    world.publish("n", "$x/1", "3", 0);
    assert_eq!(world.heard("out"), ["house/$x/1=3", "house/$x/1=3"], "of the group, it alone");
    world.heard("m");
    // What is remembered is so after a restart.
    world.machine.disk.finish(world.machine.now);
    world.machine.check_replay();
    let count = world.machine.disk.records().len();
    let mut replayed = world.machine.replayed(count);
    assert_eq!(replayed.subscriptions(), world.machine.broker.subscriptions() - 2);
    std::mem::swap(&mut replayed, &mut world.machine.broker);
    assert_eq!(world.machine.broker.snapshot(), replayed.snapshot());
    std::mem::swap(&mut replayed, &mut world.machine.broker);
    drop(replayed);
    world.end();
}

#[test]
fn subscribing_anew_from_elsewhere_changes_what_is_seen() {
    let mut world = house();
    world.subscribe("m", "#", 0);
    // The same session, filter and place in the tree, from a listener without mount point.
    connect_at(&mut world, 0, v5_kept("m", 600));
    world.publish("n", "$x", "1", 0);
    assert_eq!(world.heard("m"), NOTHING, "subscribed as it was");
    world.subscribe("m", "house/#", 0);
    world.publish("n", "$x", "2", 0);
    assert_eq!(world.heard("m"), ["house/$x=2"]);
    world.end();
}

#[test]
fn nobody_writes_to_what_is_the_brokers() {
    let mut world = second(|listener| listener.mount_point = "house/".into());
    connect_at(&mut world, 1, v5("m"));
    connect_at(&mut world, 0, v5("out"));
    for filter in ["#", "$SYS/#", "house/$SYS/#"] {
        world.subscribe("out", filter, 0);
    }
    for (name, topic) in [("m", "$SYS/x"), ("out", "$SYS/x"), ("m", "$share/g/x")] {
        let mut publish = message(topic, "forged");
        (publish.qos, publish.packet_id) = (qos(1), Some(id(1)));
        world.send(name, &Packet::Publish(publish));
        assert_eq!(world.heard(name), ["puback #1 0x87"], "{name} {topic}");
    }
    assert_eq!(world.heard("out"), NOTHING);
    world.listener = 1;
    world.call(with_will(v5("w"), "$SYS/x", 0));
    assert_eq!(world.heard("w"), ["connack refused 0x87"]);
    // A mount point that would put a client where it must not be.
    world.end();
    let mut world = second(|listener| listener.mount_point = "$SYS/".into());
    connect_at(&mut world, 1, v5("m"));
    let mut publish = message("broker/version", "forged");
    (publish.qos, publish.packet_id) = (qos(1), Some(id(1)));
    world.send("m", &Packet::Publish(publish));
    assert_eq!(world.heard("m"), ["puback #1 0x87"]);
    world.end();
}

#[test]
fn what_is_too_long_or_no_filter_behind_the_mount_point() {
    let mut world = second(|listener| listener.mount_point = "x".repeat(65_530) + "/");
    connect_at(&mut world, 1, v5("a"));
    connect_at(&mut world, 1, v3("b"));
    assert_eq!(world.subscribe("a", "1234", 1), 1, "65,535 bytes");
    assert_eq!(world.subscribe("a", "12345", 1), 0x8f);
    assert_eq!(world.subscribe("b", "12345", 1), 0x80);
    assert_eq!(world.subscribe("a", "$share/g/1234", 1), 0x8f, "the group counts too");
    world.publish("b", "1234", "x", 0);
    assert_eq!(world.heard("a"), ["1234=x"]);
    world.publish("a", "12345", "x", 0);
    assert_eq!(world.heard("a"), ["disconnect 0x90"]);
    world.publish("b", "12345", "x", 0);
    assert!(!world.is_connected("b"));
    world.listener = 1;
    world.call(with_will(v5("w"), "12345", 0));
    assert_eq!(world.heard("w"), ["connack refused 0x90"]);
    world.end();

    let mut world = second(|listener| listener.mount_point = "house".into());
    connect_at(&mut world, 1, v5("a"));
    for filter in ["#", "+", "+/t", "$share/g/#"] {
        assert_eq!(world.subscribe("a", filter, 1), 0x8f, "{filter}");
        world.unsubscribe("a", filter);
    }
    assert_eq!(world.subscribe("a", "/#", 0), 0, "below house");
    connect_at(&mut world, 0, v5("out"));
    world.subscribe("out", "#", 0);
    world.publish("a", "x", "1", 0);
    world.publish("out", "house/x", "2", 0);
    assert_eq!(world.heard("out"), ["housex=1", "house/x=2"]);
    assert_eq!(world.heard("a"), ["/x=2"]);
    world.end();

    let mut world = second(|listener| listener.mount_point = "$share/g/".into());
    connect_at(&mut world, 1, v5("a"));
    assert_eq!(world.subscribe("a", "t", 1), 0x8f, "it would become another kind of filter");
    world.end();
}

/// A QoS 0 message that reaches everybody at once is kept by nobody, mounted or not.
#[test]
fn one_message_goes_to_both_sides_of_a_mount_point() {
    let mut world = house();
    let old = v3("old").version(Version::V31);
    connect_at(&mut world, 1, old);
    for (name, filter) in [("m", "t"), ("old", "t"), ("out", "house/t")] {
        let options = SubscribeOptions { retain_as_published: name != "old", ..at(2) };
        world.subscribe_with(name, filter, options, (name != "old").then_some(9));
    }
    for level in 0..3 {
        let publish = Publish::new("t", "x").retain(level == 2);
        world.publish_with("n", publish, level);
    }
    assert_eq!(
        world.heard("m"),
        ["t=x ids 9", "t=x q1 #1 ids 9", "t=x q2 #2 retained ids 9", "pubrel #2"]
    );
    assert_eq!(world.heard("old"), ["t=x", "t=x q1 #1", "t=x q2 #2", "pubrel #2"]);
    assert_eq!(
        world.heard("out"),
        ["house/t=x ids 9", "house/t=x q1 #1 ids 9", "house/t=x q2 #2 retained ids 9", "pubrel #2"]
    );
    assert!(world.machine.disk.newest() > Seq(0), "m is kept");
    world.end();
}
