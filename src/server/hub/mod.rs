//! All of the server but the operating system.
//!
//! Owns: the connections, the broker, the storage, and the turn:
//!
//! ```text
//! read    ready sockets -> packets -> broker -> effects: packets queued, records appended
//! hear    verdicts that took time -> broker -> effects
//! tick    due timers -> broker -> effects
//! commit  this turn's records -> storage, all at once
//! write   what no record holds back -> sockets
//! bury    connections that are done
//! nap     0 if anything is still ready, else until the next deadline, else for ever
//! ```
//!
//! So nobody is answered before what the answer promises is on its way to storage, one commit
//! serves every connection of the turn, each connection is written once a turn, and nothing is
//! freed while anything may still name it.
//!
//! Each step goes through a *work list*, not through events: readiness is edge-triggered and
//! comes once, so what exceeds its budget stays on the list, and the list is the memory. Only
//! work that can get on is on a list.
//!
//! Everything goes through [`Socket`] and [`Disk`]: a test or a simulator that brings its own
//! runs this very code.
//!
//! Never opens a socket, asks a clock, or waits.

mod admit;
mod bury;
mod census;
mod judge;
mod perform;
mod read;
mod store;
mod tell;
#[cfg(test)]
mod tests;
mod write;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use slab::Slab;

use crate::broker::{Broker, Effects, Event, Options, Storage, Verdict};
use crate::codec::Limits;
use crate::persistence::{Disk, Seq};
use crate::session::{Authority, ConnId};
use crate::time::Time;
use crate::transport::{Pool, Scratch};

pub use judge::{Judge, Nobody};

use super::connection::{Connection, Flags, Phase};
use census::Census;
pub(super) use census::Seat;
use perform::limits;

/// A stream socket that does not block.
///
/// As with a kernel's, a read that gives less than it could means that there is no more for now,
/// or that the end is next if a poll has seen it before; and a write that takes less than it could
/// that there is no more space for now.
pub trait Socket: io::Read + io::Write {
    /// Says that nothing more will be written.
    ///
    /// # Errors
    /// If the connection is gone.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

/// What a poll has seen of a socket since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There is something to read.
    pub readable: bool,
    /// There is space to write.
    pub writable: bool,
    /// The peer will send nothing more.
    pub ended: bool,
    /// The connection is broken.
    pub failed: bool,
}

/// The server but for the operating system.
pub struct Hub<S, D> {
    broker: Broker,
    disk: D,
    connections: Slab<Connection<S>>,
    /// Of the next connection.
    serial: u32,
    /// Slots of connections to read, to write, that wait for storage, and that are done.
    reading: Vec<u32>,
    writing: Vec<u32>,
    gated: Vec<u32>,
    dead: Vec<u32>,
    /// When those that are being closed must be gone; the delay is the same for all, so the
    /// first is the next.
    leaving: VecDeque<(Time, ConnId)>,
    /// Bytes that have left since they were counted.
    left: usize,
    /// Room to be given back.
    credits: Vec<(ConnId, usize)>,
    judge: Box<dyn Judge>,
    /// Verdicts that have come and that the broker is to be told.
    verdicts: Vec<(ConnId, Verdict)>,
    /// The one buffer everything is read into; empty while a connection is being read.
    scratch: Box<[u8]>,
    /// Reused from event to event.
    effects: Option<Box<Effects>>,
    pool: Pool,
    /// What connections with something between socket and packets use in turn.
    machines: Scratch,
    /// How many handshakes of TLS may go on in this turn.
    handshakes: usize,
    /// When the pool is looked at next, if it holds anything worth it.
    trim_at: Option<Time>,
    limits: Limits,
    census: Census,
    /// Connections from one address; 0 is no limit.
    most_from_address: u32,
    /// Charged bytes from which a connection is flushed without waiting for the write phase.
    flush_from: usize,
    durable: Seq,
    /// What the broker was last told of storage.
    told: (Seq, Storage),
    /// Records were appended since the commit phase.
    is_unsaved: bool,
    buried: u64,
}

/// Bytes read from one connection in one turn at the most: the size of the read buffer.
const READ_BUDGET: usize = 256 << 10;

/// Bytes written to one connection in one write phase, about, at the most.
const WRITE_BUDGET: usize = 256 << 10;

/// Bytes beside charged messages that a peer may leave unread before it is read no more. One that
/// keeps to the protocol has at most 65,535 packet identifiers open and never comes near.
const UNREAD_MAX: usize = 1 << 20;

/// How long a connection that is being closed has to take what waits for it and to close its
/// side.
const LEAVE_MS: u64 = 5_000;

/// Handshakes of TLS that go on in one turn at the most: they cost a thousand times as much as a
/// packet, and those who are served already must not wait for a crowd that comes back.
const HANDSHAKE_BUDGET: usize = 4;

/// How often idle buffers are looked at while there are any.
const TRIM_MS: u64 = 1_000;

