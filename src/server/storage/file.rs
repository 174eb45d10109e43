//! The file of a store.
//!
//! Owns: which file may be taken for a store, the lock that keeps a second broker from it, and
//! the medium that the store writes to. A store begins under another name and gets its own when
//! it is whole, so that what bears the name is a store or somebody else's; and somebody else's is
//! never written to.
//!
//! Never knows what is in a store.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{Flock, FlockArg, PosixFadviseAdvice, posix_fadvise};

use crate::metrics::StorageFigures;
use crate::persistence::disk::StorageBackend;
use crate::persistence::{Failure, Store};

/// What a store's file begins with.
const STORE: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// What mosquitto's begins with.
const MOSQUITTO: &[u8] = b"\x00\xb5\x00mosquitto db";

/// The file of a store, locked for as long as this lives.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    file: Flock<File>,
    written: AtomicU64,
    syncs: AtomicU64,
    size: AtomicU64,
}

/// A file as the store sees it.
#[derive(Debug)]
struct Medium {
    file: Arc<StoreFile>,
}

impl StoreFile {
    /// Opens and locks the store at `path`, or begins one there.
    ///
    /// # Errors
    /// What is wrong and what to do about it.
    pub(super) fn open(path: &Path) -> io::Result<(Arc<Self>, Store)> {
        let path = std::path::absolute(path)?;
        let found = OpenOptions::new().read(true).write(true).open(&path);
        let file = match found {
            Ok(file) if !file.metadata()?.is_file() => {
                let what = "it is no regular file; choose another persistence_file";
                return Err(told(&path, &what));
            }
            Ok(file) if file.metadata()?.len() > 0 => file,
            // Behind a symbolic link it begins where that leads.
            Ok(_) => return Self::begin(fs::canonicalize(path)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if fs::symlink_metadata(&path).is_ok() {
                    let what = "it is a symbolic link that leads nowhere; mount what it leads \
                                to, or remove it to begin without";
                    return Err(told(&path, &what));
                }
                return Self::begin(path);
            }
            Err(error) => return Err(told(&path, &error)),
        };
        let mut head = [0; 16];
        let count = (&file).read(&mut head).map_err(|error| told(&path, &error))?;
        if head[..count].starts_with(MOSQUITTO) {
            let what = "it is a database of mosquitto; choose another persistence_file, and \
                        take over what is in this one by --import-mosquitto-db";
            return Err(told(&path, &what));
        }
        if !head[..count].starts_with(STORE) {
            let what = "it is no store of this broker; choose another persistence_file";
            return Err(told(&path, &what));
        }
        let file = lock(file, &path)?;
        let file = Arc::new(Self::new(path, file));
        let store = file.store().map_err(|failure| file.refusal(&failure))?;
        Ok((file, store))
    }

    fn new(path: PathBuf, file: Flock<File>) -> Self {
        let size = AtomicU64::new(file.metadata().map_or(0, |it| it.len()));
        Self { path, file, written: AtomicU64::new(0), syncs: AtomicU64::new(0), size }
    }

    /// Begins a store at `path`, where there is none.
    fn begin(path: PathBuf) -> io::Result<(Arc<Self>, Store)> {
        let mut temporary = path.clone().into_os_string();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        let file = loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&temporary)
                .map_err(|error| missing(&path, &error))?;
            let file = lock(file, &temporary)?;
            // Somebody may have finished one between the two steps.
            if is_at(&file, &temporary) {
                break file;
            }
        };
        if fs::metadata(&path).is_ok_and(|there| there.len() > 0) {
            drop(file);
            return Self::open(&path);
        }
        file.set_len(0).map_err(|error| told(&temporary, &error))?;
        let file = Arc::new(Self::new(path, file));
        let store = file.store().map_err(|failure| told(&file.path, &failure))?;
        fs::rename(&temporary, &file.path).map_err(|error| told(&file.path, &error))?;
        let directory = file.path.parent().unwrap_or_else(|| Path::new("/"));
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| told(directory, &error))?;
        Ok((file, store))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was done to the medium, and how much of it is in use.
    pub(super) fn figures(&self) -> StorageFigures {
        StorageFigures {
            written: self.written.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            size: self.size.load(Ordering::Relaxed),
            ..StorageFigures::default()
        }
    }

    fn store(self: &Arc<Self>) -> Result<Store, Failure> {
        Store::open(Medium { file: Arc::clone(self) })
    }

    /// Opens the store anew after the medium has failed. What the system has in memory of the
    /// file may be what the medium did not take; so it is to read the medium.
    pub(super) fn reopen(self: &Arc<Self>) -> Result<Store, Failure> {
        let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
        posix_fadvise(&*self.file, 0, 0, advice)
            .map_err(|error| Failure::Medium(format!("{}: {error}", self.path.display())))?;
        self.store()
    }

    /// Why the store is not used, and what to do.
    pub(super) fn refusal(&self, what: &dyn Display) -> io::Error {
        let advice = "it is left as it is: put back a copy, or move it away to begin without";
        told(&self.path, &format!("{what}; {advice}"))
    }
}

fn lock(file: File, path: &Path) -> io::Result<Flock<File>> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| {
        if error == nix::errno::Errno::EWOULDBLOCK {
            let what = "another broker has it; stop that one, or name another persistence_file";
            told(path, &what)
        } else {
            told(path, &error)
        }
    })
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().is_ok_and(|a| fs::metadata(path).is_ok_and(|b| same(a, b)))
}

fn told(path: &Path, what: &dyn Display) -> io::Error {
    io::Error::other(format!("cannot use the store {}: {what}", path.display()))
}

fn missing(path: &Path, error: &io::Error) -> io::Error {
    let what = format!("{error}; persistence_location names a directory the broker may write to");
    told(path, &what)
}

impl StorageBackend for Medium {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.file.set_len(len)?;
        self.file.size.store(len, Ordering::Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.file.file.write_all_at(data, offset)
    }
}
