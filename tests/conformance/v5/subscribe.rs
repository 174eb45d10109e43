//! 5.0, sections 3.8 and 3.9: SUBSCRIBE and SUBACK.

use super::wire::{
    AS_PUBLISHED, ILL_FORMED, NO_LOCAL, client, faulty, join, lasting, message, resume, subscribed,
    subscriber, subscription_identifier, tight,
};
use crate::conformance::cases;
use crate::harness::bytes::{identified, text};
use crate::harness::v5::{connect, publish, suback, subscribe, subscribe_with};
use crate::harness::{Raw, id, packet, topic};

cases! { V5;
    flags: "MQTT-3.8.1-1" "a SUBSCRIBE has the flags 0010";
    filters_are_utf8: "MQTT-3.8.3-1" "topic filters are strings";
    at_least_one_filter: "MQTT-3.8.3-2" "there is at least one filter with its options";
    no_local: "MQTT-3.8.3-3" "no local keeps a message from the client that sent it";
    no_local_when_shared: "MQTT-3.8.3-4" "no local on a shared subscription is a protocol error";
    reserved_option_bits: "MQTT-3.8.3-5" "the reserved option bits are 0";
    answered: "MQTT-3.8.4-1" "every SUBSCRIBE is answered with a SUBACK";
    answered_by_id: "MQTT-3.8.4-2" "a SUBACK has the packet identifier of its SUBSCRIBE";
    replaced: "MQTT-3.8.4-3" "the same filter again replaces the subscription";
    nothing_lost: "MQTT-3.8.4-4" "replacing sends what is retained and loses nothing";
    as_one_by_one: "MQTT-3.8.4-5" "several filters act like several SUBSCRIBEs in turn";
    code_for_each: "MQTT-3.8.4-6" "a SUBACK has a reason code for each filter";
    granted_or_failed: "MQTT-3.8.4-7" "a reason code tells the granted QoS or a failure";
    lower_qos: "MQTT-3.8.4-8" "a message comes with the lower of its QoS and the granted one";
    small_suback:
        "MQTT-3.9.2-1" "no reason string too large for the receiver of a SUBACK",
        "MQTT-3.9.2-2" "no user property too large for the receiver of a SUBACK";
    codes_in_order: "MQTT-3.9.3-1" "reason codes stand in the order of the filters";
    suback_codes: "MQTT-3.9.3-2" "each is one of the subscribe reason codes";
}

fn flags() {
    let whole = subscribe(1, &[("t", 0)]);
    for flags in (0..16).filter(|flags| *flags != 2) {
        faulty(packet(0x80 | flags, &whole[2..]), &[0x81]);
    }
}

fn filters_are_utf8() {
    for &text in ILL_FORMED.iter().chain(&[&b"a\0"[..]]) {
        faulty(subscribe(1, &[(text, 0)]), &[0x81]);
        faulty(subscribe(1, &[(&b"good"[..], 0), (text, 0)]), &[0x81]);
    }
}

fn at_least_one_filter() {
    faulty(subscribe::<&str>(1, &[]), &[0x82]);
    faulty(identified(0x82, 1, [&[0], &text("t")[..]].concat()), &[0x81, 0x82]); // no options
}

fn no_local() {
    let topic = topic("a");
    let mut raw = client("a");
    join(&mut raw, &topic, NO_LOCAL | AS_PUBLISHED);
    raw.send(publish(&topic, "own")).ping();
    let mut from = client("b");
    from.send(publish(&topic, "other's")).ping();
    raw.expect(publish(&topic, "other's"));
    // It is the identifier that counts, not the connection.
    subscribed(lasting("c"), &topic, NO_LOCAL | 1).disconnect();
    from.deliver(publish(&topic, "1").qos(1, 1));
    let mut again = resume(lasting("c")).0;
    assert_eq!(message(&mut again).payload, "1");
    again.send(publish(&topic, "own").qos(1, 1)).packet();
    again.ping();
    // Without it, one's own messages come.
    raw.until_ping();
    join(&mut raw, &topic, 0);
    raw.send(publish(&topic, "own")).expect(publish(&topic, "own"));
}

fn no_local_when_shared() {
    let filter = format!("$share/g/{}", topic("a"));
    faulty(subscribe(1, &[(filter, NO_LOCAL | 1)]), &[0x82]);
}

fn reserved_option_bits() {
    for options in [0x40, 0x80, 0xc0, 0x81] {
        faulty(subscribe(1, &[("t", options)]), &[0x81]);
        faulty(subscribe(1, &[("t", 0), ("u", options)]), &[0x81]);
    }
}

fn answered() {
    let mut raw = client("a");
    raw.send(subscribe(1, &[(topic("a"), 0)])).expect(suback(1, &[0]));
    raw.send(subscribe(2, &[(topic("a"), 2)])).expect(suback(2, &[2]));
    raw.send(subscribe(3, &[("$SYS/#", 1)]));
    assert_eq!(raw.until_ping().iter().filter(|packet| packet.first() == 0x90).count(), 1);
}

fn answered_by_id() {
    let mut raw = client("a");
    for n in [1, 0x1234, 0xffff, 1] {
        raw.send(subscribe(n, &[(topic("a"), 1)])).expect(suback(n, &[1]));
    }
}

