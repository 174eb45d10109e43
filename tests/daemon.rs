//! The daemon as its operator sees it: options, log, signals, limits of the process.
//!
//! Real processes, ended by real signals. Nothing sleeps: the log is read line by line, and its
//! end is the end of the process.

#[cfg(feature = "tls")]
mod certificates;
mod day;
mod handover;
#[cfg(feature = "tls")]
mod identity;
mod listeners;
mod logs;
mod manager;
mod process;
mod reload;
#[cfg(all(feature = "tls", feature = "websocket"))]
mod slow;
pub(crate) mod sys;
#[cfg(feature = "tls")]
pub(crate) mod tls;
mod unix;
#[cfg(feature = "websocket")]
mod web;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use crate::harness::raw::PATIENCE;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_mqtt-broker");

pub(crate) const CONNECT_V311: &[u8] = b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02v3";
pub(crate) const CONNECT_V5: &[u8] = b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x02v5";

/// A broker process and what it says.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    /// Starts one on a free port of this machine.
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["--host", "127.0.0.1", "--port", "0"]).args(arguments);
        Self::spawn(command)
    }

    /// Starts one with a configuration, on a free port of this machine.
    fn configured(directory: &Directory, configuration: &str) -> Self {
        Self::spawn(directory.command(configuration))
    }

    pub(crate) fn spawn(command: Command) -> Self {
        Self::spawn_with(command, Stdio::null())
    }

    /// Starts one with this as its standard input.
    fn spawn_with(mut command: Command, input: impl Into<Stdio>) -> Self {
        command.stdin(input).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        let read = move || log.lines().map_while(Result::ok).all(|l| sender.send(l).is_ok());
        thread::Builder::new().spawn(read).unwrap();
        Self { child, lines }
    }

    /// The next line it logs.
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// The next line that contains `text`.
    pub(crate) fn line_with(&self, text: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Where it says it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let line = self.line_with("listening on ");
        line.split_once("listening on ").unwrap().1.parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit code, once it has ended by itself.
    pub(crate) fn ended(mut self) -> Option<i32> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap().code(),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended by itself.
        let _ = self.child.wait();
    }
}

/// Bytes of memory that a broker has.
#[cfg(all(feature = "tls", feature = "websocket"))]
fn resident(daemon: &Daemon) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// A directory of a test's own.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mqtt-broker-daemon-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes the configuration, in which DIR is the directory; its path.
    fn configure(&self, configuration: &str) -> String {
        let file = self.path("conf");
        fs::write(&file, configuration.replace("DIR", self.0.to_str().unwrap())).unwrap();
        file
    }

    /// A broker with this configuration, in which DIR is the directory.
    pub(crate) fn command(&self, configuration: &str) -> Command {
        let file = self.configure(configuration);
        let mut command = Command::new(PROGRAM);
        command.args(["-c", &file, "-p", "0"]);
        command
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // nothing depends on it
    }
}

/// Waits for something that another process does and nothing announces.
#[expect(clippy::disallowed_methods, reason = "a test that waits must end")]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

fn connected(address: SocketAddr, connect: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    introduce(&mut stream, connect);
    stream
}

/// Sends a CONNECT and reads the CONNACK.
fn introduce(stream: &mut (impl Read + Write), connect: &[u8]) {
    stream.write_all(connect).unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x20, "a CONNACK");
    stream.read_exact(&mut vec![0; usize::from(head[1])]).unwrap();
}

/// A CONNECT of MQTT 3.1.1 with a client id of two letters of its own.
fn connect_as(id: &str) -> Vec<u8> {
    assert_eq!(id.len(), 2);
    [&CONNECT_V311[..CONNECT_V311.len() - 2], id.as_bytes()].concat()
}

/// A port of this machine that nobody has at the moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The one line that a broker says which cannot start, and its exit code.
fn refusal(mut command: Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let line = said.lines().last().unwrap_or_default().to_owned();
    (output.status.code(), line)
}

/// The packet that answers another.
pub(crate) fn answer(address: SocketAddr, packet: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(packet).unwrap();
    let mut answer = vec![0; 2];
    stream.read_exact(&mut answer).unwrap();
    let len = usize::from(answer[1]);
    answer.resize(2 + len, 0);
    stream.read_exact(&mut answer[2..]).unwrap();
    answer
}

fn pings<S>(stream: &S) -> bool
where
    for<'a> &'a S: Read + Write,
{
    let (mut stream, mut answer) = (stream, [0; 2]);
    stream.write_all(b"\xc0\x00").is_ok() && stream.read_exact(&mut answer).is_ok()
}

