//! 3.1.1, sections 3.1 and 3.2: CONNECT and its answer.

use std::time::Duration;

use super::{client, fatal, refused, rejected, say, subscriber};
use crate::conformance::cases;
use crate::harness::v3::{
    DISCONNECT, PINGREQ, PINGRESP, connack, connect, puback, publish, suback, subscribe,
    unsubscribe,
};
use crate::harness::{Connect, Raw, id, packet, text, topic};

cases! { V311;
    first_packet_is_connect:
        "MQTT-3.1.0-1" "the first packet must be CONNECT";
    second_connect_closes:
        "MQTT-3.1.0-2" "a second CONNECT is a violation and closes";
    wrong_protocol_name_closes:
        "MQTT-3.1.2-1" "a wrong protocol name is not served by this standard",
        "MQTT-3.2.2-6" "no return code applies: the server closes without CONNACK";
    unsupported_level_is_answered:
        "MQTT-3.1.2-2" "an unsupported level is answered with 1, then the end",
        "MQTT-3.2.2-4" "a return code not 0 goes with session present 0",
        "MQTT-3.2.2-5" "a return code not 0 is followed by the end";
    reserved_connect_flag_closes:
        "MQTT-3.1.2-3" "the reserved connect flag must be 0";
    will_flags_and_fields_agree:
        "MQTT-3.1.2-9" "will flag 1: will topic and message must be there",
        "MQTT-3.1.2-11" "will flag 0: no QoS, no retain, no fields",
        "MQTT-3.1.2-13" "will flag 0: will QoS 0",
        "MQTT-3.1.2-14" "will QoS is never 3",
        "MQTT-3.1.2-15" "will flag 0: will retain 0";
    credentials_flags_and_fields_agree:
        "MQTT-3.1.2-18" "user name flag 0: no user name",
        "MQTT-3.1.2-19" "user name flag 1: a user name",
        "MQTT-3.1.2-20" "password flag 0: no password",
        "MQTT-3.1.2-21" "password flag 1: a password",
        "MQTT-3.1.2-22" "no password without a user name";
    silence_ends_the_connection:
        "MQTT-3.1.2-24" "one and a half keep alive times of silence end the connection";
    fields_come_in_order:
        "MQTT-3.1.3-1" "payload: client identifier, will topic and message, user name, password";
    incomplete_connect_closes:
        "MQTT-3.1.4-1" "a CONNECT that does not conform closes without CONNACK";
    valid_connect_is_acknowledged:
        "MQTT-3.1.4-4" "a valid CONNECT is acknowledged with 0";
    nothing_follows_a_rejected_connect:
        "MQTT-3.1.4-5" "what follows a rejected CONNECT is not processed";
    connack_comes_first:
        "MQTT-3.2.0-1" "the server's first packet is CONNACK";
}

fn first_packet_is_connect() {
    let topic = topic("t");
    for first in [
        PINGREQ.to_vec(),
        DISCONNECT.to_vec(),
        PINGRESP.to_vec(),
        connack(false, 0),
        puback(1),
        publish(&topic, "early").retain().into(),
        subscribe(1, &[(&topic, 0)]),
        unsubscribe(1, &[&topic]),
        packet(0x00, []),
        packet(0xf0, []),
    ] {
        refused([&first[..], &Vec::from(connect(id("a")))].concat());
    }
    subscriber("after", &[(&topic, 0)]).ping();
}

fn second_connect_closes() {
    for second in [connect(id("fatal")), connect(id("other")), connect("")] {
        fatal(second);
    }
}

fn wrong_protocol_name_closes() {
    for name in ["", "M", "MQTS", "mqtt", "MQTTMQTT", "MQIsdq", "HTTP/1.1"] {
        refused(Connect::new(name, 4, id("a"), None));
    }
}

fn unsupported_level_is_answered() {
    super::session("a", false).disconnect(); // its session is not to be seen in the answers
    for level in [0, 1, 2, 6, 7, 0x7f] {
        rejected(Connect::new("MQTT", level, id("a"), None).resume(), 1);
    }
}

fn reserved_connect_flag_closes() {
    refused(connect(id("a")).flags(0x03));
    refused(connect(id("a")).flags(0x01));
}

