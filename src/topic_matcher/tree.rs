//! Filters with values, by level: which of them does a topic match?
//!
//! ```text
//!   filters: sport/+/score  sport/chess  sport/tennis/#  #
//!
//!                root ---#         slot 0  root    only child 1, # 7
//!                 |                     1  sport   2 children in the table, + 2
//!               sport                   2  +       only child 3
//!             /   |   \                 3  score
//!            +  chess  tennis           4  chess        table: (1, "chess")  -> 4
//!            |           \              5  tennis  # 6         (1, "tennis") -> 5
//!          score          #             ...
//! ```
//!
//! A node is one level of one or more filters. There is one hash table for the whole tree, not one
//! per node: most nodes have one child, and a table for each would cost more than the node. The
//! table holds node numbers only; the key lies in the node. `+` and `#` are named by their parent
//! directly, so that where there is none, looking for it costs one comparison; and so is an only
//! child, which then needs no entry in the table.
//!
//! **Cost of matching.** A level of the topic is hashed at most once, however many branches reach
//! it; the hash of (parent, level) is that hash mixed with the parent's number. A branch divides in
//! two at a `+`, so the walk is bounded by the nodes that match the first levels of the topic: a
//! topic of 200 levels `a` against every combination of `a` and `+` visits all of these nodes, and
//! no more. They had to be subscribed to first, one filter at a time, which is where a limit
//! belongs. The walk is a loop with one open branch per level, not a recursion, and allocates
//! nothing for topics of up to sixteen levels.
//!
//! **Cost of memory.** A node is 32 bytes and the value; the table adds 6 to 11 bytes if the node
//! has siblings. An inner node has room for a value, so keep values small. What is removed is given
//! back: see `slots`; the table shrinks when it is less than an eighth full.
//!
//! Owns: the nodes and the values. Never decides who receives what, and never visits in an order
//! that means something, though the same history gives the same order.

use super::level::Level;
use super::name::{HASH, PLUS, Topic, is_pattern};
use super::path::{Path, hash};
use super::slots::Slots;
use crate::map::{self, Hasher};
use hashbrown::HashTable;
use std::num::NonZeroU32;

/// A filter in a [`Tree`]; valid until it is pruned. Never the root, so that `None` costs nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(NonZeroU32);

/// The node that all patterns begin at, and that none ends at.
const ROOT: u32 = 0;

/// Filters with values, for finding those that a topic matches.
///
/// ```
/// use mqtt_broker::topic_matcher::{Topic, Tree};
///
/// let mut tree: Tree<Vec<&str>> = Tree::new(1);
/// let filter = tree.insert("sport/+/score");
/// tree.value_mut(filter).push("me");
///
/// let mut found: Vec<&str> = vec![];
/// tree.matching(Topic::parse("sport/tennis/score")?, &mut |_, names| found.extend(names));
/// assert_eq!(found, ["me"]);
/// # Ok::<(), mqtt_broker::topic_matcher::Invalid>(())
/// ```
pub struct Tree<V> {
    nodes: Slots<Node<V>>,
    /// The nodes that have a name and had siblings, by parent and name.
    table: HashTable<u32>,
    hasher: Hasher,
    /// The nodes that have a value.
    len: usize,
    generation: u64,
    /// The bytes of names that do not fit into their nodes.
    names: usize,
}

struct Node<V> {
    level: Level,
    parent: u32,
    /// The children besides these two.
    named: Named,
    plus: Option<NodeId>,
    hash: Option<NodeId>,
    /// `None` where filters pass through and none ends.
    value: Option<V>,
}

