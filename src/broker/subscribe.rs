//! SUBSCRIBE and UNSUBSCRIBE.
//!
//! Owns: what a client is granted. A packet is checked as a whole before any of it takes effect.
//!
//! Never sends retained messages itself: a subscription that is owed them gets a cursor.

use super::names::{mounted, root};
use super::target::{SUBSCRIBE, UNSUBSCRIBE};
use super::{Broker, ConnId, Effects, Fault, Shown, name};
use crate::codec::{
    self, Packet, PacketId, ReasonCode, RetainHandling, SubAck, Subscribe, SubscribeOptions,
    UnsubAck, Unsubscribe, Version,
};
use crate::metrics::DropReason;
use crate::persistence::{Change, GroupChange, Record};
use crate::router::GroupId;
use crate::session::{Access, SessionId};
use crate::time::Time;
use crate::topic_matcher::{Filter, Invalid, Topic};

/// What SUBACK and UNSUBACK are without their reason codes: a header of at most five bytes, packet
/// identifier, no properties.
const ANSWER_HEAD_MAX: usize = 8;

impl Broker {
    pub(super) fn on_subscribe(
        &mut self,
        now: Time,
        conn: ConnId,
        subscribe: &Subscribe,
        effects: &mut Effects,
    ) -> Result<(), Fault> {
        let mut wanted = Vec::with_capacity(subscribe.filters.len());
        for (text, options) in &subscribe.filters {
            let filter = parse(text)?;
            if filter.is_some_and(|filter| filter.share().is_some()) && options.no_local {
                // [MQTT-3.8.3-4].
                return Err(Fault::protocol("No Local on a shared subscription"));
            }
            wanted.push((filter, *options));
        }
        self.check_answer(conn, subscribe.packet_id, wanted.len())?;
        let identifier = subscribe.subscription_identifier.unwrap_or(0);
        let mut reasons = Vec::with_capacity(wanted.len());
        for (filter, options) in wanted {
            reasons.push(match filter {
                Some(filter) => self.subscribe_to(conn, filter, options, identifier, effects),
                None => failure(self.online(conn).version, options),
            });
        }
        let session = self.online(conn).session;
        let packet_id = subscribe.packet_id;
        let answer = SubAck { packet_id, reasons, properties: None };
        // [MQTT-3.8.4-1]; it promises a session's subscriptions.
        let after = self.gate(self.store.session(session));
        self.send(conn, Packet::SubAck(answer), after, effects);
        self.pump(now, session, effects);
        Ok(())
    }

    /// [MQTT-3.1.2-24]: the answer to so many filters must not be more than the client takes.
    fn check_answer(&self, conn: ConnId, packet_id: PacketId, filters: usize) -> Result<(), Fault> {
        let most = self.online(conn).maximum_packet_size as usize;
        if filters + ANSWER_HEAD_MAX <= most {
            return Ok(());
        }
        let reasons = vec![ReasonCode::SUCCESS; filters];
        let answer = Packet::SubAck(SubAck { packet_id, reasons, properties: None });
        if codec::encoded_len(&answer, Version::V5) <= most {
            return Ok(());
        }
        Err(Fault::new(ReasonCode::PACKET_TOO_LARGE, "more filters than one answer takes"))
    }

    /// Subscribes to a filter of a client's; says what SUBACK says.
    fn subscribe_to(
        &mut self,
        conn: ConnId,
        filter: Filter<'_>,
        options: SubscribeOptions,
        identifier: u32,
        effects: &mut Effects,
    ) -> ReasonCode {
        let online = self.online(conn);
        if !online.is_mounted() {
            return self.subscribe_one(conn, (filter, 0), options, identifier, effects);
        }
        let (mount, version) = (online.mount_point(), online.version);
        let whole = mounted(mount, filter);
        match parse_mounted(&whole, filter) {
            Some(filter) => {
                let root = root(mount, filter);
                self.subscribe_one(conn, (filter, root), options, identifier, effects)
            }
            None => failure(version, options),
        }
    }

