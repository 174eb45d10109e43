//! `-F FORMAT`: how a message is written.
//!
//! ```text
//! %[-][0][width][.most]X   a thing of the message    @X   strftime(3)'s %X, @N nanoseconds
//! %%  @@  \\               themselves                \n   and the like: characters
//! ```
//!
//! Owns: the language of formats, which is mosquitto_sub's. It is parsed once, so that a mistake
//! is a usage error and not a surprise at the first message.
//!
//! Never prints.

use crate::cli::Usage;
use crate::codec::Publish;
use crate::stamp::{Stamp, TimeFormat};

use super::json;

/// A format that was understood.
#[derive(Clone, Debug)]
pub struct Format(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(Vec<u8>),
    Field(Field),
    Time(TimeFormat),
    Nanoseconds,
}

/// `%` and what follows.
#[derive(Clone, Debug, Default)]
struct Field {
    what: char,
    left: bool,
    zero: bool,
    width: usize,
    most: Option<usize>,
    /// Between groups of hexadecimal digits.
    separator: Option<char>,
}

/// `%J` of a payload that is not JSON: the message cannot be written so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;

impl Format {
    /// Understands `text`.
    ///
    /// # Errors
    /// [`Usage`] for a sequence that means nothing.
    pub fn parse(text: &str) -> Result<Self, Usage> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let piece = match c {
                '%' => match Field::parse(&mut chars)? {
                    Field { what: '%', .. } => None,
                    field => Some(Piece::Field(field)),
                },
                '@' => match chars.next() {
                    Some('@') => None,
                    Some('N') => Some(Piece::Nanoseconds),
                    other => Some(Piece::Time(time_format(other)?)),
                },
                '\\' => {
                    literal.push(escape(chars.next())?);
                    continue;
                }
                _ => {
                    literal.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            match piece {
                None => literal.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                Some(piece) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    pieces.push(piece);
                }
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self(pieces))
    }

    /// Appends `message`, which arrived at `stamp`, to `out`.
    ///
    /// # Errors
    /// [`NotJson`] for `%J`; `out` then holds what came before.
    pub fn write(&self, message: &Publish, stamp: Stamp, out: &mut Vec<u8>) -> Result<(), NotJson> {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Field(field) => field.write(message, stamp, out)?,
                Piece::Time(format) => out.extend_from_slice(stamp.format(format).as_bytes()),
                Piece::Nanoseconds => out.extend_from_slice(stamp.nanos().to_string().as_bytes()),
            }
        }
        Ok(())
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

impl Field {
    fn parse(chars: &mut Chars<'_>) -> Result<Self, Usage> {
        let mut field = Self::default();
        while let Some(flag) = chars.next_if(|&c| c == '-' || c == '0') {
            field.left |= flag == '-';
            field.zero |= flag == '0';
        }
        field.width = number(chars)?.unwrap_or(0);
        if chars.next_if_eq(&'.').is_some() {
            field.most = Some(number(chars)?.unwrap_or(0));
            field.separator = chars.next_if(|c| !c.is_alphanumeric() && *c != '%');
        }
        field.what = chars.next().unwrap_or('\0');
        let is_hexadecimal = matches!(field.what, 'x' | 'X');
        if !FIELDS.contains(field.what) || field.separator.is_some() && !is_hexadecimal {
            let what = match field.what {
                '\0' => "a single % at the end".to_owned(),
                other => format!("%{other}"),
            };
            return Err(Usage(format!("-F: {what} means nothing; there are {}", list())));
        }
        Ok(field)
    }

