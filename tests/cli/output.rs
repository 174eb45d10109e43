//! How the consumer writes messages.

use crate::harness::{Broker, topic};

use super::tools::{consumer, publish};

#[test]
fn topics_and_ends_of_line_are_as_asked() {
    let broker = Broker::shared();
    for (options, expected) in [
        // An empty payload counts, and there is nothing to print of it.
        (&[][..], "one\n"),
        (&["-v"], "TOPIC one\nTOPIC (null)\n"),
        (&["-N"], "one"),
        (&["-v", "-N"], "TOPIC oneTOPIC (null)"),
    ] {
        let topic = topic("t");
        let mut arguments = options.to_vec();
        arguments.extend(["-C", "2", &topic]);
        let consumer = consumer(&broker, &arguments);
        publish(&broker, &["-q", "1", &topic, "one"]);
        publish(&broker, &["-q", "1", "-n", "-t", &topic]);
        assert_eq!(consumer.end().fine(), expected.replace("TOPIC", &topic), "{options:?}");
    }
}

#[test]
fn formats_show_message_and_properties() {
    let broker = Broker::shared();
    let topic = topic("t");
    let format = "%t|%p|%q|%r|%l|%05l|%x|%.1:X|%C|%D|%E|%F|%P|%R|%S|%%|@@|\\t|";
    #[rustfmt::skip]
    let consumer = consumer(&broker, &[
        "-V", "5", "-q", "1", "-D", "subscribe", "subscription-identifier", "9",
        "-F", format, "-C", "1", &topic,
    ]);
    #[rustfmt::skip]
    publish(&broker, &[
        "-q", "1", "-D", "publish", "content-type", "text/plain",
        "-D", "publish", "correlation-data", "c", "-D", "publish", "message-expiry-interval", "100",
        "-D", "publish", "payload-format-indicator", "1", "-D", "publish", "response-topic", "r/t",
        "-D", "publish", "user-property", "a", "b", "-D", "publish", "user-property", "a", "c",
        &topic, "hi",
    ]);
    let expected =
        format!("{topic}|hi|1|0|2|00002|6869|68:69|text/plain|c|100|1|a:b a:c|r/t|9|%|@|\t|\n");
    assert_eq!(consumer.end().fine(), expected);
}

#[test]
fn json_is_json() {
    let broker = Broker::shared();
    let topic = topic("t");
    let quoted = consumer(&broker, &["-q", "1", "-F", "%j", "-C", "2", &topic]);
    let embedded = consumer(&broker, &["-F", "%J", "-C", "2", &topic]);
    publish(&broker, &["-q", "1", &topic, "no \"json\" \\"]);
    publish(&broker, &["-q", "1", &topic, "{\"a\": [1, 2.50]}"]);
    let outcome = quoted.end();
    let lines: Vec<_> = outcome.fine().lines().collect();
    let head = format!("\"topic\":\"{topic}\",\"qos\":1,\"retain\":0,\"payloadlen\":11,\"mid\":");
    assert!(lines[0].starts_with("{\"tst\":\"2") && lines[0].contains(&head), "{}", lines[0]);
    assert!(lines[0].ends_with(r#","payload":"no \"json\" \\"}"#), "{}", lines[0]);
    let outcome = embedded.end();
    assert!(outcome.fine().ends_with(",\"payload\":{\"a\": [1, 2.50]}}\n"), "{}", outcome.text());
    assert!(outcome.stderr.iter().any(|line| line.contains("is not JSON")));
}
