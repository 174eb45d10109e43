//! Durable state and the only code that changes it.
//!
//! Owns: sessions, subscriptions, retained messages. [`Store::change`] (and its siblings for shared
//! subscriptions and retained messages) is called for every change, whether a client caused it
//! just now or a record from an earlier run did; so what is recovered is what was.
//!
//! Never decides anything and never sends.

use std::collections::BTreeMap;
use std::rc::Rc;

use hashbrown::HashTable;
use slab::Slab;

use crate::codec::PacketId;
use crate::crowd;
use crate::map::{self, Map};
use crate::message::{Delivery, Message};
use crate::metrics::{Gauge, Kind};
use crate::persistence::{Change, GroupChange};
use crate::router::{GroupId, Router, Subscriber, count};
use crate::session::{Session, SessionId, Will};
use crate::time::Time;
use crate::topic_matcher::Filter;

/// Sessions, subscriptions, retained messages.
pub(super) struct Store {
    sessions: Slab<Session>,
    /// Keys live in the sessions.
    by_client_id: HashTable<u32>,
    /// Only those that outlive their connections.
    by_number: Map<u64, SessionId>,
    hasher: map::Hasher,
    pub(super) router: Router,
    /// Retained messages that expire, by when.
    expiring: BTreeMap<(Time, u64), Rc<Message>>,
    pub(super) gauge: Rc<Gauge>,
    last_session: u64,
    last_message: u64,
}

impl Store {
    pub(super) fn new(seed: u64) -> Self {
        let gauge = Rc::new(Gauge::default());
        Self {
            sessions: Slab::new(),
            by_client_id: HashTable::new(),
            by_number: map::map(seed),
            hasher: map::hasher(seed),
            router: Router::new(seed, &gauge),
            expiring: BTreeMap::new(),
            gauge,
            last_session: 0,
            last_message: 0,
        }
    }

    /// A session that is known to be there.
    pub(super) fn session(&self, id: SessionId) -> &Session {
        &self.sessions[id.0 as usize]
    }

    /// A session that is known to be there; not for what is durable.
    pub(super) fn session_mut(&mut self, id: SessionId) -> &mut Session {
        &mut self.sessions[id.0 as usize]
    }

    /// The session with this number, if it outlives its connection.
    pub(super) fn numbered(&self, number: u64) -> Option<SessionId> {
        self.by_number.get(&number).copied()
    }

    /// The session of a client.
    pub(super) fn of_client(&self, client_id: &str) -> Option<SessionId> {
        let hash = map::hash(&self.hasher, client_id);
        let same = |&key: &u32| &*self.sessions[key as usize].client_id == client_id;
        self.by_client_id.find(hash, same).map(|&key| SessionId(key))
    }

    /// How many sessions there are.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Sessions have numbers below this.
    pub(super) fn places(&self) -> usize {
        self.sessions.capacity()
    }