    fn write(&self, message: &Publish, stamp: Stamp, out: &mut Vec<u8>) -> Result<(), NotJson> {
        let properties = &message.properties;
        match self.what {
            'A' => self.number(properties.topic_alias, out),
            'C' => self.text(properties.content_type.as_deref().unwrap_or_default(), out),
            'D' => {
                out.extend_from_slice(properties.correlation_data.as_deref().unwrap_or_default())
            }
            'E' => self.number(properties.message_expiry_interval, out),
            'F' => self.number(properties.payload_format_indicator, out),
            'I' => self.text(&stamp.iso(), out),
            'J' => {
                let text = json::embedded(message, stamp).map_err(|_| NotJson)?;
                out.extend_from_slice(text.as_bytes());
            }
            'j' => out.extend_from_slice(json::quoted(message, stamp).as_bytes()),
            'l' => self.number(Some(message.payload.len()), out),
            'm' => self.number(Some(message.packet_id.map_or(0, |id| id.get())), out),
            'P' => {
                let pairs: Vec<_> =
                    properties.user_properties.iter().map(|(k, v)| format!("{k}:{v}")).collect();
                out.extend_from_slice(pairs.join(" ").as_bytes());
            }
            'p' => self.pad(&message.payload, message.payload.len(), b' ', out),
            'q' => out.extend_from_slice(message.qos.bits().to_string().as_bytes()),
            'R' => self.text(properties.response_topic.as_deref().unwrap_or_default(), out),
            'r' => out.push(if message.retain { b'1' } else { b'0' }),
            'S' => {
                let ids: Vec<_> =
                    properties.subscription_identifiers.iter().map(u32::to_string).collect();
                let text = ids.join(" ");
                self.pad(text.as_bytes(), text.len(), self.fill(), out);
            }
            't' => self.text(&message.topic, out),
            'U' => out.extend_from_slice(stamp.unix().as_bytes()),
            'X' | 'x' => {
                let text = self.hexadecimal(&message.payload);
                self.pad(text.as_bytes(), text.chars().count(), self.fill(), out);
            }
            _ => {} // not in FIELDS
        }
        Ok(())
    }

    fn hexadecimal(&self, payload: &[u8]) -> String {
        let mut text = String::with_capacity(payload.len() * 2);
        for (at, byte) in payload.iter().enumerate() {
            if at > 0 && self.most.is_some_and(|most| most > 0 && at % most == 0) {
                text.push(self.separator.unwrap_or(' '));
            }
            text += &if self.what == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") };
        }
        text
    }

    fn number<N: ToString>(&self, number: Option<N>, out: &mut Vec<u8>) {
        let text = number.map(|number| number.to_string()).unwrap_or_default();
        self.pad(text.as_bytes(), text.len(), self.fill(), out);
    }

    /// Text may be cut.
    fn text(&self, text: &str, out: &mut Vec<u8>) {
        let most = self.most.unwrap_or(usize::MAX);
        let end = text.char_indices().nth(most).map_or(text.len(), |(end, _)| end);
        let text = &text[..end];
        self.pad(text.as_bytes(), text.chars().count(), b' ', out);
    }

    const fn fill(&self) -> u8 {
        if self.zero && !self.left { b'0' } else { b' ' }
    }

    /// `len` is what `bytes` measure on a screen.
    fn pad(&self, bytes: &[u8], len: usize, fill: u8, out: &mut Vec<u8>) {
        let missing = self.width.saturating_sub(len);
        if !self.left {
            out.resize(out.len() + missing, fill);
        }
        out.extend_from_slice(bytes);
        if self.left {
            out.resize(out.len() + missing, b' ');
        }
    }
}

fn number(chars: &mut Chars<'_>) -> Result<Option<usize>, Usage> {
    let mut number = None;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        chars.next();
        number = Some(number.unwrap_or(0) * 10 + digit as usize);
        if number > Some(WIDTH_MAX) {
            return Err(Usage(format!("-F: a width is at most {WIDTH_MAX}")));
        }
    }
    Ok(number)
}

fn escape(c: Option<char>) -> Result<u8, Usage> {
    match c {
        Some('\\') => Ok(b'\\'),
        Some('0') => Ok(0),
        Some('a') => Ok(7),
        Some('e') => Ok(27),
        Some('n') => Ok(b'\n'),
        Some('r') => Ok(b'\r'),
        Some('t') => Ok(b'\t'),
        Some('v') => Ok(11),
        other => {
            let other = other.map(String::from).unwrap_or_default();
            Err(Usage(format!(r"-F: \{other} means nothing; there are \\ \0 \a \e \n \r \t \v")))
        }
    }
}

fn time_format(c: Option<char>) -> Result<TimeFormat, Usage> {
    let text = c.map(|c| format!("%{c}")).unwrap_or_default();
    let wrong = || {
        let c = c.map(String::from).unwrap_or_default();
        Usage(format!("-F: @{c} means nothing; @ and a letter of strftime(3), @N or @@"))
    };
    if text.is_empty() {
        return Err(wrong());
    }
    TimeFormat::parse(&text).ok_or_else(wrong)
}

fn list() -> String {
    FIELDS.chars().map(|c| format!("%{c}")).collect::<Vec<_>>().join(" ")
}

/// What may follow `%`.
const FIELDS: &str = "%ACDEFIJPRSUXjlmpqrtx";

