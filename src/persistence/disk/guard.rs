//! A medium that is not written to before it is known what is on it.
//!
//! Owns: what the engine writes while it opens a store. To open one it repairs what a crash has
//! left, and does so before it is known whether the store is ours and intact. So until then its
//! writes stay here, in their order; they go to the medium, syncs and all, when the store is
//! accepted, and nowhere if it is not.
//!
//! Never holds anything back once the store is open.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// A backend, and what is held back from it.
#[derive(Debug)]
pub(super) struct Guard<B> {
    inner: B,
    is_open: AtomicBool,
    held: Mutex<Held>,
}

/// Shared with the engine.
#[derive(Debug)]
pub(super) struct Guarded<B>(pub(super) Arc<Guard<B>>);

#[derive(Debug, Default)]
struct Held {
    writes: Vec<Write>,
    /// How long the medium would be.
    len: u64,
}

/// Something held back.
#[derive(Debug)]
enum Write {
    Bytes(u64, Box<[u8]>),
    Len(u64),
    Sync,
}

impl<B: StorageBackend> Guard<B> {
    pub(super) fn new(inner: B) -> io::Result<Arc<Self>> {
        let held = Mutex::new(Held { writes: Vec::new(), len: inner.len()? });
        Ok(Arc::new(Self { inner, is_open: AtomicBool::new(false), held }))
    }

    /// The store is accepted: what was held back is done, and nothing more is.
    pub(super) fn open(&self) -> io::Result<()> {
        let mut held = self.held();
        for write in std::mem::take(&mut held.writes) {
            match write {
                Write::Bytes(offset, data) => self.inner.write(offset, &data)?,
                Write::Len(len) => self.inner.set_len(len)?,
                Write::Sync => self.inner.sync_data()?,
            }
        }
        self.is_open.store(true, Ordering::Release);
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Reads the medium as it would be.
    fn read_held(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let held = self.held();
        let end = offset + out.len() as u64;
        if end > held.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut intact = self.inner.len()?;
        for write in &held.writes {
            if let Write::Len(len) = write {
                intact = intact.min(*len);
            }
        }
        let there = usize::try_from(intact.clamp(offset, end) - offset).unwrap_or(out.len());
        self.inner.read(offset, &mut out[..there])?;
        out[there..].fill(0);
        for write in &held.writes {
            match write {
                Write::Bytes(at, data) => overlay(offset, out, *at, data),
                Write::Len(len) => {
                    let kept = usize::try_from((*len).clamp(offset, end) - offset);
                    out[kept.unwrap_or(0)..].fill(0);
                }
                Write::Sync => {}
            }
        }
        Ok(())
    }
}

/// Puts what of `data` at `at` lies within `out` at `offset`.
fn overlay(offset: u64, out: &mut [u8], at: u64, data: &[u8]) {
    let start = at.max(offset);
    let end = (at + data.len() as u64).min(offset + out.len() as u64);
    let Some(len) = end.checked_sub(start).and_then(|len| usize::try_from(len).ok()) else {
        return;
    };
    let place = |from: u64| usize::try_from(start - from).unwrap_or(0);
    out[place(offset)..][..len].copy_from_slice(&data[place(at)..][..len]);
}

impl<B: StorageBackend> StorageBackend for Guarded<B> {
    fn len(&self) -> io::Result<u64> {
        if self.0.is_open() { self.0.inner.len() } else { Ok(self.0.held().len) }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.0.is_open() {
            self.0.inner.read(offset, out)
        } else {
            self.0.read_held(offset, out)
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.0.is_open() {
            return self.0.inner.set_len(len);
        }
        let mut held = self.0.held();
        held.len = len;
        held.writes.push(Write::Len(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.0.is_open() {
            return self.0.inner.sync_data();
        }
        self.0.held().writes.push(Write::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.0.is_open() {
            return self.0.inner.write(offset, data);
        }
        self.0.held().writes.push(Write::Bytes(offset, data.into()));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.0.inner.close()
    }
}
