//! A password file: names and what is kept instead of their passwords.
//!
//! A line is `NAME:HASH`; blank lines and those that begin with `#` mean nothing. What a hash may
//! look like is a matter of [`Hash`].
//!
//! Owns: text to [`Passwords`], who is in it, and the check, which takes a name that is not there
//! as much time as one that is: some other line of the file is checked in its place, always the
//! same one, so that time does not tell who exists.
//!
//! Never opens a file, and never shows what a line keeps.

use std::fmt;

use super::hash::{Hash, Memory, hmac_sha256};
use super::problem::Problem;

/// Who may come in with which password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Passwords {
    /// By name.
    users: Vec<(Box<str>, Hash)>,
}

/// Bytes of the largest file: some 300,000 names.
pub const FILE_MAX: usize = 64 << 20;
/// Bytes of a name, as CONNECT can carry it.
const NAME_MAX: usize = 65_535;

impl Passwords {
    /// The names of a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, up to a bound; `file` is what the file is called.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        let mut lines = Vec::new();
        let mut problems = Vec::new();
        for (number, line) in Problem::lines(file, bytes)? {
            match entry(line) {
                Ok(None) => {}
                Ok(Some((name, hash))) => lines.push((name, hash, number)),
                Err(what) => problems.push(Problem::new(file, number, what)),
            }
        }
        lines.sort_by(|a, b| (&a.0, a.2).cmp(&(&b.0, b.2)));
        for twins in lines.windows(2).filter(|twins| twins[0].0 == twins[1].0) {
            let what = format!("this user stands in line {} too; remove one", twins[0].2);
            problems.push(Problem::new(file, twins[1].2, what));
        }
        if problems.is_empty() {
            let users = lines.into_iter().map(|(name, hash, _)| (name, hash)).collect();
            Ok(Self { users })
        } else {
            Err(Problem::bounded(problems))
        }
    }

    /// What is kept instead of a user's password.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Hash> {
        let place = self.users.binary_search_by(|(known, _)| known.as_ref().cmp(name)).ok()?;
        Some(&self.users[place].1)
    }

    /// What is kept instead of a user's password, or what takes as long to check if there is no
    /// such user; nothing if there is no user at all.
    #[must_use]
    pub fn find_or_decoy(&self, name: &str, secret: &[u8]) -> Option<&Hash> {
        self.find(name).or_else(|| Some(&self.users[self.decoy(name, secret)?].1))
    }

    /// Whose keys of SCRAM look like those a name that has none might have: always the same ones.
    pub(super) fn scram_decoy(&self, name: &str, secret: &[u8]) -> Option<&Hash> {
        let (before, after) = self.users.split_at(self.decoy(name, secret)?);
        after.iter().chain(before).map(|(_, hash)| hash).find(|hash| hash.keys().is_some())
    }

    /// Who stands in for a name that is not there.
    fn decoy(&self, name: &str, secret: &[u8]) -> Option<usize> {
        let mark = hmac_sha256(secret, &[b"decoy", name.as_bytes()]);
        let number = u64::from_le_bytes(mark[..8].try_into().expect("eight bytes"));
        number.checked_rem(self.users.len() as u64).and_then(|place| usize::try_from(place).ok())
    }

    /// Whether this is the password of that user.
    #[must_use]
    pub fn verify(&self, name: &str, password: &[u8], secret: &[u8], memory: &mut Memory) -> bool {
        let Some(hash) = self.find_or_decoy(name, secret) else { return false };
        hash.verify(password, memory) && self.find(name).is_some()
    }

    /// How many users there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no user.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether a user comes in by SCRAM.
    #[must_use]
    pub fn has_scram(&self) -> bool {
        self.users.iter().any(|(_, hash)| hash.keys().is_some())
    }

    /// Whose hash is another in `new`, in order.
    pub(super) fn changed(&self, new: &Self) -> Vec<Box<str>> {
        let is_changed =
            |(name, hash): &&(Box<str>, Hash)| new.find(name).is_some_and(|now| now != hash);
        self.users.iter().filter(is_changed).map(|(name, _)| name.clone()).collect()
    }

    /// What is different in `new`, in words; `None` if nothing is.
    #[must_use]
    pub fn difference(&self, new: &Self) -> Option<String> {
        let added = new.users.iter().filter(|(name, _)| self.find(name).is_none()).count();
        let removed = self.users.iter().filter(|(name, _)| new.find(name).is_none()).count();
        let changed = self.changed(new).len();
        let counts = [(added, "added"), (removed, "removed"), (changed, "changed")];
        let told = counts.into_iter().filter(|(count, _)| *count > 0);
        let told: Vec<String> = told.map(|(count, what)| format!("{count} {what}")).collect();
        (!told.is_empty()).then(|| format!("users: {}", told.join(", ")))
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("users", &self.users.len()).finish()
    }
}

