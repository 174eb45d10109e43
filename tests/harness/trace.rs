//! What the report of a failed test shows of the bytes that passed.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

/// What passed over a connection: the last lines, and how many there were before them.
#[derive(Default)]
pub(crate) struct Trace {
    lines: VecDeque<String>,
    dropped: usize,
}

impl Trace {
    pub(crate) fn push(&mut self, line: String) {
        self.lines.push_back(line);
        if self.lines.len() > TRACED {
            self.lines.pop_front();
            self.dropped += 1;
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dropped > 0 {
            writeln!(f, "  {} lines before these", self.dropped)?;
        }
        self.lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// `PUBLISH 30 05 00 01 61 68 69 |0...ahi|`, the middle left out when it is long.
pub(crate) fn dump(bytes: &[u8]) -> String {
    const NAMES: [&str; 16] = [
        "reserved",
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "SUBACK",
        "UNSUBSCRIBE",
        "UNSUBACK",
        "PINGREQ",
        "PINGRESP",
        "DISCONNECT",
        "AUTH",
    ];
    let Some(first) = bytes.first() else { return String::new() };
    let mut line = NAMES[usize::from(first >> 4)].to_owned();
    let shown = &bytes[..bytes.len().min(SHOWN)];
    for byte in shown {
        let _ = write!(line, " {byte:02x}"); // a String takes everything
    }
    let text = shown.iter().map(|&b| if b.is_ascii_graphic() { b as char } else { '.' });
    let _ = write!(line, " |{}|", text.collect::<String>());
    if bytes.len() > SHOWN {
        let _ = write!(line, " and {} bytes more", bytes.len() - SHOWN);
    }
    line
}

/// Lines of a trace that are kept.
const TRACED: usize = 100;
/// Bytes of a packet that a trace shows.
const SHOWN: usize = 160;
