//! What the broker says, word for word.
//!
//! Owns: the checks. Who gets a message is owed it; the first sending of a message is never a
//! repetition and a repetition never the first; order, quota, room, packet size, identifiers,
//! flags and the record a packet rests on are what they must be.
//!
//! Never excuses anything that was not foreseen.

use std::collections::BTreeSet;
use std::rc::Rc;

use mqtt_broker::broker::{ConnId, Overflow, Seq, Target};
use mqtt_broker::codec::{Packet, Publish, ReasonCode, Version};
use mqtt_broker::time::Time;

use super::letter::check_expiry;
use super::route::matches;
use super::{Copied, Flight, Letter, Model, Owed, Pending, Session};
use crate::machine::{Said, show};

impl Session {
    /// Finds a run for a copy, if need be by finding others for other copies.
    fn explain(&mut self, place: usize, tried: &mut BTreeSet<usize>) -> bool {
        let Copied { topic, runs } = self.copied[place].clone();
        for run in runs {
            if !tried.insert(run) {
                continue;
            }
            let taken = self.runs[run].sent.get(&topic).copied();
            if taken.is_none_or(|other| self.explain(other, tried)) {
                self.runs[run].sent.insert(topic, place);
                return true;
            }
        }
        false
    }

    /// Two may have looked the same when they were sent, of which the queue had dropped one: which
    /// it was shows once they have not the same number of seconds left.
    fn recognise(&mut self, packet_id: u16, publish: &Publish, version: Version, now: Time) {
        let told = publish.properties.message_expiry_interval;
        let is_it = |owed: &Owed| owed.is(publish) && owed.letter.told(version, now) == told;
        let (this, others): (Vec<_>, Vec<_>) =
            self.flights.iter_mut().partition(|flight| flight.packet_id == packet_id);
        let Some(this) = this.into_iter().next().filter(|this| !is_it(&this.owed)) else { return };
        let others = others.into_iter().map(|flight| &mut flight.owed);
        if let Some(other) = self.waiting.iter_mut().chain(others).find(|owed| is_it(owed)) {
            std::mem::swap(&mut this.owed.letter, &mut other.letter);
            std::mem::swap(&mut this.owed.arrival, &mut other.arrival);
        }
    }
}

impl Model {
    /// The broker's answer to the event the model was told of last.
    pub(in super::super) fn check(&mut self, said: &[Said]) {
        self.take_pending(said);
        for said in said {
            match said {
                Said::Recorded(number, is_end) => {
                    self.seq = *number;
                    self.ended = if *is_end { *number } else { self.ended };
                }
                Said::Sent { conn, packet, after } => self.sent(*conn, packet, *after),
                Said::Delivered { target, publish } => self.delivered(target, publish),
                Said::Held { conn, is_held: true } => {
                    self.links.get_mut(conn).expect("an open connection").silent_by = None;
                }
                Said::Held { conn, is_held: false } => self.heard(*conn),
                Said::Closing { conn } | Said::Aborted { conn } => self.closing(*conn),
                Said::Online => {}
            }
        }
        let expected = std::mem::take(&mut self.expected);
        assert!(expected.replies.is_empty(), "not said: {:?}", expected.replies);
        assert!(expected.closings.is_empty(), "not closed: {:?}", expected.closings);
    }

    /// What becomes of messages that waited: those acknowledged by this event are owed from here
    /// on, and who has waited for memory in vain and could not be told is gone.
    fn take_pending(&mut self, said: &[Said]) {
        for said in said {
            match said {
                Said::Sent { conn, packet: Packet::PubAck(ack) | Packet::PubRec(ack), .. } => {
                    let Some(link) = self.links.get_mut(conn) else { continue };
                    let is_it = |pending: &mut Pending| pending.packet_id == ack.packet_id.get();
                    let Some(pending) = link.pending.take_if(is_it) else { continue };
                    assert!(self.now <= pending.by, "nobody waits for longer");
                    self.has_waited.insert(*conn);
                    if pending.letter.retain {
                        self.replaced.extend(self.retained.get(&*pending.letter.topic).cloned());
                    }
                    self.answered(*conn, &pending.letter, pending.packet_id, ack.reason);
                }
                Said::Closing { conn } if !self.expected.closings.contains(conn) => {
                    let link = &self.links[conn];
                    let Some(pending) = &link.pending else { continue };
                    if pending.by > self.now {
                        continue; // For another reason, which is to be a good one.
                    }
                    assert!(self.options.memory_limit > 0, "{pending:?}");
                    assert!(link.version < Version::V5, "it could be told");
                    self.expected.closings.insert(*conn);
                    self.detach(*conn, true);
                }
                _ => {}
            }
        }
    }

