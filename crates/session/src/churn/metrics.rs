//! The churner's metrics, under the names that the seeds promise. Every family, and every
//! Service's series, exists from the start, at 0.

use std::{fmt, time::Duration};

use dst_load_kubernetes::actor::{Acted, Caller};
use dst_load_scenario::{
    action::{CycleStart, Verb},
    scenario::Scenario,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::families::Families;

/// Upper bounds of the time buckets, seconds: from a quick local API server to a throttled one.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// What the churner counts.
#[derive(Clone, Debug)]
pub struct ChurnMetrics {
    created: Counter,
    scalings: Family<Labels, Counter>,
    restarts: Family<Labels, Counter>,
    replicas: Family<Labels, Gauge>,
    provocations: Counter,
    failed: Counter,
    cycle: Gauge,
    lag: Histogram,
    duration: Histogram,
    /// Each Service's labels, by its position in the plan.
    services: Vec<Labels>,
}

/// The labels of a Service's series.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    pattern: &'static str,
    service: String,
}

/// The caller's counters, read when they are scraped.
struct ApiErrors(Caller);

// === impl ChurnMetrics ===

impl ChurnMetrics {
    /// Registers the families for `scenario` under the prefix `churn`, together with the counters
    /// of `caller`.
    #[must_use]
    pub fn register(registry: &mut Registry, scenario: &Scenario, caller: &Caller) -> Self {
        let services = scenario.groups().flat_map(|(group, _)| {
            group.names().map(|service| Labels {
                pattern: group.pattern.key(),
                service,
            })
        });
        let metrics = Self {
            created: Counter::default(),
            scalings: Family::default(),
            restarts: Family::default(),
            replicas: Family::default(),
            provocations: Counter::default(),
            failed: Counter::default(),
            cycle: Gauge::default(),
            lag: Histogram::new(SECONDS),
            duration: Histogram::new(SECONDS),
            services: services.collect(),
        };
        for labels in &metrics.services {
            drop(metrics.scalings.get_or_create(labels));
            drop(metrics.restarts.get_or_create(labels));
            drop(metrics.replicas.get_or_create(labels));
        }
        let churn = registry.sub_registry_with_prefix("churn");
        // Counters get their `_total` from the encoder.
        churn.register(
            "services_created",
            "Services created, with the objects of their endpoints",
            metrics.created.clone(),
        );
        churn.register("scale_events", "Scalings", metrics.scalings.clone());
        churn.register(
            "restart_events",
            "Rollouts started",
            metrics.restarts.clone(),
        );
        churn.register(
            "current_replicas",
            "Replicas last requested",
            metrics.replicas.clone(),
        );
        churn.register(
            "provocations",
            "Actions of stale-state cases",
            metrics.provocations.clone(),
        );
        churn.register(
            "actions_failed",
            "Actions that failed for good",
            metrics.failed.clone(),
        );
        churn.register(
            "current_cycle",
            "The current cycle, from 1",
            metrics.cycle.clone(),
        );
        churn.register(
            "action_lag_seconds",
            "Time from an action's intended instant to its first call",
            metrics.lag.clone(),
        );
        churn.register(
            "action_duration_seconds",
            "Time from an action's first call to its last answer, retries included",
            metrics.duration.clone(),
        );
        churn.register_collector(Box::new(ApiErrors(caller.clone())));
        metrics
    }

    pub(super) fn cycle_started(&self, start: &CycleStart) {
        self.cycle.set(start.cycle.into());
    }

    pub(super) fn acted(&self, acted: &Acted) {
        let seconds = |span: Duration| span.as_secs_f64();
        self.lag
            .observe(seconds(acted.sent.since(acted.action.intended)));
        self.duration
            .observe(seconds(acted.acknowledged.since(acted.sent)));
        if acted.result.is_err() {
            self.failed.inc();
            return;
        }
        let Some(labels) = self.services.get(acted.action.service) else {
            return;
        };
        match acted.action.verb {
            Verb::Create { endpoints } => {
                self.created.inc();
                self.replicas.get_or_create(labels).set(endpoints.into());
            }
            Verb::Scale { to, .. } => {
                self.scalings.get_or_create(labels).inc();
                self.replicas.get_or_create(labels).set(to.into());
            }
            Verb::Restart { .. } => {
                self.restarts.get_or_create(labels).inc();
            }
            Verb::Provoke { .. } => {
                self.provocations.inc();
            }
        }
    }
}

// === impl ApiErrors ===

impl Collector for ApiErrors {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut families = Families(encoder);
        let errors = self.0.errors();
        families.counters(
            "api_errors",
            "Failed attempts at calls to the Kubernetes API, retried ones included",
            errors
                .by_reason()
                .into_iter()
                .map(|(reason, count)| ([("reason", reason)], count)),
        )?;
        families.counter(
            "api_retries",
            "Attempts at calls to the Kubernetes API after the first",
            errors.retries,
        )
    }
}

impl fmt::Debug for ApiErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiErrors").field(&self.0.errors()).finish()
    }
}
