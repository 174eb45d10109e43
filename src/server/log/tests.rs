//! The log as those who read it see it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use log::{Level, Log};

use super::*;
use crate::config::{Facility, LogTypes};

/// A directory of a test's own.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mqtt-broker-log-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // nothing depends on it
    }
}

fn say(logger: &Logger, level: Level, target: &str, text: &str) {
    let mut builder = Record::builder();
    logger.log(&builder.level(level).target(target).args(format_args!("{text}")).build());
}

fn info(logger: &Logger, text: &str) {
    say(logger, Level::Info, "mqtt_test", text);
}

fn settings(destination: LogDest) -> LogSettings {
    LogSettings {
        destinations: vec![destination],
        timestamp: Some(false),
        ..LogSettings::default()
    }
}

fn open(settings: &LogSettings) -> Logger {
    Logger::open(settings, Surroundings::default()).unwrap()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn kinds_that_are_not_wanted_are_not_written() {
    let directory = Directory::new();
    let path = directory.path("log");
    let mut settings = settings(LogDest::File(path.clone()));
    let logger = open(&settings);
    let all = |logger: &Logger| {
        say(logger, Level::Error, "mqtt_test", "error");
        say(logger, Level::Info, target::CONNECTION, "notice");
        say(logger, Level::Warn, target::CONNECTION, "refused");
        say(logger, Level::Debug, target::SUBSCRIBE, "subscribe");
        say(logger, Level::Debug, "mqtt_test", "debug");
    };
    all(&logger);
    assert_eq!(read(&path), "Error: error\nnotice\nrefused\n");
    settings.connection_messages = false;
    settings.types = LogTypes::ALL;
    logger.adopt(logger.prepare(&settings).unwrap());
    fs::write(&path, "").unwrap();
    all(&logger);
    assert_eq!(read(&path), "Error: error\nsubscribe\ndebug\n");
    let metadata = |target| Metadata::builder().level(Level::Info).target(target).build();
    assert!(
        !logger.enabled(&metadata(target::CONNECTION)) && logger.enabled(&metadata("mqtt_test"))
    );
}

#[test]
fn a_flood_of_one_line_is_two_lines() {
    let directory = Directory::new();
    let path = directory.path("log");
    let logger = open(&settings(LogDest::File(path.clone())));
    for _ in 0..1000 {
        info(&logger, "again");
    }
    assert_eq!(read(&path), "again\n");
    assert!(logger.turned().unwrap() <= Duration::from_secs(10));
    info(&logger, "other");
    assert_eq!(read(&path), "again\nlast message repeated 999 times\nother\n");
    assert_eq!(logger.turned(), None);
    info(&logger, "other");
    logger.flush();
    assert!(read(&path).ends_with("other\nlast message repeated 1 times\n"));
}

#[test]
fn lines_of_a_turn_are_written_together() {
    let directory = Directory::new();
    let path = directory.path("log");
    let logger = open(&settings(LogDest::File(path.clone())));
    logger.turns();
    info(&logger, "one");
    info(&logger, "two");
    assert_eq!(read(&path), "");
    say(&logger, Level::Warn, "mqtt_test", "three");
    assert_eq!(read(&path), "one\ntwo\nWarning: three\n", "what is urgent is not held back");
    info(&logger, "four");
    assert_eq!(logger.turned(), None);
    assert!(read(&path).ends_with("four\n"));
    info(&logger, "five");
    assert!(read(&path).ends_with("five\n"), "between turns nothing waits");
    logger.turns();
    info(&logger, "six");
    logger.flush();
    assert!(read(&path).ends_with("six\n"));
    info(&logger, "seven");
    assert!(read(&path).ends_with("seven\n"), "the loop has ended");
}

#[test]
fn files_that_were_moved_are_opened_anew() {
    let directory = Directory::new();
    let (path, moved) = (directory.path("log"), directory.path("log.old"));
    let logger = open(&settings(LogDest::File(path.clone())));
    info(&logger, "one");
    fs::rename(&path, &moved).unwrap();
    info(&logger, "two");
    logger.reopen().unwrap();
    info(&logger, "three");
    assert_eq!((read(&moved), read(&path)), ("one\ntwo\n".into(), "three\n".into()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0, "not for others");
    // What cannot be opened goes on where it is.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let errors = logger.reopen().unwrap_err();
    assert!(errors.len() == 1 && errors[0].contains(&path), "{errors:?}");
    info(&logger, "four");
}

#[test]
fn files_are_put_aside_when_they_are_full() {
    let directory = Directory::new();
    let mut settings = settings(LogDest::File(directory.path("log")));
    (settings.file_size, settings.file_count) = (1000, 2);
    let logger = open(&settings);
    for number in 0..100 {
        info(&logger, &format!("{number:0>99}"));
    }
    let names = ["log.2", "log.1", "log"].map(|name| directory.path(name));
    let lines: Vec<String> = names
        .iter()
        .flat_map(|name| read(name).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let numbers: Vec<u32> = lines.iter().map(|line| line.parse().unwrap()).collect();
    assert!(numbers.len() > 18 && numbers.last() == Some(&99), "{numbers:?}");
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
    assert!(names.iter().all(|name| fs::metadata(name).unwrap().len() <= 1000));
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 3);
}

#[test]
fn a_full_file_that_cannot_be_put_aside_is_emptied() {
    let directory = Directory::new();
    let path = directory.path("log");
    fs::create_dir_all(directory.path("log.1/in the way")).unwrap();
    let mut settings = settings(LogDest::File(path.clone()));
    settings.file_size = 1000;
    let logger = open(&settings);
    for number in 0..20 {
        info(&logger, &format!("{number:0>99}"));
    }
    let text = read(&path);
    assert!(text.len() <= 1000 && text.contains("cannot be put aside and was emptied"), "{text}");
}

#[test]
fn a_file_is_given_to_whom_the_broker_runs_as() {
    if !nix::unistd::geteuid().is_root() {
        return println!("skipped: only root gives files away");
    }
    let directory = Directory::new();
    let path = directory.path("log");
    let around = Surroundings { owner: Some((1234, 5678)), ..Surroundings::default() };
    let file = |path: &str| settings(LogDest::File(path.to_owned()));
    Logger::open(&file(&path), around.clone()).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (1234, 5678, 0o640));
    // A link that somebody else has laid is not followed.
    let link = directory.path("link");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    Logger::open(&file(&link), around.clone()).unwrap();
    std::os::unix::fs::lchown(&link, Some(1234), None).unwrap();
    let error = Logger::open(&file(&link), around).unwrap_err();
    assert!(error.contains("cannot open log file"), "{error}");
}

#[test]
fn what_cannot_be_opened_is_said_with_the_fix() {
    let directory = Directory::new();
    let file = settings(LogDest::File(directory.path("none/log")));
    let error = Logger::open(&file, Surroundings::default()).unwrap_err();
    assert!(error.contains("none/log") && error.contains("create its directory"), "{error}");
}

/// A log daemon, as far as a socket is one.
struct Daemon(UnixDatagram);

impl Daemon {
    fn start(path: &str) -> Self {
        let _ = fs::remove_file(path); // of one that has ended
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self(socket)
    }

    fn next(&self) -> Option<String> {
        let mut bytes = [0; 4096];
        let len = self.0.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..len].to_vec()).unwrap())
    }
}

