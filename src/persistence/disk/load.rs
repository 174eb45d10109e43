//! What is stored, as the records that would make it.
//!
//! Owns: the way back from rows to records, and the checks that they fit together. Messages are
//! read first and once, in one sweep; what refers to them finds them by number. Besides what the
//! caller makes of the records it takes 24 bytes for each message, until it is done.
//!
//! Never changes a store.

use std::rc::Rc;

use redb::{ReadOnlyTable, ReadableDatabase, ReadableTable};

use super::super::layout::{
    BODY, CLIENT, COUNT, CURSOR, GROUP, LIFE, MESSAGE, QUEUE, RETAINED, SESSION, SUBSCRIPTION,
    TAKEN, Take, WILL, WINDOW, behind, options_of, take_delivery, take_message,
};
use super::super::{Change, Corrupt, GroupChange, Record};
use super::{Failure, STATE, Store, medium};
use crate::codec::{PacketId, QoS};
use crate::message::{Delivery, Message};
use crate::metrics::Gauge;
use crate::time::Time;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Messages, each counted once.
    pub messages: usize,
    /// Sessions.
    pub sessions: usize,
    /// The latest time that any row names.
    pub latest: Time,
}

type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Takes a record; what does not fit is damage.
pub(super) type Visit<'v> = dyn FnMut(Record) -> Result<(), Corrupt> + 'v;

/// Takes a key without its first byte, and a value.
type VisitRow<'v> = dyn FnMut(Take<'_>, &[u8]) -> Result<(), Corrupt> + 'v;

/// A message and how often it was found and should be.
struct Stored {
    message: Rc<Message>,
    found: u32,
    counted: u32,
}

struct Loader<'v> {
    /// By number.
    messages: Vec<Stored>,
    visit: &'v mut Visit<'v>,
    loaded: Loaded,
    /// What is on its way to the session that is being read, by order of sending.
    window: Vec<(u64, PacketId, Delivery, u32, bool)>,
    /// The session that is being read, once its client id is known.
    session: Option<(u64, Rc<str>)>,
}

impl Store {
    /// Gives everything that is stored to `visit`, as the records that would make it: sessions
    /// first, then what waits for shared subscriptions, then retained messages. Messages are
    /// charged to `gauge`.
    ///
    /// # Errors
    /// [`Failure::Refused`] if rows do not fit together, [`Failure::Medium`] if they cannot be
    /// read.
    pub fn load<'v>(
        &self,
        gauge: &Rc<Gauge>,
        visit: &'v mut (dyn FnMut(Record) -> Result<(), Corrupt> + 'v),
    ) -> Result<Loaded, Failure> {
        let read = self.database.begin_read().map_err(medium)?;
        let table = read.open_table(STATE).map_err(medium)?;
        let mut loader = Loader {
            messages: Vec::new(),
            visit,
            loaded: Loaded::default(),
            window: Vec::new(),
            session: None,
        };
        sweep(&table, MESSAGE, &mut |key, value| loader.message(key, value, gauge))?;
        sweep(&table, SESSION, &mut |key, value| loader.session_row(key, value))?;
        loader.end_session()?;
        sweep(&table, GROUP, &mut |key, value| loader.group_row(key, value))?;
        sweep(&table, RETAINED, &mut |key, value| loader.retained_row(key, value))?;
        if loader.messages.iter().any(|stored| stored.found != stored.counted) {
            return Err(Corrupt { what: "a message is miscounted" }.into());
        }
        loader.loaded.messages = loader.messages.len();
        Ok(loader.loaded)
    }

    /// Bytes of all rows.
    pub(super) fn measure(&self) -> Result<u64, Failure> {
        let read = self.database.begin_read().map_err(medium)?;
        let table = read.open_table(STATE).map_err(medium)?;
        let mut bytes = 0;
        for row in table.iter().map_err(medium)? {
            let (key, value) = row.map_err(medium)?;
            bytes += (key.value().len() + value.value().len()) as u64;
        }
        Ok(bytes)
    }

    /// The highest number of a stored message.
    pub(super) fn find_newest_message(&self) -> Result<u64, Failure> {
        let read = self.database.begin_read().map_err(medium)?;
        let table = read.open_table(STATE).map_err(medium)?;
        let (start, end) = ([MESSAGE], [MESSAGE + 1]);
        let mut rows = table.range(start.as_slice()..end.as_slice()).map_err(medium)?;
        let Some(row) = rows.next_back() else { return Ok(0) };
        let (key, _) = row.map_err(medium)?;
        Ok(Take(key.value().get(1..).unwrap_or_default()).u64()?)
    }
}

fn sweep(table: &Rows, kind: u8, visit: &mut VisitRow<'_>) -> Result<(), Failure> {
    let (start, end) = ([kind], behind(&[kind]));
    for row in table.range(start.as_slice()..end.as_slice()).map_err(medium)? {
        let (key, value) = row.map_err(medium)?;
        visit(Take(&key.value()[1..]), value.value())?;
    }
    Ok(())
}

