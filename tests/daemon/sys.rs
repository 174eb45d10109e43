//! What a real broker publishes itself, and what its manual says of that.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use mqtt_broker::broker::sys::{LOADS, ROOT, STATISTICS, WINDOWS};

use super::{CONNECT_V5, CONNECT_V311, Daemon, Directory, PROGRAM, connected, pings, rest, run};

/// The topics of all numbers.
pub(crate) fn numbers() -> Vec<String> {
    let loads = LOADS
        .iter()
        .flat_map(|load| WINDOWS.map(|(window, _)| format!("{ROOT}load/{}/{window}", load.topic)));
    STATISTICS.iter().map(|number| format!("{ROOT}{}", number.topic)).chain(loads).collect()
}

/// Subscribes at QoS 0.
pub(super) fn subscribe(client: &mut (impl Read + Write), filter: &str) {
    let len = u8::try_from(filter.len()).unwrap();
    let head = [0x82, len + 5, 0, 1, 0, len];
    client.write_all(&[&head[..], filter.as_bytes(), &[0]].concat()).unwrap();
    let mut answer = [0; 5];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0x90, 3, 0, 1, 0]);
}

/// The next message of QoS 0: RETAIN, topic and payload.
pub(super) fn message(client: &mut impl Read) -> (bool, String, String) {
    let mut first = [0; 1];
    client.read_exact(&mut first).unwrap();
    assert_eq!(first[0] & 0xfe, 0x30, "a PUBLISH of QoS 0");
    let (mut len, mut shift) = (0, 0);
    loop {
        let mut byte = [0; 1];
        client.read_exact(&mut byte).unwrap();
        len |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] < 0x80 {
            break;
        }
    }
    let mut body = vec![0; len];
    client.read_exact(&mut body).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
    (first[0] & 1 == 1, text(&body[2..end]), text(&body[end..]))
}

#[test]
fn numbers_are_published_again_when_they_have_changed() {
    let directory = Directory::new();
    let daemon = Daemon::configured(&directory, "sys_interval 1\nuser root\n");
    let mut client = connected(daemon.address(), CONNECT_V311);
    subscribe(&mut client, "$SYS/broker/uptime");
    let uptime = |(is_retained, topic, payload): (bool, String, String)| {
        assert_eq!(topic, "$SYS/broker/uptime");
        let secs = payload.strip_suffix(" seconds").unwrap().parse::<u64>().unwrap();
        (is_retained, secs)
    };
    let (is_retained, mut last) = uptime(message(&mut client));
    assert!(is_retained, "what is there already");
    for _ in 0..2 {
        let (is_retained, next) = uptime(message(&mut client));
        assert!(!is_retained && next > last, "{next} after {last}");
        last = next;
    }
    // Bytes are counted where they pass.
    subscribe(&mut client, "$SYS/broker/bytes/received");
    let (_, _, bytes) = message(&mut client);
    let sent = CONNECT_V311.len() + 7 + "$SYS/broker/uptime".len();
    assert!(bytes.parse::<usize>().unwrap() >= sent, "{bytes}");
    subscribe(&mut client, "$SYS/broker/bytes/sent");
    let answer = std::iter::repeat_with(|| message(&mut client));
    let mut sent = answer.filter(|(_, topic, _)| topic == "$SYS/broker/bytes/sent");
    assert!(sent.next().unwrap().2.parse::<usize>().unwrap() > 50);
}

#[test]
fn without_an_interval_nothing_is_published() {
    let directory = Directory::new();
    let daemon = Daemon::configured(&directory, "sys_interval 0\nuser root\n");
    let mut client = connected(daemon.address(), CONNECT_V311);
    subscribe(&mut client, "$SYS/#");
    rest_of(connected(daemon.address(), CONNECT_V5));
    assert!(pings(&client), "an answer and nothing before it");
}

