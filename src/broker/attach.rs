//! A session and its connections: attached, taken over, detached, ended.
//!
//! Owns: what becomes of a session when a connection comes or goes. The old connection is
//! detached before the new one is attached, so its `Closed`, which comes later, finds nothing to
//! do; its Will goes out at most once.
//!
//! Never decides who may come in.

use std::rc::Rc;

use log::{debug, info};

use super::link::Link;
use super::target::CONNECTION;
use super::{Broker, ConnId, Effect, Effects, End, Fault, Seq, Shown, Timer, name};
use crate::codec::{self, Connect, Disconnect, Packet, ReasonCode, Version, Will};
use crate::message::{Message, Parts};
use crate::persistence::{Change, Record};
use crate::session::{SessionId, Will as KeptWill};
use crate::time::Time;

impl Broker {
    /// Seconds the session outlives its connection.
    pub(super) fn expiry_of(&self, connect: &Connect) -> u32 {
        let asked = match connect.version {
            Version::V5 => connect.properties.session_expiry_interval.unwrap_or(0),
            Version::V31 | Version::V311 if connect.clean_start => 0,
            Version::V31 | Version::V311 => u32::MAX,
        };
        asked.min(self.options.max_session_expiry)
    }

    /// Detaches a client's old connection, if it has one ([MQTT-3.1.4-3]), and says which session
    /// goes on.
    pub(super) fn take_over(
        &mut self,
        now: Time,
        id: SessionId,
        is_clean: bool,
        effects: &mut Effects,
    ) -> Option<SessionId> {
        let number = self.store.session(id).number;
        let old = self.store.session(id).conn;
        if let Some(old) = old {
            if let Some(online) = self.links.online(old) {
                let who = name(&online.identity);
                let what = "already connected, closing old connection";
                info!(target: CONNECTION, "Client {who} {what}.");
            }
            self.dismiss(now, old, ReasonCode::SESSION_TAKEN_OVER, None, effects);
        }
        // A session that ended with that connection is gone by now.
        let id = if old.is_some() { self.store.numbered(number)? } else { id };
        if is_clean {
            // [MQTT-3.1.4-4] of 5.0, [MQTT-3.1.2-6] of 3.1.1.
            self.end_session(now, id, effects);
            return None;
        }
        Some(id)
    }

    pub(super) fn resume_session(&mut self, id: SessionId, expiry: u32, effects: &mut Effects) {
        let session = self.store.session(id);
        let number = session.number;
        for due in [session.will_due(), session.expires()].into_iter().flatten() {
            self.timers.disarm(due, Timer::Session(number));
        }
        if session.will().is_some() {
            // Back in time: the Will of the old connection is not published ([MQTT-3.1.3-9]).
            self.change(id, Change::WillCleared, effects);
        }
        self.set_expiry(id, expiry, effects);
    }

    /// How long a session outlives its connection from now on. Once it ends with it, nothing of
    /// it is durable any more.
    fn set_expiry(&mut self, id: SessionId, expiry_interval: u32, effects: &mut Effects) {
        let attached = Change::Attached { expiry_interval };
        let session = self.store.session(id);
        if session.is_kept() && expiry_interval == 0 {
            self.leave_groups_durably(id, effects);
            let closed = Record::Session(self.store.session(id).number, Change::Closed);
            self.record(closed, effects);
            self.ended = self.seq;
            self.store.change(id, attached);
        } else {
            self.change(id, attached, effects);
        }
    }

    pub(super) fn open_session(
        &mut self,
        client_id: Rc<str>,
        expiry_interval: u32,
        effects: &mut Effects,
    ) -> SessionId {
        let number = self.store.next_session();
        if expiry_interval > 0 {
            let opened = Change::Opened { client_id: Rc::clone(&client_id), expiry_interval };
            self.record(Record::Session(number, opened), effects);
        }
        self.store.open(number, client_id, expiry_interval)
    }

    pub(super) fn set_will(
        &mut self,
        now: Time,
        id: SessionId,
        will: &Will,
        mount: &str,
        effects: &mut Effects,
    ) {
        let topic = [mount, &will.topic].concat();
        let mut properties = Vec::new();
        codec::write_forwardable(&will.properties, &mut properties);
        let parts = Parts {
            topic: topic.as_str().into(),
            properties: &properties,
            payload: &will.payload,
            qos: will.qos,
            retain: will.retain,
            expiry_interval: will.properties.message_expiry_interval,
            created: now,
        };
        let publisher = Rc::clone(&self.store.session(id).client_id);
        let number = self.store.number_message();
        let message = Message::new(number, &parts, Some(publisher), &self.store.gauge);
        self.change(id, Change::WillSet(message, will.delay_interval), effects);
    }

