//! This broker and an installed mosquitto, side by side: `cargo bench --bench compare`.
//!
//! Owns: a load in rounds. Everybody who publishes writes a batch, then everybody who subscribes
//! reads what is due: so nothing is ever dropped, and how fast the load itself is does not count.
//! What counts is the CPU time the broker used, as the kernel says, and its resident memory.
//! Both brokers read the same configuration file. With two processors or more, run it as it is;
//! figures of one run belong together, those of two runs do not.
//!
//! Never compares what was not measured: without mosquitto there is one column.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

const PAYLOAD: [u8; 64] = [b'x'; 64];
/// Messages a publisher writes at once.
const BATCH: usize = 100;
const MEASURED: Duration = Duration::from_secs(2);
const IDLE: usize = 2000;

/// A line of the table: what, and how it is measured.
type Row = (&'static str, fn(&str) -> f64);

#[expect(clippy::print_stdout, reason = "a table for people")]
fn main() {
    let mosquitto = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
        .into_iter()
        .find(|path| fs::exists(path).unwrap_or_default());
    let ours = env!("CARGO_BIN_EXE_mqtt-broker");
    // A crowd needs more open files than many a shell allows.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("every process has one");
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    println!("{:<46}{:>12}{:>12}{:>8}", "", "mosquitto", "mqtt-broker", "ratio");
    let rows: [Row; 7] = [
        ("10 to 10, QoS 0, deliveries per CPU second", |b| flow(b, 10, 10, 0)),
        ("1 to 100, QoS 0, deliveries per CPU second", |b| flow(b, 1, 100, 0)),
        ("50 to 1, QoS 0, deliveries per CPU second", |b| flow(b, 50, 1, 0)),
        ("10 to 10, QoS 1, deliveries per CPU second", |b| flow(b, 10, 10, 1)),
        ("connections per CPU second", |b| crowd(b, false).0),
        ("idle connection, resident bytes", |b| crowd(b, false).1),
        ("with one subscription, resident bytes", |b| crowd(b, true).1),
    ];
    for (what, measure) in rows {
        let ours = measure(ours);
        match mosquitto.map(measure) {
            Some(theirs) => {
                println!("{what:<46}{theirs:>12.0}{ours:>12.0}{:>8.2}", ours / theirs);
            }
            None => println!("{what:<46}{:>12}{ours:>12.0}", "-"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the load runs in real time")]
fn now() -> Instant {
    Instant::now()
}

/// A broker in a process of its own.
struct Broker {
    child: Child,
    port: u16,
    config: std::path::PathBuf,
}

impl Broker {
    fn start(program: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let name = format!("mqtt-broker-compare-{}-{port}.conf", std::process::id());
        let config = std::env::temp_dir().join(name);
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n\
             max_queued_messages 0\nmax_inflight_messages 0\n"
        );
        fs::write(&config, text).expect("the directory for temporary files is there");
        let mut command = Command::new(program);
        command.arg("-c").arg(&config).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("the broker starts");
        let broker = Self { child, port, config };
        let until = now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(now() < until, "{program} does not listen");
            std::thread::yield_now();
        }
        broker
    }

    /// CPU time so far, in seconds; Linux counts it in hundredths.
    fn cpu(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(path).expect("it runs");
        let behind_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<f64> =
            behind_name.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
        (fields[11] + fields[12]) / 100.0
    }

    fn resident(&self) -> f64 {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(path).expect("it runs");
        let line = text.lines().find(|line| line.starts_with("Rss:")).expect("it has memory");
        let kib = line.split_whitespace().nth(1).expect("a number");
        kib.parse::<f64>().expect("a number") * 1024.0
    }

    /// An accepted client of MQTT 3.1.1.
    fn client(&self, id: &str) -> TcpStream {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        let mut body = b"\x00\x04MQTT\x04\x02\x00\x00".to_vec();
        put_text(&mut body, id);
        socket.write_all(&packet(0x10, &body)).expect("it reads");
        take(&mut socket, 4);
        socket
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.config);
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).expect("short").to_be_bytes());
    out.extend(text.as_bytes());
}

/// A packet whose body is shorter than 128 bytes.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let len = u8::try_from(body.len()).expect("short");
    assert!(len < 128, "one byte says how long it is");
    [&[first, len], body].concat()
}

