//! The data types of the wire: integers, variable byte integers, texts, binary data.
//!
//! Owns: [`Reader`] over received bytes and [`Writer`] over an output, or over nothing when only
//! the length is asked.
//!
//! Never knows packets.

use bytes::BytesMut;

use super::{EncodeError, Error, Text};

/// The largest value of a variable byte integer.
pub(super) const VARINT_MAX: u32 = 268_435_455;

const SHORT: Error = Error::Malformed("packet ends early");

/// Takes values from the front of received bytes. Every fault is [`Error::Malformed`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that has not been taken.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Nothing may be left.
    pub(super) const fn finish(&self) -> Result<(), Error> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Malformed("bytes behind the last field"))
        }
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*taken)
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        self.chunk().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.chunk().map(u32::from_be_bytes)
    }

    pub(super) fn varint(&mut self) -> Result<u32, Error> {
        let (value, len) = varint(self.0)?.ok_or(SHORT)?;
        self.take(len)?;
        Ok(value)
    }

    #[inline]
    pub(super) fn binary(&mut self) -> Result<&'a [u8], Error> {
        let len = self.u16()?;
        self.take(len.into())
    }

    /// A UTF-8 string without U+0000 [MQTT-1.5.4-1] [MQTT-1.5.4-2].
    #[inline]
    pub(super) fn raw_text(&mut self) -> Result<Text<'a>, Error> {
        Text::new(self.binary()?)
    }

    /// The same, to be read.
    pub(super) fn text(&mut self) -> Result<&'a str, Error> {
        self.raw_text().map(Text::as_str)
    }
}

/// The variable byte integer at the front and how many bytes it takes; `None` if it goes on
/// beyond `bytes`. One that is longer than it needs to be is malformed [MQTT-1.5.5-1].
#[inline]
pub(super) fn varint(bytes: &[u8]) -> Result<Option<(u32, usize)>, Error> {
    // One byte is what most take.
    match bytes.first() {
        Some(&byte) if byte < 0x80 => Ok(Some((byte.into(), 1))),
        _ => long_varint(bytes),
    }
}

fn long_varint(bytes: &[u8]) -> Result<Option<(u32, usize)>, Error> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            if byte == 0 && at > 0 {
                return Err(Error::Malformed("variable byte integer longer than needed"));
            }
            return Ok(Some((value, at + 1)));
        }
    }
    if bytes.len() < 4 {
        Ok(None)
    } else {
        Err(Error::Malformed("variable byte integer of more than 4 bytes"))
    }
}

/// How many bytes a variable byte integer takes.
pub(super) const fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// A variable byte integer and how many of these bytes it takes. A value that is too large loses
/// its upper bits: callers have checked it.
#[inline]
pub(super) const fn varint_bytes(value: usize) -> ([u8; 4], usize) {
    let low = [
        value.to_le_bytes()[0] & 0x7f,
        (value >> 7).to_le_bytes()[0] & 0x7f,
        (value >> 14).to_le_bytes()[0] & 0x7f,
        (value >> 21).to_le_bytes()[0] & 0x7f,
    ];
    let [a, b, c, d] = low;
    match varint_len(value) {
        1 => ([a, 0, 0, 0], 1),
        2 => ([a | 0x80, b, 0, 0], 2),
        3 => ([a | 0x80, b | 0x80, c, 0], 3),
        _ => ([a | 0x80, b | 0x80, c | 0x80, d], 4),
    }
}

/// Appends values to an output, or only counts what they would take. What cannot be written is
/// noted in the counting pass, so that nothing is appended of a packet that has a fault.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    out: Option<&'a mut BytesMut>,
    len: usize,
    fault: Option<EncodeError>,
}

impl<'a> Writer<'a> {
    pub(super) const fn counting() -> Self {
        Self { out: None, len: 0, fault: None }
    }

    pub(super) const fn new(out: &'a mut BytesMut) -> Self {
        Self { out: Some(out), len: 0, fault: None }
    }

    /// Bytes written or counted.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The first fault, if there was one.
    pub(super) const fn fault(&self) -> Option<EncodeError> {
        self.fault
    }

    pub(super) fn refuse(&mut self, fault: EncodeError) {
        self.fault = self.fault.or(Some(fault));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        if let Some(out) = &mut self.out {
            out.extend_from_slice(bytes);
        }
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn varint(&mut self, value: usize) {
        if value > VARINT_MAX as usize {
            self.refuse(EncodeError::TooLarge { size: value });
        }
        let (bytes, len) = varint_bytes(value);
        self.bytes(&bytes[..len]);
    }

    pub(super) fn binary(&mut self, bytes: &[u8]) {
        let len = u16::try_from(bytes.len()).unwrap_or_else(|_| {
            self.refuse(EncodeError::FieldTooLong { len: bytes.len() });
            u16::MAX
        });
        self.u16(len);
        self.bytes(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        if text.contains('\0') {
            self.refuse(EncodeError::Invalid("text contains U+0000"));
        }
        self.binary(text.as_bytes());
    }

    /// Writes what `write` writes behind its length: the property list of a packet.
    pub(super) fn measured(&mut self, write: impl Fn(&mut Writer<'_>)) {
        let mut count = Writer::counting();
        write(&mut count);
        self.varint(count.len);
        write(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_byte_integers_at_their_bounds() {
        // 5.0 table 1-1.
        for (value, bytes) in [
            (0, &[0x00][..]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xff, 0xff, 0x7f]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (VARINT_MAX, &[0xff, 0xff, 0xff, 0x7f]),
        ] {
            assert_eq!(varint(bytes), Ok(Some((value, bytes.len()))));
            let (out, len) = varint_bytes(value as usize);
            assert_eq!(&out[..len], bytes);
            assert_eq!(varint_len(value as usize), bytes.len());
            for cut in 0..bytes.len() {
                assert_eq!(varint(&bytes[..cut]), Ok(None));
            }
        }
    }

    #[test]
    fn variable_byte_integers_that_are_none() {
        for bytes in [&[0x80, 0x00][..], &[0xff, 0x80, 0x00], &[0xff; 4], &[0x80; 5]] {
            assert!(matches!(varint(bytes), Err(Error::Malformed(_))), "{bytes:02x?}");
        }
    }

    #[test]
    fn texts_that_are_none() {
        for bytes in [
            &[0, 1, 0xff][..],
            &[0, 3, 0xed, 0xa0, 0x80], // a surrogate, U+D800 [MQTT-1.5.4-1]
            &[0, 2, 0xc0, 0x80],       // overlong NUL
            &[0, 3, b'a', 0, b'b'],    // U+0000 [MQTT-1.5.4-2]
            &[0, 3, b'a', b'b'],
            &[0],
        ] {
            assert!(matches!(Reader::new(bytes).text(), Err(Error::Malformed(_))), "{bytes:02x?}");
        }
        // [MQTT-1.5.4-3]
        assert_eq!(Reader::new(&[0, 3, 0xef, 0xbb, 0xbf]).text(), Ok("\u{feff}"));
    }

    #[test]
    fn a_writer_notes_what_cannot_be_written() {
        let mut count = Writer::counting();
        count.binary(&vec![0; 65_536]);
        assert_eq!(count.fault(), Some(EncodeError::FieldTooLong { len: 65_536 }));
        let mut count = Writer::counting();
        count.text("a\0b");
        assert!(count.fault().is_some());
    }
}
