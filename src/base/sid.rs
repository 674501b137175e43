//! Ids that clients see: where their owner lives, and a keyed MAC, so that they are unguessable and nothing is stored.
//!
//! An id has 15 bytes, printed as 20 characters of base64url: the node (16 bits), a MAC (40 bits), and the place
//! (reactor 6, slot 22, generation 32, epoch 4 bits), which is hidden under a stream that the MAC seeds. Checking one
//! is computing it again. The MAC covers the place and the *realm*: nothing for an Engine.IO session, the namespace
//! for a Socket.IO socket, so that the one cannot be passed off as the other.
//!
//! The whole generation, because ids are not forgotten by those who had them: when it comes round, an old id is that
//! of somebody else. And a MAC of 40 bits is enough, because who guesses one does not know which place it names: that
//! has to be one of a few thousand among 2^64.

use super::ids::{LinkId, ReactorId};
use std::hash::{BuildHasher, RandomState};

/// The largest number that a node can be given. An id begins with it: two characters, of 6 bits each.
pub const MAX_NODE: u16 = 0xfff;
/// Characters of an id.
pub const SID_LEN: usize = 20;
/// The most links of one reactor that ids can tell apart.
pub const MAX_SLOTS: usize = 1 << 22;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const MAC_BITS: u32 = 40;
const PLACE_BITS: u32 = 64;

/// Where the owner of an id lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The reactor.
    pub reactor: ReactorId,
    /// The slot of the link that the session is.
    pub slot: u32,
    /// Its generation.
    pub generation: u32,
    /// Tells apart what one session was in a realm one time and the next; 4 bits.
    pub epoch: u8,
}

impl Place {
    /// The place of a link.
    pub fn of(reactor: ReactorId, link: LinkId, epoch: u8) -> Place {
        debug_assert!((link.slot as usize) < MAX_SLOTS);
        Place { reactor, slot: link.slot, generation: link.generation, epoch: epoch & 15 }
    }

    /// Whether a link has this place.
    pub fn is(&self, link: LinkId) -> bool {
        self.slot == link.slot && self.generation == link.generation
    }

    fn to_bits(self) -> u64 {
        (u64::from(self.reactor.0) << 58)
            | (u64::from(self.slot) << 36)
            | (u64::from(self.generation) << 4)
            | u64::from(self.epoch)
    }

    fn from_bits(bits: u64) -> Place {
        Place {
            reactor: ReactorId((bits >> 58) as u8),
            slot: (bits >> 36) as u32 & 0x003f_ffff,
            generation: (bits >> 4) as u32,
            epoch: bits as u8 & 15,
        }
    }
}

/// An id as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid([u8; SID_LEN]);

impl Sid {
    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Display for Sid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for Sid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sid({self})")
    }
}

/// The key of a node's ids. Every server that starts has another.
#[derive(Clone, Debug)]
pub struct SidKey {
    node: u16,
    // SipHash, a pseudorandom function of what is hashed, under two keys that differ.
    mac: RandomState,
    stream: RandomState,
}

