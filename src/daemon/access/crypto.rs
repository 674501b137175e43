//! The signatures of tokens, checked by ring: HMAC, RSA, ECDSA and Ed25519 as RFC 7518 and RFC 8037 have them.
//!
//! Tokens are read by `jsonwebtoken`, which is given its cryptography here; nothing is signed.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm};
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use ring::{digest, hmac};
use signature::Verifier;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: verifier,
    // Asked only when a key is written as a JWK.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has tokens checked by this; once is enough.
pub(super) fn install() {
    // It is there already.
    let _ = PROVIDER.install_default();
}

/// What stands for a secret where it is compared or looked up.
pub(super) fn digest_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        // With its length, so that no two lists of parts are one.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// One key, ready for one algorithm.
struct Checker {
    algorithm: Algorithm,
    key: Key,
}

enum Key {
    Secret(hmac::Key),
    /// In whatever form the algorithm has it.
    Public(UnparsedPublicKey<Vec<u8>>),
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let public = |algorithm: &'static dyn VerificationAlgorithm| {
        Ok(Key::Public(UnparsedPublicKey::new(algorithm, key.try_get_as_bytes()?.to_vec())))
    };
    let key: Result<Key> = match (algorithm, key.kind()) {
        _ if !key.family().algorithms().contains(algorithm) => Err(ErrorKind::InvalidAlgorithm.into()),
        (Algorithm::HS256, _) => Ok(Key::Secret(hmac::Key::new(hmac::HMAC_SHA256, key.try_get_as_bytes()?))),
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            Ok(Key::Rsa(RsaPublicKeyComponents { n: n.clone(), e: e.clone() }))
        }
        (Algorithm::RS256, _) => public(&RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::ES256, _) => public(&ECDSA_P256_SHA256_FIXED),
        (Algorithm::EdDSA, _) => public(&ED25519),
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    Ok(Box::new(Checker { algorithm: *algorithm, key: key? }))
}

impl Verifier<Vec<u8>> for Checker {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        let verified = match &self.key {
            Key::Secret(key) => hmac::verify(key, message, signature),
            Key::Public(key) => key.verify(message, signature),
            Key::Rsa(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Checker {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
