//! The project's own source as data: which files there are, and what in them is code.
//!
//! Owns: [`Source`], one file; [`all`], the files that the manifest reaches; [`Source::code`], the
//! text with comments and the insides of literals blanked, so that a word in a sentence is no use
//! of it. A few lines of scanning, not a parser: it knows as much Rust as this project writes.

use std::fs;
use std::path::{Path, PathBuf};

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of the library.
    Library,
    /// A file of `src` that only tests compile.
    UnitTest,
    /// One of the programs.
    Program,
    /// Below `tests`.
    Test,
    /// Below `benches`.
    Bench,
}

/// One file.
pub(super) struct Source {
    /// From the project's directory, with slashes.
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) text: String,
    /// As `text`, line for line, but comments and the insides of literals are spaces.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, kind: Kind, text: &str) -> Self {
        Self { path: path.into(), kind, text: text.into(), code: blanked(text) }
    }

    /// How many lines come before the tests at its end; none if all of it is tests.
    pub(super) fn lines_before_tests(&self) -> usize {
        if self.kind == Kind::UnitTest {
            return 0;
        }
        let lines: Vec<&str> = self.code.lines().collect();
        let begins = |at: &usize| {
            let opens = |line: &&str| line.starts_with("mod ") && line.ends_with('{');
            lines[*at] == "#[cfg(test)]" && lines.get(at + 1).is_some_and(opens)
        };
        (0..lines.len()).find(begins).unwrap_or(lines.len())
    }

    /// The crate's module it belongs to: `codec` for `src/codec/wire.rs`. None outside the library.
    pub(super) fn module(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/").filter(|rest| *rest != "lib.rs")?;
        let library = matches!(self.kind, Kind::Library | Kind::UnitTest);
        library.then(|| rest.split(['/', '.']).next().expect("split yields at least one"))
    }

    /// How far below the crate's root it is: 1 for `src/codec/mod.rs`, 2 for `src/codec/wire.rs`.
    pub(super) fn depth(&self) -> usize {
        let path = self.path.trim_end_matches("/mod.rs");
        path.matches('/').count()
    }
}

/// Every file that is compiled, found from the manifest by way of `mod` declarations.
pub(super) fn all() -> Vec<Source> {
    let manifest = read("Cargo.toml");
    let named = manifest.lines().filter_map(|line| {
        line.strip_prefix("path = \"")?.strip_suffix('"').filter(|path| path.ends_with(".rs"))
    });
    let mut sources = Vec::new();
    for root in std::iter::once("src/lib.rs").chain(named) {
        let kind = match root.split('/').collect::<Vec<_>>()[..] {
            ["src", "bin", ..] => Kind::Program,
            ["src", ..] => Kind::Library,
            ["benches", ..] => Kind::Bench,
            _ => Kind::Test,
        };
        add(root, true, kind, &mut sources);
    }
    sources
}

/// A file and the modules it declares.
fn add(path: &str, is_root: bool, kind: Kind, sources: &mut Vec<Source>) {
    let source = Source::new(path, kind, &read(path));
    let directory = if is_root || path.ends_with("/mod.rs") {
        path.rsplit_once('/').expect("every file lies in a directory").0
    } else {
        path.trim_end_matches(".rs")
    };
    for (name, is_test) in declared(&source.code) {
        let kind = if is_test && kind == Kind::Library { Kind::UnitTest } else { kind };
        let [file, folder] =
            [format!("{directory}/{name}.rs"), format!("{directory}/{name}/mod.rs")];
        add(if at(&file).exists() { &file } else { &folder }, false, kind, sources);
    }
    sources.push(source);
}

/// The `mod name;` of a file, and whether only tests have them.
fn declared(code: &str) -> Vec<(&str, bool)> {
    let mut declared = Vec::new();
    let mut is_test = false;
    for line in code.lines().map(str::trim) {
        let name = line.rsplit_once("mod ").and_then(|(_, rest)| rest.strip_suffix(';'));
        declared.extend(name.map(|name| (name, is_test)));
        is_test = line == "#[cfg(test)]" || (is_test && line.starts_with("#["));
    }
    declared
}

/// Every Rust file in the tree's own directories, compiled or not.
pub(super) fn files() -> Vec<String> {
    let mut files = Vec::new();
    let mut directories = vec!["src".to_owned(), "tests".to_owned(), "benches".to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(at(&directory)).expect("the directory can be read") {
            let entry = entry.expect("an entry can be read");
            let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                directories.push(path);
            } else if path.ends_with(".rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

pub(super) fn read(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text with comments and the insides of literals blanked; lines keep their numbers, and
/// columns too as long as the text is ASCII.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let (kept, len) = if rest.starts_with("//") {
            (0, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (0, rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else if let Some(fence) = raw_fence(rest) {
            let close = format!("\"{fence}");
            let open = 2 + fence.len();
            (open, rest[open..].find(&close).map_or(rest.len(), |end| open + end + close.len()))
        } else if rest.starts_with('"') {
            (1, quoted(rest, b'"'))
        } else if is_char(rest) {
            (1, quoted(rest, b'\''))
        } else {
            let len = rest.chars().next().map_or(1, char::len_utf8);
            (len, len)
        };
        code.push_str(&rest[..kept]);
        code.extend(rest[kept..len].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        at += len;
    }
    code.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The `#`s of the raw string that begins here.
fn raw_fence(rest: &str) -> Option<&str> {
    let fence = rest.strip_prefix('r')?;
    let len = fence.bytes().take_while(|byte| *byte == b'#').count();
    fence[len..].starts_with('"').then_some(&fence[..len])
}

/// A quote that opens a character, not a lifetime.
fn is_char(rest: &str) -> bool {
    let mut chars = rest.chars();
    chars.next() == Some('\'')
        && matches!((chars.next(), chars.next()), (Some('\\'), _) | (_, Some('\'')))
}

/// The length of the literal that begins here.
fn quoted(rest: &str, quote: u8) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            byte if byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[test]
fn comments_and_literals_are_blanked() {
    let text = "a(\"b \\\" // c\", 'd', '\\'', r#\"e\"f\"#); // g 'h\n/* i\nj */ k::<'l>(b\"m\")\n";
    let code = blanked(text);
    let words: String = code.split_whitespace().collect();
    assert_eq!(words, "a(\",',',r#\");k::<'l>(b\")");
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn declarations_are_found() {
    let code = "pub mod a;\nmod b {\n}\n#[cfg(test)]\nmod c;\npub(crate) mod d;\n#[cfg(test)]\n";
    assert_eq!(declared(code), [("a", false), ("c", true), ("d", false)]);
}
