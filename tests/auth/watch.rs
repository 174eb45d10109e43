//! Files that change under a broker that runs, and nobody tells it: no signal here.

use std::os::unix::fs::symlink;

use super::*;

const READ: &str = "Passwords and rights read again";
const REFUSED: &str = "Passwords and rights cannot be used as they are now; those before go on";

/// Writes a file as editors do: a new one, renamed.
fn replace(house: &House, name: &str, text: &str) {
    let new = house.write("new", text);
    fs::rename(new, house.path(name)).unwrap();
}

#[test]
fn a_right_or_password_that_is_lost_is_lost_without_being_told() {
    let house = House::new();
    let (broker, mut anna, mut bert) = anna_and_bert(&house);
    // Rights: in place, by a new file, and away and back again.
    house.write("acl", "user anna\ntopic t\n");
    broker.until_logged(READ, 1);
    anna.send(v5::publish("t", "2").qos(1, 2)).expect(v5::puback(2));
    bert.ping();
    replace(&house, "acl", "user anna\ntopic read t\nuser bert\ntopic t\n");
    broker.until_logged(READ, 2);
    anna.send(v5::publish("t", "3").qos(1, 3)).expect(v5::ack(0x40, 3, 0x87));
    fs::remove_file(house.path("acl")).unwrap();
    broker.until_logged(REFUSED, 1);
    broker.expect_log("acl: cannot read it: No such file");
    anna.send(v5::publish("t", "4").qos(1, 4)).expect(v5::ack(0x40, 4, 0x87));
    house.write("acl", "user anna\ntopic t\nuser bert\ntopic t\n");
    broker.until_logged(READ, 3);
    anna.send(v5::publish("t", "5").qos(1, 5)).expect(v5::puback(5));
    bert.accept(v5::publish("t", "5").qos(1, 2));
    // Another password.
    replace(&house, "passwd", &(user("anna", "p") + &user("bert", "q")));
    broker.until_logged(READ, 4);
    bert.expect(v5::disconnect(0x87)).expect_closed();
    anna.ping();
    assert_eq!(code(&broker, as_user("b", "bert", "p")), 4);
    assert_eq!(code(&broker, as_user("b", "bert", "q")), 0);
}

#[test]
fn what_is_wrong_is_told_and_changes_nothing() {
    let house = House::new();
    let broker = house.guarded(&user("anna", "p"), "user anna\ntopic t\n");
    let mut anna = Raw::online_at(&broker, as_user5("a", "anna", "p"));
    replace(&house, "acl", "user anna\ntopic read t\ntopics t\n");
    broker.until_logged(REFUSED, 1);
    broker.expect_log("acl:3: ");
    anna.send(v5::publish("t", "1").qos(1, 1)).expect(v5::ack(0x40, 1, 0x10));
    // The password file is right and the list is not: nothing of both counts.
    replace(&house, "passwd", &user("bert", "p"));
    broker.until_logged(REFUSED, 2);
    anna.ping();
    assert_eq!(code(&broker, as_user("b", "bert", "p")), 4);
    replace(&house, "acl", "user bert\ntopic t\n");
    broker.until_logged(READ, 1);
    anna.expect(v5::disconnect(0x87)).expect_closed();
    assert_eq!(code(&broker, as_user("b", "bert", "p")), 0);
    replace(&house, "passwd", "bert:secret-in-the-clear\n");
    broker.until_logged(REFUSED, 3);
    broker.expect_log("passwd:1: ");
    assert!(!broker.log().contains("secret-in-the-clear"), "a secret is in the log");
}

/// As Kubernetes mounts its secrets.
#[test]
fn a_swapped_link_is_seen() {
    let house = House::new();
    for (version, rights) in [("v1", "topic t\n"), ("v2", "topic read t\n"), ("v3", "topic t\n")] {
        fs::create_dir(house.path(version)).unwrap();
        house.write(&format!("{version}/acl"), rights);
    }
    symlink("v1", house.path("..data")).unwrap();
    symlink("..data/acl", house.path("acl")).unwrap();
    let broker = house.broker("allow_anonymous true\nacl_file DIR/acl\n");
    let mut anna = Raw::online_at(&broker, v5::connect("a"));
    anna.send(v5::publish("t", "1").qos(1, 1)).expect(v5::ack(0x40, 1, 0x10));
    for (count, version, reason) in [(1, "v2", 0x87), (2, "v3", 0x10)] {
        symlink(version, house.path("..data.new")).unwrap();
        fs::rename(house.path("..data.new"), house.path("..data")).unwrap();
        broker.until_logged(READ, count);
        anna.send(v5::publish("t", "2").qos(1, 2)).expect(v5::ack(0x40, 2, reason));
    }
}

/// A burst of changes is one change, and a SIGHUP has read what came before it.
#[test]
fn nothing_is_read_more_often_than_it_must_be() {
    let house = House::new();
    let broker = house.guarded(&user("anna", "p"), "user anna\ntopic t\n");
    for number in 0..20 {
        house.write("acl", &format!("user anna\ntopic t{number}\n"));
    }
    broker.until_logged(READ, 1);
    house.write("acl", "user anna\ntopic last\n");
    broker.signal("HUP");
    broker.until_logged("Configuration read again: 1 changes", 1);
    house.write("acl", "user anna\ntopic t\n");
    broker.until_logged(READ, 2);
    let read = broker.log().matches(READ).count();
    assert_eq!(read, 2, "{}", broker.log());
    // Nothing but the listener's files is looked at.
    house.write("other", "x");
    house.write("passwd", &user("anna", "q"));
    broker.until_logged(READ, 3);
}
