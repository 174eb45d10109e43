//! From the bytes of a PUBLISH to the bytes of its deliveries: the whole server but the operating
//! system, with buffers in place of sockets.
//!
//! `cargo bench --bench end_to_end`. Items are deliveries (in the last row: connections), so a rate
//! is deliveries per second on one core.
//!
//! Never measures system calls, which cost more than all of this.

mod house;

use divan::{Bencher, counter::ItemsCount};
use house::{Guests, World, pairs};
use mqtt_broker::codec::QoS;

fn main() {
    divan::main();
}

#[divan::bench]
fn ten_to_ten_qos_0(bencher: Bencher<'_, '_>) {
    let mut world = World::new(pairs(10), QoS::AtMostOnce);
    bencher.counter(ItemsCount::new(world.deliveries())).bench_local(|| world.round());
}

#[divan::bench]
fn ten_to_ten_qos_1(bencher: Bencher<'_, '_>) {
    let mut world = World::new(pairs(10), QoS::AtLeastOnce);
    bencher.counter(ItemsCount::new(world.deliveries())).bench_local(|| world.round());
}

#[divan::bench(args = [100, 1000])]
fn one_to_many_qos_0(bencher: Bencher<'_, '_>, many: usize) {
    let mut world = World::new(vec![("bench/all".into(), many)], QoS::AtMostOnce);
    bencher.counter(ItemsCount::new(world.deliveries())).bench_local(|| world.round());
}

#[divan::bench]
fn come_and_go(bencher: Bencher<'_, '_>) {
    let mut guests = Guests::new();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| guests.round());
}
