//! An access control list: who may do what with which topics.
//!
//! ```text
//! topic read news/#            nobody is named yet: for clients without a user name
//! user anna
//! topic readwrite home/#       for anna, whatever her client is called
//! topic deny home/safe
//! pattern write dev/%c/#       for everybody, %c being the client id, %u the user name
//! ```
//!
//! A question is decided by the first rule that fits, denials before permissions: first by the
//! rules of the user (or of those without a name), then by the patterns. Where none fits the
//! answer is no.
//!
//! A subscription is refused if nothing could ever be delivered because of it: if no permission
//! to read has a topic in common with the filter that is not denied. Where there are rules with
//! the verb `subscribe`, the filter must lie within one of them as well.
//!
//! Owns: the rules, and the decision with the line that made it.
//!
//! Never opens a file.

mod parse;
mod pattern;

use std::borrow::Cow;

use super::problem::Problem;
use crate::map::{self, Map};
use crate::session::{Access, Identity};
use crate::topic_matcher::{Filter, Topic, Tree, common, covers, matches};

use pattern::Expanded;

/// What a rule is about, a set.
#[derive(Clone, Copy)]
struct Verbs(u8);

impl Verbs {
    const READ: Self = Self(1);
    const WRITE: Self = Self(2);
    const READ_WRITE: Self = Self(3);
    const SUBSCRIBE: Self = Self(4);
    const ALL: Self = Self(7);

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// One line.
struct Rule {
    filter: Box<str>,
    verbs: Verbs,
    is_denial: bool,
    /// Whether the filter has `%c` or `%u` in it.
    is_pattern: bool,
    line: u32,
}

/// The rules that hold for somebody: denials first, then as they stand in the file.
#[derive(Default)]
struct Rules {
    list: Vec<Rule>,
    /// Where in the list the filters are, if there are so many that it is worth it.
    index: Option<Box<Tree<Vec<u32>>>>,
}

/// Rules from which on they are looked for in a tree.
const INDEXED_FROM: usize = 24;

/// An access control list.
pub struct Acl {
    anonymous: Rules,
    users: Map<Box<str>, Rules>,
    /// Of everybody.
    patterns: Rules,
}

/// What a list says, and by which line; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub is_allowed: bool,
    /// The line that says so; 0 if none does.
    pub line: u32,
}

impl Decision {
    const fn by(rule: &Rule) -> Self {
        Self { is_allowed: !rule.is_denial, line: rule.line }
    }

    /// No line says anything.
    const NONE: Self = Self { is_allowed: false, line: 0 };
}

impl Default for Acl {
    /// No rules: nobody may do anything.
    fn default() -> Self {
        let (anonymous, patterns) = (Rules::default(), Rules::default());
        Self { anonymous, users: map::map(0), patterns }
    }
}

impl Acl {
    /// The rules of a file; `seed` decides hashes.
    ///
    /// # Errors
    /// Everything that is wrong with it, up to a bound; `file` is what the file is called.
    pub fn parse(
        file: &str,
        bytes: &[u8],
        seed: u64,
    ) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        parse::parse(file, bytes, seed)
    }

    /// Whether a client may do this with that topic or filter, and why.
    #[must_use]
    pub fn decide(&self, who: &Identity, what: Access, topic: &str) -> Decision {
        if !self.patterns.list.is_empty() && has_wildcard(who) {
            // Its name would be more than a name in a filter.
            return Decision::NONE;
        }
        let verb = match what {
            Access::Publish | Access::Will => Verbs::WRITE,
            Access::Receive => Verbs::READ,
            Access::Subscribe => return self.decide_subscribe(who, topic),
        };
        let own = self.own(who).and_then(|rules| rules.first(who, verb, topic));
        let first = own.or_else(|| self.patterns.first(who, verb, topic));
        first.map_or(Decision::NONE, Decision::by)
    }

    fn own(&self, who: &Identity) -> Option<&Rules> {
        match &who.user_name {
            None => Some(&self.anonymous),
            Some(name) => self.users.get(name.as_ref()),
        }
    }

    fn decide_subscribe(&self, who: &Identity, filter: &str) -> Decision {
        let pattern = Filter::parse(filter).map_or(filter, Filter::pattern);
        let sets: [&[Rule]; 2] =
            [self.own(who).map_or(&[], |rules| &rules.list), &self.patterns.list];
        let within =
            |rule: &&Rule| rule.expanded(who).is_some_and(|expanded| covers(&expanded, pattern));
        let mut is_limited = false;
        let mut chosen = None;
        for rule in sets.into_iter().flatten().filter(|rule| rule.verbs.has(Verbs::SUBSCRIBE)) {
            is_limited |= !rule.is_denial;
            if chosen.is_none() && within(&rule) {
                chosen = Some(rule);
            }
        }
        match chosen {
            Some(rule) if rule.is_denial => return Decision::by(rule),
            None if is_limited => return Decision::NONE,
            Some(_) | None => {}
        }
        let readable = readable(who, sets, pattern);
        match chosen {
            Some(rule) if readable.is_allowed => Decision::by(rule),
            Some(_) | None => readable,
        }
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let users: usize = self.users.values().map(|rules| rules.list.len()).sum();
        self.anonymous.list.len() + users + self.patterns.list.len()
    }

    /// Whether there is no rule, so that nobody may do anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a rule names a user.
    #[must_use]
    pub fn names_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// What is different in `new`, in words; `None` if nothing is.
    #[must_use]
    pub fn difference(&self, new: &Self) -> Option<String> {
        let (old, new) = (self.sorted(), new.sorted());
        let missing = |from: &[Key<'_>], of: &[Key<'_>]| {
            of.iter().filter(|key| from.binary_search(key).is_err()).count()
        };
        let (added, removed) = (missing(&old, &new), missing(&new, &old));
        let counts = [(added, "added"), (removed, "removed")];
        let told = counts.into_iter().filter(|(count, _)| *count > 0);
        let told: Vec<String> = told.map(|(count, what)| format!("{count} {what}")).collect();
        (!told.is_empty()).then(|| format!("access rules: {}", told.join(", ")))
    }
}

