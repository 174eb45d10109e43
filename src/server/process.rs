//! The process: whose rights it has, where it is known, whether it has a terminal.
//!
//! ```text
//! Process::prepare    who it will be, pid file locked     as root, so that everything can be had
//! open the log, listen
//! Process::enter      rights of root given up             from here on as nobody in particular
//! open the store
//! Process::detach     into the background                 the shell gets its prompt: all worked
//!                     pid file written                    the number is known only now
//! ```
//!
//! Owns: [`Process`], and what it is made of. All that can fail is done before the process leaves
//! its terminal, so that whoever started it sees the error and the exit code.
//!
//! Never changes the process's umask: what is created is given its mode.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::libc::{O_NOCTTY, O_NOFOLLOW};
use nix::unistd::{self, Gid, Uid, User};

use log::{error, info};

use super::log::Owner;
use crate::config::DaemonSettings;

/// Who the process becomes when root has started it and nobody says otherwise: the first of them
/// that there is.
pub const USERS: [&str; 2] = ["mosquitto", "nobody"];

/// What this process is going to be.
#[derive(Debug)]
pub struct Process {
    account: Option<Account>,
    pid_file: Option<PidFile>,
    is_daemon: bool,
}

impl Process {
    /// Finds out who the process is going to be and locks its pid file.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to do.
    pub fn prepare(settings: &DaemonSettings) -> Result<Self, String> {
        let account = Account::choose(settings.user.as_deref())?;
        let pid_file = settings.pid_file.as_deref().map(PidFile::lock).transpose()?;
        Ok(Self { account, pid_file, is_daemon: settings.daemonize })
    }

    /// Gives up the rights of root, as a daemon with these settings would.
    ///
    /// # Errors
    /// A sentence, if that is not possible.
    pub fn leave_root(settings: &DaemonSettings) -> Result<(), String> {
        let Some(account) = Account::choose(settings.user.as_deref())? else { return Ok(()) };
        account.assume().map_err(|error| format!("cannot become '{}': {error}", account.name()))
    }

    /// Whom the files are to belong to that are created before the process is somebody else.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        self.account.as_ref().map(Account::owner)
    }

    /// Gives up the rights of root, as far as the settings say so. To be called before there is a
    /// second thread.
    ///
    /// # Errors
    /// A sentence, if the system does not allow it; nothing is served then.
    pub fn enter(&self) -> Result<(), String> {
        if let Some(account) = &self.account {
            let name = account.name();
            account.assume().map_err(|error| {
                format!(
                    "cannot become user '{name}': {error}; 'user root' keeps the rights of root"
                )
            })?;
            info!("Running as user {name}");
        }
        Ok(())
    }

    /// Goes into the background, if the settings say so, and writes the number of the process. To
    /// be called before there is a second thread.
    ///
    /// # Errors
    /// A sentence, if the system does not allow it; nothing is served then.
    pub fn detach(&mut self) -> Result<(), String> {
        if self.is_daemon {
            background().map_err(|error| format!("cannot go into the background: {error}"))?;
        }
        if let Some(pid_file) = &mut self.pid_file
            && let Err(error) = pid_file.write()
        {
            error!("pid_file {}: {error}", pid_file.path.display());
        }
        Ok(())
    }
}

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Account {
    name: String,
    user: Uid,
    group: Gid,
}

/// The file that holds the process id, locked for as long as this lives and removed at its end.
#[derive(Debug)]
struct PidFile {
    path: PathBuf,
    file: Flock<File>,
}

impl Account {
    /// Whose rights the process is to have: those of `user`, or of the first of [`USERS`]; `None`
    /// if it keeps the ones it has, because root did not start it or `user` is root.
    ///
    /// # Errors
    /// A sentence, if root has started it and there is no such user.
    fn choose(user: Option<&str>) -> Result<Option<Self>, String> {
        if !unistd::geteuid().is_root() {
            return Ok(None);
        }
        let found = match user {
            Some(name) => find(name)?,
            None => USERS.into_iter().find_map(|name| find(name).transpose()).transpose()?,
        };
        match found {
            Some(account) if account.user.is_root() => Ok(None),
            Some(account) => Ok(Some(account)),
            None => {
                let name = user.unwrap_or(USERS[0]);
                Err(format!("there is no user '{name}'; create it, or name another with 'user'"))
            }
        }
    }

    /// Its name.
    fn name(&self) -> &str {
        &self.name
    }

    /// Its numbers, for files that are created before it is assumed.
    const fn owner(&self) -> Owner {
        (self.user.as_raw(), self.group.as_raw())
    }

