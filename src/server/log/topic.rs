//! Lines on their way to topics below `$SYS/broker/log`.
//!
//! Owns: a bounded queue between those who log, who may be in the middle of anything, and the
//! loop, which publishes between turns. What does not fit is counted, and said when there is room;
//! what is logged while lines are published is logged elsewhere only.
//!
//! Never publishes.

use std::collections::VecDeque;

use super::kind::Kind;
use super::layout::{Layout, Line};
use super::lost;

/// Lines that may wait; a turn that logs more loses the rest.
const LINES_MAX: usize = 256;

/// A line to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicLine {
    /// The topic.
    pub topic: &'static str,
    /// The payload.
    pub text: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Topics {
    layout: Layout,
    waiting: VecDeque<TopicLine>,
    lost: u64,
    /// Lines are being published: what is logged because of that is not.
    is_muted: bool,
}

impl Topics {
    pub(super) const fn new(layout: Layout) -> Self {
        Self { layout, waiting: VecDeque::new(), lost: 0, is_muted: false }
    }

    pub(super) fn write(&mut self, line: &Line<'_>) {
        let Some(topic) = line.kind.topic().filter(|_| !self.is_muted) else { return };
        if self.waiting.len() >= LINES_MAX {
            self.lost += 1;
            return;
        }
        if self.lost > 0 {
            let text = lost(std::mem::take(&mut self.lost));
            let report = Line { kind: Kind::Warning, is_connection: false, text: &text, ..*line };
            self.push(Kind::Warning.topic().unwrap_or(topic), &report);
        }
        self.push(topic, line);
    }

    fn push(&mut self, topic: &'static str, line: &Line<'_>) {
        let mut text = Vec::new();
        self.layout.write(line, &mut text);
        self.waiting.push_back(TopicLine { topic, text });
    }

    /// Takes no lines from now on, or takes them again.
    pub(super) const fn mute(&mut self, is_muted: bool) {
        self.is_muted = is_muted;
    }

    /// Gives lines the form of `other` from now on.
    pub(super) fn resemble(&mut self, other: Self) {
        self.layout = other.layout;
    }

    /// The longest-waiting line.
    pub(super) fn next(&mut self) -> Option<TopicLine> {
        self.waiting.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogSettings;
    use crate::stamp::Stamp;

    #[test]
    fn lines_wait_and_are_counted_when_they_cannot() {
        let mut topics = Topics::new(Layout::bare(&LogSettings::default()));
        let line = |kind| Line { kind, is_connection: false, text: "a", at: Stamp::EPOCH };
        topics.write(&line(Kind::Debug));
        assert!(topics.is_empty(), "debugging lines are not published");
        for _ in 0..LINES_MAX + 3 {
            topics.write(&line(Kind::Notice));
        }
        let first = TopicLine { topic: "$SYS/broker/log/N", text: b"a".into() };
        assert_eq!(std::iter::from_fn(|| topics.next()).filter(|line| *line == first).count(), 256);
        topics.write(&line(Kind::Subscribe));
        let report = format!("Warning: {}", lost(3)).into_bytes();
        assert_eq!(topics.next().unwrap(), TopicLine { topic: "$SYS/broker/log/W", text: report });
        assert_eq!(topics.next().unwrap().topic, "$SYS/broker/log/M/subscribe");
        assert_eq!(topics.next(), None);
        topics.mute(true);
        topics.write(&line(Kind::Notice));
        assert!(topics.is_empty());
        topics.mute(false);
        topics.write(&line(Kind::Notice));
        assert_eq!(topics.next(), Some(first));
    }
}
