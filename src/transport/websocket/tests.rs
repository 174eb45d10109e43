//! WebSocket against RFC 6455: every split, every violation, and both ends with each other.

use super::super::settings::{WebRequest, WebRules};
use super::frame::{Frames, Got};
use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn request(changes: &[(&str, &str)]) -> String {
    let mut headers = vec![
        ("Host", "broker:9001"),
        ("Upgrade", "websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", "mqttv3.1, mqtt"),
    ];
    for (name, value) in changes {
        headers.retain(|(known, _)| known != name);
        if !value.is_empty() {
            headers.push((name, value));
        }
    }
    let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("GET /mqtt HTTP/1.1\r\n{}\r\n", lines.collect::<String>())
}

/// One frame with a mask, as of a client.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    frame_of(first, payload, Some([1, 2, 3, 250]))
}

fn frame_of(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        len @ ..=125 => bytes.push(bit | u8::try_from(len).unwrap()),
        len @ ..=65535 => {
            bytes.push(bit | 126);
            bytes.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            bytes.push(bit | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    let mask = mask.inspect(|mask| bytes.extend(mask)).unwrap_or_default();
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A server that waits for a request.
fn at_door(rules: &WebRules) -> WebSocket {
    WebSocket::server(&WebAcceptor::new(rules.clone()).unwrap())
}

/// An open server.
fn server() -> WebSocket {
    let mut server = at_door(&WebRules::default());
    let mut wire = Vec::new();
    let mut request = request(&[]).into_bytes();
    let opened = server.open(&mut request, &mut wire);
    assert_eq!(opened, Opened { plain: request.len()..request.len(), ..Opened::default() });
    assert!(server.is_open() && server.buffered() == 0);
    server
}

/// Everything a machine makes of pieces: the plain bytes, its answers, how it ended.
fn fed(machine: &mut WebSocket, pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>, Opened) {
    let (mut plain, mut wire) = (Vec::new(), Vec::new());
    let mut last = Opened::default();
    for piece in pieces {
        let mut bytes = piece.to_vec();
        let opened = machine.open(&mut bytes, &mut wire);
        plain.extend_from_slice(&bytes[opened.plain.clone()]);
        let forwarded = last.forwarded.take().or_else(|| opened.forwarded.clone());
        let is_over = opened.is_closed || opened.fault.is_some();
        last = Opened { forwarded, plain: 0..0, ..opened };
        if is_over {
            break;
        }
    }
    (plain, wire, last)
}

#[test]
fn the_example_of_the_standard() {
    // RFC 6455, 1.3.
    assert_eq!(upgrade::accept(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    // RFC 6455, 5.7.
    let mut hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    hello[0] = 0x82;
    let (plain, wire, last) = fed(&mut server(), &[&hello]);
    assert_eq!(
        (plain.as_slice(), wire.as_slice(), last),
        (&b"Hello"[..], &b""[..], Opened::default())
    );
}

#[test]
fn a_request_and_frames_may_be_split_anywhere() {
    let mut stream = request(&[("X-Forwarded-For", "10.0.0.1")]).into_bytes();
    let head = stream.len();
    stream.extend(masked(0x02, b"abcdefghijk"));
    stream.extend(masked(0x89, b"ping"));
    stream.extend(masked(0x00, b""));
    stream.extend(masked(0x8a, b"nobody asked"));
    stream.extend(masked(0x80, &[b'x'; 130]));
    stream.extend(masked(0x82, &[b'y'; 70_000]));
    stream.extend(masked(0x88, &[0x03, 0xe8, b'o', b'k']));
    stream.extend(masked(0x82, b"behind the end"));
    let mut plain = b"abcdefghijk".to_vec();
    plain.extend([b'x'; 130]);
    plain.extend([b'y'; 70_000]);
    let whole = fed(&mut at_door(&WebRules::default()), &[&stream]);
    assert_eq!(whole.0, plain);
    assert!(whole.1.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
    assert!(whole.1.ends_with(b"\x8a\x04ping\x88\x02\x03\xe8"), "{:?}", whole.1);
    let answer = String::from_utf8_lossy(&whole.1).into_owned();
    assert!(answer.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert!(answer.contains("\r\nSec-WebSocket-Protocol: mqtt\r\n"), "{answer}");
    assert_eq!(whole.2.forwarded.as_deref(), Some("10.0.0.1"));
    assert!(whole.2.is_closed && whole.2.fault.is_none());
    let ends = stream.len() - 300..stream.len();
    for at in (1..head + 400).chain(ends) {
        let (a, b) = stream.split_at(at);
        assert_eq!(fed(&mut at_door(&WebRules::default()), &[a, b]), whole, "at {at}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(fed(&mut at_door(&WebRules::default()), &bytes), whole);
}

#[test]
fn an_idle_connection_owns_no_buffer() {
    let mut server = server();
    for piece in masked(0x89, &[7; 100]).chunks(3) {
        server.open(&mut piece.to_vec(), &mut Vec::new());
    }
    assert_eq!(server.buffered(), 0, "the ping was answered");
    server.open(&mut masked(0x82, b"abc")[..5].to_vec(), &mut Vec::new());
    assert_eq!(server.buffered(), 0);
    assert!(size_of::<Frames>() <= 56, "{}", size_of::<Frames>());
}

#[test]
fn what_the_standard_forbids_fails_with_its_code() {
    let long = |first: u8, second: u8, len: &[u8]| [&[first, second][..], len, &[0; 4]].concat();
    let cases: &[(&str, u16, Vec<u8>)] = &[
        ("text", 1003, masked(0x81, b"a")),
        ("no mask", 1002, frame_of(0x82, b"a", None)),
        ("an extension", 1002, masked(0xc2, b"a")),
        ("a reserved data opcode", 1002, masked(0x83, b"a")),
        ("a reserved control opcode", 1002, masked(0x8b, b"a")),
        ("nothing to continue", 1002, masked(0x80, b"a")),
        ("two messages", 1002, [masked(0x02, b"a"), masked(0x82, b"b")].concat()),
        ("a ping in pieces", 1002, masked(0x09, b"a")),
        ("a long ping", 1002, masked(0x89, &[0; 126])),
        ("16 bits for 125", 1002, long(0x82, 0xfe, &[0, 125])),
        ("64 bits for 65535", 1002, long(0x82, 0xff, &[0, 0, 0, 0, 0, 0, 255, 255])),
        ("more than 63 bits", 1002, long(0x82, 0xff, &[128, 0, 0, 0, 0, 0, 0, 0])),
        ("half a code", 1002, masked(0x88, &[3])),
        ("code 1005", 1002, masked(0x88, &[0x03, 0xed])),
        ("code 999", 1002, masked(0x88, &[0x03, 0xe7])),
        ("code 5000", 1002, masked(0x88, &[0x13, 0x88])),
        ("a reason in no UTF-8", 1007, masked(0x88, &[0x03, 0xe8, 0xff])),
    ];
    for (name, code, bytes) in cases {
        let good = masked(0x82, b"good");
        let (plain, wire, last) = fed(&mut server(), &[&good, bytes]);
        assert!(plain.starts_with(b"good"), "{name}: what came before counts");
        let fault = last.fault.unwrap_or_else(|| panic!("{name} was taken"));
        assert!(!fault.0.is_empty());
        let [0x88, len, high, low, why @ ..] = &wire[..] else { panic!("{name}: {wire:?}") };
        assert_eq!((u16::from_be_bytes([*high, *low]), why.len() + 2), (*code, (*len).into()));
    }
    // A server masks nothing.
    let mut frames = Frames::new(false);
    let (_, got) = frames.take(&mut masked(0x82, b"a"), &mut Vec::new(), None);
    assert_eq!(got.unwrap_err().code, 1002);
}

#[test]
fn nothing_is_said_behind_a_close() {
    let mut server = server();
    let mut wire = Vec::new();
    let opened = server.open(&mut masked(0x88, b""), &mut wire);
    assert!(opened.is_closed);
    assert_eq!(wire, [0x88, 0]);
    server.close(&mut wire);
    let opened = server.open(&mut masked(0x89, b"?"), &mut wire);
    assert_eq!((opened, wire.len()), (Opened::default(), 2));
    let (mut other, mut wire) = (self::server(), Vec::new());
    other.close(&mut wire);
    other.close(&mut wire);
    assert_eq!(wire, [0x88, 2, 0x03, 0xe8]);
    let mut early = at_door(&WebRules::default());
    early.close(&mut wire);
    assert_eq!(wire.len(), 4, "no frame before the handshake");
}

fn refusal(rules: &WebRules, request: &str) -> String {
    let (_, wire, last) = fed(&mut at_door(rules), &[request.as_bytes()]);
    assert!(last.fault.is_some(), "taken: {request}");
    let text = String::from_utf8(wire).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{text}");
    assert!(head.contains("\r\nConnection: close"), "{text}");
    format!("{} | {}", head.lines().next().unwrap().replace("HTTP/1.1 ", ""), body.trim_end())
}

#[test]
fn a_bad_request_is_told_what_is_wrong() {
    let rules = WebRules::default();
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("Host", "")], "400 Bad Request | the header Host is missing"),
        (&[("Upgrade", "")], "426 Upgrade Required | the header Upgrade is missing"),
        (&[("Upgrade", "h2c")], "426 Upgrade Required | this is a WebSocket for MQTT and no web"),
        (&[("Connection", "close")], "400 Bad Request | the header Connection must name Upgrade"),
        (&[("Sec-WebSocket-Version", "8")], "426 Upgrade Required | the WebSocket version must"),
        (&[("Sec-WebSocket-Key", "c2hvcnQ=")], "400 Bad Request | Sec-WebSocket-Key must be 16"),
        (&[("Sec-WebSocket-Key", "")], "400 Bad Request | the header Sec-WebSocket-Key is missi"),
        (&[("Sec-WebSocket-Protocol", "chat")], "400 Bad Request | the client must offer the s"),
        (&[("Sec-WebSocket-Protocol", "")], "400 Bad Request | the client must offer the sub-pr"),
        (&[("Content-Length", "5")], "400 Bad Request | the request has a body"),
        (&[("Bad Name", "5")], "400 Bad Request | the request is no HTTP"),
    ];
    for (changes, expected) in cases {
        let told = refusal(&rules, &request(changes));
        assert!(told.starts_with(expected), "{changes:?}: {told}");
    }
    let post = request(&[]).replace("GET", "POST");
    assert!(refusal(&rules, &post).starts_with("405 Method Not Allowed"));
    let old = request(&[]).replace("HTTP/1.1", "HTTP/1.0");
    assert!(refusal(&rules, &old).starts_with("400 Bad Request | the request is not HTTP/1.1"));
    let twice = request(&[]).replace("Host: broker:9001", "Host: a\r\nHost: b");
    assert!(refusal(&rules, &twice).starts_with("400 Bad Request | the header Host is there tw"));
    let large = request(&[("Cookie", &"x".repeat(9000))]);
    assert!(refusal(&rules, &large).starts_with("431 Request Header Fields Too Large"));
    let endless = format!("GET /{}", "x".repeat(9000));
    assert!(refusal(&rules, &endless).starts_with("431 Request Header Fields Too Large"));
    let many = request(&[]).replace("\r\n\r\n", &("\r\nA: b".repeat(64) + "\r\n\r\n"));
    assert!(refusal(&rules, &many).starts_with("431 Request Header Fields Too Large"));
    assert!(refusal(&rules, "\x10\x0c\0\x04MQTT").starts_with("405"), "MQTT without WebSocket");
}

#[test]
fn pages_may_connect_from_where_the_operator_says() {
    let rules =
        WebRules { origins: vec!["https://a.example".into(), "http://b.example:8080".into()] };
    let ask = |rules: &WebRules, origin: &str| {
        let request = request(&[("Origin", origin)]);
        fed(&mut at_door(rules), &[request.as_bytes()]).2.fault.is_none()
    };
    for origin in ["https://a.example", "HTTPS://A.example", "http://b.example:8080", ""] {
        assert!(ask(&rules, origin), "{origin}");
    }
    for origin in ["http://a.example", "https://a.example.evil", "null", "http://b.example"] {
        assert!(!ask(&rules, origin), "{origin}");
        assert!(ask(&WebRules::default(), origin), "{origin}");
    }
    let told = refusal(&rules, &request(&[("Origin", "https://evil.example")]));
    assert_eq!(
        told,
        "403 Forbidden | pages of https://evil.example may not connect; websockets_origin says \
         which may"
    );
}

#[test]
fn an_old_client_gets_the_old_name() {
    let request = request(&[("Sec-WebSocket-Protocol", "mqttv3.1")]);
    let (_, wire, _) = fed(&mut at_door(&WebRules::default()), &[request.as_bytes()]);
    assert!(String::from_utf8(wire).unwrap().contains("\r\nSec-WebSocket-Protocol: mqttv3.1\r\n"));
}

#[test]
fn both_ends_understand_each_other() {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let ask = WebRequest { authority: "broker:9001".into(), path: "/mqtt".into() };
    let mut server = at_door(&WebRules::default());
    let mut client = WebSocket::client(&WebConnector::new(ask.clone()).unwrap(), 7, &mut up);
    server.open(&mut up, &mut down);
    assert!(!client.is_open());
    let answer = down.clone();
    assert_eq!(client.open(&mut down, &mut up).fault, None);
    assert!(client.is_open() && server.is_open());
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
        let payload: Vec<u8> = (0..len).map(|n: usize| n.to_le_bytes()[0]).collect();
        let (half, rest) = payload.split_at(len / 2);
        let (mut up, mut down) = (Vec::new(), Vec::new());
        client.seal(len, [half, rest], &mut up);
        let opened = server.open(&mut up, &mut down);
        assert_eq!(&up[opened.plain], payload);
        server.seal(len, [half, rest], &mut down);
        let opened = client.open(&mut down, &mut up);
        assert_eq!(&down[opened.plain], payload);
    }
    let (mut up, mut down) = (Vec::new(), Vec::new());
    client.close(&mut up);
    assert!(server.open(&mut up, &mut down).is_closed);
    assert_eq!(client.open(&mut down, &mut up).fault, None);
    // An answer that is not one to this request, in any way.
    for (from, to, why) in [
        ("101 Switching", "200 OK", "the server answers 200"),
        ("mqtt", "chat", "does not speak MQTT"),
        ("websocket\r\n", "h2c\r\n", "not one to this request"),
        ("Accept: ", "Accept: x", "not one to this request"),
        ("HTTP/1.1", "SSH-2.0 ", "speaks no HTTP"),
    ] {
        let mut client =
            WebSocket::client(&WebConnector::new(ask.clone()).unwrap(), 7, &mut Vec::new());
        let mut other = String::from_utf8(answer.clone()).unwrap().replace(from, to).into_bytes();
        let fault = client.open(&mut other, &mut Vec::new()).fault.unwrap();
        assert!(fault.0.contains(why), "{from}: {}", fault.0);
    }
}

#[test]
fn answers_to_a_client_may_be_split_anywhere() {
    let ask = WebRequest { authority: "h".into(), path: "/".into() };
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let mut server = at_door(&WebRules::default());
    let _ = WebSocket::client(&WebConnector::new(ask.clone()).unwrap(), 1, &mut up);
    server.open(&mut up, &mut down);
    server.seal(2, [&b"hi"[..]], &mut down);
    for at in 0..=down.len() {
        let (a, b) = down.split_at(at);
        let mut client =
            WebSocket::client(&WebConnector::new(ask.clone()).unwrap(), 1, &mut Vec::new());
        assert_eq!(fed(&mut client, &[a, b]).0, b"hi", "at {at}");
    }
    assert_eq!(Frames::new(true).take(&mut [], &mut Vec::new(), None), (0, Ok(Got::All)));
}
