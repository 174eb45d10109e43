//! What a server is told before it starts.
//!
//! Owns: addresses, limits of the process and the broker's own options.
//!
//! Never reads a file and never resolves a name.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::Persistence;
use super::place::Listening;
use crate::broker::Options;

/// The port registered for MQTT.
pub const PORT: u16 = 1883;

/// Configuration of a [`Server`](super::Server).
///
/// ```
/// use mqtt_broker::server::ServerConfig;
/// use std::time::Duration;
///
/// let mut config = ServerConfig::new("0.0.0.0:1883".parse()?);
/// config.max_connections = 5000;
/// config.connect_timeout = Duration::from_secs(10);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where to listen, by the numbers of the listeners; at least one. (What holds for the clients
    /// of each stands in the options under the same number.)
    pub listeners: Vec<Listening>,
    /// Connections at once; one more is accepted and closed. 0 is no limit but the system's.
    pub max_connections: usize,
    /// Connections at once from one address, of IPv6 from one /64 network; one more is accepted
    /// and closed. 0 is no limit.
    pub max_connections_per_address: u32,
    /// Connections taken in a second; further ones wait in the system's queue. 0 is no limit.
    pub max_connection_rate: u32,
    /// Whether what is written leaves at once, instead of waiting for more.
    pub no_delay: bool,
    /// From accept to a complete CONNECT; then the connection is closed.
    pub connect_timeout: Duration,
    /// How long connections may take their last bytes when the server stops.
    pub stop_timeout: Duration,
    /// Whether SIGTERM and SIGINT stop it, SIGHUP has the configuration read again, SIGRTMIN has
    /// log files opened anew, and SIGUSR1 and SIGUSR2 are answered; they are taken over when it
    /// begins to listen. A program that embeds the broker has its own ideas about signals, so not
    /// unless it is asked for.
    pub handles_signals: bool,
    /// Whether the service manager that the environment names (NOTIFY_SOCKET) is told how it is,
    /// and given the signs of life it wants.
    pub notifies_manager: bool,
    /// Limits and choices of the protocol. (Its connect timeout is the one above.)
    pub options: Options,
    /// Where sessions, queues and retained messages are kept beyond the process; `None` if they
    /// end with it.
    pub persistence: Option<Persistence>,
    /// Decides hashes and chosen client ids; `None` takes one from the system.
    pub seed: Option<u64>,
}

impl ServerConfig {
    /// Listens on one address, with the defaults for everything else.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let options = Options::default();
        Self {
            listeners: vec![address.into()],
            max_connections: 0,
            max_connections_per_address: 0,
            max_connection_rate: 0,
            no_delay: true,
            connect_timeout: Duration::from_millis(options.connect_timeout_ms),
            stop_timeout: Duration::from_secs(5),
            handles_signals: false,
            notifies_manager: false,
            options,
            persistence: None,
            seed: None,
        }
    }
}

impl Default for ServerConfig {
    /// Listens on every IPv4 address of the machine, port 1883.
    fn default() -> Self {
        Self::new(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)))
    }
}
