//! Sessions and their connections: take-over, Wills, expiry, time.
//!
//! Owns: what becomes of a session when its connection goes, and what is due when.
//!
//! Never closes a link by itself: it expects the broker to.

use std::rc::Rc;

use mqtt_broker::broker::{ConnId, Options, Seq, Storage};
use mqtt_broker::codec::{Connect, QoS, Version};
use mqtt_broker::time::Time;

use super::super::swarm::MOUNT;
use super::{Letter, Link, Model, Session, State};

impl Model {
    /// An event begins.
    pub(in super::super) fn begin(&mut self, now: Time) {
        self.now = now;
        (self.before, self.arrivals_before) = (self.seq, self.arrivals);
        self.looks_back = false;
        self.has_waited.clear();
        self.replaced.clear();
    }

    /// Storage has changed. What clients did not take meanwhile did not come.
    pub(in super::super) fn storage(&mut self, now: Time, state: Storage) {
        self.begin(now);
        if state == Storage::Well && self.storage != Storage::Well {
            self.be_patient(|_| true);
        }
        self.storage = state;
    }

    /// Those who take nothing have time again.
    fn be_patient(&mut self, is_meant: impl Fn(Time) -> bool) {
        let again = self.now.plus_ms(self.options.stalled_timeout_ms);
        let stalled = self.links.values_mut().filter_map(|link| link.stalled_by.as_mut());
        stalled.filter(|by| is_meant(**by)).for_each(|by| *by = again);
    }

    pub(in super::super) fn opened(
        &mut self,
        now: Time,
        conn: ConnId,
        client: usize,
        listener: u16,
    ) {
        self.begin(now);
        let door = self.options.listener(listener).expect("a listener that is there");
        let (versions, qos_max) = (door.versions.clone(), door.maximum_qos);
        let mount = if door.mount_point.is_empty() { "" } else { MOUNT };
        let silent_by = Some(now.plus_ms(self.options.connect_timeout_ms));
        let link = Link {
            client,
            state: State::Awaiting,
            version: Version::V311,
            silent_by,
            patience_ms: 0,
            charged: 0,
            stalled_by: None,
            quota: 0,
            packet_max: u32::MAX,
            may_extend: false,
            room: 0,
            mount,
            qos_max,
            versions,
            listener,
            aliases: Default::default(),
            pending: None,
            read: (0, 0, now),
            resent: 0,
        };
        self.links.insert(conn, link);
    }

    /// A connection is gone, whoever closed it.
    pub(in super::super) fn closed(&mut self, now: Time, conn: ConnId) {
        self.begin(now);
        self.detach(conn, true);
        self.links.remove(&conn);
    }

    /// A client is let in; says whether its session was there.
    pub(super) fn attach(&mut self, conn: ConnId, connect: &Connect, will: Option<Letter>) -> bool {
        let client = self.links[&conn].client;
        let expiry = expiry_of(connect);
        if let Some(old) = self.sessions.get(&client).and_then(|session| session.conn) {
            self.dismissal(old, 0x8e);
            self.detach(old, true);
        }
        if connect.clean_start && self.sessions.contains_key(&client) {
            self.end_session(client);
        }
        let present = self.sessions.contains_key(&client);
        self.openings += u64::from(!present);
        let number = self.openings;
        let session = self.sessions.entry(client).or_insert_with(|| Session {
            number,
            expiry,
            conn: None,
            detached: None,
            will: None,
            subs: Default::default(),
            waiting: Vec::new(),
            flights: Vec::new(),
            taken: Default::default(),
            runs: Vec::new(),
            copied: Vec::new(),
            latest: Default::default(),
        });
        session.expiry = expiry;
        session.detached = None;
        session.conn = Some(conn);
        let delay = connect.will.as_ref().map_or(0, |will| will.delay_interval);
        session.will = will.map(|letter| (Rc::new(letter), delay));
        self.begin_link(conn, connect);
        present
    }

