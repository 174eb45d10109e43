//! Tests of the ordered values: every scan against the naive matcher, however often it pauses.

use super::super::naive;
use super::*;
use crate::rng::Rng;

impl Topical for String {
    fn topic(&self) -> Text<'_> {
        self.as_str().into()
    }
}

fn topics<'a>(names: impl IntoIterator<Item = &'a str>) -> Topics<String> {
    let mut topics = Topics::new();
    for name in names {
        topics.insert(name.to_owned());
    }
    topics
}

/// All that a scan visits, without pauses.
fn selected(topics: &Topics<String>, pattern: &str) -> Vec<String> {
    let mut found = Vec::new();
    let scan = topics.selected(pattern, None, usize::MAX, &mut |name| {
        found.push(name.clone());
        ControlFlow::Continue(())
    });
    assert_eq!(scan, Scan::Done);
    found
}

/// How many keys and seeks a whole scan costs.
fn cost(topics: &Topics<String>, pattern: &str) -> usize {
    let (mut calls, mut after) = (0, None::<Box<str>>);
    loop {
        let mut go_on = |_: &String| ControlFlow::Continue(());
        let scan = topics.selected(pattern, after.as_deref(), 100, &mut go_on);
        calls += 1;
        match scan {
            Scan::Paused(last) => after = Some(last),
            Scan::Done | Scan::Stopped => return calls * 100,
        }
    }
}

#[test]
fn one_value_for_each_name() {
    let mut topics = topics(["b", "a/b", "a"]);
    assert_eq!(topics.insert("a".to_owned()), Some("a".to_owned()));
    assert_eq!(topics.len(), 3);
    assert_eq!(topics.get("a/b"), Some(&"a/b".to_owned()));
    assert_eq!(topics.iter().collect::<Vec<_>>(), ["a", "a/b", "b"]);
    assert_eq!(topics.remove("a"), Some("a".to_owned()));
    assert_eq!(topics.remove("a"), None);
    assert_eq!((topics.len(), topics.is_empty(), topics.get("a")), (2, false, None));
    assert!(Topics::<String>::default().is_empty());
}

#[test]
fn strangers_sort_between_a_level_and_its_children() {
    let topics = topics(["a", "a!", "a!b", "a ", "a/", "a//", "a/b", "a/b/c", "a0", "a.", "b"]);
    assert_eq!(selected(&topics, "a/#"), ["a", "a/", "a//", "a/b", "a/b/c"]);
    assert_eq!(selected(&topics, "a/+"), ["a/", "a/b"]);
    assert_eq!(selected(&topics, "+"), ["a", "a ", "a!", "a!b", "a.", "a0", "b"]);
    assert_eq!(selected(&topics, "+/b"), ["a/b"]);
    assert_eq!(selected(&topics, "+/+/#"), ["a/", "a//", "a/b", "a/b/c"]);
    assert_eq!(selected(&topics, "+/b/#"), ["a/b", "a/b/c"]);
    assert_eq!(selected(&topics, "#").len(), topics.len());
    assert_eq!(selected(&topics, "a"), ["a"]);
    assert_eq!(selected(&topics, "c"), [""; 0]);
}

#[test]
fn a_leading_wildcard_selects_no_system_topics() {
    let topics = topics(["!", "$", "$SYS/a", "$SYS/b", "%", "a/$b", "x"]);
    assert_eq!(selected(&topics, "#"), ["!", "%", "a/$b", "x"]); // [MQTT-4.7.2-1]
    assert_eq!(selected(&topics, "+/a"), [""; 0]);
    assert_eq!(selected(&topics, "+"), ["!", "%", "x"]);
    assert_eq!(selected(&topics, "$SYS/#"), ["$SYS/a", "$SYS/b"]);
    assert_eq!(selected(&topics, "$SYS/+"), ["$SYS/a", "$SYS/b"]);
    assert_eq!(selected(&topics, "a/+"), ["a/$b"]);
}

#[test]
fn where_a_scan_goes_on() {
    let verdict = |pattern, key| {
        let mut target = String::from("stale");
        match judge(pattern, key, &mut target) {
            Verdict::Match => "match".to_owned(),
            Verdict::Next => "next".to_owned(),
            Verdict::Seek => target,
            Verdict::End => "end".to_owned(),
        }
    };
    assert_eq!(verdict("s/+/bat", "s/1/bat"), "match");
    assert_eq!(verdict("s/+/bat", "s/1/a"), "s/1/bat");
    assert_eq!(verdict("s/+/bat", "s/1/current"), "s/10");
    assert_eq!(verdict("s/+/bat", "s/1/bat!"), "s/10");
    assert_eq!(verdict("s/+/bat", "s/1/bat/x"), "s/10");
    assert_eq!(verdict("s/+/bat/#", "s/1/bat!"), "s/1/bat/");
    assert_eq!(verdict("s/+/bat", "s/1"), "next", "s/1!/bat comes before s/1/bat");
    assert_eq!(verdict("s/+/bat", "s"), "s/");
    assert_eq!(verdict("s/+/bat", "t"), "end");
    assert_eq!(verdict("s/#", "s!"), "s/");
    assert_eq!(verdict("s/#", "s0"), "end");
    assert_eq!(verdict("+/+/a/b", "x/y/a/c"), "x/y0");
    assert_eq!(verdict("+/x/+/b", "y/z"), "y0");
    assert_eq!(verdict("+", "/a"), "0");
    assert_eq!(verdict("+/a", "$x/a"), "%");
}

