//! A client: an implementation of the protocol's other end, written from the standard and not
//! from the broker.
//!
//! Owns: its session state, which outlives its connections: what it has sent and is not
//! acknowledged, which QoS 2 messages it has taken. What it was given it gives to its
//! application, which notices a QoS 2 message that comes twice.
//!
//! Never knows what the broker should have sent it: the model does.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_broker::broker::ConnId;
use mqtt_broker::codec::{Ack, Packet, PacketId, Publish, QoS, ReasonCode, Version};

use super::swarm::ONCE;

/// What it awaits for something it has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    Ack,
    Received,
    Complete,
}

#[derive(Clone, Debug)]
struct Sent {
    packet_id: u16,
    publish: Publish,
    awaits: Awaits,
}

/// What a client is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Offline,
    /// CONNECT is on its way.
    Calling,
    Online,
    /// DISCONNECT is on its way.
    Leaving,
}

/// One client.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) index: usize,
    pub(super) version: Version,
    pub(super) conn: Option<ConnId>,
    pub(super) phase: Phase,
    pub(super) is_stalled: bool,
    /// What it may have on its way at once.
    pub(super) quota: usize,
    /// Highest alias it may use; those it has used.
    pub(super) aliases: BTreeMap<String, u16>,
    sent: Vec<Sent>,
    taken: BTreeSet<u16>,
    next_id: u16,
    /// Which session its state belongs to.
    session: u64,
    /// QoS 2 messages its application got in this session.
    seen: BTreeSet<(String, Vec<u8>)>,
    /// How many acknowledgements of its messages it has seen.
    pub(super) settled: u64,
    pub(super) sessions_lost: u64,
    pub(super) received: u64,
}

impl Peer {
    pub(super) const fn new(index: usize, version: Version) -> Self {
        Self {
            index,
            version,
            conn: None,
            phase: Phase::Offline,
            is_stalled: false,
            quota: 0,
            aliases: BTreeMap::new(),
            sent: Vec::new(),
            taken: BTreeSet::new(),
            next_id: 0,
            session: 0,
            seen: BTreeSet::new(),
            settled: 0,
            sessions_lost: 0,
            received: 0,
        }
    }

    pub(super) fn id(&self) -> String {
        format!("client-{}", self.index)
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.sent.is_empty()
    }

    pub(super) const fn may_send(&self) -> bool {
        self.sent.len() < self.quota
    }

    /// An identifier that is not in use.
    pub(super) fn next_id(&mut self) -> PacketId {
        loop {
            self.next_id = self.next_id % 40 + 1;
            if !self.sent.iter().any(|sent| sent.packet_id == self.next_id) {
                return id(self.next_id);
            }
        }
    }

    /// Its message is on its way.
    pub(super) fn sends(&mut self, publish: &Publish) {
        let Some(packet_id) = publish.packet_id else { return };
        let awaits = if publish.qos == QoS::AtLeastOnce { Awaits::Ack } else { Awaits::Received };
        let publish = publish.clone();
        self.sent.push(Sent { packet_id: packet_id.get(), publish, awaits });
    }

    pub(super) fn loses_connection(&mut self) {
        self.conn = None;
        self.phase = Phase::Offline;
        self.aliases.clear();
    }

    /// What it answers to a packet. `refuses`: it does not want this message.
    pub(super) fn receive(&mut self, packet: &Packet, refuses: bool) -> Vec<Packet> {
        match packet {
            Packet::ConnAck(answer) if answer.reason.is_error() => {
                // No session can be promised now.
                assert_eq!(answer.reason, ReasonCode::SERVER_UNAVAILABLE, "everybody is let in");
                self.loses_connection();
                Vec::new()
            }
            Packet::ConnAck(answer) => {
                assert_eq!(self.phase, Phase::Calling, "an answer to a question");
                self.phase = Phase::Online;
                let quota = answer.properties.receive_maximum.unwrap_or(u16::MAX);
                self.quota = usize::from(quota).min(30);
                assert!(answer.session_present || self.sent.is_empty(), "a session is forgotten");
                self.resume()
            }
            Packet::Publish(publish) => self.take(publish, refuses).into_iter().collect(),
            Packet::PubAck(ack) => self.on_ack(ack, Awaits::Ack),
            Packet::PubRec(ack) => self.on_ack(ack, Awaits::Received),
            Packet::PubComp(ack) => self.on_ack(ack, Awaits::Complete),
            Packet::PubRel(ack) => {
                self.taken.remove(&ack.packet_id.get());
                vec![Packet::PubComp(Ack::new(ack.packet_id, ReasonCode::SUCCESS))]
            }
            Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp
            | Packet::Disconnect(_)
            | Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Auth(_) => Vec::new(),
        }
    }

