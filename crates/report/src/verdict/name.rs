//! What a judged criterion is called.

use std::{borrow::Cow, fmt, str::FromStr};

use dst_load_scenario::{
    action::Direction,
    criteria::{Criterion, UnknownCriterion},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A criterion, and the direction of changes where those are judged apart:
/// `updateLatency.p99 (add)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// The criterion.
    pub criterion: Criterion,
    /// The direction of changes that it is about, where that is judged apart.
    pub direction: Option<Direction>,
}

// === impl Name ===

impl Name {
    /// All that there can be.
    fn all() -> impl Iterator<Item = Self> {
        let directions = [None, Some(Direction::Add), Some(Direction::Remove)];
        Criterion::all().flat_map(move |criterion| {
            directions.map(|direction| Self {
                criterion,
                direction,
            })
        })
    }
}

impl From<Criterion> for Name {
    fn from(criterion: Criterion) -> Self {
        Self {
            criterion,
            direction: None,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.direction {
            None => write!(f, "{}", self.criterion),
            Some(direction) => write!(f, "{} ({direction})", self.criterion),
        }
    }
}

impl FromStr for Name {
    type Err = UnknownCriterion;

    fn from_str(text: &str) -> Result<Self, UnknownCriterion> {
        Self::all()
            .find(|it| it.to_string() == text)
            .ok_or_else(|| UnknownCriterion::new(text))
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Name {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_another_is_refused() {
        for name in Name::all() {
            assert_eq!(name.to_string().parse(), Ok(name));
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<Name>(&json).unwrap(), name);
        }
        let unknown = "updateLatency.p99 (both)".parse::<Name>().unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "updateLatency.p99 (both) is not the key of a criterion; did you mean updateLatency.p99?"
        );
    }
}
