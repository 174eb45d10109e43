//! A PUBLISH that waits for memory or for a place in a queue.
//!
//! Owns: those that wait, in order, and what makes them go on. A PUBLISH that waits is not taken:
//! it is nowhere but here, unacknowledged, and its sender is not read from, so there is one for
//! each connection at the most; if the connection ends the client still has it.
//!
//! ```text
//! PUBLISH --no room--> waits --what it waits for is freed--> tried again, the oldest first
//!                        +----stalled_timeout------------> give_up: to those with room, or none
//! ```
//!
//! It is tried again by the event that freed what it waits for; nobody looks at it in between.
//!
//! Never decides what has to wait: `admit.rs` does.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use log::warn;

use super::admit::Passage;
use super::brake::Holds;
use super::source::Source;
use super::target::CONNECTION;
use super::{Broker, ConnId, Effects, Seq, name};
use crate::codec::{PacketId, QoS, ReasonCode, Version};
use crate::message::Message;
use crate::metrics::{DropReason, Refusal};
use crate::router::{GroupId, Matches};
use crate::session::SessionId;
use crate::time::Time;
use crate::topic_matcher::Topic;

/// What a PUBLISH waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaited {
    /// Memory: the client has nothing to acknowledge.
    Memory,
    /// Memory: the client has, so it may go a little further before it has to wait.
    Reserve,
    /// A place in a session's queue.
    Session(SessionId),
    /// A place in the queue of a shared subscription.
    Group(GroupId),
}

/// A PUBLISH that waits.
#[derive(Debug)]
pub(super) struct Wait {
    message: Rc<Message>,
    packet_id: Option<PacketId>,
    pub(super) awaited: Awaited,
    /// Its place in the order.
    ticket: u64,
    /// When its time is up.
    pub(super) by: Time,
}

/// All that wait, and what they might go on for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By what they wait for, then in order.
    all: BTreeMap<(Awaited, u64), ConnId>,
    tickets: u64,
    /// What has been freed by this event, perhaps.
    freed: BTreeSet<Awaited>,
    /// Who is to be asked again for another reason.
    changed: Vec<ConnId>,
}

impl Waiting {
    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether anybody waits for this.
    pub(super) fn has(&self, awaited: Awaited) -> bool {
        self.all.range((awaited, 0)..=(awaited, u64::MAX)).next().is_some()
    }

    /// Who waits for this in this place.
    pub(super) fn is_at(&self, wait: &Wait, conn: ConnId) -> bool {
        self.all.get(&(wait.awaited, wait.ticket)) == Some(&conn)
    }

    /// There may be room for those who wait for this.
    pub(super) fn free(&mut self, awaited: Awaited) {
        if !self.all.is_empty() && self.has(awaited) {
            self.freed.insert(awaited);
        }
    }

    /// Everything has changed for everybody.
    pub(super) fn free_all(&mut self) {
        self.freed.extend(self.all.keys().map(|(awaited, _)| *awaited));
    }

    fn first(&self, awaited: Awaited) -> Option<ConnId> {
        let mut of_it = self.all.range((awaited, 0)..=(awaited, u64::MAX));
        of_it.next().map(|(_, conn)| *conn)
    }
}

impl Broker {
    /// Keeps a PUBLISH until there is room for it; until then its sender is not read from.
    pub(super) fn wait(
        &mut self,
        now: Time,
        conn: ConnId,
        packet_id: Option<PacketId>,
        awaited: Awaited,
        source: &mut Source<'_>,
        effects: &mut Effects,
    ) {
        let message = source.keep(&mut self.store);
        self.waiting.tickets += 1;
        let ticket = self.waiting.tickets;
        self.waiting.all.insert((awaited, ticket), conn);
        let by = now.plus_ms(self.options.stalled_timeout_ms);
        let wait = Wait { message, packet_id, awaited, ticket, by };
        let before = self.brake_mut(now, conn).wait.replace(Box::new(wait));
        assert!(before.is_none(), "nothing is read from a client while its PUBLISH waits");
        self.hold(now, conn, Holds::WAIT, effects);
    }

    /// A connection ends: what waits of it was never taken, and is forgotten.
    pub(super) fn forget_wait(&mut self, conn: ConnId) {
        let Some(brake) = self.links.online(conn).and_then(|online| online.brake.as_ref()) else {
            return;
        };
        if let Some(wait) = &brake.wait {
            self.waiting.all.remove(&(wait.awaited, wait.ticket));
        }
    }

    /// A client that waits for memory has been sent something it will acknowledge.
    pub(super) fn has_something_to_say(&mut self, conn: ConnId) {
        let Some(brake) = self.links.online(conn).and_then(|online| online.brake.as_ref()) else {
            return;
        };
        if brake.wait.as_ref().is_some_and(|wait| wait.awaited == Awaited::Memory) {
            self.waiting.changed.push(conn);
        }
    }

