//! Sessions, wills, time-outs.

use crate::harness::{Broker, id, topic};

use super::tools::{CONSUMER, consumer, publish, run_at};

#[test]
fn a_kept_session_collects_messages() {
    let broker = Broker::shared();
    for version in ["31", "311", "5"] {
        let (id, topic) = (id(version), topic(version));
        let session = ["-V", version, "-c", "-i", &id, "-q", "1"];
        let with = |rest: &[&'static str]| -> Vec<String> {
            let all = session.iter().chain(rest).map(|&word| word.to_owned());
            all.chain([topic.clone()]).collect()
        };
        let run = |rest: &[&'static str]| {
            let arguments = with(rest);
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            run_at(&broker, CONSUMER, &arguments)
        };
        assert_eq!(run(&["-E"]).fine(), "");
        publish(&broker, &["-q", "1", &topic, "one"]);
        publish(&broker, &["-q", "1", &topic, "two"]);
        assert_eq!(run(&["-C", "1"]).fine(), "one\n", "MQTT {version}");
        assert_eq!(run(&["-C", "1"]).fine(), "two\n", "MQTT {version}");
        // Unsubscribed, and the session thrown away by a clean start.
        assert_eq!(run(&["-U"]).fine(), "");
        publish(&broker, &["-q", "1", &topic, "three"]);
        let outcome = run_at(&broker, CONSUMER, &["-V", version, "-i", &id, "-W", "1", &topic]);
        assert_eq!((outcome.code, outcome.text()), (Some(27), ""));
    }
}

#[test]
fn a_will_speaks_for_the_killed_and_not_for_who_left() {
    let broker = Broker::shared();
    let (will, other) = (topic("will"), topic("other"));
    let watcher = consumer(&broker, &["-C", "1", "-F", "%p %r", &will]);
    #[rustfmt::skip]
    let testament = |payload: &'static str, rest: &[&'static str]| {
        let mut arguments = vec!["--will-topic", &*will, "--will-payload", payload];
        arguments.extend(["--will-qos", "1"]);
        arguments.extend(rest);
        arguments.push(&other);
        consumer(&broker, &arguments)
    };
    let left = testament("left", &["-C", "1"]);
    publish(&broker, &[&other, "go"]);
    left.end().fine();
    let mut killed = testament("killed", &["--will-retain"]);
    killed.kill();
    assert_eq!(watcher.end().fine(), "killed 0\n");
    let outcome =
        run_at(&broker, CONSUMER, &["-C", "1", "-F", "%p %r", "--remove-retained", &will]);
    assert_eq!(outcome.fine(), "killed 1\n");
}

#[test]
fn a_quiet_line_is_kept_alive() {
    let broker = Broker::shared();
    let topic = topic("t");
    let mut consumer = consumer(&broker, &["-k", "1", "-W", "2", &topic]);
    consumer.says("-> PINGREQ");
    consumer.says("<- PINGRESP");
    assert_eq!(consumer.end().code, Some(27));
}

#[test]
fn time_runs_out_with_status_27() {
    let broker = Broker::shared();
    let topic = topic("t");
    let outcome = run_at(&broker, CONSUMER, &["-W", "1", &topic]);
    assert_eq!(outcome.failed(27), "mqtt-consumer: timed out");
    let outcome = run_at(&broker, CONSUMER, &["--quiet", "-W", "1", &topic]);
    assert_eq!((outcome.code, outcome.stderr.len()), (Some(27), 0));
}
