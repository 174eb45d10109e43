//! Usage errors, refusals, and servers that are none: one line and a status that tells them apart.

use std::net::TcpListener;

use super::tools::{Address, CONSUMER, PRODUCER, Run, Script, at, feed, run, serve};

/// Runs a program against a server that follows `scripts`.
#[track_caller]
fn against(
    scripts: &'static [Script],
    program: &str,
    arguments: &[&str],
) -> (super::tools::Outcome, Vec<Vec<u8>>) {
    let (address, server) = serve(scripts);
    let outcome = run(program, &at(&address.into(), arguments));
    (outcome, server.join().expect("the server followed its script"))
}

#[test]
fn usage_errors_are_one_line_with_status_1() {
    for (arguments, says) in [
        (&[][..], "no topic"),
        (&["t"], "no message"),
        (&["t", "m", "x"], "'x' is one argument too many"),
        (&["a/+", "m"], "'a/+' is no topic name"),
        (&["", "m"], "no topic name"),
        (&["-q", "3", "t", "m"], "give 0, 1 or 2"),
        (&["-p", "x", "t", "m"], "give a number from 1 to 65535"),
        (&["--no-such", "t", "m"], "--no-such"),
        (&["-m", "a", "-n", "t"], "at a time"),
        (&["-f", "/no/such/file", "t"], "/no/such/file"),
        (&["-t"], "needs an argument"),
        (&["-V", "6", "t", "m"], "give 3.1, 3.1.1 or 5"),
        (&["-V", "311", "-x", "5", "t", "m"], "MQTT 5"),
        (&["-V", "31", "-D", "publish", "content-type", "x", "t", "m"], "MQTT 5"),
        (&["-D", "publish", "no-such", "x", "t", "m"], "no such property"),
        (&["-D", "publish"], "COMMAND NAME VALUE"),
        (&["-c", "t", "m"], "-i"),
        (&["-P", "x", "t", "m"], "-u"),
        (&["--will-payload", "x", "t", "m"], "--will-topic"),
        (&["-l", "--repeat", "2", "t"], "--repeat"),
        (&["--repeat-delay", "-1", "t", "m"], "seconds"),
        (&["-M", "0", "t", "m"], "65535"),
    ] {
        let outcome = run(PRODUCER, arguments);
        let line = outcome.failed(1);
        assert!(
            line.starts_with("mqtt-producer: ") && line.contains(says),
            "{arguments:?}: {line}"
        );
    }
    for (arguments, says) in [
        (&[][..], "no filter"),
        (&["a/#/b"], "'a/#/b' is no filter"),
        (&["-C", "0", "a"], "from 1"),
        (&["-C", "1", "-n", "1", "a"], "-C and -n"),
        (&["-F", "%y", "a"], "%y"),
        (&["-R", "--retained-only", "a"], "-R"),
        (&["--retain-handling", "new", "a"], "-V 5"),
        (&["-V", "5", "--retain-handling", "old", "a"], "always, new or never"),
        (&["-W", "soon", "a"], "seconds"),
        (&["--quiet", "--no-such"], "--no-such"),
    ] {
        let outcome = run(CONSUMER, arguments);
        let line = outcome.failed(1);
        assert!(
            line.starts_with("mqtt-consumer: ") && line.contains(says),
            "{arguments:?}: {line}"
        );
    }
}

#[test]
fn unreachable_has_a_status_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: Address = listener.local_addr().unwrap().into();
    drop(listener);
    for (program, arguments) in [(PRODUCER, ["t", "m"]), (CONSUMER, ["t", "u"])] {
        let outcome = run(program, &at(&address, &arguments));
        assert!(outcome.failed(69).contains("cannot connect"));
        // An address that no machine has.
        let outcome = run(program, &at(&address, &["-A", "192.0.2.1", "t", "m"]));
        assert!(outcome.failed(69).contains("; -A says from where, -h and -p say where it is"));
        let outcome = run(program, &at(&address, &["--quiet", "t", "m"]));
        assert_eq!((outcome.code, outcome.stderr.len()), (Some(69), 0), "quiet");
    }
}

#[test]
fn refusals_give_the_code_of_the_connack() {
    const REFUSALS: [&[Script]; 5] = [
        &[&[&[0x20, 2, 0, 1]]],
        &[&[&[0x20, 2, 0, 2]]],
        &[&[&[0x20, 2, 0, 3]]],
        &[&[&[0x20, 2, 0, 4]]],
        &[&[&[0x20, 2, 0, 5]]],
    ];
    for (scripts, code) in REFUSALS.into_iter().zip(1..) {
        let (outcome, _) = against(scripts, PRODUCER, &["t", "m"]);
        assert!(outcome.failed(code).contains("refused the connection"));
    }
    let (outcome, _) = against(&[&[&[0x20, 3, 0, 0x87, 0]]], CONSUMER, &["-V", "5", "t"]);
    assert!(outcome.failed(0x87).contains("Not authorized"));
}

