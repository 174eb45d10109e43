//! MQTT 5.0, chapter by chapter.

use super::{CLIENT, Exempt, Tables};

mod acks;
mod connack;
mod connect;
mod data;
mod delivery;
mod disconnect;
mod errors;
mod payload;
mod publish;
mod qos;
mod retain;
mod session;
mod shared;
mod subscribe;
mod topics;
mod unsubscribe;
#[cfg(feature = "websocket")]
mod websocket;
mod will;
pub(in crate::conformance) mod wire;

pub(crate) const TABLES: Tables = &[
    data::CASES,
    connect::CASES,
    will::CASES,
    payload::CASES,
    connack::CASES,
    retain::CASES,
    publish::CASES,
    delivery::CASES,
    acks::CASES,
    subscribe::CASES,
    unsubscribe::CASES,
    disconnect::CASES,
    session::CASES,
    qos::CASES,
    topics::CASES,
    shared::CASES,
    errors::CASES,
    #[cfg(feature = "websocket")]
    websocket::CASES,
];

/// Statements without a test, and why.
pub(crate) const EXEMPT: Exempt = &[
    ("MQTT-3.1.2-20", CLIENT),
    ("MQTT-3.1.2-21", CLIENT),
    ("MQTT-3.2.2-4", CLIENT),
    ("MQTT-3.2.2-5", CLIENT),
    ("MQTT-3.2.2-11", CLIENT),
    ("MQTT-3.2.2-14", CLIENT),
    ("MQTT-3.2.2-18", CLIENT),
    ("MQTT-3.2.2-21", CLIENT),
    ("MQTT-3.3.2-10", CLIENT),
    ("MQTT-3.3.4-8", CLIENT),
    ("MQTT-3.15.2-2", NO_METHOD),
    ("MQTT-3.15.2-3", NO_METHOD),
    ("MQTT-4.5.0-2", CLIENT),
    ("MQTT-4.12.0-3", CLIENT),
    #[cfg(not(feature = "websocket"))]
    ("MQTT-6.0.0-1", super::WEBSOCKET),
    #[cfg(not(feature = "websocket"))]
    ("MQTT-6.0.0-2", super::WEBSOCKET),
    ("MQTT-6.0.0-3", CLIENT),
    #[cfg(not(feature = "websocket"))]
    ("MQTT-6.0.0-4", super::WEBSOCKET),
];

const NO_METHOD: &str = "does not arise: the server has no authentication method, so sends no AUTH";
