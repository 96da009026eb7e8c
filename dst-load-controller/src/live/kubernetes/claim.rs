//! Who is at work in a namespace: one run at a time.
//!
//! The run holds a Lease and counts heartbeats on it. Whether another run is alive is seen by
//! watching its count for a while, as leader election does it: no two clocks are compared.

use std::time::Duration;

use kube::core::{
    Request,
    params::{GetParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    KubernetesError,
    act::Actor,
    call::{Call, Caller},
    cleanup::{Scope, cleanup},
    objects::{self, HEARTBEAT, MANAGER},
    resource::{LEASES, NAMESPACES},
};
use crate::model::printable::line;

/// How often a live run counts on.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// For how long what was permitted before may be refused: permissions go before the Pod that has
/// them.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(30);
/// A run whose count stands still for this long is dead: three heartbeats.
pub const STALE_AFTER: Duration = Duration::from_secs(15);

/// How a namespace became ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody held it.
    Fresh,
    /// A dead run held it; what it had left was deleted.
    TakenOver {
        /// The dead run's id.
        from: String,
    },
}

// === impl Actor ===

impl Actor {
    /// Makes the namespace if it is not there, and takes its lease. What a dead run of ours left
    /// there is deleted first; a live one is refused.
    ///
    /// # Errors
    ///
    /// [`KubernetesError::InUse`] while another run is alive, [`KubernetesError::NoNamespace`],
    /// [`KubernetesError::NotOurs`], or a refusal of the API server.
    pub async fn prepare(&self) -> Result<Claim, KubernetesError> {
        let lease = objects::lease(&self.namespace, &self.run, STALE_AFTER.as_secs());
        let lease = objects::owned(lease, self.owner.as_ref());
        loop {
            if let Some(claim) = self.claim(&lease).await? {
                return Ok(claim);
            }
        }
    }

    /// `None` if whoever held the lease ended while it was watched: the namespace is free then.
    async fn claim(&self, lease: &Value) -> Result<Option<Claim>, KubernetesError> {
        let mut created = self.create_lease(lease).await;
        // Only now: who may not make namespaces need not be refused if it is there.
        if let Err(error) = &created
            && error.is_refused_as("NotFound")
        {
            self.make_namespace().await?;
            created = self.create_lease(lease).await;
        }
        match created {
            Ok(()) => return Ok(Some(Claim::Fresh)),
            Err(error) if error.is_refused_as("AlreadyExists") => {}
            Err(error) => return Err(error),
        }
        let from = match self.take_over(lease).await {
            Err(error) if error.is_refused_as("NotFound") => return Ok(None),
            taken => taken?,
        };
        tracing::info!(namespace = self.namespace, %from, "took over from a dead run");
        cleanup(
            &self.caller,
            &Scope::AllBut(self.run.id.clone()),
            Some(&self.namespace),
        )
        .await?;
        self.adopt_namespace().await?;
        Ok(Some(Claim::TakenOver { from }))
    }

    /// Counts heartbeats for as long as it is polled. It returns only when the lease is another's,
    /// gone, or may not be written any more: the run should then end.
    pub async fn keep_claim(&self) -> KubernetesError {
        let mut count = 0_u64;
        let mut permitted = None;
        loop {
            tokio::time::sleep(HEARTBEAT_EVERY).await;
            count += 1;
            match self.beat(count).await {
                Ok(holder) if holder == self.run.id => permitted = Some(self.clock().now()),
                Ok(holder) => {
                    return KubernetesError::Lost {
                        namespace: self.namespace.clone(),
                        holder,
                    };
                }
                // An API server that is away for a while must not end the run: nobody else can
                // take the lease from it either.
                Err(error @ KubernetesError::Exhausted { .. }) => {
                    tracing::warn!(%error, "heartbeat missed");
                }
                // Who uninstalls takes the permission away just before the end.
                Err(error @ KubernetesError::Forbidden { .. })
                    if permitted.is_some_and(|at| self.clock().now() < at + REFUSED_FOR) =>
                {
                    tracing::info!(%error, "heartbeat refused, retrying");
                }
                Err(error) => return error,
            }
        }
    }

    async fn create_lease(&self, lease: &Value) -> Result<(), KubernetesError> {
        let request = Request::new(LEASES.path(Some(&self.namespace)))
            .create(&PostParams::default(), lease.to_string().into_bytes());
        let call = Call::new("create", LEASES.plural, MANAGER, request)?;
        self.caller.call(&call).await.result.map(|_| ())
    }

