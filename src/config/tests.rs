//! The option table row by row, the syntax rule by rule, and what becomes of a file.

use super::options::{self, Entry, Mark, Place, Scope};
use super::settings::Config;
use super::*;
use crate::codec::QoS;
#[cfg(feature = "tls")]
use crate::session::CertificateName;

/// Files in memory: path and text. A directory is what lies below its path.
struct Tree<'t>(&'t [(&'t str, &'t [u8])]);

impl Files for Tree<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let file = self.0.iter().find(|(known, _)| *known == path);
        file.map(|(_, text)| text.to_vec()).ok_or_else(|| "no such file".into())
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, String> {
        let names = self.0.iter().filter_map(|(path, _)| path.strip_prefix(directory));
        let names: Vec<String> = names.map(|name| name.trim_matches('/').into()).collect();
        if names.is_empty() { Err("no such directory".into()) } else { Ok(names) }
    }
}

fn told(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// What a file `f` says, or what is wrong with it.
fn said(text: &str) -> Result<Reading, Vec<String>> {
    let files = [("f", text.as_bytes())];
    read("f", &Tree(&files), &Fallback::default()).map_err(|problems| told(&problems))
}

#[track_caller]
fn fine(text: &str) -> Config {
    said(text).unwrap_or_else(|problems| panic!("{text:?}: {problems:#?}")).config
}

#[track_caller]
fn wrong(text: &str) -> Vec<String> {
    said(text).err().unwrap_or_else(|| panic!("{text:?} is taken"))
}

fn warnings(text: &str) -> Vec<String> {
    told(&said(text).unwrap().warnings)
}

/// Every option: a good value that is not the default, what the setting then shows, a bad value,
/// and what is said about that. Empty where no value is bad but none.
const CASES: &[(&str, &str, &str, &str, &str)] = &[
    ("include_dir", "d", "", "", ""),
    ("per_listener_settings", "true", "", "maybe", "true or false"),
    ("pid_file", "/run/a b.pid", "/run/a b.pid", "", ""),
    ("user", "mqtt", "mqtt", "", ""),
    ("sys_interval", "0", "0", "-1", "seconds, a number from 0 to 65535"),
    ("set_tcp_nodelay", "false", "false", "2", "true or false"),
    ("enable_control_api", "true", "", "x", "true or false"),
    ("allow_anonymous", "true", "true", "maybe", "true or false"),
    ("allow_zero_length_clientid", "false", "false", "maybe", "true or false"),
    ("auto_id_prefix", "x y", "x y", "", ""),
    ("password_file", "/p", "/p", "", ""),
    ("acl_file", "/a", "/a", "", ""),
    ("check_retain_source", "false", "false", "maybe", "true or false"),
    ("auth_plugin_deny_special_chars", "false", "", "maybe", "true or false"),
    ("psk_file", "/p", "", "", ""),
    ("clientid_prefixes", "sec-", "", "", ""),
    ("plugin", "/p.so", "", "", ""),
    ("plugin_opt_*", "1", "", "", ""),
    ("global_plugin", "/p.so", "", "", ""),
    ("plugin_load", "n /p.so", "", "", ""),
    ("plugin_use", "n", "", "", ""),
    ("listener", "1884 ::1", "", "70000", "a port from 1 to 65535"),
    ("port", "1884", "", "0", "a number from 1 to 65535"),
    ("bind_address", "127.0.0.1", "", "a b", "remove 'b'"),
    ("bind_interface", "eth0", "eth0", "", ""),
    ("socket_domain", "ipv6", "ipv6", "ipv5", "one of both, ipv4, ipv6"),
    ("unix_socket_mode", "0600", "0600", "0888", "octal"),
    ("unix_socket_owner", "mqtt:mqtt", "mqtt:mqtt", "", ""),
    ("max_connections", "7", "7", "many", "connections, a number up to"),
    ("max_qos", "1", "1", "3", "a number from 0 to 2"),
    ("max_topic_alias", "0", "0", "65536", "aliases, a number from 0 to 65535"),
    ("max_topic_alias_broker", "65535", "65535", "-1", "aliases, a number from 0 to 65535"),
    ("accept_protocol_versions", "5, 4", "4,5", "3.1", "one or more of 3, 4, 5"),
    ("mount_point", "house/", "house/", "house/#", "without + and #"),
    ("use_username_as_clientid", "true", "true", "maybe", "true or false"),
    ("listener_allow_anonymous", "true", "true", "maybe", "true or false"),
    ("listener_auto_id_prefix", "x", "x", "", ""),
    ("protocol", "websockets", "websockets", "wss", "one of mqtt, websockets"),
    ("http_dir", "/srv", "", "", ""),
    ("websockets_origin", "https://a", "https://a", "", ""),
    ("packet_buffer_size", "1024", "", "x", "bytes, a number from 0"),
    ("websockets_log_level", "7", "", "x", "a number from 0"),
    ("enable_proxy_protocol", "2", "2", "3", "one of 1, 2"),
    ("proxy_protocol_v2_require_tls", "true", "true", "maybe", "true or false"),
    ("proxy_trusted_networks", "10.0.0.0/8", "10.0.0.0/8", "10.0.0.1/8", "as in 10.0.0.0/8"),
    ("certfile", "/c", "/c", "", ""),
    ("keyfile", "/c", "/c", "", ""),
    ("cafile", "/c", "/c", "", ""),
    ("capath", "/c", "/c", "", ""),
    ("require_certificate", "true", "true", "maybe", "true or false"),
    ("use_identity_as_username", "true", "true", "maybe", "true or false"),
    ("use_subject_as_username", "true", "true", "maybe", "true or false"),
    ("certificate_username", "uri", "uri", "name", "one of cn, subject, dns"),
    ("crlfile", "/c", "/c", "", ""),
    ("ciphers", "x", "x", "", ""),
    ("ciphers_tls1.3", "x", "x", "", ""),
    ("tls_version", "tlsv1.3", "tlsv1.3", "tlsv1.1", "one of tlsv1.2, tlsv1.3"),
    ("dhparamfile", "/d", "", "", ""),
    ("disable_client_cert_date_checks", "true", "true", "maybe", "true or false"),
    ("tls_keyform", "engine", "", "der", "one of pem, engine"),
    ("tls_engine", "x", "", "", ""),
    ("tls_engine_kpass_sha1", "x", "", "", ""),
    ("psk_hint", "x", "", "", ""),
    ("max_packet_size", "20", "20", "19", "bytes, a number from 20"),
    ("max_connect_size", "500", "500", "x", "bytes, a number from 20"),
    ("message_size_limit", "10", "10", "268435456", "a number up to 268435455, or 0"),
    ("max_keepalive", "65535", "65535", "65536", "seconds, a number up to 65535, or 0"),
    ("global_max_clients", "10", "10", "1.5", "clients, a number up to"),
    ("global_max_connections", "4294967295", "4294967295", "4294967296", "up to 4294967295"),
    ("max_connections_per_address", "4", "4", "x", "connections, a number up to"),
    ("max_connection_rate", "5", "5", "x", "connections, a number up to"),
    ("max_message_rate", "5", "5", "5/s", "messages, a number up to"),
    ("max_byte_rate", "18446744073709551615", "18446744073709551615", "1k", "bytes, or 0"),
    ("max_subscriptions", "5", "5", "+5", "subscriptions, a number up to"),
    ("max_topic_levels", "8", "8", "201", "levels, a number from 1 to 200"),
    ("max_topic_length", "100", "100", "0", "bytes, a number from 1 to 65535"),
    ("max_clientid_length", "23", "23", "22", "bytes, a number from 23 to 65535"),
    ("max_retained_messages", "5", "5", "x", "messages, a number up to"),
    ("memory_limit", "64000000", "64000000", "64M", "bytes, or 0 for no limit"),
    ("connect_timeout", "5", "5", "0", "seconds, a number from 1 to 3600"),
    ("stalled_timeout", "5", "5", "0", "seconds, a number from 1 to 86400"),
    ("max_inflight_messages", "1", "1", "65536", "messages, a number up to 65535"),
    ("max_inflight_bytes", "1", "1", "x", "bytes, or 0 for no limit"),
    ("max_queued_messages", "0", "no limit", "x", "messages, a number up to"),
    ("max_queued_bytes", "5", "5", "99999999999999999999", "bytes, or 0 for no limit"),
    ("queue_overflow", "drop-old", "drop-old", "drop", "one of drop-new, drop-old, disconnect"),
    ("queue_qos0_messages", "true", "true", "maybe", "true or false"),
    ("retain_available", "false", "false", "maybe", "true or false"),
    ("retain_expiry_interval", "60", "60", "x", "minutes, a number up to"),
    ("persistent_client_expiration", "2w", "14d", "14", "as in 14d"),
    ("upgrade_outgoing_qos", "true", "true", "maybe", "true or false"),
    ("allow_duplicate_messages", "true", "", "maybe", "true or false"),
    ("retry_interval", "20", "", "x", "seconds, a number up to"),
    ("log_dest", "file /var/log/a b.log", "file /var/log/a b.log", "printer", "stderr | stdout"),
    ("log_type", "error debug", "error debug", "errors", "one or more of error, warning"),
    ("connection_messages", "false", "false", "maybe", "true or false"),
    ("log_timestamp", "false", "false", "maybe", "true or false"),
    ("log_timestamp_format", "%H:%M %S", "%H:%M %S", "", ""),
    ("log_format", "json", "json", "xml", "one of text, json"),
    ("log_facility", "5", "5", "8", "a number from 0 to 7"),
    ("log_file_size", "1000000", "1000000", "1M", "bytes, or 0 for no limit"),
    ("log_file_count", "3", "3", "1001", "files, a number from 0 to 1000"),
    ("max_log_entries", "3", "", "x", "lines, a number from 0"),
    ("persistence", "true", "true", "maybe", "true or false"),
    ("persistence_location", "/var/lib", "/var/lib", "", ""),
    ("persistence_file", "a.db", "a.db", "", ""),
    (
        "persistence_sync",
        "interval 100 ms",
        "interval 100 ms",
        "interval",
        "always | interval N ms | off",
    ),
    ("autosave_interval", "60", "60", "x", "seconds, a number up to"),
    ("autosave_on_changes", "true", "true", "maybe", "true or false"),
    ("connection", "b", "", "", ""),
    ("address", "host:1883 other", "", "", ""),
    ("topic", "# both 2 \"\" x/", "", "", ""),
    ("round_robin", "true", "", "maybe", "true or false"),
    ("bridge_protocol_version", "mqttv50", "", "5", "one of mqttv31, mqttv311, mqttv50"),
    ("remote_clientid", "x", "", "", ""),
    ("remote_username", "x", "", "", ""),
    ("remote_password", "x", "", "", ""),
    ("local_clientid", "x", "", "", ""),
    ("local_username", "x", "", "", ""),
    ("local_password", "x", "", "", ""),
    ("cleansession", "true", "", "maybe", "true or false"),
    ("local_cleansession", "true", "", "maybe", "true or false"),
    ("keepalive_interval", "5", "", "4", "seconds, a number from 5"),
    ("start_type", "lazy", "", "manual", "one of automatic, lazy, once"),
    ("restart_timeout", "10 30", "", "", ""),
    ("idle_timeout", "5", "", "0", "seconds, a number from 1"),
    ("threshold", "5", "", "0", "messages, a number from 1"),
    ("notifications", "false", "", "maybe", "true or false"),
    ("notifications_local_only", "true", "", "maybe", "true or false"),
    ("notification_topic", "a/b", "", "", ""),
    ("try_private", "false", "", "maybe", "true or false"),
    ("bridge_attempt_unsubscribe", "false", "", "maybe", "true or false"),
    ("bridge_outgoing_retain", "false", "", "maybe", "true or false"),
    ("bridge_max_packet_size", "100", "", "x", "bytes, a number up to"),
    ("bridge_max_topic_alias", "0", "", "x", "aliases, a number from 0"),
    ("bridge_receive_maximum", "5", "", "0", "messages, a number from 1"),
    ("bridge_session_expiry_interval", "5", "", "x", "seconds, a number from 0"),
    ("bridge_reload_type", "immediate", "", "eager", "one of lazy, immediate"),
    ("bridge_bind_address", "::1", "", "", ""),
    ("bridge_tcp_keepalive", "60 10 3", "", "", ""),
    ("bridge_tcp_user_timeout", "5", "", "x", "milliseconds, a number from 0"),
    ("bridge_cafile", "/c", "", "", ""),
    ("bridge_capath", "/c", "", "", ""),
    ("bridge_certfile", "/c", "", "", ""),
    ("bridge_keyfile", "/c", "", "", ""),
    ("bridge_insecure", "true", "", "maybe", "true or false"),
    ("bridge_tls_version", "tlsv1.3", "", "3", "one of tlsv1.2, tlsv1.3"),
    ("bridge_tls_use_os_certs", "true", "", "maybe", "true or false"),
    ("bridge_alpn", "mqtt", "", "", ""),
    ("bridge_ciphers", "x", "", "", ""),
    ("bridge_ciphers_tls1.3", "x", "", "", ""),
    ("bridge_require_ocsp", "true", "", "maybe", "true or false"),
    ("bridge_identity", "x", "", "", ""),
    ("bridge_psk", "x", "", "", ""),
];

/// The file with one option in its place, and the number of its line.
fn file_with(entry: &Entry, value: &str) -> (String, usize) {
    let name = entry.name.replace('*', "key");
    let above = match entry.scope {
        Scope::Listener if identity::NAMES.contains(&entry.name) => {
            "listener 1883\ncertfile c\nrequire_certificate true\n"
        }
        Scope::Listener => "listener 1883\n",
        Scope::Bridge => "connection b\n",
        Scope::Global | Scope::Security | Scope::File => "",
    };
    (format!("{above}{name} {value}\n"), above.lines().count() + 1)
}

fn shown(entry: &Entry, config: &Config) -> String {
    match entry.place {
        Place::Broker(access) => entry.shown((access.get)(config)),
        Place::Listener(access) => entry.shown((access.get)(&config.listeners[0])),
        Place::Nowhere => String::new(),
    }
}

/// Whether a file of this build can have it: names are taken from certificates, so that somebody
/// must have asked for them.
fn can_have(entry: &Entry) -> bool {
    cfg!(feature = "tls") || !identity::NAMES.contains(&entry.name)
}

#[test]
fn every_option_has_a_case() {
    let cases: Vec<&str> = CASES.iter().map(|case| case.0).collect();
    let table: Vec<&str> = options::all().map(|entry| entry.name).collect();
    assert_eq!(table, cases);
}

#[test]
fn every_option_is_read_and_its_mark_heeded() {
    for ((name, good, shows, ..), entry) in CASES.iter().zip(options::all()) {
        if !can_have(entry) {
            continue;
        }
        let (text, line) = file_with(entry, good);
        let files: &[(&str, &[u8])] = &[("f", text.as_bytes()), ("d/a.conf", b"# Empty.\n")];
        let reading = read("f", &Tree(files), &Fallback::default());
        let at = format!("f:{line}: {}", name.trim_end_matches('*'));
        match (entry.mark, reading) {
            (Mark::Works, Ok(reading)) => assert_eq!(shown(entry, &reading.config), *shows),
            (Mark::Warns(what), Ok(reading)) => {
                assert_eq!(shown(entry, &reading.config), *shows, "{name}");
                let said = told(&reading.warnings);
                let is_said = |said: &String| said.starts_with(&at) && said.ends_with(what);
                assert!(said.iter().any(is_said), "{name}: {said:?}");
            }
            (Mark::Refused(what) | Mark::Later(what), Err(problems)) => {
                let said = told(&problems);
                let is_bridge =
                    entry.scope == Scope::Bridge && matches!(entry.mark, Mark::Later(_));
                let at = if is_bridge { "f:1: connection" } else { &at };
                let is_said = |said: &String| said.starts_with(at) && said.contains(what);
                assert!(said.iter().any(is_said), "{name}: {said:?}");
            }
            (mark, reading) => panic!("{name} is {mark:?}: {reading:?}"),
        }
    }
}

#[test]
fn every_bad_value_is_told_with_what_is_right() {
    for ((name, _, _, bad, says), entry) in CASES.iter().zip(options::all()) {
        let (text, line) = file_with(entry, bad);
        let problems = wrong(&text);
        let name = name.replace('*', "key");
        let expected = if bad.is_empty() {
            format!("f:{line}: {name} has no value; give ")
        } else {
            format!("f:{line}: {name} '{bad}': ")
        };
        let is_told = |said: &String| said.starts_with(&expected) && said.contains(says);
        assert!(problems.iter().any(is_told), "{name}: {problems:?}");
    }
}

#[test]
fn every_default_is_the_one_of_the_table_and_harmless() {
    let config = fine("listener 1883\n");
    for entry in options::all() {
        let is_set = !matches!(entry.place, Place::Nowhere) && entry.replaces.is_empty();
        let is_told_in_words = matches!(entry.name, "allow_anonymous");
        if is_set && !is_told_in_words {
            assert_eq!(shown(entry, &config), entry.default, "{}", entry.name);
        }
        let is_value = entry.kind == options::Kind::Flag && !entry.default.contains(' ');
        if is_value && can_have(entry) && entry.scope != Scope::Bridge {
            let (text, _) = file_with(entry, entry.default);
            let said = warnings(&text);
            let is_about = |said: &&String| said.contains(&format!(": {}:", entry.name));
            assert_eq!(said.iter().find(is_about), None, "a default needs no warning");
        }
    }
}

#[test]
fn what_restricts_or_protects_is_never_merely_warned_about() {
    let protective = [
        "psk_file",
        "psk_hint",
        "clientid_prefixes",
        "plugin",
        "plugin_opt_*",
        "global_plugin",
        "plugin_load",
        "plugin_use",
        "proxy_protocol_v2_require_tls",
        "bridge_psk",
        "bridge_identity",
        "bridge_require_ocsp",
        "password_file",
        "acl_file",
        "require_certificate",
        "use_identity_as_username",
        "use_subject_as_username",
        "certificate_username",
        "certfile",
        "disable_client_cert_date_checks",
        "accept_protocol_versions",
        "bind_interface",
        "mount_point",
        "memory_limit",
        "max_connection_rate",
        "user",
    ];
    for name in protective {
        let entry = options::find(&name.replace('*', "x")).unwrap();
        assert!(!matches!(entry.mark, Mark::Warns(_)), "{name}");
    }
}

#[test]
fn old_names_mean_the_same() {
    let names = [
        ("auth_plugin", "plugin"),
        ("auth_opt_x", "plugin_opt_*"),
        ("maximum_qos", "max_qos"),
        ("retained_persistence", "persistence"),
        ("websockets_headers_size", "packet_buffer_size"),
        ("addresses", "address"),
        ("clientid", "remote_clientid"),
        ("username", "remote_username"),
        ("password", "remote_password"),
    ];
    for (alias, name) in names {
        assert_eq!(options::find(alias).map(|entry| entry.name), Some(name));
    }
    assert!(options::find("plugin_opt_").is_none(), "a key is missing");
    let names: Vec<&str> = options::all().flat_map(Entry::names).collect();
    for (number, name) in names.iter().enumerate() {
        assert!(!names[..number].contains(name), "{name} is there twice");
    }
    assert_eq!(fine("listener 1883\nmaximum_qos 0\n").listeners[0].max_qos, QoS::AtMostOnce);
}

#[test]
fn lines_are_a_name_and_a_value() {
    let texts = [
        "listener 1883\nallow_anonymous true\n",
        "listener 1883\r\nallow_anonymous true\r\n",
        "  listener   1883  \n\n\t\n# A comment.\n  # Another.\nallow_anonymous\ttrue",
        "\u{feff}listener 1883 # Trailing.\nallow_anonymous true # For a while.\n",
        "listener 1883\nallow_anonymous 1\n",
        "listener 1883\nallow_anonymous Yes\n",
        "listener 1883\nallow_anonymous false\nallow_anonymous on\n",
    ];
    for text in texts {
        let config = fine(text);
        assert_eq!(config.listeners.len(), 1);
        assert_eq!(config.listeners[0].address, Address::Any { port: 1883 }, "{text:?}");
        assert!(config.listeners[0].allow_anonymous, "{text:?}");
    }
    assert_eq!(
        warnings("listener 1\nallow_anonymous Yes\n"),
        ["f:2: allow_anonymous: 'Yes' is taken for true; write that"]
    );
    let config = fine("pid_file  /run/a  b # c\n");
    assert_eq!(config.daemon.pid_file.as_deref(), Some("/run/a  b # c"), "the rest of the line");
}

#[test]
fn everything_wrong_is_told_at_once_and_in_order() {
    let text = "listner 1883\nallow_anonymous\nmax_qos 7\nlistener x\n\nhttp_dir /k\n";
    assert_eq!(
        wrong(text),
        [
            "f:1: there is no option 'listner'; did you mean listener?",
            "f:2: allow_anonymous has no value; give true or false",
            "f:3: max_qos '7': give a number from 0 to 2",
            "f:4: listener 'x': give a port from 1 to 65535, or 0 and the path of a Unix socket",
            "f:6: http_dir: this broker is no web server; serve the files by one and remove the \
             line",
        ]
    );
    let noise = read("f", &Tree(&[("f", b"\xff\xfe\nuser \x01\n")]), &Fallback::default());
    assert_eq!(
        told(&noise.unwrap_err()),
        [
            "f:1: it is not UTF-8; write it in plain ASCII or UTF-8",
            "f:2: the value of user is too long or not text; write it anew",
        ]
    );
    assert_eq!(
        wrong("a\u{1b}[2J 1\n"),
        ["f:1: there is no option 'a?[2J'; mqtt-broker.conf(5) lists all options"]
    );
    let many = wrong(&"x 1\n".repeat(1000));
    assert_eq!(many.len(), 101);
    assert!(many[100].starts_with("there is more"), "{}", many[100]);
    let missing = read("g", &Tree(&[]), &Fallback::default()).unwrap_err();
    assert_eq!(told(&missing), ["g: cannot read it: no such file"]);
}

#[test]
fn the_nearest_name_is_offered_or_none() {
    let near = [
        ("max_conections", Some("max_connections")),
        ("allow-anonymous", Some("allow_anonymous")),
        ("Listener", Some("listener")),
        ("lsitener", Some("listener")),
        ("pasword_file", Some("password_file")),
        ("frobnicate", None),
        ("", None),
    ];
    for (name, expected) in near {
        assert_eq!(options::nearest(name), expected, "{name}");
    }
    assert_eq!(options::nearest(&"x".repeat(65)), None);
}

#[test]
fn doubles_are_told_and_the_last_one_counts() {
    let text = "sys_interval 10\nmax_keepalive 5\nmax_keepalive 6\n";
    assert_eq!(fine(text).limits.max_keepalive, 6);
    assert_eq!(warnings(text), ["f:3: max_keepalive stands at f:2 too; this one counts"]);
    let text = "listener 1\nallow_anonymous true\nlistener 2\nallow_anonymous false\n";
    let said = warnings(text);
    assert!(said.contains(
        &"f:4: allow_anonymous stands at f:2 too; this one counts for all listeners".into()
    ));
    assert!(fine(text).listeners.iter().all(|listener| !listener.allow_anonymous));
    let text = "listener 1\nmax_qos 1\nlistener 2\nmax_qos 0\nallow_anonymous 1\n";
    assert_eq!(warnings(text), Vec::<String>::new(), "each listener has its own");
}

#[test]
fn lines_of_lists_add_up() {
    let log = |text| fine(text).log;
    assert_eq!(log("").destinations, [LogDest::Stderr]);
    assert_eq!(
        log("log_dest stdout\nlog_dest file /x\nlog_dest syslog topic\n").destinations,
        [LogDest::Stdout, LogDest::File("/x".into()), LogDest::Syslog, LogDest::Topic]
    );
    assert_eq!(log("log_dest stdout\nlog_dest none\n").destinations, []);
    assert_eq!(log("log_dest dlt\n").destinations, [LogDest::Syslog]);
    let types = log("log_type error\nlog_type debug, subscribe\n").types;
    let only = LogTypes { error: true, debug: true, subscribe: true, ..LogTypes::NONE };
    assert_eq!(types, only);
    assert_eq!(log("log_type all\n").types, LogTypes::ALL);
    assert_eq!(log("log_type all\nlog_type none\n").types, LogTypes::NONE);
    for (text, what) in [
        ("log_dest file /x\nlog_dest file /y\n", "f:2: log_dest 'file /y': there is a log file"),
        ("log_dest file\n", "f:1: log_dest 'file': give the path"),
        ("log_dest stderr file /x\n", "f:1: log_dest 'stderr file /x': write 'log_dest file PATH'"),
    ] {
        assert!(wrong(text)[0].starts_with(what), "{:?}", wrong(text));
    }
}

#[test]
fn periods_have_units() {
    let days = |text: &str| {
        fine(&format!("persistent_client_expiration {text}\n")).limits.persistent_client_expiration
    };
    let units = [("1s", 1), ("1h", 3600), ("1d", 86_400), ("2w", 14 * 86_400)];
    for (text, seconds) in units.into_iter().chain([("1m", 30 * 86_400), ("1y", 365 * 86_400)]) {
        assert_eq!(days(text), seconds);
    }
    for text in ["0d", "d", "-1d", "1.5d", "1 d", "99999999999999999999y", "1\u{e4}"] {
        let problems = wrong(&format!("persistent_client_expiration {text}\n"));
        assert_eq!(problems.len(), 1, "{problems:?}");
    }
}

/// The directory is read where it is named, `*.conf` only, in the order of the letters; every
/// file begins without a listener, and the first goes on with the one it had.
#[test]
fn directories_are_read_in_place_and_in_order() {
    let files: &[(&str, &[u8])] = &[
        ("f", b"listener 1\ninclude_dir d\nmax_qos 1\nmax_keepalive 9\ninclude_dir e/\n"),
        ("d/b.conf", b"listener 5\n"),
        ("d/A.conf", b"listener 3\nmax_qos 0\n"),
        ("d/a.conf", b"listener 4\n"),
        ("d/00.conf", b"listener 2\nmax_keepalive 8\n"),
        ("d/B.txt", b"nonsense\n"),
        ("d/.conf", b"nonsense\n"),
        ("e/x.conf", b"allow_anonymous true\ninclude_dir d\n"),
    ];
    let reading = read("f", &Tree(files), &Fallback::default()).unwrap();
    let ports: Vec<&Address> = reading.config.listeners.iter().map(|l| &l.address).collect();
    let expected: Vec<Address> = (1..=5).map(|port| Address::Any { port }).collect();
    assert_eq!(ports, expected.iter().collect::<Vec<_>>());
    let qos: Vec<QoS> = reading.config.listeners.iter().map(|l| l.max_qos).collect();
    let two = QoS::ExactlyOnce;
    assert_eq!(qos, [QoS::AtLeastOnce, two, QoS::AtMostOnce, two, two]);
    assert_eq!(reading.config.limits.max_keepalive, 9, "the last one counts");
    assert_eq!(reading.config.listeners[1].origin, "d/00.conf:1");
    assert_eq!(
        told(&reading.warnings),
        ["e/x.conf:2: include_dir counts in the main file only: nothing is read from here"]
    );
    let files: &[(&str, &[u8])] =
        &[("f", b"include_dir d\nfoo 1\n"), ("d/a.conf", b"bar 1\nmax_qos 9\n")];
    let problems = told(&read("f", &Tree(files), &Fallback::default()).unwrap_err());
    let places: Vec<&str> = problems.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["f:2", "d/a.conf:1", "d/a.conf:2"]);
    assert!(wrong("include_dir d\n")[0].starts_with("f:1: cannot read the directory 'd'"));
}

