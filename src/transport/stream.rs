//! What lies between a socket and packets: for most connections nothing, for others one or more
//! byte machines, one above the other.
//!
//! ```text
//! socket -> PROXY header -> TLS -> WebSocket -> packets
//! socket <----------------- TLS <- WebSocket <- packets
//! ```
//!
//! Owns: [`Stream`], the machines of one connection, and what of their output the socket has not
//! taken. A connection without any has no `Stream` and pays for none.
//!
//! **Bounds.** Packets are sealed only when the socket has taken what was sealed before, at most
//! [`BATCH`](super::BATCH) bytes at once: so much waits at the most, and what machines answer by
//! themselves (whoever does not read his answers is not read). A stream that idles owns no buffer.
//!
//! Never polls, never knows what the bytes mean.

use core::net::SocketAddr;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use super::gateway::Gateway;
use super::proxy;
use super::sealing::Sealing;
use super::stage::Stage;
use super::tls::Tls;
use super::websocket::{WebConnector, WebSocket};
use crate::session::Certificate;

/// A shared buffer that has grown beyond this is freed when it is not needed.
const KEPT: usize = 512 << 10;

/// The machines of one connection.
#[derive(Debug)]
pub struct Stream {
    pub(super) proxy: Option<Box<proxy::Reader>>,
    pub(super) tls: Option<Box<Tls>>,
    pub(super) web: Option<Box<WebSocket>>,
    /// The WebSocket of a client, to be begun once TLS is there, and its seed.
    pub(super) plan: Option<Box<(WebConnector, u64)>>,
    /// Of a server.
    pub(super) gateway: Option<Arc<Gateway>>,
    /// From where the connection is, as far as is known.
    pub(super) address: Option<SocketAddr>,
    certificate: Option<Rc<Certificate>>,
    /// There is something to be said of the peer that was not known when it was accepted.
    is_news: bool,
    is_introduced: bool,
    /// A PROXY header was read.
    is_proxied: bool,
    /// A goodbye or a last complaint was said: nothing is sealed any more.
    pub(super) is_over: bool,
    /// Sealed, and not taken by the socket.
    pub(super) pending: Vec<u8>,
    /// Room of packets in `pending`, to be given back when it has left.
    owed: u32,
}

/// Buffers that all connections share.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Decrypted.
    plain: Vec<u8>,
    /// Put into frames and not encrypted yet.
    framed: Vec<u8>,
    /// Ready for the socket.
    pub(super) wire: Vec<u8>,
}

/// What came of some bytes, in the order in which it counts.
#[derive(Debug, Default)]
pub struct Opened<'a> {
    /// Who the peer is, before its first packet.
    pub introduction: Option<Introduction>,
    /// Bytes of packets.
    pub plain: &'a [u8],
    /// The peer has closed the connection, as it should.
    pub is_closed: bool,
    /// What is wrong with what came.
    pub fault: Option<String>,
}

/// Who a peer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Introduction {
    /// Its real address.
    pub address: Option<SocketAddr>,
    /// The certificate it has shown.
    pub certificate: Option<Rc<Certificate>>,
}

impl Stream {
    pub(super) const fn new() -> Self {
        Self {
            proxy: None,
            tls: None,
            web: None,
            plan: None,
            gateway: None,
            address: None,
            certificate: None,
            is_news: false,
            is_introduced: false,
            is_proxied: false,
            is_over: false,
            pending: Vec::new(),
            owed: 0,
        }
    }

    pub(super) const fn is_nothing(&self) -> bool {
        self.proxy.is_none() && self.tls.is_none() && self.web.is_none() && self.plan.is_none()
    }

    /// Whether cryptography is to be done before packets can come.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether packets can be sent.
    #[must_use]
    pub fn is_established(&self) -> bool {
        let is_web = self.web.as_ref().is_none_or(|web| web.is_open());
        self.proxy.is_none() && self.plan.is_none() && is_web && !self.is_handshaking()
    }

