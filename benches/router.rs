//! Who gets a message: match, order by session, merge.
//!
//! `cargo bench --bench router`. Items are sessions that get the message.
//!
//! Never sends anything.

use std::rc::Rc;

use divan::{Bencher, black_box, counter::ItemsCount};
use mqtt_broker::codec::{QoS, SubscribeOptions};
use mqtt_broker::metrics::Gauge;
use mqtt_broker::router::{Matches, Router, Subscriber};
use mqtt_broker::session::SessionId;
use mqtt_broker::topic_matcher::{Filter, Topic};

fn main() {
    divan::main();
}

const TOPIC: &str = "site/7/line/3/temp";

/// A router of `sessions` with these filters each, among ten thousand filters of others.
fn router(sessions: u32, filters: &[&str]) -> Router {
    let mut router = Router::new(1, &Rc::new(Gauge::default()));
    let mut subscribe = |filter: &str, session: u32| {
        let options = SubscribeOptions { qos: QoS::AtLeastOnce, ..SubscribeOptions::default() };
        let subscriber = Subscriber { session: SessionId(session), identifier: 1, options };
        router.subscribe(Filter::parse(filter).expect("a filter"), subscriber, 0);
    };
    for session in 0..sessions {
        filters.iter().for_each(|filter| subscribe(filter, session));
    }
    (0..10_000).for_each(|n| subscribe(&format!("site/{n}/line/{n}/level"), sessions + n));
    router
}

fn route(bencher: Bencher<'_, '_>, sessions: u32, filters: &[&str]) {
    let router = router(sessions, filters);
    let topic = Topic::parse(TOPIC).expect("a topic");
    let mut matches = Matches::default();
    bencher.counter(ItemsCount::new(sessions)).bench_local(|| {
        router.matches(black_box(topic), None, &mut matches);
        assert_eq!(matches.sessions.len(), sessions as usize);
    });
}

#[divan::bench(args = [1, 100, 10_000])]
fn one_filter(bencher: Bencher<'_, '_>, sessions: u32) {
    route(bencher, sessions, &[TOPIC]);
}

/// Overlapping subscriptions, which become one copy with all identifiers.
#[divan::bench(args = [1, 100, 10_000])]
fn four_filters(bencher: Bencher<'_, '_>, sessions: u32) {
    route(bencher, sessions, &[TOPIC, "site/+/line/3/temp", "site/7/#", "#"]);
}

/// Nobody subscribes to it.
#[divan::bench]
fn nobody(bencher: Bencher<'_, '_>) {
    let router = router(0, &[]);
    let topic = Topic::parse(TOPIC).expect("a topic");
    let mut matches = Matches::default();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        router.matches(black_box(topic), None, &mut matches);
        assert!(matches.is_empty());
    });
}
