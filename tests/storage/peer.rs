//! A client that outlives the broker: one thread, one socket at a time, bytes.
//!
//! Owns: [`Link`], packets over a socket that may break at any time, and the two halves of QoS 1
//! and 2 with what a client keeps between its connections.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::raw::PATIENCE;

/// How long a broker that is there may take before a client looks whether it is to go on.
const MOMENT: Duration = Duration::from_millis(200);

/// First byte and body.
type Packet = (u8, Vec<u8>);

/// A connection to a broker.
pub(super) struct Link {
    stream: TcpStream,
    is_v5: bool,
    /// What came of a packet that is not whole yet.
    inbox: Vec<u8>,
}

impl Link {
    /// A connection of a 3.1.1 client that is accepted.
    pub(super) fn to(address: SocketAddr, id: &str, is_clean: bool) -> Self {
        Self::open(address, id, is_clean).unwrap().0
    }

    /// A connection of a 5.0 client that is accepted.
    pub(super) fn v5(address: SocketAddr, id: &str) -> Self {
        let mut link = Self::dial(address).unwrap();
        let mut body = b"\x00\x04MQTT\x05\x02\x00\x00\x00".to_vec();
        body.extend(text(id));
        link.send(&framed(0x10, &body));
        assert_eq!(link.packet().unwrap().1[1], 0, "accepted");
        link.is_v5 = true;
        link
    }

    /// A connection of a 3.1.1 client whose session is there.
    pub(super) fn resumed(address: SocketAddr, id: &str) -> Self {
        let (link, is_there) = Self::open(address, id, false).unwrap();
        assert!(is_there, "the session of {id} is there");
        link
    }

