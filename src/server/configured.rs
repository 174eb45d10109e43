//! From a configuration to a server.
//!
//! Owns: what each setting means to the server, where names are looked up, and which settings the
//! server does not know yet: a configuration with those is refused, never used by half.
//!
//! Never reads a file.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Persistence, ServerConfig};
use crate::auth::Anonymous;
use crate::broker::{ListenerOptions, Options, Overflow};
use crate::codec::Version;
use crate::config::{
    Address, Config, Family, Limits, Listener, LogDest, PersistenceSettings, PersistenceSync,
    QueueOverflow,
};
use crate::persistence::{Policy, Sync};

impl ServerConfig {
    /// What `config` asks for that this server cannot do yet; empty if it can do everything.
    #[must_use]
    pub fn lacks(config: &Config) -> Vec<String> {
        let mut lacks = Vec::new();
        if config.limits.queue_overflow == QueueOverflow::Refuse {
            lacks.push("queue_overflow refuse is not supported by this build yet".into());
        }
        if config.log.destinations.contains(&LogDest::Topic) {
            lacks.push("log_dest topic is not supported by this build yet".into());
        }
        for listener in &config.listeners {
            let origin = &listener.origin;
            if let Address::Unix { path } = &listener.address {
                lacks.push(format!(
                    "{origin}: a Unix socket ({path}) is not supported by this build yet"
                ));
            }
            let first = config.listeners.first();
            if first.is_some_and(|first| !is_alike(first, listener)) {
                lacks.push(format!(
                    "{origin}: listeners that differ in more than address and allow_anonymous \
                     are not supported by this build yet"
                ));
            }
        }
        lacks
    }

    /// The server of a configuration, and who lets its clients in. Names are looked up.
    ///
    /// # Errors
    /// A name that cannot be looked up, and where it stands.
    pub fn from_config(config: &Config) -> Result<(Self, Anonymous), String> {
        let mut all = Self { listeners: Vec::new(), ..Self::default() };
        let mut open = Vec::new();
        for listener in &config.listeners {
            for address in addresses(listener)? {
                all.listeners.push(address);
                open.push(listener.allow_anonymous);
            }
        }
        let limits = &config.limits;
        all.max_connections = limits.global_max_connections as usize;
        all.connect_timeout = Duration::from_secs(limits.connect_timeout.into());
        all.options = options(limits);
        all.persistence = persistence(&config.persistence)?;
        // All listeners are alike.
        if let Some(first) = config.listeners.first() {
            all.options.listeners =
                vec![Some(Arc::new(listener_options(first))); all.listeners.len()];
            if first.max_connections > 0 {
                let most = first.max_connections as usize;
                let other = all.max_connections;
                all.max_connections = if other > 0 { other.min(most) } else { most };
            }
        }
        Ok((all, Anonymous::new(open)))
    }
}

/// Whether two listeners can be told apart by their addresses only, and by who may connect. A
/// bound on the connections of one of several is not known yet.
fn is_alike(first: &Listener, other: &Listener) -> bool {
    let alike = Listener {
        origin: other.origin.clone(),
        address: other.address.clone(),
        family: other.family,
        allow_anonymous: other.allow_anonymous,
        ..first.clone()
    };
    alike == *other && (first.max_connections == 0 || first.origin == other.origin)
}

fn listener_options(listener: &Listener) -> ListenerOptions {
    let spoken = |version: &Version| listener.versions.allow(*version);
    ListenerOptions {
        maximum_qos: listener.max_qos,
        topic_alias_maximum: listener.max_topic_alias,
        topic_alias_maximum_out: listener.max_topic_alias_broker,
        versions: [Version::V31, Version::V311, Version::V5].into_iter().filter(spoken).collect(),
        mount_point: listener.mount_point.clone().unwrap_or_default(),
        use_username_as_client_id: listener.use_username_as_clientid,
        allow_zero_length_client_id: listener.allow_zero_length_clientid,
        auto_id_prefix: listener.auto_id_prefix.clone(),
    }
}

