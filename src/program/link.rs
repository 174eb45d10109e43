//! One connection to the server.
//!
//! Owns: the transport, the decoder and the bytes that wait to be written. Connecting tries every
//! address of the name in turn; after that nothing blocks.
//!
//! Never knows what the bytes mean beyond where packets begin.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read as _, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use bytes::{Buf, BytesMut};

use crate::codec::{Decoder, EncodeError, PACKET_MAX, Packet, Version, encode};

use crate::time::Time;
use crate::transport::{Scratch, Stream};

use super::Settings;
use super::transport::Transport;

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    transport: Transport,
    /// What is between the transport and packets.
    stream: Option<Box<Stream>>,
    machines: Scratch,
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
            stream: settings.exit.stream(seed()).map_err(io::Error::other)?,
            machines: Scratch::default(),
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

    /// Whether bytes wait that the transport could take.
    pub(super) fn is_waiting(&self) -> bool {
        match &self.stream {
            None => !self.output.is_empty(),
            Some(stream) => {
                stream.is_pending() || (stream.is_established() && !self.output.is_empty())
            }
        }
    }

    /// Writes what the socket takes; true if that was anything. A connection that broke shows
    /// when it is read, behind what the server may have said last.
    pub(super) fn flush(&mut self) -> bool {
        let before = self.output.len();
        let Self { transport, stream, machines, output, .. } = self;
        let outcome = match stream {
            None => write(transport, output),
            Some(stream) => {
                let mut sealing = stream.sealing(transport, machines);
                sealing.drain().and_then(|()| write(&mut sealing, output))
            }
        };
        match outcome {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                self.is_broken = true;
                self.output.clear();
                self.stream.iter_mut().for_each(|stream| stream.discard());
            }
            Ok(()) | Err(_) => {}
        }
        if self.output.is_empty() && self.output.capacity() > KEPT {
            self.output = BytesMut::new();
        }
        self.output.len() < before
    }

    /// Reads into `buffer` what there is now.
    pub(super) fn read<'b>(&mut self, buffer: &'b mut [u8], machines: &'b mut Scratch) -> Read<'b> {
        let count = loop {
            match self.transport.read(buffer) {
                Ok(0) => return Read::End,
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Read::Nothing,
                Err(_) => return Read::End,
            }
        };
        let bytes = &mut buffer[..count];
        let Some(stream) = &mut self.stream else {
            return match bytes {
                [0x15, 3, ..] if self.packets == 0 => Read::Fault(WANTS_TLS.into()),
                bytes => Read::Bytes(bytes),
            };
        };
        let opened = stream.open(bytes, machines);
        match opened.fault {
            Some(what) => Read::Fault(what),
            None if opened.is_closed => Read::Last(opened.plain),
            None => Read::Bytes(opened.plain),
        }
    }

    /// Writes the rest, says that nothing follows and waits for the server to do the same, so
    /// that no reset overtakes what was written; for no longer than `patience`, three times. With
    /// TLS or WebSocket it waits for the server first.
    ///
    /// An error says that something written may not have arrived; that the server does not close
    /// in time is none.
    pub(super) fn close(mut self, patience: Duration) -> io::Result<()> {
        match self.farewell(patience) {
            Err(error) if LATE.contains(&error.kind()) && self.output.is_empty() => Ok(()),
            outcome => outcome,
        }
    }

    fn farewell(&mut self, patience: Duration) -> io::Result<()> {
        if self.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.transport.block(patience)?;
        let is_online = self.online.is_some();
        let Self { transport, stream, machines, output, .. } = self;
        match stream {
            None => transport.write_all(output)?,
            Some(stream) if stream.is_established() => {
                stream.sealing(transport, machines).write_all(output)?;
                output.clear();
                let is_done = is_online && has_closed(transport, stream, machines)?;
                stream.close();
                if is_done {
                    // Whoever has gone does not hear it.
                    let _ = stream.sealing(transport, machines).drain();
                    return Ok(());
                }
                stream.sealing(transport, machines).drain()?;
            }
            Some(_) => {}
        }
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

/// What was read.
#[derive(Debug)]
pub(super) enum Read<'b> {
    /// Nothing now.
    Nothing,
    /// Bytes of packets, perhaps none.
    Bytes(&'b [u8]),
    /// The last of them.
    Last(&'b [u8]),
    /// There is nothing more.
    End,
    /// What is between transport and packets is wrong.
    Fault(String),
}

/// Waits until the server closes; false if it is late. It closes once it has read DISCONNECT, and
/// many read no further: what came behind it would have the connection end with a reset, which
/// looks like a loss.
fn has_closed(
    transport: &mut Transport,
    stream: &mut Stream,
    machines: &mut Scratch,
) -> io::Result<bool> {
    let mut rest = [0; 4096];
    for _ in 0..REST {
        match transport.read(&mut rest) {
            Ok(0) => return Ok(true),
            Ok(count) => {
                let opened = stream.open(&mut rest[..count], machines);
                if opened.is_closed || opened.fault.is_some() {
                    return Ok(true);
                }
            }
            Err(error) if LATE.contains(&error.kind()) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Writes until all is taken or no more is.
fn write(socket: &mut impl Write, output: &mut BytesMut) -> io::Result<()> {
    while !output.is_empty() {
        match socket.write(output) {
            Ok(count) => output.advance(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A number that no server can guess, which the standard library has for its maps.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}

/// The largest packet a server may send.
pub(super) const LIMITS: crate::codec::Limits =
    crate::codec::Limits { packet: PACKET_MAX, connect: PACKET_MAX };

/// What a record that begins as an alert of TLS says of the server.
const WANTS_TLS: &str = "it speaks TLS: --cafile FILE says whom to trust, or --tls-use-os-certs";

/// A connection that lives longer has been of use.
const FRUITLESS_MS: u64 = 10_000;

/// While more bytes than this wait to be written, nothing is added.
const ROOM: usize = 64 * 1024;

/// An empty output buffer of more bytes than this is given back.
const KEPT: usize = 256 * 1024;

/// What the other end is told by that has not done something in time.
const LATE: [io::ErrorKind; 2] = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];

/// So many reads are made of what a server sends after it was left.
const REST: usize = 1024;
