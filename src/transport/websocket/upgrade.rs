//! The handshake of a WebSocket from the server's end: a request, and what answers it.
//!
//! Owns: the head of the request until all of it is there, what makes it a good one (RFC 6455,
//! 4.2.1 and [MQTT-6.0.0-3]), and the answers, each with a line that says what to do.
//!
//! Never looks at the path: whatever page a browser asks for, MQTT is spoken here.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httparse::{Header, Status};
use sha1_smol::Sha1;

use super::super::fault::{self, Fault};
use super::super::settings::WebRules;

/// Bytes of a request's head at the most.
const HEAD_MAX: usize = 8192;

/// Its headers at the most.
const HEADERS_MAX: usize = 64;

/// RFC 6455, 1.3.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a request begins with.
const GET: &[u8] = b"GET ";

/// What ends a head.
pub(super) const END: &[u8] = b"\r\n\r\n";

/// The sub-protocols that are MQTT, the better one first; the other is what 3.1 was called.
const PROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// A request that is being read.
#[derive(Debug)]
pub(super) struct Upgrading {
    rules: Arc<WebRules>,
    head: Vec<u8>,
}

/// A request that was answered with yes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Upgraded {
    /// How many of the last bytes were the request's.
    pub(super) taken: usize,
    /// `X-Forwarded-For`.
    pub(super) forwarded: Option<String>,
}

/// An answer that is no.
struct Refusal {
    status: &'static str,
    /// Headers of its own, each with its line end.
    headers: &'static str,
    what: String,
}

impl Upgrading {
    pub(super) const fn new(rules: Arc<WebRules>) -> Self {
        Self { rules, head: Vec::new() }
    }

    pub(super) const fn buffered(&self) -> usize {
        self.head.capacity()
    }

    /// Takes more of the request. Once all of it is there, the answer goes to `wire`.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        wire: &mut Vec<u8>,
    ) -> Result<Option<Upgraded>, Fault> {
        let before = self.head.len();
        let more = bytes.len().min(HEAD_MAX - before);
        self.head.extend_from_slice(&bytes[..more]);
        let answer = match end_of_head(&self.head, before) {
            Some(end) => judge(&self.rules, &self.head[..end]).map(|yes| (yes, end - before)),
            None => match early(&self.head) {
                Some(refusal) => Err(refusal),
                None => return Ok(None),
            },
        };
        self.head = Vec::new();
        match answer {
            Ok((yes, taken)) => {
                wire.extend_from_slice(yes.text.as_bytes());
                Ok(Some(Upgraded { taken, forwarded: yes.forwarded }))
            }
            Err(refusal) => {
                wire.extend_from_slice(refusal.text().as_bytes());
                let spoken = if before == 0 { fault::spoken(bytes) } else { None };
                let what = || format!("WebSocket: {}", refusal.what);
                Err(Fault(spoken.filter(|_| !bytes.starts_with(GET)).map_or_else(what, Into::into)))
            }
        }
    }
}

/// Where a head ends, `before` bytes of which were looked through already.
pub(super) fn end_of_head(head: &[u8], before: usize) -> Option<usize> {
    let from = before.saturating_sub(END.len() - 1);
    let at = head[from..].windows(END.len()).position(|window| window == END)?;
    Some(from + at + END.len())
}

/// What can be said of a request that is not complete.
fn early(head: &[u8]) -> Option<Refusal> {
    let common = head.len().min(GET.len());
    if head[..common] != GET[..common] {
        return Some(not_get());
    }
    (head.len() == HEAD_MAX).then(|| Refusal {
        status: "431 Request Header Fields Too Large",
        headers: "",
        what: format!("the head of the request has more than {HEAD_MAX} bytes"),
    })
}

struct Yes {
    text: String,
    forwarded: Option<String>,
}

