//! Holds the order of the layers: a module imports from the layers below it and from nowhere else.
//!
//! The sources are read as tokens, so that comments and texts do not count, and every path that names a module
//! of the crate is looked at: `crate::hub::X`, `crate::{hub, wire}`, and as many `super` as lead to the root.
//! The program is held to the public API, `unsafe` to `sys`, and files to a size and a header.

use std::fs;
use std::path::Path;

/// From the bottom up.
const LAYERS: [&str; 10] =
    ["base", "sys", "hub", "wire", "session", "reactor", "app", "cluster", "server", "daemon"];

/// Public for tests and tools only; the program and the examples do without.
const HIDDEN: [&str; 7] = ["base", "cluster", "hub", "reactor", "session", "sys", "wire"];

const MOST_LINES: usize = 600;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Sign(char),
}

/// Words and signs of Rust source, without comments and literals.
fn tokens(source: &str) -> Vec<Token> {
    let bytes: Vec<char> = source.chars().collect();
    let at = |i: usize| bytes.get(i).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < bytes.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                if at(i) == '/' && at(i + 1) == '*' {
                    depth += 1;
                    i += 2;
                } else if at(i) == '*' && at(i + 1) == '/' {
                    depth -= 1;
                    i += 2;
                } else {
                    i += 1;
                }
                if depth == 0 || i >= bytes.len() {
                    break;
                }
            }
        } else if c == '"' {
            i = after_text(&bytes, i);
        } else if c == '\'' {
            // A character ends with a quote after one character or an escape; a lifetime does not.
            if at(i + 1) == '\\' {
                i += 3;
                while i < bytes.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            } else {
                i += if at(i + 2) == '\'' { 3 } else { 1 };
            }
        } else if is_word(c) {
            let start = i;
            while is_word(at(i)) {
                i += 1;
            }
            let word: String = bytes[start..i].iter().collect();
            let hashes = bytes[i..].iter().take_while(|c| **c == '#').count();
            if matches!(word.as_str(), "r" | "br" | "cr") && at(i + hashes) == '"' {
                i = after_raw_text(&bytes, i + hashes + 1, hashes);
            } else if matches!(word.as_str(), "b" | "c") && at(i) == '"' {
                i = after_text(&bytes, i);
            } else {
                found.push(Token::Word(word));
            }
        } else if c == ':' && at(i + 1) == ':' {
            found.push(Token::Path);
            i += 2;
        } else {
            if !c.is_whitespace() {
                found.push(Token::Sign(c));
            }
            i += 1;
        }
    }
    found
}

