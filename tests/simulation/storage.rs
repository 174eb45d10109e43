//! Storage that falls behind, fails, and loses what was not durable.
//!
//! Owns: what the broker is told of storage, and the end of a process.
//!
//! Never loses what the broker could rely on.

use mqtt_broker::broker::Storage;
use mqtt_broker::persistence::PLAUSIBLE_FROM;
use mqtt_broker::time::Time;

use super::swarm::pick;
use super::world::World;

impl World {
    pub(super) fn storage(&mut self) {
        if let Some(vault) = self.machine.disk.vault() {
            if self.swarm.troubles {
                let trouble = vault.trouble();
                self.note(|| format!("the medium: {trouble:?}"));
            }
            return;
        }
        self.changes += 1;
        self.set_storage(match self.changes % 4 {
            1 => Storage::Behind,
            3 => Storage::Failed,
            _ => Storage::Well,
        });
    }

    /// The broker is told how the real store is.
    pub(super) fn heed_storage(&mut self) {
        if let Some(state) = self.machine.disk.state()
            && state != self.storage
        {
            self.set_storage(state);
        }
    }

    pub(super) fn set_storage(&mut self, state: Storage) {
        self.storage = state;
        self.note(|| format!("storage is {state:?}"));
        self.model.storage(self.machine.now, state);
        let said = self.machine.storage(state);
        self.check(&said);
    }

    /// The process ends; what was not durable may be lost, unit by unit from the end.
    pub(super) fn crash(&mut self) {
        self.forget_checkpoints();
        let mut place = self.rng.index(self.checkpoints.len());
        if self.machine.disk.vault().is_some() {
            let leaps = [0, 0, 1000, 86_400_000, 10 * 365 * 86_400_000];
            let leap = *pick(&mut self.rng, &leaps);
            let wall = match self.rng.index(4) {
                0 => Time::from_ms(leap),
                1 => PLAUSIBLE_FROM.plus_ms(leap),
                _ => self.machine.now.plus_ms(leap),
            };
            let (count, now) = self.machine.lose_power(wall);
            self.machine.now = now;
            let found = self.checkpoints.iter().position(|(there, _)| *there == count);
            place = found.expect("what is left are whole events, and all that were durable");
        }
        let (count, model) = self.checkpoints[place].clone();
        self.tally.crashes += 1;
        self.tally.dropped += self.machine.broker.counters().dropped_in_all();
        self.note(|| format!("crash: {count} records left"));
        self.uplinks.clear();
        self.storage = Storage::Well;
        for peer in &mut self.peers {
            peer.loses_connection();
        }
        let lost = std::mem::replace(&mut self.model, model);
        self.model.crashed(self.machine.now, &lost);
        let said = self.machine.crash(count);
        self.checkpoints.truncate(place + 1);
        self.check(&said);
        self.checkpoints.drain(..place);
    }
}
