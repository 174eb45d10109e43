//! What the service manager is told, by the protocol of sd_notify(3).
//!
//! ```text
//! READY=1        it listens                      STATUS=..    how many clients there are
//! RELOADING=1    it reads its configuration      WATCHDOG=1   it still turns
//! STOPPING=1     it lets everybody go
//! ```
//!
//! Owns: when there is something to say. Without a service manager there never is; the watchdog
//! is the only reason to wake, and only where the manager asks for one.
//!
//! Never fails: a manager that does not listen is not told.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use socket2::SockRef;

use crate::time::Time;

/// Milliseconds between two reports of how many clients there are.
const STATUS_MS: u64 = 10_000;

/// How many there are, as STATUS says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) connections: usize,
    pub(super) sessions: usize,
    pub(super) subscriptions: usize,
}

/// The service manager, if there is one.
#[derive(Debug)]
pub(super) struct Manager {
    /// Milliseconds between two signs of life.
    watchdog_ms: Option<u64>,
    /// When the next one is due.
    watchdog_at: Time,
    /// What was reported last, and when.
    said: Status,
    said_at: Time,
}

impl Manager {
    /// The one that the environment names.
    pub(super) fn from_environment() -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET")?;
        // Twice as often as it must be: a sign that is late has another half.
        let watchdog_ms = sd_notify::watchdog_enabled()
            .map(|every| u64::try_from(every.as_millis() / 2).unwrap_or(u64::MAX).max(1));
        let never = Time::from_ms(0);
        Some(Self { watchdog_ms, watchdog_at: never, said: Status::default(), said_at: never })
    }

    /// It listens.
    pub(super) fn ready(&mut self, now: Time, status: Status) {
        let text = status.to_string();
        tell(&[NotifyState::Ready, NotifyState::Status(&text)]);
        (self.said, self.said_at) = (status, now);
    }

    /// It begins to read its configuration again; [`ready`](Self::ready) says that it has.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// It is about to end.
    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping, NotifyState::Status("Stopping")]);
    }

    /// The loop has turned: a sign of life if one is due, and how many there are if that has
    /// changed and was not said just now. It is no reason to wake.
    pub(super) fn turned(&mut self, now: Time, status: Status) {
        if let Some(every) = self.watchdog_ms
            && self.watchdog_at <= now
        {
            tell(&[NotifyState::Watchdog]);
            self.watchdog_at = now.plus_ms(every);
        }
        if status != self.said && now.ms_since(self.said_at) >= STATUS_MS {
            tell(&[NotifyState::Status(&status.to_string())]);
            (self.said, self.said_at) = (status, now);
        }
    }

    /// How long until a sign of life is due.
    pub(super) fn nap(&self, now: Time) -> Option<Duration> {
        self.watchdog_ms.map(|_| self.watchdog_at.since(now))
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { connections, sessions, subscriptions } = self;
        write!(f, "{connections} connections, {sessions} sessions, {subscriptions} subscriptions")
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("Cannot tell the service manager: {error}");
    }
}

/// A socket that was open and listening when the process began.
#[derive(Debug)]
pub enum Inherited {
    /// For a network.
    Tcp(TcpListener),
    /// For this machine.
    Unix(UnixListener),
}

/// The sockets that systemd has handed over (LISTEN_FDS), in its order; none if it has not. They
/// are handed over once: a second call finds none. To be called before there is a second thread.
///
/// # Errors
/// If something was handed over that is no listening stream socket.
pub fn inherited() -> io::Result<Vec<Inherited>> {
    // Those of another process are left alone, and what is handed over is not inherited further.
    let count = sd_notify::listen_fds()?.len();
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut sockets = ListenFd::from_env();
    let mut all = Vec::new();
    for number in 0..count {
        // What is no socket of the one kind is tried as one of the other.
        let socket = match sockets.take_unix_listener(number) {
            Ok(Some(socket)) => Inherited::Unix(socket),
            Ok(None) => continue,
            Err(_) => match sockets.take_tcp_listener(number)? {
                Some(socket) => Inherited::Tcp(socket),
                None => continue,
            },
        };
        let is_listener = match &socket {
            Inherited::Tcp(socket) => SockRef::from(socket).is_listener()?,
            Inherited::Unix(socket) => SockRef::from(socket).is_listener()?,
        };
        if !is_listener {
            return Err(io::Error::other("one of them does not listen"));
        }
        all.push(socket);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Runs itself again with a listening socket where systemd puts one; a shell can do that.
    #[test]
    fn sockets_are_taken_over() {
        const ADDRESS: &str = "MQTT_BROKER_TEST_INHERITS";
        if let Ok(address) = std::env::var(ADDRESS) {
            let sockets = inherited().unwrap();
            let [Inherited::Tcp(socket)] = &sockets[..] else { panic!("{sockets:?}") };
            assert_eq!(socket.local_addr().unwrap().to_string(), address);
            assert!(inherited().unwrap().is_empty(), "they are handed over once");
            return;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" --exact \"$1\"";
        let this = std::env::current_exe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(this).arg("server::notify::tests::sockets_are_taken_over");
        command.env(ADDRESS, address).stdin(std::os::fd::OwnedFd::from(listener));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn without_systemd_there_is_nothing() {
        assert!(inherited().unwrap().is_empty());
        assert!(
            std::env::var_os("NOTIFY_SOCKET").is_some() || Manager::from_environment().is_none()
        );
    }
}
