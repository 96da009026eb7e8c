//! `sandbox`, carried out: three listeners on loopback, until stopped.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::SandboxArgs;
use crate::{
    cli::{scenario, world},
    exit::Exit,
    live::{recorder::write_whole, runtime::Shutdown},
    model::scenario::Scenario,
    sandbox::{destination, kubernetes},
};

/// The line that says where everything is, once it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Ready {
    /// The kubeconfig's path.
    pub(in crate::cli) kubeconfig: PathBuf,
    /// The destination's gRPC address.
    pub(in crate::cli) destination: String,
    /// The URL of its metrics.
    pub(in crate::cli) destination_metrics: String,
}

/// Serves the sandbox until a signal.
///
/// # Errors
/// If the scenario is wrong, or nothing can be bound or written.
pub async fn run(args: &SandboxArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let scenario = shape(args)?;
    let shutdown = Shutdown::new();
    let served = shutdown
        .guard(serve(args, &scenario, &shutdown.draining(), out))
        .await
        .context("signals")?;
    // A second signal only hurries what a first one does.
    served.unwrap_or(Ok(()))?;
    Ok(Exit::Pass)
}

/// The scenario that shapes the sandbox; without one, quick's shape without its faults.
fn shape(args: &SandboxArgs) -> anyhow::Result<Scenario> {
    let mut draft = scenario::open(args.scenario.as_deref().unwrap_or("quick"))?;
    for assignments in &args.set {
        draft
            .set(assignments)
            .map_err(crate::cli::UsageError::from)?;
    }
    if let Some(seed) = args.seed {
        draft
            .put("--seed", "scenario.seed", &seed.to_string())
            .map_err(crate::cli::UsageError::from)?;
    }
    let (scenario, _) = draft.finish().map_err(crate::cli::UsageError::from)?;
    Ok(scenario)
}

async fn serve(
    args: &SandboxArgs,
    scenario: &Scenario,
    stop: &CancellationToken,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let api = bind(args).await?;
    let grpc = bind(args).await?;
    let admin = bind(args).await?;
    let address = api.local_addr()?;
    let (path, ours) = match &args.kubeconfig {
        Some(path) => (path.clone(), false),
        None => (temporary(address), true),
    };
    write_whole(&path, &kubernetes::serve::kubeconfig(address))?;
    let ready = Ready {
        kubeconfig: path.clone(),
        destination: grpc.local_addr()?.to_string(),
        destination_metrics: format!("http://{}/metrics", admin.local_addr()?),
    };
    let kubernetes = kubernetes::Kubernetes::start(world::kubernetes_config(scenario));
    let destination =
        destination::Destination::start(world::destination_config(scenario), kubernetes.client());
    let announce = async {
        destination.ready().await;
        writeln!(out, "{}", serde_json::to_string(&ready)?)?;
        out.flush()?;
        tracing::info!(kubeconfig = %path.display(), destination = ready.destination, "sandbox ready");
        stop.cancelled().await;
        Ok(())
    };
    let admin = axum::serve(admin, destination.admin())
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    let ended = tokio::select! {
        biased;
        announced = announce => announced,
        () = orphaned(args.with_parent) => Ok(()),
        () = kubernetes::serve::serve(api, kubernetes.router(), stop.clone()) => Ok(()),
        () = destination::serve(grpc, destination.clone(), stop.clone()) => Ok(()),
        served = admin.into_future() => served.context("the admin server"),
    };
    destination.shutdown().await;
    kubernetes.shutdown().await;
    if ours {
        // A file in the temporary directory that is gone already is no failure.
        let _ = std::fs::remove_file(&path);
    }
    ended
}

async fn bind(args: &SandboxArgs) -> anyhow::Result<TcpListener> {
    let wanted = SocketAddr::new(args.listen, 0);
    TcpListener::bind(wanted)
        .await
        .with_context(|| format!("cannot listen on {wanted}"))
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
async fn orphaned(asked: bool) {
    if !asked {
        return std::future::pending().await;
    }
    let parent = std::os::unix::process::parent_id();
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
