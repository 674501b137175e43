//! Events that come by HTTP reach the sockets that they are for, whatever these speak, and are made once for all of them.

use crate::metrics::{scrape, value};
use crate::publish::written;
use crate::server::Server;
use crate::sio::{EIO3, EIO3_DEFLATE, EIO4, EIO4_DEFLATE, EIO4_POLLING, KINDS, Kind, Sio};
use crate::support::{self, Folder, Received};
use crate::ws::Client;
use fanfare::wire::frame::Opcode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A server with further namespaces, of which one speaks MessagePack.
pub(crate) fn with_namespaces(folder: &Folder) -> Server {
    let text = "reactors = 3\n[socketio]\nserve_client = false\n\
                namespaces = [\"/news\", \"/packed\"]\nmsgpack_namespaces = [\"/packed\"]\n";
    Server(support::Server::configured(&folder.write("namespaces.toml", text)))
}

/// Who was meant, and who has it or will.
fn reached(report: &Value) -> (u64, u64) {
    let number = |name: &str| report[name].as_u64().unwrap();
    (number("matched"), number("written") + number("queued"))
}

#[test]
fn rooms_exceptions_and_everybody() {
    let server = Server::start(3);
    let mut http = server.http();
    let mut a = Sio::register(&server, EIO4, &["R", "é"]);
    let mut b = Sio::register(&server, EIO3, &["R", "S"]);
    let mut c = Sio::register(&server, EIO4, &["S", "T"]);
    let mut d = Sio::connect(&server, EIO4);
    let mut other = Client::connect(&server, "d1", "R", "R");

    let report = http.publish(r#"{"namespace":"/","to":["R"],"event":"E","args":[1,"two"]}"#).ok();
    assert_eq!(report, written(2));
    for client in [&mut a, &mut b] {
        assert_eq!(client.next(), r#"["E",1,"two"]"#);
    }

    // Who is in several of the rooms gets it once.
    let report = http.publish(r#"{"to":["R","S"],"except":["T"],"event":"E","args":[2]}"#).ok();
    assert_eq!(report, written(2));
    for client in [&mut a, &mut b] {
        assert_eq!(client.next(), r#"["E",2]"#);
    }

    let report = http.publish(r#"{"to":"S","except":"R","event":"E","args":[3]}"#).ok();
    assert_eq!(report, written(1));
    assert_eq!(c.next(), r#"["E",3]"#);

    // A socket's id is a room of one.
    let of_id = |id: &str| json!({"to": ["é", id], "event": "E", "args": [4]}).to_string();
    assert_eq!(http.publish(&of_id(&d.id)).ok(), written(2));
    for client in [&mut a, &mut d] {
        assert_eq!(client.next(), r#"["E",4]"#);
    }
    assert_eq!(http.publish(&of_id(&b.id)).ok(), written(2));
    for client in [&mut a, &mut b] {
        assert_eq!(client.next(), r#"["E",4]"#);
    }
    let without = json!({"except": [a.id, "S"], "event": "E"}).to_string();
    assert_eq!(http.publish(&without).ok(), written(1));
    assert_eq!(d.next(), r#"["E"]"#);

    for everybody in [r#"{"event":"all","args":[]}"#, r#"{"event":"all","to":[],"namespace":"/"}"#] {
        assert_eq!(http.publish(everybody).ok(), written(4));
        for client in [&mut a, &mut b, &mut c, &mut d] {
            assert_eq!(client.next(), r#"["all"]"#);
        }
    }
    assert_eq!(http.publish(r#"{"to":["nobody"],"event":"E"}"#).ok(), written(0));

    let report = http.publish(r#"{"roomName":"R","eventName":"info","text":{"n":[1.0]}}"#).ok();
    assert_eq!(report, written(2));
    for client in [&mut a, &mut b] {
        assert_eq!(client.next(), r#"["info",{"n":[1.0]}]"#);
    }
    for client in [&mut a, &mut b, &mut c, &mut d] {
        client.has_nothing();
    }
    other.has_nothing();
}

#[test]
fn an_id_is_that_of_one_socket_and_not_of_the_next_one_of_its_session() {
    let server = Server::start(3);
    let mut http = server.http();
    for kind in [EIO4, EIO4_POLLING] {
        let mut client = Sio::connect(&server, kind);
        let before = client.id.clone();
        client.come_back();
        assert_ne!(client.id, before);
        let mut publish = |to: Value, except: Value| {
            http.publish(&json!({"to": to, "except": except, "event": "E"}).to_string()).ok()["matched"]
                .clone()
        };
        assert_eq!(publish(json!([before]), json!([])), 0);
        assert_eq!(publish(json!([client.id]), json!([before])), 1);
        assert_eq!(client.next(), r#"["E"]"#);
        client.has_nothing();
        client.close();
    }
}

#[test]
fn namespaces_are_worlds_of_their_own() {
    let folder = Folder::new();
    let server = with_namespaces(&folder);
    let mut http = server.http();
    let mut main = Sio::connect(&server, EIO4);
    let mut news = [EIO3, EIO4].map(|kind| Sio::connect_to(&server, kind, "/news"));
    let report = http.publish(r#"{"namespace":"/news","event":"E","args":["x"]}"#).ok();
    assert_eq!(report, written(2));
    for client in &mut news {
        assert_eq!(client.next(), r#"["E","x"]"#);
    }
    for client in &mut news {
        let to = json!({"namespace": "/news", "to": [client.id], "event": "one"}).to_string();
        assert_eq!(http.publish(&to).ok(), written(1));
        assert_eq!(client.next(), r#"["one"]"#);
    }
    // Of the old client there is a socket in the main namespace too.
    assert_eq!(http.publish(r#"{"event":"E"}"#).ok(), written(2));
    assert_eq!(main.next(), r#"["E"]"#);
    main.has_nothing();

    for (body, message) in [
        (r#"{"namespace":"/old","event":"E"}"#, r#"namespace: "/old" is not served"#),
        (r#"{"namespace":"news","event":"E"}"#, r#"namespace: "news" is not served"#),
        (r#"[{"event":"E"},{"namespace":"","event":"E"}]"#, r#"[1].namespace: "" is not served"#),
    ] {
        let (status, code, text) = http.publish(body).error();
        assert_eq!((status, code.as_str(), text.as_str()), (404, "unknown_namespace", message));
    }
    main.has_nothing();
}

#[test]
fn a_namespace_that_speaks_message_pack_gets_it() {
    let folder = Folder::new();
    let server = with_namespaces(&folder);
    let mut ws = server.0.ws("/socket.io/?EIO=4&transport=websocket");
    ws.text();
    // {"type":0,"nsp":"/packed"}
    ws.send_frame(Opcode::Binary, b"\x82\xa4type\x00\xa3nsp\xa7/packed");
    assert!(matches!(ws.recv(), Received::Binary(connected) if connected.starts_with(b"\x83\xa4type\x00")));
    let publish = |args: &str| {
        let body = format!(r#"{{"namespace":"/packed","event":"E","args":{args}}}"#);
        server.publish(&body).ok()
    };
    assert_eq!(publish("[1,[true],{\"a\":null}]"), written(1));
    // {"type":2,"data":["E",1,[true],{"a":null}],"nsp":"/packed"}
    let Received::Binary(event) = ws.recv() else { panic!("a packet that is no binary") };
    let data = b"\xa4data\x94\xa1E\x01\x91\xc3\x81\xa1a\xc0";
    assert!(event.windows(data.len()).any(|part| part == data), "{event:?}");
    // What JSON can say and others cannot.
    for odd in [r#"["\ud800"]"#, "[1e400,-0,123456789012345678901234567890]", r#"[{"a":1,"a":2}]"#] {
        assert_eq!(publish(odd), written(1), "{odd}");
        assert!(matches!(ws.recv(), Received::Binary(_)));
    }
}

/// JSON whose characters that are not ASCII are escaped.
fn in_ascii(json: &str) -> String {
    let units = json.encode_utf16().map(|unit| match u8::try_from(unit) {
        Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
        _ => format!("\\u{unit:04x}"),
    });
    units.collect()
}

#[test]
fn arguments_arrive_byte_for_byte() {
    let server = Server::start(2);
    let mut http = server.http();
    let mut clients = KINDS.map(|kind| Sio::register(&server, kind, &["R"]));
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let long = format!("\"{}\"", "é".repeat(100_000));
    for arg in [
        "null",
        "1.0",
        "-0",
        "1e400",
        "123456789012345678901234567890",
        r#""é\u00e9\/\ud83d\ude00\"\\\n""#,
        "\"\u{7f}\u{2028}\u{1f600}\"",
        r#"{ "b" : 1 ,  "a":[ ], "a" : { } }"#,
        r#"{"_placeholder":true,"num":0}"#,
        "[\n\t1,\r\n 2 ]",
        &deep,
        &long,
    ] {
        let body = format!(r#" {{ "args" : [ {arg} , 7 ] ,"event":"\u0045","to":"R"}} "#);
        assert_eq!(reached(&http.publish(&body).ok()), (5, 5), "{body}");
        let body = format!(r#"{{"roomName":"R","eventName":"E","text": {arg} }}"#);
        assert_eq!(reached(&http.publish(&body).ok()), (5, 5), "{body}");
        for (kind, client) in KINDS.iter().zip(&mut clients) {
            // Clients of 1.x could not read anything else in a polled text.
            let arg = if kind.revision == 3 && kind.polling { in_ascii(arg) } else { arg.to_owned() };
            assert_eq!(client.next(), format!(r#"["E",{arg},7]"#));
            assert_eq!(client.next(), format!(r#"["E",{arg}]"#));
        }
    }
}

#[test]
fn forms_may_be_mixed_and_one_bad_message_refuses_all() {
    let server = Server::start(3);
    let mut sio = Sio::register(&server, EIO4, &["R"]);
    let mut ws = Client::connect(&server, "d1", "c1", "");
    let item = |n: usize| match n % 3 {
        0 => format!(r#"{{"to":["R"],"event":"E","args":[{n}]}}"#),
        1 => format!(r#"{{"bizCode":"d1","mode":300,"content":{n}}}"#),
        _ => format!(r#"{{"roomName":"R","eventName":"E","text":{n}}}"#),
    };
    let batch = |count: usize| (0..count).map(item).collect::<Vec<_>>().join(",");
    let reports = server.publish(&format!("[{}]", batch(1_000))).ok();
    assert_eq!(reports, Value::Array(vec![written(1); 1_000]));
    for n in 0..1_000 {
        match n % 3 {
            1 => assert_eq!(ws.next(), format!(r#"{{"msgId":null,"mode":300,"content":{n}}}"#)),
            _ => assert_eq!(sio.next(), format!(r#"["E",{n}]"#)),
        }
    }
    let good = batch(3);
    for (bad, code, place) in [
        (r#"{"event":"disconnect"}"#, "reserved_event", r#"[3].event: Socket.IO reserves "disconnect""#),
        (
            r#"{"roomName":"R","eventName":"newListener","text":1}"#,
            "reserved_event",
            r#"[3].eventName: Socket.IO reserves "newListener""#,
        ),
        (r#"{"event":"E","arg":[1]}"#, "bad_request", "[3].arg: unknown field"),
        (r#"{"event":"E","args":1}"#, "bad_request", "[3].args: expected an array"),
        (r#"{"event":"E","bizCode":"d1"}"#, "bad_request", "[3].bizCode: unknown field"),
    ] {
        let (status, found, message) = server.publish(&format!("[{good},{bad}]")).error();
        assert_eq!((status, found.as_str()), (400, code), "{message}");
        assert!(message.starts_with(place), "{message}");
    }
    sio.has_nothing();
    ws.has_nothing();
}

#[test]
fn volatile_events_are_not_for_whoever_does_not_listen() {
    let server = Server::start(2);
    let mut http = server.http();
    let mut listens = Sio::register(&server, EIO4, &["R"]);
    // Nobody asks for what there is for it.
    let mut asleep = Sio::register(&server, EIO4_POLLING, &["R"]);
    let dropped = || value(&scrape(&server), "fanfare_dropped_total", &[("reason", "volatile")]);
    let before = dropped();
    let report = http.publish(r#"{"to":["R"],"event":"E","args":[1],"volatile":true}"#).ok();
    let expected = json!({
        "matched": 2, "written": 1, "queued": 0,
        "dropped": { "slow": 0, "volatile": 1, "closed": 0, "busy": 0 },
        "nodes": { "asked": 1, "answered": 1 },
    });
    assert_eq!(report, expected);
    assert_eq!(dropped() - before, 1.0);
    assert_eq!(server.get("/api/v1/stats").ok()["dropped"]["volatile"], 1);
    let report = http.publish(r#"{"to":["R"],"event":"E","args":[2],"volatile":false}"#).ok();
    assert_eq!(reached(&report), (2, 2));
    assert_eq!(listens.next(), r#"["E",1]"#);
    assert_eq!(listens.next(), r#"["E",2]"#);
    assert_eq!(asleep.next(), r#"["E",2]"#);
}

/// How often messages were made in each dialect so far.
fn encoded(server: &Server) -> BTreeMap<String, f64> {
    let family = &scrape(server)["fanfare_encoded_total"];
    family.samples.iter().map(|(_, labels, value)| (labels["dialect"].clone(), *value)).collect()
}

fn grown(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> Vec<(String, f64)> {
    let change = after.iter().map(|(name, value)| (name.clone(), value - before[name]));
    change.filter(|(_, change)| *change > 0.0).collect()
}

#[test]
fn a_broadcast_is_made_once_for_each_dialect_whatever_the_number_of_recipients() {
    const OF_A_KIND: usize = 12;
    let folder = Folder::new();
    let config =
        "reactors = 3\n[ws]\ncompression = true\n[socketio]\nserve_client = false\ncompression = true\n";
    let server = Server(support::Server::configured(&folder.write("compression.toml", config)));
    let kinds = KINDS.iter().chain(&[EIO3_DEFLATE, EIO4_DEFLATE]);
    let mut clients: Vec<Sio> =
        kinds.flat_map(|kind: &Kind| (0..OF_A_KIND).map(|_| Sio::register(&server, *kind, &["R"]))).collect();
    let count = clients.len() as u64;
    let mut sender = Sio::connect(&server, EIO4);
    let mut plain: Vec<Client> =
        (0..OF_A_KIND).map(|n| Client::connect(&server, "d1", &format!("c{n}"), "")).collect();
    let one = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 1.0)).collect::<Vec<_>>();

    // Text looks the same in all of Engine.IO, compressed or not.
    let long = "x".repeat(5_000);
    let before = encoded(&server);
    let report = server.publish(&json!({"to": "R", "event": "E", "args": [long]}).to_string()).ok();
    assert_eq!(reached(&report), (count, count));
    let after_text = encoded(&server);
    assert_eq!(grown(&before, &after_text), one(&["eio4", "eio4_deflate"]));
    let body = json!({"to": "R", "event": "F", "args": [long], "compress": false}).to_string();
    assert_eq!(reached(&server.publish(&body).ok()), (count, count));
    let after_plain = encoded(&server);
    assert_eq!(grown(&after_text, &after_plain), one(&["eio4"]));

    let event = r#"["broadcastInfo",{"roomName":"R","eventName":"B","text":{"_placeholder":true,"num":0}}]"#;
    let bytes: Vec<u8> = (0..5_000).map(|n| (n / 20) as u8).collect();
    sender.emit_binary(event, &bytes);
    for client in &mut clients {
        assert_eq!(client.next(), format!(r#"["E","{long}"]"#));
        assert_eq!(client.next(), format!(r#"["F","{long}"]"#));
        let (event, attachment) = client.next_binary();
        assert_eq!(event, r#"["B",{"_placeholder":true,"num":0}]"#);
        assert!(attachment == bytes, "{} bytes", attachment.len());
    }
    let after_binary = encoded(&server);
    let every = ["eio3", "eio3_base64", "eio3_deflate", "eio4", "eio4_base64", "eio4_deflate"];
    assert_eq!(grown(&after_plain, &after_binary), one(&every));

    server.publish(&json!({"bizCode": "d1", "mode": 300, "content": long}).to_string()).ok();
    for client in &mut plain {
        client.next();
    }
    assert_eq!(grown(&after_binary, &encoded(&server)), one(&["websocket"]));
    let stats = server.get("/api/v1/stats").ok();
    assert_eq!(stats["encoded"]["eio3_base64"], 1);
}
