//! What a certificate says, as far as TLS itself does not care.
//!
//! Owns: names, dates, version and extensions of one certificate, read from its DER form, and the
//! form in which names are told: that of `X509_NAME_print_ex(XN_FLAG_RFC2253)`, which is what
//! mosquitto's users have in their ACL files.
//!
//! Never decides whether a certificate is to be trusted.

use std::fmt::Write as _;

use x509_cert::certificate::{CertificateInner, Raw, Version};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{self, Decode, Encode, Reader, SliceReader, Tag, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, SubjectAltName};
use x509_cert::name::Name;

use crate::session;

/// A certificate, taken apart.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    whole: CertificateInner<Raw>,
    /// What its issuer has signed.
    signed: &'a [u8],
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Short names of the parts of a name, as OpenSSL has them.
const PARTS: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// Critical extensions that are looked at here, or that say nothing of clients: basic constraints,
/// key usage, extended key usage, subject alternative name.
const KNOWN: [&str; 4] = ["2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.17"];

impl<'a> Certificate<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> der::Result<Self> {
        let whole = CertificateInner::from_der(bytes)?;
        let signed = SliceReader::new(bytes)?.sequence(|parts| {
            let signed = parts.tlv_bytes()?;
            parts.tlv_bytes()?;
            parts.tlv_bytes()?;
            Ok::<_, der::Error>(signed)
        })?;
        Ok(Self { whole, signed })
    }

    /// From when to when it is valid, both included, in seconds since 1970.
    pub(super) fn validity(&self) -> (u64, u64) {
        let validity = self.whole.tbs_certificate().validity();
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        (seconds(validity.not_before), seconds(validity.not_after))
    }

    /// Whether it is of version 1, which has no extensions.
    pub(super) fn is_v1(&self) -> bool {
        self.whole.tbs_certificate().version() == Version::V1
    }

    /// Whether it says that it may vouch for others.
    pub(super) fn is_authority(&self) -> bool {
        let extension = self.whole.tbs_certificate().get_extension::<BasicConstraints>();
        matches!(extension, Ok(Some((_, constraints))) if constraints.ca)
    }

    /// Whether a critical extension says something that nobody here understands.
    pub(super) fn has_unknown_extension(&self) -> bool {
        let extensions = self.whole.tbs_certificate().extensions().into_iter().flatten();
        extensions
            .filter(|extension| extension.critical)
            .any(|extension| !KNOWN.contains(&extension.extn_id.to_string().as_str()))
    }

    /// Whether it may be used for `purpose`, or says nothing of purposes.
    pub(super) fn allows(&self, purpose: ObjectIdentifier) -> bool {
        match self.whole.tbs_certificate().get_extension::<ExtendedKeyUsage>() {
            Ok(None) => true,
            Ok(Some((_, usage))) => usage.0.contains(&purpose),
            Err(_) => false,
        }
    }

    /// Who has issued it, in DER.
    pub(super) fn issuer(&self) -> Vec<u8> {
        self.whole.tbs_certificate().issuer().to_der().unwrap_or_default()
    }

    /// Whom it is for, in DER.
    pub(super) fn subject(&self) -> Vec<u8> {
        self.whole.tbs_certificate().subject().to_der().unwrap_or_default()
    }

    /// Its number.
    pub(super) fn serial(&self) -> &[u8] {
        self.whole.tbs_certificate().serial_number().as_bytes()
    }

    /// Its public key: algorithm (the inside of the sequence), bits, and all of it in DER.
    pub(super) fn key(&self) -> (Vec<u8>, &[u8], Vec<u8>) {
        let key = self.whole.tbs_certificate().subject_public_key_info();
        let whole = key.to_der().unwrap_or_default();
        (inside(&key.algorithm), key.subject_public_key.raw_bytes(), whole)
    }

    /// What its issuer has signed, by which algorithm, and the signature.
    pub(super) fn signature(&self) -> (&'a [u8], Vec<u8>, &[u8]) {
        let algorithm = inside(self.whole.signature_algorithm());
        (self.signed, algorithm, self.whole.signature().raw_bytes())
    }

    /// The first common name of its subject.
    pub(super) fn common_name(&self) -> Option<String> {
        let subject = self.whole.tbs_certificate().subject();
        let part = subject.iter().find(|part| part.oid == COMMON_NAME)?;
        // A NUL would end the name for whoever reads it as C does.
        text(part.value.tag(), part.value.value()).filter(|name| !name.contains('\0'))
    }

    fn alternative_names(&self) -> Vec<GeneralName> {
        let extension = self.whole.tbs_certificate().get_extension::<SubjectAltName>();
        extension.ok().flatten().map_or_else(Vec::new, |(_, names)| names.0)
    }

    /// Whether it has names for servers besides the common name.
    pub(super) fn has_server_name(&self) -> bool {
        let is_one = |name: &GeneralName| {
            matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_))
        };
        self.alternative_names().iter().any(is_one)
    }

    /// What is told of it to those who decide what its owner may do.
    pub(super) fn facts(&self, fingerprint: [u8; 32]) -> session::Certificate {
        let mut facts = session::Certificate {
            common_name: self.common_name(),
            subject: shown(self.whole.tbs_certificate().subject()),
            fingerprint: Some(fingerprint),
            ..session::Certificate::default()
        };
        for name in self.alternative_names() {
            match name {
                GeneralName::DnsName(name) => facts.dns_names.push(name.to_string()),
                GeneralName::UniformResourceIdentifier(name) => facts.uris.push(name.to_string()),
                GeneralName::Rfc822Name(name) => facts.emails.push(name.to_string()),
                GeneralName::OtherName(_)
                | GeneralName::DirectoryName(_)
                | GeneralName::EdiPartyName(_)
                | GeneralName::IpAddress(_)
                | GeneralName::RegisteredId(_) => {}
            }
        }
        facts
    }
}

