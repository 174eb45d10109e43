//! The topic matcher and one of ten lines.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use mqtt_broker::codec::Text;
use mqtt_broker::rng::Rng;
use mqtt_broker::topic_matcher::{Filter, LEVELS_MAX, NodeId, Scan, Topic, Topical, Topics, Tree};

use super::{pick, rounds};

/// A topic with a value of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept(String, u64);

impl Topical for Kept {
    fn topic(&self) -> Text<'_> {
        self.0.as_str().into()
    }
}

#[test]
fn what_is_valid_is_parsed() {
    rounds(|rng| {
        for _ in 0..20_000 {
            let text = any(rng);
            assert_eq!(Topic::parse(&text).is_ok(), is_topic(&text), "{text:?}");
            let filter = Filter::parse(&text);
            assert_eq!(filter.is_ok(), is_filter(&text), "{text:?}");
            if let Ok(filter) = filter {
                let whole = match filter.share() {
                    Some(group) => format!("$share/{group}/{}", filter.pattern()),
                    None => filter.pattern().into(),
                };
                assert_eq!(whole, text);
                assert_eq!(filter.as_str(), text);
            }
        }
    });
}

#[test]
fn a_tree_matches_what_each_of_its_filters_matches() {
    rounds(|rng| {
        for _ in 0..60 {
            let mut tree: Tree<u64> = Tree::new(rng.next_u64());
            let mut model: BTreeMap<String, (NodeId, u64)> = BTreeMap::new();
            let growth = 1 + rng.below(3);
            for number in 0..200 {
                if model.is_empty() || rng.chance(growth, 4) {
                    let pattern = pattern(rng);
                    let id = tree.insert(&pattern);
                    *tree.value_mut(id) = number;
                    model.insert(pattern, (id, number));
                } else {
                    let gone = model.keys().nth(rng.index(model.len())).expect("below len");
                    let (id, _) = model.remove(&gone.clone()).expect("a key of it");
                    tree.prune(id);
                }
                matches_like(&tree, &model, &topic(rng));
            }
            assert_eq!(tree.len(), model.len());
            for (pattern, (id, number)) in model {
                assert_eq!((tree.find(&pattern), *tree.value(id)), (Some(id), number));
                assert_eq!(tree.pattern(id), pattern);
                tree.prune(id);
            }
            assert!(tree.is_empty());
        }
    });
}

fn matches_like(tree: &Tree<u64>, model: &BTreeMap<String, (NodeId, u64)>, name: &str) {
    let topic = Topic::parse(name).expect("only valid ones are made");
    let mut found = Vec::new();
    tree.matching(topic, &mut |id, value| found.push((tree.pattern(id), *value)));
    found.sort();
    let matching = model.iter().filter(|(pattern, _)| is_match(pattern, name));
    let expected: Vec<_> = matching.map(|(pattern, (_, n))| (pattern.clone(), *n)).collect();
    assert_eq!(found, expected, "{name:?}");
    for (pattern, _) in expected {
        let filter = Filter::parse(&pattern).expect("only valid ones are made");
        assert!(filter.matches(topic), "{pattern:?} {name:?}");
    }
}

#[test]
fn a_scan_sees_what_was_there_all_the_time_once_and_in_order() {
    rounds(|rng| {
        for _ in 0..100 {
            let mut topics = Topics::new();
            let mut names = BTreeSet::new();
            for number in 0..rng.below(200) {
                let name = topic(rng);
                topics.insert(Kept(name.clone(), number));
                names.insert(name);
            }
            assert_eq!(topics.len(), names.len());
            for _ in 0..10 {
                scan(rng, &mut topics, &mut names);
            }
        }
    });
}

