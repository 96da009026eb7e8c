//! `destination`: the reference destination on a cluster's API, until stopped.
//!
//! It takes the flags of Linkerd's own that a lab or `--destination-bin` gives, so that it can
//! stand wherever a real controller does.

use std::io;

use anyhow::Context;
use clap::{Args, builder::BoolishValueParser};
use dst_load_sandbox::destination::Destination;
use dst_load_session::runtime::Shutdown;
use dst_load_transport::{
    files,
    listen::{self, Listen},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    cluster::{CLUSTER_DOMAIN, KubeconfigArgs},
    sandbox_config, scenario,
};
use crate::exit::Exit;

/// Flags of `destination`.
#[derive(Clone, Debug, Args)]
pub struct DestinationArgs {
    /// On which cluster.
    #[command(flatten)]
    pub cluster: KubeconfigArgs,
    /// Address to serve streams at: IP:PORT, or a port alone. Without an IP, on loopback; in a Pod,
    /// on all interfaces.
    #[arg(long, value_name = "ADDR", default_value = "8086", env)]
    pub addr: Listen,
    /// Address to serve metrics and readiness at, in the same form.
    #[arg(long, value_name = "ADDR", default_value = "9996", env)]
    pub metrics_addr: Listen,
    /// DNS domain of the cluster.
    #[arg(long, default_value = CLUSTER_DOMAIN, env)]
    pub cluster_domain: String,
    /// Take faults from this scenario file, or built-in scenario.
    #[arg(long, value_name = "SCENARIO", env)]
    pub scenario: Option<String>,
    /// Override a value of the scenario, as Helm does. Can be repeated.
    #[arg(long, value_name = "KEY=VALUE", requires = "scenario")]
    pub set: Vec<String>,
    /// Means nothing here: it holds no lease.
    #[arg(long, hide = true)]
    pub controller_namespace: Option<String>,
    /// Means nothing here: it sends no identities.
    #[arg(long, hide = true)]
    pub identity_trust_domain: Option<String>,
    /// Means nothing here: it has no profiles.
    #[arg(long, hide = true, value_parser = BoolishValueParser::new())]
    pub enable_pprof: Option<bool>,
    /// Whether to serve the IPv6 addresses of Pods.
    #[arg(long, value_name = "BOOL", env, value_parser = BoolishValueParser::new())]
    pub enable_ipv6: Option<bool>,
}

/// Serves until a signal. Says on `out` where, once it is ready.
///
/// # Errors
/// If there is no such cluster, or nothing can be bound.
pub async fn run(args: &DestinationArgs, out: &mut impl io::Write) -> anyhow::Result<Exit> {
    let scenario = scenario::shape(args.scenario.as_deref(), &args.set, None)?;
    let kube = args.cluster.find().await?.client()?;
    let (grpc, address) = args.addr.bind("--addr").await?;
    let (admin, metrics_address) = args.metrics_addr.bind("--metrics-addr").await?;
    let mut config = sandbox_config::destination(&scenario, 1);
    config.cluster_domain.clone_from(&args.cluster_domain);
    config.ipv6 = args.enable_ipv6.unwrap_or(config.ipv6);
    let destination = Destination::start(config, kube);
    let shutdown = Shutdown::on_signals().context("signals")?;
    let stop = shutdown.draining();
    let served = async {
        let ready = async {
            destination.ready().await;
            writeln!(
                out,
                "serving on {address}, metrics on http://{metrics_address}/metrics",
            )?;
            out.flush()?;
            std::future::pending::<anyhow::Result<()>>().await
        };
        tokio::select! {
            biased;
            failed = ready => failed,
            () = serve(&destination, grpc, admin, &stop) => Ok(()),
        }
    };
    let served = shutdown.guard(served).await;
    destination.shutdown().await;
    // A second signal only hurries what a first one does.
    served.unwrap_or(Ok(()))?;
    Ok(Exit::Pass)
}

/// Serves streams and the admin endpoint until `stop`.
pub(super) async fn serve(
    destination: &Destination,
    grpc: TcpListener,
    admin: TcpListener,
    stop: &CancellationToken,
) {
    // Streams have no limit here, so that of the admin server leaves them half of the files.
    let half = files::limit().map_or(0, |limit| limit / 2);
    let most = listen::http::connections_within(files::limit(), half);
    // Metrics are served until the last stream has ended.
    let admin = listen::http::serve(admin, destination.admin(), most, std::future::pending());
    tokio::select! {
        biased;
        () = dst_load_sandbox::destination::serve(grpc, destination.clone(), stop.clone()) => {}
        () = admin => unreachable!("invariant: the admin server has no end"),
    }
}
