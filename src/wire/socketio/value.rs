//! Values of Rust as arguments, by serde.
//!
//! Owns: [`ToArgs`], which spreads a tuple over the arguments of a packet; [`ArgsRef::parse`], the way back; [`Binary`],
//! bytes anywhere in a value. Bytes that a value serializes as bytes (`serialize_bytes`) travel as attachments.
//! Leaves to others: arguments as text ([`super::args`]).

use super::args::{ArgRef, Args, ArgsError, ArgsRef};
use super::placeholder;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{self, Impossible, SerializeTuple};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::ser::Formatter;
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

/// What can be the arguments of an event or an acknowledgement.
///
/// Every value that serde can serialize: a tuple is several arguments, `()` is none, and everything else is one.
/// An array of fixed length is a tuple to serde; a slice or a `Vec` is one argument. Bytes that are serialized as such
/// ([`Binary`], or types of crates for that) arrive as `Buffer` or `ArrayBuffer`, wherever they are in the value.
pub trait ToArgs {
    /// The arguments.
    ///
    /// # Errors
    /// The value has no JSON form, or has an object that looks like a placeholder beside bytes.
    fn to_args(&self) -> Result<Cow<'_, Args>, ArgsError>;
}

impl ToArgs for Args {
    fn to_args(&self) -> Result<Cow<'_, Args>, ArgsError> {
        Ok(Cow::Borrowed(self))
    }
}

impl ToArgs for &Args {
    fn to_args(&self) -> Result<Cow<'_, Args>, ArgsError> {
        Ok(Cow::Borrowed(self))
    }
}

/// As they were received.
impl ToArgs for ArgsRef<'_> {
    fn to_args(&self) -> Result<Cow<'_, Args>, ArgsError> {
        let mut args = Args::new();
        self.iter().try_for_each(|arg| args.push_ref(arg))?;
        Ok(Cow::Owned(args))
    }
}

/// As it was received.
impl ToArgs for ArgRef<'_> {
    fn to_args(&self) -> Result<Cow<'_, Args>, ArgsError> {
        let mut args = Args::new();
        args.push_ref(*self)?;
        Ok(Cow::Owned(args))
    }
}

impl<T: Serialize + ?Sized> ToArgs for T {
    fn to_args(&self) -> Result<Cow<'_, Args>, ArgsError> {
        let mut args = Args::new();
        match self.serialize(Spread(&mut args)) {
            Ok(()) => {}
            Err(Stop::NoTuple) => args.push(self)?,
            Err(Stop::Failed(error)) => return Err(error),
        }
        Ok(Cow::Owned(args))
    }
}

/// Writes a value as JSON, and its bytes beside it.
pub(super) fn write<T: Serialize + ?Sized>(
    value: &T,
    attachments: &mut Vec<Arc<[u8]>>,
) -> serde_json::Result<String> {
    let mut json = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, Beside(attachments)))?;
    String::from_utf8(json).map_err(|_| ser::Error::custom("JSON that is not UTF-8"))
}

/// Puts bytes beside the text, and a placeholder into it.
struct Beside<'a>(&'a mut Vec<Arc<[u8]>>);

impl Formatter for Beside<'_> {
    fn write_byte_array<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: &[u8]) -> io::Result<()> {
        let mut text = String::new();
        placeholder::write(self.0.len(), &mut text);
        self.0.push(value.into());
        writer.write_all(text.as_bytes())
    }
}

/// Takes tuples apart and nothing else.
struct Spread<'a>(&'a mut Args);

/// Why [`Spread`] has not taken a value.
#[derive(Debug)]
enum Stop {
    NoTuple,
    Failed(ArgsError),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::NoTuple => f.write_str("no tuple"),
            Stop::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Stop {}

impl ser::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Stop {
        Stop::Failed(ArgsError::Value(ser::Error::custom(message)))
    }
}

impl SerializeTuple for Spread<'_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.0.push(value).map_err(Stop::Failed)
    }

    fn end(self) -> Result<(), Stop> {
        Ok(())
    }
}

macro_rules! no_tuple {
    ($($name:ident($($kind:ty),*) $(-> $result:ident)?;)*) => {
        $(fn $name(self, $(_: $kind),*) -> Result<no_tuple!(@ $($result)?), Stop> {
            Err(Stop::NoTuple)
        })*
    };
    (@) => { () };
    (@ $result:ident) => { Self::$result };
}

impl<'a> Serializer for Spread<'a> {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Impossible<(), Stop>;
    type SerializeTuple = Spread<'a>;
    type SerializeTupleStruct = Impossible<(), Stop>;
    type SerializeTupleVariant = Impossible<(), Stop>;
    type SerializeMap = Impossible<(), Stop>;
    type SerializeStruct = Impossible<(), Stop>;
    type SerializeStructVariant = Impossible<(), Stop>;

