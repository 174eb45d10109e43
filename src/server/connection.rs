//! One connection as the loop sees it.
//!
//! Owns: the socket, the decoder, what waits to be sent, and where the connection is between
//! open and gone:
//!
//! | phase    | reads                      | writes                          | ends by            |
//! |----------|----------------------------|---------------------------------|--------------------|
//! | Open     | decoded, told to broker    | as the broker wants             | EOF, error, effect |
//! | Flushing | thrown away                | what waits, then the write side | flushed, deadline  |
//! |          |                            | is shut                         |                    |
//! | Shut     | thrown away                | nothing                         | EOF, deadline      |
//! | Dead     | no                         | no                              | buried this turn   |
//!
//! A socket closed with unread input makes the kernel reset the connection, and the peer may
//! lose the last packet sent to it (a DISCONNECT with the reason); hence `Shut` waits for the
//! peer's end, for a while.
//!
//! Never talks to the broker: the hub does.

use std::io;

use crate::codec::Decoder;
use crate::session::ConnId;
use crate::transport::{Flushed, Output, Pool, Scratch, Stage, Stream};

use super::hub::{Seat, Socket};

/// What the hub keeps for each socket. Small: most connections are idle.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) socket: S,
    pub(super) serial: u32,
    pub(super) decoder: Decoder,
    pub(super) output: Output,
    /// What is between the socket and its packets; for most nothing.
    pub(super) stream: Option<Box<Stream>>,
    /// What of it is charged to the memory gauge: unsent bytes and the unfinished packet.
    pub(super) weighed: u32,
    pub(super) phase: Phase,
    pub(super) flags: Flags,
    /// What it counts for.
    pub(super) seat: Seat,
}

/// How far a connection is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Flushing,
    Shut,
    Dead,
}

/// What is true of a connection at the moment; a byte or two instead of a dozen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    /// There may be something to read.
    pub(super) const READABLE: Self = Self(1);
    /// The socket may take something.
    pub(super) const WRITABLE: Self = Self(1 << 1);
    /// The poll has seen its end: a short read does not say that nothing is to come.
    pub(super) const ENDING: Self = Self(1 << 2);
    /// The poll has seen an error.
    pub(super) const ERROR: Self = Self(1 << 3);
    /// The broker wants nothing read from it.
    pub(super) const HELD: Self = Self(1 << 4);
    /// The decoder may hold whole packets of an interrupted read.
    pub(super) const KEPT: Self = Self(1 << 5);
    /// It was accepted, and its decoder is to be opened for all packets.
    pub(super) const ADMITTED: Self = Self(1 << 6);
    /// It does not read our answers, so its questions are not read.
    pub(super) const CHOKED: Self = Self(1 << 7);
    /// Writing failed; what is to be read still counts.
    pub(super) const MUTE: Self = Self(1 << 8);
    /// Everything the peer sent has been read.
    pub(super) const EOF: Self = Self(1 << 9);
    /// The broker was told that it is closed.
    pub(super) const TOLD: Self = Self(1 << 10);
    /// It is on the list of those to read.
    pub(super) const IN_READING: Self = Self(1 << 11);
    /// It is on the list of those to write.
    pub(super) const IN_WRITING: Self = Self(1 << 12);
    /// It is on the list of those that wait for storage.
    pub(super) const IN_GATED: Self = Self(1 << 13);
    /// It sends large messages, and may be read in larger gulps.
    pub(super) const LARGE: Self = Self(1 << 14);

    /// Both.
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `flag` is set; of several, any.
    pub(super) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    /// Sets it.
    pub(super) const fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    /// Clears it.
    pub(super) const fn clear(&mut self, flag: Self) {
        self.0 &= !flag.0;
    }

    /// Clears it and says whether it was set.
    pub(super) const fn take(&mut self, flag: Self) -> bool {
        let was = self.has(flag);
        self.clear(flag);
        was
    }

    /// Sets it and says whether it was not set before.
    pub(super) const fn raise(&mut self, flag: Self) -> bool {
        let was = self.has(flag);
        self.set(flag);
        !was
    }
}

impl<S: Socket> Connection<S> {
    pub(super) fn new(socket: S, serial: u32, seat: Seat) -> Self {
        Self {
            socket,
            serial,
            decoder: Decoder::server(),
            output: Output::new(),
            stream: None,
            weighed: 0,
            phase: Phase::Open,
            flags: Flags::WRITABLE,
            seat,
        }
    }