fn to_syslog(path: &str, facility: Facility) -> Logger {
    let settings = LogSettings { facility, ..settings(LogDest::Syslog) };
    Logger::open(&settings, Surroundings { syslog: path.into(), owner: None }).unwrap()
}

#[test]
fn syslog_is_told_priority_time_and_who() {
    let directory = Directory::new();
    let path = directory.path("socket");
    let daemon = Daemon::start(&path);
    let logger = to_syslog(&path, Facility::Daemon);
    say(&logger, Level::Info, target::CONNECTION, "hello");
    let line = daemon.next().unwrap();
    let rest = format!(" mqtt-broker[{}]: hello", std::process::id());
    let time = line.strip_prefix("<29>").unwrap().strip_suffix(&rest).unwrap();
    assert!(time.len() == 15 && time.as_bytes()[6] == b' ' && time.as_bytes()[9] == b':', "{time}");
    for (level, facility, priority) in [
        (Level::Error, Facility::Local(0), "<131>"),
        (Level::Warn, Facility::Local(7), "<188>"),
        (Level::Info, Facility::Daemon, "<30>"),
    ] {
        say(&to_syslog(&path, facility), level, "mqtt_test", "a");
        assert!(daemon.next().unwrap().starts_with(priority));
    }
}

#[test]
fn syslog_may_come_and_go() {
    let directory = Directory::new();
    let path = directory.path("socket");
    let logger = to_syslog(&path, Facility::Daemon);
    info(&logger, "nobody there");
    let daemon = Daemon::start(&path);
    info(&logger, "first");
    assert!(daemon.next().unwrap().ends_with("Warning: 1 log lines lost"));
    assert!(daemon.next().unwrap().ends_with(": first"));
    drop(daemon);
    info(&logger, "in between");
    let daemon = Daemon::start(&path);
    info(&logger, "second");
    assert!(daemon.next().unwrap().ends_with("1 log lines lost"));
    assert!(daemon.next().unwrap().ends_with(": second"));
    assert_eq!(daemon.next(), None);
}

#[test]
fn a_syslog_daemon_that_does_not_read_holds_up_nobody() {
    let directory = Directory::new();
    let path = directory.path("socket");
    let daemon = Daemon::start(&path);
    let logger = to_syslog(&path, Facility::Daemon);
    for number in 0..5000 {
        info(&logger, &format!("{number}"));
    }
    let taken = std::iter::from_fn(|| daemon.next()).count();
    assert!(taken < 5000, "{taken}");
    info(&logger, "on");
    let report = format!("Warning: {} log lines lost", 5000 - taken);
    assert!(daemon.next().unwrap().ends_with(&report));
    assert!(daemon.next().unwrap().ends_with(": on"));
}

#[test]
fn lines_are_handed_to_whoever_publishes_them() {
    let mut settings = settings(LogDest::Topic);
    let logger = open(&settings);
    assert!(!logger.has_topic_lines());
    info(&logger, "one");
    say(&logger, Level::Info, target::CONNECTION, "two");
    assert!(logger.has_topic_lines());
    // Other settings lose nothing of what waits.
    settings.types = LogTypes { notice: true, ..LogTypes::NONE };
    logger.adopt(logger.prepare(&settings).unwrap());
    info(&logger, "not wanted");
    let line = |topic, text: &str| TopicLine { topic, text: text.into() };
    assert_eq!(logger.next_topic_line(), Some(line("$SYS/broker/log/I", "one")));
    assert_eq!(logger.next_topic_line(), Some(line("$SYS/broker/log/N", "two")));
    assert_eq!(logger.next_topic_line(), None);
}

#[test]
fn without_a_place_nothing_is_logged() {
    let logger = open(&LogSettings { destinations: Vec::new(), ..LogSettings::default() });
    info(&logger, "a");
    assert_eq!(logger.next_topic_line(), None);
}
