//! CONNECT and what ends a connection.
//!
//! Owns: the way of a link from its first packet to its session, take-over included, and back.
//! Nothing about a client id happens before the client is let in: no look-up, no take-over, no
//! clean start.
//!
//! Never checks a password: the [`Authority`](crate::session::Authority) does, or somebody it asks.

use std::rc::Rc;

use log::{debug, info};

use super::link::{Judging, Link, Online, Resume};
use super::{Broker, ConnId, Effect, Effects, End, Fault, Seq, Verdict, name};
use crate::codec::{
    self, ConnAck, ConnAckProperties, Connect, Disconnect, Incoming, Packet, QoS, ReasonCode,
    Version, Will,
};
use crate::message::{Message, Parts};
use crate::persistence::{Change, Record};
use crate::session::{Access, Admission, Credentials, Identity, Peer, SessionId, Will as KeptWill};
use crate::time::Time;
use crate::topic_matcher::Topic;

/// A CONNECT that is not accepted, and what its CONNACK says.
type Refusal = Fault;

impl Broker {
    pub(super) fn on_opened(&mut self, now: Time, conn: ConnId, peer: Peer) {
        self.counters.connections += 1;
        debug!("New connection from {peer}");
        let by = now.plus_ms(self.options.connect_timeout_ms);
        self.links.open(conn, Link::Awaiting { peer, by });
        self.arm_link(conn);
    }

    /// The first packet must be CONNECT ([MQTT-3.1.0-1]).
    pub(super) fn on_first(
        &mut self,
        now: Time,
        conn: ConnId,
        packet: Incoming<'_>,
        effects: &mut Effects<'_>,
    ) -> Result<(), Fault> {
        let Incoming::Other(packet) = packet else {
            return Err(Fault::protocol("the first packet is not CONNECT"));
        };
        let Packet::Connect(connect) = *packet else {
            return Err(Fault::protocol("the first packet is not CONNECT"));
        };
        let Some(Link::Awaiting { peer, .. }) = self.links.get(conn) else { return Ok(()) };
        let peer = *peer;
        if let Err(refusal) = self.on_connect(now, conn, peer, connect, effects) {
            self.refuse(conn, refusal.0, refusal.1, effects);
        }
        Ok(())
    }

    fn on_connect(
        &mut self,
        now: Time,
        conn: ConnId,
        peer: Peer,
        mut connect: Connect,
        effects: &mut Effects<'_>,
    ) -> Result<(), (Version, Refusal)> {
        let version = connect.version;
        let is_assigned = connect.client_id.is_empty();
        if is_assigned {
            connect.client_id = self.choose_client_id(&connect).map_err(|why| (version, why))?;
        }
        let identity = Identity {
            client_id: connect.client_id.as_str().into(),
            user_name: connect.user_name.as_deref().map(Into::into),
            peer,
        };
        self.check_connect(&connect, &identity).map_err(|why| (version, why))?;
        let properties = &connect.properties;
        let method = properties.authentication_method.as_ref().map(|method| {
            (method.clone(), properties.authentication_data.clone().unwrap_or_default())
        });
        let credentials =
            Credentials { identity: identity.clone(), password: connect.password.clone(), method };
        let judging = Judging {
            identity,
            connect,
            is_assigned,
            by: now.plus_ms(self.options.connect_timeout_ms),
        };
        match self.authority.admit(&credentials) {
            Admission::Granted => self.accept(now, conn, judging, effects),
            Admission::Refused(code) => {
                let what = "not let in";
                return Err((version, Fault::new(code, what)));
            }
            Admission::Ask => {
                self.disarm_link(conn);
                self.links.replace(conn, Link::Judging(Box::new(judging)));
                self.arm_link(conn);
                effects.list.push(Effect::Hold { conn });
                effects.list.push(Effect::Judge { conn, credentials: Box::new(credentials) });
            }
        }
        Ok(())
    }

