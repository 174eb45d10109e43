//! Sockets that listen on a port.
//!
//! Owns: their options, which accepted sockets inherit, and what it takes to listen on one
//! network interface only.
//!
//! Never resolves a name.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::BACKLOG;

/// An idle peer is asked whether it is still there after this long; three questions without
/// answer, and the connection is broken.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// Sockets that listen on `address`: one, or where the system lets only root choose an interface
/// one for each address of it.
///
/// # Errors
/// What is wrong and what to do.
pub(super) fn open(
    address: SocketAddr,
    interface: Option<&str>,
    no_delay: bool,
) -> Result<Vec<TcpListener>, (io::Error, String)> {
    let told = |error: io::Error| {
        let what = format!("{error}{}", advice(address, &error));
        (error, what)
    };
    let listen = |address, device: Option<&str>| listen(address, device, no_delay);
    let Some(name) = interface else {
        return listen(address, None).map(|socket| vec![socket]).map_err(told);
    };
    let scope = if_nametoindex(name).map_err(|_| {
        let what = format!("there is no network interface '{name}'; 'ip link' lists them");
        (io::ErrorKind::NotFound.into(), what)
    })?;
    match listen(scoped(address, scope), Some(name)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && address.port() >= 1024 => {
            let all = of_interface(name, address, scope).map_err(told)?;
            all.into_iter().map(|address| listen(address, None).map_err(told)).collect()
        }
        socket => socket.map(|socket| vec![socket]).map_err(told),
    }
}

/// A socket that listens on `address`, perhaps of one device only. An IPv6 one takes IPv6 only,
/// so that both families can listen on one port.
fn listen(address: SocketAddr, device: Option<&str>, no_delay: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if let Some(device) = device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let socket = TcpListener::from(OwnedFd::from(socket));
    furnish(&socket, no_delay)?;
    Ok(socket)
}

/// Sets what accepted sockets inherit: that a peer is noticed that is gone without a word, and
/// whether what is written leaves at once (the loop writes once a turn).
pub(super) fn furnish(socket: &TcpListener, no_delay: bool) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(no_delay)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))
}

/// Whether a socket of `[::]` takes IPv4 too.
pub(super) fn takes_both(socket: &TcpListener) -> bool {
    let is_any = |address: SocketAddr| address.ip() == Ipv6Addr::UNSPECIFIED;
    socket.local_addr().is_ok_and(is_any)
        && SockRef::from(socket).only_v6().is_ok_and(|only_v6| !only_v6)
}

/// An address that means something on one link only, on the one of this interface.
fn scoped(mut address: SocketAddr, scope: u32) -> SocketAddr {
    if let SocketAddr::V6(v6) = &mut address
        && v6.ip().is_unicast_link_local()
        && v6.scope_id() == 0
    {
        v6.set_scope_id(scope);
    }
    address
}

/// The addresses of an interface that `address` means.
fn of_interface(name: &str, address: SocketAddr, scope: u32) -> io::Result<Vec<SocketAddr>> {
    let mut all: Vec<SocketAddr> = Vec::new();
    for found in getifaddrs()?.filter(|found| found.interface_name == name) {
        let Some(storage) = found.address else { continue };
        let ip: Option<IpAddr> = match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
            (Some(v4), _) => Some(v4.ip().into()),
            (None, Some(v6)) => Some(v6.ip().into()),
            (None, None) => None,
        };
        let is_meant = |ip: &IpAddr| {
            ip.is_ipv4() == address.is_ipv4()
                && (address.ip().is_unspecified() || *ip == address.ip())
        };
        all.extend(ip.filter(is_meant).map(|ip| scoped((ip, address.port()).into(), scope)));
    }
    if all.is_empty() && !address.ip().is_unspecified() {
        let what = format!("{} is no address of {name}", address.ip());
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, what));
    }
    Ok(all)
}

/// What to do about errors of [`open`].
fn advice(address: SocketAddr, error: &io::Error) -> &'static str {
    let is_link_local = match address {
        SocketAddr::V6(v6) => v6.ip().is_unicast_link_local() && v6.scope_id() == 0,
        SocketAddr::V4(_) => false,
    };
    let kind = error.kind();
    if kind == io::ErrorKind::InvalidInput && is_link_local {
        "; say on which interface, as in fe80::1%eth0"
    } else if kind == io::ErrorKind::AddrInUse {
        "; another program or listener has it"
    } else if kind == io::ErrorKind::AddrNotAvailable {
        "; give an address that this machine has"
    } else if kind == io::ErrorKind::PermissionDenied && address.port() < 1024 {
        "; ports below 1024 take the rights of root, which the broker has only while it starts: \
         restart it as root, or let the service manager hand the socket over"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_sockets_inherit_their_options() {
        for no_delay in [true, false] {
            let listener = listen("127.0.0.1:0".parse().unwrap(), None, no_delay).unwrap();
            let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let accepted = loop {
                match listener.accept() {
                    Ok((accepted, _)) => break accepted,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            };
            let socket = SockRef::from(&accepted);
            assert_eq!(socket.tcp_nodelay().unwrap(), no_delay);
            assert!(socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEP_ALIVE);
            drop(peer);
        }
    }

    #[test]
    fn both_families_listen_on_one_port() {
        let v4 = listen("0.0.0.0:0".parse().unwrap(), None, true).unwrap();
        let port = v4.local_addr().unwrap().port();
        // A machine without IPv6 has nothing to share.
        match listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), None, true) {
            Ok(v6) => {
                assert_eq!(v6.local_addr().unwrap().port(), port);
                assert!(!takes_both(&v6) && !takes_both(&v4));
            }
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::AddrInUse),
        }
    }

    #[test]
    fn an_interface_has_addresses() {
        let any = "0.0.0.0:5".parse().unwrap();
        assert_eq!(of_interface("lo", any, 1).unwrap(), ["127.0.0.1:5".parse().unwrap()]);
        let one = "127.0.0.1:5".parse().unwrap();
        assert_eq!(of_interface("lo", one, 1).unwrap(), [one]);
        let other = of_interface("lo", "192.0.2.1:5".parse().unwrap(), 1).unwrap_err();
        assert!(other.to_string().contains("192.0.2.1 is no address of lo"), "{other}");
        let (_, error) = open(any, Some("nothing0"), true).unwrap_err();
        assert!(error.contains("no network interface 'nothing0'"), "{error}");
        assert_eq!(open("127.0.0.1:0".parse().unwrap(), Some("lo"), true).unwrap().len(), 1);
    }

    #[test]
    fn a_link_local_address_needs_its_link() {
        let address = "[fe80::1]:5".parse().unwrap();
        assert_eq!(scoped(address, 7).to_string(), "[fe80::1%7]:5");
        assert_eq!(scoped("[fe80::1%3]:5".parse().unwrap(), 7).to_string(), "[fe80::1%3]:5");
        assert_eq!(scoped("[::1]:5".parse().unwrap(), 7).to_string(), "[::1]:5");
        let error = io::Error::from(io::ErrorKind::InvalidInput);
        assert!(advice(address, &error).contains("%eth0"));
    }
}
