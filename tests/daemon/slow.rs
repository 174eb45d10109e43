//! Clients that take their time before the first packet: each is cut off within connect_timeout,
//! however far it came and however it drips, at a cost that is bounded and charged.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustls::ClientConnection;

use super::sys::{message, subscribe};
use super::tls::Office;
use super::{CONNECT_V311, Daemon, connected, resident};

/// A drop falls so often: by waiting for an answer that does not come.
const DRIP: Duration = Duration::from_millis(100);

const HEADER: &[u8] = b"PROXY TCP4 192.0.2.9 127.0.0.1 4711 1883\r\n";
/// Of another client: the log folds what is said twice of one.
const ANOTHER: &[u8] = b"PROXY TCP4 192.0.2.9 127.0.0.1 4712 1883\r\n";
const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

/// What a listener speaks, and a port for it.
struct House {
    office: Office,
    daemon: Daemon,
    plain: SocketAddr,
    proxied: SocketAddr,
    tls: SocketAddr,
    web: SocketAddr,
    all: SocketAddr,
}

impl House {
    fn new(more: &str) -> Self {
        let office = Office::new();
        // All at once, so that no two are the same.
        let free = [(); 5].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = free.map(|socket| socket.local_addr().unwrap());
        let [plain, proxied, tls, web, all] = addresses;
        let proxy = "enable_proxy_protocol 1\nproxy_trusted_networks 127.0.0.1\n";
        let keys = "certfile DIR/server.crt\nkeyfile DIR/server.key\n";
        let ws = "protocol websockets\n";
        let listeners: String = [
            (plain, String::new()),
            (proxied, proxy.into()),
            (tls, keys.into()),
            (web, ws.into()),
            (all, [proxy, keys, ws].concat()),
        ]
        .into_iter()
        .map(|(address, lines)| format!("listener {} 127.0.0.1\n{lines}", address.port()))
        .collect();
        let base = "allow_anonymous true\nuser root\n";
        let daemon = Daemon::configured(&office.directory, &format!("{base}{more}{listeners}"));
        for _ in addresses {
            daemon.address();
        }
        Self { office, daemon, plain, proxied, tls, web, all }
    }

    /// The first flight of a client that speaks TLS.
    fn hello(&self) -> Vec<u8> {
        let mut hello = Vec::new();
        self.connection().write_tls(&mut hello).unwrap();
        hello
    }

    fn connection(&self) -> ClientConnection {
        self.office.client(self.tls, None).conn
    }
}

/// Sends these bytes, the last ones drop by drop, and waits to be cut off; how long that took.
#[expect(clippy::disallowed_methods, reason = "a deadline is a matter of real time")]
fn drip(address: SocketAddr, bytes: &[u8], drops: usize) -> Duration {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DRIP)).unwrap();
    let (first, rest) = bytes.split_at(bytes.len() - drops);
    stream.write_all(first).unwrap();
    let mut rest = rest.iter();
    let mut answer = [0; 4096];
    loop {
        assert!(begin.elapsed() < super::PATIENCE, "it is not cut off");
        match stream.read(&mut answer) {
            Ok(0) => return begin.elapsed(),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if let Some(byte) = rest.next() {
                    let _ = stream.write_all(&[*byte]); // It may be closed by now.
                }
            }
            Err(_) => return begin.elapsed(),
        }
    }
}

