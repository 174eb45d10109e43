//! Connections before and below their packets.
//!
//! Owns: what the broker does when one is opened, when it is known where it really comes from, and
//! when what arrives on it is no MQTT or does not even carry any.
//!
//! Never reads what is below packets: whoever does says what came of it.

use std::rc::Rc;

use log::{info, warn};

use super::link::{Link, Links};
use super::target::CONNECTION;
use super::{Broker, ConnId, Effect, Effects, Fault, NOBODY, Shown, name};
use crate::codec::{self, ReasonCode, Version};
use crate::metrics::Kind;
use crate::session::{Certificate, Peer};
use crate::time::Time;

impl Broker {
    pub(super) fn on_opened(&mut self, now: Time, conn: ConnId, peer: Peer) {
        self.counters.connections += 1;
        let by = now.plus_ms(self.options.connect_timeout_ms);
        self.links.open(conn, Link::Awaiting { peer, certificate: None, by });
        self.store.gauge.charge(Kind::Connection, Links::EACH);
        self.arm_link(conn);
    }

    pub(super) fn on_introduced(
        &mut self,
        conn: ConnId,
        peer: Peer,
        certificate: Option<Rc<Certificate>>,
    ) {
        let Some(Link::Awaiting { peer: known, certificate: shown, .. }) = self.links.get_mut(conn)
        else {
            return;
        };
        if known.address != peer.address {
            info!(target: CONNECTION, "Connection from {known} is one of {peer}.");
        }
        (*known, *shown) = (peer, certificate);
    }

    pub(super) fn on_garbled(
        &mut self,
        now: Time,
        conn: ConnId,
        version: Option<Version>,
        error: codec::Error,
        effects: &mut Effects,
    ) {
        if let Some(Link::Awaiting { peer, .. }) = self.links.get(conn) {
            warn!(target: CONNECTION, "Client {NOBODY} [{peer}] disconnected: {error}.");
            self.refuse_garbled(conn, version, &error, effects);
        } else {
            let what = error.what();
            self.fail(now, conn, Fault::new(ReasonCode::from(&error), what), effects);
        }
    }

    /// Nothing can be said to the client any more, so no DISCONNECT tells why.
    pub(super) fn on_failed(&mut self, now: Time, conn: ConnId, what: &str, effects: &mut Effects) {
        let shown = Shown(what);
        match self.links.get(conn) {
            Some(Link::Online(online)) => {
                let who = name(&online.identity);
                warn!(target: CONNECTION, "Client {who} disconnected: {shown}.");
                effects.list.push(Effect::Close { conn });
                self.detach(now, conn, true, what, effects);
            }
            Some(Link::Awaiting { peer, .. }) => {
                warn!(target: CONNECTION, "Client {NOBODY} [{peer}] disconnected: {shown}.");
                self.abandon(conn, effects);
            }
            Some(Link::Judging(judging)) => {
                let who = name(&judging.identity);
                warn!(target: CONNECTION, "Client {who} disconnected: {shown}.");
                effects.list.push(Effect::Unjudge { conn });
                self.abandon(conn, effects);
            }
            None | Some(Link::Vacant | Link::Leaving) => {}
        }
    }
}
