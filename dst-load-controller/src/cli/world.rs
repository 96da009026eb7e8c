//! Which World a run gets, and what keeps it standing.

mod controlled;
mod with;

use std::{
    collections::BTreeMap, net::Ipv4Addr, path::Path, process::Stdio, sync::Arc, time::Duration,
};

use anyhow::{Context, bail};
use dst_load_destination::{
    discovery::Metrics,
    target::{Target, version},
};
use dst_load_recording::recording::TargetKind;
use dst_load_sandbox::{destination, kubernetes};
use dst_load_scenario::{
    flags::Flags,
    scenario::{Lifecycle, Scenario},
    seed,
};
use dst_load_transport::{
    cluster::Cluster,
    world::{Dial, KubeFactory, World},
};
use rand::Rng;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use super::{
    UsageError,
    cluster::{ClusterArgs, TargetClusterArgs},
    forward::{ForwardArgs, Reached},
    replicas::{Dials, dial_each},
    sandbox::command::parse_ready,
};

/// The sandbox's DNS domain.
pub(super) const CLUSTER_DOMAIN: &str = "cluster.local";
/// Where the embedded target cluster's pods have their addresses.
const TARGET_PODS_FROM: Ipv4Addr = Ipv4Addr::new(10, 128, 0, 1);
/// Linkerd's own default.
const QUEUE_CAPACITY: usize = 100;
/// For how long the sandbox may take to come up, with a controller that has a minute of its own.
const START: Duration = Duration::from_secs(90);
/// For how long it may take to end.
const END: Duration = Duration::from_secs(10);
/// The environment variable that names a controller.
const DESTINATION_BIN: &str = "LINKERD_DESTINATION_BIN";

/// A destination controller of the user's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Controller<'a> {
    /// Its command line.
    pub(super) command: &'a str,
    /// Where its log goes.
    pub(super) log: &'a Path,
}

/// A World with what a run must know of it.
pub(super) struct Chosen {
    /// The two remote systems.
    pub(super) world: World,
    /// The API of the target cluster, where there are two clusters.
    pub(super) target_cluster: Option<KubeFactory>,
    /// Whose controller it is.
    pub(super) kind: TargetKind,
    /// Its version, where it says one.
    pub(super) version: Option<String>,
    /// Its admin endpoint, if it can be reached.
    pub(super) target: Option<Target>,
    /// Where it is, each replica of it.
    pub(super) addresses: Vec<String>,
    /// Where each serves its metrics, and where those were looked for, of a controller that this
    /// tool did not start.
    pub(super) metrics: Metrics,
    /// Whether streams go through a port-forward.
    pub(super) forwarded: bool,
    /// The most connections to it, where clients must share them.
    pub(super) connections: Option<u32>,
    /// Its flags that change what it promises, as far as they are known.
    pub(super) flags: Flags,
    /// What stands as long as this does.
    keeper: Keeper,
}

/// What must not be dropped while a World is used.
enum Keeper {
    /// Somebody else's cluster.
    Nothing,
    /// The sandbox in this process.
    Embedded {
        kubernetes: kubernetes::Kubernetes,
        target_cluster: Option<kubernetes::Kubernetes>,
        replicas: Vec<destination::Destination>,
    },
    /// The reference destination in this process, on a real cluster.
    Reference(Vec<destination::Destination>),
    /// The sandbox as a child process.
    Child(Box<Child>),
    /// A controller of the user's own as a child process, on a real cluster.
    Controller(controlled::Serving),
}

// === impl Chosen ===

