//! One stored password: what a password file keeps instead of it.
//!
//! ```text
//! $6$SALT$HASH                            SHA-512 of password and salt
//! $7$ITERATIONS$SALT$HASH                 PBKDF2 with HMAC-SHA-512
//! $argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH
//! $scram-sha-256$ITERATIONS$SALT$STORED_KEY$SERVER_KEY    RFC 5802, RFC 7677
//! ```
//!
//! The first three are mosquitto's; the last is this broker's own and lets its owner come in by
//! SCRAM as well as with a plain password. Salts and hashes are in base64.
//!
//! Owns: text to [`struct@Hash`] and back, the check, and what it costs. What a file may ask for is
//! bounded: memory, passes and iterations of a line are at most what one login may cost.
//!
//! Never shows salt or hash but in the line it makes, and never takes a shorter time for a wrong
//! password.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// How a password becomes a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// SHA-512, one round.
    Sha512,
    /// PBKDF2 with HMAC-SHA-512.
    Pbkdf2 {
        /// Rounds.
        iterations: u32,
    },
    /// Argon2id.
    Argon2id {
        /// KiB.
        memory: u32,
        /// Over the memory.
        passes: u32,
        /// Of the memory.
        lanes: u32,
    },
    /// The two keys of SCRAM-SHA-256.
    Scram {
        /// Rounds.
        iterations: u32,
    },
}

/// A stored password.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash {
    pub(super) scheme: Scheme,
    pub(super) salt: Box<[u8]>,
    /// Of SCRAM: stored key, server key.
    hash: Box<[u8]>,
}

/// Memory for Argon2, kept from one hash to the next.
#[derive(Debug, Default)]
pub struct Memory(Vec<Block>);

/// Rounds of PBKDF2.
pub const ITERATIONS_MAX: u32 = 1_000_000;
/// Rounds of SCRAM that a client can be asked for (RFC 7677, 4).
pub const SCRAM_ITERATIONS_MIN: u32 = 4096;
/// KiB of memory for Argon2.
pub const MEMORY_MAX: u32 = 64 << 10;
/// Passes of Argon2 over its memory.
pub const PASSES_MAX: u32 = 16;
/// Lanes of Argon2.
pub const LANES_MAX: u32 = 16;
/// Rounds up to which a hash costs so little that the loop can spare the time: mosquitto 2.0
/// took 101.
const QUICK_ITERATIONS: u32 = 128;
const SALT_MAX: usize = 64;
const SHA512_LEN: usize = 64;
const SHA256_LEN: usize = 32;

impl Hash {
    /// What a line of a password file says behind the name.
    ///
    /// # Errors
    /// What is wrong, and never what the line says.
    pub fn parse(text: &str) -> Result<Self, String> {
        let hash = if let Some(rest) = text.strip_prefix("$6$") {
            let [salt, hash] = fields(rest)?;
            Self::new(Scheme::Sha512, padded(salt)?, padded(hash)?)
        } else if let Some(rest) = text.strip_prefix("$7$") {
            let [iterations, salt, hash] = fields(rest)?;
            let iterations = number(iterations, "iterations", 1, ITERATIONS_MAX)?;
            Self::new(Scheme::Pbkdf2 { iterations }, padded(salt)?, padded(hash)?)
        } else if let Some(rest) = text.strip_prefix("$argon2id$") {
            let rest = rest.strip_prefix("v=19$").ok_or("only version 19 of argon2id is known")?;
            let [costs, salt, hash] = fields(rest)?;
            Self::new(argon2id(costs)?, bare(salt)?, bare(hash)?)
        } else if let Some(rest) = text.strip_prefix("$scram-sha-256$") {
            let [iterations, salt, stored, server] = fields(rest)?;
            let iterations = number(iterations, "iterations", 4096, ITERATIONS_MAX)?;
            let (stored, server) = (padded(stored)?, padded(server)?);
            if stored.len() != SHA256_LEN {
                return Err(BROKEN.into());
            }
            Self::new(Scheme::Scram { iterations }, padded(salt)?, [stored, server].concat())
        } else if text.starts_with('$') {
            return Err("the hash is of a kind that is not known; mqtt-passwd makes those \
                        that are"
                .into());
        } else {
            return Err("the password is not hashed; 'mqtt-passwd -U FILE' hashes it".into());
        };
        hash.check()
    }

