//! Changing over from mosquitto, and what is stored in words.
//!
//! Databases are written here, byte by byte, as mosquitto writes them; where mosquitto itself is
//! installed, one of its own is taken over too.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::process::{Command, Output};
use std::rc::Rc;

use mqtt_broker::metrics::Gauge;
use mqtt_broker::persistence::mosquitto::{Tally, read};
use mqtt_broker::rng::Rng;
use mqtt_broker::time::Time;
use serde_json::Value;

use super::peer::Link;
use super::{configuration, free_port, started};
use crate::daemon::Directory;
use crate::interop::Tool;

/// A database of version 6.
struct Database(Vec<u8>);

/// What a message is that is stored.
struct Stored<'a> {
    id: u64,
    expires: u64,
    from: (&'a str, &'a str),
    topic: &'a str,
    payload: &'a [u8],
    how: (u8, u8),
    properties: &'a [u8],
}

const PLAIN: Stored<'_> = Stored {
    id: 0,
    expires: 0,
    from: ("sender", ""),
    topic: "t",
    payload: b"x",
    how: (1, 0),
    properties: b"",
};

impl Database {
    fn new(version: u32) -> Self {
        let mut bytes = b"\x00\xb5\x00mosquitto db\x00\x00\x00\x00".to_vec();
        bytes.extend(version.to_be_bytes());
        let mut database = Self(bytes);
        // Its own settings, and a kind that nobody knows.
        database.chunk(1, &[&[9; 16]]);
        database.chunk(77, &[b"from the future"]);
        database
    }

    fn chunk(&mut self, kind: u32, parts: &[&[u8]]) {
        let body = parts.concat();
        self.0.extend(kind.to_be_bytes());
        self.0.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        self.0.extend(body);
    }

    fn message(&mut self, stored: &Stored<'_>) {
        let Stored { id, expires, from: (client, user), topic, payload, how, properties } = stored;
        self.chunk(
            2,
            &[
                &id.to_le_bytes(),
                &expires.to_le_bytes(),
                &u32::try_from(payload.len()).unwrap().to_be_bytes(),
                &[0, 1],
                &len(client),
                &len(user),
                &len(topic),
                &[7, 0x5b, how.0, how.1],
                client.as_bytes(),
                user.as_bytes(),
                topic.as_bytes(),
                payload,
                properties,
            ],
        );
    }

    /// A session that lives for ever, or ends at some time after some interval.
    fn client(&mut self, id: &str, ends: Option<(u64, u32)>) {
        let (expires, interval) = ends.unwrap_or((0, u32::MAX));
        let (expires, interval) = (expires.to_le_bytes(), interval.to_be_bytes());
        let rest = [0; 8];
        self.chunk(6, &[&expires, &interval, &[0, 9], &len(id), &rest, id.as_bytes()]);
    }

    /// `how`: QoS, state, retain and dup, direction.
    fn delivery(&mut self, id: &str, message: u64, packet_id: u16, how: [u8; 4], more: &[u8]) {
        let (message, packet_id) = (message.to_le_bytes(), packet_id.to_be_bytes());
        self.chunk(3, &[&message, &packet_id, &len(id), &how, id.as_bytes(), more]);
    }

    fn subscription(&mut self, id: &str, filter: &str, identifier: u32, how: [u8; 2]) {
        let identifier = identifier.to_be_bytes();
        let (id_len, filter_len) = (len(id), len(filter));
        let pad = [0; 2];
        let text = [id, filter].concat();
        self.chunk(5, &[&identifier, &id_len, &filter_len, &how, &pad, text.as_bytes()]);
    }

    fn retained(&mut self, id: u64) {
        self.chunk(4, &[&id.to_le_bytes()]);
    }
}

fn len(text: &str) -> [u8; 2] {
    u16::try_from(text.len()).unwrap().to_be_bytes()
}

const FAR: u64 = 4_000_000_000;

