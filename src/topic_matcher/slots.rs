//! Values in numbered slots: numbers stay, slots are reused, and memory goes back.
//!
//! ```text
//!   number 2051 = chunk 2, slot 3
//!   chunks  [ 0: 1024 used ] [ 1: nothing, no memory ] [ 2: 7 used, 1017 vacant ]
//! ```
//!
//! A growing vector would move everything when it doubles, hold twice what it needs, and never
//! shrink while its last slot is used. Chunks do none of this: a chunk that nothing is left in is
//! freed, wherever it lies, and new values go to the lowest chunk that has room, so that the
//! higher ones empty themselves in the course of time.
//!
//! Owns: the values. Never hands out a number twice at a time; a number outlives its value at the
//! caller's risk.

use std::collections::BTreeSet;
use std::mem;
use std::ops::{Index, IndexMut};

/// How many slots a chunk has: large enough that the list of chunks stays small (32 bytes for
/// each), small enough that the last one wastes little.
const CHUNK: usize = 1024;

/// The values. Indexing with a number that is vacant panics.
pub(super) struct Slots<T> {
    chunks: Vec<Chunk<T>>,
    /// The chunks that have a vacant slot.
    roomy: BTreeSet<usize>,
    len: usize,
}

impl<T> Slots<T> {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), roomy: BTreeSet::new(), len: 0 }
    }

    /// Puts `value` into a vacant slot and says which.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let at = self.roomy.first().copied().unwrap_or_else(|| {
            self.chunks.push(Chunk::new());
            self.roomy.insert(self.chunks.len() - 1);
            self.chunks.len() - 1
        });
        let chunk = &mut self.chunks[at];
        if at > 0 && chunk.slots.capacity() == 0 {
            chunk.slots.reserve_exact(CHUNK); // The first chunk grows by doubling.
        }
        let slot = chunk.insert(value);
        if chunk.used == CHUNK {
            self.roomy.remove(&at);
        }
        self.len += 1;
        u32::try_from(at * CHUNK + slot).expect("memory ends before the numbers do")
    }

    /// Takes the value out of slot `id`.
    pub(super) fn remove(&mut self, id: u32) -> T {
        let (at, slot) = split(id);
        let chunk = &mut self.chunks[at];
        let value = chunk.remove(slot);
        self.len -= 1;
        self.roomy.insert(at);
        if chunk.used == 0 {
            *chunk = Chunk::new();
            while self.chunks.pop_if(|last| last.used == 0).is_some() {
                self.roomy.remove(&self.chunks.len());
            }
        }
        value
    }

    /// How many values there are.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The bytes of all slots, used or not.
    pub(super) fn bytes(&self) -> usize {
        let slots: usize = self.chunks.iter().map(|chunk| chunk.slots.capacity()).sum();
        slots * size_of::<Slot<T>>() + self.chunks.capacity() * size_of::<Chunk<T>>()
    }
}

impl<T> Index<u32> for Slots<T> {
    type Output = T;

    fn index(&self, id: u32) -> &T {
        let (at, slot) = split(id);
        match &self.chunks[at].slots[slot] {
            Slot::Used(value) => value,
            Slot::Vacant(_) => panic!("slot {id} is vacant"),
        }
    }
}

impl<T> IndexMut<u32> for Slots<T> {
    fn index_mut(&mut self, id: u32) -> &mut T {
        let (at, slot) = split(id);
        match &mut self.chunks[at].slots[slot] {
            Slot::Used(value) => value,
            Slot::Vacant(_) => panic!("slot {id} is vacant"),
        }
    }
}

struct Chunk<T> {
    slots: Vec<Slot<T>>,
    /// The first of the vacant slots, each of which names the next.
    vacant: Option<u16>,
    used: usize,
}

enum Slot<T> {
    Used(T),
    Vacant(Option<u16>),
}

impl<T> Chunk<T> {
    const fn new() -> Self {
        Self { slots: Vec::new(), vacant: None, used: 0 }
    }

    fn insert(&mut self, value: T) -> usize {
        self.used += 1;
        let Some(vacant) = self.vacant else {
            self.slots.push(Slot::Used(value));
            return self.slots.len() - 1;
        };
        let slot = usize::from(vacant);
        let Slot::Vacant(next) = mem::replace(&mut self.slots[slot], Slot::Used(value)) else {
            panic!("slot {slot} is on the list of vacant ones and is used")
        };
        self.vacant = next;
        slot
    }

    fn remove(&mut self, slot: usize) -> T {
        let Slot::Used(value) = mem::replace(&mut self.slots[slot], Slot::Vacant(self.vacant))
        else {
            panic!("slot {slot} was vacant already")
        };
        self.vacant = Some(u16::try_from(slot).expect("a chunk has fewer slots than 2^16"));
        self.used -= 1;
        value
    }
}

const fn split(id: u32) -> (usize, usize) {
    (id as usize / CHUNK, id as usize % CHUNK)
}

/// For `server::sizes`.
#[cfg(test)]
impl<T> Slots<T> {
    pub(super) const SLOT_BYTES: usize = size_of::<Slot<T>>();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use std::collections::BTreeMap;

    #[test]
    fn values_stay_where_they_are_under_churn() {
        let mut rng = Rng::new(3);
        let (mut slots, mut model) = (Slots::new(), BTreeMap::new());
        for round in 0..60_000_u64 {
            let filling = round % 20_000 < 10_000;
            if model.is_empty() || rng.chance(if filling { 2 } else { 1 }, 3) {
                let id = slots.insert(round);
                assert_eq!(model.insert(id, round), None, "slot {id} was used");
            } else {
                let bound = u32::try_from(rng.below(1 << 12)).unwrap();
                let id = *model
                    .range(bound..)
                    .next()
                    .unwrap_or_else(|| model.first_key_value().expect("not empty"))
                    .0;
                assert_eq!(slots.remove(id), model.remove(&id).unwrap());
            }
            assert_eq!(slots.len(), model.len());
        }
        assert!(model.iter().all(|(&id, &value)| slots[id] == value));
        for id in model.into_keys() {
            slots.remove(id);
        }
        assert_eq!((slots.len(), slots.chunks.len(), slots.roomy.len()), (0, 0, 0));
    }

    #[test]
    fn a_chunk_in_the_middle_gives_its_memory_back() {
        let mut slots = Slots::new();
        let ids: Vec<_> = (0..10 * CHUNK).map(|value| slots.insert(value)).collect();
        let full = slots.bytes();
        for &id in &ids[CHUNK..9 * CHUNK] {
            slots.remove(id);
        }
        assert!(slots.bytes() < full / 4, "{} of {full} bytes left", slots.bytes());
        assert_eq!(slots.insert(0) as usize, CHUNK, "the lowest chunk with room comes first");
    }
}
