//! Files of a configuration.
//!
//! Owns: how they are read, and from where names without a directory count: a daemon that is in
//! `/` by now reads the same files that it read when it was started. And who else can read them.
//!
//! Never looks inside.

use std::fs::{self, File, read_dir};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
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

    /// The path from the root, that of a credential of systemd too.
    ///
    /// # Errors
    /// If it is a credential and there are none.
    pub fn place(&self, path: &str) -> Result<PathBuf, String> {
        credential(path).map(|path| self.absolute(&path))
    }

    /// The path from the root.
    #[must_use]
    pub fn absolute(&self, path: &str) -> PathBuf {
        let path = self.directory.join(path);
        std::path::absolute(&path).unwrap_or(path)
    }
}

impl Disk {
    /// The bytes of a file of secrets or rights, which may be larger than a configuration and may
    /// be a credential of systemd.
    ///
    /// # Errors
    /// Why it cannot be read, and what to do.
    pub fn read_up_to(&self, path: &str, most: usize) -> Result<Vec<u8>, String> {
        let path = credential(path)?;
        let bytes = self.read_some(&path, most).map_err(|error| {
            if error.kind() == io::ErrorKind::PermissionDenied {
                let name = self.absolute(&path);
                let name = name.display();
                format!(
                    "{error}; 'chgrp GROUP {name} && chmod 640 {name}' lets the group of the \
                         broker's user read it"
                )
            } else {
                error.to_string()
            }
        })?;
        if bytes.len() > most {
            return Err(format!("it has more than {most} bytes"));
        }
        Ok(bytes)
    }

    /// What to do about a file of secrets or rights that others may read or write; `None` if
    /// there is nothing to do. Links are followed: what counts is the file.
    #[must_use]
    pub fn exposure(&self, path: &str) -> Option<String> {
        let path = self.place(path).ok()?;
        let mode = fs::metadata(&path).ok()?.permissions().mode();
        let (can, bits) = match mode & 0o006 {
            0 => return None,
            0o004 => ("read", "o-r"),
            0o002 => ("write", "o-w"),
            _ => ("read and write", "o-rw"),
        };
        let path = path.display();
        Some(format!("everybody on this machine can {can} it; mend it with: chmod {bits} '{path}'"))
    }

    /// At most one byte more than `most`, so that what is too long shows.
    fn read_some(&self, path: &str, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::open(self.absolute(path))?;
        file.take(most as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The path of a credential that systemd has passed (`LoadCredential=`), where a path begins with
/// `$CREDENTIALS_DIRECTORY/` or `${CREDENTIALS_DIRECTORY}/`; any other path as it is.
fn credential(path: &str) -> Result<String, String> {
    let Some(name) = credential_name(path) else { return Ok(path.into()) };
    match std::env::var("CREDENTIALS_DIRECTORY") {
        Ok(directory) => Ok(format!("{directory}/{name}")),
        Err(_) => Err("CREDENTIALS_DIRECTORY is not set; systemd sets it for services with \
                       LoadCredential="
            .into()),
    }
}

fn credential_name(path: &str) -> Option<&str> {
    let prefixes = ["$CREDENTIALS_DIRECTORY/", "${CREDENTIALS_DIRECTORY}/"];
    prefixes.into_iter().find_map(|prefix| path.strip_prefix(prefix))
}

/// Whether a path is that of a credential, wherever these are.
pub(super) fn is_credential(path: &str) -> bool {
    credential_name(path).is_some()
}

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.read_some(path, FILE_MAX).map_err(|error| error.to_string())
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
