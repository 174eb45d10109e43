//! Topic names and topic filters: parsed once, valid ever after.
//!
//! | text                | as a [`Topic`] | as a [`Filter`]                       |
//! |---------------------|----------------|---------------------------------------|
//! | `a/b`, `/`, `a//b`  | valid          | valid; an empty level is a level      |
//! | `a/+/c`, `a/#`      | [`Invalid::Wildcard`] | valid                          |
//! | `a+`, `a#`, `#/a`   | [`Invalid::Wildcard`] | [`Invalid::Wildcard`]          |
//! | `$share/g/a/+`      | [`Invalid::Wildcard`] | share `g`, pattern `a/+`       |
//! | `$share/g`, `$share//a` | valid      | [`Invalid::Share`]                    |
//! | `$sharefoo/a`       | valid          | valid, not shared                     |
//!
//! Owns: the syntax. Never holds text of its own, and never says which reason code an invalid
//! name leads to: that differs from packet to packet.

use std::fmt;

use super::sets;

/// The most levels a topic name or the pattern of a filter may have.
///
/// The standard sets no limit but the length of the text; a peer chooses the depth, and what
/// costs one step per level is bounded by this.
pub const LEVELS_MAX: usize = 200;

/// The most bytes a topic name or filter may have [MQTT-4.7.3-3].
const BYTES_MAX: usize = 65_535;

/// The levels that a wildcard stands for.
pub(super) const PLUS: &str = "+";
/// The tail that a wildcard stands for.
pub(super) const HASH: &str = "#";

/// A valid topic name: 1 to 65535 bytes without NUL, `+` or `#`, at most [`LEVELS_MAX`] levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Topic<'a>(&'a str);

impl<'a> Topic<'a> {
    /// The topic name `text`.
    ///
    /// # Errors
    /// When it is not one: see [`Invalid`].
    pub fn parse(text: &'a str) -> Result<Self, Invalid> {
        let survey = Survey::of(text)?;
        if survey.wildcard {
            return Err(Invalid::Wildcard); // [5: MQTT-4.7.0-1] [3.1.1: MQTT-4.7.1-1]
        }
        survey.depth()?;
        Ok(Self(text))
    }

    /// The name as it was parsed.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether it begins with `$`, so that no leading wildcard matches it [MQTT-4.7.2-1].
    #[must_use]
    pub fn is_system(self) -> bool {
        is_system(self.0)
    }
}

/// A valid topic filter, shared or not.
///
/// ```
/// use mqtt_broker::topic_matcher::{Filter, Topic};
///
/// let filter = Filter::parse("$share/group/sport/+")?;
/// assert_eq!(filter.share(), Some("group"));
/// assert_eq!(filter.pattern(), "sport/+");
/// assert!(filter.matches(Topic::parse("sport/tennis")?));
/// # Ok::<(), mqtt_broker::topic_matcher::Invalid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Filter<'a> {
    text: &'a str,
    share: Option<&'a str>,
    pattern: &'a str,
    wildcard: bool,
}

impl<'a> Filter<'a> {
    /// The topic filter `text`.
    ///
    /// # Errors
    /// When it is not one: see [`Invalid`].
    pub fn parse(text: &'a str) -> Result<Self, Invalid> {
        let survey = Survey::of(text)?;
        let (share, pattern) = split_share(text)?;
        let survey = if share.is_some() { Survey::of(pattern)? } else { survey };
        survey.depth()?;
        if survey.wildcard && !wildcards_in_place(pattern) {
            return Err(Invalid::Wildcard);
        }
        Ok(Self { text, share, pattern, wildcard: survey.wildcard })
    }

    /// The whole filter, with `$share/` and the group: the key of a subscription in its session.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.text
    }

    /// The group, if the filter is that of a shared subscription.
    #[must_use]
    pub const fn share(self) -> Option<&'a str> {
        self.share
    }

    /// What topics are matched with: the filter without `$share/` and the group.
    #[must_use]
    pub const fn pattern(self) -> &'a str {
        self.pattern
    }

    /// Whether the pattern has a `+` or `#`, so that it may match more than one topic.
    #[must_use]
    pub const fn has_wildcard(self) -> bool {
        self.wildcard
    }

    /// Whether this filter alone matches `topic`; O(length).
    #[must_use]
    pub fn matches(self, topic: Topic<'_>) -> bool {
        if !self.wildcard {
            return self.pattern == topic.0;
        }
        sets::matches(self.pattern, topic.0)
    }
}

/// Why a text is no topic name or no topic filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invalid {
    /// It has no characters [MQTT-4.7.3-1].
    Empty,
    /// It has more than 65535 bytes [MQTT-4.7.3-3].
    TooLong,
    /// It contains the null character [MQTT-4.7.3-2].
    Nul,
    /// It has more than [`LEVELS_MAX`] levels.
    TooDeep,
    /// A wildcard in a topic name, beside other characters of its level, or `#` before the end
    /// [MQTT-4.7.1-1] [MQTT-4.7.1-2].
    Wildcard,
    /// It begins with `$share/` (or is `$share`) but lacks a group, or a filter behind it
    /// [MQTT-4.8.2-1] [MQTT-4.8.2-2].
    Share,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty topic"),
            Self::TooLong => write!(f, "topic of more than {BYTES_MAX} bytes"),
            Self::Nul => f.write_str("null character in a topic"),
            Self::TooDeep => write!(f, "topic of more than {LEVELS_MAX} levels"),
            Self::Wildcard => f.write_str("wildcard out of place"),
            Self::Share => f.write_str("shared subscription without a group or a filter"),
        }
    }
}

