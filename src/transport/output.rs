//! What waits to be sent to one peer, and in which order it may leave.
//!
//! Owns: two lanes of whole packets, the bytes that have been let through, the topic aliases
//! towards this peer, and the account of its room.
//!
//! ```text
//!             durable yet, nothing before it waits          +---------+
//!  packet ----------------------------------------------->  |  wire   | ---> socket
//!     |                                                     |  bytes  |
//!     |  not yet   +------------------------+  durable      |         |
//!     +----------> | gated: first in, first | ------------> |         |
//!                  | out, each after a Seq  |               |         |
//!                  +------------------------+               |         |
//!  PINGRESP, QoS 0 PUBLISH, AUTH, DISCONNECT -------------> |         |
//!     (free, once the CONNACK has left)                     +---------+
//! ```
//!
//! Nothing is promised before it is durable: every packet of the gated lane says after which
//! record it may leave. The free lane holds what promises nothing, so that slow storage stops
//! acknowledgements but neither PINGs nor QoS 0; order is promised per topic and QoS only
//! ([MQTT-4.6.0-5], [MQTT-4.6.0-6]). DISCONNECT discards the gated lane: nothing may follow it
//! ([MQTT-3.14.4-1]). Before the CONNACK nothing overtakes ([MQTT-3.2.0-1]).
//!
//! Waiting packets are values, not bytes: a topic alias is assigned when the packet goes onto
//! the wire, never before, or the client could see it in the wrong order.
//!
//! **Room.** The broker charges each PUBLISH with its whole length and stops at its limit; what
//! is written is given back, never more than is charged, and all of it when nothing waits. Packets
//! made shorter by an alias and acknowledgements between them so never leave an error behind.
//!
//! Never decides what is sent, never polls.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem;
use std::rc::Rc;

use crate::codec::{Packet, PublishHead, QoS, Text, Version};
use crate::message::Message;
use crate::metrics::Gauge;
use crate::persistence::Seq;

use super::aliases::{Alias, Aliases};
use super::chunks::Chunks;
use super::frame::{Content, Frame, Gated, Label, Parcel, Waiting, is_free, put_frame};
use super::pool::Pool;

/// A payload of so many bytes is shared between its receivers instead of being copied to each:
/// from here on a place in the gather list is cheaper than the copy.
pub const SHARED_FROM: usize = 1 << 10;

/// What one flush has done.
#[derive(Debug)]
pub struct Flushed {
    /// Bytes taken by the socket.
    pub bytes: usize,
    /// Room to give back.
    pub credit: usize,
    /// Whether the socket takes no more for now.
    pub is_blocked: bool,
    /// The socket is broken; what waits cannot be sent any more.
    pub error: Option<io::Error>,
}

/// What waits to be sent to one peer. 32 bytes while nothing does.
#[derive(Debug)]
pub struct Output {
    /// Borrowed from the pool while anything waits.
    buffers: Option<Box<Buffers>>,
    aliases: Option<Box<Aliases>>,
    charged: u32,
    maximum_packet_size: u32,
    topic_alias_maximum: u16,
    version: Option<Version>,
    /// The CONNACK is on the wire.
    is_open: bool,
}

/// What a connection with something to send borrows from the pool.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) chunks: Chunks,
    gated: VecDeque<Gated>,
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}

