//! Who may come in where, and what he may do there: the files of all listeners as one authority.
//!
//! | user name | password file | who comes in                                  |
//! |-----------|---------------|-----------------------------------------------|
//! | none      | any           | everybody, if the listener allows anonymous   |
//! | given     | none          | everybody, if the listener allows anonymous   |
//! | given     | there is one  | whose password is right                       |
//!
//! Where certificates say who somebody is, whoever has such a name comes in.
//!
//! Without an access control list everybody may do everything.
//!
//! Owns: [`AccessControl`], an [`Authority`] and its [`Examiner`] in one value that threads share.
//! What takes time is asked for, never done while the loop waits.
//!
//! Never reads a file.

use std::sync::{Arc, Mutex, PoisonError};

use super::hash::Memory;
use super::password::Passwords;
use super::{Acl, SCRAM, scram};
use crate::codec::ReasonCode;
use crate::session::{
    Access, Admission, Applicant, Authority, CertificateName, Credentials, Denial, Examiner,
    Identity, Peer, Verdict,
};

/// What holds at one listener.
#[derive(Clone, Debug, Default)]
pub struct ListenerAccess {
    /// What of a client's certificate is its user name, which is proved by that: no password is
    /// asked for.
    pub certificate_name: Option<CertificateName>,
    /// Whether a client may come in without a user name.
    pub allow_anonymous: bool,
    /// Whose password is right.
    pub passwords: Option<Arc<Passwords>>,
    /// Who may do what; `None` is everybody everything.
    pub acl: Option<Arc<Acl>>,
}

/// Decides by the files of an operator.
#[derive(Clone, Debug)]
pub struct AccessControl {
    shared: Arc<Shared>,
    /// By number of the listener: whose password is another than before.
    changed: Vec<Changed>,
    checks_retained: bool,
}

#[derive(Debug)]
struct Shared {
    /// By number of the listener; `None` is one that has gone.
    listeners: Vec<Option<ListenerAccess>>,
    secret: [u8; 32],
    memory: Mutex<Memory>,
}

#[derive(Clone, Debug, Default)]
enum Changed {
    /// Nobody.
    #[default]
    Nobody,
    /// These, in order.
    Names(Vec<Box<str>>),
    /// Everybody: there were no passwords before, or who is who is said by something else now.
    Everybody,
}

const CLOSED: Denial = Denial::new(ReasonCode::NOT_AUTHORIZED, "nobody may come in here");
const NAMELESS: Denial = Denial::new(ReasonCode::NOT_AUTHORIZED, "no user name");
const WRONG: Denial = Denial::new(ReasonCode::BAD_USER_NAME_OR_PASSWORD, "wrong password");
const UNKNOWN: Denial = Denial::new(ReasonCode::BAD_USER_NAME_OR_PASSWORD, "unknown user");
const METHOD: Denial =
    Denial::new(ReasonCode::BAD_AUTHENTICATION_METHOD, "unknown authentication method");

impl AccessControl {
    /// `secret` is to be known to nobody; it makes up what must look like the answer to a name
    /// that exists.
    #[must_use]
    pub fn new(listeners: Vec<Option<ListenerAccess>>, secret: [u8; 32]) -> Self {
        let changed = vec![Changed::Nobody; listeners.len()];
        let memory = Mutex::new(Memory::default());
        let shared = Arc::new(Shared { listeners, secret, memory });
        Self { shared, changed, checks_retained: true }
    }

    /// Whether retained messages are kept from everybody once their publisher has lost the right
    /// to publish them.
    #[must_use]
    pub const fn check_retained(mut self, checks_retained: bool) -> Self {
        self.checks_retained = checks_retained;
        self
    }

    /// Takes the place of `old`: who came in by a password that is another now may not stay.
    #[must_use]
    pub fn after(mut self, old: &Self) -> Self {
        for (number, changed) in self.changed.iter_mut().enumerate() {
            let named_by = |access: &Shared| access.listener(number)?.certificate_name;
            if named_by(&self.shared) != named_by(&old.shared) {
                *changed = Changed::Everybody;
                continue;
            }
            let passwords = |access: &Self| access.shared.passwords(number).cloned();
            let new = self.shared.passwords(number);
            *changed = match (passwords(old), new) {
                (_, None) => Changed::Nobody,
                (None, Some(_)) => Changed::Everybody,
                (Some(old), Some(new)) => Changed::Names(old.changed(new)),
            };
        }
        self
    }

