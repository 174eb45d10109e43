//! The client programs, and what the manual says of them: real processes, real sockets.
//!
//! What needs a server of a certain mood talks to one that follows a script; everything else to
//! the broker. Nothing sleeps: a consumer is ready when its trace (`-d`) shows the SUBACK.

mod errors;
mod manual;
mod messages;
mod output;
mod sessions;
mod tools;
