//! Waiting for several things at once.
//!
//! Owns: `poll` and what it waits for. It is poll(2) and not mio because standard input may be a
//! file, which epoll refuses, and because what is level-triggered need not be read to its end.
//!
//! Never reads.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGINT, SIGTERM};

/// What is ready, after waiting.
#[derive(Default)]
pub(super) struct Ready {
    pub(super) socket: bool,
    pub(super) stdin: bool,
    pub(super) signal: bool,
    pub(super) nobody_reads: bool,
}

/// What is waited for.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Signal,
    Socket,
    Stdin,
    Stdout,
}

/// Waits until one of `interests` is ready or the time is over.
pub(super) fn wait(
    interests: &[(Source, BorrowedFd<'_>, PollFlags)],
    timeout: PollTimeout,
) -> Result<Ready, Errno> {
    let mut fds: Vec<_> = interests.iter().map(|&(_, fd, flags)| PollFd::new(fd, flags)).collect();
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno),
    }
    let mut ready = Ready::default();
    for ((source, ..), fd) in interests.iter().zip(&fds) {
        if !fd.any().unwrap_or(false) {
            continue;
        }
        match source {
            Source::Signal => ready.signal = true,
            Source::Socket => ready.socket = true,
            Source::Stdin => ready.stdin = true,
            Source::Stdout => ready.nobody_reads = true,
        }
    }
    Ok(ready)
}

/// A byte can be read here after SIGINT or SIGTERM; the second one kills at once.
pub(super) fn signals() -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    let once = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&once))?;
        signal_hook::flag::register(signal, Arc::clone(&once))?;
        signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
    }
    Ok(reader)
}
