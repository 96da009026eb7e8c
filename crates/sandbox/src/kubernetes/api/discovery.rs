//! What the API is: groups, resources, version; and the access review that allows everything.

use std::collections::BTreeSet;

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{json as respond, openapi};
use crate::kubernetes::resources::Resource;

/// Answers a request that is not about stored objects, if it is one.
pub(crate) fn answer(segments: &[&str], method: &Method) -> Option<Response> {
    let value = match *segments {
        ["version"] => json!({
            "major": "1", "minor": "33", "gitVersion": "v1.33.0+sandbox", "gitCommit": "",
            "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z", "goVersion": "",
            "compiler": "", "platform": "linux/amd64",
        }),
        ["api"] => json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        }),
        ["apis"] => {
            let groups: Vec<Value> = groups().into_iter().map(group).collect();
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
        }
        ["apis", name] => {
            let known = groups().into_iter().find(|(group, _)| *group == name)?;
            let mut group = group(known);
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            group
        }
        ["api", version] => resources("", version)?,
        [
            "apis",
            "authorization.k8s.io",
            "v1",
            "selfsubjectaccessreviews",
        ] if method == Method::POST => {
            // The body may be protobuf, and the answer does not depend on it.
            let review = json!({
                "kind": "SelfSubjectAccessReview",
                "apiVersion": "authorization.k8s.io/v1",
                "metadata": {},
                "spec": {},
                "status": { "allowed": true },
            });
            return Some(respond(StatusCode::CREATED, review.to_string()));
        }
        ["apis", group, version] => resources(group, version)?,
        ["openapi", "v3"] => openapi::index(),
        ["openapi", "v3", "api", version] => openapi::document("", version)?,
        ["openapi", "v3", "apis", group, version] => openapi::document(group, version)?,
        _ => return None,
    };
    Some(respond(StatusCode::OK, value.to_string()))
}

/// Groups with their versions, the core group left out.
fn groups() -> BTreeSet<(&'static str, &'static str)> {
    let stored = Resource::all()
        .map(|it| (it.group(), it.version()))
        .filter(|(group, _)| !group.is_empty());
    stored.chain([("authorization.k8s.io", "v1")]).collect()
}

fn group((name, version): (&str, &str)) -> Value {
    let version = json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    json!({ "name": name, "versions": [version], "preferredVersion": version })
}

fn resources(group: &str, version: &str) -> Option<Value> {
    let mut list: Vec<Value> = Vec::new();
    for it in Resource::of_group(group, version) {
        list.push(json!({
            "name": it.plural(),
            "singularName": it.singular(),
            "namespaced": it.is_namespaced(),
            "kind": it.kind(),
            "shortNames": it.short().as_slice(),
            "categories": if it.is_in_all() { &["all"][..] } else { &[] },
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        }));
        if it.has_status() {
            list.push(json!({
                "name": format!("{}/status", it.plural()), "singularName": "",
                "namespaced": it.is_namespaced(), "kind": it.kind(), "verbs": ["get", "patch", "update"],
            }));
        }
        if it.has_scale() {
            list.push(json!({
                "name": format!("{}/scale", it.plural()), "singularName": "",
                "namespaced": it.is_namespaced(), "group": "autoscaling", "version": "v1",
                "kind": "Scale", "verbs": ["get", "patch", "update"],
            }));
        }
    }
    let mut group_version = format!("{group}/{version}");
    if group.is_empty() {
        version.clone_into(&mut group_version);
    } else if (group, version) == ("authorization.k8s.io", "v1") {
        list.push(json!({
            "name": "selfsubjectaccessreviews", "singularName": "selfsubjectaccessreview",
            "namespaced": false, "kind": "SelfSubjectAccessReview", "verbs": ["create"],
        }));
    }
    (!list.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList", "apiVersion": "v1",
            "groupVersion": group_version, "resources": list,
        })
    })
}
