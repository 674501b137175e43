//! Settings of TLS, and what they have to say together.

use super::{ConfigError, Loaded};
use fanfare::ListenAddr;
use std::path::PathBuf;

/// Where TLS is spoken, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TlsConfig {
    pub(crate) listen: Vec<ListenAddr>,
    pub(crate) cert: Vec<PathBuf>,
    /// As many.
    pub(crate) key: Vec<PathBuf>,
    pub(crate) min_version: MinVersion,
}

/// The oldest version that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MinVersion {
    #[default]
    Tls12,
    Tls13,
}

impl MinVersion {
    pub(super) fn find(name: &str) -> Option<MinVersion> {
        [MinVersion::Tls12, MinVersion::Tls13].into_iter().find(|version| version.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            MinVersion::Tls12 => "1.2",
            MinVersion::Tls13 => "1.3",
        }
    }
}

impl Loaded {
    /// Whoever sets addresses for TLS and no others wants no others.
    pub(super) fn settle_listen(&mut self) {
        if !self.config.tls.listen.is_empty() && !self.origins.contains_key("listen") {
            self.config.listen.clear();
        }
    }

    /// Addresses, certificates and keys go together.
    pub(super) fn check_tls(&self) -> Result<(), ConfigError> {
        let TlsConfig { listen, cert, key, .. } = &self.config.tls;
        let (wrong, error) = match (listen.len(), cert.len(), key.len()) {
            (0, 0, 0) => return Ok(()),
            (_, certs, keys) if keys > certs => {
                ("tls.key", format!("expected as many as in tls.cert, {certs}, found {keys}"))
            }
            (_, certs, keys) if certs > keys => {
                ("tls.cert", format!("expected as many as in tls.key, {keys}, found {certs}"))
            }
            (0, ..) => ("tls.cert", "expected tls.listen with it".to_owned()),
            (_, 0, _) => ("tls.listen", "expected tls.cert and tls.key with it".to_owned()),
            _ => return Ok(()),
        };
        Err(self.bad_value(wrong, error))
    }
}
