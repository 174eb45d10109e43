//! What a line looks like.
//!
//! ```text
//! 1764000000: New client connected from 10.0.0.7:4711 as lamp (p2, c1, k60).
//! 1764000000: Error: cannot listen on 10.0.0.1:1883: Cannot assign requested address
//! {"time":"2025-11-24T16:00:00.123Z","type":"notice","message":"New client ..."}
//! ```
//!
//! Owns: the form of a line; a place decides whether it is stamped and whether its reader wants a
//! priority in front.
//!
//! Never writes one anywhere.

use std::io::Write as _;

use super::kind::Kind;
use crate::config::{LogFormat, LogSettings};
use crate::stamp::{Stamp, TimeFormat};

/// A line before it has a form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) kind: Kind,
    /// Whether it is about a client that comes or goes: its wording is known, nothing is added.
    pub(super) is_connection: bool,
    pub(super) text: &'a str,
    pub(super) at: Stamp,
}

/// The form of the lines of one place.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    time: Time,
    format: LogFormat,
    has_priority: bool,
}

#[derive(Clone, Debug)]
enum Time {
    None,
    Epoch,
    Format(TimeFormat),
}

impl Layout {
    /// As the settings want it; where they leave it open, `is_stamped` says whether a line begins
    /// with the time.
    ///
    /// # Errors
    /// If the format of the time cannot be understood.
    pub(super) fn new(settings: &LogSettings, is_stamped: bool) -> Result<Self, String> {
        let format = settings.timestamp_format.as_deref().map(|text| {
            TimeFormat::parse(text).ok_or_else(|| {
                format!("log_timestamp_format '{text}': give a format as of strftime(3)")
            })
        });
        let time = match format.transpose()? {
            _ if !settings.timestamp.unwrap_or(is_stamped) => Time::None,
            None => Time::Epoch,
            Some(format) => Time::Format(format),
        };
        Ok(Self { time, format: settings.format, has_priority: false })
    }

    /// For a reader that knows the time: it is never given.
    pub(super) const fn bare(settings: &LogSettings) -> Self {
        Self { time: Time::None, format: settings.format, has_priority: false }
    }

    /// For a reader that takes `<N>` in front as the priority.
    pub(super) const fn with_priority(mut self) -> Self {
        self.has_priority = true;
        self
    }

    /// Appends the line to `out`, without an end of line.
    pub(super) fn write(&self, line: &Line<'_>, out: &mut Vec<u8>) {
        if self.has_priority {
            put(out, format_args!("<{}>", line.kind.severity()));
        }
        match self.format {
            LogFormat::Text => self.text(line, out),
            LogFormat::Json => self.json(line, out),
        }
    }

    fn text(&self, line: &Line<'_>, out: &mut Vec<u8>) {
        match &self.time {
            Time::None => {}
            Time::Epoch => put(out, format_args!("{}: ", line.at.secs())),
            Time::Format(format) => put(out, format_args!("{}: ", line.at.format(format))),
        }
        let word = if line.kind == Kind::Error {
            "Error: "
        } else if line.kind == Kind::Warning && !line.is_connection {
            "Warning: "
        } else {
            ""
        };
        put(out, format_args!("{word}{}", line.text));
    }

    fn json(&self, line: &Line<'_>, out: &mut Vec<u8>) {
        let time = match &self.time {
            Time::None => None,
            Time::Epoch => Some(line.at.rfc3339()),
            Time::Format(format) => Some(line.at.format(format)),
        };
        out.push(b'{');
        for (name, value) in [
            ("time", time.as_deref()),
            ("type", Some(line.kind.name())),
            ("message", Some(line.text)),
        ] {
            let Some(value) = value else { continue };
            let comma = if out.last() == Some(&b'{') { "" } else { "," };
            put(out, format_args!("{comma}\"{name}\":"));
            serde_json::to_writer(&mut *out, value).expect("text can be written to memory");
        }
        out.push(b'}');
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("memory takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Line<'_> =
        Line { kind: Kind::Warning, is_connection: false, text: "a \"b\"", at: Stamp::EPOCH };

    fn written(settings: &LogSettings, is_stamped: bool, line: Line<'_>) -> String {
        let mut out = Vec::new();
        Layout::new(settings, is_stamped).unwrap().write(&line, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn time_is_told_where_it_is_wanted() {
        let mut settings = LogSettings::default();
        assert_eq!(written(&settings, true, LINE), "0: Warning: a \"b\"");
        assert_eq!(written(&settings, false, LINE), "Warning: a \"b\"");
        settings.timestamp = Some(true);
        assert_eq!(written(&settings, false, LINE), "0: Warning: a \"b\"");
        settings.timestamp_format = Some("%Y-%m-%dT%H:%M:%S".into());
        assert_eq!(written(&settings, false, LINE), "1970-01-01T00:00:00: Warning: a \"b\"");
        settings.timestamp = Some(false);
        assert_eq!(written(&settings, true, LINE), "Warning: a \"b\"");
        settings.timestamp_format = Some("%Q".into());
        settings.timestamp = None;
        assert!(Layout::new(&settings, true).unwrap_err().contains("strftime"));
    }

    #[test]
    fn what_clients_do_is_not_called_a_warning() {
        let line = Line { is_connection: true, ..LINE };
        assert_eq!(written(&LogSettings::default(), false, line), "a \"b\"");
    }

    #[test]
    fn json_is_json() {
        let mut settings = LogSettings { format: LogFormat::Json, ..LogSettings::default() };
        let rest = "\"type\":\"warning\",\"message\":\"a \\\"b\\\"\"}";
        assert_eq!(written(&settings, false, LINE), format!("{{{rest}"));
        let time = "{\"time\":\"1970-01-01T00:00:00.000Z\",";
        assert_eq!(written(&settings, true, LINE), format!("{time}{rest}"));
        settings.timestamp_format = Some("%H".into());
        assert_eq!(written(&settings, true, LINE), format!("{{\"time\":\"00\",{rest}"));
    }

    #[test]
    fn a_priority_comes_first() {
        let mut out = Vec::new();
        Layout::bare(&LogSettings::default()).with_priority().write(&LINE, &mut out);
        assert_eq!(out, b"<4>Warning: a \"b\"");
    }
}
