//! What listeners speak below MQTT: their files, and how these become ways in.
//!
//! Owns: which files a listener needs; [`Gateways`], the ways in that are in force, which are made
//! anew when a file changes, all of them or none; and the warning before a certificate ends.
//! Connections keep what they came in by.
//!
//! Never touches a connection.

use std::fs::{self, File as FsFile};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use log::{error, info, warn};
use mio::{Registry, Token};

use super::clock::wall;
use super::place::Listening;
use super::watch::Watch;
use crate::config::{Listener, Protocol, ProxyHeader, TlsVersion};
use crate::session::Peer;
use crate::time::Time;
use crate::transport::{
    Acceptor, File, Gateway, ProxyRules, ProxyVersion, Stream, TlsServer, TlsVersions, WebAcceptor,
    WebRules,
};

/// Bytes of a file of certificates at the most.
const FILE_MAX: u64 = 16 << 20;

/// Files of a directory of certificates at the most.
const FILES_MAX: usize = 1024;

/// How long before its end a certificate is told of.
const AHEAD_SECS: u64 = 14 * 24 * 3600;

/// How often it is told.
const CHECK_MS: u64 = 24 * 3600 * 1000;

/// The way into a listener; none if packets come as they are.
///
/// # Errors
/// What is wrong, and where it stands.
pub(super) fn gateway(listener: &Listener) -> Result<Option<Arc<Gateway>>, String> {
    let told = |what: String| match listener.origin.as_str() {
        "" => what,
        origin => format!("{origin}: {what}"),
    };
    let version = match listener.enable_proxy_protocol {
        ProxyHeader::None => None,
        ProxyHeader::V1 => Some(ProxyVersion::V1),
        ProxyHeader::V2 => Some(ProxyVersion::V2),
    };
    let requires_tls = listener.proxy_protocol_v2_require_tls;
    let web = match listener.protocol {
        Protocol::Mqtt => None,
        Protocol::Websockets => {
            let rules = WebRules { origins: listener.websockets_origin.clone() };
            Some(WebAcceptor::new(rules).map_err(told)?)
        }
    };
    let gateway = Gateway {
        trusted: listener.proxy_trusted_networks.clone(),
        proxy: version.map(|version| ProxyRules { version, requires_tls }),
        tls: tls(listener).map_err(told)?,
        web,
    };
    let is_plain = gateway.proxy.is_none() && gateway.tls.is_none() && gateway.web.is_none();
    Ok((!is_plain).then(|| Arc::new(gateway)))
}

fn tls(listener: &Listener) -> Result<Option<Acceptor>, String> {
    let Listener { certfile, keyfile, cafile, capath, crlfile, .. } = listener;
    let (certificate, key) = match (certfile, keyfile) {
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => return Err("certfile needs its key: name it with keyfile".into()),
        (None, Some(_)) => {
            return Err("keyfile needs its certificate: name it with certfile".into());
        }
        (None, None) => {
            let lonely = [
                ("cafile", cafile.is_some()),
                ("capath", capath.is_some()),
                ("crlfile", crlfile.is_some()),
                ("require_certificate", listener.require_certificate),
            ];
            return match lonely.iter().find(|(_, is_there)| *is_there) {
                Some((name, _)) => Err(format!(
                    "{name} is of no use without TLS, and nothing would be encrypted: \
                     name the broker's certificate with certfile and keyfile"
                )),
                None => Ok(None),
            };
        }
    };
    if listener.require_certificate && cafile.is_none() && capath.is_none() {
        return Err("require_certificate needs to know who vouches for clients: name their \
                    authority with cafile or capath"
            .into());
    }
    let mut authorities: Vec<File> =
        cafile.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    if let Some(path) = capath {
        authorities.extend(read_all(path)?);
    }
    let settings = TlsServer {
        certificate: read(certificate)?,
        key: read(key)?,
        authorities,
        revoked: crlfile.iter().map(|path| read(path)).collect::<Result<_, _>>()?,
        requires_certificate: listener.require_certificate,
        versions: match listener.tls_version {
            TlsVersion::V12 => TlsVersions::Both,
            TlsVersion::V13 => TlsVersions::Tls13,
        },
        ciphers: listener.ciphers.clone(),
        ciphers_tls13: listener.ciphers_tls13.clone(),
        ignores_dates: listener.disable_client_cert_date_checks,
    };
    Acceptor::new(&settings, wall).map(Some)
}

/// The files a listener reads.
fn files(listener: &Listener) -> impl Iterator<Item = PathBuf> + '_ {
    let Listener { certfile, keyfile, cafile, capath, crlfile, .. } = listener;
    [certfile, keyfile, cafile, capath, crlfile].into_iter().flatten().map(PathBuf::from)
}

fn read(path: &str) -> Result<File, String> {
    let mut bytes = Vec::new();
    FsFile::open(path)
        .and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read {path}: {error}"))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(format!("{path}: has more than {} MiB", FILE_MAX >> 20));
    }
    Ok(File { path: path.into(), bytes })
}

