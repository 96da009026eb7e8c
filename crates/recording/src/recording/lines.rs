//! Lines from what a ledger hands on.

use dst_load_oracle::ledger::{ClosedChange, EndState};
use dst_load_scenario::time::At;

use super::{ChangeLine, EndStateLine};

// === impl ChangeLine ===

impl ChangeLine {
    /// The line for a closed change of `service`.
    #[must_use]
    pub fn new(service: &str, change: &ClosedChange) -> Self {
        let micros = |d: std::time::Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        let quantile = |q| change.quantile(q).map(micros);
        Self {
            at: change.visible,
            service: service.to_owned(),
            object: change.id.object.to_string(),
            resource_version: change.id.resource_version.to_string(),
            direction: change.id.direction,
            cycle: change.cycle,
            intended: change.intended,
            endpoints: change.endpoints,
            audience: change.audience,
            known: u32::try_from(change.known.len()).unwrap_or(u32::MAX),
            never: change.never,
            left: change.left,
            superseded: change.superseded,
            first_us: change.known.first().copied().map(micros),
            p50_us: quantile(0.5),
            p95_us: quantile(0.95),
            p99_us: quantile(0.99),
            last_us: change.known.last().copied().map(micros),
            times: None,
        }
    }

    /// The same with the time of each stream, which lets it be merged exactly with others'.
    #[must_use]
    pub fn with_times(mut self, change: &ClosedChange) -> Self {
        let micros = |d: &std::time::Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        self.times = Some(super::StreamTimes::pack(change.known.iter().map(micros)));
        self
    }
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
            unjudged: end.unjudged,
            streams_unjudged: end.streams_unjudged,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) const fn is_zero(number: &u64) -> bool {
    *number == 0
}
