//! Full queues with `refuse`: who is told, who waits, and that nobody waits in a ring.

use mqtt_broker::broker::{Options, Overflow};
use mqtt_broker::codec::Packet;
use mqtt_broker::metrics::{DropReason, Refusal};

use super::World;
use super::words::{ack, message, v3, v3_kept, v5, v5_kept, with_will};

const NOTHING: [&str; 0] = [];

fn refuse(options: &mut Options) {
    options.overflow = Overflow::Refuse;
    options.max_queued_messages = 2;
    options.stalled_timeout_ms = 10_000;
}

/// Kept subscriber "a" is away, "all" gets everything at once; publishers "b" (5.0), "c" (3.1.1).
/// The queue of "a" is full.
fn away() -> World {
    let mut world = World::with(refuse);
    world.connect(v3_kept("a"));
    world.subscribe("a", "t", 1);
    world.cut("a");
    world.connect(v5("all"));
    world.subscribe("all", "#", 2);
    world.connect(v5("b"));
    world.connect(v3("c"));
    for n in 1..=2 {
        world.publish("b", "t", &n.to_string(), 1);
    }
    assert_eq!(world.heard("all").len(), 2);
    world
}

fn heard_of(world: &mut World, name: &str) -> Vec<String> {
    let heard = world.heard(name);
    let messages = heard.iter().filter(|line| line.contains('='));
    messages.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn a_5_0_publisher_is_told_and_nobody_gets_it() {
    let mut world = away();
    world.say("b", message("t", "3").retain(true), 1);
    world.say("b", message("t", "4"), 2);
    assert_eq!(world.heard("b"), ["puback #3 0x97", "pubrec #4 0x97"]);
    assert!(!world.is_held("b"));
    assert_eq!(world.heard("all"), NOTHING, "a retry would double it");
    assert_eq!(world.machine.broker.retained(), 0);
    assert_eq!(world.refusals(Refusal::Queue), 2);
    assert_eq!(world.machine.broker.counters().dropped_in_all(), 0);
    // The identifier is free, and once there is room it is taken.
    world.connect(v3_kept("a"));
    assert_eq!(heard_of(&mut world, "a"), ["t=1", "t=2"]);
    world.say("b", message("t", "3"), 1);
    assert_eq!(world.heard("b"), ["puback #5"]);
    assert_eq!(heard_of(&mut world, "a"), ["t=3"]);
    world.end();
}

#[test]
fn an_older_publisher_waits_until_there_is_room() {
    for level in [1, 2] {
        let mut world = away();
        world.say("c", message("t", "3"), level);
        world.say("c", message("t", "4"), level);
        assert!(world.is_held("c"));
        assert_eq!(world.heard("c"), NOTHING, "what is not taken is not acknowledged");
        assert_eq!(world.heard("all"), NOTHING);
        assert_eq!(world.unread("c"), 1);
        world.connect(v3_kept("a"));
        assert!(!world.is_held("c"));
        assert_eq!(heard_of(&mut world, "a"), ["t=1", "t=2", "t=3", "t=4"]);
        assert_eq!(heard_of(&mut world, "all"), ["t=3", "t=4"]);
        let answer = if level == 1 { "puback" } else { "pubrec" };
        assert_eq!(world.heard("c"), [format!("{answer} #1"), format!("{answer} #2")]);
        assert_eq!(world.machine.broker.counters().dropped_in_all(), 0);
        if level == 2 {
            for packet_id in [1, 2] {
                world.send("c", &Packet::PubRel(ack(packet_id)));
            }
        }
        world.end();
    }
}

/// Those who wait go on in the order in which they came, one for each place.
#[test]
fn the_first_to_wait_is_the_first_to_go_on() {
    let mut world = away();
    let names = ["p1", "p2", "p3"];
    for name in names {
        world.connect(v3(name));
        world.say(name, message("t", name), 1);
        assert!(world.is_held(name));
    }
    world.silence("a");
    let mut connect = v5_kept("a", 100);
    connect.properties.receive_maximum = Some(1);
    world.connect(connect);
    assert_eq!(heard_of(&mut world, "a"), ["t=1"]);
    assert!(!world.is_held("p1") && world.is_held("p2") && world.is_held("p3"));
    world.send("a", &Packet::PubAck(ack(1)));
    assert!(!world.is_held("p2") && world.is_held("p3"));
    world.answer("a");
    world.send("a", &Packet::PubAck(ack(2)));
    assert_eq!(heard_of(&mut world, "a"), ["t=2", "t=p1", "t=p2", "t=p3"]);
    assert!(names.iter().all(|name| !world.is_held(name)));
    world.end();
}

#[test]
fn the_time_to_wait_is_bounded() {
    let mut world = away();
    world.say("c", message("t", "3"), 1);
    world.pass_ms(9_999);
    assert!(world.is_held("c"));
    world.pass_ms(1);
    assert!(!world.is_held("c"));
    assert_eq!(world.heard("c"), ["puback #1"]);
    assert_eq!(world.dropped(DropReason::QueueRefused), 1);
    assert_eq!(heard_of(&mut world, "all"), ["t=3"], "the others get it");
    world.end();
}

/// What ends a wait: the subscription, the session, the limit, the publisher.
#[test]
fn every_end_of_a_full_queue_lets_a_publisher_go_on() {
    for end in ["unsubscribed", "session ended", "lifted"] {
        let mut world = World::with(refuse);
        world.silence("a");
        let mut connect = v5_kept("a", 100);
        connect.properties.receive_maximum = Some(1);
        world.connect(connect);
        world.subscribe("a", "t", 1);
        world.connect(v3("c"));
        for n in 1..=4 {
            world.say("c", message("t", &n.to_string()), 1);
        }
        assert!(world.is_held("c"));
        match end {
            "unsubscribed" => world.unsubscribe("a", "t"),
            "lifted" => world.lift(),
            _ => drop(world.connect(v5("a"))),
        }
        assert!(!world.is_held("c"), "{end}");
        assert_eq!(world.heard("c").last().unwrap(), "puback #4", "{end}");
        world.end();
    }
}

#[test]
fn a_publisher_that_goes_takes_its_message_along() {
    let mut world = away();
    world.say("c", message("t", "3"), 1);
    assert_eq!(world.machine.broker.waiting(), 1);
    world.cut("c");
    assert_eq!(world.machine.broker.waiting(), 0);
    world.connect(v3_kept("a"));
    assert_eq!(heard_of(&mut world, "a"), ["t=1", "t=2"]);
    assert_eq!(world.heard("all"), NOTHING);
    world.end();
}

#[test]
fn qos_0_and_wills_are_dropped_for_the_full_queue_alone() {
    let mut world = World::with(|options| {
        refuse(options);
        options.queue_qos0_messages = true;
    });
    world.connect(v3_kept("a"));
    world.subscribe("a", "t", 1);
    world.cut("a");
    world.connect(v5("all"));
    world.subscribe("all", "t", 2);
    let mut connect = with_will(v3("c"), "t", 0);
    connect.will.as_mut().unwrap().qos = super::words::qos(1);
    world.connect(connect);
    for n in 1..=3 {
        world.say("c", message("t", &n.to_string()), 0);
    }
    assert!(!world.is_held("c"));
    world.cut("c");
    assert_eq!(heard_of(&mut world, "all"), ["t=1", "t=2", "t=3", "t=gone"]);
    assert_eq!(world.dropped(DropReason::QueueRefused), 2);
    world.end();
}

/// Who subscribes at QoS 0 stops nobody.
#[test]
fn a_slow_subscriber_at_qos_0_stops_nobody() {
    let mut world = World::with(|options| {
        refuse(options);
        options.room = 1;
    });
    world.connect(v3("a"));
    world.subscribe("a", "t", 0);
    world.stall("a");
    world.connect(v3("c"));
    for n in 1..=5 {
        world.say("c", message("t", &n.to_string()), 1);
    }
    assert!(!world.is_held("c"));
    assert_eq!(world.dropped(DropReason::QueueRefused), 2);
    world.unstall("a");
    assert_eq!(world.heard("a"), ["t=1", "t=2", "t=3"]);
    world.end();
}

/// Its own queue is emptied by acknowledgements that come behind what it publishes.
#[test]
fn nobody_waits_for_his_own_queue() {
    for filter in ["t", "$share/g/t"] {
        let mut world = World::with(|options| {
            refuse(options);
            options.max_inflight_messages = 1;
        });
        world.silence("c");
        world.connect(v3("c"));
        world.subscribe("c", filter, 1);
        for n in 1..=5 {
            world.say("c", message("t", &n.to_string()), 1);
            assert!(!world.is_held("c"), "{filter} {n}");
        }
        // One on its way, two in the queue.
        assert_eq!(world.dropped(DropReason::QueueRefused), 2);
        world.end();
    }
}

/// Two that publish to each other, and do not acknowledge while they are not read from.
#[test]
fn nobody_waits_in_a_ring() {
    let mut world = World::with(|options| {
        refuse(options);
        options.max_inflight_messages = 1;
    });
    for (name, filter) in [("a", "to/a"), ("b", "to/b"), ("c", "to/c")] {
        world.silence(name);
        world.connect(v3(name));
        world.subscribe(name, filter, 1);
    }
    world.connect(v5("p"));
    for to in ["to/a", "to/b", "to/c"] {
        for n in 1..=3 {
            world.publish("p", to, &n.to_string(), 1);
        }
    }
    world.say("a", message("to/b", "x"), 1);
    world.say("b", message("to/c", "x"), 1);
    assert!(world.is_held("a") && world.is_held("b"));
    // The ring would be closed.
    world.say("c", message("to/a", "x"), 1);
    assert!(!world.is_held("c"));
    assert_eq!(world.dropped(DropReason::QueueRefused), 1);
    // So "c" can make room for "b", and "b" for "a".
    world.answer("b");
    world.answer("c");
    world.send("c", &Packet::PubAck(ack(1)));
    assert!(!world.is_held("b"));
    world.send("b", &Packet::PubAck(ack(1)));
    assert!(!world.is_held("a"));
    world.end();
}

#[test]
fn what_can_never_fit_is_not_waited_for() {
    let mut world = World::with(|options| {
        refuse(options);
        options.max_queued_bytes = 10;
    });
    world.connect(v3_kept("a"));
    world.subscribe("a", "t", 1);
    world.cut("a");
    world.connect(v3("c"));
    world.connect(v5("b"));
    world.say("c", message("t", "much too large"), 1);
    assert_eq!(world.heard("c"), ["puback #1"]);
    assert_eq!(world.dropped(DropReason::QueueRefused), 1);
    world.say("b", message("t", "much too large"), 1);
    assert_eq!(world.heard("b"), ["puback #1 0x97"]);
    world.end();
}

#[test]
fn a_shared_subscription_refuses_too() {
    let mut world = World::with(refuse);
    world.connect(v3_kept("a"));
    world.subscribe("a", "$share/g/t", 1);
    world.cut("a");
    world.connect(v5("b"));
    world.connect(v3("c"));
    for n in 1..=3 {
        world.say("b", message("t", &n.to_string()), 1);
    }
    assert_eq!(world.heard("b"), ["puback #1", "puback #2", "puback #3 0x97"]);
    world.say("c", message("t", "4"), 1);
    assert!(world.is_held("c"));
    world.connect(v3_kept("a"));
    assert_eq!(heard_of(&mut world, "a"), ["t=1", "t=2", "t=4"]);
    assert!(!world.is_held("c"));
    // Its last member ends what waits for it.
    world.cut("a");
    for n in 5..=7 {
        world.say("c", message("t", &n.to_string()), 1);
    }
    assert!(world.is_held("c"));
    world.connect(v3("a"));
    assert!(!world.is_held("c"));
    world.end();
}
