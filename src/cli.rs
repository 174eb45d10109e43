//! Command lines of the programs.
//!
//! Owns: the shape of an option table and what is made from it. Each program keeps one const
//! table of [`Opt`]; the parser comes from it, and so does the text of `--help` where a program has
//! none of its own. Tests hold that and the manual page against it, so that the three never part.
//!
//! Never prints and never exits; a [`Usage`] error is one line that says what to do.

use std::ffi::OsStr;
use std::fmt;
use std::str::FromStr;

/// One option of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opt {
    /// One letter, or empty.
    pub short: &'static str,
    /// The long name without dashes, or empty.
    pub long: &'static str,
    /// The name of its argument in capitals; empty for a flag.
    pub hint: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    /// Whether it may be given more than once.
    pub repeat: bool,
}

impl Opt {
    /// An option without an argument.
    #[must_use]
    pub const fn flag(short: &'static str, long: &'static str, help: &'static str) -> Self {
        Self { short, long, hint: "", help, repeat: false }
    }

    /// An option with an argument.
    #[must_use]
    pub const fn value(
        short: &'static str,
        long: &'static str,
        hint: &'static str,
        help: &'static str,
    ) -> Self {
        Self { short, long, hint, help, repeat: false }
    }

    /// The same option, but it may be given more than once.
    #[must_use]
    pub const fn repeated(mut self) -> Self {
        self.repeat = true;
        self
    }

    /// As people write it: `-p, --port PORT`.
    #[must_use]
    pub fn synopsis(&self) -> String {
        let names = match (self.short, self.long) {
            ("", long) => format!("    --{long}"),
            (short, "") => format!("-{short}"),
            (short, long) => format!("-{short}, --{long}"),
        };
        if self.hint.is_empty() { names } else { format!("{names} {}", self.hint) }
    }
}

/// A command line that cannot be understood: one line, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The parser for `table`.
#[must_use]
pub fn getopts(table: &[Opt]) -> getopts::Options {
    let mut options = getopts::Options::new();
    for opt in table {
        let has_arg = if opt.hint.is_empty() { getopts::HasArg::No } else { getopts::HasArg::Yes };
        let occur = if opt.repeat { getopts::Occur::Multi } else { getopts::Occur::Optional };
        options.opt(opt.short, opt.long, opt.help, opt.hint, has_arg, occur);
    }
    options
}

/// Parses the arguments of `program`, its own name not among them.
///
/// # Errors
/// [`Usage`] for an option that does not exist, is given twice, lacks its argument or has one
/// that it does not take.
pub fn parse<I>(program: &str, table: &[Opt], arguments: I) -> Result<getopts::Matches, Usage>
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    getopts(table).parse(arguments).map_err(|fail| {
        let (name, wrong) = match fail {
            getopts::Fail::UnrecognizedOption(name) => (name, "is unknown"),
            getopts::Fail::ArgumentMissing(name) => (name, "needs an argument"),
            getopts::Fail::OptionMissing(name) => (name, "is required"),
            getopts::Fail::OptionDuplicated(name) => (name, "is given more than once"),
            getopts::Fail::UnexpectedArgument(name) => (name, "takes no argument"),
        };
        let dashes = if name.chars().count() == 1 { "-" } else { "--" };
        Usage(format!("option {dashes}{name} {wrong}; '{program} --help' lists all options"))
    })
}

/// The value of option `name`, if it was given; `expected` says what would have been right.
///
/// # Errors
/// [`Usage`] if it does not parse.
pub fn value<T: FromStr>(
    matches: &getopts::Matches,
    name: &str,
    expected: &str,
) -> Result<Option<T>, Usage> {
    matches.opt_str(name).map(|text| parsed(&text, name, expected)).transpose()
}

/// Every value of option `name`, which may be given more than once.
///
/// # Errors
/// [`Usage`] if one does not parse.
pub fn values<T: FromStr>(
    matches: &getopts::Matches,
    name: &str,
    expected: &str,
) -> Result<Vec<T>, Usage> {
    matches.opt_strs(name).iter().map(|text| parsed(text, name, expected)).collect()
}

fn parsed<T: FromStr>(text: &str, name: &str, expected: &str) -> Result<T, Usage> {
    let dashes = if name.chars().count() == 1 { "-" } else { "--" };
    text.parse().map_err(|_| Usage(format!("{dashes}{name} '{text}': give {expected}")))
}

/// The text of `--help`: `head` (synopsis and purpose), then a line or more for each option.
#[must_use]
pub fn usage(head: &str, table: &[Opt]) -> String {
    let column = table.iter().map(|opt| opt.synopsis().len()).max().unwrap_or(0).min(24) + 4;
    let mut text = format!("{head}\n\nOptions:\n");
    for opt in table {
        let mut line = format!("  {}", opt.synopsis());
        if line.len() + 2 > column {
            text += &line;
            text.push('\n');
            line.clear();
        }
        line = format!("{line:column$}");
        for word in opt.help.split(' ') {
            if line.len() + word.len() > SCREEN {
                text += line.trim_end();
                text.push('\n');
                line = " ".repeat(column);
            }
            line += word;
            line.push(' ');
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Columns of the narrowest terminal that is catered for.
const SCREEN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Opt] = &[
        Opt::value("p", "port", "PORT", "port to listen on; 0 takes any free one"),
        Opt::value("t", "", "TOPIC", "a topic").repeated(),
        Opt::value("", "maximum-packet-size", "BYTES", "the largest packet that is accepted"),
        Opt::flag(
            "v",
            "verbose",
            "log more, and more than fits on a line of eighty columns when help is long",
        ),
    ];

    fn wrong(arguments: &[&str]) -> String {
        parse("prog", TABLE, arguments).unwrap_err().to_string()
    }

    #[test]
    fn options_are_read() {
        let matches = parse("prog", TABLE, ["-p", "12", "x", "-t", "a", "-tb", "-v"]).unwrap();
        assert_eq!(value::<u16>(&matches, "port", "a number").unwrap(), Some(12));
        assert_eq!(value::<u16>(&matches, "maximum-packet-size", "a number").unwrap(), None);
        assert_eq!(values::<String>(&matches, "t", "a topic").unwrap(), ["a", "b"]);
        assert!(matches.opt_present("verbose"));
        assert_eq!(matches.free, ["x"]);
    }

    #[test]
    fn mistakes_are_one_line_with_advice() {
        assert_eq!(wrong(&["--prot"]), "option --prot is unknown; 'prog --help' lists all options");
        assert_eq!(wrong(&["-x"]), "option -x is unknown; 'prog --help' lists all options");
        assert_eq!(wrong(&["-p"]), "option -p needs an argument; 'prog --help' lists all options");
        assert!(wrong(&["-v", "-v"]).contains("more than once"));
        assert!(wrong(&["--verbose=1"]).contains("takes no argument"));
        let matches = parse("prog", TABLE, ["-p", "70000"]).unwrap();
        let error = value::<u16>(&matches, "port", "a number from 0 to 65535").unwrap_err();
        assert_eq!(error.to_string(), "--port '70000': give a number from 0 to 65535");
    }

    #[test]
    fn usage_fits_eighty_columns() {
        let text = usage("usage: prog", TABLE);
        assert!(text.starts_with("usage: prog\n\nOptions:\n  -p, --port PORT"));
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(TABLE.iter().all(|opt| text.contains(&opt.synopsis())), "{text}");
    }
}
