//! Taking connections from listening sockets.
//!
//! Owns: the listening sockets, how many connections are taken in one go, and what happens when
//! the process may open no more files. Readiness is edge-triggered: what is not accepted now
//! brings no further event, so a listener stays ready until it has said that nobody waits.
//!
//! Without a descriptor left, peers in the queue would wait for an answer that does not come and
//! the queue would never empty. One spare descriptor is kept for them: it is closed, a peer is
//! accepted and closed with it, and it is opened again. If even that fails, the listener rests
//! until a connection has gone or a moment has passed.
//!
//! Never keeps a connection.

use std::fs::File;
use std::io;
use std::net::SocketAddr;

use log::warn;
use nix::errno::Errno;

use crate::session::Peer;
use crate::time::Time;

/// A socket that listens.
pub(super) trait Door {
    /// What comes in.
    type Stream;

    /// Takes the next connection that waits.
    fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)>;
}

impl Door for mio::net::TcpListener {
    type Stream = mio::net::TcpStream;

    fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)> {
        Self::accept(self)
    }
}

/// All listening sockets.
#[derive(Debug)]
pub(super) struct Doors<L> {
    all: Vec<(L, bool)>,
    spare: Option<File>,
    /// Nothing is accepted before, unless a connection goes.
    rest: Option<Rest>,
    /// Peers are being turned away; said once.
    is_full: bool,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Time,
    /// How many connections had gone when it began.
    gone: u64,
}

/// Connections taken from one listener in one turn at the most.
const BUDGET: usize = 64;

/// The peer has gone before it was its turn, or a signal came; the next may be there.
const GONE: [io::ErrorKind; 3] =
    [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::Interrupted];

/// How long a listener rests that can do nothing.
const REST_MS: u64 = 100;

impl<L: Door> Doors<L> {
    pub(super) fn new(doors: impl IntoIterator<Item = L>) -> Self {
        let all = doors.into_iter().map(|door| (door, true)).collect();
        Self { all, spare: spare(), rest: None, is_full: false }
    }

    /// Somebody may wait at a listener.
    pub(super) fn ready(&mut self, number: usize) {
        if let Some((_, is_ready)) = self.all.get_mut(number) {
            *is_ready = true;
        }
    }

    /// Takes who waits; `seat` says whether there was a place for him. `gone` is how many
    /// connections have ended so far.
    pub(super) fn accept(
        &mut self,
        now: Time,
        gone: u64,
        seat: &mut dyn FnMut(L::Stream, Peer) -> bool,
    ) {
        if self.rest.is_some_and(|rest| now < rest.until && gone == rest.gone) {
            return;
        }
        self.rest = None;
        for number in 0..self.all.len() {
            for _ in 0..BUDGET {
                if !self.all[number].1 || self.rest.is_some() {
                    break;
                }
                if let Err(error) = self.accept_one(number, seat) {
                    self.failed(number, &error, Rest { until: now.plus_ms(REST_MS), gone });
                }
            }
        }
    }

    /// How long nothing can be accepted; `None` until somebody comes.
    pub(super) fn nap_until(&self, now: Time) -> Option<Time> {
        let is_ready = self.all.iter().any(|(_, is_ready)| *is_ready);
        is_ready.then(|| self.rest.map_or(now, |rest| rest.until))
    }

    fn accept_one(
        &mut self,
        number: usize,
        seat: &mut dyn FnMut(L::Stream, Peer) -> bool,
    ) -> io::Result<()> {
        let (stream, address) = self.all[number].0.accept()?;
        let listener = u16::try_from(number).unwrap_or(u16::MAX);
        let is_seated = seat(stream, Peer { address: Some(address), listener });
        self.note(!is_seated, "as many connections as are allowed");
        Ok(())
    }

