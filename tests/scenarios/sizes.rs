//! Sizes and lives of messages: payloads that are not taken, bytes in flight, retained messages
//! that end by themselves.

use mqtt_broker::codec::Packet;
use mqtt_broker::metrics::DropReason;

use super::World;
use super::words::{ack, expiring, id, message, qos, v3, v3_kept, v5, v5_kept, with_will};

const NOTHING: [&str; 0] = [];

fn limited() -> World {
    let mut world = World::with(|options| options.message_size_limit = 3);
    world.connect(v5("a"));
    world.subscribe("a", "#", 2);
    world
}

#[test]
fn a_5_0_publisher_is_told_that_a_payload_is_not_taken() {
    let mut world = limited();
    world.connect(v5("b"));
    for (level, answer) in [(1, "puback #7 0x97"), (2, "pubrec #7 0x97")] {
        for _ in 0..2 {
            let mut publish = message("t", "long");
            (publish.qos, publish.packet_id) = (qos(level), Some(id(7)));
            world.send("b", &Packet::Publish(publish));
            assert_eq!(world.heard("b"), [answer], "the identifier is free again");
        }
    }
    world.publish("b", "t", "long", 0);
    assert!(world.is_connected("b"));
    assert_eq!(world.heard("b"), NOTHING, "nothing is answered at QoS 0");
    assert_eq!(world.heard("a"), NOTHING);
    assert_eq!(world.dropped(DropReason::PayloadTooLarge), 5);
    for level in 0..3 {
        world.publish("b", "t", "fit", level);
    }
    assert_eq!(world.heard("a"), ["t=fit", "t=fit q1 #1", "t=fit q2 #2", "pubrel #2"]);
    world.end();
}

/// It must not take for delivered what was not.
#[test]
fn a_3_x_publisher_is_disconnected_rather_than_told_that_it_arrived() {
    let mut world = limited();
    for level in [1, 2] {
        world.connect(v3("b"));
        let mut publish = message("t", "long");
        (publish.qos, publish.packet_id) = (qos(level), Some(id(7)));
        world.send("b", &Packet::Publish(publish));
        assert_eq!(world.heard("b"), NOTHING);
        assert!(!world.is_connected("b"));
        assert_eq!(world.heard("a"), NOTHING);
    }
    world.connect(v3("b"));
    world.publish("b", "t", "long", 0);
    assert!(world.is_connected("b"), "at QoS 0 nobody waits for an answer");
    assert_eq!(world.dropped(DropReason::PayloadTooLarge), 3);
    world.end();
}

#[test]
fn a_payload_that_is_too_large_is_not_retained_and_an_alias_with_it_holds() {
    let mut world = limited();
    world.connect(v5("b"));
    let mut publish = message("t", "long").retain(true);
    publish.properties.topic_alias = Some(1);
    world.send("b", &Packet::Publish(publish));
    assert_eq!(world.machine.broker.retained(), 0);
    let mut publish = message("", "fit");
    publish.properties.topic_alias = Some(1);
    world.send("b", &Packet::Publish(publish));
    assert_eq!(world.heard("a"), ["t=fit"]);
    world.end();
}

#[test]
fn a_will_that_is_too_large_is_refused() {
    let mut world = limited();
    for (connect, refusal) in [(v5("b"), 0x97), (v3("b"), 0x88)] {
        // It says "gone".
        world.call(with_will(connect, "w", 0));
        assert_eq!(world.heard("b"), [format!("connack refused 0x{refusal:02x}")]);
    }
    world.end();
}

/// Each message is one byte of topic and one of payload.
#[test]
fn bytes_in_flight_are_bounded() {
    for connect in [v3("a"), v3_kept("a"), v5("a"), v5_kept("a", 60)] {
        let mut world = World::with(|options| options.max_inflight_bytes = 5);
        world.silence("a");
        world.connect(connect);
        world.subscribe("a", "t", 2);
        world.connect(v3("b"));
        for payload in ["1", "2", "3", "4"] {
            world.publish("b", "t", payload, if payload == "1" { 2 } else { 1 });
        }
        world.publish("b", "t", "0", 0);
        assert_eq!(world.heard("a"), ["t=1 q2 #1", "t=2 q1 #2", "t=0"], "QoS 0 is not in flight");
        world.send("a", &Packet::PubRec(ack(1)));
        assert_eq!(world.heard("a"), ["pubrel #1"], "until all is done");
        world.send("a", &Packet::PubComp(ack(1)));
        assert_eq!(world.heard("a"), ["t=3 q1 #3"]);
        world.send("a", &Packet::PubAck(ack(2)));
        assert_eq!(world.heard("a"), ["t=4 q1 #4"]);
        world.answer("a");
        world.send("a", &Packet::PubAck(ack(3)));
        world.send("a", &Packet::PubAck(ack(4)));
        world.end();
    }
}

