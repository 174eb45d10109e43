//! Unix sockets: files, permissions, and the client programs.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::{Daemon, Directory, connect_as, introduce, is_root, pings, refusal};
use crate::harness::raw::PATIENCE;

const PRODUCER: &str = env!("CARGO_BIN_EXE_mqtt-producer");
const CONSUMER: &str = env!("CARGO_BIN_EXE_mqtt-consumer");

/// One that anybody may use whose name is in the file.
const SOCKET: &str = "allow_anonymous true\nuser root\nlistener 0 DIR/socket\n";

fn connected(path: &str, id: &str) -> UnixStream {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    introduce(&mut stream, &connect_as(id));
    stream
}

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn clients_come_by_a_file() {
    let directory = Directory::new();
    let daemon = Daemon::configured(&directory, SOCKET);
    let path = directory.path("socket");
    let line = daemon.line_with("listening on ");
    assert!(line.ends_with(&format!("listening on {path}")), "{line}");
    daemon.line_with("running");
    assert_eq!(mode(&path), 0o660, "the default");
    let client = connected(&path, "c1");
    assert!(pings(&client));
    daemon.line_with(&format!("New connection from local on {path}."));
    daemon.line_with("New client connected from local as c1 (p2, c1, k0).");
    // It goes with the broker.
    daemon.signal("TERM");
    drop(client);
    assert_eq!(daemon.ended(), Some(0));
    assert!(!fs::exists(&path).unwrap());
}

#[test]
fn only_a_socket_nobody_uses_is_replaced() {
    let directory = Directory::new();
    let path = directory.path("socket");
    drop(UnixListener::bind(&path).unwrap()); // what a broker leaves behind that is killed
    let daemon = Daemon::configured(&directory, SOCKET);
    daemon.line_with("running");
    assert!(pings(&connected(&path, "c1")));
    let (code, said) = refusal(directory.command(SOCKET));
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("cannot listen on {path}: another program listens")), "{said}");
    assert!(pings(&connected(&path, "c2")), "the first one still has it");
    drop(daemon); // killed
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    let (code, said) = refusal(directory.command(SOCKET));
    assert_eq!(code, Some(1));
    assert!(said.contains("there is a file that is no socket"), "{said}");
    assert_eq!(directory.read("socket"), "precious");
}

#[test]
fn who_may_write_to_it_may_come() {
    let directory = Directory::new();
    let configuration = format!("{SOCKET}unix_socket_mode 0600\n");
    let daemon = Daemon::configured(&directory, &configuration);
    daemon.line_with("running");
    let path = directory.path("socket");
    assert_eq!(mode(&path), 0o600);
    let inside = connected(&path, "c1");
    let publish = |user: u32| {
        let mut command = Command::new(PRODUCER);
        command.args(["--unix", &path, "-q", "1", "t", "m"]);
        if is_root() {
            command.uid(user).gid(user);
        }
        command.stdin(Stdio::null()).output().unwrap()
    };
    if is_root() {
        let output = publish(54_321);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(69), "{said}");
        assert!(said.contains("Permission denied") && said.contains(&path), "{said}");
    }
    // A reload changes it, and who is inside stays.
    directory.configure(&configuration.replace("0600", "0666"));
    daemon.signal("HUP");
    daemon.line_with("unix_socket_mode was 0600, is 0666");
    daemon.line_with("Configuration read again: 1 changes");
    assert_eq!(mode(&path), 0o666);
    let output = publish(54_321);
    assert!(output.status.success(), "{output:?}");
    assert!(pings(&inside));
}

#[test]
fn a_socket_belongs_to_whom_the_broker_is_or_to_whom_it_is_given() {
    if !is_root() {
        return; // Only root gives files away.
    }
    let directory = Directory::new();
    let configuration = "allow_anonymous true\nuser nobody\nlistener 0 DIR/a\n\
        listener 0 DIR/b\nunix_socket_owner 12345:23456\n";
    let daemon = Daemon::configured(&directory, configuration);
    daemon.line_with("running");
    let owner = |name: &str| {
        let metadata = fs::metadata(directory.path(name)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    let process = fs::metadata(format!("/proc/{}", daemon.child.id())).unwrap();
    assert_eq!(owner("a"), (process.uid(), process.gid()));
    assert_ne!(process.uid(), 0);
    assert_eq!(owner("b"), (12345, 23456));
    let configuration = configuration.replace("12345:23456", "nobody-of-that-name");
    let (code, said) = refusal(directory.command(&configuration));
    assert_eq!(code, Some(3));
    assert!(said.contains("conf:4: unix_socket_owner 'nobody-of-that-name'"), "{said}");
}

#[test]
fn the_client_programs_speak_to_it() {
    let directory = Directory::new();
    let daemon = Daemon::configured(&directory, SOCKET);
    daemon.line_with("running");
    let path = directory.path("socket");
    let produced = Command::new(PRODUCER)
        .args(["--unix", &path, "-r", "-q", "2", "sensor/temp", "25.5"])
        .output()
        .unwrap();
    assert!(produced.status.success(), "{produced:?}");
    let consumed = Command::new(CONSUMER)
        .args(["--unix", &path, "-v", "-C", "1", "-V", "5", "sensor/#"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(consumed.stdout).unwrap(), "sensor/temp 25.5\n");
    let run = |arguments: &[&str]| {
        let output = Command::new(PRODUCER).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for other in [["-h", "localhost"], ["-p", "1883"], ["-A", "127.0.0.1"]] {
        let (code, said) = run(&["--unix", &path, other[0], other[1], "t", "m"]);
        assert_eq!(code, Some(1));
        assert!(said.contains("--unix") && said.contains(other[0]), "{said}");
    }
    let nowhere = directory.path("nowhere");
    let (code, said) = run(&["--unix", &nowhere, "t", "m"]);
    assert_eq!(code, Some(69));
    assert!(said.contains(&format!("cannot connect to {nowhere}: ")), "{said}");
}