#[test]
fn a_reload_begins_and_ends_it() {
    let directory = Directory::new();
    let base = "allow_anonymous true\nuser root\nlistener 0 127.0.0.1\nlog_timestamp false\n";
    let daemon = Daemon::configured(&directory, &format!("{base}sys_interval 0\n"));
    let address = daemon.address();
    let mut client = connected(address, CONNECT_V311);
    subscribe(&mut client, "$SYS/broker/uptime");
    let mut reader = connected(address, CONNECT_V5);
    reader.write_all(b"\x82\x17\x00\x01\x00\x00\x11$SYS/broker/log/#\x00").unwrap();
    reader.read_exact(&mut [0; 6]).unwrap();
    let reload = |configuration: &str| {
        directory.configure(configuration);
        daemon.signal("HUP");
        daemon.line_with("Configuration read again");
    };
    reload(&format!("{base}sys_interval 1\nlog_dest stderr\nlog_dest topic\n"));
    assert_eq!(message(&mut client).1, "$SYS/broker/uptime");
    // What was logged since it was to be published.
    let mut first = [0; 1];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(first[0], 0x30);
    reload(&format!("{base}sys_interval 0\n"));
    client.write_all(b"\xc0\x00").unwrap();
    // Numbers that were on their way, the answer, and then no more: not even to who comes anew.
    let mut rest = Vec::new();
    while !rest.ends_with(b"\xd0\x00") {
        let mut byte = [0; 1];
        client.read_exact(&mut byte).unwrap();
        rest.extend(byte);
    }
    subscribe(&mut client, "$SYS/#");
    assert!(pings(&client));
}

/// Says goodbye, and waits until that has been heard.
fn rest_of(mut client: TcpStream) {
    client.write_all(b"\xe0\x00").unwrap();
    rest(client);
}

#[test]
fn lines_of_the_log_are_published() {
    let directory = Directory::new();
    let configuration = "log_dest topic\nlog_dest stderr\nlog_type all\nlog_timestamp false\n\
        sys_interval 0\nuser root\n";
    let daemon = Daemon::configured(&directory, configuration);
    let address = daemon.address();
    let mut watcher = connected(address, CONNECT_V311);
    subscribe(&mut watcher, "$SYS/broker/log/#");
    assert_eq!(
        message(&mut watcher),
        (false, "$SYS/broker/log/M/subscribe".into(), "v3 0 $SYS/broker/log/#".into())
    );
    let mut other = connected(address, CONNECT_V5);
    let (_, topic, line) = message(&mut watcher);
    assert!(topic.ends_with("/log/N") && line.starts_with("New connection from 127.0.0.1:"));
    let (_, topic, line) = message(&mut watcher);
    assert!(topic.ends_with("/log/N") && line.ends_with(" as v5 (p5, c1, k0)."), "{line}");
    other.write_all(b"\x10\x00").unwrap();
    rest(other);
    let (_, topic, line) = message(&mut watcher);
    assert_eq!(topic, "$SYS/broker/log/W", "{line}");
    assert!(line.starts_with("Client v5 [127.0.0.1:"), "{line}");
    daemon.signal("USR2");
    let (_, topic, line) = message(&mut watcher);
    let tree = "Subscription tree: 1 subscriptions of 1 sessions";
    assert_eq!((topic.as_str(), line.as_str()), ("$SYS/broker/log/I", tree));
    let (_, _, line) = message(&mut watcher);
    assert_eq!(line, "Subscription tree: v3 0 $SYS/broker/log/#");
    // Packets are logged, those that carry these lines too; but elsewhere.
    daemon.line_with("Sending PUBLISH to v3 (d0, q0, r0, m0, '$SYS/broker/log/I'");
    assert!(pings(&watcher), "an answer and nothing before it");
}

