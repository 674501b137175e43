//! The polling transport: a GET is held until something waits for the session, a POST brings packets.

use super::request::{Body, Call, Newcomer, Wants, tell_error};
use super::{Engine, Fault};
use crate::app::socketio::Handshake;
use crate::app::{CloseCause, Job, Later, Refusal};
use crate::base::ids::LinkId;
use crate::base::sid::Place;
use crate::base::time::Tick;
use crate::reactor::outlet::Outlet;
use crate::reactor::peer::Peer;
use crate::server::places::{Counted, full_response};
use crate::server::worker::{Session, Worker};
use crate::session::websocket::WebSocket;
use crate::wire::dialect::Dialect;
use crate::wire::engine::{
    self, Data, EngineError, PacketType, PayloadReader, Revision, compose, open_packet, text_frame, undouble,
};
use crate::wire::response::Response;
use std::borrow::Cow;

/// The most packets in one answer to clients in Python: python-engineio refuses more unless it is told otherwise.
const PYTHON_PACKETS: usize = 16;
/// Time for a GET that was sent before its client closed, in milliseconds.
const PART_MS: u64 = 100;

/// A request that is to be answered.
struct Asker {
    link: LinkId,
    number: u32,
    mount: u16,
    /// Where the page comes from that asks, if a browser says so.
    origin: Option<String>,
    /// What the program adds to the answer.
    headers: Vec<(String, String)>,
    /// The request, until it is taken, for those who are told if it is refused.
    told: Option<Box<Handshake>>,
}

/// What a session needs while it is polled.
#[derive(Default)]
pub(in crate::server) struct Polling {
    /// The GET that waits.
    held: Option<Asker>,
    /// The connection with a POST whose body is arriving, or was put off.
    posting: Option<LinkId>,
    /// The POST whose packets were put off.
    put_off: Option<Asker>,
    /// The WebSocket that wants to take over.
    pub(super) probe: Option<LinkId>,
    /// It was told that it may.
    pub(super) probed: bool,
    /// For its sake polls are sent home.
    pub(super) sent_home: bool,
    /// The POST with which the client closed, not answered yet.
    farewell: Option<Asker>,
    /// The client has sent text that is not ASCII and was encoded once; see [`engine::undouble`].
    once: bool,
    /// The client is written in Python.
    python: bool,
    /// What an answer did not have room for, as frames.
    pub(super) rest: Vec<u8>,
    /// Answers are scripts that call the function of this index.
    jsonp: Option<Box<str>>,
}

impl Worker {
    /// Does what a request to an Engine.IO path wants. The link has the request as its unanswered one.
    pub(in crate::server) fn engine_call(&mut self, link: LinkId, number: u32, call: Call, out: &mut Outlet) {
        let Call { mount, origin, headers, wants, told } = call;
        let asker = Asker { link, number, mount, origin, headers, told };
        match wants {
            Wants::Session(newcomer) => self.polling_open(&asker, newcomer, out),
            Wants::Poll(place) => self.polling_poll(asker, place, out),
            Wants::Post(place, body) => self.polling_post(asker, place, &body, out),
            Wants::Preflight(headers) => {
                let cors = &self.mount(mount).options.cors;
                let response = cors.preflight(asker.origin.as_deref(), headers.as_deref());
                self.core.jobs.push_back(Job::Respond { link, number, response });
            }
            Wants::Refusal(error) => {
                self.polling_end_post(link);
                self.polling_refuse(&asker, &error, out);
            }
            Wants::Turned(response) => {
                self.polling_end_post(link);
                self.core.own_stats().refused[Refusal::Engine as usize].add(1);
                self.polling_turn_away(&asker, response);
            }
            // The stage of HTTP has dealt with these.
            Wants::BeginPost(_) | Wants::Elsewhere(_) | Wants::UpgradeRefusal(_) => {}
            Wants::WebSocket(..) | Wants::Upgrade(..) => {}
        }
    }

