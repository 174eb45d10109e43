//! What lies between a client program and the server: TLS, WebSocket, or nothing.
//!
//! Owns: the options that decide it, URLs among them, and the files they name.
//!
//! Never connects.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use getopts::Matches;

use crate::cli::Usage;
use crate::transport::{Connector, Exit, File, TlsClient, TlsVersions, WebConnector, WebRequest};

/// What a URL says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Url {
    is_tls: bool,
    is_web: bool,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// A topic, or with WebSocket the path of the request.
    path: String,
}

/// Files of a directory of authorities at the most.
const FILES_MAX: usize = 1024;

impl Url {
    /// The URL of `-L`, if there is one.
    pub(super) fn of(matches: &Matches) -> Result<Option<Self>, Usage> {
        let Some(text) = matches.opt_str("url") else { return Ok(None) };
        if let Some((_, other)) =
            [("host", "-h"), ("port", "-p"), ("unix", "--unix"), ("ws", "--ws")]
                .iter()
                .find(|(name, _)| matches.opt_present(name))
        {
            return Err(Usage(format!("-L and {other} both say where the server is: give one")));
        }
        // What is wrong is said without it: there may be a password in it.
        Self::parse(&text).map(Some).ok_or_else(|| {
            Usage(
                "-L: give a URL, mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC, mqtts:// for TLS, or \
                 ws:// or wss:// with a path instead of the topic"
                    .into(),
            )
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (is_tls, is_web) = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => (false, false),
            "mqtts" => (true, false),
            "ws" => (false, true),
            "wss" => (true, true),
            _ => return None,
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (who, place) = match authority.rsplit_once('@') {
            Some((who, place)) => (Some(who), place),
            None => (None, authority),
        };
        let (user, password) = match who.map(|who| who.split_once(':').unwrap_or((who, ""))) {
            None => (None, None),
            Some((user, "")) => (Some(decoded(user)?), None),
            Some((user, password)) => (Some(decoded(user)?), Some(decoded(password)?)),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, rest)
            }
            None => place.split_at(place.find(':').unwrap_or(place.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
            None if port.is_empty() => None,
            None => return None,
        };
        if host.is_empty() || (is_web && !path.is_empty() && !WebRequest::is_path(path)) {
            return None;
        }
        let (host, path) = (host.into(), path.into());
        Some(Self { is_tls, is_web, host, port, user, password, path })
    }

    /// The topic it names.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub(super) fn topic(&self) -> Result<Option<String>, Usage> {
        let topic = self.path.strip_prefix('/').unwrap_or_default();
        if self.is_web || topic.is_empty() {
            return Ok(None);
        }
        let topic = decoded(topic).ok_or_else(|| Usage("the topic of -L is not UTF-8".into()))?;
        Ok(Some(topic))
    }
}

/// A text in which `%XX` is a byte.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let (high, low) = (char::from(rest.next()?), char::from(rest.next()?));
            let value = high.to_digit(16)? << 4 | low.to_digit(16)?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// What the options say of TLS and WebSocket, as the port they are spoken at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    is_tls: bool,
    is_web: bool,
}

impl Choice {
    pub(super) fn of(matches: &Matches, url: Option<&Url>) -> Result<Self, Usage> {
        let told = ["cafile", "capath", "tls-use-os-certs"];
        let is_secure_port = matches.opt_str("port").as_deref() == Some("8883");
        let choice = Self {
            is_tls: url.is_some_and(|url| url.is_tls)
                || told.iter().any(|name| matches.opt_present(name))
                || is_secure_port,
            is_web: url.is_some_and(|url| url.is_web) || matches.opt_present("ws"),
        };
        if let Some(url) = url
            && !url.is_tls
            && choice.is_tls
        {
            return Err(Usage("-L is of a server without TLS: write mqtts:// or wss://".into()));
        }
        let lonely = ["cert", "key", "insecure", "tls-version", "tls-alpn", "ciphers"];
        match lonely.iter().find(|name| matches.opt_present(name)) {
            Some(name) if !choice.is_tls => Err(Usage(format!(
                "--{name} is of TLS: add --cafile FILE, or --tls-use-os-certs for the authorities \
                 of the system"
            ))),
            _ => Ok(choice),
        }
    }

    /// The port registered for it.
    pub(super) const fn port(self) -> u16 {
        match (self.is_tls, self.is_web) {
            (false, false) => 1883,
            (true, false) => 8883,
            (false, true) => 80,
            (true, true) => 443,
        }
    }

