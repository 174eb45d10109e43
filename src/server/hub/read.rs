//! The read phase: ready sockets to packets to the broker.
//!
//! Owns: how much is read of whom, and what the end of a stream means. Each connection gets one
//! bufferful a turn. Packets are decoded in place; the decoder is taken out of its connection
//! while views into it are alive, so that effects can reach every connection meanwhile.
//!
//! Never writes, and never reads on behalf of a connection the broker holds.

use std::io;
use std::mem;

use crate::broker::{End, Event};
use crate::codec::{Decoder, Incoming, Packet};
use crate::persistence::Disk;
use crate::session::{ConnId, Peer};
use crate::time::Time;
use crate::transport::{self, Introduction};

use super::{Flags, HANDSHAKE_BUDGET, Hub, LEAVE_MS, Phase, READ_BUDGET, Socket, UNREAD_MAX};

/// Of one connection and turn while its messages are small: a thousand of them are enough to make
/// the others wait, and to spread the cost of a system call over.
pub(super) const SMALL_READ_BUDGET: usize = 64 << 10;

/// From here on a payload is large: what it costs are its bytes.
const LARGE_PAYLOAD: usize = 4 << 10;

impl<S: Socket, D: Disk> Hub<S, D> {
    pub(super) fn read(&mut self, now: Time) {
        // What is listed meanwhile has its turn next time.
        self.handshakes = HANDSHAKE_BUDGET;
        let count = self.reading.len();
        for place in 0..count {
            self.read_one(now, self.reading[place]);
        }
        self.reading.drain(..count);
    }

