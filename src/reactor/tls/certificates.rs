//! What servers show of themselves: from PEM files to what handshakes use, and from new files to the same while
//! connections live.

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// What clients may offer by ALPN (RFC 7301).
const PROTOCOL: &[u8] = b"http/1.1";

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// The certificates of a server, each with its key and the files that both come from.
///
/// Clones are the same: what [`Certificates::reload`] and [`Certificates::replace`] do to one, all of them have, and with
/// them every listener that was given one. Sessions are resumed by tickets, whose keys are made anew every six hours and never stored.
#[derive(Clone)]
pub struct Certificates {
    keys: Arc<Keys>,
    config: Arc<ServerConfig>,
}

/// Why there are no certificates.
#[derive(Debug)]
pub enum CertificateError {
    /// No files were named.
    Nothing,
    /// A file cannot be read.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Whether it is to have a key.
        is_key: bool,
        /// What the system says.
        error: io::Error,
    },
    /// A file does not have what it is to have, or that cannot be used.
    Unusable {
        /// The file.
        file: PathBuf,
        /// Whether it is to have a key.
        is_key: bool,
        /// What is wrong.
        what: String,
    },
    /// The key is that of another certificate.
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// What is needed to resume sessions cannot be made.
    Tickets(String),
}

impl CertificateError {
    /// Whether it is about a key rather than about a certificate.
    pub fn is_about_key(&self) -> bool {
        match self {
            CertificateError::Unreadable { is_key, .. } | CertificateError::Unusable { is_key, .. } => {
                *is_key
            }
            CertificateError::Mismatch { .. } => true,
            CertificateError::Nothing | CertificateError::Tickets(_) => false,
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateError::Nothing => f.write_str("there is no certificate"),
            CertificateError::Unreadable { file, error, .. } => {
                write!(f, "{} cannot be read: {error}", file.display())
            }
            CertificateError::Unusable { file, what, .. } => write!(f, "{}: {what}", file.display()),
            CertificateError::Mismatch { certificate, key } => {
                write!(f, "the key in {} is not that of {}", key.display(), certificate.display())
            }
            CertificateError::Tickets(error) => write!(f, "no tickets can be made: {error}"),
        }
    }
}

impl std::error::Error for CertificateError {}

impl Certificates {
    /// Reads certificates from PEM files: for each a file with the certificate and those that lead to its authority, in
    /// this order, and a file with its key (PKCS#8, PKCS#1 or SEC1, not encrypted).
    ///
    /// A client that names a server gets the first certificate that has the name, any other the first of all.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn from_pem_files<C, K>(
        files: impl IntoIterator<Item = (C, K)>,
    ) -> Result<Certificates, CertificateError>
    where
        C: Into<PathBuf>,
        K: Into<PathBuf>,
    {
        let keys = Arc::new(Keys(RwLock::new(read_all(pairs(files))?)));
        let config = configure(keys.clone(), TlsVersion::Tls12)?;
        Ok(Certificates { keys, config })
    }

    /// The same for clients of this version or a newer one; without this call, of 1.2.
    ///
    /// # Errors
    /// [`CertificateError::Tickets`].
    pub fn min_version(self, version: TlsVersion) -> Result<Certificates, CertificateError> {
        Ok(Certificates { config: configure(self.keys.clone(), version)?, ..self })
    }

    /// Reads the files again. Handshakes from now on use what they have; connections and their tickets stay.
    ///
    /// # Errors
    /// The first thing that is wrong; then everything is as it was.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let files = self.keys.get().iter().map(|pair| pair.files.clone()).collect();
        self.keys.set(read_all(files)?);
        Ok(())
    }

    /// The same with other files.
    ///
    /// # Errors
    /// The first thing that is wrong; then everything is as it was.
    pub fn replace<C, K>(&self, files: impl IntoIterator<Item = (C, K)>) -> Result<(), CertificateError>
    where
        C: Into<PathBuf>,
        K: Into<PathBuf>,
    {
        self.keys.set(read_all(pairs(files))?);
        Ok(())
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.get().iter().map(|pair| &pair.files)).finish()
    }
}

fn configure(keys: Arc<Keys>, version: TlsVersion) -> Result<Arc<ServerConfig>, CertificateError> {
    let versions: &[_] = match version {
        TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("ring has cipher suites for both versions");
    let mut config = builder.with_no_client_auth().with_cert_resolver(keys);
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    // What is needed to resume a session is with the client.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new().map_err(|error| CertificateError::Tickets(error.to_string()))?;
    Ok(Arc::new(config))
}

/// The files of a certificate and its key.
type Files = (PathBuf, PathBuf);

#[derive(Debug)]
struct Pair {
    files: Files,
    key: Arc<CertifiedKey>,
}

/// At least one.
#[derive(Debug)]
struct Keys(RwLock<Arc<[Pair]>>);

impl Keys {
    fn get(&self) -> Arc<[Pair]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, pairs: Arc<[Pair]>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = pairs;
    }
}

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pairs = self.get();
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let schemes = hello.signature_schemes();
        let mut usable =
            pairs.iter().map(|pair| &pair.key).filter(|key| key.key.choose_scheme(schemes).is_some());
        let first = usable.clone().next();
        let named =
            usable.find(|key| pairs.len() == 1 || name.as_ref().is_some_and(|name| serves(key, name)));
        named.or(first).cloned()
    }
}

fn serves(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    key.end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, name).is_ok())
}

fn pairs<C: Into<PathBuf>, K: Into<PathBuf>>(files: impl IntoIterator<Item = (C, K)>) -> Vec<Files> {
    files.into_iter().map(|(chain, key)| (chain.into(), key.into())).collect()
}

fn read_all(files: Vec<Files>) -> Result<Arc<[Pair]>, CertificateError> {
    if files.is_empty() {
        return Err(CertificateError::Nothing);
    }
    let read = |files: Files| Ok(Pair { key: Arc::new(read_one(&files.0, &files.1)?), files });
    files.into_iter().map(read).collect()
}

fn read_one(chain_file: &Path, key_file: &Path) -> Result<CertifiedKey, CertificateError> {
    let unusable = |file: &Path, is_key, what: String| CertificateError::Unusable {
        file: file.to_owned(),
        is_key,
        what,
    };
    let read = |file: &Path, is_key| {
        std::fs::read(file).map_err(|error| CertificateError::Unreadable {
            file: file.to_owned(),
            is_key,
            error,
        })
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(chain_file, false)?)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(chain_file, false, format!("not PEM: {error}")))?;
    if chain.is_empty() {
        return Err(unusable(chain_file, false, "no certificate in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(key_file, true)?).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            unusable(key_file, true, "no private key in it, or one that is encrypted".to_owned())
        }
        error => unusable(key_file, true, format!("not PEM: {error}")),
    })?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            CertificateError::Mismatch { certificate: chain_file.to_owned(), key: key_file.to_owned() }
        }
        rustls::Error::InvalidCertificate(what) => {
            unusable(chain_file, false, format!("no certificate that can be used in it: {what:?}"))
        }
        error => unusable(key_file, true, error.to_string()),
    })
}
