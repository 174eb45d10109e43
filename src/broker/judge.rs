//! Verdicts, and the conversations they may take: extended authentication.
//!
//! Owns: what becomes of a link while it is judged and when the verdict comes, before it is let in
//! and, if it proves itself anew, while it is online; the line in the log that says who was not
//! let in.
//!
//! Never judges.

use log::{info, warn};

use super::link::{Judging, Link};
use super::target::CONNECTION;
use super::{Broker, ConnId, Denial, Effect, Effects, Fault, Seq, Shown, Verdict, name};
use crate::codec::{Auth, Incoming, Packet, ReasonCode};
use crate::session::{Credentials, Identity};
use crate::time::Time;

/// The authentication method of a connection that named one, and where its conversation stands.
#[derive(Debug)]
pub(super) struct Extended {
    method: String,
    stage: Stage,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody's: it is let in.
    Rest,
    /// Who judges is to speak.
    Judge,
    /// The client is to speak.
    Client,
}

impl Broker {
    /// Asks who judges, and holds the client until the verdict comes. How long it may take is a
    /// limit of its own: CONNECT was in time.
    pub(super) fn ask(
        &mut self,
        conn: ConnId,
        judging: Judging,
        credentials: Credentials,
        effects: &mut Effects,
    ) {
        self.set_stage(conn, Stage::Judge);
        self.disarm_link(conn);
        self.links.replace(conn, Link::Judging(Box::new(judging)));
        self.arm_link(conn);
        effects.list.push(Effect::Hold { conn });
        effects.list.push(Effect::Judge { conn, credentials: Box::new(credentials) });
    }

    pub(super) fn on_while_judging(
        &mut self,
        conn: ConnId,
        packet: &Incoming<'_>,
        effects: &mut Effects,
    ) -> Result<(), Fault> {
        let early = Err(Fault::protocol("a packet before CONNACK"));
        let Incoming::Other(packet) = packet else { return early };
        if matches!(**packet, Packet::Disconnect(_)) {
            // A client that gives up says so or closes; both end here.
            let what = "it left before it was let in";
            return Err(Fault::new(ReasonCode::NORMAL_DISCONNECTION, what));
        }
        // [MQTT-3.1.2-30].
        let Packet::Auth(auth) = &**packet else { return early };
        if !self.extended.contains_key(&conn) {
            return early;
        }
        let method = self.take_turn(conn, auth, ReasonCode::CONTINUE_AUTHENTICATION)?;
        let Some(Link::Judging(judging)) = self.links.get(conn) else { return Ok(()) };
        let identity = judging.identity.clone();
        effects.list.push(Effect::Hold { conn });
        Self::judge_step(conn, identity, method, auth, effects);
        Ok(())
    }

    /// AUTH on an accepted connection: it proves itself anew.
    pub(super) fn on_auth(
        &mut self,
        conn: ConnId,
        auth: &Auth,
        effects: &mut Effects,
    ) -> Result<(), Fault> {
        if !self.extended.contains_key(&conn) {
            // 5.0, 4.12: the CONNECT had no Authentication Method.
            return Err(Fault::protocol("AUTH without an authentication method"));
        }
        let method = self.take_turn(conn, auth, ReasonCode::RE_AUTHENTICATE)?;
        let identity = self.online(conn).identity.clone();
        Self::judge_step(conn, identity, method, auth, effects);
        Ok(())
    }

    /// Checks that it is the client's turn to say this ([MQTT-4.12.0-3], [MQTT-4.12.1-1]); `first`
    /// is what an AUTH says that begins the conversation.
    fn take_turn(&mut self, conn: ConnId, auth: &Auth, first: ReasonCode) -> Result<String, Fault> {
        let out_of_turn = Err(Fault::protocol("an AUTH that is out of turn"));
        let Some(extended) = self.extended.get_mut(&conn) else { return out_of_turn };
        let expected = match extended.stage {
            Stage::Rest => first,
            Stage::Client => ReasonCode::CONTINUE_AUTHENTICATION,
            Stage::Judge => return out_of_turn,
        };
        if auth.reason != expected {
            return out_of_turn;
        }
        if auth.authentication_method.as_ref() != Some(&extended.method) {
            let what = "another authentication method";
            return Err(Fault::new(ReasonCode::BAD_AUTHENTICATION_METHOD, what));
        }
        extended.stage = Stage::Judge;
        Ok(extended.method.clone())
    }

    fn judge_step(
        conn: ConnId,
        identity: Identity,
        method: String,
        auth: &Auth,
        effects: &mut Effects,
    ) {
        let data = auth.authentication_data.clone().unwrap_or_default();
        let credentials = Credentials { identity, password: None, method: Some((method, data)) };
        effects.list.push(Effect::Judge { conn, credentials: Box::new(credentials) });
    }

    pub(super) fn on_judged(
        &mut self,
        now: Time,
        conn: ConnId,
        verdict: Verdict,
        effects: &mut Effects,
    ) {
        match self.links.get(conn) {
            Some(Link::Judging(_)) => self.on_first_verdict(now, conn, verdict, effects),
            Some(Link::Online(_)) => self.on_later_verdict(now, conn, verdict, effects),
            None | Some(Link::Vacant | Link::Awaiting { .. } | Link::Leaving) => {}
        }
    }

