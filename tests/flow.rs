//! Many messages at once through the real broker: bursts, everything that is retained, a reader
//! that has stopped.
//!
//! The numbers are promises of the manual. Nothing sleeps: every wait is a read.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;

use crate::harness::{Broker, Raw, v3};

/// Reads packets in bulk, for tests in which they are too many to be read one by one.
struct Reader<'a> {
    stream: &'a TcpStream,
    bytes: Vec<u8>,
    used: usize,
}

impl<'a> Reader<'a> {
    fn new(raw: &'a Raw) -> Self {
        Self { stream: raw.stream(), bytes: Vec::new(), used: 0 }
    }

    /// The next packet: first byte and body.
    fn packet(&mut self) -> (u8, &[u8]) {
        let (start, end) = loop {
            if let Some((start, end)) = extent(&self.bytes[self.used..]) {
                break (self.used + start, self.used + end);
            }
            self.bytes.drain(..self.used);
            self.used = 0;
            let mut more = [0; 1 << 16];
            let count = self.stream.read(&mut more).expect("more packets are to come");
            assert!(count > 0, "the broker has closed the connection");
            self.bytes.extend_from_slice(&more[..count]);
        };
        let first = self.bytes[self.used];
        self.used = end;
        (first, &self.bytes[start..end])
    }

    /// The next packet, which must be a PUBLISH: topic, packet identifier (0 at QoS 0), payload.
    fn publish(&mut self) -> (&[u8], u16, &[u8]) {
        let (first, body) = self.packet();
        assert_eq!(first >> 4, 3, "a PUBLISH, not {first:02x}");
        let (topic, rest) = body[2..].split_at(usize::from(u16_of(body)));
        if first & 0x06 == 0 { (topic, 0, rest) } else { (topic, u16_of(rest), &rest[2..]) }
    }
}

fn u16_of(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

/// Where the body of the packet in front begins and ends, if all of it is there.
fn extent(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    for (at, byte) in bytes.iter().enumerate().skip(1).take(4) {
        len |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            return (bytes.len() > at + len).then_some((at + 1, at + 1 + len));
        }
    }
    None
}

/// 4 MB of QoS 0 from 50 publishers at once to one subscriber that reads as fast as it can.
fn burst(size: usize) {
    const PUBLISHERS: usize = 50;
    let each = (4 << 20) / PUBLISHERS / size;
    let broker = Broker::start(&[]);
    let mut subscriber = Raw::online_at(&broker, v3::connect("subscriber"));
    subscriber.send(v3::subscribe(1, &[("burst/#", 0)])).expect(v3::suback(1, &[0]));
    let mut publishers: Vec<Raw> = (0..PUBLISHERS)
        .map(|n| Raw::online_at(&broker, v3::connect(format!("publisher{n}"))))
        .collect();
    let start = Barrier::new(PUBLISHERS + 1);
    thread::scope(|scope| {
        for (number, publisher) in publishers.iter_mut().enumerate() {
            let start = &start;
            scope.spawn(move || {
                let one = |n: usize| {
                    let mut payload = format!("{n:08}").into_bytes();
                    payload.resize(size, b'.');
                    Vec::from(v3::publish(format!("burst/{number}"), payload))
                };
                let all: Vec<u8> = (0..each).flat_map(one).collect();
                start.wait();
                publisher.send(all);
            });
        }
        start.wait();
        let mut next = [0; PUBLISHERS];
        let mut reader = Reader::new(&subscriber);
        for _ in 0..PUBLISHERS * each {
            let (topic, _, payload) = reader.publish();
            let number: usize = number(&topic["burst/".len()..]);
            assert_eq!(self::number(&payload[..8]), next[number], "of publisher {number}");
            next[number] += 1;
        }
        assert_eq!(next, [each; PUBLISHERS]);
    });
    let dropping = broker.log().lines().filter(|line| line.contains("dropped")).count();
    assert_eq!(dropping, 0, "{}", broker.log());
}

fn number(digits: &[u8]) -> usize {
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).expect("a number")
}

#[test]
fn a_burst_of_small_messages_reaches_who_reads() {
    burst(64);
}

#[test]
fn a_burst_of_large_messages_reaches_who_reads() {
    burst(16 << 10);
}