    fn begin_link(&mut self, conn: ConnId, connect: &Connect) {
        let properties = &connect.properties;
        let window = match self.options.max_inflight_messages {
            0 => u16::MAX,
            max => max,
        };
        let link = self.links.get_mut(&conn).expect("it said CONNECT");
        link.state = State::Online;
        link.version = connect.version;
        link.read = (0, 0, self.now);
        link.patience_ms = u64::from(connect.keep_alive) * 1500;
        link.quota = usize::from(properties.receive_maximum.unwrap_or(u16::MAX).min(window));
        link.packet_max = properties.maximum_packet_size.unwrap_or(u32::MAX);
        link.room = self.options.room.into();
        link.may_extend = properties.session_expiry_interval.unwrap_or(0) > 0;
        let (version, packet_max) = (link.version, link.packet_max as usize);
        let session = self.sessions.get_mut(&link.client).expect("attached");
        for flight in session.flights.iter_mut().filter(|flight| !flight.is_received) {
            flight.is_unsendable |= flight.owed.size(version, link.mount) > packet_max;
        }
        self.heard(conn);
    }

    /// The client is alive.
    pub(super) fn heard(&mut self, conn: ConnId) {
        let now = self.now;
        if let Some(link) = self.links.get_mut(&conn) {
            link.silent_by = (link.patience_ms > 0).then(|| now.plus_ms(link.patience_ms));
        }
    }

