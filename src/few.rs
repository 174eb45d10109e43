//! A sorted list that is nearly always empty or of one.
//!
//! Owns: its elements, kept in order of a key. Most sessions have one subscription and most
//! filters one subscriber: [`Few`] keeps that one in place, 16 bytes in all for a 12-byte element,
//! and allocates from the second on.
//!
//! Never holds two elements with the same key.

/// None, one, or a sorted list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Few<T> {
    /// Nothing.
    #[default]
    None,
    /// One, in place.
    One(T),
    /// Sorted by key; never empty.
    Many(Box<Vec<T>>),
}

/// What a [`Few`] is sorted by.
pub trait Keyed {
    /// The key's type.
    type Key: Ord + Copy;
    /// The key.
    fn key(&self) -> Self::Key;
}

impl<T: Keyed> Few<T> {
    /// All, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The one with `key`.
    #[must_use]
    pub fn find(&self, key: T::Key) -> Option<&T> {
        let all = self.as_slice();
        all.binary_search_by_key(&key, T::key).ok().map(|place| &all[place])
    }

    /// Puts `item` in, instead of the one with its key, which is returned.
    pub fn insert(&mut self, item: T) -> Option<T> {
        match self {
            Self::None => *self = Self::One(item),
            Self::One(one) if one.key() == item.key() => return Some(std::mem::replace(one, item)),
            Self::One(_) => {
                let Self::One(one) = std::mem::take(self) else { return None };
                let many = if one.key() < item.key() { vec![one, item] } else { vec![item, one] };
                *self = Self::Many(Box::new(many));
            }
            Self::Many(many) => match many.binary_search_by_key(&item.key(), T::key) {
                Ok(place) => return Some(std::mem::replace(&mut many[place], item)),
                Err(place) => many.insert(place, item),
            },
        }
        None
    }

    /// Takes the one with `key` out.
    pub fn remove(&mut self, key: T::Key) -> Option<T> {
        match self {
            Self::One(one) if one.key() == key => match std::mem::take(self) {
                Self::One(one) => Some(one),
                Self::None | Self::Many(_) => None,
            },
            Self::None | Self::One(_) => None,
            Self::Many(many) => {
                let place = many.binary_search_by_key(&key, T::key).ok()?;
                let item = many.remove(place);
                if many.is_empty() {
                    *self = Self::None;
                } else if many.len() < many.capacity() / 4 {
                    many.shrink_to(many.len() * 2);
                }
                Some(item)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use std::collections::BTreeMap;

    impl Keyed for (u32, u32) {
        type Key = u32;
        fn key(&self) -> u32 {
            self.0
        }
    }

    #[test]
    fn behaves_like_a_map() {
        for seed in 0..100 {
            let mut rng = Rng::new(seed);
            let mut few = Few::default();
            let mut model = BTreeMap::new();
            for n in 0..200 {
                let key = u32::try_from(rng.below(8)).unwrap();
                if rng.chance(1, 2) {
                    assert_eq!(few.insert((key, n)), model.insert(key, n).map(|v| (key, v)));
                } else {
                    assert_eq!(few.remove(key), model.remove(&key).map(|v| (key, v)));
                }
                assert_eq!(few.find(key).map(|f| f.1), model.get(&key).copied());
                assert!(few.as_slice().iter().copied().eq(model.iter().map(|(k, v)| (*k, *v))));
                assert_eq!(few.is_empty(), model.is_empty());
            }
        }
    }
}
