//! What a CONNECT must be like to be accepted, whoever sends it.
//!
//! Owns: versions, names and Wills that a listener takes; topics that are nobody's.
//!
//! Never decides who may come in: that is `connect.rs`.

use std::sync::Arc;

use super::{Broker, Fault, ListenerOptions};
use crate::codec::{Connect, ReasonCode, Version, Will};
use crate::session::{Access, Certificate, Denial, Identity, Peer};
use crate::topic_matcher::Topic;

/// A CONNECT that is not accepted, and what its CONNACK says.
pub(super) type Refusal = Fault;

impl Broker {
    /// What holds where a client came in.
    pub(super) fn listener(&self, peer: Peer) -> Result<&Arc<ListenerOptions>, Refusal> {
        let gone = Fault::new(ReasonCode::SERVER_UNAVAILABLE, "its listener has gone");
        self.options.listener(peer.listener).ok_or(gone)
    }

    /// Whether a CONNECT is of a version that is spoken where it came in.
    pub(super) fn check_version(&self, connect: &Connect, peer: Peer) -> Result<(), Refusal> {
        if self.listener(peer)?.versions.contains(&connect.version) {
            return Ok(());
        }
        // [MQTT-3.1.2-2].
        let what = "a version of MQTT that is not spoken here";
        Err(Fault::new(ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, what))
    }

    /// Where certificates say who somebody is, a CONNECT has no say in it: it gets the user name
    /// of the certificate and no password, or the error is why there is no such name.
    pub(super) fn name_by_certificate(
        &self,
        connect: &mut Connect,
        peer: Peer,
        certificate: Option<&Certificate>,
    ) -> Result<(), Denial> {
        let Ok(Some(what)) = self.listener(peer).map(|listener| listener.certificate_name) else {
            return Ok(());
        };
        (connect.user_name, connect.password) = (None, None);
        let why = match certificate.map(|certificate| certificate.user_name(what)) {
            Some(Some(name)) => {
                connect.user_name = Some(name.as_ref().into());
                return Ok(());
            }
            Some(None) => what.missing(),
            None => "no certificate",
        };
        Err(Denial::new(ReasonCode::BAD_USER_NAME_OR_PASSWORD, why))
    }

    /// The id by which a client is known once it is let in: its own, its user name or, if it has
    /// none, one that is made up.
    pub(super) fn client_id_of(
        &mut self,
        connect: &Connect,
        peer: Peer,
    ) -> Result<String, Refusal> {
        let listener = Arc::clone(self.listener(peer)?);
        let is_empty = connect.client_id.is_empty();
        if is_empty && !may_be_empty(connect, &listener) {
            return Err(Fault::new(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, "no client id"));
        }
        if listener.use_username_as_client_id {
            let user_name = connect.user_name.as_ref().filter(|user_name| !user_name.is_empty());
            let missing =
                Fault::new(ReasonCode::NOT_AUTHORIZED, "no user name to be its client id");
            return user_name.cloned().ok_or(missing);
        }
        if is_empty {
            return Ok(self.choose_client_id(&listener.auto_id_prefix));
        }
        Ok(connect.client_id.clone())
    }

    /// An id for a client that has none.
    fn choose_client_id(&mut self, prefix: &str) -> String {
        loop {
            let (a, b) = (self.rng.next_u64(), self.rng.next_u64());
            let id = format!(
                "{prefix}{:08X}-{:04X}-{:04X}-{:04X}-{:012X}",
                a >> 32,
                (a >> 16) & 0xffff,
                a & 0xffff,
                b >> 48,
                b & 0xffff_ffff_ffff
            );
            if self.store.of_client(&id).is_none() {
                return id;
            }
        }
    }

    /// Whether a CONNECT with this identity asks for what it can have.
    pub(super) fn check_connect(
        &self,
        connect: &Connect,
        identity: &Identity,
    ) -> Result<(), Refusal> {
        if self.is_stopping {
            return Err(Fault::new(ReasonCode::SERVER_UNAVAILABLE, "the server is stopping"));
        }
        let listener = self.listener(identity.peer)?;
        let highest = self.options.max_keep_alive;
        let is_too_long = connect.keep_alive == 0 || connect.keep_alive > highest;
        if highest > 0 && is_too_long && connect.version < Version::V5 {
            let what = "keep alive longer than allowed";
            return Err(Fault::new(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, what));
        }
        match &connect.will {
            Some(will) => self.check_will(will, listener),
            None => Ok(()),
        }
    }

    /// Whether a client, now that it is known who it is, may do what its CONNECT asks for.
    pub(super) fn check_rights(
        &self,
        connect: &Connect,
        listener: &ListenerOptions,
        identity: &Identity,
    ) -> Result<(), Refusal> {
        let Some(will) = connect.will.as_ref().filter(|_| !self.allows_all) else { return Ok(()) };
        let topic = [listener.mount_point.as_str(), &will.topic].concat();
        if self.authority.may(identity, Access::Will, &topic) {
            return Ok(());
        }
        Err(Fault::new(ReasonCode::NOT_AUTHORIZED, "the Will topic is not allowed"))
    }

    fn check_will(&self, will: &Will, listener: &ListenerOptions) -> Result<(), Refusal> {
        if Topic::parse(&will.topic).is_err() {
            return Err(Fault::malformed("the Will topic is not valid"));
        }
        if will.qos > listener.maximum_qos {
            // [MQTT-3.2.2-12].
            return Err(Fault::new(ReasonCode::QOS_NOT_SUPPORTED, "the Will's QoS is too high"));
        }
        if will.retain && !self.options.retain_available {
            // [MQTT-3.2.2-13].
            return Err(Fault::new(ReasonCode::RETAIN_NOT_SUPPORTED, "the Will is retained"));
        }
        let limit = self.options.message_size_limit as usize;
        if limit > 0 && will.payload.len() > limit {
            return Err(Fault::new(ReasonCode::QUOTA_EXCEEDED, "the Will is larger than allowed"));
        }
        let topic = [listener.mount_point.as_str(), &will.topic].concat();
        if Topic::parse(&topic).is_err() {
            return Err(Fault::new(ReasonCode::TOPIC_NAME_INVALID, "the Will topic is too long"));
        }
        if is_reserved(&will.topic) || is_reserved(&topic) {
            return Err(Fault::new(ReasonCode::NOT_AUTHORIZED, "the Will topic is not allowed"));
        }
        Ok(())
    }
}

/// Whether a client may leave its id to the broker.
fn may_be_empty(connect: &Connect, listener: &ListenerOptions) -> bool {
    listener.allow_zero_length_client_id
        && match connect.version {
            // 3.1 knows no empty id, 3.1.1 only with a clean session ([MQTT-3.1.3-8]).
            Version::V31 => false,
            Version::V311 => connect.clean_start,
            Version::V5 => true,
        }
}

/// Topics only the broker publishes to; a bridge's state may come from the bridge.
pub(super) fn is_reserved(topic: &str) -> bool {
    let is_bridge_state = topic.starts_with("$SYS/broker/connection/") && topic.ends_with("/state");
    topic.starts_with("$SYS") && !is_bridge_state || topic.starts_with("$share")
}
