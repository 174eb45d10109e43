//! The second world: the server's own loop between simulated sockets and the real store.
//!
//! Everything of the server but the operating system: bytes come and go in pieces of any size,
//! sockets take nothing for a while, connections break and half-close, commits take their time,
//! and power fails. Publishers number their messages; what they are told is acknowledged reaches
//! the subscribers, in order, at least once with QoS 1 and exactly once with QoS 2.
//!
//! `BYTES_SEEDS=2000 cargo test --release second_world` runs many seeds, `BYTES_SEED=7` one.
//!
//! Never decodes with the server's decoder: a client has its own.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mqtt_broker::broker::Options;
use mqtt_broker::codec::{
    Ack, Connect, Packet, PacketId, Publish, QoS, ReasonCode, Subscribe, SubscribeOptions, Version,
    decode_packet, encode,
};
use mqtt_broker::rng::Rng;
use mqtt_broker::server::hub::{Hub, Readiness};
use mqtt_broker::session::{AllowAll, Peer};
use mqtt_broker::time::Time;

use super::number;
use super::socket::{Pipe, Shared, SimSocket};
use crate::machine::Vault;

const SEEDS: u64 = 25;
const STEPS: u64 = 1500;
const CLIENTS: usize = 6;

/// A client with a session that is kept: the first half of them publish, the others subscribe.
struct Client {
    index: usize,
    version: Version,
    qos: QoS,
    link: Option<(usize, Rc<RefCell<Pipe>>)>,
    inbox: BytesMut,
    is_online: bool,
    /// A CONNACK has promised it a session.
    has_session: bool,
    is_subscribed: bool,
    /// What it has sent, and whether it was received (QoS 2).
    flying: Vec<(u16, bool)>,
    last: u16,
    taken: BTreeSet<PacketId>,
    got: BTreeMap<String, Vec<u16>>,
}

struct World {
    rng: Rng,
    now: Time,
    hub: Hub<SimSocket, Shared>,
    store: Shared,
    clients: Vec<Client>,
    crashes: usize,
}

