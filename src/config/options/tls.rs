//! Options of listeners that speak TLS.
//!
//! Owns: their rows.
//!
//! Never reads a value.

use super::Kind::{Flag, Path, Text, Word};
use super::Scope::Listener;
use super::{Entry, Mark, in_listener};

const ENGINE: Mark =
    Mark::Refused("this broker loads no OpenSSL engines; give it the key as a PEM file");

/// What a build without TLS makes of options that need it.
const HERE: Mark = if cfg!(feature = "tls") {
    Mark::Works
} else {
    Mark::Refused("this build has no TLS; use one with the feature 'tls'")
};

const fn tls(name: &'static str, kind: super::Kind, says: &'static str) -> Entry {
    Entry::new(Listener, name, kind, "none", says).mark(HERE)
}

const fn switch(name: &'static str, says: &'static str) -> Entry {
    Entry::new(Listener, name, Flag, "false", says).mark(HERE)
}

/// The certificate may be one that a proxy has seen, so these need no TLS.
const fn name(
    name: &'static str,
    kind: super::Kind,
    default: &'static str,
    says: &'static str,
) -> Entry {
    Entry::new(Listener, name, kind, default, says)
}

pub(super) const TLS: &[Entry] = &[
    tls("certfile", Path, "the certificate of the broker and its chain, PEM")
        .at(in_listener!(certfile)),
    tls("keyfile", Path, "its private key, PEM").at(in_listener!(keyfile)),
    tls("cafile", Path, "authorities that vouch for clients, PEM").at(in_listener!(cafile)),
    tls("capath", Path, "a directory of such authorities").at(in_listener!(capath)),
    switch("require_certificate", "whether clients must bring a certificate")
        .at(in_listener!(require_certificate)),
    name("use_identity_as_username", Flag, "false", "whether its common name is the user name")
        .at(in_listener!(use_identity_as_username)),
    name("use_subject_as_username", Flag, "false", "whether its whole subject is the user name")
        .at(in_listener!(use_subject_as_username)),
    name(
        "certificate_username",
        Word(&["cn", "subject", "dns", "uri", "email", "fingerprint"]),
        "none",
        "what of it is the user name",
    )
    .at(in_listener!(certificate_username)),
    tls("crlfile", Path, "certificates that were revoked").at(in_listener!(crlfile)),
    tls("ciphers", Text, "ciphers for TLS 1.2").at(in_listener!(ciphers)),
    tls("ciphers_tls1.3", Text, "ciphers for TLS 1.3").at(in_listener!(ciphers_tls13)),
    Entry::new(
        Listener,
        "tls_version",
        Word(&["tlsv1.2", "tlsv1.3"]),
        "tlsv1.2",
        "the lowest version of TLS",
    )
    .at(in_listener!(tls_version))
    .mark(HERE),
    tls("dhparamfile", Path, "parameters for an old way to exchange keys")
        .mark(Mark::Warns("keys are exchanged over elliptic curves, which need no parameters")),
    switch("disable_client_cert_date_checks", "whether expired certificates are as good as others")
        .at(in_listener!(disable_client_cert_date_checks)),
    Entry::new(Listener, "tls_keyform", Word(&["pem", "engine"]), "pem", "where the key is")
        .mark(ENGINE),
    tls("tls_engine", Text, "an OpenSSL engine").mark(ENGINE),
    tls("tls_engine_kpass_sha1", Text, "the hash of an engine's password").mark(ENGINE),
    tls("psk_hint", Text, "pre-shared keys instead of certificates").mark(Mark::Refused(
        "this broker knows no pre-shared keys; use TLS with certificates instead",
    )),
];
