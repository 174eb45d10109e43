//! Between packets and a socket: what waits to be sent to one peer, and in which order it may.
//!
//! Owns: [`Output`], the two lanes and their gate; the [`Pool`] its buffers come from. Reading
//! needs nothing of the kind: bytes go from the loop's one read buffer to the connection's
//! decoder, and an idle connection owns no buffer in either direction.
//!
//! Never opens, polls or closes a socket (that is `server`) and never decides what is sent (that
//! is `broker`).

mod aliases;
mod chunks;
mod fault;
mod frame;
mod output;
mod pool;
mod proxy;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "websocket")]
mod websocket;

pub use frame::{Content, Frame, Label};
pub use output::{Flushed, Output, SHARED_FROM};
pub use pool::Pool;
