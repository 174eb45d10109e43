//! What once went wrong and is not to again: each test is the least that showed it.
//!
//! Never sleeps and never opens a socket.

use mqtt_broker::broker::{ConnId, Event, Options};
use mqtt_broker::codec::{
    Connect, ConnectProperties, Disconnect, Packet, PacketId, Publish, QoS, ReasonCode, Subscribe,
    SubscribeOptions, Version,
};

use crate::machine::{Machine, Said, show};

fn machine() -> Machine {
    Machine::new(Options::default(), 1)
}

fn v5(client_id: &str, properties: ConnectProperties) -> Packet {
    Packet::Connect(Connect {
        version: Version::V5,
        keep_alive: 0,
        properties,
        ..Connect::new(client_id)
    })
}

fn kept(client_id: &str) -> Packet {
    let session_expiry_interval = Some(60);
    v5(client_id, ConnectProperties { session_expiry_interval, ..ConnectProperties::default() })
}

fn narrow(client_id: &str, largest: u32) -> Packet {
    let maximum_packet_size = Some(largest);
    v5(client_id, ConnectProperties { maximum_packet_size, ..ConnectProperties::default() })
}

/// Connects; everything that waits has left.
fn connect(machine: &mut Machine, packet: &Packet) -> ConnId {
    let (conn, _) = machine.open(0);
    machine.receive(conn, packet);
    machine.flush(conn, usize::MAX);
    conn
}

fn subscribe<S: Into<String>>(filters: impl IntoIterator<Item = S>) -> Packet {
    let filters = filters.into_iter().map(|f| (f.into(), SubscribeOptions::default())).collect();
    Packet::Subscribe(Subscribe {
        packet_id: PacketId::MAX,
        subscription_identifier: None,
        user_properties: Vec::new(),
        filters,
    })
}

fn aliased(topic: &str, id: u16, dup: bool) -> Packet {
    let mut publish = Publish::new(topic.to_owned(), "x".to_owned());
    publish.qos = QoS::ExactlyOnce;
    publish.packet_id = PacketId::new(id);
    publish.dup = dup;
    publish.properties.topic_alias = Some(1);
    Packet::Publish(publish)
}

fn shown(machine: &mut Machine, conn: ConnId) -> Vec<String> {
    machine.flush(conn, usize::MAX).0.iter().map(show).collect()
}

/// The repetition of a QoS 2 message on a new connection may be what gives a topic its alias.
#[test]
fn a_repeated_message_brings_its_alias() {
    let mut machine = machine();
    let first = connect(&mut machine, &kept("a"));
    machine.receive(first, &aliased("t", 1, false));
    let Packet::Connect(again) = kept("a") else { panic!("a CONNECT") };
    let second = connect(&mut machine, &Packet::Connect(again.clean_session(false)));
    machine.receive(second, &aliased("t", 1, true));
    machine.receive(second, &aliased("", 2, false));
    assert_eq!(shown(&mut machine, second).len(), 2, "both are acknowledged");
    assert!(!machine.is_spent(second), "and the client is still connected");
}

/// A filter costs some bytes; looking for what it may match is not to cost what all the retained
/// messages there are would, each time.
#[test]
fn a_crowd_of_wildcards_is_served_in_turns() {
    let mut machine = machine();
    let publisher = connect(&mut machine, &v5("p", ConnectProperties::default()));
    for n in 0..1000 {
        let publish = Publish::new(format!("{n}/a"), "x".to_owned()).retain(true);
        machine.receive(publisher, &Packet::Publish(publish));
    }
    let greedy = connect(&mut machine, &v5("g", ConnectProperties::default()));
    machine.receive(greedy, &subscribe((0..1000).map(|n| format!("+/b{n}"))));
    let patient = connect(&mut machine, &v5("w", ConnectProperties::default()));
    machine.receive(patient, &subscribe(["+/+"]));
    assert_eq!(shown(&mut machine, patient).len(), 1, "the answer: it is not its turn yet");
    let mut turns = 0;
    let soon = machine.now.plus_ms(1000);
    while let Some(at) = machine.broker.deadline().filter(|at| *at < soon) {
        machine.tick(at);
        turns += 1;
    }
    assert!((10..30).contains(&turns), "{turns} turns");
    assert_eq!(machine.flush(patient, usize::MAX).0.len(), 1000);
}

/// Nothing is sent that is larger than the client takes, be it an answer.
#[test]
fn an_answer_may_be_too_large() {
    let mut machine = machine();
    let tiny = connect(&mut machine, &narrow("tiny", 4));
    assert!(machine.broker.sessions() == 0 && machine.is_spent(tiny));
    let small = connect(&mut machine, &narrow("small", 30));
    machine.receive(small, &subscribe((0..25).map(|n| n.to_string())));
    assert_eq!(shown(&mut machine, small).len(), 1, "30 bytes");
    let said = machine.receive(small, &subscribe((0..26).map(|n| n.to_string())));
    assert!(!said.is_empty());
    let answers = machine.flush(small, usize::MAX).0;
    let [Packet::Disconnect(why)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(why.reason, ReasonCode::PACKET_TOO_LARGE);
    assert_eq!(machine.broker.subscriptions(), 0);
}

/// A session that ends with its connection since no other were allowed still does, when others
/// are: none of it was recorded.
#[test]
fn a_reload_does_not_let_a_session_be_kept_in_retrospect() {
    let options = Options { max_session_expiry: 0, ..Options::default() };
    let mut machine = Machine::new(options, 1);
    let conn = connect(&mut machine, &kept("a"));
    machine.handle(Event::Configured { options: Box::default(), authority: None });
    let session_expiry_interval = Some(60);
    let bye = Disconnect { session_expiry_interval, ..Disconnect::default() };
    let said: Vec<Said> = machine.receive(conn, &Packet::Disconnect(bye));
    assert!(!said.is_empty(), "it is closed");
    assert_eq!(machine.broker.sessions(), 0);
    machine.check_replay();
}
