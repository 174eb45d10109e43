//! What is wrong with a configuration.
//!
//! Owns: the errors and warnings of all its files, each with the line it is about, found in one
//! go. They are bounded: who has a hundred does not read the next.
//!
//! Never prints.

use std::fmt;

use super::parse::{At, Raw};

/// Something an operator should know of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file; empty for the command line.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong and what to do.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match (self.file.as_str(), self.line) {
            ("", _) => String::new(),
            (file, 0) => format!("{file}: "),
            (file, line) => format!("{file}:{line}: "),
        };
        // It goes to a terminal or a log, where what a file holds must not be an order.
        let text = place + &self.what;
        f.write_str(&text.replace(char::is_control, "?"))
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) errors: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// Problems of one sort that are told.
const PROBLEMS_MAX: usize = 100;

impl Report {
    pub(super) fn error(&mut self, raw: &Raw, at: At, what: &str) {
        push(&mut self.errors, raw, at, what);
    }

    /// Whether no further error is told.
    pub(super) const fn is_full(&self) -> bool {
        self.errors.len() >= PROBLEMS_MAX
    }

    pub(super) fn warn(&mut self, raw: &Raw, at: At, what: &str) {
        push(&mut self.warnings, raw, at, what);
    }

    /// Orders both by file and line.
    pub(super) fn sort(&mut self, raw: &Raw) {
        let file = |problem: &Problem| {
            let known = raw.files.iter().position(|path| *path == problem.file);
            known.unwrap_or(usize::MAX)
        };
        for problems in [&mut self.errors, &mut self.warnings] {
            problems.sort_by_key(|problem| (file(problem), problem.line));
        }
    }
}

fn push(problems: &mut Vec<Problem>, raw: &Raw, at: At, what: &str) {
    if problems.len() < PROBLEMS_MAX {
        let file = raw.files.get(at.file).cloned().unwrap_or_default();
        problems.push(Problem { file, line: at.line, what: what.into() });
    } else if problems.len() == PROBLEMS_MAX {
        let what = "there is more that is wrong; this is enough for now".into();
        problems.push(Problem { file: String::new(), line: 0, what });
    }
}
