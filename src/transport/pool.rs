//! Buffers for connections that have something to send.
//!
//! Owns: the buffers nobody needs at the moment, bounded in number and size. Freeing a drained
//! buffer and growing the next one from nothing doubles the cost of a small message; keeping one
//! for each connection would make idle connections dear.
//!
//! Never grows a buffer, and forgets those that were not needed for a while.

use super::output::Buffers;

/// Buffers to lend. Bounded: [`Pool::COUNT`] of them with [`Pool::BYTES`] altogether.
#[derive(Debug, Default)]
pub struct Pool {
    #[expect(clippy::vec_box, reason = "a connection borrows the box: 8 bytes where it is idle")]
    free: Vec<Box<Buffers>>,
    bytes: usize,
    /// The fewest that were free since the last trim: so many were not needed.
    spare: usize,
}

impl Pool {
    /// Buffers kept at the most.
    pub const COUNT: usize = 256;
    /// A larger buffer is freed, not kept.
    pub const EACH: usize = 1 << 20;
    /// Bytes kept at the most.
    pub const BYTES: usize = 16 << 20;
    /// So little is not worth a trim.
    const KEPT: usize = 64 << 10;

    /// A pool without buffers; it allocates when the first comes back.
    #[must_use]
    pub const fn new() -> Self {
        Self { free: Vec::new(), bytes: 0, spare: 0 }
    }

    pub(super) fn take(&mut self) -> Box<Buffers> {
        let Some(buffers) = self.free.pop() else { return Box::default() };
        self.bytes -= buffers.capacity();
        self.spare = self.spare.min(self.free.len());
        buffers
    }

    /// The buffers of a connection, lent to it if it has none.
    #[inline]
    pub(super) fn lend<'b>(&mut self, buffers: &'b mut Option<Box<Buffers>>) -> &'b mut Buffers {
        buffers.get_or_insert_with(|| self.take())
    }

    pub(super) fn give(&mut self, mut buffers: Box<Buffers>) {
        buffers.clear();
        let capacity = buffers.capacity();
        if self.free.len() < Self::COUNT
            && capacity <= Self::EACH
            && self.bytes + capacity <= Self::BYTES
        {
            self.bytes += capacity;
            self.free.push(buffers);
        }
    }

    /// Whether it holds enough for [`trim`](Self::trim) to be worth while.
    #[must_use]
    pub const fn is_large(&self) -> bool {
        self.bytes > Self::KEPT
    }

    /// Frees what nobody has needed since the last trim.
    pub fn trim(&mut self) {
        // The last one given is the first one taken, so the idle ones are at the front.
        let freed: usize = self.free.drain(..self.spare).map(|b| b.capacity()).sum();
        self.bytes -= freed;
        self.spare = self.free.len();
    }

    /// Bytes it holds.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffers(capacity: usize) -> Box<Buffers> {
        let mut buffers = Box::<Buffers>::default();
        buffers.chunks.buffer().reserve(capacity);
        buffers
    }

    #[test]
    fn it_is_bounded_in_number_and_size() {
        let mut pool = Pool::new();
        pool.give(buffers(Pool::EACH * 2));
        assert_eq!((pool.free.len(), pool.bytes()), (0, 0));
        for _ in 0..Pool::COUNT * 2 {
            pool.give(buffers(1000));
        }
        assert_eq!(pool.free.len(), Pool::COUNT);
        assert!(pool.bytes() >= Pool::COUNT * 1000);
        for _ in 0..Pool::COUNT * 2 {
            assert!(pool.take().is_empty());
        }
        assert_eq!((pool.free.len(), pool.bytes()), (0, 0));
        for _ in 0..Pool::COUNT {
            pool.give(buffers(Pool::EACH));
        }
        assert_eq!(pool.bytes(), Pool::BYTES);
    }

    #[test]
    fn what_is_not_needed_is_freed() {
        let mut pool = Pool::new();
        for _ in 0..10 {
            pool.give(buffers(100_000));
        }
        assert!(pool.is_large());
        pool.trim();
        assert_eq!(pool.free.len(), 10, "all of them were lent since the pool was made");
        let lent: Vec<_> = (0..3).map(|_| pool.take()).collect();
        lent.into_iter().for_each(|buffers| pool.give(buffers));
        pool.trim();
        assert_eq!(pool.free.len(), 3);
        pool.trim();
        assert_eq!((pool.free.len(), pool.bytes()), (0, 0));
        assert!(!pool.is_large());
    }
}
