//! Offers of permessage-deflate and the answer to them (RFC 7692, sections 5 and 7.1; RFC 6455, section 9.1).
//!
//! The first offer that can be accepted is. A parameter that is unknown, given twice or has a value that it must not
//! have makes its offer one that cannot; the next one may be better.

use std::borrow::Cow;
use std::fmt;

use crate::wire::head::is_token_byte;

/// The registered name of the extension.
const NAME: &[u8] = b"permessage-deflate";

/// How far back a client looks, which bounds what may be sent to it compressed (section 7.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Invariant: 8 to 15.
    bits: u8,
}

impl Window {
    /// What a client has that asks for nothing else, in bits: the most that DEFLATE can use.
    const FULL_BITS: u8 = 15;

    /// A window of so many bits, 8 to 15, written as the RFC wants it: in decimal without a leading zero.
    fn parse(digits: &[u8]) -> Option<Window> {
        let bits = match digits {
            [digit @ b'8'..=b'9'] => digit - b'0',
            [b'1', digit @ b'0'..=b'5'] => 10 + digit - b'0',
            _ => return None,
        };
        Some(Window { bits })
    }
}

/// An accepted offer. Shows itself as the value of the answer's `Sec-WebSocket-Extensions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// What the client wants the server to keep to, if it says so.
    server_window: Option<Window>,
}

impl Agreement {
    /// How far back the client can look, in bytes.
    ///
    /// Messages are compressed once for all, with a full window. As none refers to what came before it, a message
    /// never looks back further than it is long: a shorter one is the same bytes for every window. A longer one goes
    /// uncompressed to a client with a smaller window, which is always allowed (section 6).
    pub fn window_bytes(self) -> usize {
        1 << self.server_window.map_or(Window::FULL_BITS, |window| window.bits)
    }

    /// Whether that is as far as DEFLATE can.
    pub fn has_full_window(self) -> bool {
        self.window_bytes() == 1 << Window::FULL_BITS
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's own window stays as large as it likes, so that there is nothing to say about it.
        f.write_str("permessage-deflate; server_no_context_takeover; client_no_context_takeover")?;
        match self.server_window {
            Some(window) => write!(f, "; server_max_window_bits={}", window.bits),
            None => Ok(()),
        }
    }
}

/// The header breaks the grammar of RFC 6455, section 9.1; the handshake has to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedOffers;

/// Reads all values of `Sec-WebSocket-Extensions`, in their order: what is agreed on, if an offer can be accepted.
///
/// An empty value is no offer: some proxy may have taken them out.
///
/// # Errors
/// A value that breaks the grammar, also behind an offer that was good.
pub fn negotiate<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<Agreement>, MalformedOffers> {
    let mut accepted = None;
    for value in values {
        let mut scanner = Scanner { rest: value };
        loop {
            // Elements of a list may be empty (RFC 9110, section 5.6.1.2).
            while scanner.eat(b',') {}
            if scanner.rest.is_empty() {
                break;
            }
            let offer = scanner.extension()?;
            accepted = accepted.or(offer);
            if !scanner.eat(b',') && !scanner.rest.is_empty() {
                return Err(MalformedOffers);
            }
        }
    }
    Ok(accepted)
}

