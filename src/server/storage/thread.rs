//! The thread that waits for the medium.
//!
//! Owns: the one helper thread of storage. It takes a batch, makes it durable, gives it back and
//! wakes the loop. It ends with the [`Committer`].
//!
//! Never sees anything but bytes.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle};

use super::super::Stop;
use crate::persistence::{Batch, Failure, Keeper, Outcome, Stamp, Store, Writer};

type Job = (Box<Batch>, Stamp);

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
        let work = move || {
            for (batch, stamp) in queue {
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

    /// Waits until a batch has finished.
    pub(super) fn wait(&mut self) {
        if self.outcome.is_none() {
            self.outcome = Some(self.outcomes.recv().unwrap_or_else(|_| gone()));
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
