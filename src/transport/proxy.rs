//! The PROXY protocol: what a proxy says of the client, before the client's first byte.
//!
//! Owns: versions 1 (a line of text) and 2 (binary) of the header, as HAProxy's specification has
//! them, read in pieces of any size. Both are bounded; what is not exactly as specified is a fault,
//! since whoever can send such a header decides what address a client is taken to have.
//!
//! Never decides whether a proxy is to be believed.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

use super::fault::Fault;

/// Reads the header of one connection.
#[derive(Debug)]
pub(super) struct Reader {
    rules: Rules,
    head: Vec<u8>,
}

/// What a header must be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Of which version.
    pub version: Version,
    /// Whether the client must speak TLS with the proxy (version 2 says so).
    pub requires_tls: bool,
}

/// Version of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The client's address; absent if the proxy speaks for itself or does not know.
    pub(super) address: Option<SocketAddr>,
    /// Common name of the certificate that the client has shown and the proxy has verified.
    pub(super) common_name: Option<String>,
}

/// The longest line of version 1, its end included.
const LINE_MAX: usize = 107;

/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, command, family, length.
const HEAD: usize = 16;

/// Bytes that may follow the head of version 2: addresses, and a certificate at the most.
const REST_MAX: usize = 4096;

/// A TLV that says how the client speaks to the proxy, and what may be in it.
const TLS: u8 = 0x20;
const TLS_COMMON_NAME: u8 = 0x22;

/// Flags in it: the client speaks TLS; it has shown a certificate, now or in this session.
const IS_TLS: u8 = 1;
const HAS_CERTIFICATE: u8 = 2 | 4;

impl Reader {
    pub(super) const fn new(rules: Rules) -> Self {
        Self { rules, head: Vec::new() }
    }

    pub(super) const fn buffered(&self) -> usize {
        self.head.capacity()
    }

    /// Takes more bytes: how many of these were the last of the header, and what it says.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Option<(usize, Said)>, Fault> {
        let before = self.head.len();
        let most = match self.rules.version {
            Version::V1 => LINE_MAX,
            Version::V2 => HEAD + REST_MAX,
        };
        let more = bytes.len().min(most - before);
        self.head.extend_from_slice(&bytes[..more]);
        let done = match self.rules.version {
            Version::V1 => line(&self.head, self.rules.requires_tls),
            Version::V2 => binary(&self.head, self.rules.requires_tls),
        };
        let done = done.map_err(|what| Fault(format!("PROXY header: {what}")))?;
        Ok(done.map(|(len, said)| {
            self.head = Vec::new();
            (len - before, said)
        }))
    }
}

/// The length of a header and what it says, once it is complete.
type Read = Result<Option<(usize, Said)>, &'static str>;

fn begins_as(head: &[u8], start: &[u8]) -> bool {
    let common = head.len().min(start.len());
    head[..common] == start[..common]
}

fn line(head: &[u8], requires_tls: bool) -> Read {
    if !begins_as(head, b"PROXY ") {
        return Err("the connection does not begin with one of version 1");
    }
    let Some(end) = head.windows(2).position(|two| two == b"\r\n") else {
        return if head.len() < LINE_MAX { Ok(None) } else { Err("the line has no end") };
    };
    let text = std::str::from_utf8(&head[b"PROXY ".len()..end]).map_err(|_| "it is no text")?;
    if requires_tls {
        return Err("version 1 does not say whether the client speaks TLS");
    }
    let words: Vec<&str> = text.split(' ').collect();
    let address = match words[..] {
        ["UNKNOWN", ..] => None,
        ["TCP4", from, to, from_port, to_port] => {
            Some(pair::<Ipv4Addr>([from, to], [from_port, to_port])?)
        }
        ["TCP6", from, to, from_port, to_port] => {
            Some(pair::<Ipv6Addr>([from, to], [from_port, to_port])?)
        }
        _ => return Err("the line is not as specified"),
    };
    Ok(Some((end + 2, Said { address, common_name: None })))
}

/// The first of two addresses, both of which must be good.
fn pair<A: FromStr + Into<IpAddr>>(
    hosts: [&str; 2],
    ports: [&str; 2],
) -> Result<SocketAddr, &'static str> {
    let mut first = None;
    for (host, port) in hosts.into_iter().zip(ports) {
        let host: A = host.parse().map_err(|_| "an address is none")?;
        let is_number = port == "0" || !port.starts_with(['0', '+']);
        let port: u16 = port.parse().ok().filter(|_| is_number).ok_or("a port is none")?;
        first = first.or_else(|| Some(SocketAddr::new(host.into(), port)));
    }
    first.ok_or("there is no address")
}

