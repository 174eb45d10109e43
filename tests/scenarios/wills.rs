//! Wills: when they go out, and to whom.

use mqtt_broker::codec::{Disconnect, QoS};

use super::World;
use super::words::{at, v3, v3_kept, v5, v5_kept, with_will};
use mqtt_broker::codec::SubscribeOptions;

const NOTHING: [&str; 0] = [];

fn watched() -> World {
    let mut world = World::new();
    world.connect(v3("watch"));
    world.subscribe("watch", "will", 0);
    world
}

#[test]
fn a_cut_connection_publishes_it_and_goodbye_does_not() {
    let mut world = watched();
    world.connect(with_will(v3("a"), "will", 0));
    world.disconnect("a");
    assert_eq!(world.heard("watch"), NOTHING);
    world.connect(with_will(v3("a"), "will", 0));
    world.cut("a");
    assert_eq!(world.heard("watch"), ["will=gone"]);
    world.end();
}

#[test]
fn the_delay_counts_from_the_end_of_the_connection() {
    let mut world = watched();
    world.connect(with_will(v5_kept("a", 60), "will", 10));
    world.pass(30);
    world.cut("a");
    world.pass_ms(9_999);
    assert_eq!(world.heard("watch"), NOTHING);
    world.pass_ms(1);
    assert_eq!(world.heard("watch"), ["will=gone"]);
    world.pass(60);
    assert_eq!(world.heard("watch"), NOTHING);
    assert_eq!(world.machine.broker.sessions(), 1, "the session has expired");
    world.end();
}

#[test]
fn the_end_of_the_session_comes_first() {
    let mut world = watched();
    world.connect(with_will(v5_kept("a", 5), "will", 10));
    world.cut("a");
    world.pass_ms(4_999);
    assert_eq!(world.heard("watch"), NOTHING);
    world.pass_ms(1);
    assert_eq!(world.heard("watch"), ["will=gone"]);
    world.pass(60);
    assert_eq!(world.heard("watch"), NOTHING);
    world.end();
}

#[test]
fn a_session_that_ends_with_its_connection_does_not_delay() {
    let mut world = watched();
    world.connect(with_will(v5("a"), "will", 10));
    world.cut("a");
    assert_eq!(world.heard("watch"), ["will=gone"]);
    world.end();
}

#[test]
fn back_in_time_is_as_if_never_gone() {
    let mut world = watched();
    world.connect(with_will(v5_kept("a", 60), "will", 10));
    for _ in 0..3 {
        world.cut("a");
        world.pass_ms(9_999);
        assert!(world.connect(with_will(v5_kept("a", 60), "will", 10)).session_present);
    }
    world.disconnect("a");
    world.pass(100);
    assert_eq!(world.heard("watch"), NOTHING);
    world.end();
}

#[test]
fn goodbye_that_ends_the_session_takes_the_will_along() {
    let mut world = watched();
    world.connect(with_will(v5_kept("a", 60), "will", 10));
    let session_expiry_interval = Some(0);
    world.disconnect_with("a", Disconnect { session_expiry_interval, ..Disconnect::default() });
    world.pass(100);
    assert_eq!(world.heard("watch"), NOTHING);
    world.end();
}

#[test]
fn it_reaches_who_is_away_and_is_retained_if_asked() {
    let mut world = World::new();
    world.connect(v3_kept("away"));
    world.subscribe("away", "will", 2);
    world.disconnect("away");
    let mut connect = with_will(v5("a"), "will", 0);
    let will = connect.will.as_mut().unwrap();
    (will.qos, will.retain) = (QoS::AtLeastOnce, true);
    will.properties.message_expiry_interval = Some(30);
    world.connect(connect);
    world.pass(100);
    world.cut("a");
    world.pass(10);
    world.connect(v5("late"));
    world.subscribe("late", "will", 0);
    assert_eq!(world.heard("late"), ["will=gone retained expires 20"]);
    world.connect(v3_kept("away"));
    assert_eq!(world.heard("away"), ["will=gone q1 #1"]);
    world.pass(20);
    assert_eq!(world.machine.broker.retained(), 0);
    world.end();
}

#[test]
fn its_own_session_may_get_it_unless_it_said_no_local() {
    let mut world = World::new();
    world.connect(with_will(v5_kept("a", 60), "will/a", 0));
    world.subscribe("a", "will/+", 1);
    world.connect(with_will(v5_kept("b", 60), "will/b", 0));
    world.subscribe_with("b", "will/b", SubscribeOptions { no_local: true, ..at(1) }, None);
    let mut loud = with_will(v5_kept("c", 60), "will/c", 0);
    loud.will.as_mut().unwrap().qos = QoS::AtLeastOnce;
    world.connect(loud);
    world.subscribe("c", "will/c", 1);
    for name in ["b", "c", "a"] {
        world.cut(name);
    }
    for name in ["a", "b", "c"] {
        world.connect(v5_kept(name, 60));
    }
    assert_eq!(world.heard("a"), ["will/b=gone", "will/c=gone q1 #1"]);
    assert_eq!(world.heard("b"), NOTHING);
    assert_eq!(world.heard("c"), ["will/c=gone q1 #1"]);
    world.end();
}

#[test]
fn keep_alive_garbage_and_protocol_errors_publish_it() {
    let mut world = watched();
    world.connect(with_will(v5("a").keep_alive(10), "will", 0));
    world.pass_ms(14_999);
    assert_eq!(world.heard("watch"), NOTHING);
    world.pass_ms(1);
    assert_eq!(world.heard("watch"), ["will=gone"]);
    assert_eq!(world.heard("a"), ["disconnect 0x8d"]);

    world.connect(with_will(v5("a"), "will", 0));
    let conn = world.conn("a");
    let said = world.machine.receive_bytes(conn, b"\xf0\x01\x07");
    world.settle(said);
    assert_eq!(world.heard("watch"), ["will=gone"]);

    world.connect(with_will(v5("a"), "will", 0));
    world.send("a", &mqtt_broker::codec::Packet::Connect(v5("a")));
    assert_eq!(world.heard("watch"), ["will=gone"]);
    world.end();
}
