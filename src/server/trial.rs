//! Who may do what, answered offline.
//!
//! Owns: the question on a command line (`--test-acl`) and the words of the answer.
//!
//! Never prints, and needs no broker that runs.

use std::fmt::Write as _;

use getopts::Matches;

use super::files::Disk;
use crate::auth::{self, Acl, Decision};
use crate::cli::Usage;
use crate::session::{Access, Identity, Peer};
use crate::topic_matcher::{Filter, Topic};

/// What the list says, in words, and whether it is yes.
///
/// # Errors
/// A question that is none, or everything that is wrong with the list.
pub fn answer(file: &str, matches: &Matches) -> Result<(String, bool), Vec<String>> {
    let [verb, topic] = &matches.free[..] else {
        return Err(vec!["give publish, subscribe or receive, and a topic".into()]);
    };
    let what = match verb.as_str() {
        "publish" => Access::Publish,
        "subscribe" => Access::Subscribe,
        "receive" => Access::Receive,
        other => return Err(vec![format!("'{other}': give publish, subscribe or receive")]),
    };
    let sound = match what {
        Access::Subscribe => Filter::parse(topic).map(drop),
        Access::Publish | Access::Receive | Access::Will => Topic::parse(topic).map(drop),
    };
    sound.map_err(|invalid| vec![format!("'{topic}': {invalid}")])?;
    let bytes = Disk::here()
        .read_up_to(file, auth::FILE_MAX)
        .map_err(|what| vec![format!("{file}: cannot read it: {what}")])?;
    let (acl, notes) = Acl::parse(file, &bytes, 0)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let who = Identity {
        client_id: matches.opt_str("clientid").unwrap_or_default().into(),
        user_name: matches.opt_str("user").map(Into::into),
        peer: Peer::default(),
        certificate: None,
    };
    let Decision { is_allowed, line } = acl.decide(&who, what, topic);
    let may = if is_allowed { "allowed" } else { "denied" };
    let mut text = String::new();
    for note in notes {
        let _ = writeln!(text, "{note}");
    }
    let text = match line {
        0 => format!("{text}{may}: no line of {file} allows it\n"),
        line => format!("{text}{may} by {file}:{line}\n"),
    };
    Ok((text, is_allowed))
}

/// The options that belong to the question.
///
/// # Errors
/// If they are given without it.
pub fn check(matches: &Matches) -> Result<(), Usage> {
    let is_asked = matches.opt_present("test-acl");
    match ["user", "clientid"].into_iter().find(|name| matches.opt_present(name)) {
        Some(name) if !is_asked => {
            Err(Usage(format!("--{name} has a meaning with --test-acl only")))
        }
        Some(_) | None => Ok(()),
    }
}