/// A subscription to the log whose queue is full: that is a line of its own, but not there.
#[test]
fn a_line_that_cannot_be_published_is_not_the_cause_of_the_next() {
    let directory = Directory::new();
    let configuration = "log_dest topic\nlog_dest stderr\nlog_timestamp false\n\
        max_inflight_messages 1\nmax_queued_messages 1\nuser root\n";
    let daemon = Daemon::configured(&directory, configuration);
    let address = daemon.address();
    let mut watcher = connected(address, CONNECT_V311);
    let filter = "$SYS/broker/log/#";
    watcher.write_all(b"\x82\x16\x00\x01\x00\x11$SYS/broker/log/#\x01").unwrap();
    assert_eq!(filter.len(), 0x11);
    let mut answer = [0; 5];
    watcher.read_exact(&mut answer).unwrap();
    // Three lines: one is on its way and not acknowledged, one waits, one is dropped.
    rest_of(connected(address, CONNECT_V5));
    let warning = daemon.line_with("Outgoing messages are being dropped for client v3");
    assert!(warning.starts_with("Warning: "), "{warning}");
    rest_of(connected(address, CONNECT_V5));
    let mut first = [0; 1];
    watcher.read_exact(&mut first).unwrap();
    assert_eq!(first[0], 0x32, "the one that is on its way");
}

#[test]
fn verbose_and_quiet_count_before_the_configuration() {
    let directory = Directory::new();
    let quiet = |option: &str, types: &str| {
        let mut command = directory.command(&format!("{types}\nuser root\npid_file DIR/pid\n"));
        command.arg(option);
        Daemon::spawn(command)
    };
    let daemon = quiet("-v", "log_type none");
    let address = daemon.address();
    drop(connected(address, CONNECT_V311));
    daemon.line_with("Received CONNECT from v3");
    daemon.signal("TERM");
    assert_eq!(daemon.ended(), Some(0));
    for option in ["-q", "-qv"] {
        let daemon = quiet(option, "log_type all");
        super::until("it runs", || fs::read(directory.path("pid")).is_ok_and(|id| !id.is_empty()));
        daemon.signal("TERM");
        let lines: Vec<String> = daemon.lines.iter().collect();
        assert!(lines.is_empty(), "{lines:?}");
    }
    // But not errors.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["-q", "--host", "127.0.0.1", "-p", &port]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("Error: cannot listen on 127.0.0.1"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{PROGRAM}");
}

/// A thousand subscriptions of one client and a client that is served meanwhile.
#[test]
fn subscriptions_are_logged_some_at_a_time() {
    let directory = Directory::new();
    let configuration = "log_dest file DIR/log\nlog_dest stderr\nlog_timestamp false\nuser root\n";
    let daemon = Daemon::configured(&directory, configuration);
    let address = daemon.address();
    let mut client = connected(address, CONNECT_V311);
    for n in 0..1000 {
        subscribe(&mut client, &format!("f/{n:04}"));
    }
    daemon.signal("USR2");
    daemon.line_with("Subscription tree: 1000 subscriptions of 1 sessions");
    let last = || directory.read("log").lines().filter(|line| line.contains(" v3 0 f/")).count();
    super::until("all are logged", || {
        assert!(pings(&client));
        last() == 1000
    });
}

/// The topics of the manual page, below `$SYS/broker/`.
fn documented() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/man/mqtt-broker.8");
    let page = fs::read_to_string(path).unwrap();
    let (_, section) = page.split_once("\n.Sh $SYS TOPICS\n").unwrap();
    let (section, _) = section.split_once("\n.Sh ").unwrap();
    section.lines().filter_map(|line| line.strip_prefix(".It Ic ")).map(Into::into).collect()
}

#[test]
fn the_manual_names_every_topic_and_no_other() {
    use mqtt_broker::server::log::Kind;
    let loads = LOADS.iter().map(|load| format!("load/{}/+", load.topic));
    let clients = ["connected", "disconnected", "dropped"].map(|it| format!("clients/ID/{it}"));
    let log = Kind::ALL.iter().filter_map(|kind| kind.topic());
    let log = log.map(|topic| topic.strip_prefix(ROOT).unwrap().to_owned());
    let numbers = STATISTICS.iter().map(|number| number.topic.to_owned());
    let numbers = numbers.chain(["listeners/NAME/certificate/expires".to_owned()]);
    let all: BTreeSet<String> = numbers.chain(loads).chain(clients).chain(log).collect();
    let documented = documented();
    let lacks: Vec<_> = all.difference(&documented).collect();
    let invents: Vec<_> = documented.difference(&all).collect();
    assert!(lacks.is_empty() && invents.is_empty(), "lacks {lacks:?}, invents {invents:?}");
}
