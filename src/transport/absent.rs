//! The machines that this build does not have.
//!
//! Owns: types without values in their places, so that nobody who uses them has to ask whether they
//! are there; making one is an error that says what is missing.
//!
//! Never does anything: nothing of it can exist.

/// In place of TLS.
#[cfg(not(feature = "tls"))]
#[expect(clippy::needless_pass_by_ref_mut, reason = "as the machines that are there take it")]
pub(super) mod tls {
    use std::rc::Rc;

    use super::super::fault::Fault;
    use super::super::settings::{Clock, Expiry, TlsClient, TlsServer};
    use crate::session;

    /// What handshakes of a listener need.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Acceptor {}

    /// What handshakes of a client need.
    #[derive(Clone, Debug)]
    pub enum Connector {}

    #[derive(Debug)]
    pub(in super::super) enum Tls {}

    #[derive(Debug, Default)]
    pub(in super::super) struct Opened {
        pub(in super::super) is_closed: bool,
        pub(in super::super) fault: Option<Fault>,
    }

    const NONE: &str = "this build has no TLS; build it with the feature 'tls'";

    impl Acceptor {
        /// Fails.
        ///
        /// # Errors
        /// There is no TLS.
        pub fn new(_: &TlsServer, _: Clock) -> Result<Self, String> {
            Err(NONE.into())
        }

        /// Of nothing.
        #[must_use]
        pub fn expiry(&self) -> &[Expiry] {
            match *self {}
        }
    }

    impl Connector {
        /// Fails.
        ///
        /// # Errors
        /// There is no TLS.
        pub fn new(_: &TlsClient, _: &str, _: Clock) -> Result<Self, String> {
            Err(NONE.into())
        }
    }

    impl Tls {
        pub(in super::super) fn server(acceptor: &Acceptor) -> Self {
            match *acceptor {}
        }

        pub(in super::super) fn client(
            connector: &Connector,
            _: &mut Vec<u8>,
        ) -> Result<Self, Fault> {
            match *connector {}
        }

        pub(in super::super) const BYTES: usize = 0;

        pub(in super::super) fn is_new(&self) -> bool {
            match *self {}
        }

        pub(in super::super) fn is_left(&self) -> bool {
            match *self {}
        }

        pub(in super::super) fn is_handshaking(&self) -> bool {
            match *self {}
        }

        pub(in super::super) fn buffered(&self) -> usize {
            match *self {}
        }

        pub(in super::super) fn certificate(&self) -> Option<Rc<session::Certificate>> {
            match *self {}
        }

        pub(in super::super) fn open(
            &mut self,
            _: &mut [u8],
            _: &mut Vec<u8>,
            _: &mut Vec<u8>,
        ) -> Opened {
            match *self {}
        }

        pub(in super::super) fn seal(&mut self, _: &[&[u8]], _: &mut Vec<u8>) {
            match *self {}
        }

        pub(in super::super) fn close(&mut self, _: &mut Vec<u8>) {
            match *self {}
        }
    }
}

/// In place of WebSocket.
#[cfg(not(feature = "websocket"))]
#[expect(clippy::needless_pass_by_ref_mut, reason = "as the machines that are there take it")]
pub(super) mod websocket {
    use std::ops::Range;

    use super::super::fault::Fault;
    use super::super::settings::{WebRequest, WebRules};

    /// What requests to a listener are judged by.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum WebAcceptor {}

    /// What a client asks for.
    #[derive(Clone, Debug)]
    pub enum WebConnector {}

    const NONE: &str = "this build has no WebSocket; build it with the feature 'websocket'";

    impl WebAcceptor {
        /// Fails.
        ///
        /// # Errors
        /// There is no WebSocket.
        pub fn new(_: WebRules) -> Result<Self, String> {
            Err(NONE.into())
        }
    }

    impl WebConnector {
        /// Fails.
        ///
        /// # Errors
        /// There is no WebSocket.
        pub fn new(_: WebRequest) -> Result<Self, String> {
            Err(NONE.into())
        }
    }

    #[derive(Debug)]
    pub(in super::super) enum WebSocket {}

    #[derive(Debug, Default)]
    pub(in super::super) struct Opened {
        pub(in super::super) plain: Range<usize>,
        pub(in super::super) forwarded: Option<String>,
        pub(in super::super) is_closed: bool,
        pub(in super::super) fault: Option<Fault>,
    }

    impl WebSocket {
        pub(in super::super) const BYTES: usize = 0;

        pub(in super::super) fn server(acceptor: &WebAcceptor) -> Self {
            match *acceptor {}
        }

        pub(in super::super) fn client(connector: &WebConnector, _: u64, _: &mut Vec<u8>) -> Self {
            match *connector {}
        }

        pub(in super::super) fn is_open(&self) -> bool {
            match *self {}
        }

        pub(in super::super) fn open(&mut self, _: &mut [u8], _: &mut Vec<u8>) -> Opened {
            match *self {}
        }

        pub(in super::super) fn seal<'a>(
            &mut self,
            _: usize,
            _: impl IntoIterator<Item = &'a [u8]>,
            _: &mut Vec<u8>,
        ) {
            match *self {}
        }

        pub(in super::super) fn close(&mut self, _: &mut Vec<u8>) {
            match *self {}
        }

        pub(in super::super) fn buffered(&self) -> usize {
            match *self {}
        }
    }
}
