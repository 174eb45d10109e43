//! What a configuration says, as values: plain data for whoever does it.
//!
//! Owns: the settings with their units and defaults. The option table (`options`) names a place
//! in here for each option, and a test holds the defaults of both together.
//!
//! Never reads text and never does what a setting says.

use super::choice::{
    Address, Family, Mode, Protocol, ProxyHeader, QueueOverflow, TlsVersion, Versions,
};
use super::log::LogSettings;
use crate::codec::QoS;
use crate::network::Network;
use crate::session::CertificateName;

/// Everything a configuration file decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen, in the order of the file; at least one.
    pub listeners: Vec<Listener>,
    /// Whether the file named no listener, so that the one here is for this machine only.
    pub is_local_only: bool,
    /// Limits and choices that hold for all clients.
    pub limits: Limits,
    /// What is logged, where to and how.
    pub log: LogSettings,
    /// The process itself.
    pub daemon: DaemonSettings,
    /// What outlives the process.
    pub persistence: PersistenceSettings,
}

/// A listening socket (or one for each address of a name) and what holds for its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// `FILE:LINE` where it begins; empty for the one of a file without listeners.
    pub origin: String,
    /// Where it listens.
    pub address: Address,
    /// Only on this network interface.
    pub bind_interface: Option<String>,
    /// With which version of IP.
    pub family: Family,
    /// Mode of the file of a Unix socket.
    pub unix_socket_mode: Mode,
    /// `USER` or `USER:GROUP` to whom the file of a Unix socket is given.
    pub unix_socket_owner: Option<String>,
    /// Connections at once; 0 is no limit.
    pub max_connections: u32,
    /// Highest QoS taken.
    pub max_qos: QoS,
    /// Highest topic alias taken from a 5.0 client; 0 takes none.
    pub max_topic_alias: u16,
    /// Highest topic alias used towards a 5.0 client, if it allows as many; 0 uses none.
    pub max_topic_alias_broker: u16,
    /// Versions of the protocol that are spoken.
    pub versions: Versions,
    /// What comes before every topic of its clients, who never see it.
    pub mount_point: Option<String>,
    /// Whether a client's user name becomes its client id.
    pub use_username_as_clientid: bool,
    /// What a client id begins with that the broker has chosen.
    pub auto_id_prefix: String,
    /// Whether a client may come in without a user name.
    pub allow_anonymous: bool,
    /// Names and passwords of those who may come in.
    pub password_file: Option<String>,
    /// Who may do what with which topics.
    pub acl_file: Option<String>,
    /// Whether a client may leave its id to the broker.
    pub allow_zero_length_clientid: bool,
    /// What is spoken.
    pub protocol: Protocol,
    /// Origins of the pages whose browsers may connect; all, if empty.
    pub websockets_origin: Vec<String>,
    /// Which PROXY header comes before everything else.
    pub enable_proxy_protocol: ProxyHeader,
    /// Whether that must say that the client speaks TLS with the proxy.
    pub proxy_protocol_v2_require_tls: bool,
    /// From where proxies are believed.
    pub proxy_trusted_networks: Vec<Network>,
    /// The certificate and what vouches for it; with it, TLS is spoken.
    pub certfile: Option<String>,
    /// Its key.
    pub keyfile: Option<String>,
    /// Who vouches for clients, a file.
    pub cafile: Option<String>,
    /// The same, a directory of files.
    pub capath: Option<String>,
    /// Certificates that were revoked.
    pub crlfile: Option<String>,
    /// Whether clients must bring a certificate.
    pub require_certificate: bool,
    /// Whether the common name of its certificate is a client's user name.
    pub use_identity_as_username: bool,
    /// Whether its whole subject is.
    pub use_subject_as_username: bool,
    /// What of it is, otherwise.
    pub certificate_username: Option<CertificateName>,
    /// The lowest version of TLS.
    pub tls_version: TlsVersion,
    /// Ciphers for TLS 1.2, as OpenSSL names them.
    pub ciphers: Option<String>,
    /// Ciphers for TLS 1.3.
    pub ciphers_tls13: Option<String>,
    /// Whether certificates of clients are good at any time.
    pub disable_client_cert_date_checks: bool,
}

