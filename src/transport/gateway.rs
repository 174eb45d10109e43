//! The ways into listeners and out to servers: of what the machines of a connection are made, and
//! whom to believe that stands in between.
//!
//! Owns: [`Gateway`] and [`Exit`]; which proxies are believed, and who is behind them.
//!
//! Never looks up a name.

use core::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::proxy;
use super::stream::Stream;
use super::tls::{Acceptor, Connector, Tls};
use super::websocket::{WebAcceptor, WebConnector, WebSocket};
use crate::network::Network;

/// The way into a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    /// Who may say who the client is, in a PROXY header or by `X-Forwarded-For`. Without any,
    /// everybody may by the former and nobody by the latter.
    pub trusted: Vec<Network>,
    /// What a PROXY header must be like, if there is one.
    pub proxy: Option<proxy::Rules>,
    /// TLS.
    pub tls: Option<Acceptor>,
    /// WebSocket.
    pub web: Option<WebAcceptor>,
}

/// The way out to a server.
#[derive(Clone, Debug, Default)]
pub struct Exit {
    /// TLS.
    pub tls: Option<Connector>,
    /// WebSocket.
    pub web: Option<WebConnector>,
}

impl Gateway {
    /// The machines of a connection from `address`; none if it needs none.
    #[must_use]
    pub fn stream(self: &Arc<Self>, address: Option<SocketAddr>) -> Option<Box<Stream>> {
        let proxy = self.proxy.filter(|_| self.believes_proxy(address));
        let mut stream = Stream::new();
        stream.proxy = proxy.map(|rules| Box::new(proxy::Reader::new(rules)));
        stream.tls = self.tls.as_ref().map(|acceptor| Box::new(Tls::server(acceptor)));
        stream.web = self.web.as_ref().map(|acceptor| Box::new(WebSocket::server(acceptor)));
        stream.gateway = Some(Arc::clone(self));
        stream.address = address;
        (!stream.is_nothing()).then(|| Box::new(stream))
    }

    /// Whether a PROXY header is to be read; who has no address is on this machine.
    fn believes_proxy(&self, address: Option<SocketAddr>) -> bool {
        self.trusted.is_empty() || address.is_none_or(|address| self.trusts(address.ip()))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// The client behind proxies, each of which has added from whom it got the request: the last
    /// one that is no proxy of ours.
    pub(super) fn behind(
        &self,
        address: Option<SocketAddr>,
        forwarded: &str,
    ) -> Option<SocketAddr> {
        if self.trusted.is_empty() || !self.believes_proxy(address) {
            return None;
        }
        let mut client = None;
        for hop in forwarded.rsplit(',') {
            let Some(hop) = forwarded_address(hop.trim()) else { break };
            client = Some(hop);
            if !self.trusts(hop.ip()) {
                break;
            }
        }
        client
    }
}

/// `IP`, `[IP]`, `IP:PORT` or `[IP]:PORT`; the port is often not known, and then 0.
fn forwarded_address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0));
    ip.or_else(|| text.parse().ok())
}

impl Exit {
    /// The machines of a connection to a server; none if it needs none. `seed` must be
    /// unpredictable and new for each connection.
    ///
    /// # Errors
    /// If TLS cannot begin.
    pub fn stream(&self, seed: u64) -> Result<Option<Box<Stream>>, String> {
        let mut stream = Stream::new();
        if let Some(connector) = &self.tls {
            let tls = Tls::client(connector, &mut stream.pending).map_err(|fault| fault.0)?;
            stream.tls = Some(Box::new(tls));
        }
        stream.plan = self.web.clone().map(|connector| Box::new((connector, seed)));
        stream.begin_web();
        Ok((!stream.is_nothing()).then(|| Box::new(stream)))
    }
}
