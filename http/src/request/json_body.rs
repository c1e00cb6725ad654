//! The strict reader of request bodies: one JSON object of scalars and lists of strings. Pure, lives
//! nowhere.
//!
//! serde_json does the grammar (RFC 8259; it refuses broken UTF-8 and lone surrogates); what is
//! added here is that an unknown or doubled member is an error that names it, and that every other
//! error can say where it is.

use core::fmt;
use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::problem::{Code, Problem};

/// Longest name of an unknown member that a problem repeats, in characters.
const NAME_CHARS_MAX: usize = 64;

/// One member's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Unsigned(u64),
    Bool(bool),
    /// An array of strings.
    Texts(Vec<Cow<'a, str>>),
    /// Anything else, by the name of its type.
    Other(&'static str),
}

impl Value<'_> {
    /// The name of the type, for the customer.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text(_) => "a string",
            Self::Unsigned(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::Texts(_) => "an array",
            Self::Other(name) => name,
        }
    }
}

/// Reads an object whose members are among `names`; the values come back in the same order.
pub(super) fn read_object<'a, const N: usize>(
    body: &'a [u8],
    names: &[&str; N],
) -> Result<[Option<Value<'a>>; N], Problem> {
    let mut fault = None;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let object = ObjectSeed { names, fault: &mut fault }.deserialize(&mut reader);
    let result = object.and_then(|values| reader.end().map(|()| values));
    result.map_err(|error| fault.unwrap_or_else(|| json_problem(&error)))
}

/// Texts of serde_json about types may repeat what was sent, those about the grammar do not.
fn json_problem(error: &serde_json::Error) -> Problem {
    if error.is_data() {
        return Problem::new(Code::InvalidType, "The body must be a JSON object.").at("");
    }
    let (line, column) = (error.line(), error.column());
    let what = if error.is_eof() { "It ends too early" } else { "It is wrong" };
    let detail = format!("The body is not valid JSON. {what}, at line {line}, column {column}.");
    Problem::new(Code::InvalidJson, detail).because(error.to_string())
}

struct ObjectSeed<'n, 'f, const N: usize> {
    names: &'n [&'n str; N],
    fault: &'f mut Option<Problem>,
}

impl<'de, const N: usize> DeserializeSeed<'de> for ObjectSeed<'_, '_, N> {
    type Value = [Option<Value<'de>>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for ObjectSeed<'_, '_, N> {
    type Value = [Option<Value<'de>>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [const { None }; N];
        while let Some(name) = map.next_key_seed(TextSeed)? {
            let at = self.names.iter().position(|known| *known == name);
            let Some(slot) = at.and_then(|at| values.get_mut(at)) else {
                *self.fault = Some(unknown_field(&name, self.names));
                return Err(A::Error::custom("unknown field"));
            };
            if slot.is_some() {
                *self.fault = Some(duplicate_field(&name));
                return Err(A::Error::custom("duplicate field"));
            }
            *slot = Some(map.next_value_seed(ValueSeed)?);
        }
        Ok(values)
    }
}

fn unknown_field(name: &str, names: &[&str]) -> Problem {
    let detail = format!("This field is not known. Known are: {}.", names.join(", "));
    Problem::new(Code::UnknownField, detail).at(pointer(name))
}

fn duplicate_field(name: &str) -> Problem {
    Problem::new(Code::DuplicateField, "This field is given twice.").at(pointer(name))
}

/// The JSON pointer of a member (RFC 6901 section 3); long names are shortened.
pub(super) fn pointer(name: &str) -> String {
    let mut text = String::with_capacity(name.len().min(NAME_CHARS_MAX) + 4);
    text.push('/');
    for (at, c) in name.chars().enumerate() {
        match c {
            _ if at == NAME_CHARS_MAX => {
                text.push('…');
                break;
            }
            '~' => text.push_str("~0"),
            '/' => text.push_str("~1"),
            other => text.push(other),
        }
    }
    text
}

/// A string, borrowed from the body where it has no escapes.
struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Any value; what is inside arrays and objects is skipped.
struct ValueSeed;

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Value::Other("a negative number"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::Other("a number that is not whole"))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(item) = items.next_element_seed(ValueSeed)? {
            let Value::Text(text) = item else {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Value::Other("an array of other things"));
            };
            texts.push(text);
        }
        Ok(Value::Texts(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other("an object"))
    }
}
