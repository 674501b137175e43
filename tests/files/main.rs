//! Files that a program serves, as browsers, caches and the hostile meet them; and what a handler reads of a request.

#[path = "../embedded/mod.rs"]
mod embedded;
mod reading;
#[path = "../support/mod.rs"]
mod support;

use embedded::Embedded;
use fanfare::socketio::{Namespace, SocketIo};
use fanfare::{
    Admission, Builder, Cors, Endpoint, EngineOptions, Files, ListenAddr, Message, Request, Response, Server,
    Socket,
};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::{Folder, PATIENCE};

/// An answer with all that came behind its head.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    /// Names in lower case, without Date.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn read(mut stream: TcpStream) -> Answer {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: headers.filter(|(name, _)| name != "date").collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The code of an error.
    fn code(&self) -> String {
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        value["code"].as_str().unwrap().to_owned()
    }
}

/// The answer to the last request of a connection; `headers` are lines that end with `\r\n`.
fn ask(server: &Embedded, method: &str, target: &str, headers: &str) -> Answer {
    let mut stream = server.connect();
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n").unwrap();
    Answer::read(stream)
}

fn get(server: &Embedded, target: &str) -> Answer {
    ask(server, "GET", target, "")
}

fn serve(path: &str, files: Files) -> Embedded {
    Embedded::start(Server::builder().files(path, files))
}

fn page(server: &Embedded, target: &str) -> (u16, String) {
    let answer = get(server, target);
    (answer.status, answer.text().to_owned())
}

fn found(text: &str) -> (u16, String) {
    (200, text.to_owned())
}

/// A folder with an index, a folder with one and a folder without, beside a file that nobody is to see.
fn site() -> Folder {
    let folder = Folder::new();
    for inner in ["site/docs/deep", "site/bare", "site/.git"] {
        fs::create_dir_all(folder.path(inner)).unwrap();
    }
    folder.write("secret.txt", "secret");
    folder.write("site/index.html", "<p>home");
    folder.write("site/app.js", "let app");
    folder.write("site/empty.txt", "");
    folder.write("site/docs/index.html", "<p>docs");
    folder.write("site/docs/deep/a b é.txt", "deep");
    folder.write("site/bare/x.JSON", "{}");
    folder.write("site/.env", "secret");
    folder.write("site/.git/config", "secret");
    folder
}

