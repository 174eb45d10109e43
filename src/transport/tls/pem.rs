//! PEM files.
//!
//! Owns: certificates, keys and lists of revoked certificates as text, and errors that say what
//! is wrong with a file and how to mend it.
//!
//! Never opens a file: whoever does says its name.

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::super::settings::File;

impl File {
    fn error(&self, what: impl core::fmt::Display) -> String {
        format!("{}: {what}", self.path)
    }

    /// All its certificates, at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        match all {
            Ok(all) if !all.is_empty() => Ok(all),
            Ok(_) if self.bytes.first() == Some(&0x30) => Err(self.error(format!(
                "is DER; 'openssl x509 -inform der -in {}' makes PEM of it",
                self.path
            ))),
            Ok(_) => Err(self.error("has no certificate; give a PEM file with one")),
            Err(error) => Err(self.error(shown(&error))),
        }
    }

    /// Its private key.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        match PrivateKeyDer::from_pem_slice(&self.bytes) {
            Ok(key) => Ok(key),
            Err(Error::NoItemsFound) if has(&self.bytes, b"ENCRYPTED PRIVATE KEY") => {
                Err(self.encrypted())
            }
            Err(_) if has(&self.bytes, b"Proc-Type: 4,ENCRYPTED") => Err(self.encrypted()),
            Err(Error::NoItemsFound) => {
                Err(self.error("has no private key; give a PEM file with one"))
            }
            Err(error) => Err(self.error(shown(&error))),
        }
    }

    fn encrypted(&self) -> String {
        let path = &self.path;
        self.error(format!(
            "is locked by a password, which nobody is there to type; \
             'openssl pkey -in {path} -out {path}.open' unlocks it"
        ))
    }

    /// All its lists of revoked certificates, at least one.
    pub(super) fn revoked(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
        let all: Result<Vec<_>, _> =
            CertificateRevocationListDer::pem_slice_iter(&self.bytes).collect();
        match all {
            Ok(all) if all.is_empty() => {
                Err(self.error("has no list of revoked certificates; give a PEM file with one"))
            }
            Ok(all) => Ok(all),
            Err(error) => Err(self.error(shown(&error))),
        }
    }
}

fn has(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others are no news to anybody")]
fn shown(error: &Error) -> String {
    // What is in the file is no business of the log's.
    match error {
        Error::MissingSectionEnd { .. } => "a PEM section has no end".into(),
        Error::IllegalSectionStart { .. } => "a PEM section has a broken first line".into(),
        Error::Base64Decode(_) => "a PEM section is no base64".into(),
        _ => "is no PEM file".into(),
    }
}
