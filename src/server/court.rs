//! Where questions wait that take time.
//!
//! ```text
//! ask -- was right lately, or costs little ------------------------> verdict, at once
//!    \-- lane of its address, one of many -- turn -- helper thread --> verdict, in a later turn
//!                  \-- rests while its address has brought wrong passwords
//! ```
//!
//! Owns: the order. Addresses take turns, whatever the number of questions each of them has, so a
//! flood from one makes nobody else wait longer than for one question of it. One password is
//! hashed at a time: the memory a hash takes is there once. What was right is remembered, so that
//! those who wait with the same question need no hash of their own, and those who gave up find
//! their answer when they come again.
//!
//! At the bound of all questions or of those of one address, a client is told to come later
//! (0x89; 3.x: 3). Whoever leaves takes its question with it before it is hashed.
//!
//! Never lets the loop wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use log::error;

use super::hub::Judge;
use super::question::{Asking, Question, Replies};
use super::worker::{Finding, Progress, Wake, Worker};
use crate::auth::{Cache, Origin, Throttle};
use crate::broker::{ConnId, Verdict};
use crate::codec::ReasonCode;
use crate::map::{self, Map};
use crate::session::{Applicant, Credentials, Denial, Examiner};
use crate::time::Time;

/// A question that waits.
struct Job {
    conn: ConnId,
    applicant: Applicant,
}

/// A question the helper thread is at.
struct Busy {
    /// Nobody waits any more if `None`.
    conn: Option<ConnId>,
    applicant: Applicant,
    origin: Origin,
    /// Under whose rules it was asked.
    epoch: u64,
}

/// Answers questions in an order that is fair.
pub(super) struct Court {
    examiner: Option<Arc<dyn Examiner>>,
    epoch: u64,
    cache: Cache,
    throttle: Throttle,
    /// Questions by address; none is empty.
    lanes: Map<Origin, VecDeque<Job>>,
    /// Addresses whose turn comes, in order.
    ready: BTreeSet<(u64, Origin)>,
    /// Addresses whose turn does not come before.
    resting: BTreeSet<(Time, Origin)>,
    /// Where each question waits.
    waiting: BTreeMap<ConnId, Origin>,
    turn: u64,
    busy: Option<Busy>,
    worker: Option<Worker>,
    /// The examiner may keep something for the next question.
    is_warm: bool,
    wake: Wake,
    /// What conversations are to remember.
    memos: BTreeMap<ConnId, Box<str>>,
    verdicts: VecDeque<(ConnId, Verdict)>,
    /// More can be done at once.
    has_more: bool,
    asking: Option<Asking>,
    replies: Arc<Replies>,
}

/// Questions that wait at once.
const WAITING_MAX: usize = 4096;
/// Questions of one address that wait at once.
const LANE_MAX: usize = 256;
/// Questions that are looked at in one go.
const BUDGET: usize = 64;

const BUSY: Denial = Denial::new(ReasonCode::SERVER_BUSY, "too many logins wait");
const UNABLE: Denial = Denial::new(ReasonCode::SERVER_UNAVAILABLE, "nobody can judge it");

