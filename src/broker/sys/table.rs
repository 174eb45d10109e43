//! Which statistics there are: one table, from which they are published and the manual is tested.
//!
//! Owns: topic, form and place of each number. The names are those that mosquitto has or had,
//! and some of our own.
//!
//! Never keeps a number: the parts of the broker count.

use std::time::{Duration, UNIX_EPOCH};

use super::load::WINDOWS;
use crate::broker::Broker;
use crate::codec::PacketType as P;
use crate::metrics::{DropReason, Kind, Refusal};
use crate::stamp::Stamp;
use crate::time::Time;

/// What every topic of the broker's own begins with.
pub const ROOT: &str = "$SYS/broker/";

/// A number and where it is published.
#[derive(Clone, Copy, Debug)]
pub struct Statistic {
    /// Its topic behind [`ROOT`].
    pub topic: &'static str,
    form: Form,
    read: fn(&Broker, Time) -> u64,
}

/// Something that is counted, and how often a minute it happens is published: below
/// `$SYS/broker/load/`, with a topic for each of [`WINDOWS`].
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Its topic behind [`ROOT`] and `load/`.
    pub topic: &'static str,
    read: fn(&Broker) -> u64,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it is.
    Plain,
    /// With its unit behind it.
    Seconds,
    /// As the moment so many seconds after the epoch, in UTC.
    Moment,
    /// As the version of the program, whatever it is.
    Version,
}

const fn row(topic: &'static str, read: fn(&Broker, Time) -> u64) -> Statistic {
    Statistic { topic, form: Form::Plain, read }
}

/// Packets of a type that came.
macro_rules! received {
    ($kind:ident) => {
        |broker, _| broker.counters.received.of(P::$kind as u8)
    };
}

/// Packets of a type that were sent.
macro_rules! sent {
    ($kind:ident) => {
        |broker, _| broker.counters.sent.of(P::$kind as u8)
    };
}

macro_rules! dropped {
    ($reason:ident) => {
        |broker, _| broker.counters.dropped(DropReason::$reason)
    };
}

macro_rules! refused {
    ($what:ident) => {
        |broker, _| broker.counters.refusals(Refusal::$what)
    };
}

macro_rules! bytes {
    ($kind:ident) => {
        |broker, _| broker.store.gauge.of(Kind::$kind) as u64
    };
}

