//! Heartbeats, by which the lag of the observer is measured where nothing else is written.

use std::{convert::Infallible, io, time::Duration};

use dst_load_kubernetes::actor::Actor;
use dst_load_recording::{
    recording::{LagSource, TargetInfo},
    warning::Warning,
};
use dst_load_scenario::{federation::Site, plan::Plan};

use super::Engine;

// === impl Engine ===

impl<W: io::Write> Engine<W> {
    /// Whether the observer's lag matters: a latency is judged, which none is through a
    /// port-forward, and the plan changes endpoints.
    pub(super) fn wants_heartbeats(&self, target: &TargetInfo) -> bool {
        let criteria = &self.scenario.criteria;
        !target.forwarded
            && criteria.smallest_latency_limit().is_some()
            && Plan::changes_endpoints(&self.scenario)
    }

    /// Writes heartbeats for the observer of each cluster, for ever.
    pub(super) async fn beat(&self) -> Infallible {
        let churned = self.beat_in(&self.actor, self.session.observers.churned());
        let source = async {
            if let Some(actor) = &self.source_actor {
                self.beat_in(actor, Site::Source).await;
            }
        };
        futures::future::join(churned, source).await;
        std::future::pending().await
    }

    async fn beat_in(&self, actor: &Actor, site: Site) {
        let observer = self.session.observers.of(site);
        let on = |written: &_, at| {
            observer.acknowledged(written, at, Duration::ZERO, LagSource::Heartbeat);
        };
        let refused = actor.beat_for_observer(on).await;
        self.session.journal.warn(Warning::NoHeartbeat {
            error: refused.to_string(),
        });
    }
}
