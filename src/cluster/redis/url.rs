//! Where Redis is: `redis://` and its relatives, read into addresses, a user and a database.
//!
//! The forms are those of the `redis` and `rediss` schemes registered with IANA, with `unix` sockets, and several
//! servers behind `+sentinel` and `+cluster`. What is shown, in errors too, has no password.

use percent_encoding::percent_decode_str;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// The address of one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A name or an IP address, without brackets, and a port.
    Tcp(String, u16),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How the servers that hold the data are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// There is one.
    One(Address),
    /// Sentinels know the current master of that name.
    Sentinel {
        /// In the order in which they are asked.
        sentinels: Vec<Address>,
        /// What the sentinels call the master.
        master: String,
    },
    /// Any node of the Cluster knows the others.
    Cluster(Vec<Address>),
}

/// A user and what proves it; without a name it is the user `default`.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user of Redis' ACL.
    pub user: String,
    /// In plain text.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:***", self.user)
    }
}

/// Where Redis is, and as whom to go there. Shown (`Display`, `Debug`) with `***` for passwords.
///
/// | | |
/// |---|---|
/// | `redis://[[user]:password@]host[:6379][/database]` | one server; `rediss://` with TLS |
/// | `unix:///path[?db=2&user=U&password=P]` | a unix socket; also `redis+unix://` |
/// | `redis+sentinel://[[user]:password@]host[:26379],…/master[/database]` | with `?sentinel_user=U&sentinel_password=P` if the sentinels want to know, too |
/// | `redis+cluster://[[user]:password@]host[:6379],…` | a Redis Cluster, of which these nodes are asked first |
///
/// `rediss+sentinel` and `rediss+cluster` use TLS everywhere. IPv6 addresses stand in brackets; what is special in a URL
/// is written `%40`.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// How servers are found.
    pub servers: Servers,
    /// As whom.
    pub login: Option<Login>,
    /// As whom at the sentinels.
    pub sentinel_login: Option<Login>,
    /// The number of the database. Pub/Sub does not care, the rights of a user may.
    pub database: u32,
    /// With TLS, by which every server is checked for the name under which it was reached.
    pub tls: bool,
}

/// A text that is no URL of Redis: which part of it, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRedisUrl(String);

impl fmt::Display for BadRedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a Redis URL: {}", self.0)
    }
}

impl std::error::Error for BadRedisUrl {}

fn bad<T>(what: impl Into<String>) -> Result<T, BadRedisUrl> {
    Err(BadRedisUrl(what.into()))
}

impl FromStr for RedisUrl {
    type Err = BadRedisUrl;

    fn from_str(text: &str) -> Result<RedisUrl, BadRedisUrl> {
        RedisUrl::parse(text)
    }
}

impl RedisUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`BadRedisUrl`] says which part is wrong; it never holds a password.
    pub fn parse(text: &str) -> Result<RedisUrl, BadRedisUrl> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return bad("it has no scheme; expected redis://host:6379");
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = Query::parse(query)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, ""),
        };
        // Else the half of a password would be taken for a host, and be shown.
        if !scheme.contains("unix") && text.rfind('@') > text.find(authority).map(|at| at + authority.len()) {
            return bad("behind the host stands an @; in a user or a password @ / ? are written %40 %2F %3F");
        }
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(parse_login(login)?), hosts),
            None => (None, authority),
        };
        let tls = scheme.starts_with("rediss");
        let mut url =
            RedisUrl { servers: Servers::Cluster(Vec::new()), login, sentinel_login: None, database: 0, tls };
        match scheme {
            "redis" | "rediss" => {
                query.only(&[])?;
                let [address] = &addresses(hosts, PORT)?[..] else {
                    return bad(format!(
                        "{scheme}:// names one server; several are {scheme}+sentinel:// or {scheme}+cluster://"
                    ));
                };
                url.servers = Servers::One(address.clone());
                url.database = parse_database(path)?;
            }
            "unix" | "redis+unix" => {
                query.only(&["db", "user", "password"])?;
                if !authority.is_empty() {
                    return bad("the path of a unix socket is absolute: unix:///run/redis.sock");
                }
                let path = decode("path", path)?;
                // sun_path has 108 bytes, the last of which is zero.
                if path.is_empty() || path.len() + 1 >= 108 || path.contains('\0') {
                    return bad("the path of a unix socket has 1 to 107 bytes: unix:///run/redis.sock");
                }
                url.servers = Servers::One(Address::Unix(format!("/{path}").into()));
                url.login = query.login("user", "password")?;
                url.database = parse_database(query.get("db").unwrap_or(""))?;
            }
            "redis+sentinel" | "rediss+sentinel" => {
                query.only(&["sentinel_user", "sentinel_password"])?;
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return bad(format!(
                        "the name of the master is missing: {scheme}://host:26379/master-name"
                    ));
                }
                let sentinels = addresses(hosts, SENTINEL_PORT)?;
                url.servers = Servers::Sentinel { sentinels, master: decode("name of the master", master)? };
                url.sentinel_login = query.login("sentinel_user", "sentinel_password")?;
                url.database = parse_database(database)?;
            }
            "redis+cluster" | "rediss+cluster" => {
                query.only(&[])?;
                if parse_database(path)? != 0 {
                    return bad("a Redis Cluster has no database but 0");
                }
                url.servers = Servers::Cluster(addresses(hosts, PORT)?);
            }
            _ => {
                return bad(format!(
                    "the scheme {scheme:?} is unknown; expected redis, rediss, unix, redis+sentinel or redis+cluster"
                ));
            }
        }
        Ok(url)
    }
}

