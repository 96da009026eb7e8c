//! The series of each Service for Prometheus, and of how many.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use dst_load_destination::counters::Distribution;
use dst_load_oracle::ledger::{Outbox, Outcome, WatchedService};
use parking_lot::Mutex;

/// Services that get series of their own. 5,000 would make each scrape 7.8 MB.
const MOST: usize = 200;
/// The label of all the others together.
const OTHER: &str = "other";
/// The longest latency that is recorded exactly.
const HIGHEST: Duration = Duration::from_secs(3_600);

/// What is counted for one value of the label `service`.
#[derive(Debug)]
pub(crate) struct Series {
    /// The label's value.
    pub(crate) service: String,
    /// The positions of the Services that it stands for, among those that are watched.
    pub(super) positions: Vec<usize>,
    latency: Mutex<Distribution>,
    never: AtomicU64,
}

/// The series of all Services.
#[derive(Debug)]
pub(super) struct AllSeries {
    /// Each once, in the order of the Services.
    series: Vec<Series>,
    /// By position of the Service, the position of its series.
    of: Vec<usize>,
}

// === impl Series ===

impl Series {
    fn new(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            positions: Vec::new(),
            latency: Mutex::new(Distribution::new(HIGHEST)),
            never: AtomicU64::new(0),
        }
    }

    pub(crate) fn labels(&self) -> [(&'static str, &str); 1] {
        [("service", &self.service)]
    }

    /// Deliveries that had not arrived by the deadline.
    pub(crate) fn never(&self) -> u64 {
        self.never.load(Ordering::Relaxed)
    }

    /// The destination stage of deliveries, additions and removals together; those that never
    /// arrived count with the deadline.
    pub(crate) fn latency(&self) -> Distribution {
        self.latency.lock().clone()
    }

    fn absorb(&self, outbox: &Outbox) {
        if outbox.deliveries.is_empty() {
            return;
        }
        let mut latency = self.latency.lock();
        for delivered in &outbox.deliveries {
            latency.record(delivered.destination, delivered.times);
            if delivered.outcome == Outcome::Never {
                self.never.fetch_add(delivered.times, Ordering::Relaxed);
            }
        }
    }
}

// === impl AllSeries ===

impl AllSeries {
    /// The series of these Services; the ports of a Service share theirs.
    ///
    /// A Service is called by its name alone, as in `churn`'s metrics, unless they lie in more than
    /// one namespace.
    pub(super) fn new<'a>(services: impl Iterator<Item = &'a WatchedService> + Clone) -> Self {
        let first = services.clone().next();
        let one_namespace = (services.clone())
            .all(|service| first.is_some_and(|first| first.namespace == service.namespace));
        let names: Vec<_> = services
            .map(|service| {
                if one_namespace {
                    service.name.clone()
                } else {
                    format!("{}.{}", service.name, service.namespace)
                }
            })
            .collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        let capped = distinct.len() > MOST;
        let mut all = Self {
            series: Vec::new(),
            of: Vec::new(),
        };
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for (position, name) in names.iter().enumerate() {
            let full = capped && known.len() >= MOST && !known.contains_key(name.as_str());
            let label = if full { OTHER } else { name };
            let index = *known.entry(label).or_insert_with(|| {
                all.series.push(Series::new(label));
                all.series.len() - 1
            });
            all.series[index].positions.push(position);
            all.of.push(index);
        }
        all
    }

    /// All of them, each once.
    pub(super) fn all(&self) -> &[Series] {
        &self.series
    }

    /// The series of the Service at this position.
    pub(super) fn of(&self, position: usize) -> &Series {
        &self.series[self.of[position]]
    }

    /// Counts what the ledger at this position has handed on.
    pub(super) fn absorb(&self, position: usize, outbox: &Outbox) {
        self.of(position).absorb(outbox);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(services: &[(&str, &str, u16)]) -> Vec<String> {
        let services: Vec<_> = services
            .iter()
            .map(|(name, namespace, port)| {
                WatchedService::new(name, namespace, "cluster.local", *port)
            })
            .collect();
        let all = AllSeries::new(services.iter());
        let positions = 0..services.len();
        positions
            .map(|position| all.of(position).service.clone())
            .collect()
    }

    #[test]
    fn a_service_is_named_as_briefly_as_its_namespaces_allow() {
        assert_eq!(labels(&[("a", "x", 80), ("b", "x", 80)]), ["a", "b"]);
        assert_eq!(labels(&[("a", "x", 80), ("a", "y", 80)]), ["a.x", "a.y"]);
        assert_eq!(labels(&[("a", "x", 80), ("a", "x", 81)]), ["a", "a"]);
    }

    #[test]
    fn services_beyond_the_bound_share_one_series() {
        let names: Vec<_> = (0..300).map(|n| format!("svc-{n}")).collect();
        let services: Vec<_> = names.iter().map(|name| (name.as_str(), "x", 80)).collect();
        let all = labels(&services);
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), MOST + 1);
        assert_eq!((all[0].as_str(), all[299].as_str()), ("svc-0", OTHER));
        let distinct: BTreeSet<_> = labels(&services[..MOST]).into_iter().collect();
        assert!(!distinct.contains(OTHER));
    }
}
