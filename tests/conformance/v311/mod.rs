//! MQTT 3.1.1, chapter by chapter, and the steps its tests share.

use super::{CLIENT, Exempt, Tables};
use crate::harness::v3::{connack, connect, suback, subscribe};
use crate::harness::{Connect, Publish, Raw, id};

mod connect;
mod data;
mod extensions;
mod faults;
mod identifier;
mod order;
mod publish;
mod qos;
mod retain;
mod session;
mod subscribe;
mod topics;
mod unsubscribe;
#[cfg(feature = "websocket")]
mod websocket;
mod will;

pub(crate) const TABLES: Tables = &[
    data::CASES,
    connect::CASES,
    identifier::CASES,
    session::CASES,
    will::CASES,
    publish::CASES,
    retain::CASES,
    subscribe::CASES,
    unsubscribe::CASES,
    qos::CASES,
    order::CASES,
    topics::CASES,
    faults::CASES,
    #[cfg(feature = "websocket")]
    websocket::CASES,
];

/// Statements without a test, and why.
pub(crate) const EXEMPT: Exempt = &[
    ("MQTT-2.3.1-2", CLIENT),
    ("MQTT-3.1.2-23", CLIENT),
    ("MQTT-3.14.4-1", CLIENT),
    ("MQTT-3.14.4-2", CLIENT),
    ("MQTT-4.5.0-2", CLIENT),
    ("MQTT-4.8.0-2", "a fault of the server's own cannot be provoked from the network"),
    #[cfg(not(feature = "websocket"))]
    ("MQTT-6.0.0-1", super::WEBSOCKET),
    #[cfg(not(feature = "websocket"))]
    ("MQTT-6.0.0-2", super::WEBSOCKET),
    ("MQTT-6.0.0-3", CLIENT),
    #[cfg(not(feature = "websocket"))]
    ("MQTT-6.0.0-4", super::WEBSOCKET),
    ("MQTT-7.0.0-1", "binds the client in a server that connects to others"),
    ("MQTT-7.1.2-1", CLIENT),
];

/// A client with a clean session.
pub(crate) fn client(name: &str) -> Raw {
    Raw::online(connect(id(name)))
}

/// A client with a clean session and subscriptions.
pub(crate) fn subscriber(name: &str, wanted: &[(&str, u8)]) -> Raw {
    let mut raw = client(name);
    subscribed(&mut raw, wanted);
    raw
}

/// A client with clean session 0; `present` says whether there must be a session already.
pub(crate) fn session(name: &str, present: bool) -> Raw {
    let mut raw = Raw::connect();
    raw.send(connect(id(name)).resume()).expect(connack(present, 0));
    raw
}

/// A new session of clean session 0, with subscriptions.
pub(crate) fn subscribed_session(name: &str, wanted: &[(&str, u8)]) -> Raw {
    let mut raw = session(name, false);
    subscribed(&mut raw, wanted);
    raw
}

/// Subscribes; every filter must be granted the QoS it asks for.
pub(crate) fn subscribed(raw: &mut Raw, wanted: &[(&str, u8)]) {
    let granted: Vec<u8> = wanted.iter().map(|(_, qos)| *qos).collect();
    raw.send(subscribe(1, wanted)).expect(suback(1, &granted));
}

/// A message from a client of its own, taken in by the broker when this returns.
pub(crate) fn say(message: Publish) {
    let mut raw = client("say");
    raw.deliver(message);
    raw.disconnect();
}

/// A client that sends this must be disconnected without another word.
pub(crate) fn fatal(bytes: impl Into<Vec<u8>>) {
    client("fatal").send(bytes).expect_closed();
}

/// A connection that opens with this must be closed without CONNACK.
pub(crate) fn refused(bytes: impl Into<Vec<u8>>) {
    Raw::connect().send(bytes).expect_closed();
}

/// A CONNECT that must be answered with this return code, then the end.
pub(crate) fn rejected(connect: Connect, return_code: u8) {
    Raw::connect().send(connect).expect(connack(false, return_code)).expect_closed();
}
