//! `run`, carried out: scenario → World → engine → recording → report.

use std::{io::Write, sync::Arc};

use prometheus_client::registry::Registry;

use super::{RunArgs, floor, header, progress};
use crate::{
    cli::{
        Format, UsageError, observer_place, report,
        world::{CLUSTER_DOMAIN, Chosen},
    },
    exit::Exit,
    live::{
        churn::ChurnMetrics,
        clock::Clock,
        engine::{Engine, EngineError, Options},
        kubernetes::{Actor, Limits, RunIdentity},
        recorder::{Recorder, RunDirectory},
        runtime::Shutdown,
    },
    model::{report::Report, scenario::Scenario},
    sandbox::throttle::{Stall, throttle},
};

/// A run's outcome, before it is an exit code.
struct Outcome {
    report: Report,
    interrupted: bool,
    error: Option<EngineError>,
}

/// Runs the scenario and says what came of it.
///
/// # Errors
/// If the scenario is wrong, or the tool itself fails.
pub async fn run(
    args: &RunArgs,
    scenario: Scenario,
    output: Format,
    out: &mut impl Write,
    warnings: &mut impl Write,
) -> anyhow::Result<Exit> {
    let scenario = Arc::new(scenario);
    let shutdown = Shutdown::new();
    let chosen = choose(args, &scenario).await?;
    let (directory, outcome) = match measure(args, &scenario, &chosen, &shutdown, warnings).await {
        Ok(measured) => measured,
        Err(error) => {
            chosen.shutdown().await;
            return Err(error);
        }
    };
    chosen.shutdown().await;
    directory.write_reports(&outcome.report)?;
    let rendered = report::render(&outcome.report, output, report::style());
    out.write_all(rendered.as_bytes())?;
    writeln!(
        warnings,
        "recording and reports: {}",
        directory.path().display()
    )?;
    if let Some(error) = outcome.error {
        return Err(error.into());
    }
    Ok(if outcome.interrupted {
        Exit::Interrupted
    } else {
        report::exit(&outcome.report)
    })
}

/// The World that the flags ask for (`docs/architecture.md` has the table).
async fn choose(args: &RunArgs, scenario: &Scenario) -> anyhow::Result<Chosen> {
    if args.virtual_time {
        return Ok(Chosen::embedded(scenario));
    }
    let names_cluster = args.cluster.kubeconfig.is_some() || args.cluster.context.is_some();
    match (names_cluster, &args.destination, args.reference) {
        (true, Some(destination), _) => {
            Chosen::cluster(&args.cluster, destination, args.destination_metrics.as_deref()).await
        }
        (true, None, true) => Chosen::reference(&args.cluster, scenario).await,
        (true, None, false) => Err(UsageError(
            "say what to measure on that cluster: --destination HOST:PORT, or --reference".into(),
        )
        .into()),
        (false, None, false) => Chosen::child(scenario).await,
        (false, _, _) => Err(UsageError(
            "say which cluster with --context or --kubeconfig; KUBECONFIG alone never counts here, \
             so that a run cannot churn a cluster by accident"
                .into(),
        )
        .into()),
    }
}

/// The run itself, up to its report, and its cleanup.
async fn measure(
    args: &RunArgs,
    scenario: &Arc<Scenario>,
    chosen: &Chosen,
    shutdown: &Shutdown,
    warnings: &mut impl Write,
) -> anyhow::Result<(RunDirectory, Outcome)> {
    let run_id = header::run_id(scenario, args.virtual_time)?;
    let namespace = args
        .cluster
        .namespace
        .clone()
        .unwrap_or_else(|| format!("{}-{run_id}", scenario.name));
    let directory = match &args.output_dir {
        Some(path) => RunDirectory::at(path)?,
        None => RunDirectory::create(
            "runs".as_ref(),
            &scenario.name,
            &header::suffix(&run_id, args.virtual_time),
        )?,
    };
    let mut actor = Actor::new(
        (chosen.world.kube)()?,
        Clock::start(),
        namespace.clone(),
        RunIdentity {
            id: run_id.clone(),
            scenario: scenario.name.clone(),
        },
        Arc::clone(scenario),
        Limits::default(),
    );
    if args.kwok_nodes {
        actor = actor.on_kwok_nodes();
    }
    let metrics = ChurnMetrics::register(&mut Registry::default(), scenario, actor.caller());
    let engine = Engine::new(
        Arc::clone(scenario),
        Options {
            world: chosen.world.clone(),
            observer: if args.virtual_time {
                observer_place::here
            } else {
                observer_place::own_thread
            },
            target: chosen.target.clone(),
            cluster_domain: CLUSTER_DOMAIN.to_owned(),
            connect_timeout: args.connect_timeout.0,
            sample_self: !args.virtual_time,
        },
        actor,
        metrics,
        Recorder::create(&directory.recording())?,
        shutdown.draining(),
    );
    let stall = if args.virtual_time {
        Stall::Leap
    } else {
        Stall::Sleep {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
        }
    };
    let running = async {
        let floor = if args.virtual_time {
            None
        } else {
            floor::seconds().await
        };
        let header = header::header(
            scenario,
            chosen,
            &run_id,
            &namespace,
            args.virtual_time,
            floor,
        )?;
        anyhow::Ok(tokio::select! {
            biased;
            ended = engine.run(header) => ended,
            never = async {
                throttle(scenario.sandbox.faults.clone(), stall).await;
                std::future::pending().await
            } => never,
            never = progress::show(engine.books(), scenario, !args.no_progress && !args.virtual_time) => match never {},
        })
    };
    // A second signal cuts the run off where it stands; what it had seen is reported all the same.
    let ended = shutdown.guard(running).await?;
    let (interrupted, error) = ended.unwrap_or(Ok((true, None)))?;
    let report = engine
        .report()?
        .ok_or_else(|| anyhow::anyhow!("interrupted before the run had begun"))?;
    if args.keep {
        writeln!(
            warnings,
            "kept: `dst-load-controller cleanup --run-id {run_id}` removes what was made"
        )?;
    } else {
        clean_up(&engine, shutdown, &run_id, warnings).await?;
    }
    Ok((
        directory,
        Outcome {
            report,
            interrupted,
            error,
        },
    ))
}

/// Deletes what was made. What goes wrong is told, and changes no verdict.
async fn clean_up<W: Write>(
    engine: &Engine<W>,
    shutdown: &Shutdown,
    run_id: &str,
    warnings: &mut impl Write,
) -> anyhow::Result<()> {
    let left = match shutdown.guard(engine.cleanup()).await? {
        Ok(Ok(cleaned)) if cleaned.remaining.is_empty() => return Ok(()),
        Ok(Ok(cleaned)) => format!("{} objects are still there", cleaned.remaining.len()),
        Ok(Err(error)) => error.to_string(),
        Err(aborted) => aborted.to_string(),
    };
    writeln!(
        warnings,
        "warning: cleaning up was not finished ({left}): \
         `dst-load-controller cleanup --run-id {run_id}` does the rest"
    )?;
    Ok(())
}
