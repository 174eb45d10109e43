//! Signals as bytes to read.
//!
//! Owns: a pipe into which the signals that end the process write, so that they wake the poll
//! like anything else and are handled in the loop's own time.
//!
//! Never acts inside a signal handler.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdStream;

use mio::event::Source;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::{pipe, unregister};

/// SIGTERM and SIGINT, for as long as this lives.
#[derive(Debug)]
pub(super) struct Signals {
    stream: UnixStream,
    ids: Vec<SigId>,
}

impl Signals {
    /// Takes the signals over from their default, which is to end the process at once.
    pub(super) fn new() -> io::Result<Self> {
        let (read, write) = StdStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        let mut ids = Vec::new();
        for signal in [SIGTERM, SIGINT] {
            ids.push(pipe::register(signal, write.try_clone()?)?);
        }
        Ok(Self { stream: UnixStream::from_std(read), ids })
    }

    /// Makes the poll report them as `token`.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.stream.register(registry, token, Interest::READABLE)
    }

    /// How many have come since the last time.
    pub(super) fn drain(&mut self) -> usize {
        let mut bytes = [0; 64];
        let mut count = 0;
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return count,
                Ok(read) => count += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return count,
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            unregister(id);
        }
    }
}
