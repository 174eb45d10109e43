//! The system's log daemon, by RFC 3164 over its local socket, as syslog(3) speaks to it.
//!
//! ```text
//! <29>Nov 24 17:00:00 mqtt-broker[4711]: New client connected from ...
//! ```
//!
//! Owns: the connection, which is made anew when the daemon has been started again. What the
//! daemon does not take at once is lost, counted, and reported to it when it takes something.
//!
//! Never waits.

use std::io::{self, ErrorKind, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use super::kind::Kind;
use super::layout::{Layout, Line};
use super::{Sink, lost};
use crate::config::{Facility, LogSettings};
use crate::stamp::Stamp;

/// Where the daemon listens.
pub const SOCKET: &str = "/dev/log";

#[derive(Debug)]
pub(super) struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    facility: u8,
    layout: Layout,
    buffer: Vec<u8>,
    lost: u64,
}

impl Syslog {
    /// Speaks to whoever listens at `path`, now or later.
    pub(super) fn new(path: PathBuf, settings: &LogSettings) -> Self {
        let facility = match settings.facility {
            Facility::Daemon => 3,
            Facility::Local(number) => 16 + number.min(7),
        };
        let layout = Layout::bare(settings);
        Self { path, socket: None, facility, layout, buffer: Vec::new(), lost: 0 }
    }

    /// Whether the daemon has taken the line.
    fn put(&mut self, line: &Line<'_>) -> bool {
        let priority = self.facility << 3 | line.kind.severity();
        let (time, id) = (line.at.rfc3164(), std::process::id());
        self.buffer.clear();
        write!(self.buffer, "<{priority}>{time} mqtt-broker[{id}]: ")
            .expect("memory takes everything");
        self.layout.write(line, &mut self.buffer);
        match self.send() {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(_) => {
                // The daemon has ended, or ended and begun again since the last line.
                self.socket = None;
                self.send().is_ok()
            }
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(connect(&self.path)?),
        };
        socket.send(&self.buffer).map(|_| ())
    }
}

fn connect(path: &PathBuf) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

impl Sink for Syslog {
    /// Each line is a datagram: nothing is gained by waiting.
    fn take(&mut self, line: &Line<'_>) {
        if self.lost > 0 {
            self.flush(line.at);
        }
        if self.lost > 0 || !self.put(line) {
            self.lost += 1;
        }
    }

    fn write(&mut self) {}

    fn flush(&mut self, at: Stamp) {
        if self.lost > 0 {
            let text = lost(self.lost);
            if self.put(&Line { kind: Kind::Warning, is_connection: false, text: &text, at }) {
                self.lost = 0;
            }
        }
    }
}
