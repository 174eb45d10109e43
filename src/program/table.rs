//! The option tables of the client programs.
//!
//! Owns: every option of `mqtt-producer` and `mqtt-consumer` and the text of their `--help`; tests
//! hold the manual pages and the text against the tables. Letters are those of mosquitto_pub and
//! mosquitto_sub wherever these have one.
//!
//! Never reads an argument.

use crate::cli::Opt;

/// A table: the options of both programs, and in their midst those that one has alone.
macro_rules! table {
    ($($own:expr),* $(,)?) => {
        &[
            Opt::value("h", "host", "HOST", "server to connect to (localhost)"),
            Opt::value("p", "port", "PORT", "its port (1883)"),
            Opt::value("A", "", "ADDRESS", "connect from this address of this machine"),
            Opt::value("", "unix", "PATH", "a Unix socket to connect to, instead of a port"),
            Opt::value("L", "url", "URL", "mqtt://, mqtts://, ws:// or wss://, see the manual"),
            Opt::value("i", "id", "ID", "client id (made up; MQTT 5: the server chooses)"),
            Opt::value("I", "id-prefix", "PREFIX", "client id: PREFIX and process id"),
            Opt::value("u", "username", "NAME", "user name"),
            Opt::value("P", "pw", "PASSWORD", "password; everyone can see it in ps(1)"),
            Opt::value("", "pw-file", "FILE", "password: first line of FILE"),
            Opt::value("", "cafile", "FILE", "TLS: who vouches for the server, PEM"),
            Opt::value("", "capath", "DIRECTORY", "TLS: the same, all files there"),
            Opt::flag("", "tls-use-os-certs", "TLS: whom the system trusts"),
            Opt::value("", "cert", "FILE", "TLS: own certificate, PEM"),
            Opt::value("", "key", "FILE", "TLS: its key, PEM"),
            Opt::flag("", "insecure", "TLS: any name of the server will do"),
            Opt::value(
                "",
                "tls-version",
                "VERSION",
                "TLS: lowest version, tlsv1.2 or tlsv1.3 (tlsv1.2)",
            ),
            Opt::value("", "tls-alpn", "PROTOCOL", "TLS: what is spoken inside"),
            Opt::value("", "ciphers", "LIST", "TLS 1.2: ciphers, as OpenSSL names them"),
            Opt::flag("", "ws", "WebSocket, at the path /mqtt"),
            $($own,)*
            Opt::value("q", "qos", "QOS", "quality of service 0, 1 or 2 (0)"),
            Opt::value("k", "keepalive", "SECONDS", "keep alive (60; 0 is off)"),
            Opt::value(
                "V",
                "protocol-version",
                "VERSION",
                "3.1, 3.1.1 or 5 (3.1.1; 5 with -x or -D)",
            ),
            Opt::flag(
                "c",
                "disable-clean-session",
                "resume the session and leave it behind; needs -i",
            ),
            Opt::value(
                "x",
                "session-expiry-interval",
                "SECONDS",
                "life of the session after the end",
            ),
            Opt::value(
                "D",
                "property",
                "COMMAND NAME VALUE",
                "MQTT 5 property, see the manual",
            )
            .repeated(),
            Opt::value("M", "max-inflight", "COUNT", "messages unacknowledged at a time (20)"),
            Opt::flag("", "nodelay", "accepted; always so"),
            Opt::value("", "will-topic", "TOPIC", "topic of the will"),
            Opt::value("", "will-payload", "TEXT", "its payload (empty)"),
            Opt::value("", "will-qos", "QOS", "its quality of service (0)"),
            Opt::flag("", "will-retain", "retain it"),
            Opt::flag("d", "debug", "packets on standard error"),
            Opt::flag("", "quiet", "no messages on standard error"),
            Opt::flag("", "help", "this text"),
            Opt::flag("", "version", "version of the program"),
        ]
    };
}

/// Options of `mqtt-producer`.
pub const PRODUCER: &[Opt] = table![
    Opt::value("t", "topic", "TOPIC", "topic to publish to, instead of the first argument"),
    Opt::value("m", "message", "TEXT", "message, instead of the second argument"),
    Opt::value("f", "file", "FILE", "a file as the message"),
    Opt::flag("s", "stdin-file", "all of standard input as the message"),
    Opt::flag("l", "stdin-line", "each line of standard input as a message"),
    Opt::flag("n", "null-message", "an empty message"),
    Opt::flag("r", "retain", "the server keeps the message for later subscribers"),
    Opt::value("", "repeat", "COUNT", "publish the message so often (1)"),
    Opt::value("", "repeat-delay", "SECONDS", "wait between repetitions (0)"),
];

