//! Scenarios: a client in virtual time against a server that says what the test wants.

use bytes::BytesMut;

use super::*;
use crate::codec::{
    Ack, ConnAck, ConnAckProperties, Connect, Decoder, Limits, Publish, SubAck, SubscribeOptions,
    UnsubAck, encode,
};

const LIMITS: Limits = Limits { packet: usize::MAX, connect: usize::MAX };

/// A client and what it did since it was last asked.
struct World {
    client: Client,
    now: Time,
    effects: Vec<Effect>,
}

fn world(version: Version) -> World {
    world_of(Options::new(Connect::new("c").version(version)))
}

/// A session that outlives its connections.
fn kept(version: Version) -> World {
    let mut connect = Connect::new("c").version(version).clean_session(false);
    if version == Version::V5 {
        connect.properties.session_expiry_interval = Some(u32::MAX);
    }
    world_of(Options::new(connect))
}

fn world_of(options: Options) -> World {
    World { client: Client::new(options), now: Time::from_ms(1_000_000), effects: Vec::new() }
}

impl World {
    fn handle(&mut self, event: Event<'_>) -> &mut Self {
        self.client.handle(self.now, event, &mut self.effects);
        if let Some(deadline) = self.client.deadline()
            && self.client.is_online()
        {
            assert!(deadline > self.now, "a deadline handled is a deadline moved");
        }
        self
    }

    /// The server sends `packet`.
    fn hear(&mut self, packet: &Packet) -> &mut Self {
        let mut wire = BytesMut::new();
        encode(packet, self.client.version(), &mut wire).unwrap();
        let mut decoder = Decoder::client(self.client.version());
        let mut input = &wire[..];
        let packet = decoder.next(&mut input, &LIMITS).unwrap().unwrap();
        self.client.handle(self.now, Event::Received(packet), &mut self.effects);
        self
    }

    fn after(&mut self, ms: u64) -> &mut Self {
        self.now = self.now.plus_ms(ms);
        self.handle(Event::Tick)
    }

    fn publish(&mut self, qos: QoS, token: Token) -> &mut Self {
        let publish = Publish { qos, ..Publish::new("t", token.to_string()) };
        self.handle(Event::Publish { publish, token })
    }

    fn subscribe(&mut self, filters: &[&str], token: Token) -> &mut Self {
        let options = SubscribeOptions::default();
        let filters = filters.iter().map(|&filter| (filter.to_owned(), options)).collect();
        self.handle(Event::Subscribe {
            filters,
            subscription_identifier: None,
            user_properties: Vec::new(),
            token,
        })
    }

    fn connect(&mut self, connack: ConnAck) -> &mut Self {
        self.handle(Event::Connected);
        self.hear(&Packet::ConnAck(connack))
    }

    /// Connects and throws away what that brought.
    fn online(mut self) -> Self {
        self.connect(connack());
        self.effects.clear();
        self
    }

