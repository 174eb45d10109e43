//! Who is owed a message.
//!
//! Owns: matching and merging as the standard describes them, over every subscription there is.
//!
//! Never predicts whether a queue has a place.

use std::rc::Rc;

use mqtt_broker::codec::QoS;

use super::{Letter, Model, Owed, State};

/// In the place of a shared subscription that has lost its last member.
const ENDED: &str = "";

impl Model {
    /// A message is accepted; says whether anybody subscribes.
    pub(super) fn publish(&mut self, letter: &Rc<Letter>) -> bool {
        if letter.retain {
            self.retain(letter);
        }
        self.arrivals += 1;
        let mut matched = false;
        let clients: Vec<usize> = self.sessions.keys().copied().collect();
        for client in clients {
            if let Some(owed) = self.owed_to(client, letter) {
                matched = true;
                self.owe(client, owed);
            }
        }
        let groups: Vec<&'static str> = self.groups.keys().copied().collect();
        for filter in groups.into_iter().filter(|filter| matches(pattern(filter), &letter.topic)) {
            matched = true;
            self.owe_group(filter, letter, false);
        }
        matched
    }

    fn retain(&mut self, letter: &Rc<Letter>) {
        if letter.payload.is_empty() {
            self.retained.remove(&*letter.topic);
            self.forget_retained(&letter.topic);
        } else {
            let life = self.options.retain_expiry_interval * 60;
            let expiry = letter.expiry.or_else(|| (life > 0).then_some(life));
            let kept = Rc::new(Letter { expiry, ..(**letter).clone() });
            self.retained.insert(letter.topic.as_ref().into(), kept);
            if letter.has_expired(self.now) {
                // It lives for no time at all, but has put an end to the one before.
                self.forget_retained(&letter.topic);
            }
            // Who does not want its own does not need to get this one.
            if let Some(session) = self.sessions.get_mut(&letter.publisher) {
                for run in session.runs.iter_mut().filter(|run| run.options.no_local) {
                    run.must.remove(&*letter.topic);
                }
            }
        }
    }

    /// A topic has no retained message any more, so nobody needs to get it.
    pub(super) fn forget_retained(&mut self, topic: &str) {
        for session in self.sessions.values_mut() {
            for run in &mut session.runs {
                run.must.remove(topic);
            }
        }
    }

    pub(super) fn owed_to(&self, client: usize, letter: &Rc<Letter>) -> Option<Owed> {
        let session = &self.sessions[&client];
        let mut owed: Option<Owed> = None;
        for (filter, (options, identifier)) in &session.subs {
            let is_own = options.no_local && letter.publisher == client;
            if filter.starts_with('$') || is_own || !matches(filter, &letter.topic) {
                continue;
            }
            let qos = self.outgoing(options.qos, letter.qos);
            let retain = options.retain_as_published && letter.retain;
            let owed = owed.get_or_insert_with(|| Owed {
                letter: Rc::clone(letter),
                arrival: self.arrivals,
                qos,
                retain,
                identifiers: Vec::new(),
                group: None,
            });
            owed.qos = owed.qos.max(qos);
            owed.retain |= retain;
            owed.identifiers.extend((*identifier != 0).then_some(*identifier));
        }
        if let Some(owed) = &mut owed {
            owed.identifiers.sort_unstable();
        }
        owed
    }

    /// Whether a queue may be full that a message above QoS 0 would have to go into: as many are
    /// owed as it holds.
    pub(super) fn is_any_full(&self, letter: &Rc<Letter>) -> bool {
        let (most, bytes) = (self.options.max_queued_messages, self.options.max_queued_bytes);
        let len = |letter: &Letter| letter.topic.len() + letter.payload.len();
        let is_full = |waiting: &[Owed]| {
            let sum: usize = waiting.iter().map(|owed| len(&owed.letter)).sum();
            most > 0 && waiting.len() >= most || bytes > 0 && sum + len(letter) > bytes
        };
        let sessions = self.sessions.iter().any(|(client, session)| {
            is_full(&session.waiting) && self.owed_to(*client, letter).is_some()
        });
        sessions
            || self.groups.iter().any(|(filter, group)| {
                is_full(&group.waiting) && matches(pattern(filter), &letter.topic)
            })
    }

    fn owe(&mut self, client: usize, owed: Owed) {
        self.balance.owed += 1;
        let session = self.sessions.get_mut(&client).expect("it matched");
        let is_away = session.conn.is_none();
        if is_away && owed.qos == QoS::AtMostOnce && !self.options.queue_qos0_messages {
            self.balance.offline += 1;
        } else {
            session.waiting.push(owed);
        }
    }

    /// A shared subscription is owed one copy, whoever gets it. One that comes back from a member
    /// may have expired, and then does not go out, whoever is there.
    pub(super) fn owe_group(&mut self, filter: &'static str, letter: &Rc<Letter>, is_back: bool) {
        self.balance.owed += 1;
        let Some(group) = self.groups.get(filter) else { return };
        let is_online = |client: &usize| self.sessions[client].conn.is_some();
        let is_away = !group.members.iter().any(is_online);
        let granted = group.members.iter().map(|client| self.sessions[client].subs[filter].0.qos);
        let highest = self.outgoing(granted.max().expect("a member"), QoS::ExactlyOnce);
        let is_qos0 = letter.qos == QoS::AtMostOnce
            && (!self.options.upgrade_outgoing_qos || highest == QoS::AtMostOnce);
        let has_expired = is_back && letter.has_expired(self.now);
        if is_away && is_qos0 && !has_expired && !self.options.queue_qos0_messages {
            self.balance.offline += 1;
            return;
        }
        let owed = Owed {
            letter: Rc::clone(letter),
            arrival: self.arrivals,
            // Depends on who gets it.
            qos: letter.qos,
            retain: letter.retain,
            identifiers: Vec::new(),
            group: Some(filter),
        };
        self.groups.get_mut(filter).expect("found").waiting.push(owed);
    }

    pub(super) fn join(&mut self, filter: &'static str, client: usize) {
        self.groups.entry(filter).or_default().members.insert(client);
    }

    /// What waits for a group ends with its last member, and what it sent has no group to go back
    /// to: one of the same name that is formed later is another.
    pub(super) fn leave(&mut self, filter: &'static str, client: usize) {
        let Some(group) = self.groups.get_mut(filter) else { return };
        group.members.remove(&client);
        if group.members.is_empty() {
            self.groups.remove(filter);
            let flights = self.sessions.values_mut().flat_map(|session| &mut session.flights);
            for flight in flights.filter(|flight| flight.owed.group == Some(filter)) {
                flight.owed.group = Some(ENDED);
            }
        }
    }

    pub(super) fn is_online(&self, conn: mqtt_broker::broker::ConnId) -> bool {
        self.links.get(&conn).is_some_and(|link| link.state == State::Online)
    }
}

/// The filter of a shared subscription, or the filter itself.
pub(super) fn pattern(filter: &str) -> &str {
    if filter.starts_with("$share/") {
        filter.splitn(3, '/').nth(2).expect("a share has a filter")
    } else {
        filter
    }
}

/// Section 4.7 in ten lines; no topic here begins with `$`.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(level), Some(name)) if level == name => {}
            _ => return false,
        }
    }
}
