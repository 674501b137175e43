//! Sources, their order, and what is refused.

use super::*;

fn no_variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::iter::empty()
}

#[test]
fn names_and_variables_are_all_different_and_defaults_may_be_set() {
    let mut config = Config::default();
    let mut seen = Vec::new();
    for key in keys() {
        assert_eq!(Key::find(key.name).unwrap().name, key.name);
        assert!(!seen.contains(&key.variable()), "{}", key.variable());
        assert_ne!(key.variable(), FILE_VARIABLE);
        seen.push(key.variable());
        if let Some(section) = key.section() {
            assert!(Key::is_section(section));
        }
        if let Some(default) = key.show(&config).filter(|default| !default.contains('[')) {
            key.set(&mut config, &Value::Raw(default.trim_matches('"').to_owned())).unwrap();
        }
    }
    assert_eq!(config, Config::default(), "every default is within its bounds");
}

#[test]
fn the_bounds_themselves_are_taken() {
    for (name, least, most) in [
        ("reactors", 0, 64),
        ("socketio.ping_interval_ms", 10, 604_800_000),
        ("socketio.ping_timeout_ms", 10, 604_800_000),
        ("socketio.connect_timeout_ms", 10, 604_800_000),
        ("socketio.upgrade_timeout_ms", 10, 604_800_000),
        ("socketio.max_payload_bytes", 1, 1 << 30),
        ("limits.message_bytes", 1, 1 << 30),
        ("limits.outbox_bytes", 1, 1 << 30),
        ("limits.handshake_s", 1, 3_600),
        ("limits.idle_s", 0, 604_800),
        ("limits.connections", 0, 1 << 32),
        ("limits.head_bytes", 128, 1 << 20),
        ("limits.rooms_per_socket", 1, 1_000_000),
        ("limits.connections_per_ip", 0, 1 << 32),
        ("limits.messages_per_s", 0, 1_000_000),
        ("limits.messages_burst", 0, 2_000_000),
        ("limits.accepts_per_s", 0, 10_000_000),
        ("limits.memory_bytes", 0, 1 << 50),
        ("limits.send_buffer_bytes", 0, 1 << 30),
        ("compression.threshold_bytes", 0, 1 << 30),
        ("compression.level", 1, 9),
        ("cluster.node", 0, 4_095),
        ("cluster.spool_bytes", 0, 1 << 30),
        ("cluster.spool_age_ms", 0, 604_800_000),
    ] {
        let key = Key::find(name).unwrap();
        let mut config = Config::default();
        for number in [least, most] {
            key.set(&mut config, &Value::Number(number)).unwrap();
            assert_eq!(key.show(&config).unwrap(), number.to_string());
        }
        for number in [least - 1, most + 1, i128::MAX] {
            assert!(key.set(&mut config, &Value::Number(number)).is_err(), "{name} = {number}");
        }
    }
}

#[test]
fn zero_is_no_limit() {
    let zero = Value::Number(0);
    let names = keys().map(|key| key.name).filter(|name| {
        let mut config = Config::default();
        name.starts_with("limits.")
            && Key::find(name).unwrap().set(&mut config, &zero).is_ok()
            && config == Config::default()
    });
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            "limits.connections",
            "limits.connections_per_ip",
            "limits.messages_per_s",
            "limits.messages_burst",
            "limits.accepts_per_s",
            "limits.memory_bytes",
            "limits.send_buffer_bytes",
        ]
    );
}

#[test]
fn a_burst_needs_a_rate() {
    let set = |name: &str, text: &str| (Key::find(name).unwrap(), Value::Raw(text.to_owned()));
    let (rate, burst) = (set("limits.messages_per_s", "5"), set("limits.messages_burst", "7"));
    let limits = load(None, no_variables(), &[rate.clone(), burst.clone()]).unwrap().config.limits;
    assert_eq!((limits.messages_per_s, limits.messages_burst), (Some(5), Some(7)));
    assert!(load(None, no_variables(), &[rate]).is_ok());
    let error = load(None, no_variables(), &[burst]).unwrap_err();
    assert!(matches!(error, ConfigError::BadValue(_, name, _) if name == "limits.messages_burst"));
}

#[test]
fn zero_connections_are_as_many_as_there_can_be() {
    let key = Key::find("limits.connections").unwrap();
    let loaded = load(None, no_variables(), &[(key, Value::Raw("0".to_owned()))]).unwrap();
    assert_eq!(loaded.config.limits.connections, None);
}

#[test]
fn origins_are_what_browsers_send() {
    let key = Key::find("auth.origins").unwrap();
    let mut config = Config::default();
    let mut takes = |text: &str| key.set(&mut config, &Value::List(vec![text.to_owned()])).is_ok();
    for good in ["https://a.example", "http://localhost:3000", "http://[::1]:80", "null", "app+x://id"] {
        assert!(takes(good), "{good}");
    }
    for bad in ["", "*", "a.example", "https://", "https://a.example/", "https://a b", "https://a?x", "://a"]
    {
        assert!(!takes(bad), "{bad}");
    }
}

/// Whether a key takes a value from a file; what it then shows.
fn taken(name: &str, value: Value) -> Option<String> {
    let key = Key::find(name).unwrap();
    let mut config = Config::default();
    key.set(&mut config, &value).ok().map(|()| key.show(&config).unwrap())
}

fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(|item| (*item).to_owned()).collect())
}

#[test]
fn lists_of_socket_io_have_each_name_once() {
    for (items, shown) in [
        (&["websocket"][..], Some("[\"websocket\"]")),
        (&["websocket", "polling"], Some("[\"websocket\", \"polling\"]")),
        (&[], None),
        (&["polling", "polling"], None),
        (&["polling", "webtransport"], None),
        (&["Polling"], None),
    ] {
        assert_eq!(taken("socketio.transports", list(items)).as_deref(), shown, "{items:?}");
    }
    for (items, without_root, with_root) in [
        (&[][..], true, true),
        (&["/a", "/b"], true, true),
        (&["/", "/b"], false, true),
        (&["/a", "/a"], false, false),
        (&["a"], false, false),
    ] {
        assert_eq!(taken("socketio.namespaces", list(items)).is_some(), without_root, "{items:?}");
        assert_eq!(taken("socketio.msgpack_namespaces", list(items)).is_some(), with_root, "{items:?}");
    }
}

#[test]
fn cors_and_cookie_can_be_off() {
    let text = |text: &str| Value::Text(text.to_owned());
    for (value, shown) in [
        (text("off"), Some("\"off\"")),
        (text("*"), Some("\"*\"")),
        (text("https://a.example"), Some("[\"https://a.example\"]")),
        (list(&["https://a.example", "null"]), Some("[\"https://a.example\", \"null\"]")),
        (Value::Raw("http://a:1, http://b".to_owned()), Some("[\"http://a:1\", \"http://b\"]")),
        (list(&[]), None),
        (list(&["*"]), None),
        (list(&["https://a.example", "off"]), None),
        (text("on"), None),
        (Value::Switch(false), None),
    ] {
        assert_eq!(taken("socketio.cors", value.clone()).as_deref(), shown, "{value}");
    }
    assert_eq!(taken("socketio.cookie", text("io")).as_deref(), Some("\"io\""));
    assert_eq!(taken("socketio.cookie", text("off")).as_deref(), Some("\"off\""));
    assert_eq!(taken("socketio.cookie", text("a b")), None);
    assert_eq!(taken("socketio.client_dir", text("")), None);
    assert_eq!(taken("socketio.path", text("/x")), None);
}
