//! `sandbox`, carried out: an API and a destination on loopback, until stopped.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Context;
use dst_load_kubernetes::actor::{Caller, Limits, Link, RunIdentity};
use dst_load_sandbox::{destination::Destination, kubernetes};
use dst_load_scenario::scenario::Scenario;
use dst_load_session::{recorder::write_whole, runtime::Shutdown};
use dst_load_transport::{
    clock::Clock,
    listen::{Listen, on_this_machine},
};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::PostParams};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::SandboxArgs;
use crate::{
    cli::{
        cluster::CLUSTER_DOMAIN,
        destination,
        process::{CONTROLLER_NAMESPACE, CommandLine, ControllerProcess, ReadyLine, bound},
        sandbox_config, scenario,
    },
    exit::Exit,
};

/// Serves the sandbox until a signal.
///
/// # Errors
/// If the scenario is wrong, or nothing can be bound or written.
pub async fn run(args: &SandboxArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let scenario = scenario::shape(args.scenario.as_deref(), &args.set, args.seed)?;
    let shutdown = Shutdown::on_signals().context("signals")?;
    if let Some(parent) = args.with_parent {
        // A run that is killed must not leave its sandbox behind.
        bound::terminate_with(parent).context("--with-parent")?;
    }
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
    let (target_api, target) = match sandbox_config::target_kubernetes(scenario) {
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
    let kubernetes = kubernetes::Kubernetes::start(sandbox_config::kubernetes(scenario));
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
        let config = sandbox_config::destination(sandbox.scenario, number);
        let target = sandbox.target.map(kubernetes::Kubernetes::client);
        let linked = sandbox_config::linked(sandbox.scenario, target);
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
    let ready = ReadyLine {
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

/// A real controller beside the API, until `stop`.
async fn controller(
    args: &SandboxArgs,
    line: CommandLine,
    sandbox: &Sandbox<'_>,
    stop: &CancellationToken,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let log = args.destination_log.as_deref();
    let (flags, listen) = (sandbox.scenario.flags, Some(listen_on(args)));
    let starting = ControllerProcess::start(line, flags, sandbox.kubeconfig, listen, log);
    let Some(started) = stop.run_until_cancelled(starting).await else {
        return Ok(());
    };
    let controller = started?;
    announce(
        &ReadyLine {
            kubeconfig: sandbox.kubeconfig.to_owned(),
            target_context: sandbox.target_context.map(str::to_owned),
            destination: controller.destination.to_string(),
            destination_metrics: controller.metrics.clone(),
            destination_version: controller.version.clone(),
            destination_flags: controller.flags,
        },
        out,
    )?;
    stop.cancelled().await;
    controller.stop().await;
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
        cluster_domain: CLUSTER_DOMAIN.to_owned(),
    };
    let run = RunIdentity::of_link(cluster);
    let caller = Caller::new(kube, Clock::start(), 0, Limits::default());
    link.write(&caller, &run)
        .await
        .context("cannot link the target cluster")
}

fn announce(ready: &ReadyLine, out: &mut impl Write) -> anyhow::Result<()> {
    ready.write(out)?;
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
