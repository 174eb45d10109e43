//! State that outlives the process, with real processes and real files.
//!
//! ```text
//! crash.rs   publishers and subscribers while the broker is killed again and again
//! import.rs  what mosquitto had stored, and what is stored in words
//! peer.rs    their halves of the protocol, which outlive connections too
//! size.rs    how much is written, how large the file is, where there is no room for it
//! ```
//!
//! Here: what is refused and left alone, what happens when the medium takes nothing, what is
//! stored at the end.

mod crash;
mod import;
mod peer;
mod size;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use crate::daemon::{Daemon, Directory, PROGRAM};
use peer::Link;

/// A configuration with a store in the directory, on this port.
fn configuration(port: u16, more: &str) -> String {
    format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n\
         persistence_location DIR\nlog_timestamp false\n{more}"
    )
}

/// A port nobody has just now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn started(directory: &Directory, more: &str) -> (Daemon, SocketAddr) {
    let daemon = Daemon::spawn(directory.command(&configuration(0, more)));
    let address = daemon.address();
    daemon.line_with("Storage: ");
    (daemon, address)
}

/// What a broker says that does not start, and that it leaves `file` as it is.
fn refused(directory: &Directory, file: &str, more: &str) -> String {
    let before = fs::read(directory.path(file)).unwrap();
    let output = directory.command(&configuration(0, more)).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "it does not start");
    assert!(fs::read(directory.path(file)).unwrap() == before, "{file} is as it was");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_second_broker_is_refused() {
    let directory = Directory::new();
    let (first, _) = started(&directory, "");
    let said = refused(&directory, "mqtt-broker.db", "");
    assert!(said.contains("another broker has it") && said.contains("mqtt-broker.db"), "{said}");
    first.signal("TERM");
    assert_eq!(first.ended(), Some(0));
    let (next, _) = started(&directory, "");
    next.signal("TERM");
    assert_eq!(next.ended(), Some(0));
}

#[test]
fn what_is_no_intact_store_is_refused_and_left_alone() {
    let directory = Directory::new();
    let mut mosquitto = b"\x00\xb5\x00mosquitto db\x00\x00\x00\x00\x06".to_vec();
    mosquitto.resize(100, 7);
    fs::write(directory.path("mosquitto.db"), mosquitto).unwrap();
    let said = refused(&directory, "mosquitto.db", "persistence_file mosquitto.db\n");
    let is_told = said.contains("a database of mosquitto") && said.contains("persistence_file");
    assert!(is_told, "{said}");
    fs::write(directory.path("other.db"), "something else").unwrap();
    let said = refused(&directory, "other.db", "persistence_file other.db\n");
    assert!(said.contains("no store of this broker"), "{said}");
    let (broker, address) = started(&directory, "");
    let mut link = Link::to(address, "p", true);
    link.publish(0x33, "t", 1, &[7; 4000]);
    assert_eq!(link.packet().unwrap().0, 0x40);
    broker.signal("TERM");
    assert_eq!(broker.ended(), Some(0));
    let path = directory.path("mqtt-broker.db");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(100).position(|window| window == [7; 100]).unwrap();
    bytes[at] = 8;
    fs::write(&path, bytes).unwrap();
    let said = refused(&directory, "mqtt-broker.db", "");
    assert!(said.contains("damaged") && said.contains("put back a copy"), "{said}");
}

/// What a link led to may come back: a new store in the place of the link would hide it for ever.
#[test]
fn a_link_is_followed_and_never_replaced() {
    let directory = Directory::new();
    let (link, real) = (directory.path("mqtt-broker.db"), directory.path("real.db"));
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let output = directory.command(&configuration(0, "")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("leads nowhere; mount what it leads to"), "{said}");
    let is_link = || fs::symlink_metadata(&link).unwrap().is_symlink();
    assert!(is_link() && fs::metadata(&real).is_err(), "nothing is begun");
    fs::write(&real, "").unwrap();
    for run in [1, 2] {
        let (broker, address) = started(&directory, "");
        let mut client = Link::v5(address, "a");
        client.publish(0x33, "t", 1, b"x");
        assert_eq!(client.packet().unwrap().0, 0x40);
        broker.signal("TERM");
        assert_eq!(broker.ended(), Some(0));
        assert!(is_link() && fs::metadata(&real).unwrap().len() > 0, "run {run}");
    }
}

