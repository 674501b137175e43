//! Engine.IO sessions (protocol revisions 3 and 4): their life, on whatever transport they are.
//!
//! A session is a link: a parked one while it is polled, the WebSocket's own afterwards or from the beginning. What is
//! sent to it waits in its outbox as WebSocket frames; a poll takes them from there, an upgrade lets them go.
//! [`request`] reads requests, [`polling`] answers them, [`upgrade`] has the WebSockets, [`heartbeat`] the deadlines.

mod heartbeat;
mod polling;
mod request;
mod upgrade;

pub(super) use polling::Polling;
pub(super) use request::{Call, Newcomer, Wants, look};
pub(super) use upgrade::{Probe, Turn};

use super::drain;
use super::worker::{Session, Worker};
use crate::app::{CLOSE_MS, CloseCause, Context, Mount, Served, Socket};
use crate::base::ids::LinkId;
use crate::base::sid::{Place, Sid};
use crate::base::time::Tick;
use crate::reactor::outlet::{LinkState, Outlet};
use crate::session::websocket::WebSocket;
use crate::wire::engine::{Data, Packet, PacketType, Revision, text_frame};
use crate::wire::frame::encode_close_empty;

/// Time for a client to ask for the news that its session has ended, in milliseconds.
const POLL_MS: u64 = 30_000;

/// One session.
pub(super) struct Engine {
    /// Of the link whose session it is: a slot is used again.
    generation: u32,
    pub(super) ws: WebSocket,
    /// There while it is polled.
    pub(super) polling: Option<Box<Polling>>,
    /// When something has to happen: a ping if `awaits_pong` is not set (revision 4), else the end.
    due: u32,
    pub(super) mount: u16,
    pub(super) revision: Revision,
    /// The client takes no binary messages.
    base64: bool,
    awaits_pong: bool,
    /// Its client has its first packet, and its handlers know of it.
    pub(super) opened: bool,
    /// It is out of everything, and its handlers know.
    pub(super) left: bool,
}

/// How a packet of a client ends its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It asked for that.
    Closed,
    /// It broke the protocol.
    Broken,
}

impl Worker {
    /// The session of a mount at a place, if it is there and not over.
    pub(super) fn engine_at(&self, place: Place, mount: u16, out: &Outlet) -> Option<LinkId> {
        let link = out.id_of(place.slot).filter(|link| place.is(*link))?;
        match self.sessions.get(link.slot as usize) {
            Some(Session::Engine(engine)) if engine.mount == mount && out.state(link) != LinkState::Dead => {
                Some(link)
            }
            _ => None,
        }
    }

    pub(super) fn engine(&mut self, link: LinkId) -> Option<&mut Engine> {
        match self.sessions.get_mut(link.slot as usize) {
            Some(Session::Engine(engine)) if engine.generation == link.generation => Some(engine),
            _ => None,
        }
    }

    pub(super) fn mount(&self, number: u16) -> &Mount {
        self.shared.router.mount(number)
    }

    /// The largest message, and the largest body, that a mount takes and announces, in bytes.
    pub(super) fn max_payload(&self, number: u16) -> usize {
        self.mount(number).options.max_payload_bytes.min(self.core.limits.message_bytes)
    }

    pub(super) fn sid_of(&self, link: LinkId) -> Sid {
        self.core.sids.sid(Place::of(self.core.reactor, link, 0), "")
    }

    /// A packet of a client.
    pub(super) fn engine_packet(
        &mut self,
        link: LinkId,
        packet: &Packet<'_>,
        out: &mut Outlet,
    ) -> Result<(), Fault> {
        let now = self.core.now;
        let is_open = out.state(link) == LinkState::Open;
        let Some(engine) = self.engine(link) else { return Ok(()) };
        if engine.left || !is_open {
            return Ok(());
        }
        if !engine.opened {
            // Its client does not know of it yet.
            return Err(Fault::Broken);
        }
        let (revision, mount) = (engine.revision, engine.mount);
        match (packet.kind, revision) {
            (PacketType::Message, _) => {
                self.engine_heard(link, out);
                self.core.own_stats().messages_in.add(1);
                self.engine_message(link, mount, &packet.data, out)
            }
            (PacketType::Ping, Revision::Three) => {
                self.engine_heard(link, out);
                out.send_control(link, &text_frame(PacketType::Pong, ""));
                Ok(())
            }
            (PacketType::Pong, Revision::Four) => {
                if std::mem::take(&mut engine.awaits_pong) {
                    let due = now.in_ms(self.mount(mount).options.ping_interval_ms);
                    if let Some(engine) = self.engine(link) {
                        engine.due = due;
                    }
                    self.engine_reschedule(link, out);
                }
                Ok(())
            }
            // The other side pings in the other revision.
            (PacketType::Ping | PacketType::Pong, _) => Err(Fault::Broken),
            (PacketType::Close, _) => Err(Fault::Closed),
            // They mean something only while a session begins or changes its transport.
            (PacketType::Open | PacketType::Upgrade | PacketType::Noop, _) => {
                self.engine_heard(link, out);
                Ok(())
            }
        }
    }

