//! Listeners that speak TLS: with clients of rustls, `openssl s_client` and mosquitto's, and with
//! certificates that are made here.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::interop::Tool;

use super::{CONNECT_V311, Daemon, Directory, PATIENCE, introduce, refusal};

pub(super) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// A directory with an authority and what it has issued.
pub(crate) struct Office {
    pub(crate) directory: Directory,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Office {
    /// With `ca.crt`, and `server.crt` and `server.key` for localhost.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the office");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let office = Self { directory: Directory::new(), issuer };
        fs::write(office.directory.path("ca.crt"), office.issuer.pem()).unwrap();
        office.issue("server", "first");
        office
    }

    /// Issues `FILE.crt` and `FILE.key` to localhost under this common name; both come by being
    /// renamed, the key last.
    pub(crate) fn issue(&self, file: &str, name: &str) {
        let mut params = CertificateParams::new(["localhost".into(), "127.0.0.1".into()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        self.issue_as(file, params);
    }

    /// Issues them with everything that is in `params`.
    pub(super) fn issue_as(&self, file: &str, params: CertificateParams) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        for (end, text) in [("crt", certificate.pem()), ("key", key.serialize_pem())] {
            let new = self.directory.path("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, self.directory.path(&format!("{file}.{end}"))).unwrap();
        }
    }

    /// Writes a list of those that are revoked, by their numbers.
    pub(super) fn revoke(&self, file: &str, numbers: &[u64]) {
        let revoked = |number: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*number),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(numbers.len() as u64),
            issuing_distribution_point: None,
            revoked_certs: numbers.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).unwrap().pem().unwrap();
        let new = self.directory.path("new");
        fs::write(&new, list).unwrap();
        fs::rename(new, self.directory.path(file)).unwrap();
    }

    pub(super) fn daemon(&self, more: &str) -> Daemon {
        let lines = "bind_address 127.0.0.1\nallow_anonymous true\ncertfile DIR/server.crt\n\
                     keyfile DIR/server.key\n";
        Daemon::configured(&self.directory, &format!("{lines}{more}"))
    }

    /// A client that trusts the office and shows a certificate of its own, if it is to.
    pub(super) fn client(&self, address: SocketAddr, own: Option<&str>) -> TlsStream {
        self.wrapped(TcpStream::connect(address).unwrap(), own)
    }

    /// A client behind a proxy that says this first.
    #[cfg(feature = "websocket")]
    pub(super) fn client_behind(&self, address: SocketAddr, header: &[u8]) -> TlsStream {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(header).unwrap();
        self.wrapped(socket, None)
    }

    fn wrapped(&self, socket: TcpStream, own: Option<&str>) -> TlsStream {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let path = |end| self.directory.path(&format!("{name}.{end}"));
                let chain = CertificateDer::pem_file_iter(path("crt")).unwrap();
                let chain = chain.collect::<Result<_, _>>().unwrap();
                let key = PrivateKeyDer::from_pem_file(path("key")).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(connection, socket)
    }
}

pub(super) fn pings(stream: &mut (impl Read + Write)) {
    stream.write_all(b"\xc0\x00").unwrap();
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *b"\xd0\x00");
}

