//! What happens to the process as a whole: another configuration, storage that is behind, the end.
//!
//! Owns: holding those who make records while storage does not keep up, letting everybody go, or
//! those of a listener.
//!
//! Never touches storage: it is told how it is.

use log::info;

use super::brake::Holds;
use super::link::Link;
use super::target::CONNECTION;
use super::{Broker, ConnId, Effect, Effects, NOBODY, Options, Overflow, Seq, Storage, name};
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
        let before = std::mem::replace(&mut self.options, options);
        if before.sys_interval != self.options.sys_interval {
            self.set_interval();
        }
        self.tell_ends(now, &before, effects);
        self.is_limited = is_limited(&self.options) || !self.waiting.is_empty();
        self.waiting.free_all();
        self.forget_last_topics();
        if let Some(authority) = authority {
            self.allows_all = authority.allows_all();
            self.checks_retained = authority.checks_retained();
            self.authority = authority;
        }
        let conns: Vec<ConnId> = self.links.iter().map(|(conn, _)| conn).collect();
        for conn in conns {
            let Some(peer) = self.links.get(conn).and_then(Link::peer) else { continue };
            if self.options.listener(peer.listener).is_none() {
                self.turn_out(now, conn, effects);
            } else if self.links.online(conn).is_some_and(|on| !self.authority.keeps(&on.identity))
            {
                self.turn_away(now, conn, effects);
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

    /// Ends the connection of a client that would not be let in any more.
    fn turn_away(&mut self, now: Time, conn: ConnId, effects: &mut Effects) {
        let who = name(&self.online(conn).identity);
        info!(target: CONNECTION, "Client {who} disconnected: no longer authorized.");
        let why = Some("no longer authorized");
        self.dismiss(now, conn, ReasonCode::NOT_AUTHORIZED, why, effects);
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
            self.let_go_of_storage(now, conn, effects);
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
        let is_held = self.storage != Storage::Well && self.seq.0 - before.0 > allowed;
        if is_held && self.links.online(conn).is_some() {
            self.hold(now, conn, Holds::STORAGE, effects);
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

    /// Topics and filters are measured again.
    fn forget_last_topics(&mut self) {
        let conns: Vec<ConnId> = self.links.iter().map(|(conn, _)| conn).collect();
        for conn in conns {
            if let Some(online) = self.links.online_mut(conn) {
                online.last_topic = None;
            }
        }
    }
}

/// Whether anything may stop a publisher.
pub(super) const fn is_limited(options: &Options) -> bool {
    options.max_message_rate > 0
        || options.max_byte_rate > 0
        || options.memory_limit > 0
        || matches!(options.overflow, Overflow::Refuse)
}
