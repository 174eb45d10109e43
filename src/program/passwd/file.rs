//! A password file on disk.
//!
//! Owns: how it is read, and how it is replaced: by a new file beside it that takes its name when
//! it is whole, so that a broker that reads it meanwhile, or a power cut, finds the old one or the
//! new one. Mode and owner stay what they were; a new file is its owner's alone (0600). What a
//! symbolic link points to is replaced, not the link.
//!
//! Never looks inside.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::auth::FILE_MAX;

/// A file that was read and may be written.
pub(super) struct PasswordFile {
    path: PathBuf,
    text: String,
    /// Mode and owner of the one that is there.
    old: Option<(u32, u32, u32)>,
}

impl PasswordFile {
    /// Reads a file that is there.
    pub(super) fn open(path: &str) -> Result<Self, String> {
        let what = |error: io::Error| {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            format!("{path}: {error}{}", if is_missing { "; -c creates it" } else { "" })
        };
        let real = fs::canonicalize(path).map_err(what)?;
        let file = File::open(&real).map_err(what)?;
        let meta = file.metadata().map_err(what)?;
        let mut bytes = Vec::new();
        file.take(FILE_MAX as u64 + 1).read_to_end(&mut bytes).map_err(what)?;
        if bytes.len() > FILE_MAX {
            return Err(format!("{path}: it has more than {FILE_MAX} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| format!("{path}: it is not UTF-8"))?;
        let old = Some((meta.permissions().mode() & 0o7777, meta.uid(), meta.gid()));
        Ok(Self { path: real, text, old })
    }

    /// An empty file in the place of whatever is there.
    pub(super) fn create(path: &str) -> Result<Self, String> {
        let real = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
        let old = match fs::metadata(&real) {
            Ok(meta) if !meta.is_file() => return Err(format!("{path}: it is no plain file")),
            Ok(meta) => Some((meta.permissions().mode() & 0o7777, meta.uid(), meta.gid())),
            Err(_) => None,
        };
        Ok(Self { path: real, text: String::new(), old })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the file.
    pub(super) fn write(&self, text: &str) -> Result<(), String> {
        let beside = self.beside();
        let what = |error: io::Error| format!("{}: {error}", self.path.display());
        let done = self.write_beside(&beside, text).and_then(|()| fs::rename(&beside, &self.path));
        if let Err(error) = done {
            let _ = fs::remove_file(&beside); // it may not be there
            return Err(what(error));
        }
        // The name is safe too, where directories can be synchronized.
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Ok(directory) = File::open(directory.unwrap_or_else(|| Path::new("."))) {
            let _ = directory.sync_all();
        }
        Ok(())
    }

    fn write_beside(&self, beside: &Path, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
        if let Some((mode, user, group)) = self.old {
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (user, group) {
                chown(beside, Some(user), Some(group))?;
            }
            file.set_permissions(fs::Permissions::from_mode(mode))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// A name of this process alone in the same directory.
    fn beside(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!(".{name}.{}", std::process::id()))
    }
}
