//! Application 1 over Socket.IO with rust_socketio: `rust-client 127.0.0.1:3000 websocket|polling|upgrade`.
//!
//! Ends with a panic if anything is not as it has to be. It never disconnects, after which this client's own thread would
//! spin for ever; the connections end with the program. This client sends bytes only as an argument of its own, which
//! `broadcastInfo` has not; so the texts are JSON.

use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Payload, TransportType};
use serde_json::{Value, json};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long anything may take before it counts as never.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection; what arrives is read event by event.
struct Peer {
    client: Client,
    events: Receiver<(String, Vec<Value>)>,
}

fn values(payload: Payload) -> Vec<Value> {
    match payload {
        Payload::Text(values) => values,
        other => panic!("not JSON: {other:?}"),
    }
}

impl Peer {
    fn open(addr: &str, transport: &TransportType) -> Self {
        let (sender, events) = channel();
        let (opened, open) = channel();
        let client = ClientBuilder::new(format!("http://{addr}"))
            .transport_type(transport.clone())
            .reconnect(false)
            .on("open", move |_, _| {
                let _ = opened.send(());
            })
            .on_any(move |event, payload, _| {
                let _ = sender.send((event.into(), values(payload)));
            })
            .connect()
            .expect("it connects");
        // What is emitted before the server has let it in is an error of revision 5.
        open.recv_timeout(PATIENCE).expect("it is let in");
        Self { client, events }
    }

    fn tell(&self, event: &str, payload: Value) {
        self.client.emit(event, payload).expect("it is connected");
    }

    /// Emits, and returns the acknowledgement.
    fn ask(&self, event: &str, payload: Value) -> Value {
        let (sender, answer) = channel();
        let on_answer = move |payload, _| {
            let _ = sender.send(values(payload));
        };
        self.client.emit_with_ack(event, payload, PATIENCE, on_answer).expect("it is connected");
        // The arguments come as one list.
        let arguments = answer.recv_timeout(PATIENCE).expect("an acknowledgement");
        assert_eq!(arguments.len(), 1);
        let Some([answer]) = arguments[0].as_array().map(Vec::as_slice) else { panic!("{arguments:?}") };
        answer.clone()
    }

    fn register(&self, payload: Value) {
        assert_eq!(self.ask("register", payload), json!({"ok": true}));
    }

    fn unregister(&self, payload: Value) {
        assert_eq!(self.ask("unRegister", payload), json!({"ok": true}));
    }

    /// Returns to how many it went.
    fn broadcast(&self, room: &str, event: &str, text: Value) -> u64 {
        let answer = self.ask("broadcastInfo", json!({"roomName": room, "eventName": event, "text": text}));
        let delivered = answer["delivered"].as_u64().expect("how many they are");
        assert_eq!(answer, json!({"ok": true, "delivered": delivered}));
        delivered
    }

    fn expect(&self, event: &str, text: &Value) {
        let (name, arguments) = self.events.recv_timeout(PATIENCE).expect("an event");
        assert_eq!(name, event);
        assert!(arguments == [text.clone()], "{event}: something else came");
    }

    /// It has nothing to read: what it asks is answered next.
    fn is_quiet(&self) -> bool {
        self.broadcast("nobody", "quiet", Value::Null) == 0 && self.events.try_recv().is_err()
    }
}

fn users_and_groups(open: &dyn Fn() -> Peer) {
    let (first, second, sender) = (open(), open(), open());
    first.register(json!({"user": "u", "group": ["g", "h"]}));
    second.register(json!({"group": "g"}));
    assert_eq!(sender.broadcast("u", "user", json!(1)), 1);
    first.expect("user", &json!(1));
    assert_eq!(sender.broadcast("g", "group", json!(2)), 2);
    first.expect("group", &json!(2));
    second.expect("group", &json!(2));
    assert_eq!(second.broadcast("g", "group", json!(3)), 1);
    first.expect("group", &json!(3));

    // The name goes to whoever registers it last; another name gives it up.
    second.register(json!({"user": "u"}));
    assert_eq!(sender.broadcast("u", "user", json!(4)), 1);
    second.expect("user", &json!(4));
    second.register(json!({"user": "v"}));
    assert_eq!(sender.broadcast("u", "user", json!(5)), 0);
    first.unregister(json!({"group": ["g"]}));
    assert_eq!(sender.broadcast("g", "group", json!(6)), 1);
    second.expect("group", &json!(6));
    assert!([&first, &second, &sender].iter().all(|peer| peer.is_quiet()));
}

fn texts(open: &dyn Fn() -> Peer) {
    let (peer, sender) = (open(), open());
    peer.register(json!({"group": "texts"}));
    let large = "x".repeat(400_000);
    let texts = [
        json!(null),
        json!(true),
        json!(-1.5),
        json!(9_007_199_254_740_991_u64),
        json!(""),
        json!("é κόσμε 😀 \u{2028}\u{0}"),
        json!([]),
        json!({"a": [1, {"b": null}], "ü": {}}),
        json!(large),
    ];
    for text in &texts {
        assert_eq!(sender.broadcast("texts", "text", text.clone()), 1);
        peer.expect("text", text);
    }
    for number in 0..500 {
        sender.tell("broadcastInfo", json!({"roomName": "texts", "eventName": "n", "text": number}));
    }
    for number in 0..500 {
        peer.expect("n", &json!(number));
    }
    assert!(peer.is_quiet() && sender.is_quiet());
}

fn what_cannot_be_taken(open: &dyn Fn() -> Peer) {
    let peer = open();
    let faults = [
        ("register", json!({}), "bad_request"),
        ("register", json!({"user": ""}), "bad_request"),
        ("unRegister", json!({"group": ["g", "x".repeat(257)]}), "bad_request"),
        ("broadcastInfo", json!({"roomName": "r", "text": 1}), "bad_request"),
        ("broadcastInfo", json!({"roomName": "r", "eventName": "connect", "text": 1}), "reserved_event"),
    ];
    for (event, payload, code) in faults {
        let answer = peer.ask(event, payload.clone());
        let message = answer["error"]["message"].as_str().expect("a message");
        assert_eq!(answer, json!({"ok": false, "error": {"code": code, "message": message}}));
        peer.tell(event, payload);
        peer.expect("exception", &json!({"event": event, "code": code, "message": message}));
    }
    assert!(peer.is_quiet());
}

fn main() {
    let mut args = std::env::args().skip(1);
    let addr = args.next().expect("an address");
    let transport = match args.next().as_deref() {
        Some("websocket") => TransportType::Websocket,
        Some("polling") => TransportType::Polling,
        Some("upgrade") => TransportType::WebsocketUpgrade,
        other => panic!("no such transport: {other:?}"),
    };
    let open = || Peer::open(&addr, &transport);
    users_and_groups(&open);
    texts(&open);
    what_cannot_be_taken(&open);
}
