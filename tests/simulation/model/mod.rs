//! What the broker has promised, kept by the simplest means.
//!
//! Owns: sessions with what they are owed, shared subscriptions, retained messages, links. It is
//! told of every event before the broker's answer is looked at, and then checks every word of the
//! answer: nothing may be said that is not owed, and at the end nothing may be owed.
//!
//! What a queue discards the model does not predict: it counts. Each message owed to a session is
//! sent for the first time once, or dropped for a counted reason, and the sum must come out.
//!
//! ```text
//! hear.rs   what clients say, and what must be answered
//! route.rs  who is owed a message
//! life.rs   sessions and their connections: take-over, Wills, expiry, time
//! check.rs  what the broker says
//! letter.rs whether a PUBLISH is this message
//! ```
//!
//! Never looks into the broker.

mod check;
mod hear;
mod letter;
mod life;
mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use mqtt_broker::broker::{ConnId, Options, Seq, Storage};
use mqtt_broker::codec::{QoS, SubscribeOptions, Version};
use mqtt_broker::time::Time;

/// A message as it was published.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) topic: Rc<str>,
    pub(super) payload: Rc<[u8]>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) publisher: usize,
    pub(super) expiry: Option<u32>,
    pub(super) created: Time,
}

impl Letter {
    fn has_expired(&self, now: Time) -> bool {
        self.expiry.is_some_and(|secs| self.created.plus_secs(secs) <= now)
    }
}

/// A message a session is owed, and how.
#[derive(Clone, Debug)]
struct Owed {
    letter: Rc<Letter>,
    /// Order of routing.
    arrival: u64,
    qos: QoS,
    retain: bool,
    /// Sorted.
    identifiers: Vec<u32>,
    /// The shared subscription it comes from.
    group: Option<&'static str>,
}

/// A message above QoS 0 on its way to a client.
#[derive(Clone, Debug)]
struct Flight {
    packet_id: u16,
    owed: Owed,
    /// PUBREC has come.
    is_received: bool,
    /// It or its PUBREL was last sent there.
    conn: ConnId,
    /// Order of first sending.
    order: u64,
    /// Some connection since could not take it, so that it may count as settled.
    is_unsendable: bool,
    /// What its first sending rested on.
    after: Seq,
}

/// Retained messages a subscription brings.
#[derive(Clone, Debug)]
struct Run {
    filter: &'static str,
    options: SubscribeOptions,
    identifier: u32,
    /// Topics that must come.
    must: BTreeSet<String>,
    /// Topics that have come, each by one of the session's copies.
    sent: BTreeMap<String, usize>,
    /// The subscription was replaced or ended: it brings no more.
    is_over: bool,
}

/// A retained message that was sent. Copies that several subscriptions bring may look the same,
/// so which of them brought it is left open: there must be one for each.
#[derive(Clone, Debug)]
struct Copied {
    topic: String,
    /// Runs that can have brought it.
    runs: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Session {
    /// Order of opening.
    number: u64,
    expiry: u32,
    conn: Option<ConnId>,
    detached: Option<Time>,
    /// With its delay.
    will: Option<(Rc<Letter>, u32)>,
    subs: BTreeMap<&'static str, (SubscribeOptions, u32)>,
    waiting: Vec<Owed>,
    flights: Vec<Flight>,
    taken: BTreeSet<u16>,
    runs: Vec<Run>,
    copied: Vec<Copied>,
    /// The last arrival sent, by topic, publisher and QoS.
    latest: BTreeMap<(Rc<str>, usize, QoS), u64>,
}

impl Session {
    const fn is_kept(&self) -> bool {
        self.expiry > 0
    }

    fn ends(&self) -> Option<Time> {
        let detached = self.detached?;
        (self.expiry < u32::MAX).then(|| detached.plus_secs(self.expiry))
    }

