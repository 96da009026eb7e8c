//! Texts of the chart that have a form: what no object of Kubernetes can hold is refused before one
//! is made of it. The form is written once, and both the schema and the tool judge by it.

use std::{borrow::Cow, fmt, marker::PhantomData};

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, Error},
};

use super::decode::MOST_EXACT;

/// What a text may be.
pub(super) trait Form {
    /// What it is, with an article.
    const NAME: &'static str;
    /// What to write.
    const ADVICE: &'static str;
    /// The most characters of it.
    const LONGEST: Option<usize> = None;
    /// Whether YAML's numbers are of this form, whatever they are. If not, those from 0 on are that
    /// are written without an exponent.
    const ANY_NUMBER: bool = true;

    /// A regular expression of it, in what Go and JavaScript have in common. It can be part of
    /// another one.
    fn body() -> String;

    /// The same for the whole text.
    fn pattern() -> String {
        format!("^{}$", Self::body())
    }
}

/// Of the form, or empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrEmpty<F>(PhantomData<F>);

/// Several of the form, with commas between them; or empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commas<F>(PhantomData<F>);

/// A scalar of the form: a text, or what YAML may have taken for a number or a boolean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scalar<F, const NUMBERS: bool, const BOOLEANS: bool>(PhantomData<F>);

/// A text of the form.
pub(super) type Text<F> = Scalar<F, false, false>;

/// A text of the form, which YAML may have taken for a number or a boolean.
pub(super) type Word<F> = Scalar<F, true, true>;

/// A text of the form, or a number of at least 0.
pub(super) type Number<F> = Scalar<F, true, false>;

/// One text, or a list of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct OneOrMore<One, Item>(PhantomData<(One, Item)>);

/// Values of one kind, by keys of the form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairs<K, V>(PhantomData<(K, V)>);

/// What keeps `text` from being of the form.
fn problem<F: Form>(text: &str) -> Option<String> {
    let pattern = Regex::new(&F::pattern()).expect("invariant: a form is an expression");
    if !pattern.is_match(text) {
        let (name, advice) = (F::NAME, F::ADVICE);
        return Some(format!("{text:?} is not {name}; write {advice}"));
    }
    let length = text.chars().count();
    let longest = F::LONGEST.filter(|longest| length > *longest)?;
    Some(format!(
        "has {length} characters; {} may have {longest}",
        F::NAME
    ))
}

/// Refuses a text that is not of the form.
pub(super) fn judge<F: Form, E: Error>(text: &str) -> Result<(), E> {
    problem::<F>(text).map_or(Ok(()), |problem| Err(E::custom(problem)))
}

/// The schema of scalars of these types, of which texts are of the form.
fn scalar<F: Form>(types: &[&str]) -> Schema {
    let types = if let [one] = types {
        serde_json::Value::from(*one)
    } else {
        types.into()
    };
    let mut schema = json_schema!({"type": types, "pattern": F::pattern()});
    if let Some(longest) = F::LONGEST {
        schema.insert("maxLength".into(), longest.into());
    }
    schema
}

// === impl Form ===

impl<F: Form> Form for OrEmpty<F> {
    const NAME: &'static str = F::NAME;
    const ADVICE: &'static str = F::ADVICE;
    const LONGEST: Option<usize> = F::LONGEST;
    const ANY_NUMBER: bool = F::ANY_NUMBER;

    fn body() -> String {
        format!("({})?", F::body())
    }
}

impl<F: Form> Form for Commas<F> {
    const NAME: &'static str = F::NAME;
    const ADVICE: &'static str = F::ADVICE;

    fn body() -> String {
        let one = F::body();
        format!("({one}(, *{one})*)?")
    }
}

// === impl Deserialize ===

impl<'de, F: Form, const N: bool, const B: bool> Deserialize<'de> for Scalar<F, N, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scalar = Self(PhantomData);
        if N {
            deserializer.deserialize_any(scalar)
        } else {
            deserializer.deserialize_string(scalar)
        }
    }
}

impl<'de, One: Form, Item: Form> Deserialize<'de> for OneOrMore<One, Item> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self(PhantomData))
    }
}

impl<'de, K: Form, V: Deserialize<'de>> Deserialize<'de> for Pairs<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self(PhantomData))
    }
}

impl<F: Form, const N: bool, const B: bool> Scalar<F, N, B> {
    /// Whether numbers below 0, and such as are printed with an exponent, are refused.
    fn plain() -> bool {
        N && !(B && F::ANY_NUMBER)
    }

    fn number<E: Error>(self, number: f64) -> Result<Self, E> {
        if Self::plain() && !(0.0..=MOST_EXACT as f64).contains(&number) {
            let (name, advice) = (F::NAME, F::ADVICE);
            return Err(E::custom(format!("{number} is not {name}; write {advice}")));
        }
        Ok(self)
    }
}

impl<F: Form, const N: bool, const B: bool> de::Visitor<'_> for Scalar<F, N, B> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(F::NAME)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self, E> {
        judge::<F, E>(text).map(|()| self)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self, E> {
        self.number(number as f64)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self, E> {
        self.number(number as f64)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self, E> {
        self.number(number)
    }

    fn visit_bool<E: Error>(self, it: bool) -> Result<Self, E> {
        if B {
            Ok(self)
        } else {
            Err(E::invalid_type(de::Unexpected::Bool(it), &self))
        }
    }
}

impl<'de, One: Form, Item: Form> de::Visitor<'de> for OneOrMore<One, Item> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or a list of them", One::NAME)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self, E> {
        judge::<One, E>(text).map(|()| self)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Text<Item>>()?.is_some() {}
        Ok(self)
    }
}

impl<'de, K: Form, V: Deserialize<'de>> de::Visitor<'de> for Pairs<K, V> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section with keys")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Text<K>, V>()?.is_some() {}
        Ok(self)
    }
}

// === impl JsonSchema ===

impl<F: Form, const N: bool, const B: bool> JsonSchema for Scalar<F, N, B> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        F::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = scalar::<F>(match (N, B) {
            (false, _) => &["string"],
            (true, false) => &["number", "string"],
            (true, true) => &["boolean", "number", "string"],
        });
        if Self::plain() {
            schema.insert("minimum".into(), 0.into());
            schema.insert("maximum".into(), MOST_EXACT.into());
        }
        schema
    }
}

impl<One: Form, Item: Form> JsonSchema for OneOrMore<One, Item> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        One::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = scalar::<One>(&["string", "array"]);
        schema.insert("items".into(), scalar::<Item>(&["string"]).to_value());
        schema
    }
}

impl<K: Form, V: JsonSchema> JsonSchema for Pairs<K, V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        K::NAME.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<V>();
        let mut known = serde_json::Map::new();
        known.insert(K::pattern(), value.to_value());
        json_schema!({"type": "object", "patternProperties": known, "additionalProperties": false})
    }
}

#[cfg(test)]
mod tests;