#[test]
fn everybody_is_cut_off_in_time_and_the_log_says_where_he_was() {
    let house = House::new("connect_timeout 1\n");
    let hello = house.hello();
    let half = |bytes: &[u8]| bytes[..bytes.len() - 1].to_vec();
    // What is sent, and how many bytes of it fall as drops: for longer than it may take.
    let cases = [
        (house.plain, Vec::new(), 0, "nothing has come"),
        (house.proxied, Vec::new(), 0, "nothing has come"),
        (house.tls, Vec::new(), 0, "nothing has come"),
        (house.web, Vec::new(), 0, "nothing has come"),
        (house.all, Vec::new(), 0, "nothing has come"),
        (house.proxied, half(HEADER), 20, "its PROXY header has no end"),
        (house.all, half(HEADER), 20, "its PROXY header has no end"),
        (house.tls, half(&hello), 20, "its TLS handshake has no end"),
        (house.tls, hello.clone(), 0, "its TLS handshake has no end"),
        (house.all, HEADER.to_vec(), 0, "its TLS handshake has no end"),
        (house.all, [ANOTHER, &hello].concat(), 0, "its TLS handshake has no end"),
        (house.web, half(REQUEST), 20, "its WebSocket request has no end"),
        (house.web, REQUEST.to_vec(), 0, "its CONNECT has no end"),
        (house.proxied, HEADER.to_vec(), 0, "its CONNECT has no end"),
        (house.plain, half(CONNECT_V311), 0, "its CONNECT has no end"),
        (house.plain, vec![0x10], 0, "its CONNECT has no end"),
    ];
    let took = std::thread::scope(|scope| {
        let drips = cases
            .iter()
            .map(|(address, bytes, drops, _)| scope.spawn(move || drip(*address, bytes, *drops)));
        drips.collect::<Vec<_>>().into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    for (time, (.., expected)) in took.iter().zip(&cases) {
        let range = Duration::from_millis(900)..Duration::from_secs(4);
        assert!(range.contains(time), "{expected}: {time:?}");
    }
    let mut lines: Vec<String> = cases
        .iter()
        .map(|_| {
            let line = house.daemon.line_with("sent no CONNECT, disconnecting: ");
            assert!(line.contains("Client <unknown> ["), "{line}");
            line.rsplit_once("disconnecting: ").unwrap().1.trim_end_matches('.').to_owned()
        })
        .collect();
    let mut expected = cases.map(|(.., expected)| expected);
    lines.sort();
    expected.sort_unstable();
    assert_eq!(lines, expected, "one line each");
    house.daemon.signal("TERM");
    assert!(house.daemon.lines.iter().all(|line| !line.contains("sent no CONNECT")));
}

/// A handshake that is done and nothing behind it, in TLS and in a WebSocket within.
#[test]
fn a_handshake_is_no_connect() {
    let house = House::new("connect_timeout 2\n");
    let mut tls = house.office.client(house.tls, None);
    tls.write_all(b"\x10").unwrap();
    assert!(!matches!(tls.read(&mut [0; 1]), Ok(1)), "it is cut off");
    let line = house.daemon.line_with("sent no CONNECT");
    assert!(line.ends_with("its CONNECT has no end."), "{line}");
    let mut tls = house.office.client_behind(house.all, HEADER);
    tls.write_all(&REQUEST[..50]).unwrap();
    assert!(!matches!(tls.read(&mut [0; 1]), Ok(1)), "it is cut off");
    let line = house.daemon.line_with("sent no CONNECT");
    assert!(line.ends_with("its WebSocket request has no end."), "{line}");
    assert!(line.contains("[192.0.2.9:4711]"), "{line}");
}

/// Before the first packet, too, it is the client that is blamed and not the proxy.
#[test]
fn what_is_wrong_behind_a_proxy_is_told_of_the_client() {
    let house = House::new("");
    for (bytes, what) in [(CONNECT_V311, "speaks plain MQTT"), (REQUEST, "speaks HTTP")] {
        let mut stream = TcpStream::connect(house.all).unwrap();
        stream.write_all(&[HEADER, bytes].concat()).unwrap();
        let line = house.daemon.line_with("Client <unknown>");
        assert!(line.contains("[192.0.2.9:4711] disconnected: ") && line.contains(what), "{line}");
    }
}

/// For another client than that of `CONNECT_V311`.
const CONNECT_V31: &[u8] = b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x00\x00\x01o";

/// Connections that stay in each phase.
const CROWD: usize = 200;

/// The bytes that connections and output are charged with, counted after this was called.
fn charged(address: SocketAddr) -> usize {
    let mut client = connected(address, CONNECT_V311);
    subscribe(&mut client, "$SYS/broker/uptime");
    for is_retained in [true, false] {
        // The second is of an interval that ended since, with which all the others came.
        assert_eq!(message(&mut client).0, is_retained);
    }
    let value = |topic| {
        let mut client = connected(address, CONNECT_V31);
        subscribe(&mut client, topic);
        message(&mut client).2.parse::<usize>().unwrap()
    };
    value("$SYS/broker/heap/connections") + value("$SYS/broker/heap/output")
}

#[test]
fn what_the_slow_cost_is_bounded_and_charged() {
    let house = House::new("connect_timeout 60\nsys_interval 1\n");
    let hello = house.hello();
    let mut crowd = Vec::new();
    let half = |bytes: &[u8]| bytes[..bytes.len() - 1].to_vec();
    let mut before = charged(house.plain);
    for (phase, address, bytes) in [
        ("nothing", house.plain, Vec::new()),
        ("CONNECT", house.plain, half(CONNECT_V311)),
        ("PROXY header", house.proxied, half(HEADER)),
        ("WebSocket request", house.web, half(REQUEST)),
        ("half a ClientHello", house.tls, half(&hello)),
        ("a ClientHello", house.tls, hello.clone()),
    ] {
        let memory = resident(&house.daemon);
        for _ in 0..CROWD {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
            stream.write_all(&bytes).unwrap();
            if phase == "a ClientHello" {
                stream.read_exact(&mut [0; 500]).unwrap();
            }
            crowd.push(stream);
        }
        let mut after = 0;
        super::until("all are there", || {
            after = charged(house.plain);
            after.saturating_sub(before) >= CROWD * bytes.len().max(100)
        });
        let bytes = resident(&house.daemon).saturating_sub(memory) / CROWD;
        let charge = (after - before) / CROWD;
        before = after;
        println!("{phase}: {bytes} bytes of memory each, {charge} of them charged");
        assert!(bytes < 24 << 10, "{phase}: {bytes} bytes each");
        assert!(charge * 3 >= bytes.saturating_sub(2 << 10), "{phase}: {charge} of {bytes} bytes");
    }
}
