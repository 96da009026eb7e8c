//! Where the sides' CPU and memory go, by function: a hint where to look, and no verdict.
//!
//! The format is pprof's
//! (<https://github.com/google/pprof/blob/main/proto/profile.proto>), of which only what is needed
//! here is read.

use std::collections::{BTreeMap, BTreeSet};

use dst_load_recording::warning::ProfiledChange;
use dst_load_scenario::{criteria::Unit, time::At};
use prost::Message;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Run;

/// Functions that are named of a profile.
const NAMED: usize = 10;
/// What has no function.
const UNKNOWN: &str = "(unknown)";

/// The kind of a profile.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ProfileKind {
    /// CPU, over the window in which the worst change became visible.
    CpuWorstChange,
    /// Memory in use when the live heap was largest.
    HeapPeak,
}

/// A profile, by function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    functions: BTreeMap<String, Cost>,
    total: f64,
    samples: u64,
}

/// What a function costs, in seconds or bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cost {
    /// By itself.
    flat: f64,
    /// With those that it calls.
    cumulative: f64,
}

/// Why there is no profile in some bytes.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// They are something else, or were cut off.
    #[error("it is no profile in pprof's format: {0}")]
    Format(#[from] prost::DecodeError),
    /// It has no such values.
    #[error("it has no values of the type {0}")]
    Type(&'static str),
}

/// Both sides' profiles of one kind. They have no intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profiled {
    /// Their kind.
    pub kind: ProfileKind,
    /// The unit of the numbers: for CPU, seconds for each million addresses that streams received
    /// meanwhile, or shares of the total if that is not known; for memory, bytes.
    pub unit: Unit,
    /// The baseline's total.
    pub baseline: ProfiledSide,
    /// The candidate's total.
    pub candidate: ProfiledSide,
    /// The functions whose own cost differs most, the largest difference first.
    pub functions: Vec<FunctionCost>,
}

/// The profiles of a side, added up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProfiledSide {
    /// Runs that have one.
    pub runs: u64,
    /// Samples in them: CPU ticks, or allocation sites.
    pub samples: u64,
    /// Their sum, in the unit.
    pub total: f64,
}

/// One function on both sides, in the unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FunctionCost {
    /// Its name, with its package.
    pub name: String,
    /// Its own cost in the baseline.
    pub baseline: f64,
    /// Its own cost in the candidate.
    pub candidate: f64,
    /// The candidate's less the baseline's.
    pub difference: f64,
    /// Its cost with its callees in the baseline.
    pub baseline_cumulative: f64,
    /// Its cost with its callees in the candidate.
    pub candidate_cumulative: f64,
}

// === impl ProfileKind ===

impl ProfileKind {
    /// All kinds that are compared.
    pub const ALL: [Self; 2] = [Self::CpuWorstChange, Self::HeapPeak];

    /// The type of values that says it, and what makes seconds or bytes of them.
    const fn values(self) -> (&'static str, f64) {
        match self {
            Self::CpuWorstChange => ("cpu", 1e-9),
            Self::HeapPeak => ("inuse_space", 1.0),
        }
    }
}

// === impl Profile ===

