//! A broker process: started, asked for its port, ended.
//!
//! Tests share one process while any of them runs; a test that needs options of its own starts
//! another. With CONFORMANCE_BROKER=127.0.0.1:PORT in the environment no process is started and
//! every test talks to the broker that listens there, to try the tests against other brokers
//! (tests that subscribe to `#` then want --test-threads=1).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Instant;
use std::{env, fs, process, thread};

use super::raw::PATIENCE;

/// A running broker; the process and its directory go with the last reference.
pub(crate) struct Broker {
    address: SocketAddr,
    process: Option<Process>,
}

/// What a broker that was started here leaves behind.
struct Process {
    child: Child,
    directory: PathBuf,
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Broker {
    /// The broker most tests share: no options but host and port. It lives while a test that has
    /// asked for it runs (every test has a thread).
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
        thread_local!(static HELD: RefCell<Option<Arc<Broker>>> = const { RefCell::new(None) });
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let broker = shared.upgrade().unwrap_or_else(|| Self::start(&[]));
        *shared = Arc::downgrade(&broker);
        HELD.set(Some(Arc::clone(&broker)));
        broker
    }

    /// A broker of the caller's own, with more arguments than host and port.
    pub(crate) fn start(arguments: &[&str]) -> Arc<Self> {
        if let Ok(address) = env::var("CONFORMANCE_BROKER") {
            let address: SocketAddr = address.parse().expect("CONFORMANCE_BROKER is host:port");
            assert!(address.ip().is_loopback(), "CONFORMANCE_BROKER must be on this machine");
            return Arc::new(Self { address, process: None });
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt-broker"));
        command.args(["--host", "127.0.0.1", "-p", "0"]).args(arguments);
        Self::run(command, fresh_directory())
    }

    /// A broker of the caller's own with one listener, to which these lines of a configuration
    /// file belong.
    pub(crate) fn configured(lines: &str) -> Arc<Self> {
        assert!(
            env::var("CONFORMANCE_BROKER").is_err(),
            "a broker that is running already cannot be configured; leave this test out"
        );
        let directory = fresh_directory();
        let file = directory.join("broker.conf");
        let text = format!("listener 0 127.0.0.1\nallow_anonymous true\n{lines}");
        fs::write(&file, text).expect("the file can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt-broker"));
        command.arg("-c").arg(file);
        Self::run(command, directory)
    }

    fn run(mut command: Command, directory: PathBuf) -> Arc<Self> {
        let mut child = command
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the broker program starts");
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let (found, port) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let kept = Arc::clone(&log);
        thread::Builder::new()
            .name("broker log".to_owned())
            .spawn(move || {
                for line in lines.map_while(Result::ok) {
                    if let Some(port) = listening_port(&line) {
                        let _ = found.send(port); // only the first is waited for
                    }
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push_back(line);
                    if kept.len() > LOG_LINES {
                        kept.pop_front();
                    }
                }
            })
            .expect("a thread starts");
        let process = Process { child, directory, log };
        let Ok(port) = port.recv_timeout(PATIENCE) else {
            panic!("the broker does not say where it listens; its log:\n{}", process.log(""));
        };
        Arc::new(Self { address: SocketAddr::from(([127, 0, 0, 1], port)), process: Some(process) })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How much memory it takes; none where the system does not tell, or for a broker that was
    /// running already.
    pub(crate) fn resident_bytes(&self) -> Option<usize> {
        let process = self.process.as_ref()?;
        let status = fs::read_to_string(format!("/proc/{}/status", process.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
    }

    /// What it logged lately.
    pub(crate) fn log(&self) -> String {
        self.process.as_ref().map_or_else(String::new, |process| process.log(""))
    }

    /// Waits until it has logged this; it writes before it answers, but somebody has to read it.
    #[track_caller]
    #[expect(clippy::disallowed_methods, reason = "a test that waits must end")]
    pub(crate) fn expect_log(&self, text: &str) {
        let begin = Instant::now();
        while !self.log().contains(text) {
            assert!(begin.elapsed() < PATIENCE, "'{text}' is not in\n{}", self.log());
            thread::yield_now();
        }
    }

    /// What it logged lately of the client on this port.
    pub(crate) fn log_of(&self, port: u16) -> String {
        self.process.as_ref().map_or_else(String::new, |process| process.log(&format!(":{port}")))
    }
}

impl Process {
    /// Where it runs, and the lines with this in them.
    fn log(&self, about: &str) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = log.iter().filter(|line| line.contains(about));
        let lines: String = lines.map(|line| format!("  {line}\n")).collect();
        format!("  in {}\n{lines}", self.directory.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// `... listening on 127.0.0.1:41234 ...` names port 41234.
fn listening_port(line: &str) -> Option<u16> {
    let rest = line.split_once("listening on 127.0.0.1:")?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn fresh_directory() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("broker-{}-{number}", process::id());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&directory).expect("a directory for the broker can be made");
    directory
}

/// How much of a broker's log is kept for the report of a failure.
const LOG_LINES: usize = 5000;