#[test]
fn what_nobody_waits_for_is_stored_at_the_end_and_when_somebody_says_so() {
    let directory = Directory::new();
    let retained = |address: SocketAddr| {
        let mut link = Link::to(address, "s", true);
        link.subscribe(1, "t", 0);
        link.packet().map(|(_, body)| body[3..].to_vec()).unwrap()
    };
    let (broker, address) = started(&directory, "autosave_interval 0\n");
    let mut link = Link::to(address, "p", true);
    link.publish(0x31, "t", 0, b"first");
    link.ping();
    broker.signal("TERM");
    assert_eq!(broker.ended(), Some(0));
    let (broker, address) = started(&directory, "autosave_interval 0\n");
    assert_eq!(retained(address), b"first");
    let mut link = Link::to(address, "p", true);
    link.publish(0x31, "t", 0, b"second");
    link.ping();
    broker.signal("USR1");
    broker.line_with("Saving");
    // Whoever waits now waits for that, too.
    link.publish(0x33, "u", 1, b"x");
    assert_eq!(link.packet().unwrap().0, 0x40);
    broker.signal("KILL");
    broker.ended();
    let (_broker, address) = started(&directory, "autosave_interval 0\n");
    assert_eq!(retained(address), b"second");
}

/// Space runs out and comes back.
#[test]
fn a_full_medium_stops_promises_until_there_is_space_again() {
    let directory = Directory::new();
    directory.command(&configuration(0, ""));
    let mut limited = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -S -f 3000; exec \"$0\" -c \"$1\"";
    limited.args(["-c", script, PROGRAM]).arg(directory.path("conf"));
    let broker = Daemon::spawn(limited);
    let address = broker.address();
    let mut newer = Link::v5(address, "new");
    let mut reasons = Vec::new();
    let mut topics: u32 = 0;
    while reasons.last() != Some(&0x97) {
        topics += 1;
        assert!(topics < 200, "space runs out: {reasons:?}");
        let topic = format!("t/{topics}");
        // The first that is not stored waits; another asks.
        newer.publish(0x33, &topic, 1, &[b'x'; 20_000]);
        match newer.packet_soon() {
            Some((0x40, body)) => reasons.push(body.get(2).copied().unwrap_or(0)),
            Some(other) => panic!("{other:?}"),
            None => {
                let mut other = Link::v5(address, "other");
                other.publish(0x33, "u", 1, b"refused");
                let (first, body) = other.packet().unwrap();
                assert_eq!(first, 0x40);
                reasons.push(body[2]);
            }
        }
    }
    let line = broker.line_with("Storage takes nothing");
    assert!(line.contains("QoS 0 goes on"), "{line}");
    let mut free = Link::v5(address, "free");
    free.subscribe(1, "free", 0);
    free.publish(0x30, "free", 0, b"on it goes");
    assert_eq!(free.packet().unwrap().0, 0x30);
    let status = Command::new("prlimit")
        .args(["--fsize=unlimited", "--pid", &broker.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    // What waited is acknowledged now, and is there after a crash.
    assert_eq!(newer.packet().unwrap().0, 0x40);
    broker.line_with("Storage works again");
    broker.signal("KILL");
    broker.ended();
    let (broker, address) = started(&directory, "");
    let mut reader = Link::v5(address, "reader");
    reader.subscribe(1, "t/#", 0);
    for _ in 0..topics {
        assert_eq!(reader.packet().unwrap().0 & 0xf1, 0x31, "every value that was acknowledged");
    }
    broker.signal("TERM");
    assert_eq!(broker.ended(), Some(0));
}
