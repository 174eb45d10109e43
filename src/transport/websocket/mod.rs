//! WebSocket, RFC 6455, as a byte machine: one end of one connection.
//!
//! Owns: [`WebSocket`], which is first a handshake (HTTP, `upgrade` for a server, `request` for a
//! client) and then frames (`frame`). Packets need not be aligned with frames ([MQTT-6.0.0-2]), so
//! no message is ever put together: what binary frames carry is unmasked where it was read and
//! handed on at once, and a connection that idles owns no buffer.
//!
//! Both ends are strict: what RFC 6455 forbids fails the connection with the close code it names.
//!
//! Never touches a socket, and never knows what the bytes in the frames mean.

mod frame;
mod request;
#[cfg(test)]
mod tests;
mod upgrade;

use std::ops::Range;
use std::sync::Arc;

use frame::{Frames, Got};
use request::Awaited;
use upgrade::Upgrading;

use super::fault::Fault;
use super::settings::{WebRequest, WebRules};
use crate::rng::Rng;

/// What requests to a listener are judged by. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAcceptor(Arc<WebRules>);

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct WebConnector(WebRequest);

impl WebAcceptor {
    /// One that goes by `rules`.
    ///
    /// # Errors
    /// If WebSocket is not part of this build.
    pub fn new(rules: WebRules) -> Result<Self, String> {
        Ok(Self(Arc::new(rules)))
    }
}

impl WebConnector {
    /// One that makes this request.
    ///
    /// # Errors
    /// If WebSocket is not part of this build.
    pub const fn new(request: WebRequest) -> Result<Self, String> {
        Ok(Self(request))
    }
}

/// One end of a WebSocket connection.
#[derive(Debug)]
pub(super) struct WebSocket {
    state: State,
    /// Where a client's masks come from; a server masks nothing.
    masks: Option<Rng>,
}

#[derive(Debug)]
enum State {
    /// A server waits for the request.
    Upgrading(Box<Upgrading>),
    /// A client waits for the answer.
    Awaiting(Box<Awaited>),
    Open(Frames),
    /// A close frame was sent; nothing is sent behind it.
    Closed,
}

/// What came of some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Opened {
    /// Where the payload of binary frames now lies, without anything between.
    pub(super) plain: Range<usize>,
    /// What a proxy said of the client, `X-Forwarded-For`, once the request is complete.
    pub(super) forwarded: Option<String>,
    /// The peer has closed its side, as it should.
    pub(super) is_closed: bool,
    /// What it did wrong; it has been told.
    pub(super) fault: Option<Fault>,
}

/// Close codes of RFC 6455, 7.4.1.
mod code {
    pub(super) const NORMAL: u16 = 1000;
    pub(super) const PROTOCOL: u16 = 1002;
    pub(super) const UNSUPPORTED: u16 = 1003;
    pub(super) const NOT_UTF8: u16 = 1007;
}

impl WebSocket {
    /// Bytes that one takes as long as it lasts.
    pub(super) const BYTES: usize = size_of::<Self>();

    /// The server's end.
    pub(super) fn server(acceptor: &WebAcceptor) -> Self {
        let upgrading = Upgrading::new(Arc::clone(&acceptor.0));
        Self { state: State::Upgrading(Box::new(upgrading)), masks: None }
    }

    /// The client's end; its request goes to `wire`. `seed` must differ from connection to
    /// connection and be unpredictable to whoever decides what is sent.
    pub(super) fn client(connector: &WebConnector, seed: u64, wire: &mut Vec<u8>) -> Self {
        let mut masks = Rng::new(seed);
        let awaited = connector.0.send(&mut masks, wire);
        Self { state: State::Awaiting(Box::new(awaited)), masks: Some(masks) }
    }

    /// Whether frames may be sent.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Takes what was read; answers go to `wire`.
    pub(super) fn open(&mut self, bytes: &mut [u8], wire: &mut Vec<u8>) -> Opened {
        let mut start = 0;
        let mut forwarded = None;
        match &mut self.state {
            State::Upgrading(upgrading) => match upgrading.take(bytes, wire) {
                Ok(None) => return Opened::default(),
                Ok(Some(done)) => (start, forwarded) = (done.taken, done.forwarded),
                Err(fault) => return self.fail(fault),
            },
            State::Awaiting(awaited) => match awaited.take(bytes) {
                Ok(None) => return Opened::default(),
                Ok(Some(taken)) => start = taken,
                Err(fault) => return self.fail(fault),
            },
            State::Open(_) => {}
            State::Closed => return Opened::default(),
        }
        if !self.is_open() {
            self.state = State::Open(Frames::new(self.masks.is_none()));
        }
        let (plain, got) = self.unframe(&mut bytes[start..], wire);
        let plain = start + plain.start..start + plain.end;
        let (is_closed, fault) = match got {
            Ok(Got::All) => (false, None),
            Ok(Got::Close) => (true, None),
            Err(fault) => (false, Some(fault)),
        };
        Opened { plain, forwarded, is_closed, fault }
    }

    fn fail(&mut self, fault: Fault) -> Opened {
        self.state = State::Closed;
        Opened { fault: Some(fault), ..Opened::default() }
    }

    fn unframe(
        &mut self,
        bytes: &mut [u8],
        wire: &mut Vec<u8>,
    ) -> (Range<usize>, Result<Got, Fault>) {
        let State::Open(frames) = &mut self.state else { return (0..0, Ok(Got::All)) };
        let (len, got) = frames.take(bytes, wire, self.masks.as_mut());
        let got = match got {
            Ok(Got::All) => Ok(Got::All),
            Ok(Got::Close) => {
                self.state = State::Closed;
                Ok(Got::Close)
            }
            Err(violation) => {
                self.close_with(violation.code, violation.what, wire);
                Err(Fault(violation.what.into()))
            }
        };
        (0..len, got)
    }

    /// Puts one binary frame of `len` bytes onto the wire, the pieces one behind the other.
    pub(super) fn seal<'a>(
        &mut self,
        len: usize,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        wire: &mut Vec<u8>,
    ) {
        frame::put_binary(wire, len, pieces, self.masks.as_mut());
    }

    /// Says goodbye; nothing can be sent any more.
    pub(super) fn close(&mut self, wire: &mut Vec<u8>) {
        if self.is_open() {
            self.close_with(code::NORMAL, "", wire);
        }
        self.state = State::Closed;
    }

    fn close_with(&mut self, code: u16, why: &str, wire: &mut Vec<u8>) {
        self.state = State::Closed;
        frame::put_close(wire, code, why, self.masks.as_mut());
    }

    /// Bytes it holds on to beyond its own size.
    pub(super) const fn buffered(&self) -> usize {
        match &self.state {
            State::Upgrading(upgrading) => upgrading.buffered(),
            State::Awaiting(awaited) => awaited.buffered(),
            State::Open(frames) => frames.buffered(),
            State::Closed => 0,
        }
    }
}
