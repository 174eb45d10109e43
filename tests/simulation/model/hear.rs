//! What clients say, and what must be answered.
//!
//! Owns: the predicted answers, as the lines [`show`](crate::machine::show) makes of packets.
//!
//! Never predicts more than the standard does: what is sent when is the broker's choice.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use mqtt_broker::broker::{ConnId, Overflow, Storage};
use mqtt_broker::codec::{
    self, Ack, Disconnect, Packet, Publish, QoS, ReasonCode, RetainHandling, Subscribe,
    SubscribeOptions, Unsubscribe, Version,
};
use mqtt_broker::time::Time;

use super::super::swarm::{FILTERS, MOUNTED, SHARED, SHARED_MOUNTED};
use super::life::expiry_of;
use super::route::{matches, pattern};
use super::{Group, Letter, Link, Model, Pending, Run, State};
use crate::machine::{Said, show};

impl Model {
    /// A packet reaches the broker.
    pub(in super::super) fn received(
        &mut self,
        now: Time,
        conn: ConnId,
        packet: &Packet,
        said: &[Said],
    ) {
        self.begin(now);
        if let Packet::Connect(connect) = packet {
            if self.links[&conn].state != State::Awaiting {
                return;
            }
            let client = self.links[&conn].client;
            if !self.links[&conn].versions.contains(&connect.version) {
                self.reply(conn, "connack refused 0x84".into());
                self.expected.closings.insert(conn);
                return self.detach(conn, false);
            }
            if self.options.memory_limit > 0 && !self.sessions.contains_key(&client) {
                // Whether memory is short the broker knows.
                if let Some(refused) = refused_connect(conn, said) {
                    self.expected.closings.insert(conn);
                    self.reply(conn, refused);
                    return self.detach(conn, false);
                }
            }
            let is_kept = self.sessions.get(&client).is_some_and(|session| session.is_kept());
            if self.storage == Storage::Failed && (is_kept || expiry_of(connect) > 0) {
                self.reply(conn, "connack refused 0x88".into());
                self.expected.closings.insert(conn);
                return self.detach(conn, true);
            }
            let will = connect.will.as_ref().map(|will| {
                let expiry = will.properties.message_expiry_interval;
                let topic = self.whole(conn, &will.topic);
                letter(client, &topic, &will.payload, (will.qos, will.retain), expiry, now)
            });
            let present = self.attach(conn, connect, will);
            let reply = if present { "connack present" } else { "connack" };
            return self.reply(conn, reply.into());
        }
        if !self.is_online(conn) {
            return;
        }
        self.heard(conn);
        match packet {
            Packet::Publish(publish) => {
                self.check_rate(conn, packet);
                self.on_publish(conn, publish, said);
            }
            Packet::PubAck(ack) => self.on_settled(conn, ack),
            Packet::PubRec(ack) => self.on_pubrec(conn, ack),
            Packet::PubComp(ack) => self.on_settled(conn, ack),
            Packet::PubRel(ack) => {
                let packet_id = ack.packet_id.get();
                self.session_at(conn).expect("online").taken.remove(&packet_id);
                self.reply(conn, format!("pubcomp #{packet_id}"));
            }
            Packet::Subscribe(subscribe) => self.on_subscribe(conn, subscribe, said),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(conn, unsubscribe),
            Packet::PingReq => self.reply(conn, "pingresp".into()),
            Packet::Disconnect(disconnect) => self.on_disconnect(conn, disconnect),
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp
            | Packet::Auth(_) => unreachable!("clients here do not say that"),
        }
    }

    /// Who has sent what a second allows is not read from.
    fn check_rate(&mut self, conn: ConnId, packet: &Packet) {
        let now = self.now;
        let link = self.links.get_mut(&conn).expect("online");
        let bytes = codec::encoded_len(packet, link.version) as u64;
        let ms = now.ms_since(link.read.2) + 1000;
        let is_within = |sum: u64, rate: u64| rate == 0 || sum * 1000 < rate * ms + 1000;
        let (messages, sum) = (link.read.0, link.read.1);
        let rate = u64::from(self.options.max_message_rate);
        assert!(is_within(messages, rate), "{messages} messages in {ms} ms");
        assert!(is_within(sum, self.options.max_byte_rate), "{sum} bytes in {ms} ms");
        (link.read.0, link.read.1) = (messages + 1, sum + bytes);
    }

