//! 3.1.1, sections 3.1.2.4, 3.2.2.2 and 4.1: sessions.

use super::{client, say, session, subscribed, subscribed_session, subscriber};
use crate::conformance::cases;
use crate::harness::v3::{
    connack, connect, pubcomp, publish, pubrec, pubrel, unsuback, unsubscribe,
};
use crate::harness::{Raw, id, topic};

cases! { V311;
    kept_session_is_resumed:
        "MQTT-3.1.2-4" "clean session 0: state is kept over the connection and resumed",
        "MQTT-3.1.4-3" "a valid CONNECT is followed by the processing of clean session",
        "MQTT-3.2.2-2" "session present 1 if there is stored state",
        "MQTT-3.2.2-3" "session present 0 if there is no stored state";
    messages_wait_for_a_kept_session:
        "MQTT-3.1.2-5" "QoS 1 and 2 messages for a disconnected session are stored";
    clean_session_starts_afresh:
        "MQTT-3.1.2-6" "clean session 1 discards former state and keeps none",
        "MQTT-3.2.2-1" "clean session 1: session present 0";
    retained_messages_outlive_sessions:
        "MQTT-3.1.2-7" "retained messages are no part of the session";
    state_lasts_as_long_as_the_session:
        "MQTT-4.1.0-1" "state is stored for the whole session";
    session_lasts_as_long_as_the_connection:
        "MQTT-4.1.0-2" "a session lasts at least as long as its connection";
}

fn kept_session_is_resumed() {
    let topic = topic("t");
    subscribed_session("s", &[(&topic, 1)]).disconnect();
    let mut raw = session("s", true);
    say(publish(&topic, "after DISCONNECT").qos(1, 1));
    raw.accept(publish(&topic, "after DISCONNECT").qos(1, 0)).ping();
    raw.drop_link();
    let mut raw = session("s", true);
    say(publish(&topic, "after a cut").qos(1, 1));
    raw.accept(publish(&topic, "after a cut").qos(1, 0)).ping();
    // An empty session is one, too.
    session("empty", false).disconnect();
    session("empty", true).ping();
}

fn messages_wait_for_a_kept_session() {
    let topic = topic("t");
    subscribed_session("s", &[(&topic, 2)]).disconnect();
    for end in [Raw::disconnect, Raw::drop_link] {
        let messages = || (0..8).map(|n| publish(&topic, [n]).qos(1 + n % 2, 1));
        messages().for_each(say);
        let mut raw = session("s", true);
        raw.accept_all(messages());
        end(raw);
    }
    session("s", true).ping();
}

fn clean_session_starts_afresh() {
    let topic = topic("t");
    subscribed_session("s", &[(&topic, 2)]).disconnect();
    say(publish(&topic, "discarded").qos(1, 1));
    let mut raw = Raw::connect();
    raw.send(connect(id("s"))).expect(connack(false, 0)).ping();
    say(publish(&topic, "not subscribed").qos(1, 1));
    raw.ping();
    // What this session gathers is not used again, whichever way it ends.
    subscribed(&mut raw, &[(&topic, 2)]);
    say(publish(&topic, "unacknowledged").qos(1, 1));
    raw.expect_publish(publish(&topic, "unacknowledged").qos(1, 0));
    raw.drop_link();
    say(publish(&topic, "nobody's").qos(1, 1));
    let mut raw = session("s", false);
    raw.ping();
    say(publish(&topic, "nobody's").qos(1, 1));
    raw.ping();
}

fn retained_messages_outlive_sessions() {
    let topic = topic("t");
    for (name, qos) in [("0", 0), ("1", 1), ("2", 2)] {
        let mut raw = session("p", false);
        raw.deliver(publish(&topic, name).retain().at(qos, 3));
        raw.disconnect();
        client("p").disconnect(); // discards the session
        let mut raw = subscriber("s", &[(&topic, 2)]);
        raw.accept(publish(&topic, name).retain().at(qos, 0)).ping();
    }
}

fn state_lasts_as_long_as_the_session() {
    let (one, two) = (topic("one"), topic("two"));
    subscribed_session("s", &[(&one, 1), (&two, 2)]).disconnect();
    say(publish(&one, "first").qos(1, 1));
    // Unacknowledged over several connections, and with it all else.
    for connection in 0..3 {
        let mut raw = session("s", true);
        let first = publish(&one, "first").qos(1, 0);
        raw.expect_publish(if connection == 0 { first } else { first.dup() });
        raw.ping();
        raw.drop_link();
    }
    let mut raw = session("s", true);
    raw.accept(publish(&one, "first").dup().qos(1, 0));
    raw.send(unsubscribe(2, &[&one])).expect(unsuback(2));
    raw.disconnect();
    say(publish(&one, "unsubscribed").qos(1, 1));
    say(publish(&two, "second").qos(2, 1));
    session("s", true).accept(publish(&two, "second").qos(2, 0)).ping();
}

fn session_lasts_as_long_as_the_connection() {
    let (inward, outward) = (topic("in"), topic("out"));
    // A clean session keeps all of its state while others come and go.
    let mut raw = subscriber("s", &[(&outward, 2)]);
    say(publish(&outward, "half taken").qos(2, 1));
    let half = raw.expect_publish(publish(&outward, "half taken").qos(2, 0));
    raw.send(publish(&inward, "half given").qos(2, 77)).expect(pubrec(77));
    for _ in 0..5 {
        client("other").disconnect();
        raw.ping();
    }
    raw.send(publish(&inward, "half given").dup().qos(2, 77)).expect(pubrec(77));
    raw.send(pubrel(77)).expect(pubcomp(77));
    raw.send(pubrec(half)).expect(pubrel(half)).send(pubcomp(half));
    say(publish(&outward, "still subscribed").qos(1, 1));
    raw.accept(publish(&outward, "still subscribed").qos(1, 0)).ping();
}
