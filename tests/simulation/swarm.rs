//! What is drawn from the seed before the first step: options, clients, and how often what
//! happens.
//!
//! Owns: [`Swarm`]. Each seed leaves most features out and turns a few up, because faults hide
//! behind combinations that an average run never dwells on.
//!
//! Never draws anything that is not in the seed.

use std::sync::Arc;

use mqtt_broker::broker::{ListenerOptions, Options, Overflow};
use mqtt_broker::codec::{QoS, Version};
use mqtt_broker::rng::Rng;

/// One thing that may happen in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A client's next packet reaches the broker.
    Uplink,
    /// What may leave for a client leaves.
    Downlink,
    Connect,
    Publish,
    Subscribe,
    Unsubscribe,
    Ping,
    Disconnect,
    /// The network breaks a connection.
    Cut,
    /// A client opens a second connection beside the one it has.
    Duplicate,
    /// A client stops or begins to read.
    Stall,
    /// Time passes.
    Clock,
    /// Some of what was written becomes durable.
    Disk,
    /// Storage falls behind, fails or catches up; over a store, something is wrong with the medium
    /// or is not any more.
    Storage,
    /// The process ends and begins again.
    Crash,
    /// A connection is opened and nothing is said on it.
    Idle,
    /// Somebody speaks a version that his listener does not.
    Stranger,
    /// The configuration is read again.
    Configure,
}

/// One seed's world.
#[derive(Clone, Debug)]
pub(super) struct Swarm {
    pub(super) options: Options,
    /// One client each.
    pub(super) versions: Vec<Version>,
    /// By which listener each of them comes, always the same; the first by the first.
    pub(super) listeners: Vec<u16>,
    pub(super) actions: Vec<(Action, u64)>,
    /// Retained messages, and so no Retain As Published unless nothing can be dropped.
    pub(super) retain: bool,
    pub(super) retain_as_published: bool,
    pub(super) shared: bool,
    pub(super) wills: bool,
    /// Messages expire.
    pub(super) message_expiry: bool,
    /// Clients limit the size of packets.
    pub(super) packet_limits: bool,
    pub(super) refusals: bool,
    pub(super) aliases: bool,
    pub(super) keep_alive: bool,
    /// Of payloads.
    pub(super) longest: usize,
    /// No sessions but kept ones, no sessions but clean ones, or both.
    pub(super) kept: (u64, u64),
    /// Longest step of the clock in milliseconds.
    pub(super) leap: u64,
    pub(super) slow_disk: bool,
    /// Over the real store, on a simulated medium.
    pub(super) over_store: bool,
    /// The medium has its troubles.
    pub(super) troubles: bool,
    pub(super) receive_maximum: bool,
}

impl Swarm {
    /// `limits` decides what publishers may take, beside all else: `None` if that is everything.
    pub(super) fn new(rng: &mut Rng, limits: Option<Rng>, over_store: bool) -> Self {
        let mut swarm = Self::unlimited(rng, over_store);
        if let Some(mut rng) = limits {
            swarm.limit(&mut rng);
        }
        swarm
    }

    /// Limits that hold publishers up, each in some seeds. Where memory is limited nothing is
    /// retained and nothing expires, and records are not kept, which would keep their messages.
    fn limit(&mut self, rng: &mut Rng) {
        let options = &mut self.options;
        if rng.chance(1, 4) {
            options.max_subscriptions = u32::try_from(1 + rng.below(3)).expect("small");
        }
        if rng.chance(1, 3) {
            options.max_message_rate = *pick(rng, &[0, 1, 5, 50]);
            options.max_byte_rate = *pick(rng, &[0, 10, 100, 2000]);
        }
        match rng.below(4) {
            0 => {
                options.overflow = Overflow::Refuse;
                options.max_queued_messages = options.max_queued_messages.max(1 + rng.index(3));
            }
            1 => {
                options.memory_limit = 3500 + rng.below(12_000);
                (self.retain, self.message_expiry, self.slow_disk) = (false, false, false);
                let second = options.listeners[1].as_mut().expect("both are there");
                Arc::make_mut(second).maximum_qos = QoS::ExactlyOnce;
                self.actions.retain(|(action, _)| *action != Action::Crash);
            }
            _ => {}
        }
        self.retain_as_published &= !(self.retain && self.is_lossy());
    }

