//! Taking connections from listening sockets.
//!
//! Owns: the listening sockets, how many connections are taken in one go and in a second, and
//! what happens when the process may open no more files. Readiness is edge-triggered: what is not
//! accepted now brings no further event, so a listener stays ready until it has said that nobody
//! waits. Sockets take turns, so that a crowd at one keeps nobody from another.
//!
//! Without a descriptor left, peers in the queue would wait for an answer that does not come and
//! the queue would never empty. One spare descriptor is kept for them: it is closed, a peer is
//! accepted and closed with it, and it is opened again. If even that fails, the listener rests
//! until a connection has gone or a moment has passed.
//!
//! Never keeps a connection.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;

use log::warn;
use nix::errno::Errno;
use slab::Slab;

use super::pace::Pace;
use crate::session::Peer;
use crate::time::Time;

/// A socket that listens.
pub(super) trait Door: fmt::Display {
    /// What comes in.
    type Stream;

    /// Takes the next connection that waits.
    fn accept(&mut self) -> io::Result<(Self::Stream, Option<SocketAddr>)>;
}

/// Gives somebody who has come in by a socket his place, if there is one.
type Seating<'s, L> = dyn FnMut(&L, <L as Door>::Stream, Peer) -> Result<(), Full> + 's;

/// All listening sockets.
#[derive(Debug)]
pub(super) struct Doors<L> {
    all: Slab<Slot<L>>,
    /// The first one to be asked next time.
    first: usize,
    spare: Option<File>,
    /// Nothing is accepted before, unless a connection goes.
    rest: Option<Rest>,
    pace: Pace,
    /// Who waits because of the pace waits until then.
    paced_until: Option<Time>,
    refusals: Refusals,
}

#[derive(Debug)]
struct Slot<L> {
    door: L,
    /// Of which listener.
    listener: u16,
    is_ready: bool,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Time,
    /// How many connections had gone when it began.
    gone: u64,
}

/// Why somebody has to go again, or to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// There are as many connections as are allowed.
    All,
    /// There are as many of this listener.
    Listener,
    /// There are as many from this address.
    Address,
    /// There are as many files as the process may open.
    Files,
    /// As many as may come in a second have come.
    Pace,
    /// The system gives an error.
    Error,
}

/// What was refused and when it was last said: a crowd is not worth a line a head.
#[derive(Debug, Default)]
struct Refusals {
    count: [u64; REASONS],
    quiet_until: [Option<Time>; REASONS],
}

/// How many reasons there are.
const REASONS: usize = 6;

/// A reason is said again after this long.
const QUIET_MS: u64 = 10_000;

/// Connections taken from one socket in one turn at the most.
const BUDGET: usize = 64;

/// The peer has gone before it was its turn, or a signal came; the next may be there.
const GONE: [io::ErrorKind; 3] =
    [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::Interrupted];

/// How long a listener rests that can do nothing.
const REST_MS: u64 = 100;

impl<L: Door> Doors<L> {
    /// Nobody is let in by more than `rate` in a second; 0 is no limit.
    pub(super) fn new(rate: u32) -> Self {
        Self {
            all: Slab::new(),
            first: 0,
            spare: spare(),
            rest: None,
            pace: Pace::new(rate),
            paced_until: None,
            refusals: Refusals::default(),
        }
    }

    /// From now on nobody is let in by more than `rate` in a second.
    pub(super) fn set_rate(&mut self, rate: u32) {
        self.pace = Pace::new(rate);
        self.paced_until = None;
    }

    /// The number the next socket will have.
    pub(super) fn next_number(&self) -> usize {
        self.all.vacant_key()
    }

    /// Adds a socket of a listener, at which somebody may wait.
    pub(super) fn add(&mut self, door: L, listener: u16) -> usize {
        self.all.insert(Slot { door, listener, is_ready: true })
    }

    /// Takes a socket out.
    pub(super) fn remove(&mut self, number: usize) -> Option<L> {
        self.all.try_remove(number).map(|slot| slot.door)
    }

