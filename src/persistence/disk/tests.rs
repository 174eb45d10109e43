//! The store on a medium in memory: what comes back, what is counted, what is refused.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::super::{Change, GroupChange, Record};
use super::*;
use crate::codec::{PacketId, QoS, SubscribeOptions};
use crate::message::{Delivery, Message, Parts};
use crate::metrics::Gauge;
use crate::rng::Rng;
use crate::time::Time;

/// Bytes that outlive a store.
#[derive(Clone, Debug, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl StorageBackend for Bytes {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let part = bytes.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        self.0.lock().unwrap()[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}

fn message(number: u64, topic: &str) -> Rc<Message> {
    let created = Time::from_ms(number);
    let parts = Parts { qos: QoS::ExactlyOnce, created, ..Parts::plain(topic, b"payload") };
    Message::new(number, &parts, None, &Rc::new(Gauge::default()))
}

fn delivery(message: &Rc<Message>) -> Delivery {
    Delivery {
        message: Some(Rc::clone(message)),
        identifiers: None,
        group: 0,
        qos: QoS::ExactlyOnce,
        retain: false,
    }
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn opened(number: u64) -> Record {
    let client_id = format!("client-{number}").as_str().into();
    Record::Session(number, Change::Opened { client_id, expiry_interval: 60 })
}

fn commit(store: &mut Store, records: &[Record]) {
    let mut batch = Batch::default();
    let first = store.records + 1;
    (first..).zip(records).for_each(|(number, record)| batch.push(number, record));
    store.commit(&batch, Stamp::default()).unwrap();
    assert_eq!(store.live, store.measure().unwrap(), "every byte of a row is counted");
}

fn loaded(store: &Store) -> Vec<Record> {
    let mut records = Vec::new();
    let mut visit = |record| {
        records.push(record);
        Ok(())
    };
    store.load(&Rc::new(Gauge::default()), &mut visit).unwrap();
    records
}

/// How many rows there are.
fn rows(store: &Store) -> usize {
    let read = store.database.begin_read().unwrap();
    let table = read.open_table(STATE).unwrap();
    table.range::<&[u8]>(..).unwrap().count()
}

#[test]
fn everything_comes_back_in_order() {
    let bytes = Bytes::default();
    let mut store = Store::open(bytes.clone()).unwrap();
    let (a, b, c) = (message(1, "a"), message(2, "b"), message(3, "c"));
    let session = |change| Record::Session(7, change);
    let subscribed = Change::Subscribed {
        filter: "$share/g/t".into(),
        options: SubscribeOptions::default(),
        identifier: 5,
        group: 9,
        root: 3,
    };
    let records = [
        opened(7),
        session(Change::Detached { at: Time::from_ms(50), expiry_interval: 60 }),
        session(subscribed),
        session(Change::WillSet(Rc::clone(&c), 11)),
        session(Change::Cursor { filter: "f/#".into(), after: None }),
        session(Change::Cursor { filter: "g/#".into(), after: Some("g/1".into()) }),
        session(Change::Taken(id(4))),
        // Sent in this order, though their identifiers say otherwise.
        session(Change::Delivered { packet_id: id(9), delivery: delivery(&a), len: 8 }),
        session(Change::Delivered { packet_id: id(2), delivery: Delivery::RECEIVED, len: 0 }),
        session(Change::Received(id(2))),
        session(Change::Queued(delivery(&b))),
        session(Change::Queued(delivery(&a))),
        Record::Group(9, GroupChange::Queued(delivery(&c))),
        Record::Retained(Rc::clone(&a)),
    ];
    commit(&mut store, &records);
    assert_eq!(loaded(&store), records);
    drop(store);
    assert_eq!(loaded(&Store::open(bytes).unwrap()), records);
}

/// What no broker stores is refused before a window would have to take it.
#[test]
fn an_identifier_for_qos_0_is_damage() {
    let mut store = Store::open(Bytes::default()).unwrap();
    let delivery = Delivery { qos: QoS::AtMostOnce, ..delivery(&message(1, "t")) };
    let sent = Change::Delivered { packet_id: id(1), delivery, len: 8 };
    commit(&mut store, &[opened(1), Record::Session(1, sent)]);
    let loaded = store.load(&Rc::new(Gauge::default()), &mut |_| Ok(()));
    assert!(matches!(loaded, Err(Failure::Refused(_))), "{loaded:?}");
}

#[test]
fn a_message_lives_as_long_as_something_refers_to_it() {
    let mut store = Store::open(Bytes::default()).unwrap();
    let sessions: Vec<Record> = (1..=3).map(opened).collect();
    commit(&mut store, &sessions);
    let before = rows(&store);
    let one = message(1, "t");
    let queued: Vec<Record> =
        (1..=3).map(|n| Record::Session(n, Change::Queued(delivery(&one)))).collect();
    commit(&mut store, &queued);
    assert_eq!(rows(&store), before + 3 + 2, "three places, one message and its count");
    commit(&mut store, &[Record::Session(1, Change::Unqueued)]);
    commit(&mut store, &[Record::Session(2, Change::Sent { packet_id: id(1), len: 8 })]);
    commit(&mut store, &[Record::Session(2, Change::Received(id(1)))]);
    assert_eq!(rows(&store), before + 2 + 1, "an identifier, a place, a message");
    commit(&mut store, &[Record::Session(2, Change::Settled(id(1)))]);
    commit(&mut store, &[Record::Session(3, Change::Closed)]);
    assert_eq!(rows(&store), before - 2, "a session of two rows less, and no message");
    let passing = [
        Record::Session(1, Change::Queued(delivery(&message(2, "t")))),
        Record::Session(1, Change::Unqueued),
    ];
    commit(&mut store, &passing);
    assert_eq!(rows(&store), before - 2, "what comes and goes is never written");
    commit(&mut store, &[Record::Retained(message(3, "t"))]);
    commit(&mut store, &[Record::Retained(message(4, "t"))]);
    assert_eq!(rows(&store), before);
    commit(&mut store, &[Record::Unretained("t".into())]);
    assert_eq!(rows(&store), before - 2);
}

#[test]
fn what_leaves_queues_together_leaves_them_as_one_by_one() {
    let of = |number, change| Record::Session(number, change);
    let sent = |number| Change::Sent { packet_id: id(number), len: 8 };
    let group = |change| Record::Group(9, change);
    let mut waiting = vec![opened(1), opened(2)];
    for number in 1..=6 {
        let one = message(number, "t");
        let queued = || Change::Queued(delivery(&one));
        waiting.extend([of(1, queued()), of(2, queued())]);
        waiting.push(group(GroupChange::Queued(delivery(&one))));
    }
    let leaving = [
        of(1, sent(1)),
        of(1, Change::Unqueued),
        of(1, sent(2)),
        of(2, sent(1)),
        of(2, Change::Settled(id(1))),
        of(2, sent(1)),
        of(2, sent(7)),
        group(GroupChange::Unqueued),
        group(GroupChange::Unqueued),
        of(1, Change::Unqueued),
        of(1, Change::Queued(delivery(&message(7, "t")))),
        of(1, sent(3)),
        of(1, sent(4)),
        of(1, sent(5)),
    ];
    let mut together = Store::open(Bytes::default()).unwrap();
    let mut apart = Store::open(Bytes::default()).unwrap();
    commit(&mut together, &[&waiting[..], &leaving].concat());
    commit(&mut apart, &waiting);
    leaving.iter().for_each(|record| commit(&mut apart, std::slice::from_ref(record)));
    assert_eq!(loaded(&together), loaded(&apart));
    let mut batch = Batch::default();
    let more = [of(2, Change::Unqueued), of(2, sent(8)), of(2, sent(9)), of(2, sent(10))];
    ((together.records + 1)..).zip(&more).for_each(|(number, it)| batch.push(number, it));
    let refused = together.commit(&batch, Stamp::default());
    assert!(matches!(refused, Err(Failure::Refused(_))), "there are only three: {refused:?}");
}

/// Ten thousand messages come and go; a few stay, those that came last.
#[test]
fn a_store_of_which_most_is_free_is_shrunk() {
    let bytes = Bytes::default();
    let mut store = Store::open(bytes.clone()).unwrap();
    assert!(!store.is_sparse(), "it is small");
    let queued = |number| {
        let parts = message(number, "t");
        let parts = Parts { payload: &[7; 1000], ..parts.parts() };
        let one = Message::new(number, &parts, None, &Rc::new(Gauge::default()));
        Record::Session(1, Change::Queued(delivery(&one)))
    };
    let arrivals: Vec<Record> =
        std::iter::once(opened(1)).chain((1..=10_000).map(queued)).collect();
    commit(&mut store, &arrivals);
    let full = (store.size)();
    assert!(full > 10_000_000 && !store.is_sparse(), "{full} bytes are in use");
    let gone = vec![Record::Session(1, Change::Unqueued); 9_990];
    gone.chunks(333).for_each(|gone| commit(&mut store, gone));
    let left = loaded(&store);
    assert_eq!(left.len(), 1 + 10);
    assert!(store.is_sparse());
    let (before, now) = store.shrink().unwrap();
    assert!(before > SMALL_BYTES && now < SMALL_BYTES / 2, "{before} bytes have become {now}");
    assert_eq!(now, bytes.len().unwrap(), "and that is what there is");
    assert!(!store.is_sparse() && loaded(&store) == left);
    commit(&mut store, &[opened(2)]);
    drop(store);
    assert_eq!(loaded(&Store::open(bytes).unwrap()).len(), left.len() + 1);
}

#[test]
fn a_store_that_does_not_become_smaller_is_not_shrunk_again_and_again() {
    let mut store = Store::open(Bytes::default()).unwrap();
    let size = Arc::new(Mutex::new(100 << 20));
    let seen = Arc::clone(&size);
    (store.size, store.live) = (Box::new(move || *seen.lock().unwrap()), 1000);
    assert!(store.is_sparse());
    store.shrink().unwrap();
    assert!(!store.is_sparse(), "nothing has changed");
    store.live = 499;
    assert!(store.is_sparse(), "half of what was stored has gone");
    store.shrink().unwrap();
    *size.lock().unwrap() += 1;
    assert!(store.is_sparse(), "it has grown");
}

#[test]
fn a_batch_is_not_done_twice() {
    let bytes = Bytes::default();
    let mut store = Store::open(bytes.clone()).unwrap();
    commit(&mut store, &[opened(1)]);
    let mut batch = Batch::default();
    batch.push(3, &Record::Session(1, Change::Queued(delivery(&message(1, "t")))));
    store.commit(&batch, Stamp::default()).unwrap();
    drop(store);
    let mut store = Store::open(bytes).unwrap();
    store.commit(&batch, Stamp::default()).unwrap();
    assert_eq!(loaded(&store).len(), 2);
    assert_eq!(store.stamp().unwrap().unwrap().records, 3);
}

#[test]
fn a_newer_store_is_refused_and_left_alone() {
    let bytes = Bytes::default();
    let store = Store::open(bytes.clone()).unwrap();
    let transaction = store.database.begin_write().unwrap();
    transaction.open_table(ABOUT).unwrap().insert("format", FORMAT + 1).unwrap();
    transaction.commit().unwrap();
    drop(store);
    let before = bytes.0.lock().unwrap().clone();
    let Failure::Refused(what) = Store::open(bytes.clone()).unwrap_err() else { panic!("refused") };
    assert!(before == *bytes.0.lock().unwrap(), "it is as it was");
    assert!(what.contains("format 2") && what.contains("use the version"), "{what}");
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let foreign = Bytes::default();
    let database = Builder::new().create_with_backend(foreign.clone()).unwrap();
    let transaction = database.begin_write().unwrap();
    let other: TableDefinition<'_, u32, u32> = TableDefinition::new("other");
    transaction.open_table(other).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let text = Bytes(Arc::new(Mutex::new(b"some text that is no database ".repeat(300))));
    for bytes in [foreign, text] {
        let before = bytes.0.lock().unwrap().clone();
        let failure = Store::open(bytes.clone()).unwrap_err();
        assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
        assert!(before == *bytes.0.lock().unwrap(), "it is as it was");
    }
}

/// A byte that has changed on the medium is found, or it is one that nobody needs.
#[test]
fn damage_is_found_and_nothing_panics() {
    let bytes = Bytes::default();
    let mut store = Store::open(bytes.clone()).unwrap();
    for number in 1..=40 {
        let one = message(number, "some/topic");
        let queued = Record::Session(number, Change::Queued(delivery(&one)));
        commit(&mut store, &[opened(number), queued, Record::Retained(one)]);
    }
    let whole = loaded(&store);
    drop(store);
    let intact = bytes.0.lock().unwrap().clone();
    let used = intact.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused = 0;
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let mut damaged = intact.clone();
        for _ in 0..=rng.index(3) {
            let at = rng.index(used);
            damaged[at] ^= 1 << rng.index(8);
        }
        if rng.chance(1, 10) {
            damaged.truncate(rng.index(used));
        }
        let bytes = Bytes(Arc::new(Mutex::new(damaged.clone())));
        match Store::open(bytes.clone()) {
            Ok(store) => assert!(loaded(&store) == whole, "seed {seed}"),
            Err(_) => {
                refused += 1;
                assert!(damaged == *bytes.0.lock().unwrap(), "seed {seed}: it is as it was");
            }
        }
    }
    assert!(refused > 20, "{refused} of 400");
}