    fn unlimited(rng: &mut Rng, over_store: bool) -> Self {
        let options = options(rng);
        let is_bounded = options.max_queued_messages > 0 || options.max_queued_bytes > 0;
        let (message_expiry, packet_limits) = (rng.chance(1, 4), rng.chance(1, 5));
        let is_lossy = is_bounded || message_expiry || packet_limits;
        let retain = rng.chance(1, 2);
        let slow_disk = rng.chance(1, 3) || over_store;
        let count = 2 + rng.index(4);
        let by_second = rng.chance(1, 2);
        let mut listener = |client: usize| u16::from(by_second && client > 0 && rng.chance(1, 2));
        let listeners = (0..count).map(&mut listener).collect();
        Self {
            listeners,
            versions: (0..count).map(|_| *pick(rng, &[Version::V311, Version::V5])).collect(),
            retain,
            retain_as_published: rng.chance(1, 2) && !(retain && is_lossy),
            shared: rng.chance(2, 5),
            wills: rng.chance(1, 3),
            message_expiry,
            packet_limits,
            refusals: rng.chance(1, 5),
            aliases: rng.chance(1, 3),
            keep_alive: rng.chance(1, 4),
            longest: *pick(rng, &[8, 8, 60, 300]),
            kept: *pick(rng, &[(1, 1), (0, 1), (1, 2), (4, 5)]),
            leap: *pick(rng, &[10, 1000, 1000, 30_000]),
            receive_maximum: rng.chance(1, 2),
            actions: actions(rng, slow_disk, over_store),
            slow_disk,
            over_store,
            troubles: over_store && rng.chance(1, 2),
            options,
        }
    }

    /// The listener a client comes by.
    pub(super) fn door(&self, client: usize) -> &ListenerOptions {
        self.options.listener(self.listeners[client]).expect("both are there")
    }

    /// Whether a message that is owed may be dropped for another reason than a session's end.
    pub(super) const fn is_lossy(&self) -> bool {
        self.options.max_queued_messages > 0
            || self.options.max_queued_bytes > 0
            || self.options.memory_limit > 0
            || self.message_expiry
            || self.packet_limits
    }

    /// Whether publishers may be held up.
    pub(super) fn is_limited(&self) -> bool {
        self.options.memory_limit > 0
            || self.options.overflow == Overflow::Refuse
            || self.options.max_message_rate > 0
            || self.options.max_byte_rate > 0
    }
}

/// Topic aliases that clients may use.
pub(super) const ALIASES: u16 = 3;

/// What a message begins with that is published exactly once.
pub(super) const ONCE: &str = "!";

/// What stands before the names of clients that come by the second listener, if anything does.
pub(super) const MOUNT: &str = "m/";

fn options(rng: &mut Rng) -> Options {
    let is_bounded = rng.chance(1, 3);
    let overflows = [Overflow::DropNewest, Overflow::DropOldest, Overflow::Disconnect];
    Options {
        max_inflight_messages: *pick(rng, &[0, 1, 2, 3, 20, 20]),
        receive_maximum: *pick(rng, &[1, 2, 5, 20]),
        max_inflight_bytes: *pick(rng, &[0, 0, 0, 30, 200]),
        upgrade_outgoing_qos: rng.chance(1, 5),
        retain_expiry_interval: *pick(rng, &[0, 0, 0, 1]),
        listeners: listeners(rng),
        max_queued_messages: if is_bounded { 1 + rng.index(6) } else { 0 },
        max_queued_bytes: if is_bounded && rng.chance(1, 2) { 20 + rng.index(400) } else { 0 },
        overflow: *pick(rng, &overflows),
        queue_qos0_messages: rng.chance(1, 2),
        connect_timeout_ms: 5000,
        stalled_timeout_ms: *pick(rng, &[2000, 10_000, 60_000]),
        room: *pick(rng, &[1, 40, 200, 2 << 20]),
        retained_budget: *pick(rng, &[1, 2, 4096]),
        sys_interval: *pick(rng, &[0, 0, 1, 10]),
        ..Options::default()
    }
}

