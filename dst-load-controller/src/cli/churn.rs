//! `churn`: the churner, as a Pod: churns Services until it is stopped.
//!
//! Its flags come in two dialects that both mean a scenario: the load test plan's, which say what
//! a scenario file's `churn` says, and the mixed-workload form's, for stable and oscillating
//! Services side by side.

mod act;
pub mod keys;

use std::sync::Arc;

use clap::Args;
use dst_load_scenario::{
    quantity::Span,
    scenario::{Draft, Scenario},
};
use dst_load_transport::listen::Listen;

use super::{
    cluster::ClusterArgs, console::Console, namespace::NamespaceArgs, pace::PaceArgs, scenario,
    usage::UsageError,
};
use crate::exit::Exit;

/// Flags of `churn`.
#[derive(Clone, Debug, Default, Args)]
pub struct ChurnArgs {
    /// Which cluster, and the namespace that the Services are made in.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Namespaces that are allowed by name.
    #[command(flatten)]
    pub allowed: NamespaceArgs,
    /// Take everything from this scenario file, or built-in scenario. Other flags override it.
    #[arg(long, value_name = "SCENARIO", env)]
    pub scenario: Option<String>,
    /// What the flags say of the scenario.
    #[command(flatten)]
    pub keys: keys::ScenarioKeys,

    /// Limits of requests to the API server.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Schedule the pods on KWOK's nodes only (label `type=kwok`), for clusters that have others
    /// too.
    #[arg(long, env)]
    pub kwok_nodes: bool,
    /// Keep what was made in Kubernetes at the end.
    #[arg(long, env)]
    pub keep: bool,
    /// Wait this long between creating the Services and starting the plan, so that clients
    /// elsewhere can open their streams.
    #[arg(long, env)]
    pub start_delay: Option<Span>,
    /// Keep the Services and serve events after the plan is over, until stopped.
    #[arg(long, env)]
    pub linger: bool,
    /// Wait at most this long until the namespace is free, if another run uses it.
    #[arg(long, value_name = "DURATION", env)]
    pub wait_for_namespace: Option<Span>,
    /// Pod, in the same namespace, that owns all objects, so that Kubernetes deletes them with it.
    /// Within a Pod, its own name.
    #[arg(long, value_name = "POD", env, requires = "pod_uid")]
    pub pod: Option<String>,
    /// UID of that Pod.
    #[arg(long, value_name = "UID", env, requires = "pod")]
    pub pod_uid: Option<String>,
    /// Address to serve metrics, events and probes at: IP:PORT, or a port alone. By default port
    /// 9990, or a free one if that is taken. Without an IP, on loopback; in a Pod, on all
    /// interfaces.
    #[arg(long, value_name = "ADDR", env)]
    pub admin_addr: Option<Listen>,
    /// Label of all objects; random by default.
    #[arg(long, env)]
    pub run_id: Option<String>,
}

/// Churns until the plan ends or a signal asks for the end, then takes everything away again.
///
/// # Errors
/// A [`UsageError`], no cluster, a missing permission, a namespace in use; after a second signal
/// [`dst_load_session::runtime::Aborted`].
pub async fn run(args: &ChurnArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let (scenario, noticed) = args.scenario()?;
    console.warn(&noticed)?;
    // A second cluster concerns the client only: the churner churns this one.
    let scenario = Scenario {
        federation: None,
        ..scenario
    };
    act::run(args, Arc::new(scenario), console.out).await?;
    Ok(Exit::Pass)
}

// === impl ChurnArgs ===

impl ChurnArgs {
    /// What the flags mean, whatever their dialect; beside it come warnings. The namespace is no
    /// part of a scenario and stays in [`ChurnArgs::cluster`].
    ///
    /// # Errors
    /// A [`UsageError`] if flags contradict each other or the scenario, or say too little.
    pub fn scenario(&self) -> anyhow::Result<(Scenario, Vec<String>)> {
        let draft = match &self.scenario {
            Some(name) => scenario::open(name)?,
            None if self.keys.name_services() => Draft::from_flags("churn", "command line"),
            None => {
                let message = "no Services are given; add --services, or --stable-services and \
                               --oscillate-services, or --scenario";
                return Err(UsageError(message.to_owned()).into());
            }
        };
        Ok(self.keys.finish(draft)?)
    }
}
