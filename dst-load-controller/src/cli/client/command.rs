//! `client`, carried out: it watches until it is stopped, then says what came of it.

use std::{convert::Infallible, env, fs::File, io::BufWriter, path::PathBuf, time::Duration};

use anyhow::Context;
use dst_load_destination::fleet::FleetConfig;
use dst_load_kubernetes::observer::SILENCE;
use dst_load_oracle::ledger::Limits;
use dst_load_recording::recording::{ClientLoad, Header, Identity, SCHEMA_VERSION, TargetInfo};
use dst_load_scenario::{
    criteria::Criteria,
    plan::{Plan, Planned},
    quantity::Span,
    scenario::Scenario,
};
use dst_load_session::{
    admin::{self, Admin, Readiness},
    client::{Client, WatchUntil},
    client_metrics,
    partner::Partner,
    process_metrics,
    recorder::{Recorder, RunDirectory},
    runtime::Shutdown,
    snapshot::Snapshots,
    watching::{SessionConfig, SessionError, fleet_config},
};
use dst_load_transport::{cluster::Cluster, files};
use prometheus_client::registry::Registry;

use super::{ClientArgs, Watch, linked};
use crate::{
    cli::{
        console::Console,
        environment::{ClusterTarget, Environment},
        observer_place,
        path_info::path_info,
        replicas::infos,
        report,
        run::header::{date, machine, new_run_id, unique_identity},
        usage::UsageError,
    },
    exit::Exit,
};

/// An update that has not come after this long has never arrived: the default of a scenario
/// without limits.
const DEADLINE: Duration = Duration::from_secs(30);
/// Of lifetimes and backoffs. Replicas differ by their Nodes and their start, not by it.
const SEED: u64 = 1;

