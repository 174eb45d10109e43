//! The order in which questions are answered, with an examiner that waits for the test.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::*;
use crate::server::clock::Clock;
use crate::session::{Identity, Peer};

/// Answers `Granted` to the password `right`, each slow question when the test says so.
#[derive(Debug)]
struct Slow {
    begun: Sender<String>,
    go: Mutex<Receiver<()>>,
}

impl Examiner for Slow {
    fn is_quick(&self, applicant: &Applicant) -> bool {
        applicant.client_id.starts_with("quick")
    }

    fn examine(&self, applicant: &Applicant) -> Finding {
        assert_ne!(applicant.client_id, "deadly", "a fault of the examiner's");
        if !self.is_quick(applicant) {
            self.begun.send(applicant.client_id.clone()).unwrap();
            self.go.lock().unwrap_or_else(PoisonError::into_inner).recv().unwrap();
        }
        let is_right = applicant.password.as_deref() == Some(b"right");
        let wrong = Denial::from(ReasonCode::BAD_USER_NAME_OR_PASSWORD);
        (if is_right { Verdict::Granted } else { Verdict::Refused(wrong) }, None)
    }
}

struct World {
    court: Court,
    woken: Receiver<()>,
    begun: Receiver<String>,
    go: Sender<()>,
    now: Time,
    next: u32,
}

const PATIENCE: Duration = Duration::from_secs(10);

impl World {
    fn new() -> Self {
        let (wake, woken) = channel();
        let wake = Mutex::new(wake);
        let wake: Wake = Arc::new(move || {
            let _ = wake.lock().unwrap_or_else(PoisonError::into_inner).send(());
        });
        let mut court = Court::new(wake, None).unwrap();
        let (begun, go) = Self::appoint(&mut court);
        Self { court, woken, begun, go, now: Time::from_ms(1_000_000), next: 0 }
    }

    fn appoint(court: &mut Court) -> (Receiver<String>, Sender<()>) {
        let ((begun, began), (go, gone)) = (channel(), channel());
        court.appoint(Some(Arc::new(Slow { begun, go: Mutex::new(gone) })));
        (began, go)
    }

    /// Somebody asks; his connection and, if it is known at once, the answer.
    fn ask(&mut self, from: u8, id: &str, password: &str) -> (ConnId, Option<Verdict>) {
        self.next += 1;
        let conn = ConnId { slot: self.next, serial: 1 };
        let address = Some(SocketAddr::from(([192, 0, 2, from], 1)));
        let peer = Peer { address, listener: 0 };
        let identity =
            Identity { client_id: id.into(), user_name: Some(id.into()), peer, certificate: None };
        let password = Some(bytes::Bytes::from(password.to_owned()));
        let credentials = Credentials { identity, password, method: None };
        (conn, self.court.ask(self.now, conn, credentials))
    }

    /// Whom the helper thread is at.
    fn at(&self) -> String {
        self.begun.recv_timeout(PATIENCE).unwrap()
    }

    /// Lets it finish, and hears what follows.
    fn finish(&mut self) -> Vec<(ConnId, Verdict)> {
        self.go.send(()).unwrap();
        self.woken.recv_timeout(PATIENCE).unwrap();
        self.hear()
    }

    fn hear(&mut self) -> Vec<(ConnId, Verdict)> {
        std::iter::from_fn(|| self.court.answer(self.now)).collect()
    }
}

fn refused() -> Verdict {
    Verdict::Refused(ReasonCode::BAD_USER_NAME_OR_PASSWORD.into())
}

#[test]
fn addresses_take_turns() {
    let mut world = World::new();
    let flood: Vec<ConnId> = (0..5).map(|n| world.ask(1, &format!("f{n}"), "wrong").0).collect();
    let (other, answer) = world.ask(2, "other", "right");
    assert_eq!(answer, None);
    assert_eq!(world.at(), "f0");
    assert!(world.hear().is_empty());
    assert_eq!(world.finish(), [(flood[0], refused())]);
    assert_eq!(world.at(), "other");
    assert_eq!(world.finish(), [(other, Verdict::Granted)]);
    assert_eq!(world.at(), "f1");
    world.finish();
}

