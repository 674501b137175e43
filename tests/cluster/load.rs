//! Clients on all nodes that tell all others numbers, without a pause, and what became of each number.

use crate::client::Client;
use crate::nodes::{Nodes, publish};
use crate::servers::eventually;
use crate::support::Received;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two numbers of one sender.
const PAUSE: Duration = Duration::from_millis(2);

/// What one receiver got, by sender, in the order in which it came.
pub(crate) type Got = Arc<Mutex<Vec<Vec<u64>>>>;

/// A sender and a receiver on each node.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<u64>>,
    pub(crate) got: Vec<Got>,
    receivers: Vec<JoinHandle<()>>,
}

impl Load {
    /// On the first nodes; begins when everybody is reached from everywhere.
    pub(crate) fn start(nodes: &Nodes, count: usize) -> Load {
        let mut load =
            Load { stop: Arc::default(), senders: Vec::new(), got: Vec::new(), receivers: Vec::new() };
        for number in 0..count {
            let client = Client::connect(&nodes[number], "d1", &format!("r{number}"), "load");
            let got: Got = Arc::new(Mutex::new(vec![Vec::new(); count]));
            load.got.push(got.clone());
            load.receivers.push(std::thread::spawn(move || receive(client, &got)));
        }
        nodes.until_matched(r#""bizCode":"d1","mode":200,"group":"load""#, count as u64);
        for number in 0..count {
            let (client, stop) =
                (Client::connect(&nodes[number], "d1", &format!("s{number}"), ""), load.stop.clone());
            load.senders.push(std::thread::spawn(move || send(client, number, &stop)));
        }
        load
    }

    /// How many numbers of a sender a receiver has got.
    pub(crate) fn count(&self, receiver: usize, sender: usize) -> u64 {
        self.got[receiver].lock().unwrap()[sender].len() as u64
    }

    /// Waits until so many more numbers came from every sender to every receiver.
    pub(crate) fn until_more(&self, more: u64) {
        let counts =
            || (0..self.got.len()).flat_map(|to| (0..self.got.len()).map(move |from| self.count(to, from)));
        let before: Vec<u64> = counts().collect();
        eventually("numbers go on from all to all", || {
            counts().zip(&before).all(|(now, before)| now >= before + more)
        });
    }

    /// Ends the senders, which must have lived until now, and waits until the last number of each came to all: how many
    /// are missing, by receiver and sender. What came is in order, and nothing twice.
    pub(crate) fn finish_sending(&mut self) -> Vec<Vec<u64>> {
        self.stop.store(true, Ordering::SeqCst);
        let senders = self.senders.drain(..);
        let sent: Vec<u64> = senders.map(|sender| sender.join().expect("the sender lives")).collect();
        let missing = |got: &Got| {
            let pairs = sent.iter().enumerate().map(|(from, sent)| {
                let last = || got.lock().unwrap()[from].last().copied();
                eventually("the last number comes", || last() == Some(sent - 1));
                let numbers = &got.lock().unwrap()[from];
                assert!(numbers.is_sorted_by(|a, b| a < b), "in order, and none twice");
                sent - numbers.len() as u64
            });
            pairs.collect()
        };
        self.got.iter().map(missing).collect()
    }

    /// Ends the receivers, which must have lived until now: this comes last.
    pub(crate) fn finish(self, nodes: &Nodes) {
        for (number, receiver) in self.receivers.into_iter().enumerate() {
            let to = json!({"bizCode": "d1", "mode": 100, "targetClientId": format!("r{number}"), "content": "end"});
            assert_eq!(publish(&nodes[number], &to.to_string())["matched"], 1);
            receiver.join().expect("the receiver lives");
        }
    }
}

fn send(mut client: Client, number: usize, stop: &AtomicBool) -> u64 {
    let mut sent = 0;
    while !stop.load(Ordering::SeqCst) {
        client.send(&json!({"mode": 200, "group": "load", "content": [number, sent]}));
        sent += 1;
        std::thread::sleep(PAUSE);
    }
    // It is still connected, and the server has taken all of it.
    client.arrived();
    sent
}

fn receive(mut client: Client, got: &Got) {
    let mut text = || match client.ws.recv() {
        Received::Text(text) => text,
        other => panic!("a client was closed: {other:?}"),
    };
    loop {
        let message: Value = serde_json::from_str(&text()).expect("JSON");
        match &message["content"] {
            end if end == "end" => return,
            Value::Array(content) => {
                let [sender, number] = [0, 1].map(|at: usize| content[at].as_u64().expect("a number"));
                got.lock().unwrap()[sender as usize].push(number);
            }
            _ => {}
        }
    }
}
