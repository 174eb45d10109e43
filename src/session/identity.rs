//! Who somebody is and what he may do: the questions, not the answers.
//!
//! Owns: the vocabulary between the broker, which asks, and whoever decides. [`Authority`] is
//! pure and immediate; what takes time (a password hash) is [`Admission::Ask`], which the broker
//! turns into an effect and hears of again as an event.
//!
//! Never decides.

use core::net::SocketAddr;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::examiner::{Denial, Examiner};
use crate::codec::ReasonCode;

/// The other end of a connection, as far as the network knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its address; absent where the transport has none.
    pub address: Option<SocketAddr>,
    /// Which listener took it.
    pub listener: u16,
}

impl Peer {
    /// The number of no listener.
    pub const NO_LISTENER: u16 = u16::MAX;
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address}"),
            None => write!(f, "local"),
        }
    }
}

/// A certificate that a client has shown and that somebody trusted vouches for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The first common name of its subject.
    pub common_name: Option<String>,
    /// Its whole subject as RFC 2253 writes it: `CN=lamp,O=Home`, the last part first.
    pub subject: String,
    /// DNS names among its subject alternative names.
    pub dns_names: Vec<String>,
    /// URIs among them.
    pub uris: Vec<String>,
    /// Mail addresses among them.
    pub emails: Vec<String>,
    /// SHA-256 of the whole certificate; absent if only a proxy has seen it, which tells no more
    /// than the common name.
    pub fingerprint: Option<[u8; 32]>,
}

/// What of a certificate can be the user name of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// The first common name of the subject.
    CommonName,
    /// The whole subject.
    Subject,
    /// The first DNS name among the alternative names.
    Dns,
    /// The first URI among them.
    Uri,
    /// The first mail address among them.
    Email,
    /// SHA-256 of the whole certificate, 64 digits in lower case.
    Fingerprint,
}

impl Certificate {
    /// The user name that a certificate gives its owner. None if that is not in it, and none if a
    /// log or a topic could not tell it from another: it has a control character, or is empty.
    #[must_use]
    pub fn user_name(&self, what: CertificateName) -> Option<Rc<str>> {
        let name: Rc<str> = match what {
            CertificateName::CommonName => self.common_name.as_deref()?.into(),
            CertificateName::Subject => self.subject.as_str().into(),
            CertificateName::Dns => self.dns_names.first()?.as_str().into(),
            CertificateName::Uri => self.uris.first()?.as_str().into(),
            CertificateName::Email => self.emails.first()?.as_str().into(),
            CertificateName::Fingerprint => {
                let digits = |byte: &u8| format!("{byte:02x}");
                self.fingerprint?.iter().map(digits).collect::<String>().into()
            }
        };
        let is_sound = !name.is_empty() && !name.contains(char::is_control);
        is_sound.then_some(name)
    }
}

impl CertificateName {
    /// Why somebody is not let in whose certificate has none.
    #[must_use]
    pub const fn missing(self) -> &'static str {
        match self {
            Self::CommonName => "its certificate has no common name",
            Self::Subject => "its certificate has no subject",
            Self::Dns => "its certificate has no DNS name",
            Self::Uri => "its certificate has no URI",
            Self::Email => "its certificate has no mail address",
            Self::Fingerprint => "its certificate was not shown to this broker",
        }
    }
}

/// A client, as far as it has said and proved who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Client identifier.
    pub client_id: Rc<str>,
    /// User name, if it gave one.
    pub user_name: Option<Rc<str>>,
    /// Where it comes from.
    pub peer: Peer,
    /// The certificate it has shown, if it was asked for one.
    pub certificate: Option<Rc<Certificate>>,
}

/// What somebody wants to do with a topic or filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Publish to the topic.
    Publish,
    /// Receive a message on the topic.
    Receive,
    /// Subscribe to the filter.
    Subscribe,
    /// Leave a Will for the topic.
    Will,
}

/// What a client brings to prove who it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who it says it is.
    pub identity: Identity,
    /// Password.
    pub password: Option<Bytes>,
    /// Extended authentication (5.0): the method and its first data.
    pub method: Option<(String, Bytes)>,
}

impl fmt::Debug for Credentials {
    /// Without what is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// An answer to [`Credentials`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Let in.
    Granted,
    /// Not let in, and why.
    Refused(Denial),
    /// It takes time: the broker emits a question and waits for the answer. It is put to the
    /// [examiner](Authority::examiner) if there is one.
    Ask,
}

/// Decides who may come in and who may do what.
pub trait Authority: fmt::Debug {
    /// Whether a client is let in.
    fn admit(&self, credentials: &Credentials) -> Admission;

    /// Whether a client may do this with that topic or filter.
    fn may(&self, who: &Identity, what: Access, topic: &str) -> bool;

    /// Whether [`may`](Self::may) always says yes, so that it need not be asked for each message.
    fn allows_all(&self) -> bool {
        false
    }

    /// Whether a client that was let in before may stay, now that this decides.
    fn keeps(&self, who: &Identity) -> bool {
        let _ = who;
        true
    }

    /// Whether a retained message is kept from everybody once its publisher may not publish to
    /// its topic any more. The publisher is then asked for with the listener
    /// [`Peer::NO_LISTENER`]: nobody knows where it came in.
    fn checks_retained(&self) -> bool {
        false
    }

    /// Who answers what takes time, in this authority's name and no other's.
    fn examiner(&self) -> Option<Arc<dyn Examiner>> {
        None
    }
}

/// Everybody may do everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Authority for AllowAll {
    fn admit(&self, credentials: &Credentials) -> Admission {
        match credentials.method {
            // Nobody here knows any method ([MQTT-4.12.0-1]).
            Some(_) => Admission::Refused(ReasonCode::BAD_AUTHENTICATION_METHOD.into()),
            None => Admission::Granted,
        }
    }

    fn may(&self, _: &Identity, _: Access, _: &str) -> bool {
        true
    }

    fn allows_all(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_gives_a_name_or_none() {
        let certificate = Certificate {
            common_name: Some("lamp".into()),
            subject: "CN=lamp,O=Home".into(),
            dns_names: vec!["lamp.home".into(), "other.home".into()],
            uris: vec!["urn:lamp".into()],
            emails: vec!["lamp@home".into()],
            fingerprint: Some([0xa1; 32]),
        };
        let names = [
            (CertificateName::CommonName, "lamp"),
            (CertificateName::Subject, "CN=lamp,O=Home"),
            (CertificateName::Dns, "lamp.home"),
            (CertificateName::Uri, "urn:lamp"),
            (CertificateName::Email, "lamp@home"),
            (CertificateName::Fingerprint, &"a1".repeat(32)),
        ];
        for (what, name) in names {
            assert_eq!(certificate.user_name(what).as_deref(), Some(name));
            assert_eq!(Certificate::default().user_name(what), None, "{what:?}");
            assert!(what.missing().starts_with("its certificate"));
        }
        for unsound in ["", "a\nb", "a\0b", "a\u{9b}b"] {
            let common_name = Some(unsound.into());
            let certificate = Certificate { common_name, ..Certificate::default() };
            assert_eq!(certificate.user_name(CertificateName::CommonName), None, "{unsound:?}");
        }
    }
}
