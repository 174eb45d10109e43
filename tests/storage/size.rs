//! How much is written, how large the store is, and what happens where there is no room for one.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use super::peer::Link;
use super::{configuration, started};
use crate::daemon::{Daemon, Directory, PROGRAM};

/// What is published below `$SYS/broker/storage/`.
fn figures(link: &mut Link, id: u16) -> BTreeMap<String, u64> {
    const COUNT: usize = 5;
    link.subscribe(id, "$SYS/broker/storage/#", 0);
    let figures = (0..COUNT).map(|_| {
        let (_, body) = link.packet().unwrap();
        let (topic, value) = body[2..].split_at(usize::from(body[1]));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let topic = text(topic).strip_prefix("$SYS/broker/storage/").unwrap().to_owned();
        (topic, text(value).parse().unwrap())
    });
    figures.collect()
}

#[test]
fn what_is_written_is_counted() {
    let directory = Directory::new();
    let (broker, address) = started(&directory, "sys_interval 3600\n");
    let mut link = Link::to(address, "p", true);
    for _ in 0..10 {
        link.publish(0x33, "t", 7, &[b'x'; 100]);
        assert_eq!(link.packet().unwrap().0, 0x40);
    }
    let figures = figures(&mut link, 1);
    assert_eq!((figures["commits"], figures["bytes/waiting"]), (10, 0), "each waited for its own");
    assert!(figures["syncs"] >= 10, "{figures:?}");
    // A value that is changed does not rewrite the store, but some pages of 4 KiB.
    assert!((1_000..500_000).contains(&figures["bytes/written"]), "{figures:?}");
    let size = fs::metadata(directory.path("mqtt-broker.db")).unwrap().len();
    assert_eq!(figures["size"], size);
    broker.signal("TERM");
    let line = broker.line_with("records, ");
    assert!(line.contains(" 10 commits, "), "{line}");
    assert!(line.contains("bytes written") && line.contains(" bytes in use"), "{line}");
    assert_eq!(broker.ended(), Some(0));
}

/// Where nothing is stored, there is nothing to count.
#[test]
fn nothing_is_counted_without_a_store() {
    let directory = Directory::new();
    let daemon = Daemon::spawn(directory.command("user root\n"));
    let mut link = Link::to(daemon.address(), "p", true);
    link.publish(0x33, "t", 7, b"x");
    assert_eq!(link.packet().unwrap().0, 0x40);
    assert!(figures(&mut link, 1).values().all(|figure| *figure == 0));
}

#[test]
fn the_file_becomes_small_again_when_messages_were_consumed() {
    const MESSAGES: usize = 1000;
    let directory = Directory::new();
    let more = "max_queued_messages 0\nautosave_interval 1\n";
    let (broker, address) = started(&directory, more);
    let mut subscriber = Link::to(address, "s", false);
    subscriber.subscribe(1, "t", 1);
    drop(subscriber);
    let mut publisher = Link::to(address, "p", true);
    for id in (1..).take(MESSAGES) {
        publisher.publish(0x32, "t", id, &[b'x'; 12_000]);
    }
    for _ in 0..MESSAGES {
        assert_eq!(publisher.packet().unwrap().0, 0x40);
    }
    let size = || fs::metadata(directory.path("mqtt-broker.db")).unwrap().len();
    let full = size();
    assert!(full > 12_000_000, "{full} bytes hold everything");
    let mut subscriber = Link::to(address, "s", false);
    for _ in 0..MESSAGES {
        let (first, body) = subscriber.packet().unwrap();
        assert_eq!(first & 0xf6, 0x32);
        subscriber.send(&[0x40, 2, body[3], body[4]]);
    }
    let line = broker.line_with(" bytes have become ");
    assert!(size() < 2_000_000, "{full} bytes became {}: {line}", size());
    // It goes on from there, and what is there is whole.
    publisher.publish(0x33, "u", 1, b"kept");
    assert_eq!(publisher.packet().unwrap().0, 0x40);
    broker.signal("KILL");
    broker.ended();
    let (broker, address) = started(&directory, more);
    let mut reader = Link::to(address, "r", true);
    reader.subscribe(2, "u", 0);
    assert!(reader.packet().unwrap().1.ends_with(b"kept"));
    broker.signal("TERM");
    assert_eq!(broker.ended(), Some(0));
}

/// A broker that may write files of so many blocks of 512 bytes.
fn limited(directory: &Directory, blocks: u32) -> Command {
    directory.command(&configuration(0, ""));
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\" -c \"$1\"");
    command.args(["-c", &script, PROGRAM]).arg(directory.path("conf"));
    command
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_store_that_finds_no_room_is_not_begun() {
    let directory = Directory::new();
    let output = limited(&directory, 8).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("cannot use the store"), "{}", said(&output));
    assert!(!fs::exists(directory.path("mqtt-broker.db")).unwrap(), "nothing bears its name");
    // With room, it is begun as if nothing had been.
    let (broker, _) = started(&directory, "");
    broker.signal("TERM");
    assert_eq!(broker.ended(), Some(0));
}

#[test]
fn where_no_store_can_be_is_told() {
    let directory = Directory::new();
    let missing = configuration(0, "persistence_location DIR/nowhere\n");
    let output = directory.command(&missing).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("persistence_location names"), "{}", said(&output));
    let made = Command::new("mkfifo").arg(directory.path("pipe")).status().unwrap();
    assert!(made.success());
    let pipe = configuration(0, "persistence_file pipe\n");
    let output = directory.command(&pipe).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("no regular file"), "{}", said(&output));
    let file = fs::metadata(directory.path("pipe")).unwrap();
    assert!(!file.is_file(), "it is still what it was");
}

/// What was not acknowledged is not stored, and the end says so.
#[test]
fn a_broker_that_ends_while_storage_fails_says_so() {
    let directory = Directory::new();
    let broker = Daemon::spawn(limited(&directory, 3000));
    let address = broker.address();
    let mut link = Link::to(address, "p", true);
    let mut acknowledged = 0_u16;
    loop {
        let id = acknowledged + 1;
        link.publish(0x33, &format!("t/{id}"), id, &[b'x'; 20_000]);
        match link.packet_soon() {
            Some((first, _)) => assert_eq!(first, 0x40),
            None => break,
        }
        acknowledged = id;
        assert!(id < 200, "space runs out");
    }
    broker.line_with("Storage takes nothing");
    broker.signal("TERM");
    broker.line_with("What nobody was told of is not stored");
    assert_eq!(broker.ended(), Some(1));
    let (broker, address) = started(&directory, "");
    let mut reader = Link::to(address, "r", true);
    reader.subscribe(1, "t/#", 0);
    for _ in 0..acknowledged {
        assert_eq!(reader.packet().unwrap().0 & 0xf1, 0x31, "every value that was acknowledged");
    }
    broker.signal("TERM");
    assert_eq!(broker.ended(), Some(0));
}
