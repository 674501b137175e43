//! Who the connections are to the gateway: client id, domain and groups of each number.
//!
//! Worked out from the URL before anything connects, so that every worker knows who has to hear what.

use hashbrown::HashMap;

use crate::target::{Template, query_value};

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
    /// Reads the parameters of `count` connections out of their paths.
    pub fn new(path: &Template, count: u32) -> Self {
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
            roster.client.push(value("clientId").into());
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

    /// The client id, where it can be compared with a `from` (it is not percent-encoded).
    pub fn client(&self, number: u32) -> Option<&str> {
        let client = &*self.client[number as usize];
        (!client.is_empty() && !client.contains(['%', '+'])).then_some(client)
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
        self.groups[number as usize].first().map(|group| &*self.group_names[*group as usize])
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
        let roster = Roster::new(&path, 10);
        assert_eq!((roster.count(), roster.domains()), (10, 2));
        assert_eq!(roster.members(1), [1, 3, 5, 7, 9]);
        assert_eq!(roster.client(3), Some("c3"));
        assert_eq!(roster.group(5), Some("g1"));
        assert!(roster.hears(4, 2, false) && !roster.hears(3, 2, false) && !roster.hears(2, 2, false));
        assert!(roster.hears(6, 2, true) && !roster.hears(4, 2, true));
    }
}
