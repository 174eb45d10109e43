//! Files that change under a broker that runs.

use super::*;

/// Has the broker read everything again, the `count`-th time, all being well.
fn reloaded(broker: &Arc<Broker>, count: usize) {
    broker.signal("HUP");
    broker.until_logged("Configuration read again", count);
}

#[test]
fn a_right_that_is_lost_is_lost_at_once() {
    let house = House::new();
    let (broker, mut anna, mut bert) = anna_and_bert(&house);
    // To receive: the subscription stays and brings nothing; the publisher's last topic is known.
    house.write("acl", "user anna\ntopic t\n");
    reloaded(&broker, 1);
    broker.until_logged("access rules: 1 removed", 1);
    anna.send(v5::publish("t", "2").qos(1, 2)).expect(v5::puback(2));
    bert.ping();
    // To publish.
    house.write("acl", "user anna\ntopic read t\nuser bert\ntopic t\n");
    reloaded(&broker, 2);
    anna.send(v5::publish("t", "3").qos(1, 3)).expect(v5::ack(0x40, 3, 0x87));
    // And it comes back.
    house.write("acl", "user anna\ntopic t\nuser bert\ntopic t\n");
    reloaded(&broker, 3);
    anna.send(v5::publish("t", "4").qos(1, 4)).expect(v5::puback(4));
    bert.accept(v5::publish("t", "4").qos(1, 2));
}

/// What waits for a client that is away is checked when it comes back.
#[test]
fn what_waits_is_not_delivered_without_a_right() {
    let house = House::new();
    let users = user("anna", "p") + &user("bert", "p");
    let broker = house.guarded(&users, "user anna\ntopic #\nuser bert\ntopic #\n");
    let connect = || as_user("b", "bert", "p").resume();
    let mut bert = Raw::online_at(&broker, connect());
    bert.send(v3::subscribe(1, &[("#", 1)])).expect(v3::suback(1, &[1]));
    bert.disconnect();
    let mut anna = Raw::online_at(&broker, as_user("a", "anna", "p"));
    anna.send(v3::publish("secret", "1").qos(1, 1)).expect(v3::puback(1));
    anna.send(v3::publish("open", "2").qos(1, 2)).expect(v3::puback(2));
    house.write("acl", "user anna\ntopic #\nuser bert\ntopic read open\n");
    reloaded(&broker, 1);
    let mut bert = Raw::to(&broker);
    bert.send(connect()).expect(v3::connack(true, 0));
    let first = bert.until(0x32);
    assert!(first.body().ends_with(b"2"), "{first:?}");
    bert.ping();
}

#[test]
fn retained_messages_go_with_the_right_to_publish_them() {
    let house = House::new();
    let users = user("anna", "p") + &user("bert", "p");
    let rights = "user anna\ntopic t/#\nuser bert\ntopic t/#\n";
    let broker = house.guarded(&users, rights);
    let mut anna = Raw::online_at(&broker, as_user("a", "anna", "p"));
    anna.send(v3::publish("t/a", "1").retain()).ping();
    let mut bert = Raw::online_at(&broker, as_user("b", "bert", "p"));
    bert.send(v3::publish("t/b", "2").retain()).ping();
    house.write("acl", "user anna\ntopic read t/#\nuser bert\ntopic t/#\n");
    reloaded(&broker, 1);
    let mut reader = Raw::online_at(&broker, as_user("r", "anna", "p"));
    reader.send(v3::subscribe(1, &[("t/#", 0)])).expect(v3::suback(1, &[0]));
    reader.accept(v3::publish("t/b", "2").retain());
    reader.ping();
    // It is still there, for whoever gives the right back.
    house.write("acl", rights);
    reloaded(&broker, 2);
    let mut reader = Raw::online_at(&broker, as_user("r", "anna", "p"));
    reader.send(v3::subscribe(1, &[("t/#", 0)])).expect(v3::suback(1, &[0]));
    reader.accept(v3::publish("t/a", "1").retain());
    reader.accept(v3::publish("t/b", "2").retain());
}

#[test]
fn retained_messages_stay_where_their_source_does_not_count() {
    let house = House::new();
    house.write("passwd", &user("anna", "p"));
    house.write("acl", "user anna\ntopic t\n");
    let broker =
        house.broker("check_retain_source false\npassword_file DIR/passwd\nacl_file DIR/acl\n");
    let mut anna = Raw::online_at(&broker, as_user("a", "anna", "p"));
    anna.send(v3::publish("t", "1").retain()).ping();
    house.write("acl", "user anna\ntopic read t\n");
    reloaded(&broker, 1);
    anna.send(v3::subscribe(1, &[("t", 0)])).expect(v3::suback(1, &[0]));
    anna.accept(v3::publish("t", "1").retain());
}

#[test]
fn who_is_gone_goes_and_who_has_another_password_comes_again() {
    let house = House::new();
    let broker = house.guarded(&(user("a", "1") + &user("b", "1") + &user("c", "1")), "");
    let mut kept = Raw::online_at(&broker, as_user5("a", "a", "1"));
    let mut changed = Raw::online_at(&broker, as_user5("b", "b", "1"));
    let mut gone = Raw::online_at(&broker, as_user("c", "c", "1"));
    let mut nameless = Raw::online_at(&broker, v5::connect("n"));
    house.write("passwd", &(user("a", "1") + &user("b", "2") + &user("d", "1") + &user("e", "1")));
    reloaded(&broker, 1);
    broker.until_logged("users: 2 added, 1 removed, 1 changed", 1);
    changed.expect(v5::disconnect(0x87)).expect_closed();
    gone.expect_closed();
    kept.ping();
    nameless.ping();
    assert_eq!(code(&broker, as_user("b", "b", "1")), 4, "what was right before is forgotten");
    assert_eq!(code(&broker, as_user("b", "b", "2")), 0);
    assert_eq!(code(&broker, as_user("c", "c", "1")), 4);
    assert_eq!(code(&broker, as_user("d", "d", "1")), 0);
}

#[test]
fn an_error_leaves_the_old_rules_in_force() {
    let house = House::new();
    let broker = house.guarded(&user("a", "1"), "user a\ntopic t\n");
    let mut client = Raw::online_at(&broker, as_user5("a", "a", "1"));
    house.write("passwd", &(user("b", "1") + "c:geheim\n"));
    house.write("acl", "user a\ntopic u\ntopc t\n");
    broker.signal("HUP");
    broker.until_logged("The configuration cannot be used, 2 errors; the one before goes on", 1);
    let log = broker.log();
    let passwords = format!("{}:2: the password is not hashed", house.path("passwd"));
    assert!(log.contains(&passwords), "{log}");
    let rights = format!("{}:3: 'topc' is not known", house.path("acl"));
    assert!(log.contains(&rights), "{log}");
    assert!(!log.contains("geheim"), "{log}");
    client.send(v5::publish("t", "1").qos(1, 1)).expect(v5::ack(0x40, 1, 0x10));
    client.send(v5::publish("u", "1").qos(1, 2)).expect(v5::ack(0x40, 2, 0x87));
    assert_eq!(code(&broker, as_user("n", "a", "1")), 0);
    fs::remove_file(house.path("acl")).unwrap();
    broker.signal("HUP");
    broker.until_logged("The configuration cannot be used", 2);
    client.send(v5::publish("u", "1").qos(1, 3)).expect(v5::ack(0x40, 3, 0x87));
}
