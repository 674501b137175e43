//! The certificates of the configuration, for whoever listens and for whoever reads them again.

use crate::config::{ConfigError, Loaded};
use fanfare::Builder;
#[cfg(feature = "tls")]
use {
    crate::config::{MinVersion, TlsConfig},
    fanfare::{CertificateError, Certificates, TlsVersion},
};

/// What clients of `tls.listen` are shown; a build without TLS has nothing to show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    #[cfg(feature = "tls")]
    certificates: Option<Certificates>,
}

#[cfg(feature = "tls")]
impl Shown {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// The key of the file that cannot be used, and why.
    pub(crate) fn read(loaded: &Loaded) -> Result<Shown, ConfigError> {
        let TlsConfig { listen, cert, key, min_version } = &loaded.config.tls;
        if listen.is_empty() {
            return Ok(Shown::default());
        }
        let version = match min_version {
            MinVersion::Tls12 => TlsVersion::Tls12,
            MinVersion::Tls13 => TlsVersion::Tls13,
        };
        let certificates = Certificates::from_pem_files(cert.iter().zip(key))
            .and_then(|certificates| certificates.min_version(version))
            .map_err(|error| bad_file(loaded, &error))?;
        Ok(Shown { certificates: Some(certificates) })
    }

    /// Reads the files again, those that are named now; the old ones hold if something is wrong with them.
    ///
    /// # Errors
    /// As [`Shown::read`].
    pub(crate) fn reload(&self, loaded: &Loaded) -> Result<(), ConfigError> {
        let Some(certificates) = &self.certificates else { return Ok(()) };
        let TlsConfig { listen, cert, key, .. } = &loaded.config.tls;
        if listen.is_empty() {
            // Nobody shall listen any more, after the next start.
            return Ok(());
        }
        certificates.replace(cert.iter().zip(key)).map_err(|error| bad_file(loaded, &error))
    }

    /// Listens where TLS is to be spoken.
    pub(crate) fn install(&self, builder: Builder, loaded: &Loaded) -> Builder {
        let listen = loaded.config.tls.listen.iter().cloned();
        listen
            .zip(self.certificates.iter().cycle())
            .fold(builder, |builder, (addr, certificates)| builder.listen_tls(addr, certificates.clone()))
    }
}

#[cfg(feature = "tls")]
fn bad_file(loaded: &Loaded, error: &CertificateError) -> ConfigError {
    let key = if error.is_about_key() { "tls.key" } else { "tls.cert" };
    loaded.bad_value(key, error.to_string())
}

#[cfg(not(feature = "tls"))]
impl Shown {
    /// Refuses to speak TLS.
    ///
    /// # Errors
    /// If the configuration wants it.
    pub(crate) fn read(loaded: &Loaded) -> Result<Shown, ConfigError> {
        if loaded.config.tls.listen.is_empty() {
            return Ok(Shown::default());
        }
        Err(loaded.bad_value("tls.listen", "this program was built without TLS".to_owned()))
    }

    /// There are no files.
    pub(crate) fn reload(&self, _: &Loaded) -> Result<(), ConfigError> {
        Ok(())
    }

    /// There is nowhere to listen.
    pub(crate) fn install(&self, builder: Builder, _: &Loaded) -> Builder {
        builder
    }
}
