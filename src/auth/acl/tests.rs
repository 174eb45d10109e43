//! What a list says, line by line.

use super::*;
use crate::rng::Rng;
use crate::session::Peer;

fn parsed(text: &str) -> Acl {
    Acl::parse("acl", text.as_bytes(), 1).unwrap().0
}

fn client(client_id: &str, user_name: Option<&str>) -> Identity {
    let (client_id, user_name) = (client_id.into(), user_name.map(Into::into));
    Identity { client_id, user_name, peer: Peer::default(), certificate: None }
}

/// What client `c` may do, as a letter each, and the line that says so: `r1 w0`.
fn says(acl: &Acl, user: Option<&str>, topic: &str) -> String {
    let who = client("c", user);
    let one = |what| {
        let Decision { is_allowed, line } = acl.decide(&who, what, topic);
        format!("{}{line}", if is_allowed { "+" } else { "-" })
    };
    assert_eq!(acl.decide(&who, Access::Will, topic), acl.decide(&who, Access::Publish, topic));
    format!("{} {}", one(Access::Receive), one(Access::Publish))
}

fn subscribes(acl: &Acl, who: &Identity, filter: &str) -> String {
    let Decision { is_allowed, line } = acl.decide(who, Access::Subscribe, filter);
    format!("{}{line}", if is_allowed { "+" } else { "-" })
}

const LIST: &str = "\
topic read news/#
topic both

user anna
topic readwrite home/#
topic deny home/safe
topic write log/anna
# A comment.
user bert b
topic read with blanks in it
pattern readwrite dev/%c/#
pattern read of/%u
pattern deny dev/+/secret
user anna
topic denywrite home/clock
";

#[test]
fn rules_belong_to_whom_they_stand_below() {
    let acl = parsed(LIST);
    assert_eq!(says(&acl, None, "news/a"), "+1 -0");
    assert_eq!(says(&acl, None, "both"), "+2 +2");
    assert_eq!(says(&acl, Some("anna"), "news/a"), "-0 -0", "those above are for nobody else");
    assert_eq!(says(&acl, Some("anna"), "home/light"), "+5 +5");
    assert_eq!(says(&acl, Some("anna"), "home"), "+5 +5");
    assert_eq!(says(&acl, Some("anna"), "log/anna"), "-0 +7");
    assert_eq!(says(&acl, Some("bert b"), "with blanks in it"), "+10 -0");
    assert_eq!(says(&acl, Some("nobody"), "home/light"), "-0 -0");
    assert!(acl.names_users() && acl.len() == 10);
}

#[test]
fn denials_come_first_and_the_user_before_the_patterns() {
    let acl = parsed(LIST);
    assert_eq!(says(&acl, Some("anna"), "home/safe"), "-6 -6");
    assert_eq!(says(&acl, Some("anna"), "home/clock"), "+5 -15", "of a second section");
    assert_eq!(says(&acl, Some("anna"), "dev/c/light"), "+11 +11");
    assert_eq!(says(&acl, Some("anna"), "dev/c/secret"), "-13 -13");
    let acl = parsed("user u\ntopic readwrite a/b\npattern deny a/#\n");
    assert_eq!(says(&acl, Some("u"), "a/b"), "+2 +2");
    assert_eq!(says(&acl, Some("u"), "a/c"), "-3 -3");
}

#[test]
fn system_topics_need_a_rule_of_their_own() {
    let acl = parsed("topic #\ntopic read $SYS/#\n");
    assert_eq!(says(&acl, None, "a/b"), "+1 +1");
    assert_eq!(says(&acl, None, "$SYS/broker/uptime"), "+2 -0");
    assert_eq!(says(&acl, None, "$CONTROL/x"), "-0 -0");
    let patterns = parsed("pattern +/%c\n");
    assert_eq!(says(&patterns, None, "$SYS/c"), "-0 -0");
    assert_eq!(says(&patterns, None, "a/c"), "+1 +1");
}

