//! When a message arrived, as formats write it.
//!
//! Owns: the local time of one moment. Where the offset from UTC cannot be found out, it is UTC.

use time::format_description::OwnedFormatItem;
use time::{OffsetDateTime, UtcOffset};

/// A moment.
#[derive(Clone, Copy, Debug)]
pub struct Stamp(OffsetDateTime);

impl Stamp {
    /// Now, in local time.
    #[must_use]
    pub fn now() -> Self {
        let utc = OffsetDateTime::now_utc();
        Self(utc.to_offset(UtcOffset::local_offset_at(utc).unwrap_or(UtcOffset::UTC)))
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

    /// `2016-08-10T09:47:38+0100`
    #[must_use]
    pub fn iso(self) -> String {
        format!("{}{}", self.local(), self.offset())
    }

    /// `2016-08-10T09:47:38.123456+0100`
    #[must_use]
    pub fn iso_micros(self) -> String {
        format!("{}.{:06}{}", self.local(), self.0.microsecond(), self.offset())
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
    pub fn format(self, item: &OwnedFormatItem) -> String {
        self.0.format(item).unwrap_or_default()
    }

    fn local(self) -> String {
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
