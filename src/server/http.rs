//! The stage of a link that speaks HTTP: requests to routes, and the way up to WebSocket, which [`admitting`] decides on.

mod admitting;

use super::baggage::Baggage;
use super::client::Client;
use super::engine::{self, Call, Wants};
use super::places::{Counted, full_reason, full_response};
use super::worker::{Session, Shared, Worker};
use crate::app::{
    Admission, AskLater, Context, Core, Found, Job, Moved, Refusal, Request, Responder, Upgrade, guard,
};
use crate::base::ids::{LinkId, ReactorId};
use crate::base::limits::Limits;
use crate::base::sid::Place;
use crate::reactor::Entry;
use crate::reactor::outlet::{LinkState, Outlet};
use crate::session::http::{self as session, HttpSession, Stage, Step};
use crate::wire::frame::Frame;
use crate::wire::response::{CONTINUE, Response};
use crate::wire::upgrade;
use std::any::Any;
use std::time::{Duration, UNIX_EPOCH};

/// How long a connection may stay between two requests, in seconds.
const KEEP_ALIVE_S: u32 = 60;
/// How long a client may take to read its answers before more of its requests are looked at, in seconds.
const READ_S: u32 = 60;
/// How long a handler may take to answer, in seconds.
const ANSWER_S: u32 = 30;
/// What may be received behind an unanswered request before reading pauses, in bytes.
const BEHIND_BYTES: usize = 64 << 10;
/// What may wait to be sent before the next pipelined request is looked at, in bytes.
const UNSENT_BYTES: usize = 64 << 10;

/// A link that speaks HTTP.
pub(super) struct Http {
    session: HttpSession,
    /// Who connected, and who the last request is from.
    entry: Client,
    client: Client,
    /// It came in by an address for operators.
    admin: bool,
    /// Counts the requests.
    number: u32,
    /// The request that is being answered.
    busy: Option<Busy>,
    /// The peer sends no more, or the server stops: close after the answers to what was received.
    last: bool,
    /// Waits for its responses to be read.
    stalled: bool,
    /// Its last request was one of an Engine.IO session.
    of_session: bool,
    /// The Engine.IO session that a GET of this connection is held for.
    pub(super) polls: Option<LinkId>,
    /// The Engine.IO session that a POST of this connection is arriving for.
    pub(super) posts: Option<LinkId>,
    /// What is missing of the request's body was looked at: nothing more is known before it is whole.
    begun: bool,
    /// It is to go to this reactor, whose session the request is for, or has just come to it.
    pub(super) moving: Option<ReactorId>,
    /// It goes there before anything of it was looked at.
    pub(super) handed_over: bool,
    /// Its address had more links than it may when it came.
    pub(super) crowds: bool,
    /// On its way to another reactor.
    pub(super) baggage: Option<Baggage>,
    stage: Stage,
}

#[derive(Clone, Copy)]
struct Busy {
    keep_alive: bool,
    head_only: bool,
    /// HTTP/1.0, whose clients have to be told that the connection stays.
    old: bool,
}

impl Http {
    pub(super) fn new(limits: &Limits, Entry { peer, admin, secure }: Entry) -> Http {
        let client = Client { peer, secure };
        Http {
            session: HttpSession::new(limits),
            entry: client,
            client,
            admin,
            number: 0,
            busy: None,
            last: false,
            stalled: false,
            of_session: false,
            polls: None,
            posts: None,
            begun: false,
            moving: None,
            handed_over: false,
            crowds: false,
            baggage: None,
            stage: Stage::Idle,
        }
    }

    /// What it keeps of requests that are not whole, or not looked at yet.
    pub(super) fn unfinished_bytes(&self) -> usize {
        self.session.unfinished_bytes()
    }
}

/// What a step of the session leads to.
enum Outcome {
    /// More bytes are needed.
    Wait,
    /// The client waits for "100 Continue".
    Continue,
    /// A handler has the request, or has answered already.
    Asked(Busy),
    /// The server itself answers.
    Answer(Busy, Response),
    /// The connection is to be answered and closed.
    Refuse(Refusal, Response, String),
    /// It becomes a WebSocket.
    Upgrade(Upgrade, Admission),
    /// The endpoint decides later whether it does.
    Later(Busy, Upgrade, AskLater),
    /// It is for an Engine.IO server.
    Engine(Busy, Box<Call>),
    /// A POST for an Engine.IO session begins.
    Posting(u16, Place),
    /// It is for a session of another reactor.
    Elsewhere(ReactorId),
}

/// Where the next request comes from.
#[derive(Clone, Copy)]
enum Input<'a> {
    Bytes(&'a [u8]),
    /// What is kept.
    Kept,
    /// The one that was looked at on another reactor.
    Again,
}

