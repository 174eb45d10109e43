//! One connection to the server.
//!
//! Owns: the transport, the decoder and the bytes that wait to be written. Connecting tries every
//! address of the name in turn; after that nothing blocks.
//!
//! Never knows what the bytes mean beyond where packets begin.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use bytes::{Buf, BytesMut};

use crate::codec::{Decoder, EncodeError, PACKET_MAX, Packet, Version, encode};

use crate::time::Time;

use super::Settings;
use super::transport::Transport;

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    transport: Transport,
    pub(super) decoder: Decoder,
    output: BytesMut,
    /// Something could not be written; what there is to read may say why.
    is_broken: bool,
    /// When the server accepted it.
    pub(super) online: Option<Time>,
    /// Packets received, the CONNACK among them.
    pub(super) packets: u64,
}

impl Link {
    /// Connects to the first address of the server that answers within `patience` each.
    pub(super) fn open(settings: &Settings, patience: Duration) -> io::Result<Self> {
        Ok(Self {
            transport: Transport::open(&settings.server, patience)?,
            decoder: Decoder::client(settings.version()),
            output: BytesMut::new(),
            is_broken: false,
            online: None,
            packets: 0,
        })
    }

    /// Whether the server accepted the connection and nothing came of it.
    pub(super) fn was_fruitless(&self, now: Time) -> bool {
        self.packets <= 1 && self.online.is_some_and(|at| now.ms_since(at) < FRUITLESS_MS)
    }

    /// Queues a packet.
    pub(super) fn send(&mut self, packet: &Packet, version: Version) -> Result<(), EncodeError> {
        encode(packet, version, &mut self.output)
    }

    /// Whether more may be sent for now.
    pub(super) fn has_room(&self) -> bool {
        !self.is_broken && self.output.len() < ROOM
    }

    /// Bytes that wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.output.len()
    }

    /// Writes what the socket takes; true if that was anything. A connection that broke shows
    /// when it is read, behind what the server may have said last.
    pub(super) fn flush(&mut self) -> bool {
        let before = self.output.len();
        while !self.output.is_empty() {
            match self.transport.write(&self.output) {
                Ok(n) => self.output.advance(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.is_broken = true;
                    self.output.clear();
                }
            }
        }
        if self.output.is_empty() && self.output.capacity() > KEPT {
            self.output = BytesMut::new();
        }
        self.output.len() < before
    }

    /// Reads into `buffer`; `None` when there is nothing now, 0 when there never will be.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        loop {
            match self.transport.read(buffer) {
                Ok(n) => return Some(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => return Some(0),
            }
        }
    }

    /// Writes the rest, says that nothing follows and waits for the server to do the same, so
    /// that no reset overtakes what was written; for no longer than `patience`, twice.
    ///
    /// An error says that something written may not have arrived; that the server does not close
    /// in time is none.
    pub(super) fn close(mut self, patience: Duration) -> io::Result<()> {
        let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
        match self.farewell(patience) {
            Err(error) if late.contains(&error.kind()) && self.output.is_empty() => Ok(()),
            outcome => outcome,
        }
    }

    fn farewell(&mut self, patience: Duration) -> io::Result<()> {
        if self.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.transport.block(patience)?;
        self.transport.write_all(&self.output)?;
        self.output.clear();
        self.transport.shutdown_write()?;
        let mut rest = [0; 4096];
        for _ in 0..REST {
            if self.transport.read(&mut rest)? == 0 {
                break;
            }
        }
        Ok(())
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}

/// The largest packet a server may send.
pub(super) const LIMITS: crate::codec::Limits =
    crate::codec::Limits { packet: PACKET_MAX, connect: PACKET_MAX };

/// A connection that lives longer has been of use.
const FRUITLESS_MS: u64 = 10_000;

/// While more bytes than this wait to be written, nothing is added.
const ROOM: usize = 64 * 1024;

/// An empty output buffer of more bytes than this is given back.
const KEPT: usize = 256 * 1024;

/// So many reads are made of what a server sends after it was left.
const REST: usize = 1024;
