//! Socket.IO on a session: packets become connections to namespaces, events of handlers and acknowledgements.

use super::decisions::Candidate;
use super::engine::Fault;
use super::worker::Worker;
use crate::app::socketio::{
    Ack, Answer, ArgsRef, ConnectError, Connecting, DisconnectReason, Event, Handshake, Leaving, Member,
    Namespace, NamespaceId, NoAck, Owed, Parser, SioSession, Socket, SocketIo, When, pieces, socket_id,
};
use crate::app::{CloseCause, Context, Served};
use crate::base::ids::LinkId;
use crate::hub::Entered;
use crate::reactor::outlet::{LinkState, Outlet};
use crate::session::packets::{Decoded, Rules};
use crate::wire::engine::{Data, Revision as EngineRevision};
use crate::wire::parcel;
use crate::wire::socketio::{BadPacket, PacketType, Revision, connect_error_data};
use std::borrow::Cow;
use std::sync::Arc;

/// A packet and its attachments may have so many times what one message may have.
const PACKET_PAYLOADS: usize = 4;
/// The most namespaces that one session may be in.
const MAX_NAMESPACES: usize = 64;

/// What a client that wants to join a namespace says.
#[derive(Clone, Copy)]
struct Asked<'a> {
    name: &'a str,
    query: Option<&'a str>,
    auth: &'a str,
    /// How the packet came, and how it is answered.
    parser: Parser,
}

/// A namespace that a socket is in.
#[derive(Clone, Copy)]
pub(super) struct Inside<'a> {
    pub(super) at: NamespaceId,
    pub(super) name: &'a str,
    pub(super) namespace: &'a Namespace,
}

impl Worker {
    /// A session begins.
    pub(super) fn socketio_begin(&mut self, link: LinkId, mount: u16, handshake: Handshake) {
        let shared = self.shared.clone();
        let Served::SocketIo(socketio) = &shared.router.mount(mount).served else { return };
        let Some(engine) = self.engine(link) else { return };
        let (revision, connect_by) = match engine.revision {
            EngineRevision::Three => (Revision::Four, None),
            EngineRevision::Four => (Revision::Five, Some(self.core.now.in_ms(socketio.connect_timeout_ms))),
        };
        self.core.sio.insert(SioSession::new(link, mount, revision, handshake, connect_by));
    }

    /// Its handlers may be told. With revision 4 every session is in the main namespace.
    pub(super) fn socketio_opened(
        &mut self,
        socketio: &SocketIo,
        link: LinkId,
        revision: EngineRevision,
        out: &mut Outlet,
    ) {
        if revision == EngineRevision::Three {
            let main = socketio.presume("/");
            let parser = main.map_or(Parser::Json, |definition| socketio.namespace_at(definition).parser);
            let asked = Asked { name: "/", query: None, auth: "", parser };
            // It asks with the right parser.
            let _ = self.socketio_connect(socketio, link, asked, out);
        }
    }

    /// A message of a client.
    pub(super) fn socketio_message(
        &mut self,
        socketio: &SocketIo,
        link: LinkId,
        data: &Data<'_>,
        out: &mut Outlet,
    ) -> Result<(), Fault> {
        let Some(mount) = self.core.sio.get(link).map(|session| session.mount) else { return Ok(()) };
        let max_bytes = self.max_payload(mount).saturating_mul(PACKET_PAYLOADS);
        let Some(session) = self.core.sio.get(link) else { return Ok(()) };
        let revision = session.revision;
        let rules = |parser| Rules { parser, revision, max_bytes };
        // Attachments follow their packet; else a binary message is a packet of the other parser.
        let packed = session.decoder.is_idle() && socketio.speaks(Parser::MessagePack);
        let result = match data {
            Data::Text(text) => match session.decoder.text(rules(Parser::Json), text) {
                Ok(None) => Ok(()),
                Ok(Some(decoded)) => self.socketio_packet(socketio, link, Parser::Json, &decoded, out),
                Err(error) => Err(self.socketio_bad(link, &error, out)),
            },
            Data::Binary(bytes) => {
                let parser = if packed { Parser::MessagePack } else { Parser::Json };
                match session.decoder.binary(rules(parser), bytes) {
                    Ok(None) => Ok(()),
                    Ok(Some(packet)) => {
                        self.socketio_packet(socketio, link, parser, &Decoded::from(&packet), out)
                    }
                    Err(error) => Err(self.socketio_bad(link, &error, out)),
                }
            }
        };
        self.run_jobs(out);
        result
    }

