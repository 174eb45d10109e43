//! TLS as a byte machine: one end of one connection.
//!
//! Owns: [`Tls`], which turns what was read into plain bytes and plain bytes into what is to be
//! written; what both ends need for their handshakes is made once, by [`Acceptor`] and
//! [`Connector`].
//!
//! rustls is used without its buffers: records are decrypted where they were read, and what is
//! kept is the beginning of a record whose end has not come. So a connection that idles owns its
//! keys and no buffer.
//!
//! Never touches a socket or a file, and never asks a clock of its own.

mod certificate;
mod cipher;
mod client;
mod identity;
mod machine;
mod pem;
mod server;
#[cfg(test)]
mod tests;
mod verify;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::UnixTime;
use rustls::server::UnbufferedServerConnection;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, CommonState, Error, InvalidMessage};

pub use client::Connector;
pub use server::Acceptor;

use super::fault::{self, Fault};
use super::settings::Clock;
use crate::session;
use certificate::Certificate;
use machine::{What, process, write};

/// One end of a TLS connection.
pub(super) struct Tls {
    end: End,
    /// The beginning of a record, or of a message of the handshake.
    partial: Vec<u8>,
    /// Nothing has been read yet.
    is_new: bool,
    /// The peer has closed its side.
    is_left: bool,
    /// The connection has failed, or was closed from this side.
    is_over: bool,
}

enum End {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// The clock as rustls wants it.
struct Wall(Clock);

impl TimeProvider for Wall {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs((self.0)())))
    }
}

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wall")
    }
}

/// What came of some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Opened {
    /// The peer has closed its side, as it should.
    pub(super) is_closed: bool,
    /// What is wrong; the peer has been told.
    pub(super) fault: Option<Fault>,
}

/// Bytes of an unfinished record or message of the handshake at the most. (rustls takes no message
/// of more than 64 KiB.)
const PARTIAL_MAX: usize = 96 << 10;

/// What a record adds to what is in it, and what may have to go before it (a change of keys).
const RECORD_EXTRA: usize = 64;
const RECORD_LEN: usize = 16 << 10;

/// Bytes of the heap that rustls takes for a connection, keys and all.
const HEAP: usize = 4 << 10;

impl Tls {
    /// Bytes that one takes as long as it lasts, about.
    pub(super) const BYTES: usize = size_of::<Self>() + HEAP;

    /// The server's end.
    pub(super) fn server(acceptor: &Acceptor) -> Self {
        Self::new(End::Server(acceptor.connection()))
    }

    /// The client's end; its first words go to `wire`.
    pub(super) fn client(connector: &Connector, wire: &mut Vec<u8>) -> Result<Self, Fault> {
        let connection = connector.connection().map_err(|error| Fault(told(&error, &[])))?;
        let mut tls = Self { is_new: false, ..Self::new(End::Client(connection)) };
        match tls.open(&mut [], &mut Vec::new(), wire).fault {
            Some(fault) => Err(fault),
            None => Ok(tls),
        }
    }

    const fn new(end: End) -> Self {
        Self { end, partial: Vec::new(), is_new: true, is_left: false, is_over: false }
    }

    fn state(&self) -> &CommonState {
        match &self.end {
            End::Server(connection) => connection,
            End::Client(connection) => connection,
        }
    }

    /// Whether the handshake is still to be done.
    pub(super) fn is_handshaking(&self) -> bool {
        self.state().is_handshaking()
    }

    /// Whether nothing was read yet.
    pub(super) const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether the peer has said goodbye, and waits for ours.
    pub(super) const fn is_left(&self) -> bool {
        self.is_left && !self.is_over
    }

    /// Bytes it holds on to beyond the size of a connection that idles.
    pub(super) const fn buffered(&self) -> usize {
        self.partial.capacity()
    }

    /// What the certificate says that the peer has shown.
    pub(super) fn certificate(&self) -> Option<Rc<session::Certificate>> {
        let leaf = self.state().peer_certificates()?.first()?;
        let certificate = Certificate::read(leaf).ok()?;
        Some(Rc::new(certificate.facts(cipher::sha256(leaf))))
    }

    /// Takes what was read; plain bytes go to `plain` and answers to `wire`.
    pub(super) fn open(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> Opened {
        if self.is_over {
            return Opened::default();
        }
        let first: Vec<u8> =
            if self.is_new { bytes.iter().take(16).copied().collect() } else { Vec::new() };
        self.is_new &= bytes.is_empty();
        let mut kept = std::mem::take(&mut self.partial);
        let (used, outcome) = if kept.is_empty() {
            self.process(bytes, plain, wire)
        } else {
            kept.extend_from_slice(bytes);
            self.process(&mut kept, plain, wire)
        };
        let rest = if kept.is_empty() { &bytes[used..] } else { &kept[used..] };
        match outcome {
            Ok(true) => {
                self.is_left = true;
                Opened { is_closed: true, fault: None }
            }
            Ok(false) if rest.len() > PARTIAL_MAX => self.fail(Fault("TLS: too long".into())),
            Ok(false) => {
                if !rest.is_empty() {
                    self.partial = rest.to_vec();
                }
                Opened::default()
            }
            Err(error) => {
                let fault = Fault(told(&error, &first));
                self.fail(fault)
            }
        }
    }

    fn fail(&mut self, fault: Fault) -> Opened {
        self.is_over = true;
        Opened { is_closed: false, fault: Some(fault) }
    }

    /// How many bytes were used, and whether the peer has closed its side.
    fn process(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> (usize, Result<bool, Error>) {
        match &mut self.end {
            End::Server(connection) => process(connection, bytes, plain, wire),
            End::Client(connection) => process(connection, bytes, plain, wire),
        }
    }

    /// Puts the pieces onto the wire, one behind the other.
    pub(super) fn seal(&mut self, pieces: &[&[u8]], wire: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        // A record for each piece would be no good if they are small: they are put together.
        let joined;
        let plain = if let [piece] = pieces {
            *piece
        } else {
            joined = pieces.concat();
            &joined
        };
        let room = len + (len / RECORD_LEN + 2) * RECORD_EXTRA;
        self.write(wire, room, &What::Plain(plain));
    }

    /// Says goodbye; nothing can be sent any more.
    pub(super) fn close(&mut self, wire: &mut Vec<u8>) {
        if !self.is_over && !self.is_handshaking() {
            self.write(wire, RECORD_EXTRA, &What::Goodbye);
        }
        self.is_over = true;
    }

    fn write(&mut self, wire: &mut Vec<u8>, room: usize, what: &What<'_>) {
        let Self { end, partial, .. } = self;
        match end {
            End::Server(connection) => write(connection, partial, wire, room, what),
            End::Client(connection) => write(connection, partial, wire, room, what),
        }
    }
}

/// What is said of an error in the log; `first` are the first bytes a client has sent.
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls has its own words for all others")]
fn told(error: &Error, first: &[u8]) -> String {
    match error {
        Error::InvalidMessage(_) if fault::spoken(first).is_some() => {
            fault::spoken(first).unwrap_or_default().into()
        }
        Error::NoCertificatesPresented => "TLS: the client has shown no certificate".into(),
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "TLS: nobody trusted vouches for the certificate".into()
        }
        Error::InvalidCertificate(CertificateError::Expired) => {
            "TLS: the certificate has expired".into()
        }
        Error::InvalidCertificate(CertificateError::Revoked) => {
            "TLS: the certificate was revoked".into()
        }
        Error::AlertReceived(alert) => format!("TLS: the other end has given up: {alert:?}"),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => "TLS: this is no TLS".into(),
        error => format!("TLS: {error}"),
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}
