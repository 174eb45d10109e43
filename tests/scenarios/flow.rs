//! What one connection takes at a time: quota, room, packet size.

use mqtt_broker::codec::Packet;
use mqtt_broker::metrics::DropReason;

use super::World;
use super::words::{ack, message, v3, v3_kept, v5, v5_kept, v5_narrow};

const NOTHING: [&str; 0] = [];

#[test]
fn no_more_than_receive_maximum_is_on_its_way() {
    let mut world = World::new();
    world.silence("a");
    world.connect(v5_narrow("a", 60, 2));
    world.subscribe("a", "t", 2);
    world.connect(v3("b"));
    for (payload, level) in [("1", 2), ("2", 1), ("3", 2), ("4", 1)] {
        world.publish("b", "t", payload, level);
    }
    assert_eq!(world.heard("a"), ["t=1 q2 #1", "t=2 q1 #2"]);
    world.send("a", &Packet::PubRec(ack(1)));
    assert_eq!(world.heard("a"), ["pubrel #1"]);
    world.send("a", &Packet::PubAck(ack(2)));
    assert_eq!(world.heard("a"), ["t=3 q2 #3"]);
    world.send("a", &Packet::PubComp(ack(1)));
    assert_eq!(world.heard("a"), ["t=4 q1 #4"]);
    world.send("a", &Packet::PubComp(ack(1)));
    world.publish("b", "t", "5", 1);
    assert_eq!(world.heard("a"), NOTHING, "an acknowledgement in vain gives nothing");
    world.end();
}

#[test]
fn the_quota_starts_full_with_every_connection() {
    let mut world = World::new();
    world.silence("a");
    for round in 0..3 {
        world.connect(v5_narrow("a", 60, 1));
        world.subscribe("a", "t", 1);
        world.connect(v3("b"));
        if round == 0 {
            world.publish("b", "t", "1", 1);
            assert_eq!(world.heard("a"), ["t=1 q1 #1"]);
        } else {
            assert_eq!(world.heard("a"), ["t=1 q1 #1 dup"]);
        }
        world.cut("a");
    }
    world.end();
}

#[test]
fn a_3_x_client_has_the_configured_window() {
    let mut world = World::with(|options| options.max_inflight_messages = 3);
    world.silence("a");
    world.connect(v3("a"));
    world.subscribe("a", "t", 1);
    world.connect(v3("b"));
    for payload in ["1", "2", "3", "4"] {
        world.publish("b", "t", payload, 1);
    }
    assert_eq!(world.heard("a"), ["t=1 q1 #1", "t=2 q1 #2", "t=3 q1 #3"]);
    world.publish("b", "t", "0", 0);
    assert_eq!(world.heard("a"), ["t=0"], "QoS 0 does not wait for acknowledgements");
    world.end();
}

#[test]
fn more_than_our_receive_maximum_ends_the_connection() {
    let mut world = World::with(|options| options.receive_maximum = 2);
    world.connect(v5("b"));
    for packet_id in 1..=2 {
        let publish = message("t", "x").exactly_once(super::words::id(packet_id));
        world.send("b", &Packet::Publish(publish));
    }
    world.send("b", &Packet::PubRel(ack(1)));
    world.send("b", &Packet::Publish(message("t", "x").exactly_once(super::words::id(3))));
    world.send("b", &Packet::Publish(message("t", "x").at_least_once(super::words::id(4))));
    assert_eq!(world.heard("b").last().unwrap(), "disconnect 0x93");
    world.end();
}

/// They cannot be told of it: what they have open costs identifiers only.
#[test]
fn a_3_x_client_may_have_more_on_their_way_than_our_receive_maximum() {
    let mut world = World::with(|options| options.receive_maximum = 2);
    world.connect(v3("a"));
    world.subscribe("a", "t", 0);
    world.connect(v3("b"));
    for packet_id in 1..=4 {
        let publish = message("t", "x").exactly_once(super::words::id(packet_id));
        world.send("b", &Packet::Publish(publish));
    }
    assert_eq!(world.heard("b"), ["pubrec #1", "pubrec #2", "pubrec #3", "pubrec #4"]);
    assert_eq!(world.heard("a"), ["t=x"; 4], "passed on when it came");
    world.end();
}

