//! Everything that happens in one seed.
//!
//! Owns: the machine, the clients, what is on its way from them to the broker, and the model,
//! which is told of each event before the broker's answer is checked.
//!
//! Never looks at a clock or iterates over a hash map: a seed is a run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mqtt_broker::broker::{ConnId, End, Storage};
use mqtt_broker::codec::Packet;
use mqtt_broker::persistence::PLAUSIBLE_FROM;
use mqtt_broker::rng::Rng;
use mqtt_broker::time::Time;

use super::Tally;
use super::model::Model;
use super::peer::{Peer, Phase};
use super::swarm::{Action, Swarm, pick, weighted};
use crate::machine::{Machine, Said, show};

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) swarm: Swarm,
    pub(super) machine: Machine,
    pub(super) model: Model,
    pub(super) peers: Vec<Peer>,
    /// What clients have sent and the broker has not read.
    pub(super) uplinks: BTreeMap<ConnId, (usize, VecDeque<Packet>)>,
    /// Which session each connection was given.
    sessions: BTreeMap<ConnId, u64>,
    /// The model after each unit that is not durable yet, by the number of records there were.
    pub(super) checkpoints: Vec<(usize, Model)>,
    pub(super) letters: u64,
    pub(super) tally: Tally,
    pub(super) history: VecDeque<String>,
    remembered: usize,
    /// What the broker was last told of storage.
    pub(super) storage: Storage,
    /// How often that has changed.
    pub(super) changes: u64,
}

impl World {
    pub(super) fn new(seed: u64, with_limits: bool, remembered: usize, over_store: bool) -> Self {
        let mut rng = Rng::new(seed);
        let limits = with_limits.then(|| Rng::new(!seed));
        let swarm = Swarm::new(&mut rng, limits, over_store);
        let mut machine = if over_store {
            let begin = *pick(&mut rng, &[Time::from_ms(5000), PLAUSIBLE_FROM]);
            Machine::over_store(swarm.options.clone(), begin, &mut rng)
        } else {
            Machine::new(swarm.options.clone(), rng.next_u64())
        };
        machine.disk.is_slow = swarm.slow_disk;
        machine.disk.is_forgetful = swarm.options.memory_limit > 0;
        let model = Model::new(swarm.options.clone(), machine.now);
        let versions = swarm.versions.iter().enumerate();
        Self {
            peers: versions.map(|(index, version)| Peer::new(index, *version)).collect(),
            checkpoints: vec![(0, model.clone())],
            uplinks: BTreeMap::new(),
            sessions: BTreeMap::new(),
            letters: 0,
            tally: Tally::default(),
            history: VecDeque::new(),
            remembered,
            storage: Storage::Well,
            changes: 0,
            rng,
            swarm,
            machine,
            model,
        }
    }

    pub(super) fn step(&mut self) {
        self.tally.steps += 1;
        let action = weighted(&mut self.rng, &self.swarm.actions);
        match action {
            Action::Uplink => self.uplink(),
            Action::Downlink => self.downlink(),
            Action::Cut => self.cut(),
            Action::Stall => self.stall(),
            Action::Clock => self.pass_some_time(),
            Action::Disk => {
                let units = self.rng.index(4);
                self.machine.disk.finish_units(self.machine.now, units);
                self.forget_checkpoints();
            }
            Action::Storage => self.storage(),
            Action::Crash => self.crash(),
            Action::Idle => self.idle(),
            Action::Stranger => self.stranger(),
            Action::Configure => self.configure(),
            Action::Connect
            | Action::Publish
            | Action::Subscribe
            | Action::Unsubscribe
            | Action::Ping
            | Action::Disconnect
            | Action::Duplicate => self.act(action),
        }
        self.heed_storage();
        if self.rng.chance(1, 100) {
            self.machine.check_replay();
        }
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.history.len() >= self.remembered {
            self.history.pop_front();
        }
        let line = format!("{} {}", self.machine.now, line());
        self.history.push_back(line);
    }

    /// Checks the answer to the event the model was told of.
    pub(super) fn check(&mut self, said: &[Said]) {
        for said in said {
            self.note(|| describe(said));
        }
        self.model.check(said);
        for said in said {
            if let Said::Sent { conn, packet: Packet::ConnAck(answer), .. } = said
                && !answer.reason.is_error()
            {
                self.sessions.insert(*conn, self.model.session_of(*conn));
            }
        }
        if self.machine.disk.is_slow {
            let count = self.machine.disk.records().len();
            if self.checkpoints.last().is_none_or(|(last, _)| *last < count) {
                self.checkpoints.push((count, self.model.clone()));
            }
        }
    }

