//! `mqtt-passwd`.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn fine(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn fails(output: &Output, status: i32, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(what), "{said}");
    assert!(!said.contains("geheim"), "{said}");
}

#[test]
fn it_makes_changes_checks_and_deletes() {
    let house = House::new();
    let path = house.path("passwd");
    fine(&passwd(&["-c", "-I", "5", &path, "anna"], "geheim\n"));
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    fine(&passwd(&["-b", "-I", "5", &path, "bert", "x y"], ""));
    fs::write(&path, format!("# Mine.\n{}", fs::read_to_string(&path).unwrap())).unwrap();
    super::mode(&path, 0o640);
    for (name, kind, start) in [
        ("a", "argon2id", "a:$argon2id$v=19$m=19456,t=1,p=1$"),
        ("s", "scram-sha-256", "s:$scram-sha-256$4096$"),
        ("h", "sha512", "h:$6$"),
        ("p", "sha512-pbkdf2", "p:$7$4096$"),
    ] {
        let rounds = if name == "s" || name == "p" { "4096" } else { "1" };
        fine(&passwd(&["-H", kind, "-I", rounds, "-b", &path, name, "geheim"], ""));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().any(|line| line.starts_with(start)), "{text}");
        fine(&passwd(&["--check", &path, name], "geheim\n"));
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640, "kept");
    assert_eq!(fine(&passwd(&["--check", &path], "")), format!("{path} is sound: 6 users\n"));
    fails(&passwd(&["--check", &path, "anna"], "wrong\n"), 2, "wrong");
    fails(&passwd(&["--check", &path, "otto"], "geheim\n"), 2, "no user 'otto'");
    fine(&passwd(&["-b", &path, "anna", "other"], ""));
    fine(&passwd(&["--check", &path, "anna"], "other\n"));
    fine(&passwd(&["-D", &path, "anna"], ""));
    fails(&passwd(&["-D", &path, "anna"], ""), 1, "no user 'anna'");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# Mine.\nbert:$7$5$"), "{text}");
    assert_eq!(fs::read_dir(&house.0).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn the_broker_takes_what_it_makes() {
    let house = House::new();
    let path = house.path("passwd");
    fine(&passwd(&["-c", &path, "anna"], "geheim\n"));
    for kind in ["argon2id", "scram-sha-256"] {
        fine(&passwd(&["-H", kind, "-b", &path, kind, "p"], ""));
    }
    let broker = house.broker("password_file DIR/passwd\nallow_anonymous false\n");
    assert_eq!(code(&broker, as_user("c", "anna", "geheim")), 0);
    assert_eq!(code(&broker, as_user("c", "argon2id", "p")), 0);
    assert_eq!(code(&broker, as_user("c", "scram-sha-256", "p")), 0);
    assert_eq!(code(&broker, as_user("c", "anna", "p")), 4);
}

#[test]
fn plain_files_are_hashed() {
    let house = House::new();
    let done = user("c", "z");
    let path = house.write("passwd", &format!("# Plain.\na:x:y\n\nb: $ \n{done}"));
    assert_eq!(fine(&passwd(&["-U", "-I", "3", &path], "")), "2 passwords hashed\n");
    fine(&passwd(&["--check", &path, "a"], "x:y\n"));
    fine(&passwd(&["--check", &path, "b"], " $ \n"));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# Plain.\na:$7$3$") && text.ends_with(&done), "{text}");
    assert_eq!(fine(&passwd(&["-U", &path], "")), "0 passwords hashed\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let house = House::new();
    let path = house.write("passwd", "a:geheim\n");
    fails(&passwd(&["-b", &path, "b", "p"], ""), 1, "passwd:1: the password is not hashed");
    let long = "x".repeat(65_536);
    let good = house.write("good", &user("a", "p"));
    for (arguments, status, what) in [
        (&["-b", &good, "a:b", "p"][..], 1, "no ':'"),
        (&["-b", &good, "", "p"], 1, "at least one character"),
        (&["-b", &good, " a", "p"], 1, "no blanks"),
        (&["-b", &good, "a", ""], 1, "at least one character"),
        (&["-b", &good, "a", &long], 1, "at most 65535 bytes"),
        (&["-b", &good, "a"], 1, "give FILE, USER and PASSWORD"),
        (&[&good], 1, "give FILE and USER"),
        (&["-H", "md5", "-b", &good, "a", "p"], 1, "give sha512-pbkdf2, argon2id"),
        (&["-I", "0", "-b", &good, "a", "p"], 1, "from 1 to 1000000"),
        (&["-H", "argon2id", "-I", "17", "-b", &good, "a", "p"], 1, "from 1 to 16"),
        (&["-D", "-U", &good], 1, "one of -D, -U and --check"),
        (&["-D", &good, "b"], 1, "there is no user 'b'"),
        (&["-D", "-c", &good, "a"], 1, "--create has no meaning with -D"),
        (&["-b", "/nonexistent/f", "a", "p"], 74, "-c creates it"),
        (&["-c", "-b", "/nonexistent/f", "a", "p"], 74, "/nonexistent/f"),
        (&["-c", "-b", "/", "a", "p"], 74, "no plain file"),
    ] {
        fails(&passwd(arguments, ""), status, what);
    }
    fails(&passwd(&[&good, "a"], ""), 74, "there is none");
    assert_eq!(fs::read_to_string(&good).unwrap(), user("a", "p"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "a:geheim\n");
}

#[test]
fn a_link_stays_a_link() {
    let house = House::new();
    house.write("real", &user("a", "p"));
    std::os::unix::fs::symlink("real", house.path("link")).unwrap();
    fine(&passwd(&["-b", "-I", "3", &house.path("link"), "b", "p"], ""));
    assert!(fs::symlink_metadata(house.path("link")).unwrap().is_symlink());
    assert!(fs::read_to_string(house.path("real")).unwrap().contains("b:$7$3$"));
}

/// mosquitto itself lets in whom a file of ours has.
#[test]
fn mosquitto_takes_what_it_makes() {
    if !has("mosquitto") || !has("mosquitto_pub") {
        return;
    }
    let house = House::new();
    let path = house.path("passwd");
    fine(&passwd(&["-c", "-b", &path, "anna", "geheim"], ""));
    fine(&passwd(&["-H", "sha512", "-b", &path, "old", "geheim"], ""));
    mode(&path, 0o644);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let text = format!("listener {port} 127.0.0.1\npassword_file {path}\nuser root\n");
    let config = house.write("m.conf", &text);
    let mut server = Command::new("mosquitto")
        .args(["-c", &config])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let publish = |name: &str, password: &str| {
        let arguments = ["-p", &port, "-u", name, "-P", password, "-t", "t", "-m", "x"];
        Command::new("mosquitto_pub").args(arguments).output().unwrap().status.code()
    };
    // It takes a moment to listen: until then nobody answers (status 1).
    let first = (0..200).map(|_| publish("anna", "geheim")).find(|code| *code != Some(1));
    let (old, wrong) = (publish("old", "geheim"), publish("anna", "wrong"));
    let _ = server.kill();
    let _ = server.wait();
    assert_eq!((first, old), (Some(Some(0)), Some(0)));
    assert_ne!(wrong, Some(0));
}
