//! Sockets before they carry packets.
//!
//! Owns: [`Opener`], which opens what a listener needs, or finds it among the sockets that the
//! service manager has handed over; [`Entrance`], a socket that listens; and the process's limit
//! of open files.
//!
//! Never reads or writes.

mod tcp;
mod unix;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener as StdUnixListener;

use log::warn;
use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::SockRef;

use super::accept::Door;
use super::log::Owner;
use super::notify::Inherited;
use super::place::{Listening, Place};
use super::stream::ClientSocket;
use unix::SocketFile;

/// Connections that may wait to be accepted; the system lowers it to what it allows.
const BACKLOG: i32 = 4096;

/// Opens listening sockets.
#[derive(Debug, Default)]
pub(super) struct Opener {
    /// What was handed over; kept, so that a listener that goes and comes again finds it.
    inherited: Vec<Inherited>,
    /// Whether what is written to clients leaves at once.
    pub(super) no_delay: bool,
}

/// A socket that listens.
#[derive(Debug)]
pub(super) struct Entrance {
    socket: Listener,
    /// What it was opened for.
    pub(super) place: Place,
    /// Where it listens, with the real port.
    address: Option<SocketAddr>,
    /// Whether an IPv6 socket takes IPv4 too, as a socket that was handed over may.
    takes_both: bool,
    /// Whether it is somebody else's as well.
    pub(super) is_shared: bool,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    /// With its file, unless it was handed over.
    Unix(UnixListener, Option<SocketFile>),
}

/// Why a socket cannot be had.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What kind of error it is.
    pub(super) kind: io::ErrorKind,
    /// What is wrong and what to do.
    pub(super) what: String,
}

impl Opener {
    pub(super) const fn new(inherited: Vec<Inherited>, no_delay: bool) -> Self {
        Self { inherited, no_delay }
    }

    /// The sockets for `place` of a listener, perhaps more than one, perhaps handed over; none if
    /// another place of the listener takes what comes here too.
    pub(super) fn open(
        &self,
        place: &Place,
        listening: &Listening,
    ) -> Result<Vec<Entrance>, Refusal> {
        if let Some(inherited) = self.inherited.iter().find(|found| found.is_at(place)) {
            let entrance = inherited.entrance(place, listening, self.no_delay);
            return entrance.map(|found| vec![found]).map_err(|error| {
                let what = format!("it was handed over, but {error}");
                refusal(place, &what, io::ErrorKind::Other)
            });
        }
        let mains = || listening.places.iter();
        if self.inherited.iter().any(|found| mains().any(|main| found.serves_as(main, place))) {
            return Ok(Vec::new());
        }
        match place {
            Place::Tcp { address, interface } => {
                let sockets = tcp::open(*address, interface.as_deref(), self.no_delay);
                let sockets =
                    sockets.map_err(|(error, what)| refusal(place, &what, error.kind()))?;
                let entrance = |socket| Entrance::of_tcp(socket, place);
                let told = |error: io::Error| refusal(place, &error.to_string(), error.kind());
                sockets.into_iter().map(|socket| entrance(socket).map_err(told)).collect()
            }
            Place::Unix { path, mode, owner } => {
                let (socket, file) = unix::open(path, *mode, *owner)
                    .map_err(|what| refusal(place, &what, io::ErrorKind::Other))?;
                Ok(vec![Entrance::of_unix(socket, Some(file), place)])
            }
        }
    }

    /// The sockets that were handed over and that no listener wants.
    pub(super) fn left_over(&self, listeners: &[Listening]) -> Vec<String> {
        let is_wanted = |inherited: &Inherited| {
            listeners.iter().flat_map(|one| &one.places).any(|place| inherited.is_at(place))
        };
        let left = self.inherited.iter().filter(|inherited| !is_wanted(inherited));
        left.map(|inherited| {
            format!(
                "the socket {inherited} was handed over by the service manager, and no listener \
                 is there; write '{}', or remove it from the socket unit",
                inherited.line()
            )
        })
        .collect()
    }
}

