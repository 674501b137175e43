//! WebSockets of Engine.IO: as the transport from the beginning, and as what a polling session becomes.
//!
//! The upgrade: the client opens a WebSocket with its session's id and probes it (`2probe`, `3probe`); soon after that
//! polls are sent home; when the client has none in flight it sends `5`, and the session adopts the WebSocket.

use super::Fault;
use super::request::{Handshaken, Newcomer};
use crate::app::CloseCause;
use crate::app::socketio::Handshake;
use crate::base::ids::LinkId;
use crate::base::sid::Place;
use crate::base::time::Tick;
use crate::reactor::outlet::{LinkState, Outlet};
use crate::server::websocket::{websocket, with_compression};
use crate::server::worker::{Session, Worker};
use crate::session::websocket::WebSocket;
use crate::wire::dialect::Dialect;
use crate::wire::engine::{EngineError, PacketType, Revision, from_binary, from_text, text_frame};
use crate::wire::frame::{Frame, encode_close_empty};

/// Time for a client to hear that its probe has succeeded, in milliseconds. One that has not, and gets its poll back,
/// polls again; and its program, if it counts packets, expects none here, since the reference waits as long.
const HOME_MS: u64 = 100;

/// A WebSocket that wants to take over a session.
pub(in crate::server) struct Probe {
    pub(in crate::server) ws: WebSocket,
    pub(in crate::server) mount: u16,
    session: LinkId,
    base64: bool,
    /// When it has to have done so.
    until: Tick,
}

/// What a message of a WebSocket leads to.
pub(in crate::server) enum Turn {
    /// The next message.
    Next,
    /// The session has adopted the WebSocket: the next message is the session's.
    Become(LinkId),
    /// Nothing more.
    End(CloseCause),
}

impl Worker {
    /// A session that begins on a WebSocket. The link has taken a place.
    pub(in crate::server) fn engine_open_websocket(
        &mut self,
        link: LinkId,
        mount: u16,
        newcomer: Newcomer,
        agreed: &Handshaken,
        headers: &[(String, String)],
        out: &mut Outlet,
    ) {
        let (revision, base64) = (newcomer.revision, agreed.base64);
        let mut engine = self.new_engine(link, mount, revision, base64);
        engine.ws = websocket(agreed.compression.is_some());
        self.set_session(link, Session::Engine(Box::new(engine)));
        self.core.own_stats().sockets.add(1);
        let dialect = with_compression(Dialect::engine(revision, base64), agreed.compression);
        out.set_dialect(link, dialect);
        let cookie = self.cookie(link, mount);
        let mut headers = borrowed(headers);
        headers.extend(cookie.iter().map(|cookie| ("Set-Cookie", cookie.as_str())));
        out.send_bytes(link, &agreed.answer(&headers));
        match revision {
            // Some programs of that age listen for messages only after they were told that the WebSocket is open.
            Revision::Three => self.greeted.push_back((self.core.now.ms, link, newcomer)),
            Revision::Four => self.engine_greet(link, newcomer, out),
        }
    }

    /// Sends the packet with which a session on a WebSocket begins.
    fn engine_greet(&mut self, link: LinkId, newcomer: Newcomer, out: &mut Outlet) {
        let Newcomer { handshake, admission, .. } = newcomer;
        let is_here = out.state(link) == LinkState::Open;
        let Some(mount) =
            self.engine(link).filter(|engine| is_here && !engine.left).map(|engine| engine.mount)
        else {
            return;
        };
        let open = self.open_packet(link, mount, false);
        out.send_bytes(link, &text_frame(PacketType::Open, &open));
        self.engine_begin(link, mount, handshake, admission, out);
    }

    /// Greets those whose WebSocket has been open for a moment.
    pub(in crate::server) fn greet(&mut self, out: &mut Outlet) {
        let now = self.core.now.ms;
        while self.greeted.front().is_some_and(|(since, ..)| *since != now) {
            if let Some((_, link, newcomer)) = self.greeted.pop_front() {
                self.engine_greet(link, newcomer, out);
            }
        }
    }

    /// A WebSocket for a session that there is already.
    pub(in crate::server) fn engine_probe(
        &mut self,
        link: LinkId,
        mount: u16,
        (place, told): (Place, Option<Box<Handshake>>),
        agreed: &Handshaken,
        headers: &[(String, String)],
        out: &mut Outlet,
    ) {
        let timeout = self.mount(mount).options.upgrade_timeout_ms;
        let allowed = self.mount(mount).options.allow_upgrades;
        out.send_bytes(link, &agreed.answer(&borrowed(headers)));
        let session = self.engine_at(place, mount, out);
        if session.is_none() {
            self.engine_tell_error(mount, told.as_deref(), &EngineError::SessionUnknown);
        }
        let is_open = session.is_some_and(|session| out.state(session) == LinkState::Open);
        let polling = session.and_then(|session| self.polling(session)).filter(|_| is_open && allowed);
        let free = polling.filter(|polling| polling.probe.is_none());
        let Some((polling, session)) = free.zip(session) else {
            // The session, if there is one, goes on as it is.
            out.send_control(link, &encode_close_empty());
            return out.finish(link);
        };
        polling.probe = Some(link);
        let ws = websocket(agreed.compression.is_some());
        let until = self.core.now.tick.plus_ms(u64::from(timeout));
        let probe = Probe { ws, mount, session, base64: agreed.base64, until };
        out.set_dialect(link, with_compression(Dialect::PLAIN, agreed.compression));
        self.set_session(link, Session::Probe(Box::new(probe)));
        out.set_deadline(link, until);
    }

