//! Deadlines of sessions: pings in both directions, and what Socket.IO has to wait for.
//!
//! Revision 4: the server pings, and the client has the ping timeout to answer. Revision 3: the client pings, and the
//! session ends when it has been silent for interval and timeout. Sweeps are coarse (a tick), so that deadlines are
//! looked at by the millisecond when a request arrives.

use super::Engine;
use crate::app::{CloseCause, EngineOptions};
use crate::base::ids::LinkId;
use crate::base::time::{Now, TICK_MS};
use crate::reactor::outlet::{LinkState, Outlet};
use crate::server::worker::Worker;
use crate::wire::engine::{PacketType, Revision, text_frame};

impl Engine {
    /// When a new session, or one that was just heard of, has to be heard of again.
    pub(super) fn first_due(revision: Revision, options: &EngineOptions, now: Now) -> u32 {
        match revision {
            Revision::Three => now.in_ms(options.ping_interval_ms.saturating_add(options.ping_timeout_ms)),
            Revision::Four => now.in_ms(options.ping_interval_ms),
        }
    }

    /// Whether it should have ended by now, whatever the sweeps have found so far.
    pub(super) fn is_overdue(&self, options: &EngineOptions, now: Now) -> bool {
        let wait = match self.revision {
            Revision::Four if !self.awaits_pong => options.ping_timeout_ms,
            _ => 0,
        };
        now.is_past(self.due.wrapping_add(wait))
    }
}

impl Worker {
    /// Any packet of a client of revision 3 counts as a sign of life.
    pub(super) fn engine_heard(&mut self, link: LinkId, out: &mut Outlet) {
        let now = self.core.now;
        let Some(engine) = self.engine(link) else { return };
        if engine.revision == Revision::Three {
            let mount = engine.mount;
            let due = Engine::first_due(Revision::Three, &self.mount(mount).options, now);
            if let Some(engine) = self.engine(link) {
                engine.due = due;
            }
            self.engine_reschedule(link, out);
        }
    }

    /// Sets the link's deadline to whatever comes first.
    pub(in crate::server) fn engine_reschedule(&mut self, link: LinkId, out: &mut Outlet) {
        let now = self.core.now;
        let other = self.core.sio.get(link).and_then(|session| session.next_due(now));
        let Some(engine) = self.engine(link) else { return };
        if engine.left {
            return;
        }
        let pings = engine.revision == Revision::Four && !engine.awaits_pong;
        // A ping may be a little early, an end may not.
        let own = if pings { now.tick_of(engine.due) } else { now.tick_after(engine.due) };
        let other = other.map(|at| now.tick_after(at));
        out.set_deadline(link, other.map_or(own, |other| other.min(own)));
    }

    /// The deadline has come.
    pub(in crate::server) fn engine_expired(&mut self, link: LinkId, out: &mut Outlet) {
        let now = self.core.now;
        let Some(engine) = self.engine(link) else { return };
        if engine.polling.is_some() && engine.left {
            // Nobody asked for the end.
            return self.polling_part(link, out);
        }
        if out.state(link) != LinkState::Open {
            // Nobody answered it.
            return out.abort(link);
        }
        let (mount, revision, awaits_pong, due) =
            (engine.mount, engine.revision, engine.awaits_pong, engine.due);
        if revision == Revision::Four && !awaits_pong && now.is_past(due.wrapping_sub(TICK_MS as u32)) {
            let timeout = self.mount(mount).options.ping_timeout_ms;
            if let Some(engine) = self.engine(link) {
                engine.awaits_pong = true;
                engine.due = now.in_ms(timeout);
            }
            out.send_control(link, &text_frame(PacketType::Ping, ""));
        } else if (revision == Revision::Three || awaits_pong) && now.is_past(due) {
            out.note(link, log::Level::Info, || "no answer to the heartbeat: closed".to_owned());
            return self.engine_close(link, &CloseCause::Idle, out);
        }
        if !self.socketio_expired(link, out) {
            return self.engine_close(link, &CloseCause::Idle, out);
        }
        self.engine_reschedule(link, out);
    }
}
