//! Topic aliases towards one 5.0 client.
//!
//! Owns: which topics have an alias on this connection. The first topics that come take the
//! aliases the client allows and keep them as long as the connection lives: a client's busiest
//! topics are nearly always among its first, and nothing is ever assigned twice.
//!
//! Never assigns before the frame goes onto the wire: frames may overtake each other, and the
//! client must see the topic before it sees the alias alone.

use crate::codec::Text;

/// The aliases of one connection.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    topics: Vec<Box<[u8]>>,
}

/// What the table says of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alias {
    /// It has none and gets none.
    None,
    /// It may have this one, if the topic is sent along and [`Aliases::assign`] is called.
    Free(u16),
    /// It has this one: the topic is not needed any more.
    Known(u16),
}

/// Shorter topics are not worth the three bytes of the property: with more, a packet with an
/// alias alone is never longer than without, even where the properties' length grows by a byte.
const TOPIC_MIN: usize = 5;

/// More would make the search of the table slower than the bytes saved are worth.
const TABLE_MAX: u16 = 32;

impl Aliases {
    /// What is to be done for `topic` if the client allows aliases up to `maximum`.
    pub(super) fn find(&self, topic: Text<'_>, maximum: u16) -> Alias {
        if topic.len() < TOPIC_MIN {
            return Alias::None;
        }
        if let Some(place) = self.topics.iter().position(|known| **known == *topic.as_bytes()) {
            return Alias::Known(number(place));
        }
        let next = number(self.topics.len());
        if next <= maximum.min(TABLE_MAX) { Alias::Free(next) } else { Alias::None }
    }

    /// Gives `topic` the alias that [`find`](Self::find) said was free.
    pub(super) fn assign(&mut self, topic: Text<'_>) {
        self.topics.push(topic.as_bytes().into());
    }
}

fn number(place: usize) -> u16 {
    u16::try_from(place + 1).expect("the table is small")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_topics_keep_their_aliases() {
        let mut aliases = Aliases::default();
        assert_eq!(aliases.find("a/b/c".into(), 0), Alias::None);
        assert_eq!(aliases.find("a/b".into(), 2), Alias::None, "too short to gain anything");
        assert_eq!(aliases.find("a/b/c".into(), 2), Alias::Free(1));
        assert_eq!(
            aliases.find("a/b/c".into(), 2),
            Alias::Free(1),
            "not taken before it is assigned"
        );
        aliases.assign("a/b/c".into());
        assert_eq!(aliases.find("a/b/c".into(), 2), Alias::Known(1));
        assert_eq!(aliases.find("a/b/d".into(), 2), Alias::Free(2));
        aliases.assign("a/b/d".into());
        assert_eq!(aliases.find("a/b/e".into(), 2), Alias::None);
        assert_eq!(aliases.find("a/b/c".into(), 2), Alias::Known(1));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut aliases = Aliases::default();
        for n in 0..100 {
            let topic = format!("topic/{n}");
            if let Alias::Free(_) = aliases.find(topic.as_str().into(), u16::MAX) {
                aliases.assign(topic.as_str().into());
            }
        }
        assert_eq!(aliases.topics.len(), usize::from(TABLE_MAX));
    }
}
