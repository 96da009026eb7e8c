//! The observer's health, from the lines of a recording.

use std::collections::BTreeMap;

use dst_load_scenario::time::At;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Latency;
use crate::recording::{LagSource, ObserverEvent, ObserverLagLine, ObserverLine};

/// Whether the reference observer can be relied on. Of several observers (one a cluster, one a
/// client), the worst.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observer {
    /// How late it was, weighted by the deliveries at the time; `null` if that was not measured.
    pub lag_p99_seconds: Option<f64>,
    /// The largest lag.
    pub lag_max_seconds: Option<f64>,
    /// What the lag was measured from.
    pub lag_source: Option<LagSource>,
    /// When it became blind, from the start of the run; `null` if it never did.
    pub blind_since_seconds: Option<f64>,
    /// How that is known.
    pub blind_reason: Option<String>,
    /// Whether it agreed with a consistent LIST; `null` if they were not compared.
    pub verified: Option<bool>,
    /// Objects that differed from a LIST for longer than 5 s.
    pub differing_objects: u64,
    /// The first few of them, as text.
    pub differences: Vec<String>,
    /// Why no LIST could be read at the end.
    pub unverified_reason: Option<String>,
}

/// Which observer: of which client, and whether of the target cluster.
type Which = (Option<u32>, bool);

/// What its lines add up to.
#[derive(Debug, Default)]
pub(super) struct ObserverFold {
    lags: BTreeMap<(Which, LagSource), Latency>,
    blind: Option<(At, String)>,
    /// The last comparison of each: why there was none, if there was none.
    compared: BTreeMap<Which, Option<String>>,
    differing: u64,
    differences: Vec<String>,
}

/// Differences quoted in a report.
const QUOTED: usize = 5;

// === impl Observer ===

impl Observer {
    /// Whether there was anything that it did not see in time.
    #[must_use]
    pub const fn is_blind(&self) -> bool {
        self.blind_since_seconds.is_some() || self.differing_objects > 0
    }
}

// === impl ObserverLagLine ===

impl ObserverLagLine {
    /// The line of these lags.
    #[must_use]
    pub fn new(source: LagSource, target_cluster: bool, lag: &Latency) -> Self {
        let late = lag.max().is_some_and(|max| !max.value.is_zero());
        Self {
            source,
            target_cluster,
            client: None,
            deliveries: lag.count(),
            histogram: late.then(|| lag.histogram()),
        }
    }
}

// === impl ObserverFold ===

impl ObserverFold {
    pub(super) fn lag(&mut self, line: &ObserverLagLine) {
        let which = (line.client, line.target_cluster);
        let sum = self.lags.entry((which, line.source)).or_default();
        match &line.histogram {
            Some(histogram) => sum.add_known(histogram),
            None => sum.record(std::time::Duration::ZERO, line.deliveries),
        }
    }

    pub(super) fn line(&mut self, line: &ObserverLine) {
        let which = (line.client, line.target_cluster);
        match &line.event {
            ObserverEvent::Blind { since, reason } => {
                if self.blind.as_ref().is_none_or(|(first, _)| since < first) {
                    self.blind = Some((*since, reason.clone()));
                }
            }
            ObserverEvent::Verified {
                differing,
                differences,
                ..
            } => {
                self.compared.insert(which, None);
                self.differing += differing;
                let room = QUOTED.saturating_sub(self.differences.len());
                self.differences
                    .extend(differences.iter().take(room).cloned());
            }
            ObserverEvent::Unverified { reason } => {
                self.compared.insert(which, Some(reason.clone()));
            }
        }
    }

    pub(super) fn summary(&self) -> Observer {
        let worst = self.worst();
        let seconds = |q: f64| {
            let (_, lag) = worst?;
            lag.quantile(q).map(|it| it.value.as_secs_f64())
        };
        let unverified = self.compared.values().find_map(Clone::clone);
        Observer {
            lag_p99_seconds: seconds(0.99),
            lag_max_seconds: seconds(1.0),
            lag_source: worst.map(|(source, _)| source),
            blind_since_seconds: self.blind.as_ref().map(|(since, _)| since.as_secs_f64()),
            blind_reason: self.blind.as_ref().map(|(_, reason)| reason.clone()),
            verified: (!self.compared.is_empty() && unverified.is_none())
                .then_some(self.differing == 0),
            differing_objects: self.differing,
            differences: self.differences.clone(),
            unverified_reason: unverified,
        }
    }

