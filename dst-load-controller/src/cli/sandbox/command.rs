//! `sandbox`, carried out: an API and a destination on loopback, until stopped.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use dst_load_kubernetes::actor::{Caller, Limits, Link, RunIdentity};
use dst_load_sandbox::{destination::Destination, kubernetes};
use dst_load_scenario::{flags::Flags, scenario::Scenario};
use dst_load_session::{recorder::write_whole, runtime::Shutdown};
use dst_load_transport::{
    clock::Clock,
    listen::{Listen, on_this_machine},
};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::PostParams};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    SandboxArgs,
    controller::{CONTROLLER_NAMESPACE, CommandLine, Controller},
};
use crate::{
    cli::{destination, scenario, world},
    exit::Exit,
};

/// The line that says where everything is, once it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Ready {
    /// The kubeconfig's path.
    pub(in crate::cli) kubeconfig: PathBuf,
    /// The kubeconfig's context of the target cluster, where the scenario spans two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) target_context: Option<String>,
    /// The destination's gRPC address.
    pub(in crate::cli) destination: String,
    /// The URL of its metrics.
    pub(in crate::cli) destination_metrics: String,
    /// The version of a controller of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) destination_version: Option<String>,
    /// The flags of the destination that change what it promises.
    #[serde(default)]
    pub(in crate::cli) destination_flags: Flags,
}

/// Serves the sandbox until a signal.
///
/// # Errors
/// If the scenario is wrong, or nothing can be bound or written.
pub async fn run(args: &SandboxArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let scenario = scenario::shape(args.scenario.as_deref(), &args.set, args.seed)?;
    let shutdown = Shutdown::on_signals().context("signals")?;
    let served = shutdown
        .guard(serve(args, &scenario, &shutdown.draining(), out))
        .await;
    // A second signal only hurries what a first one does.
    served.unwrap_or(Ok(()))?;
    Ok(Exit::Pass)
}

async fn serve(
    args: &SandboxArgs,
    scenario: &Scenario,
    stop: &CancellationToken,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let api = bind(args).await?;
    let address = on_this_machine(api.local_addr()?);
    let (path, ours) = match &args.kubeconfig {
        Some(path) => (path.clone(), false),
        None => (temporary(address), true),
    };
    let (target_api, target) = match world::target_config(scenario) {
        None => (None, None),
        Some(config) => (
            Some(bind(args).await?),
            Some(kubernetes::Kubernetes::start(config)),
        ),
    };
    let linked = scenario
        .federation
        .as_ref()
        .map(|both| both.cluster.as_str());
    let target_address = target_api
        .as_ref()
        .map(TcpListener::local_addr)
        .transpose()?
        .map(on_this_machine);
    let mut clusters = vec![("sandbox", address)];
    clusters.extend(linked.zip(target_address));
    write_whole(&path, &kubernetes::serve::kubeconfig_of(&clusters))?;
    let kubernetes = kubernetes::Kubernetes::start(world::kubernetes_config(scenario));
    let sandbox = Sandbox {
        scenario,
        kubernetes: &kubernetes,
        target: target.as_ref(),
        kubeconfig: &path,
        target_context: linked,
    };
    let served = async {
        match &args.destination_bin {
            None => reference(args, &sandbox, stop, out).await,
            Some(line) => {
                let line = CommandLine::parse(line)?;
                make_namespace(kubernetes.client()).await?;
                if let (Some(cluster), Some(address)) = (linked, target_address) {
                    link(kubernetes.client(), cluster, address).await?;
                }
                controller(args, line, &sandbox, stop, out).await
            }
        }
    };
    let target_api = async {
        match target_api.zip(target.as_ref()) {
            Some((api, target)) => {
                kubernetes::serve::serve(api, target.router(), stop.clone()).await;
            }
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        biased;
        ended = served => ended,
        () = kubernetes::serve::serve(api, kubernetes.router(), stop.clone()) => Ok(()),
        () = target_api => Ok(()),
    };
    kubernetes.shutdown().await;
    if let Some(target) = target {
        target.shutdown().await;
    }
    if ours {
        // A file in the temporary directory that is gone already is no failure.
        let _ = std::fs::remove_file(&path);
    }
    ended
}

/// What a destination stands beside.
struct Sandbox<'a> {
    scenario: &'a Scenario,
    kubernetes: &'a kubernetes::Kubernetes,
    /// The target cluster, where the scenario spans two.
    target: Option<&'a kubernetes::Kubernetes>,
    kubeconfig: &'a Path,
    /// The target cluster's context there.
    target_context: Option<&'a str>,
}

