//! Who gets a message: overlapping subscriptions, No Local, aliases, what is not allowed.

use mqtt_broker::codec::{Packet, SubscribeOptions};

use super::World;
use super::words::{at, id, message, v3, v5, v5_kept};

const NOTHING: [&str; 0] = [];

#[test]
fn overlapping_subscriptions_are_one_copy_with_all_identifiers() {
    let mut world = World::new();
    world.connect(v5_kept("a", 60));
    world.subscribe_with("a", "t/+", at(0), Some(1));
    world.subscribe_with("a", "t/#", at(2), Some(2));
    world.subscribe_with("a", "+/x", at(1), None);
    world.subscribe_with("a", "t/y", at(2), Some(4));
    world.connect(v3("b"));
    world.publish("b", "t/x", "1", 2);
    world.publish("b", "t/x", "2", 1);
    world.publish("b", "t/x", "3", 0);
    let heard = world.heard("a");
    let heard: Vec<&String> = heard.iter().filter(|line| line.starts_with('t')).collect();
    assert_eq!(heard, ["t/x=1 q2 #1 ids 1,2", "t/x=2 q1 #2 ids 1,2", "t/x=3 ids 1,2"]);
    world.end();
}

#[test]
fn a_second_subscription_with_the_filter_replaces_the_first() {
    let mut world = World::new();
    world.connect(v5("a"));
    world.subscribe_with("a", "t", at(2), Some(1));
    world.connect(v3("b"));
    world.publish("b", "t", "1", 1);
    assert_eq!(world.subscribe_with("a", "t", at(0), Some(2)), 0);
    assert_eq!(world.machine.broker.subscriptions(), 1);
    world.publish("b", "t", "2", 1);
    assert_eq!(world.heard("a"), ["t=1 q1 #1 ids 1", "t=2 ids 2"]);
    world.end();
}

#[test]
fn no_local_concerns_that_subscription_alone() {
    let mut world = World::new();
    world.connect(v5("a"));
    let deaf = SubscribeOptions { no_local: true, ..at(0) };
    world.subscribe_with("a", "t/#", deaf, Some(1));
    world.publish("a", "t/x", "1", 0);
    assert_eq!(world.heard("a"), NOTHING);
    world.subscribe_with("a", "t/+", at(0), Some(2));
    world.publish("a", "t/x", "2", 0);
    assert_eq!(world.heard("a"), ["t/x=2 ids 2"]);
    world.connect(v5("b"));
    world.publish("b", "t/x", "3", 0);
    assert_eq!(world.heard("a"), ["t/x=3 ids 1,2"]);
    world.end();
}

#[test]
fn no_local_on_a_shared_subscription_is_a_protocol_error() {
    let mut world = World::new();
    world.connect(v5("a"));
    let packet_id = id(1);
    let filters = vec![
        ("good".into(), at(0)),
        ("$share/g/t".into(), SubscribeOptions { no_local: true, ..at(0) }),
    ];
    let subscribe = mqtt_broker::codec::Subscribe {
        packet_id,
        subscription_identifier: None,
        user_properties: Vec::new(),
        filters,
    };
    world.send("a", &Packet::Subscribe(subscribe));
    assert_eq!(world.heard("a"), ["connack", "disconnect 0x82"][1..]);
    world.end();
}

#[test]
fn an_acknowledgement_says_whether_anybody_subscribes() {
    let mut world = World::new();
    world.connect(v5("b"));
    world.send("b", &Packet::Publish(message("t", "1").at_least_once(id(1))));
    world.send("b", &Packet::Publish(message("t", "1").exactly_once(id(2))));
    assert_eq!(world.heard("b"), ["puback #1 0x10", "pubrec #2 0x10"]);
    world.connect(v5_kept("a", 60));
    world.subscribe("a", "t", 0);
    world.cut("a");
    world.send("b", &Packet::Publish(message("t", "1").at_least_once(id(3))));
    assert_eq!(world.heard("b"), ["puback #3"]);
    world.end();
}

