//! Text to lines: the syntax of the file and of those it includes.
//!
//! Owns: what a line is, which option it means and which listener or bridge it belongs to. A line
//! is a name, a blank and a value that runs to the end of the line; `#` in front makes it a
//! comment. Blanks around a line mean nothing, nor does the end of line of other systems.
//!
//! Each file begins above all listeners, whatever the file before it said; listeners and bridges
//! of a file end with it.
//!
//! Never judges a value and never opens a file: [`Files`] does, so that no line of this needs an
//! operating system.

use std::cmp::Ordering;

use super::options::{self, Entry, Scope};
use super::report::Report;
use super::value::clipped;

/// Reads files for a configuration.
pub trait Files {
    /// The bytes of a file.
    ///
    /// # Errors
    /// Why it cannot be read, in a few words.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The names of all that is in a directory, without the directory's.
    ///
    /// # Errors
    /// Why it cannot be read, in a few words.
    fn list(&self, directory: &str) -> Result<Vec<String>, String>;
}

/// Files longer than this are no configuration.
pub const FILE_MAX: usize = 1 << 20;

/// Files one configuration may consist of.
const FILES_MAX: usize = 1000;

/// Bytes of a value.
const VALUE_MAX: usize = 65_535;

/// What the files say, line by line.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// Their paths.
    pub(super) files: Vec<String>,
    pub(super) lines: Vec<Line>,
    /// How many sections there are: the first lies above all listeners and bridges, each of which
    /// begins another.
    pub(super) sections: usize,
}

/// A line that is an option.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) entry: &'static Entry,
    /// The name as it was written.
    pub(super) name: String,
    pub(super) value: String,
    pub(super) at: At,
    /// The listener or bridge it belongs to, or begins.
    pub(super) section: usize,
}

/// Where a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) file: usize,
    /// From 1; 0 for the file as a whole.
    pub(super) line: usize,
}

/// Reads a file and those it includes.
pub(super) fn read(path: &str, files: &dyn Files, report: &mut Report) -> Raw {
    let mut reader = Reader { files, report, raw: Raw { sections: 1, ..Raw::default() } };
    reader.file(path, None);
    reader.raw
}

struct Reader<'r> {
    files: &'r dyn Files,
    report: &'r mut Report,
    raw: Raw,
}

/// The listener and the bridge that lines belong to.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    listener: usize,
    bridge: Option<usize>,
}

impl Reader<'_> {
    /// Reads one file, which `included` names unless it is the first.
    fn file(&mut self, path: &str, included: Option<At>) {
        let here = At { file: self.raw.files.len(), line: 0 };
        self.raw.files.push(path.into());
        let bytes = match self.files.read(path) {
            Ok(bytes) if bytes.len() <= FILE_MAX => bytes,
            Ok(_) => return self.error(here, "it is too long for a configuration file"),
            Err(why) => return self.error(here, &format!("cannot read it: {why}")),
        };
        let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
        let mut cursor = Cursor::default();
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let at = At { line: number + 1, ..here };
            match std::str::from_utf8(line) {
                Ok(line) => self.line(line.trim(), at, included.is_none(), &mut cursor),
                Err(_) => self.error(at, "it is not UTF-8; write it in plain ASCII or UTF-8"),
            }
        }
    }

    fn line(&mut self, line: &str, at: At, is_main: bool, cursor: &mut Cursor) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let value = value.trim_start();
        let Some(entry) = options::find(name) else { return self.unknown(name, at) };
        let name = clipped(name);
        if value.is_empty() {
            let what = format!("{name} has no value; give {}", entry.kind.expected());
            return self.error(at, &what);
        }
        if value.len() > VALUE_MAX || value.chars().any(|c| c.is_control() && c != '\t') {
            let what = format!("the value of {name} is too long or not text; write it anew");
            return self.error(at, &what);
        }
        let Some(section) = self.section(entry, &name, at, cursor) else { return };
        if entry.name == "include_dir" {
            return self.directory(value, at, is_main);
        }
        self.raw.lines.push(Line { entry, name, value: value.into(), at, section });
    }

    /// The section a line belongs to.
    fn section(&mut self, entry: &Entry, name: &str, at: At, cursor: &mut Cursor) -> Option<usize> {
        match (entry.scope, entry.name) {
            (Scope::File, "listener") => {
                cursor.listener = self.raw.sections;
                self.raw.sections += 1;
                Some(cursor.listener)
            }
            (Scope::File, "connection") => {
                cursor.bridge = Some(self.raw.sections);
                self.raw.sections += 1;
                cursor.bridge
            }
            (Scope::File | Scope::Global, _) => Some(0),
            (Scope::Listener, _) if entry.needs_listener && cursor.listener == 0 => {
                self.error(at, &format!("{name} belongs below a 'listener' line; move it there"));
                None
            }
            (Scope::Listener | Scope::Security, _) => Some(cursor.listener),
            (Scope::Bridge, _) => {
                if cursor.bridge.is_none() {
                    let what = format!("{name} belongs below a 'connection' line; move it there");
                    self.error(at, &what);
                }
                cursor.bridge
            }
        }
    }

    fn unknown(&mut self, name: &str, at: At) {
        if self.report.is_full() {
            // Nobody reads it, and looking for the nearest name takes its time.
            return self.error(at, "");
        }
        let advice = options::nearest(name).map_or_else(
            || "mqtt-broker.conf(5) lists all options".into(),
            |near| format!("did you mean {near}?"),
        );
        self.error(at, &format!("there is no option '{}'; {advice}", clipped(name)));
    }

    /// Reads the `*.conf` of a directory in their order.
    fn directory(&mut self, directory: &str, at: At, is_main: bool) {
        if !is_main {
            let what = "include_dir counts in the main file only: nothing is read from here";
            return self.report.warn(&self.raw, at, what);
        }
        let mut names = match self.files.list(directory) {
            Ok(names) => names,
            Err(why) => {
                let directory = clipped(directory);
                return self.error(at, &format!("cannot read the directory '{directory}': {why}"));
            }
        };
        names.retain(|name| name.len() > SUFFIX.len() && name.ends_with(SUFFIX));
        names.sort_by(|a, b| order(a, b));
        for name in names {
            if self.raw.files.len() >= FILES_MAX {
                return self.error(at, "there are too many files; put them together");
            }
            let slash = if directory.ends_with('/') { "" } else { "/" };
            self.file(&format!("{directory}{slash}{name}"), Some(at));
        }
    }

    fn error(&mut self, at: At, what: &str) {
        self.report.error(&self.raw, at, what);
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const SUFFIX: &str = ".conf";

/// Letter by letter, whatever the case; capitals before small letters where they are all that
/// differs: `00 01 A a B b`.
fn order(a: &str, b: &str) -> Ordering {
    let key = |byte: u8| (byte.to_ascii_lowercase(), byte.is_ascii_lowercase());
    a.bytes().map(key).cmp(b.bytes().map(key))
}
