//! `mqtt-passwd` at a terminal.

use std::fs::File;
use std::io::Read;
use std::process::Child;

use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};

use super::*;

/// A program and the terminal it was started at.
struct Session {
    child: Child,
    keyboard: File,
    /// What the terminal has shown.
    shown: String,
}

impl Session {
    fn start(arguments: &[&str]) -> Self {
        let ends = openpty(None, None).unwrap();
        let far = || Stdio::from(ends.slave.try_clone().unwrap());
        let mut command = Command::new("setsid");
        command.args(["--ctty", PASSWD]).args(arguments);
        let child = command.stdin(far()).stdout(far()).stderr(far()).spawn().unwrap();
        Self { child, keyboard: File::from(ends.master), shown: String::new() }
    }

    /// Waits for a prompt and answers it.
    fn answer(&mut self, prompt: &str, typed: &str) {
        let before = self.shown.len();
        while !self.shown[before..].contains(prompt) {
            let mut bytes = [0; 256];
            let count = self.keyboard.read(&mut bytes).unwrap();
            self.shown.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        assert!(!self.echoes(), "before the prompt, so that nobody can be too fast");
        self.keyboard.write_all(typed.as_bytes()).unwrap();
    }

    /// Whether what is typed is shown.
    fn echoes(&self) -> bool {
        tcgetattr(&self.keyboard).unwrap().local_flags.contains(LocalFlags::ECHO)
    }

    /// The exit code and everything that was shown.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        assert!(self.echoes(), "the terminal is as it was");
        assert!(code.is_some(), "it ends by itself");
        (code, self.shown)
    }
}

#[test]
fn a_password_is_asked_for_twice_and_not_shown() {
    let house = House::new();
    let path = house.path("passwd");
    let mut session = Session::start(&["-c", "-I", "5", &path, "anna"]);
    session.answer("New password of anna: ", "geheim\n");
    session.answer("again: ", "geheim\n");
    let (code, shown) = session.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("geheim"), "{shown}");
    let mut session = Session::start(&["--check", &path, "anna"]);
    session.answer("Password of anna: ", "geheim\n");
    assert_eq!(session.end().0, Some(0));
    let mut session = Session::start(&["--check", &path, "anna"]);
    session.answer("Password of anna: ", "gemein\n");
    assert_eq!(session.end().0, Some(2));
}

#[test]
fn two_that_differ_and_one_given_up_change_nothing() {
    let house = House::new();
    let path = house.write("passwd", "");
    let mut session = Session::start(&[&path, "anna"]);
    session.answer("New password of anna: ", "geheim\n");
    session.answer("again: ", "gemein\n");
    assert_eq!(session.end().0, Some(74));
    for prompts in [&["New password of anna: "][..], &["New password of anna: ", "again: "]] {
        let mut session = Session::start(&[&path, "anna"]);
        for (number, prompt) in prompts.iter().enumerate() {
            let is_last = number + 1 == prompts.len();
            session.answer(prompt, if is_last { "\u{3}" } else { "geheim\n" });
        }
        assert_eq!(session.end().0, Some(74), "^C");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}
