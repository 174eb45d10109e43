//! Where clients come in.
//!
//! Owns: [`Listening`], a listener of a server, and [`Place`], one of the sockets it has. The
//! number of a listener is its place in [`ServerConfig::listeners`](super::ServerConfig); what
//! holds for its clients stands in the options of the broker under the same number.
//!
//! Never opens anything.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::log::Owner;
use crate::transport::Gateway;

/// A listener: one policy, and the sockets by which its clients come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    /// Where it listens; a listener that has gone listens nowhere.
    pub places: Vec<Place>,
    /// Connections at once by all of its sockets; one more is accepted and closed. 0 is no limit
    /// but that of the server.
    pub max_connections: usize,
    /// What its clients speak below their packets; nothing, if absent.
    pub gateway: Option<Arc<Gateway>>,
}

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A port; an IPv6 socket takes IPv6 only.
    Tcp {
        /// Address and port; port 0 is any free one.
        address: SocketAddr,
        /// Only on this network interface.
        interface: Option<String>,
    },
    /// A socket in the file system.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Permissions of the file; who may write to it may connect.
        mode: u32,
        /// Whom the file is given to, if not to whoever creates it.
        owner: Option<Owner>,
    },
}

impl Listening {
    /// Whether the listener has gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.places.is_empty()
    }
}

impl From<SocketAddr> for Listening {
    fn from(address: SocketAddr) -> Self {
        Self { places: vec![address.into()], ..Self::default() }
    }
}

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp { address, interface: None }
    }
}

impl Place {
    /// Its address, if it has one.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp { address, .. } => Some(*address),
            Self::Unix { .. } => None,
        }
    }

    /// Whether both are the same socket, whatever permissions its file has.
    #[must_use]
    pub fn is_same_socket(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix { path, .. }, Self::Unix { path: other, .. }) => path == other,
            _ => self == other,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, interface: None } => write!(f, "{address}"),
            Self::Tcp { address, interface: Some(name) } => write!(f, "{address} of {name}"),
            Self::Unix { path, .. } => write!(f, "{}", path.display()),
        }
    }
}
