//! Hash tables with a seed.
//!
//! Owns: the choice of the hash. [`Map`] is the only hash map of the crate: seeded, so that a
//! peer who chooses keys cannot choose collisions and a simulation can be replayed; and never
//! iterated where the order could reach the wire (a lint holds that).
//!
//! Never orders anything.

use std::hash::BuildHasher;

/// The hash of the crate: fast, seeded.
pub type Hasher = foldhash::fast::SeedableRandomState;

/// A hash map whose hash has a seed.
pub type Map<K, V> = hashbrown::HashMap<K, V, Hasher>;

/// A hasher for `seed`.
#[must_use]
pub fn hasher(seed: u64) -> Hasher {
    Hasher::with_seed(seed, foldhash::SharedSeed::global_fixed())
}

/// An empty map that hashes with `seed`.
#[must_use]
pub fn map<K, V>(seed: u64) -> Map<K, V> {
    Map::with_hasher(hasher(seed))
}

/// The hash of one value, for tables that hold their keys inside their values.
pub fn hash<T: std::hash::Hash + ?Sized>(hasher: &Hasher, value: &T) -> u64 {
    hasher.hash_one(value)
}
