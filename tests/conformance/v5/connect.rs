//! 5.0, section 3.1: CONNECT up to the flags and properties that shape the session.

use super::wire::{
    authentication_method, client, ends, faulty, join, lasting, maximum_packet_size, message,
    problem_information, read_connack, receive_maximum, refused, response_information, resume,
    session_expiry, subscribed, subscriber, topic_alias_maximum, unwelcome, wait,
};
use crate::conformance::cases;
use crate::harness::v3::PINGREQ;
use crate::harness::v5::{
    auth, connect, disconnect, puback, publish, pubrec, pubrel, suback, subscribe, unsuback,
    unsubscribe,
};
use crate::harness::{Connect, Raw, id, topic};

cases! { V5;
    first_packet_is_connect: "MQTT-3.1.0-1" "the first packet is a CONNECT";
    second_connect: "MQTT-3.1.0-2" "a second CONNECT is a protocol error";
    protocol_name: "MQTT-3.1.2-1" "the protocol name is MQTT, or the connection is closed";
    protocol_version: "MQTT-3.1.2-2" "an unknown version is refused and closed";
    reserved_flag: "MQTT-3.1.2-3" "the reserved connect flag is 0";
    clean_start: "MQTT-3.1.2-4" "clean start 1 discards the session there is";
    resumption: "MQTT-3.1.2-5" "clean start 0 resumes the session there is";
    new_session: "MQTT-3.1.2-6" "clean start 0 without a session begins one";
    user_name_unannounced: "MQTT-3.1.2-16" "no user name behind user name flag 0";
    user_name_missing: "MQTT-3.1.2-17" "a user name behind user name flag 1";
    password_unannounced: "MQTT-3.1.2-18" "no password behind password flag 0";
    password_missing: "MQTT-3.1.2-19" "a password behind password flag 1";
    keep_alive:
        "MQTT-3.1.2-22" "silence of one and a half keep alives closes the connection",
        "MQTT-3.2.2-22" "without a Server Keep Alive the client's own keep alive counts";
    session_is_kept: "MQTT-3.1.2-23" "a session with an expiry interval outlives its connection";
    nothing_too_large: "MQTT-3.1.2-24" "no packet exceeds the client's Maximum Packet Size";
    no_answer_too_large: "MQTT-3.1.2-24" "nor does a CONNACK, SUBACK or UNSUBACK";
    too_large_is_done: "MQTT-3.1.2-25" "a message too large to send counts as sent";
    aliases_within_maximum: "MQTT-3.1.2-26" "no topic alias above the client's maximum";
    no_aliases_unasked: "MQTT-3.1.2-27" "no topic alias to a client that set no maximum";
    no_response_information: "MQTT-3.1.2-28" "no response information that was not requested";
    no_problem_information: "MQTT-3.1.2-29" "no reason strings and user properties if so asked";
    silence_before_connack: "MQTT-3.1.2-30" "with an authentication method, only AUTH comes first";
}

fn first_packet_is_connect() {
    let others: [Vec<u8>; 9] = [
        PINGREQ.to_vec(),
        publish("t", "x").into(),
        subscribe(1, &[("t", 0)]),
        unsubscribe(1, &["t"]),
        puback(1),
        pubrec(1),
        pubrel(1),
        disconnect(0x80),
        auth(0x18, &authentication_method("m")),
    ];
    for bytes in others {
        Raw::connect().send(bytes).expect_closed();
    }
}

fn second_connect() {
    faulty(connect(id("faulty")), &[0x82]);
    faulty(connect(id("other")), &[0x82]);
}

fn protocol_name() {
    for name in ["mqtt", "MQTT5", "MQT", "", "MQIsdp", "HTTP"] {
        unwelcome(Connect::new(name, 5, id("a"), Some(vec![])));
    }
}

fn protocol_version() {
    for level in [0, 1, 2, 6, 7, 0x7f] {
        let mut raw = Raw::connect();
        raw.send(Connect::new("MQTT", level, id("a"), Some(vec![])));
        raw.expect([0x20, 0x02, 0x00, 0x01]).expect_closed();
    }
}

fn reserved_flag() {
    refused(connect(id("a")).flags(0x03), &[0x81]);
    refused(connect(id("a")).flags(0x01), &[0x81]);
}

