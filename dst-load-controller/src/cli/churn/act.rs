//! The churner, from the claim of a namespace to its last object.

use std::{cell::Cell, collections::BTreeSet, convert::Infallible, io, sync::Arc, time::Duration};

use anyhow::Context;
use dst_load_kubernetes::actor::{
    Actor, Claim, KubernetesError, OwnerPod, RunIdentity, why_refused,
};
use dst_load_scenario::{plan::Plan, scenario::Scenario};
use dst_load_session::{
    admin::{self, Admin, Readiness},
    churn::{ChurnMetrics, Driven, Driver, Ending, Event, EventLog},
    process_metrics,
    runtime::{Shutdown, stalled},
};
use dst_load_transport::{clock::Clock, files};
use prometheus_client::registry::Registry;

use super::ChurnArgs;
use crate::cli::run::header::new_run_id;

/// Churns `scenario` until the plan ends or a signal asks for the end, then takes everything away
/// again. What it did is written to `out`.
///
/// # Errors
///
/// No cluster, a missing permission, a namespace in use; after a second signal
/// [`dst_load_session::runtime::Aborted`].
pub(super) async fn run(
    args: &ChurnArgs,
    scenario: Arc<Scenario>,
    out: &mut dyn io::Write,
) -> anyhow::Result<()> {
    let cluster = args.cluster.find().await?;
    let namespace = args.cluster.namespace_in(&cluster);
    let clock = Clock::start();
    // Also if the run's id is given, and was given before: the clock is another.
    let start = new_run_id();
    let run = RunIdentity {
        id: args.run_id.clone().unwrap_or_else(new_run_id),
        scenario: scenario.name.clone(),
    };
    args.allowed.check(&namespace, [])?;
    let allowed = args.allowed.allows(&namespace);
    tracing::info!(run_id = run.id, %namespace, cluster = cluster.url(), "churning");
    let mut actor = Actor::new(
        cluster.client()?,
        clock,
        namespace,
        run,
        Arc::clone(&scenario),
        args.pace.limits(),
    );
    actor.allows_control_plane = allowed;
    actor.kwok_nodes = args.kwok_nodes;
    let owner = args.pod.clone().zip(args.pod_uid.clone());
    let owned = owner.is_some();
    actor.owner = owner.map(|(name, uid)| OwnerPod { name, uid });
    let mut registry = Registry::default();
    let metrics = ChurnMetrics::register(&mut registry, &scenario, actor.caller());
    process_metrics::register(&mut registry);
    let readiness = Readiness::default();
    let events = EventLog::new(&scenario, actor.namespace(), &start);
    let routes =
        admin::routes(admin::encode(registry), readiness.clone()).merge(events.routes(clock));
    let server = Admin::bind(args.admin_addr).await?;
    let server = server.serve(routes, files::needed(0));

    let shutdown = Shutdown::on_signals().context("signals")?;
    let work = Work {
        actor: &actor,
        metrics: &metrics,
        events: &events,
        scenario: &scenario,
        readiness: &readiness,
        shutdown: &shutdown,
        start_delay: args.start_delay.map_or(Duration::ZERO, |it| it.0),
        linger: args.linger,
        wait_for_namespace: args.wait_for_namespace.map_or(Duration::ZERO, |it| it.0),
        claimed: Cell::new(false),
    };
    let leave = match (args.keep, owned) {
        (true, _) => Leave::Everything,
        (false, true) => Leave::ToGarbageCollector,
        (false, false) => Leave::Nothing,
    };
    let whole = async {
        tokio::select! {
            biased;
            said = work.run(leave) => said,
            ended = server => {
                let error = ended
                    .err()
                    .map_or_else(|| anyhow::anyhow!("ended"), anyhow::Error::from)
                    .context("the admin server");
                if work.claimed.get() {
                    // Why it ended matters more than what becomes of its traces, which is logged.
                    let _ = work.leave(leave, true).await;
                }
                Err(error)
            }
        }
    };
    match shutdown.guard(whole).await {
        Ok(said) => write!(out, "{}", said?)?,
        Err(aborted) if work.claimed.get() => {
            return Err(
                anyhow::Error::from(aborted).context(removes("removes what it made", &actor))
            );
        }
        Err(aborted) => return Err(aborted.into()),
    }
    Ok(())
}

/// All that the work needs.
struct Work<'a> {
    actor: &'a Actor,
    metrics: &'a ChurnMetrics,
    events: &'a EventLog,
    scenario: &'a Scenario,
    readiness: &'a Readiness,
    shutdown: &'a Shutdown,
    start_delay: Duration,
    linger: bool,
    wait_for_namespace: Duration,
    /// Whether the namespace was taken: there may be something to take away then.
    claimed: Cell<bool>,
}

/// What is left in the cluster at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// All that was made.
    Everything,
    /// Whatever a Pod owns that is being deleted: who may no longer delete it himself, because his
    /// permissions are being deleted with his Pod, need not. Nothing if the plan ends.
    ToGarbageCollector,
    /// Nothing.
    Nothing,
}