    fn polling_refuse(&mut self, asker: &Asker, error: &EngineError, out: &mut Outlet) {
        self.core.own_stats().refused[Refusal::Engine as usize].add(1);
        out.note(asker.link, log::Level::Debug, || format!("Engine.IO request refused: {}", error.message()));
        self.engine_tell_error(asker.mount, asker.told.as_deref(), error);
        self.polling_turn_away(asker, error.response());
    }

    /// A request that was understood is refused all the same.
    pub(super) fn engine_tell_error(&self, mount: u16, told: Option<&Handshake>, error: &EngineError) {
        if let Some(handshake) = told {
            handshake.with_request(|request| tell_error(&self.core, self.mount(mount), request, error));
        }
    }

    fn polling_respond(&mut self, asker: &Asker, response: Response) {
        let with = |response: Response, (name, value): &(String, String)| {
            response.header(name.clone(), value.clone())
        };
        self.polling_turn_away(asker, asker.headers.iter().fold(response, with));
    }

    /// Answers without what the program adds.
    fn polling_turn_away(&mut self, asker: &Asker, response: Response) {
        let response = self.mount(asker.mount).options.cors.apply(asker.origin.as_deref(), response);
        let Asker { link, number, .. } = *asker;
        self.core.jobs.push_back(Job::Respond { link, number, response });
    }

    fn polling_no_place(&mut self, asker: &Asker, peer: Peer, reason: Refusal) {
        let response = full_response(&self.core, peer, reason);
        self.core.own_stats().refused[reason as usize].add(1);
        self.polling_turn_away(asker, response);
    }

    fn polling_open(&mut self, asker: &Asker, newcomer: Newcomer, out: &mut Outlet) {
        let peer = newcomer.handshake.peer();
        let mut refusal = self.full(out);
        if refusal.is_none() && !self.shared.take_place() {
            refusal = Some(Refusal::Full);
        }
        if let Some(refusal) = refusal {
            return self.polling_no_place(asker, peer, refusal);
        }
        let Newcomer { revision, base64, jsonp, handshake, admission } = newcomer;
        let session = out.open_parked();
        if self.count_address(session, peer) != Counted::Within {
            self.counted.leave(&self.shared, session.slot);
            self.shared.give_place_back();
            // Nothing of it is to be closed: its slot has no session yet.
            out.free(session);
            return self.polling_no_place(asker, peer, Refusal::Address);
        }
        // Polled payloads of revision 4 are text.
        out.set_dialect(session, Dialect::engine(revision, base64 || revision == Revision::Four));
        let agent = handshake.header("user-agent").unwrap_or_default();
        let python = agent.get(..6).is_some_and(|name| name.eq_ignore_ascii_case(b"python"));
        let polling = Polling { jsonp, python, ..Polling::default() };
        let mut engine = self.new_engine(session, asker.mount, revision, base64);
        engine.polling = Some(Box::new(polling));
        self.set_session(session, Session::Engine(Box::new(engine)));
        self.core.own_stats().sockets.add(1);
        self.core.own_stats().polling.add(1);

        let open = self.open_packet(session, asker.mount, true);
        let response = self.payload(session, &text_frame(PacketType::Open, &open));
        let response = self.with_cookie(session, asker.mount, response);
        self.polling_respond(asker, response);
        self.engine_begin(session, asker.mount, handshake, admission, out);
    }

    /// The session is there: its handlers are told, and its clock begins.
    pub(super) fn engine_begin(
        &mut self,
        session: LinkId,
        mount: u16,
        handshake: Handshake,
        admission: Option<crate::app::Admission>,
        out: &mut Outlet,
    ) {
        if let Some(admission) = admission {
            if !self.can_be(&admission) {
                return self.engine_close(session, &CloseCause::Handler(1011), out);
            }
            self.admit(session, admission, out);
        }
        self.socketio_begin(session, mount, handshake);
        self.engine_reschedule(session, out);
        self.engine_opened(session, out);
    }

