//! What a client program does, as the loop sees it.
//!
//! Owns: [`Role`], by which the two programs differ, and the ways in which it speaks to the loop.
//!
//! Never touches the connection.

use std::collections::VecDeque;

use crate::client::{Effect, Event};
use crate::time::Time;

use super::Failure;

/// What a program does with messages.
pub trait Role {
    /// Learns an effect of the client that is not the connection's own business.
    fn tell(&mut self, now: Time, effect: Effect, todo: &mut Todo);

    /// What is to be sent next; asked for while the connection has room.
    ///
    /// # Errors
    /// A failure that ends the program.
    fn next(&mut self, now: Time) -> Result<Step, Failure>;

    /// Whether a connection that was lost is to be made again.
    fn resumes(&self) -> bool {
        true
    }

    /// Whether it could use bytes of standard input.
    fn wants_input(&self) -> bool {
        false
    }

    /// Takes bytes of standard input; none means its end.
    fn input(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// Whether it writes to standard output, so that it is to end when nobody reads that.
    fn writes(&self) -> bool {
        false
    }

    /// Writes out what it holds back; called before waiting.
    fn flush(&mut self, todo: &mut Todo) {
        let _ = todo;
    }

    /// When it is to be asked again without anything having happened; what it could only use to
    /// send is of no interest while the connection has no room.
    fn deadline(&self, has_room: bool) -> Option<Time> {
        let _ = has_room;
        None
    }

    /// The deadline may be due.
    fn tick(&mut self, now: Time, todo: &mut Todo) {
        let _ = (now, todo);
    }
}

/// Events the role has for the client.
#[derive(Debug, Default)]
pub struct Todo {
    pub(super) events: VecDeque<Event<'static>>,
    pub(super) leave: bool,
}

impl Todo {
    /// Hands the client an event.
    pub fn push(&mut self, event: Event<'static>) {
        self.events.push_back(event);
    }

    /// Ends the program behind the events pushed so far.
    pub const fn leave(&mut self) {
        self.leave = true;
    }
}

/// What a role has to send.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made once a message and taken apart at once")]
pub enum Step {
    /// This, and maybe more.
    Send(Event<'static>),
    /// Nothing now.
    Wait,
    /// Nothing ever: the program ends when everything is settled.
    Finish,
}
