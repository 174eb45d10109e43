//! What the tests of this module compare with: the rules in ten lines, and random names.
//!
//! Never fast, never compiled into the library.

use crate::rng::Rng;

/// Whether `pattern` matches `topic`: the rules of chapter 4.7, by recursion.
pub(super) fn matches(pattern: &str, topic: &str) -> bool {
    fn rest(pattern: &[&str], topic: &[&str]) -> bool {
        match (pattern, topic) {
            ([], []) | (["#"], _) => true,
            ([wanted, pattern @ ..], [level, topic @ ..]) => {
                (*wanted == "+" || wanted == level) && rest(pattern, topic)
            }
            _ => false,
        }
    }
    let (wanted, found): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), topic.split('/').collect());
    let guarded = topic.starts_with('$') && (wanted[0] == "+" || wanted[0] == "#");
    !guarded && rest(&wanted, &found)
}

/// A random topic name of few levels, from few words, so that many match.
pub(super) fn topic(rng: &mut Rng) -> String {
    loop {
        let levels: Vec<_> = (0..=rng.index(4)).map(|_| word(rng)).collect();
        let topic = levels.join("/");
        if !topic.is_empty() {
            return topic;
        }
    }
}

/// A random pattern of the same kind; about two in three have a wildcard.
pub(super) fn pattern(rng: &mut Rng) -> String {
    loop {
        let mut levels: Vec<_> =
            (0..=rng.index(4)).map(|_| if rng.chance(1, 3) { "+" } else { word(rng) }).collect();
        if rng.chance(1, 3) {
            levels.push("#");
            if rng.chance(1, 10) {
                levels = vec!["#"];
            }
        }
        let pattern = levels.join("/");
        if !pattern.is_empty() {
            return pattern;
        }
    }
}

/// Words that sort on both sides of `/`, that are prefixes of one another, and longer ones.
fn word(rng: &mut Rng) -> &'static str {
    const COMMON: [&str; 4] = ["a", "b", "a!", ""];
    const RARE: [&str; 12] = [
        " ",
        "!",
        "0",
        ".",
        "a b",
        "a0",
        "aa",
        "\u{e9}",
        "a\u{10ffff}",
        "$",
        "$SYS",
        "a level that is longer than what a node holds itself",
    ];
    if rng.chance(4, 5) { COMMON[rng.index(4)] } else { RARE[rng.index(12)] }
}
