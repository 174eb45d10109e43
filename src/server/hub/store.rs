//! The commit phase, and what comes before the first turn.
//!
//! Owns: when outputs learn what is durable, and the way of stored records into the broker.
//!
//! Never decides when records are made durable: storage does.

use std::mem;
use std::rc::Rc;

use crate::broker::Event;
use crate::metrics::Gauge;
use crate::persistence::{Corrupt, Disk, Record, Seq};
use crate::time::Time;

use super::{Flags, Hub, Socket};

impl<S: Socket, D: Disk> Hub<S, D> {
    /// Takes a record of an earlier run, in order, before the first turn.
    ///
    /// # Errors
    /// If it does not fit the ones before it.
    pub fn replay(&mut self, record: Record) -> Result<(), Corrupt> {
        self.broker.replay(record)
    }

    /// All records of earlier runs are there.
    pub fn recovered(&mut self, now: Time) {
        let mut effects = self.effects.take().unwrap_or_default();
        self.broker.recovered(now, &mut effects);
        self.perform(now, &mut effects, None);
        self.effects = Some(effects);
    }

    /// What messages are charged to, for who makes them before the first turn.
    #[must_use]
    pub fn gauge(&self) -> Rc<Gauge> {
        Rc::clone(self.broker.gauge())
    }

    /// Everything is to become durable whether anybody waits for it or not; says whether anything
    /// is kept at all.
    pub fn save(&mut self) -> bool {
        self.is_unsaved = true;
        self.disk.save()
    }

    /// The storage, to look at.
    #[must_use]
    pub const fn disk(&self) -> &D {
        &self.disk
    }

    /// The storage.
    pub const fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    pub(super) fn commit(&mut self, now: Time) {
        self.is_unsaved = false;
        self.disk.commit(now);
        self.durable = self.disk.durable();
        if let Some(figures) = self.disk.figures() {
            self.broker.traffic().store(figures);
        }
        let (durable, state) = (self.durable, self.disk.state());
        if self.told != (durable, state) {
            self.told = (durable, state);
            self.release();
            self.tell(now, Event::Storage { durable, state });
        }
    }

    /// What is durable; asked for again if `after` is not among it, and asked to be if it is not.
    pub(super) fn durable_for(&mut self, after: Seq) -> Seq {
        if after > self.durable {
            self.durable = self.disk.durable();
            if after > self.durable {
                self.disk.want(after);
            }
        }
        self.durable
    }

    /// Lets through what waited for storage.
    fn release(&mut self) {
        for slot in mem::take(&mut self.gated) {
            let Some(connection) = self.connections.get_mut(slot as usize) else { continue };
            connection.flags.clear(Flags::IN_GATED);
            connection.output.release(&mut self.pool, self.durable);
            self.list(slot);
        }
    }
}
