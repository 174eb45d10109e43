//! Other listening sockets than before, all of them or none.
//!
//! ```text
//! prepare   what is new is opened, what stays is given its settings; what goes is left alone
//! adopt     what goes is closed                     or
//! undo      what is new is closed, what stays has its old settings
//! ```
//!
//! Owns: [`Change`]. A new socket may want a port of one that is about to go (`listener 1883`
//! becomes `listener 1883 127.0.0.1`): then the old one stops to listen but keeps its port, the new
//! one is opened beside it, and if the change comes to nothing the old one listens again.
//!
//! Never accepts anybody.

use std::io;

use log::{error, info};
use mio::{Interest, Registry, Token};

use super::LISTENERS;
use super::accept::Doors;
use super::listen::{Entrance, Opener, Refusal};
use super::place::{Listening, Place};

/// Listening sockets of one server.
pub(super) const SOCKETS_MAX: usize = 1 << 12;

/// A change that is prepared.
#[derive(Debug)]
pub(super) struct Change {
    /// Numbers of new sockets.
    opened: Vec<usize>,
    /// Of those that go.
    closing: Vec<usize>,
    /// Of those among them that do not listen any more.
    muted: Vec<usize>,
    /// What stays, and the settings it had.
    tuned: Vec<(usize, Place)>,
    had_no_delay: bool,
}

impl Change {
    /// Opens what `wanted` wants and `doors` do not have.
    ///
    /// # Errors
    /// What cannot be done and what to do; then nothing is done.
    pub(super) fn prepare(
        doors: &mut Doors<Entrance>,
        opener: &mut Opener,
        registry: &Registry,
        wanted: &[Listening],
        no_delay: bool,
    ) -> Result<Self, Vec<Refusal>> {
        let is_closing = |listener: u16, door: &Entrance| {
            let listening = wanted.get(usize::from(listener));
            !listening.is_some_and(|one| one.places.iter().any(|place| door.serves(place)))
        };
        let closing = doors.iter().filter(|(_, listener, door)| is_closing(*listener, door));
        let mut change = Self {
            closing: closing.map(|(number, ..)| number).collect(),
            opened: Vec::new(),
            muted: Vec::new(),
            tuned: Vec::new(),
            had_no_delay: std::mem::replace(&mut opener.no_delay, no_delay),
        };
        let mut problems = Vec::new();
        for (listener, listening) in wanted.iter().enumerate() {
            for place in &listening.places {
                let done = match change.serving(doors, listener, place) {
                    Some(number) => change.tune(doors, number, place, no_delay),
                    None => change.open(doors, opener, registry, (listener, listening), place),
                };
                problems.extend(done.err());
            }
        }
        if problems.is_empty() {
            return Ok(change);
        }
        change.undo(doors, opener, registry);
        Err(problems)
    }

    /// The socket of a listener that takes who comes to `place`.
    fn serving(&self, doors: &Doors<Entrance>, listener: usize, place: &Place) -> Option<usize> {
        let mut all = doors.iter();
        let is_it = |(number, owner, door): &(usize, u16, &Entrance)| {
            usize::from(*owner) == listener && !self.closing.contains(number) && door.serves(place)
        };
        all.find(is_it).map(|(number, ..)| number)
    }

    fn tune(
        &mut self,
        doors: &mut Doors<Entrance>,
        number: usize,
        place: &Place,
        no_delay: bool,
    ) -> Result<(), Refusal> {
        let Some(door) = doors.get_mut(number) else { return Ok(()) };
        let is_new = no_delay != self.had_no_delay || !door.has_settings_of(place);
        if !is_new || self.opened.contains(&number) {
            return Ok(());
        }
        self.tuned.push((number, door.place.clone()));
        door.tune(place, no_delay).map_err(|what| Refusal { kind: io::ErrorKind::Other, what })
    }

