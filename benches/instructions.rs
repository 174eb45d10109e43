//! The hottest paths, to be counted instead of timed.
//!
//! `instructions PATH ROUNDS` goes the path so often and prints how many deliveries (of the last
//! path: connections) that were; `.ci/instructions` runs it under callgrind with two numbers of
//! rounds, so that the difference is free of the start. Every seed is fixed.
//!
//! Never looks at a clock.

mod house;

use house::{Guests, World, pairs};
use mqtt_broker::codec::QoS;

const PATHS: [&str; 4] = ["qos_0", "qos_1", "fan_out_100", "come_and_go"];

#[expect(clippy::print_stdout, reason = "it reports to the script that runs it")]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|w| !w.starts_with("--")).collect();
    match &words[..] {
        [path, rounds] => {
            let rounds = rounds.parse().expect("a number of rounds");
            println!("{}", go(path, rounds));
        }
        _ => PATHS.iter().for_each(|path| println!("{path}: {} in 10 rounds", go(path, 10))),
    }
}

fn go(path: &str, rounds: usize) -> usize {
    match path {
        "qos_0" => deliver(World::new(pairs(1), QoS::AtMostOnce), rounds),
        "qos_1" => deliver(World::new(pairs(1), QoS::AtLeastOnce), rounds),
        "fan_out_100" => {
            deliver(World::new(vec![("bench/all".into(), 100)], QoS::AtMostOnce), rounds)
        }
        "come_and_go" => {
            let mut guests = Guests::new();
            (0..rounds).for_each(|_| guests.round());
            rounds
        }
        _ => panic!("one of {PATHS:?}"),
    }
}

fn deliver(mut world: World, rounds: usize) -> usize {
    (0..rounds).for_each(|_| world.round());
    world.deliveries() * rounds
}
