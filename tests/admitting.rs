//! Upgrades that are decided later, values kept with plain sockets, and alarms.

mod embedded;
mod support;

use embedded::Embedded;
use fanfare::socketio::{ConnectError, EngineOptions, Namespace, SocketIo};
use fanfare::{
    Admission, CloseCause, Endpoint, Frame, Limits, Message, Request, Response, Server, Socket, To,
    UpgradeDecision,
};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::{Mutex, mpsc};
use std::time::{SystemTime, UNIX_EPOCH};
use support::{PATIENCE, Reply, Ws};

const EIO4: &str = "/socket.io/?EIO=4";

/// Hands its decisions to the test, and says who was let in and who is gone.
struct Asking {
    decisions: Mutex<mpsc::Sender<UpgradeDecision>>,
    gone: Mutex<mpsc::Sender<(String, CloseCause)>>,
}

/// What is kept with a socket.
struct Name(String);

impl Endpoint for Asking {
    fn on_upgrade(&self, request: &Request<'_>) -> Result<Admission, Response> {
        let query = request.query().map_err(|error| Response::error(400, "bad", &error.to_string()))?;
        match query.get("ask") {
            Some("panic") => Ok(Admission::later(|_, _| assert!(std::hint::black_box(false), "told to"))),
            Some("now") => Ok(Admission::later(|cx, decision| decision.allow(cx, named("now")))),
            Some("again") => Ok(Admission::later(|cx, decision| {
                let again = Admission::later(|cx, decision| decision.allow(cx, named("again")));
                decision.allow(cx, again);
            })),
            _ => {
                let decisions = self.decisions.lock().unwrap().clone();
                // The test may be over.
                Ok(Admission::later(move |_, decision| drop(decisions.send(decision))))
            }
        }
    }

    fn on_open(&self, socket: &mut Socket<'_>) {
        let name = socket.get::<Name>().map_or("nobody", |name| &name.0).to_owned();
        assert!(socket.set(7_u32).is_none() && socket.set(8_u32) == Some(7));
        socket.send_text(&format!("{name} {}", socket.get::<u32>().unwrap()));
    }

    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        let Message::Text(text) = message else { return };
        match text.split_once(' ') {
            Some(("alarm", ms)) => socket.set_alarm(Some(unix_ms() + ms.parse::<u64>().unwrap())),
            Some(("past", _)) => socket.set_alarm(Some(1)),
            Some(("none", _)) => socket.set_alarm(None),
            _ => socket.publish(&To::room("s", "all"), &Frame::text(text)),
        }
        socket.send_text(text);
    }

    fn on_alarm(&self, socket: &mut Socket<'_>) {
        socket.close(4401, "time is up");
    }

    fn on_close(&self, socket: &mut Socket<'_>, cause: &CloseCause) {
        let name = socket.get::<Name>().map_or("nobody", |name| &name.0).to_owned();
        drop(self.gone.lock().unwrap().send((name, cause.clone())));
    }
}

