//! A store that is opened again after it has failed.
//!
//! Owns: the store between two batches. The engine refuses everything after an error of the
//! medium, and what a failed sync has left behind is not known; so the store is dropped and
//! opened again before the next attempt, and its own checksums say what is there.
//!
//! Never repeats anything by itself.

use super::{Batch, Failure, Stamp, Store};

/// A store, and how it is opened.
pub struct Keeper<O> {
    open: O,
    store: Option<Store>,
}

impl<O: FnMut() -> Result<Store, Failure>> Keeper<O> {
    /// Keeps a store that is open; `open` does it again.
    pub const fn new(open: O, store: Store) -> Self {
        Self { open, store: Some(store) }
    }

    /// Makes a batch durable.
    ///
    /// # Errors
    /// As of [`Store::commit`] and [`Store::open`].
    pub fn commit(&mut self, batch: &Batch, stamp: Stamp) -> Result<(), Failure> {
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert((self.open)()?),
        };
        let result = store.commit(batch, stamp);
        if result.is_err() {
            self.store = None;
        }
        result
    }
}

impl<O> std::fmt::Debug for Keeper<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("store", &self.store).finish_non_exhaustive()
    }
}