/// Limits and choices that hold for all clients. Where 0 is no limit, it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// QoS 1 and 2 messages on their way to one client at once, and from it; 0 is no limit.
    pub max_inflight_messages: u16,
    /// Bytes of such messages on their way to one client at once; 0 is no limit.
    pub max_inflight_bytes: u64,
    /// Bytes of the largest packet taken.
    pub max_packet_size: u32,
    /// Bytes of the largest CONNECT taken.
    pub max_connect_size: u32,
    /// Bytes of the largest payload taken; 0 is no limit but the packet's.
    pub message_size_limit: u32,
    /// Messages waiting for one client; 0 is no limit.
    pub max_queued_messages: u32,
    /// Bytes of messages waiting for one client; 0 is no limit.
    pub max_queued_bytes: u64,
    /// What happens at either bound of the queue.
    pub queue_overflow: QueueOverflow,
    /// Whether QoS 0 messages wait for a client that is away.
    pub queue_qos0_messages: bool,
    /// Seconds of the longest keep alive granted; 0 is no limit.
    pub max_keepalive: u16,
    /// Sessions, connected or not; 0 is no limit.
    pub global_max_clients: u32,
    /// Connections over all listeners; 0 is no limit.
    pub global_max_connections: u32,
    /// Connections from one address; 0 is no limit.
    pub max_connections_per_address: u32,
    /// Connections taken in one second; 0 is no limit.
    pub max_connection_rate: u32,
    /// Messages taken from one client in one second; 0 is no limit.
    pub max_message_rate: u32,
    /// Bytes taken from one client in one second; 0 is no limit.
    pub max_byte_rate: u64,
    /// Subscriptions of one client; 0 is no limit.
    pub max_subscriptions: u32,
    /// Levels of a topic or filter.
    pub max_topic_levels: u16,
    /// Bytes of a topic or filter.
    pub max_topic_length: u16,
    /// Bytes of a client id.
    pub max_clientid_length: u16,
    /// Topics with a retained message; 0 is no limit.
    pub max_retained_messages: u32,
    /// Bytes of everything that is kept; 0 is no limit.
    pub memory_limit: u64,
    /// Whether retained messages are kept at all.
    pub retain_available: bool,
    /// Minutes a retained message lives that has no expiry of its own; 0 is for ever.
    pub retain_expiry_interval: u32,
    /// Seconds a session outlives its connection at the most; 0 is for ever.
    pub persistent_client_expiration: u64,
    /// Whether retained messages are kept from everybody once their publisher may not publish
    /// them any more.
    pub check_retain_source: bool,
    /// Whether a message is delivered with the subscription's QoS even if published with less.
    pub upgrade_outgoing_qos: bool,
    /// Seconds from accept to a complete CONNECT.
    pub connect_timeout: u32,
    /// Seconds a client may take nothing of what waits for it.
    pub stalled_timeout: u32,
}

/// The process itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSettings {
    /// Whether it leaves the terminal; no option of the file, the command line says it.
    pub daemonize: bool,
    /// File that holds the process id, locked while the process lives.
    pub pid_file: Option<String>,
    /// Whose rights it keeps when started by root; `None` if the file does not say.
    pub user: Option<String>,
    /// Seconds between statistics below `$SYS`; 0 is none.
    pub sys_interval: u32,
    /// Whether what is written leaves the machine at once.
    pub tcp_nodelay: bool,
}

/// What outlives the process, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistenceSettings {
    /// Whether anything does.
    pub is_on: bool,
    /// The directory of the store; `None` is the one the broker was started in.
    pub location: Option<String>,
    /// The name of the store's file.
    pub file: String,
    /// When acknowledgements may leave.
    pub sync: PersistenceSync,
    /// Seconds what nobody waits for may stay unsaved, or changes; 0 is for ever.
    pub autosave_interval: u32,
    /// Whether that counts changes.
    pub autosave_on_changes: bool,
}

/// When acknowledgements may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PersistenceSync {
    /// When what they promise is stored.
    #[default]
    Always,
    /// At once; what they promise is stored within so many milliseconds.
    Interval(u32),
    /// At once; what they promise is stored with everything else.
    Off,
}

impl Default for PersistenceSettings {
    fn default() -> Self {
        Self {
            is_on: false,
            location: None,
            file: "mqtt-broker.db".into(),
            sync: PersistenceSync::Always,
            autosave_interval: 10,
            autosave_on_changes: false,
        }
    }
}

