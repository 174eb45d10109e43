//! What one client may have, at the bound and beyond, by version.

use mqtt_broker::broker::Options;
use mqtt_broker::codec::{Packet, Subscribe, Unsubscribe, Version};
use mqtt_broker::metrics::Refusal;

use super::World;
use super::words::{at, id, message, v3, v3_kept, v5, with_will};

const NOTHING: [&str; 0] = [];

#[test]
fn one_subscription_too_many_is_refused() {
    let mut world = World::with(|options| options.max_subscriptions = 2);
    world.connect(v5("a"));
    world.connect(v3("b"));
    for (name, refused) in [("a", 0x97), ("b", 0x80)] {
        assert_eq!(world.subscribe(name, "one", 1), 1);
        assert_eq!(world.subscribe(name, "$share/g/two", 2), 2, "a shared one is one");
        assert_eq!(world.subscribe(name, "three", 1), refused);
        assert_eq!(world.subscribe(name, "one", 2), 2, "replaced");
        assert_eq!(world.subscribe(name, "$share/g/two", 0), 0, "replaced");
        world.unsubscribe(name, "one");
        assert_eq!(world.subscribe(name, "three", 1), 1, "there is a place again");
    }
    assert_eq!(world.refusals(Refusal::Subscriptions), 2);
    world.publish("b", "three", "x", 1);
    assert_eq!(world.heard("a"), ["three=x q1 #1"]);
    world.lift();
    world.end();
}

/// The bound holds within one packet, too, filter by filter.
#[test]
fn of_several_filters_the_first_are_granted() {
    let mut world = World::with(|options| options.max_subscriptions = 2);
    world.connect(v5("a"));
    let filters = ["1", "2", "3", "1"].map(|filter| (filter.to_owned(), at(1))).into();
    let (packet_id, user_properties) = (id(9), Vec::new());
    world.send(
        "a",
        &Packet::Subscribe(Subscribe {
            packet_id,
            subscription_identifier: None,
            user_properties,
            filters,
        }),
    );
    assert_eq!(world.heard("a"), ["suback #9 1,1,0x97,1"]);
    world.lift();
    world.end();
}

/// A session that has more than is allowed since keeps what it has.
#[test]
fn a_resumed_session_keeps_its_subscriptions() {
    let mut world = World::new();
    world.connect(v3_kept("a"));
    for filter in ["1", "2", "3"] {
        world.subscribe("a", filter, 1);
    }
    world.cut("a");
    world.configure(Options { max_subscriptions: 1, ..Options::default() });
    assert!(world.connect(v3_kept("a")).session_present);
    assert_eq!(world.subscribe("a", "2", 0), 0, "replaced");
    assert_eq!(world.subscribe("a", "4", 0), 0x80);
    world.publish("a", "3", "x", 1);
    assert_eq!(world.heard("a"), ["3=x q1 #1"]);
    world.lift();
    world.end();
}

#[test]
fn a_topic_beyond_the_limits_is_refused_or_ends_the_connection() {
    for topic in ["1/2/3/4", "a-long-topic"] {
        let mut world = World::with(|options| {
            (options.max_topic_levels, options.max_topic_length) = (3, 10);
        });
        for name in ["a", "b"] {
            world.connect(v5(name));
        }
        world.connect(v3("c"));
        world.subscribe("b", "#", 2);
        // 5.0 above QoS 0 is told, and goes on.
        for level in [1, 2] {
            world.say("a", message(topic, "x"), level);
        }
        assert_eq!(world.heard("a"), ["puback #1 0x90", "pubrec #2 0x90"], "{topic}");
        world.publish("a", "1/2/3", "kept", 1);
        assert_eq!(world.heard("b"), ["1/2/3=kept q1 #1"]);
        // Who would take it for delivered is disconnected.
        world.say("a", message(topic, "x"), 0);
        assert_eq!(world.heard("a"), ["disconnect 0x90"]);
        for level in [0, 1, 2] {
            world.connect(v3("c"));
            world.say("c", message(topic, "x"), level);
            assert!(!world.is_connected("c"), "{topic} at QoS {level}");
            assert_eq!(world.heard("c"), NOTHING);
        }
        assert_eq!(world.heard("b"), NOTHING);
        assert_eq!(world.refusals(Refusal::Topic), 6);
        world.lift();
        world.end();
    }
}

/// A topic that was short enough when it was first seen is measured again.
#[test]
fn a_limit_that_is_lowered_holds_for_the_last_topic() {
    let mut world = World::new();
    world.connect(v5("a"));
    world.publish("a", "long/topic", "x", 1);
    world.configure(Options { max_topic_length: 5, ..Options::default() });
    world.say("a", message("long/topic", "x"), 1);
    assert_eq!(world.heard("a"), ["puback #2 0x90"]);
    world.end();
}

/// An alias does not make a topic shorter.
#[test]
fn a_topic_behind_an_alias_is_measured() {
    let mut world = World::with(|options| options.max_topic_length = 5);
    world.connect(v5("a"));
    let mut publish = message("long/topic", "x");
    publish.properties.topic_alias = Some(1);
    world.say("a", publish.clone(), 1);
    publish.topic.clear();
    world.say("a", publish, 1);
    assert_eq!(world.heard("a"), ["puback #1 0x90", "puback #2 0x90"]);
    world.end();
}

