//! The budget of memory: what is refused in which order, who waits, and what makes them go on.

use mqtt_broker::broker::Options;
use mqtt_broker::codec::Packet;
use mqtt_broker::metrics::{DropReason, Refusal};

use super::World;
use super::words::{ack, message, v3, v3_kept, v5, v5_kept};

const NOTHING: [&str; 0] = [];

const LIMIT: u64 = 100_000;

fn limited(options: &mut Options) {
    options.memory_limit = LIMIT;
    options.stalled_timeout_ms = 10_000;
    options.queue_qos0_messages = true;
}

fn with_limit() -> World {
    let mut world = World::with(limited);
    // Records would keep the messages they are about.
    world.machine.disk.is_forgetful = true;
    world
}

/// "store" is away and keeps everything on "s", "b" speaks 5.0, "c" 3.1.1.
fn world() -> World {
    let mut world = with_limit();
    world.connect(v3_kept("store"));
    world.subscribe("store", "s", 1);
    world.cut("store");
    world.connect(v5("b"));
    world.connect(v3("c"));
    world
}

fn used(world: &World) -> u64 {
    world.machine.broker.gauge().total() as u64
}

/// Fills memory up to a share of the limit with messages for who is away.
fn fill(world: &mut World, percent: u64) {
    while used(world) < LIMIT * percent / 100 {
        let left = LIMIT * percent / 100 - used(world);
        let len = usize::try_from(left.min(1000)).unwrap();
        world.publish("b", "s", &"x".repeat(len.saturating_sub(200).max(1)), 1);
    }
}

#[test]
fn first_new_clients_are_refused() {
    let mut world = world();
    fill(&mut world, 75);
    for (connect, refused) in [(v5("new"), "0x89"), (v3("older"), "0x88")] {
        let name = connect.client_id.clone();
        world.call(connect);
        assert_eq!(world.heard(&name), [format!("connack refused {refused}")]);
        assert!(!world.is_connected(&name));
    }
    assert_eq!(world.refusals(Refusal::MemoryConnect), 2);
    // Everything else goes on, and who has a session may come back.
    assert_eq!(world.subscribe("c", "x", 1), 1);
    world.publish_retained("c", "new/topic", "x", 1);
    assert_eq!(world.refusals(Refusal::MemoryRetained), 0);
    assert!(world.connect(v3_kept("store")).session_present);
    world.connect(v3("new"));
    world.lift();
    world.end();
}

#[test]
fn then_new_topics_retain_nothing() {
    let mut world = world();
    world.publish_retained("b", "old", "x", 1);
    world.subscribe("c", "new", 0);
    fill(&mut world, 80);
    world.say("b", message("old", "y").retain(true), 1);
    world.say("b", message("new", "z").retain(true), 1);
    let heard = world.heard("b");
    assert!(heard[0].starts_with("puback") && !heard[0].ends_with("0x97"), "{heard:?}");
    assert!(heard[1].ends_with("0x97"), "{heard:?}");
    assert_eq!(world.heard("c"), ["new=z"], "it is delivered");
    assert_eq!(world.refusals(Refusal::MemoryRetained), 1);
    world.lift();
    world.end();
}

#[test]
fn then_qos_0_is_not_queued() {
    let mut world = world();
    fill(&mut world, 85);
    world.say("c", message("s", "low"), 0);
    world.say("c", message("s", "high"), 1);
    assert_eq!(world.dropped(DropReason::Memory), 1);
    assert_eq!(world.heard("c"), ["puback #1"]);
    world.lift();
    world.connect(v3_kept("store"));
    let heard = world.heard("store");
    assert!(heard.iter().any(|line| line.starts_with("s=high")));
    assert!(!heard.iter().any(|line| line.starts_with("s=low")));
    world.end();
}

#[test]
fn then_new_subscriptions_are_refused() {
    let mut world = world();
    world.subscribe("b", "old", 1);
    fill(&mut world, 90);
    assert_eq!(world.subscribe("b", "old", 0), 0, "replaced");
    assert_eq!(world.subscribe("b", "new", 1), 0x97);
    assert_eq!(world.subscribe("c", "new", 1), 0x80);
    assert_eq!(world.refusals(Refusal::MemorySubscription), 2);
    world.lift();
    world.end();
}

#[test]
fn then_publishers_wait_until_memory_is_free() {
    let mut world = world();
    fill(&mut world, 95);
    for (name, level) in [("b", 0), ("c", 1)] {
        world.say(name, message("s", "waits"), level);
        assert!(world.is_held(name), "{name}");
    }
    assert_eq!(world.heard("c"), NOTHING);
    assert_eq!(world.machine.broker.waiting(), 2);
    // Who is away comes back and takes what waits for him.
    world.silence("store");
    world.connect(v3_kept("store"));
    world.answer("store");
    let sent = world.heard("store");
    for packet in 1..=sent.len() {
        world.send("store", &Packet::PubAck(ack(u16::try_from(packet).unwrap())));
    }
    world.send("store", &Packet::PingReq);
    assert!(!world.is_held("b") && !world.is_held("c"));
    assert_eq!(world.heard("c"), ["puback #1"]);
    assert_eq!(world.machine.broker.counters().dropped_in_all(), 0);
    let heard = world.heard("store");
    assert!(heard.iter().filter(|line| line.starts_with("s=waits")).count() == 2, "{heard:?}");
    world.end();
}

