//! Listeners that differ, and who finds no place.

use std::net::{Shutdown, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::{
    CONNECT_V5, CONNECT_V311, Daemon, Directory, answer, connect_as, connected, free_port, pings,
    refusal,
};

/// A connection from an address of this machine.
fn from(source: &str, address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    let source: SocketAddr = format!("{source}:0").parse().unwrap();
    socket.bind(&source.into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(std::os::fd::OwnedFd::from(socket));
    stream.set_read_timeout(Some(crate::harness::raw::PATIENCE)).unwrap();
    stream
}

/// Whether the broker ends a connection without a word.
fn is_turned_away(mut stream: TcpStream) -> bool {
    // A peer that is closed while it sends may see a reset.
    matches!(std::io::Read::read(&mut stream, &mut [0; 16]), Ok(0) | Err(_))
}

#[test]
fn each_listener_has_its_own_settings() {
    let directory = Directory::new();
    let daemon = Daemon::configured(
        &directory,
        "listener 0 127.0.0.1\nmax_qos 1\nmax_topic_alias 3\nlistener_allow_anonymous true\n\
         listener 0 127.0.0.1\nmax_qos 0\nlistener_allow_anonymous true\n\
         listener_auto_id_prefix mine-\nlistener 0 127.0.0.1\n",
    );
    let [first, second, third] = [daemon.address(), daemon.address(), daemon.address()];
    let has = |packet: &[u8], part: &[u8]| packet.windows(part.len()).any(|found| found == part);
    let connack = answer(first, CONNECT_V5);
    assert!(connack[3] == 0 && has(&connack, &[0x24, 1]) && has(&connack, &[0x22, 0, 3]));
    let nameless = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00";
    let connack = answer(second, nameless);
    assert!(connack[3] == 0 && has(&connack, &[0x24, 0]) && has(&connack, &[0x22, 0, 10]));
    assert!(has(&connack, b"mine-"), "{connack:02x?}");
    assert!(has(&answer(first, nameless), b"auto-"));
    assert_eq!(answer(third, CONNECT_V5)[3], 0x87);
    // They are one broker all the same.
    let subscriber = connected(first, &connect_as("s1"));
    let mut reader = &subscriber;
    std::io::Write::write_all(&mut reader, b"\x82\x06\x00\x01\x00\x01t\x00").unwrap();
    std::io::Read::read_exact(&mut reader, &mut [0; 5]).unwrap();
    let publisher = connected(second, &connect_as("p1"));
    std::io::Write::write_all(&mut &publisher, b"\x30\x05\x00\x01thi").unwrap();
    let mut message = [0; 7];
    std::io::Read::read_exact(&mut reader, &mut message).unwrap();
    assert_eq!(&message, b"\x30\x05\x00\x01thi");
}

#[test]
fn a_listener_that_is_full_leaves_room_at_others() {
    let directory = Directory::new();
    let daemon = Daemon::configured(
        &directory,
        "allow_anonymous true\nlistener 0 127.0.0.1\nmax_connections 1\nlistener 0 127.0.0.1\n",
    );
    let (small, large) = (daemon.address(), daemon.address());
    let inside = connected(small, &connect_as("c1"));
    assert!(is_turned_away(TcpStream::connect(small).unwrap()));
    let line = daemon.line_with("Turning away connections");
    assert!(line.contains("max_connections is reached on") && line.contains(&small.to_string()));
    let others = [connected(large, &connect_as("c2")), connected(large, &connect_as("c3"))];
    assert!(pings(&inside) && others.iter().all(pings));
    inside.shutdown(Shutdown::Both).unwrap();
    daemon.line_with("Client c1 [");
    assert!(pings(&connected(small, &connect_as("c4"))));
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let directory = Directory::new();
    let daemon = Daemon::configured(
        &directory,
        "allow_anonymous true\nlistener 0 127.0.0.1\nmax_connections_per_address 2\n",
    );
    let address = daemon.address();
    let first = connected(address, &connect_as("c1"));
    let second = connected(address, &connect_as("c2"));
    assert!(is_turned_away(TcpStream::connect(address).unwrap()));
    let line = daemon.line_with("Turning away connections");
    assert!(line.contains("max_connections_per_address is reached by 127.0.0.1 "), "{line}");
    let mut other = from("127.0.0.2", address);
    super::introduce(&mut other, &connect_as("c3"));
    assert!(pings(&other) && pings(&first) && pings(&second));
    first.shutdown(Shutdown::Both).unwrap();
    daemon.line_with("Client c1 [");
    assert!(pings(&connected(address, &connect_as("c4"))));
}

/// A crowd waits, and is served.
#[test]
#[expect(clippy::disallowed_methods, reason = "what is tested is time")]
fn only_so_many_come_in_a_second() {
    let directory = Directory::new();
    let configuration = "allow_anonymous true\nlistener 0 127.0.0.1\nmax_connection_rate 40\n";
    let daemon = Daemon::configured(&directory, configuration);
    let address = daemon.address();
    let begin = std::time::Instant::now();
    let crowd: Vec<TcpStream> = (0..24).map(|_| TcpStream::connect(address).unwrap()).collect();
    for (number, mut stream) in crowd.iter().enumerate() {
        stream.set_read_timeout(Some(crate::harness::raw::PATIENCE)).unwrap();
        super::introduce(&mut stream, &connect_as(&format!("{number:02}")));
    }
    // Four at once, the others 25 ms apart.
    assert!(begin.elapsed().as_millis() >= 475, "{:?}", begin.elapsed());
    daemon.line_with("Connections wait: max_connection_rate is reached");
    assert!(crowd.iter().all(pings), "nobody is lost");
}

#[test]
fn one_interface_will_do() {
    let directory = Directory::new();
    let port = free_port();
    let configuration = |interface: &str| {
        format!(
            "allow_anonymous true\nuser root\nlistener {port} 127.0.0.1\n\
             bind_interface {interface}\n"
        )
    };
    let (code, said) = refusal(directory.command(&configuration("nothing0")));
    assert_eq!(code, Some(1));
    assert!(said.contains("there is no network interface 'nothing0'"), "{said}");
    let daemon = Daemon::configured(&directory, &configuration("lo"));
    let line = daemon.line_with("listening on ");
    assert!(line.ends_with(&format!("listening on 127.0.0.1:{port} of lo")), "{line}");
    assert!(pings(&connected(([127, 0, 0, 1], port).into(), CONNECT_V311)));
}

#[test]
fn a_name_is_all_its_addresses_of_the_versions_wanted() {
    let directory = Directory::new();
    let port = free_port();
    let configuration =
        format!("allow_anonymous true\nlistener {port} localhost\nsocket_domain ipv4\n");
    let daemon = Daemon::configured(&directory, &configuration);
    let address = daemon.address();
    assert_eq!(address, SocketAddr::from(([127, 0, 0, 1], port)));
    assert!(pings(&connected(address, CONNECT_V311)));
    let configuration = "allow_anonymous true\nlistener 1883 no.such.name.invalid\n";
    let (code, said) = refusal(directory.command(configuration));
    assert_eq!(code, Some(3));
    assert!(said.contains("conf:2: 'no.such.name.invalid': give an address or name"), "{said}");
}
