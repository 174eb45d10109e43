//! Files of a configuration.
//!
//! Owns: how they are read, and from where names without a directory count: a daemon that is in
//! `/` by now reads the same files that it read when it was started.
//!
//! Never looks inside.

use std::fs::{File, read_dir};
use std::io::Read;
use std::path::PathBuf;

use crate::config::{FILE_MAX, Files};

/// The files of this machine.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// Where names begin that do not begin with `/`; empty for where the process is.
    directory: PathBuf,
}

impl Disk {
    /// Files from where the process is now, wherever it goes later.
    #[must_use]
    pub fn here() -> Self {
        // Who is nowhere (the directory was removed) has names from the root only.
        Self { directory: std::env::current_dir().unwrap_or_default() }
    }

    /// The path from the root.
    #[must_use]
    pub fn absolute(&self, path: &str) -> PathBuf {
        let path = self.directory.join(path);
        std::path::absolute(&path).unwrap_or(path)
    }
}

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        // One byte more than is taken, so that what is too long shows.
        let most = FILE_MAX as u64 + 1;
        let mut bytes = Vec::new();
        let read = File::open(self.absolute(path))
            .and_then(|file| file.take(most).read_to_end(&mut bytes));
        read.map(|_| bytes).map_err(|error| error.to_string())
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, String> {
        let entries = read_dir(self.absolute(directory)).map_err(|error| error.to_string())?;
        let names = entries.map(|entry| {
            let name = entry.map_err(|error| error.to_string())?.file_name();
            name.into_string().map_err(|name| format!("the name {name:?} is not UTF-8"))
        });
        names.collect()
    }
}
