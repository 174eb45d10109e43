//! Packets in the log, for those who debug their clients; and who subscribes to what.
//!
//! ```text
//! Received PUBLISH from lamp (d0, q1, r0, m7, 'kitchen/lamp', ... (5 bytes))
//! Sending PUBACK to lamp (m7, rc0)
//! ```
//!
//! Owns: the wording of these lines. What is sent is read from the effects of an event, so that no
//! handler says anything.
//!
//! Never shows a payload or a password.

use std::fmt;

use log::{debug, info};

use super::link::Link;
use super::shown::{NOBODY, Shown};
use super::{Broker, ConnId, Effect, Effects, Event, MessageRef, Outgoing, Target, Timer};
use crate::codec::{Incoming, Packet, PacketId, PublishRef, QoS};
use crate::message::Parts;
use crate::router::count;
use crate::session::{Held, SessionId};
use crate::time::Time;

/// What a line says of a PUBLISH.
struct Publish<'a> {
    dup: bool,
    qos: QoS,
    retain: bool,
    packet_id: Option<PacketId>,
    topic: &'a str,
    len: usize,
}

impl Broker {
    /// Handles an event and logs the packets that come and go by it.
    #[cold]
    pub(super) fn handle_aloud(&mut self, now: Time, event: Event<'_>, effects: &mut Effects) {
        let mut received = None;
        if let Event::Published { conn, publish } = &event {
            let publish = *publish;
            received = Some(publish);
            self.trace_published(*conn, publish);
        } else if let Event::Received { conn, packet } = &event {
            self.trace_received(*conn, packet);
        }
        let start = effects.list.len();
        self.handle_quietly(now, event, effects);
        for effect in &effects.list[start..] {
            match effect {
                Effect::Send { conn, what, .. } => self.trace_sent(*conn, what),
                Effect::Deliver { message, start, len } => {
                    let parts = match (message, received) {
                        (MessageRef::Shared(message), _) => message.parts(),
                        (MessageRef::Received, Some(publish)) => effects.received(publish, now),
                        (MessageRef::Received, None) => continue,
                    };
                    for target in &effects.targets[*start as usize..][..*len as usize] {
                        self.trace_delivered(&parts, target);
                    }
                }
                Effect::Record(_)
                | Effect::Online { .. }
                | Effect::Judge { .. }
                | Effect::Unjudge { .. }
                | Effect::Hold { .. }
                | Effect::Resume { .. }
                | Effect::Close { .. }
                | Effect::Overdue { .. }
                | Effect::Abort { .. } => {}
            }
        }
    }

    fn trace_published(&self, conn: ConnId, publish: &PublishRef<'_>) {
        let what = Publish {
            dup: publish.dup,
            qos: publish.qos,
            retain: publish.retain,
            packet_id: publish.packet_id,
            topic: publish.topic.as_str(),
            len: publish.payload.len(),
        };
        debug!("Received PUBLISH from {} ({what})", self.who(conn));
    }

    fn trace_received(&self, conn: ConnId, packet: &Incoming<'_>) {
        let (name, who) = (packet.name(), self.who(conn));
        match packet {
            Incoming::Publish(publish) => self.trace_published(conn, publish),
            Incoming::Ack(_, ack) => {
                let (id, code) = (ack.packet_id.get(), ack.reason.value());
                debug!("Received {name} from {who} (m{id}, rc{code})");
            }
            Incoming::PingReq => debug!("Received {name} from {who}"),
            Incoming::Other(other) => match &**other {
                Packet::Connect(connect) => {
                    debug!("Received {name} from {}", Shown(&connect.client_id));
                }
                Packet::Subscribe(subscribe) => {
                    debug!("Received {name} from {who} (m{})", subscribe.packet_id.get());
                }
                Packet::Unsubscribe(unsubscribe) => {
                    debug!("Received {name} from {who} (m{})", unsubscribe.packet_id.get());
                }
                Packet::Disconnect(_)
                | Packet::Auth(_)
                | Packet::ConnAck(_)
                | Packet::Publish(_)
                | Packet::PubAck(_)
                | Packet::PubRec(_)
                | Packet::PubRel(_)
                | Packet::PubComp(_)
                | Packet::SubAck(_)
                | Packet::UnsubAck(_)
                | Packet::PingReq
                | Packet::PingResp => debug!("Received {name} from {who}"),
            },
        }
    }

