//! What becomes of certificates while the broker runs: they end, are revoked, are replaced; their
//! keys lie open; they come from the service manager.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, SystemTime};

use mqtt_broker::stamp::Stamp;
use rcgen::{CertificateParams, DnType, SerialNumber};

use super::sys::{message, subscribe};
use super::tls::{Office, pings};
use super::{CONNECT_V311, Daemon, PROGRAM, connect_as, free_port, introduce, refusal, run};

/// A certificate for localhost that ends so many days from now, at midnight.
fn params(days: u64) -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".into()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    let day = end(days);
    let part = |range: std::ops::Range<usize>| day[range].parse::<u32>().unwrap();
    let (month, day) = (u8::try_from(part(5..7)).unwrap(), u8::try_from(part(8..10)).unwrap());
    params.not_after = rcgen::date_time_ymd(part(0..4).try_into().unwrap(), month, day);
    params
}

/// The moment it ends, as it is told.
#[expect(clippy::disallowed_methods, reason = "certificates end in real time")]
fn end(days: u64) -> String {
    let end = SystemTime::now() + Duration::from_secs(days * 24 * 3600);
    format!("{}T00:00:00+0000", &Stamp::utc(end).iso()[..10])
}

#[test]
fn ends_are_told_at_the_start_and_when_they_are_near() {
    let office = Office::new();
    office.issue_as("server", params(100));
    let daemon = office.daemon("");
    let line = daemon.line_with("server.crt: ");
    assert!(line.ends_with(&format!("a certificate ends in 99 days, on {}", end(100))), "{line}");
    office.issue_as("server", params(10));
    let line = daemon.line_with("server.crt: ");
    let expected = format!("a certificate ends in 9 days, on {}; renew it", end(10));
    assert!(line.contains("Warning: ") && line.ends_with(&expected), "{line}");
    let mut gone = params(1);
    gone.not_before = rcgen::date_time_ymd(2020, 1, 1);
    gone.not_after = rcgen::date_time_ymd(2021, 2, 3);
    office.issue_as("server", gone);
    let line = daemon.line_with("server.crt: ");
    let expected = "a certificate has ended, on 2021-02-03T00:00:00+0000; renew it";
    assert!(line.contains("Warning: ") && line.ends_with(expected), "{line}");
}

#[test]
fn ends_are_published() {
    let office = Office::new();
    office.issue_as("server", params(100));
    let port = free_port();
    let lines = |port: u16| {
        format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\ncertfile DIR/server.crt\n\
             keyfile DIR/server.key\nuser root\n"
        )
    };
    let daemon = Daemon::configured(&office.directory, &lines(port));
    let mut client = office.client(daemon.address(), None);
    introduce(&mut client, CONNECT_V311);
    subscribe(&mut client, "$SYS/broker/listeners/#");
    let topic = format!("$SYS/broker/listeners/127.0.0.1:{port}/certificate/expires");
    assert_eq!(message(&mut client), (true, topic.clone(), end(100)));
    office.issue_as("server", params(200));
    assert_eq!(message(&mut client), (false, topic.clone(), end(200)));
    // One more listener, and one less.
    let other = free_port();
    office.directory.configure(&[lines(port), lines(other)].concat());
    daemon.signal("HUP");
    let second = format!("$SYS/broker/listeners/127.0.0.1:{other}/certificate/expires");
    assert_eq!(message(&mut client), (false, second.clone(), end(200)));
    subscribe(&mut client, &second);
    assert_eq!(message(&mut client), (true, second.clone(), end(200)));
    office.directory.configure(&lines(port));
    daemon.signal("HUP");
    assert_eq!(message(&mut client), (false, second, String::new()));
    subscribe(&mut client, "$SYS/broker/listeners/+/certificate/expires");
    assert_eq!(message(&mut client), (true, topic, end(200)));
    pings(&mut client);
}

#[test]
fn who_is_revoked_comes_in_no_more() {
    let office = Office::new();
    let mut lamp = params(100);
    lamp.serial_number = Some(SerialNumber::from(77));
    office.issue_as("lamp", lamp);
    office.issue("other", "other");
    office.revoke("crl", &[5]);
    let daemon =
        office.daemon("cafile DIR/ca.crt\nrequire_certificate true\ncrlfile DIR/crl\nuser root\n");
    let address = daemon.address();
    let mut lamp = office.client(address, Some("lamp"));
    introduce(&mut lamp, CONNECT_V311);
    office.revoke("crl", &[5, 77]);
    daemon.line_with("Certificates read again, for new connections");
    let mut again = office.client(address, Some("lamp"));
    let refused = std::io::Write::write_all(&mut again, CONNECT_V311)
        .and_then(|()| std::io::Read::read_exact(&mut again, &mut [0; 4]));
    assert!(refused.is_err());
    daemon.line_with("TLS: the certificate was revoked");
    introduce(&mut office.client(address, Some("other")), &connect_as("ot"));
    // Who was there stays there.
    pings(&mut lamp);
    // A list that is none changes nothing.
    fs::write(office.directory.path("crl"), "oops").unwrap();
    daemon.line_with("those before go on");
    introduce(&mut office.client(address, Some("other")), &connect_as("o2"));
}

