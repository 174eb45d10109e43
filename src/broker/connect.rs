//! CONNECT: who is let in, and what the answer says.
//!
//! Owns: the way of a link from its first packet to its acceptance or refusal. Nothing about a
//! client id happens before the client is let in: no look-up, no take-over, no clean start.
//!
//! Never checks a password: the [`Authority`](crate::session::Authority) does, or somebody it asks.

use std::rc::Rc;
use std::sync::Arc;

use log::info;

use super::entry::Refusal;
use super::link::{Judging, Link};
use super::target::CONNECTION;
use super::{
    Broker, ConnId, Effect, Effects, Fault, ListenerOptions, NOBODY, Seq, Shown, Storage, name,
    shown_user,
};
use crate::codec::{
    self, ConnAck, ConnAckProperties, Connect, Incoming, Packet, ReasonCode, Version,
};
use crate::session::{Admission, Certificate, Credentials, Identity, Peer};
use crate::time::Time;

/// A CONNACK that refuses: two bytes of header, flags, reason, no properties.
const REFUSAL_BYTES: u32 = 5;

impl Broker {
    /// The first packet must be CONNECT ([MQTT-3.1.0-1]).
    pub(super) fn on_first(
        &mut self,
        now: Time,
        conn: ConnId,
        packet: Incoming<'_>,
        effects: &mut Effects,
    ) -> Result<(), Fault> {
        let Incoming::Other(packet) = packet else {
            return Err(Fault::protocol("the first packet is not CONNECT"));
        };
        let Packet::Connect(connect) = *packet else {
            return Err(Fault::protocol("the first packet is not CONNECT"));
        };
        let Some(Link::Awaiting { peer, certificate, .. }) = self.links.get(conn) else {
            return Ok(());
        };
        let from = (*peer, certificate.clone());
        let form = (connect.version, connect.properties.maximum_packet_size);
        if let Err(why) = self.on_connect(now, conn, from, connect, effects) {
            self.refuse(conn, form, why, effects);
        }
        Ok(())
    }

    fn on_connect(
        &mut self,
        now: Time,
        conn: ConnId,
        (peer, certificate): (Peer, Option<Rc<Certificate>>),
        mut connect: Connect,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        if connect.properties.maximum_packet_size.is_some_and(|max| max < REFUSAL_BYTES) {
            // [MQTT-3.1.2-24]: nothing can be said to it, not even why.
            self.counters.refused += 1;
            self.abandon(conn, effects);
            return Ok(());
        }
        let is_assigned = connect.client_id.is_empty();
        self.check_version(&connect, peer)?;
        let named = self.name_by_certificate(&mut connect, peer, certificate.as_deref());
        if named.is_ok() {
            connect.client_id = self.client_id_of(&connect, peer)?;
        }
        let identity = Identity {
            client_id: connect.client_id.as_str().into(),
            user_name: connect.user_name.as_deref().map(Into::into),
            peer,
            certificate,
        };
        self.check_lengths(&connect, is_assigned)?;
        self.check_connect(&connect, &identity)?;
        // From here on it is what the answer carries.
        let data = connect.properties.authentication_data.take().unwrap_or_default();
        let method = connect.properties.authentication_method.clone().map(|method| (method, data));
        let credentials =
            Credentials { identity: identity.clone(), password: connect.password.clone(), method };
        let judging = Judging {
            identity,
            connect,
            is_assigned,
            by: now.plus_ms(self.options.verdict_timeout_ms),
        };
        self.note_method(conn, &credentials);
        match named.map_or_else(Admission::Refused, |()| self.authority.admit(&credentials)) {
            Admission::Granted => self.accept(now, conn, judging, effects),
            Admission::Refused(denial) => {
                self.links.replace(conn, Link::Leaving);
                self.reject(conn, &judging, denial, effects);
            }
            Admission::Ask => self.ask(conn, judging, credentials, effects),
        }
        Ok(())
    }

    /// Answers a CONNECT with a refusal, in its own version's words.
    pub(super) fn refuse(
        &mut self,
        conn: ConnId,
        (version, most): (Version, Option<u32>),
        why: Refusal,
        effects: &mut Effects,
    ) {
        self.counters.refused += 1;
        if let Some(Link::Awaiting { peer, .. }) = self.links.get(conn) {
            let (what, code) = (why.what, why.code.name());
            info!(target: CONNECTION, "Client {NOBODY} [{peer}] disconnected: {what} ({code}).");
        }
        // A malformed CONNECT of 3.x is not answered ([MQTT-4.8.0-1]).
        // Nor is one that takes no packet of five bytes ([MQTT-3.1.2-24] of 5.0).
        let is_answered = match version {
            Version::V5 => most.is_none_or(|most| most >= REFUSAL_BYTES),
            Version::V31 | Version::V311 => {
                !matches!(why.code, ReasonCode::MALFORMED_PACKET | ReasonCode::PROTOCOL_ERROR)
            }
        };
        if is_answered {
            self.send_refusal(conn, why.code, effects);
        }
        self.abandon(conn, effects);
    }

