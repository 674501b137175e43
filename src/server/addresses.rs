//! How many connections each address has, over all reactors.
//!
//! Owns the table and which addresses are one. Leaves to [`super::places`] which connections are counted.

use hashbrown::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Parts of the table, each with a lock of its own: reactors seldom want the same one.
const SHARDS: usize = 64;

/// An address, as far as it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address(NonZeroU64);

impl Address {
    /// Of IPv6 its network of 64 bits: nobody is given less, and who has it has all addresses in it.
    pub(super) fn of(ip: IpAddr) -> Address {
        let number = match ip.to_canonical() {
            // Behind what no network of IPv6 begins with whose members connect: those are multicast.
            IpAddr::V4(ip) => 0xffff << 48 | u64::from(ip.to_bits()),
            IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
        };
        // Network zero, of `::1` among others, is as good a name as any that no client has.
        Address(NonZeroU64::new(number).unwrap_or(NonZeroU64::MAX))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Addresses([Mutex<HashMap<Address, usize>>; SHARDS]);

impl Addresses {
    pub(super) fn new() -> Addresses {
        Addresses(std::array::from_fn(|_| Mutex::default()))
    }

    /// One connection more; how many there are now.
    pub(super) fn enter(&self, address: Address) -> usize {
        let mut shard = self.shard(address);
        let count = shard.entry(address).or_default();
        *count += 1;
        *count
    }

    /// One less.
    pub(super) fn leave(&self, address: Address) {
        let mut shard = self.shard(address);
        let Some(count) = shard.get_mut(&address) else {
            debug_assert!(false, "who leaves has entered");
            return;
        };
        *count -= 1;
        if *count == 0 {
            shard.remove(&address);
            // What a crowd needed once, its successors need not keep.
            if shard.capacity() > 64 && shard.len() < shard.capacity() / 8 {
                shard.shrink_to_fit();
            }
        }
    }

    /// How many there are.
    pub(super) fn count(&self, address: Address) -> usize {
        self.shard(address).get(&address).copied().unwrap_or(0)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|shard| shard.lock().is_ok_and(|shard| shard.is_empty()))
    }

    fn shard(&self, address: Address) -> MutexGuard<'_, HashMap<Address, usize>> {
        // Neighbours differ in their last bits, in IPv4 and in what providers give out of IPv6.
        let number = address.0.get();
        let shard = &self.0[(number ^ (number >> 8) ^ (number >> 16)) as usize % SHARDS];
        // Nothing panics between two halves of a change.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::of(text.parse().unwrap())
    }

    #[test]
    fn a_network_of_64_bits_is_one_address_and_ipv4_is_itself() {
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
        assert_ne!(address("::1"), address("0.0.0.1"));
        assert_ne!(address("::c000:201"), address("192.0.2.1"));
    }

    #[test]
    fn nothing_is_kept_of_whom_nobody_is_left() {
        let addresses = Addresses::new();
        let all: Vec<Address> = (0..10_000u32).map(|n| Address::of(IpAddr::V4(n.into()))).collect();
        for (number, address) in all.iter().enumerate() {
            assert_eq!(addresses.enter(*address), 1);
            for more in 0..number % 3 {
                assert_eq!(addresses.enter(*address), 2 + more);
            }
        }
        for (number, address) in all.iter().enumerate() {
            assert_eq!(addresses.count(*address), 1 + number % 3);
            for _ in 0..1 + number % 3 {
                addresses.leave(*address);
            }
            assert_eq!(addresses.count(*address), 0);
        }
        let left = addresses.0.iter().map(|shard| shard.lock().unwrap());
        assert!(left.into_iter().all(|shard| shard.is_empty() && shard.capacity() <= 64));
    }
}
