//! The program with a configuration file, and the manual page against the option table.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use mqtt_broker::config::options::{Entry, GROUPS, Mark};

use crate::daemon::{CONNECT_V5, CONNECT_V311, Daemon, PROGRAM, answer};

/// A directory of a test, gone when it is over.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mqtt-broker-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file, in which `DIR` stands for this directory; its path.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text.replace("DIR", self.0.to_str().unwrap())).unwrap();
        path.to_str().unwrap().into()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// What `--test-config` says, and that it likes the file.
#[track_caller]
fn tested(path: &str) -> String {
    let output = run(&["-c", path, "--test-config"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""));
    String::from_utf8(output.stdout).unwrap()
}

/// What is wrong with a file, line by line, whether it is tested or used.
#[track_caller]
fn refused(path: &str) -> Vec<String> {
    let outputs = [run(&["-c", path]), run(&["-c", path, "--test-config"])];
    let [used, tested] = outputs.map(|output| {
        assert_eq!(output.status.code(), Some(3));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    });
    assert_eq!(used, tested);
    used.lines().map(Into::into).collect()
}

fn start(path: &str, arguments: &[&str]) -> Daemon {
    let mut command = Command::new(PROGRAM);
    command.args(["-c", path]).args(arguments);
    Daemon::spawn(command)
}

/// Debian's file as it is installed, with what its readers add to it.
#[test]
fn the_stock_file_of_debian_starts_a_broker() {
    let directory = Directory::new("debian");
    let path = directory.write(
        "mosquitto.conf",
        "# Place your local configuration in /etc/mosquitto/conf.d/\n\n\
         pid_file DIR/mosquitto.pid\n\npersistence true\npersistence_location DIR/\n\n\
         log_dest file DIR/mosquitto.log\n\ninclude_dir DIR/conf.d\n",
    );
    directory.write("conf.d/local.conf", "listener 1883\nallow_anonymous true\n");
    let policy = tested(&path);
    assert!(policy.starts_with("Listener on port 1883 of every address"), "{policy}");
    assert!(policy.contains("Everybody who can reach it may connect"), "{policy}");
    assert!(policy.contains("whether state outlives the process: true"), "{policy}");
    // The port may be taken on this machine.
    directory.write(
        "conf.d/local.conf",
        "listener 0 127.0.0.1\nallow_anonymous true\nlog_dest stderr\n",
    );
    // The broker may become somebody else, to whom the directory belongs on Debian.
    fs::set_permissions(&directory.0, fs::Permissions::from_mode(0o777)).unwrap();
    let daemon = start(&path, &[]);
    let address = daemon.address();
    let stored = daemon.line_with("Storage: 0 sessions");
    assert!(stored.contains("mqtt-broker.db"), "{stored}");
    assert_eq!(answer(address, CONNECT_V311), [0x20, 2, 0, 0]);
    assert_eq!(answer(address, CONNECT_V5)[3], 0);
    let id = fs::read_to_string(directory.0.join("mosquitto.pid")).unwrap();
    assert!(id.trim().parse::<u32>().is_ok(), "{id}");
    let log = fs::read_to_string(directory.0.join("mosquitto.log")).unwrap();
    assert!(log.contains(": New client connected from 127.0.0.1:"), "{log}");
}

#[test]
fn everything_wrong_is_told_and_the_status_is_3() {
    let directory = Directory::new("wrong");
    let path = directory.write("f.conf", "listener 0 ::1\nmax_qs 1\ninclude_dir DIR/d\ntopic #\n");
    directory.write("d/a.conf", "sys_interval never\nenable_control_api true\n");
    let said = refused(&path);
    let d = directory.0.join("d/a.conf");
    let expected = [
        format!("{path}:2: there is no option 'max_qs'; did you mean max_qos?"),
        format!("{path}:4: topic belongs below a 'connection' line; move it there"),
        format!("{}:1: sys_interval 'never': give seconds, a number from 0 to 65535", d.display()),
        format!(
            "{}:2: enable_control_api is not supported by this build yet (the control topics); \
             remove the line, or wait for one that supports it",
            d.display()
        ),
    ];
    assert_eq!(said, expected);
    let missing = directory.0.join("missing");
    let said = refused(missing.to_str().unwrap());
    assert!(said.len() == 1 && said[0].contains("cannot read it"), "{said:?}");
}

