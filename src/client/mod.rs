//! The other end of the protocol: a client without a socket.
//!
//! A [`Client`] is told what happened ([`Event`]) and says what is to be done ([`Effect`]), like
//! the broker, for MQTT 3.1, 3.1.1 and 5.0. The client programs run it on a socket, bridges beside
//! the broker, the simulator in virtual time.
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

mod event;
mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

pub use event::{Effect, Ending, Event, Options, Token};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::codec::{
    AckKind, ConnAck, Disconnect, Incoming, Packet, PacketId, QoS, ReasonCode, Version,
};
use crate::session::{Inbound, Outbound};
use crate::time::Time;

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

/// What holds for one connection.
#[derive(Debug)]
struct Online {
    /// When a packet was last sent ([MQTT-3.1.2-20]).
    sent: Time,
    /// By then the server has to show a sign of life.
    answer_by: Option<Time>,
    /// 0 turns it off.
    keep_alive_ms: u64,
    /// How many QoS 1 and 2 messages may be unsettled on this connection.
    window: usize,
    /// How many are.
    in_flight: usize,
    maximum_packet_size: usize,
    maximum_qos: QoS,
    retain_available: bool,
    topic_alias_maximum: u16,
    /// What the server's topic aliases stand for.
    aliases: BTreeMap<u16, String>,
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

    fn on_connected(&mut self, now: Time, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let mut connect = self.options.connect.clone();
        // A 5.0 session that outlives its connection is started clean once, not each time.
        if self.is_known && self.version() == Version::V5 && self.expiry > 0 {
            connect.clean_start = false;
        }
        let by = now.plus_ms(self.options.patience_ms);
        self.phase = Phase::Connecting { by, clean_start: connect.clean_start };
        effects.push(Effect::Send(Packet::Connect(connect)));
        Ok(())
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
                return match packet {
                    Incoming::Other(packet) => match *packet {
                        Packet::ConnAck(connack) => {
                            self.on_connack(now, clean_start, connack, effects)
                        }
                        Packet::Auth(_) => Err(NO_AUTH),
                        // [MQTT-3.2.0-1]
                        _ => Err((ReasonCode::PROTOCOL_ERROR, "a packet before CONNACK")),
                    },
                    Incoming::Publish(_) | Incoming::Ack(..) | Incoming::PingReq => {
                        Err((ReasonCode::PROTOCOL_ERROR, "a packet before CONNACK"))
                    }
                };
            }
            Phase::Online(online) => {
                online.answer_by =
                    online.answer_by.map(|_| now.plus_ms(self.options.patience_ms));
            }
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

    fn on_connack(
        &mut self,
        now: Time,
        clean_start: bool,
        connack: ConnAck,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        if connack.reason != ReasonCode::SUCCESS {
            let text = connack.properties.reason_string;
            return self.end(Ending::Refused(connack.reason, text), effects);
        }
        if connack.session_present && clean_start {
            // [MQTT-3.2.2-4], [MQTT-3.2.2-1 of 3.1.1]
            return Err((ReasonCode::PROTOCOL_ERROR, "a session present after a clean start"));
        }
        let connect = &mut self.options.connect;
        self.expiry = connack
            .properties
            .session_expiry_interval
            .or(connect.properties.session_expiry_interval)
            .unwrap_or(0);
        if let Some(id) = &connack.properties.assigned_client_identifier {
            connect.client_id.clone_from(id);
        }
        let client_id = connect.client_id.clone();
        self.phase = Phase::Online(Box::new(Online::new(now, &self.options, &connack)));
        self.is_known = true;
        let session_present = connack.session_present;
        effects.push(Effect::Online { session_present, client_id });
        // MQTT 3.1 does not tell: what was kept by agreement is taken for present.
        if session_present || self.version() == Version::V31 && !clean_start {
            self.resume();
        } else {
            self.restart();
        }
        self.pump(effects);
        Ok(())
    }

    fn on_written(&mut self, now: Time) -> Result<(), Fault> {
        if let Phase::Online(online) = &mut self.phase {
            online.sent = now;
            online.answer_by = online.answer_by.map(|_| now.plus_ms(self.options.patience_ms));
        }
        Ok(())
    }

