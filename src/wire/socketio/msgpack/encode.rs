//! Writing a packet. Every value takes the shortest form that there is for it.

use std::convert::Infallible;
use std::sync::Arc;

use rmp::encode::{
    ByteBuf, ValueWriteError, write_array_len, write_bin, write_bool, write_f64, write_map_len, write_nil,
    write_sint, write_str, write_uint,
};

use smallvec::SmallVec;

use crate::wire::json::{self, LEVELS, Reader, Token};
use crate::wire::socketio::placeholder::{self, Placeholder};
use crate::wire::socketio::{MAX_ACK_ID, PacketType};

/// Writes a packet; `data` is valid JSON or nothing, and fits the kind. With attachments, its placeholders are written
/// as the bytes that they stand for. Data that is not JSON is our own fault and panics.
pub fn encode(
    kind: PacketType,
    namespace: &str,
    id: Option<u64>,
    data: &str,
    attachments: &[Arc<[u8]>],
) -> Vec<u8> {
    let mut out = ByteBuf::with_capacity(namespace.len() + data.len() + 40);
    write(kind, namespace, id, data, attachments, &mut out).expect("memory takes what is written");
    out.into_vec()
}

const CHECKED: &str = "data is JSON that was checked";

pub(in crate::wire) type Written = Result<(), ValueWriteError<Infallible>>;

fn write(
    kind: PacketType,
    namespace: &str,
    id: Option<u64>,
    data: &str,
    attachments: &[Arc<[u8]>],
    out: &mut ByteBuf,
) -> Written {
    write_map_len(out, 2 + u32::from(id.is_some()) + u32::from(!data.is_empty()))?;
    write_str(out, "type")?;
    write_uint(out, kind.plain().number().into())?;
    if !data.is_empty() {
        write_str(out, "data")?;
        write_value(data, attachments, out)?;
    }
    if let Some(id) = id {
        write_str(out, "id")?;
        write_uint(out, id)?;
    }
    write_str(out, "nsp")?;
    write_str(out, namespace)
}

/// The tokens of a value, with a placeholder as one.
struct Steps<'a> {
    reader: Reader<'a>,
    places: std::slice::Iter<'a, Placeholder>,
}

enum Step<'a> {
    Token(Token<'a>),
    /// The attachment with this number; the placeholder's object is passed over.
    Attachment(Option<usize>),
}

impl<'a> Steps<'a> {
    fn new(json: &'a str, places: &'a [Placeholder]) -> Steps<'a> {
        Steps { reader: Reader::new(json, LEVELS), places: places.iter() }
    }

    fn next(&mut self) -> Option<Step<'a>> {
        let token = self.reader.next().expect(CHECKED)?;
        if token == Token::Object
            && let Some(place) =
                self.places.as_slice().first().filter(|place| place.start == self.reader.start())
        {
            self.places.next();
            self.reader.leave().expect(CHECKED);
            return Some(Step::Attachment(place.num));
        }
        Some(Step::Token(token))
    }
}

/// How many values each array has, and pairs each object, in the order in which they open: their heads say so before
/// their parts come.
fn lengths(json: &str, places: &[Placeholder]) -> SmallVec<[u32; 16]> {
    let mut lengths = SmallVec::new();
    let mut open: SmallVec<[usize; 16]> = SmallVec::new();
    let mut steps = Steps::new(json, places);
    while let Some(step) = steps.next() {
        match step {
            Step::Token(Token::Key(_)) => {}
            Step::Token(Token::End) => {
                open.pop();
            }
            value => {
                if let Some(inside) = open.last() {
                    lengths[*inside] += 1;
                }
                if let Step::Token(Token::Array | Token::Object) = value {
                    open.push(lengths.len());
                    lengths.push(0);
                }
            }
        }
    }
    lengths
}

/// Writes a value, with its placeholders, if there are attachments, as the bytes that they stand for.
pub(in crate::wire) fn write_value(json: &str, attachments: &[Arc<[u8]>], out: &mut ByteBuf) -> Written {
    let places = if attachments.is_empty() { Vec::new() } else { placeholder::find(json).expect(CHECKED) };
    let mut lengths = lengths(json, &places).into_iter();
    let mut steps = Steps::new(json, &places);
    while let Some(step) = steps.next() {
        match step {
            Step::Attachment(num) => match num.and_then(|num| attachments.get(num)) {
                Some(bytes) => write_bin(out, bytes)?,
                None => {
                    let Ok(()) = write_nil(out);
                }
            },
            Step::Token(Token::Array) => {
                write_array_len(out, lengths.next().unwrap_or(0))?;
            }
            Step::Token(Token::Object) => {
                write_map_len(out, lengths.next().unwrap_or(0))?;
            }
            Step::Token(Token::End) => {}
            Step::Token(Token::Key(text) | Token::Text(text)) => write_str(out, &json::unquote(text))?,
            Step::Token(Token::Number(number)) => write_number(number, out)?,
            Step::Token(Token::Bool(value)) => {
                let Ok(()) = write_bool(out, value);
            }
            Step::Token(Token::Null) => {
                let Ok(()) = write_nil(out);
            }
        }
    }
    Ok(())
}

/// A number that is an integer to JavaScript is written as one; one that is infinite to it as null.
fn write_number(text: &str, out: &mut ByteBuf) -> Written {
    if let Ok(number) = text.parse() {
        write_uint(out, number)?;
    } else if let Ok(number) = text.parse() {
        write_sint(out, number)?;
    } else {
        match text.parse::<f64>() {
            Ok(number) if number.fract() == 0.0 && number.abs() <= MAX_ACK_ID as f64 => {
                write_sint(out, number as i64)?;
            }
            Ok(number) if number.is_finite() => write_f64(out, number)?,
            _ => {
                let Ok(()) = write_nil(out);
            }
        }
    }
    Ok(())
}
