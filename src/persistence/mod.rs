//! Pluggable storage: what must outlive the process, and what keeps it.
//!
//! Owns: the vocabulary of durable state ([`Record`]).
//!
//! Never decides when an acknowledgement may leave: the output's gate does, by asking what is
//! durable.

mod record;

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
