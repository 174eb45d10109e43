//! From a stream of bytes to packets.
//!
//! Owns: [`Decoder`], which finds where a packet ends, refuses by its header what may not come
//! or is too large, and keeps the one packet that spans two reads.
//!
//! Never copies a packet that lies wholly in one read, and holds no memory between packets.

use super::incoming::{self, Next, Sender};
use super::kind::PacketType;
use super::wire::{Reader, varint};
use super::{Error, Incoming, Packet, Version, connect, publish};

/// How large a packet may be, in bytes, header included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Any packet.
    pub packet: usize,
    /// Every packet until the connection is open: CONNECT and the AUTH that may follow it.
    pub connect: usize,
}

impl Default for Limits {
    /// What the protocol allows, and 100,000 for a CONNECT.
    fn default() -> Self {
        Self { packet: super::PACKET_MAX, connect: 100_000 }
    }
}

/// Takes any split of a stream apart into packets.
///
/// ```
/// use mqtt_broker::codec::{Decoder, Incoming, Limits};
///
/// let mut decoder = Decoder::server();
/// let mut input: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a\xe0";
/// let Some(Incoming::Other(connect)) = decoder.next(&mut input, &Limits::default())? else {
///     panic!("a whole packet lies in the input");
/// };
/// assert_eq!(connect.name(), "CONNECT");
/// decoder.open();
/// assert!(decoder.next(&mut input, &Limits::default())?.is_none());
/// assert!(input.is_empty(), "the first byte of a DISCONNECT is kept");
/// # Ok::<(), mqtt_broker::codec::Error>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    /// Bytes from an earlier read; empty, and without memory, most of the time.
    partial: Vec<u8>,
    /// How many bytes at its front belong to packets that have been handed out.
    used: usize,
    gate: Gate,
}

impl Decoder {
    /// A server's: expects CONNECT and learns the version from it.
    #[must_use]
    pub const fn server() -> Self {
        Self::new(None, Phase::Connect)
    }

    /// A client's, which takes what a server may send.
    #[must_use]
    pub const fn client(version: Version) -> Self {
        Self::new(Some(version), Phase::Client)
    }

    const fn new(version: Option<Version>, phase: Phase) -> Self {
        Self { partial: Vec::new(), used: 0, gate: Gate { version, phase } }
    }

    /// The version in use. A server knows it from a CONNECT that has arrived, even if that was
    /// refused with an error: the answer has to be written in some version.
    #[must_use]
    pub const fn version(&self) -> Option<Version> {
        self.gate.version
    }

    /// CONNACK was sent with success: a server now takes every packet a client may send.
    pub fn open(&mut self) {
        if self.gate.phase == Phase::Judging {
            self.gate.phase = Phase::Open;
        }
    }

    /// Takes what it can use from the front of `input` and yields the next packet; `None` when
    /// it needs more, and then all of `input` is taken.
    ///
    /// Where speed counts, take the answer apart in one pattern, `Ok(Some(incoming))`: to unwrap
    /// it in steps copies the view once for each.
    ///
    /// # Errors
    /// Whatever makes the rest of the stream unreadable or must end the connection. A packet
    /// that is too large, or may not come now, is refused by its header, before it is buffered:
    ///
    /// * a server takes only a CONNECT first [MQTT-3.1.0-1];
    /// * then, until [`Self::open`], only AUTH and DISCONNECT;
    /// * neither side takes what only its own side sends.
    #[inline]
    pub fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        limits: &Limits,
    ) -> Result<Option<Incoming<'a>>, Error> {
        if self.partial.is_empty() {
            // The way nearly every packet goes: nothing pending, the whole packet at hand.
            let bytes = *input;
            if let Some((start, end)) = self.gate.publish(bytes, limits)
                && let Some((packet, rest)) = bytes.split_at_checked(end)
            {
                *input = rest;
                return self.gate.decode_publish(bytes[0], &packet[start..]);
            }
            if let Some(header) = self.gate.header(bytes, limits)?
                && let Some((packet, rest)) = bytes.split_at_checked(header.end)
            {
                *input = rest;
                return self.gate.decode(&header, &packet[header.start..]);
            }
            return self.begin(input);
        }
        self.next_of_partial(input, limits)
    }

    /// Keeps the beginning of a packet.
    #[inline(never)]
    fn begin(&mut self, input: &mut &[u8]) -> Next<'static> {
        self.partial.extend_from_slice(input);
        *input = &[];
        Ok(None)
    }

    /// The same with bytes pending, or memory to give back.
    #[inline(never)]
    fn next_of_partial<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        limits: &Limits,
    ) -> Result<Option<Incoming<'a>>, Error> {
        if self.is_idle() {
            self.partial = Vec::new();
            self.used = 0;
            return self.next(input, limits);
        }
        let header = loop {
            let pending = &self.partial[self.used..];
            let missing = match self.gate.header(pending, limits)? {
                Some(header) if header.end <= pending.len() => break header,
                Some(header) => header.end - pending.len(),
                None => 1,
            };
            if input.is_empty() {
                return Ok(None);
            }
            let (taken, rest) = input.split_at(missing.min(input.len()));
            *input = rest;
            self.append(taken, missing);
        };
        let start = self.used + header.start;
        self.used += header.end;
        self.gate.decode(&header, &self.partial[start..self.used])
    }

    /// Adds to the pending packet, of which `missing` bytes are to come. Memory grows with what
    /// has arrived, not with what a header announces, and not beyond that either.
    fn append(&mut self, bytes: &[u8], missing: usize) {
        self.partial.drain(..self.used);
        self.used = 0;
        let len = self.partial.len();
        if self.partial.capacity() - len < bytes.len() {
            let more = bytes.len().max(missing.min(len));
            self.partial.reserve_exact(more);
        }
        self.partial.extend_from_slice(bytes);
    }

    /// Keeps the rest of a read that was interrupted: it comes before the next input. What is
    /// kept is not bounded here.
    pub fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() && !self.is_idle() {
            // Nothing new: what is there stays where it is, however often this happens.
            return;
        }
        if self.is_idle() {
            self.partial = rest.to_vec();
        } else {
            self.partial.drain(..self.used);
            self.partial.extend_from_slice(rest);
        }
        self.used = 0;
    }

    /// It holds no byte of a packet to come.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.used == self.partial.len()
    }

    /// How many bytes of memory it holds: 0 once [`Self::next`] has said `None` with nothing
    /// pending.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.partial.capacity()
    }
}