#[test]
fn without_a_listener_it_is_for_this_machine() {
    let directory = Directory::new("local");
    let path = directory.write("f.conf", "max_qos 2\n");
    let daemon = start(&path, &["-p", "0"]);
    let address = daemon.address();
    assert!(address.ip().is_loopback(), "{address}");
    daemon.line_with("Only this machine may connect");
    assert_eq!(answer(address, CONNECT_V311), [0x20, 2, 0, 0]);
    let daemon = start(&path, &["-p", "0", "--host", "127.0.0.1"]);
    assert_eq!(daemon.address().ip().to_string(), "127.0.0.1");
}

#[test]
fn the_command_line_yields_to_listeners_of_the_file() {
    let directory = Directory::new("yields");
    let path = directory.write("f.conf", "listener 0 127.0.0.1\nallow_anonymous true\n");
    let daemon = start(&path, &["-p", "1", "--host", "192.0.2.1", "--max-clients", "1"]);
    let address = daemon.address();
    assert_eq!(address.ip().to_string(), "127.0.0.1");
    let first = std::net::TcpStream::connect(address).unwrap();
    let second = std::net::TcpStream::connect(address).unwrap();
    daemon.line_with("Turning away connections");
    drop((first, second));
}

#[test]
fn who_may_connect_is_said_for_all_or_for_each() {
    let directory = Directory::new("who");
    let path = directory.write(
        "f.conf",
        "allow_anonymous false\nlistener 0 127.0.0.1\nlistener 0 127.0.0.1\n\
         listener_allow_anonymous true\n",
    );
    let daemon = start(&path, &[]);
    let warning = daemon.line_with("nobody can connect");
    assert!(warning.contains("f.conf:2"), "{warning}");
    let (closed, open) = (daemon.address(), daemon.address());
    assert_eq!(answer(closed, CONNECT_V311), [0x20, 2, 0, 5]);
    assert_eq!(answer(closed, CONNECT_V5)[3], 0x87);
    assert_eq!(answer(open, CONNECT_V311), [0x20, 2, 0, 0]);
    let path = directory.write("g.conf", "listener 0 127.0.0.1\n");
    let address = start_and_find(&path);
    assert_eq!(answer(address.1, CONNECT_V311), [0x20, 2, 0, 5], "the default of mosquitto");
}

fn start_and_find(path: &str) -> (Daemon, SocketAddr) {
    let daemon = start(path, &[]);
    let address = daemon.address();
    (daemon, address)
}

/// What a client of 5.0 is told in CONNACK is what the file says.
#[test]
fn limits_reach_the_clients() {
    let directory = Directory::new("limits");
    let path = directory.write(
        "f.conf",
        "listener 0 127.0.0.1\nallow_anonymous true\nmax_qos 1\nmax_topic_alias 3\n\
         max_packet_size 4096\nmax_inflight_messages 7\nmax_keepalive 60\n\
         retain_available false\npersistent_client_expiration 1h\nauto_id_prefix mine-\n",
    );
    let (_daemon, address) = start_and_find(&path);
    // No client id, and a session for ever.
    let connect = b"\x10\x12\x00\x04MQTT\x05\x02\x00\x00\x05\x11\xff\xff\xff\xff\x00\x00";
    let connack = answer(address, connect);
    let has = |bytes: &[u8]| connack.windows(bytes.len()).any(|window| window == bytes);
    assert_eq!(connack[3], 0, "{connack:02x?}");
    assert!(has(&[0x24, 1]), "Maximum QoS: {connack:02x?}");
    assert!(has(&[0x22, 0, 3]), "Topic Alias Maximum: {connack:02x?}");
    assert!(has(&[0x27, 0, 0, 0x10, 0]), "Maximum Packet Size: {connack:02x?}");
    assert!(has(&[0x21, 0, 7]), "Receive Maximum: {connack:02x?}");
    assert!(has(&[0x13, 0, 60]), "Server Keep Alive: {connack:02x?}");
    assert!(has(&[0x25, 0]), "Retain Available: {connack:02x?}");
    assert!(has(&[0x11, 0, 0, 0x0e, 0x10]), "Session Expiry Interval: {connack:02x?}");
    assert!(has(b"mine-"), "Assigned Client Identifier: {connack:02x?}");
}

