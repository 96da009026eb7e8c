//! Which Service of another cluster a Service represents, as its labels and annotations say.

use std::collections::BTreeMap;

use dst_load_scenario::federation::DiscoveryMode;
use dst_load_transport::{calls::reason, retry::retrying};
use k8s_openapi::api::core::v1::Service;
use kube::{Api, ResourceExt, api::ListParams};

use super::objects::{REMOTE_DISCOVERY, REMOTE_SERVICE};

/// A Service of another cluster that one of this cluster represents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteService {
    /// How.
    pub through: DiscoveryMode,
    /// The Service over there; its namespace is the same.
    pub service: String,
    /// The name by which that cluster is linked.
    pub cluster: String,
}

/// Why it is not known what a Service represents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteServiceError {
    /// The Services of a namespace cannot be read.
    #[error("the services of namespace {namespace} cannot be read: {cause}")]
    Unreadable {
        /// The namespace.
        namespace: String,
        /// Why.
        cause: String,
    },
    /// It unites those of several clusters, of which one is observed.
    #[error(
        "{service} unites the Services {members}; a client observes one cluster, and cannot check \
         what several add up to"
    )]
    Several {
        /// The Service.
        service: String,
        /// Its members, as the annotations say.
        members: String,
    },
}

/// The remote Services that those of `namespace` represent, by name. Local Services are left out,
/// and so is what the API does not list.
///
/// # Errors
/// [`RemoteServiceError`], of those in `wanted` alone.
pub async fn remote_services(
    kube: &kube::Client,
    namespace: &str,
    wanted: &[&str],
) -> Result<BTreeMap<String, RemoteService>, RemoteServiceError> {
    let services: Api<Service> = Api::namespaced(retrying(kube.clone()), namespace);
    let listed = services.list(&ListParams::default()).await;
    let listed = listed.map_err(|error| RemoteServiceError::Unreadable {
        namespace: namespace.to_owned(),
        cause: reason(&error),
    })?;
    let mut all = BTreeMap::new();
    for service in listed.items {
        let name = service.name_any();
        if wanted.contains(&name.as_str())
            && let Some(remote_service) = remote_service(&service)?
        {
            all.insert(name, remote_service);
        }
    }
    Ok(all)
}

/// The annotations win over the labels, as they do in Linkerd.
fn remote_service(service: &Service) -> Result<Option<RemoteService>, RemoteServiceError> {
    let local = "multicluster.linkerd.io/local-discovery";
    let annotations = service.annotations();
    let (remote, local) = (annotations.get(REMOTE_DISCOVERY), annotations.get(local));
    if remote.is_some() || local.is_some() {
        let members: Vec<_> = remote
            .iter()
            .flat_map(|all| all.split(','))
            .chain(local.map(String::as_str))
            .collect();
        return match members.as_slice() {
            [member] if let Some((service, cluster)) = member.split_once('@') => {
                Ok(Some(RemoteService {
                    through: DiscoveryMode::Federated,
                    service: service.to_owned(),
                    cluster: cluster.to_owned(),
                }))
            }
            _ => Err(RemoteServiceError::Several {
                service: service.name_any(),
                members: members.join(", "),
            }),
        };
    }
    let labels = service.labels();
    let pair = labels.get(REMOTE_DISCOVERY).zip(labels.get(REMOTE_SERVICE));
    Ok(pair.map(|(cluster, service)| RemoteService {
        through: DiscoveryMode::RemoteDiscovery,
        service: service.clone(),
        cluster: cluster.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::actor::{RunIdentity, objects};

    fn of(object: Value) -> Result<Option<RemoteService>, RemoteServiceError> {
        remote_service(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn what_this_tool_makes_is_understood_and_a_local_service_represents_no_other() {
        let run = RunIdentity::of_link("east");
        for through in [DiscoveryMode::RemoteDiscovery, DiscoveryMode::Federated] {
            let made = objects::stand_in("a", "ns", 80, "web", "east", through, &run);
            let expected = RemoteService {
                through,
                service: "web".to_owned(),
                cluster: "east".to_owned(),
            };
            assert_eq!(of(made), Ok(Some(expected)));
        }
        assert_eq!(of(objects::service("a", "ns", 80, true, &run)), Ok(None));
    }

    #[test]
    fn a_service_of_several_clusters_is_refused_with_their_names() {
        let annotations = json!({
            REMOTE_DISCOVERY: "web@east,web@west",
            "multicluster.linkerd.io/local-discovery": "web",
        });
        let several = json!({ "metadata": { "name": "all", "annotations": annotations } });
        let error = of(several).unwrap_err().to_string();
        assert!(
            error.starts_with("all unites the Services web@east, web@west, web;"),
            "{error}"
        );
    }
}