    /// Only units that may still be lost are of interest, and the last that may not.
    pub(super) fn forget_checkpoints(&mut self) {
        let safe = self.machine.disk.safe();
        let first = self.checkpoints.partition_point(|(count, _)| *count < safe);
        self.checkpoints.drain(..first);
    }

    pub(super) fn open(&mut self, client: usize) -> ConnId {
        self.open_at(client, self.swarm.listeners[client])
    }

    pub(super) fn open_at(&mut self, client: usize, listener: u16) -> ConnId {
        let (conn, said) = self.machine.open(listener);
        self.tally.connections += 1;
        self.note(|| format!("client-{client} opens {conn:?}"));
        self.model.opened(self.machine.now, conn, client, listener);
        self.check(&said);
        self.uplinks.insert(conn, (client, VecDeque::new()));
        conn
    }

    pub(super) fn send(&mut self, conn: ConnId, packet: Packet) {
        let (_, uplink) = self.uplinks.get_mut(&conn).expect("an open connection");
        uplink.push_back(packet);
    }

    fn uplink(&mut self) {
        let ready: Vec<ConnId> = self
            .uplinks
            .iter()
            .filter(|(conn, (_, packets))| !packets.is_empty() && !self.machine.is_held(**conn))
            .map(|(conn, _)| *conn)
            .collect();
        if !ready.is_empty() {
            let conn = ready[self.rng.index(ready.len())];
            self.uplink_of(conn);
        }
    }

    /// The next packet of a connection reaches the broker.
    pub(super) fn uplink_of(&mut self, conn: ConnId) {
        let (client, uplink) = self.uplinks.get_mut(&conn).expect("an open connection");
        let (client, Some(packet)) = (*client, uplink.pop_front()) else { return };
        self.note(|| format!("client-{client} {conn:?} says {packet:?}"));
        let said = self.machine.receive(conn, &packet);
        self.model.received(self.machine.now, conn, &packet, &said);
        self.check(&said);
    }

    fn reads(&self, conn: ConnId) -> bool {
        let (client, _) = self.uplinks[&conn];
        !self.peers[client].is_stalled
    }

    fn downlink(&mut self) {
        let ready: Vec<ConnId> = self
            .uplinks
            .keys()
            .copied()
            .filter(|conn| {
                self.machine.has_output(*conn) && self.reads(*conn) || self.machine.is_spent(*conn)
            })
            .collect();
        if !ready.is_empty() {
            let conn = ready[self.rng.index(ready.len())];
            let most = 1 + self.rng.index(4);
            self.downlink_of(conn, most);
        }
    }

    /// What may leave on a connection leaves.
    pub(super) fn downlink_of(&mut self, conn: ConnId, most: usize) {
        if self.reads(conn) {
            let (packets, room) = self.machine.flush(conn, most);
            let part = self.rng.index(room + 1);
            for bytes in [part, room - part].into_iter().filter(|bytes| *bytes > 0) {
                self.model.written(self.machine.now, conn, bytes);
                let said = self.machine.written(conn, bytes);
                self.check(&said);
            }
            for packet in packets {
                self.arrive(conn, &packet);
            }
        }
        if self.machine.is_spent(conn) {
            self.hang_up(conn, End::Local);
        }
    }

    fn arrive(&mut self, conn: ConnId, packet: &Packet) {
        let (client, _) = self.uplinks[&conn];
        let refuses = self.swarm.refusals && self.rng.chance(1, 10);
        let peer = &mut self.peers[client];
        if peer.conn != Some(conn) {
            return;
        }
        let refuses = refuses && peer.version == mqtt_broker::codec::Version::V5;
        if let (Packet::ConnAck(answer), Some(session)) = (packet, self.sessions.get(&conn))
            && !answer.reason.is_error()
        {
            peer.meet(*session);
        }
        let answers = peer.receive(packet, refuses);
        if peer.phase == Phase::Leaving {
            return;
        }
        for answer in answers {
            self.send(conn, answer);
        }
    }

