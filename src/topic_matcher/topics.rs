//! Values by topic name, in order: which topics does a filter match?
//!
//! For retained messages. The values lie in one ordered set, keyed by the name that each of them
//! holds itself. A filter with wildcards *skips*: from a key that does not match, it computes the
//! least name that could match and is greater, and seeks there.
//!
//! ```text
//!   sensor/+/battery     sensor/1/battery       matches
//!                        sensor/1/current       beyond "battery": on to the next sibling,
//!                        sensor/1/...             and those below "sensor/1/" are exactly
//!                        sensor/1/voltage         "sensor/1/" <= name < "sensor/10"
//!                        sensor/2/active        short of it: on to "sensor/2/battery"
//!                        sensor/2/battery       matches
//! ```
//!
//! Names are ordered as bytes, in which `/` (0x2f) is neither first nor last: `a`, `a!`, `a/b`,
//! `a0`. So a level sorts before its children, but strangers lie between the two; and the children
//! of `a` are the names from `a/` on and below `a0`, since `0` is the character behind `/`.
//!
//! A scan looks at a limited number of keys and then says where to go on. Between two calls values
//! may come and go: the cursor is a name, not a place.
//!
//! Owns: the values. Never has a second copy of a name.

use super::name::{HASH, PLUS, is_system, leads_with_wildcard};
use crate::codec::Text;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};

/// What has a topic name, the same for as long as it lives.
pub trait Topical {
    /// The name.
    fn topic(&self) -> Text<'_>;
}

/// Values by their topic names, in order.
pub struct Topics<V: Topical> {
    set: BTreeSet<Keyed<V>>,
}

/// How a scan ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Everything that matches was visited.
    Done,
    /// The visitor broke off. The value it broke at counts as not visited: to have it again, go
    /// on after the one before it.
    Stopped,
    /// The budget is used up: go on after this name, which need not be one that matches, nor one
    /// that still exists.
    Paused(Box<str>),
}

impl<V: Topical> Topics<V> {
    /// No values.
    #[must_use]
    pub const fn new() -> Self {
        Self { set: BTreeSet::new() }
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// The value of `topic`.
    #[must_use]
    pub fn get(&self, topic: &str) -> Option<&V> {
        self.set.get(topic.as_bytes()).map(|keyed| &keyed.0)
    }

    /// Puts `value` in the place of the one that had its topic, which is returned.
    pub fn insert(&mut self, value: V) -> Option<V> {
        self.set.replace(Keyed(value)).map(|keyed| keyed.0)
    }

    /// Takes out the value of `topic`.
    pub fn remove(&mut self, topic: &str) -> Option<V> {
        self.set.take(topic.as_bytes()).map(|keyed| keyed.0)
    }

    /// All values, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.set.iter().map(|keyed| &keyed.0)
    }

    /// Visits, in order, each value whose topic matches `pattern` (that of a valid
    /// [`Filter`](super::Filter)) and comes after the name `after`.
    ///
    /// Looks at no more than `budget` keys, but at least at one; a seek counts as one more.
    pub fn selected(
        &self,
        pattern: &str,
        after: Option<&str>,
        budget: usize,
        visit: &mut dyn FnMut(&V) -> ControlFlow<()>,
    ) -> Scan {
        let Some(prefix) = literal_prefix(pattern) else {
            return self.selected_one(pattern, after, visit);
        };
        let mut values = match after {
            Some(after) if after >= prefix => self.from(Bound::Excluded(after)),
            Some(_) | None => self.from(Bound::Included(prefix)),
        };
        let mut left = budget.max(1);
        let mut last = "";
        let mut target = String::new();
        let mut passed: Option<usize> = None; // While seeking: keys short of the target.
        while let Some(value) = values.next() {
            if left == 0 {
                return Scan::Paused(last.into());
            }
            left -= 1;
            last = value.topic().as_str();
            match passed {
                Some(count) if last < target.as_str() => {
                    passed = Some(count + 1);
                    if count + 1 == PATIENCE {
                        left = left.saturating_sub(1);
                        values = self.from(Bound::Included(&target));
                    }
                    continue;
                }
                Some(_) | None => passed = None,
            }
            match judge(pattern, last, &mut target) {
                Verdict::Match if visit(value).is_break() => return Scan::Stopped,
                Verdict::Match | Verdict::Next => {}
                Verdict::Seek => passed = Some(0),
                Verdict::End => return Scan::Done,
            }
        }
        Scan::Done
    }

