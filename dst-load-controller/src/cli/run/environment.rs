//! Which environment the flags of `run` ask for.

use dst_load_scenario::scenario::Scenario;

use super::RunArgs;
use crate::cli::{
    environment::{ClusterTarget, EnvironmentChoice},
    process::CommandLine,
    usage::UsageError,
};

/// The scenario over the clusters that are named: with a second one, any scenario spans both.
///
/// # Errors
/// If one cluster is named and two are needed, or the other way round.
pub(super) fn over_clusters(
    args: &RunArgs,
    mut scenario: Scenario,
) -> Result<Scenario, UsageError> {
    let named = args.cluster.cluster.is_named();
    match args.target_cluster.named() {
        Some(_) if !named => Err(UsageError(
            "--churn-context names the target cluster, and no source cluster is named; add \
             --context"
                .into(),
        )),
        Some(_) => {
            scenario.federation.get_or_insert_default();
            Ok(scenario)
        }
        None if named && scenario.federation.is_some() => Err(UsageError(format!(
            "{} spans two clusters, and no target cluster is named; add --churn-context",
            scenario.name
        ))),
        None => Ok(scenario),
    }
}

/// The environment for `scenario` (`docs/architecture.md` has the table).
///
/// # Errors
/// If flags are missing, or contradict each other.
pub(super) fn choose<'a>(
    args: &'a RunArgs,
    scenario: &Scenario,
) -> Result<EnvironmentChoice<'a>, UsageError> {
    if args.virtual_time {
        return Ok(EnvironmentChoice::InProcess);
    }
    let cluster_named = args.cluster.cluster.is_named();
    let destination_named =
        !args.destination.is_empty() || !args.forward.destination_pod.is_empty();
    check_profiles(args, cluster_named, destination_named)?;
    match (cluster_named, destination_named, args.reference) {
        (true, true, _) => Ok(EnvironmentChoice::Cluster(ClusterTarget {
            cluster: &args.cluster,
            target_cluster: args.target_cluster.named(),
            replicas: &args.destination,
            metrics: &args.destination_metrics,
            forward: &args.forward,
            windows: (&scenario.client).into(),
            flags: scenario.flags,
        })),
        (true, false, true) => Ok(EnvironmentChoice::Reference {
            cluster: &args.cluster,
            target_cluster: args.target_cluster.named(),
        }),
        (true, false, false) => Err(UsageError(
            "a cluster is named, and no destination controller; add --destination HOST:PORT, \
             --destination-pod POD, or --reference"
                .into(),
        )),
        (false, false, false) => {
            let line = args.destination_bin.as_deref();
            let line = line.map(CommandLine::parse).transpose()?;
            Ok(EnvironmentChoice::Sandbox {
                controller: if args.pprof {
                    line.map(CommandLine::with_profiles)
                } else {
                    line
                },
                memory_limit: args.forward.destination_memory_limit,
            })
        }
        (false, _, _) => Err(UsageError(
            "no cluster is named; add --context or --kubeconfig. KUBECONFIG alone is ignored, so \
             that a run cannot churn a cluster by accident"
                .into(),
        )),
    }
}

/// Refuses `--pprof` where there is no profile to take.
fn check_profiles(
    args: &RunArgs,
    cluster_named: bool,
    destination_named: bool,
) -> Result<(), UsageError> {
    if !args.pprof {
        return Ok(());
    }
    let own_controller = !cluster_named && args.destination_bin.is_some();
    if !destination_named && !own_controller {
        return Err(UsageError(
            "--pprof: the reference destination has no profiles; name a real controller with \
             --destination-bin, or with a cluster and --destination"
                .into(),
        ));
    }
    if !args.destination.is_empty() && args.destination_metrics.is_empty() {
        return Err(UsageError(
            "--pprof reads profiles where the controller serves its metrics; add \
             --destination-metrics"
                .into(),
        ));
    }
    Ok(())
}
