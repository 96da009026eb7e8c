//! Who is at work in a namespace: one run at a time.
//!
//! The run holds a Lease of coordination.k8s.io and renews it. Whether another run is alive is
//! judged as client-go's leader election does: its Lease is observed for as long as it is valid, and
//! what counts is whether it changed meanwhile. No two clocks are compared.

use std::time::Duration;

use dst_load_scenario::printable::line;
use k8s_openapi::api::{
    coordination::v1::{Lease, LeaseSpec},
    core::v1::Namespace,
};
use kube::{
    Api, ResourceExt as _,
    core::params::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{
    KubernetesError, RunIdentity,
    act::Actor,
    cleanup::{Scope, cleanup},
    listing::{Item, Listing},
    objects::{self, MANAGER, Maker},
    owned::{ObjectRef, Operation},
    resource::{LEASES, NAMESPACES, PODS},
};

/// How often a live run renews its Lease.
pub const RENEW_INTERVAL: Duration = Duration::from_secs(5);
/// For how long what was permitted before may be refused: permissions go before the Pod that has
/// them.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(30);
/// For how long a Lease is valid: three renewals. A run that does not renew it for this long is
/// dead.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// A Lease that says that it is valid for longer is observed for this long.
const LONGEST_OBSERVATION: Duration = Duration::from_secs(60);

/// The Lease of the namespace. Its renewals do not queue behind what the plan writes.
const LEASE: ObjectRef<'static> = ObjectRef {
    resource: &LEASES,
    name: MANAGER,
    urgent: true,
};

/// What of a Lease changes when it is renewed or changes hands, and at no other time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LeaseRecord {
    spec: Option<LeaseSpec>,
    /// Of one that has no `renewTime`: then any write counts as a renewal.
    version: Option<String>,
}

/// How a namespace became ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody held it.
    Fresh,
    /// The Lease of another run was stale; what that run had left was deleted.
    TakenOver {
        /// The other run's id.
        from: String,
    },
}

// === impl LeaseRecord ===

impl LeaseRecord {
    pub(super) fn of(lease: &Lease) -> Self {
        let renewed = lease.spec.as_ref().and_then(|it| it.renew_time.as_ref());
        Self {
            spec: lease.spec.clone(),
            version: match renewed {
                Some(_) => None,
                None => lease.resource_version(),
            },
        }
    }
}

// === impl Actor ===