/// Everything that is a number, but for the load.
pub const STATISTICS: &[Statistic] = &[
    Statistic { topic: "version", form: Form::Version, read: |_, _| 0 },
    Statistic {
        topic: "timestamp",
        form: Form::Moment,
        read: |broker, _| broker.sys.started.as_ms() / 1000,
    },
    Statistic {
        topic: "uptime",
        form: Form::Seconds,
        read: |broker, now| now.ms_since(broker.sys.started) / 1000,
    },
    row("clients/total", |broker, _| broker.store.len() as u64),
    row("clients/connected", connected),
    row("clients/active", connected),
    row("clients/disconnected", disconnected),
    row("clients/inactive", disconnected),
    row("clients/maximum", |broker, _| broker.sys.online_max as u64),
    row("clients/expired", |broker, _| broker.counters.sessions_expired),
    row("clients/refused", |broker, _| broker.counters.refused),
    row("connections/socket/count", |broker, _| broker.counters.connections),
    row("messages/received", |broker, _| broker.counters.received.total()),
    row("messages/sent", |broker, _| broker.counters.sent.total()),
    row("messages/stored", stored),
    row("store/messages/count", stored),
    row("store/messages/bytes", bytes!(Message)),
    row("retained messages/count", |broker, _| broker.retained() as u64),
    row("subscriptions/count", |broker, _| broker.subscriptions() as u64),
    row("shared_subscriptions/count", |broker, _| broker.store.router.shared() as u64),
    row("bytes/received", |broker, _| broker.traffic.received()),
    row("bytes/sent", |broker, _| broker.traffic.sent()),
    row("publish/messages/received", received!(Publish)),
    row("publish/messages/sent", |broker, _| broker.counters.messages_sent),
    row("publish/messages/dropped", overflown),
    row("publish/messages/dropped/queue-newest", dropped!(QueueNewest)),
    row("publish/messages/dropped/queue-oldest", dropped!(QueueOldest)),
    row("publish/messages/dropped/queue-disconnect", dropped!(QueueDisconnect)),
    row("publish/messages/dropped/offline", dropped!(Offline)),
    row("publish/messages/dropped/expired", dropped!(Expired)),
    row("publish/messages/dropped/too-large", dropped!(TooLarge)),
    row("publish/messages/dropped/session-ended", dropped!(SessionEnded)),
    row("publish/messages/dropped/refused", dropped!(Refused)),
    row("publish/messages/dropped/queue-refused", dropped!(QueueRefused)),
    row("publish/messages/dropped/memory", dropped!(Memory)),
    row("publish/messages/dropped/outside-mount", dropped!(OutsideMount)),
    row("publish/messages/dropped/payload-too-large", dropped!(PayloadTooLarge)),
    row("publish/messages/dropped/denied", dropped!(Denied)),
    row("refused/client-id", refused!(ClientId)),
    row("refused/topic", refused!(Topic)),
    row("refused/filter", refused!(Filter)),
    row("refused/subscriptions", refused!(Subscriptions)),
    row("refused/retained", refused!(Retained)),
    row("refused/queue", refused!(Queue)),
    row("refused/memory-connect", refused!(MemoryConnect)),
    row("refused/memory-retained", refused!(MemoryRetained)),
    row("refused/memory-subscription", refused!(MemorySubscription)),
    row("refused/memory-publish", refused!(MemoryPublish)),
    row("storage/bytes/written", |broker, _| broker.traffic.storage().written),
    row("storage/bytes/waiting", |broker, _| broker.traffic.storage().waiting),
    row("storage/size", |broker, _| broker.traffic.storage().size),
    row("storage/commits", |broker, _| broker.traffic.storage().commits),
    row("storage/syncs", |broker, _| broker.traffic.storage().syncs),
    row("publish/bytes/received", |broker, _| broker.counters.payload_received),
    row("publish/bytes/sent", |broker, _| broker.counters.payload_sent),
    row("packet/out/count", |broker, _| broker.traffic.waiting() as u64),
    row("packet/out/bytes", bytes!(Output)),
    row("heap/current", |broker, _| broker.store.gauge.total() as u64),
    row("heap/maximum", heap_max),
    row("heap/messages", bytes!(Message)),
    row("heap/sessions", bytes!(Session)),
    row("heap/subscriptions", bytes!(Subscription)),
    row("heap/retained", bytes!(Retained)),
    row("heap/queues", bytes!(Queue)),
    row("heap/output", bytes!(Output)),
    row("heap/connections", bytes!(Connection)),
    row("mqtt/connect/received", received!(Connect)),
    row("mqtt/connack/sent", sent!(ConnAck)),
    row("mqtt/publish/received", received!(Publish)),
    row("mqtt/publish/sent", sent!(Publish)),
    row("mqtt/publish/dropped", overflown),
    row("mqtt/puback/received", received!(PubAck)),
    row("mqtt/puback/sent", sent!(PubAck)),
    row("mqtt/pubrec/received", received!(PubRec)),
    row("mqtt/pubrec/sent", sent!(PubRec)),
    row("mqtt/pubrel/received", received!(PubRel)),
    row("mqtt/pubrel/sent", sent!(PubRel)),
    row("mqtt/pubcomp/received", received!(PubComp)),
    row("mqtt/pubcomp/sent", sent!(PubComp)),
    row("mqtt/subscribe/received", received!(Subscribe)),
    row("mqtt/suback/sent", sent!(SubAck)),
    row("mqtt/unsubscribe/received", received!(Unsubscribe)),
    row("mqtt/unsuback/sent", sent!(UnsubAck)),
    row("mqtt/pingreq/received", received!(PingReq)),
    row("mqtt/pingresp/sent", sent!(PingResp)),
    row("mqtt/disconnect/received", received!(Disconnect)),
    row("mqtt/disconnect/sent", sent!(Disconnect)),
    row("mqtt/auth/received", received!(Auth)),
    row("mqtt/auth/sent", sent!(Auth)),
];

/// Everything whose load is published.
pub const LOADS: &[Load; 9] = &[
    Load { topic: "messages/received", read: |broker| broker.counters.received.total() },
    Load { topic: "messages/sent", read: |broker| broker.counters.sent.total() },
    Load { topic: "publish/dropped", read: |broker| broker.counters.overflown() },
    Load {
        topic: "publish/received",
        read: |broker| broker.counters.received.of(P::Publish as u8),
    },
    Load { topic: "publish/sent", read: |broker| broker.counters.messages_sent },
    Load { topic: "bytes/received", read: |broker| broker.traffic.received() },
    Load { topic: "bytes/sent", read: |broker| broker.traffic.sent() },
    Load { topic: "sockets", read: |broker| broker.counters.connections },
    Load { topic: "connections", read: |broker| broker.counters.received.of(P::Connect as u8) },
];

/// How many topics there are of both.
pub(super) const COUNT: usize = STATISTICS.len() + LOADS.len() * WINDOWS.len();

fn connected(broker: &Broker, _: Time) -> u64 {
    broker.sys.online as u64
}

