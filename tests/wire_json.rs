//! JSON scanned, beside serde_json: both accept the same texts, and see the same in them.

use std::borrow::Cow;

use fanfare::wire::json::{
    Elements, JsonError, MAX_DEPTH, Reader, Token, elements, inside, quote, scan, unquote, whole,
};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

/// One of each rule of RFC 8259, right and wrong.
const TEXTS: &[&str] = &[
    r#" { "a" : [ 1 , -0.5e+10 , "x\"\\\/\b\f\n\r\té€😀" , true , false , null , { } , [ ] ] , "" : "" } "#,
    r#"["\u0041\uD83D\ude00\ud800","\udc00x","\ud800\ud83d\ude00"]"#,
    "[0,-0,0.0,10,1e1,1E-1,1e+1,-1.25E2,123456789012345678901234567890,1e999]",
    "\t\r\n [\t\r\n ]\t\r\n ",
    "\"01234567\u{7f}\u{80}é\u{2028}\u{ffff}😀012345\\\\67\"",
    "01",
    "-",
    "+1",
    ".5",
    "1.",
    "1.e5",
    "1e",
    "1e+",
    "0x10",
    "NaN",
    "Infinity",
    "-Infinity",
    "truE",
    "nul",
    "nulll",
    "'a'",
    "\"a\nb\"",
    "\"a\u{0}b\"",
    "\"aaaaaaaaaaaa\u{1f}aaaaaaaaaaaa\"",
    r#""\x""#,
    r#""\u12g4""#,
    r#""\u123""#,
    r#""\"#,
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "{\"a\":1]",
    "{\"a\"}",
    "{\"a\",1}",
    "{a:1}",
    "{1:1}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\":}",
    "{\"a\"::1}",
    "[[[]",
    "[]]",
    "[] []",
    "[]x",
    "\u{a0}[]",
    "\u{feff}[]",
    "\u{b}[]",
    "//\n1",
    "",
    " ",
];

fn both(text: &str) {
    let theirs = serde_json::from_str::<IgnoredAny>(text);
    let ours = whole(text);
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{text:?}: {ours:?}, {theirs:?}");
    if let Ok(value) = ours {
        assert_eq!(value, text.trim_matches([' ', '\t', '\n', '\r']));
    }
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        assert_eq!(build(&mut Reader::new(text, MAX_DEPTH)), value, "{text:?}");
    }
    if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) {
        let list: Vec<&str> = list.into_iter().map(RawValue::get).collect();
        assert_eq!(elements(whole(text).unwrap()).collect::<Vec<_>>(), list, "{text:?}");
    }
}

/// The value that the tokens make.
fn build(reader: &mut Reader<'_>) -> Value {
    fn value(token: Token<'_>, reader: &mut Reader<'_>) -> Value {
        match token {
            Token::Array => {
                let mut list = Vec::new();
                loop {
                    match reader.next().unwrap().unwrap() {
                        Token::End => return Value::Array(list),
                        token => list.push(value(token, reader)),
                    }
                }
            }
            Token::Object => {
                let mut map = serde_json::Map::new();
                loop {
                    match reader.next().unwrap().unwrap() {
                        Token::End => return Value::Object(map),
                        Token::Key(key) => {
                            let token = reader.next().unwrap().unwrap();
                            map.insert(unquote(key).into_owned(), value(token, reader));
                        }
                        other => panic!("{other:?} in an object"),
                    }
                }
            }
            Token::Text(text) => Value::String(unquote(text).into_owned()),
            Token::Number(number) => serde_json::from_str(number).unwrap(),
            Token::Bool(value) => Value::Bool(value),
            Token::Null => Value::Null,
            Token::Key(_) | Token::End => panic!("{token:?} is no value"),
        }
    }
    let token = reader.next().unwrap().unwrap();
    let value = value(token, reader);
    assert_eq!(reader.next(), Ok(None));
    value
}

#[test]
fn texts_and_every_beginning_of_them() {
    for text in TEXTS {
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            both(&text[..at]);
            both(&text[at..]);
        }
    }
}

#[test]
fn every_byte_in_a_string_at_every_offset() {
    for special in (0..=0x7f).map(char::from) {
        for at in 0..20 {
            let inside =
                format!("{}{special}{}", "é".repeat(at / 2) + &"a".repeat(at % 2), "b".repeat(20 - at));
            both(&format!("\"{inside}\""));
            both(&format!("[\"{inside}\",1]"));
        }
    }
}

#[test]
fn an_error_says_where() {
    assert_eq!(whole(" [1,x]"), Err(JsonError::Unexpected(4)));
    assert_eq!(whole(" [1] 2"), Err(JsonError::Unexpected(5)));
    assert_eq!(whole("[1"), Err(JsonError::Unexpected(2)));
    assert_eq!(whole(&format!(" {}", "[".repeat(MAX_DEPTH + 1))), Err(JsonError::TooDeep(MAX_DEPTH + 1)));
}