#[test]
fn a_folder_is_served_with_the_folders_in_it() {
    let folder = site();
    for at in ["/", "/static", "/static/"] {
        let server = serve(at, Files::from_dir(folder.path("site")).unwrap());
        let below = at.trim_end_matches('/');
        for (path, text, content_type) in [
            ("/", "<p>home", "text/html; charset=utf-8"),
            ("/index.html", "<p>home", "text/html; charset=utf-8"),
            ("/app.js", "let app", "text/javascript; charset=utf-8"),
            ("/app.js?v=1", "let app", "text/javascript; charset=utf-8"),
            ("/empty.txt", "", "text/plain; charset=utf-8"),
            ("/docs/", "<p>docs", "text/html; charset=utf-8"),
            ("/docs/deep/a%20b%20%C3%A9.txt", "deep", "text/plain; charset=utf-8"),
            ("/d%6Fcs/deep/a%20b%20%c3%a9%2Etxt", "deep", "text/plain; charset=utf-8"),
            ("/bare/x.JSON", "{}", "application/json"),
        ] {
            let target = format!("{below}{path}");
            let answer = get(&server, &target);
            assert_eq!((answer.status, answer.text()), (200, text), "{target}");
            assert_eq!(answer.header("content-type"), Some(content_type), "{target}");
            assert_eq!(answer.header("content-length"), Some(text.len().to_string().as_str()));
            assert_eq!(answer.header("cache-control"), Some("public, max-age=0"));

            let head = ask(&server, "HEAD", &target, "");
            assert_eq!(head, Answer { body: Vec::new(), ..answer }, "{target}");
        }
        for (path, to) in
            [("/docs", "/docs/"), ("/docs?a=b&c=%20", "/docs/?a=b&c=%20"), ("/d%6fcs", "/docs/")]
        {
            let answer = get(&server, &format!("{below}{path}"));
            assert_eq!((answer.status, answer.body.len()), (301, 0), "{path}");
            assert_eq!(answer.header("location"), Some(format!("{below}{to}").as_str()));
        }
        for nothing in ["/bare", "/bare/", "/docs/deep", "/docs/x.txt", "/app.js/", "/.env", "/.git/config"] {
            let answer = get(&server, &format!("{below}{nothing}"));
            assert_eq!((answer.status, answer.code()), (404, "not_found".to_owned()), "{nothing}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let answer = ask(&server, method, &format!("{below}/app.js"), "Content-Length: 0\r\n");
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")), "{method}");
            assert_eq!(ask(&server, method, &format!("{below}/x"), "Content-Length: 0\r\n").status, 404);
        }
    }
    let server = serve("/static", Files::from_dir(folder.path("site")).unwrap());
    let answer = get(&server, "/static");
    assert_eq!((answer.status, answer.header("location")), (301, Some("/static/")));
    assert_eq!(get(&server, "/").status, 404);
}

#[test]
fn no_path_leads_anywhere_else() {
    let folder = site();
    let files = || Files::from_dir(folder.path("site")).unwrap();
    let server = Embedded::start(Server::builder().files("/static", files()).files("/", files()));
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/%252e%252e/secret.txt",
        "/docs/../../secret.txt",
        "/docs/../app.js",
        "/./app.js",
        "/%2e/app.js",
        "/.%00./secret.txt",
        "/app.js%00",
        "/app.js%00.html",
        "/%00",
        "/%c0%ae%c0%ae/secret.txt",
        "/%ff",
        "/%",
        "/%2",
        "/%zz",
        "//",
        "///",
        "//app.js",
        "//docs/",
        "/docs//index.html",
        "/%2Fapp.js",
        "/%2fetc/passwd",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/APP.JS",
        "/app.js.",
        "/app.js%20",
        "/docs;x/index.html",
        "/index.html/index.html",
        "/C:/secret.txt",
        "/__proto__",
    ] {
        for at in ["", "/static"] {
            let answer = get(&server, &format!("{at}{path}"));
            assert_eq!((answer.status, answer.code()), (404, "not_found".to_owned()), "{at}{path}");
        }
    }
    for (raw, status) in [("/static/\0", 400), ("/static/a b", 400), ("/static/\u{7f}", 400)] {
        assert_eq!(get(&server, raw).status, status, "{raw:?}");
    }
    for (unit, count, status) in
        [("x", 15_000, 404), ("x", 20_000, 431), ("a/", 7_000, 404), ("%2e%2e/", 2_000, 404)]
    {
        assert_eq!(get(&server, &format!("/static/{}", unit.repeat(count))).status, status, "{unit} {count}");
    }
    // What was refused did not end the connection.
    let mut stream = server.connect();
    write!(stream, "GET /static/%2e%2e/secret.txt HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    write!(stream, "GET /app.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let both = Answer::read(stream);
    assert_eq!(both.status, 404);
    assert!(both.text().contains("HTTP/1.1 200 OK\r\n") && both.text().ends_with("\r\n\r\nlet app"));
}

#[test]
fn caches_are_told_that_nothing_changed() {
    let files = Files::new()
        .file("a.txt", "text/plain", "one")
        .file("b.txt", "text/plain", "two")
        .file("p.png", "image/png", "picture")
        .cache_control("public, max-age=31536000, immutable");
    let server = serve("/", files);
    let tag = |target: &str| get(&server, target).header("etag").unwrap().to_owned();
    let (own, other) = (tag("/a.txt"), tag("/b.txt"));
    assert!(own.starts_with('"') && own.ends_with('"') && own.len() > 2, "{own}");
    assert_ne!(own, other);
    for known in [
        format!("If-None-Match: {own}\r\n"),
        format!("If-None-Match: W/{own}\r\n"),
        format!("If-None-Match: {other}, \"x,y\",{own}\r\n"),
        format!("If-None-Match: {other}\r\nIf-None-Match: {own}\r\n"),
        "If-None-Match: *\r\n".to_owned(),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = ask(&server, method, "/a.txt", &known);
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
            assert_eq!(answer.header("etag"), Some(own.as_str()));
            assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
            assert_eq!((answer.header("content-length"), answer.header("content-type")), (None, None));
        }
    }
    for unknown in [other.as_str(), "\"\"", "", "W/", &own[1..], &own.to_uppercase().replace('"', "")] {
        let answer = ask(&server, "GET", "/a.txt", &format!("If-None-Match: {unknown}\r\n"));
        assert_eq!((answer.status, answer.text()), (200, "one"), "{unknown}");
    }
    // Only what has several forms varies.
    let answer = ask(&server, "GET", "/p.png", "Accept-Encoding: br, gzip\r\n");
    assert_eq!((answer.header("vary"), answer.header("content-encoding")), (None, None));
    // A server that starts again with the same files knows its tags.
    let again =
        serve("/", Files::new().file("a.txt", "text/plain", "one").file("b.txt", "text/plain", "twi"));
    assert_eq!(get(&again, "/a.txt").header("etag"), Some(own.as_str()));
    assert_ne!(get(&again, "/b.txt").header("etag"), Some(other.as_str()));
}