    fn closing(&mut self, conn: ConnId) {
        if !self.expected.closings.remove(&conn) {
            assert_eq!(self.options.overflow, Overflow::Disconnect, "{conn:?} closed for nothing");
            assert!(self.is_online(conn), "{conn:?} closed twice");
            self.detach(conn, true);
        }
    }

    fn sent(&mut self, conn: ConnId, packet: &Packet, after: Seq) {
        let line = show(packet);
        let replies = &mut self.expected.replies;
        let next = replies.iter().position(|(to, _)| *to == conn);
        if let Some(place) = next.filter(|place| replies[*place].1 == line) {
            replies.remove(place);
        } else if let Packet::PubRel(ack) = packet {
            self.released_again(conn, ack.packet_id.get());
        } else {
            let is_overflow = self.options.overflow == Overflow::Disconnect
                && line == "disconnect 0x97"
                && self.is_online(conn);
            assert!(is_overflow, "{line} to {conn:?}, expected {:?}", self.expected.replies);
        }
        self.check_gate(conn, packet, after);
    }

    /// What is said to a kept session rests on all records so far, and so does what acknowledges a
    /// message that made any or that looks back; a CONNACK rests on the end of every session there
    /// was.
    fn check_gate(&mut self, conn: ConnId, packet: &Packet, after: Seq) {
        let newest = self.seq;
        let made_records = self.seq > self.before;
        let is_kept = self.session_at(conn).is_some_and(|session| session.is_kept());
        let is_ack = matches!(packet, Packet::PubAck(_) | Packet::PubRec(_) | Packet::ConnAck(_));
        let is_free = matches!(packet, Packet::PingResp | Packet::Disconnect(_));
        // A refusal promises nothing.
        let is_no = match packet {
            Packet::ConnAck(answer) => answer.reason.is_error(),
            Packet::PubAck(ack) | Packet::PubRec(ack) => ack.reason == ReasonCode::QUOTA_EXCEEDED,
            _ => false,
        };
        let expected = if is_free || is_no {
            Seq(0)
        } else if is_kept
            || is_ack && (made_records || self.looks_back || self.has_waited.contains(&conn))
        {
            newest
        } else if matches!(packet, Packet::ConnAck(_)) {
            self.ended
        } else {
            Seq(0)
        };
        assert_eq!(after, expected, "{} rests on the right record", show(packet));
    }

    fn released_again(&mut self, conn: ConnId, packet_id: u16) {
        let session = self.session_at(conn).expect("PUBREL to somebody online");
        let flight = session.flights.iter_mut().find(|flight| flight.packet_id == packet_id);
        let flight = flight.expect("PUBREL of something on its way");
        assert!(flight.is_received, "PUBREL before PUBREC");
        assert_ne!(flight.conn, conn, "PUBREL again on the same connection");
        flight.conn = conn;
        let order = flight.order;
        self.resent(conn, order);
    }

    /// What is sent again is so in the order of first sending.
    fn resent(&mut self, conn: ConnId, order: u64) {
        let link = self.links.get_mut(&conn).expect("an open connection");
        assert!(order > link.resent, "sent again in the original order");
        link.resent = order;
        self.check_quota(conn);
    }

    fn check_quota(&mut self, conn: ConnId) {
        let quota = self.links[&conn].quota;
        let session = self.session_at(conn).expect("online");
        let flying = session.flights.iter().filter(|flight| flight.conn == conn).count();
        assert!(flying <= quota, "{flying} on their way, {quota} allowed");
    }