#[test]
fn a_name_is_put_in_whole_and_stays_in_its_level() {
    let acl = parsed("pattern a/%c/%u/x\npattern b-%c.%u-%c/#\npattern c/%u\npattern deny d/%c\n");
    let may = |id: &str, user: Option<&str>, topic: &str| {
        acl.decide(&client(id, user), Access::Publish, topic).line
    };
    assert_eq!(may("i", Some("u"), "a/i/u/x"), 1);
    assert_eq!(may("i", Some("u"), "a/u/i/x"), 0);
    assert_eq!(may("i", None, "a/i//x"), 0, "without a user name it says nothing");
    assert_eq!(may("i", Some("u"), "b-i.u-i/1/2"), 2);
    assert_eq!(may("i", Some("u"), "b-i.u-i"), 2);
    assert_eq!(may("i", Some("u"), "b-i.u-j"), 0);
    assert_eq!(may("i", Some("u"), "c/u"), 3);
    // Nobody reaches beyond himself by his name.
    for name in ["+", "#", "u/+", "x#"] {
        assert_eq!(may("i", Some(name), "c/u"), 0);
        assert_eq!(may(name, Some("u"), "c/u"), 0, "nothing at all is for such a client");
    }
    assert_eq!(may("v/x/x", Some("u"), "a/v/x/x/u/x"), 0);
    assert_eq!(may("i", Some("a/b"), "c/a/b"), 0);
    // A denial reaches as far as the name does.
    assert_eq!(may("a/b", Some("u"), "d/a/b"), 4);
    assert_eq!(may("%u", Some("u"), "d/u"), 0, "what is put in is not looked at again");
    // A list without patterns has nothing to fear from a name.
    let plain = parsed("topic a\n");
    assert!(plain.decide(&client("+", None), Access::Publish, "a").is_allowed);
}

#[test]
fn a_subscription_that_could_bring_nothing_is_refused() {
    let acl = parsed(
        "user u\ntopic read a/b/#\ntopic deny a/b/c/#\ntopic write w\ntopic deny x/#\n\
         pattern read dev/%c/+\n",
    );
    let who = client("c", Some("u"));
    let ask = |filter| subscribes(&acl, &who, filter);
    assert_eq!(ask("a/b"), "+2");
    assert_eq!(ask("a/#"), "+2", "some of it may be read");
    assert_eq!(ask("#"), "+2");
    assert_eq!(ask("+/b/+"), "+2");
    assert_eq!(ask("a/b/c/d"), "-3");
    assert_eq!(ask("a/b/c/#"), "-3");
    assert_eq!(ask("$share/g/a/b"), "+2");
    assert_eq!(ask("$share/g/a/b/c"), "-3");
    assert_eq!(ask("w"), "-0");
    assert_eq!(ask("x/y"), "-5");
    assert_eq!(ask("a/c"), "-0");
    assert_eq!(ask("dev/+/light"), "+6");
    assert_eq!(ask("dev/d/light"), "-0");
    assert_eq!(ask("$SYS/#"), "-0");
    assert_eq!(subscribes(&acl, &client("c", None), "a/b"), "-0");
}

#[test]
fn the_verb_subscribe_limits_filters() {
    let acl = parsed(
        "user u\ntopic read #\ntopic subscribe home/+/#\ntopic denysubscribe home/safe/#\n\
         topic subscribe w\nuser v\ntopic write w\ntopic subscribe w\n",
    );
    let who = client("c", Some("u"));
    let ask = |filter| subscribes(&acl, &who, filter);
    assert_eq!(ask("#"), "-0");
    assert_eq!(ask("home/#"), "-0");
    assert_eq!(ask("home/+"), "+3");
    assert_eq!(ask("home/a/#"), "+3");
    assert_eq!(ask("home/safe/x"), "-4");
    assert_eq!(ask("$share/g/home/a"), "+3");
    assert!(acl.decide(&who, Access::Receive, "home/safe/x").is_allowed, "it is about filters");
    let other = client("c", Some("v"));
    assert_eq!(subscribes(&acl, &other, "w"), "-0", "it may not read what it may subscribe to");
    assert!(!acl.decide(&other, Access::Receive, "w").is_allowed);
}

