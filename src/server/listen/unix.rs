//! Unix sockets in the file system.
//!
//! Owns: how the file comes to be and how it goes. Until its permissions are what they are to be
//! nobody listens there, so that nobody comes in by those it had before. A file that a broker has
//! left behind that was killed is replaced; one at which somebody listens, or that is no socket,
//! is not.
//!
//! Never changes the umask.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{BACKLOG, Owner};

/// The file of a listening socket, removed when this is dropped, which is after the socket.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: what somebody else has put in its place is not removed. (A number may
    /// have been used again, but not by one at which nobody listens.)
    id: (u64, u64),
}

/// A socket that listens at `path`, whose file has these permissions.
///
/// # Errors
/// What is wrong and what to do.
pub(super) fn open(
    path: &Path,
    mode: u32,
    owner: Option<Owner>,
) -> Result<(UnixListener, SocketFile), String> {
    let told = |error: io::Error| {
        let advice = ADVICE.iter().find(|(kind, _)| *kind == error.kind());
        format!("{error}{}", advice.map_or("", |(_, advice)| advice))
    };
    make_room(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(told)?;
    socket.bind(&SockAddr::unix(path).map_err(told)?).map_err(told)?;
    let id = fs::symlink_metadata(path).as_ref().map(id).map_err(|error| error.to_string())?;
    let file = SocketFile { path: path.into(), id };
    permit(path, mode, owner)?;
    socket.listen(BACKLOG).and_then(|()| socket.set_nonblocking(true)).map_err(told)?;
    Ok((OwnedFd::from(socket).into(), file))
}

/// Gives the file its permissions.
pub(super) fn permit(path: &Path, mode: u32, owner: Option<Owner>) -> Result<(), String> {
    if let Some((user, group)) = owner {
        lchown(path, Some(user), Some(group)).map_err(|error| {
            format!("cannot give it to user {user} and group {group}: {error}; only root may")
        })?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|error| format!("cannot set mode {mode:04o}: {error}"))
}

/// Removes a socket at which nobody listens.
fn make_room(path: &Path) -> Result<(), String> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err("there is a file that is no socket; remove it, or give another path".into());
    }
    match is_served(path) {
        Ok(true) => Err("another program listens there; end it, or give another path".into()),
        Ok(false) => fs::remove_file(path)
            .map_err(|error| format!("cannot remove the socket of an earlier run: {error}")),
        Err(error) => Err(format!("cannot find out whether somebody listens there: {error}")),
    }
}

/// Whether somebody listens. One whose queue is full does, and one who speaks in another way.
fn is_served(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        Ok(()) | Err(_) => Ok(true),
    }
}

/// What to do about errors of [`open`].
const ADVICE: [(io::ErrorKind, &str); 3] = [
    (io::ErrorKind::NotFound, "; create the directory"),
    (io::ErrorKind::PermissionDenied, "; give the broker a directory it may write to"),
    (io::ErrorKind::InvalidInput, "; give a path of at most 107 bytes"),
];

fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = |found: Metadata| id(&found) == self.id;
        let is_served = || matches!(is_served(&self.path), Ok(true));
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) && !is_served() {
            // Where it may not be removed any more, the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("mqtt-broker-unix-{name}-{}", std::process::id()))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_socket_has_its_mode_and_goes_with_its_listener() {
        let path = path("mode");
        let (listener, file) = open(&path, 0o640, None).unwrap();
        assert_eq!(mode(&path), 0o640);
        UnixStream::connect(&path).unwrap();
        permit(&path, 0o600, None).unwrap();
        assert_eq!(mode(&path), 0o600);
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn only_what_nobody_uses_is_replaced() {
        let path = path("stale");
        let (living, file) = open(&path, 0o600, None).unwrap();
        let error = open(&path, 0o600, None).unwrap_err();
        assert!(error.contains("another program listens"), "{error}");
        drop(living); // A broker that is killed leaves its file.
        let (next, second) = open(&path, 0o600, None).unwrap();
        drop(file);
        assert!(path.exists(), "it is somebody else's by now");
        drop((next, second));
        fs::write(&path, "precious").unwrap();
        let error = open(&path, 0o600, None).unwrap_err();
        assert!(error.contains("no socket"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn errors_say_what_to_do() {
        let error = open(Path::new("/nonexistent/s"), 0o600, None).unwrap_err();
        assert!(error.contains("create the directory"), "{error}");
        let long = format!("/tmp/{}", "x".repeat(200));
        let error = open(Path::new(&long), 0o600, None).unwrap_err();
        assert!(error.contains("107 bytes"), "{error}");
    }
}
