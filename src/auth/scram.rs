//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side.
//!
//! ```text
//! CONNECT  n,,n=user,r=CLIENT                       client first
//! AUTH     r=CLIENT SERVER,s=SALT,i=ITERATIONS      server first
//! AUTH     c=biws,r=CLIENT SERVER,p=PROOF           client final
//! CONNACK  v=SIGNATURE                              server final
//! ```
//!
//! Owns: the two answers. What is remembered in between is a text, [`begin`]'s second value.
//!
//! The password never leaves the client, and what the file keeps is not enough to come in. A name
//! that is not there is asked for a proof like any other. Names and passwords are compared as
//! they are, without the normalization of RFC 4013; channel binding is not offered.
//!
//! Never waits: a password is not hashed here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::hash::{Hash, SCRAM_ITERATIONS_MIN, Scheme, hmac_sha256};
use super::password::Passwords;
use crate::codec::ReasonCode;
use crate::session::{Denial, Verdict};

/// What the method is called (5.0, 3.1.2.11.9).
pub const METHOD: &str = "SCRAM-SHA-256";

const MALFORMED: Denial = Denial::new(ReasonCode::NOT_AUTHORIZED, "not a message of SCRAM");
const BINDING: Denial = Denial::new(ReasonCode::NOT_AUTHORIZED, "channel binding is not offered");
const WRONG: Denial = Denial::new(ReasonCode::NOT_AUTHORIZED, "wrong password");
const UNKNOWN: Denial = Denial::new(ReasonCode::NOT_AUTHORIZED, "unknown user");

/// Bytes of a message: far more than any needs.
const MESSAGE_MAX: usize = 4096;

/// The parts of a client's first message.
struct First<'m> {
    /// The header of what carries it, with its commas.
    header: &'m str,
    bare: &'m str,
    user: String,
    nonce: &'m str,
}

impl<'m> First<'m> {
    fn parse(message: &'m str) -> Result<Self, Denial> {
        let mut parts = message.splitn(3, ',');
        let (Some(binding), Some(authorize), Some(bare)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(MALFORMED);
        };
        match binding {
            "n" | "y" => {}
            other if other.starts_with("p=") => return Err(BINDING),
            _ => return Err(MALFORMED),
        }
        let mut fields = bare.split(',');
        let user = fields.next().and_then(|field| field.strip_prefix("n=")).and_then(plain);
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let (Some(user), Some(nonce)) = (user, nonce) else { return Err(MALFORMED) };
        let is_printable = nonce.bytes().all(|byte| byte.is_ascii_graphic());
        // To act for somebody else is nobody's right here.
        let acts_as = authorize.strip_prefix("a=").and_then(plain);
        let is_himself = authorize.is_empty() || acts_as.as_ref() == Some(&user);
        if user.is_empty() || nonce.is_empty() || !is_printable || !is_himself {
            return Err(MALFORMED);
        }
        let header = &message[..message.len() - bare.len()];
        Ok(Self { header, bare, user, nonce })
    }
}

/// A name as it is meant: `=2C` is a comma, `=3D` an equals sign, and there are no others.
fn plain(name: &str) -> Option<String> {
    let mut plain = String::with_capacity(name.len());
    let mut pieces = name.split('=');
    plain.push_str(pieces.next()?);
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2)?;
        plain.push(match code {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        plain.push_str(rest);
    }
    Some(plain)
}

fn text(data: &[u8]) -> Result<&str, Denial> {
    let text = std::str::from_utf8(data).ok().filter(|text| text.len() <= MESSAGE_MAX);
    text.filter(|text| !text.contains(['\n', '\0'])).ok_or(MALFORMED)
}

/// Answers the first message; the second value is to be remembered until the last one.
pub(super) fn begin(
    passwords: &Passwords,
    secret: &[u8],
    nonce: &[u8; 18],
    data: &[u8],
) -> (Verdict, Option<Box<str>>) {
    let message = match text(data).and_then(|text| Ok((text, First::parse(text)?))) {
        Ok(message) => message,
        Err(denial) => return (Verdict::Refused(denial), None),
    };
    let (whole, first) = message;
    let hash = passwords.find(&first.user).filter(|hash| hash.keys().is_some());
    let (salt, iterations) = match hash.map(|hash| (hash.salt.as_ref(), hash.scheme)) {
        Some((salt, Scheme::Scram { iterations })) => (STANDARD.encode(salt), iterations),
        _ => made_up(passwords, secret, &first.user),
    };
    let own = STANDARD.encode(nonce);
    let answer = format!("r={}{own},s={salt},i={iterations}", first.nonce);
    let memo = format!("{whole}\n{answer}").into_boxed_str();
    (Verdict::Continue(Bytes::from(answer)), Some(memo))
}

