//! What a key's value may be: where it is kept, how it is read from text, and how it is shown.
//!
//! Owns the kinds of values. Leaves the keys to [`super::keys`], and what only Socket.IO has to [`super::socketio`].

use super::socketio::{Cors, Parser, Transport, is_cookie_name, is_namespace, is_path};
use super::tls::MinVersion;
use crate::access::{ApiKey, Rule};
use crate::logging::LogFormat;
use fanfare::{ListenAddr, NAME_BYTES, Network, RedisUrl};
use log::LevelFilter;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// The longest secret, in bytes: it has to fit into a request's head.
const SECRET_BYTES: usize = 1_024;
/// The longest prefix of channels, in bytes: each message has it.
const PREFIX_BYTES: usize = 64;
/// The longest URL, in bytes.
const URL_BYTES: usize = 2_048;
/// What says in a text that there is none.
const OFF: &str = "off";

/// A value before it is known to be one that its key may have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// From a file.
    Number(i128),
    /// From a file.
    Switch(bool),
    /// From a file.
    Text(String),
    /// From a file, or a flag that was repeated.
    List(Vec<String>),
    /// From the environment or a flag, where everything is text; a list is separated by commas.
    Raw(String),
    /// Something that no key takes; what it is.
    Other(&'static str),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Number(number) => number.fmt(f),
            Value::Switch(on) => on.fmt(f),
            Value::Text(text) | Value::Raw(text) => write!(f, "{text:?}"),
            Value::List(items) => write!(f, "{items:?}"),
            Value::Other(what) => f.write_str(what),
        }
    }
}

impl Value {
    fn number(&self, range: &RangeInclusive<u64>) -> Option<u64> {
        let number = match self {
            Value::Number(number) => u64::try_from(*number).ok()?,
            Value::Raw(text) => text.replace('_', "").parse().ok()?,
            _ => return None,
        };
        range.contains(&number).then_some(number)
    }

    fn switch(&self) -> Option<bool> {
        match self {
            Value::Switch(on) => Some(*on),
            Value::Raw(text) => match text.as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Raw(text) => Some(text),
            _ => None,
        }
    }

    fn list(&self) -> Option<Vec<&str>> {
        match self {
            Value::Text(text) => Some(vec![text]),
            Value::Raw(text) => Some(text.split(',').map(str::trim).collect()),
            Value::List(items) => Some(items.iter().map(String::as_str).collect()),
            _ => None,
        }
    }

    fn origins(&self) -> Option<Vec<String>> {
        let origins = self.list()?.into_iter();
        origins.map(|origin| is_origin(origin).then(|| origin.to_owned())).collect()
    }

    /// Different addresses.
    fn addresses(&self) -> Option<Vec<ListenAddr>> {
        let addresses = self.list()?.into_iter().map(|text| text.parse().ok());
        addresses.collect::<Option<Vec<_>>>().filter(|addresses| !has_twice(addresses))
    }
}