/// Asks until the answer has the encoding, which is made when it is first asked for.
fn encoded(server: &Embedded, target: &str, coding: &str) -> Answer {
    let start = Instant::now();
    loop {
        let answer = ask(server, "GET", target, &format!("Accept-Encoding: {coding}\r\n"));
        assert_eq!(answer.status, 200);
        if answer.header("content-encoding") == Some(coding) {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{coding} is never there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn texts_are_shorter_for_those_who_take_it() {
    // More than the thread compresses at a time.
    let text: String = (0..40_000).map(|line| format!("line {line}\n")).collect();
    let files = Files::new()
        .file("a.txt", "text/plain; charset=utf-8", text.as_str())
        .file("b.bin", "application/octet-stream", text.as_str())
        .file("c.txt", "text/plain", "c")
        .file("d.txt", "text/plain", text.as_str());
    let server = serve("/x", files);
    let plain = get(&server, "/x/a.txt");
    assert_eq!((plain.text(), plain.header("content-encoding")), (text.as_str(), None));
    assert_eq!(plain.header("vary"), Some("Accept-Encoding"));

    let gzip = encoded(&server, "/x/a.txt", "gzip");
    let mut read = String::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_string(&mut read).unwrap();
    assert_eq!(read, text);
    let brotli = encoded(&server, "/x/a.txt", "br");
    let mut read = String::new();
    brotli::Decompressor::new(&brotli.body[..], 4_096).read_to_string(&mut read).unwrap();
    assert_eq!(read, text);
    assert!(gzip.body.len() < text.len() / 2 && brotli.body.len() < text.len() / 2);

    let tags: Vec<&str> = [&plain, &gzip, &brotli].map(|answer| answer.header("etag").unwrap()).into();
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[2] != tags[0], "{tags:?}");
    for tag in tags {
        let known = format!("If-None-Match: {tag}\r\nAccept-Encoding: br\r\n");
        let answer = ask(&server, "GET", "/x/a.txt", &known);
        assert_eq!((answer.status, answer.header("etag")), (304, Some(tag)));
    }
    // Both are there by now, so that these are certain.
    for (accepted, coding) in [
        ("Accept-Encoding: gzip, br\r\n", Some("br")),
        ("Accept-Encoding: gzip\r\nAccept-Encoding: br;q=0.5\r\n", Some("gzip")),
        ("Accept-Encoding: gzip;q=0, br;q=0\r\n", None),
        ("Accept-Encoding: \r\n", None),
        ("", None),
    ] {
        let answer = ask(&server, "GET", "/x/a.txt", accepted);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, coding), "{accepted}");
        let head = ask(&server, "HEAD", "/x/a.txt", accepted);
        assert_eq!(head, Answer { body: Vec::new(), ..answer }, "{accepted}");
    }
    // Files are compressed in the order in which they were asked for: these come before the last.
    ask(&server, "GET", "/x/b.bin", "Accept-Encoding: gzip\r\n");
    ask(&server, "GET", "/x/c.txt", "Accept-Encoding: gzip\r\n");
    encoded(&server, "/x/d.txt", "gzip");
    for (target, body) in [("/x/b.bin", text.as_str()), ("/x/c.txt", "c")] {
        let answer = ask(&server, "GET", target, "Accept-Encoding: gzip\r\n");
        assert!(answer.text() == body && answer.header("content-encoding").is_none(), "{target}");
    }
}