    fn serialize_tuple(self, _: usize) -> Result<Spread<'a>, Stop> {
        Ok(self)
    }

    fn serialize_unit(self) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Stop> {
        Err(Stop::NoTuple)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<(), Stop> {
        Err(Stop::NoTuple)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Stop> {
        Err(Stop::NoTuple)
    }

    no_tuple! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }
}

/// Bytes in a value: attachments of its packet.
///
/// ```
/// # use fanfare::socketio::Binary;
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Upload { name: String, data: Binary }
/// ```
///
/// It is read only out of the arguments of a packet ([`ArgsRef::parse`]), whose attachments it shares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binary(pub Arc<[u8]>);

impl Deref for Binary {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<B: Into<Arc<[u8]>>> From<B> for Binary {
    fn from(bytes: B) -> Binary {
        Binary(bytes.into())
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

thread_local! {
    /// What placeholders stand for in the value that is being read.
    static BESIDE: RefCell<Vec<Arc<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Puts back what was there before, also after a panic.
struct Restore(Vec<Arc<[u8]>>);

impl Drop for Restore {
    fn drop(&mut self) {
        BESIDE.set(std::mem::take(&mut self.0));
    }
}

fn with_attachments<T>(attachments: &[Arc<[u8]>], read: impl FnOnce() -> T) -> T {
    let _restore = Restore(BESIDE.replace(attachments.to_vec()));
    read()
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Binary, D::Error> {
        struct Placeholder;

        impl<'de> Visitor<'de> for Placeholder {
            type Value = Binary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Binary, A::Error> {
                let (mut is_marked, mut num) = (false, None);
                while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                    let value: serde_json::Value = map.next_value()?;
                    match &*key {
                        key if placeholder::is_mark(key) => is_marked = value == true,
                        // As the decoder reads it, which lets no other numbers through.
                        "num" => num = value.as_f64().map(|num| num as usize),
                        _ => {}
                    }
                }
                let found =
                    num.filter(|_| is_marked).and_then(|num| BESIDE.with_borrow(|all| all.get(num).cloned()));
                found.map(Binary).ok_or_else(|| de::Error::invalid_type(de::Unexpected::Map, &self))
            }
        }

        deserializer.deserialize_map(Placeholder)
    }
}

impl<'a> ArgsRef<'a> {
    /// The values that the arguments are: a tuple is read from as many arguments, `()` from none, anything else from
    /// the first. More arguments than that are passed over, as functions of JavaScript do; for one that is missing
    /// an `Option` is `None`.
    ///
    /// # Errors
    /// An argument is missing or of another type; the message tells which one.
    pub fn parse<T: Deserialize<'a>>(self) -> serde_json::Result<T> {
        with_attachments(self.attachments(), || T::deserialize(Gather(self)))
    }
}

impl<'a> ArgRef<'a> {
    /// The value that the argument is.
    ///
    /// # Errors
    /// It is of another type.
    pub fn parse<T: Deserialize<'a>>(self) -> serde_json::Result<T> {
        with_attachments(self.attachments(), || serde_json::from_str(self.raw()))
    }
}

/// Gathers arguments into a tuple, or gives the first.
struct Gather<'a>(ArgsRef<'a>);

struct Each<'a, I> {
    args: I,
    number: usize,
    left: usize,
    _args: std::marker::PhantomData<&'a ()>,
}

impl<'a, I: Iterator<Item = ArgRef<'a>>> SeqAccess<'a> for Each<'a, I> {
    type Error = serde_json::Error;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> serde_json::Result<Option<T::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        (self.left, self.number) = (self.left - 1, self.number + 1);
        one(self.args.next(), self.number, |arg| match arg {
            Some(arg) => seed.deserialize(&mut serde_json::Deserializer::from_str(arg.raw())),
            None => seed.deserialize(Missing),
        })
        .map(Some)
    }
}

/// Reads one argument; an error tells which.
fn one<'a, T>(
    arg: Option<ArgRef<'a>>,
    number: usize,
    read: impl FnOnce(Option<ArgRef<'a>>) -> serde_json::Result<T>,
) -> serde_json::Result<T> {
    read(arg).map_err(|error| de::Error::custom(format_args!("argument {number}: {error}")))
}

macro_rules! first {
    ($($name:ident($($arg:ident: $kind:ty),*);)*) => {
        $(fn $name<V: Visitor<'de>>(self, $($arg: $kind,)* visitor: V) -> serde_json::Result<V::Value> {
            one(self.0.iter().next(), 1, |arg| match arg {
                Some(arg) => (&mut serde_json::Deserializer::from_str(arg.raw())).$name($($arg,)* visitor),
                None => Missing.$name($($arg,)* visitor),
            })
        })*
    };
}

impl<'de> Deserializer<'de> for Gather<'de> {
    type Error = serde_json::Error;

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> serde_json::Result<V::Value> {
        visitor.visit_seq(Each { args: self.0.iter(), number: 0, left: len, _args: std::marker::PhantomData })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        visitor.visit_unit()
    }

    first! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }
}

