//! A batch, carried out.
//!
//! Owns: the count of rows that refer to each message, and of the bytes of all rows. A message is
//! stored with the first row and goes with the last; one that comes and goes within a batch is
//! never written.
//!
//! Never commits.

use std::collections::BTreeMap;

use redb::{ReadableTable, Table};

use super::super::batch::{Batch, Span, Step};
use super::super::layout::{
    ARRIVED_AT, BODY, COUNT, Put, RETAINED, Take, WINDOW_DELIVERY_AT, behind, message_key,
    refers_to,
};
use super::{Corrupt, Failure, medium};

type State<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// What follows from rows that came and went.
#[derive(Default)]
struct Changes {
    /// By how much the count of each message changes.
    counts: BTreeMap<u64, i64>,
    /// How many bytes of rows there are more.
    bytes: i64,
}

/// Carries out a batch; the highest number a stored message may have, which was `newest` before,
/// and how many bytes of rows there are more.
pub(super) fn apply(
    table: &mut State<'_>,
    batch: &Batch,
    newest: u64,
) -> Result<(u64, i64), Failure> {
    let mut changes = Changes::default();
    for run in batch.steps().chunk_by(|a, b| are_run(batch, *a, *b)) {
        carry_out(table, batch, run, &mut changes)?;
    }
    for (topic, number) in batch.retained() {
        let mut key = vec![RETAINED];
        key.extend_from_slice(topic.as_bytes());
        match number {
            Some(number) => put(table, &key, &number.to_be_bytes(), &mut changes)?,
            None => delete(table, &key, &mut changes)?,
        }
    }
    settle(table, batch, &mut changes, newest)
}

/// Carries out a step, or several that are a run.
fn carry_out(
    table: &mut State<'_>,
    batch: &Batch,
    run: &[Step],
    changes: &mut Changes,
) -> Result<(), Failure> {
    let Some(step) = run.first() else { return Ok(()) };
    match *step {
        Step::Put { key, value } => put(table, batch.at(key), batch.at(value), changes),
        Step::Delete { key } => delete(table, batch.at(key), changes),
        Step::Pop { prefix } | Step::Move { prefix, .. } => {
            take_off(table, batch, (run, prefix), changes)
        }
        Step::Arrived { key } => {
            let row = table.get(batch.at(key)).map_err(medium)?;
            let mut value = row.ok_or(MISSING)?.value().to_vec();
            *value.get_mut(ARRIVED_AT).ok_or(MISSING)? = 1;
            put(table, batch.at(key), &value, changes)
        }
        Step::Clear { prefix } => {
            let (start, end) = (batch.at(prefix), behind(batch.at(prefix)));
            let mut gone =
                table.extract_from_if(start..end.as_slice(), |_, _| true).map_err(medium)?;
            gone.try_for_each(|row| {
                let (key, value) = row.map_err(medium)?;
                count(changes, key.value(), value.value(), -1)
            })
        }
    }
}

const MISSING: Corrupt = Corrupt { what: "a row is missing" };

fn put(
    table: &mut State<'_>,
    key: &[u8],
    value: &[u8],
    changes: &mut Changes,
) -> Result<(), Failure> {
    count(changes, key, value, 1)?;
    match table.insert(key, value).map_err(medium)? {
        Some(old) => count(changes, key, old.value(), -1),
        None => Ok(()),
    }
}

fn delete(table: &mut State<'_>, key: &[u8], changes: &mut Changes) -> Result<(), Failure> {
    match table.remove(key).map_err(medium)? {
        Some(old) => count(changes, key, old.value(), -1),
        None => Ok(()),
    }
}

/// Whether two steps take something off the front of the same queue.
fn are_run(batch: &Batch, a: Step, b: Step) -> bool {
    let queue = |step| match step {
        Step::Pop { prefix } | Step::Move { prefix, .. } => Some(batch.at(prefix)),
        Step::Put { .. } | Step::Delete { .. } | Step::Arrived { .. } | Step::Clear { .. } => None,
    };
    queue(a).is_some_and(|a| queue(b) == Some(a))
}

