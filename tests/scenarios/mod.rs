//! Scenarios: a few clients, one broker, virtual time; each reads like what happens.
//!
//! Owns: [`World`]. A packet reaches the broker when a test says so and everything that follows
//! from it happens at once: what may leave leaves, room comes back, clients that acknowledge do.
//! A test ends with [`World::end`]: every session is ended, every retained message cleared, and
//! nothing may be left.
//!
//! Never sleeps and never opens a socket.

mod configured;
mod elsewhere;
mod expiry;
mod flow;
mod held;
mod limits;
mod links;
mod listeners;
mod memory;
mod mounts;
mod overflow;
mod presence;
mod rates;
mod records;
mod refuse;
mod resume;
mod retained;
mod routing;
mod shared;
mod sizes;
mod sys;
mod takeover;
mod upgrade;
mod wills;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mqtt_broker::broker::{ConnId, End, Options};
use mqtt_broker::codec::{
    Ack, ConnAck, Connect, Disconnect, Packet, PacketId, Publish, ReasonCode, Subscribe,
    SubscribeOptions, Unsubscribe,
};
use mqtt_broker::metrics::DropReason;

use crate::machine::{Machine, Said, show};
use words::{ack, answer_to, plain, qos, v3};

/// One client, by its name.
#[derive(Debug, Default)]
struct Person {
    conn: Option<ConnId>,
    /// Everything received since it was last looked at.
    heard: Vec<Packet>,
    /// Acknowledges nothing.
    is_silent: bool,
    /// Takes nothing from its socket.
    is_stalled: bool,
    /// Sent while the broker does not read.
    unread: VecDeque<Packet>,
    next_id: u16,
}