/// What frees memory goes on while publishers wait: acknowledgements, ends, clearing.
#[test]
fn control_packets_are_never_held() {
    let mut world = with_limit();
    world.connect(v3_kept("store"));
    world.subscribe("store", "s", 1);
    world.cut("store");
    for name in ["b", "d"] {
        world.connect(v5(name));
    }
    fill(&mut world, 95);
    world.say("b", message("s", "waits"), 1);
    assert!(world.is_held("b"));
    world.send("d", &Packet::PingReq);
    world.unsubscribe("d", "nothing");
    assert_eq!(world.heard("d"), ["pingresp"]);
    world.disconnect("d");
    // A session that ends is enough.
    world.connect(v3("store"));
    world.send("store", &Packet::PingReq);
    assert!(!world.is_held("b"));
    world.end();
}

#[test]
fn a_5_0_publisher_that_has_waited_in_vain_is_told() {
    let mut world = world();
    fill(&mut world, 95);
    world.say("b", message("s", "waits"), 1);
    world.say("b", message("s", "behind it"), 2);
    world.say("b", message("s", "and QoS 0"), 0);
    world.send("b", &Packet::PingReq);
    world.heard("b");
    world.pass_ms(9_999);
    assert!(world.is_held("b"));
    world.pass_ms(1);
    // From here on it is refused at once, so that what comes behind is read.
    assert!(!world.is_held("b"));
    let heard = world.heard("b");
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert_eq!(heard.iter().filter(|line| line.ends_with("0x97")).count(), 2, "{heard:?}");
    assert!(heard.contains(&"pingresp".into()));
    assert_eq!(world.refusals(Refusal::MemoryPublish), 3);
    // Until there is memory again, and the next shortage.
    world.connect(v3("store"));
    world.say("b", message("x", "taken"), 1);
    assert!(world.heard("b")[0].ends_with("0x10"));
    world.connect(v3_kept("store"));
    world.subscribe("store", "s", 1);
    world.cut("store");
    fill(&mut world, 95);
    world.say("b", message("s", "waits"), 1);
    assert!(world.is_held("b"));
    world.lift();
    world.end();
}

#[test]
fn an_older_publisher_that_has_waited_in_vain_is_disconnected() {
    let mut world = world();
    fill(&mut world, 95);
    world.say("c", message("s", "waits"), 1);
    world.pass(10);
    assert!(!world.is_connected("c"), "it was never acknowledged, so it still has it");
    assert_eq!(world.heard("c"), NOTHING);
    assert_eq!(world.refusals(Refusal::MemoryPublish), 1);
    assert_eq!(world.machine.broker.waiting(), 0);
    world.lift();
    world.end();
}

/// QoS 0 of an older client is dropped, and it goes on.
#[test]
fn qos_0_that_has_waited_in_vain_is_dropped() {
    let mut world = world();
    fill(&mut world, 95);
    world.say("c", message("s", "waits"), 0);
    world.pass(10);
    assert!(world.is_connected("c") && !world.is_held("c"));
    assert_eq!(world.refusals(Refusal::MemoryPublish), 1);
    world.lift();
    world.end();
}

/// The publisher that waits is the slow subscriber, too: his acknowledgements come behind what he
/// publishes, and they are what would make memory free.
#[test]
fn who_has_messages_to_acknowledge_waits_last() {
    let mut world = with_limit();
    world.silence("both");
    world.connect(v3_kept("both"));
    world.subscribe("both", "s", 1);
    world.connect(v5_kept("b", 10));
    fill(&mut world, 95);
    let sent = world.heard("both").len();
    world.answer("both");
    // Its client library sends again what it has before it answers what it gets.
    for n in 0..3 {
        world.say("both", message("other", &n.to_string()), 1);
        assert!(!world.is_held("both"), "{n}");
    }
    world.say("b", message("s", "waits"), 1);
    assert!(world.is_held("b"), "who has nothing to acknowledge waits");
    for packet_id in 1..=sent {
        world.send("both", &Packet::PubAck(ack(u16::try_from(packet_id).unwrap())));
    }
    world.send("both", &Packet::PingReq);
    assert!(!world.is_held("b"));
    assert_eq!(world.machine.broker.counters().dropped_in_all(), 0);
    world.end();
}

/// Even he waits in the end, and not for ever.
#[test]
fn everybody_waits_at_the_limit() {
    let mut world = with_limit();
    world.silence("both");
    world.connect(v5_kept("both", 100));
    world.subscribe("both", "s", 1);
    let payload = "x".repeat(1000);
    for _ in 0..200 {
        if world.is_held("both") {
            break;
        }
        world.say("both", message("s", &payload), 1);
    }
    assert!(world.is_held("both"));
    // One that was taken just below it, and the one that waits.
    assert!(used(&world) <= LIMIT + 2 * 1200, "{}", used(&world));
    world.pass(10);
    assert!(!world.is_held("both") && world.is_connected("both"));
    assert!(world.heard("both").last().unwrap().ends_with("0x97"));
    world.lift();
    world.end();
}
