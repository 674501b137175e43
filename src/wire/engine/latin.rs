//! Text that is not ASCII between long-polling clients of Socket.IO 1.x and the rest of the world.
//!
//! Those clients encode the text of a polling payload as UTF-8 twice, and decode it twice; clients of 2.x do so once,
//! and nothing in a request tells the two apart. What is sent to either is therefore written in ASCII, which JSON
//! allows. What comes is looked at: text whose characters, taken as bytes, are UTF-8 was encoded twice, since genuine
//! text of that kind ("Ã©") hardly occurs.

use std::fmt::Write as _;

/// A Socket.IO packet with every character of its JSON that is not ASCII escaped. What stands before its JSON stays.
pub(super) fn escape(packet: &str) -> String {
    let json = packet.find(['[', '{', '"']).unwrap_or(packet.len());
    let mut out = String::with_capacity(packet.len() * 2);
    out.push_str(&packet[..json]);
    for character in packet[json..].chars() {
        if character.is_ascii() {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String does not fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// The text that was encoded twice; nothing if it was not.
pub fn undouble(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a client of 1.x writes it.
    fn twice(text: &str) -> String {
        text.bytes().map(char::from).collect()
    }

    #[test]
    fn what_was_encoded_twice_is_recognized() {
        for text in ["é", "κόσμε", "漢字 😀", "a é b"] {
            assert_eq!(undouble(&twice(text)).as_deref(), Some(text));
            assert_eq!(undouble(text), None, "{text}");
        }
        assert_eq!(undouble("ascii"), None);
        // Single characters of Latin-1 are no UTF-8.
        for text in ["ÀÁÂ", "grün", "¿qué?"] {
            assert_eq!(undouble(text), None, "{text}");
        }
    }

    #[test]
    fn json_is_written_in_ascii_and_means_the_same() {
        let packet = "2/añ,12[\"ü\",{\"k é\":\"😀\"}]";
        let escaped = escape(packet);
        assert_eq!(escaped, "2/añ,12[\"\\u00fc\",{\"k \\u00e9\":\"\\ud83d\\ude00\"}]");
        let json: serde_json::Value = serde_json::from_str(&escaped["2/añ,12".len()..]).unwrap();
        assert_eq!(json[1]["k é"], "😀");
    }
}
