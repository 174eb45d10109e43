//! What an operator can decide about the protocol.
//!
//! Owns: the limits and defaults of the core, each with its unit and what happens at the bound.
//!
//! Never read from a file here: `config` does that, one floor aside.

use std::sync::Arc;

use crate::codec::{QoS, Version};
use crate::session::CertificateName;

/// What happens to a message for a session whose queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The message is dropped.
    #[default]
    DropNewest,
    /// The oldest message of the queue is dropped.
    DropOldest,
    /// The message is dropped and the client, if connected, is disconnected (0x97).
    Disconnect,
    /// Above QoS 0 the message is not taken: a 5.0 publisher is told (0x97), an older one is held
    /// until there is room, [`Options::stalled_timeout_ms`] at the most. What cannot be refused is
    /// dropped: QoS 0, Wills, what has waited so long, and what a client sends to its own queue.
    Refuse,
}

/// Limits and choices for the clients of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerOptions {
    /// What it is called in topics below `$SYS`; empty where nothing is published of it.
    pub name: String,
    /// When its certificate ends, in seconds since 1970, if it has one.
    pub certificate_end: Option<u64>,
    /// Highest QoS taken; above it a PUBLISH ends the connection with 0x9B.
    pub maximum_qos: QoS,
    /// Highest topic alias taken from a 5.0 client; a higher one ends the connection with 0x94.
    pub topic_alias_maximum: u16,
    /// Highest topic alias used towards a 5.0 client, if it allows as many.
    pub topic_alias_maximum_out: u16,
    /// Versions that are spoken; a CONNECT of another is refused (3.x: 1, 5.0: 0x84).
    pub versions: Vec<Version>,
    /// What comes before every topic and filter of its clients, who never see it; empty for
    /// nothing.
    pub mount_point: String,
    /// What of a client's certificate is its user name. What its CONNECT says of user name and
    /// password is then ignored, and without such a certificate it is refused (5.0: 0x86, 3.x: 4).
    pub certificate_name: Option<CertificateName>,
    /// Whether a client's user name becomes its client id.
    pub use_username_as_client_id: bool,
    /// Whether a client may leave its id to the broker.
    pub allow_zero_length_client_id: bool,
    /// What an id chosen by the broker begins with.
    pub auto_id_prefix: String,
}

