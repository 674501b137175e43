//! The effective configuration: defaults, then the file, then the environment, then flags.
//!
//! Owns the order of the sources, their errors, and the rule who may listen where. [`keys`] owns which keys there are,
//! [`slot`] what their values may be, [`socketio`] the settings of Socket.IO.

mod auth;
mod drain;
mod file;
mod keys;
mod slot;
mod socketio;
mod tls;

pub(crate) use auth::AuthConfig;
pub(crate) use drain::{DrainConfig, LONGEST_S as LONGEST_DRAIN_S};
pub(crate) use keys::{Key, keys};
pub(crate) use slot::{Value, without_secrets};
pub(crate) use socketio::{Cors, Parser, SocketIoConfig, Transport};
#[cfg(feature = "tls")]
pub(crate) use tls::MinVersion;
pub(crate) use tls::TlsConfig;

use crate::logging::LogFormat;
use fanfare::{Compression, Limits, ListenAddr, Proxies, RedisUrl};
use log::LevelFilter;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The variable that names the configuration file; it has no key.
pub(crate) const FILE_VARIABLE: &str = "FANFARE_CONFIG";

/// What the server is to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) listen: Vec<ListenAddr>,
    /// Of unix sockets.
    pub(crate) unix_mode: u32,
    pub(crate) tls: TlsConfig,
    /// Whose word is taken about who a client is.
    pub(crate) proxies: Proxies,
    pub(crate) reactors: usize,
    /// They share the load.
    pub(crate) balance: bool,
    pub(crate) log: LevelFilter,
    pub(crate) log_format: LogFormat,
    /// Others may come in without authentication.
    pub(crate) open: bool,
    pub(crate) token: Option<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) api_key: Option<String>,
    /// What else there is of that.
    pub(crate) auth: AuthConfig,
    /// Empty: operators use the addresses of clients.
    pub(crate) admin_listen: Vec<ListenAddr>,
    /// None: it is alone.
    pub(crate) redis: Option<RedisUrl>,
    pub(crate) cluster: ClusterConfig,
    pub(crate) socketio: SocketIoConfig,
    pub(crate) limits: Limits,
    pub(crate) drain: DrainConfig,
    /// Clients of `/ws` may have it.
    pub(crate) ws_compression: bool,
    /// How, for all who have it.
    pub(crate) compression: Compression,
}

/// How servers are one, where Redis makes them so.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClusterConfig {
    /// For load balancers; `None` is a random one.
    pub(crate) node: Option<usize>,
    pub(crate) sharded: bool,
    /// Without it the server is not ready.
    pub(crate) required: bool,
    /// What the names of channels begin with.
    pub(crate) prefix: String,
    /// What may wait while Redis is away, in bytes.
    pub(crate) spool_bytes: usize,
    /// How old it may be when it is sent.
    pub(crate) spool_age_ms: u32,
}

impl Default for ClusterConfig {
    fn default() -> ClusterConfig {
        ClusterConfig {
            node: None,
            sharded: false,
            required: false,
            prefix: "socket.io".to_owned(),
            spool_bytes: 1 << 20,
            spool_age_ms: 5_000,
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: vec![ListenAddr::Tcp(std::net::SocketAddr::from(([127, 0, 0, 1], 3000)))],
            unix_mode: 0o660,
            tls: TlsConfig::default(),
            proxies: Proxies::default(),
            reactors: 0,
            balance: true,
            log: LevelFilter::Info,
            log_format: LogFormat::Text,
            open: false,
            token: None,
            origins: Vec::new(),
            api_key: None,
            auth: AuthConfig::default(),
            admin_listen: Vec::new(),
            redis: None,
            cluster: ClusterConfig::default(),
            socketio: SocketIoConfig::default(),
            limits: Limits::default(),
            drain: DrainConfig::default(),
            ws_compression: false,
            compression: Compression::default(),
        }
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    File(PathBuf, usize),
    Variable(String),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    Unreadable(PathBuf, String),
    /// The file is no TOML.
    Syntax(Origin, String),
    /// There is no such key.
    UnknownKey(Origin, String, String),
    /// The key cannot have this value.
    BadValue(Origin, String, String),
    /// Other machines could come in without saying who they are.
    Exposed(Option<Origin>, &'static str, ListenAddr, String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            ConfigError::Syntax(origin, error) => write!(f, "{origin}: {error}"),
            ConfigError::UnknownKey(origin, key, known) => {
                write!(f, "{origin}: {key}: unknown key, expected one of {known}")
            }
            ConfigError::BadValue(origin @ Origin::File(..), key, error) => {
                write!(f, "{origin}: {key}: {error}")
            }
            // A variable or a flag names the key itself.
            ConfigError::BadValue(origin, _, error) => write!(f, "{origin}: {error}"),
            ConfigError::Exposed(origin, key, addr, missing) => {
                // A variable or a flag names the key itself.
                match origin {
                    Some(origin @ Origin::File(..)) => write!(f, "{origin}: {key}: ")?,
                    Some(origin) => write!(f, "{origin}: ")?,
                    None => write!(f, "{key}: ")?,
                }
                write!(
                    f,
                    "other machines can reach {addr}: set {missing}, or set open (--open) if that is meant"
                )
            }
        }
    }
}

