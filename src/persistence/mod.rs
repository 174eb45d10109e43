//! Pluggable storage: what must outlive the process, and what keeps it.
//!
//! Owns: the vocabulary of durable state ([`Record`]), the trait of what keeps it ([`Disk`]), and
//! the simplest implementation ([`Memory`]), which keeps nothing.
//!
//! How it is used. The broker emits records, which number themselves ([`Seq`]). All records of
//! one event are one unit: they become durable together or not at all, and what is recovered is
//! always a prefix of units. The loop appends each record as it is emitted and asks for one
//! commit a turn. A packet that promises something names the record it rests on, and the output
//! holds it back until [`Disk::durable`] has reached that.
//!
//! Never decides when an acknowledgement may leave: the output's gate does, by asking what is
//! durable.

mod memory;
mod record;

use std::io;

pub use memory::Memory;
pub use record::{Change, GroupChange, Record};

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

/// What keeps records.
///
/// The n-th record appended has the number n. Records appended between two commits belong
/// together.
pub trait Disk {
    /// Takes a record; it becomes durable some time after the next [`commit`](Self::commit).
    fn append(&mut self, record: Record);

    /// Begins to make everything appended so far durable, as one unit; may finish later.
    ///
    /// # Errors
    /// The storage takes nothing at present. The records are kept and will be written when it
    /// does; until then [`durable`](Self::durable) stays where it is.
    fn commit(&mut self) -> io::Result<()>;

    /// The last record that is durable, and with it all before it. Never goes back.
    fn durable(&mut self) -> Seq;
}