/// No field is wider.
const WIDTH_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::PacketId;
    use bytes::Bytes;

    fn message() -> Publish {
        let mut publish = Publish::new("kitchen/t", "a\"\u{1}\u{fc}")
            .at_least_once(PacketId::new(7).unwrap())
            .retain(true);
        publish.properties.content_type = Some("text/plain".into());
        publish.properties.correlation_data = Some(Bytes::from_static(&[0, 255]));
        publish.properties.message_expiry_interval = Some(60);
        publish.properties.user_properties =
            vec![("a".into(), "b".into()), ("a".into(), "c d".into())];
        publish.properties.subscription_identifiers = vec![3, 4];
        publish
    }

    fn written(format: &str, message: &Publish) -> String {
        let mut out = Vec::new();
        let stamp = Stamp::at(1_470_818_943, 786_368_637);
        Format::parse(format).unwrap().write(message, stamp, &mut out).unwrap();
        String::from_utf8_lossy(&out).into_owned()
    }

    fn wrong(format: &str) -> String {
        Format::parse(format).unwrap_err().0
    }

    #[test]
    fn fields_are_those_of_the_message() {
        let message = message();
        assert_eq!(written("%t|%q|%r|%m|%l", &message), "kitchen/t|1|1|7|5");
        assert_eq!(written("%p", &message), "a\"\u{1}\u{fc}");
        assert_eq!(written("%x %X", &message), "612201c3bc 612201C3BC");
        assert_eq!(written("%C|%E|%P|%S|%A|%R|%F", &message), "text/plain|60|a:b a:c d|3 4|||");
        assert_eq!(written("%%@@\\\\\\t", &message), "%@\\\t");
    }

    #[test]
    fn binary_stays_binary() {
        let mut message = message();
        message.payload = Bytes::from_static(&[0, 255, 10]);
        let mut out = Vec::new();
        Format::parse("%p%D\\0").unwrap().write(&message, Stamp::at(0, 0), &mut out).unwrap();
        assert_eq!(out, [0, 255, 10, 0, 255, 0]);
    }

    #[test]
    fn widths_pad_and_cut() {
        let message = message();
        assert_eq!(
            written("%12t|%-12t|%.4t|%6.4t", &message),
            "   kitchen/t|kitchen/t   |kitc|  kitc"
        );
        assert_eq!(written("%05l|%-5l|%5l|%-05l", &message), "00005|5    |    5|5    ");
        assert_eq!(written("%.1x|%.2:x", &message), "61 22 01 c3 bc|6122:01c3:bc");
    }

    #[test]
    fn times_are_written() {
        let message = message();
        assert_eq!(written("%I", &message), "2016-08-10T08:49:03+0000");
        assert_eq!(written("%U", &message), "1470818943.786368637");
        assert_eq!(written("@Y-@m-@d @H:@M:@S.@N", &message), "2016-08-10 08:49:03.786368637");
    }

    #[test]
    fn json_escapes_and_embeds() {
        let mut message = message();
        assert_eq!(
            written("%j", &message),
            "{\"tst\":\"2016-08-10T08:49:03.786368+0000\",\"topic\":\"kitchen/t\",\"qos\":1,\
             \"retain\":1,\"payloadlen\":5,\"mid\":7,\"properties\":{\"user-properties\":\
             {\"a\":\"b\",\"a\":\"c d\"},\"content-type\":\"text/plain\",\"correlation-data\":\
             \"\\u0000\u{fffd}\",\"message-expiry-interval\":60,\"subscription-identifier\":[3,4]},\
             \"payload\":\"a\\\"\\u0001\u{fc}\"}"
        );
        let mut out = Vec::new();
        let embedded = Format::parse("%J").unwrap();
        assert_eq!(embedded.write(&message, Stamp::at(0, 0), &mut out), Err(NotJson));
        message = Publish::new("t", " {\"n\": 1.10} ");
        assert_eq!(
            written("%J", &message),
            "{\"tst\":\"2016-08-10T08:49:03.786368+0000\",\"topic\":\"t\",\"qos\":0,\"retain\":0,\
             \"payloadlen\":13,\"payload\":{\"n\": 1.10}}"
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert!(wrong("%z").starts_with("-F: %z means nothing; there are %% %A"));
        assert!(wrong("%").contains("single %"));
        assert!(wrong("\\q").contains(r"\q means nothing"));
        assert!(wrong("@").contains("strftime"));
        assert!(wrong("%99999t").contains("at most"));
    }
}