impl Worker {
    pub(super) fn http_received(&mut self, link: LinkId, bytes: &mut [u8], out: &mut Outlet) {
        let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return };
        if http.busy.is_some() || http.stalled || http.moving.is_some() {
            http.session.buffer(bytes);
            if http.session.buffered() > BEHIND_BYTES {
                out.pause_reading(link);
            }
            return;
        }
        self.http_step(link, Input::Bytes(bytes), out);
    }

    /// One request at most; the next one follows when this is answered.
    fn http_step(&mut self, link: LinkId, input: Input<'_>, out: &mut Outlet) {
        let mut outcome = self.http_look(link, input, out);
        if matches!(outcome, Outcome::Continue) {
            out.send_bytes(link, &Frame::from_bytes(CONTINUE));
            outcome = self.http_look(link, Input::Kept, out);
        }
        self.http_outcome(link, outcome, out);
    }

    /// Looks for a whole request and finds who serves it.
    fn http_look(&mut self, link: LinkId, input: Input<'_>, out: &mut Outlet) -> Outcome {
        let outcome = self.http_find(link, input, out);
        if let (Outcome::Elsewhere(_), Input::Bytes(bytes)) = (&outcome, input)
            && let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize)
        {
            http.session.keep(bytes);
        }
        outcome
    }

    fn http_find(&mut self, link: LinkId, input: Input<'_>, out: &mut Outlet) -> Outcome {
        let (full, mut crowds) = (self.full(out), self.is_crowding(link));
        let Worker { core, sessions, shared, counted, .. } = self;
        let Some(Session::Http(http)) = sessions.get_mut(link.slot as usize) else { return Outcome::Wait };
        let Http { session, entry, client, admin, number, begun, .. } = &mut **http;
        let step = match input {
            Input::Bytes(bytes) => session.receive(bytes),
            Input::Kept => session.next(),
            Input::Again => session.again(),
        };
        if matches!(step, Ok(Step::NeedMore)) {
            drop(step);
            if *begun || session.stage() != Stage::Body {
                return Outcome::Wait;
            }
            let outcome = posting(core, shared, session, *entry, *admin);
            // Who has it looks again.
            *begun = !matches!(outcome, Outcome::Elsewhere(_));
            return outcome;
        }
        *begun = false;
        let inner = match step {
            Ok(Step::NeedMore) => return Outcome::Wait,
            Ok(Step::Continue) => return Outcome::Continue,
            Ok(Step::Request(inner)) => inner,
            Err(error) => {
                let response = Response::error(error.status(), error.code(), &error.to_string());
                return Outcome::Refuse(Refusal::BadRequest, response, format!("bad request: {error}"));
            }
        };
        *number = number.wrapping_add(1);
        let busy = Busy {
            keep_alive: inner.keep_alive,
            head_only: inner.head.method == "HEAD",
            old: inner.head.version == 0,
        };
        let from = entry.of(&inner.head, &shared.proxies.get());
        if from != std::mem::replace(client, from) {
            out.set_peer(link, from.peer);
            let most = core.limits.connections_per_ip.filter(|_| !*admin);
            crowds |= counted.count(shared, most, link.slot, from.peer) != Counted::Within;
        }
        if crowds {
            let response = full_response(core, from.peer, Refusal::Address);
            return Outcome::Refuse(Refusal::Address, response, "too many connections of its address".into());
        }
        let request = Request { inner, peer: from.peer, secure: from.secure };
        if !*admin && let Some(endpoint) = shared.router.endpoint_at(request.path()) {
            return admitting::look(core, &request, busy, endpoint, shared, full);
        }
        // Files may be served below the path of an Engine.IO server.
        if !*admin
            && let Some(number) = shared.router.mount_at(request.path())
            && matches!(shared.router.find(request.method(), request.path(), false), Found::Nothing)
        {
            let call = engine::look(core, shared.router.mount(number), number, &request, true);
            if let Wants::Elsewhere(reactor) = call.wants {
                return Outcome::Elsewhere(reactor);
            }
            return Outcome::Engine(busy, Box::new(call));
        }
        if upgrade::wants_upgrade(&request.inner.head) {
            let response = Response::error(404, "not_found", "no WebSocket is served at this path");
            return Outcome::Refuse(
                Refusal::BadRequest,
                response,
                format!("upgrade to {:?}", request.path()),
            );
        }
        match shared.router.find(request.method(), request.path(), *admin) {
            Found::Route(handler, params) => {
                let mut cx = Context { core, out };
                let responder = Responder::new(&cx, link, *number);
                let run = || handler(&mut cx, &request, &params, responder);
                if let Err(panicked) = guard(run) {
                    core.note_panic(&format!("the route of {:?}", request.path()), &panicked);
                    let response = Response::error(500, "internal", "the handler of this path failed");
                    // If it has answered before, this one is not needed.
                    core.jobs.push_back(Job::Respond { link, number: *number, response });
                }
                Outcome::Asked(busy)
            }
            Found::File(hit) => {
                Outcome::Answer(busy, hit.answer(&request, shared.router.compressor.as_ref()))
            }
            Found::OtherMethods(allowed) => {
                let answer = Response::error(405, "method_not_allowed", "this path has other methods");
                Outcome::Answer(busy, answer.header("Allow", allowed.join(", ")))
            }
            Found::Nothing => {
                Outcome::Answer(busy, Response::error(404, "not_found", "nothing is served at this path"))
            }
        }
    }

    fn http_outcome(&mut self, link: LinkId, outcome: Outcome, out: &mut Outlet) {
        let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return };
        match outcome {
            Outcome::Wait | Outcome::Continue => {
                // However much of the next request there is, its rest has to come.
                out.resume_reading(link);
                let stage = http.session.stage();
                // The first request has its deadline since the connection was accepted.
                let next = match (stage, http.stage) {
                    (Stage::Idle, _) if http.number > 0 => Some(KEEP_ALIVE_S),
                    (now, before) if now != before && (http.number > 0 || now == Stage::Body) => {
                        Some(self.core.limits.handshake_s)
                    }
                    _ => None,
                };
                http.stage = stage;
                if let Some(seconds) = next {
                    out.set_deadline(link, self.core.now.tick.plus_s(seconds));
                }
                if http.last {
                    end(link, out);
                }
            }
            Outcome::Posting(mount, place) => {
                self.polling_begin_post(link, mount, place, out);
                self.http_outcome(link, Outcome::Wait, out);
            }
            Outcome::Elsewhere(reactor) => {
                http.moving = Some(reactor);
                out.pause_reading(link);
                // The answers before this one leave from here.
                out.set_deadline(link, self.core.now.tick.plus_s(READ_S));
                if out.waiting(link) > 0 {
                    return out.tell_when_drained(link);
                }
                out.depart(link, reactor);
            }
            Outcome::Engine(busy, call) => {
                http.stage = Stage::Idle;
                self.engine_outcome(link, busy, *call, out);
            }
            Outcome::Asked(busy) => {
                http.busy = Some(busy);
                http.of_session = false;
                http.stage = Stage::Idle;
                out.set_deadline(link, self.core.now.tick.plus_s(ANSWER_S));
            }
            Outcome::Answer(busy, response) => {
                http.busy = Some(busy);
                http.of_session = false;
                http.stage = Stage::Idle;
                let number = http.number;
                self.core.jobs.push_back(crate::app::Job::Respond { link, number, response });
            }
            Outcome::Refuse(reason, response, why) => {
                // The kernel may have forgotten by now who it was.
                let (peer, status) = (http.client.peer, response.status);
                log::info!(peer:%, status; "{peer}: refused with {status}: {why}");
                self.refuse(link, response, reason, out);
            }
            // Another reactor may have given the last place away since this one looked.
            Outcome::Upgrade(_, admission) if !self.shared.take_place() => {
                let (full, why) = (Refusal::Full, full_reason(&admission, Refusal::Full));
                let outcome = Outcome::Refuse(full, full_response(&self.core, http.client.peer, full), why);
                self.http_outcome(link, outcome, out);
            }
            Outcome::Later(busy, upgrade, ask) => self.http_ask_later(link, busy, upgrade, ask, out),
            Outcome::Upgrade(upgrade, admission) => {
                let mut rest = self.end_of_http(link, out);
                self.open_websocket(link, &upgrade, admission, out);
                if !rest.is_empty() {
                    self.frames_received(link, &mut rest, out);
                }
            }
        }
    }

    /// A request to an Engine.IO server.
    fn engine_outcome(&mut self, link: LinkId, busy: Busy, call: Call, out: &mut Outlet) {
        let Call { mount, origin, headers, wants, told } = call;
        match wants {
            Wants::UpgradeRefusal(response) => {
                let why = format!("Engine.IO upgrade: {}", String::from_utf8_lossy(&response.body));
                self.http_outcome(link, Outcome::Refuse(Refusal::Engine, response, why), out);
            }
            Wants::WebSocket(newcomer, _) if self.full(out).is_some() || !self.shared.take_place() => {
                let full = self.full(out).unwrap_or(Refusal::Full);
                let response = full_response(&self.core, newcomer.handshake.peer(), full);
                self.http_outcome(link, Outcome::Refuse(full, response, full.name().to_owned()), out);
            }
            Wants::WebSocket(newcomer, key) => {
                let mut rest = self.end_of_http(link, out);
                self.engine_open_websocket(link, mount, newcomer, &key, &headers, out);
                self.frames_received(link, &mut rest, out);
            }
            Wants::Upgrade(place, key) => {
                let mut rest = self.end_of_http(link, out);
                self.engine_probe(link, mount, (place, told), &key, &headers, out);
                self.frames_received(link, &mut rest, out);
            }
            wants => {
                let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return };
                http.busy = Some(busy);
                http.of_session = matches!(wants, Wants::Poll(_) | Wants::Post(..));
                let number = http.number;
                out.set_deadline(link, self.core.now.tick.plus_s(ANSWER_S));
                self.engine_call(link, number, Call { mount, origin, headers, wants, told }, out);
            }
        }
    }

    /// What was received behind the request with which a link's HTTP ends.
    fn end_of_http(&mut self, link: LinkId, out: &mut Outlet) -> Vec<u8> {
        out.resume_reading(link);
        match self.sessions.get_mut(link.slot as usize) {
            Some(Session::Http(http)) => http.session.take_rest(),
            _ => Vec::new(),
        }
    }

    /// Answers and closes.
    pub(super) fn refuse(&self, link: LinkId, response: Response, reason: Refusal, out: &mut Outlet) {
        send(link, dated(&self.core, response).encode(false, false), out);
        out.finish(link);
        self.core.own_stats().refused[reason as usize].add(1);
    }

    /// Answers the request of a link, and looks at the one behind it.
    pub(super) fn respond(&mut self, link: LinkId, number: u32, response: Response, out: &mut Outlet) {
        if out.state(link) != LinkState::Open {
            return;
        }
        let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return };
        if http.number != number {
            return;
        }
        let Some(Busy { keep_alive, head_only, old }) = http.busy.take() else { return };
        // What was pipelined before the client ended its side is still answered.
        let more = !http.last || http.session.buffered() > 0;
        // While it is drained, sessions that are polled may go on where they are: there is no other way in.
        let stays = !self.stopping && (http.of_session || !self.core.turns_away);
        let keep_alive = keep_alive && more && stays;
        let mut response = dated(&self.core, response);
        if old && keep_alive {
            response = response.header("Connection", "keep-alive");
        }
        send(link, response.encode(keep_alive, head_only), out);
        if !keep_alive {
            return out.finish(link);
        }
        if out.waiting(link) > UNSENT_BYTES {
            http.stalled = true;
            out.pause_reading(link);
            out.set_deadline(link, self.core.now.tick.plus_s(READ_S));
            return out.tell_when_drained(link);
        }
        self.http_go_on(link, out);
    }

    /// Looks at the next request. Reads on only when little is left: a read for every answer would keep ever more of
    /// what a client pipelines.
    fn http_go_on(&mut self, link: LinkId, out: &mut Outlet) {
        let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return };
        if http.session.buffered() <= BEHIND_BYTES {
            out.resume_reading(link);
        }
        self.http_step(link, Input::Kept, out);
    }

    /// Whoever pipelines without reading has to read first.
    pub(super) fn http_drained(&mut self, link: LinkId, out: &mut Outlet) {
        let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return };
        if let Some(reactor) = http.moving.filter(|_| out.state(link) == LinkState::Open) {
            return out.depart(link, reactor);
        }
        if std::mem::take(&mut http.stalled) && out.state(link) == LinkState::Open {
            self.http_go_on(link, out);
        }
    }

    pub(super) fn http_expired(&mut self, link: LinkId, out: &mut Outlet) {
        let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return };
        if let Some(busy) = &mut http.busy {
            busy.keep_alive = false;
            let number = http.number;
            log::error!("a handler did not answer within {ANSWER_S} s");
            return self.respond(link, number, Response::error(503, "timeout", "no answer in time"), out);
        }
        if http.stage == Stage::Idle && http.number > 0 {
            return out.finish(link);
        }
        // Also whoever connected and said nothing: it is told, and told apart from a fault of ours.
        let (seconds, part) =
            (self.core.limits.handshake_s, if http.stage == Stage::Body { "body" } else { "head" });
        let peer = http.client.peer;
        log::info!(peer:%, status = 408; "{peer}: refused with 408: no whole {part} within {seconds} s");
        let response = Response::error(408, "timeout", "the request did not arrive in time");
        self.refuse(link, response, Refusal::Timeout, out);
    }

    /// No more requests come: ends the link, after its answer if one is due.
    pub(super) fn end_http(&mut self, link: LinkId, out: &mut Outlet) {
        let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return };
        http.last = true;
        let goes = http.moving.is_some_and(|to| to != self.core.reactor);
        if http.moving.is_some() && !(goes && self.stopping) {
            // Its request is looked at first, here or where it goes.
            return;
        }
        let (polls, posts) = (http.polls.take(), http.posts.take());
        if polls.is_some() || posts.is_some() {
            self.polling_broken(link, polls, posts, out);
            return out.abort(link);
        }
        let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return };
        if http.busy.is_none() && !http.stalled {
            end(link, out);
        }
    }

    /// The server is drained: ends a link between two requests, unless it may be one of a session that is polled.
    pub(super) fn drain_http(&mut self, link: LinkId, out: &mut Outlet) {
        let Some(Session::Http(http)) = self.sessions.get(link.slot as usize) else { return };
        let idle = http.busy.is_none() && http.stage == Stage::Idle && http.session.buffered() == 0;
        if idle && http.number > 0 && !http.of_session && http.moving.is_none() {
            end(link, out);
        }
    }

    /// A connection that another reactor passed on because of whose session its request is for, or before it had one.
    pub(super) fn arrived(&mut self, number: u64, session: Box<dyn Any + Send>, out: &mut Outlet) {
        let Ok(mut http) = session.downcast::<Http>() else { return };
        let link = out.arrive(number);
        if let Some(baggage) = http.baggage.take() {
            self.unpack(link, baggage);
        }
        out.set_deadline(link, self.core.now.tick.plus_s(self.core.limits.handshake_s));
        if std::mem::take(&mut http.handed_over) {
            self.shared.arrived(self.core.reactor, 1);
            self.core.own_stats().moved[Moved::Accepted as usize].add(1);
            // With TLS, the end of the handshake may have brought the first request: nothing else tells of that.
            if http.session.buffered() == 0 {
                let last = http.last;
                self.set_session(link, Session::Http(http));
                if last || self.stopping {
                    self.end_http(link, out);
                }
                return;
            }
        }
        http.moving = Some(self.core.reactor);
        self.set_session(link, Session::Http(http));
        self.arrivals.push_back((self.turn, link));
    }

    /// Looks at the requests of those that arrived in earlier turns. Mail comes before reading: what a client sent
    /// before its request, on a connection that was here already, has been read by now.
    pub(super) fn look_at_arrivals(&mut self, out: &mut Outlet) {
        while self.arrivals.front().is_some_and(|(turn, _)| *turn != self.turn) {
            let Some((_, link)) = self.arrivals.pop_front() else { return };
            if out.id_of(link.slot) != Some(link) {
                continue;
            }
            let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { continue };
            http.moving = None;
            let last = http.last;
            self.http_step(link, Input::Again, out);
            self.run_jobs(out);
            if last || self.stopping {
                self.end_http(link, out);
            }
        }
    }
}

