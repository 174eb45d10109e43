//! The broker with everything around it that is not protocol, in memory and in virtual time.
//!
//! Owns: a [`Broker`], its clock, its storage ([`Disk`]) and one [`Wire`] for each connection. It
//! does with effects what the server does with them, and nothing else: it keeps records, holds
//! back what rests on a record that is not durable, gives room back. Packets cross the edge in
//! both directions as bytes, so that whatever the broker says can be read by a client of that
//! version, and takes exactly the room it was charged.
//!
//! Never decides when something happens: the scenarios and the simulation do.

mod check;
mod disk;
mod medium;
mod show;
mod vault;
mod wire;

use std::collections::BTreeMap;

use bytes::BytesMut;
use mqtt_broker::broker::{
    Broker, ConnId, Effect, Effects, End, Event, MessageRef, Options, Outgoing, Seq, Storage,
    Target,
};
use mqtt_broker::codec::{
    self, Decoder, Incoming, Limits, Packet, Publish, PublishHead, PublishRef, ReasonCode, Version,
};
use mqtt_broker::message::Parts;
use mqtt_broker::persistence::{Change, Record};
use mqtt_broker::rng::Rng;
use mqtt_broker::session::{AllowAll, Peer};
use mqtt_broker::time::Time;

use check::assert_alike;
pub(crate) use disk::Disk;
pub(crate) use show::show;
pub(crate) use vault::Vault;
use wire::{Frame, Wire};

/// What a broker wanted, in order; packets as a client reads them.
#[derive(Debug)]
pub(crate) enum Said {
    /// A record, which is the n-th, and whether it is the end of a session.
    Recorded(Seq, bool),
    /// A packet that is no PUBLISH.
    Sent { conn: ConnId, packet: Packet, after: Seq },
    /// A PUBLISH to one receiver.
    Delivered { target: Target, publish: Publish },
    /// A connection is accepted.
    Online,
    /// Not to be read from, or again.
    Held { conn: ConnId, is_held: bool },
    /// To be closed when all has left.
    Closing { conn: ConnId },
    /// To be closed now.
    Aborted { conn: ConnId },
}

/// A broker and its surroundings.
pub(crate) struct Machine {
    pub(crate) broker: Broker,
    pub(crate) now: Time,
    pub(crate) disk: Disk,
    options: Options,
    seed: u64,
    wires: BTreeMap<ConnId, Wire>,
    vacant: Vec<u32>,
    slots: u32,
    serial: u32,
}

impl Machine {
    pub(crate) fn new(options: Options, seed: u64) -> Self {
        let now = Time::from_ms(1_700_000_000_000);
        let mut broker = Broker::new(options.clone(), Box::new(AllowAll), seed);
        broker.begin(now);
        Self {
            broker,
            now,
            disk: Disk::default(),
            options,
            seed,
            wires: BTreeMap::new(),
            vacant: Vec::new(),
            slots: 0,
            serial: 0,
        }
    }

    /// One with the real store over a simulated medium, which begins at `now`.
    pub(crate) fn over_store(options: Options, now: Time, rng: &mut Rng) -> Self {
        let mut machine = Self::new(options, rng.next_u64());
        machine.now = now;
        machine.disk = Disk::over(Vault::new(now, Rng::new(rng.next_u64())));
        machine
    }

    /// Tells the broker something and does what it wants.
    pub(crate) fn handle(&mut self, event: Event<'_>) -> Vec<Said> {
        let mut effects = Effects::new();
        let publish =
            if let Event::Published { publish, .. } = &event { Some(*publish) } else { None };
        self.broker.handle(self.now, event, &mut effects);
        let said = self.perform(&mut effects, publish);
        self.disk.end_unit(self.now);
        said
    }

    /// What the broker goes by.
    pub(crate) const fn options(&self) -> &Options {
        &self.options
    }

    /// The broker gets other options.
    pub(crate) fn configure(&mut self, options: Options) -> Vec<Said> {
        self.options = options.clone();
        self.handle(Event::Configured { options: Box::new(options), authority: None })
    }

    /// A connection is accepted by a listener.
    pub(crate) fn open(&mut self, listener: u16) -> (ConnId, Vec<Said>) {
        let slot = self.vacant.pop().unwrap_or(self.slots);
        self.slots = self.slots.max(slot + 1);
        self.serial += 1;
        let conn = ConnId { slot, serial: self.serial };
        self.wires.insert(conn, Wire::default());
        let peer = Peer { listener, ..Peer::default() };
        let said = self.handle(Event::Opened { conn, peer });
        (conn, said)
    }

    /// A packet arrives from a client.
    pub(crate) fn receive(&mut self, conn: ConnId, packet: &Packet) -> Vec<Said> {
        let wire = self.wire_mut(conn);
        if let Packet::Connect(connect) = packet {
            wire.version = connect.version;
        }
        let mut bytes = BytesMut::new();
        codec::encode(packet, wire.version, &mut bytes).expect("clients send what can be sent");
        self.receive_bytes(conn, &bytes)
    }

