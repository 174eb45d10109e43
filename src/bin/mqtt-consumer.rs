//! `mqtt-consumer`: subscribes and prints what arrives.
//!
//! Owns: what is subscribed to, which messages are printed and how, and when it is enough.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Stdout, Write};
use std::process::ExitCode;

use bytes::Bytes;
use getopts::Matches;

use mqtt_broker::cli::{self, Usage};
use mqtt_broker::client::{Effect, Event};
use mqtt_broker::codec::{Publish, QoS, ReasonCode, RetainHandling, SubscribeOptions, Version};
use mqtt_broker::program::{
    self, Arguments, Clock, Failure, INPUT_OUTPUT, Role, Settings, Step, TIMED_OUT, Todo,
    format::Format, table,
};
use mqtt_broker::time::Time;
use mqtt_broker::topic_matcher::{Filter, Topic};

const PROGRAM: &str = "mqtt-consumer";

fn main() -> ExitCode {
    let mut quiet = false;
    let outcome = consume(&mut quiet);
    program::exit(PROGRAM, quiet, outcome)
}

fn consume(quiet: &mut bool) -> Result<(), Failure> {
    let arguments = Arguments::parse(PROGRAM, table::CONSUMER, std::env::args_os().skip(1))?;
    if arguments.matches.opt_present("help") {
        program::print(table::CONSUMER_HELP);
        return Ok(());
    }
    if arguments.matches.opt_present("version") {
        program::print(concat!("mqtt-consumer ", env!("CARGO_PKG_VERSION"), "\n"));
        return Ok(());
    }
    let settings = Settings::read(PROGRAM, &arguments, RandomState::new().hash_one(PROGRAM))?;
    *quiet = settings.quiet;
    let wishes = Wishes::read(&arguments.matches, settings.version(), settings.topic.as_deref())?;
    let clock = Clock::start();
    let mut consumer = Consumer::new(&settings, wishes, clock.now());
    program::run(&settings, &mut consumer, clock)?;
    consumer.outcome
}

/// What the command line asks for.
struct Wishes {
    filters: Vec<String>,
    unsubscribe: Vec<String>,
    /// What matches one of these is not printed.
    hidden: Vec<String>,
    count: Option<u64>,
    seconds: Option<u32>,
    /// End when the subscriptions are acknowledged.
    only_subscribe: bool,
    fresh_only: bool,
    retained_only: bool,
    remove_retained: bool,
    retain_as_published: bool,
    retain_handling: RetainHandling,
    style: Style,
    end_of_line: bool,
}

enum Style {
    Payload,
    TopicAndPayload,
    Format(Format),
}

impl Wishes {
    fn read(matches: &Matches, version: Version, topic: Option<&str>) -> Result<Self, Failure> {
        let mut filters = matches.free.clone();
        filters.extend(topic.map(Into::into));
        filters.extend(matches.opt_strs("topic"));
        let unsubscribe = matches.opt_strs("unsubscribe");
        let hidden = matches.opt_strs("filter-out");
        for filter in filters.iter().chain(&unsubscribe).chain(&hidden) {
            Filter::parse(filter)
                .map_err(|invalid| usage(format!("'{filter}' is no filter: {invalid}")))?;
        }
        if filters.is_empty() && unsubscribe.is_empty() {
            return Err(usage("no filter: give one or more, as in 'kitchen/#'"));
        }
        let count: Option<u64> = match (number(matches, "C")?, number(matches, "n")?) {
            (Some(_), Some(_)) => return Err(usage("-C and -n are the same: give one")),
            (count, other) => count.or(other),
        };
        let handling = matches.opt_str("retain-handling");
        if version != Version::V5 {
            for name in ["retain-as-published", "retain-handling"] {
                if matches.opt_present(name) {
                    return Err(usage(format!("--{name} is for MQTT 5: add -V 5")));
                }
            }
        }
        let style = match matches.opt_str("F") {
            Some(format) => Style::Format(Format::parse(&format)?),
            None if matches.opt_present("verbose") => Style::TopicAndPayload,
            None => Style::Payload,
        };
        let (fresh_only, retained_only) =
            (matches.opt_present("R"), matches.opt_present("retained-only"));
        if fresh_only && retained_only {
            return Err(usage("-R and --retained-only leave nothing to print: give one"));
        }
        Ok(Self {
            filters,
            unsubscribe,
            hidden,
            count,
            seconds: cli::value(matches, "W", "seconds")?,
            only_subscribe: matches.opt_present("E"),
            fresh_only,
            retained_only,
            remove_retained: matches.opt_present("remove-retained"),
            retain_as_published: matches.opt_present("retain-as-published"),
            retain_handling: match handling.as_deref() {
                None | Some("always") => RetainHandling::Send,
                Some("new") => RetainHandling::SendIfNew,
                Some("never") => RetainHandling::DoNotSend,
                Some(other) => {
                    let what = format!("--retain-handling '{other}': give always, new or never");
                    return Err(usage(what));
                }
            },
            style,
            end_of_line: !matches.opt_present("N"),
        })
    }
}

