//! 3.1.1, section 3.1.3.1: client identifiers.

use super::{client, refused, rejected, say, session, subscribed, subscribed_session};
use crate::conformance::cases;
use crate::harness::v3::{connack, connect, publish};
use crate::harness::{Raw, id, packet, text, topic};

cases! { V311;
    identifier_names_the_session:
        "MQTT-3.1.3-2" "the client identifier identifies the session";
    identifier_must_be_there:
        "MQTT-3.1.3-3" "the client identifier is the first field of the payload";
    letters_and_digits_are_allowed:
        "MQTT-3.1.3-5" "identifiers of 1 to 23 letters and digits are allowed";
    empty_identifier_is_replaced:
        "MQTT-3.1.3-6" "a zero-byte identifier is replaced by a unique one";
    empty_identifier_needs_a_clean_session:
        "MQTT-3.1.3-7" "a zero-byte identifier goes with clean session 1",
        "MQTT-3.1.3-8" "a zero-byte identifier with clean session 0 is answered with 2",
        "MQTT-3.1.3-9" "a rejected identifier is answered with 2, then the end";
    same_identifier_takes_over:
        "MQTT-3.1.4-2" "a second client of the same identifier disconnects the first";
}

fn identifier_names_the_session() {
    let (one, two) = (topic("one"), topic("two"));
    subscribed_session("a", &[(&one, 1)]).disconnect();
    subscribed_session("A", &[(&two, 1)]).disconnect();
    say(publish(&one, "for a").qos(1, 1));
    say(publish(&two, "for A").qos(1, 1));
    session("aA", false).ping();
    session("A", true).accept(publish(&two, "for A").qos(1, 0)).ping();
    session("a", true).accept(publish(&one, "for a").qos(1, 0)).ping();
}

fn identifier_must_be_there() {
    let head = [&text("MQTT")[..], &[4, 2, 0, 0]].concat();
    refused(packet(0x10, &head));
    refused(packet(0x10, [&head[..], &[0]].concat()));
    refused(packet(0x10, [&head[..], &[0, 9], b"too few"].concat()));
}

fn letters_and_digits_are_allowed() {
    let own = id(""); // 17 of them
    for id in [
        "0123456789abcdefghijklm",
        "nopqrstuvwxyzABCDEFGHIJ",
        "KLMNOPQRSTUVWXYZ",
        "0",
        &format!("{own}aZ09zA"),
    ] {
        let mut raw = Raw::online(connect(id));
        raw.ping();
        raw.disconnect();
    }
}

fn empty_identifier_is_replaced() {
    let topic = topic("t");
    let mut nameless: Vec<Raw> = (0..3).map(|_| Raw::online(connect(""))).collect();
    nameless.iter_mut().for_each(|raw| subscribed(raw, &[(&topic, 0)]));
    say(publish(&topic, "for each"));
    for raw in &mut nameless {
        raw.expect(publish(&topic, "for each")).ping();
    }
}

fn empty_identifier_needs_a_clean_session() {
    rejected(connect("").resume(), 2);
    rejected(connect("").resume().will(1, true, topic("t"), "will").user("user"), 2);
}

fn same_identifier_takes_over() {
    let topic = topic("t");
    for (name, first, second) in
        [("a", false, false), ("b", false, true), ("c", true, false), ("d", true, true)]
    {
        let hello = |clean| if clean { connect(id(name)) } else { connect(id(name)).resume() };
        let mut old = Raw::online(hello(first));
        subscribed(&mut old, &[(&topic, 0)]);
        let mut new = Raw::connect();
        new.send(hello(second)).expect(connack(!first && !second, 0));
        old.expect_closed();
        new.ping();
        new.disconnect();
    }
    client("a").ping();
}
