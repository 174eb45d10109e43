//! The way of a topic through the tree.
//!
//! ```text
//!   topic   sport / tennis / score
//!   depth     0       1        2       the node at hand has matched `depth` levels
//!   plus      -       4        -       a branch not walked yet: level 1 is matched by node 4
//! ```
//!
//! At each level the walk goes on to the child of that name and leaves the `+` beside it for
//! later; where it can go no further, it turns back to the deepest `+` left. One such branch per
//! level is all there is to remember.
//!
//! Owns: where the levels begin and end, their hashes, the open branches. Never looks at a node.

use super::tree::NodeId;
use crate::map::Hasher;
use std::hash::{BuildHasher, Hasher as _};

/// The levels of a topic, each cut off when it is first reached and hashed when the table is asked.
pub(super) struct Path<'a> {
    topic: &'a [u8],
    near: [Step; NEAR],
    far: Vec<Step>,
    known: usize,
}

/// How many levels of a topic are kept without an allocation.
const NEAR: usize = 16;

#[derive(Clone, Copy)]
pub(super) struct Step {
    /// 0 while it was not asked for.
    hash: u64,
    start: u16,
    end: u16,
    /// Where this level is matched by `+`, not walked yet.
    plus: Option<NodeId>,
}

impl<'a> Path<'a> {
    pub(super) const fn new(topic: &'a [u8]) -> Self {
        let step = Step { hash: 0, start: 0, end: 0, plus: None };
        Self { topic, near: [step; NEAR], far: Vec::new(), known: 0 }
    }

    /// Whether the topic has no more than `depth` levels.
    pub(super) fn ends_at(&mut self, depth: usize) -> bool {
        depth > 0 && usize::from(self.at(depth - 1).end) == self.topic.len()
    }

    /// The level at `depth`, which is at most one below the deepest so far; `plus` is to be walked
    /// later.
    pub(super) fn enter(&mut self, depth: usize, plus: Option<NodeId>) -> &'a [u8] {
        if depth == self.known {
            self.extend();
        }
        let step = self.at(depth);
        step.plus = plus;
        let (start, end) = (usize::from(step.start), usize::from(step.end));
        &self.topic[start..end]
    }

    /// The hash of the level at `depth`, which was entered.
    pub(super) fn hash(&mut self, depth: usize, hasher: &Hasher) -> u64 {
        let topic = self.topic;
        let step = self.at(depth);
        if step.hash == 0 {
            step.hash = hash(hasher, &topic[usize::from(step.start)..usize::from(step.end)]);
        }
        step.hash
    }

    fn extend(&mut self) {
        let depth = self.known;
        let start = if depth == 0 { 0 } else { usize::from(self.at(depth - 1).end) + 1 };
        let rest = &self.topic[start..];
        let len = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
        let offset = |at| u16::try_from(at).expect("a topic has at most 65535 bytes");
        let step = Step { hash: 0, start: offset(start), end: offset(start + len), plus: None };
        if depth < NEAR {
            self.near[depth] = step;
        } else {
            self.far.push(step);
        }
        self.known += 1;
    }

    /// The deepest branch still to be walked above `depth`, and the depth behind it. A level that
    /// is passed on the way back was walked down once, so this costs no more than the way there.
    pub(super) fn turn_back(&mut self, depth: &mut usize) -> Option<NodeId> {
        while *depth > 0 {
            if let Some(plus) = self.at(*depth - 1).plus.take() {
                return Some(plus);
            }
            *depth -= 1;
        }
        None
    }

    fn at(&mut self, depth: usize) -> &mut Step {
        if depth < NEAR { &mut self.near[depth] } else { &mut self.far[depth - NEAR] }
    }
}

/// The hash of a level, wherever it stands.
pub(super) fn hash(hasher: &Hasher, level: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(level);
    state.finish()
}
