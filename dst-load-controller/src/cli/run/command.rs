//! `run`, carried out: scenario → World → engine → recording → report.

use std::{
    borrow::Cow,
    convert::Infallible,
    fmt,
    io::{self, Write},
    sync::Arc,
};

use super::{RunArgs, floor, header, progress, setting::Setting};
use crate::{
    cli::{
        Format, UsageError, check,
        cluster::{ClusterArgs, KubeconfigArgs},
        push::push,
        report,
        sandbox::controller::CommandLine,
        scenario::must_end,
        world::{Chosen, Controller},
    },
    exit::Exit,
    listen::Listen,
    live::{
        engine::{Engine, EngineError},
        files,
        kubernetes::Limits,
        live_page::LivePage,
        recorder::{Recorder, RunDirectory},
        runtime::{Aborted, Shutdown},
    },
    model::{
        quantity::Span,
        report::{next, page::Page},
        scenario::Scenario,
        warning::Warning,
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
struct Manner<'a> {
    /// What its author may not expect of the scenario.
    noticed: &'a [String],
    keep: bool,
    /// The cluster as it was named, for the command that cleans up.
    cluster: &'a KubeconfigArgs,
    progress: bool,
    /// Who serves its page meanwhile.
    live: Option<&'a LivePage>,
}

/// Runs the scenario and says what came of it; the report has what was `noticed` of the scenario.
///
/// # Errors
/// If the scenario is wrong, or the tool itself fails.
pub async fn run(
    args: &RunArgs,
    scenario: Scenario,
    noticed: &[String],
    output: Format,
    out: &mut impl Write,
    warnings: &mut impl Write,
) -> anyhow::Result<Exit> {
    let scenario = over_clusters(args, scenario)?;
    let choice = decide(args)?;
    let shared = args.forward.connections(scenario.client.connections);
    let connections = scenario.client.connections_of(shared);
    // On a cluster it is one of the checks.
    if let Choice::Child { .. } = choice {
        files::enough_for(connections)?;
    }
    if args.virtual_time {
        must_end(&scenario, "in virtual time that is never")?;
    }
    let shutdown = Shutdown::new();
    let gateway = args.push.gateway()?;
    let live = match args.live {
        Some(at) => Some(serve_live(at, connections, warnings).await?),
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
        profiles: args.pprof.then(|| directory.path().to_owned()),
    };
    let manner = Manner {
        noticed,
        keep: args.keep,
        cluster: &args.cluster.cluster,
        progress: !args.no_progress && !args.virtual_time,
        live: live.as_ref(),
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
    push(gateway.as_ref(), &outcome.page.report, warnings).await?;
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

/// A controller of the user's own, and how a scenario is run against it.
pub(in crate::cli) struct Build<'a> {
    /// What to run.
    pub(in crate::cli) scenario: &'a Arc<Scenario>,
    /// The controller's command line.
    pub(in crate::cli) command: &'a str,
    /// The cluster on whose API it is started; the sandbox's if none is named.
    pub(in crate::cli) cluster: &'a ClusterArgs,
    /// Runs on a cluster though `check` says that it will not work.
    pub(in crate::cli) skip_checks: bool,
    /// How long to try to reach it.
    pub(in crate::cli) connect_timeout: Span,
    /// Whether the pods must keep to KWOK's nodes.
    pub(in crate::cli) kwok_nodes: bool,
    /// How hard the API server may be pressed.
    pub(in crate::cli) limits: Limits,
    /// Whether to take profiles.
    pub(in crate::cli) pprof: bool,
}

/// Runs a scenario against a controller of the user's own, without showing progress or printing the
/// report, and saves it in `directory`.
///
/// # Errors
/// If the controller does not come up, the cluster will not do, or the tool itself fails.
pub(in crate::cli) async fn with_controller(
    build: &Build<'_>,
    directory: &RunDirectory,
    shutdown: &Shutdown,
    warnings: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let Build {
        scenario, cluster, ..
    } = build;
    let log = directory.destination_log();
    let command = command(build.command, build.pprof)?;
    let controller = Controller {
        command: &command,
        log: &log,
    };
    let chosen = if cluster.cluster.is_named() {
        let chosen = Chosen::controlled(cluster, scenario, controller).await?;
        let namespace = cluster.namespace.as_deref();
        checked(chosen, build.skip_checks, namespace, scenario, warnings).await?
    } else {
        let shared = scenario.client.connections;
        files::enough_for(scenario.client.connections_of(shared))?;
        Chosen::child(scenario, Some(controller)).await?
    };
    let setting = Setting {
        chosen: chosen.sharing(scenario.client.connections),
        scenario: Arc::clone(scenario),
        virtual_time: false,
        namespace: cluster.namespace.clone(),
        connect_timeout: build.connect_timeout,
        kwok_nodes: build.kwok_nodes,
        limits: build.limits,
        profiles: build.pprof.then(|| directory.path().to_owned()),
    };
    let manner = Manner {
        noticed: &[],
        keep: false,
        cluster: &cluster.cluster,
        progress: false,
        live: None,
    };
    let measured = measure(&manner, &setting, directory, shutdown, warnings).await;
    setting.chosen.shutdown().await;
    let outcome = measured?;
    directory.write_reports(&outcome.page)?;
    Ok(outcome)
}

/// Serves the run's page, and says where.
async fn serve_live(
    at: Listen,
    connections: u64,
    warnings: &mut impl Write,
) -> anyhow::Result<LivePage> {
    let live = LivePage::serve(at, files::needed(connections)).await?;
    writeln!(warnings, "watch the run at {}", live.url())?;
    Ok(live)
}

/// The controller's command line, with what profiles need if they are wanted.
fn command(command: &str, pprof: bool) -> Result<String, UsageError> {
    if pprof {
        CommandLine::profiled(command)
    } else {
        Ok(command.to_owned())
    }
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
    let of_its_own = !named && args.destination_bin.is_some();
    if args.pprof && !somewhere && !of_its_own {
        return Err(UsageError(
            "--pprof takes profiles of a real controller, and the reference destination has none; \
             name one with --destination-bin, or a cluster and --destination"
                .into(),
        ));
    }
    if args.pprof && !replicas.is_empty() && args.destination_metrics.is_empty() {
        return Err(UsageError(
            "--pprof asks where the controller serves its metrics; say where with \
             --destination-metrics"
                .into(),
        ));
    }
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
            let command = controller
                .map(|line| command(line, args.pprof))
                .transpose()?;
            let controller = command
                .as_ref()
                .map(|command| Controller { command, log: &log });
            let chosen = Chosen::child(scenario, controller).await?;
            return chosen.limited(args.forward.destination_memory_limit).await;
        }
        Choice::Cluster { replicas } => {
            let target = args.target_cluster.named();
            let metrics = &args.destination_metrics;
            let lifecycle = scenario.client.lifecycle;
            let way = &args.forward;
            Chosen::cluster(&args.cluster, target, replicas, metrics, lifecycle, way)
                .await?
                .set_up(scenario.flags)
        }
        Choice::Reference => {
            let target = args.target_cluster.named();
            Chosen::reference(&args.cluster, target, scenario).await?
        }
    };
    let namespace = args.cluster.namespace.as_deref();
    checked(chosen, args.skip_checks, namespace, scenario, warnings).await
}

