//! The series of each Service that Prometheus is told of, and of how many.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{Target, distribution::Distribution};
use crate::model::ledger::{Outbox, Outcome};

/// Services that get series of their own. 5,000 would make each scrape 7.8 MB.
const MOST: usize = 200;
/// The label of all the others together.
const OTHER: &str = "other";
/// The longest latency that can be told from longer ones.
const HIGHEST: Duration = Duration::from_secs(3_600);

/// What is counted for one value of the label `service`.
#[derive(Debug)]
pub(in crate::live) struct Series {
    /// The label's value.
    pub(in crate::live) service: String,
    updates: AtomicU64,
    latency: Mutex<Distribution>,
    never: AtomicU64,
}

// === impl Series ===

impl Series {
    fn new(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            updates: AtomicU64::new(0),
            latency: Mutex::new(Distribution::new(HIGHEST)),
            never: AtomicU64::new(0),
        }
    }

    /// Messages received.
    pub(in crate::live) fn updates(&self) -> u64 {
        self.updates.load(Ordering::Relaxed)
    }

    /// Deliveries that had not arrived by the deadline.
    pub(in crate::live) fn never(&self) -> u64 {
        self.never.load(Ordering::Relaxed)
    }

    /// The destination stage of deliveries, additions and removals together; those that never
    /// arrived count with the deadline.
    pub(in crate::live) fn latency(&self) -> Distribution {
        self.latency.lock().clone()
    }

    pub(super) fn updated(&self) {
        self.updates.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn absorb(&self, outbox: &Outbox) {
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

/// The series of each target, in the targets' order; the ports of a Service share theirs.
///
/// A Service is called by its name alone, as in `churn`'s metrics, unless the targets lie in more
/// than one namespace.
pub(super) fn assign(targets: &[Target]) -> Vec<Arc<Series>> {
    let namespaces: BTreeSet<_> = targets.iter().map(|target| &target.namespace).collect();
    let mut own: BTreeMap<String, Arc<Series>> = BTreeMap::new();
    let names = targets.iter().map(|target| {
        if namespaces.len() > 1 {
            format!("{}.{}", target.service, target.namespace)
        } else {
            target.service.clone()
        }
    });
    let names: Vec<_> = names.collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    let capped = distinct.len() > MOST;
    let assigned = names.into_iter().map(|name| {
        let full = capped && own.len() >= MOST && !own.contains_key(&name);
        let name = if full { OTHER.to_owned() } else { name };
        let made = || Arc::new(Series::new(&name));
        Arc::clone(own.entry(name.clone()).or_insert_with(made))
    });
    assigned.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(targets: &[(&str, &str, u16)]) -> Vec<String> {
        let targets: Vec<_> = targets
            .iter()
            .map(|(service, namespace, port)| {
                Target::new(service, namespace, "cluster.local", *port)
            })
            .collect();
        let assigned = assign(&targets).into_iter();
        assigned.map(|series| series.service.clone()).collect()
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
        let targets: Vec<_> = names.iter().map(|name| (name.as_str(), "x", 80)).collect();
        let all = labels(&targets);
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), MOST + 1);
        assert_eq!((all[0].as_str(), all[299].as_str()), ("svc-0", OTHER));
        let distinct: BTreeSet<_> = labels(&targets[..MOST]).into_iter().collect();
        assert!(!distinct.contains(OTHER));
    }
}