impl Output {
    /// Nothing waits; the peer is taken for a 3.1.1 client until more is known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buffers: None,
            aliases: None,
            charged: 0,
            maximum_packet_size: u32::MAX,
            topic_alias_maximum: 0,
            version: None,
            is_open: false,
        }
    }

    /// What the peer speaks, from its CONNECT; it is not known better later.
    pub const fn set_version(&mut self, version: Version) {
        if self.version.is_none() {
            self.version = Some(version);
        }
    }

    /// The connection is accepted: what the peer speaks, the highest alias it takes from us and
    /// the largest packet.
    pub const fn accepted(&mut self, version: Version, aliases: u16, maximum_packet_size: u32) {
        self.version = Some(version);
        self.topic_alias_maximum = aliases;
        self.maximum_packet_size = maximum_packet_size;
    }

    /// Whether nothing waits, in either lane.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.buffers.is_none()
    }

    /// How many packets wait: those that may leave count until all of them have.
    #[must_use]
    pub fn packets(&self) -> usize {
        self.buffers.as_ref().map_or(0, |it| it.chunks.packets() + it.gated.len())
    }

    /// Whether bytes wait that may leave now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.buffers.as_ref().is_some_and(|buffers| !buffers.chunks.is_empty())
    }

    /// Whether packets wait for storage.
    #[must_use]
    pub fn is_gated(&self) -> bool {
        self.buffers.as_ref().is_some_and(|buffers| !buffers.gated.is_empty())
    }

    /// Room that has been charged and not given back.
    #[must_use]
    pub const fn charged(&self) -> usize {
        self.charged as usize
    }

    /// About how many bytes wait, in both lanes; messages that are kept anyway are not counted.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.buffers
            .as_ref()
            .map_or(0, |buffers| buffers.chunks.len() + buffers.gated.len() * size_of::<Gated>())
    }

    /// Sends `frame` once `after` is durable; `durable` is what is.
    ///
    /// # Panics
    /// If the broker hands out a packet that no wire can carry.
    pub fn send(&mut self, pool: &mut Pool, frame: Frame, after: Seq, durable: Seq) {
        if let Frame::Packet(packet) = &frame
            && let Packet::Disconnect(_) = **packet
        {
            self.discard_gated(pool);
            if !self.is_open {
                return; // [MQTT-3.2.0-1]: a connection that was not accepted just ends.
            }
        }
        let passes = if is_free(&frame) && self.is_open {
            true
        } else {
            after <= durable && !self.is_gated()
        };
        let buffers = pool.lend(&mut self.buffers);
        if passes {
            self.is_open |= put_frame(&mut buffers.chunks, frame, self.version.unwrap_or_default());
        } else {
            buffers.gated.push_back(Gated { after, what: Waiting::Frame(frame) });
        }
    }

    /// Sends a message once `after` is durable; `durable` is what is.
    pub fn deliver(
        &mut self,
        pool: &mut Pool,
        content: &Content<'_>,
        label: &Label<'_>,
        (after, durable): (Seq, Seq),
        gauge: &Rc<Gauge>,
    ) {
        self.charged = self.charged.checked_add(label.charge).expect("room is below 4 GiB");
        let is_free = self.is_open && label.qos == QoS::AtMostOnce;
        if is_free || (after <= durable && !self.is_gated()) {
            return self.put_publish(pool, content, label);
        }
        let message = content.message.map_or_else(
            || Message::new(0, &content.parts, None, gauge), // Nobody kept it: now we do.
            Rc::clone,
        );
        let parcel = Parcel {
            message,
            identifiers: label.identifiers.into(),
            expiry: label.expiry,
            packet_id: label.packet_id,
            skip: label.skip,
            qos: label.qos,
            retain: label.retain,
            dup: label.dup,
            is_shared: content.is_shared,
        };
        let what = Waiting::Publish(Box::new(parcel));
        pool.lend(&mut self.buffers).gated.push_back(Gated { after, what });
    }

    /// Lets through what waited for `durable`.
    pub fn release(&mut self, pool: &mut Pool, durable: Seq) {
        while let Some(buffers) = &mut self.buffers
            && buffers.gated.front().is_some_and(|gated| gated.after <= durable)
            && let Some(gated) = buffers.gated.pop_front()
        {
            let was_open = self.is_open;
            self.put(pool, gated.what);
            if self.is_open && !was_open {
                // What is free was kept behind the CONNACK, and would now be overtaken by what
                // comes after it.
                self.release_free(pool);
            }
        }
    }

    /// Writes what may leave, about `budget` bytes at the most.
    pub fn flush(&mut self, pool: &mut Pool, socket: &mut impl Write, budget: usize) -> Flushed {
        let mut done = Flushed { bytes: 0, credit: 0, is_blocked: false, error: None };
        let Some(buffers) = &mut self.buffers else {
            done.credit = mem::take(&mut self.charged) as usize;
            return done;
        };
        while !buffers.chunks.is_empty() && done.bytes < budget && !done.is_blocked {
            match buffers.chunks.write_to(socket, budget - done.bytes) {
                Ok((offered, taken)) => {
                    done.bytes += taken;
                    // A stream socket that takes less than it is offered is full.
                    done.is_blocked = taken < offered;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => done.is_blocked = true,
                Err(error) => {
                    done.error = Some(error);
                    break;
                }
            }
        }
        if buffers.is_empty() {
            pool.give(self.buffers.take().expect("they are borrowed"));
            done.credit = self.charged as usize;
        } else {
            done.credit = done.bytes.min(self.charged as usize);
        }
        self.charged -= u32::try_from(done.credit).expect("no more than is charged");
        done
    }

    /// Forgets everything that waits; the buffers go back to the pool.
    pub fn discard(&mut self, pool: &mut Pool) {
        if let Some(buffers) = self.buffers.take() {
            pool.give(buffers);
        }
        self.charged = 0;
    }

    fn discard_gated(&mut self, pool: &mut Pool) {
        if let Some(buffers) = &mut self.buffers {
            buffers.gated.clear();
            if buffers.is_empty() {
                pool.give(self.buffers.take().expect("they are borrowed"));
            }
        }
    }

    fn release_free(&mut self, pool: &mut Pool) {
        let Some(buffers) = &mut self.buffers else { return };
        let (free, gated) =
            buffers.gated.drain(..).partition::<VecDeque<_>, _>(|gated| gated.what.is_free());
        buffers.gated = gated;
        for gated in free {
            self.put(pool, gated.what);
        }
    }

    fn put(&mut self, pool: &mut Pool, what: Waiting) {
        match what {
            Waiting::Frame(frame) => {
                let buffers = pool.lend(&mut self.buffers);
                self.is_open |=
                    put_frame(&mut buffers.chunks, frame, self.version.unwrap_or_default());
            }
            Waiting::Publish(parcel) => {
                let content = Content {
                    parts: parcel.message.parts(),
                    message: Some(&parcel.message),
                    is_shared: parcel.is_shared,
                };
                let label = Label {
                    dup: parcel.dup,
                    qos: parcel.qos,
                    retain: parcel.retain,
                    packet_id: parcel.packet_id,
                    expiry: parcel.expiry,
                    identifiers: &parcel.identifiers,
                    charge: 0, // It was charged when it came.
                    skip: parcel.skip,
                };
                self.put_publish(pool, &content, &label);
            }
        }
    }

    #[inline(always)]
    fn put_publish(&mut self, pool: &mut Pool, content: &Content<'_>, label: &Label<'_>) {
        let parts = &content.parts;
        let mut head = PublishHead {
            dup: label.dup,
            qos: label.qos,
            retain: label.retain,
            topic: parts.topic.after(label.skip),
            packet_id: label.packet_id,
            topic_alias: None,
            message_expiry_interval: label.expiry,
            subscription_identifiers: label.identifiers,
            properties: parts.properties,
            payload_len: parts.payload.len(),
        };
        if self.topic_alias_maximum > 0 {
            self.shorten(&mut head);
        }
        let chunks = &mut pool.lend(&mut self.buffers).chunks;
        head.write(self.version.unwrap_or_default(), chunks.begin());
        match content.message {
            Some(message) if content.is_shared && parts.payload.len() >= SHARED_FROM => {
                chunks.share(Rc::clone(message));
            }
            Some(_) | None => chunks.buffer().extend_from_slice(parts.payload),
        }
    }

    /// Uses an alias, if the topic has one or may have one.
    fn shorten(&mut self, head: &mut PublishHead<'_>) {
        let aliases = self.aliases.get_or_insert_default();
        match aliases.find(head.topic, self.topic_alias_maximum) {
            Alias::None => {}
            Alias::Known(alias) => {
                head.topic_alias = Some(alias);
                head.topic = Text::default();
            }
            Alias::Free(alias) => {
                head.topic_alias = Some(alias);
                // [MQTT-3.1.2-24]: the alias must not be what makes the packet too large.
                if head.packet_len(Version::V5) > self.maximum_packet_size as usize {
                    head.topic_alias = None;
                } else {
                    aliases.assign(head.topic);
                }
            }
        }
    }
}

impl Buffers {
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.gated.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.chunks.clear();
        self.gated.clear();
    }

    pub(super) fn capacity(&self) -> usize {
        self.chunks.capacity() + self.gated.capacity() * size_of::<Gated>()
    }
}

/// For `server::sizes`.
#[cfg(test)]
impl Output {
    pub(crate) const BUFFERS_BYTES: usize = size_of::<Buffers>();
    pub(crate) const ALIASES_BYTES: usize = size_of::<Aliases>();
    pub(crate) const GATED_BYTES: usize = size_of::<Gated>();
    pub(crate) const PARCEL_BYTES: usize = size_of::<Parcel>();
    pub(crate) const SPLICE_BYTES: usize = Chunks::SPLICE_BYTES;
}

#[cfg(test)]
mod tests;
