//! The chunks of a mosquitto database, versions 5 and 6 (mosquitto 1.6 to 2.1).
//!
//! ```text
//! file     magic(15) checksum(4, unused) version(4), then chunks
//! chunk    kind(4) length(4), then so many bytes
//! 2 message  id(8) expires(8) payload(4) packet id(2) client(2) user(2) topic(2) port(2) qos(1)
//!            retain(1), client id, user name, topic, payload, properties behind their length
//! 3 delivery message id(8) packet id(2) client(2) qos(1) state(1) retain and dup(1)
//!            direction(1), client id, properties behind their length
//! 4 retained message id(8)
//! 5 filter   identifier(4) client(2) filter(2) qos(1) options(1) (2), client id, filter
//! 6 client   expires(8) interval(4) packet id(2) client(2), and in version 6 port(2) user(2)
//!            (4), client id, user name
//! ```
//!
//! Numbers are big-endian, but for message ids and times: those are as the machine has them that
//! wrote the file, which is taken to be little-endian like this one.
//!
//! Owns: where what lies in a chunk. Never knows what it means.

use super::super::Corrupt;
use super::super::layout::Take;

/// What a database begins with.
pub(super) const MAGIC: &[u8; 15] = b"\x00\xb5\x00mosquitto db";

/// A message.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) id: u64,
    /// Seconds since 1970; 0 is never.
    pub(super) expires: u64,
    pub(super) client_id: &'a str,
    pub(super) user_name: &'a str,
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
    /// Behind their length; empty if there are none.
    pub(super) properties: &'a [u8],
    pub(super) qos: u8,
    pub(super) retain: bool,
}

/// A message on its way to a client or from it.
#[derive(Debug)]
pub(super) struct Delivery<'a> {
    pub(super) client_id: &'a str,
    pub(super) message: u64,
    pub(super) packet_id: u16,
    pub(super) qos: u8,
    pub(super) state: u8,
    pub(super) retain: bool,
    pub(super) is_outgoing: bool,
    pub(super) properties: &'a [u8],
}

/// A subscription.
#[derive(Debug)]
pub(super) struct Subscription<'a> {
    pub(super) client_id: &'a str,
    pub(super) filter: &'a str,
    pub(super) identifier: u32,
    pub(super) qos: u8,
    pub(super) options: u8,
}

/// A session.
#[derive(Debug)]
pub(super) struct Client<'a> {
    pub(super) client_id: &'a str,
    /// Seconds since 1970; 0 if it had a connection or lives for ever.
    pub(super) expires: u64,
    pub(super) interval: u32,
}

/// Whatever a chunk holds.
#[derive(Debug)]
pub(super) enum Chunk<'a> {
    Message(Message<'a>),
    Delivery(Delivery<'a>),
    Retained(u64),
    Subscription(Subscription<'a>),
    Client(Client<'a>),
    /// Settings of the program that wrote it, and what later versions may add.
    Other,
}

/// The chunks of a file.
pub(super) struct Chunks<'a> {
    version: u32,
    rest: Take<'a>,
}

impl<'a> Chunks<'a> {
    /// Reads what comes before them.
    ///
    /// # Errors
    /// What the file is instead, and what to do.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, String> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("it is no database of mosquitto")?;
        let mut rest = Take(rest);
        let cut = "it is cut short";
        rest.bytes(4).map_err(|_| cut)?;
        let version = rest.u32().map_err(|_| cut)?;
        if !(5..=6).contains(&version) {
            return Err(format!(
                "it has version {version}, and versions 5 and 6 are known; start mosquitto 2.0 \
                 with it once and stop it, which writes it anew"
            ));
        }
        Ok(Self { version, rest })
    }

    /// The next chunk, `None` behind the last.
    pub(super) fn next(&mut self) -> Result<Option<Chunk<'a>>, Corrupt> {
        if self.rest.0.is_empty() {
            return Ok(None);
        }
        let kind = self.rest.u32()?;
        let len = self.rest.u32()? as usize;
        let body = Take(self.rest.bytes(len)?);
        Ok(Some(match kind {
            2 => Chunk::Message(message(body)?),
            3 => Chunk::Delivery(delivery(body)?),
            4 => Chunk::Retained(native(&mut { body })?),
            5 => Chunk::Subscription(subscription(body)?),
            6 => Chunk::Client(self.client(body)?),
            _ => Chunk::Other,
        }))
    }

    fn client(&self, mut body: Take<'a>) -> Result<Client<'a>, Corrupt> {
        let expires = native(&mut body)?;
        let interval = body.u32()?;
        body.u16()?;
        let id_len = body.u16()?;
        if self.version == 6 {
            body.bytes(8)?;
        }
        Ok(Client { client_id: text(&mut body, id_len)?, expires, interval })
    }
}

/// A number as the machine has it.
fn native(body: &mut Take<'_>) -> Result<u64, Corrupt> {
    body.u64().map(u64::swap_bytes)
}

fn text<'a>(body: &mut Take<'a>, len: u16) -> Result<&'a str, Corrupt> {
    Take(body.bytes(len.into())?).text()
}

fn message(mut body: Take<'_>) -> Result<Message<'_>, Corrupt> {
    let (id, expires) = (native(&mut body)?, native(&mut body)?);
    let payload_len = body.u32()? as usize;
    body.u16()?;
    let (client_len, user_len, topic_len) = (body.u16()?, body.u16()?, body.u16()?);
    body.u16()?;
    let (qos, retain) = (body.u8()?, body.u8()? != 0);
    Ok(Message {
        id,
        expires,
        client_id: text(&mut body, client_len)?,
        user_name: text(&mut body, user_len)?,
        topic: text(&mut body, topic_len)?,
        payload: body.bytes(payload_len)?,
        properties: body.0,
        qos,
        retain,
    })
}

fn delivery(mut body: Take<'_>) -> Result<Delivery<'_>, Corrupt> {
    let message = native(&mut body)?;
    let (packet_id, id_len) = (body.u16()?, body.u16()?);
    let (qos, state, flags, direction) = (body.u8()?, body.u8()?, body.u8()?, body.u8()?);
    Ok(Delivery {
        client_id: text(&mut body, id_len)?,
        message,
        packet_id,
        qos,
        state,
        retain: flags >> 4 != 0,
        is_outgoing: direction != 0,
        properties: body.0,
    })
}

fn subscription(mut body: Take<'_>) -> Result<Subscription<'_>, Corrupt> {
    let identifier = body.u32()?;
    let (id_len, filter_len) = (body.u16()?, body.u16()?);
    let (qos, options) = (body.u8()?, body.u8()?);
    body.bytes(2)?;
    Ok(Subscription {
        client_id: text(&mut body, id_len)?,
        filter: text(&mut body, filter_len)?,
        identifier,
        qos,
        options,
    })
}
