//! Names and passwords.

use super::*;

#[test]
fn who_has_a_password_comes_in() {
    let house = House::new();
    let broker = house.guarded(&(user("anna", "geheim") + &user("bert", "x")), "pattern #\n");
    for (name, password, v311, v5) in [
        ("anna", "geheim", 0, 0),
        ("bert", "x", 0, 0),
        ("anna", "x", 4, 0x86),
        ("anna", "", 4, 0x86),
        ("otto", "geheim", 4, 0x86),
    ] {
        assert_eq!(code(&broker, as_user("c", name, password)), v311, "{name} {password}");
        assert_eq!(code(&broker, as_user5("c", name, password)), v5, "{name} {password}");
    }
    // Without a name it is a matter of allow_anonymous; a name without a password is none.
    assert_eq!(code(&broker, v3::connect("c")), 0);
    assert_eq!(code(&broker, v5::connect("c").user("anna")), 0x86);
    let log = broker.log();
    assert!(!log.contains("geheim"), "{log}");
}

#[test]
fn nobody_comes_in_without_a_name_where_that_is_not_allowed() {
    let house = House::new();
    house.write("passwd", &user("anna", "p"));
    let broker = house.broker("allow_anonymous false\npassword_file DIR/passwd\n");
    assert_eq!(code(&broker, v3::connect("c")), 5);
    assert_eq!(code(&broker, v5::connect("c")), 0x87);
    assert_eq!(code(&broker, as_user("c", "anna", "p")), 0);
    // Nor by a method that nobody knows ([MQTT-4.12.0-1]).
    let method = v5::connect("c").properties([&[0x15][..], &crate::harness::text("X")].concat());
    assert_eq!(code(&broker, method), 0x8c);
}

/// Every kind of hash that a file may hold, made by us.
#[test]
fn every_kind_of_hash_is_checked() {
    let house = House::new();
    let kinds = [
        ("quick", Scheme::Sha512),
        ("few", Scheme::Pbkdf2 { iterations: 101 }),
        ("many", Scheme::Pbkdf2 { iterations: 20_000 }),
        ("memory", Scheme::Argon2id { memory: 1024, passes: 1, lanes: 1 }),
        ("scram", Scheme::Scram { iterations: 4096 }),
    ];
    let text: String = kinds.iter().map(|(name, scheme)| hashed(*scheme, name, "p")).collect();
    let broker = house.guarded(&text, "");
    for (name, _) in kinds {
        assert_eq!(code(&broker, as_user("c", name, "p")), 0, "{name}");
        // What was right is remembered; what is wrong is still wrong.
        assert_eq!(code(&broker, as_user("c", name, "p")), 0, "{name}");
    }
    assert_eq!(code(&broker, as_user("c", "memory", "q")), 4);
}

#[test]
fn what_mosquitto_made_is_checked() {
    if !has("mosquitto_passwd") {
        return;
    }
    let house = House::new();
    let path = house.write("passwd", "");
    for (name, kind) in [("a", "sha512"), ("b", "sha512-pbkdf2")] {
        let arguments = ["-H", kind, "-b", &path, name, "p:q"];
        assert!(run("mosquitto_passwd", &arguments, "").status.success());
    }
    let broker = house.broker("password_file DIR/passwd\nallow_anonymous false\n");
    for name in ["a", "b"] {
        assert_eq!(code(&broker, as_user("c", name, "p:q")), 0, "{name}");
        assert_eq!(code(&broker, as_user("c", name, "p")), 4, "{name}");
    }
}

/// The line that the manual page promises to fail2ban.
#[test]
fn a_failed_login_is_one_line() {
    let house = House::new();
    let broker = house.guarded(&user("anna", "p"), "");
    code(&broker, as_user("lamp", "anna", "geheim"));
    let line = broker.until_logged("Login failed", 1);
    let (head, rest) = line.split_once("Login failed from 127.0.0.1:").unwrap();
    assert_eq!(head, "Warning: ");
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let said = format!("{port}, client 'lamp', user 'anna': wrong password.");
    assert_eq!(rest, said);
    code(&broker, as_user("a'\n", "o'Login failed from 1.2.3.4:5,", "p"));
    let line = broker.until_logged("Login failed", 2);
    assert!(
        line.contains(", client 'a\\'\\n', user 'o\\'Login failed from 1.2.3.4:5,': "),
        "{line}"
    );
    assert!(line.ends_with("unknown user."), "{line}");
    assert!(line.matches("Login failed from 127.0.0.1:").count() == 1);
}

/// No take-over, no clean start before the password is right ([MQTT-3.1.4-2] of 5.0).
#[test]
fn nobody_is_disturbed_by_a_wrong_password() {
    let house = House::new();
    let slow = hashed(Scheme::Pbkdf2 { iterations: 5000 }, "anna", "p");
    let broker = house.guarded(&slow, "pattern #\n");
    let connect = || as_user("same", "anna", "p").resume();
    let mut client = Raw::online_at(&broker, connect());
    client.send(v3::subscribe(1, &[("t", 1)])).expect(v3::suback(1, &[1]));
    assert_eq!(code(&broker, as_user("same", "anna", "q")), 4);
    assert_eq!(code(&broker, as_user("same", "otto", "p")), 4);
    client.ping();
    drop(client);
    let mut again = Raw::to(&broker);
    again.send(connect()).expect(v3::connack(true, 0));
}

/// Readable by others is a warning; root-owned or through a link is fine.
#[test]
fn files_that_others_read_are_warned_of() {
    let house = House::new();
    let real = house.write("real", &user("anna", "p"));
    std::os::unix::fs::symlink(&real, house.path("passwd")).unwrap();
    mode(&real, 0o644);
    let config = house.write(
        "b.conf",
        &format!("allow_anonymous false\npassword_file {}\n", house.path("passwd")),
    );
    let said = |config: &str| {
        let output = run(crate::daemon::PROGRAM, &["-c", config, "--test-config"], "");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = said(&config);
    let mends = format!(
        "everybody on this machine can read it; mend it with: chmod o-r '{}'",
        house.path("passwd")
    );
    assert!(text.contains(&mends), "{text}");
    assert!(text.contains("Users of ") && !text.contains("$6$"), "{text}");
    let status = Command::new("sh").args(["-c", mends.rsplit(": ").next().unwrap()]).status();
    assert!(status.unwrap().success());
    assert!(!said(&config).contains("can read it"));
    mode(&real, 0o640);
    assert!(!said(&config).contains("can read it"));
}

#[test]
fn credentials_of_systemd_are_found() {
    let house = House::new();
    house.write("secret", &user("anna", "p"));
    let config = house.write("b.conf", "password_file $CREDENTIALS_DIRECTORY/secret\n");
    let run = |set: bool| {
        let mut command = Command::new(crate::daemon::PROGRAM);
        command.args(["-c", &config, "--test-config"]).env_remove("CREDENTIALS_DIRECTORY");
        if set {
            command.env("CREDENTIALS_DIRECTORY", &house.0);
        }
        command.output().unwrap()
    };
    assert!(run(true).status.success(), "{:?}", run(true));
    let lacks = String::from_utf8(run(false).stderr).unwrap();
    assert!(lacks.contains("CREDENTIALS_DIRECTORY is not set"), "{lacks}");
}