#[test]
fn refused_subscriptions_and_messages_give_their_code() {
    const CONNACK_3: &[u8] = &[0x20, 2, 0, 0];
    const CONNACK_5: &[u8] = &[0x20, 3, 0, 0, 0];
    let suback: &[Script] = &[&[CONNACK_3, &[0x90, 3, 0, 1, 0x80]]];
    let (outcome, _) = against(suback, CONSUMER, &["a"]);
    assert!(outcome.failed(0x80).contains("subscription to 'a' was refused"));
    let suback: &[Script] = &[&[CONNACK_5, &[0x90, 4, 0, 1, 0, 0x87]]];
    let (outcome, _) = against(suback, CONSUMER, &["-V", "5", "a"]);
    assert!(outcome.failed(0x87).contains("Not authorized"));
    // One of two: it goes on, and the status remembers.
    let suback: &[Script] = &[&[CONNACK_5, &[0x90, 5, 0, 1, 0, 0x87, 0], &[]]];
    let (outcome, seen) = against(suback, CONSUMER, &["-V", "5", "-E", "a", "b"]);
    assert_eq!((outcome.code, outcome.stderr.len()), (Some(0x87), 1));
    assert_eq!(seen, [[0x10, 0x82, 0xe0]], "CONNECT, SUBSCRIBE, DISCONNECT");
    let puback: &[Script] = &[&[CONNACK_5, &[0x40, 3, 0, 1, 0x97]]];
    let (outcome, _) = against(puback, PRODUCER, &["-V", "5", "-q", "1", "t", "m"]);
    assert!(outcome.failed(0x97).contains("Quota exceeded"));
    // The CONNACK said that 10 bytes are too many: nothing is sent.
    let limited: &[Script] = &[&[&[0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 10], &[]]];
    let (outcome, seen) = against(limited, PRODUCER, &["-V", "5", "topic", "message"]);
    assert!(outcome.failed(0x95).contains("Packet too large"));
    assert_eq!(seen, [[0x10, 0xe0]]);
}

#[test]
fn what_is_no_server_is_told_apart() {
    let (outcome, _) = against(&[&[&[]]], PRODUCER, &["t", "m"]);
    assert!(outcome.failed(69).contains("closed the connection"));
    // An alert: what came was no ClientHello.
    let tls: &[Script] = &[&[b"\x15\x03\x03\x00\x02\x02\x0a"]];
    let (outcome, _) = against(tls, PRODUCER, &["t", "m"]);
    assert!(outcome.failed(69).contains("it speaks TLS: --cafile FILE"));
    let (outcome, _) = against(&[&[b"HTTP/1.1 400 Bad Request\r\n"]], PRODUCER, &["t", "m"]);
    assert!(outcome.failed(76).contains("is it an MQTT server?"));
}

#[test]
fn a_lost_connection_is_made_again() {
    const CONNACK: &[u8] = &[0x20, 2, 0, 0];
    const SUBACK: &[u8] = &[0x90, 3, 0, 1, 0];
    const SUBACK_AND_MESSAGE: &[u8] = &[0x90, 3, 0, 1, 0, 0x30, 4, 0, 1, b't', b'x'];
    let scripts: &[Script] = &[&[CONNACK, SUBACK], &[CONNACK, SUBACK_AND_MESSAGE, &[]]];
    let (outcome, seen) = against(scripts, CONSUMER, &["-C", "1", "t"]);
    assert_eq!(outcome.fine(), "x\n");
    assert!(outcome.stderr[0].contains("trying again"), "{:?}", outcome.stderr);
    assert_eq!(seen, [&[0x10, 0x82][..], &[0x10, 0x82, 0xe0]]);
    // A message whose acknowledgement was lost with a clean session is published anew.
    let scripts: &[Script] = &[&[CONNACK, &[]], &[CONNACK, &[0x40, 2, 0, 1], &[]]];
    let (outcome, seen) = against(scripts, PRODUCER, &["-q", "1", "t", "m"]);
    outcome.fine();
    assert_eq!(seen, [&[0x10, 0x32][..], &[0x10, 0x32, 0xe0]]);
    // With a session that was kept it is sent again.
    let scripts: &[Script] = &[&[CONNACK, &[]], &[&[0x20, 2, 1, 0], &[0x40, 2, 0, 1], &[]]];
    let (outcome, seen) = against(scripts, PRODUCER, &["-c", "-i", "x", "-q", "1", "t", "m"]);
    outcome.fine();
    assert_eq!(seen, [&[0x10, 0x32][..], &[0x10, 0x3a, 0xe0]]);
}

