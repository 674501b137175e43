//! WebSocket frames of whatever a link's session is: messages go to the session, the rest is answered here.

use super::engine::Turn;
use super::websocket::name_of;
use super::worker::{Session, Worker};
use crate::app::{CloseCause, Context, Later, Message, Socket};
use crate::base::ids::LinkId;
use crate::reactor::outlet::{LinkState, Outlet};
use crate::session::websocket::{Event, WebSocket};
use crate::wire::frame::{self, Opcode};

/// What one link may say in one go before others have their turn, in bytes of messages: compressed, what is read at a
/// time can be a thousand times as long.
const SAY_BYTES: usize = 1 << 20;

impl Worker {
    pub(super) fn frames_received(&mut self, first: LinkId, bytes: &mut [u8], out: &mut Outlet) {
        let mut link = first;
        let Some((mut ws, max_message)) = self.take_websocket(link) else { return };
        if matches!(self.sessions.get(link.slot as usize), Some(Session::WebSocket(_))) {
            self.heard_from(link, out);
        }
        let mut input = bytes;
        // Lent out, so that handlers may have the rest; nobody else inflates meanwhile.
        let mut inflater = std::mem::take(&mut self.inflater);
        let mut said = 0;
        let failure = loop {
            let message = match ws.next(&mut input, max_message, &mut inflater) {
                Ok(None) => break None,
                Ok(Some(Event::Text(text))) => Message::Text(text),
                Ok(Some(Event::Binary(bytes))) => Message::Binary(bytes),
                Ok(Some(Event::Ping(payload))) => {
                    out.send_control(link, &frame::encode(Opcode::Pong, payload));
                    continue;
                }
                Ok(Some(Event::Pong(_))) => continue,
                Ok(Some(Event::Close { code, .. })) => {
                    // The same code back (RFC 6455, section 5.5.1); if this answers ours, nothing is sent,
                    // because a sealed link takes no more.
                    let answer = match code {
                        Some(code) => frame::encode_close(code, ""),
                        None => frame::encode_close_empty(),
                    };
                    out.send_control(link, &answer);
                    break Some(CloseCause::Client(code));
                }
                Err(error) => {
                    let code = error.close_code();
                    let name = || name_of(&self.core.hub, link);
                    out.note(link, log::Level::Info, || format!("{}: closed with {code}: {error}", name()));
                    let reason = match self.sessions.get(link.slot as usize) {
                        Some(Session::WebSocket(_)) => error.to_string(),
                        // As the reference has it: clients hand both to their programs.
                        _ => String::new(),
                    };
                    out.send_control(link, &frame::encode_close(code, &reason));
                    break Some(CloseCause::Protocol(code));
                }
            };
            said += message.len();
            if out.state(link) == LinkState::Open {
                match self.frame_message(link, message, out) {
                    Turn::Next => {}
                    Turn::Become(session) => link = session,
                    Turn::End(cause) => {
                        self.run_jobs(out);
                        self.engine_close(link, &cause, out);
                    }
                }
            }
            if (self.is_congested(out) || said >= SAY_BYTES) && !input.is_empty() {
                // What its messages caused has to leave before it causes more.
                out.pause_reading(link);
                self.core.later.push_back(Later::Bytes { link, bytes: input.to_vec() });
                break None;
            }
        };
        self.inflater = inflater;
        self.put_websocket(link, ws);
        if let Some(cause) = failure {
            // Nothing follows a close frame, not even what handlers send when they are told.
            out.finish(link);
            // A handler that closed it a moment before came first.
            self.run_jobs(out);
            self.probe_gone(link);
            self.leave(link, &cause, out);
        }
    }

    fn frame_message(&mut self, link: LinkId, message: Message<'_>, out: &mut Outlet) -> Turn {
        match self.sessions.get(link.slot as usize) {
            Some(Session::WebSocket(ws)) => {
                let number = ws.endpoint;
                self.core.own_stats().messages_in.add(1);
                let may = self.may_say(link, out);
                let endpoint = self.shared.router.endpoint_by_number(number);
                let cx = Context { core: &mut self.core, out };
                if may {
                    Socket { cx, link }.run("on_message", |socket| endpoint.on_message(socket, message));
                } else if cx.out.state(link) == LinkState::Open {
                    let told = |socket: &mut Socket<'_>| endpoint.on_rate_limited(socket, message);
                    Socket { cx, link }.run("on_rate_limited", told);
                }
                Turn::Next
            }
            Some(Session::Engine(_)) => self.engine_frame(link, &message, out),
            Some(Session::Probe(_)) => {
                let text = match message {
                    Message::Text(text) => Some(text),
                    Message::Binary(_) => None,
                };
                self.probe_message(link, text, out)
            }
            _ => Turn::Next,
        }
    }

    /// The WebSocket of a link's session, to be put back, and the largest message that it takes.
    fn take_websocket(&mut self, link: LinkId) -> Option<(WebSocket, usize)> {
        let limit = self.core.limits.message_bytes;
        let router = &self.shared.router;
        let payload = |mount| router.mount(mount).options.max_payload_bytes.min(limit);
        Some(match self.sessions.get_mut(link.slot as usize)? {
            Session::WebSocket(ws) => (std::mem::take(&mut ws.session), limit),
            Session::Engine(engine) => (std::mem::take(&mut engine.ws), payload(engine.mount)),
            Session::Probe(probe) => (std::mem::take(&mut probe.ws), payload(probe.mount)),
            Session::Gone | Session::Http(_) | Session::Arriving => return None,
        })
    }

    fn put_websocket(&mut self, link: LinkId, session: WebSocket) {
        match self.sessions.get_mut(link.slot as usize) {
            Some(Session::WebSocket(ws)) => ws.session = session,
            Some(Session::Engine(engine)) => engine.ws = session,
            Some(Session::Probe(probe)) => probe.ws = session,
            _ => {}
        }
    }

    /// Whether what is queued should leave before more is caused.
    pub(super) fn is_congested(&self, out: &Outlet) -> bool {
        out.is_urgent() || self.core.is_crowded()
    }
}
