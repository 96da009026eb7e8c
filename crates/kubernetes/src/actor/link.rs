//! Linking two clusters: the Services of the source cluster that stand for those of the target,
//! and the Secret by which the controller finds the target at all.

use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt as _,
    core::{
        PartialObjectMeta,
        params::{DeleteParams, ListParams, PostParams, Preconditions},
    },
};

use super::{
    KubernetesError, RunIdentity,
    act::Actor,
    call::Caller,
    objects::{self, MANAGER},
    resource::{SECRETS, SERVICES},
};

/// Stand-ins that are written at once.
const AT_ONCE: usize = 16;

/// How a controller is told of another cluster.
#[derive(Clone, Debug)]
pub struct Link {
    /// The name that the other cluster gets.
    pub cluster: String,
    /// The namespace of the controller, where it looks for Secrets.
    pub controller_namespace: String,
    /// A kubeconfig of the other cluster, whole in itself.
    pub kubeconfig: String,
    /// The other cluster's DNS domain, and its trust domain.
    pub cluster_domain: String,
}

// === impl Actor ===

impl Actor {
    /// Makes the Services that stand for those of the target cluster, if there is one.
    ///
    /// # Errors
    /// A refusal of the API server, or a Service of that name that is not ours.
    pub async fn stand_in(&self) -> Result<(), KubernetesError> {
        let Some(both) = &self.scenario.federation else {
            return Ok(());
        };
        let watched = self.scenario.watched().into_iter();
        let stand_ins = watched.filter_map(|it| it.through.map(|through| (it, through)));
        stream::iter(stand_ins)
            .map(|(watched, through)| async move {
                let object = objects::stand_in(
                    &watched.name,
                    &self.namespace,
                    self.scenario.churn.port,
                    &watched.behind,
                    &both.cluster,
                    through,
                    &self.run,
                );
                let reply = self.put(&SERVICES, &watched.name, object).await;
                reply.result.map(|_| ())
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }
}

// === impl Link ===

impl Link {
    /// The Secret's name, as Linkerd gives it.
    #[must_use]
    pub fn secret_name(&self) -> String {
        format!("cluster-credentials-{}", self.cluster)
    }

    /// Writes the Secret. One that this tool wrote before is replaced, by deleting it first: a
    /// controller takes no notice of a change.
    ///
    /// # Errors
    /// A refusal of the API server, or a Secret of that name that is not ours.
    pub async fn write(&self, caller: &Caller, run: &RunIdentity) -> Result<(), KubernetesError> {
        let name = &self.secret_name();
        let object = objects::cluster_secret(
            name,
            &self.cluster,
            &self.controller_namespace,
            &self.kubeconfig,
            &self.cluster_domain,
            run,
        );
        let secret: Secret =
            serde_json::from_value(object).expect("invariant: it is a Secret that we wrote");
        let namespace = &self.controller_namespace;
        let failure = |verb| caller.failure(verb, SECRETS.plural, name);
        let create: Api<Secret> = Api::namespaced(caller.kube(), namespace);
        // What the Secret holds is nothing that we read.
        let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(caller.exact(), namespace);
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        loop {
            match secrets.get(name).await.map_err(failure("get")) {
                Err(error) if error.is_refused_as("NotFound") => {
                    let created = create.create(&params, &secret).await;
                    return created.map(|_| ()).map_err(failure("create"));
                }
                Err(error) => return Err(error),
                Ok(found) => {
                    objects::made_by(found.labels(), &run.id).map_err(|maker| {
                        KubernetesError::not_of(maker, SECRETS.plural, name, namespace)
                    })?;
                    let as_read = DeleteParams::default().preconditions(Preconditions {
                        uid: found.uid(),
                        resource_version: found.resource_version(),
                    });
                    let deleted = secrets.delete(name, &as_read).await;
                    match deleted.map_err(failure("delete")) {
                        // Read again: it may be another's now.
                        Err(error) if error.is_refused_as("Conflict") => {}
                        Err(error) if error.is_refused_as("NotFound") => {}
                        deleted => drop(deleted?),
                    }
                }
            }
        }
    }
}

/// The names of the clusters that are linked for the controller in `namespace`, in order.
///
/// # Errors
/// A refusal of the API server.
pub async fn linked(caller: &Caller, namespace: &str) -> Result<Vec<String>, KubernetesError> {
    let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(caller.kube(), namespace);
    let params = ListParams::default().labels(objects::CLUSTER_NAME);
    let listed = secrets.list(&params).await;
    let listed = listed.map_err(caller.failure("list", SECRETS.plural, ""))?;
    let items = listed.items.iter();
    let mut names: Vec<_> = items
        .filter_map(|item| item.labels().get(objects::CLUSTER_NAME).cloned())
        .collect();
    names.sort_unstable();
    Ok(names)
}