    fn ack(&mut self, packet: fn(Ack) -> Packet, id: u16) -> &mut Self {
        self.hear(&packet(Ack::new(self::id(id), ReasonCode::SUCCESS)))
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The packets that were sent.
    fn sent(&mut self) -> Vec<Packet> {
        let packets = self.effects().into_iter().filter_map(|effect| match effect {
            Effect::Send(packet) => Some(packet),
            Effect::Online { .. }
            | Effect::Delivered(_)
            | Effect::Acked { .. }
            | Effect::Subscribed { .. }
            | Effect::Unsubscribed { .. }
            | Effect::Ended(_) => None,
        });
        packets.collect()
    }

    /// Payload and DUP of the messages that were sent, and `!id` for each PUBREL.
    fn messages(&mut self) -> Vec<String> {
        let word = |packet: Packet| {
            if let Packet::PubRel(ack) = packet {
                return Some(format!("!{}", ack.packet_id.get()));
            }
            let Packet::Publish(publish) = packet else { return None };
            let dup = if publish.dup { "again " } else { "" };
            Some(format!("{dup}{}", String::from_utf8_lossy(&publish.payload)))
        };
        self.sent().into_iter().filter_map(word).collect()
    }

    /// Reason of the end that is the last thing that happened.
    fn ending(&mut self) -> Ending {
        match self.effects().pop() {
            Some(Effect::Ended(ending)) => ending,
            other => panic!("no end but {other:?}"),
        }
    }
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

fn connack() -> ConnAck {
    ConnAck {
        session_present: false,
        reason: ReasonCode::SUCCESS,
        properties: ConnAckProperties::default(),
    }
}

fn resumed() -> ConnAck {
    ConnAck { session_present: true, ..connack() }
}

fn connack_with(properties: ConnAckProperties) -> ConnAck {
    ConnAck { properties, ..connack() }
}

fn acked(token: Token) -> Effect {
    Effect::Acked { token, reason: ReasonCode::SUCCESS }
}

fn message(qos: QoS, packet_id: u16, payload: &'static str) -> Packet {
    let publish = Publish::new("t", payload);
    let packet_id = (qos > QoS::AtMostOnce).then(|| id(packet_id));
    Packet::Publish(Publish { qos, packet_id, ..publish })
}

const ALL: [Version; 3] = [Version::V31, Version::V311, Version::V5];

#[test]
fn what_is_asked_for_early_is_sent_when_online() {
    for version in ALL {
        let mut world = world(version);
        world.publish(QoS::AtMostOnce, 1).publish(QoS::AtLeastOnce, 2).subscribe(&["a"], 3);
        assert_eq!(world.effects(), []);
        assert_eq!(world.client.backlog(), 3);
        world.handle(Event::Connected);
        assert!(matches!(world.sent()[..], [Packet::Connect(_)]));
        world.hear(&Packet::ConnAck(connack()));
        let effects = world.effects();
        assert_eq!(effects[0], Effect::Online { session_present: false, client_id: "c".into() });
        assert_eq!(effects[2], acked(1), "QoS 0 is done when it is sent");
        assert_eq!(effects.len(), 5);
        world.ack(Packet::PubAck, 1);
        world.hear(&Packet::SubAck(SubAck {
            packet_id: id(2),
            reasons: vec![ReasonCode::GRANTED_QOS_0],
            properties: None,
        }));
        let reasons = vec![ReasonCode::GRANTED_QOS_0];
        assert_eq!(world.effects(), [acked(2), Effect::Subscribed { token: 3, reasons }]);
        assert!(world.client.is_idle());
    }
}

#[test]
fn qos_2_goes_its_four_ways() {
    for version in ALL {
        let mut world = world(version).online();
        world.publish(QoS::ExactlyOnce, 1);
        assert_eq!(world.messages(), ["1"]);
        world.ack(Packet::PubRec, 1);
        let release = Packet::PubRel(Ack::new(id(1), ReasonCode::SUCCESS));
        assert_eq!(world.effects(), [acked(1), Effect::Send(release.clone())]);
        world.ack(Packet::PubRec, 1);
        assert_eq!(world.effects(), [Effect::Send(release)], "a repeated PUBREC is answered");
        assert!(!world.client.is_idle());
        world.ack(Packet::PubComp, 1);
        assert!(world.client.is_idle());
        assert_eq!(world.effects(), []);
    }
}

#[test]
fn the_window_is_the_smaller_of_both_and_keeps_order() {
    let mut options = Options::new(Connect::new("c").version(Version::V5));
    options.window = 3;
    let mut world = world_of(options);
    let maximum = ConnAckProperties { receive_maximum: Some(2), ..Default::default() };
    world.connect(connack_with(maximum)).effects();
    for token in 1..=4 {
        world.publish(QoS::ExactlyOnce, token);
    }
    world.subscribe(&["a"], 9);
    assert_eq!(world.messages(), ["1", "2"]);
    world.ack(Packet::PubRec, 1);
    assert_eq!(world.messages(), ["!1"], "PUBREC makes no room");
    world.ack(Packet::PubComp, 1);
    assert_eq!(world.messages(), ["3"]);
    world.hear(&Packet::PubRec(Ack::new(id(2), ReasonCode::QUOTA_EXCEEDED)));
    let effects = world.effects();
    assert_eq!(effects[0], Effect::Acked { token: 2, reason: ReasonCode::QUOTA_EXCEEDED });
    assert!(matches!(effects[1], Effect::Send(Packet::Publish(_))), "a refusal makes room");
    assert!(matches!(effects[2], Effect::Send(Packet::Subscribe(_))));
    assert_eq!(world.client.backlog(), 0);
}

#[test]
fn a_resumed_session_sends_again_in_order_within_the_new_maximum() {
    for version in ALL {
        let mut world = kept(version).online();
        world.publish(QoS::AtLeastOnce, 1).publish(QoS::ExactlyOnce, 2);
        world.publish(QoS::ExactlyOnce, 3).ack(Packet::PubRec, 2).effects();
        world.handle(Event::Closed);
        assert_eq!(world.ending(), Ending::Closed);
        world.publish(QoS::AtLeastOnce, 4);
        let mut answer = resumed();
        if version == Version::V31 {
            answer.session_present = false; // there is no such bit
        } else if version == Version::V5 {
            answer.properties.receive_maximum = Some(2);
        }
        world.connect(answer);
        let window = if version == Version::V5 { 2 } else { 4 };
        assert_eq!(world.messages(), ["again 1", "!2", "again 3", "4"][..window]);
        world.ack(Packet::PubAck, 1);
        assert_eq!(world.messages(), ["again 1", "!2", "again 3", "4"][window..window.max(3)]);
        world.ack(Packet::PubComp, 2).ack(Packet::PubRec, 3).ack(Packet::PubComp, 3);
        world.messages();
        world.ack(Packet::PubAck, 4);
        assert!(world.client.is_idle(), "{version:?}");
    }
}

#[test]
fn acknowledged_before_it_was_sent_again_is_not_sent_again() {
    let mut world = kept(Version::V5).online();
    for token in 1..=3 {
        world.publish(QoS::ExactlyOnce, token);
    }
    world.handle(Event::Closed).effects();
    let maximum = ConnAckProperties { receive_maximum: Some(1), ..Default::default() };
    world.connect(ConnAck { properties: maximum, ..resumed() });
    assert_eq!(world.messages(), ["again 1"]);
    world.ack(Packet::PubRec, 3).ack(Packet::PubRec, 1).ack(Packet::PubComp, 1);
    assert_eq!(world.messages(), ["!3", "!1"], "3 takes the place in the window");
    world.ack(Packet::PubComp, 3);
    assert_eq!(world.messages(), ["again 2"]);
}

#[test]
fn a_forgotten_session_begins_anew_and_loses_nothing() {
    for version in [Version::V311, Version::V5] {
        let mut world = kept(version).online();
        world.publish(QoS::AtLeastOnce, 1).publish(QoS::ExactlyOnce, 2);
        world.publish(QoS::ExactlyOnce, 3).ack(Packet::PubRec, 2).subscribe(&["a"], 4);
        world.hear(&message(QoS::ExactlyOnce, 7, "x"));
        world.handle(Event::Closed).effects();
        world.publish(QoS::AtLeastOnce, 5);
        world.connect(connack());
        assert_eq!(world.messages(), ["1", "3", "5"], "2 has arrived");
        world.hear(&message(QoS::ExactlyOnce, 7, "y"));
        assert!(matches!(world.effects()[0], Effect::Delivered(_)), "7 is another message now");
    }
}

#[test]
fn clean_start_and_the_id_follow_what_the_server_said() {
    let connects = |world: &mut World| match &world.handle(Event::Connected).effects()[..] {
        [Effect::Send(Packet::Connect(connect))] => connect.clone(),
        other => panic!("{other:?}"),
    };
    let mut connect = Connect::new("").version(Version::V5);
    connect.properties.session_expiry_interval = Some(60);
    let mut world = world_of(Options::new(connect));
    assert!(connects(&mut world).clean_start);
    world.hear(&Packet::ConnAck(connack_with(ConnAckProperties {
        assigned_client_identifier: Some("given".into()),
        ..Default::default()
    })));
    let online = Effect::Online { session_present: false, client_id: "given".into() };
    assert_eq!(world.effects(), [online]);
    world.handle(Event::Closed).effects();
    let again = connects(&mut world);
    assert_eq!((again.clean_start, &*again.client_id), (false, "given"));

    let mut world = self::world(Version::V311).online();
    world.handle(Event::Closed).effects();
    assert!(connects(&mut world).clean_start, "3.1.1 has no session that is clean only once");
}

#[test]
fn the_servers_limits_are_kept() {
    let mut world = world(Version::V5);
    let limits = ConnAckProperties {
        maximum_packet_size: Some(20),
        maximum_qos: Some(QoS::AtLeastOnce),
        retain_available: Some(false),
        ..Default::default()
    };
    world.connect(connack_with(limits)).effects();
    let refusal = |world: &mut World| match world.effects()[..] {
        [Effect::Acked { reason, .. }] => reason,
        ref other => panic!("{other:?}"),
    };
    world.publish(QoS::ExactlyOnce, 1);
    assert_eq!(refusal(&mut world), ReasonCode::QOS_NOT_SUPPORTED);
    let publish = Publish::new("t", "x").retain(true);
    world.handle(Event::Publish { publish, token: 2 });
    assert_eq!(refusal(&mut world), ReasonCode::RETAIN_NOT_SUPPORTED);
    let publish = Publish::new("t", "012345678901234");
    world.handle(Event::Publish { publish, token: 3 });
    assert_eq!(refusal(&mut world), ReasonCode::PACKET_TOO_LARGE);
    let publish = Publish::new("t", "01234567890123");
    world.handle(Event::Publish { publish, token: 3 });
    assert_eq!(world.sent().len(), 1, "20 bytes are not too many");
    world.subscribe(&["0123456789", "0123456789"], 4);
    let reasons = vec![ReasonCode::PACKET_TOO_LARGE; 2];
    assert_eq!(world.effects(), [Effect::Subscribed { token: 4, reasons }]);
    let mut publish = Publish::new("t", "x");
    publish.properties.topic_alias = Some(1);
    world.handle(Event::Publish { publish, token: 5 });
    let [Packet::Publish(publish)] = &world.sent()[..] else { panic!("not sent") };
    assert_eq!(publish.properties.topic_alias, None, "the server takes no aliases");
    assert!(world.client.is_idle());
}

#[test]
fn keep_alive_pings_and_ends_in_silence() {
    let mut world = world(Version::V5);
    let properties = ConnAckProperties { server_keep_alive: Some(20), ..Default::default() };
    world.connect(connack_with(properties)).effects();
    assert_eq!(world.client.deadline(), Some(world.now.plus_ms(15_000)));
    world.after(14_999);
    assert_eq!(world.effects(), []);
    world.after(1);
    assert_eq!(world.sent(), [Packet::PingReq]);
    world.after(1000).hear(&Packet::PingResp);
    assert_eq!(world.effects(), []);
    world.publish(QoS::AtMostOnce, 1).effects();
    assert_eq!(world.client.deadline(), Some(world.now.plus_ms(15_000)), "sending counts");
    world.after(15_000).after(15_000);
    assert_eq!(world.sent(), [Packet::PingReq, Packet::PingReq]);
    world.hear(&message(QoS::AtMostOnce, 0, "x")).effects();
    world.after(5000).after(10_000);
    assert_eq!(world.sent(), [Packet::PingReq], "a message is a sign of life");
    world.handle(Event::Written).after(15_000).effects();
    world.after(5000);
    assert_eq!(world.ending(), Ending::Silent);
    assert_eq!(world.client.deadline(), None);
}

#[test]
fn no_keep_alive_no_deadline() {
    let mut world = world_of(Options::new(Connect::new("c").keep_alive(0)));
    world.handle(Event::Connected);
    assert_eq!(world.client.deadline(), Some(world.now.plus_ms(20_000)), "for the CONNACK");
    world.hear(&Packet::ConnAck(connack()));
    assert_eq!(world.client.deadline(), None);
    world.handle(Event::Closed).handle(Event::Connected).after(20_000);
    assert_eq!(world.ending(), Ending::Silent);
}

#[test]
fn qos_2_is_delivered_once_across_connections() {
    for version in ALL {
        let mut world = kept(version).online();
        world.hear(&message(QoS::ExactlyOnce, 7, "x"));
        let received = Effect::Send(Packet::PubRec(Ack::new(id(7), ReasonCode::SUCCESS)));
        let effects = world.effects();
        assert!(matches!(effects[0], Effect::Delivered(_)));
        assert_eq!(effects[1..], std::slice::from_ref(&received)[..]);
        world.handle(Event::Closed).connect(resumed_by(version)).effects();
        world.hear(&message(QoS::ExactlyOnce, 7, "x"));
        assert_eq!(world.effects(), [received]);
        world.ack(Packet::PubRel, 7);
        let complete = Packet::PubComp(Ack::new(id(7), ReasonCode::SUCCESS));
        assert_eq!(world.sent(), [complete]);
        world.ack(Packet::PubRel, 7);
        let reason = match version {
            Version::V5 => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
            Version::V31 | Version::V311 => ReasonCode::SUCCESS,
        };
        assert_eq!(world.sent(), [Packet::PubComp(Ack::new(id(7), reason))]);
    }
}

fn resumed_by(version: Version) -> ConnAck {
    if version == Version::V31 { connack() } else { resumed() }
}

#[test]
fn by_hand_nothing_is_acknowledged_before_its_time() {
    let connect = Connect::new("c").clean_session(false);
    let mut world = world_of(Options { by_hand: true, ..Options::new(connect) }).online();
    world.hear(&message(QoS::AtLeastOnce, 1, "x")).hear(&message(QoS::ExactlyOnce, 2, "y"));
    assert_eq!(world.sent(), []);
    let reason = ReasonCode::SUCCESS;
    world.handle(Event::Acknowledge { id: id(1), reason });
    assert_eq!(world.sent(), [Packet::PubAck(Ack::new(id(1), reason))]);
    world.handle(Event::Acknowledge { id: id(1), reason });
    assert_eq!(world.sent(), [], "once");
    world.hear(&message(QoS::AtLeastOnce, 3, "z"));
    world.handle(Event::Closed).connect(resumed()).effects();
    world.handle(Event::Acknowledge { id: id(3), reason });
    assert_eq!(world.sent(), [], "3 was of another connection and comes again");
    world.hear(&message(QoS::ExactlyOnce, 2, "y"));
    assert_eq!(world.effects(), [], "2 was delivered and still ponders");
    world.handle(Event::Acknowledge { id: id(2), reason });
    assert_eq!(world.sent(), [Packet::PubRec(Ack::new(id(2), reason))]);
}

#[test]
fn topic_aliases_are_replaced_and_bounded() {
    let mut connect = Connect::new("c").version(Version::V5);
    connect.properties.topic_alias_maximum = Some(2);
    let aliased = |topic: &str, alias| {
        let mut publish = Publish::new(topic, "x");
        publish.properties.topic_alias = Some(alias);
        Packet::Publish(publish)
    };
    let mut world = world_of(Options::new(connect)).online();
    world.hear(&aliased("long/topic", 2)).hear(&aliased("", 2));
    for effect in world.effects() {
        assert!(matches!(effect, Effect::Delivered(publish) if publish.topic == "long/topic"));
    }
    world.hear(&aliased("", 1));
    assert!(matches!(world.ending(), Ending::Broken(ReasonCode::PROTOCOL_ERROR, _)));
    world.connect(connack()).effects();
    world.hear(&aliased("", 2));
    assert!(matches!(world.ending(), Ending::Broken(..)), "aliases die with the connection");
    world.connect(connack()).effects();
    world.hear(&aliased("t", 3));
    let effects = world.effects();
    let Effect::Send(Packet::Disconnect(disconnect)) = &effects[0] else { panic!("{effects:?}") };
    assert_eq!(disconnect.reason, ReasonCode::TOPIC_ALIAS_INVALID);
}

type Act = fn(&mut World);

#[test]
fn a_server_that_breaks_the_protocol_is_left() {
    for version in ALL {
        let wrong: [(&str, Act); 5] = [
            ("a second CONNACK", |world| {
                world.hear(&Packet::ConnAck(connack()));
            }),
            ("SUBACK for a PUBLISH", |world| {
                world.publish(QoS::AtLeastOnce, 1).hear(&Packet::SubAck(SubAck {
                    packet_id: id(1),
                    reasons: vec![ReasonCode::GRANTED_QOS_0],
                    properties: None,
                }));
            }),
            ("PUBACK for QoS 2", |world| {
                world.publish(QoS::ExactlyOnce, 1).ack(Packet::PubAck, 1);
            }),
            ("PUBACK for a SUBSCRIBE", |world| {
                world.subscribe(&["a"], 1).ack(Packet::PubAck, 1);
            }),
            ("one answer to two filters", |world| {
                world.subscribe(&["a", "b"], 1).hear(&Packet::SubAck(SubAck {
                    packet_id: id(1),
                    reasons: vec![ReasonCode::GRANTED_QOS_0],
                    properties: None,
                }));
            }),
        ];
        for (what, act) in wrong {
            let mut world = world(version).online();
            act(&mut world);
            let goodbye = world.effects.iter().any(|effect| {
                matches!(effect, Effect::Send(Packet::Disconnect(d)) if d.reason.is_error())
            });
            assert_eq!(goodbye, version == Version::V5, "{what}");
            assert!(matches!(world.ending(), Ending::Broken(..)), "{what}");
        }
    }
}

#[test]
fn strays_do_no_harm() {
    let mut world = world(Version::V5).online();
    world.ack(Packet::PubAck, 5).ack(Packet::PubComp, 5);
    world.hear(&Packet::UnsubAck(UnsubAck {
        packet_id: id(5),
        reasons: vec![ReasonCode::SUCCESS],
        properties: None,
    }));
    assert_eq!(world.effects(), []);
    world.ack(Packet::PubRec, 5);
    let unknown = Ack::new(id(5), ReasonCode::PACKET_IDENTIFIER_NOT_FOUND);
    assert_eq!(world.sent(), [Packet::PubRel(unknown)]);
}

#[test]
fn refusals_and_goodbyes_are_told() {
    let mut world = world(Version::V311);
    world.connect(ConnAck { reason: ReasonCode::NOT_AUTHORIZED, ..connack() });
    assert_eq!(world.ending(), Ending::Refused(ReasonCode::NOT_AUTHORIZED, None));
    world.handle(Event::Closed);
    assert_eq!(world.effects(), [], "an end ends once");

    let mut world = world_of(Options::new(Connect::new("c").version(Version::V5))).online();
    let leave =
        crate::codec::Disconnect { reason: ReasonCode::SESSION_TAKEN_OVER, ..Default::default() };
    world.hear(&Packet::Disconnect(leave.clone()));
    assert_eq!(world.ending(), Ending::Disconnected(Box::new(leave)));

    let mut world = self::world(Version::V5).online();
    world.handle(Event::Disconnect(Default::default()));
    let goodbye = Effect::Send(Packet::Disconnect(Default::default()));
    assert_eq!(world.effects(), [goodbye, Effect::Ended(Ending::Left)]);
    world.hear(&message(QoS::AtMostOnce, 0, "late"));
    assert_eq!(world.effects(), [], "who has left hears nothing");

    let mut world = self::world(Version::V5).online();
    world.handle(Event::Garbled(crate::codec::Error::Malformed("x")));
    assert_eq!(world.ending(), Ending::Garbled(crate::codec::Error::Malformed("x")));
}

#[test]
fn a_session_out_of_nowhere_is_not_believed() {
    for version in [Version::V311, Version::V5] {
        let mut world = world(version);
        world.connect(resumed());
        assert!(matches!(world.ending(), Ending::Broken(..)));
    }
    let mut world = kept(Version::V5);
    world.connect(resumed());
    assert!(world.client.is_online(), "who asked for the session may get it");
}