/// The files of a directory that have certificates in them, by name.
fn read_all(directory: &str) -> Result<Vec<File>, String> {
    let told = |error: std::io::Error| format!("cannot read {directory}: {error}");
    let entries = fs::read_dir(directory).map_err(told)?;
    let paths: Result<Vec<PathBuf>, _> =
        entries.map(|entry| entry.map(|entry| entry.path()).map_err(told)).collect();
    let mut paths: Vec<PathBuf> = paths?.into_iter().filter(|path| path.is_file()).collect();
    paths.sort();
    if paths.len() > FILES_MAX {
        return Err(format!("{directory}: has more than {FILES_MAX} files"));
    }
    let mut files: Vec<File> = Vec::new();
    for path in &paths {
        let file = read(&path.to_string_lossy())?;
        let is_one = String::from_utf8_lossy(&file.bytes).contains("-----BEGIN CERTIFICATE-----");
        // The same file is there by its name and by a hash of its subject.
        if is_one && !files.iter().any(|other| other.bytes == file.bytes) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(format!("{directory}: has no certificates; put PEM files there"));
    }
    Ok(files)
}

/// The ways in that are in force.
pub(super) struct Gateways {
    /// By the numbers of the listeners.
    all: Vec<Option<Arc<Gateway>>>,
    watch: Option<Watch>,
    /// The poll has seen something of the watch.
    is_called: bool,
    /// When the ends of certificates are looked at next.
    check_at: Option<Time>,
}

impl Gateways {
    pub(super) fn new(listeners: &[Listening]) -> Self {
        let mut new = Self { all: Vec::new(), watch: None, is_called: false, check_at: None };
        new.adopt(listeners);
        new
    }

    /// Goes by these from now on.
    pub(super) fn adopt(&mut self, listeners: &[Listening]) {
        self.all = listeners.iter().map(|listening| listening.gateway.clone()).collect();
        self.check_at = Some(Time::from_ms(0));
    }

    /// Watches the files of these listeners and has the poll report it as `token`.
    pub(super) fn watch(
        &mut self,
        registry: &Registry,
        token: Token,
        listeners: &[Option<Listener>],
    ) {
        let paths: Vec<PathBuf> = listeners.iter().flatten().flat_map(files).collect();
        let outcome = match &mut self.watch {
            None if paths.is_empty() => Ok(()),
            Some(watch) => watch.set(paths),
            None => Watch::new().and_then(|mut watch| {
                watch.register(registry, token)?;
                let outcome = watch.set(paths);
                self.watch = Some(watch);
                outcome
            }),
        };
        if let Err(error) = outcome {
            warn!("Changed certificates are seen at SIGHUP only: {error}");
        }
    }

    /// The machines of a connection.
    pub(super) fn stream(&self, peer: &Peer) -> Option<Box<Stream>> {
        let gateway = self.all.get(usize::from(peer.listener))?.as_ref()?;
        gateway.stream(peer.address)
    }

    /// The poll has seen something.
    pub(super) const fn notice(&mut self) {
        self.is_called = true;
    }

    /// Whether files have changed, so that [`renew`](Self::renew) is due.
    pub(super) fn have_changed(&mut self, now: Time) -> bool {
        let Some(watch) = &mut self.watch else { return false };
        if std::mem::take(&mut self.is_called) {
            watch.notice(now);
        }
        watch.has_changed(now).unwrap_or_else(|error| {
            warn!("Changed certificates are seen at SIGHUP only: {error}");
            true
        })
    }

    /// Makes all of them anew, for new connections, or goes on with those there are.
    pub(super) fn renew(&mut self, listeners: &[Option<Listener>]) {
        let mut problems = Vec::new();
        let mut all = Vec::new();
        for listener in listeners {
            match listener.as_ref().map_or(Ok(None), gateway) {
                Ok(gateway) => all.push(gateway),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            self.all = all;
            self.check_at = Some(Time::from_ms(0));
            return info!("Certificates read again, for new connections");
        }
        for problem in problems {
            error!("{problem}");
        }
        error!("Certificates cannot be used as they are now; those before go on");
    }

    /// Tells of certificates that are about to end; how long there is nothing to do.
    pub(super) fn turned(&mut self, now: Time) -> Option<Duration> {
        if self.check_at.is_some_and(|at| at <= now) {
            self.check_at = self.tell_ends().then(|| now.plus_ms(CHECK_MS));
        }
        let check = self.check_at.map(|at| at.since(now));
        let watch = self.watch.as_ref().and_then(|watch| watch.nap(now));
        check.into_iter().chain(watch).min()
    }

    /// Whether there are certificates at all.
    fn tell_ends(&self) -> bool {
        let tls = || self.all.iter().flatten().filter_map(|gateway| gateway.tls.as_ref());
        let mut told: Vec<&str> = Vec::new();
        let now = wall();
        for end in tls().flat_map(Acceptor::expiry) {
            let path = Path::new(&end.path).display();
            if told.contains(&end.path.as_str()) {
                continue;
            }
            if end.at < now {
                warn!("{path}: a certificate has ended; renew it");
            } else if end.at - now < AHEAD_SECS {
                let days = (end.at - now) / (24 * 3600);
                warn!("{path}: a certificate ends in {days} days; renew it");
            }
            told.push(&end.path);
        }
        tls().next().is_some()
    }
}
