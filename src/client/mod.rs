//! The other end of the protocol: a client without a socket.
//!
//! A [`Client`] is told what happened ([`Event`]) and says what is to be done ([`Effect`]), like
//! the broker, for MQTT 3.1, 3.1.1 and 5.0. The client programs run it on a socket, the
//! simulator in virtual time.
//!
//! ```text
//!            Connected            CONNACK
//! Offline ----------> Connecting ---------> Online
//!    ^                    |                    |
//!    +--------------------+--------------------+  Ended
//! ```
//!
//! Owns: both windows of QoS 1 and 2, which outlive connections; a queue of what does not fit
//! the window or was asked for while offline, in order; the limits the server set in its CONNACK;
//! keep alive.
//!
//! * On a resumed session everything unsettled is sent again, with DUP, in the original order and
//!   within the new connection's Receive Maximum. If the server has forgotten the session, what it
//!   is not known to have taken is published anew: nothing is lost, but a QoS 2 message whose
//!   PUBREC was lost with that session may arrive twice.
//! * SUBSCRIBE and UNSUBSCRIBE take their packet identifiers from the same window; unanswered ones
//!   are sent again on the next connection.
//! * Reconnecting is the user's: when and where is not a protocol's question.
//!
//! Never asks a clock, never opens a socket, never is random.

mod connection;
mod event;
mod incoming;
mod outgoing;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use event::{Effect, Ending, Event, Options, Token};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::codec::{AckKind, Incoming, Packet, PacketId, QoS, ReasonCode, Version};
use crate::session::{Inbound, Outbound};
use crate::time::Time;

use connection::Online;
use outgoing::Request;

/// One client of one server.
#[derive(Debug)]
pub struct Client {
    options: Options,
    phase: Phase,
    /// Whether a server ever accepted it.
    is_known: bool,
    /// Seconds the server keeps the session after the connection (5.0).
    expiry: u32,
    /// Asked for and not yet sent, oldest first.
    queue: VecDeque<Request>,
    /// Sent and not settled; a request is settled by its SUBACK or UNSUBACK.
    outbound: Outbound<Request>,
    /// What a resumed session has still to send again, oldest first.
    resend: VecDeque<PacketId>,
    /// The same, less what the server acknowledged before its turn came.
    unsent: BTreeSet<PacketId>,
    inbound: Inbound,
    /// Delivered and not yet acknowledged by hand.
    unacknowledged: BTreeMap<PacketId, QoS>,
}

#[derive(Debug)]
enum Phase {
    Offline,
    Connecting { by: Time, clean_start: bool },
    Online(Box<Online>),
}

/// What the server did wrong.
type Fault = (ReasonCode, &'static str);

impl Client {
    /// A client that waits for a connection.
    ///
    /// # Panics
    /// If the window is 0.
    #[must_use]
    pub fn new(options: Options) -> Self {
        assert!(options.window > 0, "a window of 0 would never send anything");
        let expiry = options.connect.properties.session_expiry_interval.unwrap_or(0);
        Self {
            options,
            phase: Phase::Offline,
            is_known: false,
            expiry,
            queue: VecDeque::new(),
            outbound: Outbound::default(),
            resend: VecDeque::new(),
            unsent: BTreeSet::new(),
            inbound: Inbound::default(),
            unacknowledged: BTreeMap::new(),
        }
    }

    /// The version it speaks.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.options.connect.version
    }

    /// Whether the server has accepted the connection.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        matches!(self.phase, Phase::Online(_))
    }

    /// How many messages and requests wait for a connection or for room in the window. Who waits
    /// for this to be 0 before publishing more has a full window and bounded memory.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits and everything sent is settled, to the last PUBCOMP.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.outbound.is_empty()
    }

    /// When the next [`Event::Tick`] is due, if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        match &self.phase {
            Phase::Offline => None,
            Phase::Connecting { by, .. } => Some(*by),
            Phase::Online(online) => online.deadline(),
        }
    }

    /// Learns what happened and appends what is to be done about it.
    pub fn handle(&mut self, now: Time, event: Event<'_>, effects: &mut Vec<Effect>) {
        let before = effects.len();
        let outcome = match event {
            Event::Connected => self.on_connected(now, effects),
            Event::Received(packet) => self.on_received(now, packet, effects),
            Event::Garbled(error) => self.on_garbled(error, effects),
            Event::Written => self.on_written(now),
            Event::Closed => self.end(Ending::Closed, effects),
            Event::Publish { publish, token } => {
                self.on_request(Request::Publish(publish, token), effects)
            }
            Event::Subscribe { filters, subscription_identifier, user_properties, token } => {
                let id = subscription_identifier;
                self.on_request(Request::subscribe(filters, id, user_properties, token), effects)
            }
            Event::Unsubscribe { filters, user_properties, token } => {
                self.on_request(Request::unsubscribe(filters, user_properties, token), effects)
            }
            Event::Acknowledge { id, reason } => self.on_acknowledge(id, reason, effects),
            Event::Disconnect(disconnect) => self.on_leave(disconnect, effects),
            Event::Tick => self.on_tick(now, effects),
        };
        if let Err((reason, what)) = outcome {
            self.part(reason, Ending::Broken(reason, what), effects);
        }
        if let Phase::Online(online) = &mut self.phase
            && effects[before..].iter().any(|effect| matches!(effect, Effect::Send(_)))
        {
            online.sent = now;
        }
    }

    fn on_received(
        &mut self,
        now: Time,
        packet: Incoming<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        match &mut self.phase {
            Phase::Offline => return Ok(()),
            Phase::Connecting { clean_start, .. } => {
                let clean_start = *clean_start;
                return self.on_answer(now, clean_start, packet.into_packet(), effects);
            }
            Phase::Online(online) => online.has_spoken(now, self.options.patience_ms),
        }
        match packet {
            Incoming::Publish(publish) => self.on_publish(publish, effects),
            Incoming::Ack(AckKind::PubAck, ack) => self.on_puback(&ack, effects),
            Incoming::Ack(AckKind::PubRec, ack) => self.on_pubrec(&ack, effects),
            Incoming::Ack(AckKind::PubRel, ack) => self.on_pubrel(&ack, effects),
            Incoming::Ack(AckKind::PubComp, ack) => self.on_pubcomp(&ack, effects),
            Incoming::PingReq => self.on_other(Packet::PingReq, effects),
            Incoming::Other(packet) => self.on_other(*packet, effects),
        }
    }

    fn on_other(&mut self, packet: Packet, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match packet {
            Packet::SubAck(suback) => self.on_suback(suback, effects),
            Packet::UnsubAck(unsuback) => self.on_unsuback(unsuback, effects),
            Packet::PingResp => {
                if let Phase::Online(online) = &mut self.phase {
                    online.answer_by = None;
                }
                Ok(())
            }
            Packet::Disconnect(disconnect) => {
                self.end(Ending::Disconnected(Box::new(disconnect)), effects)
            }
            Packet::Auth(_) => Err(NO_AUTH),
            Packet::ConnAck(_) => Err((ReasonCode::PROTOCOL_ERROR, "a second CONNACK")),
            Packet::Connect(_)
            | Packet::Publish(_)
            | Packet::PubAck(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq => Err((ReasonCode::PROTOCOL_ERROR, "a packet only clients send")),
        }
    }
}

const NO_AUTH: Fault =
    (ReasonCode::BAD_AUTHENTICATION_METHOD, "AUTH, although no method was agreed upon");