#[test]
fn a_connection_of_which_nothing_comes_is_given_up() {
    const CONNACK: &[u8] = &[0x20, 2, 0, 0];
    // QoS 0: what was sent is lost, and another connection would not bring it back.
    let (address, server) = serve(&[&[CONNACK]]);
    let large = vec![b'm'; 20_000_000];
    let outcome = feed(PRODUCER, &at(&address.into(), &["-s", "t"]), &large);
    assert!(outcome.failed(69).contains("closed the connection"));
    server.join().unwrap();
    // QoS 1: the server closes each time it sees the message.
    let closing: &[Script] = &[&[CONNACK, &[]], &[CONNACK, &[]], &[CONNACK, &[]]];
    let (outcome, seen) = against(closing, PRODUCER, &["-q", "1", "t", "m"]);
    assert_eq!((outcome.code, outcome.stderr.len()), (Some(69), 3), "{:?}", outcome.stderr);
    assert_eq!(seen, [[0x10, 0x32]; 3]);
}

#[test]
fn nobody_who_reads_ends_it_quietly() {
    let scripts: &[Script] = &[&[&[0x20, 2, 0, 0], &[0x90, 3, 0, 1, 0], &[]]];
    let (address, server) = serve(scripts);
    let mut command = std::process::Command::new(CONSUMER);
    command.args(at(&address.into(), &["a"])).stderr(std::process::Stdio::piped());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
    let seen = server.join().unwrap();
    assert_eq!(seen[0].last(), Some(&0xe0), "it left with a DISCONNECT: {seen:x?}");
}

#[test]
fn a_signal_is_a_goodbye() {
    let scripts: &[Script] = &[&[&[0x20, 2, 0, 0], &[0x90, 3, 0, 1, 0], &[]]];
    let (address, server) = serve(scripts);
    let mut consumer = Run::start(CONSUMER, &at(&address.into(), &["-d", "a"]));
    consumer.says("SUBACK");
    let kill = format!("kill -TERM {}", consumer.id());
    let status = std::process::Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(status.success());
    consumer.end().fine();
    assert_eq!(server.join().unwrap(), [[0x10, 0x82, 0xe0]], "it left with a DISCONNECT");
}

/// A server that has read a DISCONNECT closes and reads no more: what came behind it would have the
/// connection end with a reset, as if the message before it had been lost.
#[cfg(feature = "websocket")]
#[test]
fn nothing_follows_a_disconnect_before_the_server_has_closed() {
    use std::io::{self, Read, Write};
    use std::sync::Arc;
    use std::time::Duration;

    use mqtt_broker::transport::{Gateway, Scratch, WebAcceptor, WebRules};

    use crate::harness::raw::PATIENCE;

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    let producer = Run::start(PRODUCER, &at(&address, &["--ws", "t", "m"]));
    let (mut socket, _) = listener.accept().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let web = WebAcceptor::new(WebRules::default()).unwrap();
    let gateway = Arc::new(Gateway { web: Some(web), ..Gateway::default() });
    let (mut stream, mut machines) = (gateway.stream(None).unwrap(), Scratch::default());
    let (mut plain, mut buffer, mut is_accepted) = (Vec::new(), [0; 4096], false);
    while !plain.ends_with(b"\xe0\x00") {
        let count = socket.read(&mut buffer).unwrap();
        let opened = stream.open(&mut buffer[..count], &mut machines);
        assert!(count > 0 && !opened.is_closed, "{:?}", opened.fault);
        plain.extend(opened.plain);
        stream.sealing(&mut socket, &mut machines).drain().unwrap();
        if !plain.is_empty() && !is_accepted {
            let mut sealing = stream.sealing(&mut socket, &mut machines);
            sealing.write_all(b"\x20\x02\x00\x00").unwrap();
            sealing.drain().unwrap();
            is_accepted = true;
        }
    }
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let late = socket.read(&mut buffer).map_err(|error| error.kind());
    assert_eq!(late, Err(io::ErrorKind::WouldBlock));
    drop(socket);
    assert_eq!(producer.end().fine(), "");
}
