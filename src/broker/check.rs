//! What is true after every event.
//!
//! Owns: the invariants, as assertions. They are swept in debug builds only, and only while the
//! broker is small: they look at everything.
//!
//! Never repairs anything.

use super::link::Link;
use super::{Broker, Timer};
use crate::session::Held;
use crate::time::Time;

/// With more sessions than this, sweeping after each event would be all that is done.
const SESSIONS_MAX: usize = 64;

impl Broker {
    /// Panics if the state is not one a broker can be in.
    pub(super) fn check(&self) {
        if cfg!(debug_assertions) && self.store.len() <= SESSIONS_MAX {
            self.check_links();
            self.check_sessions();
        }
    }

    /// Each accepted connection has one session that knows it; no window or room is overdrawn;
    /// each deadline has a timer that is not later.
    fn check_links(&self) {
        let (mut there, mut waiting) = (0, 0);
        for (conn, link) in self.links.iter() {
            let due = link.deadline();
            let armed = self.links.armed(conn);
            assert!(armed <= due, "{conn:?} has a timer no later than its deadline");
            if armed < Time::NEVER {
                assert!(self.timers.has(armed, Timer::Link(conn.slot)), "{conn:?} has its entry");
            }
            let Link::Online(online) = link else { continue };
            there += 1;
            assert_eq!(
                self.store.session(online.session).conn,
                Some(conn),
                "a session and its link"
            );
            assert!(online.quota <= online.quota_max, "a quota is not above its maximum");
            let waits = online.charged > 0;
            assert_eq!(waits, online.stalled_by < Time::NEVER, "who waits has a time to wait");
            let Some(brake) = &online.brake else { continue };
            assert!(brake.is_sound(), "{brake:?} agrees with itself");
            let is_silent = online.keep_alive_by == Time::NEVER;
            assert!(!brake.is_on() || is_silent, "who is held need not be heard");
            if let Some(wait) = &brake.wait {
                waiting += 1;
                assert!(self.waiting.is_at(wait, conn), "who waits has a place");
            }
        }
        assert_eq!(waiting, self.waiting.len(), "nobody else has a place");
        assert_eq!(self.online_count(), there, "who is there is counted");
    }

    /// What sessions and router know of each other agrees; a session without connection outlives
    /// it and has a timer if it expires.
    fn check_sessions(&self) {
        let mut subscriptions = 0;
        for (id, session) in self.store.iter() {
            assert_eq!(self.store.of_client(&session.client_id), Some(id), "found by client id");
            for held in session.subscriptions.as_slice() {
                subscriptions += 1;
                let Held { node, group } = *held;
                assert!(self.store.router.subscriber(id, *held).is_some(), "{node:?} {group}");
                assert!(group == 0 || session.groups().contains(&group), "a member knows it");
            }
            match session.conn {
                Some(conn) => {
                    assert!(self.links.online(conn).is_some(), "a session's link is accepted");
                    assert!(!session.is_detached(), "a session with a link is attached");
                }
                None => {
                    assert!(session.is_kept(), "a session without link outlives it");
                    assert!(session.is_detached(), "since when");
                    let due = session.will_due().into_iter().chain(session.expires()).min();
                    let timer = Timer::Session(session.number);
                    assert!(due.is_none_or(|due| self.timers.has(due, timer)), "it has a timer");
                }
            }
        }
        assert_eq!(subscriptions, self.store.router.subscriptions(), "all are accounted for");
    }
}
