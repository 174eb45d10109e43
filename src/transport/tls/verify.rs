//! Whether a certificate is to be trusted.
//!
//! Owns: what comes on top of webpki, which knows the rules of the web and no others. People have
//! certificates that OpenSSL takes and webpki does not look at: of version 1, as `openssl x509
//! -req` made them for years; authorities that are used as what they vouch for; names in the
//! common name only. For those, and for no others, [`Fallback`] checks what must hold: one of the
//! trusted authorities has signed the certificate, or it is one of them; it is valid now, not
//! revoked, and says nothing against its use.
//!
//! Never trusts a certificate that webpki has refused for another reason.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_cert::certificate::Raw;
use x509_cert::crl::CertificateList;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};

use super::certificate::Certificate;

/// Extended key usages.
pub(super) const CLIENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
pub(super) const SERVER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");

/// Intermediate certificates looked at for a time at which a whole chain was valid.
const CHAIN_MAX: usize = 8;

/// What webpki does not look at.
#[derive(Debug)]
pub(super) struct Fallback {
    roots: Vec<CertificateDer<'static>>,
    revoked: Vec<Revoked>,
    algorithms: WebPkiSupportedAlgorithms,
    purpose: ObjectIdentifier,
}

/// The numbers of one issuer's certificates that are revoked.
#[derive(Debug)]
struct Revoked {
    issuer: Vec<u8>,
    serials: Vec<Vec<u8>>,
}

const fn bad(error: CertificateError) -> Error {
    Error::InvalidCertificate(error)
}

impl Fallback {
    pub(super) fn new(
        roots: Vec<CertificateDer<'static>>,
        crls: &[impl AsRef<[u8]>],
        algorithms: WebPkiSupportedAlgorithms,
        purpose: ObjectIdentifier,
    ) -> Self {
        // One that cannot be read was refused by webpki before.
        let revoked = crls.iter().filter_map(|crl| {
            let list = CertificateList::<Raw>::from_der(crl.as_ref()).ok()?.tbs_cert_list;
            let all = list.revoked_certificates.into_iter().flatten();
            Some(Revoked {
                issuer: list.issuer.to_der().ok()?,
                serials: all.map(|one| one.serial_number.as_bytes().to_vec()).collect(),
            })
        });
        Self { roots, revoked: revoked.collect(), algorithms, purpose }
    }

    /// Judges a certificate that webpki has refused with `refusal`; `None` is at any time.
    fn judge(&self, leaf: &[u8], now: Option<UnixTime>, refusal: Error) -> Result<(), Error> {
        let Ok(certificate) = Certificate::read(leaf) else { return Err(refusal) };
        if !certificate.is_v1() && !certificate.is_authority() {
            return Err(refusal);
        }
        if certificate.has_unknown_extension() {
            return Err(bad(CertificateError::UnhandledCriticalExtension));
        }
        if !certificate.allows(self.purpose) {
            return Err(bad(CertificateError::InvalidPurpose));
        }
        if let Some(now) = now {
            let (from, to) = certificate.validity();
            if now.as_secs() < from {
                return Err(bad(CertificateError::NotValidYet));
            }
            if now.as_secs() > to {
                return Err(bad(CertificateError::Expired));
            }
        }
        let is_root = self.roots.iter().any(|root| root.as_ref() == leaf);
        if !is_root && !self.roots.iter().any(|root| self.has_signed(root, &certificate)) {
            return Err(bad(CertificateError::UnknownIssuer));
        }
        self.check_revocation(&certificate)
    }

    fn has_signed(&self, root: &[u8], certificate: &Certificate<'_>) -> bool {
        let Ok(root) = Certificate::read(root) else { return false };
        if root.subject() != certificate.issuer() {
            return false;
        }
        let (algorithm, key, _) = root.key();
        let (signed, by, signature) = certificate.signature();
        self.algorithms.all.iter().any(|known| {
            known.public_key_alg_id().as_ref() == algorithm
                && known.signature_alg_id().as_ref() == by
                && known.verify_signature(key, signed, signature).is_ok()
        })
    }

    /// With lists at all there must be one of the issuer's, as webpki wants it.
    fn check_revocation(&self, certificate: &Certificate<'_>) -> Result<(), Error> {
        if self.revoked.is_empty() {
            return Ok(());
        }
        let issuer = certificate.issuer();
        let mut lists = self.revoked.iter().filter(|list| list.issuer == issuer).peekable();
        if lists.peek().is_none() {
            return Err(bad(CertificateError::UnknownRevocationStatus));
        }
        let serial = certificate.serial();
        if lists.any(|list| list.serials.iter().any(|revoked| revoked == serial)) {
            return Err(bad(CertificateError::Revoked));
        }
        Ok(())
    }