#[test]
fn a_file_without_listener_is_for_this_machine() {
    let fallback = Fallback { hosts: vec![], port: Some(7) };
    let files: &[(&str, &[u8])] = &[("f", b"max_keepalive 5\n")];
    let config = read("f", &Tree(files), &fallback).unwrap().config;
    assert!(config.is_local_only && config.listeners[0].allow_anonymous);
    assert_eq!(config.listeners[0].address, Address::Loopback { port: 7 });
    assert_eq!(fine("").listeners[0].address, Address::Loopback { port: 1883 });
    assert!(!fine("allow_anonymous false\n").listeners[0].allow_anonymous);
    let hosts = Fallback { hosts: vec!["::".into(), "a".into()], port: None };
    let config = read("f", &Tree(files), &hosts).unwrap().config;
    let host = |host: &str| Address::Host { host: host.into(), port: 1883 };
    assert!(!config.is_local_only);
    assert_eq!(config.listeners[0].address, host("::"));
    assert_eq!(config.listeners[1].address, host("a"));
    let files: &[(&str, &[u8])] = &[("f", b"listener 5\n")];
    let config = read("f", &Tree(files), &fallback).unwrap().config;
    assert_eq!(config.listeners[0].address, Address::Any { port: 5 }, "-p does not count");
    assert!(!config.is_local_only && !config.listeners[0].allow_anonymous);
    let config = without_file(&fallback);
    assert_eq!(config.listeners[0].address, Address::Host { host: "0.0.0.0".into(), port: 7 });
    assert!(config.listeners[0].allow_anonymous && !config.is_local_only);
}

