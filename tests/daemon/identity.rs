//! Clients that are who their certificates say: over real sockets, with real certificates, and
//! where there is one, next to a real mosquitto.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DistinguishedName, DnType, SanType};

use crate::harness::{v3, v5};

use super::tls::{Office, TlsStream, has, shell};
use super::{Daemon, Directory, PATIENCE, free_port, introduce};

/// What asks clients for certificates; who has none and no other name is nobody.
const ASKS: &str = "cafile DIR/ca.crt\nrequire_certificate true\nallow_anonymous false\n";

/// The packet that answers these bytes.
fn answer(stream: &mut (impl Read + Write), bytes: impl Into<Vec<u8>>) -> Vec<u8> {
    stream.write_all(&bytes.into()).unwrap();
    let mut answer = vec![0; 2];
    stream.read_exact(&mut answer).unwrap();
    answer.resize(2 + usize::from(answer[1]), 0);
    stream.read_exact(&mut answer[2..]).unwrap();
    answer
}

/// Certificates with everything a name can be made of, and one with nothing.
fn office() -> Office {
    let office = Office::new();
    let ia5 = |text: &str| Ia5String::try_from(text).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Home");
    params.distinguished_name.push(DnType::CommonName, "lamp");
    params.subject_alt_names = vec![
        SanType::Rfc822Name(ia5("lamp@home.example")),
        SanType::DnsName(ia5("lamp.home.example")),
        SanType::DnsName(ia5("second.example")),
        SanType::URI(ia5("urn:dev:lamp-7")),
    ];
    office.issue_as("lamp", params);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Home");
    office.issue_as("nameless", params);
    office
}

fn client(office: &Office, address: SocketAddr) -> TlsStream {
    office.client(address, Some("lamp"))
}

#[test]
fn a_certificate_says_who_somebody_is_and_nothing_else_does() {
    let office = office();
    let path = |name: &str| office.directory.path(name);
    fs::write(path("acl"), "user lamp\ntopic write t\npattern write u/%u\nuser admin\ntopic #\n")
        .unwrap();
    let daemon = office.daemon(&format!("{ASKS}acl_file DIR/acl\nuse_identity_as_username true\n"));
    let address = daemon.address();
    let mut lamp = client(&office, address);
    let connect = v5::connect("c1").user("admin").password("whatever");
    assert_eq!(answer(&mut lamp, connect)[3], 0);
    let line = daemon.line_with("New client connected");
    assert!(line.contains(" as c1 ") && line.contains("u'lamp'"), "{line}");
    assert_eq!(answer(&mut lamp, v5::publish("t", "x").qos(1, 1)), v5::ack(0x40, 1, 0x10));
    assert_eq!(answer(&mut lamp, v5::publish("u/lamp", "x").qos(1, 2)), v5::ack(0x40, 2, 0x10));
    assert_eq!(answer(&mut lamp, v5::publish("u/admin", "x").qos(1, 3)), v5::ack(0x40, 3, 0x87));
    assert_eq!(answer(&mut lamp, v5::publish("secret", "x").qos(1, 4)), v5::ack(0x40, 4, 0x87));
    // A conversation about a password is none where there is nothing to prove.
    let mut scram = client(&office, address);
    let method = [&b"\x15\x00\x0d"[..], b"SCRAM-SHA-256"].concat();
    assert_eq!(answer(&mut scram, v5::connect("c2").properties(method))[3], 0x8c);
    // Who has a certificate and not that name in it.
    for (connect, code) in [(v3::connect("c3"), 4), (v5::connect("c3"), 0x86)] {
        let mut nameless = office.client(address, Some("nameless"));
        assert_eq!(answer(&mut nameless, connect.user("lamp").password("x"))[3], code);
        let line = daemon.line_with("client 'c3', no user: its certificate has no common name.");
        assert!(line.contains("Login failed from 127.0.0.1:"), "{line}");
    }
}

