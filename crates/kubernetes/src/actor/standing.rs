//! For which Service of another cluster one stands, as its labels and annotations say.

use std::collections::BTreeMap;

use dst_load_scenario::{federation::DiscoveryMode, words::chain};
use dst_load_transport::retry::retrying;
use k8s_openapi::api::core::v1::Service;
use kube::{Api, ResourceExt, api::ListParams};

use super::objects::{REMOTE_DISCOVERY, REMOTE_SERVICE};

/// A Service of another cluster that is stood for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stood {
    /// How.
    pub through: DiscoveryMode,
    /// The Service over there; its namespace is the same.
    pub service: String,
    /// The name by which that cluster is linked.
    pub cluster: String,
}

/// Why it cannot be said what a Service stands for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StandingError {
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

/// What the Services of `namespace` stand for, by name; those that stand for themselves are left
/// out, and none is there that the API does not list.
///
/// # Errors
/// [`StandingError`], of those in `wanted` alone.
pub async fn standing(
    kube: &kube::Client,
    namespace: &str,
    wanted: &[&str],
) -> Result<BTreeMap<String, Stood>, StandingError> {
    let services: Api<Service> = Api::namespaced(retrying(kube.clone()), namespace);
    let listed = services.list(&ListParams::default()).await;
    let listed = listed.map_err(|error| StandingError::Unreadable {
        namespace: namespace.to_owned(),
        cause: chain(&error),
    })?;
    let mut all = BTreeMap::new();
    for service in listed.items {
        let name = service.name_any();
        if wanted.contains(&name.as_str())
            && let Some(stood) = stood(&service)?
        {
            all.insert(name, stood);
        }
    }
    Ok(all)
}

/// The annotations win over the labels, as they do in Linkerd.
fn stood(service: &Service) -> Result<Option<Stood>, StandingError> {
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
            [member] if let Some((service, cluster)) = member.split_once('@') => Ok(Some(Stood {
                through: DiscoveryMode::Federated,
                service: service.to_owned(),
                cluster: cluster.to_owned(),
            })),
            _ => Err(StandingError::Several {
                service: service.name_any(),
                members: members.join(", "),
            }),
        };
    }
    let labels = service.labels();
    let pair = labels.get(REMOTE_DISCOVERY).zip(labels.get(REMOTE_SERVICE));
    Ok(pair.map(|(cluster, service)| Stood {
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

    fn of(object: Value) -> Result<Option<Stood>, StandingError> {
        stood(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn what_this_tool_makes_is_understood_and_a_service_of_its_own_stands_for_nothing() {
        let run = RunIdentity::of_link("east");
        for through in [DiscoveryMode::RemoteDiscovery, DiscoveryMode::Federated] {
            let made = objects::stand_in("a", "ns", 80, "web", "east", through, &run);
            let expected = Stood {
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
