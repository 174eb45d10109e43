//! The stream socket of a client.
//!
//! Owns: one type for those of a network and those of this machine, which differ in nothing once
//! they are open.
//!
//! Never blocks: whoever accepted it has seen to that.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::Socket;

use super::hub;

/// A connected stream socket.
#[derive(Debug)]
pub(super) struct ClientSocket(Socket);

impl From<mio::net::TcpStream> for ClientSocket {
    fn from(stream: mio::net::TcpStream) -> Self {
        Self(OwnedFd::from(stream).into())
    }
}

impl From<mio::net::UnixStream> for ClientSocket {
    fn from(stream: mio::net::UnixStream) -> Self {
        Self(OwnedFd::from(stream).into())
    }
}

impl Read for ClientSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for ClientSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl hub::Socket for ClientSocket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

impl Source for ClientSocket {
    fn register(&mut self, registry: &Registry, token: Token, wants: Interest) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).register(registry, token, wants)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, wants: Interest) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).reregister(registry, token, wants)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).deregister(registry)
    }
}
