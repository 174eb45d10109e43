//! The log: which lines there are, what they look like, where they go.
//!
//! ```text
//! info!(..) --> Logger: kind wanted? --> text, once --> repeated? --> each place: form, write
//!                                                                      stderr stdout file syslog
//!                                                                      topic (for the loop)
//! ```
//!
//! Owns: [`Logger`], which stands behind the facade of the `log` crate and can be told other
//! settings while the broker runs. No place can hold up the broker: what one does not take at once
//! is lost to it, counted, and reported there when it takes lines again. A line that comes again
//! and again is written once, and then how often it came.
//!
//! Never decides what is worth a line, and never logs itself: it would wait for itself.

mod file;
mod kind;
mod layout;
mod state;
mod stream;
mod syslog;
mod topic;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record, SetLoggerError};
use simplelog::{CombinedLogger, SharedLogger};

use crate::broker::target;
use crate::config::{LogDest, LogSettings};
use crate::stamp::Stamp;

use file::LogFile;
use layout::{Layout, Line};
use state::State;
use stream::Stream;
use syslog::Syslog;
use topic::Topics;

pub use file::Owner;
pub use kind::{Kind, Kinds};
pub use syslog::SOCKET as SYSLOG_SOCKET;
pub use topic::TopicLine;

/// The log of the process. Clones are the same log.
///
/// ```
/// use mqtt_broker::config::{LogDest, LogSettings};
/// use mqtt_broker::server::log::{Logger, Surroundings};
///
/// let settings = LogSettings { destinations: vec![LogDest::Stdout], ..LogSettings::default() };
/// let logger = Logger::open(&settings, Surroundings::default())?;
/// logger.install().expect("there is no other logger");
/// log::info!("The broker has a voice");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone)]
pub struct Logger(Arc<Shared>);

/// What the places of a log depend on beside the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Where the system's log daemon listens.
    pub syslog: PathBuf,
    /// Whom log files that are created belong to, if not to whoever creates them.
    pub owner: Option<Owner>,
}

/// A log that has been opened and does not log yet.
pub struct Prepared {
    filter: u16,
    sinks: Vec<Box<dyn Sink>>,
    topics: Option<Topics>,
}

/// Where lines go.
trait Sink: Send {
    /// Takes a line that is to be written.
    fn take(&mut self, line: &Line<'_>);

    /// Writes what it has taken without waiting, or counts it as lost.
    fn write(&mut self);

    /// Writes what could not be written before, as far as that can be done without waiting.
    fn flush(&mut self, at: Stamp);

    /// Opens anew what may have been moved.
    fn reopen(&mut self) -> Result<(), String> {
        Ok(())
    }
}

struct Shared {
    /// Bits of [`Kinds`], [`CONNECTIONS`] and [`TOPICS`].
    filter: AtomicU16,
    is_installed: AtomicBool,
    surroundings: Surroundings,
    state: Mutex<State>,
}

/// Bytes of lines that wait to be written together; more are written before their time.
const WAITING_MAX: usize = 32 << 10;

/// Bit of the filter: whether clients that come and go are worth a line.
const CONNECTIONS: u16 = 1 << 8;

/// Bit of the filter: whether lines are published. What is asked after each turn of the loop
/// takes no lock without it.
const TOPICS: u16 = 1 << 9;

impl Logger {
    /// Opens all places that `settings` name.
    ///
    /// # Errors
    /// A sentence that says which cannot be had, why, and what to do.
    pub fn open(settings: &LogSettings, surroundings: Surroundings) -> Result<Self, String> {
        let Prepared { filter, sinks, topics } = prepare(settings, &surroundings)?;
        let state = State::new(sinks, topics);
        Ok(Self(Arc::new(Shared {
            filter: AtomicU16::new(filter),
            is_installed: AtomicBool::new(false),
            surroundings,
            state: Mutex::new(state),
        })))
    }

    /// Makes it the log of the process.
    ///
    /// # Errors
    /// If the process has one already.
    pub fn install(&self) -> Result<(), SetLoggerError> {
        CombinedLogger::init(vec![Box::new(self.clone())])?;
        self.0.is_installed.store(true, Ordering::Relaxed);
        log::set_max_level(self.kinds().level());
        Ok(())
    }

    /// Opens all places that `settings` name, but logs to the old ones until they are
    /// [adopted](Self::adopt).
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn prepare(&self, settings: &LogSettings) -> Result<Prepared, String> {
        prepare(settings, &self.0.surroundings)
    }

