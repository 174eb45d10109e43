//! From the command line to what a client program does.
//!
//! Owns: the options both programs have. [`Arguments`] takes `-D` with its three or four words out
//! before the rest is parsed; [`Settings`] is what the connection is made from.
//!
//! Never connects.

use std::fs;

use bytes::Bytes;
use getopts::Matches;

use crate::cli::{self, Opt, Usage};
use crate::client::Options;
use crate::codec::{Connect, Disconnect, QoS, Version, Will};
use crate::topic_matcher::Topic;
use crate::transport::Exit;

use super::way::{Choice, Url};
use super::{Properties, Server};

/// A command line, taken apart.
#[derive(Debug)]
pub struct Arguments {
    /// Everything but `-D`.
    pub matches: Matches,
    /// What came with `-D`, if it was there.
    pub properties: Option<Properties>,
}

impl Arguments {
    /// Parses the arguments of `program`, its own name not among them.
    ///
    /// # Errors
    /// [`Usage`] for anything that is not in `table`.
    pub fn parse(
        program: &str,
        table: &[Opt],
        arguments: impl IntoIterator<Item = std::ffi::OsString>,
    ) -> Result<Self, Usage> {
        let mut words = Vec::new();
        for argument in arguments {
            words.push(argument.into_string().map_err(|wrong| {
                let wrong = wrong.to_string_lossy().into_owned();
                Usage(format!("'{wrong}' is not UTF-8; messages that are not come with -f or -s"))
            })?);
        }
        let mut properties = None;
        let rest = take_properties(program, table, words, &mut properties)?;
        Ok(Self { matches: cli::parse(program, table, rest)?, properties })
    }
}

/// Moves each `-D COMMAND NAME VALUE...` from `words` into `properties`.
fn take_properties(
    program: &str,
    table: &[Opt],
    words: Vec<String>,
    properties: &mut Option<Properties>,
) -> Result<Vec<String>, Usage> {
    let missing = || Usage(format!("-D needs COMMAND NAME VALUE; see 'man {program}'"));
    let mut rest = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            rest.push(word);
            rest.extend(words);
            break;
        }
        if word == "-D" || word == "--property" {
            let command = words.next().ok_or_else(missing)?;
            let name = words.next().ok_or_else(missing)?;
            let count = Properties::arguments(&name) - 1;
            let values: Vec<_> = words.by_ref().take(count).collect();
            if values.len() < count {
                return Err(missing());
            }
            properties.get_or_insert_default().set(&command, &name, &values)?;
            continue;
        }
        let takes_next = takes_next(table, &word);
        rest.push(word);
        if takes_next {
            rest.extend(words.next());
        }
    }
    Ok(rest)
}

/// Whether the argument of the last option in `word` is the next word.
fn takes_next(table: &[Opt], word: &str) -> bool {
    if let Some(long) = word.strip_prefix("--") {
        return table.iter().any(|opt| opt.long == long && !opt.hint.is_empty());
    }
    let Some(letters) = word.strip_prefix('-') else { return false };
    for (at, letter) in letters.char_indices() {
        let is_it = |opt: &&Opt| opt.short.chars().eq([letter]);
        if table.iter().find(is_it).is_some_and(|opt| !opt.hint.is_empty()) {
            return at + letter.len_utf8() == letters.len();
        }
    }
    false
}

/// What a connection is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the program, before its messages.
    pub program: &'static str,
    /// Where the server is.
    pub server: Server,
    /// What lies before it.
    pub exit: Exit,
    /// The topic that the URL names, if there is one.
    pub topic: Option<String>,
    /// The client's own options.
    pub client: Options,
    /// The DISCONNECT at the end.
    pub disconnect: Disconnect,
    /// Packets are traced.
    pub debug: bool,
    /// Nothing but usage errors is said.
    pub quiet: bool,
    /// Quality of service of messages or subscriptions.
    pub qos: QoS,
    /// MQTT 5 properties.
    pub properties: Properties,
}

