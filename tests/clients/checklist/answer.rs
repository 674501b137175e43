//! The answer to what a client tells the server to do: how it went, once, now or later.

use fanfare::Via;
use fanfare::socketio::{Ack, Error, Event};
use serde::Serialize;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// What is left to be answered.
#[derive(Clone)]
pub(crate) struct Answer(Arc<Mutex<Option<Ack>>>);

impl Answer {
    /// The acknowledgement of an event.
    pub(crate) fn to(event: &mut Event<'_>) -> Answer {
        Answer(Arc::new(Mutex::new(event.take_ack())))
    }

    /// It was done, and this is what came of it.
    pub(crate) fn done(&self, via: impl Via, value: impl Serialize) {
        self.give(via, json!({"ok": value}));
    }

    /// How it went.
    pub(crate) fn result(&self, via: impl Via, result: Result<impl Serialize, Error>) {
        match result {
            Ok(value) => self.done(via, value),
            Err(error) => self.give(via, json!({"error": error.to_string()})),
        }
    }

    fn give(&self, via: impl Via, answer: serde_json::Value) {
        let ack = self.0.lock().expect("no handler panics while it answers").take();
        if let Some(ack) = ack {
            ack.send(via, answer).expect("JSON can be sent");
        }
    }
}