fn usage(what: impl Into<String>) -> Failure {
    Usage(what.into()).into()
}

fn number(matches: &Matches, name: &str) -> Result<Option<u64>, Failure> {
    match cli::value(matches, name, "a number from 1")? {
        Some(0) => Err(usage(format!("-{name} 0: give a number from 1"))),
        number => Ok(number),
    }
}

struct Consumer<'a> {
    settings: &'a Settings,
    wishes: Wishes,
    deadline: Option<Time>,
    /// Subscriptions were asked for on some connection.
    has_asked: bool,
    /// Answers to wait for before the program may end with `-E`.
    unanswered: usize,
    /// Retained messages that are being cleared.
    clearing: usize,
    /// Messages that were not hidden, whether there was anything to print of them or not.
    count: u64,
    is_done: bool,
    out: BufWriter<Stdout>,
    line: Vec<u8>,
    outcome: Result<(), Failure>,
}

impl Role for Consumer<'_> {
    fn tell(&mut self, _now: Time, effect: Effect, todo: &mut Todo) {
        match effect {
            Effect::Online { session_present, .. } => self.ask(session_present, todo),
            Effect::Delivered(message) => self.on_message(message, todo),
            Effect::Subscribed { reasons, .. } => self.on_subscribed(&reasons, todo),
            Effect::Unsubscribed { .. } => self.on_answer(todo),
            Effect::Acked { .. } => {
                self.clearing = self.clearing.saturating_sub(1);
                self.leave_if_done(todo);
            }
            Effect::Send(_) | Effect::Ended(_) => {}
        }
    }

    fn next(&mut self, _now: Time) -> Result<Step, Failure> {
        Ok(Step::Wait)
    }

    fn writes(&self) -> bool {
        true
    }

    fn flush(&mut self, todo: &mut Todo) {
        if let Err(error) = self.out.flush() {
            self.mute(&error, todo);
        }
    }

    fn deadline(&self, _has_room: bool) -> Option<Time> {
        self.deadline
    }

    fn tick(&mut self, _now: Time, todo: &mut Todo) {
        self.deadline = None;
        self.end(Err(Failure::new(TIMED_OUT, "timed out")), todo);
    }
}

impl<'a> Consumer<'a> {
    fn new(settings: &'a Settings, wishes: Wishes, now: Time) -> Self {
        Self {
            settings,
            deadline: wishes.seconds.map(|seconds| now.plus_secs(seconds)),
            wishes,
            has_asked: false,
            unanswered: 0,
            clearing: 0,
            count: 0,
            is_done: false,
            out: BufWriter::with_capacity(64 * 1024, io::stdout()),
            line: Vec::new(),
            outcome: Ok(()),
        }
    }

    /// Subscribes, unless the server remembers that it was done before.
    fn ask(&mut self, session_present: bool, todo: &mut Todo) {
        if self.has_asked && session_present {
            return;
        }
        self.has_asked = true;
        self.unanswered = 0;
        let Wishes { filters, unsubscribe, .. } = &self.wishes;
        let properties = &self.settings.properties;
        if !filters.is_empty() {
            let options = SubscribeOptions {
                qos: self.settings.qos,
                no_local: false,
                retain_as_published: self.wishes.retain_as_published,
                retain_handling: self.wishes.retain_handling,
            };
            todo.push(Event::Subscribe {
                filters: filters.iter().map(|filter| (filter.clone(), options)).collect(),
                subscription_identifier: properties.subscription_identifier,
                user_properties: properties.subscribe.clone(),
                token: 0,
            });
            self.unanswered += 1;
        }
        if !unsubscribe.is_empty() {
            todo.push(Event::Unsubscribe {
                filters: unsubscribe.clone(),
                user_properties: properties.unsubscribe.clone(),
                token: 0,
            });
            self.unanswered += 1;
        }
    }

