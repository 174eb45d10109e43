//! Another configuration while everything goes on, and the end of all faults.
//!
//! Owns: reconfiguration, listeners that go and come back, strangers, healing.
//!
//! Never changes what a client may believe of its connection.

use mqtt_broker::broker::{End, Options, Overflow, Storage};
use mqtt_broker::codec::{Connect, Packet, Version};

use super::swarm::reconfigured;
use super::world::World;

impl World {
    /// Whether a client finds its listener.
    pub(super) fn is_served(&self, client: usize) -> bool {
        self.machine.options().listener(self.swarm.listeners[client]).is_some()
    }

    /// Somebody speaks what is not spoken at the second listener.
    pub(super) fn stranger(&mut self) {
        if self.machine.options().listener(1).is_none() {
            return;
        }
        let client = self.rng.index(self.peers.len());
        let conn = self.open_at(client, 1);
        self.send(conn, Packet::Connect(Connect::new("stranger").version(Version::V31)));
    }

    /// The configuration is read again.
    pub(super) fn configure(&mut self) {
        let options = reconfigured(&mut self.rng, &self.swarm);
        // Of two that are sent away at once one gets the other's Will or not, as the order is.
        for conn in self.model.at_gone_listeners(&options).into_iter().skip(1) {
            self.hang_up(conn, End::Broken);
        }
        self.configure_as(options);
    }

    fn configure_as(&mut self, options: Options) {
        self.note(|| format!("configured: {options:?}"));
        self.model.configured(self.machine.now, &options);
        let said = self.machine.configure(options);
        self.check(&said);
    }

    /// No more faults: everybody connects, reads and answers, until nothing is left to do.
    pub(super) fn heal(&mut self) {
        self.note(|| "heal".into());
        self.machine.disk.is_slow = false;
        self.machine.disk.finish(self.machine.now);
        self.set_storage(Storage::Well);
        // Nobody is disconnected any more for what he is sent, and everybody may come.
        let mut options = self.machine.options().clone();
        options.listeners.clone_from(&self.swarm.options.listeners);
        // Who waits for a queue or for his rate goes on without that.
        if options.overflow != Overflow::Refuse {
            (options.max_queued_messages, options.max_queued_bytes) = (0, 0);
        }
        options.memory_limit = 0;
        // And a broker that looks at itself never comes to rest.
        options.sys_interval = 0;
        self.configure_as(options);
        for client in 0..self.peers.len() {
            self.peers[client].is_stalled = false;
        }
        self.run_dry();
        // Of those whose time is up at once all but one are cut, which may take a few goes.
        for round in 0..HEALING_MAX {
            for client in 0..self.peers.len() {
                if round == 0 || self.peers[client].conn.is_none() {
                    self.reconnect(client);
                }
            }
            self.run_dry();
            if self.peers.iter().all(|peer| peer.conn.is_some()) {
                break;
            }
        }
        // Sessions that went on where another had begun to limit them.
        for client in 0..self.peers.len() {
            assert!(self.peers[client].is_idle(), "client-{client} awaits: {:?}", self.peers);
        }
        self.model.check_settled(self.swarm.packet_limits);
    }
}

/// How often everybody connects again at the end.
const HEALING_MAX: usize = 200;
