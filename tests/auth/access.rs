//! Access control lists.

use super::*;

const RIGHTS: &str = "\
topic read public/#
user anna
topic readwrite home/#
topic deny home/safe
user bert
topic read home/#
topic write in/bert
pattern readwrite own/%c/#
";

fn users() -> String {
    user("anna", "p") + &user("bert", "p")
}

#[test]
fn a_message_passes_twice() {
    let house = House::new();
    let broker = house.guarded(&users(), RIGHTS);
    let mut anna = Raw::online_at(&broker, as_user5("a", "anna", "p"));
    let mut bert = Raw::online_at(&broker, as_user5("b", "bert", "p"));
    bert.send(v5::subscribe(1, &[("#", 1)])).expect(v5::suback(1, &[1]));
    // May be written and read.
    anna.send(v5::publish("home/light", "1").qos(1, 1)).expect(v5::puback(1));
    bert.accept(v5::publish("home/light", "1").qos(1, 1));
    // May not be written: said to 5.0, kept from everybody.
    anna.send(v5::publish("home/safe", "2").qos(1, 2)).expect(v5::ack(0x40, 2, 0x87));
    anna.send(v5::publish("public/x", "2").qos(2, 3)).expect(v5::ack(0x50, 3, 0x87));
    bert.send(v5::publish("home/light", "2").qos(1, 4)).expect(v5::ack(0x40, 4, 0x87));
    // May be written and not be read.
    bert.send(v5::publish("in/bert", "3").qos(1, 5)).expect(v5::puback(5));
    bert.ping();
    // His own, by the client id and not by the name.
    bert.send(v5::publish("own/b/x", "4")).accept(v5::publish("own/b/x", "4"));
    bert.send(v5::publish("own/bert/x", "4").qos(1, 6)).expect(v5::ack(0x40, 6, 0x87));
    anna.ping();
    bert.ping();
}

#[test]
fn a_subscription_that_brings_nothing_is_refused() {
    let house = House::new();
    let broker = house.guarded(&users(), RIGHTS);
    let wanted = [("home/+", 1), ("home/safe", 1), ("public/#", 0), ("#", 2), ("own/x/#", 0)];
    let mut anna = Raw::online_at(&broker, as_user5("a", "anna", "p"));
    anna.send(v5::subscribe(1, &wanted)).expect(v5::suback(1, &[1, 0x87, 0x87, 2, 0x87]));
    let mut old = Raw::online_at(&broker, as_user("o", "anna", "p"));
    old.send(v3::subscribe(1, &wanted)).expect(v3::suback(1, &[1, 0x80, 0x80, 2, 0x80]));
    let mut nobody = Raw::online_at(&broker, v3::connect("n"));
    let wanted = [("home/+", 1), ("public/x", 0), ("$share/g/public/#", 1)];
    nobody.send(v3::subscribe(1, &wanted)).expect(v3::suback(1, &[0x80, 0, 1]));
}

#[test]
fn a_will_is_a_message_like_any_other() {
    let house = House::new();
    let broker = house.guarded(&users(), RIGHTS);
    let mut anna = Raw::online_at(&broker, as_user("a", "anna", "p"));
    anna.send(v3::subscribe(1, &[("#", 0)])).expect(v3::suback(1, &[0]));
    // Fields stand in their order: Will, name, password.
    let with_will = |id: &str, topic: &str| {
        v5::connect(id).will(0, false, topic, "gone").user("anna").password("p")
    };
    assert_eq!(code(&broker, with_will("w", "home/safe")), 0x87);
    let dying = Raw::online_at(&broker, with_will("w", "home/w"));
    dying.drop_link();
    anna.accept(v3::publish("home/w", "gone"));
}

#[test]
fn members_of_a_group_get_what_they_may_read() {
    let house = House::new();
    let broker = house.guarded(&users(), RIGHTS);
    let mut anna = Raw::online_at(&broker, as_user5("a", "anna", "p"));
    let mut nobody = Raw::online_at(&broker, v5::connect("n"));
    let group = |client: &mut Raw| {
        client.send(v5::subscribe(1, &[("$share/g/#", 1)])).expect(v5::suback(1, &[1]));
    };
    group(&mut anna);
    group(&mut nobody);
    let mut publisher = Raw::online_at(&broker, as_user5("p", "anna", "p"));
    for id in 1..=4 {
        publisher.send(v5::publish("home/x", "1").qos(1, id)).expect(v5::puback(id));
        anna.accept(v5::publish("home/x", "1").qos(1, id));
    }
    nobody.ping();
    // What no member may read does not stop what comes behind it.
    anna.disconnect();
    publisher.send(v5::publish("home/x", "2").qos(1, 5));
    assert_eq!(publisher.packet().body()[..2], [0, 5]);
    nobody.ping();
}