    fn failed(&mut self, number: usize, error: &io::Error, rest: Rest) {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.all[number].1 = false;
        } else if is_out_of_files(error) {
            self.note(true, "as many files as are allowed");
            if !self.turn_away(number) {
                self.rest = Some(rest);
            }
        } else if !GONE.contains(&error.kind()) {
            if !self.is_full {
                warn!("Cannot accept connections: {error}");
            }
            self.is_full = true;
            self.rest = Some(rest);
        }
    }

    /// Accepts and closes one connection with the spare descriptor; says whether that worked.
    fn turn_away(&mut self, number: usize) -> bool {
        if self.spare.take().is_none() {
            self.spare = spare();
            return false;
        }
        let done = self.all[number].0.accept().map(drop);
        self.spare = spare();
        match done {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.all[number].1 = false;
                true
            }
            Err(error) => !is_out_of_files(&error),
            Ok(()) => true,
        }
    }

    /// Says once that peers are turned away, until one is not.
    fn note(&mut self, is_full: bool, why: &str) {
        if is_full && !self.is_full {
            warn!("Turning away connections: there are {why}");
        }
        self.is_full = is_full;
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_out_of_files(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|number| matches!(Errno::from_raw(number), Errno::EMFILE | Errno::ENFILE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A listener with a plan: what each call of accept is to give.
    struct Planned(VecDeque<Result<u32, Errno>>);

    impl Door for Planned {
        type Stream = u32;

        fn accept(&mut self) -> io::Result<(u32, SocketAddr)> {
            match self.0.pop_front() {
                Some(Ok(stream)) => Ok((stream, SocketAddr::from(([127, 0, 0, 1], 1)))),
                Some(Err(error)) => Err(error.into()),
                None => Err(io::ErrorKind::WouldBlock.into()),
            }
        }
    }

    fn doors(plan: impl IntoIterator<Item = Result<u32, Errno>>) -> Doors<Planned> {
        Doors::new([Planned(plan.into_iter().collect())])
    }

    fn accepted(doors: &mut Doors<Planned>, now: u64, gone: u64) -> Vec<u32> {
        let mut all = Vec::new();
        doors.accept(Time::from_ms(now), gone, &mut |stream, _| {
            all.push(stream);
            true
        });
        all
    }

    #[test]
    fn everybody_is_taken_within_the_budget() {
        let mut doors = doors((0..100).map(Ok));
        assert_eq!(accepted(&mut doors, 0, 0).len(), BUDGET);
        assert_eq!(doors.nap_until(Time::from_ms(0)), Some(Time::from_ms(0)), "more wait");
        assert_eq!(accepted(&mut doors, 0, 0).len(), 100 - BUDGET);
        assert_eq!(doors.nap_until(Time::from_ms(0)), None);
        doors.all[0].0.0.push_back(Ok(7));
        assert!(accepted(&mut doors, 0, 0).is_empty(), "no event, no call");
        doors.ready(0);
        assert_eq!(accepted(&mut doors, 0, 0), [7]);
        doors.ready(1);
    }

    #[test]
    fn a_peer_that_left_the_queue_holds_up_nobody() {
        let mut doors = doors([Err(Errno::ECONNABORTED), Ok(1), Err(Errno::EINTR), Ok(2)]);
        assert_eq!(accepted(&mut doors, 0, 0), [1, 2]);
    }

    #[test]
    fn without_files_the_queue_is_emptied() {
        let emfile = Err(Errno::EMFILE);
        let mut doors = doors([Ok(1), emfile, Ok(2), emfile, Ok(3), emfile, Err(Errno::EAGAIN)]);
        assert_eq!(accepted(&mut doors, 0, 0), [1], "the others are accepted and closed");
        assert!(doors.all[0].0.0.is_empty() && doors.is_full);
        assert_eq!(doors.nap_until(Time::from_ms(0)), None, "nobody waits");
        assert!(doors.spare.is_some());
    }

    #[test]
    fn with_nothing_left_it_rests_until_a_connection_has_gone() {
        let emfile = Err(Errno::EMFILE);
        let mut doors = doors([emfile, emfile, Ok(1), emfile, emfile, Ok(2)]);
        assert!(accepted(&mut doors, 0, 5).is_empty());
        assert_eq!(doors.nap_until(Time::from_ms(0)), Some(Time::from_ms(REST_MS)));
        assert!(accepted(&mut doors, 1, 5).is_empty(), "it rests");
        assert_eq!(doors.all[0].0.0.len(), 4);
        assert_eq!(accepted(&mut doors, 2, 6), [1], "a connection has gone");
        assert!(accepted(&mut doors, 3, 6).is_empty());
        assert_eq!(accepted(&mut doors, 2 + REST_MS, 6), [2], "it tries again");
        assert_eq!(doors.nap_until(Time::from_ms(200)), None);
    }

    #[test]
    fn an_unknown_error_does_not_make_it_spin() {
        let mut doors = doors([Err(Errno::ENOBUFS), Ok(1)]);
        assert!(accepted(&mut doors, 0, 0).is_empty());
        assert_eq!(doors.nap_until(Time::from_ms(0)), Some(Time::from_ms(REST_MS)));
        assert_eq!(accepted(&mut doors, REST_MS, 0), [1]);
    }

    #[test]
    fn who_finds_no_seat_is_let_go() {
        let mut doors = doors([Ok(1), Ok(2)]);
        let mut seats = 1;
        doors.accept(Time::from_ms(0), 0, &mut |_, _| {
            seats -= 1;
            seats >= 0
        });
        assert!(doors.is_full);
        doors.all[0].0.0.push_back(Ok(3));
        doors.ready(0);
        assert_eq!(accepted(&mut doors, 0, 0), [3]);
        assert!(!doors.is_full);
    }
}
