//! `%c` and `%u` in a rule: the client's own id and user name.
//!
//! Owns: what takes their place. A name is a part of one level and never more: one with `/` in it
//! would reach into a neighbour's topics, so it is put into denials only, where more is less.
//! (Names with `+` and `#` do not come this far.) Where a rule has `%u` it says nothing of clients
//! without a user name.
//!
//! Never allocates to answer whether a topic fits, but for a denial with such a name.

use crate::session::Identity;
use crate::topic_matcher::{Filter, matches};

/// What a rule means for somebody.
pub(super) enum Expanded {
    /// This filter.
    Filter(String),
    /// Nothing.
    Nothing,
}

/// Whether a filter has a place for a name.
pub(super) fn has_place(filter: &str) -> bool {
    filter.contains("%c") || filter.contains("%u")
}

/// Whether a topic fits.
pub(super) fn fits(filter: &str, is_denial: bool, who: &Identity, topic: &str) -> bool {
    if !can_stand(filter, is_denial, who) {
        return false;
    }
    if is_denial && has_slash(filter, who) {
        return match expand(filter, is_denial, who) {
            Expanded::Filter(filter) => matches(&filter, topic),
            Expanded::Nothing => false,
        };
    }
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false; // [MQTT-4.7.2-1]
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match levels.next() {
            _ if wanted == "#" => return true,
            Some(level) if wanted == "+" || is_level(wanted, who, level) => {}
            Some(_) | None => return false,
        }
    }
    levels.next().is_none()
}

/// The filter with the names in it.
pub(super) fn expand(filter: &str, is_denial: bool, who: &Identity) -> Expanded {
    if !can_stand(filter, is_denial, who) {
        return Expanded::Nothing;
    }
    let mut expanded = String::with_capacity(filter.len());
    for (text, name) in pieces(filter, who) {
        expanded.push_str(text);
        expanded.push_str(name);
    }
    match Filter::parse(&expanded) {
        Ok(_) => Expanded::Filter(expanded),
        Err(_) => Expanded::Nothing,
    }
}

/// Whether the names may be put in.
fn can_stand(filter: &str, is_denial: bool, who: &Identity) -> bool {
    let is_missing = who.user_name.is_none() && filter.contains("%u");
    !is_missing && (is_denial || !has_slash(filter, who))
}

fn has_slash(filter: &str, who: &Identity) -> bool {
    pieces(filter, who).any(|(_, name)| name.contains('/'))
}

/// Whether `wanted` with the names in it is `level`.
fn is_level(wanted: &str, who: &Identity, level: &str) -> bool {
    let mut rest = level;
    for (text, name) in pieces(wanted, who) {
        let Some(behind) = rest.strip_prefix(text).and_then(|rest| rest.strip_prefix(name)) else {
            return false;
        };
        rest = behind;
    }
    rest.is_empty()
}

/// Text and the name behind it, to the end, where the name is empty.
fn pieces<'p>(text: &'p str, who: &'p Identity) -> impl Iterator<Item = (&'p str, &'p str)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let place = text.match_indices('%').find_map(|(at, _)| match text.as_bytes().get(at + 1) {
            Some(b'c') => Some((at, &*who.client_id)),
            Some(b'u') => Some((at, who.user_name.as_deref().unwrap_or_default())),
            Some(_) | None => None,
        });
        let Some((at, name)) = place else {
            rest = None;
            return Some((text, ""));
        };
        rest = Some(&text[at + 2..]);
        Some((&text[..at], name))
    })
}
