//! Durable state as records, and back.
//!
//! Owns: how a store is written down and read again. Replaying the records of a snapshot, or all
//! records that were ever made, gives the same store.
//!
//! Never changes state itself: [`Store::change`] does.

use std::rc::Rc;

use super::Broker;
use super::store::Store;
use crate::message::Delivery;
use crate::persistence::{Change, Corrupt, GroupChange, Record};
use crate::session::{Session, SessionId};
use crate::time::Time;

impl Broker {
    /// Everything durable, as the records that would make it.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Record> {
        self.store.snapshot()
    }
}

impl Store {
    /// Applies a record of an earlier run.
    pub(super) fn replay(&mut self, record: Record) -> Result<(), Corrupt> {
        match record {
            Record::Session(number, Change::Opened { client_id, expiry_interval }) => {
                if self.numbered(number).is_some() || self.of_client(&client_id).is_some() {
                    return Err(Corrupt { what: "a session was opened twice" });
                }
                self.open(number, client_id, expiry_interval);
            }
            Record::Session(number, change) => {
                let id = self.numbered(number).ok_or(Corrupt { what: "no such session" })?;
                self.note_numbers(&change);
                self.change(id, change);
            }
            Record::Group(group, change) => {
                if let GroupChange::Queued(Delivery { message: Some(message), .. }) = &change {
                    self.note_message(message.number);
                }
                self.change_group(group, change);
            }
            Record::Retained(message) => {
                self.note_message(message.number);
                self.retain(message);
            }
            Record::Unretained(topic) => self.unretain(&topic),
        }
        Ok(())
    }

    fn note_numbers(&mut self, change: &Change) {
        let message = match change {
            Change::Queued(delivery) | Change::Delivered { delivery, .. } => {
                delivery.message.as_ref()
            }
            Change::WillSet(message, _) => Some(message),
            Change::Opened { .. }
            | Change::Attached { .. }
            | Change::Detached { .. }
            | Change::Closed
            | Change::Subscribed { .. }
            | Change::Unsubscribed { .. }
            | Change::Unqueued
            | Change::Sent { .. }
            | Change::Received(_)
            | Change::Settled(_)
            | Change::Taken(_)
            | Change::Released(_)
            | Change::WillCleared
            | Change::Cursor { .. }
            | Change::CursorDone { .. } => None,
        };
        self.note_message(message.map_or(0, |message| message.number));
    }

    /// Everything durable, as the records that would make it.
    pub(super) fn snapshot(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let mut kept: Vec<_> = self.iter().filter(|(_, session)| session.is_kept()).collect();
        kept.sort_by_key(|(_, session)| session.number);
        for (id, session) in kept {
            self.snapshot_session(id, session, &mut records);
        }
        let mut groups: Vec<_> = self.router.kept_groups().collect();
        groups.sort_by_key(|(id, _)| *id);
        for (id, group) in groups {
            let queued = group.queue.iter().cloned().map(GroupChange::Queued);
            records.extend(queued.map(|change| Record::Group(id.0, change)));
        }
        records.extend(self.router.retained.iter().cloned().map(Record::Retained));
        records
    }

    fn snapshot_session(&self, id: SessionId, session: &Session, records: &mut Vec<Record>) {
        let expiry_interval = session.expiry_interval;
        let mut push = |change| records.push(Record::Session(session.number, change));
        push(Change::Opened { client_id: Rc::clone(&session.client_id), expiry_interval });
        if session.is_detached() {
            push(Change::Detached { at: session.detached, expiry_interval });
        }
        let mut subscribed: Vec<_> = session
            .subscriptions
            .as_slice()
            .iter()
            .filter_map(|held| {
                let subscriber = self.router.subscriber(id, *held)?;
                let (options, identifier) = (subscriber.options, subscriber.identifier);
                let filter = self.router.filter(*held);
                let root = self.router.root(id, *held);
                Some((filter, options, identifier, held.group, root))
            })
            .collect();
        subscribed.sort_by(|a, b| a.0.cmp(&b.0));
        for (filter, options, identifier, group, root) in subscribed {
            push(Change::Subscribed { filter, options, identifier, group, root });
        }
        for (packet_id, _, delivery) in session.window() {
            let delivery = delivery.cloned();
            let is_received = delivery.is_none();
            let delivery = delivery.unwrap_or(Delivery::RECEIVED);
            let len = session.outbound.as_ref().map_or(0, |sent| sent.bytes_of(packet_id));
            push(Change::Delivered { packet_id, delivery, len });
            if is_received {
                push(Change::Received(packet_id));
            }
        }
        for delivery in session.queue.iter().flat_map(|queue| queue.iter()) {
            push(Change::Queued(delivery.clone()));
        }
        for packet_id in session.inbound.iter().flat_map(|inbound| inbound.iter()) {
            push(Change::Taken(packet_id));
        }
        if let Some(will) = session.will() {
            push(Change::WillSet(Rc::clone(&will.message), will.delay_interval));
        }
        for (filter, after) in session.cursors().iter().flat_map(|cursors| cursors.iter()) {
            push(Change::Cursor { filter: filter.clone(), after: after.clone() });
        }
    }

    /// Sessions that had a connection when the last run ended lost it then.
    pub(super) fn detach_all(&self, now: Time) -> Vec<(SessionId, Change)> {
        self.iter()
            .filter(|(_, session)| session.conn.is_none() && !session.is_detached())
            .map(|(id, session)| {
                let expiry_interval = session.expiry_interval;
                (id, Change::Detached { at: now, expiry_interval })
            })
            .collect()
    }
}
