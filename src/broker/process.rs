//! What happens to the process as a whole: storage that is behind, the end.
//!
//! Owns: holding everybody and letting everybody go.
//!
//! Never touches storage: it is told how it is.

use log::info;

use super::link::Link;
use super::{Broker, ConnId, Effects, Options, Overflow, Storage};
use crate::codec::ReasonCode;
use crate::session::Authority;
use crate::time::Time;

impl Broker {
    pub(super) fn on_configured(
        &mut self,
        options: Options,
        authority: Option<Box<dyn Authority>>,
    ) {
        self.options = options;
        self.is_limited = is_limited(&self.options) || !self.waiting.is_empty();
        self.waiting.free_all();
        self.forget_last_topics();
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
        self.hold_all(now, was_well, effects);
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
