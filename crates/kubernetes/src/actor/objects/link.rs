//! What links two clusters, as Linkerd's multicluster extension writes it.

use base64::{Engine, prelude::BASE64_STANDARD};
use dst_load_scenario::federation::DiscoveryMode;
use serde_json::{Value, json};

use super::service;
use crate::actor::RunIdentity;

/// Names the cluster by a label of a mirror Service, and all members by an annotation of a
/// federated one.
pub const REMOTE_DISCOVERY: &str = "multicluster.linkerd.io/remote-discovery";
/// The label of a mirror Service that names the Service over there.
pub const REMOTE_SERVICE: &str = "multicluster.linkerd.io/remote-service";
/// The label of a linked cluster's Secret that names the cluster.
pub const CLUSTER_NAME: &str = "multicluster.linkerd.io/cluster-name";
/// The type of such a Secret.
const REMOTE_KUBECONFIG: &str = "mirror.linkerd.io/remote-kubeconfig";

/// A Service of the source cluster that stands for `behind` of `cluster`: without a selector, for
/// all its endpoints are over there.
#[must_use]
pub fn stand_in(
    name: &str,
    namespace: &str,
    port: u16,
    behind: &str,
    cluster: &str,
    through: DiscoveryMode,
    run: &RunIdentity,
) -> Value {
    let mut object = service(name, namespace, port, false, run);
    let metadata = &mut object["metadata"];
    match through {
        DiscoveryMode::RemoteDiscovery => {
            metadata["labels"][REMOTE_DISCOVERY] = cluster.into();
            metadata["labels"][REMOTE_SERVICE] = behind.into();
        }
        DiscoveryMode::Federated => {
            let member = format!("{behind}@{cluster}");
            metadata["annotations"] = json!({ REMOTE_DISCOVERY: member });
        }
    }
    object
}

/// The Secret by which the controller in `namespace` finds the API of `cluster`.
///
/// Both annotations must be there: a Secret without them is left aside.
#[must_use]
pub fn cluster_secret(
    name: &str,
    cluster: &str,
    namespace: &str,
    kubeconfig: &str,
    cluster_domain: &str,
    run: &RunIdentity,
) -> Value {
    let mut labels = super::labels(run);
    labels.insert(CLUSTER_NAME.into(), cluster.into());
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": REMOTE_KUBECONFIG,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "annotations": {
                "multicluster.linkerd.io/trust-domain": cluster_domain,
                "multicluster.linkerd.io/cluster-domain": cluster_domain,
            },
        },
        "data": { "kubeconfig": BASE64_STANDARD.encode(kubeconfig) },
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Secret, Service};

    use super::{super::tests, *};

    #[test]
    fn stand_ins_are_marked_as_linkerd_reads_them_and_select_nothing() {
        let made = |through| stand_in("a", "ns", 8080, "web-1", "east", through, &tests::run());
        let mirror = made(DiscoveryMode::RemoteDiscovery);
        assert_eq!(mirror["metadata"]["labels"][REMOTE_DISCOVERY], "east");
        assert_eq!(mirror["metadata"]["labels"][REMOTE_SERVICE], "web-1");
        let federated = made(DiscoveryMode::Federated);
        let annotations = &federated["metadata"]["annotations"];
        assert_eq!(annotations[REMOTE_DISCOVERY], "web-1@east");
        for object in [mirror, federated] {
            tests::survives::<Service>(&object);
            assert_eq!(object["spec"]["selector"], Value::Null);
        }
    }

    #[test]
    fn the_secret_has_all_that_the_controller_looks_for() {
        let secret = cluster_secret(
            "east-key",
            "east",
            "linkerd",
            "{}",
            "cluster.local",
            &tests::run(),
        );
        tests::survives::<Secret>(&secret);
        assert_eq!(secret["type"], REMOTE_KUBECONFIG);
        assert_eq!(secret["metadata"]["labels"][CLUSTER_NAME], "east");
        for key in ["trust-domain", "cluster-domain"] {
            let annotation = &secret["metadata"]["annotations"];
            assert_eq!(
                annotation[format!("multicluster.linkerd.io/{key}")],
                "cluster.local"
            );
        }
    }
}