impl Inherited {
    /// Whether it is the socket of this place.
    fn is_at(&self, place: &Place) -> bool {
        match (self, place) {
            (Self::Tcp(socket), Place::Tcp { address, .. }) => {
                socket.local_addr().is_ok_and(|found| found == *address)
            }
            (Self::Unix(socket), Place::Unix { path, .. }) => {
                socket.local_addr().is_ok_and(|found| found.as_pathname() == Some(path))
            }
            (Self::Tcp(_), Place::Unix { .. }) | (Self::Unix(_), Place::Tcp { .. }) => false,
        }
    }

    /// Whether it is the socket of `main`, and takes what comes to `other` as well.
    fn serves_as(&self, main: &Place, other: &Place) -> bool {
        let is_both = if let Self::Tcp(socket) = self { tcp::takes_both(socket) } else { false };
        is_both && self.is_at(main) && is_same_port_of_any_v4(main, other)
    }

    fn entrance(
        &self,
        place: &Place,
        listening: &Listening,
        no_delay: bool,
    ) -> Result<Entrance, String> {
        let told = |error: io::Error| error.to_string();
        match self {
            Self::Tcp(socket) => {
                let is_meant = |other| is_same_port_of_any_v4(place, other);
                if tcp::takes_both(socket) && !listening.places.iter().any(is_meant) {
                    return Err("it takes IPv4 too, which the listener does not; write \
                                'BindIPv6Only=ipv6-only' in the socket unit"
                        .into());
                }
                tcp::furnish(socket, no_delay).map_err(told)?;
                let entrance = Entrance::of_tcp(socket.try_clone().map_err(told)?, place);
                entrance.map(Entrance::shared).map_err(told)
            }
            Self::Unix(socket) => {
                socket.set_nonblocking(true).map_err(told)?;
                Ok(Entrance::of_unix(socket.try_clone().map_err(told)?, None, place).shared())
            }
        }
    }

    /// The line of a configuration that asks for it.
    fn line(&self) -> String {
        let address = match self {
            Self::Tcp(socket) => socket.local_addr().ok(),
            Self::Unix(_) => None,
        };
        match address {
            Some(address) if address.ip().is_unspecified() && address.is_ipv6() => {
                format!("listener {}", address.port())
            }
            Some(address) => format!("listener {} {}", address.port(), address.ip()),
            None => format!("listener 0 {self}"),
        }
    }
}

impl fmt::Display for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(socket) => match socket.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(error) => write!(f, "without address ({error})"),
            },
            Self::Unix(socket) => {
                let address = socket.local_addr().ok();
                match address.as_ref().and_then(|address| address.as_pathname()) {
                    Some(path) => write!(f, "{}", path.display()),
                    None => f.write_str("PATH"),
                }
            }
        }
    }
}

/// Whether `other` is every IPv4 address with the port of `main`.
fn is_same_port_of_any_v4(main: &Place, other: &Place) -> bool {
    let (Place::Tcp { interface, .. }, Place::Tcp { interface: other_interface, .. }) =
        (main, other)
    else {
        return false;
    };
    let (Some(main), Some(other)) = (main.address(), other.address()) else { return false };
    interface == other_interface
        && main.port() == other.port()
        && other.is_ipv4()
        && other.ip().is_unspecified()
}

impl Entrance {
    fn of_tcp(socket: std::net::TcpListener, place: &Place) -> io::Result<Self> {
        Ok(Self {
            address: Some(socket.local_addr()?),
            takes_both: tcp::takes_both(&socket),
            is_shared: false,
            socket: Listener::Tcp(TcpListener::from_std(socket)),
            place: place.clone(),
        })
    }

    fn of_unix(socket: StdUnixListener, file: Option<SocketFile>, place: &Place) -> Self {
        Self {
            address: None,
            takes_both: false,
            is_shared: false,
            socket: Listener::Unix(UnixListener::from_std(socket), file),
            place: place.clone(),
        }
    }

    fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }

    /// Where it listens, with the real port; none for a Unix socket.
    pub(super) const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Whether it takes who comes to `place`.
    pub(super) fn serves(&self, place: &Place) -> bool {
        self.place.is_same_socket(place)
            || (self.takes_both && is_same_port_of_any_v4(&self.place, place))
    }

    /// Whether it has the permissions that `place` wants, or is none of the same socket.
    pub(super) fn has_settings_of(&self, place: &Place) -> bool {
        self.place == *place || !self.place.is_same_socket(place)
    }

    /// Gives the socket the settings of `place`.
    ///
    /// # Errors
    /// What is wrong and what to do; it has its old settings then, or some of the new ones.
    pub(super) fn tune(&mut self, place: &Place, no_delay: bool) -> Result<(), String> {
        match (&self.socket, place) {
            (Listener::Tcp(socket), _) => SockRef::from(socket)
                .set_tcp_nodelay(no_delay)
                .map_err(|error| format!("{self}: set_tcp_nodelay: {error}"))?,
            (Listener::Unix(_, Some(_)), Place::Unix { path, mode, owner })
                if self.place != *place =>
            {
                unix::permit(path, *mode, *owner).map_err(|error| format!("{self}: {error}"))?;
            }
            (Listener::Unix(..), _) => {}
        }
        if self.place.is_same_socket(place) {
            self.place = place.clone();
        }
        Ok(())
    }

    /// Whether what is written to its clients leaves at once.
    #[cfg(test)]
    pub(super) fn has_no_delay(&self) -> bool {
        match &self.socket {
            Listener::Tcp(socket) => SockRef::from(socket).tcp_nodelay().is_ok_and(|on| on),
            Listener::Unix(..) => false,
        }
    }

    /// Lets nobody in any more, so that another socket may take its port; who waits is sent away.
    pub(super) fn mute(&self) {
        if let Listener::Tcp(socket) = &self.socket {
            // It can fail only if it does not listen, and then it is done.
            let _ = SockRef::from(socket).shutdown(std::net::Shutdown::Read);
        }
    }

    /// Listens again.
    pub(super) fn unmute(&self) -> io::Result<()> {
        match &self.socket {
            Listener::Tcp(socket) => SockRef::from(socket).listen(BACKLOG),
            Listener::Unix(..) => Ok(()),
        }
    }
}

impl Door for Entrance {
    type Stream = ClientSocket;

    fn accept(&mut self) -> io::Result<(ClientSocket, Option<SocketAddr>)> {
        match &self.socket {
            Listener::Tcp(socket) => socket.accept().map(|(stream, mut address)| {
                // To a socket of both families, an IPv4 peer is an IPv6 one.
                address.set_ip(address.ip().to_canonical());
                (stream.into(), Some(address))
            }),
            Listener::Unix(socket, _) => socket.accept().map(|(stream, _)| (stream.into(), None)),
        }
    }
}

impl Source for Entrance {
    fn register(&mut self, registry: &Registry, token: Token, wants: Interest) -> io::Result<()> {
        match &mut self.socket {
            Listener::Tcp(socket) => socket.register(registry, token, wants),
            Listener::Unix(socket, _) => socket.register(registry, token, wants),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, wants: Interest) -> io::Result<()> {
        match &mut self.socket {
            Listener::Tcp(socket) => socket.reregister(registry, token, wants),
            Listener::Unix(socket, _) => socket.reregister(registry, token, wants),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match &mut self.socket {
            Listener::Tcp(socket) => socket.deregister(registry),
            Listener::Unix(socket, _) => socket.deregister(registry),
        }
    }
}

/// `127.0.0.1:1883`, `127.0.0.1:1883 of lo` or a path.
impl fmt::Display for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, &self.place) {
            (Some(address), Place::Tcp { interface: Some(name), .. }) => {
                write!(f, "{address} of {name}")
            }
            (Some(address), _) => write!(f, "{address}"),
            (None, place) => write!(f, "{place}"),
        }
    }
}

fn refusal(place: &Place, what: &str, kind: io::ErrorKind) -> Refusal {
    Refusal { kind, what: format!("cannot listen on {place}: {what}") }
}

/// Raises the limit of open files to what the process may have.
pub(super) fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard { setrlimit(Resource::RLIMIT_NOFILE, hard, hard) } else { Ok(()) }
    });
    if let Err(error) = raised {
        warn!("Cannot raise the limit of open files: {error}");
    }
}
