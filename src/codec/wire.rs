//! The data types of the wire: integers, variable byte integers, texts, binary data.
//!
//! Owns: [`Reader`] over received bytes and [`Writer`] over an output, or over nothing when only
//! the length is asked.
//!
//! Never knows packets.

use bytes::BytesMut;

use super::{EncodeError, Error};

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

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        self.chunk::<1>().map(|[byte]| byte)
    }

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

    pub(super) fn binary(&mut self) -> Result<&'a [u8], Error> {
        let len = self.u16()?;
        self.take(len.into())
    }

    /// A UTF-8 string without U+0000 [MQTT-1.5.4-1] [MQTT-1.5.4-2].
    pub(super) fn text(&mut self) -> Result<&'a str, Error> {
        let bytes = self.binary()?;
        let text = str::from_utf8(bytes).map_err(|_| Error::Malformed("text is not UTF-8"))?;
        if bytes.contains(&0) {
            return Err(Error::Malformed("text contains U+0000"));
        }
        Ok(text)
    }
}

/// The variable byte integer at the front and how many bytes it takes; `None` if it goes on
/// beyond `bytes`. One that is longer than it needs to be is malformed [MQTT-1.5.5-1].
pub(super) fn varint(bytes: &[u8]) -> Result<Option<(u32, usize)>, Error> {
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

/// Writes a variable byte integer to the front of `to`; returns how many bytes it took.
/// A value that is too large loses its upper bits: callers have checked it.
pub(super) fn put_varint(to: &mut [u8], value: usize) -> usize {
    let len = varint_len(value);
    for (at, byte) in to[..len].iter_mut().enumerate() {
        let low = (value >> (7 * at)) & 0x7f;
        let more = if at + 1 < len { 0x80 } else { 0 };
        *byte = u8::try_from(low).unwrap_or(0x7f) | more;
    }
    len
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
        let mut bytes = [0; 4];
        let len = put_varint(&mut bytes, value);
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
            let mut out = [0; 4];
            let len = put_varint(&mut out, value as usize);
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
