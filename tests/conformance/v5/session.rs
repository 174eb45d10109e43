//! 5.0, sections 4.1, 4.2, 4.4 to 4.6: session state, transport, retry, receipt, order.

use super::wire::{
    client, lasting, message, message_expiry, read_message, resume, session_expiry, subscribed,
    subscriber, varint, wait,
};
use crate::conformance::cases;
use crate::harness::v5::{ack, connect, disconnect_with, puback, pubcomp, publish, pubrec, pubrel};
use crate::harness::{Packet, Raw, id, topic};

cases! { V5;
    kept_while_connected: "MQTT-4.1.0-1" "session state lasts as long as the connection";
    discarded_when_expired: "MQTT-4.1.0-2" "session state is discarded when its interval is over";
    ordered_stream: "MQTT-4.2.0-1" "a transport is an ordered, lossless stream of bytes";
    sent_again: "MQTT-4.4.0-1" "what is not acknowledged is sent again on return, only then";
    errors_acknowledge: "MQTT-4.4.0-2" "an acknowledgement with an error ends a delivery";
    added_to_sessions: "MQTT-4.5.0-1" "a message is added to every session that subscribed";
    sent_again_in_order: "MQTT-4.6.0-1" "PUBLISH packets are sent again in their order";
    pubacks_in_order: "MQTT-4.6.0-2" "PUBACKs come in the order of the messages";
    pubrecs_in_order: "MQTT-4.6.0-3" "PUBRECs come in the order of the messages";
    pubrels_in_order: "MQTT-4.6.0-4" "PUBRELs come in the order of the PUBRECs";
    messages_in_order: "MQTT-4.6.0-5" "messages of a client, topic and QoS keep their order";
    every_topic_is_ordered: "MQTT-4.6.0-6" "they do so on every topic";
}

fn kept_while_connected() {
    let topic = topic("a");
    let brief = connect(id("a")).properties(session_expiry(1));
    let mut raw = subscribed(brief, &topic, 1);
    let mut none = subscriber("b", &topic, 1);
    let mut from = client("c");
    from.deliver(publish(&topic, "x").qos(1, 1));
    let sent = message(&mut raw);
    wait(3);
    from.deliver(publish(&topic, "y").qos(1, 2));
    raw.send(puback(sent.id));
    assert_eq!(message(&mut raw).payload, "y");
    assert_eq!((message(&mut none).payload, message(&mut none).payload), ("x".into(), "y".into()));
}

fn discarded_when_expired() {
    let with = |seconds| connect(id("a")).properties(session_expiry(seconds));
    Raw::online(with(1)).disconnect();
    Raw::online(lasting("b")).disconnect();
    Raw::online(lasting("c")).send(disconnect_with(0, &session_expiry(1))).expect_closed();
    wait(3);
    assert!(!resume(with(1)).1, "it is kept longer than a second");
    assert!(resume(lasting("b")).1, "another is discarded with it");
    assert!(!resume(lasting("c")).1, "a DISCONNECT changes the interval");
}

fn ordered_stream() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let mut raw = Raw::connect();
    let mut stream: Vec<u8> = connect(id("a")).into();
    let messages: Vec<Vec<u8>> =
        (0..60).map(|n: usize| publish(&topic, varint(n * n).repeat(n)).into()).collect();
    stream.extend(messages.concat());
    for piece in stream.chunks(7) {
        raw.send(piece);
    }
    assert!(raw.packet().first() == 0x20);
    ear.expect(messages.concat()).ping();
}

fn sent_again() {
    let topic = topic("a");
    let mut raw = subscribed(lasting("a"), &topic, 2);
    let mut from = client("b");
    for (n, qos) in [(1, 1), (2, 2), (3, 2), (4, 1)] {
        from.deliver(publish(&topic, n.to_string()).qos(qos, n));
    }
    let ids = [(); 4].map(|()| message(&mut raw).id);
    raw.send(pubrec(ids[1])).expect(pubrel(ids[1]));
    raw.send(puback(ids[3])).ping(); // nothing again while the connection lasts
    for _ in 0..2 {
        raw.drop_link();
        raw = resume(lasting("a")).0;
        let again = raw.until_ping();
        assert!(again.contains(&release(ids[1])), "no PUBREL in {again:?}");
        let messages: Vec<_> = again.iter().filter(|packet| packet.first() >> 4 == 3).collect();
        let found = messages.into_iter().map(read_message).map(|m| (m.id, m.dup, m.payload));
        let wanted = [(ids[0], true, "1".to_owned()), (ids[2], true, "3".to_owned())];
        assert_eq!(found.collect::<Vec<_>>(), wanted);
        assert_eq!(again.len(), 3);
        raw.ping();
    }
    raw.send(puback(ids[0])).send(pubcomp(ids[1])).send(pubrec(ids[2])).expect(pubrel(ids[2]));
    raw.send(pubcomp(ids[2])).ping();
    raw.drop_link();
    resume(lasting("a")).0.ping();
}

/// A PUBREL as it arrives.
fn release(id: u16) -> Packet {
    Packet { bytes: pubrel(id), head: 2 }
}

