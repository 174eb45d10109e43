//! Group commit: records gather while those before them are made durable.
//!
//! Owns: the batch that gathers, the one that is in flight, and what follows from how that went.
//! A batch holds whole units only, because it is handed over between events. When storage fails,
//! the batch comes back and is kept: it is written again, before anything else, once the store
//! can be opened again. Nothing later counts as durable before it.
//!
//! ```text
//! when a batch is handed over:
//!   always    somebody waits for one of its records
//!   any       the oldest of its records has waited for `save_ms`, there are `save_records` of
//!             them, or it takes more memory than it should
//!   save      somebody said so
//! what counts as durable:
//!   always           what is
//!   interval, off    everything, as long as storage has not failed
//! ```
//!
//! Bounded: when what gathers and what is in flight take more than 16 MiB, storage is
//! [`Storage::Behind`], and the broker reads no further from those who make records, until it is
//! half of that again; and so it is while one batch takes longer than 5 seconds. While storage
//! has failed, the broker makes few records; should they take four times as much all the same,
//! the journal is [broken](Disk::broken).
//!
//! Never writes anything itself: a [`Writer`] does, on a thread of its own.

use std::mem;

use super::{Batch, Disk, Failure, Record, Seq, Stamp, Storage};
use crate::time::Time;

/// Makes one batch durable at a time, while the caller does something else.
pub trait Writer {
    /// Begins. The one before has [`finished`](Self::finished).
    fn begin(&mut self, batch: Box<Batch>, stamp: Stamp);

    /// What has become of it, once it is known.
    fn finished(&mut self) -> Option<Outcome>;
}

/// What has become of a batch.
#[derive(Debug)]
pub struct Outcome {
    /// It comes back.
    pub batch: Box<Batch>,
    /// Why it is not durable, if it is not.
    pub result: Result<(), Failure>,
}

/// When an acknowledgement may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// When what it promises is durable.
    #[default]
    Always,
    /// At once; what it promises is durable `save_ms` later.
    Interval,
    /// At once; what it promises is durable when it is.
    Off,
}

/// When records are made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When an acknowledgement may leave.
    pub sync: Sync,
    /// Milliseconds a record waits at the most that nobody waits for; 0 is for ever.
    pub save_ms: u64,
    /// Records that wait at the most; 0 is no limit.
    pub save_records: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self { sync: Sync::Always, save_ms: 10_000, save_records: 0 }
    }
}

/// Bytes of records that may wait for storage before those who make them are not read from.
const BACKLOG_BYTES: usize = 16 << 20;

/// Bytes at which a batch is handed over though nobody waits for it.
const SAVE_BYTES: usize = 4 << 20;

/// How long a batch may take before storage is behind.
const SLOW_MS: u64 = 5_000;

/// How long after a failure storage is tried again; each time twice as long as before, up to
/// [`AGAIN_MAX_MS`].
const AGAIN_MS: u64 = 1_000;
const AGAIN_MAX_MS: u64 = 8_000;

/// Records on their way to storage.
#[derive(Debug)]
pub struct Journal<W> {
    writer: W,
    policy: Policy,
    /// Of the last stamp; its time goes on.
    stamp: Stamp,
    gathering: Box<Batch>,
    /// What the writer has, or what came back from it.
    flight: Flight,
    /// Number of the newest record, of the last that was handed over, of the last that is
    /// durable, and of the last that somebody waits for; since this run began.
    appended: u64,
    handed: u64,
    durable: u64,
    wanted: u64,
    /// The last that was told to be durable, whether it is or only counts as such.
    told: u64,
    /// The last that is to be saved though nobody waits for it.
    saving: u64,
    /// When the oldest record that gathers has waited long enough.
    due: Option<Time>,
    is_failing: bool,
    again_ms: u64,
    is_behind: bool,
    is_slow: bool,
    broken: Option<String>,
    commits: u64,
}

/// Where the batch is that was handed over.
#[derive(Debug)]
enum Flight {
    None,
    /// With the writer, so many bytes; storage is behind from then on.
    Busy(usize, Time),
    /// It came back, and is tried again then.
    Failed(Box<Batch>, Time),
}

