//! 3.1.1, sections 3.8 and 3.9: SUBSCRIBE and SUBACK.

use super::{client, fatal, say, subscribed, subscriber};
use crate::conformance::cases;
use crate::harness::v3::{publish, suback, subscribe};
use crate::harness::{packet, topic};

cases! { V311;
    wildcards_are_supported:
        "MQTT-3.8.3-2" "a filter with wildcards is refused unless wildcards are supported";
    empty_subscribe_closes:
        "MQTT-3.8.3-3" "a SUBSCRIBE has at least one filter and QoS";
    bad_options_close:
        "MQTT-3.8.3-4" "reserved bits or QoS 3 close the connection";
    subscribe_is_acknowledged:
        "MQTT-3.8.4-1" "SUBSCRIBE is answered with SUBACK";
    same_filter_replaces:
        "MQTT-3.8.4-3" "the same filter replaces the subscription, repeats what is retained, and \
            interrupts nothing";
    filters_are_taken_one_by_one:
        "MQTT-3.8.4-4" "many filters are as many subscriptions with one SUBACK";
    each_filter_has_its_code:
        "MQTT-3.8.4-5" "SUBACK has a return code for each filter",
        "MQTT-3.9.3-1" "the return codes are in the order of the filters",
        "MQTT-3.9.3-2" "the return codes are 0, 1, 2 and 128";
    lower_qos_wins:
        "MQTT-3.8.4-6" "messages come at the lower QoS of publication and subscription";
}

fn wildcards_are_supported() {
    let mut raw = client("a");
    for (filter, name) in [("+", "one"), ("+/a", "b/a"), ("#", "x/y/z")] {
        let mut watcher = subscriber("w", &[(&topic(filter), 0)]);
        raw.deliver(publish(topic(name), "x"));
        watcher.expect(publish(topic(name), "x")).ping();
    }
}

fn empty_subscribe_closes() {
    fatal(packet(0x82, [0, 1]));
    fatal(packet(0x82, [0]));
    fatal(packet(0x82, []));
    fatal(packet(0x82, [0, 1, 0, 1, b'a'])); // no QoS
    fatal(packet(0x82, [0, 1, 0, 9, b'a', 0]));
}

fn bad_options_close() {
    let (one, two) = (topic("one"), topic("two"));
    for options in [0x03, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x81, 0xfe, 0xff] {
        fatal(subscribe(1, &[(&one, options)]));
        fatal(subscribe(1, &[(&one, 1), (&two, options)]));
    }
}

fn subscribe_is_acknowledged() {
    let mut raw = client("a");
    for packet_id in 1..=3 {
        raw.send(subscribe(packet_id, &[(topic("t"), 1)])).expect(suback(packet_id, &[1])).ping();
    }
}

fn same_filter_replaces() {
    let (exact, wild) = (topic("t"), topic("+"));
    say(publish(&exact, "kept").retain().qos(2, 1));
    let mut raw = client("a");
    for qos in [0, 2, 1, 0] {
        for filter in [&exact, &wild] {
            subscribed(&mut raw, &[(filter, qos)]);
            raw.accept(publish(&exact, "kept").retain().at(qos, 0)).ping();
        }
        // One copy, at the new QoS.
        say(publish(&exact, "news").qos(2, 1));
        raw.accept(publish(&exact, "news").at(qos, 0)).ping();
    }
    // Messages that pass meanwhile are neither lost nor doubled.
    let passing = topic("passing/by");
    let mut publisher = client("p");
    subscribed(&mut raw, &[(&passing, 0)]);
    for n in 0..100 {
        publisher.send(publish(&passing, n.to_string()));
        if n % 5 == 0 {
            raw.send(subscribe(8, &[(&passing, 0)]));
        }
    }
    publisher.ping();
    let (acks, messages): (Vec<_>, Vec<_>) =
        raw.until_ping().into_iter().map(|packet| packet.bytes).partition(|b| b[0] == 0x90);
    assert_eq!(acks, vec![suback(8, &[0]); 20]);
    let wanted: Vec<Vec<u8>> = (0..100).map(|n| publish(&passing, n.to_string()).into()).collect();
    assert_eq!(messages, wanted);
}

fn filters_are_taken_one_by_one() {
    let (one, two) = (topic("one"), topic("two"));
    say(publish(&one, "kept 1").retain().qos(1, 1));
    say(publish(&two, "kept 2").retain().qos(1, 1));
    let mut raw = client("a");
    raw.send(subscribe(3, &[(&one, 1), (&topic("none"), 2)])).expect(suback(3, &[1, 2]));
    raw.accept(publish(&one, "kept 1").retain().qos(1, 0)).ping();
    raw.send(subscribe(4, &[(&two, 0)])).expect(suback(4, &[0]));
    raw.accept(publish(&two, "kept 2").retain()).ping();
    // The last of equal filters is the one that stands.
    raw.send(subscribe(5, &[(&one, 2), (&one, 0), (&one, 1)])).expect(suback(5, &[2, 0, 1]));
    raw.until_ping();
    let mut raw = client("b");
    let news = topic("news");
    raw.send(subscribe(5, &[(&news, 2), (&news, 0), (&news, 1)])).expect(suback(5, &[2, 0, 1]));
    say(publish(&news, "x").qos(2, 1));
    raw.accept(publish(&news, "x").qos(1, 0)).ping();
}

fn each_filter_has_its_code() {
    let mut raw = client("a");
    for codes in [&[0][..], &[2, 1, 0], &[1, 1, 2, 0, 2, 0, 1], &[0, 2].repeat(60)] {
        let wanted: Vec<(String, u8)> =
            codes.iter().enumerate().map(|(n, qos)| (topic(&n.to_string()), *qos)).collect();
        raw.send(subscribe(6, &wanted)).expect(suback(6, codes)).ping();
    }
    // Whether granted or not, the codes are of the four there are.
    let topic = topic("t");
    let odd = ["/", "//", "+", "+/+", "$SYS/#", "$SYS/broker/+", "$share/g/t", "$", "$x/+", &topic];
    let mut raw = client("b");
    let wanted: Vec<(&str, u8)> = odd.iter().map(|filter| (*filter, 2)).collect();
    raw.send(subscribe(7, &wanted));
    let ack = raw.until(0x90);
    assert_eq!(ack.u16_at(0), 7);
    assert_eq!(ack.body().len(), 2 + odd.len());
    assert!(ack.body()[2..].iter().all(|code| [0, 1, 2, 0x80].contains(code)), "{ack:?}");
}

fn lower_qos_wins() {
    for granted in 0..=2 {
        let topic = topic(&granted.to_string());
        let mut raw = subscriber("a", &[(&topic, granted)]);
        for sent in 0..=2 {
            say(publish(&topic, "x").at(sent, 1));
            raw.accept(publish(&topic, "x").at(sent.min(granted), 0)).ping();
        }
    }
}
