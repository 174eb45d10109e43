//! Connections: who may come in, how long they may take, how storage holds them.

use mqtt_broker::broker::{Event, Storage};
use mqtt_broker::codec::{Packet, Version};

use super::World;
use super::words::{id, message, v3, v3_kept, v5, v5_kept};

const NOTHING: [&str; 0] = [];

#[test]
fn connect_must_come_in_time() {
    let mut world = World::with(|options| options.connect_timeout_ms = 5000);
    let conn = world.open("a");
    world.pass_ms(4_999);
    assert!(world.machine.is_there(conn));
    world.pass_ms(1);
    assert!(!world.machine.is_there(conn));
    world.connect(v3("a"));
    world.pass(100);
    assert!(world.is_connected("a"), "the deadline ended with CONNECT");
    world.end();
}

#[test]
fn anything_but_connect_first_is_the_end() {
    for version in [Version::V311, Version::V5] {
        let mut world = World::new();
        let conn = world.open("a");
        let said = world.machine.receive_bytes(conn, b"\xc0\x00");
        world.settle(said);
        assert!(!world.is_connected("a"), "{version}");
        assert_eq!(world.heard("a"), NOTHING);
        world.end();
    }
}

#[test]
fn keep_alive_is_half_as_long_again() {
    let mut world = World::new();
    world.connect(v5_kept("a", 60).keep_alive(10));
    world.connect(v3("b").keep_alive(10));
    for _ in 0..5 {
        world.pass_ms(14_999);
        world.send("a", &Packet::PingReq);
        world.send("b", &Packet::PingReq);
    }
    world.heard("a");
    world.heard("b");
    world.pass_ms(14_999);
    assert!(world.is_connected("a") && world.is_connected("b"));
    world.pass_ms(1);
    assert_eq!(world.heard("a"), ["disconnect 0x8d"]);
    assert_eq!(world.heard("b"), NOTHING);
    assert!(!world.is_connected("a") && !world.is_connected("b"));
    world.end();
}

#[test]
fn the_operator_may_shorten_keep_alive() {
    let mut world = World::with(|options| options.max_keep_alive = 20);
    assert_eq!(world.connect(v5("a").keep_alive(10)).properties.server_keep_alive, None);
    assert_eq!(world.connect(v5("b").keep_alive(30)).properties.server_keep_alive, Some(20));
    assert_eq!(world.connect(v5("c")).properties.server_keep_alive, Some(20));
    world.pass_ms(29_999);
    assert!(world.is_connected("b") && world.is_connected("c") && !world.is_connected("a"));
    world.pass_ms(1);
    assert!(!world.is_connected("b") && !world.is_connected("c"));
    world.machine.handle(Event::Configured { options: Box::default(), authority: None });
    world.end();
}

#[test]
fn so_many_sessions_and_no_more() {
    let mut world = World::with(|options| options.max_sessions = 2);
    world.connect(v5_kept("a", 10));
    world.connect(v5("b"));
    world.call(v5("c"));
    assert_eq!(world.heard("c"), ["connack refused 0x89"]);
    world.call(v3("d"));
    assert_eq!(world.heard("d"), ["connack refused 0x88"]);
    world.connect(v5("b"));
    world.cut("a");
    world.pass(10);
    world.connect(v5("c"));
    world.machine.handle(Event::Configured { options: Box::default(), authority: None });
    world.end();
}

#[test]
fn an_empty_client_id_is_chosen_or_refused() {
    let mut world = World::new();
    let mut nameless = v5("");
    nameless.keep_alive = 0;
    let assigned = |world: &mut World| {
        let answer = world.connect(nameless.clone());
        let id = answer.properties.assigned_client_identifier.expect("an id");
        world.cut("");
        id
    };
    let ids = [assigned(&mut world), assigned(&mut world)];
    assert_ne!(ids[0], ids[1]);
    world.connect(v3(""));
    world.cut("");
    world.call(v3_kept(""));
    assert_eq!(world.heard(""), ["connack refused 0x85"]);
    world.people.remove("");
    world.end();
}