/// Limits and choices of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// QoS 1 and 2 messages on their way to one client at once; what exceeds it waits in the
    /// session's queue.
    pub max_inflight_messages: u16,
    /// QoS 1 and 2 messages a 5.0 client may have on their way to the broker (Receive Maximum);
    /// one more ends the connection with 0x93.
    pub receive_maximum: u16,
    /// Bytes of the largest packet taken; a larger one ends the connection (5.0: 0x95). 0 is no
    /// limit but the protocol's.
    pub max_packet_size: u32,
    /// Bytes of the largest CONNECT taken; a larger one ends the connection.
    pub max_connect_size: u32,
    /// Messages waiting in one session's queue; 0 is no limit.
    pub max_queued_messages: usize,
    /// Bytes of topic, properties and payload waiting in one session's queue; 0 is no limit.
    pub max_queued_bytes: usize,
    /// What happens at either bound.
    pub overflow: Overflow,
    /// Whether QoS 0 messages wait for a client that is away.
    pub queue_qos0_messages: bool,
    /// Highest keep alive granted, in seconds; 0 is no limit. A 5.0 client is told, a 3.x client
    /// that wants more is refused.
    pub max_keep_alive: u16,
    /// Milliseconds from accept to a complete CONNECT; then the connection is closed.
    pub connect_timeout_ms: u64,
    /// Milliseconds a verdict on who it is may take, the conversation of extended authentication
    /// included; then the connection is closed.
    pub verdict_timeout_ms: u64,
    /// Milliseconds a peer may take nothing of what waits for it; then it is disconnected.
    pub stalled_timeout_ms: u64,
    /// Sessions, connected or not; one more is refused with 0x89 (3.x: 3). 0 is no limit.
    pub max_sessions: usize,
    /// Seconds a session outlives its connection at the most; `u32::MAX` is for ever.
    pub max_session_expiry: u32,
    /// Whether retained messages are kept; if not, a PUBLISH that asks for it ends the connection
    /// with 0x9A.
    pub retain_available: bool,
    /// Minutes a retained message lives that has no expiry of its own; 0 is for ever.
    pub retain_expiry_interval: u32,
    /// Topics with a retained message; a message on a further one is passed on and not retained
    /// (5.0, QoS 1: 0x97). 0 is no limit.
    pub max_retained_messages: u32,
    /// Bytes of QoS 1 and 2 messages on their way to one client at once; 0 is no limit.
    pub max_inflight_bytes: u64,
    /// Bytes of the largest payload passed on; 0 is no limit but the packet's.
    pub message_size_limit: u32,
    /// Subscriptions of one client; one more is refused (5.0: 0x97, 3.1.1: 0x80). 0 is no limit.
    pub max_subscriptions: u32,
    /// Levels of a topic or filter, at most [`LEVELS_MAX`](crate::topic_matcher::LEVELS_MAX); with
    /// more, a filter is refused (5.0: 0x8F, 3.1.1: 0x80), and so is a PUBLISH: at QoS 1 and 2 of
    /// 5.0 with 0x90, else by the end of the connection.
    pub max_topic_levels: u16,
    /// Bytes of a topic, or of a filter without `$share/name/`; with more, as with more levels.
    pub max_topic_length: u16,
    /// Bytes of a client id; a client with more is refused (5.0: 0x85, 3.x: 2).
    pub max_client_id_length: u16,
    /// Whether a message goes out with the QoS of the subscription though published with less.
    pub upgrade_outgoing_qos: bool,
    /// PUBLISH packets taken from one connection in one second, and as many at once; then it is
    /// not read from. 0 is no limit.
    pub max_message_rate: u32,
    /// Bytes of PUBLISH packets taken from one connection in one second, and as many at once; then
    /// it is not read from. 0 is no limit.
    pub max_byte_rate: u64,
    /// Bytes of everything that is kept, as the gauge counts them; what is refused as they come
    /// near stands in `memory.rs`. 0 is no limit.
    pub memory_limit: u64,
    /// Seconds between statistics below `$SYS`; 0 is none.
    pub sys_interval: u32,
    /// By the number of the listener a client came by; `None` is one that has gone.
    pub listeners: Vec<Option<Arc<ListenerOptions>>>,
    /// Bytes of messages that may wait in one connection's output; beyond, they wait in the
    /// session's queue. A single message may be larger.
    pub room: u32,
    /// Retained messages looked at in one go for one subscription.
    pub retained_budget: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_inflight_messages: 20,
            receive_maximum: 20,
            max_packet_size: 2_000_000,
            max_connect_size: 100_000,
            max_queued_messages: 1000,
            max_queued_bytes: 0,
            overflow: Overflow::DropNewest,
            queue_qos0_messages: false,
            max_keep_alive: 0,
            connect_timeout_ms: 30_000,
            verdict_timeout_ms: 30_000,
            stalled_timeout_ms: 60_000,
            max_sessions: 0,
            max_session_expiry: u32::MAX,
            retain_available: true,
            retain_expiry_interval: 0,
            max_retained_messages: 0,
            max_inflight_bytes: 0,
            message_size_limit: 0,
            max_subscriptions: 0,
            max_topic_levels: 200,
            max_topic_length: u16::MAX,
            max_client_id_length: u16::MAX,
            upgrade_outgoing_qos: false,
            max_message_rate: 0,
            max_byte_rate: 0,
            memory_limit: 0,
            sys_interval: 0,
            listeners: vec![Some(Arc::default())],
            room: 2 << 20,
            retained_budget: 4096,
        }
    }
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            name: String::new(),
            certificate_end: None,
            maximum_qos: QoS::ExactlyOnce,
            topic_alias_maximum: 10,
            topic_alias_maximum_out: 10,
            versions: vec![Version::V31, Version::V311, Version::V5],
            mount_point: String::new(),
            certificate_name: None,
            use_username_as_client_id: false,
            allow_zero_length_client_id: true,
            auto_id_prefix: "auto-".into(),
        }
    }
}

impl Options {
    /// What holds for the clients of a listener, unless it has gone.
    #[must_use]
    pub fn listener(&self, number: u16) -> Option<&Arc<ListenerOptions>> {
        self.listeners.get(usize::from(number))?.as_ref()
    }

    /// What holds for the clients of the first listener, to be changed.
    ///
    /// # Panics
    /// If there is none, which takes somebody who has removed it.
    pub fn first_listener(&mut self) -> &mut ListenerOptions {
        let first = self.listeners.first_mut().and_then(Option::as_mut);
        Arc::make_mut(first.expect("there is one by default"))
    }
}
