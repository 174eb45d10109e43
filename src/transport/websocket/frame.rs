//! Frames of a WebSocket, RFC 6455, 5.
//!
//! ```text
//!  head: fin rsv opcode | mask length | length, 2 or 8 bytes | mask, 4 bytes
//!         +------------------------------ next frame -------------------------+
//!         v                                                                   |
//!  Head --+--> Payload of a binary frame: unmasked in place, handed on -------+
//!         +--> Payload of a control frame: at most 125 bytes, kept, answered -+
//! ```
//!
//! Owns: what is known of the frame that is being read, and how frames are written. A frame may
//! have any length; nothing of it is kept but what of its head has come, and control frames.
//!
//! Never puts a message together.

use crate::rng::Rng;

use super::code;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// The longest head: two bytes, eight of length, four of mask.
const HEAD_MAX: usize = 14;

/// The longest payload of a control frame.
const CONTROL_MAX: usize = 125;

/// Reads frames.
#[derive(Debug)]
pub(super) struct Frames {
    /// Whether the peer must mask, as clients do; a server must not.
    masks: bool,
    /// A binary message has begun and not ended.
    is_open: bool,
    at: At,
    /// The payload of a control frame of which not all has come.
    control: Vec<u8>,
}

/// Where in a frame.
#[derive(Clone, Copy, Debug)]
enum At {
    Head { bytes: [u8; HEAD_MAX], len: u8 },
    Payload { opcode: u8, left: u64, mask: [u8; 4] },
}

/// What is beyond the payload of binary frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// Nothing.
    All,
    /// A close frame; what comes behind it is nobody's business.
    Close,
}

/// What a peer must not do, and the code that it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) code: u16,
    pub(super) what: &'static str,
}

const fn wrong(what: &'static str) -> Violation {
    Violation { code: code::PROTOCOL, what }
}

impl Frames {
    pub(super) const fn new(masks: bool) -> Self {
        Self { masks, is_open: false, at: START, control: Vec::new() }
    }

    pub(super) const fn buffered(&self) -> usize {
        self.control.capacity()
    }

    /// Takes `bytes`, moves what binary frames carry to their front and says how much that is.
    /// What control frames want answered is answered to `wire`.
    pub(super) fn take(
        &mut self,
        bytes: &mut [u8],
        wire: &mut Vec<u8>,
        mut masks: Option<&mut Rng>,
    ) -> (usize, Result<Got, Violation>) {
        let (mut from, mut to) = (0, 0);
        loop {
            match self.at {
                At::Head { bytes: mut head, len } => {
                    let have = usize::from(len);
                    let more = (HEAD_MAX - have).min(bytes.len() - from);
                    head[have..have + more].copy_from_slice(&bytes[from..from + more]);
                    match self.head(&head[..have + more]) {
                        Err(violation) => return (to, Err(violation)),
                        Ok(None) if more == 0 => return (to, Ok(Got::All)),
                        Ok(None) => {
                            from += more;
                            let len = u8::try_from(have + more).expect("a head is short");
                            self.at = At::Head { bytes: head, len };
                        }
                        Ok(Some((at, len))) => {
                            from += len - have;
                            self.at = at;
                        }
                    }
                }
                At::Payload { opcode, left, mask } => {
                    let here = bytes.len() - from;
                    let count = usize::try_from(left).map_or(here, |left| left.min(here));
                    bytes.copy_within(from..from + count, to);
                    let payload = &mut bytes[to..to + count];
                    if self.masks {
                        apply_mask(payload, mask);
                    }
                    from += count;
                    let left = left - count as u64;
                    if opcode < CLOSE {
                        to += count;
                    } else {
                        self.control.extend_from_slice(payload);
                    }
                    if left > 0 {
                        self.at = At::Payload { opcode, left, mask: turned(mask, count) };
                        return (to, Ok(Got::All));
                    }
                    self.at = START;
                    match self.finish(opcode, wire, masks.as_deref_mut()) {
                        Ok(Got::All) => {}
                        end => return (to, end),
                    }
                }
            }
        }
    }

    /// Reads a head: where it leads and how many bytes it has, if all of them are there.
    fn head(&mut self, head: &[u8]) -> Result<Option<(At, usize)>, Violation> {
        let [first, second, rest @ ..] = head else { return Ok(None) };
        let (opcode, short) = (first & 0xf, second & 0x7f);
        self.check(*first, *second)?;
        let len_bytes = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask_bytes = if self.masks { 4 } else { 0 };
        let Some(rest) = rest.get(..len_bytes + mask_bytes) else { return Ok(None) };
        let (len, key) = rest.split_at(len_bytes);
        let long = len.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let left = match short {
            126 if long < 126 => {
                return Err(wrong("a frame's length has more bytes than it needs"));
            }
            127 if long <= u64::from(u16::MAX) => {
                return Err(wrong("a frame's length has more bytes than it needs"));
            }
            127 if long > i64::MAX.unsigned_abs() => return Err(wrong("a frame is too long")),
            126 | 127 => long,
            short => u64::from(short),
        };
        if opcode < CLOSE {
            self.is_open = first & FIN == 0;
        }
        let mask = key.try_into().unwrap_or_default();
        Ok(Some((At::Payload { opcode, left, mask }, 2 + len_bytes + mask_bytes)))
    }

