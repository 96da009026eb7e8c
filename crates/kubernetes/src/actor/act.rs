//! From an action to the calls that do it.

use std::sync::Arc;

use dst_load_oracle::ledger::Written;
use dst_load_scenario::{
    action::{Action, Verb},
    federation::Site,
    roster::Roster,
    scenario::{Backend, Scenario, ServiceGroup},
    time::At,
};
use dst_load_transport::clock::Clock;
use serde_json::Value;
use tokio::sync::Mutex;

use super::{
    KubernetesError, KubernetesErrors, Limits, OwnerPod, RunIdentity,
    call::{Caller, Reply},
    cleanup::{Cleaned, Scope, cleanup},
    objects,
    own::Own,
    owned::{ObjectRef, Operation, OwnedObjects},
    resource::{DEPLOYMENTS, Resource, SERVICES},
};

/// Acts on one namespace on behalf of one run.
///
/// Actions of different Services run side by side; those of one Service run in the order in which
/// they were handed in, so that a scale-down never passes a scale-up that is being retried.
pub struct Actor {
    pub(super) caller: Caller,
    pub(super) namespace: String,
    pub(super) run: RunIdentity,
    pub(super) scenario: Arc<Scenario>,
    /// Keeps the pods on KWOK's nodes (label `type=kwok`): for clusters that have others too.
    pub kwok_nodes: bool,
    /// The Pod of the namespace that everything belongs to.
    pub owner: Option<OwnerPod>,
    /// Which of two clusters this acts on.
    pub site: Site,
    /// Receives every slice that is written.
    pub on_slice: Option<OnSlice>,
    /// Whether a control plane of Linkerd in the namespace is no reason to leave it alone.
    pub allows_control_plane: bool,
    /// What this made.
    pub(super) owned: OwnedObjects,
    services: Vec<Target>,
}

/// One Service of the scenario.
struct Target {
    name: String,
    group: usize,
    site: Site,
    /// The endpoints that we write ourselves, if we do. tokio's mutex is fair: it serves in the
    /// order of asking.
    turn: Mutex<Option<Roster>>,
}

/// Is told of each write of a slice of ours: its Service's position, what was written, and when
/// that was acknowledged.
pub type OnSlice = Arc<dyn Fn(usize, Written, At) + Send + Sync>;

/// What came of one action.
#[derive(Clone, Debug)]
pub struct Acted {
    /// The action, with its intended instant.
    pub action: Action,
    /// When its first call was sent.
    pub sent: At,
    /// When its last call was answered, or given up.
    pub acknowledged: At,
    /// Attempts beyond the first of each call.
    pub retries: u32,
    /// Whether it was done.
    pub result: Result<(), KubernetesError>,
}

// === impl Actor ===

impl Actor {
    /// Acts through `kube` (whose own retries should be off) on `namespace`.
    #[must_use]
    pub fn new(
        kube: kube::Client,
        clock: Clock,
        namespace: String,
        run: RunIdentity,
        scenario: Arc<Scenario>,
        limits: Limits,
    ) -> Self {
        let churn = &scenario.churn;
        let count = scenario.services().count();
        let names = (0..)
            .zip(scenario.groups())
            .flat_map(|(group, (of, site))| {
                of.names().map(move |name| (name, group, site, &of.pattern))
            });
        let services = names
            .enumerate()
            .map(|(index, (name, group, site, pattern))| Target {
                name,
                group,
                site,
                turn: Mutex::new(Roster::new(
                    churn.backend,
                    pattern,
                    churn.port,
                    index,
                    count,
                )),
            });
        Self {
            caller: Caller::new(kube, clock, scenario.seed, limits),
            namespace,
            run,
            services: services.collect(),
            scenario,
            kwok_nodes: false,
            owner: None,
            site: Site::Source,
            on_slice: None,
            allows_control_plane: false,
            owned: OwnedObjects::default(),
        }
    }

    /// Whether the Service at this position is in the cluster that this acts on.
    #[must_use]
    pub fn acts_on(&self, service: usize) -> bool {
        self.services[service].site == self.site
    }

