//! What the broker itself publishes: numbers, when they have changed, and lines of the log.

use mqtt_broker::broker::sys::{LOADS, STATISTICS, WINDOWS};
use mqtt_broker::broker::{Event, Options};
use mqtt_broker::codec::{Packet, RetainHandling, Subscribe, SubscribeOptions};
use mqtt_broker::persistence::Record;

use super::World;
use super::words::{at, handling, v3, v3_kept, v5, v5_kept, v5_narrow};

const NOTHING: [&str; 0] = [];

/// A broker that looks at its numbers every ten seconds.
pub(super) fn watched() -> World {
    World::with(|options| options.sys_interval = 10)
}

impl World {
    pub(super) fn reconfigure(&mut self, change: impl FnOnce(&mut Options)) {
        let mut options = Options::default();
        change(&mut options);
        let (options, authority) = (Box::new(options), None);
        let said = self.machine.handle(Event::Configured { options, authority });
        self.settle(said);
    }

    /// Ends with nothing left, once the numbers are not looked at any more.
    pub(super) fn end_unwatched(mut self) {
        self.reconfigure(|_| {});
        self.end();
    }

    /// What a client has heard below `$SYS/broker/`, without that.
    pub(super) fn told(&mut self, name: &str) -> Vec<String> {
        let heard = self.heard(name);
        let messages = heard.iter().filter(|line| !line.starts_with("pubrel "));
        messages.map(|line| line.strip_prefix("$SYS/broker/").unwrap().to_owned()).collect()
    }

    /// How long the broker sleeps.
    pub(super) fn nap(&self) -> Option<u64> {
        Some(self.machine.broker.deadline()?.ms_since(self.machine.now))
    }
}

#[test]
fn a_subscription_is_shown_every_number() {
    let mut world = watched();
    world.connect(v5("a"));
    world.subscribe("a", "$SYS/#", 2);
    let told = world.told("a");
    let has = |line: &str| told.iter().any(|told| told.starts_with(line));
    for statistic in STATISTICS {
        assert!(has(&format!("{}=", statistic.topic)), "{}: {told:#?}", statistic.topic);
    }
    for (load, (window, _)) in LOADS.iter().flat_map(|load| WINDOWS.map(|window| (load, window))) {
        assert!(has(&format!("load/{}/{window}=0.00 q2 #", load.topic)), "{told:#?}");
    }
    assert!(told.iter().all(|line| line.contains(" q2 #") && line.ends_with(" retained")));
    // And that it is there itself.
    let presence = "clients/a/connected={\"address\":\"local\",\"version\":\"5.0\",\"clean\":true}";
    assert!(has(presence), "{told:#?}");
    assert_eq!(told.len(), STATISTICS.len() + LOADS.len() * WINDOWS.len() + 1);
    assert!(has("uptime=0 seconds ") && has("clients/connected=1 ") && has("clients/maximum=1 "));
    assert!(has("mqtt/connect/received=1 ") && has("mqtt/connack/sent=1 "));
    assert!(has("subscriptions/count=1 ") && has("retained messages/count=0 "));
    world.end_unwatched();
}

#[test]
fn a_number_is_published_when_it_has_changed() {
    let mut world = watched();
    world.pass_ms(3_500);
    world.connect(v3("a"));
    world.subscribe("a", "$SYS/broker/clients/+", 0);
    world.subscribe("a", "$SYS/broker/uptime", 0);
    assert_eq!(world.told("a").len(), 9 + 1 - 1);
    world.connect(v3_kept("b"));
    assert_eq!(world.told("a"), NOTHING, "not before its time");
    // At the full ten seconds of the clock.
    world.pass_ms(6_499);
    assert_eq!(world.told("a"), NOTHING);
    world.pass_ms(1);
    assert_eq!(world.machine.now.as_ms() % 10_000, 0);
    let told = world.told("a");
    let changed = ["uptime=10 seconds", "clients/total=2", "clients/connected=2"];
    assert_eq!(told, [&changed[..], &["clients/active=2", "clients/maximum=2"]].concat());
    world.pass(10);
    assert_eq!(world.told("a"), ["uptime=20 seconds"], "nothing else has");
    world.cut("b");
    world.pass(10);
    let told = world.told("a");
    let changed = ["connected=1", "active=1", "disconnected=1", "inactive=1"];
    assert_eq!(
        told,
        ["uptime=30 seconds"]
            .into_iter()
            .map(String::from)
            .chain(changed.map(|line| format!("clients/{line}")))
            .collect::<Vec<_>>()
    );
    world.end_unwatched();
}

