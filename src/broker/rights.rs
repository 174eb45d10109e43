//! Who may have what: the questions the broker asks while messages are on their way.
//!
//! Owns: what is asked for whom. Nothing of an answer is kept, so that a right that is lost is
//! lost at once: for what is published from now on, and for what waits already.
//!
//! Never asks whoever says yes to everything, beyond one look at a flag.

use std::rc::Rc;

use super::link::Online;
use super::{Broker, ConnId};
use crate::codec::Text;
use crate::message::Message;
use crate::session::{Access, Identity, Peer, SessionId};

impl Broker {
    /// Whether a client may publish to a topic.
    pub(super) fn may_publish(&self, conn: ConnId, topic: &str) -> bool {
        self.authority.may(&self.online(conn).identity, Access::Publish, topic)
    }

    /// Whether a client may have messages on a topic.
    pub(super) fn may_receive(&self, online: &Online, topic: Text<'_>) -> bool {
        self.allows_all || self.authority.may(&online.identity, Access::Receive, topic.as_str())
    }

    /// Whether who published a message that was kept may publish it still. Nobody knows any more
    /// by which listener he came, so he may if he may at one of them.
    pub(super) fn may_publish_still(&self, message: &Message, what: Access) -> bool {
        let Some(client_id) = message.publisher.clone() else { return true };
        let peer = Peer { address: None, listener: Peer::NO_LISTENER };
        let user_name = message.user_name().map(Rc::from);
        let who = Identity { client_id, user_name, peer, certificate: None };
        self.authority.may(&who, what, message.topic().as_str())
    }

    /// Whether a session's client may have a retained message, and whoever published it still
    /// may.
    pub(super) fn is_allowed(&self, id: SessionId, message: &Message) -> bool {
        let conn = self.store.session(id).conn;
        let Some(online) = conn.and_then(|conn| self.links.online(conn)) else { return true };
        self.may_receive(online, message.topic())
            && (!self.checks_retained || self.may_publish_still(message, Access::Publish))
    }
}
