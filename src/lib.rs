//! An MQTT broker.

pub mod codec;
pub mod map;
pub mod rng;
pub mod time;
