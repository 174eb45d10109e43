//! Who may come in, and who may do what.
//!
//! ```text
//! password.rs  hash.rs     a password file; one stored password
//! scram.rs                 extended authentication without sending the password
//! acl/                     an access control list
//! access.rs                all of them, listener by listener: an Authority
//! cache.rs  throttle.rs    passwords that were right lately; addresses that brought wrong ones
//! ```
//!
//! Owns: the answers to the questions of [`Authority`](crate::session::Authority).
//!
//! Never waits and never reads a file.

mod access;
mod acl;
mod cache;
pub mod hash;
mod password;
mod problem;
mod scram;
mod throttle;

pub use access::{AccessControl, ListenerAccess};
pub use acl::{Acl, Decision};
pub use cache::Cache;
pub use password::{FILE_MAX, Passwords};
pub use problem::Problem;
pub use scram::METHOD as SCRAM;
pub use throttle::{Origin, Throttle};
