//! The log of a real broker: its lines, and where they go.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::{TryRecvError, channel};

use super::{
    CONNECT_V5, CONNECT_V311, Daemon, Directory, PROGRAM, connected, introduce, pings, rest, until,
};

/// Lines as the manual page has them: what is in capitals differs from line to line.
fn documented() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/man/mqtt-broker.8");
    let page = fs::read_to_string(path).unwrap();
    let (_, logs) = page.split_once(".Ss Lines\n").unwrap();
    let (logs, _) = logs.split_once("\n.Ss ").unwrap();
    let mut lines = Vec::new();
    for block in logs.split(".Bd -literal").skip(1) {
        let (_, block) = block.split_once('\n').unwrap();
        let (block, _) = block.split_once(".Ed").unwrap();
        lines.extend(block.lines().map(|line| line.replace("\\(aq", "'").replace("\\-", "-")));
    }
    lines
}

/// Whether a line is one of `form`: words of capitals stand for anything.
fn is_of(form: &str, line: &str) -> bool {
    let words =
        ["ADDRESS", "PORT", "PATH", "ID", "USER", "WHAT", "REASON", "COUNT", "FILTER", "TOPIC"];
    let words =
        [&words[..], &["VERSION", "CLEAN", "SECS", "QOS", "PACKET", "FLAGS", "NAME"]].concat();
    let mut rest = line;
    let mut is_open = false;
    let mut form = form;
    loop {
        let next = words.iter().filter_map(|word| Some((form.find(word)?, word.len()))).min();
        let (text, after) = match next {
            Some((at, len)) => (&form[..at], Some(&form[at + len..])),
            None => (form, None),
        };
        let found = if is_open { rest.find(text) } else { rest.starts_with(text).then_some(0) };
        let Some(found) = found else { return false };
        rest = &rest[found + text.len()..];
        match after {
            None => return rest.is_empty() || (is_open && text.is_empty()),
            Some(after) => form = after,
        }
        is_open = true;
    }
}

/// A broker that logs everything to a file, after clients have done all that is documented.
fn busy() -> String {
    let directory = Directory::new();
    let configuration = "user root\nlog_type all\nlog_dest file DIR/log\nlog_dest stderr\n\
        log_timestamp false\nmax_queued_messages 1\nallow_anonymous true\n\
        listener 0 127.0.0.1\nlistener 0 DIR/socket\n";
    let daemon = Daemon::configured(&directory, configuration);
    let address = daemon.address();
    // Comes with a user name, subscribes, unsubscribes and says good-bye.
    let mut client =
        connected(address, b"\x10\x15\x00\x04MQTT\x04\x82\x00\x3c\x00\x04lamp\x00\x03joe");
    client.write_all(b"\x82\x08\x00\x01\x00\x03a/b\x01").unwrap();
    client.write_all(b"\x30\x07\x00\x03a/bhi").unwrap();
    client.write_all(b"\xa2\x07\x00\x02\x00\x03a/b").unwrap();
    client.write_all(b"\xc0\x00\xe0\x00").unwrap();
    rest(client);
    // Goes without a word.
    drop(connected(address, CONNECT_V311));
    daemon.line_with("v3 [127.0.0.1:");
    // Comes by a file.
    let mut local = UnixStream::connect(directory.path("socket")).unwrap();
    introduce(&mut local, CONNECT_V311);
    drop(local);
    daemon.line_with("Client v3 [local]");
    // Is replaced by its like.
    let first = connected(address, CONNECT_V5);
    let second = connected(address, CONNECT_V5);
    rest(first);
    // Does what is forbidden.
    (&second).write_all(b"\x10\x00").unwrap();
    rest(second);
    let mut stranger = std::net::TcpStream::connect(address).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let _ = stranger.shutdown(Shutdown::Write); // it may be closed already
    let _ = stranger.read_to_end(&mut Vec::new());
    // Stays silent.
    let silent = connected(address, b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x01\x00\x03sil");
    daemon.line_with("has exceeded timeout");
    rest(silent);
    daemon.signal("USR2");
    daemon.line_with("Subscription tree");
    daemon.signal("TERM");
    assert_eq!(daemon.ended(), Some(0));
    // Who comes by a file has `local` for an address, as the page says.
    let log = directory.read("log");
    log.replace("from local as", "from 0.0.0.0:0 as").replace("[local]", "[0.0.0.0:0]")
}

#[test]
fn documented_lines_are_the_ones_that_are_written() {
    let log = busy();
    let forms = documented();
    assert!(forms.len() > 15, "{forms:?}");
    let missing: Vec<_> =
        forms.iter().filter(|form| !log.lines().any(|line| is_of(form, line))).collect();
    assert!(missing.is_empty(), "{missing:#?} are not among\n{log}");
    // Two forms are short of words of their own.
    assert!(log.contains("\nlamp 1 a/b\n") && log.contains("\nlamp a/b\n"), "{log}");
    // And of clients that come and go nothing else is said.
    let is_known = |line: &str| {
        let mut wordy = forms.iter().filter(|form| !form.starts_with("ID "));
        wordy.any(|form| is_of(form, line))
    };
    let about = ["New c", "Client ", "Received ", "Sending "];
    let strange: Vec<_> = log
        .lines()
        .filter(|line| about.iter().any(|about| line.starts_with(about)) && !is_known(line))
        .collect();
    assert!(strange.is_empty(), "{strange:#?}");
}

#[test]
fn who_comes_and_goes_need_not_be_logged() {
    let directory = Directory::new();
    let daemon = Daemon::configured(&directory, "connection_messages false\nuser root\n");
    let address = daemon.address();
    drop(connected(address, CONNECT_V311));
    let mut second = connected(address, CONNECT_V5);
    second.write_all(b"\x10\x00").unwrap();
    rest(second);
    daemon.signal("TERM");
    let mut lines = Vec::new();
    while let Ok(line) = daemon.lines.recv_timeout(crate::harness::raw::PATIENCE) {
        lines.push(line);
    }
    assert!(lines.iter().any(|line| line.starts_with("Stopping")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("lient")), "{lines:?}");
}

#[test]
fn files_that_were_moved_are_opened_anew() {
    let directory = Directory::new();
    let configuration = "log_dest file DIR/log\nlog_dest stderr\nlog_timestamp false\nuser root\n";
    let daemon = Daemon::configured(&directory, configuration);
    daemon.line_with("running");
    for signal in ["RTMIN", "HUP"] {
        fs::rename(directory.path("log"), directory.path(signal)).unwrap();
        daemon.signal(signal);
        daemon.line_with("Log files opened anew");
        assert!(directory.read("log").starts_with("Log files opened anew\n"));
    }
    assert!(directory.read("RTMIN").contains("running"));
}

#[test]
fn a_file_has_times_and_a_pipe_has_none() {
    let directory = Directory::new();
    let daemon = Daemon::configured(&directory, "user root\n");
    assert!(daemon.line().starts_with("listening on "), "a pipe");
    let daemon = Daemon::configured(&directory, "user root\nlog_timestamp true\n");
    let line = daemon.line();
    let (time, rest) = line.split_once(": ").unwrap();
    assert!(time.parse::<u64>().unwrap() > 1_700_000_000 && rest.starts_with("listening on "));
    let format = "user root\nlog_timestamp true\nlog_timestamp_format %Y-%m-%dT%H:%M:%S\n";
    let line = Daemon::configured(&directory, format).line();
    assert!(line.as_bytes()[4] == b'-' && line[19..].starts_with(": listening on "), "{line}");
    // Standard error on a file of its own.
    let mut command = directory.command("user root\n");
    command.stderr(File::create(directory.path("stderr")).unwrap());
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    until("it runs", || directory.read("stderr").contains("running"));
    child.kill().unwrap();
    child.wait().unwrap();
    let line = directory.read("stderr");
    assert!(line.split_once(": ").unwrap().0.parse::<u64>().is_ok(), "{line}");
}

#[test]
fn a_time_format_that_is_none_is_refused() {
    let directory = Directory::new();
    let output = directory.command("user root\nlog_timestamp_format %Q\n").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("strftime"), "{said}");
}

