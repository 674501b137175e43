//! The keys of the HTTP API: what each may be used for.
//!
//! Keys are compared by their digests, each with each, in a time that depends on nothing that a caller could learn from.

use super::crypto::digest_of;
use fanfare::Response;
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// What a request to the HTTP API needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiScope {
    /// To publish.
    Publish,
    /// To look at what there is.
    Read,
    /// To act on sockets and on the server.
    Admin,
}

impl ApiScope {
    const ALL: [ApiScope; 3] = [ApiScope::Publish, ApiScope::Read, ApiScope::Admin];

    pub(crate) fn name(self) -> &'static str {
        ["publish", "read", "admin"][self as usize]
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A key with what it may be used for, as it stands in the configuration: `publish+read:KEY`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiKey {
    scopes: u8,
    key: String,
}

impl ApiKey {
    /// One that may be used for everything.
    pub(crate) fn of_everything(key: &str) -> ApiKey {
        ApiKey { scopes: u8::MAX, key: key.to_owned() }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

impl FromStr for ApiKey {
    type Err = ();

    fn from_str(text: &str) -> Result<ApiKey, ()> {
        let (scopes, key) = text.split_once(':').ok_or(())?;
        let scopes = scopes.split('+').try_fold(0, |all, name| {
            let scope = ApiScope::ALL.into_iter().find(|scope| scope.name() == name).ok_or(())?;
            if all & scope.bit() > 0 { Err(()) } else { Ok(all | scope.bit()) }
        })?;
        Ok(ApiKey { scopes, key: key.to_owned() })
    }
}

/// Without the key.
impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes = ApiScope::ALL.into_iter().filter(|scope| self.scopes & scope.bit() > 0);
        let names: Vec<&str> = scopes.map(ApiScope::name).collect();
        write!(f, "{}:***", names.join("+"))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// All keys that are configured.
#[derive(Debug, Default)]
pub(super) struct ApiKeys(Vec<(u8, [u8; 32])>);

impl ApiKeys {
    pub(super) fn new<'k>(keys: impl Iterator<Item = &'k ApiKey>) -> ApiKeys {
        ApiKeys(keys.map(|key| (key.scopes, digest_of(&[key.key.as_bytes()]))).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an Authorization header has a key that may be used for this.
    pub(super) fn check(&self, authorization: Option<&[u8]>, scope: ApiScope) -> Result<(), Response> {
        let unknown = || {
            Response::error(401, "unauthorized", "expected Authorization: Bearer KEY")
                .header("WWW-Authenticate", "Bearer")
        };
        let given = digest_of(&[super::bearer(authorization).ok_or_else(unknown)?.as_bytes()]);
        let mut found = None;
        for (scopes, digest) in &self.0 {
            if bool::from(digest.ct_eq(&given)) {
                found = Some(found.unwrap_or(0) | scopes);
            }
        }
        match found {
            None => Err(unknown()),
            Some(scopes) if scopes & scope.bit() > 0 => Ok(()),
            Some(_) => {
                let message =
                    format!("this key may not be used for that: it needs the scope {}", scope.name());
                Err(Response::error(403, "forbidden", &message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_whole_and_have_their_scopes() {
        let list = ["publish:p-1", "read+admin:r-1"].map(|key| key.parse::<ApiKey>().unwrap());
        let all = ApiKey::of_everything("k");
        let keys = ApiKeys::new(list.iter().chain([&all]));
        let check = |authorization: &str, scope| match keys.check(Some(authorization.as_bytes()), scope) {
            Ok(()) => 200,
            Err(response) => response.status,
        };
        for (scope, statuses) in [
            (ApiScope::Publish, [200, 403, 200]),
            (ApiScope::Read, [403, 200, 200]),
            (ApiScope::Admin, [403, 200, 200]),
        ] {
            let found = ["Bearer p-1", "bearer r-1", "Bearer k"].map(|key| check(key, scope));
            assert_eq!(found, statuses, "{scope:?}");
        }
        for wrong in
            ["k", "Basic k", "Bearer", "Bearer ", "Bearer kk", "Bearer p-1 ", "Bearer p-12", "\u{e9}"]
        {
            let status = check(wrong, ApiScope::Publish);
            assert_eq!(status, if wrong == "Bearer p-1 " { 200 } else { 401 }, "{wrong:?}");
        }
        assert_eq!(keys.check(None, ApiScope::Read).unwrap_err().status, 401);
        assert_eq!(keys.check(Some(b"Bearer \xff"), ApiScope::Read).unwrap_err().status, 401);
    }

    #[test]
    fn keys_are_shown_without_themselves() {
        assert_eq!(format!("{:?}", "read+publish:secret".parse::<ApiKey>()), "Ok(publish+read:***)");
        for bad in ["", "secret", "write:secret", "publish", "publish,read:x", "read+read:x", "+:x", ":x"] {
            assert!(bad.parse::<ApiKey>().is_err(), "{bad}");
        }
    }
}
