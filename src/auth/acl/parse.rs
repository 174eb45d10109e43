//! Text to rules.
//!
//! ```text
//! user NAME
//! topic   [read | write | readwrite | subscribe | deny...] FILTER
//! pattern [read | write | readwrite | subscribe | deny...] FILTER
//! ```
//!
//! `denyread`, `denywrite` and `denysubscribe` deny one thing, `deny` all of them. Without a verb
//! it is `readwrite`. Name and filter run to the end of the line, blanks in them included; a `#`
//! begins a comment only at the beginning of a line.
//!
//! Owns: the grammar, and what is said of a line that does not fit.
//!
//! Never decides anything.

use super::{Acl, Problem, Rule, Rules, Verbs, pattern};
use crate::map::{self, Map};
use crate::topic_matcher::Filter;

/// Rules of one file.
const RULES_MAX: usize = 1_000_000;

/// For whom the next `topic` is.
enum Whom {
    Anonymous,
    User(Box<str>),
}

pub(super) fn parse(
    file: &str,
    bytes: &[u8],
    seed: u64,
) -> Result<(Acl, Vec<Problem>), Vec<Problem>> {
    let mut users: Map<Box<str>, Rules> = map::map(seed);
    let (mut anonymous, mut patterns) = (Rules::default(), Rules::default());
    let (mut problems, mut notes) = (Vec::new(), Vec::new());
    let mut whom = Whom::Anonymous;
    let mut count = 0;
    for (number, line) in Problem::lines(file, bytes)? {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = split(line);
        let rules = match word {
            "user" if rest.is_empty() => {
                problems.push(Problem::new(file, number, "give the name of the user"));
                continue;
            }
            "user" => {
                users.entry(rest.into()).or_default();
                whom = Whom::User(rest.into());
                continue;
            }
            "topic" => match &whom {
                Whom::Anonymous => &mut anonymous,
                Whom::User(name) => users.entry(name.clone()).or_default(),
            },
            "pattern" => &mut patterns,
            other => {
                problems.push(Problem::new(file, number, unknown(other)));
                continue;
            }
        };
        match rule(word, rest, number) {
            Ok(rule) => {
                if word == "pattern" && !rule.is_pattern {
                    let what = "this pattern has no %c and no %u, so it holds for everybody alike";
                    notes.push(Problem::new(file, number, what));
                }
                rules.list.push(rule);
                count += 1;
            }
            Err(what) => problems.push(Problem::new(file, number, what)),
        }
        if count > RULES_MAX {
            problems.push(Problem::new(file, number, "there are too many rules; use patterns"));
            break;
        }
    }
    if !problems.is_empty() {
        return Err(Problem::bounded(problems));
    }
    for rules in users.values_mut().chain([&mut anonymous, &mut patterns]) {
        rules.settle(seed);
    }
    Ok((Acl { anonymous, users, patterns }, Problem::bounded(notes)))
}

fn split(line: &str) -> (&str, &str) {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (word, rest.trim_start())
}

fn unknown(word: &str) -> String {
    let word: String = word.chars().take(30).collect();
    format!("'{word}' is not known; a line begins with user, topic or pattern")
}

fn rule(word: &str, rest: &str, number: usize) -> Result<Rule, String> {
    let (verb, filter) = split(rest);
    let (verbs, is_denial, filter) = match (verb, filter) {
        ("", _) => return Err(format!("give a topic behind '{word}'")),
        // A topic of one word, even if it looks like a verb.
        (_, "") => (Verbs::READ_WRITE, false, verb),
        ("read", _) => (Verbs::READ, false, filter),
        ("write", _) => (Verbs::WRITE, false, filter),
        ("readwrite", _) => (Verbs::READ_WRITE, false, filter),
        ("subscribe", _) => (Verbs::SUBSCRIBE, false, filter),
        ("deny", _) => (Verbs::ALL, true, filter),
        ("denyread", _) => (Verbs::READ, true, filter),
        ("denywrite", _) => (Verbs::WRITE, true, filter),
        ("denysubscribe", _) => (Verbs::SUBSCRIBE, true, filter),
        _ => {
            return Err(format!(
                "the verb behind '{word}' is not known; give read, write, readwrite, subscribe, \
                 deny, denyread, denywrite or denysubscribe"
            ));
        }
    };
    let parsed =
        Filter::parse(filter).map_err(|invalid| format!("the topic is none: {invalid}"))?;
    if parsed.share().is_some() {
        return Err("write the topic without $share and the group".into());
    }
    Ok(Rule {
        filter: filter.into(),
        verbs,
        is_denial,
        is_pattern: word == "pattern" && pattern::has_place(filter),
        line: u32::try_from(number).unwrap_or(u32::MAX),
    })
}
