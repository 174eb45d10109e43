//! The whole server but the operating system, with buffers in place of sockets, and clients that
//! publish and get.
//!
//! Owns: both ends of every connection. The clients' part is small: their packets are encoded
//! beforehand and patched, what they get is counted, acknowledgements are copied together.
//!
//! Never measures anything.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use mqtt_broker::broker::Options;
use mqtt_broker::codec::{
    Connect, Disconnect, Packet, PacketId, Publish, QoS, Subscribe, SubscribeOptions, encode_packet,
};
use mqtt_broker::persistence::Memory;
use mqtt_broker::server::hub::{Hub, Readiness, Socket};
use mqtt_broker::session::{AllowAll, Peer};
use mqtt_broker::time::Time;

/// Messages a publisher sends in one go; they fit into the windows.
const BATCH: u16 = 16;
const PAYLOAD: [u8; 64] = [b'p'; 64];

/// One end of a connection is the hub's socket, the other a client's.
#[derive(Default)]
struct Wire {
    to_broker: Vec<u8>,
    read: usize,
    to_client: Vec<u8>,
    is_closed: bool,
}

struct Line(Rc<RefCell<Wire>>);

impl Read for Line {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        let rest = &wire.to_broker[wire.read..];
        if rest.is_empty() && !wire.is_closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        wire.read += len;
        Ok(len)
    }
}

impl Write for Line {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().to_client.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for Line {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client's end.
struct Client {
    slot: usize,
    wire: Rc<RefCell<Wire>>,
}

impl Client {
    /// What came, taken off the wire.
    fn take<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        let mut wire = self.wire.borrow_mut();
        let seen = look(&wire.to_client);
        wire.to_client.clear();
        seen
    }
}

/// A server without an operating system.
struct House {
    hub: Hub<Line, Memory>,
    now: Time,
}

impl House {
    fn new() -> Self {
        let hub = Hub::new(Options::default(), Box::new(AllowAll), Memory::default(), 1);
        Self { hub, now: Time::from_ms(1_000_000) }
    }

    fn accept(&mut self) -> Client {
        let wire = Rc::new(RefCell::new(Wire::default()));
        let conn = self.hub.accept(self.now, Line(Rc::clone(&wire)), Peer::default());
        Client { slot: conn.slot as usize, wire }
    }

    /// Puts bytes on a client's wire.
    fn send(&mut self, client: &Client, bytes: &[u8]) {
        let mut wire = client.wire.borrow_mut();
        wire.read = 0;
        wire.to_broker.clear();
        wire.to_broker.extend_from_slice(bytes);
        let readiness =
            Readiness { readable: true, writable: true, ended: wire.is_closed, failed: false };
        drop(wire);
        self.hub.ready(client.slot, readiness);
    }

    /// Runs until there is nothing left to do.
    fn settle(&mut self) {
        self.now = self.now.plus_ms(1);
        while self.hub.turn(self.now) == Some(Duration::ZERO) {}
    }

    /// Sends, settles, and says how many bytes came back.
    fn exchange(&mut self, client: &Client, bytes: &[u8]) -> usize {
        self.send(client, bytes);
        self.settle();
        client.take(<[u8]>::len)
    }
}

/// Publishers and their subscribers, all connected.
pub(crate) struct World {
    house: House,
    groups: Vec<Group>,
    qos: QoS,
    /// Reused for acknowledgements.
    acks: Vec<u8>,
}

/// A publisher and those who get what it publishes.
struct Group {
    publisher: Client,
    subscribers: Vec<Client>,
    batch: Vec<u8>,
    /// Where the packet identifier is in a delivery.
    id_at: usize,
    /// Bytes of a delivery.
    len: usize,
}

impl World {
    /// From topics and how many subscribe to each.
    pub(crate) fn new(topics: Vec<(String, usize)>, qos: QoS) -> Self {
        let mut house = House::new();
        let mut join = |id: String, packets: &[u8]| {
            let client = house.accept();
            let connect = bytes(&Packet::Connect(Connect::new(id).keep_alive(0)));
            assert_eq!(house.exchange(&client, &connect), 4, "CONNACK");
            house.exchange(&client, packets);
            client
        };
        let mut groups = Vec::new();
        for (topic, count) in topics {
            let wanted = subscribe(&topic, qos);
            let subscribers = (0..count).map(|n| join(format!("{topic} {n}"), &wanted)).collect();
            let publisher = join(topic.clone(), &[]);
            let batch = (1..=BATCH).flat_map(|id| publish(&topic, qos, id)).collect();
            let (id_at, len) = (2 + 2 + topic.len(), publish(&topic, qos, 1).len());
            groups.push(Group { publisher, subscribers, batch, id_at, len });
        }
        Self { house, groups, qos, acks: Vec::new() }
    }

