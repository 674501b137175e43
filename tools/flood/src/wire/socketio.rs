//! Socket.IO packets (protocols 4 and 5, the same grammar), as a client in the namespace `/` needs them.
//!
//! `<type>[<attachments>-][<ack id>][<JSON>]`, the data of an Engine.IO message. The JSON is not looked at here.

/// Packet types, as the digits that they are on the wire.
pub mod kind {
    /// Asks for a namespace, or says that it was joined.
    pub const CONNECT: u8 = b'0';
    /// The namespace is left.
    pub const DISCONNECT: u8 = b'1';
    /// An event: `["name",argument,...]`.
    pub const EVENT: u8 = b'2';
    /// An acknowledgement: `[argument,...]`.
    pub const ACK: u8 = b'3';
    /// The namespace was refused.
    pub const CONNECT_ERROR: u8 = b'4';
    /// An event with binary attachments.
    pub const BINARY_EVENT: u8 = b'5';
    /// An acknowledgement with binary attachments.
    pub const BINARY_ACK: u8 = b'6';
}

/// Attachments that a reference parser takes.
const ATTACHMENTS_MAX: usize = 10;

/// A packet, its JSON unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// See [`kind`].
    pub kind: u8,
    /// Binary messages that follow.
    pub attachments: usize,
    /// What an acknowledgement has to repeat.
    pub id: Option<u64>,
    /// The JSON, or nothing.
    pub json: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet; the error says what is wrong with it.
    pub fn read(text: &'a [u8]) -> Result<Self, &'static str> {
        let [kind @ b'0'..=b'6', rest @ ..] = text else { return Err("unknown Socket.IO packet type") };
        let (mut attachments, mut rest) = (0, rest);
        if matches!(*kind, kind::BINARY_EVENT | kind::BINARY_ACK) {
            let (count, after) = digits(rest);
            attachments = count.unwrap_or(0) as usize;
            if !(1..=ATTACHMENTS_MAX).contains(&attachments) {
                return Err("a number of attachments that is not 1 to 10");
            }
            rest = after.strip_prefix(b"-").ok_or("attachments without a dash")?;
        }
        if rest.starts_with(b"/") {
            return Err("a packet for another namespace");
        }
        let (id, json) = digits(rest);
        Ok(Self { kind: *kind, attachments, id, json })
    }
}

/// A run of decimal digits and what follows; `None` where there is none, or too large a number.
fn digits(text: &[u8]) -> (Option<u64>, &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    (std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_every_type() {
        let read = |text: &'static str| {
            let packet = Packet::read(text.as_bytes()).unwrap();
            (packet.kind, packet.attachments, packet.id, std::str::from_utf8(packet.json).unwrap())
        };
        assert_eq!(read("0"), (kind::CONNECT, 0, None, ""));
        assert_eq!(read(r#"0{"sid":"x"}"#), (kind::CONNECT, 0, None, r#"{"sid":"x"}"#));
        assert_eq!(read(r#"2["e",1]"#), (kind::EVENT, 0, None, r#"["e",1]"#));
        assert_eq!(read(r#"312["r"]"#), (kind::ACK, 0, Some(12), r#"["r"]"#));
        assert_eq!(read(r#"51-["e"]"#), (kind::BINARY_EVENT, 1, None, r#"["e"]"#));
        assert_eq!(read(r#"61-7[{}]"#), (kind::BINARY_ACK, 1, Some(7), "[{}]"));
    }

    #[test]
    fn what_no_server_may_send() {
        for text in ["", "7", "x", "5[]", "50-[]", "511-[]", "51[]", "2/other,[\"e\"]"] {
            assert!(Packet::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
