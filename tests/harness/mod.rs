//! Drives the real broker over real sockets.
//!
//! `broker` starts the program and finds its port, `raw` is a client that speaks bytes and keeps a
//! trace, `v3` and `v5` build packets. Nothing here uses the crate's own codec or client: a mistake
//! made there must not be made here too. Nothing sleeps: a PINGREQ answered by the very next packet
//! is the barrier.

pub(crate) mod broker;
pub(crate) mod bytes;
pub(crate) mod raw;
mod trace;
pub(crate) mod v3;
pub(crate) mod v5;

use std::{process, thread};

pub(crate) use broker::Broker;
pub(crate) use bytes::{Connect, Publish, packet, text};
pub(crate) use raw::{Packet, Raw};

/// A topic of the running test alone: the test's own path, then `rest`.
pub(crate) fn topic(rest: &str) -> String {
    format!("{}/{}/{rest}", process::id(), test_path())
}

/// A client identifier of the running test alone: at most 23 letters and digits while `suffix`
/// has at most 6 of them, as every server must allow.
pub(crate) fn id(suffix: &str) -> String {
    let seed = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(process::id());
    let hash =
        test_path().bytes().fold(seed, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("c{hash:016x}{suffix}")
}

/// Where the running test lives: libtest names the thread after it.
fn test_path() -> String {
    let thread = thread::current();
    let path = thread.name().unwrap_or("unnamed");
    path.trim_end_matches("::holds").trim_start_matches("conformance::").replace("::", "/")
}