/// A database with something of everything.
fn everything() -> Database {
    let mut database = Database::new(6);
    database.message(&Stored { id: 1, payload: b"waits", ..PLAIN });
    database.message(&Stored { id: 2, payload: b"sent", ..PLAIN });
    database.message(&Stored { id: 3, payload: b"twice", how: (2, 0), ..PLAIN });
    let properties = b"\x0e\x26\x00\x01k\x00\x01v\x03\x00\x04text";
    let kept = Stored { id: 4, topic: "r/1", how: (1, 1), properties, ..PLAIN };
    database.message(&Stored { expires: FAR, from: ("", "joe"), ..kept });
    database.message(&Stored { id: 5, expires: 1, topic: "r/old", how: (0, 1), ..PLAIN });
    database.message(&Stored { id: 6, payload: b"unreleased", how: (2, 0), ..PLAIN });
    database.client("a", None);
    database.client("b", Some((FAR, 3600)));
    database.client("ended", Some((1, 3600)));
    database.client("clean", Some((0, 0)));
    database.delivery("a", 1, 0, [1, 11, 0, 1], b"\x02\x0b\x07");
    database.delivery("a", 2, 5, [1, 3, 0x11, 1], b"");
    database.delivery("a", 3, 6, [2, 9, 0, 1], b"");
    database.delivery("b", 3, 8, [2, 5, 1, 1], b"");
    database.delivery("b", 6, 21, [2, 7, 0, 0], b"");
    database.delivery("a", 5, 0, [0, 11, 0, 1], b"");
    database.delivery("a", 99, 0, [1, 11, 0, 1], b"");
    database.delivery("ended", 1, 0, [1, 11, 0, 1], b"");
    database.subscription("a", "t", 7, [1, 0b1100]);
    database.subscription("b", "+", 0, [2, 0]);
    database.subscription("b", "$share/g/s/#", 0, [1, 0]);
    database.subscription("b", "a#", 0, [1, 0]);
    database.retained(4);
    database.retained(5);
    database.retained(98);
    database
}

const EVERYTHING: Tally = Tally {
    sessions: 2,
    subscriptions: 3,
    deliveries: 5,
    retained: 1,
    expired: 2,
    ended: 2,
    unusable: 4,
};

fn tally(bytes: &[u8]) -> Result<Tally, String> {
    let now = Time::from_ms(1_800_000_000_000);
    read(bytes, now, &Rc::new(Gauge::default())).map(|(_, tally)| tally)
}

fn run(directory: &Directory, more: &str, arguments: &[&str]) -> Output {
    directory.command(&configuration(0, more)).args(arguments).output().unwrap()
}

fn import(directory: &Directory) -> Output {
    run(directory, "", &["--import-mosquitto-db", &directory.path("mosquitto.db")])
}

/// What is stored, by type.
fn dumped(directory: &Directory) -> BTreeMap<String, Vec<Value>> {
    let output = run(directory, "", &["--dump"]);
    assert!(output.status.success(), "{output:?}");
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        all.entry(value["type"].as_str().unwrap().into()).or_default().push(value);
    }
    all
}

#[test]
fn everything_that_counts_is_taken_over() {
    let directory = Directory::new();
    fs::write(directory.path("mosquitto.db"), everything().0).unwrap();
    let output = import(&directory);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}{:?}", output.stderr);
    assert_eq!(tally(&everything().0), Ok(EVERYTHING));
    for what in [
        "2 sessions with 3 subscriptions and 5 messages, 1 retained messages",
        "left out: 2 sessions that have ended",
        "left out: 2 messages that have expired",
        "left out: 4 entries that refer to nothing",
    ] {
        assert!(said.contains(what), "{said}");
    }
    let stored = dumped(&directory);
    let count = |what: &str| stored.get(what).map_or(0, Vec::len);
    let kinds = ["session", "subscription", "queued", "in flight", "unreleased", "retained"];
    assert_eq!(kinds.map(count), [2, 3, 3, 3, 1, 1], "{stored:?}");
    let retained = &stored["retained"][0]["message"];
    assert_eq!(retained["topic"], "r/1");
    assert_eq!(retained["user_name"], "joe");
    assert_eq!(retained["content_type"], "text");
    assert_eq!(retained["user_properties"][0][1], "v");
    assert!(retained["expiry_interval"].as_u64().unwrap() > 1_000_000);
    let subscription = &stored["subscription"][0];
    assert_eq!(subscription["no_local"], true);
    assert_eq!(subscription["identifier"], 7);
    // Once, and then no more.
    let again = import(&directory);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("not empty"));
    let (broker, address) = started(&directory, "");
    let mut a = Link::resumed(address, "a");
    assert_eq!(a.publication(), (0x3a | 1, Some(5), b"sent".to_vec()));
    assert_eq!(a.packet().unwrap(), (0x62, vec![0, 6]), "PUBREL again");
    a.send(b"\x40\x02\x00\x05\x70\x02\x00\x06");
    let (first, id, payload) = a.publication();
    assert_eq!((first, payload), (0x32, b"waits".to_vec()));
    a.send(&[0x40, 2, 0, u8::try_from(id.unwrap()).unwrap()]);
    assert_eq!(a.publication().2, b"unreleased");
    let mut b = Link::resumed(address, "b");
    assert_eq!(b.publication(), (0x3c, Some(8), b"twice".to_vec()));
    assert_eq!(b.publication().2, b"unreleased");
    b.send(b"\x62\x02\x00\x15");
    assert_eq!(b.packet().unwrap(), (0x70, vec![0, 21]), "released, and not delivered again");
    broker.signal("TERM");
    assert_eq!(broker.ended(), Some(0));
}