fn disconnected(broker: &Broker, _: Time) -> u64 {
    (broker.store.len() - broker.sys.online) as u64
}

fn stored(broker: &Broker, _: Time) -> u64 {
    broker.store.gauge.messages() as u64
}

fn heap_max(broker: &Broker, _: Time) -> u64 {
    broker.sys.heap_max.max(broker.store.gauge.total()) as u64
}

fn overflown(broker: &Broker, _: Time) -> u64 {
    broker.counters.overflown()
}

/// What is counted for the load.
pub(super) fn counted(broker: &Broker) -> [u64; LOADS.len()] {
    LOADS.map(|load| (load.read)(broker))
}

/// All numbers, by place.
pub(super) fn sample(broker: &Broker, now: Time) -> Vec<u64> {
    let statistics = STATISTICS.iter().map(|statistic| (statistic.read)(broker, now));
    let averages = (0..LOADS.len()).flat_map(|load| {
        (0..WINDOWS.len()).map(move |window| broker.sys.loads.hundredths(load, window))
    });
    statistics.chain(averages).collect()
}

/// The topic of a number, by its place.
pub(super) fn topic(place: usize) -> String {
    match STATISTICS.get(place) {
        Some(statistic) => format!("{ROOT}{}", statistic.topic),
        None => {
            let (load, window) = average(place);
            format!("{ROOT}load/{}/{}", LOADS[load].topic, WINDOWS[window].0)
        }
    }
}

/// The place of the number with this topic.
pub(super) fn place_of(topic: &str) -> Option<usize> {
    let topic = topic.strip_prefix(ROOT)?;
    if let Some(place) = STATISTICS.iter().position(|statistic| statistic.topic == topic) {
        return Some(place);
    }
    let (load, window) = topic.strip_prefix("load/")?.rsplit_once('/')?;
    let load = LOADS.iter().position(|known| known.topic == load)?;
    let window = WINDOWS.iter().position(|(known, _)| *known == window)?;
    Some(STATISTICS.len() + load * WINDOWS.len() + window)
}

/// A number as it is published, by its place.
pub(super) fn text(place: usize, value: u64) -> String {
    match STATISTICS.get(place).map(|statistic| statistic.form) {
        None => format!("{}.{:02}", value / 100, value % 100),
        Some(Form::Plain) => value.to_string(),
        Some(Form::Seconds) => format!("{value} seconds"),
        Some(Form::Moment) => Stamp::utc(UNIX_EPOCH + Duration::from_secs(value)).iso(),
        Some(Form::Version) => concat!("mqtt-broker version ", env!("CARGO_PKG_VERSION")).into(),
    }
}

const fn average(place: usize) -> (usize, usize) {
    let place = place - STATISTICS.len();
    (place / WINDOWS.len(), place % WINDOWS.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_place_has_a_topic_of_its_own() {
        let topics: BTreeSet<String> = (0..COUNT).map(topic).collect();
        assert_eq!(topics.len(), COUNT);
        assert!((0..COUNT).all(|place| place_of(&topic(place)) == Some(place)));
        for nothing in ["$SYS/broker/load/sockets", "$SYS/broker/load/x/1min", "uptime", ""] {
            assert_eq!(place_of(nothing), None, "{nothing}");
        }
        assert!(topics.contains("$SYS/broker/load/connections/15min"));
        assert!(topics.contains("$SYS/broker/retained messages/count"));
        let dropped = DropReason::ALL.map(|reason| ("publish/messages/dropped", hyphened(reason)));
        let refused = Refusal::ALL.map(|what| ("refused", hyphened(what)));
        for (above, word) in dropped.into_iter().chain(refused) {
            let topic = format!("$SYS/broker/{above}/{word}");
            assert!(topics.contains(&topic), "{topic}");
        }
    }

    /// `AsThis` as `as-this`.
    fn hyphened(name: impl std::fmt::Debug) -> String {
        let mut word = String::new();
        for c in format!("{name:?}").chars() {
            let hyphen = if c.is_uppercase() && !word.is_empty() { "-" } else { "" };
            word += &format!("{hyphen}{}", c.to_ascii_lowercase());
        }
        word
    }

    #[test]
    fn numbers_have_their_forms() {
        let text = |topic: &str, value| text(place_of(&format!("{ROOT}{topic}")).unwrap(), value);
        assert_eq!(text("uptime", 123), "123 seconds");
        assert_eq!(text("clients/total", 5), "5");
        assert_eq!(text("load/sockets/1min", 12_305), "123.05");
        assert_eq!(text("timestamp", 1_470_818_858), "2016-08-10T08:47:38+0000");
        assert!(text("version", 0).starts_with("mqtt-broker version "));
    }
}