fn hub(store: &Shared, seed: u64) -> Hub<SimSocket, Shared> {
    let options = Options { max_queued_messages: 0, room: 200, ..Options::default() };
    Hub::new(options, Box::new(AllowAll), store.clone(), seed)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let now = Time::from_ms(1_800_000_000_000);
        let store = Shared(Rc::new(RefCell::new((Vault::new(now, Rng::new(rng.next_u64())), 1))));
        let clients = (0..CLIENTS).map(|index| Client {
            index,
            version: if rng.chance(1, 2) { Version::V5 } else { Version::V311 },
            qos: if index % 2 == 0 { QoS::ExactlyOnce } else { QoS::AtLeastOnce },
            link: None,
            inbox: BytesMut::new(),
            is_online: false,
            has_session: false,
            is_subscribed: false,
            flying: Vec::new(),
            last: 0,
            taken: BTreeSet::new(),
            got: BTreeMap::new(),
        });
        let clients = clients.collect();
        Self { hub: hub(&store, seed), rng, now, store, clients, crashes: 0 }
    }

    fn step(&mut self) {
        let client = self.rng.index(CLIENTS);
        match self.rng.index(100) {
            0..40 => self.turn(),
            40..75 => self.act(client),
            75..90 => {
                if let Some((slot, pipe)) = &self.clients[client].link {
                    pipe.borrow_mut().space = self.rng.index(60);
                    self.hub.ready(*slot, WRITABLE);
                }
            }
            90..95 => self.store.0.borrow_mut().1 = self.rng.index(3),
            95..97 => self.clients[client].cut(&mut self.hub, true),
            97..99 => self.clients[client].cut(&mut self.hub, false),
            _ if self.rng.chance(1, 3) => self.lose_power(),
            _ => {}
        }
    }

    fn turn(&mut self) {
        self.now = self.now.plus_ms(self.rng.below(20));
        self.hub.turn(self.now);
    }

    fn act(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let Some((slot, pipe)) = client.link.clone() else { return self.connect(index) };
        if pipe.borrow().is_dropped && pipe.borrow().down.is_empty() {
            return client.forget_link();
        }
        // Some of what came arrives, and what follows from it is said.
        let some = pipe.borrow_mut().rng.index(80);
        let come: Vec<u8> = {
            let mut pipe = pipe.borrow_mut();
            let count = some.min(pipe.down.len());
            pipe.down.drain(..count).collect()
        };
        client.inbox.extend_from_slice(&come);
        while let Some(packet) = decode_packet(&mut client.inbox, client.version, 1 << 20).unwrap()
        {
            client.hear(packet);
        }
        if client.is_online && client.is_publisher() && client.flying.len() < 5 && client.last < 300
        {
            client.last += 1;
            client.flying.push((client.last, false));
            client.say(&client.publish(client.last, false));
        }
        self.hub.ready(slot, READABLE);
    }

    fn connect(&mut self, index: usize) {
        let pipe = Rc::new(RefCell::new(Pipe {
            rng: Rng::new(self.rng.next_u64()),
            up: VecDeque::new(),
            down: VecDeque::new(),
            space: self.rng.index(100),
            has_ended: false,
            is_broken: false,
            is_dropped: false,
        }));
        let client = &mut self.clients[index];
        let conn = self.hub.accept(self.now, SimSocket(Rc::clone(&pipe)), Peer::default());
        client.link = Some((conn.slot as usize, pipe));
        let mut connect = Connect::new(format!("c{index}")).version(client.version).keep_alive(0);
        connect.clean_start = false;
        if client.version == Version::V5 {
            connect.properties.session_expiry_interval = Some(u32::MAX);
        }
        client.say(&Packet::Connect(connect));
    }

    fn lose_power(&mut self) {
        self.crashes += 1;
        let (records, _, now) = self.store.0.borrow_mut().0.crash(self.now);
        self.now = now;
        self.hub = hub(&self.store, self.rng.next_u64());
        for record in records {
            self.hub.replay(record).expect("what is stored fits together");
        }
        self.hub.recovered(self.now);
        self.clients.iter_mut().for_each(Client::forget_link);
    }

    /// No more faults: until everybody has everything.
    fn heal(&mut self) {
        self.store.0.borrow_mut().1 = 2;
        for round in 0..3000 {
            for index in 0..CLIENTS {
                if let Some((slot, pipe)) = &self.clients[index].link {
                    pipe.borrow_mut().space = usize::MAX;
                    self.hub.ready(*slot, WRITABLE);
                }
                self.act(index);
            }
            self.turn();
            if self.hub.turn(self.now) != Some(Duration::ZERO)
                && self.clients.iter().all(|client| client.has_all())
                && round > 600
            {
                return;
            }
        }
        let open: Vec<_> = self.clients.iter().map(|c| (c.index, c.is_online, &c.flying)).collect();
        panic!("it never comes to rest: {open:?}");
    }

    fn check(&self) {
        for subscriber in self.clients.iter().filter(|client| !client.is_publisher()) {
            for publisher in self.clients.iter().filter(|client| client.is_publisher()) {
                let got = subscriber.got.get(&publisher.topic()).map_or(&[][..], |got| got);
                let is_exact = publisher.qos.min(subscriber.qos) == QoS::ExactlyOnce;
                // Before it had subscribed it was promised nothing.
                let mut next = got.first().copied().unwrap_or(publisher.last + 1);
                for &number in got {
                    assert!(number <= next, "{number} before {next}: {got:?}");
                    assert!(number == next || !is_exact, "{number} came twice: {got:?}");
                    next = next.max(number + 1);
                }
                assert_eq!(next, publisher.last + 1, "everything came");
            }
        }
    }
}

const READABLE: Readiness =
    Readiness { readable: true, writable: false, ended: false, failed: false };
const WRITABLE: Readiness =
    Readiness { readable: false, writable: true, ended: false, failed: false };

impl Client {
    const fn is_publisher(&self) -> bool {
        self.index < CLIENTS / 2
    }

    fn has_all(&self) -> bool {
        self.is_online && self.flying.is_empty() && (self.is_publisher() || self.is_subscribed)
    }

    fn topic(&self) -> String {
        format!("t/{}", self.index)
    }

    fn publish(&self, number: u16, dup: bool) -> Packet {
        let mut publish = Publish::new(self.topic(), Bytes::from(number.to_string()));
        (publish.qos, publish.packet_id, publish.dup) = (self.qos, PacketId::new(number), dup);
        Packet::Publish(publish)
    }

