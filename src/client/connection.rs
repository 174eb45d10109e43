//! The life of one connection, from CONNECT to its end.
//!
//! Owns: [`Online`], which is what the CONNACK laid down and what is forgotten with the connection:
//! limits, keep alive, topic aliases.
//!
//! Never touches the windows, except to have them resumed or begun anew.

use std::collections::BTreeMap;

use crate::codec::{ConnAck, Disconnect, Error, PACKET_MAX, Packet, QoS, ReasonCode, Version};
use crate::time::Time;

use super::{Client, Effect, Ending, Fault, NO_AUTH, Options, Phase};

/// What holds for one connection.
#[derive(Debug)]
pub(super) struct Online {
    /// When a packet was last sent ([MQTT-3.1.2-20]).
    pub(super) sent: Time,
    /// By then the server has to show a sign of life.
    pub(super) answer_by: Option<Time>,
    /// 0 turns it off.
    pub(super) keep_alive_ms: u64,
    /// How many QoS 1 and 2 messages may be unsettled on this connection.
    pub(super) window: usize,
    /// How many are.
    pub(super) in_flight: usize,
    pub(super) maximum_packet_size: usize,
    pub(super) maximum_qos: QoS,
    pub(super) retain_available: bool,
    pub(super) topic_alias_maximum: u16,
    /// What the server's topic aliases stand for.
    pub(super) aliases: BTreeMap<u16, String>,
}

impl Client {
    pub(super) fn on_connected(
        &mut self,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
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

    /// The first packet of the server: CONNACK or nothing ([MQTT-3.2.0-1]).
    pub(super) fn on_answer(
        &mut self,
        now: Time,
        clean_start: bool,
        packet: Packet,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        if let Packet::ConnAck(connack) = packet {
            return self.on_connack(now, clean_start, connack, effects);
        }
        if let Packet::Auth(_) = packet {
            return Err(NO_AUTH);
        }
        Err((ReasonCode::PROTOCOL_ERROR, "a packet before CONNACK"))
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

    pub(super) fn on_written(&mut self, now: Time) -> Result<(), Fault> {
        if let Phase::Online(online) = &mut self.phase {
            online.sent = now;
            online.has_spoken(now, self.options.patience_ms);
        }
        Ok(())
    }

    pub(super) fn on_leave(
        &mut self,
        leave: Disconnect,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        if let Some(expiry) = leave.session_expiry_interval {
            self.expiry = expiry;
        }
        if !matches!(self.phase, Phase::Offline) {
            effects.push(Effect::Send(Packet::Disconnect(leave)));
        }
        self.phase = Phase::Offline;
        self.end(Ending::Left, effects)
    }

    pub(super) fn on_garbled(
        &mut self,
        error: Error,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        self.part(ReasonCode::from(&error), Ending::Garbled(error), effects);
        Ok(())
    }

    pub(super) fn on_tick(&mut self, now: Time, effects: &mut Vec<Effect>) -> Result<(), Fault> {
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
    pub(super) fn part(&mut self, reason: ReasonCode, ending: Ending, effects: &mut Vec<Effect>) {
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
    pub(super) fn end(&mut self, ending: Ending, effects: &mut Vec<Effect>) -> Result<(), Fault> {
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

    /// The server shows a sign of life, or the line does: an answer may take that much longer.
    pub(super) fn has_spoken(&mut self, now: Time, patience_ms: u64) {
        self.answer_by = self.answer_by.map(|_| now.plus_ms(patience_ms));
    }

    /// When a PINGREQ is due: early enough to be there within the keep alive.
    fn ping_at(&self) -> Option<Time> {
        (self.keep_alive_ms > 0).then(|| self.sent.plus_ms(self.keep_alive_ms / 4 * 3))
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        match (self.ping_at(), self.answer_by) {
            (Some(ping), Some(answer)) => Some(ping.min(answer)),
            (ping, answer) => ping.or(answer),
        }
    }
}
