//! What clients say and hear, whatever carries it: commands in words, and messages that tell who sent them to whom.

use super::play::Target;
use super::wires::Dice;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) const ROOMS: [&str; 4] = ["g1", "g2", "g3", "g4"];

pub(super) struct Talk {
    pub(super) n: usize,
    pub(super) scope: String,
    /// The rooms that it knows it is in.
    pub(super) rooms: BTreeSet<String>,
    /// The rooms that it asked to join or to leave, and has no answer for.
    asked: BTreeMap<u64, String>,
    /// The latest message of each sender.
    last: BTreeMap<usize, u64>,
    /// Who sent which of its messages.
    pub(super) got: Vec<(usize, u64)>,
    pub(super) number: u64,
    /// What was sent to come back.
    pub(super) echoes: VecDeque<Vec<u8>>,
    /// The user that it is, as far as it knows; another one may be that by now.
    pub(super) user: Option<String>,
    users_asked: BTreeMap<u64, Option<String>>,
}

impl Talk {
    pub(super) fn new(n: usize, scope: &str) -> Talk {
        Talk {
            n,
            scope: scope.to_owned(),
            rooms: BTreeSet::new(),
            asked: BTreeMap::new(),
            last: BTreeMap::new(),
            got: Vec::new(),
            number: 0,
            echoes: VecDeque::new(),
            user: None,
            users_asked: BTreeMap::new(),
        }
    }

    /// Publishes to some rooms or other; `ask` wants to know what became of it.
    pub(super) fn publish(&mut self, word: &str, dice: &mut Dice) -> String {
        let room = |dice: &mut Dice| match dice.below(10) {
            0 => format!("@{}", dice.below(5)),
            1 => "nobody".to_owned(),
            _ => (*dice.pick(&ROOMS)).to_owned(),
        };
        let rooms: Vec<String> = (0..dice.below(4)).map(|_| room(dice)).collect();
        let except = if dice.chance(30) { vec![room(dice)] } else { Vec::new() };
        let target = Target { scope: self.scope.clone(), rooms, except };
        self.number += 1;
        let pad: String = ["é", "€uro ", "x", "🎉"].into_iter().cycle().take(dice.length(900)).collect();
        format!("{word} {} {} {pad}", self.number, target.words())
    }

    /// Joins or leaves a room.
    pub(super) fn move_about(&mut self, dice: &mut Dice) -> String {
        let room = *dice.pick(&ROOMS);
        let word = if dice.chance(60) { "join" } else { "leave" };
        self.number += 1;
        self.asked.insert(self.number, room.to_owned());
        format!("{word} {} {room}", self.number)
    }

    /// Becomes a user, or ceases to be one.
    pub(super) fn change_user(&mut self, dice: &mut Dice) -> String {
        self.number += 1;
        if dice.chance(75) {
            let user = format!("@{}", dice.below(5));
            self.users_asked.insert(self.number, Some(user.clone()));
            format!("claim {} {user}", self.number)
        } else {
            self.users_asked.insert(self.number, None);
            format!("release {}", self.number)
        }
    }

    pub(super) fn binary(&mut self, dice: &mut Dice) -> Vec<u8> {
        let payload: Vec<u8> = (0..dice.length(3_000)).map(|_| dice.next() as u8).collect();
        self.echoes.push_back(payload.clone());
        payload
    }

    /// Whether an answer is still to come.
    pub(super) fn waits(&self) -> bool {
        !self.asked.is_empty() || !self.users_asked.is_empty() || !self.echoes.is_empty()
    }

    pub(super) fn heard_binary(&mut self, payload: &[u8]) {
        assert_eq!(Some(payload), self.echoes.pop_front().as_deref(), "{}: a wrong echo", self.n);
    }

    pub(super) fn heard(&mut self, text: &str) {
        let words: Vec<&str> = text.splitn(7, ' ').collect();
        let number = |place: usize| -> u64 { words[place].parse().unwrap() };
        match words[0] {
            "hi" => assert_eq!(number(1), self.n as u64),
            "report" => assert!(number(1) <= self.number),
            "joined" => {
                let room = self.asked.remove(&number(1)).expect("a join that nobody asked for");
                self.rooms.insert(room);
            }
            "left" => {
                let room = self.asked.remove(&number(1)).expect("a leave that nobody asked for");
                self.rooms.remove(&room);
            }
            "full" => {
                let room = self.asked.remove(&number(1)).expect("a join that nobody asked for");
                assert!(!self.rooms.contains(&room));
            }
            "is" => {
                let user = self.users_asked.remove(&number(1)).expect("a claim that nobody asked for");
                if let Some(before) = std::mem::replace(&mut self.user, user.clone()) {
                    self.rooms.remove(&before);
                }
                self.rooms.extend(user);
            }
            "crowded" => {
                let user = self.users_asked.remove(&number(1)).expect("a claim that nobody asked for");
                assert!(user.is_some(), "nobody is refused to be nobody");
            }
            "a" => assert_ne!(number(1), self.n as u64, "somebody got its own alarm"),
            "m" => {
                let (from, count) = (number(1) as usize, number(2));
                let target = Target::parse(words[3], words[4], words[5]);
                assert_ne!(from, self.n, "a sender got its own message");
                assert_eq!(target.scope, self.scope, "a message left its scope");
                let is_in = |rooms: &[String]| rooms.iter().any(|room| self.rooms.contains(room));
                let wanted = target.rooms.is_empty() || is_in(&target.rooms);
                // A user may be somebody else's by now, without its knowing.
                let kept_out = target
                    .except
                    .iter()
                    .any(|room| self.rooms.contains(room) && self.user.as_ref() != Some(room));
                assert!(wanted && !kept_out, "{}: not for {:?}: {text}", self.n, self.rooms);
                let before = self.last.insert(from, count);
                let in_order = before.is_none_or(|before| before < count);
                assert!(in_order, "{} got {count} of {from} behind {before:?}", self.n);
                self.got.push((from, count));
            }
            _ => panic!("the server said {text:?}"),
        }
    }
}
