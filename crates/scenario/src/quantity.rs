//! The quantities that people write: durations as in Go, percentages, byte sizes, CPU, ranges of
//! addresses.
//!
//! Each parses from text and prints to text that parses to the same value, so that a recording's
//! scenario is the one that ran. A quantity without a unit is refused rather than guessed.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{Deserializer, Serializer, de};

use crate::words::excerpt;

/// Reads a quantity from a text or a number, and says in a schema what these may be.
macro_rules! readable {
    ($type:ty, $expected:literal, $schema:tt) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::quantity::deserialize(deserializer, $expected)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}

/// The same, and writes it as the text that it prints as.
macro_rules! quantity {
    ($type:ty, $expected:literal, $schema:tt) => {
        $crate::quantity::readable!($type, $expected, $schema);

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

pub(crate) use readable;

mod bytes;
mod cpu;
mod range;
mod share;
mod span;

pub use bytes::Bytes;
pub use cpu::Cpu;
pub use range::AddressRange;
pub use share::Share;
pub use span::{Millis, NonZeroSpan, Span};

/// A text that is not the quantity it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given} {problem}")]
pub struct QuantityError {
    /// The text, quoted if it is empty or has blanks.
    given: String,
    /// What is wrong with it and what would be right.
    problem: &'static str,
}

// === impl QuantityError ===

impl QuantityError {
    pub(crate) fn new(given: &str, problem: &'static str) -> Self {
        let plain = !given.is_empty() && !given.contains(char::is_whitespace);
        let given = excerpt(given);
        Self {
            given: if plain { given } else { format!("{given:?}") },
            problem,
        }
    }
}

/// Deserializes a quantity from a text or a number.
pub(crate) fn deserialize<'de, D, T>(
    deserializer: D,
    expecting: &'static str,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = QuantityError>,
{
    struct Visitor<T>(&'static str, PhantomData<T>);

    impl<T: FromStr<Err = QuantityError>> de::Visitor<'_> for Visitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
            // Not "-0".
            self.visit_str(&(number + 0.0).to_string())
        }
    }

    deserializer.deserialize_any(Visitor(expecting, PhantomData))
}

/// Splits a number from the unit behind it.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')))
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Writes a number as a person does: `1`, not `1.0`.
///
/// # Errors
///
/// Whatever the serializer cannot write.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "only whole numbers of at least zero that a u64 has are cast"
)]
pub fn serialize_number<S: Serializer>(number: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && (0.0..1e15).contains(&number) {
        serializer.serialize_u64(number as u64)
    } else {
        serializer.serialize_f64(number)
    }
}

/// What [`decimal`] reads, as a regular expression.
pub const DECIMAL: &str = "([0-9]+(\\.[0-9]*)?|\\.[0-9]+)";

/// A decimal number without an exponent, at least zero.
#[must_use]
pub fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value: f64 = text.parse().ok()?;
    (plain && value.is_finite()).then_some(value)
}
