//! From a record to a line.
//!
//! Owns: the text of the line, which is put together once for all places and bounded; what was
//! logged last, so that a flood of one line is two lines; the time zone.
//!
//! Never decides whether a record is wanted.

use std::fmt::{self, Write as _};
use std::time::{Duration, Instant, SystemTime};

use log::Record;

use super::Sink;
use super::kind::Kind;
use super::layout::Line;
use super::topic::Topics;
use crate::broker::target;
use crate::stamp::Stamp;

/// What changes with each line.
pub(super) struct State {
    pub(super) sinks: Vec<Box<dyn Sink>>,
    pub(super) topics: Option<Topics>,
    /// The text of the line that is being logged.
    text: Text,
    last: Last,
    /// The loop turns: lines are written at the end of the turn.
    pub(super) is_turning: bool,
    /// A quarter of an hour, and a moment in it as clocks here show it.
    zone: Option<(i64, Stamp)>,
}

/// The line that was logged last.
struct Last {
    text: String,
    kind: Kind,
    is_connection: bool,
    /// When it was written.
    at: Option<Instant>,
    /// How often it has come since.
    repeated: u64,
}

/// Bytes of the text of a line; the rest is cut.
const TEXT_MAX: usize = 3800;

/// How long a line that comes again is only counted.
const REPEAT: Duration = Duration::from_secs(10);

/// Seconds in which the offset from UTC does not change: clocks are moved at quarters.
const QUARTER: i64 = 900;

impl State {
    pub(super) fn new(sinks: Vec<Box<dyn Sink>>, topics: Option<Topics>) -> Self {
        let last = Last {
            text: String::new(),
            kind: Kind::Internal,
            is_connection: false,
            at: None,
            repeated: 0,
        };
        Self { sinks, topics, text: Text::default(), last, is_turning: false, zone: None }
    }

    /// Publishes as `topics` say from now on. What waits already is still published, if anything
    /// is.
    pub(super) fn replace_topics(&mut self, topics: Option<Topics>) {
        match (&mut self.topics, topics) {
            (Some(old), Some(new)) => old.resemble(new),
            (old, new) => *old = new,
        }
    }

    /// How long until a repetition has to be reported.
    #[expect(clippy::disallowed_methods, reason = "the server floor is where clocks are read")]
    pub(super) fn due_in(&self) -> Option<Duration> {
        let written = self.last.at.filter(|_| self.last.repeated > 0)?;
        Some((written + REPEAT).saturating_duration_since(Instant::now()))
    }

    #[expect(clippy::disallowed_methods, reason = "the server floor is where clocks are read")]
    pub(super) fn log(&mut self, record: &Record<'_>) {
        self.text.0.clear();
        // It ends early if the text is too long, which is what is wanted.
        let _ = self.text.write_fmt(*record.args());
        let kind = Kind::of(record.metadata());
        let now = Instant::now();
        let last = &mut self.last;
        if last.text == self.text.0 && last.kind == kind {
            if last.at.is_some_and(|at| now < at + REPEAT) {
                last.repeated += 1;
                return;
            }
            if last.repeated > 0 {
                // It goes on: this one is among those that are counted.
                last.repeated += 1;
                return self.summarise();
            }
        } else {
            self.summarise();
            std::mem::swap(&mut self.last.text, &mut self.text.0);
            self.last.kind = kind;
            self.last.is_connection = record.target() == target::CONNECTION;
        }
        self.last.at = Some(now);
        let text = std::mem::take(&mut self.last.text);
        self.write(&text);
        self.last.text = text;
    }

    /// Says how often the last line was repeated, if it was.
    #[expect(clippy::disallowed_methods, reason = "the server floor is where clocks are read")]
    fn summarise(&mut self) {
        let repeated = std::mem::take(&mut self.last.repeated);
        if repeated > 0 {
            self.last.at = Some(Instant::now());
            self.write(&format!("last message repeated {repeated} times"));
        }
    }

    /// Writes a line of the kind of the last one.
    fn write(&mut self, text: &str) {
        let at = self.now();
        let (kind, is_connection) = (self.last.kind, self.last.is_connection);
        let line = Line { kind, is_connection, text, at };
        let is_urgent = matches!(kind, Kind::Error | Kind::Warning);
        for sink in &mut self.sinks {
            sink.take(&line);
            if !self.is_turning || is_urgent {
                sink.write();
            }
        }
        if let Some(topics) = &mut self.topics {
            topics.write(&line);
        }
    }

    /// Writes the next line whatever the last one was: it may stand in a file where the last one
    /// does not.
    pub(super) const fn forget_last(&mut self) {
        self.last.at = None;
    }

    /// Writes what the turn that has ended has logged.
    pub(super) fn turned(&mut self) {
        self.is_turning = false;
        for sink in &mut self.sinks {
            sink.write();
        }
    }

    pub(super) fn flush(&mut self) {
        self.is_turning = false;
        self.summarise();
        let at = self.now();
        for sink in &mut self.sinks {
            sink.flush(at);
        }
    }

    /// The moment, in local time. What the system says of the time zone is asked for each quarter
    /// of an hour: it costs more than the line.
    #[expect(clippy::disallowed_methods, reason = "the server floor is where clocks are read")]
    fn now(&mut self) -> Stamp {
        let moment = SystemTime::now();
        let utc = Stamp::utc(moment);
        let quarter = utc.secs() / QUARTER;
        let here = match self.zone {
            Some((known, here)) if known == quarter => here,
            _ => {
                let here = Stamp::local(moment);
                self.zone = Some((quarter, here));
                here
            }
        };
        utc.beside(here)
    }
}

/// Text of one line: no control characters, and no more than is read.
#[derive(Default)]
struct Text(String);

impl fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for c in part.chars() {
            if self.0.len() >= TEXT_MAX {
                self.0.push_str("...");
                return Err(fmt::Error);
            }
            self.0.push(if c.is_control() { ' ' } else { c });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_one_line_and_not_endless() {
        let mut text = Text::default();
        write!(text, "a\nb\u{1b}[31m").unwrap();
        assert_eq!(text.0, "a b [31m");
        text.0.clear();
        assert!(write!(text, "{}", "\u{e4}".repeat(TEXT_MAX)).is_err());
        assert_eq!(text.0.len(), TEXT_MAX + 3);
        assert!(text.0.ends_with("\u{e4}..."));
    }
}
