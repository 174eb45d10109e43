//! `-D COMMAND NAME VALUE`: MQTT 5 properties from the command line.
//!
//! Owns: which command takes which property, and their ranges. `user-property` takes a name and a
//! value of its own, so one more argument.
//!
//! Never checks them against the server.

use bytes::Bytes;

use crate::cli::Usage;
use crate::codec::{ConnectProperties, PublishProperties, UserProperty};

/// The properties of every packet a program sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Of CONNECT.
    pub connect: ConnectProperties,
    /// Of each PUBLISH.
    pub publish: PublishProperties,
    /// Of the Will.
    pub will: PublishProperties,
    /// Seconds the Will is delayed.
    pub will_delay_interval: Option<u32>,
    /// Of SUBSCRIBE.
    pub subscription_identifier: Option<u32>,
    /// Of SUBSCRIBE.
    pub subscribe: Vec<UserProperty>,
    /// Of UNSUBSCRIBE.
    pub unsubscribe: Vec<UserProperty>,
    /// Of DISCONNECT.
    pub disconnect: Vec<UserProperty>,
    /// Of DISCONNECT.
    pub disconnect_expiry_interval: Option<u32>,
}

impl Properties {
    /// How many arguments follow `-D COMMAND`, the name of the property included.
    #[must_use]
    pub fn arguments(name: &str) -> usize {
        if name == "user-property" { 3 } else { 2 }
    }

    /// Sets the property `name` of `command`.
    ///
    /// # Errors
    /// [`Usage`] if the command is unknown, does not take the property, or the value does not fit.
    pub fn set(&mut self, command: &str, name: &str, values: &[String]) -> Result<(), Usage> {
        let place = Place { command, name };
        match command.to_ascii_lowercase().as_str() {
            "connect" => self.set_connect(place, values),
            "publish" => match name {
                "topic-alias" => {
                    place.number(values, 1).map(|alias| self.publish.topic_alias = Some(alias))
                }
                _ => set_message(&mut self.publish, place, values),
            },
            "will" => match name {
                "will-delay-interval" => {
                    place.number(values, 0).map(|delay| self.will_delay_interval = Some(delay))
                }
                _ => set_message(&mut self.will, place, values),
            },
            "subscribe" => match name {
                "subscription-identifier" => {
                    let id = place.number(values, 1)?;
                    if id > VARINT_MAX {
                        return Err(place.wrong("a number from 1 to 268435455"));
                    }
                    self.subscription_identifier = Some(id);
                    Ok(())
                }
                "user-property" => place.pair(values).map(|pair| self.subscribe.push(pair)),
                _ => Err(place.unknown()),
            },
            "unsubscribe" => match name {
                "user-property" => place.pair(values).map(|pair| self.unsubscribe.push(pair)),
                _ => Err(place.unknown()),
            },
            "disconnect" => match name {
                "session-expiry-interval" => {
                    place.number(values, 0).map(|secs| self.disconnect_expiry_interval = Some(secs))
                }
                "user-property" => place.pair(values).map(|pair| self.disconnect.push(pair)),
                _ => Err(place.unknown()),
            },
            _ => Err(Usage(format!(
                "-D {command}: give connect, publish, will, subscribe, unsubscribe or disconnect"
            ))),
        }
    }

    fn set_connect(&mut self, place: Place<'_>, values: &[String]) -> Result<(), Usage> {
        let connect = &mut self.connect;
        match place.name {
            "session-expiry-interval" => {
                connect.session_expiry_interval = Some(place.number(values, 0)?);
            }
            "receive-maximum" => connect.receive_maximum = Some(place.number(values, 1)?),
            "maximum-packet-size" => connect.maximum_packet_size = Some(place.number(values, 1)?),
            "topic-alias-maximum" => connect.topic_alias_maximum = Some(place.number(values, 0)?),
            "request-response-information" => {
                connect.request_response_information = Some(place.switch(values)?);
            }
            "request-problem-information" => {
                connect.request_problem_information = Some(place.switch(values)?);
            }
            "authentication-method" => {
                connect.authentication_method = Some(place.text(values)?);
            }
            "authentication-data" => {
                connect.authentication_data = Some(Bytes::from(place.text(values)?));
            }
            "user-property" => connect.user_properties.push(place.pair(values)?),
            _ => return Err(place.unknown()),
        }
        Ok(())
    }
}

