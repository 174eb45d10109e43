//! The files that say who may come in and what he may do.
//!
//! ```text
//! password_file, acl_file -- read once each --> Tables -- by listener --> AccessControl
//! ```
//!
//! Owns: how these files are found and read, and what an operator is told of files that others
//! can read or write. Everything is read before anything is used; what is wrong with any of it is
//! told as a whole.
//!
//! Never looks inside: `auth` does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::files::Disk;
use super::gateway::exposed;
use crate::auth::{self, AccessControl, Acl, ListenerAccess, Passwords};
use crate::config::{Config, Listener, Problem};

/// Passwords and rules, by the path that a configuration gives them.
#[derive(Debug, Default)]
pub struct Tables {
    passwords: BTreeMap<String, Arc<Passwords>>,
    acls: BTreeMap<String, Arc<Acl>>,
    /// What the operator should know of them.
    pub warnings: Vec<Problem>,
}

/// The files that `config` names.
pub(super) fn files(config: &Config, disk: &Disk) -> Vec<PathBuf> {
    let both = config.listeners.iter().flat_map(|one| [&one.password_file, &one.acl_file]);
    let paths = both.flatten();
    paths.filter_map(|path| disk.place(path).ok()).collect()
}

/// What nobody may know: it makes up what must look like the answer to a name that exists.
pub(super) type Secret = [u8; 32];

/// A secret that nobody can guess.
///
/// # Errors
/// If the system has none to give.
pub(super) fn secret() -> Result<Secret, String> {
    let mut secret = [0; 32];
    match getrandom::fill(&mut secret) {
        Ok(()) => Ok(secret),
        Err(error) => Err(format!("the system gives no random numbers: {error}")),
    }
}

impl Tables {
    /// Reads every file that `config` names.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn read(config: &Config, disk: &Disk) -> Result<Self, Vec<String>> {
        let mut tables = Self::default();
        let mut problems = Vec::new();
        for listener in &config.listeners {
            if let Some(path) = &listener.password_file
                && !tables.passwords.contains_key(path)
            {
                let read = tables.bytes(path, listener, disk);
                match read.and_then(|bytes| told(Passwords::parse(path, &bytes))) {
                    Ok(passwords) => {
                        tables.passwords.insert(path.clone(), Arc::new(passwords));
                    }
                    Err(mut all) => problems.append(&mut all),
                }
            }
            if let Some(path) = &listener.acl_file
                && !tables.acls.contains_key(path)
            {
                let read = tables.bytes(path, listener, disk);
                // Where the rules are hashed to is no secret: peers do not choose them.
                match read.and_then(|bytes| told(Acl::parse(path, &bytes, ACL_SEED))) {
                    Ok((acl, notes)) => {
                        tables.warnings.extend(notes.into_iter().map(shown));
                        tables.acls.insert(path.clone(), Arc::new(acl));
                    }
                    Err(mut all) => problems.append(&mut all),
                }
            }
            tables.warn_of_names(listener);
        }
        tables.warnings.append(&mut exposed(config.listeners.iter(), disk));
        problems.dedup();
        if problems.is_empty() { Ok(tables) } else { Err(problems) }
    }

    fn bytes(
        &mut self,
        path: &str,
        listener: &Listener,
        disk: &Disk,
    ) -> Result<Vec<u8>, Vec<String>> {
        let bytes = disk.read_up_to(path, auth::FILE_MAX).map_err(|what| {
            let colon = if listener.origin.is_empty() { "" } else { ": " };
            vec![format!("{}{colon}{path}: cannot read it: {what}", listener.origin)]
        })?;
        if let Some(what) = disk.exposure(path) {
            self.warnings.push(Problem { file: path.into(), line: 0, what });
        }
        Ok(bytes)
    }

    /// Rules for names are worth little where everybody may take any name.
    fn warn_of_names(&mut self, listener: &Listener) {
        let acl = listener.acl_file.as_ref().and_then(|path| self.acls.get(path));
        let names_users = acl.is_some_and(|acl| acl.names_users());
        if let Some(path) = listener.acl_file.as_ref().filter(|_| names_users)
            && listener.allow_anonymous
            && listener.password_file.is_none()
            && listener.certificate_name().is_none()
        {
            let what = format!(
                "it has rules for users, but on {} everybody may take any user name; add a \
                 password_file",
                listener.address
            );
            self.warnings.push(Problem { file: path.clone(), line: 0, what });
        }
    }

    /// What holds for the listeners, by their numbers.
    pub(super) fn control(
        &self,
        listeners: &[Option<Listener>],
        checks_retained: bool,
        secret: Secret,
    ) -> AccessControl {
        let access = |listener: &Listener| ListenerAccess {
            certificate_name: listener.certificate_name(),
            allow_anonymous: listener.allow_anonymous,
            // What a configuration names and nobody has read lets in nobody.
            passwords: listener
                .password_file
                .as_ref()
                .map(|path| self.passwords.get(path).cloned().unwrap_or_default()),
            acl: listener
                .acl_file
                .as_ref()
                .map(|path| self.acls.get(path).cloned().unwrap_or_default()),
        };
        let listeners = listeners.iter().map(|listener| listener.as_ref().map(access)).collect();
        AccessControl::new(listeners, secret).check_retained(checks_retained)
    }
}

fn told<T>(read: Result<T, Vec<auth::Problem>>) -> Result<T, Vec<String>> {
    read.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn shown(problem: auth::Problem) -> Problem {
    Problem { file: problem.file, line: problem.line, what: problem.what }
}

const ACL_SEED: u64 = 0x616c_6c6f;
