//! Whether the observer sees what is known to have happened: how late it was, and when it was
//! blind.

use std::time::Duration;

use dst_load_oracle::ledger::Written;
use dst_load_recording::recording::{LagSource, ObserverEvent, ObserverLagLine, ObserverLine};
use dst_load_scenario::{
    fault::WatchedResource,
    federation::Site,
    time::At,
    words::{counted, seconds},
};

use super::{Observer, seen::MISSED_AFTER};

/// How often the watches of a blind observer are resumed.
const RESUME_EVERY: Duration = Duration::from_secs(10);

/// What is known of an observer since it was asked last.
#[derive(Debug, Default)]
pub struct Health {
    /// How late it was.
    pub lags: Vec<ObserverLagLine>,
    /// What happened to it.
    pub events: Vec<ObserverLine>,
}

/// Whether it is blind at present.
#[derive(Debug, Default)]
pub(super) struct Blindness {
    blind: bool,
    resumed: Option<At>,
}

// === impl Observer ===

impl Observer {
    /// Our own write of an EndpointSlice was acknowledged at `at`, give or take `slack`: its event
    /// is waited for. Observer and acknowledgement may come in either order.
    pub fn acknowledged(&self, written: &Written, at: At, slack: Duration, source: LagSource) {
        let deliveries = self.shared.ledgers.deliveries();
        let mut state = self.shared.state.lock();
        state
            .seen
            .acknowledge(written, at, slack, source, deliveries);
    }

    /// Takes what is known of it since the last call. Where it is blind its watches are resumed
    /// over new connections.
    #[must_use]
    pub fn take_health(&self, now: At) -> Health {
        let (lags, missed, overdue) = {
            let mut state = self.shared.state.lock();
            let seen = &mut state.seen;
            (seen.take_lags(), seen.take_missed(), seen.overdue(now))
        };
        let target_cluster = self.site == Site::Target;
        let lags = (lags.iter())
            .map(|(source, lag)| ObserverLagLine::new(*source, target_cluster, lag))
            .collect();
        let mut events = Vec::new();
        for (resource, since, missed) in missed {
            events.push(ObserverEvent::Blind {
                since,
                reason: format!(
                    "the watch of {} was silent, and {} came only when it was resumed",
                    resource.plural(),
                    counted(missed, "event", "events")
                ),
            });
        }
        let mut blindness = self.shared.blindness.lock();
        if let Some((since, source)) = overdue {
            if !blindness.blind {
                let what = match source {
                    LagSource::Heartbeat => "a heartbeat",
                    LagSource::OwnWrites | LagSource::Evidence => "an EndpointSlice of this run",
                };
                events.push(ObserverEvent::Blind {
                    since,
                    reason: format!(
                        "{what} that was acknowledged {} after the start was not seen within {}",
                        seconds(since.as_secs_f64()),
                        seconds(MISSED_AFTER.as_secs_f64())
                    ),
                });
            }
            if blindness
                .resumed
                .is_none_or(|at| now.since(at) >= RESUME_EVERY)
            {
                blindness.resumed = Some(now);
                self.resume();
            }
        }
        blindness.blind = overdue.is_some();
        let line = |event| ObserverLine::new(now, self.site, event);
        Health {
            lags,
            events: events.into_iter().map(line).collect(),
        }
    }

    /// Resumes each watch over a new connection.
    pub(super) fn resume(&self) {
        for resource in WatchedResource::ALL {
            self.shared.resume(resource).notify_one();
        }
    }
}
