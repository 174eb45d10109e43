//! The loop of the client programs.
//!
//! Owns: the connection, the client, the clock and the waiting. In turn: ask the role for more
//! while there is room, write, wait for socket, standard input, signals and deadlines, read.
//!
//! The first connection has to succeed. One that is lost later is made again, after 1 second, then
//! 2, 4, ... 30, unless the server ended it for a reason that would end the next one too.
//!
//! Never prints a message; that is the role's.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::poll::{PollFlags, PollTimeout};

use crate::client::{Client, Effect, Ending, Event};
use crate::time::Time;

use super::link::{LIMITS, Link};
use super::wait::{Ready, Source, signals, wait};
use super::{Clock, Failure, INPUT_OUTPUT, Settings, UNREACHABLE, ending, trace};

/// What a program does with messages.
pub trait Role {
    /// Learns an effect of the client that is not the connection's own business.
    fn tell(&mut self, now: Time, effect: Effect, todo: &mut Todo);

    /// What is to be sent next; asked for while the connection has room.
    ///
    /// # Errors
    /// A failure that ends the program.
    fn next(&mut self, now: Time) -> Result<Step, Failure>;

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

    /// When it is to be asked again without anything having happened.
    fn deadline(&self) -> Option<Time> {
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
    events: VecDeque<Event<'static>>,
    leave: bool,
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

/// Runs `role` on a connection made after `settings` until it leaves.
///
/// # Errors
/// [`Failure`] if the server cannot be reached, refuses, or is none.
pub fn run(settings: &Settings, role: &mut impl Role, clock: Clock) -> Result<(), Failure> {
    let trouble = |error: io::Error| Failure::new(INPUT_OUTPUT, error.to_string());
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(trouble)?.into();
    Runner {
        settings,
        role,
        clock,
        client: Client::new(settings.client.clone()),
        link: None,
        effects: Vec::new(),
        todo: Todo::default(),
        ending: None,
        was_online: false,
        retry: Retry { at: clock.now(), delay_ms: RETRY_MIN_MS },
        stdin,
        signals: signals().map_err(trouble)?,
        scratch: vec![0; SCRATCH],
    }
    .run()
}

struct Runner<'a, R> {
    settings: &'a Settings,
    role: &'a mut R,
    clock: Clock,
    client: Client,
    link: Option<Link>,
    effects: Vec<Effect>,
    todo: Todo,
    ending: Option<Ending>,
    was_online: bool,
    retry: Retry,
    stdin: File,
    signals: UnixStream,
    scratch: Vec<u8>,
}

/// When a lost connection is made again.
struct Retry {
    at: Time,
    delay_ms: u64,
}

impl<R: Role> Runner<'_, R> {
    fn run(mut self) -> Result<(), Failure> {
        self.open()?;
        loop {
            let fed = self.feed()?;
            self.flush();
            self.role.flush(&mut self.todo);
            self.perform();
            if let Some(ending) = self.ending.take()
                && self.is_over(ending)?
            {
                return Ok(());
            }
            let ready = self.wait(fed)?;
            if ready.socket {
                self.read();
            }
            if ready.stdin {
                self.read_stdin()?;
            }
            if ready.signal || ready.nobody_reads {
                self.todo.leave();
            }
            self.tick()?;
            self.perform();
        }
    }

    /// Connects; the first attempt has to succeed.
    fn open(&mut self) -> Result<(), Failure> {
        let Settings { host, port, .. } = self.settings;
        match Link::open(self.settings, self.patience()) {
            Ok(link) => {
                self.link = Some(link);
                self.handle(Event::Connected);
                self.perform();
                Ok(())
            }
            Err(error) if !self.was_online => Err(Failure::new(
                UNREACHABLE,
                format!("cannot connect to {host}:{port}: {error}; -h and -p say where it is"),
            )),
            Err(error) => {
                self.say(&format!("cannot connect to {host}:{port}: {error}; trying again"));
                self.retry_later();
                Ok(())
            }
        }
    }

