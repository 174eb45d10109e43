//! Files of passwords and rights, and messages of SCRAM, that nobody would write.
//!
//! Whatever their bytes, they are taken or refused, never fatal: a refusal names a line that is
//! there and shows no secret; what is taken answers every question.

use std::sync::Arc;

use bytes::Bytes;
use mqtt_broker::auth::hash::{Hash, Scheme};
use mqtt_broker::auth::{AccessControl, Acl, ListenerAccess, Passwords, Problem, SCRAM};
use mqtt_broker::rng::Rng;
use mqtt_broker::session::{Access, Applicant, Authority, Identity, Peer, Verdict};

use super::mutation::mutate;
use super::{pick, rounds};

const INPUTS: usize = 3000;

const RIGHTS: &str = "topic read a/#\nuser anna\ntopic readwrite b/+/c\ntopic deny b/x/c\n\
                      pattern write d/%c/%u/#\n# None.\nuser a b\ntopic subscribe $SYS/#\n";

fn check(problems: &[Problem], bytes: &[u8]) {
    let lines = bytes.split(|byte| *byte == b'\n').count();
    assert!(!problems.is_empty() && problems.len() <= 101);
    for problem in problems {
        assert!(problem.line <= lines && !problem.what.is_empty(), "{problem}");
        assert!(!problem.to_string().contains("geheim"), "{problem}");
    }
}

fn who(rng: &mut Rng) -> Identity {
    let names = ["anna", "a b", "+", "#", "a/b", "", "%c", "\u{e9}"];
    let user_name = rng.chance(3, 4).then(|| (*pick(rng, &names)).into());
    Identity {
        client_id: (*pick(rng, &names)).into(),
        user_name,
        peer: Peer::default(),
        certificate: None,
    }
}

#[test]
fn lists_of_any_kind_are_taken_or_refused() {
    rounds(|rng| {
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..INPUTS {
            let mut bytes = RIGHTS.as_bytes().to_vec();
            mutate(rng, &mut bytes);
            match Acl::parse("acl", &bytes, 1) {
                Ok((acl, _)) => {
                    taken += 1;
                    let who = who(rng);
                    for topic in ["a", "b/x/c", "d/a/b", "$SYS/x", "d/anna/anna/1", "/"] {
                        let may = |what| acl.decide(&who, what, topic).is_allowed;
                        assert!(
                            !may(Access::Receive) || may(Access::Subscribe) || has_limits(&bytes)
                        );
                        assert_eq!(may(Access::Publish), may(Access::Will));
                    }
                    for filter in ["#", "+/+", "a/#", "$share/g/b/+/c", "$SYS/#"] {
                        let _ = acl.decide(&who, Access::Subscribe, filter);
                    }
                    assert_eq!(acl.difference(&acl), None);
                }
                Err(problems) => {
                    refused += 1;
                    check(&problems, &bytes);
                }
            }
        }
        println!("lists of rights: {taken} taken, {refused} refused");
        assert!(taken > INPUTS / 10 && refused > INPUTS / 10, "{taken} {refused}");
    });
}

/// Whether a rule limits filters, so that what may be received need not be subscribed to.
fn has_limits(bytes: &[u8]) -> bool {
    bytes.windows(9).any(|window| window == b"subscribe")
}

#[test]
fn password_files_of_any_kind_are_taken_or_refused() {
    let schemes = [
        Scheme::Sha512,
        Scheme::Pbkdf2 { iterations: 2 },
        Scheme::Argon2id { memory: 16, passes: 1, lanes: 1 },
        Scheme::Scram { iterations: 4096 },
    ];
    let line = |scheme| Hash::make(scheme, b"geheim", b"saltsalt").line();
    let good: String =
        schemes.into_iter().zip('a'..).map(|(s, n)| format!("{n}:{}\n", line(s))).collect();
    rounds(|rng| {
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..INPUTS {
            let mut bytes = good.as_bytes().to_vec();
            bytes.extend_from_slice(pick(rng, &["", "z:geheim\n", "# geheim\n"]).as_bytes());
            mutate(rng, &mut bytes);
            match Passwords::parse("pw", &bytes) {
                Ok(passwords) => {
                    taken += 1;
                    let decoy = passwords.find_or_decoy("nobody", b"secret");
                    assert_eq!(decoy.is_none(), passwords.is_empty());
                }
                Err(problems) => {
                    refused += 1;
                    check(&problems, &bytes);
                }
            }
        }
        println!("password files: {taken} taken, {refused} refused");
        assert!(taken > INPUTS / 20 && refused > INPUTS / 20, "{taken} {refused}");
    });
}

#[test]
fn messages_of_scram_of_any_kind_are_answered() {
    let hash = Hash::make(Scheme::Scram { iterations: 4096 }, b"geheim", b"saltsalt");
    let text = format!("anna:{}\n", hash.line());
    let passwords = Arc::new(Passwords::parse("pw", text.as_bytes()).unwrap());
    let listener = ListenerAccess { passwords: Some(passwords), ..ListenerAccess::default() };
    let control = AccessControl::new(vec![Some(listener)], [3; 32]);
    let examiner = control.examiner().unwrap();
    let applicant = |data: &[u8], memo: Option<Box<str>>| Applicant {
        client_id: String::new(),
        user_name: None,
        password: None,
        method: Some((SCRAM.into(), Bytes::copy_from_slice(data))),
        memo,
        peer: Peer::default(),
        nonce: [9; 18],
    };
    rounds(|rng| {
        for _ in 0..INPUTS {
            let mut first = b"n,,n=anna,r=abcdef".to_vec();
            if rng.chance(1, 2) {
                mutate(rng, &mut first);
            }
            let (verdict, memo) = examiner.examine(&applicant(&first, None));
            let Verdict::Continue(answer) = verdict else {
                assert!(matches!(verdict, Verdict::Refused(_)) && memo.is_none());
                continue;
            };
            let nonce = answer.split(|byte| *byte == b',').next().unwrap();
            let mut last = [b"c=biws,", nonce, b",p=", &[b'A'; 43], b"="].concat();
            mutate(rng, &mut last);
            let (verdict, _) = examiner.examine(&applicant(&last, memo));
            assert!(matches!(verdict, Verdict::Refused(_)), "nobody guesses a proof");
        }
    });
}