    fn delivered(&mut self, target: &Target, seen: &Publish) {
        assert!(self.is_online(target.conn), "{seen:?} to {:?}", target.conn);
        let topic = self.whole(target.conn, &seen.topic);
        let publish = &Publish { topic, ..seen.clone() };
        let now = self.now;
        let timeout = self.options.stalled_timeout_ms;
        let link = self.links.get_mut(&target.conn).expect("online");
        assert!(target.charge <= link.packet_max, "no larger than the client takes");
        let charged = link.charged + u64::from(target.charge);
        assert!(link.charged == 0 || charged <= link.room, "room is not overdrawn");
        link.charged = charged;
        link.stalled_by.get_or_insert_with(|| now.plus_ms(timeout));
        if publish.dup {
            self.sent_again(target, publish);
        } else {
            self.sent_first(target, publish);
        }
    }

    fn sent_again(&mut self, target: &Target, publish: &Publish) {
        let packet_id = publish.packet_id.expect("QoS 0 is never sent again").get();
        let (now, version) = (self.now, self.links[&target.conn].version);
        let session = self.session_at(target.conn).expect("online");
        let is_kept = session.is_kept();
        session.recognise(packet_id, publish, version, now);
        let flight = session.flights.iter_mut().find(|flight| flight.packet_id == packet_id);
        let flight = flight.expect("DUP of something on its way");
        assert!(!flight.is_received, "PUBLISH after PUBREC");
        assert_ne!(flight.conn, target.conn, "DUP on the same connection");
        assert!(flight.owed.is(publish), "DUP of {:?}: {publish:?}", flight.owed);
        check_expiry(&flight.owed.letter, publish, version, now);
        if is_kept {
            assert!(target.after >= flight.after, "DUP rests on what its first sending did");
        } else {
            assert_eq!(target.after, Seq(0));
        }
        flight.conn = target.conn;
        flight.is_unsendable = false;
        let order = flight.order;
        self.resent(target.conn, order);
    }

    fn sent_first(&mut self, target: &Target, publish: &Publish) {
        let conn = target.conn;
        let (now, version) = (self.now, self.links[&conn].version);
        let owed = match self.take_owed(conn, publish) {
            Some(owed) => {
                self.balance.sent += 1;
                assert!(owed.letter.may_go(now), "expired: {publish:?}");
                owed
            }
            None => self.take_retained(conn, publish),
        };
        check_expiry(&owed.letter, publish, version, now);
        let Some(packet_id) = publish.packet_id else {
            return assert_eq!(target.after, Seq(0), "QoS 0 waits for nothing");
        };
        self.forget_unsendable(conn);
        self.sendings += 1;
        let (order, before, seq) = (self.sendings, self.before, self.seq);
        let most = self.options.max_inflight_bytes;
        let session = self.session_at(conn).expect("online");
        if session.is_kept() {
            let is_gated = target.after > before && target.after <= seq;
            assert!(is_gated, "it rests on the record of its sending");
        } else {
            assert_eq!(target.after, Seq(0), "a clean session waits for nothing");
        }
        let before: u64 = session.flights.iter().map(|flight| flight.owed.bytes()).sum();
        let after_it = before + owed.bytes();
        assert!(
            most == 0 || before == 0 || after_it <= most,
            "{after_it} bytes on their way, {most} allowed"
        );
        for flight in &session.flights {
            assert_ne!(flight.packet_id, packet_id.get(), "an identifier in use");
            assert_eq!(flight.conn, conn, "{flight:?} comes before anything new");
        }
        let packet_id = packet_id.get();
        let after = target.after;
        let (is_received, is_unsendable) = (false, false);
        let flight = Flight { packet_id, owed, is_received, conn, order, is_unsendable, after };
        session.flights.push(flight);
        self.check_quota(conn);
    }

    /// What is larger than a connection takes counts as sent and settled.
    fn forget_unsendable(&mut self, conn: ConnId) {
        let session = self.session_at(conn).expect("online");
        let flying = session.flights.len();
        session.flights.retain(|flight| flight.conn == conn || !flight.is_unsendable);
        self.balance.settled_unsent += (flying - session.flights.len()) as u64;
    }

