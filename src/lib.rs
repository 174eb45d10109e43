//! An MQTT 3.1, 3.1.1 and 5.0 broker for small machines, as a library.
//!
//! (The map of the floors follows with the modules.)

pub mod broker;
pub mod cli;
pub mod client;
pub mod codec;
pub mod few;
pub mod map;
pub mod message;
pub mod metrics;
pub mod persistence;
pub mod program;
pub mod rng;
pub mod router;
pub mod session;
pub mod time;
pub mod topic_matcher;
