//! The hub with sockets and storage in memory: turns, gates, budgets and ends.

#[cfg(all(feature = "tls", feature = "websocket"))]
mod streams;
mod world;

use super::*;
use crate::codec::{Connect, Packet, Publish, QoS, ReasonCode, Version, Will};
use crate::rng::Rng;
use world::{Undecided, World, bytes_of, id, publish, subscribe};

#[test]
fn it_answers_within_the_turn_and_rests() {
    let mut world = World::new();
    let mut client = world.open(Version::V311);
    let connect = Connect::new("a").keep_alive(0);
    client.send(&mut world, &Packet::Connect(connect));
    client.send(&mut world, &Packet::PingReq);
    world.hub.turn(world.now);
    assert_eq!(client.received(), ["CONNACK", "PINGRESP"]);
    let wire = client.wire.borrow();
    assert_eq!((wire.reads, wire.writes), (1, 1), "one read, as it was short, and one write");
    drop(wire);
    world.now = world.now.plus_ms(Options::default().connect_timeout_ms);
    assert_eq!(world.settle(), None, "no deadline, nothing to do");
    client.end(&mut world);
    world.hub.turn(world.now);
    assert!(client.is_dropped());
    world.finish();
}

#[test]
fn bytes_are_counted_where_they_pass() {
    let mut world = World::new();
    let mut client = world.clean("a", Version::V311);
    let connect = Packet::Connect(Connect::new("a").keep_alive(0));
    let came = bytes_of(&connect, Version::V311).len();
    let traffic = |world: &World| {
        let traffic = world.hub.broker().traffic();
        (traffic.received(), traffic.sent())
    };
    assert_eq!(traffic(&world), (came as u64, 4), "a CONNECT and its CONNACK");
    client.send_bytes(&mut world, b"\xc0\x00\xc0");
    client.give_space(&mut world, 1);
    world.settle();
    assert_eq!(traffic(&world), (came as u64 + 3, 5), "half a PINGREQ, half an answer");
    client.give_space(&mut world, usize::MAX);
    world.settle();
    assert_eq!(traffic(&world), (came as u64 + 3, 6));
    assert_eq!(client.received(), ["PINGRESP"]);
    client.end(&mut world);
    world.finish();
}

#[test]
fn packets_that_wait_are_counted_for_who_wants_to_know() {
    let options = Options { sys_interval: 10, ..Options::default() };
    let mut world = World::with(options, Box::new(crate::session::AllowAll));
    world.hub.begin(world.now);
    let mut watcher = world.clean("w", Version::V311);
    watcher.send(&mut world, &subscribe("$SYS/broker/packet/out/count", QoS::AtMostOnce));
    world.settle();
    assert_eq!(watcher.received(), ["SUBACK", "0"]);
    let stuck = world.clean("s", Version::V311);
    stuck.wire.borrow_mut().space = 0;
    stuck.send_bytes(&mut world, &b"\xc0\x00".repeat(3));
    world.settle();
    world.now = world.now.plus_ms(10_000);
    world.settle();
    assert_eq!(watcher.received(), ["3"]);
    stuck.give_space(&mut world, usize::MAX);
    world.settle();
    world.now = world.now.plus_ms(10_000);
    world.settle();
    assert_eq!(watcher.received(), ["0"]);
    watcher.end(&mut world);
    stuck.end(&mut world);
    world.hub.configure(world.now, Options::default(), None);
    world.finish();
}

#[test]
fn a_connection_that_ends_is_gone_after_one_turn() {
    let mut world = World::new();
    let client = world.clean("a", Version::V311);
    world.now = world.now.plus_ms(Options::default().connect_timeout_ms);
    world.settle();
    client.wire.borrow_mut().to_server.extend(b"\xe0\x00");
    client.end(&mut world);
    assert_eq!(world.hub.turn(world.now), None);
    assert!(client.is_dropped());
}

