//! Interoperability: clients that nobody here wrote talk to the real program.
//!
//! | test      | client                                | found by                             |
//! |-----------|---------------------------------------|--------------------------------------|
//! | mosquitto | `mosquitto_pub`, `_sub`, `_rr`        | `PATH`                               |
//! | paho      | paho-mqtt (Python), `with_paho.py`    | `INTEROP_PYTHON`, which can load it  |
//! | mqtt_js   | MQTT.js (Node), `with_mqtt_js.mjs`    | `INTEROP_NODE`, above `node_modules` |
//! | browser   | MQTT.js in Chromium, `browser.html`   | `PATH` and `INTEROP_NODE`            |
//!
//! Whoever lacks one of them still has tests that pass: the test says what it skips and how to get
//! it. With `INTEROP=required` in the environment a missing client is a failure.

#[cfg(all(feature = "tls", feature = "websocket"))]
mod doors;
mod mosquitto;

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::Broker;

/// A client library and the way to it.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) install: &'static str,
    /// Succeeds if the library is there.
    pub(crate) probe: Command,
}

impl Tool {
    /// Whether it is there. If not, says so; with `INTEROP=required` that is the end.
    pub(crate) fn is_there(&mut self) -> bool {
        let probe = self.probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if probe.status().is_ok_and(|status| status.success()) {
            return true;
        }
        let told = format!("{} is not installed ({})", self.name, self.install);
        assert!(env::var("INTEROP").as_deref() != Ok("required"), "{told}");
        // Not by a macro, whose text the test harness keeps from whoever runs passing tests.
        let _ = writeln!(io::stderr(), "skipped: {told}");
        false
    }
}

/// Runs a script of `tests/interop` against a fresh broker: its address and port, and the way if
/// it is another than plain TCP, are the last arguments. The script ends by itself, whatever
/// happens.
fn run(interpreter: Command, script: &str) {
    let broker = Broker::start(&[]);
    let address = broker.address();
    carry_out(interpreter, script, &[address.ip().to_string(), address.port().to_string()]);
}

fn carry_out(mut interpreter: Command, script: &str, arguments: &[String]) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "interop", script].iter().collect();
    interpreter.arg(path).args(arguments).stdin(Stdio::null());
    let output = interpreter.output().expect("the interpreter was there for the probe");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {arguments:?}: {complaint}");
}

fn python() -> Command {
    Command::new(env::var("INTEROP_PYTHON").unwrap_or_else(|_| "python3".into()))
}

#[test]
fn paho() {
    let mut probe = python();
    probe.args(["-c", "import paho.mqtt.client"]);
    let mut paho = Tool {
        name: "paho-mqtt",
        install: "python3 -m venv D; D/bin/pip install paho-mqtt; INTEROP_PYTHON=D/bin/python",
        probe,
    };
    if paho.is_there() {
        run(python(), "with_paho.py");
        #[cfg(all(feature = "tls", feature = "websocket"))]
        doors::run(python, "with_paho.py");
    }
}

#[test]
fn mqtt_js() {
    let mut probe = Command::new("node");
    let resolve = "require('module').createRequire(process.env.INTEROP_NODE + '/')('mqtt')";
    probe.args(["-e", resolve]);
    let mut mqtt_js =
        Tool { name: "MQTT.js", install: "npm install --prefix D mqtt; INTEROP_NODE=D", probe };
    if mqtt_js.is_there() {
        run(Command::new("node"), "with_mqtt_js.mjs");
        #[cfg(all(feature = "tls", feature = "websocket"))]
        doors::run(|| Command::new("node"), "with_mqtt_js.mjs");
    }
}
