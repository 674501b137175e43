//! The header fields in which proxies say for whom they ask: `X-Forwarded-For` and `X-Forwarded-Proto`.
//!
//! Nobody owns their specification: each proxy appends the address that it was asked from, with commas between them. A
//! client can send such a field too, so that only what was appended by somebody known is worth anything.

use super::head::Head;
use std::net::{IpAddr, SocketAddr};

/// The addresses in all fields `X-Forwarded-For`, the last one first; each with its port, which is 0 if there is none. It
/// ends before the first that is not an address.
pub fn addresses_backwards<'a>(head: &'a Head<'_>) -> impl Iterator<Item = SocketAddr> + 'a {
    let fields = head.headers.iter().rev().filter(|field| field.name.eq_ignore_ascii_case("x-forwarded-for"));
    let items = fields.flat_map(|field| field.value.rsplit(|byte| *byte == b','));
    items.map_while(|item| address(std::str::from_utf8(item).ok()?.trim()))
}

/// Whether whoever asks last says that it was asked over TLS; nothing if it does not say.
pub fn is_secure(head: &Head<'_>) -> Option<bool> {
    let field =
        head.headers.iter().rev().find(|field| field.name.eq_ignore_ascii_case("x-forwarded-proto"))?;
    let last = field.value.rsplit(|byte| *byte == b',').next()?.trim_ascii();
    match last.to_ascii_lowercase().as_slice() {
        b"https" | b"wss" => Some(true),
        b"http" | b"ws" => Some(false),
        _ => None,
    }
}

/// With a port or without, an IPv6 address in brackets or bare.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let found = text.parse().or_else(|_| bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0))).ok()?;
    Some(SocketAddr::new(found.ip().to_canonical(), found.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head_with(fields: &str) -> Vec<u8> {
        format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n").into_bytes()
    }

    fn backwards(fields: &str) -> Vec<String> {
        let bytes = head_with(fields);
        let head = Head::parse(&bytes).unwrap();
        addresses_backwards(&head).map(|addr| addr.to_string()).collect()
    }

    #[test]
    fn addresses_come_from_the_last_to_the_first_of_all_fields() {
        let fields =
            "X-Forwarded-For: 192.0.2.1, 192.0.2.2:80\r\nx-forwarded-for:192.0.2.3,\t[2001:db8::1]:9\r\n";
        assert_eq!(backwards(fields), ["[2001:db8::1]:9", "192.0.2.3:0", "192.0.2.2:80", "192.0.2.1:0"]);
        assert_eq!(
            backwards("X-Forwarded-For: ::ffff:192.0.2.1, [::1], ::2\r\n"),
            ["[::2]:0", "[::1]:0", "192.0.2.1:0"]
        );
        assert_eq!(backwards(""), [""; 0]);
    }

    #[test]
    fn nothing_counts_that_stands_before_what_is_no_address() {
        for junk in ["unknown", "_hidden", "", "192.0.2.256", "192.0.2.9:x", "\u{ff}"] {
            let fields = format!("X-Forwarded-For: 192.0.2.1, {junk}, 192.0.2.2\r\n");
            assert_eq!(backwards(&fields), ["192.0.2.2:0"], "{junk}");
        }
    }

    #[test]
    fn the_last_one_says_whether_it_was_asked_over_tls() {
        for (fields, expected) in [
            ("X-Forwarded-Proto: https\r\n", Some(true)),
            ("X-Forwarded-Proto: WSS\r\n", Some(true)),
            ("X-Forwarded-Proto: https, http\r\n", Some(false)),
            ("X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n", Some(true)),
            ("X-Forwarded-Proto: gopher\r\n", None),
            ("", None),
        ] {
            let bytes = head_with(fields);
            assert_eq!(is_secure(&Head::parse(&bytes).unwrap()), expected, "{fields}");
        }
    }
}