#[test]
fn what_was_right_needs_no_second_hash() {
    let mut world = World::new();
    let conns: Vec<ConnId> = (0..3).map(|_| world.ask(1, "same", "right").0).collect();
    let elsewhere = world.ask(2, "same", "right").0;
    assert_eq!(world.at(), "same");
    let mut answers = world.finish();
    answers.sort_by_key(|(conn, _)| conn.slot);
    let all = conns.iter().chain([&elsewhere]);
    assert_eq!(answers, all.map(|conn| (*conn, Verdict::Granted)).collect::<Vec<_>>());
    assert_eq!(world.ask(3, "same", "right").1, Some(Verdict::Granted));
    assert!(world.begun.try_recv().is_err());
    // Under other rules it is asked again.
    (world.begun, world.go) = World::appoint(&mut world.court);
    assert_eq!(world.ask(3, "same", "right").1, None);
    assert_eq!(world.at(), "same");
    world.finish();
}

#[test]
fn whoever_leaves_takes_his_question_along() {
    let mut world = World::new();
    let (first, _) = world.ask(1, "first", "wrong");
    let (second, _) = world.ask(2, "second", "right");
    let (third, _) = world.ask(3, "third", "right");
    assert_eq!(world.at(), "first");
    world.court.withdraw(first);
    world.court.withdraw(second);
    assert!(world.finish().is_empty(), "nobody is told");
    assert_eq!(world.at(), "third");
    assert_eq!(world.finish(), [(third, Verdict::Granted)]);
    assert!(world.court.waiting.is_empty() && world.court.lanes.is_empty());
    assert!(world.court.ready.is_empty() && world.court.deadline().is_none());
}

#[test]
fn there_is_a_bound_for_each_address_and_for_all() {
    let mut world = World::new();
    let ask = |world: &mut World, from| world.ask(from, "slow", "wrong").1;
    let busy = Some(Verdict::Refused(BUSY));
    // One is examined, so many wait.
    for _ in 0..=LANE_MAX {
        assert_eq!(ask(&mut world, 1), None);
    }
    assert_eq!(ask(&mut world, 1), busy);
    for from in 2..=16 {
        for _ in 0..LANE_MAX {
            assert_eq!(ask(&mut world, from), None);
        }
    }
    assert_eq!(world.court.waiting.len(), WAITING_MAX);
    assert_eq!(ask(&mut world, 17), busy);
    // What costs nothing is answered all the same.
    let (conn, answer) = world.ask(18, "quick", "right");
    assert_eq!((answer, world.hear()), (None, vec![(conn, Verdict::Granted)]));
    world.go.send(()).unwrap();
}

#[test]
fn wrong_passwords_cost_their_address_time_and_nobody_else() {
    let mut world = World::new();
    for _ in 0..6 {
        let (conn, _) = world.ask(1, "quick", "wrong");
        assert_eq!(world.hear(), [(conn, refused())]);
    }
    let (late, answer) = world.ask(1, "quick", "right");
    assert_eq!((answer, world.hear()), (None, vec![]), "its address rests");
    let (other, _) = world.ask(2, "quick", "right");
    assert_eq!(world.hear(), [(other, Verdict::Granted)]);
    // By now it is known to be right, and waits with its lane.
    let until = world.court.deadline().unwrap();
    assert!(until > world.now);
    world.now = until;
    assert_eq!(world.hear(), [(late, Verdict::Granted)]);
    assert_eq!(world.court.deadline(), None, "nobody is woken for nothing");
}

#[test]
fn under_other_rules_it_is_asked_again() {
    let mut world = World::new();
    let (conn, _) = world.ask(1, "first", "right");
    assert_eq!(world.at(), "first");
    let (begun, go) = World::appoint(&mut world.court);
    let old = std::mem::replace(&mut world.go, go);
    world.begun = begun;
    old.send(()).unwrap();
    world.woken.recv_timeout(PATIENCE).unwrap();
    assert!(world.hear().is_empty());
    assert_eq!(world.at(), "first");
    assert_eq!(world.finish(), [(conn, Verdict::Granted)]);
}

#[test]
fn a_thread_that_is_lost_is_started_again() {
    let mut world = World::new();
    let (conn, _) = world.ask(1, "deadly", "right");
    world.woken.recv_timeout(PATIENCE).unwrap();
    // The bell rings while the thread ends.
    let clock = Clock::start();
    let by = clock.now().plus_ms(10_000);
    let answers = loop {
        let answers = world.hear();
        assert!(clock.now() < by, "it is not noticed");
        if !answers.is_empty() {
            break answers;
        }
    };
    assert_eq!(answers, [(conn, Verdict::Refused(UNABLE))]);
    let (next, _) = world.ask(1, "next", "right");
    assert_eq!(world.at(), "next");
    assert_eq!(world.finish(), [(next, Verdict::Granted)]);
}