#[test]
fn names_do_not_reach_beyond_themselves() {
    let house = House::new();
    let rights = "pattern readwrite own/%u/#\npattern readwrite id/%c/#\n";
    let names = ["anna", "+", "a#", "anna/x"];
    let text: String = names.iter().map(|name| user(name, "p")).collect();
    let broker = house.guarded(&text, rights);
    let mut anna = Raw::online_at(&broker, as_user5("a", "anna", "p"));
    anna.send(v5::publish("own/anna/x/y", "1").qos(1, 1)).expect(v5::ack(0x40, 1, 0x10));
    for name in &names[1..] {
        let mut other = Raw::online_at(&broker, as_user5("o", name, "p"));
        other.send(v5::publish("own/anna/x/y", "1").qos(1, 1)).expect(v5::ack(0x40, 1, 0x87));
        other.send(v5::subscribe(2, &[("own/anna/x/#", 0)])).expect(v5::suback(2, &[0x87]));
    }
    let mut wild = Raw::online_at(&broker, as_user5("+", "anna", "p"));
    wild.send(v5::publish("id/a/x", "1").qos(1, 1)).expect(v5::ack(0x40, 1, 0x87));
    wild.send(v5::subscribe(2, &[("id/+/#", 0)])).expect(v5::suback(2, &[0x87]));
}

/// Offline, with the line that decides.
#[test]
fn the_list_answers_questions() {
    let house = House::new();
    let acl = house.write("acl", RIGHTS);
    let ask = |arguments: &[&str]| {
        let all = [&["--test-acl", &acl][..], arguments].concat();
        let output = run(crate::daemon::PROGRAM, &all, "");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap().replace(&acl, "acl"))
    };
    let yes = |line: u32| (Some(0), format!("allowed by acl:{line}\n"));
    let no = |line: u32| (Some(1), format!("denied by acl:{line}\n"));
    let none = (Some(1), "denied: no line of acl allows it\n".to_owned());
    assert_eq!(ask(&["--user", "anna", "publish", "home/x"]), yes(3));
    assert_eq!(ask(&["--user", "anna", "publish", "home/safe"]), no(4));
    assert_eq!(ask(&["--user", "anna", "subscribe", "#"]), yes(3));
    assert_eq!(ask(&["receive", "public/x"]), yes(1));
    assert_eq!(ask(&["publish", "public/x"]), none);
    assert_eq!(ask(&["--clientid", "lamp", "publish", "own/lamp/x"]), yes(8));
    assert_eq!(ask(&["publish", "own/lamp/x"]), none);
    let fault = |arguments: &[&str], what: &str| {
        let (code, said) = ask(arguments);
        assert!(code == Some(3) && said.contains(what), "{code:?} {said}");
    };
    fault(&["publish", "a/#"], "'a/#': wildcard out of place");
    fault(&["subscribe"], "give publish, subscribe or receive, and a topic");
    fault(&["write", "a"], "'write': give publish");
    fs::write(&acl, "topic\n").unwrap();
    fault(&["publish", "a"], "acl:1: give a topic behind 'topic'");
    let lost = run(crate::daemon::PROGRAM, &["--user", "anna"], "");
    assert!(String::from_utf8_lossy(&lost.stderr).contains("with --test-acl only"), "{lost:?}");
}

#[test]
fn without_a_name_rules_of_users_are_worth_little() {
    let house = House::new();
    house.write("acl", "user anna\ntopic #\n");
    let text = format!("allow_anonymous true\nacl_file {}\n", house.path("acl"));
    let config = house.write("b.conf", &text);
    let output = run(crate::daemon::PROGRAM, &["-c", &config, "--test-config"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("everybody may take any user name; add a password_file"), "{text}");
}