    fn socketio_bad(&self, link: LinkId, error: &BadPacket, out: &mut Outlet) -> Fault {
        out.note(link, log::Level::Info, || format!("bad Socket.IO packet: {error}"));
        Fault::Broken
    }

    fn socketio_packet(
        &mut self,
        socketio: &SocketIo,
        link: LinkId,
        parser: Parser,
        decoded: &Decoded<'_>,
        out: &mut Outlet,
    ) -> Result<(), Fault> {
        let name = decoded.namespace;
        let explicit = socketio.find(name);
        let number = explicit.map(u32::from).or_else(|| self.core.live.find(name));
        let Some(session) = self.core.sio.get(link) else { return Ok(()) };
        let (revision, mount) = (session.revision, session.mount);
        // To one that waits it may not say anything yet, not even that it connects.
        let is_there = |member: &&mut Member| !member.waits || decoded.kind == PacketType::Connect;
        let member = number.and_then(|number| session.member(number)).filter(is_there);
        let waits = member.as_ref().is_some_and(|member| member.waits);
        let member = member.map(|member| (member.number, member.definition, member.epoch));
        let definition = explicit.or(member.map(|(_, definition, _)| definition));
        if definition.is_some_and(|definition| socketio.namespace_at(definition).parser != parser) {
            return Err(Fault::Broken);
        }
        if session.closed {
            return Ok(());
        }
        let dismissed = session.dismissed;
        match (decoded.kind, member) {
            // Old clients may say it again, and may mean the main namespace, which they are in.
            (PacketType::Connect, Some(_)) if revision == Revision::Four => Ok(()),
            (PacketType::Connect, Some(_)) if waits => {
                // It says it again, as it may while it has no answer; who says it far too often is closed.
                self.may_say(link, out);
                Ok(())
            }
            (PacketType::Connect, Some(_)) => Err(Fault::Broken),
            (PacketType::Connect, None) if !self.may_say(link, out) => {
                let error = ConnectError::new("too many messages");
                self.socketio_refuse(link, parser, revision, name, &error, out);
                Ok(())
            }
            (PacketType::Connect, None) => {
                let asked = Asked { name, query: decoded.query, auth: decoded.data, parser };
                self.socketio_connect(socketio, link, asked, out)
            }
            (PacketType::ConnectError, _) => Err(Fault::Broken),
            (_, Some((number, definition, epoch))) => {
                let at = NamespaceId { mount, number };
                let inside = Inside { at, name, namespace: socketio.namespace_at(definition) };
                self.socketio_dispatch(link, inside, epoch, decoded, out);
                Ok(())
            }
            // Old servers ignored what was for a namespace that the client was not in.
            _ if revision == Revision::Four => Ok(()),
            _ if dismissed && socketio.presume(name).is_some() => Ok(()),
            _ => Err(Fault::Broken),
        }
    }

    fn socketio_dispatch(
        &mut self,
        link: LinkId,
        inside: Inside<'_>,
        epoch: u8,
        decoded: &Decoded<'_>,
        out: &mut Outlet,
    ) {
        let Inside { at, name: namespace_name, namespace } = inside;
        let Some(session) = self.core.sio.get(link) else { return };
        let revision = session.revision;
        match decoded.kind {
            PacketType::Disconnect => {
                self.socketio_leave(link, inside, DisconnectReason::ClientNamespaceDisconnect, out);
            }
            PacketType::Event | PacketType::BinaryEvent => {
                let Some(name) = decoded.name.as_deref() else { return };
                let may = self.may_say(link, out);
                let reactor = self.core.reactor;
                let ack = decoded.id.map(|id| Ack {
                    link,
                    reactor,
                    at,
                    epoch,
                    id,
                    parser: namespace.parser,
                    namespace: namespace_name.into(),
                });
                let mut event = Event { name, args: decoded.args, ack };
                let mut socket = self.socket(link, inside, epoch, revision, out);
                for handler in namespace.listeners.on_rate_limited.iter().filter(|_| !may) {
                    if socket.is_connected() {
                        socket.run(name, |socket| handler(socket, &mut event));
                    }
                }
                if !may {
                    return;
                }
                for handler in &namespace.on_any {
                    if socket.is_connected() {
                        socket.run(name, |socket| handler(socket, &mut event));
                    }
                }
                for middleware in &namespace.packet_middlewares {
                    let mut passed = false;
                    if socket.is_connected() {
                        socket.run(name, |socket| middleware(socket, &mut event).inspect(|()| passed = true));
                    }
                    if !passed {
                        return;
                    }
                }
                for handler in namespace.events.get(name).into_iter().flatten() {
                    if socket.is_connected() {
                        socket.run(name, |socket| handler(socket, &mut event));
                    }
                }
            }
            PacketType::Ack | PacketType::BinaryAck => {
                let Some(id) = decoded.id else { return };
                if let Some(owed) = session.member(at.number).and_then(|member| take_owed(member, id)) {
                    let mut socket = self.socket(link, inside, epoch, revision, out);
                    give(&mut socket, owed, Ok(decoded.args));
                } else {
                    self.core.acknowledged(id, inside.name, link.slot, |core| {
                        let id = socket_id(core, link, epoch, revision, inside.name);
                        Answer::new(id, decoded.args)
                    });
                }
            }
            PacketType::Connect | PacketType::ConnectError => {}
        }
    }