    /// Lets those go on for whom this event has made room.
    pub(super) fn go_on(&mut self, now: Time, effects: &mut Effects) {
        if self.options.memory_limit > 0 {
            self.watch_memory();
        }
        if self.waiting.is_empty() {
            self.waiting.freed.clear();
            self.waiting.changed.clear();
            return;
        }
        while let Some(conn) = self.waiting.changed.pop() {
            // It may have gone since.
            if self.waits(conn) {
                self.try_again(now, conn, false, effects);
            }
        }
        for awaited in [Awaited::Memory, Awaited::Reserve] {
            if self.may_end(awaited) {
                self.waiting.free(awaited);
            }
        }
        while let Some(awaited) = self.waiting.freed.pop_first() {
            // The first that still has to wait keeps those behind it waiting.
            while let Some(conn) = self.waiting.first(awaited)
                && self.try_again(now, conn, false, effects) != Some(awaited)
            {}
        }
    }

    fn waits(&self, conn: ConnId) -> bool {
        let brake = self.links.online(conn).and_then(|online| online.brake.as_ref());
        brake.is_some_and(|brake| brake.wait.is_some())
    }

    /// Takes the PUBLISH that waits on a connection, or says what it waits for now.
    fn try_again(
        &mut self,
        now: Time,
        conn: ConnId,
        must_go: bool,
        effects: &mut Effects,
    ) -> Option<Awaited> {
        let online = self.online_mut(conn);
        let (session, version) = (online.session, online.version);
        let wait = online.brake.as_mut().and_then(|brake| brake.wait.take());
        let mut wait = wait.expect("who has a place in the order waits");
        let message = Rc::clone(&wait.message);
        let topic = Topic::parse(message.topic().as_str()).expect("it was valid when it came");
        let mut matches = std::mem::take(&mut self.matches);
        self.store.router.matches(topic, Some(session), &mut matches);
        let mut source = Source::shared(&message);
        // What other records this event has made is not told apart from those of this message.
        let (before, start) = (Seq(0), self.seq);
        let reason = match self.admit(now, conn, &matches, &mut source) {
            Passage::Later(awaited) if !must_go => {
                self.matches = matches;
                if awaited != wait.awaited {
                    self.waiting.all.remove(&(wait.awaited, wait.ticket));
                    wait.awaited = awaited;
                    self.waiting.all.insert((awaited, wait.ticket), conn);
                }
                self.brake_mut(now, conn).wait = Some(wait);
                return Some(awaited);
            }
            Passage::Refused(reason) => reason,
            Passage::Now | Passage::Later(_) if message.has_expired(now) => {
                self.drop_expired(&matches, version)
            }
            Passage::Now | Passage::Later(_) => {
                self.spread(now, Some(conn), &matches, &mut source, effects)
            }
        };
        self.matches = matches;
        self.waiting.all.remove(&(wait.awaited, wait.ticket));
        self.answer_publish(conn, (message.qos, wait.packet_id), reason, before, effects);
        self.let_go(now, conn, Holds::WAIT, effects);
        self.hold_maker(now, conn, start, 0, effects);
        None
    }

    /// [MQTT-3.3.2-5]: it is too late to begin with a message that has waited.
    fn drop_expired(&mut self, matches: &Matches, version: Version) -> ReasonCode {
        debug_assert_eq!(version, Version::V5, "only 5.0 knows of expiry");
        for _ in 0..matches.sessions.len() + matches.groups.len() {
            self.counters.drop_one(DropReason::Expired);
        }
        ReasonCode::SUCCESS
    }

    /// A PUBLISH has waited as long as it may. For a queue: it goes to all others, and is dropped
    /// for those that have no place. For memory: it is refused (5.0, above QoS 0) or dropped
    /// (QoS 0), and so is everything else its sender publishes until there is memory again, so
    /// that what is behind it is read; an older client above QoS 0 can be told nothing, so it is
    /// disconnected, and still has its message.
    pub(super) fn give_up(
        &mut self,
        now: Time,
        conn: ConnId,
        awaited: Awaited,
        effects: &mut Effects,
    ) {
        match awaited {
            Awaited::Session(_) | Awaited::Group(_) => {
                let who = name(&self.online(conn).identity);
                warn!("Client {who} has waited for a full queue in vain.");
                self.try_again(now, conn, true, effects);
            }
            Awaited::Memory | Awaited::Reserve => {
                self.brake_mut(now, conn).tired_of = self.memory.shortage;
                let online = self.online(conn);
                let wait = online.brake.as_ref().and_then(|brake| brake.wait.as_ref());
                let qos = wait.map_or(QoS::AtMostOnce, |wait| wait.message.qos);
                if qos == QoS::AtMostOnce || online.version == Version::V5 {
                    self.try_again(now, conn, true, effects);
                    return;
                }
                self.counters.refuse_one(Refusal::MemoryPublish);
                let who = name(&self.online(conn).identity);
                warn!(
                    target: CONNECTION,
                    "Client {who} disconnected: it has waited for memory in vain."
                );
                self.dismiss(now, conn, ReasonCode::QUOTA_EXCEEDED, None, effects);
            }
        }
    }
}
