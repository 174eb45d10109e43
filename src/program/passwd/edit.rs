//! The text of a password file, changed.
//!
//! Owns: which line belongs to a user. All other lines stay as they are, comments too.
//!
//! Never looks at a hash.

/// The text in which `user` has the hash `line`, in its old place or at the end.
pub(super) fn set(text: &str, user: &str, line: &str) -> String {
    let mut edited = String::with_capacity(text.len() + user.len() + line.len() + 2);
    let mut is_done = false;
    let put = |edited: &mut String| {
        edited.push_str(user);
        edited.push(':');
        edited.push_str(line);
        edited.push('\n');
    };
    for old in text.lines() {
        if owner(old) != Some(user) {
            edited.push_str(old);
            edited.push('\n');
        } else if !std::mem::replace(&mut is_done, true) {
            put(&mut edited);
        }
    }
    if !is_done {
        put(&mut edited);
    }
    edited
}

/// The text without `user`; `None` if it is not there.
pub(super) fn delete(text: &str, user: &str) -> Option<String> {
    let left: String = text
        .lines()
        .filter(|line| owner(line) != Some(user))
        .flat_map(|line| [line, "\n"])
        .collect();
    (left.lines().count() < text.lines().count()).then_some(left)
}

/// User and password of a line in which it is plain.
pub(super) fn plain(line: &str) -> Option<(&str, &str)> {
    let (user, password) = line.trim_end_matches('\r').split_once(':')?;
    let is_plain = owner(line).is_some() && !is_hash(password.trim());
    is_plain.then_some((user, password))
}

/// Whether a password file could hold this as a hash.
fn is_hash(text: &str) -> bool {
    ["$6$", "$7$", "$argon2id$", "$scram-sha-256$"].iter().any(|kind| text.starts_with(kind))
}

/// Whose line it is.
fn owner(line: &str) -> Option<&str> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    Some(line.split_once(':')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Who.\na:$6$x\n\nb:$7$y\n";

    #[test]
    fn a_line_changes_in_its_place() {
        assert_eq!(set(TEXT, "a", "new"), "# Who.\na:new\n\nb:$7$y\n");
        assert_eq!(set(TEXT, "c", "new"), "# Who.\na:$6$x\n\nb:$7$y\nc:new\n");
        assert_eq!(set("a:1", "b", "2"), "a:1\nb:2\n");
        assert_eq!(set("a:1\na:2\n", "a", "3"), "a:3\n");
        assert_eq!(set("", "a", "3"), "a:3\n");
    }

    #[test]
    fn a_line_goes() {
        assert_eq!(delete(TEXT, "a").as_deref(), Some("# Who.\n\nb:$7$y\n"));
        assert_eq!(delete(TEXT, "# Who."), None);
        assert_eq!(delete(TEXT, "c"), None);
    }

    #[test]
    fn plain_passwords_are_seen() {
        assert_eq!(plain("a:b:c\r"), Some(("a", "b:c")));
        assert_eq!(plain("a:$x"), Some(("a", "$x")));
        assert_eq!(plain("a:$6$x$y"), None);
        assert_eq!(plain("# a:b"), None);
        assert_eq!(plain(""), None);
    }
}
