//! What a client was granted: by the claims of its token, or by the answer of the webhook.

use super::patterns::Pattern;
use super::publish::{Target, Targets};
use compact_str::CompactString;
use fanfare::NAME_BYTES;
use serde_json::{Map, Value};

/// The most patterns, and the most groups, that a token may have.
const MOST: usize = 64;

/// The names of the claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimNames {
    pub(crate) user: String,
    pub(crate) groups: String,
    pub(crate) rooms: String,
    pub(crate) publish: String,
    /// Each of them that is there has to name the domain.
    pub(crate) domain: Vec<String>,
}

impl Default for ClaimNames {
    fn default() -> ClaimNames {
        ClaimNames {
            user: "sub".to_owned(),
            groups: "groups".to_owned(),
            rooms: "rooms".to_owned(),
            publish: "publish".to_owned(),
            domain: vec!["domain".to_owned(), "bizCode".to_owned()],
        }
    }
}

/// What a client may be and do; kept with each that came with a token, and therefore small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The only name that it may have; any if there is none.
    pub(crate) user: Option<CompactString>,
    /// Which it is in from the beginning.
    pub(crate) groups: Box<[CompactString]>,
    /// The groups that it may be in, besides those; any if nothing is said.
    rooms: Option<Box<[Pattern]>>,
    /// Whom it may publish to, as far as the rules allow that; all of them if nothing is said.
    publish: Option<Box<[Targets]>>,
    /// When that ends, in milliseconds since 1970.
    pub(crate) until_unix_ms: Option<u64>,
    /// Whom the webhook was told about; nothing if it was not asked.
    pub(crate) asked: Option<Box<Asked>>,
}

/// What of its question the webhook is told again when the client has a newer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) ip: Option<CompactString>,
    pub(crate) origin: Option<CompactString>,
}

impl Grant {
    /// Reads claims that are known to be genuine.
    ///
    /// # Errors
    /// Which one has a form that it cannot have: what was meant as a restriction must not be none.
    pub(super) fn read(claims: &Map<String, Value>, names: &ClaimNames) -> Result<Grant, String> {
        let user = match claims.get(&names.user) {
            None | Some(Value::Null) => None,
            Some(Value::String(user)) if is_name(user) => Some(user.into()),
            Some(_) => return Err(format!("{}: expected a name of 1 to {NAME_BYTES} bytes", names.user)),
        };
        let groups = strings(claims, &names.groups)?.unwrap_or_default();
        if !groups.iter().all(|group| is_name(group)) {
            return Err(format!("{}: expected names of 1 to {NAME_BYTES} bytes", names.groups));
        }
        let rooms = strings(claims, &names.rooms)?.map(|rooms| {
            let parsed: Option<Box<[Pattern]>> = rooms.iter().map(|room| Pattern::parse(room)).collect();
            parsed.ok_or_else(|| format!("{}: expected patterns of names", names.rooms))
        });
        let publish = strings(claims, &names.publish)?.map(|targets| {
            let parsed: Result<Box<[Targets]>, _> = targets.iter().map(|target| target.parse()).collect();
            parsed.map_err(|_| format!("{}: expected targets such as group:news-*", names.publish))
        });
        Ok(Grant {
            user,
            groups,
            rooms: rooms.transpose()?,
            publish: publish.transpose()?,
            until_unix_ms: None,
            asked: None,
        })
    }

    /// By the webhook, that was told this.
    pub(super) fn answered(mut self, asked: Box<Asked>) -> Grant {
        self.asked = Some(asked);
        self
    }

    /// In the place of another one of the same client.
    pub(crate) fn after(mut self, old: &Grant) -> Grant {
        self.asked = self.asked.or_else(|| old.asked.clone());
        self
    }

    /// Whether it is for this domain or namespace.
    pub(super) fn is_for(claims: &Map<String, Value>, names: &ClaimNames, scope: &str) -> bool {
        names.domain.iter().filter_map(|name| claims.get(name)).all(|claim| match claim {
            Value::String(one) => one == scope,
            Value::Array(several) => several.iter().any(|one| one == scope),
            _ => false,
        })
    }