#[test]
fn messages_are_counted_and_their_load_is_averaged() {
    let mut world = watched();
    world.connect(v3("a"));
    world.connect(v3("b"));
    world.subscribe("b", "t", 1);
    for _ in 0..10 {
        world.publish("a", "t", "12345", 1);
    }
    world.pass(10);
    for filter in
        ["$SYS/broker/publish/+/+", "$SYS/broker/load/publish/+/+", "$SYS/broker/mqtt/+/+"]
    {
        world.subscribe("a", filter, 0);
    }
    let told = world.told("a");
    for line in [
        "publish/messages/received=10",
        "publish/messages/sent=10",
        "publish/messages/dropped=0",
        "publish/bytes/received=50",
        "publish/bytes/sent=50",
        "load/publish/received/1min=9.21",
        "load/publish/sent/5min=1.97",
        "load/publish/received/15min=0.66",
        "mqtt/publish/received=10",
        "mqtt/puback/sent=10",
        "mqtt/puback/received=10",
        "mqtt/subscribe/received=2",
    ] {
        assert!(told.iter().any(|told| told == &format!("{line} retained")), "{line}: {told:#?}");
    }
    // What the broker publishes itself is not counted as if somebody had sent it.
    world.pass(10);
    let told = world.told("a");
    assert!(told.iter().any(|line| line == "load/publish/sent/1min=7.80"), "{told:#?}");
    assert!(!told.iter().any(|line| line.starts_with("publish/")), "{told:#?}");
    assert_eq!(world.machine.broker.counters().messages_sent, 10);
    assert!(world.machine.broker.counters().sent.of(3) > 10, "but the packets are");
    world.end_unwatched();
}

#[test]
fn without_an_interval_there_is_nothing() {
    let mut world = World::new();
    world.connect(v3("a"));
    world.subscribe("a", "$SYS/#", 0);
    world.connect(v3("b"));
    world.disconnect("b");
    world.pass(1000);
    assert_eq!(world.heard("a"), NOTHING);
    assert_eq!(world.nap(), None);
    // With one there is, at once and at each full interval.
    world.reconfigure(|options| options.sys_interval = 60);
    world.pass(60);
    let told = world.told("a");
    let uptimes: Vec<_> = told.iter().filter(|line| line.starts_with("uptime=")).collect();
    assert_eq!(uptimes, ["uptime=1000 seconds", "uptime=1060 seconds"]);
    world.reconfigure(|options| options.sys_interval = 0);
    world.connect(v3("b"));
    world.pass(1000);
    assert_eq!(world.heard("a"), NOTHING);
    world.subscribe("a", "$SYS/#", 0);
    assert_eq!(world.heard("a"), NOTHING, "nor is anything left");
    world.end();
}

#[test]
fn where_nothing_happens_and_nobody_looks_nobody_is_woken() {
    let mut world = watched();
    assert_eq!(world.nap(), Some(10_000));
    world.pass(10);
    assert_eq!(world.nap(), None);
    world.pass_ms(3_600_500);
    world.connect(v3("a"));
    // Its time has come long ago; after that it goes on by the clock.
    assert_eq!(world.nap(), Some(0));
    world.pass_ms(1);
    assert_eq!(world.nap(), Some(9_499));
    world.pass(10);
    assert!(world.nap().is_some(), "something has happened");
    world.pass(30);
    assert_eq!(world.nap(), None, "a client that is there and says nothing wakes nobody");
    // What happened lately is known all the same, as a load of the time when it happened.
    world.subscribe("a", "$SYS/broker/load/connections/+", 0);
    let told = world.told("a");
    assert_eq!(told[0], "load/connections/1min=0.56 retained", "{told:?}");
    world.pass(10);
    assert_eq!(world.nap(), Some(10_000 - world.machine.now.as_ms() % 10_000), "somebody looks");
    world.unsubscribe("a", "$SYS/broker/load/connections/+");
    world.pass(90);
    assert_eq!(world.nap(), None);
    world.end_unwatched();
}

#[test]
fn a_load_fades_while_nobody_is_woken() {
    let mut world = watched();
    world.connect(v3("a"));
    for _ in 0..1000 {
        world.publish("a", "t", "x", 0);
    }
    world.pass(50);
    assert_eq!(world.nap(), None);
    world.pass(270);
    world.subscribe("a", "$SYS/broker/load/publish/received/+", 0);
    let faded = |minutes: f64| {
        let rate = 6000.0 * (1.0 - (-10.0 / (60.0 * minutes)).exp());
        rate * (-310.0 / (60.0 * minutes)).exp()
    };
    let expected: Vec<String> = [("1min", 1.0), ("5min", 5.0), ("15min", 15.0)]
        .map(|(window, minutes)| {
            format!("load/publish/received/{window}={:.2} retained", faded(minutes))
        })
        .into();
    assert_eq!(world.told("a"), expected);
    world.end_unwatched();
}