fn will_flags_and_fields_agree() {
    let topic = topic("t");
    let absent = |flags| connect(id("a")).flags(flags);
    let present = |flags| absent(flags).field(&topic).field("will");
    refused(absent(0x06));
    refused(absent(0x06).field(&topic));
    for without_will_flag in [0x0a, 0x12, 0x1a, 0x22, 0x2a] {
        refused(absent(without_will_flag));
        refused(present(without_will_flag));
    }
    refused(present(0x02));
    refused(present(0x1e));
    refused(present(0x3e));
}

fn credentials_flags_and_fields_agree() {
    let with = |flags, fields: &[&str]| {
        fields.iter().fold(connect(id("a")).flags(flags), |connect, field| connect.field(field))
    };
    refused(with(0x02, &["user"]));
    refused(with(0x02, &["user", "password"]));
    refused(with(0x82, &[]));
    refused(with(0x82, &["user", "password"]));
    refused(with(0xc2, &["user"]));
    refused(with(0x42, &["password"]));
}

fn silence_ends_the_connection() {
    let topic = topic("t");
    let mut watcher = subscriber("w", &[(&topic, 0)]);
    let mut silent = Raw::online(connect(id("s")).keep_alive(1).will(0, false, &topic, "silent"));
    let mut never = client("n"); // keep alive 0: no limit
    // A watch without a clock: this read gives up after less than a keep alive time.
    silent.expect_silence(Duration::from_millis(900));
    silent.patience(Duration::from_secs(3)).expect_closed();
    watcher.expect(publish(&topic, "silent"));
    never.ping();

    let mut busy = Raw::online(connect(id("b")).keep_alive(1));
    for _ in 0..4 {
        busy.expect_silence(Duration::from_millis(500)).ping();
    }
}

fn fields_come_in_order() {
    let topic = topic("t");
    let mut watcher = subscriber("w", &[(&topic, 0)]);
    let all = connect(id("a")).will(0, false, &topic, "message").user("user").password("password");
    Raw::online(all).drop_link();
    watcher.expect(publish(&topic, "message"));
}

fn incomplete_connect_closes() {
    let whole = Vec::from(connect(id("a")).will(0, false, topic("t"), "w").user("u").password("p"));
    let body = &whole[2..];
    Raw::online(connect(id("a"))).disconnect();
    for cut in 0..body.len() {
        refused(packet(0x10, &body[..cut]));
    }
    refused(packet(0x10, [body, &[0]].concat()));
    refused(packet(0x10, [&text("MQTT")[..], &[4, 2, 0, 0, 0xff, 0xff], &[b'a'; 300]].concat()));
}

fn valid_connect_is_acknowledged() {
    for (n, connect) in [
        connect(id("0")),
        connect(id("1")).resume(),
        connect(id("2")).keep_alive(0xffff),
        connect(id("3")).user("user"),
        connect(id("4")).user("").password(""),
        connect(id("5")).user("user").password([0, 0xff, 0xc0]),
        connect(id("6")).will(2, true, topic("t"), ""),
    ]
    .into_iter()
    .enumerate()
    {
        println!("connect {n}");
        let mut raw = Raw::connect();
        raw.send(connect).expect(connack(false, 0)).ping().send(DISCONNECT).expect_closed();
    }
}

fn nothing_follows_a_rejected_connect() {
    let topic = topic("t");
    let mut watcher = subscriber("w", &[(&topic, 2)]);
    let more: Vec<u8> = publish(&topic, "smuggled").retain().into();
    for (rejected, answer) in [
        (connect("").resume(), connack(false, 2)),
        (Connect::new("MQTT", 9, id("a"), None), connack(false, 1)),
        (connect(id("a")).flags(0x03), vec![]),
    ] {
        let mut raw = Raw::connect();
        raw.send([&Vec::from(rejected)[..], &more].concat()).expect(answer).expect_closed();
    }
    watcher.ping();
    subscriber("late", &[(&topic, 2)]).ping();
}

fn connack_comes_first() {
    let topic = topic("t");
    let mut raw = Raw::connect();
    let hello = Vec::from(connect(id("a")).resume());
    let wish = subscribe(1, &[(&topic, 1)]);
    raw.send([&hello[..], &wish, &PINGREQ].concat());
    raw.expect(connack(false, 0)).expect(suback(1, &[1])).expect(PINGRESP);
    raw.drop_link();
    say(publish(&topic, "waiting").qos(1, 1));
    let mut raw = Raw::connect();
    raw.send([&hello[..], &PINGREQ].concat()).expect(connack(true, 0));
}