fn clean_start() {
    let topic = topic("a");
    subscribed(lasting("a"), &topic, 1).disconnect();
    let mut from = client("b");
    from.deliver(publish(&topic, "queued").qos(1, 1));
    let mut raw = Raw::connect();
    assert_eq!(read_connack(&raw.send(lasting("a")).packet()).0, 0, "session present");
    raw.ping(); // nothing was queued
    from.send(publish(&topic, "later")).ping();
    raw.ping(); // nothing is subscribed
}

fn resumption() {
    let topic = topic("a");
    subscribed(lasting("a"), &topic, 1).disconnect();
    let mut from = client("b");
    from.deliver(publish(&topic, "queued").qos(1, 1));
    let (mut raw, present) = resume(lasting("a"));
    assert!(present, "the session is gone");
    assert_eq!(message(&mut raw).payload, "queued");
    from.deliver(publish(&topic, "later").qos(1, 2));
    assert_eq!(message(&mut raw).payload, "later");
}

fn new_session() {
    let (mut raw, present) = resume(lasting("a"));
    assert!(!present, "a session came from nowhere");
    join(&mut raw, &topic("a"), 0);
    raw.disconnect();
    assert!(resume(lasting("a")).1, "no session was begun");
}

fn user_name_unannounced() {
    refused(connect(id("a")).user("name").flags(0x02), &[0x81, 0x82]);
}

fn user_name_missing() {
    refused(connect(id("a")).flags(0x82), &[0x81, 0x82]);
}

fn password_unannounced() {
    refused(connect(id("a")).password("secret").flags(0x02), &[0x81, 0x82]);
    refused(connect(id("a")).user("name").password("secret").flags(0x82), &[0x81, 0x82]);
}

fn password_missing() {
    refused(connect(id("a")).flags(0x42), &[0x81, 0x82]);
    refused(connect(id("a")).user("name").flags(0xc2), &[0x81, 0x82]);
}

fn keep_alive() {
    let topic = topic("will");
    let mut ear = subscriber("ear", &topic, 0);
    let mut raw = Raw::connect();
    raw.send(connect(id("a")).keep_alive(1).will(0, false, &topic, "gone"));
    let (_, _, properties) = read_connack(&raw.packet());
    assert!(properties.iter().all(|(identifier, _)| *identifier != 0x13), "{properties:?}");
    raw.ping();
    ends(&mut raw, &[0x8d]);
    assert_eq!(message(&mut ear).payload, "gone");
    let mut alive = Raw::online(connect(id("b")).keep_alive(2));
    for _ in 0..4 {
        wait(1);
        alive.ping(); // as long as it speaks it stays
    }
}

fn session_is_kept() {
    let with = |seconds| connect(id("a")).properties(session_expiry(seconds));
    for (seconds, kept) in [(0, false), (60, true), (u32::MAX, true)] {
        Raw::online(with(seconds)).disconnect();
        assert_eq!(resume(with(0)).1, kept, "expiry {seconds}");
        Raw::online(with(0)).disconnect();
    }
    Raw::online(connect(id("a"))).disconnect();
    assert!(!resume(connect(id("a"))).1, "absent is 0");
}

fn nothing_too_large() {
    let topic = topic("a");
    for qos in 0..=2 {
        let small = publish(&topic, "x").at(qos, 1);
        let limit = Vec::from(small.clone()).len();
        let limit = u32::try_from(limit).expect("a small packet");
        let limited = connect(id("a")).properties(maximum_packet_size(limit));
        let mut raw = subscribed(limited, &topic, qos);
        let mut from = client("b");
        from.deliver(publish(&topic, "xy").at(qos, 2));
        raw.ping();
        from.send(small).until_ping();
        assert_eq!(message(&mut raw).payload, "x");
    }
}

/// What must be answered and cannot be ends the connection, with a reason if that can be said.
fn no_answer_too_large() {
    let limited = |limit| connect(id("a")).properties(maximum_packet_size(limit));
    for limit in 1..40 {
        let mut raw = Raw::connect();
        raw.send(limited(limit));
        while let Some(packet) = raw.next() {
            assert!(packet.bytes.len() <= limit as usize, "{packet:?} for {limit}");
            if packet.body().get(1) == Some(&0) {
                // The answer takes five bytes and one for each filter.
                let names = vec![topic("t"); limit as usize - 4];
                let (fits, wanted) = (&names[1..], names.iter().map(|name| (name, 0)));
                let wanted: Vec<_> = wanted.collect();
                let granted = vec![0; fits.len()];
                raw.send(subscribe(1, &wanted[1..])).expect(suback(1, &granted));
                raw.send(unsubscribe(2, &fits[..1])).expect(unsuback(2, &[0]));
                raw.send(subscribe(3, &wanted)).expect(disconnect(0x95));
            }
        }
    }
}

