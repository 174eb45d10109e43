//! QoS 1 and 2 across connections: what is sent again, in which order, with which flags.

use mqtt_broker::codec::Packet;
use mqtt_broker::metrics::DropReason;

use super::World;
use super::words::{ack, id, message, refusal, v3, v3_kept, v5_kept, v5_narrow};

const NOTHING: [&str; 0] = [];

/// A kept, silent subscriber "a" and a publisher "b".
fn silent(connect: mqtt_broker::codec::Connect) -> World {
    let mut world = World::new();
    world.silence("a");
    world.connect(connect);
    world.subscribe("a", "t", 2);
    world.connect(v3("b"));
    world
}

#[test]
fn everything_unsettled_comes_again_in_the_original_order() {
    let mut world = silent(v3_kept("a"));
    for (payload, level) in [("1", 1), ("2", 2), ("3", 1), ("4", 2), ("5", 2)] {
        world.publish("b", "t", payload, level);
    }
    world.heard("a");
    world.send("a", &Packet::PubRec(ack(2)));
    world.send("a", &Packet::PubAck(ack(3)));
    assert_eq!(world.heard("a"), ["pubrel #2"]);
    world.cut("a");
    world.publish("b", "t", "6", 1);
    assert!(world.connect(v3_kept("a")).session_present);
    let again = ["t=1 q1 #1 dup", "pubrel #2", "t=4 q2 #4 dup", "t=5 q2 #5 dup", "t=6 q1 #6"];
    assert_eq!(world.heard("a"), again);
    world.end();
}

#[test]
fn nothing_comes_again_on_the_same_connection() {
    let mut world = silent(v3_kept("a"));
    world.publish("b", "t", "1", 1);
    assert_eq!(world.heard("a"), ["t=1 q1 #1"]);
    world.pass(100_000);
    world.publish("b", "t", "2", 0);
    assert_eq!(world.heard("a"), ["t=2"]);
    world.end();
}

#[test]
fn resending_obeys_the_quota_of_the_new_connection() {
    let mut world = silent(v5_narrow("a", 60, 10));
    for payload in ["1", "2", "3", "4", "5"] {
        world.publish("b", "t", payload, 1);
    }
    world.cut("a");
    world.heard("a");
    world.connect(v5_narrow("a", 60, 2));
    assert_eq!(world.heard("a"), ["t=1 q1 #1 dup", "t=2 q1 #2 dup"]);
    world.publish("b", "t", "6", 1);
    world.publish("b", "t", "zero", 0);
    assert_eq!(world.heard("a"), ["t=zero"]);
    world.send("a", &Packet::PubAck(ack(2)));
    assert_eq!(world.heard("a"), ["t=3 q1 #3 dup"]);
    world.answer("a");
    world.send("a", &Packet::PubAck(ack(1)));
    world.send("a", &Packet::PubAck(ack(3)));
    assert_eq!(world.heard("a"), ["t=4 q1 #4 dup", "t=5 q1 #5 dup", "t=6 q1 #6"]);
    world.end();
}

/// The client has room for one message, and PUBCOMP of one from an earlier connection is no
/// reason to send it two.
#[test]
fn a_release_that_is_sent_again_gives_no_quota_it_did_not_take() {
    let mut world = silent(v5_narrow("a", 60, 1));
    world.publish("b", "t", "1", 2);
    world.send("a", &Packet::PubRec(ack(1)));
    world.cut("a");
    world.publish("b", "t", "2", 2);
    world.publish("b", "t", "3", 2);
    world.heard("a");
    world.connect(v5_narrow("a", 60, 1));
    world.send("a", &Packet::PubComp(ack(1)));
    assert_eq!(world.heard("a"), ["pubrel #1", "t=2 q2 #2"]);
    world.end();
}

/// An acknowledgement may be of what an earlier connection brought.
#[test]
fn an_early_acknowledgement_gives_no_quota_it_did_not_take() {
    let mut world = silent(v5_narrow("a", 60, 3));
    for payload in ["1", "2", "3", "4"] {
        world.publish("b", "t", payload, 1);
    }
    world.cut("a");
    world.heard("a");
    world.connect(v5_narrow("a", 60, 1));
    assert_eq!(world.heard("a"), ["t=1 q1 #1 dup"]);
    world.send("a", &Packet::PubAck(ack(3)));
    assert_eq!(world.heard("a"), NOTHING, "one is on its way");
    world.send("a", &Packet::PubAck(ack(1)));
    assert_eq!(world.heard("a"), ["t=2 q1 #2 dup"]);
    world.send("a", &Packet::PubAck(ack(2)));
    assert_eq!(world.heard("a"), ["t=4 q1 #4"]);
    world.end();
}

#[test]
fn what_is_too_large_for_the_new_connection_counts_as_settled() {
    let mut world = silent(v5_kept("a", 60));
    world.publish("b", "t", &"x".repeat(200), 1);
    world.publish("b", "t", "small", 1);
    world.cut("a");
    world.publish("b", "t", &"y".repeat(200), 1);
    world.publish("b", "t", "tiny", 0);
    world.heard("a");
    let mut narrow = v5_kept("a", 60);
    narrow.properties.maximum_packet_size = Some(100);
    world.answer("a");
    world.connect(narrow);
    assert_eq!(world.heard("a"), ["t=small q1 #2 dup"]);
    assert_eq!(world.dropped(DropReason::TooLarge), 2);
    world.publish("b", "t", &"z".repeat(200), 1);
    assert_eq!(world.dropped(DropReason::TooLarge), 3);
    assert_eq!(world.heard("a"), NOTHING);
    world.end();
}

