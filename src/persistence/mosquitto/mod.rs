//! What a database of mosquitto holds, as records: for those who change over.
//!
//! Owns: the meaning of its chunks. Sessions keep their subscriptions, what waits for them
//! and what is on its way, with its identifiers; topics keep their retained messages. A QoS 2
//! message that has come and was not released mosquitto has acknowledged and given to nobody yet;
//! here it is given to the sessions that subscribe to it, and its identifier stays in use.
//!
//! What cannot be taken over is left out and counted: what has expired, sessions that end with
//! their connection, what refers to nothing, names that the protocol does not allow.
//!
//! Never opens a file, and never changes a store.

mod chunk;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use self::chunk::{Chunk, Chunks};
use super::{Change, Corrupt, Record};
use crate::codec::{
    PacketId, QoS, RetainHandling, SubscribeOptions, Text, read_publish_property_block,
    write_forwardable,
};
use crate::message::{Delivery, Message, Parts};
use crate::metrics::Gauge;
use crate::time::Time;
use crate::topic_matcher::{Filter, Topic};

/// What was found, and what was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sessions.
    pub sessions: usize,
    /// Their subscriptions.
    pub subscriptions: usize,
    /// Messages that wait for a session or are on their way to it.
    pub deliveries: usize,
    /// Topics with a retained message.
    pub retained: usize,
    /// Messages whose time has passed, where one was to be delivered or retained.
    pub expired: usize,
    /// Sessions that end with their connection, or whose time has passed.
    pub ended: usize,
    /// What refers to nothing or is not allowed.
    pub unusable: usize,
}

/// A state of mosquitto's, of a message on its way.
mod state {
    /// Sent, or to be sent again; nothing has come back.
    pub(super) const SENT: [u8; 4] = [2, 3, 4, 5];
    /// PUBREC has come back.
    pub(super) const RECEIVED: [u8; 2] = [6, 9];
    /// It has come, and PUBREL has not.
    pub(super) const UNRELEASED: [u8; 2] = [7, 10];
    /// It waits to be sent: one of QoS 0, and others.
    pub(super) const WAITING: [u8; 2] = [1, 11];
}

/// A message, once anything refers to it.
struct Stored<'a> {
    found: chunk::Message<'a>,
    is_retained: bool,
    made: Option<Rc<Message>>,
}

/// A session and everything of it.
struct Session<'a> {
    found: chunk::Client<'a>,
    subscriptions: Vec<chunk::Subscription<'a>>,
    deliveries: Vec<chunk::Delivery<'a>>,
    /// Messages that others had sent and not released.
    given: Vec<Delivery>,
}

/// Reads a whole database, as of `now`. Messages are charged to `gauge`.
///
/// # Errors
/// If it is none, of another version, or damaged.
pub fn read(bytes: &[u8], now: Time, gauge: &Rc<Gauge>) -> Result<(Vec<Record>, Tally), String> {
    let damaged = |corrupt: Corrupt| format!("it is damaged: {}", corrupt.what);
    let mut chunks = Chunks::new(bytes)?;
    let mut import = Import {
        now,
        gauge,
        messages: BTreeMap::new(),
        sessions: BTreeMap::new(),
        numbers: 0,
        tally: Tally::default(),
        records: Vec::new(),
    };
    let mut loose = Vec::new();
    while let Some(chunk) = chunks.next().map_err(damaged)? {
        match chunk {
            Chunk::Message(found) => {
                let stored = Stored { found, is_retained: false, made: None };
                import.messages.insert(stored.found.id, stored);
            }
            Chunk::Client(found) => {
                let (subscriptions, deliveries, given) = (Vec::new(), Vec::new(), Vec::new());
                let session = Session { found, subscriptions, deliveries, given };
                import.sessions.insert(session.found.client_id, session);
            }
            Chunk::Other => {}
            // They may come before what they refer to.
            chunk @ (Chunk::Delivery(_) | Chunk::Retained(_) | Chunk::Subscription(_)) => {
                loose.push(chunk);
            }
        }
    }
    import.tie(loose);
    import.give_unreleased();
    import.write_sessions();
    import.write_retained();
    Ok((import.records, import.tally))
}

struct Import<'a, 'g> {
    now: Time,
    gauge: &'g Rc<Gauge>,
    messages: BTreeMap<u64, Stored<'a>>,
    sessions: BTreeMap<&'a str, Session<'a>>,
    numbers: u64,
    tally: Tally,
    records: Vec<Record>,
}