impl Settings {
    /// Reads the options that both programs have. `nonce` makes a client id unique.
    ///
    /// # Errors
    /// [`Usage`] for values out of range and options that contradict each other.
    pub fn read(program: &'static str, arguments: &Arguments, nonce: u64) -> Result<Self, Usage> {
        let matches = &arguments.matches;
        let url = Url::of(matches)?;
        let choice = Choice::of(matches, url.as_ref())?;
        let server = server(matches, url.as_ref(), choice)?;
        let exit = match &server {
            Server::Port { host, port, .. } => choice.exit(matches, url.as_ref(), (host, *port))?,
            Server::Unix(_) if choice.port() != 1883 => {
                return Err(Usage(
                    "at a Unix socket is no TLS and no WebSocket: leave it out".into(),
                ));
            }
            Server::Unix(_) => Exit::default(),
        };
        let mut connect = connect(program, arguments, nonce)?;
        if let Some(url) = &url {
            identify(&mut connect, url)?;
        }
        let properties = arguments.properties.clone().unwrap_or_default();
        let window: Option<u16> = cli::value(matches, "max-inflight", "a number from 1 to 65535")?;
        if window == Some(0) {
            return Err(Usage("--max-inflight 0: give a number from 1 to 65535".into()));
        }
        let mut client = Options::new(connect);
        client.window = window.unwrap_or(client.window);
        let disconnect = Disconnect {
            session_expiry_interval: properties.disconnect_expiry_interval,
            user_properties: properties.disconnect.clone(),
            ..Disconnect::default()
        };
        Ok(Self {
            program,
            server,
            exit,
            topic: url.map_or(Ok(None), |url| url.topic())?,
            client,
            disconnect,
            debug: matches.opt_present("debug"),
            quiet: matches.opt_present("quiet"),
            qos: qos(matches, "qos")?,
            properties,
        })
    }

    /// The version spoken.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.client.connect.version
    }
}

/// The user name and password of a URL.
fn identify(connect: &mut Connect, url: &Url) -> Result<(), Usage> {
    if url.user.is_none() {
        return Ok(());
    }
    if connect.user_name.is_some() || connect.password.is_some() {
        return Err(Usage("-L says who the user is, and so do -u and -P: give one".into()));
    }
    connect.user_name.clone_from(&url.user);
    connect.password = url.password.clone().map(Into::into);
    Ok(())
}

fn server(matches: &Matches, url: Option<&Url>, choice: Choice) -> Result<Server, Usage> {
    let Some(path) = matches.opt_str("unix") else {
        let (host, port) = match url {
            Some(url) => (Some(url.host.clone()), url.port),
            None => {
                (matches.opt_str("host"), cli::value(matches, "port", "a number from 1 to 65535")?)
            }
        };
        return Ok(Server::Port {
            host: host.unwrap_or_else(|| "localhost".into()),
            port: port.unwrap_or_else(|| choice.port()),
            bind: cli::value(matches, "A", "an IP address of this machine")?,
        });
    };
    let others = [("host", "-h"), ("port", "-p"), ("A", "-A")];
    match others.iter().find(|(name, _)| matches.opt_present(name)) {
        Some((_, other)) => Err(Usage(format!(
            "--unix is a way to the server, and {other} is of another: give one"
        ))),
        None => Ok(Server::Unix(path.into())),
    }
}

fn connect(program: &str, arguments: &Arguments, nonce: u64) -> Result<Connect, Usage> {
    let matches = &arguments.matches;
    let version = version(arguments)?;
    let is_persistent = matches.opt_present("disable-clean-session");
    let mut connect = Connect::new(client_id(program, matches, version, nonce)?)
        .version(version)
        .clean_session(!is_persistent);
    if is_persistent && !(matches.opt_present("id") || matches.opt_present("id-prefix")) {
        return Err(Usage("-c resumes the session of a client id: give one with -i".into()));
    }
    let seconds = "a number from 0 to 65535";
    if let Some(keep_alive) = cli::value(matches, "keepalive", seconds)? {
        connect = connect.keep_alive(keep_alive);
    }
    connect.user_name = matches.opt_str("username");
    connect.password = password(matches)?;
    if connect.password.is_some() && connect.user_name.is_none() && version != Version::V5 {
        return Err(Usage("a password without a user name needs -V 5: add -u NAME".into()));
    }
    let properties = arguments.properties.clone().unwrap_or_default();
    connect.will = will(matches, &properties)?.map(Box::new);
    connect.properties = properties.connect;
    let expiry = match matches.opt_str("x") {
        Some(text) => Some(expiry(&text)?),
        None => is_persistent.then_some(u32::MAX),
    };
    if version == Version::V5 && connect.properties.session_expiry_interval.is_none() {
        connect.properties.session_expiry_interval = expiry;
    }
    Ok(connect)
}