#[test]
fn listeners_say_where() {
    let address = |text: &str| fine(&format!("listener {text}\n")).listeners[0].address.clone();
    let host = |host: &str, port| Address::Host { host: host.into(), port };
    assert_eq!(address("1883"), Address::Any { port: 1883 });
    assert_eq!(address("1883 ::1"), host("::1", 1883));
    assert_eq!(address("65535 a.example # b"), host("a.example", 65535));
    assert_eq!(address("0 127.0.0.1"), host("127.0.0.1", 0));
    assert_eq!(address("0 /run/a b.sock"), Address::Unix { path: "/run/a b.sock".into() });
    assert_eq!(address("0 ./a"), Address::Unix { path: "./a".into() });
    for (text, what) in [
        ("0", "give the path of a Unix socket behind port 0"),
        ("0 a", "the path of a Unix socket begins with / or ./"),
        ("-1", "give a port"),
        ("65536", "give a port"),
        ("127.0.0.1", "give a port"),
        ("1883 /run/a", "goes with port 0"),
        ("1883 a b", "remove 'b' behind the value"),
    ] {
        let problems = wrong(&format!("listener {text}\n"));
        assert!(problems.len() == 1 && problems[0].contains(what), "{problems:?}");
    }
    assert_eq!(
        wrong("listener 1 a\nlistener 1 b\nlistener 1 a\n"),
        ["f:3: the listener at f:1 has this address already; remove one"]
    );
    let many: String = (1..=300).map(|port| format!("listener {port}\n")).collect();
    assert!(wrong(&many)[0].contains("too many listeners"));
}