/// A reader that stops fills its room, then its queue; when it reads again all comes in order.
#[test]
fn what_finds_no_room_waits_and_loses_nothing() {
    let mut world = World::with(|options| {
        options.room = 300;
        options.max_inflight_messages = 1000;
        options.stalled_timeout_ms = 60_000;
    });
    world.connect(v5_kept("a", 60));
    world.subscribe("a", "t", 1);
    world.connect(v3("b"));
    world.stall("a");
    let mut expected = Vec::new();
    for n in 0..200_u16 {
        let level = u8::from(n % 3 == 0);
        world.publish("b", "t", &format!("{n}"), level);
        expected.push(n);
    }
    world.pass(59);
    world.unstall("a");
    let heard = world.heard("a");
    assert_eq!(heard.len(), 200);
    for is_qos1 in [false, true] {
        let of = |line: &&String| line.contains(" q1") == is_qos1;
        let heard: Vec<u16> = heard.iter().filter(of).map(|line| number(line)).collect();
        let expected: Vec<u16> =
            expected.iter().copied().filter(|n| (n % 3 == 0) == is_qos1).collect();
        assert_eq!(heard, expected, "order is kept per QoS");
    }
    assert_eq!(world.machine.broker.counters().dropped_in_all(), 0);
    world.pass(1000);
    assert!(world.is_connected("a"), "nothing waits any more");
    world.end();
}

fn number(line: &str) -> u16 {
    let text = line.split(['=', ' ']).nth(1).unwrap();
    text.parse().unwrap()
}

/// A message larger than all the room there is goes out when the output is empty: it must not
/// stop everything behind it for ever.
#[test]
fn a_message_larger_than_the_room_goes_out_alone() {
    let mut world = World::with(|options| options.room = 100);
    world.connect(v3_kept("a"));
    world.subscribe("a", "t", 1);
    world.connect(v3("b"));
    let large = "x".repeat(500);
    world.publish("b", "t", &large, 1);
    world.publish("b", "t", "after", 1);
    assert_eq!(world.heard("a"), [format!("t={large} q1 #1"), "t=after q1 #2".into()]);
    world.stall("a");
    world.publish("b", "t", "small", 0);
    world.publish("b", "t", &large, 0);
    world.publish("b", "t", "last", 0);
    world.unstall("a");
    assert_eq!(world.heard("a"), ["t=small".to_owned(), format!("t={large}"), "t=last".into()]);
    world.stall("a");
    world.publish("b", "t", &large, 1);
    world.cut("a");
    world.unstall("a");
    world.connect(v3_kept("a"));
    assert_eq!(world.heard("a"), [format!("t={large} q1 #3 dup")]);
    world.end();
}

/// Room is charged and given back to the byte, whatever is sent: else a link would stop in time.
#[test]
fn room_returns_to_full() {
    let mut world = World::with(|options| options.room = 1000);
    world.connect(v5_kept("a", 60));
    let options = super::words::at(2);
    world.subscribe_with("a", "t/#", options, Some(268_435_455));
    world.subscribe_with("a", "t/+", options, Some(1));
    world.connect(v5("b"));
    for n in 0..2000_usize {
        let mut publish = message("t/x", &"y".repeat(n % 300));
        publish.properties.message_expiry_interval = (n % 3 == 0).then_some(100);
        publish.properties.content_type = (n % 5 == 0).then(|| "text".into());
        publish.properties.user_properties = vec![("k".into(), "v".into()); n % 4];
        world.publish_with("b", publish, u8::try_from(n % 3).unwrap());
        world.said.clear();
    }
    assert_eq!(world.heard("a").iter().filter(|line| line.starts_with("t/x")).count(), 2000);
    // A link with its room full has no timer that could fire for it.
    world.pass(10_000);
    assert!(world.is_connected("a"));
    world.end();
}

#[test]
fn a_peer_that_takes_nothing_is_disconnected() {
    let mut world = World::with(|options| options.stalled_timeout_ms = 30_000);
    world.connect(super::words::with_will(v3_kept("a"), "will", 0));
    world.subscribe("a", "t", 1);
    world.connect(v3("b"));
    world.subscribe("b", "will", 0);
    world.stall("a");
    world.publish("b", "t", "1", 1);
    world.pass_ms(29_000);
    let said = world.machine.written(world.conn("a"), 5);
    world.settle(said);
    world.pass_ms(29_999);
    assert!(world.is_connected("a"), "it took something");
    world.pass_ms(1);
    assert!(!world.is_connected("a"));
    assert_eq!(world.heard("b"), ["will=gone"]);
    world.unstall("a");
    world.connect(v3_kept("a"));
    assert_eq!(world.heard("a"), ["t=1 q1 #1 dup"]);
    world.end();
}

#[test]
fn what_is_larger_than_the_client_takes_is_dropped_and_counted() {
    let mut world = World::new();
    let mut connect = v5("a");
    connect.properties.maximum_packet_size = Some(50);
    world.connect(connect);
    world.subscribe("a", "t", 1);
    world.connect(v3("b"));
    // 1 type, 1 length, 3 topic, 2 identifier, 1 properties: 42 bytes of payload fit.
    world.publish("b", "t", &"x".repeat(43), 1);
    world.publish("b", "t", &"x".repeat(42), 1);
    assert_eq!(world.heard("a"), [format!("t={} q1 #1", "x".repeat(42))]);
    assert_eq!(world.dropped(DropReason::TooLarge), 1);
    world.end();
}
