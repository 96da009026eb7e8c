//! `run`, carried out: scenario and flags → environment → session → report.

use std::sync::Arc;

use anyhow::Context;
use dst_load_scenario::scenario::Scenario;
use dst_load_session::{
    live_page::LivePage, recorder::RunDirectory, runtime::Shutdown, watching::SessionError,
};
use dst_load_transport::{files, listen::Listen};

use super::{
    RunArgs,
    config::RunConfig,
    environment::{choose, over_clusters},
    execute::RunRequest,
    header,
    measure::RunOptions,
};
use crate::{
    cli::{console::Console, namespace::namespace_of_host, push::push, report, scenario::must_end},
    exit::Exit,
};

/// Runs the scenario and prints the report, which has the warnings about the scenario too
/// (`noticed`).
///
/// # Errors
/// If the scenario is wrong, or the tool itself fails.
pub async fn run(
    args: &RunArgs,
    scenario: Scenario,
    noticed: &[String],
    console: &mut Console<'_>,
) -> anyhow::Result<Exit> {
    let scenario = over_clusters(args, scenario)?;
    (args.forward).check_path(&scenario.client, args.virtual_time)?;
    let environment = choose(args, &scenario)?;
    if let Some(namespace) = &args.cluster.namespace {
        let addresses = args.destination.iter().chain(&args.destination_metrics);
        let services = addresses.filter_map(|it| namespace_of_host(it));
        let pods = args.forward.pods();
        let pods = pods.map(|pod| pod.namespace().to_owned());
        args.allowed.check(namespace, services.chain(pods))?;
    }
    if args.virtual_time {
        must_end(&scenario, "virtual time needs an end")?;
    }
    let policies = args.policy.policies(&scenario.client, None)?;
    let policy_controller = args.policy.controller(&scenario.client)?;
    let shutdown = Shutdown::on_signals().context("signals")?;
    let gateway = args.push.gateway()?;
    let connections = args.forward.connections(scenario.client.connections);
    let replicas = u64::from(scenario.sandbox.replicas);
    environment.enough_files(scenario.client.connections_of(connections, replicas))?;
    let live = match args.live {
        Some(at) => {
            let connections = scenario.client.connections_of(connections, replicas);
            Some(serve_live(at, connections, console).await?)
        }
        None => None,
    };
    let directory = match &args.output_dir {
        Some(path) => RunDirectory::at(path)?,
        None => RunDirectory::create(
            "runs".as_ref(),
            &scenario.name,
            &header::suffix(&scenario, args.virtual_time)?,
        )?,
    };
    let request = RunRequest {
        environment,
        config: RunConfig {
            scenario: Arc::new(scenario),
            virtual_time: args.virtual_time,
            beside_control_plane: args.allowed.allows_named(&args.cluster),
            namespace: args.cluster.namespace.clone(),
            connect_timeout: args.connect_timeout,
            connections,
            kwok_nodes: args.kwok_nodes,
            destination_version: args.forward.destination_version.clone(),
            limits: args.pace.limits(),
            profiles: args.pprof.then(|| directory.path().to_owned()),
            policies,
            policy_controller,
        },
        options: RunOptions {
            warnings: noticed,
            keep: args.keep,
            cluster: &args.cluster.cluster,
            progress: !args.no_progress && !args.virtual_time,
            live: live.as_ref(),
        },
        skip_checks: args.skip_checks,
    };
    let executed = request
        .execute(&directory, &shutdown, &mut console.warnings)
        .await?;
    let Some(outcome) = executed else {
        writeln!(console.warnings, "interrupted before anything was made")?;
        return Ok(Exit::Interrupted);
    };
    // First: a disk that is full by now takes nothing away from it.
    report::print(&outcome.page, console)?;
    let saved = directory.write_reports(&outcome.page);
    if let Some(error @ SessionError::Recording(_)) = outcome.error {
        let place = directory.path().display();
        return Err(anyhow::Error::from(error).context(format!("the recording is in {place}")));
    }
    saved?;
    report::announce("recording and reports", &outcome.page, &directory, console)?;
    let pushing = push(gateway.as_ref(), &outcome.page.report, console);
    shutdown.guard(pushing).await??;
    match outcome.error {
        // That is an outcome, and the report has it.
        None | Some(SessionError::Endangered(_)) => {}
        Some(error) => return Err(error.into()),
    }
    Ok(if outcome.interrupted {
        Exit::Interrupted
    } else {
        report::exit(&outcome.page.report)
    })
}

/// Serves the run's page, and prints its URL.
async fn serve_live(
    at: Listen,
    connections: u64,
    console: &mut Console<'_>,
) -> anyhow::Result<LivePage> {
    let live = LivePage::serve(at, files::needed(connections)).await?;
    writeln!(console.warnings, "watch the run at {}", live.url())?;
    Ok(live)
}
