//! PUBACK, PUBREC, PUBREL and PUBCOMP from a client.
//!
//! Owns: what an acknowledgement settles and what it frees: a place in the window, a message for
//! those that wait.
//!
//! Never sends a message again: only a new connection does.

use log::debug;

use super::{Broker, ConnId, Effects, Fault, name};
use crate::codec::{Ack, AckKind, PacketId, ReasonCode};
use crate::metrics::DropReason;
use crate::persistence::Change;
use crate::session::{Awaiting, SessionId};
use crate::time::Time;

impl Broker {
    pub(super) fn on_ack(
        &mut self,
        now: Time,
        conn: ConnId,
        kind: AckKind,
        ack: &Ack,
        effects: &mut Effects,
    ) -> Result<(), Fault> {
        let packet_id = ack.packet_id;
        if kind == AckKind::PubRel {
            self.on_pubrel(conn, packet_id, effects);
            return Ok(());
        }
        let session = self.online(conn).session;
        let outbound = self.store.session(session).outbound.as_ref();
        let awaiting = outbound.and_then(|outbound| outbound.awaiting(packet_id));
        match (kind, awaiting) {
            (AckKind::PubAck, Some(Awaiting::Ack))
            | (AckKind::PubComp, Some(Awaiting::Complete)) => {
                self.settle(now, conn, session, ack, effects);
            }
            (AckKind::PubRec, Some(Awaiting::Received)) if ack.reason.is_error() => {
                // The message ends here ([MQTT-4.3.3-4]); the identifier is free.
                self.settle(now, conn, session, ack, effects);
            }
            (AckKind::PubRec, Some(Awaiting::Received)) => {
                self.change(session, Change::Received(packet_id), effects);
                self.release(conn, session, packet_id, effects);
            }
            // Repeated, or of a session that is gone: answered, so that the client can finish.
            (AckKind::PubRec, Some(Awaiting::Complete)) => {
                self.release(conn, session, packet_id, effects);
            }
            (AckKind::PubRec, None) if !ack.reason.is_error() => {
                self.release(conn, session, packet_id, effects);
            }
            (_, None) | (AckKind::PubComp, Some(Awaiting::Received)) => {
                let who = name(&self.online(conn).identity);
                debug!("Client {who} acknowledged {} in vain", packet_id.get());
            }
            (AckKind::PubAck | AckKind::PubComp | AckKind::PubRec, Some(_)) => {
                return Err(Fault::protocol("an acknowledgement of another QoS"));
            }
            (AckKind::PubRel, _) => {}
        }
        Ok(())
    }

    /// PUBREL ([MQTT-4.3.3-5] of 5.0), not before PUBREC is durable: if it were forgotten, the
    /// message would be sent again after PUBCOMP.
    fn release(
        &self,
        conn: ConnId,
        session: SessionId,
        packet_id: PacketId,
        effects: &mut Effects,
    ) {
        let after = self.gate(self.store.session(session));
        let reason = ReasonCode::SUCCESS;
        self.send_ack(conn, AckKind::PubRel, packet_id, reason, after, effects);
    }

    fn settle(
        &mut self,
        now: Time,
        conn: ConnId,
        session: SessionId,
        ack: &Ack,
        effects: &mut Effects,
    ) {
        if ack.reason.is_error() {
            self.counters.drop_one(DropReason::Refused);
            let who = name(&self.online(conn).identity);
            debug!("Client {who} refused a message: {}", ack.reason.name());
        }
        // An acknowledgement of what only an earlier connection sent gives no quota back: this
        // one has not taken any for it.
        let is_ours = self.online(conn).resume.as_ref().is_none_or(|resume| {
            let outbound = self.store.session(session).outbound.as_ref();
            outbound.and_then(|outbound| outbound.place(ack.packet_id)) <= resume.after
        });
        self.change(session, Change::Settled(ack.packet_id), effects);
        let online = self.online_mut(conn);
        if is_ours {
            // 5.0, 4.9: never above what it began with.
            online.quota = online.quota.saturating_add(1).min(online.quota_max);
        }
        self.pump(now, session, effects);
    }
}