    pub(super) const fn id(&self, slot: u32) -> ConnId {
        ConnId { slot, serial: self.serial }
    }

    /// Whether reading it can achieve anything now.
    pub(super) const fn is_to_read(&self) -> bool {
        match self.phase {
            Phase::Open => {
                self.flags.has(Flags::READABLE.or(Flags::KEPT))
                    && !self.flags.has(Flags::HELD.or(Flags::CHOKED))
            }
            Phase::Flushing | Phase::Shut => self.flags.has(Flags::READABLE),
            Phase::Dead => false,
        }
    }

    /// Whether its end is known although nothing may be read from it.
    pub(super) const fn is_lost(&self) -> bool {
        matches!(self.phase, Phase::Open)
            && self.flags.has(Flags::HELD)
            && self.flags.has(Flags::ERROR)
    }

    /// Whether writing it can achieve anything now; shutting it down is writing, too.
    pub(super) fn is_to_write(&self) -> bool {
        match self.phase {
            Phase::Open => self.flags.has(Flags::WRITABLE) && self.has_bytes(),
            Phase::Flushing => {
                self.is_drained() || (self.flags.has(Flags::WRITABLE) && self.has_bytes())
            }
            Phase::Shut | Phase::Dead => false,
        }
    }

    /// Whether bytes wait that the socket could take.
    fn has_bytes(&self) -> bool {
        self.output.is_ready() || self.is_pending()
    }

    /// Whether nothing waits to be sent.
    pub(super) fn is_drained(&self) -> bool {
        self.output.is_empty() && !self.is_pending()
    }

    fn is_pending(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.is_pending())
    }

    /// Bytes that wait and are no messages with room of their own.
    pub(super) fn unread(&self) -> usize {
        let machines = self.stream.as_ref().map_or(0, |stream| stream.waiting());
        self.output.waiting().saturating_sub(self.output.charged()) + machines
    }

    /// How far it came that has sent no CONNECT.
    pub(super) fn stage(&self) -> Stage {
        let stage = self.stream.as_ref().map_or(Stage::Nothing, |stream| stream.stage());
        let has_some = self.decoder.buffered() > 0;
        if stage == Stage::Nothing && has_some { Stage::Packets } else { stage }
    }

    /// Bytes of what is between its socket and its packets, as long as it lasts.
    pub(super) fn machinery(&self) -> usize {
        self.stream.as_ref().map_or(0, |stream| stream.footprint())
    }

    /// Writes what may leave, about `budget` bytes at the most.
    pub(super) fn flush(
        &mut self,
        pool: &mut Pool,
        machines: &mut Scratch,
        budget: usize,
    ) -> Flushed {
        let Some(stream) = &mut self.stream else {
            return self.output.flush(pool, &mut self.socket, budget);
        };
        let mut sealing = stream.sealing(&mut self.socket, machines);
        let mut done = match sealing.drain() {
            Ok(()) => self.output.flush(pool, &mut sealing, budget),
            Err(error) => {
                let is_blocked = error.kind() == io::ErrorKind::WouldBlock;
                let error = Some(error).filter(|_| !is_blocked);
                Flushed { bytes: 0, credit: 0, is_blocked, error }
            }
        };
        // Room comes back when the socket has taken what it was used for.
        done.credit = stream.settle(done.credit);
        done.is_blocked |= stream.is_pending();
        done
    }

    /// Forgets what waits to be sent.
    pub(super) fn discard(&mut self, pool: &mut Pool) {
        self.output.discard(pool);
        if let Some(stream) = &mut self.stream {
            stream.discard();
        }
    }

    /// Whether the broker's packets still go anywhere.
    pub(super) const fn takes_packets(&self) -> bool {
        matches!(self.phase, Phase::Open) && !self.flags.has(Flags::MUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_independent() {
        let mut flags = Flags::default();
        assert!(flags.raise(Flags::HELD) && !flags.raise(Flags::HELD));
        assert!(!flags.has(Flags::READABLE) && flags.has(Flags::HELD.or(Flags::READABLE)));
        assert!(flags.take(Flags::HELD) && !flags.take(Flags::HELD));
        assert_eq!(flags, Flags::default());
    }
}