    /// A CONNACK that is lost may have said that the session is a new one, and the next one says
    /// that it is present: then a client takes it for the old one, and no broker can help it. So
    /// clients here are told which session it is.
    pub(super) fn meet(&mut self, session: u64) {
        if std::mem::replace(&mut self.session, session) != session {
            self.begin();
        }
    }

    /// A session that is not there any more takes everything along.
    fn begin(&mut self) {
        self.sessions_lost += 1;
        self.sent.clear();
        self.taken.clear();
        self.seen.clear();
    }

    fn resume(&self) -> Vec<Packet> {
        let again = self.sent.iter().map(|sent| match sent.awaits {
            Awaits::Ack | Awaits::Received => {
                let mut publish = sent.publish.clone();
                publish.dup = true;
                Packet::Publish(publish)
            }
            Awaits::Complete => Packet::PubRel(Ack::new(id(sent.packet_id), ReasonCode::SUCCESS)),
        });
        again.collect()
    }

    fn take(&mut self, publish: &Publish, refuses: bool) -> Option<Packet> {
        let reason = if refuses { ReasonCode::QUOTA_EXCEEDED } else { ReasonCode::SUCCESS };
        let packet_id = publish.packet_id;
        if publish.qos == QoS::ExactlyOnce {
            if self.taken.contains(&packet_id?.get()) {
                assert!(publish.dup, "an identifier in use is a repetition");
                return Some(Packet::PubRec(Ack::new(packet_id?, ReasonCode::SUCCESS)));
            }
            if refuses {
                return Some(Packet::PubRec(Ack::new(packet_id?, reason)));
            }
            self.taken.insert(packet_id?.get());
            let message = (publish.topic.clone(), publish.payload.to_vec());
            // What was published with less may have been so more than once.
            let is_unique = publish.payload.starts_with(ONCE.as_bytes()) && !publish.retain;
            assert!(
                !is_unique || self.seen.insert(message),
                "exactly once: {publish:?} is the second"
            );
        }
        self.received += 1;
        match publish.qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(Packet::PubAck(Ack::new(packet_id?, reason))),
            QoS::ExactlyOnce => Some(Packet::PubRec(Ack::new(packet_id?, reason))),
        }
    }

    fn on_ack(&mut self, ack: &Ack, of: Awaits) -> Vec<Packet> {
        let place = self.sent.iter().position(|sent| sent.packet_id == ack.packet_id.get());
        let released = vec![Packet::PubRel(Ack::new(ack.packet_id, ReasonCode::SUCCESS))];
        match (of, place.map(|place| self.sent[place].awaits)) {
            (Awaits::Ack, Some(Awaits::Ack)) | (Awaits::Complete, Some(Awaits::Complete)) => {
                self.sent.remove(place.expect("found"));
                self.settled += 1;
                Vec::new()
            }
            (Awaits::Received, Some(Awaits::Received)) if ack.reason.is_error() => {
                self.sent.remove(place.expect("found"));
                Vec::new()
            }
            (Awaits::Received, Some(Awaits::Received)) => {
                self.sent[place.expect("found")].awaits = Awaits::Complete;
                released
            }
            (Awaits::Received, Some(Awaits::Complete)) => released,
            (of, awaits) => panic!("{of:?} of {ack:?}, which awaits {awaits:?}"),
        }
    }
}

fn id(packet_id: u16) -> PacketId {
    PacketId::new(packet_id).expect("not 0")
}
