//! Sockets that a service manager hands over.
//!
//! A shell puts the socket where systemd puts it, and says so as systemd does.

use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use socket2::{Domain, Socket, Type};

use super::{CONNECT_V311, Daemon, Directory, PROGRAM, connect_as, connected, introduce, pings};

/// A broker with this configuration that is handed a listening socket.
fn command(directory: &Directory, configuration: &str) -> Command {
    let file = directory.configure(configuration);
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", PROGRAM, "-c", &file]);
    command
}

/// What it says that is handed a socket it cannot use.
fn refusal(directory: &Directory, configuration: &str, socket: OwnedFd) -> String {
    let output = command(directory, configuration).stdin(socket).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_listener_with_the_address_gets_the_socket() {
    let directory = Directory::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // Who comes before it is there waits.
    let mut early = TcpStream::connect(address).unwrap();
    let configuration = format!(
        "allow_anonymous true\nlistener {} 127.0.0.1\nlistener 0 127.0.0.1\n",
        address.port()
    );
    let daemon = Daemon::spawn_with(command(&directory, &configuration), OwnedFd::from(socket));
    assert_eq!(daemon.address(), address);
    let other = daemon.address();
    introduce(&mut early, &connect_as("c1"));
    assert!(pings(&early) && pings(&connected(other, &connect_as("c2"))));
    // It is not the broker's to stop, so nothing else can have its port.
    let port = address.port();
    directory.configure(&format!("allow_anonymous true\nlistener {port} 0.0.0.0\n"));
    daemon.signal("HUP");
    daemon.line_with(&format!("cannot listen on 0.0.0.0:{port}: "));
    daemon.line_with("1 errors; the one before goes on");
    assert!(pings(&early));
    // A reload that does without the listener closes it here, and finds it again later.
    directory.configure("allow_anonymous true\nlistener 0 127.0.0.1\n");
    daemon.signal("HUP");
    daemon.line_with(&format!("no longer listening on {address}"));
    daemon.line_with("Configuration read again");
    directory.configure(&configuration);
    daemon.signal("HUP");
    daemon.line_with(&format!("listening on {address}"));
    assert!(pings(&connected(address, &connect_as("c3"))));
}

#[test]
fn a_listener_with_the_path_gets_the_socket() {
    let directory = Directory::new();
    let path = directory.path("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let configuration = "allow_anonymous true\nlistener 0 DIR/socket\n";
    let daemon = Daemon::spawn_with(command(&directory, configuration), OwnedFd::from(socket));
    daemon.line_with("running");
    let mut client = UnixStream::connect(&path).unwrap();
    introduce(&mut client, CONNECT_V311);
    assert!(pings(&client));
    daemon.signal("TERM");
    drop(client);
    assert_eq!(daemon.ended(), Some(0));
    assert!(std::fs::exists(&path).unwrap(), "the file is the service manager's");
}

#[test]
fn one_socket_of_both_families_serves_both() {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
    socket.set_only_v6(false).unwrap();
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    if socket.bind(&any.into()).is_err() {
        return; // A machine without IPv6 has no such sockets.
    }
    socket.listen(8).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    let directory = Directory::new();
    let only_v6 = format!("allow_anonymous true\nlistener {port} ::\n");
    let said = refusal(&directory, &only_v6, socket.try_clone().unwrap().into());
    assert!(said.contains("BindIPv6Only=ipv6-only"), "{said}");
    let configuration = format!("allow_anonymous true\nlistener {port}\n");
    let daemon = Daemon::spawn_with(command(&directory, &configuration), OwnedFd::from(socket));
    daemon.line_with("running");
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        assert!(pings(&connected(address.parse().unwrap(), CONNECT_V311)), "{address}");
    }
    daemon.line_with("New connection from 127.0.0.1:");
    daemon.line_with("New connection from [::1]:");
    directory.configure(&format!("{configuration}max_qos 1\n"));
    daemon.signal("HUP");
    daemon.line_with("Configuration read again: 1 changes");
}

#[test]
fn a_socket_that_no_listener_wants_is_an_error() {
    let directory = Directory::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let said = refusal(&directory, "listener 0 127.0.0.1\n", socket.into());
    assert!(said.contains(&format!("the socket {address} was handed over")), "{said}");
    assert!(said.contains(&format!("write 'listener {} 127.0.0.1'", address.port())), "{said}");
    let (ours, _) = UnixStream::pair().unwrap();
    let said = refusal(&directory, "listener 0 127.0.0.1\n", ours.into());
    assert!(said.contains("LISTEN_FDS"), "{said}");
}
