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
        ("limits.connections_per_user", 0, 1 << 32),
        ("limits.messages_per_s", 0, 1_000_000),
        ("limits.messages_burst", 0, 2_000_000),
        ("limits.accepts_per_s", 0, 10_000_000),
        ("limits.memory_bytes", 0, 1 << 50),
        ("limits.send_buffer_bytes", 0, 1 << 30),
        ("compression.threshold_bytes", 0, 1 << 30),
        ("compression.level", 1, 9),
        ("drain.seconds", 0, 86_400),
        ("drain.grace_s", 0, 86_400),
        ("auth.jwt.jwks_refresh_s", 1, 604_800),
        ("auth.jwt.leeway_s", 0, 3_600),
        ("auth.webhook.timeout_ms", 10, 25_000),
        ("auth.webhook.cache_s", 0, 86_400),
        ("auth.webhook.concurrency", 1, 256),
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
            "limits.connections_per_user",
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
fn the_load_is_shared_unless_that_is_switched_off() {
    assert!(Config::default().balance);
    assert_eq!(taken("balance", Value::Switch(false)).as_deref(), Some("false"));
    assert_eq!(taken("balance", Value::Raw("1".to_owned())).as_deref(), Some("true"));
    assert_eq!(taken("balance", Value::Number(2)), None);
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
fn the_log_has_two_formats() {
    let text = |text: &str| Value::Text(text.to_owned());
    for (value, shown) in [
        (text("text"), Some("\"text\"")),
        (text("json"), Some("\"json\"")),
        (Value::Raw("json".to_owned()), Some("\"json\"")),
        (text("JSON"), None),
        (text(""), None),
        (Value::Switch(true), None),
        (list(&["json"]), None),
    ] {
        assert_eq!(taken("log_format", value.clone()).as_deref(), shown, "{value}");
    }
}

#[test]
fn files_versions_networks_and_permissions_are_what_they_should_be() {
    let text = |text: &str| Value::Text(text.to_owned());
    for (key, value, shown) in [
        ("tls.cert", text("a.pem"), Some("[\"a.pem\"]")),
        ("tls.key", Value::Raw("a.pem, b.pem".to_owned()), Some("[\"a.pem\", \"b.pem\"]")),
        ("tls.key", list(&["a.pem", ""]), None),
        ("tls.cert", Value::Switch(true), None),
        ("tls.min_version", text("1.2"), Some("\"1.2\"")),
        ("tls.min_version", text("1.3"), Some("\"1.3\"")),
        ("tls.min_version", text("1.1"), None),
        ("tls.min_version", Value::Number(1), None),
        ("proxy.trusted", list(&["10.0.0.0/8", "::1", "unix"]), Some("[\"10.0.0.0/8\", \"::1\", \"unix\"]")),
        ("proxy.protocol_from", list(&[]), Some("[]")),
        ("proxy.protocol_from", list(&["10.0.0.1/8"]), None),
        ("proxy.trusted", list(&["::1", "::1"]), None),
        ("proxy.trusted", text("proxy.example"), None),
        ("unix_mode", text("0000"), Some("\"0000\"")),
        ("unix_mode", text("777"), Some("\"0777\"")),
        ("unix_mode", text("1000"), None),
        ("unix_mode", text("0888"), None),
        ("unix_mode", Value::Number(660), None),
    ] {
        assert_eq!(taken(key, value.clone()).as_deref(), shown, "{key} = {value}");
    }
}

#[test]
fn whoever_wants_tls_alone_gets_it_alone() {
    let tls = [("tls.listen", "127.0.0.1:1"), ("tls.cert", "a"), ("tls.key", "b")];
    let set = |name: &str, text: &str| (Key::find(name).unwrap(), Value::Raw(text.to_owned()));
    let mut flags: Vec<_> = tls.map(|(name, text)| set(name, text)).into();
    let alone = load(None, no_variables(), &flags).unwrap();
    assert_eq!((alone.config.listen.len(), alone.config.tls.listen.len()), (0, 1));
    flags.push(set("listen", "127.0.0.1:2"));
    let both = load(None, no_variables(), &flags).unwrap();
    assert_eq!((both.config.listen.len(), both.config.tls.listen.len()), (1, 1));
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

#[test]
fn settings_of_authentication_have_their_forms() {
    let text = |text: &str| Value::Text(text.to_owned());
    let long = "x".repeat(257);
    for (key, value, shown) in [
        ("auth.client_publish", text("all"), Some("\"all\"")),
        ("auth.client_publish", text("none"), Some("\"none\"")),
        ("auth.client_publish", list(&[]), Some("\"none\"")),
        ("auth.client_publish", text("d1:*"), Some("[\"d1:*\"]")),
        ("auth.client_publish", list(&["d1:*", "all"]), None),
        ("auth.client_publish", Value::Switch(false), None),
        ("auth.jwt.audience", list(&["a b", "c"]), Some("[\"a b\", \"c\"]")),
        ("auth.jwt.audience", list(&["a", "a"]), None),
        ("auth.jwt.audience", list(&[""]), None),
        ("auth.jwt.user_claim", text(&long[1..]), Some(&*format!("\"{}\"", &long[1..]))),
        ("auth.jwt.user_claim", text(&long), None),
        ("auth.jwt.user_claim", text(""), None),
        ("auth.jwt.domain_claims", list(&[]), Some("[]")),
        ("auth.webhook.url", text("https://a"), Some("\"https://a\"")),
        ("auth.webhook.url", text("http://u:p@a:1/x?y@z"), Some("\"http://***@a:1/x?***\"")),
        ("auth.webhook.url", text("https://"), None),
        ("auth.webhook.url", text("http://a b"), None),
        ("auth.webhook.url", text("http://a/#x"), None),
        ("auth.webhook.url", text("a.example"), None),
        ("api.keys", list(&["read:a", "publish+admin:b:c"]), Some("[\"read:***\", \"publish+admin:***\"]")),
        ("api.keys", list(&["read:"]), None),
        ("api.keys", list(&["read:a b"]), None),
        ("api.keys", list(&["a"]), None),
        ("auth.token_file", text(""), None),
    ] {
        assert_eq!(taken(key, value.clone()).as_deref(), shown, "{key} {value}");
    }
}
