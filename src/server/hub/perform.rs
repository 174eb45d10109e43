//! What the broker wants, done.
//!
//! Owns: the one place where effects become appended records, queued packets and changed states
//! of connections. An effect for a connection that is gone, or on its way out, does nothing: its
//! serial no longer matches, or its phase takes no packets.
//!
//! Never tells the broker anything while effects are being performed: what follows from them
//! (room given back by an early flush) is told afterwards.

use std::ops::Range;

use log::warn;

use crate::broker::target::CONNECTION;
use crate::broker::{Effect, Effects, MessageRef, NOBODY, Options, Outgoing, Target};
use crate::codec::{self, Decoder, Limits, PublishRef};
use crate::message::Message;
use crate::persistence::{Disk, Seq};
use crate::session::{ConnId, Peer};
use crate::time::Time;
use crate::transport::{Content, Frame, Label, SHARED_FROM};

use super::{Flags, Hub, LEAVE_MS, Phase, Socket};

/// A kept message with such a payload is not copied even for a single receiver.
const SHARED_ALONE_FROM: usize = 16 << 10;

impl<S: Socket, D: Disk> Hub<S, D> {
    /// Performs `effects` of an event, perhaps a PUBLISH, in order.
    pub(super) fn perform(
        &mut self,
        now: Time,
        effects: &mut Effects,
        publish: Option<&PublishRef<'_>>,
    ) {
        // Taken off the end of the reversed list: most events have one effect or two.
        effects.list.reverse();
        while let Some(effect) = effects.list.pop() {
            match effect {
                Effect::Record(record) => {
                    self.disk.append(record);
                    self.is_unsaved = true;
                }
                Effect::Send { conn, what, after } => self.send(conn, what, after),
                Effect::Deliver { message, start, len } => {
                    let targets = start as usize..start as usize + len as usize;
                    self.deliver(now, message, publish, targets, effects);
                }
                Effect::Online { conn, version, topic_alias_maximum, maximum_packet_size } => {
                    if let Some(connection) = self.connection(conn) {
                        let output = &mut connection.output;
                        output.accepted(version, topic_alias_maximum, maximum_packet_size);
                        connection.flags.set(Flags::ADMITTED);
                    }
                }
                Effect::Judge { conn, credentials } => {
                    if let Some(verdict) = self.judge.ask(now, conn, *credentials) {
                        self.verdicts.push((conn, verdict));
                    }
                }
                Effect::Unjudge { conn } => {
                    self.verdicts.retain(|(judged, _)| *judged != conn);
                    self.judge.withdraw(conn);
                }
                Effect::Hold { conn } => {
                    if let Some(connection) = self.connection(conn) {
                        connection.flags.set(Flags::HELD);
                    }
                }
                Effect::Resume { conn } => {
                    if let Some(connection) = self.connection(conn) {
                        connection.flags.clear(Flags::HELD);
                        self.list(conn.slot);
                    }
                }
                Effect::Close { conn } => self.close(now, conn),
                Effect::Overdue { conn, peer } => self.tell_overdue(conn, peer),
                Effect::Abort { conn } => {
                    if self.connection(conn).is_some() {
                        self.kill(conn.slot);
                    }
                }
            }
        }
        effects.clear();
    }

    fn send(&mut self, conn: ConnId, what: Outgoing, after: Seq) {
        let durable = self.durable_for(after);
        let Some(connection) = self.connections.get_mut(conn.slot as usize) else { return };
        if connection.serial != conn.serial || !connection.takes_packets() {
            return;
        }
        let frame = match what {
            Outgoing::Ack(kind, ack) => Frame::Ack(kind, ack),
            Outgoing::PingResp => Frame::PingResp,
            Outgoing::Packet(packet) => Frame::Packet(packet),
        };
        connection.output.send(&mut self.pool, frame, after, durable);
        self.list_for_writing(conn.slot);
    }