    pub(super) fn on_disconnect(
        &mut self,
        now: Time,
        conn: ConnId,
        packet: &Disconnect,
        effects: &mut Effects,
    ) -> Result<(), Fault> {
        let online = self.online(conn);
        let session = online.session;
        if let Some(asked) = packet.session_expiry_interval {
            if asked > 0 && !online.may_extend {
                // 5.0, 3.14.2.2.2.
                return Err(Fault::protocol("a session that ends with its connection extended"));
            }
            let expiry = asked.min(self.options.max_session_expiry);
            let kept = self.store.session(session);
            // What ends with its connection stays so, even if more is allowed since.
            if kept.is_kept() && expiry != kept.expiry_interval {
                self.set_expiry(session, expiry, effects);
            }
        }
        info!(target: CONNECTION, "Client {} disconnected.", name(&self.online(conn).identity));
        // [MQTT-3.14.4-3], [MQTT-3.1.2-10]: without its Will, unless it says otherwise.
        let with_will = packet.reason != ReasonCode::NORMAL_DISCONNECTION;
        self.detach(now, conn, with_will, effects);
        effects.list.push(Effect::Close { conn });
        Ok(())
    }

    /// Ends an accepted connection from this side; its Will is published.
    pub(super) fn dismiss(
        &mut self,
        now: Time,
        conn: ConnId,
        code: ReasonCode,
        why: Option<&str>,
        effects: &mut Effects,
    ) {
        let Some(online) = self.links.online(conn) else { return };
        if online.version == Version::V5 {
            let mut disconnect = Disconnect { reason: code, ..Disconnect::default() };
            if online.wants_reasons {
                disconnect.reason_string = why.map(Into::into);
            }
            let mut packet = Packet::Disconnect(disconnect);
            // [MQTT-3.14.2-3]: without the reason string if it would not fit.
            if codec::encoded_len(&packet, Version::V5) > online.maximum_packet_size as usize {
                packet = Packet::Disconnect(Disconnect { reason: code, ..Disconnect::default() });
            }
            self.send(conn, packet, Seq(0), effects);
        }
        effects.list.push(Effect::Close { conn });
        self.detach(now, conn, true, effects);
    }

    /// Closes a connection that was never accepted.
    pub(super) fn abandon(&mut self, conn: ConnId, effects: &mut Effects) {
        self.disarm_link(conn);
        self.links.replace(conn, Link::Leaving);
        effects.list.push(Effect::Close { conn });
    }

    pub(super) fn on_closed(&mut self, now: Time, conn: ConnId, end: End, effects: &mut Effects) {
        if let Some(online) = self.links.online(conn) {
            let who = name(&online.identity);
            let how = match end {
                End::Peer => "closed its connection",
                End::Broken => "lost its connection",
                End::Local => "was disconnected",
            };
            info!(target: CONNECTION, "Client {who} {how}.");
            self.detach(now, conn, true, effects);
        }
        if let Some(Link::Judging(_)) = self.links.get(conn) {
            effects.list.push(Effect::Unjudge { conn });
        }
        self.disarm_link(conn);
        self.links.vacate(conn);
    }

    /// Takes a connection from its session, which ends now or waits.
    pub(super) fn detach(
        &mut self,
        now: Time,
        conn: ConnId,
        with_will: bool,
        effects: &mut Effects,
    ) {
        self.disarm_link(conn);
        let Link::Online(online) = self.links.replace(conn, Link::Leaving) else { return };
        let id = online.session;
        let session = self.store.session_mut(id);
        session.conn = None;
        if !with_will && session.will().is_some() {
            self.change(id, Change::WillCleared, effects);
        }
        let session = self.store.session(id);
        if !session.is_kept() {
            return self.end_session(now, id, effects);
        }
        let expiry_interval = session.expiry_interval;
        self.change(id, Change::Detached { at: now, expiry_interval }, effects);
        if self.store.session(id).will_due().is_some_and(|due| due <= now) {
            self.publish_will(now, id, effects);
        }
        self.arm_session(id);
    }

    /// A session ends: its Will goes out, what a shared subscription sent it goes to others.
    pub(super) fn end_session(&mut self, now: Time, id: SessionId, effects: &mut Effects) {
        let session = self.store.session(id);
        for due in [session.will_due(), session.expires()].into_iter().flatten() {
            self.timers.disarm(due, Timer::Session(session.number));
        }
        self.publish_will(now, id, effects);
        let orphans = self.orphans(id);
        self.count_ended(id);
        self.leave_groups(id, effects);
        let was_kept = self.store.session(id).is_kept();
        self.change(id, Change::Closed, effects);
        if was_kept {
            self.ended = self.seq;
        }
        for (group, delivery) in orphans {
            self.redeliver(now, group, delivery, effects);
        }
    }

    /// Publishes a session's Will, if it has one, and forgets it ([MQTT-3.1.2-8],
    /// [MQTT-3.1.2-10] of 3.1.1 and 5.0).
    pub(super) fn publish_will(&mut self, now: Time, id: SessionId, effects: &mut Effects) {
        let Some(will) = self.store.session(id).will().cloned() else { return };
        let KeptWill { message, .. } = will;
        self.change(id, Change::WillCleared, effects);
        debug!("Publishing the Will on {}", Shown(message.topic().as_str()));
        self.publish_kept(now, id, &message, effects);
    }
}
