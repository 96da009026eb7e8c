//! `ab`: two controller builds in turn on this machine, on the sandbox's API or a cluster's,
//! compared.
//!
//! The order alternates from pair to pair (A B, B A, …), so that a machine that gets slower, or
//! faster, does so for both.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use clap::{Args, value_parser};
use dst_load_destination::fleet::Policies;
use dst_load_report::{
    compare::Comparison,
    report::{Ending, Report},
    terminal::Style,
};
use dst_load_scenario::{quantity::Span, scenario::Scenario, words::seconds};
use dst_load_session::{
    recorder::{RunDirectory, write_whole},
    runtime::Shutdown,
};

use super::{
    cluster::ClusterArgs,
    compare::{self, JudgingArgs},
    console::Console,
    environment::EnvironmentChoice,
    namespace::NamespaceArgs,
    output::Format,
    pace::PaceArgs,
    process::CommandLine,
    run::{Outcome, RunConfig, RunOptions, RunRequest, header::suffix},
    scenario::{ScenarioArgs, must_end},
    usage::UsageError,
};
use crate::exit::Exit;

/// Flags of `ab`.
#[derive(Clone, Debug, Args)]
pub struct AbArgs {
    /// What to run.
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// Destination controller to compare with, as for `run --destination-bin`, such as
    /// './before/controller destination'. Use `dst-load-controller destination` for a self-test.
    #[arg(long, value_name = "COMMAND", env)]
    pub baseline_bin: String,
    /// Destination controller to compare.
    #[arg(long, value_name = "COMMAND", env)]
    pub candidate_bin: String,
    /// Namespaces that are allowed by name.
    #[command(flatten)]
    pub allowed: NamespaceArgs,
    /// The cluster on whose API both run, such as a lab's; the sandbox's if none is named, and
    /// KUBECONFIG alone is ignored. Not one where Linkerd is installed: its controllers would load
    /// the API too.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Number of runs of each. With fewer than 5 the comparison is weak.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..), env)]
    pub pairs: u32,
    /// Run one pair first that is not counted, to warm up disks and caches.
    #[arg(long, env)]
    pub warm_up: bool,
    /// How long to try to connect to a controller.
    #[arg(long, default_value = "30s", env)]
    pub connect_timeout: Span,
    /// Limits of requests to the API server.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Run on a cluster although preflight checks fail.
    #[arg(long, env)]
    pub skip_checks: bool,
    /// Schedule the pods on KWOK's nodes only (label `type=kwok`), for clusters that have others
    /// too.
    #[arg(long, env)]
    pub kwok_nodes: bool,
    /// Take CPU and heap profiles of both, and compare them by function. -enable-pprof is added to
    /// both commands. Profiles cost them some percent of their allocations and CPU.
    #[arg(long, env)]
    pub pprof: bool,
    /// Directory for the recordings and the comparison; `runs/ab-<name>-<time>` by default.
    #[arg(long, value_name = "DIR", env)]
    pub output_dir: Option<PathBuf>,
    /// Do not print a line for each run.
    #[arg(long, env)]
    pub no_progress: bool,
    /// How they are judged.
    #[command(flatten)]
    pub judging: JudgingArgs,
}

/// One run of many.
struct Turn {
    /// What it is called in progress.
    name: String,
    /// Where it is saved, below the directory of all.
    place: String,
    candidate: bool,
}