fn too_large_is_done() {
    let topic = topic("a");
    let narrow = [receive_maximum(1), maximum_packet_size(200), session_expiry(60)].concat();
    let narrow = connect(id("a")).properties(narrow);
    let mut raw = subscribed(narrow.clone(), &topic, 1);
    let mut from = client("b");
    from.deliver(publish(&topic, "x".repeat(200)).qos(1, 1));
    from.deliver(publish(&topic, "small").qos(1, 2));
    let small = message(&mut raw); // the large one takes no room in the window
    assert_eq!(small.payload, "small");
    raw.send(puback(small.id)).ping();
    raw.drop_link();
    let (mut raw, present) = resume(narrow.properties(session_expiry(60)));
    assert!(present);
    raw.ping(); // and it does not come when there is room for it
}

/// Publishes to four topics, twice each, and takes what arrives: topics as the aliases say.
fn aliases(maximum: u16) -> Vec<Option<u16>> {
    let filter = topic("+");
    let takes = connect(id("a")).properties(topic_alias_maximum(maximum));
    let mut raw = subscribed(takes, &filter, 0);
    let mut from = client("b");
    let mut known = vec![String::new(); usize::from(maximum) + 1];
    let mut seen = Vec::new();
    for name in ["1", "1", "2", "2", "3", "3", "4", "4", "1", "2", "3", "4"] {
        from.send(publish(topic(name), name)).ping();
        let message = message(&mut raw);
        let meant = match message.alias() {
            None => message.topic.clone(),
            Some(alias) => {
                assert!(alias >= 1 && alias <= maximum, "alias {alias} of {maximum}");
                let mapped = &mut known[usize::from(alias)];
                if !message.topic.is_empty() {
                    mapped.clone_from(&message.topic);
                }
                mapped.clone()
            }
        };
        assert_eq!((meant, &message.payload[..]), (topic(name), name));
        seen.push(message.alias());
    }
    seen
}

fn aliases_within_maximum() {
    for maximum in [1, 2, 3] {
        aliases(maximum);
    }
}

fn no_aliases_unasked() {
    assert!(aliases(0).iter().all(Option::is_none));
    let mut raw = subscriber("c", &topic("c"), 0);
    for _ in 0..2 {
        raw.send(publish(topic("c"), "x")).expect(publish(topic("c"), "x"));
    }
}

fn no_response_information() {
    for properties in [vec![], response_information(0)] {
        let mut raw = Raw::connect();
        let answer = raw.send(connect(id("a")).properties(properties)).packet();
        let (_, code, properties) = read_connack(&answer);
        assert_eq!(code, 0);
        assert!(properties.iter().all(|(identifier, _)| *identifier != 0x1a), "{properties:?}");
    }
}

fn no_problem_information() {
    let mut raw = Raw::online(connect(id("a")).properties(problem_information(0)));
    let acks: [Vec<u8>; 6] = [
        publish("$SYS/x", "x").qos(1, 1).into(),
        publish("$SYS/x", "x").qos(2, 2).into(),
        publish(topic("nobody's"), "x").qos(1, 1).into(),
        pubrec(77),
        pubrel(77),
        publish(topic("nobody's"), "x").qos(2, 3).into(),
    ];
    for bytes in acks {
        let answer = raw.send(bytes).packet();
        assert!((0x40..0x80).contains(&answer.first()), "{answer:?}");
        let properties = answer.body().get(3..).unwrap_or(&[]);
        assert!([&[][..], &[0]].contains(&properties), "{answer:?}");
    }
    raw.send(subscribe(1, &[(topic("a"), 0)])).expect(suback(1, &[0]));
    raw.send(unsubscribe(1, &[topic("none")])).expect(unsuback(1, &[0x11]));
}

fn silence_before_connack() {
    let topic = topic("a");
    let mut ear = subscriber("ear", &topic, 0);
    let mut raw = Raw::connect();
    let method = connect(id("a")).properties(authentication_method("no such method"));
    raw.send([method.into(), Vec::from(publish(&topic, "early")), PINGREQ.to_vec()].concat());
    while let Some(packet) = raw.next() {
        assert!(packet.first() == 0x20 && packet.body()[1] >= 0x80, "got {packet:?}");
    }
    ear.ping(); // the PUBLISH was not processed
}
