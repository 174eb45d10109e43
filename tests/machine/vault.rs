//! The real journal over the real store over a simulated medium, a step at a time.
//!
//! Owns: when a batch that was handed over is carried out, and what becomes of it when the process
//! ends or power fails.
//!
//! Never starts a thread.

use mqtt_broker::persistence::{
    Batch, Disk as _, Failure, Journal, Keeper, Outcome, Policy, Record, Seq, Stamp, Storage,
    Store, Writer,
};
use mqtt_broker::rng::Rng;
use mqtt_broker::time::Time;

use super::medium::{Medium, Trouble};

type Open = Box<dyn FnMut() -> Result<Store, Failure>>;

/// A writer that works when it is told to.
struct Stepped {
    keeper: Keeper<Open>,
    job: Option<(Box<Batch>, Stamp)>,
    /// Batches it may still carry out by itself.
    steps: usize,
    /// Batches that were carried out.
    batches: usize,
}

/// How many batches come between two times that the store is shrunk, though there is no need.
const SHRINK_EVERY: usize = 7;

impl Writer for Stepped {
    fn begin(&mut self, batch: Box<Batch>, stamp: Stamp) {
        assert!(self.job.is_none(), "one batch at a time");
        self.job = Some((batch, stamp));
    }

    fn finished(&mut self) -> Option<Outcome> {
        self.steps = self.steps.checked_sub(usize::from(self.job.is_some()))?;
        let (batch, stamp) = self.job.take()?;
        let result = self.keeper.commit(&batch, stamp);
        self.batches += 1;
        if self.batches.is_multiple_of(SHRINK_EVERY) {
            self.keeper.shrink();
        }
        Some(Outcome { batch, result })
    }
}

/// A store and what leads to it.
pub(crate) struct Vault {
    /// Absent while the process is not there.
    journal: Option<Journal<Stepped>>,
    medium: Medium,
    rng: Rng,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("medium", &self.medium).finish_non_exhaustive()
    }
}

impl Vault {
    pub(crate) fn new(now: Time, mut rng: Rng) -> Self {
        let medium = Medium::new(Rng::new(rng.next_u64()));
        let store = Store::open(medium.clone()).expect("a store begins");
        Self { journal: Some(journal(&medium, store, Stamp::first(now))), medium, rng }
    }

    fn journal(&mut self) -> &mut Journal<Stepped> {
        self.journal.as_mut().expect("the process is there")
    }

    pub(crate) fn append(&mut self, record: Record) {
        self.journal().append(record);
    }

    pub(crate) fn want(&mut self, seq: Seq) {
        self.journal().want(seq);
    }

    /// Between two events: batches are handed over, and `steps` of them carried out.
    pub(crate) fn commit(&mut self, now: Time, steps: usize) {
        for step in 0..=steps {
            self.journal().writer_mut().steps = usize::from(step < steps);
            self.journal().commit(now);
        }
        assert_eq!(self.journal().broken(), None, "it can always go on");
    }

    pub(crate) fn durable(&mut self) -> Seq {
        self.journal().durable()
    }

    pub(crate) fn state(&self) -> Storage {
        self.journal.as_ref().expect("the process is there").state()
    }

    /// Something is wrong with the medium from now on, or nothing any more.
    pub(crate) fn trouble(&mut self) -> Trouble {
        use Trouble::{Dead, Full, NoSync, None, ReadOnly};
        let troubles = [None, None, Full, ReadOnly, NoSync, NoSync, Dead];
        let trouble = troubles[self.rng.index(troubles.len())];
        self.medium.set(trouble);
        trouble
    }

    /// Nothing is wrong any more, and everything becomes durable.
    pub(crate) fn finish(&mut self, now: Time) {
        self.medium.set(Trouble::None);
        self.journal().save();
        let mut at = now;
        for _ in 0..4 {
            self.commit(at, 2);
            at = self.journal().deadline().unwrap_or(at).max(at);
        }
        assert!(self.journal().is_saved(), "a medium that works takes everything");
    }

    /// The process ends without warning; sometimes power fails, sometimes the last batch is
    /// carried out before. The clock then shows `wall`. What is stored, how many records that
    /// stands for, and what time it is.
    pub(crate) fn crash(&mut self, wall: Time) -> (Vec<Record>, usize, Time) {
        if self.rng.chance(1, 3) {
            self.journal().writer_mut().steps = 1;
            let _ = self.journal().writer_mut().finished();
        }
        // Power fails in the middle of a commit, too: then no sync comes back.
        if self.rng.chance(1, 2) {
            self.medium.set(Trouble::NoSync);
            self.journal().writer_mut().steps = 1;
            let _ = self.journal().writer_mut().finished();
        }
        // Who is killed closes nothing.
        self.medium.set(Trouble::Dead);
        self.journal = None;
        self.medium.lose_power();
        let store = Store::open(self.medium.clone()).expect("a crash leaves a store");
        let mut records = Vec::new();
        let mut visit = |record| {
            records.push(record);
            Ok(())
        };
        let gauge = std::rc::Rc::default();
        let loaded = store.load(&gauge, &mut visit).expect("what is stored fits together");
        let old = store.stamp().expect("it can be read");
        let stamp = old.map_or_else(|| Stamp::first(wall), |old| old.next(wall, loaded.latest));
        let count = usize::try_from(stamp.records).expect("few");
        self.journal = Some(journal(&self.medium, store, stamp));
        (records, count, stamp.time)
    }
}

fn journal(medium: &Medium, store: Store, stamp: Stamp) -> Journal<Stepped> {
    let medium = medium.clone();
    let open: Open = Box::new(move || {
        medium.drop_cache();
        Store::open(medium.clone())
    });
    let keeper = Keeper::new(open, store);
    Journal::new(Stepped { keeper, job: None, steps: 0, batches: 0 }, Policy::default(), stamp)
}