    /// Creates the namespace; one that somebody else has made in the meantime is fine.
    async fn make_namespace(&self) -> Result<(), KubernetesError> {
        let object = objects::namespace(&self.namespace, &self.run);
        let request = Request::new(NAMESPACES.path(None))
            .create(&PostParams::default(), object.to_string().into_bytes());
        let call = Call::new("create", NAMESPACES.plural, &self.namespace, request)?;
        match self.caller.call(&call).await.result {
            Ok(_) => Ok(()),
            Err(error) if error.is_refused_as("AlreadyExists") => Ok(()),
            Err(error @ KubernetesError::Forbidden { .. }) => Err(KubernetesError::NoNamespace {
                namespace: self.namespace.clone(),
                cause: error.to_string(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Writes our run id on a namespace that a dead run of ours made, so that our cleanup takes
    /// it away. Any other namespace stays as it is.
    async fn adopt_namespace(&self) -> Result<(), KubernetesError> {
        let path = Request::new(NAMESPACES.path(None));
        let get = path.get(&self.namespace, &GetParams::default());
        let get = Call::new("get", NAMESPACES.plural, &self.namespace, get)?;
        let found: Value = match self.caller.fetch(&get).await {
            Err(KubernetesError::Forbidden { .. }) => return Ok(()),
            found => found?,
        };
        if !objects::is_ours(&found) {
            return Ok(());
        }
        let labels = json!({ "metadata": { "labels": objects::labels(&self.run) } });
        let patch = path.patch(
            &self.namespace,
            &PatchParams::default(),
            &Patch::Merge(labels),
        );
        let patch = Call::new("patch", NAMESPACES.plural, &self.namespace, patch)?;
        self.caller.call(&patch).await.result.map(|_| ())
    }

    /// Watches the lease of another run and takes it if its heartbeat stands still. Returns who
    /// held it.
    async fn take_over(&self, lease: &Value) -> Result<String, KubernetesError> {
        let before = read_lease(&self.caller, &self.namespace).await?;
        if !objects::is_ours(&before) {
            return Err(KubernetesError::NotOurs {
                resource: LEASES.plural,
                name: MANAGER.to_owned(),
                namespace: self.namespace.clone(),
            });
        }
        let holder = holder(&before);
        tracing::info!(
            namespace = self.namespace,
            %holder,
            "another run holds the namespace; watching whether it is alive for {STALE_AFTER:?}"
        );
        tokio::time::sleep(STALE_AFTER).await;
        let after = read_lease(&self.caller, &self.namespace).await?;
        let in_use = || KubernetesError::InUse {
            namespace: self.namespace.clone(),
            holder: holder.clone(),
        };
        if version(&before) != version(&after) {
            return Err(in_use());
        }
        let mut lease = lease.clone();
        // With the version that was read, only one of two successors can win.
        lease["metadata"]["resourceVersion"] = version(&after).clone();
        let patch = Request::new(LEASES.path(Some(&self.namespace))).patch(
            MANAGER,
            &PatchParams::default(),
            &Patch::Merge(lease),
        );
        let mut call = Call::new("patch", LEASES.plural, MANAGER, patch)?;
        call.conflict_is_final = true;
        match self.caller.call(&call).await.result {
            Ok(_) => Ok(holder),
            Err(error) if error.is_refused_as("Conflict") => Err(in_use()),
            Err(error) => Err(error),
        }
    }

    /// Counts one heartbeat; returns who holds the lease.
    async fn beat(&self, count: u64) -> Result<String, KubernetesError> {
        let patch = json!({ "metadata": { "annotations": { HEARTBEAT: count.to_string() } } });
        let request = Request::new(LEASES.path(Some(&self.namespace))).patch(
            MANAGER,
            &PatchParams::default(),
            &Patch::Merge(patch),
        );
        let mut call = Call::new("patch", LEASES.plural, MANAGER, request)?;
        call.urgent = true;
        let lease: Value = self.caller.fetch(&call).await?;
        Ok(holder(&lease))
    }
}

async fn read_lease(caller: &Caller, namespace: &str) -> Result<Value, KubernetesError> {
    let get = Request::new(LEASES.path(Some(namespace))).get(MANAGER, &GetParams::default());
    caller
        .fetch(&Call::new("get", LEASES.plural, MANAGER, get)?)
        .await
}

fn holder(lease: &Value) -> String {
    let holder = lease["spec"]["holderIdentity"].as_str();
    line(holder.unwrap_or_default())
}

fn version(lease: &Value) -> &Value {
    &lease["metadata"]["resourceVersion"]
}
