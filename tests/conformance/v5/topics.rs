//! 5.0, section 4.7: topic names and topic filters.

use super::wire::{client, ends, faulty, join, subscriber};
use crate::conformance::cases;
use crate::harness::v5::{publish, suback, subscribe, unsubscribe};
use crate::harness::{Raw, topic};

cases! { V5;
    no_wildcards_in_names: "MQTT-4.7.0-1" "wildcards are not for topic names";
    multi_level: "MQTT-4.7.1-1" "# is a level of its own, and the last";
    single_level: "MQTT-4.7.1-2" "+ is a level of its own";
    dollar: "MQTT-4.7.2-1" "a leading wildcard does not match a leading $";
    not_empty: "MQTT-4.7.3-1" "names and filters have at least one character";
    no_nul: "MQTT-4.7.3-2" "names and filters have no U+0000";
    longest: "MQTT-4.7.3-3" "names and filters have at most 65,535 bytes";
    no_normalization: "MQTT-4.7.3-4" "names and filters are compared as they are";
}

fn no_wildcards_in_names() {
    for name in ["#", "+", "a/#", "+/a", "a/+/b", "a#", "a+b", "$SYS/#"] {
        for qos in 0..=2 {
            faulty(publish(name, "x").at(qos, 1), &[0x81, 0x82, 0x90]);
        }
    }
}

/// These filters must be refused: by the SUBACK, or as malformed.
fn invalid(filters: &[&str]) {
    for filter in filters {
        let mut raw = client("a");
        let answer = raw.send(subscribe(1, &[(filter, 0)])).packet();
        if answer.first() == 0xe0 {
            assert!([0x81, 0x82, 0x8f].contains(&answer.body()[0]), "{filter}: {answer:?}");
            raw.expect_closed();
        } else {
            assert_eq!(answer.bytes, suback(1, &[0x8f]), "{filter}");
            raw.ping();
        }
    }
}

/// Below the test's own topic, the filter must match these names and not those.
fn matching(filter: &str, these: &[&str], those: &[&str]) {
    let mut raw = subscriber("a", &topic(filter), 0);
    let mut from = client("b");
    for name in those {
        from.send(publish(topic(name), "x"));
    }
    for name in these {
        from.send(publish(topic(name), "x")).ping();
        raw.expect(publish(topic(name), "x"));
    }
    raw.ping();
}

fn multi_level() {
    invalid(&["a#", "#/a", "a/#/b", "##", "a/b#", "#+", "/a/#/"]);
    matching("s/#", &["s", "s/", "s/t", "s/t/u", "s//"], &["t", "ss", "S/t", "t/s"]);
    matching("s/t/#", &["s/t", "s/t/u"], &["s", "s/u", "s/tt"]);
    matching("#", &["s", "/", "", "s/t/u"], &[]);
}

fn single_level() {
    invalid(&["a+", "+a", "a/+b", "a/b+/c", "++", "+/a+"]);
    matching("s/+", &["s/t", "s/"], &["s", "s/t/u", "s/t/", "/s/t"]);
    matching("+/t", &["s/t", "/t"], &["t", "s/s/t", "s/t/"]);
    matching("+/t/#", &["s/t", "s/t/u", "/t/"], &["t", "t/s/t"]);
    matching("s/+/u", &["s/t/u", "s//u"], &["s/u", "s/t/u/v"]);
    matching("+/+", &["/f", "a/b"], &["f", "a/b/c"]);
    matching("/+", &["/f"], &["f"]);
}

fn dollar() {
    let name = format!("$dollar/{}", topic("a"));
    let wild = format!("+/{}", topic("a"));
    let mut raw = Raw::online(crate::harness::v5::connect(crate::harness::id("a")));
    raw.send(subscribe(1, &[("#", 0), ("+/#", 0), ("+/broker/uptime", 0), (&wild, 0)]));
    let mut named = subscriber("b", &name, 0);
    for publisher in ["c", "d"] {
        client(publisher).send(publish(&name, "x")).send(publish("$SYS/x", "x")).ping();
    }
    named.until_ping(); // may get them or not
    let packets = raw.until_ping();
    assert_eq!(packets.iter().filter(|packet| packet.first() == 0x90).count(), 1);
    for packet in packets.iter().filter(|packet| packet.first() >> 4 == 3) {
        assert_ne!(packet.body()[2], b'$', "{packet:?}");
    }
}

fn not_empty() {
    faulty(publish("", "x"), &[0x82]);
    faulty(publish("", "x").qos(1, 1), &[0x82]);
    for packet in [subscribe(1, &[("", 0)]), unsubscribe(1, &[""])] {
        let mut raw = client("a");
        let answer = raw.send(packet).packet();
        if answer.first() == 0xe0 {
            assert!([0x81, 0x82, 0x8f].contains(&answer.body()[0]), "{answer:?}");
            raw.expect_closed();
        } else {
            assert!(answer.body()[3] >= 0x80 || answer.body()[3] == 0x11, "{answer:?}");
        }
    }
    for short in ["/", "//", " "] {
        let filter = format!("{}{short}", topic("a"));
        let mut raw = subscriber("b", &filter, 0);
        raw.send(publish(&filter, "x")).expect(publish(&filter, "x"));
    }
}

fn no_nul() {
    for text in ["\0", "a/\0", "a\0b"] {
        faulty(publish(text, "x"), &[0x81, 0x82]);
        faulty(subscribe(1, &[(text, 0)]), &[0x81]);
        faulty(unsubscribe(1, &[text]), &[0x81]);
    }
}

fn longest() {
    let mut name = topic("a");
    name.push_str(&"x".repeat(65_535 - name.len()));
    let mut raw = subscriber("a", &name, 0);
    raw.send(publish(&name, "x")).expect(publish(&name, "x")).ping();
    let mut wild = client("b");
    join(&mut wild, &topic("+"), 0);
    raw.send(publish(&name, "y")).expect(publish(&name, "y")).ping();
    wild.expect(publish(&name, "y")).ping();
    let beyond = [&[0x30, 0x05, 0xff, 0xff], &b"abc"[..]].concat();
    ends(raw.send(beyond), &[0x81]); // as long a name in a short packet
}

fn no_normalization() {
    let composed = "\u{e9}";
    let decomposed = "e\u{301}";
    matching("A", &["A"], &["a", "A/", "A "]);
    matching("a//b", &["a//b"], &["a/b", "a/ /b", "a///b"]);
    matching(composed, &[composed], &[decomposed, "e"]);
    matching(decomposed, &[decomposed], &[composed]);
    matching("a/../b/./c", &["a/../b/./c"], &["b/c", "b/./c"]);
    matching("%2f", &["%2f"], &["/", "%2F"]);
    matching("a/+", &["a/ ", "a/.."], &["a"]);
}