/// What a decoder knows of the connection.
#[derive(Debug)]
struct Gate {
    version: Option<Version>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Server: nothing has come yet.
    Connect,
    /// Server: CONNECT has come, CONNACK has not gone.
    Judging,
    /// Server: open.
    Open,
    Client,
}

/// Where a packet lies: its body is `start..end`.
struct Header {
    first: u8,
    kind: PacketType,
    start: usize,
    end: usize,
}

impl Phase {
    /// The packet types that may come.
    const fn admits(self) -> u16 {
        match self {
            Self::Connect => PacketType::Connect.bit(),
            Self::Judging => PacketType::Auth.bit() | PacketType::Disconnect.bit(),
            Self::Open => PacketType::FROM_CLIENT,
            Self::Client => PacketType::FROM_SERVER,
        }
    }
}

impl Gate {
    /// Where the body of the packet at the front of `bytes` lies, if that is a PUBLISH without
    /// fault in its header: what comes most is not asked everything that could be wrong.
    #[inline]
    fn publish(&self, bytes: &[u8], limits: &Limits) -> Option<(usize, usize)> {
        let (&first, rest) = bytes.split_first()?;
        let is_open = matches!(self.phase, Phase::Open | Phase::Client);
        if !is_open || !(0x30..0x36).contains(&first) {
            return None;
        }
        let (len, taken) = varint(rest).ok()??;
        let (start, end) = (1 + taken, 1 + taken + len as usize);
        (end <= limits.packet).then_some((start, end))
    }

    #[inline]
    fn decode_publish<'a>(&self, first: u8, body: &'a [u8]) -> Next<'a> {
        publish::decode(first, body, self.version.unwrap_or_default(), self.sender())
    }

    #[inline]
    fn sender(&self) -> Sender {
        if self.phase == Phase::Client { Sender::Server } else { Sender::Client }
    }

    /// The header of the packet at the front of `bytes`, if its length is there yet.
    #[inline]
    fn header(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Header>, Error> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        let kind = PacketType::of(first)?;
        self.admit(kind)?;
        kind.check(first, self.version)?;
        let Some((len, taken)) = varint(rest)? else { return Ok(None) };
        let start = 1 + taken;
        let end = start + len as usize;
        let max = match self.phase {
            Phase::Connect => limits.connect,
            Phase::Judging => limits.connect.min(limits.packet),
            Phase::Open | Phase::Client => limits.packet,
        };
        if end > max {
            return Err(self.too_large(end, max, &rest[taken..]));
        }
        Ok(Some(Header { first, kind, start, end }))
    }

    /// A client that cannot be served is still told so in its own version.
    #[cold]
    fn too_large(&mut self, size: usize, max: usize, body: &[u8]) -> Error {
        if self.phase == Phase::Connect {
            self.learn(body);
        }
        Error::TooLarge { size, max }
    }

    #[inline]
    fn admit(&self, kind: PacketType) -> Result<(), Error> {
        let here = self.phase.admits() & kind.bit() != 0;
        // Only in 5.0 does a server say DISCONNECT.
        let said = kind == PacketType::Disconnect
            && self.phase == Phase::Client
            && self.version != Some(Version::V5);
        if here && !said { Ok(()) } else { Err(Error::Unexpected(kind.name())) }
    }

    /// The version that a CONNECT's body names, if it gets that far.
    fn learn(&mut self, body: &[u8]) {
        self.version = connect::version(&mut Reader::new(body)).ok().map(|(version, _)| version);
    }

    /// The packet with this header and body.
    #[inline]
    fn decode<'a>(&mut self, header: &Header, body: &'a [u8]) -> Next<'a> {
        if header.kind == PacketType::Connect {
            return self.decode_connect(body);
        }
        let version = self.version.unwrap_or_default();
        incoming::decode(header.first, header.kind, body, version, self.sender())
    }

    #[inline(never)]
    fn decode_connect(&mut self, body: &[u8]) -> Next<'static> {
        let decoded = connect::decode(body);
        if self.phase == Phase::Connect {
            self.learn(body);
            self.phase = Phase::Judging;
        } else if decoded.is_err() {
            // [MQTT-3.1.0-2]: whatever is wrong with it, that it came is worse.
            return Err(Error::Unexpected(PacketType::Connect.name()));
        }
        Ok(Some(Incoming::Other(Box::new(Packet::Connect(decoded?)))))
    }
}