    fn dial(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, is_v5: false, inbox: Vec::new() })
    }

    /// Connects a 3.1.1 client; whether its session was there.
    fn open(address: SocketAddr, id: &str, is_clean: bool) -> io::Result<(Self, bool)> {
        let mut link = Self::dial(address)?;
        let mut body = b"\x00\x04MQTT\x04".to_vec();
        body.extend([if is_clean { 2 } else { 0 }, 0, 0]);
        body.extend(text(id));
        link.write(&framed(0x10, &body))?;
        let (_, answer) = link.packet()?;
        if answer[1] != 0 {
            return Err(io::Error::other("not accepted"));
        }
        Ok((link, answer[0] == 1))
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.write(bytes).unwrap();
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// A PUBLISH with this first byte; without identifier if that is 0.
    pub(super) fn publish(&mut self, first: u8, topic: &str, id: u16, payload: &[u8]) {
        // The empty properties of 5.0 lie before the payload.
        let payload = if self.is_v5 { [&[0], payload].concat() } else { payload.to_vec() };
        self.send(&publish(first, topic, id, &payload));
    }

    /// A SUBSCRIBE, and its SUBACK.
    pub(super) fn subscribe(&mut self, id: u16, filter: &str, qos: u8) {
        let properties: &[u8] = if self.is_v5 { &[0] } else { &[] };
        let body = [&id.to_be_bytes(), properties, &text(filter), &[qos]].concat();
        self.send(&framed(0x82, &body));
        assert_eq!(self.packet().unwrap().0, 0x90);
    }

    pub(super) fn ping(&mut self) {
        self.send(b"\xc0\x00");
        assert_eq!(self.packet().unwrap().0, 0xd0);
    }

    /// The next packet.
    pub(super) fn packet(&mut self) -> io::Result<Packet> {
        loop {
            if let Some((len, head)) = whole(&self.inbox) {
                let bytes: Vec<u8> = self.inbox.drain(..len).collect();
                return Ok((bytes[0], bytes[head..].to_vec()));
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.inbox.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// The next packet, a PUBLISH of 3.1.1: its first byte, its identifier and its payload.
    pub(super) fn publication(&mut self) -> (u8, Option<u16>, Vec<u8>) {
        let (first, body) = self.packet().unwrap();
        assert_eq!(first >> 4, 3, "a PUBLISH: {first:#x} {body:?}");
        let topic = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let rest = &body[topic..];
        if first & 6 == 0 {
            return (first, None, rest.to_vec());
        }
        (first, Some(u16::from_be_bytes([rest[0], rest[1]])), rest[2..].to_vec())
    }

    /// The next packet, if it comes in a moment.
    pub(super) fn packet_soon(&mut self) -> Option<Packet> {
        self.stream.set_read_timeout(Some(MOMENT)).unwrap();
        let packet = self.packet();
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        packet.ok()
    }
}

fn text(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).unwrap();
    [&len.to_be_bytes(), text.as_bytes()].concat()
}

fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut len = body.len();
    loop {
        let more = if len > 127 { 128 } else { 0 };
        bytes.push(u8::try_from(len % 128).unwrap() | more);
        len /= 128;
        if len == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

/// The length of the packet that begins here, and of its head, if it is whole.
fn whole(bytes: &[u8]) -> Option<(usize, usize)> {
    let (mut len, mut head) = (0, 1);
    loop {
        let byte = usize::from(*bytes.get(head)?);
        len |= (byte & 127) << (7 * (head - 1));
        head += 1;
        if byte < 128 {
            break;
        }
    }
    (bytes.len() >= head + len).then_some((head + len, head))
}

fn publish(first: u8, topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = text(topic);
    if id != 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend_from_slice(payload);
    framed(first, &body)
}

/// A connection of a session that is to be kept, made as often as it takes until `is_over`.
fn reconnect(address: SocketAddr, id: &str, is_over: &AtomicBool) -> Option<(Link, bool)> {
    while !is_over.load(Ordering::SeqCst) {
        if let Ok(opened) = Link::open(address, id, false) {
            opened.0.stream.set_read_timeout(Some(MOMENT)).unwrap();
            return Some(opened);
        }
        thread::park_timeout(Duration::from_millis(2));
    }
    None
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Publishes 1, 2, 3 ... under `topic` until `is_enough`, each until it is acknowledged; several
/// at once. Says how many were.
pub(super) fn publisher(address: SocketAddr, topic: &str, qos: u8, is_enough: &AtomicBool) -> u32 {
    let never = AtomicBool::new(false);
    // What is on its way, and whether it was received (QoS 2); its identifier is its number.
    let mut flying: Vec<(u32, bool)> = Vec::new();
    let (mut last, mut is_first) = (0, true);
    let flags = 0x30 | qos << 1;
    let send = |link: &mut Link, (number, received): (u32, bool), dup: u8| {
        let id = u16::try_from(number % 60_000 + 1).unwrap();
        if received {
            return link.write(&[&[0x62, 2][..], &id.to_be_bytes()].concat());
        }
        link.write(&publish(flags | dup, topic, id, number.to_string().as_bytes()))
    };
    loop {
        let (mut link, present) = reconnect(address, topic, &never).unwrap();
        assert!(present || is_first || flying.is_empty(), "{topic}: the session is there");
        is_first = false;
        let again = flying.iter().try_for_each(|one| send(&mut link, *one, 8));
        let mut is_up = again.is_ok();
        while is_up {
            let done = is_enough.load(Ordering::SeqCst);
            if done && flying.is_empty() {
                return last;
            }
            if !done && flying.len() < 8 {
                last += 1;
                flying.push((last, false));
                is_up = send(&mut link, (last, false), 0).is_ok();
                if flying.len() < 4 {
                    continue;
                }
            }
            match link.packet() {
                Ok((first, body)) => {
                    let id = u32::from(u16::from_be_bytes([body[0], body[1]]));
                    let place = flying.iter().position(|(number, _)| number % 60_000 + 1 == id);
                    match (first, place) {
                        (0x50, Some(place)) => {
                            flying[place].1 = true;
                            is_up = send(&mut link, flying[place], 0).is_ok();
                        }
                        (0x40 | 0x70, Some(place)) => drop(flying.remove(place)),
                        other => panic!("{topic}: {other:?} of {id}"),
                    }
                }
                Err(error) => is_up &= is_pause(&error),
            }
        }
    }
}

/// Takes everything below `filter` until `is_over`, and answers. What it was given, in order;
/// `count` hears how much that is, from the SUBACK on.
pub(super) fn subscriber(
    address: SocketAddr,
    id: &str,
    filter: &str,
    qos: u8,
    is_over: &AtomicBool,
    count: impl Fn(usize),
) -> Vec<(String, u32)> {
    let mut taken: BTreeSet<[u8; 2]> = BTreeSet::new();
    let mut got = Vec::new();
    let mut is_first = true;
    while let Some((mut link, present)) = reconnect(address, id, is_over) {
        assert!(present || is_first, "{id}: a session with a SUBACK is there");
        let mut is_up = true;
        if is_first {
            is_up =
                link.write(&framed(0x82, &[&[0, 1], &text(filter)[..], &[qos]].concat())).is_ok();
        }
        while is_up && !is_over.load(Ordering::SeqCst) {
            let (first, body) = match link.packet() {
                Ok(packet) => packet,
                Err(error) => {
                    is_up = is_pause(&error);
                    continue;
                }
            };
            let answer = match first {
                0x90 => {
                    is_first = false;
                    count(0);
                    continue;
                }
                0x62 => {
                    taken.remove(&[body[0], body[1]]);
                    [0x70, 2, body[0], body[1]]
                }
                _ => {
                    let len = usize::from(u16::from_be_bytes([body[0], body[1]]));
                    let topic = String::from_utf8(body[2..2 + len].to_vec()).unwrap();
                    let packet_id = [body[2 + len], body[3 + len]];
                    let payload = String::from_utf8(body[4 + len..].to_vec()).unwrap();
                    let is_qos2 = first & 6 == 4;
                    if !is_qos2 || taken.insert(packet_id) {
                        got.push((topic, payload.parse().unwrap()));
                        count(got.len());
                    }
                    [if is_qos2 { 0x50 } else { 0x40 }, 2, packet_id[0], packet_id[1]]
                }
            };
            is_up = link.write(&answer).is_ok();
        }
    }
    got
}
