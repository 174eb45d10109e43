//! Pluggable storage: what must outlive the process, and what keeps it.
//!
//! Owns: the vocabulary of durable state ([`Record`]).
//!
//! Never decides when an acknowledgement may leave: the output's gate does, by asking what is
//! durable.

mod record;

pub use record::{Change, GroupChange, Record};
