//! Who says who a client is: what listeners make of certificates, and whether that can work.
//!
//! Owns: the words for what of a certificate is a user name, and what is wrong with a listener
//! that takes names from certificates, told where it stands. Nothing that would let in nobody, or
//! anybody, goes through in silence.
//!
//! Never reads a certificate.

use super::build::{Builder, is_idle};
use super::choice::ProxyHeader;
use super::options::{Kind, NONE};
use super::parse::Line;
use super::report::Report;
use super::settings::Listener;
use super::value::{Setting, give, word};
use crate::session::CertificateName;

/// Options that take the user name from the certificate.
pub(super) const NAMES: [&str; 3] =
    ["use_identity_as_username", "use_subject_as_username", "certificate_username"];

impl Setting for Option<CertificateName> {
    fn read(&mut self, text: &str, kind: &Kind, _: &mut Vec<String>) -> Result<(), String> {
        let read = word(text)?;
        if read == NONE {
            *self = None;
            return Ok(());
        }
        let known = WORDS.iter().find(|(word, _)| *word == read);
        *self = Some(known.ok_or_else(|| give(kind))?.1);
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        let is_it = |(_, name): &&(&str, CertificateName)| Some(*name) == *self;
        WORDS.iter().find(is_it).map_or(NONE, |(word, _)| word).into()
    }
}

/// What of a certificate is a user name, in words.
const WORDS: [(&str, CertificateName); 6] = [
    ("cn", CertificateName::CommonName),
    ("subject", CertificateName::Subject),
    ("dns", CertificateName::Dns),
    ("uri", CertificateName::Uri),
    ("email", CertificateName::Email),
    ("fingerprint", CertificateName::Fingerprint),
];

impl Builder<'_> {
    /// Tells what is wrong with the names that listeners take from certificates.
    pub(super) fn check_names(&self, listeners: &[(usize, Listener)], report: &mut Report) {
        for (section, listener) in listeners {
            let of_it = self.groups().filter(|(first, _)| self.home(first) == *section);
            let last = of_it.filter_map(|(_, lines)| lines.last().copied());
            let lines: Vec<&Line> =
                last.filter(|line| NAMES.contains(&line.entry.name) && !is_off(line)).collect();
            if let [first, second, ..] = lines[..] {
                let what = format!(
                    "{} and {} cannot both be the user name; remove one",
                    first.name, second.name
                );
                report.error(self.raw, second.at, &what);
            } else if let ([line], Some(name)) = (&lines[..], listener.certificate_name())
                && let Some(what) = useless(listener, name)
            {
                report.error(self.raw, line.at, &format!("{}: {what}", line.name));
            }
        }
    }
}

fn is_off(line: &Line) -> bool {
    is_idle(line) || line.value.split_whitespace().next() == Some("false")
}

/// Why nobody could come in by such a name, and what to do.
fn useless(listener: &Listener, name: CertificateName) -> Option<&'static str> {
    if listener.asks_for_certificates() {
        return None;
    }
    match (listener.enable_proxy_protocol, name) {
        (ProxyHeader::V2, CertificateName::CommonName) => None,
        (ProxyHeader::V2, _) => Some(
            "a proxy tells the common name of a certificate and nothing else; write \
             'use_identity_as_username true' instead, or ask for certificates here with \
             require_certificate",
        ),
        (ProxyHeader::None | ProxyHeader::V1, _) => Some(
            "no client is asked for a certificate here, so nobody could connect; add \
             'require_certificate true' with certfile, keyfile and cafile, or \
             'enable_proxy_protocol 2' for a proxy that has asked",
        ),
    }
}
