//! Listeners that differ: versions, client ids, the highest QoS and aliases.

use std::sync::Arc;

use mqtt_broker::broker::{ListenerOptions, Options};
use mqtt_broker::codec::{Connect, Packet, QoS, Version};

use super::World;
use super::words::{at, message, qos, v3, v3_kept, v5, v5_kept, with_will};

const NOTHING: [&str; 0] = [];

/// A world whose second listener is another than the first.
pub(super) fn second(change: impl FnOnce(&mut ListenerOptions)) -> World {
    World::with(|options| add(options, change))
}

pub(super) fn add(options: &mut Options, change: impl FnOnce(&mut ListenerOptions)) {
    let mut listener = ListenerOptions::default();
    change(&mut listener);
    options.listeners.push(Some(Arc::new(listener)));
}

/// Connects by a listener.
pub(super) fn connect_at(world: &mut World, listener: u16, connect: Connect) {
    world.listener = listener;
    world.connect(connect);
}

/// What a CONNECT is answered at the second listener.
fn answer(world: &mut World, connect: Connect) -> Vec<String> {
    let name = connect.client_id.clone();
    world.listener = 1;
    world.call(connect);
    world.heard(&name)
}

#[test]
fn a_version_that_is_not_spoken_is_refused_in_its_own_words() {
    let v31 = || v3("c").version(Version::V31);
    for spoken in [Version::V31, Version::V311, Version::V5] {
        let mut world = second(|listener| listener.versions = vec![spoken]);
        for (connect, refusal) in [
            (v31(), "connack refused 0x84"),
            (v3("c"), "connack refused 0x84"),
            (v5("c"), "connack refused 0x84"),
        ] {
            let is_spoken = connect.version == spoken;
            let heard = answer(&mut world, connect);
            assert_eq!(heard, [if is_spoken { "connack" } else { refusal }]);
            assert_eq!(world.is_connected("c"), is_spoken);
            if is_spoken {
                world.disconnect("c");
            }
        }
        world.listener = 0;
        for connect in [v31(), v3("c"), v5("c")] {
            world.connect(connect);
        }
        world.end();
    }
}

/// It is the version that is looked at first: what follows may mean something else in it.
#[test]
fn a_version_comes_before_the_client_id() {
    let mut world = second(|listener| listener.versions = vec![Version::V5]);
    assert_eq!(answer(&mut world, v3_kept("")), ["connack refused 0x84"]);
    world.end();
}

fn named(mut connect: Connect, user_name: &str) -> Connect {
    connect.user_name = Some(user_name.into());
    connect
}

#[test]
fn the_user_name_becomes_the_client_id() {
    let mut world = second(|listener| listener.use_username_as_client_id = true);
    connect_at(&mut world, 1, named(v5_kept("a", 60), "joe"));
    world.subscribe("a", "t", 1);
    // Somebody with that client id is another as long as he has another user name.
    connect_at(&mut world, 1, named(v5("joe"), "ann"));
    assert!(world.is_connected("a"));
    // The same user takes over and goes on, whatever it calls itself.
    connect_at(&mut world, 1, named(v5_kept("b", 60), "joe"));
    assert_eq!(world.heard("a"), ["disconnect 0x8e"]);
    assert!(!world.is_connected("a"));
    world.publish("joe", "t", "1", 1);
    assert_eq!(world.heard("b"), ["t=1 q1 #1"]);
    // At the other listener it is a client id like any other.
    connect_at(&mut world, 0, v5_kept("joe", 0));
    assert_eq!(world.heard("b"), ["disconnect 0x8e"]);
    connect_at(&mut world, 1, named(v3("x"), "ann"));
    world.disconnect("x");
    world.end();
}

#[test]
fn a_user_name_is_needed_where_it_is_the_client_id() {
    let mut world = second(|listener| listener.use_username_as_client_id = true);
    for connect in [v3("a"), v5("a"), named(v5("a"), "")] {
        assert_eq!(answer(&mut world, connect), ["connack refused 0x87"]);
        assert!(!world.is_connected("a"));
    }
    // 3.1.1 has no empty id with a kept session, whatever it would become ([MQTT-3.1.3-8]).
    assert_eq!(answer(&mut world, named(v3_kept(""), "joe")), ["connack refused 0x85"]);
    world.end();
}

#[test]
fn who_leaves_the_id_to_the_broker_is_told_which_it_is() {
    let mut world = second(|listener| listener.use_username_as_client_id = true);
    world.listener = 1;
    let answer = world.connect(named(v5(""), "joe"));
    assert_eq!(answer.properties.assigned_client_identifier.as_deref(), Some("joe"));
    world.disconnect("");
    let answer = world.connect(named(v5("a"), "ann"));
    assert_eq!(answer.properties.assigned_client_identifier, None, "it has not asked");
    world.disconnect("a");
    world.end();
}

#[test]
fn each_listener_has_its_own_ids_for_those_without() {
    let mut world = World::with(|options| {
        options.first_listener().auto_id_prefix = "first-".into();
        add(options, |listener| listener.auto_id_prefix = "second-".into());
        add(options, |listener| listener.allow_zero_length_client_id = false);
    });
    for (number, prefix) in [(0, "first-"), (1, "second-")] {
        world.listener = number;
        let answer = world.connect(v5(""));
        let id = answer.properties.assigned_client_identifier.expect("it asked");
        assert!(id.starts_with(prefix) && id.len() > prefix.len() + 30, "{id}");
        world.disconnect("");
    }
    world.listener = 2;
    for connect in [v5(""), v3("")] {
        world.call(connect);
        assert_eq!(world.heard(""), ["connack refused 0x85"]);
    }
    world.end();
}

#[test]
fn each_listener_has_its_own_highest_qos() {
    let mut world = second(|listener| listener.maximum_qos = QoS::AtLeastOnce);
    world.listener = 1;
    let told = world.connect(v5("a"));
    assert_eq!(told.properties.maximum_qos, Some(QoS::AtLeastOnce));
    assert_eq!(world.subscribe("a", "t", 2), 1, "granted");
    world.listener = 0;
    assert_eq!(world.connect(v5("b")).properties.maximum_qos, None);
    assert_eq!(world.subscribe("b", "t", 2), 2);
    world.publish("b", "t", "1", 2);
    assert_eq!(world.heard("a"), ["t=1 q1 #1"]);
    world.heard("b");
    world.publish("a", "t", "2", 2);
    assert_eq!(world.heard("a"), ["disconnect 0x9b"]);
    assert_eq!(world.heard("b"), NOTHING);
    for (connect, refusal) in [(v5("a"), 0x9b), (v3("a"), 0x87)] {
        let mut connect = with_will(connect, "w", 0);
        connect.will.as_mut().unwrap().qos = qos(2);
        assert_eq!(answer(&mut world, connect), [format!("connack refused 0x{refusal:02x}")]);
    }
    world.end();
}

#[test]
fn each_listener_has_its_own_aliases() {
    let mut world = second(|listener| listener.topic_alias_maximum = 1);
    world.listener = 1;
    assert_eq!(world.connect(v5("a")).properties.topic_alias_maximum, Some(1));
    world.listener = 0;
    assert_eq!(world.connect(v5("b")).properties.topic_alias_maximum, Some(10));
    for name in ["a", "b"] {
        let mut publish = message("t", "1");
        publish.properties.topic_alias = Some(2);
        world.send(name, &Packet::Publish(publish));
    }
    assert_eq!(world.heard("a"), ["disconnect 0x94"]);
    assert_eq!(world.heard("b"), NOTHING);
    world.subscribe_with("b", "t", at(0), None);
    world.end();
}