/// Ends a link after what waits to be sent.
fn end(link: LinkId, out: &mut Outlet) {
    if out.waiting(link) > 0 { out.finish(link) } else { out.abort(link) }
}

/// What to do while the rest of a request is missing: a session's POST counts from its head on, and goes to where
/// the session lives.
fn posting(core: &Core, shared: &Shared, session: &HttpSession, entry: Client, admin: bool) -> Outcome {
    let Some(head) = session.pending_head().filter(|head| head.method == "POST" && !admin) else {
        return Outcome::Wait;
    };
    let Some(number) = shared.router.mount_at(head.path()) else { return Outcome::Wait };
    let Client { peer, secure } = entry.of(&head, &shared.proxies.get());
    let inner = session::Request { head, body: &[], keep_alive: true };
    let request = Request { inner, peer, secure };
    match engine::look(core, shared.router.mount(number), number, &request, false).wants {
        Wants::BeginPost(place) => Outcome::Posting(number, place),
        Wants::Elsewhere(reactor) => Outcome::Elsewhere(reactor),
        _ => Outcome::Wait,
    }
}

/// Queues a response.
fn send(link: LinkId, (head, body): (Frame, Option<Frame>), out: &mut Outlet) {
    out.send_bytes(link, &head);
    if let Some(body) = body {
        out.send_bytes(link, &body);
    }
}

/// With the header that a server with a clock has to send (RFC 9110, section 6.6.1).
fn dated(core: &Core, response: Response) -> Response {
    let now = UNIX_EPOCH + Duration::from_millis(core.now.unix_ms);
    response.header("Date", httpdate::fmt_http_date(now))
}
