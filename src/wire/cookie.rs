//! Cookies of a request (RFC 6265, section 4.2).

/// The value of the first cookie of a name in a Cookie field, without the double quotes around it; nothing if that is
/// not UTF-8. Names differ by case. What is no `name=value` is passed over.
pub fn find<'a>(field: &'a [u8], name: &str) -> Option<&'a str> {
    let mut pairs = field.split(|byte| *byte == b';').filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii()))
    });
    let (_, value) = pairs.find(|(found, _)| *found == name.as_bytes())?;
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    std::str::from_utf8(inner.unwrap_or(value)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_is_found() {
        for (field, value) in [
            ("sid=1", Some("1")),
            ("a=0; sid=1; sid=2", Some("1")),
            ("a=0;sid=1;b=2", Some("1")),
            ("a=0 ;\t sid = 1 ; b=2", Some("1")),
            ("sid=\"a b\"", Some("a b")),
            ("sid=\"\"", Some("")),
            ("sid=", Some("")),
            ("sid=a=b==", Some("a=b==")),
            // Quotes that do not belong together.
            ("sid=\"", Some("\"")),
            ("sid=\"a", Some("\"a")),
            ("sid=a\"b\"", Some("a\"b\"")),
            ("sid=\"\"a\"\"", Some("\"a\"")),
            // Quotes do not keep a semicolon: it is in no value.
            ("sid=\"a;b\"", Some("\"a")),
            ("sid; sid=1", Some("1")),
            ("=1; sid=1", Some("1")),
            ("", None),
            (";;;", None),
            ("sid", None),
            ("SID=1", None),
            ("xsid=1; sidx=2; a=sid", None),
        ] {
            assert_eq!(find(field.as_bytes(), "sid"), value, "{field}");
        }
    }

    #[test]
    fn another_cookie_need_not_be_text() {
        assert_eq!(find(b"a=\xff; sid=1", "sid"), Some("1"));
        assert_eq!(find(b"sid=\xff; sid=1", "sid"), None);
        assert_eq!(find("sid=é".as_bytes(), "sid"), Some("é"));
        assert_eq!(find(b"=1", ""), Some("1"));
    }
}
