//! The broker: tell it the time and everything that happens, and it says what it wants.
//!
//! Owns: links, sessions, subscriptions, retained messages and every timer. One entrance,
//! [`Broker::handle`]; one way out, the [`Effects`] it is given. Handlers live in files by packet
//! and return `Result<(), Fault>`; one function turns a fault into what the peer sees.
//!
//! ```text
//! handle - door.rs        connections before and below their packets
//!        - connect.rs     CONNECT: who is let in
//!        - judge.rs       verdicts, AUTH
//!        - entry.rs       what a CONNECT must be like
//!        - welcome.rs     the terms of a connection, CONNACK
//!        - attach.rs      a session and its connections: take-over, DISCONNECT, the end
//!        - names.rs       mount points, topic aliases
//!        - publish.rs     PUBLISH and PUBREL from a client, Wills
//!        - retain.rs      which retained message a topic has
//!        - admit.rs       whether a PUBLISH is taken now, later or not
//!        - brake.rs       who is not read from for a while
//!        - wait.rs        a PUBLISH that waits for memory or for a place in a queue
//!        - rate.rs        what a client may publish in a second
//!        - limits.rs      what one client may have
//!        - memory.rs      what is refused as memory becomes short
//!        - source.rs      a message on its way, and what it takes of a connection
//!        - deliver.rs     a message to one session: room, window, queue
//!        - group.rs       a message to a shared subscription
//!        - pump.rs        what waits for a session, when it can take more
//!        - rights.rs      who may have what
//!        - scan.rs        retained messages for those who subscribe
//!        - ack.rs         PUBACK, PUBREC, PUBCOMP from a client
//!        - subscribe.rs   SUBSCRIBE, UNSUBSCRIBE
//!        - fault.rs       what a peer does that ends its connection, and how it ends
//!        - expire.rs      what happens because time has passed
//!        - sys/           what the broker itself publishes: numbers, who is there
//!        - process.rs     another configuration, storage that is behind, the end of the process
//! ```
//!
//! Durable state changes only through `Store`; each change of a session that outlives its
//! connection is an [`Effect::Record`] as well, and what is sent because of it names the record
//! after which it may leave. All records of one `handle` call are one unit of durability.
//!
//! Never touches a socket, a clock, a file, a thread, or randomness but its seed.

mod ack;
mod admit;
mod attach;
mod brake;
mod check;
mod connect;
mod deliver;
mod door;
mod emit;
mod entry;
mod event;
mod expire;
mod fault;
mod group;
mod judge;
mod limits;
mod link;
mod look;
mod memory;
mod names;
mod options;
mod process;
mod publish;
mod pump;
mod rate;
mod retain;
mod rights;
mod scan;
mod shown;
mod snapshot;
mod source;
mod store;
mod subscribe;
pub mod sys;
pub mod target;
mod timers;
mod trace;
mod wait;
mod welcome;

use std::collections::BTreeMap;

use crate::codec::{Incoming, Packet, PacketType, PublishRef};
use crate::metrics::{Counters, Traffic};
use crate::persistence::{Corrupt, Record};
pub use crate::persistence::{Seq, Storage};
use crate::rng::Rng;
use crate::router::Matches;
use crate::session::{Authority, SessionId};
pub use crate::session::{ConnId, Denial, Peer, Verdict};
use crate::time::Time;

pub use event::{Effect, Effects, End, Event, MessageRef, Outgoing, Target};
use fault::Fault;
use judge::Extended;
use link::{Link, Links};
use memory::Memory;
pub use options::{ListenerOptions, Options, Overflow};
pub(crate) use shown::NOBODY;
use shown::{Shown, name, shown_user};
use store::Store;
use sys::Sys;
use timers::{Timer, Timers};
use wait::Waiting;

