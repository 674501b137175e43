//! What must hold between any two turns of a reactor whose sessions are polled.

use crate::reactor::outlet::Outlet;
use crate::server::worker::{Session, Worker};

impl Worker {
    /// What is said twice agrees: which connection has which session's requests.
    pub(in crate::server) fn check_polling(&self, out: &Outlet) {
        let (mut held, mut arriving) = (0, 0);
        for link in out.ids() {
            match &self.sessions[link.slot as usize] {
                Session::Engine(engine) => {
                    let Some(polling) = engine.polling.as_deref() else { continue };
                    assert!(out.is_parked(link), "a session without a wire that is not parked");
                    for asker in [&polling.held, &polling.put_off, &polling.farewell].into_iter().flatten() {
                        assert_eq!(out.id_of(asker.link.slot), Some(asker.link), "who asked is gone");
                    }
                    let Some(asker) = &polling.held else { continue };
                    held += 1;
                    let Session::Http(http) = &self.sessions[asker.link.slot as usize] else {
                        panic!("who polls does not speak HTTP");
                    };
                    assert_eq!(http.polls, Some(link));
                }
                Session::Http(http) => {
                    held -= i32::from(http.polls.is_some());
                    let session = http.posts.filter(|session| out.id_of(session.slot) == Some(*session));
                    if let Some(Session::Engine(engine)) =
                        session.and_then(|session| self.sessions.get(session.slot as usize))
                        && let Some(polling) = engine.polling.as_deref()
                    {
                        assert!(engine.left || polling.posting == Some(link), "a POST that nobody knows of");
                        arriving += 1;
                    }
                }
                _ => {}
            }
        }
        assert_eq!(held, 0, "connections that poll, and sessions that are polled");
        assert!(arriving <= out.len());
    }
}