#[test]
fn while_storage_is_behind_who_makes_records_is_not_read_from_and_not_too_silent() {
    let mut world = World::new();
    world.connect(v5_kept("a", 1000).keep_alive(10));
    world.connect(v5("b").keep_alive(10));
    let said = world.machine.storage(Storage::Behind);
    world.settle(said);
    assert!(!world.machine.is_held(world.conn("a")), "it has made none");
    world.subscribe("a", "x", 1);
    assert!(world.machine.is_held(world.conn("a")));
    world.subscribe("b", "x", 1);
    assert!(!world.machine.is_held(world.conn("b")), "a clean session makes none");
    world.connect(v5_kept("c", 1000).keep_alive(10));
    assert!(world.machine.is_held(world.conn("c")), "a new session is a record");
    world.pass(14);
    world.send("b", &Packet::PingReq);
    let said = world.machine.storage(Storage::Failed);
    world.settle(said);
    world.pass(14);
    world.send("b", &Packet::PingReq);
    let said = world.machine.storage(Storage::Well);
    world.settle(said);
    for name in ["a", "c"] {
        assert!(world.is_connected(name) && !world.machine.is_held(world.conn(name)));
    }
    world.pass_ms(14_999);
    assert!(world.is_connected("a") && world.is_connected("b") && world.is_connected("c"));
    world.pass_ms(1);
    assert!(!world.is_connected("a") && !world.is_connected("b") && !world.is_connected("c"));
    world.end();
}

#[test]
fn while_storage_has_failed_promises_are_refused_and_qos_0_goes_on() {
    let mut world = World::new();
    world.connect(v5_kept("s", 1000));
    world.subscribe("s", "t", 1);
    world.connect(v5("new"));
    world.connect(v3("old"));
    world.heard("s");
    let said = world.machine.storage(Storage::Failed);
    world.settle(said);
    world.heard("new");
    world.send("new", &Packet::Publish(message("t", "1").at_least_once(id(1))));
    world.send("new", &Packet::Publish(message("t", "2").exactly_once(id(2))));
    world.send("new", &Packet::Publish(message("u", "3").retain(true).at_least_once(id(3))));
    world.send("new", &Packet::Publish(message("u", "4").at_least_once(id(4))));
    world.send("new", &Packet::Publish(message("t", "5")));
    world.send("new", &Packet::Publish(message("u", "6").retain(true)));
    assert_eq!(
        world.heard("new"),
        ["puback #1 0x97", "pubrec #2 0x97", "puback #3 0x97", "puback #4 0x10"]
    );
    assert!(!world.machine.is_held(world.conn("new")));
    assert_eq!(world.heard("s"), ["t=5"]);
    world.heard("old");
    world.send("old", &Packet::Publish(message("t", "7").at_least_once(id(1))));
    assert!(world.machine.is_held(world.conn("old")), "it cannot be told");
    world.call(v3_kept("kept"));
    assert_eq!(world.heard("kept"), ["connack refused 0x88"]);
    world.people.remove("kept");
    let said = world.machine.storage(Storage::Well);
    world.settle(said);
    assert!(!world.machine.is_held(world.conn("old")));
    world.end();
}

#[test]
fn stopping_sends_everybody_home() {
    let mut world = World::new();
    world.connect(super::words::with_will(v5("a"), "will", 0));
    world.connect(v3_kept("b"));
    world.subscribe("b", "will", 1);
    world.open("c");
    let said = world.machine.handle(Event::Stopping);
    world.settle(said);
    assert_eq!(world.heard("a"), ["disconnect 0x8b"]);
    for name in ["a", "b", "c"] {
        assert!(!world.is_connected(name), "{name}");
    }
    assert_eq!(world.machine.broker.sessions(), 1);
    world.machine.check_replay();
    world.call(v5("a"));
    assert_eq!(world.heard("a"), ["connack refused 0x88"]);
}