/// A rule without its line: for whom, what.
type Key<'a> = (Option<&'a str>, bool, &'a str, u8, bool);

impl Acl {
    fn sorted(&self) -> Vec<Key<'_>> {
        let users = self.users.iter().map(|(name, rules)| (Some(name.as_ref()), false, rules));
        let sets = users.chain([(None, false, &self.anonymous), (None, true, &self.patterns)]);
        let mut all: Vec<Key<'_>> = sets
            .flat_map(|(name, is_pattern, rules)| {
                rules.list.iter().map(move |rule| {
                    (name, is_pattern, rule.filter.as_ref(), rule.verbs.0, rule.is_denial)
                })
            })
            .collect();
        all.sort_unstable();
        all
    }
}

impl std::fmt::Debug for Acl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acl").field("rules", &self.len()).finish()
    }
}

/// Whether a topic that `pattern` matches may be read, and by which rule.
fn readable(who: &Identity, sets: [&[Rule]; 2], pattern: &str) -> Decision {
    let mut denials: Vec<(Cow<'_, str>, &Rule)> = Vec::new();
    for rules in sets {
        for rule in rules.iter().filter(|rule| rule.verbs.has(Verbs::READ)) {
            let Some(filter) = rule.expanded(who) else { continue };
            let Some(shared) = common(&filter, pattern) else { continue };
            if rule.is_denial {
                denials.push((filter, rule));
            } else if !denials.iter().any(|(denied, _)| covers(denied, &shared)) {
                return Decision::by(rule);
            }
        }
    }
    denials.first().map_or(Decision::NONE, |(_, rule)| Decision::by(rule))
}

impl Rules {
    /// The rule that decides whether `topic` may be used so.
    fn first(&self, who: &Identity, verb: Verbs, topic: &str) -> Option<&Rule> {
        if let Some(index) = &self.index
            && let Ok(topic) = Topic::parse(topic)
        {
            let mut first = u32::MAX;
            index.matching(topic, &mut |_, places| {
                let fits = |place: &&u32| self.list[**place as usize].verbs.has(verb);
                first = first.min(places.iter().find(fits).copied().unwrap_or(u32::MAX));
            });
            let bound = usize::try_from(first).unwrap_or(usize::MAX).min(self.list.len());
            // What stands for whoever asks is in no tree.
            let named = self.list[..bound].iter().find(|rule| {
                rule.is_pattern && rule.verbs.has(verb) && rule.fits(who, topic.as_str())
            });
            return named.or_else(|| self.list.get(bound));
        }
        self.list.iter().find(|rule| rule.verbs.has(verb) && rule.fits(who, topic))
    }

    /// Orders the rules and makes the index if it is worth it.
    fn settle(&mut self, seed: u64) {
        self.list.sort_by_key(|rule| !rule.is_denial);
        self.list.shrink_to_fit();
        if self.list.len() < INDEXED_FROM {
            return;
        }
        let mut index: Tree<Vec<u32>> = Tree::new(seed);
        for (place, rule) in (0..).zip(&self.list).filter(|(_, rule)| !rule.is_pattern) {
            let node = index.insert(&rule.filter);
            index.value_mut(node).push(place);
        }
        self.index = Some(Box::new(index));
    }
}

impl Rule {
    /// Whether it is about this topic, for this client.
    fn fits(&self, who: &Identity, topic: &str) -> bool {
        if self.is_pattern {
            pattern::fits(&self.filter, self.is_denial, who, topic)
        } else {
            matches(&self.filter, topic)
        }
    }

    /// The filter for this client; `None` if it is about nothing of his.
    fn expanded(&self, who: &Identity) -> Option<Cow<'_, str>> {
        if !self.is_pattern {
            return Some(Cow::Borrowed(&self.filter));
        }
        match pattern::expand(&self.filter, self.is_denial, who) {
            Expanded::Filter(filter) => Some(Cow::Owned(filter)),
            Expanded::Nothing => None,
        }
    }
}

/// Whether a name of his has a wildcard in it.
fn has_wildcard(who: &Identity) -> bool {
    let is_wild = |name: &str| name.contains(['+', '#']);
    is_wild(&who.client_id) || who.user_name.as_deref().is_some_and(is_wild)
}

#[cfg(test)]
mod tests;
