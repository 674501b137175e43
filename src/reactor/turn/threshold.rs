//! Between accepting a connection and telling the handler of it: the header of a proxy, then the TLS handshake.
//!
//! Links that are here are known to the outlet, which has their deadline, and to nobody else. Handshakes cost more than
//! anything else that a client can ask for with a few bytes: they wait in a line of their own, of which each turn does what
//! fits into a few milliseconds, so that a herd of newcomers delays nobody who is in.

use super::Reactor;
use super::kernel::send;
use crate::base::ids::LinkId;
use crate::reactor::outlet::{LinkState, Wires};
use crate::reactor::peer::Peer;
use crate::reactor::side::Side;
use crate::reactor::tls::{Certificates, Tunnel};
use crate::reactor::{Entry, EntryError, Handler};
use crate::wire::proxy::{self, HEADER_BYTES, Source};
use crate::wire::response::Response;
use rustix::io::Errno;
use rustix::net::{self, RecvFlags};
use std::collections::VecDeque;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// How long a turn takes steps of strangers; the rest waits for the next one. A full handshake takes 0.1 to 1 ms.
const BUDGET: Duration = Duration::from_millis(5);

const PEEK: RecvFlags = RecvFlags::PEEK.union(RecvFlags::DONTWAIT);

/// The connections that are nobody's yet.
#[derive(Debug)]
pub(super) struct Threshold {
    by_slot: Side<Box<Stranger>>,
    /// Those with something to do, longest waiting first. Invariant: each is here once, as it says itself.
    line: VecDeque<LinkId>,
}

#[derive(Debug)]
struct Stranger {
    link: LinkId,
    peer: Peer,
    admin: bool,
    stage: Stage,
    is_in_line: bool,
    /// No event will tell of what else there is to read.
    to_the_end: bool,
    /// Something was received in this stage.
    has_spoken: bool,
    /// Writable interest is registered.
    armed: bool,
}

#[derive(Debug)]
enum Stage {
    /// A header is to come, and then a handshake if there are certificates.
    Header(Option<Certificates>),
    Handshake(Box<Tunnel>),
    /// It was told why it is not let in.
    Leaving,
}

/// What comes of a step.
enum Step {
    /// More has to arrive, or to be sent.
    Wait,
    /// More may have arrived already.
    Again,
    /// It is through with its stage; whether its peer sends no more.
    Through(bool),
    /// It is gone.
    Gone,
    /// It is found wanting.
    Bad(EntryError, String),
    /// It speaks HTTP where TLS is spoken.
    Plain,
}

impl Threshold {
    pub(super) fn new() -> Threshold {
        Threshold { by_slot: Side::new(), line: VecDeque::new() }
    }

    /// Puts the link in line if it is here; false if it is not.
    pub(super) fn queue(&mut self, link: LinkId, to_the_end: bool) -> bool {
        // Not one that had the slot before: events may be late.
        let Some(stranger) = self.by_slot.get_mut(link.slot).filter(|stranger| stranger.link == link) else {
            return false;
        };
        if matches!(stranger.stage, Stage::Leaving) {
            return false;
        }
        stranger.to_the_end |= to_the_end;
        if !std::mem::replace(&mut stranger.is_in_line, true) {
            self.line.push_back(link);
        }
        true
    }

    /// Whether somebody is in line.
    pub(super) fn is_waiting(&self) -> bool {
        !self.line.is_empty()
    }

    /// Forgets a link that is freed; whether it was here.
    pub(super) fn forget(&mut self, link: LinkId) -> bool {
        self.by_slot.remove(link.slot).is_some()
    }

    /// Gives unused capacity back to the allocator.
    pub(super) fn trim(&mut self) {
        self.by_slot.trim();
        self.line.shrink_to(64);
    }
}

impl Stranger {
    fn new(link: LinkId, peer: Peer, admin: bool, certificates: Option<Certificates>) -> Stranger {
        Stranger {
            link,
            peer,
            admin,
            stage: Stage::Header(certificates),
            is_in_line: false,
            to_the_end: false,
            has_spoken: false,
            armed: false,
        }
    }

    /// It has ended its side: too early, if it had begun.
    fn ended(&self, error: EntryError) -> Step {
        if self.has_spoken { Step::Bad(error, "ended in the middle of it".to_owned()) } else { Step::Gone }
    }
}