fn entry(line: &str) -> Result<Option<(Box<str>, Hash)>, String> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let Some((name, hash)) = line.split_once(':') else {
        return Err("there is no ':'; a line is a user name, ':' and a hash".into());
    };
    if name.is_empty() {
        return Err("there is no user name in front of the ':'".into());
    }
    if name.len() > NAME_MAX {
        return Err("the user name is longer than a client can send".into());
    }
    Ok(Some((name.into(), Hash::parse(hash)?)))
}

#[cfg(test)]
mod tests {
    use super::super::hash::Scheme;
    use super::*;

    fn line(name: &str, password: &str) -> String {
        let hash = Hash::make(Scheme::Sha512, password.as_bytes(), b"saltsalt");
        format!("{name}:{}\n", hash.line())
    }

    fn parsed(text: &str) -> Passwords {
        Passwords::parse("pw", text.as_bytes()).unwrap()
    }

    fn wrong(text: &str) -> Vec<String> {
        let problems = Passwords::parse("pw", text.as_bytes()).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_are_found_and_passwords_checked() {
        let text =
            format!("# Who.\n\n{}\r\n{}  \n", line("b", "1").trim(), line("a a", "2").trim());
        let passwords = parsed(&text);
        assert_eq!(passwords.len(), 2);
        let mut memory = Memory::default();
        let mut right = |name, password: &str| {
            passwords.verify(name, password.as_bytes(), b"secret", &mut memory)
        };
        assert!(right("b", "1") && right("a a", "2"));
        assert!(!right("b", "2") && !right("a", "2") && !right("", "1"));
        // Not even with the password of the line that is checked in its place.
        assert!(!right("nobody", "1") && !right("nobody", "2"));
        let nobody = Passwords::default();
        assert!(nobody.is_empty() && !nobody.verify("a", b"", b"", &mut Memory::default()));
        assert!(!format!("{passwords:?}").contains('$'));
    }

    #[test]
    fn an_unknown_name_costs_what_a_known_one_costs() {
        let slow = Hash::make(Scheme::Pbkdf2 { iterations: 5000 }, b"x", b"saltsalt");
        let passwords = parsed(&format!("a:{}\nb:{}\n", slow.line(), slow.line()));
        for name in ["c", "d", "e", "f"] {
            let decoy = passwords.find_or_decoy(name, b"secret").unwrap();
            assert_eq!(decoy.scheme, slow.scheme);
            assert_eq!(Some(decoy), passwords.find_or_decoy(name, b"secret"), "always the same");
        }
    }

    #[test]
    fn everything_wrong_is_told_with_its_line_and_without_secrets() {
        let text = format!("{}geheim\n:{}c:geheim\n{}", line("a", "1"), "x\n", line("a", "2"));
        assert_eq!(
            wrong(&text),
            [
                "pw:2: there is no ':'; a line is a user name, ':' and a hash",
                "pw:3: there is no user name in front of the ':'",
                "pw:4: the password is not hashed; 'mqtt-passwd -U FILE' hashes it",
                "pw:5: this user stands in line 1 too; remove one",
            ]
        );
        let problems = Passwords::parse("pw", b"a:\xff\n").unwrap_err();
        assert_eq!(problems[0].to_string(), "pw:1: this is not UTF-8");
        assert!(wrong(&"x\n".repeat(10_000)).len() < 200);
    }

    #[test]
    fn what_changed_is_told_in_numbers() {
        let old = parsed(&(line("a", "1") + &line("b", "1") + &line("c", "1")));
        let new = parsed(&(line("a", "1") + &line("c", "2") + &line("d", "1") + &line("e", "1")));
        let told = old.difference(&new);
        assert_eq!(told.as_deref(), Some("users: 2 added, 1 removed, 1 changed"));
        assert_eq!(old.difference(&old.clone()), None);
    }
}