    fn on_publish(&mut self, conn: ConnId, publish: &Publish, said: &[Said]) {
        let packet_id = publish.packet_id.map(|id| id.get());
        let topic = self.topic_of(conn, publish);
        self.looks_back = publish.retain;
        let session = self.session_at(conn).expect("online");
        if publish.qos == QoS::ExactlyOnce && session.taken.contains(&packet_id.expect("QoS 2")) {
            self.looks_back = true;
            return self.reply(conn, format!("pubrec #{}", packet_id.expect("QoS 2")));
        }
        let client = self.links[&conn].client;
        let expiry = publish.properties.message_expiry_interval;
        let how = (publish.qos, publish.retain);
        let letter = Rc::new(letter(client, &topic, &publish.payload, how, expiry, self.now));
        match packet_id {
            None => drop(self.publish(&letter)),
            Some(packet_id) if self.is_refused(conn, &letter) => {
                let kind = if publish.qos == QoS::ExactlyOnce { "pubrec" } else { "puback" };
                self.reply(conn, format!("{kind} #{packet_id} 0x97"));
            }
            Some(packet_id) => match answer(conn, packet_id, said) {
                Some(reason) => self.answered(conn, &letter, packet_id, reason),
                None => {
                    let is_older = self.links[&conn].version < Version::V5;
                    let may_wait = self.options.memory_limit > 0
                        || self.options.overflow == Overflow::Refuse && is_older;
                    assert!(may_wait, "{publish:?} is not answered");
                    let by = self.now.plus_ms(self.options.stalled_timeout_ms);
                    let link = self.links.get_mut(&conn).expect("online");
                    link.pending = Some(Pending { letter, packet_id, by });
                }
            },
        }
    }

    /// A PUBLISH has come, or has waited, and is acknowledged: then it is owed; or it is refused,
    /// and owed to nobody.
    pub(super) fn answered(
        &mut self,
        conn: ConnId,
        letter: &Rc<Letter>,
        packet_id: u16,
        reason: ReasonCode,
    ) {
        let kind = if letter.qos == QoS::ExactlyOnce { "pubrec" } else { "puback" };
        let is_told = self.links[&conn].version == Version::V5;
        if reason == ReasonCode::QUOTA_EXCEEDED {
            assert!(is_told, "an older client cannot be told");
            let is_full = self.options.overflow == Overflow::Refuse && self.is_any_full(letter);
            assert!(is_full || self.options.memory_limit > 0, "refused for nothing");
            return self.reply(conn, format!("{kind} #{packet_id} 0x97"));
        }
        let matched = self.publish(letter);
        let reason = if is_told && !matched { " 0x10" } else { "" };
        if letter.qos == QoS::ExactlyOnce {
            self.session_at(conn).expect("online").taken.insert(packet_id);
        }
        self.reply(conn, format!("{kind} #{packet_id}{reason}"));
    }

    /// Whether storage has failed that would have to keep this, and the client can be told.
    fn is_refused(&self, conn: ConnId, letter: &Rc<Letter>) -> bool {
        let kept = |client: &usize| self.sessions[client].is_kept();
        let in_group = |(filter, group): (&&str, &Group)| {
            matches(pattern(filter), &letter.topic) && group.members.iter().any(kept)
        };
        self.storage == Storage::Failed
            && self.links[&conn].version == Version::V5
            && (letter.retain
                || self.sessions.keys().any(|c| kept(c) && self.owed_to(*c, letter).is_some())
                || self.groups.iter().any(in_group))
    }

