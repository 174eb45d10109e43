//! The sending half of QoS 1 and 2: what was sent and not yet settled.
//!
//! Owns: packet identifiers in use towards the peer, in the order of their first sending, and
//! what was sent under each. Used by broker and client alike.
//!
//! ```text
//! QoS 1   sent -- AwaitingAck -- PUBACK --> settled
//! QoS 2   sent -- AwaitingReceived -- PUBREC --> AwaitingComplete -- PUBCOMP --> settled
//! ```
//!
//! Slots lie in a queue ordered by a counter that grows with each identifier given out; an
//! identifier is that counter modulo 65,535, plus 1. So an identifier's place is found by
//! arithmetic in the usual case, by binary search where holes lie between, and one still in use
//! when its turn comes again is skipped ([MQTT-2.2.1-3] of 5.0, [MQTT-2.3.1-2] of 3.1.1).
//!
//! Never sends again by itself: there is no retry timer ([MQTT-4.4.0-1]).

use std::collections::VecDeque;

use crate::codec::{PacketId, QoS};

/// What the peer has to say next about an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaiting {
    /// QoS 1: PUBACK.
    Ack,
    /// QoS 2: PUBREC.
    Received,
    /// QoS 2, after PUBREL: PUBCOMP.
    Complete,
}

/// An acknowledgement of nothing that awaits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray;

/// A position in the order of first sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64);

#[derive(Clone, Debug)]
struct Slot<T> {
    at: u64,
    /// Of the item, as its sender counts them.
    bytes: u32,
    /// `None` is a hole: settled, but something older is not.
    awaiting: Option<Awaiting>,
    item: Option<T>,
}

/// The sending half of QoS 1 and 2.
#[derive(Clone, Debug)]
pub struct Outbound<T> {
    slots: VecDeque<Slot<T>>,
    /// Counter of the next identifier.
    next: u64,
    in_use: usize,
    /// Of all items.
    bytes: u64,
}

const IDS: u64 = u16::MAX as u64;

impl<T> Default for Outbound<T> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), next: 0, in_use: 0, bytes: 0 }
    }
}

