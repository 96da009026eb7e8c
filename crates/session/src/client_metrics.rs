//! A client's metrics, under the names that the load test plan promises.
//!
//! Nothing is counted here: all of it is read when it is scraped, so that each
//! number has one source. Every family, and every Service's series, exists from the start, at 0.
//! Beside each family of quantiles, which cannot be added up over replicas, stands a histogram in
//! buckets, which can; its name ends in `_histogram_seconds`.

mod health;
mod proxies;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use dst_load_destination::counters::Distribution;
use dst_load_kubernetes::observer::Observer;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Registry};

use crate::{families::Families, progress::Progress};

/// The quantiles that are exposed, with their labels.
const QUANTILES: [(f64, &str); 4] = [
    (0.5, "0.5"),
    (0.95, "0.95"),
    (0.99, "0.99"),
    (0.999, "0.999"),
];

/// Upper bounds of latencies, milliseconds: from an idle controller to the usual deadline.
const LATENCIES: [f64; 17] = [
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2e3, 5e3, 10e3, 30e3,
    60e3,
];

/// Upper bounds of lifetimes, seconds: from a stream that fails at once to a soak.
const LIFETIMES: [f64; 16] = [
    0.1, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1.8e3, 3.6e3, 7.2e3, 21.6e3, 43.2e3,
    86.4e3, 604.8e3,
];

/// Why a connection failed, as Prometheus has it: a label must have few values.
const REASONS: [&str; 6] = ["lost", "name", "other", "refused", "timeout", "unreachable"];

/// All families, read from a run's progress.
#[derive(Debug)]
struct ClientMetrics {
    progress: Arc<Progress>,
    observers: Vec<Observer>,
}

/// Registers the families under the prefix `destination_client`.
pub fn register(registry: &mut Registry, progress: &Arc<Progress>, observers: Vec<Observer>) {
    registry
        .sub_registry_with_prefix("destination_client")
        .register_collector(Box::new(ClientMetrics {
            progress: Arc::clone(progress),
            observers,
        }));
}

// === impl ClientMetrics ===

impl Collector for ClientMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut families = Families(encoder);
        self.latencies(&mut families)?;
        self.lifetimes(&mut families)?;
        self.streams(&mut families)?;
        self.health(&mut families)?;
        self.proxies(&mut families)?;
        self.connection_errors(&mut families)
    }
}

impl ClientMetrics {
    fn latencies(&self, families: &mut Families<'_>) -> fmt::Result {
        let series = self.progress.series();
        let latencies: Vec<_> = series
            .iter()
            .map(|series| (series.service.as_str(), series.latency()))
            .collect();
        families.gauges(
            "update_latency_seconds",
            "Time from the visibility of an EndpointSlice's change to its arrival at a stream, over \
             streams and endpoints; updates never delivered count with the deadline",
            latencies.iter().flat_map(|(service, latency)| {
                quantiles(latency).map(|(quantile, value)| {
                    ([("quantile", quantile), ("service", *service)], value)
                })
            }),
        )?;
        families.histograms(
            "update_latency_histogram_seconds",
            "The same times, in buckets that can be added up over replicas",
            (latencies.iter()).map(|(service, latency)| ([("service", *service)], latency)),
            &LATENCIES.map(|millis| Duration::from_secs_f64(millis / 1e3)),
        )?;
        families.counters(
            "updates_received",
            "Messages received",
            series
                .iter()
                .map(|series| (series.labels(), self.progress.messages(series))),
        )
    }

    fn lifetimes(&self, families: &mut Families<'_>) -> fmt::Result {
        let (now, counters) = (self.progress.clock().now(), self.progress.counters());
        let streams = counters.stream_lifetimes(|all| (all.all(now), all.ended().clone()));
        let connections = counters.connection_lifetimes(|all| (all.all(now), all.ended().clone()));
        for (name, what, buckets, of_the_ended, (all, ended)) in [
            (
                "stream_lifetime_seconds",
                "Lifetime of streams; open streams count with their current age",
                "stream_lifetime_histogram_seconds",
                "Lifetime of streams that have ended",
                streams,
            ),
            (
                "connection_duration_seconds",
                "Lifetime of connections; open connections count with their current age",
                "connection_duration_histogram_seconds",
                "Lifetime of connections that have ended",
                connections,
            ),
        ] {
            let quantiles = quantiles(&all).map(|(quantile, it)| ([("quantile", quantile)], it));
            families.gauges(name, what, quantiles)?;
            let bounds = LIFETIMES.map(Duration::from_secs_f64);
            families.histogram(buckets, of_the_ended, &ended, &bounds)?;
        }
        Ok(())
    }

    fn streams(&self, families: &mut Families<'_>) -> fmt::Result {
        let active = self.progress.counters().active();
        let streams = self.progress.counters().total();
        families.gauge("streams_active", "Streams that are open", active)?;
        families.counter(
            "streams_created",
            "Streams opened, reopened ones included",
            streams.opened + streams.reopened,
        )?;
        families.counter(
            "streams_reset",
            "Streams unexpectedly closed",
            streams.unexpected_resets(),
        )?;
        families.counter(
            "send_timeouts",
            "Streams that the server unexpectedly closed with status OK, as it does when their \
             queue is full",
            streams.ended_ok,
        )
    }

    fn connection_errors(&self, families: &mut Families<'_>) -> fmt::Result {
        let counters = self.progress.counters();
        let mut errors: BTreeMap<_, u64> = REASONS.map(|reason| (reason, 0)).into();
        for (words, times) in &counters.total().connection_errors {
            *errors.entry(reason(words)).or_default() += times;
        }
        *errors.entry("lost").or_default() += counters.connections_lost();
        families.counters(
            "connection_errors",
            "Connections that failed, or that were lost (reason lost)",
            errors
                .into_iter()
                .map(|(reason, times)| ([("reason", reason)], times)),
        )
    }
}

/// The quantiles with their labels, in seconds.
fn quantiles(distribution: &Distribution) -> [(&'static str, f64); 4] {
    QUANTILES.map(|(q, label)| (label, distribution.quantile(q).as_secs_f64()))
}

/// One of [`REASONS`] for the words of an operating system or a resolver.
fn reason(words: &str) -> &'static str {
    let words = words.to_lowercase();
    let known = [
        ("refused", "refused"),
        ("timed out", "timeout"),
        ("elapsed", "timeout"),
        ("lookup", "name"),
        ("not known", "name"),
        ("resolve", "name"),
        ("unreachable", "unreachable"),
        ("no route", "unreachable"),
        ("reset", "lost"),
        ("broken pipe", "lost"),
    ];
    let found = known.iter().find(|(part, _)| words.contains(part));
    found.map_or("other", |(_, reason)| reason)
}
