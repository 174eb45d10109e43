//! Topic names, topic filters, and which of them match.
//!
//! ```text
//!   "sport/+/score"    Filter::parse    valid ever after; knows its share group
//!   "sport/tennis/score" Topic::parse   valid ever after
//!
//!   a message arrives:    Tree::matching(topic)       which filters does this topic match?
//!   a SUBSCRIBE arrives:  Topics::selected(filter)    which topics does this filter match?
//! ```
//!
//! The two questions need two structures. [`Tree`] holds filters by level, so that a topic of n
//! levels costs O(n) look-ups in a hash table for each branch of wildcards, whatever the number
//! of filters. [`Topics`] holds values ordered by topic, so that a filter visits runs of
//! neighbours, jumps over what cannot match, and can stop anywhere and go on later.
//!
//! Names are compared byte for byte: no normalization, no case folding [MQTT-4.7.3-4].
//!
//! Owns: the syntax of names and filters (chapter 4.7 and 4.8.2 of the standard) and the two
//! containers. Never knows what the values are, who may see them, or what a match leads to.

mod level;
mod name;
mod path;
mod sets;
mod slots;
mod topics;
mod tree;

#[cfg(test)]
mod naive;

pub use name::{Filter, Invalid, LEVELS_MAX, Topic};
pub use sets::{common, covers, matches};
pub use topics::{Scan, Topical, Topics};
pub use tree::{NodeId, Tree};
