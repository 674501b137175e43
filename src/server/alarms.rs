//! Alarms that are due: whom they are for is told.

use super::socketio::Inside;
use super::worker::{Session, Worker};
use crate::app::socketio::NamespaceId;
use crate::app::{Alarm, Context, Endpoint, PLAIN, Served, Socket};
use crate::base::ids::LinkId;
use crate::reactor::outlet::Outlet;

/// How many go off in one turn: thousands of tokens may end in the same second.
const ALARMS_A_TURN: usize = 64;

/// After which time one who waits to be let in is looked at again, in milliseconds.
const WAIT_MS: u64 = 1_000;

/// The same of one that is on its way to another reactor, which takes a few turns.
const MOVE_MS: u64 = 20;

impl Worker {
    /// Tells those whose time has come.
    pub(super) fn ring_alarms(&mut self, out: &mut Outlet) {
        for _ in 0..ALARMS_A_TURN {
            let Some(alarm) = self.core.alarms.take_due(self.core.now.unix_ms) else { return };
            self.ring(alarm, out);
            self.run_jobs(out);
        }
    }

    fn ring(&mut self, alarm: Alarm, out: &mut Outlet) {
        let Alarm { link, number, epoch } = alarm;
        if out.id_of(link.slot) != Some(link) {
            return;
        }
        if self.is_on_its_way(link) {
            // It takes its alarm along. What its handlers publish here may go to the other reactor's rooms, where nobody
            // knows that it is the sender.
            return self.core.alarms.set(alarm, Some(self.core.now.unix_ms + MOVE_MS));
        }
        let shared = self.shared.clone();
        if number == PLAIN {
            return match self.sessions.get(link.slot as usize) {
                Some(Session::WebSocket(ws)) => {
                    let endpoint = shared.router.endpoint_by_number(ws.endpoint);
                    self.ring_plain(endpoint, link, out);
                }
                Some(Session::Engine(engine)) => {
                    if let Served::Endpoint(endpoint) = &shared.router.mount(engine.mount).served {
                        self.ring_plain(&**endpoint, link, out);
                    }
                }
                _ => {}
            };
        }
        let Some(session) = self.core.sio.get(link).filter(|session| !session.closed) else { return };
        let (mount, revision) = (session.mount, session.revision);
        let member = session.member(number).filter(|member| member.epoch == epoch);
        let Some((definition, waits)) = member.map(|member| (member.definition, member.waits)) else {
            return;
        };
        if waits {
            // It is not told before it is connected, and not forgotten.
            return self.core.alarms.set(alarm, Some(self.core.now.unix_ms + WAIT_MS));
        }
        let Served::SocketIo(socketio) = &shared.router.mount(mount).served else { return };
        let namespace = socketio.namespace_at(definition);
        let name = self.name_at(namespace, number);
        let inside = Inside { at: NamespaceId { mount, number }, name: &name, namespace };
        let mut socket = self.socket(link, inside, epoch, revision, out);
        for handler in &namespace.listeners.on_alarm {
            if socket.is_connected() {
                socket.run("alarm", |socket| handler(socket));
            }
        }
    }

    fn ring_plain(&mut self, endpoint: &dyn Endpoint, link: LinkId, out: &mut Outlet) {
        let cx = Context { core: &mut self.core, out };
        Socket { cx, link }.run("on_alarm", |socket| endpoint.on_alarm(socket));
    }
}