    fn engine_message(
        &mut self,
        link: LinkId,
        mount: u16,
        data: &Data<'_>,
        out: &mut Outlet,
    ) -> Result<(), Fault> {
        let shared = self.shared.clone();
        match &shared.router.mount(mount).served {
            Served::Endpoint(endpoint) => {
                let may = self.may_say(link, out);
                let message = match data {
                    Data::Text(text) => crate::app::Message::Text(text),
                    Data::Binary(bytes) => crate::app::Message::Binary(bytes),
                };
                let cx = Context { core: &mut self.core, out };
                if may {
                    Socket { cx, link }.run("on_message", |socket| endpoint.on_message(socket, message));
                } else if cx.out.state(link) == LinkState::Open {
                    let told = |socket: &mut Socket<'_>| endpoint.on_rate_limited(socket, message);
                    Socket { cx, link }.run("on_rate_limited", told);
                }
                Ok(())
            }
            Served::SocketIo(socketio) => self.socketio_message(socketio, link, data, out),
        }
    }

    /// Ends a session from this side, or because its client wanted or caused that.
    pub(super) fn engine_close(&mut self, link: LinkId, cause: &CloseCause, out: &mut Outlet) {
        let Some(engine) = self.engine(link).filter(|engine| !engine.left) else { return };
        let polled = engine.polling.is_some();
        let frame = match cause {
            CloseCause::Shutdown => crate::wire::frame::encode_close(1001, "server shutting down"),
            // Not a packet that says so: from those, clients do not come back.
            CloseCause::Drain => crate::wire::frame::encode_close(drain::CODE, drain::REASON),
            // As the reference has it: without a code, which a client cannot tell from a proxy's doing.
            _ => encode_close_empty(),
        };
        // First: what its handlers do when they are told does not come behind the end.
        if polled {
            let deadline = self.core.now.tick.plus_ms(POLL_MS);
            out.seal(link, deadline);
            // A handler that closes seals it, too.
            out.set_deadline(link, deadline);
        } else if out.send_control(link, &frame) {
            out.seal(link, self.core.now.tick.plus_ms(CLOSE_MS));
        }
        self.leave(link, cause, out);
        if polled {
            self.polling_close(link, cause, out);
        }
    }

    /// The server stops.
    pub(super) fn engine_stop(&mut self, link: LinkId, out: &mut Outlet) {
        let told = self.engine(link).is_some_and(|engine| engine.left && engine.polling.is_some());
        if told {
            // Whoever was to be told when it polls next does so too late.
            return self.polling_part(link, out);
        }
        self.engine_close(link, &CloseCause::Shutdown, out);
    }

    /// Tells handlers that a session is open.
    fn engine_opened(&mut self, link: LinkId, out: &mut Outlet) {
        let Some(engine) = self.engine(link) else { return };
        engine.opened = true;
        let (mount, revision) = (engine.mount, engine.revision);
        let shared = self.shared.clone();
        match &shared.router.mount(mount).served {
            Served::Endpoint(endpoint) => {
                let cx = Context { core: &mut self.core, out };
                Socket { cx, link }.run("on_open", |socket| endpoint.on_open(socket));
            }
            Served::SocketIo(socketio) => self.socketio_opened(socketio, link, revision, out),
        }
    }

    /// The session's link goes: a parked one that waits for nobody is freed at the end of this turn.
    fn engine_gone(&mut self, link: LinkId, out: &mut Outlet) {
        out.set_deadline(link, Tick::NEVER);
        out.abort(link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_fits_in_40_bytes() {
        // One more would cost 16: the allocator rounds up.
        assert!(size_of::<Engine>() <= 40, "{}", size_of::<Engine>());
    }
}
