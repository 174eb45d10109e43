//! The broker: tell it the time and everything that happens, and it says what it wants.
//!
//! Owns: links, sessions, subscriptions, retained messages and every timer. One entrance,
//! [`Broker::handle`]; one way out, the [`Effects`] it is given. Handlers live in files by packet
//! and return `Result<(), Fault>`; one function here turns a fault into what the peer sees.
//!
//! ```text
//! handle - connect.rs     CONNECT, AUTH: who is let in
//!        - entry.rs       what a CONNECT must be like
//!        - welcome.rs     the terms of a connection, CONNACK
//!        - attach.rs      a session and its connections: take-over, DISCONNECT, the end
//!        - names.rs       mount points, topic aliases
//!        - publish.rs     PUBLISH and PUBREL from a client, Wills, retained messages
//!        - source.rs      a message on its way, and what it takes of a connection
//!        - deliver.rs     a message to one session: room, window, queue
//!        - group.rs       a message to a shared subscription
//!        - pump.rs        what waits for a session, when it can take more
//!        - scan.rs        retained messages for those who subscribe
//!        - ack.rs         PUBACK, PUBREC, PUBCOMP from a client
//!        - subscribe.rs   SUBSCRIBE, UNSUBSCRIBE
//!        - expire.rs      what happens because time has passed
//!        - process.rs     storage that is behind, the end of the process
//! ```
//!
//! Durable state changes only through `Store`; each change of a session that outlives its
//! connection is an [`Effect::Record`] as well, and what is sent because of it names the record
//! after which it may leave. All records of one `handle` call are one unit of durability.
//!
//! Never touches a socket, a clock, a file, a thread, or randomness but its seed.

mod ack;
mod attach;
mod check;
mod connect;
mod deliver;
mod emit;
mod entry;
mod event;
mod expire;
mod group;
mod link;
mod names;
mod options;
mod process;
mod publish;
mod pump;
mod scan;
mod shown;
mod snapshot;
mod source;
mod store;
mod subscribe;
pub mod target;
mod timers;
mod trace;
mod welcome;

use std::rc::Rc;

use log::warn;

use crate::codec::{self, Incoming, Packet, PublishRef, ReasonCode, Version};
use crate::metrics::{Counters, Gauge};
use crate::persistence::{Corrupt, Record};
pub use crate::persistence::{Seq, Storage};
use crate::rng::Rng;
use crate::router::Matches;
use crate::session::{Authority, SessionId};
pub use crate::session::{ConnId, Peer};
use crate::time::Time;

pub use event::{Effect, Effects, End, Event, MessageRef, Outgoing, Target, Verdict};
use link::{Link, Links};
pub use options::{ListenerOptions, Options, Overflow};
use shown::{NOBODY, Shown, name, shown_user};
use store::Store;
use target::CONNECTION;
use timers::{Timer, Timers};

/// What a peer did that ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fault {
    code: ReasonCode,
    what: &'static str,
}

impl Fault {
    const fn new(code: ReasonCode, what: &'static str) -> Self {
        Self { code, what }
    }

    const fn protocol(what: &'static str) -> Self {
        Self::new(ReasonCode::PROTOCOL_ERROR, what)
    }

    const fn malformed(what: &'static str) -> Self {
        Self::new(ReasonCode::MALFORMED_PACKET, what)
    }
}

/// An MQTT broker without input or output.
pub struct Broker {
    options: Options,
    authority: Box<dyn Authority>,
    /// The authority says yes to everything, so that it is not asked for each message.
    allows_all: bool,
    store: Store,
    links: Links,
    timers: Timers,
    /// When the entry for unfinished scans is; never, if there is none.
    scan_at: Time,
    /// Sessions whose retained messages one go did not reach, the first to go on first.
    scanning: Vec<SessionId>,
    /// When topics of retained messages were last looked at for filters with wildcards, and how
    /// many since then.
    scanned: (Time, usize),
    counters: Counters,
    rng: Rng,
    /// Of the newest record.
    seq: Seq,
    /// Of the newest record that ended a session.
    ended: Seq,
    storage: Storage,
    /// Set by `Stopping`: nobody is let in any more.
    is_stopping: bool,
    /// Connections to end when the event has been handled.
    doomed: Vec<ConnId>,
    /// Reused by what has no cache of its own.
    matches: Matches,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Broker {
    /// A broker without sessions. `seed` decides hashes and the ids it chooses.
    #[must_use]
    pub fn new(options: Options, authority: Box<dyn Authority>, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            options,
            allows_all: authority.allows_all(),
            authority,
            store: Store::new(rng.next_u64()),
            links: Links::default(),
            timers: Timers::default(),
            scan_at: Time::NEVER,
            scanning: Vec::new(),
            scanned: (Time::NEVER, 0),
            counters: Counters::default(),
            rng,
            seq: Seq(0),
            ended: Seq(0),
            storage: Storage::Well,
            is_stopping: false,
            doomed: Vec::new(),
            matches: Matches::default(),
        }
    }

    /// Applies a record of an earlier run, in order, before the first event.
    ///
    /// # Errors
    /// If it does not fit the ones before it.
    pub fn replay(&mut self, record: Record) -> Result<(), Corrupt> {
        self.store.replay(record)
    }

    /// Ends recovery: sessions that were connected when the last run ended lost their connections
    /// now.
    pub fn recovered(&mut self, now: Time, effects: &mut Effects) {
        for (id, change) in self.store.detach_all(now) {
            self.change(id, change, effects);
        }
        let kept: Vec<SessionId> = self.store.iter().map(|(id, _)| id).collect();
        for id in kept {
            self.arm_session(id);
        }
    }

