//! 5.0, chapters 1.5 and 2: strings, integers, flags, packet identifiers, properties.

use super::wire::{
    ILL_FORMED, client, content_type, ends, faulty, join, message, reason_string, refused,
    subscriber, unwelcome, user_property,
};
use crate::conformance::cases;
use crate::harness::bytes::identified;
use crate::harness::v5::{
    connect, disconnect_with, puback, pubcomp, publish, pubrec, pubrel, suback, subscribe,
    subscribe_with, unsuback, unsubscribe,
};
use crate::harness::{Connect, Publish, id, packet, topic};

cases! { V5;
    strings_are_utf8: "MQTT-1.5.4-1" "a string is well-formed UTF-8 without surrogates";
    strings_have_no_nul: "MQTT-1.5.4-2" "a string has no U+0000";
    byte_order_mark_stays: "MQTT-1.5.4-3" "EF BB BF is a character like any other";
    integers_are_short: "MQTT-1.5.5-1" "a variable byte integer uses as few bytes as it can";
    both_strings_of_a_pair: "MQTT-1.5.7-1" "both strings of a pair are strings";
    reserved_flags: "MQTT-2.1.3-1" "reserved flags have the value listed";
    qos_0_has_no_id: "MQTT-2.2.1-2" "a PUBLISH of QoS 0 has no packet identifier";
    id_0_is_none: "MQTT-2.2.1-3" "a client's packet identifiers are not 0";
    fresh_ids: "MQTT-2.2.1-4" "a server's packet identifiers are not 0 and unused";
    acks_carry_the_id: "MQTT-2.2.1-5" "PUBACK, PUBREC, PUBREL, PUBCOMP carry the PUBLISH's id";
    subacks_carry_the_id: "MQTT-2.2.1-6" "SUBACK and UNSUBACK carry the id they answer";
    no_properties_is_length_0: "MQTT-2.2.2-1" "no properties are a property length of 0";
}

fn strings_are_utf8() {
    for &text in ILL_FORMED {
        faulty(publish(text, "x"), &[0x81]);
        faulty(subscribe(1, &[(text, 0)]), &[0x81]);
        faulty(publish("t", "x").properties(content_type(text)), &[0x81]);
        faulty(disconnect_with(0, &reason_string(text)), &[0x81]);
        refused(connect(text), &[0x81]);
    }
}

fn strings_have_no_nul() {
    faulty(publish("a\0b", "x"), &[0x81]);
    faulty(subscribe(1, &[("a\0b", 0)]), &[0x81]);
    faulty(unsubscribe(1, &["\0"]), &[0x81]);
    faulty(publish("t", "x").properties(content_type("\0")), &[0x81]);
    faulty(disconnect_with(0, &reason_string("a\0")), &[0x81]);
    refused(connect("a\0b"), &[0x81]);
    refused(connect(id("a")).user("\0"), &[0x81]);
}

fn byte_order_mark_stays() {
    let (plain, marked) = (topic("a"), format!("{}\u{feff}", topic("a")));
    let mut without = subscriber("a", &plain, 0);
    let mut with = subscriber("b", &marked, 0);
    client("c").send(publish(&marked, "\u{feff}x")).ping();
    with.expect(publish(&marked, "\u{feff}x")).ping();
    without.ping();
}

fn integers_are_short() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 0);
    for length in [127, 128, 16_383, 16_384] {
        let same = publish(&topic, vec![b'x'; length - 3 - topic.len()]);
        raw.send(same.clone()).expect(same); // remaining length
        let same = publish(&topic, "x").properties(user_property("", vec![b'x'; length - 5]));
        raw.send(same.clone()).expect(same); // property length
    }
    let five_bytes = [&b"\x30\xff\xff\xff\xff\x01"[..], b"\xc0\x80\x80\x80\x80\x00"];
    let needless =
        [&b"\xc0\x80\x00"[..], b"\x30\x05\x00\x01t\x80\x00", b"\x30\x84\x00\x00\x01t\x00"];
    for long in five_bytes.iter().chain(&needless) {
        faulty(*long, &[0x81]);
    }
}