    fn new(scheme: Scheme, salt: Vec<u8>, hash: Vec<u8>) -> Self {
        Self { scheme, salt: salt.into(), hash: hash.into() }
    }

    fn check(self) -> Result<Self, String> {
        let (salt, hash) = match self.scheme {
            Scheme::Sha512 | Scheme::Pbkdf2 { .. } => (1, SHA512_LEN..=SHA512_LEN),
            Scheme::Argon2id { .. } => (argon2::MIN_SALT_LEN, 16..=64),
            Scheme::Scram { .. } => (8, 2 * SHA256_LEN..=2 * SHA256_LEN),
        };
        if (salt..=SALT_MAX).contains(&self.salt.len()) && hash.contains(&self.hash.len()) {
            Ok(self)
        } else {
            Err(BROKEN.into())
        }
    }

    /// The hash of a password.
    ///
    /// # Panics
    /// If the scheme asks for more than a file may, or the salt has fewer than 8 bytes or more
    /// than 64.
    #[must_use]
    pub fn make(scheme: Scheme, password: &[u8], salt: &[u8]) -> Self {
        let mut hash = vec![0; scheme.hash_len()];
        digest(scheme, password, salt, &mut hash, &mut Memory::default());
        let made = Self { scheme, salt: salt.into(), hash: hash.into() };
        made.check().expect("scheme and salt are within the bounds")
    }

    /// Whether this is the password; the time it takes depends on the scheme alone.
    #[must_use]
    pub fn verify(&self, password: &[u8], memory: &mut Memory) -> bool {
        let mut hash = vec![0; self.hash.len()];
        digest(self.scheme, password, &self.salt, &mut hash, memory);
        bool::from(hash.ct_eq(&self.hash))
    }

    /// Whether the check costs so little that the loop can spare the time.
    #[must_use]
    pub const fn is_quick(&self) -> bool {
        match self.scheme {
            Scheme::Sha512 => true,
            Scheme::Pbkdf2 { iterations } => iterations <= QUICK_ITERATIONS,
            Scheme::Argon2id { .. } | Scheme::Scram { .. } => false,
        }
    }

    /// Stored key and server key, if it is of SCRAM.
    #[must_use]
    pub(super) fn keys(&self) -> Option<(&[u8], &[u8])> {
        matches!(self.scheme, Scheme::Scram { .. }).then(|| self.hash.split_at(SHA256_LEN))
    }

    /// The text of a line, behind the name.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { scheme, salt, hash } = self;
        match scheme {
            Scheme::Sha512 => format!("$6${}${}", STANDARD.encode(salt), STANDARD.encode(hash)),
            Scheme::Pbkdf2 { iterations } => {
                format!("$7${iterations}${}${}", STANDARD.encode(salt), STANDARD.encode(hash))
            }
            Scheme::Argon2id { memory, passes, lanes } => format!(
                "$argon2id$v=19$m={memory},t={passes},p={lanes}${}${}",
                STANDARD_NO_PAD.encode(salt),
                STANDARD_NO_PAD.encode(hash)
            ),
            Scheme::Scram { iterations } => {
                let (stored, server) = hash.split_at(SHA256_LEN);
                let (stored, server) = (STANDARD.encode(stored), STANDARD.encode(server));
                format!("$scram-sha-256${iterations}${}${stored}${server}", STANDARD.encode(salt))
            }
        }
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hash").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Scheme {
    const fn hash_len(self) -> usize {
        match self {
            Self::Sha512 | Self::Pbkdf2 { .. } | Self::Argon2id { .. } => SHA512_LEN,
            Self::Scram { .. } => 2 * SHA256_LEN,
        }
    }
}

