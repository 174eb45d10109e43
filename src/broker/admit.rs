//! Whether a PUBLISH is taken: now, later, or not.
//!
//! Owns: the answer, before anything is kept or sent of it, so that a message is taken for all who
//! match or for none and a client that tries again doubles it for nobody. It depends on memory
//! ([`memory`](super::memory)) and, with [`Overflow::Refuse`], on the queues of those who match.
//!
//! **Full queues.** A 5.0 client is told (0x97). An older one can be told nothing, so its PUBLISH
//! waits, if that may help: not if the message is too large for the queue though it were empty, and
//! not if the client the queue belongs to waits itself for this one, straight or by others in
//! between. Whoever waits is not read from, so his acknowledgements, which would make room, come
//! too late: a ring of those would stand still. Then the message is taken, and dropped for that
//! queue alone. QoS 0 is never refused, and who subscribes at QoS 0 stops nobody: for him a message
//! is dropped.
//!
//! Never sends anything and never holds anybody: see `brake.rs`.

use super::source::{Source, Terms};
use super::wait::Awaited;
use super::{Broker, ConnId, Overflow};
use crate::codec::{QoS, ReasonCode, Version};
use crate::metrics::Refusal;
use crate::router::{GroupId, Matches};
use crate::session::SessionId;
use crate::time::Time;

/// Whether a PUBLISH is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// Now.
    Now,
    /// When there is room.
    Later(Awaited),
    /// Not at all; what its acknowledgement says.
    Refused(ReasonCode),
}

/// Steps from one that waits to the next; a longer chain is taken for a ring.
const CHAIN_MAX: usize = 64;

impl Broker {
    pub(super) fn admit(
        &mut self,
        now: Time,
        conn: ConnId,
        matches: &Matches,
        source: &mut Source<'_>,
    ) -> Passage {
        let online = self.online(conn);
        let (me, is_told) = (online.session, online.version == Version::V5);
        let qos = source.parts.qos;
        if let Some(awaited) = self.awaits_memory(conn) {
            let brake = self.online(conn).brake.as_ref();
            let is_tired = brake.is_some_and(|brake| brake.tired_of == self.memory.shortage);
            if is_tired && (is_told || qos == QoS::AtMostOnce) {
                self.note_refusal(now, conn, Refusal::MemoryPublish);
                return Passage::Refused(ReasonCode::QUOTA_EXCEEDED);
            }
            return Passage::Later(awaited);
        }
        if self.options.overflow != Overflow::Refuse || qos == QoS::AtMostOnce {
            return Passage::Now;
        }
        match self.full_queue(now, matches, source, |broker, awaited, len| {
            is_told || broker.may_wait(me, awaited, len)
        }) {
            None => Passage::Now,
            Some(_) if is_told => {
                self.note_refusal(now, conn, Refusal::Queue);
                Passage::Refused(ReasonCode::QUOTA_EXCEEDED)
            }
            Some(awaited) => Passage::Later(awaited),
        }
    }

    /// The first queue without a place for a message that would have to go into it, and that
    /// counts.
    fn full_queue(
        &self,
        now: Time,
        matches: &Matches,
        source: &mut Source<'_>,
        counts: impl Fn(&Self, Awaited, usize) -> bool,
    ) -> Option<Awaited> {
        let len = source.parts.len();
        let highest = self.highest_qos(source.parts.qos);
        for found in &matches.sessions {
            let terms = Terms::of(found, matches, &source.parts, highest);
            let awaited = Awaited::Session(found.session);
            if terms.qos > QoS::AtMostOnce
                && self.is_full(self.store.session(found.session).queue.as_deref(), len)
                && self.would_queue(now, found.session, terms, source)
                && counts(self, awaited, len)
            {
                return Some(awaited);
            }
        }
        matches.groups.iter().copied().find_map(|group| {
            let awaited = Awaited::Group(group);
            let is_in_the_way = self.is_group_full(group, len)
                && self.find_member(now, group, source).is_none()
                && self.audience(group, source).0.is_some()
                && self.refused_by_all(now, group, source).is_none()
                && counts(self, awaited, len);
            is_in_the_way.then_some(awaited)
        })
    }

    /// Whether a message goes into a session's queue.
    fn would_queue(
        &self,
        now: Time,
        to: SessionId,
        terms: Terms<'_>,
        source: &mut Source<'_>,
    ) -> bool {
        let session = self.store.session(to);
        let Some(online) = session.conn.and_then(|conn| self.links.online(conn)) else {
            return true;
        };
        let Some(skip) = online.skip(source.parts.topic) else { return false };
        let charge = source.charge(online.version, Terms { skip, ..terms }, now);
        charge <= online.maximum_packet_size
            && !self.options.takes(online, session, terms.qos, charge, &source.parts)
    }

    /// Whether it may help a client to wait for a place for `len` bytes.
    fn may_wait(&self, me: SessionId, awaited: Awaited, len: usize) -> bool {
        let mut steps = CHAIN_MAX;
        !self.is_full(None, len) && !self.leads_back(me, awaited, &mut steps)
    }

    /// Whether what is awaited waits for `me`.
    fn leads_back(&self, me: SessionId, awaited: Awaited, steps: &mut usize) -> bool {
        let Some(left) = steps.checked_sub(1) else { return true };
        *steps = left;
        match awaited {
            Awaited::Memory | Awaited::Reserve => false,
            Awaited::Session(id) if id == me => true,
            // It has ended in this event, and who waits for it has not been asked again yet.
            Awaited::Session(id) if !self.store.contains(id) => false,
            Awaited::Session(id) => {
                let conn = self.store.session(id).conn;
                let online = conn.and_then(|conn| self.links.online(conn));
                let brake = online.and_then(|online| online.brake.as_ref());
                let wait = brake.and_then(|brake| brake.wait.as_ref());
                wait.is_some_and(|wait| self.leads_back(me, wait.awaited, steps))
            }
            Awaited::Group(group) => self.all_lead_back(me, group, steps),
        }
    }

    /// Whether nobody of those who are there can take what waits for a group.
    fn all_lead_back(&self, me: SessionId, group: GroupId, steps: &mut usize) -> bool {
        let Some(shared) = self.store.router.group(group) else { return false };
        let is_there = |id: SessionId| self.store.session(id).conn.is_some();
        let mut there = 0;
        for member in shared.members.as_slice().iter().filter(|m| is_there(m.session)) {
            there += 1;
            if !self.leads_back(me, Awaited::Session(member.session), steps) {
                return false;
            }
        }
        there > 0
    }
}
