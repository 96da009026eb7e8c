//! The end of a recording: what each Service's streams held, and the last line.

use std::collections::BTreeMap;

use dst_load_oracle::{
    ledger::{EndState, RetainedCounts},
    promise::Unjudged,
};
use dst_load_scenario::time::At;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{Totals, zero};

/// One Service's streams at the settled end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndStateLine {
    /// When they were checked.
    pub at: At,
    /// The Service's name.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub service: String,
    /// Streams that were open, and so could be checked.
    pub streams_checked: u64,
    /// Streams among them that hold other than they were promised.
    pub streams_wrong: u64,
    /// Streams that were closed.
    pub streams_unchecked: u64,
    /// (stream, endpoint) pairs that were promised and missing.
    pub missing: u64,
    /// (stream, endpoint) pairs held, and no longer promised.
    pub stale: u64,
    /// (stream, endpoint) pairs that were there and never promised.
    pub unexpected: u64,
    /// Time the stale ones have been held, seconds.
    pub stale_seconds: f64,
    /// The first few wrong ones, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub examples: Vec<String>,
    /// Wrong streams by replica, where there are several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[serde(deserialize_with = "by_replica")]
    pub wrong_by_replica: BTreeMap<u32, u64>,
    /// Streams that are open, by replica, where there are several. Absent in recordings whose
    /// header says it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[serde(deserialize_with = "by_replica")]
    pub streams_by_replica: BTreeMap<u32, u64>,
    /// Why streams of the Service could not be judged, if some could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unjudged: Option<Unjudged>,
    /// Streams that could not be judged.
    #[serde(default, skip_serializing_if = "zero::is_zero")]
    pub streams_unjudged: u64,
    /// What streams that were not served kept, and how much of it was no longer promised; absent where
    /// streams keep nothing when they end, and in recordings of versions that did not measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<RetainedCounts>,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub at: At,
    /// Whether a signal ended the run before its plan did.
    pub interrupted: bool,
    /// What ended the run, if it was neither the plan nor a signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub error: Option<String>,
    /// Whether that was to spare the target, or others who use it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spared: bool,
    /// What the lines before add up to; in every recording that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
}

/// Reads counts by a number. JSON's keys are text, and those of a line whose kind says how the rest
/// is read are not made numbers by serde.
fn by_replica<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u32, u64>, D::Error> {
    let counts = BTreeMap::<String, u64>::deserialize(deserializer)?;
    let read = |(replica, count): (String, u64)| match replica.parse() {
        Ok(replica) => Ok((replica, count)),
        Err(_) => Err(D::Error::custom(format!("{replica:?} is no replica"))),
    };
    counts.into_iter().map(read).collect()
}

// === impl EndStateLine ===

impl EndStateLine {
    /// The line for `service`, whose streams were checked at `at`.
    #[must_use]
    pub fn new(service: &str, at: At, end: &EndState) -> Self {
        let examples = end
            .examples
            .iter()
            .map(|wrong| {
                let since = wrong
                    .since
                    .map_or_else(String::new, |s| format!(" for {:.3} s", s.as_secs_f64()));
                format!(
                    "{} {} at stream {} of {service}{since}",
                    wrong.kind, wrong.endpoint.address, wrong.stream
                )
            })
            .collect();
        Self {
            at,
            service: service.to_owned(),
            streams_checked: end.streams_checked,
            streams_wrong: end.streams_wrong,
            streams_unchecked: end.streams_unchecked,
            missing: end.missing,
            stale: end.stale,
            unexpected: end.unexpected,
            stale_seconds: end.stale_seconds,
            examples,
            wrong_by_replica: end.wrong_by_replica.clone(),
            streams_by_replica: end.streams_by_replica.clone(),
            unjudged: end.unjudged,
            streams_unjudged: end.streams_unjudged,
            retained: end.retained,
        }
    }
}
