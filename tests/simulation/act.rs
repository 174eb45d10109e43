//! What clients decide to do.
//!
//! Owns: the drawing of packets. Clients behave: what they send is allowed, at any time.
//!
//! Never waits for an answer unless the standard says so.

use bytes::Bytes;
use mqtt_broker::broker::ConnId;
use mqtt_broker::codec::{
    Connect, Disconnect, Packet, Publish, QoS, ReasonCode, RetainHandling, Subscribe,
    SubscribeOptions, Unsubscribe, Version, Will,
};

use super::peer::Phase;
use super::swarm::{
    ALIASES, Action, FILTERS, MOUNT, MOUNTED, ONCE, SHARED, SHARED_MOUNTED, TOPICS, pick,
};
use super::world::World;

impl World {
    /// A client does something, if it can.
    pub(super) fn act(&mut self, action: Action) {
        let client = self.rng.index(self.peers.len());
        let phase = self.peers[client].phase;
        match action {
            Action::Connect | Action::Duplicate if !self.is_served(client) => {}
            Action::Connect if phase == Phase::Offline => self.call(client),
            Action::Duplicate if phase != Phase::Offline => {
                self.peers[client].loses_connection();
                self.call(client);
            }
            _ if phase != Phase::Online => {}
            Action::Publish => self.publish(client),
            Action::Subscribe => self.subscribe(client),
            Action::Unsubscribe => self.unsubscribe(client),
            Action::Ping => self.say(client, Packet::PingReq),
            Action::Disconnect => self.disconnect(client),
            _ => {}
        }
    }

    fn say(&mut self, client: usize, packet: Packet) {
        let conn = self.peers[client].conn.expect("online");
        self.send(conn, packet);
    }

    fn call(&mut self, client: usize) {
        let connect = self.draw_connect(client);
        self.call_with(client, connect);
    }

    fn call_with(&mut self, client: usize, connect: Connect) {
        let conn = self.open(client);
        let peer = &mut self.peers[client];
        (peer.conn, peer.phase) = (Some(conn), Phase::Calling);
        self.send(conn, Packet::Connect(connect));
    }

    fn draw_connect(&mut self, client: usize) -> Connect {
        let version = self.peers[client].version;
        let (kept, of) = self.swarm.kept;
        let is_kept = self.rng.chance(kept, of);
        let mut connect = Connect::new(self.peers[client].id()).version(version).keep_alive(0);
        connect.clean_start = if version == Version::V5 {
            !is_kept && self.rng.chance(1, 2) || self.rng.chance(1, 20)
        } else {
            !is_kept
        };
        if self.swarm.keep_alive && self.rng.chance(1, 2) {
            connect.keep_alive = u16::try_from(1 + self.rng.below(60)).expect("small");
        }
        if self.swarm.wills && self.rng.chance(1, 2) {
            connect.will = Some(Box::new(self.draw_will(client)));
        }
        if version == Version::V5 {
            let properties = &mut connect.properties;
            if is_kept {
                let secs = *pick(&mut self.rng, &[1, 10, 100, 10_000, u32::MAX]);
                properties.session_expiry_interval = Some(secs);
            }
            if self.swarm.receive_maximum && self.rng.chance(1, 2) {
                properties.receive_maximum = Some(*pick(&mut self.rng, &[1, 1, 2, 3, 10]));
            }
            if self.swarm.packet_limits && self.rng.chance(1, 2) {
                // Larger than any acknowledgement, which is no message to leave out.
                let bytes = 30 + self.rng.below(self.swarm.longest as u64 + 10);
                properties.maximum_packet_size = Some(u32::try_from(bytes).expect("small"));
            }
        }
        connect
    }

    fn draw_will(&mut self, client: usize) -> Will {
        let version = self.peers[client].version;
        let publish = self.draw_publish(client);
        let Publish { topic, payload, qos, retain, mut properties, .. } = publish;
        properties.topic_alias = None;
        let delay_interval = match version {
            Version::V5 => *pick(&mut self.rng, &[0, 1, 5, 60]),
            Version::V31 | Version::V311 => 0,
        };
        Will { topic, payload, qos, retain, delay_interval, properties }
    }

    /// A message nobody has sent before.
    fn draw_publish(&mut self, client: usize) -> Publish {
        self.letters += 1;
        let version = self.peers[client].version;
        let topics = if self.swarm.shared { &TOPICS[..] } else { &TOPICS[..3] };
        let mut topic = String::from(*pick(&mut self.rng, topics));
        if self.reaches_in(client) {
            topic.insert_str(0, MOUNT);
        }
        let length = self.rng.index(self.swarm.longest);
        let qos = *pick(&mut self.rng, &[0, 1, 1, 2, 2].map(level));
        let qos = qos.min(self.swarm.door(client).maximum_qos);
        let once = if qos == QoS::ExactlyOnce { ONCE } else { "" };
        let mut payload = format!("{once}{:.<length$}", self.letters);
        let retain = self.swarm.retain && self.rng.chance(1, 3);
        if retain && self.rng.chance(1, 5) {
            payload.clear();
        }
        let mut publish = Publish::new(topic, Bytes::from(payload)).retain(retain);
        publish.qos = qos;
        if version == Version::V5 && self.swarm.message_expiry && self.rng.chance(1, 2) {
            let secs = *pick(&mut self.rng, &[0, 1, 5, 60]);
            publish.properties.message_expiry_interval = Some(secs);
        }
        publish
    }

