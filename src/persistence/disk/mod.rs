//! Storage that outlives the process, on a transactional storage engine (redb).
//!
//! Owns: [`Store`], a database on whatever [`StorageBackend`] it is given: a file of the server's,
//! or a simulated medium. It begins one, refuses what it cannot read, carries out a [`Batch`] as
//! one transaction, and gives back everything that is stored.
//!
//! A store that cannot be read is never written to: a damaged one is found by its checksums, which
//! are all verified whenever it is opened; one of a newer version says so in a row of its own.
//!
//! Never opens a file, and never decides when to commit: see [`Journal`](super::Journal).

mod apply;
mod guard;
mod load;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use redb::{
    Builder, CompactionError, Database, DatabaseError, ReadableDatabase, StorageError,
    TableDefinition,
};

pub use load::Loaded;
pub use redb::StorageBackend;

use super::layout::{FORMAT, STAMP, put_stamp, take_stamp};
use super::{Batch, Corrupt, Stamp};
use apply::apply;
use guard::{Guard, Guarded};

/// Everything, see `layout`.
const STATE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("mqtt-broker state");

/// What the store is: written once, when it begins.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("mqtt-broker");

/// Bytes of pages the engine keeps in memory. The state is in memory anyway, so it is for what a
/// commit reads and changes.
const CACHE_BYTES: usize = 4 << 20;

/// A store of so many bytes is never shrunk.
const SMALL_BYTES: u64 = 4 << 20;

/// How many times larger than what is stored a store must be to be shrunk. What the engine needs
/// beside that is less than half of this.
const SPARSE: u64 = 5;

/// Why a store does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The medium takes or gives nothing at present; it may do so later.
    Medium(String),
    /// What is stored is not for us: damaged, of a newer version, or something else altogether.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Medium(what) | Self::Refused(what)) = self;
        f.write_str(what)
    }
}

impl std::error::Error for Failure {}

impl From<Corrupt> for Failure {
    fn from(corrupt: Corrupt) -> Self {
        Self::Refused(corrupt.to_string())
    }
}

/// An open store.
pub struct Store {
    database: Database,
    /// Number of the last record, of all there ever were.
    records: u64,
    /// No stored message has a higher number.
    newest_message: u64,
    /// Bytes of everything that is stored, but for what the engine needs beside it.
    live: u64,
    /// Bytes of the medium that are in use.
    size: Box<dyn Fn() -> u64 + Send>,
    /// Size and live bytes after it was shrunk.
    shrunk: (u64, u64),
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("records", &self.records).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store on `backend`, or begins one if that is empty.
    ///
    /// # Errors
    /// [`Failure::Medium`] if it cannot be read or written at present, [`Failure::Refused`] if
    /// what is there is no intact store of this format.
    pub fn open(backend: impl StorageBackend) -> Result<Self, Failure> {
        let guard = Guard::new(backend).map_err(StorageError::from).map_err(medium)?;
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let backend = Guarded(Arc::clone(&guard));
        let database = builder.create_with_backend(backend).map_err(refusal)?;
        let medium_of = Arc::clone(&guard);
        let size = Box::new(move || Guarded(Arc::clone(&medium_of)).len().unwrap_or(0));
        let (records, newest_message, live, shrunk) = (0, 0, 0, (0, 0));
        let mut store = Self { database, records, newest_message, live, size, shrunk };
        store.check_format()?;
        if let Some(stamp) = store.stamp()? {
            store.records = stamp.records;
        }
        store.newest_message = store.find_newest_message()?;
        store.live = store.measure()?;
        guard.open().map_err(StorageError::from).map_err(medium)?;
        Ok(store)
    }