/// Takes the first rows with this prefix, one for each step of the run. They are looked for
/// together: when a queue drains, that is most of the work.
fn take_off(
    table: &mut State<'_>,
    batch: &Batch,
    (run, prefix): (&[Step], Span),
    changes: &mut Changes,
) -> Result<(), Failure> {
    let (start, end) = (batch.at(prefix), behind(batch.at(prefix)));
    let mut keys = Vec::with_capacity(run.len());
    for row in table.range(start..end.as_slice()).map_err(medium)?.take(run.len()) {
        keys.push(row.map_err(medium)?.0.value().to_vec());
    }
    if keys.len() < run.len() {
        return Err(MISSING.into());
    }
    for (step, key) in run.iter().zip(keys) {
        let row = table.remove(key.as_slice()).map_err(medium)?.ok_or(MISSING)?;
        count(changes, &key, row.value(), -1)?;
        if let Step::Move { key, order, len, .. } = *step {
            let mut value = Vec::with_capacity(row.value().len() + WINDOW_DELIVERY_AT);
            value.u64(order);
            value.u8(0);
            value.u32(len);
            value.extend_from_slice(row.value());
            drop(row);
            put(table, batch.at(key), &value, changes)?;
        }
    }
    Ok(())
}

/// Counts a row that comes or goes.
fn count(changes: &mut Changes, key: &[u8], value: &[u8], by: i64) -> Result<(), Failure> {
    changes.bytes += by * bytes(key, value);
    if let Some(number) = refers_to(key, value)? {
        *changes.counts.entry(number).or_default() += by;
    }
    Ok(())
}

/// Bytes of a row.
fn bytes(key: &[u8], value: &[u8]) -> i64 {
    i64::try_from(key.len() + value.len()).unwrap_or(i64::MAX)
}

/// Stores messages that are referred to now, removes those that are not any more.
fn settle(
    table: &mut State<'_>,
    batch: &Batch,
    changes: &mut Changes,
    newest: u64,
) -> Result<(u64, i64), Failure> {
    let bodies: BTreeMap<u64, &[u8]> = batch.messages().collect();
    let mut highest = newest;
    for (&number, &change) in changes.counts.iter().filter(|(_, change)| **change != 0) {
        let key = message_key(number, BODY);
        let count_key = message_key(number, COUNT);
        let before = if number > newest { 0 } else { counted(table, &key, &count_key)? };
        let now = u32::try_from(i64::from(before) + change).map_err(|_| MISCOUNTED)?;
        if before == 0 {
            let body = bodies.get(&number).copied().ok_or(MISCOUNTED)?;
            table.insert(key.as_slice(), body).map_err(medium)?;
            changes.bytes += bytes(&key, body);
            highest = highest.max(number);
        }
        if now == 0
            && let Some(body) = table.remove(key.as_slice()).map_err(medium)?
        {
            changes.bytes -= bytes(&key, body.value());
        }
        let count_bytes = bytes(&count_key, &now.to_be_bytes());
        changes.bytes += count_bytes * (i64::from(now > 1) - i64::from(before > 1));
        if now > 1 {
            let value = now.to_be_bytes();
            table.insert(count_key.as_slice(), value.as_slice()).map_err(medium)?;
        } else if before > 1 {
            table.remove(count_key.as_slice()).map_err(medium)?;
        }
    }
    Ok((highest, changes.bytes))
}

const MISCOUNTED: Corrupt = Corrupt { what: "a message is referred to that is not there" };

/// How many rows refer to a message as far as the table says.
fn counted(table: &State<'_>, key: &[u8], count_key: &[u8]) -> Result<u32, Failure> {
    if let Some(count) = table.get(count_key).map_err(medium)? {
        return Ok(Take(count.value()).u32()?);
    }
    Ok(table.get(key).map_err(medium)?.is_some().into())
}