fn replaced() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 2);
    let mut from = client("b");
    from.deliver(publish(&topic, "1").qos(2, 1));
    assert_eq!(message(&mut raw).qos, 2);
    raw.send(subscribe_with(1, &subscription_identifier(5), &[(&topic, 0)]))
        .expect(suback(1, &[0]));
    from.deliver(publish(&topic, "2").qos(2, 2).retain());
    let second = message(&mut raw);
    assert_eq!((second.qos, second.subscriptions()), (0, vec![5]));
    raw.ping(); // one copy
    join(&mut raw, &topic, AS_PUBLISHED);
    raw.expect(publish(&topic, "2").retain());
    from.send(publish(&topic, "").retain()).ping();
    raw.expect(publish(&topic, "").retain()).ping();
}

fn nothing_lost() {
    let topic = topic("a");
    let mut from = client("b");
    from.send(publish(&topic, "kept").retain()).ping();
    let mut raw = subscribed(lasting("a"), &topic, 1);
    raw.expect(publish(&topic, "kept").retain());
    raw.disconnect();
    from.deliver(publish(&topic, "queued").qos(1, 1));
    let mut raw = Raw::connect();
    raw.send([lasting("a").resume().into(), subscribe(1, &[(&topic, 1)])].concat());
    raw.packet();
    let mut payloads: Vec<String> = Vec::new();
    for packet in raw.until_ping() {
        if packet.first() >> 4 == 3 {
            payloads.push(super::wire::read_message(&packet).payload);
        }
    }
    payloads.sort_unstable();
    assert_eq!(payloads, ["kept", "queued"]);
    from.send(publish(&topic, "").retain()).ping();
}

fn as_one_by_one() {
    let (a, b) = (topic("a"), topic("b"));
    let mut raw = client("a");
    let twice = [(&a, 2), (&b, 1), (&a, 0)];
    raw.send(subscribe(1, &twice)).expect(suback(1, &[2, 1, 0]));
    let mut from = client("b");
    from.deliver(publish(&a, "x").qos(2, 1)).deliver(publish(&b, "y").qos(2, 2));
    let (first, second) = (message(&mut raw), message(&mut raw));
    assert_eq!((first.topic, first.qos), (a, 0)); // the later one replaced the earlier
    assert_eq!((second.topic, second.qos), (b, 1));
    raw.ping();
}

fn code_for_each() {
    let mut raw = client("a");
    for count in [1, 2, 50] {
        let filters: Vec<_> = (0..count).map(|n| (topic(&n.to_string()), 1)).collect();
        raw.send(subscribe(1, &filters)).expect(suback(1, &vec![1; count]));
    }
}

fn granted_or_failed() {
    let (a, b, c) = (topic("a"), topic("b"), topic("c"));
    let mut raw = client("a");
    raw.send(subscribe(1, &[(&a, 1), (&b, 2), (&c, 0)])).expect(suback(1, &[1, 2, 0]));
    for (topic, granted) in [(a, 1), (b, 2), (c, 0)] {
        client("b").deliver(publish(topic, "x").qos(2, 1));
        assert_eq!(message(&mut raw).qos, granted);
    }
    if let Some(code) = failure(&mut client("c"), "a/#/b") {
        assert!(code >= 0x80, "{code:#04x} is no failure");
    }
}

/// The code of the SUBACK to a filter that is not valid; none if that ends the connection.
fn failure(raw: &mut Raw, filter: &str) -> Option<u8> {
    let answer = raw.send(subscribe(1, &[(filter, 0)])).packet();
    assert!([0x90, 0xe0].contains(&answer.first()), "{answer:?}");
    assert!(answer.bytes.len() <= 20, "{answer:?}");
    (answer.first() == 0x90).then(|| answer.body()[3])
}

fn lower_qos() {
    let topic = topic("a");
    for granted in 0..=2 {
        let mut raw = subscriber("a", &topic, granted);
        for sent in 0..=2 {
            let payload = format!("{granted}{sent}");
            client("b").deliver(publish(&topic, &payload).at(sent, 1));
            let message = message(&mut raw);
            assert_eq!((message.payload, message.qos), (payload, granted.min(sent)));
        }
        raw.ping();
    }
}

fn small_suback() {
    let small = connect(id("a")).properties(tight());
    for filter in ["a#", "$share/g", "#/a"] {
        failure(&mut Raw::online(small.clone()), filter);
    }
    Raw::online(small).send(subscribe(1, &[(topic("a"), 0)])).expect(suback(1, &[0]));
}

fn codes_in_order() {
    let names = ["e", "b", "d", "a", "c"].map(topic);
    let filters: Vec<_> = names.iter().zip([2, 0, 1, 1, 0]).collect();
    client("a").send(subscribe(1, &filters)).expect(suback(1, &[2, 0, 1, 1, 0]));
}

fn suback_codes() {
    const CODES: [u8; 12] =
        [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];
    let mut raw = client("a");
    for filter in ["a", "$SYS/broker/uptime", "$x", "$share/g/a", "$CONTROL/x", "/", "//+"] {
        let answer = raw.send(subscribe(1, &[(filter, 0)]));
        let packets = answer.until_ping();
        let answer = packets.iter().find(|packet| packet.first() == 0x90).expect("a SUBACK");
        let (head, codes) = answer.body().split_at(3);
        assert_eq!(head, [0, 1, 0], "{answer:?}");
        assert!(codes.len() == 1 && CODES.contains(&codes[0]), "{filter}: {answer:?}");
    }
}
