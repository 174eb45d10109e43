//! The option table: every option a configuration file may hold, its old names included.
//!
//! Owns: name, value, scope, default and fate of each option, and the setting it decides. Parser,
//! `--test-config`, the lines of a reload and the tests of the manual page come from here.
//!
//! Adding an option is adding a row (and a paragraph to the manual page, or a test fails); making
//! one work that did not is changing its [`Mark`].
//!
//! Never reads a line.

mod bridge;
mod general;
mod limits;
mod listener;
mod log;
mod tls;

use super::choice::Address;
use super::settings::{Config, Listener};
use super::value::Setting;

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name; one that ends in `*` stands for all that begin so.
    pub name: &'static str,
    /// Older or other names that mean the same.
    pub aliases: &'static [&'static str],
    /// What it decides, in a few words.
    pub says: &'static str,
    /// What it belongs to.
    pub scope: Scope,
    /// What its value looks like.
    pub kind: Kind,
    /// What holds where the file says nothing.
    pub default: &'static str,
    /// What becomes of it.
    pub mark: Mark,
    /// Whether several lines add up; otherwise the last one counts.
    pub repeats: bool,
    /// What to write instead, if it is on its way out; or empty.
    pub instead: &'static str,
    /// Whether a change waits for the next start.
    pub at_start: bool,
    /// Whether it cannot stand before the first listener.
    pub needs_listener: bool,
    /// The option of all listeners that it replaces for one; or empty.
    pub replaces: &'static str,
    pub(super) place: Place,
}

/// What an option belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole broker.
    Global,
    /// The listener above it; above the first one, that of `port` and `bind_address`.
    Listener,
    /// Every listener, or with `per_listener_settings true` the one above it.
    Security,
    /// The bridge above it.
    Bridge,
    /// The file itself: it begins a listener or a bridge, or changes how the file is read.
    File,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number {
        /// Lowest.
        min: u64,
        /// Highest.
        max: u64,
        /// Of what.
        unit: &'static str,
    },
    /// A whole number; 0 and -1 are no limit.
    Limit {
        /// Highest.
        max: u64,
        /// Of what.
        unit: &'static str,
    },
    /// A number and one of `s h d w m y`.
    Period,
    /// The rest of the line.
    Text,
    /// The rest of the line, a path.
    Path,
    /// What comes before topics: no wildcards, and nothing that is the broker's own.
    Prefix,
    /// Permissions of a file, in octal.
    Mode,
    /// One of these.
    Word(&'static [&'static str]),
    /// Some of these, with blanks or commas between them.
    Words(&'static [&'static str]),
    /// Something of its own, in the words of a synopsis.
    Own(&'static str),
}

/// What becomes of an option. One with its default value is always taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It does what the manual page says.
    Works,
    /// It is taken with a warning: what happens instead.
    Warns(&'static str),
    /// The file is refused, since to go on without it would let in somebody or show something:
    /// why, and what to do.
    Refused(&'static str),
    /// The file is refused until this broker can do it: what it belongs to.
    Later(&'static str),
}

/// The setting that an option decides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// There is none.
    Nowhere,
    /// One of the broker.
    Broker(Access<Config>),
    /// One of each listener.
    Listener(Access<Listener>),
}

/// A way to a setting.
#[derive(Debug)]
pub(super) struct Access<T: 'static> {
    pub(super) get: fn(&T) -> &dyn Setting,
    pub(super) get_mut: fn(&mut T) -> &mut dyn Setting,
}

impl<T> Clone for Access<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Access<T> {}

/// The place of a setting of the broker.
macro_rules! in_broker {
    ($($field:ident).+) => {
        $crate::config::options::Place::Broker($crate::config::options::Access {
            get: |config| &config.$($field).+,
            get_mut: |config| &mut config.$($field).+,
        })
    };
}

/// The place of a setting of a listener.
macro_rules! in_listener {
    ($field:ident) => {
        $crate::config::options::Place::Listener($crate::config::options::Access {
            get: |listener| &listener.$field,
            get_mut: |listener| &mut listener.$field,
        })
    };
}

use {in_broker, in_listener};

/// Every option, in groups with the titles that the manual page gives them.
pub const GROUPS: &[(&str, &[Entry])] = &[
    ("THE FILE", general::FILE),
    ("THE PROCESS", general::PROCESS),
    ("WHO MAY CONNECT", general::ADMISSION),
    ("LISTENERS", listener::LISTENERS),
    ("TLS", tls::TLS),
    ("LIMITS", limits::LIMITS),
    ("MESSAGES AND SESSIONS", limits::MESSAGES),
    ("LOG", log::LOG),
    ("PERSISTENCE", general::PERSISTENCE),
    ("BRIDGES", bridge::BRIDGES),
    ("BRIDGES WITH TLS", bridge::BRIDGES_TLS),
];

/// Every option.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    GROUPS.iter().flat_map(|(_, entries)| entries.iter())
}

/// The option of this name, if there is one.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.is_called(name))
}