impl<V: Default> Tree<V> {
    /// A tree without filters, whose hash has `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            nodes: rooted(),
            table: HashTable::new(),
            hasher: map::hasher(seed),
            len: 0,
            generation: 0,
            names: 0,
        }
    }

    /// The place of `pattern`, which is that of a valid [`Filter`](super::Filter). If there is
    /// none it is made, with `V::default()`.
    pub fn insert(&mut self, pattern: &str) -> NodeId {
        debug_assert!(is_pattern(pattern), "{pattern:?} is not that of a valid filter");
        let mut at = ROOT;
        for level in pattern.split('/') {
            at = match self.child(at, level) {
                Some(id) => id.number(),
                None => self.grow(at, level).number(),
            };
        }
        let node = &mut self.nodes[at];
        if node.value.is_none() {
            node.value = Some(V::default());
            self.len += 1;
            self.generation += 1;
        }
        NodeId::new(at).expect("a pattern has at least one level")
    }

    /// The place of `pattern`, if it was inserted and not pruned.
    #[must_use]
    pub fn find(&self, pattern: &str) -> Option<NodeId> {
        let mut levels = pattern.split('/');
        let id = levels.try_fold(ROOT, |at, level| self.child(at, level).map(NodeId::number))?;
        self.nodes[id].value.as_ref().and_then(|_| NodeId::new(id))
    }

    /// Whether any filter has `level` as its first.
    #[must_use]
    pub fn has_below(&self, level: &str) -> bool {
        self.child(ROOT, level).is_some()
    }

    /// The value of a filter. Panics if it was pruned.
    #[must_use]
    pub fn value(&self, id: NodeId) -> &V {
        self.nodes[id.number()].value.as_ref().expect(PRUNED)
    }

    /// The value of a filter, to be changed. Panics if it was pruned.
    pub fn value_mut(&mut self, id: NodeId) -> &mut V {
        self.generation += 1;
        self.nodes[id.number()].value.as_mut().expect(PRUNED)
    }

    /// Drops the value of a filter, and the levels that no other filter passes through. Panics if
    /// it was pruned.
    pub fn prune(&mut self, id: NodeId) {
        self.nodes[id.number()].value.take().expect(PRUNED);
        self.len -= 1;
        self.generation += 1;
        let mut at = id.number();
        while at != ROOT && self.nodes[at].is_bare() {
            at = self.cut(at);
        }
        if self.nodes.len() == 1 {
            self.nodes = rooted();
            self.table = HashTable::new();
        } else if self.table.len() < self.table.capacity() / 8 {
            let (nodes, hasher) = (&self.nodes, &self.hasher);
            self.table.shrink_to(self.table.len() * 2, |&id| nodes[id].key(hasher));
        }
    }

    /// The pattern of a filter, put together from its levels.
    #[must_use]
    pub fn pattern(&self, id: NodeId) -> String {
        let mut levels = Vec::new();
        let mut at = id.number();
        while at != ROOT {
            levels.push(self.nodes[at].level.as_bytes());
            at = self.nodes[at].parent;
        }
        levels.reverse();
        String::from_utf8(levels.join(&b'/')).expect("levels of a str, cut at slashes")
    }

    /// Visits each filter that `topic` matches, once.
    pub fn matching<'t>(&'t self, topic: Topic<'_>, visit: &mut dyn FnMut(NodeId, &'t V)) {
        let mut path = Path::new(topic.as_str().as_bytes());
        // The node at hand has matched the first `depth` levels.
        let (mut at, mut depth) = (ROOT, 0);
        loop {
            let node = &self.nodes[at];
            // [MQTT-4.7.2-1] Below the first level a `$` means nothing.
            let (plus, hash) =
                if depth == 0 && topic.is_system() { (None, None) } else { (node.plus, node.hash) };
            if let Some(hash) = hash {
                self.show(hash.number(), visit);
            }
            let next = if path.ends_at(depth) {
                self.show(at, visit);
                None
            } else {
                let level = path.enter(depth, plus);
                depth += 1;
                self.named(at, level, || path.hash(depth - 1, &self.hasher))
            };
            let Some(id) = next.or_else(|| path.turn_back(&mut depth)) else { return };
            at = id.number();
        }
    }

    /// A number that is another one whenever [`matching`](Self::matching) might answer otherwise.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// How many filters there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no filters.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// About how many bytes the tree holds, without what the values hold elsewhere.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.nodes.bytes() + self.table.allocation_size() + self.names
    }

    fn show<'t>(&'t self, id: u32, visit: &mut dyn FnMut(NodeId, &'t V)) {
        if let (Some(value), Some(id)) = (&self.nodes[id].value, NodeId::new(id)) {
            visit(id, value);
        }
    }

    fn child(&self, parent: u32, level: &str) -> Option<NodeId> {
        let node = &self.nodes[parent];
        match level {
            PLUS => node.plus,
            HASH => node.hash,
            _ => self.named(parent, level.as_bytes(), || hash(&self.hasher, level.as_bytes())),
        }
    }

    /// The child of `parent` with the name `level`, whose hash is asked for only if it is needed.
    fn named(&self, parent: u32, level: &[u8], hash: impl FnOnce() -> u64) -> Option<NodeId> {
        let is_it = |&id: &u32| {
            let node = &self.nodes[id];
            node.parent == parent && node.level.as_bytes() == level
        };
        match self.nodes[parent].named.view() {
            Children::None => None,
            Children::One(id) => Some(id).filter(|id| is_it(&id.number())),
            Children::Many(_) => {
                self.table.find(key(hash(), parent), is_it).copied().and_then(NodeId::new)
            }
        }
    }

    /// Makes a child, which does not exist yet.
    fn grow(&mut self, parent: u32, level: &str) -> NodeId {
        let child = Node::new(parent, Level::new(level));
        self.names += child.level.heap();
        let id = NodeId::new(self.nodes.insert(child)).expect("the root is never vacant");
        match level {
            PLUS => self.nodes[parent].plus = Some(id),
            HASH => self.nodes[parent].hash = Some(id),
            _ => {
                self.nodes[parent].named = match self.nodes[parent].named.view() {
                    Children::None => Named::one(id),
                    Children::One(first) => {
                        self.enter(first);
                        self.enter(id);
                        Named::many(2)
                    }
                    Children::Many(count) => {
                        self.enter(id);
                        Named::many(count + 1)
                    }
                };
            }
        }
        id
    }

    fn enter(&mut self, id: NodeId) {
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        let key = |&id: &u32| nodes[id].key(hasher);
        self.table.insert_unique(key(&id.number()), id.number(), key);
    }

    /// Frees a node, which is bare, and returns its parent.
    fn cut(&mut self, id: u32) -> u32 {
        let node = self.nodes.remove(id);
        self.names -= node.level.heap();
        let parent = &mut self.nodes[node.parent];
        match NodeId::new(id) {
            child if parent.plus == child => parent.plus = None,
            child if parent.hash == child => parent.hash = None,
            _ => match parent.named.view() {
                Children::None | Children::One(_) => parent.named = Named::NONE,
                Children::Many(count) => {
                    parent.named = Named::many(count - 1);
                    let entry = self.table.find_entry(node.key(&self.hasher), |&other| other == id);
                    entry.expect("one of many is in the table").remove();
                }
            },
        }
        node.parent
    }
}

