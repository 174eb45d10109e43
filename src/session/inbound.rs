//! The receiving half of QoS 2: identifiers taken and not yet released.
//!
//! Owns: the set of packet identifiers of QoS 2 messages that were routed at their first PUBLISH
//! and whose PUBREL has not come. Only the identifier is kept, two bytes each, so a peer may have
//! all 65,535 open. Used by broker and client alike.
//!
//! Never holds a message: what has an identifier here has been passed on already.

use std::collections::VecDeque;

use crate::codec::PacketId;

/// Identifiers of QoS 2 messages between PUBLISH and PUBREL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inbound {
    /// Sorted; they come and go in about this order.
    taken: VecDeque<u16>,
}

impl Inbound {
    /// Whether a PUBLISH with this identifier was taken and not released: a repetition.
    #[must_use]
    pub fn contains(&self, id: PacketId) -> bool {
        self.taken.back().is_some_and(|&last| last >= id.get())
            && self.taken.binary_search(&id.get()).is_ok()
    }

    /// A PUBLISH arrived: true if it is new and is to be passed on.
    pub fn publish(&mut self, id: PacketId) -> bool {
        let id = id.get();
        if self.taken.back().is_none_or(|&last| last < id) {
            self.taken.push_back(id);
            return true;
        }
        match self.taken.binary_search(&id) {
            Ok(_) => false,
            Err(place) => {
                self.taken.insert(place, id);
                true
            }
        }
    }

    /// A PUBREL arrived: true if the identifier was taken.
    pub fn release(&mut self, id: PacketId) -> bool {
        let place = self.taken.binary_search(&id.get());
        if let Ok(place) = place {
            self.taken.remove(place);
        }
        place.is_ok()
    }

    /// Bytes it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.taken.capacity() * size_of::<u16>()
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.taken.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// The open ones, ascending.
    pub fn iter(&self) -> impl Iterator<Item = PacketId> {
        self.taken.iter().filter_map(|&id| PacketId::new(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use std::collections::BTreeSet;

    #[test]
    fn behaves_like_a_set() {
        for seed in 0..50 {
            let mut rng = Rng::new(seed);
            let (mut inbound, mut model) = (Inbound::default(), BTreeSet::new());
            for _ in 0..2000 {
                let n = u16::try_from(rng.below(40)).unwrap() + 1;
                let id = PacketId::new(n).unwrap();
                if rng.chance(1, 2) {
                    assert_eq!(inbound.publish(id), model.insert(n));
                } else {
                    assert_eq!(inbound.release(id), model.remove(&n));
                }
                assert_eq!(inbound.contains(id), model.contains(&n));
                assert_eq!(inbound.len(), model.len());
            }
            assert!(inbound.iter().map(PacketId::get).eq(model));
        }
    }

    #[test]
    fn every_identifier_may_be_open() {
        let mut inbound = Inbound::default();
        for n in (1..=u16::MAX).rev() {
            assert!(inbound.publish(PacketId::new(n).unwrap()));
        }
        assert_eq!(inbound.len(), usize::from(u16::MAX));
        assert!(!inbound.publish(PacketId::new(1).unwrap()));
    }
}