#[test]
fn everything_wrong_is_told_with_its_line() {
    let deep = format!("topic {}a\n", "a/".repeat(300));
    let text = "user\ntopic\ntopic read\nTopic a\ntopic rea a\npattern a/#/b\n\
                topic read $share/g/a\nuser a b\n"
        .to_owned()
        + &deep;
    let problems = Acl::parse("acl", text.as_bytes(), 1).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let verbs = "the verb behind 'topic' is not known; give read, write, readwrite, subscribe, \
                 deny, denyread, denywrite or denysubscribe";
    assert_eq!(
        told,
        [
            "acl:1: give the name of the user",
            "acl:2: give a topic behind 'topic'",
            "acl:4: 'Topic' is not known; a line begins with user, topic or pattern",
            &format!("acl:5: {verbs}"),
            "acl:6: the topic is none: wildcard out of place",
            "acl:7: write the topic without $share and the group",
            "acl:9: the topic is none: topic of more than 200 levels",
        ]
    );
    let acl = parsed("topic read\n");
    assert_eq!(says(&acl, None, "read"), "+1 +1", "a topic of that name");
    let (acl, notes) = Acl::parse("acl", b"\xef\xbb\xbfpattern a/#\r\n", 1).unwrap();
    assert_eq!(says(&acl, None, "a/b"), "+1 +1");
    assert_eq!(notes.len(), 1);
    assert!(Acl::parse("acl", b"topic \xff", 1).is_err());
    assert!(parsed("").is_empty());
}

#[test]
fn what_changed_is_told_in_numbers() {
    let old = parsed("topic a\nuser u\ntopic b\ntopic c\npattern %c\n");
    let new = parsed("# Moved.\ntopic a\nuser u\ntopic b\nuser v\ntopic c\npattern %c\n");
    assert_eq!(old.difference(&new).as_deref(), Some("access rules: 1 added, 1 removed"));
    assert_eq!(old.difference(&parsed("topic a\nuser u\ntopic c\ntopic b\npattern %c\n")), None);
}

/// The rules in a few lines, for any number of them.
fn plain(rules: &[(bool, Verbs, String)], verb: Verbs, topic: &str) -> u32 {
    let fits = |denials: bool| {
        let found = rules.iter().position(|(is_denial, verbs, filter)| {
            *is_denial == denials && verbs.has(verb) && matches(filter, topic)
        });
        found.map_or(0, |at| u32::try_from(at).unwrap() + 1)
    };
    match fits(true) {
        0 => fits(false),
        denied => denied,
    }
}

#[test]
fn many_rules_decide_as_few_do() {
    let mut rng = Rng::new(11);
    let words = ["a", "b", "c", "+", "d"];
    let (mut yes, mut no) = (0, 0);
    for _ in 0..60 {
        let count = 1 + rng.index(80);
        let mut rules = Vec::new();
        let mut text = String::from("user u\n");
        for _ in 0..count {
            let mut filter: Vec<&str> = (0..=rng.index(3)).map(|_| words[rng.index(5)]).collect();
            if rng.chance(1, 4) {
                filter.push("#");
            }
            let filter = filter.join("/");
            let (verb, is_denial, verbs) = [
                ("read", false, Verbs::READ),
                ("write", false, Verbs::WRITE),
                ("readwrite", false, Verbs::READ_WRITE),
                ("deny", true, Verbs::ALL),
                ("denyread", true, Verbs::READ),
            ][rng.index(5)];
            text += &format!("topic {verb} {filter}\n");
            rules.push((is_denial, verbs, filter));
        }
        let acl = parsed(&text);
        let who = client("c", Some("u"));
        for _ in 0..200 {
            let topic: Vec<&str> =
                (0..=rng.index(4)).map(|_| ["a", "b", "c", "d"][rng.index(4)]).collect();
            let topic = topic.join("/");
            for (verb, what) in [(Verbs::READ, Access::Receive), (Verbs::WRITE, Access::Publish)] {
                let line = plain(&rules, verb, &topic);
                let decision = acl.decide(&who, what, &topic);
                let is_allowed = line > 0 && !rules[line as usize - 1].0;
                let line = if line == 0 { 0 } else { line + 1 };
                assert_eq!(decision, Decision { is_allowed, line }, "{text}{topic}");
                yes += usize::from(is_allowed);
                no += usize::from(!is_allowed);
            }
            // Who may receive something may subscribe to it.
            if acl.decide(&who, Access::Receive, &topic).is_allowed {
                assert!(acl.decide(&who, Access::Subscribe, &topic).is_allowed, "{text}{topic}");
            }
        }
    }
    assert!(yes > 1000 && no > 1000, "{yes} {no}");
}