/// The cluster, if a run on it would work; nothing stands if it would not.
async fn checked(
    chosen: Chosen,
    skip: bool,
    namespace: Option<&str>,
    scenario: &Scenario,
    warnings: &mut impl Write,
) -> anyhow::Result<Chosen> {
    if !skip && let Err(error) = check::before_run(&chosen, namespace, scenario, warnings).await {
        chosen.shutdown().await;
        return Err(error);
    }
    Ok(chosen)
}

/// The run itself, up to its report, and its cleanup.
async fn measure(
    manner: &Manner<'_>,
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
    for message in manner.noticed.iter().cloned() {
        engine.note(Warning::Scenario { message });
    }
    let running = async {
        if !setting.virtual_time {
            header.floor_seconds = floor::seconds().await;
        }
        tokio::select! {
            biased;
            ended = engine.run(header) => ended,
            never = setting.stall() => match never {},
            never = progress::show(engine.books(), scenario, manner.progress) => match never {},
            never = follow(manner.live, &engine) => match never {},
        }
    };
    // A second signal cuts the run off where it stands; what it had seen is reported all the same.
    let (interrupted, error) = shutdown.guard(running).await?.unwrap_or((true, None));
    let Some(mut page) = engine.report()?.and_then(|report| engine.page(report)) else {
        writeln!(warnings, "interrupted before the run had begun")?;
        return Err(Aborted.into());
    };
    if let Some(live) = manner.live {
        live.finish(&page);
    }
    let cleanup = Cleanup {
        command: cleanup_command(manner.cluster, &run_id),
        place: where_to(setting),
    };
    if manner.keep {
        writeln!(warnings, "kept: {cleanup} removes what was made")?;
    } else if let Some(left) = left_behind(&engine, shutdown).await? {
        writeln!(
            warnings,
            "warning: cleaning up was not finished ({left}): {cleanup} does the rest"
        )?;
        engine.amend(Warning::CleanupFailed {
            error: left,
            run_id,
        })?;
        if let Some(amended) = engine.report()?.and_then(|report| engine.page(report)) {
            page = amended;
        }
        if let Some(live) = manner.live {
            live.finish(&page);
        }
    }
    if let Some(live) = manner.live {
        live.was_seen().await;
    }
    Ok(Outcome {
        page,
        interrupted,
        error,
    })
}