fn named(name: &str) -> Admission {
    Admission::to_scope("s").room("all").with(Name(name.to_owned()))
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

struct Asked {
    server: Embedded,
    decisions: mpsc::Receiver<UpgradeDecision>,
    gone: mpsc::Receiver<(String, CloseCause)>,
}

fn serve(reactors: usize, limits: Limits) -> Asked {
    let ((sender, decisions), (leaves, gone)) = (mpsc::channel(), mpsc::channel());
    let endpoint = Asking { decisions: Mutex::new(sender), gone: Mutex::new(leaves) };
    let builder = Server::builder().limits(limits).endpoint("/ask", endpoint);
    let builder = builder.route("GET", "/hello", |cx, _, _, responder| {
        responder.send(cx, Response::text(200, "hello"));
    });
    Asked { server: Embedded::with_reactors(builder, reactors), decisions, gone }
}

impl Asked {
    /// A client that waits, and who decides on it.
    fn waiting(&self) -> (Ws<std::net::TcpStream>, UpgradeDecision) {
        let mut stream = self.server.connect();
        write!(
            stream,
            "GET /ask HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        (Ws::over(stream), self.decisions.recv_timeout(PATIENCE).expect("a decision to make"))
    }
}

#[test]
fn other_threads_decide_and_the_reactor_serves_others_meanwhile() {
    let asked = serve(2, Limits::default());
    let handle = asked.server.handle();
    let waiting: Vec<_> = (0..8).map(|_| asked.waiting()).collect();
    assert_eq!(asked.server.request("GET", "/hello", "", "").body, "hello");
    for (number, (mut ws, decision)) in waiting.into_iter().enumerate().rev() {
        // What comes before the answer waits for it.
        ws.send("early");
        if number % 2 == 0 {
            let handle = handle.clone();
            std::thread::spawn(move || decision.allow(&handle, named(&format!("c{number}")))).join().unwrap();
            assert_eq!(Reply::read(&mut ws.stream).unwrap().status, 101);
            assert_eq!((ws.text(), ws.text()), (format!("c{number} 8"), "early".to_owned()));
            ws.send_close(1000);
            assert_eq!(ws.closed().0, 1000);
            let gone = asked.gone.recv_timeout(PATIENCE).unwrap();
            assert_eq!(gone, (format!("c{number}"), CloseCause::Client(Some(1000))));
        } else {
            decision.refuse(&handle, Response::error(403, "forbidden", "not you"));
            let reply = Reply::read(&mut ws.stream).unwrap();
            assert_eq!((reply.status, &*reply.body), (403, r#"{"code":"forbidden","message":"not you"}"#));
        }
    }
}

#[test]
fn a_decision_may_be_made_at_once_or_lead_to_another() {
    let asked = serve(1, Limits::default());
    for how in ["now", "again"] {
        let (reply, mut ws) = asked.server.upgrade(&format!("/ask?ask={how}"), "");
        assert_eq!((reply.status, ws.text()), (101, format!("{how} 8")));
    }
}

#[test]
fn a_decision_that_is_dropped_or_panics_refuses() {
    let mut asked = serve(1, Limits::default());
    let (mut ws, decision) = asked.waiting();
    drop(decision);
    assert_eq!(Reply::read(&mut ws.stream).unwrap().status, 500);
    assert_eq!(asked.server.upgrade("/ask?ask=panic", "").0.status, 500);
    asked.server.panics = 1;
}

#[test]
fn a_client_that_goes_is_not_let_in() {
    let asked = serve(1, Limits::default());
    let handle = asked.server.handle();
    let (gone, first) = asked.waiting();
    drop(gone);
    let (mut half, second) = asked.waiting();
    half.stream.shutdown(Shutdown::Write).unwrap();
    // Its end is noticed before anything that is asked after it.
    assert_eq!(asked.server.request("GET", "/hello", "", "").body, "hello");
    first.allow(&handle, named("gone"));
    second.allow(&handle, named("half"));
    let mut rest = Vec::new();
    half.stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 101"), "{rest:?}");
    let (reply, mut ws) = asked.server.upgrade("/ask?ask=now", "");
    assert_eq!((reply.status, ws.text()), (101, "now 8".to_owned()));
}

#[test]
fn sessions_of_engine_io_cannot_wait() {
    let (sender, decisions) = mpsc::channel();
    let endpoint = Asking { decisions: Mutex::new(sender), gone: Mutex::new(mpsc::channel().0) };
    let builder = Server::builder().engine(EngineOptions::at("/engine.io/"), endpoint);
    let server = Embedded::start(builder);
    let reply = server.request("GET", "/engine.io/?EIO=4&transport=polling", "", "");
    assert_eq!((reply.status, &*reply.body), (403, r#"{"code":4,"message":"internal error"}"#));
    assert!(decisions.try_recv().is_err());
}

#[test]
fn who_waits_has_no_place_yet() {
    let asked = serve(1, Limits { connections: Some(1), ..Limits::default() });
    let handle = asked.server.handle();
    let (mut first, late) = asked.waiting();
    let (mut second, soon) = asked.waiting();
    soon.allow(&handle, named("second"));
    assert_eq!(Reply::read(&mut second.stream).unwrap().status, 101);
    assert_eq!(second.text(), "second 8");
    late.allow(&handle, named("first"));
    let reply = Reply::read(&mut first.stream).unwrap();
    assert_eq!((reply.status, reply.header("retry-after").is_some()), (503, true));
}

#[test]
fn alarms_ring_once_at_their_time_and_can_be_moved() {
    let asked = serve(1, Limits::default());
    let connect = || {
        let (_, mut ws) = asked.server.upgrade("/ask?ask=now", "");
        ws.text();
        ws
    };
    let [mut soon, mut moved, mut none, mut past] = [connect(), connect(), connect(), connect()];
    let set = |ws: &mut Ws<std::net::TcpStream>, text: &str| {
        ws.send(text);
        assert_eq!(ws.text(), text);
    };
    set(&mut moved, "past x");
    // It has been told already, or the alarm was moved in time: which one, the turns say.
    assert_eq!(moved.closed(), (4401, "time is up".to_owned()));
    set(&mut none, "alarm 300");
    set(&mut none, "none x");
    let start = unix_ms();
    set(&mut soon, "alarm 300");
    assert_eq!(soon.closed(), (4401, "time is up".to_owned()));
    assert!(unix_ms() >= start + 300, "it rang too soon");
    set(&mut past, "past x");
    assert_eq!(past.closed().0, 4401);
    // The one that was taken back lives on.
    set(&mut none, "hello you");
}

#[test]
fn sockets_of_namespaces_have_alarms_of_their_own() {
    let main = Namespace::new("/")
        .on("alarm", |socket, event| {
            let ms: Option<u64> = event.parse()?;
            socket.set_alarm(ms.map(|ms| unix_ms() + ms));
            event.ack(socket, "set")
        })
        .on_alarm(|socket| {
            socket.emit("time is up", ())?;
            socket.disconnect(false);
            Ok::<(), fanfare::socketio::Error>(())
        });
    let other = Namespace::new("/other")
        .middleware(|socket, connecting| {
            socket.set_alarm(Some(unix_ms() + 100));
            if connecting.query("in").is_some() { Ok(()) } else { Err(ConnectError::new("no")) }
        })
        .on_alarm(|socket| socket.emit("other", ()));
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/")).namespace(main).namespace(other);
    let server = Embedded::start(Server::builder().socketio(socketio));
    let mut ws = server.websocket(&format!("{EIO4}&in=1"), "");
    for name in ["", "/other,"] {
        ws.send(&format!("40{name}"));
        assert!(ws.text().starts_with(&format!("40{name}{{")));
    }
    ws.send(r#"420["alarm",200]"#);
    assert_eq!(ws.text(), r#"430["set"]"#);
    assert_eq!(ws.text(), r#"42/other,["other"]"#);
    assert_eq!([ws.text(), ws.text()], [r#"42["time is up"]"#, "41"]);
    // It comes back, as another socket without one.
    ws.send("40");
    assert!(ws.text().starts_with("40{"));
    ws.send(r#"421["alarm",60000]"#);
    assert_eq!(ws.text(), r#"431["set"]"#);
    ws.send("41");
    ws.send("40");
    assert!(ws.text().starts_with("40{"));
    ws.send(r#"422["alarm",null]"#);
    assert_eq!(ws.text(), r#"432["set"]"#);
    let mut refused = server.websocket(EIO4, "");
    refused.send("40/other,");
    assert_eq!(refused.text(), r#"44/other,{"message":"no"}"#);
    refused.send("40");
    assert!(refused.text().starts_with("40{"), "its alarm went with it");
}
