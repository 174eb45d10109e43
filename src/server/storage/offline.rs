//! A store without a broker that runs.
//!
//! Owns: what comes into it from a database of mosquitto, and the words in which its content is
//! shown. Whoever does either holds the lock of the store meanwhile, as a broker does.
//!
//! Never writes to the file that is imported, nor to a store that it shows.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::Persistence;
use super::file::StoreFile;
use crate::broker::{Broker, Options};
use crate::codec::{PublishProperties, read_publish_properties};
use crate::config::PersistenceSettings;
use crate::message::{Delivery, Message};
use crate::metrics::Gauge;
use crate::persistence::mosquitto::{self, Tally};
use crate::persistence::{Batch, Change, Corrupt, GroupChange, Record, Stamp};
use crate::server::clock::Clock;
use crate::session::AllowAll;
use crate::time::Time;

fn place(settings: &PersistenceSettings) -> Result<Persistence, String> {
    Persistence::of(settings)?.ok_or_else(|| {
        "the configuration keeps nothing; give one by -c that says 'persistence true'".into()
    })
}

/// What a database of mosquitto holds, read before rights are given up.
#[derive(Debug)]
pub(in super::super) struct Import {
    records: Vec<Record>,
    tally: Tally,
    file: String,
    now: Time,
}

impl Import {
    /// Reads the database.
    ///
    /// # Errors
    /// What is wrong with it, in a line.
    pub(in super::super) fn read(file: &str) -> Result<Self, String> {
        let now = Clock::start().now();
        let bytes = fs::read(file).map_err(|error| format!("{file}: cannot read it: {error}"))?;
        let (records, tally) = mosquitto::read(&bytes, now, &Rc::new(Gauge::default()))
            .map_err(|what| format!("{file}: {what}"))?;
        // Whether they fit together is to be known before a store has them.
        let mut broker = Broker::new(Options::default(), Box::new(AllowAll), 0);
        for record in &records {
            broker.replay(record.clone()).map_err(|wrong| format!("{file}: {}", wrong.what))?;
        }
        Ok(Self { records, tally, file: file.into(), now })
    }

    /// Puts everything into the store, in one transaction, and says what that was.
    ///
    /// # Errors
    /// If there is none, or one that is not empty, or it takes nothing.
    pub(in super::super) fn write(self, settings: &PersistenceSettings) -> Result<String, String> {
        let Self { records, tally, file, now } = self;
        let path = place(settings)?.path;
        let (_, mut store) = StoreFile::open(&path).map_err(|error| error.to_string())?;
        let told = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let stamp = store.stamp().map_err(|failure| told(&failure))?;
        let mut is_empty = true;
        let found = store.load(&Rc::new(Gauge::default()), &mut |_| {
            is_empty = false;
            Ok(())
        });
        found.map_err(|failure| told(&failure))?;
        if !is_empty {
            return Err(told(
                &"the store is not empty; import before the broker runs with it for the first \
                  time, or name another persistence_file",
            ));
        }
        let stamp = stamp.unwrap_or_else(|| Stamp::first(now));
        let mut batch = Batch::default();
        for (number, record) in (stamp.records + 1..).zip(&records) {
            batch.push(number, record);
        }
        if !batch.is_empty() {
            store.commit(&batch, stamp).map_err(|failure| told(&failure))?;
        }
        Ok(said(&tally, &file, &path))
    }
}

fn said(tally: &Tally, file: &str, path: &Path) -> String {
    let Tally { sessions, subscriptions, deliveries, retained, .. } = tally;
    let mut text = format!(
        "{file}: {sessions} sessions with {subscriptions} subscriptions and {deliveries} messages, \
         {retained} retained messages; now in {}\n",
        path.display()
    );
    let left_out = [
        (tally.ended, "sessions that have ended"),
        (tally.expired, "messages that have expired"),
        (tally.unusable, "entries that refer to nothing or are not allowed"),
    ];
    for (count, what) in left_out.into_iter().filter(|(count, _)| *count > 0) {
        text += &format!("left out: {count} {what}\n");
    }
    text
}

/// Shows everything that is stored, as lines of JSON.
///
/// # Errors
/// Why there is nothing to show.
pub(in super::super) fn dump(
    settings: &PersistenceSettings,
    out: &mut dyn Write,
) -> Result<(), String> {
    let path = place(settings)?.path;
    if fs::metadata(&path).map_or(true, |found| found.len() == 0) {
        return Err(format!("{}: there is no store", path.display()));
    }
    let (_, store) = StoreFile::open(&path).map_err(|error| error.to_string())?;
    let mut client_id = Value::Null;
    let mut outcome = Ok(());
    let stored = store.load(&Rc::new(Gauge::default()), &mut |record| {
        let line = shown(&record, &mut client_id);
        outcome = writeln!(out, "{line}");
        match outcome {
            Ok(()) => Ok(()),
            Err(_) => Err(Corrupt { what: "nobody reads" }),
        }
    });
    match outcome.and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        Err(error) => return Err(format!("standard output: {error}")),
        Ok(()) => {}
    }
    stored.map(drop).map_err(|failure| format!("{}: {failure}", path.display()))
}

