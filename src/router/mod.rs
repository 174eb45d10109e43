//! Who gets what: subscriptions by filter, matched by topic, merged by session.
//!
//! Owns: the tree of filters with their subscribers, the shared subscriptions ([`Group`]), the
//! retained messages. One PUBLISH is matched as a whole before anything is sent: collect, order by
//! session, merge overlaps into one copy with the highest QoS and all identifiers
//! ([MQTT-3.3.4-2], [MQTT-3.3.4-3]); the result can be kept by the caller as long as
//! [`Router::generation`] stands still.
//!
//! Never sends, never knows whether anybody is connected.

mod shared;

use std::rc::Rc;

use crate::codec::{QoS, SubscribeOptions, Text};
use crate::few::{Few, Keyed};
use crate::map::{Map, map};
use crate::message::Message;
use crate::metrics::Gauge;
use crate::session::{Held, SessionId};
use crate::topic_matcher::{Filter, NodeId, Topic, Topics, Tree};

pub use shared::Group;

/// One subscription, seen from its filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// Whose.
    pub session: SessionId,
    /// Subscription Identifier; 0 is none.
    pub identifier: u32,
    /// As asked for.
    pub options: SubscribeOptions,
}

impl Keyed for Subscriber {
    type Key = SessionId;
    fn key(&self) -> SessionId {
        self.session
    }
}

/// Number of a shared subscription; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

impl Keyed for GroupId {
    type Key = Self;
    fn key(&self) -> Self {
        *self
    }
}

/// Everybody who subscribes to one filter.
#[derive(Debug, Default)]
struct Subscribers {
    direct: Few<Subscriber>,
    groups: Few<GroupId>,
}

/// One session that gets a message, its overlapping subscriptions merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Who.
    pub session: SessionId,
    /// Where its identifiers begin in [`Matches::identifiers`].
    pub identifiers_start: u32,
    /// How many they are.
    pub identifiers_len: u32,
    /// The highest of its subscriptions.
    pub qos: QoS,
    /// Whether any of them keeps the RETAIN flag.
    pub retain_as_published: bool,
}

/// Who gets a message. Reused from message to message.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    /// By session, in order.
    pub sessions: Vec<Match>,
    /// Subscription identifiers of the sessions.
    pub identifiers: Vec<u32>,
    /// Shared subscriptions, each of which gets one copy.
    pub groups: Vec<GroupId>,
    found: Vec<Subscriber>,
}

impl Matches {
    /// Whether nobody gets it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.groups.is_empty()
    }

    /// The identifiers of one match.
    #[must_use]
    pub fn identifiers_of(&self, found: &Match) -> &[u32] {
        let start = found.identifiers_start as usize;
        &self.identifiers[start..start + found.identifiers_len as usize]
    }

    /// Orders by session and merges overlaps.
    fn merge(&mut self) {
        self.found.sort_by_key(|subscriber| subscriber.session);
        for subscriber in &self.found {
            let options = subscriber.options;
            match self.sessions.last_mut() {
                Some(last) if last.session == subscriber.session => {
                    last.qos = last.qos.max(options.qos);
                    last.retain_as_published |= options.retain_as_published;
                }
                _ => self.sessions.push(Match {
                    session: subscriber.session,
                    identifiers_start: count(self.identifiers.len()),
                    identifiers_len: 0,
                    qos: options.qos,
                    retain_as_published: options.retain_as_published,
                }),
            }
            if subscriber.identifier != 0
                && let Some(last) = self.sessions.last_mut()
            {
                self.identifiers.push(subscriber.identifier);
                last.identifiers_len += 1;
            }
        }
        self.found.clear();
    }
}

/// Subscriptions, shared subscriptions and retained messages.
pub struct Router {
    tree: Tree<Subscribers>,
    groups: Map<u32, Group>,
    group_by_filter: Map<Rc<str>, GroupId>,
    next_group: u32,
    /// Retained messages by topic.
    pub retained: Topics<Rc<Message>>,
    subscriptions: usize,
    /// Bytes of the mount point in front of a subscription's pattern, where a wildcard follows it:
    /// there its client's names begin.
    roots: Map<(SessionId, NodeId, u32), u16>,
    gauge: Rc<Gauge>,
}