    /// The namespace acted on.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run.id
    }

    /// The run's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.caller.clock()
    }

    /// The caller, for its counters.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// How often each kind of failure was met so far.
    #[must_use]
    pub fn errors(&self) -> KubernetesErrors {
        self.caller.errors()
    }

    /// Does `action`, now, or after the earlier actions of the same Service. Its intended instant
    /// is the caller's business.
    ///
    /// # Panics
    ///
    /// If the action's Service is not one of the scenario's.
    pub async fn act(&self, action: &Action) -> Acted {
        let target = &self.services[action.service];
        let mut turn = target.turn.lock().await;
        let name = &target.name;
        let reply = match action.verb {
            verb if let Some(roster) = turn.as_mut() => {
                let service = Own::new(self, name, action.service);
                service.perform(roster, &verb).await
            }
            Verb::Create { endpoints } => self.create(target, endpoints).await,
            Verb::Scale { to, .. } => {
                let patch = objects::scale(to);
                self.patch_deployment(Some("scale"), name, &patch).await
            }
            Verb::Restart { .. } => {
                let token = format!("{}-{}", action.cycle, action.intended.as_micros());
                let patch = objects::restart(&token);
                self.patch_deployment(None, name, &patch).await
            }
            Verb::Provoke { case, .. } => self.refuse(KubernetesError::InvalidRequest {
                what: format!("{case} of {name}"),
                message: "its Pods and slices are not written by this tool".to_owned(),
            }),
        };
        Acted {
            action: action.clone(),
            sent: reply.sent,
            acknowledged: reply.acknowledged,
            retries: reply.retries,
            result: reply.result.map(|_| ()),
        }
    }

    /// Deletes what the run made and waits until it is gone ([`cleanup`]).
    ///
    /// # Errors
    ///
    /// A listing or deletion that the API server refused.
    pub async fn cleanup(&self) -> Result<Cleaned, KubernetesError> {
        let scope = Scope::Run(self.run.id.clone());
        cleanup(&self.caller, &scope, Some(&self.namespace)).await
    }

    fn group(&self, target: &Target) -> &ServiceGroup {
        let mut groups = self.scenario.groups();
        let (group, _) = groups
            .nth(target.group)
            .expect("invariant: the number was counted over the same groups");
        group
    }

    async fn create(&self, target: &Target, endpoints: u32) -> Reply {
        let (name, port) = (&target.name, self.scenario.churn.port);
        let service = objects::service(name, &self.namespace, port, true, &self.run);
        let first = self.put(&SERVICES, name, service).await;
        if first.result.is_err() {
            return first;
        }
        let deployment = objects::deployment(
            name,
            &self.namespace,
            endpoints,
            objects::DeploymentPods {
                port,
                meshed: matches!(
                    self.scenario.churn.backend,
                    Backend::Deployments { meshed: true }
                ),
                kwok_nodes: self.kwok_nodes,
            },
            self.group(target),
            &self.run,
        );
        let second = self.put(&DEPLOYMENTS, name, deployment).await;
        first.then(second)
    }

    /// Creates an object, or brings it to the wanted state if this run made it.
    pub(super) async fn put(
        &self,
        resource: &'static Resource,
        name: &str,
        object: Value,
    ) -> Reply {
        let object = objects::owned(object, self.owner.as_ref());
        let reference = ObjectRef::new(resource, name);
        self.perform(reference, &Operation::Apply(object)).await
    }

    async fn patch_deployment(
        &self,
        subresource: Option<&'static str>,
        name: &str,
        patch: &Value,
    ) -> Reply {
        let reference = ObjectRef::new(&DEPLOYMENTS, name);
        let operation = Operation::Merge(subresource, patch);
        self.perform(reference, &operation).await
    }

    /// The reply to what is not even sent.
    pub(super) fn refuse(&self, error: KubernetesError) -> Reply {
        Reply::unsent(self.clock().now(), Err(error))
    }
}
