//! Storage that keeps nothing.
//!
//! Owns: the number of the last record. For a broker whose sessions and retained messages need
//! not outlive the process: every record counts as durable at once, so nothing ever waits.
//!
//! Never holds a record: the live state of the broker is the only copy.

use super::{Disk, Record, Seq, Storage};
use crate::time::Time;

/// Storage that takes everything, keeps nothing and calls it durable at once.
#[derive(Debug, Default)]
pub struct Memory {
    last: Seq,
}

impl Disk for Memory {
    fn append(&mut self, _: Record) {
        self.last.0 += 1;
    }

    fn want(&mut self, _: Seq) {}

    fn commit(&mut self, _: Time) {}

    fn save(&mut self) -> bool {
        false
    }

    fn durable(&mut self) -> Seq {
        self.last
    }

    fn state(&self) -> Storage {
        Storage::Well
    }

    fn deadline(&self) -> Option<Time> {
        None
    }

    fn broken(&self) -> Option<&str> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_durable_at_once() {
        let mut memory = Memory::default();
        assert_eq!(memory.durable(), Seq(0));
        memory.append(Record::Unretained("a".into()));
        memory.append(Record::Unretained("b".into()));
        assert_eq!(memory.durable(), Seq(2));
        memory.commit(Time::default());
        assert_eq!(memory.durable(), Seq(2));
    }
}
