//! All a broker will ever learn and all it can want.
//!
//! Owns: the vocabulary between the core and whatever drives it. Events are past participles,
//! effects imperatives, and the order of effects is meaning: what stands first happens first.
//!
//! Never does anything.

use std::rc::Rc;

use crate::codec::Version;
use crate::codec::{
    self, Ack, AckKind, Incoming, Packet, PacketId, PropertiesRef, PublishRef, QoS, Text,
};
use crate::message::{Message, Parts};
use crate::persistence::{Record, Seq, Storage};
use crate::session::{Authority, Certificate, ConnId, Credentials, Peer, Verdict};

use super::Options;
use crate::time::Time;

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer closed it.
    Peer,
    /// The network broke it.
    Broken,
    /// This side closed it.
    Local,
}

/// What a broker learns.
#[derive(Debug)]
pub enum Event<'a> {
    /// A connection was accepted; handshakes are still to come.
    Opened {
        /// Which.
        conn: ConnId,
        /// From where.
        peer: Peer,
    },
    /// What was below its packets so far (a proxy, TLS, HTTP) has said who it is; before its first
    /// packet, and instead of what [`Opened`](Self::Opened) said.
    Introduced {
        /// Which.
        conn: ConnId,
        /// From where it really is.
        peer: Peer,
        /// The certificate it has shown.
        certificate: Option<Rc<Certificate>>,
    },
    /// A PUBLISH arrived. Effects refer to it as [`MessageRef::Received`].
    Published {
        /// On which connection.
        conn: ConnId,
        /// The packet, where it lies.
        publish: &'a PublishRef<'a>,
    },
    /// Any other packet arrived, whole.
    Received {
        /// On which connection.
        conn: ConnId,
        /// The packet.
        packet: Incoming<'a>,
    },
    /// What arrived is not MQTT; nothing after it can be read.
    Garbled {
        /// On which connection.
        conn: ConnId,
        /// What it speaks, if it has said so.
        version: Option<Version>,
        /// What is wrong with it.
        error: codec::Error,
    },
    /// What is below its packets (a proxy, TLS, WebSocket) is not as it must be; nothing more comes
    /// and nothing more can be sent.
    Failed {
        /// Which connection.
        conn: ConnId,
        /// What is wrong, in a few words.
        what: &'a str,
    },
    /// So much room is free again.
    Written {
        /// On which connection.
        conn: ConnId,
        /// As charged by [`Target::charge`].
        bytes: usize,
    },
    /// A connection is gone; exactly once for each `Opened`.
    Closed {
        /// Which.
        conn: ConnId,
        /// How.
        end: End,
    },
    /// The answer to [`Effect::Judge`].
    Judged {
        /// Whom.
        conn: ConnId,
        /// The answer.
        verdict: Verdict,
    },
    /// The configuration was read again.
    Configured {
        /// What holds from now on.
        options: Box<Options>,
        /// Who decides from now on; `None` if it is who decided before.
        authority: Option<Box<dyn Authority>>,
    },
    /// Records up to `durable` are safe.
    Storage {
        /// The last of them.
        durable: Seq,
        /// How it is.
        state: Storage,
    },
    /// A line was logged that is to be published.
    Logged {
        /// On this topic, which is the broker's own.
        topic: &'a str,
        /// The line.
        text: &'a [u8],
    },
    /// The process is about to end.
    Stopping,
    /// A deadline may be due.
    Tick,
}

/// A packet for one connection that is no PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// One of the four acknowledgements.
    Ack(AckKind, Ack),
    /// PINGRESP.
    PingResp,
    /// Any other.
    Packet(Box<Packet>),
}

/// A message on its way to connections.
#[derive(Clone, Debug)]
pub enum MessageRef {
    /// The PUBLISH of this very event, kept by nobody: [`Effects::received`] says what it is made
    /// of.
    Received,
    /// It is kept.
    Shared(Rc<Message>),
}

