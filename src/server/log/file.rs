//! A log file, and the ones before it.
//!
//! ```text
//! broker.log.2 <- broker.log.1 <- broker.log      when the next line would make it too large
//! ```
//!
//! Owns: the file, opened anew when somebody has moved it away and says so, and put aside by
//! itself where its size is limited. A file that is created belongs to whom the broker runs as,
//! and nobody outside its group reads it.
//!
//! Never waits for a reader, should the path be a named pipe.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::libc::{O_NOCTTY, O_NOFOLLOW, O_NONBLOCK};

use super::kind::Kind;
use super::layout::{Layout, Line};
use super::{Sink, WAITING_MAX, lost};
use crate::config::LogSettings;
use crate::stamp::Stamp;

/// Permissions of a log file that is created.
const MODE: u32 = 0o640;

/// User and group, by number, to whom a file that is created is given.
pub type Owner = (u32, u32);

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    layout: Layout,
    owner: Option<Owner>,
    /// Bytes at which it is put aside; 0 for never, and for what is no regular file.
    size_max: u64,
    size: u64,
    /// How many are kept beside it.
    count: u16,
    lost: u64,
    /// Lines that are to be written.
    waiting: Vec<u8>,
}

impl LogFile {
    /// Opens or creates the file; a new one is given to `owner`.
    ///
    /// # Errors
    /// A sentence with the path, what is wrong and what to do.
    pub(super) fn open(
        path: &str,
        owner: Option<Owner>,
        settings: &LogSettings,
    ) -> Result<Self, String> {
        // The working directory may change before the file is opened again.
        let path = std::path::absolute(path).map_err(|error| advice(path, &error))?;
        let (file, size) = open(&path, owner).map_err(|e| advice(&path.to_string_lossy(), &e))?;
        Ok(Self {
            size_max: if size.is_some() { settings.file_size } else { 0 },
            size: size.unwrap_or(0),
            file,
            path,
            layout: Layout::new(settings, true)?,
            owner,
            count: settings.file_count,
            lost: 0,
            waiting: Vec::new(),
        })
    }

    /// Puts the file aside and begins the next one. Where that fails the file is emptied: the
    /// limit is there because there is no room.
    fn rotate(&mut self, at: Stamp) {
        match self.put_aside().and_then(|()| open(&self.path, self.owner)) {
            Ok((file, size)) => (self.file, self.size) = (file, size.unwrap_or(0)),
            Err(error) => {
                if self.file.set_len(0).is_ok() {
                    self.size = 0;
                }
                let path = self.path.display();
                let text = format!("{path} cannot be put aside and was emptied: {error}");
                self.put(&Line { kind: Kind::Warning, is_connection: false, text: &text, at });
            }
        }
    }

    fn put_aside(&self) -> io::Result<()> {
        if self.count == 0 {
            return self.file.set_len(0);
        }
        for number in (1..self.count).rev() {
            match fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        fs::rename(&self.path, numbered(&self.path, 1))
    }

    fn put(&mut self, line: &Line<'_>) {
        self.layout.write(line, &mut self.waiting);
        self.waiting.push(b'\n');
    }

    /// Writes what waits; whether the file has taken all of it.
    fn drain(&mut self) -> bool {
        let is_out = self.file.write_all(&self.waiting).is_ok();
        if is_out {
            self.size += self.waiting.len() as u64;
        }
        is_out
    }
}

impl Sink for LogFile {
    fn take(&mut self, line: &Line<'_>) {
        // What a line needs beside its text, generously.
        let len = line.text.len() as u64 + 64;
        let size = self.size + self.waiting.len() as u64;
        if self.size_max > 0 && size > 0 && size + len > self.size_max {
            self.write();
            self.rotate(line.at);
        }
        if self.lost > 0 {
            self.flush(line.at);
        }
        if self.lost > 0 {
            self.lost += 1;
        } else {
            self.put(line);
        }
        if self.waiting.len() > WAITING_MAX {
            self.write();
        }
    }

    fn write(&mut self) {
        if !self.waiting.is_empty() && !self.drain() {
            self.lost += self.waiting.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        self.waiting.clear();
    }

    fn flush(&mut self, at: Stamp) {
        self.write();
        if self.lost > 0 {
            let text = lost(self.lost);
            self.put(&Line { kind: Kind::Warning, is_connection: false, text: &text, at });
            if self.drain() {
                self.lost = 0;
            }
            self.waiting.clear();
        }
    }

    fn reopen(&mut self) -> Result<(), String> {
        let opened = open(&self.path, self.owner);
        let (file, size) = opened.map_err(|e| advice(&self.path.to_string_lossy(), &e))?;
        self.file = file;
        self.size = size.unwrap_or(0);
        Ok(())
    }
}

/// The file and, if it is a regular one, its size.
fn open(path: &Path, owner: Option<Owner>) -> io::Result<(File, Option<u64>)> {
    let mut options = OpenOptions::new();
    let mut flags = O_NONBLOCK | O_NOCTTY;
    // Root follows no link that somebody else has laid.
    let link = fs::symlink_metadata(path).ok().filter(|it| it.file_type().is_symlink());
    if owner.is_some() && link.is_none_or(|link| link.uid() != 0) {
        flags |= O_NOFOLLOW;
    }
    options.append(true).mode(MODE).custom_flags(flags);
    let file = match options.clone().create_new(true).open(path) {
        Ok(file) => {
            if let Some((user, group)) = owner {
                fchown(&file, Some(user), Some(group))?;
            }
            file
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path)?,
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    Ok((file, metadata.is_file().then_some(metadata.len())))
}

fn numbered(path: &Path, number: u16) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// What is wrong with a path, and what to do about it.
fn advice(path: &str, error: &io::Error) -> String {
    let fix = if error.kind() == io::ErrorKind::PermissionDenied {
        "; let the user the broker runs as write to it and its directory"
    } else if error.kind() == io::ErrorKind::NotFound {
        "; create its directory"
    } else {
        ""
    };
    format!("cannot open log file {path}: {error}{fix}")
}