    /// An id for a client that has none.
    fn choose_client_id(&mut self, connect: &Connect) -> Result<String, Refusal> {
        let refused = Err(Fault::new(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, "no client id"));
        match connect.version {
            // 3.1 knows no empty id, 3.1.1 only with a clean session ([MQTT-3.1.3-8]).
            Version::V31 => return refused,
            Version::V311 if !connect.clean_start => return refused,
            Version::V311 | Version::V5 => {}
        }
        if !self.options.allow_zero_length_client_id {
            return refused;
        }
        loop {
            let (a, b) = (self.rng.next_u64(), self.rng.next_u64());
            let id = format!(
                "{}{:08X}-{:04X}-{:04X}-{:04X}-{:012X}",
                self.options.auto_id_prefix,
                a >> 32,
                (a >> 16) & 0xffff,
                a & 0xffff,
                b >> 48,
                b & 0xffff_ffff_ffff
            );
            if self.store.of_client(&id).is_none() {
                return Ok(id);
            }
        }
    }

    fn check_connect(&self, connect: &Connect, identity: &Identity) -> Result<(), Refusal> {
        if self.is_stopping {
            return Err(Fault::new(ReasonCode::SERVER_SHUTTING_DOWN, "the server is stopping"));
        }
        let highest = self.options.max_keep_alive;
        let is_too_long = connect.keep_alive == 0 || connect.keep_alive > highest;
        if highest > 0 && is_too_long && connect.version < Version::V5 {
            let what = "keep alive longer than allowed";
            return Err(Fault::new(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, what));
        }
        match &connect.will {
            Some(will) => self.check_will(will, identity),
            None => Ok(()),
        }
    }

    fn check_will(&self, will: &Will, identity: &Identity) -> Result<(), Refusal> {
        if Topic::parse(&will.topic).is_err() {
            return Err(Fault::malformed("the Will topic is not valid"));
        }
        if will.qos > self.options.maximum_qos {
            // [MQTT-3.2.2-12].
            return Err(Fault::new(ReasonCode::QOS_NOT_SUPPORTED, "the Will's QoS is too high"));
        }
        if will.retain && !self.options.retain_available {
            // [MQTT-3.2.2-13].
            return Err(Fault::new(ReasonCode::RETAIN_NOT_SUPPORTED, "the Will is retained"));
        }
        if is_reserved(&will.topic)
            || !self.allows_all && !self.authority.may(identity, Access::Will, &will.topic)
        {
            return Err(Fault::new(ReasonCode::NOT_AUTHORIZED, "the Will topic is not allowed"));
        }
        Ok(())
    }

    /// Answers a CONNECT with a refusal, in its own version's words.
    fn refuse(&mut self, conn: ConnId, version: Version, why: Refusal, effects: &mut Effects<'_>) {
        self.counters.refused += 1;
        if let Some(Link::Awaiting { peer, .. }) = self.links.get(conn) {
            info!("Client at {peer} refused: {} ({})", why.what, why.code.name());
        }
        // A malformed CONNECT of 3.x is not answered ([MQTT-4.8.0-1]).
        let is_answered = version == Version::V5
            || !matches!(why.code, ReasonCode::MALFORMED_PACKET | ReasonCode::PROTOCOL_ERROR);
        if is_answered {
            self.send_refusal(conn, why.code, effects);
        }
        self.abandon(conn, effects);
    }

    fn send_refusal(&self, conn: ConnId, reason: ReasonCode, effects: &mut Effects<'_>) {
        // [MQTT-3.2.2-4], [MQTT-3.2.2-6]: no session present.
        let properties = ConnAckProperties::default();
        let packet = Packet::ConnAck(ConnAck { session_present: false, reason, properties });
        self.send(conn, packet, Seq(0), effects);
    }

