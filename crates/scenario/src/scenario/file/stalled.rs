//! `client.stalled`: clients that do not read.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    check::{self, Checker},
    placed::{Key, Placed, key, value},
};
use crate::{
    quantity::{Bytes, DECIMAL, QuantityError, Share, readable},
    scenario::{
        Reader, Stalled,
        path::{DEFAULT_RATE, ReaderKey},
    },
};

/// Clients that do not read: how many, or also how.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum StalledForm {
    Clients(Portion),
    How(StalledSection),
}

/// Clients that do not read.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct StalledSection {
    /// How many of a replica's clients: a number, or a percentage.
    clients: Placed<Portion>,
    /// How they read; `never` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reader: Key<ReaderKey>,
    /// With the reader `trickle`: bytes a second of each stream. 1KiB if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Key<Bytes>,
}

/// A number of clients, or a percentage of a replica's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Portion {
    Clients(u32),
    Share(Share),
}

impl Checker<'_> {
    /// The stalled ones among this many clients of a replica; `None` if that is none.
    pub(super) fn stalled(
        &self,
        form: Placed<StalledForm>,
        clients: u32,
    ) -> check::Result<Option<Stalled>> {
        let Placed { value: form, at } = form;
        let (portion, at, reader) = match form {
            StalledForm::Clients(portion) => (portion, at, Reader::Never),
            StalledForm::How(section) => {
                let Placed { value: portion, at } = section.clients;
                (portion, at, self.reader(section.reader, section.rate)?)
            }
        };
        let count = portion.of(clients);
        if count >= clients && count > 0 {
            let message = format!(
                "all {clients} clients of a replica would be stalled, and none judged; it is fewer \
                 than client.clients"
            );
            return Err(self.tree.error(at, &message));
        }
        Ok((count > 0).then_some(Stalled {
            clients: count,
            reader,
        }))
    }

    fn reader(&self, reader: Key<ReaderKey>, rate: Key<Bytes>) -> check::Result<Reader> {
        match (value(reader).unwrap_or_default(), rate) {
            (ReaderKey::Never, Some(_)) => Err(self.error(
                rate,
                "only with reader: trickle is there a rate; the reader never reads nothing",
            )),
            (ReaderKey::Never, None) => Ok(Reader::Never),
            (
                ReaderKey::Trickle,
                Some(Placed {
                    value: Bytes(0), ..
                }),
            ) => Err(self.error(rate, "nothing is read at a rate of 0; write reader: never")),
            (ReaderKey::Trickle, rate) => Ok(Reader::Trickle {
                rate: value(rate).unwrap_or(DEFAULT_RATE),
            }),
        }
    }
}

impl From<Stalled> for StalledForm {
    fn from(stalled: Stalled) -> Self {
        let clients = Portion::Clients(stalled.clients);
        match stalled.reader {
            Reader::Never => Self::Clients(clients),
            Reader::Trickle { rate } => Self::How(StalledSection {
                clients: clients.into(),
                reader: key(ReaderKey::Trickle),
                rate: key(rate),
            }),
        }
    }
}

// === impl Portion ===

impl Portion {
    /// The clients that this is of so many: at least one, where it is more than nothing.
    fn of(self, clients: u32) -> u32 {
        match self {
            Self::Clients(count) => count,
            Self::Share(Share(share)) if share > 0.0 => {
                // The cast saturates, and a share is at least zero.
                ((f64::from(clients) * share).round() as u32).max(1)
            }
            Self::Share(_) => 0,
        }
    }
}

impl FromStr for Portion {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.ends_with('%') {
            return text.parse().map(Self::Share);
        }
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(clients) if digits => Ok(Self::Clients(clients)),
            _ => Err(QuantityError::new(
                text,
                "is neither a number of clients nor a percentage",
            )),
        }
    }
}

readable!(Portion, "a number of clients, or a percentage such as 5%", {
    "type": ["string", "integer"],
    "pattern": format!("^([0-9]{{1,9}}|{DECIMAL}%)$"),
    "minimum": 0,
    "maximum": u32::MAX,
});

// === impl StalledForm ===

impl<'de> Deserialize<'de> for StalledForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = StalledForm;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a number of clients, a percentage such as 5%, or {clients: 20, reader: never}",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<StalledForm, E> {
                text.parse().map(StalledForm::Clients).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<StalledForm, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<StalledForm, E> {
                self.visit_str(&(number + 0.0).to_string())
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<StalledForm, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                StalledSection::deserialize(map).map(StalledForm::How)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for StalledForm {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Stalled".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            generator.subschema_for::<Portion>(),
            generator.subschema_for::<StalledSection>(),
        ]})
    }
}
