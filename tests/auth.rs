//! Who may come in and who may do what: the real broker with files of passwords and rights.
//!
//! Nothing sleeps: a reload is done when the log says so, and a PINGREQ that is answered is the
//! barrier for everything else.

mod access;
mod logins;
mod program;
mod reload;
pub(crate) mod scram;
mod storm;
mod terminal;
mod watch;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, io::Write as _};

use mqtt_broker::auth::hash::{Hash, Scheme};

use crate::harness::{Broker, Connect, Raw, v3, v5};

const PASSWD: &str = env!("CARGO_BIN_EXE_mqtt-passwd");

/// A directory with files, which goes when the test is over.
struct House(PathBuf);

impl House {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("auth-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file that nobody else may read.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        mode(&path, 0o600);
        path
    }

    /// A broker with these lines as its configuration; `DIR` is this directory.
    fn broker(&self, configuration: &str) -> Arc<Broker> {
        // It keeps its rights, so that it can read its files again.
        let text = format!("user root\n{configuration}");
        let text = text.replace("DIR", self.0.to_str().unwrap());
        Broker::start(&["-c", &self.write("broker.conf", &text)])
    }

    /// One with these passwords and rights.
    fn guarded(&self, passwords: &str, rights: &str) -> Arc<Broker> {
        self.write("passwd", passwords);
        self.write("acl", rights);
        self.broker("allow_anonymous true\npassword_file DIR/passwd\nacl_file DIR/acl\n")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

fn mode(path: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A line that is checked in no time.
fn user(name: &str, password: &str) -> String {
    hashed(Scheme::Sha512, name, password)
}

fn hashed(scheme: Scheme, name: &str, password: &str) -> String {
    let hash = Hash::make(scheme, password.as_bytes(), format!("salt of {name}").as_bytes());
    format!("{name}:{}\n", hash.line())
}

/// A client of 3.1.1 with name and password.
fn as_user(id: &str, name: &str, password: &str) -> Connect {
    v3::connect(id).user(name).password(password)
}

/// A client of 5.0 with name and password.
fn as_user5(id: &str, name: &str, password: &str) -> Connect {
    v5::connect(id).user(name).password(password)
}

/// Two who may do everything with `t`: anna has published there once, and bert has heard it.
fn anna_and_bert(house: &House) -> (Arc<Broker>, Raw, Raw) {
    let users = user("anna", "p") + &user("bert", "p");
    let broker = house.guarded(&users, "user anna\ntopic t\nuser bert\ntopic t\n");
    let mut anna = Raw::online_at(&broker, as_user5("a", "anna", "p"));
    let mut bert = Raw::online_at(&broker, as_user5("b", "bert", "p"));
    bert.send(v5::subscribe(1, &[("t", 1)])).expect(v5::suback(1, &[1]));
    anna.send(v5::publish("t", "1").qos(1, 1)).expect(v5::puback(1));
    bert.accept(v5::publish("t", "1").qos(1, 1));
    (broker, anna, bert)
}

/// What a CONNECT is answered: the return or reason code.
fn code(broker: &Arc<Broker>, connect: Connect) -> u8 {
    let mut client = Raw::to(broker);
    client.send(connect);
    client.packet().body()[1]
}

/// Runs a program with this on its standard input.
fn run(program: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who reads nothing closes it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn passwd(arguments: &[&str], input: &str) -> Output {
    run(PASSWD, arguments, input)
}

/// Whether a program of mosquitto's is there; says so if not.
fn has(program: &str) -> bool {
    let is_there = Command::new(program).arg("--help").output().is_ok();
    if !is_there {
        println!("skipped: no {program}");
    }
    is_there
}
