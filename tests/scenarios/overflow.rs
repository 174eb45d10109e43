//! Queues at their bounds: each policy, each bound, and what the counters say.

use mqtt_broker::broker::{Options, Overflow};
use mqtt_broker::metrics::DropReason;

use super::World;
use super::words::{v3, v3_kept, v5};

const NOTHING: [&str; 0] = [];

/// A kept subscriber "a" that is away, and a publisher "b" that has published 1 to `count`.
fn away(count: u16, change: impl FnOnce(&mut Options)) -> World {
    let mut world = World::with(change);
    world.connect(v3_kept("a"));
    world.subscribe("a", "t", 1);
    world.cut("a");
    world.connect(v3("b"));
    for n in 1..=count {
        world.publish("b", "t", &n.to_string(), 1);
    }
    world
}

fn returns(world: &mut World) -> Vec<String> {
    world.connect(v3_kept("a"));
    let heard = world.heard("a");
    heard.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn drop_newest_keeps_the_first() {
    let mut world = away(5, |options| options.max_queued_messages = 3);
    assert_eq!(world.dropped(DropReason::QueueNewest), 2);
    assert_eq!(returns(&mut world), ["t=1", "t=2", "t=3"]);
    world.end();
}

#[test]
fn drop_oldest_keeps_the_last() {
    let mut world = away(5, |options| {
        options.max_queued_messages = 3;
        options.overflow = Overflow::DropOldest;
    });
    assert_eq!(world.dropped(DropReason::QueueOldest), 2);
    assert_eq!(returns(&mut world), ["t=3", "t=4", "t=5"]);
    world.end();
}

#[test]
fn a_queue_of_one() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let mut world = away(5, |options| {
            options.max_queued_messages = 1;
            options.overflow = overflow;
        });
        let left = if overflow == Overflow::DropOldest { "t=5" } else { "t=1" };
        assert_eq!(returns(&mut world), [left]);
        assert_eq!(world.machine.broker.counters().dropped_in_all(), 4);
        world.end();
    }
}

#[test]
fn disconnect_drops_the_newest_of_who_is_away() {
    let mut world = away(5, |options| {
        options.max_queued_messages = 3;
        options.overflow = Overflow::Disconnect;
    });
    assert_eq!(world.dropped(DropReason::QueueNewest), 2);
    assert_eq!(returns(&mut world), ["t=1", "t=2", "t=3"]);
    world.end();
}

#[test]
fn disconnect_ends_the_connection_of_who_is_there() {
    let mut world = World::with(|options| {
        options.max_inflight_messages = 1;
        options.max_queued_messages = 2;
        options.overflow = Overflow::Disconnect;
    });
    world.silence("a");
    world.connect(super::words::with_will(v5("a"), "will", 0));
    world.subscribe("a", "t", 1);
    world.connect(v3("b"));
    world.subscribe("b", "will", 0);
    for payload in ["1", "2", "3", "4"] {
        world.publish("b", "t", payload, 1);
    }
    assert_eq!(world.dropped(DropReason::QueueDisconnect), 1);
    assert_eq!(world.dropped(DropReason::SessionEnded), 2, "what waited in its queue");
    assert_eq!(world.heard("a"), ["t=1 q1 #1", "disconnect 0x97"]);
    assert_eq!(world.heard("b"), ["will=gone"]);
    world.end();
}

#[test]
fn bytes_are_bounded_too() {
    // Each message is one byte of topic and one of payload.
    let mut world = away(5, |options| options.max_queued_bytes = 7);
    assert_eq!(world.dropped(DropReason::QueueNewest), 2);
    assert_eq!(returns(&mut world), ["t=1", "t=2", "t=3"]);
    world.end();

    let mut world = away(5, |options| {
        options.max_queued_bytes = 7;
        options.overflow = Overflow::DropOldest;
    });
    world.publish("b", "t", "wide", 1);
    assert_eq!(world.dropped(DropReason::QueueOldest), 4);
    assert_eq!(returns(&mut world), ["t=5", "t=wide"]);
    world.end();
}

/// What can never fit costs nobody his place.
#[test]
fn drop_oldest_drops_nothing_for_what_does_not_fit_at_all() {
    let mut world = away(3, |options| {
        options.max_queued_bytes = 7;
        options.overflow = Overflow::DropOldest;
    });
    world.publish("b", "t", "too large for it", 1);
    assert_eq!(world.dropped(DropReason::QueueOldest), 0);
    assert_eq!(world.dropped(DropReason::QueueNewest), 1);
    assert_eq!(returns(&mut world), ["t=1", "t=2", "t=3"]);
    world.end();
}

#[test]
fn a_shared_subscription_has_the_same_bounds() {
    for (overflow, left) in
        [(Overflow::DropOldest, ["t=5", "t=wide"]), (Overflow::DropNewest, ["t=1", "t=2"])]
    {
        let mut world = World::with(|options| {
            options.max_queued_bytes = 7;
            options.overflow = overflow;
        });
        world.connect(v3_kept("a"));
        world.subscribe("a", "$share/g/t", 1);
        world.cut("a");
        world.connect(v3("b"));
        for payload in ["1", "2", "3", "4", "5", "wide", "too large for it"] {
            world.publish("b", "t", payload, 1);
        }
        let returned = returns(&mut world);
        assert_eq!(returned[..2], left, "{overflow:?}");
        let dropped = world.machine.broker.counters().dropped_in_all();
        assert_eq!(usize::try_from(dropped).unwrap() + returned.len(), 7);
        world.end();
    }
}

#[test]
fn no_bound_is_no_bound() {
    let mut world = away(3000, |options| options.max_queued_messages = 0);
    assert_eq!(world.machine.broker.counters().dropped_in_all(), 0);
    let options = Options::default();
    assert!(usize::from(options.max_inflight_messages) < 3000);
    assert_eq!(returns(&mut world).len(), 3000);
    world.end();
}

#[test]
fn qos_0_waits_for_who_is_away_only_if_asked_to() {
    for queue_qos0_messages in [false, true] {
        let mut world = World::with(|options| options.queue_qos0_messages = queue_qos0_messages);
        world.connect(v3_kept("a"));
        world.subscribe("a", "t", 2);
        world.subscribe("a", "low", 0);
        world.cut("a");
        world.connect(v3("b"));
        world.publish("b", "t", "0", 0);
        world.publish("b", "low", "1", 1);
        if queue_qos0_messages {
            assert_eq!(returns(&mut world), ["t=0", "low=1"]);
        } else {
            assert_eq!(world.dropped(DropReason::Offline), 2);
            assert_eq!(returns(&mut world), NOTHING);
        }
        world.end();
    }
}

#[test]
fn qos_0_beyond_room_and_queue_is_counted() {
    let mut world = World::with(|options| {
        options.room = 20;
        options.max_queued_messages = 2;
    });
    world.connect(v3("a"));
    world.subscribe("a", "t", 0);
    world.connect(v3("b"));
    world.stall("a");
    for n in 1..=9 {
        world.publish("b", "t", &n.to_string(), 0);
    }
    // Each takes 6 bytes of room: three there, two in the queue.
    assert_eq!(world.dropped(DropReason::QueueNewest), 4);
    world.unstall("a");
    assert_eq!(world.heard("a"), ["t=1", "t=2", "t=3", "t=4", "t=5"]);
    world.end();
}
