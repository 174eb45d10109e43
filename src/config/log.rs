//! What is logged, where to and how: plain data for whoever does it.
//!
//! Owns: the settings of the log, their defaults, and how those are read that are lists.
//!
//! Never logs.

use super::options::Kind;
use super::value::{Setting, give, words};

/// What is logged, where to and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Where lines go, each once; empty: nowhere.
    pub destinations: Vec<LogDest>,
    /// Which lines there are.
    pub types: LogTypes,
    /// Whether a line begins with the time. `None` if the file does not say: in files and on
    /// terminals, but not where the reader of a pipe adds its own. Syslog never gets one.
    pub timestamp: Option<bool>,
    /// As of strftime(3); `None` is seconds since the epoch.
    pub timestamp_format: Option<String>,
    /// What a line looks like.
    pub format: LogFormat,
    /// Whether clients that come and go are worth a line.
    pub connection_messages: bool,
    /// Under which name syslog files it.
    pub facility: Facility,
    /// Bytes of a log file at which the next one is begun; 0 is no limit.
    pub file_size: u64,
    /// Full log files kept beside the current one, as `FILE.1`, `FILE.2` and so on.
    pub file_count: u16,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogDest {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// The system's log daemon.
    Syslog,
    /// Topics below `$SYS/broker/log`.
    Topic,
    /// A file, by its path.
    File(String),
}

/// Which lines are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTypes {
    /// What the operator must act on.
    pub error: bool,
    /// What went wrong, with a peer above all.
    pub warning: bool,
    /// The life of the broker and its clients.
    pub notice: bool,
    /// Further detail of the same.
    pub information: bool,
    /// Packets.
    pub debug: bool,
    /// Who subscribes to what.
    pub subscribe: bool,
    /// Who ends a subscription.
    pub unsubscribe: bool,
    /// The WebSocket transport.
    pub websockets: bool,
    /// The broker's insides.
    pub internal: bool,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A sentence.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// A facility of syslog(3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Facility {
    /// `LOG_DAEMON`
    #[default]
    Daemon,
    /// `LOG_LOCAL0` to `LOG_LOCAL7`
    Local(u8),
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            destinations: vec![LogDest::Stderr],
            types: LogTypes::default(),
            timestamp: None,
            timestamp_format: None,
            format: LogFormat::Text,
            connection_messages: true,
            facility: Facility::Daemon,
            file_size: 0,
            file_count: 1,
        }
    }
}

impl LogTypes {
    /// None of them.
    pub const NONE: Self = Self {
        error: false,
        warning: false,
        notice: false,
        information: false,
        debug: false,
        subscribe: false,
        unsubscribe: false,
        websockets: false,
        internal: false,
    };

    /// All of them.
    pub const ALL: Self = Self {
        error: true,
        warning: true,
        notice: true,
        information: true,
        debug: true,
        subscribe: true,
        unsubscribe: true,
        websockets: true,
        internal: true,
    };
}

impl LogTypes {
    /// Each type by its name in the file.
    pub(super) const fn named(&mut self) -> [(&'static str, &mut bool); 9] {
        [
            ("error", &mut self.error),
            ("warning", &mut self.warning),
            ("notice", &mut self.notice),
            ("information", &mut self.information),
            ("debug", &mut self.debug),
            ("subscribe", &mut self.subscribe),
            ("unsubscribe", &mut self.unsubscribe),
            ("websockets", &mut self.websockets),
            ("internal", &mut self.internal),
        ]
    }
}

impl Default for LogTypes {
    fn default() -> Self {
        Self { error: true, warning: true, notice: true, information: true, ..Self::NONE }
    }
}

/// Several lines add up; `none` forgets those before it.
impl Setting for Vec<LogDest> {
    fn read(&mut self, text: &str, kind: &Kind, notes: &mut Vec<String>) -> Result<(), String> {
        let first = text.split(char::is_whitespace).next().unwrap_or_default();
        if first == "file" {
            let path = text[first.len()..].trim();
            if path.is_empty() {
                return Err("give the path of the file behind 'file'".into());
            }
            let is_second = self.iter().any(|dest| matches!(dest, LogDest::File(_)));
            if is_second {
                return Err("there is a log file already; keep one of them".into());
            }
            self.push(LogDest::File(path.into()));
            return Ok(());
        }
        for word in words(text) {
            let dest = match word {
                "none" => {
                    self.clear();
                    continue;
                }
                "stderr" => LogDest::Stderr,
                "stdout" => LogDest::Stdout,
                "syslog" => LogDest::Syslog,
                "topic" => LogDest::Topic,
                "dlt" | "android" => {
                    notes.push(format!("'{word}' is unknown here; the log goes to syslog"));
                    LogDest::Syslog
                }
                "file" => return Err("write 'log_dest file PATH' on a line of its own".into()),
                _ => return Err(give(kind)),
            };
            if !self.contains(&dest) {
                self.push(dest);
            }
        }
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        if self.is_empty() {
            return "nowhere".into();
        }
        let all: Vec<String> = self
            .iter()
            .map(|dest| match dest {
                LogDest::Stderr => "stderr".into(),
                LogDest::Stdout => "stdout".into(),
                LogDest::Syslog => "syslog".into(),
                LogDest::Topic => "topic".into(),
                LogDest::File(path) => format!("file {path}"),
            })
            .collect();
        all.join(", ")
    }

    fn clear(&mut self) {
        self.clear();
    }
}

/// Several lines add up; `none` forgets those before it.
impl Setting for LogTypes {
    fn read(&mut self, text: &str, kind: &Kind, _: &mut Vec<String>) -> Result<(), String> {
        for word in words(text) {
            match word {
                "none" => *self = Self::NONE,
                "all" => *self = Self::ALL,
                _ => match self.named().into_iter().find(|(name, _)| *name == word) {
                    Some((_, on)) => *on = true,
                    None => return Err(give(kind)),
                },
            }
        }
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        let mut types = *self;
        let named = types.named().into_iter().filter(|(_, on)| **on).map(|(name, _)| name);
        let names: Vec<&str> = named.collect();
        if names.is_empty() { "nothing".into() } else { names.join(" ") }
    }

    fn clear(&mut self) {
        *self = Self::NONE;
    }
}