/// `port`, `bind_address`, and options of listeners above all of them.
#[test]
fn the_old_style_opens_a_listener() {
    let config = fine("port 5\nbind_address a\nmax_qos 1\nallow_anonymous 1\n");
    let address = Address::Host { host: "a".into(), port: 5 };
    assert_eq!(config.listeners[0].address, address);
    assert!(config.listeners[0].max_qos == QoS::AtLeastOnce && !config.is_local_only);
    let config = fine("listener 6\nmax_qos 0\nport 5\n");
    let addresses: Vec<&Address> = config.listeners.iter().map(|l| &l.address).collect();
    assert_eq!(addresses, [&Address::Any { port: 5 }, &Address::Any { port: 6 }]);
    assert_eq!(config.listeners[0].max_qos, QoS::ExactlyOnce);
    let text = "max_connections 5\nlistener 6\nallow_anonymous 1\n";
    assert_eq!(fine(text).listeners.len(), 2, "as mosquitto");
    assert!(warnings(text)[0].starts_with("f:1: max_connections stands above all 'listener'"));
    let text = "max_connections -1\nlistener 6\nallow_anonymous 1\n";
    assert_eq!(fine(text).listeners.len(), 1, "the default changes nothing");
    let problems = wrong("accept_protocol_versions 5\nlistener 6\n");
    assert!(problems[0].contains("belongs below a 'listener' line"), "{problems:?}");
    assert!(wrong("address a\n")[0].contains("belongs below a 'connection' line"));
}