fn digest(scheme: Scheme, password: &[u8], salt: &[u8], hash: &mut [u8], memory: &mut Memory) {
    match scheme {
        Scheme::Sha512 => {
            let digest = Sha512::new().chain_update(password).chain_update(salt).finalize();
            hash.copy_from_slice(&digest);
        }
        Scheme::Pbkdf2 { iterations } => {
            pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, hash);
        }
        Scheme::Argon2id { memory: kib, passes, lanes } => {
            let params = Params::new(kib, passes, lanes, Some(hash.len())).expect("it was checked");
            let blocks = params.block_count();
            if memory.0.len() < blocks {
                memory.0 = vec![Block::new(); blocks];
            }
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon2
                .hash_password_into_with_memory(password, salt, hash, &mut memory.0[..blocks])
                .expect("lengths are within the bounds");
        }
        Scheme::Scram { iterations } => {
            let mut salted = [0; SHA256_LEN];
            pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted);
            let (stored, server) = hash.split_at_mut(SHA256_LEN);
            stored.copy_from_slice(&Sha256::digest(hmac_sha256(&salted, &[b"Client Key"])));
            server.copy_from_slice(&hmac_sha256(&salted, &[b"Server Key"]));
        }
    }
}

/// HMAC-SHA-256 of all parts, one behind the other.
pub(super) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; SHA256_LEN] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// What is wrong with a line that has the right form and not the right content.
const BROKEN: &str = "the hash is not complete; 'mqtt-passwd FILE NAME' makes a new one";

fn fields<const N: usize>(text: &str) -> Result<[&str; N], String> {
    let fields: Vec<&str> = text.split('$').collect();
    fields.try_into().map_err(|_| BROKEN.into())
}

fn padded(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|_| BROKEN.into())
}

fn bare(text: &str) -> Result<Vec<u8>, String> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| BROKEN.into())
}

fn number(text: &str, what: &str, min: u32, max: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("the hash needs a number of {what} from {min} to {max}"))
}

