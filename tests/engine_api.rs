//! What a program adds to the answers of Engine.IO, and what requests and WebSockets of a session agree on.

mod embedded;
mod support;

use embedded::{Embedded, sid_of};
use fanfare::socketio::{Args, Namespace, SocketIo};
use fanfare::{Admission, Endpoint, EngineOptions, Message, Request, Response, Server, Socket};
use std::io::Write;
use std::sync::{Arc, Mutex};
use support::{Received, Reply};

const EIO3: &str = "/engine.io/?EIO=3";
const EIO4: &str = "/engine.io/?EIO=4";

/// Answers `id` with its id and `seen` with the requests that were seen, and every other message with itself.
struct Echo(Arc<Mutex<Vec<String>>>);

impl Endpoint for Echo {
    fn on_upgrade(&self, _: &Request<'_>) -> Result<Admission, Response> {
        Ok(Admission::to_scope("echo"))
    }

    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        match message {
            Message::Text("id") => {
                let id = socket.id();
                socket.send_text(&id)
            }
            Message::Text("seen") => {
                let seen = self.0.lock().unwrap().join(" ");
                socket.send_text(&seen)
            }
            Message::Text(text) => socket.send_text(text),
            Message::Binary(bytes) => socket.send_binary(bytes),
        };
    }
}

fn serve(options: EngineOptions) -> Embedded {
    Embedded::start(Server::builder().engine(options, Echo(Arc::default())))
}

fn plain() -> Embedded {
    serve(EngineOptions::at("/engine.io/"))
}

/// The values of a header.
fn values(reply: &Reply, name: &str) -> Vec<String> {
    let fields = reply.head.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
}

#[test]
fn answers_carry_the_headers_of_the_program() {
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let options = EngineOptions::at("/engine.io/")
        .cookie("io")
        .allow_request(|request| match request.header("x-deny") {
            Some(_) => Err("no".to_owned()),
            None => Ok(()),
        })
        .initial_headers(move |_| {
            vec![pair("Set-Cookie", "a=1".into()), pair("Set-Cookie", "b=2\r\nX: y".into())]
        })
        .headers(move |request| {
            noted.lock().unwrap().push(request.method().to_owned());
            let asked = request.header("x-asked").map(|value| String::from_utf8_lossy(value).into_owned());
            vec![("X-Answer".to_owned(), asked.unwrap_or_default())]
        });
    let server = Embedded::start(Server::builder().engine(options, Echo(seen.clone())));
    let polling = format!("{EIO4}&transport=polling");
    let asked = "X-Asked: 7\r\n";

    let reply = server.request("GET", &polling, asked, "");
    let sid = sid_of(&reply.body);
    let own = format!("io={sid}; Path=/; HttpOnly; SameSite=Lax");
    let mut cookies = values(&reply, "set-cookie");
    cookies.sort();
    // A line break of the program does not begin a line.
    assert_eq!(cookies, ["a=1".to_owned(), "b=2  X: y".to_owned(), own]);
    assert_eq!(values(&reply, "x-answer"), ["7"]);

    let target = format!("{polling}&sid={sid}");
    let reply = server.request("POST", &target, asked, "4seen");
    assert_eq!((values(&reply, "x-answer"), values(&reply, "set-cookie")), (vec!["7".to_owned()], vec![]));
    let reply = server.request("GET", &target, asked, "");
    // The request was seen before its packets were acted on.
    assert_eq!(reply.body, "4GET POST");
    assert_eq!((values(&reply, "x-answer"), values(&reply, "set-cookie")), (vec!["7".to_owned()], vec![]));

    let (reply, mut ws) = server.upgrade(&format!("{EIO4}&transport=websocket&sid={sid}"), asked);
    assert_eq!((reply.status, values(&reply, "x-answer")), (101, vec!["7".to_owned()]));
    assert_eq!(values(&reply, "set-cookie"), [""; 0]);
    ws.send("2probe");
    assert_eq!(ws.text(), "3probe");

    let (reply, mut ws) = server.upgrade(&format!("{EIO4}&transport=websocket"), asked);
    let sid = sid_of(&ws.text());
    let mut cookies = values(&reply, "set-cookie");
    cookies.sort();
    assert_eq!(cookies, ["a=1", "b=2  X: y", &format!("io={sid}; Path=/; HttpOnly; SameSite=Lax")]);
    assert_eq!(values(&reply, "x-answer"), ["7"]);

    seen.lock().unwrap().clear();
    for (method, target, headers, body) in [
        ("GET", &polling, "X-Deny: 1\r\n", ""),
        ("POST", &polling, "", ""),
        ("GET", &format!("{target}x"), "", ""),
        ("GET", &format!("{EIO4}&transport=none"), "", ""),
    ] {
        let reply = server.request(method, target, headers, body);
        assert!(reply.status >= 400);
        assert_eq!((values(&reply, "x-answer"), values(&reply, "set-cookie")), (vec![], vec![]), "{target}");
    }
    assert_eq!(*seen.lock().unwrap(), [""; 0]);
}

#[test]
fn a_socket_knows_the_id_of_its_session() {
    let server = plain();
    let target = server.polling(EIO4);
    server.post(&target, "4id");
    assert_eq!(server.poll(&target), format!("4{}", &target[target.len() - 20..]));
    let (_, mut ws) = server.upgrade(&format!("{EIO3}&transport=websocket"), "");
    let sid = sid_of(&ws.text());
    ws.send("4id");
    assert_eq!(ws.text(), format!("4{sid}"));
}

