//! Who may come in, and what they may do: tokens of clients, the webhook, origins, publish rules, keys of the HTTP API.
//!
//! Owns the rules that are in effect, which a reload replaces, and the order in which the ways in are tried: the static
//! token, then a JSON Web Token, then the webhook. Each way is in the file of its subject. Nothing that is configured
//! lets anybody in by failing.

mod crypto;
mod grant;
mod jwks;
mod jwt;
mod keys;
mod origins;
mod patterns;
mod publish;
mod seats;
mod webhook;

pub(crate) use grant::{ClaimNames, Grant};
pub(crate) use keys::{ApiKey, ApiScope};
pub(crate) use publish::{Rule, Target};
pub(crate) use seats::Seat;
pub(crate) use webhook::{Done, Question, WebhookConfig};

use crate::config::{AuthConfig, Config};
use crypto::digest_of;
use fanfare::{Request, Response};
use grant::Asked;
use jwks::Jwks;
use jwt::{BadToken, Jwt, KeySet, TOKEN_BYTES};
use keys::ApiKeys;
use origins::Origins;
use seats::Seats;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;
use webhook::Webhook;

/// Why a client is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refused {
    fn unauthorized(message: &str) -> Refused {
        Refused { status: 401, code: "unauthorized", message: message.to_owned() }
    }

    /// Nobody knows now whether it may come in.
    fn unavailable() -> Refused {
        let message = "who may come in cannot be found out now".to_owned();
        Refused { status: 503, code: "unavailable", message }
    }

    /// Its user is there as often as it may be.
    fn too_many() -> Refused {
        let message = "this user has as many connections as it may".to_owned();
        Refused { status: 429, code: "too_many_connections", message }
    }

    /// For a client of `/ws`.
    pub(crate) fn response(&self) -> Response {
        let response = Response::error(self.status, self.code, &self.message);
        // Spread, so that those who were refused together do not come back together.
        let pause = 1 + unix_ms() % 7;
        if self.status == 503 { response.header("Retry-After", pause.to_string()) } else { response }
    }
}

/// What is said to somebody who wants to come in.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It may, with what it was granted, if anything was said of that.
    In(Option<Grant>),
    Out(Refused),
    /// Somebody else has to be asked: the webhook, or whoever has the token's key.
    Ask,
}

/// Kept with a socket: whether a newer token of it is being decided on elsewhere, which is so as long as the other end is there.
/// One is at a time, so that nobody has others asked faster than they answer.
#[derive(Debug)]
pub(crate) struct Renewing(Weak<()>);

