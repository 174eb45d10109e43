//! The machine of rustls without its buffers, turned by hand.
//!
//! Owns: the loops that give it bytes and take from it what it has decrypted, what it has to say by
//! itself, and what it has encrypted; for both ends alike.
//!
//! Never keeps a byte.

use rustls::Error;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};

/// The two ends, which rustls has no common name for.
pub(super) trait Machine {
    type Data;

    fn has_more_to_say(&self) -> bool;

    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Machine for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn has_more_to_say(&self) -> bool {
        self.wants_write()
    }

    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(bytes)
    }
}

impl Machine for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn has_more_to_say(&self) -> bool {
        self.wants_write()
    }

    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(bytes)
    }
}

/// What is to be encrypted.
pub(super) enum What<'a> {
    Plain(&'a [u8]),
    Goodbye,
}

impl What<'_> {
    fn put<D>(
        &self,
        traffic: &mut WriteTraffic<'_, D>,
        room: &mut [u8],
    ) -> Result<usize, EncryptError> {
        match self {
            Self::Plain(bytes) => traffic.encrypt(bytes, room),
            Self::Goodbye => traffic.queue_close_notify(room),
        }
    }
}

pub(super) fn process<M: Machine>(
    machine: &mut M,
    bytes: &mut [u8],
    plain: &mut Vec<u8>,
    wire: &mut Vec<u8>,
) -> (usize, Result<bool, Error>) {
    let mut used = 0;
    loop {
        let UnbufferedStatus { mut discard, state, .. } = machine.process(&mut bytes[used..]);
        let outcome = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut outcome = None;
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => {
                            discard += record.discard;
                            plain.extend_from_slice(record.payload);
                        }
                        Err(error) => {
                            outcome = Some(Err(error));
                            break;
                        }
                    }
                }
                outcome
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(wire, 0, |room| data.encode(room));
                None
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                None
            }
            Ok(ConnectionState::PeerClosed) => Some(Ok(true)),
            // All is read that has come.
            Ok(_) => Some(Ok(false)),
            Err(error) => Some(Err(error)),
        };
        used += discard;
        if let Some(outcome) = outcome {
            if outcome.is_err() {
                tell(machine, &mut bytes[used..], wire);
            }
            return (used, outcome);
        }
    }
}

/// Puts onto the wire what the peer is to be told of an error; `rest` is what is left of the bytes
/// that brought it, which rustls wants to see although it reads no further.
fn tell<M: Machine>(machine: &mut M, rest: &mut [u8], wire: &mut Vec<u8>) {
    while machine.has_more_to_say() {
        let status = machine.process(rest);
        let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else { return };
        append(wire, 0, |room| data.encode(room));
    }
}

/// Puts onto the wire what waits for it, and then `what`, if it may be sent already.
pub(super) fn write<M: Machine>(
    machine: &mut M,
    partial: &mut Vec<u8>,
    wire: &mut Vec<u8>,
    room: usize,
    what: &What<'_>,
) {
    loop {
        let UnbufferedStatus { discard, state, .. } = machine.process(partial);
        let is_done = match state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(wire, 0, |room| data.encode(room));
                false
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                false
            }
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                append(wire, room, |room| what.put(&mut traffic, room));
                true
            }
            Ok(ConnectionState::PeerClosed) => false,
            Ok(_) | Err(_) => true,
        };
        partial.drain(..discard);
        if is_done {
            return;
        }
    }
}

/// Appends what `put` puts into the room it is given; `room` bytes are probably enough.
fn append<E: TooSmall>(
    wire: &mut Vec<u8>,
    mut room: usize,
    mut put: impl FnMut(&mut [u8]) -> Result<usize, E>,
) {
    let start = wire.len();
    loop {
        wire.resize(start + room, 0);
        match put(&mut wire[start..]).map_err(|error| error.required()) {
            Ok(len) => return wire.truncate(start + len),
            Err(Some(needed)) if needed > room => room = needed,
            Err(_) => return wire.truncate(start),
        }
    }
}

/// An error that may say how much room there must be.
trait TooSmall {
    fn required(&self) -> Option<usize>;
}

impl TooSmall for EncodeError {
    fn required(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
            Self::AlreadyEncoded => None,
        }
    }
}

impl TooSmall for EncryptError {
    fn required(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
            // So many bytes were sent under one key that no more may be.
            Self::EncryptExhausted => None,
        }
    }
}