/// What a name is asked for that has no keys: of the same look as what others are asked for.
fn made_up(passwords: &Passwords, secret: &[u8], user: &str) -> (String, u32) {
    let (len, iterations) = match passwords.scram_decoy(user, secret) {
        Some(Hash { salt, scheme: Scheme::Scram { iterations }, .. }) => (salt.len(), *iterations),
        _ => (16, SCRAM_ITERATIONS_MIN),
    };
    let half = |which: &[u8]| hmac_sha256(secret, &[which, user.as_bytes()]);
    let salt = [half(b"salt"), half(b"more salt")].concat();
    (STANDARD.encode(&salt[..len.min(salt.len())]), iterations)
}

/// Answers the last message.
pub(super) fn finish(passwords: &Passwords, memo: &str, data: &[u8]) -> Verdict {
    match prove(passwords, memo, data) {
        Ok((user_name, data)) => Verdict::Proved { user_name, data },
        Err(denial) => Verdict::Refused(denial),
    }
}

fn prove(passwords: &Passwords, memo: &str, data: &[u8]) -> Result<(String, Bytes), Denial> {
    let (whole, answer) = memo.split_once('\n').ok_or(MALFORMED)?;
    let first = First::parse(whole)?;
    let last = text(data)?;
    let (unproved, proof) = last.rsplit_once(",p=").ok_or(MALFORMED)?;
    let mut fields = unproved.split(',');
    let binding = fields.next().and_then(|field| field.strip_prefix("c=")).ok_or(MALFORMED)?;
    if binding != STANDARD.encode(first.header) {
        return Err(MALFORMED);
    }
    // The nonce of the answer, whole: else it is the proof of another conversation.
    if fields.next() != answer.split(',').next() {
        return Err(MALFORMED);
    }
    let proof = STANDARD.decode(proof).map_err(|_| MALFORMED)?;
    let hash = passwords.find(&first.user);
    let (stored, server) = hash.and_then(|hash| hash.keys()).ok_or(UNKNOWN)?;
    let parts: [&[u8]; 5] =
        [first.bare.as_bytes(), b",", answer.as_bytes(), b",", unproved.as_bytes()];
    let signature = hmac_sha256(stored, &parts);
    if proof.len() != signature.len() {
        return Err(MALFORMED);
    }
    let key: Vec<u8> = proof.iter().zip(signature).map(|(a, b)| a ^ b).collect();
    if !bool::from(Sha256::digest(key).as_slice().ct_eq(stored)) {
        return Err(WRONG);
    }
    let answer = format!("v={}", STANDARD.encode(hmac_sha256(server, &parts)));
    Ok((first.user, Bytes::from(answer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The user of RFC 7677, 3.
    fn passwords() -> Passwords {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let hash = Hash::make(Scheme::Scram { iterations: 4096 }, b"pencil", &salt);
        Passwords::parse("pw", format!("user:{}\n", hash.line()).as_bytes()).unwrap()
    }

    const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const ANSWER: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                          s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const LAST: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn refused(verdict: &Verdict) -> &'static str {
        let Verdict::Refused(denial) = verdict else { panic!("{verdict:?}") };
        denial.why
    }

    #[test]
    fn the_example_of_the_standard() {
        let (verdict, memo) = begin(&passwords(), b"secret", &[7; 18], FIRST.as_bytes());
        let Verdict::Continue(data) = verdict else { panic!("{verdict:?}") };
        let answer = std::str::from_utf8(&data).unwrap();
        assert!(answer.starts_with("r=rOprNGfwEbeRWgbNEkqOBwcHBwcH"), "{answer}");
        assert!(answer.ends_with(",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), "{answer}");
        assert_eq!(memo.as_deref(), Some(format!("{FIRST}\n{answer}").as_str()));

        let memo = format!("{FIRST}\n{ANSWER}");
        let data = Bytes::from("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let proved = Verdict::Proved { user_name: "user".into(), data };
        assert_eq!(finish(&passwords(), &memo, LAST.as_bytes()), proved);
    }

    #[test]
    fn a_wrong_proof_is_refused() {
        let memo = format!("{FIRST}\n{ANSWER}");
        let wrong = LAST.replace("p=dHzb", "p=eHzb");
        assert_eq!(refused(&finish(&passwords(), &memo, wrong.as_bytes())), "wrong password");
        let other = LAST.replace("$k0", "$k1");
        assert_eq!(refused(&finish(&passwords(), &memo, other.as_bytes())), MALFORMED.why);
        let bound = LAST.replace("c=biws", "c=eSws");
        assert_eq!(refused(&finish(&passwords(), &memo, bound.as_bytes())), MALFORMED.why);
        for cut in 0..LAST.len() {
            refused(&finish(&passwords(), &memo, &LAST.as_bytes()[..cut]));
        }
        refused(&finish(&passwords(), "", LAST.as_bytes()));
    }

    #[test]
    fn a_name_that_is_not_there_is_asked_like_any_other() {
        let ask = |name: &str| {
            let first = format!("n,,n={name},r=abc");
            let (verdict, memo) = begin(&passwords(), b"secret", &[1; 18], first.as_bytes());
            let Verdict::Continue(data) = verdict else { panic!("{verdict:?}") };
            (String::from_utf8(data.to_vec()).unwrap(), memo.unwrap())
        };
        let (answer, memo) = ask("nobody");
        assert!(answer.ends_with("==,i=4096"), "{answer}");
        assert_eq!(ask("nobody").0, answer, "its salt does not change");
        assert_ne!(ask("somebody").0, answer);
        let last = "c=biws,r=abcAQEBAQEBAQEBAQEBAQEBAQEB,p=".to_owned() + &STANDARD.encode([0; 32]);
        assert_eq!(refused(&finish(&passwords(), &memo, last.as_bytes())), "unknown user");
    }

    /// Salts and rounds as long and as many as others have, or they tell who is not there.
    #[test]
    fn what_a_name_that_is_not_there_is_asked_for_looks_like_the_rest() {
        let looks = |passwords: &Passwords, name: &str| {
            let first = format!("n,,n={name},r=abc");
            let (Verdict::Continue(data), _) =
                begin(passwords, b"secret", &[1; 18], first.as_bytes())
            else {
                panic!("{name}")
            };
            let text = String::from_utf8(data.to_vec()).unwrap();
            let salt = text.split(",s=").nth(1).unwrap().split(',').next().unwrap();
            let len = STANDARD.decode(salt).unwrap().len();
            (len, text.rsplit("i=").next().unwrap().parse::<u32>().unwrap())
        };
        let file = |kinds: &[(usize, u32)]| {
            let mut file = String::new();
            for (number, &(len, iterations)) in kinds.iter().enumerate() {
                let scheme =
                    if iterations == 0 { Scheme::Sha512 } else { Scheme::Scram { iterations } };
                let line = Hash::make(scheme, b"secret", &vec![7; len]).line();
                file.push_str(&format!("user{number}:{line}\n"));
            }
            Passwords::parse("pw", file.as_bytes()).unwrap()
        };
        let passwords = file(&[(12, 5000), (12, 0)]);
        assert_eq!(looks(&passwords, "user0"), (12, 5000));
        for name in ["user1", "nobody", "somebody", "anybody"] {
            assert_eq!(looks(&passwords, name), (12, 5000), "{name}");
        }
        let kinds = [(12, 5000), (64, 4096), (20, 6000)];
        let passwords = file(&kinds);
        let mut seen: Vec<(usize, u32)> =
            (0..50).map(|number| looks(&passwords, &format!("nobody{number}"))).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [(12, 5000), (20, 6000), (64, 4096)]);
    }

    #[test]
    fn what_is_no_first_message_is_refused() {
        let cases: [&[u8]; 14] = [
            b"",
            b"n",
            b"n,,",
            b"n,,n=user",
            b"n,,n=,r=abc",
            b"n,,n=user,r=",
            b"n,,n=us=er,r=abc",
            b"n,,n=user=2,r=abc",
            b"n,a=other,n=user,r=abc",
            b"p=tls-unique,,n=user,r=abc",
            b"x,,n=user,r=abc",
            b"n,,m=ext,n=user,r=abc",
            b"n,,n=user,r=a\nb",
            b"n,,n=\xff,r=abc",
        ];
        for case in cases {
            refused(&begin(&passwords(), b"", &[0; 18], case).0);
        }
        refused(&begin(&passwords(), b"", &[0; 18], &[b'n'; MESSAGE_MAX + 1]).0);
        let (verdict, _) = begin(&passwords(), b"", &[0; 18], b"y,a=us=2Cer,n=us=2Cer,r=abc");
        assert!(matches!(verdict, Verdict::Continue(_)));
        assert_eq!(plain("a=2Cb=3Dc").as_deref(), Some("a,b=c"));
    }
}
