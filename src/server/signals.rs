//! Signals as things to do.
//!
//! Owns: a pipe into which signals write, so that they wake the poll like anything else and are
//! handled in the loop's own time; and which of them have come.
//!
//! Never acts inside a signal handler.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::event::Source;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use nix::libc::{SIGHUP, SIGINT, SIGRTMIN, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::SigId;
use signal_hook::flag;
use signal_hook::low_level::{pipe, unregister};

/// What somebody wants who sends a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// SIGTERM, SIGINT: to stop.
    Stop,
    /// SIGHUP: to read the configuration again, and to open the log files anew.
    Reload,
    /// SIGRTMIN: to open the log files anew.
    Reopen,
    /// SIGUSR1: to save what is kept.
    Save,
    /// SIGUSR2: to log who subscribes to what.
    Tree,
}

/// The signals, for as long as this lives.
#[derive(Debug)]
pub(super) struct Signals {
    stream: UnixStream,
    ids: Vec<SigId>,
    /// Which have come.
    came: Vec<(Request, Arc<AtomicBool>)>,
}

impl Signals {
    /// Takes the signals over from their default, which is to end the process at once.
    pub(super) fn new() -> io::Result<Self> {
        let (read, write) = StdStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        let (mut ids, mut came) = (Vec::new(), Vec::new());
        for (signal, request) in [
            (SIGTERM, Request::Stop),
            (SIGINT, Request::Stop),
            (SIGHUP, Request::Reload),
            (SIGRTMIN(), Request::Reopen),
            (SIGUSR1, Request::Save),
            (SIGUSR2, Request::Tree),
        ] {
            let flag = Arc::new(AtomicBool::new(false));
            // In this order: what wakes the loop must find the flag set.
            ids.push(flag::register(signal, Arc::clone(&flag))?);
            ids.push(pipe::register(signal, write.try_clone()?)?);
            came.push((request, flag));
        }
        Ok(Self { stream: UnixStream::from_std(read), ids, came })
    }

    /// Makes the poll report them as `token`.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.stream.register(registry, token, Interest::READABLE)
    }

    /// What is wanted since the last time; a signal that came twice wants it once.
    pub(super) fn drain(&mut self) -> Vec<Request> {
        let mut bytes = [0; 64];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let came = self.came.iter().filter(|(_, flag)| flag.swap(false, Ordering::SeqCst));
        came.map(|(request, _)| *request).collect()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            unregister(id);
        }
    }
}
