//! Sources, their order, and what is refused.

use super::*;

fn no_variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::iter::empty()
}

#[test]
fn names_and_variables_are_all_different_and_defaults_may_be_set() {
    let mut config = Config::default();
    let mut seen = Vec::new();
    for key in KEYS {
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
        ("limits.message_bytes", 1, 1 << 30),
        ("limits.outbox_bytes", 1, 1 << 30),
        ("limits.handshake_s", 1, 3_600),
        ("limits.idle_s", 0, 604_800),
        ("limits.connections", 0, 1 << 32),
        ("limits.head_bytes", 128, 1 << 20),
        ("limits.rooms_per_socket", 1, 1_000_000),
        ("compression.threshold_bytes", 0, 1 << 30),
        ("compression.level", 1, 9),
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
