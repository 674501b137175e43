//! What handlers of Socket.IO find and do, from inside of a program that embeds the library.

mod embedded;
mod support;

use embedded::Embedded;
use fanfare::socketio::{
    ConnectError, Connecting, DisconnectReason, Event, Namespace, Parser, Socket, SocketIo,
};
use fanfare::{EngineOptions, Server, StartError};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use support::{PATIENCE, Received, Ws};

const EIO3: &str = "/socket.io/?EIO=3";
const EIO4: &str = "/socket.io/?EIO=4";

fn serve(namespaces: Vec<Namespace>) -> Embedded {
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/"));
    Embedded::start(Server::builder().socketio(namespaces.into_iter().fold(socketio, SocketIo::namespace)))
}

/// A client in these namespaces.
fn join(server: &Embedded, namespaces: &[&str]) -> Ws<TcpStream> {
    let mut ws = server.websocket(EIO4, "");
    for namespace in namespaces {
        enter(&mut ws, namespace);
    }
    ws
}

fn enter(ws: &mut Ws<TcpStream>, namespace: &str) {
    let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
    ws.send(&format!("40{prefix}"));
    let answer = ws.text();
    assert!(answer.starts_with(&format!("40{prefix}{{\"sid\"")), "{answer}");
}

/// Tells what an event of this name was given, with an acknowledgement.
fn answers(
    namespace: Namespace,
    event: &str,
    answer: impl Fn(&mut Socket<'_>, &Event<'_>) -> Value + Send + Sync + 'static,
) -> Namespace {
    namespace.on(event, move |socket, event| {
        let answer = answer(socket, event);
        event.take_ack().expect("it is asked for").send(socket.context(), answer)
    })
}

/// An event that is answered.
fn ask(ws: &mut Ws<TcpStream>, event: &str) -> String {
    ws.send(&format!("427{event}"));
    let answer = ws.text();
    answer.strip_prefix("437").unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Of which it is told when it is gone.
struct Guard(mpsc::Sender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        // The test may be over.
        let _ = self.0.send("dropped");
    }
}