    /// A text message on a WebSocket that wants to take over.
    pub(in crate::server) fn probe_message(
        &mut self,
        link: LinkId,
        text: Option<&str>,
        out: &mut Outlet,
    ) -> Turn {
        let Some(Session::Probe(probe)) = self.sessions.get(link.slot as usize) else { return Turn::Next };
        let (session, until) = (probe.session, probe.until);
        match text {
            Some("2probe") if self.polling(session).is_some() => {
                out.send_control(link, &text_frame(PacketType::Pong, "probe"));
                if let Some(polling) = self.polling(session) {
                    polling.probed = true;
                }
                out.set_deadline(link, until.min(self.core.now.tick.plus_ms(HOME_MS)));
                Turn::Next
            }
            Some("5") if self.polling(session).is_some_and(|polling| polling.probed) => {
                self.adopt(session, link, out);
                Turn::Become(session)
            }
            _ => {
                out.send_control(link, &encode_close_empty());
                out.finish(link);
                self.probe_gone(link);
                Turn::End(CloseCause::Protocol(1002))
            }
        }
    }

    fn adopt(&mut self, session: LinkId, link: LinkId, out: &mut Outlet) {
        // A poll that is still held gets its noop.
        self.polling_send_home(session, out);
        self.polling_acknowledge(session);
        // The slot of the WebSocket's link is free of sessions when it dies.
        let probe = std::mem::replace(&mut self.sessions[link.slot as usize], Session::Gone);
        let Some(engine) = self.engine(session) else { return };
        if let Session::Probe(probe) = probe {
            // What a client's polls cannot carry its WebSocket may.
            engine.base64 = probe.base64;
        }
        let rest = engine.polling.take().map_or_else(Vec::new, |polling| polling.rest);
        // What no answer had room for goes first.
        out.send_bytes(link, &Frame::from_bytes(rest));
        let Some(engine) = self.engine(session) else { return };
        let agreed = out.dialect(link);
        let dialect = Dialect::engine(engine.revision, engine.base64).with_deflate(agreed.is_deflate());
        let dialect = if agreed.is_narrow() { dialect.narrow() } else { dialect };
        let left = engine.left;
        // One that has left is counted nowhere any more.
        self.core.own_stats().polling.sub(u64::from(!left));
        out.set_dialect(session, dialect);
        out.adopt(session, link);
        self.engine_reschedule(session, out);
        self.socketio_upgraded(session, out);
    }

    /// The WebSocket did not take over: polling goes on.
    pub(in crate::server) fn probe_gone(&mut self, link: LinkId) {
        let Some(Session::Probe(probe)) = self.sessions.get(link.slot as usize) else { return };
        let session = probe.session;
        if let Some(polling) = self.polling(session).filter(|polling| polling.probe == Some(link)) {
            (polling.probe, polling.probed, polling.sent_home) = (None, false, false);
        }
    }

    /// The session ends: nothing is there to take over.
    pub(in crate::server) fn probe_dismissed(&mut self, session: LinkId, out: &mut Outlet) {
        let Some(polling) = self.polling(session) else { return };
        (polling.probed, polling.sent_home) = (false, false);
        if let Some(probe) = polling.probe.take() {
            out.send_control(probe, &encode_close_empty());
            out.finish(probe);
        }
    }

    /// Polls are to be sent home, or the upgrade took too long.
    pub(in crate::server) fn probe_expired(&mut self, link: LinkId, out: &mut Outlet) {
        if out.state(link) != LinkState::Open {
            // It did not answer the close frame.
            return out.abort(link);
        }
        if let Some(Session::Probe(probe)) = self.sessions.get(link.slot as usize)
            && self.core.now.tick < probe.until
        {
            let (session, until) = (probe.session, probe.until);
            out.set_deadline(link, until);
            return self.polling_send_home(session, out);
        }
        self.probe_gone(link);
        out.send_control(link, &encode_close_empty());
        out.finish(link);
    }

    /// A message on a session's WebSocket.
    pub(in crate::server) fn engine_frame(
        &mut self,
        link: LinkId,
        message: &crate::app::Message<'_>,
        out: &mut Outlet,
    ) -> Turn {
        let Some(engine) = self.engine(link) else { return Turn::Next };
        let revision = engine.revision;
        let packet = match message {
            crate::app::Message::Text(text) => from_text(revision, text),
            crate::app::Message::Binary(bytes) => from_binary(revision, bytes),
        };
        match packet.map_err(|_| Fault::Broken).and_then(|packet| self.engine_packet(link, &packet, out)) {
            Ok(()) => Turn::Next,
            Err(Fault::Closed) => Turn::End(CloseCause::Client(None)),
            Err(Fault::Broken) => Turn::End(CloseCause::Protocol(1002)),
        }
    }
}

fn borrowed(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
