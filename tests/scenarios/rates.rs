//! Rates: a client that publishes faster than it may is not read from, and nothing is dropped.

use mqtt_broker::broker::Storage;
use mqtt_broker::codec::Packet;

use super::World;
use super::words::{message, v3, v3_kept, v5};

/// A subscriber "a", and a publisher "b" that has sent 1 to `count`.
fn busy(world: &mut World, count: u32, level: u8) {
    world.connect(v3("a"));
    world.subscribe("a", "t", 0);
    world.connect(v5("b"));
    for n in 1..=count {
        world.say("b", message("t", &n.to_string()), level);
    }
}

#[test]
fn a_burst_of_one_second_and_then_the_rate() {
    for level in [0, 1] {
        let mut world = World::with(|options| options.max_message_rate = 10);
        busy(&mut world, 30, level);
        assert_eq!(world.heard("a").len(), 10, "one second's worth at once");
        assert!(world.is_held("b"));
        world.pass_ms(99);
        assert_eq!(world.heard("a").len(), 0);
        for n in 1..=15 {
            world.pass_ms(100);
            assert_eq!(world.heard("a").len(), 1, "{n}");
        }
        world.pass(10);
        let heard = world.heard("a");
        assert_eq!(heard.last().unwrap(), "t=30", "nothing is dropped, and the order is kept");
        assert_eq!(heard.len(), 5);
        assert!(!world.is_held("b"));
        world.pass(30); // What was there to wait for CONNECT comes to nothing.
        assert_eq!(world.machine.broker.deadline(), None, "nothing wakes an idle broker");
        world.end();
    }
}

#[test]
fn bytes_are_counted_as_they_came() {
    let mut world = World::with(|options| options.max_byte_rate = 1000);
    world.connect(v3("a"));
    world.subscribe("a", "t", 0);
    world.connect(v3("b"));
    // Two of header, three of topic: 100 in all.
    let payload = "x".repeat(95);
    for _ in 0..20 {
        world.say("b", message("t", &payload), 0);
    }
    assert_eq!(world.heard("a").len(), 10);
    world.pass_ms(100);
    assert_eq!(world.heard("a").len(), 1);
    world.pass(1);
    assert_eq!(world.heard("a").len(), 9);
    world.end();
}

/// One message that is larger than a second allows comes through, and is paid for.
#[test]
fn a_large_message_is_taken_whole() {
    let mut world = World::with(|options| options.max_byte_rate = 1000);
    world.connect(v3("a"));
    world.subscribe("a", "t", 0);
    world.connect(v3("b"));
    world.say("b", message("t", &"x".repeat(5000)), 0);
    world.say("b", message("t", "next"), 0);
    assert_eq!(world.heard("a").len(), 1);
    world.pass_ms(4000);
    assert_eq!(world.heard("a").len(), 0);
    world.pass_ms(200);
    assert_eq!(world.heard("a"), ["t=next"]);
    world.end();
}

/// What a client publishes in vain counts like the rest.
#[test]
fn a_repetition_counts_too() {
    let mut world = World::with(|options| options.max_message_rate = 2);
    world.connect(v3("b"));
    let mut publish = message("t", "x");
    publish.qos = super::words::qos(2);
    publish.packet_id = Some(super::words::id(1));
    world.send("b", &Packet::Publish(publish.clone()));
    publish.dup = true;
    world.send("b", &Packet::Publish(publish));
    assert!(world.is_held("b"));
    world.pass(1);
    assert_eq!(world.heard("b"), ["pubrec #1", "pubrec #1"]);
    world.send("b", &Packet::PubRel(super::words::ack(1)));
    world.end();
}

/// Only the client itself is held, what it is sent goes to it, and its silence does not count.
#[test]
fn who_is_held_is_still_served() {
    let mut world = World::with(|options| options.max_message_rate = 1);
    let mut connect = v5("b");
    connect.keep_alive = 1;
    world.connect(connect);
    world.subscribe("b", "t", 1);
    world.connect(v5("c"));
    world.say("b", message("other", &"x".repeat(10)), 1);
    assert!(world.is_held("b") && !world.is_held("c"));
    world.publish("c", "t", "1", 1);
    assert_eq!(world.heard("b"), ["puback #2 0x10", "t=1 q1 #1"]);
    assert_eq!(world.unread("b"), 1, "its acknowledgement is not read yet");
    world.pass_ms(1000);
    assert_eq!(world.unread("b"), 0);
    assert!(world.is_connected("b"));
    // From here on it counts again.
    world.pass_ms(1400);
    assert!(world.is_connected("b"));
    world.pass_ms(200);
    assert_eq!(world.heard("b"), ["disconnect 0x8d"]);
    world.end();
}

/// Two reasons to be held: one that ends lets nobody go.
#[test]
fn storage_and_rate_do_not_release_each_other() {
    for storage_first in [true, false] {
        let mut world = World::with(|options| options.max_message_rate = 1);
        world.connect(v3_kept("a"));
        world.subscribe("a", "t", 1);
        world.connect(v5("b"));
        world.silence("a");
        let said = world.machine.storage(Storage::Behind);
        world.settle(said);
        world.say("b", message("t", "1"), 1);
        assert!(world.is_held("b") && !world.is_held("a"), "it makes records, and is at its rate");
        if storage_first {
            let said = world.machine.storage(Storage::Well);
            world.settle(said);
            assert!(world.is_held("b"), "its rate still holds it");
            world.pass(1);
        } else {
            world.pass(1);
            assert!(world.is_held("b"), "storage still holds it");
            let said = world.machine.storage(Storage::Well);
            world.settle(said);
        }
        assert!(!world.is_held("b"));
        world.end();
    }
}

/// Who is held and goes leaves nothing behind.
#[test]
fn who_is_held_may_go() {
    let mut world = World::with(|options| options.max_message_rate = 1);
    busy(&mut world, 3, 1);
    world.cut("b");
    world.pass(30);
    assert_eq!(world.machine.broker.deadline(), None);
    assert_eq!(world.heard("a"), ["t=1"]);
    world.end();
}

#[test]
fn a_rate_can_be_changed_while_a_client_is_held() {
    let mut world = World::with(|options| options.max_message_rate = 1);
    busy(&mut world, 5, 0);
    assert_eq!(world.heard("a"), ["t=1"]);
    world.lift();
    world.pass(1);
    assert_eq!(world.heard("a").len(), 4);
    world.end();
}
