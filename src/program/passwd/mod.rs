//! `mqtt-passwd`: password files, made and changed.
//!
//! Owns: its option table, what its arguments ask for, and the order in which things are done: the
//! file is read and understood before a password is asked for, and it changes as a whole or not at
//! all.
//!
//! Never prints: what is to be said is returned.

mod edit;
mod file;
mod terminal;

use std::ffi::OsString;

use getopts::Matches;

use self::file::PasswordFile;
use super::{Failure, INPUT_OUTPUT, USAGE};
use crate::auth::Passwords;
use crate::auth::hash::{Hash, ITERATIONS_MAX, Memory, SCRAM_ITERATIONS_MIN, Scheme};
use crate::cli::{self, Opt, Usage};

/// Options of `mqtt-passwd`.
pub const PASSWD: &[Opt] = &[
    Opt::flag("c", "create", "create the file, in the place of one that is there"),
    Opt::flag("b", "batch", "the password is the third argument; everyone can see it in ps(1)"),
    Opt::flag("D", "delete", "delete the user"),
    Opt::flag("U", "update", "hash the passwords of a file in which they are plain"),
    Opt::flag("", "check", "say whether the file is sound and, of a user, the password right"),
    Opt::value("H", "hash", "HASH", "sha512-pbkdf2 (the default), argon2id, scram-sha-256, sha512"),
    Opt::value("I", "iterations", "COUNT", "rounds of the hash, or passes of argon2id"),
    Opt::flag("", "help", "this text"),
    Opt::flag("", "version", "version of the program"),
];

/// The head of `--help`.
pub const PASSWD_HELP: &str = "\
usage: mqtt-passwd [-c] [-H HASH] [-I COUNT] FILE USER
       mqtt-passwd [-c] [-H HASH] [-I COUNT] -b FILE USER PASSWORD
       mqtt-passwd -D FILE USER
       mqtt-passwd -U [-H HASH] [-I COUNT] FILE
       mqtt-passwd --check FILE [USER]
Changes a file of users and hashed passwords for mqtt-broker (or mosquitto).";

const PROGRAM: &str = "mqtt-passwd";

/// The password is not the user's.
pub const WRONG: u8 = 2;

/// Rounds of PBKDF2: 4 ms of a small server, 40 ms of a small board.
const PBKDF2_ITERATIONS: u32 = 10_000;
/// KiB of Argon2id, whose passes are [`ARGON2_PASSES`]: fit for a machine with little memory.
const ARGON2_MEMORY: u32 = 19_456;
const ARGON2_PASSES: u32 = 2;
/// What every mosquitto takes.
const SALT_BYTES: usize = 12;

/// Does what the arguments ask for; the text for standard output.
///
/// # Errors
/// Why not; nothing has changed then.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<String, Failure> {
    let matches = cli::parse(PROGRAM, PASSWD, arguments)?;
    if matches.opt_present("help") {
        return Ok(cli::usage(PASSWD_HELP, PASSWD));
    }
    if matches.opt_present("version") {
        return Ok(format!("{PROGRAM} {}\n", env!("CARGO_PKG_VERSION")));
    }
    let modes = ["delete", "update", "check"];
    if modes.iter().filter(|mode| matches.opt_present(mode)).count() > 1 {
        return Err(Usage("give one of -D, -U and --check".into()).into());
    }
    if matches.opt_present("update") {
        return update(&matches);
    }
    if matches.opt_present("check") {
        return check(&matches);
    }
    if matches.opt_present("delete") {
        return delete(&matches);
    }
    set(&matches)
}

/// Creates or changes a user.
fn set(matches: &Matches) -> Result<String, Failure> {
    let scheme = scheme(matches)?;
    let is_batch = matches.opt_present("batch");
    let (path, user, given) = match (&matches.free[..], is_batch) {
        ([path, user], false) => (path, user, None),
        ([path, user, password], true) => (path, user, Some(password.clone())),
        (_, false) => return Err(expected("FILE and USER")),
        (_, true) => return Err(expected("FILE, USER and PASSWORD")),
    };
    check_user(user)?;
    let is_new = matches.opt_present("create");
    let file = if is_new { PasswordFile::create(path) } else { PasswordFile::open(path) };
    let file = file.map_err(failed)?;
    parsed(path, file.text())?;
    let password = match given {
        Some(password) => password,
        None => terminal::new_password(user).map_err(failed)?,
    };
    check_password(&password)?;
    let hash = hashed(scheme, password.as_bytes())?;
    let text = edit::set(file.text(), user, &hash.line());
    file.write(&text).map_err(failed)?;
    Ok(String::new())
}

fn delete(matches: &Matches) -> Result<String, Failure> {
    refuse_with(matches, "-D", &["create", "batch", "hash", "iterations"])?;
    let [path, user] = &matches.free[..] else { return Err(expected("FILE and USER")) };
    let file = PasswordFile::open(path).map_err(failed)?;
    let Some(text) = edit::delete(file.text(), user) else {
        return Err(Failure::new(USAGE, format!("{path}: there is no user '{user}'")));
    };
    file.write(&text).map_err(failed)?;
    Ok(String::new())
}

