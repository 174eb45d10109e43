//! Going by another configuration, or by other files that it names.
//!
//! Owns: the order in which the parts of a running server take up what was read: all of it, or
//! none.
//!
//! Never reads a file itself.

use std::sync::Arc;

use log::{error, info};
use mio::Registry;

use super::super::ServerConfig;
use super::super::change::Change;
use super::super::gateway::Gateways;
use super::{Bounds, Running, options};
use crate::broker::Options;
use crate::time::Time;

impl Running {
    /// Watches the files that are in use.
    pub(super) fn watch(&mut self, registry: &Registry) {
        let Some(reloader) = &self.reloader else { return };
        self.certificates.set(registry, reloader.certificates());
        self.rights.set(registry, reloader.rights());
    }

    /// Reads files again that have changed, and goes by them if they can be used.
    pub(super) fn see_to_files(&mut self, now: Time) {
        let (certificates, rights) =
            (self.certificates.have_changed(now), self.rights.have_changed(now));
        let Some(reloader) = &mut self.reloader else { return };
        if self.stop_by.is_some() {
            return; // Nobody comes in any more.
        }
        if certificates {
            self.gateways.renew(reloader.listeners());
            let mut options = self.hub.broker().options().clone();
            note_ends(&mut options, &self.gateways);
            self.hub.configure(now, options, None);
        }
        if !rights {
            return;
        }
        match reloader.renew_rights() {
            Ok((authority, changes)) => {
                let options = self.hub.broker().options().clone();
                self.hub.configure(now, options, Some(Box::new(authority)));
                match changes {
                    0 => info!("Passwords and rights read again: nothing has changed"),
                    count => info!("Passwords and rights read again: {count} changes"),
                }
            }
            Err(problems) => {
                problems.iter().for_each(|problem| error!("{problem}"));
                error!("Passwords and rights cannot be used as they are now; those before go on");
            }
        }
    }

    /// Reads the configuration again and goes by it, if all of it can be had.
    pub(super) fn reload(&mut self, now: Time, registry: &Registry) {
        if self.stop_by.is_some() {
            return info!("The configuration is not read again: the broker is stopping");
        }
        self.attendance.reloading();
        match self.renew(now, registry) {
            Ok(()) => {}
            Err(problems) => {
                for problem in &problems {
                    error!("{problem}");
                }
                error!(
                    "The configuration cannot be used, {} errors; the one before goes on",
                    problems.len()
                );
            }
        }
        self.attendance.reloaded(now, &self.hub);
    }

    fn renew(&mut self, now: Time, registry: &Registry) -> Result<(), Vec<String>> {
        let Self { reloader, doors, opener, hub, gateways, certificates, rights, .. } = self;
        let Some(reloader) = reloader else {
            info!("There is no configuration to read again");
            return Ok(());
        };
        certificates.collect(now);
        rights.collect(now);
        let mut renewal = reloader.read()?;
        let ServerConfig { listeners, no_delay, .. } = &renewal.plan.config;
        let mut problems = std::mem::take(&mut renewal.problems);
        let change = match Change::prepare(doors, opener, registry, listeners, *no_delay) {
            Ok(change) if problems.is_empty() => change,
            Ok(change) => {
                change.undo(doors, opener, registry);
                return Err(problems);
            }
            Err(refusals) => {
                problems.extend(refusals.into_iter().map(|refusal| refusal.what));
                return Err(problems);
            }
        };
        let (plan, mut changes) = reloader.adopt(renewal);
        changes = changes.max(change.len());
        change.adopt(doors, registry);
        let mut config = plan.config;
        gateways.adopt(&config.listeners);
        certificates.settle();
        rights.settle();
        self.bounds = Bounds::of(&config);
        doors.set_rate(config.max_connection_rate);
        hub.limit_addresses(self.bounds.address);
        let mut options = options(&mut config);
        note_ends(&mut options, gateways);
        hub.configure(now, options, Some(Box::new(plan.authority)));
        self.watch(registry);
        match changes {
            0 => info!("Configuration read again: nothing has changed"),
            count => info!("Configuration read again: {count} changes"),
        }
        Ok(())
    }
}

/// Notes when the certificates end that listeners show.
pub(super) fn note_ends(options: &mut Options, gateways: &Gateways) {
    for (listener, end) in options.listeners.iter_mut().zip(gateways.ends()) {
        if let Some(listener) = listener
            && listener.certificate_end != end
        {
            Arc::make_mut(listener).certificate_end = end;
        }
    }
}