    /// What is different in `new`, a line for each listener and file; `name` says what the
    /// listener of a number is called.
    #[must_use]
    pub fn differences(&self, new: &Self, name: &dyn Fn(usize) -> String) -> Vec<String> {
        let mut all: Vec<(Vec<usize>, String)> = Vec::new();
        let numbers = self.shared.listeners.len().max(new.shared.listeners.len());
        for number in 0..numbers {
            let (Some(before), Some(now)) = (self.listener(number), new.listener(number)) else {
                continue;
            };
            let users = match (&before.passwords, &now.passwords) {
                (Some(before), Some(now)) => before.difference(now),
                _ => None,
            };
            let rules = match (&before.acl, &now.acl) {
                (Some(before), Some(now)) => before.difference(now),
                _ => None,
            };
            for what in [users, rules].into_iter().flatten() {
                match all.iter_mut().find(|(_, known)| *known == what) {
                    Some((numbers, _)) => numbers.push(number),
                    None => all.push((vec![number], what)),
                }
            }
        }
        let told = all.into_iter().map(|(numbers, what)| {
            if numbers.len() == numbers_of(new) {
                return what;
            }
            let names: Vec<String> = numbers.into_iter().map(name).collect();
            format!("{}: {what}", names.join(", "))
        });
        told.collect()
    }

    fn listener(&self, number: usize) -> Option<&ListenerAccess> {
        self.shared.listener(number)
    }
}

fn numbers_of(access: &AccessControl) -> usize {
    access.shared.listeners.iter().flatten().count()
}

impl Shared {
    fn listener(&self, number: usize) -> Option<&ListenerAccess> {
        self.listeners.get(number)?.as_ref()
    }

    fn passwords(&self, number: usize) -> Option<&Arc<Passwords>> {
        self.listener(number)?.passwords.as_ref()
    }
}

impl Authority for AccessControl {
    fn admit(&self, credentials: &Credentials) -> Admission {
        let Identity { user_name, peer, .. } = &credentials.identity;
        let Some(listener) = self.listener(peer.listener.into()) else {
            return Admission::Refused(CLOSED);
        };
        if let Some((method, _)) = &credentials.method {
            // [MQTT-4.12.0-1]. Who is known by his certificate has nothing more to prove.
            let is_known = method == SCRAM
                && listener.certificate_name.is_none()
                && listener.passwords.as_ref().is_some_and(|passwords| passwords.has_scram());
            return if is_known { Admission::Ask } else { Admission::Refused(METHOD) };
        }
        if listener.certificate_name.is_some() {
            let is_named = user_name.is_some();
            return if is_named { Admission::Granted } else { Admission::Refused(NAMELESS) };
        }
        match (user_name, &listener.passwords) {
            (Some(_), Some(_)) => Admission::Ask,
            (None, _) | (Some(_), None) if listener.allow_anonymous => Admission::Granted,
            (Some(_), None) => Admission::Refused(CLOSED),
            (None, _) => Admission::Refused(NAMELESS),
        }
    }

    fn may(&self, who: &Identity, what: Access, topic: &str) -> bool {
        let at = |listener: &ListenerAccess| {
            listener.acl.as_ref().is_none_or(|acl| acl.decide(who, what, topic).is_allowed)
        };
        match who.peer.listener {
            Peer::NO_LISTENER => self.shared.listeners.iter().flatten().any(at),
            number => self.listener(number.into()).is_some_and(at),
        }
    }

    fn allows_all(&self) -> bool {
        self.shared.listeners.iter().flatten().all(|listener| listener.acl.is_none())
    }

    fn keeps(&self, who: &Identity) -> bool {
        let number = usize::from(who.peer.listener);
        // What becomes of the connections of a listener that has gone is decided elsewhere.
        let Some(listener) = self.listener(number) else { return true };
        let is_changed = match (self.changed.get(number), &who.user_name) {
            (Some(Changed::Names(names)), Some(name)) => {
                names.binary_search(&name.as_ref().into()).is_ok()
            }
            (Some(Changed::Everybody), name) => {
                name.is_some() || listener.certificate_name.is_some()
            }
            (Some(Changed::Nobody | Changed::Names(_)) | None, _) => false,
        };
        match (&who.user_name, &listener.passwords) {
            _ if is_changed => false,
            _ if listener.certificate_name.is_some() => true,
            (Some(name), Some(passwords)) => passwords.find(name).is_some(),
            (None, _) | (Some(_), None) => listener.allow_anonymous,
        }
    }

    fn checks_retained(&self) -> bool {
        self.checks_retained && !self.allows_all()
    }

