//! Bytes on their way to a socket.
//!
//! Owns: one buffer of heads and small payloads, and the places in it where a large payload that
//! several connections send is to be spliced in without having been copied:
//!
//! ```text
//! bytes  | taken by the socket | head A | head B payload B head C | head D ...
//!        0                   start      ^ splice: payload A       ^ splice: payload C
//! ```
//!
//! A buffer is better than a list of segments for all but large payloads: small segments cost
//! more in `writev` than their copy does.
//!
//! Never knows what the bytes mean.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::rc::Rc;

use bytes::BytesMut;

use crate::message::Message;

/// Bytes to be written, in order.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    bytes: BytesMut,
    /// Before it, `bytes` has been written.
    start: usize,
    splices: VecDeque<Splice>,
    /// Of the payload of the first splice, so much has been written.
    taken: usize,
    /// Sum of the payloads of `splices`.
    spliced: usize,
    /// Packets that came; that one of them has left is not known before all have.
    packets: usize,
}

/// A payload that stands where `bytes` has reached `at`.
#[derive(Debug)]
struct Splice {
    at: usize,
    message: Rc<Message>,
}

/// Slices given to one `writev`.
const SLICES: usize = 128;

/// Written bytes are given up when there are so many of them, and more than are still waiting.
const COMPACT_FROM: usize = 64 << 10;

impl Chunks {
    /// Where a packet more is appended.
    pub(super) const fn begin(&mut self) -> &mut BytesMut {
        self.packets += 1;
        &mut self.bytes
    }

    /// How many packets wait: as many as came, unless none waits.
    pub(super) const fn packets(&self) -> usize {
        self.packets
    }

    /// Where heads and small payloads are appended.
    pub(super) const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Appends the payload of `message`, which is not empty, without copying it.
    pub(super) fn share(&mut self, message: Rc<Message>) {
        self.spliced += message.payload().len();
        self.splices.push_back(Splice { at: self.bytes.len(), message });
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start + self.spliced - self.taken
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len() && self.splices.is_empty()
    }

    /// Bytes of memory it holds on to when nothing waits.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity() + self.splices.capacity() * size_of::<Splice>()
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.splices.clear();
        (self.start, self.taken, self.spliced, self.packets) = (0, 0, 0, 0);
    }

    /// Calls `write` or `write_vectored` once, with about `budget` bytes at the most. Returns how
    /// many bytes were offered and how many of them were taken.
    ///
    /// # Errors
    /// What the socket says; `WriteZero` if it takes nothing and gives no reason.
    pub(super) fn write_to(
        &mut self,
        socket: &mut impl Write,
        budget: usize,
    ) -> io::Result<(usize, usize)> {
        let (offered, taken) = if self.splices.is_empty() {
            let end = self.bytes.len().min(self.start.saturating_add(budget));
            (end - self.start, socket.write(&self.bytes[self.start..end])?)
        } else {
            self.gather(socket, budget)?
        };
        if taken == 0 && offered > 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.advance(taken);
        Ok((offered, taken))
    }

    fn gather(&self, socket: &mut impl Write, budget: usize) -> io::Result<(usize, usize)> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let (mut count, mut offered, mut place, mut skip) = (0, 0, self.start, self.taken);
        let tail = (self.bytes.len(), &[][..]);
        let pieces = self.splices.iter().map(|splice| (splice.at, splice.message.payload()));
        for (at, payload) in pieces.chain([tail]) {
            if offered >= budget || count + 2 > SLICES {
                break;
            }
            for piece in [&self.bytes[place..at], &payload[skip..]] {
                if !piece.is_empty() {
                    slices[count] = IoSlice::new(piece);
                    count += 1;
                    offered += piece.len();
                }
            }
            (place, skip) = (at, 0);
        }
        Ok((offered, socket.write_vectored(&slices[..count])?))
    }

    /// `count` bytes have been written.
    fn advance(&mut self, mut count: usize) {
        while let Some(splice) = self.splices.front() {
            let before = count.min(splice.at - self.start);
            self.start += before;
            count -= before;
            let len = splice.message.payload().len();
            if splice.at > self.start || self.taken + count < len {
                self.taken += count;
                return self.compact();
            }
            count -= len - self.taken;
            self.spliced -= len;
            self.taken = 0;
            self.splices.pop_front();
        }
        self.start += count;
        debug_assert!(self.start <= self.bytes.len(), "no more is written than was there");
        self.compact();
    }

    fn compact(&mut self) {
        let waiting = self.bytes.len() - self.start;
        if waiting == 0 && self.splices.is_empty() {
            self.clear();
        } else if self.start >= COMPACT_FROM && self.start >= waiting {
            self.bytes.copy_within(self.start.., 0);
            self.bytes.truncate(waiting);
            for splice in &mut self.splices {
                splice.at -= self.start;
            }
            self.start = 0;
        }
    }
}

/// For `server::sizes`.
#[cfg(test)]
impl Chunks {
    pub(super) const SPLICE_BYTES: usize = size_of::<Splice>();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Parts;
    use crate::metrics::Gauge;
    use crate::rng::Rng;

    /// Takes as much as it is told to, in one slice or many.
    struct Sink {
        limit: usize,
        taken: Vec<u8>,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let before = self.taken.len();
            for slice in slices {
                let left = self.limit - (self.taken.len() - before);
                self.taken.extend_from_slice(&slice[..slice.len().min(left)]);
            }
            Ok(self.taken.len() - before)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn message(payload: &[u8]) -> Rc<Message> {
        Message::new(0, &Parts::plain("t", payload), None, &Rc::new(Gauge::default()))
    }

    #[test]
    fn what_goes_in_comes_out_whatever_the_socket_takes() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let mut chunks = Chunks::default();
            let mut expected = Vec::new();
            let mut sink = Sink { limit: 0, taken: Vec::new() };
            for n in 0_u8..200 {
                let bytes = vec![n; rng.index(1000) + 1];
                if rng.chance(1, 3) {
                    chunks.share(message(&bytes));
                } else {
                    chunks.buffer().extend_from_slice(&bytes);
                }
                expected.extend_from_slice(&bytes);
                if rng.chance(1, 2) {
                    sink.limit = rng.index(2000) + 1;
                    let budget = rng.index(3000) + 1;
                    let waiting = chunks.len();
                    let (offered, taken) = chunks.write_to(&mut sink, budget).unwrap();
                    assert!(offered <= waiting && taken <= offered && taken <= sink.limit);
                }
                assert_eq!(chunks.len(), expected.len() - sink.taken.len());
            }
            sink.limit = usize::MAX;
            while !chunks.is_empty() {
                chunks.write_to(&mut sink, usize::MAX).unwrap();
            }
            assert_eq!(sink.taken, expected);
            assert_eq!((chunks.len(), chunks.start, chunks.bytes.len()), (0, 0, 0));
        }
    }

    #[test]
    fn written_bytes_are_given_up() {
        let mut chunks = Chunks::default();
        let mut sink = Sink { limit: COMPACT_FROM, taken: Vec::new() };
        chunks.buffer().extend_from_slice(&vec![1; COMPACT_FROM * 2]);
        chunks.write_to(&mut sink, usize::MAX).unwrap();
        assert_eq!((chunks.start, chunks.bytes.len()), (0, COMPACT_FROM));
    }

    #[test]
    fn a_socket_that_takes_nothing_is_an_error() {
        let mut chunks = Chunks::default();
        chunks.buffer().extend_from_slice(b"x");
        let error = chunks.write_to(&mut Sink { limit: 0, taken: vec![] }, 10).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}