/// One for everybody, and one of its own kind.
fn listeners(rng: &mut Rng) -> Vec<Option<Arc<ListenerOptions>>> {
    let first = ListenerOptions { topic_alias_maximum: ALIASES, ..ListenerOptions::default() };
    let second = ListenerOptions {
        maximum_qos: *pick(rng, &[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]),
        versions: vec![Version::V311, Version::V5],
        mount_point: if rng.chance(1, 2) { MOUNT.into() } else { String::new() },
        ..first.clone()
    };
    vec![Some(Arc::new(first)), Some(Arc::new(second))]
}

/// What the configuration may be instead: what is drawn once for a seed stays, for what it means
/// to clients or to what may be dropped.
pub(super) fn reconfigured(rng: &mut Rng, swarm: &Swarm) -> Options {
    let mut options = swarm.options.clone();
    options.max_inflight_messages = *pick(rng, &[0, 1, 2, 20]);
    options.max_inflight_bytes = *pick(rng, &[0, 0, 1, 30, 200]);
    options.upgrade_outgoing_qos = rng.chance(1, 3);
    options.retain_expiry_interval = *pick(rng, &[0, 1]);
    options.queue_qos0_messages = rng.chance(1, 2);
    options.stalled_timeout_ms = *pick(rng, &[2000, 10_000, 60_000]);
    options.room = *pick(rng, &[1, 40, 200, 2 << 20]);
    options.retained_budget = *pick(rng, &[1, 2, 4096]);
    if rng.chance(1, 3) {
        options.listeners[1] = None;
    }
    options
}

fn actions(rng: &mut Rng, slow_disk: bool, over_store: bool) -> Vec<(Action, u64)> {
    let rare = |rng: &mut Rng, weight: u64| if rng.chance(1, 2) { weight } else { 0 };
    let crashes = |rng: &mut Rng| match (over_store, slow_disk) {
        (true, _) => *pick(rng, &[1, 1, 4]),
        (false, true) => rare(rng, 1),
        (false, false) => 0,
    };
    vec![
        (Action::Uplink, 60),
        (Action::Downlink, 60),
        (Action::Connect, 20),
        (Action::Publish, 30),
        (Action::Subscribe, 8),
        (Action::Unsubscribe, rare(rng, 3)),
        (Action::Ping, 2),
        (Action::Disconnect, rare(rng, 3)),
        (Action::Cut, rare(rng, 5)),
        (Action::Duplicate, rare(rng, 3)),
        (Action::Stall, rare(rng, 4)),
        (Action::Clock, 8),
        (Action::Disk, if slow_disk { 20 } else { 0 }),
        (Action::Storage, rare(rng, if over_store { 4 } else { 1 })),
        (Action::Crash, crashes(rng)),
        (Action::Idle, rare(rng, 1)),
        (Action::Stranger, rare(rng, 1)),
        (Action::Configure, rare(rng, 1)),
    ]
}

/// One of them.
pub(super) fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.index(from.len())]
}

/// One of them, by weight.
pub(super) fn weighted(rng: &mut Rng, actions: &[(Action, u64)]) -> Action {
    let mut n = rng.below(actions.iter().map(|(_, weight)| weight).sum());
    for (action, weight) in actions {
        if n < *weight {
            return *action;
        }
        n -= weight;
    }
    unreachable!("below the sum")
}

/// Topics of plain subscriptions begin with `t`, those of shared ones with `s`: so it is known
/// which of its subscriptions brought a client a message.
pub(super) const TOPICS: [&str; 5] = ["t/a", "t/b", "t/c/d", "s1/a", "s2/b"];

pub(super) const FILTERS: [&str; 6] = ["t/a", "t/b", "t/+", "t/#", "t/c/d", "t/+/d"];

/// [`FILTERS`] behind [`MOUNT`], in the same order.
pub(super) const MOUNTED: [&str; 6] = ["m/t/a", "m/t/b", "m/t/+", "m/t/#", "m/t/c/d", "m/t/+/d"];

/// Of the two shared subscriptions, each of which has topics of its own.
pub(super) const SHARED: [&str; 2] = ["$share/g/s1/+", "$share/h/s2/#"];

/// [`SHARED`] behind [`MOUNT`], in the same order.
pub(super) const SHARED_MOUNTED: [&str; 2] = ["$share/g/m/s1/+", "$share/h/m/s2/#"];
