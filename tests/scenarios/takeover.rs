//! Two connections with one client id: the later one has the session.

use mqtt_broker::codec::{Disconnect, ReasonCode};

use super::World;
use super::words::{v3, v3_kept, v5, v5_kept, with_will};

/// What the connection heard that lost its session.
fn heard_by_stray(world: &mut World, connect: mqtt_broker::codec::Connect) -> Vec<String> {
    let old = world.conn(&connect.client_id);
    world.connect(connect);
    assert!(!world.machine.is_there(old), "the old connection is closed");
    let said = world.said.iter().filter_map(|said| match said {
        crate::machine::Said::Sent { conn, packet, .. } if *conn == old => {
            crate::machine::reason_of(packet).map(|reason| format!("0x{:02x}", reason.value()))
        }
        crate::machine::Said::Closing { conn } if *conn == old => Some("closed".into()),
        _ => None,
    });
    said.collect()
}

#[test]
fn a_5_0_client_is_told_and_a_3_x_client_is_not() {
    let mut world = World::new();
    world.connect(v5("a"));
    assert_eq!(heard_by_stray(&mut world, v5("a")), ["0x8e", "closed"]);
    world.connect(v3("b"));
    assert_eq!(heard_by_stray(&mut world, v3("b")), ["closed"]);
    world.end();
}

#[test]
fn a_clean_session_ends_with_the_old_connection() {
    let mut world = World::new();
    world.connect(v3("a"));
    world.subscribe("a", "t", 0);
    assert!(!world.connect(v3_kept("a")).session_present);
    assert_eq!(world.machine.broker.subscriptions(), 0);
    world.end();
}

#[test]
fn a_kept_session_goes_on_with_what_was_unacknowledged() {
    let mut world = World::new();
    world.silence("a");
    world.connect(v5_kept("a", 60));
    world.subscribe("a", "t", 1);
    world.connect(v3("b"));
    world.publish("b", "t", "1", 1);
    assert_eq!(world.heard("a"), ["t=1 q1 #1"]);
    assert!(world.connect(v5_kept("a", 60)).session_present);
    assert_eq!(world.heard("a"), ["t=1 q1 #1 dup"]);
    world.end();
}

#[test]
fn a_clean_start_ends_a_kept_session_and_what_waited_is_counted() {
    let mut world = World::new();
    world.connect(v5_kept("a", 60));
    world.subscribe("a", "t", 1);
    world.cut("a");
    world.connect(v3("b"));
    world.publish("b", "t", "1", 1);
    assert!(!world.connect(v5("a")).session_present);
    assert_eq!(world.dropped(mqtt_broker::metrics::DropReason::SessionEnded), 1);
    world.publish("b", "t", "2", 1);
    assert_eq!(world.heard("a"), [] as [&str; 0]);
    world.end();
}

#[test]
fn an_immediate_will_goes_out_once() {
    let mut world = World::new();
    world.connect(v3("watch"));
    world.subscribe("watch", "will", 0);
    for old in [v3("a"), v3_kept("a"), v5("a"), v5_kept("a", 60)] {
        for new in [v3("a"), v3_kept("a"), v5("a"), v5_kept("a", 60)] {
            world.connect(with_will(old.clone(), "will", 0));
            assert_eq!(world.heard("watch"), [] as [&str; 0]);
            world.connect(new);
            assert_eq!(world.heard("watch"), ["will=gone"], "{old:?}");
            world.disconnect("a");
            world.connect(v3("a"));
            world.disconnect("a");
            assert_eq!(world.heard("watch"), [] as [&str; 0]);
        }
    }
    world.end();
}

#[test]
fn a_delayed_will_does_not_go_out_if_the_session_is_resumed() {
    let mut world = World::new();
    world.connect(v3("watch"));
    world.subscribe("watch", "will", 0);
    world.connect(with_will(v5_kept("a", 60), "will", 10));
    world.connect(v5_kept("a", 60));
    world.pass(100);
    assert_eq!(world.heard("watch"), [] as [&str; 0]);
    world.end();
}

#[test]
fn a_delayed_will_goes_out_if_the_new_connection_starts_clean() {
    let mut world = World::new();
    world.connect(v3("watch"));
    world.subscribe("watch", "will", 0);
    world.connect(with_will(v5_kept("a", 60), "will", 10));
    world.connect(v5("a"));
    assert_eq!(world.heard("watch"), ["will=gone"]);
    world.pass(100);
    assert_eq!(world.heard("watch"), [] as [&str; 0]);
    world.end();
}

#[test]
fn the_will_of_the_new_connection_replaces_the_old_one() {
    let mut world = World::new();
    world.connect(v3("watch"));
    world.subscribe("watch", "+", 0);
    world.connect(with_will(v5_kept("a", 60), "old", 10));
    world.connect(with_will(v5_kept("a", 60), "new", 20));
    world.cut("a");
    world.pass_ms(19_999);
    assert_eq!(world.heard("watch"), [] as [&str; 0]);
    world.pass_ms(1);
    assert_eq!(world.heard("watch"), ["new=gone"]);
    world.pass(100);
    assert_eq!(world.heard("watch"), [] as [&str; 0]);
    world.end();
}

#[test]
fn a_session_resumed_without_expiry_ends_with_its_connection() {
    let mut world = World::new();
    world.connect(v5_kept("a", 60));
    world.subscribe("a", "t", 1);
    world.subscribe("a", "$share/g/s", 1);
    world.cut("a");
    assert!(world.connect(v5("a").clean_session(false)).session_present);
    world.machine.check_replay();
    world.cut("a");
    assert_eq!(world.machine.broker.sessions(), 0);
    world.end();
}

#[test]
fn the_late_end_of_the_old_connection_changes_nothing() {
    let mut world = World::new();
    world.connect(with_will(v5_kept("a", 60), "will", 0));
    world.stall("a");
    let old = world.conn("a");
    world.call(v5_kept("a", 60));
    let new = world.conn("a");
    assert!(world.machine.is_there(old), "its goodbye is still on its way");
    let records = world.machine.disk.records().len();
    world.strays.remove(&old);
    let said = world.machine.close(old, mqtt_broker::broker::End::Broken);
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(world.machine.disk.records().len(), records);
    assert!(world.machine.is_there(new));
    world.end();
}

#[test]
fn goodbye_with_will_is_goodbye_with_will() {
    let mut world = World::new();
    world.connect(v3("watch"));
    world.subscribe("watch", "will", 0);
    world.connect(with_will(v5("a"), "will", 0));
    world.disconnect("a");
    assert_eq!(world.heard("watch"), [] as [&str; 0]);
    world.connect(with_will(v5("a"), "will", 0));
    let reason = ReasonCode::DISCONNECT_WITH_WILL_MESSAGE;
    world.disconnect_with("a", Disconnect { reason, ..Disconnect::default() });
    assert_eq!(world.heard("watch"), ["will=gone"]);
    world.end();
}
