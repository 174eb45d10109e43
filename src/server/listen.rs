//! Sockets before they carry packets.
//!
//! Owns: the options of listening and accepted sockets, and the process's limit of open files.
//!
//! Never reads or writes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use log::{debug, warn};
use mio::net::{TcpListener, TcpStream};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// Connections that may wait to be accepted; the system lowers it to what it allows.
const BACKLOG: i32 = 4096;

/// An idle peer is asked whether it is still there after this long; three questions without
/// answer, and the connection is broken.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// A socket that listens on `address`. An IPv6 one takes IPv6 only, so that both families can
/// listen on one port.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Sets the options of an accepted socket: what is written leaves at once (the loop writes once a
/// turn), and a peer that is gone without a word is noticed.
pub(super) fn prepare(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE);
    let done =
        socket.set_tcp_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&keep_alive));
    if let Err(error) = done {
        // The peer may be gone already; reading will tell.
        debug!("Cannot set the options of a connection: {error}");
    }
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