    /// A session loses its connection.
    pub(super) fn detach(&mut self, conn: ConnId, with_will: bool) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        let was_online = link.state == State::Online;
        link.state = State::Left;
        (link.silent_by, link.stalled_by, link.pending) = (None, None, None);
        if !was_online {
            return;
        }
        let client = link.client;
        let session = self.sessions.get_mut(&client).expect("a link has a session");
        assert_eq!(session.conn, Some(conn));
        session.conn = None;
        if !with_will {
            session.will = None;
        }
        if !session.is_kept() {
            return self.end_session(client);
        }
        session.detached = Some(self.now);
        if session.will.as_ref().is_some_and(|(_, delay)| *delay == 0) {
            self.publish_will(client);
        }
    }

    fn publish_will(&mut self, client: usize) {
        let session = self.sessions.get_mut(&client).expect("it has a Will");
        if let Some((letter, _)) = session.will.take() {
            self.publish(&Rc::new(Letter { created: self.now, ..(*letter).clone() }));
        }
    }

    /// A session ends: its Will goes out, QoS 1 messages of its shared subscriptions go to others.
    pub(super) fn end_session(&mut self, client: usize) {
        self.publish_will(client);
        let session = self.sessions.remove(&client).expect("a session that ends");
        for filter in session.subs.keys().filter(|filter| filter.starts_with('$')) {
            self.leave(filter, client);
        }
        for flight in session.flights {
            if let (Some(filter), QoS::AtLeastOnce) = (flight.owed.group, flight.owed.qos) {
                self.owe_group(filter, &flight.owed.letter, true);
            }
        }
    }

    /// Bytes have left.
    pub(in super::super) fn written(&mut self, now: Time, conn: ConnId, bytes: usize) {
        self.begin(now);
        let timeout = self.options.stalled_timeout_ms;
        let Some(link) = self.links.get_mut(&conn).filter(|link| link.state == State::Online)
        else {
            return;
        };
        link.charged -= bytes as u64;
        link.stalled_by = (link.charged > 0).then(|| now.plus_ms(timeout));
    }

    /// Connections that something is to happen to; twice, if two things are, or something to a
    /// session besides that may be what they wait for.
    pub(in super::super) fn due_conns(&self, now: Time) -> Vec<ConnId> {
        let waits = |link: &Link| link.pending.as_ref().is_some_and(|pending| pending.by <= now);
        let waiting = self.links.iter().filter(|(_, link)| waits(link)).map(|(conn, _)| *conn);
        let waiting: Vec<ConnId> = waiting.collect();
        let mut due = self.due_links(now);
        due.extend(&waiting);
        if !self.due_sessions(now).is_empty() {
            due.extend(&waiting);
        }
        due.sort_unstable();
        due
    }

    /// The broker gets other options.
    pub(in super::super) fn configured(&mut self, now: Time, options: &Options) {
        self.begin(now);
        self.options = options.clone();
        let by = now.plus_ms(options.stalled_timeout_ms);
        for link in self.links.values_mut() {
            link.stalled_by = link.stalled_by.map(|at| at.min(by));
        }
        for conn in self.at_gone_listeners(options) {
            if self.is_online(conn) {
                self.dismissal(conn, 0x98);
            } else {
                self.expected.closings.insert(conn);
            }
            self.detach(conn, true);
        }
    }

    /// Connections that these options leave without a listener.
    pub(in super::super) fn at_gone_listeners(&self, options: &Options) -> Vec<ConnId> {
        let is_gone =
            |link: &Link| link.state != State::Left && options.listener(link.listener).is_none();
        let gone = self.links.iter().filter(|(_, link)| is_gone(link));
        gone.map(|(conn, _)| *conn).collect()
    }

    /// Connections whose patience ends.
    fn due_links(&self, now: Time) -> Vec<ConnId> {
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        let links = self.links.iter();
        let is_well = self.storage == Storage::Well;
        let due = links.filter(|(_, link)| due(link.silent_by) || is_well && due(link.stalled_by));
        due.map(|(conn, _)| *conn).collect()
    }

    /// Time has passed: links first, then sessions in the order in which they were due, which is
    /// long ago for some after a crash, and of their opening.
    pub(in super::super) fn ticked(&mut self, now: Time) {
        self.begin(now);
        if self.storage != Storage::Well {
            self.be_patient(|by| by <= now);
        }
        for conn in self.due_links(now) {
            let link = &self.links[&conn];
            if link.state == State::Online && link.silent_by.is_some_and(|at| at <= now) {
                self.dismissal(conn, 0x8d);
            } else {
                self.expected.closings.insert(conn);
            }
            self.detach(conn, true);
        }
        self.tick_sessions(now);
        let expired = |letter: &Rc<Letter>| letter.has_expired(now);
        let topics: Vec<String> =
            self.retained.iter().filter(|(_, l)| expired(l)).map(|(t, _)| t.clone()).collect();
        for topic in topics {
            self.retained.remove(&topic);
            self.forget_retained(&topic);
        }
    }

    /// Sessions whose time has come, in order.
    fn due_sessions(&self, now: Time) -> Vec<(Time, u64, usize)> {
        let mut due: Vec<(Time, u64, usize)> = Vec::new();
        for (client, session) in &self.sessions {
            let first = [session.ends(), session.will_due()].into_iter().flatten().min();
            due.extend(first.filter(|at| *at <= now).map(|at| (at, session.number, *client)));
        }
        due.sort_unstable();
        due
    }

    fn tick_sessions(&mut self, now: Time) {
        for (_, _, client) in self.due_sessions(now) {
            if self.sessions[&client].ends().is_some_and(|at| at <= now) {
                self.end_session(client);
            } else {
                self.publish_will(client);
            }
        }
    }

    /// The process ended without warning: what ends with a connection has ended, without Will,
    /// and what is left counts from now.
    pub(in super::super) fn crashed(&mut self, now: Time, lost: &Self) {
        // Nobody takes one session for another.
        self.openings = lost.openings;
        self.options = lost.options.clone();
        (self.seq, self.ended) = (Seq(0), Seq(0));
        self.storage = Storage::Well;
        self.begin(now);
        self.links.clear();
        self.expected = Default::default();
        let clean: Vec<usize> =
            self.sessions.iter().filter(|(_, s)| !s.is_kept()).map(|(c, _)| *c).collect();
        for client in clean {
            let session = self.sessions.remove(&client).expect("found");
            for filter in session.subs.keys().filter(|filter| filter.starts_with('$')) {
                self.leave(filter, client);
            }
        }
        for session in self.sessions.values_mut() {
            if session.conn.take().is_some() {
                session.detached = Some(now);
            }
            for flight in &mut session.flights {
                flight.after = Seq(0);
            }
        }
        self.balance = Default::default();
        self.balance.owed = self.waiting();
    }
}

/// Seconds a session outlives its connection.
pub(super) fn expiry_of(connect: &Connect) -> u32 {
    match connect.version {
        Version::V5 => connect.properties.session_expiry_interval.unwrap_or(0),
        Version::V31 | Version::V311 if connect.clean_start => 0,
        Version::V31 | Version::V311 => u32::MAX,
    }
}
