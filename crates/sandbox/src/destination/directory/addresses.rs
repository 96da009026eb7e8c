//! Whose address it is: Services by ClusterIP, running Pods by theirs; and what an event touched.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::ObjectName;

/// Objects by address, of which each should have one.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    services: BTreeMap<IpAddr, BTreeSet<ObjectName>>,
    pods: BTreeMap<IpAddr, BTreeSet<ObjectName>>,
    touched: Touched,
}

/// What events were about since somebody last looked.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) services: BTreeSet<ObjectName>,
    /// Addresses that Pods got or lost, or whose Pod changed.
    pub(crate) pods: BTreeSet<IpAddr>,
}

/// Two objects have this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shared;

// === impl Addresses ===

impl Addresses {
    /// A Service has the addresses `after` instead of `before`.
    pub(super) fn move_service(&mut self, name: &ObjectName, before: &[IpAddr], after: &[IpAddr]) {
        relocate(&mut self.services, name, before, after);
        self.touched.services.insert(name.clone());
    }

    /// A running Pod has the addresses `after` instead of `before`.
    pub(super) fn move_pod(&mut self, name: &ObjectName, before: &[IpAddr], after: &[IpAddr]) {
        relocate(&mut self.pods, name, before, after);
        self.touched.pods.extend(before.iter().chain(after));
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
    pub(crate) fn take_touched(&mut self) -> Touched {
        std::mem::take(&mut self.touched)
    }
}

fn relocate(
    all: &mut BTreeMap<IpAddr, BTreeSet<ObjectName>>,
    name: &ObjectName,
    before: &[IpAddr],
    after: &[IpAddr],
) {
    for ip in before.iter().filter(|ip| !after.contains(ip)) {
        if let Some(names) = all.get_mut(ip) {
            names.remove(name);
            if names.is_empty() {
                all.remove(ip);
            }
        }
    }
    for &ip in after {
        all.entry(ip).or_default().insert(name.clone());
    }
}

fn only(
    all: &BTreeMap<IpAddr, BTreeSet<ObjectName>>,
    ip: IpAddr,
) -> Result<Option<&ObjectName>, Shared> {
    let names = all.get(&ip);
    if names.is_some_and(|names| names.len() > 1) {
        return Err(Shared);
    }
    Ok(names.and_then(BTreeSet::first))
}
