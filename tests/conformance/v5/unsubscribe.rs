//! 5.0, sections 3.10 to 3.12: UNSUBSCRIBE, UNSUBACK, PINGREQ.

use super::wire::{
    ILL_FORMED, client, faulty, join, lasting, message, resume, subscribed, subscriber, tight,
};
use crate::conformance::cases;
use crate::harness::v3::{PINGREQ, PINGRESP};
use crate::harness::v5::{
    connect, puback, pubcomp, publish, pubrec, pubrel, unsuback, unsubscribe,
};
use crate::harness::{Raw, id, packet, topic};

cases! { V5;
    flags: "MQTT-3.10.1-1" "an UNSUBSCRIBE has the flags 0010";
    filters_are_utf8: "MQTT-3.10.3-1" "topic filters are strings";
    at_least_one_filter: "MQTT-3.10.3-2" "there is at least one filter";
    compared_by_character: "MQTT-3.10.4-1" "filters are compared character by character";
    nothing_new: "MQTT-3.10.4-2" "no new message comes for the filter";
    begun_is_completed: "MQTT-3.10.4-3" "a delivery that has begun is completed";
    answered: "MQTT-3.10.4-4" "every UNSUBSCRIBE is answered with an UNSUBACK";
    answered_by_id: "MQTT-3.10.4-5" "with its packet identifier, even if nothing was deleted";
    as_one_by_one: "MQTT-3.10.4-6" "several filters act like several UNSUBSCRIBEs in turn";
    small_unsuback:
        "MQTT-3.11.2-1" "no reason string too large for the receiver of an UNSUBACK",
        "MQTT-3.11.2-2" "no user property too large for the receiver of an UNSUBACK";
    codes_in_order: "MQTT-3.11.3-1" "reason codes stand in the order of the filters";
    unsuback_codes: "MQTT-3.11.3-2" "each is one of the unsubscribe reason codes";
    ping: "MQTT-3.12.4-1" "a PINGREQ is answered with a PINGRESP";
}

const DELETED: u8 = 0x00;
const NONE: u8 = 0x11;

fn flags() {
    let whole = unsubscribe(1, &["t"]);
    for flags in (0..16).filter(|flags| *flags != 2) {
        faulty(packet(0xa0 | flags, &whole[2..]), &[0x81]);
    }
}

fn filters_are_utf8() {
    for &text in ILL_FORMED.iter().chain(&[&b"a\0"[..]]) {
        faulty(unsubscribe(1, &[text]), &[0x81]);
        faulty(unsubscribe(1, &[b"good", text]), &[0x81]);
    }
}

fn at_least_one_filter() {
    faulty(unsubscribe::<&str>(1, &[]), &[0x82]);
}

fn compared_by_character() {
    let mut raw = subscriber("a", &topic("a/+"), 0);
    for other in ["a/b", "a/#", "A/+", "a/+/", "/a/+", "a/"] {
        raw.send(unsubscribe(1, &[topic(other)])).expect(unsuback(1, &[NONE]));
    }
    raw.send(publish(topic("a/b"), "x")).expect(publish(topic("a/b"), "x"));
    raw.send(unsubscribe(1, &[topic("a/+")])).expect(unsuback(1, &[DELETED]));
    raw.send(publish(topic("a/b"), "x")).ping();
}

fn nothing_new() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 1);
    let mut from = client("b");
    from.send(publish(&topic, "1")).ping();
    raw.send(unsubscribe(1, &[&topic])).expect(publish(&topic, "1")).expect(unsuback(1, &[0]));
    from.deliver(publish(&topic, "2")).deliver(publish(&topic, "3").qos(1, 1));
    raw.ping();
}

fn begun_is_completed() {
    let topic = topic("a");
    let mut raw = subscribed(lasting("a"), &topic, 2);
    let mut from = client("b");
    from.deliver(publish(&topic, "1").qos(1, 1));
    from.deliver(publish(&topic, "2").qos(2, 2));
    let (one, two) = (message(&mut raw), message(&mut raw));
    raw.send(unsubscribe(1, &[&topic])).expect(unsuback(1, &[DELETED]));
    raw.drop_link();
    let mut raw = resume(lasting("a")).0;
    let (one_again, two_again) = (message(&mut raw), message(&mut raw));
    assert_eq!((one_again.id, two_again.id), (one.id, two.id));
    raw.send(puback(one.id)).send(pubrec(two.id)).expect(pubrel(two.id));
    raw.send(pubcomp(two.id)).ping();
}

fn answered() {
    let mut raw = client("a");
    join(&mut raw, &topic("a"), 0);
    raw.send(unsubscribe(1, &[topic("a")])).expect(unsuback(1, &[DELETED])).ping();
}

fn answered_by_id() {
    let mut raw = client("a");
    for n in [1, 0x1234, 0xffff] {
        raw.send(unsubscribe(n, &[topic("a")])).expect(unsuback(n, &[NONE]));
    }
}

fn as_one_by_one() {
    let all = ["a", "b", "c"].map(topic);
    let mut raw = client("a");
    all.iter().for_each(|filter| join(&mut raw, filter, 0));
    let some = [&all[0], &all[2], &all[0]];
    raw.send(unsubscribe(1, &some)).expect(unsuback(1, &[DELETED, DELETED, NONE])).ping();
    all.iter().for_each(|topic| _ = client("b").send(publish(topic, "x")).ping());
    raw.expect(publish(&all[1], "x")).ping();
}

fn small_unsuback() {
    let mut raw = Raw::online(connect(id("a")).properties(tight()));
    for filter in [&topic("a")[..], "$share/g/a", "/"] {
        let answer = raw.send(unsubscribe(1, &[filter])).packet();
        assert!(answer.first() == 0xb0 && answer.bytes.len() <= 20, "{answer:?}");
    }
}

fn codes_in_order() {
    let (a, b, c) = (topic("a"), topic("b"), topic("c"));
    let mut raw = client("a");
    join(&mut raw, &b, 0);
    raw.send(unsubscribe(1, &[&a, &b, &c])).expect(unsuback(1, &[NONE, DELETED, NONE]));
}

fn unsuback_codes() {
    const CODES: [u8; 7] = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91];
    let mut raw = client("a");
    for filter in ["a", "$SYS/#", "$share/g/a", "$x"] {
        let answer = raw.send(unsubscribe(1, &[filter])).packet();
        let (head, codes) = answer.body().split_at(3);
        assert_eq!((answer.first(), head), (0xb0, &[0, 1, 0][..]));
        assert!(codes.len() == 1 && CODES.contains(&codes[0]), "{filter}: {answer:?}");
    }
}

fn ping() {
    let mut raw = client("a");
    raw.send([PINGREQ, PINGREQ].concat()).expect([PINGRESP, PINGRESP].concat()).ping();
    faulty([0xc0, 0x01, 0x00], &[0x81, 0x82]);
}
