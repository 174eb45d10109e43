//! From a configuration to a server.
//!
//! Owns: what each setting means to the server, where names are looked up, and the numbers of
//! listeners.
//!
//! A listener keeps its number for as long as it is the same, whatever a reload does to others,
//! since that number is what its connections are known by. A number that has become free is used
//! again by a later reload, never by the one that made it free: by then nobody has it any more.
//!
//! Never reads a file: [`Tables`] and `gateway` do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::access::{Secret, Tables, secret};
use super::files::Disk;
use super::gateway::gateway;
use super::log::Owner;
use super::lookup;
use super::place::{Listening, Place};
use super::{Persistence, ServerConfig};
use crate::auth::AccessControl;
use crate::broker::{ListenerOptions, Options, Overflow};
use crate::codec::Version;
use crate::config::{Address, Config, Limits, Listener, QueueOverflow};

/// What a configuration means to a server.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) config: ServerConfig,
    /// Who lets clients in.
    pub(super) authority: AccessControl,
    /// The listeners by their numbers; `None` for one that has gone.
    pub(super) listeners: Vec<Option<Listener>>,
}

impl ServerConfig {
    /// The server of a configuration, and who lets its clients in. Names are looked up, and the
    /// files of passwords and rights are read.
    ///
    /// # Errors
    /// Names that cannot be looked up, and where they stand; everything that is wrong with a file.
    pub fn from_config(config: &Config) -> Result<(Self, AccessControl), Vec<String>> {
        let tables = Tables::read(config, &Disk::here())?;
        let secret = secret().map_err(|problem| vec![problem])?;
        let Plan { config, authority, .. } = Plan::new(config, &[], None, (&tables, secret))?;
        Ok((config, authority))
    }
}

impl Plan {
    /// What `config` means after `before`, the listeners there are by their numbers. `owner` is
    /// whom files are given to of which the configuration does not say it; the tables are those
    /// of the files that it names.
    ///
    /// # Errors
    /// Names that cannot be looked up and files that cannot be used, and where they stand.
    pub(super) fn new(
        config: &Config,
        before: &[Option<Listener>],
        owner: Option<Owner>,
        (tables, secret): (&Tables, Secret),
    ) -> Result<Self, Vec<String>> {
        let listeners = numbered(before, &config.listeners);
        let mut problems = Vec::new();
        let mut listening = Vec::new();
        for listener in &listeners {
            let Some(listener) = listener else {
                listening.push(Listening::default());
                continue;
            };
            let places = places(listener, owner).unwrap_or_else(|problem| {
                problems.push(problem);
                Vec::new()
            });
            let gateway = gateway(listener).unwrap_or_else(|problem| {
                problems.push(problem);
                None
            });
            let max_connections = listener.max_connections as usize;
            listening.push(Listening { places, max_connections, gateway });
        }
        let persistence = Persistence::of(&config.persistence).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let limits = &config.limits;
        let mut all = ServerConfig {
            listeners: listening,
            max_connections: limits.global_max_connections as usize,
            max_connections_per_address: limits.max_connections_per_address,
            max_connection_rate: limits.max_connection_rate,
            connect_timeout: Duration::from_secs(limits.connect_timeout.into()),
            no_delay: config.daemon.tcp_nodelay,
            options: Options { sys_interval: config.daemon.sys_interval, ..options(limits) },
            persistence,
            ..ServerConfig::default()
        };
        let options = |listener: &Listener| Arc::new(listener_options(listener));
        all.options.listeners =
            listeners.iter().map(|listener| listener.as_ref().map(options)).collect();
        let authority = tables.control(&listeners, config.limits.check_retain_source, secret);
        Ok(Self { config: all, authority, listeners })
    }
}

/// The listeners by their numbers, those that were there before under the ones they had.
fn numbered(before: &[Option<Listener>], new: &[Listener]) -> Vec<Option<Listener>> {
    let (numbers, old): (Vec<usize>, Vec<&Listener>) = before
        .iter()
        .enumerate()
        .filter_map(|(number, listener)| Some((number, listener.as_ref()?)))
        .unzip();
    let mut all: Vec<Option<Listener>> = vec![None; before.len()];
    let mut free = (0..before.len()).filter(|number| before[*number].is_none());
    for (listener, matched) in new.iter().zip(Listener::matched(&old, new)) {
        let number = matched.map(|place| numbers[place]).or_else(|| free.next());
        match number {
            Some(number) => all[number] = Some(listener.clone()),
            None => all.push(Some(listener.clone())),
        }
    }
    all
}

