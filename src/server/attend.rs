//! What the loop does beside serving clients: signals, the log, the service manager.
//!
//! Owns: [`Attendance`], which knows what is to be done and when the loop has to wake for it: for
//! a sign of life that the manager wants, once after a flood of one line, and at once for a line
//! that is to be published. Never for anything else.
//!
//! Never touches a connection.

use std::mem;
use std::time::Duration;

use log::{Log, info, warn};

use super::hub::{Hub, Socket};
use super::log::Logger;
use super::notify::{Manager, Status};
use super::signals::{Request, Signals};
use crate::broker::Broker;
use crate::persistence::Disk;
use crate::time::Time;

/// What signals want of the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// To stop, so often.
    pub(super) stops: usize,
    /// To read the configuration again.
    pub(super) reload: bool,
}

/// The loop's other duties.
pub(super) struct Attendance {
    signals: Option<Signals>,
    /// Whether a signal has come.
    is_called: bool,
    logger: Option<Logger>,
    manager: Option<Manager>,
}

impl Attendance {
    pub(super) fn new(
        signals: Option<Signals>,
        logger: Option<Logger>,
        notifies_manager: bool,
    ) -> Self {
        let manager = if notifies_manager { Manager::from_environment() } else { None };
        Self { signals, is_called: false, logger, manager }
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

    /// A turn of the loop begins.
    pub(super) fn turns(&self) {
        self.logger.iter().for_each(Logger::turns);
    }

    /// Does what signals want, but for what it takes the loop to do.
    pub(super) fn requests<S: Socket, D: Disk>(
        &mut self,
        now: Time,
        hub: &mut Hub<S, D>,
    ) -> Wanted {
        let mut wanted = Wanted::default();
        if !mem::take(&mut self.is_called) {
            return wanted;
        }
        for request in self.signals.as_mut().map(Signals::drain).unwrap_or_default() {
            match request {
                Request::Stop => wanted.stops += 1,
                Request::Reload => wanted.reload = true,
                Request::Reopen => self.reopen(),
                Request::Save if hub.save() => info!("Saving what nobody waits for"),
                Request::Save => info!("There is nothing to save: state is in memory only"),
                Request::Tree => hub.log_subscriptions(now),
            }
        }
        wanted
    }

    /// The loop is about to read the configuration again.
    pub(super) fn reloading(&self) {
        if let Some(manager) = &self.manager {
            manager.reloading();
        }
        self.reopen();
    }

    /// It has, or has tried.
    pub(super) fn reloaded<S: Socket, D: Disk>(&mut self, now: Time, hub: &Hub<S, D>) {
        if let Some(manager) = &mut self.manager {
            manager.ready(now, status(hub.len(), hub.broker()));
        }
    }

    /// Publishes the lines that were logged for it since the last time. What is logged because of
    /// that is not published: it would be the cause of itself.
    pub(super) fn publish<S: Socket, D: Disk>(&self, now: Time, hub: &mut Hub<S, D>) {
        let Some(logger) = &self.logger else { return };
        if !logger.has_topic_lines() {
            return;
        }
        logger.mute_topics(true);
        while let Some(line) = logger.next_topic_line() {
            hub.publish_line(now, line.topic, &line.text);
        }
        logger.mute_topics(false);
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
        let mut log_nap = self.logger.as_ref().and_then(Logger::turned);
        if log_nap == Some(Duration::ZERO) {
            self.logger.iter().for_each(Logger::flush);
            log_nap = None;
        }
        let manager_nap = self.manager.as_mut().and_then(|manager| {
            manager.turned(now, status(connections, broker));
            manager.nap(now)
        });
        let has_lines = self.logger.as_ref().is_some_and(Logger::has_topic_lines);
        let line_nap = has_lines.then_some(Duration::ZERO);
        log_nap.into_iter().chain(manager_nap).chain(line_nap).min()
    }
}

fn status(connections: usize, broker: &Broker) -> Status {
    let (sessions, subscriptions) = (broker.sessions(), broker.subscriptions());
    Status { connections, sessions, subscriptions }
}