impl<T> Outbound<T> {
    /// How many identifiers are in use.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.in_use
    }

    /// Bytes of all that is not settled, as they were given to [`send`](Self::send).
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing awaits anything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.in_use == 0
    }

    /// Whether every identifier is in use.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.in_use >= 65_535
    }

    /// Bytes it takes, without what lies behind its items.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.slots.capacity() * size_of::<Slot<T>>()
    }

    /// The identifier the next [`send`](Self::send) will use.
    ///
    /// # Panics
    /// If every identifier is in use.
    #[must_use]
    pub fn next_id(&self) -> PacketId {
        assert!(!self.is_full(), "a window is smaller than the number of identifiers");
        let mut at = self.next;
        while self.oldest().is_some_and(|oldest| at - oldest >= IDS)
            && self.find(id_of(at)).is_some()
        {
            at += 1;
        }
        id_of(at)
    }

    /// Takes `item` of so many bytes as sent under `id`, which [`next_id`](Self::next_id) named or
    /// a store kept.
    ///
    /// # Panics
    /// If the identifier is in use, or the QoS is 0.
    pub fn send(&mut self, id: PacketId, qos: QoS, item: T, bytes: u32) {
        let awaiting = match qos {
            QoS::AtMostOnce => panic!("QoS 0 is not acknowledged"),
            QoS::AtLeastOnce => Awaiting::Ack,
            QoS::ExactlyOnce => Awaiting::Received,
        };
        let at = self.first_at(id);
        let is_in_use = self.find_before(at).is_some();
        assert!(!is_in_use, "a packet identifier in use is not used again");
        self.next = at + 1;
        self.slots.push_back(Slot { at, bytes, awaiting: Some(awaiting), item: Some(item) });
        self.in_use += 1;
        self.bytes += u64::from(bytes);
    }

    /// What an identifier awaits.
    #[must_use]
    pub fn awaiting(&self, id: PacketId) -> Option<Awaiting> {
        self.find(id).and_then(|i| self.slots[i].awaiting)
    }

    /// What was sent under an identifier and is not yet known to have arrived.
    #[must_use]
    pub fn item(&self, id: PacketId) -> Option<&T> {
        self.find(id).and_then(|i| self.slots[i].item.as_ref())
    }

    /// PUBACK, or a PUBREC that refuses: the identifier is free.
    ///
    /// # Errors
    /// [`Stray`] if it awaits something else.
    pub fn acked(&mut self, id: PacketId) -> Result<Option<T>, Stray> {
        self.settle(id, Awaiting::Ack)
    }

    /// PUBREC with an error: the identifier is free ([MQTT-4.3.3-4] of 5.0).
    ///
    /// # Errors
    /// [`Stray`] if it awaits something else.
    pub fn refused(&mut self, id: PacketId) -> Result<Option<T>, Stray> {
        self.settle(id, Awaiting::Received)
    }

    /// PUBREC: the message has arrived, the identifier awaits PUBCOMP.
    ///
    /// # Errors
    /// [`Stray`] if it awaits something else.
    pub fn received(&mut self, id: PacketId) -> Result<Option<T>, Stray> {
        let i = self.find(id).ok_or(Stray)?;
        let slot = &mut self.slots[i];
        if slot.awaiting != Some(Awaiting::Received) {
            return Err(Stray);
        }
        slot.awaiting = Some(Awaiting::Complete);
        Ok(slot.item.take())
    }

    /// PUBCOMP: the identifier is free.
    ///
    /// # Errors
    /// [`Stray`] if it awaits something else.
    pub fn completed(&mut self, id: PacketId) -> Result<(), Stray> {
        self.settle(id, Awaiting::Complete).map(|_| ())
    }

    /// Gives up whatever is under `id`: the identifier is free.
    pub fn forget(&mut self, id: PacketId) -> Option<T> {
        self.settle_at(self.find(id)?)
    }

    /// The oldest identifier sent after `place` (of all, if `None`) that is not settled, and its
    /// own place: what a new connection sends again, in the original order ([MQTT-4.6.0-1]).
    #[must_use]
    pub fn after(&self, place: Option<Place>) -> Option<(Place, PacketId)> {
        let start = place.map_or(0, |Place(at)| self.slots.partition_point(|slot| slot.at <= at));
        let slot = self.slots.iter().skip(start).find(|slot| slot.awaiting.is_some())?;
        Some((Place(slot.at), id_of(slot.at)))
    }

    /// The place of an identifier that is not settled.
    #[must_use]
    pub fn place(&self, id: PacketId) -> Option<Place> {
        self.find(id).map(|i| Place(self.slots[i].at))
    }

    /// Bytes of what was sent under an identifier.
    #[must_use]
    pub fn bytes_of(&self, id: PacketId) -> u32 {
        self.find(id).map_or(0, |i| self.slots[i].bytes)
    }

    /// Everything not settled, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (PacketId, Awaiting, Option<&T>)> {
        self.slots
            .iter()
            .filter_map(|slot| Some((id_of(slot.at), slot.awaiting?, slot.item.as_ref())))
    }

    fn settle(&mut self, id: PacketId, expected: Awaiting) -> Result<Option<T>, Stray> {
        let i = self.find(id).ok_or(Stray)?;
        if self.slots[i].awaiting != Some(expected) {
            return Err(Stray);
        }
        Ok(self.settle_at(i))
    }

    fn settle_at(&mut self, i: usize) -> Option<T> {
        let slot = &mut self.slots[i];
        slot.awaiting = None;
        let item = slot.item.take();
        self.in_use -= 1;
        self.bytes -= u64::from(slot.bytes);
        while self.slots.front().is_some_and(|slot| slot.awaiting.is_none()) {
            self.slots.pop_front();
        }
        if self.slots.len() > 2 * self.in_use + HOLES_MIN {
            self.slots.retain(|slot| slot.awaiting.is_some());
        }
        item
    }

    fn oldest(&self) -> Option<u64> {
        self.slots.front().map(|slot| slot.at)
    }

    /// The first counter from `next` on that stands for `id`.
    fn first_at(&self, id: PacketId) -> u64 {
        let residue = u64::from(id.get()) - 1;
        let (lap, place) = (self.next / IDS, self.next % IDS);
        (if residue < place { lap + 1 } else { lap }) * IDS + residue
    }

    /// Where the unsettled slot of `id` is.
    fn find(&self, id: PacketId) -> Option<usize> {
        self.find_before(self.first_at(id))
    }

    /// Where the unsettled slot is that stands for the same identifier as the counter `next_at`,
    /// which comes after all.
    fn find_before(&self, next_at: u64) -> Option<usize> {
        let oldest = self.oldest()?;
        let mut at = next_at.checked_sub(IDS)?;
        while at >= oldest {
            if at == oldest {
                return Some(0); // Peers acknowledge in order, and the first is never a hole.
            }
            let found = self.index_of(at, oldest).filter(|&i| self.slots[i].awaiting.is_some());
            if found.is_some() {
                return found;
            }
            // One lap earlier: only where something stayed unsettled for 65,535 identifiers.
            at = at.checked_sub(IDS)?;
        }
        None
    }

    fn index_of(&self, at: u64, oldest: u64) -> Option<usize> {
        let guess = usize::try_from(at - oldest).ok()?;
        if self.slots.get(guess).is_some_and(|slot| slot.at == at) {
            return Some(guess);
        }
        self.slots.binary_search_by_key(&at, |slot| slot.at).ok()
    }
}