    fn open(
        &mut self,
        doors: &mut Doors<Entrance>,
        opener: &Opener,
        registry: &Registry,
        (listener, listening): (usize, &Listening),
        place: &Place,
    ) -> Result<(), Refusal> {
        let mut opened = opener.open(place, listening);
        if let Err(refusal) = &opened
            && refusal.kind == io::ErrorKind::AddrInUse
            && self.make_way(doors, place)
        {
            opened = opener.open(place, listening);
        }
        for mut door in opened? {
            let number = doors.next_number();
            let registered = if number < SOCKETS_MAX {
                registry.register(&mut door, Token(LISTENERS + number), Interest::READABLE)
            } else {
                Err(io::Error::other("there are too many sockets; remove listeners"))
            };
            registered.map_err(|error| Refusal {
                kind: error.kind(),
                what: format!("cannot listen on {door}: {error}"),
            })?;
            let listener = u16::try_from(listener).expect("numbers of listeners are used again");
            self.opened.push(doors.add(door, listener));
        }
        Ok(())
    }

    /// Stops those from listening that are about to go and have the port of `place`; whether
    /// there were any. One that was handed over is not the broker's to stop.
    fn make_way(&mut self, doors: &Doors<Entrance>, place: &Place) -> bool {
        let before = self.muted.len();
        let port = place.address().map(|address| address.port());
        for (number, _, door) in doors.iter() {
            let has_port = door.address().map(|address| address.port()) == port;
            let is_in_the_way = has_port && !door.is_shared;
            if self.closing.contains(&number) && is_in_the_way && !self.muted.contains(&number) {
                door.mute();
                self.muted.push(number);
            }
        }
        self.muted.len() > before
    }

    /// How many sockets come and go.
    pub(super) fn len(&self) -> usize {
        self.opened.len() + self.closing.len()
    }

    /// Carries it out.
    pub(super) fn adopt(self, doors: &mut Doors<Entrance>, registry: &Registry) {
        for number in self.closing {
            if let Some(door) = close(doors, number, registry) {
                info!("no longer listening on {door}");
            }
        }
        for (number, _, door) in doors.iter() {
            if self.opened.contains(&number) {
                info!("listening on {door}");
            }
        }
    }

    /// Forgets it.
    pub(super) fn undo(
        self,
        doors: &mut Doors<Entrance>,
        opener: &mut Opener,
        registry: &Registry,
    ) {
        opener.no_delay = self.had_no_delay;
        for number in self.opened {
            close(doors, number, registry);
        }
        for (number, place) in self.tuned {
            if let Some(door) = doors.get_mut(number)
                && let Err(what) = door.tune(&place, self.had_no_delay)
            {
                error!("{what}");
            }
        }
        for number in self.muted {
            if let Some(door) = doors.get_mut(number) {
                if let Err(what) = door.unmute() {
                    error!("cannot listen on {door} again: {what}; restart the broker");
                }
                doors.ready(number);
            }
        }
    }
}

