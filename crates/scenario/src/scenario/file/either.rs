//! Values of a scenario file that may be written in more than one way.

use std::{borrow::Cow, fmt, marker::PhantomData, num::NonZeroU32, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    decode::EITHER,
    placed::{Key, Placed, key},
};
use crate::{
    pattern::Jitter,
    quantity::{DECIMAL, Millis, QuantityError, Share, Span, decimal, readable, serialize_number},
    targets::{LARGEST_EXPONENT, Popularity, Targets},
};

/// More pods than Kubernetes supports in a cluster are no amount of them.
const MOST_PODS: u32 = 150_000;

/// A decimal number from 0 to 100, as a regular expression.
const PERCENT: &str = "(0*(100(\\.0*)?|[0-9]{1,2}(\\.[0-9]*)?)|0*\\.[0-9]+)";

/// A number of pods, or a percentage of a Deployment's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Amount {
    Pods(u32),
    Share(Share),
}

/// A percentage written without its sign (5 is 5%), or with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Percent(pub(super) f64);

/// A value, or a section with keys where more than one is said.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Either<V, S> {
    Value(V),
    Section(S),
}

/// How long a fake pod takes: always the same, or between two bounds.
pub(super) type PodStart = Either<Millis, PodStartRange>;

/// The bounds of a fake pod's start.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PodStartRange {
    /// At least.
    pub(super) min: Placed<Millis>,
    /// At most.
    pub(super) max: Placed<Millis>,
}

/// How many Services a client asks for, alone or with how they are distributed.
pub(super) type TargetsForm = Either<NonZeroU32, TargetsSection>;

/// The Services that each client asks for.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Targets")]
pub(super) struct TargetsSection {
    /// How many; all, if there are fewer.
    pub(super) count: Placed<NonZeroU32>,
    /// How popular the Services are; `zipf` if absent.
    pub(super) distribution: Key<DistributionKey>,
    /// The exponent of `zipf`. 1 if absent.
    #[schemars(range(min = 0.0, max = LARGEST_EXPONENT))]
    pub(super) exponent: Key<f64>,
}

/// How popular the Services are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Distribution")]
pub(super) enum DistributionKey {
    /// The *n*-th most popular Service has the weight 1 / *n*^`exponent`: a few are asked for by
    /// nearly all clients.
    Zipf,
    /// All Services are alike.
    Uniform,
}

// === impl Jitter ===

impl FromStr for Jitter {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.ends_with('%') {
            text.parse()
                .map(|Percent(percent)| Self::PercentOfHold(percent))
        } else {
            text.parse().map(|Millis(span)| Self::UpTo(span))
        }
    }
}

readable!(Jitter, "a duration such as 5s, or a percentage such as 5%", {
    "type": ["string", "integer"],
    "pattern": format!("^({}|{PERCENT}%)$", Span::pattern()),
    "minimum": 0,
    "maximum": 0,
});

impl Serialize for Jitter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::UpTo(span) => Millis(*span).serialize(serializer),
            Self::PercentOfHold(percent) => serializer.collect_str(&format_args!("{percent}%")),
        }
    }
}

// === impl Amount ===

impl Amount {
    /// The pods that this is of `endpoints`, rounded up or down as Kubernetes does it.
    pub(super) fn of(self, endpoints: u32, round: fn(f64) -> f64) -> u32 {
        match self {
            Self::Pods(pods) => pods,
            // The cast saturates, and a share is at least zero.
            Self::Share(share) => round(f64::from(endpoints) * share.0) as u32,
        }
    }
}

impl FromStr for Amount {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.ends_with('%') {
            return text.parse().map(Self::Share);
        }
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(pods) if digits && pods <= MOST_PODS => Ok(Self::Pods(pods)),
            _ => Err(QuantityError::new(
                text,
                "is neither a number of pods, at most 150000, nor a percentage",
            )),
        }
    }
}

readable!(Amount, "a number of pods, or a percentage such as 25%", {
    "type": ["string", "integer"],
    "pattern": format!("^(0*(150000|1[0-4][0-9]{{4}}|[0-9]{{1,5}})|{DECIMAL}%)$"),
    "minimum": 0,
    "maximum": MOST_PODS,
});

// === impl Percent ===

impl FromStr for Percent {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let number = text.strip_suffix('%').unwrap_or(text);
        let percent = decimal(number).filter(|percent| *percent <= 100.0);
        percent
            .map(Self)
            .ok_or_else(|| QuantityError::new(text, "is not a percentage from 0 to 100"))
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_number(self.0, serializer)
    }
}

readable!(Percent, "a percentage such as 5 or 5%", {
    "type": ["string", "number"],
    "pattern": format!("^{PERCENT}%?$"),
    "minimum": 0,
    "maximum": 100,
});

// === impl Either ===

impl<'de, V: Deserialize<'de>, S: Deserialize<'de>> Deserialize<'de> for Either<V, S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<V, S>(PhantomData<(V, S)>);

        impl<'de, V: Deserialize<'de>, S: Deserialize<'de>> de::Visitor<'de> for Visitor<V, S> {
            type Value = Either<V, S>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or a section")
            }

            fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
                V::deserialize(value).map(Either::Value)
            }

            // Not by a map's entries alone, which no longer know the keys that lead to them.
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                section: D,
            ) -> Result<Self::Value, D::Error> {
                S::deserialize(section).map(Either::Section)
            }
        }

        deserializer.deserialize_newtype_struct(EITHER, Visitor(PhantomData))
    }
}

impl<V: JsonSchema, S: JsonSchema> JsonSchema for Either<V, S> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}Or{}", V::schema_name(), S::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            generator.subschema_for::<V>(),
            generator.subschema_for::<S>(),
        ]})
    }
}

// === impl TargetsForm ===

impl From<&Targets> for TargetsForm {
    fn from(targets: &Targets) -> Self {
        let (distribution, exponent) = match targets.popularity {
            Popularity::Zipf { exponent } => (DistributionKey::Zipf, key(exponent)),
            Popularity::Uniform => (DistributionKey::Uniform, None),
        };
        Self::Section(TargetsSection {
            count: targets.count.into(),
            distribution: key(distribution),
            exponent,
        })
    }
}
