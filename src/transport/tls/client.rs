//! TLS as a client speaks it.
//!
//! Owns: the way from files and settings to what a handshake needs.
//!
//! Never opens a file.

use std::sync::Arc;

use rustls::client::{UnbufferedClientConnection, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::super::settings::{Clock, TlsClient};
use super::Wall;
use super::cipher;
use super::identity::Identity;
use super::server::authorities;
use super::verify::{Fallback, SERVER, Servers};

/// What handshakes of a client need. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Connector {
    /// What `settings` say, for the server at `host`; `clock` tells the time during handshakes.
    ///
    /// # Errors
    /// What is wrong with a file or setting, and how to mend it.
    pub fn new(settings: &TlsClient, host: &str, clock: Clock) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("'{host}' is no name that a certificate can be for"))?;
        let provider =
            cipher::chosen(settings.ciphers.as_deref(), settings.ciphers_tls13.as_deref())?;
        let provider = Arc::new(provider);
        let (mut roots, mut store) = (Vec::new(), RootCertStore::empty());
        if !settings.authorities.is_empty() {
            (roots, store, _) = authorities(&settings.authorities)?;
        }
        // The system has some that nobody can read any more.
        let system = settings.system.iter().map(|bytes| CertificateDer::from(bytes.clone()));
        store.add_parsable_certificates(system);
        if store.is_empty() {
            return Err("nobody vouches for the server: name its authority with --cafile".into());
        }
        let algorithms = provider.signature_verification_algorithms;
        let usual =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                .build()
                .map_err(|error| format!("the authorities cannot be used: {error}"))?;
        let fallback = Fallback::new(roots, &[] as &[&[u8]], algorithms, SERVER);
        let verifier = Servers { usual, fallback, checks_name: !settings.any_name };
        let builder =
            ClientConfig::builder_with_details(Arc::clone(&provider), Arc::new(Wall(clock)))
                .with_protocol_versions(settings.versions.spoken())
                .map_err(|error| format!("ciphers and version do not fit together: {error}"))?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &settings.identity {
            Some((certificate, key)) => builder
                .with_client_cert_resolver(Identity::new(&provider, certificate, key)?.resolver),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = settings.alpn.iter().map(|name| name.clone().into()).collect();
        Ok(Self { config: Arc::new(config), name })
    }

    pub(super) fn connection(&self) -> Result<UnbufferedClientConnection, rustls::Error> {
        UnbufferedClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }
}
