//! The other ways to the broker: TLS with certificates of clients, WebSocket, both, and a browser.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::{Tool, carry_out};
use crate::daemon::Directory;
use crate::daemon::tls::Office;
use crate::harness::{Broker, Raw, v3};

/// A broker with a plain door and one of each kind, whose ports are in the order of [`WAYS`].
struct House {
    office: Office,
    ports: Vec<String>,
    broker: Arc<Broker>,
}

const WAYS: [&str; 3] = ["tls", "ws", "wss"];

impl House {
    /// `asks` is what the doors with TLS want to know of clients.
    fn new(asks: &str) -> Self {
        let office = Office::new();
        office.issue("client", "client");
        let listener = "listener 0 127.0.0.1\n";
        let tls = format!("certfile DIR/server.crt\nkeyfile DIR/server.key\n{asks}");
        let web = "protocol websockets\n";
        let all = format!(
            "allow_anonymous true\nuser root\n{listener}{listener}{tls}{listener}{web}{listener}\
             {tls}{web}"
        );
        let path = office.directory.path("conf");
        fs::write(&path, all.replace("DIR", &office.directory.path(""))).unwrap();
        let broker = Broker::start(&["-c", &path]);
        broker.until_logged("listening on", 1 + WAYS.len());
        let log = broker.log();
        let ports = log.lines().filter_map(|line| line.split_once("listening on 127.0.0.1:"));
        let ports: Vec<String> = ports.skip(1).map(|(_, port)| port.to_owned()).collect();
        assert_eq!(ports.len(), WAYS.len(), "{log}");
        Self { office, ports, broker }
    }
}

/// Runs a script by every way.
pub(super) fn run(interpreter: impl Fn() -> Command, script: &str) {
    let house = House::new("cafile DIR/ca.crt\nrequire_certificate true\n");
    for (way, port) in WAYS.iter().zip(&house.ports) {
        let mut arguments = vec!["localhost".into(), port.clone(), (*way).into()];
        let files = ["ca.crt", "client.crt", "client.key"];
        arguments.extend(files.map(|file| house.office.directory.path(file)));
        carry_out(interpreter(), script, &arguments);
    }
}

fn chromium(directory: &Directory) -> Command {
    let mut command = Command::new("chromium");
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--ignore-certificate-errors",
        "--remote-debugging-port=0",
    ]);
    command.arg(format!("--user-data-dir={}", directory.path("profile")));
    command
}

/// A browser runs as long as nobody ends it.
struct Browser(std::process::Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A page talks to the broker by both kinds of WebSocket, and tells us, who are at the plain door.
#[test]
fn browser() {
    let library = env::var("INTEROP_NODE").unwrap_or_default();
    let library = Path::new(&library).join("node_modules/mqtt/dist/mqtt.min.js");
    let mut probe = Command::new("sh");
    probe.args(["-c", "command -v chromium && test -f \"$0\""]).arg(&library);
    let install = "apt-get install chromium; npm install --prefix D mqtt; INTEROP_NODE=D";
    if !(Tool { name: "Chromium with MQTT.js", install, probe }).is_there() {
        return;
    }
    let house = House::new("");
    let directory = &house.office.directory;
    let page = include_str!("browser.html")
        .replace("LIBRARY", library.to_str().expect("a path of ours"))
        .replace("WSS_PORT", &house.ports[2])
        .replace("WS_PORT", &house.ports[1]);
    fs::write(directory.path("page.html"), page).unwrap();
    let mut raw = Raw::to(&house.broker);
    raw.patience(Duration::from_mins(2));
    raw.send(v3::connect("plain")).expect(v3::connack(false, 0));
    raw.send(v3::subscribe(1, &[("browser/#", 2)])).expect(v3::suback(1, &[2]));
    let log = fs::File::create(directory.path("chromium.log")).unwrap();
    let child = chromium(directory)
        .arg(format!("file://{}", directory.path("page.html")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let _browser = Browser(child);
    for way in ["ws", "wss"] {
        for version in [4, 5] {
            let said = |what: &str| format!("browser/{way}/{version}/{what}");
            for qos in 0..=2 {
                let packet_id = raw.expect_publish(v3::publish(said("says"), "hello").at(qos, 0));
                match qos {
                    0 => {}
                    1 => drop(raw.send(v3::puback(packet_id))),
                    _ => {
                        raw.send(v3::pubrec(packet_id)).expect(v3::pubrel(packet_id));
                        raw.send(v3::pubcomp(packet_id));
                    }
                }
            }
            // It answers when it has this, after all it has sent to itself.
            raw.send(v3::publish(format!("page/{way}/{version}"), "hello"));
            let packet_id = raw.expect_publish(v3::publish(said("heard"), "0012").at(1, 0));
            raw.send(v3::puback(packet_id));
        }
    }
}