    /// The bytes of a packet arrive from a client.
    pub(crate) fn receive_bytes(&mut self, conn: ConnId, mut bytes: &[u8]) -> Vec<Said> {
        let limits = Limits {
            packet: self.options.max_packet_size as usize,
            connect: self.options.max_connect_size as usize,
        };
        let mut decoder = std::mem::replace(&mut self.wire_mut(conn).decoder, Decoder::server());
        let said = match decoder.next(&mut bytes, &limits) {
            Ok(Some(Incoming::Publish(publish))) => {
                self.handle(Event::Published { conn, publish: &publish })
            }
            Ok(Some(packet)) => self.handle(Event::Received { conn, packet }),
            Ok(None) => panic!("a whole packet"),
            Err(error) => {
                let version = decoder.version();
                self.handle(Event::Garbled { conn, version, error })
            }
        };
        if self.wire_mut(conn).is_open {
            decoder.open();
        }
        self.wire_mut(conn).decoder = decoder;
        said
    }

    /// Everything that may leave for a client leaves; the packets, and the room they took.
    pub(crate) fn flush(&mut self, conn: ConnId, most: usize) -> (Vec<Packet>, usize) {
        let durable = self.disk.durable();
        self.wire_mut(conn).take(durable, most)
    }

    /// The broker learns that so much room is free again.
    pub(crate) fn written(&mut self, conn: ConnId, bytes: usize) -> Vec<Said> {
        self.handle(Event::Written { conn, bytes })
    }

    /// Whether something can leave for a client.
    pub(crate) fn has_output(&self, conn: ConnId) -> bool {
        self.wires.get(&conn).is_some_and(|wire| wire.can_send(self.disk.durable()))
    }

    /// Whether the broker has closed the connection and its last bytes are gone.
    pub(crate) fn is_spent(&self, conn: ConnId) -> bool {
        self.wires.get(&conn).is_some_and(Wire::is_spent)
    }

    /// Whether the broker reads from a connection.
    pub(crate) fn is_held(&self, conn: ConnId) -> bool {
        self.wires.get(&conn).is_some_and(|wire| wire.is_held)
    }

    /// Whether the broker has closed a connection.
    pub(crate) fn is_closing(&self, conn: ConnId) -> bool {
        self.wires.get(&conn).is_some_and(|wire| wire.is_closing)
    }

    /// Whether there is such a connection.
    pub(crate) fn is_there(&self, conn: ConnId) -> bool {
        self.wires.contains_key(&conn)
    }

    /// A connection is gone, with everything that was on its way.
    pub(crate) fn close(&mut self, conn: ConnId, end: End) -> Vec<Said> {
        self.wires.remove(&conn).expect("a connection ends once");
        self.vacant.push(conn.slot);
        self.handle(Event::Closed { conn, end })
    }

    /// Time passes until the next deadline, or to `until` if there is none before.
    pub(crate) fn tick(&mut self, until: Time) -> Vec<Said> {
        let due = self.broker.deadline().filter(|due| *due <= until);
        self.now = self.now.max(due.unwrap_or(until));
        let Some(_) = due else { return Vec::new() };
        let said = self.handle(Event::Tick);
        let next = self.broker.deadline();
        assert!(next.is_none_or(|next| next > self.now), "a deadline is later than its Tick");
        said
    }

    /// How storage is, as far as the broker is told.
    pub(crate) fn storage(&mut self, state: Storage) -> Vec<Said> {
        let durable = self.disk.durable();
        self.handle(Event::Storage { durable, state })
    }

    /// A broker made from the first `count` records.
    pub(crate) fn replayed(&self, count: usize) -> Broker {
        let mut broker = Broker::new(self.options.clone(), Box::new(AllowAll), self.seed ^ 1);
        for record in &self.disk.records()[..count] {
            broker.replay(record.clone()).expect("records fit together");
        }
        broker.begin(self.now);
        broker
    }

    /// The process ends without warning and power fails, beneath the real store. The clock shows
    /// `wall` afterwards. How many records are left, which are those of whole events, and what
    /// time it is; [`crash`](Self::crash) comes next.
    pub(crate) fn lose_power(&mut self, wall: Time) -> (usize, Time) {
        let vault = self.disk.vault().expect("there is a store");
        let (records, count, now) = vault.crash(wall);
        let mut broker = Broker::new(self.options.clone(), Box::new(AllowAll), self.seed ^ 1);
        for record in records {
            broker.replay(record).expect("what is stored fits together");
        }
        assert_alike(&broker.snapshot(), &self.replayed(count).snapshot());
        (count, now)
    }

    /// The process ends without warning and begins again with the first `count` records.
    pub(crate) fn crash(&mut self, count: usize) -> Vec<Said> {
        self.wires.clear();
        self.vacant.clear();
        self.slots = 0;
        self.disk.forget_after(count);
        self.broker = self.replayed(count);
        let mut effects = Effects::new();
        self.broker.recovered(self.now, &mut effects);
        let said = self.perform(&mut effects, None);
        self.disk.end_unit(self.now);
        said
    }

