//! Lines to settings.
//!
//! Owns: what becomes of each option, which listeners there are, and what holds for each. First
//! every line is looked at and everything wrong is told; only what is faultless is put together.
//!
//! Never reads text but values.

use super::address::{Fallback, file_option};
use super::choice::Address;
use super::options::{Mark, Place, Scope};
use super::parse::{At, Line, Raw};
use super::report::Report;
use super::settings::{Config, Listener};
use super::value::{self, Setting, check, clipped, is_default};

/// Puts the lines together, if they can be.
pub(super) fn build(raw: &Raw, fallback: &Fallback, report: &mut Report) -> Option<Config> {
    let per_listener = per_listener_settings(raw, report);
    let builder = Builder::new(raw, per_listener);
    for line in &raw.lines {
        builder.judge(line, report);
    }
    builder.check(report);
    let listeners = builder.listeners(fallback, report);
    if !report.errors.is_empty() {
        return None;
    }
    let mut config = Config::bare();
    config.listeners = listeners;
    config.is_local_only = builder.names_no_listener && fallback.hosts.is_empty();
    for (first, lines) in builder.groups() {
        if let Place::Broker(access) = first.entry.place {
            apply((access.get_mut)(&mut config), lines);
        }
    }
    Some(config)
}

/// Whether security is a matter of each listener, which must be said before anything of it.
fn per_listener_settings(raw: &Raw, report: &mut Report) -> bool {
    let mut first = None;
    let mut is_on = false;
    for line in &raw.lines {
        if line.entry.scope == Scope::Security {
            first = first.or(Some(line));
        } else if line.entry.name == "per_listener_settings" {
            if let Some(first) = first {
                let before = place(raw, first.at);
                let what = format!("{} must stand above {} ({before})", line.name, first.name);
                report.error(raw, line.at, &what);
            }
            is_on = value::flag(&line.value, &mut Vec::new()).unwrap_or(false);
        }
    }
    is_on
}

/// `FILE:LINE`
pub(super) fn place(raw: &Raw, at: At) -> String {
    format!("{}:{}", raw.files.get(at.file).map_or("", |path| path), at.line)
}

/// Gives a setting its value; errors have been told.
pub(super) fn apply(setting: &mut dyn Setting, lines: &[&Line]) {
    if lines.first().is_some_and(|line| line.entry.repeats) {
        setting.clear();
    }
    for line in lines {
        let _ = setting.read(&line.value, &line.entry.kind, &mut Vec::new());
    }
}

pub(super) struct Builder<'r> {
    pub(super) raw: &'r Raw,
    /// Whether security is a matter of each listener.
    pub(super) per_listener: bool,
    /// Whether nothing opens a listener.
    pub(super) names_no_listener: bool,
    /// The lines by option and what they count for, in their order; none is empty.
    groups: Vec<Vec<&'r Line>>,
}

impl<'r> Builder<'r> {
    fn new(raw: &'r Raw, per_listener: bool) -> Self {
        let names_no_listener = !raw.lines.iter().any(opens);
        let mut builder = Self { raw, per_listener, names_no_listener, groups: Vec::new() };
        let key = |line: &Line| (line.entry.name, builder.home(line));
        let mut lines: Vec<&Line> = raw.lines.iter().collect();
        lines.sort_by_key(|line| key(line));
        let groups = lines.chunk_by(|a, b| key(a) == key(b)).map(<[&Line]>::to_vec).collect();
        builder.groups = groups;
        builder
    }

    /// Lines of one option that belong together, and the first of them.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&'r Line, &[&'r Line])> {
        self.groups.iter().filter_map(|lines| Some((*lines.first()?, lines.as_slice())))
    }

    /// Tells what becomes of an option that does not simply work.
    fn judge(&self, line: &Line, report: &mut Report) {
        let Line { entry, name, at, .. } = line;
        if !entry.instead.is_empty() {
            let what = format!("{name} is on its way out; what to write: {}", entry.instead);
            report.warn(self.raw, *at, &what);
        }
        if is_idle(line) {
            return;
        }
        match entry.mark {
            Mark::Works => {}
            Mark::Warns(instead) => report.warn(self.raw, *at, &format!("{name}: {instead}")),
            Mark::Refused(why) => report.error(self.raw, *at, &format!("{name}: {why}")),
            // The line that begins a bridge has said so.
            Mark::Later(_) if entry.scope == Scope::Bridge => {}
            Mark::Later(feature) => {
                let what = format!(
                    "{name} is not supported by this build yet ({feature}); remove the line, \
                     or wait for one that supports it"
                );
                report.error(self.raw, *at, &what);
            }
        }
    }

    /// Reads every value and tells what is wrong with it.
    fn check(&self, report: &mut Report) {
        for (first, lines) in self.groups() {
            let (mut config, mut listener) = (Config::bare(), Listener::new(NOWHERE));
            let mut setting = match first.entry.place {
                Place::Broker(access) => Some((access.get_mut)(&mut config)),
                Place::Listener(access) => Some((access.get_mut)(&mut listener)),
                Place::Nowhere => None,
            };
            if let Some(setting) = &mut setting
                && first.entry.repeats
            {
                setting.clear();
            }
            for line in lines {
                let mut notes = Vec::new();
                let Line { entry, name, value, at, .. } = line;
                let read = match &mut setting {
                    Some(setting) => setting.read(value, &entry.kind, &mut notes),
                    None if entry.scope == Scope::File => file_option(line, &mut notes),
                    None => check(value, &entry.kind, &mut notes),
                };
                if let Err(what) = read {
                    let what = format!("{name} '{}': {what}", clipped(value));
                    report.error(self.raw, *at, &what);
                }
                for note in notes {
                    report.warn(self.raw, *at, &format!("{name}: {note}"));
                }
            }
            self.check_doubles(lines, report);
        }
    }

    /// Tells which of several lines counts.
    fn check_doubles(&self, lines: &[&Line], report: &mut Report) {
        for (before, line) in lines.iter().zip(lines.iter().skip(1)) {
            let is_shared = before.section != line.section;
            if line.entry.repeats || (before.at.file != line.at.file && !is_shared) {
                continue;
            }
            let all = if is_shared { " for all listeners" } else { "" };
            let first = place(self.raw, before.at);
            let what = format!("{} stands at {first} too; this one counts{all}", line.name);
            report.warn(self.raw, line.at, &what);
        }
    }

    /// The section a line counts for.
    pub(super) fn home(&self, line: &Line) -> usize {
        if line.entry.scope == Scope::Security && !self.per_listener { 0 } else { line.section }
    }
}

/// Whether a line opens a listener.
pub(super) fn opens(line: &Line) -> bool {
    match line.entry.scope {
        Scope::File => matches!(line.entry.name, "listener" | "port" | "bind_address"),
        Scope::Listener => line.section == 0 && !is_idle(line),
        Scope::Global | Scope::Security | Scope::Bridge => false,
    }
}

/// Whether a line says what holds anyway.
pub(super) fn is_idle(line: &Line) -> bool {
    is_default(&line.value, &line.entry.kind, line.entry.default)
}

/// For a listener that only tries out values.
const NOWHERE: Address = Address::Any { port: 0 };