    /// The machines of connections to `host`.
    pub(super) fn exit(
        self,
        matches: &Matches,
        url: Option<&Url>,
        (host, port): (&str, u16),
    ) -> Result<Exit, Usage> {
        let tls = if self.is_tls { Some(connector(matches, host)?) } else { None };
        let web = if self.is_web {
            let path = url.map(|url| url.path.clone()).filter(|path| !path.is_empty());
            let host = if host.contains(':') { format!("[{host}]") } else { host.into() };
            let authority = format!("{host}:{port}");
            let request = WebRequest { authority, path: path.unwrap_or_else(|| "/mqtt".into()) };
            Some(WebConnector::new(request).map_err(Usage)?)
        } else {
            None
        };
        Ok(Exit { tls, web })
    }
}

fn connector(matches: &Matches, host: &str) -> Result<Connector, Usage> {
    let file = |name: &str| matches.opt_str(name).map(|path| read(&path)).transpose();
    let identity = match (file("cert")?, file("key")?) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => return Err(Usage("--cert needs its key: add --key FILE".into())),
        (None, Some(_)) => {
            return Err(Usage("--key needs its certificate: add --cert FILE".into()));
        }
    };
    let mut authorities: Vec<File> = file("cafile")?.into_iter().collect();
    if let Some(path) = matches.opt_str("capath") {
        authorities.extend(read_all(&path)?);
    }
    let uses_system = matches.opt_present("tls-use-os-certs") || authorities.is_empty();
    let versions = match matches.opt_str("tls-version").as_deref() {
        None | Some("tlsv1.2") => TlsVersions::Both,
        Some("tlsv1.3") => TlsVersions::Tls13,
        Some(other) => {
            return Err(Usage(format!("--tls-version '{other}': give tlsv1.2 or tlsv1.3")));
        }
    };
    let settings = TlsClient {
        authorities,
        system: if uses_system { system() } else { Vec::new() },
        identity,
        any_name: matches.opt_present("insecure"),
        versions,
        ciphers: matches.opt_str("ciphers"),
        ciphers_tls13: None,
        alpn: matches.opt_str("tls-alpn").into_iter().collect(),
    };
    Connector::new(&settings, host, wall).map_err(Usage)
}

fn read(path: &str) -> Result<File, Usage> {
    match fs::read(path) {
        Ok(bytes) => Ok(File { path: path.into(), bytes }),
        Err(error) => Err(Usage(format!("cannot read {path}: {error}"))),
    }
}

/// The files of a directory that have certificates in them.
fn read_all(directory: &str) -> Result<Vec<File>, Usage> {
    let told = |error: std::io::Error| Usage(format!("cannot read {directory}: {error}"));
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(told)?.take(FILES_MAX) {
        let path = entry.map_err(told)?.path();
        if !Path::is_file(&path) {
            continue;
        }
        let file = read(&path.to_string_lossy())?;
        if String::from_utf8_lossy(&file.bytes).contains("-----BEGIN CERTIFICATE-----") {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Usage(format!("{directory}: has no certificates; put PEM files there")));
    }
    Ok(files)
}

/// The authorities of the system; those it cannot read are none.
fn system() -> Vec<Vec<u8>> {
    #[cfg(feature = "tls")]
    let all = rustls_native_certs::load_native_certs().certs;
    #[cfg(not(feature = "tls"))]
    let all: Vec<Vec<u8>> = Vec::new();
    all.into_iter().map(|certificate| certificate.to_vec()).collect()
}

#[expect(clippy::disallowed_methods, reason = "the server floor is where clocks are read")]
fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse("mqtts://us%40er:pa%3Ass@broker.example:1/a%2fb/c").unwrap();
        assert!(url.is_tls && !url.is_web);
        assert_eq!((url.host.as_str(), url.port), ("broker.example", Some(1)));
        assert_eq!(url.user.as_deref(), Some("us@er"));
        assert_eq!(url.password.as_deref(), Some("pa:ss"));
        assert_eq!(url.topic().unwrap().as_deref(), Some("a/b/c"));
        let url = Url::parse("WS://[::1]:9001/mqtt?x=1").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.is_web), ("::1", Some(9001), true));
        assert_eq!((url.topic().unwrap(), url.path.as_str()), (None, "/mqtt?x=1"));
        let bare = Url::parse("mqtt://h").unwrap();
        assert_eq!((bare.port, bare.user.clone(), bare.topic().unwrap()), (None, None, None));
        for wrong in [
            "h",
            "http://h",
            "mqtt://",
            "mqtt://h:0",
            "mqtt://h:x",
            "mqtt://h:99999",
            "mqtt://[h",
            "mqtt://[::1]x",
            "mqtt://%zz@h",
            "mqtt://%ff@h",
            "ws://h/a b",
            "ws://h/#a",
        ] {
            assert_eq!(Url::parse(wrong), None, "{wrong}");
        }
    }
}
