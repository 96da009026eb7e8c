//! What a run is made from, whoever asked for it: a scenario, a World, and where it writes.

use std::{convert::Infallible, io::Write, path::PathBuf, sync::Arc};

use dst_load_kubernetes::actor::{Actor, Limits, RunIdentity};
use dst_load_recording::recording::Header;
use dst_load_sandbox::throttle::{Stall, throttle};
use dst_load_scenario::{federation::Site, quantity::Span, scenario::Scenario};
use dst_load_session::{
    churn::ChurnMetrics,
    engine::{Engine, Options},
    recorder::Recorder,
};
use dst_load_transport::{clock::Clock, world::KubeFactory};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::header;
use crate::cli::{
    observer_place,
    world::{CLUSTER_DOMAIN, Chosen},
};

/// Everything that decides a run, save for where it writes.
pub(super) struct Setting {
    pub(super) scenario: Arc<Scenario>,
    pub(super) chosen: Chosen,
    pub(super) virtual_time: bool,
    /// Where the Services go; a namespace named after the run if absent.
    pub(super) namespace: Option<String>,
    /// Whether a control plane there is no reason to leave it alone.
    pub(super) beside_control_plane: bool,
    pub(super) connect_timeout: Span,
    /// Whether the pods must keep to KWOK's nodes.
    pub(super) kwok_nodes: bool,
    /// How hard the API server may be pressed.
    pub(super) limits: Limits,
    /// Where profiles of the target go, if they are wanted.
    pub(super) profiles: Option<PathBuf>,
}

// === impl Setting ===

impl Setting {
    /// The recording's first line, which also says how the run and its namespace are called. The
    /// floor is not in it yet: it is measured once the run can be interrupted.
    pub(super) fn header(&self) -> anyhow::Result<Header> {
        let run_id = header::run_id(&self.scenario, self.virtual_time)?;
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| format!("{}-{run_id}", self.scenario.name));
        header::header(
            &self.scenario,
            &self.chosen,
            &run_id,
            &namespace,
            self.virtual_time,
        )
    }

    /// The engine of the run that `header` names.
    pub(super) fn engine<W: Write>(
        &self,
        header: &Header,
        recorder: Recorder<W>,
        stop: CancellationToken,
    ) -> anyhow::Result<Engine<W>> {
        let clock = Clock::start();
        let actor = |kube: &KubeFactory, site| -> anyhow::Result<Actor> {
            let run = RunIdentity {
                id: header.run_id.clone(),
                scenario: self.scenario.name.clone(),
            };
            let scenario = Arc::clone(&self.scenario);
            let namespace = header.namespace.clone();
            let actor = Actor::new(kube()?, clock, namespace, run, scenario, self.limits).at(site);
            let actor = actor.allow_control_plane(self.beside_control_plane);
            Ok(if self.kwok_nodes {
                actor.on_kwok_nodes()
            } else {
                actor
            })
        };
        let source = actor(&self.chosen.world.kube, Site::Source)?;
        let (actor, beside) = match &self.chosen.target_cluster {
            Some(kube) => (actor(kube, Site::Target)?, Some(source)),
            None => (source, None),
        };
        let metrics =
            ChurnMetrics::register(&mut Registry::default(), &self.scenario, actor.caller());
        let options = Options {
            world: self.chosen.world.clone(),
            target_cluster: self.chosen.target_cluster.clone(),
            observer: if self.virtual_time {
                observer_place::here
            } else {
                observer_place::own_thread
            },
            target: self.chosen.target.clone(),
            forwarded: self.chosen.forwarded,
            cluster_domain: CLUSTER_DOMAIN.to_owned(),
            connect_timeout: self.connect_timeout.0,
            connections: self.chosen.connections.or(self.scenario.client.connections),
            sample_self: !self.virtual_time,
            profiles: self.profiles.clone(),
            flags: self.chosen.flags,
        };
        let scenario = Arc::clone(&self.scenario);
        Ok(Engine::new(
            scenario, options, actor, beside, metrics, recorder, stop,
        ))
    }

    /// Lets this process stand still as the scenario's faults say, for ever.
    pub(super) async fn stall(&self) -> Infallible {
        let stall = if self.virtual_time {
            Stall::Leap
        } else {
            Stall::Sleep {
                workers: std::thread::available_parallelism().map_or(1, usize::from),
            }
        };
        throttle(self.scenario.sandbox.faults.clone(), stall).await;
        std::future::pending().await
    }
}