    fn topic_of(&mut self, conn: ConnId, publish: &Publish) -> Rc<str> {
        let aliases = &mut self.links.get_mut(&conn).expect("online").aliases;
        let Some(alias) = publish.properties.topic_alias else {
            return self.whole(conn, &publish.topic).as_str().into();
        };
        if !publish.topic.is_empty() {
            aliases.insert(alias, publish.topic.as_str().into());
        }
        let named = Rc::clone(&aliases[&alias]);
        self.whole(conn, &named).as_str().into()
    }

    /// PUBACK, PUBCOMP: whatever was on its way is not any more.
    fn on_settled(&mut self, conn: ConnId, ack: &Ack) {
        let session = self.session_at(conn).expect("online");
        let flying = session.flights.len();
        session.flights.retain(|flight| flight.packet_id != ack.packet_id.get());
        let was_there = session.flights.len() < flying;
        self.balance.refused += u64::from(was_there && ack.reason.is_error());
    }

    fn on_pubrec(&mut self, conn: ConnId, ack: &Ack) {
        if ack.reason.is_error() {
            return self.on_settled(conn, ack);
        }
        let packet_id = ack.packet_id.get();
        let session = self.session_at(conn).expect("online");
        for flight in session.flights.iter_mut().filter(|f| f.packet_id == packet_id) {
            flight.is_received = true;
        }
        self.reply(conn, format!("pubrel #{packet_id}"));
    }

    fn on_subscribe(&mut self, conn: ConnId, subscribe: &Subscribe, said: &[Said]) {
        let Link { client, mount, qos_max, .. } = self.links[&conn];
        let identifier = subscribe.subscription_identifier.unwrap_or(0);
        let mut granted = Vec::new();
        let limit = self.options.max_subscriptions as usize;
        for (place, (filter, options)) in subscribe.filters.iter().enumerate() {
            let filter = known(mount, filter);
            let options = &SubscribeOptions { qos: options.qos.min(qos_max), ..*options };
            let subs = &self.sessions[&client].subs;
            let is_new = !subs.contains_key(filter);
            let is_full = limit > 0 && subs.len() >= limit;
            let is_short = self.options.memory_limit > 0 && is_refused(conn, place, said);
            if is_new && (is_full || is_short) {
                let is_told = self.links[&conn].version == Version::V5;
                granted.push(if is_told { "0x97" } else { "0x80" }.to_owned());
                continue;
            }
            granted.push(options.qos.bits().to_string());
            if filter.starts_with('$') {
                self.join(filter, client);
            } else {
                let wants = match options.retain_handling {
                    RetainHandling::Send => true,
                    RetainHandling::SendIfNew => is_new,
                    RetainHandling::DoNotSend => false,
                };
                self.begin_run(client, filter, (*options, identifier), wants);
            }
            let session = self.sessions.get_mut(&client).expect("online");
            session.subs.insert(filter, (*options, identifier));
        }
        self.reply(conn, format!("suback #{} {}", subscribe.packet_id.get(), granted.join(",")));
    }

    /// A subscription may bring retained messages, from the first on if it is to.
    fn begin_run(
        &mut self,
        client: usize,
        filter: &'static str,
        (options, identifier): (SubscribeOptions, u32),
        wants: bool,
    ) {
        let is_wanted = |letter: &Letter| {
            let is_own = options.no_local && letter.publisher == client;
            !is_own && !letter.has_expired(self.now)
        };
        let session = self.sessions.get_mut(&client).expect("online");
        for run in session.runs.iter_mut().filter(|run| run.filter == filter && !run.is_over) {
            // Unless a new one begins, it goes on as it is from now.
            (run.options, run.identifier, run.is_over) = (options, identifier, wants);
            run.must.retain(|topic| !wants && is_wanted(&self.retained[topic]));
        }
        if wants {
            let must = self.retained.iter().filter(|(topic, _)| matches(filter, topic));
            let must = must.filter(|(_, letter)| is_wanted(letter));
            let must = must.map(|(topic, _)| topic.clone()).collect();
            let (sent, is_over) = (BTreeMap::new(), false);
            session.runs.push(Run { filter, options, identifier, must, sent, is_over });
        }
    }

