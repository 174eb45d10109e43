//! The gate: which record a packet waits for, and that records make the same broker again.

use mqtt_broker::broker::Seq;
use mqtt_broker::codec::Packet;
use mqtt_broker::persistence::{GroupChange, Record};

use super::World;
use super::words::{ack, id, message, v3, v3_kept, v5, v5_kept, with_will};
use crate::machine::{Said, show};

const NOTHING: [&str; 0] = [];

/// What was said to a client since last looked at, with the record it waits for.
fn gates(world: &mut World, name: &str) -> Vec<(String, Seq)> {
    let to = world.conn(name);
    let said = std::mem::take(&mut world.said);
    let gates = said.into_iter().filter_map(|said| match said {
        Said::Sent { conn, packet, after } if conn == to => Some((show(&packet), after)),
        Said::Delivered { target, publish } if target.conn == to => {
            Some((show(&Packet::Publish(publish)), target.after))
        }
        _ => None,
    });
    gates.collect()
}

fn newest(world: &World) -> Seq {
    world.machine.disk.newest()
}

#[test]
fn what_a_kept_session_is_told_rests_on_all_records_so_far() {
    let mut world = World::new();
    world.silence("a");
    world.connect(v3_kept("a"));
    assert_eq!(gates(&mut world, "a"), [("connack".into(), newest(&world))]);
    assert!(newest(&world) > Seq(0));
    world.subscribe("a", "t", 2);
    assert_eq!(gates(&mut world, "a"), [("suback #1 2".into(), newest(&world))]);
    world.send("a", &Packet::Publish(message("u", "x").at_least_once(id(9))));
    assert_eq!(gates(&mut world, "a"), [("puback #9".into(), newest(&world))]);
    world.send("a", &Packet::Publish(message("t", "x").exactly_once(id(9))));
    let said = gates(&mut world, "a");
    assert_eq!(said[0].0, "t=x q2 #1");
    assert_eq!(said[1], ("pubrec #9".into(), newest(&world)));
    world.send("a", &Packet::PubRel(ack(9)));
    assert_eq!(gates(&mut world, "a"), [("pubcomp #9".into(), newest(&world))]);
    world.send("a", &Packet::PubRec(ack(1)));
    assert_eq!(gates(&mut world, "a"), [("pubrel #1".into(), newest(&world))]);
    world.send("a", &Packet::PubComp(ack(1)));
    world.unsubscribe("a", "t");
    assert_eq!(gates(&mut world, "a"), [("unsuback #2 ".into(), newest(&world))]);
    world.end();
}

#[test]
fn what_a_clean_session_is_told_waits_for_nothing_it_did_not_change() {
    let mut world = World::new();
    world.silence("a");
    world.silence("other");
    world.connect(v3_kept("other"));
    world.subscribe("other", "kept", 1);
    world.connect(v3("a"));
    world.subscribe("a", "t", 2);
    world.send("a", &Packet::Publish(message("t", "x").at_least_once(id(9))));
    world.send("a", &Packet::PubAck(ack(1)));
    world.send("a", &Packet::Publish(message("u", "x").exactly_once(id(9))));
    world.send("a", &Packet::PubRel(ack(9)));
    let said = gates(&mut world, "a");
    assert!(said.len() >= 6, "{said:?}");
    assert!(said.iter().all(|(_, after)| *after == Seq(0)), "{said:?}");
    // A message for a kept session is durable before it is acknowledged.
    world.send("a", &Packet::Publish(message("kept", "x").at_least_once(id(9))));
    assert_eq!(gates(&mut world, "a"), [("puback #9".into(), newest(&world))]);
    // So is a retained one.
    world.send("a", &Packet::Publish(message("u", "x").at_least_once(id(9)).retain(true)));
    assert_eq!(gates(&mut world, "a"), [("puback #9".into(), newest(&world))]);
    // And a repeated QoS 2 message waits for what its first copy changed.
    let publish = message("kept", "x").exactly_once(id(10));
    world.send("a", &Packet::Publish(publish.clone()));
    let first = gates(&mut world, "a");
    world.send("a", &Packet::Publish(publish));
    let second = gates(&mut world, "a");
    assert_eq!(first[0].0, "pubrec #10");
    assert!(second[0].1 >= first[0].1);
    world.end();
}

