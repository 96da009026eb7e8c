//! Who is at work in a namespace: one run at a time.
//!
//! The run holds a Lease and counts heartbeats on it. Whether another run is alive is seen by
//! watching its count for a while, as leader election does it: no two clocks are compared.

use std::time::Duration;

use dst_load_scenario::printable::line;
use kube::core::{
    Request,
    params::{GetParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    KubernetesError, RunIdentity,
    act::Actor,
    call::{Call, Caller},
    cleanup::{Scope, cleanup},
    listing::Listing,
    objects::{self, HEARTBEAT, MANAGER, Maker},
    owned::{ObjectRef, Operation},
    resource::{LEASES, NAMESPACES, PODS},
};

/// How often a live run counts on.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// For how long what was permitted before may be refused: permissions go before the Pod that has
/// them.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(30);
/// A run whose count stands still for this long is dead: three heartbeats.
pub const STALE_AFTER: Duration = Duration::from_secs(15);

/// The lease of the namespace. Its heartbeats do not queue behind what the plan writes.
const LEASE: ObjectRef<'static> = ObjectRef {
    resource: &LEASES,
    name: MANAGER,
    urgent: true,
};

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
    /// [`KubernetesError::ControlPlane`], [`KubernetesError::InUse`] while another run is alive, [`KubernetesError::NoNamespace`],
    /// [`KubernetesError::NotOurs`], or a refusal of the API server.
    pub async fn prepare(&self) -> Result<Claim, KubernetesError> {
        if !self.beside_control_plane && self.has_control_plane().await? {
            return Err(KubernetesError::ControlPlane {
                namespace: self.namespace.clone(),
            });
        }
        let lease = objects::lease(&self.namespace, &self.run, STALE_AFTER.as_secs());
        let lease = objects::owned(lease, self.owner.as_ref());
        loop {
            if let Some(claim) = self.claim(&lease).await? {
                return Ok(claim);
            }
        }
    }

    /// Whether a part of a control plane runs in the namespace, as far as its Pods may be listed.
    async fn has_control_plane(&self) -> Result<bool, KubernetesError> {
        let listing = Listing {
            caller: &self.caller,
            selector: "linkerd.io/control-plane-component".to_owned(),
            namespace: Some(&self.namespace),
        };
        match listing.list_pages::<Value>(&PODS, Some(1)).await {
            Err(KubernetesError::Forbidden { .. }) => Ok(false),
            found => found.map(|pods| !pods.is_empty()),
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
                Ok(()) => permitted = Some(self.clock().now()),
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
        let body = self.caller.call(&call).await.result?;
        self.owned.wrote(LEASE, &body);
        Ok(())
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
        for _ in 0..self.caller.attempts() {
            let found: Value = match self.caller.fetch(&get).await {
                Err(KubernetesError::Forbidden { .. }) => return Ok(()),
                found => found?,
            };
            if !matches!(objects::maker(&found), Maker::Run(id) if !RunIdentity::is_link(&id)) {
                return Ok(());
            }
            let patch = Patch::Merge(json!({
                "metadata": {
                    "labels": objects::labels(&self.run),
                    "resourceVersion": version(&found),
                },
            }));
            let patch = path.patch(&self.namespace, &PatchParams::default(), &patch);
            let mut patch = Call::new("patch", NAMESPACES.plural, &self.namespace, patch)?;
            patch.conflict_is_final = true;
            match self.caller.call(&patch).await.result {
                Err(error) if error.is_refused_as("Conflict") => {}
                adopted => return adopted.map(|_| ()),
            }
        }
        // Somebody writes it all the time. It stays, as another's would.
        Ok(())
    }

    /// Watches the lease of another run and takes it if its heartbeat stands still. Returns who
    /// held it.
    async fn take_over(&self, lease: &Value) -> Result<String, KubernetesError> {
        let before = read_lease(&self.caller, &self.namespace).await?;
        if let Maker::Somebody = objects::maker(&before) {
            let (maker, namespace) = (Maker::Somebody, &self.namespace);
            return Err(KubernetesError::not_of(
                maker,
                LEASES.plural,
                MANAGER,
                namespace,
            ));
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
            Ok(body) => {
                self.owned.wrote(LEASE, &body);
                Ok(holder)
            }
            Err(error) if error.is_refused_as("Conflict") => Err(in_use()),
            Err(error) => Err(error),
        }
    }

    /// Counts one heartbeat on the lease, if it is still this run's.
    async fn beat(&self, count: u64) -> Result<(), KubernetesError> {
        let patch = json!({ "metadata": { "annotations": { HEARTBEAT: count.to_string() } } });
        let reply = self.perform(LEASE, &Operation::Merge(None, &patch)).await;
        match reply.result {
            Err(KubernetesError::OfAnotherRun { namespace, run, .. }) => {
                Err(KubernetesError::Lost {
                    namespace,
                    holder: run,
                })
            }
            beaten => beaten.map(|_| ()),
        }
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
