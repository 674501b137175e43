//! Application 2: the JSON gateway at `/ws`, on the library's public API only.
//!
//! A business domain is a scope, see [`scope`]. In it a client's own room is `@` and its id, a group's room is `#` and
//! its name, so that a client and a group of one name do not meet.

mod entry;
mod message;
mod refresh;
mod scope;

pub(crate) use message::{Address, Fault, Outgoing, check_id, groups};
pub(crate) use scope::{domain_of, scope_of};

use crate::access::{Access, Grant, Target};
use fanfare::{Admission, CloseCause, Endpoint, Frame, JoinError, Message, Request, Response, Socket, To};
use message::{Answer, Command, Incoming};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Marks the room of one client.
pub(crate) const CLIENT: char = '@';
/// Marks the room of a group.
pub(crate) const GROUP: char = '#';

/// The close code of a connection whose token has run out.
const EXPIRED: u16 = 4401;

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

    fn on_open(&self, socket: &mut Socket<'_>) {
        let until = socket.get::<Grant>().and_then(|grant| grant.until_unix_ms);
        if until.is_some() {
            socket.set_alarm(until);
        }
    }

    fn on_alarm(&self, socket: &mut Socket<'_>) {
        socket.close(EXPIRED, "token expired");
    }

    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return socket.close(1003, "text frames only"),
        };
        let incoming = Incoming::parse(text);
        if let Err(fault) = self.act(socket, &incoming) {
            socket.send(&incoming.answer().fault(&fault));
        }
    }

    fn on_rate_limited(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        // Which message was not taken, the client wants to know.
        let incoming = match message {
            Message::Text(text) => Incoming::parse(text),
            Message::Binary(_) => return socket.close(1003, "text frames only"),
        };
        let fault = Fault { code: 429, message: "too many messages".to_owned() };
        socket.send(&incoming.answer().fault(&fault));
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

impl Gateway {
    fn act(&self, socket: &mut Socket<'_>, incoming: &Incoming<'_>) -> Result<(), Fault> {
        match incoming.command()? {
            Command::Heartbeat => {
                let time = socket.context().unix_ms();
                socket.send(&incoming.answer().heard(time));
                Ok(())
            }
            Command::Join(groups) => {
                join(socket, &groups)?;
                socket.send(&incoming.answer().ok());
                Ok(())
            }
            Command::Leave(groups) => {
                for group in groups {
                    socket.leave(&group_room(group));
                }
                socket.send(&incoming.answer().ok());
                Ok(())
            }
            Command::Refresh(token) => self.refresh(socket, token, incoming.answer()),
            Command::Send { address, outgoing, receipt } => {
                self.check_address(socket, &address)?;
                let frame = outgoing.frame(Some(client_of(socket)));
                let receipt = receipt.then(|| incoming.answer());
                match &address {
                    // Groups and domains leave out the sender; a client that names itself is meant.
                    Address::Client(client) if client == client_of(socket) => {
                        send_back(socket, &frame, receipt);
                    }
                    _ => send(socket, &address.to(socket.scope()), &frame, receipt),
                }
                Ok(())
            }
        }
    }

    /// Whether the client may send there.
    fn check_address(&self, socket: &Socket<'_>, address: &Address) -> Result<(), Fault> {
        let (grant, client) = (socket.get::<Grant>(), client_of(socket));
        let may = |target| self.access.may_publish(grant, socket.scope(), target, Some(client));
        let allowed = match address {
            Address::Client(client) => may(Target::Client(client)),
            Address::Groups(groups) => groups.iter().all(|group| may(Target::Group(group))),
            Address::Domain => may(Target::Domain),
        };
        if allowed { Ok(()) } else { Err(forbidden("this client may not publish there")) }
    }
}

fn forbidden(message: &str) -> Fault {
    Fault { code: 403, message: message.to_owned() }
}

/// All of the groups or none.
fn join(socket: &mut Socket<'_>, groups: &[&str]) -> Result<(), Fault> {
    let client = client_of(socket);
    let may_join = |grant: &Grant| groups.iter().all(|group| grant.may_join(group, Some(client)));
    if !socket.get::<Grant>().is_none_or(may_join) {
        return Err(forbidden("group: not all of these may be joined"));
    }
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

fn send_back(socket: &mut Socket<'_>, frame: &Frame, receipt: Option<Answer>) {
    let delivered = socket.send(frame);
    if let Some(receipt) = receipt {
        socket.send(&receipt.delivered(u64::from(delivered)));
    }
}

fn send(socket: &mut Socket<'_>, to: &To, frame: &Frame, receipt: Option<Answer>) {
    match receipt {
        None => socket.publish(to, frame),
        Some(receipt) => socket.publish_with(to, frame, move |socket, report| {
            socket.send(&receipt.delivered(report.delivered()));
        }),
    }
}
