//! What this tool asks of Kubernetes, in the words of RBAC: nothing else is needed.

use dst_load_scenario::scenario::Backend;

use super::resource::{
    DEPLOYMENTS, EVENTS, LEASES, NAMESPACES, NODES, PODS, QUOTAS, Resource, SERVICES, SLICES,
};

/// A verb on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The plural, such as `deployments`.
    pub resource: &'static str,
    /// A part of it, such as `scale`; empty for the whole.
    pub subresource: &'static str,
    /// The verb.
    pub verb: &'static str,
    /// Whether it is asked of the whole cluster, not of the namespace alone.
    pub cluster: bool,
    /// What is lost without it; `None` if nothing works then.
    pub without: Option<&'static str>,
}

/// For what permissions are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// To make Services and move their endpoints.
    pub acts: bool,
    /// Whether the Services that are made have endpoints here, or only stand for others.
    pub endpoints: bool,
    /// To watch what is promised.
    pub watches: bool,
    /// Which objects make the endpoints.
    pub backend: Backend,
}

const MADE_BY_CONTROLLERS: &str =
    "a cleanup leaves what the cluster's controllers made to the cluster's controllers";
const OWN_NAMESPACE: &str = "the namespace must be there already, and stays when a run ends";
const HEARTBEAT: &str = "how late the observer is is known only where the run writes slices itself";
const REASONS: &str = "where endpoints do not become ready, the reasons in events are not found";
const ROOM: &str = "whether quotas leave room is not checked";
const ZONES: &str = "Services whose endpoints have zone hints are not judged";

/// Resource, subresource, verbs, what is lost without.
type Row = (
    Resource,
    &'static str,
    &'static [&'static str],
    Option<&'static str>,
);

const MAKE: &[&str] = &["create", "get", "patch", "list", "delete"];
const WRITE: &[&str] = &["create", "get", "update"];
const SEE: &[&str] = &["list", "watch"];
/// As every cleanup looks for what any run may have made.
const CLEAR: &[&str] = &["list", "delete"];

const ACTING: [Row; 9] = [
    (SERVICES, "", MAKE, None),
    (DEPLOYMENTS, "", CLEAR, None),
    (LEASES, "", MAKE, None),
    (PODS, "", CLEAR, Some(MADE_BY_CONTROLLERS)),
    (SLICES, "", CLEAR, Some(MADE_BY_CONTROLLERS)),
    (SLICES, "", WRITE, Some(HEARTBEAT)),
    (EVENTS, "", &["list"], Some(REASONS)),
    (QUOTAS, "", &["list"], Some(ROOM)),
    (
        NAMESPACES,
        "",
        &["create", "get", "list", "delete"],
        Some(OWN_NAMESPACE),
    ),
];

const BY_DEPLOYMENTS: [Row; 2] = [
    (DEPLOYMENTS, "", MAKE, None),
    (DEPLOYMENTS, "scale", &["patch"], None),
];

/// As the backend `slices` writes them. Nobody else takes away what it made.
const BY_SLICES: [Row; 2] = [(SLICES, "", WRITE, None), (SLICES, "", CLEAR, None)];

/// As the backend `pods` writes them, beside the slices.
const BY_PODS: [Row; 3] = [
    (PODS, "", &["create", "get", "patch"], None),
    (PODS, "", CLEAR, None),
    (PODS, "status", &["patch"], None),
];

const WATCHING: [Row; 3] = [
    (SERVICES, "", SEE, None),
    (SLICES, "", SEE, None),
    (NODES, "", SEE, Some(ZONES)),
];

// === impl Permission ===

impl Permission {
    /// Every permission that `purpose` asks for, each once.
    #[must_use]
    pub fn of(purpose: Purpose) -> Vec<Self> {
        let (first, second): (&[Row], &[Row]) = match purpose.backend {
            Backend::Deployments { .. } => (&BY_DEPLOYMENTS, &[]),
            Backend::Pods { .. } => (&BY_SLICES, &BY_PODS),
            Backend::Slices { .. } => (&BY_SLICES, &[]),
        };
        let endpoints = first.iter().chain(second).filter(|_| purpose.endpoints);
        let acting = ACTING.iter().chain(endpoints);
        let acting = acting.filter(|_| purpose.acts);
        let watching = WATCHING.iter().filter(|_| purpose.watches);
        let mut all: Vec<Self> = Vec::new();
        // What nothing works without comes first, so that it also wins.
        let mut rows: Vec<_> = acting.chain(watching).collect();
        rows.sort_by_key(|row| row.3.is_some());
        for &(resource, subresource, verbs, without) in rows {
            for &verb in verbs {
                let one = Self {
                    group: resource.group,
                    resource: resource.plural,
                    subresource,
                    verb,
                    cluster: [NAMESPACES, NODES].contains(&resource),
                    without,
                };
                let asked = |it: &Self| (it.group, it.resource, it.subresource, it.verb);
                if !all.iter().any(|other| asked(other) == asked(&one)) {
                    all.push(one);
                }
            }
        }
        all
    }