    /// All sockets: number, listener, socket.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u16, &L)> {
        self.all.iter().map(|(number, slot)| (number, slot.listener, &slot.door))
    }

    /// A socket, to be changed.
    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut L> {
        self.all.get_mut(number).map(|slot| &mut slot.door)
    }

    /// Somebody may wait at a socket.
    pub(super) fn ready(&mut self, number: usize) {
        if let Some(slot) = self.all.get_mut(number) {
            slot.is_ready = true;
        }
    }

    /// Takes who waits; `seat` says whether there was a place for him. `gone` is how many
    /// connections have ended so far.
    pub(super) fn accept(&mut self, now: Time, gone: u64, seat: &mut Seating<'_, L>) {
        if self.rest.is_some_and(|rest| now < rest.until && gone == rest.gone) {
            return;
        }
        self.rest = None;
        let mut has_waited = self.paced_until.take().is_some();
        let rest = Rest { until: now.plus_ms(REST_MS), gone };
        for _ in 0..BUDGET {
            let turns = self.turns();
            if turns.is_empty() {
                return;
            }
            for number in turns {
                if !self.pace.take(now) {
                    self.paced_until = Some(self.pace.next());
                    return;
                }
                self.first = number + 1;
                match self.accept_one(now, number, seat) {
                    Ok(()) if has_waited => {
                        self.refusals.note(now, Full::Pace, &"");
                        has_waited = false;
                    }
                    Ok(()) => {}
                    Err(error) => {
                        self.pace.give_back();
                        self.failed(now, number, &error, rest);
                    }
                }
                if self.rest.is_some() {
                    return;
                }
            }
        }
    }

    /// The sockets at which somebody may wait, in the order in which they take turns.
    fn turns(&self) -> Vec<usize> {
        let ready = self.all.iter().filter(|(_, slot)| slot.is_ready);
        let mut numbers: Vec<usize> = ready.map(|(number, _)| number).collect();
        let first = numbers.partition_point(|number| *number < self.first);
        numbers.rotate_left(first);
        numbers
    }

    /// How long nothing can be accepted; `None` until somebody comes.
    pub(super) fn nap_until(&self, now: Time) -> Option<Time> {
        let is_ready = self.all.iter().any(|(_, slot)| slot.is_ready);
        let rest = self.rest.map(|rest| rest.until);
        is_ready.then(|| rest.into_iter().chain(self.paced_until).max().unwrap_or(now))
    }

    fn accept_one(
        &mut self,
        now: Time,
        number: usize,
        seat: &mut Seating<'_, L>,
    ) -> io::Result<()> {
        let Slot { door, listener, .. } = &mut self.all[number];
        let (stream, address) = door.accept()?;
        let peer = Peer { address, listener: *listener };
        if let Err(why) = seat(door, stream, peer) {
            let whose: &dyn fmt::Display = match &address {
                Some(address) if why == Full::Address => &address.ip(),
                Some(_) | None => door,
            };
            self.refusals.note(now, why, whose);
        }
        Ok(())
    }

    fn failed(&mut self, now: Time, number: usize, error: &io::Error, rest: Rest) {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.all[number].is_ready = false;
        } else if is_out_of_files(error) {
            self.refusals.note(now, Full::Files, &"");
            if !self.turn_away(number) {
                self.rest = Some(rest);
            }
        } else if !GONE.contains(&error.kind()) {
            self.refusals.note(now, Full::Error, error);
            self.rest = Some(rest);
        }
    }

    /// Accepts and closes one connection with the spare descriptor; says whether that worked.
    fn turn_away(&mut self, number: usize) -> bool {
        if self.spare.take().is_none() {
            self.spare = spare();
            return false;
        }
        let done = self.all[number].door.accept().map(drop);
        self.spare = spare();
        match done {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.all[number].is_ready = false;
                true
            }
            Err(error) => !is_out_of_files(&error),
            Ok(()) => true,
        }
    }
}

