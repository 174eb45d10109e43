//! The service manager, as far as a socket is one.

use std::os::unix::net::UnixDatagram;
use std::process::Command;

use super::{CONNECT_V311, Daemon, Directory, PROGRAM, connected};
use crate::harness::raw::PATIENCE;

struct Manager {
    directory: Directory,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let directory = Directory::new();
        let path = directory.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        // Whoever the broker becomes may speak to it.
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&path, everybody).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { directory, socket }
    }

    fn starts(&self, watchdog: Option<&str>) -> Daemon {
        let mut command = Command::new(PROGRAM);
        command.args(["--host", "127.0.0.1", "-p", "0"]);
        command.env("NOTIFY_SOCKET", self.directory.path("notify"));
        if let Some(every) = watchdog {
            command.env("WATCHDOG_USEC", every);
        }
        Daemon::spawn(command)
    }

    fn is_told(&self) -> String {
        let mut bytes = [0; 4096];
        let len = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    }
}

#[test]
fn a_manager_is_told_what_happens() {
    let manager = Manager::new();
    let daemon = manager.starts(None);
    let ready = "READY=1\nSTATUS=0 connections, 0 sessions, 0 subscriptions\n";
    assert_eq!(manager.is_told(), ready);
    let client = connected(daemon.address(), CONNECT_V311);
    daemon.signal("HUP");
    let reloading = manager.is_told();
    let usec = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let told: f64 = usec.parse().unwrap();
    assert!((told / 1e6 - uptime).abs() < 60.0, "{told} at {uptime}");
    let ready = "READY=1\nSTATUS=1 connections, 1 sessions, 0 subscriptions\n";
    assert_eq!(manager.is_told(), ready);
    daemon.signal("TERM");
    assert_eq!(manager.is_told(), "STOPPING=1\nSTATUS=Stopping\n");
    drop(client);
    assert_eq!(daemon.ended(), Some(0));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is tested is time")]
fn a_watchdog_gets_signs_of_life_twice_as_often_as_it_must() {
    let manager = Manager::new();
    let daemon = manager.starts(Some("100000"));
    assert!(manager.is_told().starts_with("READY=1\n"));
    let begin = std::time::Instant::now();
    for _ in 0..5 {
        assert_eq!(manager.is_told(), "WATCHDOG=1\n");
    }
    // The first comes at once, the others every 50 ms.
    assert!(begin.elapsed().as_millis() >= 190, "{:?}", begin.elapsed());
    daemon.signal("TERM");
}

#[test]
fn a_manager_that_is_gone_is_nobodys_trouble() {
    let manager = Manager::new();
    std::fs::remove_file(manager.directory.path("notify")).unwrap();
    let daemon = manager.starts(Some("100000"));
    assert!(super::pings(&connected(daemon.address(), CONNECT_V311)));
    daemon.signal("TERM");
    assert_eq!(daemon.ended(), Some(0));
}
