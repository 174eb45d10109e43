//! The broker is killed at random moments, and nobody notices but by the time it takes.
//!
//! Publishers with QoS 1 and 2 and subscribers with sessions that are kept. What a publisher was
//! told is acknowledged reaches the subscribers: at least once with QoS 1, exactly once with QoS
//! 2, and in order. `CRASH_KILLS=100 cargo test storage::crash` kills it a hundred times.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mqtt_broker::rng::Rng;

use super::peer::{publisher, subscriber};
use super::{configuration, free_port};
use crate::daemon::{Daemon, Directory};
use crate::harness::raw::PATIENCE;

const KILLS: usize = 5;

/// Topic and QoS of each publisher.
const PUBLISHERS: [(&str, u8); 4] = [("t/a", 1), ("t/b", 2), ("t/c", 1), ("t/d", 2)];

/// A subscriber has no SUBACK.
const NOT_YET: usize = usize::MAX;

#[test]
fn nothing_is_lost_or_doubled_or_out_of_order_when_it_is_killed() {
    let kills = std::env::var("CRASH_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let directory = Directory::new();
    let port = free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let start = || {
        let daemon =
            Daemon::spawn(directory.command(&configuration(port, "max_queued_messages 0\n")));
        daemon.address();
        daemon
    };
    let mut broker = start();
    let (is_enough, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let subscribers = ["s1", "s2"].map(|id| {
        let (is_over, got) = (Arc::clone(&is_over), Arc::new(AtomicUsize::new(NOT_YET)));
        let seen = Arc::clone(&got);
        let count = move |count| seen.store(count, Ordering::SeqCst);
        let run = move || subscriber(address, id, "t/#", 2, &is_over, count);
        (thread::Builder::new().name(id.into()).spawn(run).unwrap(), got)
    });
    let is_subscribed = |got: &AtomicUsize| got.load(Ordering::SeqCst) != NOT_YET;
    while !subscribers.iter().all(|(_, got)| is_subscribed(got)) {
        thread::park_timeout(Duration::from_millis(1));
    }
    let publishers = PUBLISHERS.map(|(topic, qos)| {
        let is_enough = Arc::clone(&is_enough);
        let run = move || publisher(address, topic, qos, &is_enough);
        thread::Builder::new().name(topic.into()).spawn(run).unwrap()
    });
    let mut rng = Rng::new(port.into());
    for _ in 0..kills {
        thread::park_timeout(Duration::from_millis(5 + rng.below(250)));
        broker.signal("KILL");
        broker.ended();
        broker = start();
    }
    is_enough.store(true, Ordering::SeqCst);
    let sent: BTreeMap<&str, u32> = PUBLISHERS
        .into_iter()
        .zip(publishers)
        .map(|((topic, _), thread)| (topic, thread.join().unwrap()))
        .collect();
    let all: u32 = sent.values().sum();
    // Everything that was acknowledged is on its way; it has come when nothing comes any more.
    for (_, got) in &subscribers {
        let mut before = usize::MAX;
        while got.load(Ordering::SeqCst) < all as usize || before != got.load(Ordering::SeqCst) {
            let now = got.load(Ordering::SeqCst);
            assert!(now != before || now >= all as usize, "{now} of {all} messages came");
            before = now;
            thread::park_timeout(PATIENCE / 5);
        }
    }
    is_over.store(true, Ordering::SeqCst);
    let got = subscribers.map(|(thread, _)| thread.join().unwrap());
    let twice: usize = got.iter().map(|got| check(got, &sent)).sum();
    println!(
        "{kills} kills: {all} messages, {twice} of QoS 1 came twice; 0 lost, doubled, reordered"
    );
    broker.signal("TERM");
    assert_eq!(broker.ended(), Some(0));
}

/// Everything came, in order, and what came twice was QoS 1; how often that was.
fn check(got: &[(String, u32)], sent: &BTreeMap<&str, u32>) -> usize {
    let mut twice = 0;
    for (topic, qos) in PUBLISHERS {
        let mut next = 1;
        for (_, number) in got.iter().filter(|(came, _)| came == topic) {
            if *number == next {
                next += 1;
            } else {
                // With QoS 1, what has come may come again.
                assert!(*number < next, "{topic}: {number} came before {next}");
                assert_eq!(qos, 1, "{topic}: {number} came twice");
                twice += 1;
            }
        }
        assert_eq!(next - 1, sent[topic], "{topic}: all that was acknowledged came");
    }
    twice
}
