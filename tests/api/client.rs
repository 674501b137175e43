//! The browser client as pages and caches meet it: which files there are, their encodings, tags and origins.

use crate::http::{Answer, Http};
use crate::server::Server;
use crate::support::{self, Folder, PATIENCE, fanfare, run};
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SCRIPTS: [&str; 4] =
    ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"];
const OLD_SCRIPTS: [&str; 2] = ["socket.io.js", "socket.io.slim.js"];

/// What a file of a package has in it: different in each, and long enough to be worth compressing.
fn content(package: &str, file: &str) -> String {
    (0..2_000).map(|line| format!("// {package} {file} {line}\n")).collect()
}

/// A folder where both packages are, as npm would install them.
fn installed() -> Folder {
    let folder = Folder::new();
    package(&folder, "socket.io-client", "4.8.4", &SCRIPTS);
    package(&folder, "socket.io-client-2", "2.5.0", &OLD_SCRIPTS);
    folder
}

fn package(folder: &Folder, name: &str, version: &str, scripts: &[&str]) {
    let package = folder.path(&format!("node_modules/{name}"));
    fs::create_dir_all(package.join("dist")).unwrap();
    fs::write(package.join("package.json"), format!("{{\"name\":\"x\",\"version\":\"{version}\"}}")).unwrap();
    for script in scripts {
        for file in [(*script).to_owned(), format!("{script}.map")] {
            fs::write(package.join("dist").join(&file), content(name, &file)).unwrap();
        }
    }
}

fn config(folder: &Folder, more: &str) -> PathBuf {
    let text = format!("reactors = 2\n[socketio]\nclient_dir = \"{}\"\n{more}", folder.path("").display());
    folder.write("client.toml", &text)
}

/// A server with these packages and these further keys.
fn serving(folder: &Folder, more: &str) -> Server {
    Server(support::Server::configured(&config(folder, more)))
}

fn get(http: &mut Http, target: &str, headers: &[(&str, &str)]) -> Answer {
    http.request("GET", target, headers, b"")
}

/// No file has the path: it is a request to Socket.IO, and none that it understands.
fn is_for_socket_io(answer: &Answer) {
    let expected = serde_json::json!({ "code": 0, "message": "Transport unknown" });
    assert_eq!((answer.status, answer.json()), (400, expected));
}

