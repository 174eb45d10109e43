//! The kinds of log lines, as `log_type` names them.
//!
//! Owns: what kind a record is, by its level and what it is about; sets of kinds; and what each
//! is called in a configuration, in JSON, below `$SYS/broker/log` and by syslog.
//!
//! Never formats a line.

use log::{Level, LevelFilter, Metadata};

use crate::broker::target;

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
    const ALL: [Self; 8] = [
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
            (Level::Info, _) => Self::Information,
            (Level::Debug, _) => Self::Debug,
            (Level::Trace, _) => Self::Internal,
        }
    }

    /// As `log_type` has it, and JSON.
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
    /// No kind.
    pub const NONE: Self = Self(0);
    /// Every kind.
    pub const ALL: Self = Self(u8::MAX);

    /// These and what `log_type` calls `name`: a kind, `all`, `none` (which takes all away), or
    /// `websockets`, which is a kind elsewhere. `None` for any other name.
    #[must_use]
    pub fn and(self, name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::ALL),
            "none" => Some(Self::NONE),
            "websockets" => Some(self),
            _ => {
                let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name)?;
                Some(Self(self.0 | kind.bit()))
            }
        }
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

    /// As a number, and back.
    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl Default for Kinds {
    /// Errors, warnings, notices and information.
    fn default() -> Self {
        let usual = [Kind::Error, Kind::Warning, Kind::Notice, Kind::Information];
        Self(usual.into_iter().fold(0, |bits, kind| bits | kind.bit()))
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
    }

    #[test]
    fn sets_are_made_of_names() {
        let some = Kinds::NONE.and("error").and_then(|kinds| kinds.and("debug")).unwrap();
        assert!(some.has(Kind::Error) && some.has(Kind::Debug) && !some.has(Kind::Notice));
        assert_eq!(some.level(), LevelFilter::Debug);
        assert_eq!(some.and("none").unwrap(), Kinds::NONE);
        assert_eq!(Kinds::NONE.level(), LevelFilter::Off);
        assert_eq!(Kinds::default().level(), LevelFilter::Info);
        assert_eq!(Kinds::ALL.level(), LevelFilter::Trace);
        assert_eq!(some.and("warn"), None);
        assert!(Kind::ALL.into_iter().all(|kind| Kinds::NONE.and(kind.name()).unwrap().has(kind)));
    }
}