fn argon2id(costs: &str) -> Result<Scheme, String> {
    let [memory, passes, lanes] =
        <[&str; 3]>::try_from(costs.split(',').collect::<Vec<_>>()).map_err(|_| BROKEN)?;
    let cost = |text: &str, letter, what, min, max| {
        number(text.strip_prefix(letter).ok_or(BROKEN)?, what, min, max)
    };
    let lanes = cost(lanes, "p=", "lanes (p)", 1, LANES_MAX)?;
    Ok(Scheme::Argon2id {
        memory: cost(memory, "m=", "KiB (m)", 8 * lanes, MEMORY_MAX)?,
        passes: cost(passes, "t=", "passes (t)", 1, PASSES_MAX)?,
        lanes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: [Scheme; 4] = [
        Scheme::Sha512,
        Scheme::Pbkdf2 { iterations: 3 },
        Scheme::Argon2id { memory: 64, passes: 2, lanes: 2 },
        Scheme::Scram { iterations: 4096 },
    ];

    /// Made with the programs of mosquitto 2.0 and 2.1 and with the reference implementation of
    /// Argon2; the password is `password`.
    #[test]
    fn what_others_made_is_checked() {
        let lines = [
            "$6$TsFXTBfdI60quXzv$MhSYQYgxfLYzolT2CYtRToV907oTdDt4WdDzXpzU/loTRuBtvJe75wY1/cLc\
             MChrNKuZNG7/jC2qO6EVYenwIA==",
            "$7$101$KlAlqr5RQySm/Z9P$jyZri7MAIETbsIQZYMcMwt3pSTBhvpJSxpcAa4QXIpZaR1g3fSse+f4g16\
             xcd+epUv2ghn+RkGRt9y0cwiTBFQ==",
            "$argon2id$v=19$m=64,t=3,p=2$c2FsdHNhbHQ$JizbHs6In5NQkNLrytYLfR/1kkSnzDH433Y7TQvFBhU",
            "$argon2id$v=19$m=47104,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2Fs\
             dHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdA$Ud1rvoelqCQZvgMb7SdxnCiTm0La2bvhekrHQSWJiQidZ9IR\
             IeCXa8C4ZL8thhYu5KaVseX6q28K8BJcqxgYRw",
        ];
        let mut memory = Memory::default();
        for line in lines {
            let hash = Hash::parse(line).unwrap();
            assert!(hash.verify(b"password", &mut memory), "{line}");
            assert!(!hash.verify(b"passwore", &mut memory), "{line}");
            assert_eq!(hash.line(), line);
        }
        // RFC 7677, 3: user "user", password "pencil".
        let scram = Hash::make(
            Scheme::Scram { iterations: 4096 },
            b"pencil",
            &STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(),
        );
        let (stored, server) = scram.keys().unwrap();
        assert_eq!(STANDARD.encode(stored), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
        assert_eq!(STANDARD.encode(server), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    }

    #[test]
    fn a_line_survives_the_way_there_and_back() {
        let mut memory = Memory::default();
        for scheme in SCHEMES {
            let hash = Hash::make(scheme, b"secret", b"salt of 16 bytes");
            let line = hash.line();
            let again = Hash::parse(&line).unwrap();
            assert_eq!(again, hash);
            assert_eq!(again.line(), line);
            assert!(again.verify(b"secret", &mut memory), "{scheme:?}");
            for wrong in [&b""[..], b"Secret", b"secret ", b"secre"] {
                assert!(!again.verify(wrong, &mut memory), "{scheme:?}");
            }
            assert!(!format!("{again:?}").contains("salt:"), "{again:?}");
        }
        assert_eq!(
            SCHEMES.map(|s| Hash::make(s, b"", b"saltsalt").is_quick()),
            [true, true, false, false]
        );
    }

    #[test]
    fn what_cannot_be_a_hash_is_told_without_showing_it() {
        let long =
            |prefix: &str, bytes: usize| prefix.to_owned() + &STANDARD.encode(vec![7; bytes]);
        let cases = [
            (String::new(), "not hashed"),
            ("geheim".into(), "not hashed"),
            ("$1$geheim".into(), "not known"),
            ("$6$geheim".into(), "not complete"),
            ("$6$geheim$geheim".into(), "not complete"),
            ("$6$$".into(), "not complete"),
            (long("$6$c2FsdA==$", 63), "not complete"),
            (long("$6$c2FsdA==$", 65), "not complete"),
            (long("$7$0$c2FsdA==$", 64), "iterations from 1 to 1000000"),
            (long("$7$1000001$c2FsdA==$", 64), "iterations"),
            (long("$7$4294967296$c2FsdA==$", 64), "iterations"),
            (long("$7$-1$c2FsdA==$", 64), "iterations"),
            ("$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$geheim".into(), "version 19"),
            ("$argon2id$v=19$m=64,t=1$c2FsdHNhbHQ$geheim".into(), "not complete"),
            ("$argon2id$v=19$m=64,t=1,p=1$c2Fsd$geheim".into(), "not complete"),
            ("$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$geheim".into(), "KiB (m)"),
            ("$argon2id$v=19$m=65537,t=1,p=1$c2FsdHNhbHQ$geheim".into(), "8 to 65536"),
            ("$argon2id$v=19$m=64,t=99,p=1$c2FsdHNhbHQ$geheim".into(), "passes"),
            ("$argon2id$v=19$m=64,t=1,p=17$c2FsdHNhbHQ$geheim".into(), "lanes"),
            ("$argon2id$v=19$m=64,t=1,p=9$c2FsdHNhbHQ$geheim".into(), "KiB (m) from 72"),
            ("$scram-sha-256$100$c2FsdHNhbHQ=$a$b".into(), "iterations from 4096"),
            ("$scram-sha-256$4096$c2FsdHNhbHQ=$YQ==$YQ==".into(), "not complete"),
        ];
        for (line, expected) in cases {
            let what = Hash::parse(&line).unwrap_err();
            assert!(what.contains(expected), "{line}: {what}");
            assert!(!what.contains("geheim"), "{what}");
        }
    }
}
