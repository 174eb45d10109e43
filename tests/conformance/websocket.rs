//! Section 6, the same in both versions: MQTT in WebSocket, byte by byte.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::Broker;
use crate::harness::raw::PATIENCE;

/// A connection on which WebSocket was agreed, and what the server said to that.
struct Web {
    stream: TcpStream,
    answer: String,
    _broker: Arc<Broker>,
}

impl Web {
    /// With these sub-protocols offered.
    fn offering(protocols: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mqtt-broker-web-{}-{number}", std::process::id());
        let file = std::env::temp_dir().join(name);
        let lines = "bind_address 127.0.0.1\nallow_anonymous true\nprotocol websockets\n";
        fs::write(&file, lines).unwrap();
        let broker = Broker::start(&["-c", file.to_str().unwrap()]);
        fs::remove_file(&file).unwrap();
        let mut stream = TcpStream::connect(broker.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: {protocols}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        Self { stream, answer, _broker: broker }
    }

    /// Sends a short frame with this first byte, masked by zeros.
    fn send(&mut self, first: u8, payload: &[u8]) {
        let len = u8::try_from(payload.len()).unwrap();
        assert!(len < 126);
        let frame = [&[first, 0x80 | len, 0, 0, 0, 0], payload].concat();
        self.stream.write_all(&frame).unwrap();
    }

    /// What the next frames carry, so many bytes; all of them must be binary.
    fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).unwrap();
            assert_eq!(head[0], 0x82, "a whole binary message");
            let mut payload = vec![0; usize::from(head[1])];
            self.stream.read_exact(&mut payload).unwrap();
            bytes.extend(payload);
        }
        bytes
    }

    fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        rest
    }
}

pub(super) fn binary_frames_only(connect: &[u8]) {
    let mut web = Web::offering("mqtt");
    web.send(0x81, connect);
    let rest = web.rest();
    assert_eq!(rest[..4], [0x88, rest[1], 0x03, 0xeb], "closed with 1003 and no packet");
}

pub(super) fn packets_need_not_fit_frames(connect: &[u8]) {
    let mut web = Web::offering("mqtt");
    let (first, rest) = connect.split_at(1);
    let (second, third) = rest.split_at(7);
    web.send(0x02, first);
    web.send(0x00, second);
    web.send(0x80, &[]);
    web.send(0x82, &[third, b"\xc0\x00\xc0"].concat());
    web.send(0x82, b"\x00");
    let mut got = web.read(2);
    let connack = 2 + usize::from(got[1]);
    while got.len() < connack + 4 {
        got.extend(web.read(1));
    }
    assert_eq!((got[0], got[3]), (0x20, 0), "accepted");
    assert_eq!(got[connack..], *b"\xd0\x00\xd0\x00");
}

pub(super) fn the_sub_protocol_is_mqtt() {
    for offered in ["mqtt", "chat, mqtt", "MQTT"] {
        let answer = Web::offering(offered).answer.to_ascii_lowercase();
        assert!(answer.contains("\r\nsec-websocket-protocol: mqtt\r\n"), "{answer}");
    }
}