#[test]
fn a_value_ends_where_the_next_begins() {
    for (text, end) in
        [("[1] [2]", 3), ("1,2", 1), ("\"a\"b", 3), ("-1.5e3 ", 6), ("  true", 6), ("nullx", 4)]
    {
        assert_eq!(scan(text, 1), Ok(end), "{text}");
    }
    let text = "[1,{\"a\":[2,3]},4]";
    let mut reader = Reader::new(text, MAX_DEPTH);
    for _ in 0..3 {
        reader.next().unwrap();
    }
    assert_eq!(reader.start(), 3);
    reader.leave().unwrap();
    assert_eq!(reader.end(), 14);
    assert_eq!(reader.next(), Ok(Some(Token::Number("4"))));
    assert_eq!((reader.start(), reader.end()), (15, 16));
    reader.leave().unwrap();
    assert_eq!((reader.next(), reader.end()), (Ok(None), text.len()));
}

#[test]
fn depth_is_bounded_and_what_is_taken_serde_json_takes() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        for levels in 1..200 {
            let text = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            let depth = levels * close.len();
            assert_eq!(whole(&text).is_ok(), depth <= MAX_DEPTH, "{levels} of {open}");
            if depth <= MAX_DEPTH {
                both(&text);
                assert!(
                    serde_json::from_str::<Value>(&format!("[{{\"data\":{text}}}]")).is_ok(),
                    "in one of our own"
                );
            }
        }
    }
    assert_eq!(scan("[[]]", 1), Err(JsonError::TooDeep(1)));
    assert_eq!(scan("1", 0), Ok(1));
    assert_eq!(whole(&"[".repeat(1_000_000)), Err(JsonError::TooDeep(MAX_DEPTH)));
    assert_eq!(whole(&"{\"a\":".repeat(1_000_000)), Err(JsonError::TooDeep(MAX_DEPTH * 5)));
}

#[test]
fn lists_without_brackets() {
    let list = |text| Elements::new(text).collect::<Vec<_>>();
    assert_eq!(list(""), [""; 0]);
    assert_eq!(list(" 1 , [2,3] ,\"a,b\" "), ["1", "[2,3]", "\"a,b\""]);
    let mut rest = Elements::new("\"e\" , 1,2");
    assert_eq!((rest.next(), rest.rest()), (Some("\"e\""), "1,2"));
    assert_eq!((rest.next(), rest.rest()), (Some("1"), "2"));
    assert_eq!((rest.next(), rest.rest(), rest.next()), (Some("2"), "", None));
    assert_eq!(inside("[ 1, 2 ]"), "1, 2");
    assert_eq!(inside("{}"), "");
    assert_eq!(Elements::new("1,x,2").collect::<Vec<_>>(), ["1"], "what was never valid ends");
}

#[test]
fn strings_say_what_they_say() {
    assert!(matches!(unquote(r#""plain é""#), Cow::Borrowed("plain é")));
    assert_eq!(unquote(r#""\"\\\/\b\f\n\r\t\u00e9""#), "\"\\/\u{8}\u{c}\n\r\té");
    assert_eq!(unquote(r#""\ud83d\ude00""#), "😀");
    assert_eq!(unquote(r#""a\ud800b""#), "a\u{fffd}b");
    assert_eq!(unquote(r#""\ude00\ud83d""#), "\u{fffd}\u{fffd}");
    assert_eq!(unquote(r#""\ud800\ud83d\ude00""#), "\u{fffd}😀");
    assert_eq!(unquote(r#""\ud800\u0041""#), "\u{fffd}A");
    for not_a_string in ["", "\"", "\\", "\"\\", "\"\\u12", "\"\\ud800\\", "\"\\u\"", "\\u00é"] {
        unquote(not_a_string);
    }
}

/// JSON-like texts: mostly well formed, with space and with every kind of token at a wrong place.
fn soup() -> impl Strategy<Value = String> {
    let pieces = vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        " ",
        "\n",
        "\"",
        "\\",
        "\"a\"",
        "\"\\u00e9\"",
        "\"\\ud800\"",
        "\"k\":",
        "-",
        "0",
        "1",
        "12",
        "1.5",
        ".",
        "e",
        "E+",
        "1e3",
        "true",
        "false",
        "null",
        "t",
        "é",
        "\u{1}",
        "[]",
        "{}",
        "[1,",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..12).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn soup_is_taken_by_both_or_neither(text in soup()) {
        both(&text);
        both(&format!("[{text}]"));
        both(&format!("{{\"a\":{text}}}"));
    }

    #[test]
    fn values_survive_and_changed_bytes_are_judged_alike(
        value in value(), pretty in any::<bool>(), at in any::<prop::sample::Index>(), by in any::<char>(),
    ) {
        let text =
            if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        both(&text);
        let mut changed: Vec<char> = text.chars().collect();
        let at = at.index(changed.len());
        changed[at] = by;
        both(&changed.iter().collect::<String>());
        changed.remove(at);
        both(&changed.into_iter().collect::<String>());
    }

    #[test]
    fn what_is_quoted_is_unquoted(text in any::<String>()) {
        let mut quoted = String::new();
        quote(&text, &mut quoted);
        prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text.clone());
        prop_assert_eq!(unquote(&quoted), text);
    }

    #[test]
    fn escapes_say_the_same_to_both(units in prop::collection::vec(prop_oneof![any::<u16>(), 0xd7fe_u16..0xe002], 0..6)) {
        let quoted = format!("\"{}\"", units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>());
        both(&quoted);
        prop_assert_eq!(unquote(&quoted), String::from_utf16_lossy(&units));
    }

    #[test]
    fn no_text_causes_a_panic(text in any::<String>()) {
        both(&text);
        unquote(&text);
        prop_assert!(Elements::new(&text).count() <= text.len());
    }
}
