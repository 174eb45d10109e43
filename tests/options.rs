//! Options of listeners and messages, as clients of the real program meet them: each is written
//! in a configuration file of its own.

use std::sync::Arc;

use crate::harness::bytes::identified;
use crate::harness::v5::{self, ack};
use crate::harness::{Broker, Connect, Raw, packet, text, v3};

fn v31(id: &str) -> Connect {
    Connect::new("MQIsdp", 3, id, None)
}

/// A client of 3.1.1 that subscribes at a QoS.
fn old(broker: &Arc<Broker>, id: &str, filter: &str, qos: u8) -> Raw {
    let mut raw = Raw::online_at(broker, v3::connect(id));
    raw.send(v3::subscribe(1, &[(filter, qos)])).expect(v3::suback(1, &[qos]));
    raw
}

/// A client of 5.0 that subscribes at a QoS.
fn new(broker: &Arc<Broker>, id: &str, filter: &str, qos: u8) -> Raw {
    let mut raw = Raw::online_at(broker, v5::connect(id));
    raw.send(v5::subscribe(1, &[(filter, qos)])).expect(v5::suback(1, &[qos]));
    raw
}

fn answer(broker: &Arc<Broker>, connect: Connect) -> Vec<u8> {
    Raw::to(broker).send(connect).packet().body()[..2].to_vec()
}

#[test]
fn accept_protocol_versions() {
    let refused = |broker: &Arc<Broker>| {
        [v31("a"), v3::connect("b"), v5::connect("c")].map(|connect| answer(broker, connect)[1])
    };
    let broker = Broker::configured("accept_protocol_versions 4,5\n");
    assert_eq!(refused(&broker), [1, 0, 0]);
    let broker = Broker::configured("accept_protocol_versions 3\n");
    assert_eq!(refused(&broker), [0, 1, 0x84]);
    let mut raw = Raw::to(&broker);
    raw.send(v5::connect("d")).packet();
    raw.expect_closed();
    broker.expect_log("not spoken here (Unsupported Protocol Version)");
}

#[test]
fn mount_point() {
    let broker = Broker::configured("mount_point house/\n");
    let mut a = new(&broker, "a", "$share/g/t/#", 1);
    let mut b = old(&broker, "b", "#", 1);
    let mut c = Raw::online_at(&broker, v3::connect("c").will(1, true, "t/will", "gone"));
    c.send(v3::publish("t/1", "x").qos(1, 1)).expect(v3::puback(1));
    a.accept(v5::publish("t/1", "x").qos(1, 1));
    b.accept(v3::publish("t/1", "x").qos(1, 1));
    c.drop_link();
    a.accept(v5::publish("t/will", "gone").qos(1, 2));
    b.accept(v3::publish("t/will", "gone").qos(1, 2));
    let mut d = old(&broker, "d", "t/+", 0);
    d.expect(v3::publish("t/will", "gone").retain());
    // Not what the client would call house/, nor what is the broker's.
    d.send(v3::subscribe(2, &[("house/#", 0), ("$SYS/#", 0)])).expect(v3::suback(2, &[0, 0]));
    b.send(v3::publish("t/2", "y")).expect(v3::publish("t/2", "y"));
    d.expect(v3::publish("t/2", "y")).ping();
    // An alias of its own for the topic as its client sees it.
    let aliases = v5::connect("e").properties([0x22, 0, 5]);
    let mut e = Raw::online_at(&broker, aliases);
    e.send(v5::subscribe(1, &[("room/1", 0)])).expect(v5::suback(1, &[0]));
    let alias = [0x23, 0, 1];
    e.send(v5::publish("room/1", "1").properties(alias));
    e.send(v5::publish("", "2").properties(alias));
    e.expect(v5::publish("room/1", "1").properties(alias));
    e.expect(v5::publish("", "2").properties(alias));
    e.ping();
}

#[test]
fn use_username_as_clientid() {
    let broker = Broker::configured("use_username_as_clientid true\n");
    assert_eq!(answer(&broker, v3::connect("a")), [0, 5]);
    assert_eq!(answer(&broker, v5::connect("a")), [0, 0x87]);
    let mut first = Raw::online_at(&broker, v5::connect("a").user("joe"));
    let mut other = Raw::online_at(&broker, v5::connect("a").user("ann"));
    first.ping();
    let mut second = Raw::to(&broker);
    let told = second.send(v5::connect("").user("joe")).packet();
    let assigned = [vec![0x12], text("joe")].concat();
    assert!(told.body().windows(assigned.len()).any(|window| window == assigned), "{told:?}");
    first.expect(v5::disconnect(0x8e)).expect_closed();
    other.ping();
}

#[test]
fn ids_of_clients_without_one() {
    let broker = Broker::configured("listener_auto_id_prefix mine-\nauto_id_prefix other-\n");
    let told = Raw::to(&broker).send(v5::connect("")).packet();
    assert!(told.body().windows(5).any(|window| window == b"mine-"), "{told:?}");
    let broker = Broker::configured("allow_zero_length_clientid false\n");
    assert_eq!(answer(&broker, v3::connect("")), [0, 2]);
    assert_eq!(answer(&broker, v5::connect("")), [0, 0x85]);
}