fn take(socket: &mut TcpStream, len: usize) {
    let mut bytes = vec![0; len];
    socket.read_exact(&mut bytes).expect("the broker answers");
}

fn subscribe(socket: &mut TcpStream, filter: &str, qos: u8) {
    let mut body = b"\x00\x01".to_vec();
    put_text(&mut body, filter);
    body.push(qos);
    socket.write_all(&packet(0x82, &body)).expect("it reads");
    take(socket, 5);
}

/// A batch of PUBLISH packets.
fn batch(topic: &str, qos: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for id in 1..=u16::try_from(BATCH).expect("small") {
        let mut body = Vec::new();
        put_text(&mut body, topic);
        if qos > 0 {
            body.extend(id.to_be_bytes());
        }
        body.extend(PAYLOAD);
        bytes.extend(packet(0x30 | qos << 1, &body));
    }
    bytes
}

/// Deliveries per second of the broker's CPU time. As many pairs as there are publishers and
/// subscribers, if these are equally many; else everybody gets everything.
fn flow(program: &str, publishers: usize, subscribers: usize, qos: u8) -> f64 {
    let broker = Broker::start(program);
    let is_pairs = publishers == subscribers;
    let mut receivers: Vec<TcpStream> = (0..subscribers)
        .map(|n| {
            let mut socket = broker.client(&format!("subscriber-{n}"));
            let filter = if is_pairs { format!("flow/{n:04}") } else { "flow/+".to_owned() };
            subscribe(&mut socket, &filter, qos);
            socket
        })
        .collect();
    let mut senders: Vec<(TcpStream, Vec<u8>)> = (0..publishers)
        .map(|n| {
            let socket = broker.client(&format!("publisher-{n}"));
            (socket, batch(&format!("flow/{n:04}"), qos))
        })
        .collect();
    let each = if is_pairs { 1 } else { publishers };
    let due = each * senders[0].1.len();
    let mut round = || {
        for (socket, bytes) in &mut senders {
            socket.write_all(bytes).expect("it reads");
        }
        for socket in &mut receivers {
            acknowledged(socket, due, each, qos);
        }
        for (socket, _) in senders.iter_mut().filter(|_| qos > 0) {
            take(socket, 4 * BATCH);
        }
    };
    for _ in 0..20 {
        round();
    }
    let (cpu, until, mut rounds) = (broker.cpu(), now() + MEASURED, 0.0);
    while now() < until {
        round();
        rounds += 1.0;
    }
    let deliveries = u32::try_from(each * subscribers * BATCH).expect("small");
    rounds * f64::from(deliveries) / (broker.cpu() - cpu)
}

/// Reads so many bytes of PUBLISH packets and acknowledges them, with the identifiers they have.
fn acknowledged(socket: &mut TcpStream, due: usize, batches: usize, qos: u8) {
    let mut bytes = vec![0; due];
    socket.read_exact(&mut bytes).expect("the broker delivers");
    if qos == 0 {
        return;
    }
    let len = due / (batches * BATCH);
    let mut acks = Vec::with_capacity(4 * batches * BATCH);
    for publish in bytes.chunks_exact(len) {
        let topic_len = usize::from(publish[3]);
        acks.extend([0x40, 2, publish[4 + topic_len], publish[5 + topic_len]]);
    }
    socket.write_all(&acks).expect("it reads");
}

/// Connections per second of the broker's CPU time, and resident bytes for each.
fn crowd(program: &str, is_subscribing: bool) -> (f64, f64) {
    let broker = Broker::start(program);
    let warm = broker.client("first");
    let (cpu, resident) = (broker.cpu(), broker.resident());
    let clients: Vec<TcpStream> = (0..IDLE)
        .map(|n| {
            let mut socket = broker.client(&format!("client-{n:05}"));
            if is_subscribing {
                subscribe(&mut socket, &format!("crowd/{n:05}"), 0);
            }
            socket
        })
        .collect();
    let count = f64::from(u32::try_from(clients.len()).expect("small"));
    let figures = (count / (broker.cpu() - cpu), (broker.resident() - resident) / count);
    drop((warm, clients));
    figures
}