impl Loader<'_> {
    fn message(
        &mut self,
        mut key: Take<'_>,
        value: &[u8],
        gauge: &Rc<Gauge>,
    ) -> Result<(), Corrupt> {
        let number = key.u64()?;
        match (key.u8()?, self.messages.last_mut()) {
            (BODY, _) => {
                let message = take_message(number, value, gauge)?;
                self.see(message.parts().created);
                self.messages.push(Stored { message, found: 0, counted: 1 });
                Ok(())
            }
            (COUNT, Some(last)) if last.message.number == number => {
                last.counted = Take(value).u32()?;
                Ok(())
            }
            _ => Err(Corrupt { what: "a count without a message" }),
        }
    }

    fn see(&mut self, time: Time) {
        if time < Time::NEVER {
            self.loaded.latest = self.loaded.latest.max(time);
        }
    }

    /// The message with this number, which a row refers to.
    fn find(&mut self, number: u64) -> Result<Rc<Message>, Corrupt> {
        let place = self.messages.binary_search_by_key(&number, |stored| stored.message.number);
        let place = place.map_err(|_| Corrupt { what: "a message is missing" })?;
        self.messages[place].found += 1;
        Ok(Rc::clone(&self.messages[place].message))
    }

    fn delivery(&mut self, row: Take<'_>) -> Result<Delivery, Corrupt> {
        let (number, delivery) = take_delivery(row)?;
        Ok(Delivery { message: Some(self.find(number)?), ..delivery })
    }

    fn session_row(&mut self, mut key: Take<'_>, value: &[u8]) -> Result<(), Corrupt> {
        let number = key.u64()?;
        let kind = key.u8()?;
        if kind == CLIENT {
            self.end_session()?;
            self.session = Some((number, Take(value).text()?.into()));
            return Ok(());
        }
        if self.session.as_ref().is_none_or(|(session, _)| *session != number) {
            return Err(Corrupt { what: "a row without a session" });
        }
        let mut row = Take(value);
        let change = match kind {
            LIFE => return self.open(number, row),
            SUBSCRIPTION => Change::Subscribed {
                filter: key.text()?.into(),
                options: options_of(row.u8()?)?,
                identifier: row.u32()?,
                group: row.u32()?,
                root: row.u16()?,
            },
            WILL => Change::WillSet(self.find(row.u64()?)?, row.u32()?),
            CURSOR => {
                let filter = key.text()?.into();
                let after = (row.u8()? != 0).then(|| row.text()).transpose()?.map(Into::into);
                Change::Cursor { filter, after }
            }
            TAKEN => Change::Taken(key.packet_id()?),
            WINDOW => return self.keep(key.packet_id()?, row),
            QUEUE => {
                self.end_window()?;
                Change::Queued(self.delivery(row)?)
            }
            _ => return Err(Corrupt { what: "a row of an unknown kind" }),
        };
        (self.visit)(Record::Session(number, change))
    }

    fn open(&mut self, number: u64, mut row: Take<'_>) -> Result<(), Corrupt> {
        let Some((_, client_id)) = &self.session else { return Ok(()) };
        let (client_id, expiry_interval) = (Rc::clone(client_id), row.u32()?);
        let at = Time::from_ms(row.u64()?);
        self.see(at);
        self.loaded.sessions += 1;
        (self.visit)(Record::Session(number, Change::Opened { client_id, expiry_interval }))?;
        if at < Time::NEVER {
            let change = Change::Detached { at, expiry_interval };
            (self.visit)(Record::Session(number, change))?;
        }
        Ok(())
    }

    /// Something on its way to the session.
    fn keep(&mut self, packet_id: PacketId, mut row: Take<'_>) -> Result<(), Corrupt> {
        let order = row.u64()?;
        let has_arrived = row.u8()? != 0;
        let len = row.u32()?;
        let delivery = if has_arrived { Delivery::RECEIVED } else { self.delivery(row)? };
        if delivery.qos == QoS::AtMostOnce {
            return Err(Corrupt { what: "an identifier for QoS 0" });
        }
        self.window.push((order, packet_id, delivery, len, has_arrived));
        Ok(())
    }

    /// What was on its way to the session is known: in order of sending.
    fn end_window(&mut self) -> Result<(), Corrupt> {
        let Some((number, _)) = self.session else { return Ok(()) };
        self.window.sort_by_key(|(order, ..)| *order);
        for (_, packet_id, delivery, len, has_arrived) in self.window.drain(..) {
            let change = Change::Delivered { packet_id, delivery, len };
            (self.visit)(Record::Session(number, change))?;
            if has_arrived {
                (self.visit)(Record::Session(number, Change::Received(packet_id)))?;
            }
        }
        Ok(())
    }

    fn end_session(&mut self) -> Result<(), Corrupt> {
        self.end_window()?;
        self.session = None;
        Ok(())
    }

    fn group_row(&mut self, mut key: Take<'_>, value: &[u8]) -> Result<(), Corrupt> {
        let group = key.u32()?;
        let delivery = self.delivery(Take(value))?;
        (self.visit)(Record::Group(group, GroupChange::Queued(delivery)))
    }

    fn retained_row(&mut self, key: Take<'_>, value: &[u8]) -> Result<(), Corrupt> {
        let message = self.find(Take(value).u64()?)?;
        if message.topic().as_bytes() != key.0 {
            return Err(Corrupt { what: "a retained message lies at another topic" });
        }
        (self.visit)(Record::Retained(message))
    }
}