impl<T: PartialEq> PartialEq for Outbound<T> {
    /// Equal if the same identifiers await the same in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// So many holes are kept before the queue is packed.
const HOLES_MIN: usize = 32;

fn id_of(at: u64) -> PacketId {
    let id = u16::try_from(at % IDS + 1).expect("1 to 65,535");
    PacketId::new(id).expect("not 0")
}

/// For `server::sizes`.
#[cfg(test)]
impl<T> Outbound<T> {
    pub(crate) const SLOT_BYTES: usize = size_of::<Slot<T>>();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use std::collections::BTreeMap;

    fn id(n: u16) -> PacketId {
        PacketId::new(n).unwrap()
    }

    fn send(window: &mut Outbound<u32>, qos: QoS, item: u32) -> PacketId {
        let id = window.next_id();
        window.send(id, qos, item, item);
        id
    }

    #[test]
    fn qos_1_is_settled_by_puback_alone() {
        let mut window = Outbound::default();
        let a = send(&mut window, QoS::AtLeastOnce, 7);
        assert_eq!(window.received(a), Err(Stray));
        assert_eq!(window.completed(a), Err(Stray));
        assert_eq!(window.acked(a), Ok(Some(7)));
        assert_eq!(window.acked(a), Err(Stray));
        assert!(window.is_empty());
    }

    #[test]
    fn qos_2_takes_both_steps_in_order() {
        let mut window = Outbound::default();
        let a = send(&mut window, QoS::ExactlyOnce, 7);
        assert_eq!(window.completed(a), Err(Stray));
        assert_eq!(window.acked(a), Err(Stray));
        assert_eq!(window.received(a), Ok(Some(7)));
        assert_eq!(window.received(a), Err(Stray));
        assert_eq!(window.awaiting(a), Some(Awaiting::Complete));
        assert_eq!(window.completed(a), Ok(()));
        assert!(window.is_empty());
    }

    #[test]
    fn an_identifier_in_use_is_skipped_lap_after_lap() {
        let mut window = Outbound::default();
        let stuck = send(&mut window, QoS::AtLeastOnce, 0);
        for n in 1..200_000_u32 {
            let id = send(&mut window, QoS::AtLeastOnce, n);
            assert_ne!(id, stuck);
            assert_eq!(window.acked(id), Ok(Some(n)));
            assert!(window.slots.len() < 100, "holes are packed");
        }
        assert_eq!(window.item(stuck), Some(&0));
        assert_eq!(window.acked(stuck), Ok(Some(0)));
    }

    #[test]
    fn all_identifiers_can_be_in_use() {
        let mut window = Outbound::default();
        for n in 0..u32::from(u16::MAX) {
            send(&mut window, QoS::AtLeastOnce, n);
        }
        assert!(window.is_full());
        assert_eq!(window.acked(id(40_000)), Ok(Some(39_999)));
        assert_eq!(send(&mut window, QoS::ExactlyOnce, 1), id(40_000));
    }

    #[test]
    fn resending_follows_the_original_order() {
        let mut window = Outbound::default();
        let ids: Vec<_> = (0..5).map(|n| send(&mut window, QoS::ExactlyOnce, n)).collect();
        window.received(ids[1]).unwrap();
        window.refused(ids[2]).unwrap();
        let mut again = Vec::new();
        let mut cursor = None;
        while let Some((place, id)) = window.after(cursor) {
            again.push(id);
            cursor = Some(place);
        }
        assert_eq!(again, [ids[0], ids[1], ids[3], ids[4]]);
    }

    /// Random operations against a map that cannot be wrong.
    #[test]
    fn behaves_like_a_map() {
        for seed in 0..50 {
            let mut rng = Rng::new(seed);
            let mut window: Outbound<u32> = Outbound::default();
            let mut model: BTreeMap<u16, (Awaiting, u32)> = BTreeMap::new();
            for n in 0..3000 {
                if model.len() < 40 && rng.chance(1, 2) {
                    let qos = if rng.chance(1, 2) { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
                    let id = send(&mut window, qos, n);
                    let awaiting =
                        if qos == QoS::AtLeastOnce { Awaiting::Ack } else { Awaiting::Received };
                    assert!(model.insert(id.get(), (awaiting, n)).is_none());
                } else if !model.is_empty() {
                    let key = *model.keys().nth(rng.index(model.len())).unwrap();
                    let (awaiting, item) = model[&key];
                    match awaiting {
                        Awaiting::Ack => {
                            assert_eq!(window.acked(id(key)), Ok(Some(item)));
                            model.remove(&key);
                        }
                        Awaiting::Received => {
                            assert_eq!(window.received(id(key)), Ok(Some(item)));
                            model.insert(key, (Awaiting::Complete, item));
                        }
                        Awaiting::Complete => {
                            assert_eq!(window.completed(id(key)), Ok(()));
                            model.remove(&key);
                        }
                    }
                }
                assert_eq!(window.len(), model.len());
                let bytes: u64 = model.values().map(|(_, item)| u64::from(*item)).sum();
                assert_eq!(window.bytes(), bytes);
                for (key, (awaiting, _)) in &model {
                    assert_eq!(window.awaiting(id(*key)), Some(*awaiting));
                }
            }
        }
    }
}