/// Watches until a signal, then prints what came of it.
///
/// # Errors
/// A [`UsageError`], no cluster, a missing permission, a destination that is not there or refuses;
/// after a second signal [`dst_load_session::runtime::Aborted`].
pub async fn run(args: &ClientArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    // Before anything is reached: it may be wrong.
    let scenario = args.scenario()?;
    let scenario = scenario.as_ref();
    if let Some(scenario) = scenario {
        args.forward.check_path(&scenario.client, false)?;
    }
    let partner = args.churn.as_deref().map(Partner::new).transpose();
    let partner = partner.map_err(|error| UsageError(format!("--churn: {error}")))?;
    let client = scenario.map_or_else(
        || args.watch().map(|it| it.client),
        |it| Ok(it.client.clone()),
    );
    let client = client?;
    let policies = args.policy.policies(&client, env::var(POD).ok())?;
    let policy_controller = args.policy.controller(&client)?;
    let (environment, cluster) = Environment::cluster(ClusterTarget {
        cluster: &args.cluster,
        target_cluster: None,
        replicas: &args.destination,
        metrics: &args.destination_metrics,
        forward: &args.forward,
        windows: scenario.map_or(args.lifecycle.into(), |it| (&it.client).into()),
        flags: scenario.map(|it| it.flags).unwrap_or_default(),
    })
    .await?;
    let environment = environment.named(args.forward.destination_version.as_deref());
    let observed = linked::observed(args, &cluster).await?;
    let namespace = args.cluster.namespace_in(&cluster);
    let (watch, linked) = if let Some(scenario) = scenario {
        (
            args.watch_of(scenario, &namespace),
            linked::of(scenario, observed.is_some(), &namespace)?,
        )
    } else {
        let watch = args.watch()?;
        let linked = linked::resolve(&cluster, observed.as_ref(), &watch).await?;
        (watch, linked)
    };
    let replicas = environment.world.replicas().len() as u64;
    let connections = watch
        .client
        .connections_of(watch.client.connections, replicas);
    files::enough_for(connections)?;
    let directory = args.output_dir.as_deref().map(RunDirectory::at);
    let directory = directory.transpose()?;
    let unlimited = Limits {
        lifecycle: args.lifecycle,
        ..DEADLINE.into()
    };
    let limits = scenario.map_or(unlimited, Limits::of);
    let (file, place) = spool(directory.as_ref())?;
    let (snapshots, mut asked) = Snapshots::new(file.try_clone()?);
    tracing::info!(
        cluster = cluster.url(),
        destination = args.destination.join(","),
        pods = args
            .forward
            .destination_pod
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(","),
        services = watch.targets.len(),
        "watching"
    );
    let shutdown = Shutdown::on_signals().context("signals")?;
    let readiness = Readiness::default();
    let client = Client::new(
        linked.services,
        SessionConfig {
            target_cluster: observed.as_ref().map(Cluster::factory),
            world: environment.world.clone(),
            observer: observer_place::own_thread,
            watch_silence: SILENCE,
            target: environment.target.clone(),
            policy_controller,
            fleet: FleetConfig {
                policies: watch.client.policies.then_some(policies),
                targets: args.targets(&watch, scenario.map_or(SEED, |it| it.seed)),
                ..fleet_config(&watch.client, &namespace, SEED, args.connect_timeout.0)
            },
            limits,
            sample_self: true,
            profiles: None,
            flags: environment.flags,
        },
        partner,
        if scenario.is_some() {
            WatchUntil::PlanOver
        } else {
            WatchUntil::Stopped
        },
        Recorder::new(BufWriter::new(file.try_clone()?), &place),
        readiness.clone(),
        shutdown.draining(),
    );
    let mut registry = Registry::default();
    client_metrics::register(&mut registry, client.progress(), client.observers());
    process_metrics::register(&mut registry);
    let routes = admin::routes(admin::encode(registry), readiness).merge(snapshots.routes());
    let server = Admin::bind(args.admin_addr).await?;
    let server = server.serve(routes, files::needed(connections));
    let header = Header {
        linked_cluster: linked.cluster,
        deadline_seconds: limits.deadline.as_secs_f64(),
        ..header(&environment, scenario, &watch, args.replica, &namespace)?
    };
    let whole = async {
        let ended = client.run(header).await;
        snapshots.set_over();
        ended?;
        if scenario.is_some() && !shutdown.draining().is_cancelled() {
            tracing::info!("churn's plan is over; serving /snapshot until told to stop");
            shutdown.draining().cancelled_owned().await;
        }
        Ok(())
    };
    let work = async {
        tokio::select! {
            biased;
            ended = whole => ended,
            never = end_after(args.duration, &shutdown) => match never {},
            never = client.answer(&file, &mut asked) => match never {},
            ended = server => Err(ended
                .err()
                .map_or_else(|| anyhow::anyhow!("ended"), anyhow::Error::from)
                .context("the admin server")),
        }
    };
    // A second signal cuts the watching off; what it had seen is reported all the same.
    let ended = shutdown.guard(work).await;
    let aborted = ended.is_err();
    let ended = ended.unwrap_or(Ok(()));
    let (criteria, planned) = match scenario {
        Some(scenario) => (scenario.criteria.clone(), Plan::changes(scenario)),
        None => (Criteria::default(), Planned::NONE),
    };
    let page = client.page(&criteria, planned)?;
    // Who has seen nothing has nothing to say in favour of the target.
    let mut exit = Exit::Invalid;
    if let Some(page) = page.filter(|page| page.report.streams.opened > 0) {
        exit = report::exit(&page.report);
        report::print(&page, console)?;
        if let Some(directory) = &directory {
            directory.write_reports(&page)?;
            report::announce("recording and reports", &page, directory, console)?;
        }
    } else if ended.is_ok() {
        writeln!(console.warnings, "stopped before any stream was opened")?;
    }
    match ended {
        Err(error) if matches!(error.downcast_ref(), Some(SessionError::Endangered(_))) => {
            writeln!(console.warnings, "{error}")?;
            Ok(exit)
        }
        Err(error) => Err(error),
        Ok(()) if aborted => Ok(Exit::Interrupted),
        Ok(()) => Ok(exit),
    }
}

