//! Files that are used as long as the process lives, and may change meanwhile.
//!
//! Owns: a set of paths in, "something of it changed" out. The directories are watched, not the
//! files, so that editors and tools that write a new file and rename it are seen; symbolic links
//! are followed link by link, so that the swap of one (as Kubernetes does with its secrets) is
//! seen too. What does not exist yet is seen when it comes.
//!
//! A change often comes in pieces (a certificate, then its key): it is told when all has been quiet
//! for a moment, or has not been for long.
//!
//! Never reads a file, and never polls one: where the system says nothing, nothing happens.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::time::Time;

/// Watches paths.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: Inotify,
    paths: Vec<PathBuf>,
    places: Vec<Place>,
    change: Option<Change>,
}

/// What is of interest in one directory.
#[derive(Debug)]
struct Place {
    directory: WatchDescriptor,
    /// `None` if it is everything.
    name: Option<OsString>,
}

/// A change that is not told yet.
#[derive(Clone, Copy, Debug)]
struct Change {
    first: Time,
    last: Time,
}

/// So long nothing must have changed before a change is told.
const QUIET_MS: u64 = 250;

/// After so long it is told although more keeps changing.
const LONG_MS: u64 = 2_000;

/// Symbolic links followed for one path, as by the system.
const LINKS_MAX: usize = 40;

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// If the system has no more watches to give.
    pub(super) fn new() -> io::Result<Self> {
        let inotify = Inotify::init()?;
        Ok(Self { inotify, paths: Vec::new(), places: Vec::new(), change: None })
    }

    /// Makes the poll report changes as `token`.
    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let fd = self.inotify.as_raw_fd();
        registry.register(&mut SourceFd(&fd), token, Interest::READABLE)
    }

    /// Watches these paths from now on, files and directories, instead of those before. A
    /// directory changes when anything in it does.
    ///
    /// # Errors
    /// The first path that cannot be watched, and why; the others are watched all the same.
    pub(super) fn set(&mut self, paths: Vec<PathBuf>) -> io::Result<()> {
        let before = std::mem::take(&mut self.places);
        self.paths = paths;
        let mut outcome = Ok(());
        for path in std::mem::take(&mut self.paths) {
            if let Err(error) = self.follow(&path)
                && outcome.is_ok()
            {
                let what = format!("cannot watch {}: {error}", path.display());
                outcome = Err(io::Error::new(error.kind(), what));
            }
            self.paths.push(path);
        }
        for Place { directory, .. } in before {
            if !self.places.iter().any(|place| place.directory == directory) {
                // It may be gone already, together with its directory or by an earlier place.
                let _ = self.inotify.watches().remove(directory);
            }
        }
        outcome
    }

    /// Takes what the system has to say; to be called when the poll reports it.
    pub(super) fn notice(&mut self, now: Time) {
        let mut buffer = [0; 4096];
        loop {
            let Ok(events) = self.inotify.read_events(&mut buffer) else { return };
            let mut is_drained = true;
            let mut is_change = false;
            for event in events {
                is_drained = false;
                // Too many to keep, or the directory itself has gone: anything may be different.
                let any =
                    EventMask::Q_OVERFLOW.union(EventMask::DELETE_SELF).union(EventMask::MOVE_SELF);
                is_change |= event.mask.intersects(any)
                    || self.places.iter().any(|place| place.is_met(&event.wd, event.name));
            }
            if is_drained {
                return;
            }
            if is_change {
                let first = self.change.map_or(now, |change| change.first);
                self.change = Some(Change { first, last: now });
            }
        }
    }

    /// Whether something has changed since it was last said; then links are followed anew.
    ///
    /// # Errors
    /// As of [`set`](Self::set).
    pub(super) fn has_changed(&mut self, now: Time) -> io::Result<bool> {
        if self.change.is_none_or(|change| change.due() > now) {
            return Ok(false);
        }
        self.change = None;
        let paths = std::mem::take(&mut self.paths);
        self.set(paths).map(|()| true)
    }

    /// What has changed up to now is known.
    pub(super) const fn forget(&mut self) {
        self.change = None;
    }

    /// How long there is nothing to say; `None` until the poll reports something.
    pub(super) fn nap(&self, now: Time) -> Option<Duration> {
        Some(self.change?.due().since(now))
    }

    /// Watches every directory in which a change could lead `path` elsewhere.
    fn follow(&mut self, path: &Path) -> io::Result<()> {
        let mut at = if path.is_absolute() { PathBuf::new() } else { PathBuf::from(".") };
        // The last one is the next.
        let mut rest: Vec<OsString> = parts(path).rev().collect();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            let next = at.join(&part);
            match next.symlink_metadata() {
                Ok(found) if found.is_symlink() => {
                    self.add(&at, Some(&part))?;
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(io::Error::other("too many symbolic links"));
                    }
                    let target = next.read_link()?;
                    if target.is_absolute() {
                        at = PathBuf::new();
                    }
                    rest.extend(parts(&target).rev());
                }
                Ok(found) if !rest.is_empty() => {
                    if !found.is_dir() {
                        return self.add(&at, Some(&part)); // Perhaps it will be one.
                    }
                    at = next;
                }
                Ok(found) => {
                    self.add(&at, Some(&part))?;
                    if found.is_dir() {
                        self.add(&next, None)?;
                    }
                }
                Err(_) => return self.add(&at, Some(&part)),
            }
        }
        Ok(())
    }

    fn add(&mut self, directory: &Path, name: Option<&OsStr>) -> io::Result<()> {
        let directory = if directory.as_os_str().is_empty() { Path::new("/") } else { directory };
        let mask = WatchMask::ATTRIB
            | WatchMask::CLOSE_WRITE
            | WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        let directory = self.inotify.watches().add(directory, mask)?;
        self.places.push(Place { directory, name: name.map(Into::into) });
        Ok(())
    }
}

