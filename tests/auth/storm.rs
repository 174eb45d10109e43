//! Floods of passwords.
#![expect(clippy::disallowed_methods, reason = "how long others wait is what is tested")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::*;
use crate::harness::raw::PATIENCE;

/// As mosquitto 2.1 makes them.
const ARGON2: Scheme = Scheme::Argon2id { memory: 47_104, passes: 1, lanes: 1 };

/// A connection from another address of this machine.
fn from(address: [u8; 4], broker: &Broker) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::from(address), 0)).into()).unwrap();
    socket.connect(&broker.address().into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn send(stream: &mut TcpStream, connect: Connect) {
    stream.write_all(&Vec::from(connect)).unwrap();
}

/// The return code of a CONNACK of 3.1.1.
fn connack(stream: &mut TcpStream) -> u8 {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).unwrap();
    bytes[3]
}

/// Wrong passwords from one address, as fast as they can be sent: others are served meanwhile,
/// let in after no more than two hashes, and no more memory is taken than one hash needs.
#[test]
fn a_flood_of_wrong_passwords_disturbs_nobody_else() {
    let house = House::new();
    let users: String = ["anna", "bert"].map(|name| hashed(ARGON2, name, "p")).concat();
    let broker = house.guarded(&users, "topic #\n");
    let mut client = Raw::online_at(&broker, v3::connect("c"));
    client.send(v3::subscribe(1, &[("t", 0)])).expect(v3::suback(1, &[0]));
    let before = broker.resident_bytes();
    let mut flood: Vec<TcpStream> = (0..300).map(|_| from([127, 0, 0, 2], &broker)).collect();
    for (number, stream) in flood.iter_mut().enumerate() {
        send(stream, as_user(&format!("f{number}"), "anna", &format!("guess {number}")));
    }
    // Those for whom there is no place are told to come later: one is examined, 256 wait, and
    // hardly a dozen can have been examined since the first.
    broker.until_logged("disconnected: too many logins wait.", 20);
    client.ping();
    let is_told = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).unwrap();
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).is_ok() && bytes[3] == 3
    };
    let told = flood.iter_mut().map(is_told).filter(|told| *told).count();
    assert!(told >= 20, "{told}");
    // A client that is there is answered at once.
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        let start = Instant::now();
        client.send(v3::publish("t", "1")).accept(v3::publish("t", "1"));
        longest = longest.max(start.elapsed());
    }
    // One that comes has its turn although hundreds wait.
    let mut other = from([127, 0, 0, 3], &broker);
    let start = Instant::now();
    send(&mut other, as_user("o", "bert", "p"));
    assert_eq!(connack(&mut other), 0);
    println!("longest round trip {longest:?}, login after {:?}", start.elapsed());
    // No more than the flood's first mistakes have been looked at by then.
    let looked_at = broker.log().matches("wrong password").count();
    assert!(looked_at <= 12, "{looked_at}");
    if let (Some(before), Some(after)) = (before, broker.resident_bytes()) {
        let taken = after.saturating_sub(before) >> 20;
        println!("{taken} MiB taken");
        assert!(taken < 46 + 16, "{taken} MiB");
    }
    // Whoever leaves takes its question along.
    drop(flood);
    client.ping();
}

/// Everybody comes again at once with the right password: one hash answers all of them.
#[test]
fn a_storm_of_reconnects_ends() {
    let house = House::new();
    let broker = house.guarded(&hashed(ARGON2, "fleet", "p"), "");
    let mut streams: Vec<TcpStream> = (0..200).map(|_| from([127, 0, 0, 4], &broker)).collect();
    let start = Instant::now();
    for (number, stream) in streams.iter_mut().enumerate() {
        send(stream, as_user(&format!("s{number}"), "fleet", "p"));
    }
    assert!(streams.iter_mut().all(|stream| connack(stream) == 0));
    println!("200 logins after {:?}", start.elapsed());
}

/// From the sixth wrong one on each costs a wait, of this address and no other.
#[test]
fn wrong_passwords_are_slowed_down() {
    let house = House::new();
    let broker = house.guarded(&user("anna", "p"), "");
    let try_at = |address: [u8; 4], password: &str| {
        let mut stream = from(address, &broker);
        let start = Instant::now();
        send(&mut stream, as_user("c", "anna", password));
        (connack(&mut stream), start.elapsed())
    };
    let bad = [127, 0, 0, 5];
    for _ in 0..6 {
        assert_eq!(try_at(bad, "q").0, 4);
    }
    // 250 ms, then 500 ms.
    for least in [240, 490] {
        let (code, took) = try_at(bad, "q");
        assert_eq!(code, 4);
        assert!(took >= Duration::from_millis(least), "{took:?}");
    }
    assert_eq!(try_at([127, 0, 0, 6], "p").0, 0);
    // What was right before waits for nobody.
    let (code, took) = try_at(bad, "p");
    assert_eq!(code, 0);
    assert!(took < Duration::from_millis(900), "{took:?}");
}
