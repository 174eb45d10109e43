//! 3.1.1, sections 3.1.2.5 to 3.1.2.7 and 3.14.4: wills.

use super::{client, rejected, session, subscriber};
use crate::conformance::cases;
use crate::harness::v3::{DISCONNECT, connect, publish, subscribe};
use crate::harness::{Connect, Publish, Raw, id, topic};

cases! { V311;
    will_is_published_when_the_connection_ends:
        "MQTT-3.1.2-8" "the will is published when the connection ends without DISCONNECT";
    will_is_published_once:
        "MQTT-3.1.2-10" "the will is gone once it was published or DISCONNECT came";
    without_will_flag_no_will:
        "MQTT-3.1.2-12" "will flag 0: no will is published";
    will_retain_0: "MQTT-3.1.2-16" "will retain 0: the will is not retained";
    will_retain_1: "MQTT-3.1.2-17" "will retain 1: the will is retained";
    disconnect_discards_the_will:
        "MQTT-3.14.4-3" "DISCONNECT discards the will";
}

/// A client `w` whose will goes to the test's topic.
fn with_will(qos: u8, retain: bool) -> Connect {
    connect(id("w")).will(qos, retain, topic("will"), "gone")
}

/// That will as a subscriber gets it.
fn gone() -> Publish {
    publish(topic("will"), "gone")
}

fn watcher() -> Raw {
    subscriber("watch", &[(&topic("will"), 2)])
}

fn will_is_published_when_the_connection_ends() {
    let mut watcher = watcher();
    for qos in 0..=2 {
        Raw::online(with_will(qos, false)).drop_link();
        watcher.accept(gone().at(qos, 0)).ping();
    }
    // The server ends the connection: a protocol error, another client of the same identifier.
    Raw::online(with_will(1, false)).send([0x00, 0x00]).expect_closed();
    watcher.accept(gone().at(1, 0)).ping();
    let mut old = Raw::online(with_will(1, false));
    let new = client("w");
    old.expect_closed();
    watcher.accept(gone().at(1, 0)).ping();
    new.drop_link();
    watcher.ping();
    // Not accepted, so never stored.
    rejected(connect("").resume().will(1, false, topic("will"), "gone"), 2);
    watcher.ping();
}

fn will_is_published_once() {
    let mut watcher = watcher();
    Raw::online(with_will(1, false).resume()).drop_link();
    watcher.accept(gone().at(1, 0)).ping();
    session("w", true).drop_link();
    watcher.ping();
    Raw::online(with_will(1, false).resume()).disconnect();
    session("w", true).drop_link();
    watcher.ping();
}

fn without_will_flag_no_will() {
    let mut watcher = watcher();
    client("w").drop_link();
    client("w").send([0x00, 0x00]).expect_closed();
    session("w", false).drop_link();
    watcher.ping();
}

fn will_retain_0() {
    let mut watcher = watcher();
    Raw::online(with_will(1, false)).drop_link();
    watcher.accept(gone().at(1, 0)).ping();
    self::watcher().ping();
}

fn will_retain_1() {
    let mut watcher = watcher();
    for qos in 0..=2 {
        Raw::online(with_will(qos, true)).drop_link();
        watcher.accept(gone().at(qos, 0)).ping();
        subscriber("late", &[(&topic("will"), 2)]).accept(gone().at(qos, 0).retain()).ping();
    }
    // An empty will clears it.
    Raw::online(connect(id("w")).will(1, true, topic("will"), "")).drop_link();
    watcher.accept(publish(topic("will"), "").at(1, 0)).ping();
    self::watcher().ping();
}

fn disconnect_discards_the_will() {
    let mut watcher = watcher();
    for qos in 0..=2 {
        Raw::online(with_will(qos, true)).disconnect();
        // Bytes behind the DISCONNECT bring nothing back.
        let mut raw = Raw::online(with_will(qos, true));
        raw.send([&DISCONNECT[..], &subscribe(1, &[(topic("will"), 0)])].concat()).expect_closed();
    }
    watcher.ping();
    self::watcher().ping();
}
