//! TLS between two ends in memory: handshakes in pieces of any size, certificates of every kind
//! that people have, and the errors of those who get it wrong.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, SigningKey, date_time_ymd,
};
use rustls::HandshakeKind;
use x509_cert::der::{Reader, SliceReader};

use super::super::settings::{Expiry, File, TlsClient, TlsServer, TlsVersions};
use super::*;

/// It is always the same moment, in the middle of 2030.
const fn noon() -> u64 {
    1_909_000_000
}

fn pem(path: &str, label: &str, der: &[u8]) -> File {
    let text = rcgen_pem(label, der);
    File { path: path.into(), bytes: text.into_bytes() }
}

fn rcgen_pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|l| str::from_utf8(l).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Somebody's certificate and key.
struct Owner {
    der: Vec<u8>,
    key: KeyPair,
    params: CertificateParams,
}

impl Owner {
    fn certificate(&self, path: &str) -> File {
        pem(path, "CERTIFICATE", &self.der)
    }

    fn key(&self, path: &str) -> File {
        File { path: path.into(), bytes: self.key.serialize_pem().into_bytes() }
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2030, 1, 1);
    params.not_after = date_time_ymd(2031, 1, 1);
    params.serial_number = Some(SerialNumber::from(4711_u64));
    params
}

fn authority(name: &str) -> Owner {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    Owner { der, key, params }
}

fn signed(params: CertificateParams, by: &Owner) -> Owner {
    let key = KeyPair::generate().unwrap();
    let der = params.signed_by(&key, &by.issuer()).unwrap().der().to_vec();
    Owner { der, key, params }
}

fn server_of(by: &Owner) -> Owner {
    let mut params = params("common.example");
    params.subject_alt_names = vec![SanType::DnsName("broker.example".try_into().unwrap())];
    signed(params, by)
}

/// The same certificate as version 1 has it: no version, no extensions.
fn as_v1(owner: Owner, by: &Owner) -> Owner {
    let tlv = |tag: u8, inside: &[u8]| {
        let [high, low] = u16::try_from(inside.len()).unwrap().to_be_bytes();
        let len: &[u8] = match (high, low) {
            (0, ..0x80) => &[low],
            (0, _) => &[0x81, low],
            _ => &[0x82, high, low],
        };
        [&[tag], len, inside].concat()
    };
    let parts = |bytes: &[u8]| -> Vec<Vec<u8>> {
        SliceReader::new(bytes)
            .unwrap()
            .sequence(|reader| {
                let mut parts = Vec::new();
                while !reader.is_finished() {
                    parts.push(reader.tlv_bytes()?.to_vec());
                }
                Ok::<_, x509_cert::der::Error>(parts)
            })
            .unwrap()
    };
    let whole = parts(&owner.der);
    let kept: Vec<u8> =
        parts(&whole[0]).into_iter().filter(|part| part[0] & 0xe0 != 0xa0).flatten().collect();
    let inner = tlv(0x30, &kept);
    let signature = [&[0][..], &by.key.sign(&inner).unwrap()].concat();
    let der = tlv(0x30, &[&inner, &whole[1][..], &tlv(0x03, &signature)].concat());
    assert!(Certificate::read(&der).unwrap().is_v1());
    Owner { der, ..owner }
}

fn server(owner: &Owner) -> TlsServer {
    TlsServer {
        certificate: owner.certificate("server.crt"),
        key: owner.key("server.key"),
        ..TlsServer::default()
    }
}

fn asking(owner: &Owner, authorities: &[&Owner]) -> TlsServer {
    let authorities = authorities.iter().map(|one| one.certificate("ca.crt")).collect();
    TlsServer { authorities, requires_certificate: true, ..server(owner) }
}

fn client(authority: &Owner) -> TlsClient {
    let authorities = vec![authority.certificate("ca.crt")];
    TlsClient { authorities, ..TlsClient::default() }
}

fn with(owner: &Owner, settings: TlsClient) -> TlsClient {
    let identity = Some((owner.certificate("client.crt"), owner.key("client.key")));
    TlsClient { identity, ..settings }
}