/// Everything it sends until it closes.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rest
}

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn it_says_where_it_listens_and_warns() {
    let daemon = Daemon::start(&[]);
    assert_ne!(daemon.address().port(), 0);
    let mut command = Command::new(PROGRAM);
    command.args(["--host", "0.0.0.0", "-p0", "--host", "127.0.0.1"]);
    let daemon = Daemon::spawn(command);
    assert!(daemon.line().starts_with("listening on 0.0.0.0:"));
    assert!(daemon.line().starts_with("listening on 127.0.0.1:"));
    let warning = daemon.line();
    assert!(warning.starts_with("Warning: ") && warning.contains("may connect"), "{warning}");
}

#[test]
fn a_mistake_is_answered_by_one_line_with_advice() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let cases: &[(&[&str], &str)] = &[
        (&["--prot", "1"], "--help"),
        (&["-p"], "needs an argument"),
        (&["-p", "70000"], "65535"),
        (&["--port", "x"], "65535"),
        (&["--max-clients", "-1"], "how many"),
        (&["--host", "no such host"], "--host"),
        (&["extra"], "'extra'"),
        (&["--host", "127.0.0.1", "-p", &port], "cannot listen on 127.0.0.1"),
    ];
    for (arguments, advice) in cases {
        let output = run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
        assert!(text.contains(advice), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_signal_stops_it_cleanly() {
    for signal in ["TERM", "INT"] {
        let daemon = Daemon::start(&[]);
        let address = daemon.address();
        let (v3, v5) = (connected(address, CONNECT_V311), connected(address, CONNECT_V5));
        daemon.signal(signal);
        assert_eq!(rest(v5), b"\xe0\x01\x8b", "a DISCONNECT that says why");
        assert_eq!(rest(v3), b"");
        assert_eq!(daemon.ended(), Some(0));
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn a_second_signal_stops_it_at_once() {
    let daemon = Daemon::start(&[]);
    let client = connected(daemon.address(), CONNECT_V5);
    daemon.signal("TERM");
    daemon.line_with("Stopping");
    // The client does not close its side, so the first signal alone would take its time.
    daemon.signal("TERM");
    daemon.line_with("at once");
    assert_eq!(daemon.ended(), Some(0));
    drop(client);
}

#[test]
fn no_more_clients_than_are_allowed() {
    let daemon = Daemon::start(&["--max-clients", "2"]);
    let address = daemon.address();
    let first = connected(address, CONNECT_V311);
    let second = connected(address, CONNECT_V5);
    let third = TcpStream::connect(address).unwrap();
    assert_eq!(rest(third), b"");
    daemon.line_with("Turning away connections");
    assert!(pings(&first) && pings(&second));
    second.shutdown(std::net::Shutdown::Both).unwrap();
    daemon.line_with("closed its connection");
    connected(address, CONNECT_V5);
}

#[test]
fn it_survives_running_out_of_files() {
    let mut command = Command::new("sh");
    let script = "ulimit -n 40; exec \"$0\" --host 127.0.0.1 --port 0";
    command.args(["-c", script, PROGRAM]);
    let daemon = Daemon::spawn(command);
    let address = daemon.address();
    let mut clients = Vec::new();
    let refused = loop {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let id = clients.len();
        let connect = format!("\x10\x0f\x00\x04MQTT\x04\x02\x00\x00\x00\x03{id:03}");
        let mut answer = [0; 4];
        match stream.write_all(connect.as_bytes()).and_then(|()| stream.read_exact(&mut answer)) {
            Ok(()) => clients.push(stream),
            Err(_) => break stream,
        }
        assert!(clients.len() < 40);
    };
    drop(refused);
    assert!(clients.len() > 20, "{}", clients.len());
    daemon.line_with("Turning away connections");
    assert!(clients.iter().all(pings), "those inside notice nothing");
    let gone = clients.pop().unwrap();
    gone.shutdown(std::net::Shutdown::Both).unwrap();
    daemon.line_with("closed its connection");
    connected(address, CONNECT_V311);
}

#[test]
fn a_closed_log_does_not_end_it() {
    let mut command = Command::new(PROGRAM);
    command.args(["-v", "--host", "127.0.0.1", "--port", "0"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let address: SocketAddr = line.split_once("listening on ").unwrap().1.trim().parse().unwrap();
    drop(log);
    let clients = [connected(address, CONNECT_V311), connected(address, CONNECT_V5)];
    assert!(clients.iter().all(pings));
    child.kill().unwrap();
    child.wait().unwrap();
}
