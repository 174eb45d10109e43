//! The thread that waits for the medium.
//!
//! Owns: the one helper thread of storage. It takes a batch, makes it durable, gives it back and
//! wakes the loop. When most of the store is free it shrinks it, at a moment in which nobody waits
//! for anything. It ends with the [`Committer`], but for one that the medium does not answer: that
//! is left behind.
//!
//! Never sees anything but bytes.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::super::Stop;
use crate::persistence::{Batch, Failure, Keeper, Outcome, Stamp, Store, Writer};

type Job = (Box<Batch>, Stamp);

/// How long nothing must have come before the store is shrunk.
const QUIET: Duration = Duration::from_secs(1);

/// How long that is waited for. After that, any moment will do.
const QUIET_BY: Duration = Duration::from_secs(60);

/// A writer on a thread of its own.
#[derive(Debug)]
pub(super) struct Committer {
    /// Absent once it is to end.
    jobs: Option<Sender<Job>>,
    outcomes: Receiver<Outcome>,
    /// One that was waited for.
    outcome: Option<Outcome>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread; it wakes the loop by `stop`.
    pub(super) fn start<O>(mut keeper: Keeper<O>, stop: Arc<Stop>) -> io::Result<Self>
    where
        O: FnMut() -> Result<Store, Failure> + Send + 'static,
    {
        let (jobs, queue) = channel::<Job>();
        let (done, outcomes) = channel();
        let mut rest = Rest::default();
        let work = move || {
            while let Some((batch, stamp)) = next(&queue, &mut keeper, &mut rest) {
                let result = keeper.commit(&batch, stamp);
                if done.send(Outcome { batch, result }).is_err() {
                    return;
                }
                // It can fail only if the poll is gone, and then nobody waits.
                let _ = stop.waker.wake();
            }
        };
        let thread = Builder::new().name("storage".into()).spawn(work)?;
        Ok(Self { jobs: Some(jobs), outcomes, outcome: None, thread: Some(thread) })
    }

    /// Waits until a batch has finished; whether it has in that time. If not, nothing more is to
    /// be expected of the thread.
    pub(super) fn wait(&mut self, time: Duration) -> bool {
        if self.outcome.is_none() {
            self.outcome = match self.outcomes.recv_timeout(time) {
                Ok(outcome) => Some(outcome),
                Err(RecvTimeoutError::Disconnected) => Some(gone()),
                Err(RecvTimeoutError::Timeout) => {
                    self.thread = None;
                    return false;
                }
            };
        }
        true
    }
}

/// Since when the store could be shrunk.
#[derive(Debug, Default)]
struct Rest {
    sparse_since: Option<Instant>,
}

/// The next job, `None` if there will be none; the store may be shrunk before.
#[expect(clippy::disallowed_methods, reason = "a thread that waits knows no other time")]
fn next<O>(queue: &Receiver<Job>, keeper: &mut Keeper<O>, rest: &mut Rest) -> Option<Job>
where
    O: FnMut() -> Result<Store, Failure>,
{
    if !keeper.is_sparse() {
        rest.sparse_since = None;
        return queue.recv().ok();
    }
    let since = *rest.sparse_since.get_or_insert_with(Instant::now);
    let left = QUIET_BY.saturating_sub(since.elapsed()).min(QUIET);
    match queue.recv_timeout(left) {
        Ok(job) => Some(job),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => {
            keeper.shrink();
            rest.sparse_since = None;
            queue.recv().ok()
        }
    }
}

/// The thread has ended although it was not to.
fn gone() -> Outcome {
    let result = Err(Failure::Refused("its thread has ended".into()));
    Outcome { batch: Box::default(), result }
}

impl Writer for Committer {
    fn begin(&mut self, batch: Box<Batch>, stamp: Stamp) {
        let sent = self.jobs.as_ref().map(|jobs| jobs.send((batch, stamp)));
        if !matches!(sent, Some(Ok(()))) {
            self.outcome = Some(gone());
        }
    }

    fn finished(&mut self) -> Option<Outcome> {
        self.outcome.take().or_else(|| match self.outcomes.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(gone()),
        })
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // What it might say in a panic was said.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Condvar, Mutex};

    use mio::{Poll, Token, Waker};

    use super::*;
    use crate::persistence::Record;
    use crate::persistence::disk::StorageBackend;

    /// Bytes whose syncs do not come back while it is shut.
    #[derive(Clone, Debug, Default)]
    struct Gated(Arc<(Mutex<Inner>, Condvar)>);

    #[derive(Debug, Default)]
    struct Inner {
        bytes: Vec<u8>,
        is_shut: bool,
    }

    impl Gated {
        fn shut(&self, is_shut: bool) {
            self.0.0.lock().unwrap().is_shut = is_shut;
            self.0.1.notify_all();
        }
    }

    impl StorageBackend for Gated {
        fn len(&self) -> io::Result<u64> {
            Ok(self.0.0.lock().unwrap().bytes.len() as u64)
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            let start = usize::try_from(offset).unwrap();
            out.copy_from_slice(&self.0.0.lock().unwrap().bytes[start..start + out.len()]);
            Ok(())
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.0.lock().unwrap().bytes.resize(usize::try_from(len).unwrap(), 0);
            Ok(())
        }

        fn sync_data(&self) -> io::Result<()> {
            let inner = self.0.0.lock().unwrap();
            drop(self.0.1.wait_while(inner, |inner| inner.is_shut).unwrap());
            Ok(())
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            let start = usize::try_from(offset).unwrap();
            self.0.0.lock().unwrap().bytes[start..start + data.len()].copy_from_slice(data);
            Ok(())
        }
    }

    fn committer(medium: &Gated) -> (Committer, Poll) {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        let stop = Arc::new(Stop { waker, requests: AtomicUsize::new(0) });
        let again = medium.clone();
        let store = Store::open(medium.clone()).unwrap();
        let keeper = Keeper::new(move || Store::open(again.clone()), store);
        (Committer::start(keeper, stop).unwrap(), poll)
    }

    fn batch(number: u64) -> Box<Batch> {
        let mut batch = Box::<Batch>::default();
        batch.push(number, &Record::Unretained("t".into()));
        batch
    }

    #[test]
    fn a_medium_that_does_not_answer_is_not_waited_for_for_ever() {
        let medium = Gated::default();
        let (mut committer, _poll) = committer(&medium);
        committer.begin(batch(1), Stamp::default());
        assert!(committer.wait(Duration::from_secs(60)), "it answers");
        assert!(committer.finished().unwrap().result.is_ok());
        medium.shut(true);
        committer.begin(batch(2), Stamp::default());
        assert!(!committer.wait(Duration::from_millis(20)), "it does not");
        // Nor does the end wait.
        drop(committer);
        medium.shut(false);
    }

    #[test]
    fn a_thread_that_was_not_given_up_ends_with_its_committer() {
        let medium = Gated::default();
        let (mut committer, _poll) = committer(&medium);
        committer.begin(batch(1), Stamp::default());
        drop(committer);
        let store = Store::open(medium).unwrap();
        assert_eq!(store.stamp().unwrap().unwrap().records, 1, "what was begun is done");
    }
}
