//! What happens to the process as a whole: another configuration, storage that is behind, the end.
//!
//! Owns: holding those who make records while storage does not keep up, letting everybody go, or
//! those of a listener.
//!
//! Never touches storage: it is told how it is.

use log::info;

use super::link::Link;
use super::target::CONNECTION;
use super::{Broker, ConnId, Effect, Effects, NOBODY, Options, Seq, Storage, name};
use crate::codec::ReasonCode;
use crate::session::Authority;
use crate::time::Time;

impl Broker {
    /// What a connection was promised when it was accepted it keeps; all else holds from now on.
    pub(super) fn on_configured(
        &mut self,
        now: Time,
        options: Options,
        authority: Option<Box<dyn Authority>>,
        effects: &mut Effects,
    ) {
        self.options = options;
        if let Some(authority) = authority {
            self.allows_all = authority.allows_all();
            self.authority = authority;
        }
        let conns: Vec<ConnId> = self.links.iter().map(|(conn, _)| conn).collect();
        for conn in conns {
            let Some(peer) = self.links.get(conn).and_then(Link::peer) else { continue };
            if self.options.listener(peer.listener).is_none() {
                self.turn_out(now, conn, effects);
            } else if let Some(online) = self.links.online_mut(conn)
                && online.charged > 0
            {
                // Less patience counts from now on: a deadline only ever moves on.
                let by = now.plus_ms(self.options.stalled_timeout_ms);
                online.stalled_by = online.stalled_by.min(by);
                self.arm_link(conn);
            }
        }
    }

    /// Ends a connection whose listener has gone.
    fn turn_out(&mut self, now: Time, conn: ConnId, effects: &mut Effects) {
        let what = "its listener has gone";
        match self.links.get(conn) {
            Some(Link::Online(online)) => {
                let who = name(&online.identity);
                info!(target: CONNECTION, "Client {who} disconnected: {what}.");
                let code = ReasonCode::ADMINISTRATIVE_ACTION;
                self.dismiss(now, conn, code, Some(what), effects);
            }
            Some(Link::Awaiting { peer, .. }) => {
                info!(target: CONNECTION, "Client {NOBODY} [{peer}] disconnected: {what}.");
                self.abandon(conn, effects);
            }
            Some(Link::Judging(judging)) => {
                let who = name(&judging.identity);
                info!(target: CONNECTION, "Client {who} disconnected: {what}.");
                effects.list.push(Effect::Unjudge { conn });
                self.abandon(conn, effects);
            }
            None | Some(Link::Vacant | Link::Leaving) => {}
        }
    }

    /// Storage that is well again is the end of waiting, and nobody's silence counts against him.
    pub(super) fn on_storage(&mut self, now: Time, state: Storage, effects: &mut Effects) {
        let was_well = std::mem::replace(&mut self.storage, state) == Storage::Well;
        if was_well || state != Storage::Well {
            return;
        }
        let conns: Vec<ConnId> = self.links.iter().map(|(conn, _)| conn).collect();
        let timeout = self.options.stalled_timeout_ms;
        for conn in conns {
            let Some(online) = self.links.online_mut(conn) else { continue };
            if online.stalled_by < Time::NEVER {
                // What it did not take did not come.
                online.stalled_by = now.plus_ms(timeout);
            }
            if std::mem::take(&mut online.is_held) {
                self.hold(now, conn, false, effects);
            }
        }
    }

    /// Reads no further from a client whose packet has made more records than the `allowed` since
    /// `before`, while storage does not keep up: so what waits for storage is bounded. Who makes
    /// none goes on, PINGs and all.
    pub(super) fn hold_maker(
        &mut self,
        now: Time,
        conn: ConnId,
        before: Seq,
        allowed: u64,
        effects: &mut Effects,
    ) {
        if self.storage == Storage::Well || self.seq.0 - before.0 <= allowed {
            return;
        }
        if let Some(online) = self.links.online_mut(conn)
            && !online.is_held
        {
            online.is_held = true;
            self.hold(now, conn, true, effects);
        }
    }

    /// Reads no further from a client, or reads from it again.
    fn hold(&mut self, now: Time, conn: ConnId, is_held: bool, effects: &mut Effects) {
        let online = self.online_mut(conn);
        if is_held {
            online.keep_alive_by = Time::NEVER;
            effects.list.push(Effect::Hold { conn });
        } else {
            online.heard(now);
            effects.list.push(Effect::Resume { conn });
            self.arm_link(conn);
        }
    }

    pub(super) fn on_stopping(&mut self, now: Time, effects: &mut Effects) {
        self.is_stopping = true;
        info!("Stopping: {} sessions", self.store.len());
        let conns: Vec<ConnId> = self.links.iter().map(|(conn, _)| conn).collect();
        for conn in conns {
            if self.links.online(conn).is_some() {
                self.dismiss(now, conn, ReasonCode::SERVER_SHUTTING_DOWN, None, effects);
            } else if !matches!(self.links.get(conn), Some(Link::Leaving)) {
                self.abandon(conn, effects);
            }
        }
    }
}