fn binary(head: &[u8], requires_tls: bool) -> Read {
    if !begins_as(head, SIGNATURE) {
        return Err("the connection does not begin with one of version 2");
    }
    let Some((start, rest)) = head.split_at_checked(HEAD) else { return Ok(None) };
    let [command, family, high, low] = start[SIGNATURE.len()..] else { return Ok(None) };
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err("its version or command is unknown"),
    };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > REST_MAX {
        return Err("it has more than 4096 bytes");
    }
    let Some(rest) = rest.get(..len) else { return Ok(None) };
    // What a proxy asks for itself (is the server alive?) comes from the proxy.
    if is_local {
        return Ok(Some((HEAD + len, Said::default())));
    }
    let short = "it is too short for its addresses";
    let (address, records) = match family {
        0x11 => {
            let (from, records) = rest.split_at_checked(12).ok_or(short)?;
            let ip: [u8; 4] = from[..4].try_into().map_err(|_| short)?;
            (Some(SocketAddr::new(ip.into(), port(&from[8..]))), records)
        }
        0x21 => {
            let (from, records) = rest.split_at_checked(36).ok_or(short)?;
            let ip: [u8; 16] = from[..16].try_into().map_err(|_| short)?;
            (Some(SocketAddr::new(ip.into(), port(&from[32..]))), records)
        }
        0x31 => (None, rest.split_at_checked(216).ok_or(short)?.1),
        0x00 => (None, rest),
        _ => return Err("its address is none of TCP"),
    };
    let tls = tls(records)?;
    if requires_tls && !tls.is_spoken {
        return Err("the client does not speak TLS with the proxy");
    }
    Ok(Some((HEAD + len, Said { address, common_name: tls.common_name })))
}

fn port(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

/// What is said of the client's TLS.
#[derive(Debug, Default)]
struct Tls {
    is_spoken: bool,
    common_name: Option<String>,
}

fn tls(records: &[u8]) -> Result<Tls, &'static str> {
    let mut tls = Tls::default();
    for record in Records(records) {
        let (TLS, value) = record? else { continue };
        let Some(([client, verify @ ..], inner)) = value.split_first_chunk::<5>() else {
            return Err("what it says of TLS is too short");
        };
        tls.is_spoken = client & IS_TLS != 0;
        // Zero is a certificate that was verified.
        let is_verified = client & HAS_CERTIFICATE != 0 && *verify == [0; 4];
        for record in Records(inner) {
            if let (TLS_COMMON_NAME, name) = record?
                && is_verified
            {
                let name = std::str::from_utf8(name).map_err(|_| "a common name is not UTF-8")?;
                tls.common_name = Some(name.into());
            }
        }
    }
    Ok(tls)
}

