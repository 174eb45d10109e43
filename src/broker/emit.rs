//! The small change: records, packets and timers as the handlers ask for them.
//!
//! Owns: the one way to change durable state and record it, and the one rule which record a packet
//! waits for.
//!
//! Never decides what to say.

use super::link::{Link, Online};
use super::wait::Awaited;
use super::{Broker, ConnId, Effect, Effects, Outgoing, Seq, Timer};
use crate::codec::{Ack, AckKind, Packet, PacketId, ReasonCode};
use crate::persistence::{Change, GroupChange, Record};
use crate::router::GroupId;
use crate::session::{Session, SessionId};
use crate::time::Time;

impl Broker {
    /// Changes a session, and records the change if the session outlives its connection.
    pub(super) fn change(&mut self, id: SessionId, change: Change, effects: &mut Effects) {
        let session = self.store.session(id);
        if session.is_kept() {
            self.seq.0 += 1;
            effects.list.push(Effect::Record(Record::Session(session.number, change.clone())));
        }
        if !self.waiting.is_empty() {
            self.note_freed(id, &change);
        }
        self.store.change(id, change);
    }

    /// Notes what a change may give to those who wait.
    #[cold]
    fn note_freed(&mut self, id: SessionId, change: &Change) {
        match change {
            Change::Unqueued | Change::Sent { .. } => self.waiting.free(Awaited::Session(id)),
            Change::Closed | Change::Unsubscribed { .. } => {
                self.waiting.free(Awaited::Session(id));
                for group in self.store.session(id).groups() {
                    self.waiting.free(Awaited::Group(GroupId(*group)));
                }
            }
            Change::Opened { .. }
            | Change::Attached { .. }
            | Change::Detached { .. }
            | Change::Subscribed { .. }
            | Change::Queued(_)
            | Change::Delivered { .. }
            | Change::Received(_)
            | Change::Settled(_)
            | Change::Taken(_)
            | Change::Released(_)
            | Change::WillSet(..)
            | Change::WillCleared
            | Change::Cursor { .. }
            | Change::CursorDone { .. } => {}
        }
    }

    /// Changes what waits for a shared subscription, and records it if any member outlives its
    /// connection.
    pub(super) fn change_group(&mut self, group: u32, change: GroupChange, effects: &mut Effects) {
        let id = GroupId(group);
        if self.store.router.group(id).is_some_and(|group| group.kept > 0) {
            self.record(Record::Group(group, change.clone()), effects);
        }
        self.waiting.free(Awaited::Group(id));
        self.store.change_group(group, change);
    }

    pub(super) fn record(&mut self, record: Record, effects: &mut Effects) {
        self.seq.0 += 1;
        effects.list.push(Effect::Record(record));
    }

    /// The record after which what is said to a session may leave: all so far, if it outlives its
    /// connection; none, if it promises nothing.
    pub(super) fn gate(&self, session: &Session) -> Seq {
        if session.is_kept() { self.seq } else { Seq(0) }
    }

    /// The record after which an answer may leave: all so far, if the event has made any since
    /// `before`, whatever becomes of the session.
    pub(super) fn gate_since(&self, before: Seq, id: SessionId) -> Seq {
        if self.seq > before { self.seq } else { self.gate(self.store.session(id)) }
    }

    pub(super) fn send(&self, conn: ConnId, packet: Packet, after: Seq, effects: &mut Effects) {
        self.counters.sent.count(packet.number());
        let what = Outgoing::Packet(Box::new(packet));
        effects.list.push(Effect::Send { conn, what, after });
    }

    pub(super) fn send_ack(
        &self,
        conn: ConnId,
        kind: AckKind,
        packet_id: PacketId,
        reason: ReasonCode,
        after: Seq,
        effects: &mut Effects,
    ) {
        self.counters.sent.count(kind.number());
        let what = Outgoing::Ack(kind, Ack::new(packet_id, reason));
        effects.list.push(Effect::Send { conn, what, after });
    }

    /// The accepted connection of an event that is known to come from one.
    pub(super) fn online(&self, conn: ConnId) -> &Online {
        self.links.online(conn).expect("only an accepted connection gets here")
    }

    /// The accepted connection of an event that is known to come from one.
    pub(super) fn online_mut(&mut self, conn: ConnId) -> &mut Online {
        self.links.online_mut(conn).expect("only an accepted connection gets here")
    }

    /// Sees to it that the timer of a link fires no later than its deadline.
    pub(super) fn arm_link(&mut self, conn: ConnId) {
        let Some(due) = self.links.get(conn).map(Link::deadline) else { return };
        let Some(armed) = self.links.armed_mut(conn) else { return };
        if due < *armed {
            let old = std::mem::replace(armed, due);
            self.timers.disarm(old, Timer::Link(conn.slot));
            self.timers.arm(due, Timer::Link(conn.slot));
        }
    }

    /// Removes the timer of a link.
    pub(super) fn disarm_link(&mut self, conn: ConnId) {
        if let Some(armed) = self.links.armed_mut(conn) {
            let old = std::mem::replace(armed, Time::NEVER);
            self.timers.disarm(old, Timer::Link(conn.slot));
        }
    }

    /// Sees to it that a session without connection is looked at when its time has come.
    pub(super) fn arm_session(&mut self, id: SessionId) {
        let session = self.store.session(id);
        let due = [session.will_due(), session.expires()].into_iter().flatten().min();
        if let (Some(due), true) = (due, session.is_kept()) {
            self.timers.arm(due, Timer::Session(session.number));
        }
    }
}