    /// Whether sealed bytes wait for the socket.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Where the peer is, as far as is known.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// How far the peer came, as long as no packet has come whole.
    #[must_use]
    pub fn stage(&self) -> Stage {
        if let Some(proxy) = &self.proxy {
            return if proxy.buffered() == 0 { Stage::Nothing } else { Stage::Proxy };
        }
        let is_behind_proxy = self.is_proxied;
        if self.is_handshaking() {
            let is_new = self.tls.as_ref().is_some_and(|tls| tls.is_new());
            return if is_new && !is_behind_proxy { Stage::Nothing } else { Stage::Tls };
        }
        match &self.web {
            Some(web) if web.is_open() => Stage::Packets,
            Some(web) if web.buffered() > 0 || is_behind_proxy || self.tls.is_some() => Stage::Web,
            Some(_) => Stage::Nothing,
            None => Stage::Packets,
        }
    }

    /// Bytes that it takes as long as it lasts, about; what it holds on to
    /// [for the moment](Self::waiting) comes on top.
    #[must_use]
    pub fn footprint(&self) -> usize {
        let tls = if self.tls.is_some() { Tls::BYTES } else { 0 };
        let web = if self.web.is_some() { WebSocket::BYTES } else { 0 };
        size_of::<Self>() + tls + web
    }