impl std::error::Error for Invalid {}

/// Whether `topic` is one that no leading wildcard matches.
pub(super) fn is_system(topic: &str) -> bool {
    topic.starts_with('$')
}

/// Whether the first level of `pattern`, which is valid, is a wildcard.
pub(super) fn leads_with_wildcard(pattern: &str) -> bool {
    pattern.starts_with(['+', '#'])
}

/// Whether `pattern` may stand behind `$share/group/`, or be a filter of its own.
pub(super) fn is_pattern(pattern: &str) -> bool {
    Survey::of(pattern).is_ok_and(|survey| survey.depth().is_ok() && wildcards_in_place(pattern))
}

/// What one pass over a text tells. Without branches, for this runs on every PUBLISH.
struct Survey {
    levels: usize,
    wildcard: bool,
}

impl Survey {
    fn of(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::Empty);
        }
        if text.len() > BYTES_MAX {
            return Err(Invalid::TooLong);
        }
        let (mut levels, mut wildcard, mut nul) = (1, false, false);
        for &byte in text.as_bytes() {
            levels += usize::from(byte == b'/');
            wildcard |= (byte == b'+') | (byte == b'#');
            nul |= byte == 0;
        }
        if nul { Err(Invalid::Nul) } else { Ok(Self { levels, wildcard }) }
    }

    const fn depth(&self) -> Result<(), Invalid> {
        if self.levels > LEVELS_MAX { Err(Invalid::TooDeep) } else { Ok(()) }
    }
}

