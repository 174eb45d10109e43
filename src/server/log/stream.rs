//! Standard error and standard output, which others may write to and nobody may be reading.
//!
//! ```text
//! line -> waiting -> poll says there is room? -> write at most PIPE_BUF bytes -> again
//!            |        no
//!            |        +-> lines of which nothing is out: they are lost, and counted
//!            +-- the end of a line that is out in part waits on
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
use super::{Sink, WAITING_MAX, lost};
use crate::config::LogSettings;
use crate::stamp::Stamp;

/// One of the two, or whatever else has a descriptor.
#[derive(Debug)]
pub(super) struct Stream<F> {
    out: F,
    layout: Layout,
    /// Lines that are to be written.
    waiting: Vec<u8>,
    /// The first of them is out in part.
    is_begun: bool,
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
        Ok(Self { out, layout, waiting: Vec::new(), is_begun: false, lost: 0 })
    }

    /// Writes what it can of what waits without blocking; whether all of it is out.
    fn drain(&mut self) -> bool {
        let mut done = 0;
        while done < self.waiting.len() && self.has_room() {
            match write(&self.out, portion(&self.waiting[done..])) {
                Ok(written) => done += written,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                // Nobody is there any more.
                Err(_) => done = self.waiting.len(),
            }
        }
        if let Some(last) = self.waiting[..done].last() {
            self.is_begun = *last != b'\n';
        }
        self.waiting.drain(..done);
        self.waiting.is_empty()
    }

    fn has_room(&self) -> bool {
        let mut fds = [PollFd::new(self.out.as_fd(), PollFlags::POLLOUT)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    /// Forgets the lines of which nothing is out, and says how many they are.
    fn lose(&mut self) -> u64 {
        let mut ends = self.waiting.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let kept = if self.is_begun { ends.next().map_or(0, |(at, _)| at + 1) } else { 0 };
        let count = ends.count() as u64;
        self.waiting.truncate(kept);
        count
    }

    fn put(&mut self, line: &Line<'_>) {
        self.layout.write(line, &mut self.waiting);
        self.waiting.push(b'\n');
    }
}

/// What is written at once: whole lines if they are short enough, since others may write there
/// too.
fn portion(waiting: &[u8]) -> &[u8] {
    let most = &waiting[..waiting.len().min(PIPE_BUF)];
    let end = most.iter().rposition(|byte| *byte == b'\n').map_or(most.len(), |at| at + 1);
    &most[..end]
}

impl<F: AsFd + Send> Sink for Stream<F> {
    fn take(&mut self, line: &Line<'_>) {
        if self.lost > 0 {
            self.flush(line.at);
        }
        if self.lost > 0 {
            self.lost += 1;
        } else {
            self.put(line);
        }
        if self.waiting.len() > WAITING_MAX {
            self.write();
        }
    }

    fn write(&mut self) {
        if !self.drain() {
            self.lost += self.lose();
        }
    }

    fn flush(&mut self, at: Stamp) {
        self.write();
        if self.lost > 0 && self.waiting.is_empty() {
            let text = lost(self.lost);
            self.put(&Line { kind: Kind::Warning, is_connection: false, text: &text, at });
            if self.drain() || self.lose() == 0 {
                self.lost = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{PipeReader, PipeWriter, Read, pipe};

    fn line(text: &str) -> Line<'_> {
        Line { kind: Kind::Information, is_connection: false, text, at: Stamp::EPOCH }
    }

    /// Takes a line and writes it.
    fn say(stream: &mut Stream<PipeWriter>, text: &str) {
        stream.take(&line(text));
        stream.write();
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
            say(&mut stream, &text);
        }
        let lost = stream.lost;
        assert!(lost > 1000, "{lost}");
        let kept = 2000 - usize::try_from(lost).unwrap();
        let lines = some(&mut reader, kept * 100);
        assert!(lines.lines().all(|line| line == text), "whole lines only");
        say(&mut stream, "on");
        let report = format!("Warning: {}\non\n", super::lost(lost));
        assert_eq!(some(&mut reader, report.len()), report);
    }

    #[test]
    fn a_line_longer_than_poll_promises_is_written_in_parts() {
        let (mut reader, writer) = pipe().unwrap();
        let mut stream = Stream::new(writer, &LogSettings::default()).unwrap();
        let text = "y".repeat(3 * PIPE_BUF - 1);
        for _ in 0..100 {
            say(&mut stream, &text);
        }
        assert!(!stream.waiting.is_empty(), "the last one that began waits for its end");
        let lost = stream.lost;
        let begun = 100 - usize::try_from(lost).unwrap();
        let out = begun * (text.len() + 1) - stream.waiting.len();
        let before = some(&mut reader, out);
        say(&mut stream, "on");
        let after = some(&mut reader, begun * (text.len() + 1) - out);
        assert!((before + &after).lines().all(|line| line == text));
        let report = format!("Warning: {}\non\n", super::lost(lost));
        assert_eq!(some(&mut reader, report.len()), report);
    }

    #[test]
    fn lines_taken_together_are_lost_or_written_whole() {
        let (mut reader, writer) = pipe().unwrap();
        let mut stream = Stream::new(writer, &LogSettings::default()).unwrap();
        let texts: Vec<String> = (0..300).map(|n| format!("{n} {}", "z".repeat(700))).collect();
        for text in &texts {
            stream.take(&line(text));
        }
        assert!(stream.waiting.len() <= WAITING_MAX, "as much is written before its time");
        stream.write();
        let out: usize = 300 - usize::try_from(stream.lost).unwrap();
        let len: usize = texts[..out].iter().map(|text| text.len() + 1).sum();
        let lines = some(&mut reader, len - stream.waiting.len());
        assert!(stream.waiting.is_empty(), "short lines are not cut");
        assert!(stream.lost > 0 && lines.lines().eq(&texts[..out]), "the first ones, in order");
        say(&mut stream, "on");
        let report = format!("Warning: {}\non\n", lost(300 - out as u64));
        assert_eq!(some(&mut reader, report.len()), report);
    }

    #[test]
    fn a_reader_that_is_gone_is_no_error() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut stream = Stream::new(writer, &LogSettings::default()).unwrap();
        say(&mut stream, "a");
        assert!(stream.waiting.is_empty() && stream.lost == 0);
    }
}