impl<H: Handler> Reactor<H> {
    /// A connection that was just accepted: the handler's, or kept here until it is fit for that.
    pub(super) fn receive_stranger(
        &mut self,
        link: LinkId,
        peer: Peer,
        admin: bool,
        certificates: Option<Certificates>,
    ) {
        let has_header = peer.is_among(&self.proxies.get().protocol_from);
        if !has_header && certificates.is_none() {
            return self.handler.opened(link, Entry { peer, admin, secure: false }, &mut self.outlet);
        }
        let stranger = Stranger::new(link, peer, admin, certificates);
        self.threshold.by_slot.insert(link.slot, Box::new(stranger));
        self.outlet.set_deadline(link, self.handler.entry_deadline());
        if !has_header {
            self.end_stage(link, false);
        }
    }

    /// Lets those go on who wait, as far as this turn's time for that lasts.
    pub(super) fn enter(&mut self) {
        let begun = Instant::now();
        // Whoever joins the line now is for the next turn.
        for _ in 0..self.threshold.line.len() {
            let Some(link) = self.threshold.line.pop_front() else { break };
            if self.outlet.state(link) != LinkState::Open {
                continue;
            }
            if let Some(stranger) = self.threshold.by_slot.get_mut(link.slot) {
                stranger.is_in_line = false;
            }
            match self.step(link) {
                Step::Wait => {}
                Step::Again => drop(self.threshold.queue(link, false)),
                Step::Through(ended) => self.end_stage(link, ended),
                Step::Gone => self.outlet.abort(link),
                Step::Bad(error, why) => self.turn_away(link, error, &why),
                Step::Plain => self.answer_plain(link),
            }
            self.make_moves();
            self.flush_if_urgent();
            if begun.elapsed() > BUDGET {
                break;
            }
        }
    }

    /// A link whose deadline has come; false if it is none of those here.
    pub(super) fn stranger_expired(&mut self, link: LinkId) -> bool {
        let Some(stranger) = self.threshold.by_slot.get(link.slot) else { return false };
        let missing =
            if matches!(stranger.stage, Stage::Header(_)) { "PROXY header" } else { "TLS handshake" };
        self.turn_away(link, EntryError::Timeout, &format!("no whole {missing} in time"));
        true
    }

    fn turn_away(&mut self, link: LinkId, error: EntryError, why: &str) {
        let peer = self.threshold.by_slot.get(link.slot).map_or(Peer::Unknown, |stranger| stranger.peer);
        let what = match error {
            EntryError::Proxy => "PROXY header: ",
            EntryError::Tls => "TLS handshake: ",
            EntryError::Timeout => "",
        };
        log::info!("{peer}: refused: {what}{why}");
        self.handler.turned_away(error);
        self.outlet.abort(link);
    }

    fn step(&mut self, link: LinkId) -> Step {
        let Reactor { threshold, sockets, buffer, outlet, tunnels, .. } = self;
        let Some(stranger) = threshold.by_slot.get_mut(link.slot) else { return Step::Wait };
        let Some(Some(socket)) = sockets.get(link.slot as usize) else { return Step::Wait };
        match &mut stranger.stage {
            Stage::Leaving => Step::Wait,
            Stage::Header(_) => {
                // Nothing is taken from the kernel but the header, whole: so nothing has to be kept here.
                let seen = match net::recv(socket, &mut buffer[..HEADER_BYTES], PEEK) {
                    Ok((0, _)) => return stranger.ended(EntryError::Proxy),
                    Ok((seen, _)) => seen,
                    Err(Errno::AGAIN) => return Step::Wait,
                    Err(Errno::INTR) => return Step::Again,
                    Err(_) => return Step::Gone,
                };
                stranger.has_spoken = true;
                match proxy::read(&buffer[..seen]) {
                    Ok(None) if stranger.to_the_end => stranger.ended(EntryError::Proxy),
                    Ok(None) => Step::Wait,
                    Err(error) => Step::Bad(EntryError::Proxy, error.to_string()),
                    Ok(Some((source, length))) => {
                        if net::recv(socket, &mut buffer[..length], RecvFlags::DONTWAIT).is_err() {
                            return Step::Gone;
                        }
                        if let Source::Client(addr) = source {
                            stranger.peer = Peer::from(addr);
                            outlet.set_peer(link, stranger.peer);
                        }
                        Step::Through(false)
                    }
                }
            }
            Stage::Handshake(tunnel) => {
                let kept = tunnel.kept().len();
                let count = match net::recv(socket, &mut buffer[kept..], RecvFlags::DONTWAIT) {
                    Ok((0, _)) => return stranger.ended(EntryError::Tls),
                    Ok((count, _)) => count,
                    // It became writable.
                    Err(Errno::AGAIN) => {
                        return tunnel.flush(|bytes| send(socket, bytes)).map_or(Step::Gone, |_| Step::Wait);
                    }
                    Err(Errno::INTR) => return Step::Again,
                    Err(_) => return Step::Gone,
                };
                if !std::mem::replace(&mut stranger.has_spoken, true) && buffer[0].is_ascii_uppercase() {
                    return Step::Plain;
                }
                let more = stranger.to_the_end || kept + count == buffer.len();
                buffer[..kept].copy_from_slice(tunnel.kept());
                tunnels.plain.clear();
                let read = tunnel.read(&mut buffer[..kept + count], &mut tunnels.plain);
                // Also after an error: the peer is told of it.
                let flushed = tunnel.flush(|bytes| send(socket, bytes));
                match (read, flushed) {
                    (Err(error), _) => Step::Bad(EntryError::Tls, error.to_string()),
                    (_, Err(_)) => Step::Gone,
                    (Ok(ended), _) if !tunnel.is_handshaking() => Step::Through(ended),
                    (Ok(true), _) => stranger.ended(EntryError::Tls),
                    (Ok(false), Ok(flushed)) => {
                        stranger.armed |= !flushed;
                        if !flushed {
                            self.kernel().want_writable(link, true);
                        }
                        if more { Step::Again } else { Step::Wait }
                    }
                }
            }
        }
    }