fn version(arguments: &Arguments) -> Result<Version, Usage> {
    let needs_5 = match (&arguments.properties, arguments.matches.opt_present("x")) {
        (Some(_), _) => Some("-D"),
        (None, true) => Some("-x"),
        (None, false) => None,
    };
    let version = match arguments.matches.opt_str("V").as_deref() {
        None if needs_5.is_some() => Version::V5,
        None | Some("311" | "3.1.1" | "mqttv311" | "4") => Version::V311,
        Some("31" | "3.1" | "mqttv31" | "3") => Version::V31,
        Some("5" | "5.0" | "50" | "mqttv5") => Version::V5,
        Some(other) => return Err(Usage(format!("-V '{other}': give 3.1, 3.1.1 or 5"))),
    };
    match needs_5 {
        Some(option) if version != Version::V5 => {
            Err(Usage(format!("{option} is for MQTT 5: add -V 5 or leave -V out")))
        }
        _ => Ok(version),
    }
}

fn client_id(
    program: &str,
    matches: &Matches,
    version: Version,
    nonce: u64,
) -> Result<String, Usage> {
    match (matches.opt_str("id"), matches.opt_str("id-prefix")) {
        (Some(_), Some(_)) => Err(Usage("-i and -I both set the client id: give one".into())),
        (Some(id), None) => Ok(id),
        (None, Some(prefix)) => Ok(format!("{prefix}{}", std::process::id())),
        (None, None) if version == Version::V5 => Ok(String::new()),
        (None, None) => {
            // At most the 23 characters that every 3.1 server takes.
            let name = program.strip_prefix("mqtt-").unwrap_or(program);
            Ok(format!("{name}-{:012x}", nonce & 0xffff_ffff_ffff))
        }
    }
}

fn password(matches: &Matches) -> Result<Option<Bytes>, Usage> {
    match (matches.opt_str("pw"), matches.opt_str("pw-file")) {
        (Some(_), Some(_)) => Err(Usage("-P and --pw-file both set the password: give one".into())),
        (Some(password), None) => Ok(Some(password.into())),
        (None, None) => Ok(None),
        (None, Some(path)) => {
            let text = fs::read(&path)
                .map_err(|error| Usage(format!("cannot read the password from {path}: {error}")))?;
            let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            Ok(Some(Bytes::copy_from_slice(line)))
        }
    }
}

fn will(matches: &Matches, properties: &Properties) -> Result<Option<Will>, Usage> {
    let Some(topic) = matches.opt_str("will-topic") else {
        let orphan = ["will-payload", "will-qos", "will-retain"]
            .into_iter()
            .find(|name| matches.opt_present(name));
        return match orphan {
            Some(name) => Err(Usage(format!("--{name} needs --will-topic TOPIC"))),
            None => Ok(None),
        };
    };
    check_topic(&topic)?;
    Ok(Some(Will {
        topic,
        payload: matches.opt_str("will-payload").unwrap_or_default().into(),
        qos: qos(matches, "will-qos")?,
        retain: matches.opt_present("will-retain"),
        delay_interval: properties.will_delay_interval.unwrap_or(0),
        properties: properties.will.clone(),
    }))
}

/// A quality of service, 0 if it is not given.
fn qos(matches: &Matches, name: &str) -> Result<QoS, Usage> {
    match cli::value::<u8>(matches, name, "0, 1 or 2")? {
        None => Ok(QoS::AtMostOnce),
        Some(bits) => {
            QoS::from_bits(bits).ok_or_else(|| Usage(format!("--{name} '{bits}': give 0, 1 or 2")))
        }
    }
}

fn expiry(text: &str) -> Result<u32, Usage> {
    match text {
        "-1" | "never" | "\u{221e}" => Ok(u32::MAX),
        _ => text.parse().map_err(|_| {
            Usage(format!("-x '{text}': give seconds from 0 to 4294967294, or -1 for ever"))
        }),
    }
}

/// Checks the name of a topic.
///
/// # Errors
/// [`Usage`] if it is none.
pub fn check_topic(topic: &str) -> Result<(), Usage> {
    match Topic::parse(topic) {
        Ok(_) => Ok(()),
        Err(invalid) => Err(Usage(format!("'{topic}' is no topic name: {invalid}"))),
    }
}
