//! Conformance: every normative statement of MQTT 3.1.1 and 5.0 has a test here or says why not.
//!
//! A chapter file is a table (`cases!`) above the functions it names. The tests speak raw bytes to
//! the real program and know nothing of its code.

mod bridge;
mod ids;
mod sentences;
mod v31;
mod v311;
mod v5;
#[cfg(feature = "websocket")]
mod websocket;

/// The standard a statement belongs to: the two number theirs alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V311,
    V5,
}

/// A statement and the test that a broker passes only if it obeys.
pub(crate) struct Case {
    pub(crate) id: (Version, &'static str),
    pub(crate) says: &'static str,
    pub(crate) run: fn(),
}

/// Runs the test of one table row; a failure shows what was at stake.
pub(crate) fn check(row: &[Case]) {
    for Case { id: (version, id), says, .. } in row {
        println!("{version:?} [{id}] {says}");
    }
    (row[0].run)();
}

/// Makes a chapter's table `CASES` and a test `NAME::holds` from each row
/// `function: "id" "what it says", ...;`.
macro_rules! cases {
    ($version:ident; $($name:ident: $($id:literal $says:literal),+;)*) => {
        pub(crate) const CASES: &[&[$crate::conformance::Case]] = &[$($name::ROW),*];
        $(
            mod $name {
                use $crate::conformance::{Case, Version, check};
                pub(crate) const ROW: &[Case] = &[$(Case {
                    id: (Version::$version, $id),
                    says: $says,
                    run: super::$name,
                }),+];
                #[test]
                fn holds() {
                    check(ROW);
                }
            }
        )*
    };
}
use cases;

/// The tables of all chapters of a version.
type Tables = &'static [&'static [&'static [Case]]];
/// Statements without a test, and why.
type Exempt = &'static [(&'static str, &'static str)];

const CLIENT: &str = "binds the client only";
#[cfg(not(feature = "websocket"))]
const WEBSOCKET: &str = "binds a server that speaks WebSocket; this build does not";

/// Faults of a version's tables, one line each.
fn faults(version: Version, ids: &str, tables: Tables, exempt: Exempt) -> Vec<String> {
    let known: Vec<&str> = ids.split_whitespace().collect();
    let rows = || tables.iter().copied().flatten().copied().flatten();
    let mut faults = Vec::new();
    for id in &known {
        let (tested, excused) =
            (rows().any(|row| row.id.1 == *id), exempt.iter().filter(|row| row.0 == *id).count());
        match (tested, excused) {
            (true, 0) | (false, 1) => {}
            (false, 0) => faults.push(format!("{id} has neither a test nor an excuse")),
            (true, _) => faults.push(format!("{id} has a test and an excuse")),
            (false, _) => faults.push(format!("{id} has two excuses")),
        }
    }
    for row in rows().filter(|row| row.id.0 != version) {
        faults.push(format!("{} stands in the table of another version", row.id.1));
    }
    for id in rows().map(|row| row.id.1).chain(exempt.iter().map(|row| row.0)) {
        if !known.contains(&id) {
            faults.push(format!("{id} is not in the standard"));
        }
    }
    faults
}

#[test]
fn every_statement_of_3_1_1_has_a_test_or_an_excuse() {
    assert_eq!(ids::V311.split_whitespace().count(), 141);
    let faults = faults(Version::V311, ids::V311, v311::TABLES, v311::EXEMPT);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_statement_of_5_0_has_a_test_or_an_excuse() {
    assert_eq!(ids::V5.split_whitespace().count(), 251);
    let faults = faults(Version::V5, ids::V5, v5::TABLES, v5::EXEMPT);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