#[test]
fn a_stream_may_be_split_anywhere() {
    let connect = Connect::new("a").keep_alive(0).version(Version::V5);
    let mut stream = bytes_of(&Packet::Connect(connect), Version::V5);
    stream.extend(bytes_of(&subscribe("t", QoS::AtMostOnce), Version::V5));
    stream.extend(bytes_of(&publish("t", "x"), Version::V5));
    for split in 0..stream.len() {
        let mut world = World::new();
        let mut client = world.open(Version::V5);
        client.send_bytes(&mut world, &stream[..split]);
        world.settle();
        client.send_bytes(&mut world, &stream[split..]);
        world.settle();
        assert_eq!(client.received(), ["CONNACK", "SUBACK", "x"], "split at {split}");
        client.end(&mut world);
        world.finish();
    }
}

#[test]
fn a_limit_of_0_is_no_limit() {
    let options = Options { max_packet_size: 0, ..Options::default() };
    let mut world = World::with(options, Box::new(crate::session::AllowAll));
    let mut client = world.clean("a", Version::V5);
    client.received();
    client.send(&mut world, &publish("t", &"x".repeat(3_000_000)));
    client.send(&mut world, &Packet::PingReq);
    world.settle();
    assert_eq!(client.received(), ["PINGRESP"]);
    client.end(&mut world);
    world.finish();
}

#[test]
fn acknowledgements_wait_for_storage_and_nothing_else_does() {
    let mut world = World::new();
    let mut subscriber = world.kept("s", "t");
    let mut publisher = world.clean("p", Version::V5);
    publisher.send(&mut world, &subscribe("t", QoS::AtMostOnce));
    world.settle();
    publisher.received();
    world.disk.borrow_mut().slow = true;
    let commits = world.disk.borrow().commits;
    let message = Publish::new("t", "promised").at_least_once(id(7));
    publisher.send(&mut world, &Packet::Publish(message));
    publisher.send(&mut world, &publish("t", "free"));
    publisher.send(&mut world, &Packet::PingReq);
    world.settle();
    assert_eq!(world.disk.borrow().commits, commits + 1, "one commit for the turn");
    assert_eq!(publisher.received(), ["promised", "free", "PINGRESP"], "QoS 0 to itself");
    assert_eq!(subscriber.received(), ["free"]);
    let durable = world.disk.borrow().committed;
    world.disk.borrow_mut().durable = durable;
    world.settle();
    assert_eq!(publisher.received(), ["PUBACK"]);
    assert_eq!(subscriber.received(), ["promised"]);
    subscriber.end(&mut world);
    publisher.end(&mut world);
    world.finish();
}

#[test]
fn disconnect_discards_what_waits_for_storage() {
    let mut world = World::new();
    let mut subscriber = world.kept("s", "t");
    let mut publisher = world.clean("p", Version::V5);
    world.disk.borrow_mut().slow = true;
    let message = Publish::new("t", "promised").at_least_once(id(7));
    publisher.send(&mut world, &Packet::Publish(message));
    world.settle();
    world.hub.stop(world.now);
    world.settle();
    assert_eq!(publisher.received(), ["DISCONNECT"]);
    assert_eq!(subscriber.received(), ["DISCONNECT"]);
    assert!(publisher.is_shut() && !publisher.is_dropped());
    publisher.end(&mut world);
    world.settle();
    assert!(publisher.is_dropped() && !subscriber.is_dropped());
    world.finish();
    assert!(subscriber.is_dropped(), "its time is over");
}

