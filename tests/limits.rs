//! Limits as a configuration file states them: a real process, real sockets, and what the clients
//! see that are not at fault.
//!
//! Nothing sleeps: what takes time is read until it comes, and the clock is only looked at.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Broker, Raw, v3, v5};

/// A broker with this configuration, on a free port.
fn configured(name: &str, configuration: &str) -> Arc<Broker> {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = directory.join(format!("limits-{}-{name}.conf", std::process::id()));
    fs::write(&path, configuration).expect("a configuration can be written");
    let broker = Broker::start(&["-c", path.to_str().expect("a path of ours")]);
    fs::remove_file(&path).expect("it is there");
    broker
}

/// A client sends four seconds' worth at once: it is slowed down to its rate and loses nothing,
/// and others are answered meanwhile.
#[test]
fn a_fast_publisher_is_slowed_to_its_rate_and_nobody_else() {
    const RATE: usize = 200;
    const COUNT: usize = 5 * RATE;
    let broker = configured("rate", &format!("max_message_rate {RATE}\n"));
    let mut subscriber = Raw::online_at(&broker, v3::connect("subscriber"));
    subscriber.send(v3::subscribe(1, &[("t", 0)])).expect(v3::suback(1, &[0]));
    let mut fast = Raw::online_at(&broker, v3::connect("fast"));
    let mut other = Raw::online_at(&broker, v3::connect("other"));
    let all: Vec<u8> =
        (0..COUNT).flat_map(|n| Vec::from(v3::publish("t", format!("{n:06}")))).collect();
    let start = now();
    fast.send(all);
    let read = move || {
        for n in 0..COUNT {
            subscriber.expect_publish(v3::publish("t", format!("{n:06}")));
        }
    };
    let reader = thread::Builder::new().spawn(read).expect("a thread starts");
    let mut pings = 0;
    let mut slowest = Duration::ZERO;
    while !reader.is_finished() {
        let asked = now();
        other.ping();
        slowest = slowest.max(asked.elapsed());
        pings += 1;
    }
    reader.join().expect("all of them come, in order");
    let took = start.elapsed();
    // The first second's worth comes at once.
    let least = Duration::from_secs((COUNT / RATE - 1) as u64);
    assert!(took >= least - Duration::from_millis(200), "{COUNT} in {took:?}");
    assert!(took < least * 3, "{COUNT} in {took:?}");
    assert!(pings > 100, "{pings} answers while one client was held, the slowest {slowest:?}");
    // It goes on as if nothing had been.
    fast.ping();
}

/// Retained messages and messages for who is away, until there is no memory: what is refused is
/// said, what was acknowledged is there, and everybody else is served.
#[test]
fn a_flood_meets_the_memory_limit() {
    const LIMIT: usize = 2_000_000;
    let broker = configured(
        "memory",
        &format!("memory_limit {LIMIT}\nmax_queued_messages 0\nstalled_timeout 1\n"),
    );
    let mut away = Raw::online_at(&broker, v3::connect("away").resume());
    away.send(v3::subscribe(1, &[("queue", 1)])).expect(v3::suback(1, &[1]));
    away.drop_link();
    let mut other = Raw::online_at(&broker, v3::connect("other"));
    let mut flood = Raw::online_at(&broker, v5::connect("flood"));
    let payload = vec![b'.'; 5000];
    // Retained values of ever new topics: from some share on they are not retained any more.
    let mut retained = 0;
    let refused_at = (1..=400_u16).find(|n| {
        let publish = v5::publish(format!("topic/{n}"), payload.clone()).retain().qos(1, *n);
        let reason = flood.send(publish).packet().body().get(2).copied().unwrap_or(0);
        retained += usize::from(reason < 0x80);
        reason == 0x97
    });
    assert!(refused_at.is_some() && retained > 200, "{retained} were retained");
    let mut late = Raw::to(&broker);
    late.send(v3::connect("late")).expect(v3::connack(false, 3)).expect_closed();
    // Messages for who is away: taken, then held, then refused; never dropped.
    let mut taken = 0;
    let told = (1..=400_u16).find(|n| {
        let mut payload = payload.clone();
        payload[..5].copy_from_slice(format!("{n:05}").as_bytes());
        let reason = flood
            .send(v5::publish("queue", payload).qos(1, *n))
            .packet()
            .body()
            .get(2)
            .copied()
            .unwrap_or(0);
        taken += usize::from(reason < 0x80);
        reason == 0x97
    });
    assert!(told.is_some() && taken > 20, "{taken} were taken");
    // Everybody else goes on, and no more is kept than the limit and a few messages.
    other.ping();
    if let Some(resident) = broker.resident_bytes() {
        assert!(resident < 20_000_000, "{resident} bytes");
    }
    let log = broker.log();
    for line in ["new clients are refused", "publishers have to wait"] {
        assert!(log.contains(line), "{line} is not in the log:\n{log}");
    }
    // Who has a session may come back, and gets what was acknowledged.
    let mut away = Raw::online_at(&broker, v3::connect("away").resume());
    for _ in 0..taken {
        let id = away.until(0x32).publish_id().expect("QoS 1");
        away.send(v3::puback(id));
    }
    away.ping();
    // There is memory again.
    flood.send(v5::publish("queue", "again").qos(1, 500)).expect_ack(0x40, 500);
}

#[expect(clippy::disallowed_methods, reason = "a rate is a promise about time")]
fn now() -> Instant {
    Instant::now()
}
