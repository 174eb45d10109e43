//! Running the programs, and a server that follows a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

use crate::harness::{Broker, raw::PATIENCE};

pub(super) const PRODUCER: &str = env!("CARGO_BIN_EXE_mqtt-producer");
pub(super) const CONSUMER: &str = env!("CARGO_BIN_EXE_mqtt-consumer");

/// A program that was started.
pub(super) struct Run {
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Receiver<String>,
    seen: Vec<String>,
}

/// What a program left behind.
pub(super) struct Outcome {
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    /// Lines.
    pub(super) stderr: Vec<String>,
}

impl Outcome {
    /// What was printed, as text.
    #[track_caller]
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text was printed")
    }

    /// It ended well; what was printed.
    #[track_caller]
    pub(super) fn fine(&self) -> &str {
        assert_eq!(self.code, Some(0), "{:?}", self.stderr);
        self.text()
    }

    /// It failed with `code`, one line on standard error and none on standard output; the line.
    #[track_caller]
    pub(super) fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{:?}", self.stderr);
        assert_eq!(self.text(), "");
        assert_eq!(self.stderr.len(), 1, "one line: {:?}", self.stderr);
        &self.stderr[0]
    }
}

impl Run {
    /// Starts `program`; its output is collected, its input is a pipe.
    pub(super) fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut pipe = child.stdout.take().expect("stdout is piped");
        let stdout = start(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).expect("stdout can be read");
            bytes
        });
        let stderr = lines(child.stderr.take().expect("stderr is piped"));
        Self { child, stdout: Some(stdout), stderr, seen: Vec::new() }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("stdin is piped and was not taken")
    }

    /// Waits for a line on standard error that has `what` in it.
    #[track_caller]
    pub(super) fn says(&mut self, what: &str) {
        loop {
            let Ok(line) = self.stderr.recv_timeout(PATIENCE) else {
                panic!("'{what}' was not said, but {:?}", self.seen);
            };
            let found = line.contains(what);
            self.seen.push(line);
            if found {
                return;
            }
        }
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
    }

    /// Waits for its end.
    #[track_caller]
    pub(super) fn end(mut self) -> Outcome {
        drop(self.child.stdin.take());
        loop {
            match self.stderr.recv_timeout(6 * PATIENCE) {
                Ok(line) => self.seen.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("no end; it said {:?}", self.seen),
            }
        }
        let stdout = self.stdout.take().map(|stdout| stdout.join().expect("stdout was read"));
        let code = self.child.wait().expect("it can be waited for").code();
        let stderr = std::mem::take(&mut self.seen);
        Outcome { code, stdout: stdout.unwrap_or_default(), stderr }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill(); // most have ended by themselves
        let _ = self.child.wait();
    }
}

/// A thread that helps a test: it ends when the program it watches does.
fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::Builder::new().name("helper".to_owned()).spawn(work).expect("a thread starts")
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    start(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = sender.send(line); // a test that has failed does not listen
        }
    });
    receiver
}

/// Runs `program` to its end without input.
#[track_caller]
pub(super) fn run(program: &str, arguments: &[&str]) -> Outcome {
    Run::start(program, arguments).end()
}

/// Runs `program` to its end with `input`.
#[track_caller]
pub(super) fn feed(program: &str, arguments: &[&str], input: &[u8]) -> Outcome {
    let mut run = Run::start(program, arguments);
    let mut stdin = run.stdin();
    let input = input.to_vec();
    let writer = start(move || {
        let _ = stdin.write_all(&input); // it may end before it has read all
    });
    let outcome = run.end();
    writer.join().expect("the input was written");
    outcome
}

/// `-h HOST -p PORT` of `address`, then `rest`.
pub(super) fn at<'a>(address: &'a Address, rest: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["-h", &address.host, "-p", &address.port];
    all.extend(rest);
    all
}

/// An address in words.
pub(super) struct Address {
    host: String,
    port: String,
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port().to_string() }
    }
}

/// Runs `program` against `broker`.
#[track_caller]
pub(super) fn run_at(broker: &Broker, program: &str, arguments: &[&str]) -> Outcome {
    run(program, &at(&broker.address().into(), arguments))
}

/// Starts a consumer at `broker` and waits until it has subscribed.
#[track_caller]
pub(super) fn consumer(broker: &Broker, arguments: &[&str]) -> Run {
    let address = broker.address().into();
    let mut arguments = arguments.to_vec();
    arguments.push("-d");
    let mut run = Run::start(CONSUMER, &at(&address, &arguments));
    run.says("SUBACK");
    run
}

/// Publishes, which must succeed.
#[track_caller]
pub(super) fn publish(broker: &Broker, arguments: &[&str]) {
    run_at(broker, PRODUCER, arguments).fine();
}

/// What a scripted server does with one connection: for each packet that comes it sends the next
/// bytes, and then it closes.
pub(super) type Script = &'static [&'static [u8]];

/// Serves one connection after the other; the address, and the first bytes of the packets that
/// came in each connection when all scripts are done.
pub(super) fn serve(scripts: &'static [Script]) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let address = listener.local_addr().expect("it has an address");
    let server = start(move || {
        let mut seen = Vec::new();
        for script in scripts {
            let (mut stream, _) = listener.accept().expect("a client comes");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
            let mut packets = Vec::new();
            for answer in *script {
                packets.extend(first_of_packet(&mut stream));
                stream.write_all(answer).expect("the client listens");
            }
            seen.push(packets);
        }
        seen
    });
    (address, server)
}

/// Reads one packet; its first byte.
fn first_of_packet(stream: &mut TcpStream) -> Option<u8> {
    let mut byte = [0];
    stream.read_exact(&mut byte).ok()?;
    let first = byte[0];
    let (mut len, mut shift) = (0, 0);
    loop {
        stream.read_exact(&mut byte).ok()?;
        len |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    stream.read_exact(&mut vec![0; len]).ok()?;
    Some(first)
}