#[test]
fn a_refused_message_ends_there() {
    let mut world = silent(v5_kept("a", 60));
    world.publish("b", "t", "1", 2);
    world.publish("b", "t", "2", 1);
    world.send("a", &Packet::PubRec(refusal(1)));
    world.send("a", &Packet::PubAck(refusal(2)));
    assert_eq!(world.dropped(DropReason::Refused), 2);
    world.cut("a");
    world.heard("a");
    world.connect(v5_kept("a", 60));
    assert_eq!(world.heard("a"), NOTHING);
    world.end();
}

#[test]
fn a_publish_taken_already_is_answered_and_not_routed_again() {
    let mut world = World::new();
    world.connect(v3("watch"));
    world.subscribe("watch", "t", 0);
    world.connect(v3_kept("b"));
    let mut publish = message("t", "1");
    (publish.qos, publish.packet_id) = (super::qos(2), Some(id(7)));
    world.send("b", &Packet::Publish(publish.clone()));
    publish.dup = true;
    world.send("b", &Packet::Publish(publish.clone()));
    world.cut("b");
    assert!(world.connect(v3_kept("b")).session_present);
    world.send("b", &Packet::Publish(publish.clone()));
    assert_eq!(world.heard("b"), ["pubrec #7", "pubrec #7", "pubrec #7"]);
    assert_eq!(world.heard("watch"), ["t=1"]);
    for _ in 0..2 {
        world.send("b", &Packet::PubRel(ack(7)));
    }
    assert_eq!(world.heard("b"), ["pubcomp #7", "pubcomp #7"]);
    publish.dup = false;
    world.send("b", &Packet::Publish(publish));
    assert_eq!(world.heard("watch"), ["t=1"], "the identifier is free for another message");
    world.end();
}

/// The repetition on a new connection may be where the client names the topic of its alias.
#[test]
fn an_alias_set_by_a_publish_taken_already_holds() {
    let mut world = World::new();
    world.connect(v3("watch"));
    world.subscribe("watch", "#", 0);
    world.connect(v5_kept("b", 60));
    let mut publish = message("t", "1").exactly_once(id(7));
    world.send("b", &Packet::Publish(publish.clone()));
    world.cut("b");
    world.connect(v5_kept("b", 60));
    publish.dup = true;
    publish.properties.topic_alias = Some(3);
    world.send("b", &Packet::Publish(publish));
    let mut next = message("", "2");
    next.properties.topic_alias = Some(3);
    world.send("b", &Packet::Publish(next));
    assert_eq!(world.heard("watch"), ["t=1", "t=2"]);
    world.end();
}

/// What it counts as given back (5.0, 4.9) is given back, although nothing was open any more.
#[test]
fn a_repeated_release_gives_quota_back_too() {
    let mut world = World::with(|options| options.receive_maximum = 2);
    world.connect(v5_kept("b", 60));
    world.send("b", &Packet::PubRel(ack(1)));
    for packet_id in [2, 3] {
        world.send("b", &Packet::Publish(message("t", "x").exactly_once(id(packet_id))));
    }
    world.send("b", &Packet::PubRel(ack(1)));
    world.send("b", &Packet::Publish(message("t", "x").exactly_once(id(4))));
    assert_eq!(world.heard("b").last().unwrap(), "pubrec #4 0x10");
    world.send("b", &Packet::Publish(message("t", "x").exactly_once(id(5))));
    assert_eq!(world.heard("b").last().unwrap(), "disconnect 0x93");
    world.end();
}

#[test]
fn a_clean_session_of_the_publisher_takes_the_same_identifier_for_a_new_message() {
    let mut world = World::new();
    world.connect(v3("watch"));
    world.subscribe("watch", "t", 0);
    for _ in 0..2 {
        world.connect(v3("b"));
        let mut publish = message("t", "1");
        (publish.qos, publish.packet_id) = (super::qos(2), Some(id(7)));
        world.send("b", &Packet::Publish(publish));
        world.cut("b");
    }
    assert_eq!(world.heard("watch"), ["t=1", "t=1"]);
    world.end();
}

#[test]
fn identifiers_in_use_are_not_used_again() {
    let mut world = silent(v3_kept("a"));
    world.publish("b", "t", "stuck", 1);
    world.heard("a");
    for _ in 0..70_000_u32 {
        let publish = message("t", "x");
        world.machine.disk.is_slow = false;
        world.publish_with("b", publish, 1);
        let heard = world.people.get_mut("a").unwrap().heard.pop();
        let Some(Packet::Publish(publish)) = heard else { panic!("a message") };
        let packet_id = publish.packet_id.unwrap().get();
        assert_ne!(packet_id, 1);
        world.send("a", &Packet::PubAck(ack(packet_id)));
        world.people.get_mut("b").unwrap().next_id = 0;
        world.said.clear();
    }
    world.end();
}