/// The certificate a server has shown.
fn shown(stream: &TlsStream) -> Vec<u8> {
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn new_certificates_are_for_new_connections() {
    let office = Office::new();
    let daemon = office.daemon("");
    let address = daemon.address();
    let mut old = office.client(address, None);
    introduce(&mut old, CONNECT_V311);
    office.issue("server", "second");
    daemon.line_with("Certificates read again, for new connections");
    let mut new = office.client(address, None);
    introduce(&mut new, CONNECT_V311);
    assert_ne!(shown(&old), shown(&new));
    // A certificate that is no good changes nothing.
    fs::write(office.directory.path("server.crt"), "oops").unwrap();
    let line = daemon.line_with("has no certificate");
    assert!(line.contains("server.crt: "), "{line}");
    daemon.line_with("those before go on");
    let newest = {
        let mut newest = office.client(address, None);
        introduce(&mut newest, &super::connect_as("n1"));
        shown(&newest)
    };
    assert_eq!(newest, shown(&new));
    // SIGHUP reads them too.
    office.issue("server", "third");
    daemon.signal("HUP");
    daemon.line_with("Configuration read again");
    let mut last = office.client(address, None);
    introduce(&mut last, &super::connect_as("n2"));
    assert_ne!(shown(&last), newest);
    pings(&mut new);
}

#[test]
fn clients_show_certificates_where_they_must() {
    let office = Office::new();
    office.issue("lamp", "lamp");
    let daemon = office.daemon("cafile DIR/ca.crt\nrequire_certificate true\n");
    let address = daemon.address();
    let mut lamp = office.client(address, Some("lamp"));
    introduce(&mut lamp, CONNECT_V311);
    pings(&mut lamp);
    let mut nobody = office.client(address, None);
    let _ = nobody.write_all(CONNECT_V311); // It may be closed by then.
    assert!(nobody.read_exact(&mut [0; 4]).is_err());
    let line = daemon.line_with("disconnected:");
    assert!(line.contains("TLS: the client has shown no certificate"), "{line}");
    pings(&mut lamp);
}

#[test]
fn who_comes_to_the_wrong_port_is_told_of_in_the_log() {
    let office = Office::new();
    let daemon = office.daemon("");
    let mut plain = TcpStream::connect(daemon.address()).unwrap();
    plain.write_all(CONNECT_V311).unwrap();
    let line = daemon.line_with("disconnected:");
    assert!(line.contains("the client speaks plain MQTT, which this listener does not"), "{line}");
    let daemon = Daemon::start(&[]);
    let mut tls = office.client(daemon.address(), None);
    assert!(tls.write_all(CONNECT_V311).is_err());
    let line = daemon.line_with("disconnected:");
    assert!(line.contains("the client speaks TLS, which this listener does not"), "{line}");
}

#[test]
fn what_is_wrong_with_certificates_is_told_at_the_start() {
    let office = Office::new();
    for (lines, expected) in [
        ("certfile DIR/none.crt\nkeyfile DIR/server.key\n", "cannot read"),
        ("certfile DIR/server.crt\n", "certfile needs its key"),
        ("keyfile DIR/server.key\n", "keyfile needs its certificate"),
        ("cafile DIR/ca.crt\n", "cafile is of no use without TLS"),
        ("certfile DIR/ca.crt\nkeyfile DIR/server.key\n", "is not the key of"),
        (
            "certfile DIR/server.crt\nkeyfile DIR/server.key\nrequire_certificate true\n",
            "require_certificate needs to know who vouches",
        ),
        (
            "certfile DIR/server.crt\nkeyfile DIR/server.key\nciphers RC4-MD5\n",
            "cipher 'RC4-MD5': give one of ECDHE-",
        ),
    ] {
        let lines = format!("listener 1 127.0.0.1\nallow_anonymous true\n{lines}");
        let (code, told) = refusal(office.directory.command(&lines));
        assert_eq!(code, Some(3), "{told}");
        assert!(told.contains("conf:1: ") && told.contains(expected), "{expected}: {told}");
    }
}

/// Runs a command line in a shell; none if a program is not there.
pub(super) fn shell(line: &str, directory: &Directory, address: SocketAddr) -> Option<String> {
    let output = Command::new("timeout")
        .args(["20", "sh", "-ec", line])
        .current_dir(directory.path(""))
        .env("PORT", address.port().to_string())
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{line}\n{text}{complaint}");
    Some(text)
}

pub(super) fn has(programs: &'static str) -> bool {
    let mut probe = Command::new("sh");
    probe.args(["-c", &format!("command -v {programs}")]);
    Tool { name: programs, install: "apt-get install openssl mosquitto-clients", probe }.is_there()
}

#[test]
fn certificates_as_openssl_has_made_them_for_years_work_with_mosquitto_s_clients() {
    if !has("openssl mosquitto_sub mosquitto_pub timeout") {
        return;
    }
    let office = Office::new();
    let make =
        "openssl req -new -x509 -days 30 -nodes -newkey rsa:2048 -keyout ca.key -out ca.crt \
         -subj '/CN=An authority' 2>/dev/null
         for name in localhost lamp; do
           openssl req -new -nodes -newkey rsa:2048 -keyout $name.key -out $name.csr \
             -subj /O=Home/CN=$name 2>/dev/null
           openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
             -out $name.crt -days 30 2>/dev/null
         done
         mv localhost.crt server.crt; mv localhost.key server.key
         openssl x509 -in lamp.crt -noout -text | grep Version:";
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    shell(make, &office.directory, nowhere);
    let daemon = office.daemon("cafile DIR/ca.crt\nrequire_certificate true\n");
    let address = daemon.address();
    let talk = "tls='-h localhost -p '$PORT' --cafile ca.crt --cert lamp.crt --key lamp.key'
         mosquitto_pub $tls -t t -m kept -r -q 1
         mosquitto_sub $tls -t t -C 1 -W 10
         echo | openssl s_client -connect 127.0.0.1:$PORT -CAfile ca.crt -cert lamp.crt \
           -key lamp.key 2>/dev/null | grep -E 'subject=|Verify return code'";
    let said = shell(talk, &office.directory, address).unwrap();
    assert!(said.starts_with("kept\n"), "{said}");
    assert!(said.contains("CN = localhost") || said.contains("CN=localhost"), "{said}");
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
}

fn program(name: &str, arguments: &[&str]) -> std::process::Output {
    let program = match name {
        "producer" => env!("CARGO_BIN_EXE_mqtt-producer"),
        _ => env!("CARGO_BIN_EXE_mqtt-consumer"),
    };
    Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// What a program complains of, and its exit status.
fn complaint(name: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = program(name, arguments);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_client_programs_speak_tls_and_websocket() {
    let office = Office::new();
    office.issue("lamp", "lamp");
    let path = |name: &str| office.directory.path(name);
    let (ca, certificate, key) = (path("ca.crt"), path("lamp.crt"), path("lamp.key"));
    let own = ["--cafile", &ca, "--cert", &certificate, "--key", &key];
    for (web, scheme) in [("", "mqtts"), ("protocol websockets\n", "wss")] {
        let daemon = office.daemon(&format!("cafile DIR/ca.crt\nrequire_certificate true\n{web}"));
        let port = daemon.address().port().to_string();
        let mut place = vec!["-h", "localhost", "-p", &port];
        if !web.is_empty() {
            place.push("--ws");
        }
        let large = "x".repeat(100_000);
        let message = ["-t", "a/b", "-r", "-q", "1", "-m", &large];
        let sent = program("producer", &[&place[..], &own, &message].concat());
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
        let url = if web.is_empty() {
            format!("{scheme}://localhost:{port}/a/b")
        } else {
            format!("{scheme}://localhost:{port}/mqtt")
        };
        let mut arguments = [&["-L", &url, "-C", "1", "-W", "20"][..], &own].concat();
        if !web.is_empty() {
            arguments.extend(["-t", "a/b"]);
        }
        let got = program("consumer", &arguments);
        assert_eq!(String::from_utf8_lossy(&got.stdout), format!("{large}\n"));
        // What is wrong is said, and the program ends.
        let told = complaint("producer", &[&place[..], &["--cafile", &ca], &message].concat());
        assert_eq!(told.0, Some(69), "{}", told.1);
        assert!(
            told.1.contains("TLS: the other end has given up: CertificateRequired"),
            "{told:?}"
        );
        let nobody = ["--cafile", &certificate, "--cert", &certificate, "--key", &key];
        let told = complaint("consumer", &[&place[..], &nobody, &["-t", "a"]].concat());
        assert!(told.1.contains("TLS: "), "{told:?}");
    }
}

#[test]
fn names_of_servers_are_checked_unless_they_are_not_to_be() {
    let office = Office::new();
    let daemon = office.daemon("");
    let (port, ca) = (daemon.address().port().to_string(), office.directory.path("ca.crt"));
    let publish = |more: &[&str]| {
        let message = ["-p", &port, "--cafile", &ca, "-t", "t", "-m", "m"];
        complaint("producer", &[&message[..], more].concat())
    };
    assert_eq!(publish(&["-h", "127.0.0.1"]), (Some(0), String::new()));
    // The same machine by a name that is not in the certificate.
    let told = publish(&["-h", "::ffff:127.0.0.1"]);
    assert!(told.0 == Some(69) && told.1.contains("TLS: "), "{told:?}");
    assert_eq!(publish(&["-h", "::ffff:127.0.0.1", "--insecure"]), (Some(0), String::new()));
    let told = complaint("producer", &["--cert", "x", "-t", "t", "-m", "m"]);
    assert!(
        told.0 == Some(1) && told.1.contains("--cert is of TLS: add --cafile FILE"),
        "{told:?}"
    );
}