/// A record as an object; `client_id` is of the session that is being shown.
fn shown(record: &Record, client_id: &mut Value) -> Value {
    match record {
        Record::Session(_, Change::Opened { client_id: id, expiry_interval }) => {
            *client_id = json!(&**id);
            let interval = (*expiry_interval < u32::MAX).then_some(*expiry_interval);
            json!({ "type": "session", "client_id": client_id, "expiry_interval": interval })
        }
        Record::Session(_, change) => {
            let mut object = of_session(change);
            object.insert("client_id".into(), client_id.clone());
            Value::Object(object)
        }
        Record::Group(group, GroupChange::Queued(delivery)) => {
            let mut object = waiting("queued", delivery);
            object.insert("shared_subscription".into(), json!(group));
            Value::Object(object)
        }
        Record::Retained(message) => json!({ "type": "retained", "message": of_message(message) }),
        Record::Group(..) | Record::Unretained(_) => Value::Null,
    }
}

fn of_session(change: &Change) -> Map<String, Value> {
    let value = match change {
        Change::Detached { at, .. } => json!({ "type": "disconnected", "at_ms": at.as_ms() }),
        Change::Subscribed { filter, options, identifier, group, .. } => json!({
            "type": "subscription",
            "filter": &**filter,
            "qos": options.qos.bits(),
            "no_local": options.no_local,
            "retain_as_published": options.retain_as_published,
            "retain_handling": options.retain_handling as u8,
            "identifier": (*identifier > 0).then_some(identifier),
            "shared_subscription": (*group > 0).then_some(group),
        }),
        Change::Queued(delivery) => return waiting("queued", delivery),
        Change::Delivered { packet_id, delivery, .. } => {
            let mut object = waiting("in flight", delivery);
            object.insert("packet_id".into(), json!(packet_id.get()));
            return object;
        }
        Change::Received(packet_id) => json!({ "type": "received", "packet_id": packet_id.get() }),
        Change::Taken(packet_id) => json!({ "type": "unreleased", "packet_id": packet_id.get() }),
        Change::WillSet(message, delay) => {
            json!({ "type": "will", "delay": delay, "message": of_message(message) })
        }
        Change::Cursor { filter, after } => json!({
            "type": "retained messages to be sent",
            "filter": &**filter,
            "after": after.as_deref(),
        }),
        // A store is not read as these.
        Change::Opened { .. }
        | Change::Attached { .. }
        | Change::Closed
        | Change::Unsubscribed { .. }
        | Change::Unqueued
        | Change::Sent { .. }
        | Change::Settled(_)
        | Change::Released(_)
        | Change::WillCleared
        | Change::CursorDone { .. } => json!({ "type": "change" }),
    };
    let Value::Object(object) = value else { return Map::new() };
    object
}

fn waiting(what: &str, delivery: &Delivery) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("type".into(), json!(what));
    object.insert("qos".into(), json!(delivery.qos.bits()));
    object.insert("retain".into(), json!(delivery.retain));
    if let Some(identifiers) = &delivery.identifiers {
        object.insert("subscription_identifiers".into(), json!(**identifiers));
    }
    let message = delivery.message.as_ref().map(|message| of_message(message));
    object.insert("message".into(), message.unwrap_or(Value::Null));
    object
}

fn of_message(message: &Message) -> Value {
    let parts = message.parts();
    let mut object = json!({
        "number": message.number,
        "topic": parts.topic.as_str(),
        "qos": message.qos.bits(),
        "retain": message.retain,
        "arrived_ms": parts.created.as_ms(),
        "publisher": message.publisher.as_deref(),
        "user_name": message.user_name(),
        "expiry_interval": parts.expiry_interval,
    });
    if let Value::Object(object) = &mut object {
        let (name, payload) = text_or_hex("payload", parts.payload);
        object.insert(name, payload);
        let properties = read_publish_properties(parts.properties).unwrap_or_default();
        add_properties(object, properties);
    }
    object
}

fn add_properties(object: &mut Map<String, Value>, properties: PublishProperties) {
    if let Some(format) = properties.payload_format_indicator {
        object.insert("payload_format_indicator".into(), json!(format));
    }
    for (name, text) in
        [("response_topic", properties.response_topic), ("content_type", properties.content_type)]
    {
        if let Some(text) = text {
            object.insert(name.into(), json!(text));
        }
    }
    if let Some(data) = properties.correlation_data {
        let (name, data) = text_or_hex("correlation_data", &data);
        object.insert(name, data);
    }
    if !properties.user_properties.is_empty() {
        let pairs =
            properties.user_properties.into_iter().map(|(name, value)| json!([name, value]));
        object.insert("user_properties".into(), pairs.collect());
    }
}

/// Bytes under their name as text, or as hexadecimal digits under one that says so.
fn text_or_hex(name: &str, bytes: &[u8]) -> (String, Value) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (name.into(), json!(text)),
        Err(_) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            (format!("{name}_hex"), json!(digits))
        }
    }
}