impl<S: Socket, D: Disk> Hub<S, D> {
    /// A server without connections. `seed` is to be unpredictable to peers.
    #[must_use]
    pub fn new(options: Options, authority: Box<dyn Authority>, disk: D, seed: u64) -> Self {
        Self {
            disk,
            connections: Slab::new(),
            serial: 0,
            reading: Vec::new(),
            writing: Vec::new(),
            gated: Vec::new(),
            dead: Vec::new(),
            leaving: VecDeque::new(),
            left: 0,
            credits: Vec::new(),
            judge: Box::new(Nobody),
            verdicts: Vec::new(),
            scratch: vec![0; READ_BUDGET].into_boxed_slice(),
            effects: None,
            pool: Pool::new(),
            machines: Scratch::default(),
            handshakes: 0,
            trim_at: None,
            limits: limits(&options),
            census: Census::new(seed),
            most_from_address: 0,
            flush_from: options.room as usize / 2,
            durable: Seq(0),
            told: (Seq(0), Storage::Well),
            is_unsaved: false,
            buried: 0,
            broker: Broker::new(options, authority, seed),
        }
    }

    /// The broker, to look at.
    #[must_use]
    pub const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// How many connections there are, those being closed among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is no connection.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// How many connections are gone, for ever counting.
    #[must_use]
    pub const fn buried(&self) -> u64 {
        self.buried
    }

    /// Does what can be done now; returns how long nothing more will be, `None` until something
    /// is [`ready`](Self::ready).
    pub fn turn(&mut self, now: Time) -> Option<Duration> {
        self.read(now);
        self.hear(now);
        self.tick(now);
        self.commit(now);
        self.write(now);
        self.bury(now);
        self.nap(now)
    }

    fn tick(&mut self, now: Time) {
        if self.broker.deadline().is_some_and(|at| at <= now) {
            self.count_waiting(now);
            self.tell(now, Event::Tick);
        }
        while let Some(&(at, conn)) = self.leaving.front()
            && at <= now
        {
            self.leaving.pop_front();
            if self.connection(conn).is_some() {
                self.kill(conn.slot);
            }
        }
        if self.trim_at.is_some_and(|at| at <= now) {
            self.pool.trim();
            self.trim_at = None;
        }
        if self.trim_at.is_none() && self.pool.is_large() {
            self.trim_at = Some(now.plus_ms(TRIM_MS));
        }
    }

    fn nap(&mut self, now: Time) -> Option<Duration> {
        // Nobody is woken for a deadline of those that are gone.
        while let Some(&(_, conn)) = self.leaving.front()
            && self.connection(conn).is_none()
        {
            self.leaving.pop_front();
        }
        self.unlist();
        if self.is_unsaved || !self.reading.is_empty() || !self.writing.is_empty() {
            return Some(Duration::ZERO);
        }
        let leave = self.leaving.front().map(|(at, _)| *at);
        let judge = self.judge.deadline();
        let deadlines = [self.broker.deadline(), leave, judge, self.trim_at, self.disk.deadline()];
        let next = deadlines.into_iter().flatten().min()?;
        Some(next.since(now))
    }

    /// Takes off the ends of the lists what has nothing to do any more, most of it because it has
    /// gone in this very turn.
    fn unlist(&mut self) {
        while let Some(&slot) = self.reading.last() {
            if let Some(connection) = self.connections.get_mut(slot as usize) {
                if connection.is_to_read() || connection.is_lost() {
                    break;
                }
                connection.flags.clear(Flags::IN_READING);
            }
            self.reading.pop();
        }
        while let Some(&slot) = self.writing.last() {
            if let Some(connection) = self.connections.get_mut(slot as usize) {
                if connection.is_to_write() {
                    break;
                }
                connection.flags.clear(Flags::IN_WRITING);
                self.weigh(slot);
            }
            self.writing.pop();
        }
    }

    /// Hands an event to the broker and performs what it wants, until nothing follows.
    fn tell(&mut self, now: Time, event: Event<'_>) {
        self.handle(now, event);
        loop {
            let event = if let Some((conn, bytes)) = self.credits.pop() {
                Event::Written { conn, bytes }
            } else if let Some((conn, verdict)) = self.verdicts.pop() {
                Event::Judged { conn, verdict }
            } else {
                return;
            };
            self.handle(now, event);
        }
    }

    fn handle(&mut self, now: Time, event: Event<'_>) {
        let publish =
            if let Event::Published { publish, .. } = event { Some(publish) } else { None };
        let mut effects = self.effects.take().unwrap_or_default();
        self.broker.handle(now, event, &mut effects);
        self.perform(now, &mut effects, publish);
        self.effects = Some(effects);
    }

    /// The connection, if it is still there.
    fn connection(&mut self, conn: ConnId) -> Option<&mut Connection<S>> {
        let connection = self.connections.get_mut(conn.slot as usize)?;
        (connection.serial == conn.serial && connection.phase != Phase::Dead).then_some(connection)
    }

    /// Puts a connection on the lists it belongs on.
    fn list(&mut self, slot: u32) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let is_to_read = connection.is_to_read() || connection.is_lost();
        if is_to_read && connection.flags.raise(Flags::IN_READING) {
            self.reading.push(slot);
        }
        if connection.is_to_write() && connection.flags.raise(Flags::IN_WRITING) {
            self.writing.push(slot);
        }
        if connection.output.is_gated() && connection.flags.raise(Flags::IN_GATED) {
            self.gated.push(slot);
        }
    }
}
