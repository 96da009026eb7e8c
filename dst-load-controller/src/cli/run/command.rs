//! `run`, carried out: scenario → World → engine → recording → report.

use std::{io::Write, sync::Arc};

use super::{RunArgs, floor, header, progress, setting::Setting};
use crate::{
    cli::{
        Format, UsageError, check, report,
        sandbox::controller::CommandLine,
        world::{Chosen, Controller},
    },
    exit::Exit,
    live::{
        engine::{Engine, EngineError},
        kubernetes::Limits,
        recorder::{Recorder, RunDirectory},
        runtime::Shutdown,
    },
    model::{
        quantity::Span,
        report::{next, page::Page},
        scenario::Scenario,
    },
};

/// A run's outcome, before it is an exit code.
pub(in crate::cli) struct Outcome {
    /// What it says.
    pub(in crate::cli) page: Page,
    interrupted: bool,
    /// What ended it, if it was neither its plan nor a signal.
    pub(in crate::cli) error: Option<EngineError>,
}

/// What else a run must know.
struct Manner {
    keep: bool,
    progress: bool,
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
    let scenario = over_clusters(args, scenario)?;
    let choice = decide(args)?;
    let shutdown = Shutdown::new();
    let directory = match &args.output_dir {
        Some(path) => RunDirectory::at(path)?,
        None => RunDirectory::create(
            "runs".as_ref(),
            &scenario.name,
            &header::suffix(&scenario, args.virtual_time)?,
        )?,
    };
    let chosen = match choose(choice, args, &scenario, &directory, warnings).await {
        Ok(chosen) => chosen.sharing(args.forward.connections(scenario.client.connections)),
        Err(error) => {
            directory.abandon();
            return Err(error);
        }
    };
    let setting = Setting {
        chosen,
        scenario: Arc::new(scenario),
        virtual_time: args.virtual_time,
        namespace: args.cluster.namespace.clone(),
        connect_timeout: args.connect_timeout,
        kwok_nodes: args.kwok_nodes,
        limits: args.pace.limits(),
    };
    let manner = Manner {
        keep: args.keep,
        progress: !args.no_progress && !args.virtual_time,
    };
    let measured = measure(&manner, &setting, &directory, &shutdown, warnings).await;
    setting.chosen.shutdown().await;
    let outcome = measured?;
    directory.write_reports(&outcome.page)?;
    let rendered = report::render(&outcome.page, output, report::style());
    out.write_all(rendered.as_bytes())?;
    let place = directory.path().display().to_string();
    writeln!(warnings, "recording and reports: {place}")?;
    writeln!(warnings, "{}", next::command(&outcome.page.report, &place))?;
    match outcome.error {
        // That is an outcome, and the report has said it.
        None | Some(EngineError::Endangered(_)) => {}
        Some(error) => return Err(error.into()),
    }
    Ok(if outcome.interrupted {
        Exit::Interrupted
    } else {
        report::exit(&outcome.page.report)
    })
}

/// Runs the scenario on the sandbox's API against a controller of the user's own, without showing
/// progress or printing the report, and saves it in `directory`.
///
/// # Errors
/// If the controller does not come up, or the tool itself fails.
pub(in crate::cli) async fn with_controller(
    scenario: &Arc<Scenario>,
    command: &str,
    connect_timeout: Span,
    directory: &RunDirectory,
    shutdown: &Shutdown,
    warnings: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let log = directory.destination_log();
    let controller = Controller { command, log: &log };
    let chosen = Chosen::child(scenario, Some(controller)).await?;
    let setting = Setting {
        chosen: chosen.sharing(scenario.client.connections),
        scenario: Arc::clone(scenario),
        virtual_time: false,
        namespace: None,
        connect_timeout,
        kwok_nodes: false,
        limits: Limits::default(),
    };
    let manner = Manner {
        keep: false,
        progress: false,
    };
    let measured = measure(&manner, &setting, directory, shutdown, warnings).await;
    setting.chosen.shutdown().await;
    let outcome = measured?;
    directory.write_reports(&outcome.page)?;
    Ok(outcome)
}

/// The scenario over the clusters that are named: with a second one, any scenario spans both.
fn over_clusters(args: &RunArgs, mut scenario: Scenario) -> Result<Scenario, UsageError> {
    let named = args.cluster.cluster.is_named();
    match args.target_cluster.named() {
        Some(_) if !named => Err(UsageError(
            "--churn-context names the cluster that is churned; say with --context which one's \
             destination controller is asked"
                .into(),
        )),
        Some(_) => {
            scenario.federation.get_or_insert_default();
            Ok(scenario)
        }
        None if named && scenario.federation.is_some() => Err(UsageError(format!(
            "{} spans two clusters; say with --churn-context which one is churned",
            scenario.name
        ))),
        None => Ok(scenario),
    }
}

