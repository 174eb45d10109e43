//! A medium that does to a store what real ones do.
//!
//! Owns: what is on the medium, and what was written and not synced. When power fails, any of the
//! latter is there or not, block by block. When a sync fails, so it is too, and the system believes
//! afterwards that nothing is left to be written. It can be full, read-only, dead.
//!
//! Never loses what was synced.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use mqtt_broker::persistence::disk::StorageBackend;
use mqtt_broker::rng::Rng;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trouble {
    #[default]
    None,
    /// It does not grow.
    Full,
    /// It takes no writes.
    ReadOnly,
    /// Syncs fail.
    NoSync,
    /// Nothing works.
    Dead,
}

/// Bytes that outlive the process.
#[derive(Clone, Debug)]
pub(crate) struct Medium(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    rng: Rng,
    trouble: Trouble,
    /// What is there for sure.
    synced: Vec<u8>,
    /// What the system says is there.
    cached: Vec<u8>,
    /// What was done since the last sync.
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Box<[u8]>),
    Len(usize),
}

/// What a medium writes as one.
const BLOCK: usize = 512;

impl Medium {
    pub(crate) fn new(rng: Rng) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng,
            trouble: Trouble::None,
            synced: Vec::new(),
            cached: Vec::new(),
            pending: Vec::new(),
        })))
    }

    pub(crate) fn set(&self, trouble: Trouble) {
        self.state().trouble = trouble;
    }

    /// Power fails: what was not synced is there or not.
    pub(crate) fn lose_power(&self) {
        let mut state = self.state();
        state.scatter();
        state.trouble = Trouble::None;
        state.cached = state.synced.clone();
    }

    /// The system is to read what is on the medium, where it has nothing to write.
    pub(crate) fn drop_cache(&self) {
        let mut state = self.state();
        if state.pending.is_empty() {
            state.cached = state.synced.clone();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// Of what is pending, some blocks reach the medium.
    fn scatter(&mut self) {
        let odds = self.rng.below(5);
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Len(len) => {
                    if self.rng.chance(odds, 4) {
                        self.synced.resize(len, 0);
                    }
                }
                Change::Write(offset, data) => {
                    let mut at = offset;
                    for block in data.chunks(BLOCK) {
                        if self.rng.chance(odds, 4) {
                            put(&mut self.synced, at, block);
                        }
                        at += block.len();
                    }
                }
            }
        }
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, data: &[u8]) {
    if bytes.len() < at + data.len() {
        bytes.resize(at + data.len(), 0);
    }
    bytes[at..at + data.len()].copy_from_slice(data);
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for Medium {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if state.trouble == Trouble::Dead {
            return Err(io::Error::other("input/output error"));
        }
        let part = state.cached.get(place(offset)..place(offset) + out.len());
        out.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        match state.trouble {
            Trouble::Full if place(len) > state.cached.len() => {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Trouble::ReadOnly | Trouble::Dead => {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            Trouble::None | Trouble::Full | Trouble::NoSync => {}
        }
        state.cached.resize(place(len), 0);
        state.pending.push(Change::Len(place(len)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        match state.trouble {
            Trouble::Dead => Err(io::Error::other("input/output error")),
            Trouble::NoSync => {
                state.scatter();
                Err(io::Error::other("input/output error"))
            }
            Trouble::None | Trouble::Full | Trouble::ReadOnly => {
                for change in std::mem::take(&mut state.pending) {
                    match change {
                        Change::Write(at, data) => put(&mut state.synced, at, &data),
                        Change::Len(len) => state.synced.resize(len, 0),
                    }
                }
                Ok(())
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let trouble = state.trouble;
        match trouble {
            Trouble::ReadOnly | Trouble::Dead => {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            // Space runs out in the middle of things, too.
            Trouble::Full if state.rng.chance(1, 2) => {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Trouble::None | Trouble::Full | Trouble::NoSync => {}
        }
        state.cached[place(offset)..place(offset) + data.len()].copy_from_slice(data);
        state.pending.push(Change::Write(place(offset), data.into()));
        Ok(())
    }
}