impl<W: Writer> Journal<W> {
    /// A journal that goes on after `stamp`, with which the run begins.
    #[must_use]
    pub fn new(writer: W, policy: Policy, stamp: Stamp) -> Self {
        Self {
            writer,
            policy,
            stamp,
            gathering: Box::default(),
            flight: Flight::None,
            appended: 0,
            handed: 0,
            durable: 0,
            wanted: 0,
            told: 0,
            saving: 0,
            due: None,
            is_failing: false,
            again_ms: AGAIN_MS,
            is_behind: false,
            is_slow: false,
            broken: None,
            commits: 0,
        }
    }

    /// The writer.
    pub const fn writer_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// The writer, to look at.
    #[must_use]
    pub const fn writer(&self) -> &W {
        &self.writer
    }

    /// How many batches have become durable.
    #[must_use]
    pub const fn commits(&self) -> u64 {
        self.commits
    }

    /// How many records there were in this run.
    #[must_use]
    pub const fn appended(&self) -> u64 {
        self.appended
    }

    /// Goes on by another policy.
    pub const fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.due = None;
    }

    /// Whether everything so far is durable, or will never be.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.durable == self.appended
            || self.broken.is_some()
            || matches!(self.flight, Flight::Failed(..))
    }

    /// Whether everything so far is durable.
    #[must_use]
    pub const fn is_saved(&self) -> bool {
        self.durable == self.appended
    }

    /// Bytes that wait for storage.
    #[must_use]
    pub const fn backlog(&self) -> usize {
        let flying = match &self.flight {
            Flight::None => 0,
            Flight::Busy(bytes, _) => *bytes,
            Flight::Failed(batch, _) => batch.len(),
        };
        self.gathering.len() + flying
    }

    fn land(&mut self, now: Time) {
        let Some(Outcome { mut batch, result }) = self.writer.finished() else { return };
        match result {
            Ok(()) => {
                if mem::take(&mut self.is_failing) {
                    log::warn!("Storage works again: nothing that was acknowledged is lost");
                }
                self.durable = self.handed;
                self.commits += 1;
                self.again_ms = AGAIN_MS;
                self.flight = Flight::None;
                if self.gathering.is_empty() {
                    batch.clear();
                    self.gathering = batch;
                }
            }
            Err(failure) => {
                if !mem::replace(&mut self.is_failing, true) {
                    log::error!(
                        "Storage takes nothing: {failure}. Acknowledgements wait, QoS 0 goes on; \
                         see to space and the medium, it is tried again and again"
                    );
                }
                if let Failure::Refused(what) = failure {
                    self.broken = Some(what);
                }
                self.flight = Flight::Failed(batch, now.plus_ms(self.again_ms));
                self.again_ms = (2 * self.again_ms).min(AGAIN_MAX_MS);
            }
        }
    }

    fn is_due(&self, now: Time) -> bool {
        let batch = &self.gathering;
        let most = self.policy.save_records;
        self.saving > self.handed
            || (self.policy.sync == Sync::Always && self.wanted > self.handed)
            || self.due.is_some_and(|due| due <= now)
            || (most > 0 && batch.records() >= most)
            || batch.len() >= SAVE_BYTES
    }

    fn hand_over(&mut self, now: Time) {
        if self.broken.is_some() {
            return;
        }
        let is_due = !self.gathering.is_empty() && self.is_due(now);
        let batch = match &mut self.flight {
            Flight::Busy(..) => return,
            Flight::Failed(_, again) if *again > now => return,
            Flight::Failed(batch, _) => mem::take(batch),
            Flight::None if !is_due => return,
            Flight::None => {
                (self.handed, self.due) = (self.appended, None);
                mem::take(&mut self.gathering)
            }
        };
        self.stamp.time = self.stamp.time.max(now);
        self.flight = Flight::Busy(batch.len(), now.plus_ms(SLOW_MS));
        self.writer.begin(batch, self.stamp);
    }

    fn weigh(&mut self, now: Time) {
        let most = if self.is_behind { BACKLOG_BYTES / 2 } else { BACKLOG_BYTES };
        let backlog = self.backlog();
        self.is_behind = backlog > most;
        self.is_slow = matches!(self.flight, Flight::Busy(_, slow) if slow <= now);
        if self.is_failing && backlog > 4 * BACKLOG_BYTES && self.broken.is_none() {
            self.broken = Some(format!("{backlog} bytes wait for storage that takes nothing"));
        }
    }
}

