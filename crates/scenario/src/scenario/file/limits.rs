//! The section `criteria` as a file has it: read, written and described from what each criterion is.

use std::{borrow::Cow, fmt, sync::LazyLock, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, MapAccess, Visitor},
};
use serde_json::{Map, Value as Json, json};

use super::placed::Placed;
use crate::{
    criteria::{Criteria, Criterion, Section, Unit},
    quantity::{Bytes, Cpu, Share, Span, serialize_number},
};

/// The key of the list of criteria that may stay unjudged.
const OPTIONAL: &str = "optional";

/// What the schema says of that key.
const ABOUT_OPTIONAL: &str = "Keys of limits, such as target.viewsActive, that may stay unjudged. A limit \
                              that is not listed here\nmakes the run invalid if it cannot be judged.";

/// The keys of each of [`Section::ALL`].
static KEYS: LazyLock<[Vec<&str>; Section::ALL.len()]> = LazyLock::new(|| {
    Section::ALL.map(|section| {
        let mut keys: Vec<_> = section.criteria().map(|it| it.place().1).collect();
        if section.key.is_empty() {
            keys.extend(below().map(|(_, section)| section.key));
            keys.push(OPTIONAL);
        }
        keys
    })
});

/// The sections within `criteria`, each with its index.
fn below() -> impl Iterator<Item = (usize, Section)> {
    Section::ALL.into_iter().enumerate().skip(1)
}

impl Criteria {
    /// Each limit that the scenario gives, and its value as a file has it, in the order of the keys.
    #[must_use]
    pub fn limits(&self) -> Vec<(Criterion, String)> {
        let mut limits: Vec<_> = (self.given())
            .map(|(criterion, limit)| {
                let text = match written(criterion.unit(), limit) {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                (criterion, text)
            })
            .collect();
        limits.sort_by_key(|(criterion, _)| criterion.key());
        limits
    }
}

// What a limit of each unit is in a file.

/// A limit without a unit of its own, which may be a fraction.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_number(self.0, serializer)
    }
}

/// A limit of this unit as a file has it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes and counts are read as such, and the cast saturates"
)]
fn written(unit: Unit, limit: f64) -> Json {
    match unit {
        Unit::Seconds => json!(Span(Duration::from_secs_f64(limit))),
        Unit::Bytes => json!(Bytes(limit as u64)),
        Unit::Count => json!(limit as u64),
        Unit::Fraction => json!(Share(limit)),
        Unit::Cores => json!(Cpu(limit)),
        Unit::Ratio | Unit::PerSecond => json!(Number(limit)),
    }
}

/// A limit of this unit, in it.
#[expect(
    clippy::cast_precision_loss,
    reason = "sizes and counts stay far below 2^52"
)]
fn read<'de, D: Deserializer<'de>>(unit: Unit, deserializer: D) -> Result<f64, D::Error> {
    Ok(match unit {
        Unit::Seconds => Span::deserialize(deserializer)?.0.as_secs_f64(),
        Unit::Bytes => Bytes::deserialize(deserializer)?.0 as f64,
        Unit::Count => u64::deserialize(deserializer)? as f64,
        Unit::Fraction => Share::deserialize(deserializer)?.0,
        Unit::Cores => Cpu::deserialize(deserializer)?.0,
        Unit::Ratio | Unit::PerSecond => f64::deserialize(deserializer)?,
    })
}

/// How a schema knows a limit of this unit.
fn schema(unit: Unit, generator: &mut SchemaGenerator) -> Schema {
    match unit {
        Unit::Seconds => Span::json_schema(generator),
        Unit::Bytes => Bytes::json_schema(generator),
        Unit::Count => u64::json_schema(generator),
        Unit::Fraction => Share::json_schema(generator),
        Unit::Cores => Cpu::json_schema(generator),
        Unit::Ratio | Unit::PerSecond => json_schema!({"type": "number", "minimum": 0}),
    }
}

// Writing.

