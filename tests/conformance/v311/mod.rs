//! MQTT 3.1.1, chapter by chapter.

use super::{Exempt, Tables};

mod connect;

pub(crate) const TABLES: Tables = &[connect::CASES];

/// Statements without a test, and why.
pub(crate) const EXEMPT: Exempt = &[];
