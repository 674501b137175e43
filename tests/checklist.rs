//! The guide's table of Socket.IO's server API against its tests by real clients, and its table of idioms against the
//! compiler.
//!
//! Rows are those of `src/guide/server_api.md`; tests are found by their titles in `tests/clients/checklist`, each of which
//! begins with the names of its row. Which row has which tests is written to `src/guide/tests_of_rows.md`, and compared with
//! what is there; `FANFARE_RENEW=1 cargo test --test checklist` writes it anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A row of the guide.
#[derive(Debug, PartialEq)]
struct Row {
    /// Its names as titles have them.
    key: String,
    is_in_2_1: bool,
}

/// A test by real clients.
#[derive(Debug, PartialEq)]
struct Test {
    file: String,
    key: String,
    /// What is behind the key.
    what: String,
    generations: &'static [&'static str],
}

/// How tests are registered: see `tests/clients/checklist/rows.mjs`.
const KINDS: [(&str, &[&str]); 3] =
    [("both(", &["4.8", "2.1"]), ("latest(", &["4.8"]), ("earlier(", &["2.1"])];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cells of the lines of all tables but their heads.
fn cells(markdown: &str) -> Vec<Vec<String>> {
    let split = |line: &str| -> Vec<String> {
        let line = line.trim().trim_matches('|').replace("\\|", "\0");
        line.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
    };
    let mut found = Vec::new();
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        let is_head = lines.peek().is_some_and(|next| next.starts_with("|---"));
        if line.starts_with('|') && !is_head && !line.starts_with("|---") {
            found.push(split(line));
        }
    }
    found
}

fn rows(markdown: &str) -> Vec<Row> {
    let mut found = Vec::new();
    let mut prefix = "";
    for part in markdown.split("\n# ") {
        for row in cells(part) {
            // Names, whose (not of options), since, whether 2.1 has it, here, and.
            let is_in_2_1 = match row[row.len() - 3].as_str() {
                "yes" => true,
                "no" => false,
                other => panic!("{}: {other:?} in the column 2.1", row[0]),
            };
            assert!(!row[row.len() - 2].is_empty(), "{}: nothing is said to be there", row[0]);
            found.push(Row { key: format!("{prefix}{}", row[0].replace('`', "")), is_in_2_1 });
        }
        prefix = "option ";
    }
    found
}

/// The tests of a file.
fn tests(file: &str, script: &str) -> Vec<Test> {
    let mut found = Vec::new();
    for (number, line) in script.lines().enumerate() {
        let Some((call, generations)) = KINDS.iter().find(|(call, _)| line.starts_with(call)) else {
            continue;
        };
        // Long ones have their title in the next line.
        let next = script.lines().nth(number + 1).unwrap_or_default();
        let rest = line[call.len()..].trim_start();
        let rest = if rest.is_empty() { next.trim_start() } else { rest };
        let title = rest.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(title, _)| title);
        let (key, what) = title
            .and_then(|title| title.split_once(": "))
            .unwrap_or_else(|| panic!("{file}: what row is this of? {line}"));
        found.push(Test { file: file.to_owned(), key: key.to_owned(), what: what.to_owned(), generations });
    }
    found
}

/// What is wrong with them, for people.
fn faults(rows: &[Row], tests: &[Test]) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        if rows[..number].iter().any(|other| other.key == row.key) {
            faults.push(format!("{}: two rows", row.key));
        }
        let is_tried = |generation: &str| {
            tests.iter().any(|test| test.key == row.key && test.generations.contains(&generation))
        };
        if !is_tried("4.8") && !is_tried("2.1") {
            faults.push(format!("{}: no test", row.key));
        } else if row.is_in_2_1 && !is_tried("2.1") {
            faults.push(format!("{}: no test with clients of 2.1", row.key));
        }
    }
    let is_row = |test: &&Test| rows.iter().any(|row| row.key == test.key);
    faults.extend(tests.iter().filter(|test| !is_row(test)).map(|test| format!("{}: no row", test.key)));
    faults
}

fn table(rows: &[Row], tests: &[Test]) -> String {
    let mut text = String::from(
        "Which tests try which row of [`server_api`](crate::guide::server_api), and with clients of which versions. They are in\n\
         `tests/clients/checklist`; each is done with clients on WebSockets, and with clients on polling where that makes\n\
         sense. This table is generated: see `tests/checklist.rs`.\n\n\
         | row | tests | with |\n|---|---|---|\n",
    );
    for row in rows {
        let mut own: BTreeMap<&[&str], Vec<&Test>> = BTreeMap::new();
        for test in tests.iter().filter(|test| test.key == row.key) {
            own.entry(test.generations).or_default().push(test);
        }
        // Those of both first: they are longer.
        for (generations, tests) in own.iter().rev() {
            for test in tests {
                let file = test.file.trim_end_matches(".test.mjs");
                text += &format!("| {} | {file}: {} | {} |\n", row.key, test.what, generations.join(", "));
            }
        }
    }
    text
}

fn all_tests() -> Vec<Test> {
    let folder = root().join("tests/clients/checklist");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".test.mjs"))
        .collect();
    names.sort();
    names.iter().flat_map(|name| tests(name, &read(&format!("tests/clients/checklist/{name}")))).collect()
}

#[test]
fn every_row_has_its_tests_and_the_table_of_them_is_up_to_date() {
    let (rows, tests) = (rows(&read("src/guide/server_api.md")), all_tests());
    let faults = faults(&rows, &tests);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    let (path, table) = ("src/guide/tests_of_rows.md", table(&rows, &tests));
    if std::env::var_os("FANFARE_RENEW").is_some() {
        fs::write(root().join(path), table).unwrap();
    } else {
        assert!(read(path) == table, "{path} is not up to date: FANFARE_RENEW=1 cargo test --test checklist");
    }
}

#[test]
fn rows_and_titles_are_read() {
    let guide = "| name | 2.1 | here | and |\n|---|---|---|---|\n| `a`, `b` | yes | [`x`](x) | `\\|` |\n\n\
                 # Options\n\n| option | 2.1 | here | and |\n|---|---|---|---|\n| `a` | no | x | |\n";
    let row = |key: &str, is_in_2_1| Row { key: key.to_owned(), is_in_2_1 };
    let rows = rows(guide);
    assert_eq!(rows, [row("a, b", true), row("option a", false)]);

    let script = "both('a, b: it does', async () => {\n});\nlatest(\n    'option a: it does, too',\n);\n  both('x: y')";
    let found = tests("f.test.mjs", script);
    let titles: Vec<_> = found.iter().map(|test| (&*test.key, &*test.what, test.generations)).collect();
    let expected: [(&str, &str, &[&str]); 2] =
        [("a, b", "it does", &["4.8", "2.1"]), ("option a", "it does, too", &["4.8"])];
    assert_eq!(titles, expected);
    assert_eq!(faults(&rows, &found), [""; 0]);

    // One that is missing, one for a version that is missing, one that is of no row, and a row that is there twice.
    assert_eq!(faults(&rows, &found[..1]), ["option a: no test"]);
    let found = tests("f", "latest('a, b: x')\nearlier('option a: x')\nboth('c: x')");
    assert_eq!(faults(&rows, &found), ["a, b: no test with clients of 2.1", "c: no row"]);
    let twice = [row("option a", false), row("option a", false)];
    assert_eq!(faults(&twice, &found[1..2]), ["option a: two rows"]);
}