/// Takes a header value apart from the front.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    fn skip_blanks(&mut self) {
        let blanks = self.rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        self.rest = &self.rest[blanks..];
    }

    /// Skips blanks, and the byte if it follows them.
    fn eat(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn token(&mut self) -> Result<&'a [u8], MalformedOffers> {
        self.skip_blanks();
        let (token, rest) = self.rest.split_at(self.rest.iter().take_while(|b| is_token_byte(**b)).count());
        self.rest = rest;
        if token.is_empty() { Err(MalformedOffers) } else { Ok(token) }
    }

    /// A token, or one in quotes.
    fn value(&mut self) -> Result<Cow<'a, [u8]>, MalformedOffers> {
        if !self.eat(b'"') {
            return self.token().map(Cow::Borrowed);
        }
        let mut token = Vec::new();
        let mut bytes = self.rest.iter();
        loop {
            let byte = match bytes.next() {
                Some(b'"') => break,
                Some(b'\\') => bytes.next(),
                other => other,
            };
            token.push(*byte.filter(|b| is_token_byte(**b)).ok_or(MalformedOffers)?);
        }
        self.rest = bytes.as_slice();
        if token.is_empty() { Err(MalformedOffers) } else { Ok(Cow::Owned(token)) }
    }

    /// One offer with its parameters; nothing if it is for another extension, or cannot be accepted.
    fn extension(&mut self) -> Result<Option<Agreement>, MalformedOffers> {
        let mut usable = self.token()? == NAME;
        let mut server_window = None;
        let mut seen = [false; 4];
        while self.eat(b';') {
            let name = self.token()?;
            let value = if self.eat(b'=') { Some(self.value()?) } else { None };
            let window = value.as_deref().and_then(Window::parse);
            let number = match (name, &value) {
                (b"server_no_context_takeover", None) => 0,
                (b"client_no_context_takeover", None) => 1,
                (b"server_max_window_bits", Some(_)) if window.is_some() => {
                    server_window = window;
                    2
                }
                // Without a value it only says that the answer may have one.
                (b"client_max_window_bits", _) if window.is_some() || value.is_none() => 3,
                _ => {
                    usable = false;
                    continue;
                }
            };
            usable &= !std::mem::replace(&mut seen[number], true);
        }
        Ok(usable.then_some(Agreement { server_window }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(values: &[&str]) -> Result<Option<String>, MalformedOffers> {
        let agreed = negotiate(values.iter().map(|value| value.as_bytes()))?;
        Ok(agreed.map(|agreement| agreement.to_string()))
    }

    const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    #[test]
    fn offers_that_are_accepted() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate; client_max_window_bits=\"15\"",
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
            " permessage-deflate\t;client_max_window_bits = \"1\\5\" ",
            ", ,permessage-deflate, ,",
            "permessage-deflate; unheard_of, permessage-deflate",
            "x, y; z=\"a\", permessage-deflate, permessage-deflate; server_max_window_bits=9",
        ] {
            assert_eq!(answer(&[offer]), Ok(Some(PLAIN.to_owned())), "{offer}");
        }
        for bits in 8..=15 {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}; client_max_window_bits");
            let expected = format!("{PLAIN}; server_max_window_bits={bits}");
            assert_eq!(answer(&[&offer]), Ok(Some(expected)));
        }
        // On several lines, the first of which has nothing.
        assert_eq!(
            answer(&[
                "",
                "constructor",
                "permessage-deflate; server_max_window_bits=10",
                "permessage-deflate"
            ]),
            Ok(Some(format!("{PLAIN}; server_max_window_bits=10")))
        );
    }

    #[test]
    fn offers_that_are_declined() {
        for offer in [
            "",
            " , ",
            "Permessage-Deflate",
            "permessage-bzip2",
            "x-webkit-deflate-frame",
            "__proto__; constructor",
            "permessage-deflate; __proto__",
            "permessage-deflate; constructor=1",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=99",
            "permessage-deflate; server_max_window_bits=-7",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; server_max_window_bits=08",
            "permessage-deflate; server_max_window_bits=1e1",
            "permessage-deflate; server_max_window_bits=18446744073709551625",
            "permessage-deflate; client_max_window_bits=0",
            "permessage-deflate; client_max_window_bits=010",
            "permessage-deflate; client_max_window_bits=\"\\0\\9\"",
            "permessage-deflate; server_no_context_takeover=true",
            "permessage-deflate; client_no_context_takeover=\"1\"",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
            "permessage-deflate; Client_max_window_bits",
        ] {
            assert_eq!(answer(&[offer]), Ok(None), "{offer}");
        }
        assert_eq!(answer(&[]), Ok(None));
    }

    #[test]
    fn malformed_offers() {
        for offer in [
            ";",
            "=",
            "permessage-deflate;",
            "permessage-deflate; ;",
            "permessage-deflate client_max_window_bits",
            "permessage-deflate; a b",
            "permessage-deflate; a=",
            "permessage-deflate; a=;",
            "permessage-deflate; a=b=c",
            "permessage-deflate; a=\"",
            "permessage-deflate; a=\"b",
            "permessage-deflate; a=\"b\\",
            "permessage-deflate; a=\"\"",
            "permessage-deflate; a=\"b c\"",
            "permessage-deflate; a=\"b,c\"",
            "permessage-deflate; a=\"b\"c",
            "permessage-deflate; \"a\"",
            "permessage-deflate, \"",
            "permessage-deflate, a/b",
            "permessage-deflate; a=\u{e9}",
            "permessage-deflate; a=b\u{0}",
        ] {
            assert_eq!(answer(&[offer]), Err(MalformedOffers), "{offer}");
            assert_eq!(answer(&["permessage-deflate", offer]), Err(MalformedOffers), "{offer}");
        }
    }

    #[test]
    fn ten_thousand_offers() {
        let bad = "permessage-deflate; __proto__=\"\\a\", ".repeat(10_000);
        assert_eq!(answer(&[&bad]), Ok(None));
        assert_eq!(answer(&[&bad, "permessage-deflate"]), Ok(Some(PLAIN.to_owned())));
        let parameters = format!("permessage-deflate{}", "; client_max_window_bits".repeat(10_000));
        assert_eq!(answer(&[&parameters]), Ok(None));
        assert_eq!(answer(&[&",".repeat(1 << 20)]), Ok(None));
        assert_eq!(answer(&[&" ".repeat(1 << 20)]), Ok(None));
    }

    #[test]
    fn the_window_is_what_the_client_asked_for() {
        let agreement = |bits: Option<&str>| Agreement {
            server_window: bits.map(|bits| Window::parse(bits.as_bytes()).unwrap()),
        };
        assert!(agreement(None).has_full_window() && agreement(Some("15")).has_full_window());
        assert!(!agreement(Some("14")).has_full_window() && !agreement(Some("8")).has_full_window());
        assert_eq!(
            (agreement(Some("8")).window_bytes(), agreement(Some("14")).window_bytes()),
            (256, 16_384)
        );
    }
}