    /// Subscribes to one filter, which may be mounted; says what SUBACK says.
    fn subscribe_one(
        &mut self,
        conn: ConnId,
        (filter, root): (Filter<'_>, u16),
        mut options: SubscribeOptions,
        identifier: u32,
        effects: &mut Effects,
    ) -> ReasonCode {
        let online = self.online(conn);
        let (session, version) = (online.session, online.version);
        options.qos = options.qos.min(online.maximum_qos);
        let granted = granted(options);
        if !self.allows_all
            && !self.authority.may(&online.identity, Access::Subscribe, filter.as_str())
        {
            let (who, what) = (name(&online.identity), Shown(filter.as_str()));
            log::info!("Client {who} may not subscribe to {what}.");
            return match version {
                Version::V5 => ReasonCode::NOT_AUTHORIZED,
                Version::V31 | Version::V311 => failure(version, options),
            };
        }
        if online.is_bridge && version < Version::V5 && filter.share().is_none() {
            options.no_local = true;
            options.retain_as_published = true;
        }
        let held = self.store.router.find(filter);
        let subscriptions = &self.store.session(session).subscriptions;
        let is_new = held.is_none_or(|held| subscriptions.find((held.node, held.group)).is_none());
        let group = self.store.router.group_number(filter);
        let (who, qos) = (Shown(&online.identity.client_id), options.qos as u8);
        log::debug!(target: SUBSCRIBE, "{who} {qos} {}", Shown(filter.as_str()));
        let text: Box<str> = filter.as_str().into();
        let filter_text = text.clone();
        let change = Change::Subscribed { filter: filter_text, options, identifier, group, root };
        self.change(session, change, effects);
        if group != 0 {
            self.adopt_queue(session, GroupId(group), is_new, effects);
        } else if self.is_owed_retained(filter, options, is_new) {
            self.change(session, Change::Cursor { filter: text, after: None }, effects);
        }
        granted
    }

    /// Whether a subscription brings retained messages ([MQTT-3.3.1-9], [MQTT-3.3.1-10],
    /// [MQTT-3.3.1-11] of 5.0), and there is any it could bring.
    fn is_owed_retained(
        &self,
        filter: Filter<'_>,
        options: SubscribeOptions,
        is_new: bool,
    ) -> bool {
        let wants = match options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        let retained = &self.store.router.retained;
        let has = match Topic::parse(filter.pattern()) {
            Ok(topic) => retained.get(topic.as_str()).is_some(),
            Err(_) => !retained.is_empty(),
        };
        wants && has
    }

    /// The first member that outlives its connection makes what waits durable.
    fn adopt_queue(
        &mut self,
        session: SessionId,
        group: GroupId,
        is_new: bool,
        effects: &mut Effects,
    ) {
        let is_kept = self.store.session(session).is_kept();
        let Some(shared) = self.store.router.group(group) else { return };
        if is_new && is_kept && shared.kept == 1 && !shared.queue.is_empty() {
            let waiting: Vec<_> = shared.queue.iter().cloned().collect();
            for delivery in waiting {
                let change = GroupChange::Queued(delivery);
                self.record(Record::Group(group.0, change), effects);
            }
        }
    }

    pub(super) fn on_unsubscribe(
        &mut self,
        conn: ConnId,
        unsubscribe: &Unsubscribe,
        effects: &mut Effects,
    ) -> Result<(), Fault> {
        let online = self.online(conn);
        let (session, mount) = (online.session, online.mount_point().to_owned());
        let mut filters = Vec::with_capacity(unsubscribe.filters.len());
        for text in &unsubscribe.filters {
            filters.push(parse(text)?);
        }
        self.check_answer(conn, unsubscribe.packet_id, filters.len())?;
        let mut reasons = Vec::with_capacity(filters.len());
        for filter in filters {
            reasons.push(match filter {
                Some(filter) if mount.is_empty() => self.unsubscribe_one(session, filter, effects),
                Some(filter) => match parse_mounted(&mounted(&mount, filter), filter) {
                    Some(filter) => self.unsubscribe_one(session, filter, effects),
                    None => ReasonCode::NO_SUBSCRIPTION_EXISTED,
                },
                None => ReasonCode::NO_SUBSCRIPTION_EXISTED,
            });
        }
        let packet_id = unsubscribe.packet_id;
        let answer = UnsubAck { packet_id, reasons, properties: None };
        // [MQTT-3.10.4-4].
        let after = self.gate(self.store.session(session));
        self.send(conn, Packet::UnsubAck(answer), after, effects);
        Ok(())
    }

    fn unsubscribe_one(
        &mut self,
        session: SessionId,
        filter: Filter<'_>,
        effects: &mut Effects,
    ) -> ReasonCode {
        let held = self.store.router.find(filter);
        let subscriptions = &self.store.session(session).subscriptions;
        let Some(held) = held.filter(|h| subscriptions.find((h.node, h.group)).is_some()) else {
            return ReasonCode::NO_SUBSCRIPTION_EXISTED;
        };
        let who = Shown(&self.store.session(session).client_id);
        log::debug!(target: UNSUBSCRIBE, "{who} {}", Shown(filter.as_str()));
        if held.group != 0 {
            self.leave_group(session, held.group, effects);
        }
        self.change(session, Change::Unsubscribed { filter: filter.as_str().into() }, effects);
        ReasonCode::SUCCESS
    }

    /// A session that ends leaves its shared subscriptions.
    pub(super) fn leave_groups(&mut self, session: SessionId, effects: &mut Effects) {
        let groups = self.store.session(session).groups().to_vec();
        for group in groups {
            self.leave_group(session, group, effects);
        }
    }

    /// What waits for a shared subscription is durable while a member outlives its connection,
    /// and is there while it has a member at all.
    fn leave_group(&mut self, session: SessionId, group: u32, effects: &mut Effects) {
        let is_kept = self.store.session(session).is_kept();
        let Some(shared) = self.store.router.group(GroupId(group)) else { return };
        if shared.members.len() == 1 {
            for _ in 0..shared.queue.len() {
                self.counters.drop_one(DropReason::SessionEnded);
            }
        }
        self.forget_queue(group, is_kept, effects);
    }

    /// A session that will end with its connection makes nothing durable any more.
    pub(super) fn leave_groups_durably(&mut self, session: SessionId, effects: &mut Effects) {
        let groups = self.store.session(session).groups().to_vec();
        for group in groups {
            self.forget_queue(group, true, effects);
        }
    }

    /// The last member that outlives its connection leaves: what waits is not durable any more.
    fn forget_queue(&mut self, group: u32, is_kept: bool, effects: &mut Effects) {
        let Some(shared) = self.store.router.group(GroupId(group)) else { return };
        if is_kept && shared.kept == 1 && !shared.queue.is_empty() {
            self.record(Record::Group(group, GroupChange::Dropped), effects);
        }
    }
}

/// A filter; `None` if it is well formed and has more levels than are taken.
fn parse(text: &str) -> Result<Option<Filter<'_>>, Fault> {
    match Filter::parse(text) {
        Ok(filter) => Ok(Some(filter)),
        Err(Invalid::TooDeep) => Ok(None),
        // [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.7.3-1], [MQTT-4.8.2-1], [MQTT-4.8.2-2].
        Err(_) => Err(Fault::malformed("a topic filter is not valid")),
    }
}

/// A filter behind its mount point; `None` if that makes it too long, too deep or another kind of
/// filter (`#` behind `a` is none at all).
fn parse_mounted<'m>(whole: &'m str, filter: Filter<'_>) -> Option<Filter<'m>> {
    Filter::parse(whole).ok().filter(|mounted| mounted.share() == filter.share())
}

/// What SUBACK says of a filter that is not granted.
const fn failure(version: Version, options: SubscribeOptions) -> ReasonCode {
    match version {
        Version::V5 => ReasonCode::TOPIC_FILTER_INVALID,
        Version::V311 => ReasonCode::UNSPECIFIED_ERROR,
        // 3.1 has no word for it.
        Version::V31 => granted(options),
    }
}

const fn granted(options: SubscribeOptions) -> ReasonCode {
    match options.qos {
        codec::QoS::AtMostOnce => ReasonCode::SUCCESS,
        codec::QoS::AtLeastOnce => ReasonCode::GRANTED_QOS_1,
        codec::QoS::ExactlyOnce => ReasonCode::GRANTED_QOS_2,
    }
}