#[test]
fn the_memory_of_the_last_topic_notices_every_change() {
    let mut world = World::new();
    world.connect(v3("b"));
    world.publish("b", "t", "nobody", 0);
    world.connect(v5_kept("a", 60));
    world.subscribe("a", "t", 0);
    world.publish("b", "t", "1", 0);
    world.subscribe("a", "t", 1);
    world.publish("b", "t", "2", 1);
    world.subscribe("a", "+", 2);
    world.publish("b", "t", "3", 2);
    world.unsubscribe("a", "t");
    world.unsubscribe("a", "+");
    world.publish("b", "t", "nobody", 2);
    world.connect(v3("c"));
    world.subscribe("c", "$share/g/t", 0);
    world.publish("b", "t", "4", 0);
    world.disconnect("c");
    world.connect(v3("d"));
    world.publish("b", "t", "nobody", 0);
    let heard = world.heard("a");
    let heard: Vec<&String> = heard.iter().filter(|line| line.starts_with('t')).collect();
    assert_eq!(heard, ["t=1", "t=2 q1 #1", "t=3 q2 #2"]);
    assert_eq!(world.heard("c"), ["t=4"]);
    assert_eq!(world.heard("d"), NOTHING);
    world.end();
}

#[test]
fn an_alias_stands_for_its_topic_until_the_connection_ends() {
    let mut world = World::with(|options| options.first_listener().topic_alias_maximum = 2);
    world.connect(v3("a"));
    world.subscribe("a", "#", 0);
    world.connect(v5("b"));
    let aliased = |topic: &str, alias| {
        let mut publish = message(topic, "x");
        publish.properties.topic_alias = Some(alias);
        Packet::Publish(publish)
    };
    for (topic, alias) in [("t/1", 1), ("t/2", 2), ("", 1), ("", 2), ("t/3", 1), ("", 1)] {
        world.send("b", &aliased(topic, alias));
    }
    assert_eq!(world.heard("a"), ["t/1=x", "t/2=x", "t/1=x", "t/2=x", "t/3=x", "t/3=x"]);
    world.connect(v5("b"));
    world.heard("b");
    world.send("b", &aliased("", 1));
    assert_eq!(world.heard("b"), ["disconnect 0x82"]);
    world.connect(v5("b"));
    world.send("b", &aliased("t", 3));
    assert_eq!(world.heard("b"), ["disconnect 0x94"]);
    assert_eq!(world.heard("a"), NOTHING);
    world.end();
}

#[test]
fn properties_are_forwarded_and_expiry_counts_down() {
    let mut world = World::new();
    world.connect(v5_kept("a", 60));
    world.subscribe("a", "t", 1);
    world.connect(v5("b"));
    let mut publish = message("t", "x").at_least_once(id(9));
    publish.properties.response_topic = Some("answer".into());
    publish.properties.correlation_data = Some(bytes::Bytes::from_static(b"\0\x01"));
    publish.properties.user_properties = vec![("k".into(), "1".into()), ("k".into(), "2".into())];
    publish.properties.content_type = Some("text/plain".into());
    publish.properties.payload_format_indicator = Some(1);
    publish.properties.message_expiry_interval = Some(100);
    let sent = publish.properties.clone();
    for offline in [false, true] {
        if offline {
            world.cut("a");
        }
        world.send("b", &Packet::Publish(publish.clone()));
        if offline {
            world.pass(10);
            world.connect(v5_kept("a", 60));
        }
        let heard = std::mem::take(&mut world.people.get_mut("a").unwrap().heard);
        let Packet::Publish(received) = &heard[0] else { panic!("a message") };
        let mut expected = sent.clone();
        expected.message_expiry_interval = Some(if offline { 90 } else { 100 });
        assert_eq!(received.properties, expected);
    }
    world.end();
}

#[test]
fn what_only_the_broker_publishes_is_refused() {
    let mut world = World::new();
    world.connect(v3("a"));
    world.subscribe("a", "$SYS/#", 0);
    world.connect(v5("b"));
    world.send("b", &Packet::Publish(message("$SYS/x", "1").at_least_once(id(1))));
    assert_eq!(world.heard("b"), ["puback #1 0x87"]);
    assert_eq!(world.heard("a"), NOTHING);
    world.send("b", &Packet::Publish(message("t/+", "1")));
    assert_eq!(world.heard("b").len(), 1, "a wildcard in a topic ends the connection");
    assert!(!world.is_connected("b"));
    world.end();
}

#[test]
fn limits_of_qos_and_retain_end_the_connection() {
    let mut world = World::with(|options| {
        options.first_listener().maximum_qos = super::qos(1);
        options.retain_available = false;
    });
    world.connect(v5("a"));
    assert_eq!(world.subscribe("a", "t", 2), 1);
    world.connect(v5("b"));
    world.send("b", &Packet::Publish(message("t", "1").exactly_once(id(1))));
    assert_eq!(world.heard("b"), ["disconnect 0x9b"]);
    world.connect(v5("b"));
    world.send("b", &Packet::Publish(message("t", "1").retain(true)));
    assert_eq!(world.heard("b"), ["disconnect 0x9a"]);
    world.end();
}