    /// Answers what came instead of a CONNECT, where the standard wants an answer.
    pub(super) fn refuse_garbled(
        &mut self,
        conn: ConnId,
        version: Option<Version>,
        error: &codec::Error,
        effects: &mut Effects<'_>,
    ) {
        self.counters.refused += 1;
        match (error, version) {
            // [MQTT-3.1.2-2]: return code 0x01, in the form every version reads.
            (codec::Error::UnsupportedVersion { .. }, _) => {
                self.send_refusal(conn, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, effects);
            }
            (_, Some(Version::V5)) => self.send_refusal(conn, error.into(), effects),
            _ => {}
        }
        self.abandon(conn, effects);
    }

    pub(super) fn on_while_judging(&self, packet: &Incoming<'_>) -> Result<(), Fault> {
        let _ = self;
        match packet {
            // A client that gives up says so or closes; both end here.
            Incoming::Other(packet) if matches!(**packet, Packet::Disconnect(_)) => {
                Err(Fault::new(ReasonCode::NORMAL_DISCONNECTION, "it left before it was let in"))
            }
            _ => Err(Fault::protocol("a packet before CONNACK")),
        }
    }

    pub(super) fn on_judged(
        &mut self,
        now: Time,
        conn: ConnId,
        verdict: Verdict,
        effects: &mut Effects<'_>,
    ) {
        if !matches!(self.links.get(conn), Some(Link::Judging(_))) {
            return;
        }
        let Link::Judging(judging) = self.links.replace(conn, Link::Leaving) else { return };
        match verdict {
            Verdict::Granted => {
                effects.list.push(Effect::Resume { conn });
                self.accept(now, conn, *judging, effects);
            }
            Verdict::Refused(code) => {
                self.counters.refused += 1;
                info!("Client {} refused: {}", name(&judging.identity), code.name());
                self.send_refusal(conn, code, effects);
                self.abandon(conn, effects);
            }
            Verdict::Continue(data) => {
                let method = judging.connect.properties.authentication_method.clone();
                let auth = codec::Auth {
                    reason: ReasonCode::CONTINUE_AUTHENTICATION,
                    authentication_method: method,
                    authentication_data: Some(data),
                    ..codec::Auth::default()
                };
                self.send(conn, Packet::Auth(auth), Seq(0), effects);
                self.links.replace(conn, Link::Judging(judging));
                effects.list.push(Effect::Resume { conn });
            }
        }
    }

    /// Lets a client in: takes over, begins or resumes its session, answers.
    fn accept(&mut self, now: Time, conn: ConnId, who: Judging, effects: &mut Effects<'_>) {
        let connect = &who.connect;
        let version = connect.version;
        let existing = self.store.of_client(&who.identity.client_id);
        let limit = self.options.max_sessions;
        if existing.is_none() && limit > 0 && self.store.len() >= limit {
            // 3.x: server unavailable.
            let why = Fault::new(ReasonCode::SERVER_BUSY, "as many sessions as allowed");
            return self.refuse(conn, version, why, effects);
        }
        let expiry = self.expiry_of(connect);
        let resumed = existing.and_then(|id| self.take_over(now, id, connect.clean_start, effects));
        let session = match resumed {
            Some(id) => {
                self.resume_session(id, expiry, effects);
                id
            }
            None => self.open_session(Rc::clone(&who.identity.client_id), expiry, effects),
        };
        if let Some(will) = &connect.will {
            self.set_will(now, session, will, effects);
        }
        self.store.session_mut(session).conn = Some(conn);
        let online = self.online_from(now, session, &who, expiry);
        let present = resumed.is_some() && version > Version::V31;
        let answer = self.connack(&who, present, expiry);
        let (topic_alias_maximum, maximum_packet_size) =
            (who.connect.properties.topic_alias_maximum.unwrap_or(0), online.maximum_packet_size);
        info!(
            "New client connected from {} as {} (p{}, c{}, k{}{})",
            who.identity.peer,
            who.identity.client_id.escape_debug(),
            match version {
                Version::V31 => 1,
                Version::V311 => 2,
                Version::V5 => 5,
            },
            u8::from(who.connect.clean_start),
            who.connect.keep_alive,
            who.identity
                .user_name
                .as_ref()
                .map_or_else(String::new, |user| format!(", u'{}'", user.escape_debug())),
        );
        self.disarm_link_if_later(conn, online.keep_alive_by);
        self.links.replace(conn, Link::Online(Box::new(online)));
        self.arm_link(conn);
        self.counters.connects += 1;
        effects.list.push(Effect::Online {
            conn,
            version,
            topic_alias_maximum: topic_alias_maximum.min(self.options.topic_alias_maximum_out),
            maximum_packet_size,
        });
        let after = self.gate(self.store.session(session));
        self.send(conn, Packet::ConnAck(answer), after, effects);
        self.pump(now, session, effects);
    }

