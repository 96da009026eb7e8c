//! A value together with the place where it was written.

use std::{borrow::Cow, fmt, marker::PhantomData, num::NonZeroU32, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::decode::PLACED;
use crate::quantity::NonZeroSpan;

/// A value, and the index of its place in the tree it was read from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

/// A key that may be absent.
pub(super) type Key<T> = Option<Placed<T>>;

/// A key that nobody wrote, and that says this.
pub(super) fn key<T>(value: T) -> Key<T> {
    Some(Placed::from(value))
}

/// A key of a number that is at least 1; absent where it is 0.
pub(super) fn count(number: u32) -> Key<NonZeroU32> {
    NonZeroU32::new(number).and_then(key)
}

/// The number that it says.
pub(super) fn number(key: Key<NonZeroU32>) -> Option<u32> {
    key.map(|placed| placed.value.get())
}

/// The duration that a key says.
pub(super) fn span(key: Key<NonZeroSpan>) -> Option<Duration> {
    key.map(|placed| placed.value.0)
}

/// What a key says.
pub(super) fn value<T>(key: Key<T>) -> Option<T> {
    key.map(|placed| placed.value)
}

// === impl Placed ===

impl<T> From<T> for Placed<T> {
    /// A value that nobody wrote.
    fn from(value: T) -> Self {
        Self { value, at: 0 }
    }
}

impl<T: Serialize> Serialize for Placed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Placed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Placed<T>, A::Error> {
                let missing = || de::Error::custom("a place and a value were expected");
                let at = seq.next_element()?.ok_or_else(missing)?;
                let value = seq.next_element()?.ok_or_else(missing)?;
                Ok(Placed { value, at })
            }
        }

        deserializer.deserialize_newtype_struct(PLACED, Visitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Placed<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
