//! Values of a scenario file that may be written in more than one way.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::placed::Placed;
use crate::quantity::{DECIMAL, Share, Span, decimal};

/// More pods than Kubernetes supports in a cluster are no amount of them.
const MOST_PODS: u32 = 150_000;

/// A decimal number from 0 to 100, as a regular expression.
const PERCENT: &str = "(0*(100(\\.0*)?|[0-9]{1,2}(\\.[0-9]*)?)|0*\\.[0-9]+)";

/// A delay's bound: a duration, or a percentage of the hold before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum JitterBound {
    UpTo(Span),
    OfHold(Percent),
}

/// A number of pods, or a percentage of a Deployment's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Amount {
    Pods(u32),
    Share(Share),
}

/// A percentage written without its sign (5 is 5%), or with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Percent(pub(super) f64);

/// How long a fake pod takes: always the same, or between two bounds.
#[derive(Clone, Debug)]
pub(super) enum PodStart {
    Always(Span),
    Between(PodStartRange),
}

/// The bounds of a fake pod's start.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PodStartRange {
    /// At least.
    pub(super) min: Placed<Span>,
    /// At most.
    pub(super) max: Placed<Span>,
}

// === impl JitterBound ===

impl<'de> Deserialize<'de> for JitterBound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(
            deserializer,
            "a duration such as 5s, or a percentage such as 5%",
        )?;
        if text.ends_with('%') {
            Percent::parse(&text).map(Self::OfHold)
        } else {
            text.parse().map(Self::UpTo).map_err(de::Error::custom)
        }
    }
}

impl Serialize for JitterBound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::UpTo(span) => span.serialize(serializer),
            Self::OfHold(percent) => serializer.collect_str(&format_args!("{}%", percent.0)),
        }
    }
}

impl JsonSchema for JitterBound {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Jitter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": format!("^({}|{PERCENT}%)$", Span::pattern()),
            "minimum": 0,
            "maximum": 0,
        })
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

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(
            deserializer,
            "a number of pods, or a percentage such as 25%",
        )?;
        if text.ends_with('%') {
            return text.parse().map(Self::Share).map_err(de::Error::custom);
        }
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(pods) if digits && pods <= MOST_PODS => Ok(Self::Pods(pods)),
            _ => Err(de::Error::custom(format!(
                "{text} is neither a number of pods, at most {MOST_PODS}, nor a percentage"
            ))),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Pods(pods) => pods.serialize(serializer),
            Self::Share(share) => share.serialize(serializer),
        }
    }
}

impl JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": format!("^(0*(150000|1[0-4][0-9]{{4}}|[0-9]{{1,5}})|{DECIMAL}%)$"),
            "minimum": 0,
            "maximum": MOST_PODS,
        })
    }
}

// === impl Percent ===

impl Percent {
    fn parse<E: de::Error>(text: &str) -> Result<Self, E> {
        let number = text.strip_suffix('%').unwrap_or(text);
        match decimal(number) {
            Some(percent) if percent <= 100.0 => Ok(Self(percent)),
            _ => Err(E::custom(format!(
                "{text} is not a percentage from 0 to 100"
            ))),
        }
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&text(deserializer, "a percentage such as 5 or 5%")?)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for Percent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PlainPercentage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "pattern": format!("^{PERCENT}%?$"),
            "minimum": 0,
            "maximum": 100,
        })
    }
}

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

impl Serialize for PodStart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Always(span) => span.serialize(serializer),
            Self::Between(range) => range.serialize(serializer),
        }
    }
}

impl JsonSchema for PodStart {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PodStart".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            generator.subschema_for::<Span>(),
            generator.subschema_for::<PodStartRange>(),
        ]})
    }
}

/// A scalar's text, whatever its type.
pub(super) fn text<'de, D: Deserializer<'de>>(
    deserializer: D,
    expecting: &'static str,
) -> Result<String, D::Error> {
    struct Visitor(&'static str);

    impl de::Visitor<'_> for Visitor {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_u64<E>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_i64<E>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_f64<E>(self, number: f64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }

    deserializer.deserialize_any(Visitor(expecting))
}