impl Renewing {
    /// It begins, and ends with what is returned besides.
    pub(crate) fn begin() -> (Renewing, Arc<()>) {
        let end = Arc::new(());
        (Renewing(Arc::downgrade(&end)), end)
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// A file that a setting names is not what it should be.
#[derive(Debug)]
pub(crate) struct BadFile {
    pub(crate) key: &'static str,
    pub(crate) error: String,
}

/// The rules of one configuration.
pub(crate) struct Rules {
    /// Its digest.
    token: Option<[u8; 32]>,
    jwt: Option<Jwt>,
    claims: ClaimNames,
    leeway_ms: u64,
    webhook: Option<Webhook>,
    origins: Origins,
    /// None: clients may publish to everybody.
    publish: Option<Vec<Rule>>,
    api_keys: ApiKeys,
    /// None: any number.
    connections_per_user: Option<usize>,
}

impl Rules {
    /// Reads what the configuration names. Nothing runs before [`Access`] has it.
    ///
    /// # Errors
    /// Which file cannot be read, or has no key in it.
    pub(crate) fn read(config: &Config) -> Result<Rules, BadFile> {
        let AuthConfig { jwt, webhook, client_publish, api_keys, connections_per_user, .. } = &config.auth;
        let mut fixed = KeySet::default();
        if let Some(secret) = &jwt.secret {
            fixed.extend(KeySet::of_secret(secret));
        }
        type Reader = fn(&str) -> Result<KeySet, String>;
        let files: [(&'static str, _, Reader); 2] = [
            ("auth.jwt.public_key_file", &jwt.public_key_file, KeySet::of_pem),
            ("auth.jwt.jwks_file", &jwt.jwks_file, KeySet::of_jwks),
        ];
        for (key, path, read) in files {
            let Some(path) = path else { continue };
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
            let keys = text.and_then(|text| read(&text));
            fixed.extend(
                keys.map_err(|error| BadFile { key, error: format!("{}: {error}", path.display()) })?,
            );
        }
        let refresh = Duration::from_secs(jwt.jwks_refresh_s.into());
        let fetched = jwt.jwks_url.as_deref().map(|url| Jwks::new(url, refresh));
        let has_keys = fixed.len() > 0 || fetched.is_some();
        let jwt_rules = has_keys.then(|| Jwt::new(fixed, fetched, jwt.leeway_s, &jwt.audience, &jwt.issuer));
        let everything = config.api_key.as_deref().map(ApiKey::of_everything);
        Ok(Rules {
            token: config.token.as_ref().map(|token| digest_of(&[token.as_bytes()])),
            jwt: jwt_rules,
            claims: jwt.claims.clone(),
            leeway_ms: u64::from(jwt.leeway_s) * 1_000,
            webhook: webhook.url.as_deref().map(|url| Webhook::new(url, webhook)),
            origins: Origins::new(&config.origins, &config.admin_listen, config.open),
            publish: client_publish.clone(),
            api_keys: ApiKeys::new(api_keys.iter().chain(&everything)),
            connections_per_user: *connections_per_user,
        })
    }

    fn start(&self) {
        if let Some(jwt) = &self.jwt {
            jwt.start();
        }
        if let Some(webhook) = &self.webhook {
            webhook.start();
        }
    }

    /// Whether a token lets its holder into a domain or a namespace.
    pub(crate) fn admit(&self, scope: &str, token: Option<&str>) -> Verdict {
        if self.token.is_none() && self.jwt.is_none() && self.webhook.is_none() {
            return Verdict::In(None);
        }
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return match self.webhook {
                Some(_) => Verdict::Ask,
                None => Verdict::Out(Refused::unauthorized("token is missing")),
            };
        };
        if token.len() > TOKEN_BYTES {
            return Verdict::Out(Refused::unauthorized("token is too long"));
        }
        if self.is_static(token) {
            return Verdict::In(None);
        }
        match self.decide(scope, token) {
            Ok(Some(grant)) => Verdict::In(Some(grant)),
            Ok(None) => Verdict::Ask,
            Err(refused) => Verdict::Out(refused),
        }
    }

    /// What a newer token grants somebody who is in; nothing if somebody else has to be asked. A static one, which has no end,
    /// prolongs nothing.
    ///
    /// # Errors
    /// It is not taken.
    pub(crate) fn renew(&self, scope: &str, token: &str) -> Result<Option<Grant>, Refused> {
        if token.len() > TOKEN_BYTES || self.is_static(token) {
            return Err(Refused::unauthorized("token is wrong"));
        }
        self.decide(scope, token)
    }

    /// Whether it is the static token.
    fn is_static(&self, token: &str) -> bool {
        let given = digest_of(&[token.as_bytes()]);
        self.token.is_some_and(|wanted| bool::from(wanted.ct_eq(&given)))
    }

    /// What a token grants that is not the static one; nothing if somebody else has to be asked.
    fn decide(&self, scope: &str, token: &str) -> Result<Option<Grant>, Refused> {
        match &self.jwt {
            Some(_) if Jwt::is_form(token) => match self.claimed(scope, token) {
                Err(refused) if refused == Refused::unavailable() => Ok(None),
                claimed => claimed.map(Some),
            },
            _ if self.webhook.is_some() => Ok(None),
            _ => Err(Refused::unauthorized("token is wrong")),
        }
    }

    /// What a JSON Web Token grants in a domain or a namespace.
    ///
    /// # Errors
    /// It is not taken, or no such tokens are.
    fn claimed(&self, scope: &str, token: &str) -> Result<Grant, Refused> {
        let jwt = self.jwt.as_ref().ok_or_else(|| Refused::unauthorized("token is wrong"))?;
        let claims = jwt.verify(token).map_err(|bad| match bad {
            BadToken::Wrong(message) => Refused::unauthorized(&message),
            BadToken::NoKey => Refused::unavailable(),
        })?;
        if !Grant::is_for(&claims, &self.claims, scope) {
            return Err(Refused::unauthorized("token is for another domain"));
        }
        let mut grant = Grant::read(&claims, &self.claims).map_err(|error| Refused::unauthorized(&error))?;
        // As long as a new connection could have it.
        let end = jwt::end_of(&claims).map(|end| end.saturating_mul(1_000).saturating_add(self.leeway_ms));
        grant.until_unix_ms = Some(end.ok_or_else(|| Refused::unauthorized("token has no exp"))?);
        Ok(grant)
    }

    /// Asks whom [`Verdict::Ask`] means; `done` may be called before this returns.
    pub(crate) fn ask(self: &Arc<Rules>, scope: &str, question: &Question, done: Done) {
        let token = question.token.as_deref().filter(|token| Jwt::is_form(token));
        match (&self.jwt, token, &self.webhook) {
            (Some(jwt), Some(token), _) => {
                // Also if there are others meanwhile: who began with these is held against them.
                let (rules, scope, token) = (self.clone(), scope.to_owned(), token.to_owned());
                jwt.ask_for_keys(Box::new(move || done(rules.claimed(&scope, &token))));
            }
            (_, _, Some(webhook)) => {
                let of = |text: &Option<String>| text.as_deref().map(Into::into);
                let asked = Box::new(Asked { ip: of(&question.ip), origin: of(&question.origin) });
                let done = move |verdict: Result<Grant, Refused>| {
                    done(verdict.map(|grant| grant.answered(asked)));
                };
                webhook.ask(question, Box::new(done));
            }
            _ => done(Err(Refused::unavailable())),
        }
    }

    /// Whether pages have to come from certain origins.
    pub(crate) fn has_origins(&self) -> bool {
        self.origins.is_some()
    }

    /// Whether a page may connect, as far as it is up to where it comes from.
    pub(crate) fn check_origin(&self, request: &Request<'_>) -> Result<(), Response> {
        self.origins.check(request)
    }

    /// Whether a request may use the HTTP API: it has a key for that, or no key is configured and it does not come from
    /// a page of another site, which a browser would let it do from anywhere.
    pub(crate) fn check_api(&self, request: &Request<'_>, scope: ApiScope) -> Result<(), Response> {
        if self.api_keys.is_empty() {
            return self.origins.check_keyless(request);
        }
        self.api_keys.check(request.header("authorization"), scope)
    }
}

/// The rules in effect.
pub(crate) struct Access {
    rules: RwLock<Arc<Rules>>,
    /// Some clients may not publish to everybody.
    restricts: AtomicBool,
    seats: Arc<Seats>,
}

impl Access {
    /// With these rules from now on; their threads start.
    pub(crate) fn new(rules: Rules) -> Access {
        rules.start();
        let restricts = AtomicBool::new(rules.publish.is_some());
        Access { rules: RwLock::new(Arc::new(rules)), restricts, seats: Arc::default() }
    }

    /// Other rules, for whoever comes from now on, and for what is published from now on. Who is in stays in.
    pub(crate) fn replace(&self, rules: Rules) {
        if let (Some(jwt), Some(before)) = (&rules.jwt, &self.rules().jwt) {
            jwt.take_over(before);
        }
        rules.start();
        self.restricts.store(rules.publish.is_some(), Ordering::Relaxed);
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// As of now; one connection or one request is held against one of them.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A place for one more connection of the user that a grant names; nothing where they are not counted.
    ///
    /// # Errors
    /// It has as many as it may.
    pub(crate) fn seat(&self, grant: &Grant) -> Result<Option<Seat>, Refused> {
        match (&grant.user, self.rules().connections_per_user) {
            (Some(user), Some(most)) => self.seats.take(user, most).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether a client of a domain or a namespace may publish to somebody; `user` is its name.
    pub(crate) fn may_publish(
        &self,
        grant: Option<&Grant>,
        scope: &str,
        target: Target<'_>,
        user: Option<&str>,
    ) -> bool {
        if grant.is_some_and(|grant| !grant.may_publish(target, user)) {
            return false;
        }
        // Most servers have no such rules, and then nothing is looked up for a message.
        if !self.restricts.load(Ordering::Relaxed) {
            return true;
        }
        match &self.rules().publish {
            Some(rules) => publish::allow(rules, scope, target, user),
            None => true,
        }
    }
}

/// The token of an Authorization header of the scheme Bearer (RFC 6750, section 2.1).
pub(crate) fn bearer(authorization: Option<&[u8]>) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(authorization?).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(set: impl FnOnce(&mut Config)) -> Rules {
        let mut config = Config::default();
        set(&mut config);
        Rules::read(&config).unwrap_or_else(|bad| panic!("{bad:?}"))
    }

    fn is_in(access: &Access, token: Option<&str>) -> bool {
        matches!(access.rules().admit("d1", token), Verdict::In(None))
    }

    #[test]
    fn tokens_are_compared_whole() {
        let access = Access::new(rules(|config| config.token = Some("456".to_owned())));
        assert!(is_in(&access, Some("456")));
        for wrong in [None, Some(""), Some("45"), Some("4567"), Some("457"), Some("a.b.c")] {
            assert!(!is_in(&access, wrong), "{wrong:?}");
        }
        assert!(is_in(&Access::new(rules(|_| ())), None), "nothing is configured");
    }

    #[test]
    fn other_rules_hold_from_now_on() {
        let access = Access::new(rules(|config| config.token = Some("old".to_owned())));
        let may = || access.may_publish(None, "d1", Target::Domain, None);
        let before = access.rules();
        assert!(may());
        access.replace(rules(|config| {
            config.token = Some("new".to_owned());
            config.auth.client_publish = Some(Vec::new());
        }));
        assert!(is_in(&access, Some("new")) && !is_in(&access, Some("old")) && !may());
        // Who was being looked at is held against one of them.
        assert!(matches!(before.admit("d1", Some("old")), Verdict::In(None)));
        access.replace(rules(|_| ()));
        assert!(is_in(&access, None) && may());
    }

    #[test]
    fn the_header_has_a_scheme_and_a_token() {
        assert_eq!(bearer(Some(b"Bearer x.y")), Some("x.y"));
        assert_eq!(bearer(Some(b"BEARER  x ")), Some("x"));
        for wrong in [&b"Bearer"[..], b"Bearer ", b"Basic x", b"x", b"", b"Bearer \xff"] {
            assert_eq!(bearer(Some(wrong)), None);
        }
        assert_eq!(bearer(None), None);
    }
}
