//! Tests of the tree: against the naive matcher, under churn, at its limits.

use super::super::{Filter, LEVELS_MAX, Topic, naive};
use super::*;
use crate::rng::Rng;
use std::collections::BTreeMap;

fn matching<V: Default>(tree: &Tree<V>, topic: &str) -> Vec<NodeId> {
    let mut found = Vec::new();
    tree.matching(Topic::parse(topic).unwrap(), &mut |id, _| found.push(id));
    found.sort_unstable();
    found
}

fn patterns(tree: &Tree<u32>, topic: &str) -> Vec<String> {
    let mut found: Vec<_> = matching(tree, topic).iter().map(|&id| tree.pattern(id)).collect();
    found.sort_unstable();
    found
}

fn tree(patterns: &[&str]) -> Tree<u32> {
    let mut tree = Tree::new(7);
    for pattern in patterns {
        tree.insert(pattern);
    }
    tree
}

#[test]
fn the_standards_examples() {
    let tree = tree(&[
        "#",
        "+",
        "+/+",
        "/+",
        "sport/#",
        "sport/+",
        "sport/tennis/#",
        "sport/tennis/+",
        "sport/tennis/player1/#",
        "+/tennis/#",
        "sport/+/player1",
        "$SYS/#",
        "$SYS/monitor/+",
        "+/monitor/Clients",
    ]);
    assert_eq!(
        patterns(&tree, "sport/tennis/player1"),
        [
            "#",
            "+/tennis/#",
            "sport/#",
            "sport/+/player1",
            "sport/tennis/#",
            "sport/tennis/+",
            "sport/tennis/player1/#",
        ]
    );
    assert_eq!(patterns(&tree, "sport"), ["#", "+", "sport/#"]);
    assert_eq!(patterns(&tree, "sport/"), ["#", "+/+", "sport/#", "sport/+"]);
    assert_eq!(patterns(&tree, "/finance"), ["#", "+/+", "/+"]);
    assert_eq!(patterns(&tree, "finance"), ["#", "+"]);
    assert_eq!(patterns(&tree, "$SYS/monitor/Clients"), ["$SYS/#", "$SYS/monitor/+"]);
    assert_eq!(patterns(&tree, "$SYS"), ["$SYS/#"]);
    assert_eq!(patterns(&tree, "$"), [""; 0]);
}

#[test]
fn empty_levels_are_levels() {
    let tree = tree(&["/", "//", "a/", "/a", "a//b", "a/b", "/+/", "+/"]);
    assert_eq!(patterns(&tree, "/"), ["+/", "/"]);
    assert_eq!(patterns(&tree, "//"), ["/+/", "//"]);
    assert_eq!(patterns(&tree, "a/"), ["+/", "a/"]);
    assert_eq!(patterns(&tree, "/a"), ["/a"]);
    assert_eq!(patterns(&tree, "a//b"), ["a//b"]);
    assert_eq!(patterns(&tree, "/x/"), ["/+/"]);
    assert_eq!(patterns(&tree, "a"), [""; 0]);
}

#[test]
fn values_belong_to_filters() {
    let mut tree: Tree<Vec<u32>> = Tree::new(1);
    let deep = tree.insert("a/b/c");
    tree.value_mut(deep).push(1);
    assert_eq!(tree.find("a/b"), None, "a level on the way is no filter");
    let way = tree.insert("a/b");
    assert!(tree.value(way).is_empty());
    assert_eq!((tree.insert("a/b/c"), tree.len()), (deep, 2));
    assert_eq!((tree.find("a/b"), tree.find("a/b/c")), (Some(way), Some(deep)));
    for absent in ["a", "a/+", "a/#", "b", "a/b/c/d", "a/b/#", ""] {
        assert_eq!(tree.find(absent), None, "{absent}");
    }
    tree.prune(way);
    assert_eq!((tree.find("a/b"), tree.len()), (None, 1));
    assert_eq!(matching(&tree, "a/b"), []);
    assert_eq!(tree.value(deep), &[1]);
    tree.prune(deep);
    assert!(tree.is_empty() && tree.find("a/b/c").is_none());
}

#[test]
fn the_generation_changes_with_every_answer() {
    let mut tree: Tree<u32> = Tree::new(1);
    let mut last = tree.generation();
    let mut changed = |tree: &Tree<u32>| {
        let was = last;
        last = tree.generation();
        was != last
    };
    let long = tree.insert("a/b");
    assert!(changed(&tree));
    tree.insert("a/b");
    assert!(!changed(&tree), "nothing is new");
    let short = tree.insert("a");
    assert!(changed(&tree), "no new node, but a new filter");
    *tree.value_mut(long) = 1;
    assert!(changed(&tree));
    let _ = (tree.value(long), tree.find("a"), matching(&tree, "a"));
    assert!(!changed(&tree));
    tree.prune(short);
    assert!(changed(&tree));
}

#[test]
#[should_panic(expected = "a filter that was not pruned")]
fn pruning_twice_is_a_fault_of_the_caller() {
    let mut tree = tree(&["a", "a/b"]);
    let id = tree.insert("a");
    tree.prune(id);
    tree.prune(id);
}