/// Asks until the answer has the encoding, which is made when it is first asked for.
fn encoded(http: &mut Http, target: &str, accepted: &str, coding: &str) -> Answer {
    let start = Instant::now();
    loop {
        let answer = get(http, target, &[("Accept-Encoding", accepted)]);
        assert_eq!(answer.status, 200);
        if answer.header("content-encoding") == Some(coding) {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{coding} is never there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn every_file_of_both_packages_is_served() {
    let folder = installed();
    let server = serving(&folder, "");
    server.0.wait_for_log("serving socket.io-client 4.8.4 and 2.5.0 at /socket.io/");
    let mut http = server.http();
    let mut tags = Vec::new();
    let all = SCRIPTS.map(|script| ("", "socket.io-client", script)).into_iter();
    let all = all.chain(OLD_SCRIPTS.map(|script| ("2/", "socket.io-client-2", script)));
    for (prefix, package, script) in all {
        for (file, kind) in [(script.to_owned(), "javascript"), (format!("{script}.map"), "json")] {
            let target = format!("/socket.io/{prefix}{file}");
            let answer = http.get(&target);
            assert_eq!((answer.status, answer.text()), (200, content(package, &file).as_str()), "{target}");
            assert_eq!(
                answer.header("content-type"),
                Some(format!("application/{kind}; charset=utf-8").as_str())
            );
            assert_eq!(answer.header("cache-control"), Some("public, max-age=0"));
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
            assert_eq!(answer.header("content-encoding"), None);
            assert_eq!(answer.header("access-control-allow-origin"), None);
            let tag = answer.header("etag").unwrap().to_owned();
            assert!(tag.starts_with("\"4.8.4-") || tag.starts_with("\"2.5.0-"), "{tag}");
            assert!(!tags.contains(&tag), "{target} has the tag of another file");
            tags.push(tag);

            // The query is for caches in between.
            let head = http.request("HEAD", &format!("{target}?v=1"), &[], b"");
            assert_eq!(head.headers_without_date(), answer.headers_without_date(), "{target}");
            assert_eq!((head.status, head.body.len()), (200, 0));
        }
    }
    let refused = http.request("POST", "/socket.io/socket.io.js", &[], b"");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET")));
    for nothing in
        ["/socket.io/socket.io.slim.js", "/socket.io/2/socket.io.min.js", "/socket.io/2/", "/socket.io/../x"]
    {
        is_for_socket_io(&http.get(nothing));
    }
}

#[test]
fn caches_are_told_that_nothing_changed_until_something_does() {
    let folder = installed();
    let target = "/socket.io/socket.io.min.js";
    let server = serving(&folder, "");
    let mut http = server.http();
    let tag = http.get(target).header("etag").unwrap().to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"a\", \"b,c\", {tag}"), "*".to_owned()] {
        for method in ["GET", "HEAD"] {
            let answer = http.request(method, target, &[("If-None-Match", &known)], b"");
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
            assert_eq!(answer.header("cache-control"), Some("public, max-age=0"));
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
        }
    }
    for other in ["\"4.8.4\"", "\"\"", "", &tag[1..]] {
        assert_eq!(get(&mut http, target, &[("If-None-Match", other)]).status, 200, "{other}");
    }
    // A cache that has the compressed form keeps that one.
    let shorter = encoded(&mut http, target, "br", "br").header("etag").unwrap().to_owned();
    assert_ne!(shorter, tag);
    let answer = get(&mut http, target, &[("If-None-Match", &shorter), ("Accept-Encoding", "br")]);
    assert_eq!((answer.status, answer.header("etag")), (304, Some(shorter.as_str())));
    drop(server);

    // The same version with another content: patched by hand, say.
    let patched = "let io // patched\n";
    fs::write(folder.path("node_modules/socket.io-client/dist/socket.io.min.js"), patched).unwrap();
    let server = serving(&folder, "");
    let answer = get(&mut server.http(), target, &[("If-None-Match", &format!("{tag}, {shorter}"))]);
    assert_eq!((answer.status, answer.text()), (200, patched));
    assert_ne!(answer.header("etag"), Some(tag.as_str()));
}

#[test]
fn the_encoding_is_the_one_that_the_client_likes_best() {
    let folder = installed();
    // Nothing that compressing would make shorter.
    fs::write(folder.path("node_modules/socket.io-client/dist/socket.io.min.js"), "io").unwrap();
    let server = serving(&folder, "");
    let mut http = server.http();
    let target = "/socket.io/socket.io.js";
    let plain = http.get(target);

    let brotli = encoded(&mut http, target, "gzip, deflate, br, zstd", "br");
    let mut read = String::new();
    brotli::Decompressor::new(&brotli.body[..], 4_096).read_to_string(&mut read).unwrap();
    assert_eq!(read, plain.text());
    assert!(brotli.body.len() < plain.body.len() / 4, "{} bytes", brotli.body.len());

    let gzip = encoded(&mut http, target, "gzip;q=1.0, br;q=0.9", "gzip");
    let mut read = String::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_string(&mut read).unwrap();
    assert_eq!(read, plain.text());
    assert!(gzip.body.len() < plain.body.len() / 4, "{} bytes", gzip.body.len());

    let tag = |answer: &Answer| answer.header("etag").unwrap().to_owned();
    assert!(tag(&plain) != tag(&gzip) && tag(&gzip) != tag(&brotli) && tag(&brotli) != tag(&plain));
    // Both are there by now, so that these are certain.
    for (accepted, coding) in [
        ("*", Some("br")),
        ("gzip", Some("gzip")),
        ("br;q=0, *", Some("gzip")),
        ("identity, gzip;q=0.9, br;q=0.9", None),
        ("gzip;q=0, br;q=0", None),
        ("deflate", None),
        ("", None),
        ("gzip;q=nonsense", None),
    ] {
        let answer = get(&mut http, target, &[("Accept-Encoding", accepted)]);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, coding), "{accepted}");
        let expected = match coding {
            Some("br") => &brotli,
            Some(_) => &gzip,
            None => &plain,
        };
        assert_eq!(answer.body, expected.body, "{accepted}");
        assert_eq!(answer.header("etag"), expected.header("etag"), "{accepted}");
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
    }
    let head = http.request("HEAD", target, &[("Accept-Encoding", "br")], b"");
    assert_eq!(head.header("content-length"), Some(brotli.body.len().to_string().as_str()));

    let short = "/socket.io/socket.io.min.js";
    let accept = [("Accept-Encoding", "gzip")];
    assert_eq!(get(&mut http, short, &accept).text(), "io");
    // Files are compressed in the order in which they were asked for.
    encoded(&mut http, "/socket.io/socket.io.js.map", "gzip", "gzip");
    let answer = get(&mut http, short, &accept);
    assert_eq!((answer.text(), answer.header("content-encoding")), ("io", None));
}

#[test]
fn pages_of_other_origins_may_read_it_if_that_is_configured() {
    let folder = installed();
    let target = "/socket.io/socket.io.esm.min.js";
    let from = |server: &Server, origin: &str| get(&mut server.http(), target, &[("Origin", origin)]);
    let allowed = "access-control-allow-origin";
    let credentials = "access-control-allow-credentials";

    let any = serving(&folder, "cors = \"*\"\n");
    assert_eq!(from(&any, "https://x.example").header(allowed), Some("*"));
    assert_eq!(from(&any, "https://x.example").header(credentials), None);

    let some = "cors = [\"https://a.example\", \"https://b.example\"]\n";
    let origins = "[auth]\norigins = [\"https://a.example\", \"https://b.example\"]\n";
    let some = serving(&folder, &format!("{some}cors_credentials = true\n{origins}"));
    let answer = from(&some, "https://b.example");
    assert_eq!(answer.header(allowed), Some("https://b.example"));
    assert_eq!(answer.header(credentials), Some("true"));
    for answer in [answer, from(&some, "https://x.example"), some.get(target)] {
        let vary: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "vary").collect();
        assert_eq!(vary.len(), 2, "{vary:?}");
        assert_eq!(vary[1].1, "Origin");
    }
    let answer = from(&some, "https://x.example");
    assert_eq!((answer.header(allowed), answer.header(credentials)), (None, None));
    let tag = answer.header("etag").unwrap();
    let known = [("Origin", "https://a.example"), ("If-None-Match", tag)];
    let answer = get(&mut some.http(), target, &known);
    assert_eq!((answer.status, answer.header(allowed)), (304, Some("https://a.example")));
}

