//! The limits as the model has them. Every combination of limits is allowed.

use std::collections::BTreeSet;

use super::{Placed, Result, Tree};
use crate::model::{
    criteria::{Criteria, EndToEnd, QuantileLimits, TargetLimits},
    scenario::file::{CriteriaSection, EndToEndSection, Key, QuantileSection, TargetSection},
    words::nearest,
};

/// The limits of a `criteria` section.
pub(super) fn criteria(tree: &Tree, section: CriteriaSection) -> Result<Criteria> {
    Ok(Criteria {
        optional: optional(tree, section.optional.unwrap_or_default().value)?,
        update_latency: quantiles(section.update_latency.unwrap_or_default().value),
        every_client_within: section.every_client_within.map(|span| span.value.0),
        end_to_end: end_to_end(section.end_to_end.unwrap_or_default().value),
        never: section.never.map(|share| share.value.0),
        unexpected_resets: plain(section.unexpected_resets),
        send_timeout_rate: section.send_timeout_rate.map(|share| share.value.0),
        error_rate: section.error_rate.map(|share| share.value.0),
        redundant: plain(section.redundant),
        target: target(section.target.unwrap_or_default().value),
        throughput_min: plain(section.throughput_min),
    })
}

/// The keys that may stay unjudged, each that of a limit.
fn optional(tree: &Tree, keys: Vec<Placed<String>>) -> Result<BTreeSet<String>> {
    let known = |key: Placed<String>| {
        if Criteria::KEYS.contains(&key.value.as_str()) {
            return Ok(key.value);
        }
        let meant = nearest(&key.value, &Criteria::KEYS)
            .map_or_else(String::new, |key| format!("; did you mean {key}?"));
        let message = format!("{} is not the key of a criterion{meant}", key.value);
        Err(tree.error(key.at, &message))
    };
    keys.into_iter().map(known).collect()
}

fn quantiles(section: QuantileSection) -> QuantileLimits {
    let limit = |key: Key<_>| plain(key).map(|span: crate::model::quantity::Span| span.0);
    QuantileLimits {
        p50: limit(section.p50),
        p95: limit(section.p95),
        p99: limit(section.p99),
        p999: limit(section.p999),
        max: limit(section.max),
    }
}

fn end_to_end(section: EndToEndSection) -> EndToEnd {
    EndToEnd {
        latency: quantiles(QuantileSection {
            p50: section.p50,
            p95: section.p95,
            p99: section.p99,
            p999: section.p999,
            max: section.max,
        }),
        every_client_within: section.every_client_within.map(|span| span.value.0),
    }
}

fn target(section: TargetSection) -> TargetLimits {
    TargetLimits {
        memory_max: section.memory_max.map(|bytes| bytes.value.0),
        memory_spike: section.memory_spike.map(|bytes| bytes.value.0),
        memory_growth_per_cycle: section.memory_growth_per_cycle.map(|share| share.value.0),
        memory_growth_per_hour: section.memory_growth_per_hour.map(|share| share.value.0),
        cpu_max: section.cpu_max.map(|cpu| cpu.value.0),
        views_active: plain(section.views_active),
        restarts: plain(section.restarts),
    }
}

fn plain<T>(key: Key<T>) -> Option<T> {
    key.map(|placed| placed.value)
}