#[test]
fn sockets_keep_one_value_of_each_type_until_they_have_left() {
    let (sender, told) = mpsc::channel();
    let sender = Mutex::new(sender);
    let root = Namespace::new("/").on_connect(move |socket, _| {
        assert!(socket.get::<u64>().is_none(), "a new socket has nothing");
        assert_eq!(socket.set(0u64), None);
        assert!(socket.set(String::from("a")).is_none());
        assert!(socket.set(Guard(sender.lock().unwrap().clone())).is_none());
    });
    let root = answers(root, "count", |socket, _| {
        *socket.get_mut::<u64>().unwrap() += 1;
        json!([*socket.get::<u64>().unwrap(), socket.get::<String>().unwrap(), socket.get::<i8>()])
    });
    let root = answers(root, "name", |socket, event| {
        let name: String = event.parse().unwrap();
        json!(socket.set(name))
    });
    let root = root.on_disconnect(|socket, _| {
        let name = socket.set(String::from("gone")).unwrap();
        let told = if name == "b" && socket.get() == Some(&2u64) { "has them" } else { "has not" };
        // The test may be over.
        let _ = socket.get::<Guard>().unwrap().0.send(told);
    });
    let server = serve(vec![root]);

    let (mut first, mut second) = (join(&server, &["/"]), join(&server, &["/"]));
    assert_eq!(ask(&mut first, r#"["count"]"#), r#"[[1,"a",null]]"#);
    assert_eq!(ask(&mut first, r#"["name","b"]"#), r#"["a"]"#);
    assert_eq!(ask(&mut first, r#"["count"]"#), r#"[[2,"b",null]]"#);
    assert_eq!(ask(&mut second, r#"["count"]"#), r#"[[1,"a",null]]"#);

    first.send("41");
    for expected in ["has them", "dropped"] {
        assert_eq!(told.recv_timeout(PATIENCE), Ok(expected));
    }
    // It comes back as another socket.
    enter(&mut first, "/");
    assert_eq!(ask(&mut first, r#"["count"]"#), r#"[[1,"a",null]]"#);
}

#[test]
fn values_of_a_socket_that_may_not_connect_are_dropped() {
    let (sender, told) = mpsc::channel();
    let sender = Mutex::new(sender);
    let root = Namespace::new("/").middleware(move |socket, _| {
        socket.set(Guard(sender.lock().unwrap().clone()));
        Err(ConnectError::new("no"))
    });
    let server = serve(vec![root]);
    let mut ws = server.websocket(EIO4, "");
    ws.send("40");
    assert_eq!(ws.text(), r#"44{"message":"no"}"#);
    assert_eq!(told.recv_timeout(PATIENCE), Ok("dropped"));
}

#[test]
fn an_acknowledgement_that_comes_leaves_the_values_alone() {
    let root = Namespace::new("/").on("begin", |socket, _| {
        socket.set(7u64);
        socket.emit_with_ack("asked", (), |socket, answer| {
            assert!(answer.is_ok());
            let kept = socket.get::<u64>().copied();
            socket.emit("kept", kept).unwrap();
        })
    });
    let server = serve(vec![root]);
    let mut ws = join(&server, &["/"]);
    ws.send(r#"42["begin"]"#);
    assert_eq!(ws.text(), r#"420["asked"]"#);
    ws.send("430[]");
    assert_eq!(ws.text(), r#"42["kept",7]"#);
}

/// What a namespace is told of the request with which the session began.
fn tells_handshake(name: &str) -> Namespace {
    Namespace::new(name).on_connect(|socket, connecting: &Connecting<'_>| {
        let handshake = connecting.handshake();
        let header =
            |name: &str| handshake.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let names: Vec<&str> = handshake.headers().map(|(name, _)| name).collect();
        let told = json!({
            "url": handshake.url(), "cookie": header("cookie"), "agent": header("USER-AGENT"),
            "names": names, "query": connecting.queries(), "a": connecting.query("a"),
        });
        socket.emit("told", told)
    })
}

fn told(ws: &mut Ws<TcpStream>, namespace: &str) -> Value {
    let text = ws.text();
    let json = text.strip_prefix(&format!("42{namespace}[\"told\",")).unwrap_or_else(|| panic!("{text}"));
    serde_json::from_str(json.strip_suffix(']').unwrap()).unwrap()
}

#[test]
fn namespaces_that_are_joined_later_see_the_request() {
    let headers = "Cookie: session=1\r\nUser-Agent: test\r\nX-Secret: s\r\n";
    let url = "/socket.io/?EIO=4&a=1&a=2&b=%26&transport=websocket";
    let kept: [Option<&[&str]>; 3] = [None, Some(&["cookie", "host"]), Some(&[])];
    for kept in kept {
        let mut socketio = SocketIo::new(EngineOptions::at("/socket.io/"));
        if let Some(names) = kept {
            socketio = socketio.keep_headers(names);
        }
        for name in ["/", "/b", "/c"] {
            socketio = socketio.namespace(tells_handshake(name));
        }
        let server = Embedded::start(Server::builder().socketio(socketio));
        let mut ws = server.websocket("/socket.io/?EIO=4&a=1&a=2&b=%26", headers);
        enter(&mut ws, "/");
        let first = told(&mut ws, "");
        assert_eq!((&first["cookie"], &first["agent"]), (&json!("session=1"), &json!("test")));
        for (name, prefix) in [("/b", "/b,"), ("/c", "/c,")] {
            enter(&mut ws, name);
            let later = told(&mut ws, prefix);
            assert_eq!((&later["url"], &later["a"]), (&json!(url), &json!("1")));
            assert_eq!(later["query"], json!([["a", "1"], ["a", "2"], ["b", "&"]]));
            match kept {
                None => assert_eq!(later, first),
                Some([]) => assert_eq!((&later["cookie"], &later["names"]), (&Value::Null, &json!([]))),
                Some(_) => {
                    assert_eq!((&later["cookie"], &later["agent"]), (&json!("session=1"), &Value::Null));
                    assert_eq!(later["names"], json!(["Host", "Cookie"]));
                }
            }
        }
    }
}

#[test]
fn the_query_of_a_namespace_of_2_x_is_behind_that_of_the_connection() {
    let server = serve(vec![Namespace::new("/"), tells_handshake("/b")]);
    let mut ws = server.websocket(&format!("{EIO3}&a=1"), "");
    assert_eq!(ws.text(), "40");
    ws.send("40/b?a=2&%26c=%3D%3Fd,");
    assert_eq!(ws.text(), "40/b,");
    let told = told(&mut ws, "/b,");
    assert_eq!(told["query"], json!([["a", "1"], ["a", "2"], ["&c", "=?d"]]));
    assert_eq!(told["a"], "1");
}

type Reasons = Arc<Mutex<Vec<(String, DisconnectReason)>>>;

/// `leave` and `close` disconnect it; `echo` is answered. What becomes of it is noted.
fn leaves(name: &str, reasons: &Reasons) -> Namespace {
    let reasons = reasons.clone();
    let namespace = Namespace::new(name)
        .on("leave", |socket, _| socket.disconnect(false))
        .on("close", |socket, _| socket.disconnect(true))
        .on_disconnect(move |socket, reason| {
            reasons.lock().unwrap().push((socket.namespace().to_owned(), reason));
        });
    answers(namespace, "echo", |_, _| json!("echo"))
}

#[test]
fn whom_a_handler_closes_is_disconnected_from_every_namespace_first() {
    use DisconnectReason::ServerNamespaceDisconnect;
    let reasons = Reasons::default();
    let server = serve(vec![leaves("/", &reasons), leaves("/b", &reasons)]);
    let both = [("/".to_owned(), ServerNamespaceDisconnect), ("/b".to_owned(), ServerNamespaceDisconnect)];

    let mut ws = join(&server, &["/", "/b"]);
    ws.send(r#"42/b,["close"]"#);
    let all = [ws.recv(), ws.recv(), ws.recv()];
    let text = |text: &str| Received::Text(text.to_owned());
    assert_eq!(all, [text("41"), text("41/b,"), Received::Close(1005, String::new())]);
    assert_eq!(std::mem::take(&mut *reasons.lock().unwrap()), both);

    // Old clients, too.
    let mut ws = server.websocket(EIO3, "");
    assert_eq!(ws.text(), "40");
    ws.send(r#"42["close"]"#);
    assert_eq!([ws.recv(), ws.recv()], [text("41"), Received::Close(1005, String::new())]);
    assert_eq!(std::mem::take(&mut *reasons.lock().unwrap()), both[..1]);

    let target = server.polling(EIO4);
    server.post(&target, "40\u{1e}40/b,");
    let _ = server.poll(&target);
    server.post(&target, r#"42["close"]"#);
    // That it is over is an answer of its own: clients of 4.x act on it before they act on packets beside it.
    assert_eq!([server.poll(&target), server.poll(&target)], ["41\u{1e}41/b,", "1"]);
    assert_eq!(*reasons.lock().unwrap(), both);
}

#[test]
fn what_was_under_way_when_the_server_disconnected_a_socket_is_passed_over() {
    let reasons = Reasons::default();
    let server = serve(vec![leaves("/", &reasons), leaves("/b", &reasons)]);
    let mut ws = join(&server, &["/", "/b"]);
    ws.send(r#"42["leave"]"#);
    for late in [r#"421["echo"]"#, "430[1]", "41"] {
        ws.send(late);
    }
    ws.send(r#"42/b,5["echo"]"#);
    assert_eq!(ws.text(), "41");
    assert_eq!(ws.text(), r#"43/b,5["echo"]"#);
    enter(&mut ws, "/");
    assert_eq!(ask(&mut ws, r#"["echo"]"#), r#"["echo"]"#);

    // A namespace that there is not was never left.
    ws.send(r#"42/none,["echo"]"#);
    assert_eq!(ws.recv(), Received::Close(1005, String::new()));
    // Who left by himself knows.
    let mut ws = join(&server, &["/", "/b"]);
    ws.send("41");
    ws.send(r#"42["echo"]"#);
    assert_eq!(ws.recv(), Received::Close(1005, String::new()));
}

#[test]
fn what_goes_wrong_with_an_acknowledgement_is_told_as_that_of_a_handler() {
    let root = Namespace::new("/")
        .on("begin", |socket, _| {
            socket.emit_with_ack("your name?", (), |socket, answer| {
                let name: String = answer?.parse()?;
                socket.emit("hello", name)
            })
        })
        .on("hurry", |socket, _| {
            let none = std::time::Duration::ZERO;
            socket.timeout(none).emit_with_ack("your name?", (), |_, answer| Ok(answer.map(|_| ())?))
        })
        .on_error(|socket, what, error| socket.emit("failed", (what, error.to_string())).unwrap());
    let server = serve(vec![root]);
    let mut ws = join(&server, &["/"]);
    let asked = |ws: &mut Ws<TcpStream>, event: &str| {
        ws.send(&format!("42[\"{event}\"]"));
        let question = ws.text();
        let id = question.strip_prefix("42").and_then(|rest| rest.strip_suffix(r#"["your name?"]"#));
        id.unwrap_or_else(|| panic!("{question}")).to_owned()
    };
    let id = asked(&mut ws, "begin");
    ws.send(&format!(r#"43{id}["ann"]"#));
    assert_eq!(ws.text(), r#"42["hello","ann"]"#);
    let id = asked(&mut ws, "begin");
    ws.send(&format!("43{id}[7]"));
    let failed = ws.text();
    assert!(failed.starts_with(r#"42["failed","an acknowledgement","argument 1: invalid type"#), "{failed}");
    asked(&mut ws, "hurry");
    assert_eq!(ws.text(), r#"42["failed","an acknowledgement","no acknowledgement came in time"]"#);
}

#[test]
fn everybody_is_the_namespace_with_the_sender() {
    let names = ["/", "/b"];
    let socketio = names.into_iter().fold(SocketIo::default(), |socketio, name| {
        let namespace = Namespace::new(name).on("join", |socket, event| {
            socket.join(event.parse::<String>()?)?;
            event.ack(socket, ())
        });
        socketio.namespace(namespace.on("say", |socket, event| {
            let (to, but, number): (Vec<String>, Vec<String>, u8) = event.parse()?;
            socket.everybody().to(to).except(but).emit("said", number)
        }))
    });
    let server = Embedded::start(Server::builder().socketio(socketio));
    let (mut ann, mut bob) = (join(&server, &names), join(&server, &names));
    assert_eq!(ask(&mut ann, r#"["join","r"]"#), "[]");
    let said = |ws: &mut Ws<TcpStream>, text: &str| assert_eq!(ws.text(), text);
    ann.send(r#"42["say",[],[],1]"#);
    said(&mut ann, r#"42["said",1]"#);
    said(&mut bob, r#"42["said",1]"#);
    ann.send(r#"42["say",["r"],[],2]"#);
    said(&mut ann, r#"42["said",2]"#);
    ann.send(r#"42["say",[],["r"],3]"#);
    said(&mut bob, r#"42["said",3]"#);
    bob.send(r#"42/b,["say",[],[],4]"#);
    said(&mut ann, r#"42/b,["said",4]"#);
    said(&mut bob, r#"42/b,["said",4]"#);
}

#[test]
fn the_main_namespace_is_there_though_nobody_added_it() {
    let chat = || tells_handshake("/chat");
    let headers = "Cookie: session=1\r\n";
    let server = serve(vec![chat()]);
    // Old clients are in it before they ask for another one.
    let mut ws = server.websocket(EIO3, headers);
    assert_eq!(ws.text(), "40");
    ws.send("40/chat,");
    assert_eq!(ws.text(), "40/chat,");
    assert_eq!(told(&mut ws, "/chat,")["cookie"], "session=1");
    let mut ws = server.websocket(EIO4, headers);
    enter(&mut ws, "/");
    enter(&mut ws, "/chat");
    assert_eq!(told(&mut ws, "/chat,")["cookie"], "session=1");
    ws.send("40/other,");
    assert_eq!(ws.text(), r#"44/other,{"message":"Invalid namespace"}"#);
}

#[test]
fn volatile_events_are_dropped_before_they_are_too_much() {
    const EVENTS: usize = 400;
    let root = Namespace::new("/").on("burst", |socket, _| {
        let text = "x".repeat(50_000);
        for _ in 0..EVENTS {
            socket.volatile().emit("much", &text)?;
            socket.everybody().volatile().emit("much", &text)?;
        }
        socket.emit("end", ())
    });
    let server = serve(vec![root]);
    let mut ws = join(&server, &["/"]);
    ws.send(r#"42["burst"]"#);
    let mut count = 0;
    while ws.text() != r#"42["end"]"# {
        count += 1;
    }
    assert!((1..2 * EVENTS).contains(&count), "{count}");
    ws.send(r#"42["burst"]"#);
    while ws.text() != r#"42["end"]"# {}
}

#[test]
fn one_namespace_of_two_mounts_has_one_parser() {
    let socketio = |path: &str, parser| {
        let namespace = Namespace::new("/").parser(parser);
        SocketIo::new(EngineOptions::at(path)).namespace(namespace)
    };
    let builder = Server::builder()
        .listen("127.0.0.1:0".parse().unwrap())
        .socketio(socketio("/a/", Parser::Json))
        .socketio(socketio("/b/", Parser::MessagePack));
    assert!(matches!(builder.start(), Err(StartError::MixedParsers)));
}

#[test]
fn who_leaves_a_namespace_hears_the_others_that_it_is_in() {
    let news = |socket: &mut Socket<'_>, text: &str| socket.context().namespace("/").emit("news", text);
    let chat = Namespace::new("/chat")
        .on_disconnecting(move |socket, _| {
            news(socket, "leaving")?;
            socket.context().namespace("/chat").emit("nobody", ())
        })
        .on_disconnect(move |socket, _| {
            news(socket, "left")?;
            let done = |cx: &mut fanfare::Context<'_>, answers: fanfare::socketio::Answers| {
                let _ = cx.namespace("/").emit("asked", answers.asked());
            };
            socket.context().namespace("/").emit_with_ack("and you?", (), done)
        });
    let server = serve(vec![Namespace::new("/"), chat]);
    let mut ws = server.websocket(EIO4, "");
    for packet in ["40", "40/chat,"] {
        ws.send(packet);
        ws.text();
    }
    ws.send("41/chat,");
    assert_eq!([ws.text(), ws.text()], [r#"42["news","leaving"]"#, r#"42["news","left"]"#]);
    assert_eq!(ws.text(), r#"420["and you?"]"#);
    ws.send("430[]");
    assert_eq!(ws.text(), r#"42["asked",1]"#);
}