impl Chosen {
    /// The sandbox in this process, for virtual time: no sockets, no threads.
    pub(super) fn embedded(scenario: &Scenario) -> Self {
        let kubernetes = kubernetes::Kubernetes::start(kubernetes_config(scenario));
        let target_cluster = target_config(scenario).map(kubernetes::Kubernetes::start);
        let there = target_cluster.as_ref().map(kubernetes::Kubernetes::client);
        let (replicas, Dials { first, further }) =
            references(scenario, &kubernetes.client(), there.as_ref());
        let api = kubernetes.clone();
        let target_api = target_cluster.clone();
        Self {
            world: World {
                kube: Arc::new(move || Ok(api.client())),
                destination: first,
                further,
            },
            addresses: replica_names(scenario),
            metrics: Metrics::default(),
            target_cluster: target_api
                .map(|api| -> KubeFactory { Arc::new(move || Ok(api.client())) }),
            kind: TargetKind::Reference,
            version: None,
            target: None,
            forwarded: false,
            connections: None,
            flags: scenario.reference_flags(),
            keeper: Keeper::Embedded {
                kubernetes,
                target_cluster,
                replicas,
            },
        }
    }

    /// The sandbox as a child process of the same binary, so that its cost can be told from ours;
    /// with a controller of the user's own if there is one.
    ///
    /// # Errors
    /// If it does not come up.
    pub(super) async fn child(
        scenario: &Scenario,
        controller: Option<Controller<'_>>,
    ) -> anyhow::Result<Self> {
        if controller.is_some() {
            without_faults(scenario)?;
        }
        let mut command = Command::new(std::env::current_exe().context("this binary's path")?);
        command
            .args([
                "--log-level",
                "warn",
                "sandbox",
                "--scenario",
                "-",
                "--with-parent",
                &std::process::id().to_string(),
                // It is this run's alone, in a Pod too.
                "--listen",
                "127.0.0.1",
            ])
            .env_remove(DESTINATION_BIN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            // A Ctrl-C in a terminal goes to the whole group; the sandbox must outlive the drain.
            .process_group(0);
        without_our_environment(&mut command);
        if let Some(controller) = controller {
            command.args(["--destination-bin", controller.command, "--destination-log"]);
            command.arg(controller.log);
        }
        let mut child = command.spawn().context("cannot start the sandbox")?;
        let mut stdin = child.stdin.take().context("the sandbox's standard input")?;
        let stdout = child
            .stdout
            .take()
            .context("the sandbox's standard output")?;
        stdin
            .write_all(scenario.effective()?.to_string().as_bytes())
            .await?;
        drop(stdin);
        let mut line = String::new();
        let mut output = BufReader::new(stdout);
        tokio::time::timeout(START, output.read_line(&mut line))
            .await
            .context("the sandbox did not come up")??;
        if line.is_empty() {
            bail!("the sandbox ended before it was ready; it has said why");
        }
        let ready = parse_ready(&line)?;
        let target = Target::new(&ready.destination_metrics)?;
        let cluster = Cluster::find(Some(&ready.kubeconfig), None).await?;
        let addresses: Vec<_> = ready.destination.split(',').map(str::to_owned).collect();
        let Dials { first, further } = dial_each(&addresses, scenario.client.lifecycle)?;
        let target_cluster = match ready.target_context.as_deref() {
            Some(context) => {
                let found = Cluster::find(Some(&ready.kubeconfig), Some(context)).await?;
                Some(found.factory())
            }
            None => None,
        };
        Ok(Self {
            world: World {
                kube: cluster.factory(),
                destination: first,
                further,
            },
            addresses,
            metrics: Metrics::default(),
            target_cluster,
            kind: kind(&target).await,
            version: ready.destination_version,
            target: Some(target),
            forwarded: false,
            connections: None,
            flags: ready.destination_flags,
            keeper: Keeper::Child(Box::new(child)),
        })
    }

    /// A cluster and the replicas of its destination controller.
    ///
    /// # Errors
    /// If there is no such cluster or Pod, or an address is none.
    pub(super) async fn cluster(
        cluster: &ClusterArgs,
        target_cluster: Option<&TargetClusterArgs>,
        replicas: &[String],
        metrics: &[String],
        lifecycle: Lifecycle,
        way: &ForwardArgs,
    ) -> anyhow::Result<Self> {
        let (addresses, discovered) = way.discover(replicas, metrics, lifecycle).await?;
        let source = cluster.find().await?;
        let target_cluster = find_target(&source, cluster, target_cluster).await?;
        let kube = source.factory();
        let Reached {
            dials,
            target,
            flags,
        } = way.reach(&kube, replicas, addresses).await?;
        let kind = match &target {
            Some(target) => kind(target).await,
            None => TargetKind::Linkerd,
        };
        let version = match kind {
            TargetKind::Linkerd => version::deployed(&kube()?).await,
            TargetKind::Reference => None,
        };
        Ok(Self {
            world: World {
                kube,
                destination: dials.first,
                further: dials.further,
            },
            addresses: discovered.replicas,
            metrics: discovered.metrics,
            target_cluster,
            kind,
            version,
            target,
            forwarded: way.is_forwarded(),
            connections: None,
            flags: flags.or(way.flags()),
            keeper: Keeper::Nothing,
        })
    }

    /// A cluster's API, and the reference destination in this process.
    ///
    /// # Errors
    /// If there is no such cluster.
    pub(super) async fn reference(
        cluster: &ClusterArgs,
        target_cluster: Option<&TargetClusterArgs>,
        scenario: &Scenario,
    ) -> anyhow::Result<Self> {
        let source = cluster.find().await?;
        let target_cluster = find_target(&source, cluster, target_cluster).await?;
        let kube = source.factory();
        let there = target_cluster.as_ref().map(|kube| kube()).transpose()?;
        let (replicas, Dials { first, further }) = references(scenario, &kube()?, there.as_ref());
        Ok(Self {
            world: World {
                kube,
                destination: first,
                further,
            },
            addresses: replica_names(scenario),
            metrics: Metrics::default(),
            target_cluster,
            kind: TargetKind::Reference,
            version: None,
            target: None,
            forwarded: false,
            connections: None,
            flags: scenario.reference_flags(),
            keeper: Keeper::Reference(replicas),
        })
    }

    /// Whether the destination is our own, in this process.
    pub(super) const fn is_embedded(&self) -> bool {
        matches!(self.keeper, Keeper::Embedded { .. } | Keeper::Reference(_))
    }

    /// Lets go of what stood for the run.
    pub(super) async fn shutdown(self) {
        match self.keeper {
            Keeper::Nothing => {}
            Keeper::Embedded {
                kubernetes,
                target_cluster,
                replicas,
            } => {
                shut_down(&replicas).await;
                kubernetes.shutdown().await;
                if let Some(target_cluster) = target_cluster {
                    target_cluster.shutdown().await;
                }
            }
            Keeper::Reference(replicas) => shut_down(&replicas).await,
            Keeper::Controller(serving) => serving.shutdown().await,
            Keeper::Child(mut child) => {
                // Told rather than killed: it may have a child of its own to end.
                let pid = child.id().and_then(|id| i32::try_from(id).ok());
                let Some(pid) = pid.and_then(Pid::from_raw) else {
                    return;
                };
                // It may have ended just now; then there is nobody to tell.
                let _ = kill_process(pid, Signal::TERM);
                if tokio::time::timeout(END, child.wait()).await.is_err()
                    && let Err(error) = kill_process_group(pid, Signal::KILL)
                {
                    tracing::warn!(%error, "the sandbox could not be ended");
                }
            }
        }
    }
}

/// Keeps what is meant for this process from one that it starts: its flags are all it should know.
pub(super) fn without_our_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DST_LOAD_") {
            command.env_remove(name);
        }
    }
}

