//! What the broker knows of a connection.
//!
//! Owns: the states a connection passes through, each with only what is valid in it.
//!
//! ```text
//! Awaiting --CONNECT--> Judging --Granted--> Online --DISCONNECT, fault, take-over--> Leaving
//!     +-------------- immediate answer --------^
//! ```
//!
//! Never outlives its connection; what does is the session.

use std::rc::Rc;

use super::brake::Brake;
use super::names::Names;
use crate::codec::{Connect, QoS, Version};
use crate::crowd;
use crate::router::Matches;
use crate::session::{Certificate, ConnId, Identity, Peer, Place, SessionId};
use crate::time::Time;

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) enum Link {
    /// No connection in this slot.
    #[default]
    Vacant,
    /// Handshakes and CONNECT have until `by`.
    Awaiting { peer: Peer, certificate: Option<Rc<Certificate>>, by: Time },
    /// CONNECT has come, whether it is let in is not known yet.
    Judging(Box<Judging>),
    /// Accepted, attached to a session. In place and not in a box: the table of slots goes back to
    /// the system as a whole when a crowd has left, boxes leave a heap full of holes.
    Online(Online),
    /// Detached; its last bytes are on their way.
    Leaving,
}

/// A CONNECT that waits for its verdict.
#[derive(Debug)]
pub(super) struct Judging {
    pub(super) identity: Identity,
    pub(super) connect: Connect,
    /// Whether the broker chose the client id.
    pub(super) is_assigned: bool,
    pub(super) by: Time,
}

/// An accepted connection.
#[derive(Debug)]
pub(super) struct Online {
    pub(super) session: SessionId,
    pub(super) identity: Identity,
    pub(super) version: Version,
    /// The client asked for reason strings.
    pub(super) wants_reasons: bool,
    /// Highest QoS taken from it.
    pub(super) maximum_qos: QoS,
    /// Highest topic alias taken from it, as it was told.
    pub(super) topic_alias_maximum: u16,
    /// QoS 1 and 2 messages it may have on their way to the broker, as it was told.
    pub(super) receive_maximum: u16,
    /// CONNECT had the bridge bit.
    pub(super) is_bridge: bool,
    /// Session Expiry Interval of the CONNECT was above 0, so DISCONNECT may change it.
    pub(super) may_extend: bool,
    /// PUBLISH packets above QoS 0 that may be sent before an acknowledgement ([MQTT-3.3.4-9]).
    pub(super) quota: u16,
    /// What the quota began with.
    pub(super) quota_max: u16,
    /// Packet identifiers that may be in use towards the client: the quota counts what this
    /// connection sent, this what earlier ones left open too.
    pub(super) window: u16,
    /// QoS 2 messages of this connection that are taken and not released.
    pub(super) taken: u16,
    /// Bytes of messages that may be on their way at once.
    pub(super) room: u32,
    /// Bytes of messages that are on their way: sent and not yet written.
    pub(super) charged: u64,
    /// The largest packet the client takes.
    pub(super) maximum_packet_size: u32,
    /// Keep alive in seconds; 0 is none.
    pub(super) keep_alive: u16,
    /// The next packet must come before; never, if there is no keep alive.
    pub(super) keep_alive_by: Time,
    /// Something must be taken before; never, if nothing waits.
    pub(super) stalled_by: Time,
    /// Where resending stands; absent once it is done.
    pub(super) resume: Option<Box<Resume>>,
    /// Mount point and aliases; absent where there are none, which is usual.
    pub(super) names: Option<Box<Names>>,
    /// Who got the last message.
    pub(super) last_topic: Option<Box<LastTopic>>,
    /// What holds it, or might; absent until it has come near a limit.
    pub(super) brake: Option<Box<Brake>>,
}

/// Resending after a reconnect, in the original order.
#[derive(Debug)]
pub(super) struct Resume {
    /// The last one that was sent again.
    pub(super) after: Option<Place>,
}

/// Publishers repeat themselves: who gets a message on the topic of the last one.
#[derive(Debug, Default)]
pub(super) struct LastTopic {
    pub(super) topic: String,
    pub(super) generation: u64,
    pub(super) matches: Matches,
}

impl Online {
    /// A message of so many bytes is on its way; true if the timer must be looked at.
    pub(super) fn charge(&mut self, bytes: u32, now: Time, stalled_timeout_ms: u64) -> bool {
        self.charged += u64::from(bytes);
        let is_first = self.stalled_by == Time::NEVER;
        if is_first {
            self.stalled_by = now.plus_ms(stalled_timeout_ms);
        }
        is_first
    }

    /// Whatever arrives shows that the client is there ([MQTT-3.1.2-22] of 5.0).
    pub(super) fn heard(&mut self, now: Time) {
        if self.keep_alive > 0 {
            self.keep_alive_by = patience_from(now, self.keep_alive);
        }
    }

    /// Whether a message of so many bytes may be sent now. One that is larger than all the room
    /// there is goes out alone: else it would stop what is behind it for ever.
    pub(super) fn has_room(&self, charge: u32) -> bool {
        self.charged == 0 || self.charged + u64::from(charge) <= u64::from(self.room)
    }
}

/// Until when a client may be silent: half as long again as its keep alive ([MQTT-3.1.2-22] of
/// 5.0, [MQTT-3.1.2-24] of 3.1.1); for ever, if that is 0.
pub(super) fn patience_from(now: Time, keep_alive: u16) -> Time {
    match keep_alive {
        0 => Time::NEVER,
        secs => now.plus_ms(u64::from(secs) * 1500),
    }
}