    /// The rules of a Role that grants these, or of a ClusterRole where `cluster`: resources of one
    /// group with the same verbs in one rule, in the order of the permissions.
    #[must_use]
    pub fn rules(all: &[Self], cluster: bool) -> Vec<serde_json::Value> {
        let mut resources: Vec<(&str, String, Vec<&str>)> = Vec::new();
        for one in all.iter().filter(|one| one.cluster == cluster) {
            let name = one.resource();
            match resources
                .iter_mut()
                .find(|it| it.0 == one.group && it.1 == name)
            {
                Some((_, _, verbs)) => verbs.push(one.verb),
                None => resources.push((one.group, name, vec![one.verb])),
            }
        }
        let rule = |(group, resource, verbs)| serde_json::json!({"apiGroups": [group], "resources": [resource], "verbs": verbs});
        resources.into_iter().map(rule).collect()
    }

    /// The resource as RBAC names it, such as `deployments/scale`.
    #[must_use]
    pub fn resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dst_load_scenario::published::assert_published;

    #[test]
    fn what_is_needed_for_something_else_is_not_asked_twice_nor_called_dispensable() {
        let both = Permission::of(Purpose {
            acts: true,
            endpoints: true,
            watches: true,
            backend: Backend::default(),
        });
        let slices: Vec<_> = both
            .iter()
            .filter(|one| one.resource == "endpointslices")
            .map(|one| (one.verb, one.without.is_some()))
            .collect();
        assert_eq!(
            slices,
            [
                ("list", false),
                ("watch", false),
                ("delete", true),
                ("create", true),
                ("get", true),
                ("update", true)
            ]
        );
        let watching = Permission::of(Purpose {
            acts: false,
            endpoints: false,
            watches: true,
            backend: Backend::default(),
        });
        assert!(watching.iter().all(|one| SEE.contains(&one.verb)));
    }

    /// The chart grants exactly what is asked for; namespaces, which are the cluster's, it does not
    /// need, for Helm makes the one that it installs into.
    #[test]
    fn the_charts_roles_are_these() {
        let addresses = dst_load_scenario::quantity::AddressRange::RESERVED;
        let meshed = false;
        let acting = |backend| Purpose {
            acts: true,
            endpoints: true,
            watches: false,
            backend,
        };
        let watching = Purpose {
            acts: false,
            endpoints: false,
            watches: true,
            backend: Backend::default(),
        };
        for (name, purpose, cluster) in [
            ("churn-deployments", acting(Backend::default()), false),
            (
                "churn-pods",
                acting(Backend::Pods { meshed, addresses }),
                false,
            ),
            ("churn-slices", acting(Backend::Slices { addresses }), false),
            ("client", watching, false),
            ("client-nodes", watching, true),
        ] {
            let rules = Permission::rules(&Permission::of(purpose), cluster);
            let mut text = String::from("# Generated from what the tool asks of Kubernetes.\n");
            for rule in rules {
                text.push_str(&format!("- apiGroups: {}\n", rule["apiGroups"]));
                text.push_str(&format!("  resources: {}\n", rule["resources"]));
                text.push_str(&format!("  verbs: {}\n", rule["verbs"]));
            }
            assert_published(
                &format!("charts/dst-load-test/files/rbac/{name}.yaml"),
                &text,
            );
        }
    }

    #[test]
    fn where_services_only_stand_for_others_no_endpoints_are_written() {
        let standing = Permission::of(Purpose {
            acts: true,
            endpoints: false,
            watches: true,
            backend: Backend::default(),
        });
        let may = |verb, resource: &str| {
            let mut all = standing.iter();
            all.any(|one| one.verb == verb && one.resource() == resource)
        };
        assert!(may("create", "services") && may("patch", "leases"));
        assert!(!may("create", "deployments") && !may("patch", "deployments/scale"));
    }

    #[test]
    fn who_writes_endpoints_himself_needs_no_deployments_and_must_take_away_what_he_wrote() {
        let addresses = dst_load_scenario::quantity::AddressRange::RESERVED;
        let needed = |backend| {
            let all = Permission::of(Purpose {
                acts: true,
                endpoints: true,
                watches: false,
                backend,
            });
            let needed = all.into_iter().filter(|one| one.without.is_none());
            let named = needed.map(|one| format!("{} {}", one.verb, one.resource()));
            named.collect::<std::collections::BTreeSet<_>>()
        };
        let slices = needed(Backend::Slices { addresses });
        let pods = needed(Backend::Pods {
            meshed: false,
            addresses,
        });
        for of in [&slices, &pods] {
            assert!(!of.contains("create deployments"));
            assert!(of.contains("update endpointslices"));
            assert!(of.contains("delete endpointslices"));
        }
        assert!(pods.contains("patch pods/status") && !slices.contains("create pods"));
        let deployments = needed(Backend::default());
        assert!(deployments.contains("patch deployments/scale"));
        assert!(!deployments.contains("create endpointslices"));
    }
}