fn acceptor(settings: &TlsServer) -> Acceptor {
    Acceptor::new(settings, noon).unwrap()
}

fn connector(settings: &TlsClient, host: &str) -> Connector {
    Connector::new(settings, host, noon).unwrap()
}

/// Both ends, and what is on its way between them.
struct Pair {
    server: Tls,
    client: Tls,
    up: Vec<u8>,
    down: Vec<u8>,
    at_server: Vec<u8>,
    at_client: Vec<u8>,
    faults: Vec<String>,
}

impl Pair {
    fn new(acceptor: &Acceptor, connector: &Connector) -> Self {
        let mut up = Vec::new();
        let client = Tls::client(connector, &mut up).unwrap();
        Self {
            server: Tls::server(acceptor),
            client,
            up,
            down: Vec::new(),
            at_server: Vec::new(),
            at_client: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Carries everything there is in pieces of `gulp` bytes, until nothing is left.
    fn settle(&mut self, gulp: usize) -> &mut Self {
        while !self.up.is_empty() || !self.down.is_empty() {
            let (up, down) = (std::mem::take(&mut self.up), std::mem::take(&mut self.down));
            let mut said = Vec::new();
            for piece in up.chunks(gulp) {
                let mut piece = piece.to_vec();
                said.push(self.server.open(&mut piece, &mut self.at_server, &mut self.down));
            }
            for piece in down.chunks(gulp) {
                let mut piece = piece.to_vec();
                said.push(self.client.open(&mut piece, &mut self.at_client, &mut self.up));
            }
            self.faults.extend(said.into_iter().filter_map(|said| Some(said.fault?.0)));
        }
        self
    }

    fn is_up(&self) -> bool {
        !self.server.is_handshaking() && !self.client.is_handshaking() && self.faults.is_empty()
    }
}

fn meet(server: &TlsServer, client: &TlsClient) -> Pair {
    let mut pair = Pair::new(&acceptor(server), &connector(client, "broker.example"));
    pair.settle(usize::MAX);
    pair
}

#[test]
fn handshakes_and_records_may_be_split_anywhere() {
    let ca = authority("ca");
    let owner = server_of(&ca);
    for versions in [TlsVersions::Tls13, TlsVersions::Tls12] {
        let mut settings = asking(&owner, &[&ca]);
        settings.versions = versions;
        settings.ciphers_tls13 = Some("TLS_CHACHA20_POLY1305_SHA256".into());
        let acceptor = acceptor(&settings);
        let lamp = signed(params("lamp"), &ca);
        let connector = connector(&with(&lamp, client(&ca)), "broker.example");
        for gulp in [1, 2, 3, 5, 100, 1460, usize::MAX] {
            let mut pair = Pair::new(&acceptor, &connector);
            pair.settle(gulp);
            assert!(pair.is_up(), "{gulp}: {:?}", pair.faults);
            let large: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[1]).collect();
            pair.client.seal(&[b"up"], &mut pair.up);
            pair.client.seal(&[&large], &mut pair.up);
            pair.server.seal(&[b"do", b"", b"wn"], &mut pair.down);
            pair.settle(gulp);
            assert_eq!(pair.at_client, b"down");
            assert!(pair.at_server.starts_with(b"up") && pair.at_server[2..] == large);
            assert_eq!(pair.server.buffered() + pair.client.buffered(), 0, "both idle");
            let facts = pair.server.certificate().unwrap();
            assert_eq!(facts.common_name.as_deref(), Some("lamp"));
            assert_eq!(facts.fingerprint, Some(cipher::sha256(&lamp.der)));
        }
    }
}

#[test]
fn both_versions_are_spoken_unless_one_is_ruled_out() {
    let ca = authority("ca");
    let owner = server_of(&ca);
    let version = |server: &TlsServer, client: &TlsClient| {
        let pair = meet(server, client);
        pair.is_up().then(|| pair.server.state().protocol_version().unwrap())
    };
    let new = client(&ca);
    let old = TlsClient { versions: TlsVersions::Tls12, ..new.clone() };
    assert_eq!(version(&server(&owner), &new), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(version(&server(&owner), &old), Some(rustls::ProtocolVersion::TLSv1_2));
    let strict = TlsServer { versions: TlsVersions::Tls13, ..server(&owner) };
    assert_eq!(version(&strict, &new), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(version(&strict, &old), None);
}

#[test]
fn sessions_are_resumed_and_not_across_a_reload() {
    let ca = authority("ca");
    let settings = asking(&server_of(&ca), &[&ca]);
    let lamp = signed(params("lamp"), &ca);
    for versions in [TlsVersions::Tls13, TlsVersions::Tls12] {
        let client = TlsClient { versions, ..with(&lamp, client(&ca)) };
        let connector = connector(&client, "broker.example");
        let (first, reloaded) = (acceptor(&settings), acceptor(&settings));
        let kinds: Vec<_> = [&first, &first, &first, &reloaded]
            .into_iter()
            .map(|acceptor| {
                let mut pair = Pair::new(acceptor, &connector);
                assert!(pair.settle(usize::MAX).is_up(), "{:?}", pair.faults);
                let facts = pair.server.certificate().unwrap();
                assert_eq!(facts.common_name.as_deref(), Some("lamp"));
                pair.server.state().handshake_kind().unwrap()
            })
            .collect();
        assert_eq!(kinds[0], HandshakeKind::Full);
        assert_eq!(kinds[1..3], [HandshakeKind::Resumed; 2]);
        assert_ne!(kinds[3], HandshakeKind::Resumed);
    }
}

#[test]
fn a_goodbye_is_heard_and_a_plain_client_is_recognised() {
    let ca = authority("ca");
    let owner = server_of(&ca);
    let mut pair = meet(&server(&owner), &client(&ca));
    pair.client.seal(&[b"last"], &mut pair.up);
    pair.client.close(&mut pair.up);
    let mut up = std::mem::take(&mut pair.up);
    let opened = pair.server.open(&mut up, &mut pair.at_server, &mut pair.down);
    assert_eq!(opened, Opened { is_closed: true, fault: None });
    assert_eq!(pair.at_server, b"last");
    pair.server.seal(&[b"still"], &mut pair.down);
    pair.server.close(&mut pair.down);
    pair.server.seal(&[b"no more"], &mut pair.down);
    pair.client.is_over = false; // It would not listen any more.
    let mut down = std::mem::take(&mut pair.down);
    assert!(pair.client.open(&mut down, &mut pair.at_client, &mut pair.up).is_closed);
    assert_eq!(pair.at_client, b"still");

    for (first, what) in [
        (&b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0"[..], "the client speaks plain MQTT"),
        (b"GET / HTTP/1.1\r\n\r\n", "the client speaks HTTP"),
        (b"\x99\x99\x99\x99\x99\x99", "TLS: this is no TLS"),
    ] {
        let mut tls = Tls::server(&acceptor(&server(&owner)));
        let (mut plain, mut wire) = (Vec::new(), Vec::new());
        let opened = tls.open(&mut first.to_vec(), &mut plain, &mut wire);
        assert!(opened.fault.unwrap().0.starts_with(what), "{first:?}");
        assert!(!wire.is_empty(), "it is told by an alert");
        let opened = tls.open(&mut first.to_vec(), &mut plain, &mut wire);
        assert_eq!(opened, Opened::default(), "said once");
    }
}

#[test]
fn client_certificates_are_verified() {
    let (ca, other) = (authority("ca"), authority("other"));
    let owner = server_of(&ca);
    let settings = asking(&owner, &[&ca]);
    let good = signed(params("lamp"), &ca);
    assert!(meet(&settings, &with(&good, client(&ca))).is_up());
    let refused = |settings: &TlsServer, client: &TlsClient, why: &str| {
        let pair = meet(settings, client);
        assert!(!pair.is_up(), "{why}");
        assert!(pair.faults.iter().any(|fault| fault.contains(why)), "{why}: {:?}", pair.faults);
    };
    refused(&settings, &client(&ca), "has shown no certificate");
    let stranger = signed(params("lamp"), &other);
    refused(&settings, &with(&stranger, client(&ca)), "nobody trusted vouches");
    let mut old = params("lamp");
    old.not_before = date_time_ymd(2029, 1, 1);
    old.not_after = date_time_ymd(2030, 2, 1);
    let old = signed(old, &ca);
    refused(&settings, &with(&old, client(&ca)), "expired");
    let lenient = TlsServer { ignores_dates: true, ..settings.clone() };
    assert!(meet(&lenient, &with(&old, client(&ca))).is_up());
    refused(&lenient, &with(&stranger, client(&ca)), "nobody trusted vouches");
    let mut purpose = params("lamp");
    purpose.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    refused(&settings, &with(&signed(purpose, &ca), client(&ca)), "");
    // Who does not ask is shown nothing and takes everybody.
    let pair = meet(&server(&owner), &with(&stranger, client(&ca)));
    assert!(pair.is_up() && pair.server.certificate().is_none());
}

#[test]
fn revoked_certificates_are_refused() {
    let mut ca = authority("ca");
    ca.params.key_usages = vec![KeyUsagePurpose::CrlSign, KeyUsagePurpose::KeyCertSign];
    ca.der = ca.params.self_signed(&ca.key).unwrap().der().to_vec();
    let number = |number: u64| {
        let mut params = params("lamp");
        params.serial_number = Some(SerialNumber::from(number));
        params
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2030, 1, 1),
        next_update: date_time_ymd(2030, 12, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(66_u64),
            revocation_time: date_time_ymd(2030, 1, 1),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&ca.issuer()).unwrap();
    let owner = server_of(&ca);
    let mut settings = asking(&owner, &[&ca]);
    settings.revoked = vec![pem("ca.crl", "X509 CRL", list.der())];
    for is_v1 in [false, true] {
        let make = |params| {
            let owner = signed(params, &ca);
            if is_v1 { as_v1(owner, &ca) } else { owner }
        };
        let good = meet(&settings, &with(&make(number(67)), client(&ca)));
        assert!(good.is_up(), "{:?}", good.faults);
        let bad = meet(&settings, &with(&make(number(66)), client(&ca)));
        assert!(bad.faults[0].contains("revoked"), "{:?}", bad.faults);
    }
    // An authority whose list is not there.
    let other = authority("other");
    settings.authorities.push(other.certificate("other.crt"));
    for is_v1 in [false, true] {
        let owner = signed(params("lamp"), &other);
        let owner = if is_v1 { as_v1(owner, &other) } else { owner };
        assert!(!meet(&settings, &with(&owner, client(&ca))).is_up());
    }
}

#[test]
fn certificates_of_version_1_are_served_and_verified() {
    let (ca, other) = (authority("ca"), authority("other"));
    let named = |name: &str| as_v1(signed(params(name), &ca), &ca);
    let owner = named("broker.example");
    let settings = asking(&owner, &[&ca]);
    for versions in [TlsVersions::Tls13, TlsVersions::Tls12] {
        let try_it = |lamp: &Owner, host: &str| {
            let client = TlsClient { versions, ..with(lamp, client(&ca)) };
            let connector = connector(&client, host);
            let mut pair = Pair::new(&acceptor(&settings), &connector);
            pair.settle(usize::MAX);
            pair
        };
        let pair = try_it(&named("lamp"), "broker.example");
        assert!(pair.is_up(), "{:?}", pair.faults);
        let facts = pair.server.certificate().unwrap();
        assert_eq!(
            (facts.common_name.as_deref(), facts.subject.as_str()),
            (Some("lamp"), "CN=lamp")
        );
        assert!(!try_it(&named("lamp"), "other.example").is_up(), "the server has another name");
        // Signed by somebody else who has the same name as the authority.
        let twin = authority("ca");
        let forged = as_v1(signed(params("lamp"), &twin), &twin);
        assert!(try_it(&forged, "broker.example").faults[0].contains("nobody trusted"));
        let stranger = as_v1(signed(params("lamp"), &other), &other);
        assert!(try_it(&stranger, "broker.example").faults[0].contains("nobody trusted"));
        let mut old = params("lamp");
        old.not_after = date_time_ymd(2030, 2, 1);
        let old = as_v1(signed(old, &ca), &ca);
        assert!(try_it(&old, "broker.example").faults[0].contains("expired"));
        let lenient = TlsServer { ignores_dates: true, ..settings.clone() };
        assert!(meet(&lenient, &with(&old, client(&ca))).is_up());
        // The certificate is right and the key is another's.
        let thief = Owner { key: KeyPair::generate().unwrap(), ..named("lamp") };
        let thief = with(&thief, client(&ca));
        assert!(Connector::new(&thief, "a", noon).unwrap_err().contains("is not the key"));
    }
}

#[test]
fn a_certificate_that_vouches_for_itself_works_at_both_ends() {
    let mut params = params("broker.example");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.subject_alt_names = vec![SanType::DnsName("broker.example".try_into().unwrap())];
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    let own = Owner { der, key, params };
    let settings = asking(&own, &[&own]);
    let both = with(&own, client(&own));
    let pair = meet(&settings, &both);
    assert!(pair.is_up(), "{:?}", pair.faults);
    let elsewhere = connector(&both, "other.example");
    assert!(!Pair::new(&acceptor(&settings), &elsewhere).settle(usize::MAX).is_up());
    // Another that vouches for itself is nobody's.
    let stranger = authority("broker.example");
    assert!(!meet(&settings, &with(&stranger, client(&own))).is_up());
    // An authority below a trusted one may be a client, unless it says otherwise.
    let mut below = self::params("below");
    below.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert!(meet(&settings, &with(&signed(below.clone(), &own), client(&own))).is_up());
    below.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    assert!(!meet(&settings, &with(&signed(below, &own), client(&own))).is_up());
}

#[test]
fn servers_are_verified_by_their_names() {
    let (ca, other) = (authority("ca"), authority("other"));
    let try_name = |owner: &Owner, settings: &TlsClient, host: &str| {
        let connector = connector(settings, host);
        Pair::new(&acceptor(&server(owner)), &connector).settle(usize::MAX).is_up()
    };
    let named = server_of(&ca);
    assert!(try_name(&named, &client(&ca), "broker.example"));
    assert!(!try_name(&named, &client(&ca), "common.example"), "it has other names");
    assert!(!try_name(&named, &client(&ca), "other.example"));
    assert!(!try_name(&named, &client(&other), "broker.example"));
    let any = TlsClient { any_name: true, ..client(&ca) };
    assert!(try_name(&named, &any, "other.example"));
    let any = TlsClient { any_name: true, ..client(&other) };
    assert!(!try_name(&named, &any, "broker.example"), "somebody must vouch for it all the same");
    let plain = signed(params("*.example"), &ca);
    assert!(try_name(&plain, &client(&ca), "broker.example"), "only a common name");
    assert!(!try_name(&plain, &client(&ca), "a.broker.example"));
    let address = signed(params("127.0.0.1"), &ca);
    assert!(try_name(&address, &client(&ca), "127.0.0.1"));
    assert!(!try_name(&signed(params("*.0.0.1"), &ca), &client(&ca), "127.0.0.1"));
    // What the system trusts.
    let system = TlsClient { system: vec![ca.der, vec![0; 9]], ..Default::default() };
    assert!(try_name(&named, &system, "broker.example"));
}

#[test]
fn subjects_and_other_names_are_told() {
    let ca = authority("ca");
    let mut params = params("lamp, the \"2nd\"");
    params.distinguished_name.push(DnType::OrganizationName, "H\u{f6}me");
    params.distinguished_name.push(DnType::CountryName, "DE");
    params.subject_alt_names = vec![
        SanType::DnsName("lamp.example".try_into().unwrap()),
        SanType::URI("urn:lamp:1".try_into().unwrap()),
        SanType::Rfc822Name("lamp@example.org".try_into().unwrap()),
        SanType::DnsName("*.lamp.example".try_into().unwrap()),
    ];
    let lamp = signed(params, &ca);
    let facts = Certificate::read(&lamp.der).unwrap().facts([7; 32]);
    assert_eq!(facts.common_name.as_deref(), Some("lamp, the \"2nd\""));
    assert_eq!(facts.subject, "C=DE,O=H\\C3\\B6me,CN=lamp\\, the \\\"2nd\\\"");
    assert_eq!(facts.dns_names, ["lamp.example", "*.lamp.example"]);
    assert_eq!(facts.uris, ["urn:lamp:1"]);
    assert_eq!(facts.emails, ["lamp@example.org"]);
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name() {
    let (ca, other) = (authority("ca"), authority("other"));
    let owner = server_of(&ca);
    let good = asking(&owner, &[&ca]);
    let fails = |change: &dyn Fn(&mut TlsServer), what: &str| {
        let mut settings = good.clone();
        change(&mut settings);
        let error = Acceptor::new(&settings, noon).unwrap_err();
        assert!(error.contains(what), "{what}: {error}");
    };
    fails(&|s| s.certificate.bytes = b"nothing".to_vec(), "server.crt: has no certificate");
    fails(&|s| s.certificate.bytes = owner.der.clone(), "openssl x509 -inform der -in server.crt");
    fails(&|s| s.certificate = pem("x.crt", "CERTIFICATE", b"\x30\x01"), "x.crt: a certificate ca");
    fails(&|s| s.key.bytes.clear(), "server.key: has no private key");
    fails(&|s| s.key = other.key("other.key"), "other.key: is not the key of server.crt");
    fails(
        &|s| s.key = pem("s.key", "ENCRYPTED PRIVATE KEY", b"secret"),
        "s.key: is locked by a password, which nobody is there to type; 'openssl pkey -in s.key",
    );
    fails(&|s| s.key = pem("s.key", "PRIVATE KEY", b"secret"), "s.key: is no key that can be used");
    fails(&|s| s.key.bytes.truncate(60), "server.key: a PEM section has no end");
    fails(&|s| s.authorities.clear(), "nobody vouches");
    fails(&|s| s.revoked = vec![owner.certificate("a.crl")], "a.crl: has no list of revoked");
    fails(&|s| s.revoked = vec![pem("a.crl", "X509 CRL", b"x")], "a.crl: cannot be used");
    fails(&|s| s.ciphers = Some("AES256-SHA".into()), "cipher 'AES256-SHA'");
    let acceptor = acceptor(&good);
    let end = 1_924_992_000; // 2031-01-01
    assert_eq!(
        acceptor.expiry(),
        [Expiry { path: "server.crt".into(), at: end }, Expiry { path: "ca.crt".into(), at: end }]
    );
    let nobody = TlsClient::default();
    assert!(Connector::new(&nobody, "a", noon).unwrap_err().contains("--cafile"));
    assert!(Connector::new(&client(&ca), "a b", noon).is_err());
}

#[test]
fn noise_never_panics_and_is_not_kept() {
    let ca = authority("ca");
    let acceptor = acceptor(&server(&server_of(&ca)));
    let mut hello = Vec::new();
    let _client = Tls::client(&connector(&client(&ca), "broker.example"), &mut hello).unwrap();
    let mut random = crate::rng::Rng::new(8);
    for _ in 0..2000 {
        let mut bytes = hello.clone();
        for _ in 0..=random.below(4) {
            let at = random.index(bytes.len());
            bytes[at] = random.next_u64().to_le_bytes()[0];
        }
        bytes.truncate(random.index(bytes.len()) + 1);
        let mut tls = Tls::server(&acceptor);
        let (mut plain, mut wire) = (Vec::new(), Vec::new());
        let cut = random.index(bytes.len());
        let (a, b) = bytes.split_at_mut(cut);
        let over = tls.open(a, &mut plain, &mut wire).fault.is_some();
        let over = over || tls.open(b, &mut plain, &mut wire).fault.is_some();
        assert!(plain.is_empty());
        assert!(tls.buffered() <= bytes.len() * 2);
        assert!(!over || tls.is_over);
    }
}
