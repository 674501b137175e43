//! A client of Socket.IO on a WebSocket, as clients of 3.x and 4.x speak.

use crate::support::{Server, Ws};
use serde_json::{Value, json};
use std::net::TcpStream;

pub(crate) struct Sio {
    ws: Ws<TcpStream>,
    asked: u32,
}

impl Sio {
    pub(crate) fn connect(node: &Server) -> Sio {
        let mut ws = node.ws("/socket.io/?EIO=4&transport=websocket");
        assert!(ws.text().starts_with("0{\"sid\":"));
        ws.send("40");
        assert!(ws.text().starts_with("40{\"sid\":"));
        Sio { ws, asked: 0 }
    }

    fn packet(&mut self) -> String {
        loop {
            match self.ws.text() {
                ping if ping == "2" => self.ws.send("3"),
                packet => return packet,
            }
        }
    }

    /// Emits with an acknowledgement, which comes next but for events; it, and they.
    pub(crate) fn ask(&mut self, event: &str, payload: Value) -> (Value, Vec<Value>) {
        self.asked += 1;
        self.ws.send(&format!("42{}{}", self.asked, json!([event, payload])));
        let (answer, mut events) = (format!("43{}[", self.asked), Vec::new());
        loop {
            let packet = self.packet();
            if packet.starts_with(&answer) {
                let args: Value = serde_json::from_str(&packet[answer.len() - 1..]).expect(&packet);
                return (args[0].clone(), events);
            }
            events.push(serde_json::from_str(packet.strip_prefix("42").expect(&packet)).expect(&packet));
        }
    }

    /// Registers; it is taken.
    pub(crate) fn register(&mut self, payload: Value) {
        assert_eq!(self.ask("register", payload).0, json!({"ok": true}));
    }

    /// Sends to a room; to how many.
    pub(crate) fn broadcast(&mut self, room: &str, event: &str, text: Value) -> u64 {
        let (answer, _) =
            self.ask("broadcastInfo", json!({"roomName": room, "eventName": event, "text": text}));
        assert_eq!(answer["ok"], true, "{answer}");
        answer["delivered"].as_u64().expect("a number")
    }

    /// What has arrived until now.
    pub(crate) fn arrived(&mut self) -> Vec<Value> {
        self.ask("unRegister", json!({"group": "nobody is here"})).1
    }
}
