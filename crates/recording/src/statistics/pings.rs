//! Whether a kubelet would have restarted the target.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recording::PingLine;

/// Failures in a row after which a kubelet restarts a container, with the probe of Linkerd's
/// chart (Kubernetes' default).
const FAILURES: u64 = 3;

/// Liveness probes, as a kubelet sends them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pings {
    /// Probes sent, from the first answer on.
    pub sent: u64,
    /// Probes that were not answered in time, or without success.
    pub failed: u64,
    /// The slowest answer.
    pub slowest_seconds: Option<f64>,
    /// How often enough of them failed in a row for a kubelet to restart the target.
    pub would_have_restarted: u64,
}

/// The fold of the pings.
#[derive(Debug, Default)]
pub(super) struct PingFold {
    pings: Option<Pings>,
    in_a_row: u64,
}

// === impl PingFold ===

impl PingFold {
    #[expect(clippy::cast_precision_loss, reason = "a second is 2^20 microseconds")]
    pub(super) fn line(&mut self, line: &PingLine) {
        let pings = match (&mut self.pings, line.took_us) {
            (Some(pings), _) => pings,
            (pings @ None, Some(_)) => pings.insert(Pings::default()),
            // It is still starting, which a kubelet gives it time for.
            (None, None) => return,
        };
        pings.sent += 1;
        let Some(took) = line.took_us else {
            pings.failed += 1;
            self.in_a_row += 1;
            if self.in_a_row == FAILURES {
                pings.would_have_restarted += 1;
                self.in_a_row = 0;
            }
            return;
        };
        self.in_a_row = 0;
        let took = took as f64 / 1e6;
        pings.slowest_seconds = Some(pings.slowest_seconds.map_or(took, |it| it.max(took)));
    }

    pub(super) fn summary(&self) -> Option<Pings> {
        self.pings.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dst_load_scenario::time::At;

    fn pings(answers: &[Option<u64>]) -> Option<Pings> {
        let mut fold = PingFold::default();
        for (number, took_us) in answers.iter().enumerate() {
            fold.line(&PingLine {
                at: At::from_secs(10 * number as u64),
                took_us: *took_us,
                error: took_us.is_none().then(|| "no answer within 1 s".into()),
            });
        }
        fold.summary()
    }

    #[test]
    fn three_failures_in_a_row_are_a_restart_and_two_with_an_answer_between_are_none() {
        let (ok, no) = (Some(800), None);
        let summary = pings(&[ok, no, no, ok, no, no, ok]).unwrap();
        assert_eq!(
            (summary.sent, summary.failed, summary.would_have_restarted),
            (7, 4, 0)
        );
        // Restarted, it has three more; then it would be restarted again.
        let summary = pings(&[ok, no, no, no, no, no, no, no]).unwrap();
        assert_eq!((summary.failed, summary.would_have_restarted), (7, 2));
    }

    #[test]
    fn the_slowest_answer_is_told_and_what_came_before_the_first_is_not_counted() {
        let summary = pings(&[None, None, None, Some(900), Some(640_000), Some(1_000)]).unwrap();
        assert_eq!((summary.sent, summary.failed), (3, 0));
        assert_eq!(summary.slowest_seconds, Some(0.64));
        assert_eq!(pings(&[None, None]), None);
    }
}
