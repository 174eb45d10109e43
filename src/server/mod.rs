//! The whole broker as a value: sockets, wall clock, signals, and the loop.
//!
//! Owns: everything that touches the operating system. [`Server`] is configured, [`BoundServer`]
//! listens, [`Handle`] stops it from another thread; [`hub`] is all of the server that needs no
//! operating system.
//!
//! Never reads a packet: that is the hub's.

mod accept;
mod attend;
mod clock;
mod config;
mod configured;
mod connection;
mod files;
pub mod hub;
mod listen;
pub mod log;
mod notify;
pub mod options;
pub mod process;
mod run;
mod signals;
#[cfg(test)]
mod sizes;
mod storage;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mio::net::TcpListener;
use mio::{Poll, Token, Waker};

use crate::session::{AllowAll, Authority};

pub use attend::Reload;
pub use config::{PORT, ServerConfig};
pub use files::Disk;
pub use notify::{Inherited, inherited};
use signals::Signals;
pub use storage::Persistence;

/// A broker that is configured and does not listen yet.
///
/// ```no_run
/// use mqtt_broker::server::Server;
///
/// let server = Server::with_defaults();
/// println!("{}", server.bind_addr());
/// server.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    config: ServerConfig,
    authority: Box<dyn Authority + Send>,
    logger: Option<log::Logger>,
    reload: Option<Reload>,
}

/// A broker that listens, and answers once it [runs](Self::run).
///
/// ```
/// use mqtt_broker::server::{Server, ServerConfig};
///
/// let config = ServerConfig::new("127.0.0.1:0".parse()?);
/// let server = Server::new(config).bind()?;
/// let address = server.local_addr();
/// assert_ne!(address.port(), 0);
///
/// let handle = server.handle();
/// let thread = std::thread::spawn(move || server.run());
/// let _client = std::net::TcpStream::connect(address)?;
/// handle.stop();
/// thread.join().expect("it does not panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BoundServer {
    config: ServerConfig,
    authority: Box<dyn Authority + Send>,
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    poll: Poll,
    stop: Arc<Stop>,
    signals: Option<Signals>,
    logger: Option<log::Logger>,
    reload: Option<Reload>,
}

/// Stops a server, from any thread.
#[derive(Clone, Debug)]
pub struct Handle {
    stop: Arc<Stop>,
}

/// What handles and the loop share.
#[derive(Debug)]
struct Stop {
    requests: AtomicUsize,
    waker: Waker,
}

const WAKER: Token = Token(0);
const SIGNALS: Token = Token(1);
/// Of the first listener; connections come after the last.
const LISTENERS: usize = 2;

impl Server {
    /// A broker with the defaults: port 1883 of every IPv4 address of the machine, everybody may
    /// connect.
    #[must_use]
    pub fn with_defaults() -> Self {
        Self::new(ServerConfig::default())
    }

    /// A broker with this configuration, to which everybody may connect.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self { config, authority: Box::new(AllowAll), logger: None, reload: None }
    }

    /// Lets `authority` decide who may connect and who may do what.
    #[must_use]
    pub fn authority(mut self, authority: impl Authority + Send + 'static) -> Self {
        self.authority = Box::new(authority);
        self
    }

    /// Has the loop look after `logger`: SIGRTMIN and SIGHUP open its files anew, and lines that
    /// are repeated are counted in time. (Everything is logged by the process's logger, whether
    /// the loop knows it or not.)
    #[must_use]
    pub fn logger(mut self, logger: log::Logger) -> Self {
        self.logger = Some(logger);
        self
    }

    /// Calls `reload` in the loop when SIGHUP comes, if the server handles signals.
    #[must_use]
    pub fn on_reload(mut self, reload: Reload) -> Self {
        self.reload = Some(reload);
        self
    }

    /// The first address it is going to listen on; port 0 stands for any free one.
    ///
    /// # Panics
    /// If the configuration has no listener.
    #[must_use]
    pub fn bind_addr(&self) -> SocketAddr {
        *self.config.listeners.first().expect("a server listens somewhere")
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// If an address cannot be listened on, which the error names; if the configuration has no
    /// address; if the system gives no poll.
    pub fn bind(self) -> io::Result<BoundServer> {
        if self.config.listeners.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no address"));
        }
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for address in &self.config.listeners {
            let listener = listen::listen(*address).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
            })?;
            addresses.push(listener.local_addr()?);
            listeners.push(listener);
        }
        let signals = if self.config.handles_signals { Some(Signals::new()?) } else { None };
        Ok(BoundServer {
            config: self.config,
            authority: self.authority,
            listeners,
            addresses,
            poll,
            stop: Arc::new(Stop { requests: AtomicUsize::new(0), waker }),
            signals,
            logger: self.logger,
            reload: self.reload,
        })
    }

    /// Listens and serves until it is stopped.
    ///
    /// # Errors
    /// As of [`bind`](Self::bind) and [`BoundServer::run`].
    pub fn run(self) -> io::Result<()> {
        self.bind()?.run()
    }
}

impl BoundServer {
    /// The first address it listens on, with the real port.
    ///
    /// # Panics
    /// Never: it listens somewhere.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        *self.addresses.first().expect("it was bound to at least one")
    }

    /// All addresses it listens on, with the real ports.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What stops it from another thread.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { stop: Arc::clone(&self.stop) }
    }

    /// Serves until it is stopped: by a [`Handle`], or by SIGTERM or SIGINT if the configuration
    /// says so. Raises the process's soft limit of open files to the hard one.
    ///
    /// # Errors
    /// If the system's poll fails.
    pub fn run(self) -> io::Result<()> {
        run::run(self)
    }
}

impl Handle {
    /// Stops the server: no more connections are taken, 5.0 clients are sent a DISCONNECT with
    /// reason 0x8B, and everybody has a moment to take what waits for him. A second call stops it
    /// at once.
    pub fn stop(&self) {
        self.stop.requests.fetch_add(1, Ordering::SeqCst);
        // It can fail only if the poll is gone, and then so is the server.
        let _ = self.stop.waker.wake();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("config", &self.config).finish_non_exhaustive()
    }
}

impl fmt::Debug for BoundServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundServer").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
