//! Values of a scenario file that may be written in more than one way.

use std::{fmt, num::NonZeroU32, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::placed::{Key, Placed, key};
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

/// How long a fake pod takes: always the same, or between two bounds.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum PodStart {
    Always(Millis),
    Between(PodStartRange),
}

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
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum TargetsForm {
    Count(NonZeroU32),
    Section(TargetsSection),
}

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

// === impl PodStart ===

impl<'de> Deserialize<'de> for PodStart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = PodStart;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 200ms, or {min: 200ms, max: 1200ms}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PodStart, E> {
                text.parse().map(PodStart::Always).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<PodStart, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<PodStart, E> {
                self.visit_str(&(number + 0.0).to_string())
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<PodStart, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                PodStartRange::deserialize(map).map(PodStart::Between)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for PodStart {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PodStart".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            generator.subschema_for::<Millis>(),
            generator.subschema_for::<PodStartRange>(),
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

impl<'de> Deserialize<'de> for TargetsForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = TargetsForm;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of Services such as 12, or {count: 12, distribution: zipf}")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<TargetsForm, E> {
                let count = u32::try_from(number)
                    .map_err(|_| E::custom(format_args!("{number} is more than {}", u32::MAX)))?;
                let count = NonZeroU32::new(count)
                    .ok_or_else(|| E::custom("0 is too few; it is at least 1"))?;
                Ok(TargetsForm::Count(count))
            }

            // JSON, and so Helm, has one kind of number: 12.0 is 12.
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<TargetsForm, E> {
                if number.fract() != 0.0 || number < 0.0 {
                    return Err(E::custom(format_args!("{number} is not a whole number")));
                }
                self.visit_u64(number as u64) // The cast saturates.
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<TargetsForm, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                TargetsSection::deserialize(map).map(TargetsForm::Section)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for TargetsForm {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TargetsForm".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            generator.subschema_for::<NonZeroU32>(),
            generator.subschema_for::<TargetsSection>(),
        ]})
    }
}
