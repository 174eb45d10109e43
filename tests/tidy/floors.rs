//! The floors of the house, as a rule.
//!
//! A name after `crate::` is a module that a file uses; so is one after as many `super::` as lead
//! to the crate's root. Whoever adds a module gives it a floor here.

use super::Faults;
use super::source::Source;

/// A module names only modules on lower floors. Those on one floor do not know each other.
pub(super) const FLOORS: &[&[&str]] = &[
    &["rng"],
    &["crowd", "few", "map", "metrics", "network", "stamp", "time"],
    &["codec"],
    &["topic_matcher"],
    &["message"],
    &["persistence", "session"],
    &["router"],
    &["auth", "broker", "cli", "client", "config", "transport"],
    &["bridge"],
    &["program", "server"],
];

/// The height of a module, 0 for the lowest.
pub(super) fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The rule.
pub(super) fn floors(source: &Source) -> Faults {
    let Some(module) = source.module() else { return vec![] };
    let Some(height) = floor(module) else { return vec![(1, format!("{module} has no floor"))] };
    let mut faults = Vec::new();
    for (at, used) in named(source) {
        let line = source.code[..at].lines().count().max(1);
        match floor(used) {
            None => faults.push((line, format!("{used} has no floor"))),
            Some(other) if other > height => {
                faults.push((line, format!("{module} reaches up to {used}")));
            }
            Some(other) if other == height && used != module => {
                faults.push((line, format!("{module} reaches across to {used}")));
            }
            Some(_) => {}
        }
    }
    faults
}

/// The modules of the crate that a file names, and where.
fn named(source: &Source) -> Vec<(usize, &str)> {
    let code = &source.code;
    let mut named = Vec::new();
    let roots = code.match_indices("crate::").map(|(at, found)| at + found.len());
    for start in roots {
        if code[start..].starts_with('{') {
            named
                .extend(group(&code[start + 1..]).into_iter().map(|(at, name)| (start + at, name)));
        } else {
            named.push((start, ident(&code[start..])));
        }
    }
    // As many `super::` as lead to the root; inside the tests at the end it takes one more.
    let supers = "super::".repeat(source.depth());
    let end: usize =
        code.split_inclusive('\n').take(source.lines_before_tests()).map(str::len).sum();
    for (at, _) in code[..end].match_indices(&supers) {
        let name = ident(&code[at + supers.len()..]);
        if !code[..at].ends_with("super::") && floor(name).is_some() {
            named.push((at, name));
        }
    }
    named
}

/// The first names of `a::b, c::{d, e}}`: `a` and `c`.
fn group(text: &str) -> Vec<(usize, &str)> {
    let mut names = Vec::new();
    let (mut depth, mut is_next) = (1, true);
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => is_next = true,
            c if is_next && c.is_ascii_alphabetic() => {
                names.push((at, ident(&text[at..])));
                is_next = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// The name at the front.
fn ident(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}