impl Court {
    /// `wake` wakes the loop; `asking` is told what no examiner answers.
    pub(super) fn new(wake: Wake, asking: Option<Asking>) -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        let seed = u64::from_le_bytes(key[8..16].try_into().expect("eight bytes"));
        Ok(Self {
            examiner: None,
            epoch: 0,
            cache: Cache::new(key),
            throttle: Throttle::new(seed),
            lanes: map::map(seed),
            ready: BTreeSet::new(),
            resting: BTreeSet::new(),
            waiting: BTreeMap::new(),
            turn: 0,
            busy: None,
            worker: None,
            is_warm: false,
            replies: Replies::new(Arc::clone(&wake)),
            wake,
            memos: BTreeMap::new(),
            verdicts: VecDeque::new(),
            has_more: false,
            asking,
        })
    }

    /// Examines somebody in the loop.
    fn examine(&mut self, now: Time, conn: ConnId, origin: Origin, applicant: &Applicant) {
        let Some(examiner) = &self.examiner else {
            return self.verdicts.push_back((conn, Verdict::Refused(UNABLE)));
        };
        let finding = examiner.examine(applicant);
        self.settle(now, Some(conn), origin, applicant, finding);
    }

    /// Draws the consequences of a verdict.
    fn settle(
        &mut self,
        now: Time,
        conn: Option<ConnId>,
        origin: Origin,
        applicant: &Applicant,
        (verdict, memo): Finding,
    ) {
        match &verdict {
            Verdict::Granted => self.cache.learn(applicant),
            Verdict::Refused(_) => self.throttle.failed(now, origin),
            Verdict::Proved { .. } | Verdict::Continue(_) => {}
        }
        let Some(conn) = conn else { return };
        if let Some(memo) = memo {
            self.memos.insert(conn, memo);
        }
        self.verdicts.push_back((conn, verdict));
    }

    /// Puts a question at the end of its lane; false if there is no place.
    fn enqueue(&mut self, now: Time, conn: ConnId, origin: Origin, applicant: Applicant) -> bool {
        let len = self.lanes.get(&origin).map_or(0, VecDeque::len);
        if len >= LANE_MAX || self.waiting.len() >= WAITING_MAX {
            return false;
        }
        self.lanes.entry(origin).or_default().push_back(Job { conn, applicant });
        self.waiting.insert(conn, origin);
        if len == 0 {
            self.line_up(now, origin);
        }
        true
    }

    /// Lets a lane that has questions wait for its turn, unless one of its questions is being
    /// answered: that comes first, for it may cost the lane its turn.
    fn line_up(&mut self, now: Time, origin: Origin) {
        let is_asked = self.busy.as_ref().is_some_and(|busy| busy.origin == origin);
        if is_asked || !self.lanes.contains_key(&origin) {
            return;
        }
        if let Some(until) = self.throttle.rests(now, origin) {
            self.resting.insert((until, origin));
        } else {
            self.turn += 1;
            self.ready.insert((self.turn, origin));
        }
    }

    /// Takes the first question of a lane.
    fn take(&mut self, origin: Origin) -> Option<Job> {
        let lane = self.lanes.get_mut(&origin)?;
        let job = lane.pop_front()?;
        if lane.is_empty() {
            self.lanes.remove(&origin);
        }
        self.waiting.remove(&job.conn);
        Some(job)
    }

    /// Answers what can be answered, and keeps the helper thread at work.
    fn pump(&mut self, now: Time) {
        while let Some(&(until, origin)) = self.resting.first()
            && until <= now
        {
            self.resting.pop_first();
            self.line_up(now, origin);
        }
        let mut from = 0;
        self.has_more = false;
        for _ in 0..BUDGET {
            let Some(&(turn, origin)) = self.ready.range((from, Origin::Local)..).next() else {
                return self.cool();
            };
            let Some(job) = self.lanes.get(&origin).and_then(VecDeque::front) else {
                self.ready.remove(&(turn, origin));
                continue;
            };
            let is_known = self.cache.knows(&job.applicant);
            let is_quick = self.examiner.as_ref().is_none_or(|e| e.is_quick(&job.applicant));
            if !is_known && !is_quick && self.busy.is_some() {
                from = turn + 1;
                continue;
            }
            self.ready.remove(&(turn, origin));
            let Some(Job { conn, applicant }) = self.take(origin) else { continue };
            if is_known {
                self.verdicts.push_back((conn, Verdict::Granted));
            } else if is_quick {
                self.examine(now, conn, origin, &applicant);
            } else {
                self.hand_over(conn, origin, applicant);
            }
            self.line_up(now, origin);
        }
        self.has_more = true;
    }

    /// Gives a question to the helper thread, which is idle.
    fn hand_over(&mut self, conn: ConnId, origin: Origin, applicant: Applicant) {
        let Some(examiner) = &self.examiner else { return };
        if self.worker.is_none() {
            match Worker::start(Arc::clone(&self.wake)) {
                Ok(worker) => self.worker = Some(worker),
                Err(error) => {
                    error!("Cannot start the thread that checks passwords: {error}");
                    return self.verdicts.push_back((conn, Verdict::Refused(UNABLE)));
                }
            }
        }
        if let Some(worker) = &self.worker {
            worker.examine(examiner, applicant.clone());
            self.is_warm = true;
            self.busy = Some(Busy { conn: Some(conn), applicant, origin, epoch: self.epoch });
        }
    }

    /// Lets the examiner give back what it keeps when nobody waits for the thread.
    fn cool(&mut self) {
        if self.busy.is_none()
            && self.is_warm
            && let (Some(worker), Some(examiner)) = (&self.worker, &self.examiner)
        {
            worker.rest(examiner);
            self.is_warm = false;
        }
    }

    /// Takes what the helper thread has found.
    fn collect(&mut self, now: Time) {
        let Some(progress) = self.worker.as_ref().map(Worker::progress) else { return };
        let finding = match progress {
            Progress::Waits => return,
            Progress::Done(finding) => finding,
            Progress::Lost => {
                error!(
                    "The thread that checks passwords is gone; the next question starts another"
                );
                self.worker = None;
                self.is_warm = false;
                (Verdict::Refused(UNABLE), None)
            }
        };
        let Some(Busy { conn, applicant, origin, epoch }) = self.busy.take() else { return };
        if epoch == self.epoch {
            if self.worker.is_some() {
                self.settle(now, conn, origin, &applicant, finding);
            } else if let Some(conn) = conn {
                self.verdicts.push_back((conn, finding.0));
            }
        } else if let Some(conn) = conn {
            // The rules have changed meanwhile: asked again, before the others.
            self.lanes.entry(origin).or_default().push_front(Job { conn, applicant });
            self.waiting.insert(conn, origin);
        }
        self.line_up(now, origin);
    }
}