#[test]
fn security_is_for_all_listeners_or_for_each() {
    let open = |text: &str| -> Vec<bool> {
        fine(text).listeners.iter().map(|listener| listener.allow_anonymous).collect()
    };
    assert_eq!(open("listener 1\nlistener 2\n"), [false, false]);
    assert_eq!(open("listener 1\nlistener 2\nallow_anonymous true\n"), [true, true]);
    assert_eq!(open("allow_anonymous true\nlistener 1\nlistener 2\n"), [true, true]);
    let own = "allow_anonymous true\nlistener 1\nlistener_allow_anonymous false\nlistener 2\n";
    assert_eq!(open(own), [false, true]);
    let each = "per_listener_settings true\nlistener 1\nlistener 2\nallow_anonymous true\n";
    assert_eq!(open(each), [false, true]);
    let above = "per_listener_settings true\nallow_anonymous true\nlistener 1\n";
    assert_eq!(open(above), [false], "above all listeners it is for the one of 'port'");
    assert!(warnings(above).iter().any(|said| said.contains("counts for no listener")));
    assert_eq!(open("per_listener_settings true\nallow_anonymous true\nport 1\n"), [true]);
    assert_eq!(open("per_listener_settings true\nallow_anonymous false\n"), [false]);
    let stray = "per_listener_settings true\nallow_zero_length_clientid false\nlistener 1\n";
    assert!(wrong(stray)[0].contains("counts for no listener"), "it restricts");
    assert_eq!(
        wrong("listener 1\nallow_anonymous true\nper_listener_settings true\n"),
        ["f:3: per_listener_settings must stand above allow_anonymous (f:2)"]
    );
    let ids = fine("auto_id_prefix a\nlistener 1\nlistener_auto_id_prefix b\nlistener 2\n");
    let ids: Vec<&str> = ids.listeners.iter().map(|l| l.auto_id_prefix.as_str()).collect();
    assert_eq!(ids, ["b", "a"]);
    let closed = warnings("listener 1\n");
    assert!(closed[0].starts_with("f:1: nobody can connect to this listener"), "{closed:?}");
}

