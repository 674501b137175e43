//! A message being written, as JSON or as MessagePack, with the same calls for both.

use std::fmt::Write;

use rmp::encode::{ByteBuf, write_array_len, write_bool, write_str, write_uint};

use super::Payload;
use crate::wire::json;
use crate::wire::socketio::msgpack::encode::write_value;

pub(super) struct Writer {
    out: Out,
    /// How many keys the innermost map has so far.
    keys: u8,
}

enum Out {
    Json(String),
    Packed(ByteBuf),
}

/// A map of MessagePack with its number of keys left open.
const FIXMAP: u8 = 0x80;

const MOST_KEYS: u8 = 15;

impl Writer {
    /// JSON, about so long.
    pub(super) fn json(capacity: usize) -> Writer {
        Writer { out: Out::Json(String::with_capacity(capacity)), keys: 0 }
    }

    /// MessagePack, about so long.
    pub(super) fn packed(capacity: usize) -> Writer {
        Writer { out: Out::Packed(ByteBuf::with_capacity(capacity)), keys: 0 }
    }

    /// A map, whose keys and values `inside` writes.
    pub(super) fn map(&mut self, inside: impl FnOnce(&mut Writer)) {
        self.separate();
        let outer = std::mem::replace(&mut self.keys, 0);
        let head = match &mut self.out {
            Out::Json(json) => {
                json.push('{');
                0
            }
            Out::Packed(bytes) => {
                bytes.as_mut_vec().push(FIXMAP);
                bytes.as_vec().len() - 1
            }
        };
        inside(self);
        match &mut self.out {
            Out::Json(json) => json.push('}'),
            Out::Packed(bytes) => {
                assert!(self.keys <= MOST_KEYS, "messages have few fields");
                bytes.as_mut_vec()[head] |= self.keys;
            }
        }
        self.keys = outer;
    }

    /// An array of so many values, which `inside` writes.
    pub(super) fn array(&mut self, len: usize, inside: impl FnOnce(&mut Writer)) {
        self.separate();
        match &mut self.out {
            Out::Json(json) => json.push('['),
            Out::Packed(bytes) => {
                let Ok(_) = write_array_len(bytes, u32::try_from(len).expect("it is in memory"));
            }
        }
        inside(self);
        if let Out::Json(json) = &mut self.out {
            json.push(']');
        }
    }

    /// The key of a map; its value comes next.
    pub(super) fn key(&mut self, name: &str) -> &mut Writer {
        self.keys += 1;
        self.text(name);
        if let Out::Json(json) = &mut self.out {
            json.push(':');
        }
        self
    }

    pub(super) fn text(&mut self, text: &str) {
        self.separate();
        match &mut self.out {
            Out::Json(json) => json::quote(text, json),
            Out::Packed(bytes) => {
                let Ok(()) = write_str(bytes, text);
            }
        }
    }

    pub(super) fn number(&mut self, number: u64) {
        self.separate();
        match &mut self.out {
            Out::Json(json) => {
                // Writing to a string does not fail.
                let _ = write!(json, "{number}");
            }
            Out::Packed(bytes) => {
                let Ok(_) = write_uint(bytes, number);
            }
        }
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.separate();
        match &mut self.out {
            Out::Json(json) => json.push_str(if value { "true" } else { "false" }),
            Out::Packed(bytes) => {
                let Ok(()) = write_bool(bytes, value);
            }
        }
    }

    /// A value. Bytes have no form in JSON: a message with some is MessagePack.
    pub(super) fn payload(&mut self, payload: &Payload<'_>) {
        self.separate();
        match &mut self.out {
            Out::Json(json) => {
                debug_assert!(payload.attachments().is_empty());
                json.push_str(payload.json());
            }
            Out::Packed(bytes) => {
                let Ok(()) = write_value(payload.json(), payload.attachments(), bytes);
            }
        }
    }

    /// A list of texts.
    pub(super) fn names<T: AsRef<str>>(&mut self, names: &[T]) {
        self.array(names.len(), |w| names.iter().for_each(|name| w.text(name.as_ref())));
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self.out {
            Out::Json(json) => json.into_bytes(),
            Out::Packed(bytes) => bytes.into_vec(),
        }
    }

    /// The comma of JSON, before all but the first of a map or an array. No value ends as those begin.
    fn separate(&mut self) {
        if let Out::Json(json) = &mut self.out
            && !matches!(json.as_bytes().last(), None | Some(b'{' | b'[' | b':'))
        {
            json.push(',');
        }
    }
}
