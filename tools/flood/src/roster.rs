//! Who the connections are to the server: client id, domain and groups of each number.
//!
//! To a Socket.IO server they are a user and, as domain and as group, the group that they register in. Worked out
//! from the URL and the flags before anything connects, so that every worker knows who has to hear what.

use hashbrown::HashMap;

use crate::target::{Names, Target, Template, query_value};

/// The connections of a run, by number.
#[derive(Debug, Default)]
pub struct Roster {
    client: Vec<Box<str>>,
    domain: Vec<u32>,
    groups: Vec<Box<[u32]>>,
    group_names: Vec<Box<str>>,
    members: Vec<Vec<u32>>,
}

impl Roster {
    /// The `count` connections to a target.
    pub fn new(target: &Target, count: u32) -> Self {
        match &target.names {
            Some(names) => Self::from_names(names, count),
            None => Self::from_paths(&target.path, count),
        }
    }

    /// A room of Socket.IO is its own domain: only its name says who is in it.
    fn from_names(names: &Names, count: u32) -> Self {
        let mut roster = Self::default();
        let mut groups = HashMap::new();
        for number in 0..count {
            let name = names.group.expand(number);
            let fresh = groups.len() as u32;
            let group = *groups.entry(name).or_insert_with_key(|name| {
                roster.group_names.push(name.as_str().into());
                roster.members.push(Vec::new());
                fresh
            });
            roster.members[group as usize].push(number);
            roster.domain.push(group);
            roster.groups.push([group].into());
            roster.client.push(names.user.expand(number).into());
        }
        roster
    }

    /// Reads the parameters of connections out of their paths. What is percent-encoded cannot be compared with a
    /// `from`, and counts as no client id.
    fn from_paths(path: &Template, count: u32) -> Self {
        let mut roster = Self::default();
        let (mut domains, mut groups) = (HashMap::new(), HashMap::new());
        for number in 0..count {
            let path = path.expand(number);
            let value = |name| query_value(&path, name).unwrap_or_default();
            let fresh = domains.len() as u32;
            let domain = *domains.entry(value("bizCode").to_owned()).or_insert(fresh);
            if domain == fresh {
                roster.members.push(Vec::new());
            }
            roster.members[domain as usize].push(number);
            roster.domain.push(domain);
            roster.client.push(
                Some(value("clientId")).filter(|id| !id.contains(['%', '+'])).unwrap_or_default().into(),
            );
            let mine = value("group").split(',').filter(|name| !name.is_empty()).map(|name| {
                *groups.entry(name.to_owned()).or_insert_with(|| {
                    roster.group_names.push(name.into());
                    roster.group_names.len() as u32 - 1
                })
            });
            roster.groups.push(mine.collect());
        }
        roster
    }

    /// How many connections there are.
    pub fn count(&self) -> u32 {
        self.domain.len() as u32
    }

    /// The client id, or the user.
    pub fn client(&self, number: u32) -> Option<&str> {
        Some(&*self.client[number as usize]).filter(|client| !client.is_empty())
    }

    /// The domain, as an index.
    pub fn domain(&self, number: u32) -> u32 {
        self.domain[number as usize]
    }

    /// Every connection of a domain, in order.
    pub fn members(&self, domain: u32) -> &[u32] {
        &self.members[domain as usize]
    }

    /// How many domains there are.
    pub fn domains(&self) -> u32 {
        self.members.len() as u32
    }

    /// The name of the first group that a connection is in.
    pub fn group(&self, number: u32) -> Option<&str> {
        let name = self.groups[number as usize].first().map(|group| &*self.group_names[*group as usize]);
        name.filter(|name| !name.is_empty())
    }

    /// Whether `number` hears what `sender` says to its domain or, with `group`, to its first group.
    pub fn hears(&self, number: u32, sender: u32, group: bool) -> bool {
        let same_group = || match self.groups[sender as usize].first() {
            Some(group) => self.groups[number as usize].contains(group),
            None => false,
        };
        number != sender && self.domain(number) == self.domain(sender) && (!group || same_group())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_whom() {
        let path = Template::parse("/ws?bizCode=d{n%2}&clientId=c{n}&group=g{n%4},all").unwrap();
        let roster = Roster::from_paths(&path, 10);
        assert_eq!((roster.count(), roster.domains()), (10, 2));
        assert_eq!(roster.members(1), [1, 3, 5, 7, 9]);
        assert_eq!(roster.client(3), Some("c3"));
        assert_eq!(roster.group(5), Some("g1"));
        assert!(roster.hears(4, 2, false) && !roster.hears(3, 2, false) && !roster.hears(2, 2, false));
        assert!(roster.hears(6, 2, true) && !roster.hears(4, 2, true));
    }

    #[test]
    fn a_group_of_socketio_is_a_domain() {
        let template = |text| Template::parse(text).unwrap();
        let names = Names { user: template("u{n}"), group: template("g{n%3}") };
        let roster = Roster::from_names(&names, 7);
        assert_eq!((roster.count(), roster.domains()), (7, 3));
        assert_eq!(roster.members(0), [0, 3, 6]);
        assert_eq!((roster.client(4), roster.group(4)), (Some("u4"), Some("g1")));
        assert!(roster.hears(6, 3, true) && roster.hears(6, 3, false) && !roster.hears(5, 3, false));
        let nobody = Roster::from_names(&Names { user: template(""), group: template("") }, 2);
        assert_eq!((nobody.client(0), nobody.group(0)), (None, None));
    }
}
