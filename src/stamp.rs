//! A moment as people and programs write it.
//!
//! Owns: the local time of one moment. Where the offset from UTC cannot be found out, it is UTC.
//!
//! Never asks a clock: it is told the moment.

use std::time::{SystemTime, UNIX_EPOCH};

use time::format_description::{OwnedFormatItem, parse_strftime_owned};
use time::{OffsetDateTime, UtcOffset};

/// A moment.
#[derive(Clone, Copy, Debug)]
pub struct Stamp(OffsetDateTime);

/// A format of strftime(3) that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFormat(OwnedFormatItem);

impl Stamp {
    /// 1970 began.
    pub const EPOCH: Self = Self(OffsetDateTime::UNIX_EPOCH);

    /// `moment` in local time.
    #[must_use]
    pub fn local(moment: SystemTime) -> Self {
        let Self(utc) = Self::utc(moment);
        Self(utc.to_offset(UtcOffset::local_offset_at(utc).unwrap_or(UtcOffset::UTC)))
    }

    /// `moment` in UTC. What is before the epoch, or after the years that can be written, is the
    /// epoch.
    #[must_use]
    pub fn utc(moment: SystemTime) -> Self {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        let secs = i64::try_from(since.as_secs()).unwrap_or_default();
        let whole = OffsetDateTime::from_unix_timestamp(secs);
        let whole = whole.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self(whole.replace_nanosecond(since.subsec_nanos()).unwrap_or(whole))
    }

    /// Seconds and nanoseconds after the Unix epoch, in UTC.
    ///
    /// # Panics
    /// If that is not a moment of the years that can be written.
    #[must_use]
    pub fn at(secs: i64, nanos: u32) -> Self {
        let secs = OffsetDateTime::from_unix_timestamp(secs).expect("a year of four digits");
        Self(secs.replace_nanosecond(nanos).expect("fewer than a second"))
    }

    /// The same moment as a clock with the offset of `other` shows it.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        Self(self.0.to_offset(other.0.offset()))
    }

    /// Whole seconds after the Unix epoch.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.0.unix_timestamp()
    }

    /// `2016-08-10T09:47:38+0100`
    #[must_use]
    pub fn iso(self) -> String {
        format!("{}{}", self.date_time(), self.offset())
    }

    /// `2016-08-10T09:47:38.123456+0100`
    #[must_use]
    pub fn iso_micros(self) -> String {
        format!("{}.{:06}{}", self.date_time(), self.0.microsecond(), self.offset())
    }

    /// `2016-08-10T08:47:38.123Z`: RFC 3339, in UTC.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let utc = Self(self.0.to_offset(UtcOffset::UTC));
        format!("{}.{:03}Z", utc.date_time(), utc.0.millisecond())
    }

    /// `Aug 10 09:47:38`: RFC 3164, in local time.
    #[must_use]
    pub fn rfc3164(self) -> String {
        let month = usize::from(u8::from(self.0.month())) - 1;
        let (hour, minute, second) = self.0.to_hms();
        format!("{} {:2} {hour:02}:{minute:02}:{second:02}", MONTHS[month], self.0.day())
    }

    /// `1470818943.786368637`
    #[must_use]
    pub fn unix(self) -> String {
        format!("{}.{:09}", self.0.unix_timestamp(), self.0.nanosecond())
    }

    /// Nanoseconds of the second.
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.0.nanosecond()
    }

    /// By a format of strftime(3); empty if it asks for what a moment does not have.
    #[must_use]
    pub fn format(self, format: &TimeFormat) -> String {
        self.0.format(&format.0).unwrap_or_default()
    }

    fn date_time(self) -> String {
        let time = self.0;
        let (hour, minute, second) = time.to_hms();
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }

    fn offset(self) -> String {
        let (hours, minutes, _) = self.0.offset().as_hms();
        let sign = if self.0.offset().is_negative() { '-' } else { '+' };
        format!("{sign}{:02}{:02}", hours.abs(), minutes.abs())
    }
}

impl TimeFormat {
    /// Understands `text`; `None` if it is no format.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_strftime_owned(text).ok().map(Self)
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_moment_is_written_in_many_ways() {
        let stamp = Stamp::at(1_470_818_858, 123_456_789);
        assert_eq!(stamp.iso(), "2016-08-10T08:47:38+0000");
        assert_eq!(stamp.iso_micros(), "2016-08-10T08:47:38.123456+0000");
        assert_eq!(stamp.rfc3339(), "2016-08-10T08:47:38.123Z");
        assert_eq!(stamp.rfc3164(), "Aug 10 08:47:38");
        assert_eq!(Stamp::at(1_470_000_000, 0).rfc3164(), "Jul 31 21:20:00");
        assert_eq!(Stamp::at(1_470_200_000, 0).rfc3164(), "Aug  3 04:53:20");
        let format = TimeFormat::parse("%Y-%m-%dT%H:%M:%S").unwrap();
        assert_eq!(stamp.format(&format), "2016-08-10T08:47:38");
        assert_eq!(TimeFormat::parse("%Q"), None);
    }

    #[test]
    fn a_wild_clock_does_no_harm() {
        let late = UNIX_EPOCH + Duration::from_secs(1 << 60);
        assert_eq!(Stamp::utc(late).secs(), 0);
        assert_eq!(Stamp::utc(UNIX_EPOCH - Duration::from_secs(1)).secs(), 0);
        let moment = UNIX_EPOCH + Duration::from_secs(1_470_818_858);
        assert_eq!(Stamp::local(moment).secs(), 1_470_818_858);
    }
}