/// Random inserts and prunes, compared with a map and the naive matcher; more of either by turns.
#[test]
fn churn_agrees_with_the_naive_matcher() {
    let mut hits = 0;
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let mut tree: Tree<u64> = Tree::new(seed);
        let empty = tree.bytes();
        let mut model: BTreeMap<String, (NodeId, u64)> = BTreeMap::new();
        for round in 0..2_000_u64 {
            if model.is_empty() || rng.chance(if round % 400 < 200 { 3 } else { 1 }, 4) {
                let pattern = naive::pattern(&mut rng);
                let id = tree.insert(&pattern);
                *tree.value_mut(id) = round;
                model.insert(pattern, (id, round));
            } else {
                let victim = model.keys().nth(rng.index(model.len())).unwrap().clone();
                let (id, _) = model.remove(&victim).unwrap();
                tree.prune(id);
            }
            assert_eq!(tree.len(), model.len());
            let topic = naive::topic(&mut rng);
            let mut expected: Vec<_> =
                model.iter().filter(|(p, _)| naive::matches(p, &topic)).map(|(_, v)| *v).collect();
            expected.sort_unstable();
            let mut found = Vec::new();
            tree.matching(Topic::parse(&topic).unwrap(), &mut |id, &value| found.push((id, value)));
            found.sort_unstable();
            assert_eq!(found, expected, "seed {seed}, round {round}, topic {topic:?}");
            hits += found.len();
        }
        for (pattern, &(id, value)) in &model {
            assert_eq!((tree.find(pattern), *tree.value(id)), (Some(id), value));
            assert_eq!(&tree.pattern(id), pattern);
        }
        while let Some((_, (id, _))) = model.pop_first() {
            tree.prune(id);
        }
        assert_eq!((tree.len(), tree.nodes.len(), tree.names, tree.bytes()), (0, 1, 0, empty));
    }
    assert!(hits > 50_000, "only {hits} matches");
}

#[test]
fn memory_is_small_and_goes_back() {
    let mut tree: Tree<Vec<u64>> = Tree::new(1);
    let empty = tree.bytes();
    let ids: Vec<_> = (0..100_000).map(|n| tree.insert(&format!("bench/sub/{n}/x"))).collect();
    let full = tree.bytes();
    assert!(full / ids.len() <= 125, "{} bytes a filter", full / ids.len());
    assert_eq!(tree.nodes.len(), 1 + 2 + 2 * ids.len());
    for &id in &ids[5_000..] {
        tree.prune(id);
    }
    assert!(tree.bytes() < full / 10, "{} of {full} bytes for 5 %", tree.bytes());
    for (n, &id) in ids[..5_000].iter().enumerate() {
        assert_eq!(matching(&tree, &format!("bench/sub/{n}/x")), [id]);
    }
    for &id in &ids[..5_000] {
        tree.prune(id);
    }
    assert_eq!((tree.len(), tree.nodes.len(), tree.bytes()), (0, 1, empty));
    assert!(tree.find("bench/sub/1/x").is_none());
}

#[test]
fn a_node_is_small() {
    assert_eq!(size_of::<Node<Vec<u64>>>(), 32 + 24);
    assert_eq!(size_of::<Node<Box<[u64]>>>(), 32 + 16);
    assert_eq!(size_of::<Option<NodeId>>(), 4);
    assert_eq!(size_of::<super::super::path::Step>(), 16);
}

#[test]
fn the_deepest_topic() {
    let deep = "a/".repeat(LEVELS_MAX - 1) + "a";
    let plus = "+/".repeat(LEVELS_MAX - 1) + "+";
    let hash = "a/".repeat(LEVELS_MAX - 1) + "#";
    for pattern in [&deep, &plus, &hash] {
        Filter::parse(pattern).unwrap();
    }
    let mut tree = tree(&[&deep, &plus, &hash, "+/#", "a"]);
    assert_eq!(patterns(&tree, &deep), ["+/#", &*plus, &*hash, &*deep]);
    assert_eq!(patterns(&tree, "a"), ["+/#", "a"]);
    for pattern in [deep, plus, hash] {
        let id = tree.find(&pattern).unwrap();
        assert_eq!(tree.pattern(id), pattern);
        tree.prune(id);
    }
    assert_eq!(patterns(&tree, &("b/".repeat(LEVELS_MAX - 1) + "b")), ["+/#"]);
}

/// Every combination of `a` and `+` on 10 levels, 20 levels down: all match, each is found once.
#[test]
fn branches_meet_only_what_exists() {
    let mut tree: Tree<u32> = Tree::new(1);
    let mut expected = Vec::new();
    for bits in 0_u32..1 << 10 {
        let ends = (0..10).map(|n| if bits >> n & 1 == 0 { "a" } else { "+" });
        let levels: Vec<_> = ["a"; 20].into_iter().chain(ends).collect();
        expected.push(tree.insert(&levels.join("/")));
    }
    expected.sort_unstable();
    assert_eq!(matching(&tree, &["a"; 30].join("/")), expected);
    assert_eq!(matching(&tree, &["a"; 29].join("/")), []);
    assert_eq!(matching(&tree, &["a"; 31].join("/")), []);
}

#[test]
fn the_longest_topic_of_one_level_and_of_two() {
    let long = "x".repeat(65_535);
    let tail = "x".repeat(65_534) + "/";
    let tree = tree(&[&long, &tail, "+/", "+"]);
    assert_eq!(patterns(&tree, &long), ["+", &long]);
    assert_eq!(patterns(&tree, &tail), ["+/", &tail]);
    assert!(tree.bytes() > 2 * 65_534);
}

/// The children of one name of many parents are what a tree of devices consists of.
#[test]
fn equal_names_spread() {
    let mut seen = std::collections::BTreeSet::new();
    let level = hash(&map::hasher(1), b"temperature");
    for parent in 1_u32..=1 << 16 {
        seen.insert(key(level, parent) & 0xffff);
    }
    assert!(seen.len() > (1 << 16) / 2, "{} of 65536 places are taken", seen.len());
}