/// Far more than a queue holds, at each QoS: they wait where they are.
#[test]
fn everything_retained_reaches_a_subscription_to_everything() {
    const RETAINED: usize = 100_000;
    let broker = Broker::start(&[]);
    let mut publisher = Raw::online_at(&broker, v3::connect("publisher"));
    let publish = |n: usize| {
        Vec::from(v3::publish(format!("retained/{}/{n}", n % 100), format!("{n}")).retain())
    };
    publisher.send((0..RETAINED).flat_map(publish).collect::<Vec<u8>>()).ping();
    let mut subscriber = Raw::online_at(&broker, v3::connect("subscriber"));
    subscriber.send(v3::subscribe(1, &[("#", 0)])).expect(v3::suback(1, &[0]));
    let mut seen = vec![false; RETAINED];
    let mut reader = Reader::new(&subscriber);
    for _ in 0..RETAINED {
        let (_, _, payload) = reader.publish();
        assert!(!std::mem::replace(&mut seen[number(payload)], true), "each comes once");
    }
    subscriber.ping();
}

/// The same with a window to keep to: the next one is sent when one has been acknowledged.
#[test]
fn everything_retained_passes_through_a_window() {
    const RETAINED: usize = 20_000;
    let broker = Broker::start(&[]);
    let mut publisher = Raw::online_at(&broker, v3::connect("publisher"));
    for n in 0..RETAINED {
        let packet_id = u16::try_from(n + 1).expect("fewer than 65,536");
        let publish = v3::publish(format!("retained/{n}"), format!("{n}")).qos(1, packet_id);
        publisher.send(publish.retain());
    }
    for _ in 0..RETAINED {
        assert_eq!(publisher.packet().first(), 0x40);
    }
    let mut subscriber = Raw::online_at(&broker, v3::connect("subscriber"));
    subscriber.send(v3::subscribe(1, &[("#", 1)])).expect(v3::suback(1, &[1]));
    let stream = subscriber.stream().try_clone().expect("a socket can be had twice");
    let mut seen = vec![false; RETAINED];
    let mut reader = Reader { stream: &stream, bytes: Vec::new(), used: 0 };
    for _ in 0..RETAINED {
        let (_, packet_id, payload) = reader.publish();
        assert!(!std::mem::replace(&mut seen[number(payload)], true), "each comes once");
        subscriber.send(v3::puback(packet_id));
    }
    subscriber.ping();
}

/// Its share is bounded, its loss is logged once, and who reads gets everything meanwhile.
#[test]
fn a_reader_that_has_stopped_slows_nobody() {
    const MESSAGES: usize = 40_000;
    let broker = Broker::start(&[]);
    let subscribe = v3::subscribe(1, &[("flow", 0)]);
    let mut lazy = Raw::online_at(&broker, v3::connect("lazy"));
    lazy.send(&*subscribe).expect(v3::suback(1, &[0]));
    let mut awake = Raw::online_at(&broker, v3::connect("awake"));
    awake.send(&*subscribe).expect(v3::suback(1, &[0]));
    let mut publisher = Raw::online_at(&broker, v3::connect("publisher"));
    let before = broker.resident_bytes();
    thread::scope(|scope| {
        scope.spawn(|| {
            let message = Vec::from(v3::publish("flow", [b'.'; 1000]));
            for _ in 0..MESSAGES / 100 {
                publisher.send(message.repeat(100));
            }
            publisher.ping();
        });
        let mut reader = Reader::new(&awake);
        for _ in 0..MESSAGES {
            assert_eq!(reader.publish().0, b"flow");
        }
    });
    awake.ping();
    if let (Some(before), Some(after)) = (before, broker.resident_bytes()) {
        assert!(after < before + (24 << 20), "{before} bytes before, {after} after");
    }
    let log = broker.log();
    assert_eq!(log.matches("are being dropped for client lazy").count(), 1, "{log}");
    assert_eq!(log.matches("are being dropped").count(), 1, "{log}");
    let mut reader = Reader::new(&lazy);
    let least = 1000 + (2 << 20) / 1008;
    for _ in 0..least {
        assert_eq!(reader.publish().0, b"flow", "its room and its queue were full");
    }
}

/// A client that asks and never listens is not listened to, and costs little.
#[test]
fn questions_of_who_does_not_read_the_answers_are_not_read() {
    let broker = Broker::start(&[]);
    let flood = Raw::online_at(&broker, v3::connect("flood"));
    let stream = flood.stream();
    stream.set_nonblocking(true).expect("it can");
    let mut other = Raw::online_at(&broker, v3::connect("other"));
    let questions = v3::PINGREQ.repeat(1 << 15);
    let before = broker.resident_bytes();
    let (mut refusals, mut odd) = (0, 0);
    while refusals < 100 {
        match (&mut &*stream).write(&questions[odd..]) {
            // Half a question may have been taken.
            Ok(count) => odd = (odd + count) % 2,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                refusals += 1;
                other.ping();
            }
        }
    }
    if let (Some(before), Some(after)) = (before, broker.resident_bytes()) {
        assert!(after < before + (8 << 20), "{before} bytes before, {after} after");
    }
}
