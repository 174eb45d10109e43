//! Who is there: what is told of clients that come, go, and are too slow.

use mqtt_broker::broker::Event;

use super::World;
use super::sys::watched;
use super::words::{v3, v3_kept, v5, v5_kept};

const NOTHING: [&str; 0] = [];

#[test]
fn who_comes_and_goes_is_told() {
    let mut world = watched();
    world.connect(v3("a"));
    world.subscribe("a", "$SYS/broker/clients/+/+", 1);
    let local = "{\"address\":\"local\",\"version\":";
    let own = format!("clients/a/connected={local}\"3.1.1\",\"clean\":true}} q1 #1 retained");
    assert_eq!(world.told("a"), [own]);
    world.connect(v5_kept("b/c", 60));
    world.cut("b/c");
    world.connect(v3("d"));
    world.connect(v3("d"));
    world.disconnect("d");
    let told: Vec<String> = world
        .told("a")
        .iter()
        .map(|line| line.replace(local, "").split(" q1").next().unwrap().to_owned())
        .collect();
    let v3 = "\"3.1.1\",\"clean\":true";
    assert_eq!(
        told,
        [
            "clients/b%2Fc/connected=\"5.0\",\"clean\":false}".to_owned(),
            "clients/b%2Fc/connected=".into(),
            "clients/b%2Fc/disconnected=\"5.0\",\"clean\":false,\
             \"reason\":\"lost its connection\"}"
                .into(),
            format!("clients/d/connected={v3}}}"),
            "clients/d/connected=".into(),
            format!("clients/d/disconnected={v3},\"reason\":\"Session taken over\"}}"),
            format!("clients/d/connected={v3}}}"),
            "clients/d/connected=".into(),
            format!("clients/d/disconnected={v3},\"reason\":\"disconnected\"}}"),
        ]
    );
    world.end_unwatched();
}

#[test]
fn who_is_there_is_shown_and_nobody_else() {
    let mut world = watched();
    for name in ["a", "b", "c/d", "e"] {
        world.connect(v3_kept(name));
    }
    world.cut("e");
    world.disconnect("b");
    let mut shown = |filter: &str| {
        world.subscribe("a", filter, 0);
        let told = world.told("a");
        told.iter().map(|line| line.split('=').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ["clients/a/connected", "clients/c%2Fd/connected"];
    assert_eq!(shown("$SYS/broker/clients/+/connected"), all);
    assert_eq!(shown("$SYS/+/+/+/connected"), all);
    assert_eq!(shown("$SYS/broker/clients/c%2Fd/connected"), all[1..]);
    assert_eq!(shown("$SYS/broker/clients/c%2Fd/#"), all[1..]);
    assert_eq!(shown("$SYS/broker/clients/e/connected"), NOTHING);
    assert_eq!(shown("$SYS/broker/clients/c%2fd/connected"), NOTHING);
    assert_eq!(shown("$SYS/broker/clients/nobody/#"), NOTHING);
    assert_eq!(shown("#"), NOTHING);
    assert_eq!(shown("+/broker/clients/#"), NOTHING);
    world.end_unwatched();
}

#[test]
fn who_is_too_slow_is_named() {
    let mut world = World::with(|options| {
        options.sys_interval = 10;
        options.max_queued_messages = 1;
    });
    world.connect(v3("a"));
    world.subscribe("a", "$SYS/broker/clients/+/dropped", 0);
    world.connect(v3_kept("slow"));
    world.subscribe("slow", "t", 1);
    world.cut("slow");
    world.connect(v3("b"));
    (0..4).for_each(|n| world.publish("b", "t", &n.to_string(), 1));
    assert_eq!(world.told("a"), NOTHING);
    world.pass(10);
    assert_eq!(world.told("a"), ["clients/slow/dropped=3"]);
    world.pass(10);
    assert_eq!(world.told("a"), NOTHING, "no more since");
    world.connect(v3("c"));
    world.subscribe("c", "$SYS/broker/clients/slow/#", 0);
    assert_eq!(world.told("c"), ["clients/slow/dropped=3 retained"]);
    // The session ends, and with it what is told of it.
    world.connect(v3("slow"));
    assert_eq!(world.told("a"), ["clients/slow/dropped="]);
    world.subscribe("c", "$SYS/broker/clients/slow/dropped", 0);
    let told = world.told("c");
    assert!(!told.iter().any(|line| line.ends_with(" retained") && line.contains("dropped=3")));
    world.end_unwatched();
}

#[test]
fn everybody_goes_and_nobody_is_told() {
    let mut world = watched();
    world.connect(v5("a"));
    world.subscribe("a", "$SYS/broker/clients/#", 0);
    (0..5).for_each(|n| drop(world.connect(v3(&n.to_string()))));
    world.heard("a");
    let said = world.machine.handle(Event::Stopping);
    world.settle(said);
    assert_eq!(world.heard("a"), ["disconnect 0x8b"]);
    assert_eq!(world.machine.broker.online_count(), 0);
}

#[test]
fn a_long_client_id_is_told_of_as_far_as_a_topic_reaches() {
    let mut world = watched();
    world.connect(v3("a"));
    world.subscribe("a", "$SYS/broker/clients/+/connected", 0);
    assert_eq!(world.told("a").len(), 1);
    let reaches = "x".repeat(65_535 - "$SYS/broker/clients//disconnected".len());
    world.connect(v3(&reaches));
    assert_eq!(world.told("a").len(), 1);
    world.connect(v3(&format!("{}#", &reaches[..reaches.len() - 1])));
    assert_eq!(world.told("a").len(), 1, "connected is a little shorter");
    world.connect(v3(&"#".repeat(65_535)));
    assert_eq!(world.told("a"), NOTHING);
    world.end_unwatched();
}