/// Runs both builds in turn, and says how they compare. A signal ends the run of the moment;
/// those before it are compared.
///
/// # Errors
/// If the scenario is wrong, a controller does not come up, or the tool itself fails.
pub async fn run(args: &AbArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    args.judging.check(console.format)?;
    let baseline = CommandLine::parse(&args.baseline_bin)?;
    let candidate = CommandLine::parse(&args.candidate_bin)?;
    let (scenario, noticed) = args.scenario.load()?;
    console.warn(&noticed)?;
    must_end(&scenario, "`ab` needs runs of the same length")?;
    if args.cluster.cluster.is_named() && scenario.federation.is_some() {
        return Err(UsageError(format!(
            "{} spans two clusters, and `ab` runs such a scenario on the sandbox only; remove \
             --context and --kubeconfig",
            scenario.name
        ))
        .into());
    }
    if let Some(namespace) = &args.cluster.namespace {
        args.allowed.check(namespace, [])?;
    }
    let root = match &args.output_dir {
        Some(path) => path.clone(),
        None => {
            let name = format!("ab-{}", scenario.name);
            let directory =
                RunDirectory::create("runs".as_ref(), &name, &suffix(&scenario, false)?)?;
            directory.path().to_owned()
        }
    };
    let shutdown = Shutdown::on_signals().context("signals")?;
    let scenario = Arc::new(scenario);
    let builds = Builds {
        baseline: &baseline,
        candidate: &candidate,
    };
    run_all(args, &builds, &scenario, &root, &shutdown, console).await?;
    let interrupted = shutdown.draining().is_cancelled();
    let sides = ["baseline", "candidate"].map(|side| root.join(side));
    if interrupted && !sides.iter().all(|side| side.exists()) {
        writeln!(
            console.warnings,
            "interrupted before both had run; nothing is compared: {}",
            root.display()
        )?;
        return Ok(Exit::Interrupted);
    }
    // Two builds may say the same version, or none; what was started tells them apart.
    let mut judging = args.judging.clone();
    judging.baseline_name.get_or_insert_with(|| baseline.name());
    judging
        .candidate_name
        .get_or_insert_with(|| candidate.name());
    let [before, after] = sides;
    let compared = compare::compare(&[before], &[after], &judging);
    let comparison = match compared {
        Err(error) if interrupted && error.is::<UsageError>() => {
            writeln!(
                console.warnings,
                "interrupted; nothing is compared: {error}"
            )?;
            return Ok(Exit::Interrupted);
        }
        compared => compared?,
    };
    save(&root, &comparison)?;
    args.judging
        .print(&comparison, console.format, console.out)?;
    writeln!(
        console.warnings,
        "recordings and comparison: {}",
        root.display()
    )?;
    Ok(if interrupted {
        Exit::Interrupted
    } else {
        args.judging.exit(&comparison)
    })
}

/// The two builds, by their command lines.
struct Builds<'a> {
    baseline: &'a CommandLine,
    candidate: &'a CommandLine,
}

/// All runs, one after the other, until a signal.
async fn run_all(
    args: &AbArgs,
    builds: &Builds<'_>,
    scenario: &Arc<Scenario>,
    root: &Path,
    shutdown: &Shutdown,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    for turn in turns(args.pairs, args.warm_up) {
        if shutdown.draining().is_cancelled() {
            break;
        }
        let command = if turn.candidate {
            builds.candidate
        } else {
            builds.baseline
        };
        let directory = RunDirectory::at(&root.join(&turn.place))?;
        let ran = execute(
            args,
            command.clone(),
            scenario,
            &directory,
            shutdown,
            &mut console.warnings,
        );
        let outcome = match ran.await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => {
                abandon(&directory);
                break;
            }
            Err(error) => {
                abandon(&directory);
                return Err(error.context(turn.name));
            }
        };
        if !args.no_progress {
            writeln!(
                console.warnings,
                "{}: {}",
                turn.name,
                told(&outcome.page.report)
            )?;
        }
        if let Some(error) = outcome.error {
            writeln!(console.warnings, "warning: {}: {error}", turn.name)?;
        }
    }
    Ok(())
}

