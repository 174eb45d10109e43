//! What the broker knows of a client beyond its connection, and the halves of QoS 1 and 2.
//!
//! Owns: [`Session`], the unit of what is kept for a client; [`Outbound`] and [`Inbound`], used by
//! both ends of the protocol; the vocabulary of identities.
//!
//! Never touches a connection: a session is told what was sent and what came back.

mod examiner;
mod identity;
mod inbound;
mod outbound;
mod queue;
mod state;

pub use examiner::{Applicant, Denial, Examiner, Verdict};
pub use identity::{
    Access, Admission, AllowAll, Authority, Certificate, CertificateName, Credentials, Identity,
    Peer,
};
pub use inbound::Inbound;
pub use outbound::{Awaiting, Outbound, Place, Stray};
pub use queue::Queue;
pub use state::{Cursors, Held, Rare, Session, Will};

/// One connection. Slots are reused, so all but the poll itself carries the serial too: no
/// effect meant for a dead connection reaches the next one in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// Place in the slab.
    pub slot: u32,
    /// Which one in that place; wraps after 2^32, no reference lives that long.
    pub serial: u32,
}

/// One session, while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);