    fn examiner(&self) -> Option<Arc<dyn Examiner>> {
        Some(Arc::clone(&self.shared) as Arc<dyn Examiner>)
    }
}

impl Examiner for Shared {
    fn is_quick(&self, applicant: &Applicant) -> bool {
        let Some(passwords) = self.passwords(applicant.peer.listener.into()) else { return true };
        let name = applicant.user_name.as_deref().unwrap_or_default();
        // The server's side of SCRAM hashes no password.
        applicant.method.is_some()
            || passwords.find_or_decoy(name, &self.secret).is_none_or(|hash| hash.is_quick())
    }

    fn examine(&self, applicant: &Applicant) -> (Verdict, Option<Box<str>>) {
        let Some(passwords) = self.passwords(applicant.peer.listener.into()) else {
            return (Verdict::Refused(CLOSED), None);
        };
        match (&applicant.method, &applicant.memo) {
            (Some((_, data)), None) => {
                return scram::begin(passwords, &self.secret, &applicant.nonce, data);
            }
            (Some((_, data)), Some(memo)) => return (scram::finish(passwords, memo, data), None),
            (None, _) => {}
        }
        let name = applicant.user_name.as_deref().unwrap_or_default();
        let password = applicant.password.as_deref();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let is_right =
            passwords.verify(name, password.unwrap_or_default(), &self.secret, &mut memory);
        let verdict = match (is_right, password) {
            (true, Some(_)) => Verdict::Granted,
            (true, None) => Verdict::Refused(WRONG),
            (false, _) if passwords.find(name).is_none() => Verdict::Refused(UNKNOWN),
            (false, _) => Verdict::Refused(WRONG),
        };
        (verdict, None)
    }

