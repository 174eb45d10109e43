//! Whoever judges: what the hub asks and hears.
//!
//! Owns: [`Judge`], the seam between the hub and what may take a thread, a file or a person.
//!
//! Never judges.

use std::sync::Arc;

use super::{Hub, Socket};
use crate::broker::{ConnId, Event, Verdict};
use crate::codec::ReasonCode;
use crate::persistence::Disk;
use crate::session::{Credentials, Examiner};
use crate::time::Time;

/// Answers what takes time: at once, or in a later turn.
pub trait Judge {
    /// Who answers from now on; what was right before need not be any more.
    fn appoint(&mut self, examiner: Option<Arc<dyn Examiner>>);

    /// Takes a question, and answers it if that is possible without waiting. There is at most one
    /// for a connection at a time.
    fn ask(&mut self, now: Time, conn: ConnId, credentials: Credentials) -> Option<Verdict>;

    /// The connection is gone: nobody waits for its answer any more.
    fn withdraw(&mut self, conn: ConnId);

    /// An answer that has come.
    fn answer(&mut self, now: Time) -> Option<(ConnId, Verdict)>;

    /// When there may be another answer, other than because somebody wakes the loop.
    fn deadline(&self) -> Option<Time>;
}

/// Knows no answer to anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Judge for Nobody {
    fn appoint(&mut self, _: Option<Arc<dyn Examiner>>) {}

    fn ask(&mut self, _: Time, _: ConnId, _: Credentials) -> Option<Verdict> {
        Some(Verdict::Refused(ReasonCode::SERVER_UNAVAILABLE.into()))
    }

    fn withdraw(&mut self, _: ConnId) {}

    fn answer(&mut self, _: Time) -> Option<(ConnId, Verdict)> {
        None
    }

    fn deadline(&self) -> Option<Time> {
        None
    }
}

impl<S: Socket, D: Disk> Hub<S, D> {
    /// Lets `judge` answer what takes time, in the name of whoever decides.
    #[must_use]
    pub fn with_judge(mut self, mut judge: Box<dyn Judge>) -> Self {
        judge.appoint(self.broker.examiner());
        self.judge = judge;
        self
    }

    /// Tells the broker the verdicts that have come.
    pub(super) fn hear(&mut self, now: Time) {
        while let Some((conn, verdict)) = self.judge.answer(now) {
            self.tell(now, Event::Judged { conn, verdict });
        }
    }
}
