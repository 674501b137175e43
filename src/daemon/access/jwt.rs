//! JSON Web Tokens (RFC 7519): which key a token was signed with, and whether it holds now and here.
//!
//! Owns: keys and where they are read from, the choice among them, the registered claims. Leaves to others: what a client
//! is granted by the rest of the claims (`grant`), keys at a URL (`jwks`), signatures (`crypto`).
//!
//! A key has one algorithm, which follows from what it is, so that no token chooses how it is checked: a public key is
//! never taken for a secret, and there is no algorithm `none`. Nothing that a token says is used before its signature holds,
//! except the name of its key, which only chooses among ours.

use super::jwks::Jwks;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The longest token, in bytes.
pub(super) const TOKEN_BYTES: usize = 16 << 10;
/// The most keys of one source.
const MOST_KEYS: usize = 64;
/// With how many keys a token is tried that does not name its key: each costs tens of microseconds of a reactor's time.
const TRIED: usize = 4;
/// The shortest RSA modulus that is taken, in bytes (RFC 7518, section 3.3).
const RSA_BYTES: usize = 256;

const ALGORITHMS: [Algorithm; 4] = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BadToken {
    /// What is wrong with it, as its client is told.
    Wrong(String),
    /// It may be right: there are no keys yet, or it names one that may be new.
    NoKey,
}

impl BadToken {
    fn wrong() -> BadToken {
        BadToken::Wrong("token is wrong".to_owned())
    }
}

/// A key with the one algorithm that it is for.
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Keys of one source.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    /// A secret that is shared with whoever makes the tokens.
    pub(super) fn of_secret(secret: &str) -> KeySet {
        let key = DecodingKey::from_secret(secret.as_bytes());
        KeySet(vec![Key { id: None, algorithm: Algorithm::HS256, key }])
    }

    /// Public keys in PEM: one, or several while one is being replaced by another.
    pub(super) fn of_pem(text: &str) -> Result<KeySet, String> {
        let mut keys = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("-----BEGIN ") {
            let block = &rest[start..];
            let Some(end) = block.find("-----END ") else { break };
            let end = block[end..].find('\n').map_or(block.len(), |line| end + line);
            keys.push(pem_key(&block[..end])?);
            rest = &block[end..];
        }
        if keys.is_empty() {
            return Err("expected a public key in PEM".to_owned());
        }
        KeySet(keys).bounded()
    }

    /// A JSON Web Key Set (RFC 7517). Keys that are for something else are passed over.
    pub(super) fn of_jwks(text: &str) -> Result<KeySet, String> {
        let set: Value =
            serde_json::from_str(text).map_err(|error| format!("expected a key set: {error}"))?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or("expected a key set: it has no keys")?;
        let found: Vec<Key> = keys.iter().filter_map(jwk_key).collect();
        if found.is_empty() {
            return Err("it has no key for RS256, ES256 or EdDSA".to_owned());
        }
        KeySet(found).bounded()
    }

    fn bounded(self) -> Result<KeySet, String> {
        if self.0.len() > MOST_KEYS { Err(format!("it has more than {MOST_KEYS} keys")) } else { Ok(self) }
    }

    pub(super) fn extend(&mut self, other: KeySet) {
        self.0.extend(other.0);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that a token may have been signed with.
    fn candidates<'k>(&'k self, algorithm: Algorithm, id: Option<&'k str>) -> impl Iterator<Item = &'k Key> {
        let is_meant = move |key: &&Key| {
            let is_named = match (id, &key.id) {
                (Some(wanted), Some(own)) => wanted == own,
                _ => true,
            };
            key.algorithm == algorithm && is_named
        };
        self.0.iter().filter(is_meant)
    }
}

fn pem_key(block: &str) -> Result<Key, String> {
    let is_public = ["-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----"]
        .iter()
        .any(|begin| block.starts_with(begin));
    if !is_public {
        return Err("expected public keys only, found something else".to_owned());
    }
    let bytes = block.as_bytes();
    let read = [
        (Algorithm::RS256, DecodingKey::from_rsa_pem(bytes)),
        (Algorithm::ES256, DecodingKey::from_ec_pem(bytes)),
        (Algorithm::EdDSA, DecodingKey::from_ed_pem(bytes)),
    ];
    let found = read.into_iter().find_map(|(algorithm, key)| Some((algorithm, key.ok()?)));
    match found {
        Some((algorithm, key)) if has_size(algorithm, &key) => Ok(Key { id: None, algorithm, key }),
        _ => Err("expected a public key of RSA (2048 bits or more), P-256 or Ed25519".to_owned()),
    }
}

fn jwk_key(value: &Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        // Also secrets: what is published is none.
        _ => return None,
    };
    let named = value.get("alg").and_then(Value::as_str);
    let name = format!("{algorithm:?}");
    let is_for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature))
        && named.is_none_or(|named| named == name || (named == "Ed25519" && algorithm == Algorithm::EdDSA));
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (is_for_signatures && has_size(algorithm, &key)).then_some(Key { id: jwk.common.key_id, algorithm, key })
}

