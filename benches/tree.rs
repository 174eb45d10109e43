//! The topic tree with up to a million filters: what it costs to fill, to ask and to empty.
//!
//! `cargo bench --bench tree`. The numbers are for people; nothing fails if they are bad.

use divan::{AllocProfiler, Bencher, black_box, counter::ItemsCount};
use mqtt_broker::rng::Rng;
use mqtt_broker::topic_matcher::{NodeId, Topic, Tree};

/// A subscriber as a broker may keep it.
type Value = Vec<[u8; 12]>;

const FILTERS: usize = 1_000_000;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    report("bench/sub/N/x", &filters(FILTERS));
    report("devices/UUID/state/#", &device_filters());
    divan::main();
}

/// Prints what the tree says of its size, without what the values hold elsewhere.
#[expect(clippy::print_stdout, reason = "a bench reports to people")]
fn report(kind: &str, filters: &[String]) {
    let (tree, _) = load(filters);
    let bytes = tree.bytes() / tree.len();
    println!("{kind}: {} filters, {bytes} bytes each", tree.len());
}

/// One filter in a hundred has a wildcard in place of its number.
fn filters(count: usize) -> Vec<String> {
    let filter = |n| match n % 100 {
        99 => format!("bench/+/{n}/x"),
        _ => format!("bench/sub/{n}/x"),
    };
    (0..count).map(filter).collect()
}

/// Names that do not fit into a node.
fn device_filters() -> Vec<String> {
    let mut rng = Rng::new(1);
    let mut uuid = || {
        let (a, b) = (rng.next_u64(), rng.next_u64());
        format!("{:08x}-{:04x}-{:04x}-{:016x}", a >> 32, a >> 16 & 0xffff, a & 0xffff, b)
    };
    (0..FILTERS).map(|_| format!("devices/{}/state/#", uuid())).collect()
}

fn load(filters: &[String]) -> (Tree<Value>, Vec<NodeId>) {
    let mut tree = Tree::new(1);
    let ids = filters.iter().map(|filter| tree.insert(filter)).collect();
    (tree, ids)
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn load_a_million(bencher: Bencher<'_, '_>) {
    let filters = filters(FILTERS);
    bencher.counter(ItemsCount::new(FILTERS)).bench_local(|| load(&filters));
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn remove_a_million(bencher: Bencher<'_, '_>) {
    let filters = filters(FILTERS);
    bencher.counter(ItemsCount::new(FILTERS)).with_inputs(|| load(&filters)).bench_local_values(
        |(mut tree, ids)| {
            for id in ids {
                tree.prune(id);
            }
            tree
        },
    );
}

/// Topics at random, so that of a large tree nothing is in the cache.
#[divan::bench(sample_size = 1_000, args = [1_000, 10_000, 100_000, FILTERS])]
fn match_at_random(bencher: Bencher<'_, '_>, count: usize) {
    let (tree, _) = load(&filters(count));
    let mut rng = Rng::new(2);
    let topics: Vec<_> =
        (0..100_000).map(|_| format!("bench/sub/{}/x", rng.index(count))).collect();
    let mut next = topics.iter().cycle();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        let topic = next.next().expect("a cycle");
        matching(&tree, black_box(topic))
    });
}

/// One topic over and over: the work without the memory.
#[divan::bench(
    sample_size = 1_000,
    args = ["bench/sub/12345/x", "bench/sub/12399/x", "bench/sub/12345", "none/of/these"]
)]
fn match_one(bencher: Bencher<'_, '_>, topic: &str) {
    let (tree, _) = load(&filters(FILTERS));
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| matching(&tree, black_box(topic)));
}

/// Every combination of a name and `+` on ten levels: 1024 of 2046 nodes match.
#[divan::bench]
fn match_all_branches(bencher: Bencher<'_, '_>) {
    let mut tree: Tree<Value> = Tree::new(1);
    for bits in 0_u32..1 << 10 {
        let levels: Vec<_> = (0..10).map(|n| ["a", "+"][(bits >> n & 1) as usize]).collect();
        tree.insert(&levels.join("/"));
    }
    let topic = ["a"; 10].join("/");
    bencher
        .counter(ItemsCount::new(1_u32 << 10))
        .bench_local(|| matching(&tree, black_box(&topic)));
}

fn matching(tree: &Tree<Value>, topic: &str) -> usize {
    let mut found = 0;
    let topic = Topic::parse(topic).expect("a topic without wildcards");
    tree.matching(topic, &mut |_, value| found += 1 + value.len());
    found
}