impl<'a> Import<'a, '_> {
    /// Gives everything to what it belongs to.
    fn tie(&mut self, loose: Vec<Chunk<'a>>) {
        let now = self.now.as_ms() / 1000;
        let all = self.sessions.len();
        self.sessions.retain(|_, session| {
            let chunk::Client { expires, interval, .. } = session.found;
            interval > 0 && (interval == u32::MAX || expires == 0 || expires > now)
        });
        self.tally.ended = all - self.sessions.len();
        for chunk in loose {
            let is_used = match chunk {
                Chunk::Delivery(found) => match self.sessions.get_mut(found.client_id) {
                    Some(session) => {
                        session.deliveries.push(found);
                        true
                    }
                    None => false,
                },
                Chunk::Subscription(found) => {
                    let is_sound = Filter::parse(found.filter).is_ok() && found.qos <= 2;
                    match self.sessions.get_mut(found.client_id).filter(|_| is_sound) {
                        Some(session) => {
                            session.subscriptions.push(found);
                            true
                        }
                        None => false,
                    }
                }
                Chunk::Retained(id) => match self.messages.get_mut(&id) {
                    Some(stored) => {
                        stored.is_retained = true;
                        true
                    }
                    None => false,
                },
                Chunk::Message(_) | Chunk::Client(_) | Chunk::Other => true,
            };
            self.tally.unusable += usize::from(!is_used);
        }
    }

    /// A message, made when it is first needed; `None` and counted if it cannot be.
    fn message(&mut self, id: u64) -> Option<Rc<Message>> {
        let Some(stored) = self.messages.get_mut(&id) else {
            self.tally.unusable += 1;
            return None;
        };
        if stored.made.is_none() {
            let found = &stored.found;
            if found.expires != 0 && found.expires <= self.now.as_ms() / 1000 {
                self.tally.expired += 1;
                return None;
            }
            let made = make(found, stored.is_retained, self.numbers + 1, self.now, self.gauge);
            self.tally.unusable += usize::from(made.is_none());
            stored.made = made;
            self.numbers += 1;
        }
        stored.made.clone()
    }

    /// Gives QoS 2 messages that were not released to the sessions that subscribe to them.
    fn give_unreleased(&mut self) {
        let unreleased = |found: &chunk::Delivery<'_>| {
            !found.is_outgoing && state::UNRELEASED.contains(&found.state)
        };
        let sessions = self.sessions.values();
        let deliveries = sessions.flat_map(|session| session.deliveries.iter());
        let mut ids: Vec<u64> =
            deliveries.filter(|found| unreleased(found)).map(|found| found.message).collect();
        ids.sort_unstable();
        for id in ids {
            let Some(message) = self.message(id) else { continue };
            if message.retain
                && let Some(stored) = self.messages.get_mut(&id)
            {
                stored.is_retained = true;
            }
            let Ok(topic) = Topic::parse(message.topic().as_str()) else { continue };
            for session in self.sessions.values_mut() {
                let is_own = message.publisher.as_deref() == Some(session.found.client_id);
                let granted = session.subscriptions.iter().filter(|found| {
                    !(is_own && options_of(found).no_local)
                        && Filter::parse(found.filter).is_ok_and(|filter| filter.matches(topic))
                });
                let Some(qos) = granted.map(|found| found.qos).max() else { continue };
                let qos = qos_of(qos).min(message.qos);
                let message = Some(Rc::clone(&message));
                let delivery =
                    Delivery { message, identifiers: None, group: 0, qos, retain: false };
                session.given.push(delivery);
            }
        }
    }

    fn write_sessions(&mut self) {
        let sessions = std::mem::take(&mut self.sessions);
        let mut groups = BTreeMap::new();
        for (number, session) in (1..).zip(sessions.into_values()) {
            self.write_session(number, session, &mut groups);
        }
    }

    fn write_session(
        &mut self,
        number: u64,
        session: Session<'a>,
        groups: &mut BTreeMap<&'a str, u32>,
    ) {
        let mut changes = Vec::new();
        let chunk::Client { client_id, expires, interval: expiry_interval } = session.found;
        changes.push(Change::Opened { client_id: client_id.into(), expiry_interval });
        let mut filters = BTreeSet::new();
        for found in session.subscriptions {
            if !filters.insert(found.filter) {
                self.tally.unusable += 1;
                continue;
            }
            let group = if found.filter.starts_with("$share/") {
                let next = u32::try_from(groups.len() + 1).unwrap_or(u32::MAX);
                *groups.entry(found.filter).or_insert(next)
            } else {
                0
            };
            let (options, identifier) = (options_of(&found), found.identifier);
            let filter = found.filter.into();
            changes.push(Change::Subscribed { filter, options, identifier, group, root: 0 });
            self.tally.subscriptions += 1;
        }
        let mut queue = Vec::new();
        let (mut used, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for found in session.deliveries {
            self.deliver(&found, (&mut used, &mut taken), &mut changes, &mut queue);
        }
        queue.extend(session.given);
        self.tally.deliveries += queue.len();
        changes.extend(queue.into_iter().map(Change::Queued));
        let lost_at = match expires.checked_sub(expiry_interval.into()) {
            Some(at) if at > 0 => Time::from_ms(at.saturating_mul(1000)).min(self.now),
            _ => self.now,
        };
        changes.push(Change::Detached { at: lost_at, expiry_interval });
        self.records.extend(changes.into_iter().map(|change| Record::Session(number, change)));
        self.tally.sessions += 1;
    }

    /// One message on its way to a session or from it.
    fn deliver(
        &mut self,
        found: &chunk::Delivery<'_>,
        (used, taken): (&mut BTreeSet<PacketId>, &mut BTreeSet<PacketId>),
        changes: &mut Vec<Change>,
        queue: &mut Vec<Delivery>,
    ) {
        let packet_id = PacketId::new(found.packet_id);
        if !found.is_outgoing {
            if state::UNRELEASED.contains(&found.state)
                && let Some(packet_id) = packet_id.filter(|id| taken.insert(*id))
            {
                changes.push(Change::Taken(packet_id));
            }
            return;
        }
        if state::RECEIVED.contains(&found.state) {
            if let Some(packet_id) = packet_id.filter(|id| used.insert(*id)) {
                let delivery = Delivery::RECEIVED;
                changes.push(Change::Delivered { packet_id, delivery, len: 0 });
                changes.push(Change::Received(packet_id));
            }
            return;
        }
        let Some(message) = self.message(found.message) else { return };
        let len = u32::try_from(message.parts().len()).unwrap_or(u32::MAX);
        let properties = read_publish_property_block(found.properties).unwrap_or_default();
        let identifiers = properties.subscription_identifiers;
        let identifiers = (!identifiers.is_empty()).then(|| Box::new(identifiers));
        let qos = qos_of(found.qos);
        let message = Some(message);
        let delivery = Delivery { message, identifiers, group: 0, qos, retain: found.retain };
        if state::SENT.contains(&found.state) && qos > QoS::AtMostOnce {
            match packet_id.filter(|id| used.insert(*id)) {
                Some(packet_id) => {
                    changes.push(Change::Delivered { packet_id, delivery, len });
                    self.tally.deliveries += 1;
                }
                None => self.tally.unusable += 1,
            }
        } else if state::WAITING.contains(&found.state) {
            queue.push(delivery);
        } else {
            self.tally.unusable += 1;
        }
    }

    fn write_retained(&mut self) {
        let stored = self.messages.values();
        let ids = stored.filter(|stored| stored.is_retained).map(|stored| stored.found.id);
        for id in ids.collect::<Vec<_>>() {
            if let Some(message) = self.message(id) {
                self.records.push(Record::Retained(message));
                self.tally.retained += 1;
            }
        }
    }
}