fn errors_acknowledge() {
    let topic = topic("a");
    let mut raw = subscribed(lasting("a"), &topic, 2);
    let mut from = client("b");
    from.deliver(publish(&topic, "1").qos(1, 1));
    from.deliver(publish(&topic, "2").qos(2, 2));
    let (one, two) = (message(&mut raw).id, message(&mut raw).id);
    raw.send(ack(0x40, one, 0x83)).send(ack(0x50, two, 0x97)).ping();
    raw.drop_link();
    resume(lasting("a")).0.ping();
}

fn added_to_sessions() {
    let topic = topic("a");
    for name in ["a", "b"] {
        subscribed(lasting(name), &topic, 2).disconnect();
    }
    let mut online = subscriber("c", &topic, 2);
    let mut from = client("d");
    from.deliver(publish(&topic, "1").qos(1, 1));
    from.deliver(publish(&topic, "2").qos(2, 2).properties(message_expiry(60)));
    from.disconnect(); // not released: it is owned all the same
    for raw in [&mut resume(lasting("a")).0, &mut resume(lasting("b")).0, &mut online] {
        let (one, two) = (message(raw), message(raw));
        assert_eq!((&one.payload[..], &two.payload[..]), ("1", "2"));
        assert_eq!((one.qos, one.dup, two.qos, two.dup), (1, false, 2, false));
    }
}

/// Sends messages "1" to "19", of QoS 1 and 2 in turn.
fn send_some(from: &mut Raw, topic: &str) {
    for n in 1..=19 {
        from.deliver(publish(topic, n.to_string()).qos(1 + u8::from(n % 2 == 0), n));
    }
}

fn sent_again_in_order() {
    let topic = topic("a");
    let mut raw = subscribed(lasting("a"), &topic, 2);
    send_some(&mut client("b"), &topic);
    let first: Vec<u16> = (0..19).map(|_| message(&mut raw).id).collect();
    raw.drop_link();
    let mut raw = resume(lasting("a")).0;
    for (n, id) in (1..).zip(first) {
        let again = message(&mut raw);
        assert_eq!((again.id, again.payload), (id, n.to_string()));
    }
    raw.ping();
}

fn pubacks_in_order() {
    let mut raw = client("a");
    let _ear = subscriber("ear", &topic("a"), 0);
    let ids = [7, 3, 9, 1, 8];
    let all = ids.map(|n| Vec::from(publish(topic("a"), "x").qos(1, n)));
    raw.send(all.concat()).expect(ids.map(puback).concat()).ping();
}

fn pubrecs_in_order() {
    let mut raw = client("a");
    let _ear = subscriber("ear", &topic("a"), 0);
    let ids = [7, 3, 9, 1, 8];
    let all = ids.map(|n| Vec::from(publish(topic("a"), "x").qos(2, n)));
    raw.send(all.concat()).expect(ids.map(pubrec).concat());
    raw.send(ids.map(pubrel).concat()).expect(ids.map(pubcomp).concat()).ping();
}

fn pubrels_in_order() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 2);
    let mut from = client("b");
    for n in 1..=5 {
        from.deliver(publish(&topic, "x").qos(2, n));
    }
    let ids = [(); 5].map(|()| message(&mut raw).id);
    let mixed = [ids[3], ids[0], ids[4], ids[2], ids[1]];
    raw.send(mixed.map(pubrec).concat()).expect(mixed.map(pubrel).concat()).ping();
}

fn messages_in_order() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 2);
    for qos in 0..=2 {
        let mut from = client("b");
        for n in 1..=200 {
            from.deliver(publish(&topic, n.to_string()).at(qos, n));
        }
        let mut count = 0;
        while count < 200 {
            let packet = raw.packet();
            if packet.first() == 0x62 {
                raw.send(pubcomp(packet.u16_at(0)));
                continue;
            }
            let next = read_message(&packet);
            count += 1;
            assert_eq!((next.qos, next.payload), (qos, count.to_string()));
            match qos {
                0 => {}
                1 => _ = raw.send(puback(next.id)),
                _ => _ = raw.send(pubrec(next.id)),
            }
        }
        raw.until_ping();
    }
}

fn every_topic_is_ordered() {
    let names = ["a", "b/c", "/", "b/c/d"].map(topic);
    let mut online = subscriber("a", &topic("#"), 1);
    subscribed(lasting("b"), &topic("#"), 1).disconnect();
    let mut from = client("c");
    for n in 1..=10 {
        for name in &names {
            from.deliver(publish(name, n.to_string()).qos(1, n));
        }
    }
    for raw in [&mut online, &mut resume(lasting("b")).0] {
        let mut last = [0; 4];
        for _ in 0..40 {
            let next = message(raw);
            raw.send(puback(next.id));
            let at = names.iter().position(|name| *name == next.topic).expect("a known topic");
            let n: u16 = next.payload.parse().expect("a number");
            assert_eq!(n, last[at] + 1, "on {}", next.topic);
            last[at] = n;
        }
    }
}
