//! A broker as those see it who look at it from outside.
//!
//! Owns: the way to its numbers. What is counted where is a matter of those who count.
//!
//! Never changes anything.

use std::rc::Rc;

use super::Broker;
use crate::metrics::{Counters, Gauge, Traffic};

impl Broker {
    /// What has happened so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Bytes that come and leave; to be counted where they do.
    #[must_use]
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Bytes in use, by kind; to be charged for what lies outside the core too.
    #[must_use]
    pub const fn gauge(&self) -> &Rc<Gauge> {
        &self.store.gauge
    }

    /// How many sessions there are, connected or not.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.store.len()
    }

    /// How many clients are connected.
    #[must_use]
    pub const fn online_count(&self) -> usize {
        self.sys.online
    }

    /// How many subscriptions there are.
    #[must_use]
    pub const fn subscriptions(&self) -> usize {
        self.store.router.subscriptions()
    }

    /// How many PUBLISH packets wait for memory or for a place in a queue.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many topics have a retained message.
    #[must_use]
    pub fn retained(&self) -> usize {
        self.store.router.retained.len()
    }
}