#[test]
fn a_bridge_is_refused_once() {
    let text = "connection b\naddress h\ntopic # out\nremote_password secret\nbridge_psk 00\n";
    let problems = wrong(text);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("f:1: connection is not supported by this build yet"));
    assert!(problems[1].starts_with("f:5: bridge_psk: "));
    assert!(!problems.iter().any(|line| line.contains("secret")));
}

#[test]
fn the_policy_is_told_in_words() {
    let text = policy(&fine("listener 1883\nallow_anonymous true\nlistener 1884 ::1\nmax_qos 1\n"));
    for line in [
        "Listener on port 1883 of every address (f:1)",
        "  Everybody who can reach it may connect, with any user name or none; nothing is \
         encrypted.",
        "Listener on port 1884 of ::1 (f:3)",
        "  Everybody on this machine may connect, with any user name or none; nothing is \
         encrypted.",
        "  connections at once: no limit (max_connections)",
        "  the highest QoS taken: 1 (max_qos)",
        "Limits",
        "  the largest packet taken: 2000000 bytes (max_packet_size)",
        "Messages and sessions",
        "  messages that wait for one client: 1000 messages (max_queued_messages)",
    ] {
        assert!(text.lines().any(|found| found == line), "{line:?} is not in\n{text}");
    }
    let text = policy(&fine("listener 1883\n"));
    assert!(text.contains("Nobody may connect"), "{text}");
    assert!(policy(&fine("")).contains("Everybody on this machine"));
}