/// A deletion that finds nothing to delete promises what an earlier one did.
#[test]
fn a_retained_message_that_is_gone_already_is_gone_for_good_when_that_is_acknowledged() {
    let mut world = World::new();
    world.connect(v3("a"));
    world.send("a", &Packet::Publish(message("t", "x").at_least_once(id(1)).retain(true)));
    assert_eq!(world.heard("a"), ["puback #1"]);
    for (number, qos) in [(2, 1), (3, 2)] {
        world.machine.disk.is_slow = true;
        world.send("a", &Packet::Publish(message("t", "").retain(true)));
        let again = message("t", "").retain(true);
        let (again, answer) = match qos {
            1 => (again.at_least_once(id(number)), "puback"),
            _ => (again.exactly_once(id(number)), "pubrec"),
        };
        world.send("a", &Packet::Publish(again));
        assert_eq!(world.heard("a"), NOTHING, "the first deletion is not durable");
        world.machine.disk.finish(world.machine.now);
        world.settle(Vec::new());
        assert_eq!(world.heard("a"), [format!("{answer} #{number}")]);
        world.machine.disk.is_slow = false;
        world.send("a", &Packet::Publish(message("t", "x").retain(true)));
    }
    world.end();
}

/// A client that was told that its old session is gone must not find it again after a crash.
#[test]
fn a_clean_start_rests_on_the_end_of_the_old_session() {
    let mut world = World::new();
    world.connect(v3_kept("a"));
    world.subscribe("a", "t", 1);
    world.machine.disk.is_slow = true;
    world.call(v3("a"));
    assert_eq!(world.heard("a"), NOTHING);
    world.machine.disk.finish(world.machine.now);
    world.settle(Vec::new());
    assert_eq!(world.heard("a"), ["connack"]);
    world.call(v3("a"));
    assert_eq!(world.heard("a"), ["connack"], "nothing kept has changed");
    world.end();
}

/// Nor must one that was told so only by the second connection, or after the session expired.
#[test]
fn a_new_session_rests_on_the_end_of_those_before() {
    let mut world = World::new();
    world.connect(v3_kept("a"));
    world.machine.disk.is_slow = true;
    world.call(v3("a"));
    world.cut("a");
    world.call(v3("a"));
    assert_eq!(world.heard("a"), NOTHING, "the first session may still come back");
    world.machine.disk.finish(world.machine.now);
    world.settle(Vec::new());
    assert_eq!(world.heard("a"), ["connack"]);
    world.machine.disk.is_slow = false;
    world.connect(v5_kept("b", 1));
    world.cut("b");
    world.machine.disk.is_slow = true;
    world.pass(1);
    world.call(v5("b"));
    assert_eq!(world.heard("b"), NOTHING, "the end of the old one is not durable");
    world.machine.disk.finish(world.machine.now);
    world.settle(Vec::new());
    assert_eq!(world.heard("b").len(), 1);
    world.end();
}

#[test]
fn slow_storage_holds_back_what_rests_on_it_and_nothing_else() {
    let mut world = World::new();
    world.connect(v3_kept("a"));
    world.subscribe("a", "t", 1);
    world.connect(v3("b"));
    world.machine.disk.is_slow = true;
    world.send("b", &Packet::Publish(message("t", "1").at_least_once(id(1))));
    world.send("b", &Packet::Publish(message("t", "2")));
    world.send("b", &Packet::PingReq);
    world.send("b", &Packet::Publish(message("u", "3").at_least_once(id(2))));
    assert_eq!(world.heard("b"), ["pingresp"]);
    assert_eq!(world.heard("a"), ["t=2"]);
    world.machine.disk.finish(world.machine.now);
    world.settle(Vec::new());
    assert_eq!(world.heard("b"), ["puback #1", "puback #2"]);
    assert_eq!(world.heard("a"), ["t=1 q1 #1"]);
    world.end();
}