/// Whether a key can be one of its algorithm.
fn has_size(algorithm: Algorithm, key: &DecodingKey) -> bool {
    use jsonwebtoken::DecodingKeyKind::{RsaModulusExponent, SecretOrDer};
    match (algorithm, key.kind()) {
        (Algorithm::RS256, RsaModulusExponent { n, .. }) => n.len() >= RSA_BYTES,
        (Algorithm::RS256, SecretOrDer(der)) => der.len() > RSA_BYTES,
        (Algorithm::ES256, SecretOrDer(point)) => point.len() == 65,
        (Algorithm::EdDSA, SecretOrDer(key)) => key.len() == 32,
        _ => false,
    }
}

/// What tokens are held against.
pub(super) struct Jwt {
    fixed: KeySet,
    /// Keys at a URL.
    fetched: Option<Jwks>,
    /// For each of [`ALGORITHMS`].
    validations: Vec<(Algorithm, Validation)>,
}

impl Jwt {
    /// `audience` and `issuer` have what a token may name; it need name nothing where they are empty.
    pub(super) fn new(
        fixed: KeySet,
        fetched: Option<Jwks>,
        leeway_s: u32,
        audience: &[String],
        issuer: &[String],
    ) -> Jwt {
        super::crypto::install();
        let validation = |algorithm| {
            let mut validation = Validation::new(algorithm);
            let mut required = vec!["exp"];
            validation.leeway = leeway_s.into();
            validation.validate_nbf = true;
            validation.validate_aud = !audience.is_empty();
            if !audience.is_empty() {
                validation.set_audience(audience);
                required.push("aud");
            }
            if !issuer.is_empty() {
                validation.set_issuer(issuer);
                required.push("iss");
            }
            validation.set_required_spec_claims(&required);
            (algorithm, validation)
        };
        Jwt { fixed, fetched, validations: ALGORITHMS.map(validation).into() }
    }

    /// Asks for the keys at the URL from now on.
    pub(super) fn start(&self) {
        if let Some(fetched) = &self.fetched {
            fetched.start();
        }
    }

    /// What is known of a URL stays known.
    pub(super) fn take_over(&self, before: &Jwt) {
        if let (Some(fetched), Some(before)) = (&self.fetched, &before.fetched) {
            fetched.take_over(before);
        }
    }

    /// Has the keys at the URL asked for, and calls `done` after that.
    pub(super) fn ask_for_keys(&self, done: Box<dyn FnOnce() + Send>) {
        match &self.fetched {
            Some(fetched) => fetched.ask(done),
            None => done(),
        }
    }

    /// Whether something looks like a token of this kind at all.
    pub(super) fn is_form(token: &str) -> bool {
        token.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// The claims of a token that holds.
    pub(super) fn verify(&self, token: &str) -> Result<Map<String, Value>, BadToken> {
        if token.len() > TOKEN_BYTES {
            return Err(BadToken::Wrong("token is too long".to_owned()));
        }
        let header = decode_header(token).map_err(|_| BadToken::wrong())?;
        let validation = self.validations.iter().find(|(algorithm, _)| *algorithm == header.alg);
        let (algorithm, validation) = validation.ok_or_else(BadToken::wrong)?;
        if header.crit.is_some() {
            // It asks for something to be understood that is not (RFC 7515, section 4.1.11).
            return Err(BadToken::wrong());
        }
        let fetched: Option<Arc<KeySet>> = self.fetched.as_ref().and_then(Jwks::keys);
        let id = header.kid.as_deref();
        let candidates = self.fixed.candidates(*algorithm, id);
        let candidates =
            candidates.chain(fetched.iter().flat_map(|fetched| fetched.candidates(*algorithm, id)));
        let mut tried = false;
        for key in candidates.take(TRIED) {
            tried = true;
            match decode::<Map<String, Value>>(token, &key.key, validation) {
                Ok(token) => return Ok(token.claims),
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
                Err(error) => return Err(BadToken::Wrong(told(error.kind()))),
            }
        }
        match &self.fetched {
            // None of ours was named: it may be a new one.
            Some(source) if (fetched.is_none() || !tried && id.is_some()) && source.may_have_more() => {
                Err(BadToken::NoKey)
            }
            _ => Err(BadToken::wrong()),
        }
    }
}

/// What is wrong with the claims of a token that is genuine.
fn told(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::ExpiredSignature => "token has expired".to_owned(),
        ErrorKind::ImmatureSignature => "token is not valid yet".to_owned(),
        ErrorKind::InvalidAudience => "token is for another audience".to_owned(),
        ErrorKind::InvalidIssuer => "token is of another issuer".to_owned(),
        ErrorKind::MissingRequiredClaim(claim) => format!("token has no {claim}"),
        _ => "token is wrong".to_owned(),
    }
}

/// When a token ends, in seconds since 1970. Genuine ones have it as a number.
pub(super) fn end_of(claims: &Map<String, Value>) -> Option<u64> {
    let exp = claims.get("exp")?;
    exp.as_u64().or_else(|| exp.as_f64().filter(|exp| *exp >= 0.0).map(|exp| exp as u64))
}
