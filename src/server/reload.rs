//! Reading the configuration again, or only the files of passwords and rights that it names.
//!
//! ```text
//! read      the file, names, log files       nothing is changed yet
//! Change    new listening sockets            nothing is changed yet (change.rs)
//! adopt     hub, broker, log, sockets        nothing can fail any more
//! ```
//!
//! Owns: [`Reloader`], which knows what is in force and what the file says now. Whatever is wrong,
//! all of it is told, and what was in force goes on.
//!
//! Never touches a connection.

use std::path::PathBuf;

use log::{info, warn};

use super::access::{self, Secret};
use super::command::CommandLine;
use super::configured::Plan;
use super::gateway;
use super::log::{Logger, Owner, Prepared};
use crate::auth::AccessControl;
use crate::config::{Config, Listener, Problem, Reading, differences};

/// Reads a configuration again.
#[derive(Debug)]
pub(super) struct Reloader {
    command: CommandLine,
    logger: Logger,
    /// Whom new files are given to.
    owner: Option<Owner>,
    /// What is in force.
    config: Config,
    /// The listeners by their numbers.
    listeners: Vec<Option<Listener>>,
    access: AccessControl,
    secret: Secret,
}

/// A configuration that could be read.
pub(super) struct Renewal {
    pub(super) plan: Plan,
    config: Config,
    warnings: Vec<Problem>,
    /// The log, if it is another.
    log: Option<Prepared>,
    /// What cannot be had of it beside sockets.
    pub(super) problems: Vec<String>,
}

impl Reloader {
    /// One for a server that goes by `config`, with the listeners of `plan`.
    pub(super) fn new(
        command: CommandLine,
        logger: Logger,
        owner: Option<Owner>,
        (config, listeners): (Config, Vec<Option<Listener>>),
        (access, secret): (AccessControl, Secret),
    ) -> Self {
        Self { command, logger, owner, config, listeners, access, secret }
    }

    /// The listeners in force, by their numbers.
    pub(super) fn listeners(&self) -> &[Option<Listener>] {
        &self.listeners
    }

    /// The files of certificates that are in use.
    pub(super) fn certificates(&self) -> Vec<PathBuf> {
        gateway::files(&self.listeners, self.command.disk())
    }

    /// The files of passwords and rights that are in use.
    pub(super) fn rights(&self) -> Vec<PathBuf> {
        access::files(&self.config, self.command.disk())
    }

    /// Reads passwords and rights and goes by them from now on: who decides then, and how much is
    /// different.
    ///
    /// # Errors
    /// Everything that is wrong with them; then those before stay.
    pub(super) fn renew_rights(&mut self) -> Result<(AccessControl, usize), Vec<String>> {
        let tables = self.command.tables(&self.config)?;
        for warning in &tables.warnings {
            warn!("{warning}");
        }
        let checks_retained = self.config.limits.check_retain_source;
        let new = tables.control(&self.listeners, checks_retained, self.secret);
        let changes = self.access.differences(&new, &|number| self.name(number));
        for change in &changes {
            info!("Configuration: {change}");
        }
        let new = new.after(&self.access);
        self.access = new.clone();
        Ok((new, changes.len()))
    }

    /// What the listener of a number is called.
    fn name(&self, number: usize) -> String {
        let listener = self.listeners.get(number).and_then(Option::as_ref);
        listener.map_or_else(String::new, |listener| listener.address.to_string())
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(&self) -> Result<Renewal, Vec<String>> {
        let Reading { config, mut warnings } = self.command.configuration()?;
        let mut tables = self.command.tables(&config)?;
        warnings.append(&mut tables.warnings);
        let log = if config.log == self.config.log {
            Ok(None)
        } else {
            self.logger.prepare(&config.log).map(Some)
        };
        let (log, mut problems) = match log {
            Ok(log) => (log, Vec::new()),
            Err(problem) => (None, vec![problem]),
        };
        match Plan::new(&config, &self.listeners, self.owner, (&tables, self.secret)) {
            Ok(plan) => Ok(Renewal { plan, config, warnings, log, problems }),
            Err(mut all) => {
                problems.append(&mut all);
                Err(problems)
            }
        }
    }

    /// Goes by what was read from now on, and says what is different. What the server needs of
    /// it, and how many items are different.
    pub(super) fn adopt(&mut self, renewal: Renewal) -> (Plan, usize) {
        let Renewal { mut plan, config, warnings, log, .. } = renewal;
        if let Some(log) = log {
            self.logger.adopt(log);
        }
        for warning in &warnings {
            warn!("{warning}");
        }
        let mut changes = differences(&self.config, &config);
        let name = |number| self.name(number);
        changes.append(&mut self.access.differences(&plan.authority, &name));
        plan.authority = plan.authority.after(&self.access);
        self.access = plan.authority.clone();
        for change in &changes {
            info!("Configuration: {change}");
        }
        self.config = config;
        self.listeners = std::mem::take(&mut plan.listeners);
        (plan, changes.len())
    }
}
