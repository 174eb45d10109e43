//! The house rules as tests: what a reader relies on without looking.
//!
//! [`RULES`] is the list. Each looks at one file, and each comes with text that breaks it and text
//! that does not, so that a rule that has gone blind is found. Two more look at the whole: no file
//! lies about uncompiled, and every dependency says what it is for.

mod floors;
mod source;

use floors::{FLOORS, floor, floors};
use source::{Kind, Source};

/// Where a word may not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// In no code.
    Everywhere,
    /// Nor in any comment or text.
    EvenInText,
    /// In what ships; tests may.
    Shipped,
    /// On the floors under the server, which are told the time and everything else.
    BelowServer,
}

/// A word, where it may not stand, and why. (Those that are looked for in text are written here in
/// two halves.)
const WORDS: &[(&str, Scope, &str)] = &[
    ("Instant::now", Scope::BelowServer, "time is an argument"),
    ("SystemTime::now", Scope::BelowServer, "time is an argument"),
    ("std::net", Scope::BelowServer, "sockets belong to the server"),
    ("std::thread", Scope::BelowServer, "threads belong to the server"),
    ("std::fs", Scope::BelowServer, "files are opened by the server"),
    ("std::env", Scope::BelowServer, "the programs read the environment"),
    ("std::process", Scope::BelowServer, "only a program may end the process"),
    ("mio", Scope::BelowServer, "readiness belongs to the server"),
    ("thread_local!", Scope::Shipped, "state has an owner"),
    ("RefCell", Scope::Shipped, "state has one owner, others hold ids"),
    ("HashMap", Scope::Shipped, "use map::Map: seeded, never iterated"),
    ("HashSet", Scope::Shipped, "use map::Map: seeded, never iterated"),
    (".unwrap()", Scope::Shipped, "say in an expect why it cannot fail"),
    ("todo!", Scope::Everywhere, "what is there works"),
    ("unimplemented!", Scope::Everywhere, "what is there works"),
    ("dbg!", Scope::Everywhere, "log or assert"),
    ("#[allow(", Scope::Everywhere, "use #[expect(.., reason)]"),
    ("#![allow(", Scope::Everywhere, "use #[expect(.., reason)]"),
    ("#[ignore", Scope::Everywhere, "a test runs or is not there"),
    ("async", Scope::Everywhere, "one loop, no futures"),
    (".await", Scope::Everywhere, "one loop, no futures"),
    ("tokio", Scope::Everywhere, "one loop, no futures"),
    (concat!("FIX", "ME"), Scope::EvenInText, "fix it"),
    (concat!("TO", "DO"), Scope::EvenInText, "do it"),
    (concat!("XX", "X"), Scope::EvenInText, "say what is wrong, or put it right"),
];

/// Lines of a file without its tests.
const LINES_MAX: usize = 400;
const COLUMNS_MAX: usize = 100;

/// What a rule finds: line numbers from 1, and what is wrong there.
type Faults = Vec<(usize, String)>;

struct Rule {
    says: &'static str,
    check: fn(&Source) -> Faults,
    /// Files (path, text) with exactly one fault each.
    bad: &'static [(&'static str, &'static str)],
    /// Files with none.
    good: &'static [(&'static str, &'static str)],
}