fn make(
    found: &chunk::Message<'_>,
    is_retained: bool,
    number: u64,
    now: Time,
    gauge: &Rc<Gauge>,
) -> Option<Rc<Message>> {
    let topic = Topic::parse(found.topic).ok().filter(|topic| !topic.is_system())?;
    let mut properties = Vec::new();
    if !found.properties.is_empty() {
        let block = read_publish_property_block(found.properties).ok()?;
        write_forwardable(&block, &mut properties);
    }
    let left = found.expires.saturating_sub(now.as_ms() / 1000);
    let parts = Parts {
        topic: Text::from(topic.as_str()),
        properties: &properties,
        payload: found.payload,
        qos: qos_of(found.qos),
        retain: found.retain || is_retained,
        expiry_interval: (found.expires != 0).then(|| u32::try_from(left).unwrap_or(u32::MAX)),
        created: now,
    };
    let publisher = (!found.client_id.is_empty()).then(|| found.client_id.into());
    let user_name = Some(found.user_name).filter(|name| !name.is_empty());
    Some(Message::of(number, &parts, publisher, user_name, gauge))
}

const fn qos_of(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

const fn options_of(found: &chunk::Subscription<'_>) -> SubscribeOptions {
    SubscribeOptions {
        qos: qos_of(found.qos),
        no_local: found.options & 1 << 2 != 0,
        retain_as_published: found.options & 1 << 3 != 0,
        retain_handling: match found.options >> 4 & 3 {
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => RetainHandling::Send,
        },
    }
}