    fn wire_mut(&mut self, conn: ConnId) -> &mut Wire {
        self.wires.get_mut(&conn).expect("effects and events concern open connections")
    }

    fn perform(&mut self, effects: &mut Effects, publish: Option<&PublishRef<'_>>) -> Vec<Said> {
        let mut said = Vec::with_capacity(effects.list.len());
        for effect in std::mem::take(&mut effects.list) {
            match effect {
                Effect::Record(record) => {
                    let is_end = matches!(record, Record::Session(_, Change::Closed));
                    said.push(Said::Recorded(self.disk.append(record), is_end));
                }
                Effect::Send { conn, what, after } => said.push(self.send(conn, what, after)),
                Effect::Deliver { message, start, len } => {
                    let (start, len) = (start as usize, len as usize);
                    assert!(len > 0, "somebody gets it");
                    let parts = match &message {
                        MessageRef::Received => {
                            effects.received(publish.expect("it is of a PUBLISH"), self.now)
                        }
                        MessageRef::Shared(message) => message.parts(),
                    };
                    for target in &effects.targets[start..start + len] {
                        said.push(self.deliver(&parts, target, &effects.identifiers));
                    }
                }
                Effect::Online { conn, version, .. } => {
                    let wire = self.wire_mut(conn);
                    assert_eq!(wire.version, version, "the broker speaks the client's version");
                    wire.is_open = true;
                    said.push(Said::Online);
                }
                Effect::Hold { conn } => said.push(self.hold(conn, true)),
                Effect::Resume { conn } => said.push(self.hold(conn, false)),
                Effect::Close { conn } => {
                    self.wire_mut(conn).is_closing = true;
                    said.push(Said::Closing { conn });
                }
                // Nobody reads this machine's log.
                Effect::Overdue { .. } => {}
                Effect::Abort { conn } => {
                    self.wire_mut(conn).abort();
                    said.push(Said::Aborted { conn });
                }
                Effect::Judge { .. } | Effect::Unjudge { .. } => panic!("nobody is judged here"),
            }
        }
        said
    }

    fn hold(&mut self, conn: ConnId, is_held: bool) -> Said {
        let wire = self.wire_mut(conn);
        assert_ne!(wire.is_held, is_held, "held once, let go once");
        wire.is_held = is_held;
        Said::Held { conn, is_held }
    }

    fn send(&mut self, conn: ConnId, what: Outgoing, after: Seq) -> Said {
        assert!(after <= self.disk.newest(), "a record that was emitted");
        self.disk.want(after);
        let wire = self.wire_mut(conn);
        let packet = match what {
            Outgoing::Ack(kind, ack) => kind.packet(ack),
            Outgoing::PingResp => Packet::PingResp,
            Outgoing::Packet(packet) => *packet,
        };
        let packet = as_read(&packet, wire.version);
        wire.push(Frame { after, charge: 0, packet: packet.clone() });
        Said::Sent { conn, packet, after }
    }

    fn deliver(&mut self, parts: &Parts<'_>, target: &Target, identifiers: &[u32]) -> Said {
        let start = target.identifiers_start as usize;
        let identifiers = &identifiers[start..start + target.identifiers_len as usize];
        let wire = self.wire_mut(target.conn);
        assert!(wire.is_open && !wire.is_closing, "messages go to accepted connections");
        let head = PublishHead {
            dup: target.dup,
            qos: target.qos,
            retain: target.retain,
            topic: parts.topic.after(target.skip),
            packet_id: target.packet_id,
            topic_alias: None,
            message_expiry_interval: target.expiry,
            subscription_identifiers: identifiers,
            properties: parts.properties,
            payload_len: parts.payload.len(),
        };
        let mut bytes = BytesMut::new();
        head.write(wire.version, &mut bytes);
        bytes.extend_from_slice(parts.payload);
        assert_eq!(bytes.len(), target.charge as usize, "charged for what it takes");
        let Packet::Publish(publish) = read(&bytes, wire.version) else { panic!("a PUBLISH") };
        let packet = Packet::Publish(publish.clone());
        self.disk.want(target.after);
        let wire = self.wire_mut(target.conn);
        wire.push(Frame { after: target.after, charge: bytes.len(), packet });
        Said::Delivered { target: *target, publish }
    }
}

/// A packet as a client reads it that has it from the wire.
fn as_read(packet: &Packet, version: Version) -> Packet {
    let mut bytes = BytesMut::new();
    codec::encode(packet, version, &mut bytes).expect("the broker says what can be said");
    read(&bytes, version)
}

fn read(mut bytes: &[u8], version: Version) -> Packet {
    let mut decoder = Decoder::client(version);
    let packet = decoder.next(&mut bytes, &Limits::default());
    let packet = packet.expect("a client can read it").map(Incoming::into_packet);
    assert!(bytes.is_empty(), "one packet");
    packet.expect("a whole packet")
}

/// The reason a packet gives, if it is one that ends a connection.
pub(crate) const fn reason_of(packet: &Packet) -> Option<ReasonCode> {
    if let Packet::Disconnect(disconnect) = packet { Some(disconnect.reason) } else { None }
}