const RULES: &[Rule] = &[
    Rule {
        says: "a file opens with //! and says what it is",
        check: head,
        bad: &[
            ("src/map.rs", "use a;\n//! Late.\n"),
            ("tests/a.rs", "// Not a doc.\n"),
            ("src/map.rs", ""),
        ],
        good: &[("src/map.rs", "//! A map.\n")],
    },
    Rule {
        says: "lines have at most 100 columns",
        check: width,
        bad: &[(
            "src/map.rs",
            concat!(
                "//",
                "0123456789_123456789_123456789_123456789_123456789",
                "_123456789_123456789_123456789_123456789_12345678\n"
            ),
        )],
        good: &[(
            "src/map.rs",
            concat!(
                "//",
                "0123456789_123456789_123456789_123456789_12345678",
                "_123456789_123456789_123456789_123456789_12345678\n"
            ),
        )],
    },
    Rule {
        says: "source is ASCII, with spaces",
        check: ascii,
        bad: &[("src/map.rs", "// \u{e9}\n"), ("src/map.rs", "\tlet a;\n")],
        good: &[("src/map.rs", "let a = '\\u{e9}';\n")],
    },
    Rule {
        says: "files have at most 400 lines without their tests",
        check: length,
        bad: &[],
        good: &[],
    },
    Rule {
        says: "banned words",
        check: words,
        bad: &[
            ("src/codec/wire.rs", "let now = Instant::now();\n"),
            ("src/broker/mod.rs", "use std::net::TcpStream;\n"),
            ("src/session/mod.rs", "use std::collections::HashMap;\n"),
            ("src/few.rs", "let a = b.unwrap();\n#[cfg(test)]\nmod tests {\n    c.unwrap();\n}\n"),
            ("src/server/mod.rs", "todo!()\n"),
            ("tests/a.rs", "#[allow(unused)]\n"),
            ("tests/a.rs", "#[ignore = \"slow\"]\n"),
            ("src/bin/a.rs", "async fn main() {}\n"),
            ("benches/a.rs", concat!("// FIX", "ME: slow\n")),
        ],
        good: &[
            ("src/server/mod.rs", "let now = Instant::now();\n"),
            ("src/map.rs", "// Not a HashMap, and std::net is far.\nlet a = \"tokio\";\n"),
            ("src/few.rs", "a.unwrap_or(b);\nlet my_tokio_free = 1;\n"),
            ("tests/a.rs", "std::thread::spawn(f).join().unwrap();\n"),
        ],
    },
    Rule {
        says: "a module names only lower floors",
        check: floors,
        bad: &[
            ("src/codec/wire.rs", "use crate::session::Session;\n"),
            (
                "src/session/mod.rs",
                "use crate::codec::QoS;\nlet a = crate::persistence::memory();\n",
            ),
            ("src/rng.rs", "use super::codec::QoS;\n"),
            ("src/codec/wire.rs", "use super::super::router;\n"),
            (
                "src/router/mod.rs",
                "use crate::{\n    codec::{QoS, Version},\n    broker::Broker,\n};\n",
            ),
            ("src/broker/mod.rs", "use crate::Server;\n"),
            ("src/novelty.rs", "//! A module without a floor.\n"),
        ],
        good: &[
            ("src/broker/mod.rs", "use crate::codec::QoS;\npub(crate) use crate::broker::link;\n"),
            ("src/codec/wire.rs", "use super::router;\n// crate::server\n"),
            ("tests/main.rs", "use crate::server;\n"),
        ],
    },
    Rule {
        says: "statements of the standard that are named exist",
        check: statements,
        bad: &[
            ("src/broker/mod.rs", "// [MQTT-9.9.9-9]\n"),
            ("src/broker/mod.rs", "// [5: MQTT-3.1-1].\n"),
        ],
        good: &[("src/broker/mod.rs", "// [MQTT-3.1.0-1], [5: MQTT-3.1.2-30] and MQTT-SN.\n")],
    },
];

fn head(source: &Source) -> Faults {
    let told = source.text.lines().next().is_some_and(|line| line.starts_with("//! "));
    if told { vec![] } else { vec![(1, "no //! at the top".into())] }
}

fn width(source: &Source) -> Faults {
    lines(&source.text, |line| {
        let columns = line.chars().count();
        (columns > COLUMNS_MAX).then(|| format!("{columns} columns"))
    })
}

fn ascii(source: &Source) -> Faults {
    lines(&source.text, |line| {
        line.chars().find(|c| !matches!(c, ' '..='~')).map(|c| format!("{c:?}"))
    })
}

fn length(source: &Source) -> Faults {
    let count = source.lines_before_tests();
    if count > LINES_MAX { vec![(count, format!("{count} lines"))] } else { vec![] }
}

fn words(source: &Source) -> Faults {
    let shipped = match source.kind {
        Kind::Library | Kind::Program => source.lines_before_tests(),
        Kind::UnitTest | Kind::Test | Kind::Bench => 0,
    };
    let below = source.module().and_then(floor).is_some_and(|floor| floor + 1 < FLOORS.len());
    let mut faults = Vec::new();
    for (word, scope, why) in WORDS {
        let text = if *scope == Scope::EvenInText { &source.text } else { &source.code };
        for (at, line) in text.lines().enumerate().filter(|(_, line)| has_word(line, word)) {
            let banned = match scope {
                Scope::Everywhere | Scope::EvenInText => true,
                Scope::Shipped => at < shipped && source.module() != Some("map"),
                Scope::BelowServer => at < shipped && below,
            };
            if banned {
                faults.push((at + 1, format!("`{}`: {why}", line.trim())));
            }
        }
    }
    faults
}

