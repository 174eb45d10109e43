//! A client and a model server on a line that is cut at random, from a seed.
//!
//! Safety, at every step: the window is kept, QoS 2 arrives once, acknowledgements are told once.
//! Liveness: when nothing is cut any more everything arrives and is settled, in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::BytesMut;

use super::*;
use crate::codec::{
    Ack, ConnAck, ConnAckProperties, Connect, Decoder, Limits, Publish, decode_packet, encode,
};
use crate::rng::Rng;

/// Messages each side publishes.
const MESSAGES: u64 = 60;

#[derive(Default)]
struct Server {
    has_session: bool,
    outbound: Outbound<(QoS, u64)>,
    inbound: Inbound,
    /// Identifiers of the connection that are not settled, and how many may be.
    open: BTreeSet<PacketId>,
    maximum: usize,
    received: Vec<(QoS, u64)>,
    next: u64,
}

struct World {
    rng: Rng,
    version: Version,
    now: Time,
    client: Client,
    server: Server,
    to_server: VecDeque<Packet>,
    to_client: VecDeque<Packet>,
    is_connected: bool,
    published: u64,
    acked: BTreeMap<u64, u32>,
    delivered: Vec<(QoS, u64)>,
}

fn qos_of(n: u64) -> QoS {
    if n.is_multiple_of(2) { QoS::AtLeastOnce } else { QoS::ExactlyOnce }
}

fn number(publish: &Publish) -> u64 {
    std::str::from_utf8(&publish.payload).unwrap().parse().unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let version = [Version::V311, Version::V5][rng.index(2)];
        let mut connect = Connect::new("c").version(version).clean_session(false);
        connect.properties.session_expiry_interval = Some(u32::MAX);
        let mut options = Options::new(connect);
        options.window = 1 + u16::try_from(rng.below(8)).unwrap();
        Self {
            rng,
            version,
            now: Time::from_ms(1000),
            client: Client::new(options),
            server: Server::default(),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            is_connected: false,
            published: 0,
            acked: BTreeMap::new(),
            delivered: Vec::new(),
        }
    }

    fn handle(&mut self, event: Event<'_>) {
        let mut effects = Vec::new();
        self.client.handle(self.now, event, &mut effects);
        for effect in effects {
            match effect.clone() {
                Effect::Send(packet) => self.to_server.push_back(packet),
                Effect::Acked { token, reason } => {
                    assert_eq!(reason, ReasonCode::SUCCESS);
                    *self.acked.entry(token).or_default() += 1;
                }
                Effect::Delivered(publish) => self.delivered.push((publish.qos, number(&publish))),
                Effect::Ended(Ending::Closed | Ending::Silent) => self.cut(),
                Effect::Online { .. } => {}
                Effect::Ended(_) | Effect::Subscribed { .. } | Effect::Unsubscribed { .. } => {
                    panic!("{effect:?}")
                }
            }
        }
    }

    fn cut(&mut self) {
        self.is_connected = false;
        self.to_server.clear();
        self.to_client.clear();
    }

    fn step(&mut self, is_stormy: bool) {
        match self.rng.below(if is_stormy { 40 } else { 36 }) {
            0..=5 if self.published < MESSAGES => {
                let qos = qos_of(self.published);
                let publish = Publish { qos, ..Publish::new("t", self.published.to_string()) };
                self.handle(Event::Publish { publish, token: self.published });
                self.published += 1;
            }
            6..=9 if self.is_connected && self.client.is_online() => self.server_publishes(),
            10..=21 => self.serve(),
            22..=33 => self.answer(),
            34 | 35 if !self.is_connected => {
                self.is_connected = true;
                self.handle(Event::Connected);
            }
            36 if self.is_connected => {
                self.cut();
                self.handle(Event::Closed);
            }
            37 => {
                self.now = self.now.plus_ms(self.rng.below(20_000));
                self.handle(Event::Tick);
            }
            _ => {}
        }
    }

    fn server_publishes(&mut self) {
        let server = &mut self.server;
        if server.next < MESSAGES && server.outbound.len() < 5 && server.open_session() {
            let (id, qos) = (server.outbound.next_id(), qos_of(server.next));
            server.outbound.send(id, qos, (qos, server.next), 0);
            self.to_client.push_back(message(id, qos, server.next, false));
            server.next += 1;
        }
    }

    fn serve(&mut self) {
        if let Some(packet) = self.to_server.pop_front() {
            let mut answers = Vec::new();
            self.server.take(packet, self.version, &mut self.rng, &mut answers);
            self.to_client.extend(answers);
        }
    }

    fn answer(&mut self) {
        let Some(packet) = self.to_client.pop_front() else { return };
        let mut wire = BytesMut::new();
        encode(&packet, self.version, &mut wire).unwrap();
        let mut decoder = Decoder::client(self.version);
        let limits = Limits { packet: usize::MAX, connect: usize::MAX };
        let packet = decoder.next(&mut &wire[..], &limits).unwrap().unwrap();
        self.handle(Event::Received(packet));
    }

    fn is_quiet(&self) -> bool {
        let server = &self.server;
        self.published == MESSAGES
            && server.next == MESSAGES
            && self.client.is_idle()
            && server.outbound.is_empty()
            && self.to_server.is_empty()
            && self.to_client.is_empty()
    }
}

