//! Packets as text: `<type>[<attachments>-][<namespace>,][<id>][<json>]`.
//!
//! Owns: reading and writing that line. The payload is checked and not built.
//! Leaves to others: attachments, which follow as binary messages; the arguments of events ([`super::args`]).

use super::{BadPacket, MAX_ACK_ID, MAX_ATTACHMENTS, PacketType, Revision, check_data, check_namespace};
use crate::wire::json::{self, JsonError};

/// A packet's text, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// What it is for.
    pub kind: PacketType,
    /// How many binary messages follow: 1 to [`MAX_ATTACHMENTS`] with a binary kind, otherwise 0.
    pub attachments: usize,
    /// The namespace: `/` if none was named.
    pub namespace: &'a str,
    /// What follows a question mark behind the namespace; revision 4 only.
    pub query: Option<&'a str>,
    /// The id that asks for an acknowledgement, or that is acknowledged; at most [`MAX_ACK_ID`].
    pub id: Option<u64>,
    /// The payload: valid JSON of a shape that the kind can have, or nothing.
    pub data: &'a str,
}

/// Takes a packet apart.
///
/// The comma behind a namespace may be missing at the text's end, as some clients leave it out. A 2.x client puts a query
/// behind the namespace of its CONNECT (`0/admin?token=a,`): revision 4 takes it off, in revision 5 it is a part of the name.
pub fn parse(text: &str, revision: Revision) -> Result<Header<'_>, BadPacket> {
    let digit = text.bytes().next().filter(u8::is_ascii_digit).ok_or(BadPacket::UnknownType)?;
    let kind = PacketType::from_number(u64::from(digit - b'0')).ok_or(BadPacket::UnknownType)?;
    let mut rest = &text[1..];

    let mut attachments = 0;
    if kind.is_binary() {
        let (digits, behind) = split_digits(rest);
        rest = behind.strip_prefix('-').ok_or(BadPacket::Attachments)?;
        attachments = match number(digits, MAX_ATTACHMENTS as u64) {
            _ if digits.is_empty() => return Err(BadPacket::Attachments),
            Some(0) => return Err(BadPacket::Attachments),
            Some(count) => count as usize,
            None => return Err(BadPacket::TooManyAttachments),
        };
    }

    let (mut namespace, mut query) = ("/", None);
    if rest.starts_with('/') {
        (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
        if revision == Revision::Four
            && let Some((name, behind)) = namespace.split_once('?')
        {
            (namespace, query) = (name, Some(behind));
        }
        check_namespace(namespace)?;
    }

    let (digits, rest) = split_digits(rest);
    let id = match number(digits, MAX_ACK_ID) {
        _ if digits.is_empty() => None,
        Some(id) => Some(id),
        None => return Err(BadPacket::AckId),
    };

    let data = match rest.as_bytes().first() {
        None => "",
        // JSON may have space before it, but the reference reads it as an id.
        Some(b' ' | b'\t' | b'\n' | b'\r') => return Err(JsonError::Unexpected(0).into()),
        Some(_) => json::whole(rest)?,
    };
    check_data(kind, data)?;
    Ok(Header { kind, attachments, namespace, query, id, data })
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// What decimal digits say, if it is at most `most`.
fn number(digits: &str, most: u64) -> Option<u64> {
    let mut number = 0u64;
    for digit in digits.bytes() {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    (number <= most).then_some(number)
}

/// Writes a packet; `data` is valid JSON or nothing, and fits the kind.
pub fn encode(kind: PacketType, attachments: usize, namespace: &str, id: Option<u64>, data: &str) -> String {
    debug_assert_eq!(kind.is_binary(), attachments > 0, "binary kinds have attachments");
    let mut text = String::with_capacity(namespace.len() + data.len() + 28);
    text.push(char::from(b'0' + kind.number()));
    if attachments > 0 {
        text.push_str(&attachments.to_string());
        text.push('-');
    }
    if namespace != "/" {
        text.push_str(namespace);
        text.push(',');
    }
    if let Some(id) = id {
        text.push_str(&id.to_string());
    }
    text.push_str(data);
    text
}