/// The configuration and where it comes from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) file: Option<PathBuf>,
    /// Of every key that has not its default.
    origins: HashMap<&'static str, Origin>,
    /// Keys of which the value, or a part of it, stands in a file of its own, and what they show without that.
    in_files: HashMap<&'static str, Option<String>>,
    /// Variables that look like ours but set nothing.
    pub(crate) strange_variables: Vec<String>,
}

/// Reads all sources and checks what they say together.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (OsString, OsString)>,
    flags: &[(&'static Key, Value)],
) -> Result<Loaded, ConfigError> {
    let mut variables: HashMap<String, OsString> = environment
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        // One that is empty is one that is not there.
        .filter(|(name, value)| name.starts_with("FANFARE_") && !value.is_empty())
        .collect();
    let from_variable = variables.remove(FILE_VARIABLE).map(PathBuf::from);
    let file = file.map(Path::to_owned).or(from_variable);

    let mut loaded = Loaded {
        config: Config::default(),
        file,
        origins: HashMap::new(),
        in_files: HashMap::new(),
        strange_variables: Vec::new(),
    };
    if let Some(path) = loaded.file.clone() {
        for (key, value, origin) in file::read(&path)? {
            loaded.set(key, &value, origin)?;
        }
    }
    for key in keys() {
        let Some(value) = variables.remove(&key.variable()) else { continue };
        let value = value.into_string().map_or(Value::Other("bytes that are not UTF-8"), Value::Raw);
        loaded.set(key, &value, Origin::Variable(key.variable()))?;
    }
    for (key, value) in flags {
        let origin = Origin::Flag(key.flag.map_or(key.name, |(flag, _)| flag));
        loaded.set(key, value, origin)?;
    }
    loaded.read_secrets()?;
    loaded.settle_listen();
    loaded.check_addresses()?;
    loaded.check_tls()?;
    let Config { listen, tls, admin_listen, .. } = &loaded.config;
    loaded.check_exposure(listen, &tls.listen, admin_listen)?;
    loaded.check_rates()?;
    loaded.check_socketio()?;
    loaded.check_auth()?;
    loaded.strange_variables = variables.into_keys().collect();
    loaded.strange_variables.sort_unstable();
    Ok(loaded)
}

impl Loaded {
    fn set(&mut self, key: &'static Key, value: &Value, origin: Origin) -> Result<(), ConfigError> {
        match key.set(&mut self.config, value) {
            Ok(()) => {
                self.origins.insert(key.name, origin);
                Ok(())
            }
            Err(error) => Err(ConfigError::BadValue(origin, key.name.to_owned(), error)),
        }
    }

    /// An address serves clients or operators, with TLS or without.
    fn check_addresses(&self) -> Result<(), ConfigError> {
        let is_fixed = |addr: &&ListenAddr| !matches!(addr, ListenAddr::Tcp(tcp) if tcp.port() == 0);
        let Config { listen, tls, admin_listen, .. } = &self.config;
        for (key, addrs, other_key, others) in [
            ("tls.listen", &tls.listen, "listen", listen),
            ("admin.listen", admin_listen, "listen", listen),
            ("admin.listen", admin_listen, "tls.listen", &tls.listen),
        ] {
            if let Some(addr) = addrs.iter().filter(is_fixed).find(|addr| others.contains(addr)) {
                let error = format!("expected addresses other than those of {other_key}, found {addr}");
                return Err(self.bad_value(key, error));
            }
        }
        Ok(())
    }

    /// A burst is one of a rate.
    fn check_rates(&self) -> Result<(), ConfigError> {
        match (self.config.limits.messages_burst, self.config.limits.messages_per_s) {
            (Some(_), None) => {
                let error = "expected limits.messages_per_s to be set, too".to_owned();
                Err(self.bad_value("limits.messages_burst", error))
            }
            _ => Ok(()),
        }
    }

    /// The value that this key was set to turned out to be wrong.
    pub(crate) fn bad_value(&self, key: &'static str, error: String) -> ConfigError {
        let origin = self.origins.get(key).expect("what has its default is right");
        ConfigError::BadValue(origin.clone(), key.to_owned(), error)
    }

    /// Nobody is let in from elsewhere by an oversight, where it listens on these addresses: for clients, for clients with
    /// TLS, and for operators.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn check_exposure(
        &self,
        listen: &[ListenAddr],
        tls_listen: &[ListenAddr],
        admin_listen: &[ListenAddr],
    ) -> Result<(), ConfigError> {
        let open = self.config.open;
        let (knows_clients, has_key) = (self.config.has_client_auth(), self.config.has_api_key());
        let exposed = |listen: &[ListenAddr]| listen.iter().find(|addr| !addr.is_local()).cloned();
        if let (Some(addr), false, false) = (exposed(admin_listen), has_key, open) {
            let missing = "api.key (--api-key)".to_owned();
            return Err(self.exposed("admin.listen", addr, missing));
        }
        let missing = match (knows_clients, has_key) {
            _ if open => return Ok(()),
            (true, true) => return Ok(()),
            (false, false) => "auth.token (--token) and api.key (--api-key)",
            (false, true) => "auth.token (--token) too",
            (true, false) => "api.key (--api-key) too",
        };
        match (exposed(listen), exposed(tls_listen)) {
            (Some(addr), _) => Err(self.exposed("listen", addr, missing.to_owned())),
            (None, Some(addr)) => Err(self.exposed("tls.listen", addr, missing.to_owned())),
            (None, None) => Ok(()),
        }
    }

    fn exposed(&self, key: &'static str, addr: ListenAddr, missing: String) -> ConfigError {
        ConfigError::Exposed(self.origins.get(key).cloned(), key, addr, missing)
    }

    /// The whole configuration as TOML, secrets hidden, with the origin of what is not a default. Of a secret in a file only
    /// the file is shown, so that this can be read as a configuration again.
    pub(crate) fn show(&self) -> String {
        let mut shown = String::new();
        let mut section = None;
        for key in keys() {
            if key.section() != section {
                section = key.section();
                // Writing to a String does not fail.
                let _ = writeln!(shown, "\n[{}]", section.unwrap_or_default());
            }
            let in_file = self.in_files.get(key.name);
            let value = in_file.map_or_else(|| key.show(&self.config), Option::clone);
            let _ = match (value, self.origins.get(key.name)) {
                (None, _) if in_file.is_some() => writeln!(shown, "# {0} is in {0}_file", key.leaf()),
                (None, _) => writeln!(shown, "# {} is not set", key.leaf()),
                (Some(value), None) => writeln!(shown, "{} = {value}", key.leaf()),
                (Some(value), Some(origin)) => {
                    let origin = origin.to_string().replace(char::is_control, "?");
                    writeln!(shown, "{} = {value} # {origin}", key.leaf())
                }
            };
        }
        shown
    }
}

#[cfg(test)]
mod tests;
