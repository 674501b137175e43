//! Alarms: what is to happen to a socket at a time of the clock, such as the end of what its token allows.
//!
//! Owns: the times of a reactor's sockets, in a table of their own, so that a socket without one costs nothing. Leaves
//! to others: telling handlers (`server`). A socket has one at most; a later call moves it.

use super::socket::Socket;
use super::socketio;
use crate::base::ids::LinkId;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The clock of the system may be set: it is looked at again after this time, in milliseconds.
const LOOK_AGAIN_MS: u64 = 60_000;

/// Which socket: its slot, and the number of its namespace.
type At = (u32, u32);

/// Stands for the namespace of a plain socket, which has none.
pub(crate) const PLAIN: u32 = u32::MAX;

/// An alarm that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) link: LinkId,
    /// Of its namespace.
    pub(crate) number: u32,
    pub(crate) epoch: u8,
}

/// The alarms of a reactor.
#[derive(Default)]
pub(crate) struct Alarms {
    by_time: BTreeMap<(u64, At), Alarm>,
    by_socket: HashMap<At, u64>,
}

impl Alarms {
    /// Sets, moves or removes the alarm of a socket; times in milliseconds since 1970.
    pub(crate) fn set(&mut self, alarm: Alarm, at_unix_ms: Option<u64>) {
        let at = (alarm.link.slot, alarm.number);
        self.remove(at.0, at.1);
        if let Some(time) = at_unix_ms {
            self.by_time.insert((time, at), alarm);
            self.by_socket.insert(at, time);
        }
    }

    /// The socket has left.
    pub(crate) fn remove(&mut self, slot: u32, number: u32) {
        if !self.by_socket.is_empty()
            && let Some(time) = self.by_socket.remove(&(slot, number))
        {
            self.by_time.remove(&(time, (slot, number)));
        }
    }

    /// When the alarm of a plain socket is, which leaves for another reactor.
    pub(crate) fn take_plain(&mut self, slot: u32) -> Option<u64> {
        let time = self.by_socket.get(&(slot, PLAIN)).copied()?;
        self.remove(slot, PLAIN);
        Some(time)
    }

    /// It has come there.
    pub(crate) fn put_plain(&mut self, link: LinkId, at_unix_ms: u64) {
        self.set(Alarm { link, number: PLAIN, epoch: 0 }, Some(at_unix_ms));
    }

    /// Takes one out that is due.
    pub(crate) fn take_due(&mut self, now_unix_ms: u64) -> Option<Alarm> {
        let first = self.by_time.first_entry().filter(|first| first.key().0 <= now_unix_ms)?;
        let ((_, at), alarm) = first.remove_entry();
        self.by_socket.remove(&at);
        Some(alarm)
    }

    /// How long until the first one may be due; nothing if there is none.
    pub(crate) fn until_due(&self, now_unix_ms: u64) -> Option<Duration> {
        let ((time, _), _) = self.by_time.first_key_value()?;
        Some(Duration::from_millis(time.saturating_sub(now_unix_ms).min(LOOK_AGAIN_MS)))
    }

    pub(crate) fn trim(&mut self) {
        self.by_socket.shrink_to_fit();
    }
}

impl Socket<'_> {
    /// Has [`Endpoint::on_alarm`](crate::Endpoint::on_alarm) called at a time, in milliseconds since 1970; `None`
    /// takes that back. A socket has one alarm: the next call moves it.
    ///
    /// A socket without one costs nothing for this; one with it about 80 bytes.
    pub fn set_alarm(&mut self, at_unix_ms: Option<u64>) {
        let core = &mut *self.cx.core;
        if core.hub.scope_of(self.link.slot).is_some() {
            let alarm = Alarm { link: self.link, number: PLAIN, epoch: 0 };
            core.alarms.set(alarm, at_unix_ms);
        }
    }
}

impl socketio::Socket<'_> {
    /// Has [`Namespace::on_alarm`](socketio::Namespace::on_alarm) called at a time, in milliseconds since 1970; `None`
    /// takes that back. A socket has one alarm: the next call moves it. It ends with the socket.
    ///
    /// A socket without one costs nothing for this; one with it about 80 bytes.
    pub fn set_alarm(&mut self, at_unix_ms: Option<u64>) {
        let alarm = Alarm { link: self.link, number: self.at.number, epoch: self.epoch };
        if self.is_connected() {
            self.cx.core.alarms.set(alarm, at_unix_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(slot: u32, number: u32) -> Alarm {
        Alarm { link: LinkId { slot, generation: 1 }, number, epoch: 0 }
    }

    #[test]
    fn alarms_are_due_in_the_order_of_their_times_once() {
        let mut alarms = Alarms::default();
        assert_eq!(alarms.until_due(0), None);
        alarms.set(alarm(1, PLAIN), Some(2_000));
        alarms.set(alarm(2, 0), Some(1_000));
        alarms.set(alarm(2, 1), Some(1_000));
        alarms.set(alarm(3, 0), Some(500_000));
        assert_eq!(alarms.until_due(400), Some(Duration::from_millis(600)));
        assert_eq!(alarms.take_due(999), None);
        assert_eq!(alarms.take_due(1_000), Some(alarm(2, 0)));
        // One that has left, and one that was moved.
        alarms.remove(2, 1);
        alarms.set(alarm(1, PLAIN), Some(3_000));
        assert_eq!(alarms.take_due(2_500), None);
        assert_eq!(alarms.take_due(3_000), Some(alarm(1, PLAIN)));
        assert_eq!(alarms.until_due(3_000), Some(Duration::from_millis(LOOK_AGAIN_MS)));
        alarms.set(alarm(3, 0), None);
        assert_eq!((alarms.until_due(0), alarms.take_due(u64::MAX)), (None, None));
        assert!(alarms.by_socket.is_empty() && alarms.by_time.is_empty());
    }
}
