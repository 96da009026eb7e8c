//! Whether a namespace lets a run make its objects: by dry runs of one of each kind, which quotas,
//! LimitRanges, Pod Security and admission webhooks answer as they would the run, and by its quotas.

use std::collections::BTreeMap;

use dst_load_kubernetes::actor::{RunIdentity, objects, refused_permission};
use dst_load_report::check::{
    Findings, Outcome,
    quota::{Quota, Wanted, amount, room},
};
use dst_load_scenario::{
    printable::line,
    roster,
    scenario::{Backend, Pattern, ServiceGroup},
};
use dst_load_transport::calls::reason;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
    core::Request,
};
use serde_json::Value;

use super::{Subject, Wants};

const ADMISSION: &str = "admission";
/// The name of what is only tried.
const NAME: &str = "dst-load-check";
const PORT: u16 = 8080;
/// Endpoints that Kubernetes puts into one slice.
const PER_SLICE: u64 = 100;

/// What a dry run came to.
enum Tried {
    /// The object as it would be stored.
    Admitted(Value),
    /// It would be refused, in the cluster's words.
    Refused(String),
    /// That cannot be known: the namespace is not there yet, or the caller may not make such
    /// objects, of which the permissions tell.
    Unknown,
}

pub(super) async fn check(kube: &Client, subject: &Subject<'_>, findings: &mut Findings) {
    let mut pod = None;
    for (what, path, object) in objects_of(subject) {
        let tried = dry_run(kube, subject.namespace, path, &object).await;
        let claim = format!("admits {what}");
        match tried {
            Tried::Admitted(object) => {
                if object["kind"] == "Pod" {
                    pod = Some(amounts(&object));
                }
                findings.push(ADMISSION, claim, Outcome::ok());
            }
            // The quotas themselves say it better.
            Tried::Refused(message) if message.contains("exceeded quota") => {}
            Tried::Refused(message) => {
                let hint = hint(&message);
                findings.push(ADMISSION, claim, Outcome::failed(message, hint));
            }
            Tried::Unknown => {}
        }
    }
    if let Some(wants) = subject.wants {
        quotas(kube, subject, &wanted(subject, wants, pod), findings).await;
    }
}

/// One of each kind that the run makes, with its name and its collection's path.
fn objects_of(subject: &Subject<'_>) -> Vec<(&'static str, &'static str, Value)> {
    let namespace = subject.namespace;
    let run = RunIdentity {
        id: NAME.to_owned(),
        scenario: NAME.to_owned(),
    };
    let group = ServiceGroup {
        prefix: NAME.to_owned(),
        first: 1,
        count: 1,
        pattern: Pattern::Stable { endpoints: 1 },
    };
    let selector = subject.purpose.backend.is_deployments();
    let service = objects::service(NAME, namespace, PORT, selector, &run);
    let mut all = vec![("Services", "/api/v1", service)];
    if !subject.purpose.endpoints {
        return all;
    }
    let slice = roster::Slice {
        number: 0,
        port: PORT,
        members: Vec::new(),
    };
    match subject.purpose.backend {
        Backend::Deployments { meshed } => {
            let pods = objects::DeploymentPods {
                port: PORT,
                meshed,
                kwok_nodes: false,
            };
            let deployment = objects::deployment(NAME, namespace, 1, pods, &group, &run);
            let pod = objects::pod_of(&deployment, NAME);
            all.push(("Deployments", "/apis/apps/v1", deployment));
            all.push(("Pods of Deployments", "/api/v1", pod));
        }
        Backend::Pods { meshed, .. } => {
            let pod = objects::pod(NAME, namespace, 0, PORT, meshed, &run);
            all.push(("Pods", "/api/v1", pod));
            let slice = objects::slice(NAME, namespace, &slice, true, &run);
            all.push(("EndpointSlices", "/apis/discovery.k8s.io/v1", slice));
        }
        Backend::Slices { .. } => {
            let slice = objects::slice(NAME, namespace, &slice, false, &run);
            all.push(("EndpointSlices", "/apis/discovery.k8s.io/v1", slice));
        }
    }
    all
}

async fn dry_run(kube: &Client, namespace: &str, base: &str, object: &Value) -> Tried {
    let plural = format!(
        "{}s",
        object["kind"].as_str().unwrap_or_default().to_lowercase()
    );
    let parameters = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let path = format!("{base}/namespaces/{namespace}/{plural}");
    let body = object.to_string().into_bytes();
    let Ok(request) = Request::new(path).create(&parameters, body) else {
        return Tried::Unknown;
    };
    match kube.request::<Value>(request).await {
        Ok(object) => Tried::Admitted(object),
        Err(kube::Error::Api(status)) => match status.code {
            404 | 409 => Tried::Unknown,
            403 if refused_permission(&status.message).is_some() => Tried::Unknown,
            401 | 429 => Tried::Unknown,
            // A webhook that does not answer keeps the object out; any other failure is passing.
            500.. if !status.message.contains("webhook") => Tried::Unknown,
            _ => Tried::Refused(line(&status.message)),
        },
        Err(_) => Tried::Unknown,
    }
}