impl Profile {
    /// Reads a profile in pprof's format, not compressed.
    ///
    /// # Errors
    /// If it is none, or not of this kind.
    pub fn read(kind: ProfileKind, bytes: &[u8]) -> Result<Self, ProfileError> {
        let wire = wire::Profile::decode(bytes)?;
        let (name, scale) = kind.values();
        let text = |at: i64| {
            let found = usize::try_from(at).ok().and_then(|at| wire.strings.get(at));
            found.map_or("", String::as_str)
        };
        let column = |wanted: &str| wire.types.iter().position(|it| text(it.name) == wanted);
        let values = column(name).ok_or(ProfileError::Type(name))?;
        let ticks = column("samples");
        let functions: BTreeMap<u64, &str> = (wire.functions.iter())
            .map(|function| (function.id, text(function.name)))
            .collect();
        let lines: BTreeMap<u64, &[wire::Line]> = (wire.locations.iter())
            .map(|location| (location.id, location.lines.as_slice()))
            .collect();
        let mut profile = Self::default();
        for sample in &wire.samples {
            // From the innermost out, also where functions were inlined into one another.
            let stack = sample.locations.iter().flat_map(|id| {
                let lines = lines.get(id).copied().unwrap_or_default();
                lines.iter().map(|line| line.function)
            });
            let name = |id| match functions.get(&id) {
                None | Some(&"") => UNKNOWN,
                Some(name) => name,
            };
            let mut stack = stack.map(name).peekable();
            let leaf = *stack.peek().unwrap_or(&UNKNOWN);
            let value = |column: usize| sample.values.get(column).copied().unwrap_or_default();
            let cost = whole(value(values)) * scale;
            profile.total += cost;
            profile.samples += ticks.map_or(1, |ticks| value(ticks).unsigned_abs());
            profile.function(leaf).flat += cost;
            // One that calls itself has it once.
            for name in stack.chain([leaf]).collect::<BTreeSet<_>>() {
                profile.function(name).cumulative += cost;
            }
        }
        Ok(profile)
    }

    fn function(&mut self, name: &str) -> &mut Cost {
        // No entry: that would copy a name for each sample.
        if !self.functions.contains_key(name) {
            self.functions.insert(name.to_owned(), Cost::default());
        }
        self.functions
            .get_mut(name)
            .expect("invariant: it was just put there")
    }

    fn absorb(&mut self, other: &Self) {
        self.total += other.total;
        self.samples += other.samples;
        for (name, cost) in &other.functions {
            let all = self.function(name);
            all.flat += cost.flat;
            all.cumulative += cost.cumulative;
        }
    }
}

/// The profiles that both sides have.
pub(super) fn compared(baseline: &[&Run], candidate: &[&Run]) -> Vec<Profiled> {
    let kinds = ProfileKind::ALL.into_iter();
    kinds
        .filter_map(|kind| of_kind(kind, baseline, candidate))
        .collect()
}

/// A side's profiles of a kind, and by what they are divided.
struct Sum {
    profile: Profile,
    runs: u64,
    /// Addresses that streams received meanwhile; `None` unless known of all.
    addresses: Option<u64>,
}

fn of_kind(kind: ProfileKind, baseline: &[&Run], candidate: &[&Run]) -> Option<Profiled> {
    let sides = [sum(kind, baseline)?, sum(kind, candidate)?];
    let known = sides.iter().all(|it| it.addresses.is_some());
    let unit = match kind {
        ProfileKind::HeapPeak => Unit::Bytes,
        ProfileKind::CpuWorstChange if known => Unit::Seconds,
        ProfileKind::CpuWorstChange => Unit::Fraction,
    };
    let share = |side: &Sum| match (unit, side.addresses) {
        (Unit::Seconds, Some(addresses)) => 1e6 / whole(addresses),
        (Unit::Fraction, _) if side.profile.total > 0.0 => 1.0 / side.profile.total,
        (Unit::Fraction, _) => 0.0,
        _ => 1.0 / whole(side.runs),
    };
    let each = sides.each_ref().map(share);
    let names = sides.iter().flat_map(|it| it.profile.functions.keys());
    let names: BTreeSet<_> = names.collect();
    let mut functions: Vec<_> = names
        .into_iter()
        .map(|name| {
            let of = |side: usize| {
                let cost = sides[side].profile.functions.get(name);
                let cost = cost.copied().unwrap_or_default();
                (cost.flat * each[side], cost.cumulative * each[side])
            };
            let ((baseline, baseline_cumulative), (candidate, candidate_cumulative)) =
                (of(0), of(1));
            FunctionCost {
                name: name.clone(),
                baseline,
                candidate,
                difference: candidate - baseline,
                baseline_cumulative,
                candidate_cumulative,
            }
        })
        .filter(|it| it.difference != 0.0)
        .collect();
    // Names are in order already, and stay so among equals.
    functions.sort_by(|a, b| b.difference.abs().total_cmp(&a.difference.abs()));
    functions.truncate(NAMED);
    let side = |number: usize| ProfiledSide {
        runs: sides[number].runs,
        samples: sides[number].profile.samples,
        total: sides[number].profile.total * each[number],
    };
    Some(Profiled {
        kind,
        unit,
        baseline: side(0),
        candidate: side(1),
        functions,
    })
}

