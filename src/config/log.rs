//! What is logged, where to and how: plain data for whoever does it.
//!
//! Owns: the settings of the log and their defaults.
//!
//! Never logs.

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

impl Default for LogTypes {
    fn default() -> Self {
        Self { error: true, warning: true, notice: true, information: true, ..Self::NONE }
    }
}
