//! Seeded fuzzing: what nobody sends on purpose, or everybody at once.
//!
//! `decoder` feeds the codec damaged packets in pieces, `topics` holds the topic matcher against a
//! naive one, `config` and `rights` read files nobody would write, `doors` asks to come in by PROXY
//! headers, requests and frames that are none, `tls` damages what is encrypted, `broker` lets many
//! clients talk nonsense to the real program. A round is a fixed amount of each;
//! `FUZZ_ROUNDS=1000 cargo test --release fuzz` does more than the one that every test run does. A
//! failure names the seed of its round: `FUZZ_SEED=7` begins there.

mod broker;
mod config;
mod decoder;
#[cfg(feature = "websocket")]
mod doors;
mod mutation;
mod packets;
mod rights;
#[cfg(all(feature = "tls", feature = "websocket"))]
mod tls;
mod topics;

use std::{env, thread};

use mqtt_broker::rng::Rng;

/// Runs rounds, each with the randomness of its seed.
fn rounds(mut round: impl FnMut(&mut Rng)) {
    let number = |name| env::var(name).map_or(1, |text| text.parse().expect("a number"));
    let (first, count): (u64, u64) = (number("FUZZ_SEED"), number("FUZZ_ROUNDS"));
    for seed in first..first + count {
        let report = Report(seed);
        round(&mut Rng::new(seed));
        drop(report);
    }
}

/// Names the seed if the round that it stands for fails.
struct Report(u64);

impl Drop for Report {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("to see this again: FUZZ_SEED={} cargo test fuzz", self.0);
        }
    }
}

/// One of several things.
fn pick<'t, T>(rng: &mut Rng, from: &'t [T]) -> &'t T {
    &from[rng.index(from.len())]
}
