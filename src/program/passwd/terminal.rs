//! Passwords from a terminal.
//!
//! Owns: that they are not seen while they are typed, and that the terminal is as it was before
//! afterwards. Where standard input is no terminal, a password is its next line.
//!
//! Never keeps a password.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::poll::{PollFlags, PollTimeout};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use super::super::wait::{Source, signals, wait};

/// Bytes of a line, its end included.
const LINE_MAX: u64 = 65_537;

/// A new password, asked for twice.
pub(super) fn new_password(user: &str) -> Result<String, String> {
    let first = password(&format!("New password of {user}: "))?;
    if io::stdin().is_terminal() && password("The same again: ")? != first {
        return Err("the two are not the same; nothing has changed".into());
    }
    Ok(first)
}

/// A password, asked for once.
pub(super) fn password(prompt: &str) -> Result<String, String> {
    let what = |error: io::Error| format!("cannot read a password: {error}");
    if !io::stdin().is_terminal() {
        return line(io::stdin().lock()).map_err(what);
    }
    // Standard output may go elsewhere.
    let terminal = File::options().read(true).write(true).open("/dev/tty").map_err(what)?;
    let signals = signals().map_err(what)?;
    let silence = Silence::over(&terminal).map_err(what)?;
    (&terminal).write_all(prompt.as_bytes()).map_err(what)?;
    let typed = typed(&terminal, &signals);
    drop(silence);
    (&terminal).write_all(b"\n").map_err(what)?;
    typed.map_err(what)
}

/// What is typed at a terminal, unless a signal comes first: whoever gives up gets his terminal
/// back as it was.
fn typed(terminal: &File, signals: &UnixStream) -> io::Result<String> {
    let interests = [
        (Source::Signal, signals.as_fd(), PollFlags::POLLIN),
        (Source::Stdin, terminal.as_fd(), PollFlags::POLLIN),
    ];
    loop {
        let ready = wait(&interests, PollTimeout::NONE)?;
        if ready.signal {
            return Err(io::Error::other("interrupted"));
        }
        if ready.stdin {
            return line(BufReader::new(terminal));
        }
    }
}

fn line(mut input: impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    io::Read::take(&mut input, LINE_MAX).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "there is none"));
    }
    let text = String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// A terminal that does not show what is typed.
struct Silence<'t> {
    terminal: &'t File,
    before: Termios,
}

impl<'t> Silence<'t> {
    fn over(terminal: &'t File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // Nothing is left to be done if the terminal is gone.
        let _ = tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}