/// The manual page's groups: the title, and each option with its line and its text.
fn page() -> Vec<(String, Vec<(String, String)>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/man/mqtt-broker.conf.5");
    let text = fs::read_to_string(path).unwrap();
    let mut groups: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut is_item = false;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix(".Sh ") {
            groups.push((title.into(), Vec::new()));
            is_item = false;
        } else if let (Some(item), Some(group)) = (line.strip_prefix(".It Ic "), groups.last_mut())
        {
            group.1.push((item.into(), String::new()));
            is_item = true;
        } else if let Some((_, items)) = groups.last_mut() {
            is_item &= line != ".El";
            let item = if is_item { items.last_mut() } else { None };
            match item {
                Some((_, text)) => *text += &format!("{} ", line.trim_start_matches("\\&")),
                None if line == ".Bd -literal -offset indent" => items.push(Default::default()),
                None => {}
            }
        }
    }
    groups
}

/// What the page has to say of an option besides what it does.
fn sentences(entry: &Entry) -> Vec<String> {
    let mut all = vec![format!("Default: {}. ", entry.default)];
    all.extend(entry.aliases.iter().map(|alias| format!(".Ic {alias} . ")));
    if !entry.instead.is_empty() {
        all.push(format!("On its way out; instead: {}. ", entry.instead));
    }
    match entry.mark {
        Mark::Works => {}
        // The page is of a build that has everything.
        Mark::Refused(why) if why.starts_with("this build has no ") => {}
        Mark::Warns(what) => all.push(format!("With a warning: {what}. ")),
        Mark::Refused(why) => all.push(format!("Refused: {why}. ")),
        Mark::Later(feature) => all.push(format!("Not supported by this build yet: {feature}. ")),
    }
    all
}

#[test]
fn table_and_manual_page_agree() {
    let page = page();
    for (title, entries) in GROUPS {
        let (_, items) = page.iter().find(|(found, _)| found == title).expect(title);
        let (options, examples): (Vec<_>, Vec<_>) =
            items.iter().partition(|(item, _)| !item.is_empty());
        assert_eq!(examples.len(), 1, "{title} has an example");
        let found: Vec<&str> = options.iter().map(|(item, _)| item.as_str()).collect();
        let expected: Vec<String> = entries
            .iter()
            .map(|entry| format!("{} Ar {}", entry.name, entry.kind.hint()))
            .collect();
        assert_eq!(found, expected, "{title}");
        for (entry, (_, text)) in entries.iter().zip(options) {
            let mut said = 0;
            for sentence in sentences(entry) {
                assert!(
                    text.contains(&sentence),
                    "{}: {sentence:?} is not in {text:?}",
                    entry.name
                );
                said += sentence.len();
            }
            assert!(text.len() > said + 10, "{}: the page says what it does", entry.name);
            for other in ["With a warning: ", "Refused: ", "Not supported by this build yet: "] {
                let is_said = sentences(entry).iter().any(|sentence| sentence.starts_with(other));
                assert_eq!(text.contains(other), is_said, "{}: {other}", entry.name);
            }
        }
    }
    let titles: Vec<&str> = page.iter().map(|(title, _)| title.as_str()).collect();
    let known = ["NAME", "DESCRIPTION", "PASSWORD FILES", "ACCESS CONTROL LISTS", "SEE ALSO"];
    let strange: Vec<_> = titles
        .iter()
        .filter(|title| !known.contains(title) && !GROUPS.iter().any(|(known, _)| known == *title))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}