/// Ports have no files, and files no interfaces.
#[test]
fn what_means_nothing_for_a_listener_is_told() {
    let said = warnings(
        "allow_anonymous 1\nlistener 1\nunix_socket_mode 0600\nlistener 0 /s\n\
         bind_interface lo\nunix_socket_mode 0600\n",
    );
    assert_eq!(
        said,
        [
            "f:3: unix_socket_mode means nothing for port 1 of every address",
            "f:5: bind_interface means nothing for Unix socket /s",
        ]
    );
    let text = policy(&fine("listener 1\nlistener 0 /s\nunix_socket_mode 0600\n"));
    let (port, socket) = text.split_once("Unix socket /s").unwrap();
    assert!(port.contains("(socket_domain)") && !port.contains("(unix_socket_mode)"), "{text}");
    assert!(socket.contains(": 0600 (unix_socket_mode)") && !socket.contains("(bind_interface)"));
}

#[test]
#[cfg(feature = "tls")]
fn a_name_that_nobody_can_have_is_refused() {
    let tls = "listener 1\ncertfile c\nkeyfile k\ncafile a\nrequire_certificate true\n";
    let proxy = "listener 1\nproxy_trusted_networks 10.0.0.1\nenable_proxy_protocol 2\n";
    for (lines, name) in [
        (format!("{tls}use_identity_as_username true\n"), CertificateName::CommonName),
        (format!("{tls}use_subject_as_username true\n"), CertificateName::Subject),
        (format!("{tls}certificate_username fingerprint\n"), CertificateName::Fingerprint),
        (format!("{proxy}certificate_username cn\n"), CertificateName::CommonName),
        (
            format!("{tls}use_identity_as_username false\ncertificate_username dns\n"),
            CertificateName::Dns,
        ),
    ] {
        let reading = said(&lines).unwrap();
        assert_eq!(reading.config.listeners[0].certificate_name(), Some(name));
        assert_eq!(told(&reading.warnings), [""; 0], "somebody can connect");
    }
    for (lines, expected) in [
        ("listener 1\nuse_identity_as_username true\n".into(), "f:2: use_identity_as_username: no"),
        (
            "listener 1\ncertfile c\nkeyfile k\ncertificate_username dns\n".into(),
            "f:4: certificate_username: no client is asked for a certificate here",
        ),
        (
            "listener 1\nenable_proxy_protocol 1\nuse_identity_as_username true\n".into(),
            "f:3: use_identity_as_username: no client is asked",
        ),
        (
            format!("{proxy}use_subject_as_username true\n"),
            "f:4: use_subject_as_username: a proxy tells the common name",
        ),
        (
            format!("{tls}use_subject_as_username true\nuse_identity_as_username true\n"),
            "use_identity_as_username and use_subject_as_username cannot both be",
        ),
        (
            format!("{tls}use_subject_as_username true\ncertificate_username subject\n"),
            "f:6: certificate_username and use_subject_as_username cannot both be",
        ),
    ] {
        let problems = wrong(&lines);
        assert!(problems.len() == 1 && problems[0].contains(expected), "{lines}: {problems:?}");
    }
    let said = warnings("listener 1\nenable_proxy_protocol 2\nuse_identity_as_username true\n");
    assert!(said.len() == 1 && said[0].contains("and so to be any user"), "{said:?}");
    let policy = policy(&fine(&format!("{tls}use_identity_as_username true\n")));
    assert!(
        policy.contains(
            "Everybody who can reach it may connect with a certificate, whose common name is the \
             user name; passwords do not count; everything is encrypted."
        ),
        "{policy}"
    );
}