    /// All sessions there are.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.sessions.iter().map(|(key, session)| (SessionId(count(key)), session))
    }

    /// The number of the next session.
    pub(super) const fn next_session(&self) -> u64 {
        self.last_session + 1
    }

    /// A message of an earlier run has this number.
    pub(super) fn note_message(&mut self, number: u64) {
        self.last_message = self.last_message.max(number);
    }

    /// A number for a message.
    pub(super) const fn number_message(&mut self) -> u64 {
        self.last_message += 1;
        self.last_message
    }

    /// A session begins.
    pub(super) fn open(&mut self, number: u64, client_id: Rc<str>, expiry: u32) -> SessionId {
        let session = Session::new(number, client_id, expiry, &self.gauge);
        self.last_session = self.last_session.max(number);
        let hash = map::hash(&self.hasher, &*session.client_id);
        let is_kept = session.is_kept();
        let id = SessionId(count(self.sessions.insert(session)));
        let (sessions, hasher) = (&self.sessions, &self.hasher);
        self.by_client_id.insert_unique(hash, id.0, |&key| {
            map::hash(hasher, &*sessions[key as usize].client_id)
        });
        if is_kept {
            self.by_number.insert(number, id);
        }
        id
    }

    /// A session ends: it and its subscriptions are gone.
    fn close(&mut self, id: SessionId) {
        let session = self.sessions.remove(id.0 as usize);
        for held in session.subscriptions.as_slice() {
            self.count_kept(held.group, session.is_kept(), false);
            self.router.unsubscribe(id, *held);
        }
        let hash = map::hash(&self.hasher, &*session.client_id);
        if let Ok(entry) = self.by_client_id.find_entry(hash, |&key| key == id.0) {
            entry.remove();
        }
        self.by_number.remove(&session.number);
        if crowd::has_left(self.sessions.len(), self.sessions.capacity()) {
            self.shrink();
        }
    }

    /// Gives memory back after a crowd has left.
    fn shrink(&mut self) {
        self.sessions.shrink_to_fit();
        let (sessions, hasher) = (&self.sessions, &self.hasher);
        self.by_client_id.shrink_to(sessions.len() * 2, |&key| {
            map::hash(hasher, &*sessions[key as usize].client_id)
        });
        self.by_number.shrink_to(self.by_number.len() * 2);
    }

    /// Changes a session: the only function that does.
    pub(super) fn change(&mut self, id: SessionId, change: Change) {
        match change {
            Change::Attached { expiry_interval } => self.attach(id, expiry_interval),
            Change::Closed => self.close(id),
            Change::Subscribed { filter, options, identifier, group, root } => {
                if let Ok(filter) = Filter::parse(&filter) {
                    let subscriber = Subscriber { session: id, identifier, options };
                    self.subscribe(id, filter, subscriber, group, root);
                }
            }
            Change::Unsubscribed { filter } => {
                if let Ok(filter) = Filter::parse(&filter) {
                    self.unsubscribe(id, filter);
                }
            }
            Change::Opened { .. }
            | Change::Detached { .. }
            | Change::Queued(_)
            | Change::Unqueued
            | Change::Sent { .. }
            | Change::Delivered { .. }
            | Change::Received(_)
            | Change::Settled(_)
            | Change::Taken(_)
            | Change::Released(_)
            | Change::WillSet(..)
            | Change::WillCleared
            | Change::Cursor { .. }
            | Change::CursorDone { .. } => change_alone(self.session_mut(id), change),
        }
    }

    fn attach(&mut self, id: SessionId, expiry_interval: u32) {
        let session = &mut self.sessions[id.0 as usize];
        let was_kept = session.is_kept();
        session.expiry_interval = expiry_interval;
        session.detached = Time::NEVER;
        if was_kept && expiry_interval == 0 {
            // It will end with this connection: nothing of it is durable from here on.
            let number = session.number;
            let groups: Vec<u32> = session.groups().to_vec();
            for group in groups {
                self.count_kept(group, true, false);
            }
            self.by_number.remove(&number);
        }
    }

    fn subscribe(
        &mut self,
        id: SessionId,
        filter: Filter<'_>,
        who: Subscriber,
        group: u32,
        root: u16,
    ) {
        let (held, is_new) = self.router.subscribe(filter, who, group);
        self.router.set_root(id, held, root);
        let session = &mut self.sessions[id.0 as usize];
        let is_kept = session.is_kept();
        session.subscriptions.insert(held);
        if held.group != 0 {
            session.rare_mut().groups.insert(held.group);
        }
        if is_new {
            self.count_kept(held.group, is_kept, true);
        }
    }

    fn unsubscribe(&mut self, id: SessionId, filter: Filter<'_>) {
        let Some(held) = self.router.find(filter) else { return };
        let session = &mut self.sessions[id.0 as usize];
        if session.subscriptions.remove((held.node, held.group)).is_none() {
            return;
        }
        let is_kept = session.is_kept();
        let rare = session.rare_mut();
        rare.groups.remove(held.group);
        rare.cursors.remove(filter.as_str());
        session.tidy();
        self.count_kept(held.group, is_kept, false);
        self.router.unsubscribe(id, held);
    }

    /// Keeps count of a shared subscription's members that outlive their connections.
    fn count_kept(&mut self, group: u32, is_kept: bool, joins: bool) {
        if group != 0 && is_kept {
            let kept = &mut self.router.group_mut(GroupId(group)).kept;
            if joins {
                *kept += 1;
            } else {
                *kept -= 1;
            }
        }
    }

    /// Changes what waits for a shared subscription.
    pub(super) fn change_group(&mut self, group: u32, change: GroupChange) {
        if self.router.group(GroupId(group)).is_none() {
            return;
        }
        let queue = &mut self.router.group_mut(GroupId(group)).queue;
        match change {
            GroupChange::Queued(delivery) => queue.push(delivery),
            GroupChange::Unqueued => drop(queue.pop()),
            GroupChange::Dropped => while queue.pop().is_some() {},
        }
    }

    /// Keeps a retained message instead of the one its topic had.
    pub(super) fn retain(&mut self, message: Rc<Message>) {
        if let Some(at) = message.expires() {
            self.expiring.insert((at, message.number), Rc::clone(&message));
            self.gauge.charge(Kind::Retained, EXPIRING_BYTES);
        }
        let old = self.router.retained.insert(message);
        if old.is_none() {
            self.gauge.charge(Kind::Retained, RETAINED_BYTES);
        }
        self.forget_expiry(old);
    }

    /// Forgets the retained message of a topic.
    pub(super) fn unretain(&mut self, topic: &str) {
        let old = self.router.retained.remove(topic);
        if old.is_some() {
            self.gauge.release(Kind::Retained, RETAINED_BYTES);
        }
        self.forget_expiry(old);
    }

    fn forget_expiry(&mut self, old: Option<Rc<Message>>) {
        if let Some(old) = old
            && let Some(at) = old.expires()
        {
            self.expiring.remove(&(at, old.number));
            self.gauge.release(Kind::Retained, EXPIRING_BYTES);
        }
    }

    /// When the first retained message expires.
    pub(super) fn next_expiry(&self) -> Option<Time> {
        self.expiring.first_key_value().map(|((at, _), _)| *at)
    }

    /// The topic of a retained message that has expired.
    pub(super) fn expired_retained(&self, now: Time) -> Option<Box<str>> {
        let ((at, _), message) = self.expiring.first_key_value()?;
        (*at <= now).then(|| message.topic().as_str().into())
    }

    /// Whether a session is there.
    pub(super) fn contains(&self, id: SessionId) -> bool {
        self.sessions.contains(id.0 as usize)
    }
}

