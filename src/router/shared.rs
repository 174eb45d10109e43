//! Shared subscriptions: one copy for a group.
//!
//! Owns: a group's members, whose turn it is, and the messages that wait for any of them. What
//! waits belongs to the group, not to a member: so when nobody can take a message it waits here,
//! goes to the first member that can, and nothing has to be moved when a member leaves. What a
//! member was sent stays with the member until its session ends ([MQTT-4.8.2-4],
//! [MQTT-4.8.2-5]).
//!
//! Never knows who is connected: the broker asks the members in turn.

use std::rc::Rc;

use super::Subscriber;
use crate::few::Few;
use crate::metrics::Gauge;
use crate::session::Queue;
use crate::topic_matcher::NodeId;

/// A shared subscription.
#[derive(Debug)]
pub struct Group {
    /// `$share/name/filter`.
    pub filter: Rc<str>,
    /// Its filter's node in the tree.
    pub node: NodeId,
    /// Who is in it.
    pub members: Few<Subscriber>,
    /// How many of them outlive their connections; if any does, so does the queue.
    pub kept: usize,
    /// What waits for any of them.
    pub queue: Queue,
    turn: usize,
}

impl Group {
    /// A group without members.
    #[must_use]
    pub fn new(filter: Rc<str>, node: NodeId, gauge: &Rc<Gauge>) -> Self {
        Self { filter, node, members: Few::None, kept: 0, queue: Queue::new(gauge), turn: 0 }
    }

    /// The member whose turn is `ahead` places after the current one.
    #[must_use]
    pub fn member(&self, ahead: usize) -> Option<Subscriber> {
        let members = self.members.as_slice();
        if members.is_empty() {
            return None;
        }
        members.get((self.turn % members.len() + ahead) % members.len()).copied()
    }

    /// The member that is `ahead` places after the current one has been served.
    pub fn served(&mut self, ahead: usize) {
        let members = self.members.len().max(1);
        self.turn = (self.turn % members + ahead + 1) % members;
    }
}
