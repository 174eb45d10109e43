//! Between packets and a socket: what waits to be sent to one peer, and in which order it may;
//! and what else lies there.
//!
//! Owns: [`Output`], the two lanes and their gate; the [`Pool`] its buffers come from; [`Stream`],
//! the byte machines of a connection that has any (PROXY header, TLS, WebSocket), and the ways in
//! and out that they are made by, [`Gateway`] and [`Exit`]. Reading needs no lanes: bytes go from
//! the loop's one read buffer, through the machines if there are any, to the connection's decoder,
//! and an idle connection owns no buffer in either direction.
//!
//! Never opens, polls or closes a socket (that is `server` and `program`), never opens a file, and
//! never decides what is sent (that is `broker`).

#[cfg(not(all(feature = "tls", feature = "websocket")))]
mod absent;
mod aliases;
mod chunks;
mod fault;
mod frame;
mod gateway;
mod output;
mod pool;
mod proxy;
mod sealing;
mod settings;
mod stage;
mod stream;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "websocket")]
mod websocket;

#[cfg(not(feature = "tls"))]
use absent::tls;
#[cfg(not(feature = "websocket"))]
use absent::websocket;

pub use fault::foreign;
pub use frame::{Content, Frame, Label};
pub use gateway::{Exit, Gateway};
pub use output::{Flushed, Output, SHARED_FROM};
pub use pool::Pool;
pub use proxy::{Rules as ProxyRules, Version as ProxyVersion};
pub use sealing::{BATCH, Sealing};
pub use settings::{Clock, Expiry, File, TlsClient, TlsServer, TlsVersions, WebRequest, WebRules};
pub use stage::Stage;
pub use stream::{Introduction, Opened, Scratch, Stream};
pub use tls::{Acceptor, Connector};
pub use websocket::{WebAcceptor, WebConnector};
