//! Which namespaces are not for load tests.

use clap::Args;

use super::{cluster::ClusterArgs, usage::UsageError};

/// Allows namespaces that are refused otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct NamespaceArgs {
    /// Allow Services in this namespace although it is a system namespace, or has a control plane
    /// of Linkerd. Can be repeated.
    #[arg(long, value_name = "NAME", value_delimiter = ',', env)]
    pub allow_namespace: Vec<String>,
}

/// Namespaces of Kubernetes, of its distributions and of Linkerd, by what their names begin with.
const SYSTEM: [&str; 4] = ["kube-", "openshift-", "gke-managed-", "linkerd-"];
/// Those without anything after it.
const SYSTEM_ALONE: [&str; 2] = ["openshift", "linkerd"];

// === impl NamespaceArgs ===

impl NamespaceArgs {
    /// Whether the namespace was allowed by its name.
    pub(super) fn allows(&self, namespace: &str) -> bool {
        self.allow_namespace.iter().any(|name| name == namespace)
    }

    /// Whether the namespace that is named, if one is, was allowed by its name.
    pub(super) fn allows_named(&self, cluster: &ClusterArgs) -> bool {
        let named = cluster.namespace.as_deref();
        named.is_some_and(|namespace| self.allows(namespace))
    }

    /// Refuses a system namespace, and those of the controllers under test, unless it is allowed.
    ///
    /// # Errors
    /// With what is wrong with it, and how it is allowed.
    pub(super) fn check(
        &self,
        namespace: &str,
        controllers: impl IntoIterator<Item = String>,
    ) -> Result<(), UsageError> {
        if self.allows(namespace) {
            return Ok(());
        }
        if is_system(namespace) {
            return Err(UsageError(format!(
                "namespace {namespace:?} is a system namespace, and a load test there may harm the \
                 cluster; name another one, or allow it with --allow-namespace {namespace}"
            )));
        }
        if controllers.into_iter().any(|it| it == namespace) {
            return Err(UsageError(format!(
                "namespace {namespace:?} is that of the destination controller, and a load test \
                 there may harm the cluster; name another one, or allow it with --allow-namespace \
                 {namespace}"
            )));
        }
        Ok(())
    }
}

fn is_system(namespace: &str) -> bool {
    SYSTEM_ALONE.contains(&namespace) || SYSTEM.iter().any(|it| namespace.starts_with(it))
}

/// The namespace of a Service's DNS name, such as `linkerd-dst.linkerd.svc.cluster.local:8086`.
pub(super) fn namespace_of_host(address: &str) -> Option<String> {
    let address = address.rsplit_once("//").map_or(address, |(_, rest)| rest);
    let host = address.split(['/', ':']).next()?;
    let mut labels = host.split('.');
    let namespace = labels.nth(1)?;
    (labels.next() == Some("svc")).then(|| namespace.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(namespace: &str, allowed: &[&str]) -> Result<(), String> {
        let args = NamespaceArgs {
            allow_namespace: allowed.iter().map(|&it| it.to_owned()).collect(),
        };
        let controllers = ["mesh".to_owned()];
        args.check(namespace, controllers)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn system_namespaces_and_the_controllers_are_refused_unless_they_are_allowed() {
        for namespace in [
            "kube-system",
            "kube-public",
            "linkerd",
            "linkerd-viz",
            "openshift-dns",
            "mesh",
        ] {
            let error = check(namespace, &["other"]).unwrap_err();
            let allows = format!("allow it with --allow-namespace {namespace}");
            assert!(error.ends_with(&allows), "{error}");
            assert_eq!(check(namespace, &["other", namespace]), Ok(()));
        }
        for namespace in ["shop", "default", "kubeflow", "linkerdtest", "meshed"] {
            assert_eq!(check(namespace, &[]), Ok(()));
        }
    }

    #[test]
    fn the_namespace_of_a_service_is_read_from_its_name() {
        for (address, namespace) in [
            ("linkerd-dst.mesh.svc:8086", Some("mesh")),
            (
                "http://linkerd-dst.mesh.svc.cluster.local:9996/metrics",
                Some("mesh"),
            ),
            ("dns:///a.b.svc.cluster.local:1", Some("b")),
            ("10.0.0.1:8086", None),
            ("localhost:8086", None),
            ("destination.example.org:8086", None),
        ] {
            assert_eq!(
                namespace_of_host(address).as_deref(),
                namespace,
                "{address}"
            );
        }
    }
}
