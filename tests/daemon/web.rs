//! Listeners that speak WebSocket, with tungstenite at the other end; and proxies.

use std::io::{Read, Write};
use std::net::TcpStream;

use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::Request;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use super::{CONNECT_V311, Daemon, Directory, PATIENCE, connect_as};

/// Subscribe to `t` at QoS 0, and its acknowledgement.
const SUBSCRIBE: &[u8] = b"\x82\x06\x00\x01\x00\x01t\x00";
const SUBACK: &[u8] = b"\x90\x03\x00\x01\x00";

fn daemon(directory: &Directory, more: &str) -> Daemon {
    let lines = "bind_address 127.0.0.1\nallow_anonymous true\nprotocol websockets\n";
    Daemon::configured(directory, &format!("{lines}{more}"))
}

fn request(headers: &[(&'static str, &str)]) -> Request {
    let mut request = "ws://localhost/mqtt".into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

fn socket(daemon: &Daemon) -> TcpStream {
    let socket = TcpStream::connect(daemon.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn open<S: Read + Write>(socket: S) -> WebSocket<S> {
    let request = request(&[("Sec-WebSocket-Protocol", "mqtt")]);
    let (web, response) = tungstenite::client(request, socket).map_err(|e| e.to_string()).unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "mqtt");
    web
}

/// The next bytes of packets, as many as these, which they must be.
fn expect<S: Read + Write>(web: &mut WebSocket<S>, wanted: &[u8]) {
    let mut got = Vec::new();
    while got.len() < wanted.len() {
        match web.read().unwrap() {
            Message::Binary(bytes) => got.extend_from_slice(&bytes),
            Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(got == wanted, "{} bytes", got.len());
}

fn talk<S: Read + Write>(mut web: WebSocket<S>) {
    let send = |web: &mut WebSocket<S>, bytes: &[u8]| {
        web.send(Message::binary(bytes.to_vec())).unwrap();
    };
    // Half a packet, then more than one: [MQTT-6.0.0-2].
    let (half, rest) = CONNECT_V311.split_at(7);
    send(&mut web, half);
    web.send(Message::Ping("are you there".into())).unwrap();
    send(&mut web, &[rest, SUBSCRIBE].concat());
    assert_eq!(web.read().unwrap(), Message::Pong("are you there".into()));
    expect(&mut web, &[b"\x20\x02\x00\x00", SUBACK].concat());
    let mut publish = b"\x30\x83\xea\x30\x00\x01t".to_vec();
    publish.extend(std::iter::repeat_n(b'x', 800_000));
    send(&mut web, &publish);
    expect(&mut web, &publish);
    send(&mut web, b"\xe0\x00");
    let Message::Close(Some(close)) = web.read().unwrap() else { panic!("no goodbye") };
    assert_eq!(close.code, CloseCode::Normal);
}

#[test]
fn tungstenite_talks_mqtt() {
    let directory = Directory::new();
    talk(open(socket(&daemon(&directory, ""))));
}

#[cfg(feature = "tls")]
#[test]
fn tungstenite_talks_mqtt_over_tls() {
    let office = super::tls::Office::new();
    let daemon = office.daemon("protocol websockets\n");
    talk(open(office.client(daemon.address(), None)));
}

#[test]
fn text_is_no_mqtt() {
    let directory = Directory::new();
    let daemon = daemon(&directory, "");
    let mut web = open(socket(&daemon));
    web.send(Message::text("hello")).unwrap();
    let Message::Close(Some(close)) = web.read().unwrap() else { panic!("no goodbye") };
    assert_eq!(close.code, CloseCode::Unsupported);
    let line = daemon.line_with("disconnected:");
    assert!(line.contains("a text frame; MQTT goes into binary frames"), "{line}");
}

#[test]
fn pages_of_others_are_turned_away() {
    let directory = Directory::new();
    let daemon = daemon(&directory, "websockets_origin https://our.example\n");
    let try_origin = |socket: TcpStream, origin: &str| {
        let request = request(&[("Sec-WebSocket-Protocol", "mqtt"), ("Origin", origin)]);
        match tungstenite::client(request, socket) {
            Ok(_) => 101,
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                answer.status().as_u16()
            }
            Err(error) => panic!("{error}"),
        }
    };
    let address = daemon.address();
    assert_eq!(try_origin(TcpStream::connect(address).unwrap(), "https://our.example"), 101);
    assert_eq!(try_origin(TcpStream::connect(address).unwrap(), "https://evil.example"), 403);
}

#[test]
fn plain_clients_at_a_websocket_port_are_told_of() {
    let directory = Directory::new();
    let daemon = daemon(&directory, "");
    socket(&daemon).write_all(CONNECT_V311).unwrap();
    let line = daemon.line_with("disconnected:");
    assert!(line.contains("the client speaks plain MQTT, which this listener does not"), "{line}");
}

#[test]
fn proxies_say_who_the_client_is() {
    let directory = Directory::new();
    let lines = |networks: &str| {
        format!(
            "listener PORT 127.0.0.1\nallow_anonymous true\nenable_proxy_protocol 1\n{networks}"
        )
        .replace("PORT", &super::free_port().to_string())
    };
    let header = b"PROXY TCP4 192.0.2.9 127.0.0.1 4711 1883\r\n";
    let daemon = Daemon::configured(&directory, &lines("proxy_trusted_networks 127.0.0.0/8\n"));
    let mut proxy = socket(&daemon);
    proxy.write_all(&[&header[..], &connect_as("be")].concat()).unwrap();
    let line = daemon.line_with("New client connected");
    assert!(line.contains("192.0.2.9:4711"), "{line}");
    // Whoever is no proxy is himself, and his header is none.
    let daemon = Daemon::configured(&directory, &lines("proxy_trusted_networks 10.0.0.0/8\n"));
    let address = daemon.address();
    let mut liar = TcpStream::connect(address).unwrap();
    liar.write_all(header).unwrap();
    let line = daemon.line_with("disconnected:");
    assert!(line.contains("127.0.0.1:") && line.contains("a proxy says who"), "{line}");
    super::connected(address, &connect_as("di"));
    // Without networks everybody is believed, and the operator is told so.
    let daemon = Daemon::configured(&directory, &lines(""));
    daemon.line_with("name yours with proxy_trusted_networks");
    let mut proxy = socket(&daemon);
    proxy.write_all(&[&header[..], &connect_as("be")].concat()).unwrap();
    let line = daemon.line_with("New client connected");
    assert!(line.contains("192.0.2.9:4711"), "{line}");
}
