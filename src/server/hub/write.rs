//! The write phase: what may leave to the sockets, once per connection and turn.
//!
//! Owns: how much is written to whom, and what a broken socket means. Writing may fail while the
//! last packets of the peer are still unread, its DISCONNECT among them: so a failed write only
//! silences the connection, and what is read decides how it ended.
//!
//! Never writes to a socket that said it is full before a poll has said otherwise.

use crate::broker::Event;
use crate::persistence::Disk;
use crate::time::Time;

use super::{Flags, Hub, Phase, Socket, UNREAD_MAX, WRITE_BUDGET};

impl<S: Socket, D: Disk> Hub<S, D> {
    pub(super) fn write(&mut self, now: Time) {
        // What is listed meanwhile has its turn next time, after its own commit.
        let count = self.writing.len();
        for place in 0..count {
            let slot = self.writing[place];
            if let Some(connection) = self.connections.get_mut(slot as usize) {
                connection.flags.clear(Flags::IN_WRITING);
                if connection.is_to_write() {
                    self.flush(slot, WRITE_BUDGET);
                    self.finish(slot);
                }
                self.weigh(slot);
                self.list(slot);
            }
            while let Some((conn, bytes)) = self.credits.pop() {
                self.tell(now, Event::Written { conn, bytes });
            }
        }
        self.writing.drain(..count);
        self.broker.traffic().left(std::mem::take(&mut self.left));
    }

    /// Writes what may leave; room to give back is noted.
    pub(super) fn flush(&mut self, slot: u32, budget: usize) {
        let connection = &mut self.connections[slot as usize];
        let done = connection.flush(&mut self.pool, &mut self.machines, budget);
        self.left += done.bytes;
        if done.is_blocked {
            connection.flags.clear(Flags::WRITABLE);
        }
        if done.credit > 0 && !connection.flags.has(Flags::TOLD) {
            self.credits.push((connection.id(slot), done.credit));
        }
        if connection.unread() < UNREAD_MAX / 2 {
            connection.flags.clear(Flags::CHOKED);
        }
        if let Some(error) = done.error {
            log::debug!("connection {}.{}: {error}", slot, connection.serial);
            self.silence(slot);
        }
    }

    /// Nothing can be written any more.
    fn silence(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if connection.phase != Phase::Open {
            return self.kill(slot);
        }
        connection.discard(&mut self.pool);
        connection.flags.clear(Flags::CHOKED);
        for flag in [Flags::MUTE, Flags::ERROR, Flags::ENDING, Flags::READABLE] {
            connection.flags.set(flag);
        }
        self.list(slot);
    }

    /// Goes on with a connection that is being closed.
    fn finish(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if connection.phase != Phase::Flushing || !connection.is_drained() {
            return;
        }
        if let Some(stream) = &mut connection.stream {
            stream.close();
            if connection.flags.has(Flags::WRITABLE) {
                self.flush(slot, WRITE_BUDGET);
            }
        }
        let connection = &mut self.connections[slot as usize];
        if connection.phase != Phase::Flushing || !connection.is_drained() {
            return;
        }
        if connection.flags.has(Flags::EOF) || connection.socket.shutdown_write().is_err() {
            self.kill(slot);
        } else {
            connection.phase = Phase::Shut;
        }
    }
}