#[test]
fn a_filter_beyond_the_limits_is_refused() {
    let mut world = World::with(|options| {
        (options.max_topic_levels, options.max_topic_length) = (3, 10);
    });
    world.connect(v5("a"));
    world.connect(v3("b"));
    for (name, refused) in [("a", 0x8f), ("b", 0x80)] {
        for filter in ["+/+/+/#", "$share/g/1/2/3/4", "a-long-filter", "$share/g/a-long-one!"] {
            assert_eq!(world.subscribe(name, filter, 1), refused, "{filter}");
        }
        for filter in ["+/+/#", "$share/a-long-name/1/2/3", "0123456789"] {
            assert_eq!(world.subscribe(name, filter, 1), 1, "{filter}");
        }
    }
    assert_eq!(world.refusals(Refusal::Filter), 8);
    world.end();
}

/// What was subscribed to before the limit came can be given up.
#[test]
fn a_long_filter_can_be_unsubscribed() {
    let mut world = World::new();
    world.connect(v5("a"));
    world.subscribe("a", "a-long-filter", 1);
    world.configure(Options { max_topic_length: 5, ..Options::default() });
    let unsubscribe = Unsubscribe {
        packet_id: id(7),
        user_properties: Vec::new(),
        filters: vec!["a-long-filter".into()],
    };
    world.send("a", &Packet::Unsubscribe(unsubscribe));
    assert_eq!(world.heard("a"), ["unsuback #7 0"]);
    world.end();
}

#[test]
fn a_client_id_beyond_the_limit_is_refused() {
    let mut world = World::with(|options| options.max_client_id_length = 23);
    let (fits, long) = ("a".repeat(23), "b".repeat(24));
    for version in [Version::V31, Version::V311, Version::V5] {
        world.connect(v3(&fits).version(version));
        world.call(v3(&long).version(version));
        assert_eq!(world.heard(&long), ["connack refused 0x85"], "{version:?}");
        assert!(!world.is_connected(&long));
    }
    // An id of the broker's own choice may be as long as it is.
    world.call(v5(""));
    assert!(world.is_connected(""));
    world.people.get_mut(&long).unwrap().conn = None;
    world.people.remove(&long);
    world.lift();
    world.end();
}

#[test]
fn a_will_topic_beyond_the_limits_is_refused() {
    let mut world = World::with(|options| options.max_topic_levels = 2);
    for (connect, refused) in [(v5("a"), "connack refused 0x90"), (v3("b"), "connack refused 0x87")]
    {
        let name = connect.client_id.clone();
        world.call(with_will(connect, "1/2/3", 0));
        assert_eq!(world.heard(&name), [refused]);
        assert!(!world.is_connected(&name));
    }
    assert_eq!(world.refusals(Refusal::Topic), 2);
    world.end();
}

#[test]
fn a_retained_message_too_many_is_delivered_and_not_retained() {
    let mut world = World::with(|options| options.max_retained_messages = 2);
    world.connect(v5("a"));
    world.connect(v3("b"));
    world.connect(v5("c"));
    world.subscribe("c", "#", 2);
    for (topic, level) in [("1", 1), ("2", 2), ("3", 0), ("3", 1), ("3", 2)] {
        world.say("a", message(topic, "x").retain(true), level);
    }
    // At QoS 2 an error would say that it was not delivered.
    let heard = world.heard("a");
    assert_eq!(heard, ["puback #1", "pubrec #2", "puback #3 0x97", "pubrec #4"]);
    for level in [0, 1, 2] {
        world.say("b", message("4", "y").retain(true), level);
    }
    assert_eq!(world.heard("b"), ["puback #1", "pubrec #2"]);
    assert_eq!(world.refusals(Refusal::Retained), 6);
    let topics: Vec<String> =
        world.heard("c").iter().filter_map(|l| Some(l.split_once('=')?.0.to_owned())).collect();
    assert_eq!(topics, ["1", "2", "3", "3", "3", "4", "4", "4"]);
    assert_eq!(world.machine.broker.retained(), 2);
    // Replacing and clearing are always possible, and clearing makes a place.
    world.say("a", message("1", "new").retain(true), 1);
    world.say("a", message("2", "").retain(true), 1);
    world.say("a", message("3", "z").retain(true), 1);
    assert_eq!(world.heard("a"), ["puback #5", "puback #6", "puback #7"]);
    world.connect(v5("d"));
    world.subscribe("d", "#", 0);
    assert_eq!(world.heard("d"), ["1=new retained", "3=z retained"]);
    for topic in ["1", "3"] {
        world.publish_retained("a", topic, "", 0);
    }
    for (name, packet_id) in [("a", 2), ("a", 4), ("b", 2)] {
        world.send(name, &Packet::PubRel(super::words::ack(packet_id)));
    }
    world.end();
}

/// A Will is not retained either, and goes out.
#[test]
fn a_retained_will_too_many_is_delivered() {
    let mut world = World::with(|options| options.max_retained_messages = 1);
    world.connect(v5("a"));
    world.publish_retained("a", "1", "x", 1);
    let mut connect = with_will(v5("b"), "2", 0);
    connect.will.as_mut().unwrap().retain = true;
    world.connect(connect);
    world.subscribe("a", "2", 0);
    world.cut("b");
    assert_eq!(world.heard("a"), ["2=gone"]);
    assert_eq!(world.machine.broker.retained(), 1);
    assert_eq!(world.refusals(Refusal::Retained), 1);
    world.end();
}
