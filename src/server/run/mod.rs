//! The loop: poll, accept, turn.
//!
//! Owns: the poll and what its tokens mean, who finds a place, and how a server stops. Every
//! socket is registered once, for reading and writing, edge-triggered; from then on the hub
//! remembers.
//!
//! Never sleeps but in the poll, and never wakes without a reason: no tick, no timeout but the
//! next deadline.

mod renew;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use log::{info, warn};
use mio::event::Event;
use mio::{Events, Interest, Poll, Registry, Token};

use crate::broker::Options;
use crate::broker::target::CONNECTION;
use crate::persistence::{Disk, Memory};
use crate::session::Peer;
use crate::time::Time;

use super::accept::{Doors, Full};
use super::attend::Attendance;
use super::clock::Clock;
use super::court::Court;
use super::gateway::Gateways;
use super::hub::{Hub, Readiness};
use super::listen::{self, Entrance, Opener};
use super::lookout::Lookout;
use super::reload::Reloader;
use super::storage::Keeping;
use super::stream::ClientSocket;
use super::worker::Wake;
use super::{
    BoundServer, CERTIFICATES, CONNECTIONS, LISTENERS, RIGHTS, SIGNALS, ServerConfig, Stop, WAKER,
};
use renew::note_ends;

/// Events taken from one poll at the most; what does not fit comes with the next.
const EVENTS: usize = 1024;

/// A server that runs.
struct Running {
    hub: Hub<ClientSocket, Keeping>,
    clock: Clock,
    doors: Doors<Entrance>,
    opener: Opener,
    bounds: Bounds,
    gateways: Gateways,
    /// Files that may change meanwhile.
    certificates: Lookout,
    rights: Lookout,
    attendance: Attendance,
    reloader: Option<Reloader>,
    stop: Arc<Stop>,
    /// How many signals have asked it to stop.
    signalled: usize,
    /// When it ends although connections are left; set by the first request to stop.
    stop_by: Option<Time>,
    stop_timeout: Duration,
}

/// How many connections there may be; 0 is no limit.
struct Bounds {
    all: usize,
    /// From one address.
    address: u32,
    /// By the number of the listener.
    listeners: Vec<usize>,
}

pub(super) fn run(mut server: BoundServer) -> io::Result<()> {
    server.open_store()?;
    let BoundServer { mut config, authority, asking, doors, opener, mut poll, stop, .. } = server;
    let BoundServer { mut signals, logger, reloader, store, .. } = server;
    listen::raise_file_limit();
    if let Some(signals) = &mut signals {
        signals.register(poll.registry(), SIGNALS)?;
    }
    let bounds = Bounds::of(&config);
    let gateways = Gateways::new(&config.listeners);
    let seed = config.seed.unwrap_or_else(system_seed);
    let bell = Arc::clone(&stop);
    let wake: Wake = Arc::new(move || {
        // It can fail only if the poll is gone, and then so is the loop.
        let _ = bell.waker.wake();
    });
    let court = Court::new(wake, asking)?;
    let mut clock = Clock::start();
    let mut options = options(&mut config);
    note_ends(&mut options, &gateways);
    let keeping = Keeping::Memory(Memory::default());
    let hub = Hub::new(options, authority, keeping, seed);
    let mut hub = hub.with_judge(Box::new(court));
    hub.limit_addresses(bounds.address);
    if let Some(opened) = store {
        clock.set(opened.load(clock.now(), &mut hub, Arc::clone(&stop))?);
    }
    let mut running = Running {
        hub,
        clock,
        doors,
        opener,
        bounds,
        gateways,
        certificates: Lookout::new("certificates", CERTIFICATES),
        rights: Lookout::new("passwords and access control lists", RIGHTS),
        attendance: Attendance::new(signals, logger, config.notifies_manager),
        reloader,
        stop,
        signalled: 0,
        stop_by: None,
        stop_timeout: config.stop_timeout,
    };
    running.watch(poll.registry());
    let end = running.run(&mut poll);
    let saved = running.hub.disk_mut().finish(running.clock.now());
    let end = end.and(saved);
    log::logger().flush();
    end
}

/// Takes the options of the broker out of those of the server.
fn options(config: &mut ServerConfig) -> Options {
    let mut options = std::mem::take(&mut config.options);
    options.connect_timeout_ms =
        u64::try_from(config.connect_timeout.as_millis()).unwrap_or(u64::MAX);
    options
}

