//! The one integration-test binary: what drives the real broker from outside or its core in virtual
//! time, and what looks at the source itself.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one thing among many")]

#[cfg(test)]
mod auth;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod config;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod interop;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod options;
#[cfg(test)]
mod regression;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod storage;
#[cfg(test)]
mod tidy;