/// Refuses faults of the reference destination where it is not the one that is run.
fn without_faults(scenario: &Scenario) -> Result<(), UsageError> {
    let mut faults = scenario.sandbox.faults.iter();
    if faults.any(|fault| fault.kind.is_of_the_destination()) {
        return Err(UsageError(
            "sandbox.faults names faults of the reference destination, and --destination-bin \
             (or LINKERD_DESTINATION_BIN) another controller, which has none of them"
                .into(),
        ));
    }
    Ok(())
}

/// The reference destination in this process, as many of it as the scenario wants.
fn references(
    scenario: &Scenario,
    kube: &kube::Client,
    target: Option<&kube::Client>,
) -> (Vec<destination::Destination>, Dials) {
    let start = |number| {
        destination::Destination::start_linked(
            destination_config(scenario, number),
            kube.clone(),
            linked(scenario, target.cloned()),
        )
    };
    let replicas: Vec<_> = (1..=scenario.sandbox.replicas).map(start).collect();
    let dial = |replica: &destination::Destination| -> Dial {
        let replica = replica.clone();
        Arc::new(move || {
            let replica = replica.clone();
            // What is asked before it has read the cluster waits there.
            Box::pin(async move { Ok(replica.grpc()) })
        })
    };
    let dials = Dials {
        first: dial(&replicas[0]),
        further: replicas[1..].iter().map(dial).collect(),
    };
    (replicas, dials)
}