/// Hashes what is plain.
fn update(matches: &Matches) -> Result<String, Failure> {
    refuse_with(matches, "-U", &["create", "batch"])?;
    let scheme = scheme(matches)?;
    let [path] = &matches.free[..] else { return Err(expected("FILE")) };
    let file = PasswordFile::open(path).map_err(failed)?;
    let mut text = String::new();
    let mut count = 0;
    for (number, line) in (1..).zip(file.text().lines()) {
        let done = edit::plain(line).map(|(user, password)| {
            check_user(user)?;
            check_password(password)?;
            count += 1;
            Ok::<_, Failure>(format!("{user}:{}", hashed(scheme, password.as_bytes())?.line()))
        });
        match done.transpose() {
            Ok(hashed) => text += hashed.as_deref().unwrap_or(line),
            Err(Failure { code, what }) => {
                return Err(Failure { code, what: format!("{path}:{number}: {what}") });
            }
        }
        text.push('\n');
    }
    parsed(path, &text)?;
    file.write(&text).map_err(failed)?;
    Ok(format!("{count} passwords hashed\n"))
}

fn check(matches: &Matches) -> Result<String, Failure> {
    refuse_with(matches, "--check", &["create", "batch", "hash", "iterations"])?;
    let (path, user) = match &matches.free[..] {
        [path] => (path, None),
        [path, user] => (path, Some(user)),
        _ => return Err(expected("FILE, and USER if the password is to be checked")),
    };
    let file = PasswordFile::open(path).map_err(failed)?;
    let passwords = parsed(path, file.text())?;
    let Some(user) = user else {
        return Ok(format!("{path} is sound: {} users\n", passwords.len()));
    };
    let password = terminal::password(&format!("Password of {user}: ")).map_err(failed)?;
    let Some(hash) = passwords.find(user) else {
        return Err(Failure::new(WRONG, format!("{path}: there is no user '{user}'")));
    };
    if hash.verify(password.as_bytes(), &mut Memory::default()) {
        Ok("the password is right\n".into())
    } else {
        Err(Failure::new(WRONG, "the password is wrong"))
    }
}

/// How passwords are to be hashed.
fn scheme(matches: &Matches) -> Result<Scheme, Failure> {
    let name = matches.opt_str("hash");
    let name = name.as_deref().unwrap_or("sha512-pbkdf2");
    let (least, most, usual) = match name {
        "sha512-pbkdf2" => (1, ITERATIONS_MAX, PBKDF2_ITERATIONS),
        "scram-sha-256" => (SCRAM_ITERATIONS_MIN, ITERATIONS_MAX, PBKDF2_ITERATIONS),
        "argon2id" => (1, crate::auth::hash::PASSES_MAX, ARGON2_PASSES),
        "sha512" => (1, 1, 1),
        other => {
            return Err(Usage(format!(
                "--hash '{other}': give sha512-pbkdf2, argon2id, scram-sha-256 or sha512"
            ))
            .into());
        }
    };
    let expected = format!("a number from {least} to {most}");
    let iterations: u32 = cli::value(matches, "iterations", &expected)?.unwrap_or(usual);
    if !(least..=most).contains(&iterations) {
        return Err(Usage(format!("--iterations '{iterations}': give {expected}")).into());
    }
    Ok(match name {
        "sha512-pbkdf2" => Scheme::Pbkdf2 { iterations },
        "scram-sha-256" => Scheme::Scram { iterations },
        "argon2id" => Scheme::Argon2id { memory: ARGON2_MEMORY, passes: iterations, lanes: 1 },
        _ => Scheme::Sha512,
    })
}

fn hashed(scheme: Scheme, password: &[u8]) -> Result<Hash, Failure> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt)
        .map_err(|error| failed(format!("the system gives no random numbers: {error}")))?;
    Ok(Hash::make(scheme, password, &salt))
}

/// The file, understood.
fn parsed(path: &str, text: &str) -> Result<Passwords, Failure> {
    Passwords::parse(path, text.as_bytes()).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::new(USAGE, lines.join("\n"))
    })
}

fn check_user(user: &str) -> Result<(), Failure> {
    let what = if user.is_empty() {
        "a user name has at least one character"
    } else if user.contains([':', '\n', '\r']) || user.trim() != user || user.starts_with('#') {
        "a user name has no ':', no end of line, no blanks around it and no '#' in front"
    } else if user.len() > usize::from(u16::MAX) {
        "a user name has at most 65535 bytes"
    } else {
        return Ok(());
    };
    Err(Failure::new(USAGE, what))
}

fn check_password(password: &str) -> Result<(), Failure> {
    let what = if password.is_empty() {
        "a password has at least one character"
    } else if password.len() > usize::from(u16::MAX) {
        "a password has at most 65535 bytes"
    } else {
        return Ok(());
    };
    Err(Failure::new(USAGE, what))
}

fn refuse_with(matches: &Matches, mode: &str, names: &[&str]) -> Result<(), Failure> {
    match names.iter().find(|name| matches.opt_present(name)) {
        Some(name) => Err(Usage(format!("--{name} has no meaning with {mode}")).into()),
        None => Ok(()),
    }
}

fn expected(what: &str) -> Failure {
    Usage(format!("give {what}; '{PROGRAM} --help' shows how")).into()
}

fn failed(what: impl Into<String>) -> Failure {
    Failure::new(INPUT_OUTPUT, what)
}