impl Router {
    /// Nothing and nobody; `seed` is for the hashes.
    #[must_use]
    pub fn new(seed: u64, gauge: &Rc<Gauge>) -> Self {
        Self {
            tree: Tree::new(seed),
            groups: map(seed),
            group_by_filter: map(seed),
            next_group: 1,
            retained: Topics::new(),
            subscriptions: 0,
            roots: map(seed),
            gauge: Rc::clone(gauge),
        }
    }

    /// How many subscriptions there are, shared ones included.
    #[must_use]
    pub const fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    /// Changes whenever the answer of [`matches`](Self::matches) may.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.tree.generation()
    }

    /// Adds a subscription, or replaces the session's one with this filter ([MQTT-3.8.4-3]).
    /// Returns where it is and whether it is new. `group` is the number to use if it is the first
    /// of a shared subscription; 0 chooses one.
    pub fn subscribe(
        &mut self,
        filter: Filter<'_>,
        subscriber: Subscriber,
        group: u32,
    ) -> (Held, bool) {
        let node = self.tree.insert(filter.pattern());
        let (held, old) = if filter.share().is_some() {
            let id = self.group_of(filter, node, group);
            let members = &mut self.group_mut(id).members;
            (Held { node, group: id.0 }, members.insert(subscriber))
        } else {
            let direct = &mut self.tree.value_mut(node).direct;
            (Held { node, group: 0 }, direct.insert(subscriber))
        };
        self.subscriptions += usize::from(old.is_none());
        (held, old.is_none())
    }

    /// Removes a session's subscription.
    pub fn unsubscribe(&mut self, session: SessionId, held: Held) {
        let removed = if held.group == 0 {
            self.tree.value_mut(held.node).direct.remove(session)
        } else {
            let group = self.group_mut(GroupId(held.group));
            let removed = group.members.remove(session);
            if group.members.is_empty() {
                self.drop_group(GroupId(held.group));
            }
            removed
        };
        self.subscriptions -= usize::from(removed.is_some());
        self.set_root(session, held, 0);
        let subscribers = self.tree.value(held.node);
        if subscribers.direct.is_empty() && subscribers.groups.is_empty() {
            self.tree.prune(held.node);
        }
    }

    /// Says of a subscription whose pattern has a wildcard right behind a mount point how long that
    /// is; 0 of all others.
    pub fn set_root(&mut self, session: SessionId, held: Held, root: u16) {
        let key = (session, held.node, held.group);
        if root > 0 {
            self.roots.insert(key, root);
        } else if !self.roots.is_empty() {
            self.roots.remove(&key);
        }
    }

    /// What was said by [`set_root`](Self::set_root).
    #[must_use]
    pub fn root(&self, session: SessionId, held: Held) -> u16 {
        let key = (session, held.node, held.group);
        if self.roots.is_empty() { 0 } else { self.roots.get(&key).copied().unwrap_or(0) }
    }

    /// Whether a subscription that matches `topic` does not as its client sees the two: no wildcard
    /// at the front matches a `$` ([MQTT-4.7.2-1]), and behind a mount point that is the front.
    #[must_use]
    pub fn hides(&self, session: SessionId, held: Held, topic: Text<'_>) -> bool {
        let root = usize::from(self.root(session, held));
        root > 0 && topic.as_bytes().get(root) == Some(&b'$')
    }

    /// Where a session's subscription with this filter would be.
    #[must_use]
    pub fn find(&self, filter: Filter<'_>) -> Option<Held> {
        let node = self.tree.find(filter.pattern())?;
        let group = match filter.share() {
            None => 0,
            Some(_) => self.group_by_filter.get(filter.as_str())?.0,
        };
        Some(Held { node, group })
    }

    /// A session's subscription at this place.
    #[must_use]
    pub fn subscriber(&self, session: SessionId, held: Held) -> Option<&Subscriber> {
        if held.group == 0 {
            self.tree.value(held.node).direct.find(session)
        } else {
            self.groups.get(&held.group)?.members.find(session)
        }
    }

    /// The filter at this place, with `$share/..` if it is shared.
    #[must_use]
    pub fn filter(&self, held: Held) -> Box<str> {
        match self.groups.get(&held.group) {
            Some(group) => group.filter.as_ref().into(),
            None => self.tree.pattern(held.node).into(),
        }
    }

    /// Who gets a message on `topic` that `publisher` has sent; `matches` is overwritten.
    pub fn matches(&self, topic: Topic<'_>, publisher: Option<SessionId>, matches: &mut Matches) {
        matches.sessions.clear();
        matches.identifiers.clear();
        matches.groups.clear();
        let may_hide = !self.roots.is_empty() && topic.as_str().contains('$');
        self.tree.matching(topic, &mut |node, subscribers| {
            for subscriber in subscribers.direct.as_slice() {
                let Subscriber { session, options, .. } = *subscriber;
                let held = Held { node, group: 0 };
                // [MQTT-3.8.3-3] of 5.0.
                let is_own = options.no_local && Some(session) == publisher;
                let hides = || may_hide && self.hides(session, held, topic.as_str().into());
                if !(is_own || hides()) {
                    matches.found.push(*subscriber);
                }
            }
            matches.groups.extend_from_slice(subscribers.groups.as_slice());
        });
        matches.merge();
        matches.groups.sort_unstable();
    }

    /// A shared subscription.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(&id.0)
    }

    /// A shared subscription that is known to be there.
    ///
    /// # Panics
    /// If it is not.
    pub fn group_mut(&mut self, id: GroupId) -> &mut Group {
        self.groups.get_mut(&id.0).expect("a group lives as long as its members")
    }

    /// Shared subscriptions whose queue outlives connections, in no order.
    pub fn kept_groups(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.groups.iter().filter(|(_, group)| group.kept > 0).map(|(id, g)| (GroupId(*id), g))
    }

    /// The number a shared subscription has, or gets if this filter is its first.
    #[must_use]
    pub fn group_number(&self, filter: Filter<'_>) -> u32 {
        match (filter.share(), self.group_by_filter.get(filter.as_str())) {
            (None, _) => 0,
            (Some(_), Some(id)) => id.0,
            (Some(_), None) => self.free_group(),
        }
    }

    /// A number no shared subscription has, all being taken in turn: who joins and leaves for
    /// hours on end uses them up.
    fn free_group(&self) -> u32 {
        let mut number = self.next_group.max(1);
        while self.groups.contains_key(&number) {
            number = number.wrapping_add(1).max(1);
        }
        number
    }

    fn group_of(&mut self, filter: Filter<'_>, node: NodeId, number: u32) -> GroupId {
        if let Some(id) = self.group_by_filter.get(filter.as_str()) {
            return *id;
        }
        let id = GroupId(if number == 0 { self.free_group() } else { number });
        self.next_group = id.0.wrapping_add(1);
        let name: Rc<str> = filter.as_str().into();
        self.groups.insert(id.0, Group::new(Rc::clone(&name), node, &self.gauge));
        self.group_by_filter.insert(name, id);
        self.tree.value_mut(node).groups.insert(id);
        id
    }

    fn drop_group(&mut self, id: GroupId) {
        if let Some(group) = self.groups.remove(&id.0) {
            self.group_by_filter.remove(&group.filter);
            self.tree.value_mut(group.node).groups.remove(id);
        }
    }
}

/// A count that points into a list of this floor: bounded by what memory holds.
pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).expect("fewer than 2^32")
}

/// For `server::sizes`.
#[cfg(test)]
impl Router {
    pub(crate) const FILTER_BYTES: usize = Tree::<Subscribers>::NODE_BYTES;
}
