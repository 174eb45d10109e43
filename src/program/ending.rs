//! What the end of a connection means for a program.
//!
//! Owns: the sentences that say it, with what to do about it, and which ends are worth another
//! attempt.
//!
//! Never retries by itself.

use crate::client::Ending;
use crate::codec::{ReasonCode, Version};

use super::{Failure, PROTOCOL, Settings, UNREACHABLE};

/// Whether the next connection may fare better.
pub(super) fn is_passing(ending: &Ending) -> bool {
    match ending {
        Ending::Closed | Ending::Silent => true,
        Ending::Refused(reason, _) => is_passing_reason(*reason),
        Ending::Disconnected(disconnect) => is_passing_reason(disconnect.reason),
        Ending::Left | Ending::Broken(..) | Ending::Garbled(_) => false,
    }
}

fn is_passing_reason(reason: ReasonCode) -> bool {
    [
        ReasonCode::NORMAL_DISCONNECTION,
        ReasonCode::SERVER_UNAVAILABLE,
        ReasonCode::SERVER_BUSY,
        ReasonCode::SERVER_SHUTTING_DOWN,
        ReasonCode::KEEP_ALIVE_TIMEOUT,
        ReasonCode::CONNECTION_RATE_EXCEEDED,
        ReasonCode::MAXIMUM_CONNECT_TIME,
    ]
    .contains(&reason)
}

/// The end of the program.
pub(super) fn failure(settings: &Settings, ending: &Ending) -> Failure {
    let what = describe(settings, ending);
    match ending {
        Ending::Refused(reason, _) => Failure::refusal(settings.version(), *reason, what),
        Ending::Disconnected(disconnect) => {
            // A normal end is none that a program wants to hear of before its own.
            let code = disconnect.reason.value();
            Failure::new(if code == 0 { UNREACHABLE } else { code }, what)
        }
        Ending::Left | Ending::Closed | Ending::Silent => Failure::new(UNREACHABLE, what),
        Ending::Broken(..) | Ending::Garbled(_) => Failure::new(PROTOCOL, what),
    }
}

/// One line without a full stop.
pub(super) fn describe(settings: &Settings, ending: &Ending) -> String {
    let server = &settings.server;
    match ending {
        Ending::Left => "left".into(),
        Ending::Refused(reason, text) => {
            let code = match settings.version() {
                Version::V31 | Version::V311 => reason.return_code(),
                Version::V5 => reason.value(),
            };
            let text = text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            let name = reason.name();
            let advice = advice(*reason);
            format!("{server} refused the connection with code {code}: {name}{text}{advice}")
        }
        Ending::Disconnected(disconnect) => {
            let text = disconnect.reason_string.as_ref();
            let text = text.map(|text| format!(": {text}")).unwrap_or_default();
            let (code, name) = (disconnect.reason.value(), disconnect.reason.name());
            let advice = advice(disconnect.reason);
            format!("{server} ended the connection with code {code}: {name}{text}{advice}")
        }
        Ending::Closed => format!("{server} closed the connection"),
        Ending::Silent => format!("{server} does not answer"),
        Ending::Broken(_, what) => format!("{server} sent {what}; is it an MQTT server?"),
        Ending::Garbled(error) => format!("{server}: {error}; is it an MQTT server?"),
    }
}

/// What a person may do about it.
fn advice(reason: ReasonCode) -> &'static str {
    match reason {
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => "; -V chooses another version",
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => "; -i gives another client id",
        ReasonCode::BAD_USER_NAME_OR_PASSWORD => "; check -u and -P",
        ReasonCode::NOT_AUTHORIZED => "; -u and -P say who you are",
        ReasonCode::SESSION_TAKEN_OVER => "; another client uses the same id, -i gives another",
        ReasonCode::PACKET_TOO_LARGE => "; the message is larger than the server takes",
        _ => "",
    }
}
