//! Pluggable storage: what must outlive the process, and what keeps it.
//!
//! Owns: the vocabulary of durable state ([`Record`]), the trait of what keeps it ([`Disk`]), and
//! two implementations: [`Memory`], which keeps nothing, and [`Journal`], which gathers records
//! into batches and has them made durable in a [`Store`], one batch at a time.
//!
//! How it is used. The broker emits records, which number themselves ([`Seq`]). All records of
//! one event are one unit: they become durable together or not at all, and what is recovered is
//! always a prefix of units. The loop appends each record as it is emitted and asks for a
//! commit once a turn. A packet that promises something names the record it rests on, and the
//! output holds it back until [`Disk::durable`] has reached that.
//!
//! ```text
//!              append        commit (end of turn)           other thread
//!  broker ---> Journal: gathering ----> Batch in flight ---> Store: one transaction, one sync
//!                 ^                                              |
//!                 +--- durable: what waits in the outputs <------+  (a failed batch comes back)
//! ```
//!
//! While one batch is made durable the next gathers, so that one sync serves everybody who came
//! meanwhile. What nobody waits for (a retained value of QoS 0, the end of a connection, an
//! acknowledgement from a subscriber) forces no commit: it goes with the next, or after a while.
//!
//! # What is assumed of the medium
//!
//! - What was written before a sync that succeeded is there after a loss of power; a medium that
//!   lies about that loses what it lied about.
//! - What was not synced may be there or not, in any mixture of blocks, and a block may be torn.
//! - It gives back what was stored, or its checksums fail: they are all verified at the start.
//! - A sync that failed says nothing about what it was to sync. It is not repeated: the store is
//!   opened anew, which shows whether the transaction is there, and only then is it written again.
//!
//! # What a crash does, step by step
//!
//! | it happens                      | afterwards                                              |
//! |---------------------------------|---------------------------------------------------------|
//! | before the batch is handed over | the units are lost; nobody was told of them             |
//! | while rows are written          | the old root holds: as before                           |
//! | after the root was written,     | checksums decide between the new root and the old: all  |
//! | before the sync has returned    | of the batch, or nothing. Nobody was told               |
//! | after the sync, before answers  | all is there; peers ask again and are answered again    |
//! | after answers have left         | all is there                                            |
//! | during recovery                 | recovery changes nothing but the engine's own tables    |
//! | while a new store is begun      | it has another name until it is whole                   |
//!
//! Never decides when an acknowledgement may leave: the output's gate does, by asking what is
//! durable. Never opens a file, starts a thread or asks a clock.

mod batch;
pub mod disk;
mod journal;
mod keeper;
mod layout;
mod memory;
pub mod mosquitto;
mod record;
mod stamp;

pub use batch::Batch;
pub use disk::{Failure, Store};
pub use journal::{Journal, Outcome, Policy, Sync, Writer};
pub use keeper::Keeper;
pub use memory::Memory;
pub use record::{Change, GroupChange, Record};
pub use stamp::{PLAUSIBLE_FROM, Stamp};

use crate::metrics::StorageFigures;
use crate::time::Time;

/// Records of an earlier run that do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// What does not fit.
    pub what: &'static str,
}

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the store is damaged: {}", self.what)
    }
}

impl std::error::Error for Corrupt {}

/// Number of a record: 1, 2, 3 ... as emitted; 0 stands before all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// How storage is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// It keeps up.
    #[default]
    Well,
    /// More is waiting for it than may.
    Behind,
    /// It takes nothing at present.
    Failed,
}

/// What keeps records.
///
/// The n-th record appended has the number n. Records appended between two commits belong
/// together.
pub trait Disk {
    /// Takes a record; it becomes durable some time after one of the next
    /// [`commit`](Self::commit)s.
    fn append(&mut self, record: Record);

    /// Somebody waits until everything up to this record is durable.
    fn want(&mut self, seq: Seq);

    /// All records appended so far are whole units: begins to make them durable if it is time
    /// for that, and notes what has become of what was begun before.
    fn commit(&mut self, now: Time);

    /// Everything so far is to become durable whether anybody waits for it or not; says whether
    /// anything is kept at all.
    fn save(&mut self) -> bool;

    /// The last record that counts as durable, and with it all before it. Never goes back.
    fn durable(&mut self) -> Seq;

    /// How it is.
    fn state(&self) -> Storage;

    /// When [`commit`](Self::commit) is to be called again, if nothing happens before.
    fn deadline(&self) -> Option<Time>;

    /// Why it will take nothing more, if so: the process cannot keep its promises.
    fn broken(&self) -> Option<&str>;

    /// What it has done; `None` if it has no medium.
    fn figures(&self) -> Option<StorageFigures> {
        None
    }
}