fn after_text(chars: &[char], quote: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn after_raw_text(chars: &[char], start: usize, hashes: usize) -> usize {
    let mut i = start;
    while i < chars.len() {
        let closing = chars[i + 1..].iter().take_while(|c| **c == '#').count();
        if chars[i] == '"' && closing >= hashes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    i
}

/// The first segments behind the token at `i`, which follows a root and its `::`: one, or those of a group.
fn first_segments(tokens: &[Token], i: usize) -> Vec<&str> {
    match tokens.get(i) {
        Some(Token::Word(word)) => vec![word],
        Some(Token::Sign('{')) => {
            let (mut depth, mut fresh, mut found) = (0, false, Vec::new());
            for token in &tokens[i..] {
                match token {
                    Token::Sign('{') => {
                        depth += 1;
                        fresh = depth == 1;
                        continue;
                    }
                    Token::Sign('}') => depth -= 1,
                    Token::Sign(',') if depth == 1 => {
                        fresh = true;
                        continue;
                    }
                    Token::Word(word) if fresh && depth == 1 => found.push(word.as_str()),
                    _ => {}
                }
                fresh = false;
                if depth == 0 {
                    break;
                }
            }
            found
        }
        // `use crate::*` says nothing of the layers that it means.
        Some(Token::Sign('*')) => vec!["*"],
        _ => Vec::new(),
    }
}

/// The module that a file is, without the crate.
fn module_of(path: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = path.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
    if matches!(parts.last(), Some(&"mod" | &"lib" | &"main")) {
        parts.pop();
    }
    parts
}

/// What names the file takes from the root of its crate, and from the library if it is the program.
fn roots(path: &str, tokens: &[Token]) -> (Vec<String>, Vec<String>) {
    let module = module_of(path);
    let mut inline: Vec<usize> = Vec::new();
    let mut depth = 0;
    let (mut own, mut library) = (Vec::new(), Vec::new());
    let mut i = 0;
    while i < tokens.len() {
        match &tokens[i] {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => {
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
                depth -= 1;
            }
            Token::Word(word) if word == "mod" && tokens.get(i + 2) == Some(&Token::Sign('{')) => {
                inline.push(depth + 1);
            }
            Token::Word(word) if i == 0 || tokens[i - 1] != Token::Path => {
                let mut end = i;
                let mut up = usize::from(word == "super");
                while word == "super" && tokens.get(end + 2) == Some(&Token::Word("super".to_owned())) {
                    end += 2;
                    up += 1;
                }
                let at_root = word == "crate" || up > 0 && up == module.len() + inline.len();
                if tokens.get(end + 1) == Some(&Token::Path) {
                    let names = first_segments(tokens, end + 2).into_iter().map(str::to_owned);
                    if at_root {
                        own.extend(names);
                    } else if word == "fanfare" {
                        library.extend(names);
                    }
                }
                i = end;
            }
            _ => {}
        }
        i += 1;
    }
    (own, library)
}

/// Everything in which the files, each with its path and text, break the rules.
fn violations(files: &[(String, String)]) -> Vec<String> {
    let rank = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    let mut found = Vec::new();
    for (path, text) in files {
        let tokens = tokens(text);
        let (own, library) = roots(path, &tokens);
        let module = module_of(path);
        let Some(layer) = module.first() else {
            // The root of the library names every module; that is what it is for.
            check_form(path, text, &tokens, &mut found);
            continue;
        };
        match rank(layer) {
            _ if matches!(*layer, "daemon" | "examples") => {
                // The program's `crate` is its own.
                for name in library.iter().filter(|name| HIDDEN.contains(&name.as_str()) || *name == "*") {
                    found.push(format!("{path}: {layer} uses fanfare::{name}"));
                }
            }
            None => found.push(format!("{path}: {layer} is no layer")),
            Some(own_rank) => {
                for name in own.iter().filter(|name| name != layer) {
                    if rank(name).is_none_or(|other| other >= own_rank) {
                        found.push(format!("{path}: {layer} imports {name}"));
                    }
                }
                for name in library {
                    found.push(format!("{path}: the library calls itself fanfare::{name}"));
                }
            }
        }
        check_form(path, text, &tokens, &mut found);
    }
    found
}

fn check_form(path: &str, text: &str, tokens: &[Token], found: &mut Vec<String>) {
    if !path.starts_with("src/sys/") && tokens.contains(&Token::Word("unsafe".to_owned())) {
        found.push(format!("{path}: unsafe outside of sys"));
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        found.push(format!("{path}: {lines} lines"));
    }
    if !text.starts_with("//! ") {
        found.push(format!("{path}: no header"));
    }
}

fn read(dir: &Path, root: &Path, files: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            read(&path, root, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn imports_point_downward() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    read(&root.join("src"), root, &mut files);
    read(&root.join("examples"), root, &mut files);
    assert!(files.iter().any(|(path, _)| path == "src/hub/mod.rs"), "the sources are not where they were");
    let found = violations(&files);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// One file in a tree of its own; the header is added.
fn check(path: &str, text: &str) -> Vec<String> {
    violations(&[(path.to_owned(), format!("//! x\n{text}"))])
}

#[test]
fn an_upward_import_is_found_in_every_way_of_writing_it() {
    for text in [
        "use crate::server::Server;",
        "use crate::{base::ids::LinkId, server::Server};",
        "use crate :: { base::{ids, time}, app };",
        "fn f() { let x = crate::reactor::mail::Mailbox::new(); }",
        "use super::reactor::X;",
        "pub(in crate::reactor) fn f() {}",
        "mod tests { use super::super::reactor::X; }",
        "mod tests { mod deeper { fn f() { super::super::super::app::x() } } }",
        "use crate::*;",
        "fn f() -> char { let _ = ('\"', '\\'', b'\"'); crate::app::x() }",
        "fn f<'a>(x: &'a str) { r#\"a \" b\"#; crate::app::x() }",
    ] {
        assert_eq!(check("src/hub/mod.rs", text).len(), 1, "{text}");
    }
    assert_eq!(check("src/hub/rooms.rs", "use super::super::app::X;").len(), 1);
    assert_eq!(check("src/reactor/outlet/tests.rs", "use super::super::super::server;").len(), 1);
    assert_eq!(check("src/sys/mod.rs", "use crate::hub::Hub;").len(), 1);
    assert_eq!(check("src/wire/mod.rs", "use fanfare::Frame;").len(), 1);
}

#[test]
fn what_is_allowed_is_not_found() {
    for text in [
        "use crate::base::ids::LinkId; use crate::{base::{ids, time}, hub::x};",
        "// use crate::server::X;\n/* crate::app::X /* crate::app */ */",
        "const X: &str = \"crate::server::X \\\" crate::app\"; const Y: &str = r#\"crate::app \" crate::app\"#;",
        "pub(crate) fn f() {} mod tests { use super::*; use super::app; }",
        "mod a { } use super::base::ids;",
    ] {
        assert_eq!(check("src/hub/mod.rs", text), [""; 0], "{text}");
    }
    assert_eq!(check("src/hub/rooms.rs", "use super::server; use super::super::base;"), [""; 0]);
    assert_eq!(check("src/lib.rs", "pub use server::X; pub use crate::app::Y;"), [""; 0]);
}

#[test]
fn the_program_sees_the_public_api_only() {
    assert_eq!(check("src/daemon/main.rs", "use fanfare::{Server, Limits}; use crate::access::A;"), [""; 0]);
    for text in ["use fanfare::hub::Hub;", "use fanfare::{Server, wire::frame::encode};", "use fanfare::*;"] {
        assert_eq!(check("src/daemon/gateway/mod.rs", text).len(), 1, "{text}");
        assert_eq!(check("examples/echo.rs", text).len(), 1, "{text}");
    }
}

#[test]
fn unsafe_size_header_and_layer_are_checked() {
    assert_eq!(check("src/sys/x.rs", "unsafe fn f() {}"), [""; 0]);
    assert_eq!(check("src/base/x.rs", "unsafe fn f() {}").len(), 1);
    assert_eq!(check("src/base/x.rs", "// unsafe\nfn f() -> &'static str { \"unsafe\" }"), [""; 0]);
    assert_eq!(check("src/base/x.rs", &"\n".repeat(MOST_LINES - 1)), [""; 0]);
    assert_eq!(check("src/base/x.rs", &"\n".repeat(MOST_LINES)).len(), 1);
    assert_eq!(check("src/elsewhere/x.rs", "").len(), 1);
    assert_eq!(violations(&[("src/base/x.rs".to_owned(), "fn f() {}\n".to_owned())]).len(), 1);
}
