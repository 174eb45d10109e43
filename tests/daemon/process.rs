//! The process: background, pid file, rights, signals.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use super::{CONNECT_V311, Daemon, Directory, connected, is_root, pings, rest, run, until};

/// A line of /proc/PID/status.
fn status(id: &str, name: &str) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').split_whitespace().map(|word| word.parse().unwrap()).collect()
}

/// User and main group.
fn ids_of(user: &str) -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with(&format!("{user}:")))?;
    let fields: Vec<_> = line.split(':').collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}

fn kill(id: &str, signal: &str) {
    assert!(Command::new("kill").args(["-s", signal, id]).status().unwrap().success());
}

#[test]
fn a_daemon_leaves_when_everything_is_set_up() {
    let directory = Directory::new();
    let configuration = "log_dest file DIR/log\npid_file DIR/pid\nuser root\nlog_timestamp false\n";
    let mut command = directory.command(configuration);
    command.arg("-d").current_dir(&directory.0).stdin(Stdio::null());
    let started = command.output().unwrap();
    let said = String::from_utf8_lossy(&started.stderr);
    assert_eq!((started.status.code(), &*said), (Some(0), ""));
    // It listens already, but its number is written after the first process has gone.
    let log = directory.read("log");
    let line = log.lines().find(|line| line.contains("listening on 127.0.0.1:")).unwrap();
    let address: SocketAddr = line.split_once("listening on ").unwrap().1.parse().unwrap();
    let client = connected(address, CONNECT_V311);
    assert!(pings(&client));
    let id = directory.read("pid").trim().to_owned();
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    assert_ne!(
        fields[3],
        fs::read_to_string("/proc/self/stat").unwrap().split(' ').nth(5).unwrap()
    );
    assert_eq!(fields[4], "0", "no terminal");
    assert_eq!(fs::read_link(format!("/proc/{id}/cwd")).unwrap().to_str(), Some("/"));
    for descriptor in 0..3 {
        let file = fs::read_link(format!("/proc/{id}/fd/{descriptor}")).unwrap();
        assert_eq!(file.to_str(), Some("/dev/null"));
    }
    assert_eq!(fs::metadata(directory.path("pid")).unwrap().mode() & 0o777, 0o644);
    // Nobody takes its place while it lives.
    let second = command.output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!((second.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("/pid") && said.contains(&format!("process {id} lives")), "{said}");
    kill(&id, "TERM");
    assert_eq!(rest(client), b"");
    until("the pid file goes", || !fs::exists(directory.path("pid")).unwrap());
}

#[test]
fn a_daemon_that_cannot_start_says_so() {
    let directory = Directory::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let configuration = format!("listener {port} 127.0.0.1\nlog_dest file DIR/log\nuser root\n");
    let output = directory.command(&configuration).arg("-d").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("cannot listen on 127.0.0.1"), "{said}");
    assert!(directory.read("log").contains("Error: cannot listen on 127.0.0.1"));
}

/// Nor does it say that it runs if it does not.
#[test]
fn a_daemon_without_its_store_says_so() {
    let directory = Directory::new();
    let configuration = "listener 0 127.0.0.1\nlog_dest file DIR/log\nuser root\npersistence true\n\
                         persistence_location DIR/none\n";
    let output = directory.command(configuration).arg("-d").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(
        said.contains("cannot use the store") && said.contains("persistence_location"),
        "{said}"
    );
    let log = directory.read("log");
    assert!(log.contains("Error: cannot use the store") && !log.contains("running"), "{log}");
}

#[test]
fn it_becomes_who_it_is_told_to_be() {
    let directory = Directory::new();
    let configuration = "user nobody\nlog_dest file DIR/log\nlog_dest stderr\npid_file DIR/pid\n";
    let daemon = Daemon::configured(&directory, configuration);
    let client = connected(daemon.address(), CONNECT_V311);
    let id = daemon.child.id().to_string();
    if is_root() {
        let (user, group) = ids_of("nobody").unwrap();
        assert_eq!(status(&id, "Uid"), [user; 4]);
        assert_eq!(status(&id, "Gid"), [group; 4]);
        assert_eq!(status(&id, "Groups"), [group], "none of root's");
        let file = fs::metadata(directory.path("log")).unwrap();
        assert_eq!((file.uid(), file.gid(), file.mode() & 0o777), (user, group, 0o640));
        daemon.line_with("Running as user nobody");
    } else {
        assert_ne!(status(&id, "Uid")[1], 0);
    }
    assert!(pings(&client));
    daemon.signal("TERM");
    drop(client);
    assert_eq!(daemon.ended(), Some(0));
    // Where it may not remove the file, no dead number is left in it.
    assert!(!is_root() || directory.read("pid").is_empty());
}

#[test]
fn root_is_not_kept_unless_it_is_asked_for() {
    let id = |daemon: &Daemon| {
        daemon.line_with("running");
        status(&daemon.child.id().to_string(), "Uid")
    };
    let daemon = Daemon::start(&[]);
    let usual = ids_of("mosquitto").or_else(|| ids_of("nobody"));
    if is_root() {
        assert_eq!(id(&daemon), [usual.unwrap().0; 4]);
        let directory = Directory::new();
        assert_eq!(id(&Daemon::configured(&directory, "user root\n")), [0; 4]);
        let output = directory.command("user nobody-of-that-name\n").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains("there is no user 'nobody-of-that-name'"), "{said}");
    } else {
        assert_ne!(id(&daemon)[1], 0);
    }
}

#[test]
fn signals_are_answered() {
    let directory = Directory::new();
    let daemon = Daemon::configured(&directory, "user root\n");
    let mut client = connected(daemon.address(), CONNECT_V311);
    daemon.signal("USR1");
    daemon.line_with("nothing to save");
    let subscribe = b"\x82\x0a\x00\x01\x00\x05a/b/#\x01";
    std::io::Write::write_all(&mut client, subscribe).unwrap();
    let mut answer = [0; 5];
    std::io::Read::read_exact(&mut client, &mut answer).unwrap();
    daemon.signal("USR2");
    daemon.line_with("Subscription tree: 1 subscriptions of 1 sessions");
    daemon.line_with("Subscription tree: v3 1 a/b/#");
    daemon.signal("HUP");
    daemon.line_with("Log files opened anew");
    // Nobody reads what it writes, and it does not mind.
    daemon.signal("PIPE");
    assert!(pings(&client));
}

#[test]
fn help_and_version_are_told() {
    for option in ["-h", "--help"] {
        let output = run(&[option]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(text.lines().count() <= 24 && text.lines().all(|line| line.len() < 80), "{text}");
        for option in
            ["--host", "--port", "--max-clients", "--daemon", "--verbose", "--quiet", "--version"]
        {
            assert!(text.contains(option), "{text}");
        }
    }
    for option in ["-V", "--version"] {
        let output = run(&[option]);
        assert_eq!(output.status.code(), Some(0));
        let version = concat!("mqtt-broker ", env!("CARGO_PKG_VERSION"), "\n");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
    }
}
