//! Questions to the program that embeds the broker.
//!
//! Owns: [`Question`], which may wander to another thread and carries its answer back into the
//! loop.
//!
//! Never decides; a question that nobody answers is refused.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use super::worker::Wake;
use crate::broker::{ConnId, Verdict};
use crate::codec::ReasonCode;
use crate::session::Applicant;

/// Somebody wants to come in, and the authority has said that it
/// [takes time](crate::session::Admission::Ask) to say whether he may.
///
/// The answer may be given from any thread. Until then the client waits, at most as long as
/// [`verdict_timeout_ms`](crate::broker::Options::verdict_timeout_ms) allows; an answer that comes
/// later does no harm.
pub struct Question {
    applicant: Applicant,
    conn: ConnId,
    replies: Arc<Replies>,
    is_answered: bool,
}

/// Called in the loop, so it must not wait.
pub(super) type Asking = Box<dyn FnMut(Question) + Send>;

/// Answers on their way into the loop.
pub(super) struct Replies {
    waiting: Mutex<Vec<(ConnId, Verdict)>>,
    wake: Wake,
}

impl Replies {
    pub(super) fn new(wake: Wake) -> Arc<Self> {
        Arc::new(Self { waiting: Mutex::new(Vec::new()), wake })
    }

    pub(super) fn take(&self) -> Vec<(ConnId, Verdict)> {
        mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Question {
    pub(super) const fn new(applicant: Applicant, conn: ConnId, replies: Arc<Replies>) -> Self {
        Self { applicant, conn, replies, is_answered: false }
    }

    /// Who asks, and what he brings.
    #[must_use]
    pub const fn applicant(&self) -> &Applicant {
        &self.applicant
    }

    /// Lets the client in.
    pub fn grant(self) {
        self.answer(Verdict::Granted);
    }

    /// Does not let it in, for this reason.
    pub fn refuse(self, code: ReasonCode) {
        self.answer(Verdict::Refused(code.into()));
    }

    /// Says any of the answers there are.
    pub fn answer(mut self, verdict: Verdict) {
        self.reply(verdict);
    }

    fn reply(&mut self, verdict: Verdict) {
        if mem::replace(&mut self.is_answered, true) {
            return;
        }
        let waiting = &self.replies.waiting;
        waiting.lock().unwrap_or_else(PoisonError::into_inner).push((self.conn, verdict));
        (self.replies.wake)();
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.reply(Verdict::Refused(ReasonCode::SERVER_UNAVAILABLE.into()));
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("applicant", &self.applicant).finish_non_exhaustive()
    }
}