const PRUNED: &str = "a filter that was not pruned";

impl NodeId {
    fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    const fn number(self) -> u32 {
        self.0.get()
    }
}

impl<V> Node<V> {
    const fn new(parent: u32, level: Level) -> Self {
        Self { level, parent, named: Named::NONE, plus: None, hash: None, value: None }
    }

    const fn is_bare(&self) -> bool {
        let barren = self.named.0 == 0 && self.plus.is_none() && self.hash.is_none();
        barren && self.value.is_none()
    }

    fn key(&self, hasher: &Hasher) -> u64 {
        key(hash(hasher, self.level.as_bytes()), self.parent)
    }
}

/// [`Children`] in four bytes: the number of the only one, or the flag and how many.
#[derive(Clone, Copy)]
struct Named(u32);

/// The children of a node that have names of their own.
enum Children {
    None,
    /// It is not in the table.
    One(NodeId),
    /// They are in the table, and the last of them stays there.
    Many(u32),
}

impl Named {
    const NONE: Self = Self(0);
    const MANY: u32 = 1 << 31;

    fn one(id: NodeId) -> Self {
        assert!(id.number() < Self::MANY, "memory ends before the numbers do");
        Self(id.number())
    }

    const fn many(count: u32) -> Self {
        if count == 0 { Self::NONE } else { Self(Self::MANY | count) }
    }

    fn view(self) -> Children {
        match NodeId::new(self.0) {
            None => Children::None,
            Some(_) if self.0 & Self::MANY != 0 => Children::Many(self.0 & !Self::MANY),
            Some(id) => Children::One(id),
        }
    }
}

/// Nodes of which there is only the root.
fn rooted<V>() -> Slots<Node<V>> {
    let mut nodes = Slots::new();
    let root = nodes.insert(Node::new(ROOT, Level::new("")));
    assert_eq!(root, ROOT, "the first slot");
    nodes
}

/// The hash of a level below `parent`. Two parents never mix to the same number, so children of
/// one name (every sensor has a `temperature`) spread as well as the numbers of their parents do,
/// from a place that the seed decides.
const fn key(hash: u64, parent: u32) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    const ODD_TOO: u64 = 0xbf58_476d_1ce4_e5b9;
    let mixed = (hash ^ (parent as u64).wrapping_mul(ODD)).wrapping_mul(ODD_TOO);
    mixed ^ (mixed >> 32)
}

/// For `server::sizes`.
#[cfg(test)]
impl<V> Tree<V> {
    pub(crate) const NODE_BYTES: usize = Slots::<Node<V>>::SLOT_BYTES;
}

#[cfg(test)]
mod tests;
