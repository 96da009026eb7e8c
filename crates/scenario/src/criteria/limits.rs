//! The limits that a scenario gives.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Criterion, LimitFrom, Unit};

/// What a run is judged by. Absent means not judged: there are no arbitrary defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Criteria {
    /// The limits that the scenario gives, each in its criterion's unit.
    limits: BTreeMap<Criterion, f64>,
    /// Those that may stay unjudged without making the run invalid.
    pub optional: BTreeSet<Criterion>,
}

// === impl Criteria ===

impl Criteria {
    /// The limit that the scenario gives, in the criterion's unit.
    #[must_use]
    pub fn limit(&self, criterion: Criterion) -> Option<f64> {
        self.limits.get(&criterion).copied()
    }

    /// Gives a limit, in the criterion's unit.
    pub fn set(&mut self, criterion: Criterion, limit: f64) {
        self.limits.insert(criterion, limit);
    }

    /// Takes a limit away.
    pub fn remove(&mut self, criterion: Criterion) {
        self.limits.remove(&criterion);
    }

    /// The same with one limit more, in the criterion's unit.
    #[must_use]
    pub fn with(mut self, criterion: Criterion, limit: f64) -> Self {
        self.set(criterion, limit);
        self
    }

    /// Each limit that the scenario gives, in the order in which a reader cares.
    pub fn given(&self) -> impl Iterator<Item = (Criterion, f64)> {
        self.limits
            .iter()
            .map(|(&criterion, &limit)| (criterion, limit))
    }

    /// Each limit that a run is judged by, given or not, in the order in which a reader cares.
    pub fn judged(&self) -> impl Iterator<Item = (Criterion, f64)> {
        Criterion::all().filter_map(|criterion| {
            let limit = match criterion.limit_from() {
                LimitFrom::Nowhere => 0.0,
                LimitFrom::FileOrZero => self.limit(criterion).unwrap_or_default(),
                LimitFrom::File => self.limit(criterion)?,
            };
            Some((criterion, limit))
        })
    }

    /// The largest limit of a time that is waited for.
    #[must_use]
    pub fn largest_latency_limit(&self) -> Option<Duration> {
        let is_waited_for = |it: Criterion| it.unit() == Unit::Seconds && it != Criterion::Retained;
        self.seconds(is_waited_for).max()
    }

    /// The largest limit of a time.
    #[must_use]
    pub fn longest(&self) -> Option<Duration> {
        self.seconds(|criterion| criterion.unit() == Unit::Seconds)
            .max()
    }

    /// The smallest limit of a time: observer and generator may be late by a part of it.
    #[must_use]
    pub fn smallest_latency_limit(&self) -> Option<Duration> {
        self.seconds(|criterion| criterion.unit() == Unit::Seconds)
            .min()
    }

    /// The smallest and the largest limit of how long deliveries take.
    #[must_use]
    pub fn delivery_limits(&self) -> Option<(Duration, Duration)> {
        let limits = || self.seconds(Criterion::is_of_deliveries);
        limits().min().zip(limits().max())
    }

    fn seconds(&self, which: fn(Criterion) -> bool) -> impl Iterator<Item = Duration> {
        self.given()
            .filter(move |&(criterion, _)| which(criterion))
            .map(|(_, limit)| Duration::from_secs_f64(limit))
    }
}

impl<const N: usize> From<[(Criterion, f64); N]> for Criteria {
    fn from(limits: [(Criterion, f64); N]) -> Self {
        Self {
            limits: limits.into(),
            optional: BTreeSet::new(),
        }
    }
}
