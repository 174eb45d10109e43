//! The way to the server.
//!
//! Owns: [`Server`], where it is, and [`Transport`], the socket to it. All of them are byte streams
//! that differ in nothing once they are open.
//!
//! Never knows what the bytes mean.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// On a network.
    Port {
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
        /// From where to connect.
        bind: Option<IpAddr>,
    },
    /// On this machine, at this path.
    Unix(PathBuf),
}

impl Server {
    /// Which options decide it, as the beginning of a sentence.
    pub(super) const fn options(&self) -> &'static str {
        match self {
            Self::Port { bind: Some(_), .. } => "-A says from where, -h and -p say",
            Self::Port { bind: None, .. } => "-h and -p say",
            Self::Unix(_) => "--unix says",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A socket that is connected and does not block.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Transport {
    /// Connects to the first address of the server that answers within `patience` each.
    pub(super) fn open(server: &Server, patience: Duration) -> io::Result<Self> {
        match server {
            Server::Port { host, port, bind } => {
                let mut failure =
                    io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    match connect(address, *bind, patience) {
                        Ok(socket) => return Ok(Self::Tcp(socket)),
                        Err(error) => failure = error,
                    }
                }
                Err(failure)
            }
            Server::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.connect_timeout(&SockAddr::unix(path)?, patience)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Unix(OwnedFd::from(socket).into()))
            }
        }
    }

    /// Reads and writes wait from now on, each for so long at the most.
    pub(super) fn block(&self, patience: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => {
                socket.set_nonblocking(false)?;
                socket.set_write_timeout(Some(patience))?;
                socket.set_read_timeout(Some(patience))
            }
            Self::Unix(socket) => {
                socket.set_nonblocking(false)?;
                socket.set_write_timeout(Some(patience))?;
                socket.set_read_timeout(Some(patience))
            }
        }
    }

    /// Says that nothing more will be written.
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Self::Unix(socket) => socket.shutdown(Shutdown::Write),
        }
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Unix(socket) => socket.read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            Self::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

fn connect(address: SocketAddr, bind: Option<IpAddr>, patience: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(ip) = bind {
        socket.bind(&SocketAddr::new(ip, 0).into())?;
    }
    socket.connect_timeout(&address.into(), patience)?;
    socket.set_tcp_nodelay(true)?; // what belongs together is written together
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
