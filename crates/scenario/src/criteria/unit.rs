//! What a limit counts, and which values are within it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words;

/// The unit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A count.
    Count,
    /// A fraction of 1.
    Fraction,
    /// CPU cores.
    Cores,
    /// A number of some for each of others.
    Ratio,
    /// Deliveries a second.
    PerSecond,
}

/// Which values of a criterion are within its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Those up to it.
    AtMost,
    /// Those from it on.
    AtLeast,
    /// That one alone.
    Exactly,
}

// === impl Unit ===

impl Unit {
    /// A number of this unit in words.
    #[must_use]
    pub fn words(self, number: f64) -> String {
        match self {
            Self::Seconds => words::seconds(number),
            Self::Bytes => words::bytes(number),
            Self::Count => words::number(number.round()),
            Self::Fraction => format!("{} %", words::number(number * 100.0)),
            Self::Cores => format!("{} cores", words::number(number)),
            Self::Ratio => words::number(number),
            Self::PerSecond => format!("{}/s", words::number(number)),
        }
    }
}

// === impl Bound ===

impl Bound {
    /// Whether `value` is within `limit`.
    #[must_use]
    pub fn admits(self, limit: f64, value: f64) -> bool {
        match self {
            Self::AtMost => value <= limit,
            Self::AtLeast => value >= limit,
            Self::Exactly => value.total_cmp(&limit).is_eq(),
        }
    }

    /// What stands before a limit in a sentence: `at most`.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::AtMost => "at most",
            Self::AtLeast => "at least",
            Self::Exactly => "exactly",
        }
    }

    /// What stands before a limit in a table: `≤`.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::AtMost => "≤",
            Self::AtLeast => "≥",
            Self::Exactly => "=",
        }
    }
}
