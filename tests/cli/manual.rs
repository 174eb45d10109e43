//! The manual pages and `--help` against the option tables.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use mqtt_broker::cli::Opt;
use mqtt_broker::program::table;
use mqtt_broker::server;

use super::tools::{CONSUMER, PRODUCER, run};

/// The options a page describes, as [`Opt::synopsis`] writes them: from `.It Fl h , Fl -host Ar
/// HOST` or `.It Fl h Ar HOST , Fl -host Ar HOST`.
fn options_of_page(page: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(page));
    let text = text.unwrap_or_else(|error| panic!("man/{page}: {error}"));
    text.lines()
        .filter_map(|line| line.strip_prefix(".It "))
        .filter(|item| item.starts_with("Fl "))
        .map(synopsis)
        .collect()
}

fn synopsis(item: &str) -> String {
    let (mut names, mut argument) = (Vec::new(), "");
    for part in item.split(" , ") {
        let (name, hint) = part.split_once(" Ar ").unwrap_or((part, ""));
        names.push(name.replacen("Fl ", "-", 1));
        argument = hint;
    }
    let indent = if names[0].starts_with("--") { "    " } else { "" };
    format!("{indent}{} {argument}", names.join(", ")).trim_end().to_owned()
}

#[track_caller]
fn page_and_table_agree(page: &str, table: &[Opt]) {
    let described = options_of_page(page);
    let real: BTreeSet<_> = table.iter().map(Opt::synopsis).collect();
    let missing: Vec<_> = real.difference(&described).collect();
    let invented: Vec<_> = described.difference(&real).collect();
    assert!(missing.is_empty(), "man/{page} lacks {missing:?}");
    assert!(invented.is_empty(), "man/{page} describes what is not there: {invented:?}");
}

#[test]
fn producer_page_has_every_option() {
    page_and_table_agree("mqtt-producer.1", table::PRODUCER);
}

#[test]
fn consumer_page_has_every_option() {
    page_and_table_agree("mqtt-consumer.1", table::CONSUMER);
}

#[test]
fn passwd_page_has_every_option() {
    page_and_table_agree("mqtt-passwd.1", mqtt_broker::program::passwd::PASSWD);
}

#[test]
fn broker_page_has_every_option() {
    page_and_table_agree("mqtt-broker.8", server::options::BROKER);
}

/// Says so and passes where mandoc is not installed.
#[test]
fn pages_are_sound() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    for page in fs::read_dir(pages).unwrap() {
        let page = page.unwrap().path();
        let lint = Command::new("mandoc").arg("-Tlint").arg(&page).output();
        match lint {
            Err(error) => return println!("skipped: no mandoc ({error})"),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout);
                // Our pages name each other, and none of them is installed here.
                let is_fault = |line: &&str| !line.contains("referenced manual not found");
                let faults: Vec<&str> = said.lines().filter(is_fault).collect();
                assert!(faults.is_empty(), "{faults:#?}");
            }
        }
    }
}

#[test]
fn help_fits_a_screen_and_names_every_option() {
    for (program, options) in [(PRODUCER, table::PRODUCER), (CONSUMER, table::CONSUMER)] {
        let outcome = run(program, &["--help"]);
        let help = outcome.fine();
        assert!(help.lines().count() <= 24, "{program}: {} lines", help.lines().count());
        for line in help.lines() {
            assert!(line.chars().count() < 80, "{line}");
        }
        let words: BTreeSet<_> = help
            .split(|c: char| !(c.is_alphanumeric() || c == '-'))
            .filter(|word| word.starts_with('-'))
            .collect();
        for option in options {
            let (short, long) = (format!("-{}", option.short), format!("--{}", option.long));
            let named = |name: &str, word: &str| name.is_empty() || words.contains(word);
            assert!(named(option.short, &short), "{program} --help lacks {short}");
            assert!(named(option.long, &long), "{program} --help lacks {long}");
        }
        let known = |word: &str| {
            options
                .iter()
                .any(|o| word == format!("-{}", o.short) || word == format!("--{}", o.long))
        };
        for word in words {
            assert!(known(word), "{program} --help invents {word}");
        }
    }
}

#[test]
fn versions_are_told() {
    for program in [PRODUCER, CONSUMER] {
        let outcome = run(program, &["--version"]);
        let version = outcome.fine();
        assert!(version.trim_end().ends_with(env!("CARGO_PKG_VERSION")), "{version}");
    }
}
