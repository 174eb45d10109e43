//! What a message above QoS 0 costs in the windows of a session.
//!
//! `cargo bench --bench windows`. Items are messages; the argument is how many are open at once.
//!
//! Never measures what is done with the message itself.

use std::collections::VecDeque;

use divan::{Bencher, black_box, counter::ItemsCount};
use mqtt_broker::codec::{PacketId, QoS};
use mqtt_broker::session::{Inbound, Outbound};

/// Messages of one go.
const BATCH: u32 = 1000;

const WINDOWS: [usize; 4] = [1, 100, 10_000, 65_000];

fn main() {
    divan::main();
}

fn items() -> ItemsCount {
    ItemsCount::new(BATCH)
}

/// A window that is full but for one, and the identifiers in it, oldest first.
fn full(window: usize, qos: QoS) -> (Outbound<u64>, VecDeque<PacketId>) {
    let mut outbound = Outbound::default();
    let open = (1..window).map(|_| send(&mut outbound, qos)).collect();
    (outbound, open)
}

fn send(outbound: &mut Outbound<u64>, qos: QoS) -> PacketId {
    let id = outbound.next_id();
    outbound.send(id, qos, black_box(1), 0);
    id
}

/// The oldest is acknowledged first, as all clients do that keep to the order.
#[divan::bench(args = WINDOWS)]
fn outbound_qos_1(bencher: Bencher<'_, '_>, window: usize) {
    let (mut outbound, mut open) = full(window, QoS::AtLeastOnce);
    bencher.counter(items()).bench_local(|| {
        for _ in 0..BATCH {
            open.push_back(send(&mut outbound, QoS::AtLeastOnce));
            let id = open.pop_front().expect("just sent");
            outbound.acked(black_box(id)).expect("it awaits it");
        }
    });
}

#[divan::bench(args = WINDOWS)]
fn outbound_qos_2(bencher: Bencher<'_, '_>, window: usize) {
    let (mut outbound, mut open) = full(window, QoS::ExactlyOnce);
    bencher.counter(items()).bench_local(|| {
        for _ in 0..BATCH {
            open.push_back(send(&mut outbound, QoS::ExactlyOnce));
            let id = open.pop_front().expect("just sent");
            outbound.received(black_box(id)).expect("it awaits it");
            outbound.completed(black_box(id)).expect("it awaits it");
        }
    });
}

/// The oldest is never acknowledged, the newest at once.
#[divan::bench(args = WINDOWS)]
fn outbound_behind_a_gap(bencher: Bencher<'_, '_>, window: usize) {
    bencher.counter(items()).with_inputs(|| full(window + 1, QoS::AtLeastOnce).0).bench_local_refs(
        |outbound| {
            for _ in 0..BATCH {
                let id = send(outbound, QoS::AtLeastOnce);
                outbound.acked(black_box(id)).expect("it awaits it");
            }
        },
    );
}

#[divan::bench(args = WINDOWS)]
fn inbound_qos_2(bencher: Bencher<'_, '_>, window: usize) {
    let id = |n: usize| PacketId::new(u16::try_from(n % 65_535 + 1).expect("below")).expect("1 on");
    let mut inbound = Inbound::default();
    let mut next = 0;
    for n in 1..window {
        inbound.publish(id(n - 1));
        next = n;
    }
    bencher.counter(items()).bench_local(|| {
        for _ in 0..BATCH {
            assert!(inbound.publish(black_box(id(next))));
            assert!(inbound.release(black_box(id(next + 1 - window))));
            next += 1;
        }
    });
}