    /// How far the store has come and what time it was; `None` if nothing was ever stored.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn stamp(&self) -> Result<Option<Stamp>, Failure> {
        let read = self.database.begin_read().map_err(medium)?;
        let table = read.open_table(STATE).map_err(medium)?;
        let Some(value) = table.get([STAMP].as_slice()).map_err(medium)? else { return Ok(None) };
        Ok(Some(take_stamp(value.value())?))
    }

    /// Makes a batch durable as one transaction. One that became so although the medium said that
    /// it had not is not done twice.
    ///
    /// # Errors
    /// [`Failure::Medium`]: nothing or all of it is durable, and the store must be opened again.
    pub fn commit(&mut self, batch: &Batch, stamp: Stamp) -> Result<(), Failure> {
        if batch.last() <= self.records {
            return Ok(());
        }
        let stamp = Stamp { records: batch.last(), ..stamp };
        let transaction = self.database.begin_write().map_err(medium)?;
        let (newest, grown) = {
            let mut table = transaction.open_table(STATE).map_err(medium)?;
            let applied = apply(&mut table, batch, self.newest_message)?;
            let (key, value) = ([STAMP], put_stamp(stamp));
            let old = table.insert(key.as_slice(), value.as_slice()).map_err(medium)?;
            let stamp = if old.is_none() { key.len() + value.len() } else { 0 };
            (applied.0, applied.1.saturating_add_unsigned(stamp as u64))
        };
        transaction.commit().map_err(medium)?;
        (self.records, self.newest_message) = (batch.last(), newest);
        self.live = self.live.saturating_add_signed(grown);
        Ok(())
    }

    /// Whether most of the medium is free, so that it is worth while to [`shrink`](Self::shrink).
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        let (size, live) = ((self.size)(), self.live);
        let (shrunk_size, shrunk_live) = self.shrunk;
        let has_changed = size > shrunk_size || live < shrunk_live / 2;
        size > SMALL_BYTES && size / SPARSE > live && has_changed
    }

    /// Gives back what is free on the medium, which takes as long as copying what is stored; the
    /// bytes it had before and has now.
    ///
    /// # Errors
    /// As of [`commit`](Self::commit).
    pub fn shrink(&mut self) -> Result<(u64, u64), Failure> {
        let before = (self.size)();
        match self.database.compact() {
            Ok(_) => {}
            Err(CompactionError::Storage(error)) => return Err(medium(error)),
            Err(error) => return Err(Failure::Medium(error.to_string())),
        }
        self.shrunk = ((self.size)(), self.live);
        Ok((before, self.shrunk.0))
    }

    fn check_format(&self) -> Result<(), Failure> {
        let read = self.database.begin_read().map_err(medium)?;
        if read.list_tables().map_err(medium)?.count() == 0 {
            drop(read);
            return self.begin();
        }
        let foreign = |_| Failure::Refused("it is a database of another program".into());
        let about = read.open_table(ABOUT).map_err(foreign)?;
        let format = about.get("format").map_err(medium)?.map(|value| value.value());
        match format {
            Some(FORMAT) => Ok(()),
            Some(format) => Err(Failure::Refused(format!(
                "it has format {format}, and this broker knows format {FORMAT}; use the version \
                 of the broker that wrote it"
            ))),
            None => Err(Failure::Refused("it does not say which format it has".into())),
        }
    }

    /// Begins an empty store.
    fn begin(&self) -> Result<(), Failure> {
        let transaction = self.database.begin_write().map_err(medium)?;
        {
            let mut about = transaction.open_table(ABOUT).map_err(medium)?;
            about.insert("format", FORMAT).map_err(medium)?;
            transaction.open_table(STATE).map_err(medium)?;
        }
        transaction.commit().map_err(medium)
    }
}

/// What the engine says of something that should work.
fn medium(error: impl Into<redb::Error>) -> Failure {
    let error = error.into();
    if let redb::Error::Corrupted(what) = error {
        return Failure::Refused(format!("the store is damaged: {what}"));
    }
    Failure::Medium(error.to_string())
}

/// What the engine says of a store it does not open.
fn refusal(error: DatabaseError) -> Failure {
    if let DatabaseError::UpgradeRequired(version) = error {
        return Failure::Refused(format!(
            "it is a database of version {version}, which this broker does not read"
        ));
    }
    if let DatabaseError::Storage(StorageError::Io(error)) = &error
        && error.kind() == std::io::ErrorKind::InvalidData
    {
        return Failure::Refused(format!("it is no store of this broker: {error}"));
    }
    medium(error)
}
