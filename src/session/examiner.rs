//! Questions that take time, and their answers.
//!
//! Owns: the vocabulary between whoever decides who may come in and the helper thread that does
//! the work for him: [`Applicant`] goes out, [`Verdict`] comes back. Both are plain data that may
//! change threads.
//!
//! Never decides, and never starts a thread.

use std::fmt;

use bytes::Bytes;

use super::identity::{Credentials, Peer};
use crate::codec::ReasonCode;

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What CONNACK says.
    pub code: ReasonCode,
    /// What the log says.
    pub why: &'static str,
}

impl Denial {
    /// A denial with a reason for the log.
    #[must_use]
    pub const fn new(code: ReasonCode, why: &'static str) -> Self {
        Self { code, why }
    }
}

impl From<ReasonCode> for Denial {
    /// The log says what the code is called.
    fn from(code: ReasonCode) -> Self {
        Self { code, why: code.name() }
    }
}

/// The answer to a question about credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let in.
    Granted,
    /// Let in by extended authentication (5.0).
    Proved {
        /// Who it has proved to be.
        user_name: String,
        /// What it is sent, so that it knows whom it talks to.
        data: Bytes,
    },
    /// Extended authentication goes on with this data.
    Continue(Bytes),
    /// Not let in.
    Refused(Denial),
}

/// Somebody who wants to come in, as far as another thread is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Applicant {
    /// Client identifier.
    pub client_id: String,
    /// User name, if it gave one.
    pub user_name: Option<String>,
    /// Password, if it gave one.
    pub password: Option<Bytes>,
    /// Extended authentication (5.0): the method and the data of this step.
    pub method: Option<(String, Bytes)>,
    /// Extended authentication: what the step before left to be remembered.
    pub memo: Option<Box<str>>,
    /// Where it comes from.
    pub peer: Peer,
    /// Bytes that nobody can guess and that never come again.
    pub nonce: [u8; 18],
}

impl Applicant {
    /// Who brings these credentials.
    #[must_use]
    pub fn of(credentials: Credentials, memo: Option<Box<str>>, nonce: [u8; 18]) -> Self {
        let Credentials { identity, password, method } = credentials;
        Self {
            client_id: identity.client_id.as_ref().into(),
            user_name: identity.user_name.as_deref().map(Into::into),
            password,
            method,
            memo,
            peer: identity.peer,
            nonce,
        }
    }
}

impl fmt::Debug for Applicant {
    /// Without what is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applicant")
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// Answers what takes time. One question at a time is asked, from a helper thread or, if it
/// [is quick](Self::is_quick), from the loop.
pub trait Examiner: fmt::Debug + Send + Sync {
    /// Whether the answer costs no more than the loop can spare: a tenth of a millisecond.
    fn is_quick(&self, applicant: &Applicant) -> bool;

    /// The answer, and what is to be remembered until the applicant's next step.
    fn examine(&self, applicant: &Applicant) -> (Verdict, Option<Box<str>>);

    /// Nobody waits at the moment: what was kept for the next question may go.
    fn rest(&self) {}
}
