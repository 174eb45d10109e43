//! An MQTT 3.1, 3.1.1 and 5.0 broker for small machines.

pub mod map;
pub mod rng;
pub mod topic_matcher;