/// Options of `mqtt-consumer`.
pub const CONSUMER: &[Opt] = table![
    Opt::value("t", "topic", "FILTER", "filter to subscribe to, as an argument is").repeated(),
    Opt::value("C", "", "COUNT", "end after so many messages"),
    Opt::value("n", "", "COUNT", "the same"),
    Opt::value("W", "", "SECONDS", "end after this time with status 27"),
    Opt::flag("E", "", "end when the subscriptions are acknowledged"),
    Opt::value("U", "unsubscribe", "FILTER", "unsubscribe from it").repeated(),
    Opt::value("T", "filter-out", "FILTER", "do not print what matches").repeated(),
    Opt::flag("R", "", "do not print retained messages"),
    Opt::flag("", "retained-only", "print retained messages, end at the first fresh one"),
    Opt::flag("", "remove-retained", "clear each retained message that is received"),
    Opt::flag("", "retain-as-published", "keep the retain flag as published (MQTT 5)"),
    Opt::value("", "retain-handling", "WHEN", "retained messages: always, new, never (MQTT 5)"),
    Opt::flag("v", "verbose", "print the topic before the payload"),
    Opt::flag("N", "", "no end of line after a message"),
    Opt::value("F", "", "FORMAT", "print messages so, see the manual"),
];

/// `--help` of a program: how it is called and its own options, those of both, an example.
macro_rules! help {
    ($own:literal, $example:literal) => {
        concat!(
            $own,
            "\
server     -h, --host HOST   -p, --port PORT  -A ADDRESS (ours)  --unix PATH
           -u, --username NAME    -P, --pw PASSWORD       --pw-file FILE
           -L, --url URL   --ws   --cafile FILE   --capath DIR   --cert FILE
           --key FILE  --tls-use-os-certs  --tls-version VERSION  --insecure
session    -i, --id ID            -I, --id-prefix PREFIX
           -c, --disable-clean-session  resume the session, leave it behind
           -x, --session-expiry-interval SECONDS
           -k, --keepalive SECONDS      -M, --max-inflight COUNT
will       --will-topic TOPIC --will-payload TEXT --will-qos QOS --will-retain
protocol   -V, --protocol-version 3.1 | 3.1.1 | 5  --ciphers LIST  --nodelay
           -D, --property COMMAND NAME VALUE   MQTT 5 --tls-alpn PROTOCOL
program    -d, --debug   --quiet   --help   --version
",
            $example
        )
    };
}

/// `--help` of `mqtt-producer`.
pub const PRODUCER_HELP: &str = help!(
    "\
usage: mqtt-producer [options] TOPIC MESSAGE
       mqtt-producer [options] -t TOPIC {-m TEXT | -f FILE | -l | -s | -n}
Publishes messages to an MQTT server.

message    -t, --topic TOPIC      -m, --message TEXT      -f, --file FILE
           -l, --stdin-line       a message per line of standard input
           -s, --stdin-file       all of standard input is the message
           -n, --null-message     an empty message; with -r: clears the topic
           -q, --qos QOS          0, 1 or 2        -r, --retain
           --repeat COUNT         --repeat-delay SECONDS
",
    "\
Example: mqtt-producer -h broker.local -q 1 kitchen/temperature 21.5
Everything else: man mqtt-producer
"
);

/// `--help` of `mqtt-consumer`.
pub const CONSUMER_HELP: &str = help!(
    "\
usage: mqtt-consumer [options] FILTER...
Subscribes at an MQTT server and prints the messages that arrive.

messages   -t, --topic FILTER     -T, --filter-out FILTER (do not print)
           -q, --qos QOS          0, 1 or 2      -U, --unsubscribe FILTER
           -R  no retained ones   --retained-only  --remove-retained
           --retain-as-published  --retain-handling always | new | never
output     -v, --verbose          topic before payload
           -N  no end of line     -F FORMAT  %t %p %q %r %j ... see the manual
end        -C COUNT, -n COUNT     after so many messages
           -W SECONDS  status 27  -E  when subscriptions are acknowledged
",
    "\
Example: mqtt-consumer -h broker.local -v 'kitchen/#'     man mqtt-consumer
"
);
