//! Names to numbers: addresses of listeners, users and groups of files.
//!
//! Owns: the look-ups, which are made at the start and when the configuration is read again,
//! never in between: the loop waits for them, for as long as the system's resolver takes.
//!
//! Never opens anything that stays open.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use nix::unistd::{Group, User};

use super::log::Owner;
use crate::config::{Address, Family, Listener};

/// Every address of a listener that its versions of IP allow; none for a Unix socket.
///
/// # Errors
/// If there is none, with the place in the file and what to do.
pub(super) fn addresses(listener: &Listener) -> Result<Vec<SocketAddr>, String> {
    let both = |v4: Ipv4Addr, v6: Ipv6Addr, port: u16| {
        let mut all = vec![SocketAddr::from((v4, port))];
        // A machine without IPv6 is complete without it, unless it was asked for.
        if listener.family == Family::Ipv6 || has_ipv6() {
            all.push(SocketAddr::from((v6, port)));
        }
        all
    };
    let mut all = match &listener.address {
        Address::Unix { .. } => return Ok(Vec::new()),
        Address::Loopback { port } => both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, *port),
        Address::Any { port } => both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, *port),
        Address::Host { host, port } => look_up(listener, host, *port)?,
    };
    all.retain(|address| match listener.family {
        Family::Both => true,
        Family::Ipv4 => address.is_ipv4(),
        Family::Ipv6 => address.is_ipv6(),
    });
    if all.is_empty() {
        let colon = if listener.origin.is_empty() { "" } else { ": " };
        return Err(format!(
            "{}{colon}{} has no address of the version socket_domain says",
            listener.origin, listener.address
        ));
    }
    Ok(all)
}

/// The numbers of `USER` or `USER:GROUP`, each a name or a number; without a group it is the
/// user's.
///
/// # Errors
/// What is wrong and what to do.
pub(super) fn owner(text: &str) -> Result<Owner, String> {
    let (user, group) =
        text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let found = User::from_name(user).map_err(|error| error.to_string())?;
    let (user_number, own_group) = match (found, user.parse()) {
        (Some(found), _) => (found.uid.as_raw(), Some(found.gid.as_raw())),
        (None, Ok(number)) => (number, None),
        (None, Err(_)) => return Err(format!("there is no user '{user}'; create it")),
    };
    let group_number = match group {
        Some(group) => {
            let found = Group::from_name(group).map_err(|error| error.to_string())?;
            let number = found.map(|found| found.gid.as_raw()).or_else(|| group.parse().ok());
            number.ok_or_else(|| format!("there is no group '{group}'; create it"))?
        }
        None => own_group.ok_or_else(|| {
            format!("there is no user '{user}' of whom to take the group; add one")
        })?,
    };
    Ok((user_number, group_number))
}

fn look_up(listener: &Listener, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = (host, port).to_socket_addrs().map_err(|error| match listener.origin.as_str() {
        "" => format!("--host '{host}': give an address or name of this machine ({error})"),
        origin => {
            format!("{origin}: '{host}': give an address or name of this machine ({error})")
        }
    })?;
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    Ok(all)
}

/// Whether this machine has IPv6 at all.
fn has_ipv6() -> bool {
    TcpListener::bind((IpAddr::from(Ipv6Addr::LOCALHOST), 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: Address, family: Family) -> Result<Vec<String>, String> {
        let listener = Listener { family, ..Listener::new(address) };
        Ok(addresses(&listener)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_listener_has_the_addresses_of_its_versions() {
        let host = |host: &str| Address::Host { host: host.into(), port: 5 };
        assert_eq!(found(Address::Any { port: 5 }, Family::Ipv4).unwrap(), ["0.0.0.0:5"]);
        assert_eq!(found(Address::Any { port: 5 }, Family::Ipv6).unwrap(), ["[::]:5"]);
        let both = found(Address::Loopback { port: 5 }, Family::Both).unwrap();
        assert_eq!(both[0], "127.0.0.1:5");
        assert_eq!(found(host("127.0.0.9"), Family::Both).unwrap(), ["127.0.0.9:5"]);
        assert_eq!(found(host("fe80::1%1"), Family::Both).unwrap(), ["[fe80::1%1]:5"]);
        let local = found(host("localhost"), Family::Ipv4).unwrap();
        assert_eq!(local, ["127.0.0.1:5"]);
        let error = found(host("127.0.0.1"), Family::Ipv6).unwrap_err();
        assert!(error.contains("socket_domain"), "{error}");
        let error = found(host("no.such.name.invalid"), Family::Both).unwrap_err();
        assert!(error.contains("--host 'no.such.name.invalid'"), "{error}");
    }

    #[test]
    fn owners_are_names_or_numbers() {
        assert_eq!(owner("root"), Ok((0, 0)));
        assert_eq!(owner("root:5"), Ok((0, 5)));
        assert_eq!(owner("7:8"), Ok((7, 8)));
        assert!(owner("nobody-of-that-name").unwrap_err().contains("no user"));
        assert!(owner("root:no-such-group").unwrap_err().contains("no group"));
        assert!(owner("4000000:").is_err() && owner("4000000").is_err());
    }
}