/// The reference destination beside the API, until `stop`.
async fn reference(
    args: &SandboxArgs,
    sandbox: &Sandbox<'_>,
    stop: &CancellationToken,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut replicas = Vec::new();
    for number in 1..=sandbox.scenario.sandbox.replicas {
        let config = world::destination_config(sandbox.scenario, number);
        let target = sandbox.target.map(kubernetes::Kubernetes::client);
        let linked = world::linked(sandbox.scenario, target);
        replicas.push(Replica {
            reference: Destination::start_linked(config, sandbox.kubernetes.client(), linked),
            grpc: bind(args).await?,
            admin: bind(args).await?,
        });
    }
    let addresses = replicas.iter().map(|replica| replica.grpc.local_addr());
    let addresses: Vec<_> = addresses
        .map(|address| Ok(on_this_machine(address?).to_string()))
        .collect::<io::Result<_>>()?;
    // They share this process, whose cost any of them tells.
    let metrics = on_this_machine(replicas[0].admin.local_addr()?);
    let ready = Ready {
        kubeconfig: sandbox.kubeconfig.to_owned(),
        target_context: sandbox.target_context.map(str::to_owned),
        destination: addresses.join(","),
        destination_metrics: format!("http://{metrics}/metrics"),
        destination_version: None,
        destination_flags: sandbox.scenario.reference_flags(),
    };
    let references: Vec<_> = replicas.iter().map(|it| it.reference.clone()).collect();
    let announced = async {
        for reference in &references {
            reference.ready().await;
        }
        announce(&ready, out)?;
        stop.cancelled().await;
        Ok(())
    };
    let ended = tokio::select! {
        biased;
        announced = announced => announced,
        () = orphaned(args.with_parent) => Ok(()),
        _ = join_all(replicas.into_iter().map(|it| it.serve(stop))) => Ok(()),
    };
    for reference in &references {
        reference.shutdown().await;
    }
    ended
}

/// A replica of the reference destination, and where it listens.
struct Replica {
    reference: Destination,
    grpc: TcpListener,
    admin: TcpListener,
}

// === impl Replica ===

impl Replica {
    async fn serve(self, stop: &CancellationToken) {
        destination::serve(&self.reference, self.grpc, self.admin, stop).await;
    }
}

/// A real controller beside the API, until `stop`. One that ends by itself is told of and not
/// started again: whoever measures it must see what that does.
async fn controller(
    args: &SandboxArgs,
    line: CommandLine,
    sandbox: &Sandbox<'_>,
    stop: &CancellationToken,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let log = args.destination_log.as_deref();
    let started = tokio::select! {
        biased;
        started = Controller::start(line, sandbox.scenario.flags, sandbox.kubeconfig, Some(listen_on(args)), log) => started,
        () = stop.cancelled() => return Ok(()),
        () = orphaned(args.with_parent) => return Ok(()),
    };
    let mut controller = started?;
    announce(
        &Ready {
            kubeconfig: sandbox.kubeconfig.to_owned(),
            target_context: sandbox.target_context.map(str::to_owned),
            destination: controller.destination.to_string(),
            destination_metrics: controller.metrics.clone(),
            destination_version: controller.version.clone(),
            destination_flags: controller.flags,
        },
        out,
    )?;
    let died = async {
        let what = controller.died().await;
        tracing::error!("the destination controller {what}");
        std::future::pending().await
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = orphaned(args.with_parent) => {}
        () = died => {}
    }
    controller.end().await;
    Ok(())
}

/// The namespace in which a controller looks for its lease.
async fn make_namespace(kube: kube::Client) -> anyhow::Result<()> {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(CONTROLLER_NAMESPACE.to_owned());
    Api::all(kube)
        .create(&PostParams::default(), &namespace)
        .await
        .context("cannot make the controller's namespace")?;
    Ok(())
}

/// Tells the controller of the target cluster, as `linkerd multicluster link` does.
async fn link(kube: kube::Client, cluster: &str, address: SocketAddr) -> anyhow::Result<()> {
    let link = Link {
        cluster: cluster.to_owned(),
        controller_namespace: CONTROLLER_NAMESPACE.to_owned(),
        kubeconfig: kubernetes::serve::kubeconfig_of(&[(cluster, address)]),
        cluster_domain: world::CLUSTER_DOMAIN.to_owned(),
    };
    let run = RunIdentity::of_link(cluster);
    let caller = Caller::new(kube, Clock::start(), 0, Limits::default());
    link.write(&caller, &run)
        .await
        .context("cannot link the target cluster")
}

fn announce(ready: &Ready, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "{}", serde_json::to_string(ready)?)?;
    out.flush()?;
    tracing::info!(kubeconfig = %ready.kubeconfig.display(), destination = ready.destination, "sandbox ready");
    Ok(())
}

/// On loopback, in a Pod too, unless it is told otherwise: it authenticates nobody.
async fn bind(args: &SandboxArgs) -> anyhow::Result<TcpListener> {
    let (listener, _) = Listen::free_port(Some(listen_on(args)))
        .bind("--listen")
        .await?;
    Ok(listener)
}

fn listen_on(args: &SandboxArgs) -> IpAddr {
    args.listen.unwrap_or(Ipv4Addr::LOCALHOST.into())
}

fn temporary(address: SocketAddr) -> PathBuf {
    let name = format!(
        "dst-load-sandbox-{}-{}.kubeconfig",
        std::process::id(),
        address.port()
    );
    Path::new(&std::env::temp_dir()).join(name)
}

/// Completes when the process that started this one is gone, if that is asked for: a run that was
/// killed must not leave its sandbox behind.
async fn orphaned(parent: Option<u32>) {
    let Some(parent) = parent else {
        return std::future::pending().await;
    };
    while std::os::unix::process::parent_id() == parent {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Reads the line of a child.
///
/// # Errors
/// If it is no such line.
pub(in crate::cli) fn parse_ready(line: &str) -> io::Result<Ready> {
    Ok(serde_json::from_str(line)?)
}
