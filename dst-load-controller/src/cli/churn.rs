//! `churn`: the acting half alone, as a Pod or from a terminal.

use std::{io, net::SocketAddr, path::PathBuf, process, sync::Arc, time::Duration};

use anyhow::Context;
use prometheus_client::registry::Registry;

use crate::{
    live::{
        admin::{self, Admin, Readiness},
        churn::{ChurnMetrics, Driven, Driver, Ending, Event, EventLog},
        clock::Clock,
        cluster::Cluster,
        kubernetes::{Actor, KubernetesError, Limits, RunIdentity},
        runtime::Shutdown,
    },
    model::{plan::Plan, scenario::Scenario, seed},
};

/// What to churn, and where.
#[derive(Clone, Debug)]
pub struct Churn {
    /// What is done.
    pub scenario: Scenario,
    /// The cluster, by its kubeconfig; as kubectl finds it if not given.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context, if not its current one.
    pub context: Option<String>,
    /// The namespace; the context's if not given.
    pub namespace: Option<String>,
    /// The run's id; made up if not given.
    pub run_id: Option<String>,
    /// Leaves everything in place at the end.
    pub keep: bool,
    /// Keeps the pods on KWOK's nodes.
    pub kwok_nodes: bool,
    /// Where metrics are served, or near it if that port is taken.
    pub admin: SocketAddr,
    /// How hard the API server may be pressed.
    pub limits: Limits,
}

// === impl Churn ===

impl Churn {
    /// Churns until the plan ends or a signal asks for the end, then takes everything away again.
    /// What it did is written to `out`.
    ///
    /// # Errors
    ///
    /// No cluster, a missing permission, a namespace in use; after a second signal
    /// [`crate::live::runtime::Aborted`].
    pub async fn run(self, out: &mut dyn io::Write) -> anyhow::Result<()> {
        let cluster = Cluster::find(self.kubeconfig.as_deref(), self.context.as_deref()).await?;
        let namespace = self
            .namespace
            .unwrap_or_else(|| cluster.default_namespace().to_owned());
        let clock = Clock::start();
        let scenario = Arc::new(self.scenario);
        let run = RunIdentity {
            id: self.run_id.unwrap_or_else(new_run_id),
            scenario: scenario.name.clone(),
        };
        tracing::info!(run_id = run.id, %namespace, cluster = cluster.url(), "churning");
        let mut actor = Actor::new(
            cluster.client()?,
            clock,
            namespace,
            run,
            Arc::clone(&scenario),
            self.limits,
        );
        if self.kwok_nodes {
            actor = actor.on_kwok_nodes();
        }
        let mut registry = Registry::default();
        let metrics = ChurnMetrics::register(&mut registry, &scenario, actor.caller());
        let readiness = Readiness::default();
        let events = EventLog::new(&scenario);
        let routes =
            admin::routes(admin::encode(registry), readiness.clone()).merge(events.routes(clock));
        let server = Admin::bind(self.admin)
            .await
            .with_context(|| format!("cannot serve metrics on {}", self.admin))?
            .serve(routes, std::future::pending());

        let shutdown = Shutdown::new();
        let work = Work {
            actor: &actor,
            metrics: &metrics,
            events: &events,
            scenario: &scenario,
            readiness: &readiness,
            shutdown: &shutdown,
        };
        let work = async {
            tokio::select! {
                biased;
                said = work.run(self.keep) => said,
                served = server => Err(served
                    .err()
                    .map_or_else(|| anyhow::anyhow!("ended"), anyhow::Error::from)
                    .context("the admin server")),
            }
        };
        let summary = shutdown.guard(work).await.context("signals")???;
        write!(out, "{summary}")?;
        Ok(())
    }
}

/// All that the work needs.
struct Work<'a> {
    actor: &'a Actor,
    metrics: &'a ChurnMetrics,
    events: &'a EventLog,
    scenario: &'a Scenario,
    readiness: &'a Readiness,
    shutdown: &'a Shutdown,
}

// === impl Work ===

impl Work<'_> {
    /// From the claim to the cleanup; returns what is to be said of it.
    async fn run(&self, keep: bool) -> anyhow::Result<String> {
        let actor = self.actor;
        let stop = self.shutdown.draining();
        let claimed = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok("stopped before anything was made\n".into()),
            claimed = actor.prepare() => claimed,
        };
        if let Err(error @ (KubernetesError::InUse { .. } | KubernetesError::NotOurs { .. })) =
            claimed
        {
            // Nothing here is ours to take away.
            return Err(error.into());
        }
        let churned = match claimed {
            Err(error) => Err(error),
            Ok(_) => {
                self.readiness.set(true);
                tokio::select! {
                    biased;
                    driven = self.drive() => driven,
                    lost = actor.keep_claim() => Err(lost),
                }
            }
        };
        self.readiness.set(false);
        let mut said = match &churned {
            Ok(driven) => summary(driven, actor),
            Err(_) => String::new(),
        };
        if keep {
            tracing::info!(
                run_id = actor.run_id(),
                "kept; `cleanup --run-id` removes it"
            );
        } else if !matches!(churned, Err(KubernetesError::Lost { .. })) {
            match actor.cleanup().await {
                Ok(cleaned) => said.push_str(&cleaned.to_string()),
                // The reason why the churn ended matters more than that its traces remain.
                Err(error) if churned.is_err() => tracing::warn!(%error, "cleanup failed"),
                Err(error) => return Err(anyhow::Error::from(error).context("cleanup failed")),
            }
        }
        churned?;
        Ok(said)
    }

    /// Creates, then churns.
    async fn drive(&self) -> Result<Driven, KubernetesError> {
        let plan = Plan::new(self.scenario);
        let stop = self.shutdown.draining();
        let mut driver = Driver::new(self.actor, self.metrics, plan, stop);
        let mut failure = None;
        let created = driver
            .create(|event| {
                if let Event::Acted(acted) = event {
                    self.events.record(&acted);
                    failure = failure.take().or(acted.result.err());
                }
            })
            .await;
        // Without all its Services the scenario is another one.
        if let Some(error) = failure {
            return Err(error);
        }
        tracing::info!(services = created.intended, "created");
        if created.ending != Ending::Finished {
            return Ok(created);
        }
        let driven = driver
            .churn(self.actor.clock().now(), |event| match event {
                Event::Cycle(start) => tracing::info!(cycle = start.cycle, "cycle starts"),
                Event::Acted(acted) => self.events.record(&acted),
                Event::Intended(_) => {}
            })
            .await;
        match driven.ending {
            Ending::Refused(error) => Err(error),
            Ending::Finished | Ending::Stopped => Ok(driven),
        }
    }
}

fn summary(driven: &Driven, actor: &Actor) -> String {
    let errors = actor.errors();
    let mut said = format!(
        "{} actions, {} given up, {} unanswered at the end; at most {} late\n",
        driven.intended,
        driven.failed,
        driven.abandoned,
        seconds(driven.lateness_max),
    );
    for (reason, count) in errors.by_reason() {
        if count > 0 {
            said.push_str(&format!("Kubernetes API: {count} × {reason}\n"));
        }
    }
    said
}

fn seconds(span: Duration) -> String {
    format!("{:.3}s", span.as_secs_f64())
}

/// A run id that no other run has: eight hex digits of the date and the process.
fn new_run_id() -> String {
    let date = jiff::Timestamp::now().as_nanosecond().to_string();
    seed::hex(u64::from(process::id()), "run-id", &date, 4)
}
