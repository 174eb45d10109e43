//! An MQTT 3.1, 3.1.1 and 5.0 broker for small machines, as a library.
//!
//! One thread, one poll, no async runtime; helper threads only for what would hold up the loop:
//! hashing passwords, and waiting for the medium. The protocol is a core without input or output
//! ([`broker`]) that is told the time and everything that happens and says what it wants; only
//! the floor of [`server`] and [`program`] has sockets and a clock.
//!
//! # Run a broker
//!
//! ```no_run
//! use mqtt_broker::server::{Server, ServerConfig};
//! use std::time::Duration;
//!
//! let mut config = ServerConfig::new("0.0.0.0:1883".parse()?);
//! config.max_connections = 5000;
//! config.connect_timeout = Duration::from_secs(10);
//! let server = Server::new(config);
//! println!("{}", server.bind_addr());
//! server.run()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Use the codec alone
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use mqtt_broker::codec::{Connect, Packet, Publish, Version, decode_packet, encode_packet};
//!
//! let connect = Connect::new("id").clean_session(true).keep_alive(60);
//! let publish = Publish::new("sensor/temp", Bytes::from("25.5")).retain(true);
//!
//! let mut buf = BytesMut::new();
//! encode_packet(&Packet::Connect(connect.clone()), &mut buf)?;
//! encode_packet(&Packet::Publish(publish.clone()), &mut buf)?;
//!
//! let first = decode_packet(&mut buf, Version::V311, 1000)?;
//! assert_eq!(first, Some(Packet::Connect(connect)));
//! let second = decode_packet(&mut buf, Version::V311, 1000)?;
//! assert_eq!(second, Some(Packet::Publish(publish)));
//! assert_eq!(decode_packet(&mut buf, Version::V311, 1000)?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The house
//!
//! A module names only modules on lower floors; `tests/tidy.rs` makes that law.
//!
//! ```text
//! server  program                      sockets, signals, the clock
//! broker  client  transport            the protocol; told the time, told everything
//!   beside them  auth  config  cli     who may come in; what the operator decides
//! router                               who gets what
//! session  persistence                 what is kept for a client; what must outlive the process
//! message                              what waits in queues and windows
//! topic_matcher                        topics, filters, trees
//! codec                                bytes <-> packets
//! time stamp rng map few crowd metrics network   numbers, tables, small things
//! ```
//!
//! # How a PUBLISH travels
//!
//! 1. `server::hub` reads the socket into the one buffer of the loop; if there is a
//!    [`transport::Stream`] below (PROXY, TLS, WebSocket), it opens what was read in place;
//!    [`codec::Decoder`] yields the PUBLISH as a view into it.
//! 2. [`broker::Broker::handle`] checks it, finds who gets it (the publisher's last topic, or
//!    [`router::Router::matches`]) and, session by session, decides: now, later or not. What must
//!    be kept is copied once, into an `Rc<Message>`.
//! 3. It answers with one effect for all receivers. The hub appends head and payload to each
//!    connection's [`transport::Output`].
//! 4. At the end of the turn records are committed, and what no record holds back is written:
//!    once for each connection.
//!
//! # Where to start reading
//!
//! `server/hub` for the turn, `broker/mod.rs` for the dispatch, `broker/deliver.rs` for what
//! happens to a message, `broker/store.rs` for what is durable.

pub mod auth;
pub mod broker;
pub mod cli;
pub mod client;
pub mod codec;
pub mod config;
pub mod crowd;
pub mod few;
pub mod map;
pub mod message;
pub mod metrics;
pub mod network;
pub mod persistence;
pub mod program;
pub mod rng;
pub mod router;
pub mod server;
pub mod session;
pub mod stamp;
pub mod time;
pub mod topic_matcher;
pub mod transport;