impl Config {
    /// All defaults, and no listener yet.
    pub(super) fn bare() -> Self {
        Self {
            listeners: Vec::new(),
            is_local_only: false,
            limits: Limits::default(),
            log: LogSettings::default(),
            daemon: DaemonSettings::default(),
            persistence: PersistenceSettings::default(),
        }
    }
}

impl Listener {
    /// One with the defaults of a file that names listeners.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            origin: String::new(),
            address,
            bind_interface: None,
            family: Family::Both,
            unix_socket_mode: Mode(0o660),
            unix_socket_owner: None,
            max_connections: 0,
            max_qos: QoS::ExactlyOnce,
            max_topic_alias: 10,
            max_topic_alias_broker: 10,
            versions: Versions::default(),
            mount_point: None,
            use_username_as_clientid: false,
            auto_id_prefix: "auto-".into(),
            allow_anonymous: false,
            password_file: None,
            acl_file: None,
            allow_zero_length_clientid: true,
            protocol: Protocol::Mqtt,
            websockets_origin: Vec::new(),
            enable_proxy_protocol: ProxyHeader::None,
            proxy_protocol_v2_require_tls: false,
            proxy_trusted_networks: Vec::new(),
            certfile: None,
            keyfile: None,
            cafile: None,
            capath: None,
            crlfile: None,
            require_certificate: false,
            use_identity_as_username: false,
            use_subject_as_username: false,
            certificate_username: None,
            tls_version: TlsVersion::V12,
            ciphers: None,
            ciphers_tls13: None,
            disable_client_cert_date_checks: false,
        }
    }

    /// What of a client's certificate is its user name, by whichever option says so.
    #[must_use]
    pub fn certificate_name(&self) -> Option<CertificateName> {
        let by_flag = [
            (self.use_identity_as_username, CertificateName::CommonName),
            (self.use_subject_as_username, CertificateName::Subject),
        ];
        let flagged = by_flag.into_iter().find(|(is_on, _)| *is_on).map(|(_, name)| name);
        flagged.or(self.certificate_username)
    }

    /// Whether clients are asked for certificates here.
    #[must_use]
    pub const fn asks_for_certificates(&self) -> bool {
        self.certfile.is_some() && self.require_certificate
    }

    /// Whether the two listen in the same way, so that a reload keeps the sockets and their
    /// connections.
    #[must_use]
    pub fn is_same_socket(&self, other: &Self) -> bool {
        let is_unix = matches!(self.address, Address::Unix { .. });
        let is_same_way =
            self.bind_interface == other.bind_interface && self.family == other.family;
        self.address == other.address && (is_unix || is_same_way)
    }

    /// For each of `new`, its place in `old` if it is there; none is taken twice.
    #[must_use]
    pub fn matched(old: &[&Self], new: &[Self]) -> Vec<Option<usize>> {
        let mut is_taken = vec![false; old.len()];
        new.iter()
            .map(|listener| {
                let is_it = |at: &usize| !is_taken[*at] && old[*at].is_same_socket(listener);
                let found = (0..old.len()).find(is_it)?;
                is_taken[found] = true;
                Some(found)
            })
            .collect()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_inflight_messages: 20,
            max_inflight_bytes: 0,
            max_packet_size: 2_000_000,
            max_connect_size: 100_000,
            message_size_limit: 0,
            max_queued_messages: 1000,
            max_queued_bytes: 0,
            queue_overflow: QueueOverflow::DropNew,
            queue_qos0_messages: false,
            max_keepalive: 0,
            global_max_clients: 0,
            global_max_connections: 0,
            max_connections_per_address: 0,
            max_connection_rate: 0,
            max_message_rate: 0,
            max_byte_rate: 0,
            max_subscriptions: 0,
            max_topic_levels: 200,
            max_topic_length: u16::MAX,
            max_clientid_length: u16::MAX,
            max_retained_messages: 0,
            memory_limit: 0,
            retain_available: true,
            retain_expiry_interval: 0,
            persistent_client_expiration: 0,
            check_retain_source: true,
            upgrade_outgoing_qos: false,
            connect_timeout: 30,
            stalled_timeout: 60,
        }
    }
}

impl Default for DaemonSettings {
    fn default() -> Self {
        Self { daemonize: false, pid_file: None, user: None, sys_interval: 10, tcp_nodelay: true }
    }
}