/// When it is first looked whether Pods are refused, and how often then.
const FIRST_LOOK_AT_PODS: Duration = Duration::from_secs(15);
const LOOK_AT_PODS: Duration = Duration::from_secs(60);

/// How often it is looked whether the namespace is free.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

// === impl Work ===

impl Work<'_> {
    /// From the claim to the cleanup; returns what is to be said of it.
    async fn run(&self, leave: Leave) -> anyhow::Result<String> {
        let actor = self.actor;
        let stop = self.shutdown.draining();
        let claimed = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok("stopped before anything was made\n".into()),
            claimed = self.claim() => claimed,
        };
        if let Err(
            error @ (KubernetesError::InUse { .. }
            | KubernetesError::NotOurs { .. }
            | KubernetesError::ControlPlane { .. }),
        ) = claimed
        {
            // Nothing here is ours to take away.
            return Err(error.into());
        }
        self.claimed.set(true);
        let churned = match claimed {
            Err(error) => Err(error),
            Ok(_) => {
                self.readiness.set(true);
                tokio::select! {
                    biased;
                    driven = self.drive() => driven,
                    lost = actor.renew_lease() => Err(lost),
                    never = self.beat() => match never {},
                    never = self.watch_refusals() => match never {},
                }
            }
        };
        self.readiness.set(false);
        let mut said = match &churned {
            Ok(driven) => summary(driven, actor),
            Err(_) => String::new(),
        };
        if !matches!(churned, Err(KubernetesError::Lost { .. })) {
            said.push_str(&self.leave(leave, churned.is_err()).await?);
        }
        churned?;
        Ok(said)
    }

    /// Takes away what was made, as `leave` has it; returns what is to be said of it. Where the churn
    /// has failed, that it could not is only logged: why the churn failed matters more.
    async fn leave(&self, leave: Leave, failed: bool) -> anyhow::Result<String> {
        let actor = self.actor;
        let stop = self.shutdown.draining();
        if leave == Leave::ToGarbageCollector && stop.is_cancelled() {
            tracing::info!("what was made goes with the Pod that it belongs to");
            return Ok(String::new());
        }
        if leave == Leave::Everything {
            tracing::info!(
                run_id = actor.run_id(),
                "kept; `cleanup --run-id` removes it"
            );
            return Ok(String::new());
        }
        let cleaned = tokio::select! {
            biased;
            cleaned = actor.cleanup() => cleaned.map_err(anyhow::Error::from),
            stalled = stalled(&stop, || actor.caller().removals()) => Err(stalled.into()),
        };
        match cleaned {
            Ok(cleaned) => Ok(cleaned.to_string()),
            Err(error) if failed => {
                let run_id = actor.run_id();
                tracing::warn!(%error, run_id, "cleanup failed; `cleanup --run-id` removes the rest");
                Ok(String::new())
            }
            Err(error) => Err(error.context(format!(
                "cleanup failed; {}",
                removes("removes the rest", actor)
            ))),
        }
    }

    /// Writes heartbeats for the observers of clients, where their lag matters: a latency is judged,
    /// and the plan changes endpoints.
    async fn beat(&self) -> Infallible {
        let judged = self.scenario.criteria.smallest_latency_limit().is_some();
        if judged && Plan::changes_endpoints(self.scenario) {
            let on = |written: &_, at| self.events.beat(written, at);
            let error = self.actor.beat_for_observer(on).await;
            tracing::warn!(%error, "heartbeat not permitted, lag of observers is not measured");
        }
        std::future::pending().await
    }

    /// Warns of what keeps Kubernetes from making the Pods of Deployments, each reason once.
    async fn watch_refusals(&self) -> Infallible {
        if !self.scenario.churn.backend.is_deployments() {
            return std::future::pending().await;
        }
        let (actor, mut known) = (self.actor, BTreeSet::new());
        let mut wait = FIRST_LOOK_AT_PODS;
        loop {
            tokio::time::sleep(wait).await;
            wait = LOOK_AT_PODS;
            let reasons = why_refused(actor.caller(), actor.namespace(), actor.run_id()).await;
            let new = reasons.unknown_to(&mut known);
            if !new.is_empty() {
                tracing::warn!(reasons = %new, "Pods are refused, endpoints are missing");
            }
        }
    }

    /// Takes the namespace, once it is free.
    async fn claim(&self) -> Result<Claim, KubernetesError> {
        let until = self.actor.clock().now() + self.wait_for_namespace;
        loop {
            match self.actor.prepare().await {
                Err(KubernetesError::InUse { namespace, holder })
                    if self.actor.clock().now() < until =>
                {
                    tracing::info!(namespace, %holder, "namespace in use, retrying");
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                claimed => return claimed,
            }
        }
    }

    /// Creates, then churns.
    async fn drive(&self) -> Result<Driven, KubernetesError> {
        let plan = Plan::new(self.scenario);
        let stop = self.shutdown.draining();
        let mut driver = Driver::new(self.actor, self.metrics, plan, stop);
        let mut failure = None;
        let created = driver
            .create(|event| match event {
                Event::Intended(action) => self.events.announce(&action),
                Event::Acted(acted) => {
                    self.events.record(&acted);
                    failure = failure.take().or(acted.result.err());
                }
                Event::Cycle(_) => {}
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
        let clients_time = tokio::time::sleep(self.start_delay);
        if !self.start_delay.is_zero() {
            tracing::info!(delay = ?self.start_delay, "giving clients time to open their streams");
        }
        tokio::select! {
            biased;
            () = self.shutdown.draining().cancelled_owned() => {
                return Ok(Driven { ending: Ending::Stopped, ..created });
            }
            () = clients_time => {}
        }
        let driven = driver
            .churn(self.actor.clock().now(), |event| match event {
                Event::Cycle(start) => {
                    tracing::info!(cycle = start.cycle, "cycle starts");
                    self.events.cycle(&start);
                }
                Event::Acted(acted) => self.events.record(&acted),
                Event::Intended(action) => self.events.announce(&action),
            })
            .await;
        let whole = driven.ending == Ending::Finished && Plan::ends_with_a_cycle(self.scenario);
        self.events.end(self.actor.clock().now(), whole);
        if self.linger && driven.ending == Ending::Finished {
            tracing::info!("the plan is over; staying until told to stop");
            self.shutdown.draining().cancelled_owned().await;
        }
        match driven.ending {
            Ending::Refused(error) => Err(error),
            Ending::Finished | Ending::Stopped => Ok(driven),
        }
    }
}

/// The command that takes away what the actor made, and what it does.
fn removes(what: &str, actor: &Actor) -> String {
    format!(
        "`dst-load-controller cleanup --run-id {}` {what}",
        actor.run_id()
    )
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use dst_load_kubernetes::actor::{
        Limits,
        mock::{made_by, scenario},
    };
    use dst_load_scenario::time::At;
    use dst_load_transport::mock::{Answer, Log, mock, refusal};

    fn fine(_: &str) -> Answer {
        let mut object = made_by("r1", "1");
        object["items"] = json!([]);
        Answer::Json(200, object)
    }

    /// Churns three stable Services until stopped, after `stop_after` seconds.
    async fn churn(
        answer: impl FnMut(&str) -> Answer + Send + 'static,
        stop_after: u64,
        leave: Leave,
    ) -> (anyhow::Result<String>, Log, At) {
        let clock = Clock::start();
        let (kube, log) = mock(clock, answer);
        let scenario = scenario(3);
        let run = RunIdentity {
            id: "r1".into(),
            scenario: scenario.name.clone(),
        };
        let namespace = "ns".to_owned();
        let limits = Limits::default();
        let actor = Actor::new(kube, clock, namespace, run, Arc::clone(&scenario), limits);
        let shutdown = Shutdown::new();
        let work = Work {
            actor: &actor,
            metrics: &ChurnMetrics::register(&mut Registry::default(), &scenario, actor.caller()),
            events: &EventLog::new(&scenario, "ns", "p1"),
            scenario: &scenario,
            readiness: &Readiness::default(),
            shutdown: &shutdown,
            start_delay: Duration::ZERO,
            linger: false,
            wait_for_namespace: Duration::ZERO,
            claimed: Cell::new(false),
        };
        let stop = async {
            clock.sleep_until(At::from_secs(stop_after)).await;
            shutdown.drain();
            std::future::pending().await
        };
        let said = tokio::select! {
            biased;
            said = work.run(leave) => said,
            () = stop => unreachable!("it waits for ever"),
        };
        (said, log, clock.now())
    }

    fn count(log: &Log, method: &str) -> usize {
        let log = log.lock();
        log.iter()
            .filter(|seen| seen.what.starts_with(method))
            .count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stable_topology_stands_until_stopped_and_is_then_taken_away() {
        let (said, log, ended) = churn(fine, 3_600, Leave::Nothing).await;
        let said = said.unwrap();
        assert!(said.starts_with("0 actions, 0 given up"), "{said}");
        assert_eq!(ended, At::from_secs(3_600));
        // A lease, and three Services with their Deployments; the namespace was there.
        assert_eq!(count(&log, "POST"), 7);
        assert!(count(&log, "GET") > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_to_be_kept_is_not_even_looked_at() {
        let (said, log, _) = churn(fine, 10, Leave::Everything).await;
        said.unwrap();
        // Only whether a control plane is there.
        assert_eq!((count(&log, "GET"), count(&log, "DELETE")), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_permission_ends_it_by_name_after_cleaning_up() {
        let answer = |what: &str| {
            if what.starts_with("POST") && what.ends_with("deployments") {
                let message = "User \"u\" cannot create resource \"deployments\" in API group \
                               \"apps\" in the namespace \"ns\"";
                return refusal(403, "Forbidden", message);
            }
            fine(what)
        };
        let (said, log, ended) = churn(answer, 60, Leave::Nothing).await;
        let error = said.unwrap_err().to_string();
        assert!(
            error.starts_with("not permitted to create deployments"),
            "{error}"
        );
        assert!(count(&log, "GET") > 0);
        assert_eq!(ended, At::ZERO);
    }
}