impl SidKey {
    /// The place that the id of a socket of a namespace names, if it is one. An id of a 2.x client carries the namespace
    /// in front of that of its session.
    pub fn place_in(&self, namespace: &str, id: &str) -> Option<Place> {
        if let Some(place) = self.place(id, namespace) {
            return Some(place);
        }
        match id.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('#')) {
            Some(session) => self.place(session, ""),
            None if namespace == "/" => self.place(id, ""),
            None => None,
        }
    }

    /// A random key for a node with a random number.
    pub fn random() -> SidKey {
        let mac = RandomState::new();
        SidKey { node: mac.hash_one("node") as u16, mac, stream: RandomState::new() }
    }

    /// A random key for a node with this number, at most [`MAX_NODE`]; the rest of the 16 bits is random.
    pub fn of_node(number: u16) -> SidKey {
        let key = SidKey::random();
        SidKey { node: number << 4 | key.node & 15, ..key }
    }

    /// The id of a place in a realm.
    pub fn sid(&self, place: Place, realm: &str) -> Sid {
        let bits = place.to_bits();
        let mac = self.mac(bits, realm);
        let hidden = bits ^ self.stream(mac);
        let mut all = (u128::from(self.node) << (MAC_BITS + PLACE_BITS))
            | (u128::from(mac) << PLACE_BITS)
            | u128::from(hidden);
        let mut text = [0; SID_LEN];
        for digit in text.iter_mut().rev() {
            *digit = DIGITS[(all & 63) as usize];
            all >>= 6;
        }
        Sid(text)
    }

    /// The place that an id of this node names, if it is one of this realm.
    pub fn place(&self, text: &str, realm: &str) -> Option<Place> {
        let text: &[u8; SID_LEN] = text.as_bytes().try_into().ok()?;
        let mut all = 0u128;
        for byte in text {
            let digit = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return None,
            };
            all = (all << 6) | u128::from(digit);
        }
        let mac = (all >> PLACE_BITS) as u64 & ((1 << MAC_BITS) - 1);
        let bits = all as u64 ^ self.stream(mac);
        // Whoever tries is told nothing by the time that this takes: the MAC is of what was found, not of a secret
        // that is the same for every attempt.
        let same = (all >> (MAC_BITS + PLACE_BITS)) as u16 == self.node && mac == self.mac(bits, realm);
        same.then(|| Place::from_bits(bits))
    }

    fn mac(&self, bits: u64, realm: &str) -> u64 {
        self.mac.hash_one((bits, realm)) >> (64 - MAC_BITS)
    }

    fn stream(&self, mac: u64) -> u64 {
        self.stream.hash_one(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> [Place; 3] {
        let place = |reactor, slot, generation, epoch| {
            Place::of(ReactorId(reactor), LinkId { slot, generation }, epoch)
        };
        [place(0, 0, 0, 0), place(63, MAX_SLOTS as u32 - 1, u32::MAX, 15), place(5, 12_345, 678_901, 3)]
    }

    #[test]
    fn an_id_is_read_back_in_its_realm_only() {
        for node in [0, 1, u16::MAX] {
            let key = SidKey { node, ..SidKey::random() };
            for place in places() {
                for realm in ["", "/", "/admin"] {
                    let sid = key.sid(place, realm);
                    assert_eq!(sid.as_str().len(), SID_LEN);
                    assert_eq!(key.place(sid.as_str(), realm), Some(place));
                    assert_eq!(key.place(sid.as_str(), "/other"), None);
                    assert_eq!(SidKey { node, ..SidKey::random() }.place(sid.as_str(), realm), None);
                    assert_eq!(SidKey { node: node ^ 1, ..key.clone() }.place(sid.as_str(), realm), None);
                }
            }
        }
    }

    #[test]
    fn ids_begin_with_the_number_of_their_node() {
        for (number, start) in [(0, "AA"), (1, "AB"), (3, "AD"), (64, "BA"), (MAX_NODE, "__")] {
            let (key, again) = (SidKey::of_node(number), SidKey::of_node(number));
            for place in places() {
                let sid = key.sid(place, "");
                assert!(sid.as_str().starts_with(start), "{number}: {sid}");
                assert_eq!((key.place(sid.as_str(), ""), again.place(sid.as_str(), "")), (Some(place), None));
            }
        }
    }

    #[test]
    fn an_old_id_is_never_that_of_a_later_link() {
        let key = SidKey::random();
        let old = Place::of(ReactorId(0), LinkId { slot: 7, generation: 1 }, 0);
        for bit in 0..32 {
            let link = LinkId { slot: 7, generation: 1 ^ (1 << bit) };
            assert_eq!(key.place(key.sid(old, "").as_str(), "").map(|place| place.is(link)), Some(false));
        }
    }

    #[test]
    fn no_character_can_be_changed() {
        let key = SidKey::random();
        let sid = key.sid(places()[2], "/").as_str().to_owned();
        for at in 0..SID_LEN {
            for other in DIGITS.iter().filter(|digit| **digit != sid.as_bytes()[at]) {
                let mut changed = sid.clone().into_bytes();
                changed[at] = *other;
                assert_eq!(key.place(std::str::from_utf8(&changed).unwrap(), "/"), None);
            }
        }
        for wrong in [
            "",
            "a",
            "AAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAA=",
            "éAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(key.place(wrong, "/"), None);
        }
    }

    #[test]
    fn neighbours_look_nothing_alike() {
        let key = SidKey::random();
        let first = key.sid(places()[0], "").as_str().to_owned();
        let second = key.sid(Place { slot: 1, ..places()[0] }, "").as_str().to_owned();
        let same = first.bytes().zip(second.bytes()).skip(3).filter(|(a, b)| a == b).count();
        assert!(same < 8, "{first} {second}");
    }
}