    pub(super) fn new_engine(&self, link: LinkId, mount: u16, revision: Revision, base64: bool) -> Engine {
        Engine {
            generation: link.generation,
            ws: WebSocket::new(),
            polling: None,
            due: Engine::first_due(revision, &self.mount(mount).options, self.core.now),
            mount,
            revision,
            base64,
            awaits_pong: false,
            opened: false,
            left: false,
        }
    }

    /// The text of the packet with which a session begins.
    pub(super) fn open_packet(&self, session: LinkId, mount: u16, polled: bool) -> String {
        let options = &self.mount(mount).options;
        let upgrades: &[&str] = match options.has(crate::app::Transport::WebSocket) && options.allow_upgrades
        {
            true if polled => &["websocket"],
            _ => &[],
        };
        open_packet(
            self.sid_of(session).as_str(),
            upgrades,
            options.ping_interval_ms,
            options.ping_timeout_ms,
            self.max_payload(mount),
        )
    }

    /// With the cookie that names the session, if that is wanted.
    fn with_cookie(&self, session: LinkId, mount: u16, response: Response) -> Response {
        match self.cookie(session, mount) {
            Some(cookie) => response.header("Set-Cookie", cookie),
            None => response,
        }
    }

    pub(super) fn cookie(&self, session: LinkId, mount: u16) -> Option<String> {
        let name = self.mount(mount).options.cookie.as_deref()?;
        Some(format!("{name}={}; Path=/; HttpOnly; SameSite=Lax", self.sid_of(session)))
    }

