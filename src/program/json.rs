//! Messages as JSON, for `%j` and `%J`.
//!
//! Owns: the names and the order of the fields, which are those of mosquitto_sub. Strings are
//! escaped, and payloads checked, by serde_json; a payload that is not UTF-8 has its bad bytes
//! replaced, a JSON one is passed on as it is.
//!
//! Never parses a payload into values: numbers keep their digits.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::codec::{Publish, PublishProperties, QoS};

use crate::stamp::Stamp;

/// The payload is not valid JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotJson;

/// The message with its payload as a string.
pub(super) fn quoted(message: &Publish, stamp: Stamp) -> String {
    let payload = String::from_utf8_lossy(&message.payload);
    object(message, stamp, &string(&payload))
}

/// The message with its payload as the JSON value it is.
pub(super) fn embedded(message: &Publish, stamp: Stamp) -> Result<String, NotJson> {
    let value: &RawValue = serde_json::from_slice(&message.payload).map_err(|_| NotJson)?;
    Ok(object(message, stamp, value.get()))
}

fn object(message: &Publish, stamp: Stamp, payload: &str) -> String {
    let mut fields = Fields::default();
    fields.put("tst", &string(&stamp.iso_micros()));
    fields.put("topic", &string(&message.topic));
    fields.put("qos", &message.qos.bits().to_string());
    fields.put("retain", if message.retain { "1" } else { "0" });
    fields.put("payloadlen", &message.payload.len().to_string());
    if let Some(id) = message.packet_id
        && message.qos > QoS::AtMostOnce
    {
        fields.put("mid", &id.get().to_string());
    }
    if message.properties != PublishProperties::default() {
        fields.put("properties", &properties(&message.properties));
    }
    fields.put("payload", payload);
    fields.end()
}

fn properties(of: &PublishProperties) -> String {
    let mut fields = Fields::default();
    if !of.user_properties.is_empty() {
        let mut pairs = Fields::default();
        for (name, value) in &of.user_properties {
            pairs.put(name, &string(value));
        }
        fields.put("user-properties", &pairs.end());
    }
    if let Some(text) = &of.content_type {
        fields.put("content-type", &string(text));
    }
    if let Some(data) = &of.correlation_data {
        fields.put("correlation-data", &string(&String::from_utf8_lossy(data)));
    }
    if let Some(indicator) = of.payload_format_indicator {
        fields.put("payload-format-indicator", &indicator.to_string());
    }
    if let Some(topic) = &of.response_topic {
        fields.put("response-topic", &string(topic));
    }
    if let Some(secs) = of.message_expiry_interval {
        fields.put("message-expiry-interval", &secs.to_string());
    }
    if let Some(alias) = of.topic_alias {
        fields.put("topic-alias", &alias.to_string());
    }
    match &of.subscription_identifiers[..] {
        [] => {}
        [id] => fields.put("subscription-identifier", &id.to_string()),
        ids => {
            let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
            fields.put("subscription-identifier", &format!("[{}]", ids.join(",")));
        }
    }
    fields.end()
}

/// An object in the making.
#[derive(Default)]
struct Fields(String);

impl Fields {
    /// `value` is JSON already.
    fn put(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0 += &string(name);
        self.0.push(':');
        self.0 += value;
    }

    fn end(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}

fn string(text: &str) -> Cow<'static, str> {
    serde_json::to_string(text).map_or(Cow::Borrowed("\"\""), Cow::Owned)
}
