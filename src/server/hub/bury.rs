//! The end of connections.
//!
//! Owns: what happens once and last: the broker hears that a connection is closed, what was
//! charged is released, the socket is dropped. Removal is the last step of a turn, so nothing of
//! the same turn meets a hole or, worse, another connection in the same slot.
//!
//! Never decides that a connection ends.

use crate::broker::{End, Event};
use crate::crowd;
use crate::metrics::Kind;
use crate::persistence::Disk;
use crate::session::ConnId;
use crate::time::Time;

use super::{Connection, Flags, Hub, Phase, Socket};

impl<S: Socket, D: Disk> Hub<S, D> {
    /// Tells the broker that a connection is closed; once.
    pub(super) fn tell_closed(&mut self, now: Time, conn: ConnId, end: End) {
        let connection = &mut self.connections[conn.slot as usize];
        assert_eq!(connection.serial, conn.serial, "it is buried after this");
        assert!(connection.flags.raise(Flags::TOLD), "a connection is closed once");
        self.tell(now, Event::Closed { conn, end });
    }

    /// Charges what a connection holds to the memory gauge.
    pub(super) fn weigh(&mut self, slot: u32) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let machines = connection.stream.as_ref().map_or(0, |stream| stream.waiting());
        let weight = connection.output.waiting() + connection.decoder.buffered() + machines;
        let before = std::mem::replace(&mut connection.weighed, saturated(weight));
        if before != connection.weighed {
            let gauge = self.broker.gauge();
            gauge.charge(Kind::Output, connection.weighed as usize);
            gauge.release(Kind::Output, before as usize);
        }
    }

    /// Ends a connection: nothing is read from it or written to it any more.
    pub(super) fn kill(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if connection.phase != Phase::Dead {
            connection.phase = Phase::Dead;
            connection.discard(&mut self.pool);
            self.dead.push(slot);
        }
    }

    /// Removes the connections that are done.
    pub(super) fn bury(&mut self, now: Time) {
        let mut next = 0;
        loop {
            // The broker may end more of them when it hears of one.
            while let Some(&slot) = self.dead.get(next) {
                next += 1;
                let connection = &self.connections[slot as usize];
                if !connection.flags.has(Flags::TOLD) {
                    self.tell_closed(now, connection.id(slot), End::Local);
                }
                let connection = self.connections.remove(slot as usize);
                let gauge = self.broker.gauge();
                gauge.release(Kind::Output, connection.weighed as usize);
                let size = size_of::<Connection<S>>() + connection.machinery();
                gauge.release(Kind::Connection, size);
                self.census.leave(connection.seat);
                self.buried += 1;
                if crowd::has_left(self.connections.len(), self.connections.capacity()) {
                    self.shrink();
                }
            }
            if !self.broker.is_relieved() {
                break;
            }
            // What was written or buried has made memory free that a client waits for.
            self.tell(now, Event::Tick);
        }
        self.dead.clear();
    }

    /// Gives memory back after a crowd has left.
    fn shrink(&mut self) {
        self.connections.shrink_to_fit();
        for list in [&mut self.reading, &mut self.writing, &mut self.gated] {
            list.shrink_to_fit();
        }
        self.leaving.shrink_to_fit();
    }
}

fn saturated(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