/// What is in the sequence of an algorithm, which is how rustls compares them.
fn inside(algorithm: &impl Encode) -> Vec<u8> {
    let whole = algorithm.to_der().unwrap_or_default();
    let inside = SliceReader::new(&whole).and_then(|mut reader| {
        let header = der::Header::decode(&mut reader)?;
        reader.read_slice(header.length()).map(<[u8]>::to_vec)
    });
    inside.unwrap_or_default()
}

/// A name, the last part first.
fn shown(name: &Name) -> String {
    let mut parts = Vec::new();
    for part in name.iter_rdn() {
        let values = part.iter().map(|value| {
            let oid = value.oid.to_string();
            let known = PARTS.iter().find(|(known, _)| *known == oid);
            let text = known.and_then(|_| text(value.value.tag(), value.value.value()));
            let text = match text {
                Some(text) => escaped(&text),
                None => value.value.to_der().unwrap_or_default().iter().fold(
                    "#".to_owned(),
                    |mut text, byte| {
                        let _ = write!(text, "{byte:02X}");
                        text
                    },
                ),
            };
            format!("{}={text}", known.map_or(oid.as_str(), |(_, short)| short))
        });
        parts.push(values.collect::<Vec<_>>().join("+"));
    }
    parts.reverse();
    parts.join(",")
}

/// The text of a value, if it is one.
#[expect(clippy::wildcard_enum_match_arm, reason = "texts are few among all there is")]
fn text(tag: Tag, value: &[u8]) -> Option<String> {
    match tag {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::VisibleString => {
            String::from_utf8(value.to_vec()).ok()
        }
        Tag::NumericString => String::from_utf8(value.to_vec()).ok(),
        // As everybody reads it: Latin-1.
        Tag::TeletexString => Some(value.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => {
            let units = value.chunks(2).map(|two| match two {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0xd800, // Half a character is none.
            });
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

/// As RFC 2253 and OpenSSL escape it: what is no visible ASCII as bytes in hexadecimal.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        let is_edge = (byte == b' ' && (at == 0 || at == last)) || (byte == b'#' && at == 0);
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                escaped.push('\\');
                escaped.push(byte.into());
            }
            _ if is_edge => {
                escaped.push('\\');
                escaped.push(byte.into());
            }
            b' '..=b'~' => escaped.push(byte.into()),
            _ => {
                let _ = write!(escaped, "\\{byte:02X}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_openssl_does() {
        assert_eq!(escaped("a,b+c\"d\\e<f>g;h=i"), "a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h=i");
        assert_eq!(escaped(" # a#b "), "\\ # a#b\\ ");
        assert_eq!(escaped("#a"), "\\#a");
        assert_eq!(escaped("\u{fc}\n"), "\\C3\\BC\\0A");
    }

    #[test]
    fn texts_are_read_as_what_they_are() {
        assert_eq!(text(Tag::TeletexString, b"\xfc").as_deref(), Some("\u{fc}"));
        assert_eq!(text(Tag::BmpString, &[0, 0x61, 0x20, 0xac]).as_deref(), Some("a\u{20ac}"));
        assert_eq!(text(Tag::BmpString, &[0]), None);
        assert_eq!(text(Tag::Utf8String, b"\xff"), None);
        assert_eq!(text(Tag::OctetString, b"a"), None);
    }
}