/// An MQTT broker without input or output.
pub struct Broker {
    options: Options,
    authority: Box<dyn Authority>,
    /// The authority says yes to everything, so that it is not asked for each message.
    allows_all: bool,
    /// It minds who published a retained message.
    checks_retained: bool,
    store: Store,
    links: Links,
    /// Connections that named an authentication method.
    extended: BTreeMap<ConnId, Extended>,
    timers: Timers,
    /// When the entry for unfinished scans is; never, if there is none.
    scan_at: Time,
    /// Sessions whose retained messages one go did not reach, the first to go on first.
    scanning: Vec<SessionId>,
    /// The session and its subscription that is logged next, while they are logged.
    listing: Option<(usize, usize)>,
    /// When topics of retained messages were last looked at for filters with wildcards, and how
    /// many since then.
    scanned: (Time, usize),
    counters: Counters,
    traffic: Traffic,
    sys: Sys,
    rng: Rng,
    /// Of the newest record.
    seq: Seq,
    /// Of the newest record that ended a session.
    ended: Seq,
    storage: Storage,
    /// Something may stop a publisher: a rate, a full queue, memory.
    is_limited: bool,
    waiting: Waiting,
    memory: Memory,
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
        let is_limited = process::is_limited(&options);
        Self {
            options,
            allows_all: authority.allows_all(),
            checks_retained: authority.checks_retained(),
            authority,
            store: Store::new(rng.next_u64()),
            links: Links::default(),
            extended: BTreeMap::new(),
            timers: Timers::default(),
            scan_at: Time::NEVER,
            scanning: Vec::new(),
            listing: None,
            scanned: (Time::NEVER, 0),
            counters: Counters::default(),
            traffic: Traffic::default(),
            sys: Sys::default(),
            rng,
            seq: Seq(0),
            ended: Seq(0),
            storage: Storage::Well,
            is_limited,
            waiting: Waiting::default(),
            memory: Memory::default(),
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

    /// What it goes by.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
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
        // That something has left is no news: what was sent was.
        self.sys.is_awake |= !matches!(event, Event::Written { .. });
        match event {
            Event::Opened { conn, peer } => self.on_opened(now, conn, peer),
            Event::Introduced { conn, peer, certificate } => {
                self.on_introduced(conn, peer, certificate);
            }
            Event::Published { conn, publish } => self.on_published(now, conn, publish, effects),
            Event::Received { conn, packet } => self.on_received(now, conn, packet, effects),
            Event::Garbled { conn, version, error } => {
                self.on_garbled(now, conn, version, error, effects);
            }
            Event::Failed { conn, what } => self.on_failed(now, conn, what, effects),
            Event::Written { conn, bytes } => self.on_written(now, conn, bytes, effects),
            Event::Closed { conn, end } => self.on_closed(now, conn, end, effects),
            Event::Judged { conn, verdict } => self.on_judged(now, conn, verdict, effects),
            Event::Logged { topic, text } => self.publish_own(now, topic, text, false, effects),
            Event::Configured { options, authority } => {
                self.on_configured(now, *options, authority, effects);
            }
            Event::Storage { state, .. } => self.on_storage(now, state, effects),
            Event::Stopping => self.on_stopping(now, effects),
            Event::Tick => self.on_tick(now, effects),
        }
        self.dismiss_doomed(now, effects);
        while self.is_limited {
            self.go_on(now, effects);
            if self.doomed.is_empty() {
                break;
            }
            self.dismiss_doomed(now, effects);
        }
        self.check();
    }

    /// When [`Event::Tick`] is to come, if ever. Later than the last `Tick` was.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let timer = self.timers.deadline().unwrap_or(Time::NEVER);
        let expiry = self.store.next_expiry().unwrap_or(Time::NEVER);
        let at = timer.min(expiry).min(self.sys_deadline());
        (at < Time::NEVER).then_some(at)
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
        self.counters.received.count(PacketType::Publish as u8);
        let is_mounted = online.is_mounted();
        if let Err(fault) = self.on_publish(now, conn, publish, is_mounted, effects) {
            self.fail(now, conn, fault, effects);
        } else if self.is_limited {
            self.pay(now, conn, publish, effects);
        }
    }

    fn on_received(
        &mut self,
        now: Time,
        conn: ConnId,
        packet: Incoming<'_>,
        effects: &mut Effects,
    ) {
        self.counters.received.count(packet.number());
        let done = match self.links.get_mut(conn) {
            None | Some(Link::Vacant | Link::Leaving) => Ok(()),
            Some(Link::Awaiting { .. }) => self.on_first(now, conn, packet, effects),
            Some(Link::Judging(_)) => self.on_while_judging(conn, &packet, effects),
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
            Incoming::Publish(publish) => {
                let is_mounted = self.online(conn).is_mounted();
                self.on_publish(now, conn, &publish, is_mounted, effects)
            }
            Incoming::Ack(kind, ack) => self.on_ack(now, conn, kind, &ack, effects),
            Incoming::PingReq => {
                self.counters.sent.count(PacketType::PingResp as u8);
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
                Packet::Auth(auth) => self.on_auth(conn, &auth, effects),
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
}