#[test]
fn an_address_of_one_link_may_name_it() {
    let config = fine("listener 0 fe80::1%eth0\n");
    let address = Address::Host { host: "fe80::1%eth0".into(), port: 0 };
    assert_eq!(config.listeners[0].address, address);
    assert!(wrong("listener 0 name%eth0\n")[0].contains("the path of a Unix socket"));
}

/// What a reload tells; what does not work yet is not told, as it changes nothing.
#[test]
fn a_reload_tells_what_changes() {
    let old = fine("listener 1\nlistener 2\nmax_qos 1\nmax_keepalive 7\nallow_anonymous 1\n");
    assert_eq!(differences(&old, &old), Vec::<String>::new());
    let moved = "# Moved.\nlistener 2\nlistener 3 a\nlistener 0 /s\nmax_queued_messages 0\n";
    assert_eq!(
        differences(&old, &fine(moved)),
        [
            "listener closes: port 1 of every address",
            "port 2 of every address: allow_anonymous was true, is false",
            "port 2 of every address: max_qos was 1, is 2",
            "listener opens: port 3 of a",
            "listener opens: Unix socket /s",
            "max_keepalive was 7, is no limit",
            "max_queued_messages was 1000, is no limit",
        ]
    );
    // Of several that are alike each is compared with its own.
    let twins = "listener 0 ::1\nmax_qos 1\nlistener 0 ::1\nmax_qos 0\n";
    let changed = twins.replace("max_qos 0", "max_qos 2");
    assert_eq!(differences(&fine(twins), &fine(&changed)), ["port 0 of ::1: max_qos was 0, is 2"]);
    let gone = fine("user a\npid_file /p\nlistener 1 ::1\nlistener 0 /s\n");
    let here =
        fine("user b\nlistener 1 ::1\nbind_interface lo\nlistener 0 /s\nsocket_domain ipv4\n");
    assert_eq!(
        differences(&gone, &here),
        [
            "listener closes: port 1 of ::1",
            "listener opens: port 1 of ::1",
            "pid_file was /p, is none, from the next start on",
            "user was a, is b, from the next start on",
        ]
    );
}

/// Debian's file as it is installed, with what its readers add to it.
#[test]
fn the_stock_file_of_debian_works() {
    let stock = b"# Place your local configuration in /etc/mosquitto/conf.d/\n#\n\
        # A full description of the configuration file is at\n\
        # /usr/share/doc/mosquitto/examples/mosquitto.conf.example\n\n\
        pid_file /run/mosquitto/mosquitto.pid\n\npersistence true\n\
        persistence_location /var/lib/mosquitto/\n\n\
        log_dest file /var/log/mosquitto/mosquitto.log\n\n\
        include_dir /etc/mosquitto/conf.d\n";
    let files: &[(&str, &[u8])] = &[
        ("/etc/mosquitto/mosquitto.conf", stock),
        ("/etc/mosquitto/conf.d/local.conf", b"listener 1883\nallow_anonymous true\n"),
        ("/etc/mosquitto/conf.d/README", b"not read\n"),
    ];
    let path = "/etc/mosquitto/mosquitto.conf";
    let reading = read(path, &Tree(files), &Fallback::default()).unwrap();
    let config = &reading.config;
    assert_eq!(config.listeners[0].address, Address::Any { port: 1883 });
    assert!(config.listeners.len() == 1 && config.listeners[0].allow_anonymous);
    assert_eq!(config.daemon.pid_file.as_deref(), Some("/run/mosquitto/mosquitto.pid"));
    let log = LogDest::File("/var/log/mosquitto/mosquitto.log".into());
    assert_eq!(config.log.destinations, [log]);
    let said = told(&reading.warnings);
    assert!(!said.iter().any(|said| said.contains("persistence")), "{said:?}");
    assert!(config.persistence.is_on);
    assert_eq!(config.persistence.location.as_deref(), Some("/var/lib/mosquitto/"));
    assert_eq!(config.persistence.file, "mqtt-broker.db", "not the file of mosquitto");
}

#[test]
fn acknowledgements_leave_as_the_operator_says() {
    use super::settings::PersistenceSync::{Always, Interval, Off};
    let sync = |text: &str| fine(&format!("persistence_sync {text}\n")).persistence.sync;
    assert_eq!(sync("always"), Always);
    assert_eq!(sync("interval 250 ms"), Interval(250));
    assert_eq!(sync("off"), Off);
    for text in ["interval", "interval 0 ms", "interval 5", "interval -1 ms", "never", "off 1"] {
        let problems = wrong(&format!("persistence_sync {text}\n"));
        assert!(problems[0].contains("always | interval N ms | off"), "{problems:?}");
    }
}
