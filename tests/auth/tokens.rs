//! Makes keys and tokens, right and wrong ones.

use data_encoding::{BASE64, BASE64_MIME, BASE64URL_NOPAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What stands in front of an RSA key of 2048 bits, a P-256 key and an Ed25519 key in a SubjectPublicKeyInfo.
const RSA_INFO: &str = "30820122300d06092a864886f70d01010105000382010f00";
const P256_INFO: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const ED25519_INFO: &str = "302a300506032b6570032100";

/// A key that signs.
pub(crate) enum Signer {
    Secret(String),
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn secret(secret: &str) -> Signer {
        Signer::Secret(secret.to_owned())
    }

    /// Always the same one: making one takes long.
    pub(crate) fn rsa() -> Signer {
        let lines = include_str!("rsa.pem").lines().filter(|line| !line.starts_with('-'));
        let der = BASE64.decode(lines.collect::<String>().as_bytes()).unwrap();
        Signer::Rsa(RsaKeyPair::from_pkcs8(&der).unwrap())
    }

    pub(crate) fn p256() -> Signer {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random);
        Signer::P256(key.unwrap())
    }

    pub(crate) fn ed25519() -> Signer {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Signer::Ed25519(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Signer::Secret(_) => "HS256",
            Signer::Rsa(_) => "RS256",
            Signer::P256(_) => "ES256",
            Signer::Ed25519(_) => "EdDSA",
        }
    }

    fn public_bytes(&self) -> (&'static str, &[u8]) {
        match self {
            Signer::Secret(_) => panic!("it has no public key"),
            Signer::Rsa(key) => (RSA_INFO, key.public_key().as_ref()),
            Signer::P256(key) => (P256_INFO, key.public_key().as_ref()),
            Signer::Ed25519(key) => (ED25519_INFO, key.public_key().as_ref()),
        }
    }

    /// The public key as OpenSSL writes it.
    pub(crate) fn pem(&self) -> String {
        let (info, key) = self.public_bytes();
        let mut der = data_encoding::HEXLOWER.decode(info.as_bytes()).unwrap();
        der.extend_from_slice(key);
        let text = BASE64_MIME.encode(&der).replace('\r', "");
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", text.trim_end())
    }

    /// The public key as a JSON Web Key.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let (_, key) = self.public_bytes();
        match self {
            Signer::Secret(_) => panic!("it has no public key"),
            Signer::Rsa(pair) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "kid": id, "use": "sig", "alg": "RS256", "n": text(&public.n), "e": text(&public.e) })
            }
            Signer::P256(_) => {
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": text(&key[1..33]), "y": text(&key[33..]) })
            }
            Signer::Ed25519(_) => json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": text(key) }),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Signer::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                hmac::sign(&key, message).as_ref().to_vec()
            }
            Signer::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Signer::P256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Signer::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// A token with these claims; it ends in an hour unless they say otherwise.
    pub(crate) fn token(&self, claims: Value) -> String {
        self.token_with(json!({}), claims)
    }

    /// The same, with further fields of its header.
    pub(crate) fn token_with(&self, more: Value, mut claims: Value) -> String {
        let mut header = json!({ "typ": "JWT", "alg": self.algorithm() });
        for (name, value) in more.as_object().unwrap() {
            header[name] = value.clone();
        }
        let claims_map = claims.as_object_mut().unwrap();
        claims_map.entry("exp").or_insert(json!(now_s() + 3_600));
        // One that is meant to be missing.
        claims_map.retain(|_, value| !value.is_null());
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.sign(message.as_bytes());
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
