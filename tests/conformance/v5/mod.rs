//! MQTT 5.0, chapter by chapter.

use super::{Exempt, Tables};

pub(crate) const TABLES: Tables = &[];

/// Statements without a test, and why.
pub(crate) const EXEMPT: Exempt = &[];
