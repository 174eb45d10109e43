//! Values: from the text of a line to a setting, and back to words.
//!
//! Owns: [`Setting`], which every setting in reach of the option table is.
//!
//! Never knows which option it reads for.

use super::choice::Mode;
use super::options::{Kind, NONE};
use crate::network::Network;

/// Something an option decides.
pub(super) trait Setting {
    /// Takes a value, which lies within what `kind` allows. Notes are for the operator.
    ///
    /// # Errors
    /// What to do instead.
    fn read(&mut self, text: &str, kind: &Kind, notes: &mut Vec<String>) -> Result<(), String>;

    /// The value, in words.
    fn show(&self, kind: &Kind) -> String;

    /// Forgets the default before the first of several lines that add up.
    fn clear(&mut self) {}
}

/// `give` what is right.
pub(super) fn give(kind: &Kind) -> String {
    format!("give {}", kind.expected())
}

/// The one word of a value; what follows must be a comment.
pub(super) fn word(text: &str) -> Result<&str, String> {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(first)
    } else {
        Err(format!("remove '{}' behind the value", clipped(rest)))
    }
}

/// At most a line of it.
pub(super) fn clipped(text: &str) -> String {
    const MAX: usize = 60;
    let mut clipped: String = text.chars().take(MAX).collect();
    if clipped.len() < text.len() {
        clipped.push_str("...");
    }
    clipped
}

/// The value of a switch; other spellings than the four that mosquitto takes are noted.
pub(super) fn flag(text: &str, notes: &mut Vec<String>) -> Result<bool, String> {
    let word = word(text)?;
    match word {
        "true" | "1" => return Ok(true),
        "false" | "0" => return Ok(false),
        _ => {}
    }
    let is_on = ["true", "yes", "on"].iter().any(|on| word.eq_ignore_ascii_case(on));
    if !is_on && !["false", "no", "off"].iter().any(|off| word.eq_ignore_ascii_case(off)) {
        return Err(give(&Kind::Flag));
    }
    notes.push(format!("'{word}' is taken for {is_on}; write that"));
    Ok(is_on)
}

/// A number within the bounds of `kind`; 0 if it is no limit.
pub(super) fn number(text: &str, kind: &Kind) -> Result<u64, String> {
    let (Kind::Number { max, .. } | Kind::Limit { max, .. }) = kind else {
        return Err(give(kind));
    };
    let (min, is_limit) =
        if let Kind::Number { min, .. } = kind { (*min, false) } else { (0, true) };
    let word = word(text)?;
    let digits = word.strip_prefix('-').unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(give(kind));
    }
    if digits.len() < word.len() {
        return if is_limit { Ok(0) } else { Err(give(kind)) };
    }
    let number = digits.parse().ok().filter(|number| (min..=*max).contains(number));
    number.ok_or_else(|| give(kind))
}

/// A number and a unit, in seconds.
fn period(text: &str) -> Result<u64, String> {
    let word = word(text)?;
    let unit = word.chars().next_back();
    let seconds = match unit {
        Some('s') => 1,
        Some('h') => 3600,
        Some('d') => DAY,
        Some('w') => 7 * DAY,
        Some('m') => 30 * DAY,
        Some('y') => 365 * DAY,
        _ => return Err(give(&Kind::Period)),
    };
    let count = &word[..word.len() - 1];
    let is_number = count.bytes().all(|byte| byte.is_ascii_digit());
    let count = count.parse::<u64>().ok().filter(|count| is_number && *count > 0);
    count.and_then(|count| count.checked_mul(seconds)).ok_or_else(|| give(&Kind::Period))
}

const DAY: u64 = 24 * 3600;

/// Whether a value could be one of `kind`, where no setting is there to take it.
pub(super) fn check(text: &str, kind: &Kind, notes: &mut Vec<String>) -> Result<(), String> {
    match kind {
        Kind::Flag => flag(text, notes).map(drop),
        Kind::Number { .. } | Kind::Limit { .. } => number(text, kind).map(drop),
        Kind::Period => period(text).map(drop),
        Kind::Word(known) if known.contains(&word(text)?) => Ok(()),
        Kind::Words(known) if words(text).all(|word| known.contains(&word)) => Ok(()),
        Kind::Word(_) | Kind::Words(_) => Err(give(kind)),
        Kind::Text | Kind::Path | Kind::Prefix | Kind::Mode | Kind::Own(_) => Ok(()),
    }
}

