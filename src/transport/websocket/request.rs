//! The handshake of a WebSocket from the client's end: the request, and what its answer must say.
//!
//! Owns: the head of the answer until all of it is there.
//!
//! Never follows a redirection.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httparse::Status;

use super::super::settings::WebRequest;
use super::Fault;
use super::upgrade::{Headers, accept, end_of_head};
use crate::rng::Rng;

/// Bytes of an answer's head at the most.
const HEAD_MAX: usize = 8192;

/// Its headers at the most.
const HEADERS_MAX: usize = 64;

/// An answer that is being read.
#[derive(Debug)]
pub(super) struct Awaited {
    /// What it must accept.
    accept: String,
    head: Vec<u8>,
}

impl WebRequest {
    pub(super) fn send(&self, random: &mut Rng, wire: &mut Vec<u8>) -> Awaited {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&random.next_u64().to_ne_bytes());
        key[8..].copy_from_slice(&random.next_u64().to_ne_bytes());
        let key = STANDARD.encode(key);
        let Self { authority, path } = self;
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
        wire.extend_from_slice(text.as_bytes());
        Awaited { accept: accept(&key), head: Vec::new() }
    }
}

impl Awaited {
    pub(super) const fn buffered(&self) -> usize {
        self.head.capacity()
    }

    /// Takes more of the answer; how many of `bytes` were the last of it.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let before = self.head.len();
        let more = bytes.len().min(HEAD_MAX - before);
        self.head.extend_from_slice(&bytes[..more]);
        let start = b"HTTP/1.1 ";
        let common = self.head.len().min(start.len());
        if self.head[..common] != start[..common] {
            return Err(fault("the server speaks no HTTP"));
        }
        match end_of_head(&self.head, before) {
            Some(end) => {
                let head = std::mem::take(&mut self.head);
                self.judge(&head[..end])?;
                Ok(Some(end - before))
            }
            None if self.head.len() == HEAD_MAX => Err(fault("the server's answer is too long")),
            None => Ok(None),
        }
    }

    fn judge(&self, head: &[u8]) -> Result<(), Fault> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let Ok(Status::Complete(_)) = response.parse(head) else {
            return Err(fault("the server's answer is no HTTP"));
        };
        let status = response.code.unwrap_or_default();
        if status != 101 {
            let reason = response.reason.unwrap_or_default();
            return Err(fault(&format!("the server answers {status} {reason}")));
        }
        let headers = Headers(response.headers);
        let says = |name, value: &str| {
            headers.first(name).is_some_and(|said| said.eq_ignore_ascii_case(value.as_bytes()))
        };
        if headers.first("Sec-WebSocket-Accept") != Some(self.accept.as_bytes())
            || !says("Upgrade", "websocket")
            || !says("Connection", "upgrade")
        {
            return Err(fault("the server's answer is not one to this request"));
        }
        // [MQTT-6.0.0-4].
        if !says("Sec-WebSocket-Protocol", "mqtt") {
            return Err(fault("the server does not speak MQTT at this path"));
        }
        Ok(())
    }
}

fn fault(what: &str) -> Fault {
    Fault(format!("WebSocket: {what}"))
}
