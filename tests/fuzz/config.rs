//! Configuration files nobody would write.
//!
//! Whatever the bytes of a file and of those it includes, they are taken or refused, never fatal:
//! a refusal has a reason, in a line of its own and about a line that is there; what is taken
//! listens somewhere, can be put in words and is no different from itself.

use std::cell::Cell;

use mqtt_broker::config::options::{self, Kind};
use mqtt_broker::config::{self, Fallback, Files, differences, policy};
use mqtt_broker::rng::Rng;

use super::mutation::mutate;
use super::{pick, rounds};

const INPUTS: usize = 6000;

/// A main file and the only directory there is.
struct Tree {
    main: Vec<u8>,
    included: Vec<(String, Vec<u8>)>,
}

impl Files for Tree {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let name = path.strip_prefix("d/").unwrap_or_default();
        let included = self.included.iter().find(|(known, _)| known == name);
        match included {
            Some((_, bytes)) => Ok(bytes.clone()),
            None if path == "main" => Ok(self.main.clone()),
            None => Err("there is no such file".into()),
        }
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, String> {
        if directory.trim_end_matches('/') == "d" {
            Ok(self.included.iter().map(|(name, _)| name.clone()).collect())
        } else {
            Err("there is no such directory".into())
        }
    }
}

#[test]
fn files_of_any_kind_are_taken_or_refused() {
    let (taken, refused) = (Cell::new(0), Cell::new(0));
    rounds(|rng| {
        for number in 0..INPUTS {
            let tree = tree(rng, number);
            let fallback = Fallback { hosts: vec![], port: rng.chance(1, 2).then_some(0) };
            if is_taken(&tree, &fallback) {
                taken.set(taken.get() + 1);
            } else {
                refused.set(refused.get() + 1);
            }
        }
    });
    let (taken, refused) = (taken.get(), refused.get());
    println!("configuration files: {} inputs, {taken} taken, {refused} refused", taken + refused);
    assert!(taken > INPUTS / 20 && refused > INPUTS / 20, "{taken} taken, {refused} refused");
}

/// One in three inputs is as written, one damaged, one noise.
fn tree(rng: &mut Rng, number: usize) -> Tree {
    let file = |rng: &mut Rng| match number % 3 {
        0 => text(rng).into_bytes(),
        1 => {
            let mut bytes = text(rng).into_bytes();
            mutate(rng, &mut bytes);
            bytes
        }
        _ => (0..rng.index(200)).map(|_| rng.next_u64().to_le_bytes()[0]).collect(),
    };
    let main = file(rng);
    let names = ["a.conf", "B.conf", "b.conf", ".conf", "c.txt"];
    let included = (0..rng.index(4)).map(|_| ((*pick(rng, &names)).into(), file(rng))).collect();
    Tree { main, included }
}

/// Some lines, most of which mean something.
fn text(rng: &mut Rng) -> String {
    let entries: Vec<_> = options::all().collect();
    let works: Vec<_> =
        entries.iter().filter(|entry| entry.mark == options::Mark::Works).copied().collect();
    // A file of options that work is taken more often than one of all.
    let from = if rng.chance(2, 3) { &works } else { &entries };
    let mut text = String::new();
    for _ in 0..rng.index(8) {
        let entry = pick(rng, from);
        let name = *pick(rng, &entry.names().collect::<Vec<_>>());
        let value = value(rng, entry.name, &entry.kind, entry.default);
        let space = *pick(rng, &[" ", " ", " ", "  ", "\t", ""]);
        let end = *pick(rng, &["\n", "\n", "\n", "\r\n", " # end\n", "\n\n# a\n"]);
        text += &format!("{name}{space}{value}{end}");
    }
    text
}

fn value(rng: &mut Rng, name: &str, kind: &Kind, default: &str) -> String {
    let odd =
        ["", "x", "-1", "0", "1", "99999999999999999999", "true", "false # a", "a b", "\u{e4}"];
    if rng.chance(1, 20) {
        return (*pick(rng, &odd)).into();
    }
    match (name, kind) {
        ("listener", _) => {
            let rest = *pick(rng, &["", "", " ::1", " a.example", " # a"]);
            format!("{}{rest}", 1 + rng.below(65_535))
        }
        ("include_dir", _) => (*pick(rng, &["d", "d/", "e"])).into(),
        (_, Kind::Flag) => (*pick(rng, &["true", "false", "1", "0", "Yes"])).into(),
        (_, Kind::Number { min, max, .. }) => (min + rng.below(max - min + 1)).to_string(),
        (_, Kind::Limit { max, .. }) => rng.below(*max).to_string(),
        (_, Kind::Period) => format!("{}{}", 1 + rng.below(99), pick(rng, &["s", "h", "d", "y"])),
        (_, Kind::Word(words) | Kind::Words(words)) => (*pick(rng, words)).into(),
        (_, Kind::Mode) => format!("0{:o}", rng.below(0o1000)),
        (_, Kind::Text | Kind::Path | Kind::Prefix | Kind::Own(_)) => default.into(),
    }
}

fn is_taken(tree: &Tree, fallback: &Fallback) -> bool {
    let lines = tree.main.iter().chain(tree.included.iter().flat_map(|(_, bytes)| bytes));
    let lines = lines.filter(|byte| **byte == b'\n').count() + 1;
    match config::read("main", tree, fallback) {
        Ok(reading) => {
            assert!(!reading.config.listeners.is_empty(), "it listens nowhere");
            told(&reading.warnings, lines);
            let text = policy(&reading.config);
            assert_eq!(text.matches("Listener on").count(), reading.config.listeners.len());
            assert!(differences(&reading.config, &reading.config).is_empty());
            true
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "it does not say why");
            told(&problems, lines);
            false
        }
    }
}

/// Each problem is a line, short enough to read, about a line that there is.
fn told(problems: &[config::Problem], lines: usize) {
    assert!(problems.len() <= 101);
    for problem in problems {
        let text = problem.to_string();
        assert!(!text.chars().any(char::is_control) && text.len() < 700, "{text:?}");
        assert!(problem.line <= lines, "{text}");
    }
}