    /// How long an address may take to answer; a deadline of the role's comes first.
    fn patience(&self) -> Duration {
        let left = self.role.deadline().map(|at| at.since(self.clock.now()));
        left.unwrap_or(CONNECT).clamp(Duration::from_millis(1), CONNECT)
    }

    /// Gives the client what the role has to send, while there is room; true if that was anything.
    fn feed(&mut self) -> Result<bool, Failure> {
        let mut fed = false;
        while self.has_room() {
            match self.role.next(self.clock.now())? {
                Step::Send(event) => self.handle(event),
                Step::Wait => break,
                Step::Finish if self.client.is_idle() => {
                    self.todo.leave();
                    self.perform();
                    break;
                }
                Step::Finish => break,
            }
            self.perform();
            fed = true;
        }
        Ok(fed)
    }

    fn has_room(&self) -> bool {
        let waiting = self.link.as_ref().map_or(usize::MAX, Link::waiting);
        self.client.is_online() && self.client.backlog() == 0 && waiting < ROOM
    }

    fn handle(&mut self, event: Event<'_>) {
        self.client.handle(self.clock.now(), event, &mut self.effects);
    }

    /// Does what client and role want, until neither wants anything.
    fn perform(&mut self) {
        loop {
            let mut effects = std::mem::take(&mut self.effects);
            for effect in effects.drain(..) {
                self.obey(effect);
            }
            if self.effects.is_empty() {
                self.effects = effects;
            }
            if let Some(event) = self.todo.events.pop_front() {
                self.handle(event);
            } else if std::mem::take(&mut self.todo.leave) {
                self.handle(Event::Disconnect(self.settings.disconnect.clone()));
            } else if self.effects.is_empty() {
                return;
            }
        }
    }

    fn obey(&mut self, effect: Effect) {
        match effect {
            Effect::Send(packet) => {
                if self.settings.debug {
                    eprintln!("-> {}", trace::describe(&packet));
                }
                let version = self.client.version();
                if let Some(link) = &mut self.link
                    && let Err(error) = link.send(&packet, version)
                {
                    self.say(&format!("{} cannot be sent: {error}", packet.name()));
                    self.todo.leave();
                }
            }
            // The first ending is the reason.
            Effect::Ended(ending) => self.ending = self.ending.take().or(Some(ending)),
            Effect::Online { .. } => {
                self.was_online = true;
                self.retry.delay_ms = RETRY_MIN_MS;
                self.role.tell(self.clock.now(), effect, &mut self.todo);
            }
            Effect::Delivered(_)
            | Effect::Acked { .. }
            | Effect::Subscribed { .. }
            | Effect::Unsubscribed { .. } => {
                self.role.tell(self.clock.now(), effect, &mut self.todo);
            }
        }
    }

    fn flush(&mut self) {
        if let Some(link) = &mut self.link
            && link.waiting() > 0
            && link.flush()
        {
            self.handle(Event::Written);
        }
    }

    fn wait(&self, fed: bool) -> Result<Ready, Failure> {
        let input = self.role.wants_input() && self.has_room();
        let mut timeout = self.timeout();
        if fed && self.has_room() {
            timeout = PollTimeout::ZERO;
        }
        let mut interests = vec![(Source::Signal, self.signals.as_fd(), PollFlags::POLLIN)];
        if let Some(link) = &self.link {
            let writing = if link.waiting() > 0 { PollFlags::POLLOUT } else { PollFlags::empty() };
            interests.push((Source::Socket, link.as_fd(), PollFlags::POLLIN | writing));
        }
        if input {
            interests.push((Source::Stdin, self.stdin.as_fd(), PollFlags::POLLIN));
        }
        let stdout = io::stdout();
        if self.role.writes() {
            interests.push((Source::Stdout, stdout.as_fd(), PollFlags::empty()));
        }
        wait(&interests, timeout)
            .map_err(|error| Failure::new(INPUT_OUTPUT, format!("cannot wait for events: {error}")))
    }