    fn send_refusal(&self, conn: ConnId, reason: ReasonCode, effects: &mut Effects) {
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
        effects: &mut Effects,
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

    /// Whether a client that may come in can have what its CONNECT asks for, now that it is known
    /// who it is; what holds where it came in.
    fn check_accept(
        &mut self,
        who: &Judging,
        has_session: bool,
    ) -> Result<Arc<ListenerOptions>, Refusal> {
        let listener = Arc::clone(self.listener(who.identity.peer)?);
        self.check_rights(&who.connect, &listener, &who.identity)?;
        if has_session { Ok(listener) } else { self.refuses_clients().map_or(Ok(listener), Err) }
    }

    /// Lets a client in: takes over, begins or resumes its session, answers.
    pub(super) fn accept(&mut self, now: Time, conn: ConnId, who: Judging, effects: &mut Effects) {
        let connect = &who.connect;
        let (version, most) = (connect.version, connect.properties.maximum_packet_size);
        let existing = self.store.of_client(&who.identity.client_id);
        let listener = match self.check_accept(&who, existing.is_some()) {
            Ok(listener) => listener,
            Err(why) => {
                let (client, what, code) = (name(&who.identity), why.what, why.code.name());
                info!(target: CONNECTION, "Client {client} disconnected: {what} ({code}).");
                self.links.replace(conn, Link::Leaving);
                return self.refuse(conn, (version, most), why, effects);
            }
        };
        let before = self.seq;
        let expiry = self.expiry_of(connect);
        let is_kept = expiry > 0 || existing.is_some_and(|id| self.store.session(id).is_kept());
        if is_kept && self.storage == Storage::Failed {
            // What CONNACK would say of its session could not be promised.
            let why = Fault::new(ReasonCode::SERVER_UNAVAILABLE, "storage takes nothing");
            return self.refuse(conn, (version, most), why, effects);
        }
        if most.is_some_and(|most| self.connack_len(&who, &listener, expiry) > most as usize) {
            // [MQTT-3.1.2-24]: what it must be told cannot be told.
            let why = Fault::new(ReasonCode::PACKET_TOO_LARGE, "it takes no CONNACK");
            return self.refuse(conn, (version, most), why, effects);
        }
        let resumed = existing.and_then(|id| self.take_over(now, id, connect.clean_start, effects));
        let session = match resumed {
            Some(id) => {
                self.resume_session(id, expiry, effects);
                id
            }
            None => self.open_session(Rc::clone(&who.identity.client_id), expiry, effects),
        };
        if let Some(will) = &connect.will {
            self.set_will(now, session, will, &who.identity, &listener.mount_point, effects);
        }
        self.store.session_mut(session).conn = Some(conn);
        let online = self.online_from(now, session, &who, &listener, expiry);
        let present = resumed.is_some() && version > Version::V31;
        let answer = self.connack(&who, &listener, present, expiry);
        let (topic_alias_maximum, maximum_packet_size) =
            (who.connect.properties.topic_alias_maximum.unwrap_or(0), online.maximum_packet_size);
        log_accepted(&who);
        self.disarm_link_if_later(conn, online.keep_alive_by);
        self.links.replace(conn, Link::Online(online));
        self.arm_link(conn);
        self.counters.connects += 1;
        effects.list.push(Effect::Online {
            conn,
            version,
            topic_alias_maximum: topic_alias_maximum.min(listener.topic_alias_maximum_out),
            maximum_packet_size,
        });
        // Who is told that an old session is gone must not meet it again after a crash, even if
        // it went a while ago.
        let after = self.gate_since(before, session).max(self.ended);
        self.send(conn, Packet::ConnAck(answer), after, effects);
        self.hold_maker(now, conn, before, 0, effects);
        self.pump(now, session, effects);
        self.on_arrival(now, conn, effects);
    }

    /// The entry of the CONNECT deadline may stay as the first entry of the next one, unless the
    /// next one is earlier.
    fn disarm_link_if_later(&mut self, conn: ConnId, due: Time) {
        if self.links.armed_mut(conn).is_some_and(|armed| due < *armed) {
            self.disarm_link(conn);
        }
    }
}

/// Says that a client is let in.
fn log_accepted(who: &Judging) {
    let Judging { connect, identity, .. } = who;
    info!(
        target: CONNECTION,
        "New client connected from {} as {} (p{}, c{}, k{}{}).",
        identity.peer,
        Shown(&identity.client_id),
        match connect.version {
            Version::V31 => 1,
            Version::V311 => 2,
            Version::V5 => 5,
        },
        u8::from(connect.clean_start),
        connect.keep_alive,
        shown_user(identity),
    );
}