#[test]
fn failed_storage_stops_promises_and_nothing_else() {
    let mut world = World::new();
    let mut subscriber = world.kept("s", "t");
    let mut newer = world.clean("p", Version::V5);
    let mut older = world.clean("q", Version::V311);
    world.disk.borrow_mut().failing = true;
    let message =
        |payload: &str| Packet::Publish(Publish::new("t", payload.to_owned()).at_least_once(id(7)));
    // The first finds out; from then on those who can be told are.
    older.send(&mut world, &message("first"));
    world.settle();
    newer.send(&mut world, &message("refused"));
    newer.send(&mut world, &publish("t", "free"));
    newer.send(&mut world, &Packet::PingReq);
    older.send(&mut world, &message("held"));
    older.send(&mut world, &Packet::PingReq);
    world.settle();
    let packets = newer.packets();
    let Packet::PubAck(ack) = &packets[0] else { panic!("{packets:?}") };
    assert_eq!((ack.reason, packets.len()), (ReasonCode::QUOTA_EXCEEDED, 2));
    assert_eq!(subscriber.received(), ["free"]);
    older.send(&mut world, &Packet::PingReq);
    world.settle();
    assert!(older.received().is_empty(), "it is held");
    let mut kept = world.open(Version::V311);
    let connect = Connect { clean_start: false, ..Connect::new("k") };
    kept.send(&mut world, &Packet::Connect(connect));
    world.settle();
    let packets = kept.packets();
    let Packet::ConnAck(connack) = &packets[0] else { panic!("{packets:?}") };
    assert!(connack.reason.is_error(), "no session can be promised");
    let mut clean = world.clean("c", Version::V311);
    // The stalled timeout does not run for those who wait for storage.
    world.now = world.now.plus_ms(10 * Options::default().stalled_timeout_ms);
    world.settle();
    world.disk.borrow_mut().failing = false;
    world.settle();
    assert_eq!(subscriber.received(), ["first", "held"]);
    assert_eq!(older.received(), ["PUBACK", "PUBACK", "PINGRESP", "PINGRESP"]);
    assert!(clean.received().is_empty());
    for client in [&kept, &clean, &subscriber, &newer, &older] {
        client.end(&mut world);
    }
    world.finish();
}

#[test]
fn what_nobody_waits_for_is_not_asked_for() {
    let mut world = World::new();
    let client = world.kept("s", "t");
    let wanted = world.disk.borrow().wanted;
    client.send(&mut world, &Packet::Publish(Publish::new("t", "x").retain(true)));
    client.end(&mut world);
    world.settle();
    let disk = world.disk.borrow();
    assert_eq!((disk.wanted, disk.appended - wanted), (wanted, 2), "retained, detached");
    drop(disk);
    world.finish();
}

#[test]
fn the_last_packet_is_not_lost_to_a_reset() {
    let mut world = World::new();
    let mut client = world.clean("a", Version::V5);
    client.send_bytes(&mut world, b"\x30\x02\x00\x05"); // A topic longer than the packet.
    client.send_bytes(&mut world, b"more of it");
    world.settle();
    let packets = client.packets();
    let Some(Packet::Disconnect(disconnect)) = packets.first() else { panic!("{packets:?}") };
    assert_eq!(disconnect.reason, ReasonCode::MALFORMED_PACKET);
    assert!(client.is_shut() && !client.is_dropped());
    client.send_bytes(&mut world, b"and more");
    world.settle();
    assert!(client.wire.borrow().to_server.is_empty(), "it is read and thrown away");
    client.end(&mut world);
    world.settle();
    assert!(client.is_dropped());
    world.finish();
}

#[test]
fn a_client_that_closes_one_direction_still_gets_its_answers() {
    let mut world = World::new();
    let mut client = world.open(Version::V311);
    client.wire.borrow_mut().space = 3;
    client.send(&mut world, &Packet::Connect(Connect::new("a")));
    client.send(&mut world, &Packet::PingReq);
    client.end(&mut world);
    world.settle();
    assert!(!client.is_dropped());
    client.give_space(&mut world, 100);
    world.settle();
    assert_eq!(client.received(), ["CONNACK", "PINGRESP"]);
    assert!(client.is_dropped());
    world.finish();
}