    /// Bytes it holds on to for the moment.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let proxy = self.proxy.as_ref().map_or(0, |proxy| proxy.buffered());
        let tls = self.tls.as_ref().map_or(0, |tls| tls.buffered());
        let web = self.web.as_ref().map_or(0, |web| web.buffered());
        self.pending.len() + proxy + tls + web
    }

    /// Takes what was read.
    pub fn open<'a>(&mut self, bytes: &'a mut [u8], scratch: &'a mut Scratch) -> Opened<'a> {
        let mut opened = Opened::default();
        let mut bytes = bytes;
        if let Some(proxy) = &mut self.proxy {
            match proxy.take(bytes) {
                Ok(None) => return opened,
                Ok(Some((taken, said))) => {
                    self.proxy = None;
                    self.is_proxied = true;
                    self.proxied(said);
                    bytes = &mut bytes[taken..];
                }
                Err(fault) => {
                    self.is_over = true;
                    opened.fault = Some(fault.0);
                    return opened;
                }
            }
        }
        let Scratch { plain, framed, .. } = scratch;
        if let Some(tls) = &mut self.tls {
            plain.clear();
            plain.shrink_to(KEPT);
            let said = tls.open(bytes, plain, &mut self.pending);
            (opened.is_closed, opened.fault) = (said.is_closed, said.fault.map(|fault| fault.0));
            bytes = plain;
            if !tls.is_handshaking() && self.plan.is_some() {
                self.begin_web();
            }
        }
        if let Some(web) = &mut self.web {
            framed.clear();
            let wire = if self.tls.is_some() { &mut *framed } else { &mut self.pending };
            let said = web.open(bytes, wire);
            bytes = &mut bytes[said.plain];
            opened.is_closed |= said.is_closed;
            opened.fault = opened.fault.or_else(|| said.fault.map(|fault| fault.0));
            if let Some(forwarded) = said.forwarded {
                self.forwarded(&forwarded);
            }
            if let (Some(tls), false) = (&mut self.tls, framed.is_empty()) {
                tls.seal(&[framed], &mut self.pending);
            }
        }
        opened.plain = bytes;
        self.is_over |= opened.fault.is_some();
        opened.introduction = self.introduce();
        opened
    }

    fn proxied(&mut self, said: proxy::Said) {
        if said.address.is_some() {
            self.address = said.address;
            self.is_news = true;
        }
        if said.common_name.is_some() {
            let common_name = said.common_name;
            self.certificate = Some(Rc::new(Certificate { common_name, ..Certificate::default() }));
            self.is_news = true;
        }
    }

    fn forwarded(&mut self, hops: &str) {
        let gateway = self.gateway.as_ref();
        let client = gateway.and_then(|gateway| gateway.behind(self.address, hops));
        if client.is_some() {
            self.address = client;
            self.is_news = true;
        }
    }

    /// Says once who the peer is, when all is known that will be.
    fn introduce(&mut self) -> Option<Introduction> {
        if self.is_introduced || !(self.is_established() || self.is_over) {
            return None;
        }
        self.is_introduced = true;
        if let Some(certificate) = self.tls.as_ref().and_then(|tls| tls.certificate()) {
            self.certificate = Some(certificate);
            self.is_news = true;
        }
        let certificate = self.certificate.take();
        self.is_news.then_some(Introduction { address: self.address, certificate })
    }

    /// Sends the request of a client's WebSocket, once it can be sent.
    #[cfg_attr(
        not(feature = "websocket"),
        expect(unreachable_code, reason = "nobody can plan what is not there")
    )]
    pub(super) fn begin_web(&mut self) {
        if self.is_handshaking() {
            return;
        }
        let Some(plan) = self.plan.take() else { return };
        let (connector, seed) = &*plan;
        let mut framed = Vec::new();
        self.web = Some(Box::new(WebSocket::client(connector, *seed, &mut framed)));
        match &mut self.tls {
            Some(tls) => tls.seal(&[&framed], &mut self.pending),
            None => self.pending.append(&mut framed),
        }
    }

    /// Says goodbye; nothing is sent behind it.
    pub fn close(&mut self) {
        if mem::replace(&mut self.is_over, true) {
            return;
        }
        if let Some(web) = &mut self.web {
            let mut framed = Vec::new();
            web.close(&mut framed);
            match &mut self.tls {
                Some(tls) if !framed.is_empty() => tls.seal(&[&framed], &mut self.pending),
                _ => self.pending.append(&mut framed),
            }
        }
        if let Some(tls) = &mut self.tls {
            tls.close(&mut self.pending);
        }
    }

    /// Forgets what waits for the socket.
    pub fn discard(&mut self) {
        self.pending = Vec::new();
        self.owed = 0;
        self.is_over = true;
    }

    /// Notes that so much room is to be given back, and says how much can be: all, if nothing
    /// that was sealed waits.
    #[must_use]
    pub fn settle(&mut self, credit: usize) -> usize {
        let all = credit + self.owed as usize;
        let owed = if self.is_pending() { all } else { 0 };
        self.owed = u32::try_from(owed).expect("room is below 4 GiB");
        all - owed
    }

    /// Writes to `socket` what waits, then what it is given, sealed.
    pub const fn sealing<'a, W>(
        &'a mut self,
        socket: &'a mut W,
        scratch: &'a mut Scratch,
    ) -> Sealing<'a, W> {
        Sealing::new(self, socket, scratch)
    }

    pub(super) fn seal(&mut self, pieces: &[&[u8]], scratch: &mut Scratch) {
        let Scratch { framed, wire, .. } = scratch;
        wire.clear();
        wire.shrink_to(KEPT);
        let len = pieces.iter().map(|piece| piece.len()).sum();
        match (&mut self.web, &mut self.tls) {
            (Some(web), None) => web.seal(len, pieces.iter().copied(), wire),
            (None, Some(tls)) => tls.seal(pieces, wire),
            (Some(web), Some(tls)) => {
                framed.clear();
                web.seal(len, pieces.iter().copied(), framed);
                tls.seal(&[framed], wire);
            }
            // Only a PROXY header came before what is plain.
            (None, None) => pieces.iter().for_each(|piece| wire.extend_from_slice(piece)),
        }
    }
}

/// For `server::sizes`.
#[cfg(test)]
impl Stream {
    pub(crate) const WEB_BYTES: usize = size_of::<WebSocket>();
    pub(crate) const TLS_BYTES: usize = size_of::<Tls>();
}
