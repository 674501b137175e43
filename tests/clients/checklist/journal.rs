//! What handlers saw, for tests to read over HTTP: the clients that it is about may be gone.

use fanfare::socketio::{Namespace, Socket};
use fanfare::{Builder, Response};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<Value>>>);

impl Journal {
    pub(crate) fn note(&self, entry: Value) {
        self.0.lock().expect("nothing panics while it notes").push(entry);
    }

    /// Serves it as JSON.
    pub(crate) fn route(&self, server: Builder) -> Builder {
        let journal = self.clone();
        server.route("GET", "/journal", move |cx, _, _, responder| {
            let entries = journal.0.lock().expect("nothing panics while it notes").clone();
            responder.send(cx, Response::json(200, &entries));
        })
    }

    /// Notes how the sockets of a namespace end, with the rooms that they have then.
    pub(crate) fn ends_of(&self, namespace: Namespace) -> Namespace {
        let end = |journal: &Journal, socket: &mut Socket<'_>, what: &str, reason: String| {
            let rooms: Vec<&str> = socket.rooms().collect();
            let (id, namespace) = (socket.id(), socket.namespace());
            // When the server ends nobody can ask it any more.
            eprintln!("{id} {what} {reason}");
            journal.note(
                json!({"id": id, "namespace": namespace, "what": what, "reason": reason, "rooms": rooms}),
            );
        };
        let (before, after, errors) = (self.clone(), self.clone(), self.clone());
        namespace
            .on_disconnecting(move |socket, reason| end(&before, socket, "disconnecting", reason.to_string()))
            .on_disconnect(move |socket, reason| end(&after, socket, "disconnect", reason.to_string()))
            .on_error(move |socket, event, error| {
                errors.note(
                    json!({"id": socket.id(), "what": "error", "event": event, "error": error.to_string()}),
                );
            })
    }
}
