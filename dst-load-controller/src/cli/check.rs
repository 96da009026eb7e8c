//! `check`: whether a run would work, in the way of `linkerd check`; touches nothing.

use std::{io, sync::Arc};

use clap::{Args, ValueEnum};
use dst_load_kubernetes::actor::permissions::Purpose;
use dst_load_report::check::Findings;
use dst_load_scenario::{
    federation::Site,
    flags::Flags,
    scenario::{Backend, Lifecycle, Scenario},
};
use dst_load_session::check::{Destination, Subject, Wants, check, check_target};
use dst_load_transport::world::World;

use super::{
    cluster::{CLUSTER_DOMAIN, ClusterArgs, TargetClusterArgs},
    console::Console,
    environment::{ClusterTarget, Environment},
    forward::ForwardArgs,
    namespace::{NamespaceArgs, namespace_of_host},
    scenario,
};
use crate::exit::Exit;

/// Flags of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Scenario to check for: a file, or the name of a built-in one. Without it, capacity is not
    /// checked.
    #[arg(value_name = "SCENARIO", env)]
    pub scenario: Option<String>,
    /// Override a value of the scenario, as Helm does. Can be repeated.
    #[arg(long, value_name = "KEY=VALUE", requires = "scenario")]
    pub set: Vec<String>,
    /// Check only what `churn` or `client` needs, where the two run apart, each with permissions of
    /// its own.
    #[arg(long, value_name = "HALF", env)]
    pub half: Option<Half>,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Namespaces that are allowed by name.
    #[command(flatten)]
    pub allowed: NamespaceArgs,
    /// Which cluster is churned, if that is another one.
    #[command(flatten)]
    pub target_cluster: TargetClusterArgs,
    /// Address of the destination controller; not checked by default. Of several replicas, the
    /// first is checked.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', env)]
    pub destination: Vec<String>,
    /// URL of the destination controller's metrics, of each replica; not checked by default.
    #[arg(long, value_name = "URL", value_delimiter = ',', env)]
    pub destination_metrics: Vec<String>,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Half {
    /// The churner, which acts on Kubernetes.
    Churn,
    /// The client, which holds streams and observes.
    Client,
}

/// The namespace that permissions are asked for where none is named: a run makes one of its own,
/// and what holds for any holds for that.
const ANY_NAMESPACE: &str = "dst-load";

/// Runs the checks and prints the findings.
///
/// # Errors
/// A wrong scenario or address, or no cluster.
pub async fn run(args: &CheckArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let output = console.format.plain()?;
    if let Some(namespace) = &args.cluster.namespace
        && args.half != Some(Half::Client)
    {
        let addresses = args.destination.iter().chain(&args.destination_metrics);
        let controllers = addresses.filter_map(|it| namespace_of_host(it));
        args.allowed.check(namespace, controllers)?;
    }
    let scenario = match &args.scenario {
        Some(name) => Some(scenario::shape(Some(name), &args.set, None)?),
        None => None,
    };
    // Nothing is dialled where no destination is named, so that any address does.
    let unnamed = ["127.0.0.1:1".to_owned()];
    let (environment, _) = Environment::cluster(ClusterTarget {
        cluster: &args.cluster,
        target_cluster: args.target_cluster.named(),
        replicas: if args.destination.is_empty() {
            &unnamed
        } else {
            &args.destination
        },
        metrics: &args.destination_metrics,
        forward: &ForwardArgs::default(),
        windows: Lifecycle::Eternal.into(),
        flags: Flags::default(),
    })
    .await?;
    let findings = find(
        &environment,
        Some(Destination {
            streams: !args.destination.is_empty(),
            target: environment.target.as_ref(),
        }),
        args.cluster.namespace.as_deref(),
        scenario.as_ref(),
        args.half,
    )
    .await;
    console.print(output, &findings)?;
    Ok(if findings.failed().next().is_some() {
        Exit::Broken
    } else {
        Exit::Pass
    })
}

/// Looks at the cluster before a run, and refuses it where something would fail; what that is goes
/// to `warnings`. The destination controller is left to the run, which waits for it for a while.
///
/// # Errors
/// A finding that failed.
pub(super) async fn before_run(
    environment: &Environment,
    namespace: Option<&str>,
    scenario: &Scenario,
    warnings: &mut impl io::Write,
) -> anyhow::Result<()> {
    let findings = find(environment, None, namespace, Some(scenario), None).await;
    let bad: Vec<_> = findings.failed().collect();
    if bad.is_empty() {
        return Ok(());
    }
    for finding in &bad {
        write!(warnings, "{finding}")?;
    }
    anyhow::bail!(
        "{} of {} preflight checks failed, and nothing was made; `check` shows all of them, and \
         --skip-checks runs in spite of them",
        bad.len(),
        findings.findings.len()
    )
}

async fn find(
    environment: &Environment,
    destination: Option<Destination<'_>>,
    namespace: Option<&str>,
    scenario: Option<&Scenario>,
    half: Option<Half>,
) -> Findings {
    let (acts, watches) = (half != Some(Half::Client), half != Some(Half::Churn));
    let backend = scenario.map_or_else(Backend::default, |scenario| scenario.churn.backend);
    let wants = |site| {
        scenario.map(|scenario| Wants {
            pods: match backend {
                Backend::Deployments { .. } if acts => scenario.endpoints_at_most(site),
                _ => 0,
            },
            services: scenario.services_at(site),
            endpoints: scenario.endpoints_at_most(site),
            connections: if watches {
                let client = &scenario.client;
                let replicas = environment.world.replicas().len() as u64;
                client.connections_of(client.connections, replicas)
            } else {
                0
            },
        })
    };
    let both = scenario.and_then(|scenario| scenario.federation.as_ref());
    let purpose = Purpose {
        acts,
        endpoints: acts,
        watches,
        backend,
    };
    let source = Subject {
        world: &environment.world,
        destination,
        namespace: namespace.unwrap_or(ANY_NAMESPACE),
        purpose,
        wants: wants(Site::Source),
        cluster_domain: CLUSTER_DOMAIN,
        linked: None,
    };
    let mut findings = Findings::default();
    let Some(kube) = &environment.target_cluster else {
        return check(&source, findings).await;
    };
    let target = Subject {
        world: &World {
            kube: Arc::clone(kube),
            ..environment.world.clone()
        },
        destination: None,
        wants: wants(Site::Target),
        ..source
    };
    check_target(&target, &mut findings).await;
    let source = Subject {
        purpose: Purpose {
            endpoints: both.is_some_and(|both| both.local.is_some()),
            ..purpose
        },
        // Our own destination is linked without a Secret.
        linked: both
            .map(|both| both.cluster.as_str())
            .filter(|_| !environment.is_in_process()),
        ..source
    };
    check(&source, findings).await
}
