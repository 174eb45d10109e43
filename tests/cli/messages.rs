//! From producer to consumer through the broker.

use std::fmt::Write as _;
use std::fs;

use crate::harness::{Broker, topic};

use super::tools::{CONSUMER, PRODUCER, at, consumer, feed, publish, run_at};

#[test]
fn every_version_and_quality_carries_a_message() {
    let broker = Broker::shared();
    for version in ["31", "3.1", "mqttv31", "311", "3.1.1", "mqttv311", "5", "5.0", "mqttv5"] {
        for qos in ["0", "1", "2"] {
            let topic = topic("t");
            let consumer = consumer(&broker, &["-V", version, "-q", qos, "-n", "1", &topic]);
            publish(&broker, &["-V", version, "-q", qos, &topic, "hello"]);
            assert_eq!(consumer.end().fine(), "hello\n", "{version} {qos}");
        }
    }
}

#[test]
fn ten_thousand_lines_arrive_in_order() {
    let broker = Broker::shared();
    let mut lines = String::new();
    for n in 0..10_000 {
        writeln!(lines, "line {n}").unwrap();
    }
    for qos in ["1", "2"] {
        let topic = topic("t");
        // QoS 0 to the consumer, so that no queue of its session has a part in this.
        let consumer = consumer(&broker, &["-C", "10000", &topic]);
        let arguments = ["-q", qos, "-l", "-t", &topic];
        let outcome = feed(PRODUCER, &at(&broker.address().into(), &arguments), lines.as_bytes());
        outcome.fine();
        assert!(consumer.end().fine() == lines, "QoS {qos}: something is missing or out of order");
    }
}

#[test]
fn lines_have_no_end_and_may_be_empty_or_unfinished() {
    let broker = Broker::shared();
    let topic = topic("t");
    let consumer = consumer(&broker, &["-C", "4", "-F", "%l %x", &topic]);
    let arguments = ["-l", "-t", &topic];
    feed(PRODUCER, &at(&broker.address().into(), &arguments), b"a\n\n\xff\xfe\r\nz").fine();
    assert_eq!(consumer.end().fine(), "1 61\n0 \n3 fffe0d\n1 7a\n");
}

#[test]
fn a_message_comes_from_argument_option_file_or_input() {
    let broker = Broker::shared();
    let (topic, address) = (topic("t"), broker.address().into());
    let name = format!("cli-{}", std::process::id());
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let path = path.to_str().expect("a path that can be written").to_owned();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    fs::write(&path, &bytes).unwrap();
    let consumer = consumer(&broker, &["-N", "-C", "7", &topic]);
    publish(&broker, &[&topic, "1"]);
    publish(&broker, &["-t", &topic, "2"]);
    publish(&broker, &["-t", &topic, "-m", "-3"]);
    publish(&broker, &["-m", "4", &topic]);
    publish(&broker, &["-f", &path, "-t", &topic]);
    feed(PRODUCER, &at(&address, &["-s", &topic]), &bytes).fine();
    publish(&broker, &[&topic, "--", "-5"]);
    fs::remove_file(&path).unwrap();
    let outcome = consumer.end();
    assert_eq!(outcome.code, Some(0));
    let mut expected = b"12-34".to_vec();
    expected.extend_from_slice(&bytes);
    expected.extend_from_slice(&bytes);
    expected.extend_from_slice(b"-5");
    assert!(outcome.stdout == expected, "binary payloads are written as they are");
}

#[test]
fn repetitions_repeat() {
    let broker = Broker::shared();
    let topic = topic("t");
    let consumer = consumer(&broker, &["-C", "3", &topic]);
    publish(&broker, &["--repeat", "3", "--repeat-delay", "0.05", "-q", "1", &topic, "x"]);
    assert_eq!(consumer.end().fine(), "x\nx\nx\n");
}

#[test]
fn retained_messages_are_kept_told_apart_and_cleared() {
    let broker = Broker::shared();
    let (a, b) = (topic("a"), topic("b"));
    let filter = topic("+");
    publish(&broker, &["-r", "-q", "1", &a, "old a"]);
    publish(&broker, &["-r", "-q", "1", &b, "old b"]);
    let outcome = run_at(&broker, CONSUMER, &["-C", "2", "-F", "%r %p", &filter]);
    let mut lines: Vec<_> = outcome.fine().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["1 old a", "1 old b"]);

    let fresh = consumer(&broker, &["-R", "-C", "1", &filter]);
    let retained = consumer(&broker, &["--retained-only", "-T", &b, &filter]);
    publish(&broker, &["-q", "1", &a, "new"]);
    assert_eq!(fresh.end().fine(), "new\n");
    assert_eq!(retained.end().fine(), "old a\n");

    let clearing = run_at(&broker, CONSUMER, &["--remove-retained", "-C", "1", &a]);
    assert_eq!(clearing.fine(), "old a\n");
    publish(&broker, &["-r", "-n", "-q", "1", "-t", &b]);
    let outcome = run_at(&broker, CONSUMER, &["-W", "1", &filter]);
    assert_eq!(outcome.failed(27), "mqtt-consumer: timed out");
}

#[test]
fn retain_options_of_mqtt_5_reach_the_broker() {
    let broker = Broker::shared();
    let topic = topic("t");
    publish(&broker, &["-r", "-q", "1", &topic, "old"]);
    let never = ["-V", "5", "--retain-handling", "never", "-C", "1", "-F", "%r %p", &topic];
    let never = consumer(&broker, &never);
    let published = ["-V", "5", "--retain-as-published", "-R", "-W", "1", &topic];
    let published = consumer(&broker, &published);
    publish(&broker, &["-r", "-q", "1", &topic, "new"]);
    assert_eq!(never.end().fine(), "0 new\n");
    let outcome = published.end();
    assert_eq!((outcome.code, outcome.text()), (Some(27), ""), "the flag was kept, -R hides it");
    publish(&broker, &["-r", "-n", "-t", &topic]);
}