    /// What comes after a stage that is over: a handshake, or the handler.
    fn end_stage(&mut self, link: LinkId, ended: bool) {
        let Some(stranger) = self.threshold.by_slot.get_mut(link.slot) else { return };
        if let Stage::Header(Some(certificates)) = &stranger.stage {
            match Tunnel::new(certificates) {
                Ok(tunnel) => {
                    stranger.stage = Stage::Handshake(Box::new(tunnel));
                    stranger.has_spoken = false;
                    // What has arrived already is not told again.
                    let to_the_end = stranger.to_the_end;
                    self.threshold.queue(link, to_the_end);
                }
                Err(error) => self.turn_away(link, EntryError::Tls, &error.to_string()),
            }
            return;
        }
        let Some(stranger) = self.threshold.by_slot.remove(link.slot) else { return };
        let Stranger { peer, admin, stage, armed, to_the_end, .. } = *stranger;
        let secure = matches!(stage, Stage::Handshake(_));
        if let Stage::Handshake(tunnel) = stage {
            self.tunnels.by_slot.insert(link.slot, tunnel);
        }
        if armed {
            // From now on it is the outlet that asks.
            self.kernel().want_writable(link, false);
        }
        self.handler.opened(link, Entry { peer, admin, secure }, &mut self.outlet);
        if secure {
            self.heard(link, ended);
        }
        self.outlet.note_ready(link, to_the_end);
    }

    fn answer_plain(&mut self, link: LinkId) {
        let Some(stranger) = self.threshold.by_slot.get_mut(link.slot) else { return };
        log::info!("{}: refused with 400: HTTP without TLS", stranger.peer);
        stranger.stage = Stage::Leaving;
        self.handler.turned_away(EntryError::Tls);
        let now = UNIX_EPOCH + Duration::from_millis(self.now.unix_ms);
        let response = Response::error(400, "tls_required", "this address speaks TLS: https:// and wss://")
            .header("Date", httpdate::fmt_http_date(now));
        let (head, body) = response.encode(false, false);
        for frame in std::iter::once(head).chain(body) {
            self.outlet.send_bytes(link, &frame);
        }
        self.outlet.finish(link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_here_is_in_line_once_and_nobody_else_is() {
        let mut threshold = Threshold::new();
        let at = |slot, generation| LinkId { slot, generation };
        assert!(!threshold.queue(at(3, 1), false));
        threshold.by_slot.insert(3, Box::new(Stranger::new(at(3, 2), Peer::Unix, false, None)));
        // Late, for the link before.
        assert!(!threshold.queue(at(3, 1), false) && !threshold.is_waiting());
        assert!(threshold.queue(at(3, 2), false) && threshold.queue(at(3, 2), true));
        assert_eq!(threshold.line, [at(3, 2)]);
        assert!(threshold.by_slot.get(3).unwrap().to_the_end);
        assert!(threshold.forget(at(3, 2)) && !threshold.forget(at(3, 2)));
        assert!(!threshold.queue(at(3, 2), false));
    }
}
