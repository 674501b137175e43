//! Messages as the JSON gateway at `/ws` has them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::load::envelope::{Address, Reading, put, token};
use crate::shared::Shared;
use crate::token::Token;

/// What the gateway puts around a content, or answers.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "msgId")]
    msg_id: Option<&'a RawValue>,
    mode: Option<u16>,
    #[serde(borrow)]
    from: Option<Cow<'a, str>>,
    #[serde(borrow)]
    group: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    code: Option<u32>,
    delivered: Option<u64>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

/// Writes the JSON of a message to `out`.
pub(super) fn put_message(
    out: &mut Vec<u8>,
    address: Address<'_>,
    token: &Token,
    bytes: usize,
    receipt: bool,
) {
    let number = token.number;
    match address {
        Address::Client(name) => {
            put(out, format_args!(r#"{{"msgId":{number},"mode":100,"targetClientId":"{name}""#));
        }
        Address::Group(name) => put(out, format_args!(r#"{{"msgId":{number},"mode":200,"group":"{name}""#)),
        Address::Domain => put(out, format_args!(r#"{{"msgId":{number},"mode":300"#)),
    }
    out.extend_from_slice(if receipt { br#","receipt":true,"content":""# } else { br#","content":""# });
    token.put(out, bytes);
    out.extend_from_slice(br#""}"#);
}

/// Bytes around the content of message `number` of `from` to its domain, as it arrives.
pub(super) fn domain_envelope_bytes(from: &str, number: u32) -> usize {
    format!(r#"{{"msgId":{number},"mode":300,"from":"{from}","content":""}}"#).len()
}

/// Reads a message and checks all of its envelope, or tells what it is instead.
pub(super) fn read(shared: &Shared, payload: &[u8], mode: u16) -> Reading {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(payload) else { return Reading::Corrupt };
    let Some(content) = envelope.content else { return answer(&envelope) };
    let token = match token(shared, content.get()) {
        Ok(token) => token,
        Err(reading) => return reading,
    };
    let roster = &shared.roster;
    let id = envelope.msg_id.is_some_and(|id| id.get() == token.number.to_string());
    let from = roster.client(token.sender).is_none_or(|client| envelope.from.as_deref() == Some(client));
    let group = mode != 200 || envelope.group.as_deref() == roster.group(token.sender);
    if id && from && group && envelope.mode == Some(mode) {
        Reading::Message(token)
    } else {
        Reading::Corrupt
    }
}

fn answer(envelope: &Envelope<'_>) -> Reading {
    match (envelope.code, envelope.mode, envelope.delivered) {
        (Some(0), Some(1), _) => Reading::Heartbeat,
        (Some(0), _, Some(delivered)) => Reading::Receipt(delivered),
        (Some(0), ..) => Reading::Stranger,
        (Some(code), ..) => {
            let message = envelope.message.as_deref().unwrap_or_default();
            Reading::Refused(format!("{code} {message}").trim_end().to_owned())
        }
        (None, ..) => Reading::Corrupt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_counted_as_it_is_written() {
        let arrived = r#"{"msgId":12,"mode":300,"from":"c0","content":"abc"}"#;
        assert_eq!(domain_envelope_bytes("c0", 12), arrived.len() - 3);
    }
}