impl Server {
    fn open_session(&self) -> bool {
        self.has_session
    }

    fn take(&mut self, packet: Packet, version: Version, rng: &mut Rng, answers: &mut Vec<Packet>) {
        // What is sent can be read back.
        let mut wire = BytesMut::new();
        encode(&packet, version, &mut wire).unwrap();
        if !matches!(packet, Packet::Connect(_)) {
            let again = decode_packet(&mut wire, version, usize::MAX).unwrap();
            assert_eq!(again.as_ref(), Some(&packet));
        }
        let ok = |id| Ack::new(id, ReasonCode::SUCCESS);
        match packet.clone() {
            Packet::Connect(_) => self.on_connect(version, rng, answers),
            Packet::Publish(publish) => {
                let id = publish.packet_id.unwrap();
                self.open.insert(id);
                assert!(self.open.len() <= self.maximum, "the window is kept");
                if publish.qos == QoS::AtLeastOnce {
                    self.open.remove(&id);
                    self.received.push((publish.qos, number(&publish)));
                    answers.push(Packet::PubAck(ok(id)));
                } else {
                    if self.inbound.publish(id) {
                        self.received.push((publish.qos, number(&publish)));
                    } else {
                        assert!(publish.dup, "an identifier in use is not used again");
                    }
                    answers.push(Packet::PubRec(ok(id)));
                }
            }
            Packet::PubRel(ack) => {
                self.inbound.release(ack.packet_id);
                self.open.remove(&ack.packet_id);
                answers.push(Packet::PubComp(ok(ack.packet_id)));
            }
            Packet::PubAck(ack) => assert!(self.outbound.acked(ack.packet_id).is_ok()),
            Packet::PubRec(ack) => {
                let _ = self.outbound.received(ack.packet_id); // or a repetition
                answers.push(Packet::PubRel(ok(ack.packet_id)));
            }
            Packet::PubComp(ack) => {
                let _ = self.outbound.completed(ack.packet_id); // or of a repeated PUBREL
            }
            Packet::PingReq => answers.push(Packet::PingResp),
            Packet::ConnAck(_)
            | Packet::Subscribe(_)
            | Packet::SubAck(_)
            | Packet::Unsubscribe(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp
            | Packet::Disconnect(_)
            | Packet::Auth(_) => panic!("{packet:?}"),
        }
    }

    fn on_connect(&mut self, version: Version, rng: &mut Rng, answers: &mut Vec<Packet>) {
        self.maximum =
            if version == Version::V5 { 1 + rng.index(8) } else { usize::from(u16::MAX) };
        self.open.clear();
        let maximum = u16::try_from(self.maximum).unwrap();
        answers.push(Packet::ConnAck(ConnAck {
            session_present: self.has_session,
            reason: ReasonCode::SUCCESS,
            properties: ConnAckProperties { receive_maximum: Some(maximum), ..Default::default() },
        }));
        self.has_session = true;
        for (id, _, item) in self.outbound.iter() {
            answers.push(match item {
                Some(&(qos, n)) => message(id, qos, n, true),
                None => Packet::PubRel(Ack::new(id, ReasonCode::SUCCESS)),
            });
        }
    }
}

fn message(id: PacketId, qos: QoS, n: u64, dup: bool) -> Packet {
    let publish = Publish::new("t", n.to_string());
    Packet::Publish(Publish { dup, qos, packet_id: Some(id), ..publish })
}

/// Each QoS 2 message once, each QoS 1 message at least once, first copies in order.
#[track_caller]
fn check(arrived: &[(QoS, u64)]) {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let numbers: Vec<_> = arrived.iter().filter(|(q, _)| *q == qos).map(|(_, n)| *n).collect();
        let mut seen = BTreeSet::new();
        let firsts: Vec<_> = numbers.iter().copied().filter(|&n| seen.insert(n)).collect();
        assert_eq!(firsts, (0..MESSAGES).filter(|&n| qos_of(n) == qos).collect::<Vec<_>>());
        assert!(qos == QoS::AtLeastOnce || numbers.len() == firsts.len(), "QoS 2 arrived twice");
    }
}

#[test]
fn everything_arrives_however_often_the_line_is_cut() {
    for seed in 0..300 {
        let mut world = World::new(seed);
        for _ in 0..2000 {
            world.step(true);
        }
        let mut steps = 0;
        while !world.is_quiet() {
            world.step(false);
            steps += 1;
            assert!(steps < 100_000, "seed {seed}: it does not end: {:?}", world.client);
        }
        check(&world.server.received);
        check(&world.delivered);
        assert_eq!(world.acked.len() as u64, MESSAGES);
        assert!(world.acked.values().all(|&times| times == 1), "seed {seed}: told twice");
    }
}
