//! Every key of the configuration, once: its name, its flag, its bounds and where its value is kept.
//!
//! The file, the environment, the flags, `--help` and `fanfare check` all read this table. A key's variable
//! follows from its name: `limits.idle_s` is `FANFARE_LIMITS_IDLE_S`.

use super::Config;
use fanfare::ListenAddr;
use log::LevelFilter;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

/// The longest secret, in bytes: it has to fit into a request's head.
const SECRET_BYTES: usize = 1_024;
/// The most that one message or one outbox may be set to, in bytes.
const GIB: u64 = 1 << 30;
/// The longest time that can be set, in seconds: a week.
const WEEK_S: u64 = 7 * 24 * 3_600;

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name with its section.
    pub(crate) name: &'static str,
    /// The flag's name without its dashes, and what stands for its value in the help.
    pub(crate) flag: Option<(&'static str, &'static str)>,
    /// What it is, for the help.
    pub(crate) about: &'static str,
    /// Where its value is kept, which also says what it may be.
    slot: fn(&mut Config) -> Slot<'_>,
}

/// All keys, in the order in which they are shown.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "listen",
        flag: Some(("listen", "ADDR")),
        about: "Addresses to listen on: 127.0.0.1:3000, [::1]:3000 or unix:/run/fanfare.sock; port 0 picks one",
        slot: |config| Slot::Addresses(&mut config.listen),
    },
    Key {
        name: "reactors",
        flag: Some(("reactors", "N")),
        about: "Threads that serve connections; 0 is one for each core",
        slot: |config| Slot::Size(&mut config.reactors, 0..=64),
    },
    Key {
        name: "log",
        flag: Some(("log", "LEVEL")),
        about: "What is logged: off, error, warn, info, debug or trace",
        slot: |config| Slot::Level(&mut config.log),
    },
    Key {
        name: "open",
        flag: Some(("open", "BOOL")),
        about: "Let other machines in although no client token or no API key is set",
        slot: |config| Slot::Switch(&mut config.open),
    },
    Key {
        name: "auth.token",
        flag: Some(("token", "TOKEN")),
        about: "What clients of /ws have to give as token",
        slot: |config| Slot::Secret(&mut config.token),
    },
    Key {
        name: "auth.origins",
        flag: None,
        about: "Origins that browsers may come from; none allows all",
        slot: |config| Slot::Origins(&mut config.origins),
    },
    Key {
        name: "api.key",
        flag: Some(("api-key", "KEY")),
        about: "What users of the HTTP API have to give as bearer token",
        slot: |config| Slot::Secret(&mut config.api_key),
    },
    Key {
        name: "admin.listen",
        flag: None,
        about: "Addresses of their own for /api, /metrics and /; none serves them on every address",
        slot: |config| Slot::OptionalAddresses(&mut config.admin_listen),
    },
    Key {
        name: "limits.message_bytes",
        flag: None,
        about: "The largest message of a client, and the largest body of a request",
        slot: |config| Slot::Size(&mut config.limits.message_bytes, 1..=GIB),
    },
    Key {
        name: "limits.outbox_bytes",
        flag: None,
        about: "What may wait for a connection that does not read",
        slot: |config| Slot::Size(&mut config.limits.outbox_bytes, 1..=GIB),
    },
    Key {
        name: "limits.handshake_s",
        flag: None,
        about: "Time for a whole request head, and for a whole body",
        slot: |config| Slot::Seconds(&mut config.limits.handshake_s, 1..=3_600),
    },
    Key {
        name: "limits.idle_s",
        flag: None,
        about: "Time without any frame after which a connection of /ws is closed; 0 never",
        slot: |config| Slot::Seconds(&mut config.limits.idle_s, 0..=WEEK_S),
    },
    Key {
        name: "limits.connections",
        flag: None,
        about: "WebSocket connections of the whole server; 0 is what the descriptor limits allow",
        slot: |config| Slot::Count(&mut config.limits.connections, 0..=1 << 32),
    },
    Key {
        name: "limits.head_bytes",
        flag: None,
        about: "The longest request head",
        slot: |config| Slot::Size(&mut config.limits.head_bytes, 128..=1 << 20),
    },
    Key {
        name: "limits.rooms_per_socket",
        flag: None,
        about: "Rooms that one connection may be in; a client's own is one of them",
        slot: |config| Slot::Size(&mut config.limits.rooms_per_socket, 1..=1_000_000),
    },
    Key {
        name: "ws.compression",
        flag: None,
        about: "Compress messages of /ws for clients that offer permessage-deflate",
        slot: |config| Slot::Switch(&mut config.ws_compression),
    },
    Key {
        name: "compression.threshold_bytes",
        flag: None,
        about: "Where compression is on: messages shorter than this are sent as they are",
        slot: |config| Slot::Size(&mut config.compression.threshold_bytes, 0..=GIB),
    },
    Key {
        name: "compression.level",
        flag: None,
        about: "Where compression is on: from 1, the fastest, to 9, the smallest",
        slot: |config| Slot::Small(&mut config.compression.level, 1..=9),
    },
];

impl Key {
    /// The key of this name.
    pub(crate) fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Whether this names a section.
    pub(crate) fn is_section(name: &str) -> bool {
        KEYS.iter().any(|key| key.section() == Some(name))
    }

