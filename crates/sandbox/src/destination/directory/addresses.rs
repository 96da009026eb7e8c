//! Whose address it is: Services by ClusterIP, running Pods by theirs; and what an event touched.

use std::{collections::BTreeSet, net::IpAddr};

use super::ObjectName;
use crate::index::Index;

/// Objects by address, of which each should have one.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    services: Index<IpAddr, ObjectName>,
    pods: Index<IpAddr, ObjectName>,
    touched: BTreeSet<Topic>,
}

/// What an event was about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Service(ObjectName),
    /// An address that a Pod got or lost, or whose Pod changed.
    Pod(IpAddr),
}

/// Two objects have this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shared;

// === impl Addresses ===

impl Addresses {
    /// A Service has the addresses `after` instead of `before`.
    pub(super) fn move_service(&mut self, name: &ObjectName, before: &[IpAddr], after: &[IpAddr]) {
        relocate(&mut self.services, name, before, after);
        self.touched.insert(Topic::Service(name.clone()));
    }

    /// A running Pod has the addresses `after` instead of `before`.
    pub(super) fn move_pod(&mut self, name: &ObjectName, before: &[IpAddr], after: &[IpAddr]) {
        relocate(&mut self.pods, name, before, after);
        let all = before.iter().chain(after);
        self.touched.extend(all.copied().map(Topic::Pod));
    }

    /// The Service with this ClusterIP.
    pub(crate) fn service(&self, ip: IpAddr) -> Result<Option<&ObjectName>, Shared> {
        only(&self.services, ip)
    }

    /// The running Pod with this address.
    pub(crate) fn pod(&self, ip: IpAddr) -> Result<Option<&ObjectName>, Shared> {
        only(&self.pods, ip)
    }

    /// Takes what has been touched since the last call.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<Topic> {
        std::mem::take(&mut self.touched)
    }
}

fn relocate(
    all: &mut Index<IpAddr, ObjectName>,
    name: &ObjectName,
    before: &[IpAddr],
    after: &[IpAddr],
) {
    for ip in before.iter().filter(|ip| !after.contains(ip)) {
        all.remove(ip, name);
    }
    for &ip in after {
        all.insert(ip, name.clone());
    }
}

fn only(all: &Index<IpAddr, ObjectName>, ip: IpAddr) -> Result<Option<&ObjectName>, Shared> {
    let mut names = all.of(&ip);
    match (names.next(), names.next()) {
        (_, Some(_)) => Err(Shared),
        (name, None) => Ok(name),
    }
}
