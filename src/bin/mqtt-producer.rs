//! `mqtt-producer`: publishes messages.
//!
//! Owns: where messages come from, and when they are all settled. A stream of lines is pipelined:
//! read on while there is room in the window and in the output, and no further.

use std::collections::VecDeque;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::process::ExitCode;

use bytes::{Bytes, BytesMut};
use getopts::Matches;

use mqtt_broker::cli::{self, Usage};
use mqtt_broker::client::{Effect, Event};
use mqtt_broker::codec::{Publish, QoS, ReasonCode};
use mqtt_broker::program::{
    self, Arguments, Clock, Failure, INPUT_OUTPUT, Role, Settings, Step, Todo, table,
};
use mqtt_broker::time::Time;

const PROGRAM: &str = "mqtt-producer";

fn main() -> ExitCode {
    let mut quiet = false;
    let outcome = produce(&mut quiet);
    program::exit(PROGRAM, quiet, outcome)
}

fn produce(quiet: &mut bool) -> Result<(), Failure> {
    let arguments = Arguments::parse(PROGRAM, table::PRODUCER, std::env::args_os().skip(1))?;
    if arguments.matches.opt_present("help") {
        program::print(table::PRODUCER_HELP);
        return Ok(());
    }
    if arguments.matches.opt_present("version") {
        program::print(concat!("mqtt-producer ", env!("CARGO_PKG_VERSION"), "\n"));
        return Ok(());
    }
    let settings = Settings::read(PROGRAM, &arguments, RandomState::new().hash_one(PROGRAM))?;
    *quiet = settings.quiet;
    let clock = Clock::start();
    let (topic, source) =
        topic_and_source(&arguments.matches, settings.topic.as_deref(), clock.now())?;
    let message = Publish {
        qos: settings.qos,
        retain: arguments.matches.opt_present("retain"),
        properties: settings.properties.publish.clone(),
        ..Publish::new(topic, Bytes::new())
    };
    let mut producer = Producer { message, source, outcome: Ok(()) };
    program::run(&settings, &mut producer, clock)?;
    producer.outcome
}

/// Where messages come from.
enum Source {
    /// One, so many times.
    Same { payload: Bytes, left: u64, delay_ms: u64, at: Time },
    /// One a line.
    Lines(Lines),
}

fn topic_and_source(
    matches: &Matches,
    url_topic: Option<&str>,
    now: Time,
) -> Result<(String, Source), Failure> {
    let mut free: VecDeque<_> = matches.free.iter().cloned().collect();
    let topic = matches.opt_str("topic").or_else(|| url_topic.map(Into::into));
    let topic = topic.or_else(|| free.pop_front());
    let topic = topic.ok_or_else(|| usage("no topic: give TOPIC MESSAGE, or -t TOPIC"))?;
    program::check_topic(&topic)?;
    let given: Vec<_> = ["message", "file", "stdin-file", "stdin-line", "null-message"]
        .into_iter()
        .filter(|name| matches.opt_present(name))
        .collect();
    let payload = match given[..] {
        [] => {
            let text = free.pop_front();
            let missing = || usage("no message: give it after the topic, or one of -m -f -l -s -n");
            Some(text.ok_or_else(missing)?.into())
        }
        ["message"] => matches.opt_str("message").map(Bytes::from),
        ["file"] => matches.opt_str("file").map(|path| file(&path)).transpose()?,
        ["stdin-file"] => Some(stdin()?),
        ["null-message"] => Some(Bytes::new()),
        ["stdin-line"] => None,
        _ => return Err(usage("one of -m, -f, -l, -s and -n at a time")),
    };
    if let Some(extra) = free.front() {
        let what = format!("'{extra}' is one argument too many; quote a message with spaces");
        return Err(usage(&what));
    }
    let repeat: Option<u64> = cli::value(matches, "repeat", "a number from 1")?;
    let seconds = "seconds, as 1 or 0.5";
    let delay: Option<f64> = cli::value(matches, "repeat-delay", seconds)?;
    let source = match payload {
        None if repeat.is_some() || delay.is_some() => {
            return Err(usage("--repeat repeats one message; it does not go with -l"));
        }
        None => Source::Lines(Lines::default()),
        Some(payload) => Source::Same {
            payload,
            left: repeat.filter(|&n| n > 0).map_or_else(
                || if repeat.is_none() { Ok(1) } else { Err(usage("--repeat 0: give 1 or more")) },
                Ok,
            )?,
            delay_ms: milliseconds(delay.unwrap_or(0.0))?,
            at: now,
        },
    };
    Ok((topic, source))
}

fn usage(what: &str) -> Failure {
    Usage(what.to_owned()).into()
}