/// Every socket of a listener.
fn places(listener: &Listener, owner: Option<Owner>) -> Result<Vec<Place>, String> {
    if let Address::Unix { path } = &listener.address {
        let owner = match &listener.unix_socket_owner {
            Some(name) => Some(lookup::owner(name).map_err(|what| {
                format!("{}: unix_socket_owner '{name}': {what}", listener.origin)
            })?),
            None => owner,
        };
        let path = Path::new(path).into();
        return Ok(vec![Place::Unix { path, mode: listener.unix_socket_mode.0, owner }]);
    }
    let place = |address| {
        let interface = listener.bind_interface.clone();
        Place::Tcp { address, interface }
    };
    Ok(lookup::addresses(listener)?.into_iter().map(place).collect())
}

fn listener_options(listener: &Listener) -> ListenerOptions {
    let spoken = |version: &Version| listener.versions.allow(*version);
    ListenerOptions {
        name: match &listener.address {
            Address::Any { port } | Address::Loopback { port } => port.to_string(),
            Address::Host { host, port } => format!("{host}:{port}"),
            Address::Unix { path } => path.trim_start_matches('/').into(),
        },
        certificate_end: None,
        maximum_qos: listener.max_qos,
        topic_alias_maximum: listener.max_topic_alias,
        topic_alias_maximum_out: listener.max_topic_alias_broker,
        versions: [Version::V31, Version::V311, Version::V5].into_iter().filter(spoken).collect(),
        mount_point: listener.mount_point.clone().unwrap_or_default(),
        certificate_name: listener.certificate_name(),
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
            QueueOverflow::DropNew => Overflow::DropNewest,
            QueueOverflow::Refuse => Overflow::Refuse,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(port: u16) -> Listener {
        let address = Address::Host { host: "127.0.0.1".into(), port };
        Listener { max_connections: port.into(), ..Listener::new(address) }
    }

    fn ports(listeners: &[Option<Listener>]) -> Vec<u32> {
        listeners
            .iter()
            .map(|one| one.as_ref().map_or(0, |listener| listener.max_connections))
            .collect()
    }

    #[test]
    fn numbers_stay_and_are_used_again_a_reload_later() {
        let first = numbered(&[], &[1, 2, 3].map(listener));
        assert_eq!(ports(&first), [1, 2, 3]);
        let second = numbered(&first, &[4, 3, 1].map(listener));
        assert_eq!(ports(&second), [1, 0, 3, 4], "2 has gone in this very moment");
        let third = numbered(&second, &[5, 4, 3].map(listener));
        assert_eq!(ports(&third), [0, 5, 3, 4]);
        let fourth = numbered(&third, &[3, 3, 3].map(listener));
        assert_eq!(ports(&fourth), [3, 0, 3, 0, 3], "each is one of its own");
        assert_eq!(ports(&numbered(&fourth, &[])), [0; 5]);
    }

    #[test]
    fn each_listener_is_what_its_number_says() {
        let before = [None, Some(listener(2))];
        let mut config = crate::config::without_file(&crate::config::Fallback::default());
        let mut open = listener(3);
        (open.allow_anonymous, open.max_qos) = (true, crate::codec::QoS::AtMostOnce);
        config.listeners = vec![listener(2), open, listener(4)];
        let plan = Plan::new(&config, &before, None, (&Tables::default(), [0; 32])).unwrap();
        let max: Vec<_> = plan.config.listeners.iter().map(|one| one.max_connections).collect();
        assert_eq!(max, [3, 2, 4]);
        let options = &plan.config.options;
        assert_eq!(options.listener(0).unwrap().maximum_qos, crate::codec::QoS::AtMostOnce);
        assert_eq!(options.listener(1).unwrap().maximum_qos, crate::codec::QoS::ExactlyOnce);
        config.listeners.remove(0);
        let plan =
            Plan::new(&config, &plan.listeners, None, (&Tables::default(), [0; 32])).unwrap();
        assert!(plan.config.listeners[1].is_gone() && plan.config.options.listener(1).is_none());
    }

    #[test]
    fn every_name_that_cannot_be_found_is_told() {
        let nowhere = Address::Host { host: "no.such.name.invalid".into(), port: 5 };
        let mut config = crate::config::without_file(&crate::config::Fallback::default());
        let mut socket = Listener::new(Address::Unix { path: "/s".into() });
        socket.unix_socket_owner = Some("nobody-of-that-name".into());
        config.listeners = vec![Listener::new(nowhere), listener(1), socket];
        let problems = ServerConfig::from_config(&config).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[1].contains("unix_socket_owner 'nobody-of-that-name': there is no user"));
    }
}