impl Judge for Court {
    fn appoint(&mut self, examiner: Option<Arc<dyn Examiner>>) {
        self.examiner = examiner;
        self.epoch += 1;
        self.cache.forget();
    }

    fn ask(&mut self, now: Time, conn: ConnId, credentials: Credentials) -> Option<Verdict> {
        let origin = Origin::of(credentials.identity.peer.address);
        let memo = self.memos.remove(&conn);
        let mut nonce = [0; 18];
        if credentials.method.is_some() && getrandom::fill(&mut nonce).is_err() {
            return Some(Verdict::Refused(UNABLE));
        }
        let applicant = Applicant::of(credentials, memo, nonce);
        let Some(examiner) = &self.examiner else {
            let Some(asking) = &mut self.asking else { return Some(Verdict::Refused(UNABLE)) };
            asking(Question::new(applicant, conn, Arc::clone(&self.replies)));
            return None;
        };
        if self.cache.knows(&applicant) {
            return Some(Verdict::Granted);
        }
        let is_free =
            !self.lanes.contains_key(&origin) && self.throttle.rests(now, origin).is_none();
        if is_free && examiner.is_quick(&applicant) {
            self.examine(now, conn, origin, &applicant);
        } else if self.enqueue(now, conn, origin, applicant) {
            self.pump(now);
        } else {
            return Some(Verdict::Refused(BUSY));
        }
        None
    }

    fn withdraw(&mut self, conn: ConnId) {
        self.memos.remove(&conn);
        self.verdicts.retain(|(judged, _)| *judged != conn);
        if let Some(busy) = self.busy.as_mut().filter(|busy| busy.conn == Some(conn)) {
            busy.conn = None;
        }
        let Some(origin) = self.waiting.remove(&conn) else { return };
        let Some(lane) = self.lanes.get_mut(&origin) else { return };
        lane.retain(|job| job.conn != conn);
        if lane.is_empty() {
            self.lanes.remove(&origin);
            self.ready.retain(|(_, known)| *known != origin);
            self.resting.retain(|(_, known)| *known != origin);
        }
    }

    fn answer(&mut self, now: Time) -> Option<(ConnId, Verdict)> {
        if self.verdicts.is_empty() {
            self.collect(now);
            self.pump(now);
            if self.asking.is_some() {
                self.verdicts.extend(self.replies.take());
            }
        }
        self.verdicts.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        if self.has_more || !self.verdicts.is_empty() {
            return Some(Time::from_ms(0));
        }
        self.resting.first().map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests;