    /// A connection is gone.
    pub(super) fn hang_up(&mut self, conn: ConnId, end: End) {
        let (client, _) = self.uplinks.remove(&conn).expect("an open connection");
        self.note(|| format!("client-{client} {conn:?} is gone: {end:?}"));
        if self.peers[client].conn == Some(conn) {
            self.peers[client].loses_connection();
        }
        self.model.closed(self.machine.now, conn);
        let said = self.machine.close(conn, end);
        self.check(&said);
    }

    fn cut(&mut self) {
        let conns: Vec<ConnId> = self.uplinks.keys().copied().collect();
        if !conns.is_empty() {
            let conn = conns[self.rng.index(conns.len())];
            self.hang_up(conn, End::Broken);
        }
    }

    fn stall(&mut self) {
        let client = self.rng.index(self.peers.len());
        self.peers[client].is_stalled ^= true;
    }

    fn pass_some_time(&mut self) {
        let leap = if self.rng.chance(1, 30) { self.swarm.leap * 60 } else { self.swarm.leap };
        let ms = self.rng.below(leap);
        self.pass(ms);
    }

    /// Time passes, deadline by deadline.
    pub(super) fn pass(&mut self, ms: u64) {
        let until = self.machine.now.plus_ms(ms);
        while self.machine.now < until {
            self.tick(until);
        }
    }

    fn tick(&mut self, until: Time) {
        let due = self.machine.broker.deadline().filter(|due| *due <= until);
        let now = due.unwrap_or(until).max(self.machine.now);
        if due.is_some() {
            // Of two that are due at once one gets the other's Will or not, as the order is. Who
            // is first is the broker's choice, so the others go before.
            let links = self.model.due_conns(now);
            if links.len() > 1 {
                let others: BTreeSet<&ConnId> = links[1..].iter().collect();
                return others.into_iter().for_each(|conn| self.hang_up(*conn, End::Broken));
            }
            self.note(|| format!("it is {now}"));
            self.model.ticked(now);
        }
        let said = self.machine.tick(until);
        assert_eq!(self.machine.now, now);
        self.check(&said);
    }

    fn idle(&mut self) {
        let client = self.rng.index(self.peers.len());
        if self.is_served(client) {
            self.open(client);
        }
    }

    /// Everything on its way arrives, and everything that follows.
    pub(super) fn run_dry(&mut self) {
        for _ in 0..100_000 {
            let conns: Vec<ConnId> = self.uplinks.keys().copied().collect();
            let mut is_dry = true;
            for conn in conns {
                // One that was held when it was closed is not read from again.
                let is_held = self.machine.is_held(conn);
                let is_limited = self.swarm.is_limited();
                assert!(
                    !is_held || is_limited || self.machine.is_closing(conn),
                    "nobody is held for nothing"
                );
                let has_more = |(_, packets): &(usize, VecDeque<Packet>)| !packets.is_empty();
                while self.uplinks.get(&conn).is_some_and(has_more) && !self.machine.is_held(conn) {
                    self.uplink_of(conn);
                    is_dry = false;
                }
                if self.machine.has_output(conn) || self.machine.is_spent(conn) {
                    self.downlink_of(conn, usize::MAX);
                    is_dry = false;
                }
            }
            if is_dry {
                let held = self
                    .uplinks
                    .iter()
                    .any(|(conn, (_, packets))| !packets.is_empty() && self.machine.is_held(*conn));
                // What one go did not reach goes on by a timer, and so does who is held.
                let soon = self.machine.now.plus_ms(2);
                match self.machine.broker.deadline() {
                    Some(due) if held && due > soon => {
                        self.pass(due.ms_since(self.machine.now));
                    }
                    Some(due) if due <= soon => self.pass(2),
                    _ if held => panic!("somebody is held for ever"),
                    _ => return,
                }
            }
        }
        panic!("it never comes to rest");
    }
}

fn describe(said: &Said) -> String {
    match said {
        Said::Recorded(number, _) => format!("  record {}", number.0),
        Said::Sent { conn, packet, after } => format!("  {conn:?} {} ({after:?})", show(packet)),
        Said::Delivered { target, publish } => {
            let line = show(&Packet::Publish(publish.clone()));
            format!("  {:?} {line} ({:?})", target.conn, target.after)
        }
        Said::Online | Said::Held { .. } | Said::Closing { .. } | Said::Aborted { .. } => {
            format!("  {said:?}")
        }
    }
}