#[test]
fn what_cannot_be_imported_leaves_no_trace() {
    let whole = everything().0;
    for cut in 0..whole.len() {
        // Between two chunks nothing is missing that could be known.
        if tally(&whole[..cut]).is_ok() {
            assert!(cut >= 23, "{cut} bytes");
        }
    }
    assert!((0..whole.len()).filter(|cut| tally(&whole[..*cut]).is_err()).count() > 500);
    assert!(tally(&Database::new(4).0).unwrap_err().contains("start mosquitto 2.0"));
    assert!(tally(b"something else").unwrap_err().contains("no database"));
    let directory = Directory::new();
    fs::write(directory.path("mosquitto.db"), &whole[..whole.len() - 1]).unwrap();
    let output = import(&directory);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("damaged"), "{said}");
    let output = run(&directory, "", &["--dump"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("there is no store"));
    fs::write(directory.path("mosquitto.db"), &whole).unwrap();
    let file = directory.path("mosquitto.db");
    for arguments in [&["--import-mosquitto-db", &file][..], &["--dump"]] {
        let output = run(&directory, "persistence false\n", arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains("persistence true"), "{said}");
    }
    let (_broker, _) = started(&directory, "");
    let said = String::from_utf8(import(&directory).stderr).unwrap();
    assert!(said.contains("another broker has it"), "{said}");
}

/// Version 5 has no user in a session.
#[test]
fn databases_of_mosquitto_1_6_are_read() {
    let mut database = Database::new(5);
    database.chunk(6, &[&[0; 8], &[0xff; 4], &[0, 1, 0, 3], b"old"]);
    database.subscription("old", "#", 0, [0, 0]);
    let expected = Tally { sessions: 1, subscriptions: 1, ..Tally::default() };
    assert_eq!(tally(&database.0), Ok(expected));
}

#[test]
fn no_database_is_strange_enough_to_end_it() {
    let whole = everything().0;
    let rounds = std::env::var("FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    for seed in 0..rounds.unwrap_or(1_u64) * 3000 {
        let mut rng = Rng::new(seed);
        let mut bytes = whole.clone();
        for _ in 0..1 + rng.index(6) {
            let at = 23 + rng.index(bytes.len() - 23);
            match rng.below(3) {
                0 => bytes[at] = u8::try_from(rng.below(256)).unwrap(),
                1 => bytes[at] ^= 1 << rng.below(8),
                _ => bytes.truncate(at.max(24)),
            }
        }
        drop(tally(&bytes));
    }
}

/// With one that mosquitto has written.
#[test]
fn mosquitto_hands_over() {
    let probe = Command::new("sh");
    let mut tool = Tool { name: "mosquitto", install: "apt install mosquitto", probe };
    tool.probe.args(["-c", "PATH=$PATH:/usr/sbin command -v mosquitto"]);
    if !tool.is_there() {
        return;
    }
    let directory = Directory::new();
    let port = free_port();
    let path = directory.path("mosquitto.conf");
    let text = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\nuser root\n\
         persistence_location {}/\n",
        directory.path("")
    );
    fs::write(&path, text).unwrap();
    let mut mosquitto = Command::new("sh");
    mosquitto.args(["-c", "PATH=$PATH:/usr/sbin exec mosquitto -c \"$0\" 2>/dev/null", &path]);
    let mut mosquitto = mosquitto.spawn().unwrap();
    let address = ([127, 0, 0, 1], port).into();
    while TcpStream::connect(address).is_err() {
        assert!(mosquitto.try_wait().unwrap().is_none(), "it runs");
        std::thread::yield_now();
    }
    let mut away = Link::to(address, "away", false);
    away.subscribe(1, "t/#", 2);
    away.send(b"\xe0\x00");
    let mut sender = Link::to(address, "sender", true);
    for (id, qos) in [(1, 1), (2, 2), (3, 1)] {
        sender.publish(0x30 | qos << 1, &format!("t/{id}"), id, &[b'0' + qos]);
        let (first, _) = sender.packet().unwrap();
        if first == 0x50 {
            sender.send(b"\x62\x02\x00\x02");
            assert_eq!(sender.packet().unwrap().0, 0x70);
        }
    }
    sender.publish(0x31, "kept", 0, b"value");
    sender.ping();
    let pid = mosquitto.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    mosquitto.wait().unwrap();
    let output = import(&directory);
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = "1 sessions with 1 subscriptions and 3 messages, 1 retained messages";
    assert!(said.contains(expected), "{said}{:?}", output.stderr);
    let (broker, address) = started(&directory, "");
    let mut away = Link::resumed(address, "away");
    for (first, payload) in [(0x32, b"1"), (0x34, b"2"), (0x32, b"1")] {
        let (found, _, body) = away.publication();
        assert_eq!((found & 0xf7, &body[..]), (first, &payload[..]));
    }
    let mut new = Link::to(address, "new", true);
    new.subscribe(1, "kept", 0);
    assert_eq!(new.publication().2, b"value");
    broker.signal("TERM");
    assert_eq!(broker.ended(), Some(0));
}