/// Whether `text` says what holds anyway.
pub(super) fn is_default(text: &str, kind: &Kind, default: &str) -> bool {
    if default == NONE {
        return false;
    }
    let first = text.split(char::is_whitespace).next().unwrap_or_default();
    match kind {
        Kind::Flag => {
            let mut notes = Vec::new();
            flag(text, &mut notes).is_ok_and(|on| on.to_string() == default)
        }
        Kind::Limit { .. } if default == NO_LIMIT => number(text, kind) == Ok(0),
        Kind::Number { .. } | Kind::Mode | Kind::Word(_) => first == default,
        Kind::Period | Kind::Text | Kind::Path | Kind::Prefix | Kind::Words(_) | Kind::Own(_) => {
            text == default
        }
        Kind::Limit { .. } => first == default,
    }
}

/// What a limit shows that is none.
const NO_LIMIT: &str = "no limit";

/// Words with blanks or commas between them, up to a comment.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',');
    words.filter(|word| !word.is_empty()).take_while(|word| !word.starts_with('#'))
}

impl Setting for bool {
    fn read(&mut self, text: &str, _: &Kind, notes: &mut Vec<String>) -> Result<(), String> {
        *self = flag(text, notes)?;
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        self.to_string()
    }
}

impl Setting for Option<bool> {
    fn read(&mut self, text: &str, _: &Kind, notes: &mut Vec<String>) -> Result<(), String> {
        *self = Some(flag(text, notes)?);
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        self.map_or_else(|| NONE.into(), |on| on.to_string())
    }
}

macro_rules! number {
    ($($type:ty),+) => {$(
        impl Setting for $type {
            fn read(&mut self, text: &str, kind: &Kind, _: &mut Vec<String>) -> Result<(), String> {
                *self = number(text, kind)?.try_into().map_err(|_| give(kind))?;
                Ok(())
            }

            fn show(&self, kind: &Kind) -> String {
                match kind {
                    Kind::Limit { .. } if *self == 0 => NO_LIMIT.into(),
                    _ => self.to_string(),
                }
            }
        }
    )+};
}

number!(u16, u32);

/// Seconds, if it is a period; else a number.
impl Setting for u64 {
    fn read(&mut self, text: &str, kind: &Kind, _: &mut Vec<String>) -> Result<(), String> {
        *self = if *kind == Kind::Period { period(text)? } else { number(text, kind)? };
        Ok(())
    }

    fn show(&self, kind: &Kind) -> String {
        match (kind, *self) {
            (Kind::Period, 0) => "never".into(),
            (Kind::Period, seconds) if seconds % DAY == 0 => format!("{}d", seconds / DAY),
            (Kind::Period, seconds) => format!("{seconds}s"),
            (Kind::Limit { .. }, 0) => NO_LIMIT.into(),
            (_, number) => number.to_string(),
        }
    }
}

impl Setting for String {
    fn read(&mut self, text: &str, kind: &Kind, notes: &mut Vec<String>) -> Result<(), String> {
        if *kind == Kind::Prefix {
            check_prefix(text, kind, notes)?;
        }
        text.clone_into(self);
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        self.clone()
    }
}

/// Topics that belong to the broker or mean something else begin with one of these.
const RESERVED: [&str; 2] = ["$SYS", "$share"];

fn check_prefix(text: &str, kind: &Kind, notes: &mut Vec<String>) -> Result<(), String> {
    let is_reserved = RESERVED.iter().any(|own| text.starts_with(own) || own.starts_with(text));
    if text.contains(['+', '#']) || is_reserved {
        return Err(give(kind));
    }
    if !text.ends_with('/') {
        let note = "without a / at its end clients cannot subscribe to what begins with + or #";
        notes.push(format!("{note}; write '{text}/' if it is a level"));
    }
    Ok(())
}

impl Setting for Option<String> {
    fn read(&mut self, text: &str, kind: &Kind, notes: &mut Vec<String>) -> Result<(), String> {
        self.insert(String::new()).read(text, kind, notes)
    }

    fn show(&self, _: &Kind) -> String {
        self.clone().unwrap_or_else(|| NONE.into())
    }
}

impl Setting for Vec<String> {
    fn read(&mut self, text: &str, _: &Kind, _: &mut Vec<String>) -> Result<(), String> {
        self.push(text.into());
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        if self.is_empty() { NONE.into() } else { self.join(", ") }
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

impl Setting for Vec<Network> {
    fn read(&mut self, text: &str, _: &Kind, _: &mut Vec<String>) -> Result<(), String> {
        for word in words(text) {
            self.push(word.parse().map_err(|()| {
                "give an address, or the first address of a network and how many of its bits \
                 count, as in 10.0.0.0/8"
            })?);
        }
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        let all: Vec<String> = self.iter().map(Network::to_string).collect();
        if all.is_empty() { NONE.into() } else { all.join(", ") }
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

impl Setting for Mode {
    fn read(&mut self, text: &str, kind: &Kind, _: &mut Vec<String>) -> Result<(), String> {
        let word = word(text)?;
        let is_octal = word.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = u32::from_str_radix(word, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
        self.0 = mode.ok_or_else(|| give(kind))?;
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        format!("{:04o}", self.0)
    }
}
