//! A socket behind a stream.
//!
//! Owns: [`Sealing`], which is to packets what a socket is, and how much it seals at once.
//!
//! Never seals more while something that was sealed waits for the socket.

use std::io::{self, IoSlice, Write};

use super::stream::{Scratch, Stream};

/// Bytes of packets sealed at once at the most.
pub const BATCH: usize = 64 << 10;

/// Pieces of a gather list sealed at once at the most.
const PIECES: usize = 64;

/// A socket behind a [`Stream`]. What it takes was sealed, and left as far as the real socket took
/// it; the rest waits in the stream.
#[derive(Debug)]
pub struct Sealing<'a, W> {
    stream: &'a mut Stream,
    socket: &'a mut W,
    scratch: &'a mut Scratch,
}

impl<'a, W> Sealing<'a, W> {
    pub(super) const fn new(
        stream: &'a mut Stream,
        socket: &'a mut W,
        scratch: &'a mut Scratch,
    ) -> Self {
        Self { stream, socket, scratch }
    }
}

impl<W: Write> Sealing<'_, W> {
    /// Writes what waits.
    ///
    /// # Errors
    /// What the socket says; `WouldBlock` if something still waits.
    pub fn drain(&mut self) -> io::Result<()> {
        let mut sent = 0;
        let outcome = write_all(self.socket, &self.stream.pending, &mut sent);
        if sent == self.stream.pending.len() {
            self.stream.pending = Vec::new();
        } else {
            self.stream.pending.drain(..sent);
        }
        outcome
    }

    /// Seals a batch and writes it.
    fn put(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        self.stream.seal(pieces, self.scratch);
        let mut sent = 0;
        let wire = &self.scratch.wire;
        let outcome = write_all(self.socket, wire, &mut sent);
        self.stream.pending.extend_from_slice(&wire[sent..]);
        outcome
    }
}

impl<W: Write> Write for Sealing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let all: usize = slices.iter().map(|slice| slice.len()).sum();
        if self.stream.is_over {
            return Ok(all); // Nobody would read it.
        }
        if !self.stream.is_established() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.drain()?;
        let mut taken = 0;
        let (mut place, mut skip) = (0, 0);
        while taken < all {
            let mut pieces = [&[][..]; PIECES];
            let (mut count, mut len) = (0, 0);
            while let Some(slice) = slices.get(place)
                && count < PIECES
                && len < BATCH
            {
                let piece = &slice[skip..];
                let piece = &piece[..piece.len().min(BATCH - len)];
                pieces[count] = piece;
                (count, len, skip) = (count + 1, len + piece.len(), skip + piece.len());
                if skip == slice.len() {
                    (place, skip) = (place + 1, 0);
                }
            }
            taken += len;
            match self.put(&pieces[..count]) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.drain()
    }
}

/// Writes until all is taken or the socket takes no more; `sent` is how much it took.
fn write_all(socket: &mut impl Write, bytes: &[u8], sent: &mut usize) -> io::Result<()> {
    while *sent < bytes.len() {
        match socket.write(&bytes[*sent..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                *sent += count;
                if *sent < bytes.len() {
                    // A stream socket that takes less than it is offered is full.
                    return Err(io::ErrorKind::WouldBlock.into());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