impl<W: Writer> Disk for Journal<W> {
    fn append(&mut self, record: Record) {
        self.appended += 1;
        self.gathering.push(self.stamp.records + self.appended, &record);
    }

    fn want(&mut self, seq: Seq) {
        self.wanted = self.wanted.max(seq.0);
    }

    fn commit(&mut self, now: Time) {
        self.land(now);
        if self.due.is_none() && !self.gathering.is_empty() && self.policy.save_ms > 0 {
            self.due = Some(now.plus_ms(self.policy.save_ms));
        }
        self.hand_over(now);
        // A writer without a thread has finished already.
        self.land(now);
        self.weigh(now);
    }

    fn save(&mut self) -> bool {
        self.saving = self.appended;
        true
    }

    fn durable(&mut self) -> Seq {
        let counts = match self.policy.sync {
            Sync::Interval | Sync::Off if !self.is_failing => self.appended,
            Sync::Always | Sync::Interval | Sync::Off => self.durable,
        };
        self.told = self.told.max(counts);
        Seq(self.told)
    }

    fn state(&self) -> Storage {
        if self.is_failing {
            Storage::Failed
        } else if self.is_behind || self.is_slow {
            Storage::Behind
        } else {
            Storage::Well
        }
    }

    fn deadline(&self) -> Option<Time> {
        match &self.flight {
            Flight::None => self.due,
            Flight::Busy(_, slow) => (!self.is_slow).then_some(*slow),
            Flight::Failed(_, again) => Some(*again),
        }
    }

    fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that does what the test says.
    #[derive(Debug, Default)]
    struct Told {
        job: Option<Box<Batch>>,
        results: Vec<Result<(), Failure>>,
    }

    impl Writer for Told {
        fn begin(&mut self, batch: Box<Batch>, _: Stamp) {
            assert!(self.job.replace(batch).is_none(), "one batch at a time");
        }

        fn finished(&mut self) -> Option<Outcome> {
            if self.job.is_none() || self.results.is_empty() {
                return None;
            }
            let batch = self.job.take()?;
            Some(Outcome { batch, result: self.results.remove(0) })
        }
    }

    fn journal(sync: Sync, save_ms: u64, save_records: usize) -> Journal<Told> {
        let policy = Policy { sync, save_ms, save_records };
        Journal::new(Told::default(), policy, Stamp::default())
    }

    fn at(ms: u64) -> Time {
        Time::from_ms(ms)
    }

    fn append(journal: &mut Journal<Told>, count: usize) {
        for number in 0..count {
            journal.append(Record::Unretained(format!("{number}").as_str().into()));
        }
    }

    #[test]
    fn one_batch_is_in_flight_and_the_next_gathers() {
        let mut journal = journal(Sync::Always, 1000, 0);
        append(&mut journal, 2);
        journal.want(Seq(1));
        journal.commit(at(0));
        append(&mut journal, 3);
        journal.want(Seq(5));
        journal.commit(at(1));
        assert_eq!(
            (journal.durable(), journal.writer.job.as_ref().unwrap().records()),
            (Seq(0), 2)
        );
        journal.writer.results.push(Ok(()));
        journal.commit(at(2));
        assert_eq!(
            (journal.durable(), journal.writer.job.as_ref().unwrap().records()),
            (Seq(2), 3)
        );
        journal.writer.results.push(Ok(()));
        journal.commit(at(3));
        assert_eq!((journal.durable(), journal.commits(), journal.backlog()), (Seq(5), 2, 0));
        assert!(journal.is_saved());
    }