    fn polling_poll(&mut self, mut asker: Asker, place: Place, out: &mut Outlet) {
        let session = match self.polled(place, asker.mount, out) {
            Ok(session) => session,
            Err(error) => return self.polling_refuse(&asker, &error, out),
        };
        let Some(polling) = self.polling(session) else { return };
        if polling.held.is_some() {
            // The session is over, and whoever asked first is told.
            self.engine_close(session, &CloseCause::Protocol(1002), out);
            return self.polling_refuse(&asker, &EngineError::BadRequest, out);
        }
        let (link, parts) = (asker.link, polling.farewell.is_some());
        asker.told = None;
        polling.held = Some(asker);
        if let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) {
            http.polls = Some(session);
        }
        if parts {
            return self.polling_part(session, out);
        }
        // As long as the session lives.
        out.set_deadline(link, Tick::NEVER);
        out.set_awaited(session, true);
        self.polling_answer(session, out);
    }

    /// Answers the GET that is held, if there is something to say. That the session is over is an answer of its own,
    /// unless no further GET would be served: clients of 4.x act on the end of a session before they act on packets
    /// of the same answer, and then forget those.
    pub(in crate::server) fn polling_answer(&mut self, session: LinkId, out: &mut Outlet) {
        let stopping = self.stopping;
        let Some(engine) = self.engine(session) else { return };
        let over = engine.left;
        let last = over && stopping;
        let Some(polling) = engine.polling.as_deref_mut().filter(|polling| polling.held.is_some()) else {
            return;
        };
        let sent_home = polling.sent_home;
        let mut frames = std::mem::take(&mut polling.rest);
        if last || frames.is_empty() {
            out.take_parked(session, &mut frames);
        }
        if !last && polling.python {
            polling.rest = frames.split_off(engine::end_of(&frames, PYTHON_PACKETS));
        }
        let ends = last || (over && frames.is_empty());
        if ends {
            frames.extend_from_slice(&text_frame(PacketType::Close, ""));
        } else if frames.is_empty() && sent_home {
            frames.extend_from_slice(&text_frame(PacketType::Noop, ""));
        }
        if !frames.is_empty() {
            self.polling_give(session, &frames, out);
            if ends {
                self.engine_gone(session, out);
            }
        }
    }

    /// From now on no GET waits.
    pub(super) fn polling_send_home(&mut self, session: LinkId, out: &mut Outlet) {
        if let Some(polling) = self.polling(session) {
            polling.sent_home = true;
        }
        self.polling_answer(session, out);
    }

    /// Answers the GET that is held with these frames.
    fn polling_give(&mut self, session: LinkId, frames: &[u8], out: &mut Outlet) {
        let response = self.payload(session, frames);
        let Some(asker) = self.polling(session).and_then(|polling| polling.held.take()) else { return };
        out.set_awaited(session, false);
        if let Some(Session::Http(http)) = self.sessions.get_mut(asker.link.slot as usize) {
            http.polls = None;
        }
        self.polling_respond(&asker, response);
    }

    fn polling_post(&mut self, asker: Asker, place: Place, body: &Body, out: &mut Outlet) {
        if let Some(Session::Http(http)) = self.sessions.get_mut(asker.link.slot as usize) {
            http.posts = None;
        }
        let session = match self.polled(place, asker.mount, out) {
            Ok(session) => session,
            Err(error) => return self.polling_refuse(&asker, &error, out),
        };
        let Some(polling) = self.polling(session) else { return };
        if polling.posting.take().is_some_and(|other| other != asker.link) {
            self.engine_close(session, &CloseCause::Protocol(1002), out);
            return self.polling_refuse(&asker, &EngineError::BadRequest, out);
        }
        if body.bytes.len() > self.max_payload(asker.mount) {
            return self.polling_turn_away(&asker, Response::empty(413));
        }
        let read = self.polling_packets(session, body, out);
        self.polling_posted(session, asker, read, out);
    }

    /// Answers a POST, or puts that off with the rest of its packets: the next one may not overtake them.
    fn polling_posted(
        &mut self,
        session: LinkId,
        mut asker: Asker,
        read: Result<Option<Later>, Fault>,
        out: &mut Outlet,
    ) {
        match read {
            Ok(None) => self.polling_respond(&asker, accepted()),
            Ok(Some(rest)) => {
                if let Some(polling) = self.polling(session) {
                    polling.posting = Some(asker.link);
                    asker.told = None;
                    polling.put_off = Some(asker);
                    self.core.later.push_back(rest);
                }
            }
            Err(Fault::Closed) => {
                asker.told = None;
                self.polling_closed_by_client(session, asker, out);
            }
            Err(Fault::Broken) => {
                self.engine_close(session, &CloseCause::Protocol(1002), out);
                self.polling_refuse(&asker, &EngineError::BadRequest, out);
            }
        }
    }

    /// The head of a POST has arrived: a second one at the same time breaks the protocol.
    pub(in crate::server) fn polling_begin_post(
        &mut self,
        link: LinkId,
        mount: u16,
        place: Place,
        out: &mut Outlet,
    ) {
        let Some(session) = self.engine_at(place, mount, out) else { return };
        let Some(polling) = self.polling(session) else { return };
        if polling.posting.is_some() {
            return self.engine_close(session, &CloseCause::Protocol(1002), out);
        }
        polling.posting = Some(link);
        if let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) {
            http.posts = Some(session);
        }
    }

    /// A POST that had begun is not taken.
    fn polling_end_post(&mut self, link: LinkId) {
        let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return };
        let session = http.posts.take();
        if let Some(polling) = session.and_then(|session| self.polling(session)) {
            polling.posting = polling.posting.filter(|posting| *posting != link);
        }
    }

    fn polling_packets(
        &mut self,
        session: LinkId,
        body: &Body,
        out: &mut Outlet,
    ) -> Result<Option<Later>, Fault> {
        let Some(engine) = self.engine(session) else { return Ok(None) };
        let revision = engine.revision;
        // What its handshake said counts, whatever this request says: a form has the packets in its field `d`.
        let bytes = match engine.polling.as_deref().is_some_and(|polling| polling.jsonp.is_some()) {
            true => Cow::Owned(engine::unwrap_form(&body.bytes).map_err(|_| Fault::Broken)?.into_bytes()),
            false => Cow::Borrowed(body.bytes.as_slice()),
        };
        let reader = PayloadReader::new(revision, body.kind, &bytes).map_err(|_| Fault::Broken)?;
        self.polling_read(session, reader, out)
    }

    fn polling_read(
        &mut self,
        session: LinkId,
        mut reader: PayloadReader<'_>,
        out: &mut Outlet,
    ) -> Result<Option<Later>, Fault> {
        let is_text = matches!(reader.rest(), Some((engine::BodyKind::Text, _)));
        let is_old = self.engine(session).is_some_and(|engine| engine.revision == Revision::Three);
        let mends = is_text && is_old && self.core.sio.get(session).is_some();
        while let Some(packet) = reader.next() {
            let mut packet = packet.map_err(|_| Fault::Broken)?;
            if let Data::Text(text) = &packet.data
                && mends
                && !text.is_ascii()
            {
                match undouble(text) {
                    Some(mended) if !self.polling(session).is_some_and(|polling| polling.once) => {
                        packet.data = Data::Text(mended.into());
                    }
                    Some(_) => {}
                    None => self.polling(session).into_iter().for_each(|polling| polling.once = true),
                }
            }
            self.engine_packet(session, &packet, out)?;
            if self.is_congested(out)
                && let Some((kind, rest)) = reader.rest()
            {
                // What these packets caused has to leave before more is caused.
                return Ok(Some(Later::Packets { link: session, kind, bytes: rest.to_vec() }));
            }
        }
        Ok(None)
    }

    /// The rest of a POST that was put off.
    pub(in crate::server) fn polling_go_on(
        &mut self,
        session: LinkId,
        kind: engine::BodyKind,
        bytes: &[u8],
        out: &mut Outlet,
    ) {
        let Some(engine) = self.engine(session) else { return };
        let reader = PayloadReader::new(engine.revision, kind, bytes).map_err(|_| Fault::Broken);
        let asker = engine.polling.as_deref_mut().and_then(|polling| {
            polling.posting = None;
            polling.put_off.take()
        });
        let read = reader.and_then(|reader| self.polling_read(session, reader, out));
        match (asker, read) {
            (Some(asker), read) => self.polling_posted(session, asker, read, out),
            // It changed its transport meanwhile.
            (None, Ok(None)) => {}
            (None, Ok(Some(rest))) => self.core.later.push_back(rest),
            (None, Err(Fault::Closed)) => self.engine_close(session, &CloseCause::Client(None), out),
            (None, Err(Fault::Broken)) => self.engine_close(session, &CloseCause::Protocol(1002), out),
        }
    }

    /// The session changes its transport: the POST that was put off is answered, whatever is left of it.
    pub(super) fn polling_acknowledge(&mut self, session: LinkId) {
        if let Some(asker) = self.polling(session).and_then(|polling| polling.put_off.take()) {
            self.polling_respond(&asker, accepted());
        }
    }

    /// The client posted that it closes: the GET that it still has is sent home. It may be on its way, on another
    /// connection: the POST is answered when it has come or had time to, so that no GET after that finds a session.
    fn polling_closed_by_client(&mut self, session: LinkId, farewell: Asker, out: &mut Outlet) {
        out.seal(session, self.core.now.tick.plus_ms(PART_MS));
        self.leave(session, &CloseCause::Client(None), out);
        let Some(polling) = self.polling(session) else { return };
        polling.farewell = Some(farewell);
        if polling.held.is_some() {
            self.polling_part(session, out);
        }
    }

    /// Sends home the GET, if there is one, and the POST of a client that closed.
    pub(super) fn polling_part(&mut self, session: LinkId, out: &mut Outlet) {
        self.polling_give(session, &text_frame(PacketType::Noop, ""), out);
        if let Some(asker) = self.polling(session).and_then(|polling| polling.farewell.take()) {
            self.polling_respond(&asker, accepted());
        }
        self.engine_gone(session, out);
    }

    /// The session has ended: whoever polls is told now or, if that was the server's wish, when it polls next.
    pub(super) fn polling_close(&mut self, session: LinkId, cause: &CloseCause, out: &mut Outlet) {
        let held = self.polling(session).is_some_and(|polling| polling.held.is_some());
        let waits = matches!(
            cause,
            CloseCause::Handler(_) | CloseCause::Replaced(_) | CloseCause::Slow | CloseCause::Drain
        );
        if held {
            self.polling_answer(session, out);
        } else if !waits || self.stopping {
            self.engine_gone(session, out);
        }
    }

    /// A connection is gone with a request for a session under way, and the session with it; so the reference has it.
    pub(in crate::server) fn polling_broken(
        &mut self,
        link: LinkId,
        polls: Option<LinkId>,
        posts: Option<LinkId>,
        out: &mut Outlet,
    ) {
        if let Some(session) = polls
            && let Some(polling) = self.polling(session)
        {
            polling.held = None;
            out.set_awaited(session, false);
            out.abort(session);
            self.leave(session, &CloseCause::Lost, out);
        }
        let posting = |polling: &mut Polling| polling.posting == Some(link);
        if let Some(session) = posts.filter(|session| self.polling(*session).is_some_and(posting)) {
            self.engine_close(session, &CloseCause::Lost, out);
        }
    }

    /// The session is gone: whoever still asks for it is told.
    pub(in crate::server) fn polling_forsaken(&mut self, session: LinkId, out: &mut Outlet) {
        let Some(polling) = self.polling(session) else { return };
        let askers = [polling.held.take(), polling.put_off.take(), polling.farewell.take()];
        for asker in askers.into_iter().flatten() {
            // Whoever posted may be gone, and its slot that of somebody who polls another session.
            if let Some(Session::Http(http)) = self.sessions.get_mut(asker.link.slot as usize) {
                http.polls = http.polls.filter(|polled| *polled != session);
            }
            self.polling_refuse(&asker, &EngineError::SessionUnknown, out);
        }
    }

    /// The polled session at a place, looked at by the clock.
    fn polled(&mut self, place: Place, mount: u16, out: &mut Outlet) -> Result<LinkId, EngineError> {
        let session = self.engine_at(place, mount, out).ok_or(EngineError::SessionUnknown)?;
        let now = self.core.now;
        let overdue = match self.sessions.get(session.slot as usize) {
            Some(Session::Engine(engine)) if engine.polling.is_some() => {
                !engine.left && engine.is_overdue(&self.mount(mount).options, now)
            }
            _ => return Err(EngineError::BadRequest),
        };
        if overdue {
            self.engine_close(session, &CloseCause::Idle, out);
            return Err(EngineError::SessionUnknown);
        }
        Ok(session)
    }

    pub(super) fn polling(&mut self, session: LinkId) -> Option<&mut Polling> {
        self.engine(session)?.polling.as_deref_mut()
    }

    /// The answer to a poll: these frames as a payload.
    fn payload(&mut self, session: LinkId, frames: &[u8]) -> Response {
        let Some(engine) = self.engine(session) else { return Response::empty(500) };
        let jsonp = engine.polling.as_deref().and_then(|polling| polling.jsonp.clone());
        let (revision, binary_ok) = (engine.revision, !engine.base64 && jsonp.is_none());
        let ascii = self.core.sio.get(session).is_some();
        let payload = compose(revision, binary_ok, ascii, frames);
        let response = match jsonp {
            Some(index) => {
                let text = String::from_utf8_lossy(&payload.bytes);
                Response::bytes(200, "text/javascript; charset=UTF-8", engine::wrap(&index, &text))
                    .header("X-Content-Type-Options", "nosniff")
            }
            None => Response::bytes(200, payload.content_type(), payload.bytes),
        };
        response.header("Cache-Control", "no-store")
    }
}

/// The answer to a POST.
fn accepted() -> Response {
    Response::bytes(200, "text/html", "ok")
}

#[cfg(test)]
mod check;