#[test]
fn it_is_under_the_path_of_socket_io_or_nowhere() {
    let folder = installed();
    let elsewhere = serving(&folder, "path = \"/app/push/\"\n");
    assert_eq!(elsewhere.get("/app/push/socket.io.js").status, 200);
    assert_eq!(elsewhere.get("/app/push/2/socket.io.js").status, 200);
    assert_eq!(elsewhere.get("/socket.io/socket.io.js").status, 404);

    // What is not served is not looked at either.
    let file =
        folder.write("off.toml", "[socketio]\nserve_client = false\nclient_dir = \"/no/such/folder\"\n");
    let off = Server(support::Server::configured(&file));
    is_for_socket_io(&off.get("/socket.io/socket.io.js"));
    assert!(!off.0.log().contains("socket.io-client"), "{}", off.0.log());
}

#[test]
fn what_is_not_installed_is_said() {
    let folder = Folder::new();
    package(&folder, "socket.io-client", "3.1.3", &SCRIPTS[..2]);
    let server = serving(&folder, "");
    server.0.wait_for_log("serving socket.io-client 3.1.3 at /socket.io/");
    assert_eq!(server.get("/socket.io/socket.io.min.js").status, 200);
    for missing in ["socket.io.esm.min.js", "socket.io.msgpack.min.js.map", "2/socket.io.js"] {
        let (status, code, message) = server.get(&format!("/socket.io/{missing}")).error();
        assert_eq!((status, code.as_str()), (404, "not_found"), "{missing}");
        assert!(message.contains("npm install"), "{message}");
    }

    // A copy of the program with nothing beside it.
    let alone = folder.path("fanfare");
    // Not by this process: another test may start a program meanwhile, which would hold the copy open for writing.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_fanfare")).arg(&alone).status().unwrap();
    assert!(copied.success());
    let arguments = ["--listen", "127.0.0.1:0", "--reactors", "1"];
    let mut command = Command::new(&alone);
    command.args(arguments).env_clear().stdin(Stdio::null());
    let server = Server(support::Server::spawn(&mut command));
    server.0.wait_for_log("the browser client is not installed: make run installs it");
    assert_eq!(server.get("/socket.io/socket.io.js").error().0, 404);

    // Beside it is where it is found.
    fs::create_dir(folder.path("client")).unwrap();
    fs::rename(folder.path("node_modules"), folder.path("client/node_modules")).unwrap();
    let server = Server(support::Server::spawn(&mut command));
    server.0.wait_for_log("serving socket.io-client 3.1.3");
    let served = server.get("/socket.io/socket.io.js");
    assert_eq!(served.text(), content("socket.io-client", "socket.io.js"));
}

#[test]
fn a_folder_that_is_configured_has_to_be_right() {
    let refused = |folder: &Folder| {
        let file = config(folder, "");
        let file = file.to_str().unwrap();
        let ended = run(&mut fanfare(&["check", "-c", file]));
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        let served = run(&mut fanfare(&["-c", file]));
        assert_eq!((served.status, &served.stderr), (Some(2), &ended.stderr), "serve says the same");
        let start = format!("fanfare: {file}:3: socketio.client_dir: expected a folder where npm installed ");
        ended.stderr.strip_prefix(&start).unwrap_or_else(|| panic!("{}", ended.stderr)).to_owned()
    };
    assert!(refused(&Folder::new()).contains("node_modules/socket.io-client/package.json: No such file"));

    let folder = installed();
    let dist = folder.path("node_modules/socket.io-client/dist");
    fs::remove_file(dist.join("socket.io.js")).unwrap();
    assert!(refused(&folder).contains("dist/socket.io.js: No such file"));
    fs::create_dir(dist.join("socket.io.js")).unwrap();
    assert!(refused(&folder).contains("dist/socket.io.js: it is no file"));
    fs::remove_dir(dist.join("socket.io.js")).unwrap();
    fs::File::create(dist.join("socket.io.js")).unwrap().set_len((8 << 20) + 1).unwrap();
    assert!(refused(&folder).contains("dist/socket.io.js: it is larger than 8388608 bytes"));

    let folder = installed();
    let description = folder.path("node_modules/socket.io-client-2/package.json");
    for bad in [
        "{",
        "{\"version\":5}",
        "{\"version\":\"\"}",
        "{\"version\":\"2\\r\\nX: y\"}",
        "{\"version\":\"2\\\"\"}",
    ] {
        fs::write(&description, bad).unwrap();
        assert!(refused(&folder).contains("socket.io-client-2/package.json: "), "{bad}");
    }
}