/// Visits with random budgets, breaks off at random, forgets nothing and repeats nothing.
#[test]
fn any_interruption_agrees_with_the_naive_matcher() {
    let (mut hits, mut pauses, mut stops) = (0, 0, 0);
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let names: Vec<_> = (0..rng.index(300)).map(|_| naive::topic(&mut rng)).collect();
        let topics = topics(names.iter().map(String::as_str));
        for _ in 0..50 {
            let pattern = naive::pattern(&mut rng);
            let expected: Vec<_> =
                topics.iter().filter(|topic| naive::matches(&pattern, topic)).cloned().collect();
            let mut found: Vec<String> = Vec::new();
            let mut after: Option<Box<str>> = None;
            loop {
                let budget = rng.index(12);
                let (mut looked, had) = (0, found.len());
                let scan = topics.selected(&pattern, after.as_deref(), budget, &mut |name| {
                    looked += 1;
                    if rng.chance(1, 4) {
                        return ControlFlow::Break(());
                    }
                    found.push(name.clone());
                    ControlFlow::Continue(())
                });
                assert!(looked <= budget.max(1));
                match scan {
                    Scan::Done => break,
                    Scan::Stopped => {
                        if found.len() > had {
                            after = found.last().map(|name| name.as_str().into());
                        }
                        stops += 1;
                    }
                    Scan::Paused(last) => {
                        assert!(after.as_deref().is_none_or(|after| after < &*last), "progress");
                        after = Some(last);
                        pauses += 1;
                    }
                }
            }
            assert_eq!(found, expected, "seed {seed}, pattern {pattern:?}");
            hits += found.len();
        }
    }
    assert!(hits > 100_000 && pauses > 10_000 && stops > 10_000, "{hits} {pauses} {stops}");
}

#[test]
fn values_may_come_and_go_between_two_calls() {
    let mut topics = topics(["a/1", "a/3", "a/5", "b"]);
    let mut go_on = |_: &String| ControlFlow::Continue(());
    assert_eq!(topics.selected("a/+", None, 2, &mut go_on), Scan::Paused("a/3".into()));
    topics.remove("a/3");
    for name in ["a/2", "a/4"] {
        topics.insert(name.to_owned());
    }
    let mut found = Vec::new();
    let scan = topics.selected("a/+", Some("a/3"), 9, &mut |name| {
        found.push(name.clone());
        ControlFlow::Continue(())
    });
    assert_eq!((scan, found), (Scan::Done, vec!["a/4".to_owned(), "a/5".to_owned()]));
}

#[test]
fn an_exact_pattern_obeys_the_cursor() {
    let topics = topics(["a", "b"]);
    let count = |pattern, after, flow| {
        let mut seen = 0;
        let scan = topics.selected(pattern, after, 0, &mut |_| {
            seen += 1;
            flow
        });
        (seen, scan)
    };
    assert_eq!(count("a", None, ControlFlow::Continue(())), (1, Scan::Done));
    assert_eq!(count("a", Some("A"), ControlFlow::Continue(())), (1, Scan::Done));
    assert_eq!(count("a", Some("a"), ControlFlow::Continue(())), (0, Scan::Done));
    assert_eq!(count("a", None, ControlFlow::Break(())), (1, Scan::Stopped));
    assert_eq!(count("a/#", Some("b"), ControlFlow::Continue(())), (0, Scan::Done));
}

/// What a filter does not match is jumped over, not walked through.
#[test]
fn a_scan_looks_at_little_else_than_what_it_selects() {
    let names: Vec<_> =
        (0..200).flat_map(|s| (0..500).map(move |t| format!("s/{s:03}/{t:03}"))).collect();
    let topics = topics(names.iter().map(String::as_str).chain(["$SYS/a", "zzz"]));
    assert_eq!(selected(&topics, "s/+/250").len(), 200);
    assert!(cost(&topics, "s/+/250") <= 200 * 2 * (PATIENCE + 4));
    assert_eq!(selected(&topics, "s/100/#").len(), 500);
    assert!(cost(&topics, "s/100/#") <= 600);
    assert_eq!(selected(&topics, "+"), ["zzz"]);
    assert!(cost(&topics, "+") <= 100);
}