    /// Tells the broker what has happened and takes what it wants, appended to `effects`.
    pub fn handle(&mut self, now: Time, event: Event<'_>, effects: &mut Effects) {
        // Looked at once an event: who does not want packets in the log pays for a comparison.
        if log::log_enabled!(log::Level::Debug) {
            return self.handle_aloud(now, event, effects);
        }
        self.handle_quietly(now, event, effects);
    }

    fn handle_quietly(&mut self, now: Time, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Opened { conn, peer } => self.on_opened(now, conn, peer),
            Event::Published { conn, publish } => self.on_published(now, conn, publish, effects),
            Event::Received { conn, packet } => self.on_received(now, conn, packet, effects),
            Event::Garbled { conn, version, error } => {
                self.on_garbled(now, conn, version, error, effects);
            }
            Event::Written { conn, bytes } => self.on_written(now, conn, bytes, effects),
            Event::Closed { conn, end } => self.on_closed(now, conn, end, effects),
            Event::Judged { conn, verdict } => self.on_judged(now, conn, verdict, effects),
            Event::Configured { options, authority } => {
                self.on_configured(now, *options, authority, effects);
            }
            Event::Storage { state, .. } => self.on_storage(now, state, effects),
            Event::Stopping => self.on_stopping(now, effects),
            Event::Tick => self.on_tick(now, effects),
        }
        self.dismiss_doomed(now, effects);
        self.check();
    }

    /// When [`Event::Tick`] is to come, if ever. Later than the last `Tick` was.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let deadlines = [self.timers.deadline(), self.store.next_expiry()];
        deadlines.into_iter().flatten().min()
    }

    /// What has happened so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Bytes in use, by kind; to be charged for what lies outside the core too.
    #[must_use]
    pub const fn gauge(&self) -> &Rc<Gauge> {
        &self.store.gauge
    }

    /// How many sessions there are, connected or not.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.store.len()
    }

    /// How many subscriptions there are.
    #[must_use]
    pub const fn subscriptions(&self) -> usize {
        self.store.router.subscriptions()
    }

    /// How many topics have a retained message.
    #[must_use]
    pub fn retained(&self) -> usize {
        self.store.router.retained.len()
    }

    fn on_published(
        &mut self,
        now: Time,
        conn: ConnId,
        publish: &PublishRef<'_>,
        effects: &mut Effects,
    ) {
        let Some(online) = self.links.online_mut(conn) else {
            return self.on_received(now, conn, Incoming::Publish(*publish), effects);
        };
        online.heard(now);
        self.counters.packets_received += 1;
        if let Err(fault) = self.on_publish(now, conn, publish, effects) {
            self.fail(now, conn, fault, effects);
        }
    }

    fn on_received(
        &mut self,
        now: Time,
        conn: ConnId,
        packet: Incoming<'_>,
        effects: &mut Effects,
    ) {
        self.counters.packets_received += 1;
        let done = match self.links.get_mut(conn) {
            None | Some(Link::Vacant | Link::Leaving) => Ok(()),
            Some(Link::Awaiting { .. }) => self.on_first(now, conn, packet, effects),
            Some(Link::Judging(_)) => self.on_while_judging(&packet),
            Some(Link::Online(online)) => {
                online.heard(now);
                self.on_online(now, conn, packet, effects)
            }
        };
        if let Err(fault) = done {
            self.fail(now, conn, fault, effects);
        }
    }

    fn on_online(
        &mut self,
        now: Time,
        conn: ConnId,
        packet: Incoming<'_>,
        effects: &mut Effects,
    ) -> Result<(), Fault> {
        match packet {
            Incoming::Publish(publish) => self.on_publish(now, conn, &publish, effects),
            Incoming::Ack(kind, ack) => self.on_ack(now, conn, kind, &ack, effects),
            Incoming::PingReq => {
                let what = Outgoing::PingResp;
                effects.list.push(Effect::Send { conn, what, after: Seq(0) });
                Ok(())
            }
            Incoming::Other(packet) => match *packet {
                Packet::Subscribe(subscribe) => {
                    let before = self.seq;
                    self.on_subscribe(now, conn, &subscribe, effects)?;
                    self.hold_maker(now, conn, before, 0, effects);
                    Ok(())
                }
                Packet::Unsubscribe(unsubscribe) => {
                    let before = self.seq;
                    self.on_unsubscribe(conn, &unsubscribe, effects)?;
                    self.hold_maker(now, conn, before, 0, effects);
                    Ok(())
                }
                Packet::Disconnect(disconnect) => {
                    self.on_disconnect(now, conn, &disconnect, effects)
                }
                Packet::Auth(_) => self.on_auth(conn),
                // [MQTT-3.1.0-2].
                Packet::Connect(_) => Err(Fault::protocol("a second CONNECT")),
                Packet::ConnAck(_)
                | Packet::SubAck(_)
                | Packet::UnsubAck(_)
                | Packet::PingReq
                | Packet::PingResp
                | Packet::Publish(_)
                | Packet::PubAck(_)
                | Packet::PubRec(_)
                | Packet::PubRel(_)
                | Packet::PubComp(_) => Err(Fault::protocol("a packet that only a server sends")),
            },
        }
    }

    fn on_garbled(
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

    /// What a fault does: the one place. 5.0 hears why ([MQTT-4.13.1-1] of 5.0), 3.x is
    /// disconnected ([MQTT-4.8.0-1] of 3.1.1).
    fn fail(&mut self, now: Time, conn: ConnId, fault: Fault, effects: &mut Effects) {
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
