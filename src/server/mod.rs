//! The whole broker as a value: sockets, wall clock, signals, and the loop.
//!
//! Owns: everything that touches the operating system. [`hub`] is all of the server that does
//! not.

mod connection;
pub mod hub;