    fn on_first_verdict(
        &mut self,
        now: Time,
        conn: ConnId,
        verdict: Verdict,
        effects: &mut Effects,
    ) {
        let Link::Judging(mut judging) = self.links.replace(conn, Link::Leaving) else { return };
        match verdict {
            Verdict::Granted => {}
            Verdict::Proved { user_name, data } => {
                let claimed = judging.identity.user_name.as_deref();
                if claimed.is_some_and(|claimed| claimed != user_name) {
                    return self.reject(conn, &judging, OTHER_NAME, effects);
                }
                judging.identity.user_name = Some(user_name.into());
                judging.connect.properties.authentication_data = Some(data);
            }
            Verdict::Continue(data) => {
                self.links.replace(conn, Link::Judging(judging));
                self.challenge(conn, data, effects);
                effects.list.push(Effect::Resume { conn });
                return;
            }
            Verdict::Refused(denial) => return self.reject(conn, &judging, denial, effects),
        }
        effects.list.push(Effect::Resume { conn });
        self.set_stage(conn, Stage::Rest);
        let Judging { connect, identity, .. } = &*judging;
        // The configuration may be another since it was asked.
        if let Err(why) = self.check_connect(connect, identity) {
            let form = (connect.version, connect.properties.maximum_packet_size);
            let (who, what, code) = (name(identity), why.what, why.code.name());
            info!(target: CONNECTION, "Client {who} disconnected: {what} ({code}).");
            return self.refuse(conn, form, why, effects);
        }
        self.accept(now, conn, *judging, effects);
    }

    /// The verdict on a client that proves itself anew: it stays who it is, or it goes
    /// ([MQTT-4.12.1-2]).
    fn on_later_verdict(
        &mut self,
        now: Time,
        conn: ConnId,
        verdict: Verdict,
        effects: &mut Effects,
    ) {
        let identity = &self.online(conn).identity;
        let (data, denial) = match verdict {
            Verdict::Granted => (None, None),
            Verdict::Proved { user_name, data } => {
                let is_same = identity.user_name.as_deref() == Some(&*user_name);
                (Some(data), (!is_same).then_some(OTHER_NAME))
            }
            Verdict::Continue(data) => return self.challenge(conn, data, effects),
            Verdict::Refused(denial) => (None, Some(denial)),
        };
        if let Some(denial) = denial {
            log_failure(identity, denial.why);
            return self.dismiss(now, conn, denial.code, Some(denial.why), effects);
        }
        info!(target: CONNECTION, "Client {} has proved itself anew.", name(identity));
        let Some(extended) = self.extended.get(&conn) else { return };
        let auth = Auth {
            authentication_method: Some(extended.method.clone()),
            authentication_data: data,
            ..Auth::default()
        };
        self.set_stage(conn, Stage::Rest);
        self.send(conn, Packet::Auth(auth), Seq(0), effects);
    }

    /// The client is to go on ([MQTT-4.12.0-2], [MQTT-4.12.0-5]).
    fn challenge(&mut self, conn: ConnId, data: bytes::Bytes, effects: &mut Effects) {
        let Some(extended) = self.extended.get(&conn) else { return };
        let auth = Auth {
            reason: ReasonCode::CONTINUE_AUTHENTICATION,
            authentication_method: Some(extended.method.clone()),
            authentication_data: Some(data),
            ..Auth::default()
        };
        self.set_stage(conn, Stage::Client);
        self.send(conn, Packet::Auth(auth), Seq(0), effects);
    }

    /// Remembers the method that a CONNECT has named, if it has.
    pub(super) fn note_method(&mut self, conn: ConnId, credentials: &Credentials) {
        if let Some((method, _)) = &credentials.method {
            let extended = Extended { method: method.clone(), stage: Stage::Rest };
            self.extended.insert(conn, extended);
        }
    }

    fn set_stage(&mut self, conn: ConnId, stage: Stage) {
        if let Some(extended) = self.extended.get_mut(&conn) {
            extended.stage = stage;
        }
    }

    /// Does not let a client in whose link is taken apart already.
    pub(super) fn reject(
        &mut self,
        conn: ConnId,
        who: &Judging,
        denial: Denial,
        effects: &mut Effects,
    ) {
        if matches!(denial.code, ReasonCode::SERVER_BUSY | ReasonCode::SERVER_UNAVAILABLE) {
            let (client, why) = (name(&who.identity), denial.why);
            info!(target: CONNECTION, "Client {client} disconnected: {why}.");
        } else {
            log_failure(&who.identity, denial.why);
        }
        let form = (who.connect.version, who.connect.properties.maximum_packet_size);
        self.refuse(conn, form, Fault::new(denial.code, denial.why), effects);
    }

    /// A connection is gone: nobody waits for a verdict on it any more.
    pub(super) fn forget_judging(&mut self, conn: ConnId, effects: &mut Effects) {
        let has_method = self.extended.remove(&conn).is_some();
        if has_method || matches!(self.links.get(conn), Some(Link::Judging(_))) {
            effects.list.push(Effect::Unjudge { conn });
        }
    }
}

/// The one line that says who was not let in. Its form is a promise: see the manual page.
fn log_failure(who: &Identity, why: &str) {
    let Identity { client_id, user_name, peer, .. } = who;
    let client = Shown(client_id);
    match user_name {
        Some(user) => {
            warn!("Login failed from {peer}, client '{client}', user '{}': {why}.", Shown(user));
        }
        None => warn!("Login failed from {peer}, client '{client}', no user: {why}."),
    }
}

/// It has proved to be somebody else than it said.
const OTHER_NAME: Denial = Denial::new(ReasonCode::NOT_AUTHORIZED, "another user name proved");