#[test]
fn a_failed_write_does_not_hide_a_clean_disconnect() {
    let mut world = World::new();
    let mut watcher = world.clean("w", Version::V311);
    watcher.send(&mut world, &subscribe("#", QoS::AtMostOnce));
    world.settle();
    watcher.received();
    for is_clean in [true, false] {
        let will = Will { topic: "will".into(), payload: "gone".into(), ..Will::default() };
        let client = world.connect(Connect::new("a").keep_alive(0).will(will));
        client.wire.borrow_mut().broken = true;
        client.send(&mut world, &Packet::PingReq);
        world.hub.turn(world.now);
        if is_clean {
            client.wire.borrow_mut().to_server.extend(b"\xe0\x00");
        }
        client.wire.borrow_mut().ended = true;
        world.settle();
        assert!(client.is_dropped());
        assert_eq!(watcher.received(), if is_clean { vec![] } else { vec!["gone"] });
    }
    watcher.end(&mut world);
    world.finish();
}

#[test]
fn nobody_is_read_beyond_his_budget() {
    let mut world = World::new();
    let busy = world.clean("busy", Version::V311);
    let mut other = world.clean("other", Version::V311);
    let packet = bytes_of(&publish("nobody/listens", &"x".repeat(1000)), Version::V311);
    let total = packet.len() * 1000;
    busy.send_bytes(&mut world, &packet.repeat(1000));
    other.send(&mut world, &Packet::PingReq);
    assert_eq!(world.hub.turn(world.now), Some(Duration::ZERO), "more is to be read");
    assert_eq!(other.received(), ["PINGRESP"]);
    assert_eq!(busy.wire.borrow().to_server.len(), total - read::SMALL_READ_BUDGET);
    world.settle();
    assert!(busy.wire.borrow().to_server.is_empty());
    assert_eq!(world.hub.broker.counters().received.of(3), 1000);
    busy.end(&mut world);
    other.end(&mut world);
    world.finish();
}

#[test]
fn a_client_that_reads_no_answers_is_not_read_for_ever() {
    let mut world = World::new();
    let mut client = world.clean("a", Version::V311);
    client.wire.borrow_mut().space = 0;
    let total = 4 * UNREAD_MAX;
    client.send_bytes(&mut world, &b"\xc0\x00".repeat(total / 2));
    world.settle();
    let left = client.wire.borrow().to_server.len();
    assert!(left > 0, "not everything is read");
    let waiting = world.hub.connections[client.slot()].output.waiting();
    assert!((UNREAD_MAX..UNREAD_MAX + 2 * READ_BUDGET).contains(&waiting), "{waiting}");
    client.give_space(&mut world, usize::MAX);
    world.settle();
    assert_eq!(client.received().len(), total / 2);
    client.end(&mut world);
    world.finish();
}

#[test]
fn what_is_not_decided_here_is_refused() {
    let mut world = World::with(Options::default(), Box::new(Undecided));
    let mut client = world.open(Version::V5);
    let connect = Connect::new("a").version(Version::V5);
    client.send(&mut world, &Packet::Connect(connect));
    client.send(&mut world, &Packet::PingReq);
    world.settle();
    let packets = client.packets();
    let [Packet::ConnAck(connack)] = &packets[..] else { panic!("{packets:?}") };
    assert_eq!(connack.reason, ReasonCode::SERVER_UNAVAILABLE);
    assert!(client.is_shut());
    world.finish();
}

#[test]
fn a_burst_larger_than_the_room_reaches_a_quick_reader() {
    let mut world = World::new();
    let mut reader = world.clean("r", Version::V311);
    reader.send(&mut world, &subscribe("t/#", QoS::AtMostOnce));
    world.settle();
    reader.received();
    let payload = "x".repeat(1000);
    let writers: Vec<_> = (0..50).map(|n| world.clean(&format!("w{n}"), Version::V311)).collect();
    for writer in &writers {
        let packet = bytes_of(&publish("t/burst", &payload), Version::V311);
        writer.send_bytes(&mut world, &packet.repeat(80));
    }
    world.settle();
    assert_eq!(reader.received().len(), 50 * 80);
    for client in writers.iter().chain([&reader]) {
        client.end(&mut world);
    }
    world.finish();
}

