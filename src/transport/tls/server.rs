//! TLS as a listener speaks it.
//!
//! Owns: the way from files and settings to what handshakes need. A new [`Acceptor`] is made when
//! any of the files has changed; connections keep the one they began with, and nothing is resumed
//! across two of them, so that a revoked certificate does not come in by an old ticket.
//!
//! Sessions are resumed by tickets, which clients keep: ten thousand that come back at once cost
//! no memory here. Clients that know no tickets find theirs among the last few hundred.
//!
//! Never opens a file.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerSessionMemoryCache, UnbufferedServerConnection, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::super::settings::{Clock, Expiry, File, TlsServer, TlsVersions};
use super::Wall;
use super::cipher;
use super::identity::Identity;
use super::verify::{CLIENT, Clients, Fallback};

/// What the handshakes of a listener need. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    expiry: Vec<Expiry>,
}

/// The same only if nothing was read anew in between.
impl PartialEq for Acceptor {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
    }
}

impl Eq for Acceptor {}

/// Sessions kept for clients that know no tickets.
const SESSIONS: usize = 256;

impl Acceptor {
    /// What `settings` say; `clock` tells the time during handshakes.
    ///
    /// # Errors
    /// What is wrong with a file or setting, and how to mend it.
    pub fn new(settings: &TlsServer, clock: Clock) -> Result<Self, String> {
        let provider =
            cipher::chosen(settings.ciphers.as_deref(), settings.ciphers_tls13.as_deref())?;
        let provider = Arc::new(provider);
        let identity = Identity::new(&provider, &settings.certificate, &settings.key)?;
        let mut expiry = vec![identity.expiry];
        let builder =
            ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(Wall(clock)))
                .with_protocol_versions(settings.versions.spoken())
                .map_err(|error| format!("ciphers and tls_version do not fit together: {error}"))?;
        let builder = if settings.requires_certificate {
            let (verifier, ends) = verifier(settings, &provider)?;
            expiry.extend(ends);
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_cert_resolver(identity.resolver);
        config.ticketer =
            ring::Ticketer::new().map_err(|error| format!("no key for tickets: {error}"))?;
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        // A client comes back on one connection.
        config.send_tls13_tickets = 1;
        Ok(Self { config: Arc::new(config), expiry })
    }

    /// When its certificate ends, and those of the authorities.
    #[must_use]
    pub fn expiry(&self) -> &[Expiry] {
        &self.expiry
    }

    pub(super) fn connection(&self) -> UnbufferedServerConnection {
        UnbufferedServerConnection::new(Arc::clone(&self.config))
            .expect("it asks for no fragments, which is all that could be refused")
    }
}

impl TlsVersions {
    pub(super) fn spoken(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::Both => &BOTH,
            Self::Tls12 => &BOTH[1..],
            Self::Tls13 => &BOTH[..1],
        }
    }
}

fn verifier(
    settings: &TlsServer,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, Vec<Expiry>), String> {
    let (roots, store, ends) = authorities(&settings.authorities)?;
    let mut crls = Vec::new();
    for file in &settings.revoked {
        crls.extend(file.revoked()?);
    }
    let algorithms = provider.signature_verification_algorithms;
    let fallback = Fallback::new(roots, &crls, algorithms, CLIENT);
    let usual = WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
        .with_crls(crls)
        .build()
        .map_err(|error| match settings.revoked.first() {
            Some(file) => format!("{}: cannot be used: {error}", file.path),
            None => format!("the authorities cannot be used: {error}"),
        })?;
    let checks_dates = !settings.ignores_dates;
    Ok((Arc::new(Clients { usual, fallback, checks_dates }), ends))
}

/// Who vouches for others: all certificates, those in the form that webpki wants, their ends.
type Authorities = (Vec<CertificateDer<'static>>, RootCertStore, Vec<Expiry>);

pub(super) fn authorities(files: &[File]) -> Result<Authorities, String> {
    let mut roots = Vec::new();
    let mut store = RootCertStore::empty();
    let mut ends = Vec::new();
    for file in files {
        let certificates = file.certificates()?;
        let mut end = u64::MAX;
        for certificate in &certificates {
            let parsed = super::certificate::Certificate::read(certificate)
                .map_err(|_| format!("{}: a certificate cannot be read", file.path))?;
            end = end.min(parsed.validity().1);
            store
                .add(certificate.clone())
                .map_err(|error| format!("{}: cannot be used: {error}", file.path))?;
        }
        ends.push(Expiry { path: file.path.clone(), at: end });
        roots.extend(certificates);
    }
    if roots.is_empty() {
        return Err("nobody vouches for peers; name certificates of authorities".into());
    }
    Ok((roots, store, ends))
}
