//! JSONP, the long-polling of browsers that cannot ask across origins: answers are scripts, posts are forms.
//!
//! Owns: wrapping a payload into a script and taking a payload out of a form. The specification is the
//! URL standard's `application/x-www-form-urlencoded` and what the JavaScript clients do.
//! Leaves to others: the payload itself ([`super::payload`], [`super::compose`]), which is always text here.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::payload::BadPayload;

/// The digits of the parameter `j`, which are all that may stand in a script.
pub fn digits_of(j: &str) -> String {
    j.chars().filter(char::is_ascii_digit).collect()
}

/// The script that hands `payload` to the callback of the client.
///
/// # Panics
///
/// If `index_digits` are not the digits of [`digits_of`].
pub fn wrap(index_digits: &str, payload: &str) -> Vec<u8> {
    assert!(index_digits.bytes().all(|byte| byte.is_ascii_digit()), "the index would be run as a script");
    let json = serde_json::to_string(payload).expect("a string has a JSON form");
    // JSON allows the two line separators in a string, but scripts did not before ES2019.
    let json = json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    format!("___eio[{index_digits}]({json});").into_bytes()
}

/// The payload in the field `d` of a form, the first if there are several.
///
/// Browsers change line ends in forms, so that clients write a newline as `\n`, and `\n` as `\\n`.
pub fn unwrap_form(body: &[u8]) -> Result<String, BadPayload> {
    let value = body
        .split(|&byte| byte == b'&')
        .find_map(|field| match field.iter().position(|&byte| byte == b'=') {
            Some(at) => (*decode(&field[..at]) == *b"d").then(|| &field[at + 1..]),
            None => None,
        })
        .ok_or(BadPayload::NoField)?;
    let text = String::from_utf8(decode(value).into_owned()).map_err(|_| BadPayload::NotUtf8)?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("\\n") {
        match before.strip_suffix('\\') {
            Some(before) => out.extend([before, "\\n"]),
            None => out.extend([before, "\n"]),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'+') {
        return Cow::from(percent_decode(text));
    }
    let blanks: Vec<u8> = text.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    Cow::Owned(percent_decode(&blanks).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(payload: &str) -> String {
        String::from_utf8(wrap("0", payload)).unwrap()
    }

    #[test]
    fn scripts() {
        assert_eq!(wrapped("2:4€"), r#"___eio[0]("2:4€");"#);
        assert_eq!(wrapped("a\"b\\c\n\r\t\u{8}\u{c}\u{0}\u{1e}"), {
            r#"___eio[0]("a\"b\\c\n\r\t\b\f\u0000\u001e");"#
        });
        assert_eq!(
            wrapped("\u{2027}\u{2028}\u{2029}\u{202a}"),
            "___eio[0](\"\u{2027}\\u2028\\u2029\u{202a}\");"
        );
        assert_eq!(wrap("", ""), b"___eio[](\"\");");
        assert_eq!(wrap("12", "x"), b"___eio[12](\"x\");");
    }

    #[test]
    fn indexes() {
        assert_eq!(digits_of("12"), "12");
        assert_eq!(digits_of("1](alert(2));//"), "12");
        assert_eq!(digits_of("٣x"), "");
    }

    #[test]
    #[should_panic(expected = "run as a script")]
    fn an_index_is_nothing_but_digits() {
        wrap("0]", "");
    }

    #[test]
    fn forms() {
        let form = |body: &str| unwrap_form(body.as_bytes());
        assert_eq!(form("d=2%3A4%E2%82%AC"), Ok("2:4€".to_owned()));
        assert_eq!(form("x=1&%64=a+b%2Bc&d=2&d"), Ok("a b+c".to_owned()));
        assert_eq!(form("d="), Ok(String::new()));
        assert_eq!(form("d=a=b"), Ok("a=b".to_owned()));
        assert_eq!(form("d=%4"), Ok("%4".to_owned()));
        for none in ["", "d", "D=1", "dd=1", "=1", "&&", "x=d"] {
            assert_eq!(form(none), Err(BadPayload::NoField), "{none}");
        }
        assert_eq!(form("d=%ff"), Err(BadPayload::NotUtf8));
        assert_eq!(unwrap_form(b"d=\xff"), Err(BadPayload::NotUtf8));
    }

    #[test]
    fn newlines_in_forms() {
        for (sent, meant) in [
            (r"a\nb", "a\nb"),
            (r"a\\nb", r"a\nb"),
            (r"a\\\nb", r"a\\nb"),
            (r"\n\\n\n", "\n\\n\n"),
            (r"\\n\\n", r"\n\n"),
            (r"\", r"\"),
            (r"\\", r"\\"),
            (r"\N\t", r"\N\t"),
            (r"n\", r"n\"),
        ] {
            let body = format!("d={}", sent.replace('\\', "%5C"));
            assert_eq!(unwrap_form(body.as_bytes()), Ok(meant.to_owned()), "{sent}");
        }
    }
}
