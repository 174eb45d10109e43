//! 3.1.1, section 3.1: CONNECT.

use crate::conformance::cases;
use crate::harness::v3::{PINGREQ, connack, connect};
use crate::harness::{Raw, id};

cases! { V311;
    first_packet_is_connect: "MQTT-3.1.0-1" "the first packet must be CONNECT";
    second_connect_closes: "MQTT-3.1.0-2" "a second CONNECT is a violation and closes";
}

fn first_packet_is_connect() {
    Raw::connect().send(PINGREQ).expect_closed();
}

fn second_connect_closes() {
    let mut raw = Raw::connect();
    raw.send(connect(id("a"))).expect(connack(false, 0));
    raw.send(connect(id("a"))).expect_closed();
}
