//! What `[auth]` and `[api]` configure besides single values: keys of tokens, the webhook, rules, and secrets in files.
//!
//! Owns the rules between these keys, and reading secrets from files. Leaves keys in files to `access`.

use super::{Config, ConfigError, Cors, Key, Loaded};
use crate::access::{ApiKey, ClaimNames, Rule, WebhookConfig};
use std::path::{Path, PathBuf};

/// The shortest secret of HS256, in bytes (RFC 7518, section 3.2).
const HMAC_BYTES: usize = 32;

/// Who may come in, besides [`Config::token`], [`Config::origins`] and [`Config::api_key`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AuthConfig {
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) jwt: JwtConfig,
    pub(crate) webhook: WebhookConfig,
    /// None: everybody may publish to everybody.
    pub(crate) client_publish: Option<Vec<Rule>>,
    pub(crate) api_key_file: Option<PathBuf>,
    /// Also those of the file, once it was read.
    pub(crate) api_keys: Vec<ApiKey>,
    pub(crate) api_keys_file: Option<PathBuf>,
    /// None: any number.
    pub(crate) connections_per_user: Option<usize>,
}

/// JSON Web Tokens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JwtConfig {
    pub(crate) secret: Option<String>,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) public_key_file: Option<PathBuf>,
    pub(crate) jwks_file: Option<PathBuf>,
    pub(crate) jwks_url: Option<String>,
    pub(crate) jwks_refresh_s: u32,
    pub(crate) leeway_s: u32,
    /// Empty: any.
    pub(crate) audience: Vec<String>,
    pub(crate) issuer: Vec<String>,
    pub(crate) claims: ClaimNames,
}

impl Default for JwtConfig {
    fn default() -> JwtConfig {
        JwtConfig {
            secret: None,
            secret_file: None,
            public_key_file: None,
            jwks_file: None,
            jwks_url: None,
            jwks_refresh_s: 300,
            leeway_s: 10,
            audience: Vec::new(),
            issuer: Vec::new(),
            claims: ClaimNames::default(),
        }
    }
}

impl JwtConfig {
    fn is_on(&self) -> bool {
        let JwtConfig { secret, public_key_file, jwks_file, jwks_url, .. } = self;
        secret.is_some() || public_key_file.is_some() || jwks_file.is_some() || jwks_url.is_some()
    }

    /// A key that says how tokens are checked: whoever sets it means them to be.
    fn lonely(&self) -> Option<&'static str> {
        let usual = JwtConfig::default();
        let (claims, usual_claims) = (&self.claims, &usual.claims);
        let set = [
            ("auth.jwt.audience", self.audience != usual.audience),
            ("auth.jwt.issuer", self.issuer != usual.issuer),
            ("auth.jwt.leeway_s", self.leeway_s != usual.leeway_s),
            ("auth.jwt.jwks_refresh_s", self.jwks_refresh_s != usual.jwks_refresh_s),
            ("auth.jwt.user_claim", claims.user != usual_claims.user),
            ("auth.jwt.groups_claim", claims.groups != usual_claims.groups),
            ("auth.jwt.rooms_claim", claims.rooms != usual_claims.rooms),
            ("auth.jwt.publish_claim", claims.publish != usual_claims.publish),
            ("auth.jwt.domain_claims", claims.domain != usual_claims.domain),
        ];
        set.into_iter().find_map(|(key, is_set)| is_set.then_some(key))
    }
}

impl Config {
    /// Whether clients have to say who they are.
    pub(super) fn has_client_auth(&self) -> bool {
        self.token.is_some() || self.auth.jwt.is_on() || self.auth.webhook.url.is_some()
    }

    /// Whether the HTTP API wants a key.
    pub(super) fn has_api_key(&self) -> bool {
        self.api_key.is_some() || !self.auth.api_keys.is_empty()
    }
}