/// Type, length, value, and so on.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Result<(u8, &'a [u8]), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let cut = || Some(Err("one of its records is cut short"));
        let Some(([kind, high, low], rest)) = self.0.split_first_chunk::<3>() else {
            self.0 = &[];
            return cut();
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((value, rest)) = rest.split_at_checked(len) else {
            self.0 = &[];
            return cut();
        };
        self.0 = rest;
        Some(Ok((*kind, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Rules = Rules { version: Version::V1, requires_tls: false };
    const TWO: Rules = Rules { version: Version::V2, requires_tls: false };

    fn read(rules: Rules, pieces: &[&[u8]]) -> Result<Option<(usize, Said)>, Fault> {
        let mut reader = Reader::new(rules);
        let mut before = 0;
        for piece in pieces {
            if let Some((taken, said)) = reader.take(piece)? {
                assert_eq!(reader.buffered(), 0);
                return Ok(Some((before + taken, said)));
            }
            before += piece.len();
        }
        Ok(None)
    }

    fn from(address: &str) -> Said {
        Said { address: Some(address.parse().unwrap()), common_name: None }
    }

    fn v2(command: u8, family: u8, rest: &[&[u8]]) -> Vec<u8> {
        let rest = rest.concat();
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &len, &rest].concat()
    }

    fn record(kind: u8, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[kind][..], &len, value].concat()
    }

    fn tls_record(client: u8, verify: u32, inner: &[u8]) -> Vec<u8> {
        record(TLS, &[&[client][..], &verify.to_be_bytes(), inner].concat())
    }

    const V4: &[u8] = &[192, 0, 2, 1, 10, 0, 0, 1, 0x30, 0x39, 0x07, 0x5b];

    #[test]
    fn headers_are_read_in_any_pieces() {
        let v6: Vec<u8> =
            [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0x30, 0x39, 0, 1]].concat();
        let noise = [record(0x04, b"padding"), record(0x01, b"h2")].concat();
        let named = tls_record(7, 0, &[record(0x21, b"TLSv1.3"), record(0x22, b"lamp")].concat());
        let unverified = tls_record(7, 18, &record(0x22, b"lamp"));
        let no_certificate = tls_record(1, 0, &record(0x22, b"lamp"));
        let lamp = Said { common_name: Some("lamp".into()), ..from("192.0.2.1:12345") };
        let cases: &[(Rules, Vec<u8>, Said)] = &[
            (ONE, b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 1883\r\n".into(), from("192.0.2.1:12345")),
            (ONE, b"PROXY TCP6 2001:db8::1 ::1 0 1883\r\n".into(), from("[2001:db8::1]:0")),
            (ONE, b"PROXY UNKNOWN\r\n".into(), Said::default()),
            (ONE, b"PROXY UNKNOWN whatever is said here\r\n".into(), Said::default()),
            (TWO, v2(0x21, 0x11, &[V4]), from("192.0.2.1:12345")),
            (TWO, v2(0x21, 0x21, &[&v6, &noise]), from("[2001:db8::1]:12345")),
            (TWO, v2(0x21, 0x31, &[&[b'/'; 216]]), Said::default()),
            (TWO, v2(0x21, 0x00, &[]), Said::default()),
            (TWO, v2(0x20, 0x00, &[b"not looked at"]), Said::default()),
            (TWO, v2(0x21, 0x11, &[V4, &noise, &named]), lamp),
            (TWO, v2(0x21, 0x11, &[V4, &unverified]), from("192.0.2.1:12345")),
            (TWO, v2(0x21, 0x11, &[V4, &no_certificate]), from("192.0.2.1:12345")),
        ];
        for (rules, header, said) in cases {
            let expected = Ok(Some((header.len(), said.clone())));
            let stream = [header, &b"\x10\x0c\0\x04MQTT"[..]].concat();
            for at in 0..stream.len() {
                let (a, b) = stream.split_at(at);
                assert_eq!(read(*rules, &[a, b]), expected, "{stream:?} at {at}");
                if at < header.len() {
                    assert_eq!(read(*rules, &[a]), Ok(None), "{a:?}");
                }
            }
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(read(*rules, &bytes), expected);
        }
    }

    #[test]
    fn what_is_not_as_specified_is_a_fault() {
        let far = format!("PROXY UNKNOWN {}", "x".repeat(LINE_MAX));
        let cases: &[(Rules, Vec<u8>)] = &[
            (ONE, b"\x10".into()),
            (ONE, b"PROXX".into()),
            (ONE, SIGNATURE.to_vec()),
            (ONE, b"PROXY TCP4 192.0.2.1 10.0.0.1 12345\r\n".into()),
            (ONE, b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 1883 \r\n".into()),
            (ONE, b"PROXY TCP4 ::1 ::1 12345 1883\r\n".into()),
            (ONE, b"PROXY TCP6 192.0.2.1 10.0.0.1 12345 1883\r\n".into()),
            (ONE, b"PROXY TCP4 192.0.2.1 10.0.0.1 65536 1883\r\n".into()),
            (ONE, b"PROXY TCP4 192.0.2.1 10.0.0.1 012 1883\r\n".into()),
            (ONE, b"PROXY TCP4 192.0.2.1 10.0.0.1 +12 1883\r\n".into()),
            (ONE, b"PROXY  TCP4 192.0.2.1 10.0.0.1 12345 1883\r\n".into()),
            (ONE, b"PROXY UDP4 192.0.2.1 10.0.0.1 12345 1883\r\n".into()),
            (ONE, far.into()),
            (TWO, b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 1883\r\n".into()),
            (TWO, v2(0x11, 0x11, &[V4])),
            (TWO, v2(0x22, 0x11, &[V4])),
            (TWO, v2(0x21, 0x12, &[V4])),
            (TWO, v2(0x21, 0x11, &[&V4[1..]])),
            (TWO, v2(0x21, 0x21, &[V4])),
            (TWO, v2(0x21, 0x11, &[V4, &[TLS, 0, 9, 1]])),
            (TWO, v2(0x21, 0x11, &[V4, &record(TLS, &[1, 0, 0, 0])])),
            (TWO, v2(0x21, 0x11, &[V4, &tls_record(7, 0, &[0x22, 0])])),
            (TWO, v2(0x21, 0x11, &[V4, &tls_record(7, 0, &record(0x22, &[0xff]))])),
            (TWO, v2(0x20, 0x00, &[&[0; REST_MAX + 1]])),
        ];
        for (rules, header) in cases {
            let whole = read(*rules, &[header]);
            assert!(whole.is_err(), "{header:?}: {whole:?}");
            let bytes: Vec<&[u8]> = header.chunks(1).collect();
            assert!(read(*rules, &bytes).is_err(), "{header:?}");
        }
    }

    #[test]
    fn tls_to_the_proxy_can_be_required() {
        let one = Rules { requires_tls: true, ..ONE };
        let two = Rules { requires_tls: true, ..TWO };
        assert!(read(one, &[b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n"]).is_err());
        assert!(read(two, &[&v2(0x21, 0x11, &[V4])]).is_err());
        assert!(read(two, &[&v2(0x21, 0x11, &[V4, &tls_record(0, 0, &[])])]).is_err());
        assert!(read(two, &[&v2(0x21, 0x11, &[V4, &tls_record(1, 1, &[])])]).unwrap().is_some());
        assert!(read(two, &[&v2(0x20, 0x00, &[])]).unwrap().is_some(), "the proxy itself");
    }
}