fn both_strings_of_a_pair() {
    for &text in ILL_FORMED.iter().chain(&[&b"a\0"[..]]) {
        for pair in [user_property(text, "x"), user_property("x", text)] {
            faulty(publish("t", "x").properties(&pair), &[0x81]);
            faulty(subscribe_with(1, &pair, &[("t", 0)]), &[0x81]);
            refused(connect(id("a")).properties(&pair), &[0x81]);
        }
    }
}

fn reserved_flags() {
    for flags in 1..16 {
        faulty(packet(0xc0 | flags, []), &[0x81]);
        faulty(packet(0x40 | flags, [0, 1]), &[0x81]);
        faulty(packet(0x50 | flags, [0, 1]), &[0x81]);
        faulty(packet(0x70 | flags, [0, 1]), &[0x81]);
    }
    for flags in (0..16).filter(|flags| *flags != 2) {
        let mut unsubscribe = unsubscribe(1, &["t"]);
        unsubscribe[0] = 0xa0 | flags;
        faulty(unsubscribe, &[0x81]);
    }
    let mut connect: Vec<u8> = connect(id("a")).into();
    connect[0] = 0x11;
    unwelcome(connect);
}

fn qos_0_has_no_id() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 2);
    raw.send(publish(&topic, "xyz")).expect(publish(&topic, "xyz"));
    raw.send(publish(&topic, "")).expect(publish(&topic, ""));
}

fn id_0_is_none() {
    faulty(publish("t", "x").qos(1, 0), &[0x81, 0x82]);
    faulty(publish("t", "x").qos(2, 0), &[0x81, 0x82]);
    faulty(subscribe(0, &[("t", 0)]), &[0x81, 0x82]);
    faulty(unsubscribe(0, &["t"]), &[0x81, 0x82]);
}

fn fresh_ids() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 2);
    let mut from = client("b");
    let mut ids = Vec::new();
    for n in 1..=10 {
        from.deliver(publish(&topic, "x").qos(1, n));
        let message = message(&mut raw);
        assert!(message.id != 0 && !ids.contains(&message.id), "{} after {ids:?}", message.id);
        ids.push(message.id);
    }
}

fn acks_carry_the_id() {
    let topic = topic("a");
    let _ear = subscriber("a", &topic, 0);
    let mut raw = client("b");
    for n in [1, 0x1234, 0xffff] {
        raw.send(publish(&topic, "x").qos(1, n)).expect(puback(n));
        raw.send(publish(&topic, "x").qos(2, n)).expect(pubrec(n));
        raw.send(pubrel(n)).expect(pubcomp(n));
    }
    join(&mut raw, &topic, 2);
    client("c").deliver(publish(&topic, "x").qos(2, 7));
    let id = message(&mut raw).id;
    raw.send(pubrec(id)).expect(pubrel(id)).send(pubcomp(id)).ping();
}

fn subacks_carry_the_id() {
    let topic = topic("a");
    let mut raw = client("a");
    for n in [1, 0x1234, 0xffff] {
        raw.send(subscribe(n, &[(&topic, 0)])).expect(suback(n, &[0]));
        raw.send(unsubscribe(n, &[&topic])).expect(unsuback(n, &[0]));
    }
}

fn no_properties_is_length_0() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 0);
    raw.send(publish(&topic, "x")).expect(publish(&topic, "x"));
    let missing = Publish::new(&topic, "", None);
    ends(raw.send(missing), &[0x81]);
    faulty(identified(0x82, 1, []), &[0x81, 0x82]);
    faulty(identified(0xa2, 1, []), &[0x81, 0x82]);
    refused(Connect::new("MQTT", 5, "abc", None), &[0x81]);
}
