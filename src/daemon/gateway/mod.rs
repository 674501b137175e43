//! Application 2: the JSON gateway at `/ws`, on the library's public API only.
//!
//! A business domain is a scope, see [`scope`]. In it a client's own room is `@` and its id, a group's room is `#` and
//! its name, so that a client and a group of one name do not meet.

mod message;
mod scope;

pub(crate) use message::{Address, Fault, Outgoing, check_id, groups};
pub(crate) use scope::{domain_of, scope_of};

use crate::access::Access;
use fanfare::{
    Admission, CloseCause, Endpoint, Frame, JoinError, Message, NAME_BYTES, Request, Response, Socket, To,
};
use message::{Command, Incoming};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Marks the room of one client.
pub(crate) const CLIENT: char = '@';
/// Marks the room of a group.
pub(crate) const GROUP: char = '#';

const TOO_MANY_GROUPS: &str = "group: these are more groups than one client may be in";

/// The gateway.
pub(crate) struct Gateway {
    access: Arc<Access>,
    rooms_per_socket: Arc<AtomicUsize>,
}

impl Gateway {
    /// The number of rooms is that of the server's limits; it may change.
    pub(crate) fn new(access: Arc<Access>, rooms_per_socket: Arc<AtomicUsize>) -> Gateway {
        Gateway { access, rooms_per_socket }
    }

    fn admit(&self, request: &Request<'_>) -> Result<Admission, Response> {
        let bad = |message: String| Response::error(400, "bad_request", &message);
        let query = request.query().map_err(|error| bad(error.to_string()))?;
        let once = |name: &str| match query.count(name) {
            0 => Ok(None),
            1 => Ok(query.get(name)),
            _ => Err(bad(format!("{name} is given more than once"))),
        };
        let required = |name: &str| match once(name)? {
            Some(value) if (1..=NAME_BYTES).contains(&value.len()) => Ok(value),
            Some(_) => Err(bad(format!("{name} has 1 to {NAME_BYTES} bytes"))),
            None => Err(bad(format!("{name} is missing"))),
        };
        let domain = required("bizCode")?;
        let client = required("clientId")?;
        let list = once("group")?.unwrap_or_default();
        let groups =
            if list.is_empty() { Vec::new() } else { groups(list).map_err(|fault| bad(fault.message))? };
        // One is the client's own.
        if groups.len() >= self.rooms_per_socket.load(Ordering::Relaxed) {
            return Err(bad(TOO_MANY_GROUPS.to_owned()));
        }
        let rules = self.access.rules();
        rules.check_token(once("token")?)?;
        rules.check_origin(request.header("origin"))?;
        let admission = Admission::to_scope(&scope_of(domain)).claim(&client_room(client));
        Ok(groups.into_iter().fold(admission, |admission, group| admission.room(&group_room(group))))
    }
}

impl Endpoint for Gateway {
    fn on_upgrade(&self, request: &Request<'_>) -> Result<Admission, Response> {
        self.admit(request).inspect_err(|_| {
            // The server logs the address and the reason; who it was, nobody else knows.
            if let Ok(query) = request.query() {
                let [domain, client] = ["bizCode", "clientId"].map(|name| query.get(name).unwrap_or("-"));
                let peer = request.peer();
                log::info!(peer:%, domain, client; "{peer}: {domain:?} {client:?} is refused");
            }
        })
    }

    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return socket.close(1003, "text frames only"),
        };
        let incoming = Incoming::parse(text);
        if let Err(fault) = act(socket, &incoming) {
            socket.send(&incoming.fault_frame(&fault));
        }
    }

    fn on_rate_limited(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        // Which message was not taken, the client wants to know.
        let incoming = match message {
            Message::Text(text) => Incoming::parse(text),
            Message::Binary(_) => return socket.close(1003, "text frames only"),
        };
        let fault = Fault { code: 429, message: "too many messages".to_owned() };
        socket.send(&incoming.fault_frame(&fault));
    }

    fn on_close(&self, socket: &mut Socket<'_>, cause: &CloseCause) {
        let domain = domain_of(socket.scope()).unwrap_or_default();
        log::debug!("{:?} in {domain:?}: {}", client_of(socket), cause.name());
    }
}

/// The room of a client.
pub(crate) fn client_room(client: &str) -> String {
    format!("{CLIENT}{client}")
}

/// The room of a group.
pub(crate) fn group_room(group: &str) -> String {
    format!("{GROUP}{group}")
}

fn client_of<'s>(socket: &'s Socket<'_>) -> &'s str {
    socket.rooms().find_map(|room| room.strip_prefix(CLIENT)).unwrap_or_default()
}

fn act(socket: &mut Socket<'_>, incoming: &Incoming<'_>) -> Result<(), Fault> {
    match incoming.command()? {
        Command::Heartbeat => {
            let time = socket.context().unix_ms();
            socket.send(&incoming.heartbeat_frame(time));
            Ok(())
        }
        Command::Join(groups) => {
            join(socket, &groups)?;
            socket.send(&incoming.ok_frame());
            Ok(())
        }
        Command::Leave(groups) => {
            for group in groups {
                socket.leave(&group_room(group));
            }
            socket.send(&incoming.ok_frame());
            Ok(())
        }
        Command::Send { address, outgoing, receipt } => {
            let frame = outgoing.frame(Some(client_of(socket)));
            let receipt = receipt.then(|| incoming.receipt());
            match &address {
                // Groups and domains leave out the sender; a client that names itself is meant.
                Address::Client(client) if client == client_of(socket) => send_back(socket, &frame, receipt),
                _ => send(socket, &address.to(socket.scope()), &frame, receipt),
            }
            Ok(())
        }
    }
}

/// All of the groups or none.
fn join(socket: &mut Socket<'_>, groups: &[&str]) -> Result<(), Fault> {
    let mut joined = Vec::new();
    for group in groups {
        let room = group_room(group);
        match socket.join(&room) {
            Ok(true) => joined.push(room),
            Ok(false) => {}
            Err(error) => {
                for room in &joined {
                    socket.leave(room);
                }
                return Err(match error {
                    JoinError::BadName => Fault::bad(format!("group: {error}")),
                    JoinError::TooManyRooms => Fault { code: 413, message: TOO_MANY_GROUPS.to_owned() },
                });
            }
        }
    }
    Ok(())
}

fn send_back(socket: &mut Socket<'_>, frame: &Frame, receipt: Option<message::Receipt>) {
    let delivered = socket.send(frame);
    if let Some(receipt) = receipt {
        socket.send(&receipt.frame(u64::from(delivered)));
    }
}

fn send(socket: &mut Socket<'_>, to: &To, frame: &Frame, receipt: Option<message::Receipt>) {
    match receipt {
        None => socket.publish(to, frame),
        Some(receipt) => socket.publish_with(to, frame, move |socket, report| {
            socket.send(&receipt.frame(report.delivered()));
        }),
    }
}
