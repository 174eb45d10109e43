//! What a client learns and what it wants.
//!
//! Owns: the shapes of [`Event`] and [`Effect`] alone. Events are past, effects are imperatives
//! or news; the order of effects is their meaning.
//!
//! Never decides anything.

use crate::codec::{
    Connect, Disconnect, Error, Incoming, Packet, PacketId, Publish, ReasonCode, SubscribeOptions,
    UserProperty,
};

/// How a client behaves; the [`Connect`] it sends is most of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The first CONNECT as it is sent. Later ones differ in Clean Start, if the session outlives
    /// its connection, and in the client id, if the server chose it.
    pub connect: Connect,
    /// How many QoS 1 and 2 messages may be unacknowledged at once, never 0; the server's Receive
    /// Maximum may lower it.
    pub window: u16,
    /// Milliseconds to wait for the CONNACK and for a PINGRESP.
    pub patience_ms: u64,
    /// Whether the user acknowledges what is delivered, with [`Event::Acknowledge`].
    pub by_hand: bool,
}

impl Options {
    /// A window of 20, a patience of 20 seconds, acknowledging by itself.
    #[must_use]
    pub const fn new(connect: Connect) -> Self {
        Self { connect, window: 20, patience_ms: 20_000, by_hand: false }
    }
}

/// What the user calls a request, to know the answer by.
pub type Token = u64;

/// All a client will ever learn.
#[derive(Debug)]
pub enum Event<'a> {
    /// A connection to the server is there; nothing was sent on it.
    Connected,
    /// The server sent a packet.
    Received(Incoming<'a>),
    /// The server sent something that is not MQTT; nothing after it can be read.
    Garbled(Error),
    /// The connection took bytes that were sent. Only for sparing a large packet on a slow line
    /// the keep alive's suspicion; may be left out.
    Written,
    /// The connection is gone.
    Closed,
    /// The user wants a message published. Packet identifier and DUP are the client's own affair.
    Publish {
        /// The message; its topic is not empty.
        publish: Publish,
        /// Comes back in [`Effect::Acked`].
        token: Token,
    },
    /// The user wants messages.
    Subscribe {
        /// At least one.
        filters: Vec<(String, SubscribeOptions)>,
        /// 1 to 268,435,455; 5.0 only.
        subscription_identifier: Option<u32>,
        /// 5.0 only.
        user_properties: Vec<UserProperty>,
        /// Comes back in [`Effect::Subscribed`].
        token: Token,
    },
    /// The user wants no more of them.
    Unsubscribe {
        /// At least one.
        filters: Vec<String>,
        /// 5.0 only.
        user_properties: Vec<UserProperty>,
        /// Comes back in [`Effect::Unsubscribed`].
        token: Token,
    },
    /// The user has taken a delivered message, if [`Options::by_hand`] is set. QoS 1 messages are
    /// to be acknowledged in the order of their delivery ([MQTT-4.6.0-2]).
    Acknowledge {
        /// Of the delivered message.
        id: PacketId,
        /// 5.0 only.
        reason: ReasonCode,
    },
    /// The user wants to leave.
    Disconnect(Disconnect),
    /// A deadline may be due.
    Tick,
}

/// All a client can want or has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send this packet to the server.
    Send(Packet),
    /// The server accepted the connection.
    Online {
        /// It remembers the session.
        session_present: bool,
        /// The client id in use, chosen by the server if the user left it empty.
        client_id: String,
    },
    /// A message from the server, its topic alias replaced by the topic.
    Delivered(Publish),
    /// A message has left (QoS 0), was taken by the server (PUBACK, PUBREC) or will not be:
    /// then the reason is an error, the server's or the client's own where the server had said
    /// beforehand that it would not take such a message.
    Acked {
        /// Of the [`Event::Publish`].
        token: Token,
        /// 3.x: success, unless the client itself refused.
        reason: ReasonCode,
    },
    /// SUBACK.
    Subscribed {
        /// Of the [`Event::Subscribe`].
        token: Token,
        /// One for each filter, in order.
        reasons: Vec<ReasonCode>,
    },
    /// UNSUBACK.
    Unsubscribed {
        /// Of the [`Event::Unsubscribe`].
        token: Token,
        /// One for each filter, in order; 3.x: empty.
        reasons: Vec<ReasonCode>,
    },
    /// The connection is over: close it when everything sent before has left. What is not settled
    /// stays with the client for the next [`Event::Connected`].
    Ended(Ending),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The user left.
    Left,
    /// The server refused the connection; the text is for people.
    Refused(ReasonCode, Option<String>),
    /// The server sent DISCONNECT (5.0).
    Disconnected(Box<Disconnect>),
    /// The server closed the connection, or it broke.
    Closed,
    /// The server did not answer within [`Options::patience_ms`].
    Silent,
    /// The server broke the protocol.
    Broken(ReasonCode, &'static str),
    /// The server sent what is not MQTT.
    Garbled(Error),
}
