//! What clients may publish to: rules by scope, from the configuration, and targets, from a client's token.
//!
//! A rule is `SCOPE:TARGET`, with a `!` in front if it forbids. A target is a kind and a pattern of names: `client:*`,
//! `group:news-*`, `room:chat-{user}`; `domain` alone is everybody in a domain, `*` everything. Something may be
//! published to if one rule allows it and none forbids it.

use super::patterns::Pattern;
use std::fmt;
use std::str::FromStr;

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// A client of `/ws`.
    Client(&'a str),
    /// A group of `/ws`.
    Group(&'a str),
    /// Everybody in a domain of `/ws`.
    Domain,
    /// A user or a group of Socket.IO.
    Room(&'a str),
}

/// Whom messages may be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Targets {
    Everything,
    Domain,
    Clients(Pattern),
    Groups(Pattern),
    Rooms(Pattern),
}

/// A rule that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRule;

impl FromStr for Targets {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Targets, BadRule> {
        let pattern = |text| Pattern::parse(text).ok_or(BadRule);
        match text.split_once(':') {
            None if text == "*" => Ok(Targets::Everything),
            None if text == "domain" => Ok(Targets::Domain),
            Some(("client", names)) => pattern(names).map(Targets::Clients),
            Some(("group", names)) => pattern(names).map(Targets::Groups),
            Some(("room", names)) => pattern(names).map(Targets::Rooms),
            _ => Err(BadRule),
        }
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Targets::Everything => f.write_str("*"),
            Targets::Domain => f.write_str("domain"),
            Targets::Clients(pattern) => write!(f, "client:{}", pattern.as_str()),
            Targets::Groups(pattern) => write!(f, "group:{}", pattern.as_str()),
            Targets::Rooms(pattern) => write!(f, "room:{}", pattern.as_str()),
        }
    }
}

impl Targets {
    /// Whether somebody is among them; `user` is the sender.
    pub(crate) fn has(&self, target: Target<'_>, user: Option<&str>) -> bool {
        match (self, target) {
            (Targets::Everything, _) | (Targets::Domain, Target::Domain) => true,
            (Targets::Clients(pattern), Target::Client(name))
            | (Targets::Groups(pattern), Target::Group(name))
            | (Targets::Rooms(pattern), Target::Room(name)) => pattern.is_match(name, user),
            _ => false,
        }
    }
}

/// One rule of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    forbids: bool,
    /// Of domains and of namespaces, which begin with a slash.
    scope: Pattern,
    targets: Targets,
}

impl FromStr for Rule {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Rule, BadRule> {
        let (forbids, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (scope, targets) = rest.split_once(':').filter(|_| !rest.starts_with('!')).ok_or(BadRule)?;
        let scope = Pattern::parse(scope).ok_or(BadRule)?;
        Ok(Rule { forbids, scope, targets: targets.parse()? })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.forbids { "!" } else { "" };
        write!(f, "{sign}{}:{}", self.scope.as_str(), self.targets)
    }
}

/// Whether a client of a scope may publish to somebody by these rules.
pub(super) fn allow(rules: &[Rule], scope: &str, target: Target<'_>, user: Option<&str>) -> bool {
    let mut allowed = false;
    for rule in rules.iter().filter(|rule| rule.scope.is_match(scope, user)) {
        if rule.targets.has(target, user) {
            if rule.forbids {
                return false;
            }
            allowed = true;
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_shown_as_they_were_written() {
        for text in [
            "d1:group:news-*",
            "*:*",
            "!*:domain",
            "/:room:chat-{user}",
            "/chat:*",
            "a?b:client:x:y",
            "d:client:*",
        ] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
        for bad in ["", "*", "d1", "d1:", ":*", "d1:group", "d1:group:", "d1:user:x", "!!*:*", "d1:domain:x"]
        {
            assert_eq!(bad.parse::<Rule>(), Err(BadRule), "{bad}");
        }
    }

    #[test]
    fn what_one_allows_and_none_forbids_may_be_published_to() {
        let rules: Vec<Rule> =
            ["d1:group:news-*", "d1:client:*", "!*:client:root", "/:room:{user}-*", "d2:*", "!d2:domain"]
                .map(|rule| rule.parse().unwrap())
                .into();
        let may = |scope, target| allow(&rules, scope, target, Some("ann"));
        assert!(may("d1", Target::Group("news-a")) && !may("d1", Target::Group("other")));
        assert!(may("d1", Target::Client("bob")) && !may("d1", Target::Client("root")));
        assert!(!may("d1", Target::Domain) && !may("d2", Target::Domain));
        assert!(may("d2", Target::Group("x")) && !may("d3", Target::Group("news-a")));
        assert!(may("/", Target::Room("ann-1")) && !may("/", Target::Room("bob-1")));
        assert!(!allow(&rules, "/", Target::Room("ann-1"), None));
        assert!(!allow(&[], "d1", Target::Domain, None));
    }
}
