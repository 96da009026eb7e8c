//! What a run is judged by.
//!
//! A criterion is defined here and nowhere else: its key, its unit, which values are within its
//! limit, and what it is, which is its documentation. The scenario file and its schema, the plan and
//! the reports read this definition. What is observed for it, and what helps where it is violated, is
//! in `verdict/observation.rs`.

mod limits;
mod unit;

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use strum::{EnumMessage, VariantArray};

pub use self::{
    limits::Criteria,
    unit::{Bound, Unit},
};
use crate::words::nearest;

/// The longest latency that is distinguished from longer ones, and so the largest limit of one.
pub const LONGEST_LATENCY: Duration = Duration::from_secs(24 * 60 * 60);

/// Something that a run is judged by, in the order in which a reader cares.
///
/// The documentation of a variant is what the schema and the reference say of its key.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::EnumMessage, VariantArray,
)]
pub enum Criterion {
    /// Streams that hold other endpoints at the end than they were promised.
    Correctness,
    /// Updates of an endpoint that Kubernetes had not changed.
    Premature,
    /// The share of deliveries that may never arrive; 0 % if absent.
    Never,
    /// The median.
    UpdateLatencyP50,
    /// The 95th percentile.
    UpdateLatencyP95,
    /// The 99th percentile.
    UpdateLatencyP99,
    /// The 99.9th percentile.
    UpdateLatencyP999,
    /// The largest value.
    UpdateLatencyMax,
    /// Time from visibility within which every client must receive every change.
    EveryClientWithin,
    /// Time from a Service's first endpoint being visible until each stream that had none has one.
    FirstEndpoint,
    /// Time for which a stream keeps an endpoint that is gone while it is opened again, as proxies do.
    Retained,
    /// The median.
    EndToEndP50,
    /// The 95th percentile.
    EndToEndP95,
    /// The 99th percentile.
    EndToEndP99,
    /// The 99.9th percentile.
    EndToEndP999,
    /// The largest value.
    EndToEndMax,
    /// Time from the intended instant within which every client must receive every change.
    EndToEndEveryClientWithin,
    /// Streams that were unexpectedly closed.
    UnexpectedResets,
    /// Streams that the target ended because of a full queue, over streams.
    SendTimeoutRate,
    /// Streams that ended with an error, over streams.
    ErrorRate,
    /// Addresses that changed nothing and that nothing explains.
    Redundant,
    /// Messages for each change and stream: above 1 where changes are split, or sent again.
    UpdatesPerChangeMax,
    /// Deliveries a second, at least, while changes are open.
    ThroughputMin,
    /// Resident memory.
    TargetMemoryMax,
    /// Resident memory above the idle baseline.
    TargetMemorySpike,
    /// Growth of live heap from the end of cycle 1, a cycle.
    TargetMemoryGrowthPerCycle,
    /// Growth of live heap, an hour.
    TargetMemoryGrowthPerHour,
    /// CPU on average over any sampling interval.
    TargetCpuMax,
    /// The exact value of `destination_endpoint_views_active`.
    TargetViewsActive,
    /// Restarts.
    TargetRestarts,
}

/// A part of a scenario's `criteria`, which has keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its key; empty for `criteria` itself.
    pub key: &'static str,
    /// Its name in the schema.
    pub name: &'static str,
    /// What the schema says of it.
    pub about: &'static str,
    /// What the schema says of its key; empty for `criteria`, of whose key the file says it.
    pub about_key: &'static str,
}

/// Where a criterion's limit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitFrom {
    /// It is zero, and no key changes that.
    Nowhere,
    /// It is zero where the scenario gives no other.
    FileOrZero,
    /// What the scenario does not limit is not judged.
    File,
}

/// What a criterion is.
struct Definition {
    key: &'static str,
    unit: Unit,
    bound: Bound,
    limit_from: LimitFrom,
}

// === impl Criterion ===

