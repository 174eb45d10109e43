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
        change.undo(doors, opener);
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
    /// there were any.
    fn make_way(&mut self, doors: &Doors<Entrance>, place: &Place) -> bool {
        let before = self.muted.len();
        let port = place.address().map(|address| address.port());
        for (number, _, door) in doors.iter() {
            let is_in_the_way = door.address().map(|address| address.port()) == port;
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
    pub(super) fn adopt(self, doors: &mut Doors<Entrance>) {
        for number in self.closing {
            if let Some(door) = doors.remove(number) {
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
    pub(super) fn undo(self, doors: &mut Doors<Entrance>, opener: &mut Opener) {
        opener.no_delay = self.had_no_delay;
        for number in self.opened {
            doors.remove(number);
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
