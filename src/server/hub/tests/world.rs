//! A hub with sockets and storage in memory, and clients at the other end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::rc::Rc;

use bytes::BytesMut;

use super::super::*;
use crate::codec::{
    Connect, Packet, PacketId, Publish, QoS, Subscribe, SubscribeOptions, Version, decode_packet,
    encode,
};
use crate::metrics::Kind;
use crate::persistence::Record;
use crate::session::{Access, Admission, AllowAll, Credentials, Identity, Peer};
use crate::transport::Stream;

/// Both directions of one connection.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) to_server: VecDeque<u8>,
    pub(super) from_server: Vec<u8>,
    /// The client sends nothing more.
    pub(super) ended: bool,
    /// Bytes the socket still takes.
    pub(super) space: usize,
    /// Bytes a read gives at the most; 0 is no limit.
    pub(super) gulp: usize,
    /// The server has shut its side.
    pub(super) shut: bool,
    /// The server has dropped the socket.
    pub(super) dropped: bool,
    pub(super) broken: bool,
    pub(super) reads: usize,
    pub(super) writes: usize,
}

pub(super) struct FakeSocket(Rc<RefCell<Wire>>);

impl Read for FakeSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        wire.reads += 1;
        if wire.to_server.is_empty() {
            return if wire.ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let limit = if wire.gulp == 0 { buffer.len() } else { wire.gulp.min(buffer.len()) };
        wire.to_server.read(&mut buffer[..limit])
    }
}

impl Write for FakeSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        wire.writes += 1;
        if wire.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if wire.space == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(wire.space);
        wire.space -= count;
        wire.from_server.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for FakeSocket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().shut = true;
        Ok(())
    }
}

impl Drop for FakeSocket {
    fn drop(&mut self) {
        self.0.borrow_mut().dropped = true;
    }
}

/// Storage that is as slow as the test wants.
#[derive(Default)]
pub(super) struct DiskState {
    pub(super) appended: u64,
    pub(super) committed: u64,
    pub(super) durable: u64,
    pub(super) commits: usize,
    pub(super) slow: bool,
    pub(super) failing: bool,
    pub(super) wanted: u64,
}

pub(super) struct FakeDisk(Rc<RefCell<DiskState>>);

impl Disk for FakeDisk {
    fn append(&mut self, _: Record) {
        self.0.borrow_mut().appended += 1;
    }

    fn want(&mut self, seq: Seq) {
        self.0.borrow_mut().wanted = seq.0;
    }

    fn commit(&mut self, _: Time) {
        let mut disk = self.0.borrow_mut();
        disk.commits += usize::from(disk.committed < disk.appended);
        if disk.failing {
            return;
        }
        disk.committed = disk.appended;
        if !disk.slow {
            disk.durable = disk.committed;
        }
    }

    fn save(&mut self) -> bool {
        false
    }

    fn durable(&mut self) -> Seq {
        Seq(self.0.borrow().durable)
    }

    fn state(&self) -> Storage {
        if self.0.borrow().failing { Storage::Failed } else { Storage::Well }
    }

    fn deadline(&self) -> Option<Time> {
        None
    }

    fn broken(&self) -> Option<&str> {
        None
    }
}

/// A hub and its surroundings.
pub(super) struct World {
    pub(super) hub: Hub<FakeSocket, FakeDisk>,
    pub(super) disk: Rc<RefCell<DiskState>>,
    pub(super) now: Time,
}

/// The other end of one connection.
pub(super) struct Client {
    pub(super) conn: ConnId,
    pub(super) wire: Rc<RefCell<Wire>>,
    pub(super) version: Version,
    pub(super) inbox: BytesMut,
}

/// Asks for time to think, always.
#[derive(Debug)]
pub(super) struct Undecided;

impl Authority for Undecided {
    fn admit(&self, _: &Credentials) -> Admission {
        Admission::Ask
    }