#[test]
fn password_files_are_for_others() {
    let office = office();
    let hash = "$6$c2FsdHNhbHQ=$";
    let digest = "A".repeat(86);
    fs::write(office.directory.path("passwords"), format!("bert:{hash}{digest}==\n")).unwrap();
    let plain = free_port();
    let daemon = office.daemon(&format!(
        "{ASKS}use_identity_as_username true\nuse_username_as_clientid true\n\
         password_file DIR/passwords\nlistener {plain} 127.0.0.1\n"
    ));
    let address = daemon.address();
    let mut lamp = client(&office, address);
    assert_eq!(answer(&mut lamp, v3::connect("c1")), v3::connack(false, 0));
    let line = daemon.line_with("New client connected");
    assert!(line.contains(" as lamp "), "{line}");
    // At the other listener the file counts.
    let mut stranger = TcpStream::connect(("127.0.0.1", plain)).unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    let connect = v3::connect("c2").user("lamp").password("x");
    assert_eq!(answer(&mut stranger, connect), v3::connack(false, 4));
}

#[test]
fn a_name_is_whatever_the_operator_says() {
    let office = office();
    let print = "openssl x509 -in lamp.crt -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | \
                 tr A-Z a-z";
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let fingerprint = shell(print, &office.directory, nowhere).unwrap();
    for (option, name) in [
        ("certificate_username cn", "lamp"),
        ("use_subject_as_username true", "CN=lamp,O=Home"),
        ("certificate_username subject", "CN=lamp,O=Home"),
        ("certificate_username dns", "lamp.home.example"),
        ("certificate_username uri", "urn:dev:lamp-7"),
        ("certificate_username email", "lamp@home.example"),
        ("certificate_username fingerprint", fingerprint.trim()),
    ] {
        let daemon = office.daemon(&format!("{ASKS}{option}\n"));
        let address = daemon.address();
        introduce(&mut client(&office, address), &Vec::from(v3::connect("c1")));
        let line = daemon.line_with("New client connected");
        assert!(line.contains(&format!("u'{name}'")), "{option}: {line}");
    }
}

#[test]
fn who_is_somebody_else_after_a_reload_comes_again() {
    let office = office();
    let lines = |option: &str| {
        let base = "listener PORT 127.0.0.1\ncertfile DIR/server.crt\nkeyfile DIR/server.key\n";
        format!("{base}{ASKS}{option}\n")
    };
    let port = free_port().to_string();
    let lines = |option: &str| lines(option).replace("PORT", &port);
    let daemon = Daemon::configured(&office.directory, &lines("use_identity_as_username true"));
    let address = daemon.address();
    let mut lamp = client(&office, address);
    introduce(&mut lamp, &Vec::from(v5::connect("c1")));
    office.directory.configure(&lines("use_subject_as_username true"));
    daemon.signal("HUP");
    daemon.line_with("Configuration read again");
    let mut told = [0; 3];
    lamp.read_exact(&mut told).unwrap();
    assert_eq!(told[0], 0xe0, "a DISCONNECT");
    introduce(&mut client(&office, address), &Vec::from(v5::connect("c1")));
    let line = daemon.line_with("New client connected");
    assert!(line.contains("u'CN=lamp,O=Home'"), "{line}");
}