    fn on_leave(&mut self, leave: Disconnect, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        if let Some(expiry) = leave.session_expiry_interval {
            self.expiry = expiry;
        }
        if !matches!(self.phase, Phase::Offline) {
            effects.push(Effect::Send(Packet::Disconnect(leave)));
        }
        self.phase = Phase::Offline;
        self.end(Ending::Left, effects)
    }

    fn on_garbled(
        &mut self,
        error: crate::codec::Error,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        self.part(ReasonCode::from(&error), Ending::Garbled(error), effects);
        Ok(())
    }

    fn on_tick(&mut self, now: Time, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let is_silent = match &mut self.phase {
            Phase::Offline => false,
            Phase::Connecting { by, .. } => *by <= now,
            Phase::Online(online) => {
                let is_silent = online.answer_by.is_some_and(|by| by <= now);
                if !is_silent && online.ping_at().is_some_and(|at| at <= now) {
                    effects.push(Effect::Send(Packet::PingReq));
                    let by = now.plus_ms(self.options.patience_ms);
                    online.answer_by = online.answer_by.or(Some(by));
                }
                is_silent
            }
        };
        if is_silent { self.end(Ending::Silent, effects) } else { Ok(()) }
    }

    /// Ends the connection with a word to the server, if its version has one.
    fn part(&mut self, reason: ReasonCode, ending: Ending, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Offline) {
            return;
        }
        if self.version() == Version::V5 {
            let disconnect = Disconnect { reason, ..Disconnect::default() };
            effects.push(Effect::Send(Packet::Disconnect(disconnect)));
        }
        self.phase = Phase::Offline;
        let _ = self.end(ending, effects);
    }

    /// Forgets what belongs to the connection; `Closed` after another end is no news.
    fn end(&mut self, ending: Ending, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        if ending == Ending::Closed && matches!(self.phase, Phase::Offline) {
            return Ok(());
        }
        self.phase = Phase::Offline;
        self.resend.clear();
        self.unsent.clear();
        // The server sends its unacknowledged QoS 1 messages again, as if they were new.
        self.unacknowledged.retain(|_, qos| *qos == QoS::ExactlyOnce);
        effects.push(Effect::Ended(ending));
        Ok(())
    }
}

impl Online {
    fn new(now: Time, options: &Options, connack: &ConnAck) -> Self {
        let server = &connack.properties;
        let keep_alive = server.server_keep_alive.unwrap_or(options.connect.keep_alive);
        let receive_maximum = server.receive_maximum.unwrap_or(u16::MAX);
        let size = server.maximum_packet_size.and_then(|size| usize::try_from(size).ok());
        Self {
            sent: now,
            answer_by: None,
            keep_alive_ms: u64::from(keep_alive) * 1000,
            window: usize::from(receive_maximum.min(options.window)),
            in_flight: 0,
            maximum_packet_size: size.unwrap_or(PACKET_MAX).min(PACKET_MAX),
            maximum_qos: server.maximum_qos.unwrap_or(QoS::ExactlyOnce),
            retain_available: server.retain_available.unwrap_or(true),
            topic_alias_maximum: server.topic_alias_maximum.unwrap_or(0),
            aliases: BTreeMap::new(),
        }
    }

    /// When a PINGREQ is due: early enough to be there within the keep alive.
    fn ping_at(&self) -> Option<Time> {
        (self.keep_alive_ms > 0).then(|| self.sent.plus_ms(self.keep_alive_ms / 4 * 3))
    }

    fn deadline(&self) -> Option<Time> {
        match (self.ping_at(), self.answer_by) {
            (Some(ping), Some(answer)) => Some(ping.min(answer)),
            (ping, answer) => ping.or(answer),
        }
    }
}

const NO_AUTH: Fault =
    (ReasonCode::BAD_AUTHENTICATION_METHOD, "AUTH, although no method was agreed upon");

/// Bytes of the largest packet that can be written down.
const PACKET_MAX: usize = 268_435_455 + 5;
