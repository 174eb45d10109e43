//! The beginning of connections, and what a poll sees of them.
//!
//! Owns: how a socket becomes a connection in a slot, and how readiness becomes work.
//!
//! Never reads or writes.

use crate::broker::Event;
use crate::metrics::Kind;
use crate::persistence::Disk;
use crate::session::{ConnId, Peer};
use crate::time::Time;
use crate::transport::Stream;

use super::{Connection, Flags, Hub, Readiness, Socket};

impl<S: Socket, D: Disk> Hub<S, D> {
    /// The slot the next connection will have, for a poll that needs to know before.
    #[must_use]
    pub fn next_slot(&self) -> usize {
        self.connections.vacant_key()
    }

    /// Takes a connection that carries packets and nothing else.
    ///
    /// # Panics
    /// With more than 2^32 connections.
    pub fn accept(&mut self, now: Time, socket: S, peer: Peer) -> ConnId {
        self.admit(now, socket, peer, None)
    }

    /// Takes a connection that carries packets inside of something else.
    ///
    /// # Panics
    /// With more than 2^32 connections.
    pub fn admit(
        &mut self,
        now: Time,
        socket: S,
        peer: Peer,
        stream: Option<Box<Stream>>,
    ) -> ConnId {
        self.serial = self.serial.wrapping_add(1);
        let seat = self.census.enter(&peer);
        let connection = Connection { stream, ..Connection::new(socket, self.serial, seat) };
        let size = size_of::<Connection<S>>() + connection.machinery();
        let slot = self.connections.insert(connection);
        self.broker.gauge().charge(Kind::Connection, size);
        let slot = u32::try_from(slot).expect("fewer than 2^32 sockets");
        let conn = ConnId { slot, serial: self.serial };
        log::trace!("connection {}.{} from {peer}", conn.slot, conn.serial);
        self.tell(now, Event::Opened { conn, peer });
        // Its CONNECT is mostly there by now: a read is cheaper than another poll.
        self.connections[conn.slot as usize].flags.set(Flags::READABLE);
        self.list(conn.slot);
        conn
    }

    /// Takes what a poll has seen of the socket in `slot`. A slot that is empty, or taken by
    /// another connection since, does no harm.
    pub fn ready(&mut self, slot: usize, readiness: Readiness) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        if readiness.readable || readiness.ended || readiness.failed {
            connection.flags.set(Flags::READABLE);
        }
        if readiness.ended || readiness.failed {
            connection.flags.set(Flags::ENDING);
        }
        if readiness.failed {
            connection.flags.set(Flags::ERROR);
        }
        if readiness.writable {
            connection.flags.set(Flags::WRITABLE);
        }
        let slot = u32::try_from(slot).expect("it is in use");
        self.list(slot);
    }
}
