//! What the machines between sockets and packets are told.
//!
//! Owns: plain data, the same whether the machines are part of this build or not.
//!
//! Never opens a file: whoever does hands over what is in it.

/// Tells the time, in seconds since 1970.
pub type Clock = fn() -> u64;

/// A file: its path, for errors, and what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Where it was found.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// When a certificate ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Whose it is.
    pub path: String,
    /// The last second at which it is valid, since 1970.
    pub at: u64,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    #[default]
    Both,
    /// 1.2 only.
    Tls12,
    /// 1.3 only.
    Tls13,
}

/// What a listener is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsServer {
    /// The certificate and what vouches for it.
    pub certificate: File,
    /// Its key.
    pub key: File,
    /// Who vouches for clients.
    pub authorities: Vec<File>,
    /// Certificates that were revoked.
    pub revoked: Vec<File>,
    /// Whether a client must bring a certificate; else it is not asked for one.
    pub requires_certificate: bool,
    /// Versions that are spoken.
    pub versions: TlsVersions,
    /// Ciphers for TLS 1.2, as OpenSSL names them; absent for all.
    pub ciphers: Option<String>,
    /// Ciphers for TLS 1.3, likewise.
    pub ciphers_tls13: Option<String>,
    /// Whether clients' certificates are as good as ever when they have expired.
    pub ignores_dates: bool,
}

/// What a client is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsClient {
    /// Who vouches for servers.
    pub authorities: Vec<File>,
    /// The same in DER, as the system has it.
    pub system: Vec<Vec<u8>>,
    /// A certificate to show, and its key.
    pub identity: Option<(File, File)>,
    /// Whether any name of the server's will do.
    pub any_name: bool,
    /// Versions that are spoken.
    pub versions: TlsVersions,
    /// Ciphers for TLS 1.2, as OpenSSL names them; absent for all.
    pub ciphers: Option<String>,
    /// Ciphers for TLS 1.3, likewise.
    pub ciphers_tls13: Option<String>,
    /// What is to be spoken inside, for servers that choose by it.
    pub alpn: Vec<String>,
}

/// What a server asks of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebRules {
    /// Origins of pages whose browsers may connect, as `https://example.org`; all, if empty. Who
    /// is no browser says no origin and may connect.
    pub origins: Vec<String>,
}

/// What a client asks a server for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebRequest {
    /// Name and port, as in an address bar.
    pub authority: String,
    /// What comes behind it, beginning with `/`.
    pub path: String,
}

impl WebRequest {
    /// Whether a text can be a path: nothing in it ends the line or has a meaning of its own.
    #[must_use]
    pub fn is_path(text: &str) -> bool {
        text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
    }
}
