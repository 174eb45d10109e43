//! A certificate of one's own, with its key.
//!
//! Owns: the chain that is shown to peers, whether the key fits it, and when it ends.
//!
//! Never shows a key.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::super::settings::{Expiry, File};
use super::certificate::Certificate;

/// A certificate, what vouches for it, and its key.
pub(super) struct Identity {
    pub(super) resolver: Arc<SingleCertAndKey>,
    pub(super) expiry: Expiry,
}

impl Identity {
    pub(super) fn new(
        provider: &CryptoProvider,
        certificate: &File,
        key: &File,
    ) -> Result<Self, String> {
        let chain = certificate.certificates()?;
        let secret = key.key()?;
        let is_small = matches!(&secret, PrivateKeyDer::Pkcs1(_) | PrivateKeyDer::Pkcs8(_));
        let signer = provider.key_provider.load_private_key(secret).map_err(|_| {
            let path = &key.path;
            let hint = if is_small { " of RSA with at least 2048 bits," } else { "" };
            format!(
                "{path}: is no key that can be used; give one{hint} of P-256, P-384 or Ed25519: \
                 'openssl ecparam -genkey -name prime256v1 -noout -out {path}' makes one"
            )
        })?;
        let leaf = chain.first().ok_or_else(|| format!("{}: is empty", certificate.path))?;
        let parsed = Certificate::read(leaf)
            .map_err(|_| format!("{}: a certificate cannot be read", certificate.path))?;
        // Not by rustls, which does not look at version 1.
        if signer.public_key().is_some_and(|public| public.as_ref() != parsed.key().2) {
            let (certificate, key) = (&certificate.path, &key.path);
            return Err(format!(
                "{key}: is not the key of {certificate}; \
                 'openssl pkey -pubout -in {key}' and 'openssl x509 -pubkey -noout -in \
                 {certificate}' must print the same"
            ));
        }
        let expiry = Expiry { path: certificate.path.clone(), at: earliest(&chain) };
        let resolver = Arc::new(CertifiedKey::new(chain, signer).into());
        Ok(Self { resolver, expiry })
    }
}

/// When the first of a chain ends.
fn earliest(chain: &[CertificateDer<'_>]) -> u64 {
    let ends = chain.iter().filter_map(|one| Some(Certificate::read(one).ok()?.validity().1));
    ends.min().unwrap_or(u64::MAX)
}
