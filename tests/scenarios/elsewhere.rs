//! Sessions that go on at a listener with another mount point than the one they subscribed at.

use mqtt_broker::broker::Options;
use mqtt_broker::codec::Packet;
use mqtt_broker::metrics::DropReason;

use super::World;
use super::listeners::{add, connect_at};
use super::mounts::house;
use super::words::{ack, v5_kept, v5_narrow};

const NOTHING: [&str; 0] = [];

/// One more listener, whose clients are below `yard/`.
fn add_yard(world: &mut World) {
    let mut options = Options::default();
    for place in ["house/", "yard/"] {
        add(&mut options, |listener| listener.mount_point = place.into());
    }
    let said = world.machine.configure(options);
    world.settle(said);
}

#[test]
fn a_session_elsewhere_is_not_shown_what_is_outside() {
    let mut world = house();
    world.silence("m");
    world.subscribe("m", "#", 2);
    world.publish("n", "t", "1", 1);
    world.publish("n", "t", "2", 2);
    assert_eq!(world.heard("m"), ["t=1 q1 #1", "t=2 q2 #2"]);
    world.cut("m");
    world.publish("n", "t", "3", 1);
    add_yard(&mut world);
    world.answer("m");
    connect_at(&mut world, 2, v5_kept("m", 600));
    assert_eq!(world.heard("m"), NOTHING, "sent, queued: nothing of it is below yard/");
    assert_eq!(world.dropped(DropReason::OutsideMount), 3);
    world.publish("n", "t", "4", 0);
    world.publish("n", "t", "5", 1);
    assert_eq!(world.heard("m"), NOTHING);
    assert_eq!(world.dropped(DropReason::OutsideMount), 5);
    world.subscribe("m", "#", 1);
    world.publish("m", "t", "6", 1);
    assert_eq!(world.heard("m"), ["t=6 q1 #3"], "what it subscribes to now it gets");
    // Without a mount point everything is inside.
    connect_at(&mut world, 0, v5_kept("m", 600));
    world.publish("n", "t", "7", 1);
    assert_eq!(world.heard("m"), ["house/t=7 q1 #4"]);
    world.end();
}

/// The window is not stuck with what cannot be sent again.
#[test]
fn what_is_outside_gives_its_place_back() {
    let mut world = house();
    world.silence("m");
    world.subscribe("m", "t", 1);
    for n in 0..3 {
        world.publish("n", "t", &n.to_string(), 1);
    }
    assert_eq!(world.heard("m").len(), 3);
    world.cut("m");
    add_yard(&mut world);
    connect_at(&mut world, 2, v5_narrow("m", 600, 2));
    world.subscribe("m", "t", 1);
    for payload in ["a", "b", "c"] {
        world.publish("m", "t", payload, 1);
    }
    assert_eq!(world.heard("m"), ["t=a q1 #4", "t=b q1 #5"]);
    for packet_id in [4, 5] {
        world.send("m", &Packet::PubAck(ack(packet_id)));
    }
    assert_eq!(world.heard("m"), ["t=c q1 #6"]);
    world.send("m", &Packet::PubAck(ack(6)));
    world.end();
}

/// A group gives what one member cannot see to another, and drops what none can.
#[test]
fn a_group_goes_on_without_who_is_elsewhere() {
    let mut world = house();
    add_yard(&mut world);
    for name in ["m", "n"] {
        world.subscribe(name, "$share/g/t", 1);
    }
    connect_at(&mut world, 2, v5_kept("m", 600));
    for payload in ["1", "2"] {
        world.publish("out", "house/t", payload, 1);
    }
    assert_eq!(world.heard("n"), ["t=1 q1 #1", "t=2 q1 #2"]);
    world.disconnect("n");
    world.publish("out", "house/t", "3", 1);
    assert_eq!(world.heard("m"), NOTHING);
    assert_eq!(world.dropped(DropReason::OutsideMount), 1);
    world.end();
}