/// Asks for the end after `duration`, as a first signal does.
async fn end_after(duration: Option<Span>, shutdown: &Shutdown) -> Infallible {
    if let Some(Span(duration)) = duration {
        tokio::time::sleep(duration).await;
        shutdown.drain();
    }
    std::future::pending().await
}

/// Where the recording goes, and how errors call it: into the directory, if there is one, else into
/// a file that nobody else sees and that is gone with this process.
fn spool(directory: Option<&RunDirectory>) -> anyhow::Result<(File, PathBuf)> {
    let Some(directory) = directory else {
        let file = tempfile::tempfile().with_context(|| {
            let place = std::env::temp_dir();
            format!("cannot create a file in {} for the recording; name a directory with --output-dir, or with TMPDIR", place.display())
        })?;
        return Ok((file, PathBuf::from("the recording")));
    };
    let path = directory.recording();
    // It is also read, for whoever wants a snapshot.
    let mut options = File::options();
    let file = options.create_new(true).read(true).append(true).open(&path);
    let file = file.with_context(|| format!("cannot create {}", path.display()))?;
    Ok((file, path))
}

/// The variable that names the Pod in which this runs, as the chart sets it.
const POD: &str = "DST_LOAD_POD";

/// The recording's first line.
fn header(
    environment: &Environment,
    scenario: Option<&Scenario>,
    watch: &Watch,
    replica: Option<u32>,
    namespace: &str,
) -> anyhow::Result<Header> {
    let started = date();
    let client = &watch.client;
    let services: Vec<_> = watch.targets.iter().map(ToString::to_string).collect();
    let streams = client.streams_of(services.len() as u64);
    // Without targets all clients ask for the same, whichever replica they are of.
    let replica = replica.filter(|_| client.targets.is_some());
    let effective = match scenario {
        Some(scenario) => scenario.effective()?,
        None => {
            let mut section = serde_json::json!({
                "clients": client.clients,
                "streamsPerService": client.streams_per_service,
                "lifecycle": client.lifecycle,
                "profiles": client.profiles,
                "services": services,
            });
            // As recordings of older versions have it, where there is nothing more to say.
            if client.profile_names != u32::from(client.profiles) {
                section["profileNames"] = client.profile_names.into();
            }
            if client.profile_endpoints {
                section["profileEndpoints"] = true.into();
            }
            if client.policies {
                section["policies"] = true.into();
            }
            if let Some(targets) = client.targets {
                section["targets"] = serde_json::json!(targets);
            }
            serde_json::json!({ "client": section })
        }
    };
    Ok(Header {
        schema_version: SCHEMA_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("DST_LOAD_COMMIT").to_owned(),
        run_id: new_run_id(),
        identity: Identity {
            pods: env::var(POD).into_iter().collect(),
            replicas: replica.into_iter().collect(),
            client_replicas: scenario.map(|it| it.client.replicas),
            ..unique_identity()
        },
        name: scenario.map_or("client", |it| &it.name).to_owned(),
        seed: scenario.map_or(SEED, |it| it.seed),
        scenario: effective,
        streams_requested: streams,
        clients: Some(ClientLoad::of(client, watch.targets.len() as u64)),
        target: TargetInfo {
            kind: environment.kind,
            version: environment.version.clone(),
            forwarded: environment.forwarded,
            flags: Some(environment.flags),
        },
        virtual_time: false,
        namespace: namespace.to_owned(),
        linked_cluster: None,
        deadline_seconds: DEADLINE.as_secs_f64(),
        started: Some(started),
        machine: machine(),
        floor_seconds: None,
        replicas: infos(&environment.addresses, &environment.world),
        path: Some(path_info(
            client,
            client.connections,
            client.streams_of_each(services.len() as u64),
            environment.world.replicas().len(),
        )),
        metrics: environment.metrics.shown(),
        metrics_sought: environment.metrics.sought.clone(),
    })
}