/// A side's profiles, added up; `None` if it has none.
fn sum(kind: ProfileKind, runs: &[&Run]) -> Option<Sum> {
    let with = runs
        .iter()
        .filter_map(|run| Some((run, run.profiles.get(&kind)?)));
    let mut sum = Sum {
        profile: Profile::default(),
        runs: 0,
        addresses: Some(0),
    };
    for (run, profile) in with {
        sum.profile.absorb(profile);
        sum.runs += 1;
        sum.addresses = sum
            .addresses
            .zip(run.profiled_addresses())
            .map(|(a, b)| a + b);
    }
    sum.addresses = sum.addresses.filter(|addresses| *addresses > 0);
    (sum.runs > 0).then_some(sum)
}

/// Addresses of the seconds, by their ends, that ended while a profile was taken.
pub(super) fn received(change: &ProfiledChange, seconds: &[(At, u64)]) -> u64 {
    let within = |at: &At| {
        let at = at.as_secs_f64();
        at > change.from_seconds && at <= change.to_seconds
    };
    let seconds = seconds.iter().filter(|(at, _)| within(at));
    seconds.map(|(_, addresses)| addresses).sum()
}

/// Warnings about how the sides were profiled.
pub(super) fn doubts(baseline: &[&Run], candidate: &[&Run]) -> Vec<String> {
    let all = baseline.iter().chain(candidate);
    let mut doubts: Vec<_> = all.flat_map(|run| run.profile_errors.clone()).collect();
    let profiled = |runs: &[&Run]| runs.iter().filter(|run| run.was_profiled()).count();
    let (before, after) = (profiled(baseline), profiled(candidate));
    // As shares: the sides may have different numbers of runs.
    if before * candidate.len() != after * baseline.len() {
        doubts.push(format!(
            "{before} of {} runs of the baseline were profiled, and {after} of {} of the candidate: \
             that costs a controller some percent of what it allocates and of its CPU, which is part \
             of the difference",
            baseline.len(),
            candidate.len()
        ));
    }
    doubts
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn whole<T: TryInto<i64>>(count: T) -> f64 {
    count.try_into().unwrap_or(i64::MAX) as f64
}

/// The messages, as far as they are read.
pub(super) mod wire {
    /// `perftools.profiles.Profile`.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub(crate) types: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        pub(crate) samples: Vec<Sample>,
        #[prost(message, repeated, tag = "4")]
        pub(crate) locations: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        pub(crate) functions: Vec<Function>,
        /// All text is an index into this.
        #[prost(string, repeated, tag = "6")]
        pub(crate) strings: Vec<String>,
    }

    /// What the values of one column are.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct ValueType {
        #[prost(int64, tag = "1")]
        pub(crate) name: i64,
    }

    /// A stack, the innermost location first.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Sample {
        #[prost(uint64, repeated, tag = "1")]
        pub(crate) locations: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub(crate) values: Vec<i64>,
    }

    /// An address, with what was inlined there, the innermost first.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Location {
        #[prost(uint64, tag = "1")]
        pub(crate) id: u64,
        #[prost(message, repeated, tag = "4")]
        pub(crate) lines: Vec<Line>,
    }

    /// A line of a function.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Line {
        #[prost(uint64, tag = "1")]
        pub(crate) function: u64,
    }

    /// A function.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Function {
        #[prost(uint64, tag = "1")]
        pub(crate) id: u64,
        #[prost(int64, tag = "2")]
        pub(crate) name: i64,
    }
}