    #[test]
    fn what_nobody_waits_for_waits_its_time_or_its_number_or_until_somebody_says_so() {
        let mut lazy = journal(Sync::Always, 1000, 0);
        append(&mut lazy, 1);
        lazy.commit(at(50));
        assert!(lazy.writer.job.is_none());
        assert_eq!(lazy.deadline(), Some(at(1050)));
        lazy.commit(at(1050));
        assert!(lazy.writer.job.is_some());
        let mut counting = journal(Sync::Always, 0, 3);
        append(&mut counting, 2);
        counting.commit(at(0));
        assert!(counting.writer.job.is_none() && counting.deadline().is_none());
        append(&mut counting, 1);
        counting.commit(at(0));
        assert!(counting.writer.job.is_some());
        let mut asked = journal(Sync::Off, 0, 0);
        append(&mut asked, 1);
        asked.commit(at(0));
        assert!(asked.writer.job.is_none());
        assert!(asked.save());
        asked.commit(at(0));
        assert!(asked.writer.job.is_some());
    }

    #[test]
    fn with_interval_and_off_everything_counts_as_durable_until_storage_fails() {
        for sync in [Sync::Interval, Sync::Off] {
            let mut journal = journal(sync, 100, 0);
            append(&mut journal, 2);
            journal.want(Seq(2));
            journal.commit(at(0));
            assert_eq!(journal.durable(), Seq(2));
            assert!(journal.writer.job.is_none(), "nobody waits");
            journal.writer.results.push(Err(Failure::Medium("full".into())));
            journal.commit(at(100));
            append(&mut journal, 1);
            assert_eq!((journal.durable(), journal.state()), (Seq(2), Storage::Failed));
        }
    }

    #[test]
    fn a_batch_that_failed_is_tried_again_before_anything_else() {
        let mut journal = journal(Sync::Always, 1000, 0);
        append(&mut journal, 1);
        journal.want(Seq(1));
        journal.writer.results.push(Err(Failure::Medium("full".into())));
        journal.commit(at(0));
        assert_eq!((journal.state(), journal.deadline()), (Storage::Failed, Some(at(AGAIN_MS))));
        append(&mut journal, 4);
        journal.want(Seq(5));
        journal.commit(at(AGAIN_MS - 1));
        assert!(journal.writer.job.is_none());
        journal.commit(at(AGAIN_MS));
        assert_eq!(journal.writer.job.as_ref().unwrap().last(), 1);
        assert_eq!(journal.state(), Storage::Failed, "until it is known better");
        journal.writer.results.push(Ok(()));
        journal.commit(at(AGAIN_MS));
        assert_eq!((journal.state(), journal.durable()), (Storage::Well, Seq(1)));
        assert_eq!(journal.writer.job.as_ref().unwrap().last(), 5);
        assert_eq!(journal.broken(), None);
    }

    #[test]
    fn a_store_that_is_refused_is_the_end() {
        let mut journal = journal(Sync::Always, 1000, 0);
        append(&mut journal, 1);
        journal.want(Seq(1));
        journal.writer.results.push(Err(Failure::Refused("damaged".into())));
        journal.commit(at(0));
        assert_eq!(journal.durable(), Seq(0));
        assert_eq!(journal.broken(), Some("damaged"));
        journal.commit(at(100_000));
        assert!(journal.writer.job.is_none() && journal.is_settled() && !journal.is_saved());
    }

    #[test]
    fn storage_is_behind_when_much_waits_or_one_batch_takes_long() {
        let mut journal = journal(Sync::Always, 1000, 0);
        append(&mut journal, 1);
        journal.want(Seq(1));
        journal.commit(at(0));
        journal.commit(at(SLOW_MS - 1));
        assert_eq!((journal.state(), journal.deadline()), (Storage::Well, Some(at(SLOW_MS))));
        journal.commit(at(SLOW_MS));
        assert_eq!((journal.state(), journal.deadline()), (Storage::Behind, None));
        journal.writer.results.push(Ok(()));
        journal.commit(at(SLOW_MS));
        assert_eq!(journal.state(), Storage::Well);
        append(&mut journal, 1);
        journal.save();
        journal.commit(at(SLOW_MS));
        let cost = 64;
        append(&mut journal, BACKLOG_BYTES / cost + 1);
        journal.commit(at(SLOW_MS));
        assert_eq!(journal.state(), Storage::Behind);
        journal.writer.results.extend([Ok(()), Ok(())]);
        journal.commit(at(SLOW_MS));
        journal.commit(at(SLOW_MS));
        assert_eq!((journal.state(), journal.backlog()), (Storage::Well, 0));
    }
}
