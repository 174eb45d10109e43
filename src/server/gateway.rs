//! What listeners speak below MQTT: their files, and how these become ways in.
//!
//! Owns: which files a listener needs; [`Gateways`], the ways in that are in force, which are made
//! anew when a file changes, all of them or none; and what is said of the ends of certificates and
//! of keys that others can read. Connections keep what they came in by.
//!
//! Never touches a connection.

use std::fs;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use log::{Level, error, info, log, warn};

use super::clock::wall;
use super::files::Disk;
use super::place::Listening;
use crate::config::{Listener, Problem, Protocol, ProxyHeader, TlsVersion};
use crate::session::Peer;
use crate::stamp::Stamp;
use crate::time::Time;
use crate::transport::{
    Acceptor, Expiry, File, Gateway, ProxyRules, ProxyVersion, Stream, TlsServer, TlsVersions,
    WebAcceptor, WebRules,
};

/// Bytes of a file of certificates at the most.
const FILE_MAX: usize = 16 << 20;

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

/// The files that listeners read.
pub(super) fn files(listeners: &[Option<Listener>], disk: &Disk) -> Vec<PathBuf> {
    let paths = listeners.iter().flatten().flat_map(|listener| {
        let Listener { certfile, keyfile, cafile, capath, crlfile, .. } = listener;
        [certfile, keyfile, cafile, capath, crlfile].into_iter().flatten()
    });
    paths.filter_map(|path| disk.place(path).ok()).collect()
}

fn read(path: &str) -> Result<File, String> {
    let bytes = Disk::default()
        .read_up_to(path, FILE_MAX)
        .map_err(|what| format!("cannot read {path}: {what}"))?;
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
    /// When the ends of certificates are looked at next.
    check_at: Option<Time>,
    /// Files whose ends are to be told, however far away they are.
    is_new: bool,
}

impl Gateways {
    pub(super) fn new(listeners: &[Listening]) -> Self {
        let mut new = Self { all: Vec::new(), check_at: None, is_new: false };
        new.adopt(listeners);
        new
    }

    /// Goes by these from now on.
    pub(super) fn adopt(&mut self, listeners: &[Listening]) {
        self.take(listeners.iter().map(|listening| listening.gateway.clone()).collect());
    }

    fn take(&mut self, all: Vec<Option<Arc<Gateway>>>) {
        self.all = all;
        self.check_at = Some(Time::from_ms(0));
        self.is_new = true;
    }

    /// The machines of a connection.
    pub(super) fn stream(&self, peer: &Peer) -> Option<Box<Stream>> {
        let gateway = self.all.get(usize::from(peer.listener))?.as_ref()?;
        gateway.stream(peer.address)
    }

    /// When the certificate of each listener ends, in seconds since 1970, by number.
    pub(super) fn ends(&self) -> impl Iterator<Item = Option<u64>> + '_ {
        self.all.iter().map(|gateway| {
            let tls = gateway.as_ref()?.tls.as_ref()?;
            // The first one is that of the broker.
            Some(tls.expiry().first()?.at)
        })
    }

    /// Makes all of them anew, for new connections, or goes on with those there are.
    pub(super) fn renew(&mut self, listeners: &[Option<Listener>]) {
        exposed(listeners.iter().flatten(), &Disk::default())
            .iter()
            .for_each(|what| warn!("{what}"));
        let mut problems = Vec::new();
        let mut all = Vec::new();
        for listener in listeners {
            match listener.as_ref().map_or(Ok(None), gateway) {
                Ok(gateway) => all.push(gateway),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            self.take(all);
            return info!("Certificates read again, for new connections");
        }
        for problem in problems {
            error!("{problem}");
        }
        error!("Certificates cannot be used as they are now; those before go on");
    }

    /// Tells when certificates end: once of all that are new, and every day of those that are
    /// about to. How long there is nothing to do.
    pub(super) fn turned(&mut self, now: Time) -> Option<Duration> {
        if self.check_at.is_some_and(|at| at <= now) {
            let ends = ends(&self.all, mem::take(&mut self.is_new), wall());
            for (level, line) in &ends {
                log!(*level, "{line}");
            }
            let has_any = self.ends().any(|end| end.is_some());
            self.check_at = has_any.then(|| now.plus_ms(CHECK_MS));
        }
        self.check_at.map(|at| at.since(now))
    }
}

/// What is to be said of the ends of certificates `now`, of each file once; of those that are far
/// away only if they are new.
fn ends(all: &[Option<Arc<Gateway>>], is_new: bool, now: u64) -> Vec<(Level, String)> {
    let mut told: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    let tls = all.iter().flatten().filter_map(|gateway| gateway.tls.as_ref());
    for Expiry { path, at } in tls.flat_map(Acceptor::expiry) {
        if told.contains(&path.as_str()) {
            continue;
        }
        told.push(path);
        let moment = Stamp::utc(UNIX_EPOCH + Duration::from_secs(*at)).iso();
        let days = at.saturating_sub(now) / (24 * 3600);
        let line = if *at < now {
            (Level::Warn, format!("{path}: a certificate has ended, on {moment}; renew it"))
        } else if at - now < AHEAD_SECS {
            (
                Level::Warn,
                format!("{path}: a certificate ends in {days} days, on {moment}; renew it"),
            )
        } else if is_new {
            (Level::Info, format!("{path}: a certificate ends in {days} days, on {moment}"))
        } else {
            continue;
        };
        lines.push(line);
    }
    lines
}

/// What to do about keys that others may read or write.
pub(super) fn exposed<'l>(
    listeners: impl Iterator<Item = &'l Listener>,
    disk: &Disk,
) -> Vec<Problem> {
    let mut keys: Vec<&String> = listeners.filter_map(|one| one.keyfile.as_ref()).collect();
    keys.sort();
    keys.dedup();
    let told = keys.into_iter().filter_map(|path| {
        Some(Problem { file: path.clone(), line: 0, what: disk.exposure(path)? })
    });
    told.collect()
}
