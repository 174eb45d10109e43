//! Who is there: topics that tell of each client.
//!
//! ```text
//! $SYS/broker/clients/ID/connected      retained while the client is connected
//! $SYS/broker/clients/ID/disconnected   once, when it has gone
//! $SYS/broker/clients/ID/dropped        retained while the session lives, if it lost messages
//! ```
//!
//! Owns: their names and what they say. What is called retained here lies nowhere: it is put
//! together from the sessions when somebody subscribes, so it costs nothing while nobody does, and
//! nothing is left of a crowd that has gone.
//!
//! Never says what a client said in confidence: no user name, no password, no Will.

use std::fmt::{self, Write as _};

use super::table::ROOT;
use crate::codec::Version;
use crate::session::Peer;

/// What is told of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Connected,
    Disconnected,
    Dropped,
}

impl About {
    const fn level(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Dropped => "dropped",
        }
    }
}

/// The topic on which something is told of a client.
pub(super) fn topic(client_id: &str, about: About) -> String {
    format!("{ROOT}clients/{}/{}", Encoded(client_id), about.level())
}

/// What is told of a connection, and of its end if there is a reason for one: a JSON object.
pub(super) fn payload(
    peer: Peer,
    version: Version,
    is_clean: bool,
    reason: Option<&str>,
) -> String {
    let version = match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5.0",
    };
    let mut text =
        format!("{{\"address\":\"{peer}\",\"version\":\"{version}\",\"clean\":{is_clean}");
    if let Some(reason) = reason {
        // All reasons are texts of our own, of plain characters.
        text += &format!(",\"reason\":{reason:?}");
    }
    text.push('}');
    text
}

/// What a subscription may be shown of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Nobody,
    Anybody,
    /// The one with this id.
    One(String),
}

impl Wanted {
    /// By a pattern that begins with `$SYS`.
    pub(super) fn by(pattern: &str) -> Self {
        let mut levels = pattern.split('/');
        for own in ["$SYS", "broker", "clients"] {
            match levels.next() {
                Some("#") => return Self::Anybody,
                Some(level) if level == own || level == "+" => {}
                Some(_) | None => return Self::Nobody,
            }
        }
        match levels.next() {
            Some("#" | "+") => Self::Anybody,
            Some(level) => decoded(level).map_or(Self::Nobody, Self::One),
            None => Self::Nobody,
        }
    }
}

/// A client id as one level of a topic: what has a meaning there, or looks like this encoding, is
/// `%` and two digits, and so are control characters.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '/' | '+' | '#' | '%' => write!(f, "%{:02X}", u32::from(c))?,
                c if c.is_ascii_control() => write!(f, "%{:02X}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The client id that is encoded as `level`; none if nothing is.
fn decoded(level: &str) -> Option<String> {
    let mut id = String::with_capacity(level.len());
    let mut parts = level.split('%');
    id.push_str(parts.next()?);
    for part in parts {
        let code = u8::from_str_radix(part.get(..2)?, 16).ok()?;
        id.push(char::from(code));
        id.push_str(&part[2..]);
    }
    (Encoded(&id).to_string() == level).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic_matcher::Topic;

    #[test]
    fn an_id_is_one_level_and_comes_back() {
        for (id, level) in [
            ("lamp", "lamp"),
            ("a/b", "a%2Fb"),
            ("50%+#", "50%25%2B%23"),
            ("$SYS/x", "$SYS%2Fx"),
            ("\u{e4} \u{7f}\n", "\u{e4} %7F%0A"),
            ("%2F", "%252F"),
        ] {
            let topic = topic(id, About::Connected);
            assert_eq!(topic, format!("$SYS/broker/clients/{level}/connected"));
            assert!(Topic::parse(&topic).is_ok());
            assert_eq!(topic.split('/').count(), 5);
            assert_eq!(decoded(level).as_deref(), Some(id));
        }
        for nothing in ["%", "%2", "%2f", "%41", "%zz", "a%", "%\u{e4}\u{e4}", "%+1"] {
            assert_eq!(decoded(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_pattern_says_of_whom() {
        for pattern in ["$SYS/#", "$SYS/broker/clients/+/connected", "$SYS/+/clients/#", "$SYS/+/#"]
        {
            assert_eq!(Wanted::by(pattern), Wanted::Anybody, "{pattern}");
        }
        for pattern in ["$SYS/broker/uptime", "$SYS", "$SYS/broker/clients", "$SYS/x/clients/+/y"] {
            assert_eq!(Wanted::by(pattern), Wanted::Nobody, "{pattern}");
        }
        let one = Wanted::by("$SYS/broker/clients/a%2Fb/connected");
        assert_eq!(one, Wanted::One("a/b".into()));
    }

    #[test]
    fn what_is_told_is_json() {
        let told = payload(Peer::default(), Version::V5, false, Some("its queue is full"));
        let value: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(value["address"], "local");
        assert_eq!(value["version"], "5.0");
        assert_eq!(value["clean"], false);
        assert_eq!(value["reason"], "its queue is full");
        let told = payload(Peer::default(), Version::V31, true, None);
        assert_eq!(told, "{\"address\":\"local\",\"version\":\"3.1\",\"clean\":true}");
    }
}