    /// Gives up the rights of root for good: supplementary groups, group, user. (A statically
    /// linked program knows only the groups of /etc/group.)
    ///
    /// # Errors
    /// If the system does not allow it, or if root could be had again.
    fn assume(&self) -> io::Result<()> {
        let name = CString::new(self.name.as_str())?;
        unistd::initgroups(&name, self.group)?;
        unistd::setgid(self.group)?;
        unistd::setuid(self.user)?;
        if unistd::setuid(Uid::from_raw(0)).is_ok() {
            return Err(io::Error::other("the rights of root are still there"));
        }
        Ok(())
    }
}

fn find(name: &str) -> Result<Option<Account>, String> {
    let found = User::from_name(name).map_err(|error| format!("user '{name}': {error}"))?;
    Ok(found.map(|user| Account { name: user.name, user: user.uid, group: user.gid }))
}

impl PidFile {
    /// Creates and locks the file. It stays empty until the process id is [written](Self::write).
    ///
    /// # Errors
    /// A sentence, if it cannot be created, or if a process that lives has locked it.
    fn lock(path: &str) -> Result<Self, String> {
        let path =
            std::path::absolute(path).map_err(|error| format!("pid_file {path}: {error}"))?;
        let what = |error: &dyn std::fmt::Display| format!("pid_file {}: {error}", path.display());
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                .custom_flags(O_NOFOLLOW | O_NOCTTY)
                .open(&path)
                .map_err(|error| what(&error))?;
            let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => file,
                Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                    return Err(what(&format_args!(
                        "process {} lives and holds it",
                        id(&mut file)
                    )));
                }
                Err((_, error)) => return Err(what(&error)),
            };
            // Its last owner may have removed it between the two steps.
            if !is_at(&file, &path) {
                continue;
            }
            file.set_len(0).and_then(|()| file.rewind()).map_err(|error| what(&error))?;
            return Ok(Self { path, file });
        }
    }

    /// Writes the id of this process.
    ///
    /// # Errors
    /// If the system does not take it.
    fn write(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Where it may not be removed any more, nobody is to take a dead number from it.
        if !is_at(&self.file, &self.path) || fs::remove_file(&self.path).is_err() {
            let _ = self.file.set_len(0);
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().is_ok_and(|a| fs::metadata(path).is_ok_and(|b| same(a, b)))
}

/// What the file says.
fn id(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(20).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        Ok(_) | Err(_) => "of unknown number".to_owned(),
    }
}

/// Goes on in a process without a terminal, in the directory `/`, with its standard descriptors
/// on /dev/null; the process that was started ends with 0. To be called before there is a second
/// thread.
///
/// # Errors
/// If there can be no further process. Then this one goes on as it is.
fn background() -> io::Result<()> {
    unistd::daemon(false, false)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> String {
        let name = format!("mqtt-broker-{name}-{}", std::process::id());
        std::env::temp_dir().join(name).to_str().unwrap().to_owned()
    }

    #[test]
    fn a_pid_file_has_one_owner() {
        let path = path("pid");
        let mut first = PidFile::lock(&path).unwrap();
        assert!(PidFile::lock(&path).unwrap_err().contains("process of unknown number lives"));
        first.write().unwrap();
        let id = std::process::id();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{id}\n"));
        let error = PidFile::lock(&path).unwrap_err();
        assert!(error.contains(&path) && error.contains(&format!("process {id} lives")), "{error}");
        drop(first);
        assert!(!fs::exists(&path).unwrap());
        // What a process left behind that was killed is in nobody's way.
        fs::write(&path, "123456789\n").unwrap();
        let mut next = PidFile::lock(&path).unwrap();
        next.write().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{id}\n"));
        // Nor does it remove what is somebody else's.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "other").unwrap();
        drop(next);
        assert_eq!(fs::read_to_string(&path).unwrap(), "other");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_pid_file_that_cannot_be_had_is_named() {
        let error = PidFile::lock("/nonexistent/a.pid").unwrap_err();
        assert!(error.contains("/nonexistent/a.pid"), "{error}");
        let link = path("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(PidFile::lock(&link).is_err(), "no link is followed");
        fs::remove_file(&link).unwrap();
    }

    #[test]
    fn only_root_becomes_somebody_else() {
        let user = "no such user";
        if unistd::geteuid().is_root() {
            let error = Account::choose(Some(user)).unwrap_err();
            assert!(error.contains(user) && error.contains("'user'"), "{error}");
            assert_eq!(Account::choose(Some("root")).unwrap(), None);
            let usual = Account::choose(None).unwrap().unwrap();
            assert!(USERS.contains(&usual.name()) && usual.owner().0 != 0);
        } else {
            assert_eq!(Account::choose(Some(user)).unwrap(), None);
        }
    }
}
