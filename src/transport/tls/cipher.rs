//! Names of ciphers.
//!
//! Owns: the one function that says which cryptography is used, and what OpenSSL calls the ciphers
//! in it, which is what configuration files name.
//!
//! Never chooses weaker ciphers than rustls has; there are none.

use rustls::crypto::{CryptoProvider, ring};
use rustls::{CipherSuite, SupportedCipherSuite};

/// The cryptography of this program.
pub(super) fn provider() -> CryptoProvider {
    ring::default_provider()
}

/// What OpenSSL calls the ciphers, for TLS 1.2 and for TLS 1.3.
const NAMES: &[(&str, CipherSuite)] = &[
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
    ("TLS_CHACHA20_POLY1305_SHA256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
];

/// Words that stand for everything good, which is all there is.
const EVERYTHING: &[&str] = &["DEFAULT", "HIGH", "ALL", "SECURE128", "ECDHE", "EECDH", "AESGCM"];

/// What may be left out because it is not there anyway.
const ABSENT: &[&str] = &[
    "aNULL",
    "eNULL",
    "NULL",
    "EXP",
    "EXPORT",
    "LOW",
    "MEDIUM",
    "MD5",
    "RC4",
    "DES",
    "3DES",
    "IDEA",
    "SEED",
    "CAMELLIA",
    "ARIA",
    "PSK",
    "SRP",
    "DSS",
    "ADH",
    "AECDH",
    "DH",
    "kDH",
    "kRSA",
    "RSA",
    "SHA1",
    "CBC",
    "COMPLEMENTOFDEFAULT",
];

/// The provider with the ciphers of a configuration, in its order; `None` leaves all of a version.
pub(super) fn chosen(tls12: Option<&str>, tls13: Option<&str>) -> Result<CryptoProvider, String> {
    let mut provider = provider();
    let all = std::mem::take(&mut provider.cipher_suites);
    for (list, is_13) in [(tls13, true), (tls12, false)] {
        let of_version: Vec<_> = all.iter().filter(|suite| is_tls13(suite) == is_13).collect();
        match list {
            None => provider.cipher_suites.extend(of_version),
            Some(list) => provider.cipher_suites.extend(named(list, &of_version)?),
        }
    }
    Ok(provider)
}

const fn is_tls13(suite: &SupportedCipherSuite) -> bool {
    suite.tls13().is_some()
}

fn named(list: &str, all: &[&SupportedCipherSuite]) -> Result<Vec<SupportedCipherSuite>, String> {
    let mut chosen: Vec<SupportedCipherSuite> = Vec::new();
    let words = list.split([':', ',', ' ']).filter(|word| !word.is_empty() && *word != "@STRENGTH");
    for word in words {
        let left_out = word.strip_prefix(['!', '-']);
        let name = left_out.unwrap_or(word);
        let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, suite)| *suite);
        let suite = all.iter().find(|suite| Some(suite.suite()) == known);
        match (left_out, suite) {
            (Some(_), Some(suite)) => chosen.retain(|other| other != *suite),
            (Some(_), None) if ABSENT.contains(&name) => {}
            (None, Some(suite)) if !chosen.contains(suite) => chosen.push(**suite),
            (None, Some(_)) => {}
            (None, None) if EVERYTHING.contains(&name) => {
                let more: Vec<_> = all.iter().filter(|suite| !chosen.contains(suite)).collect();
                chosen.extend(more.into_iter().map(|suite| **suite));
            }
            _ => return Err(format!("cipher '{word}': give one of {}", names(all))),
        }
    }
    if chosen.is_empty() {
        return Err(format!("ciphers '{list}' leave none; give some of {}", names(all)));
    }
    Ok(chosen)
}

fn names(all: &[&SupportedCipherSuite]) -> String {
    let is_there = |name: &CipherSuite| all.iter().any(|suite| suite.suite() == *name);
    let names: Vec<_> = NAMES.iter().filter(|(_, suite)| is_there(suite)).collect();
    names.into_iter().map(|(name, _)| *name).collect::<Vec<_>>().join(":")
}

/// SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let suites = provider().cipher_suites;
    let suite = suites.iter().find(|s| s.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256);
    let hash = suite.and_then(SupportedCipherSuite::tls13).map(|tls13| tls13.common.hash_provider);
    let hash = hash.expect("every provider has it").hash(bytes);
    hash.as_ref().try_into().expect("it has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suites(tls12: Option<&str>, tls13: Option<&str>) -> Result<Vec<String>, String> {
        let suites = chosen(tls12, tls13)?.cipher_suites;
        let name = |suite: &SupportedCipherSuite| {
            let known = NAMES.iter().find(|(_, known)| *known == suite.suite());
            known.map(|(name, _)| (*name).to_owned()).unwrap()
        };
        Ok(suites.iter().map(name).collect())
    }

    #[test]
    fn every_cipher_has_its_openssl_name() {
        assert_eq!(suites(None, None).unwrap().len(), NAMES.len());
    }

    #[test]
    fn lists_are_read_as_openssl_writes_them() {
        let some = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256";
        let chosen = suites(Some(some), Some("TLS_AES_128_GCM_SHA256")).unwrap();
        assert_eq!(
            chosen,
            [
                "TLS_AES_128_GCM_SHA256",
                "ECDHE-RSA-AES128-GCM-SHA256",
                "ECDHE-ECDSA-AES128-GCM-SHA256"
            ]
        );
        let high = suites(Some("HIGH:!aNULL:!MD5:@STRENGTH"), None).unwrap();
        assert_eq!(high, suites(None, None).unwrap());
        let first = suites(Some("ECDHE-RSA-CHACHA20-POLY1305:DEFAULT:-kRSA"), None).unwrap();
        assert_eq!((first.len(), first[3].as_str()), (9, "ECDHE-RSA-CHACHA20-POLY1305"));
    }

    #[test]
    fn an_unknown_cipher_is_an_error_that_names_the_known_ones() {
        for list in ["AES256-SHA", "TLS_AES_128_GCM_SHA256", "!NOVELTY", "ECDHE-RSA-AES128-SHA"] {
            let error = suites(Some(list), None).unwrap_err();
            let expected = format!("cipher '{list}': give one of ECDHE-ECDSA-AES256-GCM-SHA384:");
            assert!(error.starts_with(&expected), "{error}");
            assert!(!error.contains("TLS_AES_256"), "{error}");
        }
        assert!(suites(None, Some("ECDHE-RSA-AES128-GCM-SHA256")).is_err());
        assert!(suites(Some("DEFAULT:!ECDHE"), None).is_err());
        assert!(suites(Some(":"), None).unwrap_err().contains("leave none"));
    }

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(sha256(b"")[..4], [0xe3, 0xb0, 0xc4, 0x42]);
    }
}
