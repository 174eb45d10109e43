//! Files of a configuration.
//!
//! Owns: how they are read.
//!
//! Never looks inside.

use std::fs::{File, read_dir};
use std::io::Read;

use crate::config::{FILE_MAX, Files};

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        // One byte more than is taken, so that what is too long shows.
        let most = FILE_MAX as u64 + 1;
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
        read.map(|_| bytes).map_err(|error| error.to_string())
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, String> {
        let entries = read_dir(directory).map_err(|error| error.to_string())?;
        let names = entries.map(|entry| {
            let name = entry.map_err(|error| error.to_string())?.file_name();
            name.into_string().map_err(|name| format!("the name {name:?} is not UTF-8"))
        });
        names.collect()
    }
}
