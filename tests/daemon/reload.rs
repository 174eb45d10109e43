//! SIGHUP: all of another configuration, or none of it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::{
    CONNECT_V5, CONNECT_V311, Daemon, Directory, answer, connect_as, connected, free_port, is_root,
    pings, rest,
};

/// A broker that is told another configuration.
struct Told {
    directory: Directory,
    daemon: Daemon,
}

impl Told {
    fn new(configuration: &str) -> Self {
        let directory = Directory::new();
        let daemon = Daemon::configured(&directory, configuration);
        Self { directory, daemon }
    }

    /// Has it read another configuration; what it logs of it.
    fn reloads(&self, configuration: &str) -> Vec<String> {
        self.directory.configure(configuration);
        self.daemon.signal("HUP");
        let mut lines = Vec::new();
        loop {
            let line = self.daemon.line();
            let is_last = line.contains("Configuration read again")
                || line.contains("The configuration cannot be used");
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }

    /// Has it read another configuration, of which it takes nothing; what is wrong with it.
    fn refuses(&self, configuration: &str) -> Vec<String> {
        let mut lines = self.reloads(configuration);
        let last = lines.pop().unwrap();
        lines.retain(|line| line.starts_with("Error: "));
        assert!(
            last.contains(&format!("{} errors; the one before goes on", lines.len())),
            "{last}"
        );
        lines
    }
}

fn has(lines: &[String], text: &str) -> bool {
    lines.iter().any(|line| line.contains(text))
}

fn is_open(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

#[test]
fn listeners_come_and_go_and_those_that_stay_keep_their_connections() {
    let port = free_port();
    let before = format!(
        "allow_anonymous true\nuser root\nlistener {port} 127.0.0.1\nlistener 0 127.0.0.1\n"
    );
    let told = Told::new(&before);
    let (goes, stays) = (told.daemon.address(), told.daemon.address());
    told.daemon.line_with("running");
    let (lost, kept) = (connected(goes, CONNECT_V5), connected(stays, &connect_as("c1")));
    let silent = TcpStream::connect(goes).unwrap();
    told.daemon.line_with("New connection");
    let after = "allow_anonymous true\nuser root\nlistener 0 DIR/socket\n\
                 listener 0 127.0.0.1\nmax_qos 1\nlistener_allow_anonymous true\n";
    let lines = told.reloads(after);
    for line in [
        &format!("Configuration: listener closes: port {port} of 127.0.0.1"),
        &format!("Configuration: listener opens: Unix socket {}", told.directory.path("socket")),
        "Configuration: port 0 of 127.0.0.1: max_qos was 2, is 1",
        &format!("no longer listening on {goes}"),
        &format!("listening on {}", told.directory.path("socket")),
        "Configuration read again: 3 changes",
    ] {
        assert!(has(&lines, line), "{line} is not in {lines:#?}");
    }
    assert!(pings(&kept), "nothing has happened to it");
    assert!(rest(lost).starts_with(b"\xe0"), "a DISCONNECT");
    assert_eq!(rest(silent), b"");
    assert!(!is_open(goes));
    let connack = answer(stays, CONNECT_V5);
    assert!(connack.windows(2).any(|property| property == [0x24, 1]), "Maximum QoS: {connack:?}");
    assert!(fs::exists(told.directory.path("socket")).unwrap());
    // And back again: the port is free, and the socket goes.
    let lines = told.reloads(&before);
    assert!(has(&lines, "3 changes"), "{lines:#?}");
    assert!(has(&lines, &format!("listening on {goes}")), "{lines:#?}");
    assert!(pings(&connected(goes, CONNECT_V5)) && pings(&kept));
    assert!(!fs::exists(told.directory.path("socket")).unwrap());
}

#[test]
fn a_file_that_says_the_same_changes_nothing() {
    let configuration = "allow_anonymous true\nuser root\nlistener 0 127.0.0.1\n";
    let told = Told::new(configuration);
    let client = connected(told.daemon.address(), CONNECT_V311);
    told.daemon.line_with("New client");
    let lines = told.reloads(configuration);
    assert_eq!(lines, ["Log files opened anew", "Configuration read again: nothing has changed"]);
    let lines = told.reloads(&format!("# Moved down.\n\n{configuration}"));
    assert!(has(&lines, "nothing has changed"), "{lines:?}");
    assert!(pings(&client));
}

#[test]
fn a_file_with_errors_changes_nothing() {
    let good = "allow_anonymous true\nuser root\nlistener 0 127.0.0.1\nmax_qos 1\n";
    let told = Told::new(good);
    let address = told.daemon.address();
    let client = connected(address, CONNECT_V311);
    let conf = told.directory.path("conf");
    let problems = told.refuses("listener 0 127.0.0.1\nmax_qs 2\nsys_interval never\nmax_qos 0\n");
    assert_eq!(
        problems,
        [
            format!("Error: {conf}:2: there is no option 'max_qs'; did you mean max_qos?"),
            format!(
                "Error: {conf}:3: sys_interval 'never': give seconds, a number from 0 to 65535"
            ),
        ]
    );
    assert!(pings(&client));
    let connack = answer(address, CONNECT_V5);
    assert!(connack[3] == 0 && connack.windows(2).any(|property| property == [0x24, 1]));
    fs::remove_file(&conf).unwrap();
    told.daemon.signal("HUP");
    told.daemon.line_with("cannot read it");
    told.daemon.line_with("1 errors; the one before goes on");
    assert!(pings(&client));
    assert!(has(&told.reloads(good), "nothing has changed"));
}

#[test]
fn what_cannot_be_opened_is_told_and_nothing_else_is_opened() {
    let told = Told::new("allow_anonymous true\nuser root\nlistener 0 127.0.0.1\n");
    let client = connected(told.daemon.address(), CONNECT_V311);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken_port, port) = (taken.local_addr().unwrap().port(), free_port());
    let wanted = format!(
        "allow_anonymous true\nuser root\nlistener 0 127.0.0.1\nlistener {port} 127.0.0.1\n\
         listener {taken_port} 127.0.0.1\nlog_dest file DIR/no/such/log\nlog_dest stderr\n\
         listener 0 DIR/s\nlistener 0 DIR/conf\n"
    );
    let problems = told.refuses(&wanted);
    assert!(problems.len() == 3, "{problems:#?}");
    assert!(has(&problems, "no/such/log"), "{problems:#?}");
    assert!(has(&problems, &format!("cannot listen on 127.0.0.1:{taken_port}: ")), "{problems:#?}");
    assert!(has(&problems, "another program or listener has it"), "{problems:#?}");
    assert!(has(&problems, "there is a file that is no socket"), "{problems:#?}");
    assert!(!is_open(([127, 0, 0, 1], port).into()), "it was closed again");
    assert!(!fs::exists(told.directory.path("s")).unwrap());
    assert!(pings(&client));
    drop(taken);
    let wanted = wanted.replace("DIR/no/such/log", "DIR/log").replace("listener 0 DIR/conf\n", "");
    let lines = told.reloads(&wanted);
    assert!(has(&lines, "Configuration read again: 4 changes"), "{lines:#?}");
    assert!(is_open(([127, 0, 0, 1], port).into()) && pings(&client));
    assert!(told.directory.read("log").contains("Configuration: log_dest was stderr"));
}

/// The new socket wants the port of one that is about to go.
#[test]
fn a_listener_may_take_the_port_of_one_that_goes() {
    let port = free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let wide = format!("allow_anonymous true\nuser root\nlistener {port} 127.0.0.1\n");
    let narrow = format!("{wide}bind_interface lo\n");
    let told = Told::new(&wide);
    assert_eq!(told.daemon.address(), address);
    let client = connected(address, &connect_as("c1"));
    told.daemon.line_with("New client");
    // Not if something else goes wrong: then the old one listens again.
    let problems = told.refuses(&format!("{narrow}listener 0 DIR/conf\n"));
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(pings(&client) && pings(&connected(address, &connect_as("c2"))));
    let lines = told.reloads(&narrow);
    assert!(has(&lines, "listener opens") && has(&lines, "listener closes"), "{lines:#?}");
    assert!(has(&lines, &format!("listening on {address} of lo")), "{lines:#?}");
    assert_eq!(rest(client), b"", "its listener has gone");
    assert!(pings(&connected(address, &connect_as("c3"))));
}

#[test]
fn limits_hold_from_then_on() {
    let base = "allow_anonymous true\nuser root\nlistener 0 127.0.0.1\n";
    let told = Told::new(base);
    let address = told.daemon.address();
    let mut client = connected(address, &connect_as("c1"));
    let publish = [b"\x30\xac\x02\x00\x01t".as_slice(), &[b'x'; 297]].concat();
    client.write_all(&publish).unwrap();
    assert!(pings(&client));
    let limits = "max_packet_size 200\nmax_connections_per_address 2\nmax_connection_rate 1000\n";
    let lines = told.reloads(&format!("{base}{limits}"));
    assert!(has(&lines, "max_packet_size was 2000000, is 200"), "{lines:#?}");
    assert!(has(&lines, "3 changes"), "{lines:#?}");
    client.write_all(&publish).unwrap();
    assert!(client.read(&mut [0; 16]).is_ok_and(|read| read == 0), "a packet that is too large");
    let two = [connected(address, &connect_as("c2")), connected(address, &connect_as("c3"))];
    let turned_away = TcpStream::connect(address).unwrap();
    told.daemon.line_with("max_connections_per_address is reached by 127.0.0.1");
    assert_eq!(rest(turned_away), b"");
    told.reloads(base);
    let third = connected(address, &connect_as("c4"));
    assert!(pings(&third) && two.iter().all(pings));
}

#[test]
fn who_may_connect_is_read_again() {
    let told = Told::new("user root\nlistener 0 127.0.0.1\nallow_anonymous false\n");
    let address = told.daemon.address();
    assert_eq!(answer(address, CONNECT_V311), [0x20, 2, 0, 5]);
    told.reloads("user root\nlistener 0 127.0.0.1\nallow_anonymous true\n");
    assert_eq!(answer(address, CONNECT_V311), [0x20, 2, 0, 0]);
}

#[test]
fn what_the_command_line_says_goes_before_every_file() {
    let directory = Directory::new();
    let mut command = directory.command("user root\nglobal_max_connections 7\n");
    command.args(["-v", "--max-clients", "1"]);
    let told = Told { daemon: Daemon::spawn(command), directory };
    let address = told.daemon.address();
    let client = connected(address, CONNECT_V311);
    let lines = told.reloads("user root\nglobal_max_connections 5\nlog_type error\n");
    assert!(has(&lines, "nothing has changed"), "{lines:#?}");
    assert_eq!(rest(TcpStream::connect(address).unwrap()), b"", "still one at once");
    assert!(pings(&client));
    told.daemon.line_with("Received PINGREQ from v3");
    // Once there is a listener, those of the command line go.
    let lines = told.reloads("user root\nlistener 0 127.0.0.1\n");
    assert!(has(&lines, "listener closes: port 0 of this machine only"), "{lines:#?}");
}

/// What root may and the broker no longer may is an error with the fix.
#[test]
fn rights_that_were_given_up_are_missed_politely() {
    if !is_root() {
        return; // Nobody else has rights to give up.
    }
    let directory = Directory::new();
    let base = "allow_anonymous true\nuser nobody\nlistener 0 127.0.0.1\n";
    let daemon = Daemon::configured(&directory, &format!("{base}log_dest stderr\n"));
    let told = Told { directory, daemon };
    let client = connected(told.daemon.address(), CONNECT_V311);
    let problems = told.refuses(&format!(
        "{base}log_dest stderr\nlog_dest file DIR/log\nlistener 883 127.0.0.1\n"
    ));
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(has(&problems, "cannot listen on 127.0.0.1:883: Permission denied"), "{problems:#?}");
    assert!(has(&problems, "restart it as root"), "{problems:#?}");
    assert!(has(&problems, "/log"), "{problems:#?}");
    assert!(pings(&client));
    let lines = told.reloads(&format!("{}log_dest stderr\n", base.replace("nobody", "root")));
    assert!(has(&lines, "user was nobody, is root, from the next start on"), "{lines:#?}");
}