/// Whether `word` stands in `line` by itself, not as part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let in_name = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let (first, last) = (word.chars().next(), word.chars().next_back());
    line.match_indices(word).any(|(at, _)| {
        let (before, behind) = (&line[..at], &line[at + word.len()..]);
        let begins = !in_name(first) || !in_name(before.chars().next_back());
        begins && (!in_name(last) || !in_name(behind.chars().next()))
    })
}

fn statements(source: &Source) -> Faults {
    let known: Vec<&str> = include_str!("conformance/ids.rs").split_whitespace().collect();
    lines(&source.text, |line| {
        let mut ids = line.match_indices("MQTT-").map(|(at, found)| {
            let rest = &line[at + found.len()..];
            let number = rest.find(|c: char| !c.is_ascii_digit() && !".-".contains(c));
            line[at..at + found.len() + number.unwrap_or(rest.len())].trim_end_matches(['.', '-'])
        });
        let unknown = ids.find(|id| id.len() > "MQTT".len() && !known.contains(id));
        unknown.filter(|_| source.path.starts_with("src/")).map(|id| format!("{id} does not exist"))
    })
}

/// One fault for each line in which `fault` sees one.
fn lines(text: &str, fault: impl Fn(&str) -> Option<String>) -> Faults {
    text.lines().enumerate().filter_map(|(at, line)| Some((at + 1, fault(line)?))).collect()
}

/// Lines of dependency tables without a comment, or with a runtime.
fn manifest(text: &str) -> Faults {
    let mut in_table = false;
    let mut faults = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            in_table = line.trim_end_matches(']').ends_with("dependencies");
        } else if in_table && line.contains('=') {
            let (entry, comment) = line.split_once('#').unwrap_or((line, ""));
            if comment.trim().is_empty() {
                faults.push((at + 1, format!("`{}` does not say what it is for", entry.trim())));
            }
        }
    }
    faults
}

#[test]
fn every_file_keeps_every_rule() {
    let sources = source::all();
    let mut report = String::new();
    for rule in RULES {
        for source in &sources {
            for (line, what) in (rule.check)(source) {
                report += &format!("{}:{line}: {what} ({})\n", source.path, rule.says);
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn every_rule_can_fail() {
    let source = |(path, text): &(&str, &str)| {
        let kind = match path.split('/').collect::<Vec<_>>()[..] {
            ["src", "bin", ..] => Kind::Program,
            ["src", ..] => Kind::Library,
            ["benches", ..] => Kind::Bench,
            _ => Kind::Test,
        };
        Source::new(path, kind, text)
    };
    for rule in RULES {
        for bad in rule.bad {
            let faults = (rule.check)(&source(bad));
            assert_eq!(faults.len(), 1, "{}: {bad:?} gave {faults:?}", rule.says);
        }
        for good in rule.good {
            let faults = (rule.check)(&source(good));
            assert!(faults.is_empty(), "{}: {good:?} gave {faults:?}", rule.says);
        }
    }
}

#[test]
fn a_long_file_is_found_and_its_tests_are_not_counted() {
    let tests = "#[cfg(test)]\nmod tests {\n}\n";
    let long = |count| Source::new("src/map.rs", Kind::Library, &("//\n".repeat(count) + tests));
    assert!(length(&long(LINES_MAX)).is_empty());
    assert_eq!(length(&long(LINES_MAX + 1)).len(), 1);
    let all_tests = "//\n".repeat(LINES_MAX + 1);
    assert!(length(&Source::new("src/map/tests.rs", Kind::UnitTest, &all_tests)).is_empty());
}

#[test]
fn no_file_lies_about_uncompiled() {
    let compiled: Vec<String> = source::all().into_iter().map(|source| source.path).collect();
    let dead: Vec<String> =
        source::files().into_iter().filter(|path| !compiled.contains(path)).collect();
    assert!(dead.is_empty(), "no module declares {dead:?}");
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let faults = manifest(&source::read("Cargo.toml"));
    assert!(faults.is_empty(), "{faults:?}");
    let bad =
        "[dependencies]\na = \"1\" # codec\nb = \"1\"\n[dev-dependencies]\nc = 1 #\n[lib]\nd = 1\n";
    assert_eq!(manifest(bad).iter().map(|fault| fault.0).collect::<Vec<_>>(), [3, 5]);
}
