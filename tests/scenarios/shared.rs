//! Shared subscriptions: one copy for a group, whoever is there.

use mqtt_broker::codec::Packet;
use mqtt_broker::metrics::DropReason;

use super::World;
use super::words::{ack, refusal, v3, v3_kept, v5, v5_kept, v5_narrow};

const NOTHING: [&str; 0] = [];

/// Members "a", "b", "c" of a group, all silent, and a publisher.
fn group(level: u8) -> World {
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world.silence(name);
        world.connect(v5_kept(name, 60));
        world.subscribe(name, "$share/g/t", level);
    }
    world.connect(v3("p"));
    world
}

fn publish(world: &mut World, payloads: &[&str], level: u8) {
    for payload in payloads {
        world.publish("p", "t", payload, level);
    }
}

#[test]
fn members_take_turns() {
    let mut world = group(0);
    publish(&mut world, &["1", "2", "3", "4"], 0);
    let mut heard = Vec::new();
    for name in ["a", "b", "c"] {
        heard.push(world.heard(name).len());
    }
    heard.sort_unstable();
    assert_eq!(heard, [1, 1, 2]);
    world.end();
}

#[test]
fn every_group_gets_its_copy_beside_the_plain_subscriptions() {
    let mut world = World::new();
    world.connect(v5("a"));
    world.subscribe_with("a", "$share/g/t", super::words::at(0), Some(1));
    world.subscribe_with("a", "$share/h/t", super::words::at(0), Some(2));
    world.subscribe_with("a", "$share/h/+", super::words::at(0), Some(3));
    world.subscribe_with("a", "t", super::words::at(0), Some(4));
    world.connect(v3("p"));
    publish(&mut world, &["1"], 0);
    let mut heard = world.heard("a");
    heard.sort();
    assert_eq!(heard, ["t=1 ids 1", "t=1 ids 2", "t=1 ids 3", "t=1 ids 4"]);
    world.end();
}

#[test]
fn who_is_there_comes_before_who_is_away() {
    let mut world = group(1);
    world.cut("a");
    world.cut("b");
    publish(&mut world, &["1", "2", "3"], 1);
    assert_eq!(world.heard("c"), ["t=1 q1 #1", "t=2 q1 #2", "t=3 q1 #3"]);
    world.end();
}

#[test]
fn what_nobody_could_take_goes_to_the_first_who_comes() {
    let mut world = group(1);
    for name in ["a", "b", "c"] {
        world.cut(name);
    }
    publish(&mut world, &["1", "2"], 1);
    publish(&mut world, &["zero"], 0);
    assert_eq!(world.dropped(DropReason::Offline), 1);
    world.connect(v5_kept("b", 60));
    assert_eq!(world.heard("b"), ["t=1 q1 #1", "t=2 q1 #2"]);
    world.connect(v5_kept("a", 60));
    assert_eq!(world.heard("a"), NOTHING);
    world.end();
}

#[test]
fn a_full_member_is_passed_over() {
    let mut world = World::new();
    for name in ["a", "b"] {
        world.silence(name);
        world.connect(v5_narrow(name, 60, 1));
        world.subscribe(name, "$share/g/t", 1);
    }
    world.connect(v3("p"));
    publish(&mut world, &["1", "2", "3"], 1);
    assert_eq!(world.heard("a"), ["t=1 q1 #1"]);
    assert_eq!(world.heard("b"), ["t=2 q1 #1"]);
    world.send("b", &Packet::PubAck(ack(1)));
    assert_eq!(world.heard("b"), ["t=3 q1 #2"]);
    world.end();
}

#[test]
fn unacknowledged_qos_1_goes_to_another_when_the_session_ends() {
    let mut world = group(1);
    world.cut("b");
    world.cut("c");
    publish(&mut world, &["1", "2"], 1);
    assert_eq!(world.heard("a"), ["t=1 q1 #1", "t=2 q1 #2"]);
    world.send("a", &Packet::PubAck(ack(1)));
    world.connect(v5_kept("b", 1000));
    world.cut("a");
    assert_eq!(world.heard("b"), NOTHING, "it is the session that counts");
    world.pass(60);
    assert_eq!(world.heard("b"), ["t=2 q1 #1"]);
    world.end();
}

#[test]
fn unacknowledged_qos_2_dies_with_the_session() {
    let mut world = group(2);
    world.cut("b");
    world.cut("c");
    publish(&mut world, &["1"], 2);
    assert_eq!(world.heard("a"), ["t=1 q2 #1"]);
    world.connect(v5_kept("b", 1000));
    world.cut("a");
    world.pass(60);
    assert_eq!(world.heard("b"), NOTHING);
    world.end();
}

#[test]
fn qos_2_is_completed_where_it_began() {
    let mut world = group(2);
    world.cut("b");
    world.cut("c");
    publish(&mut world, &["1"], 2);
    world.heard("a");
    world.cut("a");
    world.connect(v5_kept("b", 1000));
    world.connect(v5_kept("a", 60));
    assert_eq!(world.heard("a"), ["t=1 q2 #1 dup"]);
    assert_eq!(world.heard("b"), NOTHING);
    world.end();
}

