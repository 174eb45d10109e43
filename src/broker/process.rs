//! What happens to the process as a whole: storage that is behind, the end.
//!
//! Owns: holding everybody and letting everybody go.
//!
//! Never touches storage: it is told how it is.

use log::info;

use super::link::Link;
use super::{Broker, ConnId, Effect, Effects, Options, Storage};
use crate::codec::ReasonCode;
use crate::session::Authority;
use crate::time::Time;

impl Broker {
    pub(super) fn on_configured(
        &mut self,
        options: Options,
        authority: Option<Box<dyn Authority>>,
    ) {
        let interval = std::mem::replace(&mut self.options, options).sys_interval;
        if interval != self.options.sys_interval {
            self.set_interval();
        }
        if let Some(authority) = authority {
            self.allows_all = authority.allows_all();
            self.authority = authority;
        }
    }

    /// While storage is behind nobody is read from, so nobody's silence counts against him.
    pub(super) fn on_storage(&mut self, now: Time, state: Storage, effects: &mut Effects) {
        let was_well = std::mem::replace(&mut self.storage, state) == Storage::Well;
        if was_well == (state == Storage::Well) {
            return;
        }
        let conns: Vec<ConnId> = self.links.iter().map(|(conn, _)| conn).collect();
        for conn in conns {
            if self.links.online(conn).is_some() {
                self.hold(now, conn, was_well, effects);
            }
        }
    }

    /// Reads no further from a client, or reads from it again.
    pub(super) fn hold(&mut self, now: Time, conn: ConnId, is_held: bool, effects: &mut Effects) {
        let online = self.online_mut(conn);
        if is_held {
            online.keep_alive_by = Time::NEVER;
            effects.list.push(Effect::Hold { conn });
        } else {
            if online.patience_ms > 0 {
                online.keep_alive_by = now.plus_ms(u64::from(online.patience_ms));
            }
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