    fn say(&self, packet: &Packet) {
        let Some((_, pipe)) = &self.link else { return };
        let mut bytes = BytesMut::new();
        encode(packet, self.version, &mut bytes).unwrap();
        pipe.borrow_mut().up.extend(&bytes);
    }

    fn forget_link(&mut self) {
        (self.link, self.is_online) = (None, false);
        self.inbox.clear();
    }

    /// Its connection breaks, or it says no more.
    fn cut(&mut self, hub: &mut Hub<SimSocket, Shared>, is_broken: bool) {
        let Some((slot, pipe)) = &self.link else { return };
        if is_broken {
            pipe.borrow_mut().is_broken = true;
            hub.ready(*slot, Readiness { failed: true, ended: true, ..READABLE });
            self.forget_link();
        } else {
            pipe.borrow_mut().has_ended = true;
            hub.ready(*slot, Readiness { ended: true, ..READABLE });
        }
    }

    fn hear(&mut self, packet: Packet) {
        match packet {
            Packet::ConnAck(answer) => {
                assert_eq!(answer.reason, ReasonCode::SUCCESS);
                assert!(answer.session_present || !self.has_session, "a session was promised");
                (self.is_online, self.has_session) = (true, true);
                for &(number, received) in &self.flying {
                    let release = Ack::new(PacketId::new(number).unwrap(), ReasonCode::SUCCESS);
                    let (release, again) = (Packet::PubRel(release), self.publish(number, true));
                    self.say(if received { &release } else { &again });
                }
                if !self.is_publisher() && !self.is_subscribed {
                    let options = SubscribeOptions { qos: self.qos, ..Default::default() };
                    self.say(&Packet::Subscribe(Subscribe {
                        packet_id: PacketId::new(1).unwrap(),
                        subscription_identifier: None,
                        user_properties: vec![],
                        filters: vec![("t/#".into(), options)],
                    }));
                }
            }
            Packet::SubAck(_) => self.is_subscribed = true,
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                self.flying.retain(|(number, _)| *number != ack.packet_id.get());
            }
            Packet::PubRec(ack) => {
                let number = ack.packet_id.get();
                for one in self.flying.iter_mut().filter(|(flying, _)| *flying == number) {
                    one.1 = true;
                }
                self.say(&Packet::PubRel(Ack::new(ack.packet_id, ReasonCode::SUCCESS)));
            }
            Packet::PubRel(ack) => {
                self.taken.remove(&ack.packet_id);
                self.say(&Packet::PubComp(Ack::new(ack.packet_id, ReasonCode::SUCCESS)));
            }
            Packet::Publish(publish) => {
                let id = publish.packet_id.unwrap();
                let is_new = publish.qos < QoS::ExactlyOnce || self.taken.insert(id);
                if is_new {
                    let number = String::from_utf8(publish.payload.to_vec()).unwrap();
                    let got = self.got.entry(publish.topic).or_default();
                    got.push(number.parse().unwrap());
                }
                let ack = Ack::new(id, ReasonCode::SUCCESS);
                self.say(&match publish.qos {
                    QoS::ExactlyOnce => Packet::PubRec(ack),
                    _ => Packet::PubAck(ack),
                });
            }
            _ => {}
        }
    }
}

#[test]
fn every_promise_is_kept_in_the_second_world() {
    let first = number("BYTES_SEED");
    let seeds = first.map_or(0, |seed| seed)
        ..first.map_or_else(|| number("BYTES_SEEDS").unwrap_or(SEEDS), |seed| seed + 1);
    let (mut got, mut crashes) = (0, 0);
    for seed in seeds.clone() {
        let run = std::panic::AssertUnwindSafe(|| {
            let mut world = World::new(seed);
            (0..STEPS).for_each(|_| world.step());
            world.heal();
            world.check();
            let got = world.clients.iter().flat_map(|client| client.got.values()).map(Vec::len);
            (got.sum::<usize>(), world.crashes)
        });
        let result = std::panic::catch_unwind(run);
        let (more, crashed) = result.unwrap_or_else(|_| panic!("BYTES_SEED={seed} failed"));
        (got, crashes) = (got + more, crashes + crashed);
    }
    println!("{seeds:?}: {got} messages, {crashes} crashes");
}
