//! Reads the tree into the file's types through serde, so that the types alone say what a file may
//! hold, and adds what serde cannot: the place of each value, and the nearest known key or word.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

use super::tree::{Entry, Node, Tree, Value};
use crate::{scenario::draft::ScenarioError, words::nearest};

/// The name under which [`super::Placed`] asks for a value's place.
pub(super) const PLACED: &str = "$placed";

/// The name under which [`super::either::Either`] asks which of the two it is: a section is a newtype's
/// content, and what is none is some value.
pub(super) const EITHER: &str = "$either";

/// The largest number that every reader of a values file takes exactly: to Helm all are floats.
pub(super) const MOST_EXACT: u64 = (1 << 53) - 1;

/// Reads the whole tree.
pub(super) fn decode<T: de::DeserializeOwned>(tree: &Tree) -> Result<T, ScenarioError> {
    T::deserialize(Reader {
        node: &tree.root,
        path: String::new(),
    })
    .map_err(|error| match error {
        DecodeError::Key { at, message } => tree.error_at_key(at, &message),
        DecodeError::Value {
            at: Some(at),
            message,
        } => tree.error(at, &message),
        error => tree.error(0, &error.to_string()),
    })
}

/// What is wrong, and where as soon as that is known.
#[derive(Debug)]
enum DecodeError {
    /// A value.
    Value { at: Option<usize>, message: String },
    /// A value of another kind than what is expected.
    Kind { expected: String },
    /// A key.
    Key { at: usize, message: String },
}

/// A node to be read, and the keys that lead to it.
struct Reader<'a> {
    node: &'a Node,
    path: String,
}

// === impl DecodeError ===

impl DecodeError {
    /// The innermost place wins.
    fn or_at(self, place: usize) -> Self {
        match self {
            Self::Value { at: None, message } => Self::Value {
                at: Some(place),
                message,
            },
            known => known,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { message, .. } | Self::Key { message, .. } => f.write_str(message),
            Self::Kind { expected } => write!(f, "is not {expected}"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Value {
            at: None,
            message: message.to_string(),
        }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::Kind {
            expected: expected.to_string(),
        }
    }

    /// Of numbers, only 0 is of the right kind and still refused.
    fn invalid_value(_: de::Unexpected<'_>, _: &dyn de::Expected) -> Self {
        Self::custom("0 is too few; it is at least 1")
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("{field} is missing"))
    }
}

// === impl Reader ===

impl Reader<'_> {
    fn refuse<T>(&self, message: String) -> Result<T, DecodeError> {
        Err(DecodeError::Value {
            at: Some(self.node.at),
            message,
        })
    }

