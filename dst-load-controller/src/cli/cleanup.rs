//! `cleanup`: deletes what a run left behind, or all that dead runs left.

use std::io;

use anyhow::Context;
use clap::Args;
use dst_load_kubernetes::actor::{Caller, Limits, RunIdentity, Scope, cleanup, runs};
use dst_load_transport::clock::Clock;

use super::cluster::ClusterArgs;
use crate::exit::Exit;

/// Flags of `cleanup`.
#[derive(Clone, Debug, Args)]
pub struct CleanupArgs {
    /// The cluster, and the namespace if the run was given one.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Delete the objects with the label of this run, alive or not.
    #[arg(long, required_unless_present = "all", env)]
    pub run_id: Option<String>,
    /// Delete the objects of all runs that are not alive.
    #[arg(long, conflicts_with = "run_id", env)]
    pub all: bool,
}

/// Deletes, waits until all is gone, and writes what that was to `out`.
///
/// # Errors
/// No cluster, a missing permission, or objects that did not go in time.
pub async fn run(args: CleanupArgs, out: &mut impl io::Write) -> anyhow::Result<Exit> {
    let client = args.cluster.find().await?.client()?;
    let caller = Caller::new(client, Clock::start(), 0, Limits::default());
    args.run_with(&caller, out).await?;
    Ok(Exit::Pass)
}

// === impl CleanupArgs ===

impl CleanupArgs {
    async fn run_with(self, caller: &Caller, out: &mut impl io::Write) -> anyhow::Result<()> {
        let namespace = self.cluster.namespace.as_deref();
        let hint = || match namespace {
            Some(namespace) => format!("cannot clean up namespace {namespace}"),
            None => "cannot clean up all namespaces; --namespace looks in one only".to_owned(),
        };
        let found = match self.run_id {
            Some(id) => [(id, false)].into(),
            None => runs(caller, namespace).await.with_context(hint)?,
        };
        let mut remaining = 0;
        let mut nothing = true;
        for (id, alive) in found {
            if alive {
                writeln!(out, "run {id} is alive and left alone")?;
                continue;
            }
            // Runs that are alive may need it: whoever made it must say that it can go.
            if self.all && RunIdentity::is_link(&id) {
                writeln!(
                    out,
                    "{id} is no run and left alone; --run-id {id} removes it"
                )?;
                continue;
            }
            let cleaned = cleanup(caller, &Scope::Run(id.clone()), namespace)
                .await
                .with_context(hint)?;
            remaining += cleaned.remaining.len();
            nothing &= cleaned.removed.is_empty();
            for line in cleaned.to_string().lines() {
                writeln!(out, "run {id}: {line}")?;
            }
        }
        if nothing && remaining == 0 {
            writeln!(out, "nothing to remove")?;
        }
        anyhow::ensure!(remaining == 0, "{remaining} objects are still there");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use dst_load_kubernetes::actor::objects::{MANAGED_BY, MANAGER, RUN_ID};
    use dst_load_transport::mock::{Answer, mock, refusal};

    fn command(run_id: Option<&str>) -> CleanupArgs {
        CleanupArgs {
            cluster: ClusterArgs::default(),
            run_id: run_id.map(str::to_owned),
            all: run_id.is_none(),
        }
    }

    /// An API with one Service and one lease each of the runs `dead` and `alive`, of which only the
    /// latter's lease moves on.
    fn two_runs(clock: Clock) -> kube::Client {
        let mut version = 1;
        mock(clock, move |what| {
            version += 1;
            let kind = what.rsplit('/').next().unwrap_or_default();
            let item = |run: &str, version: u32| {
                json!({ "metadata": {
                    "name": format!("{run}-object"),
                    "namespace": format!("ns-{run}"),
                    "resourceVersion": version.to_string(),
                    "labels": { MANAGED_BY: MANAGER, RUN_ID: run },
                }})
            };
            let items = match kind {
                "services" | "leases" => vec![item("dead", 1), item("alive", version)],
                _ => vec![],
            };
            Answer::Json(200, json!({ "metadata": {}, "items": items }))
        })
        .0
    }

    #[tokio::test(start_paused = true)]
    async fn runs_whose_lease_moves_are_alive_and_the_others_are_not() {
        let clock = Clock::start();
        let caller = Caller::new(two_runs(clock), clock, 0, Limits::default());
        let found = runs(&caller, None).await.unwrap();
        assert_eq!(
            found,
            [("alive".into(), true), ("dead".into(), false)].into()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn in_one_namespace_no_run_of_another_is_found() {
        let clock = Clock::start();
        let (kube, _) = mock(clock, |what| {
            let namespace = |name: &str, run: &str| json!({ "metadata": { "name": name, "labels": { MANAGED_BY: MANAGER, RUN_ID: run } } });
            let items = if what.ends_with("/namespaces") {
                vec![namespace("ours", "a"), namespace("theirs", "b")]
            } else {
                vec![]
            };
            Answer::Json(200, json!({ "metadata": {}, "items": items }))
        });
        let caller = Caller::new(kube, clock, 0, Limits::default());
        let found = runs(&caller, Some("ours")).await.unwrap();
        assert_eq!(found, [("a".into(), false)].into());
        assert_eq!(runs(&caller, None).await.unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_permission_is_named_with_what_would_help() {
        let clock = Clock::start();
        let (kube, _) = mock(clock, |_| {
            refusal(
                403,
                "Forbidden",
                "User \"u\" cannot list resource \"deployments\" in API group \"apps\" at the \
                 cluster scope",
            )
        });
        let caller = Caller::new(kube, clock, 0, Limits::default());
        let mut out = Vec::new();
        let error = command(None).run_with(&caller, &mut out).await.unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("--namespace looks in one only"), "{error}");
        assert!(
            error.contains("not permitted to list deployments"),
            "{error}"
        );
        assert_eq!(out, b"");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_left_nothing_is_no_error() {
        let clock = Clock::start();
        let (kube, _) = mock(clock, |_| {
            Answer::Json(200, json!({ "metadata": {}, "items": [] }))
        });
        let caller = Caller::new(kube, clock, 0, Limits::default());
        let mut out = Vec::new();
        command(Some("gone"))
            .run_with(&caller, &mut out)
            .await
            .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "nothing to remove\n");
    }
}