#[test]
fn max_qos_and_aliases() {
    let broker = Broker::configured("max_qos 1\nmax_topic_alias 2\nmax_topic_alias_broker 0\n");
    let mut raw = Raw::online_at(&broker, v3::connect("a"));
    raw.send(v3::subscribe(1, &[("t", 2)])).expect(v3::suback(1, &[1]));
    raw.send(v3::publish("t", "x").qos(1, 1))
        .expect_in_any_order([v3::puback(1), v3::publish("t", "x").qos(1, 1).into()]);
    raw.send(v3::publish("t", "x").qos(2, 2)).expect_closed();
    let mut raw = Raw::to(&broker);
    let told = raw.send(v5::connect("b").properties([0x22, 0, 9])).packet();
    assert!(told.body().windows(3).any(|window| window == [0x22, 0, 2]), "{told:?}");
    raw.send(v5::subscribe(1, &[("a/b/c", 0)])).expect(v5::suback(1, &[0]));
    raw.send(v5::publish("a/b/c", "x")).expect(v5::publish("a/b/c", "x")); // no alias
    raw.send(v5::publish("t", "x").properties([0x23, 0, 3])).expect(v5::disconnect(0x94));
}

#[test]
fn upgrade_outgoing_qos() {
    let broker = Broker::configured("upgrade_outgoing_qos true\n");
    let mut to = old(&broker, "a", "t", 2);
    let mut from = Raw::online_at(&broker, v5::connect("b"));
    from.send(v5::publish("t", "x").retain()).ping();
    to.accept(v3::publish("t", "x").qos(2, 1));
    let mut late = old(&broker, "c", "t", 1);
    late.accept(v3::publish("t", "x").qos(1, 1).retain());
}

#[test]
fn message_size_limit() {
    let broker = Broker::configured("message_size_limit 10\n");
    let mut to = old(&broker, "a", "t", 2);
    let (fits, large) = ("x".repeat(10), "x".repeat(11));
    let mut from = Raw::online_at(&broker, v5::connect("b"));
    from.send(v5::publish("t", &large).qos(1, 1)).expect(ack(0x40, 1, 0x97));
    from.send(v5::publish("t", &large).qos(2, 2)).expect(ack(0x50, 2, 0x97));
    from.send(v5::publish("t", &large)).ping();
    from.send(v5::publish("t", &fits).qos(1, 1)).expect(v5::puback(1));
    to.accept(v3::publish("t", &fits).qos(1, 1));
    for qos in [1, 2] {
        let mut from = Raw::online_at(&broker, v3::connect("c"));
        from.send(v3::publish("t", &large).qos(qos, 1)).expect_closed();
    }
    let mut from = Raw::online_at(&broker, v3::connect("c"));
    from.send(v3::publish("t", &large)).ping();
    to.ping();
    assert_eq!(answer(&broker, v5::connect("d").will(0, false, "w", &large)), [0, 0x97]);
    assert_eq!(answer(&broker, v3::connect("d").will(0, false, "w", &large)), [0, 3]);
    broker.expect_log("are not taken: one has 11 bytes, 10 allowed.");
}

#[test]
fn max_inflight_bytes() {
    let broker = Broker::configured("max_inflight_bytes 25\n");
    let mut to = old(&broker, "a", "t", 1);
    let mut from = Raw::online_at(&broker, v3::connect("b"));
    // Nine bytes of payload, one of topic.
    for (number, payload) in ["111111111", "222222222", "333333333"].into_iter().enumerate() {
        let packet_id = u16::try_from(number + 1).unwrap();
        from.send(v3::publish("t", payload).qos(1, packet_id)).expect(v3::puback(packet_id));
    }
    let large = "x".repeat(100);
    from.send(v3::publish("t", &large).qos(1, 4)).expect(v3::puback(4));
    to.expect(v3::publish("t", "111111111").qos(1, 1));
    to.expect(v3::publish("t", "222222222").qos(1, 2)).ping();
    to.send(v3::puback(1)).expect(v3::publish("t", "333333333").qos(1, 3)).ping();
    to.send(v3::puback(2)).ping();
    to.send(v3::puback(3)).expect(v3::publish("t", &large).qos(1, 4)).ping();
}

#[test]
fn retain_expiry_interval() {
    let broker = Broker::configured("retain_expiry_interval 60\n");
    let mut to = new(&broker, "a", "t", 0);
    let mut from = Raw::online_at(&broker, v3::connect("b"));
    from.send(v3::publish("t", "x").retain()).ping();
    to.expect(v5::publish("t", "x"));
    let mut late = new(&broker, "c", "t", 0);
    let got = late.packet();
    let expiry = got.body()[3 + 1..][..5].to_vec();
    let left = u32::from_be_bytes(expiry[1..].try_into().unwrap());
    assert_eq!(expiry[0], 0x02, "{got:?}");
    assert!((3500..=3600).contains(&left), "{left} seconds of an hour");
    let mut older = old(&broker, "d", "t", 0);
    older.expect(v3::publish("t", "x").retain());
}