/// A broker and its clients.
struct World {
    machine: Machine,
    people: BTreeMap<String, Person>,
    /// Connections whose clients have gone on to another.
    strays: BTreeMap<ConnId, Person>,
    said: Vec<Said>,
    /// By which listener who connects comes in.
    listener: u16,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        change(&mut options);
        Self {
            machine: Machine::new(options, 1),
            people: BTreeMap::new(),
            strays: BTreeMap::new(),
            said: Vec::new(),
            listener: 0,
        }
    }

    /// Connects, which must succeed; whether the session was there is in the answer.
    fn connect(&mut self, connect: Connect) -> ConnAck {
        let name = connect.client_id.clone();
        self.call(connect);
        let person = self.people.get_mut(&name).unwrap();
        let place = person.heard.iter().position(|packet| matches!(packet, Packet::ConnAck(_)));
        let Packet::ConnAck(answer) = person.heard.remove(place.expect("an answer")) else {
            panic!("found it there")
        };
        assert_eq!(answer.reason, ReasonCode::SUCCESS, "{name} is let in");
        answer
    }

    /// Sends a CONNECT on a new connection and leaves the answer to be heard.
    fn call(&mut self, connect: Connect) {
        let name = connect.client_id.clone();
        let conn = self.open(&name);
        let said = self.machine.receive(conn, &Packet::Connect(connect));
        self.settle(said);
    }

    /// Opens a connection and says nothing on it yet.
    fn open(&mut self, name: &str) -> ConnId {
        let (conn, said) = self.machine.open(self.listener);
        self.settle(said);
        let person = self.people.entry(name.into()).or_default();
        let (is_silent, is_stalled) = (person.is_silent, person.is_stalled);
        let unread = std::mem::take(&mut person.unread);
        if let Some(old) = person.conn.replace(conn) {
            let stray =
                Person { conn: Some(old), is_silent, is_stalled, unread, ..Person::default() };
            self.strays.insert(old, stray);
        }
        conn
    }

    fn conn(&self, name: &str) -> ConnId {
        self.people[name].conn.expect("connected")
    }

    fn is_connected(&self, name: &str) -> bool {
        self.people[name].conn.is_some()
    }

    fn send(&mut self, name: &str, packet: &Packet) {
        let conn = self.conn(name);
        if self.machine.is_held(conn) {
            return self.person_at_mut(conn).unread.push_back(packet.clone());
        }
        let said = self.machine.receive(conn, packet);
        self.settle(said);
    }

    fn next_id(&mut self, name: &str) -> PacketId {
        let person = self.people.get_mut(name).unwrap();
        person.next_id += 1;
        PacketId::new(person.next_id).unwrap()
    }

    /// Subscribes at a QoS; says what was granted.
    fn subscribe(&mut self, name: &str, filter: &str, level: u8) -> u8 {
        self.subscribe_with(name, filter, SubscribeOptions { qos: qos(level), ..plain() }, None)
    }

    fn subscribe_with(
        &mut self,
        name: &str,
        filter: &str,
        options: SubscribeOptions,
        identifier: Option<u32>,
    ) -> u8 {
        let packet_id = self.next_id(name);
        self.send(
            name,
            &Packet::Subscribe(Subscribe {
                packet_id,
                subscription_identifier: identifier,
                user_properties: Vec::new(),
                filters: vec![(filter.into(), options)],
            }),
        );
        let heard = &mut self.people.get_mut(name).unwrap().heard;
        let place = heard.iter().position(
            |packet| matches!(packet, Packet::SubAck(answer) if answer.packet_id == packet_id),
        );
        let Packet::SubAck(answer) = heard.remove(place.expect("an answer")) else {
            panic!("found it there")
        };
        answer.reasons[0].value()
    }

    fn unsubscribe(&mut self, name: &str, filter: &str) {
        let packet_id = self.next_id(name);
        self.send(
            name,
            &Packet::Unsubscribe(Unsubscribe {
                packet_id,
                user_properties: Vec::new(),
                filters: vec![filter.into()],
            }),
        );
        let heard = &mut self.people.get_mut(name).unwrap().heard;
        heard.retain(|packet| !matches!(packet, Packet::UnsubAck(_)));
    }

    /// Publishes at a QoS, and does all that belongs to it.
    fn publish(&mut self, name: &str, topic: &str, payload: &str, level: u8) {
        let publish = Publish::new(topic.to_owned(), payload.to_owned());
        self.publish_with(name, publish, level);
    }

    fn publish_retained(&mut self, name: &str, topic: &str, payload: &str, level: u8) {
        let publish = Publish::new(topic.to_owned(), payload.to_owned()).retain(true);
        self.publish_with(name, publish, level);
    }

    fn publish_with(&mut self, name: &str, mut publish: Publish, level: u8) {
        publish.qos = qos(level);
        if level > 0 {
            publish.packet_id = Some(self.next_id(name));
        }
        let packet_id = publish.packet_id;
        self.send(name, &Packet::Publish(publish));
        if level == 2 && self.is_connected(name) && !self.is_held(name) {
            self.send(name, &Packet::PubRel(ack(packet_id.unwrap().get())));
        }
        let heard = &mut self.people.get_mut(name).unwrap().heard;
        let own = |ack: &Ack| Some(ack.packet_id) == packet_id;
        heard.retain(|packet| {
            !matches!(packet, Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack)
                if own(ack))
        });
    }

    /// Everything a client has received since, as text.
    fn heard(&mut self, name: &str) -> Vec<String> {
        let heard = std::mem::take(&mut self.people.get_mut(name).unwrap().heard);
        heard.iter().map(show).collect()
    }

    /// The network breaks a client's connection.
    fn cut(&mut self, name: &str) {
        let person = self.people.get_mut(name).unwrap();
        person.unread.clear();
        let conn = person.conn.take().expect("connected");
        let said = self.machine.close(conn, End::Broken);
        self.settle(said);
    }

    /// A client says goodbye.
    fn disconnect(&mut self, name: &str) {
        self.disconnect_with(name, Disconnect::default());
    }

    fn disconnect_with(&mut self, name: &str, disconnect: Disconnect) {
        self.send(name, &Packet::Disconnect(disconnect));
        assert!(!self.is_connected(name), "goodbye ends a connection");
    }

    /// Time passes, deadline by deadline.
    fn pass(&mut self, secs: u32) {
        self.pass_ms(u64::from(secs) * 1000);
    }

    fn pass_ms(&mut self, ms: u64) {
        let until = self.machine.now.plus_ms(ms);
        while self.machine.now < until {
            let said = self.machine.tick(until);
            self.settle(said);
        }
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.machine.broker.counters().dropped(reason)
    }

    /// All that follows from an event, until nothing does.
    fn settle(&mut self, said: Vec<Said>) {
        self.said.extend(said);
        loop {
            let mut said = Vec::new();
            for conn in self.all_conns() {
                said.extend(self.attend(conn));
            }
            if said.is_empty() && !self.all_conns().iter().any(|conn| self.has_work(*conn)) {
                break;
            }
            self.said.extend(said);
        }
    }

    fn all_conns(&self) -> Vec<ConnId> {
        let current = self.people.values().filter_map(|person| person.conn);
        let mut conns: Vec<ConnId> = current.chain(self.strays.keys().copied()).collect();
        conns.sort_unstable();
        conns
    }

    fn has_work(&self, conn: ConnId) -> bool {
        let person = self.person_at(conn);
        !person.is_stalled && self.machine.has_output(conn)
            || self.machine.is_spent(conn)
            || !person.unread.is_empty() && self.reads(conn)
    }

    fn person_at(&self, conn: ConnId) -> &Person {
        let current = self.people.values().find(|person| person.conn == Some(conn));
        current.or_else(|| self.strays.get(&conn)).expect("somebody's connection")
    }

    fn person_at_mut(&mut self, conn: ConnId) -> &mut Person {
        let current = self.people.values_mut().find(|person| person.conn == Some(conn));
        current.or_else(|| self.strays.get_mut(&conn)).expect("somebody's connection")
    }

    fn reads(&self, conn: ConnId) -> bool {
        !self.machine.is_held(conn) && !self.machine.is_closing(conn)
    }

    fn attend(&mut self, conn: ConnId) -> Vec<Said> {
        let mut said = Vec::new();
        while self.reads(conn)
            && let Some(packet) = self.person_at_mut(conn).unread.pop_front()
        {
            said.extend(self.machine.receive(conn, &packet));
        }
        if !self.person_at(conn).is_stalled {
            let (packets, room) = self.machine.flush(conn, usize::MAX);
            if room > 0 {
                said.extend(self.machine.written(conn, room));
            }
            for packet in packets {
                let person = self.person_at_mut(conn);
                let is_silent = person.is_silent;
                person.heard.push(packet.clone());
                if let (false, Some(answer)) = (is_silent, answer_to(&packet))
                    && !self.machine.is_spent(conn)
                {
                    if self.machine.is_held(conn) {
                        self.person_at_mut(conn).unread.push_back(answer);
                        continue;
                    }
                    said.extend(self.machine.receive(conn, &answer));
                }
            }
        }
        if self.machine.is_spent(conn) {
            let person = self.person_at_mut(conn);
            person.conn = None;
            person.unread.clear();
            self.strays.remove(&conn);
            said.extend(self.machine.close(conn, End::Local));
        }
        said
    }

    /// Nothing is left once every session is ended and every retained message cleared.
    fn end(mut self) {
        self.listener = 0;
        self.machine.disk.is_slow = false;
        self.machine.disk.finish(self.machine.now);
        self.machine.check_replay();
        let names: BTreeSet<String> = self.people.keys().cloned().collect();
        for person in self.people.values_mut().chain(self.strays.values_mut()) {
            (person.is_silent, person.is_stalled) = (false, false);
        }
        for name in names.iter().filter(|name| !name.is_empty()) {
            self.connect(v3(name));
        }
        self.connect(v3("the end"));
        self.subscribe("the end", "#", 0);
        self.subscribe("the end", "$x/#", 0);
        self.pass(60);
        let retained = std::mem::take(&mut self.people.get_mut("the end").unwrap().heard);
        for packet in retained {
            let Packet::Publish(publish) = packet else { continue };
            self.publish_retained("the end", &publish.topic, "", 0);
        }
        for person in self.people.values_mut() {
            person.heard.clear();
        }
        let online: Vec<String> =
            self.people.iter().filter(|(_, p)| p.conn.is_some()).map(|(n, _)| n.clone()).collect();
        for name in online {
            self.disconnect(&name);
        }
        self.machine.check_empty();
    }
}
