//! What is wrong with a file of names or rules.
//!
//! Owns: the file, the line, and what to do; how such files are cut into lines.
//!
//! Never holds what a secret line says.

use std::fmt;

/// Something an operator should know of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong and what to do.
    pub what: String,
}

/// Problems of one file that are told.
const PROBLEMS_MAX: usize = 100;

impl Problem {
    pub(super) fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.into(), line, what: what.into() }
    }

    /// As many as anybody reads, in the order of the lines.
    pub(super) fn bounded(mut problems: Vec<Self>) -> Vec<Self> {
        problems.sort_by_key(|problem| problem.line);
        if problems.len() > PROBLEMS_MAX {
            problems.truncate(PROBLEMS_MAX);
            let last = problems.last().map_or_else(String::new, |problem| problem.file.clone());
            problems.push(Self::new(&last, 0, "there is more that is wrong; this is enough"));
        }
        problems
    }

    /// The lines of a file with their numbers, without blanks around them.
    pub(super) fn lines<'t>(
        file: &str,
        bytes: &'t [u8],
    ) -> Result<impl Iterator<Item = (usize, &'t str)>, Vec<Self>> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line = before.split(|byte| *byte == b'\n').count();
            vec![Self::new(file, line, "this is not UTF-8")]
        })?;
        Ok(text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.line {
            0 => format!("{}: {}", self.file, self.what),
            line => format!("{}:{line}: {}", self.file, self.what),
        };
        // It goes to a terminal or a log, where what a file holds must not be an order.
        f.write_str(&text.replace(char::is_control, "?"))
    }
}