    /// The entry of the CONNECT deadline may stay as the first entry of the next one, unless the
    /// next one is earlier.
    fn disarm_link_if_later(&mut self, conn: ConnId, due: Time) {
        if self.links.armed_mut(conn).is_some_and(|armed| due < *armed) {
            self.disarm_link(conn);
        }
    }

    /// Seconds the session outlives its connection.
    fn expiry_of(&self, connect: &Connect) -> u32 {
        let asked = match connect.version {
            Version::V5 => connect.properties.session_expiry_interval.unwrap_or(0),
            Version::V31 | Version::V311 if connect.clean_start => 0,
            Version::V31 | Version::V311 => u32::MAX,
        };
        asked.min(self.options.max_session_expiry)
    }

    /// Detaches a client's old connection, if it has one ([MQTT-3.1.4-3]), and says which session
    /// goes on.
    fn take_over(
        &mut self,
        now: Time,
        id: SessionId,
        is_clean: bool,
        effects: &mut Effects<'_>,
    ) -> Option<SessionId> {
        let number = self.store.session(id).number;
        let old = self.store.session(id).conn;
        if let Some(old) = old {
            if let Some(online) = self.links.online(old) {
                info!("Client {} taken over by a new connection", name(&online.identity));
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

    fn resume_session(&mut self, id: SessionId, expiry: u32, effects: &mut Effects<'_>) {
        let session = self.store.session(id);
        let number = session.number;
        for due in [session.will_due(), session.expires()].into_iter().flatten() {
            self.timers.disarm(due, super::Timer::Session(number));
        }
        if session.will.is_some() {
            // Back in time: the Will of the old connection is not published ([MQTT-3.1.3-9]).
            self.change(id, Change::WillCleared, effects);
        }
        if expiry == 0 {
            // It ends with this connection: nothing of it is durable from here on.
            self.record(Record::Session(number, Change::Closed), effects);
            self.store.change(id, Change::Attached { expiry_interval: expiry });
        } else {
            self.change(id, Change::Attached { expiry_interval: expiry }, effects);
        }
    }

    fn open_session(
        &mut self,
        client_id: Rc<str>,
        expiry_interval: u32,
        effects: &mut Effects<'_>,
    ) -> SessionId {
        let number = self.store.next_session();
        if expiry_interval > 0 {
            let opened = Change::Opened { client_id: Rc::clone(&client_id), expiry_interval };
            self.record(Record::Session(number, opened), effects);
        }
        self.store.open(number, client_id, expiry_interval)
    }

    fn set_will(&mut self, now: Time, id: SessionId, will: &Will, effects: &mut Effects<'_>) {
        let mut properties = Vec::new();
        codec::write_forwardable(&will.properties, &mut properties);
        let parts = Parts {
            topic: &will.topic,
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

    fn online_from(&self, now: Time, session: SessionId, who: &Judging, expiry: u32) -> Online {
        let connect = &who.connect;
        let properties = &connect.properties;
        let keep_alive = self.keep_alive(connect);
        // Half as long again ([MQTT-3.1.2-22] of 5.0, [MQTT-3.1.2-24] of 3.1.1).
        let patience_ms = u32::from(keep_alive) * 1500;
        let keep_alive_by = match patience_ms {
            0 => Time::NEVER,
            ms => now.plus_ms(u64::from(ms)),
        };
        let window = match self.options.max_inflight_messages {
            0 => u16::MAX,
            max => max,
        };
        let quota = properties.receive_maximum.unwrap_or(u16::MAX).min(window);
        let has_window = self.store.session(session).inflight() > 0;
        Online {
            session,
            identity: who.identity.clone(),
            version: connect.version,
            wants_reasons: properties.request_problem_information == Some(true),
            is_bridge: connect.bridge,
            has_method: properties.authentication_method.is_some(),
            may_extend: expiry > 0,
            quota,
            quota_max: quota,
            taken: 0,
            room: self.options.room,
            room_max: self.options.room,
            maximum_packet_size: properties.maximum_packet_size.unwrap_or(u32::MAX),
            patience_ms,
            keep_alive_by,
            stalled_by: Time::NEVER,
            resume: has_window.then_some(Resume { after: None }),
            aliases: None,
            last_topic: None,
        }
    }

    /// The keep alive that applies: the client's, or the highest allowed ([MQTT-3.1.2-21]).
    fn keep_alive(&self, connect: &Connect) -> u16 {
        match (self.options.max_keep_alive, connect.keep_alive) {
            (0, asked) => asked,
            (highest, 0) => highest,
            (highest, asked) => asked.min(highest),
        }
    }

    fn connack(&self, who: &Judging, session_present: bool, expiry: u32) -> ConnAck {
        let mut answer = ConnAck {
            session_present,
            reason: ReasonCode::SUCCESS,
            properties: ConnAckProperties::default(),
        };
        let connect = &who.connect;
        if connect.version < Version::V5 {
            return answer;
        }
        let options = &self.options;
        let keep_alive = self.keep_alive(connect);
        let asked = connect.properties.session_expiry_interval.unwrap_or(0);
        let some = |limit: u16| (limit > 0).then_some(limit);
        answer.properties = ConnAckProperties {
            topic_alias_maximum: some(options.topic_alias_maximum),
            assigned_client_identifier: who.is_assigned.then(|| connect.client_id.clone()),
            server_keep_alive: (keep_alive != connect.keep_alive).then_some(keep_alive),
            authentication_method: connect.properties.authentication_method.clone(),
            session_expiry_interval: (expiry != asked).then_some(expiry),
            retain_available: (!options.retain_available).then_some(false),
            maximum_qos: (options.maximum_qos < QoS::ExactlyOnce).then_some(options.maximum_qos),
            maximum_packet_size: (options.max_packet_size > 0).then_some(options.max_packet_size),
            receive_maximum: some(options.receive_maximum),
            ..ConnAckProperties::default()
        };
        answer
    }

    /// AUTH on an accepted connection: re-authentication, which only makes sense with a method.
    pub(super) fn on_auth(&self, conn: ConnId) -> Result<(), Fault> {
        if self.online(conn).has_method {
            return Err(Fault::new(
                ReasonCode::BAD_AUTHENTICATION_METHOD,
                "re-authentication is not supported",
            ));
        }
        // 5.0, 4.12: the CONNECT had no Authentication Method.
        Err(Fault::protocol("AUTH without an authentication method"))
    }

    pub(super) fn on_disconnect(
        &mut self,
        now: Time,
        conn: ConnId,
        packet: &Disconnect,
        effects: &mut Effects<'_>,
    ) -> Result<(), Fault> {
        let online = self.online(conn);
        let session = online.session;
        if let Some(asked) = packet.session_expiry_interval {
            if asked > 0 && !online.may_extend {
                // 5.0, 3.14.2.2.2.
                return Err(Fault::protocol("a session that ends with its connection extended"));
            }
            let expiry_interval = asked.min(self.options.max_session_expiry);
            let old = self.store.session(session).expiry_interval;
            if expiry_interval != old && expiry_interval > 0 && old > 0 {
                self.change(session, Change::Attached { expiry_interval }, effects);
            } else if expiry_interval == 0 && old > 0 {
                self.resume_session_to_end(session, effects);
            }
        }
        info!("Client {} disconnected", name(&self.online(conn).identity));
        // [MQTT-3.14.4-3], [MQTT-3.1.2-10]: without its Will, unless it says otherwise.
        let with_will = packet.reason != ReasonCode::NORMAL_DISCONNECTION;
        self.detach(now, conn, with_will, effects);
        effects.list.push(Effect::Close { conn });
        Ok(())
    }

    /// The client has decided that its session ends with this connection after all.
    fn resume_session_to_end(&mut self, id: SessionId, effects: &mut Effects<'_>) {
        let number = self.store.session(id).number;
        self.record(Record::Session(number, Change::Closed), effects);
        self.store.change(id, Change::Attached { expiry_interval: 0 });
    }

    pub(super) fn on_closed(
        &mut self,
        now: Time,
        conn: ConnId,
        end: End,
        effects: &mut Effects<'_>,
    ) {
        if let Some(online) = self.links.online(conn) {
            let who = name(&online.identity);
            match end {
                End::Peer => info!("Client {who} closed its connection"),
                End::Broken => info!("Client {who} lost its connection"),
                End::Local => info!("Client {who} was disconnected"),
            }
            self.detach(now, conn, true, effects);
        }
        if let Some(Link::Judging(_)) = self.links.get(conn) {
            effects.list.push(Effect::Unjudge { conn });
        }
        self.disarm_link(conn);
        self.links.replace(conn, Link::Vacant);
    }

    /// Takes a connection from its session, which ends now or waits.
    pub(super) fn detach(
        &mut self,
        now: Time,
        conn: ConnId,
        with_will: bool,
        effects: &mut Effects<'_>,
    ) {
        self.disarm_link(conn);
        let Link::Online(online) = self.links.replace(conn, Link::Leaving) else { return };
        let id = online.session;
        let session = self.store.session_mut(id);
        session.conn = None;
        if !with_will && session.will.is_some() {
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
    pub(super) fn end_session(&mut self, now: Time, id: SessionId, effects: &mut Effects<'_>) {
        let session = self.store.session(id);
        for due in [session.will_due(), session.expires()].into_iter().flatten() {
            self.timers.disarm(due, super::Timer::Session(session.number));
        }
        self.publish_will(now, id, effects);
        let orphans = self.orphans(id);
        self.count_ended(id);
        self.leave_groups(id, effects);
        self.change(id, Change::Closed, effects);
        for (group, delivery) in orphans {
            self.redeliver(now, group, delivery, effects);
        }
    }

    /// Publishes a session's Will, if it has one, and forgets it ([MQTT-3.1.2-8],
    /// [MQTT-3.1.2-10] of 3.1.1 and 5.0).
    pub(super) fn publish_will(&mut self, now: Time, id: SessionId, effects: &mut Effects<'_>) {
        let Some(will) = self.store.session(id).will.clone() else { return };
        let KeptWill { message, .. } = *will;
        self.change(id, Change::WillCleared, effects);
        debug!("Publishing the Will on {}", message.topic().escape_debug());
        self.publish_kept(now, id, &message, effects);
    }
}

/// Topics only the broker publishes to; a bridge's state may come from the bridge.
pub(super) fn is_reserved(topic: &str) -> bool {
    let is_bridge_state = topic.starts_with("$SYS/broker/connection/") && topic.ends_with("/state");
    topic.starts_with("$SYS") && !is_bridge_state || topic.starts_with("$share")
}