/// As Kubernetes mounts its secrets.
#[test]
fn certificates_behind_a_swapped_link_are_seen() {
    let office = Office::new();
    let path = |name: &str| office.directory.path(name);
    for (version, days) in [("v1", 100), ("v2", 200)] {
        fs::create_dir(path(version)).unwrap();
        office.issue_as(&format!("{version}/tls"), params(days));
    }
    symlink("v1", path("..data")).unwrap();
    for end in ["crt", "key"] {
        let _ = fs::remove_file(path(&format!("server.{end}")));
        symlink(format!("..data/tls.{end}"), path(&format!("server.{end}"))).unwrap();
    }
    let daemon = office.daemon("user root\n");
    daemon.line_with(&end(100));
    symlink("v2", path("..data.new")).unwrap();
    fs::rename(path("..data.new"), path("..data")).unwrap();
    daemon.line_with("Certificates read again, for new connections");
    daemon.line_with(&end(200));
}

#[test]
fn keys_that_others_can_read_are_told_of() {
    let office = Office::new();
    let key = office.directory.path("server.key");
    let set = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    let told =
        format!("{key}: everybody on this machine can read it; mend it with: chmod o-r '{key}'");
    set(0o644);
    let daemon = office.daemon("user root\n");
    daemon.line_with(&told);
    let file = office.directory.path("conf");
    let tested = || String::from_utf8(run(&["-c", &file, "--test-config"]).stdout).unwrap();
    assert_eq!(tested().matches(&told).count(), 1, "{}", tested());
    set(0o640);
    daemon.line_with("Certificates read again, for new connections");
    assert!(!tested().contains("mend it with"), "{}", tested());
    set(0o606);
    daemon.line_with("everybody on this machine can read and write it; mend it with: chmod o-rw '");
}

#[test]
fn certificates_can_be_credentials_of_the_service_manager() {
    let office = Office::new();
    let file = office.directory.path("conf");
    let lines = "listener 0 127.0.0.1\nallow_anonymous true\nuser root\n\
                 certfile $CREDENTIALS_DIRECTORY/server.crt\n\
                 keyfile ${CREDENTIALS_DIRECTORY}/server.key\n";
    fs::write(&file, lines).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["-c", &file]).env("CREDENTIALS_DIRECTORY", office.directory.path(""));
    let daemon = Daemon::spawn(command);
    let address = daemon.address();
    introduce(&mut office.client(address, None), CONNECT_V311);
    office.issue("server", "second");
    daemon.line_with("Certificates read again, for new connections");
    let mut command = Command::new(PROGRAM);
    command.args(["-c", &file]).env_remove("CREDENTIALS_DIRECTORY");
    let (code, told) = refusal(command);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("CREDENTIALS_DIRECTORY is not set"), "{told}");
}

#[test]
fn a_configuration_is_tested_with_its_certificates_and_shows_none_of_them() {
    let office = Office::new();
    let base = "listener 1 127.0.0.1\nallow_anonymous true\ncertfile DIR/server.crt\n";
    let file = office.directory.configure(&format!("{base}keyfile DIR/server.key\n"));
    let output = run(&["-c", &file, "--test-config"]);
    assert_eq!(output.status.code(), Some(0));
    let secret = office.directory.read("server.key");
    let secret = secret.lines().nth(1).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!said.contains(secret) && said.contains("server.key"), "{said}");
    // A key in the place of the certificate, and one that is torn.
    let torn = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n");
    fs::write(office.directory.path("torn.key"), torn).unwrap();
    for key in ["server.crt", "torn.key", "none.key"] {
        let file = office.directory.configure(&format!("{base}keyfile DIR/{key}\n"));
        for test in [&["-c", &file][..], &["-c", &file, "--test-config"]] {
            let output = run(test);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(3), "{said}");
            assert!(said.contains(key) && !said.contains(secret), "{said}");
        }
    }
}