/// Takes a socket out. One that was handed over stays open elsewhere, so that closing it here would
/// not take it out of the poll.
fn close(doors: &mut Doors<Entrance>, number: usize, registry: &Registry) -> Option<Entrance> {
    let mut door = doors.remove(number)?;
    let _ = registry.deregister(&mut door); // It can fail only if it is in no poll.
    Some(door)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::Poll;
    use std::net::{SocketAddr, TcpStream};

    struct House {
        poll: Poll,
        doors: Doors<Entrance>,
        opener: Opener,
    }

    impl House {
        fn new() -> Self {
            let poll = Poll::new().unwrap();
            Self { poll, doors: Doors::new(0), opener: Opener::new(Vec::new(), true) }
        }

        /// The addresses after a change, or what is wrong with it.
        fn change(&mut self, wanted: &[Listening]) -> Result<Vec<SocketAddr>, Vec<String>> {
            let Self { poll, doors, opener } = self;
            match Change::prepare(doors, opener, poll.registry(), wanted, true) {
                Ok(change) => {
                    change.adopt(doors, poll.registry());
                    Ok(doors.iter().filter_map(|(_, _, door)| door.address()).collect())
                }
                Err(refusals) => Err(refusals.into_iter().map(|refusal| refusal.what).collect()),
            }
        }
    }

    fn place(address: &str) -> Place {
        let address: SocketAddr = address.parse().unwrap();
        address.into()
    }

    fn at<'p>(places: impl IntoIterator<Item = &'p Place>) -> Listening {
        Listening { places: places.into_iter().cloned().collect(), ..Listening::default() }
    }

    #[test]
    fn what_stays_is_left_alone() {
        let mut house = House::new();
        let any_port = place("127.0.0.1:0");
        let first = house.change(&[at([&any_port])]).unwrap();
        assert_eq!(house.change(&[at([&any_port])]).unwrap(), first);
        // Another listener has another socket, though it wants the same.
        let both = house.change(&[at([&any_port]), at([&any_port])]).unwrap();
        assert!(both.len() == 2 && both[0] == first[0]);
        let second = house.change(&[Listening::default(), at([&any_port])]).unwrap();
        assert_eq!(second, both[1..]);
        assert!(TcpStream::connect(first[0]).is_err() && TcpStream::connect(second[0]).is_ok());
        assert!(house.change(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_change_that_fails_is_none() {
        let mut house = House::new();
        let address = house.change(&[at([&place("127.0.0.1:0")])]).unwrap()[0];
        let own = place(&address.to_string());
        assert_eq!(house.change(&[at([&own])]).unwrap(), [address], "from any to this one");
        let on_lo = Place::Tcp { address, interface: Some("lo".into()) };
        let bad = [place("192.0.2.1:1"), Place::Unix { path: "/x/y".into(), mode: 0, owner: None }];
        let problems = house.change(&[at([&on_lo]), at(&bad)]).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            problems[0].contains("192.0.2.1:1") && problems[1].contains("create the directory")
        );
        assert!(TcpStream::connect(address).is_ok(), "the old one listens again");
        assert_eq!(house.doors.iter().count(), 1);
        assert_eq!(house.change(&[at([&on_lo])]).unwrap(), [address]);
        assert!(TcpStream::connect(address).is_ok());
    }

    #[test]
    fn settings_are_changed_and_changed_back() {
        let mut house = House::new();
        let path = std::env::temp_dir().join(format!("mqtt-broker-change-{}", std::process::id()));
        let socket = |mode| Place::Unix { path: path.clone(), mode, owner: None };
        let mode = || {
            let metadata = std::fs::metadata(&path).unwrap();
            std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777
        };
        house.change(&[at([&socket(0o600)])]).unwrap();
        house.change(&[at([&socket(0o640)])]).unwrap();
        assert_eq!(mode(), 0o640);
        house.change(&[at([&socket(0o666), &place("192.0.2.1:1")])]).unwrap_err();
        assert_eq!(mode(), 0o640);
        house.change(&[]).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn small_packets_leave_at_once_or_not() {
        let mut house = House::new();
        let wanted = [at([&place("127.0.0.1:0")])];
        house.change(&wanted).unwrap();
        let House { poll, doors, opener } = &mut house;
        let inherited = |doors: &Doors<Entrance>| {
            let (_, _, door) = doors.iter().next().unwrap();
            door.has_no_delay()
        };
        assert!(inherited(doors));
        let registry = poll.registry();
        let change = Change::prepare(doors, opener, registry, &wanted, false).unwrap();
        change.undo(doors, opener, registry);
        assert!(inherited(doors) && opener.no_delay);
        let change = Change::prepare(doors, opener, registry, &wanted, false).unwrap();
        change.adopt(doors, registry);
        assert!(!inherited(doors) && !opener.no_delay);
    }
}
