//! What the broker hears of that does not come from a connection.
//!
//! Owns: the way of the process's own affairs to the broker: its begin and end, its configuration,
//! its log, and what its operator wants to see.
//!
//! Never decides anything.

use crate::broker::{Event, Options};
use crate::persistence::Disk;
use crate::session::Authority;
use crate::time::Time;

use super::perform::limits;
use super::{Hub, Socket};

impl<S: Socket, D: Disk> Hub<S, D> {
    /// The configuration was read again: hub and broker go by the new one.
    pub fn configure(
        &mut self,
        now: Time,
        options: Options,
        authority: Option<Box<dyn Authority>>,
    ) {
        self.limits = limits(&options);
        self.flush_from = options.room as usize / 2;
        self.tell(now, Event::Configured { options: Box::new(options), authority });
    }

    /// The process begins: the broker counts the time from now on.
    pub fn begin(&mut self, now: Time) {
        self.broker.begin(now);
    }

    /// Begins to log who subscribes to what.
    pub fn log_subscriptions(&mut self, now: Time) {
        self.broker.log_subscriptions(now);
    }

    /// Counts what waits to be written, if the broker is about to publish how much it is.
    pub(super) fn count_waiting(&self, now: Time) {
        if self.broker.is_about_to_publish(now) {
            let waiting = self.connections.iter().map(|(_, it)| it.output.packets());
            self.broker.traffic().wait(waiting.sum());
        }
    }

    /// Publishes a line of the log.
    pub fn publish_line(&mut self, now: Time, topic: &str, text: &[u8]) {
        self.tell(now, Event::Logged { topic, text });
    }

    /// The process is about to end: the broker says so to its clients.
    pub fn stop(&mut self, now: Time) {
        self.tell(now, Event::Stopping);
    }
}