/// Shows the run to whoever looks at its page.
async fn follow<W: Write>(live: Option<&LivePage>, engine: &Engine<W>) -> Infallible {
    match live {
        Some(live) => live.answer(|| engine.page_so_far()).await,
        None => std::future::pending().await,
    }
}

/// How what a run made can be removed later.
struct Cleanup {
    command: String,
    place: &'static str,
}

/// The command that removes what the run made.
fn cleanup_command(cluster: &KubeconfigArgs, run_id: &str) -> String {
    let file = cluster.kubeconfig.as_ref().map(|it| it.to_string_lossy());
    let context = cluster.context.as_deref().map(Cow::Borrowed);
    let mut command = "dst-load-controller cleanup".to_owned();
    for (flag, value) in [("--kubeconfig", file), ("--context", context)] {
        if let Some(value) = value {
            let quoted = shlex::try_quote(&value).unwrap_or(Cow::Borrowed(&value));
            command.push_str(&format!(" {flag} {quoted}"));
        }
    }
    command.push_str(" --run-id ");
    command.push_str(run_id);
    command
}

/// Where a cleanup must be asked for, where that is not one cluster alone.
const fn where_to(setting: &Setting) -> &'static str {
    if setting.chosen.target_cluster.is_some() {
        ", in each of the two clusters,"
    } else {
        ""
    }
}

/// Deletes what was made; what went wrong, if anything did, which changes no verdict.
async fn left_behind<W: Write>(
    engine: &Engine<W>,
    shutdown: &Shutdown,
) -> io::Result<Option<String>> {
    Ok(match shutdown.guard(engine.cleanup()).await? {
        Ok(Ok(cleaned)) => cleaned.left(),
        Ok(Err(error)) => Some(error.to_string()),
        Err(aborted) => Some(aborted.to_string()),
    })
}

// === impl Cleanup ===

impl fmt::Display for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`{}", self.command, self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_cleans_up_names_the_cluster_that_was_named() {
        let mut cluster = KubeconfigArgs::default();
        let plain = "dst-load-controller cleanup --run-id r1";
        assert_eq!(cleanup_command(&cluster, "r1"), plain);
        cluster.kubeconfig = Some("my lab/config".into());
        cluster.context = Some("lab-1".to_owned());
        assert_eq!(
            cleanup_command(&cluster, "r1"),
            "dst-load-controller cleanup --kubeconfig 'my lab/config' --context lab-1 --run-id r1"
        );
    }
}
