//! Keys of `[auth]`, `[api]` and `[admin]`: who may come in, and where operators do.

use super::{Key, WEEK_S};
use crate::config::slot::Slot;

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "auth.token",
        flag: Some(("token", "TOKEN")),
        about: "What clients have to give as token",
        slot: |config| Slot::Secret(&mut config.token),
    },
    Key {
        name: "auth.token_file",
        flag: None,
        about: "The file that has auth.token",
        slot: |config| Slot::File(&mut config.auth.token_file),
    },
    Key {
        name: "auth.origins",
        flag: None,
        about: "Origins that browsers may come from; none allows all",
        slot: |config| Slot::Origins(&mut config.origins),
    },
    Key {
        name: "auth.client_publish",
        flag: None,
        about: "Whom clients may publish to: all, none, or rules such as d1:group:news-*, /:room:*, !*:domain",
        slot: |config| Slot::PublishRules(&mut config.auth.client_publish),
    },
    Key {
        name: "auth.jwt.secret",
        flag: None,
        about: "JSON Web Tokens: the secret of HS256",
        slot: |config| Slot::Secret(&mut config.auth.jwt.secret),
    },
    Key {
        name: "auth.jwt.secret_file",
        flag: None,
        about: "The file that has auth.jwt.secret",
        slot: |config| Slot::File(&mut config.auth.jwt.secret_file),
    },
    Key {
        name: "auth.jwt.public_key_file",
        flag: None,
        about: "Public keys in PEM, of RSA, P-256 or Ed25519, for RS256, ES256 or EdDSA",
        slot: |config| Slot::File(&mut config.auth.jwt.public_key_file),
    },
    Key {
        name: "auth.jwt.jwks_file",
        flag: None,
        about: "Public keys as a JSON Web Key Set",
        slot: |config| Slot::File(&mut config.auth.jwt.jwks_file),
    },
    Key {
        name: "auth.jwt.jwks_url",
        flag: None,
        about: "The same at an https:// or http:// address",
        slot: |config| Slot::HttpUrl(&mut config.auth.jwt.jwks_url),
    },
    Key {
        name: "auth.jwt.jwks_refresh_s",
        flag: None,
        about: "How often that is fetched again; an unknown key has it fetched at once",
        slot: |config| Slot::Seconds(&mut config.auth.jwt.jwks_refresh_s, 1..=WEEK_S),
    },
    Key {
        name: "auth.jwt.leeway_s",
        flag: None,
        about: "By how much clocks may differ from that of who makes the tokens",
        slot: |config| Slot::Seconds(&mut config.auth.jwt.leeway_s, 0..=3_600),
    },
    Key {
        name: "auth.jwt.audience",
        flag: None,
        about: "Of which a token has to have one as aud; none takes any",
        slot: |config| Slot::Names(&mut config.auth.jwt.audience),
    },
    Key {
        name: "auth.jwt.issuer",
        flag: None,
        about: "Of which a token has to have one as iss; none takes any",
        slot: |config| Slot::Names(&mut config.auth.jwt.issuer),
    },
    Key {
        name: "auth.jwt.user_claim",
        flag: None,
        about: "The claim that says who it is: the clientId, or the user to register",
        slot: |config| Slot::Name(&mut config.auth.jwt.claims.user),
    },
    Key {
        name: "auth.jwt.groups_claim",
        flag: None,
        about: "The claim with the groups that are joined at once",
        slot: |config| Slot::Name(&mut config.auth.jwt.claims.groups),
    },
    Key {
        name: "auth.jwt.rooms_claim",
        flag: None,
        about: "The claim with patterns of the groups that may be joined",
        slot: |config| Slot::Name(&mut config.auth.jwt.claims.rooms),
    },
    Key {
        name: "auth.jwt.publish_claim",
        flag: None,
        about: "The claim with what may be published to, such as group:news-*",
        slot: |config| Slot::Name(&mut config.auth.jwt.claims.publish),
    },
    Key {
        name: "auth.jwt.domain_claims",
        flag: None,
        about: "The claims with the domains and namespaces that a token is for",
        slot: |config| Slot::Names(&mut config.auth.jwt.claims.domain),
    },
    Key {
        name: "auth.webhook.url",
        flag: None,
        about: "The https:// or http:// address that is asked about each connection",
        slot: |config| Slot::HttpUrl(&mut config.auth.webhook.url),
    },
    Key {
        name: "auth.webhook.timeout_ms",
        flag: None,
        about: "Time for its answer; without one the client is refused",
        slot: |config| Slot::Millis(&mut config.auth.webhook.timeout_ms, 10..=25_000),
    },
    Key {
        name: "auth.webhook.cache_s",
        flag: None,
        about: "How long an answer holds for the same question; 0 asks each time",
        slot: |config| Slot::Seconds(&mut config.auth.webhook.cache_s, 0..=86_400),
    },
    Key {
        name: "auth.webhook.concurrency",
        flag: None,
        about: "How many questions are under way at a time, each on a thread",
        slot: |config| Slot::Size(&mut config.auth.webhook.concurrency, 1..=256),
    },
    Key {
        name: "api.key",
        flag: Some(("api-key", "KEY")),
        about: "What users of the HTTP API have to give as bearer token, for everything",
        slot: |config| Slot::Secret(&mut config.api_key),
    },
    Key {
        name: "api.key_file",
        flag: None,
        about: "The file that has api.key",
        slot: |config| Slot::File(&mut config.auth.api_key_file),
    },
    Key {
        name: "api.keys",
        flag: None,
        about: "Further keys and what they are for: publish+read:KEY, of publish, read and admin",
        slot: |config| Slot::ApiKeys(&mut config.auth.api_keys),
    },
    Key {
        name: "api.keys_file",
        flag: None,
        about: "The file that has more of them, one a line",
        slot: |config| Slot::File(&mut config.auth.api_keys_file),
    },
    Key {
        name: "admin.listen",
        flag: None,
        about: "Addresses of their own for /api, /metrics and /; none serves them on every address",
        slot: |config| Slot::OptionalAddresses(&mut config.admin_listen),
    },
];