    fn may(&self, _: &Identity, _: Access, _: &str) -> bool {
        true
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Options::default(), Box::new(AllowAll))
    }

    pub(super) fn with(options: Options, authority: Box<dyn Authority>) -> Self {
        let disk = Rc::new(RefCell::new(DiskState::default()));
        let hub = Hub::new(options, authority, FakeDisk(Rc::clone(&disk)), 1);
        Self { hub, disk, now: Time::from_ms(1_000_000) }
    }

    /// Turns until nothing is left to do; returns how long it would sleep.
    pub(super) fn settle(&mut self) -> Option<Duration> {
        for _ in 0..1000 {
            let nap = self.hub.turn(self.now);
            if nap != Some(Duration::ZERO) {
                return nap;
            }
        }
        panic!("it never rests");
    }

    pub(super) fn open(&mut self, version: Version) -> Client {
        self.open_by(Peer::default(), None, version)
    }

    /// A connection from this peer, with what lies between its socket and its packets.
    pub(super) fn open_by(
        &mut self,
        peer: Peer,
        stream: Option<Box<Stream>>,
        version: Version,
    ) -> Client {
        let wire = Rc::new(RefCell::new(Wire { space: usize::MAX, ..Wire::default() }));
        let conn = self.hub.admit(self.now, FakeSocket(Rc::clone(&wire)), peer, stream);
        Client { conn, wire, version, inbox: BytesMut::new() }
    }

    /// A client that has its CONNACK.
    pub(super) fn connect(&mut self, connect: Connect) -> Client {
        let mut client = self.open(connect.version);
        client.send(self, &Packet::Connect(connect));
        self.settle();
        assert_eq!(client.received(), ["CONNACK"]);
        client
    }

    pub(super) fn clean(&mut self, id: &str, version: Version) -> Client {
        self.connect(Connect::new(id).version(version).keep_alive(0))
    }

    /// A client with a session that outlives it, subscribed to `filter`.
    pub(super) fn kept(&mut self, id: &str, filter: &str) -> Client {
        let mut connect = Connect::new(id).version(Version::V5).keep_alive(0);
        connect.properties.session_expiry_interval = Some(1000);
        let mut client = self.connect(connect);
        client.send(self, &subscribe(filter, QoS::AtLeastOnce));
        self.settle();
        assert_eq!(client.received(), ["SUBACK"]);
        client
    }

    pub(super) fn finish(mut self) {
        self.now = self.now.plus_ms(LEAVE_MS);
        self.settle();
        assert!(self.hub.is_empty());
        assert_eq!(self.hub.broker.gauge().of(Kind::Output), 0, "all of it is given back");
    }
}

impl Client {
    pub(super) fn slot(&self) -> usize {
        self.conn.slot as usize
    }

    pub(super) fn send_bytes(&self, world: &mut World, bytes: &[u8]) {
        self.wire.borrow_mut().to_server.extend(bytes);
        world.hub.ready(self.slot(), Readiness { readable: true, ..Readiness::default() });
    }

    pub(super) fn send(&self, world: &mut World, packet: &Packet) {
        self.send_bytes(world, &bytes_of(packet, self.version));
    }

    pub(super) fn end(&self, world: &mut World) {
        self.wire.borrow_mut().ended = true;
        let readiness = Readiness { readable: true, ended: true, ..Readiness::default() };
        world.hub.ready(self.slot(), readiness);
    }

    pub(super) fn give_space(&self, world: &mut World, space: usize) {
        self.wire.borrow_mut().space = space;
        world.hub.ready(self.slot(), Readiness { writable: true, ..Readiness::default() });
    }

    pub(super) fn packets(&mut self) -> Vec<Packet> {
        self.inbox.extend_from_slice(&self.wire.borrow_mut().from_server);
        self.wire.borrow_mut().from_server.clear();
        let mut packets = Vec::new();
        while let Some(packet) = decode_packet(&mut self.inbox, self.version, 1 << 24).unwrap() {
            packets.push(packet);
        }
        packets
    }

    /// Names of the packets that came, with the payload of a PUBLISH.
    pub(super) fn received(&mut self) -> Vec<String> {
        self.packets().iter().map(name).collect()
    }

    pub(super) fn is_shut(&self) -> bool {
        self.wire.borrow().shut
    }

    pub(super) fn is_dropped(&self) -> bool {
        self.wire.borrow().dropped
    }
}

pub(super) fn name(packet: &Packet) -> String {
    if let Packet::Publish(publish) = packet {
        return String::from_utf8(publish.payload.to_vec()).unwrap();
    }
    packet.name().into()
}

pub(super) fn bytes_of(packet: &Packet, version: Version) -> BytesMut {
    let mut bytes = BytesMut::new();
    encode(packet, version, &mut bytes).unwrap();
    bytes
}

pub(super) fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

pub(super) fn subscribe(filter: &str, qos: QoS) -> Packet {
    Packet::Subscribe(Subscribe {
        packet_id: id(1),
        subscription_identifier: None,
        user_properties: vec![],
        filters: vec![(filter.into(), SubscribeOptions { qos, ..SubscribeOptions::default() })],
    })
}

pub(super) fn publish(topic: &str, payload: &str) -> Packet {
    Packet::Publish(Publish::new(topic, payload.to_owned()))
}