/// What helps against a refusal.
fn hint(message: &str) -> &'static str {
    if message.contains("violates PodSecurity") {
        "the namespace's label pod-security.kubernetes.io/enforce asks for more than Pods here have; \
         name another namespace with --namespace"
    } else if message.contains("must specify") {
        "give the namespace a LimitRange with defaults for containers, or name another one with \
         --namespace"
    } else if message.contains("webhook") {
        "look at that webhook; exempt the namespace from it, or name another one with --namespace"
    } else {
        "change what refuses it, or name another namespace with --namespace"
    }
}

async fn quotas(kube: &Client, subject: &Subject<'_>, wanted: &Wanted, findings: &mut Findings) {
    let quotas: Api<ResourceQuota> = Api::namespaced(kube.clone(), subject.namespace);
    let claim = "has quotas with room for what is made";
    let outcome = match quotas.list(&ListParams::default()).await {
        Ok(quotas) => {
            let quotas: Vec<_> = quotas.items.into_iter().map(quota).collect();
            room(&quotas, wanted)
        }
        // What is lost is among the permissions.
        Err(kube::Error::Api(status)) if status.code == 403 => return,
        Err(error) => {
            let hint = "allow list resourcequotas, or look by hand: kubectl describe quota";
            Outcome::warning(reason(&error), hint)
        }
    };
    findings.push(ADMISSION, claim, outcome);
}

fn wanted(subject: &Subject<'_>, wants: Wants, pod: Option<BTreeMap<String, String>>) -> Wanted {
    let deployments = subject.purpose.backend.is_deployments();
    let pods = match subject.purpose.backend {
        Backend::Slices { .. } => 0,
        Backend::Deployments { .. } | Backend::Pods { .. } => wants.endpoints,
    };
    // Each Service has a slice at least, and there is one for the heartbeat.
    let slices = wants.services.max(wants.endpoints.div_ceil(PER_SLICE)) + 1;
    Wanted {
        services: wants.services,
        deployments: if deployments { wants.services } else { 0 },
        pods,
        slices,
        pod,
    }
}

fn quota(quota: ResourceQuota) -> Quota {
    let name = quota.name_any();
    let spec = quota.spec.unwrap_or_default();
    let texts = |amounts: Option<BTreeMap<String, _>>| {
        let amounts = amounts.unwrap_or_default().into_iter();
        amounts
            .map(
                |(key, value): (_, k8s_openapi::apimachinery::pkg::api::resource::Quantity)| {
                    (key, value.0)
                },
            )
            .collect()
    };
    let mut scopes = spec.scopes.unwrap_or_default();
    let selector = spec.scope_selector.and_then(|it| it.match_expressions);
    scopes.extend(selector.into_iter().flatten().map(|it| it.scope_name));
    Quota {
        name,
        hard: texts(spec.hard),
        used: texts(quota.status.and_then(|it| it.used)),
        scopes,
    }
}

/// What a Pod's containers request and are limited to, in all. An amount that one of them lacks is
/// left out.
fn amounts(pod: &Value) -> BTreeMap<String, String> {
    let containers: Vec<_> = (pod["spec"]["containers"].as_array().into_iter().flatten()).collect();
    let mut all = BTreeMap::new();
    for part in ["requests", "limits"] {
        for resource in ["cpu", "memory", "ephemeral-storage"] {
            let each = containers
                .iter()
                .map(|it| amount(it["resources"][part][resource].as_str()?));
            if let Some(sum) = each.sum::<Option<f64>>() {
                all.insert(format!("{part}.{resource}"), sum.to_string());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_amounts_of_a_pod_are_those_of_all_its_containers() {
        let container = |resources: Value| json!({ "resources": resources });
        let pod = json!({ "spec": { "containers": [
            container(json!({ "requests": { "cpu": "250m", "memory": "1Mi" } })),
            container(json!({ "requests": { "cpu": "1" }, "limits": { "cpu": "2" } })),
        ] } });
        let expected = [("requests.cpu".to_owned(), "1.25".to_owned())];
        assert_eq!(amounts(&pod), expected.into());
    }

    #[test]
    fn only_a_refusal_of_the_user_is_one_by_rbac() {
        assert!(
            refused_permission(
                "pods is forbidden: User \"u\" cannot create resource \"pods\" in API group \"\""
            )
            .is_some()
        );
        assert!(
            refused_permission("admission webhook \"w\" denied the request: you cannot").is_none()
        );
    }
}
