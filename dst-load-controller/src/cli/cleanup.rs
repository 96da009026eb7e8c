//! `cleanup`: deletes what a run left behind, or all that dead runs left.

use std::{io, path::PathBuf};

use anyhow::Context;

use crate::live::{
    clock::Clock,
    cluster::Cluster,
    kubernetes::{Caller, Limits, Scope, cleanup, runs},
};

/// Whose traces to remove, and where.
#[derive(Clone, Debug)]
pub struct Cleanup {
    /// The run, alive or not; `None` for all that are dead.
    pub run_id: Option<String>,
    /// The cluster, by its kubeconfig; as kubectl finds it if not given.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context, if not its current one.
    pub context: Option<String>,
    /// The only namespace to look in; all if not given.
    pub namespace: Option<String>,
}

// === impl Cleanup ===

impl Cleanup {
    /// Deletes, waits until all is gone, and writes what that was to `out`.
    ///
    /// # Errors
    ///
    /// No cluster, a missing permission, or objects that did not go in time.
    pub async fn run(self, out: &mut dyn io::Write) -> anyhow::Result<()> {
        let cluster = Cluster::find(self.kubeconfig.as_deref(), self.context.as_deref()).await?;
        let caller = Caller::new(cluster.client()?, Clock::start(), 0, Limits::default());
        self.run_with(&caller, out).await
    }

    async fn run_with(self, caller: &Caller, out: &mut dyn io::Write) -> anyhow::Result<()> {
        let namespace = self.namespace.as_deref();
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