    fn will_due(&self) -> Option<Time> {
        let (_, delay) = self.will.as_ref()?;
        Some(self.detached?.plus_secs(*delay))
    }
}

#[derive(Clone, Debug, Default)]
struct Group {
    members: BTreeSet<usize>,
    waiting: Vec<Owed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Awaiting,
    Online,
    /// Detached; the broker has closed it or will in this event.
    Left,
}

#[derive(Clone, Debug)]
struct Link {
    client: usize,
    state: State,
    version: Version,
    /// CONNECT or the next packet must come before.
    silent_by: Option<Time>,
    patience_ms: u64,
    charged: u64,
    stalled_by: Option<Time>,
    quota: usize,
    packet_max: u32,
    may_extend: bool,
    room: u64,
    /// What stands before all names of its client.
    mount: &'static str,
    qos_max: QoS,
    /// Its listener speaks these.
    versions: Vec<Version>,
    listener: u16,
    aliases: BTreeMap<u16, Rc<str>>,
    /// A PUBLISH that has been read and is neither taken nor refused yet.
    pending: Option<Pending>,
    /// PUBLISH packets read, their bytes, and since when.
    read: (u64, u64, Time),
    /// Order of the last flight sent again.
    resent: u64,
}

/// A PUBLISH that waits in the broker.
#[derive(Clone, Debug)]
struct Pending {
    letter: Rc<Letter>,
    packet_id: u16,
    /// Longer it does not wait.
    by: Time,
}

/// Sums that must come out.
#[derive(Clone, Debug, Default)]
pub(super) struct Balance {
    /// Messages sessions were owed.
    pub(super) owed: u64,
    /// Of these, sent for the first time.
    pub(super) sent: u64,
    /// Of these, QoS 0 to somebody away.
    pub(super) offline: u64,
    pub(super) refused: u64,
    /// Counted by the broker as too large, though sent once or not counted as owed.
    pub(super) settled_unsent: u64,
}

/// What the broker must say in answer to one event.
#[derive(Clone, Debug, Default)]
struct Expected {
    /// In order.
    replies: Vec<(ConnId, String)>,
    closings: BTreeSet<ConnId>,
}

/// What was promised so far.
#[derive(Clone, Debug)]
pub(super) struct Model {
    options: Options,
    now: Time,
    sessions: BTreeMap<usize, Session>,
    groups: BTreeMap<&'static str, Group>,
    retained: BTreeMap<String, Rc<Letter>>,
    links: BTreeMap<ConnId, Link>,
    expected: Expected,
    balance: Balance,
    arrivals: u64,
    arrivals_before: u64,
    sendings: u64,
    openings: u64,
    /// Number of the newest record, and of the newest before this event.
    seq: Seq,
    before: Seq,
    /// Number of the newest record that ended a session.
    ended: Seq,
    /// What the broker was last told of it.
    storage: Storage,
    /// The event repeats a QoS 2 message, or says what a topic retains: what is answered rests on
    /// earlier events, too.
    looks_back: bool,
    /// Who is acknowledged by this event what has waited.
    has_waited: BTreeSet<ConnId>,
    /// What was retained instead of what they retain.
    replaced: Vec<Rc<Letter>>,
}

impl Model {
    pub(super) fn new(options: Options, now: Time) -> Self {
        Self {
            options,
            now,
            sessions: BTreeMap::new(),
            groups: BTreeMap::new(),
            retained: BTreeMap::new(),
            links: BTreeMap::new(),
            expected: Expected::default(),
            balance: Balance::default(),
            arrivals: 0,
            arrivals_before: 0,
            sendings: 0,
            openings: 0,
            seq: Seq(0),
            before: Seq(0),
            ended: Seq(0),
            storage: Storage::Well,
            looks_back: false,
            has_waited: BTreeSet::new(),
            replaced: Vec::new(),
        }
    }

    pub(super) const fn balance(&self) -> &Balance {
        &self.balance
    }

    /// Messages that are owed and were not sent, dropped or not.
    pub(super) fn waiting(&self) -> u64 {
        let sessions: usize = self.sessions.values().map(|session| session.waiting.len()).sum();
        let groups: usize = self.groups.values().map(|group| group.waiting.len()).sum();
        (sessions + groups) as u64
    }

    /// Nothing that was sent is unsettled, and nothing retained is still to come. What was too
    /// large for a connection counts as settled: `is_limited` says that there may be such.
    pub(super) fn check_settled(&self, is_limited: bool) {
        for (client, session) in &self.sessions {
            let mut flights = session.flights.iter();
            let is_open = |flight: &Flight| !is_limited || session.conn == Some(flight.conn);
            assert!(!flights.any(is_open), "client-{client}: {:?}", session.flights);
            assert!(session.taken.is_empty(), "client-{client} taken: {:?}", session.taken);
            let owed = session.runs.iter().flat_map(|run| &run.must);
            let topics: BTreeSet<&String> = owed.clone().collect();
            for topic in topics {
                let owed = owed.clone().filter(|owed| *owed == topic).count();
                let came = session.copied.iter().filter(|copied| copied.topic == *topic).count();
                assert!(is_limited || came >= owed, "client-{client}: {topic} {came} of {owed}");
            }
        }
    }

    /// Nothing that is owed was left out.
    pub(super) fn check_nothing_owed(&self) {
        for (client, session) in &self.sessions {
            assert!(session.waiting.is_empty(), "client-{client}: {:?}", session.waiting);
        }
        for (filter, group) in &self.groups {
            assert!(group.waiting.is_empty(), "{filter}: {:?}", group.waiting);
        }
    }

    /// Which session a connection has just been given.
    pub(super) fn session_of(&self, conn: ConnId) -> u64 {
        self.sessions[&self.links[&conn].client].number
    }

    /// A name as everybody else has it.
    fn whole(&self, conn: ConnId, name: &str) -> String {
        format!("{}{name}", self.links[&conn].mount)
    }

    /// At which QoS a message goes out.
    fn outgoing(&self, subscribed: QoS, published: QoS) -> QoS {
        if self.options.upgrade_outgoing_qos { subscribed } else { subscribed.min(published) }
    }

    fn session_at(&mut self, conn: ConnId) -> Option<&mut Session> {
        let link = self.links.get(&conn).filter(|link| link.state == State::Online)?;
        self.sessions.get_mut(&link.client)
    }

    fn reply(&mut self, conn: ConnId, reply: String) {
        self.expected.replies.push((conn, reply));
    }

    /// The broker is to close a connection now; a 5.0 client is told why.
    fn dismissal(&mut self, conn: ConnId, reason: u8) {
        if self.links[&conn].version == Version::V5 {
            self.reply(conn, format!("disconnect 0x{reason:02x}"));
        }
        self.expected.closings.insert(conn);
    }
}