impl Criterion {
    const fn definition(self) -> Definition {
        use Bound::{AtLeast, AtMost, Exactly};
        use LimitFrom::{File, FileOrZero, Nowhere};
        use Unit::{Bytes, Cores, Count, Fraction, PerSecond, Ratio, Seconds};
        let (key, unit, bound, limit_from) = match self {
            Self::Correctness => ("correctness", Count, AtMost, Nowhere),
            Self::Premature => ("premature", Count, AtMost, Nowhere),
            Self::Never => ("never", Fraction, AtMost, FileOrZero),
            Self::UpdateLatencyP50 => ("updateLatency.p50", Seconds, AtMost, File),
            Self::UpdateLatencyP95 => ("updateLatency.p95", Seconds, AtMost, File),
            Self::UpdateLatencyP99 => ("updateLatency.p99", Seconds, AtMost, File),
            Self::UpdateLatencyP999 => ("updateLatency.p999", Seconds, AtMost, File),
            Self::UpdateLatencyMax => ("updateLatency.max", Seconds, AtMost, File),
            Self::EveryClientWithin => ("everyClientWithin", Seconds, AtMost, File),
            Self::FirstEndpoint => ("firstEndpoint", Seconds, AtMost, File),
            Self::Retained => ("retained", Seconds, AtMost, File),
            Self::EndToEndP50 => ("endToEnd.p50", Seconds, AtMost, File),
            Self::EndToEndP95 => ("endToEnd.p95", Seconds, AtMost, File),
            Self::EndToEndP99 => ("endToEnd.p99", Seconds, AtMost, File),
            Self::EndToEndP999 => ("endToEnd.p999", Seconds, AtMost, File),
            Self::EndToEndMax => ("endToEnd.max", Seconds, AtMost, File),
            Self::EndToEndEveryClientWithin => {
                ("endToEnd.everyClientWithin", Seconds, AtMost, File)
            }
            Self::UnexpectedResets => ("unexpectedResets", Count, AtMost, File),
            Self::SendTimeoutRate => ("sendTimeoutRate", Fraction, AtMost, File),
            Self::ErrorRate => ("errorRate", Fraction, AtMost, File),
            Self::Redundant => ("redundant", Count, AtMost, File),
            Self::UpdatesPerChangeMax => ("updates.perChangeMax", Ratio, AtMost, File),
            Self::ThroughputMin => ("throughputMin", PerSecond, AtLeast, File),
            Self::TargetMemoryMax => ("target.memoryMax", Bytes, AtMost, File),
            Self::TargetMemorySpike => ("target.memorySpike", Bytes, AtMost, File),
            Self::TargetMemoryGrowthPerCycle => {
                ("target.memoryGrowthPerCycle", Fraction, AtMost, File)
            }
            Self::TargetMemoryGrowthPerHour => {
                ("target.memoryGrowthPerHour", Fraction, AtMost, File)
            }
            Self::TargetCpuMax => ("target.cpuMax", Cores, AtMost, File),
            Self::TargetViewsActive => ("target.viewsActive", Count, Exactly, File),
            Self::TargetRestarts => ("target.restarts", Count, AtMost, File),
        };
        Definition {
            key,
            unit,
            bound,
            limit_from,
        }
    }

    /// All, in the order in which a reader cares.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        Self::VARIANTS.iter().copied()
    }

    /// Those that have a key in a scenario, in the same order.
    pub fn of_scenarios() -> impl Iterator<Item = Self> + Clone {
        Self::all().filter(|it| it.limit_from() != LimitFrom::Nowhere)
    }

    /// That of a scenario with this key.
    ///
    /// # Errors
    /// If there is none, with the nearest key that there is.
    pub fn of_scenario(key: &str) -> Result<Self, UnknownCriterion> {
        Self::of_scenarios()
            .find(|it| it.key() == key)
            .ok_or_else(|| UnknownCriterion::new(key))
    }

    /// Its dotted key, as a scenario file and a report have it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.definition().key
    }

    /// The key of its section, which is empty for `criteria` itself, and its own key in that.
    #[must_use]
    pub fn place(self) -> (&'static str, &'static str) {
        self.key().rsplit_once('.').unwrap_or(("", self.key()))
    }

    /// What its limit and its observed value count.
    #[must_use]
    pub const fn unit(self) -> Unit {
        self.definition().unit
    }

    /// Which values are within its limit.
    #[must_use]
    pub const fn bound(self) -> Bound {
        self.definition().bound
    }

    /// Whether it limits how long deliveries take.
    #[must_use]
    pub fn is_of_deliveries(self) -> bool {
        self.unit() == Unit::Seconds && !matches!(self, Self::FirstEndpoint | Self::Retained)
    }

    /// Where its limit comes from.
    #[must_use]
    pub const fn limit_from(self) -> LimitFrom {
        self.definition().limit_from
    }

    /// What it is, as the schema and the reference say it.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.get_documentation().unwrap_or_default()
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl Serialize for Criterion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

impl<'de> Deserialize<'de> for Criterion {
    /// One of a scenario's.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        Self::of_scenario(&key).map_err(de::Error::custom)
    }
}

// === impl Section ===