    /// Of one round.
    pub(crate) fn deliveries(&self) -> usize {
        let receivers: usize = self.groups.iter().map(|group| group.subscribers.len()).sum();
        receivers * usize::from(BATCH)
    }

    /// Every publisher sends a batch, every subscriber gets it and acknowledges it.
    pub(crate) fn round(&mut self) {
        let house = &mut self.house;
        for group in &self.groups {
            house.send(&group.publisher, &group.batch);
        }
        house.settle();
        for group in &self.groups {
            let expected = usize::from(BATCH) * group.len;
            for subscriber in &group.subscribers {
                self.acks.clear();
                subscriber.take(|got| {
                    assert_eq!(got.len(), expected);
                    if self.qos == QoS::AtLeastOnce {
                        for delivery in got.chunks_exact(group.len) {
                            let id = [delivery[group.id_at], delivery[group.id_at + 1]];
                            self.acks.extend_from_slice(&[0x40, 0x02, id[0], id[1]]);
                        }
                    }
                });
                if self.qos == QoS::AtLeastOnce {
                    house.send(subscriber, &self.acks);
                }
            }
            group.publisher.take(|_| ());
        }
        if self.qos == QoS::AtLeastOnce {
            house.settle();
        }
    }
}

/// Those who connect, subscribe, publish, get it and disconnect.
pub(crate) struct Guests {
    house: House,
    hello: Vec<u8>,
    talk: Vec<u8>,
    bye: Vec<u8>,
    /// Bytes of all answers.
    len: usize,
}

impl Guests {
    pub(crate) fn new() -> Self {
        let topic = "bench/guest";
        let delivery = publish(topic, QoS::AtMostOnce, 1);
        Self {
            house: House::new(),
            hello: bytes(&Packet::Connect(Connect::new("guest"))),
            talk: [&subscribe(topic, QoS::AtLeastOnce)[..], &delivery].concat(),
            bye: bytes(&Packet::Disconnect(Disconnect::default())),
            len: 4 + 5 + delivery.len(),
        }
    }

    /// One comes and goes.
    pub(crate) fn round(&mut self) {
        let house = &mut self.house;
        let guest = house.accept();
        let got = house.exchange(&guest, &self.hello) + house.exchange(&guest, &self.talk);
        assert_eq!(got, self.len);
        house.exchange(&guest, &self.bye);
        guest.wire.borrow_mut().is_closed = true;
        house.exchange(&guest, &[]);
        assert!(house.hub.is_empty());
    }
}

/// Each with a topic of its own.
pub(crate) fn pairs(count: usize) -> Vec<(String, usize)> {
    (0..count).map(|n| (format!("bench/pair/{n}"), 1)).collect()
}

fn bytes(packet: &Packet) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_packet(packet, &mut bytes).expect("a valid packet");
    bytes.to_vec()
}

fn subscribe(topic: &str, qos: QoS) -> Vec<u8> {
    bytes(&Packet::Subscribe(Subscribe {
        packet_id: PacketId::MAX,
        subscription_identifier: None,
        user_properties: Vec::new(),
        filters: vec![(topic.into(), SubscribeOptions { qos, ..SubscribeOptions::default() })],
    }))
}

/// QoS 0 or 1.
fn publish(topic: &str, qos: QoS, id: u16) -> Vec<u8> {
    let id = PacketId::new(id).expect("from 1 on");
    let publish = Publish::new(topic, &PAYLOAD[..]);
    let publish = if qos == QoS::AtMostOnce { publish } else { publish.at_least_once(id) };
    bytes(&Packet::Publish(publish))
}