impl Refusals {
    /// Counts a refusal, and says so unless that was said just now.
    fn note(&mut self, now: Time, why: Full, whose: &dyn fmt::Display) {
        let count = &mut self.count[why as usize];
        *count += 1;
        let quiet_until = &mut self.quiet_until[why as usize];
        if quiet_until.is_some_and(|until| now < until) {
            return;
        }
        *quiet_until = Some(now.plus_ms(QUIET_MS));
        let turning = "Turning away connections:";
        match why {
            Full::All => warn!(
                "{turning} global_max_connections or --max-clients is reached ({count} so far)"
            ),
            Full::Listener => {
                warn!("{turning} max_connections is reached on {whose} ({count} so far)");
            }
            Full::Address => warn!(
                "{turning} max_connections_per_address is reached by {whose} ({count} so far)"
            ),
            Full::Files => {
                warn!("{turning} the process may not open more files ({count} so far)");
            }
            Full::Pace => warn!("Connections wait: max_connection_rate is reached"),
            Full::Error => warn!("Cannot accept connections: {whose}"),
        }
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

        fn accept(&mut self) -> io::Result<(u32, Option<SocketAddr>)> {
            match self.0.pop_front() {
                Some(Ok(stream)) => Ok((stream, Some(SocketAddr::from(([127, 0, 0, 1], 1))))),
                Some(Err(error)) => Err(error.into()),
                None => Err(io::ErrorKind::WouldBlock.into()),
            }
        }
    }

    impl fmt::Display for Planned {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a plan")
        }
    }

    fn doors(plan: impl IntoIterator<Item = Result<u32, Errno>>) -> Doors<Planned> {
        let mut doors = Doors::new(0);
        doors.add(Planned(plan.into_iter().collect()), 0);
        doors
    }

    fn accepted(doors: &mut Doors<Planned>, now: u64, gone: u64) -> Vec<u32> {
        let mut all = Vec::new();
        doors.accept(Time::from_ms(now), gone, &mut |_, stream, _| {
            all.push(stream);
            Ok(())
        });
        all
    }

    fn refused(doors: &Doors<Planned>, why: Full) -> u64 {
        doors.refusals.count[why as usize]
    }

    #[test]
    fn everybody_is_taken_within_the_budget() {
        let mut doors = doors((0..100).map(Ok));
        assert_eq!(accepted(&mut doors, 0, 0).len(), BUDGET);
        assert_eq!(doors.nap_until(Time::from_ms(0)), Some(Time::from_ms(0)), "more wait");
        assert_eq!(accepted(&mut doors, 0, 0).len(), 100 - BUDGET);
        assert_eq!(doors.nap_until(Time::from_ms(0)), None);
        doors.all[0].door.0.push_back(Ok(7));
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
        assert!(doors.all[0].door.0.is_empty() && refused(&doors, Full::Files) == 3);
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
        assert_eq!(doors.all[0].door.0.len(), 4);
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
        doors.accept(Time::from_ms(0), 0, &mut |_, _, _| {
            seats -= 1;
            if seats >= 0 { Ok(()) } else { Err(Full::All) }
        });
        assert_eq!(refused(&doors, Full::All), 1);
        doors.all[0].door.0.push_back(Ok(3));
        doors.ready(0);
        assert_eq!(accepted(&mut doors, 0, 0), [3]);
    }

    #[test]
    fn sockets_take_turns() {
        let mut doors = doors((0..100).map(Ok));
        let second = doors.add(Planned((100..103).map(Ok).collect()), 1);
        assert_eq!(accepted(&mut doors, 0, 0)[..6], [0, 100, 1, 101, 2, 102]);
        assert!(doors.remove(second).is_some() && doors.remove(second).is_none());
        assert_eq!(accepted(&mut doors, 0, 0).len(), 100 - BUDGET);
        assert_eq!(doors.next_number(), second);
    }

    #[test]
    fn who_comes_too_fast_waits_and_is_not_lost() {
        let mut doors = doors((0..50).map(Ok));
        doors.set_rate(100);
        doors.add(Planned((100..150).map(Ok).collect()), 1);
        let (mut now, mut all) = (1_000_000, Vec::new());
        while let Some(until) = doors.nap_until(Time::from_ms(now)) {
            now = until.as_ms();
            all.append(&mut accepted(&mut doors, now, 0));
        }
        assert_eq!(all.len(), 100);
        // A tenth of a second's at once, then one every ten milliseconds.
        assert!((900..=910).contains(&(now - 1_000_000)), "{now}");
        let firsts: Vec<u32> = all[..20].iter().map(|stream| stream / 100).collect();
        assert_eq!(firsts, [0, 1].repeat(10), "a crowd at one keeps nobody from another");
        assert!(refused(&doors, Full::Pace) > 0);
        doors.set_rate(0);
        doors.all[0].door.0.extend((0..50).map(Ok));
        doors.ready(0);
        assert_eq!(accepted(&mut doors, now, 0).len(), 50);
    }
}
