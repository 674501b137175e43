//! How many connections each user has, over all reactors.
//!
//! Owns: the table, and [`Seat`], which is kept with a socket and gives its place back. Leaves the limit to the rules, which
//! a reload replaces; the table outlives them. Users are counted while there is a limit.

use super::Refused;
use compact_str::CompactString;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<HashMap<CompactString, usize>>);

/// A place of a user; it is free again when this is gone.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    user: CompactString,
}

impl Seats {
    /// A place for one more of a user, of whom there may be so many.
    ///
    /// # Errors
    /// There are.
    pub(super) fn take(self: &Arc<Seats>, user: &str, most: usize) -> Result<Seat, Refused> {
        let mut table = self.table();
        if table.get(user).is_some_and(|count| *count >= most) {
            return Err(Refused::too_many());
        }
        let user = CompactString::from(user);
        *table.entry(user.clone()).or_default() += 1;
        drop(table);
        Ok(Seat { seats: self.clone(), user })
    }

    fn table(&self) -> MutexGuard<'_, HashMap<CompactString, usize>> {
        // Nothing panics between two halves of a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.seats.table();
        let Some(count) = table.get_mut(&self.user) else {
            debug_assert!(false, "who has a seat is counted");
            return;
        };
        *count -= 1;
        if *count == 0 {
            table.remove(&self.user);
            // What a crowd needed once, its successors need not keep.
            if table.capacity() > 64 && table.len() < table.capacity() / 8 {
                table.shrink_to_fit();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_places_and_others_have_their_own() {
        let seats = Arc::new(Seats::default());
        let first = seats.take("ann", 2).unwrap();
        let second = seats.take("ann", 2).unwrap();
        assert_eq!(seats.take("ann", 2).unwrap_err(), Refused::too_many());
        let other = seats.take("bob", 2).unwrap();
        // Another limit holds from now on, for who is there as well.
        let third = seats.take("ann", 3).unwrap();
        assert!(seats.take("ann", 1).is_err());
        drop((first, third));
        assert!(seats.take("ann", 1).is_err());
        drop(second);
        let again = seats.take("ann", 1).unwrap();
        drop((again, other));
        assert!(seats.table().is_empty());
    }

    #[test]
    fn nothing_is_kept_of_whom_nobody_is_left() {
        let seats = Arc::new(Seats::default());
        let all: Vec<Seat> = (0..10_000).map(|n| seats.take(&n.to_string(), 1).unwrap()).collect();
        assert_eq!(seats.table().len(), 10_000);
        drop(all);
        assert!(seats.table().is_empty() && seats.table().capacity() <= 64);
    }

    #[test]
    fn no_thread_gets_a_place_too_many() {
        let seats = Arc::new(Seats::default());
        let taken: usize = std::thread::scope(|scope| {
            let take = || (0..1_000).filter_map(|_| seats.take("ann", 1_500).ok()).collect::<Vec<Seat>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            let seated: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            seated.iter().map(Vec::len).sum()
        });
        assert_eq!(taken, 1_500);
        assert!(seats.table().is_empty());
    }
}