impl Section {
    /// All, `criteria` itself first.
    pub const ALL: [Self; 5] = [
        Self {
            key: "",
            name: "CriteriaSection",
            about: "What a run is judged by. Absent means not judged.",
            about_key: "",
        },
        Self {
            key: "updateLatency",
            name: "QuantileSection",
            about: "Upper limits of a distribution's quantiles.",
            about_key: "From the change being visible in Kubernetes to the client: additions and \
                        removals each.",
        },
        Self {
            key: "endToEnd",
            name: "EndToEndSection",
            about: "Upper limits from the intended instant to the client.",
            about_key: "From the change's intended instant to the client.",
        },
        Self {
            key: "updates",
            name: "UpdatesSection",
            about: "How many messages streams receive.",
            about_key: "How many messages streams receive.",
        },
        Self {
            key: "target",
            name: "TargetSection",
            about: "What the target may use.",
            about_key: "What the target may use.",
        },
    ];

    /// Those of its criteria that a scenario can limit.
    pub fn criteria(self) -> impl Iterator<Item = Criterion> {
        Criterion::of_scenarios().filter(move |it| it.place().0 == self.key)
    }
}

/// Text that is no criterion's key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} is not the key of a criterion{}", meant(key))]
pub struct UnknownCriterion {
    key: String,
}

// === impl UnknownCriterion ===

impl UnknownCriterion {
    /// The error of this text.
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
        }
    }
}

/// The nearest key, as the end of a message.
fn meant(key: &str) -> String {
    let keys: Vec<_> = Criterion::of_scenarios().map(Criterion::key).collect();
    nearest(key, &keys).map_or_else(String::new, |key| format!("; did you mean {key}?"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_criterion_is_named_as_its_key_and_no_two_alike() {
        for criterion in Criterion::all() {
            let words = criterion.key().split('.');
            let camel = words.map(|word| word[..1].to_uppercase() + &word[1..]);
            assert_eq!(format!("{criterion:?}"), camel.collect::<String>());
        }
        let keys: BTreeSet<_> = Criterion::all().map(Criterion::key).collect();
        assert_eq!(keys.len(), Criterion::VARIANTS.len());
    }

    #[test]
    fn each_is_in_a_section_and_says_what_it_is_on_one_line() {
        for criterion in Criterion::all() {
            let (section, _) = criterion.place();
            let sections = Section::ALL.iter().filter(|it| it.key == section);
            assert_eq!(sections.count(), 1, "{criterion}");
            let about = criterion.about();
            assert!(
                about.ends_with('.') && !about.contains('\n'),
                "{criterion}: {about}"
            );
        }
        let of_sections: usize = Section::ALL.iter().map(|it| it.criteria().count()).sum();
        assert_eq!(of_sections, Criterion::of_scenarios().count());
    }

    #[test]
    fn a_bound_admits_the_limit_itself_and_what_is_on_its_side() {
        let admitted = |bound: Bound| [0.9, 1.0, 1.1].map(|value| bound.admits(1.0, value));
        assert_eq!(admitted(Bound::AtMost), [true, true, false]);
        assert_eq!(admitted(Bound::AtLeast), [false, true, true]);
        assert_eq!(admitted(Bound::Exactly), [false, true, false]);
    }

    #[test]
    fn what_is_always_judged_is_judged_without_a_limit_and_has_no_key_in_a_scenario() {
        let judged: Vec<_> = Criteria::default().judged().collect();
        let always = [
            Criterion::Correctness,
            Criterion::Premature,
            Criterion::Never,
        ];
        assert_eq!(judged, always.map(|it| (it, 0.0)));
        let unknown = Criterion::of_scenario("correctness").unwrap_err();
        assert!(
            unknown
                .to_string()
                .starts_with("correctness is not the key")
        );
        assert_eq!(Criterion::of_scenario("never"), Ok(Criterion::Never));
    }

    #[test]
    fn latency_limits_are_read_from_every_criterion_in_seconds() {
        let latencies = Criterion::all().filter(|it| it.unit() == Unit::Seconds);
        for (second, criterion) in (2_u32..).zip(latencies) {
            let criteria = Criteria::default()
                .with(criterion, second.into())
                .with(Criterion::ThroughputMin, 1.0);
            let limit = Some(Duration::from_secs(second.into()));
            assert_eq!(criteria.smallest_latency_limit(), limit, "{criterion}");
            assert_eq!(criteria.longest(), limit, "{criterion}");
            let awaited = limit.filter(|_| criterion != Criterion::Retained);
            assert_eq!(criteria.largest_latency_limit(), awaited, "{criterion}");
            let others = [Criterion::FirstEndpoint, Criterion::Retained];
            let delivery = limit.filter(|_| !others.contains(&criterion));
            let (smallest, largest) = criteria.delivery_limits().unzip();
            assert_eq!((smallest, largest), (delivery, delivery), "{criterion}");
        }
    }
}
