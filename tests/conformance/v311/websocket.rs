//! Section 6: WebSocket as a network transport.

use crate::conformance::{cases, websocket};

cases! { V311;
    binary_frames_only:
        "MQTT-6.0.0-1" "packets come in binary frames; any other data frame closes the connection";
    packets_need_not_fit_frames:
        "MQTT-6.0.0-2" "a frame holds several packets or parts of them";
    the_sub_protocol_is_mqtt:
        "MQTT-6.0.0-4" "the server chooses the sub-protocol mqtt";
}

const CONNECT: &[u8] = b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02ws";

fn binary_frames_only() {
    websocket::binary_frames_only(CONNECT);
}

fn packets_need_not_fit_frames() {
    websocket::packets_need_not_fit_frames(CONNECT);
}

fn the_sub_protocol_is_mqtt() {
    websocket::the_sub_protocol_is_mqtt();
}
