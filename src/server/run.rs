//! The loop: poll, accept, turn.
//!
//! Owns: the poll and what its tokens mean, and how a server stops. Every socket is registered
//! once, for reading and writing, edge-triggered; from then on the hub remembers.
//!
//! Never sleeps but in the poll, and never wakes without a reason: no tick, no timeout but the
//! next deadline.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use log::{info, warn};
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

use crate::broker::target::CONNECTION;
use crate::persistence::{Disk, Memory};
use crate::session::Peer;
use crate::time::Time;

use super::accept::Doors;
use super::attend::Attendance;
use super::clock::Clock;
use super::hub::{Hub, Readiness, Socket};
use super::storage::{Keeping, Opened};
use super::{BoundServer, LISTENERS, SIGNALS, Stop, WAKER, listen};

impl Socket for TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// Events taken from one poll at the most; what does not fit comes with the next.
const EVENTS: usize = 1024;

/// A server that runs.
struct Running {
    hub: Hub<TcpStream, Keeping>,
    clock: Clock,
    doors: Doors<TcpListener>,
    /// Of the listeners.
    ports: Vec<u16>,
    attendance: Attendance,
    stop: Arc<Stop>,
    /// How many signals have asked it to stop.
    signalled: usize,
    /// When it ends although connections are left; set by the first request to stop.
    stop_by: Option<Time>,
    stop_timeout: Duration,
    max_connections: usize,
    /// Token of the connection in slot 0.
    first: usize,
}

pub(super) fn run(server: BoundServer) -> io::Result<()> {
    let BoundServer { config, authority, mut listeners, mut poll, stop, .. } = server;
    let BoundServer { mut signals, logger, reload, addresses, .. } = server;
    listen::raise_file_limit();
    let registry = poll.registry();
    if let Some(signals) = &mut signals {
        signals.register(registry, SIGNALS)?;
    }
    for (number, listener) in listeners.iter_mut().enumerate() {
        registry.register(listener, Token(LISTENERS + number), Interest::READABLE)?;
    }
    let mut options = config.options;
    options.connect_timeout_ms =
        u64::try_from(config.connect_timeout.as_millis()).unwrap_or(u64::MAX);
    let seed = config.seed.unwrap_or_else(system_seed);
    let mut clock = Clock::start();
    let mut hub = Hub::new(options, authority, Keeping::Memory(Memory::default()), seed);
    if let Some(persistence) = &config.persistence {
        let opened = Opened::open(persistence)?;
        clock.set(opened.load(clock.now(), &mut hub, Arc::clone(&stop))?);
    }
    let mut running = Running {
        hub,
        clock,
        first: LISTENERS + listeners.len(),
        doors: Doors::new(listeners),
        ports: addresses.iter().map(SocketAddr::port).collect(),
        attendance: Attendance::new(signals, logger, reload, config.notifies_manager),
        stop,
        signalled: 0,
        stop_by: None,
        stop_timeout: config.stop_timeout,
        max_connections: config.max_connections,
    };
    let end = running.run(&mut poll);
    let saved = running.hub.disk_mut().finish(running.clock.now());
    let end = end.and(saved);
    log::logger().flush();
    end
}

/// A number no peer can guess: the standard library takes it from the system for its maps.
fn system_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl Running {
    fn run(&mut self, poll: &mut Poll) -> io::Result<()> {
        let clock = self.clock;
        let mut events = Events::with_capacity(EVENTS);
        // Whoever stopped it before it ran has woken the poll already.
        let mut timeout = self.attendance.ready(clock.now(), self.hub.broker());
        loop {
            match poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let now = clock.now();
            for event in &events {
                self.notice(event);
            }
            self.accept(now, poll.registry());
            self.signalled += self.attendance.requests(now, &mut self.hub);
            if self.is_done(now) {
                return Ok(());
            }
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
            timeout = nap.into_iter().chain(until).chain(attended).min();
        }
    }

    /// Notes what the poll has seen; nothing is done about it yet.
    fn notice(&mut self, event: &Event) {
        match event.token() {
            WAKER => {}
            SIGNALS => self.attendance.notice(),
            Token(number) if number < self.first => self.doors.ready(number - LISTENERS),
            Token(number) => {
                let readiness = Readiness {
                    readable: event.is_readable(),
                    writable: event.is_writable(),
                    ended: event.is_read_closed(),
                    failed: event.is_error(),
                };
                self.hub.ready(number - self.first, readiness);
            }
        }
    }

    fn accept(&mut self, now: Time, registry: &Registry) {
        let Self { hub, doors, first, max_connections, ports, .. } = self;
        let gone = hub.buried();
        let mut seat = |mut stream: TcpStream, peer: Peer| {
            if *max_connections > 0 && hub.len() >= *max_connections {
                return false;
            }
            let token = Token(*first + hub.next_slot());
            let interest = Interest::READABLE | Interest::WRITABLE;
            match registry.register(&mut stream, token, interest) {
                Ok(()) => {
                    let port = ports.get(usize::from(peer.listener)).copied().unwrap_or_default();
                    info!(target: CONNECTION, "New connection from {peer} on port {port}.");
                    hub.accept(now, stream, peer);
                }
                Err(error) => warn!("Cannot take the connection from {peer}: {error}"),
            }
            true
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
                self.doors = Doors::new([]); // Nobody new is let in.
                self.attendance.stopping();
                self.hub.stop(now);
                false
            }
            None => false,
            Some(by) => now >= by,
        }
    }
}
