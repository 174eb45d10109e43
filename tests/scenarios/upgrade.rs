//! Messages that go out with the QoS of the subscription.

use super::World;
use super::words::{v3, v3_kept, v5};
use mqtt_broker::metrics::DropReason;

fn upgrading() -> World {
    World::with(|options| options.upgrade_outgoing_qos = true)
}

#[test]
fn a_message_goes_out_as_subscribed() {
    let mut world = upgrading();
    world.connect(v3("p"));
    for (level, name) in ["a", "b", "c"].into_iter().enumerate() {
        world.connect(v5(name));
        world.subscribe(name, "t", u8::try_from(level).unwrap());
    }
    for level in 0..3 {
        world.publish("p", "t", &level.to_string(), level);
        assert_eq!(world.heard("a"), [format!("t={level}")]);
        let packet_id = level + 1;
        assert_eq!(world.heard("b"), [format!("t={level} q1 #{packet_id}")]);
        assert_eq!(world.heard("c")[0], format!("t={level} q2 #{packet_id}"));
    }
    world.end();
}

#[test]
fn overlapping_subscriptions_bring_the_highest() {
    let mut world = upgrading();
    world.connect(v3("p"));
    world.connect(v5("a"));
    world.subscribe("a", "t", 1);
    world.subscribe("a", "#", 2);
    world.publish("p", "t", "1", 0);
    assert_eq!(world.heard("a"), ["t=1 q2 #1", "pubrel #1"]);
    world.end();
}

#[test]
fn it_waits_for_who_is_away_and_is_sent_again() {
    let mut world = upgrading();
    world.silence("a");
    world.connect(v3_kept("a"));
    world.subscribe("a", "t", 1);
    world.connect(v3("p"));
    world.publish("p", "t", "1", 0);
    assert_eq!(world.heard("a"), ["t=1 q1 #1"]);
    world.cut("a");
    world.publish("p", "t", "2", 0);
    assert_eq!(world.dropped(DropReason::Offline), 0);
    world.answer("a");
    world.connect(v3_kept("a"));
    assert_eq!(world.heard("a"), ["t=1 q1 #1 dup", "t=2 q1 #2"]);
    world.end();
}

#[test]
fn retained_messages_are_no_exception() {
    let mut world = upgrading();
    world.connect(v3("p"));
    world.publish_retained("p", "t", "1", 0);
    world.connect(v3("a"));
    world.subscribe("a", "t", 1);
    assert_eq!(world.heard("a"), ["t=1 q1 #1 retained"]);
    world.end();
}

#[test]
fn shared_subscriptions_are_no_exception() {
    let mut world = upgrading();
    world.connect(v3_kept("a"));
    world.subscribe("a", "$share/g/t", 1);
    world.connect(v3("p"));
    world.publish("p", "t", "1", 0);
    assert_eq!(world.heard("a"), ["t=1 q1 #1"]);
    world.cut("a");
    world.publish("p", "t", "2", 0);
    assert_eq!(world.dropped(DropReason::Offline), 0, "at QoS 1 it waits");
    world.connect(v3_kept("a"));
    assert_eq!(world.heard("a"), ["t=2 q1 #2"]);
    // A group at QoS 0 does not keep what nobody is there for.
    world.subscribe("a", "$share/g/t", 0);
    world.cut("a");
    world.publish("p", "t", "3", 0);
    assert_eq!(world.dropped(DropReason::Offline), 1);
    world.end();
}