    fn whole_number(&self, max: u64) -> Result<u64, DecodeError> {
        match &self.node.value {
            Value::Unsigned(number) if *number <= max => Ok(*number),
            Value::Unsigned(number) => self.refuse(format!("{number} is more than {max}")),
            // JSON, and so Helm, has one kind of number: 10.0 is 10.
            Value::Float(number) if number.fract() == 0.0 && *number >= 0.0 => {
                let whole = *number as u64; // The cast saturates.
                if whole <= max {
                    Ok(whole)
                } else {
                    self.refuse(format!("{number} is more than {max}"))
                }
            }
            Value::Signed(number) => self.refuse(format!("{number} is negative; it is at least 0")),
            other => self.refuse(format!("{other} is not a whole number")),
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let (at, value) = (self.node.at, &self.node.value);
        match value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Signed(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_str(value),
            Value::Null => visitor.visit_unit(),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
        }
        .map_err(|error| match error {
            DecodeError::Kind { expected } => DecodeError::Value {
                at: Some(at),
                message: format!("{value} is not {expected}"),
            },
            other => other.or_at(at),
        })
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_u64(self.whole_number(u16::MAX.into())?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_u64(self.whole_number(u32::MAX.into())?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_u64(self.whole_number(MOST_EXACT)?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Float(number) if *number >= 0.0 && number.is_finite() => {
                visitor.visit_f64(*number)
            }
            Value::Unsigned(number) => visitor.visit_f64(*number as f64),
            other => self.refuse(format!("{other} is not a number of at least 0")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Text(text) => visitor.visit_str(text),
            other => self.refuse(format!("{other} is not a text; put it in quotes")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match (name, &self.node.value) {
            (PLACED, _) => visitor.visit_seq(PlacedAccess {
                reader: Some(self),
                is_placed: false,
            }),
            (EITHER, Value::Map(_)) => visitor.visit_newtype_struct(self),
            (EITHER, _) => visitor.visit_some(self),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let Value::List(items) = &self.node.value else {
            return self.refuse(format!("{} where a list belongs", self.node.value));
        };
        let readers = items.iter().enumerate().filter(|(_, item)| !item.is_null());
        let readers = readers.map(|(index, node)| Reader {
            node,
            path: format!("{}[{index}]", self.path),
        });
        visitor.visit_seq(de::value::SeqDeserializer::new(readers))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let entries: &[Entry] = match &self.node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            other => return self.refuse(format!("{other} where a section with keys belongs")),
        };
        visitor.visit_map(MapAccess {
            entries: entries.iter().filter(|entry| !entry.node.is_null()),
            value: None,
            path: &self.path,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if let Value::Map(entries) = &self.node.value {
            // A key that is null is as one that was never written, in Helm too.
            let unknown =
                |entry: &&Entry| !entry.node.is_null() && !known.contains(&entry.key.as_str());
            if let Some(Entry { key, key_at, .. }) = entries.iter().find(unknown) {
                let (path, meant) = (below(&self.path, key), suggestion(key, known));
                return Err(DecodeError::Key {
                    at: *key_at,
                    message: format!("unknown key {path}{meant}"),
                });
            }
        }
        let at = self.node.at;
        self.deserialize_map(visitor)
            .map_err(|error| error.or_at(at))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let word = match &self.node.value {
            Value::Text(text) => text,
            other => return self.refuse(format!("{other} is not one of {}", known.join(", "))),
        };
        if !known.contains(&word.as_str()) {
            return self.refuse(format!(
                "{word} is not one of {}{}",
                known.join(", "),
                suggestion(word, known)
            ));
        }
        let variant: StrDeserializer<'_, DecodeError> = word.as_str().into_deserializer();
        visitor.visit_enum(variant)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u128 f32 char str bytes byte_buf unit unit_struct tuple
        tuple_struct identifier
    }
}

impl<'de> IntoDeserializer<'de, DecodeError> for Reader<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The dotted keys that lead to a key of the section at `path`.
pub(super) fn below(path: &str, key: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    format!("{path}{dot}{key}")
}

/// The known key or word that was most likely meant, as the end of a message.
fn suggestion(given: &str, known: &[&str]) -> String {
    nearest(given, known).map_or_else(String::new, |key| format!("; did you mean {key}?"))
}

/// Hands a [`super::Placed`] first its place, then its value.
struct PlacedAccess<'a> {
    reader: Option<Reader<'a>>,
    is_placed: bool,
}

impl<'de> de::SeqAccess<'de> for PlacedAccess<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        if !self.is_placed {
            self.is_placed = true;
            let at = self.reader.as_ref().map_or(0, |reader| reader.node.at);
            return seed.deserialize(at.into_deserializer()).map(Some);
        }
        match self.reader.take() {
            Some(reader) => {
                let at = reader.node.at;
                seed.deserialize(reader)
                    .map(Some)
                    .map_err(|error| error.or_at(at))
            }
            None => Ok(None),
        }
    }
}

/// Hands over the entries of a section.
struct MapAccess<'a, E> {
    entries: E,
    /// The one of which the key has been handed over.
    value: Option<&'a Entry>,
    path: &'a str,
}

impl<'de, 'a, E: Iterator<Item = &'a Entry>> de::MapAccess<'de> for MapAccess<'a, E> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        self.value = self.entries.next();
        let Some(entry) = self.value else {
            return Ok(None);
        };
        seed.deserialize(entry.key.as_str().into_deserializer())
            .map(Some)
            .map_err(|error: DecodeError| error.or_at(entry.key_at))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let entry = self
            .value
            .expect("invariant: a value is asked for after its key");
        seed.deserialize(Reader {
            node: &entry.node,
            path: below(self.path, &entry.key),
        })
        .map_err(|error| error.or_at(entry.node.at))
    }
}