    fn rest(&self) {
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = Memory::default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::{Hash, Scheme};
    use super::*;
    use bytes::Bytes;

    fn passwords(users: &[(&str, &str)]) -> Option<Arc<Passwords>> {
        let line = |(name, password): &(&str, &str)| {
            let hash = Hash::make(Scheme::Sha512, password.as_bytes(), b"saltsalt");
            format!("{name}:{}\n", hash.line())
        };
        let text: String = users.iter().map(line).collect();
        Some(Arc::new(Passwords::parse("pw", text.as_bytes()).unwrap()))
    }

    fn acl(text: &str) -> Option<Arc<Acl>> {
        Some(Arc::new(Acl::parse("acl", text.as_bytes(), 1).unwrap().0))
    }

    fn who(listener: u16, user_name: Option<&str>) -> Identity {
        let peer = Peer { address: None, listener };
        Identity {
            client_id: "c".into(),
            user_name: user_name.map(Into::into),
            peer,
            certificate: None,
        }
    }

    fn credentials(listener: u16, user_name: Option<&str>) -> Credentials {
        Credentials { identity: who(listener, user_name), password: None, method: None }
    }

    fn access(listeners: Vec<ListenerAccess>) -> AccessControl {
        AccessControl::new(listeners.into_iter().map(Some).collect(), [1; 32])
    }

    #[test]
    fn a_listener_is_open_closed_or_asks() {
        let open = ListenerAccess { allow_anonymous: true, ..ListenerAccess::default() };
        let closed = ListenerAccess::default();
        let asks = ListenerAccess { passwords: passwords(&[("u", "p")]), ..closed.clone() };
        let both = ListenerAccess { passwords: passwords(&[("u", "p")]), ..open.clone() };
        let access = access(vec![open, closed, asks, both]);
        let admit = |listener, name| access.admit(&credentials(listener, name));
        assert_eq!(admit(0, None), Admission::Granted);
        assert_eq!(admit(0, Some("u")), Admission::Granted);
        assert_eq!(admit(1, None), Admission::Refused(NAMELESS));
        assert_eq!(admit(1, Some("u")), Admission::Refused(CLOSED));
        assert_eq!(admit(2, None), Admission::Refused(NAMELESS));
        assert_eq!(admit(2, Some("u")), Admission::Ask);
        assert_eq!(admit(3, None), Admission::Granted);
        assert_eq!(admit(3, Some("x")), Admission::Ask);
        assert_eq!(admit(4, None), Admission::Refused(CLOSED), "none that is known");
        let mut extended = credentials(0, None);
        extended.method = Some(("GS2-KRB5".into(), Bytes::new()));
        assert_eq!(access.admit(&extended), Admission::Refused(METHOD));
        extended.method = Some((SCRAM.into(), Bytes::new()));
        assert_eq!(access.admit(&extended), Admission::Refused(METHOD), "nobody has keys for it");
        assert!(access.allows_all() && !access.checks_retained());
    }

    #[test]
    fn a_certificate_is_as_good_as_a_password() {
        let by = |certificate_name| {
            let passwords = passwords(&[("u", "p")]);
            let listener = ListenerAccess { certificate_name, passwords, ..Default::default() };
            access(vec![listener])
        };
        let access = by(Some(CertificateName::CommonName));
        assert_eq!(access.admit(&credentials(0, Some("lamp"))), Admission::Granted);
        assert_eq!(access.admit(&credentials(0, None)), Admission::Refused(NAMELESS));
        let method = Some((SCRAM.into(), Bytes::new()));
        let extended = Credentials { method, ..credentials(0, Some("lamp")) };
        assert_eq!(access.admit(&extended), Admission::Refused(METHOD));
        assert!(access.keeps(&who(0, Some("lamp"))));
        let same = by(Some(CertificateName::CommonName)).after(&access);
        assert!(same.keeps(&who(0, Some("lamp"))));
        // Who is who is said by something else now: nobody stays by a name that was not meant.
        for other in [None, Some(CertificateName::Subject)] {
            let after = by(other).after(&access);
            assert!(!after.keeps(&who(0, Some("u"))), "{other:?}");
            let back = by(Some(CertificateName::CommonName)).after(&after);
            assert!(!back.keeps(&who(0, Some("u"))) && !back.keeps(&who(0, None)), "{other:?}");
        }
    }

    #[test]
    fn passwords_are_examined() {
        let asks = ListenerAccess { passwords: passwords(&[("u", "p")]), ..Default::default() };
        let access = access(vec![asks]);
        let examiner = access.examiner().unwrap();
        let examine = |name: &str, password: Option<&str>| {
            let mut credentials = credentials(0, Some(name));
            credentials.password = password.map(|text| Bytes::from(text.to_owned()));
            let applicant = Applicant::of(credentials, None, [0; 18]);
            assert!(examiner.is_quick(&applicant));
            examiner.examine(&applicant).0
        };
        assert_eq!(examine("u", Some("p")), Verdict::Granted);
        assert_eq!(examine("u", Some("q")), Verdict::Refused(WRONG));
        assert_eq!(examine("u", None), Verdict::Refused(WRONG));
        assert_eq!(examine("x", Some("p")), Verdict::Refused(UNKNOWN));
        examiner.rest();
    }

    #[test]
    fn rights_belong_to_a_listener() {
        let mine = ListenerAccess {
            acl: acl("topic read a\nuser u\ntopic write b"),
            ..Default::default()
        };
        let access = access(vec![mine, ListenerAccess::default()]);
        assert!(!access.allows_all() && access.checks_retained());
        assert!(!access.clone().check_retained(false).checks_retained());
        assert!(access.may(&who(0, None), Access::Receive, "a"));
        assert!(!access.may(&who(0, None), Access::Publish, "a"));
        assert!(access.may(&who(0, Some("u")), Access::Publish, "b"));
        assert!(access.may(&who(1, None), Access::Publish, "a"), "no list, no limits");
        assert!(!access.may(&who(2, None), Access::Publish, "a"), "no such listener");
        assert!(access.may(&who(Peer::NO_LISTENER, None), Access::Publish, "a"), "at one of them");
    }

    #[test]
    fn who_is_gone_or_has_another_password_does_not_stay() {
        let with = |users| {
            access(vec![ListenerAccess { passwords: passwords(users), ..Default::default() }])
        };
        let old = with(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let new = with(&[("a", "1"), ("b", "2"), ("d", "1")]).after(&old);
        assert!(new.keeps(&who(0, Some("a"))));
        assert!(!new.keeps(&who(0, Some("b"))) && !new.keeps(&who(0, Some("c"))));
        assert!(!new.keeps(&who(0, None)), "anonymous clients are not allowed");
        assert!(new.keeps(&who(1, None)), "a listener that has gone is no matter of passwords");
        let told = old.differences(&new, &|_| "x".into());
        assert_eq!(told, ["users: 1 added, 1 removed, 1 changed"]);

        let open = ListenerAccess { allow_anonymous: true, ..ListenerAccess::default() };
        let open = access(vec![open]);
        assert!(open.keeps(&who(0, Some("a"))) && open.keeps(&who(0, None)));
        let closed = with(&[("a", "1")]).after(&open);
        assert!(!closed.keeps(&who(0, Some("a"))), "its name was never proved");
    }
}
