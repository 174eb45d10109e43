//! Retained messages: kept, replaced, cleared, and sent to who subscribes, a few at a time.

use mqtt_broker::codec::{Packet, RetainHandling, SubscribeOptions};

use super::World;
use super::words::{ack, at, expiring, handling, v3, v3_kept, v5, v5_kept, v5_narrow};

const NOTHING: [&str; 0] = [];

#[test]
fn the_last_value_is_kept_until_cleared() {
    let mut world = World::new();
    world.connect(v3("b"));
    world.publish_retained("b", "t", "1", 0);
    world.publish_retained("b", "t", "2", 1);
    world.publish("b", "t", "3", 1);
    world.connect(v3("a"));
    world.subscribe("a", "t", 2);
    assert_eq!(world.heard("a"), ["t=2 q1 #1 retained"]);
    world.publish_retained("b", "t", "4", 0);
    assert_eq!(world.heard("a"), ["t=4"], "not because of a new subscription");
    world.publish_retained("b", "t", "", 0);
    assert_eq!(world.heard("a"), ["t="]);
    world.subscribe("a", "t", 2);
    assert_eq!(world.heard("a"), NOTHING);
    world.end();
}

#[test]
fn retain_as_published_keeps_the_flag() {
    let mut world = World::new();
    world.connect(v5("a"));
    world.subscribe_with("a", "t", SubscribeOptions { retain_as_published: true, ..at(0) }, None);
    world.connect(v3("b"));
    world.publish_retained("b", "t", "1", 0);
    world.publish("b", "t", "2", 0);
    assert_eq!(world.heard("a"), ["t=1 retained", "t=2"]);
    world.end();
}

#[test]
fn retain_handling_says_when() {
    let mut world = World::new();
    world.connect(v3("b"));
    world.publish_retained("b", "t", "1", 0);
    world.connect(v5("a"));
    world.subscribe_with("a", "t", handling(RetainHandling::DoNotSend), None);
    assert_eq!(world.heard("a"), NOTHING);
    world.subscribe_with("a", "t", handling(RetainHandling::SendIfNew), None);
    assert_eq!(world.heard("a"), NOTHING, "it is not new");
    world.subscribe_with("a", "t", handling(RetainHandling::Send), Some(7));
    assert_eq!(world.heard("a"), ["t=1 retained ids 7"]);
    world.unsubscribe("a", "t");
    world.subscribe_with("a", "t", handling(RetainHandling::SendIfNew), None);
    assert_eq!(world.heard("a"), ["t=1 retained"]);
    world.end();
}

#[test]
fn each_subscription_brings_its_own_and_a_shared_one_none() {
    let mut world = World::new();
    world.connect(v3("b"));
    world.publish_retained("b", "t/1", "x", 0);
    world.connect(v5("a"));
    world.subscribe_with("a", "t/+", at(0), Some(1));
    world.subscribe_with("a", "t/#", at(0), Some(2));
    world.subscribe_with("a", "$share/g/t/#", at(0), Some(3));
    assert_eq!(world.heard("a"), ["t/1=x retained ids 1", "t/1=x retained ids 2"]);
    world.end();
}

#[test]
fn no_local_means_its_own_retained_ones_too() {
    let mut world = World::new();
    world.connect(v5("a"));
    world.publish_retained("a", "t/own", "x", 0);
    world.connect(v5("b"));
    world.publish_retained("b", "t/other", "y", 0);
    world.subscribe_with("a", "t/#", SubscribeOptions { no_local: true, ..at(0) }, None);
    assert_eq!(world.heard("a"), ["t/other=y retained"]);
    world.end();
}

#[test]
fn what_expires_is_gone_and_what_has_not_says_when() {
    let mut world = World::new();
    world.connect(v5("b"));
    world.publish_with("b", expiring("t", "1", 10).retain(true), 0);
    world.publish_with("b", expiring("u", "2", 100).retain(true), 0);
    world.pass_ms(4_001);
    world.connect(v5("a"));
    world.subscribe("a", "t", 0);
    assert_eq!(world.heard("a"), ["t=1 retained expires 6"]);
    world.pass(6);
    world.subscribe("a", "#", 0);
    assert_eq!(world.heard("a"), ["u=2 retained expires 90"]);
    assert_eq!(world.machine.broker.retained(), 1);
    world.publish_with("b", expiring("u", "3", 200).retain(true), 0);
    world.pass(150);
    assert_eq!(world.machine.broker.retained(), 1, "the timer of the old value is gone");
    world.pass(50);
    assert_eq!(world.machine.broker.retained(), 0);
    world.end();
}

#[test]
fn system_topics_are_not_under_a_leading_wildcard() {
    let mut world = World::new();
    world.connect(v3("b"));
    world.publish_retained("b", "$x/1", "x", 0);
    world.publish_retained("b", "y/1", "y", 0);
    world.connect(v3("a"));
    world.subscribe("a", "#", 0);
    assert_eq!(world.heard("a"), ["y/1=y retained"]);
    world.subscribe("a", "+/1", 0);
    assert_eq!(world.heard("a"), ["y/1=y retained"]);
    world.subscribe("a", "$x/+", 0);
    assert_eq!(world.heard("a"), ["$x/1=x retained"]);
    world.end();
}

