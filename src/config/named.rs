//! Values that have a name or a few: from words to a setting, and back.
//!
//! Owns: the names.
//!
//! Never knows which option it reads for.

use super::choice::{Family, Protocol, ProxyHeader, QueueOverflow, TlsVersion, Versions};
use super::log::{Facility, LogFormat};
use super::options::Kind;
use super::settings::PersistenceSync;
use super::value::{Setting, give, number, word, words};
use crate::codec::QoS;

impl Setting for Facility {
    fn read(&mut self, text: &str, kind: &Kind, _: &mut Vec<String>) -> Result<(), String> {
        *self = Self::Local(number(text, kind)?.try_into().map_err(|_| give(kind))?);
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        match self {
            Self::Daemon => "daemon".into(),
            Self::Local(number) => number.to_string(),
        }
    }
}

impl Setting for QoS {
    fn read(&mut self, text: &str, kind: &Kind, _: &mut Vec<String>) -> Result<(), String> {
        *self = match number(text, kind)? {
            0 => Self::AtMostOnce,
            1 => Self::AtLeastOnce,
            _ => Self::ExactlyOnce,
        };
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        match self {
            Self::AtMostOnce => "0".into(),
            Self::AtLeastOnce => "1".into(),
            Self::ExactlyOnce => "2".into(),
        }
    }
}

impl Setting for Versions {
    fn read(&mut self, text: &str, kind: &Kind, _: &mut Vec<String>) -> Result<(), String> {
        let mut versions = Self { v31: false, v311: false, v5: false };
        for word in words(text) {
            match word {
                "3" => versions.v31 = true,
                "4" => versions.v311 = true,
                "5" => versions.v5 = true,
                _ => return Err(give(kind)),
            }
        }
        if !(versions.v31 || versions.v311 || versions.v5) {
            return Err(give(kind));
        }
        *self = versions;
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        let all = [(self.v31, "3"), (self.v311, "4"), (self.v5, "5")];
        let spoken: Vec<&str> = all.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        spoken.join(",")
    }
}

impl Setting for PersistenceSync {
    fn read(&mut self, text: &str, kind: &Kind, _: &mut Vec<String>) -> Result<(), String> {
        let words: Vec<&str> = words(text).collect();
        *self = match words[..] {
            ["always"] => Self::Always,
            ["off"] => Self::Off,
            ["interval", count, "ms"] => {
                let is_number = count.bytes().all(|byte| byte.is_ascii_digit());
                let count = count.parse().ok().filter(|count| is_number && *count > 0);
                Self::Interval(count.ok_or_else(|| give(kind))?)
            }
            _ => return Err(give(kind)),
        };
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        match self {
            Self::Always => "always".into(),
            Self::Interval(ms) => format!("interval {ms} ms"),
            Self::Off => "off".into(),
        }
    }
}

/// Settings that are one word out of a few.
macro_rules! word {
    ($type:ty { $($word:literal => $value:ident),+ }) => {
        impl Setting for $type {
            fn read(&mut self, text: &str, kind: &Kind, _: &mut Vec<String>) -> Result<(), String> {
                *self = match word(text)? {
                    $($word => Self::$value,)+
                    _ => return Err(give(kind)),
                };
                Ok(())
            }

            fn show(&self, _: &Kind) -> String {
                match self {
                    $(Self::$value => $word.into(),)+
                }
            }
        }
    };
}

word!(Protocol { "mqtt" => Mqtt, "websockets" => Websockets });
word!(ProxyHeader { "none" => None, "1" => V1, "2" => V2 });
word!(TlsVersion { "tlsv1.2" => V12, "tlsv1.3" => V13 });
word!(Family { "both" => Both, "ipv4" => Ipv4, "ipv6" => Ipv6 });
word!(LogFormat { "text" => Text, "json" => Json });
word!(QueueOverflow {
    "drop-new" => DropNew,
    "drop-old" => DropOld,
    "disconnect" => Disconnect,
    "refuse" => Refuse
});
