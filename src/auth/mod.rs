//! Who may come in.
//!
//! Owns: the answers to the questions of [`Authority`].
//!
//! Never waits and never reads a file.

use crate::codec::ReasonCode;
use crate::session::{Access, Admission, Authority, Credentials, Identity};

/// Lets in everybody at some listeners and nobody at the others: there are no names to check yet.
#[derive(Clone, Debug, Default)]
pub struct Anonymous {
    open: Vec<bool>,
}

impl Anonymous {
    /// `open` says of each listening socket, in their order, whether it lets in everybody.
    #[must_use]
    pub const fn new(open: Vec<bool>) -> Self {
        Self { open }
    }
}

impl Authority for Anonymous {
    fn admit(&self, credentials: &Credentials) -> Admission {
        let listener = usize::from(credentials.identity.peer.listener);
        if credentials.method.is_some() {
            // Nobody here knows any method ([MQTT-4.12.0-1]).
            Admission::Refused(ReasonCode::BAD_AUTHENTICATION_METHOD)
        } else if self.open.get(listener) == Some(&true) {
            Admission::Granted
        } else {
            Admission::Refused(ReasonCode::NOT_AUTHORIZED)
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
    use crate::session::Peer;
    use bytes::Bytes;

    fn client(listener: u16, user_name: Option<&str>) -> Credentials {
        let peer = Peer { address: None, listener };
        let user_name = user_name.map(Into::into);
        let identity = Identity { client_id: "c".into(), user_name, peer, certificate: None };
        Credentials { identity, password: None, method: None }
    }

    #[test]
    fn a_listener_is_open_or_closed() {
        let authority = Anonymous::new(vec![true, false]);
        let refused = Admission::Refused(ReasonCode::NOT_AUTHORIZED);
        for user_name in [None, Some("u")] {
            assert_eq!(authority.admit(&client(0, user_name)), Admission::Granted);
            assert_eq!(authority.admit(&client(1, user_name)), refused);
            assert_eq!(authority.admit(&client(2, user_name)), refused, "none that is known");
        }
        let mut extended = client(0, None);
        extended.method = Some(("SCRAM".into(), Bytes::new()));
        let unknown = Admission::Refused(ReasonCode::BAD_AUTHENTICATION_METHOD);
        assert_eq!(authority.admit(&extended), unknown);
        assert!(authority.allows_all());
    }
}