impl Actor {
    /// Makes the namespace if it is not there, and takes its Lease. What a dead run of ours left
    /// there is deleted first; a live one is refused.
    ///
    /// # Errors
    ///
    /// [`KubernetesError::ControlPlane`], [`KubernetesError::InUse`] while another run is alive, [`KubernetesError::NoNamespace`],
    /// [`KubernetesError::NotOurs`], or a refusal of the API server.
    pub async fn prepare(&self) -> Result<Claim, KubernetesError> {
        if !self.allows_control_plane && self.has_control_plane().await? {
            return Err(KubernetesError::ControlPlane {
                namespace: self.namespace.clone(),
            });
        }
        loop {
            if let Some(claim) = self.claim().await? {
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
        match listing.list_pages::<Item>(&PODS, 1).await {
            Err(KubernetesError::Forbidden { .. }) => Ok(false),
            found => found.map(|pods| !pods.is_empty()),
        }
    }

    /// `None` if whoever held the Lease ended while it was observed: the namespace is free then.
    async fn claim(&self) -> Result<Option<Claim>, KubernetesError> {
        let mut created = self.create_lease().await;
        // Only now: who may not make namespaces need not be refused if it is there.
        if let Err(error) = &created
            && error.is_refused_as("NotFound")
        {
            self.make_namespace().await?;
            created = self.create_lease().await;
        }
        match created {
            Ok(()) => return Ok(Some(Claim::Fresh)),
            Err(error) if error.is_refused_as("AlreadyExists") => {}
            Err(error) => return Err(error),
        }
        let from = match self.take_over().await {
            Err(error) if error.is_refused_as("NotFound") => return Ok(None),
            taken => taken?,
        };
        tracing::info!(namespace = self.namespace, holder = %from, "took over stale lease");
        cleanup(
            &self.caller,
            &Scope::AllBut(self.run.id.clone()),
            Some(&self.namespace),
        )
        .await?;
        self.adopt_namespace().await?;
        Ok(Some(Claim::TakenOver { from }))
    }

    /// Renews the Lease for as long as it is polled. It returns only when the Lease is another's,
    /// gone, or may not be written any more: the run should then end.
    pub async fn renew_lease(&self) -> KubernetesError {
        let mut permitted = None;
        loop {
            tokio::time::sleep(RENEW_INTERVAL).await;
            match self.renew_once().await {
                Ok(()) => permitted = Some(self.clock().now()),
                // An API server that is away for a while must not end the run: nobody else can
                // take the lease from it either.
                Err(error @ KubernetesError::Exhausted { .. }) => {
                    tracing::warn!(%error, "lease not renewed, retrying");
                }
                // Who uninstalls takes the permission away just before the end.
                Err(error @ KubernetesError::Forbidden { .. })
                    if permitted.is_some_and(|at| self.clock().now() < at + REFUSED_FOR) =>
                {
                    tracing::info!(%error, "lease renewal refused, retrying");
                }
                Err(error) => return error,
            }
        }
    }

    /// The Lease as this run acquires it now.
    fn lease(&self) -> Lease {
        let clock = self.clock();
        let now = clock.date(clock.now());
        let mut lease = objects::lease(&self.namespace, &self.run, LEASE_DURATION, now);
        lease.metadata.owner_references = self.owner.as_ref().map(|pod| vec![pod.reference()]);
        lease
    }

    async fn create_lease(&self) -> Result<(), KubernetesError> {
        let leases: Api<Lease> = Api::namespaced(self.caller.kube(), &self.namespace);
        let created = leases.create(&PostParams::default(), &self.lease()).await;
        let failure = self.caller.failure("create", LEASES.plural, MANAGER);
        self.owned.made(LEASE, &created.map_err(failure)?.metadata);
        Ok(())
    }

    /// Creates the namespace; one that somebody else has made in the meantime is fine.
    async fn make_namespace(&self) -> Result<(), KubernetesError> {
        let name = &self.namespace;
        let namespaces: Api<Namespace> = Api::all(self.caller.kube());
        let namespace = objects::namespace(name, &self.run);
        let created = namespaces.create(&PostParams::default(), &namespace).await;
        match created.map_err(self.caller.failure("create", NAMESPACES.plural, name)) {
            Ok(_) => Ok(()),
            Err(error) if error.is_refused_as("AlreadyExists") => Ok(()),
            Err(error @ KubernetesError::Forbidden { .. }) => Err(KubernetesError::NoNamespace {
                namespace: name.clone(),
                cause: error.to_string(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Writes our run id on a namespace that a dead run of ours made, so that our cleanup takes
    /// it away. Any other namespace stays as it is.
    async fn adopt_namespace(&self) -> Result<(), KubernetesError> {
        let name = &self.namespace;
        let failure = |verb| self.caller.failure(verb, NAMESPACES.plural, name);
        let namespaces: Api<Namespace> = Api::all(self.caller.exact());
        for _ in 0..self.caller.attempts() {
            let found = match namespaces.get(name).await.map_err(failure("get")) {
                Err(KubernetesError::Forbidden { .. }) => return Ok(()),
                found => found?,
            };
            if !matches!(objects::maker(found.labels()), Maker::Run(id) if !RunIdentity::is_link(&id))
            {
                return Ok(());
            }
            let patch = Patch::Merge(json!({
                "metadata": {
                    "labels": objects::labels(&self.run),
                    "resourceVersion": found.metadata.resource_version,
                },
            }));
            let adopted = namespaces
                .patch(name, &PatchParams::default(), &patch)
                .await;
            match adopted.map_err(failure("patch")) {
                Err(error) if error.is_refused_as("Conflict") => {}
                adopted => return adopted.map(|_| ()),
            }
        }
        // Somebody writes it all the time. It stays, as another's would.
        Ok(())
    }

    /// Observes the Lease of another run and takes it if it is not renewed. Returns who held it.
    async fn take_over(&self) -> Result<String, KubernetesError> {
        let leases: Api<Lease> = Api::namespaced(self.caller.exact(), &self.namespace);
        let failure = |verb| self.caller.failure(verb, LEASES.plural, MANAGER);
        let before = leases.get(MANAGER).await.map_err(failure("get"))?;
        if let Maker::Somebody = objects::maker(before.labels()) {
            let (maker, namespace) = (Maker::Somebody, &self.namespace);
            return Err(KubernetesError::not_of(
                maker,
                LEASES.plural,
                MANAGER,
                namespace,
            ));
        }
        let (holder, duration) = (holder(&before), observation(&before));
        tracing::info!(
            namespace = self.namespace,
            %holder,
            ?duration,
            "namespace held by another run, observing whether it renews its lease"
        );
        tokio::time::sleep(duration).await;
        let after = leases.get(MANAGER).await.map_err(failure("get"))?;
        let in_use = || KubernetesError::InUse {
            namespace: self.namespace.clone(),
            holder: holder.clone(),
        };
        if LeaseRecord::of(&before) != LeaseRecord::of(&after) {
            return Err(in_use());
        }
        let mut lease = self.lease();
        // With the version that was read, only one of two successors can win.
        lease.metadata.resource_version = after.metadata.resource_version;
        if let Some(spec) = &mut lease.spec {
            let before = after.spec.and_then(|spec| spec.lease_transitions);
            spec.lease_transitions = Some(before.unwrap_or_default().saturating_add(1));
        }
        let patch = Patch::Merge(lease);
        let taken = leases.patch(MANAGER, &PatchParams::default(), &patch).await;
        match taken.map_err(failure("patch")) {
            Ok(taken) => {
                self.owned.made(LEASE, &taken.metadata);
                Ok(holder)
            }
            Err(error) if error.is_refused_as("Conflict") => Err(in_use()),
            Err(error) => Err(error),
        }
    }

    /// Renews the Lease, if it is still this run's.
    async fn renew_once(&self) -> Result<(), KubernetesError> {
        let clock = self.clock();
        let patch = objects::renewal(clock.date(clock.now()));
        let reply = self.perform(LEASE, &Operation::Merge(None, &patch)).await;
        match reply.result {
            Err(KubernetesError::OfAnotherRun { namespace, run, .. }) => {
                Err(KubernetesError::Lost {
                    namespace,
                    holder: run,
                })
            }
            renewed => renewed.map(|_| ()),
        }
    }
}

/// For how long a Lease is observed: as long as it says that it is valid, within bounds.
fn observation(lease: &Lease) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|it| it.lease_duration_seconds);
    let valid = u64::try_from(seconds.unwrap_or_default()).unwrap_or_default();
    Duration::from_secs(valid).clamp(LEASE_DURATION, LONGEST_OBSERVATION)
}

fn holder(lease: &Lease) -> String {
    let holder = lease
        .spec
        .as_ref()
        .and_then(|it| it.holder_identity.as_deref());
    line(holder.unwrap_or_default())
}
