//! A store that is opened again after it has failed.
//!
//! Owns: the store between two batches. The engine refuses everything after an error of the
//! medium, and what a failed sync has left behind is not known; so the store is dropped and
//! opened again before the next attempt, and its own checksums say what is there.
//!
//! A store that has become much larger than what is in it is shrunk, when nobody waits.
//!
//! Never repeats anything by itself.

use super::{Batch, Failure, Stamp, Store};

/// A store, and how it is opened.
pub struct Keeper<O> {
    open: O,
    store: Option<Store>,
    /// It could not be shrunk, and that is not tried again.
    is_stiff: bool,
}

impl<O: FnMut() -> Result<Store, Failure>> Keeper<O> {
    /// Keeps a store that is open; `open` does it again.
    pub const fn new(open: O, store: Store) -> Self {
        Self { open, store: Some(store), is_stiff: false }
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

    /// Whether it is worth while to [`shrink`](Self::shrink).
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        !self.is_stiff && self.store.as_ref().is_some_and(Store::is_sparse)
    }

    /// Gives back what is free on the medium. Whatever comes of it, what is stored is as before.
    pub fn shrink(&mut self) {
        let Some(store) = &mut self.store else { return };
        match store.shrink() {
            Ok((before, now)) => log::info!("Storage: {before} bytes have become {now}"),
            Err(failure) => {
                log::warn!("The store cannot be made smaller: {failure}");
                (self.store, self.is_stiff) = (None, true);
            }
        }
    }
}

impl<O> std::fmt::Debug for Keeper<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("store", &self.store).finish_non_exhaustive()
    }
}