    fn selected_one(
        &self,
        topic: &str,
        after: Option<&str>,
        visit: &mut dyn FnMut(&V) -> ControlFlow<()>,
    ) -> Scan {
        match self.get(topic) {
            Some(value) if after.is_none_or(|after| after < topic) => match visit(value) {
                ControlFlow::Continue(()) => Scan::Done,
                ControlFlow::Break(()) => Scan::Stopped,
            },
            Some(_) | None => Scan::Done,
        }
    }

    fn from<'t>(&'t self, start: Bound<&str>) -> impl Iterator<Item = &'t V> + use<'t, V> {
        let start = start.map(str::as_bytes);
        self.set.range::<[u8], _>((start, Bound::Unbounded)).map(|keyed| &keyed.0)
    }
}

impl<V: Topical> Default for Topics<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// How many keys a scan passes by on foot before it seeks: a step to the neighbour costs a
/// fraction of a seek, which walks down the whole set.
const PATIENCE: usize = 4;

/// What a key says about the way on.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It matches.
    Match,
    /// It does not, but the next one may.
    Next,
    /// It does not, nor does any other before the target.
    Seek,
    /// Nor does any other behind it.
    End,
}

/// What of `pattern` comes before its first wildcard: every name that matches is at least this.
/// `None` without wildcards.
fn literal_prefix(pattern: &str) -> Option<&str> {
    let at = pattern.find(['+', '#'])?;
    let prefix = &pattern[..at];
    // `a/#` matches `a`, which comes before `a/`.
    let parent = if pattern[at..].starts_with(HASH) { prefix.strip_suffix('/') } else { None };
    Some(parent.unwrap_or(prefix))
}

/// Compares level by level. For [`Verdict::Seek`], `target` is a name greater than `key`.
fn judge(pattern: &str, key: &str, target: &mut String) -> Verdict {
    if is_system(key) && leads_with_wildcard(pattern) {
        return seek(target, &["%"]); // [MQTT-4.7.2-1] `%` is the character behind `$`.
    }
    let mut plus = None; // Where the deepest level ends that is matched by `+`.
    let mut start = 0;
    let mut wanted = pattern.split('/').peekable();
    while let Some(level) = wanted.next() {
        if level == HASH {
            return Verdict::Match;
        }
        let rest = &key[start..];
        let end = rest.find('/').map_or(key.len(), |len| start + len);
        if level == PLUS {
            plus = Some(end);
        } else if level != &key[start..end] {
            // Its own level would be the whole of `rest` up to the end or a slash. Where that
            // begins as it should and goes on below `/`, the children are still to come.
            let goes_on = rest.strip_prefix(level).map(|more| more < "/");
            return match goes_on {
                None if rest < level => seek(target, &[&key[..start], level]),
                Some(true) if wanted.peek().is_some() => seek(target, &[&key[..start], level, "/"]),
                None | Some(_) => sibling(target, key, plus),
            };
        }
        if end == key.len() {
            return match wanted.peek() {
                None | Some(&HASH) => Verdict::Match,
                // `+` is to match a longer name than this one, too, and they come before `/`.
                Some(_) if level == PLUS => Verdict::Next,
                Some(_) => seek(target, &[key, "/"]),
            };
        }
        start = end + 1;
    }
    sibling(target, key, plus) // The key has more levels than the pattern.
}

/// Nothing more is to be found below the level that `+` matched and that ends at `plus` in `key`:
/// on to the next level in its place, which is behind all children of this one.
fn sibling(target: &mut String, key: &str, plus: Option<usize>) -> Verdict {
    plus.map_or(Verdict::End, |end| seek(target, &[&key[..end], "0"]))
}

fn seek(target: &mut String, parts: &[&str]) -> Verdict {
    target.clear();
    target.extend(parts.iter().copied());
    Verdict::Seek
}

/// A value that is its own key.
struct Keyed<V>(V);

impl<V: Topical> Borrow<[u8]> for Keyed<V> {
    fn borrow(&self) -> &[u8] {
        self.0.topic().as_bytes()
    }
}

impl<V: Topical> PartialEq for Keyed<V> {
    fn eq(&self, other: &Self) -> bool {
        self.0.topic() == other.0.topic()
    }
}

impl<V: Topical> Eq for Keyed<V> {}

impl<V: Topical> PartialOrd for Keyed<V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<V: Topical> Ord for Keyed<V> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.topic().as_bytes().cmp(other.0.topic().as_bytes())
    }
}

/// For `server::sizes`.
#[cfg(test)]
impl<V: Topical> Topics<V> {
    pub(crate) const VALUE_BYTES: usize = size_of::<Keyed<V>>();
}

#[cfg(test)]
mod tests;