fn options(limits: &Limits) -> Options {
    let defaults = Options::default();
    let window = match limits.max_inflight_messages {
        0 => u16::MAX,
        window => window,
    };
    let expiry = match limits.persistent_client_expiration {
        0 => u32::MAX,
        // The highest number is for ever.
        seconds => u32::try_from(seconds).unwrap_or(u32::MAX).min(u32::MAX - 1),
    };
    Options {
        max_inflight_messages: window,
        receive_maximum: window,
        max_packet_size: limits.max_packet_size,
        max_connect_size: limits.max_connect_size,
        max_queued_messages: limits.max_queued_messages as usize,
        max_queued_bytes: usize::try_from(limits.max_queued_bytes).unwrap_or(usize::MAX),
        overflow: match limits.queue_overflow {
            QueueOverflow::DropOld => Overflow::DropOldest,
            QueueOverflow::Disconnect => Overflow::Disconnect,
            QueueOverflow::DropNew | QueueOverflow::Refuse => Overflow::DropNewest,
        },
        queue_qos0_messages: limits.queue_qos0_messages,
        max_keep_alive: limits.max_keepalive,
        stalled_timeout_ms: u64::from(limits.stalled_timeout) * 1000,
        max_sessions: limits.global_max_clients as usize,
        max_session_expiry: expiry,
        retain_available: limits.retain_available,
        retain_expiry_interval: limits.retain_expiry_interval,
        max_retained_messages: limits.max_retained_messages,
        max_inflight_bytes: limits.max_inflight_bytes,
        message_size_limit: limits.message_size_limit,
        max_subscriptions: limits.max_subscriptions,
        max_topic_levels: limits.max_topic_levels,
        max_topic_length: limits.max_topic_length,
        max_client_id_length: limits.max_clientid_length,
        upgrade_outgoing_qos: limits.upgrade_outgoing_qos,
        max_message_rate: limits.max_message_rate,
        max_byte_rate: limits.max_byte_rate,
        memory_limit: limits.memory_limit,
        ..defaults
    }
}

/// Where and when state is stored, if it is.
fn persistence(settings: &PersistenceSettings) -> Result<Option<Persistence>, String> {
    if !settings.is_on {
        return Ok(None);
    }
    let location = settings.location.as_deref().unwrap_or(".");
    // Made absolute now: a daemon goes elsewhere.
    let path = std::path::absolute(Path::new(location).join(&settings.file));
    let path = path.map_err(|error| format!("persistence_location {location}: {error}"))?;
    let count = settings.autosave_interval;
    let (save_ms, save_records) = match settings.sync {
        PersistenceSync::Interval(ms) => (ms.into(), 0),
        PersistenceSync::Always | PersistenceSync::Off if settings.autosave_on_changes => {
            (0, count as usize)
        }
        PersistenceSync::Always | PersistenceSync::Off => (u64::from(count) * 1000, 0),
    };
    let sync = match settings.sync {
        PersistenceSync::Always => Sync::Always,
        PersistenceSync::Interval(_) => Sync::Interval,
        PersistenceSync::Off => Sync::Off,
    };
    Ok(Some(Persistence { path, policy: Policy { sync, save_ms, save_records } }))
}

/// Every address of a listener that its versions of IP allow.
fn addresses(listener: &Listener) -> Result<Vec<SocketAddr>, String> {
    let both = |v4: Ipv4Addr, v6: Ipv6Addr, port: u16| {
        let mut all = vec![SocketAddr::from((v4, port))];
        // A machine without IPv6 is complete without it, unless it was asked for.
        if listener.family == Family::Ipv6 || has_ipv6() {
            all.push(SocketAddr::from((v6, port)));
        }
        all
    };
    let mut all = match &listener.address {
        Address::Unix { .. } => Vec::new(),
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