#[test]
fn one_larger_message_goes_out_alone() {
    let mut world = World::with(|options| options.max_inflight_bytes = 5);
    world.silence("a");
    world.connect(v3_kept("a"));
    world.subscribe("a", "t", 1);
    world.connect(v3("b"));
    for payload in ["1", "much larger", "2", "3"] {
        world.publish("b", "t", payload, 1);
    }
    assert_eq!(world.heard("a"), ["t=1 q1 #1"]);
    world.send("a", &Packet::PubAck(ack(1)));
    assert_eq!(world.heard("a"), ["t=much larger q1 #2"]);
    // What was on its way is sent again, and counts.
    world.cut("a");
    world.connect(v3_kept("a"));
    assert_eq!(world.heard("a"), ["t=much larger q1 #2 dup"]);
    world.send("a", &Packet::PubAck(ack(2)));
    assert_eq!(world.heard("a"), ["t=2 q1 #3", "t=3 q1 #4"]);
    for packet_id in [3, 4] {
        world.send("a", &Packet::PubAck(ack(packet_id)));
    }
    world.end();
}

#[test]
fn bytes_in_flight_are_those_of_the_store_after_a_restart() {
    let mut world = World::with(|options| options.max_inflight_bytes = 5);
    world.silence("a");
    world.connect(v3_kept("a"));
    world.subscribe("a", "t", 2);
    world.connect(v3("b"));
    for payload in ["1", "2", "3"] {
        world.publish("b", "t", payload, 2);
    }
    world.send("a", &Packet::PubRec(ack(1)));
    // What is written down of the whole makes the same again: a snapshot of a snapshot is it.
    let snapshot = world.machine.broker.snapshot();
    let mut again = mqtt_broker::broker::Broker::new(
        Default::default(),
        Box::new(mqtt_broker::session::AllowAll),
        1,
    );
    for record in snapshot.clone() {
        again.replay(record).unwrap();
    }
    assert_eq!(again.snapshot(), snapshot);
    drop((again, snapshot));
    world.answer("a");
    world.end();
}

#[test]
fn retained_messages_end_by_themselves() {
    let mut world = World::with(|options| options.retain_expiry_interval = 2);
    world.connect(v5("a"));
    world.subscribe("a", "#", 1);
    world.connect(v3("b"));
    world.publish_retained("b", "t", "1", 1);
    assert_eq!(world.heard("a"), ["t=1 q1 #1"], "who was there before hears of no expiry");
    world.pass(20);
    world.connect(v5("c"));
    world.subscribe("c", "#", 1);
    assert_eq!(world.heard("c"), ["t=1 q1 #1 retained expires 100"]);
    world.connect(v3("d"));
    world.subscribe("d", "#", 1);
    assert_eq!(world.heard("d"), ["t=1 q1 #1 retained"]);
    world.pass(99);
    assert_eq!(world.machine.broker.retained(), 1);
    world.pass(1);
    assert_eq!(world.machine.broker.retained(), 0);
    world.end();
}

#[test]
fn an_expiry_of_its_own_comes_first() {
    let mut world = World::with(|options| options.retain_expiry_interval = 1);
    world.connect(v5("a"));
    for (topic, secs) in [("short", 10), ("long", 1000)] {
        world.publish_with("a", expiring(topic, "x", secs).retain(true), 1);
    }
    world.pass(10);
    world.subscribe("a", "#", 0);
    assert_eq!(world.heard("a"), ["long=x retained expires 990"]);
    world.pass(100);
    assert_eq!(world.machine.broker.retained(), 1);
    world.end();
}

/// What waits for a client that is away is not the retained message, and waits longer.
#[test]
fn a_message_that_waits_does_not_end_with_the_retained_one() {
    let mut world = World::with(|options| options.retain_expiry_interval = 1);
    world.connect(v5_kept("a", 3600));
    world.subscribe("a", "t", 1);
    world.cut("a");
    world.connect(v3("b"));
    world.publish_retained("b", "t", "1", 1);
    world.pass(600);
    assert_eq!(world.machine.broker.retained(), 0);
    world.connect(v5_kept("a", 3600));
    assert_eq!(world.heard("a"), ["t=1 q1 #1"]);
    world.machine.check_replay();
    world.end();
}