#[test]
fn nothing_of_it_is_kept() {
    let mut world = watched();
    world.connect(v5_kept("a", 600));
    world.subscribe("a", "$SYS/#", 1);
    world.subscribe("a", "#", 1);
    world.connect(v3("b"));
    world.publish_retained("b", "t", "x", 1);
    world.pass(60);
    assert_eq!(world.machine.broker.retained(), 1, "what clients retain counts");
    let retained = world.machine.disk.records().iter().filter(|record| match record {
        Record::Retained(message) => {
            assert_eq!(message.topic().as_str(), "t");
            true
        }
        _ => false,
    });
    assert_eq!(retained.count(), 1);
    let told = world.heard("a");
    assert_eq!(told.iter().filter(|line| !line.starts_with("$SYS/")).count(), 1, "t by #");
    world.machine.check_replay();
    // Nor does it wait for somebody who is away.
    world.cut("a");
    world.pass(60);
    assert_eq!(world.machine.broker.counters().dropped_in_all(), 0);
    world.connect(v5_kept("a", 600));
    let own = "$SYS/broker/clients/a/connected=";
    assert!(matches!(&world.heard("a")[..], [line] if line.starts_with(own)));
    world.end_unwatched();
}

#[test]
fn the_new_run_publishes_what_it_finds() {
    let mut world = watched();
    world.connect(v5_kept("a", 600));
    world.subscribe("a", "$SYS/broker/clients/+", 0);
    world.heard("a");
    world.machine.disk.finish(world.machine.now);
    let count = world.machine.disk.records().len();
    world.people.get_mut("a").unwrap().conn = None;
    let said = world.machine.crash(count);
    world.settle(said);
    world.connect(v5_kept("a", 600));
    world.pass(10);
    assert_eq!(world.told("a").len(), 8);
    world.end_unwatched();
}

#[test]
fn a_narrow_window_and_a_small_queue_lose_nothing_of_what_is_shown() {
    let mut world = World::with(|options| {
        options.sys_interval = 10;
        options.room = 300;
        options.retained_budget = 7;
        options.max_queued_messages = 3;
    });
    for n in 0..50 {
        world.connect(v3(&format!("client {n:02}")));
    }
    world.connect(v5_narrow("a", 600, 2));
    world.subscribe("a", "$SYS/#", 2);
    world.pass_ms(9_000);
    let mut told = world.told("a");
    told.sort();
    told.dedup_by_key(|line| line.split('=').next().unwrap().to_owned());
    let numbers = STATISTICS.len() + LOADS.len() * WINDOWS.len();
    let told: Vec<_> = told.iter().filter(|line| line.ends_with(" retained")).collect();
    assert_eq!(told.len(), numbers + 51);
    world.end_unwatched();
}

/// What asks for all there is takes a few bytes, and one packet holds thousands of them.
#[test]
fn a_packet_full_of_filters_is_not_shown_everything_at_once() {
    let mut world = watched();
    world.connect(v3("a"));
    let filters = |wildcard: &str| {
        let filter = |n| (format!("$SYS/{n}{wildcard}"), at(0));
        (0..2000).map(filter).collect::<Vec<_>>()
    };
    let subscribe = |world: &mut World, filters| {
        let packet_id = world.next_id("a");
        let (subscription_identifier, user_properties) = (None, Vec::new());
        let packet = Subscribe { packet_id, subscription_identifier, user_properties, filters };
        world.send("a", &Packet::Subscribe(packet));
    };
    subscribe(&mut world, filters(""));
    assert_eq!(world.nap(), Some(10_000), "one look for each");
    subscribe(&mut world, filters("/#"));
    assert_eq!(world.nap(), Some(1), "there is more, and others have their turn");
    world.pass_ms(10);
    assert!(world.nap() > Some(1000));
    world.end_unwatched();
}

#[test]
fn retain_handling_holds_here_too() {
    let mut world = watched();
    world.connect(v5("a"));
    let filter = "$SYS/broker/uptime";
    world.subscribe_with("a", filter, handling(RetainHandling::DoNotSend), None);
    assert_eq!(world.told("a"), NOTHING);
    world.pass(10);
    assert_eq!(world.told("a"), ["uptime=10 seconds q1 #1"]);
    world.subscribe_with("a", filter, handling(RetainHandling::SendIfNew), None);
    assert_eq!(world.told("a"), NOTHING);
    let kept = SubscribeOptions { retain_as_published: true, ..at(0) };
    world.subscribe_with("a", filter, kept, Some(5));
    assert_eq!(world.told("a"), ["uptime=10 seconds retained ids 5"]);
    world.pass(10);
    assert_eq!(world.told("a"), ["uptime=20 seconds retained ids 5"]);
    world.subscribe_with("a", &format!("$share/g/{filter}"), at(0), None);
    world.unsubscribe("a", filter);
    world.pass(10);
    assert_eq!(world.told("a"), ["uptime=30 seconds"], "a shared subscription counts too");
    world.end_unwatched();
}

#[test]
fn a_line_of_the_log_is_published_and_not_retained() {
    let mut world = World::new();
    world.connect(v3("a"));
    world.subscribe("a", "$SYS/broker/log/#", 2);
    let (topic, text) = ("$SYS/broker/log/N", &b"1764000000: hello"[..]);
    let said = world.machine.handle(Event::Logged { topic, text });
    world.settle(said);
    assert_eq!(world.told("a"), ["log/N=1764000000: hello q2 #1"]);
    world.subscribe("a", "$SYS/broker/log/#", 2);
    assert_eq!(world.told("a"), NOTHING);
    world.end();
}
