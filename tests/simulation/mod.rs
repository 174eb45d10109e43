//! Random histories of a few clients and one broker, each decided by a seed, checked step by step
//! against a model of what was promised.
//!
//! ```text
//! swarm.rs   what is drawn from the seed first: options, features, how often what happens
//! world.rs   the steps: packets arrive, leave, are lost; time passes; storage lags; processes end
//! act.rs     what clients decide to do
//! bytes.rs   the second world: the loop of the server, between bytes and the store
//! configure.rs  what the operator decides, and the end of all faults
//! storage.rs storage that falls behind, fails and forgets; the end of a process
//! socket.rs  sockets and storage of the second world
//! peer.rs    a client: its half of QoS 1 and 2
//! model/     what the broker must do, and the checks of what it does
//! ```
//!
//! Each seed ends well: all faults stop, everybody connects, and every promise must be kept; then
//! everybody goes, and nothing may be left. `cargo test simulation` runs some seeds;
//! `SIM_SEEDS=5000 cargo test --release simulation` runs many, `SIM_SEED=7` one, and a failure
//! prints its seed and the last 50 things that happened (`SIM_HISTORY=1000`: so many).
//!
//! Never needs a socket, a file or a second.

mod act;
mod bytes;
mod configure;
mod model;
mod peer;
mod socket;
mod storage;
mod swarm;
mod world;

use mqtt_broker::metrics::DropReason;
use world::World;

/// Seeds of an ordinary test run.
const SEEDS: u64 = 200;

/// Seeds of an ordinary test run over the real store.
const STORE_SEEDS: u64 = 200;

/// Seeds that once failed, before there were limits that hold publishers up.
const FOUND: [u64; 7] = [2526, 8410, 9570, 15975, 16301, 65389, 65944];

/// Seeds that once failed since.
const FOUND_LIMITED: [u64; 1] = [4003];

/// Seeds that once failed over the real store.
const FOUND_STORE: [u64; 1] = [205_413];

const STEPS: u64 = 1500;

#[test]
fn every_promise_is_kept() {
    let seed = number("SIM_SEED");
    let seeds = match (seed, number("SIM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => {
            let first = number("SIM_FIRST").unwrap_or(0);
            first..first + count.unwrap_or(SEEDS)
        }
    };
    let found = FOUND.len() + FOUND_LIMITED.len();
    let count = seeds.end - seeds.start + found as u64;
    let mut sum = Tally::default();
    for seed in seeds.chain(FOUND).chain(FOUND_LIMITED) {
        sum.add(run(seed, false));
    }
    println!("{count} seeds: {sum:?}");
}

/// As above, but storage is the real one, on a medium that fails and loses what was not synced;
/// and the clock is anywhere after a restart.
#[test]
fn every_promise_is_kept_by_the_store() {
    let count = number("STORE_SEEDS").unwrap_or(STORE_SEEDS);
    let first = number("STORE_FIRST").unwrap_or(0);
    let seeds = match number("STORE_SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + count,
    };
    let mut sum = Tally::default();
    for seed in seeds.chain(FOUND_STORE) {
        sum.add(run(seed, true));
    }
    println!("{count} seeds: {sum:?}");
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Prints what led to a failure.
struct Witness {
    seed: u64,
    world: World,
}

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let over = if self.world.swarm.over_store { "STORE" } else { "SIM" };
            eprintln!("{over}_SEED={} failed at step {}", self.seed, self.world.tally.steps);
            eprintln!("{:?}", self.world.swarm);
            for line in &self.world.history {
                eprintln!("{line}");
            }
        }
    }
}

fn run(seed: u64, over_store: bool) -> Tally {
    let remembered = number("SIM_HISTORY").map_or(50, |lines| usize::try_from(lines).unwrap());
    let with_limits = !over_store && !FOUND.contains(&seed);
    let world = World::new(seed, with_limits, remembered, over_store);
    let mut witness = Witness { seed, world };
    let world = &mut witness.world;
    for _ in 0..STEPS {
        world.step();
    }
    world.heal();
    check_balance(world);
    world.machine.check_replay();
    end(world);
    let mut tally = world.tally;
    tally.dropped += world.machine.broker.counters().dropped_in_all();
    for peer in &world.peers {
        tally.acknowledged += peer.settled;
        tally.received += peer.received;
        tally.sessions_lost += peer.sessions_lost;
    }
    tally
}

/// Every message a session was owed was sent, or dropped for a counted reason.
fn check_balance(world: &World) {
    let counters = world.machine.broker.counters();
    let balance = world.model.balance();
    assert_eq!(counters.dropped(DropReason::Refused), balance.refused);
    let offline = counters.dropped(DropReason::Offline);
    if world.swarm.packet_limits {
        // What a member could not be sent again for its size does not come back to its group.
        assert!(offline <= balance.offline, "{offline} of {}", balance.offline);
    } else {
        assert_eq!(offline, balance.offline);
    }
    if !world.swarm.is_lossy() {
        world.model.check_nothing_owed();
        let others = [
            DropReason::QueueNewest,
            DropReason::QueueOldest,
            DropReason::QueueDisconnect,
            DropReason::Expired,
            DropReason::TooLarge,
            DropReason::QueueRefused,
            DropReason::Memory,
        ];
        for reason in others {
            assert_eq!(counters.dropped(reason), 0, "{reason:?} without a reason");
        }
    }
    let dropped = counters.dropped_in_all() - balance.refused;
    let unsent = balance.owed - balance.sent;
    let is_exact =
        !world.swarm.packet_limits && (world.tally.crashes == 0 || !world.swarm.is_lossy());
    if is_exact {
        assert_eq!(unsent, dropped, "every message is sent or counted: {balance:?} {counters:?}");
    } else if world.tally.crashes == 0 {
        assert!(unsent <= dropped, "every message is sent or counted: {balance:?} {counters:?}");
    }
}

/// Nothing is left when everybody has gone.
fn end(world: &mut World) {
    let conn = world.peers[0].conn.expect("everybody is connected");
    world.clear_retained(conn);
    for client in 0..world.peers.len() {
        world.leave(client);
    }
    // Those who never said anything have until then.
    world.pass(world.swarm.options.connect_timeout_ms);
    world.run_dry();
    world.machine.check_empty();
}

/// What a seed has gone through.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    steps: u64,
    acknowledged: u64,
    received: u64,
    connections: u64,
    sessions_lost: u64,
    crashes: u64,
    dropped: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.acknowledged += other.acknowledged;
        self.received += other.received;
        self.connections += other.connections;
        self.sessions_lost += other.sessions_lost;
        self.crashes += other.crashes;
        self.dropped += other.dropped;
    }
}
