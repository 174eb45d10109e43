//! Standard error and standard output, which others may write to and nobody may be reading.
//!
//! ```text
//! line -> rest -> poll says there is room? -> write at most PIPE_BUF bytes -> again
//!          |        no
//!          |        +-> nothing of the line is out: it is lost, and counted
//!          +-- the end of a line that is out in part waits here, and lines after it are lost
//! ```
//!
//! Owns: what is written there and what is not. A reader that does not keep up loses lines and is
//! told how many once it reads again; one that is gone loses them all. The broker waits for
//! neither. (Room in a pipe is room for `PIPE_BUF` bytes: that much is written without blocking,
//! unless somebody else who writes there takes the room first.)
//!
//! Never makes the descriptor non-blocking: it is shared with whoever else has it, a shell for one.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::libc::PIPE_BUF;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::write;

use super::kind::Kind;
use super::layout::{Layout, Line};
use super::{Sink, lost};
use crate::config::LogSettings;
use crate::stamp::Stamp;

/// One of the two, or whatever else has a descriptor.
#[derive(Debug)]
pub(super) struct Stream<F> {
    out: F,
    layout: Layout,
    /// The end of a line whose beginning is out.
    rest: Vec<u8>,
    /// Lines that found no room since it was last said.
    lost: u64,
}

impl<F: AsFd> Stream<F> {
    /// Looks who reads at the other end: a terminal and a file get the time, a pipe and a socket
    /// do not, and the journal gets priorities.
    ///
    /// # Errors
    /// If the format of the time cannot be understood.
    pub(super) fn new(out: F, settings: &LogSettings) -> Result<Self, String> {
        let status = fstat(out.as_fd()).ok();
        let is = |kind| {
            status.is_some_and(|status| {
                SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == kind
            })
        };
        let is_stamped = out.as_fd().is_terminal() || !is(SFlag::S_IFIFO) && !is(SFlag::S_IFSOCK);
        let mut layout = Layout::new(settings, is_stamped)?;
        let journal = std::env::var("JOURNAL_STREAM").ok();
        let is_journal = status
            .is_some_and(|status| journal == Some(format!("{}:{}", status.st_dev, status.st_ino)));
        if is_journal {
            layout = layout.with_priority();
        }
        Ok(Self { out, layout, rest: Vec::new(), lost: 0 })
    }

    /// Writes what it can of `rest` without waiting; whether all of it is out.
    fn drain(&mut self) -> bool {
        let mut done = 0;
        while done < self.rest.len() && self.has_room() {
            let end = self.rest.len().min(done + PIPE_BUF);
            match write(&self.out, &self.rest[done..end]) {
                Ok(written) => done += written,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                // Nobody is there any more.
                Err(_) => done = self.rest.len(),
            }
        }
        self.rest.drain(..done);
        self.rest.is_empty()
    }

    fn has_room(&self) -> bool {
        let mut fds = [PollFd::new(self.out.as_fd(), PollFlags::POLLOUT)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    /// Writes a line, or all of it but what waits in `rest`; whether any of it is out.
    fn put(&mut self, line: &Line<'_>) -> bool {
        self.layout.write(line, &mut self.rest);
        self.rest.push(b'\n');
        let len = self.rest.len();
        let is_out = self.drain() || self.rest.len() < len;
        if !is_out {
            self.rest.clear();
        }
        is_out
    }
}

impl<F: AsFd + Send> Sink for Stream<F> {
    fn write(&mut self, line: &Line<'_>) {
        if self.drain() && self.lost > 0 {
            let text = lost(self.lost);
            let report = Line { kind: Kind::Warning, is_connection: false, text: &text, ..*line };
            if self.put(&report) {
                self.lost = 0;
            }
        }
        if !self.rest.is_empty() || self.lost > 0 || !self.put(line) {
            self.lost += 1;
        }
    }

    fn flush(&mut self, at: Stamp) {
        if self.drain() && self.lost > 0 {
            let text = lost(self.lost);
            if self.put(&Line { kind: Kind::Warning, is_connection: false, text: &text, at }) {
                self.lost = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{PipeReader, Read, pipe};

    fn line(text: &str) -> Line<'_> {
        Line { kind: Kind::Information, is_connection: false, text, at: Stamp::EPOCH }
    }

    fn some(reader: &mut PipeReader, len: usize) -> String {
        let mut bytes = vec![0; len];
        reader.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_pipe_nobody_reads_takes_what_it_takes() {
        let (mut reader, writer) = pipe().unwrap();
        let mut stream = Stream::new(writer, &LogSettings::default()).unwrap();
        let text = "x".repeat(99);
        for _ in 0..2000 {
            stream.write(&line(&text));
        }
        let lost = stream.lost;
        assert!(lost > 1000, "{lost}");
        let kept = 2000 - usize::try_from(lost).unwrap();
        let lines = some(&mut reader, kept * 100);
        assert!(lines.lines().all(|line| line == text), "whole lines only");
        stream.write(&line("on"));
        let report = format!("Warning: {}\non\n", super::lost(lost));
        assert_eq!(some(&mut reader, report.len()), report);
    }

    #[test]
    fn a_line_longer_than_poll_promises_is_written_in_parts() {
        let (mut reader, writer) = pipe().unwrap();
        let mut stream = Stream::new(writer, &LogSettings::default()).unwrap();
        let text = "y".repeat(3 * PIPE_BUF - 1);
        for _ in 0..100 {
            stream.write(&line(&text));
        }
        assert!(!stream.rest.is_empty(), "the last one that began waits for its end");
        let lost = stream.lost;
        let begun = 100 - usize::try_from(lost).unwrap();
        let out = begun * (text.len() + 1) - stream.rest.len();
        let before = some(&mut reader, out);
        stream.write(&line("on"));
        let after = some(&mut reader, begun * (text.len() + 1) - out);
        assert!((before + &after).lines().all(|line| line == text));
        let report = format!("Warning: {}\non\n", super::lost(lost));
        assert_eq!(some(&mut reader, report.len()), report);
    }

    #[test]
    fn a_reader_that_is_gone_is_no_error() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut stream = Stream::new(writer, &LogSettings::default()).unwrap();
        stream.write(&line("a"));
        assert!(stream.rest.is_empty() && stream.lost == 0);
    }
}