#[test]
fn the_first_subprotocol_that_is_offered_is_agreed_on() {
    let server = plain();
    let target = server.polling(EIO4);
    let probe = target.replace("transport=polling", "transport=websocket");
    for target in [format!("{EIO4}&transport=websocket"), format!("{EIO3}&transport=websocket"), probe] {
        let (reply, _) =
            server.upgrade(&target, "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n");
        assert_eq!((reply.status, values(&reply, "sec-websocket-protocol")), (101, vec!["a".to_owned()]));
        let (reply, _) = server.upgrade(&target, "");
        assert_eq!((reply.status, values(&reply, "sec-websocket-protocol")), (101, vec![]));
    }
}

#[test]
fn an_upgrade_that_takes_too_long_ends_with_a_close_frame() {
    let server = serve(EngineOptions::at("/engine.io/").upgrade_timeout_ms(100));
    for probes in [false, true] {
        let target = server.polling(EIO4);
        let (_, mut ws) = server.upgrade(&target.replace("transport=polling", "transport=websocket"), "");
        if probes {
            ws.send("2probe");
            assert_eq!(ws.text(), "3probe");
        }
        assert_eq!(ws.recv(), Received::Close(1005, String::new()));
        // The session goes on.
        server.post(&target, "4still here");
        assert_eq!(server.poll(&target), "4still here");
    }
}

#[test]
fn whoever_polls_during_an_upgrade_is_sent_home() {
    let server = plain();
    let target = server.polling(EIO4);
    let (_, mut ws) = server.upgrade(&target.replace("transport=polling", "transport=websocket"), "");
    // One that waits already when the probe comes, and one that comes later.
    let mut held = server.connect();
    write!(held, "GET {target} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    ws.send("2probe");
    assert_eq!(ws.text(), "3probe");
    assert_eq!(Reply::read(&mut held).unwrap().body, "6");
    assert_eq!(server.poll(&target), "6");
    // What there is to say comes before that.
    server.post(&target, "4a");
    assert_eq!([server.poll(&target), server.poll(&target)], ["4a", "6"]);
    ws.send("5");
    ws.send("4b");
    assert_eq!(ws.text(), "4b");
}

#[test]
fn a_session_that_is_upgraded_takes_binary_if_its_websocket_does() {
    let server = plain();
    for (base, frame, text) in
        [(EIO3, &[4, 1, 2, 3, 4][..], "b4AQIDBA=="), (EIO4, &[1, 2, 3, 4][..], "bAQIDBA==")]
    {
        for (polls, socket) in [("", ""), ("&b64=1", ""), ("", "&b64=1"), ("&b64=1", "&b64=1")] {
            let target = server.polling(&format!("{base}{polls}"));
            let sid = &target[target.len() - 20..];
            let (_, mut ws) = server.upgrade(&format!("{base}{socket}&transport=websocket&sid={sid}"), "");
            ws.send("2probe");
            assert_eq!(ws.text(), "3probe");
            ws.send("5");
            ws.send(text);
            let expected = match socket {
                "" => Received::Binary(frame.to_vec()),
                _ => Received::Text(text.to_owned()),
            };
            assert_eq!(ws.recv(), expected, "{base} {polls:?} {socket:?}");
        }
    }
}

#[test]
fn the_handshake_says_once_and_for_all_whether_posts_are_forms() {
    let server = plain();
    let scripted = server.polling(&format!("{EIO4}&j=1"));
    let target = scripted.replace("&j=1", "");
    server.post(&target, "d=4%26");
    assert_eq!(server.poll(&target), "___eio[1](\"4&\");");
    let plain = format!("{}&j=1", server.polling(EIO4));
    server.post(&plain, "4d=%26");
    assert_eq!(server.poll(&plain), "4d=%26");
}

#[test]
fn a_message_that_is_too_large_ends_a_session_with_the_bare_code() {
    let server = serve(EngineOptions::at("/engine.io/").max_payload_bytes(100));
    let mut ws = server.websocket(EIO4, "");
    ws.send(&format!("4{}", "x".repeat(100)));
    assert_eq!(ws.closed(), (1009, String::new()));
}

#[test]
fn binary_of_socketio_takes_the_form_that_the_websocket_of_an_upgrade_takes() {
    let root = Namespace::new("/").on("ask", |socket, _| {
        let mut args = Args::new();
        args.push_binary(vec![1, 2, 3]).unwrap();
        socket.emit("bytes", &args)
    });
    let socketio = SocketIo::new(EngineOptions::at("/engine.io/")).namespace(root);
    let server = Embedded::start(Server::builder().socketio(socketio));
    let target = server.polling(&format!("{EIO3}&b64=1"));
    assert_eq!(server.poll(&target), "2:40");
    let sid = &target[target.len() - 20..];
    let (_, mut ws) = server.upgrade(&format!("{EIO3}&transport=websocket&sid={sid}"), "");
    ws.send("2probe");
    assert_eq!(ws.text(), "3probe");
    ws.send("5");
    ws.send(r#"42["ask"]"#);
    assert_eq!(ws.text(), r#"451-["bytes",{"_placeholder":true,"num":0}]"#);
    assert_eq!(ws.recv(), Received::Binary(vec![4, 1, 2, 3]));
}