    fn read_one(&mut self, now: Time, slot: u32) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        connection.flags.clear(Flags::IN_READING);
        let conn = connection.id(slot);
        if connection.is_lost() {
            return self.ended(now, conn, End::Broken);
        }
        if !connection.is_to_read() {
            return;
        }
        if connection.stream.as_ref().is_some_and(|stream| stream.is_handshaking()) {
            let Some(left) = self.handshakes.checked_sub(1) else { return self.list(slot) };
            self.handshakes = left;
        }
        let is_kept = connection.flags.take(Flags::KEPT);
        let mut scratch = mem::take(&mut self.scratch);
        if is_kept {
            self.decode(now, conn, &[]);
        }
        self.drain(now, conn, &mut scratch);
        self.scratch = scratch;
        if let Some(connection) = self.connection(conn) {
            if connection.unread() > UNREAD_MAX {
                connection.flags.set(Flags::CHOKED);
            }
            self.weigh(slot);
            self.list(slot);
        }
    }

    /// Reads what there is, a bufferful at the most.
    fn drain(&mut self, now: Time, conn: ConnId, scratch: &mut [u8]) {
        let mut spent = 0;
        let mut is_at_end = false;
        loop {
            let Some(connection) = self.connection(conn) else { return };
            let is_large = connection.flags.has(Flags::LARGE);
            let budget = if is_large { READ_BUDGET } else { SMALL_READ_BUDGET };
            if spent >= budget || !connection.is_to_read() || !connection.flags.has(Flags::READABLE)
            {
                return;
            }
            if is_at_end {
                return self.ended(now, conn, End::Peer);
            }
            let scratch = &mut scratch[..budget];
            match connection.socket.read(scratch) {
                Ok(0) => return self.ended(now, conn, End::Peer),
                Ok(count) => {
                    // A short read says that there is no more. If the poll has seen the end of
                    // the stream before, that is next: no event would come for it again, and no
                    // read is needed to know it. An error wants to be read.
                    if count < scratch.len() {
                        is_at_end = connection.flags.has(Flags::ENDING)
                            && !connection.flags.has(Flags::ERROR);
                        if !connection.flags.has(Flags::ENDING) {
                            connection.flags.clear(Flags::READABLE);
                        }
                    }
                    spent += count;
                    let is_wrapped = connection.stream.is_some();
                    self.broker.traffic().came(count);
                    if is_wrapped {
                        self.open(now, conn, &mut scratch[..count]);
                    } else {
                        self.decode(now, conn, &scratch[..count]);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.flags.clear(Flags::READABLE);
                    if connection.flags.has(Flags::MUTE) {
                        self.ended(now, conn, End::Broken);
                    }
                    return;
                }
                Err(error) => {
                    log::debug!("connection {}.{}: {error}", conn.slot, conn.serial);
                    return self.ended(now, conn, End::Broken);
                }
            }
        }
    }

    /// Takes what came apart into packets, of a connection on which there is more than those.
    fn open(&mut self, now: Time, conn: ConnId, bytes: &mut [u8]) {
        let mut machines = mem::take(&mut self.machines);
        if let Some(connection) = self.connection(conn)
            && connection.phase == Phase::Open
            && let Some(stream) = &mut connection.stream
        {
            let listener = connection.seat.listener();
            let opened = stream.open(bytes, &mut machines);
            if connection.is_to_write() {
                self.list(conn.slot);
            }
            if let Some(Introduction { address, certificate }) = opened.introduction {
                let peer = Peer { address, listener };
                self.tell(now, Event::Introduced { conn, peer, certificate });
                if !self.reseat(conn, &peer) {
                    let what = "there are as many connections from its address as are allowed";
                    self.tell(now, Event::Failed { conn, what });
                }
            }
            if !opened.plain.is_empty() {
                self.decode(now, conn, opened.plain);
            }
            if self.is_open(conn) {
                if let Some(what) = opened.fault {
                    self.tell(now, Event::Failed { conn, what: &what });
                } else if opened.is_closed {
                    self.ended(now, conn, End::Peer);
                }
            }
        }
        self.machines = machines;
    }

    fn is_open(&mut self, conn: ConnId) -> bool {
        self.connection(conn).is_some_and(|connection| connection.phase == Phase::Open)
    }

    /// Takes `input` apart into packets and tells the broker each, until it wants no more.
    fn decode(&mut self, now: Time, conn: ConnId, mut input: &[u8]) {
        let Some(connection) = self.connection(conn) else { return };
        if connection.phase != Phase::Open {
            return; // It is being closed: what comes is thrown away.
        }
        let mut decoder = mem::replace(&mut connection.decoder, Decoder::server());
        let limits = self.limits;
        let whole = input;
        loop {
            let connection = &mut self.connections[conn.slot as usize];
            if connection.phase != Phase::Open {
                return; // The decoder, and what it holds, goes.
            }
            if connection.flags.has(Flags::ADMITTED.or(Flags::HELD)) {
                if connection.flags.take(Flags::ADMITTED) {
                    decoder.open();
                }
                if connection.flags.has(Flags::HELD) {
                    decoder.keep(input);
                    connection.flags.set(Flags::KEPT);
                    break;
                }
            }
            match decoder.next(&mut input, &limits) {
                Ok(Some(Incoming::Publish(publish))) => {
                    if publish.payload.len() >= LARGE_PAYLOAD {
                        connection.flags.set(Flags::LARGE);
                    }
                    self.tell(now, Event::Published { conn, publish: &publish });
                }
                Ok(Some(packet)) => {
                    if let Incoming::Other(packet) = &packet
                        && let Packet::Connect(connect) = &**packet
                    {
                        connection.output.set_version(connect.version);
                    }
                    self.tell(now, Event::Received { conn, packet });
                }
                Ok(None) => break,
                Err(error) => {
                    // Even a refusal is written in some version.
                    let version = decoder.version();
                    if let Some(version) = version {
                        connection.output.set_version(version);
                        self.tell(now, Event::Garbled { conn, version: Some(version), error });
                    } else if let Some(what) = transport::foreign(whole) {
                        self.tell(now, Event::Failed { conn, what });
                    } else {
                        self.tell(now, Event::Garbled { conn, version, error });
                    }
                    assert!(
                        self.connection(conn).is_none_or(|c| c.phase != Phase::Open),
                        "the broker closes what cannot be read"
                    );
                    return;
                }
            }
        }
        self.connections[conn.slot as usize].decoder = decoder;
    }

    /// The peer's side has ended.
    pub(super) fn ended(&mut self, now: Time, conn: ConnId, end: End) {
        let Some(connection) = self.connection(conn) else { return };
        connection.flags.clear(Flags::READABLE);
        connection.flags.set(Flags::EOF);
        let end = if connection.flags.has(Flags::MUTE) { End::Broken } else { end };
        if connection.phase == Phase::Open {
            connection.phase = Phase::Flushing;
            connection.decoder = Decoder::server();
            self.leaving.push_back((now.plus_ms(LEAVE_MS), conn));
            self.tell_closed(now, conn, end);
        }
        // A peer that has closed one direction only still gets what waits for it, and a goodbye.
        let Some(connection) = self.connection(conn) else { return };
        let is_done = connection.is_drained()
            && connection.stream.as_ref().is_none_or(|stream| !stream.owes_goodbye());
        if end == End::Broken || connection.phase == Phase::Shut || is_done {
            self.kill(conn.slot);
        } else {
            self.list(conn.slot);
        }
    }
}
