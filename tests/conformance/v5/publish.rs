//! 5.0, section 3.3.2: topic name and properties of a PUBLISH.

use super::wire::{
    ILL_FORMED, client, content_type, correlation_data, ends, faulty, lasting, message,
    message_expiry, payload_format, publish_aliased, read_connack, read_properties, response_topic,
    resume, session_expiry, subscribed, subscriber, topic_alias, topic_alias_maximum,
    user_property, wait,
};
use crate::conformance::cases;
use crate::harness::bytes::{properties as field, text};
use crate::harness::v5::{connect, publish};
use crate::harness::{Raw, id, packet, topic};

cases! { V5;
    topic_is_utf8: "MQTT-3.3.2-1" "the topic name comes first and is a string";
    topic_without_wildcards: "MQTT-3.3.2-2" "a topic name has no wildcards";
    topic_matches: "MQTT-3.3.2-3" "a topic name sent to a subscriber matches its filter";
    payload_format_passes: "MQTT-3.3.2-4" "the payload format indicator is sent unaltered";
    expired_is_deleted: "MQTT-3.3.2-5" "a message that expired in the server is not sent";
    expiry_counts_down: "MQTT-3.3.2-6" "the expiry interval sent is what is left of it";
    aliases_end_with_the_link: "MQTT-3.3.2-7" "topic aliases end with their connection";
    alias_0: "MQTT-3.3.2-8" "topic alias 0 is not permitted";
    alias_above_maximum: "MQTT-3.3.2-9" "a client keeps to the server's Topic Alias Maximum";
    own_aliases: "MQTT-3.3.2-11" "a server keeps to the client's Topic Alias Maximum";
    every_alias_works: "MQTT-3.3.2-12" "the server accepts every alias up to its maximum";
    response_topic_is_utf8: "MQTT-3.3.2-13" "the response topic is a string";
    response_topic_without_wildcards: "MQTT-3.3.2-14" "the response topic has no wildcards";
    response_topic_passes: "MQTT-3.3.2-15" "the response topic is sent unaltered";
    correlation_data_passes: "MQTT-3.3.2-16" "the correlation data are sent unaltered";
    user_properties_pass: "MQTT-3.3.2-17" "all user properties are sent unaltered";
    user_properties_in_order: "MQTT-3.3.2-18" "user properties keep their order";
    content_type_is_utf8: "MQTT-3.3.2-19" "the content type is a string";
    content_type_passes: "MQTT-3.3.2-20" "the content type is sent unaltered";
}

/// A message with these properties reaches all kinds of subscribers unaltered: online at once,
/// later from the queue, and as a retained message.
fn passes(properties: &[u8]) {
    let topic = topic("a");
    let mut low = subscriber("a", &topic, 0);
    let mut high = subscriber("b", &topic, 2);
    subscribed(lasting("c"), &topic, 1).disconnect();
    let whole = publish(&topic, "x").properties(properties);
    client("d").deliver(whole.clone().retain().qos(1, 1));
    low.expect(whole);
    let mut late = subscriber("late", &topic, 0);
    let wanted = read_properties(&mut &field(properties)[..]);
    for raw in [&mut high, &mut resume(lasting("c")).0, &mut late] {
        let message = message(raw);
        assert_eq!((message.properties, &message.payload[..]), (wanted.clone(), "x"));
    }
    client("d").send(publish(&topic, "").retain()).ping();
}

fn topic_is_utf8() {
    for &text in ILL_FORMED {
        faulty(publish(text, "x"), &[0x81]);
        faulty(publish(text, "x").qos(1, 1), &[0x81]);
    }
    faulty(packet(0x30, []), &[0x81]);
    faulty(packet(0x30, [0]), &[0x81]);
    faulty(packet(0x30, [0, 5, b'a', b'/']), &[0x81]);
}

fn topic_without_wildcards() {
    for topic in ["+", "#", "a/+", "a/#", "a+", "a#b"] {
        faulty(publish(topic, "x"), &[0x81, 0x82, 0x90]);
        faulty(publish(topic, "x").qos(2, 1), &[0x81, 0x82, 0x90]);
    }
}

fn topic_matches() {
    let mut raw = subscriber("a", &topic("+/b"), 0);
    let mut from = client("b");
    for (name, matches) in [("a/b", true), ("a/c", false), ("b", false), ("/b", true)] {
        from.send(publish(topic(name), "x")).ping();
        if matches {
            raw.expect(publish(topic(name), "x"));
        }
        raw.ping();
    }
}

fn payload_format_passes() {
    passes(&payload_format(0));
    passes(&payload_format(1));
}

fn expired_is_deleted() {
    let topic = topic("a");
    subscribed(lasting("a"), &topic, 1).disconnect();
    let brief = |payload| publish(&topic, payload).properties(message_expiry(1));
    let mut from = client("b");
    from.deliver(brief("gone").qos(1, 1));
    from.deliver(publish(&topic, "stays").qos(1, 2));
    from.send(brief("gone").retain()).ping();
    wait(2);
    let mut raw = resume(lasting("a")).0;
    assert_eq!(message(&mut raw).payload, "stays");
    raw.ping();
    subscriber("late", &topic, 0).ping();
}

