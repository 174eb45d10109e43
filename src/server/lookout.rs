//! Files that the loop keeps an eye on.
//!
//! Owns: [`Lookout`], which puts a [`Watch`] into the loop's poll: what the poll has seen of it,
//! and whether something of the files is to be read again. One for each kind of file, so that a
//! change of one kind is no reason to read the others.
//!
//! Never reads a file.

use std::path::PathBuf;
use std::time::Duration;

use log::warn;
use mio::{Registry, Token};

use super::watch::Watch;
use crate::time::Time;

/// Files of one kind.
#[derive(Debug)]
pub(super) struct Lookout {
    /// What the kind is called, in the plural.
    what: &'static str,
    token: Token,
    /// Absent as long as there are no files.
    watch: Option<Watch>,
    /// The poll has seen something of the watch.
    is_called: bool,
}

impl Lookout {
    /// Keeps an eye on nothing yet.
    pub(super) const fn new(what: &'static str, token: Token) -> Self {
        Self { what, token, watch: None, is_called: false }
    }

    /// Watches these files from now on.
    pub(super) fn set(&mut self, registry: &Registry, paths: Vec<PathBuf>) {
        let outcome = match &mut self.watch {
            None if paths.is_empty() => Ok(()),
            Some(watch) => watch.set(paths),
            None => Watch::new().and_then(|mut watch| {
                watch.register(registry, self.token)?;
                let outcome = watch.set(paths);
                self.watch = Some(watch);
                outcome
            }),
        };
        if let Err(error) = outcome {
            self.complain(&error);
        }
    }

    /// The poll has seen something.
    pub(super) const fn notice(&mut self) {
        self.is_called = true;
    }

    /// Whether files have changed and are to be read again.
    pub(super) fn have_changed(&mut self, now: Time) -> bool {
        let Some(watch) = &mut self.watch else { return false };
        if std::mem::take(&mut self.is_called) {
            watch.notice(now);
        }
        watch.has_changed(now).unwrap_or_else(|error| {
            self.complain(&error);
            true
        })
    }

    /// Everything is about to be read anyway: what has changed up to now is part of that.
    pub(super) fn collect(&mut self, now: Time) {
        if let Some(watch) = &mut self.watch {
            watch.notice(now);
        }
    }

    /// Everything was read: what was [collected](Self::collect) is no news any more.
    pub(super) const fn settle(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.forget();
        }
    }

    /// How long there is nothing to do; `None` until the poll reports something.
    pub(super) fn nap(&self, now: Time) -> Option<Duration> {
        self.watch.as_ref()?.nap(now)
    }

    fn complain(&self, error: &std::io::Error) {
        warn!("Changed {} are seen at SIGHUP only: {error}", self.what);
    }
}