/// The group, if `text` is a shared subscription, and the rest of it.
fn split_share(text: &str) -> Result<(Option<&str>, &str), Invalid> {
    let Some(tail) = text.strip_prefix("$share") else { return Ok((None, text)) };
    if !tail.is_empty() && !tail.starts_with('/') {
        return Ok((None, text)); // `$sharefoo` is an ordinary level.
    }
    let (group, pattern) =
        tail.strip_prefix('/').and_then(|tail| tail.split_once('/')).ok_or(Invalid::Share)?;
    if group.is_empty() || group.contains(['+', '#']) || pattern.is_empty() {
        return Err(Invalid::Share); // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    }
    Ok((Some(group), pattern))
}

/// A wildcard fills its level [MQTT-4.7.1-2], and `#` is the last one [MQTT-4.7.1-1].
fn wildcards_in_place(pattern: &str) -> bool {
    let mut levels = pattern.split('/');
    while let Some(level) = levels.next() {
        let fits = match level {
            HASH => levels.next().is_none(),
            PLUS => true,
            _ => !level.contains(['+', '#']),
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::naive;
    use super::*;
    use crate::rng::Rng;

    fn matches(filter: &str, topic: &str) -> bool {
        Filter::parse(filter).unwrap().matches(Topic::parse(topic).unwrap())
    }

    #[test]
    fn the_standards_examples_of_the_multi_level_wildcard() {
        for topic in ["", "/ranking", "/score/wimbledon"] {
            let topic = format!("sport/tennis/player1{topic}");
            assert!(matches("sport/tennis/player1/#", &topic), "{topic}");
        }
        assert!(matches("sport/#", "sport"));
        assert!(matches("#", "sport/tennis"));
        assert!(matches("#", "/"));
        assert!(Filter::parse("sport/tennis/#").is_ok());
        assert_eq!(Filter::parse("sport/tennis#"), Err(Invalid::Wildcard));
        assert_eq!(Filter::parse("sport/tennis/#/ranking"), Err(Invalid::Wildcard));
    }

    #[test]
    fn the_standards_examples_of_the_single_level_wildcard() {
        assert!(matches("sport/tennis/+", "sport/tennis/player1"));
        assert!(matches("sport/tennis/+", "sport/tennis/player2"));
        assert!(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
        assert!(!matches("sport/+", "sport"));
        assert!(matches("sport/+", "sport/"));
        for filter in ["+", "+/tennis/#", "sport/+/player1"] {
            assert!(Filter::parse(filter).is_ok(), "{filter}");
        }
        assert_eq!(Filter::parse("sport+"), Err(Invalid::Wildcard));
        assert!(matches("+/+", "/finance"));
        assert!(matches("/+", "/finance"));
        assert!(!matches("+", "/finance"));
    }

    #[test]
    fn the_standards_examples_of_system_topics() {
        assert!(!matches("#", "$SYS/monitor"));
        assert!(!matches("+/monitor/Clients", "$SYS/monitor/Clients"));
        assert!(matches("$SYS/#", "$SYS/monitor"));
        assert!(matches("$SYS/#", "$SYS"));
        assert!(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
        assert!(matches("a/#", "a/$b"));
        assert!(matches("a/+", "a/$b"));
    }

    #[test]
    fn the_standards_examples_of_names() {
        assert!(!matches("ACCOUNTS", "Accounts"));
        assert!(Topic::parse("Accounts payable").is_ok());
        assert!(!matches("/finance", "finance"));
        assert!(!matches("finance/", "finance"));
        assert!(matches("/", "/"));
        assert!(!matches("\u{e9}", "e\u{301}"), "no normalization [MQTT-4.7.3-4]");
    }

    #[test]
    fn shared_subscriptions() {
        let parts = |text| Filter::parse(text).map(|filter| (filter.share(), filter.pattern()));
        assert_eq!(
            parts("$share/consumer1/sport/tennis/+"),
            Ok((Some("consumer1"), "sport/tennis/+"))
        );
        assert_eq!(parts("$share/consumer1//finance"), Ok((Some("consumer1"), "/finance")));
        assert_eq!(parts("$share/g//"), Ok((Some("g"), "/")));
        assert_eq!(parts("$share/g/#"), Ok((Some("g"), "#")));
        assert_eq!(parts("$sharefoo/x"), Ok((None, "$sharefoo/x")));
        assert_eq!(parts("$SHARE/g/x"), Ok((None, "$SHARE/g/x")));
        assert_eq!(parts("/$share/g"), Ok((None, "/$share/g")));
        for text in
            ["$share", "$share/", "$share/g", "$share/g/", "$share//f", "$share/+/f", "$share/#"]
        {
            assert_eq!(parts(text), Err(Invalid::Share), "{text}");
        }
        for text in ["$share/a+/f", "$share/#/f", "$share/a#b/f"] {
            assert_eq!(parts(text), Err(Invalid::Share), "{text}");
        }
        assert_eq!(parts("$share/g/a#"), Err(Invalid::Wildcard));
        assert!(matches("$share/g/+", "a") && !matches("$share/g/+", "$a"));
    }

    #[test]
    fn limits() {
        assert_eq!(Topic::parse(""), Err(Invalid::Empty));
        assert_eq!(Filter::parse(""), Err(Invalid::Empty));
        assert_eq!(Topic::parse("a\0b"), Err(Invalid::Nul));
        assert_eq!(Filter::parse("a\0/#"), Err(Invalid::Nul));
        assert_eq!(Filter::parse("$share/a\0/#"), Err(Invalid::Nul));
        assert!(Topic::parse(&"x".repeat(65_535)).is_ok());
        assert_eq!(Topic::parse(&"x".repeat(65_536)), Err(Invalid::TooLong));
        assert_eq!(Filter::parse(&"x".repeat(65_536)), Err(Invalid::TooLong));
        let deepest = "a/".repeat(LEVELS_MAX - 1) + "a";
        assert!(Topic::parse(&deepest).is_ok() && Filter::parse(&deepest).is_ok());
        assert!(Filter::parse(&format!("$share/g/{deepest}")).is_ok());
        let deeper = "/".repeat(LEVELS_MAX);
        assert_eq!(Topic::parse(&deeper), Err(Invalid::TooDeep));
        assert_eq!(Filter::parse(&deeper), Err(Invalid::TooDeep));
        assert_eq!(Filter::parse(&format!("$share/g/{deeper}")), Err(Invalid::TooDeep));
        for text in ["+", "a/+", "#", "a+b"] {
            assert_eq!(Topic::parse(text), Err(Invalid::Wildcard), "{text}");
        }
        assert_eq!(Invalid::TooDeep.to_string(), "topic of more than 200 levels");
    }

    #[test]
    fn matching_agrees_with_the_naive_matcher() {
        let mut rng = Rng::new(1);
        let mut hits = 0;
        for _ in 0..50_000 {
            let (pattern, topic) = (naive::pattern(&mut rng), naive::topic(&mut rng));
            let filter = Filter::parse(&pattern).unwrap();
            let expected = naive::matches(&pattern, &topic);
            assert_eq!(
                filter.matches(Topic::parse(&topic).unwrap()),
                expected,
                "{filter:?} {topic}"
            );
            assert_eq!(filter.has_wildcard(), pattern.contains(['+', '#']));
            hits += usize::from(expected);
        }
        assert!(hits > 5_000, "only {hits} of the pairs match");
    }

    #[test]
    fn any_text_parses_or_is_refused() {
        let mut rng = Rng::new(2);
        let parts = ["/", "/", "+", "#", "$share", "$", "a", "\u{20ac}", " ", "\0"];
        for _ in 0..50_000 {
            let text: String = (0..rng.index(8)).map(|_| parts[rng.index(parts.len())]).collect();
            if let Ok(filter) = Filter::parse(&text) {
                assert!(is_pattern(filter.pattern()), "{text}");
                assert!(text.ends_with(filter.pattern()));
                assert_eq!(filter.share().is_some(), text.starts_with("$share/"));
            }
            if Topic::parse(&text).is_ok() {
                assert!(!text.is_empty() && !text.contains(['+', '#', '\0']));
            }
        }
    }
}