    /// The lags of the worst observer, by its worst measure. What streams showed first only bounds
    /// the lag from below: it counts where nothing better was measured.
    fn worst(&self) -> Option<(LagSource, &Latency)> {
        let better = |which: Which| {
            let mut sources = self.lags.keys().filter(|(of, _)| *of == which);
            sources.any(|(_, source)| *source != LagSource::Evidence)
        };
        let counts = |(which, source): &(Which, LagSource)| {
            *source != LagSource::Evidence || !better(*which)
        };
        let lags = self.lags.iter().filter(|(key, _)| counts(key));
        let p99 = |lag: &Latency| lag.quantile(0.99).map(|it| it.value);
        lags.map(|((_, source), lag)| (*source, lag))
            .max_by_key(|(_, lag)| p99(lag))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lag(source: LagSource, client: Option<u32>, millis: u64) -> ObserverLagLine {
        let mut lag = Latency::default();
        lag.record(Duration::from_millis(millis), 1_000);
        ObserverLagLine {
            client,
            ..ObserverLagLine::new(source, false, &lag)
        }
    }

    fn folded(lines: &[ObserverLagLine]) -> Observer {
        let mut fold = ObserverFold::default();
        for line in lines {
            fold.lag(line);
        }
        fold.summary()
    }

    #[test]
    fn the_worst_client_is_not_diluted_by_the_others() {
        let mut lines: Vec<_> = (0..200)
            .map(|client| lag(LagSource::Heartbeat, Some(client), 0))
            .collect();
        lines.push(lag(LagSource::Heartbeat, Some(200), 800));
        let seen = folded(&lines);
        assert!((0.8..0.81).contains(&seen.lag_p99_seconds.unwrap()));
        assert_eq!(seen.lag_source, Some(LagSource::Heartbeat));
    }

    #[test]
    fn evidence_counts_where_nothing_better_was_measured() {
        let late = lag(LagSource::Evidence, None, 300);
        let heartbeat = lag(LagSource::Heartbeat, None, 2);
        let both = folded(&[late.clone(), heartbeat]);
        assert_eq!(both.lag_source, Some(LagSource::Heartbeat));
        assert!(both.lag_p99_seconds.unwrap() < 0.01);
        let alone = folded(&[late]);
        assert_eq!(alone.lag_source, Some(LagSource::Evidence));
        assert!(alone.lag_p99_seconds.unwrap() >= 0.3);
        assert_eq!(folded(&[]), Observer::default());
    }

    #[test]
    fn a_line_without_a_histogram_says_that_it_was_never_late() {
        let line = lag(LagSource::OwnWrites, None, 0);
        assert_eq!((line.deliveries, &line.histogram), (1_000, &None));
        assert_eq!(folded(&[line]).lag_p99_seconds, Some(0.0));
    }

    #[test]
    fn the_last_comparison_of_each_observer_counts_and_a_difference_stays() {
        let line = |client, event| ObserverLine {
            at: At::from_secs(9),
            target_cluster: false,
            client,
            event,
        };
        let verified = |differing| ObserverEvent::Verified {
            objects: 9,
            differing,
            differences: Vec::new(),
        };
        let unverified = || ObserverEvent::Unverified {
            reason: "no answer".into(),
        };
        let of = |lines: &[ObserverLine]| {
            let mut fold = ObserverFold::default();
            lines.iter().for_each(|line| fold.line(line));
            let seen = fold.summary();
            (
                seen.verified,
                seen.differing_objects,
                seen.unverified_reason,
            )
        };
        let once = line(None, unverified());
        let none = Some("no answer".to_owned());
        assert_eq!(of(&[]), (None, 0, None));
        assert_eq!(of(&[line(None, verified(0))]), (Some(true), 0, None));
        assert_eq!(of(&[once.clone(), line(None, verified(0))]).0, Some(true));
        assert_eq!(of(&[once.clone(), line(Some(1), verified(0))]).2, none);
        let differed = [line(None, verified(2)), line(None, verified(0))];
        assert_eq!(of(&differed), (Some(false), 2, None));
        assert_eq!(of(&[line(None, verified(0)), once]), (None, 0, none));
    }
}