/// A header of version 2 with a verified certificate of this name.
fn proxied(name: &str) -> Vec<u8> {
    let record = |kind: u8, value: &[u8]| {
        [&[kind][..], &u16::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
    };
    let tls = record(0x20, &[&[0x07, 0, 0, 0, 0][..], &record(0x22, name.as_bytes())].concat());
    let rest = [b"\xc0\0\x02\x09\x7f\0\0\x01\x12\x67\x07\x5b", &tls[..]].concat();
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11", &len[..], &rest].concat()
}

#[test]
fn a_proxy_says_who_somebody_is_if_it_is_believed() {
    let directory = Directory::new();
    let lines = |networks: &str| {
        let port = free_port();
        format!(
            "listener {port} 127.0.0.1\nenable_proxy_protocol 2\nuse_identity_as_username true\n\
             proxy_trusted_networks {networks}\n"
        )
    };
    let daemon = Daemon::configured(&directory, &lines("127.0.0.1"));
    let address = daemon.address();
    let connect = |address: SocketAddr, header: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        answer(&mut stream, [header, &Vec::from(v3::connect("c1").user("root"))].concat())
    };
    assert_eq!(connect(address, &proxied("lamp")), v3::connack(false, 0));
    let line = daemon.line_with("New client connected");
    assert!(line.contains("192.0.2.9:4711") && line.contains("u'lamp'"), "{line}");
    for odd in ["", "a\nb"] {
        assert_eq!(connect(address, &proxied(odd)), v3::connack(false, 4), "{odd:?}");
        daemon.line_with("its certificate has no common name");
    }
    // Without a certificate, and from elsewhere.
    let bare = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\0\x02\x09\x7f\0\0\x01\x12\x67\x07\x5b";
    assert_eq!(connect(address, bare), v3::connack(false, 4));
    daemon.line_with("from 192.0.2.9:4711, client 'c1', no user: no certificate.");
    let daemon = Daemon::configured(&directory, &lines("10.0.0.0/8"));
    let address = daemon.address();
    assert_eq!(connect(address, b""), v3::connack(false, 4));
    daemon.line_with("Login failed from 127.0.0.1:");
}

/// A mosquitto that runs, killed when dropped.
struct Mosquitto(Child);

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The user name in the line that says who was let in.
fn user_in(line: &str) -> &str {
    let (_, rest) = line.split_once("u'").unwrap_or_else(|| panic!("{line}"));
    rest.rsplit_once('\'').unwrap().0
}

#[test]
fn names_are_those_that_mosquitto_finds() {
    if !has("openssl mosquitto timeout") {
        return;
    }
    let office = Office::new();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let make = "openssl ecparam -genkey -name prime256v1 -noout -out p.key
         openssl req -new -x509 -days 30 -nodes -key p.key -out ca.crt -subj '/CN=An authority'
         cp p.key lamp.key
         openssl req -new -utf8 -nameopt utf8 -key lamp.key -out lamp.csr -subj \
           '/C=DE/O=A, B \\+ C/OU=<x>; \"y\"/CN=first '\
           $(printf '\\303\\274')' #1/CN= second /emailAddress=x@y.example'
         echo basicConstraints=CA:FALSE >v3
         openssl x509 -req -in lamp.csr -CA ca.crt -CAkey p.key -CAcreateserial -out lamp.crt \
           -days 30 -extfile v3";
    shell(&format!("({make}) 2>/dev/null"), &office.directory, nowhere);
    for option in ["use_identity_as_username true", "use_subject_as_username true"] {
        let daemon = office.daemon(&format!("{ASKS}{option}\n"));
        let ours = daemon.address();
        introduce(&mut client(&office, ours), &Vec::from(v3::connect("c1")));
        let ours = daemon.line_with("New client connected");
        // Our log marks what could be taken for its own marks.
        let ours = user_in(&ours).replace("\\\"", "\"").replace("\\\\", "\\");
        let port = free_port();
        let text = format!(
            "listener {port} 127.0.0.1\ncertfile DIR/server.crt\nkeyfile DIR/server.key\n\
             allow_anonymous true\ncafile DIR/ca.crt\nrequire_certificate true\n{option}\n"
        );
        let file = office.directory.path("mosquitto.conf");
        fs::write(&file, text.replace("DIR", &office.directory.path(""))).unwrap();
        let mut command = Command::new("mosquitto");
        command.args(["-c", &file, "-v"]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let _running = Mosquitto(child);
        let mut line_with = |text: &str| {
            lines.by_ref().map_while(Result::ok).find(|line| line.contains(text)).unwrap()
        };
        line_with(" running");
        let mut lamp = client(&office, SocketAddr::from(([127, 0, 0, 1], port)));
        introduce(&mut lamp, &Vec::from(v3::connect("c1")));
        assert_eq!(ours, user_in(&line_with("New client connected")), "{option}");
    }
}
