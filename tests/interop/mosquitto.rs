//! mosquitto_pub, mosquitto_sub and mosquitto_rr, in the three versions they speak.
//!
//! A subscriber is known to have subscribed when a retained message of its own arrives: it asks for
//! that one last. Every process has a limit of its own or is given one by `timeout`.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use super::Tool;
use crate::harness::{Broker, id, topic};

const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

/// What every test here needs; none if the programs are not installed.
fn bench() -> Option<Bench> {
    let mut there = Command::new("sh");
    there.args(["-c", "command -v mosquitto_pub mosquitto_sub mosquitto_rr"]);
    let mut tool =
        Tool { name: "mosquitto_pub", install: "apt-get install mosquitto-clients", probe: there };
    tool.is_there().then(|| Bench { broker: Broker::start(&[]) })
}

/// A broker to run the programs against.
struct Bench {
    broker: Arc<Broker>,
}

impl Bench {
    /// A program, or one under another, that speaks to the broker.
    fn command(&self, program: &[&str], version: &str, arguments: &[&str]) -> Command {
        let address = self.broker.address();
        let mut command = Command::new(program[0]);
        command.args(&program[1..]);
        command.args(["-V", version, "-h", &address.ip().to_string()]);
        command.args(["-p", &address.port().to_string()]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    /// Publishes, and waits until mosquitto_pub is satisfied.
    fn publish(&self, version: &str, arguments: &[&str]) {
        self.publish_lines(version, arguments, &[]);
    }

    /// The same with lines on standard input.
    fn publish_lines(&self, version: &str, arguments: &[&str], lines: &[u8]) {
        let mut command = self.command(&["timeout", "20", "mosquitto_pub"], version, arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("mosquitto_pub starts");
        let mut input = child.stdin.take().expect("stdin is piped");
        input.write_all(lines).expect("mosquitto_pub reads");
        drop(input);
        let status = child.wait().expect("a child can be waited for");
        assert!(status.success(), "mosquitto_pub {arguments:?}: {status}, see above");
    }

    /// Subscribes, and waits until that is done. `topic` is its own: `topic/ready` is the sign.
    fn subscribe(&self, version: &str, topic: &str, arguments: &[&str]) -> Subscriber {
        let ready = format!("{topic}/ready");
        self.publish("mqttv311", &["-r", "-q", "1", "-t", &ready, "-m", "ready"]);
        let mut subscriber = self.attach(version, &[arguments, &["-t", &ready]].concat());
        let message = subscriber.message();
        assert!(message.starts_with(&ready) && message.ends_with(" 1 ready"), "{message}");
        subscriber
    }

    /// Starts a subscriber that prints topic, QoS, RETAIN and payload.
    fn attach(&self, version: &str, arguments: &[&str]) -> Subscriber {
        let format = ["-W", "20", "-F", "%t %q %r %p"];
        let arguments = [&format, arguments].concat();
        let mut command = self.command(&["mosquitto_sub"], version, &arguments);
        let mut child = command.spawn().expect("mosquitto_sub starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Subscriber { child, lines }
    }
}

/// A running mosquitto_sub; killed when dropped.
struct Subscriber {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Subscriber {
    /// The next message.
    fn message(&mut self) -> String {
        let line = self.lines.next().expect("a message comes before mosquitto_sub gives up");
        line.expect("its output can be read")
    }

    /// The next messages are these.
    fn expect(&mut self, messages: &[impl AsRef<str>]) {
        for message in messages {
            assert_eq!(self.message(), message.as_ref());
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

#[test]
fn mosquitto_sub_sees_what_the_broker_publishes() {
    let Some(bench) = bench() else { return };
    let mut watcher = bench.attach("mqttv5", &["-q", "2", "-t", "$SYS/#", "-i", "watch/er"]);
    let mut missing: Vec<String> = crate::daemon::sys::numbers();
    missing.push("$SYS/broker/clients/watch%2Fer/connected".into());
    while !missing.is_empty() {
        let message = watcher.message();
        assert!(message.contains(" 2 1 "), "at QoS 2 and retained: {message}");
        missing.retain(|topic| !message.starts_with(&format!("{topic} ")));
    }
    // Somebody else comes and goes.
    let topic = topic("x");
    bench.publish("mqttv311", &["-i", "other", "-t", &topic, "-m", "1"]);
    for (about, told) in [
        ("connected", "\"version\":\"3.1.1\",\"clean\":true}"),
        ("connected", ""),
        ("disconnected", "\"reason\":\"disconnected\"}"),
    ] {
        let start = format!("$SYS/broker/clients/other/{about} 2 0 ");
        // Numbers may come in between.
        let told_of = |message: &String| message.starts_with("$SYS/broker/clients/other/");
        let message = std::iter::repeat_with(|| watcher.message()).find(told_of).unwrap();
        assert!(message.starts_with(&start) && message.ends_with(told), "{message}");
    }
}

/// Runs `test` in every version, on a topic of its own.
fn in_every_version(test: fn(&Bench, &str, &str)) {
    let Some(bench) = bench() else { return };
    for version in VERSIONS {
        println!("{version}");
        test(&bench, version, &topic(version));
    }
}

#[test]
fn every_quality_of_service() {
    in_every_version(|bench, version, topic| {
        for wanted in 0..=2 {
            let topic = format!("{topic}/{wanted}");
            let mut subscriber =
                bench.subscribe(version, &topic, &["-q", &wanted.to_string(), "-t", &topic]);
            for sent in 0..=2 {
                bench.publish(version, &["-t", &topic, "-q", &sent.to_string(), "-m", "a b"]);
                subscriber.expect(&[&format!("{topic} {} 0 a b", wanted.min(sent))]);
            }
        }
    });
}

#[test]
fn retained_messages_stay_until_they_are_cleared() {
    in_every_version(|bench, version, topic| {
        let (one, two) = (format!("{topic}/one"), format!("{topic}/two"));
        for name in [&one, &two] {
            bench.publish(version, &["-r", "-q", "1", "-t", name, "-m", "old"]);
            bench.publish(version, &["-r", "-q", "1", "-t", name, "-m", "kept"]);
        }
        let mut both = bench.attach(version, &["-q", "2", "-t", &format!("{topic}/+")]);
        let mut messages = [both.message(), both.message()];
        messages.sort();
        assert_eq!(messages, [format!("{one} 1 1 kept"), format!("{two} 1 1 kept")]);
        bench.publish(version, &["-r", "-q", "1", "-n", "-t", &one]);
        // Where two filters are asked for, what the first brings comes first.
        bench.subscribe(version, &one, &["-t", &one]);
    });
}

#[test]
fn a_session_waits_for_its_client() {
    in_every_version(|bench, version, topic| {
        let session = ["-c", "-i", &id(&version[4..]), "-q", "2", "-t", topic];
        let mut first = bench.attach(version, &[&session[..], &["-E"]].concat());
        let status = first.child.wait().expect("a child can be waited for");
        assert!(status.success(), "it ends when it has subscribed: {status}");
        for (quality, message) in [("1", "first"), ("1", "second"), ("2", "third")] {
            bench.publish(version, &["-q", quality, "-t", topic, "-m", message]);
        }
        let mut again = bench.attach(version, &session);
        let expected = [(1, "first"), (1, "second"), (2, "third")];
        again.expect(&expected.map(|(qos, what)| format!("{topic} {qos} 0 {what}")));
    });
}

#[test]
fn a_will_is_published_for_a_client_that_dies() {
    in_every_version(|bench, version, topic| {
        let will = format!("{topic}/will");
        let mut watcher = bench.subscribe(version, topic, &["-q", "1", "-t", &will]);
        let dying = format!("{topic}/dying");
        let with_will = ["--will-topic", &will, "--will-payload", "gone", "--will-qos", "1"];
        drop(bench.subscribe(version, &dying, &with_will));
        watcher.expect(&[&format!("{will} 1 0 gone")]);
    });
}

#[test]
fn a_thousand_lines_arrive_in_order() {
    in_every_version(|bench, version, topic| {
        for quality in ["0", "1", "2"] {
            let topic = format!("{topic}/{quality}");
            let mut subscriber = bench.subscribe(version, &topic, &["-q", quality, "-t", &topic]);
            let lines: String = (0..1000).map(|n| format!("line {n}\n")).collect();
            bench.publish_lines(version, &["-l", "-q", quality, "-t", &topic], lines.as_bytes());
            for n in 0..1000 {
                subscriber.expect(&[&format!("{topic} {quality} 0 line {n}")]);
            }
        }
    });
}

#[test]
fn a_large_message_arrives_whole() {
    in_every_version(|bench, version, topic| {
        let mut subscriber = bench.subscribe(version, topic, &["-q", "1", "-t", topic]);
        let payload: String = (0..150_000).map(|n| format!("{n:06} ")).collect();
        bench.publish_lines(version, &["-s", "-q", "1", "-t", topic], payload.as_bytes());
        assert_eq!(subscriber.message(), format!("{topic} 1 0 {payload}"));
    });
}

#[test]
fn a_shared_subscription_shares() {
    in_every_version(|bench, version, topic| {
        let (shared, end) = (format!("$share/group/{topic}"), format!("{topic}/end"));
        let mut members = ["one", "two"].map(|name| {
            let own = format!("{topic}/{name}");
            bench.subscribe(version, &own, &["-q", "1", "-t", &shared, "-t", &end])
        });
        let lines: String = (0..100).map(|n| format!("{n:02}\n")).collect();
        bench.publish_lines(version, &["-l", "-q", "1", "-t", topic], lines.as_bytes());
        bench.publish(version, &["-q", "1", "-t", &end, "-m", "end"]);
        let end = format!("{end} 1 0 end");
        let taken = members.each_mut().map(|member| {
            std::iter::repeat_with(|| member.message()).take_while(|m| *m != end).collect()
        });
        let taken: [Vec<String>; 2] = taken;
        assert!(taken.iter().all(|taken| !taken.is_empty()), "one member got everything");
        let mut all = taken.concat();
        all.sort();
        let expected: Vec<_> = (0..100).map(|n| format!("{topic} 1 0 {n:02}")).collect();
        assert_eq!(all, expected);
    });
}

#[test]
fn properties_travel() {
    let Some(bench) = bench() else { return };
    let topic = topic("p");
    let format = ["-F", "%A|%C|%D|%E|%F|%P|%R|%S|%p"];
    let subscribe = ["-D", "subscribe", "subscription-identifier", "77", "-q", "1", "-t"];
    let (filter, ready) = (format!("{topic}/+"), format!("{topic}/ready"));
    bench.publish("mqttv5", &["-r", "-q", "1", "-t", &ready, "-m", "ready"]);
    let arguments = [&format[..], &subscribe, &[&filter]].concat();
    let mut subscriber = bench.attach("mqttv5", &arguments);
    subscriber.expect(&["|||||||77|ready"]);
    let publish = "-D publish content-type text/plain -D publish correlation-data abc \
        -D publish message-expiry-interval 1000 -D publish payload-format-indicator 1 \
        -D publish response-topic answers -D publish user-property one 1 \
        -D publish user-property two 2 -q 1 -m hello -t";
    let mut arguments: Vec<&str> = publish.split_whitespace().collect();
    arguments.push(&ready);
    bench.publish("mqttv5", &arguments);
    // Of the message's 1000 seconds no whole one has passed, most likely.
    let message = subscriber.message().replace("|999|", "|1000|");
    assert_eq!(message, "|text/plain|abc|1000|1|one:1 two:2|answers|77|hello");
}

#[test]
fn a_request_has_its_response() {
    in_every_version(|bench, version, topic| {
        let (request, response) = (format!("{topic}/request"), format!("{topic}/response"));
        let mut responder = bench.subscribe(version, topic, &["-q", "1", "-t", &request]);
        let arguments = ["-W", "20", "-q", "1", "-t", &request, "-e", &response, "-m", "question"];
        let mut asking = bench.command(&["mosquitto_rr"], version, &arguments);
        let asking = asking.spawn().expect("mosquitto_rr starts");
        responder.expect(&[&format!("{request} 1 0 question")]);
        bench.publish(version, &["-q", "1", "-t", &response, "-m", "answer"]);
        let output = asking.wait_with_output().expect("mosquitto_rr can be waited for");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "answer\n");
    });
}
