//! MessagePack, value by value. Owns: the bounds of reading it. A length that is announced is never allocated, and
//! what is passed over may be nested as deeply as it likes.

use std::borrow::Cow;

use rmp::Marker;

use crate::wire::socketio::BadPacket;

/// A value, or the head of one whose parts follow.
pub(in crate::wire) enum Item<'a> {
    Null,
    Bool(bool),
    /// Either of the 64-bit kinds.
    Integer(i128),
    Float(f64),
    Text(Cow<'a, str>),
    Binary(&'a [u8]),
    Undefined,
    /// Milliseconds since 1970.
    Date(i64),
    /// So many values follow.
    Array(u32),
    /// So many pairs of a key and a value follow.
    Map(u32),
    /// An extension of this type that nothing is known of.
    Extension(i8, &'a [u8]),
}

/// Which extensions a sender may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) enum Extensions {
    /// Those of the package that clients have; others are refused.
    Package,
    /// These, timestamps (type -1), and others that are passed on.
    All,
}

/// What has not been read yet.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Source<'a> {
    rest: &'a [u8],
    extensions: Extensions,
}

impl<'a> Source<'a> {
    /// Reads values one after the other.
    pub(in crate::wire) fn new(bytes: &'a [u8], extensions: Extensions) -> Source<'a> {
        Source { rest: bytes, extensions }
    }

    /// What has not been read yet.
    pub(in crate::wire) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], BadPacket> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(BadPacket::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// A big-endian number of `N` bytes, at most four.
    fn length<const N: usize>(&mut self) -> Result<u32, BadPacket> {
        Ok(self.bytes::<N>()?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn slice(&mut self, len: u32) -> Result<&'a [u8], BadPacket> {
        let (bytes, rest) = self.rest.split_at_checked(len as usize).ok_or(BadPacket::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self, len: u32) -> Result<Item<'a>, BadPacket> {
        Ok(Item::Text(String::from_utf8_lossy(self.slice(len)?)))
    }

    /// An extension of so many bytes, in one of the forms that have a fixed length, or in one that tells it.
    fn extension(&mut self, len: u32, fixed: bool) -> Result<Item<'a>, BadPacket> {
        let kind = i8::from_be_bytes(self.bytes()?);
        Ok(match (kind, len) {
            (0, 1) if fixed => {
                self.bytes::<1>()?;
                Item::Undefined
            }
            (0, 8) if fixed => Item::Date(i64::from_be_bytes(self.bytes()?)),
            (0, _) if !fixed => Item::Binary(self.slice(len)?),
            (kind, _) if self.extensions == Extensions::Package => return Err(BadPacket::Extension(kind)),
            (TIMESTAMP, 4) if fixed => date(u32::from_be_bytes(self.bytes()?).into(), 0),
            (TIMESTAMP, 8) if fixed => {
                let both = u64::from_be_bytes(self.bytes()?);
                date((both & 0x3_ffff_ffff) as i64, (both >> 34) as u32)
            }
            (TIMESTAMP, 12) if !fixed => {
                let nanos = u32::from_be_bytes(self.bytes()?);
                date(i64::from_be_bytes(self.bytes()?), nanos)
            }
            (kind, _) => Item::Extension(kind, self.slice(len)?),
        })
    }

    /// The next value, or its head.
    pub(in crate::wire) fn item(&mut self) -> Result<Item<'a>, BadPacket> {
        let [first] = self.bytes()?;
        Ok(match Marker::from_u8(first) {
            Marker::Null => Item::Null,
            Marker::True => Item::Bool(true),
            Marker::False => Item::Bool(false),
            Marker::FixPos(number) => Item::Integer(number.into()),
            Marker::U8 => Item::Integer(u8::from_be_bytes(self.bytes()?).into()),
            Marker::U16 => Item::Integer(u16::from_be_bytes(self.bytes()?).into()),
            Marker::U32 => Item::Integer(u32::from_be_bytes(self.bytes()?).into()),
            Marker::U64 => Item::Integer(u64::from_be_bytes(self.bytes()?).into()),
            Marker::FixNeg(number) => Item::Integer(number.into()),
            Marker::I8 => Item::Integer(i8::from_be_bytes(self.bytes()?).into()),
            Marker::I16 => Item::Integer(i16::from_be_bytes(self.bytes()?).into()),
            Marker::I32 => Item::Integer(i32::from_be_bytes(self.bytes()?).into()),
            Marker::I64 => Item::Integer(i64::from_be_bytes(self.bytes()?).into()),
            Marker::F32 => Item::Float(f32::from_be_bytes(self.bytes()?).into()),
            Marker::F64 => Item::Float(f64::from_be_bytes(self.bytes()?)),
            Marker::FixStr(len) => self.text(len.into())?,
            Marker::Str8 => self.length::<1>().and_then(|len| self.text(len))?,
            Marker::Str16 => self.length::<2>().and_then(|len| self.text(len))?,
            Marker::Str32 => self.length::<4>().and_then(|len| self.text(len))?,
            Marker::Bin8 => self.length::<1>().and_then(|len| self.slice(len)).map(Item::Binary)?,
            Marker::Bin16 => self.length::<2>().and_then(|len| self.slice(len)).map(Item::Binary)?,
            Marker::Bin32 => self.length::<4>().and_then(|len| self.slice(len)).map(Item::Binary)?,
            Marker::FixArray(len) => Item::Array(len.into()),
            Marker::Array16 => Item::Array(self.length::<2>()?),
            Marker::Array32 => Item::Array(self.length::<4>()?),
            Marker::FixMap(len) => Item::Map(len.into()),
            Marker::Map16 => Item::Map(self.length::<2>()?),
            Marker::Map32 => Item::Map(self.length::<4>()?),
            Marker::Ext8 => self.length::<1>().and_then(|len| self.extension(len, false))?,
            Marker::Ext16 => self.length::<2>().and_then(|len| self.extension(len, false))?,
            Marker::Ext32 => self.length::<4>().and_then(|len| self.extension(len, false))?,
            Marker::FixExt1 => self.extension(1, true)?,
            Marker::FixExt2 => self.extension(2, true)?,
            Marker::FixExt4 => self.extension(4, true)?,
            Marker::FixExt8 => self.extension(8, true)?,
            Marker::FixExt16 => self.extension(16, true)?,
            Marker::Reserved => return Err(BadPacket::Reserved),
        })
    }

    /// Passes over a value, however deep it is.
    pub(in crate::wire) fn skip(&mut self) -> Result<(), BadPacket> {
        // An item is at least a byte, so that lies about their number end with the input.
        let mut left = 1u64;
        while left > 0 {
            left -= 1;
            match self.item()? {
                Item::Array(len) => left += u64::from(len),
                Item::Map(len) => left += 2 * u64::from(len),
                _ => {}
            }
        }
        Ok(())
    }

    /// The bytes of the next value with all that is in it.
    pub(in crate::wire) fn take(&mut self) -> Result<&'a [u8], BadPacket> {
        let before = self.rest;
        self.skip()?;
        Ok(&before[..before.len() - self.rest.len()])
    }
}

/// The type of the extension that MessagePack itself defines.
const TIMESTAMP: i8 = -1;

/// Whole milliseconds of a time since 1970, cut off toward zero as JavaScript does; beyond the numbers, the last.
fn date(seconds: i64, nanos: u32) -> Item<'static> {
    let millis = (i128::from(seconds) * 1_000_000_000 + i128::from(nanos)) / 1_000_000;
    Item::Date(millis.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}
