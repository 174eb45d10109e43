//! A UTF-8 string as it lies in a packet.
//!
//! Owns: [`Text`], which was checked when it was made and stays bytes. Nearly every message goes
//! from packet to packet without anybody reading its topic as characters, and to make a `str`
//! anew at each step costs more than the rest of decoding.
//!
//! Never judges what a text says.

use std::fmt;

use super::Error;

/// UTF-8 without U+0000: [MQTT-1.5.4-1], [MQTT-1.5.4-2].
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// What a packet holds.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is not UTF-8 or contains U+0000.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        if is_plain(bytes) { Ok(Self(bytes)) } else { Self::new_checked(bytes) }
    }

    #[cold]
    fn new_checked(bytes: &'a [u8]) -> Result<Self, Error> {
        str::from_utf8(bytes).map_err(|_| Error::Malformed("text is not UTF-8"))?;
        if bytes.contains(&0) {
            return Err(Error::Malformed("text contains U+0000"));
        }
        Ok(Self(bytes))
    }

    /// The bytes of a `Text` that were kept; nothing is checked again.
    pub(crate) const fn kept(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Its characters; takes some time.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        str::from_utf8(self.0).unwrap_or_default()
    }

    /// What is left without its first `len` bytes, which end with a character.
    #[must_use]
    pub fn after(self, len: usize) -> Self {
        Self(self.0.get(len..).unwrap_or_default())
    }

    /// Bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    /// Takes a string as it is: whether it holds U+0000 is for the caller to know.
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

/// Whether all bytes are ASCII and none is 0: by words, for most topics are too short for
/// anything cleverer to pay. Says no to some that are, never yes to one that is not.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    // Taking 1 from each byte borrows from the next only where it finds a 0, and then leaves the
    // high bit set, which no other byte of ASCII has.
    let odd_in = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        (word.wrapping_sub(ONES) | word) & HIGHS
    };
    let Some(last) = bytes.last_chunk::<8>() else {
        return bytes.iter().all(|byte| (1..0x80).contains(byte));
    };
    // The last word may overlap the one before.
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(odd_in(last), |odd, word| odd | odd_in(word)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_what_the_slow_way_takes() {
        let samples = [
            "",
            "a",
            "sensor",
            "sensor/1",
            "sensor/12/temperature",
            "\u{e4}/\u{20ac}",
            "\u{1}\u{7f}",
        ];
        for sample in samples {
            assert_eq!(Text::new(sample.as_bytes()).unwrap().as_str(), sample);
            for at in 0..sample.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xc3, 0xff] {
                    let mut bytes = sample.as_bytes().to_vec();
                    bytes[at] = byte;
                    let slow = str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0'));
                    assert_eq!(Text::new(&bytes).is_ok(), slow, "{bytes:?}");
                }
            }
        }
    }
}