/// One receiver of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its connection.
    pub conn: ConnId,
    /// Bytes of room it was charged, all of which come back by [`Event::Written`]: the length of
    /// the whole packet without a topic alias.
    pub charge: u32,
    /// Seconds the message has left, to be sent along (5.0).
    pub expiry: Option<u32>,
    /// Where its subscription identifiers begin in [`Effects::identifiers`].
    pub identifiers_start: u32,
    /// How many they are.
    pub identifiers_len: u32,
    /// Present exactly when the QoS is above 0.
    pub packet_id: Option<PacketId>,
    /// Bytes at the front of the topic that it does not see: a mount point.
    pub skip: u16,
    /// At which QoS.
    pub qos: QoS,
    /// RETAIN flag.
    pub retain: bool,
    /// DUP flag.
    pub dup: bool,
    /// Not to leave before this is durable.
    pub after: Seq,
}

/// What a broker wants.
#[derive(Debug)]
pub enum Effect {
    /// This must outlive the process; the n-th of them has the number n.
    Record(Record),
    /// Send a packet, not before `after` is durable.
    Send {
        /// To which connection.
        conn: ConnId,
        /// What.
        what: Outgoing,
        /// Not to leave before this is durable.
        after: Seq,
    },
    /// Send one message to many.
    Deliver {
        /// The message.
        message: MessageRef,
        /// From here in [`Effects::targets`].
        start: u32,
        /// So many.
        len: u32,
    },
    /// The connection is accepted: any packet may come; its CONNACK is the next packet sent to it.
    Online {
        /// Which.
        conn: ConnId,
        /// What it speaks.
        version: Version,
        /// Highest alias that may be used towards it.
        topic_alias_maximum: u16,
        /// Bytes of the largest packet it takes.
        maximum_packet_size: u32,
    },
    /// Check these credentials; answered by [`Event::Judged`].
    Judge {
        /// Whose.
        conn: ConnId,
        /// What he brings.
        credentials: Box<Credentials>,
    },
    /// The answer is not needed any more.
    Unjudge {
        /// Whose.
        conn: ConnId,
    },
    /// Read no further from it.
    Hold {
        /// From which.
        conn: ConnId,
    },
    /// Read from it again.
    Resume {
        /// From which.
        conn: ConnId,
    },
    /// Close it when all sent before has left.
    Close {
        /// Which.
        conn: ConnId,
    },
    /// It has not come as far as a whole CONNECT in time, and is about to be closed: whoever knows
    /// how far it came says so in the log.
    Overdue {
        /// Which.
        conn: ConnId,
        /// From where.
        peer: Peer,
    },
    /// Close it now.
    Abort {
        /// Which.
        conn: ConnId,
    },
}

/// The effects of one event, with the lists they point into. Reused from event to event.
#[derive(Debug, Default)]
pub struct Effects {
    /// In order.
    pub list: Vec<Effect>,
    /// Receivers of [`Effect::Deliver`].
    pub targets: Vec<Target>,
    /// Subscription identifiers of the targets.
    pub identifiers: Vec<u32>,
    pub(super) rewritten: Rewritten,
}

/// What a message is made of where that is not what its PUBLISH says: the topic behind an alias
/// or below a mount point, and the properties without those of its connection.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    is_set: bool,
    topic: String,
    properties: Vec<u8>,
}

impl Effects {
    /// No effects.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.targets.clear();
        self.identifiers.clear();
        if self.rewritten.is_set {
            self.rewritten.clear();
        }
    }

    /// What [`MessageRef::Received`] is made of, `publish` being the PUBLISH of the event.
    #[must_use]
    pub fn received<'s>(&'s self, publish: &PublishRef<'s>, now: Time) -> Parts<'s> {
        if self.rewritten.is_set {
            self.rewritten.parts(publish, now)
        } else {
            let properties = publish.properties.as_forwardable().unwrap_or_default();
            Parts::of(publish, publish.topic, properties, now)
        }
    }
}

impl Rewritten {
    /// The topic is that of the PUBLISH, unless it is put together from others.
    pub(super) fn set(&mut self, topic: &[&str], properties: &PropertiesRef<'_>) {
        self.clear();
        self.is_set = true;
        self.topic.extend(topic.iter().copied());
        properties.forwardable(&mut self.properties);
    }

    pub(super) fn parts<'s>(&'s self, publish: &PublishRef<'s>, now: Time) -> Parts<'s> {
        let topic =
            if self.topic.is_empty() { publish.topic } else { Text::from(self.topic.as_str()) };
        Parts::of(publish, topic, &self.properties, now)
    }

    fn clear(&mut self) {
        self.is_set = false;
        self.topic.clear();
        self.properties.clear();
    }
}
