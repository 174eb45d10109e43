//! Where to listen: the values of `listener` and its elder relatives.
//!
//! Owns: their syntax, and what holds where no file names a listener.
//!
//! Never resolves a name.

use core::net::IpAddr;

use super::choice::Address;
use super::parse::Line;
use super::settings::Listener;
use super::value::{self, check};

/// What the command line says, for files that name no listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallback {
    /// Addresses or names to listen on; none is this machine only.
    pub hosts: Vec<String>,
    /// The port instead of 1883.
    pub port: Option<u16>,
}

/// The port registered for MQTT.
pub(super) const PORT: u16 = 1883;

impl Fallback {
    /// The listeners of a file that names none.
    pub(super) fn listeners(&self) -> impl Iterator<Item = Listener> {
        let port = self.port.unwrap_or(PORT);
        let hosts = self.hosts.iter().map(move |host| Address::Host { host: host.into(), port });
        let local = self.hosts.is_empty().then_some(Address::Loopback { port });
        hosts.chain(local).map(|address| {
            let mut listener = Listener::new(address);
            listener.allow_anonymous = true;
            listener
        })
    }
}

/// Checks an option that shapes the file.
pub(super) fn file_option(line: &Line, notes: &mut Vec<String>) -> Result<(), String> {
    match line.entry.name {
        "listener" => listener_address(&line.value).map(drop),
        "bind_address" => value::word(&line.value).map(drop),
        _ => check(&line.value, &line.entry.kind, notes),
    }
}

/// `PORT`, `PORT ADDRESS`, `PORT NAME`, `0 PATH` or, for any free port, `0 ADDRESS`.
pub(super) fn listener_address(text: &str) -> Result<Address, String> {
    let (port, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let Some(port) = port.parse::<u16>().ok().filter(|_| is_number) else {
        return Err("give a port from 1 to 65535, or 0 and the path of a Unix socket".into());
    };
    let rest = rest.trim();
    if port == 0 && rest.contains('/') {
        return Ok(Address::Unix { path: rest.into() });
    }
    if rest.is_empty() || rest.starts_with('#') {
        return match port {
            0 => Err("give the path of a Unix socket behind port 0".into()),
            port => Ok(Address::Any { port }),
        };
    }
    let host = value::word(rest)?;
    if host.contains('/') {
        return Err("the path of a Unix socket goes with port 0".into());
    }
    // The interface behind an address of one link.
    let address = host.split_once('%').map_or(host, |(address, _)| address);
    if port == 0 && address.parse::<IpAddr>().is_err() {
        return Err("the path of a Unix socket begins with / or ./".into());
    }
    Ok(Address::Host { host: host.into(), port })
}
