//! Tests of the whole codec: there and back, strictness, streams.

mod corpus;
mod round_trip;
mod stream;
mod strict;

use bytes::BytesMut;

use super::*;

fn encoded(packet: &Packet, version: Version) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode(packet, version, &mut out).unwrap_or_else(|error| panic!("{packet:?}: {error}"));
    out.to_vec()
}

/// Decodes what must be one whole packet, of either side.
fn decoded(bytes: &[u8], version: Version) -> Result<Packet, Error> {
    let mut input = BytesMut::from(bytes);
    let packet = decode_packet(&mut input, version, PACKET_MAX)?.expect("a whole packet");
    assert!(input.is_empty(), "bytes left behind {packet:?}");
    Ok(packet)
}