impl Serialize for Criteria {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let limits = |section: Section| {
            let given = (section.criteria())
                .filter_map(|criterion| Some((criterion, self.limit(criterion)?)));
            let keys = given.map(|(criterion, limit)| {
                (
                    criterion.place().1.to_owned(),
                    written(criterion.unit(), limit),
                )
            });
            keys.collect::<Map<_, _>>()
        };
        let mut all = limits(Section::ALL[0]);
        for (_, section) in below() {
            all.insert(section.key.to_owned(), limits(section).into());
        }
        if !self.optional.is_empty() {
            let mut keys: Vec<_> = self.optional.iter().map(|it| it.key()).collect();
            keys.sort_unstable();
            all.insert(OPTIONAL.to_owned(), keys.into());
        }
        all.serialize(serializer)
    }
}

// Reading.

impl<'de> Deserialize<'de> for Criteria {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut criteria = Self::default();
        let section = SectionReader {
            index: 0,
            into: &mut criteria,
        };
        section.deserialize(deserializer)?;
        Ok(criteria)
    }
}

/// Reads the limits of one of [`Section::ALL`].
struct SectionReader<'a> {
    index: usize,
    into: &'a mut Criteria,
}

/// Reads a limit of this unit.
struct LimitReader(Unit);

// === impl SectionReader ===

impl<'de> DeserializeSeed<'de> for SectionReader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let (section, keys) = (Section::ALL[self.index], &KEYS[self.index]);
        deserializer.deserialize_struct(section.name, keys, self)
    }
}

impl<'de> Visitor<'de> for SectionReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section with keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let section = Section::ALL[self.index];
        while let Some(key) = map.next_key::<String>()? {
            let criterion = section.criteria().find(|it| it.place().1 == key);
            let within = below().find(|(_, it)| section.key.is_empty() && it.key == key);
            if let Some(criterion) = criterion {
                let limit = map.next_value_seed(LimitReader(criterion.unit()))?;
                self.into.set(criterion, limit);
            } else if let Some((index, _)) = within {
                let into = &mut *self.into;
                map.next_value_seed(SectionReader { index, into })?;
            } else {
                // What is not known has been refused.
                let optional = map.next_value::<Vec<Placed<Criterion>>>()?;
                self.into.optional = optional.into_iter().map(|it| it.value).collect();
            }
        }
        Ok(())
    }
}

// === impl LimitReader ===

impl<'de> DeserializeSeed<'de> for LimitReader {
    type Value = f64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<f64, D::Error> {
        read(self.0, deserializer)
    }
}

// The schema.

impl JsonSchema for Criteria {
    fn schema_name() -> Cow<'static, str> {
        Section::ALL[0].name.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut keys = limits(Section::ALL[0], generator);
        for (_, section) in below() {
            let of_section = described(section, limits(section, generator));
            let definitions = generator.definitions_mut();
            definitions.insert(section.name.to_owned(), of_section.to_value());
            let reference = json!({
                "$ref": format!("#/definitions/{}", section.name),
                "description": section.about_key,
            });
            keys.insert(section.key.to_owned(), reference);
        }
        let known: Vec<_> = Criterion::of_scenarios().map(Criterion::key).collect();
        let optional = json!({
            "description": ABOUT_OPTIONAL,
            "type": "array",
            "items": {"type": "string", "enum": known},
        });
        keys.insert(OPTIONAL.to_owned(), optional);
        described(Section::ALL[0], keys)
    }
}

/// The keys of a section that are limits.
fn limits(section: Section, generator: &mut SchemaGenerator) -> Map<String, Json> {
    let mut keys = Map::new();
    for criterion in section.criteria() {
        let mut schema = schema(criterion.unit(), generator);
        schema.insert("description".to_owned(), criterion.about().into());
        keys.insert(criterion.place().1.to_owned(), schema.to_value());
    }
    keys
}

/// A section with these keys.
fn described(section: Section, keys: Map<String, Json>) -> Schema {
    json_schema!({
        "description": section.about,
        "type": "object",
        "additionalProperties": false,
        "properties": keys,
    })
}
