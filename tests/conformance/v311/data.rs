//! 3.1.1, sections 1.5 and 2: strings, flags, packet identifiers.

use super::{client, fatal, refused, say, subscribed, subscribed_session, subscriber};
use crate::conformance::cases;
use crate::harness::v3::{
    DISCONNECT, PINGREQ, connect, puback, pubcomp, publish, pubrec, pubrel, suback, subscribe,
    unsuback, unsubscribe,
};
use crate::harness::{id, topic};

cases! { V311;
    ill_formed_utf_8_closes:
        "MQTT-1.5.3-1" "ill-formed UTF-8 in any string closes the connection",
        "MQTT-3.1.3-4" "the client identifier is UTF-8",
        "MQTT-3.1.3-10" "the will topic is UTF-8",
        "MQTT-3.1.3-11" "the user name is UTF-8",
        "MQTT-3.8.3-1" "the filters of SUBSCRIBE are UTF-8",
        "MQTT-3.10.3-1" "the filters of UNSUBSCRIBE are UTF-8";
    null_character_closes:
        "MQTT-1.5.3-2" "U+0000 in any string closes the connection",
        "MQTT-4.7.3-2" "topic names and filters hold no U+0000";
    byte_order_mark_is_a_character:
        "MQTT-1.5.3-3" "EF BB BF is U+FEFF wherever it stands, and is kept";
    wrong_flags_close:
        "MQTT-2.2.2-1" "reserved flags have the values of table 2.2",
        "MQTT-2.2.2-2" "invalid flags close the connection",
        "MQTT-3.6.1-1" "PUBREL's flags are 0010",
        "MQTT-3.8.1-1" "SUBSCRIBE's flags are 0010",
        "MQTT-3.10.1-1" "UNSUBSCRIBE's flags are 0010";
    identifier_zero_closes:
        "MQTT-2.3.1-1" "SUBSCRIBE, UNSUBSCRIBE and PUBLISH above QoS 0 have an identifier not 0";
    identifier_is_free_after_its_acknowledgement:
        "MQTT-2.3.1-3" "an identifier serves again once its exchange is complete";
    server_keeps_its_identifiers:
        "MQTT-2.3.1-4" "the server re-sends under the same identifier and reuses none in use";
    qos_0_has_no_identifier:
        "MQTT-2.3.1-5" "a PUBLISH of QoS 0 has no packet identifier",
        "MQTT-4.3.1-1" "a PUBLISH of QoS 0 has DUP 0";
    acknowledgements_repeat_the_identifier:
        "MQTT-2.3.1-6" "PUBACK, PUBREC and PUBREL have the PUBLISH's identifier",
        "MQTT-2.3.1-7" "SUBACK and UNSUBACK have the identifier of their request",
        "MQTT-3.8.4-2" "SUBACK has the SUBSCRIBE's identifier";
}

/// Sends a text in every place of a packet that holds a string.
fn closes_everywhere(text: &[u8]) {
    refused(connect(text));
    refused(connect(id("will")).will(0, false, text, "payload"));
    refused(connect(id("user")).user(text));
    fatal(publish(text, "payload"));
    fatal(subscribe(1, &[(text, 0)]));
    fatal(unsubscribe(1, &[text]));
}

fn ill_formed_utf_8_closes() {
    for text in [
        &b"lone \x80 continuation"[..],
        b"cut short \xe2\x82",
        b"overlong \xc0\xaf",
        b"overlong \xe0\x80\xaf",
        b"surrogate \xed\xa0\x80",
        b"surrogate \xed\xbf\xbf",
        b"beyond \xf4\x90\x80\x80 U+10FFFF",
        b"never \xff",
    ] {
        closes_everywhere(text);
    }
}

fn null_character_closes() {
    for text in [&b"\0"[..], b"a\0b", b"ab\0", b"overlong \xc0\x80"] {
        closes_everywhere(text);
    }
}

fn byte_order_mark_is_a_character() {
    let plain = topic("t");
    let marked = [format!("\u{feff}{plain}"), format!("{plain}\u{feff}")];
    let mut with_plain = subscriber("plain", &[(&plain, 0)]);
    let mut with_mark = subscriber("mark", &[(&marked[0], 0), (&marked[1], 0)]);
    for topic in &marked {
        say(publish(topic, "marked"));
        with_mark.expect(publish(topic, "marked"));
    }
    with_plain.ping();
    say(publish(&plain, "plain"));
    with_plain.expect(publish(&plain, "plain"));
    with_mark.ping();
}

