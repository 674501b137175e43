//! What a client gets that polls, however much and however slowly.

use crate::http::{Http, request};
use crate::server::Server;
use crate::sio::{EIO4, EIO4_POLLING, Sio};
use crate::support::{self, Folder, PATIENCE, Received};
use serde_json::{Value, json};
use std::os::unix::net::UnixStream;

#[test]
fn a_binary_message_of_full_length_waits_for_the_next_poll() {
    let server = Server::start(2);
    let mut client = Sio::register(&server, EIO4_POLLING, &["R"]);
    let mut sender = Sio::connect(&server, EIO4);
    let event = r#"["broadcastInfo",{"roomName":"R","eventName":"B","text":{"_placeholder":true,"num":0}}]"#;
    let bytes = vec![7; 1_000_000];
    sender.emit_binary(event, &bytes);
    sender.has_nothing();
    let (event, attachment) = client.next_binary();
    assert_eq!(event, r#"["B",{"_placeholder":true,"num":0}]"#);
    assert!(attachment == bytes, "{} bytes", attachment.len());
}

#[test]
fn a_websocket_that_was_to_take_over_is_told_that_the_server_ends() {
    let server = Server::start(2);
    let client = Sio::connect(&server, EIO4_POLLING);
    let mut probe = client.probe(&server);
    server.0.signal("TERM");
    assert_eq!(probe.recv(), Received::Close(1005, String::new()));
}

#[test]
fn an_answer_that_the_kernel_does_not_take_at_once_is_no_reason_to_close() {
    let folder = Folder::new();
    let path = folder.path("s");
    let unix = format!("unix:{}", path.display());
    let server = Server(support::Server::start(&["--reactors", "1", "--listen", &unix]));
    // A unix socket takes some hundred kilobytes while nobody reads.
    let http = || {
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Http::new(stream)
    };
    let (mut get, mut post) = (http(), http());
    let target = "/socket.io/?EIO=3&transport=polling";
    let open = get.get(target);
    let (_, open) = open.text().split_once(":0").unwrap();
    let open: Value = serde_json::from_str(&open[..=open.find('}').unwrap()]).unwrap();
    let target = format!("{target}&sid={}", open["sid"].as_str().unwrap());
    assert_eq!(get.get(&target).text(), "2:40");
    let register = br#"28:42["register",{"group":"R"}]"#;
    assert_eq!(post.request("POST", &target, &[], register).text(), "ok");

    get.send(&request("GET", &target, &[], b""));
    // Clients of 1.x get it escaped, which is three times as long, and longer than what may wait for a connection.
    let text = "é".repeat(490_000);
    let info = json!(["broadcastInfo", {"roomName": "R", "eventName": "E", "text": text}]).to_string();
    let mut sender = Sio::connect(&server, EIO4);
    assert_eq!(sender.ask(&info), r#"[{"ok":true,"delivered":1}]"#);
    let answer = get.answer(false);
    assert_eq!(answer.body.len(), "2940010:42[\"E\",\"\"]".len() + 6 * 490_000);
    assert_eq!(get.get("/healthz").text(), "ok\n");
}
