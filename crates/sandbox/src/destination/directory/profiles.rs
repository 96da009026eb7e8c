//! What `GetProfile` is told: which object a path means, and what is said of it.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use tonic::Status;

use super::{Directory, ObjectName, addresses::Topic};
use crate::destination::{
    authority::{Authority, split_port},
    encode::profile,
};

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A port of a Service.
    Service(ObjectName, u16),
    /// A port that its Service does not have: one empty message, and silence.
    NoPort,
    /// An address that is no Service's.
    Address(SocketAddr),
}

// === impl Subject ===

impl Subject {
    /// Events about what may change what is said of it.
    pub(crate) fn topic(&self) -> Option<Topic> {
        match self {
            Self::Service(name, _) => Some(Topic::Service(name.clone())),
            Self::Address(addr) => Some(Topic::Pod(addr.ip())),
            Self::NoPort => None,
        }
    }
}

// === impl Directory ===

impl Directory {
    /// What `path` means, or how Linkerd refuses it.
    ///
    /// Instance names are refused as not found: no proxy asks for them here.
    pub(crate) fn subject(&self, path: &str, cluster_domain: &str) -> Result<Subject, Status> {
        let invalid = || Status::invalid_argument(format!("invalid authority: {path}"));
        let (host, port) = split_port(path).ok_or_else(invalid)?;
        if let Ok(ip) = host.parse::<IpAddr>() {
            let shared = |_| Status::failed_precondition(format!("{ip} is of several Services"));
            return match self.addresses.service(ip).map_err(shared)? {
                Some(name) => Ok(self.port_of(&name.clone(), port)),
                None => {
                    self.pod_at(ip)?;
                    Ok(Subject::Address(SocketAddr::new(ip, port)))
                }
            };
        }
        let authority = Authority::parse(path, cluster_domain).map_err(|_| invalid())?;
        let name = &authority.service;
        if let Some(host) = &authority.hostname {
            return Err(Status::not_found(format!("no endpoint is called {host}")));
        }
        let Some(service) = self.services.get(name) else {
            // The cache's own words, without a code of their own: not those of `Get`.
            let text = format!("service {:?} not found", name.name);
            return Err(Status::unknown(text));
        };
        if service.external_name {
            return Err(invalid());
        }
        Ok(self.port_of(name, port))
    }

    /// What is said of a subject now; `None` if there is no news and will be none.
    pub(crate) fn profile(
        &self,
        subject: &Subject,
        cluster_domain: &str,
    ) -> Result<Option<Bytes>, Status> {
        Ok(match subject {
            Subject::NoPort => Some(profile::empty()),
            Subject::Service(name, port) => (self.services.get(name))
                .map(|service| profile::of_service(service, *port, cluster_domain)),
            Subject::Address(addr) => {
                let pod = self.pod_at(addr.ip())?.and_then(|name| self.pods.get(name));
                Some(profile::of_endpoint(*addr, pod))
            }
        })
    }

    fn port_of(&self, name: &ObjectName, port: u16) -> Subject {
        let service = self.services.get(name);
        let known = service.is_some_and(|it| it.ports.iter().any(|(number, _)| *number == port));
        if known {
            Subject::Service(name.clone(), port)
        } else {
            Subject::NoPort
        }
    }

    fn pod_at(&self, ip: IpAddr) -> Result<Option<&ObjectName>, Status> {
        let shared = |_| Status::failed_precondition(format!("{ip} is of several Pods"));
        self.addresses.pod(ip).map_err(shared)
    }
}