    /// The section that it stands in.
    pub(crate) fn section(&self) -> Option<&'static str> {
        self.name.rsplit_once('.').map(|(section, _)| section)
    }

    /// Its name within its section.
    pub(crate) fn leaf(&self) -> &'static str {
        self.name.rsplit_once('.').map_or(self.name, |(_, leaf)| leaf)
    }

    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("FANFARE_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// Whether it is on or off, so that its flag needs no value.
    pub(crate) fn is_switch(&self) -> bool {
        matches!((self.slot)(&mut Config::default()), Slot::Switch(_))
    }

    /// Whether its flag may be given more than once.
    pub(crate) fn is_list(&self) -> bool {
        matches!(
            (self.slot)(&mut Config::default()),
            Slot::Addresses(_) | Slot::OptionalAddresses(_) | Slot::Origins(_)
        )
    }

    /// Sets it.
    ///
    /// # Errors
    /// What was expected and, unless it is a secret, what was found.
    pub(crate) fn set(&self, config: &mut Config, value: &Value) -> Result<(), String> {
        let slot = (self.slot)(config);
        let (expected, is_secret) = (slot.expected(), matches!(slot, Slot::Secret(_)));
        slot.set(value).ok_or_else(|| {
            if is_secret {
                format!("expected {expected}")
            } else {
                format!("expected {expected}, found {value}")
            }
        })
    }

    /// Its value as TOML, secrets hidden; nothing if it has none.
    pub(crate) fn show(&self, config: &Config) -> Option<String> {
        (self.slot)(&mut config.clone()).show()
    }
}

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
}

impl Value {
    /// Different addresses.
    fn addresses(&self) -> Option<Vec<ListenAddr>> {
        let addresses = self.list()?.into_iter().map(|text| text.parse().ok());
        addresses.collect::<Option<Vec<_>>>().filter(|addresses| !has_twice(addresses))
    }
}

/// Where a value is kept, by what it may be.
enum Slot<'c> {
    Size(&'c mut usize, RangeInclusive<u64>),
    Seconds(&'c mut u32, RangeInclusive<u64>),
    Small(&'c mut u8, RangeInclusive<u64>),
    /// 0 is no number.
    Count(&'c mut Option<usize>, RangeInclusive<u64>),
    Switch(&'c mut bool),
    Level(&'c mut LevelFilter),
    Secret(&'c mut Option<String>),
    Origins(&'c mut Vec<String>),
    /// At least one.
    Addresses(&'c mut Vec<ListenAddr>),
    OptionalAddresses(&'c mut Vec<ListenAddr>),
}

impl Slot<'_> {
    fn expected(&self) -> String {
        match self {
            Slot::Size(_, range)
            | Slot::Seconds(_, range)
            | Slot::Small(_, range)
            | Slot::Count(_, range) => {
                format!("a number from {} to {}", range.start(), range.end())
            }
            Slot::Switch(_) => "true or false".to_owned(),
            Slot::Level(_) => "off, error, warn, info, debug or trace".to_owned(),
            Slot::Secret(_) => format!("1 to {SECRET_BYTES} visible ASCII characters without spaces"),
            Slot::Origins(_) => "origins such as https://app.example, without a path".to_owned(),
            Slot::Addresses(_) | Slot::OptionalAddresses(_) => {
                "different addresses such as 127.0.0.1:3000, [::1]:3000 or unix:/run/fanfare.sock".to_owned()
            }
        }
    }

    /// Takes the value, or says that it cannot be.
    fn set(self, value: &Value) -> Option<()> {
        match self {
            Slot::Size(at, range) => *at = usize::try_from(value.number(&range)?).ok()?,
            Slot::Seconds(at, range) => *at = u32::try_from(value.number(&range)?).ok()?,
            Slot::Small(at, range) => *at = u8::try_from(value.number(&range)?).ok()?,
            Slot::Count(at, range) => {
                *at = Some(usize::try_from(value.number(&range)?).ok()?).filter(|count| *count > 0);
            }
            Slot::Switch(at) => *at = value.switch()?,
            Slot::Level(at) => *at = value.text()?.parse().ok()?,
            Slot::Secret(at) => {
                let secret = value.text()?;
                let fits = (1..=SECRET_BYTES).contains(&secret.len());
                *at = Some(
                    (fits && secret.bytes().all(|byte| byte.is_ascii_graphic()))
                        .then(|| secret.to_owned())?,
                );
            }
            Slot::Origins(at) => {
                let origins = value.list()?;
                *at = origins
                    .into_iter()
                    .map(|origin| is_origin(origin).then(|| origin.to_owned()))
                    .collect::<Option<_>>()?;
            }
            Slot::Addresses(at) => {
                *at = value.addresses().filter(|addresses| !addresses.is_empty())?;
            }
            Slot::OptionalAddresses(at) => *at = value.addresses()?,
        }
        Some(())
    }

    fn show(self) -> Option<String> {
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
            Slot::Seconds(at, _) => at.to_string(),
            Slot::Small(at, _) => at.to_string(),
            Slot::Count(at, _) => at.unwrap_or(0).to_string(),
            Slot::Switch(at) => at.to_string(),
            Slot::Level(at) => text(&at.as_str().to_lowercase()),
            Slot::Secret(at) => text(at.as_ref().map(|_| "***")?),
            Slot::Origins(at) => list(at.clone()),
            Slot::Addresses(at) | Slot::OptionalAddresses(at) => {
                list(at.iter().map(ListenAddr::to_string).collect())
            }
        })
    }
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

/// Whether an address stands there twice; port 0 is another one each time.
fn has_twice(addresses: &[ListenAddr]) -> bool {
    let is_fixed = |address: &ListenAddr| !matches!(address, ListenAddr::Tcp(tcp) if tcp.port() == 0);
    let mut later = addresses.iter();
    std::iter::from_fn(|| later.next().map(|address| (address, later.clone())))
        .any(|(address, mut later)| is_fixed(address) && later.any(|other| other == address))
}