    /// The message as the session, or a shared subscription it is a member of, was owed it.
    fn take_owed(&mut self, conn: ConnId, publish: &Publish) -> Option<Owed> {
        let (now, before) = (self.now, self.arrivals_before);
        let (client, version) = (self.links[&conn].client, self.links[&conn].version);
        let is_upgrading = self.options.upgrade_outgoing_qos;
        let session = self.sessions.get_mut(&client).expect("online");
        let latest = &mut session.latest;
        let key = |owed: &Owed| (owed.letter.topic.clone(), owed.letter.publisher, owed.qos);
        let is_it = |owed: &Owed| {
            owed.is(publish) && latest.get(&key(owed)).is_none_or(|last| *last < owed.arrival)
        };
        // Two may look the same, of which the queue has dropped one.
        let is_fresh = |owed: &Owed| is_it(owed) && owed.letter.may_be(publish, version, now);
        let waiting = &session.waiting;
        let place = waiting.iter().position(is_fresh).or_else(|| waiting.iter().position(is_it));
        if let Some(place) = place {
            let owed = session.waiting.remove(place);
            latest.insert(key(&owed), owed.arrival);
            return Some(owed);
        }
        for (filter, (options, identifier)) in &session.subs {
            let Some(group) = self.groups.get_mut(filter) else { continue };
            let as_member = |owed: &Owed| Owed {
                qos: if is_upgrading { options.qos } else { options.qos.min(owed.letter.qos) },
                retain: options.retain_as_published && owed.letter.retain,
                identifiers: (*identifier != 0).then_some(*identifier).into_iter().collect(),
                ..owed.clone()
            };
            let is_it = |owed: &Owed| owed.is_same_message(publish) && as_member(owed).is(publish);
            let is_fresh = |owed: &Owed| is_it(owed) && owed.letter.may_be(publish, version, now);
            let waiting = &group.waiting;
            // What has just come goes past the queue to a member that takes it as it is, such as
            // one at QoS 0; else the queue goes by age.
            let news = |owed: &Owed| is_it(owed) && owed.arrival > before;
            let place = waiting.iter().position(news).or_else(|| waiting.iter().position(is_fresh));
            if let Some(place) = place.or_else(|| waiting.iter().position(is_it)) {
                return Some(as_member(&group.waiting.remove(place)));
            }
        }
        None
    }

    /// The message as a new subscription brings it.
    fn take_retained(&mut self, conn: ConnId, publish: &Publish) -> Owed {
        let client = self.links[&conn].client;
        let is_upgrading = self.options.upgrade_outgoing_qos;
        let session = self.sessions.get_mut(&client).expect("online");
        // One that has waited may have taken its place later in this event.
        let is_it = |letter: &&Rc<Letter>| *letter.payload == *publish.payload;
        let before = self.replaced.iter().find(|letter| *letter.topic == *publish.topic);
        let letter = before.filter(is_it).or_else(|| self.retained.get(&publish.topic));
        assert!(session.subs.keys().any(|filter| matches(filter, &publish.topic)), "{publish:?}");
        let mut found = None;
        let mut runs = Vec::new();
        for (place, run) in session.runs.iter().enumerate() {
            let Some(letter) = letter else { break };
            let granted = run.options.qos;
            let owed = Owed {
                letter: letter.clone(),
                arrival: 0,
                qos: if is_upgrading { granted } else { granted.min(letter.qos) },
                retain: true,
                identifiers: (run.identifier != 0).then_some(run.identifier).into_iter().collect(),
                group: None,
            };
            let is_own = run.options.no_local && letter.publisher == client;
            let matches = matches(run.filter, &publish.topic) && owed.is(publish);
            if matches && !is_own && !run.is_over {
                assert!(!letter.has_expired(self.now), "expired and retained: {publish:?}");
                runs.push(place);
                found = Some(owed);
            }
        }
        session.copied.push(Copied { topic: publish.topic.clone(), runs });
        if session.explain(session.copied.len() - 1, &mut BTreeSet::new()) {
            return found.expect("a run that explains it");
        }
        panic!("owed to nobody: {} ({:?})", show(&Packet::Publish(publish.clone())), session)
    }
}
