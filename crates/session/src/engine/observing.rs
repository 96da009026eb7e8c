//! What a run does so that its observer can be relied on: heartbeats, and a LIST at the end.

use std::{convert::Infallible, io, time::Duration};

use dst_load_kubernetes::actor::Actor;
use dst_load_recording::{recording::LagSource, warning::Warning};
use dst_load_scenario::{federation::Site, plan::Plan};

use super::Engine;

// === impl Engine ===

impl<W: io::Write> Engine<W> {
    /// Writes heartbeats for the observer of each cluster, where its lag matters: a latency is
    /// judged, and the plan changes endpoints.
    pub(super) async fn beat(&self) -> Infallible {
        let judged =
            !self.options.forwarded && self.scenario.criteria.smallest_latency_limit().is_some();
        if judged && Plan::changes_endpoints(&self.scenario) {
            let churned = self.beat_in(&self.actor, self.observers.churned());
            let source = async {
                if let Some(beside) = &self.beside {
                    self.beat_in(beside, Site::Source).await;
                }
            };
            futures::future::join(churned, source).await;
        }
        std::future::pending().await
    }

    async fn beat_in(&self, actor: &Actor, site: Site) {
        let on = |written: &_, at| {
            let (none, source) = (Duration::ZERO, LagSource::Heartbeat);
            self.observers.acknowledged(site, written, at, none, source);
        };
        let refused = actor.beat_for_observer(on).await;
        self.journal.warn(Warning::NoHeartbeat {
            error: refused.to_string(),
        });
    }

    /// Asks for a LIST where a stream holds what the observer does not explain.
    pub(super) async fn explain(&self) -> Infallible {
        let (kube, namespace) = (&self.options.world.kube, self.actor.namespace());
        self.journal.explain(&self.observers, kube, namespace).await
    }

    /// Before the end is checked: compares what the observer of each cluster has seen with a LIST.
    /// Streams have up to `patience` to hold what it says.
    pub(super) async fn verify(&self, patience: Duration) {
        let (kube, namespace) = (&self.options.world.kube, self.actor.namespace());
        let _ = (self.journal)
            .verify(&self.observers, kube, namespace, patience)
            .await;
    }
}