/// Whether a complete request is a good one.
fn judge(rules: &WebRules, head: &[u8]) -> Result<Yes, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Refusal {
                status: "431 Request Header Fields Too Large",
                headers: "",
                what: format!("the request has more than {HEADERS_MAX} headers"),
            });
        }
        Ok(Status::Partial) | Err(_) => return Err(bad("the request is no HTTP")),
    }
    if request.method != Some("GET") {
        return Err(not_get());
    }
    if request.version != Some(1) {
        return Err(bad("the request is not HTTP/1.1"));
    }
    let headers = Headers(request.headers);
    headers.one("Host")?;
    if !headers.lists("Upgrade", "websocket")? {
        return Err(no_websocket("this is a WebSocket for MQTT and no web site"));
    }
    if !headers.lists("Connection", "upgrade")? {
        return Err(bad("the header Connection must name Upgrade"));
    }
    if headers.one("Sec-WebSocket-Version")? != "13" {
        return Err(no_websocket("the WebSocket version must be 13"));
    }
    if headers.first("Content-Length").is_some_and(|length| length != b"0")
        || headers.first("Transfer-Encoding").is_some()
    {
        return Err(bad("the request has a body"));
    }
    let key = headers.one("Sec-WebSocket-Key")?;
    if STANDARD.decode(key).map_or(0, |key| key.len()) != 16 {
        return Err(bad("Sec-WebSocket-Key must be 16 bytes in base64"));
    }
    check_origin(rules, &headers)?;
    let offered = |name: &&&str| headers.lists("Sec-WebSocket-Protocol", name).unwrap_or(false);
    // [MQTT-6.0.0-3], [MQTT-6.0.0-4].
    let Some(protocol) = PROTOCOLS.iter().find(offered) else {
        return Err(bad("the client must offer the sub-protocol 'mqtt'"));
    };
    let text = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n",
        accept(key)
    );
    Ok(Yes { text, forwarded: headers.all("X-Forwarded-For") })
}

fn check_origin(rules: &WebRules, headers: &Headers<'_>) -> Result<(), Refusal> {
    if rules.origins.is_empty() || headers.first("Origin").is_none() {
        return Ok(());
    }
    let origin = headers.one("Origin")?;
    if rules.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    Err(Refusal {
        status: "403 Forbidden",
        headers: "",
        what: format!("pages of {origin} may not connect; websockets_origin says which may"),
    })
}

/// The answer to a key: RFC 6455, 4.2.2.
pub(super) fn accept(key: &str) -> String {
    let mut sha = Sha1::new();
    sha.update(key.as_bytes());
    sha.update(MAGIC.as_bytes());
    STANDARD.encode(sha.digest().bytes())
}

/// The headers of a head.
pub(super) struct Headers<'a>(pub(super) &'a [Header<'a>]);

impl<'a> Headers<'a> {
    fn named(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + '_ {
        let named = self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value.trim_ascii())
    }

    pub(super) fn first(&self, name: &'a str) -> Option<&'a [u8]> {
        self.named(name).next()
    }

    /// The value of a header that must be there once.
    fn one(&self, name: &'a str) -> Result<&'a str, Refusal> {
        let mut values = self.named(name);
        match (values.next().map(std::str::from_utf8), values.next()) {
            (Some(Ok(value)), None) => Ok(value),
            (Some(Err(_)), None) => Err(bad(&format!("the header {name} is not UTF-8"))),
            (None, _) => Err(bad(&format!("the header {name} is missing"))),
            (Some(_), Some(_)) => Err(bad(&format!("the header {name} is there twice"))),
        }
    }

    /// Whether `word` is among the words of all headers of this name, which must be there.
    fn lists(&self, name: &'a str, word: &str) -> Result<bool, Refusal> {
        if self.first(name).is_none() {
            return Err(no_websocket(&format!("the header {name} is missing")));
        }
        Ok(self
            .named(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(word.as_bytes())))
    }

    /// All values of this name as one list.
    fn all(&self, name: &'a str) -> Option<String> {
        let values: Vec<_> = self.named(name).map(String::from_utf8_lossy).collect();
        (!values.is_empty()).then(|| values.join(","))
    }
}

fn bad(what: &str) -> Refusal {
    Refusal { status: "400 Bad Request", headers: "", what: what.into() }
}

fn not_get() -> Refusal {
    Refusal {
        status: "405 Method Not Allowed",
        headers: "Allow: GET\r\n",
        what: "the request does not begin with GET".into(),
    }
}

fn no_websocket(what: &str) -> Refusal {
    Refusal {
        status: "426 Upgrade Required",
        headers: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        what: what.into(),
    }
}

impl Refusal {
    fn text(&self) -> String {
        let Self { status, headers, what } = self;
        format!(
            "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Type: text/plain; \
             charset=utf-8\r\nContent-Length: {}\r\n\r\n{what}\n",
            what.len() + 1
        )
    }
}