/// One scan in as many goes as it takes, while values come and go.
fn scan(rng: &mut Rng, topics: &mut Topics<Kept>, names: &mut BTreeSet<String>) {
    let pattern = pattern(rng);
    let (budget, patience) = (1 + rng.index(20), 1 + rng.index(5));
    let busy = rng.chance(1, 2);
    let mut always: BTreeSet<String> = names.iter().cloned().collect();
    let mut ever = always.clone();
    let mut seen: Vec<String> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut taken = Vec::new();
        let end = topics.selected(&pattern, after.as_deref(), budget, &mut |kept| {
            if taken.len() == patience {
                return ControlFlow::Break(());
            }
            taken.push(kept.0.clone());
            ControlFlow::Continue(())
        });
        let last = taken.last().cloned();
        seen.extend(taken);
        match end {
            Scan::Done => break,
            Scan::Stopped => after = Some(last.expect("it stops behind the first at the earliest")),
            Scan::Paused(name) => {
                assert!(after.as_deref().is_none_or(|after| after < &*name), "it gets on");
                after = Some(name.into());
            }
        }
        if busy {
            let name = topic(rng);
            if rng.chance(1, 2) {
                topics.remove(&name);
                names.remove(&name);
                always.remove(&name);
            } else {
                topics.insert(Kept(name.clone(), 0));
                names.insert(name.clone());
                ever.insert(name);
            }
        }
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "in order and once: {seen:?}");
    let (must, may) = (selected(&always, &pattern), selected(&ever, &pattern));
    assert!(must.iter().all(|name| seen.contains(name)), "{pattern:?}: {must:?} {seen:?}");
    assert!(seen.iter().all(|name| may.contains(name)), "{pattern:?}: {may:?} {seen:?}");
}

fn selected(names: &BTreeSet<String>, pattern: &str) -> BTreeSet<String> {
    names.iter().filter(|name| is_match(pattern, name)).cloned().collect()
}

/// The naive matcher, over levels from the last to the first.
fn is_match(pattern: &str, topic: &str) -> bool {
    let mut wanted: Vec<&str> = pattern.split('/').collect();
    let mut levels: Vec<&str> = topic.split('/').collect();
    if topic.starts_with('$') && ["+", "#"].contains(&wanted[0]) {
        return false;
    }
    if wanted.last() == Some(&"#") {
        wanted.pop();
        levels.truncate(wanted.len());
    }
    wanted.len() == levels.len() && wanted.iter().zip(levels).all(|(w, l)| *w == "+" || *w == l)
}

fn is_topic(text: &str) -> bool {
    let levels = text.split('/').count();
    !text.is_empty()
        && levels <= LEVELS_MAX
        && text.len() <= 65_535
        && !text.contains(['+', '#', '\0'])
}

fn is_filter(text: &str) -> bool {
    let pattern = match text.split('/').collect::<Vec<_>>()[..] {
        ["$share", group, _, ..] => {
            if group.is_empty() || group.contains(['+', '#']) {
                return false;
            }
            text.splitn(3, '/').last().expect("three parts")
        }
        ["$share", ..] => return false,
        _ => text,
    };
    let levels: Vec<&str> = pattern.split('/').collect();
    let in_place = levels.iter().enumerate().all(|(at, level)| match *level {
        "#" => at + 1 == levels.len(),
        "+" => true,
        level => !level.contains(['+', '#', '\0']),
    });
    in_place && levels.len() <= LEVELS_MAX && !pattern.is_empty() && !text.contains('\0')
}

/// A topic name that is valid.
fn topic(rng: &mut Rng) -> String {
    loop {
        let text = levels(rng, &["a", "b", "", "a!", "a0", "ab", "$", "$SYS", "\u{e9}", "0", "."]);
        if is_topic(&text) {
            return text;
        }
    }
}

/// A filter that is valid, without a group.
fn pattern(rng: &mut Rng) -> String {
    loop {
        let text = levels(rng, &["a", "b", "", "a!", "+", "+", "+", "$SYS", "ab", "\u{e9}", "a0"]);
        let text = if rng.chance(1, 3) { format!("{text}/#") } else { text };
        let text = if rng.chance(1, 20) { "#".into() } else { text };
        if is_filter(&text) {
            return text;
        }
    }
}

/// Anything, but most of it nearly valid.
fn any(rng: &mut Rng) -> String {
    if rng.chance(1, 50) {
        let slashes = "/".repeat(LEVELS_MAX - 3 + rng.index(5));
        return slashes + *pick(rng, &["", "a", "#", "+"]);
    }
    let words = ["a", "$share", "+", "#", "", "a+", "#b", "\0", "$share", "g", "\u{10ffff}"];
    levels(rng, &words)
}

fn levels(rng: &mut Rng, words: &[&str]) -> String {
    let levels: Vec<_> = (0..=rng.index(5)).map(|_| *pick(rng, words)).collect();
    levels.join("/")
}
