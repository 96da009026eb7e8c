//! `link`: tells a controller of another cluster, for a lab or a test, and makes the Services that
//! stand for those over there.
//!
//! A cluster that is linked by `linkerd multicluster link` needs none of this.

use std::{io, sync::Arc};

use anyhow::Context;
use clap::Args;
use dst_load_kubernetes::actor::{Actor, Caller, Limits, Link, RunIdentity};
use dst_load_transport::clock::Clock;

use super::{
    cluster::{CLUSTER_DOMAIN, KubeconfigArgs, TargetClusterArgs},
    namespace::NamespaceArgs,
    scenario,
    usage::UsageError,
};
use crate::exit::Exit;

/// Flags of `link`.
#[derive(Clone, Debug, Args)]
pub struct LinkArgs {
    /// The source cluster, whose controller is told.
    #[command(flatten)]
    pub source: KubeconfigArgs,
    /// The target cluster, which it is told of.
    #[command(flatten)]
    pub target: TargetClusterArgs,
    /// Name of the target cluster: federation.cluster of a scenario.
    #[arg(long, default_value = "target", env)]
    pub cluster: String,
    /// URL of the target cluster's API server as the controller reaches it, such as
    /// https://10.0.0.1:6443; that of the kubeconfig by default.
    #[arg(long, value_name = "URL", env)]
    pub server: Option<String>,
    /// Namespace of the controller.
    #[arg(long, default_value = "linkerd", env)]
    pub controller_namespace: String,
    /// Also create the Services that stand for this scenario's, in --namespace, for `churn` and
    /// `client` apart. `run` creates its own.
    #[arg(long, value_name = "SCENARIO", env, requires = "namespace")]
    pub scenario: Option<String>,
    /// Override a value of the scenario, as Helm does. Can be repeated.
    #[arg(long, value_name = "KEY=VALUE", requires = "scenario")]
    pub set: Vec<String>,
    /// Namespace of the scenario's Services, the same in both clusters. It must exist.
    #[arg(short, long, env)]
    pub namespace: Option<String>,
    /// Namespaces that are allowed by name.
    #[command(flatten)]
    pub allowed: NamespaceArgs,
}

/// Links, and says on `out` what was made and what takes it away again.
///
/// # Errors
/// No such cluster, both being the same, credentials that cannot be passed on, or a refusal.
pub async fn run(args: &LinkArgs, out: &mut impl io::Write) -> anyhow::Result<Exit> {
    if args.target.named().is_none() {
        return Err(UsageError(
            "no target cluster is named; add --churn-context or --churn-kubeconfig".into(),
        )
        .into());
    }
    if let Some(namespace) = &args.namespace {
        let controller = args.controller_namespace.clone();
        args.allowed.check(namespace, [controller])?;
    }
    let scenario = match &args.scenario {
        Some(name) => Some(scenario::shape(Some(name), &args.set, None)?),
        None => None,
    };
    let source = args.source.find().await?;
    let same =
        |url: &str| format!("both clusters are {url}; a cluster cannot be linked with itself");
    let target = args.target.find(&args.source, &source, same).await?;
    let credentials = target
        .exported(&args.cluster, args.server.as_deref())
        .context("the target cluster's credentials cannot be passed on")?;
    let link = Link {
        cluster: args.cluster.clone(),
        controller_namespace: args.controller_namespace.clone(),
        kubeconfig: credentials,
        cluster_domain: CLUSTER_DOMAIN.to_owned(),
    };
    let run = RunIdentity::of_link(&args.cluster);
    let (clock, limits) = (Clock::start(), Limits::default());
    let caller = Caller::new(source.client()?, clock, 0, limits);
    link.write(&caller, &run).await?;
    writeln!(
        out,
        "linked {} as {}: secret {}/{}",
        target.url(),
        args.cluster,
        args.controller_namespace,
        link.secret_name()
    )?;
    // Before there is more to take away, which may fail.
    writeln!(
        out,
        "`dst-load-controller cleanup --run-id {}` on the source cluster takes it away",
        run.id
    )?;
    if let (Some(mut scenario), Some(namespace)) = (scenario, &args.namespace) {
        let both = scenario.federation.get_or_insert_default();
        both.cluster.clone_from(&args.cluster);
        let made = scenario
            .watched()
            .iter()
            .filter(|it| it.through.is_some())
            .count();
        let (scenario, namespace) = (Arc::new(scenario), namespace.clone());
        writeln!(
            out,
            "making {made} Services in {namespace} that stand for those over there"
        )?;
        Actor::new(
            source.client()?,
            clock,
            namespace,
            run.clone(),
            scenario,
            limits,
        )
        .stand_in()
        .await?;
    }
    Ok(Exit::Pass)
}
