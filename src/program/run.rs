//! The loop of the client programs.
//!
//! Owns: the connection, the client, the clock and the waiting. In turn: ask the role for more
//! while there is room, write, wait for socket, standard input, signals and deadlines, read.
//!
//! The first connection has to succeed. One that is lost later is made again, after 1 second, then
//! 2, 4, ... 30, unless the server ended it for a reason that would end the next one too, or has
//! ended several in a row before anything came of them.
//!
//! Never prints a message; that is the role's.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::poll::{PollFlags, PollTimeout};

use crate::client::{Client, Effect, Ending, Event};
use crate::time::Time;
use crate::transport::Scratch;

use super::link::{LIMITS, Link, Read};
use super::wait::{Ready, Source, signals, wait};
use super::{Clock, Failure, INPUT_OUTPUT, Role, Settings, Step, Todo, UNREACHABLE, ending, trace};

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
        retry: Retry { at: clock.now(), delay_ms: RETRY_MIN_MS, fruitless: 0 },
        stdin,
        signals: signals().map_err(trouble)?,
        scratch: vec![0; SCRATCH],
        machines: Scratch::default(),
        fault: None,
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
    machines: Scratch,
    /// What was wrong below packets.
    fault: Option<String>,
}

/// When a lost connection is made again.
struct Retry {
    at: Time,
    delay_ms: u64,
    /// Connections in a row of which nothing came.
    fruitless: u32,
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
        let server = &self.settings.server;
        match Link::open(self.settings, self.patience()) {
            Ok(link) => {
                self.link = Some(link);
                self.handle(Event::Connected);
                self.perform();
                Ok(())
            }
            Err(error) if !self.was_online => Err(Failure::new(
                UNREACHABLE,
                format!("cannot connect to {server}: {error}; {} where it is", server.options()),
            )),
            Err(error) => {
                self.say(&format!("cannot connect to {server}: {error}; trying again"));
                self.retry_later();
                Ok(())
            }
        }
    }

    /// How long an address may take to answer; a deadline of the role's comes first.
    fn patience(&self) -> Duration {
        let left = self.role.deadline(false).map(|at| at.since(self.clock.now()));
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
        let link_has = self.link.as_ref().is_some_and(Link::has_room);
        self.client.is_online() && self.client.backlog() == 0 && link_has
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
                if let Some(link) = &mut self.link {
                    link.online = Some(self.clock.now());
                }
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
            && link.is_waiting()
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
            let writing = if link.is_waiting() { PollFlags::POLLOUT } else { PollFlags::empty() };
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
        let next = [self.client.deadline(), self.role.deadline(self.has_room()), retry]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next else { return PollTimeout::NONE };
        let ms = next.ms_since(self.clock.now());
        PollTimeout::try_from(ms.min(NAP_MAX_MS)).unwrap_or(PollTimeout::MAX)
    }

    /// Takes what the socket has, up to a buffer full.
    fn read(&mut self) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut machines = std::mem::take(&mut self.machines);
        let link = self.link.as_mut();
        match link.map_or(Read::Nothing, |link| link.read(&mut scratch, &mut machines)) {
            Read::Nothing => {}
            Read::Bytes(bytes) => self.decode(bytes),
            Read::Last(bytes) => {
                self.decode(bytes);
                self.handle(Event::Closed);
            }
            Read::End => self.handle(Event::Closed),
            Read::Fault(what) => {
                self.fault = Some(what);
                self.handle(Event::Closed);
            }
        }
        self.machines = machines;
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
                    link.packets += 1;
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
        if self.role.deadline(self.has_room()).is_some_and(|at| at <= now) {
            self.role.tick(now, &mut self.todo);
        }
        if self.link.is_none() && self.retry.at <= now && !self.todo.leave {
            self.open()?;
        }
        Ok(())
    }

    /// A connection has ended: true if the program has, too.
    fn is_over(&mut self, ending: Ending) -> Result<bool, Failure> {
        let mut link = self.link.take();
        if let Some(what) = self.fault.take() {
            // The other end is told what is wrong with it.
            if let Some(link) = &mut link {
                link.flush();
            }
            let server = &self.settings.server;
            return Err(Failure::new(UNREACHABLE, format!("cannot talk to {server}: {what}")));
        }
        if ending == Ending::Left {
            let farewell = link.map_or(Ok(()), |link| link.close(FAREWELL));
            // Whoever cannot send again wants to know that it did not arrive.
            return match farewell {
                Err(_) if !self.role.resumes() => {
                    Err(ending::failure(self.settings, &Ending::Closed))
                }
                Ok(()) | Err(_) => Ok(true),
            };
        }
        if link.as_ref().is_some_and(|link| link.was_fruitless(self.clock.now())) {
            self.retry.fruitless += 1;
        } else if link.as_ref().is_some_and(|link| link.online.is_some()) {
            self.retry = Retry { delay_ms: RETRY_MIN_MS, fruitless: 0, ..self.retry };
        }
        let may_retry = self.was_online
            && ending::is_passing(&ending)
            && self.role.resumes()
            && self.retry.fruitless < FRUITLESS_MAX;
        if !may_retry {
            // What the server did is worse than what it does not hear any more.
            let _ = link.map(|link| link.close(FAREWELL));
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
/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the last bytes may take to leave, and the server to close.
const FAREWELL: Duration = Duration::from_secs(2);
/// First and longest wait before a lost connection is made again.
const RETRY_MIN_MS: u64 = 1000;
const RETRY_MAX_MS: u64 = 30_000;
/// After so many fruitless connections the program gives up.
const FRUITLESS_MAX: u32 = 3;
/// The longest wait without looking at the clock.
const NAP_MAX_MS: u64 = 3_600_000;