/// Where a value is kept, by what it may be.
pub(super) enum Slot<'c> {
    Size(&'c mut usize, RangeInclusive<u64>),
    Seconds(&'c mut u32, RangeInclusive<u64>),
    Small(&'c mut u8, RangeInclusive<u64>),
    Millis(&'c mut u32, RangeInclusive<u64>),
    /// 0 is no number.
    Count(&'c mut Option<usize>, RangeInclusive<u64>),
    /// 0 is no rate.
    Rate(&'c mut Option<u32>, RangeInclusive<u64>),
    /// 0 is no amount.
    Bytes(&'c mut Option<u64>, RangeInclusive<u64>),
    Switch(&'c mut bool),
    Level(&'c mut LevelFilter),
    LogFormat(&'c mut LogFormat),
    Secret(&'c mut Option<String>),
    Origins(&'c mut Vec<String>),
    /// At least one.
    Addresses(&'c mut Vec<ListenAddr>),
    OptionalAddresses(&'c mut Vec<ListenAddr>),
    /// Of URLs.
    Path(&'c mut String),
    Folder(&'c mut Option<PathBuf>),
    Files(&'c mut Vec<PathBuf>),
    /// Of a file.
    Mode(&'c mut u32),
    TlsVersion(&'c mut MinVersion),
    Networks(&'c mut Vec<Network>),
    Redis(&'c mut Option<RedisUrl>),
    /// Of channels.
    Prefix(&'c mut String),
    Transports(&'c mut Vec<Transport>),
    Parser(&'c mut Parser),
    Cors(&'c mut Cors),
    Cookie(&'c mut Option<String>),
    /// With `/` or without.
    Namespaces(&'c mut Vec<String>, bool),
    File(&'c mut Option<PathBuf>),
    /// http or https.
    HttpUrl(&'c mut Option<String>),
    /// Of claims and of who makes tokens.
    Name(&'c mut String),
    Names(&'c mut Vec<String>),
    /// None: everything is allowed.
    PublishRules(&'c mut Option<Vec<Rule>>),
    ApiKeys(&'c mut Vec<ApiKey>),
}

impl Slot<'_> {
    pub(super) fn expected(&self) -> String {
        match self {
            Slot::Size(_, range)
            | Slot::Small(_, range)
            | Slot::Seconds(_, range)
            | Slot::Millis(_, range)
            | Slot::Count(_, range)
            | Slot::Rate(_, range)
            | Slot::Bytes(_, range) => {
                format!("a number from {} to {}", range.start(), range.end())
            }
            Slot::Switch(_) => "true or false".to_owned(),
            Slot::Level(_) => "off, error, warn, info, debug or trace".to_owned(),
            Slot::LogFormat(_) => "text or json".to_owned(),
            Slot::Secret(_) => expected_secret(),
            Slot::Origins(_) => "origins such as https://app.example, without a path".to_owned(),
            Slot::Addresses(_) | Slot::OptionalAddresses(_) => {
                "different addresses such as 127.0.0.1:3000, [::1]:3000 or unix:/run/fanfare.sock".to_owned()
            }
            Slot::Path(_) => "a path such as /socket.io/, of letters, digits, dots and dashes".to_owned(),
            Slot::Folder(_) => "the path of a folder".to_owned(),
            Slot::Files(_) => "paths of files".to_owned(),
            Slot::Mode(_) => "permissions such as \"0660\"".to_owned(),
            Slot::TlsVersion(_) => "1.2 or 1.3".to_owned(),
            Slot::Networks(_) => {
                "networks such as 10.0.0.0/8, 192.0.2.1 or 2001:db8::/32, or unix".to_owned()
            }
            Slot::Redis(_) => "a URL such as redis://user:password@127.0.0.1:6379/0".to_owned(),
            Slot::Prefix(_) => {
                format!("1 to {PREFIX_BYTES} letters, digits, dots, colons, dashes and underscores")
            }
            Slot::Transports(_) => "polling, websocket or both".to_owned(),
            Slot::Parser(_) => "json or msgpack".to_owned(),
            Slot::Cors(_) => "origins such as https://app.example, without a path, or * or off".to_owned(),
            Slot::Cookie(_) => "the name of a cookie, or off".to_owned(),
            Slot::Namespaces(_, true) => "different namespaces such as / or /news".to_owned(),
            Slot::Namespaces(_, false) => "different namespaces such as /news, besides /".to_owned(),
            Slot::File(_) => "the path of a file".to_owned(),
            Slot::HttpUrl(_) => "a URL such as https://auth.example/check".to_owned(),
            Slot::Name(_) => format!("a name of 1 to {NAME_BYTES} bytes"),
            Slot::Names(_) => format!("different names of 1 to {NAME_BYTES} bytes"),
            Slot::PublishRules(_) => {
                "all, none, or rules such as d1:group:news-*, /:room:*, d1:domain, !*:client:root".to_owned()
            }
            Slot::ApiKeys(_) => "keys such as publish+read:KEY, with scopes publish, read, admin".to_owned(),
        }
    }

    /// Takes the value, or says that it cannot be.
    pub(super) fn set(self, value: &Value) -> Option<()> {
        match self {
            Slot::Size(at, range) => *at = usize::try_from(value.number(&range)?).ok()?,
            Slot::Small(at, range) => *at = u8::try_from(value.number(&range)?).ok()?,
            Slot::Seconds(at, range) | Slot::Millis(at, range) => {
                *at = u32::try_from(value.number(&range)?).ok()?;
            }
            Slot::Count(at, range) => {
                *at = Some(usize::try_from(value.number(&range)?).ok()?).filter(|count| *count > 0);
            }
            Slot::Rate(at, range) => {
                *at = Some(u32::try_from(value.number(&range)?).ok()?).filter(|rate| *rate > 0);
            }
            Slot::Bytes(at, range) => *at = Some(value.number(&range)?).filter(|bytes| *bytes > 0),
            Slot::Switch(at) => *at = value.switch()?,
            Slot::Level(at) => *at = value.text()?.parse().ok()?,
            Slot::LogFormat(at) => *at = LogFormat::find(value.text()?)?,
            Slot::Secret(at) => {
                let secret = value.text()?;
                *at = Some(is_secret(secret).then(|| secret.to_owned())?);
            }
            Slot::Origins(at) => *at = value.origins()?,
            Slot::Addresses(at) => {
                *at = value.addresses().filter(|addresses| !addresses.is_empty())?;
            }
            Slot::OptionalAddresses(at) => *at = value.addresses()?,
            Slot::Path(at) => *at = value.text().filter(|text| is_path(text))?.to_owned(),
            Slot::Folder(at) | Slot::File(at) => {
                *at = Some(value.text().filter(|text| !text.is_empty())?.into())
            }
            Slot::Files(at) => {
                let files = value.list()?;
                let named = files.iter().all(|file| !file.is_empty());
                *at = named.then(|| files.into_iter().map(PathBuf::from).collect())?;
            }
            Slot::Mode(at) => {
                let digits = value.text().filter(|text| (3..=4).contains(&text.len()))?;
                let mode = u32::from_str_radix(digits, 8).ok()?;
                *at = (digits.bytes().all(|byte| byte.is_ascii_digit()) && mode <= 0o777).then_some(mode)?;
            }
            Slot::TlsVersion(at) => *at = MinVersion::find(value.text()?)?,
            Slot::Networks(at) => {
                let networks = value.list()?.into_iter().map(|text| text.parse().ok());
                *at = networks.collect::<Option<Vec<_>>>().filter(|networks| all_differ(networks))?;
            }
            Slot::Redis(at) => *at = Some(value.text()?.parse().ok()?),
            Slot::Prefix(at) => *at = value.text().filter(|text| is_prefix(text))?.to_owned(),
            Slot::Transports(at) => {
                let transports = value.list()?.into_iter().map(Transport::find).collect::<Option<Vec<_>>>();
                *at = transports.filter(|names| !names.is_empty() && all_differ(names))?;
            }
            Slot::Parser(at) => *at = Parser::find(value.text()?)?,
            Slot::Cors(at) => {
                *at = match value.text() {
                    Some(OFF) => Cors::Off,
                    Some("*") => Cors::Any,
                    _ => Cors::Origins(value.origins().filter(|origins| !origins.is_empty())?),
                };
            }
            Slot::Cookie(at) => {
                let name = value.text()?;
                *at = if name == OFF { None } else { Some(is_cookie_name(name).then(|| name.to_owned())?) };
            }
            Slot::Namespaces(at, with_root) => {
                let names = value.list()?;
                let fits = |name: &&str| is_namespace(name) && (with_root || *name != "/");
                *at = (names.iter().all(fits) && all_differ(&names))
                    .then(|| names.into_iter().map(str::to_owned).collect())?;
            }
            Slot::HttpUrl(at) => *at = Some(value.text().filter(|text| is_http_url(text))?.to_owned()),
            Slot::Name(at) => *at = value.text().filter(|text| is_name(text))?.to_owned(),
            Slot::Names(at) => {
                let names = value.list()?;
                *at = (names.iter().all(|name| is_name(name)) && all_differ(&names))
                    .then(|| names.into_iter().map(str::to_owned).collect())?;
            }
            Slot::PublishRules(at) => {
                *at = match value.text() {
                    Some("all") => None,
                    Some("none") => Some(Vec::new()),
                    _ => {
                        Some(value.list()?.into_iter().map(|rule| rule.parse().ok()).collect::<Option<_>>()?)
                    }
                };
            }
            Slot::ApiKeys(at) => {
                *at = value.list()?.into_iter().map(api_key).collect::<Option<_>>()?;
            }
        }
        Some(())
    }

    /// Whether it has the same value as another one of its kind; also where that is not shown.
    pub(super) fn equals(self, other: Slot<'_>) -> bool {
        match (self, other) {
            (Slot::Secret(one), Slot::Secret(other)) => one == other,
            (Slot::Redis(one), Slot::Redis(other)) => one == other,
            (Slot::ApiKeys(one), Slot::ApiKeys(other)) => one == other,
            (Slot::HttpUrl(one), Slot::HttpUrl(other)) => one == other,
            (one, other) => one.show() == other.show(),
        }
    }

    pub(super) fn show(self) -> Option<String> {
        let text = |text: &str| toml::Value::from(text).to_string();
        let list = |items: Vec<String>| {
            let mut shown = String::from("[");
            for (number, item) in items.iter().enumerate() {
                // Writing to a String does not fail.
                let _ = write!(shown, "{}{}", if number > 0 { ", " } else { "" }, text(item));
            }
            shown + "]"
        };
        Some(match self {
            Slot::Size(at, _) => at.to_string(),
            Slot::Small(at, _) => at.to_string(),
            Slot::Seconds(at, _) | Slot::Millis(at, _) => at.to_string(),
            Slot::Count(at, _) => at.unwrap_or(0).to_string(),
            Slot::Rate(at, _) => at.unwrap_or(0).to_string(),
            Slot::Bytes(at, _) => at.unwrap_or(0).to_string(),
            Slot::Switch(at) => at.to_string(),
            Slot::Level(at) => text(&at.as_str().to_lowercase()),
            Slot::LogFormat(at) => text(at.name()),
            Slot::Secret(at) => text(at.as_ref().map(|_| "***")?),
            Slot::Origins(at) | Slot::Namespaces(at, _) | Slot::Names(at) => list(at.clone()),
            // Nowhere, because of what else is set.
            Slot::Addresses(at) if at.is_empty() => return None,
            Slot::Addresses(at) | Slot::OptionalAddresses(at) => {
                list(at.iter().map(ListenAddr::to_string).collect())
            }
            Slot::Path(at) | Slot::Prefix(at) | Slot::Name(at) => text(at),
            Slot::HttpUrl(at) => text(&without_secrets(at.as_ref()?)),
            Slot::PublishRules(None) => text("all"),
            Slot::PublishRules(Some(rules)) if rules.is_empty() => text("none"),
            Slot::PublishRules(Some(rules)) => list(rules.iter().map(Rule::to_string).collect()),
            // Without the keys.
            Slot::ApiKeys(at) => list(at.iter().map(ApiKey::to_string).collect()),
            Slot::Folder(at) | Slot::File(at) => text(&at.as_ref()?.display().to_string()),
            Slot::Files(at) => list(at.iter().map(|file| file.display().to_string()).collect()),
            Slot::Mode(at) => text(&format!("{at:04o}")),
            Slot::TlsVersion(at) => text(at.name()),
            Slot::Networks(at) => list(at.iter().map(Network::to_string).collect()),
            // Without the password.
            Slot::Redis(at) => text(&at.as_ref()?.to_string()),
            Slot::Transports(at) => list(at.iter().map(|transport| transport.name().to_owned()).collect()),
            Slot::Parser(at) => text(at.name()),
            Slot::Cors(Cors::Off) => text(OFF),
            Slot::Cors(Cors::Any) => text("*"),
            Slot::Cors(Cors::Origins(origins)) => list(origins.clone()),
            Slot::Cookie(at) => text(at.as_deref().unwrap_or(OFF)),
        })
    }
}

/// Whether a text can be a token or a key.
pub(super) fn is_secret(text: &str) -> bool {
    (1..=SECRET_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(super) fn expected_secret() -> String {
    format!("1 to {SECRET_BYTES} visible ASCII characters without spaces")
}

/// A key of the HTTP API with its scopes.
pub(super) fn api_key(text: &str) -> Option<ApiKey> {
    text.parse::<ApiKey>().ok().filter(|key| is_secret(key.key()))
}

/// With a host, and without what nobody asks a server for.
fn is_http_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain = text.len() <= URL_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain
        && !text.contains('#')
        && rest.is_some_and(|rest| !rest.starts_with(['/', '?', ':']) && !rest.is_empty())
}

/// A URL may have a user and a password in front of its host, and a key in its query.
pub(crate) fn without_secrets(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, _)| (url, "?***"));
    let Some((scheme, rest)) = url.split_once("://") else { return format!("{url}{query}") };
    let host_end = rest.find('/').unwrap_or(rest.len());
    match rest[..host_end].rfind('@') {
        Some(at) => format!("{scheme}://***{}{query}", &rest[at..]),
        None => format!("{url}{query}"),
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES).contains(&text.len())
}

/// Scheme, host and port as a browser sends them, or the `null` of a page that has no origin.
fn is_origin(text: &str) -> bool {
    let is_plain = |part: &str, more: &[u8]| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    text == "null"
        || text
            .split_once("://")
            .is_some_and(|(scheme, host)| is_plain(scheme, b"+-.") && is_plain(host, b".-_:[]"))
}

/// What separates the parts of a channel's name, and what patterns of Redis are made of, is not in it.
fn is_prefix(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".:-_".contains(&byte);
    (1..=PREFIX_BYTES).contains(&text.len()) && text.bytes().all(fits)
}

/// Whether an address stands there twice; port 0 is another one each time.
fn has_twice(addresses: &[ListenAddr]) -> bool {
    let is_fixed = |address: &ListenAddr| !matches!(address, ListenAddr::Tcp(tcp) if tcp.port() == 0);
    let mut later = addresses.iter();
    std::iter::from_fn(|| later.next().map(|address| (address, later.clone())))
        .any(|(address, mut later)| is_fixed(address) && later.any(|other| other == address))
}

fn all_differ<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().all(|(place, item)| !items[..place].contains(item))
}