/// 100,000 retained messages, little room, a small window: every one comes, in order, once.
#[test]
fn a_subscription_to_everything_needs_no_memory_for_it() {
    const COUNT: usize = 100_000;
    let mut world = World::with(|options| {
        options.room = 200;
        options.max_queued_messages = 5;
    });
    world.connect(v3("b"));
    for n in 0..COUNT {
        world.publish_retained("b", &format!("t/{n:05}"), "x", u8::from(n % 2 == 0));
        world.people.get_mut("b").unwrap().next_id = 0;
        world.said.clear();
    }
    world.connect(v3("a"));
    world.subscribe("a", "t/#", 1);
    world.pass(60);
    let mut heard = world.heard("a");
    // QoS 0 may overtake QoS 1 on its way.
    heard.sort();
    assert_eq!(heard.len(), COUNT);
    assert!(heard.iter().enumerate().all(|(n, line)| line.starts_with(&format!("t/{n:05}="))));
    assert_eq!(world.machine.broker.counters().dropped_in_all(), 0);
    for person in world.people.values_mut() {
        person.next_id = 0;
    }
    for n in 0..COUNT {
        world.publish_retained("b", &format!("t/{n:05}"), "", 0);
        world.said.clear();
    }
    world.heard("a");
    world.end();
}

#[test]
fn a_kept_session_goes_on_where_it_was_cut() {
    let mut world = World::new();
    world.connect(v3("b"));
    for n in 0..9 {
        world.publish_retained("b", &format!("t/{n}"), "old", 1);
    }
    world.silence("a");
    world.connect(v5_narrow("a", 60, 2));
    world.subscribe("a", "t/+", 1);
    assert_eq!(world.heard("a"), ["t/0=old q1 #1 retained", "t/1=old q1 #2 retained"]);
    world.send("a", &Packet::PubAck(ack(1)));
    assert_eq!(world.heard("a"), ["t/2=old q1 #3 retained"]);
    world.machine.check_replay();
    world.cut("a");
    world.publish_retained("b", "t/1", "passed", 1);
    world.publish_retained("b", "t/5", "", 1);
    world.publish_retained("b", "t/6", "to come", 1);
    world.answer("a");
    world.connect(v5_kept("a", 60));
    assert_eq!(
        world.heard("a"),
        [
            "t/1=old q1 #2 dup retained",
            "t/2=old q1 #3 dup retained",
            "t/1=passed q1 #4",
            "t/5= q1 #5",
            "t/6=to come q1 #6",
            "t/3=old q1 #7 retained",
            "t/4=old q1 #8 retained",
            "t/6=to come q1 #9 retained",
            "t/7=old q1 #10 retained",
            "t/8=old q1 #11 retained",
        ]
    );
    world.end();
}

/// Of five retained messages "a" has been sent one, and does not acknowledge it.
fn first_of_five() -> World {
    let mut world = World::with(|options| options.max_inflight_messages = 1);
    world.connect(v3("b"));
    for n in 0..5 {
        world.publish_retained("b", &format!("t/{n}"), "x", 1);
    }
    world.silence("a");
    world.connect(v3_kept("a"));
    world.subscribe("a", "t/+", 1);
    world
}

#[test]
fn unsubscribing_stops_what_is_still_to_come() {
    let mut world = first_of_five();
    assert_eq!(world.heard("a"), ["t/0=x q1 #1 retained"]);
    world.unsubscribe("a", "t/+");
    world.send("a", &Packet::PubAck(ack(1)));
    assert_eq!(world.heard("a"), NOTHING);
    world.end();
}

/// A connection that can take nothing moves no cursor, so nothing of it need be recorded.
#[test]
fn a_cursor_that_stands_still_is_not_recorded() {
    let mut world = first_of_five();
    let records = world.machine.disk.records().len();
    for _ in 0..10 {
        world.publish("b", "t/0", "qos 0", 0);
    }
    assert_eq!(world.machine.disk.records().len(), records);
    world.end();
}

#[test]
fn a_paused_scan_goes_on_by_itself() {
    let mut world = World::with(|options| options.retained_budget = 10);
    world.connect(v3("b"));
    for n in 0..100 {
        world.publish_retained("b", &format!("t/{n:02}/x"), "x", 0);
    }
    world.publish_retained("b", "t/99/y", "y", 0);
    world.connect(v3("a"));
    world.subscribe("a", "t/+/y", 0);
    world.subscribe("a", "+/50/x", 0);
    world.pass(1);
    assert_eq!(world.heard("a"), ["t/50/x=x retained", "t/99/y=y retained"]);
    world.end();
}
