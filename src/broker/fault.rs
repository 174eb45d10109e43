//! What a peer does that ends its connection, and how it ends.
//!
//! Owns: [`Fault`], and the one place that turns one into what the peer sees.
//!
//! Never decides what is a fault.

use log::warn;

use super::link::Link;
use super::target::CONNECTION;
use super::{Broker, ConnId, Effect, Effects, NOBODY, name};
use crate::codec::ReasonCode;
use crate::time::Time;

/// What a peer did that ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: ReasonCode,
    pub(super) what: &'static str,
}

impl Fault {
    pub(super) const fn new(code: ReasonCode, what: &'static str) -> Self {
        Self { code, what }
    }

    pub(super) const fn protocol(what: &'static str) -> Self {
        Self::new(ReasonCode::PROTOCOL_ERROR, what)
    }

    pub(super) const fn malformed(what: &'static str) -> Self {
        Self::new(ReasonCode::MALFORMED_PACKET, what)
    }
}

impl Broker {
    /// What a fault does: the one place. 5.0 hears why ([MQTT-4.13.1-1] of 5.0), 3.x is
    /// disconnected ([MQTT-4.8.0-1] of 3.1.1).
    pub(super) fn fail(&mut self, now: Time, conn: ConnId, fault: Fault, effects: &mut Effects) {
        match self.links.get(conn) {
            Some(Link::Online(online)) => {
                let who = name(&online.identity);
                let (what, code) = (fault.what, fault.code.name());
                warn!(target: CONNECTION, "Client {who} disconnected: {what} ({code}).");
                self.dismiss(now, conn, fault.code, Some(fault.what), effects);
            }
            Some(Link::Awaiting { peer, .. }) => {
                let what = fault.what;
                warn!(target: CONNECTION, "Client {NOBODY} [{peer}] disconnected: {what}.");
                self.abandon(conn, effects);
            }
            Some(Link::Judging(judging)) => {
                let (who, what) = (name(&judging.identity), fault.what);
                warn!(target: CONNECTION, "Client {who} disconnected: {what}.");
                effects.list.push(Effect::Unjudge { conn });
                self.abandon(conn, effects);
            }
            None | Some(Link::Vacant | Link::Leaving) => {}
        }
    }
}
