//! Passwords that were right lately.
//!
//! Owns: marks of them, so that those who come again after a lost connection need not wait for a
//! hash each, and a storm of reconnects ends. A mark is an HMAC under a key that the process has
//! made up; neither names nor passwords are kept. There is a bound: the oldest mark goes first.
//!
//! Never knows who may come in: what it was told is forgotten when the rules change.

use std::collections::VecDeque;

use super::hash::hmac_sha256;
use crate::map::{self, Map};
use crate::session::Applicant;

/// Marks of passwords that were right.
#[derive(Debug)]
pub struct Cache {
    key: [u8; 32],
    marks: Map<Mark, ()>,
    /// The oldest first.
    order: VecDeque<Mark>,
}

type Mark = [u8; 16];

/// Passwords remembered at once.
const MARKS_MAX: usize = 4096;

impl Cache {
    /// One that remembers nothing; `key` is to be known to nobody.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        let seed = u64::from_le_bytes(key[..8].try_into().expect("eight bytes"));
        Self { key, marks: map::map(seed), order: VecDeque::new() }
    }

    /// The mark of a name and password at a listener; `None` without both.
    fn mark(&self, applicant: &Applicant) -> Option<Mark> {
        let name = applicant.user_name.as_ref().filter(|_| applicant.method.is_none())?;
        let password = applicant.password.as_ref()?;
        let len = (name.len() as u64).to_le_bytes();
        let door = applicant.peer.listener.to_le_bytes();
        let parts: [&[u8]; 4] = [&door, &len, name.as_bytes(), password];
        let mark = hmac_sha256(&self.key, &parts);
        Some(mark[..16].try_into().expect("sixteen bytes"))
    }

    /// Whether this name and password were right.
    #[must_use]
    pub fn knows(&self, applicant: &Applicant) -> bool {
        self.mark(applicant).is_some_and(|mark| self.marks.contains_key(&mark))
    }

    /// This name and password were right.
    pub fn learn(&mut self, applicant: &Applicant) {
        let Some(mark) = self.mark(applicant) else { return };
        if self.marks.insert(mark, ()).is_some() {
            return;
        }
        self.order.push_back(mark);
        if self.order.len() > MARKS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.marks.remove(&oldest);
        }
    }

    /// The rules have changed.
    pub fn forget(&mut self) {
        self.marks.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Peer;
    use bytes::Bytes;

    fn applicant(name: &str, password: &str) -> Applicant {
        Applicant {
            client_id: String::new(),
            user_name: Some(name.into()),
            password: Some(Bytes::from(password.to_owned())),
            method: None,
            memo: None,
            peer: Peer::default(),
            nonce: [0; 18],
        }
    }

    #[test]
    fn it_knows_what_it_was_told_and_nothing_else() {
        let mut cache = Cache::new([1; 32]);
        cache.learn(&applicant("ab", "c"));
        assert!(cache.knows(&applicant("ab", "c")));
        for (name, password) in [("a", "bc"), ("abc", ""), ("ab", "d"), ("", "abc")] {
            assert!(!cache.knows(&applicant(name, password)));
        }
        let elsewhere = Peer { listener: 1, ..Peer::default() };
        assert!(!cache.knows(&Applicant { peer: elsewhere, ..applicant("ab", "c") }));
        let nobody = Applicant { password: None, ..applicant("ab", "c") };
        cache.learn(&nobody);
        assert!(!cache.knows(&nobody));
        cache.forget();
        assert!(!cache.knows(&applicant("ab", "c")));
    }

    #[test]
    fn it_has_a_bound() {
        let mut cache = Cache::new([2; 32]);
        for number in 0..MARKS_MAX + 5 {
            cache.learn(&applicant(&number.to_string(), "c"));
            cache.learn(&applicant(&number.to_string(), "c"));
        }
        assert_eq!((cache.order.len(), cache.marks.len()), (MARKS_MAX, MARKS_MAX));
        assert!(!cache.knows(&applicant("4", "c")) && cache.knows(&applicant("5", "c")));
    }
}
