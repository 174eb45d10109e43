//! 3.1.1, section 4.6: message ordering.

use super::{client, say, session, subscribed_session, subscriber};
use crate::conformance::cases;
use crate::harness::v3::{puback, pubcomp, publish, pubrec, pubrel};
use crate::harness::{Publish, Raw, topic};

cases! { V311;
    resent_in_the_order_sent:
        "MQTT-4.6.0-1" "what is re-sent is re-sent in the order it was sent";
    acknowledged_in_the_order_received:
        "MQTT-4.6.0-2" "PUBACK in the order of PUBLISH",
        "MQTT-4.6.0-3" "PUBREC in the order of PUBLISH";
    released_in_the_order_of_pubrec:
        "MQTT-4.6.0-4" "PUBREL in the order of PUBREC";
    delivered_in_the_order_published:
        "MQTT-4.6.0-5" "every topic is an ordered topic by default",
        "MQTT-4.6.0-6" "each subscriber gets a topic's messages of a QoS in the order of arrival";
}

fn numbered(topic: &str, n: usize, qos: u8) -> Publish {
    publish(topic, n.to_string()).qos(qos, 1)
}

fn resent_in_the_order_sent() {
    let topic = topic("t");
    let qos = |n: usize| if n.is_multiple_of(3) { 2 } else { 1 };
    let mut raw = subscribed_session("s", &[(&topic, 2)]);
    for n in 0..12 {
        say(numbered(&topic, n, qos(n)));
        raw.expect_publish(numbered(&topic, n, qos(n)));
    }
    for _ in 0..2 {
        raw.drop_link();
        raw = session("s", true);
        for n in 0..12 {
            raw.expect_publish(numbered(&topic, n, qos(n)).dup());
        }
        raw.ping();
    }
    // Those that were never sent come behind.
    raw.drop_link();
    (12..20).for_each(|n| say(numbered(&topic, n, qos(n))));
    let mut raw = session("s", true);
    for n in 0..20 {
        let message = numbered(&topic, n, qos(n));
        raw.expect_publish(if n < 12 { message.dup() } else { message });
    }
    raw.ping();
}

fn acknowledged_in_the_order_received() {
    let topic = topic("t");
    let mut raw = client("a");
    let ids = [9, 3, 7, 1, 0xffff, 8, 2];
    for (qos, answer) in [(1, puback as fn(u16) -> Vec<u8>), (2, pubrec)] {
        let all = |build: &dyn Fn(u16) -> Vec<u8>| -> Vec<u8> {
            ids.iter().flat_map(|id| build(*id)).collect()
        };
        raw.send(all(&|id| publish(&topic, "x").qos(qos, id).into())).expect(all(&answer));
    }
    let releases: Vec<u8> = ids.iter().rev().flat_map(|id| pubrel(*id)).collect();
    raw.send(releases);
    for id in ids.iter().rev() {
        raw.expect(pubcomp(*id));
    }
    raw.ping();
}

fn released_in_the_order_of_pubrec() {
    let topic = topic("t");
    let mut raw = subscriber("a", &[(&topic, 2)]);
    let mut publisher = client("p");
    for n in 0..6 {
        publisher.deliver(numbered(&topic, n, 2));
    }
    let ids: Vec<u16> = (0..6).map(|n| raw.expect_publish(numbered(&topic, n, 2))).collect();
    let order = [4, 0, 5, 2, 1, 3].map(|n: usize| ids[n]);
    raw.send(order.map(pubrec).concat()).expect(order.map(pubrel).concat());
    raw.send(order.map(pubcomp).concat()).ping();
}

fn delivered_in_the_order_published() {
    let topic = topic("t");
    let mut readers = [0, 1, 2].map(|qos| subscriber(&qos.to_string(), &[(&topic, qos)]));
    let mut publishers = ["one", "two"].map(client);
    let mut wanted = Vec::new();
    for n in 0..100_u16 {
        for (publisher, name) in publishers.iter_mut().zip(["one", "two"]) {
            for qos in 0..=2 {
                let payload = format!("{name} at {qos}: {n:03}");
                publisher.send(publish(&topic, &payload).at(qos, 1 + 2 * n + u16::from(qos)));
                if qos == 2 {
                    publisher.send(pubrel(3 + 2 * n));
                }
                wanted.push(payload);
            }
        }
    }
    for publisher in &mut publishers {
        publisher.until_ping();
    }
    wanted.sort();
    for reader in &mut readers {
        // The sort is stable: it gathers streams and leaves each in its order.
        let mut got = all_messages(reader, wanted.len(), &topic);
        got.sort_by(|a, b| a[..8].cmp(&b[..8]));
        assert_eq!(got, wanted);
    }
}

/// Takes and acknowledges so many messages; their payloads.
fn all_messages(raw: &mut Raw, count: usize, topic: &str) -> Vec<String> {
    let mut payloads = Vec::new();
    while payloads.len() < count {
        let packet = raw.packet();
        let id = packet.publish_id();
        match packet.first() {
            0x30 => {}
            0x32 => _ = raw.send(puback(id.unwrap())),
            0x34 => _ = raw.send(pubrec(id.unwrap())),
            first => {
                assert_eq!(first, 0x62, "{packet:?}");
                raw.send(pubcomp(packet.u16_at(0)));
                continue;
            }
        }
        let head = 2 + topic.len() + if id.is_some() { 2 } else { 0 };
        payloads.push(String::from_utf8(packet.body()[head..].to_vec()).unwrap());
    }
    payloads
}