impl Loaded {
    /// Takes secrets from the files that are named, so that they need not stand in the configuration.
    pub(super) fn read_secrets(&mut self) -> Result<(), ConfigError> {
        type Place = fn(&mut Config) -> (&Option<PathBuf>, &mut Option<String>);
        let files: [(&'static str, &'static str, Place); 3] = [
            ("auth.token_file", "auth.token", |config| (&config.auth.token_file, &mut config.token)),
            ("api.key_file", "api.key", |config| (&config.auth.api_key_file, &mut config.api_key)),
            ("auth.jwt.secret_file", "auth.jwt.secret", |config| {
                (&config.auth.jwt.secret_file, &mut config.auth.jwt.secret)
            }),
        ];
        for (key, twin, place) in files {
            let (path, secret) = place(&mut self.config);
            let Some(path) = path.clone() else { continue };
            self.in_files.insert(twin, None);
            let read = match secret {
                Some(_) => Err(format!("{twin} is set, too: one of them is enough")),
                None => read(&path).and_then(|text| secret_of(&text).ok_or_else(|| not_a_secret(&path))),
            };
            match read {
                Ok(read) => *secret = Some(read),
                Err(error) => return Err(self.bad_value(key, error)),
            }
        }
        if let Some(path) = self.config.auth.api_keys_file.clone() {
            self.in_files.insert("api.keys", Key::find("api.keys").and_then(|key| key.show(&self.config)));
            let keys = read(&path).and_then(|text| keys_of(&path, &text));
            let keys = keys.map_err(|error| self.bad_value("api.keys_file", error))?;
            self.config.auth.api_keys.extend(keys);
        }
        Ok(())
    }

    /// What the keys say together.
    pub(super) fn check_auth(&self) -> Result<(), ConfigError> {
        let Config { auth, socketio, origins, .. } = &self.config;
        let AuthConfig { jwt, webhook, connections_per_user, .. } = auth;
        if jwt.secret.as_ref().is_some_and(|secret| secret.len() < HMAC_BYTES) {
            let key = if jwt.secret_file.is_some() { "auth.jwt.secret_file" } else { "auth.jwt.secret" };
            let error = format!("expected at least {HMAC_BYTES} bytes: shorter ones can be guessed");
            return Err(self.bad_value(key, error));
        }
        if let Some(key) = jwt.lonely().filter(|_| !jwt.is_on()) {
            let error = "expected auth.jwt.secret, public_key_file, jwks_file or jwks_url to be set as well";
            return Err(self.bad_value(key, error.to_owned()));
        }
        let usual = WebhookConfig::default();
        let lonely = [
            ("auth.webhook.timeout_ms", webhook.timeout_ms != usual.timeout_ms),
            ("auth.webhook.cache_s", webhook.cache_s != usual.cache_s),
            ("auth.webhook.concurrency", webhook.concurrency != usual.concurrency),
        ];
        let lonely = lonely.into_iter().find(|(_, is_set)| *is_set && webhook.url.is_none());
        if let Some((key, _)) = lonely {
            return Err(self.bad_value(key, "expected auth.webhook.url to be set as well".to_owned()));
        }
        if connections_per_user.is_some() && !jwt.is_on() && webhook.url.is_none() {
            let error = "expected keys of [auth.jwt], or auth.webhook.url, to be set as well: nothing else names users";
            return Err(self.bad_value("limits.connections_per_user", error.to_owned()));
        }
        if socketio.cors_credentials && origins.is_empty() && socketio.cors != Cors::Off {
            let error = "expected auth.origins to be set as well: browsers open WebSockets from any page, with its \
                         visitor's cookies, whatever socketio.cors says";
            return Err(self.bad_value("socketio.cors_credentials", error.to_owned()));
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The one secret of a file, without the end of its line.
fn secret_of(text: &str) -> Option<String> {
    let secret = text.trim();
    super::slot::is_secret(secret).then(|| secret.to_owned())
}

fn not_a_secret(path: &Path) -> String {
    format!("{}: expected {}", path.display(), super::slot::expected_secret())
}

/// A key a line; empty lines and those that begin with `#` are none.
fn keys_of(path: &Path, text: &str) -> Result<Vec<ApiKey>, String> {
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let keys = lines.map(|(number, line)| {
        let key = super::slot::api_key(line);
        // Not the line: it may be a secret.
        key.ok_or_else(|| format!("{}:{}: expected publish+read:KEY", path.display(), number + 1))
    });
    keys.collect()
}