/// A number no peer can guess: the standard library takes it from the system for its maps.
fn system_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl Running {
    fn run(&mut self, poll: &mut Poll) -> io::Result<()> {
        let clock = self.clock;
        let mut events = Events::with_capacity(EVENTS);
        let begin = clock.now();
        self.hub.begin(begin);
        // Whoever stopped it before it ran has woken the poll already.
        let attended = self.attendance.ready(begin, self.hub.broker());
        let naps = [self.hub.turn(begin), attended, self.gateways.turned(begin)];
        let mut timeout = naps.into_iter().flatten().min();
        loop {
            match poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let now = clock.now();
            self.attendance.turns();
            for event in &events {
                self.notice(event);
            }
            self.accept(now, poll.registry());
            let wanted = self.attendance.requests(now, &mut self.hub);
            self.signalled += wanted.stops;
            if wanted.reload {
                self.reload(now, poll.registry());
            }
            self.see_to_files(now);
            if self.is_done(now) {
                return Ok(());
            }
            self.attendance.publish(now, &mut self.hub);
            let nap = self.hub.turn(now);
            if let Some(what) = self.hub.disk().broken() {
                // Nothing is promised any more that could not be kept.
                return Err(io::Error::other(format!("storage is lost: {what}")));
            }
            if self.stop_by.is_some() && self.hub.is_empty() {
                return Ok(());
            }
            let until = self.doors.nap_until(now).into_iter().chain(self.stop_by).min();
            let until = until.map(|at| at.since(now));
            let attended = self.attendance.turned(now, self.hub.len(), self.hub.broker());
            let naps =
                [self.certificates.nap(now), self.rights.nap(now), self.gateways.turned(now)];
            let naps = naps.into_iter().chain([nap, until, attended]);
            timeout = naps.flatten().min();
        }
    }

    /// Notes what the poll has seen; nothing is done about it yet.
    fn notice(&mut self, event: &Event) {
        match event.token() {
            WAKER => {}
            SIGNALS => self.attendance.notice(),
            CERTIFICATES => self.certificates.notice(),
            RIGHTS => self.rights.notice(),
            Token(number) if number < CONNECTIONS => self.doors.ready(number - LISTENERS),
            Token(number) => {
                let readiness = Readiness {
                    readable: event.is_readable(),
                    writable: event.is_writable(),
                    ended: event.is_read_closed(),
                    failed: event.is_error(),
                };
                self.hub.ready(number - CONNECTIONS, readiness);
            }
        }
    }

    fn accept(&mut self, now: Time, registry: &Registry) {
        let Self { hub, doors, bounds, gateways, .. } = self;
        let gone = hub.buried();
        let mut seat = |door: &Entrance, mut stream: ClientSocket, peer: Peer| {
            bounds.check(hub, &peer)?;
            let token = Token(CONNECTIONS + hub.next_slot());
            let interest = Interest::READABLE | Interest::WRITABLE;
            match registry.register(&mut stream, token, interest) {
                Ok(()) => {
                    greet(door, &peer);
                    hub.admit(now, stream, peer, gateways.stream(&peer));
                }
                Err(error) => warn!("Cannot take the connection from {peer}: {error}"),
            }
            Ok(())
        };
        doors.accept(now, gone, &mut seat);
    }

    /// Begins to stop if it was asked to; says whether it has to end now.
    fn is_done(&mut self, now: Time) -> bool {
        let requests = self.signalled + self.stop.requests.load(Ordering::SeqCst);
        match self.stop_by {
            _ if requests > 1 => {
                info!("Stopping at once, {} connections are cut", self.hub.len());
                true
            }
            None if requests == 1 => {
                let grace = u64::try_from(self.stop_timeout.as_millis()).unwrap_or(u64::MAX);
                self.stop_by = Some(now.plus_ms(grace));
                self.doors = Doors::new(0); // Nobody new is let in.
                self.attendance.stopping();
                self.hub.stop(now);
                false
            }
            None => false,
            Some(by) => now >= by,
        }
    }
}

impl Bounds {
    fn of(config: &ServerConfig) -> Self {
        let listeners = config.listeners.iter().map(|listening| listening.max_connections);
        Self {
            all: config.max_connections,
            address: config.max_connections_per_address,
            listeners: listeners.collect(),
        }
    }

    /// Whether one more may come from `peer`.
    fn check(&self, hub: &Hub<ClientSocket, Keeping>, peer: &Peer) -> Result<(), Full> {
        let is_over = |count: usize, most: usize| most > 0 && count >= most;
        let most = self.listeners.get(usize::from(peer.listener)).copied().unwrap_or(0);
        if is_over(hub.len(), self.all) {
            return Err(Full::All);
        }
        if is_over(hub.len_of(peer.listener), most) {
            return Err(Full::Listener);
        }
        match peer.address {
            Some(address) if self.address > 0 && hub.len_from(address.ip()) >= self.address => {
                Err(Full::Address)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Says who has come and where.
fn greet(door: &Entrance, peer: &Peer) {
    match door.address() {
        Some(address) => {
            let port = address.port();
            info!(target: CONNECTION, "New connection from {peer} on port {port}.");
        }
        None => info!(target: CONNECTION, "New connection from {peer} on {door}."),
    }
}