fn expiry_counts_down() {
    let topic = topic("a");
    let lives = publish(&topic, "x").properties(message_expiry(100)).qos(1, 1).retain();
    let mut raw = subscriber("a", &topic, 0);
    subscribed(lasting("b"), &topic, 1).disconnect();
    client("c").deliver(lives);
    let left = message(&mut raw).expiry().expect("an expiry");
    assert!((99..=100).contains(&left), "{left} left at once");
    wait(2);
    for mut raw in [resume(lasting("b")).0, subscriber("late", &topic, 0)] {
        let left = message(&mut raw).expiry().expect("an expiry");
        assert!((80..=99).contains(&left), "{left} left after two seconds");
    }
    client("c").send(publish(&topic, "").retain()).ping();
}

fn aliases_end_with_the_link() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let mut raw = Raw::online(lasting("a"));
    raw.send(publish_aliased(&topic, 1, "1")).send(publish_aliased("", 1, "2")).ping();
    ear.expect(publish(&topic, "1")).expect(publish(&topic, "2"));
    raw.disconnect();
    let mut raw = resume(lasting("a")).0;
    ends(raw.send(publish_aliased("", 1, "3")), &[0x82]);
    ear.ping();
    // What the server had told of its own aliases is forgotten too: it names the topic again.
    let both = [topic_alias_maximum(1), session_expiry(60)].concat();
    let takes = || connect(id("b")).properties(&both);
    let mut to = subscribed(takes(), &topic, 0);
    for link in 0..2 {
        client("c").send(publish(&topic, "x")).ping();
        assert_eq!(message(&mut to).topic, topic, "connection {link}");
        to.drop_link();
        to = resume(takes()).0;
    }
}

fn alias_0() {
    faulty(publish_aliased("t", 0, "x"), &[0x94]);
    faulty(publish_aliased("", 0, "x"), &[0x94, 0x82]);
}

fn alias_above_maximum() {
    faulty(publish_aliased("t", 11, "x"), &[0x94]);
    faulty(publish_aliased("t", 0xffff, "x"), &[0x94]);
}

fn own_aliases() {
    let takes = connect(id("a")).properties(topic_alias_maximum(2));
    let mut raw = subscribed(takes, &topic("+"), 0);
    for name in ["a", "b", "c", "d", "a", "b", "c", "d"] {
        client("b").send(publish(topic(name), "x")).ping();
        let alias = message(&mut raw).alias();
        assert!(alias.is_none_or(|alias| (1..=2).contains(&alias)), "{alias:?}");
    }
}

fn every_alias_works() {
    let mut ear = subscriber("ear", &topic("+"), 0);
    let mut raw = Raw::connect();
    let (_, _, properties) = read_connack(&raw.send(connect(id("a"))).packet());
    let maximum = properties.into_iter().find(|(identifier, _)| *identifier == 0x22);
    let maximum = maximum.map_or(0, |(_, value)| u16::from_be_bytes([value[0], value[1]]));
    assert_eq!(maximum, 10);
    let name = |alias: u16| topic(&alias.to_string());
    for alias in 1..=maximum {
        raw.send(publish_aliased(&name(alias), alias, "set"));
        ear.expect(publish(name(alias), "set"));
    }
    for alias in (1..=maximum).rev() {
        raw.send(publish_aliased("", alias, "used"));
        ear.expect(publish(name(alias), "used"));
    }
    raw.send(publish_aliased(&name(99), 1, "changed")).send(publish_aliased("", 1, "used"));
    ear.expect(publish(name(99), "changed")).expect(publish(name(99), "used"));
}

fn response_topic_is_utf8() {
    for &text in ILL_FORMED.iter().chain(&[&b"a\0"[..]]) {
        faulty(publish("t", "x").properties(response_topic(text)), &[0x81]);
    }
}

fn response_topic_without_wildcards() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    for answer in ["+", "a/#", "a/+/b"] {
        let wrong = publish(&topic, "x").properties(response_topic(answer));
        faulty(wrong, &[0x81, 0x82, 0x90]);
        ear.ping();
    }
}

fn response_topic_passes() {
    passes(&response_topic("to/whom/it/may concern"));
}

fn correlation_data_passes() {
    passes(&correlation_data([0, 1, 0xff, 0xfe, 0x80]));
    passes(&correlation_data([]));
}

fn user_properties_pass() {
    passes(&user_property("name", "value"));
    passes(&user_property("", ""));
    passes(&[user_property("same", "1"), user_property("same", "1")].concat());
}

fn user_properties_in_order() {
    let names = ["z", "a", "m", "a", "", "z"];
    let users = (0..).zip(names).flat_map(|(n, name)| user_property(name, n.to_string()));
    passes(&users.collect::<Vec<u8>>());
}

fn content_type_is_utf8() {
    for &text in ILL_FORMED.iter().chain(&[&b"a\0"[..]]) {
        faulty(publish("t", "x").properties(content_type(text)), &[0x81]);
    }
    faulty(publish("t", "x").properties([&[0x03], &text("abc")[..4]].concat()), &[0x81]);
}

fn content_type_passes() {
    passes(&content_type("text/plain; charset=utf-8"));
    passes(&content_type(""));
    let aliased = [topic_alias(1), content_type("a/b")].concat();
    let topic = topic("alias");
    let mut ear = subscriber("ear", &topic, 0);
    client("b").send(publish(&topic, "x").properties(aliased)).ping();
    ear.expect(publish(&topic, "x").properties(content_type("a/b")));
}
