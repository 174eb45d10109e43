//! Messages and sessions whose time passes.

use mqtt_broker::codec::{Disconnect, Packet};
use mqtt_broker::metrics::DropReason;

use super::World;
use super::words::{at, expiring, v3, v3_kept, v5, v5_kept};

const NOTHING: [&str; 0] = [];

#[test]
fn a_message_that_waited_too_long_is_dropped_and_counted() {
    let mut world = World::new();
    world.connect(v5_kept("a", 1000));
    world.subscribe("a", "t", 1);
    world.cut("a");
    world.connect(v5("b"));
    world.publish_with("b", expiring("t", "short", 5), 1);
    world.publish_with("b", expiring("t", "long", 50), 1);
    world.publish_with("b", expiring("t", "none", 0), 1);
    world.pass(5);
    world.connect(v5_kept("a", 1000));
    assert_eq!(world.heard("a"), ["t=long q1 #1 expires 45"]);
    assert_eq!(world.dropped(DropReason::Expired), 2);
    world.end();
}

#[test]
fn what_was_sent_once_is_sent_again_even_if_its_time_has_passed() {
    let mut world = World::new();
    world.silence("a");
    world.connect(v5_kept("a", 1000));
    world.subscribe("a", "t", 2);
    world.connect(v5("b"));
    world.publish_with("b", expiring("t", "short", 5), 2);
    world.heard("a");
    world.cut("a");
    world.pass(10);
    world.connect(v5_kept("a", 1000));
    assert_eq!(world.heard("a"), ["t=short q2 #1 dup expires 0"]);
    world.end();
}

#[test]
fn a_shared_subscriptions_messages_expire_too() {
    let mut world = World::new();
    world.connect(v5_kept("a", 1000));
    world.subscribe("a", "$share/g/t", 1);
    world.cut("a");
    world.connect(v5("b"));
    world.publish_with("b", expiring("t", "short", 5), 1);
    world.publish_with("b", expiring("t", "long", 50), 1);
    world.pass(5);
    world.connect(v5_kept("a", 1000));
    assert_eq!(world.heard("a"), ["t=long q1 #1 expires 45"]);
    assert_eq!(world.dropped(DropReason::Expired), 1);
    world.end();
}

#[test]
fn what_a_member_left_behind_expires_before_another_gets_it() {
    let mut world = World::new();
    world.silence("a");
    for name in ["a", "b"] {
        world.connect(v5(name));
        world.subscribe(name, "$share/g/t", 1);
    }
    world.connect(v5("p"));
    world.stall("b");
    world.publish_with("p", expiring("t", "one", 5), 1);
    world.publish_with("p", expiring("t", "two", 5), 1);
    assert_eq!(world.heard("a"), ["t=one q1 #1 expires 5"]);
    world.unstall("b");
    assert_eq!(world.heard("b"), ["t=two q1 #1 expires 5"]);
    world.pass(5);
    world.cut("a");
    assert_eq!(world.heard("b"), NOTHING);
    assert_eq!(world.dropped(DropReason::Expired), 1);
    world.end();
}

#[test]
fn a_session_ends_when_its_time_has_passed() {
    let mut world = World::new();
    world.connect(v5_kept("a", 10));
    world.subscribe_with("a", "t", at(1), None);
    world.pass(100);
    world.cut("a");
    world.connect(v3("b"));
    world.publish("b", "t", "1", 1);
    world.pass_ms(9_999);
    assert_eq!(world.machine.broker.sessions(), 2);
    world.pass_ms(1);
    assert_eq!(world.machine.broker.sessions(), 1);
    assert_eq!(world.machine.broker.counters().sessions_expired, 1);
    assert_eq!(world.dropped(DropReason::SessionEnded), 1);
    assert!(!world.connect(v5_kept("a", 10)).session_present);
    world.end();
}

#[test]
fn a_connection_stops_the_clock() {
    let mut world = World::new();
    world.connect(v5_kept("a", 10));
    for _ in 0..3 {
        world.cut("a");
        world.pass_ms(9_999);
        assert!(world.connect(v5_kept("a", 10)).session_present);
        world.pass(100);
    }
    world.end();
}

#[test]
fn goodbye_may_change_the_expiry() {
    let mut world = World::new();
    let goodbye =
        |secs| Disconnect { session_expiry_interval: Some(secs), ..Disconnect::default() };
    world.connect(v5_kept("a", 10));
    world.disconnect_with("a", goodbye(20));
    world.pass_ms(19_999);
    assert!(world.connect(v5_kept("a", 10)).session_present);
    world.disconnect("a");
    world.pass(10);
    assert!(!world.connect(v5_kept("a", 10)).session_present, "each CONNECT says anew");
    world.subscribe("a", "t", 1);
    world.disconnect_with("a", goodbye(0));
    assert_eq!(world.machine.broker.sessions(), 0);
    world.machine.check_replay();
    world.connect(v5("a"));
    world.send("a", &Packet::Disconnect(goodbye(5)));
    assert_eq!(world.heard("a").last().unwrap(), "disconnect 0x82", "it was 0");
    world.end();
}

#[test]
fn for_ever_is_for_ever_and_the_operator_may_say_less() {
    let mut world = World::new();
    world.connect(v3_kept("a"));
    world.connect(v5_kept("b", u32::MAX));
    world.cut("a");
    world.cut("b");
    assert_eq!(world.machine.broker.deadline(), None);
    world.pass(1_000_000_000);
    assert!(world.connect(v3_kept("a")).session_present);
    assert!(world.connect(v5_kept("b", 5)).session_present);
    world.end();

    let mut world = World::with(|options| options.max_session_expiry = 100);
    let answer = world.connect(v5_kept("a", 1000));
    assert_eq!(answer.properties.session_expiry_interval, Some(100));
    world.connect(v3_kept("b"));
    world.disconnect_with(
        "a",
        Disconnect { session_expiry_interval: Some(1000), ..Disconnect::default() },
    );
    world.cut("b");
    world.pass(100);
    assert_eq!(world.machine.broker.sessions(), 0);
    world.end();
}

#[test]
fn goodbye_with_an_expiry_is_fine_where_the_operator_allows_none() {
    let mut world = World::with(|options| options.max_session_expiry = 0);
    let answer = world.connect(v5_kept("a", 1000));
    assert_eq!(answer.properties.session_expiry_interval, Some(0));
    let session_expiry_interval = Some(1000);
    world.disconnect_with("a", Disconnect { session_expiry_interval, ..Disconnect::default() });
    assert_eq!(world.heard("a"), NOTHING);
    world.end();
}
