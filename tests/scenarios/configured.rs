//! Another configuration while clients are connected.

use mqtt_broker::broker::Options;
use mqtt_broker::codec::{Packet, QoS};

use super::World;
use super::listeners::{add, connect_at, second};
use super::words::{ack, id, message, qos, v3, v3_kept, v5, v5_kept, with_will};

const NOTHING: [&str; 0] = [];

fn configure(world: &mut World, change: impl FnOnce(&mut Options)) {
    let mut options = Options::default();
    add(&mut options, |_| {});
    change(&mut options);
    let said = world.machine.configure(options);
    world.settle(said);
}

#[test]
fn who_came_by_a_listener_that_is_gone_is_dismissed() {
    let mut world = second(|_| {});
    connect_at(&mut world, 0, v5("stays"));
    world.subscribe("stays", "w", 0);
    let waiting = world.open("waits");
    connect_at(&mut world, 1, with_will(v5_kept("kept", 60), "w", 0));
    world.subscribe("kept", "t", 1);
    connect_at(&mut world, 1, v3("clean"));
    let idle = world.open("idle");
    configure(&mut world, |options| options.listeners[1] = None);
    assert_eq!(world.heard("kept"), ["disconnect 0x98"]);
    assert_eq!(world.heard("clean"), NOTHING);
    assert!(!world.is_connected("kept") && !world.is_connected("clean"));
    assert!(!world.machine.is_there(idle), "no longer waited for");
    assert_eq!(world.heard("stays"), ["w=gone"], "it did not say goodbye");
    assert!(world.is_connected("stays") && world.machine.is_there(waiting));
    world.publish("stays", "t", "1", 1);
    connect_at(&mut world, 0, v5_kept("kept", 60));
    assert_eq!(world.heard("kept"), ["t=1 q1 #1"], "its session has stayed");
    // What had just been accepted there.
    world.listener = 1;
    world.call(v5("late"));
    assert_eq!(world.heard("late"), ["connack refused 0x88"]);
    world.end();
}

#[test]
fn all_may_go_at_once() {
    let mut world = second(|_| {});
    for (number, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let listener = u16::try_from(number % 2).unwrap();
        connect_at(&mut world, listener, with_will(v5_kept(name, 60), "w", 0));
        world.subscribe(name, "w", 1);
    }
    configure(&mut world, |options| options.listeners.clear());
    for name in ["a", "b", "c", "d"] {
        assert_eq!(world.heard(name).pop().unwrap(), "disconnect 0x98");
    }
    configure(&mut world, |_| {});
    world.end();
}

#[test]
fn a_connection_keeps_what_it_was_promised() {
    let mut world = World::with(|options| {
        options.receive_maximum = 3;
        add(options, |listener| listener.mount_point = "house/".into());
    });
    connect_at(&mut world, 1, v5("a"));
    configure(&mut world, |options| {
        options.receive_maximum = 1;
        let listener = options.first_listener();
        listener.maximum_qos = QoS::AtMostOnce;
        options.listeners.swap(0, 1);
    });
    connect_at(&mut world, 0, v5("b"));
    world.subscribe("b", "#", 2);
    for packet_id in [1, 2, 3] {
        let mut publish = message("t", "x");
        (publish.qos, publish.packet_id) = (qos(2), Some(id(packet_id)));
        publish.properties.topic_alias = Some(10);
        world.send("a", &Packet::Publish(publish));
    }
    assert_eq!(world.heard("a"), ["pubrec #1", "pubrec #2", "pubrec #3"]);
    assert_eq!(world.heard("b").first().unwrap(), "house/t=x q2 #1", "mounted as it was");
    world.listener = 1;
    let told = world.connect(v5("c"));
    assert_eq!(told.properties.maximum_qos, Some(QoS::AtMostOnce));
    assert_eq!(told.properties.receive_maximum, Some(1));
    world.publish("c", "t", "x", 1);
    assert_eq!(world.heard("c"), ["disconnect 0x9b"], "who comes after is told");
    world.end();
}

/// What leaves slowly brings its deadline forward when less patience is configured.
#[test]
fn less_patience_holds_for_who_is_slow_already() {
    let mut world = World::with(|options| options.stalled_timeout_ms = 60_000);
    world.connect(v3("a"));
    world.subscribe("a", "t", 0);
    world.stall("a");
    world.connect(v3("b"));
    world.publish("b", "t", "1", 0);
    world.publish("b", "t", "2", 0);
    world.pass_ms(30_000);
    configure(&mut world, |options| options.stalled_timeout_ms = 1000);
    world.pass_ms(999);
    assert!(world.is_connected("a"), "it counts from then on");
    // Some bytes leave, the next must follow soon.
    let conn = world.conn("a");
    let said = world.machine.written(conn, 1);
    world.settle(said);
    world.pass_ms(999);
    assert!(world.is_connected("a"));
    world.pass_ms(1);
    assert!(!world.is_connected("a"));
    world.end();
}

#[test]
fn bounds_of_queues_and_windows_hold_from_then_on() {
    let mut world = World::new();
    world.connect(v3_kept("a"));
    world.subscribe("a", "t", 1);
    world.cut("a");
    world.connect(v3("b"));
    for n in 0..5 {
        world.publish("b", "t", &n.to_string(), 1);
    }
    configure(&mut world, |options| {
        options.max_queued_messages = 2;
        options.overflow = mqtt_broker::broker::Overflow::DropOldest;
        options.max_inflight_bytes = 2;
        options.max_inflight_messages = 1;
    });
    world.publish("b", "t", "5", 1);
    world.silence("a");
    world.connect(v3_kept("a"));
    assert_eq!(world.heard("a"), ["t=4 q1 #1"]);
    configure(&mut world, |options| options.upgrade_outgoing_qos = true);
    world.publish("b", "t", "6", 0);
    world.send("a", &Packet::PubAck(ack(1)));
    assert_eq!(world.heard("a"), ["t=5 q1 #2"], "its window is what it was when it came");
    world.answer("a");
    world.send("a", &Packet::PubAck(ack(2)));
    assert_eq!(world.heard("a"), ["t=6 q1 #3"]);
    world.end();
}
