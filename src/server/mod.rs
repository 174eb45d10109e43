//! The whole broker as a value: sockets, wall clock, signals, and the loop.
//!
//! Owns: everything that touches the operating system. [`Server`] is configured, [`BoundServer`]
//! listens, [`Handle`] stops it from another thread; [`hub`] is all of the server that needs no
//! operating system.
//!
//! Never reads a packet: that is the hub's.

mod accept;
pub mod access;
mod attend;
mod change;
mod clock;
pub mod command;
mod config;
mod configured;
mod connection;
mod court;
pub mod daemon;
mod files;
mod gateway;
pub mod hub;
mod listen;
pub mod log;
mod lookout;
mod lookup;
mod notify;
pub mod options;
mod pace;
mod place;
pub mod process;
mod question;
mod reload;
mod run;
mod signals;
#[cfg(test)]
mod sizes;
mod storage;
mod stream;
pub mod trial;
mod watch;
mod worker;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mio::{Poll, Token, Waker};

use crate::session::{AllowAll, Authority};

use accept::Doors;
use change::Change;
pub use config::{PORT, ServerConfig};
pub use files::Disk;
use listen::{Entrance, Opener};
pub use notify::{Inherited, inherited};
pub use place::{Listening, Place};
use question::Asking;
pub use question::Question;
use reload::Reloader;
use signals::Signals;
use storage::Opened;
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
    asking: Option<Asking>,
    logger: Option<log::Logger>,
    inherited: Vec<Inherited>,
    reloader: Option<Reloader>,
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
    asking: Option<Asking>,
    doors: Doors<Entrance>,
    opener: Opener,
    addresses: Vec<SocketAddr>,
    poll: Poll,
    stop: Arc<Stop>,
    signals: Option<Signals>,
    logger: Option<log::Logger>,
    reloader: Option<Reloader>,
    store: Option<Opened>,
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
/// Of changed certificates, and of changed passwords and rights.
const CERTIFICATES: Token = Token(2);
const RIGHTS: Token = Token(3);
/// Of the first listening socket.
const LISTENERS: usize = 4;
/// Of the connection in the first slot.
const CONNECTIONS: usize = LISTENERS + change::SOCKETS_MAX;

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
        let authority = Box::new(AllowAll);
        Self {
            config,
            authority,
            asking: None,
            logger: None,
            inherited: Vec::new(),
            reloader: None,
        }
    }

    /// Lets `authority` decide who may connect and who may do what.
    #[must_use]
    pub fn authority(mut self, authority: impl Authority + Send + 'static) -> Self {
        self.authority = Box::new(authority);
        self
    }

    /// Calls `asking` in the loop for each client of whom the [authority](Self::authority) says
    /// that it [takes time](crate::session::Admission::Ask) to decide, if it has no
    /// [examiner](Authority::examiner) of its own. `asking` must not wait; the [`Question`] may be
    /// answered later and from any thread.
    ///
    /// ```
    /// use mqtt_broker::codec::ReasonCode;
    /// use mqtt_broker::server::{Question, Server, ServerConfig};
    /// use mqtt_broker::session::{Access, Admission, Authority, Credentials, Identity};
    /// use std::sync::mpsc;
    ///
    /// /// Lets somebody else decide who comes in, and everybody read only.
    /// #[derive(Debug)]
    /// struct Elsewhere;
    ///
    /// impl Authority for Elsewhere {
    ///     fn admit(&self, _: &Credentials) -> Admission {
    ///         Admission::Ask
    ///     }
    ///
    ///     fn may(&self, _: &Identity, what: Access, _: &str) -> bool {
    ///         matches!(what, Access::Receive | Access::Subscribe)
    ///     }
    /// }
    ///
    /// let (sender, questions) = mpsc::channel::<Question>();
    /// std::thread::spawn(move || {
    ///     for question in questions {
    ///         // As long as it takes: the broker goes on serving the others.
    ///         match question.applicant().user_name.as_deref() {
    ///             Some("anna") => question.grant(),
    ///             _ => question.refuse(ReasonCode::NOT_AUTHORIZED),
    ///         }
    ///     }
    /// });
    ///
    /// let config = ServerConfig::new("127.0.0.1:0".parse()?);
    /// let server = Server::new(config)
    ///     .authority(Elsewhere)
    ///     .on_question(move |question| drop(sender.send(question)))
    ///     .bind()?;
    /// let (address, handle) = (server.local_addr(), server.handle());
    /// let broker = std::thread::spawn(move || server.run());
    ///
    /// use std::io::{Read, Write};
    /// let connack_of = |connect: &[u8]| -> std::io::Result<[u8; 4]> {
    ///     let mut client = std::net::TcpStream::connect(address)?;
    ///     client.write_all(connect)?;
    ///     let mut connack = [0; 4];
    ///     client.read_exact(&mut connack)?;
    ///     Ok(connack)
    /// };
    /// let anna = b"\x10\x13\x00\x04MQTT\x04\x82\x00\x00\x00\x01a\x00\x04anna";
    /// assert_eq!(connack_of(anna)?, [0x20, 2, 0, 0]);
    /// let otto = b"\x10\x13\x00\x04MQTT\x04\x82\x00\x00\x00\x01o\x00\x04otto";
    /// assert_eq!(connack_of(otto)?, [0x20, 2, 0, 5]);
    ///
    /// handle.stop();
    /// broker.join().expect("it does not panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn on_question(mut self, asking: impl FnMut(Question) + Send + 'static) -> Self {
        self.asking = Some(Box::new(asking));
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

    /// Serves by these sockets where a listener has their address or path, instead of opening
    /// others.
    #[must_use]
    pub fn inherited(mut self, sockets: Vec<Inherited>) -> Self {
        self.inherited = sockets;
        self
    }

    /// The first address it is going to listen on; port 0 stands for any free one.
    ///
    /// # Panics
    /// If the configuration has no listener with a port.
    #[must_use]
    pub fn bind_addr(&self) -> SocketAddr {
        let mut places = self.config.listeners.iter().flat_map(|listening| &listening.places);
        places.find_map(Place::address).expect("a server listens somewhere")
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// If an address cannot be listened on, which the error names; if the configuration has no
    /// address; if a socket was handed over that no listener wants; if the system gives no poll.
    pub fn bind(self) -> io::Result<BoundServer> {
        let Self { mut config, authority, asking, logger, inherited, reloader } = self;
        if config.listeners.iter().all(Listening::is_gone) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no address"));
        }
        // Who adds a listener has not thought of its options: they are those of the first.
        let first = config.options.listeners.first().cloned().flatten();
        config.options.listeners.resize(config.listeners.len(), first);
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mut opener = Opener::new(inherited, config.no_delay);
        if let Some(left_over) = opener.left_over(&config.listeners).into_iter().next() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, left_over));
        }
        let mut doors = Doors::new(config.max_connection_rate);
        let (listeners, no_delay) = (&config.listeners, config.no_delay);
        let registry = poll.registry();
        Change::prepare(&mut doors, &mut opener, registry, listeners, no_delay)
            .map_err(|mut problems| {
                let first = problems.swap_remove(0);
                io::Error::new(first.kind, first.what)
            })?
            .adopt(&mut doors, registry);
        let addresses = doors.iter().filter_map(|(_, _, door)| door.address()).collect();
        let signals = if config.handles_signals { Some(Signals::new()?) } else { None };
        Ok(BoundServer {
            config,
            authority,
            asking,
            doors,
            opener,
            addresses,
            poll,
            stop: Arc::new(Stop { requests: AtomicUsize::new(0), waker }),
            signals,
            logger,
            reloader,
            store: None,
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
    /// If it listens on Unix sockets only.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        *self.addresses.first().expect("it listens on a port")
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

    /// Opens the store that the configuration names, if it names one and that is not done yet;
    /// [`run`](Self::run) does it otherwise. No thread is started.
    ///
    /// # Errors
    /// What is wrong with the store and what to do about it.
    pub fn open_store(&mut self) -> io::Result<()> {
        if let (None, Some(persistence)) = (&self.store, &self.config.persistence) {
            self.store = Some(Opened::open(persistence)?);
        }
        Ok(())
    }

    /// Serves until it is stopped: by a [`Handle`], or by SIGTERM or SIGINT if the configuration
    /// says so. Raises the process's soft limit of open files to the hard one.
    ///
    /// # Errors
    /// As of [`open_store`](Self::open_store), and if the system's poll fails.
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