/// An argument that is not there.
struct Missing;

impl<'de> Deserializer<'de> for Missing {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> serde_json::Result<V::Value> {
        Err(de::Error::custom("it is missing"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        visitor.visit_none()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        ().into_deserializer().deserialize_ignored_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(value: impl ToArgs) -> (String, usize) {
        let args = value.to_args().unwrap().into_owned();
        (args.as_ref().json().to_owned(), args.as_ref().attachments().len())
    }

    #[test]
    fn tuples_are_several_arguments_and_the_rest_is_one() {
        assert_eq!(args("a"), ("\"a\"".to_owned(), 0));
        assert_eq!(args(()), (String::new(), 0));
        assert_eq!(args(("a", 1, json!({"b": [null]}))), (r#""a",1,{"b":[null]}"#.to_owned(), 0));
        assert_eq!(args(("a",)), ("\"a\"".to_owned(), 0));
        assert_eq!(args(vec![1, 2]), ("[1,2]".to_owned(), 0));
        assert_eq!(args([1, 2]), ("1,2".to_owned(), 0));
        assert_eq!(args(Some((1, 2))), ("[1,2]".to_owned(), 0));
        assert_eq!(args(None::<u8>), ("null".to_owned(), 0));
        let mut ready = Args::new();
        ready.push("x").unwrap();
        assert_eq!(args(&ready), ("\"x\"".to_owned(), 0));
        assert_eq!(args((ready.as_ref()).iter().next().unwrap()), ("\"x\"".to_owned(), 0));
    }

    #[test]
    fn what_has_no_json_form_is_an_error() {
        let map = std::collections::HashMap::from([(vec![1], 2)]);
        assert!(map.to_args().is_err());
        assert!((1, &map).to_args().is_err());
    }

    #[test]
    fn bytes_go_beside_the_text_and_come_back_from_any_depth() {
        #[derive(Serialize, Deserialize, PartialEq, Debug)]
        struct Upload {
            name: String,
            parts: Vec<Binary>,
        }
        let upload = || Upload { name: "n".into(), parts: vec![vec![1, 2].into(), vec![].into()] };
        let sent = (Binary::from(vec![9]), upload()).to_args().unwrap().into_owned();
        assert_eq!(
            sent.as_ref().json(),
            r#"{"_placeholder":true,"num":0},{"name":"n","parts":[{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]}"#
        );
        let back: (Binary, Upload) = sent.as_ref().parse().unwrap();
        assert_eq!(back, (Binary::from(vec![9]), upload()));
        assert_eq!(sent.as_ref().iter().nth(1).unwrap().parse::<Upload>().unwrap(), upload());
        assert!(sent.as_ref().parse::<(String,)>().is_err());
        // Out of its packet it means nothing.
        assert!(serde_json::from_str::<Binary>(r#"{"_placeholder":true,"num":0}"#).is_err());
    }

    #[test]
    fn what_looks_like_a_placeholder_does_not_become_one() {
        let lookalike = json!({"_placeholder": true, "num": 0});
        assert!((Binary::from(vec![1]), &lookalike).to_args().is_err());
        assert!((&lookalike, Binary::from(vec![1])).to_args().is_err());
        assert!(json!([lookalike.clone()]).to_args().is_ok());
        #[derive(Serialize)]
        struct Both {
            bytes: Binary,
            other: serde_json::Value,
        }
        assert!(Both { bytes: vec![1].into(), other: lookalike }.to_args().is_err());
        #[derive(Serialize)]
        struct Around {
            _placeholder: bool,
            num: u8,
            bytes: Binary,
        }
        assert!(Around { _placeholder: true, num: 0, bytes: vec![1].into() }.to_args().is_err());
    }

    #[test]
    fn arguments_are_read_as_functions_take_them() {
        let args = ArgsRef::new(r#""a",2,{"b":3}"#, &[]);
        assert_eq!(args.parse::<String>().unwrap(), "a");
        assert_eq!(args.parse::<(&str, u8)>().unwrap(), ("a", 2));
        assert_eq!(args.parse::<(String, i64, serde_json::Value, Option<bool>)>().unwrap().3, None);
        args.parse::<()>().unwrap();
        let none = ArgsRef::new("", &[]);
        none.parse::<()>().unwrap();
        assert_eq!(none.parse::<Option<u8>>().unwrap(), None);
        let error = |text: serde_json::Error| text.to_string();
        assert_eq!(error(none.parse::<u8>().unwrap_err()), "argument 1: it is missing");
        assert!(error(args.parse::<(String, String)>().unwrap_err()).starts_with("argument 2: invalid type"));
        assert!(error(args.parse::<u8>().unwrap_err()).starts_with("argument 1: invalid type"));
    }
}