impl Place {
    fn is_met(&self, directory: &WatchDescriptor, name: Option<&OsStr>) -> bool {
        self.directory == *directory && (self.name.is_none() || self.name.as_deref() == name)
    }
}

impl Change {
    fn due(&self) -> Time {
        self.last.plus_ms(QUIET_MS).min(self.first.plus_ms(LONG_MS))
    }
}

/// The names a path consists of, `/` in front if it is absolute.
fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter(|part| *part != Component::CurDir).map(|part| part.as_os_str().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A directory of the test's own.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("watch-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.at(name), text).unwrap();
        }

        fn watch(&self, names: &[&str]) -> Watch {
            let mut watch = Watch::new().unwrap();
            watch.set(names.iter().map(|name| self.at(name)).collect()).unwrap();
            watch
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn at(ms: u64) -> Time {
        Time::from_ms(ms)
    }

    /// Whether there was a change, and told once.
    fn changed(watch: &mut Watch) -> bool {
        watch.notice(at(0));
        let told = watch.has_changed(at(QUIET_MS)).unwrap();
        assert!(!watch.has_changed(at(LONG_MS * 2)).unwrap());
        told
    }

    #[test]
    fn what_is_written_renamed_and_removed_is_seen() {
        let scratch = Scratch::new("files");
        scratch.write("a", "1");
        scratch.write("other", "1");
        let mut watch = scratch.watch(&["a", "to-come"]);
        assert!(!changed(&mut watch));
        scratch.write("a", "2");
        assert!(changed(&mut watch));
        scratch.write("other", "2");
        assert!(!changed(&mut watch), "it is not watched");
        scratch.write("new", "3");
        fs::rename(scratch.at("new"), scratch.at("a")).unwrap();
        assert!(changed(&mut watch));
        scratch.write("a", "4");
        assert!(changed(&mut watch), "the new file is watched like the old one");
        scratch.write("to-come", "1");
        assert!(changed(&mut watch));
        fs::remove_file(scratch.at("a")).unwrap();
        assert!(changed(&mut watch));
        watch.set(vec![scratch.at("other")]).unwrap();
        scratch.write("a", "5");
        assert!(!changed(&mut watch), "it is not watched any more");
        scratch.write("other", "3");
        assert!(changed(&mut watch));
    }

    #[test]
    fn a_swapped_link_is_seen() {
        let scratch = Scratch::new("links");
        for version in ["1", "2", "3"] {
            fs::create_dir(scratch.at(version)).unwrap();
            scratch.write(&format!("{version}/crt"), version);
        }
        symlink("1", scratch.at("data")).unwrap();
        symlink("data/crt", scratch.at("crt")).unwrap();
        let mut watch = scratch.watch(&["crt"]);
        for version in ["2", "3"] {
            symlink(version, scratch.at("data.new")).unwrap();
            fs::rename(scratch.at("data.new"), scratch.at("data")).unwrap();
            assert!(changed(&mut watch), "{version}");
            scratch.write(&format!("{version}/crt"), "changed in place");
            assert!(changed(&mut watch), "behind the link to {version}");
        }
        scratch.write("1/crt", "nobody cares");
        assert!(!changed(&mut watch));
    }

    #[test]
    fn directories_are_seen_as_a_whole_and_when_they_come_back() {
        let scratch = Scratch::new("directories");
        let mut watch = scratch.watch(&["ca/sub"]);
        fs::create_dir(scratch.at("ca")).unwrap();
        assert!(changed(&mut watch));
        fs::create_dir(scratch.at("ca/sub")).unwrap();
        assert!(changed(&mut watch));
        scratch.write("ca/sub/any.pem", "");
        assert!(changed(&mut watch));
        fs::rename(scratch.at("ca"), scratch.at("old")).unwrap();
        assert!(changed(&mut watch));
        fs::create_dir_all(scratch.at("ca/sub")).unwrap();
        assert!(changed(&mut watch));
        scratch.write("ca/sub/any.pem", "");
        assert!(changed(&mut watch));
    }

    #[test]
    fn a_change_in_pieces_is_told_once_and_not_too_late() {
        let scratch = Scratch::new("pieces");
        let mut watch = scratch.watch(&["a"]);
        assert_eq!(watch.nap(at(0)), None);
        let mut told = Vec::new();
        for ms in (0..LONG_MS + QUIET_MS).step_by(200) {
            scratch.write("a", "again");
            watch.notice(at(ms));
            if watch.has_changed(at(ms)).unwrap() {
                told.push(ms);
            }
        }
        assert_eq!(told, [LONG_MS]);
        let last = 2200;
        assert_eq!(watch.nap(at(last)), Some(Duration::from_millis(QUIET_MS)));
        assert!(watch.has_changed(at(last + QUIET_MS)).unwrap());
        assert_eq!(watch.nap(at(last)), None);
    }

    #[test]
    fn a_circle_of_links_is_an_error() {
        let scratch = Scratch::new("circle");
        symlink("b", scratch.at("a")).unwrap();
        symlink("a", scratch.at("b")).unwrap();
        let error = Watch::new().unwrap().set(vec![scratch.at("a")]).unwrap_err();
        assert!(error.to_string().ends_with("/a: too many symbolic links"), "{error}");
    }
}