    fn deliver(
        &mut self,
        now: Time,
        message: MessageRef,
        publish: Option<&PublishRef<'_>>,
        targets: Range<usize>,
        effects: &Effects,
    ) {
        let is_shared = |payload: &[u8]| payload.len() >= SHARED_FROM && targets.len() > 1;
        let kept = match (message, publish) {
            (MessageRef::Shared(message), _) => message,
            (MessageRef::Received, Some(publish)) => {
                let parts = effects.received(publish, now);
                if !is_shared(parts.payload) {
                    let content = Content { parts, message: None, is_shared: false };
                    return self.deliver_all(&content, targets, effects);
                }
                Message::new(0, &parts, None, self.broker.gauge())
            }
            (MessageRef::Received, None) => return,
        };
        let parts = kept.parts();
        let is_shared = is_shared(parts.payload) || parts.payload.len() >= SHARED_ALONE_FROM;
        let content = Content { parts, message: Some(&kept), is_shared };
        self.deliver_all(&content, targets, effects);
    }

    fn deliver_all(&mut self, content: &Content<'_>, targets: Range<usize>, effects: &Effects) {
        for target in &effects.targets[targets] {
            self.deliver_to(content, target, &effects.identifiers);
        }
    }

    fn deliver_to(&mut self, content: &Content<'_>, target: &Target, identifiers: &[u32]) {
        let slot = target.conn.slot;
        let durable = self.durable_for(target.after);
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        if connection.serial != target.conn.serial || !connection.takes_packets() {
            return;
        }
        let start = target.identifiers_start as usize;
        let label = Label {
            dup: target.dup,
            qos: target.qos,
            retain: target.retain,
            packet_id: target.packet_id,
            expiry: target.expiry,
            identifiers: &identifiers[start..][..target.identifiers_len as usize],
            charge: target.charge,
            skip: target.skip,
        };
        let seqs = (target.after, durable);
        let output = &mut connection.output;
        output.deliver(&mut self.pool, content, &label, seqs, self.broker.gauge());
        let is_full = output.charged() >= self.flush_from;
        if is_full && connection.is_to_write() {
            // Half its room is used: what the socket takes now makes room for more of the same
            // burst, which would otherwise go through the session's queue.
            self.flush(slot, usize::MAX);
        }
        self.list_for_writing(slot);
    }

    /// Notes that the write phase is to look at a connection.
    #[inline]
    fn list_for_writing(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if connection.flags.raise(Flags::IN_WRITING) {
            self.writing.push(slot);
        }
        if connection.output.is_gated() && connection.flags.raise(Flags::IN_GATED) {
            self.gated.push(slot);
        }
    }

    /// Says how far somebody came who took too long.
    fn tell_overdue(&mut self, conn: ConnId, mut peer: Peer) {
        let Some(connection) = self.connection(conn) else { return };
        if let Some(stream) = &connection.stream {
            // A proxy may have said it, though all is not known yet.
            peer.address = stream.address();
        }
        let stage = connection.stage();
        warn!(
            target: CONNECTION,
            "Client {NOBODY} [{peer}] sent no CONNECT, disconnecting: {stage}."
        );
    }

    /// Ends a connection when what waits has left.
    fn close(&mut self, now: Time, conn: ConnId) {
        let Some(connection) = self.connection(conn) else { return };
        match connection.phase {
            Phase::Open if connection.flags.has(Flags::MUTE) => self.kill(conn.slot),
            Phase::Open => {
                connection.phase = Phase::Flushing;
                connection.decoder = Decoder::server();
                self.leaving.push_back((now.plus_ms(LEAVE_MS), conn));
                self.list(conn.slot);
                self.list_for_writing(conn.slot);
            }
            Phase::Flushing | Phase::Shut | Phase::Dead => {}
        }
    }
}

/// The bounds of packets that the options set.
pub(super) fn limits(options: &Options) -> Limits {
    Limits {
        packet: match options.max_packet_size {
            0 => codec::PACKET_MAX,
            max => max as usize,
        },
        connect: options.max_connect_size as usize,
    }
}