    fn trace_sent(&self, conn: ConnId, what: &Outgoing) {
        let who = self.who(conn);
        match what {
            Outgoing::Ack(kind, ack) => {
                let (id, code) = (ack.packet_id.get(), ack.reason.value());
                debug!("Sending {} to {who} (m{id}, rc{code})", kind.name());
            }
            Outgoing::PingResp => debug!("Sending PINGRESP to {who}"),
            Outgoing::Packet(packet) => match &**packet {
                Packet::ConnAck(connack) => {
                    let (present, code) = (u8::from(connack.session_present), connack.reason);
                    debug!("Sending CONNACK to {who} ({present}, {})", code.value());
                }
                Packet::SubAck(answer) => {
                    debug!("Sending SUBACK to {who} (m{})", answer.packet_id.get());
                }
                Packet::UnsubAck(answer) => {
                    debug!("Sending UNSUBACK to {who} (m{})", answer.packet_id.get());
                }
                Packet::Disconnect(disconnect) => {
                    debug!("Sending DISCONNECT to {who} (rc{})", disconnect.reason.value());
                }
                Packet::Auth(_)
                | Packet::Connect(_)
                | Packet::Publish(_)
                | Packet::PubAck(_)
                | Packet::PubRec(_)
                | Packet::PubRel(_)
                | Packet::PubComp(_)
                | Packet::Subscribe(_)
                | Packet::Unsubscribe(_)
                | Packet::PingReq
                | Packet::PingResp => debug!("Sending {} to {who}", packet.name()),
            },
        }
    }

    fn trace_delivered(&self, parts: &Parts<'_>, target: &Target) {
        let publish = Publish {
            dup: target.dup,
            qos: target.qos,
            retain: target.retain,
            packet_id: target.packet_id,
            topic: parts.topic.after(target.skip).as_str(),
            len: parts.payload.len(),
        };
        debug!("Sending PUBLISH to {} ({publish})", self.who(target.conn));
    }

    /// The client of a connection, as far as it is one still or already.
    fn who(&self, conn: ConnId) -> Shown<'_> {
        Shown(match self.links.get(conn) {
            Some(Link::Online(online)) => &online.identity.client_id,
            Some(Link::Judging(judging)) => &judging.identity.client_id,
            None | Some(Link::Awaiting { .. } | Link::Vacant | Link::Leaving) => NOBODY,
        })
    }

    /// Begins to log every subscription: a line for each, session by session and some at a time,
    /// so that everybody is served meanwhile. Who subscribes meanwhile may be missed.
    pub fn log_subscriptions(&mut self, now: Time) {
        let (subscriptions, sessions) = (self.subscriptions(), self.sessions());
        info!("Subscription tree: {subscriptions} subscriptions of {sessions} sessions");
        if self.listing.replace((0, 0)).is_none() {
            self.timers.arm(now, Timer::List);
        }
    }

    /// Goes on logging subscriptions.
    pub(super) fn on_list_due(&mut self, now: Time) {
        let Some((mut place, mut start)) = self.listing.take() else { return };
        let (mut lines, mut looked) = (0, 0);
        while place < self.store.places() {
            let id = SessionId(count(place));
            let subscriptions = if self.store.contains(id) {
                self.store.session(id).subscriptions.as_slice()
            } else {
                &[]
            };
            for held in subscriptions.iter().skip(start) {
                if lines == LINES {
                    return self.list_later(now, place, start);
                }
                (lines, start) = (lines + 1, start + 1);
                self.log_subscription(id, *held);
            }
            (place, start, looked) = (place + 1, 0, looked + 1);
            if looked == PLACES {
                return self.list_later(now, place, start);
            }
        }
    }

    fn list_later(&mut self, now: Time, place: usize, start: usize) {
        self.listing = Some((place, start));
        self.timers.arm(now.plus_ms(1), Timer::List);
    }

    fn log_subscription(&self, id: SessionId, held: Held) {
        let Some(subscriber) = self.store.router.subscriber(id, held) else { return };
        let filter = self.store.router.filter(held);
        let (client, qos) = (&self.store.session(id).client_id, subscriber.options.qos as u8);
        info!("Subscription tree: {} {qos} {}", Shown(client), Shown(&filter));
    }
}

/// Subscriptions logged in one go: no more than wait to be published where that is wanted.
const LINES: usize = 200;

/// Places of sessions looked at in one go.
const PLACES: usize = 10_000;

impl fmt::Display for Publish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dup, qos, retain, packet_id, topic, len } = self;
        let (dup, qos, retain) = (u8::from(*dup), *qos as u8, u8::from(*retain));
        let id = packet_id.map_or(0, PacketId::get);
        write!(f, "d{dup}, q{qos}, r{retain}, m{id}, '{}', ... ({len} bytes)", Shown(topic))
    }
}
