//! The helper thread for passwords.
//!
//! Owns: the thread, which examines one applicant at a time and wakes the loop when it has an
//! answer. It is started by the first question that needs it; a broker without such questions has
//! none.
//!
//! Never decides what is asked, nor in which order.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::session::{Applicant, Examiner, Verdict};

/// Wakes the loop from any thread.
pub(super) type Wake = Arc<dyn Fn() + Send + Sync>;

/// What an examiner has said.
pub(super) type Finding = (Verdict, Option<Box<str>>);

/// What the thread is to do.
enum Order {
    Examine(Arc<dyn Examiner>, Box<Applicant>),
    Rest(Arc<dyn Examiner>),
}

/// A thread that waits for orders; it ends when this is dropped.
pub(super) struct Worker {
    orders: Sender<Order>,
    findings: Receiver<Finding>,
}

/// What has become of an order.
pub(super) enum Progress {
    /// It is being worked on.
    Waits,
    /// It is done.
    Done(Finding),
    /// The thread is gone.
    Lost,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(wake: Wake) -> io::Result<Self> {
        let (orders, received) = channel();
        let (found, findings) = channel();
        let work = move || {
            // Whatever ends this thread, the loop is to hear of it.
            let bell = Bell(wake);
            for order in received {
                match order {
                    Order::Examine(examiner, applicant) => {
                        if found.send(examiner.examine(&applicant)).is_err() {
                            return;
                        }
                        (bell.0)();
                    }
                    Order::Rest(examiner) => examiner.rest(),
                }
            }
        };
        thread::Builder::new().name("passwords".into()).spawn(work)?;
        Ok(Self { orders, findings })
    }

    /// Has an applicant examined. To be called when nobody else is.
    pub(super) fn examine(&self, examiner: &Arc<dyn Examiner>, applicant: Applicant) {
        // If the thread is gone, `progress` says so.
        let _ = self.orders.send(Order::Examine(Arc::clone(examiner), Box::new(applicant)));
    }

    /// Lets the examiner give back what it keeps for the next question.
    pub(super) fn rest(&self, examiner: &Arc<dyn Examiner>) {
        let _ = self.orders.send(Order::Rest(Arc::clone(examiner)));
    }

    /// What has become of the applicant.
    pub(super) fn progress(&self) -> Progress {
        match self.findings.try_recv() {
            Ok(finding) => Progress::Done(finding),
            Err(std::sync::mpsc::TryRecvError::Empty) => Progress::Waits,
            Err(std::sync::mpsc::TryRecvError::Disconnected) => Progress::Lost,
        }
    }
}

/// Rings when it goes.
struct Bell(Wake);

impl Drop for Bell {
    fn drop(&mut self) {
        (self.0)();
    }
}