fn milliseconds(seconds: f64) -> Result<u64, Failure> {
    if (0.0..=1e9).contains(&seconds) {
        let duration = std::time::Duration::from_secs_f64(seconds);
        Ok(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    } else {
        Err(usage(&format!("--repeat-delay '{seconds}': give seconds, as 1 or 0.5")))
    }
}

fn file(path: &str) -> Result<Bytes, Failure> {
    let wrong = |error| usage(&format!("cannot read {path}: {error}"));
    let file = fs::File::open(path).map_err(wrong)?;
    limited(file, path)
}

fn stdin() -> Result<Bytes, Failure> {
    limited(io::stdin().lock(), "standard input")
}

/// All of `source`, if it fits a packet.
fn limited(source: impl Read, name: &str) -> Result<Bytes, Failure> {
    let mut all = Vec::new();
    source
        .take(PAYLOAD_MAX as u64 + 1)
        .read_to_end(&mut all)
        .map_err(|error| usage(&format!("cannot read {name}: {error}")))?;
    if all.len() > PAYLOAD_MAX {
        return Err(usage(&format!("{name} is larger than a message can be, 256 MiB")));
    }
    Ok(all.into())
}

struct Producer {
    message: Publish,
    source: Source,
    outcome: Result<(), Failure>,
}

impl Role for Producer {
    fn tell(&mut self, _now: Time, effect: Effect, _todo: &mut Todo) {
        if let Effect::Acked { reason, .. } = effect
            && reason.is_error()
        {
            self.refused(reason);
        }
    }

    fn next(&mut self, now: Time) -> Result<Step, Failure> {
        let payload = match &mut self.source {
            Source::Same { left: 0, .. } => return Ok(Step::Finish),
            Source::Same { at, .. } if *at > now => return Ok(Step::Wait),
            Source::Same { payload, left, delay_ms, at } => {
                *left -= 1;
                *at = now.plus_ms(*delay_ms);
                payload.clone()
            }
            Source::Lines(lines) => match lines.next()? {
                Some(line) => line,
                None if lines.ended => return Ok(Step::Finish),
                None => return Ok(Step::Wait),
            },
        };
        let publish = Publish { payload, ..self.message.clone() };
        Ok(Step::Send(Event::Publish { publish, token: 0 }))
    }

    /// What was sent with QoS 0 and then lost cannot be sent again: the program has failed.
    fn resumes(&self) -> bool {
        let has_more = match &self.source {
            Source::Same { left, .. } => *left > 0,
            Source::Lines(lines) => !lines.ended,
        };
        self.message.qos > QoS::AtMostOnce || has_more
    }

    fn wants_input(&self) -> bool {
        matches!(&self.source, Source::Lines(lines) if !lines.ended)
    }

    fn input(&mut self, bytes: &[u8]) {
        if let Source::Lines(lines) = &mut self.source {
            lines.add(bytes);
        }
    }

    fn deadline(&self, has_room: bool) -> Option<Time> {
        match &self.source {
            Source::Same { left, at, .. } if *left > 0 && has_room => Some(*at),
            Source::Same { .. } | Source::Lines(_) => None,
        }
    }
}

impl Producer {
    /// A message was refused; the others go on, the first one decides the exit status.
    fn refused(&mut self, reason: ReasonCode) {
        if self.outcome.is_err() {
            return;
        }
        let topic = &self.message.topic;
        let what = format!("a message to '{topic}' was refused: {}", reason.name());
        self.outcome = Err(Failure::new(reason.value(), what));
    }
}

/// A stream cut into lines.
#[derive(Default)]
struct Lines {
    bytes: BytesMut,
    /// So many bytes of the front hold no end of line.
    searched: usize,
    ended: bool,
}

impl Lines {
    fn add(&mut self, bytes: &[u8]) {
        self.ended = bytes.is_empty();
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line, without its end; at the end of the stream also what has none.
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if let Some(at) = self.bytes[self.searched..].iter().position(|&byte| byte == b'\n') {
            let line = self.bytes.split_to(self.searched + at + 1);
            self.searched = 0;
            return Ok(Some(Bytes::copy_from_slice(&line[..line.len() - 1])));
        }
        self.searched = self.bytes.len();
        if self.searched > PAYLOAD_MAX {
            let what = "a line of standard input is larger than a message can be, 256 MiB";
            return Err(Failure::new(INPUT_OUTPUT, what));
        }
        if self.ended && !self.bytes.is_empty() {
            self.searched = 0;
            return Ok(Some(self.bytes.split().freeze()));
        }
        Ok(None)
    }
}

/// Bytes of the largest payload.
const PAYLOAD_MAX: usize = 268_435_455;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_stream_is() {
        let text = b"one\n\ntwo\r\nlast";
        for at in 0..=text.len() {
            let mut lines = Lines::default();
            let mut all = Vec::new();
            for part in [&text[..at], &text[at..]].into_iter().filter(|part| !part.is_empty()) {
                lines.add(part);
                while let Some(line) = lines.next().unwrap() {
                    all.push(line);
                }
            }
            assert!(!lines.ended);
            lines.add(b"");
            while let Some(line) = lines.next().unwrap() {
                all.push(line);
            }
            assert_eq!(all, ["one", "", "two\r", "last"], "cut at {at}");
            assert!(lines.ended && lines.bytes.is_empty());
        }
    }
}