/// What replicas are called that have no address.
fn replica_names(scenario: &Scenario) -> Vec<String> {
    (1..=scenario.sandbox.replicas)
        .map(|number| format!("replica-{number}"))
        .collect()
}

async fn shut_down(replicas: &[destination::Destination]) {
    for replica in replicas {
        replica.shutdown().await;
    }
}

/// Whose controller this is. The tool's own must not be quoted as Linkerd, wherever it stands.
async fn kind(target: &Target) -> TargetKind {
    if target.is_reference().await {
        TargetKind::Reference
    } else {
        TargetKind::Linkerd
    }
}

/// The sandbox's Kubernetes as the scenario shapes it.
pub(super) fn kubernetes_config(scenario: &Scenario) -> kubernetes::Config {
    let sandbox = &scenario.sandbox;
    kubernetes::Config {
        seed: scenario.seed,
        pods_from: kubernetes::PODS_FROM,
        nodes: sandbox.nodes,
        zones: sandbox.zones,
        pod_start: sandbox.pod_start,
        slice_sync: sandbox.slice_sync,
        faults: sandbox.faults.clone(),
    }
}

/// The embedded target cluster, if the scenario spans two: other names, and other addresses.
pub(super) fn target_config(scenario: &Scenario) -> Option<kubernetes::Config> {
    let both = scenario.federation.as_ref()?;
    Some(kubernetes::Config {
        seed: seed::rng(scenario.seed, "cluster", &both.cluster).next_u64(),
        pods_from: TARGET_PODS_FROM,
        ..kubernetes_config(scenario)
    })
}

/// What the reference destination is linked with.
pub(super) fn linked(
    scenario: &Scenario,
    target: Option<kube::Client>,
) -> BTreeMap<String, kube::Client> {
    let both = scenario.federation.as_ref();
    (both.zip(target).into_iter())
        .map(|(both, target)| (both.cluster.clone(), target))
        .collect()
}

/// The target cluster that the flags name, if they name one.
///
/// # Errors
/// There is no such cluster, or it is the source cluster.
async fn find_target(
    source: &Cluster,
    cluster: &ClusterArgs,
    target: Option<&TargetClusterArgs>,
) -> anyhow::Result<Option<KubeFactory>> {
    let Some(target) = target else {
        return Ok(None);
    };
    let same = |url: &str| {
        format!(
            "the clusters to churn and to watch are both {url}; a run over two clusters needs two"
        )
    };
    let found = target.find(&cluster.cluster, source, same).await?;
    Ok(Some(found.factory()))
}

/// A replica of the reference destination, counted from 1, as the scenario shapes it.
pub(super) fn destination_config(scenario: &Scenario, number: u32) -> destination::Config {
    let faults = scenario.sandbox.faults.iter();
    destination::Config {
        seed: scenario.seed,
        cluster_domain: CLUSTER_DOMAIN.to_owned(),
        queue_capacity: QUEUE_CAPACITY,
        ipv6: scenario.reference_flags().ipv6 == Some(true),
        faults: faults
            .filter(|fault| fault.strikes_replica(number))
            .cloned()
            .collect(),
    }
}