    /// Logs to these places from now on, and no longer to the ones before.
    pub fn adopt(&self, prepared: Prepared) {
        let Prepared { filter, sinks, topics } = prepared;
        let mut state = self.state();
        state.flush();
        state.sinks = sinks;
        state.forget_last();
        state.replace_topics(topics);
        self.0.filter.store(filter, Ordering::Relaxed);
        if self.0.is_installed.load(Ordering::Relaxed) {
            log::set_max_level(self.kinds().level());
        }
    }

    /// Opens log files anew, because somebody has moved them away. A file that cannot be opened
    /// goes on being written where it is.
    ///
    /// # Errors
    /// A sentence for each that cannot be opened, with what to do.
    pub fn reopen(&self) -> Result<(), Vec<String>> {
        let mut state = self.state();
        state.flush();
        let errors: Vec<_> =
            state.sinks.iter_mut().filter_map(|sink| sink.reopen().err()).collect();
        state.forget_last();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The longest-waiting line that is to be published.
    #[must_use]
    pub fn next_topic_line(&self) -> Option<TopicLine> {
        self.state().topics.as_mut()?.next()
    }

    /// Whether a line waits to be published.
    #[must_use]
    pub fn has_topic_lines(&self) -> bool {
        self.0.filter.load(Ordering::Relaxed) & TOPICS != 0
            && self.state().topics.as_ref().is_some_and(|topics| !topics.is_empty())
    }

    /// Publishes no line that is logged from now on, or publishes them again.
    pub fn mute_topics(&self, is_muted: bool) {
        if let Some(topics) = &mut self.state().topics {
            topics.mute(is_muted);
        }
    }

    /// A turn of the loop begins. Until it has [ended](Self::turned) or the log is
    /// [flushed](Log::flush), lines are written together: a crowd that comes is not a system call
    /// or two for each. Errors and warnings are written at once, with what was logged before.
    pub fn turns(&self) {
        self.state().is_turning = true;
    }

    /// The turn has ended: what it has logged is written. Says how long until
    /// [`flush`](Log::flush) has something to say: that a line was repeated.
    #[must_use]
    pub fn turned(&self) -> Option<Duration> {
        let mut state = self.state();
        state.turned();
        state.due_in()
    }

    fn kinds(&self) -> Kinds {
        let [_, kinds] = self.0.filter.load(Ordering::Relaxed).to_be_bytes();
        Kinds::from_bits(kinds)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_silenced = metadata.target() == target::CONNECTION
            && self.0.filter.load(Ordering::Relaxed) & CONNECTIONS == 0;
        self.kinds().has(Kind::of(metadata)) && !is_silenced
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.state().log(record);
        }
    }

    fn flush(&self) {
        self.state().flush();
    }
}

/// Stands beside other loggers of a program, if it has any.
impl SharedLogger for Logger {
    fn level(&self) -> LevelFilter {
        // Other settings may want more than those of today.
        LevelFilter::Trace
    }

    fn config(&self) -> Option<&simplelog::Config> {
        None
    }

    fn as_log(self: Box<Self>) -> Box<dyn Log> {
        self
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger").field("kinds", &self.kinds()).finish_non_exhaustive()
    }
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { syslog: SYSLOG_SOCKET.into(), owner: None }
    }
}

fn prepare(settings: &LogSettings, around: &Surroundings) -> Result<Prepared, String> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    let mut topics = None;
    for destination in &settings.destinations {
        match destination {
            LogDest::Stderr => sinks.push(Box::new(Stream::new(io::stderr(), settings)?)),
            LogDest::Stdout => sinks.push(Box::new(Stream::new(io::stdout(), settings)?)),
            LogDest::Syslog => sinks.push(Box::new(Syslog::new(around.syslog.clone(), settings))),
            LogDest::File(path) => {
                sinks.push(Box::new(LogFile::open(path, around.owner, settings)?));
            }
            LogDest::Topic => topics = Some(Topics::new(Layout::new(settings, true)?)),
        }
    }
    let kinds = Kinds::of(settings.types).bits();
    let connections = if settings.connection_messages { CONNECTIONS } else { 0 };
    let published = if topics.is_some() { TOPICS } else { 0 };
    Ok(Prepared { filter: u16::from(kinds) | connections | published, sinks, topics })
}

/// What is said of lines that a place did not take.
fn lost(count: u64) -> String {
    format!("{count} log lines lost")
}

#[cfg(test)]
mod tests;
