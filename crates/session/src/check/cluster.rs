//! Whether the cluster can be reached, lets us do what we must, and has room.

use std::collections::BTreeMap;

use dst_load_kubernetes::actor::{Caller, Limits, linked, permissions::Permission};
use dst_load_report::check::{
    Findings, Outcome,
    capacity::{Node, Pod, collisions, kwok, room},
    quota::amount,
};
use dst_load_transport::{calls::reason, clock::Clock, retry::retrying};
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    core::v1 as core,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};

use super::{Subject, admission};

const API: &str = "kubernetes-api";
const PERMISSIONS: &str = "permissions";
const NODES: &str = "nodes";
const LINKS: &str = "multicluster";
/// Where Linkerd's controller looks for the clusters that it is linked with.
const CONTROLLER_NAMESPACE: &str = "linkerd";

/// The annotation of KWOK's Nodes.
const FAKE: &str = "kwok.x-k8s.io/node";

pub(super) async fn check(subject: &Subject<'_>, findings: &mut Findings) {
    let claim = "can reach the API server";
    let hint = "look at the kubeconfig and its context: kubectl cluster-info";
    let kube = match (subject.world.kube)() {
        Ok(kube) => kube,
        Err(error) => return findings.push(API, claim, Outcome::failed(reason(&error), hint)),
    };
    let (bare, kube) = (kube.clone(), retrying(kube));
    match kube.apiserver_version().await {
        Ok(version) => findings.push(API, claim, Outcome::seen(version.git_version)),
        Err(error) => return findings.push(API, claim, Outcome::failed(reason(&error), hint)),
    }
    permissions(&kube, subject, findings).await;
    if subject.purpose.acts {
        admission::check(&kube, subject, findings).await;
    }
    let pods = subject.wants.map_or(0, |wants| wants.pods);
    if subject.purpose.acts && pods > 0 {
        nodes(&kube, pods, findings).await;
    }
    if let Some(cluster) = subject.linked {
        links(bare, cluster, findings).await;
    }
}

/// Whether the controller is linked with the target cluster.
///
/// Its caller tries again by itself, so that `kube` should not.
async fn links(kube: Client, cluster: &str, findings: &mut Findings) {
    let caller = Caller::new(kube, Clock::start(), 0, Limits::default());
    let outcome = match linked(&caller, CONTROLLER_NAMESPACE).await {
        Ok(names) if names.iter().any(|name| name == cluster) => Outcome::seen(cluster),
        Ok(names) => Outcome::failed(
            if names.is_empty() {
                format!("no cluster is linked in namespace {CONTROLLER_NAMESPACE}")
            } else {
                format!("only these are linked: {}", names.join(", "))
            },
            "dst-load-controller link, with the same contexts, for a lab; linkerd multicluster \
             link otherwise; or say --set federation.cluster=NAME",
        ),
        Err(error) => Outcome::warning(
            error.to_string(),
            format!("allow list secrets in namespace {CONTROLLER_NAMESPACE}, or look by hand"),
        ),
    };
    findings.push(LINKS, "has the target cluster linked", outcome);
}

/// One line for each resource, and one for each verb that is refused.
async fn permissions(kube: &Client, subject: &Subject<'_>, findings: &mut Findings) {
    let mut granted: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut refused = Vec::new();
    for permission in Permission::of(subject.purpose) {
        match is_allowed(kube, subject.namespace, &permission).await {
            Ok(true) => granted
                .entry(permission.resource())
                .or_default()
                .push(permission.verb),
            Ok(false) => refused.push(permission),
            Err(error) => {
                return findings.push(
                    PERMISSIONS,
                    "can ask what is permitted",
                    Outcome::warning(
                        reason(&error),
                        "every user may create selfsubjectaccessreviews by default: see the role \
                         system:basic-user",
                    ),
                );
            }
        }
    }
    for (resource, verbs) in granted {
        findings.push(
            PERMISSIONS,
            format!("may {} {resource}", verbs.join(", ")),
            Outcome::ok(),
        );
    }
    for permission in refused {
        let (verb, resource) = (permission.verb, permission.resource());
        let place = if permission.cluster {
            "the cluster".to_owned()
        } else {
            format!("namespace {}", subject.namespace)
        };
        let kind = if permission.cluster {
            "clusterrole"
        } else {
            "role"
        };
        let part = if permission.subresource.is_empty() {
            String::new()
        } else {
            format!("/{}", permission.subresource)
        };
        let group = if permission.group.is_empty() {
            String::new()
        } else {
            format!(".{}", permission.group)
        };
        let hint = format!(
            "kubectl create {kind} dst-load --verb={verb} --resource={}{group}{part}, and bind it",
            permission.resource
        );
        let outcome = match permission.without {
            Some(lost) => Outcome::warning(format!("refused in {place}: {lost}"), hint),
            None => Outcome::failed(format!("refused in {place}"), hint),
        };
        findings.push(PERMISSIONS, format!("may {verb} {resource}"), outcome);
    }
}