#[test]
fn a_refusal_ends_the_message() {
    let mut world = group(2);
    world.cut("b");
    world.cut("c");
    publish(&mut world, &["1"], 1);
    publish(&mut world, &["2"], 2);
    world.heard("a");
    world.send("a", &Packet::PubAck(refusal(1)));
    world.send("a", &Packet::PubRec(refusal(2)));
    world.connect(v5_kept("b", 60));
    world.connect(v5("a"));
    assert_eq!(world.heard("b"), NOTHING);
    world.end();
}

#[test]
fn what_waits_ends_with_the_last_member() {
    let mut world = group(1);
    for name in ["a", "b", "c"] {
        world.cut(name);
    }
    publish(&mut world, &["1", "2"], 1);
    world.pass(60);
    assert_eq!(world.machine.broker.sessions(), 1);
    assert_eq!(world.dropped(DropReason::SessionEnded), 2);
    assert_eq!(world.machine.broker.snapshot(), []);
    world.end();
}

#[test]
fn who_unsubscribes_gets_no_more_and_keeps_what_it_has() {
    let mut world = group(1);
    world.cut("b");
    world.cut("c");
    publish(&mut world, &["1"], 1);
    world.unsubscribe("a", "$share/g/t");
    publish(&mut world, &["2"], 1);
    world.cut("a");
    assert_eq!(world.heard("a"), ["t=1 q1 #1"]);
    world.connect(v5_kept("a", 60));
    assert_eq!(world.heard("a"), ["t=1 q1 #1 dup"]);
    world.connect(v5_kept("b", 60));
    assert_eq!(world.heard("b"), ["t=2 q1 #1"]);
    world.end();
}

#[test]
fn a_clean_member_leaves_what_it_had_to_the_others() {
    let mut world = World::new();
    world.silence("a");
    world.connect(v3("a"));
    world.subscribe("a", "$share/g/t", 1);
    world.connect(v3("p"));
    publish(&mut world, &["1"], 1);
    assert_eq!(world.heard("a"), ["t=1 q1 #1"]);
    world.connect(v3_kept("b"));
    world.subscribe("b", "$share/g/t", 1);
    world.cut("a");
    assert_eq!(world.heard("b"), ["t=1 q1 #1"]);
    world.end();
}

#[test]
fn what_waits_is_durable_while_a_member_is() {
    let mut world = World::with(|options| options.max_inflight_messages = 1);
    world.silence("a");
    world.connect(v3("a"));
    world.subscribe("a", "$share/g/t", 1);
    world.connect(v3("p"));
    publish(&mut world, &["1", "2", "3"], 1);
    assert_eq!(world.machine.broker.snapshot(), []);
    world.silence("b");
    world.connect(v3_kept("b"));
    world.subscribe("b", "$share/g/t", 1);
    world.machine.check_replay();
    assert_eq!(world.heard("b"), ["t=2 q1 #1"]);
    world.unsubscribe("b", "$share/g/t");
    world.machine.check_replay();
    world.subscribe("b", "$share/g/t", 1);
    world.machine.check_replay();
    world.send("b", &Packet::PubAck(ack(1)));
    assert_eq!(world.heard("b"), ["t=3 q1 #2"]);
    world.machine.check_replay();
    world.end();
}

fn takes_only(name: &str, bytes: u32) -> mqtt_broker::codec::Connect {
    let mut connect = v5_kept(name, 60);
    connect.properties.maximum_packet_size = Some(bytes);
    connect
}

/// A message no member can ever take must not stop what is behind it.
#[test]
fn what_is_too_large_for_everybody_is_dropped() {
    let mut world = World::new();
    world.connect(takes_only("a", 60));
    world.subscribe("a", "$share/g/t", 1);
    world.connect(v3("p"));
    publish(&mut world, &[&"x".repeat(100)], 1);
    assert_eq!(world.dropped(DropReason::TooLarge), 1);
    publish(&mut world, &["small"], 1);
    assert_eq!(world.heard("a"), ["t=small q1 #1"]);
    world.end();
}

/// What is too large for one member is not lost to another that is not here yet.
#[test]
fn what_is_too_large_for_one_waits_for_another() {
    let mut world = World::new();
    let large = "x".repeat(100);
    world.connect(v5_kept("b", 60));
    world.subscribe("b", "$share/g/t", 1);
    world.cut("b");
    world.connect(takes_only("a", 60));
    world.subscribe("a", "$share/g/t", 1);
    world.connect(v3("p"));
    publish(&mut world, &[&large, "small"], 1);
    assert_eq!(world.heard("a"), ["t=small q1 #1"]);
    world.connect(v5_kept("b", 60));
    assert_eq!(world.heard("b"), [format!("t={large} q1 #1")]);
    assert_eq!(world.dropped(DropReason::TooLarge), 0);
    world.end();
}
