//! 3.1.1, section 4.7: topic names and filters.

use super::{client, fatal, say, subscribed, subscriber};
use crate::conformance::cases;
use crate::harness::v3::{publish, subscribe, unsubscribe};
use crate::harness::{Raw, topic};

cases! { V311;
    filters_match_as_defined:
        "MQTT-3.3.2-3" "a PUBLISH to a client matches a filter of that client";
    misplaced_hash_closes:
        "MQTT-4.7.1-2" "# stands alone or behind a separator, and last";
    misplaced_plus_closes:
        "MQTT-4.7.1-3" "+ occupies a whole level";
    dollar_topics_are_hidden_from_leading_wildcards:
        "MQTT-4.7.2-1" "a leading wildcard does not match a topic that begins with $";
    empty_names_close:
        "MQTT-4.7.3-1" "topic names and filters have at least one character";
    longest_names_are_served:
        "MQTT-4.7.3-3" "topic names and filters have up to 65535 bytes";
    names_are_not_normalized:
        "MQTT-4.7.3-4" "names are compared as they are";
}

/// Names below the test's own; the standard's examples and their neighbours.
const NAMES: &[&str] =
    &["", "/", "a", "a/", "a//", "a/b", "a/b/", "a/b/c", "/a", "a//b", "b", "ab"];

/// Filters with those of the names that they match.
const MATCHES: &[(&str, &[&str])] = &[
    ("#", NAMES),
    ("a", &["a"]),
    ("a/", &["a/"]),
    ("a/b", &["a/b"]),
    ("a/#", &["a", "a/", "a//", "a/b", "a/b/", "a/b/c", "a//b"]),
    ("a/b/#", &["a/b", "a/b/", "a/b/c"]),
    ("+", &["", "a", "b", "ab"]),
    ("+/", &["/", "a/"]),
    ("/+", &["/", "/a"]),
    ("a/+", &["a/", "a/b"]),
    ("+/+", &["/", "a/", "a/b", "/a"]),
    ("+/b", &["a/b"]),
    ("a/+/c", &["a/b/c"]),
    ("a/+/b", &["a//b"]),
    ("+/+/#", &["/", "a/", "a//", "a/b", "a/b/", "a/b/c", "/a", "a//b"]),
    ("a/+/#", &["a/", "a//", "a/b", "a/b/", "a/b/c", "a//b"]),
    ("/#", &["", "/", "/a"]),
    ("+/+/+", &["a//", "a/b/", "a/b/c", "a//b"]),
    ("A/#", &[]),
    ("a/b/c/d", &[]),
];

fn filters_match_as_defined() {
    let mut readers: Vec<Raw> = (0..MATCHES.len())
        .map(|n| subscriber(&n.to_string(), &[(&topic(MATCHES[n].0), 0)]))
        .collect();
    let mut raw = client("p");
    for name in NAMES {
        raw.send(publish(topic(name), "x"));
    }
    raw.ping();
    for (reader, (filter, names)) in readers.iter_mut().zip(MATCHES) {
        println!("filter {filter}");
        for name in NAMES.iter().filter(|name| names.contains(name)) {
            reader.expect(publish(topic(name), "x"));
        }
        reader.ping();
    }
    // A wildcard may also be the first level.
    let own = topic("x");
    let leading = format!("+{}", &own[own.find('/').unwrap()..]);
    let mut reader = subscriber("lead", &[(&leading, 0)]);
    say(publish(&own, "x"));
    reader.expect(publish(&own, "x")).ping();
}

/// A client that asks for this filter must be disconnected, wherever it stands.
fn never_a_filter(filter: &str) {
    let good = topic("good");
    fatal(subscribe(1, &[(filter, 0)]));
    fatal(subscribe(1, &[(&good[..], 0), (filter, 0)]));
}

fn misplaced_hash_closes() {
    for bad in ["a#", "a/#b", "#/", "#/a", "a/#/b", "##", "a/##", "+#", "a/b#"] {
        never_a_filter(bad);
    }
}

fn misplaced_plus_closes() {
    for bad in ["a+", "+a", "++", "a/b+", "a/+b/c", "a/b+c/d", "+/a+"] {
        never_a_filter(bad);
    }
}

fn dollar_topics_are_hidden_from_leading_wildcards() {
    let own = topic("t");
    let dollar = format!("${own}");
    let below = &own[own.find('/').unwrap()..];
    let mut hidden = subscriber("h", &[(&format!("+{below}"), 0), ("#", 0)]);
    let mut shown = subscriber("s", &[(&format!("{dollar}/#"), 0)]);
    say(publish(&dollar, "not for wildcards"));
    say(publish(&own, "for wildcards"));
    shown.expect(publish(&dollar, "not for wildcards")).ping();
    let got = hidden.until_ping(); // `#` brings the messages of other tests as well
    let has = |text: &[u8]| got.iter().filter(|packet| packet.body().ends_with(text)).count();
    assert_eq!((has(b"not for wildcards"), has(b" for wildcards")), (0, 0));
    assert_eq!(has(b"for wildcards"), 1);
    // The server's own topics, too.
    assert!(got.iter().all(|packet| !packet.body()[2..].starts_with(b"$")), "{got:?}");
    // A $ that does not lead is a character like others, and so is one behind a wildcard.
    let mut inner = subscriber("i", &[(&topic("+"), 0)]);
    say(publish(topic("$x"), "x"));
    inner.expect(publish(topic("$x"), "x")).ping();
}

fn empty_names_close() {
    fatal(publish("", "x"));
    fatal(publish("", "x").qos(1, 1));
    fatal(subscribe(1, &[("", 0)]));
    fatal(unsubscribe(1, &[""]));
    // A separator alone is a name.
    client("a").send(publish("/", "x")).ping();
}

fn longest_names_are_served() {
    let mut name = topic("t");
    name.push_str(&"x".repeat(65535 - name.len()));
    let mut raw = client("a");
    subscribed(&mut raw, &[(&name, 1)]);
    say(publish(&name, "x").qos(1, 1));
    raw.accept(publish(&name, "x").qos(1, 0)).ping();
}

fn names_are_not_normalized() {
    let names = [
        "A",
        "a",
        "\u{c0}",
        "A\u{300}",
        "\u{c5}",
        "\u{212b}",
        "a ",
        " a",
        "a/./b",
        "a/../a",
        "a\\b",
        "a%2fb",
        "a/b",
        "\u{fb01}",
        "fi",
        "\u{ff41}",
        "\u{200b}a",
        "\u{1f600}",
        "\u{e000}",
    ]
    .map(topic);
    let mut readers: Vec<Raw> = Vec::new();
    for (n, name) in names.iter().enumerate() {
        readers.push(subscriber(&n.to_string(), &[(name, 0)]));
    }
    for name in &names {
        say(publish(name, "x"));
    }
    for (reader, name) in readers.iter_mut().zip(&names) {
        reader.expect(publish(name, "x")).ping();
    }
}
