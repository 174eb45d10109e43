//! Clients that do not read, do not answer, or are not read from.
//!
//! Owns: what a test says of them and asks. What a client sends while it is held stays unread
//! until it is not.
//!
//! Never decides who is held.

use mqtt_broker::broker::Options;
use mqtt_broker::codec::{Packet, Publish};
use mqtt_broker::metrics::Refusal;

use super::World;
use super::words::qos;

impl World {
    /// A client stops acknowledging.
    pub(super) fn silence(&mut self, name: &str) {
        self.people.entry(name.into()).or_default().is_silent = true;
    }

    /// A client acknowledges again, from now on.
    pub(super) fn answer(&mut self, name: &str) {
        self.people.get_mut(name).unwrap().is_silent = false;
    }

    /// A client takes nothing from its socket any more.
    pub(super) fn stall(&mut self, name: &str) {
        self.people.entry(name.into()).or_default().is_stalled = true;
    }

    /// A client takes everything again.
    pub(super) fn unstall(&mut self, name: &str) {
        self.people.get_mut(name).unwrap().is_stalled = false;
        self.settle(Vec::new());
    }

    /// Whether the broker does not read from a client.
    pub(super) fn is_held(&self, name: &str) -> bool {
        self.machine.is_held(self.conn(name))
    }

    /// How many packets of a client the broker has not read.
    pub(super) fn unread(&self, name: &str) -> usize {
        self.people[name].unread.len()
    }

    /// The configuration is read again, and limits nothing any more.
    pub(super) fn lift(&mut self) {
        self.configure(Options::default());
    }

    pub(super) fn configure(&mut self, options: Options) {
        let said = self.machine.configure(options);
        self.settle(said);
    }

    /// Sends a PUBLISH and leaves its acknowledgement to be heard.
    pub(super) fn say(&mut self, name: &str, mut publish: Publish, level: u8) {
        publish.qos = qos(level);
        publish.packet_id = (level > 0).then(|| self.next_id(name));
        self.send(name, &Packet::Publish(publish));
    }

    pub(super) fn refusals(&self, what: Refusal) -> u64 {
        self.machine.broker.counters().refusals(what)
    }
}
