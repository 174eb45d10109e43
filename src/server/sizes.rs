//! How large everything is that there are many of.
//!
//! Owns: the bounds, all in one place. `cargo test sizes -- --nocapture` prints the table. What is
//! private to a module is measured there and handed out as a constant of the public type it is
//! behind, in test builds only.
//!
//! Never counts what a struct points to, nor what the allocator adds (8 bytes, and up to 15 more
//! to a multiple of 16).

use std::rc::Rc;

use super::connection::Connection;
use super::stream::ClientSocket;
use crate::broker::{Broker, Effect, MessageRef, Target};
use crate::codec::{Decoder, Incoming};
use crate::message::{Delivery, Message, Parts};
use crate::router::{Group, Match, Router, Subscriber};
use crate::session::{Held, Inbound, Outbound, Queue, Rare, Session};
use crate::topic_matcher::Topics;
use crate::transport::{Output, Stream};

/// What, how many bytes it takes, and how many it may.
type Row = (&'static str, usize, usize);

const CONNECTION: &[Row] = &[
    ("connection, of the loop", size_of::<Connection<ClientSocket>>(), 112),
    ("  decoder, in it", size_of::<Decoder>(), 40),
    ("  output, in it", size_of::<Output>(), 32),
    ("link, of the broker", Broker::LINK_BYTES, 184),
    ("  what is known once it is let in, in it", Broker::ONLINE_BYTES, 168),
    ("before it is let in", Broker::JUDGING_BYTES, 304),
    ("if there is more than packets on it", size_of::<Stream>(), 160),
    ("  its WebSocket", Stream::WEB_BYTES, 96),
    ("  its TLS, without keys", Stream::TLS_BYTES, 1300),
    ("if it publishes", Broker::LAST_TOPIC_BYTES, 128),
    ("if it has come near a limit", Broker::BRAKE_BYTES, 56),
    ("while its PUBLISH waits for room", Broker::WAIT_BYTES, 48),
    ("if it has a deadline", Broker::TIMER_BYTES, 16),
    ("while something waits to be written", Output::BUFFERS_BYTES, 128),
    ("if it was given topic aliases", Output::ALIASES_BYTES, 24),
];

const SESSION: &[Row] = &[
    ("session", size_of::<Session>(), 104),
    ("if something waits", size_of::<Queue>(), 80),
    ("if QoS 1 or 2 was sent", size_of::<Outbound<Delivery>>(), 56),
    ("if QoS 2 was received", size_of::<Inbound>(), 32),
    ("if it has a Will or something else that is rare", size_of::<Rare>(), 64),
];

const SUBSCRIPTION: &[Row] = &[
    ("at its filter", size_of::<Subscriber>(), 12),
    ("at its session", size_of::<Held>(), 8),
    ("for each level of filters", Router::FILTER_BYTES, 64),
    ("for each shared subscription", size_of::<Group>(), 136),
    ("when a message matches", size_of::<Match>(), 16),
];

const MESSAGE: &[Row] = &[
    ("that is kept", size_of::<Message>(), 72),
    ("in a queue", size_of::<Delivery>(), 24),
    ("in a window", Outbound::<Delivery>::SLOT_BYTES, 40),
    ("behind the storage", Output::GATED_BYTES + Output::PARCEL_BYTES, 72),
    ("with a payload written from where it lies", Output::SPLICE_BYTES, 16),
    ("passing: what was received", size_of::<Incoming<'_>>(), 80),
    ("passing: its parts", size_of::<Parts<'_>>(), 72),
    ("passing: a reference", size_of::<MessageRef>(), 8),
    ("passing: an effect", size_of::<Effect>(), 48),
    ("passing: a receiver", size_of::<Target>(), 48),
];

const RETAINED: &[Row] = &[
    ("the message", size_of::<Message>(), 72),
    ("at its topic", Topics::<Rc<Message>>::VALUE_BYTES, 8),
    ("if it expires", Broker::EXPIRING_BYTES, 24),
];

#[test]
fn what_there_are_many_of_is_small() {
    let tables = [
        ("each connection", CONNECTION),
        ("each session", SESSION),
        ("each subscription", SUBSCRIPTION),
        ("each message", MESSAGE),
        ("each retained message", RETAINED),
    ];
    let mut large = Vec::new();
    for (title, rows) in tables {
        println!("{title}");
        for (what, bytes, most) in rows {
            println!("  {what:<42} {bytes:>4} of {most}");
            if bytes > most {
                large.push(format!("{title}, {what}: {bytes} bytes, {most} allowed"));
            }
        }
    }
    assert!(large.is_empty(), "{large:#?}");
}
