//! Events on their way to clients, told to the handlers of [`Namespace::on_any_outgoing`].
//!
//! Owns: reading an event back from the pieces that it was made into, once a publish and reactor, and telling it.
//! Leaves to others: making those pieces ([`super::emit`]).
//!
//! [`Namespace::on_any_outgoing`]: super::Namespace::on_any_outgoing

use super::error::Error;
use super::namespace::Namespace;
use super::socket::Socket;
use super::state::NamespaceId;
use crate::app::context::Context;
use crate::app::engine::Served;
use crate::hub::Recipients;
use crate::wire::json;
use crate::wire::parcel::{Parcel, Piece};
use crate::wire::socketio::args::ArgsRef;
use crate::wire::socketio::{PacketType, msgpack, split_event};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// An event that is sent, lent for the call.
#[derive(Debug)]
pub struct Outgoing<'a> {
    name: &'a str,
    args: ArgsRef<'a>,
}

impl<'a> Outgoing<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Its arguments, as they are sent.
    pub fn args(&self) -> ArgsRef<'a> {
        self.args
    }

    /// Its arguments as values: a tuple is read from as many of them, anything else from the first one.
    ///
    /// # Errors
    /// One is missing or of another type.
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T, Error> {
        Ok(self.args.parse()?)
    }
}

impl Context<'_> {
    /// A parcel is about to be queued for these sockets of a scope.
    pub(crate) fn tell_outgoing(
        &mut self,
        scope: &str,
        recipients: &Recipients,
        skip: Option<u32>,
        parcel: &Parcel,
    ) {
        let listening = &self.core.listening;
        if !listening.outgoing || listening.quiet || recipients.is_empty() {
            return;
        }
        let router = self.core.router.clone();
        if !router.may_be(scope, listens) {
            return;
        }
        read(scope, parcel.pieces(), |event| {
            for slot in recipients.to_vec().into_iter().filter(|slot| Some(*slot) != skip) {
                let Some(session) = self.core.sio.at(slot).filter(|session| !session.closed) else {
                    continue;
                };
                let Served::SocketIo(socketio) = &router.mount(session.mount).served else { continue };
                let Some(number) = self.core.namespace_number(session.mount, scope) else { continue };
                let Some(member) = session.members.iter().find(|member| member.number == number) else {
                    continue;
                };
                let at = NamespaceId { mount: session.mount, number };
                let (link, epoch, revision) = (session.link, member.epoch, session.revision);
                let namespace = socketio.namespace_at(member.definition);
                let cx = Context { core: &mut *self.core, out: &mut *self.out };
                Socket { cx, link, at, namespace, name: scope, epoch, revision, parting: None }.hear(event);
            }
        });
    }
}

impl Socket<'_> {
    /// An event is about to be queued for this socket alone.
    pub(super) fn tell_outgoing(&mut self, pieces: &[Piece]) {
        if listens(self.namespace) && !self.cx.core.listening.quiet {
            read(self.name, pieces, |event| self.hear(event));
        }
    }

    fn hear(&mut self, event: &Outgoing<'_>) {
        self.cx.core.listening.quiet = true;
        for handler in &self.namespace.listeners.outgoing {
            if self.is_connected() {
                self.run(event.name, |socket| handler(socket, event));
            }
        }
        self.cx.core.listening.quiet = false;
    }
}

fn listens(namespace: &Namespace) -> bool {
    !namespace.listeners.outgoing.is_empty()
}

/// The payload of an event, and its attachments.
type Event<'p> = (Cow<'p, str>, Vec<Arc<[u8]>>);

/// The event of a namespace that these pieces are, if they are one.
pub(crate) fn event_of<'p>(namespace: &str, pieces: &'p [Piece]) -> Option<Event<'p>> {
    match pieces {
        [Piece::Text(text), rest @ ..] => {
            let data = data_of(namespace, text)?;
            let binary = rest.iter().filter_map(|piece| match piece {
                Piece::Binary(bytes) => Some(bytes.clone()),
                Piece::Text(_) => None,
            });
            Some((data.into(), binary.collect()))
        }
        [Piece::Binary(bytes)] => match msgpack::decode(bytes) {
            Ok(packet) if packet.kind == PacketType::Event => Some((packet.data.into(), packet.attachments)),
            _ => None,
        },
        _ => None,
    }
}

/// Calls `f` with the event of a namespace that these pieces are, if they are one.
fn read(namespace: &str, pieces: &[Piece], f: impl FnOnce(&Outgoing<'_>)) {
    let Some((data, attachments)) = event_of(namespace, pieces) else { return };
    if let Some((name, args)) = split_event(&data) {
        f(&Outgoing { name: &name, args: ArgsRef::new(args, &attachments) });
    }
}

/// The payload of an event of a namespace. Not read as a client's would be, which may have fewer attachments.
fn data_of<'t>(namespace: &str, text: &'t str) -> Option<&'t str> {
    let mut rest = text.strip_prefix(['2', '5'])?.trim_start_matches(|digit: char| digit.is_ascii_digit());
    if text.starts_with('5') {
        rest = rest.strip_prefix('-')?;
    }
    if namespace != "/" {
        rest = rest.strip_prefix(namespace)?.strip_prefix(',')?;
    }
    let data = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    // A program may publish frames of its own making to a namespace.
    data.starts_with('[').then(|| json::whole(data).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::packets::Parser;
    use crate::wire::socketio::value::{Binary, ToArgs};

    fn told(namespace: &str, pieces: &[Piece]) -> Option<(String, String, usize)> {
        let mut told = None;
        read(namespace, pieces, |event| {
            let (name, json) = (event.name.to_owned(), event.args.json().to_owned());
            told = Some((name, json, event.args.attachments().len()));
        });
        told
    }

    #[test]
    fn an_event_is_read_back_whatever_its_form() {
        let bytes: Vec<Binary> = (0..12).map(|byte| Binary::from(vec![byte])).collect();
        for parser in [Parser::Json, Parser::MessagePack] {
            for namespace in ["/", "/a", "/5-[", "/1?b"] {
                for id in [None, Some(17)] {
                    let pieces = |args: &dyn ToArgs| {
                        let args = args.to_args().unwrap().into_owned();
                        super::super::emit::event_pieces(parser, namespace, "e\"", args, id).unwrap()
                    };
                    let name = "e\"".to_owned();
                    assert_eq!(told(namespace, &pieces(&())), Some((name.clone(), String::new(), 0)));
                    let two = Some((name.clone(), r#"1,{"a":"]"}"#.to_owned(), 0));
                    assert_eq!(told(namespace, &pieces(&(1, serde_json::json!({"a": "]"})))), two);
                    let (_, _, count) = told(namespace, &pieces(&bytes)).unwrap();
                    assert_eq!(count, 12);
                }
            }
        }
    }

    #[test]
    fn what_is_no_event_is_not_told() {
        for text in ["", "hello", "3[1]", "2", "2[", "2[]", "2[{}]", "2/a,[\"e\"]", "5[\"e\"]", "2[\"e\"]x"] {
            assert_eq!(told("/", &[Piece::Text(text.into())]), None, "{text}");
        }
        for bytes in [&b""[..], b"\x80", b"\xc1"] {
            assert_eq!(told("/", &[Piece::Binary(bytes.into())]), None);
        }
        assert_eq!(told("/", &[]), None);
    }
}