/// A World, before anything of it stands.
enum Choice<'a> {
    Embedded,
    Child { controller: Option<&'a str> },
    Cluster { replicas: &'a [String] },
    Reference,
}

/// The World that the flags ask for (`docs/architecture.md` has the table).
fn decide(args: &RunArgs) -> Result<Choice<'_>, UsageError> {
    if args.virtual_time {
        return Ok(Choice::Embedded);
    }
    let named = args.cluster.cluster.is_named();
    let replicas = args.destination.as_slice();
    let somewhere = !replicas.is_empty() || args.forward.destination_pod.is_some();
    match (named, somewhere, args.reference) {
        (true, true, _) => Ok(Choice::Cluster { replicas }),
        (true, false, true) => Ok(Choice::Reference),
        (true, false, false) => Err(UsageError(
            "say what to measure on that cluster: --destination HOST:PORT, --destination-pod POD, \
             or --reference"
                .into(),
        )),
        (false, false, false) => {
            let controller = args.destination_bin.as_deref();
            controller.map(CommandLine::parse).transpose()?;
            Ok(Choice::Child { controller })
        }
        (false, _, _) => Err(UsageError(
            "say which cluster with --context or --kubeconfig; KUBECONFIG alone never counts here, \
             so that a run cannot churn a cluster by accident"
                .into(),
        )),
    }
}

async fn choose(
    choice: Choice<'_>,
    args: &RunArgs,
    scenario: &Scenario,
    directory: &RunDirectory,
    warnings: &mut impl Write,
) -> anyhow::Result<Chosen> {
    let chosen = match choice {
        Choice::Embedded => return Ok(Chosen::embedded(scenario)),
        Choice::Child { controller } => {
            let log = directory.destination_log();
            let controller = controller.map(|command| Controller { command, log: &log });
            let chosen = Chosen::child(scenario, controller).await?;
            return chosen.limited(args.forward.destination_memory_limit).await;
        }
        Choice::Cluster { replicas } => {
            let target = args.target_cluster.named();
            let metrics = &args.destination_metrics;
            let lifecycle = scenario.client.lifecycle;
            let way = &args.forward;
            Chosen::cluster(&args.cluster, target, replicas, metrics, lifecycle, way).await?
        }
        Choice::Reference => {
            let target = args.target_cluster.named();
            Chosen::reference(&args.cluster, target, scenario).await?
        }
    };
    if !args.skip_checks {
        let namespace = args.cluster.namespace.as_deref();
        let checked = check::before_run(&chosen, namespace, scenario, warnings).await;
        if let Err(error) = checked {
            chosen.shutdown().await;
            return Err(error);
        }
    }
    Ok(chosen)
}

/// The run itself, up to its report, and its cleanup.
async fn measure(
    manner: &Manner,
    setting: &Setting,
    directory: &RunDirectory,
    shutdown: &Shutdown,
    warnings: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let mut header = setting.header()?;
    let run_id = header.run_id.clone();
    let scenario = &setting.scenario;
    let recorder = Recorder::create(&directory.recording())?;
    let engine = setting.engine(&header, recorder, shutdown.draining())?;
    let running = async {
        if !setting.virtual_time {
            header.floor_seconds = floor::seconds().await;
        }
        tokio::select! {
            biased;
            ended = engine.run(header) => ended,
            never = setting.stall() => match never {},
            never = progress::show(engine.books(), scenario, manner.progress) => match never {},
        }
    };
    // A second signal cuts the run off where it stands; what it had seen is reported all the same.
    let (interrupted, error) = shutdown.guard(running).await?.unwrap_or((true, None));
    let page = engine
        .report()?
        .and_then(|report| engine.page(report))
        .ok_or_else(|| anyhow::anyhow!("interrupted before the run had begun"))?;
    if manner.keep {
        writeln!(
            warnings,
            "kept: `dst-load-controller cleanup --run-id {run_id}` removes what was made{}",
            where_to(setting)
        )?;
    } else {
        clean_up(&engine, setting, shutdown, &run_id, warnings).await?;
    }
    Ok(Outcome {
        page,
        interrupted,
        error,
    })
}

/// Where a cleanup must be asked for, where that is not one cluster alone.
const fn where_to(setting: &Setting) -> &'static str {
    if setting.chosen.target_cluster.is_some() {
        ", in each of the two clusters"
    } else {
        ""
    }
}

/// Deletes what was made. What goes wrong is told, and changes no verdict.
async fn clean_up<W: Write>(
    engine: &Engine<W>,
    setting: &Setting,
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
         `dst-load-controller cleanup --run-id {run_id}` does the rest{}",
        where_to(setting)
    )?;
    Ok(())
}
