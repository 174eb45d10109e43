//! What log lines are about, beyond their level.
//!
//! Owns: the targets that a logger may tell apart. All other lines carry the name of the module
//! they come from.

/// Clients that come and go.
pub const CONNECTION: &str = "mqtt_broker::connection";

/// Subscriptions that are made, one line each: client id, QoS, filter.
pub const SUBSCRIBE: &str = "mqtt_broker::subscribe";

/// Subscriptions that are ended, one line each: client id, filter.
pub const UNSUBSCRIBE: &str = "mqtt_broker::unsubscribe";
