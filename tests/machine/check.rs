//! What must be so, whatever has happened.
//!
//! Owns: that records bring back what there is, and that nothing is left when everybody has gone.
//!
//! Never changes anything but the records, which go at the end.

use mqtt_broker::persistence::Record;

use super::Machine;

impl Machine {
    /// What is recovered is what is.
    pub(crate) fn check_replay(&self) {
        if self.disk.is_forgetful {
            return;
        }
        let replayed = self.replayed(self.disk.records().len()).snapshot();
        assert_alike(&replayed, &self.broker.snapshot());
    }

    /// Everybody has gone and nothing is retained: then there is nothing.
    pub(crate) fn check_empty(&mut self) {
        self.check_replay();
        // Records share the messages they are about.
        self.disk.clear();
        let broker = &self.broker;
        assert_eq!(broker.sessions(), 0, "sessions left");
        assert_eq!(broker.subscriptions(), 0, "subscriptions left");
        assert_eq!(broker.retained(), 0, "retained messages left");
        assert_eq!(broker.snapshot(), [], "durable state left");
        assert_eq!(broker.gauge().total(), 0, "bytes left: {:?}", broker.gauge());
        assert_eq!(broker.deadline(), None, "a timer left");
    }
}

/// Two states are one; if not, where they part.
pub(super) fn assert_alike(stored: &[Record], live: &[Record]) {
    for (i, (stored, live)) in stored.iter().zip(live).enumerate() {
        assert_eq!(stored, live, "stored and live differ at {i}");
    }
    assert_eq!(stored.len(), live.len(), "stored {stored:?} and live {live:?}");
}