#[test]
fn a_file_that_is_larger_than_an_outbox_arrives_whole() {
    let picture: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
    let server = serve("/", Files::new().file("p.png", "image/png", picture.clone()));
    assert!(get(&server, "/p.png").body == picture);
}

#[test]
fn pages_of_allowed_origins_may_read_it() {
    let files = || Files::new().file("docs/index.html", "text/html", "docs").absent("gone", "not yet");
    let one = Cors { origins: vec!["https://a.example".to_owned()], credentials: true };
    let any = Cors { origins: vec!["*".to_owned()], credentials: false };
    let builder = Server::builder().files("/none", files());
    let builder = builder.files("/one", files().cors(one)).files("/any", files().cors(any));
    let server = Embedded::start(builder);
    let from = |target: &str, origin: &str| {
        let answer = ask(&server, "GET", target, &format!("Origin: {origin}\r\n"));
        let values =
            answer.headers.iter().filter(|(name, _)| name == "vary").map(|(_, value)| value.as_str());
        let vary = values.collect::<Vec<_>>().join(" ");
        let header = |name| answer.header(name).unwrap_or("-").to_owned();
        let credentials = header("access-control-allow-credentials");
        (answer.status, header("access-control-allow-origin"), credentials, vary)
    };
    let is = |status: u16, origin: &str, credentials: &str, vary: &str| {
        (status, origin.to_owned(), credentials.to_owned(), vary.to_owned())
    };
    let (a, b) = ("https://a.example", "https://b.example");
    assert_eq!(from("/none/docs/", a), is(200, "-", "-", "Accept-Encoding"));
    assert_eq!(from("/one/docs/", a), is(200, a, "true", "Accept-Encoding Origin"));
    assert_eq!(from("/one/docs/", b), is(200, "-", "-", "Accept-Encoding Origin"));
    assert_eq!(from("/one/docs", a), is(301, a, "true", "Origin"));
    assert_eq!(from("/one/gone", a), is(404, a, "true", "Origin"));
    assert_eq!(from("/any/docs/", b), is(200, "*", "-", "Accept-Encoding"));
    // A cache may keep this one for a page of another origin.
    assert_eq!(get(&server, "/any/docs/").header("access-control-allow-origin"), Some("*"));
    let gone = get(&server, "/any/gone");
    assert_eq!((gone.status, gone.text()), (404, "{\"code\":\"not_found\",\"message\":\"not yet\"}"));
}

struct Anything;

impl Endpoint for Anything {
    fn on_upgrade(&self, _: &Request<'_>) -> Result<Admission, Response> {
        Ok(Admission::to_scope("s"))
    }

    fn on_message(&self, _: &mut Socket<'_>, _: Message<'_>) {}
}

fn socketio() -> SocketIo {
    SocketIo::new(EngineOptions::at("/socket.io/")).namespace(Namespace::new("/"))
}

const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";