/// The values behind the question mark.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Result<Query, BadRedisUrl> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode("query", key)?, decode("query", value)?))
        });
        Ok(Query(decoded.collect::<Result<_, _>>()?))
    }

    fn only(&self, known: &[&str]) -> Result<(), BadRedisUrl> {
        match self.0.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, _)) if known.is_empty() => {
                bad(format!("the option {key:?} is unknown; here none is expected"))
            }
            Some((key, _)) => bad(format!("the option {key:?} is unknown; expected {}", known.join(", "))),
        }
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn login(&self, user: &str, password: &str) -> Result<Option<Login>, BadRedisUrl> {
        match (self.get(user), self.get(password)) {
            (None, None) => Ok(None),
            (Some(_), None) => bad(format!("{user} is there without {password}")),
            (user, Some(password)) => {
                Ok(Some(Login { user: user.unwrap_or("default").to_owned(), password: password.to_owned() }))
            }
        }
    }
}

fn decode(part: &str, text: &str) -> Result<String, BadRedisUrl> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => bad(format!("the {part} is not UTF-8")),
    }
}

fn parse_login(text: &str) -> Result<Login, BadRedisUrl> {
    let Some((user, password)) = text.split_once(':') else {
        return bad("before the @ stands user:password, or :password");
    };
    let user = if user.is_empty() { "default".to_owned() } else { decode("user", user)? };
    Ok(Login { user, password: decode("password", password)? })
}

fn parse_database(text: &str) -> Result<u32, BadRedisUrl> {
    if text.is_empty() {
        return Ok(0);
    }
    match text.parse() {
        Ok(database) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(database),
        _ => bad(format!("the database is a number, not {text:?}")),
    }
}

fn addresses(hosts: &str, default: u16) -> Result<Vec<Address>, BadRedisUrl> {
    hosts.split(',').map(|host| parse_address(host, default)).collect()
}