    /// Whether it may be in a group; `user` is its own name.
    pub(crate) fn may_join(&self, group: &str, user: Option<&str>) -> bool {
        let Some(rooms) = &self.rooms else { return true };
        self.groups.iter().any(|own| own == group) || rooms.iter().any(|room| room.is_match(group, user))
    }

    /// Whether it may have a name. Names of users and of groups are not told apart in a namespace: where nobody said
    /// who it is, a name that is no room for it is no name for it either.
    pub(crate) fn may_be(&self, user: &str) -> bool {
        match &self.user {
            Some(own) => own == user,
            None => self.may_join(user, None),
        }
    }

    /// Whether it may publish to somebody, as far as it is up to the grant.
    pub(crate) fn may_publish(&self, target: Target<'_>, user: Option<&str>) -> bool {
        let Some(publish) = &self.publish else { return true };
        publish.iter().any(|targets| targets.has(target, user))
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES).contains(&name.len())
}

/// A list of strings, or one alone.
fn strings(claims: &Map<String, Value>, name: &str) -> Result<Option<Box<[CompactString]>>, String> {
    let list = match claims.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(one)) => Some([one.into()].into()),
        Some(Value::Array(several)) if several.len() <= MOST => {
            several.iter().map(|one| one.as_str().map(CompactString::from)).collect()
        }
        Some(_) => None,
    };
    list.map(Some).ok_or_else(|| format!("{name}: expected a string or a list of up to {MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(claims: &Value) -> Result<Grant, String> {
        Grant::read(claims.as_object().unwrap(), &ClaimNames::default())
    }

    #[test]
    fn claims_grant_what_they_say() {
        let grant = read(
            &json!({"sub":"ann","groups":["g1"],"rooms":["news-*","{user}-x"],"publish":"group:news-*"}),
        )
        .unwrap();
        assert_eq!((grant.user.as_deref(), grant.groups.len()), (Some("ann"), 1));
        assert!(grant.may_be("ann") && !grant.may_be("bob"));
        assert!(grant.may_join("g1", Some("ann")) && grant.may_join("news-1", None));
        assert!(grant.may_join("ann-x", Some("ann")) && !grant.may_join("ann-x", Some("bob")));
        assert!(!grant.may_join("other", Some("ann")));
        assert!(grant.may_publish(Target::Group("news-1"), None));
        assert!(
            !grant.may_publish(Target::Client("news-1"), None) && !grant.may_publish(Target::Domain, None)
        );
        let any = read(&json!({"other": 1})).unwrap();
        assert!(any.may_be("x") && any.may_join("x", None) && any.may_publish(Target::Domain, None));
        let none = read(&json!({"rooms":[],"publish":[]})).unwrap();
        assert!(!none.may_be("x") && !none.may_join("x", None) && !none.may_publish(Target::Domain, None));
    }

    #[test]
    fn a_claim_of_another_form_grants_nothing() {
        let many = vec!["x"; MOST + 1];
        for bad in [
            json!({"sub":5}),
            json!({"sub":""}),
            json!({"groups":{"a":1}}),
            json!({"groups":[""]}),
            json!({"rooms":[1]}),
            json!({"rooms":true}),
            json!({"rooms":["{name}"]}),
            json!({"publish":["news"]}),
            json!({"groups":many}),
        ] {
            let name = bad.as_object().unwrap().keys().next().unwrap().clone();
            assert!(read(&bad).unwrap_err().starts_with(&name), "{bad}");
        }
    }

    #[test]
    fn a_token_may_be_for_some_domains_only() {
        let names = ClaimNames::default();
        for (claims, d1) in [
            (json!({}), true),
            (json!({"domain":"d1"}), true),
            (json!({"bizCode":["d1","/"]}), true),
            (json!({"domain":"d2"}), false),
            (json!({"bizCode":[]}), false),
            (json!({"domain":"d1","bizCode":"d2"}), false),
            (json!({"domain":null}), false),
            (json!({"domain":1}), false),
        ] {
            assert_eq!(Grant::is_for(claims.as_object().unwrap(), &names, "d1"), d1, "{claims}");
        }
    }
}