#[test]
fn what_a_program_adds_itself_comes_before_files() {
    let everywhere = ["route.txt", "x/a.txt", "chat", "socket.io/a.js", "socket.io/index.html", "post.txt"];
    let everywhere =
        everywhere.iter().fold(Files::new(), |files, name| files.file(name, "text/plain", "file"));
    // The order of the calls says nothing.
    let server = Embedded::start(
        Server::builder()
            .files("/", everywhere)
            .files(
                "/",
                Files::new().file("route.txt", "text/plain", "").file("later.txt", "text/plain", "later"),
            )
            .route("GET", "/route.txt", |cx, _, _, responder| {
                responder.send(cx, Response::text(200, "route"))
            })
            .route("POST", "/post.txt", |cx, _, _, responder| responder.send(cx, Response::text(200, "post")))
            .route("GET", "/x/{any}", |cx, _, _, responder| responder.send(cx, Response::text(200, "any")))
            .endpoint("/chat", Anything)
            .socketio(socketio()),
    );
    assert_eq!(page(&server, "/route.txt"), found("route"));
    assert_eq!(page(&server, "/x/a.txt"), found("any"));
    assert_eq!(page(&server, "/later.txt"), found("later"));
    assert_eq!(page(&server, "/post.txt"), found("file"));
    let post = ask(&server, "POST", "/post.txt", "Content-Length: 0\r\n");
    assert_eq!((post.status, post.text()), (200, "post"));
    let other = ask(&server, "PUT", "/post.txt", "Content-Length: 0\r\n");
    assert_eq!((other.status, other.header("allow")), (405, Some("POST, GET")));
    assert_eq!(get(&server, "/chat").status, 426);
    assert_eq!(server.upgrade("/chat", "").0.status, 101);
    assert_eq!(server.upgrade("/later.txt", "").0.status, 404);
    for for_socketio in ["/socket.io/a.js", "/socket.io/", "/socket.io", "/socket.io/index.html"] {
        let (status, text) = page(&server, for_socketio);
        assert_eq!((status, text.as_str()), (400, "{\"code\":0,\"message\":\"Transport unknown\"}"));
    }
    assert_eq!(get(&server, HANDSHAKE).status, 200);

    // Below its path it has what no file is for, and its own path always.
    let files = Files::new().file("a.js", "text/javascript", "a").file("index.html", "text/html", "index");
    let deeper = Files::new().file("index.html", "text/html", "deeper");
    let builder = Server::builder().socketio(socketio()).files("/socket.io/", files);
    let server = Embedded::start(builder.files("/socket.io/x", deeper));
    assert_eq!(page(&server, "/socket.io/a.js"), found("a"));
    assert_eq!(page(&server, "/socket.io/x/"), found("deeper"));
    assert_eq!(get(&server, "/socket.io/b.js").status, 400);
    assert_eq!(get(&server, "/socket.io/").status, 400);
    assert_eq!(get(&server, "/socket.io").status, 400);
    assert_eq!(get(&server, HANDSHAKE).status, 200);
}

#[test]
fn operators_have_the_files_too() {
    let builder: Builder =
        Server::builder().files("/", Files::new().file("socket.io/a.js", "text/plain", "a"));
    let running = builder
        .socketio(socketio())
        .listen("127.0.0.1:0".parse().unwrap())
        .admin_listen("127.0.0.1:0".parse().unwrap())
        .reactors(1)
        .start()
        .unwrap();
    let ListenAddr::Tcp(addr) = running.admin_addrs()[0].clone() else { unreachable!() };
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Nothing of Socket.IO is at their address, so that nothing of it comes first.
    write!(stream, "GET /socket.io/a.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(Answer::read(stream).text(), "a");
    running.stop();
    running.join().unwrap();
}

#[test]
fn handlers_read_cookies_and_json_and_send_elsewhere() {
    let server = Embedded::start(
        Server::builder()
            .route("GET", "/cookie", |cx, request, _, responder| {
                let cookie = request.cookie("sid").unwrap_or("none");
                responder.send(cx, Response::text(200, cookie));
            })
            .route("POST", "/sum", |cx, request, _, responder| {
                responder.send(
                    cx,
                    match request.json::<(&str, Vec<u32>)>() {
                        Ok((name, numbers)) => {
                            Response::text(200, format!("{name} {}", numbers.iter().sum::<u32>()))
                        }
                        Err(error) => Response::error(400, "bad_request", &error.to_string()),
                    },
                );
            })
            .route("GET", "/old", |cx, _, _, responder| {
                responder.send(cx, Response::redirect(308, "/new?a=b"))
            }),
    );
    for (headers, value) in [
        ("Cookie: a=b; sid=\"1\"; sid=2\r\n", "1"),
        ("cookie: a=b\r\nCookie: sid=3\r\n", "3"),
        ("Cookie: SID=1\r\n", "none"),
        ("X-Cookie: sid=1\r\n", "none"),
        ("", "none"),
    ] {
        assert_eq!(ask(&server, "GET", "/cookie", headers).text(), value, "{headers}");
    }
    let sum = |body: &str| server.request("POST", "/sum", "", body);
    let reply = sum("[\"of\",[1,2]]");
    assert_eq!((reply.status, reply.body.as_str()), (200, "of 3"));
    for bad in ["", "[\"of\",[1,-2]]", "[\"of\",[1]]x", "{", "\u{feff}[]", &"[".repeat(100_000)] {
        assert_eq!(sum(bad).status, 400);
    }
    let answer = get(&server, "/old");
    assert_eq!((answer.status, answer.header("location"), answer.body.len()), (308, Some("/new?a=b"), 0));
}
