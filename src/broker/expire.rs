//! What happens because time has passed.
//!
//! Owns: the reactions to deadlines: no CONNECT in time, keep alive, a peer that takes nothing,
//! Wills that waited, sessions and retained messages whose time has come.
//!
//! Never asks what time it is.

use log::{info, warn};

use super::link::Link;
use super::target::CONNECTION;
use super::{Broker, ConnId, Effect, Effects, Shown, Storage, Timer, name};
use crate::codec::ReasonCode;
use crate::message::Delivery;
use crate::metrics::DropReason;
use crate::session::{Awaiting, SessionId};
use crate::time::Time;

impl Broker {
    pub(super) fn on_tick(&mut self, now: Time, effects: &mut Effects) {
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Link(slot) => {
                    if let Some(conn) = self.links.in_slot(slot) {
                        self.on_link_due(now, conn, effects);
                    }
                }
                Timer::Session(number) => self.on_session_due(now, number, effects),
                Timer::Scan => self.on_scan_due(now, effects),
                Timer::List => self.on_list_due(now),
            }
        }
        while let Some(topic) = self.store.expired_retained(now) {
            self.unretain(&topic, effects);
        }
        self.on_sys(now, effects);
    }

    fn on_link_due(&mut self, now: Time, conn: ConnId, effects: &mut Effects) {
        let Some(armed) = self.links.armed_mut(conn) else { return };
        *armed = Time::NEVER;
        let Some(link) = self.links.get(conn) else { return };
        if link.deadline() > now {
            // There was activity since the entry was made.
            return self.arm_link(conn);
        }
        match link {
            Link::Awaiting { peer, .. } => {
                effects.list.push(Effect::Overdue { conn, peer: *peer });
                self.abandon(conn, effects);
            }
            Link::Judging(judging) => {
                let who = name(&judging.identity);
                warn!(target: CONNECTION, "Client {who} was not judged in time, disconnecting.");
                effects.list.push(Effect::Unjudge { conn });
                self.abandon(conn, effects);
            }
            Link::Online(_) => self.on_online_due(now, conn, effects),
            Link::Vacant | Link::Leaving => {}
        }
    }

    fn on_online_due(&mut self, now: Time, conn: ConnId, effects: &mut Effects) {
        self.on_brake_due(now, conn, effects);
        let Some(online) = self.links.online(conn) else { return };
        let who = name(&online.identity);
        if online.keep_alive_by <= now {
            // [MQTT-3.1.2-22] of 5.0, [MQTT-3.1.2-24] of 3.1.1.
            info!(target: CONNECTION, "Client {who} has exceeded timeout, disconnecting.");
            let code = ReasonCode::KEEP_ALIVE_TIMEOUT;
            self.dismiss(now, conn, code, Some("keep alive exceeded"), effects);
        } else if online.stalled_by <= now && self.storage != Storage::Well {
            // What waits for storage it cannot take.
            let by = now.plus_ms(self.options.stalled_timeout_ms);
            self.online_mut(conn).stalled_by = by;
            self.arm_link(conn);
        } else if online.stalled_by <= now {
            warn!(target: CONNECTION, "Client {who} takes nothing, disconnecting.");
            self.detach(now, conn, true, "takes nothing", effects);
            effects.list.push(Effect::Abort { conn });
        } else {
            self.arm_link(conn);
        }
    }

    fn on_session_due(&mut self, now: Time, number: u64, effects: &mut Effects) {
        let Some(id) = self.store.numbered(number) else { return };
        let session = self.store.session(id);
        if session.expires().is_some_and(|at| at <= now) {
            info!("Session of client {} expired", Shown(&session.client_id));
            self.counters.sessions_expired += 1;
            return self.end_session(now, id, effects);
        }
        if session.will_due().is_some_and(|at| at <= now) {
            self.publish_will(now, id, effects);
        }
        self.arm_session(id);
    }

    /// What a shared subscription sent this session and it has not acknowledged: QoS 1 goes to
    /// another member, QoS 2 dies with the session ([MQTT-4.8.2-5]).
    pub(super) fn orphans(&self, id: SessionId) -> Vec<(u32, Delivery)> {
        self.store
            .session(id)
            .window()
            .filter(|(_, awaiting, _)| *awaiting == Awaiting::Ack)
            .filter_map(|(_, _, delivery)| delivery)
            .filter(|delivery| delivery.group != 0 && delivery.message.is_some())
            .map(|delivery| (delivery.group, delivery.clone()))
            .collect()
    }

    /// Counts what a session that ends had not been given.
    pub(super) fn count_ended(&mut self, id: SessionId) {
        for _ in 0..self.store.session(id).queued() {
            self.counters.drop_one(DropReason::SessionEnded);
        }
    }
}