    fn timeout(&self) -> PollTimeout {
        let retry = self.link.is_none().then_some(self.retry.at);
        let next =
            [self.client.deadline(), self.role.deadline(), retry].into_iter().flatten().min();
        let Some(next) = next else { return PollTimeout::NONE };
        let ms = next.ms_since(self.clock.now());
        PollTimeout::try_from(ms.min(NAP_MAX_MS)).unwrap_or(PollTimeout::MAX)
    }

    /// Takes what the socket has, up to a buffer full.
    fn read(&mut self) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let got = self.link.as_mut().and_then(|link| link.read(&mut scratch));
        match got {
            None => {}
            Some(0) => self.handle(Event::Closed),
            Some(n) => self.decode(&scratch[..n]),
        }
        self.perform();
        self.scratch = scratch;
    }

    fn decode(&mut self, mut input: &[u8]) {
        while let Some(link) = &mut self.link
            && self.ending.is_none()
        {
            let now = self.clock.now();
            match link.decoder.next(&mut input, &LIMITS) {
                Ok(None) => return,
                Ok(Some(packet)) => {
                    if self.settings.debug {
                        eprintln!("<- {}", trace::describe(&packet.to_packet()));
                    }
                    self.client.handle(now, Event::Received(packet), &mut self.effects);
                }
                Err(error) => {
                    self.client.handle(now, Event::Garbled(error), &mut self.effects);
                }
            }
            self.perform();
        }
    }

    fn read_stdin(&mut self) -> Result<(), Failure> {
        match self.stdin.read(&mut self.scratch) {
            Ok(n) => self.role.input(&self.scratch[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let what = format!("cannot read standard input: {error}");
                return Err(Failure::new(INPUT_OUTPUT, what));
            }
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), Failure> {
        let now = self.clock.now();
        if self.client.deadline().is_some_and(|at| at <= now) {
            self.handle(Event::Tick);
            self.perform();
        }
        if self.role.deadline().is_some_and(|at| at <= now) {
            self.role.tick(now, &mut self.todo);
        }
        if self.link.is_none() && self.retry.at <= now && !self.todo.leave {
            self.open()?;
        }
        Ok(())
    }

    /// A connection has ended: true if the program has, too.
    fn is_over(&mut self, ending: Ending) -> Result<bool, Failure> {
        let link = self.link.take();
        if ending == Ending::Left {
            if let Some(link) = link {
                link.close(FAREWELL);
            }
            return Ok(true);
        }
        if !(self.was_online && ending::is_passing(&ending)) {
            if let Some(link) = link {
                link.close(FAREWELL);
            }
            return Err(ending::failure(self.settings, &ending));
        }
        self.say(&format!("{}; trying again", ending::describe(self.settings, &ending)));
        self.retry_later();
        Ok(false)
    }

    fn retry_later(&mut self) {
        self.retry.at = self.clock.now().plus_ms(self.retry.delay_ms);
        self.retry.delay_ms = (self.retry.delay_ms * 2).min(RETRY_MAX_MS);
    }

    fn say(&self, what: &str) {
        if !self.settings.quiet {
            eprintln!("{}: {what}", self.settings.program);
        }
    }
}

/// Bytes read at once.
const SCRATCH: usize = 64 * 1024;
/// While more bytes than this wait to be written, nothing is added.
const ROOM: usize = 64 * 1024;
/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the last bytes may take to leave, and the server to close.
const FAREWELL: Duration = Duration::from_secs(2);
/// First and longest wait before a lost connection is made again.
const RETRY_MIN_MS: u64 = 1000;
const RETRY_MAX_MS: u64 = 30_000;
/// The longest wait without looking at the clock.
const NAP_MAX_MS: u64 = 3_600_000;
