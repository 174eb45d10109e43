//! The kinds of log lines, as `log_type` names them.
//!
//! Owns: what kind a record is, by its level and what it is about; sets of kinds; and what each
//! is called in a configuration, in JSON, below `$SYS/broker/log` and by syslog.
//!
//! Never formats a line.

use log::{Level, LevelFilter, Metadata};

use crate::broker::target;
use crate::config::LogTypes;

/// What the targets of our own lines begin with, programs and library alike.
const OURS: &str = "mqtt_";

/// A kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The operator must act.
    Error,
    /// Something is not as it should be.
    Warning,
    /// Clients come and go.
    Notice,
    /// The life of the broker itself.
    Information,
    /// Somebody subscribed.
    Subscribe,
    /// Somebody unsubscribed.
    Unsubscribe,
    /// Packets.
    Debug,
    /// What only helps to find a fault in the broker.
    Internal,
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Information,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Debug,
        Self::Internal,
    ];

    /// The kind of a record.
    #[must_use]
    pub fn of(metadata: &Metadata<'_>) -> Self {
        match (metadata.level(), metadata.target()) {
            (Level::Error, _) => Self::Error,
            (Level::Warn, _) => Self::Warning,
            (_, target::CONNECTION) => Self::Notice,
            (_, target::SUBSCRIBE) => Self::Subscribe,
            (_, target::UNSUBSCRIBE) => Self::Unsubscribe,
            (Level::Trace, _) => Self::Internal,
            // What the libraries beneath have to say is nobody's business but a developer's.
            (_, other) if !other.starts_with(OURS) => Self::Internal,
            (Level::Info, _) => Self::Information,
            (Level::Debug, _) => Self::Debug,
        }
    }

    /// As `log_type` has it, and so has JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Information => "information",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Debug => "debug",
            Self::Internal => "internal",
        }
    }

    /// The severity of RFC 3164, 0 to 7.
    #[must_use]
    pub const fn severity(self) -> u8 {
        match self {
            Self::Error => 3,
            Self::Warning => 4,
            Self::Notice | Self::Subscribe | Self::Unsubscribe => 5,
            Self::Information => 6,
            Self::Debug | Self::Internal => 7,
        }
    }

    /// Where such lines are published. Debugging ones are not: each would cause the next.
    #[must_use]
    pub const fn topic(self) -> Option<&'static str> {
        match self {
            Self::Error => Some("$SYS/broker/log/E"),
            Self::Warning => Some("$SYS/broker/log/W"),
            Self::Notice => Some("$SYS/broker/log/N"),
            Self::Information => Some("$SYS/broker/log/I"),
            Self::Subscribe => Some("$SYS/broker/log/M/subscribe"),
            Self::Unsubscribe => Some("$SYS/broker/log/M/unsubscribe"),
            Self::Debug | Self::Internal => None,
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Kinds {
    /// Those that a configuration asks for.
    #[must_use]
    pub fn of(types: LogTypes) -> Self {
        let asked = Kind::ALL.into_iter().filter(|kind| match kind {
            Kind::Error => types.error,
            Kind::Warning => types.warning,
            Kind::Notice => types.notice,
            Kind::Information => types.information,
            Kind::Subscribe => types.subscribe,
            Kind::Unsubscribe => types.unsubscribe,
            Kind::Debug => types.debug,
            Kind::Internal => types.internal,
        });
        Self(asked.fold(0, |bits, kind| bits | kind.bit()))
    }

    /// Whether `kind` is among them.
    #[must_use]
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// The least verbose level at which all of them are seen.
    #[must_use]
    pub fn level(self) -> LevelFilter {
        let levels = Kind::ALL.into_iter().filter(|kind| self.has(*kind)).map(|kind| match kind {
            Kind::Error => LevelFilter::Error,
            Kind::Warning => LevelFilter::Warn,
            Kind::Notice | Kind::Information => LevelFilter::Info,
            Kind::Subscribe | Kind::Unsubscribe | Kind::Debug => LevelFilter::Debug,
            Kind::Internal => LevelFilter::Trace,
        });
        levels.max().unwrap_or(LevelFilter::Off)
    }

    /// As a number.
    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    /// From a number.
    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(level: Level, target: &str) -> Kind {
        Kind::of(&Metadata::builder().level(level).target(target).build())
    }

    #[test]
    fn a_record_has_a_kind() {
        assert_eq!(kind(Level::Info, target::CONNECTION), Kind::Notice);
        assert_eq!(kind(Level::Warn, target::CONNECTION), Kind::Warning);
        assert_eq!(kind(Level::Debug, target::SUBSCRIBE), Kind::Subscribe);
        assert_eq!(kind(Level::Info, "mqtt_broker::server"), Kind::Information);
        assert_eq!(kind(Level::Debug, "mqtt_broker::broker"), Kind::Debug);
        assert_eq!(kind(Level::Error, "mio"), Kind::Error);
        assert_eq!(kind(Level::Debug, "mio"), Kind::Internal);
    }

    #[test]
    fn a_set_knows_its_members_and_its_level() {
        let level = |types| Kinds::of(types).level();
        assert_eq!(level(LogTypes::NONE), LevelFilter::Off);
        assert_eq!(level(LogTypes::default()), LevelFilter::Info);
        assert_eq!(level(LogTypes { subscribe: true, ..LogTypes::NONE }), LevelFilter::Debug);
        assert_eq!(level(LogTypes::ALL), LevelFilter::Trace);
        let usual = Kinds::of(LogTypes::default());
        assert!(usual.has(Kind::Notice) && !usual.has(Kind::Debug));
        assert_eq!(Kinds::from_bits(usual.bits()), usual);
    }
}
