//! Storage as the operating system has it: a file, a lock, a thread.
//!
//! ```text
//! file.rs      which file, whose it is, and the medium it makes for the store
//! thread.rs    the thread that waits for the medium while the loop goes on
//! offline.rs   import from mosquitto, and what is stored in words
//! ```
//!
//! Owns: how a server comes to its [`Disk`]: [`Keeping`], which is a journal over a file if the
//! configuration wants one. The thread is only there if it does.
//!
//! Never knows what a record means.

mod file;
pub(super) mod offline;
mod thread;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use log::{error, info};

use super::Stop;
use super::hub::{Hub, Socket};
use crate::config::{PersistenceSettings, PersistenceSync};
use crate::metrics::StorageFigures;
use crate::persistence::{
    Disk, Journal, Keeper, Memory, Policy, Record, Seq, Stamp, Storage, Store, Sync,
};
use crate::time::Time;

use file::StoreFile;
use thread::Committer;

/// Where durable state is kept, and when it is made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// The file of the store; it is begun if it is not there. Its directory must be.
    pub path: PathBuf,
    /// When records are made durable.
    pub policy: Policy,
}

impl Persistence {
    /// Where and when state is stored, if it is.
    pub(super) fn of(settings: &PersistenceSettings) -> Result<Option<Self>, String> {
        if !settings.is_on {
            return Ok(None);
        }
        let location = settings.location.as_deref().unwrap_or(".");
        // Made absolute now: a daemon goes elsewhere.
        let path = std::path::absolute(Path::new(location).join(&settings.file));
        let path = path.map_err(|error| format!("persistence_location {location}: {error}"))?;
        let count = settings.autosave_interval;
        let (save_ms, save_records) = match settings.sync {
            PersistenceSync::Interval(ms) => (ms.into(), 0),
            PersistenceSync::Always | PersistenceSync::Off if settings.autosave_on_changes => {
                (0, count as usize)
            }
            PersistenceSync::Always | PersistenceSync::Off => (u64::from(count) * 1000, 0),
        };
        let sync = match settings.sync {
            PersistenceSync::Always => Sync::Always,
            PersistenceSync::Interval(_) => Sync::Interval,
            PersistenceSync::Off => Sync::Off,
        };
        Ok(Some(Self { path, policy: Policy { sync, save_ms, save_records } }))
    }
}

/// What keeps the records of a server.
pub(super) enum Keeping {
    /// Nothing does.
    Memory(Memory),
    /// A store.
    Store(Box<Kept>),
}

/// A journal and the file it goes to.
pub(super) struct Kept {
    journal: Journal<Committer>,
    file: Arc<StoreFile>,
}

impl Kept {
    fn figures(&self) -> StorageFigures {
        let (commits, waiting) = (self.journal.commits(), self.journal.backlog() as u64);
        StorageFigures { commits, waiting, ..self.file.figures() }
    }
}

/// How long one batch may take at the end of the process.
const LAST_WAIT: Duration = Duration::from_secs(30);

/// A store that is open, before anything was read of it.
pub(super) struct Opened {
    store: Store,
    file: Arc<StoreFile>,
    policy: Policy,
}

impl Opened {
    /// Opens the store that `persistence` names, or begins it.
    pub(super) fn open(persistence: &Persistence) -> io::Result<Self> {
        let (file, store) = StoreFile::open(&persistence.path)?;
        Ok(Self { store, file, policy: persistence.policy })
    }

    /// Gives everything that is stored to the hub. Returns the time with which the run begins,
    /// and what will keep its records.
    pub(super) fn load<S: Socket>(
        self,
        wall: Time,
        hub: &mut Hub<S, Keeping>,
        stop: Arc<Stop>,
    ) -> io::Result<Time> {
        let Self { store, file, policy } = self;
        let gauge = hub.gauge();
        let refused = |what: &dyn std::fmt::Display| file.refusal(what);
        let stamp = store.stamp().map_err(|failure| refused(&failure))?;
        let loaded = store.load(&gauge, &mut |record| hub.replay(record));
        let loaded = loaded.map_err(|failure| refused(&failure))?;
        let stamp = stamp.map_or_else(|| Stamp::first(wall), |old| old.next(wall, loaded.latest));
        info!(
            "Storage: {} sessions and {} messages in {}",
            loaded.sessions,
            loaded.messages,
            file.path().display()
        );
        let reopen = Arc::clone(&file);
        let keeper = Keeper::new(move || reopen.reopen(), store);
        let committer = Committer::start(keeper, stop)?;
        let journal = Journal::new(committer, policy, stamp);
        *hub.disk_mut() = Keeping::Store(Box::new(Kept { journal, file }));
        hub.recovered(stamp.time);
        Ok(stamp.time)
    }
}

impl Keeping {
    /// The process ends: waits until everything is durable, but not for ever on a medium that
    /// does not answer.
    ///
    /// # Errors
    /// If it cannot be. Nothing of that was acknowledged to anybody.
    pub(super) fn finish(&mut self, now: Time) -> io::Result<()> {
        let Self::Store(kept) = self else { return Ok(()) };
        kept.journal.save();
        // If it has failed, this is the time to try again.
        let at = kept.journal.deadline().unwrap_or(now).max(now);
        kept.journal.commit(at);
        while !kept.journal.is_settled() {
            if !kept.journal.writer_mut().wait(LAST_WAIT) {
                let what = format!("the medium has not answered for {} s", LAST_WAIT.as_secs());
                error!("What nobody was told of may not be stored: {what}");
                return Err(io::Error::other(what));
            }
            kept.journal.commit(at);
        }
        let StorageFigures { written, syncs, commits, size, .. } = kept.figures();
        let records = kept.journal.appended();
        info!(
            "Storage: {records} records, {commits} commits, {syncs} syncs, {written} bytes \
             written, {size} bytes in use"
        );
        if kept.journal.is_saved() {
            return Ok(());
        }
        error!("What nobody was told of is not stored: storage takes nothing");
        Err(io::Error::other("storage takes nothing: see to space and the medium"))
    }
}

/// The one of the two that there is.
macro_rules! kept {
    ($self:ident, $disk:ident => $what:expr) => {
        match $self {
            Keeping::Memory($disk) => $what,
            Keeping::Store(kept) => {
                let Kept { journal: $disk, .. } = &mut **kept;
                $what
            }
        }
    };
}

impl Disk for Keeping {
    fn append(&mut self, record: Record) {
        kept!(self, disk => disk.append(record));
    }

    fn want(&mut self, seq: Seq) {
        kept!(self, disk => disk.want(seq));
    }

    fn commit(&mut self, now: Time) {
        kept!(self, disk => disk.commit(now));
    }

    fn save(&mut self) -> bool {
        kept!(self, disk => disk.save())
    }

    fn durable(&mut self) -> Seq {
        kept!(self, disk => disk.durable())
    }

    fn state(&self) -> Storage {
        match self {
            Self::Memory(memory) => memory.state(),
            Self::Store(kept) => kept.journal.state(),
        }
    }

    fn deadline(&self) -> Option<Time> {
        match self {
            Self::Memory(memory) => memory.deadline(),
            Self::Store(kept) => kept.journal.deadline(),
        }
    }

    fn broken(&self) -> Option<&str> {
        match self {
            Self::Memory(memory) => memory.broken(),
            Self::Store(kept) => kept.journal.broken(),
        }
    }

    fn figures(&self) -> Option<StorageFigures> {
        match self {
            Self::Memory(_) => None,
            Self::Store(kept) => Some(kept.figures()),
        }
    }
}