#[test]
fn everything_arrives_in_order_whatever_the_sockets_do() {
    for seed in 0..30 {
        let mut rng = Rng::new(seed);
        let mut world = World::new();
        let mut reader = world.clean("r", Version::V5);
        reader.send(&mut world, &subscribe("t", QoS::AtMostOnce));
        world.settle();
        reader.received();
        let writer = world.clean("w", Version::V311);
        writer.wire.borrow_mut().gulp = rng.index(5000) + 1;
        reader.wire.borrow_mut().space = 0;
        let mut got = Vec::new();
        let total = 500;
        for n in 0..total {
            let payload = format!("{n} {}", "x".repeat(rng.index(2000)));
            writer.send(&mut world, &publish("t", &payload));
            if rng.chance(1, 3) {
                reader.give_space(&mut world, rng.index(5000));
            }
            if rng.chance(1, 2) {
                world.hub.turn(world.now);
                world.hub.ready(writer.slot(), Readiness { readable: true, ..Default::default() });
            }
            got.extend(reader.received());
        }
        for _ in 0..100_000 {
            if got.len() == total {
                break;
            }
            world.hub.ready(writer.slot(), Readiness { readable: true, ..Default::default() });
            reader.give_space(&mut world, 100_000);
            world.hub.turn(world.now);
            got.extend(reader.received());
        }
        let numbers: Vec<usize> =
            got.iter().map(|text| text.split_once(' ').unwrap().0.parse().unwrap()).collect();
        assert_eq!(numbers, (0..total).collect::<Vec<_>>(), "seed {seed}");
        reader.end(&mut world);
        writer.end(&mut world);
        world.finish();
    }
}

#[test]
fn an_event_for_an_empty_slot_does_no_harm() {
    let mut world = World::new();
    let client = world.clean("a", Version::V311);
    client.end(&mut world);
    world.settle();
    assert!(world.hub.is_empty());
    world.hub.ready(client.slot(), Readiness { readable: true, ..Readiness::default() });
    world.hub.ready(1000, Readiness { writable: true, ..Readiness::default() });
    world.settle();
    let mut next = world.clean("b", Version::V311);
    assert_eq!(next.slot(), client.slot());
    assert_ne!(next.conn.serial, client.conn.serial);
    assert!(next.received().is_empty());
    next.end(&mut world);
    world.finish();
}

#[test]
fn buffers_are_given_up_when_nothing_happens() {
    let mut world = World::new();
    let mut reader = world.clean("r", Version::V311);
    reader.send(&mut world, &subscribe("t", QoS::AtMostOnce));
    reader.send(&mut world, &publish("t", &"x".repeat(200_000)));
    let nap = world.settle();
    assert_eq!(reader.received().len(), 2);
    assert!(world.hub.pool.bytes() >= 200_000);
    assert!(nap.is_none_or(|nap| nap > Duration::ZERO));
    let mut wakes = 0;
    while let Some(nap) = world.settle() {
        world.now = world.now.plus_ms(u64::try_from(nap.as_millis()).unwrap());
        wakes += 1;
        assert!(wakes < 5, "it comes to rest");
    }
    assert_eq!(world.hub.pool.bytes(), 0);
    reader.end(&mut world);
    world.finish();
}

#[test]
fn the_list_of_effects_keeps_its_memory() {
    let mut world = World::new();
    let client = world.clean("a", Version::V311);
    let place = |world: &World| {
        let list = &world.hub.effects.as_ref().expect("made at the first event").list;
        (list.as_ptr(), list.capacity())
    };
    let before = place(&world);
    assert!(before.1 > 0);
    client.send(&mut world, &Packet::PingReq);
    world.settle();
    assert_eq!(place(&world), before);
    client.end(&mut world);
    world.finish();
}