    fn on_unsubscribe(&mut self, conn: ConnId, unsubscribe: &Unsubscribe) {
        let client = self.links[&conn].client;
        let mut reasons = Vec::new();
        for filter in &unsubscribe.filters {
            let filter = known(self.links[&conn].mount, filter);
            let session = self.sessions.get_mut(&client).expect("online");
            for run in session.runs.iter_mut().filter(|run| run.filter == filter) {
                run.is_over = true;
                run.must.clear();
            }
            let was_there = session.subs.remove(filter).is_some();
            if was_there && filter.starts_with('$') {
                self.leave(filter, client);
            }
            reasons.push(if was_there { "0" } else { "0x11" });
        }
        if self.links[&conn].version < Version::V5 {
            reasons.clear();
        }
        let packet_id = unsubscribe.packet_id.get();
        self.reply(conn, format!("unsuback #{packet_id} {}", reasons.join(",")));
    }

    fn on_disconnect(&mut self, conn: ConnId, disconnect: &Disconnect) {
        let may_extend = self.links[&conn].may_extend;
        if let Some(expiry) = disconnect.session_expiry_interval {
            if expiry > 0 && !may_extend {
                self.dismissal(conn, 0x82);
                return self.detach(conn, true);
            }
            self.session_at(conn).expect("online").expiry = expiry;
        }
        self.expected.closings.insert(conn);
        self.detach(conn, disconnect.reason != ReasonCode::NORMAL_DISCONNECTION);
    }
}

/// What a PUBLISH is answered in this event, if it is.
pub(super) fn answer(to: ConnId, packet_id: u16, said: &[Said]) -> Option<ReasonCode> {
    said.iter().find_map(|said| match said {
        Said::Sent { conn, packet: Packet::PubAck(ack) | Packet::PubRec(ack), .. }
            if *conn == to && ack.packet_id.get() == packet_id =>
        {
            Some(ack.reason)
        }
        _ => None,
    })
}

fn refused_connect(to: ConnId, said: &[Said]) -> Option<String> {
    said.iter().find_map(|said| match said {
        Said::Sent { conn, packet: packet @ Packet::ConnAck(answer), .. }
            if *conn == to && answer.reason.is_error() =>
        {
            let is_busy = [ReasonCode::SERVER_BUSY, ReasonCode::SERVER_UNAVAILABLE];
            assert!(is_busy.contains(&answer.reason), "{answer:?}");
            Some(show(packet))
        }
        _ => None,
    })
}

fn is_refused(to: ConnId, place: usize, said: &[Said]) -> bool {
    said.iter().any(|said| match said {
        Said::Sent { conn, packet: Packet::SubAck(ack), .. } if *conn == to => {
            ack.reasons[place].is_error()
        }
        _ => false,
    })
}

fn letter(
    publisher: usize,
    topic: &str,
    payload: &Bytes,
    (qos, retain): (QoS, bool),
    expiry: Option<u32>,
    created: Time,
) -> Letter {
    let (topic, payload) = (topic.into(), payload.as_ref().into());
    Letter { topic, payload, qos, retain, publisher, expiry, created }
}

/// The constant a filter was made from, or the one behind the mount point.
fn known(mount: &str, filter: &str) -> &'static str {
    let mut plain = FILTERS.iter().chain(&SHARED);
    let mounted: Vec<&'static str> = MOUNTED.iter().chain(&SHARED_MOUNTED).copied().collect();
    let place = plain.position(|known| *known == filter);
    let known = match place {
        Some(place) if !mount.is_empty() => mounted[place],
        Some(place) => *FILTERS.iter().chain(&SHARED).nth(place).expect("found there"),
        None => mounted.into_iter().find(|known| *known == filter).expect("one of ours"),
    };
    debug_assert!(pattern(known).starts_with(mount));
    known
}