/// Runs the scenario against the controller of this command line, without showing progress or
/// printing the report, and saves it in `directory`; `None` if a signal comes before there is a run.
async fn execute(
    args: &AbArgs,
    command: CommandLine,
    scenario: &Arc<Scenario>,
    directory: &RunDirectory,
    shutdown: &Shutdown,
    warnings: &mut impl Write,
) -> anyhow::Result<Option<Outcome>> {
    let controller = if args.pprof {
        command.with_profiles()
    } else {
        command
    };
    let cluster = &args.cluster;
    let connections = scenario.client.connections;
    let request = RunRequest {
        environment: if cluster.cluster.is_named() {
            EnvironmentChoice::Controller {
                cluster,
                controller,
            }
        } else {
            EnvironmentChoice::Sandbox {
                controller: Some(controller),
                memory_limit: None,
            }
        },
        config: RunConfig {
            connections,
            scenario: Arc::clone(scenario),
            virtual_time: false,
            beside_control_plane: args.allowed.allows_named(cluster),
            namespace: cluster.namespace.clone(),
            connect_timeout: args.connect_timeout,
            kwok_nodes: args.kwok_nodes,
            destination_version: None,
            limits: args.pace.limits(),
            profiles: args.pprof.then(|| directory.path().to_owned()),
            policies: Policies::default(),
            policy_controller: None,
        },
        options: RunOptions {
            warnings: &[],
            keep: false,
            cluster: &cluster.cluster,
            progress: false,
            live: None,
        },
        skip_checks: args.skip_checks,
    };
    let connections = scenario
        .client
        .connections_of(connections, scenario.sandbox.replicas.into());
    request.environment.enough_files(connections)?;
    let outcome = request.execute(directory, shutdown, warnings).await?;
    if let Some(outcome) = &outcome {
        directory.write_reports(&outcome.page)?;
    }
    Ok(outcome)
}

/// Removes the directory of a run that was none.
fn abandon(directory: &RunDirectory) {
    directory.abandon();
    // Only what is empty can be removed like this.
    for made in directory.path().ancestors().skip(1).take(2) {
        let _ = fs::remove_dir(made);
    }
}

/// A run in a few words.
fn told(report: &Report) -> String {
    let mut words = vec![if report.ending == Ending::Interrupted {
        "interrupted".to_owned()
    } else {
        report.verdict.to_string()
    }];
    words.push(seconds(report.duration_seconds));
    if let Some(cpu) = report.target.used.cpu_seconds {
        words.push(format!("CPU {}", seconds(cpu)));
    }
    if let Some(p99) = report.latency.destination.add.p99_seconds {
        words.push(format!("destination add p99 {}", seconds(p99)));
    }
    words.join(", ")
}

/// The turns: the two of a pair change places from pair to pair.
fn turns(pairs: u32, warm_up: bool) -> Vec<Turn> {
    let width = pairs.to_string().len().max(2);
    let side = |candidate| if candidate { "candidate" } else { "baseline" };
    let mut turns = Vec::new();
    if warm_up {
        turns.extend([false, true].map(|candidate| Turn {
            name: format!("warm-up, {}", side(candidate)),
            place: format!("warm-up/{}", side(candidate)),
            candidate,
        }));
    }
    for pair in 1..=pairs {
        let first = pair % 2 == 0;
        turns.extend([first, !first].map(|candidate| Turn {
            name: format!("pair {pair} of {pairs}, {}", side(candidate)),
            place: format!("{}/run-{pair:0width$}", side(candidate)),
            candidate,
        }));
    }
    turns
}

/// Saves the comparison beside the recordings, in every form.
fn save(root: &Path, comparison: &Comparison) -> anyhow::Result<()> {
    for (name, format) in [
        ("comparison.txt", Format::Text),
        ("comparison.md", Format::Markdown),
        ("comparison.json", Format::Json),
        ("comparison.html", Format::Html),
    ] {
        let text = compare::render(comparison, format, Style::PLAIN);
        write_whole(&root.join(name), &text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_of_a_pair_change_places_from_pair_to_pair() {
        let places: Vec<_> = turns(4, true).into_iter().map(|turn| turn.place).collect();
        assert_eq!(
            places,
            [
                "warm-up/baseline",
                "warm-up/candidate",
                "baseline/run-01",
                "candidate/run-01",
                "candidate/run-02",
                "baseline/run-02",
                "baseline/run-03",
                "candidate/run-03",
                "candidate/run-04",
                "baseline/run-04",
            ]
        );
    }

    #[test]
    fn a_turn_runs_the_build_it_is_named_after() {
        for turn in turns(3, true) {
            assert_eq!(turn.candidate, turn.name.contains("candidate"));
            assert_eq!(turn.candidate, turn.place.contains("candidate"));
        }
    }
}