impl Link {
    /// The other end, unless it is on its way out.
    pub(super) const fn peer(&self) -> Option<Peer> {
        match self {
            Self::Vacant | Self::Leaving => None,
            Self::Awaiting { peer, .. } => Some(*peer),
            Self::Judging(judging) => Some(judging.identity.peer),
            Self::Online(online) => Some(online.identity.peer),
        }
    }

    /// When something must have happened.
    pub(super) fn deadline(&self) -> Time {
        match self {
            Self::Vacant | Self::Leaving => Time::NEVER,
            Self::Awaiting { by, .. } => *by,
            Self::Judging(judging) => judging.by,
            Self::Online(online) => {
                let brake = online.brake.as_ref().map_or(Time::NEVER, |brake| brake.deadline());
                online.keep_alive_by.min(online.stalled_by).min(brake)
            }
        }
    }
}

/// All connections, by slot.
#[derive(Debug, Default)]
pub(super) struct Links {
    slots: Vec<Slot>,
    /// How many are not vacant.
    len: usize,
}

#[derive(Debug)]
struct Slot {
    serial: u32,
    /// When the timer entry of this link is; never, if it has none.
    armed: Time,
    link: Link,
}

impl Links {
    /// A connection begins.
    ///
    /// # Panics
    /// If the slot is taken: `Closed` comes exactly once for each `Opened`.
    pub(super) fn open(&mut self, conn: ConnId, link: Link) {
        let slot = conn.slot as usize;
        while self.slots.len() <= slot {
            self.slots.push(Slot { serial: 0, armed: Time::NEVER, link: Link::Vacant });
        }
        let slot = &mut self.slots[slot];
        assert!(matches!(slot.link, Link::Vacant), "a slot has one connection at a time");
        *slot = Slot { serial: conn.serial, armed: Time::NEVER, link };
        self.len += 1;
    }

    /// Bytes each connection takes here, with its timer.
    pub(super) const EACH: usize = size_of::<Slot>() + 2 * size_of::<(Time, u64)>();

    /// A connection is gone; says whether it was there.
    pub(super) fn vacate(&mut self, conn: ConnId) -> bool {
        if matches!(self.get(conn), None | Some(Link::Vacant)) {
            return false;
        }
        self.replace(conn, Link::Vacant);
        self.len -= 1;
        if crowd::has_left(self.len, self.slots.capacity()) {
            let used = self.slots.iter().rposition(|slot| !matches!(slot.link, Link::Vacant));
            self.slots.truncate(used.map_or(0, |last| last + 1));
            self.slots.shrink_to_fit();
        }
        true
    }

    /// The connection in a slot.
    pub(super) fn in_slot(&self, slot: u32) -> Option<ConnId> {
        self.slots.get(slot as usize).map(|found| ConnId { slot, serial: found.serial })
    }

    /// The link of a connection, unless it is gone.
    pub(super) fn get(&self, conn: ConnId) -> Option<&Link> {
        let slot = self.slots.get(conn.slot as usize)?;
        (slot.serial == conn.serial).then_some(&slot.link)
    }

    /// The link of a connection, unless it is gone.
    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Link> {
        let slot = self.slots.get_mut(conn.slot as usize)?;
        (slot.serial == conn.serial).then_some(&mut slot.link)
    }

    /// The accepted connection, if it is one.
    pub(super) fn online(&self, conn: ConnId) -> Option<&Online> {
        match self.get(conn)? {
            Link::Online(online) => Some(online),
            Link::Vacant | Link::Awaiting { .. } | Link::Judging(_) | Link::Leaving => None,
        }
    }

    /// The accepted connection, if it is one.
    pub(super) fn online_mut(&mut self, conn: ConnId) -> Option<&mut Online> {
        match self.get_mut(conn)? {
            Link::Online(online) => Some(online),
            Link::Vacant | Link::Awaiting { .. } | Link::Judging(_) | Link::Leaving => None,
        }
    }

    /// Puts a link into another state and returns the old one.
    pub(super) fn replace(&mut self, conn: ConnId, link: Link) -> Link {
        self.get_mut(conn).map_or(Link::Vacant, |old| std::mem::replace(old, link))
    }

    /// When the timer entry of a link is.
    pub(super) fn armed_mut(&mut self, conn: ConnId) -> Option<&mut Time> {
        let slot = self.slots.get_mut(conn.slot as usize)?;
        (slot.serial == conn.serial).then_some(&mut slot.armed)
    }

    /// When the timer entry of a link is; never, if it has none.
    pub(super) fn armed(&self, conn: ConnId) -> Time {
        self.slots.get(conn.slot as usize).map_or(Time::NEVER, |slot| slot.armed)
    }

    /// All connections there are.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnId, &Link)> {
        self.slots.iter().enumerate().filter(|(_, slot)| !matches!(slot.link, Link::Vacant)).map(
            |(i, slot)| {
                let place = u32::try_from(i).expect("slots are u32");
                (ConnId { slot: place, serial: slot.serial }, &slot.link)
            },
        )
    }
}

/// For `server::sizes`.
#[cfg(test)]
impl super::Broker {
    pub(crate) const LINK_BYTES: usize = size_of::<Slot>();
    pub(crate) const JUDGING_BYTES: usize = size_of::<Judging>();
    pub(crate) const ONLINE_BYTES: usize = size_of::<Online>();
    pub(crate) const LAST_TOPIC_BYTES: usize = size_of::<LastTopic>();
}
