//! A client of `/ws` that tells what it got apart from the probes of the test.

use crate::support::{Server, Ws};
use serde_json::{Value, json};
use std::net::TcpStream;

pub(crate) struct Client {
    pub(crate) ws: Ws<TcpStream>,
    beats: u64,
}

impl Client {
    pub(crate) fn connect(node: &Server, domain: &str, client: &str, groups: &str) -> Client {
        Client { ws: node.client(domain, client, groups), beats: 0 }
    }

    pub(crate) fn send(&mut self, message: &Value) {
        self.ws.send(&message.to_string());
    }

    /// The next message.
    pub(crate) fn next(&mut self) -> Value {
        serde_json::from_str(&self.ws.text()).expect("JSON")
    }

    /// What has arrived until now, but probes.
    pub(crate) fn arrived(&mut self) -> Vec<Value> {
        self.beats += 1;
        let beat = format!("beat {}", self.beats);
        self.send(&json!({"mode": 1, "msgId": beat}));
        let mut arrived = Vec::new();
        loop {
            let message = self.next();
            if message["msgId"] == beat.as_str() {
                assert_eq!((&message["mode"], &message["code"]), (&json!(1), &json!(0)));
                return arrived;
            }
            if message["content"] != "probe" {
                arrived.push(message);
            }
        }
    }

    /// Sends with a receipt, after which whoever was to get it has been sent it; how many they are.
    pub(crate) fn deliver(&mut self, mut message: Value) -> u64 {
        message["receipt"] = json!(true);
        self.send(&message);
        let receipt = loop {
            match self.next() {
                probe if probe["content"] == "probe" => {}
                receipt => break receipt,
            }
        };
        assert_eq!((&receipt["code"], &receipt["msgId"]), (&json!(0), &message["msgId"]), "{receipt}");
        receipt["delivered"].as_u64().expect("a number")
    }
}
