//! Storage that does what it is told.
//!
//! Owns: every record there was, the bounds of the units they came in, and how many are durable.
//! With a [`Vault`] the real store decides the latter, and which of the records a crash leaves.
//!
//! Never tears a unit: what is durable is always a number of whole ones.

use mqtt_broker::broker::{Seq, Storage};
use mqtt_broker::persistence::Record;
use mqtt_broker::time::Time;

use super::Vault;

/// Records, and which of them would outlive the process.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    records: Vec<Record>,
    /// How many records there were after each unit that had any.
    units: Vec<usize>,
    durable: usize,
    /// How many records there were when this process began: it numbers its own from 1.
    base: usize,
    /// Nothing becomes durable by itself.
    pub(crate) is_slow: bool,
    /// Records are counted and not kept: they would keep the messages they are about.
    pub(crate) is_forgetful: bool,
    /// Of all records.
    count: usize,
    /// The real thing, if there is one.
    vault: Option<Vault>,
}

impl Disk {
    pub(crate) fn over(vault: Vault) -> Self {
        Self { vault: Some(vault), ..Self::default() }
    }

    pub(crate) const fn vault(&mut self) -> Option<&mut Vault> {
        self.vault.as_mut()
    }

    /// How the real thing is.
    pub(crate) fn state(&self) -> Option<Storage> {
        self.vault.as_ref().map(Vault::state)
    }

    /// A packet waits for this record.
    pub(crate) fn want(&mut self, after: Seq) {
        if let Some(vault) = &mut self.vault
            && after > vault.durable()
        {
            vault.want(after);
        }
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) const fn durable(&self) -> Seq {
        Seq((self.durable - self.base) as u64)
    }

    /// Number of the newest record.
    pub(crate) const fn newest(&self) -> Seq {
        Seq((self.count - self.base) as u64)
    }

    /// Forgets every record, at the end of a test.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds a record; says its number.
    pub(crate) fn append(&mut self, record: Record) -> Seq {
        self.count += 1;
        if let Some(vault) = &mut self.vault {
            vault.append(record.clone());
        }
        if !self.is_forgetful {
            self.records.push(record);
        }
        self.newest()
    }

    /// All records of one event are there.
    pub(crate) fn end_unit(&mut self, now: Time) {
        if self.units.last().copied().unwrap_or(0) < self.count {
            self.units.push(self.count);
        }
        if self.vault.is_some() {
            self.step(now, usize::from(!self.is_slow));
        } else if !self.is_slow {
            self.finish(now);
        }
    }

    /// The real store carries out so many batches at the most.
    fn step(&mut self, now: Time, steps: usize) {
        if let Some(vault) = &mut self.vault {
            vault.commit(now, steps);
            self.durable = self.base + usize::try_from(vault.durable().0).expect("few");
        }
    }

    /// Everything so far becomes durable.
    pub(crate) fn finish(&mut self, now: Time) {
        if let Some(vault) = &mut self.vault {
            vault.finish(now);
        }
        self.durable = self.count;
    }

    /// The first units that are not durable yet, `count` of them, become so; or as many batches.
    pub(crate) fn finish_units(&mut self, now: Time, count: usize) {
        if self.vault.is_some() {
            return self.step(now, count);
        }
        let pending = self.pending();
        if let Some(end) = pending.get(count.min(pending.len()).wrapping_sub(1)) {
            self.durable = *end;
        }
    }

    /// How many of all records would be there after a crash at the least.
    pub(crate) const fn safe(&self) -> usize {
        self.durable
    }

    /// How many records there were after each unit that is not durable.
    pub(crate) fn pending(&self) -> &[usize] {
        let first = self.units.partition_point(|end| *end <= self.durable);
        &self.units[first..]
    }

    /// What came after the first `count` records is lost.
    pub(crate) fn forget_after(&mut self, count: usize) {
        assert!(count >= self.durable, "what is durable is not lost");
        self.records.truncate(count);
        self.units.retain(|end| *end <= count);
        self.durable = count;
        self.base = count;
        self.count = count;
    }
}