/// A place in the index over retained messages: a pointer, in nodes that are two thirds full.
const RETAINED_BYTES: usize = size_of::<Rc<Message>>() * 3 / 2;

/// A place among those that expire.
const EXPIRING_BYTES: usize = size_of::<((Time, u64), Rc<Message>)>() * 3 / 2;

/// The changes that concern a session and nothing beside it.
fn change_alone(session: &mut Session, change: Change) {
    let is_kept = session.is_kept();
    match change {
        Change::Detached { at, expiry_interval } => {
            session.detached = at;
            session.expiry_interval = expiry_interval;
        }
        Change::Queued(delivery) => session.queue_mut().push(delivery),
        Change::Unqueued => {
            session.queue_mut().pop();
            session.tidy();
        }
        Change::Sent { packet_id, len } => {
            if let Some(delivery) = session.queue_mut().pop() {
                sent(session, is_kept, packet_id, delivery, len);
            }
            session.tidy();
        }
        Change::Delivered { packet_id, delivery, len } => {
            sent(session, is_kept, packet_id, delivery, len);
        }
        Change::Received(packet_id) => session.change_outbound(|outbound| {
            let _ = outbound.received(packet_id);
        }),
        Change::Settled(packet_id) => session.change_outbound(|outbound| {
            outbound.forget(packet_id);
        }),
        Change::Taken(packet_id) => session.change_inbound(|inbound| {
            inbound.publish(packet_id);
        }),
        Change::Released(packet_id) => session.change_inbound(|inbound| {
            inbound.release(packet_id);
        }),
        Change::WillSet(message, delay_interval) => {
            session.rare_mut().will = Some(Will { message, delay_interval });
        }
        Change::WillCleared => {
            session.rare_mut().will = None;
            session.tidy();
        }
        Change::Cursor { filter, after } => {
            session.rare_mut().cursors.insert(filter, after);
        }
        Change::CursorDone { filter } => {
            session.rare_mut().cursors.remove(&filter);
            session.tidy();
        }
        Change::Opened { .. }
        | Change::Attached { .. }
        | Change::Closed
        | Change::Subscribed { .. }
        | Change::Unsubscribed { .. } => {}
    }
}

/// A delivery enters the window. Where the session ends with its connection nothing can be sent
/// again, so the identifier is enough; a shared subscription's message may go to another member.
fn sent(
    session: &mut Session,
    is_kept: bool,
    packet_id: PacketId,
    mut delivery: Delivery,
    len: u32,
) {
    if !is_kept && delivery.group == 0 {
        delivery.message = None;
    }
    let qos = delivery.qos;
    session.change_outbound(|outbound| outbound.send(packet_id, qos, delivery, len));
}

/// For `server::sizes`.
#[cfg(test)]
impl super::Broker {
    pub(crate) const EXPIRING_BYTES: usize = size_of::<((Time, u64), Rc<Message>)>();
}
