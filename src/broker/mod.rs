//! The broker: `handle(now, event, effects)`.
//!
//! Owns: sessions, subscriptions, retained messages, links and timers. Never touches a socket,
//! a clock, a file or a thread.

mod event;
mod options;

pub use crate::persistence::Seq;
pub use crate::session::{ConnId, Peer};
pub use event::{Effect, Effects, End, Event, MessageRef, Outgoing, Storage, Target, Verdict};
pub use options::{Options, Overflow};