#[test]
fn the_journal_gets_priorities_and_no_times() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let file = File::from(theirs);
    let metadata = file.metadata().unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["--host", "127.0.0.1", "-p", "0"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut line = String::new();
    BufReader::new(ours).read_line(&mut line).unwrap();
    assert!(line.starts_with("<6>listening on 127.0.0.1:"), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn lines_can_be_json() {
    let directory = Directory::new();
    let configuration = "user root\nlog_format json\nlog_timestamp true\n";
    let line = Daemon::configured(&directory, configuration).line();
    let start = "{\"time\":\"2";
    assert!(line.starts_with(start) && line.contains("Z\",\"type\":\"information\""), "{line}");
    assert!(line.contains(",\"message\":\"listening on ") && line.ends_with("\"}"), "{line}");
}

#[test]
fn a_pipe_nobody_reads_does_not_stop_it() {
    let mut command = Command::new(PROGRAM);
    command.args(["-v", "--host", "127.0.0.1", "--port", "0"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::with_capacity(64, child.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let address: SocketAddr = line.split_once("listening on ").unwrap().1.trim().parse().unwrap();
    let mut client = connected(address, CONNECT_V311);
    // A line each, and all different: far more than a pipe holds.
    for round in 0..50 {
        let message = |number| format!("\x30\x07\0\x05{round:02}{number:03}");
        let messages: String = (0..100).map(message).collect();
        client.write_all(messages.as_bytes()).unwrap();
        assert!(pings(&client), "it serves");
    }
    assert!(pings(&client));
    // Whoever reads again is told what is missing.
    let (sender, found) = channel();
    let read = move || {
        let lost = log.lines().map_while(Result::ok).find(|line| line.ends_with("log lines lost"));
        let _ = sender.send(lost); // a test that has failed does not listen
    };
    let reader = std::thread::Builder::new().spawn(read).unwrap();
    let lost = loop {
        assert!(pings(&client));
        match found.try_recv() {
            Ok(lost) => break lost.unwrap(),
            Err(TryRecvError::Empty) => std::thread::yield_now(),
            Err(TryRecvError::Disconnected) => panic!("the reader gave up"),
        }
    };
    assert!(lost.starts_with("Warning: "), "{lost}");
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
}