/// What is said of a mount point that is none.
#[test]
fn a_strange_packet_behind_a_mount_point_is_as_strange_as_before() {
    let broker = Broker::configured("mount_point house/\n");
    for bytes in [
        v5::subscribe(1, &[("a#", 0)]),
        v5::publish("a/#", "x").into(),
        identified(0xa2, 1, [vec![0], text("#/a")].concat()),
    ] {
        let mut raw = Raw::online_at(&broker, v5::connect("a"));
        let answer = raw.send(bytes).packet();
        assert!(answer.first() == 0xe0 && answer.body()[0] == 0x81, "{answer:?}");
    }
    let mut raw = Raw::online_at(&broker, v3::connect("a"));
    raw.send(packet(0x30, text(""))).expect_closed();
}

/// Whether a packet holds these bytes.
fn has(packet: &[u8], part: &[u8]) -> bool {
    packet.windows(part.len()).any(|found| found == part)
}

#[test]
fn max_keepalive() {
    let broker = Broker::configured("max_keepalive 10\n");
    for wanted in [0, 11, u16::MAX] {
        let told = Raw::to(&broker).send(v5::connect("a").keep_alive(wanted)).packet();
        assert!(told.body()[1] == 0 && has(told.body(), &[0x13, 0, 10]), "{wanted}: {told:?}");
        assert_eq!(answer(&broker, v3::connect("b").keep_alive(wanted)), [0, 2]);
        assert_eq!(answer(&broker, v31("c").keep_alive(wanted)), [0, 2]);
    }
    let told = Raw::to(&broker).send(v5::connect("a").keep_alive(10)).packet();
    assert!(!has(told.body(), &[0x13, 0]), "nothing is granted that was not asked: {told:?}");
    assert_eq!(answer(&broker, v3::connect("b").keep_alive(10)), [0, 0]);
}

#[test]
fn global_max_clients() {
    let broker = Broker::configured("global_max_clients 2\n");
    Raw::online_at(&broker, v3::connect("away").resume()).disconnect();
    let here = Raw::online_at(&broker, v3::connect("here"));
    assert_eq!(answer(&broker, v5::connect("other")), [0, 0x89]);
    assert_eq!(answer(&broker, v3::connect("other")), [0, 3]);
    // Who has a session does not need another.
    assert_eq!(answer(&broker, v3::connect("away").resume()), [1, 0]);
    // One that ends makes room.
    here.disconnect();
    broker.expect_log("Client here [");
    assert_eq!(answer(&broker, v3::connect("other")), [0, 0]);
}

#[test]
fn global_max_connections() {
    let broker = Broker::configured("global_max_connections 2\n");
    let mut first = Raw::online_at(&broker, v3::connect("a"));
    let second = Raw::online_at(&broker, v3::connect("b"));
    Raw::to(&broker).expect_closed();
    let log = broker.until_logged("Turning away connections", 1);
    assert!(log.contains("global_max_connections"), "{log}");
    first.ping();
    second.drop_link();
    broker.expect_log("Client b [");
    Raw::online_at(&broker, v3::connect("c")).ping();
}

#[test]
fn persistent_client_expiration() {
    let broker = Broker::configured("persistent_client_expiration 1h\n");
    let hour = [0x11, 0, 0, 14, 16];
    for wanted in [3601, u32::MAX] {
        let asks = [vec![0x11], wanted.to_be_bytes().to_vec()].concat();
        let told = Raw::to(&broker).send(v5::connect("a").properties(&asks)).packet();
        assert!(told.body()[1] == 0 && has(told.body(), &hour), "{wanted}: {told:?}");
    }
    let told = Raw::to(&broker).send(v5::connect("a").properties([0x11, 0, 0, 14, 15])).packet();
    assert!(!has(told.body(), &[0x11, 0, 0]), "it is granted as asked: {told:?}");
}

#[test]
fn max_queued_bytes() {
    let broker = Broker::configured("max_queued_bytes 25\n");
    let mut to = Raw::online_at(&broker, v3::connect("a").resume());
    to.send(v3::subscribe(1, &[("t", 1)])).expect(v3::suback(1, &[1]));
    to.disconnect();
    broker.expect_log("Client a [");
    let mut from = Raw::online_at(&broker, v3::connect("b"));
    // Nine bytes of payload, one of topic: two find room.
    for (packet_id, payload) in [(1, "111111111"), (2, "222222222"), (3, "333333333")] {
        from.send(v3::publish("t", payload).qos(1, packet_id)).expect(v3::puback(packet_id));
    }
    let mut to = Raw::to(&broker);
    to.send(v3::connect("a").resume()).expect(v3::connack(true, 0));
    to.accept(v3::publish("t", "111111111").qos(1, 1));
    to.accept(v3::publish("t", "222222222").qos(1, 2));
    to.ping();
    broker.expect_log("dropped for client a: 2 waiting, the newest dropped.");
}