    fn on_subscribed(&mut self, reasons: &[ReasonCode], todo: &mut Todo) {
        let mut refused = 0;
        for (filter, reason) in self.wishes.filters.iter().zip(reasons) {
            if !reason.is_error() {
                continue;
            }
            refused += 1;
            if !self.settings.quiet {
                let name = reason.name();
                eprintln!("{PROGRAM}: the subscription to '{filter}' was refused: {name}");
            }
            // The first decides the exit status, even if others are granted.
            if self.outcome.is_ok() {
                self.outcome = Err(Failure::new(reason.value(), ""));
            }
        }
        if refused == reasons.len() {
            self.is_done = true;
            todo.leave();
        } else {
            self.on_answer(todo);
        }
    }

    fn on_answer(&mut self, todo: &mut Todo) {
        self.unanswered = self.unanswered.saturating_sub(1);
        let has_nothing_to_do = self.wishes.only_subscribe || self.wishes.filters.is_empty();
        if self.unanswered == 0 && has_nothing_to_do {
            self.is_done = true;
            self.leave_if_done(todo);
        }
    }

    fn on_message(&mut self, message: Publish, todo: &mut Todo) {
        if self.is_done || message.retain && self.wishes.fresh_only || self.is_hidden(&message) {
            return;
        }
        if self.wishes.retained_only && !message.retain {
            self.is_done = true;
            self.leave_if_done(todo);
            return;
        }
        if let Err(error) = self.print(&message) {
            self.mute(&error, todo);
            return;
        }
        self.count += 1;
        self.is_done = self.wishes.count.is_some_and(|count| self.count >= count);
        if message.retain && self.wishes.remove_retained {
            self.clear(message.topic, todo);
        }
        self.leave_if_done(todo);
    }

    fn is_hidden(&self, message: &Publish) -> bool {
        Topic::parse(&message.topic).is_ok_and(|topic| {
            let mut hidden = self.wishes.hidden.iter();
            hidden.any(|filter| Filter::parse(filter).is_ok_and(|filter| filter.matches(topic)))
        })
    }

    fn clear(&mut self, topic: String, todo: &mut Todo) {
        let publish =
            Publish { qos: QoS::AtLeastOnce, retain: true, ..Publish::new(topic, Bytes::new()) };
        self.clearing += 1;
        todo.push(Event::Publish { publish, token: 0 });
    }

    /// Payloads are written as they are. Like mosquitto_sub, nothing is printed for an empty one,
    /// or `(null)` behind its topic.
    fn print(&mut self, message: &Publish) -> io::Result<()> {
        let line = &mut self.line;
        line.clear();
        match &self.wishes.style {
            Style::Payload if message.payload.is_empty() => return Ok(()),
            Style::Payload => {}
            Style::TopicAndPayload => {
                line.extend_from_slice(message.topic.as_bytes());
                line.push(b' ');
                if message.payload.is_empty() {
                    line.extend_from_slice(b"(null)");
                }
            }
            Style::Format(format) => {
                if format.write(message, Clock::stamp(), line).is_err() {
                    if !self.settings.quiet {
                        let topic = &message.topic;
                        eprintln!("{PROGRAM}: the payload of a message to '{topic}' is not JSON");
                    }
                    return Ok(());
                }
            }
        }
        self.out.write_all(line)?;
        if !matches!(self.wishes.style, Style::Format(_)) {
            self.out.write_all(&message.payload)?;
        }
        if self.wishes.end_of_line {
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Nobody reads what is printed: a quiet end. Anything else is a failure.
    fn mute(&mut self, error: &io::Error, todo: &mut Todo) {
        if self.is_done {
            return;
        }
        let outcome = if error.kind() == io::ErrorKind::BrokenPipe {
            Ok(())
        } else {
            Err(Failure::new(INPUT_OUTPUT, format!("cannot write: {error}")))
        };
        self.end(outcome, todo);
    }

    fn end(&mut self, outcome: Result<(), Failure>, todo: &mut Todo) {
        self.is_done = true;
        if self.outcome.is_ok() {
            self.outcome = outcome;
        }
        todo.leave();
    }

    fn leave_if_done(&self, todo: &mut Todo) {
        if self.is_done && self.clearing == 0 {
            todo.leave();
        }
    }
}