    fn publish(&mut self, client: usize) {
        if !self.peers[client].may_send() {
            return;
        }
        let version = self.peers[client].version;
        let mut publish = self.draw_publish(client);
        if publish.qos > QoS::AtMostOnce {
            publish.packet_id = Some(self.peers[client].next_id());
        }
        self.peers[client].sends(&publish);
        if version == Version::V5 && self.swarm.aliases {
            let aliases = &mut self.peers[client].aliases;
            if let Some(alias) = aliases.get(&publish.topic) {
                publish.properties.topic_alias = Some(*alias);
                publish.topic.clear();
            } else if aliases.len() < usize::from(ALIASES) {
                let alias = u16::try_from(aliases.len() + 1).expect("small");
                aliases.insert(publish.topic.clone(), alias);
                publish.properties.topic_alias = Some(alias);
            }
        }
        self.say(client, Packet::Publish(publish));
    }

    /// Whether a client names what is behind the mount point of others.
    fn reaches_in(&mut self, client: usize) -> bool {
        let second = self.swarm.options.listeners[1].as_ref().expect("both are there");
        let can = self.swarm.listeners[client] == 0 && !second.mount_point.is_empty();
        can && self.swarm.listeners.contains(&1) && self.rng.chance(1, 3)
    }

    fn draw_filter(&mut self, client: usize) -> &'static str {
        let is_shared = self.swarm.shared && self.rng.chance(1, 2);
        let filters: &[&'static str] = match (is_shared, self.reaches_in(client)) {
            (true, true) => &SHARED_MOUNTED,
            (true, false) => &SHARED,
            (false, true) => &MOUNTED,
            (false, false) => &FILTERS,
        };
        filters[self.rng.index(filters.len())]
    }

    fn subscribe(&mut self, client: usize) {
        let packet_id = self.peers[client].next_id();
        let is_v5 = self.peers[client].version == Version::V5;
        let count = 1 + self.rng.index(2);
        let mut filters: Vec<(String, SubscribeOptions)> = Vec::new();
        for _ in 0..count {
            let filter = self.draw_filter(client);
            let mut options = SubscribeOptions {
                qos: *pick(&mut self.rng, &[0, 1, 2].map(level)),
                ..SubscribeOptions::default()
            };
            if is_v5 {
                options.no_local = !filter.starts_with('$') && self.rng.chance(1, 5);
                options.retain_as_published =
                    self.swarm.retain_as_published && self.rng.chance(1, 2);
                options.retain_handling = *pick(
                    &mut self.rng,
                    &[RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend],
                );
            }
            if !filters.iter().any(|(other, _)| other == filter) {
                filters.push((filter.into(), options));
            }
        }
        let identifier = u32::try_from(1 + self.rng.below(1000)).expect("small");
        let subscription_identifier = (is_v5 && self.rng.chance(1, 3)).then_some(identifier);
        let user_properties = Vec::new();
        let subscribe = Subscribe { packet_id, subscription_identifier, user_properties, filters };
        self.say(client, Packet::Subscribe(subscribe));
    }

    fn unsubscribe(&mut self, client: usize) {
        let packet_id = self.peers[client].next_id();
        let filters = vec![self.draw_filter(client).into()];
        let unsubscribe = Unsubscribe { packet_id, user_properties: Vec::new(), filters };
        self.say(client, Packet::Unsubscribe(unsubscribe));
    }

    fn disconnect(&mut self, client: usize) {
        let mut disconnect = Disconnect::default();
        if self.peers[client].version == Version::V5 {
            if self.rng.chance(1, 3) {
                disconnect.reason = ReasonCode::DISCONNECT_WITH_WILL_MESSAGE;
            }
            if self.rng.chance(1, 3) {
                let secs = *pick(&mut self.rng, &[0, 5, 50, u32::MAX]);
                disconnect.session_expiry_interval = Some(secs);
            }
        }
        self.say(client, Packet::Disconnect(disconnect));
        self.peers[client].phase = Phase::Leaving;
    }

    /// A client connects once more, takes everything and keeps its session.
    pub(super) fn reconnect(&mut self, client: usize) {
        let version = self.peers[client].version;
        let mut connect = Connect::new(self.peers[client].id()).version(version).keep_alive(0);
        connect.clean_start = false;
        if version == Version::V5 {
            connect.properties.session_expiry_interval = Some(u32::MAX);
        }
        self.peers[client].loses_connection();
        self.call_with(client, connect);
    }

    /// A client ends its session and goes.
    pub(super) fn leave(&mut self, client: usize) {
        let version = self.peers[client].version;
        let connect = Connect::new(self.peers[client].id()).version(version).keep_alive(0);
        self.peers[client].loses_connection();
        self.call_with(client, connect);
        self.run_dry();
        self.say(client, Packet::Disconnect(Disconnect::default()));
        self.run_dry();
    }

    /// Somebody clears every retained message.
    pub(super) fn clear_retained(&mut self, conn: ConnId) {
        for topic in TOPICS {
            for topic in [topic.into(), format!("{MOUNT}{topic}")] {
                self.send(conn, Packet::Publish(Publish::new(topic, Bytes::new()).retain(true)));
            }
        }
        self.run_dry();
    }
}

fn level(bits: u8) -> QoS {
    QoS::from_bits(bits).expect("0, 1 or 2")
}