async fn is_allowed(
    kube: &Client,
    namespace: &str,
    permission: &Permission,
) -> Result<bool, kube::Error> {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: text(permission.group),
                resource: text(permission.resource),
                subresource: text(permission.subresource),
                verb: text(permission.verb),
                namespace: (!permission.cluster).then(|| namespace.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = Api::all(kube.clone())
        .create(&PostParams::default(), &review)
        .await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

async fn nodes(kube: &Client, wanted: u64, findings: &mut Findings) {
    let all = ListParams::default();
    let nodes = Api::<core::Node>::all(kube.clone()).list(&all).await;
    let nodes: Vec<_> = match nodes {
        Ok(nodes) => nodes.items.into_iter().map(node).collect(),
        Err(error) => {
            let hint = "allow list nodes, or make sure by hand that they take all pods";
            let outcome = Outcome::warning(reason(&error), hint);
            return findings.push(NODES, "have room for all pods", outcome);
        }
    };
    findings.push(NODES, "are KWOK's", kwok(&nodes));
    let running = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
    let pods = Api::<core::Pod>::all(kube.clone()).list(&running).await;
    let (pods, unknown) = match pods {
        Ok(pods) => (pods.items.into_iter().map(pod).collect(), None),
        Err(error) => (Vec::new(), Some(reason(&error))),
    };
    findings.push(NODES, "have room for all pods", room(&nodes, &pods, wanted));
    findings.push(
        NODES,
        "give every pod an address of its own",
        collisions(&nodes, &pods),
    );
    if let Some(error) = unknown {
        let hint = "allow list pods in all namespaces: those that are there count for nothing here";
        findings.push(
            NODES,
            "are known with their pods",
            Outcome::warning(error, hint),
        );
    }
}

fn node(node: core::Node) -> Node {
    let fake = node.annotations().contains_key(FAKE);
    let name = node.name_any();
    let spec = node.spec.unwrap_or_default();
    let status = node.status.unwrap_or_default();
    let ready = status
        .conditions
        .iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let pods = status
        .allocatable
        .and_then(|allocatable| places(&allocatable.get("pods")?.0));
    Node {
        name,
        fake,
        open: ready && spec.unschedulable != Some(true),
        pods: pods.unwrap_or_default(),
        cidr: spec.pod_cidr.unwrap_or_default(),
    }
}

/// A Kubernetes quantity of whole things: the API server writes 2,000 as `2k`, and takes `2e3`.
fn places(quantity: &str) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from floating point saturates"
    )]
    amount(quantity).map(|places| places as u64)
}

fn pod(pod: core::Pod) -> Pod {
    let name = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
    let spec = pod.spec.unwrap_or_default();
    let ip = pod.status.and_then(|status| status.pod_ip?.parse().ok());
    Pod {
        name,
        node: spec.node_name.unwrap_or_default(),
        ip: ip.filter(|_| spec.host_network != Some(true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_however_kubernetes_writes_them() {
        for (text, number) in [
            ("110", 110),
            ("2k", 2_000),
            ("1M", 1_000_000),
            ("2e3", 2_000),
        ] {
            assert_eq!(places(text), Some(number), "{text}");
        }
        assert_eq!(places("many"), None);
    }
}