#[test]
fn goodbye_discards_what_waits_for_storage() {
    let mut world = World::new();
    world.connect(v5_kept("a", 60));
    world.machine.disk.is_slow = true;
    world.send("a", &Packet::Publish(message("t", "1").at_least_once(id(1)).retain(true)));
    let old = world.conn("a");
    world.call(v5_kept("a", 60));
    assert!(!world.machine.is_there(old), "only DISCONNECT was left to send");
    assert_eq!(world.heard("a"), NOTHING, "CONNACK promises a session");
    world.end();
}

/// A life with everything in it, replayed after each step, cut short after each unit.
#[test]
fn records_make_the_same_broker_at_every_step() {
    let mut world = World::with(|options| options.max_inflight_messages = 2);
    for name in ["a", "c"] {
        world.silence(name);
    }
    world.connect(with_will(v5_kept("a", 60), "will", 10));
    world.subscribe_with("a", "t/#", super::words::at(2), Some(5));
    world.subscribe("a", "$share/g/s", 1);
    world.connect(v3_kept("b"));
    world.connect(v3("c"));
    world.subscribe("c", "$share/g/s", 2);
    for n in 0..6 {
        world.publish("b", "t/x", &n.to_string(), n % 3);
        world.publish_retained("b", &format!("r/{n}"), "kept", n % 3);
        world.publish("b", "s", &n.to_string(), n % 3);
        world.machine.check_replay();
    }
    world.subscribe("a", "r/+", 1);
    world.machine.check_replay();
    world.send("b", &Packet::Publish(message("t/x", "taken").exactly_once(id(60_000))));
    world.send("a", &Packet::PubAck(ack(1)));
    world.machine.check_replay();
    world.send("a", &Packet::PubRec(ack(2)));
    world.machine.check_replay();
    world.cut("a");
    world.machine.check_replay();
    world.pass(10);
    world.machine.check_replay();
    world.connect(v5_kept("a", 30));
    world.publish_retained("b", "r/1", "", 1);
    world.unsubscribe("a", "r/+");
    world.machine.check_replay();
    world.cut("c");
    world.machine.check_replay();
    world.cut("a");
    world.pass(30);
    world.machine.check_replay();
    for count in 0..world.machine.disk.records().len() {
        let _ = world.machine.replayed(count).snapshot();
    }
    world.end();
}

#[test]
fn after_a_crash_sessions_go_on_and_wills_count_from_then() {
    let mut world = World::new();
    world.silence("a");
    world.connect(with_will(v5_kept("a", 60), "t", 10));
    world.subscribe("a", "t", 1);
    world.connect(v3("b"));
    world.publish("b", "t", "1", 1);
    world.publish_retained("b", "r", "kept", 0);
    world.heard("a");
    for person in world.people.values_mut() {
        person.conn = None;
    }
    let all = world.machine.disk.records().len();
    let said = world.machine.crash(all);
    world.settle(said);
    world.machine.check_replay();
    world.pass(10);
    world.connect(v5_kept("a", 60));
    assert_eq!(world.heard("a"), ["t=1 q1 #1 dup", "t=gone"].map(String::from)[..1]);
    assert_eq!(world.machine.broker.retained(), 1);
    world.machine.check_replay();
    world.end();
}

/// Numbers of messages that wait for nobody in particular.
fn waiting(world: &World) -> Vec<u64> {
    let number = |record| match record {
        Record::Group(_, GroupChange::Queued(delivery)) => Some(delivery.message?.number),
        _ => None,
    };
    world.machine.broker.snapshot().into_iter().filter_map(number).collect()
}

/// The store keeps each message once, under its number.
#[test]
fn no_number_is_used_again_of_a_message_that_only_a_shared_subscription_keeps() {
    let mut world = World::new();
    world.connect(v3("b"));
    world.connect(v3_kept("a"));
    world.subscribe("a", "$share/g/t", 1);
    world.cut("a");
    world.send("b", &Packet::Publish(message("t", "1").at_least_once(id(1))));
    let before = waiting(&world);
    assert_eq!(before.len(), 1);
    world.people.remove("b");
    let said = world.machine.crash(world.machine.disk.records().len());
    world.settle(said);
    world.connect(v3("c"));
    world.send("c", &Packet::Publish(message("t", "2").at_least_once(id(1))));
    let after = waiting(&world);
    assert_eq!((after.len(), after[0]), (2, before[0]));
    assert_ne!(after[0], after[1]);
}
