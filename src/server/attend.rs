//! What the loop does beside serving clients: signals, the log, the service manager.
//!
//! Owns: [`Attendance`], which knows what is to be done and when the loop has to wake for it: for
//! a sign of life that the manager wants, and once after a flood of one line. Never for anything
//! else.
//!
//! Never touches a connection.

use std::mem;
use std::time::Duration;

use log::{Log, info, warn};

use super::hub::{Hub, Socket};
use super::log::Logger;
use super::notify::{Manager, Status};
use super::signals::{Request, Signals};
use crate::broker::{Broker, Options};
use crate::persistence::Disk;
use crate::time::Time;

/// Reads the configuration again; `None` if the old one goes on, because nothing has changed or
/// because the new one cannot be used. It says so itself.
pub type Reload = Box<dyn FnMut() -> Option<Options> + Send>;

/// The loop's other duties.
pub(super) struct Attendance {
    signals: Option<Signals>,
    /// Whether a signal has come.
    is_called: bool,
    logger: Option<Logger>,
    reload: Option<Reload>,
    manager: Option<Manager>,
}

impl Attendance {
    pub(super) fn new(
        signals: Option<Signals>,
        logger: Option<Logger>,
        reload: Option<Reload>,
        notifies_manager: bool,
    ) -> Self {
        let manager = if notifies_manager { Manager::from_environment() } else { None };
        Self { signals, is_called: false, logger, reload, manager }
    }

    /// The loop begins; how long it may sleep.
    pub(super) fn ready(&mut self, now: Time, broker: &Broker) -> Option<Duration> {
        if let Some(manager) = &mut self.manager {
            manager.ready(now, status(0, broker));
        }
        self.turned(now, 0, broker)
    }

    /// The loop lets everybody go.
    pub(super) fn stopping(&self) {
        if let Some(manager) = &self.manager {
            manager.stopping();
        }
    }

    /// A signal has come.
    pub(super) const fn notice(&mut self) {
        self.is_called = true;
    }

    /// Does what signals want; how often they want it to stop.
    pub(super) fn requests<S: Socket, D: Disk>(&mut self, now: Time, hub: &mut Hub<S, D>) -> usize {
        if !mem::take(&mut self.is_called) {
            return 0;
        }
        let requests = self.signals.as_mut().map(Signals::drain).unwrap_or_default();
        let mut stops = 0;
        for request in requests {
            match request {
                Request::Stop => stops += 1,
                Request::Reload => self.reload(now, hub),
                Request::Reopen => self.reopen(),
                Request::Save if hub.save() => info!("Saving what nobody waits for"),
                Request::Save => info!("There is nothing to save: state is in memory only"),
                Request::Tree => hub.broker().log_subscriptions(),
            }
        }
        stops
    }

    fn reload<S: Socket, D: Disk>(&mut self, now: Time, hub: &mut Hub<S, D>) {
        if let Some(manager) = &self.manager {
            manager.reloading();
        }
        self.reopen();
        match &mut self.reload {
            None => info!("There is no configuration to read again"),
            Some(reload) => {
                if let Some(options) = reload() {
                    hub.configure(now, options, None);
                }
            }
        }
        if let Some(manager) = &mut self.manager {
            manager.ready(now, status(hub.len(), hub.broker()));
        }
    }

    fn reopen(&self) {
        let Some(logger) = &self.logger else { return };
        match logger.reopen() {
            Ok(()) => info!("Log files opened anew"),
            Err(errors) => errors.iter().for_each(|error| warn!("{error}")),
        }
    }

    /// The loop has turned: what is due is done; how long it may sleep.
    pub(super) fn turned(
        &mut self,
        now: Time,
        connections: usize,
        broker: &Broker,
    ) -> Option<Duration> {
        let mut log_nap = self.logger.as_ref().and_then(Logger::due_in);
        if log_nap == Some(Duration::ZERO) {
            self.logger.iter().for_each(Logger::flush);
            log_nap = None;
        }
        let manager_nap = self.manager.as_mut().and_then(|manager| {
            manager.turned(now, status(connections, broker));
            manager.nap(now)
        });
        log_nap.into_iter().chain(manager_nap).min()
    }
}

fn status(connections: usize, broker: &Broker) -> Status {
    let (sessions, subscriptions) = (broker.sessions(), broker.subscriptions());
    Status { connections, sessions, subscriptions }
}
