//! A configuration in words.
//!
//! Owns: the text of `--test-config` and the lines that say what a reload changes. Both walk the
//! option table, so that no setting is forgotten.
//!
//! Never judges.

use core::net::IpAddr;
use std::fmt::Write as _;

use super::choice::Address;
use super::options::{self, Entry, GROUPS, Mark, Place};
use super::settings::{Config, Listener};
use crate::session::CertificateName;

/// The policy of a configuration: each listener, who may connect, which limits; then the rest.
#[must_use]
pub fn policy(config: &Config) -> String {
    let mut text = String::new();
    for listener in &config.listeners {
        let _ = writeln!(text, "{}", head(listener));
        let _ = writeln!(text, "  {}", who(listener));
        for entry in options::all() {
            if let Some(value) = of_listener(entry, listener) {
                line(&mut text, entry, &value);
            }
        }
        text.push('\n');
    }
    for (title, entries) in GROUPS {
        let mut lines = String::new();
        for entry in *entries {
            if let Some(value) = of_broker(entry, config) {
                line(&mut lines, entry, &value);
            }
        }
        if !lines.is_empty() {
            let _ = writeln!(text, "{}\n{lines}", sentence(title));
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// What is different in `new`, a line for each item; empty if nothing is.
#[must_use]
pub fn differences(old: &Config, new: &Config) -> Vec<String> {
    let mut all = Vec::new();
    let before: Vec<&Listener> = old.listeners.iter().collect();
    let matched = Listener::matched(&before, &new.listeners);
    for (number, listener) in before.iter().enumerate() {
        if !matched.contains(&Some(number)) {
            all.push(format!("listener closes: {}", listener.address));
        }
    }
    for (listener, before) in new.listeners.iter().zip(matched) {
        let Some(before) = before.map(|number| &old.listeners[number]) else {
            all.push(format!("listener opens: {}", listener.address));
            continue;
        };
        for entry in options::all() {
            let values = (of_listener(entry, before), of_listener(entry, listener));
            if let (Some(before), Some(now)) = values
                && before != now
            {
                all.push(format!("{}: {} was {before}, is {now}", listener.address, entry.name));
            }
        }
    }
    for entry in options::all() {
        if let (Some(before), Some(now)) = (of_broker(entry, old), of_broker(entry, new))
            && before != now
        {
            let when = if entry.at_start { ", from the next start on" } else { "" };
            all.push(format!("{} was {before}, is {now}{when}", entry.name));
        }
    }
    all
}

fn head(listener: &Listener) -> String {
    let mut head = format!("Listener on {}", listener.address);
    if !listener.origin.is_empty() {
        let _ = write!(head, " ({})", listener.origin);
    }
    head
}

/// Who may connect.
fn who(listener: &Listener) -> String {
    let from = match &listener.address {
        Address::Loopback { .. } => "on this machine",
        Address::Host { host, .. } if is_local(host) => "on this machine",
        Address::Unix { .. } => "who may open the socket",
        Address::Any { .. } | Address::Host { .. } => "who can reach it",
    };
    let how = if listener.certfile.is_some() { "everything" } else { "nothing" };
    if let Some(name) = listener.certificate_name() {
        let what = match name {
            CertificateName::CommonName => "common name",
            CertificateName::Subject => "subject",
            CertificateName::Dns => "first DNS name",
            CertificateName::Uri => "first URI",
            CertificateName::Email => "first mail address",
            CertificateName::Fingerprint => "fingerprint",
        };
        let whose =
            if listener.asks_for_certificates() { "" } else { " that a proxy has verified" };
        return format!(
            "Everybody {from} may connect with a certificate{whose}, whose {what} is the user \
             name; passwords do not count; {how} is encrypted."
        );
    }
    match (&listener.password_file, listener.allow_anonymous) {
        (None, true) => {
            format!("Everybody {from} may connect, with any user name or none; {how} is encrypted.")
        }
        (None, false) => {
            "Nobody may connect: allow_anonymous is false, and there is no other way in.".into()
        }
        (Some(path), true) => format!(
            "Everybody {from} may connect without a user name, and users of {path} with their \
             passwords; {how} is encrypted."
        ),
        (Some(path), false) => {
            format!("Users of {path} {from} may connect with their passwords; {how} is encrypted.")
        }
    }
}

/// Whether a host is this machine, seen from itself.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What an option says of a listener, if it works.
fn of_listener(entry: &Entry, listener: &Listener) -> Option<String> {
    let counts =
        entry.mark == Mark::Works && entry.replaces.is_empty() && entry.fits(&listener.address);
    match entry.place {
        Place::Listener(access) if counts => Some(entry.shown((access.get)(listener))),
        Place::Listener(_) | Place::Broker(_) | Place::Nowhere => None,
    }
}

/// What an option says of the broker, if it works.
fn of_broker(entry: &Entry, config: &Config) -> Option<String> {
    match entry.place {
        Place::Broker(access) if entry.mark == Mark::Works => {
            Some(entry.shown((access.get)(config)))
        }
        Place::Broker(_) | Place::Listener(_) | Place::Nowhere => None,
    }
}

fn line(text: &mut String, entry: &Entry, value: &str) {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let unit = if is_number { entry.kind.unit() } else { "" };
    let value = format!("{value} {unit}");
    let _ = writeln!(text, "  {}: {} ({})", entry.says, value.trim_end(), entry.name);
}

/// `THE FILE` as `The file`.
fn sentence(title: &str) -> String {
    let (first, rest) = title.split_at(1);
    first.to_owned() + &rest.to_ascii_lowercase()
}
