//! How log lines name clients.
//!
//! Owns: what a peer's text looks like in the log: nothing in it ends or colours the line, and
//! there is no more of it than anybody reads. An id may have 65,535 bytes, and what takes four
//! bytes to provoke must not cost as much to say: nothing is put together unless it is written.
//!
//! Never logs.

use std::fmt::{self, Display, Write as _};

use crate::session::Identity;

/// Characters of a peer's text in a log line.
const CHARS_MAX: usize = 256;

/// How a log line names a client that has not said who it is.
pub(crate) const NOBODY: &str = "<unknown>";

/// How a log line names a client.
pub(super) const fn name(identity: &Identity) -> Name<'_> {
    Name(identity)
}

/// A client: its id and where it comes from.
pub(super) struct Name<'a>(&'a Identity);

/// What a log line says of a client's user name, if it has one.
pub(super) const fn shown_user(identity: &Identity) -> User<'_> {
    User(identity)
}

/// A client's user name.
pub(super) struct User<'a>(&'a Identity);

/// Text of a peer's.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", Shown(&self.0.client_id), self.0.peer)
    }
}

impl Display for User<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.user_name {
            Some(user) => write!(f, ", u'{}'", Shown(user)),
            None => Ok(()),
        }
    }
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        for c in chars.by_ref().take(CHARS_MAX).flat_map(char::escape_debug) {
            f.write_char(c)?;
        }
        if chars.as_str().is_empty() { Ok(()) } else { f.write_str("...") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(Shown("a\n\x1b[31m\"").to_string(), "a\\n\\u{1b}[31m\\\"");
    }

    #[test]
    fn a_long_text_is_cut() {
        let whole = "\u{e4}".repeat(CHARS_MAX);
        assert_eq!(Shown(&whole).to_string(), whole);
        assert_eq!(Shown(&(whole.clone() + "b")).to_string(), whole + "...");
    }
}
