//! `run`, carried out: scenario → World → engine → recording → report.

use std::{io::Write, sync::Arc};

use anyhow::Context;
use dst_load_kubernetes::actor::Limits;
use dst_load_report::report::{next, page::Page};
use dst_load_scenario::{quantity::Span, scenario::Scenario};
use dst_load_session::{
    live_page::LivePage, recorder::RunDirectory, runtime::Shutdown, watching::SessionError,
};
use dst_load_transport::{files, listen::Listen};

use super::{RunArgs, header, measure::measure, setting::Setting};
use crate::{
    cli::{
        Format, UsageError, check,
        cluster::{ClusterArgs, KubeconfigArgs},
        namespace::{NamespaceArgs, namespace_of_host},
        push::push,
        report,
        sandbox::controller::CommandLine,
        scenario::must_end,
        world::{Chosen, Controller},
    },
    exit::Exit,
};

/// A run's outcome, before it is an exit code.
pub(in crate::cli) struct Outcome {
    /// What it says.
    pub(in crate::cli) page: Page,
    pub(super) interrupted: bool,
    /// What ended it, if it was neither its plan nor a signal.
    pub(in crate::cli) error: Option<SessionError>,
}

/// What else a run must know.
pub(super) struct Manner<'a> {
    /// What its author may not expect of the scenario.
    pub(super) noticed: &'a [String],
    pub(super) keep: bool,
    /// The cluster as it was named, for the command that cleans up.
    pub(super) cluster: &'a KubeconfigArgs,
    pub(super) progress: bool,
    /// Who serves its page meanwhile.
    pub(super) live: Option<&'a LivePage>,
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
    if let Some(namespace) = &args.cluster.namespace {
        let addresses = args.destination.iter().chain(&args.destination_metrics);
        let services = addresses.filter_map(|it| namespace_of_host(it));
        let pod = args.forward.destination_pod.as_ref();
        let pods = pod.map(|pod| pod.namespace.clone());
        args.allowed.check(namespace, services.chain(pods))?;
    }
    let shared = args.forward.connections(scenario.client.connections);
    let connections = scenario.client.connections_of(shared);
    // On a cluster it is one of the checks.
    if let Choice::Child { .. } = choice {
        files::enough_for(connections)?;
    }
    if args.virtual_time {
        must_end(&scenario, "in virtual time that is never")?;
    }
    let shutdown = Shutdown::on_signals().context("signals")?;
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
    let choosing = choose(choice, args, &scenario, &directory, warnings);
    let chosen = match shutdown.until_drained(choosing).await {
        Some(Ok(chosen)) => chosen.sharing(args.forward.connections(scenario.client.connections)),
        Some(Err(error)) => {
            directory.abandon();
            return Err(error);
        }
        None => {
            directory.abandon();
            writeln!(warnings, "interrupted before anything was made")?;
            return Ok(Exit::Interrupted);
        }
    };
    let setting = Setting {
        chosen,
        scenario: Arc::new(scenario),
        virtual_time: args.virtual_time,
        beside_control_plane: allows(&args.allowed, &args.cluster),
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
    let place = directory.path().display().to_string();
    let outcome = measured.with_context(|| format!("what was recorded is in {place}"))?;
    // First: a disk that is full by now takes nothing away from it.
    let rendered = report::render(&outcome.page, output, report::style());
    out.write_all(rendered.as_bytes())?;
    let saved = directory.write_reports(&outcome.page);
    if let Some(error @ SessionError::Recording(_)) = outcome.error {
        return Err(anyhow::Error::from(error).context(format!("what was recorded is in {place}")));
    }
    saved?;
    writeln!(warnings, "recording and reports: {place}")?;
    writeln!(warnings, "{}", next::command(&outcome.page.report, &place))?;
    let pushing = push(gateway.as_ref(), &outcome.page.report, warnings);
    shutdown.guard(pushing).await??;
    match outcome.error {
        // That is an outcome, and the report has said it.
        None | Some(SessionError::Endangered(_)) => {}
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
    /// Where it may run all the same.
    pub(in crate::cli) allowed: &'a NamespaceArgs,
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
/// report, and saves it in `directory`; `None` if a signal comes before there is a run.
///
/// # Errors
/// If the controller does not come up, the cluster will not do, or the tool itself fails.
pub(in crate::cli) async fn with_controller(
    build: &Build<'_>,
    directory: &RunDirectory,
    shutdown: &Shutdown,
    warnings: &mut impl Write,
) -> anyhow::Result<Option<Outcome>> {
    let Build {
        scenario, cluster, ..
    } = build;
    let log = directory.destination_log();
    let command = command(build.command, build.pprof)?;
    let controller = Controller {
        command: &command,
        log: &log,
    };
    let choosing = async {
        if cluster.cluster.is_named() {
            let chosen = Chosen::controlled(cluster, scenario, controller).await?;
            let namespace = cluster.namespace.as_deref();
            checked(chosen, build.skip_checks, namespace, scenario, warnings).await
        } else {
            let shared = scenario.client.connections;
            files::enough_for(scenario.client.connections_of(shared))?;
            Chosen::child(scenario, Some(controller)).await
        }
    };
    let Some(chosen) = shutdown.until_drained(choosing).await else {
        return Ok(None);
    };
    let chosen = chosen?;
    let setting = Setting {
        chosen: chosen.sharing(scenario.client.connections),
        scenario: Arc::clone(scenario),
        virtual_time: false,
        beside_control_plane: allows(build.allowed, cluster),
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
    Ok(Some(outcome))
}

/// Whether the namespace that is named was allowed by its name.
fn allows(allowed: &NamespaceArgs, cluster: &ClusterArgs) -> bool {
    let named = cluster.namespace.as_deref();
    named.is_some_and(|namespace| allowed.allows(namespace))
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
