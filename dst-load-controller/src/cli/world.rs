//! Which World a run gets, and what keeps it standing.

use std::{process::Stdio, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use super::{cluster::ClusterArgs, sandbox::command::parse_ready};
use crate::{
    live::{cluster::Cluster, destination::dial::dial, target::Target},
    model::{recording::TargetKind, scenario::Scenario},
    sandbox::{destination, kubernetes},
    world::World,
};

/// The sandbox's DNS domain.
pub(super) const CLUSTER_DOMAIN: &str = "cluster.local";
/// Linkerd's own default.
const QUEUE_CAPACITY: usize = 100;
/// For how long the sandbox may take to come up.
const START: Duration = Duration::from_secs(30);

/// A World with what a run must know of it.
pub(super) struct Chosen {
    /// The two remote systems.
    pub(super) world: World,
    /// Whose controller it is.
    pub(super) kind: TargetKind,
    /// Its admin endpoint, if it can be reached.
    pub(super) target: Option<Target>,
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
        destination: destination::Destination,
    },
    /// The reference destination in this process, on a real cluster.
    Reference(destination::Destination),
    /// The sandbox as a child process.
    Child(Box<Child>),
}

// === impl Chosen ===

impl Chosen {
    /// The sandbox in this process, for virtual time: no sockets, no threads.
    pub(super) fn embedded(scenario: &Scenario) -> Self {
        let kubernetes = kubernetes::Kubernetes::start(kubernetes_config(scenario));
        let destination =
            destination::Destination::start(destination_config(scenario), kubernetes.client());
        let (api, grpc) = (kubernetes.clone(), destination.clone());
        Self {
            world: World {
                kube: Arc::new(move || Ok(api.client())),
                destination: Arc::new(move || {
                    let grpc = grpc.grpc();
                    Box::pin(async move { Ok(grpc) })
                }),
            },
            kind: TargetKind::Reference,
            target: None,
            keeper: Keeper::Embedded {
                kubernetes,
                destination,
            },
        }
    }

    /// The sandbox as a child process of the same binary, so that its cost can be told from ours.
    ///
    /// # Errors
    /// If it does not come up.
    pub(super) async fn child(scenario: &Scenario) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("this binary's path")?);
        command
            .args([
                "--log-level",
                "warn",
                "sandbox",
                "--scenario",
                "-",
                "--with-parent",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            // A Ctrl-C in a terminal goes to the whole group; the sandbox must outlive the drain.
            .process_group(0);
        // The flags above are all it should know: our own environment is about this run.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DST_LOAD_") {
                command.env_remove(name);
            }
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
        let ready = parse_ready(&line).context("the sandbox ended before it was ready")?;
        let cluster = Cluster::find(Some(&ready.kubeconfig), None).await?;
        Ok(Self {
            world: World {
                kube: cluster.factory(),
                destination: dial(&ready.destination).map_err(anyhow::Error::msg)?,
            },
            kind: TargetKind::Reference,
            target: Some(Target::new(&ready.destination_metrics)?),
            keeper: Keeper::Child(Box::new(child)),
        })
    }

    /// A cluster and its destination controller.
    ///
    /// # Errors
    /// If there is no such cluster, or an address is none.
    pub(super) async fn cluster(
        cluster: &ClusterArgs,
        destination: &str,
        metrics: Option<&str>,
    ) -> anyhow::Result<Self> {
        let target = metrics
            .map(Target::new)
            .transpose()
            .map_err(|error| super::UsageError(format!("--destination-metrics: {error}")))?;
        // A sandbox that is named like a cluster must not be quoted as Linkerd all the same.
        let kind = match &target {
            Some(target) if target.is_reference().await => TargetKind::Reference,
            _ => TargetKind::Linkerd,
        };
        Ok(Self {
            world: World {
                kube: cluster.find().await?.factory(),
                destination: dial(destination)
                    .map_err(|error| super::UsageError(format!("--destination: {error}")))?,
            },
            kind,
            target,
            keeper: Keeper::Nothing,
        })
    }

    /// A cluster's API, and the reference destination in this process.
    ///
    /// # Errors
    /// If there is no such cluster.
    pub(super) async fn reference(
        cluster: &ClusterArgs,
        scenario: &Scenario,
    ) -> anyhow::Result<Self> {
        let kube = cluster.find().await?.factory();
        let destination = destination::Destination::start(destination_config(scenario), kube()?);
        let grpc = destination.clone();
        Ok(Self {
            world: World {
                kube,
                destination: Arc::new(move || {
                    let destination = grpc.clone();
                    Box::pin(async move {
                        destination.ready().await;
                        Ok(destination.grpc())
                    })
                }),
            },
            kind: TargetKind::Reference,
            target: None,
            keeper: Keeper::Reference(destination),
        })
    }

    /// Lets go of what stood for the run.
    pub(super) async fn shutdown(self) {
        match self.keeper {
            Keeper::Nothing => {}
            Keeper::Embedded {
                kubernetes,
                destination,
            } => {
                destination.shutdown().await;
                kubernetes.shutdown().await;
            }
            Keeper::Reference(destination) => destination.shutdown().await,
            Keeper::Child(mut child) => {
                if let Err(error) = child.kill().await {
                    tracing::warn!(%error, "the sandbox could not be ended");
                }
            }
        }
    }
}

/// The sandbox's Kubernetes as the scenario shapes it.
pub(super) fn kubernetes_config(scenario: &Scenario) -> kubernetes::Config {
    let sandbox = &scenario.sandbox;
    kubernetes::Config {
        seed: scenario.seed,
        nodes: sandbox.nodes,
        zones: sandbox.zones,
        pod_start: sandbox.pod_start,
        slice_sync: sandbox.slice_sync,
        faults: sandbox.faults.clone(),
    }
}

/// The reference destination as the scenario shapes it.
pub(super) fn destination_config(scenario: &Scenario) -> destination::Config {
    destination::Config {
        seed: scenario.seed,
        cluster_domain: CLUSTER_DOMAIN.to_owned(),
        queue_capacity: QUEUE_CAPACITY,
        faults: scenario.sandbox.faults.clone(),
    }
}
