//! What Kubernetes itself defines of the chart's pods, in its own words. The fields are known here as
//! far as a wrong one would otherwise be found when the pods are made; what is deeper is left to the
//! API server to judge.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::{
    forms::{
        Field, LabelKey, LabelValue, ObjectName, Prose, Quantity, TaintEffect, TolerationOperator,
        VariableName,
    },
    section::sections,
    text::{Form, Number, OrEmpty, Pairs, Text, Word, judge},
};

/// A part of a Kubernetes object, in that object's own words.
pub(super) type Object = Pairs<Field, Part>;
/// Several.
pub(super) type Objects = Vec<Object>;

/// Anything that a part of an object has in it. What its texts say is left to the API server; that
/// they are texts is not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part;

/// Another object of the namespace.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LocalObjectReference")]
pub(super) struct Reference {
    /// Its name.
    #[serde(rename = "name")]
    _name: Text<ObjectName>,
}

/// An environment variable of a container.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "EnvVar")]
pub(super) struct Variable {
    /// Its name.
    #[serde(rename = "name")]
    _name: Text<VariableName>,
    /// Its value.
    #[serde(rename = "value")]
    _value: Option<Word<Prose>>,
    /// Where its value comes from, in place of `value`.
    #[serde(rename = "valueFrom")]
    _value_from: Option<Object>,
}

sections! {
    /// A taint that pods tolerate.
    Toleration {
        /// Its key; any if empty.
        key: Option<Text<OrEmpty<LabelKey>>>,
        /// How the value is compared; `Equal` if empty.
        operator: Option<Text<OrEmpty<TolerationOperator>>>,
        /// Its value.
        value: Option<Text<LabelValue>>,
        /// What it does; anything if empty.
        effect: Option<Text<OrEmpty<TaintEffect>>>,
        /// How long a pod stays where the taint comes up, seconds.
        toleration_seconds: Option<i64>,
    }

    /// Requests and limits of a container.
    Resources {
        /// Requests.
        requests: Option<Pairs<LabelKey, Number<Quantity>>>,
        /// Limits.
        limits: Option<Pairs<LabelKey, Number<Quantity>>>,
        /// Claims of devices.
        claims: Option<Objects>,
    }

    /// Where pods may be, beside which others.
    Affinity {
        /// On which nodes.
        node_affinity: Option<NodeAffinity>,
        /// Beside which pods.
        pod_affinity: Option<Object>,
        /// Away from which pods.
        pod_anti_affinity: Option<Object>,
    }

    /// On which nodes pods may be.
    NodeAffinity {
        /// On these, and on no others.
        #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
        required: Option<NodeSelector>,
        /// On these, if there is room.
        #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
        preferred: Option<Objects>,
    }

    /// Some nodes.
    NodeSelector {
        /// Those of any of these terms.
        node_selector_terms: Option<Vec<NodeSelectorTerm>>,
    }

    /// Nodes that meet all of what it requires.
    NodeSelectorTerm {
        /// Of their labels.
        match_expressions: Option<Objects>,
        /// Of their fields.
        match_fields: Option<Objects>,
    }
}

// === impl Part ===

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part of an object of Kubernetes")
            }

            fn visit_unit<E>(self) -> Result<Part, E> {
                Ok(Part)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Part, E> {
                Ok(Part)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Part, E> {
                Ok(Part)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Part, E> {
                Ok(Part)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Part, E> {
                Ok(Part)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Part, E> {
                judge::<Prose, E>(text).map(|()| Part)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Part, A::Error> {
                while list.next_element::<Part>()?.is_some() {}
                Ok(Part)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
                while map.next_entry::<Text<Field>, Part>()?.is_some() {}
                Ok(Part)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Part {
    fn schema_name() -> Cow<'static, str> {
        "Part".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let below = generator.subschema_for::<Self>().to_value();
        let mut known = serde_json::Map::new();
        known.insert(Field::pattern(), below.clone());
        json_schema!({
            "description": "Anything that a part of an object of Kubernetes has in it.",
            "pattern": Prose::pattern(),
            "items": below,
            "patternProperties": known,
            "additionalProperties": false,
        })
    }
}