    /// The signature of a TLS 1.2 handshake.
    fn verify_tls12(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let refusal = match verify_tls12_signature(message, leaf, signed, &self.algorithms) {
            Err(refusal) if is_v1(leaf) => refusal,
            verdict => return verdict,
        };
        let Ok(certificate) = Certificate::read(leaf) else { return Err(refusal) };
        let (algorithm, key, _) = certificate.key();
        let all = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let is_good = |known: &&dyn SignatureVerificationAlgorithm| {
            known.public_key_alg_id().as_ref() == algorithm
                && known.verify_signature(key, message, signed.signature()).is_ok()
        };
        if all.is_some_and(|(_, all)| all.iter().any(is_good)) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(bad(CertificateError::BadSignature))
        }
    }

    /// The signature of a TLS 1.3 handshake.
    fn verify_tls13(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !is_v1(leaf) {
            return verify_tls13_signature(message, leaf, signed, &self.algorithms);
        }
        let certificate =
            Certificate::read(leaf).map_err(|_| bad(CertificateError::BadEncoding))?;
        let key = SubjectPublicKeyInfoDer::from(certificate.key().2);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }
}

fn is_v1(leaf: &[u8]) -> bool {
    Certificate::read(leaf).is_ok_and(|certificate| certificate.is_v1())
}

/// What both verifiers say about the signatures of handshakes.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.fallback.verify_tls12(message, leaf, signed)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.fallback.verify_tls13(message, leaf, signed)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.usual.supported_verify_schemes()
        }
    };
}

/// Verifies clients.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) usual: Arc<dyn ClientCertVerifier>,
    pub(super) fallback: Fallback,
    /// Whether a certificate must be valid now.
    pub(super) checks_dates: bool,
}

impl Clients {
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let refusal = match self.usual.verify_client_cert(leaf, chain, now) {
            Err(refusal) if !self.checks_dates && is_about_dates(&refusal) => refusal,
            verdict => return verdict,
        };
        // If all of a chain was ever valid at once, it was when the last of it became so.
        let all = [leaf].into_iter().chain(chain.iter().take(CHAIN_MAX));
        let starts = all.filter_map(|one| Some(Certificate::read(one).ok()?.validity().0));
        let Some(start) = starts.max() else { return Err(refusal) };
        let then = UnixTime::since_unix_epoch(core::time::Duration::from_secs(start));
        self.usual.verify_client_cert(leaf, chain, then)
    }
}

fn is_about_dates(error: &Error) -> bool {
    use CertificateError as Bad;
    matches!(
        error,
        Error::InvalidCertificate(
            Bad::Expired
                | Bad::ExpiredContext { .. }
                | Bad::NotValidYet
                | Bad::NotValidYetContext { .. }
        )
    )
}

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.usual.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let Err(refusal) = self.verify(leaf, chain, now) else {
            return Ok(ClientCertVerified::assertion());
        };
        let now = self.checks_dates.then_some(now);
        self.fallback.judge(leaf, now, refusal).map(|()| ClientCertVerified::assertion())
    }

    signatures!();
}

/// Verifies servers.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) usual: Arc<dyn ServerCertVerifier>,
    pub(super) fallback: Fallback,
    /// Whether the certificate must be one for the server's name.
    pub(super) checks_name: bool,
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        use CertificateError as Bad;
        let refusal = match self.usual.verify_server_cert(leaf, chain, name, ocsp, now) {
            Ok(verified) => return Ok(verified),
            Err(refusal) => refusal,
        };
        // A name is looked at last: everything else is as it should be.
        let is_name = |error: &Bad| {
            matches!(error, Bad::NotValidForName | Bad::NotValidForNameContext { .. })
        };
        if !matches!(&refusal, Error::InvalidCertificate(error) if is_name(error)) {
            self.fallback.judge(leaf, Some(now), refusal)?;
        }
        if self.checks_name && !is_for(leaf, name) {
            return Err(bad(Bad::NotValidForName));
        }
        Ok(ServerCertVerified::assertion())
    }

    signatures!();
}

/// Whether a certificate is for a server of this name: one of its names, or its common name if it
/// has no others.
fn is_for(leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let parsed = ParsedCertificate::try_from(leaf);
    if parsed.is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok()) {
        return true;
    }
    let Ok(certificate) = Certificate::read(leaf) else { return false };
    let (false, Some(common)) = (certificate.has_server_name(), certificate.common_name()) else {
        return false;
    };
    let is_dns = matches!(name, ServerName::DnsName(_));
    let name = name.to_str();
    match common.strip_prefix("*.") {
        // The star stands for one label.
        Some(rest) => {
            is_dns && name.split_once('.').is_some_and(|(_, of)| of.eq_ignore_ascii_case(rest))
        }
        None => name.eq_ignore_ascii_case(&common),
    }
}