fn wrong_flags_close() {
    let topic = topic("t");
    let good = [
        puback(1),
        pubrec(1),
        pubrel(1),
        pubcomp(1),
        subscribe(1, &[(&topic, 0)]),
        unsubscribe(1, &[&topic]),
        PINGREQ.to_vec(),
    ];
    for good in &good {
        client("good").send(&good[..]).until_ping();
    }
    for mut bad in good.into_iter().chain([DISCONNECT.to_vec()]) {
        let right = bad[0];
        for flags in (0..16).filter(|flags| *flags != right & 0x0f) {
            bad[0] = right & 0xf0 | flags;
            fatal(&bad[..]);
        }
    }
    for flags in 1..16 {
        let mut bad = Vec::from(connect(id("bad")));
        bad[0] |= flags;
        refused(bad);
    }
}

fn identifier_zero_closes() {
    let topic = topic("t");
    fatal(subscribe(0, &[(&topic, 0)]));
    fatal(unsubscribe(0, &[&topic]));
    fatal(publish(&topic, "x").qos(1, 0));
    fatal(publish(&topic, "x").qos(2, 0));
}

fn identifier_is_free_after_its_acknowledgement() {
    let topic = topic("t");
    let mut other = subscriber("other", &[(&topic, 2)]);
    let mut raw = client("raw");
    for qos in 1..=2 {
        for payload in ["one", "another"] {
            raw.deliver(publish(&topic, payload).qos(qos, 9));
            other.accept(publish(&topic, payload).qos(qos, 0));
        }
    }
    for _ in 0..2 {
        raw.send(subscribe(9, &[(&topic, 0)])).expect(suback(9, &[0]));
        raw.send(unsubscribe(9, &[&topic])).expect(unsuback(9));
    }
}

fn server_keeps_its_identifiers() {
    let topic = topic("t");
    let message = |n: usize| publish(&topic, n.to_string()).qos([1, 2][n % 2], 1);
    let mut raw = subscribed_session("s", &[(&topic, 2)]);
    (0..6).for_each(|n| say(message(n)));
    let mut used: Vec<u16> = (0..6).map(|n| raw.expect_publish(message(n))).collect();
    // The identifier of a QoS 2 message is in use until PUBCOMP.
    raw.send(pubrec(used[1])).expect(pubrel(used[1]));
    (6..9).for_each(|n| say(message(n)));
    used.extend((6..9).map(|n| raw.expect_publish(message(n))));
    let mut distinct = used.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() == used.len() && distinct[0] > 0, "identifiers {used:?}");
    raw.drop_link();

    let mut raw = super::session("s", true);
    let again = |(n, id)| match n {
        1 => pubrel(id),
        _ => message(n).numbered(id).dup().into(),
    };
    raw.expect_in_any_order(used.into_iter().enumerate().map(again));
}

fn qos_0_has_no_identifier() {
    let topic = topic("t");
    let mut raw = subscriber("a", &[(&topic, 2)]);
    let payload = b"\x00\x01 is payload";
    raw.send(publish(&topic, payload)).expect(publish(&topic, payload)).ping();
    let mut low = subscriber("low", &[(&topic, 0)]);
    for qos in 1..=2 {
        say(publish(&topic, "lowered").dup().qos(qos, 7));
        low.expect(publish(&topic, "lowered")).ping();
    }
}

fn acknowledgements_repeat_the_identifier() {
    let topic = topic("t");
    let mut raw = client("a");
    for id in [1, 0x0102, 0x7fff, 0x8000, 0xff00, 0xffff] {
        raw.send(publish(&topic, "x").qos(1, id)).expect(puback(id));
        raw.send(publish(&topic, "x").qos(2, id)).expect(pubrec(id));
        raw.send(pubrel(id)).expect(pubcomp(id));
        raw.send(subscribe(id, &[(&topic, 1)])).expect(suback(id, &[1]));
        raw.send(unsubscribe(id, &[&topic])).expect(unsuback(id));
    }
    // PUBREL is the server's to send: `accept` compares its identifier.
    subscribed(&mut raw, &[(&topic, 2)]);
    for _ in 0..3 {
        say(publish(&topic, "x").qos(2, 40));
        raw.accept(publish(&topic, "x").qos(2, 0)).ping();
    }
}