    /// What can be said of a frame from its first two bytes.
    fn check(&self, first: u8, second: u8) -> Result<(), Violation> {
        if first & RESERVED != 0 {
            return Err(wrong("a frame uses an extension that nobody agreed on"));
        }
        match first & 0xf {
            // [MQTT-6.0.0-1].
            TEXT => {
                let what = "a text frame; MQTT goes into binary frames";
                return Err(Violation { code: code::UNSUPPORTED, what });
            }
            CONTINUATION if !self.is_open => {
                return Err(wrong("a frame continues a message that has not begun"));
            }
            BINARY if self.is_open => {
                return Err(wrong("a message begins before the last has ended"));
            }
            CONTINUATION | BINARY => {}
            CLOSE | PING | PONG => {
                if first & FIN == 0 {
                    return Err(wrong("a control frame in pieces"));
                }
                if usize::from(second & 0x7f) > CONTROL_MAX {
                    return Err(wrong("a control frame of more than 125 bytes"));
                }
            }
            _ => return Err(wrong("a frame of a kind that nobody knows")),
        }
        match (second & MASKED != 0, self.masks) {
            (false, true) => Err(wrong("a client's frame without a mask")),
            (true, false) => Err(wrong("a server's frame with a mask")),
            (true, true) | (false, false) => Ok(()),
        }
    }

    /// A frame has ended.
    fn finish(
        &mut self,
        opcode: u8,
        wire: &mut Vec<u8>,
        masks: Option<&mut Rng>,
    ) -> Result<Got, Violation> {
        if opcode < CLOSE {
            return Ok(Got::All);
        }
        let payload = std::mem::take(&mut self.control);
        match opcode {
            PING => put(wire, PONG, &payload, masks),
            CLOSE => {
                check_close(&payload)?;
                // The code, if there is one, and not the reason.
                put(wire, CLOSE, &payload[..payload.len().min(2)], masks);
                return Ok(Got::Close);
            }
            _ => {} // A pong that nobody asked for is no harm.
        }
        Ok(Got::All)
    }
}

const START: At = At::Head { bytes: [0; HEAD_MAX], len: 0 };

/// Whether a close frame says what it may.
fn check_close(payload: &[u8]) -> Result<(), Violation> {
    let [high, low, why @ ..] = payload else {
        return if payload.is_empty() { Ok(()) } else { Err(wrong("half a close code")) };
    };
    let code = u16::from_be_bytes([*high, *low]);
    // RFC 6455, 7.4, and what was registered since.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(wrong("a close code that must not be sent"));
    }
    if std::str::from_utf8(why).is_err() {
        let what = "a reason to close that is not UTF-8";
        return Err(Violation { code: code::NOT_UTF8, what });
    }
    Ok(())
}

/// Masks or unmasks.
fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let word: [u8; 8] = (&*chunk).try_into().expect("it has eight bytes");
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// The mask behind `count` masked bytes.
fn turned(mut mask: [u8; 4], count: usize) -> [u8; 4] {
    mask.rotate_left(count % 4);
    mask
}

/// Writes a control frame.
fn put(wire: &mut Vec<u8>, opcode: u8, payload: &[u8], masks: Option<&mut Rng>) {
    put_pieces(wire, opcode, payload.len(), [payload], masks);
}

/// Writes a close frame; `why` is cut to what fits.
pub(super) fn put_close(wire: &mut Vec<u8>, code: u16, why: &str, masks: Option<&mut Rng>) {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(why.bytes().take(CONTROL_MAX - 2));
    put(wire, CLOSE, &payload, masks);
}

/// Writes a binary frame of `len` bytes.
pub(super) fn put_binary<'a>(
    wire: &mut Vec<u8>,
    len: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    masks: Option<&mut Rng>,
) {
    put_pieces(wire, BINARY, len, pieces, masks);
}

fn put_pieces<'a>(
    wire: &mut Vec<u8>,
    opcode: u8,
    len: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    masks: Option<&mut Rng>,
) {
    let masked = if masks.is_some() { MASKED } else { 0 };
    wire.push(FIN | opcode);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ ..=125), _) => wire.push(masked | short),
        (_, Ok(len)) => {
            wire.push(masked | 126);
            wire.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            wire.push(masked | 127);
            wire.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    let mask = masks.map(|masks| {
        let [a, b, c, d, ..] = masks.next_u64().to_ne_bytes();
        wire.extend_from_slice(&[a, b, c, d]);
        [a, b, c, d]
    });
    let start = wire.len();
    for piece in pieces {
        wire.extend_from_slice(piece);
    }
    debug_assert_eq!(wire.len() - start, len, "the head has told the truth");
    if let Some(mask) = mask {
        apply_mask(&mut wire[start..], mask);
    }
}