/// The option whose name is the least different from `name`, unless it is another word
/// altogether.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    if name.len() > NAME_MAX {
        return None;
    }
    let names = all().flat_map(|entry| std::iter::once(&entry.name).chain(entry.aliases));
    let far = name.len() / 3 + 1;
    let nearest = names.map(|known| (distance(name, known), *known)).min();
    nearest.filter(|(distance, _)| *distance <= far).map(|(_, known)| known)
}

/// Longer words are not looked up.
const NAME_MAX: usize = 64;

/// How many letters must be added, taken away, replaced or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let width = to.len() + 1;
    let mut rows = vec![0; (from.len() + 1) * width];
    for row in 0..=from.len() {
        for column in 0..width {
            let at = |row: usize, column: usize| rows[row * width + column];
            rows[row * width + column] = if row == 0 || column == 0 {
                row + column
            } else {
                let (a, b) = (from[row - 1], to[column - 1]);
                let replaced = at(row - 1, column - 1) + usize::from(a != b);
                let changed = at(row - 1, column).min(at(row, column - 1)) + 1;
                let swaps =
                    row > 1 && column > 1 && a == to[column - 2] && b == from[row - 2] && a != b;
                let swapped = if swaps { at(row - 2, column - 2) + 1 } else { usize::MAX };
                replaced.min(changed).min(swapped)
            };
        }
    }
    rows.last().copied().unwrap_or(0)
}

impl Entry {
    const fn new(
        scope: Scope,
        name: &'static str,
        kind: Kind,
        default: &'static str,
        says: &'static str,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            says,
            scope,
            kind,
            default,
            mark: Mark::Works,
            repeats: false,
            instead: "",
            at_start: false,
            needs_listener: false,
            replaces: "",
            place: Place::Nowhere,
        }
    }

    const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    const fn mark(mut self, mark: Mark) -> Self {
        self.mark = mark;
        self
    }

    const fn instead(mut self, instead: &'static str) -> Self {
        self.instead = instead;
        self
    }

    const fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    const fn at_start(mut self) -> Self {
        self.at_start = true;
        self
    }

    const fn needs_listener(mut self) -> Self {
        self.needs_listener = true;
        self
    }

    const fn replaces(mut self, name: &'static str) -> Self {
        self.replaces = name;
        self
    }

    /// Whether `name` means this option.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(_) => self.names().any(|known| {
                let stem = known.trim_end_matches('*');
                name.len() > stem.len() && name.starts_with(stem)
            }),
            None => self.names().any(|known| known == name),
        }
    }

    /// Whether it means anything for a listener at this address.
    #[must_use]
    pub fn fits(&self, address: &Address) -> bool {
        let is_unix = matches!(address, Address::Unix { .. });
        match self.name {
            "unix_socket_mode" | "unix_socket_owner" => is_unix,
            "bind_interface" | "socket_domain" => !is_unix,
            _ => true,
        }
    }

    /// The name and the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// The setting as the broker has it, or none.
    pub(super) fn shown(&self, setting: &dyn Setting) -> String {
        let shown = setting.show(&self.kind);
        if shown == NONE { self.default.into() } else { shown }
    }
}

/// What a setting shows that is not set; the table then says what holds instead.
pub(super) const NONE: &str = "none";

impl Kind {
    /// The value in the words of a synopsis.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Flag => "true | false".into(),
            Self::Number { unit: "", .. } => "NUMBER".into(),
            Self::Number { unit, .. } | Self::Limit { unit, .. } => unit.to_ascii_uppercase(),
            Self::Period => "PERIOD".into(),
            Self::Text => "TEXT".into(),
            Self::Path => "PATH".into(),
            Self::Prefix => "PREFIX".into(),
            Self::Mode => "MODE".into(),
            Self::Word(words) => words.join(" | "),
            Self::Words(words) => format!("{} ...", words.join(" | ")),
            Self::Own(hint) => (*hint).into(),
        }
    }

    /// What a right value looks like, as the end of `give ...`.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Flag => "true or false".into(),
            Self::Number { min, max, unit: "" } => format!("a number from {min} to {max}"),
            Self::Number { min, max, unit } => format!("{unit}, a number from {min} to {max}"),
            Self::Limit { max: u64::MAX, unit } => format!("{unit}, or 0 for no limit"),
            Self::Limit { max, unit } => {
                format!("{unit}, a number up to {max}, or 0 for no limit")
            }
            Self::Period => "a number and one of s, h, d, w, m and y, as in 14d".into(),
            Self::Text => "some text".into(),
            Self::Path => "a path".into(),
            Self::Prefix => {
                "the beginning of a topic, without + and #, and not of $SYS or $share".into()
            }
            Self::Mode => "permissions in octal, as in 0660".into(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Words(words) => format!("one or more of {}", words.join(", ")),
            Self::Own(hint) => (*hint).into(),
        }
    }

    /// What the numbers count.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        if let Self::Number { unit, .. } | Self::Limit { unit, .. } = self { unit } else { "" }
    }
}