fn set_message(
    to: &mut PublishProperties,
    place: Place<'_>,
    values: &[String],
) -> Result<(), Usage> {
    match place.name {
        "payload-format-indicator" => {
            to.payload_format_indicator = Some(u8::from(place.switch(values)?));
        }
        "message-expiry-interval" => {
            to.message_expiry_interval = Some(place.number(values, 0)?);
        }
        "content-type" => to.content_type = Some(place.text(values)?),
        "response-topic" => to.response_topic = Some(place.text(values)?),
        "correlation-data" => to.correlation_data = Some(Bytes::from(place.text(values)?)),
        "user-property" => to.user_properties.push(place.pair(values)?),
        _ => return Err(place.unknown()),
    }
    Ok(())
}

/// What a complaint names.
#[derive(Clone, Copy)]
struct Place<'a> {
    command: &'a str,
    name: &'a str,
}

impl Place<'_> {
    fn text(self, values: &[String]) -> Result<String, Usage> {
        values.first().cloned().ok_or_else(|| self.wrong("a value"))
    }

    fn pair(self, values: &[String]) -> Result<UserProperty, Usage> {
        match values {
            [name, value] => Ok((name.clone(), value.clone())),
            _ => Err(self.wrong("a name and a value")),
        }
    }

    fn number<N: TryFrom<u32>>(self, values: &[String], least: u32) -> Result<N, Usage> {
        let number = self.text(values)?.parse::<u32>().ok().filter(|&number| number >= least);
        number.and_then(|number| N::try_from(number).ok()).ok_or_else(|| {
            let most = if size_of::<N>() == 2 { u32::from(u16::MAX) } else { u32::MAX };
            self.wrong(&format!("a number from {least} to {most}"))
        })
    }

    fn switch(self, values: &[String]) -> Result<bool, Usage> {
        match self.text(values)?.as_str() {
            "0" => Ok(false),
            "1" => Ok(true),
            _ => Err(self.wrong("0 or 1")),
        }
    }

    fn wrong(self, expected: &str) -> Usage {
        Usage(format!("-D {} {}: give {expected}", self.command, self.name))
    }

    fn unknown(self) -> Usage {
        let Self { command, name } = self;
        Usage(format!("-D {command} {name}: {command} has no such property, see the manual"))
    }
}

const VARINT_MAX: u32 = 268_435_455;

#[cfg(test)]
mod tests {
    use super::*;

    fn set(properties: &mut Properties, words: &[&str]) -> Result<(), Usage> {
        let values: Vec<_> = words[2..].iter().map(|&word| word.to_owned()).collect();
        properties.set(words[0], words[1], &values)
    }

    #[test]
    fn properties_go_to_their_packets() {
        let mut properties = Properties::default();
        for words in [
            &["connect", "receive-maximum", "3"][..],
            &["publish", "content-type", "text/plain"],
            &["publish", "user-property", "a", "b"],
            &["publish", "user-property", "a", "c"],
            &["publish", "topic-alias", "4"],
            &["will", "will-delay-interval", "5"],
            &["will", "response-topic", "r"],
            &["subscribe", "subscription-identifier", "6"],
            &["disconnect", "session-expiry-interval", "7"],
        ] {
            set(&mut properties, words).unwrap();
        }
        assert_eq!(properties.connect.receive_maximum, Some(3));
        assert_eq!(properties.publish.content_type.as_deref(), Some("text/plain"));
        assert_eq!(properties.publish.user_properties.len(), 2);
        assert_eq!(properties.publish.topic_alias, Some(4));
        assert_eq!(properties.will_delay_interval, Some(5));
        assert_eq!(properties.will.response_topic.as_deref(), Some("r"));
        assert_eq!(properties.subscription_identifier, Some(6));
        assert_eq!(properties.disconnect_expiry_interval, Some(7));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let wrong = |words: &[&str]| set(&mut Properties::default(), words).unwrap_err().0;
        assert_eq!(
            wrong(&["connect", "receive-maximum", "0"]),
            "-D connect receive-maximum: give a number from 1 to 65535"
        );
        assert!(wrong(&["connect", "receive-maximum", "65536"]).contains("65535"));
        assert!(wrong(&["connect", "topic-alias", "1"]).contains("no such property"));
        assert!(wrong(&["publish", "will-delay-interval", "1"]).contains("no such property"));
        assert!(wrong(&["pubish", "content-type", "x"]).contains("give connect, publish"));
        assert!(wrong(&["publish", "payload-format-indicator", "2"]).contains("0 or 1"));
    }
}
