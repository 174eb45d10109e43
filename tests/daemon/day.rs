//! A day of a daemon in a minute: started by root, watched, reloaded, its log rotated, stopped.
//!
//! It has a mount namespace of its own, in which /dev/log is a socket of the test. What passes is
//! printed (`--nocapture` shows it).

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::{CONNECT_V5, CONNECT_V311, Directory, PROGRAM, connected, is_root, pings, rest, until};
use crate::harness::raw::PATIENCE;

/// A socket of the system, as far as the broker can tell.
struct Listener {
    name: &'static str,
    said: Receiver<String>,
}

impl Listener {
    fn new(directory: &Directory, name: &'static str) -> Self {
        let path = directory.path(name);
        let socket = UnixDatagram::bind(&path).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        let (sender, said) = channel();
        let read = move || {
            let mut bytes = [0; 8192];
            while let Ok(len) = socket.recv(&mut bytes) {
                if sender.send(String::from_utf8_lossy(&bytes[..len]).into_owned()).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new().spawn(read).unwrap();
        Self { name, said }
    }

    /// What it is told up to and with this.
    #[track_caller]
    fn hears(&self, text: &str) -> String {
        loop {
            let Ok(said) = self.said.recv_timeout(PATIENCE) else {
                panic!("{} does not hear '{text}'", self.name);
            };
            if !said.contains("WATCHDOG=1") || text.contains("WATCHDOG") {
                eprintln!("{:>8} | {}", self.name, said.trim_end().replace('\n', " "));
            }
            if said.contains(text) {
                return said;
            }
        }
    }
}

/// A broker as root starts it in the background, the configuration named from where it is.
fn starts(directory: &Directory) -> Command {
    let script = "mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 && \
                  ln -s \"$1\" /dev/log && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh", &directory.path("syslog")]);
    command.args([PROGRAM, "-d", "-c", "conf"]).current_dir(&directory.0);
    command.env("NOTIFY_SOCKET", directory.path("manager")).env("WATCHDOG_USEC", "200000");
    command
}

fn can_have_its_own_dev() -> bool {
    let tried = Command::new("unshare").args(["--mount", "true"]).output();
    is_root() && tried.is_ok_and(|output| output.status.success())
}

const CONFIGURATION: &str = "user nobody\npid_file DIR/pid\nlog_dest syslog\n\
    log_dest file logs/broker.log\nlog_timestamp false\n\
    listener 0 127.0.0.1\nallow_anonymous true\n";

#[test]
fn a_day_in_a_minute() {
    if !can_have_its_own_dev() {
        eprintln!("not tested: it takes root and unshare(1)");
        return;
    }
    let directory = Directory::new();
    fs::create_dir(directory.path("logs")).unwrap();
    fs::set_permissions(directory.path("logs"), PermissionsExt::from_mode(0o777)).unwrap();
    let (syslog, manager) =
        (Listener::new(&directory, "syslog"), Listener::new(&directory, "manager"));
    let does = |what: &str| eprintln!("         $ {what}");

    does("mqtt-broker -d -c conf");
    directory.configure(CONFIGURATION);
    let output = starts(&directory).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    let line = syslog.hears("listening on ");
    assert!(line.starts_with("<30>"), "daemon.info: {line}");
    let address: SocketAddr = line.rsplit(' ').next().unwrap().trim().parse().unwrap();
    syslog.hears("Running as user nobody");
    syslog.hears(" running");
    manager.hears("READY=1\nSTATUS=0 connections");
    let id = directory.read("pid").trim().to_owned();
    let kill = |signal: &str| {
        does(&format!("kill -{signal} $(cat pid)"));
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    };
    let client = connected(address, CONNECT_V311);
    syslog.hears("New client connected from 127.0.0.1:");
    manager.hears("WATCHDOG=1");
    manager.hears("WATCHDOG=1");

    // A good file.
    does("echo 'listener 0 DIR/socket' >> conf");
    directory.configure(&format!("{CONFIGURATION}listener 0 DIR/logs/socket\n"));
    kill("HUP");
    manager.hears("RELOADING=1\nMONOTONIC_USEC=");
    manager.hears("READY=1\nSTATUS=1 connections");
    syslog.hears("Configuration: listener opens: Unix socket");
    syslog.hears("Configuration read again: 1 changes");
    assert!(pings(&client));
    assert!(fs::exists(directory.path("logs/socket")).unwrap());

    // A bad one.
    does("echo 'max_qs 1' >> conf");
    directory.configure(&format!("{CONFIGURATION}max_qs 1\nlistener 1 127.0.0.1\n"));
    kill("HUP");
    let line = syslog.hears("there is no option 'max_qs'");
    assert!(line.starts_with("<27>") && line.contains("conf:8: "), "daemon.err: {line}");
    syslog.hears("1 errors; the one before goes on");
    manager.hears("RELOADING=1");
    manager.hears("READY=1");
    assert!(pings(&client) && fs::exists(directory.path("logs/socket")).unwrap());

    // The log is put aside.
    does("mv logs/broker.log logs/broker.log.1");
    fs::rename(directory.path("logs/broker.log"), directory.path("logs/broker.log.1")).unwrap();
    kill("RTMIN");
    syslog.hears("Log files opened anew");
    drop(connected(address, CONNECT_V5));
    syslog.hears("Client v5 [");
    assert!(directory.read("logs/broker.log").starts_with("Log files opened anew\n"));
    let old = directory.read("logs/broker.log.1");
    assert!(old.contains("max_qs") && !old.contains("v5"), "{old}");

    // The end.
    kill("TERM");
    manager.hears("STOPPING=1\nSTATUS=Stopping");
    syslog.hears("Stopping: ");
    assert_eq!(rest(client), b"");
    until("it ends", || !fs::exists(format!("/proc/{id}")).unwrap());
    assert!(!fs::exists(directory.path("logs/socket")).unwrap());
    assert_eq!(directory.read("pid"), "", "nobody may not remove it, and leaves no dead number");
}
