//! Lines to listeners.
//!
//! Owns: which listeners there are, and what holds for each: first what the file says of all of
//! them, then what it says of the one.
//!
//! Never opens a socket.

use super::address::{Fallback, PORT, listener_address};
use super::build::{Builder, apply, is_idle, opens, place};
use super::choice::Address;
use super::choice::ProxyHeader;
use super::options::{Place, Scope};
use super::parse::At;
use super::report::Report;
use super::settings::Listener;
use super::value;

impl Builder<'_> {
    /// Every listener with all that holds for it.
    pub(super) fn listeners(&self, fallback: &Fallback, report: &mut Report) -> Vec<Listener> {
        let mut drafts: Vec<Draft> = self.first_listener(fallback, report).into_iter().collect();
        for line in self.raw.lines.iter().filter(|line| line.entry.name == "listener") {
            if drafts.len() >= LISTENERS_MAX {
                report.error(self.raw, line.at, "there are too many listeners; remove some");
                return Vec::new();
            }
            // What cannot be read has been told.
            let Ok(address) = listener_address(&line.value) else { continue };
            drafts.push(Draft { section: line.section, at: line.at, address });
        }
        self.check_addresses(&drafts, report);
        self.tell_stray(&drafts, report);
        let mut listeners: Vec<(usize, Listener)> = if self.names_no_listener {
            fallback.listeners().map(|listener| (0, listener)).collect()
        } else {
            let listener = |draft: &Draft| {
                let origin = place(self.raw, draft.at);
                Listener { origin, ..Listener::new(draft.address.clone()) }
            };
            drafts.iter().map(|draft| (draft.section, listener(draft))).collect()
        };
        for (section, listener) in &mut listeners {
            self.furnish(listener, *section);
        }
        for (draft, (_, listener)) in drafts.iter().zip(&listeners) {
            let is_closed = !listener.allow_anonymous
                && listener.password_file.is_none()
                && listener.certificate_name().is_none();
            if is_closed {
                let what = "nobody can connect to this listener; name a password_file, or write \
                            'allow_anonymous true' to let in everybody who can reach it";
                report.warn(self.raw, draft.at, what);
            }
            if listener.enable_proxy_protocol != ProxyHeader::None
                && listener.proxy_trusted_networks.is_empty()
            {
                let also = match listener.certificate_name() {
                    Some(_) if !listener.asks_for_certificates() => " and so to be any user",
                    Some(_) | None => "",
                };
                let what = format!(
                    "everybody who can reach this listener can claim to be anybody's proxy{also}; \
                     name yours with proxy_trusted_networks"
                );
                report.warn(self.raw, draft.at, &what);
            }
        }
        self.check_names(&listeners, report);
        self.tell_unfit(&listeners, report);
        listeners.into_iter().map(|(_, listener)| listener).collect()
    }

    /// Tells what was said of a listener that means nothing for it.
    fn tell_unfit(&self, listeners: &[(usize, Listener)], report: &mut Report) {
        for (section, listener) in listeners {
            let of_it = self.groups().filter(|(first, _)| self.home(first) == *section);
            for (first, _) in of_it.filter(|(first, _)| !first.entry.fits(&listener.address)) {
                let what = format!("{} means nothing for {}", first.name, listener.address);
                report.warn(self.raw, first.at, &what);
            }
        }
    }

    /// The one of `port` and `bind_address`, which any option of listeners above all `listener`
    /// lines opens too.
    fn first_listener(&self, fallback: &Fallback, report: &mut Report) -> Option<Draft> {
        let above = self.raw.lines.iter().filter(|line| line.section == 0);
        let mut opening = above.filter(|line| opens(line));
        let first = opening.next()?;
        let last = |name| self.raw.lines.iter().rev().find(|line| line.entry.name == name);
        let port = last("port").and_then(|line| value::word(&line.value).ok()?.parse().ok());
        let host = last("bind_address").and_then(|line| value::word(&line.value).ok());
        if last("port").is_none() && host.is_none() {
            let port = fallback.port.unwrap_or(PORT);
            let what = format!(
                "{} stands above all 'listener' lines, so it opens one more listener on port \
                 {port}; write 'listener {port}' above it, or move it below the listener it is for",
                first.name
            );
            report.warn(self.raw, first.at, &what);
        }
        let port = port.or(fallback.port).unwrap_or(PORT);
        let address = match host {
            Some(host) => Address::Host { host: host.into(), port },
            None => Address::Any { port },
        };
        Some(Draft { section: 0, at: first.at, address })
    }

    /// Tells what was said of security where it counts for nobody.
    fn tell_stray(&self, drafts: &[Draft], report: &mut Report) {
        let holds_above = self.names_no_listener || drafts.iter().any(|draft| draft.section == 0);
        if !self.per_listener || holds_above {
            return;
        }
        let above = self.raw.lines.iter().filter(|line| line.section == 0);
        for line in above.filter(|line| line.entry.scope == Scope::Security) {
            let what = format!(
                "{} counts for no listener, since per_listener_settings is true; move it below \
                 the 'listener' line it is for",
                line.name
            );
            if line.entry.default == "true" && !is_idle(line) {
                report.error(self.raw, line.at, &what);
            } else {
                report.warn(self.raw, line.at, &what);
            }
        }
    }

    /// Gives a listener what the file says of all and of it.
    fn furnish(&self, listener: &mut Listener, section: usize) {
        for is_own in [false, true] {
            for (first, lines) in self.groups() {
                let Place::Listener(access) = first.entry.place else { continue };
                let is_shared = first.entry.scope == Scope::Security && !self.per_listener;
                // What an option says for one listener comes behind what it replaces.
                let is_last = !first.entry.replaces.is_empty();
                if (is_shared || self.home(first) == section) && is_last == is_own {
                    apply((access.get_mut)(listener), lines);
                }
            }
        }
    }

    fn check_addresses(&self, drafts: &[Draft], report: &mut Report) {
        for (number, draft) in drafts.iter().enumerate() {
            let mut before = drafts[..number].iter();
            let twin = before.find(|other| other.address == draft.address);
            if let Some(twin) = twin.filter(|_| !draft.address.is_any_port()) {
                let twin = place(self.raw, twin.at);
                let what = format!("the listener at {twin} has this address already; remove one");
                report.error(self.raw, draft.at, &what);
            }
        }
    }
}

/// A listener that is still bare.
struct Draft {
    section: usize,
    at: At,
    address: Address,
}

/// Listeners of one broker.
const LISTENERS_MAX: usize = 256;