fn parse_address(text: &str, default: u16) -> Result<Address, BadRedisUrl> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((host, port)) = rest.split_once(']') else {
            return bad(format!("the bracket of {text:?} is not closed"));
        };
        match port.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if port.is_empty() => (host, None),
            None => return bad(format!("behind the bracket of {text:?} stands nothing but :port")),
        }
    } else {
        match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return bad(format!("an IPv6 address stands in brackets, not {text:?}"));
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if host.is_empty() {
        return bad("the host is missing; expected host:port");
    }
    let port = match port.map(str::parse) {
        None => default,
        Some(Ok(port)) if port != 0 => port,
        Some(_) => return bad(format!("the port of {text:?} is a number from 1 to 65535")),
    };
    Ok(Address::Tcp(decode("host", host)?, port))
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let login = match &self.login {
            Some(login) => format!("{}:***@", login.user),
            None => String::new(),
        };
        let joined = |list: &[Address]| list.iter().map(Address::to_string).collect::<Vec<_>>().join(",");
        match &self.servers {
            Servers::One(Address::Unix(path)) => {
                write!(f, "unix://{}?db={}", path.display(), self.database)?;
                match &self.login {
                    Some(login) => write!(f, "&user={}&password=***", login.user),
                    None => Ok(()),
                }
            }
            Servers::One(address) => write!(f, "{scheme}://{login}{address}/{}", self.database),
            Servers::Sentinel { sentinels, master } => {
                write!(f, "{scheme}+sentinel://{login}{}/{master}/{}", joined(sentinels), self.database)
            }
            Servers::Cluster(nodes) => write!(f, "{scheme}+cluster://{login}{}", joined(nodes)),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        RedisUrl::parse(text).unwrap().to_string()
    }

    #[test]
    fn every_form_is_read_and_shown_without_its_password() {
        for (text, expected) in [
            ("redis://h", "redis://h:6379/0"),
            ("redis://127.0.0.1:1234/3", "redis://127.0.0.1:1234/3"),
            ("redis://[::1]/", "redis://[::1]:6379/0"),
            ("rediss://:secret@h:1", "rediss://default:***@h:1/0"),
            ("redis://u:secret@h:1/2", "redis://u:***@h:1/2"),
            ("unix:///run/redis.sock", "unix:///run/redis.sock?db=0"),
            ("redis+unix:///r/s?db=4&user=u&password=secret", "unix:///r/s?db=4&user=u&password=***"),
            ("redis+sentinel://a,b:7/mymaster", "redis+sentinel://a:26379,b:7/mymaster/0"),
            (
                "rediss+sentinel://u:secret@a/m/5?sentinel_password=secret",
                "rediss+sentinel://u:***@a:26379/m/5",
            ),
            ("redis+cluster://a,[::2]:9", "redis+cluster://a:6379,[::2]:9"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
            assert!(!format!("{:?}", RedisUrl::parse(text).unwrap()).contains("secret"), "{text}");
        }
    }

    #[test]
    fn escapes_and_signs_in_a_password_arrive() {
        let login = |text| RedisUrl::parse(text).unwrap().login.unwrap();
        assert_eq!(
            login("redis://a%40b:p%2Fq%3A:x@h"),
            Login { user: "a@b".into(), password: "p/q::x".into() }
        );
        assert_eq!(login("redis://:p@q@h").password, "p@q");
        let url = RedisUrl::parse("redis+sentinel://a/m?sentinel_user=s&sentinel_password=t").unwrap();
        assert_eq!(url.sentinel_login, Some(Login { user: "s".into(), password: "t".into() }));
        assert_eq!(url.login, None);
    }

    #[test]
    fn what_is_wrong_is_named_without_the_password() {
        for (text, part) in [
            ("127.0.0.1:6379", "scheme"),
            ("http://h", "scheme \"http\""),
            ("redis://", "host is missing"),
            ("redis://u:secret@", "host is missing"),
            ("redis://u@h", "user:password"),
            ("redis://u:secret@h:0", "port"),
            ("redis://u:secret@h:99999", "port"),
            ("redis://h:p", "port"),
            ("redis://u:secret/secret@h", "%2F"),
            ("redis://u:secret?secret@h", "%3F"),
            ("redis+sentinel://h/m?sentinel_password=secret@", "%40"),
            ("redis://u:secret@h/x", "database"),
            ("redis://h/+1", "database"),
            ("redis://h?db=2", "option \"db\""),
            ("redis://a,b", "one server"),
            ("redis://::1", "brackets"),
            ("redis://[::1", "bracket"),
            ("redis://[::1]x", "bracket"),
            ("redis://u:%ff@h", "password is not UTF-8"),
            ("unix://run/redis.sock", "absolute"),
            ("unix:///", "107"),
            ("unix:///s?user=u", "without password"),
            ("unix:///s?x=secret", "option \"x\""),
            ("redis+sentinel://h", "master"),
            ("redis+sentinel://h/m/x", "database"),
            ("redis+cluster://u:secret@h/1", "database but 0"),
            ("redis+cluster://h,,i", "host is missing"),
        ] {
            let error = RedisUrl::parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn no_text_panics() {
        for text in [
            "",
            "://",
            "redis://@",
            "redis://[",
            "redis://%",
            "unix://?",
            "redis+sentinel:///",
            "redis://é:é@é/é?é",
        ] {
            let _ = RedisUrl::parse(text);
            for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
                let _ = RedisUrl::parse(&text[at..]);
            }
        }
    }
}
