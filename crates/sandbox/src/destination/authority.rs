//! What a client asks for: the path of a `GetDestination`, its context token, and the codes and
//! texts with which Linkerd refuses a path.

use std::net::IpAddr;

use serde::Deserialize;
use tonic::Status;

use super::objects::{Discovery, ObjectName, Service};

/// A path that names a port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) service: ObjectName,
    /// Of an instance name.
    pub(crate) hostname: Option<String>,
    pub(crate) port: u16,
}

/// What a client says of itself. Unknown fields are ignored, as Go's decoder does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ContextToken {
    pub(crate) ns: String,
    pub(crate) node_name: String,
    pub(crate) pod: String,
}

// === impl Authority ===

impl Authority {
    /// Reads `path`: `[<hostname>.]<service>.<namespace>.svc.<cluster domain>[:<port>]`.
    pub(crate) fn parse(path: &str, cluster_domain: &str) -> Result<Self, Status> {
        let (host, port) = split_port(path).ok_or_else(|| invalid(path))?;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Err(Status::invalid_argument(format!(
                "IP queries not supported by Get API: host={ip}"
            )));
        }
        let labels = host
            .strip_suffix(cluster_domain)
            .and_then(|host| host.strip_suffix(".svc."))
            .ok_or_else(|| invalid(path))?;
        let labels: Vec<&str> = labels.split('.').collect();
        let (hostname, service) = match labels[..] {
            [service, namespace] => (None, ObjectName::new(namespace, service)),
            [host, service, namespace] => {
                (Some(host.to_owned()), ObjectName::new(namespace, service))
            }
            _ => return Err(invalid(path)),
        };
        Ok(Self {
            service,
            hostname,
            port,
        })
    }

    /// Where the endpoints of `service` are: Services by name, each with its cluster, none for
    /// this one.
    pub(crate) fn members(
        &self,
        service: Option<&Service>,
        path: &str,
    ) -> Result<Vec<(ObjectName, Option<String>)>, Status> {
        let ObjectName { namespace, name } = &self.service;
        let Some(service) = service else {
            let text = format!("Service {name}.{namespace} not found");
            return Err(Status::not_found(text));
        };
        match &service.discovery {
            Discovery::Federated { members } => Ok(members
                .iter()
                .map(|(name, cluster)| (ObjectName::new(namespace, name), cluster.clone()))
                .collect()),
            Discovery::Remote { service: None, .. } => Err(Status::failed_precondition(format!(
                "Remote discovery service missing remote service name {path}"
            ))),
            Discovery::Remote {
                cluster,
                service: Some(service),
            } => Ok(vec![(
                ObjectName::new(namespace, service),
                Some(cluster.clone()),
            )]),
            Discovery::Local if service.external_name => Err(invalid(path)),
            Discovery::Local => Ok(vec![(self.service.clone(), None)]),
        }
    }
}

fn invalid(path: &str) -> Status {
    Status::invalid_argument(format!("Invalid authority: {path}"))
}

/// The host and the port, 80 where there is no colon; as Go's `net.SplitHostPort` splits.
pub(crate) fn split_port(path: &str) -> Option<(&str, u16)> {
    let Some((host, port)) = path.rsplit_once(':') else {
        return Some((path, 80));
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    match host.strip_prefix('[') {
        Some(host) => Some((host.strip_suffix(']')?, port)),
        None => (!host.contains([':', '[', ']'])).then_some((host, port)),
    }
}

// === impl ContextToken ===

impl ContextToken {
    /// Reads a token. What cannot be read is served as if it were empty, with a warning.
    pub(crate) fn parse(token: &str) -> Self {
        if let Ok(token) = serde_json::from_str(token) {
            return token;
        }
        tracing::warn!(token, "context token is not understood");
        Self {
            ns: token.strip_prefix("ns:").unwrap_or_default().to_owned(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn refused(path: &str) -> (Code, String) {
        let status = Authority::parse(path, "cluster.local").unwrap_err();
        (status.code(), status.message().to_owned())
    }

    #[test]
    fn a_path_without_a_port_means_port_80() {
        let authority = Authority::parse("web.shop.svc.cluster.local", "cluster.local").unwrap();
        assert_eq!(authority.service, ObjectName::new("shop", "web"));
        assert_eq!((authority.hostname, authority.port), (None, 80));
    }

    #[test]
    fn an_instance_name_carries_its_host_name() {
        let path = "db-0.db.shop.svc.cluster.local:5432";
        let authority = Authority::parse(path, "cluster.local").unwrap();
        assert_eq!(authority.service, ObjectName::new("shop", "db"));
        assert_eq!(authority.hostname.as_deref(), Some("db-0"));
        assert_eq!(authority.port, 5432);
    }

    #[test]
    fn a_path_that_names_no_service_is_an_invalid_authority() {
        for path in [
            "",
            "web",
            "web.shop",
            "web.shop.svc.cluster.local:",
            "web.shop.svc.cluster.local:0",
            "web.shop.svc.cluster.local:65536",
            "web.shop.svc.cluster.local:http",
            "web.shop.svc.cluster.local.:80",
            "web.shop.svc.other.domain:80",
            "web.shop.SVC.cluster.local:80",
            "web.shop.pod.cluster.local:80",
            "web.svc.cluster.local:80",
            "a.b.web.shop.svc.cluster.local:80",
            "svc.cluster.local:80",
            "xsvc.cluster.local:80",
            "::1",
            "[::1]",
            "fd00::1:80",
        ] {
            let expected = (Code::InvalidArgument, format!("Invalid authority: {path}"));
            assert_eq!(refused(path), expected, "{path}");
        }
    }

    #[test]
    fn an_address_instead_of_a_name_is_refused_by_its_own_text() {
        for (path, host) in [
            ("10.1.2.3:80", "10.1.2.3"),
            ("10.1.2.3", "10.1.2.3"),
            ("[fd00::1]:80", "fd00::1"),
        ] {
            let text = format!("IP queries not supported by Get API: host={host}");
            assert_eq!(refused(path), (Code::InvalidArgument, text));
        }
    }

    #[test]
    fn a_token_is_json_or_the_old_form_or_empty() {
        let token = ContextToken::parse(r#"{"ns":"shop","nodeName":"node-1","pod":"web-1"}"#);
        assert_eq!(
            (&*token.ns, &*token.node_name, &*token.pod),
            ("shop", "node-1", "web-1")
        );
        assert_eq!(ContextToken::parse("ns:shop").ns, "shop");
        assert_eq!(ContextToken::parse("{"), ContextToken::default());
        assert_eq!(ContextToken::parse(""), ContextToken::default());
    }
}