    pub(super) fn socket<'s>(
        &'s mut self,
        link: LinkId,
        inside: Inside<'s>,
        epoch: u8,
        revision: Revision,
        out: &'s mut Outlet,
    ) -> Socket<'s> {
        let Inside { at, name, namespace } = inside;
        let cx = Context { core: &mut self.core, out };
        Socket { cx, link, at, namespace, name, epoch, revision, parting: None }
    }

    /// The name of the namespace with a number that some membership here has.
    pub(super) fn name_at<'s>(&self, namespace: &'s Namespace, number: u32) -> Cow<'s, str> {
        match namespace.name() {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(self.core.live.name(number).unwrap_or_default().to_owned()),
        }
    }

    /// A client asks for a namespace that it is not in.
    fn socketio_connect(
        &mut self,
        socketio: &SocketIo,
        link: LinkId,
        asked: Asked<'_>,
        out: &mut Outlet,
    ) -> Result<(), Fault> {
        let Asked { name, query, auth, parser } = asked;
        let Some(session) = self.core.sio.get(link) else { return Ok(()) };
        let (revision, is_full) = (session.revision, session.members.len() >= MAX_NAMESPACES);
        let handshake = session.handshake.clone().unwrap_or_else(|| Arc::new(Handshake::forgotten()));
        let connecting = Connecting { handshake: &handshake, auth, query };
        let core = &self.core;
        let accepts = |when: &When| {
            core.hook("the function of a dynamic namespace", || when(name, &connecting)).unwrap_or(false)
        };
        let definition = if is_full { None } else { socketio.choose(name, accepts) };
        let mut result = Ok(());
        match definition {
            Some(definition) if socketio.namespace_at(definition).parser != parser => {
                result = Err(Fault::Broken);
            }
            Some(definition) => {
                let (inside, epoch) = self.socketio_enter(socketio, link, definition, name, out);
                let candidate =
                    Candidate { inside, definition, epoch, revision, handshake, auth, query, next: 0 };
                self.socketio_ask(socketio, link, candidate, out);
            }
            None => {
                // Whoever asks for one that is not there has to join another one in time all the same.
                let error = ConnectError::new("Invalid namespace");
                self.socketio_refuse(link, parser, revision, name, &error, out);
            }
        }
        self.run_jobs(out);
        result
    }

    /// Makes it a member of a namespace that has not connected yet.
    fn socketio_enter<'s>(
        &mut self,
        socketio: &'s SocketIo,
        link: LinkId,
        definition: u16,
        name: &'s str,
        out: &mut Outlet,
    ) -> (Inside<'s>, u8) {
        let namespace = socketio.namespace_at(definition);
        let is_dynamic = namespace.name().is_none();
        let number = if is_dynamic { self.core.live.hold(name) } else { u32::from(definition) };
        let (mut mount, mut epoch) = (0, 0);
        if let Some(session) = self.core.sio.get(link) {
            session.epochs = session.epochs.wrapping_add(1) & 15;
            (mount, epoch) = (session.mount, session.epochs);
            session.members.push(Member::new(number, definition, epoch));
        }
        let entered = self.core.hub.enter(link.slot, name);
        for handler in &socketio.on_new_namespace {
            if is_dynamic && entered == Entered::First {
                Context { core: &mut self.core, out }.guarded("on_new_namespace", |cx| {
                    if let Err(error) = handler(cx, name) {
                        log::warn!("on_new_namespace {name:?}: {error}");
                    }
                });
            }
        }
        (Inside { at: NamespaceId { mount, number }, name, namespace }, epoch)
    }

    pub(super) fn socketio_refuse(
        &mut self,
        link: LinkId,
        parser: Parser,
        revision: Revision,
        name: &str,
        error: &ConnectError,
        out: &mut Outlet,
    ) {
        out.note(link, log::Level::Info, || {
            // Behind a question mark clients of 2.x give their token.
            let name = name.split('?').next().unwrap_or_default();
            format!("namespace {name:?} refused: {}", error.message)
        });
        let data = connect_error_data(revision, &error.message, error.data.as_deref());
        self.socketio_send(link, parser, PacketType::ConnectError, name, &data, out);
    }

    /// Sends a packet without attachments.
    pub(super) fn socketio_send(
        &mut self,
        link: LinkId,
        parser: Parser,
        kind: PacketType,
        namespace: &str,
        data: &str,
        out: &mut Outlet,
    ) {
        let frame = parcel::make(&pieces(parser, kind, namespace, None, data, &[]), out.dialect(link), None);
        out.send_bytes(link, &frame);
    }

    /// A handler wants the session closed. Its sockets are taken out of their namespaces first: clients that are told
    /// so do not connect again by themselves.
    pub(super) fn socketio_dismiss(&mut self, link: LinkId, out: &mut Outlet) {
        while let Some(session) = self.core.sio.get(link).filter(|session| !session.closed)
            && let Some(member) = session.members.iter().find(|member| !member.waits)
        {
            let (number, epoch) = (member.number, member.epoch);
            self.socketio_disconnect(link, number, epoch, out);
        }
    }

    /// A handler wants the socket out of its namespace.
    pub(super) fn socketio_disconnect(&mut self, link: LinkId, number: u32, epoch: u8, out: &mut Outlet) {
        let shared = self.shared.clone();
        let Some(session) = self.core.sio.get(link) else { return };
        let at = NamespaceId { mount: session.mount, number };
        let member = session.member(number).filter(|member| member.epoch == epoch);
        let member = member.map(|member| (member.definition, member.waits));
        let Some((definition, waits)) = member.filter(|_| !session.closed) else { return };
        session.dismissed = true;
        let Served::SocketIo(socketio) = &shared.router.mount(at.mount).served else { return };
        let namespace = socketio.namespace_at(definition);
        let name = self.name_at(namespace, number);
        let inside = Inside { at, name: &name, namespace };
        if waits {
            return self.socketio_turn_away(link, inside, Some(&ConnectError::new("disconnected")), out);
        }
        self.socketio_send(link, namespace.parser, PacketType::Disconnect, &name, "", out);
        self.socketio_leave(link, inside, DisconnectReason::ServerNamespaceDisconnect, out);
    }

    /// Takes a socket out of one namespace.
    fn socketio_leave(
        &mut self,
        link: LinkId,
        inside: Inside<'_>,
        reason: DisconnectReason,
        out: &mut Outlet,
    ) {
        let Some(session) = self.core.sio.get(link) else { return };
        let Some(member) = session.take_member(inside.at.number) else { return };
        let (revision, namespace) = (session.revision, inside.namespace);
        let Member { number, definition, epoch, .. } = member;
        self.core.leaving = Some(Leaving { slot: link.slot, number, definition, epoch });
        let mut socket = self.socket(link, inside, epoch, revision, out);
        socket.parting = Some(member);
        for handler in &namespace.on_disconnecting {
            socket.run("disconnecting", |socket| handler(socket, reason));
        }
        forgive(&mut socket);
        socket.cx.core.note_own_room(link, inside.name, namespace, false);
        socket.cx.core.leave_namespace(link.slot, inside.name);
        socket.cx.core.alarms.remove(link.slot, number);
        socket.cx.tell_rooms();
        for handler in &namespace.on_disconnect {
            socket.run("disconnect", |socket| handler(socket, reason));
        }
        socket.end();
        self.core.leaving = None;
        self.core.live.release(inside.at.number);
    }

    /// The session has changed its transport from polling to a WebSocket.
    pub(super) fn socketio_upgraded(&mut self, link: LinkId, out: &mut Outlet) {
        let shared = self.shared.clone();
        let Some(session) = self.core.sio.get(link).filter(|session| !session.closed) else { return };
        let (mount, revision) = (session.mount, session.revision);
        let Served::SocketIo(socketio) = &shared.router.mount(mount).served else { return };
        let listens = |member: &&Member| {
            !member.waits && !socketio.namespace_at(member.definition).listeners.on_upgrade.is_empty()
        };
        let members = session.members.iter().filter(listens);
        let members = members.map(|member| (member.number, member.definition, member.epoch));
        for (number, definition, epoch) in members.collect::<Vec<_>>() {
            let namespace = socketio.namespace_at(definition);
            let name = self.name_at(namespace, number);
            let inside = Inside { at: NamespaceId { mount, number }, name: &name, namespace };
            let mut socket = self.socket(link, inside, epoch, revision, out);
            for handler in &namespace.listeners.on_upgrade {
                if socket.is_connected() {
                    socket.run("upgrade", |socket| handler(socket));
                }
            }
        }
    }

    /// The session is over: its sockets leave their namespaces.
    pub(super) fn socketio_closed(
        &mut self,
        socketio: &SocketIo,
        link: LinkId,
        cause: &CloseCause,
        out: &mut Outlet,
    ) {
        let Some(session) = self.core.sio.get(link) else { return };
        session.closed = true;
        let mount = session.mount;
        while let Some(member) = self.core.sio.get(link).and_then(|session| session.members.first()) {
            let (number, waits) = (member.number, member.waits);
            let namespace = socketio.namespace_at(member.definition);
            let name = self.name_at(namespace, number);
            let inside = Inside { at: NamespaceId { mount, number }, name: &name, namespace };
            if waits {
                self.socketio_turn_away(link, inside, None, out);
            } else {
                self.socketio_leave(link, inside, cause.into(), out);
            }
        }
        self.core.sio.remove(link);
    }

    /// What Socket.IO waited for has not come in time. False if the session has to end for that.
    pub(super) fn socketio_expired(&mut self, link: LinkId, out: &mut Outlet) -> bool {
        let now = self.core.now;
        let shared = self.shared.clone();
        let Some(session) = self.core.sio.get(link) else { return true };
        if session.connect_by.is_some_and(|at| now.is_past(at)) {
            return false;
        }
        let (mount, revision) = (session.mount, session.revision);
        let Served::SocketIo(socketio) = &shared.router.mount(mount).served else { return true };
        let mut late: Vec<(u32, u16, u8, Owed)> = Vec::new();
        for member in &mut session.members {
            let (number, definition, epoch) = (member.number, member.definition, member.epoch);
            let Some(owing) = member.owing() else { continue };
            late.extend(owing.take_late(now).into_iter().map(|owed| (number, definition, epoch, owed)));
            member.tidy();
        }
        for (number, definition, epoch, owed) in late {
            let namespace = socketio.namespace_at(definition);
            let name = self.name_at(namespace, number);
            let inside = Inside { at: NamespaceId { mount, number }, name: &name, namespace };
            let mut socket = self.socket(link, inside, epoch, revision, out);
            give(&mut socket, owed, Err(NoAck::Timeout));
        }
        self.run_jobs(out);
        out.state(link) == LinkState::Open || out.state(link) == LinkState::Sealed
    }
}

/// What a socket that left still owed will not come.
pub(super) fn forgive(socket: &mut Socket<'_>) {
    let owing = socket.parting.as_mut().and_then(Member::owing).map(std::mem::take);
    for owed in owing.into_iter().flat_map(|owing| owing.into_all()) {
        give(socket, owed, Err(NoAck::Disconnected));
    }
}

/// Tells a handler what became of the acknowledgement that it waits for.
fn give(socket: &mut Socket<'_>, owed: Owed, answer: Result<ArgsRef<'_>, NoAck>) {
    socket.run("an acknowledgement", |socket| (owed.done)(socket, answer));
}

fn take_owed(member: &mut Member, id: u64) -> Option<Owed> {
    let taken = member.owing()?.take(id);
    member.tidy();
    taken
}
